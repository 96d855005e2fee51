"""From a command line of apptainer and a prepared root to a launch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from dodas.containers.engines import accounts
from dodas.containers.launch import Launch
from dodas.containers.prepared import ImageConfig, PreparedRoot
from dodas.shims.apptainer.environment import asked_for, environment
from dodas.shims.apptainer.options import Unknown
from dodas.shims.apptainer.places import Places
from dodas.shims.environment import name_here
from dodas.shims.launch import kept, own_folder
from dodas.shims.volumes import Mount, devices
from dodas.shims.words import Run

_SHELLS = ("/bin/bash", "/bin/sh")
_GPUS = frozenset(("nv", "nvccli", "rocm"))


def launch_of(  # noqa: PLR0917 - all of it is of one launch
    verb: str, run: Run, root: PreparedRoot, engine: str, host: Mapping[str, str], held: ExitStack
) -> Launch:
    """Return what ``run`` asks for.

    Args:
        verb: ``exec``, ``run`` or ``shell``.
        run: The command line.
        root: Its image, prepared.
        engine: Name of the engine.
        host: The environment.
        held: Keeps what is made for the launch until that is over.

    Raises:
        SpecError: There is no such file or directory, or something cannot be read.
        Unknown: Only apptainer itself can do it.
    """
    from dodas.worker.choose import program_of  # noqa: PLC0415 - after the engine was chosen

    if "no-umask" in run.flags:
        os.umask(0o022)
    places = Places(run, root, host, partial(own_folder, held))
    libraries = _libraries(run)
    as_root = "fakeroot" in run.flags
    container = {"HOME": places.home, "PWD": places.cwd, **_about(verb, run)}
    user = [] if as_root else kept(_accounts(root.path, places.home), held)
    return Launch(
        engine=engine,
        program=program_of(engine),
        root=root.path,
        scratch="",
        argv=_argv(verb, run, root),
        env=environment(
            asked=asked_for(run.many.get("env", ()), run.many.get("env-file", ()), host),
            image=root.config.env,
            container=container,
            host=host,
            clean="cleanenv" in run.flags,
        ),
        cwd=places.cwd,
        mounts=(*user, *libraries, *places.mounts),
        network=_network(run),
        as_root=as_root,
        gpus=devices(()) if "contain" not in run.flags or _GPUS & run.flags else (),
    )


def _argv(verb: str, run: Run, root: PreparedRoot) -> tuple[str, ...]:
    config: ImageConfig = root.config
    if verb == "exec":
        if not run.words:
            raise Unknown("an exec without a command")
        return run.words
    if verb == "run":
        return (*config.entrypoint, *(run.words or config.cmd)) or (_SHELLS[-1],)
    shell = run.one.get("shell") or next(
        (path for path in _SHELLS if os.path.lexists(root.path + path)), _SHELLS[-1]
    )
    return (shell, *run.words)


def _about(verb: str, run: Run) -> dict[str, str]:
    """Return what a container is told of itself."""
    path = run.image if "://" in run.image else os.path.abspath(run.image)
    about = {"CONTAINER": path, "NAME": os.path.basename(path)}
    both = {
        f"{prefix}_{name}": value for prefix in ("APPTAINER", "SINGULARITY") for name, value in about.items()
    }
    prompt = {"PS1": "Apptainer> "} if verb == "shell" else {}
    return {**both, "APPTAINER_COMMAND": verb, **prompt}


def _accounts(root: str, home: str) -> tuple[tuple[str, bytes], ...]:
    """Return account files with the user's name on this machine, and the home of the container.

    None where the image says so already, as most do of root.
    """
    uid, gid = os.geteuid(), os.getegid()
    passwd, group = (accounts.read(f"{root}/etc/{name}") for name in ("passwd", "group"))
    if uid == 0 and b":x:0:0:" in passwd:
        return ()
    own = os.fsencode(f"{name_here()}:x:{uid}:{gid}::{home}:/bin/sh\n")
    # The first entry that fits is the one that counts.
    return (("/etc/passwd", own + passwd), ("/etc/group", accounts.with_group(group, gid)))


def _network(run: Run) -> bool:
    """Return whether the command reaches the network."""
    wanted = run.one.get("network", "none" if "net" in run.flags else "")
    if wanted not in ("", "none"):
        raise Unknown(f"option --network={wanted}")
    return not wanted


def _libraries(run: Run) -> tuple[Mount, ...]:
    if not _GPUS & run.flags:
        return ()
    from dodas.backends import gpus  # noqa: PLC0415 - seldom needed

    return tuple((one.source, one.target, one.writable) for one in gpus.libraries(gpus.found()))
