"""Snakemake for scripts that run where it is not installed, as one file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from dodas import whole
from dodas.errors import SpecError
from dodas.paths import cache_dir

# Where the preamble of a script in a container looks first (snakemake.deployment.singularity).
PLACE = "/mnt/snakemake_searchpaths/item_0"
# What a preamble imports, and what wrappers and scripts import by themselves.
_WANTED = ("logging", "iocontainers", "script", "shell", "utils", "io")
_ASK = """
import contextlib, importlib, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    with contextlib.suppress(ModuleNotFoundError):  # releases differ
        importlib.import_module(f"snakemake.{name}")
new = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
print(*sorted(name for name in new if not name.startswith("_")))
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive() -> str:
    """Return the path of an archive from which any Python can import Snakemake as far as scripts need it.

    Half a megabyte, pure Python, without compiled code: made once for each installation.

    Raises:
        SpecError: It cannot be made.
    """
    snakemake = import_module("snakemake")
    here = os.path.dirname(os.path.abspath(snakemake.__file__ or ""))
    key = hashlib.sha256(f"{snakemake.__version__}\0{here}\0{os.stat(here).st_mtime_ns}".encode())
    path = os.path.join(cache_dir(), "snakemake", f"{key.hexdigest()[:16]}.zip")
    if not os.path.exists(path):
        try:
            _write(path)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SpecError(
                f"cannot pack Snakemake for scripts: {error}",
                hint="set DODAS_CACHE to a directory of yours",
            ) from error
    return path


def _write(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with (
        whole.written(path, mode=0o666) as aside,
        zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for package in _packages():
            for name, source in _modules(package):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                with open(source, "rb") as file:
                    packed.writestr(info, file.read())


def _packages() -> list[str]:
    """Return the packages that Snakemake needs for this: asked in a process that has none of them yet."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, *_WANTED], env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.split()


def _modules(package: str) -> Iterator[tuple[str, str]]:
    spec = find_spec(package)
    if spec is None:
        return
    for root in spec.submodule_search_locations or ():
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                source = os.path.join(folder, name)
                if name.endswith(".py"):
                    yield os.path.join(package, os.path.relpath(source, root)), source
    if not spec.submodule_search_locations and (spec.origin or "").endswith(".py"):
        yield os.path.basename(spec.origin or ""), spec.origin or ""
