"""The directory that travels back: content of files, under numbers."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from dodas.node.laying import copy


class Outgoing:
    """Takes files of a step that is over; nothing is read if it can be renamed."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._count = 0
        os.makedirs(directory, exist_ok=True)

    def move(self, path: str) -> str:
        """Take a file away and return the name of its content.

        Raises:
            OSError: The disk does not take it.
        """
        name, place = self._next()
        try:
            os.rename(path, place)
        except PermissionError:
            os.chmod(os.path.dirname(path), 0o700)  # a directory that the step had closed
            os.rename(path, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(path, place)
        # Whoever transfers it reads it, and may have to write it a second time.
        mode = stat.S_IMODE(os.stat(place).st_mode)
        if mode & 0o600 != 0o600:
            os.chmod(place, mode | 0o600)
        return name

    def link(self, path: str) -> str:
        """Take the content of a file that stays, and return its name.

        Raises:
            OSError: The disk does not take it.
        """
        name, place = self._next()
        try:
            os.link(os.path.realpath(path), place)
        except OSError:
            self._copy(path, place)
        return name

    def _next(self) -> tuple[str, str]:
        name = str(self._count)
        self._count += 1
        return name, os.path.join(self.directory, name)

    def _copy(self, path: str, place: str) -> None:
        try:
            copy(path, place)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(place)
            raise
