"""apt in directories of its own: no root, and nothing of the system is touched.  Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)


class DebsError(Exception):
    """Packages cannot be had here; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Apt:
    """apt in directories of its own.

    Attributes:
        home: Its lists, sources and configuration, one directory for each suite and mirror.
        archives: Downloaded packages, shared by all suites (a file name holds version and architecture).
    """

    home: Path
    archives: Path

    def run(self, *arguments: str, archives: Path | None = None) -> str:
        """Run ``apt-get`` and return what it printed."""
        where = f"Dir::Cache::archives={archives or self.archives}"
        return output("apt-get", f"-c={self.home / 'apt.conf'}", "-qq", "-o", where, *arguments)

    def configure(self, sources: str, status: str) -> None:
        """Write its configuration.

        Args:
            sources: Where packages come from; see :func:`sources_for`.
            status: What counts as installed; see :func:`claim`.
        """
        for directory in ("lists/partial", "none"):
            (self.home / directory).mkdir(parents=True, exist_ok=True)
        files = {"debian.sources": sources, "status": status, "apt.conf": _configuration(self.home)}
        for name, text in files.items():
            (self.home / name).write_text(text)


def sources_for(suite: str) -> str:
    """Return sources for ``suite`` (sources.list(5), deb822) at the mirrors this host uses for Debian.

    ``DEBIAN_MIRROR`` names one where the host has none, or another than the host's.

    Raises:
        DebsError: No mirror is known, or Debian's keys are missing.
    """
    keyring = next((path for path in _KEYRINGS if path.exists()), None)
    if keyring is None:
        raise DebsError(f"Debian's signing keys are missing ({_KEYRINGS[0]}): install debian-archive-keyring")
    main, security = _mirrors()
    pairs = [(main, suite)]
    if security:  # a mirror of its own may well lack it
        pairs.append((security, f"{suite}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {name}\nComponents: main\nSigned-By: {keyring}\n"
        for uri, name in pairs
    )


def _mirrors() -> tuple[str, str]:
    """Return the mirrors of the archive and of its security updates, the latter empty if there is none.

    What they are is told by their addresses: their names are known only once their lists were fetched.
    """
    named = os.environ.get("DEBIAN_MIRROR", "")
    listed = output("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    addresses = [line.rstrip("/") for line in listed.splitlines()]
    main = named or next((uri for uri in addresses if uri.endswith("/debian")), "")
    if not main:
        raise DebsError("this host knows no mirror of Debian: set DEBIAN_MIRROR to the address of one")
    security = "" if named else next((uri for uri in addresses if uri.endswith("/debian-security")), "")
    return main, security


def claim(packages: Sequence[str], architecture: str) -> str:
    """Return a dpkg status file that claims ``packages``, in a version that satisfies everybody.

    ``Multi-Arch: allowed`` also satisfies who depends on ``perl:any``.
    """
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\nMulti-Arch: allowed\n"
        f"Version: 9999\nMaintainer: none\nDescription: taken as installed\n"
        for name in sorted(packages)
    )


def require(*programs: str) -> None:
    """Raise :class:`DebsError` unless all programs are on PATH, saying which one is not."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise DebsError(
            f"{' and '.join(missing)} {verb} not on PATH: Debian packages can only be fetched on a system "
            "that has them, such as Debian or Ubuntu"
        )


def output(*command: str, stdin: IO[bytes] | None = None) -> str:
    """Return what a command printed; raise :class:`DebsError` with its complaint if it failed."""
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, check=False, text=True, capture_output=True, env=env, stdin=stdin)
    if done.returncode != 0:
        problem = done.stderr.strip() or f"exit status {done.returncode}"
        words = " ".join(word for word in command if not word.startswith("-") and "::" not in word)
        raise DebsError(f"`{words}` failed: {problem}")
    return done.stdout


def _configuration(home: Path) -> str:
    """Return an apt.conf(5), read after the host's, that keeps apt's hands off the host."""
    values = {
        "Dir::Etc::sourcelist": home / "debian.sources",
        "Dir::Etc::sourceparts": home / "none",
        "Dir::Etc::preferences": home / "none" / "preferences",
        "Dir::Etc::preferencesparts": home / "none",
        "Dir::State::lists": home / "lists",
        "Dir::State::status": home / "status",
        "Dir::State::extended_states": home / "extended_states",
        "Dir::Cache::pkgcache": home / "pkgcache.bin",
        "Dir::Cache::srcpkgcache": home / "srcpkgcache.bin",
        "Dir::Log": home / "log",
        "APT::Get::Assume-Yes": "true",
        "APT::Install-Recommends": "false",
        "APT::Update::Error-Mode": "any",
        "Acquire::ForceHash": "SHA256",  # what --print-uris prints
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        # The signature is checked; its date is not, so that frozen mirrors serve too.
        "Acquire::Check-Valid-Until": "false",
    }
    if os.geteuid() == 0:  # the account _apt cannot write below root's home
        values["APT::Sandbox::User"] = "root"
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    lines = [f'{name} "{value}";' for name, value in values.items()]
    return "\n".join([*lines, *(f"#clear {hook};" for hook in (*hooks, "DPkg::Post-Invoke")), ""])
