"""A fork server that has Snakemake loaded: ``python -m snakemake_executor_plugin_dodas.second.warm``.

A second Snakemake spends nine tenths of its time on imports.  Here they are done once, and each job that
needs a Snakemake of its own is a fork (:mod:`.engine`).  All else is as with the fork server of other
steps (:mod:`dodas.worker.server`): a supervisor for each, limits, measuring, signals, the end of everything
with the end of the parent.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module

from dodas.containers.engines import ENGINES
from dodas.worker.server import serve_on

ENGINE = "snakemake"
READY = b"1"
# What Snakemake imports when it is needed for the first time, which is in every job.
_LATER = (
    "smart_open",
    "requests",
    "humanfriendly",
    "pulp",
    "snakemake.executors.local",
    "snakemake.scheduling.milp",
    "snakemake.scheduling.greedy",
    "snakemake.script",
)


def main() -> None:
    """Serve on the descriptors named in the arguments: ``orders news lock ready scratch``.

    :data:`READY` is written to ``ready`` before anything is started, and never if that cannot be done as a
    second Snakemake of its own would do it.
    """
    orders, news, lock, ready = map(int, sys.argv[1:5])
    try:
        _load()
    except Exception:
        sys.exit(1)
    if len(os.listdir("/proc/self/task")) != 1:  # a fork would copy the locks of other threads
        sys.exit(1)
    ENGINES[ENGINE] = ("snakemake_executor_plugin_dodas.second.engine", "Warm")
    os.write(ready, READY)
    os.close(ready)
    serve_on(orders, news, sys.argv[5], lock)


def _load() -> None:
    # This reads no option, but imports what options need: the plugins that are installed.
    import_module("snakemake.cli").get_argument_parser()
    for name in _LATER:
        with suppress(ImportError):  # releases differ
            import_module(name)


if __name__ == "__main__":
    main()
