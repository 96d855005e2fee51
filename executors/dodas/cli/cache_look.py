"""`dodas cache` ls, why and gc."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import Any

from dodas.backends.words import duration, size
from dodas.cli.sizes import parse_size, parse_time
from dodas.cli.tally import printable
from dodas.errors import DodasError
from dodas.reuse import asked
from dodas.reuse.collect import Report, collect
from dodas.reuse.entries import Entry, Layout, place

_SHOWN = 20  # jobs of one step, and differences of one job
_DIGITS = 12  # of a key


def ls(args: argparse.Namespace) -> int:
    """List what is kept."""
    layout = _layout(args)
    found = [entry for _, entry in layout.known() if entry is not None]
    found.sort(key=Entry.used, reverse=True)
    if args.json:
        print(json.dumps([_plain(entry) for entry in found], indent=2))
        return 0
    for entry in found:
        used, took = time.time() - entry.used(), duration(entry.about.get("wall", 0.0))
        about = f"{size(entry.size):>9}  took {took:>7}  used {duration(max(0.0, used))} ago"
        print(f"{entry.key[:_DIGITS]}  {about}  {printable(entry.step)}")
    return 0


def why(args: argparse.Namespace) -> int:
    """Say why a step was reused or not."""
    layout = _layout(args)
    answers = asked.why(layout, args.step)
    if not answers:
        known = sorted({one.step for one in asked.all_asked(layout)})
        hint = f"it has asked for: {', '.join(map(printable, known[:_SHOWN]))}" if known else "run it first"
        raise DodasError(f"no run has asked {layout.path} for a step called {args.step!r}", hint=hint)
    if args.json:
        print(json.dumps([_answer(answer) for answer in answers], indent=2))
        return 0
    for answer in answers[:_SHOWN]:
        for line in _lines(answer):
            print(printable(line))
    if len(answers) > _SHOWN:
        print(f"and {len(answers) - _SHOWN} more: name one, or use --json")
    return 0


def gc(args: argparse.Namespace) -> int:
    """Remove what is old, or more than shall be kept."""
    report = collect(
        _layout(args),
        older_than=parse_time(args.older_than).total_seconds() if args.older_than else None,
        keep=parse_size(args.size) if args.size else None,
        dry_run=args.dry_run,
    )
    if args.json:
        print(json.dumps(_report(report, dry_run=args.dry_run), indent=2))
        return 0
    verb = "would remove" if args.dry_run else "removed"
    for step, key, taken in report.removed:
        print(f"{verb} {key[:_DIGITS]}  {size(taken):>9}  {printable(step)}")
    if report.leftovers:
        print(f"{verb} what killed runs have left: {report.leftovers}")
    if report.in_use:
        print(f"in use, stay: {report.in_use}")
    print(f"{report.kept} results stay, {size(report.size)}")
    return 0


def _layout(args: argparse.Namespace) -> Layout:
    return Layout(place(args.cache))


def _lines(answer: asked.Answer) -> list[str]:
    it = answer.asked
    when = _when(it.time)
    name = it.job if it.job == it.step else f"{it.job} (step {it.step})"
    if it.outcome == asked.REUSED:
        return [f"{name}: reused at {when}, from {it.key[:_DIGITS]}"]
    if it.outcome == asked.LEFT_OUT:
        return [f"{name}: neither reused nor kept at {when}: {it.reason}"]
    if it.outcome == asked.DAMAGED:
        return [f"{name}: ran at {when}, as what was kept was damaged: {it.reason}"]
    if answer.nearest is None:
        return [f"{name}: ran at {when}, as nothing was kept of a step of that name"]
    made, key = _when(answer.nearest.made), answer.nearest.key[:_DIGITS]
    first = f"{name}: ran at {when}; the nearest of what was kept, {key} of {made}, differs:"
    more = len(answer.differs) - _SHOWN
    told = [f"  {text}" for text in answer.differs[:_SHOWN]]
    return [first, *told, *([f"  and {more} more differences"] if more > 0 else [])]


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _answer(answer: asked.Answer) -> dict[str, Any]:
    nearest = answer.nearest and _plain(answer.nearest)
    return {**asdict(answer.asked), "nearest": nearest, "differs": list(answer.differs)}


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "step": entry.step,
        "path": entry.path,
        "size": entry.size,
        "files": sum("size" in known for known in entry.files.values()),
        "made": entry.made,
        "used": entry.used(),
        **entry.about,
    }


def _report(report: Report, *, dry_run: bool) -> dict[str, Any]:
    removed = [{"step": step, "key": key, "size": taken} for step, key, taken in report.removed]
    return {**asdict(report), "removed": removed, "dry_run": dry_run}
