"""The published JSON Schema, and what it says about a document in sentences."""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema

from dodas.pool.description import units
from dodas.pool.description.problems import Path, shown
from dodas.pool.description.secrecy import hides, is_secret_name

Schema = dict[str, Any]
Complaint = tuple[Path, str, bool]
"""A field, what is wrong in words that may follow its name, and whether it can be used all the same."""

FORMATS: dict[str, Callable[[Any], object]] = {
    "size": units.size,
    "duration-in-units": units.duration,
    "date-time": units.moment,
}
"""How text of a ``format`` becomes a value; ValueError where it is none."""


def text() -> str:
    """Return the schema as it is published."""
    return importlib.resources.files(__package__).joinpath("schema.json").read_text("utf-8")


@functools.cache
def schema() -> Schema:
    """Return the schema; it is not to be changed."""
    loaded: Schema = json.loads(text())
    return loaded


def resolved(part: Any) -> Schema:
    """Return a part of the schema with what it refers to."""
    while isinstance(part, dict) and "$ref" in part:
        target = schema()["$defs"][part["$ref"].rpartition("/")[2]]
        part = {**target, **{key: value for key, value in part.items() if key != "$ref"}}
    return part if isinstance(part, dict) else {}


def of_kind(kind: str) -> Schema:
    """Return the schema of the settings of a kind of provider."""
    return resolved(schema()["$defs"].get(kind, {}))


def complaints(value: Any) -> Iterator[Complaint]:
    """Yield what the schema does not allow."""
    for error in _validator().iter_errors(value):
        yield from _sentences(error)


@functools.cache
def _validator() -> Any:
    # ECMA's `$`, which JSON Schema means, does not match before a line break at the end; Python's does.
    def pattern(_validator: Any, expected: str, value: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(value, str) and not _compiled(expected).search(value):
            yield jsonschema.ValidationError("does not match")

    extend: Any = jsonschema.validators.extend
    kind = extend(jsonschema.Draft202012Validator, {"pattern": pattern})
    formats = jsonschema.FormatChecker(formats=())
    for name, read in FORMATS.items():
        formats.checks(name, raises=(ValueError, OverflowError))(functools.partial(_reads, read))
    return kind(schema(), format_checker=formats)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\$(?=\)|\Z)", r"\\Z", pattern), re.ASCII)


def _reads(read: Callable[[Any], object], value: object) -> bool:
    # What is of another type has been refused for that.
    if isinstance(value, str | int) and not isinstance(value, bool):
        read(value)
    return True


def _sentences(error: Any) -> Iterator[Complaint]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in error.instance:
            if name not in known:
                yield (*path, name), _unknown(name, list(known)), False
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield (*path, name), f"is missing: {_expected(error.schema['properties'][name])}", False
    elif "propertyNames" in error.absolute_schema_path:
        yield (*path, str(error.instance)), f"this name must be {error.schema.get('title')}", True
    else:
        yield path, _wrong(error.instance, path, error.schema.get("title", "something else")), False


def _expected(part: Any) -> str:
    return str(resolved(part).get("title", "something"))


def _wrong(value: Any, path: Path, expected: str) -> str:
    if value is None:
        return f"has no value; it must be {expected}"
    if value in ("", [], {}):
        return f"must be {expected}, not empty"
    if hides(path, value):
        return f"must be {expected}"
    return f"must be {expected}, not {shown(value)}"


def _unknown(name: str, known: list[str]) -> str:
    if is_secret_name(name):
        file = next((one for one in known if one == f"{name}_file"), None)
        files = [file] if file else [one for one in known if one.endswith("_file")]
        instead = f": {' or '.join(files)}" if files else ""
        return f"a secret has no place here; name the file that holds it{instead}"
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"is unknown here; did you mean {near[0]}?"
    others = [one for one in known if one != "kind"]
    return "is unknown here" + (f"; known are {', '.join(others)}" if others else "; there is nothing to set")
