"""What makes short work start at once on a small pool, and a lost node be noticed soon."""

from __future__ import annotations

from collections.abc import Mapping

FORGOTTEN = 60
"""Seconds after which nobody is sent any more to a node that is silent."""


def head() -> Mapping[str, object]:
    """Return settings of the daemons that take and match jobs; times are in seconds."""
    return {
        # New jobs make the queue tell the negotiator at once; what it misses then, it finds a second later.
        "NEGOTIATOR_INTERVAL": 1,
        "NEGOTIATOR_MIN_INTERVAL": 0,
        "NEGOTIATOR_CYCLE_DELAY": 0,
        "SCHEDD_INTERVAL": 1,
        "SCHEDD_MIN_INTERVAL": 0,
        "JOB_START_DELAY": 0,
        "JOB_DEFAULT_LEASE_DURATION": 60,
        "ALIVE_INTERVAL": 15,
        "SHADOW_WORKLIFE": 3600,
        "SCHEDD_JOB_QUEUE_LOG_FLUSH_DELAY": 1,
        # What the kernel was told survives any kill; only a crash of the machine could lose the last seconds.
        "CONDOR_FSYNC": False,
    }


def node() -> Mapping[str, object]:
    """Return settings of the daemons that run jobs."""
    return {
        "START": True,
        "SUSPEND": False,
        "PREEMPT": False,
        "KILL": False,
        "CLAIM_WORKLIFE": 3600,
        "UPDATE_INTERVAL": 15,
        "ALIVE_INTERVAL": 15,
        "RUNBENCHMARKS": False,
        "USE_VISIBLE_DESKTOP": False,
        # Each starter tries them all before its job begins; those in Python take half a second.
        "FILETRANSFER_PLUGINS": "$(LIBEXEC)/curl_plugin",
    }
