"""The entries of one directory: found, verified, added whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dodas.containers.removal import remove_tree
from dodas.errors import SpecError
from dodas.reuse import trees
from dodas.reuse.checksums import Checksums
from dodas.reuse.durable import Durable
from dodas.reuse.entries import ENTRY, FORMAT, LOCK, OUT, Entry, Layout, read

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Results of steps, kept by dodas.\n"


class Cache:
    """A directory of results, open for one run.  Several runs, on several machines, may have it open at once.

    Args:
        path: The directory, made if it is missing.
        checksums: Makes checksums of files.

    Raises:
        SpecError: It cannot be used.
    """

    def __init__(self, path: str, checksums: Checksums) -> None:
        self.layout = Layout(path)
        self.checksums = checksums
        self.run = f"{time.time_ns():x}-{os.urandom(4).hex()}"
        self._durable = Durable(self.layout.entries)
        self._making = os.path.join(self.layout.live, self.run)
        self._count, self._lock = 0, -1
        try:
            _make_directory(self.layout)
            os.mkdir(self._making, 0o700)
            self._lock = os.open(
                os.path.join(self._making, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            with suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno in _FULL and os.path.isdir(self.layout.entries):
                return  # what is there can be taken out
            raise SpecError(
                f"results cannot be kept in {self.layout.path}: {error.strerror}",
                hint="name a writable directory by --cache, or leave it out",
            ) from error

    def find(self, key: str) -> Entry | None:
        """Return the result for a key, as good as on the day it was made; ``None`` if there is none.

        Raises:
            Damaged: It is not any more, and was removed.
        """
        place = self.layout.place(key)
        with self.layout.locked(fcntl.LOCK_SH):
            try:
                os.utime(place)  # from now on it stays as long as this run lives
            except OSError:
                return None
        entry = read(place, key)
        wrong = "what was noted cannot be read" if entry is None else ""
        if entry is not None:
            wrong = trees.damage(entry.top, entry.files, self.checksums.of)
        if wrong:
            self._remove(place)
            raise Damaged(wrong)
        return entry

    def add(
        self,
        key: str,
        step: str,
        document: Any,
        fill: Callable[[str], Any],
        about: dict[str, Any],
    ) -> Entry | None:
        """Keep a result, whole or not at all.

        Args:
            key: Of ``document``.
            step: What people call the step.
            document: What the result is made of.
            fill: Puts the files into the directory it is given, and returns what the front end wants back.
            about: What people may want to know of it.

        Returns:
            What is kept now: the same result of another run, if that was faster; ``None`` if that one is gone
            already.

        Raises:
            OSError: The disk does not take it.  Nothing is left.
        """
        self._count += 1
        making = os.path.join(self._making, f"new-{self._count}")
        top = os.path.join(making, OUT)
        try:
            os.makedirs(top)
            outputs = fill(top)
            files = trees.listing(top, self.checksums.of)
            fields = {"step": step, "document": document, "outputs": outputs, "files": files}
            _write(
                os.path.join(making, ENTRY),
                {"format": FORMAT, **fields, "made": time.time(), "about": about},
            )
            self._name(making, key)
            self._durable.want()
        finally:
            remove_tree(making)
        return read(self.layout.place(key), key)

    def settled(self, entry: Entry) -> None:
        """Remember the checksums of an entry that was just made, so that they need not be made again."""
        for name, known in entry.files.items():
            if "checksum" in known:
                self.checksums.learn(os.path.join(entry.top, name), known["checksum"])

    def close(self) -> None:
        """End; others may remove what this run has used."""
        self._durable.close()
        self.checksums.close()
        if self._lock >= 0:
            remove_tree(self._making)
            os.close(self._lock)
            self._lock = -1

    def _name(self, making: str, key: str) -> None:
        place = self.layout.place(key)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        try:
            os.rename(making, place)
        except OSError:
            if not os.path.isdir(place):
                raise
            # The same result, of another run or of the same step that came twice.

    def _remove(self, place: str) -> None:
        self._count += 1
        aside = os.path.join(self._making, f"old-{self._count}")
        with suppress(OSError):
            os.rename(place, aside)
            remove_tree(aside)


class Damaged(Exception):
    """A result is not what it was."""


def _make_directory(layout: Layout) -> None:
    os.makedirs(layout.path, mode=0o700, exist_ok=True)
    for path in (layout.entries, layout.live, layout.asked):
        os.makedirs(path, exist_ok=True)
    with suppress(FileExistsError), open(os.path.join(layout.path, "CACHEDIR.TAG"), "x") as file:
        file.write(_TAG)


def _write(path: str, value: Any) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)
