"""Where files of a command go on a storage, and that no two of them go to the same place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dodas.cli.data_items import Refused
from dodas.errors import DodasError, NotAllowed, NotThere, TransferError
from dodas.staging import urls

if TYPE_CHECKING:
    from dodas.staging.storage import Storage


class Claims:
    """Which targets are taken by files of this command."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, source: str, target: str, names: tuple[str, ...]) -> TransferError | None:
        """Take a target for ``source``; return the failure if another file has it.

        Args:
            source: URL or path.
            target: URL or path.
            names: What was added to the target of the command.  Below a directory names differ by themselves,
                so that only the first need to be remembered.
        """
        if len(names) > 1:
            return None
        if target in self._taken:
            both = f"{urls.redacted(source)} and another file would both become {urls.redacted(target)}"
            return TransferError(both, hint="give one command for each")
        self._taken.add(target)
        return None


def below(target: urls.Url, names: tuple[str, ...]) -> urls.Url:
    """Return the URL of what has these names in the directory ``target``."""
    return urls.join(target, "/".join(names)) if names else target


def is_directory(storage: Storage, url: urls.Url) -> bool:
    """Tell whether files go into ``url``: it says so itself, or it is a directory there."""
    if url.path.endswith("/"):
        return True
    try:
        return storage.stat(str(url)).is_directory
    except (NotThere, NotAllowed):  # who may store need not be allowed to look
        return False


def directory_made(storage: Storage, source: str, url: str) -> Iterator[Refused]:
    """Make a directory, if it is not there; yield the failure."""
    try:
        storage.make_directory(url, parents=True)
    except DodasError as error:
        yield Refused(source=source, error=error)
