"""No container and no new program: a fork of a process that has Snakemake loaded becomes a Snakemake."""

from __future__ import annotations

import atexit
import gc
import os
import runpy
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

from dodas.containers.engines import start
from dodas.containers.engines.host import Bare, go_to
from dodas.containers.launch import Launch

_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)  # by every Python, from its start


class Warm(Bare):
    """Runs launches whose command is ``python -m snakemake …``, in the environment of this process."""

    name = "snakemake"

    def enter(self, launch: Launch) -> NoReturn:
        """Become what the command would have become."""
        go_to(launch.cwd)
        status = 1
        try:
            _forget_server()
            status = _run(launch.argv)
        finally:  # nothing may return to the server's frames
            os._exit(status)


def _forget_server() -> None:
    """Make this process what a Python is that has just been started."""
    start.reset_signals()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what exec would have closed
    gc.enable()


def _run(argv: tuple[str, ...]) -> int:
    """Do what ``python -m snakemake`` does, with the arguments of that command, and return its status."""
    sys.orig_argv = list(argv)
    sys.argv = ["-m", *argv[3:]]
    status = 0
    try:
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = _status(end.code)
    except KeyboardInterrupt:
        _end_as_python_does()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    _end_as_python_does()
    return status


def _status(code: Any) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _end_as_python_does() -> None:
    shutdown: Any = threading
    shutdown._shutdown()  # waits for threads
    run: Any = atexit
    run._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
