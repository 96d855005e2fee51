"""Settings are checked when they are read, and what is wrong is told with the name of the option."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError


def check(settings: Any) -> None:
    """See that values of ``settings`` make sense that are not the default; what they name may be missing.

    Raises:
        WorkflowError: One does not.
    """
    for name, parse in _PARSERS.items():
        value = getattr(settings, name)
        if value not in (None, "", [], "auto"):
            with naming(name, value):
                parse(value)
    if settings.containers == "off" and settings.image:
        raise WorkflowError("--dodas-image makes no sense with --dodas-containers off")


@contextmanager
def naming(name: str, value: object) -> Iterator[None]:
    """Name an option in errors about its value."""
    from dodas.errors import DodasError  # noqa: PLC0415 - only where an option is given

    try:
        yield
    except DodasError as error:
        text = " ".join(map(str, value)) if isinstance(value, list) else value
        option = f"--dodas-{name.replace('_', '-')}"
        said = str(error) if str(error).startswith(option) else f"{option} {text}: {error}"
        raise WorkflowError(f"{said}\n{error.hint}".rstrip()) from error


def _cores(value: int) -> None:
    from dodas.errors import SpecError  # noqa: PLC0415

    if value < 1:
        raise SpecError("this is not a number of processors", hint="write a whole number above 0")


def _memory(value: str) -> None:
    from dodas.errors import SpecError  # noqa: PLC0415
    from snakemake_executor_plugin_dodas.backends import parse_size  # noqa: PLC0415

    if parse_size(value) < 1:
        raise SpecError("no step fits into that", hint="write 8GB, 512MiB or a number of bytes")


def _bundle(value: str) -> None:
    from snakemake_executor_plugin_dodas.backends import parse_bundle  # noqa: PLC0415

    parse_bundle(value)


def _condor(value: list[str]) -> None:
    from snakemake_executor_plugin_dodas.backends import parse_condor  # noqa: PLC0415

    parse_condor(value)


def _engine(value: str) -> None:
    from dodas.containers.engines import ENGINES  # noqa: PLC0415
    from dodas.errors import SpecError  # noqa: PLC0415

    if value not in ENGINES:
        raise SpecError("there is no such engine", hint=f"choose one of: auto, {', '.join(ENGINES)}")


def _image(value: str) -> None:
    from snakemake_executor_plugin_dodas.step.images import image_name  # noqa: PLC0415

    image_name(value)


_PARSERS: dict[str, Callable[[Any], object]] = {
    "cores": _cores,
    "memory": _memory,
    "bundle": _bundle,
    "condor": _condor,
    "engine": _engine,
    "image": _image,
}
