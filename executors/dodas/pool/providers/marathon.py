"""Workers as apps of Marathon, over its REST API."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from dodas.auth import private
from dodas.errors import NotAllowed
from dodas.pool.description.model import ProviderSettings
from dodas.pool.providers import rest_faults
from dodas.pool.providers.base import (
    NotAuthorised,
    Provider,
    ProviderError,
    ProviderUnavailable,
    Refused,
    Seen,
    Setup,
    State,
    Worker,
)
from dodas.pool.providers.marathon_states import are_waiting, seen
from dodas.pool.providers.parted import Parted
from dodas.pool.providers.rest import Answer, Service
from dodas.pool.providers.rest_bounded import Bounded
from dodas.pool.rendering import marathon as rendering

_LAUNCHING = 40.0  # seconds after which no further worker is asked for, or removed, in one call
_LONGEST = 400  # characters of a complaint
_EMBED = "&".join(f"embed=apps.{what}" for what in ("tasks", "counts", "deployments", "lastTaskFailure"))


def make(setup: Setup) -> Provider:
    """Return the provider.

    Raises:
        Refused: The address of Marathon is none.
    """
    provider = Marathon(setup)
    return Bounded(provider=provider, service=provider.service)


class Marathon:
    """The apps of one pool.

    Attributes:
        service: Marathon.
    """

    def __init__(self, setup: Setup) -> None:
        settings = setup.pool.provider(setup.provider)
        self._pool = setup.pool
        self._parted = Parted()
        self._labels = rendering.owner_labels(setup.pool, setup.provider)
        self.service = Service(
            name="Marathon",
            url=str(settings.get("url") or ""),
            ca_file=os.path.expanduser(str(settings.get("ca_file") or "")),
            headers=lambda fresh: _proof(settings),
        )

    def launch(self, workers: Sequence[Worker]) -> None:
        """Make an app for each worker that has none."""
        end = time.monotonic() + _LAUNCHING
        for number, worker in enumerate(workers):
            self._in_time(end, number, len(workers))
            self._make(worker)

    def list(self) -> Sequence[Seen]:
        """Return the workers that have an app; what has ended is removed, and seen this once.

        Marathon would start it again.
        """
        apps = self._apps()
        queue: Sequence[Any] = ()
        if are_waiting(apps):
            queue = _of(self.service.ask("GET", "/v2/queue"), "queue")
        found = seen(apps, queue)
        for one in found:
            if one.state in (State.ENDED, State.FAILED):
                with suppress(ProviderError):  # the next look tries again
                    self._remove(one.worker)
        return self._parted.complete(found)

    def terminate(self, workers: Sequence[str]) -> None:
        """Delete apps, whose tasks get SIGTERM and their grace."""
        self._parted.tell(workers)
        end = time.monotonic() + _LAUNCHING
        ours = {str((app.get("labels") or {}).get("dodas.worker")) for app in self._apps(embed="")}
        for number, worker in enumerate(workers):
            self._in_time(end, number, len(workers))
            if worker in ours:
                self._remove(worker)

    def logs(self, worker: str) -> str:
        """Raise an error that says where the output is: Marathon's API has none."""
        one = next((one for one in self.list() if one.worker == worker), None)
        if one is None or not one.node:
            raise ProviderError(
                f"Marathon has no output of worker {worker}, and it runs nowhere",
                hint=(one.reason if one else "") or "look at `dodas pool status`",
            )
        raise ProviderError(
            f"Marathon has no output of worker {worker}: it stays on the node {one.node}",
            hint=f"look into the sandbox of {one.handle} on {one.node}, as in the web page of Mesos",
        )

    def _make(self, worker: Worker) -> None:
        order = _read(os.path.join(worker.directory, "pilot.json"))
        grace = rendering.GRACE
        with suppress(ValueError, TypeError, AttributeError):
            grace = float(json.loads(order).get("grace", grace))
        token = _read(os.path.join(worker.directory, "token"))
        app = rendering.app(self._pool, worker.flavour, worker, order=order, token=token, grace=grace)
        # A second app of that name is refused, so that what was perhaps not heard may be said again.
        answer = self.service.ask("POST", "/v2/apps", data=app, expect=(409, 422, 400), repeat=True)
        if answer.status == 409:
            self._conflict(answer, app)
        elif answer.status >= 400:
            raise Refused(
                f"{self.service.who} does not take the app of {worker.name}: {_details(answer, token)}",
                hint="change the flavour; `dodas pool render` shows what is sent",
            )

    def _conflict(self, answer: Answer, app: Mapping[str, Any]) -> None:
        """Accept an app of ours that is there already; raise for anything else."""
        if "already exists" not in answer.text:
            raise ProviderUnavailable(
                f"{self.service.who} is busy: {rest_faults.reason(answer.text)}", hint="try again"
            )
        found = self.service.ask("GET", f"/v2/apps/{_quoted(app['id'])}").json().get("app") or {}
        labels = found.get("labels") or {}
        if any(labels.get(name) != value for name, value in self._labels.items()):
            raise Refused(
                f"{self.service.who} has an app {app['id']} that is none of this pool's",
                hint="give the pool another name",
            )

    def _remove(self, worker: str) -> None:
        path = f"/v2/apps/{_quoted(rendering.app_id(self._pool, worker))}"
        answer = self.service.ask("DELETE", path, expect=(404, 409))
        if answer.status == 409:
            # It is being started; to remove it ends that, too.
            self.service.ask("DELETE", path, params={"force": "true"}, expect=(404,))

    def _apps(self, embed: str = _EMBED) -> Sequence[Any]:
        selector = quote(",".join(f"{name}=={value}" for name, value in self._labels.items()), safe="")
        return _of(self.service.ask("GET", f"/v2/apps?label={selector}&{embed}".rstrip("&")), "apps")

    def _in_time(self, end: float, number: int, of: int) -> None:
        if time.monotonic() > end:
            raise ProviderUnavailable(
                f"{self.service.who} is slow: it was asked about {number} of {of} workers",
                hint="the others follow in the next round",
            )


