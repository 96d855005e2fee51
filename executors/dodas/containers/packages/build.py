"""An image from its recipe, built once.

What is built is kept in the user's cache under a key of all that went into it, so a second build is
instant, and a change of a recipe, of a package or of this code builds anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dodas import paths
from dodas.containers.packages import archive, configure, debs
from dodas.containers.packages.recipe import Recipe
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.errors import ImageNotFound

# Nobody reads manuals in a container.  Licences stay: whoever passes an image on must pass them on too.
_UNREAD = ("doc-base", "info", "lintian", "locale", "man", "i18n", "bug", "bash-completion")
FAULTS = (debs.DebsError, configure.ConfigureError)
"""What building fails with."""

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))


def build(recipe: Recipe, *, cache: Path | None = None, progress: OnProgress = ignore) -> Path:
    """Return the image archive of a recipe, built if it is not in the cache.

    Args:
        recipe: What the image is made of.
        cache: Directory for archives; default ``images`` in dodas' cache.
        progress: Told about fetching, unpacking and writing.

    Raises:
        debs.DebsError: Packages cannot be had.
        configure.ConfigureError: They are not what is expected.
    """
    progress(Progress(what=f"packages of {recipe.name}", done=0))
    packages = debs.closure(recipe.packages, without=recipe.without, suite=recipe.suite)
    fetched = sum(package.stat().st_size for package in packages)
    progress(Progress(what=f"packages of {recipe.name}", done=fetched, total=fetched))
    directory = Path(paths.cache_dir(), "images") if cache is None else cache
    readable = recipe.name.rpartition("/")[2].partition(":")[0]
    target = directory / f"{readable}-{_key(recipe, packages)}.tar"
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{readable}-", dir=directory) as work:
            progress(Progress(what=f"making {recipe.name}", done=0))
            made = _make(recipe, packages, Path(work))
            size = made.stat().st_size
            progress(Progress(what=f"making {recipe.name}", done=size, total=size))
            made.replace(target)
    return target


def load(recipe: Recipe, *, progress: OnProgress = ignore) -> bool:
    """Put the image of a recipe into dodas' store; return whether it was not there yet, just like this.

    Errors are those of :func:`build`, and those of the store.
    """
    from dodas.containers import archives  # noqa: PLC0415 - building needs none of it
    from dodas.containers.store import Store  # noqa: PLC0415

    store, made = Store(), build(recipe, progress=progress)
    with suppress(ImageNotFound):
        if store.image(recipe.name).id == archive.image_id(made):
            return False
    archives.load(store, str(made), progress=progress)
    return True


def make_tree(packages: Sequence[Path], tree: Path) -> None:
    """Unpack packages and make of them a root file system that works."""
    before = os.umask(0o022)  # else the caller's decides who may read the image
    try:
        tree.mkdir()
        debs.unpack(packages, tree)
        _strip(tree)
        configure.configure(tree, _postinst(packages))
    finally:
        os.umask(before)


def _make(recipe: Recipe, packages: Sequence[Path], work: Path) -> Path:
    tree, layer, made = work / "tree", work / "layer.tar", work / "image.tar"
    make_tree(packages, tree)
    digest = archive.write_layer(tree, layer)
    with made.open("wb") as file:
        archive.write_archive(recipe, layer, digest, file)
    return made


def _strip(tree: Path) -> None:
    """Remove what no command in a container needs: manuals, translations, the tests of Python packages."""
    for name in _UNREAD:
        shutil.rmtree(tree / "usr/share" / name, ignore_errors=True)
    for path in (tree / "usr/share/doc").rglob("*"):
        if path.name != "copyright" and (path.is_symlink() or path.is_file()):
            path.unlink()
    for path in sorted((tree / "usr/lib/python3/dist-packages").glob("**/tests"), reverse=True):
        shutil.rmtree(path)
    empty = (path for path in (tree / "usr/share/doc").rglob("*") if path.is_dir())
    for path in sorted(empty, reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def _postinst(packages: Sequence[Path]) -> list[str]:
    scripts = []
    for package in packages:
        command = ("dpkg-deb", "--ctrl-tarfile", package)
        control = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        member = ("tar", "-xO", "--ignore-command-error", "-f", "-", "./postinst")
        found = subprocess.run(member, input=control, check=False, capture_output=True)
        scripts.append(found.stdout.decode(errors="replace"))
    return scripts


def _key(recipe: Recipe, packages: Sequence[Path]) -> str:
    """Return a key of all that decides the bytes of an image."""
    parts = [repr(recipe), str(archive.epoch()), *(package.name for package in packages)]
    parts += [source.read_text() for source in _SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
