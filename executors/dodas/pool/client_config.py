"""The configuration of clients of a central manager that exists already: the user's own, and what is another.

What a configuration names as its further files is read after it, and would win: these are named here, first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from dodas.node.daemons import literal, text


def is_address(host: str) -> bool:
    """Return whether a host is named by its address, and not by a name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def configuration(
    pool: str,
    *,
    main: str,
    files: Sequence[str],
    piped: bool,
    host: str,
    port: int,
    schedd: str,
    local: bool,
) -> str:
    """Return the configuration.

    Args:
        pool: What the pool is called here.
        main: The user's own CONDOR_CONFIG; empty for none.
        files: Further files that it names.
        piped: Whether it names a command that prints more, which is left to HTCondor.
        host: Where the collector is.
        port: Its port.
        schedd: Name of the queue; empty if it is to be found yet.
        local: Whether that is the queue of this host, as the user's own configuration knows it.
    """
    values: dict[str, object] = {"CONDOR_HOST": host, "COLLECTOR_HOST": f"{host}:{port}"}
    if not is_address(host):
        values["NO_DNS"] = False
    if schedd:
        values["SCHEDD_HOST"] = schedd
    if schedd and not local:
        values.update({"SCHEDD_ADDRESS_FILE": "", "SCHEDD_DAEMON_AD_FILE": ""})
    title = f"Lets clients talk to the central manager of the pool {pool}: export CONDOR_CONFIG=<this file>"
    if not main:
        return text(title, values)
    # Whatever becomes of the user's own, this pool can still be looked at, and taken down.
    own = [f"include ifexist : {literal(main)}", "LOCAL_CONFIG_DIR ="]
    own += [] if piped else ["LOCAL_CONFIG_FILE ="]
    own += [f"include ifexist : {literal(path)}" for path in files]
    return "\n".join((*own, text(title, values)))
