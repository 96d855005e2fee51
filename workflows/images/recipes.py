"""What is in each image."""

from __future__ import annotations

from dataclasses import dataclass

_BASE = (
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "mawk",
    "ncurses-base",
    "procps",
    "python-is-python3",
    "python3",
    "sed",
    "tar",
    "util-linux",
)

# Serve installing packages, which nobody does in these images.
_NO_INSTALLER = ("debconf", "dpkg", "init-system-helpers", "perl", "perl-base", "usrmerge")

# Serve matplotlib's windows, PDF files and web pages, and compiling with scipy: 800 MB.
_NO_WINDOWS = (
    "libjs-jquery",
    "libjs-jquery-ui",
    "python3-fonttools",
    "python3-pil.imagetk",
    "python3-pythran",
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One image.

    Attributes:
        name: Its name, with a tag.  The host part ``localhost`` says that no registry has it.
        packages: Debian packages to begin with; what they depend on comes along.
        without: Packages left out although something depends on them, and what only they need.
        env: Environment variables.
        cmd: Command when none is given.
        suite: Debian release.
    """

    name: str
    packages: tuple[str, ...] = _BASE
    without: tuple[str, ...] = _NO_INSTALLER
    env: tuple[tuple[str, str], ...] = (
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LANG", "C.UTF-8"),
    )
    cmd: tuple[str, ...] = ("bash",)
    suite: str = "bookworm"


RECIPES = {
    "sequencing": Recipe(
        name="localhost/dodas/sequencing:1",
        packages=(*_BASE, "bcftools", "bwa", "python3-matplotlib", "python3-numpy", "samtools"),
        without=(*_NO_INSTALLER, *_NO_WINDOWS),
    ),
    "physics": Recipe(
        name="localhost/dodas/physics:1",
        packages=(*_BASE, "python3-matplotlib", "python3-numpy", "python3-scipy"),
        without=(*_NO_INSTALLER, *_NO_WINDOWS),
    ),
    "test-debian": Recipe(name="localhost/dodas/test/debian:1"),
    "bench-large": Recipe(
        name="localhost/dodas/bench/large:1",
        packages=(*_BASE, "g++", "gcc", "gfortran", "perl", "python3-numpy", "python3-scipy"),
        without=("debconf", "init-system-helpers", "usrmerge", "python3-pythran"),
    ),
}
