"""Code for :meth:`condor_pool.Pools.python` that submits jobs and waits for them."""

from __future__ import annotations

from pathlib import Path

SUBMIT = """
description = htcondor2.Submit({
    "executable": "/bin/sh", "arguments": words, "transfer_executable": "false",
    "should_transfer_files": "no", "log": log, "request_memory": "20", "request_disk": "1000",
})
schedd.submit(description, count=count)
"""
AWAIT = """
ended = 0
for event in htcondor2.JobEventLog(log).events(stop_after=90):
    ended += event.type in (htcondor2.JobEventType.JOB_TERMINATED, htcondor2.JobEventType.JOB_ABORTED)
    if ended == count:
        break
print(ended)
"""


def job(place: Path, text: str = "", count: int = 1) -> str:
    """Return code that names a script, which says ``text``, and the log of its jobs."""
    script = place / "script.sh"
    script.write_text(text)
    return f"log, words, count = {str(place / 'log')!r}, {str(script)!r}, {count}\n"
