"""The configuration of a pool's daemons and clients (HTCondor manual, "Configuration Macros").  Pure text.

Readers, each with a file of its own: the head, the node, workers elsewhere, and whoever submits.  The head
listens on one address alone, loopback unless workers are elsewhere, and every connection is authenticated.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from dodas.node.daemons import Programs, literal, places, release, text
from dodas.pool import client_config, trust, tuning
from dodas.pool.definition import LOOPBACK, Definition, Existing
from dodas.pool.tokens import KEY_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker of a pool on demand offers.

    Attributes:
        worker: Its name.
        cores: Processors.
        memory: MiB.
        gpus: GPUs.
        idle: Seconds without jobs after which it ends.
        grace: Seconds that its jobs have when it is told to end.
        start: START expression; empty for any job.
        attributes: Attributes of its machine, with ClassAd expressions.
        shared_disk: Whether it sees the directories of the submit side.
    """

    worker: str
    cores: int
    memory: int
    gpus: int
    idle: float
    grace: float
    start: str
    attributes: tuple[tuple[str, str], ...]
    shared_disk: bool


def client(name: str, definition: Definition, directory: str) -> str:
    """Return the configuration of clients on the host.

    Args:
        name: The pool.
        definition: What it is.
        directory: The pool's directory.
    """
    directory = literal(directory)
    return text(
        f"Lets clients talk to the pool {name}: export CONDOR_CONFIG=<this file>",
        {
            **_common(name, definition),
            **{key: value for key, value in release(Programs()).items() if key != "LIB"},
            "LOCAL_DIR": directory,
            "SEC_TOKEN_DIRECTORY": posixpath.join(directory, "tokens.d"),
            "FILESYSTEM_DOMAIN": trust.domain(name),
            "SCHEDD_HOST": schedd_name(name),
            "SCHEDD_ADDRESS_FILE": posixpath.join(directory, "head", "run", "schedd.address"),
            "SCHEDD_DAEMON_AD_FILE": posixpath.join(directory, "head", "run", "schedd.ad"),
        },
    )


def schedd_name(name: str) -> str:
    """Return what the daemon with the queue is called; the sign at the end keeps the host's name off."""
    return f"{name}@"


def node_slots(name: str) -> str:
    """Return how the names of the slots of the pool's own node end."""
    return f"@{_node_name(name)}"


def _node_name(name: str) -> str:
    return schedd_name(f"{name}-node")


def head(name: str, definition: Definition, place: str, programs: Programs) -> str:
    """Return the configuration of the daemons that take and match jobs.

    Args:
        name: The pool.
        definition: What it is.
        place: Where its directory is for them.
        programs: Where HTCondor is for them.
    """
    return text(
        "Daemons that take jobs and find them a place",
        {
            **_common(name, definition),
            **release(programs),
            **places(place),
            **trust.allowed(name, definition),
            "DAEMON_LIST": "MASTER COLLECTOR NEGOTIATOR SCHEDD",
            "SHARED_PORT_PORT": definition.port,
            "MASTER_NAME": schedd_name(f"{name}-head"),
            "SCHEDD_NAME": schedd_name(name),
            "COLLECTOR_NAME": f"dodas pool {name}",
            "FILESYSTEM_DOMAIN": trust.domain(name),
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
            "SEC_PASSWORD_DIRECTORY": f"{place}/passwords.d",
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": f"{place}/passwords.d/{KEY_NAME}",
            "SEC_TOKEN_ISSUER_KEY": KEY_NAME,
            "SEC_TOKEN_DIRECTORY": f"{place}/tokens.d",
            "COLLECTOR_ADDRESS_FILE": f"{place}/run/collector.address",
            "SCHEDD_ADDRESS_FILE": f"{place}/run/schedd.address",
            "SCHEDD_DAEMON_AD_FILE": f"{place}/run/schedd.ad",
            **tuning.head(),
        },
    )


def node(name: str, definition: Definition, place: str, programs: Programs) -> str:
    """Return the configuration of the daemons that run jobs; arguments as for :func:`head`."""
    return text(
        "Daemons that run jobs",
        {
            **_of_nodes(name, definition, shared_disk=definition.shared_disk),
            **release(programs),
            **places(place),
            "MASTER_NAME": _node_name(name),
            "STARTD_NAME": _node_name(name),
            "STARTD_ADDRESS_FILE": f"{place}/run/startd.address",
            "SEC_PASSWORD_DIRECTORY": f"{place}/passwords.d",
            "SEC_TOKEN_DIRECTORY": f"{place}/tokens.d",
            "SEC_TOKEN_SYSTEM_DIRECTORY": f"{place}/tokens.d",
            "NUM_CPUS": definition.cpus,
            "MEMORY": definition.memory,
            "DodasCache": f'"{place}/cache"',
            "STARTD_ATTRS": "$(STARTD_ATTRS) DodasPool DodasCache ClassAdLifetime",
            **tuning.node(),
        },
    )


