#!/usr/bin/env python3
"""Build a Kubernetes control plane for the tests: API server, controllers, scheduler, and Debian's etcd.

Debian ships only kubectl, but the source package of bookworm is complete, so they are built from it with
bookworm's Go; everything is unpacked, nothing is installed.  That takes ten minutes of two processors and 3
GB of disk once; the programs, 300 MB, stay below ``~/.cache/dodas-tests``.

Usage: kubernetes_build.py [--where]        (standard library only; needs Debian 12, make and a mirror)
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))

import make_proot
import unpacked

VERSION = "1.20.2"
TARBALL = "kubernetes_1.20.5+really1.20.2.orig.tar.gz"
SHA256 = "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc"
POOL = f"pool/main/k/kubernetes/{TARBALL}"
GO = "golang-1.19-go"

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
RECIPE = "1"  # raise it when what this module makes changes its form

# Without it the makefile would ask git, which answers with the state of *this* project.
STAMP = f"""KUBE_GIT_COMMIT='debian'
KUBE_GIT_TREE_STATE='clean'
KUBE_GIT_VERSION='v{VERSION}'
KUBE_GIT_MAJOR='1'
KUBE_GIT_MINOR='20'
"""


class NoKubernetesError(Exception):
    """It could not be made; the text says why and what to do."""


def place() -> Path:
    """Return the directory where the programs are, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "dodas-tests")
    key = hashlib.sha256(f"{RECIPE} {SHA256} {GO}".encode()).hexdigest()[:12]
    return cache / f"kubernetes-{key}"


def is_built() -> bool:
    """Tell whether all of them are there."""
    return all((place() / name).exists() for name in (*PROGRAMS, "etcd"))


def main() -> int:
    """Build what is missing, and print where it is."""
    parser = argparse.ArgumentParser(description="Build a Kubernetes control plane for the tests.")
    parser.add_argument("--where", action="store_true", help="only print where it is, or would be")
    if not parser.parse_args().where and not is_built():
        try:
            make()
        except NoKubernetesError as error:
            print(f"Kubernetes was not built: {error}", file=sys.stderr)
            return 1
    print(place())
    return 0


def make() -> None:
    """Build the programs, whole or not at all."""
    if unpacked.suite() != "bookworm":
        raise NoKubernetesError("its source and the Go that builds it are those of Debian 12; use one")
    if shutil.which("make") is None:
        raise NoKubernetesError("make is not on PATH; install it")
    target = place()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        part = Path(scratch, "part")
        part.mkdir()
        try:
            unpacked.unpack([GO, "rsync", "etcd-server"], Path(scratch, "tools"))
        except unpacked.UnpackError as error:
            raise NoKubernetesError(str(error)) from error
        source = unfold(fetch(target.parent), Path(scratch, "source"))
        compile_in(source, Path(scratch, "tools"))
        for name in PROGRAMS:
            shutil.copy2(source / "_output" / "local" / "bin" / "linux" / machine() / name, part / name)
        shutil.copy2(Path(scratch, "tools", "root", "usr", "bin", "etcd"), part / "etcd")
        target.mkdir(exist_ok=True)
        for built in part.iterdir():
            built.replace(target / built.name)


def fetch(folder: Path) -> Path:
    """Return the source, downloaded unless it is there; its checksum is always verified."""
    file = folder / TARBALL
    if file.exists() and make_proot.checksum(file) == SHA256:
        return file
    part = file.with_name(f".{TARBALL}.{os.getpid()}.part")
    tried = []
    try:
        for mirror in make_proot.mirrors():
            tried.append(mirror)
            try:
                with urllib.request.urlopen(f"{mirror}/{POOL}", timeout=60) as answer, part.open("wb") as out:  # noqa: S310 - a mirror
                    shutil.copyfileobj(answer, out)
            except OSError:
                continue
            if make_proot.checksum(part) == SHA256:
                part.replace(file)
                return file
    finally:
        part.unlink(missing_ok=True)
    raise NoKubernetesError(
        f"no mirror has {TARBALL} with the right checksum (tried {', '.join(tried) or 'none'}); set "
        f"DEBIAN_MIRROR to one that has {POOL}, or put the file, sha256 {SHA256}, at {file}"
    )


def unfold(tarball: Path, target: Path) -> Path:
    """Unpack the source below ``target`` and return its root."""
    with tarfile.open(tarball) as archive:
        archive.extractall(target)  # noqa: S202 - pinned by its checksum
    # At the top or one directory below, depending on who made the tarball.
    (root,) = (one for one in (target, *target.iterdir()) if (one / "cmd" / "kube-apiserver").is_dir())
    return root


def compile_in(source: Path, tools: Path) -> None:
    """Run Kubernetes' makefile with the Go of ``tools``."""
    stamp = source / "dodas-version"
    stamp.write_text(STAMP)
    go = tools / "root" / "usr" / "lib" / "go-1.19"
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "GO", "MFLAGS"))
    }
    environment = {
        **kept,
        "PATH": f"{go / 'bin'}:{tools / 'bin'}:{os.environ['PATH']}",
        "GOROOT": str(go),
        "GO111MODULE": "off",
        "GOPATH": str(source / ".go"),
        "GOCACHE": str(source / ".go-cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "FORCE_HOST_GO": "y",
        "KUBE_BUILD_PLATFORMS": f"linux/{machine()}",
        "KUBE_GIT_VERSION_FILE": str(stamp),
    }
    what = " ".join(f"cmd/{name}" for name in PROGRAMS)
    log = source / "dodas-build.log"
    with log.open("wb") as output:
        done = subprocess.run(
            ["make", f"WHAT={what}"],
            cwd=source,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise NoKubernetesError(f"its makefile failed:\n{tail}")


def machine() -> str:
    """Return what Go calls this kind of machine."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


if __name__ == "__main__":
    sys.exit(main())
