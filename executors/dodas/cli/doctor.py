"""Say what works on this machine, what does not, and the command that mends it.

Every container engine is put to its self-test; the image store, the scratch space and the limits of this
process are looked at.  Nothing is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

OK, WARNING, BROKEN = "ok", "warning", "broken"
_MARKS = {OK: "✓", WARNING: "!", BROKEN: "✗"}
_COLOURS = {OK: "32", WARNING: "33", BROKEN: "31"}
_GIB = 1 << 30
_REMEDIES = {
    "namespace": "ask for unprivileged user namespaces: sysctl user.max_user_namespaces=15000 (by root)",
    "fuse": "apt-get install fuse-overlayfs fuse3, and chmod 666 /dev/fuse (both need root)",
    "proot": "udocker install; or, in a checkout of dodas, make proot",
    "proot-noseccomp": "udocker install; or, in a checkout of dodas, make proot",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report: what was looked at, how it is, and what mends it."""

    area: str
    what: str
    state: str
    text: str
    remedy: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.epilog = "exit status: 0 if steps can run in containers here, 1 if not"


def run(args: argparse.Namespace) -> int:
    """Look at everything and print it."""
    findings = [*_engines(), *_store(), *_scratch(), *_limits(), *_programs()]
    if args.json:
        print(
            json.dumps(
                [{name: getattr(item, name) for name in Finding.__slots__} for item in findings], indent=2
            )
        )
    else:
        _print(findings)
    usable = any(item.area == "engines" and item.state != BROKEN and item.what != "host" for item in findings)
    blocked = any(item.area in ("image store", "scratch") and item.state == BROKEN for item in findings)
    return 0 if usable and not blocked else 1


def _engines() -> Iterator[Finding]:
    from dodas.containers.engines import ENGINES
    from dodas.worker.choose import verdict

    found = [verdict(name, fresh=True) for name in ENGINES if name != "host"]
    best = next((item.engine for item in found if item.works), "")
    for item in found:
        state = OK if item.works else BROKEN
        if not item.works and (best or item.engine.startswith("udocker-")):
            state = WARNING
        words = [
            item.problem or "works",
            "chosen by auto" if item.engine == best else "",
            item.remark,
            item.program,
        ]
        remedy = (
            ""
            if item.works or (best and item.engine.startswith("udocker-"))
            else _REMEDIES.get(item.engine, "")
        )
        text = "; ".join(filter(None, words))
        yield Finding(area="engines", what=item.engine, state=state, text=text, remedy=remedy)


def _store() -> Iterator[Finding]:
    from dodas.paths import store_dir

    yield _place("image store", store_dir(), 5 * _GIB, "dodas image gc, or set DODAS_STORE to a larger disk")


def _scratch() -> Iterator[Finding]:
    from dodas.paths import scratch_dir

    yield _place(
        "scratch", scratch_dir(), _GIB, "free some space, or set DODAS_SCRATCH to a larger local disk"
    )


def _place(area: str, path: str, wanted: int, remedy: str) -> Finding:
    there = path
    while not os.path.exists(there):
        there = os.path.dirname(there)
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            area=area, what=path, state=BROKEN, text="cannot be written by this user", remedy=remedy
        )
    free = shutil.disk_usage(there).free
    text = f"{free / _GIB:.1f} GiB free{'' if there == path else ', will be made at first use'}"
    if free < wanted:
        return Finding(area=area, what=path, state=WARNING, text=text, remedy=remedy)
    return Finding(area=area, what=path, state=OK, text=text)


def _limits() -> Iterator[Finding]:
    import resource

    from dodas.backends import capacity, gpus

    yield Finding(area="limits", what="cores", state=OK, text=f"{capacity.cores():g}")
    yield Finding(area="limits", what="memory", state=OK, text=f"{capacity.memory() / _GIB:.1f} GiB")
    count = len(gpus.found())
    yield Finding(area="limits", what="gpus", state=OK, text=str(count) if count else "none")
    for name, limit, wanted in (
        ("open files", resource.RLIMIT_NOFILE, 1024),
        ("processes", resource.RLIMIT_NPROC, 512),
    ):
        soft, _ = resource.getrlimit(limit)
        few = soft != resource.RLIM_INFINITY and soft < wanted
        text = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        option = "n" if limit == resource.RLIMIT_NOFILE else "u"
        yield Finding(
            area="limits",
            what=name,
            state=WARNING if few else OK,
            text=text,
            remedy=f"ulimit -{option} {wanted}" if few else "",
        )


def _programs() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    for name, extra in (("udocker", ""), ("cwltool", "cwl"), ("snakemake", "snakemake")):
        try:
            yield Finding(area="programs", what=name, state=OK, text=version(name))
        except PackageNotFoundError:
            remedy = f"pip install 'dodas[{extra}]'" if extra else f"pip install {name}"
            yield Finding(area="programs", what=name, state=WARNING, text="not installed", remedy=remedy)


def _print(findings: list[Finding]) -> None:
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    area = ""
    for item in findings:
        if item.area != area:
            area = item.area
            print(f"{area}:")
        mark = _MARKS[item.state]
        if colours:
            mark = f"\033[{_COLOURS[item.state]}m{mark}\033[0m"
        print(f"  {mark} {item.what:<16} {item.text}")
        if item.remedy:
            print(f"    {'':<16} mend: {item.remedy}")
