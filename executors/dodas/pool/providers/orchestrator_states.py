"""How workers are, from what an Orchestrator says of a deployment and its resources; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dodas.pool.providers.base import ProviderUnavailable, Seen, State
from dodas.pool.providers.im_memory import Known
from dodas.pool.providers.orchestrator_api import Deployment, Resource

_AGAIN = 30.0  # seconds after which a change may be over
_CHANGEABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED")
_STATES = {
    "INITIAL": State.PENDING,
    "CREATING": State.PENDING,
    "CREATED": State.RUNNING,
    "CONFIGURING": State.RUNNING,
    "CONFIGURED": State.RUNNING,
    "STARTING": State.RUNNING,
    "STARTED": State.RUNNING,
    "STOPPING": State.ENDED,
    "STOPPED": State.ENDED,
    "DELETING": State.ENDED,
    "ERROR": State.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is there: the deployment, if there is one, what is known of its nodes, and its resources.

    Attributes:
        deployment: The pool's.
        machines: What is known of its nodes.
        resources: Of the deployment, by node.
        leaving: Deployments that are being removed.
    """

    deployment: Deployment | None = None
    machines: Mapping[str, Known] = field(default_factory=dict)
    resources: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)
    leaving: tuple[str, ...] = ()


def seen(view: View) -> list[Seen]:
    """Return the workers of a deployment."""
    if view.deployment is None:
        return []
    return [
        _one(view.deployment, known, view.resources.get(node, ())) for node, known in view.machines.items()
    ]


def _one(deployment: Deployment, known: Known, resources: Sequence[Resource]) -> Seen:
    """Return how a worker is: as its resource says, or, without one, as the deployment does."""
    states = [_STATES.get(one.state, State.RUNNING) for one in resources]
    failed = deployment.status.endswith("_FAILED")
    if deployment.status == "CREATE_FAILED" or State.FAILED in states:
        state = State.FAILED
    elif states:
        state = states[0]
    elif failed:
        state = State.FAILED
    else:
        state = State.PENDING if deployment.status.endswith("_IN_PROGRESS") else State.ENDED
    return Seen(
        worker=known.worker,
        state=state,
        handle=f"{deployment.id}/{known.node}",
        reason=deployment.reason if state is not State.RUNNING else "",
    )


def must_be_changeable(deployment: Deployment) -> None:
    """Refuse for the moment what a deployment cannot take now.

    Raises:
        ProviderUnavailable: It is being changed.
    """
    if deployment.status in _CHANGEABLE:
        return
    raise ProviderUnavailable(
        f"the Orchestrator is busy with the pool's deployment ({deployment.status})",
        hint="nothing: it is asked again once that is over",
        retry_after=_AGAIN,
    )
