"""A container image of two megabytes, and ways to see what is left of processes."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import psutil

from dodas.containers.archives import import_tar
from dodas.containers.store import Store
from needs import need

NAME = "small:1"
_PATIENCE = 30.0


def fill(store: str, folder: Path) -> None:
    """Put the image, not unpacked, into a store."""
    path = folder / "small.tar"
    if not path.exists():
        write(path)
    import_tar(Store(store), str(path), NAME)


def write(path: Path) -> None:
    """Write the archive that it is made from."""
    busybox = need("busybox")
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(path, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
        for name, text in (("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"), ("marker", b"image\n")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))


def token() -> str:
    """Return a number that marks processes by being in their command line, as in ``sleep TOKEN``."""
    return f"{os.getpid()}{time.time_ns() % 10**9:09}"


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes, not ours, that carry a mark."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(mark in word for word in process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]


def wait_for_marked(mark: str, count: int = 1) -> list[psutil.Process]:
    """Wait until so many marked processes run; those of others give no event to wait for."""
    end = time.monotonic() + _PATIENCE
    while len(found := marked(mark)) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} processes"
        time.sleep(0.02)
    return found


def assert_gone(mark: str) -> None:
    """Wait until no marked process is left, and fail if some stay."""
    end = time.monotonic() + _PATIENCE
    while left := marked(mark):
        assert time.monotonic() < end, left
        psutil.wait_procs(left, timeout=0.2)
