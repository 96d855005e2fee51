"""How workers are, from the apps and the launch queue of Marathon: no network, only what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dodas.pool.providers.base import Seen, State
from dodas.pool.providers.rest_faults import redact

Object = Mapping[str, Any]

_LONGEST = 300
_RUNNING = {
    "TASK_RUNNING": "",
    "TASK_KILLING": "it was told to end",
    "TASK_UNREACHABLE": "its node does not answer",
}


def seen(apps: Iterable[Object], queue: Iterable[Object] = ()) -> tuple[Seen, ...]:
    """Return every worker that there is an app of.

    Args:
        apps: Of the pool, with their tasks and last failures.
        queue: What waits to be launched, of anybody.
    """
    waiting = {str((item.get("app") or {}).get("id")): item for item in queue}
    return tuple(_worker(app, waiting.get(str(app.get("id")))) for app in apps)


def are_waiting(apps: Iterable[Object]) -> bool:
    """Tell whether some app has no task, and the launch queue says why."""
    return any(not app.get("tasks") for app in apps)


def _worker(app: Object, waiting: Object | None) -> Seen:
    name = str((app.get("labels") or {}).get("dodas.worker"))
    handle = str(app.get("id"))
    tasks = app.get("tasks") or ()
    if tasks:
        task = tasks[-1]
        state = str(task.get("state") or "TASK_STAGING")
        return Seen(
            worker=name,
            state=State.RUNNING if state in _RUNNING else State.PENDING,
            handle=str(task.get("id") or handle),
            node=str(task.get("host") or ""),
            reason=_RUNNING.get(state, _words(state)),
        )
    failure = app.get("lastTaskFailure") or {}
    if _was_started(waiting, failure):
        why = _line(": ".join(filter(None, (_words(failure.get("state")), failure.get("message")))))
        state_now = State.FAILED if failure else State.ENDED
        return Seen(
            worker=name, state=state_now, handle=handle, node=str(failure.get("host") or ""), reason=why
        )
    return Seen(worker=name, state=State.PENDING, handle=handle, reason=_shortage(waiting or {}))


def _was_started(waiting: Object | None, failure: Object) -> bool:
    """Tell whether an app without a task has had one: only what ended is delayed before it starts again."""
    delay = (waiting or {}).get("delay") or {}
    return bool(failure) or (delay.get("overdue") is False and float(delay.get("timeLeftSeconds") or 0) > 0)


def _shortage(waiting: Object) -> str:
    """Return why offers were not taken: the reasons of most first, as Marathon calls them."""
    summary = waiting.get("processedOffersSummary") or {}
    steps = [one for one in summary.get("rejectSummaryLastOffers") or () if one.get("declined")]
    steps.sort(key=lambda step: -int(step["declined"]))
    if steps:
        told = ", ".join(
            f"{one.get('reason')} ({one['declined']} of {one.get('processed')})" for one in steps
        )
        return _line(f"no offer fits: {told}")
    return "no node offers anything" if summary.get("processedOffersCount") == 0 else ""


def _words(state: object) -> str:
    return str(state or "").removeprefix("TASK_").lower().replace("_", " ")


def _line(text: str) -> str:
    words = " ".join(redact(text).split())
    line = "".join(one for one in words if one.isprintable())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
