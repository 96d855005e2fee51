#!/usr/bin/env python3
"""Build a PRoot that is right, and put it where dodas looks for it.

The PRoot packages of distributions cannot be trusted: 5.1.0 does not translate newer system calls, and
5.4.0 as Debian ships it is patched so that a step may silently run on the host's own files.  The same
source without those patches is right.  So: take the upstream tarball that Debian archives, pinned by its
SHA-256, link it statically, try it, install it and its loader; and beside them the first process of the
steps in it (:mod:`proot_init`), which is our own.

Usage: make_proot.py [--force]        (standard library only; needs a C compiler, make and libtalloc-dev)
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))

import proot_init
from dodas import paths

VERSION = "5.4.0"
TARBALL = f"proot_{VERSION}.orig.tar.gz"
SHA256 = "29248aac2a7ce10c3bd5ee5602742ec33b2532310ff9cf73b79f3c133e5a5f68"
POOL = f"pool/main/p/proot/{TARBALL}"
APT_HELPER = Path("/usr/lib/apt/apt-helper")

LICENCE = f"""PRoot {VERSION}, GPL-2.0-or-later, statically linked with talloc (LGPL-3.0-or-later)
and the C library.  Built by dodas from {TARBALL} of the Debian archive (sha256 {SHA256}), unchanged.

proot-init is no part of PRoot but of dodas, Apache-2.0, from tools/proot_init.c, without any library.
"""


class NoPRootError(Exception):
    """PRoot could not be made; the text says why and what to do."""


def main() -> int:
    """Make PRoot, and the init of its steps, unless good ones are there already."""
    parser = argparse.ArgumentParser(description="Build PRoot where dodas finds it.")
    parser.add_argument("--force", action="store_true", help="build even if there is one")
    target = Path(paths.data_dir(), "bin", "proot")
    there = not parser.parse_args().force and is_good(target)
    try:
        if not there:
            make(target)
    except NoPRootError as error:
        print(f"PRoot was not built: {error}", file=sys.stderr)
        return 1
    print(f"PRoot {VERSION} {'is there' if there else 'built'}: {target}")
    try:
        proot_init.make(target.with_name("proot-init"))
    except proot_init.NoInitError as error:
        print(f"proot-init was not built, so steps start more slowly: {error}", file=sys.stderr)
    target.with_name("proot.txt").write_text(LICENCE)
    return 0


def make(target: Path) -> None:
    """Build PRoot and install it as ``target``, with the loader beside it; whole or not at all."""
    tarball = fetch(Path(paths.cache_dir(), "sources", TARBALL))
    with tempfile.TemporaryDirectory(prefix="dodas-proot-") as scratch:
        with tarfile.open(tarball) as archive:
            archive.extractall(scratch)  # noqa: S202 - pinned by its checksum
        source = Path(scratch, f"proot-{VERSION}", "src")
        compile_in(source)
        if not is_good(source / "proot"):
            raise NoPRootError("what was built does not run here, or lacks seccomp support")
        # The loader first: whoever finds the program finds its loader.
        install(source / "loader" / "loader", target.with_name("proot-loader"))
        install(source / "proot", target)


def is_good(program: Path) -> bool:
    """Tell whether ``program`` is this version of PRoot, with seccomp support, and can start a command."""
    version = said(program, "--version")
    if VERSION not in version or "seccomp_filter = yes" not in version:
        return False
    return said(program, "-r", "/", "/bin/echo", "works") == "works\n"


def said(program: Path, *arguments: str) -> str:
    """Return what ``program`` printed on standard output; nothing if it failed."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def fetch(tarball: Path) -> Path:
    """Return the source tarball, downloaded unless it is there; its checksum is always verified."""
    if tarball.exists() and checksum(tarball) == SHA256:
        return tarball
    tarball.parent.mkdir(parents=True, exist_ok=True)
    part = tarball.with_name(f".{tarball.name}.{os.getpid()}.part")
    tried = []
    try:
        for mirror in mirrors():
            tried.append(mirror)
            if download(f"{mirror}/{POOL}", part) and checksum(part) == SHA256:
                part.replace(tarball)
                return tarball
    finally:
        part.unlink(missing_ok=True)
    # Mirrors drop the file once Debian has a newer version; Debian's snapshot archive keeps it.
    raise NoPRootError(
        f"no mirror has {TARBALL} with the right checksum (tried {', '.join(tried) or 'none'}); set "
        f"DEBIAN_MIRROR to the address of one that has {POOL}, such as a date of Debian's snapshot archive, "
        f"or put the file, sha256 {SHA256}, at {tarball}; then run `make proot`"
    )


def mirrors() -> Iterator[str]:
    """Yield the Debian mirrors to ask: the one in ``DEBIAN_MIRROR``, and those that apt uses here."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        output = ""
    # Only mirrors of Debian's main archive have the source; other repositories of the system do not.
    own = [line.rstrip("/") for line in output.splitlines()]
    named = [uri.rstrip("/") for uri in [os.environ.get("DEBIAN_MIRROR", "")] if uri]
    yield from dict.fromkeys([*named, *(uri for uri in own if uri.endswith("/debian"))])


def download(url: str, target: Path) -> bool:
    """Fetch ``url`` into ``target``; with apt's downloader where there is one, for its proxy settings."""
    if APT_HELPER.exists():
        command = [str(APT_HELPER), "-qq", "download-file", url, str(target), f"SHA256:{SHA256}"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0 and target.exists()
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as file:  # noqa: S310 - http(s) above
            shutil.copyfileobj(answer, file)
    except OSError:
        return False
    return True


def checksum(file: Path) -> str:
    """Return the SHA-256 of ``file`` in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def compile_in(source: Path) -> None:
    """Run PRoot's makefile: static, no optional parts, the same bytes wherever it is built."""
    missing = [program for program in ("make", "gcc", "strip") if shutil.which(program) is None]
    if missing:
        raise NoPRootError(f"{', '.join(missing)} not on PATH; {how_to_get_a_compiler()}")
    command = [
        "make",
        "proot",
        # Without VERSION the makefile asks git, which answers with the tag of *this* project.
        f"VERSION={VERSION}",
        "HAS_SWIG=",
        "CFLAGS=-O2",
        "LDFLAGS=-static -ltalloc -Wl,-z,noexecstack -Wl,--build-id=none",
    ]
    # `make setup` exports its own variables to us; they are not for this makefile.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    built = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        tail = "\n".join(built.stderr.splitlines()[-5:])
        raise NoPRootError(f"its makefile failed:\n{tail}\n{how_to_get_a_compiler()}")
    subprocess.run(["strip", "proot", "loader/loader"], cwd=source, check=True)


def how_to_get_a_compiler() -> str:
    """Return the advice for a machine where PRoot cannot be compiled."""
    return "install gcc, make, libc6-dev and libtalloc-dev (their names in Debian), then run `make proot`"


def install(program: Path, target: Path) -> None:
    """Copy ``program`` to ``target``, executable, in one step for those who look."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.copyfile(program, part)
    part.chmod(0o755)
    part.replace(target)


if __name__ == "__main__":
    sys.exit(main())
