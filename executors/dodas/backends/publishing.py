"""What a step made is brought to URLs."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dodas.backends.depot import Depot
from dodas.backends.made import made
from dodas.errors import TransferError
from dodas.step import Output, OutputFile, Step
from dodas.values import dataclass
from dodas.worker import remote
from dodas.worker.views import covered, is_below, seen

if TYPE_CHECKING:
    from dodas.staging.values import OnProgress

_LONGEST_CHAIN = 40  # as Linux, path_resolution(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A file that belongs at a URL, or a directory that there must be.

    Attributes:
        url: Where it belongs.
        path: The file; empty for a directory.
        link: Path that becomes a link made of the URL when the file is there; empty if it stays what it is.
        checksum: Algorithm of the checksum that is wanted.
    """

    url: str
    path: str = ""
    link: str = ""
    checksum: str = ""


def parcels(step: Step) -> Iterator[Parcel]:
    """Yield what a step that ended well made for its outputs at URLs.

    Raises:
        TransferError: There is not everything, or a link leads out of what the step could see.
    """
    for output in remote.outputs(step):
        found = list(made(output, lambda inside: seen(step, inside)))
        if not found and not output.optional:
            raise TransferError(f"the step ended well, but did not make its output {output.path}")
        for one in found:
            url = one.destination
            names = one.below.split("/") if one.below else []
            if not names and url.endswith("/"):
                names = [posixpath.basename(one.path)]
            yield from _Tree(step, output, one.path).parcels(one.path, _joined(url, names), ())


def send(depot: Depot, parcel: Parcel, progress: OnProgress) -> OutputFile | None:
    """Bring one of them to its place.

    Raises:
        DodasError: It cannot be done.
    """
    if not parcel.path:
        depot.make_directory(parcel.url)
        return None
    return depot.publish(parcel.path, parcel.url, progress, checksum=parcel.checksum)


def leave_link(parcel: Parcel) -> None:
    """Have a link in the place of a file that was moved.

    Raises:
        OSError: The disk does not take it.
    """
    if parcel.link:
        os.unlink(parcel.link)
        os.symlink(parcel.url, parcel.link)


class _Tree:
    """What there is of one output."""

    def __init__(self, step: Step, output: Output, top: str) -> None:
        self._step = step
        self._output = output
        self._hidden = covered(step)
        own = top if os.path.isdir(top) and not os.path.islink(top) else os.path.dirname(top)
        self._own = os.path.realpath(own)

    def parcels(self, path: str, url: str, inside: tuple[str, ...]) -> Iterator[Parcel]:
        """Yield a file, or what is in a directory."""
        real = _followed(self._step, path)
        if os.path.isfile(real):
            link = path if self._output.moved and self._is_own(path) else ""
            yield Parcel(path=real, url=url, link=link, checksum=self._output.checksum)
            return
        if not os.path.isdir(real) or real in inside:
            return  # a socket or a pipe, or a link to a directory that it is in
        names = sorted(os.listdir(real))
        if not names:
            yield Parcel(url=url + "/")
        for name in names:
            below = os.path.join(real, name)
            if below not in self._hidden:
                yield from self.parcels(below, _joined(url, [name]), (*inside, real))

    def _is_own(self, path: str) -> bool:
        """Return whether a path is in what the step made, and not in an input that a link leads to."""
        return is_below(os.path.realpath(os.path.dirname(path)), self._own)


def _followed(step: Step, path: str) -> str:
    """Return what a path leads to, links as the step itself would have followed them."""
    if step.image is None:
        return os.path.realpath(path)
    for _ in range(_LONGEST_CHAIN):
        target = os.readlink(path) if os.path.islink(path) else ""
        if not target.startswith("/"):
            break
        path = seen(step, target) or path
    real = os.path.realpath(path)
    tops = (os.path.realpath(mount.source) for mount in step.mounts)
    if not any(is_below(real, top) for top in tops):
        raise TransferError(f"the output {path} is a link that leads out of what the step made")
    return real


def _joined(url: str, names: list[str]) -> str:
    if not names:
        return url
    from dodas.staging import urls  # noqa: PLC0415 - not needed without URLs

    return str(urls.join(urls.parse(url), "/".join(names)))
