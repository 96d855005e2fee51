"""The ``udocker`` of ``dodas env``: runs of images are done here, all else by udocker itself."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType

from dodas.shims import real
from dodas.shims.words import command_of

TYPE_CHECKING = False  # typing's own is that too, and comes with ten milliseconds
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from dodas.containers.launch import Launch
    from dodas.containers.prepared import PreparedRoot
    from dodas.shims.words import Run

FAILED = 125  # as docker's, so that it can be told from the command's own
_INTERRUPTED = 130


def main(words: list[str]) -> NoReturn:
    """Do what ``udocker`` followed by ``words`` does, and exit as it would."""
    environ = dict(os.environ)
    general, command, rest = command_of(words)
    if command == "run":
        from dodas.shims.words import parse  # noqa: PLC0415

        run = parse(general, rest)
        if run is not None:
            _exit(_status(run, environ, words))
    real.become(words, environ)


def _status(run: Run, environ: dict[str, str], words: list[str]) -> int:
    from dodas.errors import DodasError  # noqa: PLC0415 - as all that follows

    try:
        return _run(run, environ, words)
    except DodasError as error:
        print(f"Error: {error}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _exit(status: int) -> NoReturn:
    """Exit at once: nothing is left to be done, and taking all modules down takes time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _run(run: Run, environ: dict[str, str], words: list[str]) -> int:
    """Run an image; becomes udocker itself, and does not return, if that has to be done by it."""
    from dodas.shims import settings  # noqa: PLC0415

    repository = run.value("--repo") or ""
    store = settings.store_root(repository, environ)
    if (
        settings.are_for_udocker_only(store, environ)
        or (repository and not os.path.isdir(store))
        or _is_container(store, run.image)
    ):
        real.become(words, environ)
    _put_off("inspect")
    os.environ["DODAS_STORE"] = store  # all that is used from here on is to look there
    from contextlib import ExitStack  # noqa: PLC0415

    from dodas.shims.launch import described, is_foreign, launch_of  # noqa: PLC0415
    from dodas.shims.prepared import prepared  # noqa: PLC0415

    architecture = (run.value("--platform") or "").partition("/")[2].partition("/")[0]
    if is_foreign(architecture):
        real.become(words, environ)
    chatty = not run.quiet and settings.is_chatty(environ)
    with ExitStack() as held:
        root, engine = prepared(run, store, environ, held, chatty=chatty)
        image = described(root)
        if is_foreign(str(image.get("architecture", ""))):
            real.become(words, environ)
        launch = launch_of(run, root, image, engine, environ, held)
        if chatty and "--nobanner" not in run.flags:
            _banner(root, launch.argv[0])
        return _ended(launch)


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _put_off(name: str) -> None:
    """Put off the import of a module: `inspect` is a fifth of our time, and `dataclasses` hardly asks it."""
    if name not in sys.modules:
        sys.modules[name] = _Later(name)


def _is_container(store: str, name: str) -> bool:
    path = os.path.join(store, "containers", name)
    return os.path.islink(path) or os.path.isdir(path)


def _banner(root: PreparedRoot, command: str) -> None:
    """Print what udocker prints, on standard output."""
    line, empty = "*" * 78, f"* {' ' * 74} *"
    words = f"STARTING {root.container}".center(74)
    print(
        f" \n {line} \n {empty} \n * {words} * \n {empty} \n {line} \n executing: {os.path.basename(command)}"
    )
    sys.stdout.flush()


def _ended(launch: Launch) -> int:
    """Run a launch on our own streams and return its exit status."""
    from dodas.errors import EngineError  # noqa: PLC0415
    from dodas.shims import attend  # noqa: PLC0415

    outcome, number = attend.attend(launch)
    if outcome.exit_code is not None:
        return outcome.exit_code
    if number:
        return 128 + number
    raise EngineError(
        outcome.fault or "nothing is known of the command", hint="`dodas doctor` says what works here"
    )
