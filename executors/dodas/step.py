"""The values that pass between front ends, backends and the worker.

All are frozen and made of tuples and scalars: they can be hashed, pickled, written as JSON and read back
unchanged.  Sizes are bytes, times are :class:`~datetime.timedelta` or seconds as said; other units appear
only at the edge where they enter.  Text that is not UTF-8 is carried by ``surrogateescape``, as
:func:`os.fsdecode` makes it, so argument and environment bytes survive.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import fields
from datetime import timedelta
from enum import Enum
from typing import Any

from dodas.errors import SpecError
from dodas.values import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one step may use.

    Attributes:
        cores: Processors; a fraction shares one.
        memory: Bytes set aside for the whole process tree; ``None`` when not known.
        memory_is_limit: Whether a step that uses more than ``memory`` is ended.
        disk: Bytes for inputs and outputs; ``None`` when not known.
        scratch: Bytes of temporary space; ``None`` when not known.
        gpus: Whole GPUs.
        walltime: How long the step may run; ``None`` sets no limit.
    """

    cores: float = 1.0
    memory: int | None = None
    memory_is_limit: bool = True
    disk: int | None = None
    scratch: int | None = None
    gpus: int = 0
    walltime: timedelta | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cores < float("inf"):
            raise SpecError(f"cores must be more than 0, got {self.cores}")
        for name in ("memory", "disk", "scratch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SpecError(f"{name} must be at least 1 byte, got {value}")
        if self.gpus < 0:
            raise SpecError(f"gpus must not be negative, got {self.gpus}")
        if self.walltime is not None and self.walltime <= timedelta(0):
            raise SpecError(f"the time limit must be more than 0, got {self.walltime}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or directory of this machine that a step sees in its container.

    Attributes:
        source: Absolute path on the host.
        target: Absolute path in the container; any character, colons too.
        writable: Whether the step may change it.
        whole: Whether everything in it belongs to the step.  Where the disk is not shared, all of it is
            brought along, and back if it is writable; of others only what the step's ``inputs`` and
            ``outputs`` name.
    """

    source: str
    target: str
    writable: bool = False
    whole: bool = True

    def __post_init__(self) -> None:
        for what, path in (("source", self.source), ("target", self.target)):
            if not path.startswith("/") or "\0" in path:
                raise SpecError(f"the {what} of a mount must be an absolute path, got {path!r}")
        if posixpath.normpath(self.target) == "/":
            raise SpecError("a mount cannot replace the root of the container")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file or directory that must be there before the step starts.

    Attributes:
        source: Path or URL.  That of a directory ends with a slash; all that is in it is brought.
        target: Absolute path in the container.
        writable: Whether the step gets a copy of its own; only of what is at a URL.  Otherwise it sees what
            others see too, and must not change it.
    """

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a step makes and where it belongs.

    Attributes:
        path: Path or glob in the container.
        destination: Path or URL.  A URL with a slash at its end is a directory to put it in.  What is there
            already is replaced.
        optional: Whether the step may leave it out.
        moved: Whether what was brought to a URL does not stay as well: in the place of each file is then a
            symbolic link made of its URL.
        checksum: Algorithm of the checksum that is told of what was brought to a URL.
    """

    path: str
    destination: str
    optional: bool = False
    moved: bool = False
    checksum: str = "adler32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One unit of work, described completely.

    Attributes:
        id: Unique within the run.
        name: What people call it.
        argv: The command, at least one word; no shell is involved.
        env: Exactly the variables that the command gets on top of the image's own, in order.
        image: Image name or digest; ``None`` runs on the host.
        cwd: Working directory, absolute, in the container.  Made if missing in the container's own
            file system; ``None`` means the image's.
        mounts: What the step sees of this machine, applied in order.
        inputs: What must be staged in.
        outputs: What must be staged out.
        stdin: Host path or URL read as standard input; ``None`` is empty.
        stdout: Host path written; ``None`` is the step's log.
        stderr: Host path written; ``None`` is the step's log.
        resources: What the step may use.
        network: Whether the step may reach the network.
        as_root: Whether the command believes to be root; files still belong to the user.
        entrypoint: Whether the image's own entry point comes before ``argv``, as with ``docker run``.
        measured: Whether its usage is to have also what takes more work to know.
        attempt: 1 for the first.
        identity: What makes it the same work as a step of an earlier, interrupted run, whose result may then
            be taken; empty if nothing is known to.
        hints: What one kind of backend alone understands, as ``("htcondor.rank", "Mips")``; others ignore it.
    """

    id: str
    name: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    cwd: str | None = None
    mounts: tuple[Mount, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    resources: Resources = Resources()
    network: bool = True
    as_root: bool = False
    entrypoint: bool = False
    measured: bool = False
    attempt: int = 1
    identity: str = ""
    hints: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.entrypoint and not (self.argv and self.argv[0]):
            raise SpecError(f"step {self.name!r} has no command")
        if any("\0" in word for word in self.argv):
            raise SpecError(f"step {self.name!r} has a zero byte in an argument")
        for name, value in self.env:
            if not name or "=" in name or "\0" in name or "\0" in value:
                raise SpecError(f"step {self.name!r} has an impossible environment variable {name!r}")
        if self.cwd is not None and not self.cwd.startswith("/"):
            raise SpecError(f"the working directory must be absolute, got {self.cwd!r}")

    def to_json(self) -> str:
        """Return the step as one line of JSON, the same for equal steps."""
        return json.dumps(_plain(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Step:
        """Return the step that :meth:`to_json` wrote.

        Raises:
            SpecError: The text is not a step.
        """
        try:
            return _step(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise SpecError(f"this is not a step: {error}") from error

    def digest(self) -> str:
        """Return ``sha256:…`` of the description."""
        import hashlib  # noqa: PLC0415 - takes milliseconds, and a node does not need it

        return "sha256:" + hashlib.sha256(self.to_json().encode()).hexdigest()


class Failure(str, Enum):
    """Where a step failed; the reaction differs for each."""

    TOOL = "tool"
    STAGE_IN = "stage-in"
    CONTAINER = "container"
    STAGE_OUT = "stage-out"
    LIMIT = "limit"
    LOST = "lost"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a step took: seconds and bytes, of its whole process tree.

    Attributes:
        wall: From its start to its end.
        cpu: Of the user and of the system.
        peak_memory: The largest resident size seen.
        read: From storage.
        written: To storage.
        virtual: The largest virtual size seen.  This and the next two are 0 unless the step is ``measured``.
        unique: The largest sum seen of what each process had for itself alone.
        proportional: The largest resident size seen with shared pages divided among their users.
    """

    wall: float = 0.0
    cpu: float = 0.0
    peak_memory: int = 0
    read: int = 0
    written: int = 0
    virtual: int = 0
    unique: int = 0
    proportional: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One file that a step made.

    Attributes:
        path: Where it is now.
        size: Bytes.
        checksum: ``algorithm$hex``, empty when not computed.
    """

    path: str
    size: int
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a step ended.

    Attributes:
        step: The step's id.
        exit_code: Of the command, 128 + n for one that died by signal n; ``None`` if it never ended by
            itself.
        signal: The signal that ended the command; ``None`` otherwise.
        failure: What failed; ``None`` for success.
        reason: One sentence for people; empty for success.
        usage: What it took.
        ended: When the command ended, Unix seconds of the node; 0 when not known.
        node: Host name.
        engine: Engine that ran it.
        image_digest: Digest of the image; ``None`` without a container.
        outputs: Files staged out.
        stdout: Host path of its standard output; ``None`` when it went elsewhere.
        stderr: Host path of its standard error; ``None`` when it went elsewhere.
        scratch: Directory kept for inspection; ``None`` when it was removed.
    """

    step: str
    exit_code: int | None = None
    signal: int | None = None
    failure: Failure | None = None
    reason: str = ""
    usage: Usage = Usage()
    ended: float = 0.0
    node: str = ""
    engine: str = ""
    image_digest: str | None = None
    outputs: tuple[OutputFile, ...] = ()
    stdout: str | None = None
    stderr: str | None = None
    scratch: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the step did what was asked."""
        return self.failure is None


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _step(plain: dict[str, Any]) -> Step:
    resources = dict(plain.pop("resources", {}))
    walltime = resources.pop("walltime", None)
    return Step(
        argv=tuple(plain.pop("argv")),
        env=tuple((name, value) for name, value in plain.pop("env", ())),
        mounts=tuple(Mount(**item) for item in plain.pop("mounts", ())),
        inputs=tuple(Input(**item) for item in plain.pop("inputs", ())),
        outputs=tuple(Output(**item) for item in plain.pop("outputs", ())),
        hints=tuple((name, value) for name, value in plain.pop("hints", ())),
        resources=Resources(**resources, walltime=None if walltime is None else timedelta(seconds=walltime)),
        **plain,
    )
