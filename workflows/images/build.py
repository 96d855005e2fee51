"""Build images from their recipes: ``python -m workflows.images.build [--load] [NAME…]``.

What is built is kept in the user's cache under a key of all that went into it, so a second build is
instant, and a change of a recipe, of a package or of this code builds anew.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workflows.images import archive, configure
from workflows.images.recipes import RECIPES, Recipe

import debs
from dodas import paths
from dodas.errors import DodasError, ImageNotFound

# Nobody reads manuals in a container.  Licences stay: whoever passes an image on must pass them on too.
_UNREAD = ("doc-base", "info", "lintian", "locale", "man", "i18n", "bug", "bash-completion")
FAULTS = (debs.DebsError, configure.ConfigureError)
"""What building fails with."""

_SOURCES = (
    *sorted(Path(__file__).parent.glob("*.py")),
    *(Path(debs.__file__).with_name(name) for name in ("debs.py", "private_apt.py")),
)


def build(name: str, *, cache: Path | None = None) -> Path:
    """Return the image archive of a recipe, built if it is not in the cache.

    Args:
        name: Key of :data:`workflows.images.recipes.RECIPES`.
        cache: Directory for archives; default ``images`` in dodas' cache.

    Raises:
        debs.DebsError: Packages cannot be had.
    """
    recipe = RECIPES[name]
    packages = debs.closure(recipe.packages, without=recipe.without, suite=recipe.suite)
    directory = Path(paths.cache_dir(), "images") if cache is None else cache
    target = directory / f"{name}-{_key(recipe, packages)}.tar"
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=directory) as work:
            made = _make(recipe, packages, Path(work))
            made.replace(target)
    return target


def load(name: str) -> bool:
    """Put the image of a recipe into dodas' store; return whether it was not there yet, just like this."""
    from dodas.containers import archives  # noqa: PLC0415 - building needs none of it
    from dodas.containers.store import Store  # noqa: PLC0415

    store, made = Store(), build(name)
    with suppress(ImageNotFound):
        if store.image(RECIPES[name].name).id == archive.image_id(made):
            return False
    archives.load(store, str(made))
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


def main(argv: Sequence[str] | None = None) -> int:
    """Build images, print where their archives are, and load them if asked to."""
    parser = argparse.ArgumentParser(prog="python -m workflows.images.build", description=build.__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(RECIPES)} (default: all)"
    )
    parser.add_argument("--load", action="store_true", help="put them into dodas' image store too")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in RECIPES]
    if unknown:
        parser.error(f"no recipe is called {unknown[0]}; there are {', '.join(RECIPES)}")
    try:
        for name in args.names or RECIPES:
            sys.stdout.write(f"{build(name)}\n")
            if args.load:
                load(name)
    except (*FAULTS, DodasError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
