"""The ways to run a command in a root file system, behind one small interface (:mod:`.base`)."""

from __future__ import annotations

import importlib
from functools import cache

from dodas.containers.engines.base import Engine

# name -> (module, class), the best first.  Modules are imported when their engine is asked for; those with a
# dot in their names are not of this package.
ENGINES = {
    "namespace": ("namespace", "Namespace"),
    "fuse": ("fuse", "Fuse"),
    "proot": ("proot", "Proot"),
    "proot-noseccomp": ("proot", "ProotNoSeccomp"),
    **{f"udocker-{mode}": ("udocker", mode) for mode in ("F1", "F2", "F3", "F4", "R1", "R2", "R3", "S1")},
    "host": ("host", "Host"),
}


@cache
def engine(name: str) -> Engine:
    """Return the engine called ``name``.

    Raises:
        KeyError: There is no such engine.
    """
    module, kind = ENGINES[name]
    path = module if "." in module else f"dodas.containers.engines.{module}"
    made: Engine = getattr(importlib.import_module(path), kind)()
    return made
