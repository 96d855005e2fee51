"""The last step of an upload: what is complete and verified gets its name."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from dodas.errors import AlreadyThere, Corrupt, StorageUnreachable, TransferError
from dodas.staging import putting, upload_check
from dodas.staging.patience import pause
from dodas.staging.putting import Place
from dodas.staging.removal import remove_for_good
from dodas.staging.session import Session
from dodas.staging.urls import Url
from dodas.staging.values import Checksum

_SIGHT = 15.0  # seconds


def give_name(
    session: Session, place: Place, *, overwrite: bool, size: int, found: tuple[Checksum, ...]
) -> bool:
    """Rename what is at a temporary place; return whether the server can do that.

    Args:
        session: The way to the server.
        place: Where it is.
        overwrite: Whether it may replace another file.
        size: Its bytes.
        found: Its checksums.

    Raises:
        AlreadyThere: Something else has the name.
        Corrupt: The server says that it did it, and did not.
    """
    if overwrite and place.federated:
        remove_for_good(session, place.origin)
    elif not overwrite:
        # There are servers that replace files however one asks them not to.
        refuse_what_is_there(session, place.final, origin=place.origin)
    try:
        moved = putting.rename(session, place, overwrite=overwrite)
    except StorageUnreachable:
        # It may have been done before the answer was lost.
        moved = upload_check.is_there(session, place.final, origin=place.origin, size=size, found=found)
        if not moved:
            raise
    if moved and upload_check.length(session, place.final, origin=place.origin) not in (None, size):
        raise Corrupt(f"{place.final.redacted} has another length since it was given its name")
    return moved


def refuse_what_is_there(session: Session, url: Url, *, origin: Url) -> None:
    """Fail if something has the name already.

    Raises:
        AlreadyThere: So it is.
    """
    with session.exchange.ask("HEAD", url, origin=origin, ok=(200, 404, 410)) as response:
        if response.status == 200:
            raise there(origin)


def await_sight(session: Session, url: Url, *, sleep: Callable[[float], object] = time.sleep) -> None:
    """Wait until a federation sees a new file, of which it may remember that there was none.

    Dynafed does for some ten seconds after somebody has asked, and whoever reads the file next would be told
    so.  If it takes much longer there is another reason, and nothing to wait for.
    """
    longest = min(session.settings.max_wait, 2.0)
    deadline = time.monotonic() + _SIGHT
    for attempt in itertools.count(1):
        try:
            with session.exchange.ask("HEAD", url, ok=(200, 404, 410), retry=False) as response:
                seen = response.status == 200
        except TransferError:
            return
        if seen or time.monotonic() > deadline:
            return
        sleep(pause(attempt, longest=longest))


def there(url: Url) -> AlreadyThere:
    """Return the error for a name that is taken."""
    hint = "take another name, or allow that it is replaced"
    return AlreadyThere(f"{url.redacted} is there already", hint=hint)
