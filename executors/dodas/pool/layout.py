"""Where a pool keeps things.

::

    <state>/pools/NAME/
      pool.json            what the user asked for (:class:`dodas.pool.definition.Definition`)
      pool.yaml            what describes a pool on demand, which has also:
      agent.*              its agent's lock, log and memory (:mod:`.agent`)
      workers/NAME/        order, token and logs of a worker (:mod:`.pilots`)
      condor_config        for clients: the user's own condor_submit, HTCondor's Python bindings
      tokens.d/            the user's token
      launches.json        the containers, for the keeper
      keeper.lock          held by the keeper as long as it lives
      keeper.json          its process id, and how its containers are
      keeper.log           what it and its containers printed
      head/, node/         each ``/pool`` in its own container: condor_config, log/, spool/, execute/, …
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from dodas import paths
from dodas.containers import locks
from dodas.errors import SpecError

HEAD, NODE = "head", "node"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the pool called ``name``."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SpecError(
                f"{self.name!r} cannot be the name of a pool",
                hint="take up to 32 letters, digits, - and _, the first a letter or digit",
            )
        if "\n" in self.root or "\r" in self.root:
            raise SpecError(
                f"HTCondor cannot be told of a directory with a line break in its name: {self.root!r}",
                hint="set DODAS_STATE to another directory",
            )

    @property
    def root(self) -> str:
        """The directory of all that this pool has."""
        return os.path.join(pools_dir(), self.name)

    @property
    def lock(self) -> str:
        """Lock of those who bring the pool up or take it down."""
        return os.path.join(pools_dir(), f".{self.name}.lock")

    @property
    def client_config(self) -> str:
        """The value of CONDOR_CONFIG for the user's own commands."""
        return self.at("condor_config")

    @property
    def queue(self) -> str:
        """The file of the queue, readable dead or alive (:mod:`.queue_file`)."""
        return self.at(HEAD, "spool", "job_queue.log")

    @property
    def alive(self) -> bool:
        """Whether the pool runs: its keeper or, where its central daemons are not dodas', its agent."""
        return locks.is_held(self.at("keeper.lock" if self.has_keeper else "agent.lock"))

    @property
    def has_keeper(self) -> bool:
        """Whether dodas has started the daemons that take and match jobs; else they were there before."""
        return os.path.exists(self.at("keeper.lock"))

    @property
    def description(self) -> str:
        """The file that describes a pool on demand; others have none."""
        return self.at("pool.yaml")

    def at(self, *names: str) -> str:
        """Return a path in the pool's directory."""
        return os.path.join(self.root, *names)


def pools_dir() -> str:
    """Return the directory of all pools of this user on this host."""
    return os.path.join(paths.state_dir(), "pools")


def existing() -> list[Layout]:
    """Return the pools that were brought up and not taken down, by name."""
    try:
        names = sorted(entry.name for entry in os.scandir(pools_dir()) if _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []
    return [layout for layout in map(Layout, names) if os.path.exists(layout.at("pool.json"))]


def known(name: str) -> Layout:
    """Return the pool called ``name``.

    Raises:
        SpecError: There is none.
    """
    layout = Layout(name)
    if not os.path.exists(layout.at("pool.json")):
        raise unknown(name)
    return layout


def unknown(name: str) -> SpecError:
    """Return the error that says that there is no such pool."""
    others = ", ".join(pool.name for pool in existing())
    return SpecError(
        f"there is no pool called {name}" + (f"; there is {others}" if others else ""),
        hint=f"make it with: dodas pool up --local --name {name}",
    )
