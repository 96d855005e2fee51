"""What must not get into the records of a run."""

from __future__ import annotations

from typing import Any

from dodas_cwl.reference import SecretStore

_SHORTEST = 4  # a shorter secret is in almost any file by chance
_MASK = "(secret)"


class Revealing(OSError):
    """There is a secret in what was to be recorded."""


class Secrecy:
    """Finds secrets in texts and files.

    Args:
        store: cwltool's store of the secrets among the inputs.
    """

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def masked(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._store.secrets.values():
            if text == secret:
                return _MASK
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, _MASK)
        return text

    def watch(self, file: Any) -> Any:
        """Return a file for reading that ends with :class:`Revealing` when it comes to a secret."""
        secrets = [secret.encode() for secret in self._store.secrets.values() if len(secret) >= _SHORTEST]
        return _Watched(file, tuple(secrets))


class _Watched:
    """Content without a name."""

    def __init__(self, file: Any, secrets: tuple[bytes, ...]) -> None:
        self._file = file
        self._secrets = secrets
        self._overlap = max(map(len, secrets), default=1) - 1
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            Revealing: A secret is among them.
        """
        content: bytes = self._file.read(size)
        if self._secrets:
            seen = self._tail + content
            if any(secret in seen for secret in self._secrets):
                raise Revealing("there is a secret in it")
            self._tail = seen[-self._overlap :] if self._overlap else b""
        return content
