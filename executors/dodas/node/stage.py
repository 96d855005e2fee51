"""A step's files on a node that does not share the submit side's disk: laid out, and collected again."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace

from dodas.backends.made import Made, made, split
from dodas.node.laying import How, lay_out
from dodas.node.order import StepOrder
from dodas.node.outgoing import Outgoing
from dodas.node.places import Places, is_nodes_own
from dodas.node.results import Kind, Returned
from dodas.node.tree import LINK, Entry, gather
from dodas.step import Input, Mount, Output, Step
from dodas.worker import remote
from dodas.worker.remote import is_remote
from dodas.worker.views import is_below, seen

_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - what is in a container's is nobody's result


class Stage:
    """One step's corner of the sandbox.

    Args:
        order: The step and what came along for it.
        base: Directory of this step alone, to be made.
        blobs: Directory with the content that came along.
        once: Names in ``blobs`` that nothing else in the job needs.
    """

    def __init__(self, order: StepOrder, base: str, blobs: str, once: frozenset[str]) -> None:
        self.step = order.step
        self._order = order
        self._base = base
        self._blobs = blobs
        self._once = once
        brought = [item.source for item in order.brought]
        mounted = [
            mount.source for mount in order.step.mounts if not is_nodes_own(mount, order.step, brought)
        ]
        inside = list(_own_paths(order.step)) if order.step.image is None else []
        self._places = Places([*brought, *mounted, *inside], base, named=order.step.image is None)
        self._streams = _streams(order.step)

    def lay_out(self) -> Step:
        """Bring everything to its place and return the step as this node is to run it.

        Raises:
            TransferError: What should have come along is not there.
            OSError: The disk does not take it.
        """
        os.makedirs(self._base, mode=0o700)
        for item in self._order.brought:
            how = self._how(item.source)
            lay_out(item.entries, self._blobs, self._places.here(item.source), how=how)
        for path in self._directories():
            os.makedirs(path, exist_ok=True)
        return self._relocated()

    def collect(self, out: Outgoing) -> tuple[tuple[Returned, ...], str]:
        """Return what the step made, moved to ``out``, and which output it did not make (empty: none).

        Raises:
            TransferError: Something cannot be read.
            OSError: The disk does not take it.
        """
        missing = ""
        returned: list[Returned] = []
        for output in self.step.outputs:
            if is_remote(output.destination):
                continue  # it is there already
            found = list(_made(output, self.step, self._places))
            if not found and not output.optional:
                missing = missing or output.path
            for one in found:
                destination = os.path.join(one.destination, one.below) if one.below else one.destination
                if self._belongs_to_mount(destination) != one.path:
                    returned.append(self._returned(Kind.OUTPUT, destination, one.path, out, keep=True))
        # What was moved with its mount can no longer be copied.
        mounts = [
            self._returned(Kind.MOUNT, mount.source, self._places.here(mount.source), out)
            for mount in self._returning()
        ]
        streams = [
            self._returned(kind, destination, path, out)
            for kind, destination, path in self._stream_files()
            if os.path.exists(path)
        ]
        return (*mounts, *returned, *streams), missing

    def _how(self, source: str) -> Callable[[str], How]:
        shared = How.COPY if self._may_change(source) else How.LINK
        return lambda blob: How.MOVE if blob in self._once else shared

    def _may_change(self, source: str) -> bool:
        return any(m.writable and is_below(source, posixpath.normpath(m.source)) for m in self.step.mounts)

    def _directories(self) -> Iterator[str]:
        """Yield the directories that must exist although nothing that came along is in them."""
        here = self._places.here
        for mount in self.step.mounts:
            if not os.path.exists(here(mount.source)):
                yield here(mount.source)
        for output in self.step.outputs:
            path = seen(self.step, split(output.path)[0])
            if path is not None and here(path) != path:
                yield here(path)
        for output in remote.outputs(self.step) if self.step.image is None else ():
            yield os.path.dirname(here(output.path))
        cwd = seen(self.step, self.step.cwd) if self.step.cwd else None
        if cwd is not None and here(cwd) != cwd:
            yield here(cwd)
        for _, _, path in self._stream_files():
            yield os.path.dirname(path)

    def _relocated(self) -> Step:
        here, step = self._places.here, self.step
        files = {kind: path for kind, _, path in self._stream_files()}
        moved = replace(
            step,
            mounts=tuple(replace(mount, source=here(mount.source)) for mount in step.mounts),
            inputs=tuple(map(self._input, step.inputs)),
            outputs=remote.outputs(step),
            stdin=step.stdin if step.stdin is None or is_remote(step.stdin) else here(step.stdin),
            stdout=files[Kind.STDOUT],
            stderr=files.get(Kind.STDERR, files[Kind.STDOUT]),
        )
        return moved if step.image is not None else self._on_host(moved)

    def _on_host(self, step: Step) -> Step:
        """Return a step without container: there a path is what it is, so its words change."""
        new, here = self._places.rewritten, self._places.here
        return replace(
            step,
            argv=tuple(map(new, step.argv)),
            env=tuple((name, new(value)) for name, value in step.env),
            cwd=here(step.cwd) if step.cwd else self._base,
            mounts=tuple(Mount(source=one.source, target=one.source) for one in step.mounts),
            inputs=tuple(
                replace(one, target=here(one.target) if is_remote(one.source) else one.source)
                for one in step.inputs
            ),
            outputs=tuple(replace(one, path=here(one.path)) for one in step.outputs),
        )

    def _input(self, item: Input) -> Input:
        return item if is_remote(item.source) else replace(item, source=self._places.here(item.source))

    def _stream_files(self) -> Iterator[tuple[Kind, str, str]]:
        """Yield kind, destination and path on this node of the standard streams; one if they share a file."""
        for kind, destination in self._streams:
            path = self._places.here(destination) if destination else ""
            if not path or path == posixpath.normpath(destination):
                path = os.path.join(self._base, kind.value)
            yield kind, destination, path

    def _returning(self) -> Iterator[Mount]:
        done: list[str] = []
        for mount in self.step.mounts:
            source = posixpath.normpath(mount.source)
            wanted = mount.whole and mount.writable and posixpath.normpath(mount.target) not in _TEMPORARY
            if wanted and not any(is_below(source, other) for other in done):
                done.append(source)
                yield mount

    def _belongs_to_mount(self, destination: str) -> str:
        """Return where a destination is on this node if it comes back with its mount; else nothing."""
        destination = posixpath.normpath(destination)
        if any(is_below(destination, posixpath.normpath(mount.source)) for mount in self._returning()):
            return self._places.here(destination)
        return ""

    def _returned(
        self, kind: Kind, destination: str, path: str, out: Outgoing, *, keep: bool = False
    ) -> Returned:
        entries = gather(path, out.link if keep else out.move)
        if self.step.image is None:
            entries = tuple(self._at_home(entry, path) for entry in entries)
        return Returned(kind=kind, destination=destination, entries=entries)

    def _at_home(self, entry: Entry, top: str) -> Entry:
        """Return an entry for the submit side: links to what was brought lead to the original."""
        if entry.kind != LINK:
            return entry
        target = os.path.normpath(os.path.join(top, os.path.dirname(entry.path), entry.target))
        if os.path.isabs(entry.target) or not is_below(target, top):
            home = self._places.there(target)
            return entry if home == target else replace(entry, target=home)
        return entry


def _made(output: Output, step: Step, places: Places) -> Iterator[Made]:
    """Yield what the step made for one of its outputs."""

    def place(inside: str) -> str | None:
        path = seen(step, inside)
        return None if path is None else places.here(path)

    return made(output, place)


def missing(step: Step) -> str:
    """Return which output of a step is not there, on a disk that is shared; empty if all are."""
    nowhere = Places((), "")
    for output in step.outputs:
        here = not output.optional and not is_remote(output.destination)
        if here and not any(_made(output, step, nowhere)):
            return output.path
    return ""


def _own_paths(step: Step) -> Iterator[str]:
    """Yield the paths, beside those of mounts, that a step without a container has words for."""
    if step.cwd:
        yield step.cwd
    yield from (item.target for item in remote.inputs(step))
    for item in remote.outputs(step):
        folder, pattern = split(item.path)
        if not pattern or folder != "/":  # which is in all paths
            yield folder if pattern else item.path


def _streams(step: Step) -> tuple[tuple[Kind, str], ...]:
    """Return the files that the standard streams go to, and where each belongs."""
    out, err = (Kind.STDOUT, step.stdout or ""), (Kind.STDERR, step.stderr or "")
    return (out,) if step.stderr and step.stderr == step.stdout else (out, err)
