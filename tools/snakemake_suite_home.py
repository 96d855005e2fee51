"""What Snakemake's own tests need: their source, and a Python that has more than dodas needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dodas import paths

# The tests import these; pandas is held back as Snakemake's own development environment does it.
_MORE = (
    "pytest-mock",
    "pandas<3",
    "polars",
    "snakemake-executor-plugin-cluster-generic",
    "snakemake-storage-plugin-fs",
)


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where the tests of a version are.

    Attributes:
        version: Of Snakemake.
        source: Its unpacked source distribution.
        programs: Directory with the ``python`` that runs the tests.
    """

    version: str
    source: Path
    programs: Path

    def environ(self, scratch: Path) -> dict[str, str]:
        """Return the environment of a run that leaves nothing outside of ``scratch``."""
        places = [str(self.programs), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        return {
            **os.environ,
            "PATH": os.pathsep.join(places),
            "PYTHONPATH": str(Path(__file__).parent),
            "TMPDIR": str(scratch),
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "DODAS_CACHE": paths.cache_dir(),
        }

    def copy(self, scratch: Path) -> None:
        """Put the tests into ``scratch``: some of them write where they are."""
        shutil.copytree(self.source / "tests", scratch / "tests", symlinks=True)
        shutil.copy(self.source / "pyproject.toml", scratch)


def prepare() -> Home:
    """Return the tests of the Snakemake that is installed; what is missing comes from the package index."""
    snakemake = version("snakemake")
    place = Path(paths.cache_dir(), "snakemake-suite", snakemake)
    place.mkdir(parents=True, exist_ok=True)
    source = place / "source"
    if not source.is_dir():
        _unpack(snakemake, source)
    return Home(version=snakemake, source=source, programs=_python(place / "python"))


def _unpack(snakemake: str, source: Path) -> None:
    with tempfile.TemporaryDirectory(dir=source.parent) as scratch:
        # Not the wheel, which has no tests.
        _pip("download", "--no-deps", "--no-binary", "snakemake", "-d", scratch, f"snakemake=={snakemake}")
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            # Without a filter, which Debian 12's Python does not know.
            packed.extractall(scratch)  # noqa: S202 - of the index that Snakemake itself was installed from
        Path(scratch, f"snakemake-{snakemake}").rename(source)


def _python(place: Path) -> Path:
    """Return the directory of a Python that sees all packages of this one, and those of :data:`_MORE`."""
    programs, done = place / "bin", place / "complete"
    here = f"{sys.executable}\n{_MORE}"
    if not done.is_file() or done.read_text() != here:
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
        own = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)})
        # A plain path would leave out what editable installs are made of.
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        Path(own, "packages_of_dodas.pth").write_text(line)
        _pip("--python", str(programs / "python"), "install", *_MORE)
        done.write_text(here)
    return programs


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"error: pip {arguments[0]} did not work\n  hint: it needs the package index, this once")
