"""Pools on clouds for tests: descriptions, workers with their files, and waiting for what becomes of them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from dodas.pool.description.model import Flavour, PoolDescription, ProviderSettings, Setting
from dodas.pool.providers.base import Provider, Seen, Setup, State, Worker
from servers.ports import until

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2RlIn0.c2VjcmV0LW9mLXRoZS13b3JrZXI"
ENCODED = base64.b64encode(TOKEN.encode()).decode()
SETTINGS: tuple[tuple[str, Setting], ...] = (("image_id", "mock0://linux.for.ev.er/image1"),)


def cloud_pool(
    name: str, kind: str, settings: Sequence[tuple[str, Setting]], flavours: Sequence[Flavour] = ()
) -> PoolDescription:
    """Return a pool whose workers come from one provider, called ``cloud``."""
    return PoolDescription(
        name=name,
        providers=(ProviderSettings(name="cloud", kind=kind, settings=tuple(settings)),),
        flavours=tuple(flavours) or (Flavour(name="small", provider="cloud", settings=SETTINGS),),
    )


def workers_of(pool: PoolDescription, place: Path, count: int, flavour: str = "small") -> list[Worker]:
    """Return workers with all that they bring to a node."""
    program = place / "worker"
    place.mkdir(parents=True, exist_ok=True)
    if not program.exists():
        program.write_text("#!/bin/sh\necho pilot $2\nsleep 600\n")
        program.chmod(0o755)
    made = []
    for _ in range(count):
        name = f"{pool.name}-{flavour}-{secrets.token_hex(4)}"
        directory = place / name
        directory.mkdir(mode=0o700)
        (directory / "pilot.json").write_text(f'{{"name": "{name}", "of": "é \\"quoted\\" {{{{ x }}}}"}}\n')
        (directory / "token").write_text(TOKEN)
        made.append(
            Worker(
                name=name,
                flavour=pool.flavour(flavour),
                site=None,
                directory=str(directory),
                program=str(program),
            )
        )
    return made


def setup_of(pool: PoolDescription, place: Path) -> Setup:
    """Return the setup of the provider ``cloud``."""
    place.mkdir(parents=True, exist_ok=True)
    return Setup(pool=pool, provider="cloud", state=str(place))


def states_of(provider: Provider) -> dict[str, State]:
    """Return how the workers of a provider are."""
    return {one.worker: one.state for one in provider.list()}


def await_seen(
    provider: Provider, is_so: Callable[[Sequence[Seen]], bool], *, what: str, seconds: float = 60
) -> Sequence[Seen]:
    """Return the workers of a provider once something is so."""
    last: list[Sequence[Seen]] = []

    def looked() -> bool:
        last[:] = [provider.list()]
        return is_so(last[0])

    until(looked, what=what, seconds=seconds)
    return last[0]
