"""Keeps what a listing has until all of it has come: a little in memory, the rest on the disk."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

from dodas import paths
from dodas.errors import TransferError
from dodas.staging.multistatus import Resource
from dodas.staging.values import Checksum

_MANY = 2048


class Spool:
    """The members of one directory, kept in the order they come."""

    def __init__(self) -> None:
        self._few: list[tuple[str, Resource]] = []
        self._file: IO[bytes] | None = None
        self._open = ExitStack()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget all of it."""
        self._open.close()

    def add(self, name: str, resource: Resource) -> None:
        """Keep one.

        Raises:
            TransferError: The disk is full, or does not take it for another reason.
        """
        self._few.append((name, resource))
        if len(self._few) == _MANY:
            self._write()

    def __iter__(self) -> Iterator[tuple[str, Resource]]:
        if self._file is not None:
            self._file.seek(0)
            for line in self._file:
                yield from map(_from_plain, json.loads(line))
        yield from self._few

    def _write(self) -> None:
        folder = paths.scratch_dir()
        try:
            if self._file is None:
                self._file = self._open.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
            self._file.write(json.dumps([_plain(*one) for one in self._few]).encode() + b"\n")
        except OSError as error:
            problem = f"cannot keep a long listing in {folder}: {error.strerror}"
            hint = "make room there, or set DODAS_SCRATCH to a directory that has it"
            raise TransferError(problem, hint=hint) from error
        self._few = []


_Plain = tuple[str, bool, "int | None", "float | None", str, "list[tuple[str, str]]"]


def _plain(name: str, one: Resource) -> _Plain:
    checksums = [(checksum.algorithm, checksum.value) for checksum in one.checksums]
    return name, one.is_directory, one.size, one.modified, one.etag, checksums


def _from_plain(plain: _Plain) -> tuple[str, Resource]:
    name, is_directory, size, modified, etag, checksums = plain
    told = tuple(Checksum(algorithm=algorithm, value=value) for algorithm, value in checksums)
    resource = Resource(
        href="", is_directory=is_directory, size=size, modified=modified, etag=etag, checksums=told
    )
    return name, resource
