"""The file of ``--dodas-report``: one record for each rule, as JSON or as a table."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from dodas import whole
from snakemake_executor_plugin_dodas.step.allotment import MB
from snakemake_executor_plugin_dodas.used.efficiency import Use
from snakemake_executor_plugin_dodas.used.profiles import profile
from snakemake_executor_plugin_dodas.used.proposals import Proposal, propose

SCHEMA = "dodas-report-1"


def write(path: str, uses: Iterable[Use], *, began: float, seconds: float, complete: bool) -> None:
    """Write the report, whole or not at all; the directory is made if it is missing.

    Args:
        path: Ends in ``.json``, ``.tsv`` or ``.csv``.
        uses: What is known of each rule.
        began: When the run did, Unix seconds.
        seconds: How long it took.
        complete: Whether it was not cancelled.

    Raises:
        OSError: It cannot be written.
    """
    records = [(use, propose(use)) for use in uses]
    if path.lower().endswith(".json"):
        text = _json(records, began=began, seconds=seconds, complete=complete)
    else:
        text = _table(records, "\t" if path.lower().endswith(".tsv") else ",")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    whole.write(path, text.encode("utf-8", "backslashreplace"), mode=0o666)


def record(use: Use, proposal: Proposal) -> dict[str, Any]:
    """Return what a report says of a rule; what is not known is ``None``.

    The page on Snakemake describes each of the names.
    """
    return {
        "rule": use.rule,
        "jobs": use.jobs,
        "attempts": use.attempts,
        "failed": sum(use.failures.values()),
        "failures": dict(use.failures),
        "over_memory": use.over_memory,
        "over_time": use.over_time,
        "cancelled": use.cancelled,
        "cores_asked": use.cores_asked.most,
        "cores_mean": _number(use.cores.total / use.cores.count) if use.cores.count else None,
        "cores_median": _number(use.cores.quantile(0.5)),
        "cores_p95": _number(use.cores.quantile(0.95)),
        "cores_max": _number(use.cores.most) if use.cores.count else None,
        "cpu_s": _number(use.cpu),
        "cpu_share": _number(use.cpu / use.reserved) if use.reserved else None,
        "memory_asked_mb": _number(use.memory_asked.most, MB),
        "memory_median_mb": _number(use.memory.quantile(0.5), MB),
        "memory_p95_mb": _number(use.memory.quantile(0.95), MB),
        "memory_max_mb": _number(use.memory.most, MB) if use.memory.count else None,
        "time_asked_s": use.time_asked.most,
        "time_median_s": _number(use.time.quantile(0.5)),
        "time_p95_s": _number(use.time.quantile(0.95)),
        "time_max_s": _number(use.most_time),
        "disk_asked_mb": _number(use.disk_asked.most, MB),
        "read_mb": _number(use.read, MB),
        "written_mb": _number(use.written, MB),
        "nodes": dict(use.nodes) | ({"…": use.elsewhere} if use.elsewhere else {}),
        "threads": proposal.threads,
        "mem_mb": proposal.mem_mb,
        "runtime": proposal.runtime,
    }


def _json(records: list[tuple[Use, Proposal]], *, began: float, seconds: float, complete: bool) -> str:
    report = {
        "schema": SCHEMA,
        "began": datetime.fromtimestamp(began, timezone.utc).isoformat(timespec="seconds"),
        "seconds": _number(seconds),
        "complete": complete,
        "rules": [record(use, proposal) for use, proposal in records],
        "profile": profile((use.rule, proposal) for use, proposal in records),
    }
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _table(records: list[tuple[Use, Proposal]], between: str) -> str:
    text = io.StringIO()
    rows = [record(use, proposal) for use, proposal in records]
    names = list(record(Use("-"), Proposal()))
    writer = csv.writer(text, delimiter=between, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return a value as a table shows it: nothing for what is not known, ``name:count`` for counts."""
    if isinstance(value, dict):
        return " ".join(f"{name}:{count}" for name, count in value.items())
    return "" if value is None else value


def _number(value: float | None, unit: float = 1) -> float | None:
    return None if value is None else round(value / unit, 3)