def _of(answer: Answer, name: str) -> Sequence[Any]:
    content = answer.json()
    if not isinstance(content, dict) or not isinstance(content.get(name), list):
        raise ProviderUnavailable(
            f"{answer.who} answered with something that Marathon does not say",
            hint="check that the address is that of Marathon's API",
        )
    found: Sequence[Any] = content[name]
    return found


def _details(answer: Answer, secret: str) -> str:
    """Return what is wrong with which field, which a validation error keeps apart."""
    try:
        details = answer.json().get("details") or ()
        told = [f"{one.get('path', '')}: {', '.join(map(str, one.get('errors', ())))}" for one in details]
    except (ProviderError, AttributeError, TypeError):
        told = []
    said = "; ".join(told[:2])[:_LONGEST]
    return rest_faults.redact(said, [secret]) or rest_faults.reason(answer.text, [secret])


def _proof(settings: ProviderSettings) -> Mapping[str, str]:
    """Return who asks, read anew each time."""
    if settings.get("token_file"):
        # Marathon itself has no tokens; DC/OS, which does, wants them so.
        return {"Authorization": f"token={_secret(str(settings.get('token_file')), 'the token file')}"}
    if settings.get("username"):
        password = _secret(str(settings.get("password_file") or ""), "the password file")
        both = f"{settings.get('username')}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}
    return {}


def _secret(path: str, what: str) -> str:
    try:
        return private.read(os.path.expanduser(path), what)[0].decode().strip()
    except NotAllowed as error:
        raise NotAuthorised(str(error), hint=error.hint) from None
    except UnicodeDecodeError:
        raise NotAuthorised(f"{what}, {path}, is no text", hint="write it anew") from None


def _quoted(app_id: str) -> str:
    return quote(app_id.lstrip("/"), safe="/")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Refused(
            f"{path}, which the worker needs, cannot be read: {why}", hint="start the pool again"
        ) from None