def pilot(name: str, definition: Definition, offer: Offer) -> dict[str, object]:
    """Return what the daemons of a worker are told before it is known where it is.

    The worker adds where it keeps things, and ``DaemonStopTime``, the Unix time at which it ends.
    """
    attributes = dict(offer.attributes)
    added, mark = " ".join(attributes), " DodasMark" if definition.existing else ""
    # A job that does not say how long it takes is no reason to be there until the end.
    fits = f"(time() + (TARGET.MaxRuntime ?: {int(offer.grace)})) < DaemonStopTime"
    loopback = definition.host in (LOOPBACK, "localhost")
    return {
        **_of_nodes(name, definition, shared_disk=offer.shared_disk),
        **({} if loopback else {"NETWORK_INTERFACE": "*", "BIND_ALL_INTERFACES": True}),
        **(_among_others(definition, definition.existing, offer) if definition.existing else {}),
        "CCB_ADDRESS": "$(COLLECTOR_HOST)",
        "MASTER_NAME": f"{offer.worker}@",
        "STARTD_NAME": f"{offer.worker}@",
        "NUM_CPUS": offer.cores,
        "MEMORY": offer.memory,
        **attributes,
        "STARTD_ATTRS": f"$(STARTD_ATTRS) DodasPool DodasCache ClassAdLifetime DaemonStopTime {added}{mark}",
        "MASTER_ATTRS": f"$(MASTER_ATTRS) DodasPool {added}",
        **tuning.node(),
        "START": f"{fits} && ({offer.start})" if offer.start else fits,
        "STARTD_NOCLAIM_SHUTDOWN": int(offer.idle),
        "MAXJOBRETIREMENTTIME": int(offer.grace),
        "SHUTDOWN_GRACEFUL_TIMEOUT": int(offer.grace) + 10,
        **({"MACHINE_RESOURCE_GPUS": _gpus(offer.gpus)} if offer.gpus else {}),
    }


def _among_others(definition: Definition, existing: Existing, offer: Offer) -> dict[str, object]:
    """Return what is otherwise where workers join a central manager that is not dodas'."""
    domain = existing.files if offer.shared_disk else f"node.{existing.files}"
    changed: dict[str, object] = {"FILESYSTEM_DOMAIN": domain, "DodasMark": f'"{existing.mark}"'}
    if definition.host == "localhost":
        changed["NETWORK_INTERFACE"] = LOOPBACK
    if not client_config.is_address(definition.host):
        changed["NO_DNS"] = False
    if definition.host.startswith("["):
        changed["ENABLE_IPV6"] = True
    return changed


def _gpus(count: int) -> str:
    return ", ".join(f"CUDA{number}" for number in range(count))


def _of_nodes(name: str, definition: Definition, *, shared_disk: bool) -> dict[str, object]:
    """Return what all daemons that run jobs are told."""
    return {
        **_common(name, definition),
        **trust.allowed(name, definition),
        "DAEMON_LIST": "MASTER STARTD",
        "SHARED_PORT_PORT": 0,
        "FILESYSTEM_DOMAIN": trust.domain(name) if shared_disk else f"node.{trust.domain(name)}",
        # The token alone says what it may do; as the user it could do all.
        "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
        "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
        "NUM_SLOTS": 1,
        "NUM_SLOTS_TYPE_1": 1,
        "SLOT_TYPE_1": "100%",
        "SLOT_TYPE_1_PARTITIONABLE": True,
        "DodasPool": f'"{name}"',
        "ClassAdLifetime": tuning.FORGOTTEN,
    }


def _common(name: str, definition: Definition) -> dict[str, object]:
    """Return what daemons and clients must agree on."""
    return {
        "CONDOR_HOST": definition.host,
        "COLLECTOR_HOST": definition.collector,
        "NETWORK_INTERFACE": definition.host,
        "BIND_ALL_INTERFACES": False,
        "ENABLE_IPV6": False,
        "NO_DNS": True,
        "DEFAULT_DOMAIN_NAME": trust.domain(name),
        "USE_SHARED_PORT": True,
        "UID_DOMAIN": trust.domain(name),
        "TRUST_DOMAIN": trust.domain(name),
        "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
        "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
        "SEC_DEFAULT_INTEGRITY": "OPTIONAL",
        "SEC_DEFAULT_ENCRYPTION": "OPTIONAL",
    }
