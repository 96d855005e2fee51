"""From the value of a ``container:`` directive to the name of an image."""

from __future__ import annotations

import os

from dodas.errors import SpecError

_SIF = (".sif", ".simg", ".img", ".sqsh")
_ELSEWHERE = ("library://", "shub://", "oras://", "http://", "https://", "docker-daemon:")


def image_name(directive: str) -> str:
    """Return the image that a ``container:`` directive means, as dodas names images.

    Raises:
        SpecError: It is something that only apptainer can run.
    """
    for scheme in _ELSEWHERE:
        if directive.startswith(scheme):
            raise SpecError(
                f"container {directive!r}: images from {scheme} cannot be used without apptainer",
                hint="name an image of a container registry: docker://…",
            )
    if directive.startswith("docker://"):
        return directive.removeprefix("docker://")
    path = directive.removeprefix("file://")
    if directive != path or path.endswith(_SIF) or path.startswith((".", "/")) or os.path.exists(path):
        raise SpecError(
            f"container {directive!r} is a file, and not the name of an image", hint=_advice(path)
        )
    return directive


def _advice(path: str) -> str:
    if path.endswith(_SIF):
        return "SIF files run in apptainer only; name the image it was made from, as docker://…"
    return f"load the archive with `dodas image load {path}` and name the image that it prints, as docker://…"
