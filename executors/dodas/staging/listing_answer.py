"""What an answer to PROPFIND says of a directory or of one thing, or why it cannot be believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dodas.errors import Corrupt, NotAllowed, NotThere, StorageUnreachable, TransferError
from dodas.staging.hrefs import Members
from dodas.staging.listing_spool import Spool
from dodas.staging.multistatus import Multistatus, Resource
from dodas.staging.urls import Url

if TYPE_CHECKING:
    from dodas.staging.response import Response

_BLOCK = 64 * 1024
_MOST = 10_000_000


def members_in(response: Response, directory: Url) -> Spool:
    """Return the members of ``directory``, all of them.

    Raises:
        StorageUnreachable: The answer ends too early, or says that it is not complete.
        TransferError: The answer is damaged, or says that this is no directory or not to be read.
    """
    reading = _Reading(directory, Members(directory, response.url, bare=_is_bare(response)))
    try:
        for found in _resources(response, directory):
            reading.take(found)
        reading.end()
    except BaseException:
        reading.spool.close()
        raise
    return reading.spool


def one_in(response: Response, url: Url) -> Resource:
    """Return the one thing that an answer is about.

    Raises:
        NotThere: It is something else, for the server did not understand the name.
        TransferError: As :func:`members_in`.
    """
    found = [one for some in _resources(response, url) for one in some]
    if not found:
        raise Corrupt(f"{url.authority} says nothing of {url.redacted}", hint="see whether it is a storage")
    _fail_if_refused(url, found[0].status)
    if _is_bare(response) and "?" in url.name:  # it looked for what is before that
        raise NotThere(f"{url.redacted} has a question mark in its name, which {url.authority} cannot have")
    return found[0]


class _Reading:
    """Sorts out what a server says of a directory."""

    def __init__(self, directory: Url, members: Members) -> None:
        self.spool = Spool()
        self._directory, self._members = directory, members
        self._count = self._outside = 0

    def take(self, found: list[Resource]) -> None:
        for one in found:
            name = self._members.name(one.href)
            if name is None and not self._count and one.is_directory:
                # The first is nearly always the directory itself, which the server may know by another path.
                self._members.adopt(one.href)
                name = ""
            self._count += 1
            if name:
                self._keep(name, one)
            elif name is None:
                self._outside += 1
            else:
                self._look_at_itself(one)

    def end(self) -> None:
        if self._outside and self._outside == self._count:
            problem = f"the answer about {self._directory.redacted} lists only what is not in it"
            raise Corrupt(problem, hint="a proxy before the storage may change paths, but not answers")

    def _keep(self, name: str, one: Resource) -> None:
        if one.status in (404, 410):
            return  # went while the server looked
        if one.status >= 500:
            raise StorageUnreachable(f"{self._directory.redacted} is not listed completely: {one.status}")
        if self._count > _MOST:
            raise TransferError(f"{self._directory.redacted} has more than {_MOST} members")
        self.spool.add(name, one)

    def _look_at_itself(self, one: Resource) -> None:
        _fail_if_refused(self._directory, one.status)
        if not one.is_directory and self._directory.path != "/":
            raise NotThere(f"{self._directory.as_file.redacted} is a file, no directory")


def _resources(response: Response, url: Url) -> Iterator[list[Resource]]:
    answer = Multistatus(f"the answer about {url.redacted}", bytewise=_is_bare(response))
    while data := response.read(_BLOCK):
        yield answer.feed(data)
    yield answer.close()


def _fail_if_refused(url: Url, status: int) -> None:
    problem = f"{url.authority} says {status} of {url.redacted}"
    if status in (404, 410):
        raise NotThere(problem)
    if status in (401, 403):
        raise NotAllowed(problem, hint="see whether your credentials may read there")
    if status >= 400:
        raise StorageUnreachable(problem)


def _is_bare(response: Response) -> bool:
    """Tell whether a server writes paths as they are, not encoded, as all XRootDs do (seen up to 6.1)."""
    return re.match(r"xrootd\b", response.headers.get("server", ""), re.IGNORECASE) is not None
