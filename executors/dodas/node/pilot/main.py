"""One worker, from its order to its end: ``pilot PATH/pilot.json``.

Exit status: 0, it is over, of itself or because it was told to; 75 (EX_TEMPFAIL of sysexits(3)), the node
cannot do the work and another one may; 2, the order cannot be read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from dodas import whole
from dodas.errors import DodasError, SpecError
from dodas.node.pilot.checks import NodeUnfit
from dodas.node.pilot.order import SAYS, STATUS, PilotOrder
from dodas.node.pilot.work import Work

_DONE, _UNREADABLE, _ELSEWHERE = 0, 2, 75


def main(words: Sequence[str]) -> int:
    """Be the worker of an order and return the exit status."""
    if len(words) != 1:
        print("usage: pilot PATH/pilot.json", file=sys.stderr)
        return _UNREADABLE
    directory = os.path.dirname(os.path.abspath(words[0]))
    status = Status(directory)
    try:
        order = _read(words[0])
        reason = Work(order, directory, status).run()
    except SpecError as error:
        print(f"dodas: {error}", file=sys.stderr)
        return _UNREADABLE
    except NodeUnfit as error:
        status("unfit", str(error))
        return _ELSEWHERE
    except DodasError as error:
        status("unfit", f"{error}; {error.hint}" if error.hint else str(error))
        return _ELSEWHERE
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        status("unfit", f"this node cannot do it{where}: {error.strerror or error}")
        return _ELSEWHERE
    status("over", reason)
    return _DONE


class Status:
    """Tells how the worker is: on standard output, and in a file beside its order if it can be written."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, STATUS)

    def __call__(self, phase: str, reason: str = "") -> None:
        """Tell a phase, and why: checking, preparing, running, leaving, over, unfit."""
        print(f"{SAYS}{phase}{f': {reason}' if reason else ''}", flush=True)
        # The disk with the order may not be here; what was printed is all there is then.
        with suppress(OSError):
            told = {"phase": phase, "reason": reason, "node": os.uname().nodename}
            whole.write(self._path, json.dumps(told), mode=0o666)


def _read(path: str) -> PilotOrder:
    try:
        with open(path, encoding="utf-8") as file:
            return PilotOrder.from_json(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the order of this worker cannot be read: {error}") from error
