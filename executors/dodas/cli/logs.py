"""Show what the steps of a run on a pool wrote, and how they ended.

Without a name the runs are listed that are under way, or in which something failed.  With the name or id of a
step, or a part of its name, its logs are shown; with a run's id or directory, those of all its failed steps.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from dodas.errors import SpecError

if TYPE_CHECKING:
    from dodas.backends.htcondor.records import StepRecord
    from dodas.backends.htcondor.register import Entry

_STREAMS = ("stdout", "stderr")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", nargs="?", metavar="STEP|RUN", help="a step, or a run")
    parser.add_argument(
        "--lines", "-n", type=int, default=20, metavar="N", help="show so many last lines (20)"
    )
    parser.add_argument("--json", action="store_true", help="print what is known as JSON")
    parser.epilog = "exit status: 0 if there was something to show, 1 if not"


def run(args: argparse.Namespace) -> int:
    """Look, and print."""
    from dodas.backends.htcondor.register import entries

    runs = entries()
    if args.what is None:
        return _list(runs, as_json=args.json)
    found = _chosen(runs, args.what)
    if not found:
        raise SpecError(f"no step and no run {args.what!r} is known", hint="see what there is: dodas logs")
    if args.json:
        print(json.dumps([_plain(entry, record) for entry, record in found], indent=2))
    else:
        for entry, record in found:
            _show(entry, record, args.lines)
    return 0


def _list(runs: list[Entry], *, as_json: bool) -> int:
    from dodas.backends.htcondor.records import records

    table: list[dict[str, Any]] = []
    for entry in runs:
        states = [record.state for record in records(entry.path)]
        counts = {state: states.count(state) for state in sorted(set(states))}
        table.append({"run": entry.run, "directory": entry.path, "logs": entry.logs, "steps": counts})
    if as_json:
        print(json.dumps(table, indent=2))
    elif not table:
        print("no run on a pool is under way, and none has failed", file=sys.stderr)
    else:
        for row in table:
            steps = ", ".join(f"{count} {state}" for state, count in row["steps"].items()) or "no steps"
            print(f"{row['run']}  {steps}\n  {_printable(str(row['directory']))}")
    return 0 if table else 1


def _chosen(runs: list[Entry], what: str) -> list[tuple[Entry, StepRecord]]:
    """Return the failed steps of a run, or else, of the latest run that has any, the steps that are meant."""
    from dodas.backends.htcondor.records import records

    for entry in runs:
        if what == entry.run or os.path.abspath(what) == entry.path:
            return [(entry, record) for record in records(entry.path) if record.state == "failed"]
    for entry in runs:
        known = records(entry.path)
        exact = [record for record in known if what in (record.label.id, record.label.name)]
        found = exact or [record for record in known if what in record.label.name]
        if found:
            return [(entry, record) for record in found]
    return []


def _show(entry: Entry, record: StepRecord, lines: int) -> None:
    from dodas.cli.summary import tail

    result = record.result
    job = f", HTCondor's job {record.condor_id}" if record.condor_id else ""
    print(f"{_printable(record.label.name)}: {record.state}{job}")
    if result is not None:
        print(f"  {'node:':8} {_printable(result.node)}")
        if result.reason:
            print(f"  {'why:':8} {_printable(result.reason)}")
    for what, path in _files(entry, record).items():
        print(f"  {what + ':':8} {_printable(path)}")
        for line in tail(path, lines) if lines > 0 else ():
            print(f"    {line}")


def _files(entry: Entry, record: StepRecord) -> dict[str, str]:
    """Return what there is to read, by what it is."""
    from dodas.backends.logs import folder

    result = record.result
    own = os.path.join(entry.logs, folder(record.label.id))
    files = {what: (result and getattr(result, what)) or os.path.join(own, what) for what in _STREAMS}
    if record.worker:
        files["worker"] = record.worker
    return {what: path for what, path in files.items() if os.path.exists(path)}


def _plain(entry: Entry, record: StepRecord) -> dict[str, Any]:
    result = record.result
    return {
        "run": entry.run,
        "step": record.label.id,
        "name": record.label.name,
        "state": record.state,
        "job": record.condor_id,
        "node": result.node if result else "",
        "failure": result.failure.value if result and result.failure else None,
        "exit_code": result.exit_code if result else None,
        "reason": result.reason if result else "",
        "files": _files(entry, record),
    }


def _printable(text: str) -> str:
    from dodas.cli.tally import printable

    return printable(text)
