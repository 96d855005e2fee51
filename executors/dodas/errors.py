"""Everything dodas can fail with.

::

    DodasError
    ├── SpecError            the request itself is wrong; resubmitting cannot help
    ├── ImageError           an image cannot be had, or is not what it says
    │   ├── ImageNotFound       no such name, tag or digest
    │   ├── ImageNotAllowed     the registry wants other credentials
    │   ├── ImageCorrupt        bytes differ from their digest (retryable)
    │   └── RegistryUnreachable (retryable)
    ├── StoreError           the image store on this disk cannot be used (full, damaged, not ours)
    ├── EngineError          no container engine works here, or the one asked for does not
    ├── BackendError         the queue or pool misbehaved
    │   └── BackendUnreachable  and may answer later (retryable)
    ├── TransferError        a file could not be brought in or out
    │   ├── NotThere            no such file or directory there (404, 410)
    │   ├── NotAllowed          the storage wants other credentials, or refuses these (401, 403)
    │   ├── AlreadyThere        something of that name is there, and was not to be replaced (412)
    │   ├── Corrupt             bytes differ from their checksum or size (retryable)
    │   └── StorageUnreachable  the storage does not answer, or has a failure of its own (retryable)
    └── StepFailed           the user's command said no

``str(error)`` is one sentence that names the thing; ``error.hint`` says what to do next.  Only the
command line turns them into text.
"""

from __future__ import annotations

from typing import ClassVar


class DodasError(Exception):
    """Base of all errors that a caller of dodas may want to catch.

    Attributes:
        hint: What the user can do about it, an imperative sentence; empty if nothing is known.
        retryable: Whether the same request may succeed later, a fact of the class.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


class SpecError(DodasError):
    """The request is wrong; resubmitting it cannot help."""


class ImageError(DodasError):
    """An image cannot be had, or is not what it says."""


class ImageNotFound(ImageError):
    """There is no image of that name, tag or digest."""


class ImageNotAllowed(ImageError):
    """The registry wants other credentials for this image."""


class ImageCorrupt(ImageError):
    """Bytes differ from the digest that names them."""

    retryable = True


class RegistryUnreachable(ImageError):
    """The registry did not answer, or answered with a failure of its own."""

    retryable = True


class StoreError(DodasError):
    """The image store on this disk cannot be used."""


class EngineError(DodasError):
    """No container engine works here, or the one asked for does not."""


class BackendError(DodasError):
    """The queue or pool misbehaved."""


class BackendUnreachable(BackendError):
    """The queue or pool did not answer and may do so later."""

    retryable = True


class TransferError(DodasError):
    """A file could not be brought in or out."""


class NotThere(TransferError):
    """There is no such file or directory."""


class NotAllowed(TransferError):
    """The storage wants other credentials, or does not let these do it."""


class AlreadyThere(TransferError):
    """Something of that name is there, and it was not to be replaced."""


class Corrupt(TransferError):
    """Bytes differ from their checksum, or there are more or fewer than there should be."""

    retryable = True


class StorageUnreachable(TransferError):
    """The storage did not answer, or answered with a failure of its own."""

    retryable = True


class StepFailed(DodasError):
    """The user's own command failed."""
