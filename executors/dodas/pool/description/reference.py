"""The table of all fields, for the documentation: made from the schema, so that it is never behind."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from dodas.pool.description.schema import Schema, of_kind, resolved, schema

BEGIN, END = "<!-- fields: made from the schema -->", "<!-- fields: end -->"

_KINDS = ("local", "slurm", "htcondor", "kubernetes", "im", "orchestrator", "marathon")


Field = tuple[str, Schema, bool]
"""A field's path, its schema, and whether it must be there."""


def fields() -> Iterator[Field]:
    """Yield every field: ``flavours.NAME.cores`` and so on."""
    yield from _below(schema(), "")


def _below(part: Schema, path: str) -> Iterator[Field]:
    for name, child in part.get("properties", {}).items():
        if child is True:
            continue
        field = resolved(child)
        yield path + name, field, name in part.get("required", ())
        yield from _below(field, f"{path}{name}.")
        yield from _named(field, f"{path}{name}")


def _named(field: Schema, path: str) -> Iterator[Field]:
    """Yield what is below names that the user chooses, or in the items of a list."""
    below, items = resolved(field.get("additionalProperties")), resolved(field.get("items"))
    yield from _below(below, f"{path}.NAME.")
    if "allOf" in below:
        for kind in _KINDS:
            yield from _below(of_kind(kind), f"{path}.NAME({kind}).")
    if "tolerations" not in path:  # which Kubernetes describes
        yield from _below(items, f"{path}[].")


def table() -> str:
    """Return the tables of all fields, as Markdown."""
    groups: dict[str, list[str]] = {}
    for path, field, required in fields():
        group, _, name = path.rpartition(".")
        if group or not field.get("properties"):
            groups.setdefault(group, []).append(_row(name, field, required))
    return "\n\n".join("\n".join([_title(group), "", *_HEAD, *rows]) for group, rows in groups.items())


_HEAD = ("| field | value | default | meaning |", "|---|---|---|---|")


def _title(group: str) -> str:
    kind = re.search(r"\((\w+)\)", group)
    if kind:
        return f"### A provider of kind `{kind[1]}`"
    return f"### `{group}`" if group else "### The file"


def _row(name: str, field: Schema, required: bool) -> str:
    default = field.get("default", "")
    shown = "" if default == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    shown = "must be there" if required else shown
    words = (f"`{name}`", str(field["title"]), shown, str(field["description"]))
    return "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |"


def renew(page: str) -> str:
    """Return a page with the tables of now between its marks."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    with open(sys.argv[1], "r+", encoding="utf-8") as file:
        renewed = renew(file.read())
        file.seek(0)
        file.truncate()
        file.write(renewed)
