"""What all measurements use: images, an image store and a udocker of their own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workflows.images import build
from workflows.images.recipes import RECIPES

from dodas.containers import archives
from dodas.containers.engines import proot, udocker
from dodas.containers.prepare import prepare
from dodas.containers.store import Store

SMALL, LARGE = "test-debian", "bench-large"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A directory in which to measure.

    Attributes:
        home: The directory, empty at first.
    """

    home: Path

    def __post_init__(self) -> None:
        self.make_udocker()  # while the real one is the first on PATH
        os.environ.update(self.environment())

    @property
    def store(self) -> Path:
        """The image store of dodas and of udocker."""
        return self.home / "store"

    @property
    def udocker(self) -> str:
        """A udocker command that works for root too, the first on PATH."""
        return str(self.home / "udocker")

    def make_udocker(self) -> None:
        """Make that command."""
        path = Path(self.udocker)
        allow = "--allow-root" if os.geteuid() == 0 else ""
        path.write_text(f'#!/bin/sh\nexec {udocker.program()} {allow} "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def environment(self) -> dict[str, str]:
        """Return the variables under which everything is measured."""
        return {
            "UDOCKER_DIR": str(self.store),
            "DODAS_STORE": str(self.store),
            "DODAS_SCRATCH": str(self.home),
            "UDOCKER_TARBALL": "",
            "UDOCKER_USE_PROOT_EXECUTABLE": proot.find(),
            "UDOCKER_LOGLEVEL": "1",
            "PATH": f"{self.home}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def name(self, key: str) -> str:
        """Return the name of an image."""
        return RECIPES[key].name

    def archive(self, key: str) -> str:
        """Return the archive of an image, built if need be."""
        return str(build.build(key))

    def compressed(self, key: str) -> str:
        """Return the archive of an image with compressed layers, as those from a registry are."""
        path = self.home / f"{key}.tar"
        if not path.exists():
            words = ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-compress"]
            source, target = f"docker-archive:{self.archive(key)}", f"oci-archive:{path}"
            subprocess.run([*words, source, target], check=True)
        return str(path)

    def root(self, key: str) -> str:
        """Return the prepared root of an image."""
        store = Store(str(self.store))
        if not any(image.name == self.name(key) for image in store.images()):
            archives.load(store, self.compressed(key), name=self.name(key))
        return prepare(store, self.name(key), pull="never").path

    def condor_image(self) -> None:
        """See that the image with HTCondor is there."""
        from dodas.pool import image  # noqa: PLC0415 - only the pools need it

        image.make()

    def megabytes(self, key: str) -> int:
        """Return the size of an image, unpacked."""
        du = subprocess.run(["du", "-sm", self.root(key)], check=True, capture_output=True, text=True)
        return int(du.stdout.split()[0])
