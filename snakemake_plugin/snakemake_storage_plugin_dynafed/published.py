"""What steps have published: seen by them where it was taken, and later by the federation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import basename
from time import monotonic, sleep, time
from typing import TYPE_CHECKING

from dodas.errors import NotThere, TransferError

if TYPE_CHECKING:
    from dodas.staging.storage import Storage
    from dodas.staging.values import Entry

_LONGEST = 60.0  # seconds until a federation has noticed
_PAUSE = 0.5


class Published:
    """Files and directories that steps have published and that nobody has looked for since.

    A federation may deny them for a while, because somebody had asked for them before.  Whoever is to read
    them next would fail.
    """

    def __init__(self) -> None:
        self._sizes: dict[str, dict[str, int]] = {}

    def add(self, url: str, sizes: Mapping[str, int]) -> None:
        """Take note of ``url``, with its size if it is a file, or those of all files in it, by their URLs."""
        self._sizes[url] = dict(sizes)

    def await_one(self, url: str, storage: Storage) -> None:
        """Return when the federation tells of it, at once if it was not published lately.

        Raises:
            TransferError: It does not for too long.
        """
        sizes = self._sizes.get(url)
        if sizes is None:
            return
        end = monotonic() + _LONGEST
        while not sizes.items() <= dict(_told(url, sizes, storage)).items():
            if monotonic() > end:
                raise TransferError(
                    f"a step has published {url}, and the storage does not show it",
                    hint="see what `dodas data ls` says; federations remember for a while what was missing",
                )
            sleep(_PAUSE)
        self._sizes.pop(url, None)


def _told(url: str, sizes: Mapping[str, int], storage: Storage) -> Iterator[tuple[str, int | None]]:
    try:
        if url in sizes:
            yield url, storage.stat(url).size
        else:
            yield from ((one.url, one.size) for one in storage.walk(f"{url}/"))
    except NotThere:
        return


def entries(sizes: Mapping[str, int]) -> Iterator[Entry]:
    """Yield the files that were published, as a listing would."""
    from dodas.staging.values import Entry  # noqa: PLC0415

    now = time()
    for url, size in sizes.items():
        yield Entry(url=url, name=basename(url), is_directory=False, size=size, modified=now)
