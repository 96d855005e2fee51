"""A pool as its user describes it, checked and complete: plain, frozen values.

Sizes are bytes, times are seconds, expressions are ClassAd expressions as HTCondor understands them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Pairs = tuple[tuple[str, str], ...]
Setting = str | int | float | bool | None | tuple["Setting", ...] | tuple[tuple[str, "Setting"], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """The daemons that take and match jobs.

    Attributes:
        host: Name or address under which workers reach it; empty for the loopback address, which is enough
            for workers on this host.
        port: TCP port; 0 for any that is free.
        collector: ``host:port`` of the collector of a pool that exists already; empty when dodas makes one.
        schedd: Name of the queue of an existing pool that is followed; empty for that of this host.
        condor_config: Configuration with which an existing pool is reached; empty for that of this host.
        users: Whose jobs workers take there; empty for those of who brings them up, ``*`` for everybody's.
        token: File with the token that workers show to an existing pool, which can only advertise; empty if
            one is to be made.
        trust_domain: TRUST_DOMAIN of an existing pool.
    """

    host: str = ""
    port: int = 0
    collector: str = ""
    schedd: str = ""
    condor_config: str = ""
    users: tuple[str, ...] = ()
    token: str = ""
    trust_domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precheck:
    """A command that must succeed on a node before it takes jobs.

    Attributes:
        name: What it is called in logs.
        command: A command for ``sh -c``.
        seconds: How long it may take.
        every: Seconds between repetitions while the worker lives; 0 for once.
    """

    name: str
    command: str
    seconds: float = 30.0
    every: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A directory of the node that jobs see."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cvmfs:
    """CVMFS repositories that a node must have (https://cvmfs.readthedocs.io, "Client Configuration").

    Attributes:
        repositories: Such as ``cms.cern.ch``.
        proxy: CVMFS_HTTP_PROXY; empty for the site's squid.
        quota: Bytes of the cache; 0 for the client's default.
    """

    repositories: tuple[str, ...]
    proxy: str = ""
    quota: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is the same for all workers of one place.

    Attributes:
        name: What flavours call it.
        attributes: Attributes of its machines, each with a ClassAd expression.
        start: START expression, beside that of the flavour.
        prechecks: What must work on a node.
        environment: Variables of jobs.
        mounts: Directories of the node that jobs see.
        cvmfs: CVMFS repositories that jobs need.
        squid: ``host:port`` of the proxy for jobs.
        files: Files of the worker: absolute path, content.
        end_time: Unix time at which the site takes its nodes back.
    """

    name: str
    attributes: Pairs = ()
    start: str = ""
    prechecks: tuple[Precheck, ...] = ()
    environment: Pairs = ()
    mounts: tuple[Mount, ...] = ()
    cvmfs: Cvmfs | None = None
    squid: str = ""
    files: Pairs = ()
    end_time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """A resource that workers can be had from.

    Attributes:
        name: What flavours call it.
        kind: ``local``, ``slurm``, ``htcondor``, ``kubernetes``, ``im``, ``orchestrator``, ``marathon``.
        settings: What else its kind knows, by name; the schema says which.  No secret: files and variables
            that hold them are named instead.
    """

    name: str
    kind: str
    settings: tuple[tuple[str, Setting], ...] = ()

    def get(self, name: str, default: Setting = None) -> Setting:
        """Return one setting."""
        return next((value for key, value in self.settings if key == name), default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """A kind of worker.

    Attributes:
        name: What it is called.
        provider: Name of the provider.
        site: Name of the site; empty for none.
        cores: Processors of one worker.
        memory: Bytes.
        disk: Bytes for jobs; 0 for what is there.
        gpus: GPUs.
        image: Image with HTCondor in which the worker runs; empty for dodas' own.
        minimum: How many there are without any job.
        maximum: How many there may be, those that are booting or draining included.
        lifetime: How long a worker lives at most.
        idle: How long a worker without jobs stays.
        start: START expression: which jobs it takes.
        shared_disk: Whether workers see the directories of the submit side.
        settings: What its provider is told for this flavour beside its own settings, by name.
    """

    name: str
    provider: str
    site: str = ""
    cores: int = 1
    memory: int = 2 << 30
    disk: int = 0
    gpus: int = 0
    image: str = ""
    minimum: int = 0
    maximum: int = 10
    lifetime: float = 86400.0
    idle: float = 300.0
    start: str = ""
    shared_disk: bool = False
    settings: tuple[tuple[str, Setting], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the pool may use at most, draining workers included; ``None`` for no limit.

    Attributes:
        workers: At once, of all flavours.
        cores: At once.
        worker_hours: In all.
        core_hours: In all.
    """

    workers: int | None = None
    cores: int | None = None
    worker_hours: float | None = None
    core_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """How the pool follows its queue; seconds.

    Attributes:
        interval: Between two looks.
        boot: Within which a worker must have joined.
        young: A worker younger than this is not taken away.
        step: Workers started in one look at most.
        backoff: First pause after a provider failed; doubles up to ``backoff_most``.
        backoff_most: Longest pause.
        idle_pool: After which a pool brought up by a workflow, and without jobs, goes by itself; 0: never.
    """

    interval: float = 10.0
    boot: float = 600.0
    young: float = 150.0
    step: int = 20
    backoff: float = 15.0
    backoff_most: float = 900.0
    idle_pool: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDescription:
    """A whole ``pool.yaml``."""

    name: str
    manager: Manager = field(default_factory=Manager)
    providers: tuple[ProviderSettings, ...] = ()
    sites: tuple[Site, ...] = ()
    flavours: tuple[Flavour, ...] = ()
    budget: Budget = field(default_factory=Budget)
    elasticity: Elasticity = field(default_factory=Elasticity)

    def provider(self, name: str) -> ProviderSettings:
        """Return the provider called ``name``, which a flavour names."""
        return next(one for one in self.providers if one.name == name)

    def site(self, name: str) -> Site | None:
        """Return the site called ``name``; nothing for an empty name."""
        return next((one for one in self.sites if one.name == name), None)

    def flavour(self, name: str) -> Flavour:
        """Return the flavour called ``name``."""
        return next(one for one in self.flavours if one.name == name)
