"""What a batch system runs on a node: ``run ORDER`` is a job.

``pilot ORDER`` is a worker of a pool on demand (:mod:`dodas.node.pilot`); anything else is a :mod:`plugin
<dodas.node.plugin>`'s part.

Exit status: 0, every step has a result, whatever its command said; 75 (EX_TEMPFAIL of sysexits(3)), the node
could not do its part and another one may; 2, the order cannot be read; 143, it was told to stop.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from dodas.containers.engines import syscalls
from dodas.errors import DodasError, SpecError
from dodas.node import cache
from dodas.node.slot import Slot, slot, visible_gpus
from dodas.node.surroundings import variables
from dodas.worker.client import Worker
from dodas.worker.forked import ForkedServer

if TYPE_CHECKING:
    from dodas.node.order import Order

_DONE, _UNREADABLE, _ELSEWHERE, _STOPPED = 0, 2, 75, 143
_TURN = 0.0002  # seconds
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Stopped(BaseException):
    """The batch system wants the job to end."""


def main(words: Sequence[str]) -> int:
    """Carry out one order, or move files for HTCondor, and return the exit status."""
    if words and words[0] == "pilot":
        from dodas.node.pilot.main import main as pilot  # noqa: PLC0415 - not needed in a job

        return pilot(words[1:])
    if words and words[0].startswith("-"):
        from dodas.node.plugin import main as move  # noqa: PLC0415 - not needed in a job

        return move(words)
    return _job(words)


def _job(words: Sequence[str]) -> int:
    if len(words) != 2 or words[0] != "run":
        print("usage: run ORDER", file=sys.stderr)
        return _UNREADABLE
    for number in _STOPS:
        signal.signal(number, _stop)
    # Whoever started this process looks after it; without it, nobody would stop the steps.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        return _run(words[1])
    except SpecError as error:
        return _fail(f"cannot read the order {words[1]}: {error}", _UNREADABLE)
    except DodasError as error:
        return _fail(f"{error}; {error.hint}", _ELSEWHERE)
    except OSError as error:
        return _fail(f"this node cannot do it: {error}", _ELSEWHERE)
    except _Stopped:
        return _STOPPED


def _run(path: str) -> int:
    place = slot(os.environ)
    home = cache.home(place)
    os.environ.update(variables(home, place.sandbox))
    gpus = visible_gpus(os.environ)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    # Before all that steps do not need is imported: each of them is a fork of a fork of this process.
    with Worker(serve=ForkedServer) as worker:
        order = _read(path)
        return _carry_out(order, place, home, path, worker)


def _read(path: str) -> Order:
    from dodas.node.order import Order  # noqa: PLC0415 - see above

    try:
        with open(path, encoding="ascii") as file:
            return Order.from_json(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(error)) from error


def _carry_out(order: Order, place: Slot, home: str, path: str, worker: Worker) -> int:
    from dodas.node.job import Job  # noqa: PLC0415 - see above
    from dodas.node.order import OUTPUTS  # noqa: PLC0415

    # The thread that starts the next step does not wait for the one that writes down how the last one ended.
    sys.setswitchinterval(_TURN)
    gc.freeze()
    gc.enable()  # it was off while modules were imported
    store = order.store if order.shared and order.store else os.path.join(home, "store")
    os.environ.update(order.settings, DODAS_STORE=store)
    folder = os.path.dirname(os.path.abspath(path)) if order.shared else place.sandbox
    job = Job(order, place, out=os.path.join(folder, OUTPUTS), store=store, worker=worker)
    return _DONE if job.run() else _ELSEWHERE


def _fail(problem: str, status: int) -> int:
    print(f"dodas: {problem}", file=sys.stderr)
    return status


def _stop(number: int, frame: FrameType | None) -> None:
    for other in _STOPS:
        signal.signal(other, signal.SIG_IGN)
    raise _Stopped
