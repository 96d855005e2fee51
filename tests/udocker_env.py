"""A shell in which `dodas env` was evaluated, with images for the programs that it finds there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from dodas.containers import archives
from dodas.containers.engines import proot
from dodas.containers.store import Store
from needs import need

DODAS = (sys.executable, "-c", "import sys; from dodas.cli import main; sys.exit(main())")
NOTHING: Mapping[str, str] = MappingProxyType({})
BOX = "tool/box:1"
ENTRY = "tool/entry:1"
_FOLDERS = (
    "bin",
    "dev",
    "etc",
    "home",
    "proc",
    "root",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "var",
    "work",
    "opt/d",
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ntester:x:4321:4321:tester:/opt/d:/bin/sh\n",
    "etc/group": "root:x:0:\ntesters:x:4321:\n",
}
_CONFIGS: dict[str, dict[str, Any]] = {
    BOX: {"Env": ["PATH=/bin", "GREETING=hello"], "Cmd": ["/bin/echo", "image command"]},
    ENTRY: {
        "Env": ["PATH=/bin"],
        "Entrypoint": ["/bin/echo", "entry"],
        "Cmd": ["of", "image"],
        "WorkingDir": "/work",
        "User": "tester",
    },
}


@dataclass(frozen=True)
class Shell:
    """An environment, with udocker in front of and behind what `dodas env` gave.

    Attributes:
        place: A directory of its own.
        real: The udocker behind.
        environ: Variables, without the change of PATH.
        shimmed: Variables with it.
    """

    place: Path
    real: str
    environ: dict[str, str]
    shimmed: dict[str, str] = field(default_factory=dict)

    def udocker(
        self,
        *words: str,
        real: bool = False,
        feed: bytes = b"",
        general: tuple[str, ...] = (),
        variables: Mapping[str, str] = NOTHING,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``udocker run`` with ``words``, by the udocker in front or by the one behind."""
        command = self.words("--quiet", *general, "run", "--nobanner", "--rm", *words, real=real)
        return self.do(command, real=real, feed=feed, variables=variables)

    def apptainer(
        self, *words: str | Path, where: Path | None = None, variables: Mapping[str, str] = NOTHING
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``apptainer`` with ``words``, in a directory."""
        return self.do(["apptainer", *map(str, words)], where=where, variables=variables)

    def words(self, *words: str, real: bool = False) -> list[str]:
        """Return a command line of udocker's, for a user who may be root."""
        root = ("--allow-root",) if real and os.geteuid() == 0 else ()
        return [self.real if real else "udocker", *root, *words]

    def do(
        self,
        words: list[str],
        *,
        real: bool = False,
        feed: bytes = b"",
        where: Path | None = None,
        variables: Mapping[str, str] = NOTHING,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command."""
        return subprocess.run(
            ["/usr/bin/env", *words],
            input=feed,
            env={**(self.environ if real else self.shimmed), **variables},
            cwd=where or self.place,
            capture_output=True,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start ``udocker run`` with ``words``, with pipes."""
        return subprocess.Popen(
            ["/usr/bin/env", *self.words("--quiet", "run", "--nobanner", "--rm", *words)],
            env=self.shimmed,
            cwd=self.place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def open_shell(place: Path) -> Shell:
    """Return a shell in a new directory, with both images in its store."""
    program = proot.find()
    if not program:
        pytest.skip("udocker itself needs PRoot")
    store = place / "store"
    for name, config in _CONFIGS.items():
        _write_archive(place / "image.tar", name, config)
        archives.load(Store(str(store)), str(place / "image.tar"))
    for name in ("tmp", "home", "there"):
        (place / name).mkdir()
    dropped = ("DODAS_STORE", "PYTHONPATH")
    environ = {
        **{name: value for name, value in os.environ.items() if name not in dropped},
        "HOME": str(place / "home"),
        "XDG_DATA_HOME": str(place / "data"),
        "UDOCKER_DIR": str(store),
        "UDOCKER_TARBALL": "",
        "UDOCKER_USE_PROOT_EXECUTABLE": program,
        "DODAS_DATA": str(place / "data"),
        "DODAS_SCRATCH": str(place / "tmp"),
        "TMPDIR": str(place / "tmp"),
    }
    path = path_with_programs(environ)
    assert path.startswith(f"{place}/data")
    beside = Path(sys.executable).with_name("udocker")
    real = str(beside) if beside.exists() else need("udocker")
    return Shell(place, real, environ, {**environ, "PATH": path})


def path_with_programs(environ: Mapping[str, str]) -> str:
    """Return PATH after a shell has evaluated what `dodas env` prints."""
    done = subprocess.run(
        ["sh", "-c", 'eval "$("$@" env --shell sh)"; printf %s "$PATH"', "sh", *DODAS],
        env={**environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _write_archive(path: Path, name: str, config: dict[str, Any]) -> None:
    """Write what ``docker save`` would write of an image with busybox in it."""
    layer = _layer(need("busybox"))
    diff = hashlib.sha256(layer).hexdigest()
    content = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
    }
    text = json.dumps(content).encode()
    names = (f"{hashlib.sha256(text).hexdigest()}.json", f"{diff}/layer.tar")
    manifest = json.dumps([{"Config": names[0], "RepoTags": [name], "Layers": [names[1]]}]).encode()
    with tarfile.open(path, "w") as tar:
        for entry, bytes_ in zip((*names, "manifest.json"), (text, layer, manifest), strict=True):
            _add(tar, entry, bytes_)


def _layer(busybox: str) -> bytes:
    buffer = io.BytesIO()
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        _add(tar, "bin/busybox", Path(busybox).read_bytes(), 0o755)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        for name, text in _FILES.items():
            _add(tar, name, text.encode())
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
