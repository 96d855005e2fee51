"""The ``udocker`` of ``dodas env``: runs of images are done here, all else by udocker itself."""

from __future__ import annotations

import os
import sys

from dodas.shims import outcome, real
from dodas.shims.words import command_of

TYPE_CHECKING = False  # typing's own is that too, and comes with ten milliseconds
if TYPE_CHECKING:
    from typing import NoReturn

    from dodas.containers.prepared import PreparedRoot
    from dodas.shims.words import Run

FAILED = 125  # as docker's, so that it can be told from the command's own


def main(words: list[str]) -> NoReturn:
    """Do what ``udocker`` followed by ``words`` does, and exit as it would."""
    environ = dict(os.environ)
    general, command, rest = command_of(words)
    if command == "run":
        from dodas.shims.words import parse  # noqa: PLC0415

        run = parse(general, rest)
        if run is not None:
            outcome.leave_with(lambda: _run(run, environ, words), failed=FAILED, word="Error:")
    real.become(words, environ)


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
    outcome.put_off("inspect")
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
        return outcome.status_of(launch)


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
