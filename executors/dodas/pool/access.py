"""Lets HTCondor's Python bindings in this process talk to a pool."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from dodas.errors import BackendUnreachable, DodasError
from dodas.pool import configuration, trust, visits
from dodas.pool.definition import Definition
from dodas.pool.layout import known
from dodas.pool.offers import read_offers


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
    """

    pool: str
    schedd: str
    collector: str
    filesystem_domain: str
    offers: tuple[Worker, ...] = ()


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
    os.environ["CONDOR_CONFIG"] = layout.client_config
    bindings().reload_config()
    return Access(
        pool=pool,
        schedd=configuration.schedd_name(pool),
        collector=f"{definition.host}:{definition.port}",
        filesystem_domain=trust.domain(pool),
        offers=tuple(Worker(*one) for one in read_offers(layout)),
    )


def bindings() -> Any:
    """Return the module ``htcondor2``.

    Raises:
        DodasError: It is not installed.
    """
    if "htcondor2" not in sys.modules and "CONDOR_CONFIG" not in os.environ and not _host_is_configured():
        os.environ["CONDOR_CONFIG"] = "/dev/null"  # else importing it warns, or fails
    try:
        import htcondor2  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise DodasError(
            "talking to an HTCondor pool needs HTCondor's Python bindings, which are not installed",
            hint="install them with: pip install 'dodas[htcondor]'",
        ) from error
    return htcondor2


def _host_is_configured() -> bool:
    places = ("/etc/condor/condor_config", "/usr/local/etc/condor_config", "~condor/condor_config")
    return any(os.path.exists(os.path.expanduser(place)) for place in places)


def _configured() -> Access:
    param = bindings().param
    return Access(
        pool="",
        schedd=param.get("SCHEDD_HOST", "") or "",
        collector=param.get("COLLECTOR_HOST", "") or "",
        filesystem_domain=param.get("FILESYSTEM_DOMAIN", "") or "",
    )
