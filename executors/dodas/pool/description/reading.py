"""``pool.yaml`` in, a checked :class:`~dodas.pool.description.model.PoolDescription` out."""

from __future__ import annotations

import os
from itertools import chain

from dodas.errors import SpecError
from dodas.pool.description.building import build
from dodas.pool.description.checking import check
from dodas.pool.description.converting import Converter
from dodas.pool.description.model import PoolDescription
from dodas.pool.description.problems import DescriptionError, Path, Problem, shown_name
from dodas.pool.description.schema import complaints
from dodas.pool.description.secrecy import secrets
from dodas.pool.description.source import LARGEST, compose, decode
from dodas.pool.description.tree import Document, plant

VERSION = 1
"""Of the format, which a file names as ``dodas``."""


def read(path: str) -> PoolDescription:
    """Return the description in a file; relative paths in it begin at the file's directory.

    Raises:
        SpecError: The file cannot be read, or a :class:`~.problems.DescriptionError` with all that is wrong
            in it, one problem a line.
    """
    return parse(text_of(path), path, directory=os.path.dirname(os.path.abspath(path)))


def text_of(path: str) -> str:
    """Return what is in a file with a description; raises as :func:`read` where it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(
            f"{shown_name(path)} cannot be read: {reason}",
            hint="name the file that describes the pool; `dodas pool validate --help` shows the smallest one",
        ) from error
    if len(data) > LARGEST:
        problem = Problem(line=1, text=f"the file is larger than {LARGEST >> 20} MiB")
        raise DescriptionError(path, [problem])
    return decode(data, path)


def parse(text: str, name: str = "pool.yaml", *, directory: str = ".") -> PoolDescription:
    """Return the description in ``text``, which is that of a file called ``name``.

    Args:
        text: YAML.
        name: What messages call it.
        directory: Where relative paths in it begin.

    Raises:
        DescriptionError: All that is wrong with it, one problem a line.
    """
    document = plant(compose(text, name))
    _require_version(document, name)
    for path, sentence, usable in chain(complaints(document.value), secrets(document.value)):
        if path not in document.bad:
            document.say(sentence, path, usable=usable)
    converter = Converter(
        document=document, bad=frozenset(document.bad), directory=os.path.abspath(directory)
    )
    values = converter.whole()
    for path, sentence in check(values):
        document.say(sentence, path)
    if document.problems:
        raise DescriptionError(name, dict.fromkeys(document.problems))
    return build(values)


def _require_version(document: Document, name: str) -> None:
    """Refuse a file of a newer dodas at once: what else it says may mean something else."""
    if not isinstance(document.value, dict):
        if not document.problems:
            document.say("this must be a mapping, such as `name: mypool`", ())
        raise DescriptionError(name, document.problems)
    version = document.value.get("dodas")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        path: Path = ("dodas",)
        text = f"made for a newer dodas: this one knows version {VERSION}, the file is of version {version}"
        error = DescriptionError(name, [Problem(line=document.line(path), text=text, path=path)])
        error.hint = "update it with: pip install --upgrade dodas"
        raise error
