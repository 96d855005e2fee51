"""Lets HTCondor's Python bindings in this process talk to a pool."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from dodas.errors import BackendUnreachable, DodasError
from dodas.pool import configuration, trust, visits, whose
from dodas.pool.definition import Definition
from dodas.pool.layout import Layout, known
from dodas.pool.offers import read_offers

_PATIENCE = 5  # seconds that daemons which are not ours may take to answer
_PLACES = ("/etc/condor/condor_config", "/usr/local/etc/condor_config", "~condor/condor_config")
_users: list[str] = []  # CONDOR_CONFIG of the user, since this process talks to a pool


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that a pool may have: processors, and FileSystemDomain."""

    cores: int
    files: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a pool is reached from here.

    Attributes:
        pool: Its name; empty when it is not one of ``dodas pool``.
        schedd: Name of the daemon with the queue; empty for the one that the configuration says.
        collector: Address of the collector; empty when none is configured.
        filesystem_domain: A node whose FileSystemDomain is this one sees the same files as this host.
        offers: Workers that the pool may have, where they come and go; else empty.
        existing: Whether there are other jobs and machines too, since its central daemons are not dodas'.
        jobs: Condition that jobs meet which are the pool's; empty if all are.
        machines: The same for its workers.
    """

    pool: str
    schedd: str
    collector: str
    filesystem_domain: str
    offers: tuple[Worker, ...] = ()
    existing: bool = False
    jobs: str = ""
    machines: str = ""


def configure(pool: str | None) -> Access:
    """Make this process talk to a pool; to be called before, or instead of, any other use of the bindings.

    Sets CONDOR_CONFIG, which commands started from here inherit.

    Args:
        pool: Name of a pool of ``dodas pool up``, or a file (``.yaml``) that describes one, which is brought
            up; ``None`` for what CONDOR_CONFIG, or else the host's configuration, says.

    Raises:
        SpecError: There is no such pool.
        BackendUnreachable: It is not up.
        DodasError: HTCondor's bindings are not installed.
    """
    if pool is None:
        bindings().reload_config()
        return _configured()
    if visits.is_file(pool):
        pool = visits.arrive(pool)
    layout = known(pool)
    definition = Definition.read(layout)
    if definition is None or not layout.alive:
        local = definition is None or definition.has_node
        how = f"--local --name {pool}" if local else layout.description
        raise BackendUnreachable(
            f"the pool {pool} is not running", hint=f"bring it up with: dodas pool up {how}"
        )
    return reach(layout, definition)


def reach(layout: Layout, definition: Definition) -> Access:
    """Make this process talk to a pool, whether it is up or not; as :func:`configure` else."""
    if not _users:
        _users.append(of_user())
    os.environ["CONDOR_CONFIG"] = layout.client_config
    htcondor, there = bindings(), definition.existing
    htcondor.reload_config()
    offers = tuple(Worker(*one) for one in read_offers(layout))
    if there is None:
        return Access(
            pool=layout.name,
            schedd=configuration.schedd_name(layout.name),
            collector=definition.collector,
            filesystem_domain=trust.domain(layout.name),
            offers=offers,
        )
    for name in ("QUERY_TIMEOUT", "Q_QUERY_TIMEOUT"):
        htcondor.param[name] = str(_PATIENCE)
    return Access(
        pool=layout.name,
        schedd=there.schedd,
        collector=definition.collector,
        filesystem_domain=there.files,
        offers=offers,
        existing=True,
        jobs=whose.condition(there.users),
        machines=f'DodasMark == "{there.mark}"',
    )


def queue(access: Access) -> Any:
    """Return the ``Schedd`` of a pool that this process talks to; HTCondor's errors stay what they are."""
    htcondor = bindings()
    if not access.existing:
        return htcondor.Schedd()
    collector = htcondor.Collector(access.collector)
    return htcondor.Schedd(collector.locate(htcondor.DaemonType.Schedd, access.schedd))


def bindings() -> Any:
    """Return the module ``htcondor2``.

    Raises:
        DodasError: It is not installed.
    """
    if "htcondor2" not in sys.modules and "CONDOR_CONFIG" not in os.environ and not of_host():
        os.environ["CONDOR_CONFIG"] = "/dev/null"  # else importing it warns, or fails
    try:
        import htcondor2  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise DodasError(
            "talking to an HTCondor pool needs HTCondor's Python bindings, which are not installed",
            hint="install them with: pip install 'dodas[htcondor]'",
        ) from error
    return htcondor2


def of_user() -> str:
    """Return the user's own CONDOR_CONFIG, whatever pool this process talks to; ``/dev/null`` for none."""
    return _users[0] if _users else os.environ.get("CONDOR_CONFIG") or of_host() or os.devnull


def of_host() -> str:
    """Return the file of this host's own configuration; empty if it has none."""
    return next((path for path in map(os.path.expanduser, _PLACES) if os.path.exists(path)), "")


def _configured() -> Access:
    param = bindings().param
    return Access(
        pool="",
        schedd=param.get("SCHEDD_HOST", "") or "",
        collector=param.get("COLLECTOR_HOST", "") or "",
        filesystem_domain=param.get("FILESYSTEM_DOMAIN", "") or "",
    )
