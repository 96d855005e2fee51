"""Workers as Marathon apps: an app each, with one instance.

One app for all workers of a flavour would be scaled by a number: Marathon chooses what it starts and kills,
and gives tasks names of its own.  With an app each a worker keeps its name and its token, asking twice for
one finds it there, and a chosen one can be removed.

Marathon is made for services and starts again whatever ends.  So what ended is delayed for an hour, and the
provider removes the app meanwhile.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dodas.errors import SpecError
from dodas.pool.providers.base import prefix
from dodas.pool.rendering import Rendered

if TYPE_CHECKING:
    from dodas.pool.description.model import Flavour, PoolDescription
    from dodas.pool.providers.base import Worker

App = dict[str, Any]

GRACE = 120.0  # seconds that jobs have when a worker is told to end, for an order that does not say
_LEAVING = 30  # seconds that the worker itself has after that
_AGAIN = 3600  # seconds after which Marathon would start what ended once more
_MIB = 1 << 20

# The variables are gone before the program starts: jobs must not find the token there.
_FROM_VARIABLES = """\
set -eu
umask 077
cd "${{MESOS_SANDBOX:-.}}"
echo $$ > worker.pid
mkdir -p worker
cd worker
printf %s "$WORKER_ORDER" > pilot.json
printf %s "$WORKER_TOKEN" > token
unset WORKER_ORDER WORKER_TOKEN
HOME=$PWD TMPDIR=$PWD
export HOME TMPDIR
exec {program} pilot pilot.json
"""
_FROM_DISK = """\
set -eu
cd "${{MESOS_SANDBOX:-.}}"
HOME=$PWD TMPDIR=$PWD
export HOME TMPDIR
echo $$ > worker.pid
exec {program} pilot {order}
"""


def render(pool: PoolDescription, flavour: Flavour, worker: Worker | None = None) -> tuple[Rendered, ...]:
    """Return the app of a worker as JSON; what is only known when it is sent stands in ``<...>``.

    Raises:
        SpecError: The image is missing, or the program or the token cannot come to it.
    """
    made = app(
        pool,
        flavour,
        worker,
        order="<pilot.json of the worker>",
        token="<file `token` of the worker>",  # noqa: S106 - a name of where it is
    )
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    return (Rendered(name=f"{flavour.name}.json", text=text),)


def app(
    pool: PoolDescription,
    flavour: Flavour,
    worker: Worker | None,
    *,
    order: str,
    token: str,
    grace: float = GRACE,
) -> App:
    """Return the app of one worker.

    Args:
        pool: The whole description.
        flavour: What the worker is.
        worker: Which one, ``None`` for any.
        order: What is in ``pilot.json``.
        token: What lets it join.
        grace: Seconds that jobs have when the worker is told to end.

    Raises:
        SpecError: The image is missing, or the program or the token cannot come to it.
    """
    name = worker.name if worker else f"{prefix(pool.name, flavour.name)}00000000"
    made: App = {
        "id": app_id(pool, name),
        "labels": {
            **owner_labels(pool, flavour.provider),
            "dodas.flavour": flavour.name,
            "dodas.worker": name,
        },
        "instances": 1,
        "cpus": flavour.cores,
        "mem": math.ceil(flavour.memory / _MIB),
        "disk": math.ceil(flavour.disk / _MIB),
        "gpus": flavour.gpus,
        "portDefinitions": [],
        "taskKillGracePeriodSeconds": math.ceil(grace) + _LEAVING,
        "backoffSeconds": _AGAIN,
        "backoffFactor": 1.0,
        "maxLaunchDelaySeconds": _AGAIN,
        "upgradeStrategy": {"minimumHealthCapacity": 0.0, "maximumOverCapacity": 0.0},
        # The pool's agent replaces a worker that is lost before Marathon does.
        "unreachableStrategy": {"inactiveAfterSeconds": 900, "expungeAfterSeconds": 1800},
        "healthChecks": [_health()],
        **_content(pool, flavour, worker, order, token),
    }
    user = pool.provider(flavour.provider).get("user")
    return {**made, **({"user": str(user)} if user else {})}


def app_id(pool: PoolDescription, name: str) -> str:
    """Return what Marathon calls a worker."""
    return f"/dodas/{pool.name.lower().replace('_', '-')}/{name}"


def owner_labels(pool: PoolDescription, provider: str) -> dict[str, str]:
    """Return the labels of all apps that a provider of the pool makes."""
    return {"dodas.pool": pool.name, "dodas.provider": provider}


def _content(pool: PoolDescription, flavour: Flavour, worker: Worker | None, order: str, token: str) -> App:
    """Return the container and how the program, its order and its token come into it."""
    provider = pool.provider(flavour.provider)
    image, own = _image(flavour), dict(flavour.settings)
    constraints = [*_lists(provider.get("constraints")), *_lists(own.get("constraints"))]
    container: App = {"type": str(provider.get("container") or "MESOS"), "docker": {"image": image}}
    network: App = {"networks": [{"mode": "host"}], "constraints": constraints}
    program = str(own.get("worker_in_image") or provider.get("worker_in_image") or "")
    if flavour.shared_disk:
        directory = worker.directory if worker else "<directory of the worker>"
        program = worker.program if worker else "<worker program>"
        container["volumes"] = [
            {"hostPath": directory, "containerPath": directory, "mode": "RW"},
            {"hostPath": program, "containerPath": program, "mode": "RO"},
        ]
        order_file = os.path.join(directory, "pilot.json")
        command = _FROM_DISK.format(program=shlex.quote(program), order=shlex.quote(order_file))
        return {"cmd": command, "container": container, **network}
    if not program:
        raise SpecError(
            f"the worker program cannot come to flavour {flavour.name}: Marathon brings no files",
            hint="put it into the image and set worker_in_image to its path, or set shared_disk if the nodes "
            "of the cluster see the directories of this host",
        )
    variables = {"WORKER_ORDER": order, "WORKER_TOKEN": token}
    command = _FROM_VARIABLES.format(program=shlex.quote(program))
    return {"cmd": command, "env": variables, "container": container, **network}


def _health() -> App:
    """Return a check that the worker is there, and that its container can run a command at all."""
    return {
        "protocol": "COMMAND",
        "command": {"value": 'kill -0 "$(cat "${MESOS_SANDBOX:-.}/worker.pid")"'},
        "gracePeriodSeconds": 300,
        "intervalSeconds": 60,
        "timeoutSeconds": 20,
        "maxConsecutiveFailures": 3,
    }


def _image(flavour: Flavour) -> str:
    if not flavour.image or flavour.image.startswith("localhost/"):
        what = f"the image {flavour.image}, which only this host has" if flavour.image else "no image"
        raise SpecError(
            f"flavour {flavour.name} has {what}, and the nodes of a cluster fetch theirs from a registry",
            hint=f"push an image with HTCondor to a registry and set flavours.{flavour.name}.image to it",
        )
    return flavour.image


def _lists(value: object) -> list[list[str]]:
    """Return constraints, each a list of words."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [[str(word) for word in one] for one in value]
