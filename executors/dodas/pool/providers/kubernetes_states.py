"""How workers are, from the Jobs, Pods and Events of a cluster: no network, only what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dodas.pool.providers.base import Seen, State
from dodas.pool.providers.rest_faults import redact

Object = Mapping[str, Any]

_LONGEST = 300  # characters of a reason
_PHASES = {"Pending": State.PENDING, "Succeeded": State.ENDED, "Failed": State.FAILED}
_WORDS = {
    "OOMKilled": "it used more memory than its flavour has",
    "Evicted": "its node put it out",
    "DeadlineExceeded": "it was still there after its lifetime",
    "ImagePullBackOff": "its image cannot be fetched",
    "ErrImagePull": "its image cannot be fetched",
    "InvalidImageName": "the name of its image is none",
    "CreateContainerConfigError": "its container cannot be set up",
    "CreateContainerError": "its container cannot be set up",
    "RunContainerError": "its container cannot be started",
    "Unschedulable": "no node has room for it, or none may take it",
    "NodeLost": "its node does not answer",
}
_NORMAL = ("Completed", "ContainerCreating", "PodInitializing")


def seen(jobs: Iterable[Object], pods: Iterable[Object], events: Iterable[Object] = ()) -> tuple[Seen, ...]:
    """Return every worker that a Job or a Pod tells of, by name.

    Args:
        jobs: Of the pool.
        pods: Of the pool; also those whose Job has been deleted, and which are ending.
        events: What failed with Jobs that have no Pod.
    """
    by_name = {str(job["metadata"]["name"]): job for job in jobs}
    newest: dict[str, Object] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
        newest[str(pod["metadata"].get("labels", {}).get("dodas.worker"))] = pod
    failures = {str(one.get("involvedObject", {}).get("name")): one for one in events}
    names = sorted({*by_name, *newest})
    return tuple(_worker(name, by_name.get(name), newest.get(name), failures.get(name, {})) for name in names)


def are_missing(jobs: Iterable[Object], pods: Iterable[Object]) -> bool:
    """Tell whether some Job that is not over has no Pod, and events may say why."""
    have = {pod["metadata"].get("labels", {}).get("dodas.worker") for pod in pods}
    return any(not _end_of(job) and job["metadata"]["name"] not in have for job in jobs)


def _worker(name: str, job: Object | None, pod: Object | None, failure: Object) -> Seen:
    if pod is None:
        state, reason = _without_pod(job or {}, failure)
        return Seen(worker=name, state=state, handle=f"job/{name}", reason=reason)
    state = _PHASES.get(str(pod.get("status", {}).get("phase")), State.RUNNING)
    reason = _line(*_reasons(pod))
    if pod["metadata"].get("deletionTimestamp") and state in (State.PENDING, State.RUNNING):
        state, reason = State.RUNNING, reason or "it was told to end"
    end = _end_of(job or {})
    if end is not None and state in (State.PENDING, State.RUNNING):
        reason = reason or "it was told to end"
    node = str(pod.get("spec", {}).get("nodeName") or "")
    return Seen(worker=name, state=state, handle=f"pod/{pod['metadata']['name']}", node=node, reason=reason)


def _without_pod(job: Object, failure: Object) -> tuple[State, str]:
    """Return the state of a worker that has a Job alone."""
    end = _end_of(job)
    if end is None:
        return State.PENDING, _line(str(failure.get("message") or ""))
    good = end.get("type") == "Complete"
    why = "" if good else _line(*_told(end.get("reason"), end.get("message")))
    return (State.ENDED if good else State.FAILED), why


def _end_of(job: Object) -> Object | None:
    """Return the condition that says how a Job ended, ``None`` if it has not."""
    conditions = job.get("status", {}).get("conditions") or ()
    return next(
        (
            one
            for one in conditions
            if one.get("type") in ("Complete", "Failed") and one.get("status") == "True"
        ),
        None,
    )


def _reasons(pod: Object) -> Iterator[str]:
    """Yield why a Pod waits or failed: the container's own reason first, which says most."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        yield from _of_container(container.get("state", {}))
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield from _told(condition.get("reason"), condition.get("message"))
    yield from _told(status.get("reason"), status.get("message"))


def _of_container(state: Object) -> Iterator[str]:
    waiting, over = state.get("waiting") or {}, state.get("terminated") or {}
    yield from _told(waiting.get("reason"), waiting.get("message"))
    if over.get("exitCode"):
        reason = str(over.get("reason") or "")
        yield from _told(reason if reason in _WORDS else "", over.get("message"))
        signal = over.get("signal")
        yield f"killed by signal {signal}" if signal else f"exit status {over['exitCode']}"


def _told(reason: object, message: object) -> Iterator[str]:
    """Yield what Kubernetes calls it, in words, and what it says of this case."""
    name = str(reason or "")
    if name and name not in _NORMAL:
        yield f"{name} ({_WORDS[name]})" if name in _WORDS else name
    if message and name not in _NORMAL:
        yield str(message)


def _line(*parts: str) -> str:
    """Return one line, in which nothing is said twice and nothing is secret."""
    words = [" ".join(redact(part).split()) for part in dict.fromkeys(parts) if part]
    line = "".join(one for one in ": ".join(words) if one.isprintable())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
