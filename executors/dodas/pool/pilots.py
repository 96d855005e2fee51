"""Makes workers ready to be sent: their names, orders, tokens and program."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from dodas import paths, whole
from dodas.containers.removal import remove_tree
from dodas.node.build import worker_file
from dodas.node.classads import literal
from dodas.node.pilot.order import NAME, SAYS, STATUS, TOKEN, Check, PilotOrder
from dodas.pool import admission, configuration, image, tokens, trust
from dodas.pool.definition import Definition
from dodas.pool.description.model import Flavour, PoolDescription, Site
from dodas.pool.furnish import make_private
from dodas.pool.layout import HEAD, Layout
from dodas.pool.look import tail
from dodas.pool.providers.base import Worker, prefix

_GRACE = 300.0  # seconds
_INSIDE = ("kubernetes", "marathon")  # their nodes start a container with HTCondor themselves
_WITH_HTCONDOR = ("htcondor", "im", "orchestrator")  # their nodes may have it, and not dodas' own image
_NEAR = ("local", "slurm")  # their nodes may use the image store of this host where it is on a shared disk
_SPARE = 3600.0  # seconds that a token is good for beyond its worker, which may have to wait for a node
_CVMFS_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Orders:
    """Makes the workers of one pool.

    Attributes:
        pool: What its user wants.
        definition: What it is.
        program: The worker file.
    """

    pool: PoolDescription
    definition: Definition
    program: str = field(default_factory=worker_file)

    def new(self, flavour: Flavour) -> Worker:
        """Return a worker that does not exist yet; nothing is written."""
        place, name = self._place(flavour), prefix(self.pool.name, flavour.name) + secrets.token_hex(4)
        return Worker(
            name=name,
            flavour=flavour,
            site=self.pool.site(flavour.site),
            directory=os.path.join(place, name),
            program=os.path.join(place, f".{os.path.basename(self.program)}"),
        )

    def _place(self, flavour: Flavour) -> str:
        """Return the directory of a flavour's workers: the pool's own, or one that nodes see."""
        named = self.pool.provider(flavour.provider).get("directory")
        own = Layout(self.pool.name).at("workers")
        return os.path.join(str(named), self.pool.name) if named else own

    def write(self, worker: Worker) -> None:
        """Put in place what the worker needs.

        Raises:
            StoreError: The directory cannot be made.
            DodasError: There is no token with which it could join.
        """
        layout = Layout(self.pool.name)
        own = layout.at("workers", worker.name)
        make_private(layout.at("workers"))
        make_private(os.path.dirname(worker.directory))
        make_private(worker.directory)
        if own != worker.directory:
            with suppress(FileExistsError):
                os.symlink(worker.directory, own)
        if not os.path.exists(worker.program):
            with open(self.program, "rb") as program, whole.written(worker.program, mode=0o755) as file:
                shutil.copyfileobj(program, file)
        whole.write(os.path.join(worker.directory, NAME), self.order(worker).to_json())
        seconds = worker.flavour.lifetime + self.pool.elasticity.boot + _SPARE
        if self.definition.existing:
            admission.place(
                os.path.join(worker.directory, TOKEN),
                self.definition.existing,
                given=self.pool.manager.token,
                seconds=seconds,
                config=layout.client_config,
                collector=self.definition.collector,
            )
            return
        tokens.make_token(
            worker.directory,
            TOKEN,
            key=layout.at(HEAD, "passwords.d"),
            issuer=trust.domain(self.pool.name),
            identity=trust.node_identity(self.pool.name),
            powers=trust.NODE_POWERS,
            seconds=seconds,
        )

    def order(self, worker: Worker) -> PilotOrder:
        """Return the order of a worker."""
        flavour, site = worker.flavour, worker.site
        kind = self.pool.provider(flavour.provider).kind
        inside = kind in _INSIDE or (kind in _WITH_HTCONDOR and not flavour.image)
        return PilotOrder(
            worker=worker.name,
            pool=self.pool.name,
            image="" if inside else flavour.image or image.RECIPE.name,
            store=paths.store_dir() if kind in _NEAR else "",
            config=tuple((name, str(value)) for name, value in self._config(worker).items()),
            disk=flavour.disk,
            lifetime=flavour.lifetime,
            end=site.end_time if site else None,
            grace=grace(flavour),
            checks=tuple(checks(site)),
            environment=tuple(environment(site)),
            mounts=tuple(mounts(site)),
            files=site.files if site else (),
            shared_disk=flavour.shared_disk,
            user=self.definition.user,
        )

    def _config(self, worker: Worker) -> Mapping[str, object]:
        flavour, site = worker.flavour, worker.site
        attributes = {
            **dict(site.attributes if site else ()),
            "DodasWorker": literal(worker.name),
            "DodasFlavour": literal(flavour.name),
            "DodasProvider": literal(flavour.provider),
        }
        starts = [one for one in (flavour.start, site.start if site else "") if one]
        return configuration.pilot(
            self.pool.name,
            self.definition,
            configuration.Offer(
                worker=worker.name,
                cores=flavour.cores,
                memory=flavour.memory >> 20,
                gpus=flavour.gpus,
                # Of a flavour of which some are to stay, the agent ends those that are too many.
                idle=flavour.lifetime if flavour.minimum else flavour.idle,
                grace=grace(flavour),
                start=" && ".join(f"({one})" for one in starts),
                attributes=tuple(attributes.items()),
                shared_disk=flavour.shared_disk,
            ),
        )


def need_own_image(pool: PoolDescription) -> bool:
    """Return whether there are workers that take dodas' own image from the store of this host."""
    return any(not one.image and pool.provider(one.provider).kind in _NEAR for one in pool.flavours)


