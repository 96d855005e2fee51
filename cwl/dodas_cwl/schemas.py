"""The schemas of the language, taken from dodas' cache instead of being read again by every run.

Reading them, which cwltool does at each start, takes longer than all else of a small workflow: 40 files of
YAML for each version of the language, and version 1.0 beside the one of the document.  The outcome depends
on nothing but their texts and the software that reads them.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schema_salad.ref_resolver
import schema_salad.schema
from ruamel import yaml
from schema_salad.avro.schema import Names
from schema_salad.ref_resolver import Loader

from dodas import paths, whole

_LAYOUT = 1  # of what is kept; another number makes older files unknown
_SALAD_VERSION = "v1.3"  # that the schema of schemas is read as


@dataclass(frozen=True, slots=True)
class _Kept:
    """All of a schema that takes time to find.

    Attributes:
        names: The types, to check documents with.
        content: The schema's metadata; the schema of schemas itself.
        context: Of the loader that read it.
        index: What that loader found, by identifier.
        texts: What the loader of the schema of schemas read, by address.
        documents: Context of the loader of documents.
    """

    names: Names
    content: Any
    context: dict[str, Any]
    index: dict[str, Any]
    texts: dict[str, Any] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)


def load_schema(reference: str, cache: dict[str, Any]) -> tuple[Loader, Any, Any, Loader]:
    """Return what :func:`schema_salad.schema.load_schema` returns, from dodas' cache if it can be.

    Args:
        reference: The schema's address.
        cache: The texts of all files, by address; gets those of schema_salad's own.
    """
    path = _place("schema", reference, *sorted(cache.items()))
    above = _metaschema()
    kept = _read(path)
    if kept is None:
        documents, names, metadata, loader = schema_salad.schema.load_schema(reference, cache=cache)
        if isinstance(names, Names):
            _write(path, _Kept(names, metadata, loader.ctx, dict(loader.idx), documents=documents.ctx))
        return documents, names, metadata, loader
    for address, text in above.cache.items():
        cache.setdefault(address, text)
    loader = Loader(kept.context, cache=cache, session=above.session)
    loader.idx.update(kept.index)
    return Loader(kept.documents, cache=cache), kept.names, kept.content, loader


def _metaschema() -> Loader:
    """Return the loader of the schema of schemas, which is wanted whenever types are declared.

    schema_salad keeps the schema in a variable, which is given what dodas has kept.
    """
    salad = schema_salad.schema
    if salad.cached_metaschema is None:
        path = _place("metaschema")
        kept = _read(path)
        if kept is None:
            names, content, loader = salad.get_metaschema()
            _write(path, _Kept(names, content, loader.ctx, dict(loader.idx), texts=loader.cache))
        else:
            loader = Loader(kept.context, cache=kept.texts, salad_version=_SALAD_VERSION)
            loader.idx.update(kept.index)
            salad.cached_metaschema = (kept.names, kept.content, loader)
    return salad.get_metaschema()[2]


def _place(*parts: object) -> Path:
    """Return the path for what depends on these parts, and on the software, whose files tell its state."""
    key = hashlib.sha256(repr((_LAYOUT, parts)).encode())
    for module in (schema_salad.schema, schema_salad.ref_resolver, yaml, pickle):
        state = os.stat(str(module.__file__))
        key.update(repr((module.__file__, state.st_size, state.st_mtime_ns)).encode())
    return Path(paths.cache_dir(), "schemas", f"{key.hexdigest()[:32]}.pickle")


def _read(path: Path) -> _Kept | None:
    """Return what is kept there, if this user wrote it and no other one can: a pickle may hold anything."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            kept = pickle.load(file)  # noqa: S301 - see above
    except Exception:  # damaged in whatever way, it can be made again
        return None
    return kept if isinstance(kept, _Kept) else None


def _write(path: Path, kept: _Kept) -> None:
    """Keep it for the next run; if that cannot be, the next run is as slow as this one."""
    # Classes of later versions of schema_salad may refuse in ways of their own.
    with suppress(OSError, pickle.PicklingError, TypeError, AttributeError):
        content = pickle.dumps(kept, protocol=pickle.HIGHEST_PROTOCOL)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.write(str(path), content)
