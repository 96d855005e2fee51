"""How cwltool looks at files: those of this machine as ever, those at URLs without fetching them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from dodas.step import OutputFile
from dodas_cwl.reference import StdFsAccess, WorkflowException
from dodas_cwl.remote import Remote, is_remote, linked


class Access(StdFsAccess):
    """Existence, size and listings of what is at URLs; its content only when it is opened.

    Args:
        basedir: What relative paths are relative to.
        remote: Knows what is at URLs.
    """

    def __init__(self, basedir: str, remote: Remote) -> None:
        super().__init__(basedir)
        self._remote = remote

    def learn(self, files: Iterable[OutputFile]) -> None:
        """Take what is known of files at URLs, so that nobody has to be asked."""
        for file in files:
            self._remote.learn(file.path, file.size)

    def open(self, fn: str, mode: str) -> IO[Any]:
        """Open a file for reading."""
        url = self._url(fn)
        if not url:
            return super().open(fn, mode)
        if "r" not in mode:
            raise WorkflowException(f"{fn} can only be read")
        file = self._remote.open(url)
        if "b" in mode:
            return file
        import io  # noqa: PLC0415 - seldom needed

        return io.TextIOWrapper(file, encoding="utf-8")

    def exists(self, fn: str) -> bool:
        """Return whether anything is there."""
        url = self._url(fn)
        return self._remote.entry(url) is not None if url else super().exists(fn)

    def isfile(self, fn: str) -> bool:
        """Return whether a file is there."""
        url = self._url(fn)
        if not url:
            return super().isfile(fn)
        entry = self._remote.entry(url)
        return entry is not None and not entry.is_directory

    def isdir(self, fn: str) -> bool:
        """Return whether a directory is there."""
        url = self._url(fn)
        if not url:
            return super().isdir(fn)
        entry = self._remote.entry(url)
        return entry is not None and entry.is_directory

    def size(self, fn: str) -> int:
        """Return the bytes of a file.

        Raises:
            OSError: It is not there, or its size cannot be known; cwltool goes on without, and the step that
                wants the file will say why it cannot be had.
        """
        url = self._url(fn)
        if not url:
            return super().size(fn)
        try:
            entry = self._remote.entry(url)
        except WorkflowException as error:
            raise OSError(str(error)) from error
        if entry is None or entry.size is None:
            raise FileNotFoundError(f"there is no {fn}, or its size is not known")
        return entry.size

    def listdir(self, fn: str) -> list[str]:
        """Return the locations of what is in a directory."""
        url = self._url(fn)
        if url:
            return [entry.url.rstrip("/") for entry in self._remote.entries(url)]
        # A copy has another order on the disk, and a command that is made of a listing is to stay the same.
        return sorted(super().listdir(fn))

    def join(self, path: str, *paths: str) -> str:
        """Join parts of a path; a URL stays what it is, whatever it is relative to."""
        return paths[-1] if paths and is_remote(paths[-1]) else super().join(path, *paths)

    def realpath(self, path: str) -> str:
        """Return where links lead; a URL is its own."""
        return path if is_remote(path) else super().realpath(path)

    def _url(self, fn: str) -> str:
        """Return the URL that a location is, or that a link made of one stands for; empty for none."""
        return fn if is_remote(fn) else linked(self._abs(fn))


def access_to(remote: Remote) -> Any:
    """Return a function for ``RuntimeContext.make_fs_access``, which takes the directory to start from."""
    return lambda basedir: Access(basedir, remote)