def grace(flavour: Flavour) -> float:
    """Return the seconds that running jobs have when a worker is told to end."""
    return min(_GRACE, flavour.lifetime / 4)


def forget(pool: str, worker: str) -> None:
    """Remove what a worker that is over had, its logs too."""
    own = Layout(pool).at("workers", worker)
    if os.path.islink(own):
        remove_tree(os.readlink(own))
    remove_tree(own)


def forget_all(pool: str) -> None:
    """Remove what all workers of a pool had, elsewhere too."""
    with suppress(FileNotFoundError):
        for entry in os.scandir(Layout(pool).at("workers")):
            if entry.is_symlink():
                remove_tree(os.path.dirname(os.readlink(entry.path)))


def status(pool: str, worker: str) -> tuple[str, str] | None:
    """Return what a worker said last of itself, its phase and a reason; nothing if it cannot be heard."""
    try:
        with open(Layout(pool).at("workers", worker, STATUS), encoding="utf-8") as file:
            said = json.load(file)
        return str(said["phase"]), str(said["reason"])
    except (OSError, ValueError, LookupError, TypeError):
        return _printed(pool, worker)


def _printed(pool: str, worker: str) -> tuple[str, str] | None:
    """Return what a worker said last where what it printed has come back."""
    said = [line for line in tail(Layout(pool).at("workers", worker, "worker.out"), 400) if SAYS in line]
    if not said:
        return None
    phase, _, reason = said[-1].partition(SAYS)[2].partition(": ")
    return phase, reason


def checks(site: Site | None) -> list[Check]:
    """Return what must work on the nodes of a site."""
    if site is None:
        return []
    made = [
        Check(name=one.name, command=one.command, seconds=one.seconds, every=one.every)
        for one in site.prechecks
    ]
    for repository in site.cvmfs.repositories if site.cvmfs else ():
        command = f"ls '/cvmfs/{repository}' >/dev/null && test -n \"$(ls -A '/cvmfs/{repository}')\""
        made.append(Check(name=f"cvmfs {repository}", command=command, seconds=_CVMFS_PATIENCE, every=300.0))
    return made


def environment(site: Site | None) -> list[tuple[str, str]]:
    """Return the variables of jobs at a site."""
    if site is None:
        return []
    squid = f"http://{site.squid}" if site.squid and "://" not in site.squid else site.squid
    return [*((("http_proxy", squid),) if squid else ()), *site.environment]


def mounts(site: Site | None) -> list[tuple[str, str, bool]]:
    """Return the directories of nodes that jobs at a site see."""
    if site is None:
        return []
    made = [(one.source, one.target, one.writable) for one in site.mounts]
    if site.cvmfs and not any(target == "/cvmfs" for _, target, _ in made):
        made.append(("/cvmfs", "/cvmfs", False))
    return made
