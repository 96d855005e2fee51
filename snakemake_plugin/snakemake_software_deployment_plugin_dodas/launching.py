"""Where the environment meets dodas: an image is prepared, a command line starts something in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import dodas
from snakemake_executor_plugin_dodas.step.images import image_name
from snakemake_executor_plugin_dodas.step.volumes import parse_volume

AUTO = "auto"
_START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.py")
_DODAS = os.path.dirname(os.path.dirname(os.path.abspath(dodas.__file__)))


def prepare(image: str, *, engine: str = "auto") -> str:
    """Pull and unpack an image if need be, and return its digest.

    Args:
        image: As a ``container:`` directive names it.
        engine: What is to run it; ``auto`` for what ``DODAS_ENGINE`` says, else the best that works.

    Raises:
        DodasError: It cannot be had, or the engine does not work here.
    """
    from dodas.backends.bringing import Bringing  # noqa: PLC0415 - only those who deploy need all this
    from dodas.backends.preparation import EngineChoice  # noqa: PLC0415
    from dodas.containers.prepare import prepare as prepare_root  # noqa: PLC0415
    from dodas.containers.store import Store  # noqa: PLC0415

    name = image_name(image)
    EngineChoice("" if engine == AUTO else engine)()
    return prepare_root(Store(), name, bring=Bringing()).digest


def command(
    *, image: str, engine: str, paths: Iterable[str], volumes: Sequence[str], variables: Iterable[str]
) -> list[str]:
    """Return the words that start in an image what is put behind them.

    The working directory, the temporary directory and the variables are those that it is started with.

    Args:
        image: As a ``container:`` directive names it.
        engine: What is to run it, likewise.
        paths: What the command sees of this machine, writable, at the same place; absent ones do not matter.
        volumes: ``HOST[:PATH][:ro|:rw]`` to see besides.
        variables: Names of variables that it gets.

    Raises:
        SpecError: One of them means nothing.
    """
    more = [
        f"--volume={mount.source}:{mount.target}:{'rw' if mount.writable else 'ro'}"
        for mount in map(parse_volume, volumes)
    ]
    return [
        *(sys.executable, "-IS", _START, _DODAS, "" if engine == AUTO else engine),
        ",".join(sorted(variables)),
        *(f"--volume={path}:{path}:rw" for path in topmost(paths)),
        *more,
        image_name(image),
    ]


def topmost(paths: Iterable[str]) -> list[str]:
    """Return those that exist and are not below another one, each once, without the whole machine."""
    found = sorted({os.path.abspath(path) for path in paths if os.path.exists(path)} - {"/"})
    return [path for path in found if not any(path.startswith(f"{other}/") for other in found)]
