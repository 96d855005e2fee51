"""From a step to a launch: what a step says, what its image says, and what the place adds, in one.

Pure: no file is looked at.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from dodas.containers.launch import Launch
from dodas.containers.prepared import ImageConfig, PreparedRoot
from dodas.errors import SpecError
from dodas.step import Mount, Step
from dodas.worker import remote, views

HOST = "host"
# What docker and podman give to an image that says nothing (moby, oci/defaults.go).
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NO_IMAGE = ImageConfig()


def check(step: Step) -> None:
    """See that ``step`` can be planned at all, before anything is prepared for it.

    Raises:
        SpecError: It asks for something that a launch on one machine cannot express.
    """
    check_urls(step)
    for source in (item.source for item in step.inputs):
        if not source.startswith("/") and not remote.is_remote(source):
            raise SpecError(
                f"step {step.name!r} wants {source} brought in, which is neither a file nor a URL",
                hint="give its absolute path, or a URL that begins with davs://, dav://, https:// or http://",
            )
    for output in step.outputs:
        if remote.is_remote(output.destination):
            continue
        if not _is_visible(step, output.path, output.destination):
            raise SpecError(
                f"step {step.name!r} wants {output.path} brought to {output.destination}, and no mount does",
                hint="mount a writable directory and let the step write there",
            )
    if step.image is None:
        _check_host(step)


def check_urls(step: Step) -> None:
    """See that what ``step`` says of URLs can be done, wherever it runs.

    Raises:
        SpecError: It cannot.
    """
    url = remote.stdin(step)
    for place in (*(item.source for item in remote.inputs(step)), *((url,) if url else ())):
        remote.check(place)
    for item in step.inputs:
        if item.writable and not remote.is_remote(item.source):
            raise SpecError(
                f"step {step.name!r} wants a copy of {item.source}, and only what is at a URL is copied",
                hint="mount the file, or a copy of it, writable",
            )
    for output in remote.outputs(step):
        remote.check(output.destination)
        if views.seen(step, output.path) is None:
            raise SpecError(
                f"step {step.name!r} makes {output.path} in its container, where nothing stays",
                hint="mount a writable directory and let the step write there",
            )


def plan(
    step: Step,
    root: PreparedRoot | None,
    *,
    engine: str,
    program: str = "",
    stdout: str | None = None,
    stderr: str | None = None,
    scratch: str = "",
    cwd: str = "/",
    env: tuple[tuple[str, str], ...] = (),
    mounts: tuple[Mount, ...] = (),
    devices: tuple[str, ...] = (),
    tty: bool = False,
    grace: float = 5.0,
) -> Launch:
    """Return the launch that does what ``step`` says.

    Args:
        step: What to do.
        root: Its image, prepared; ``None`` on the host.
        engine: Name of the engine for containers; steps without an image use the host.
        program: The engine's program, if it has one.
        stdout: Where standard output goes when the step does not say.
        stderr: Likewise, standard error.
        scratch: Private directory of the launch; the worker chooses one if it is empty.
        cwd: Working directory when neither the step nor an image says one.
        env: Variables that the place adds, unless the step sets them.
        mounts: What the place mounts, before what the step does.
        devices: Device files to show.
        tty: Whether standard input is a terminal.
        grace: Seconds between the polite and the final signal.

    Raises:
        SpecError: The image has no command, and the step brings none.
    """
    config = root.config if root is not None else _NO_IMAGE
    limit = step.resources.walltime
    return Launch(
        engine=engine if root is not None else HOST,
        program=program if root is not None else "",
        root=root.path if root is not None else None,
        argv=_argv(step, config),
        env=_environment(step, config if root is not None else None, env),
        cwd=step.cwd or (config.workdir or "/" if root is not None else cwd),
        mounts=tuple(_mounts(step, mounts)) if root is not None else (),
        network=step.network,
        as_root=step.as_root,
        gpus=devices,
        scratch=scratch,
        tty=tty,
        stdin=step.stdin,
        stdout=step.stdout or stdout,
        stderr=step.stderr or stderr,
        walltime=limit.total_seconds() if limit is not None else None,
        grace=grace,
    )


def _argv(step: Step, config: ImageConfig) -> tuple[str, ...]:
    if not step.entrypoint:
        return step.argv
    argv = (*config.entrypoint, *(step.argv or config.cmd))
    if not argv or not argv[0]:
        raise SpecError(
            f"the image {step.image} has no command of its own",
            hint="say what to run, after the image's name",
        )
    return argv


def _environment(
    step: Step, config: ImageConfig | None, added: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return each variable once, where it was last set: image, then place, then step."""
    merged: dict[str, str] = {}
    if config is not None:
        merged["PATH"] = DEFAULT_PATH
        merged.update(config.env)
    for name, value in (*added, *step.env):
        merged.pop(name, None)
        merged[name] = value
    return tuple(merged.items())


def _mounts(step: Step, added: tuple[Mount, ...]) -> Iterator[tuple[str, str, bool]]:
    inputs = (
        Mount(source=item.source, target=item.target)
        for item in step.inputs
        if not _is_visible(step, item.target, item.source)
    )
    for mount in (*added, *step.mounts, *inputs):
        yield mount.source, mount.target, mount.writable


def _is_visible(step: Step, inside: str, outside: str) -> bool:
    """Return whether a path of the container is that path of the machine, by the step's own mounts."""
    inside, outside = posixpath.normpath(inside), posixpath.normpath(outside)
    for mount in reversed(step.mounts):  # the last one that covers a path is the one that shows
        target, source = posixpath.normpath(mount.target), posixpath.normpath(mount.source)
        if inside == target or inside.startswith(target + "/"):
            return outside == source + inside[len(target) :]
    return step.image is None and inside == outside


def _check_host(step: Step) -> None:
    """On the host nothing is mounted: a path is what it is."""
    places = [(mount.source, mount.target) for mount in step.mounts]
    places += [(item.source, item.target) for item in step.inputs if not remote.is_remote(item.source)]
    for source, target in places:
        if posixpath.normpath(source) != posixpath.normpath(target):
            raise SpecError(
                f"step {step.name!r} has no container in which {source} could be seen as {target}",
                hint="give the step an image, or use the same path on both sides",
            )
    if step.entrypoint and not step.argv:
        raise SpecError(f"step {step.name!r} has neither a command nor an image")
