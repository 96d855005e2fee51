"""What the stand-in for a Dynafed answers to each method."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from servers import dynafed_answers as answers
from servers import dynafed_choices as choices
from servers.answering import NOTHING, Answering
from servers.dynafed_catalogue import Item
from servers.endpoints import Endpoint, Found

if TYPE_CHECKING:
    from servers.dynafed import Dynafed
    from servers.dynafed_behaviour import Behaviour

PREFIX = "/fed/"


class Handler(Answering):
    """Answers for the federation that is the owner of this."""

    owner: Dynafed
    wanted = ""
    query: dict[str, list[str]]

    @property
    def behaviour(self) -> Behaviour:
        """How the federation is to behave."""
        return self.owner.behaviour

    def parse_request(self) -> bool:
        """Find out what is wanted; answer at once if nobody gets any further today."""
        if not super().parse_request():
            return False
        parts = urlsplit(self.path)
        self.wanted = unquote(parts.path).removeprefix(PREFIX).strip("/")
        self.query = parse_qs(parts.query, keep_blank_values=True)
        refusal = self._refusal(unquote(parts.path))
        if self.behaviour.drops:
            self.close_connection = True
        elif refusal:
            wait = self.behaviour.retry_after
            self.fail(refusal, "Not now", {"Retry-After": wait} if wait else {})
        return not (self.behaviour.drops or refusal)

    def _refusal(self, path: str) -> int:
        if self.behaviour.failing is not None:
            return self.behaviour.failing
        tokens = self.behaviour.tokens
        if tokens is not None and self.headers.get("Authorization", "") not in {
            f"Bearer {one}" for one in tokens
        }:
            return 403
        return 0 if (path + "/").startswith(PREFIX) else 404

    def on_options(self) -> None:
        """Say what there is."""
        self.answer(200, headers={"DAV": "1", "Allow": "OPTIONS,GET,HEAD,PUT,DELETE,MKCOL,PROPFIND,COPY"})

    def on_head(self) -> None:
        """Answer from what is believed; a checksum is with an endpoint."""
        item = self._item()
        if item is None:
            return
        if "Want-Digest" in self.headers and not item.found.is_directory:
            with_checksums = [one for one in choices.holders(self.owner, item) if one.checksums]
            if with_checksums:
                self.redirect(with_checksums[0])
                return
        headers = {"Last-Modified": formatdate(item.found.modified, usegmt=True), **self._link(item)}
        if item.found.is_directory:
            self.answer(200, headers={"Content-Type": "text/html", **headers})
        else:
            self.answer(
                200, headers={"Content-Length": str(choices.size(self.owner, self.wanted, item)), **headers}
            )

    def on_get(self) -> None:
        """Send to a replica, or tell all of them."""
        item = self._item()
        if item is None:
            return
        if item.found.is_directory:
            names = self.owner.catalogue.listing(self.wanted) or {}
            self.answer(200, answers.page(self.wanted, sorted(names)), {"Content-Type": "text/html"})
            return
        version = self._metalink_version()
        if version:
            self._metalink(item, version)
            return
        ghosts = self.behaviour.ghosts.get(self.wanted, ())
        holders = choices.holders(self.owner, item)
        if ghosts:
            self.answer(self.behaviour.redirect, headers={"Location": ghosts[0], **self._link(item)})
        elif holders:
            self.redirect(holders[0], self._link(item))
        else:
            self.fail(404, "No active endpoints have replicas of this file now")

    def on_put(self) -> None:
        """Send to the first endpoint that can be written, after making parents there."""
        if not self.behaviour.allow_overwrite and self.owner.catalogue.item(self.wanted):
            self.fail(403, "It exists, and may not be overwritten")
            return
        writable = choices.writable(self.owner)
        if not writable:
            self.fail(500, "No endpoint can be written")
            return
        if self.behaviour.precreate:
            choices.make_parents(writable[0], self.wanted)
        self.redirect(writable[0])

    def on_delete(self) -> None:
        """Delete wherever that is possible now."""
        catalogue = self.owner.catalogue
        numbers = [self.owner.endpoints.index(one) for one in choices.writable(self.owner)]
        # As it was asked: an Apache redirects where the slash of a directory is missing.
        place = self.wanted + "/" * urlsplit(self.path).path.endswith("/")
        said = catalogue.ask_all(lambda one: one.ask("DELETE", one.url(place))[0], among=numbers)
        statuses = {status for _, status in said}
        catalogue.forget(self.wanted)
        if statuses & {200, 204}:
            self.answer(204)
        elif statuses & {401, 403}:
            self.fail(403, "An endpoint did not permit it")
        else:
            self.fail(404 if statuses == {404} else 500, "Not deleted")

    def on_mkcol(self) -> None:
        """Note a directory that nobody will find until there is something in it."""
        self.answer(405 if self.owner.catalogue.item(self.wanted) else 201)

    def on_propfind(self) -> None:
        """List the union of the endpoints, if it is not too long."""
        depth = self.headers.get("Depth", "infinity")
        if depth not in {"0", "1"}:
            self.fail(403, "Depth infinity is not allowed")
            return
        item = self._item()
        if item is None:
            return
        path = PREFIX + self.wanted
        here = path if not item.found.is_directory or path.endswith("/") else f"{path}/"
        size = choices.size(self.owner, self.wanted, item)
        entries = [(here, Found(**{**vars(item.found), "size": size}))]
        if depth == "1" and item.found.is_directory:
            inside = self.owner.catalogue.listing(self.wanted) or {}
            if len(inside) > self.behaviour.max_list_items:
                self.fail(500, "Too many items")
                return
            entries += [
                (f"{here}{name}/" if found.is_directory else f"{here}{name}", found)
                for name, found in sorted(inside.items())
            ]
        kind = 'application/xml; charset="utf-8"'
        self.answer(207, answers.multistatus(entries), {"Content-Type": kind})

    def on_move(self) -> None:
        """Do nothing, as Dynafed has no rename."""
        self.fail(501, "Not supported")

    on_copy = on_move

    def redirect(self, endpoint: Endpoint, headers: Mapping[str, str] = NOTHING) -> None:
        """Send to an endpoint, for the same path."""
        self.answer(
            self.behaviour.redirect,
            headers={"Location": choices.replica(self.owner, endpoint, self.wanted), **headers},
        )

    def fail(self, status: int, why: str, headers: Mapping[str, str] = NOTHING) -> None:
        """Answer with an error, in words of a web server."""
        reason = BaseHTTPRequestHandler.responses.get(status, ("Error", ""))[0]
        text = f"<html><head><title>{status} {reason}</title></head><body><p>{why}</p></body></html>\n"
        self.answer(status, text.encode(), {"Content-Type": "text/html; charset=iso-8859-1", **headers})

    def _item(self) -> Item | None:
        """Return what is believed to be at the path; answer 404 if it is nothing."""
        item = self.owner.catalogue.item(self.wanted)
        if item is None:
            self.fail(404, "No such file or directory")
        return item

    def _metalink_version(self) -> int:
        """Return which metalink is asked for, 0 for none."""
        if not self.behaviour.metalink:
            return 0
        accepted = self.headers.get("Accept", "")
        asked = [version for version, kind in answers.METALINK.items() if kind in accepted]
        return asked[0] if asked else self.behaviour.metalink_version if "metalink" in self.query else 0

    def _metalink(self, item: Item, version: int) -> None:
        replicas = [(url, "") for url in self.behaviour.ghosts.get(self.wanted, ())]
        replicas += [
            (choices.replica(self.owner, one, self.wanted), one.location)
            for one in choices.holders(self.owner, item)
        ]
        hashes = self.behaviour.hashes.get(self.wanted, {})
        text = answers.metalink(
            version, item.found.name, choices.size(self.owner, self.wanted, item), replicas, hashes
        )
        self.answer(200, text, {"Content-Type": answers.METALINK[version]})

    def _link(self, item: Item) -> dict[str, str]:
        """Return the header that tells where the metalink of a file is."""
        if not self.behaviour.metalink or item.found.is_directory:
            return {}
        url = f"{self.listener.origin}{urlsplit(self.path).path}?metalink"
        kind = answers.METALINK[self.behaviour.metalink_version]
        return {"Link": f'<{url}>; rel=describedby; type="{kind}"'}
