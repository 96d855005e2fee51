"""The image of a ``udocker run`` and what it runs in, pulled and unpacked if need be."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from dodas.containers.engines import ENGINES
from dodas.containers.prepare import using
from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.store import Store
from dodas.errors import ImageNotFound
from dodas.shims import real
from dodas.shims.words import Run
from dodas.worker.choose import AUTO, verdict

if TYPE_CHECKING:
    from dodas.containers.image import Image
    from dodas.containers.prepare import Pull
    from dodas.containers.reference import Reference

_PULL: dict[str, Pull] = {"always": "always", "never": "never"}
# How udocker is told to reach a registry, and dodas is not.
_FOR_UDOCKER = ("--registry", "--index", "--httpproxy", "--platform")


def prepared(
    run: Run, store: str, environ: Mapping[str, str], held: ExitStack, *, chatty: bool
) -> tuple[PreparedRoot, str]:
    """Return the image of ``run``, held until the end of ``held``, and the engine.

    Raises:
        ImageError: It cannot be had.
        StoreError: The store cannot be used.
        EngineError: None works here.
    """
    engine = engine_for(environ)
    place = Store(store)
    progress = _told if chatty else ignore
    use = partial(using, place, run.image, platform=run.value("--platform") or None, progress=progress)
    pull = _PULL.get(run.value("--pull") or "", "missing")
    if pull == "never" or not (
        "--insecure" in run.flags or any(run.value(name) for name in _FOR_UDOCKER[:-1])
    ):
        return held.enter_context(use(pull=pull, bring=bring)), engine
    if pull == "missing":
        try:
            return held.enter_context(use(pull="never")), engine
        except ImageNotFound:
            pass
    _pull_with_udocker(place, run, environ)
    return held.enter_context(use(pull="never")), engine


def engine_for(environ: Mapping[str, str]) -> str:
    """Return the engine, without a word on what it cannot do: standard error is the command's.

    Raises:
        EngineError: None works here, or the one asked for does not.
    """
    best = next(iter(ENGINES))
    if environ.get("DODAS_ENGINE", "") in ("", AUTO) and verdict(best).works:
        return best
    import logging  # noqa: PLC0415 - takes milliseconds

    from dodas.backends.preparation import EngineChoice  # noqa: PLC0415

    logging.getLogger("dodas").setLevel(logging.ERROR)
    return EngineChoice()()


def bring(store: Store, reference: Reference, *, platform: str | None, progress: OnProgress) -> Image:
    """Bring an image that is missing, as everywhere in dodas (:class:`dodas.containers.prepare.Bring`)."""
    from dodas.backends.bringing import Bringing  # noqa: PLC0415 - seldom needed

    real.add_site_packages()
    return Bringing()(store, reference, platform=platform, progress=progress)


def _pull_with_udocker(store: Store, run: Run, environ: Mapping[str, str]) -> None:
    """Let udocker pull, one of its processes at a time: several spoil what the others do."""
    import subprocess  # noqa: PLC0415 - seldom needed

    from dodas.containers import locks  # noqa: PLC0415

    repository = run.value("--repo")
    general = [f"--repo={repository}"] if repository else []
    general += ["--insecure"] if "--insecure" in run.flags else []
    options = [f"{name}={run.value(name)}" for name in _FOR_UDOCKER if run.value(name)]
    words = ["--allow-root", "--quiet", *general, "pull", *options, run.image]
    store.layout.make()
    with locks.exclusive(store.layout.lock("udocker-pull")):
        subprocess.run(
            [*real.command(environ), *words],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env={**environ, "UDOCKER_DIR": store.root},
            check=False,
        )


class Telling:
    """Says on standard error what goes on, each thing once.

    Args:
        word: What each line begins with.
    """

    def __init__(self, word: str) -> None:
        self._word = word
        self._said = ""

    def __call__(self, word: Progress) -> None:
        """Say it."""
        if word.what != self._said:
            self._said = word.what
            print(f"{self._word} {word.what}", file=sys.stderr, flush=True)


_told = Telling("Info:")
