"""Finds out how a central manager that exists already is reached, and whether workers may join it."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dodas import whole
from dodas.errors import BackendError
from dodas.node import hosting
from dodas.node.daemons import literal
from dodas.pool import admission, client_config
from dodas.pool.asking import ask
from dodas.pool.definition import Definition, Existing
from dodas.pool.description.model import Manager
from dodas.pool.layout import Layout

_TRIAL = 60.0  # seconds that a token is good for which is made to see whether it will do


def asked(manager: Manager) -> str:
    """Return in one text what a description says of its central manager."""
    return json.dumps(asdict(manager))


def find(layout: Layout, manager: Manager, before: Existing | None) -> Definition:
    """Return what there is, having written the configuration of clients.

    Args:
        layout: The pool that is to use it.
        manager: What its file says, with the configuration to use.
        before: What was found the last time.

    Raises:
        SpecError: What the file says will not do.
        BackendError: The central manager does not answer, or does not let in the user or workers.
    """
    host, _, port = manager.collector.rpartition(":")
    own = ask("settings", {}, manager, manager.condor_config or os.devnull)

    def configure(schedd: str, *, local: bool) -> None:
        written = client_config.configuration(
            layout.name,
            main=manager.condor_config,
            files=own["files"],
            piped=own["piped"],
            host=host,
            port=int(port),
            schedd=schedd,
            local=local,
        )
        whole.write(layout.client_config, written)

    configure("", local=True)
    seen = _seen(layout, manager, host, int(port))
    schedd = str(seen["schedd"])
    configure(schedd, local=bool(seen["local"]))
    user, trust = str(seen["user"]) or hosting.user_name(), manager.trust_domain or str(seen["trust"])
    maker, identity = _admitted(layout, manager, user, trust)
    return Definition(
        cpus=0,
        memory=0,
        image="",
        shared_disk=True,
        host=host,
        port=int(port),
        user=hosting.user_name(),
        source=f"central manager {manager.collector}, queue of {schedd}",
        existing=Existing(
            schedd=schedd,
            users=manager.users or (user,),
            files=str(seen["files"]),
            trust=trust,
            config=manager.condor_config,
            maker=maker,
            identity=identity,
            mark=before.mark if before else secrets.token_hex(8),
            asked=asked(manager),
        ),
    )


def _seen(layout: Layout, manager: Manager, host: str, port: int) -> Mapping[str, Any]:
    # Who has others' jobs done need not be one who may submit.
    power = "READ" if manager.users else "WRITE"
    place = {"collector": manager.collector, "host": host.strip("[]"), "port": port}
    wishes = {**place, "schedd": manager.schedd, "power": power}
    return ask("look", wishes, manager, layout.client_config)


def _admitted(layout: Layout, manager: Manager, user: str, trust: str) -> tuple[str, str]:
    """Return how tokens are had with which workers may join: the command, and for whom.

    Raises:
        SpecError: The user's own will not do.
        BackendError: There is none.
    """
    if manager.token:
        given = admission.from_file(manager.token, trust)
        _try(layout, manager, given, f"the token in {manager.token}", trust)
        return "", ""
    said = []
    for maker, identity in admission.makers(user, trust):
        try:
            token = admission.made(
                maker, identity, seconds=_TRIAL, config=layout.client_config, collector=manager.collector
            )
            _try(layout, manager, token, f"a token for {identity}", trust)
        except BackendError as error:
            said.append(str(error))
        else:
            return maker, identity
    tried = "; ".join(said) or f"{admission.CREATE} and {admission.FETCH} are not on PATH"
    raise BackendError(
        f"there is no token with which workers could join the pool of {manager.collector}: manager.token_file"
        f" names none, and none can be made: {tried}",
        hint=admission.wanted(trust),
    )


def _try(layout: Layout, manager: Manager, token: str, what: str, trust: str) -> None:
    """See whether the collector lets a worker in.

    Raises:
        BackendError: It does not.
    """
    with tempfile.TemporaryDirectory(prefix="trial-", dir=layout.root) as directory:
        whole.write(os.path.join(directory, "worker"), token)
        there = literal(directory)
        only = {
            "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
            "_CONDOR_SEC_TOKEN_DIRECTORY": there,
            "_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY": there,
        }
        answer = ask("join", {"collector": manager.collector}, manager, layout.client_config, only)
    if not answer["joined"]:
        raise BackendError(
            f"the collector {manager.collector} does not let workers in with {what}",
            hint=f"see that whom it is for may ADVERTISE_STARTD there, or {admission.wanted(trust)}",
        )
