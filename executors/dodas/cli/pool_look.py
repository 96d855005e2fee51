"""`dodas pool` list, status and logs."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dodas.backends.words import size
from dodas.cli import pool_workers
from dodas.cli.tally import printable
from dodas.pool import look
from dodas.pool.configuration import schedd_name
from dodas.pool.definition import Definition
from dodas.pool.layout import existing, known

_STATES = {"up": "up", "damaged": "up, but a part of it has ended", "dead": "dead"}


def listing(args: argparse.Namespace) -> int:
    """List the pools."""
    reports = [look.report(layout, Definition.of(layout)) for layout in existing()]
    if args.json:
        print(json.dumps([_plain(report) for report in reports], indent=2))
        return 0
    for report in reports:
        print(f"{report.name:<20} {report.state:<8} {_meant(report):<34} {_jobs(report)}")
    return 0


def status(args: argparse.Namespace) -> int:
    """Show how a pool is."""
    from dodas.pool.daemons import used_cores

    layout = known(args.name)
    report = look.report(layout, Definition.of(layout))
    cores = used_cores(layout) if report.state != "dead" else None
    demand = pool_workers.of(layout)
    if args.json:
        print(json.dumps({**_plain(report), "cpus_used": cores, **pool_workers.plain(demand)}, indent=2))
        return 0
    _print(report, cores)
    pool_workers.show(report.name, demand)
    return 0


def logs(args: argparse.Namespace) -> int:
    """Show what the daemons of a pool wrote."""
    from dodas.pool.logs import Logs

    if args.worker:
        return pool_workers.logs(args.name, args.worker)
    written = Logs(known(args.name), args.daemon or "")
    for name, line in written.last(max(0, args.lines)):
        print(f"{name}: {printable(line)}")
    sys.stdout.flush()  # the daemons may say nothing for long
    while args.follow:
        for name, line in written.wait():
            print(f"{name}: {printable(line)}", flush=True)
    return 0


def _print(report: look.Report, cores: int | None) -> None:
    lines = [
        ("state", _STATES[report.state]),
        ("HTCondor", report.definition.source),
        *((("jobs of", ", ".join(report.definition.existing.users)),) if report.definition.existing else ()),
        ("jobs", _jobs(report)),
    ]
    if report.definition.has_node:
        used = "" if cores is None else f", {cores} of {report.definition.cpus} processors in use"
        lines.append(("slots", _meant(report) + used))
    for part in report.parts:
        daemons = ", ".join(f"{name} {pid}" for name, pid in part.daemons)
        lines.append((part.name, daemons or f"ended: {part.ended}"))
    where = "agent.log" if report.definition.existing else "*/log"
    lines += [("logs", f"{report.root}/{where}, or: dodas pool logs {report.name}")]
    lines += [("for your own condor_q and condor_submit", f"export CONDOR_CONFIG={report.condor_config}")]
    print(f"pool {report.name}")
    for name, value in lines:
        print(f"  {name}: {printable(value)}")
    if report.state != "up":
        local = report.definition.has_node
        how = f"--local --name {report.name}" if local else known(report.name).description
        print(f"  bring it up again, with its jobs: dodas pool up {how}")


def _meant(report: look.Report) -> str:
    it = report.definition
    if not it.has_node:
        return "workers come and go"
    return f"{it.cpus} cpus, {size(it.memory << 20)}, {'shared disk' if it.shared_disk else 'no shared disk'}"


def _jobs(report: look.Report) -> str:
    if report.jobs is None:
        return "jobs unknown, the queue does not answer"
    return ", ".join(f"{count} {state}" for state, count in report.jobs.items()) or "no jobs"


def _plain(report: look.Report) -> dict[str, Any]:
    it = report.definition
    return {
        "name": report.name,
        "state": report.state,
        "keeper": report.keeper,
        "cpus": it.cpus,
        "memory": it.memory << 20,
        "shared_disk": it.shared_disk,
        "image": it.image,
        "htcondor": it.source,
        "collector": it.collector,
        "schedd": it.existing.schedd if it.existing else schedd_name(report.name),
        "jobs": None if report.jobs is None else dict(report.jobs),
        "parts": [
            {"name": part.name, "pid": part.pid, "ended": part.ended, "daemons": dict(part.daemons)}
            for part in report.parts
        ],
        "directory": report.root,
        "condor_config": report.condor_config,
    }
