"""Fresh environments that borrow the dependencies, and nothing else, of the one that runs the tests.

Installing Snakemake and cwltool anew for every way to install dodas would take minutes and a network.
Instead an environment gets a directory of links to every installed distribution except dodas: what is
found in it can only have come from the installation under test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "dodas",
    "dodas_cwl",
    "snakemake_executor_plugin_dodas",
    "snakemake_software_deployment_plugin_dodas",
    "snakemake_storage_plugin_dynafed",
)
ROOTS = ("executors", "cwl", "snakemake_plugin")
# What a checkout has besides its files: never part of a build.
LITTER = {".git", ".venv", "__pycache__", "build", "dist", "demo-output", ".snakemake", ".hypothesis"}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment."""

    home: Path

    @property
    def bin(self) -> Path:
        """Where its scripts are."""
        return self.home / "bin"

    def run(self, *command: str | Path) -> str:
        """Run one of its scripts, away from the checkout, and return what it printed."""
        program, *arguments = command
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.home,
            env=clean_environment(),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def install(self, *arguments: str | Path) -> None:
        """Install with pip, without dependencies and with the setuptools of the tests."""
        options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-warn-script-location")
        self.run("python", "-m", "pip", "install", *options, *arguments)


def clean_environment() -> dict[str, str]:
    """Return the environment without what would lead Python back to the checkout."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV"))}


def make_environment(home: Path) -> Environment:
    """Make an environment that sees the dependencies of dodas but no dodas."""
    venv.create(home, with_pip=False, symlinks=True)
    borrowed = home / "borrowed"
    borrowed.mkdir()
    installed = Path(sysconfig.get_path("purelib"))
    for entry in installed.iterdir():
        if not is_of_dodas(entry.name) and entry.suffix != ".pth":
            (borrowed / entry.name).symlink_to(entry)
    site = Path(home, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    return Environment(home=home)


def is_of_dodas(name: str) -> bool:
    """Tell whether a file in ``site-packages`` belongs to an installation of dodas."""
    return name.startswith(("dodas-", "__editable__")) or name in PACKAGES


def is_litter(path: Path) -> bool:
    """Tell whether ``path`` of a checkout is no part of the project."""
    parts = set(path.parts)
    suffixes = (".pyc", ".egg-info", "_cache", ".log")
    return bool(parts & LITTER) or any(p.endswith(suffixes) or p.startswith(".venv") for p in parts)


def project_files(top: Path = PROJECT, below: Iterable[str] = (".",)) -> set[str]:
    """Return the files of a checkout, relative to ``top``, without litter."""
    found = (file for directory in below for file in (top / directory).rglob("*") if file.is_file())
    relative = (file.relative_to(top) for file in found)
    return {str(file) for file in relative if not is_litter(file)}
