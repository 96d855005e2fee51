"""`dodas image` ls and inspect."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from dodas.backends.words import size
from dodas.cli.tally import printable
from dodas.containers.image import Image
from dodas.containers.ready import read_ready
from dodas.containers.store import Store

_DIGITS = 12  # of a digest, enough to tell images apart and for `rm` and `inspect`
_RIGHT = ("SIZE",)


def ls(args: argparse.Namespace) -> int:
    """List all images."""
    store = Store()
    images = store.images()
    if args.json:
        print(json.dumps([_fields(store, image) for image in images], indent=2))
        return 0
    if not images:
        print(f"no images in {store.root}; bring one: dodas image pull NAME", file=sys.stderr)
        return 0
    header = ("NAME", "DIGEST", "PLATFORM", "SIZE", "PREPARED")
    for line in table([header, *(_row(store, image) for image in images)]):
        print(line)
    return 0


def inspect(args: argparse.Namespace) -> int:
    """Show one image."""
    from dodas.containers.collect import inspect as inspect_one

    found = inspect_one(Store(), args.name)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for line in _described(found):
        print(line)
    return 0


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines with the columns of ``rows`` beneath each other; the first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [name in _RIGHT for name in rows[0]]
    for row in rows:
        cells = (
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(row, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _row(store: Store, image: Image) -> tuple[str, ...]:
    digest = image.digest.partition(":")[2][:_DIGITS]
    prepared = "yes" if read_ready(store.layout, image.container) else "-"
    return (_short(image.name), digest, printable(image.platform) or "-", size(image.size), prepared)


def _short(name: str) -> str:
    """Cut the digest in a name, which has a column of its own."""
    at, mark, digest = name.partition("@sha256:")
    return f"{at}{mark}{digest[:_DIGITS]}" if mark else printable(name)


def _fields(store: Store, image: Image) -> dict[str, Any]:
    names = ("name", "digest", "id", "platform", "created", "size")
    root = read_ready(store.layout, image.container)
    return {**{name: getattr(image, name) for name in names}, "prepared": root.path if root else None}


def _described(found: dict[str, Any]) -> Iterator[str]:
    config = found["configuration"].get("config") or {}
    prepared = found["prepared"]
    yield from _lines("name", found["names"])
    yield from _lines("digest", [found["digest"]])
    yield from _lines("id", [found["id"]])
    yield from _lines("platform", [found["platform"]])
    yield from _lines("created", [found["created"]])
    yield from _lines("size", [size(found["size"])])
    yield from _lines("layers", found["layers"])
    yield from _lines("entrypoint", [shlex.join(config.get("Entrypoint") or [])])
    yield from _lines("command", [shlex.join(config.get("Cmd") or [])])
    yield from _lines("workdir", [config.get("WorkingDir")])
    yield from _lines("user", [config.get("User")])
    yield from _lines("environment", config.get("Env") or [])
    if prepared:
        use = ", in use" if prepared["in_use"] else ""
        yield from _lines("prepared", [f"{prepared['path']} ({size(prepared['size'])}{use})"])
        yield from _lines("last used", [prepared["used"]])
    else:
        yield from _lines("prepared", [f"no; do it with: dodas image prepare {found['name']}"])


def _lines(label: str, values: Sequence[object]) -> Iterator[str]:
    for value in values:
        if value:
            yield f"{label + ':' if label else '':13}{printable(str(value))}"
            label = ""
