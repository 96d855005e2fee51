"""The small image with a Python in it: this one, without what is installed for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import smallimage
from dodas.containers.archives import import_tar
from dodas.containers.store import Store

NAME = "python:small"
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter"}


def fill(store: str, folder: Path) -> None:
    """Put the image into a store; it has a shell, and ``python``."""
    path = folder / "python.tar"
    if not path.exists():
        smallimage.write(path)
        with tarfile.open(path, "a") as archive:
            for name in sorted(set(_files())):
                archive.add(os.path.realpath(name), name.lstrip("/"), recursive=False)
            link = tarfile.TarInfo("usr/local/bin/python")
            link.type, link.linkname = tarfile.SYMTYPE, os.path.realpath(sys.executable)
            archive.addfile(link)
    import_tar(Store(store), str(path), NAME)


def _files() -> Iterator[str]:
    program = os.path.realpath(sys.executable)
    yield program
    yield from _libraries(program)
    for folder, folders, names in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = [
            one for one in folders if one not in _LEFT_OUT and not one.startswith(("config-", "__"))
        ]
        for name in names:
            if name.endswith((".py", ".so")):
                path = os.path.join(folder, name)
                yield path
                if name.endswith(".so"):
                    yield from _libraries(path)


def _libraries(path: str) -> list[str]:
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", said, re.MULTILINE)
