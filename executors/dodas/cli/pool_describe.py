"""`dodas pool` validate and render."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dodas.cli.subcommands import Add
from dodas.cli.tally import printable
from dodas.errors import SpecError

if TYPE_CHECKING:
    from dodas.pool.description.model import Flavour, PoolDescription
    from dodas.pool.rendering import Rendered

_VALIDATE = """\
Nothing is contacted and nothing is started.  All problems are shown at once, each with its line and field.
What is allowed but looks like a mistake is remarked upon, and does not change the exit status.

examples:
  dodas pool validate pool.yaml
  dodas pool validate pool.yaml --json | jq '.problems[] | .field'
  dodas pool validate --schema > pool.schema.json       for editors that check YAML as you type

The smallest file:
  dodas: 1
  name: mypool
  flavours:
    small:
      provider: local
"""
_RENDER = """\
Nothing is contacted and nothing is started.  What is shown is whole and holds no secret: where one belongs,
the name of the file, of the Secret or of the input stands that it comes from.

examples:
  dodas pool render pool.yaml                          Slurm scripts, Kubernetes manifests, TOSCA templates...
  dodas pool render pool.yaml --flavour small
  dodas pool render pool.yaml --output rendered/       one file each, to read, keep or compare
"""


def add(command: Add) -> None:
    """Add the commands and their options."""
    check = command("validate", "check a file that describes a pool", "pool_describe:validate", _VALIDATE)
    check.add_argument("file", metavar="FILE", nargs="?", default="pool.yaml", help="default: %(default)s")
    check.add_argument("--schema", action="store_true", help="print the JSON Schema of such files instead")
    show = command("render", "show what providers would be sent", "pool_describe:render", _RENDER)
    show.add_argument("file", metavar="FILE", nargs="?", default="pool.yaml", help="default: %(default)s")
    show.add_argument("--flavour", metavar="NAME", help="of this flavour alone (default: of all)")
    show.add_argument("--output", "-o", metavar="DIR", help="write files below DIR instead")
    for parser in (check, show):
        parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def validate(args: argparse.Namespace) -> int:
    """Check a description."""
    from dodas.pool.description import problems, reading, remarks, schema

    if args.schema:
        print(schema.text(), end="")
        return 0
    try:
        pool = reading.read(args.file)
    except problems.DescriptionError as error:
        if not args.json:
            raise
        print(json.dumps({"valid": False, "problems": [_problem(one) for one in error.problems]}, indent=2))
        return 1
    found = [*remarks.remarks(pool, time.time()), *_absent(remarks.named_files(pool))]
    if args.json:
        print(json.dumps({"valid": True, "remarks": found, **_plain(pool)}, indent=2))
        return 0
    _summarise(pool)
    for remark in found:
        print(f"note: {printable(remark)}", file=sys.stderr)
    return 0


def render(args: argparse.Namespace) -> int:
    """Show what providers would be sent."""
    from dodas.pool import rendering
    from dodas.pool.description.reading import read

    pool = read(args.file)
    made = [(one, rendering.render(pool, one)) for one in _chosen(pool, args.flavour)]
    written = [] if args.output is None else list(_write(args.output, made))
    if args.json:
        print(
            json.dumps(
                [_document(one, document) for one, all_of_it in made for document in all_of_it], indent=2
            )
        )
    elif args.output is not None:
        print("\n".join(written) or "nothing is sent to the providers of this pool")
    else:
        _print(made)
    return 0


def _chosen(pool: PoolDescription, name: str | None) -> tuple[Flavour, ...]:
    if name is None:
        return pool.flavours
    found = tuple(one for one in pool.flavours if one.name == name)
    if not found:
        known = ", ".join(one.name for one in pool.flavours)
        raise SpecError(f"there is no flavour called {printable(name)}", hint=f"take one of: {known}")
    return found


def _print(made: Iterable[tuple[Flavour, tuple[Rendered, ...]]]) -> None:
    for flavour, documents in made:
        for document in documents:
            print(f"# ---- {document.name} (flavour {flavour.name}, provider {flavour.provider})")
            print(document.text.rstrip("\n"))
        if not documents:
            print(f"# ---- nothing is sent for the flavour {flavour.name}: its workers start on this host")


def _write(directory: str, made: Iterable[tuple[Flavour, tuple[Rendered, ...]]]) -> Iterable[str]:
    try:
        os.makedirs(directory, exist_ok=True)
        for path, text in {
            os.path.join(directory, _file_name(flavour, one)): one.text
            for flavour, all_of_it in made
            for one in all_of_it
        }.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            yield path
    except OSError as error:
        raise SpecError(
            f"{printable(str(error.filename or directory))} cannot be written: {error.strerror}",
            hint="give --output a directory in which you may write",
        ) from error


def _file_name(flavour: Flavour, document: Rendered) -> str:
    """Return a name that no document of another flavour has."""
    return document.name if flavour.name in document.name else f"{flavour.name}-{document.name}"


def _document(flavour: Flavour, document: Rendered) -> dict[str, str]:
    return {
        "flavour": flavour.name,
        "provider": flavour.provider,
        "name": document.name,
        "text": document.text,
    }


def _absent(files: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{field}: there is no file {path}" for field, path in files if not os.path.exists(path))


def _problem(problem: Any) -> dict[str, Any]:
    from dodas.pool.description.problems import dotted

    return {"line": problem.line, "field": dotted(problem.path), "problem": problem.text}


def _summarise(pool: PoolDescription) -> None:
    from dodas.pool.description.remarks import most

    workers, cores = most(pool)
    print(f"pool {pool.name}: at most {workers} workers with {cores} cores")
    rows: list[tuple[str, ...]] = [
        ("flavour", "provider", "each worker", "workers", "idle", "lifetime", "site")
    ]
    rows += [_row(pool, one) for one in pool.flavours]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


def _row(pool: PoolDescription, flavour: Flavour) -> tuple[str, ...]:
    from dodas.backends.words import size
    from dodas.pool.description.units import duration_text

    kind = pool.provider(flavour.provider).kind
    room = f"{flavour.cores} core{'s' * (flavour.cores != 1)}, {size(flavour.memory)}"
    return (
        flavour.name,
        kind if kind == flavour.provider else f"{flavour.provider} ({kind})",
        room + (f", {flavour.gpus} GPU{'s' * (flavour.gpus != 1)}" if flavour.gpus else ""),
        f"{flavour.minimum} to {flavour.maximum}",
        duration_text(flavour.idle),
        duration_text(flavour.lifetime),
        flavour.site or "-",
    )


def _plain(pool: PoolDescription) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "name": pool.name,
        "flavours": [
            {**asdict(one), "settings": dict(one.settings), "kind": pool.provider(one.provider).kind}
            for one in pool.flavours
        ],
        "budget": asdict(pool.budget),
    }
