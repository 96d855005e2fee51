"""What a provider would be sent for a flavour, as text: nothing is contacted and nothing is changed.

Each kind of provider has a module here with ``render(pool, flavour, worker=None)``, which is pure.  What it
returns is whole and holds no secret: where one belongs, the name of the file, of the ``Secret`` or of the
input stands that it comes from.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dodas.errors import SpecError

if TYPE_CHECKING:
    from dodas.pool.description.model import Flavour, PoolDescription

# The Orchestrator takes the TOSCA that the Infrastructure Manager takes.
_MODULES = {"im": "tosca", "orchestrator": "tosca"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One document.

    Attributes:
        name: A file name that says what it is, such as ``small.sbatch``; no directory in it.
        text: All of it.
    """

    name: str
    text: str


def render(pool: PoolDescription, flavour: Flavour) -> tuple[Rendered, ...]:
    """Return what the provider of ``flavour`` would be sent for a worker of it.

    Nothing for a provider that is sent nothing: ``local`` starts a process.

    Raises:
        SpecError: The provider cannot be told what the flavour asks for.
    """
    kind = pool.provider(flavour.provider).kind
    module = f"{__name__}.{_MODULES.get(kind, kind)}"
    if importlib.util.find_spec(module) is None:
        if kind == "local":
            return ()
        raise SpecError(
            f"nothing can be rendered for a provider of kind {kind}",
            hint="use another kind of provider for this flavour, or a newer dodas",
        )
    made = cast(
        "Callable[[PoolDescription, Flavour], tuple[Rendered, ...]]", importlib.import_module(module).render
    )
    return made(pool, flavour)
