"""What a step needs of the submit side when the disk is not shared; used there."""

from __future__ import annotations

import posixpath

from dodas.errors import SpecError
from dodas.node.order import Brought, StepOrder
from dodas.node.tree import Take, gather
from dodas.step import Step
from dodas.worker import plan
from dodas.worker.remote import is_remote
from dodas.worker.views import is_below


def check(step: Step) -> None:
    """See that ``step`` can run where nothing of this machine's disk is seen.

    Raises:
        SpecError: It cannot.
    """
    plan.check_urls(step)
    for what, path in (
        *(("brought in", item.source) for item in step.inputs),
        *(("brought out to", item.destination) for item in step.outputs),
    ):
        if not path.startswith("/") and not is_remote(path):
            raise SpecError(
                f"step {step.name!r} wants {path} {what}, which is neither a file of this machine nor a URL",
                hint="give its absolute path, or a URL",
            )
    for mount in step.mounts:
        if mount.whole and posixpath.normpath(mount.source) == "/":
            raise SpecError(
                f"step {step.name!r} mounts all of this machine, which cannot be sent to a node",
                hint="mount the directories that it needs",
            )
    if step.image is None and step.cwd is None:
        raise SpecError(
            f"step {step.name!r} has neither a container nor a working directory",
            hint="give the step the working directory that its paths are relative to",
        )


def pack(step: Step, take: Take) -> StepOrder:
    """Return the order for ``step`` with everything that has to come along.

    Args:
        step: A step that passes :func:`check`.
        take: Is given the path of each file to be sent, and returns the name of its content in
            :data:`dodas.node.order.INPUTS`; it may give the same file the same name again.

    Raises:
        TransferError: Something cannot be read.
    """
    contained = step.image is not None
    wanted = [(mount.source, contained) for mount in step.mounts if mount.whole]
    wanted += [(item.source, False) for item in step.inputs if not is_remote(item.source)]
    wanted += [(step.stdin, False)] if step.stdin is not None and not is_remote(step.stdin) else []
    found: list[Brought] = []
    for path, kept in wanted:
        source = posixpath.normpath(path)
        if not any(is_below(source, item.source) for item in found):
            # The narrower of two may come first.
            found = [item for item in found if not is_below(item.source, source)]
            found.append(Brought(source=source, entries=gather(source, take, contained=kept)))
    return StepOrder(step=step, brought=tuple(found))
