"""The configuration of a pool's daemons and clients (HTCondor manual, "Configuration Macros").  Pure text.

Three readers, three files: the head, the node, and whoever submits.  All daemons listen on the loopback
address alone, and every connection is authenticated.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from dodas.pool import trust, tuning
from dodas.pool.definition import Definition
from dodas.pool.tokens import KEY_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where HTCondor's programs are, as its daemons see them.

    Attributes:
        release: RELEASE_DIR.
        sbin: Directory of the daemons.
        bin: Directory of the commands.
        lib: Directory of libraries.
        libexec: Directory of helpers.
    """

    release: str = "/usr"
    sbin: str = "/usr/sbin"
    bin: str = "/usr/bin"
    lib: str = "/usr/lib/condor"
    libexec: str = "/usr/libexec/condor"


def client(name: str, definition: Definition, directory: str) -> str:
    """Return the configuration of clients on the host.

    Args:
        name: The pool.
        definition: What it is.
        directory: The pool's directory.
    """
    directory = _literal(directory)
    return _text(
        f"Lets clients talk to the pool {name}: export CONDOR_CONFIG=<this file>",
        {
            **_common(name, definition),
            **{key: value for key, value in _release(Programs()).items() if key != "LIB"},
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
    return _text(
        "Daemons that take jobs and find them a place",
        {
            **_common(name, definition),
            **_release(programs),
            **_places(place),
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
    files = trust.domain(name) if definition.shared_disk else f"node.{trust.domain(name)}"
    return _text(
        "Daemons that run jobs",
        {
            **_common(name, definition),
            **_release(programs),
            **_places(place),
            **trust.allowed(name, definition),
            "DAEMON_LIST": "MASTER STARTD",
            "SHARED_PORT_PORT": 0,
            "MASTER_NAME": _node_name(name),
            "STARTD_NAME": _node_name(name),
            "FILESYSTEM_DOMAIN": files,
            "STARTD_ADDRESS_FILE": f"{place}/run/startd.address",
            # The token alone says what it may do; as the user it could do all.
            "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
            "SEC_PASSWORD_DIRECTORY": f"{place}/passwords.d",
            "SEC_TOKEN_DIRECTORY": f"{place}/tokens.d",
            "SEC_TOKEN_SYSTEM_DIRECTORY": f"{place}/tokens.d",
            "NUM_CPUS": definition.cpus,
            "MEMORY": definition.memory,
            "NUM_SLOTS": 1,
            "NUM_SLOTS_TYPE_1": 1,
            "SLOT_TYPE_1": "100%",
            "SLOT_TYPE_1_PARTITIONABLE": True,
            "DodasPool": f'"{name}"',
            "DodasCache": f'"{place}/cache"',
            "ClassAdLifetime": tuning.FORGOTTEN,
            "STARTD_ATTRS": "$(STARTD_ATTRS) DodasPool DodasCache ClassAdLifetime",
            **tuning.node(),
        },
    )


def _common(name: str, definition: Definition) -> dict[str, object]:
    """Return what daemons and clients must agree on."""
    return {
        "CONDOR_HOST": "127.0.0.1",
        "COLLECTOR_HOST": f"127.0.0.1:{definition.port}",
        "NETWORK_INTERFACE": "127.0.0.1",
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


def _release(programs: Programs) -> dict[str, object]:
    return {
        "RELEASE_DIR": programs.release,
        "SBIN": programs.sbin,
        "BIN": programs.bin,
        "LIB": programs.lib,
        "LIBEXEC": programs.libexec,
    }


def _places(place: str) -> dict[str, object]:
    names = ("log", "spool", "execute", "lock", "run")
    return {
        "LOCAL_DIR": place,
        **{name.upper(): f"{place}/{name}" for name in names},
        "DAEMON_SOCKET_DIR": f"{place}/run",
        "LOCAL_CONFIG_FILE": "",
        "LOCAL_CONFIG_DIR": "",
        "MAX_DEFAULT_LOG": "20 MB",
        "MASTER_BACKOFF_CONSTANT": 1,  # seconds, and two, four, … until a daemon that died is started again
        "MASTER_BACKOFF_CEILING": 60,
        # A control group of one's own needs privileges; the engine ends what is left.
        "CGROUP_ALL_DAEMONS": False,
        "BASE_CGROUP": "",
        "DISCARD_SESSION_KEYRING_ON_STARTUP": False,
    }


def _text(title: str, values: Mapping[str, object]) -> str:
    lines = [f"{name} = {value}".rstrip() for name, value in values.items()]
    return "\n".join((f"# {title}.  Made by `dodas pool up`.", *lines, ""))


def _literal(text: str) -> str:
    """Return ``text`` as it stands in a file: a dollar would begin a macro."""
    return text.replace("$", "$(DOLLAR)")
