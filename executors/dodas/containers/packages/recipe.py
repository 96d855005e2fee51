"""What an image is made of."""

from __future__ import annotations

from dataclasses import dataclass

BASE = (
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
"""What a command in a container expects to find."""

NO_INSTALLER = ("debconf", "dpkg", "init-system-helpers", "perl", "perl-base", "usrmerge")
"""Packages that serve installing packages, which nobody does in these images."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One image.

    Attributes:
        name: Its name, with a tag.  The host part ``localhost`` says that no registry has it.
        packages: Debian packages to begin with; what they depend on comes along.
        without: Packages left out although something depends on them, and what only they need.
        env: Environment variables.
        entrypoint: Program that commands become arguments of; none if empty.
        cmd: Command when none is given.
        suite: Debian release.
    """

    name: str
    packages: tuple[str, ...] = BASE
    without: tuple[str, ...] = NO_INSTALLER
    env: tuple[tuple[str, str], ...] = (
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LANG", "C.UTF-8"),
    )
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("bash",)
    suite: str = "bookworm"
