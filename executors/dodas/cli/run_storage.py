"""Files at URLs for one command in the foreground: fetched before it, published after it."""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from dodas import paths
from dodas.backends import publishing
from dodas.backends.depot import Depot
from dodas.backends.spots import Spots
from dodas.backends.visits import Visit
from dodas.containers.progress import OnProgress, Progress
from dodas.errors import SpecError
from dodas.staging import urls
from dodas.step import Input, Mount, Output, Step
from dodas.worker import plan, remote
from dodas.worker.views import seen

_OUTPUT = re.compile(r"(/.*?):([A-Za-z]+://.*)", re.DOTALL)


def parse_input(text: str) -> Input:
    """Return the input that ``URL:PATH`` means.

    Raises:
        SpecError: It means nothing.
    """
    url, colon, path = text.rpartition(":/")
    if not colon or not remote.is_remote(url or "/"):
        raise SpecError(
            f"{urls.redacted(text)!r} is no input", hint="write --input davs://host/file:/path/in/container"
        )
    return Input(source=url, target="/" + path)


def parse_output(text: str) -> Output:
    """Return the output that ``PATH:URL`` means.

    Raises:
        SpecError: It means nothing.
    """
    found = _OUTPUT.fullmatch(text)
    if found is None or not remote.is_remote(found[2]):
        raise SpecError(
            f"{urls.redacted(text)!r} is no output",
            hint="write --output /path/in/container:davs://host/directory/",
        )
    return Output(path=found[1], destination=found[2])


class Exchange:
    """The storage that one command has to do with.

    Args:
        step: The command.
        progress: Told how far transfers are.
    """

    def __init__(self, step: Step, progress: OnProgress) -> None:
        self._step = step
        self._progress = progress
        self._depot = Depot()

    @contextmanager
    def shown(self, root: str) -> Iterator[Step]:
        """Yield the command as it can be started, with its inputs; they go at the end.

        Args:
            root: The file system of the image.

        Raises:
            SpecError: An output cannot be where it is said to be.
            DodasError: An input cannot be had.
        """
        with ExitStack() as held:
            held.callback(self._depot.close)
            self._step = held.enter_context(_with_places(self._step, root))
            plan.check_urls(self._step)
            visit = Visit(self._step, self._depot, Spots())
            held.callback(visit.clear)
            held.callback(visit.leave)
            for number, item in enumerate(visit.wanted):
                visit.fetch(number, partial(self._tell, item.source))
            yield visit.shown() if visit.wanted else self._step

    def publish(self) -> None:
        """Bring the outputs to their places.

        Raises:
            DodasError: One is not there, or cannot be brought.
        """
        for parcel in publishing.parcels(self._step):
            publishing.send(self._depot, parcel, partial(self._tell, parcel.url))

    def _tell(self, url: str, done: int, total: int | None) -> None:
        self._progress(Progress(what=urls.parse(url).name, done=done, total=total or 0))


@contextmanager
def _with_places(step: Step, root: str) -> Iterator[Step]:
    """Give the step a directory of this machine for each one of outputs that neither it nor its image has."""
    wanted = {posixpath.dirname(posixpath.normpath(output.path)) for output in remote.outputs(step)}
    new = sorted(path for path in wanted if seen(step, path) is None and not os.path.lexists(root + path))
    with ExitStack() as held:
        mounts = []
        for target in new:
            folder = tempfile.TemporaryDirectory(prefix="dodas-out-", dir=paths.scratch_dir())
            mounts.append(Mount(source=held.enter_context(folder), target=target, writable=True))
        yield replace(step, mounts=(*step.mounts, *mounts))
