#!/usr/bin/env python3
"""Stand-ins for the images that the conformance tests of CWL name, made of Debian packages.

Where there is no registry, one root file system with what those tests run (a shell, coreutils, Python 3) goes
into the image store under all their names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dodas.containers import archives
from dodas.containers.packages import archive, build, debs
from dodas.containers.packages.recipe import BASE, Recipe
from dodas.containers.store import Store, lookup
from dodas.errors import ImageNotFound

NAMES = (
    "alpine:latest",
    "debian:stable-slim",
    "debian:stretch-slim",
    "python:2-slim",
    "python:2.7.15-alpine3.7",
    "python:3",
    "python:3-slim",
)
WITH_ENTRYPOINT = ("bash:4.4", "bash:4.4.12")
_ENTRYPOINT = """\
#!/bin/sh
# With no command, or options first, run bash with them; else run the command.
case "${1-}" in
    ''|-*) exec bash "$@" ;;
    *) exec "$@" ;;
esac
"""
_TREE = Recipe(name="localhost/dodas/conformance:1", packages=BASE)


def main() -> None:
    """Put the images into the store that ``DODAS_STORE`` or the default names."""
    for name in missing():
        print(name)


def missing(names: Iterable[str] = (*NAMES, *WITH_ENTRYPOINT), recipe: Recipe = _TREE) -> Iterator[str]:
    """Put those that the store does not have into it, and yield their names.

    Raises:
        DebsError: The packages cannot be had.
    """
    absent = [name for name in names if not _is_there(name)]
    if absent:
        yield from _load(absent, recipe)


def _is_there(name: str) -> bool:
    with suppress(ImageNotFound):
        lookup(Store(), name)
        return True
    return False


def _load(names: list[str], root: Recipe) -> Iterator[str]:
    packages = debs.closure(root.packages, without=root.without, suite=root.suite)
    with tempfile.TemporaryDirectory(prefix="dodas-conformance-") as work:
        tree, layer = Path(work, "tree"), Path(work, "layer.tar")
        build.make_tree(packages, tree)
        script = tree / "usr/local/bin/docker-entrypoint.sh"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(_ENTRYPOINT)
        script.chmod(0o755)
        digest = archive.write_layer(tree, layer)
        made = Path(work, "image.tar")
        for name in names:
            entrypoint = ("docker-entrypoint.sh",) if name in WITH_ENTRYPOINT else ()
            with made.open("wb") as file:
                recipe = replace(root, name=name, entrypoint=entrypoint)
                archive.write_archive(recipe, layer, digest, file)
            archives.load(Store(), str(made))
            yield name


if __name__ == "__main__":
    main()
