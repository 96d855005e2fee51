"""Images that are missing: from storage, if the user names one, else from their registries."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from dodas.containers.image import Image
from dodas.containers.progress import OnProgress
from dodas.containers.reference import Reference
from dodas.containers.store import Store
from dodas.errors import ImageError, TransferError

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

VARIABLE = "DODAS_IMAGE_STORAGE"


class Bringing:
    """Brings an image into a store; storage is asked first, as a mirror of all registries.

    Args:
        storage: Makes the client; default: what the environment says.
    """

    def __init__(self, storage: Callable[[], Storage] | None = None) -> None:
        self._make = storage or _storage

    def __call__(
        self, store: Store, reference: Reference, *, platform: str | None, progress: OnProgress
    ) -> Image:
        """Bring one image.

        Raises:
            ImageError: What the registry said, with what the storage said in the hint.
            SpecError: The platform or a variable of the environment cannot be read.
            StoreError: The store cannot be written to.
        """
        url = os.environ.get(VARIABLE, "")
        said = ""
        if url:
            try:
                return self._from_storage(url, store, reference, platform, progress)
            except (ImageError, TransferError) as refusal:
                said = f"; {VARIABLE}: {refusal}"
        from dodas.containers.registry.pull import pull  # noqa: PLC0415 - needs requests

        try:
            return pull(store, reference, platform=platform, progress=progress)
        except ImageError as error:
            error.hint += said
            raise

    def _from_storage(
        self, url: str, store: Store, reference: Reference, platform: str | None, progress: OnProgress
    ) -> Image:
        from dodas.backends.shelf import Shelf  # noqa: PLC0415 - seldom needed
        from dodas.backends.shelf_pull import pull  # noqa: PLC0415

        with self._make() as storage:
            return pull(store, Shelf(storage, url), reference, platform=platform, progress=progress)


def _storage() -> Storage:
    from dodas.staging.storage import Storage  # noqa: PLC0415 - seldom needed

    return Storage()
