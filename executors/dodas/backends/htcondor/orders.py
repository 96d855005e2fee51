"""The directory of a job on the submit side: what goes to the node, and what comes back.

::

    jobs/17/order.json   what to do; only its owner can read it
            in/0 in/1 …  links to what comes along, where the disk is not shared
            out/         what came back
            worker.out, worker.err
            done.0.json  the result of its first step, when everything is in place
            step.0.json  its first step: as another life asks for it; and later, where its files are
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dodas import whole
from dodas.backends.bringing import VARIABLE
from dodas.backends.htcondor.papers import Papers
from dodas.containers.removal import remove_tree
from dodas.containers.store import Store
from dodas.errors import DodasError, SpecError
from dodas.node import order, packing, results
from dodas.node.images import ImageSource, describe
from dodas.node.order import Order, StepOrder
from dodas.step import Result, Step
from dodas.worker import remote

if TYPE_CHECKING:
    from dodas.containers.prepare import Pull


class Orders:
    """The directories of all jobs of a run.

    Attributes:
        papers: The user's credentials for those that have to do with storage.

    Args:
        folder: Where they are.
        run: Identifies the run.
        store: Directory of the image store of the submit side.
        shared: Whether nodes see the disk of the submit side.
        engine: How containers are run.
        pull: When nodes ask a registry for an image.
        logs: Directory for the standard streams of steps that do not redirect them.
    """

    def __init__(
        self, folder: str, run: str, *, store: str | None, shared: bool, engine: str, pull: Pull, logs: str
    ) -> None:
        self.folder = folder
        self._logs = logs
        self._run = run
        self._shared = shared
        self._engine = engine
        self._pull = pull
        self._store = Store(store)
        self.papers = Papers(os.path.join(os.path.dirname(folder), "papers"))
        self._images: dict[str, ImageSource | None] = {}
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, number: int, *names: str) -> str:
        """Return a path in the directory of a job."""
        return os.path.join(self.folder, str(number), *names)

    def write(
        self, number: int, steps: Sequence[Step], *, along: bool = False, patience: float | None = None
    ) -> None:
        """Write the order of a job.

        Args:
            number: The job's.
            steps: What it is to do.
            along: Whether images are sent along, and not left to be fetched.
            patience: Seconds after which it gives back what it has not begun; ``None`` to keep everything.

        Raises:
            TransferError: An input cannot be read.
            StoreError: The image store cannot be.
            OSError: The disk does not take it.
        """
        os.mkdir(self.path(number), 0o700)
        try:
            if not self._shared:
                os.mkdir(self.path(number, order.INPUTS))
            os.mkdir(self.path(number, order.OUTPUTS))
            written = replace(self._order(number, steps, along=along), patience=patience)
            with open(os.open(self.path(number, order.NAME), _NEW, 0o600), "w", encoding="ascii") as file:
                file.write(written.to_json())
        except (DodasError, OSError):
            self.remove(number)
            raise

    def read(self, number: int) -> tuple[Step, ...]:
        """Return the steps of a job.

        Raises:
            SpecError: There is no order that can be read.
        """
        return read(self.path(number, order.NAME))

    def slim(self, number: int, *, words: bool) -> None:
        """Drop what nobody needs of a job whose steps have ended; ``words``: keep what the worker wrote."""
        for name in (order.INPUTS, order.OUTPUTS):
            with suppress(OSError):
                remove_tree(self.path(number, name))
        for name in (order.NAME, *(() if words else ("worker.out", "worker.err"))):
            with suppress(OSError):
                os.unlink(self.path(number, name))

    def remove(self, number: int) -> None:
        """Drop all of a job."""
        with suppress(OSError):
            remove_tree(self.path(number))

    def keep(self, number: int, position: int, result: Result) -> None:
        """Keep the result of a step."""
        report = results.Report(
            run=self._run, job=str(number), steps=(results.StepReport(result=result),), node=result.node
        )
        results.write(self.path(number, f"done.{position}.json"), report)

    def has_result(self, number: int, position: int) -> bool:
        """Return whether the result of a step was kept."""
        return os.path.exists(self.path(number, f"done.{position}.json"))

    def kept(self, number: int, position: int) -> Result:
        """Return the result of a step that was kept.

        Raises:
            TransferError: It cannot be read.
        """
        return results.read(self.path(number, f"done.{position}.json")).steps[0].result

    def settle(self, number: int, position: int, step: Step) -> None:
        """Note where the files of a step are that has ended; what it was told to do is forgotten."""
        self.claim(number, position, replace(step, argv=("ended",), env=(), stdin=None))

    def home(self, number: int, position: int) -> Step:
        """Return where the files of a step are that has ended.

        Raises:
            SpecError: That is not known.
        """
        try:
            with open(self.path(number, f"step.{position}.json"), encoding="ascii") as file:
                return Step.from_json(file.read())
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"cannot read what became of a step: {error}") from error

    def claim(self, number: int, position: int, step: Step) -> None:
        """Note that ``step`` is what a step of the job is now."""
        whole.write(self.path(number, f"step.{position}.json"), step.to_json())

    def claimed(self, number: int, position: int, submitted: Step) -> Step:
        """Return what a step of the job is now."""
        try:
            with open(self.path(number, f"step.{position}.json"), encoding="ascii") as file:
                return Step.from_json(file.read())
        except FileNotFoundError:
            return submitted

    def _order(self, number: int, steps: Sequence[Step], *, along: bool) -> Order:
        asked = [step.resources for step in steps]
        known = [one.memory for one in asked if one.memory is not None]
        inputs = _Inputs(self.path(number, order.INPUTS))
        storage = any(map(_needs_storage, steps))
        if storage:
            self._papers(number)
        images = {step.image: self._image(step.image) for step in steps if step.image is not None}
        if along:
            images = {name: source and inputs.with_layers(source) for name, source in images.items()}
        return Order(
            run=self._run,
            job=str(number),
            steps=tuple(
                StepOrder(step=step) if self._shared else packing.pack(step, inputs.take) for step in steps
            ),
            shared=self._shared,
            images=tuple(images.items()),
            engine=self._engine,
            pull=self._pull,
            store=self._store.layout.root if self._shared else None,
            logs=self._logs if self._shared else "",
            settings=order.settings(os.environ, storage=storage),
            papers=self.papers.folder if storage else "",
            cores=max(one.cores for one in asked),
            memory=max(known) if known else None,
            gpus=max(one.gpus for one in asked),
        )

    def _papers(self, number: int) -> None:
        """Have the user's credentials for storage where the job finds them."""
        if self._shared:
            self.papers.open()
        else:
            self.papers.link(self.path(number, order.INPUTS))

    def _image(self, name: str) -> ImageSource | None:
        if self._shared:
            return None
        if name not in self._images:
            self._images[name] = describe(self._store, name)
        return self._images[name]


def _needs_storage(step: Step) -> bool:
    return remote.is_involved(step) or bool(step.image and os.environ.get(VARIABLE))


class _Inputs:
    """The directory of what comes along, under numbers; each file once."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._taken: dict[str, str] = {}

    def take(self, path: str) -> str:
        real = os.path.realpath(path)
        if real not in self._taken:
            self._taken[real] = str(len(self._taken))
            os.symlink(real, os.path.join(self._folder, self._taken[real]))
        return self._taken[real]

    def with_layers(self, source: ImageSource) -> ImageSource:
        layers = tuple(replace(layer, blob=self.take(layer.path)) for layer in source.layers)
        return replace(source, layers=layers)


def read(path: str) -> tuple[Step, ...]:
    """Return the steps of an order.

    Raises:
        SpecError: It cannot be read.
    """
    try:
        with open(path, encoding="ascii") as file:
            return tuple(one.step for one in Order.from_json(file.read()).steps)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the order {path}: {error}") from error


_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
