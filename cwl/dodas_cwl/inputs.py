"""Whether the inputs of a workflow are what it wants, asked before anything runs.

cwltool finds that a file is not there when the first step that needs it is made, perhaps hours later, and
that a value is of the wrong type without saying where it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urldefrag

from dodas_cwl.reference import (
    INPUT_OBJ_VOCAB,
    Process,
    ValidationException,
    WorkflowException,
    log,
    validate_ex,
)
from dodas_cwl.translate import files

_FILES = ("File", "Directory")
_LONGEST = 60  # characters of a value that are shown


def check(process: Process, order: Any) -> None:
    """See that the inputs fit, and that their files are there; warn of what is not an input.

    Args:
        process: The workflow or tool.
        order: Its input object, with defaults filled in; what was read from a file tells where in it.

    Raises:
        WorkflowException: They do not; the text has a line for each problem.
    """
    fields: Any = process.inputs_record_schema["fields"]
    types = {field["name"]: field["type"] for field in fields}
    _warn(process, order, types)
    found = [*_unfit(process, order, types), *_absent(process, order)]
    if found:
        what = "an input is" if len(found) == 1 else f"{len(found)} inputs are"
        raise WorkflowException("\n".join((f"{what} not right, so nothing was run:", *found)))


def _unfit(process: Process, order: Any, types: Mapping[str, Any]) -> Iterator[str]:
    schema: Any = process.names.get_name("input_record_schema", None)
    for field in schema.fields if schema is not None else ():
        value = order.get(field.name)
        if _fits(field.type, value):
            continue
        asked = f"{_where(order, field.name)}input {field.name!r} of {_name(process)}"
        wanted = _type(types.get(field.name))
        is_there = f"has to be {wanted}, and is {_shown(value)}"
        yield f"{asked} {is_there if value is not None else f'is missing; it has to be {wanted}'}"


def _fits(wanted: Any, value: Any) -> bool:
    try:
        return bool(validate_ex(wanted, value, strict=False, raise_ex=False, vocab=INPUT_OBJ_VOCAB))
    except ValidationException:
        return False


def _absent(process: Process, order: Any) -> Iterator[str]:
    for name, value in order.items():
        for kind, path in _local(value):
            there = os.path.isfile(path) if kind == "File" else os.path.isdir(path)
            if not there:
                said = f"{path} is no {kind.lower()}" if os.path.exists(path) else f"there is no {path}"
                yield f"{_where(order, name)}input {name!r} of {_name(process)}: {said}"


def _local(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind and the path of each file of this machine in a value."""
    for file in files(value):
        place = file.get("location") or file.get("path") or ""
        if isinstance(place, str) and (place.startswith("file://") or os.path.isabs(place)):
            yield file["class"], unquote(place[7:]) if place.startswith("file://") else place


def _warn(process: Process, order: Any, types: Mapping[str, Any]) -> None:
    """Say which names mean nothing, for one that is spelt wrong leaves its input to the default."""
    for name in order:
        if name in types or name == "id" or ":" in name or name.startswith("$"):
            continue
        from difflib import get_close_matches  # noqa: PLC0415 - seldom needed

        near = get_close_matches(name, list(types), 1)
        meant = f"; is {near[0]!r} meant?" if near else ""
        log.warning("%s%s has no input %r%s", _where(order, name), _name(process), name, meant)


def _name(process: Process) -> str:
    document, fragment = urldefrag(str(process.tool.get("id", "")))
    return os.path.basename(unquote(document)) + (f"#{fragment}" if fragment not in {"", "main"} else "")


def _where(order: Any, name: str) -> str:
    """Return file and line of an input, where these are known."""
    lines = getattr(order, "lc", None)
    file = getattr(lines, "filename", None)
    place = (getattr(lines, "data", None) or {}).get(name)
    if not file or not place:
        return ""
    path = unquote(file.removeprefix("file://"))
    return f"{os.path.relpath(path)}:{place[0] + 1}: "


def _type(wanted: Any) -> str:
    """Return a type in words, near to how documents write it."""
    if isinstance(wanted, Mapping):
        if wanted.get("type") == "array":
            return f"an array of {_type(wanted.get('items')).removeprefix('a ')}"
        if wanted.get("type") == "enum":
            return " or ".join(repr(_last(symbol)) for symbol in wanted["symbols"])
        return "a record" if wanted.get("type") == "record" else _type(wanted.get("type"))
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return " or ".join(dict.fromkeys(_type(one) for one in wanted if one != "null"))
    return _last(wanted)


def _last(name: Any) -> str:
    return re.split(r"[#/.]", str(name))[-1]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a {value['class']}" if value.get("class") in _FILES else "a record"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
