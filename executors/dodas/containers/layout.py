"""Where things lie in the store: udocker 1.3's repository, and ``.dodas`` beside it.

::

    repos/NAME/TAG/       TAG, v2, manifest, and a link to each blob     what `udocker images` lists
    layers/               blobs: sha256:…
    containers/UUID/      ROOT, container.json, imagerepo.name, READY    what `udocker ps` lists
    bin/ lib/ doc/        udocker's own
    .dodas/locks/         KEY.lock
    .dodas/tmp/           KEY.RANDOM: in the making by whoever holds KEY.lock
    .dodas/trash/         on its way out, whoever comes by removes it
"""

from __future__ import annotations

import os

from dodas.containers.diskfaults import disk_faults
from dodas.containers.removal import remove_tree


class Layout:
    """The paths of one store; makes no directory until asked to."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.repos = os.path.join(root, "repos")
        self.layers = os.path.join(root, "layers")
        self.containers = os.path.join(root, "containers")
        self.locks = os.path.join(root, ".dodas", "locks")
        self.tmp = os.path.join(root, ".dodas", "tmp")
        self.trash = os.path.join(root, ".dodas", "trash")

    def make(self) -> None:
        """Make the directories, those that udocker wants to find included.

        Raises:
            StoreError: They cannot be made.
        """
        with disk_faults(self.root):
            for path in (self.repos, self.layers, self.containers, self.locks, self.tmp, self.trash):
                os.makedirs(path, exist_ok=True)
            for name in ("bin", "lib", "doc"):
                os.makedirs(os.path.join(self.root, name), exist_ok=True)

    def blob(self, name: str) -> str:
        """Return where a blob is."""
        return os.path.join(self.layers, name)

    def tag(self, repository: str, tag: str) -> str:
        """Return the directory of an image."""
        return os.path.join(self.repos, repository, tag)

    def container(self, uuid: str) -> str:
        """Return the directory of a container."""
        return os.path.join(self.containers, uuid)

    def lock(self, key: str) -> str:
        """Return the lock file of ``key``."""
        return os.path.join(self.locks, f"{key}.lock")

    def temporary(self, key: str) -> str:
        """Return a fresh path, for the holder of the lock of ``key`` to make something at."""
        return os.path.join(self.tmp, f"{key}.{os.urandom(8).hex()}")

    def sweep(self, key: str) -> int:
        """Remove what dead holders of the lock of ``key`` left; the caller holds it.  Return the bytes."""
        with disk_faults(self.root):
            names = [name for name in os.listdir(self.tmp) if name.startswith(f"{key}.")]
            return sum(remove_tree(os.path.join(self.tmp, name)) for name in names)
