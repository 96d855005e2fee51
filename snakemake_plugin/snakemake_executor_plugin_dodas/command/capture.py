"""Learn which command Snakemake would run for a job, without running it.

Snakemake builds the command of a shell, script, wrapper or notebook rule in one place: the constructor of
``snakemake.shell.shell`` formats it, puts ``set -euo pipefail``, prefixes, conda and environment modules
around it, computes the environment and calls ``Popen``.  Rebuilding that would mean to follow every release.
Instead the rule's own function is called, and ``Popen`` is answered by an exception that carries the
command.  Snakemake's name for the module ``subprocess`` is replaced by one that forwards everything,
except calls made by a thread while it captures.
"""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any

from snakemake_executor_plugin_dodas.command.command import Command

# A question that Snakemake asks a program while it builds a command, such as `papermill --version`.
Ask = Callable[[str, Mapping[str, Any]], "Answer"]


class NotCapturableError(Exception):
    """The rule does not boil down to one shell command."""


class Answer:
    """What a program said: stands in for a process that was read to its end."""

    def __init__(self, code: int, text: str = "") -> None:
        self._code = code
        self.stdout = io.StringIO(text)

    def wait(self) -> int:
        """Return the exit status."""
        return self._code


class _Captured(BaseException):
    """Unwinds Snakemake's own frames; not an Exception, or some of them would swallow it."""


@dataclass(slots=True)
class _Recording:
    ask: Ask
    command: Command | None = None
    python: bool = False

    def popen(self, text: Any, options: Mapping[str, Any], frame: FrameType) -> Answer:
        if not isinstance(text, str) or not options.get("shell"):
            raise NotCapturableError(f"not a shell command: {text!r}")
        if options.get("stdout") == subprocess.PIPE:
            return self.ask(text, options)
        files, folders = _left_behind(frame)
        self.command = Command(
            shell=options.get("executable") or "/bin/sh",
            text=text,
            env=options["env"],
            files=files,
            folders=folders,
            python=self.python,
        )
        raise _Captured


class _Thread(threading.local):
    recording: _Recording | None = None


_thread = _Thread()


def capture(rule_function: Callable[[], object], ask: Ask) -> Command:
    """Return the shell command that ``rule_function`` would have run.

    :func:`install` must have been called.

    Args:
        rule_function: Runs the job, as Snakemake does.
        ask: Answers questions that are asked on the way; see :class:`Answer`.

    Raises:
        NotCapturableError: It ran none, or not by a shell.
        Exception: Whatever Snakemake raises for a command that it cannot build.
    """
    recording = _thread.recording = _Recording(ask)
    try:
        rule_function()
    except _Captured:
        pass
    finally:
        _thread.recording = None
    if recording.command is None:
        raise NotCapturableError("the rule ran no command")
    return recording.command


def _left_behind(frame: FrameType | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files and directories that the frames below wrote for the command.

    Their names are in local variables only: ``tmpdir`` of ``shell`` (the command was too long for an
    argument), ``fd`` of ``ScriptBase.evaluate``, ``tmp`` of a notebook's ``execute_script``.
    """
    marker = import_module("snakemake.shell").RULEFUNC_CONTEXT_MARKER
    files, folders = [], []
    while frame is not None and marker not in frame.f_code.co_varnames:
        match frame.f_code.co_name:
            case "__new__":
                folders.append(frame.f_locals.get("tmpdir"))
            case "evaluate":
                files.append(getattr(frame.f_locals.get("fd"), "name", None))
            case "execute_script":
                folders.append(frame.f_locals.get("tmp"))
        frame = frame.f_back
    return tuple(filter(None, files)), tuple(filter(None, folders))


class _Forward(ModuleType):
    """A module under its own name, to be overridden in places."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class _Subprocess(_Forward):
    def Popen(self, args: Any, **options: Any) -> Any:  # noqa: N802 - the name it stands in for
        recording = _thread.recording
        if recording is None:
            return self._module.Popen(args, **options)
        return recording.popen(args, options, sys._getframe(1))


class _Containers(_Forward):
    """``snakemake.deployment.singularity``, which would put the command into one for apptainer."""

    def shellcmd(self, image: str, command: str, *arguments: Any, **options: Any) -> Any:
        recording = _thread.recording
        if recording is None:
            return self._module.shellcmd(image, command, *arguments, **options)
        recording.python = bool(options.get("is_python_script"))
        return command


class _Discreet(logging.Filter):
    """Drops what Snakemake says and what is not true here.

    Containers are not ignored; the script of a captured command is removed later; it does not run in
    apptainer.
    """

    _never = ("Singularity containers: ignored",)
    _of_captured = ("Not cleaning up", "Activating singularity")

    def filter(self, record: logging.LogRecord) -> bool:
        untrue = self._never if _thread.recording is None else self._never + self._of_captured
        return not str(record.msg).startswith(untrue)


_installing = threading.Lock()


def install() -> None:
    """Get ready to capture, for the rest of the process; may be repeated."""
    shell: Any = import_module("snakemake.shell")  # the package has the class under this name
    with _installing:
        if isinstance(shell.sp, _Subprocess):
            return
        shell.sp = _Subprocess(shell.sp)
        if hasattr(shell, "singularity"):  # the next Snakemake has plugins instead
            shell.singularity = _Containers(shell.singularity)
        import_module("snakemake.logging").logger.addFilter(_Discreet())
