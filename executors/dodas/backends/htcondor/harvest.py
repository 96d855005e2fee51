"""What came back from a node is put where it belongs."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

from dodas.backends.htcondor import places
from dodas.backends.htcondor.orders import Orders
from dodas.backends.logs import Logs
from dodas.errors import SpecError, TransferError
from dodas.node import laying, order, results
from dodas.node.results import Kind, Report, Returned, StepReport
from dodas.step import Failure, Result, Step

_TAIL = 4096


class Harvest:
    """Brings results home.

    Args:
        orders: The directories of jobs.
        logs: Where standard streams go that a step does not redirect.
        shared: Whether nodes see the disk of the submit side, and so have put everything in place.
    """

    def __init__(self, orders: Orders, logs: Logs, *, shared: bool) -> None:
        self._orders = orders
        self._logs = logs
        self._shared = shared

    def has_report(self, number: int) -> bool:
        """Return whether the report of a job is there."""
        folder = self._orders.path(number, order.OUTPUTS)
        with suppress(OSError):
            return results.NAME in os.listdir(folder)  # which a network file system asks its server for
        return False

    def reports(self, number: int, steps: int) -> Report | None:
        """Return what the worker of a job says; of a worker that died, what it said of finished steps."""
        path = self._orders.path(number, order.OUTPUTS, results.NAME)
        with suppress(TransferError):
            return results.read(path)
        found: list[StepReport] = []
        node = ""
        for position in range(steps):
            with suppress(TransferError):
                report = results.read(path[: -len("json")] + f"{position}.json")
                found += report.steps
                node = report.node
        return Report(run="", job=str(number), steps=tuple(found), node=node) if found else None

    def bring(self, number: int, position: int, submitted: Step, report: StepReport, step_id: str) -> Result:
        """Put what a step made in place, keep its result, and return it as that of ``step_id``."""
        wanted = self._orders.claimed(number, position, submitted)
        table = places.moves(submitted, wanted)
        try:
            if self._shared:
                places.move(table)
                result = report.result
            else:
                result = self._lay_out(number, report, table, step_id)
            result = places.relocated(result, step_id, table)
        except (TransferError, OSError) as error:
            result = replace(
                report.result,
                step=step_id,
                failure=Failure.STAGE_OUT,
                reason=f"what it made could not be put in place: {error}",
            )
        self._orders.settle(number, position, wanted)
        self._orders.keep(number, position, result)
        return result

    def again(self, number: int, position: int, wanted: Step) -> Result | None:
        """Return, for ``wanted``, the result of a step that was brought home before; ``None``: it is bad."""
        try:
            home = self._orders.home(number, position)
            table = places.moves(home, wanted)
            result = self._orders.kept(number, position)
            if not result.ok or not places.are_there(home, result.outputs):
                return None
            places.move(table)
            self._orders.settle(number, position, wanted)
            result = places.relocated(result, wanted.id, table)
            self._orders.keep(number, position, result)
            return result
        except (TransferError, SpecError, OSError):
            return None

    def last_words(self, number: int) -> str:
        """Return the end of what the worker itself wrote to its standard error."""
        try:
            with open(self._orders.path(number, "worker.err"), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                lines = file.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return " / ".join([line.strip() for line in lines if line.strip()][-3:])

    def _lay_out(self, number: int, report: StepReport, table: dict[str, str], step_id: str) -> Result:
        blobs = self._orders.path(number, order.OUTPUTS)
        streams: dict[str, str] = {}
        for item in report.returned:
            at = self._place(item, table, step_id)
            if item.kind in (Kind.STDOUT, Kind.STDERR):
                streams[item.kind.value] = at
            # Linked, not moved: whoever dies in the middle of this can begin again.
            exact = item.kind is Kind.MOUNT
            laying.lay_out(item.entries, blobs, at, how=_linked, exact=exact, times=False)
        return replace(
            report.result,
            stdout=streams.get("stdout", report.result.stdout),
            stderr=streams.get("stderr", report.result.stderr),
        )

    def _place(self, item: Returned, table: dict[str, str], step_id: str) -> str:
        if item.destination:
            return places.moved(item.destination, table)
        stdout, stderr = self._logs.streams(step_id)
        return stdout if item.kind is Kind.STDOUT else stderr


def _linked(blob: str) -> laying.How:
    return laying.How.LINK
