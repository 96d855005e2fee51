"""From a ``udocker run`` and a prepared root to a launch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dodas.containers.launch import Launch
from dodas.containers.prepared import ImageConfig, PreparedRoot
from dodas.errors import SpecError
from dodas.shims.account import Account, account, home_here
from dodas.shims.environment import environment, name_here
from dodas.shims.volumes import Mount, devices, mounts
from dodas.shims.words import Run

if TYPE_CHECKING:
    from dodas.backends.gpus import Gpu

_NOTHING_TO_RUN = ("bash", "-i")  # udocker's, where neither an image nor the user says what
_ARCHITECTURES = {
    "x86_64": ("amd64", "x86_64", "386", "i386"),
    "aarch64": ("arm64", "aarch64", "arm"),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
}


def is_foreign(architecture: str) -> bool:
    """Return whether what is built for an architecture needs an emulator here, which udocker may find."""
    known = _ARCHITECTURES.get(os.uname().machine)
    return bool(architecture) and known is not None and architecture not in known


def described(root: PreparedRoot) -> dict[str, Any]:
    """Return what the container of a prepared root says of its image."""
    try:
        with open(os.path.join(os.path.dirname(root.path), "container.json"), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def launch_of(  # noqa: PLR0917 - all of it is of one launch
    run: Run,
    root: PreparedRoot,
    image: Mapping[str, Any],
    engine: str,
    host: Mapping[str, str],
    held: ExitStack,
) -> Launch:
    """Return what ``run`` asks for.

    Args:
        run: The command line.
        root: Its image, prepared.
        image: What the image says, :func:`described`.
        engine: Name of the engine.
        host: The environment.
        held: Keeps what is made for the launch until that is over.

    Raises:
        SpecError: There is no such user, file or device.
    """
    from dodas.worker.choose import program_of  # noqa: PLC0415 - after the engine was chosen

    config = ImageConfig() if "--nometa" in run.flags else root.config
    shown = list(mounts(run.many.get("--volume", ())))
    if "--bindhome" in run.flags and (home := home_here()):
        shown.append((home, home, True))
    user = account(
        run.value("-u", "--user") or config.user,
        root.path,
        run.flags,
        {target: source for source, target, _ in shown},
    )
    gpus, libraries = _gpus(run.value("--gpus"))
    asked = run.many.get("--device", [])
    return Launch(
        engine=engine,
        program=program_of(engine),
        root=root.path,
        scratch="",
        argv=_argv(run, config),
        env=environment(
            given=run.many.get("--env", ()),
            files=run.many.get("--env-file", ()),
            image=config.env,
            account=user,
            container={
                "container_ruser": name_here(),
                "container_root": root.path,
                "container_uuid": root.container,
                "container_execmode": engine,
                "container_names": "",
            },
            host=host,
            whole_host="--hostenv" in run.flags,
        ),
        cwd=run.value("-w", "--workdir") or _workdir(config, image, user),
        mounts=(*_accounts(user, held), *libraries, *shown),
        as_root=user.is_root,
        ids=user.ids,
        gpus=devices(asked) if gpus is None else tuple(dict.fromkeys((*asked, *gpus))),
        cpus=_processors(run.value("--cpuset-cpus") or ""),
    )


def _argv(run: Run, config: ImageConfig) -> tuple[str, ...]:
    entrypoint = run.value("--entrypoint")
    if entrypoint is not None:  # an empty one takes the image's away, and its command with it
        return (*filter(None, entrypoint.split(" ")), *run.words) or _NOTHING_TO_RUN
    return (*config.entrypoint, *(run.words or config.cmd)) or _NOTHING_TO_RUN


def _workdir(config: ImageConfig, image: Mapping[str, Any], user: Account) -> str:
    """Return the image's working directory; where it names none, the user's home, as udocker does."""
    if config.workdir != "/":
        return config.workdir
    said = {} if config == ImageConfig() else image.get("config") or image.get("container_config") or {}
    return "/" if said.get("WorkingDir") else user.home


def _accounts(user: Account, held: ExitStack) -> list[Mount]:
    """Return the mounts of account files; those made for the launch are gone after it."""
    shown = [(source, target, False) for target, source in user.shown]
    return [*shown, *kept(user.files, held)]


def kept(files: Iterable[tuple[str, bytes]], held: ExitStack) -> list[Mount]:
    """Write files that are gone with the end of ``held``; return their mounts at the container's paths."""
    files = tuple(files)
    if not files:
        return []
    folder = own_folder(held)
    shown = []
    for target, content in files:
        path = os.path.join(folder, os.path.basename(target))
        with open(path, "xb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
        shown.append((path, target, False))
    return shown


def own_folder(held: ExitStack) -> str:
    """Return a new directory that is gone with the end of ``held``."""
    from dodas.containers.removal import remove_tree  # noqa: PLC0415 - seldom needed
    from dodas.worker.scratch import open_scratch  # noqa: PLC0415

    folder, lock = open_scratch()
    held.callback(os.close, lock)
    held.callback(remove_tree, folder)
    return folder


def _gpus(wanted: str | None) -> tuple[tuple[str, ...] | None, tuple[Mount, ...]]:
    """Return device files and mounts of the GPUs asked for; ``None`` for the files if none were."""
    if not wanted:
        return None, ()
    from dodas.backends import gpus  # noqa: PLC0415 - seldom needed

    chosen = _chosen(wanted, gpus.found())
    files = tuple(device for gpu in chosen for device in gpu.devices)
    return files, tuple((one.source, one.target, one.writable) for one in gpus.libraries(chosen))


def _chosen(wanted: str, found: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Return the GPUs of ``N``, ``all`` or ``device=0,1``, as docker has it."""
    kind, _, names = wanted.strip("\"'").partition("=")
    if kind == "device" and names:
        chosen = tuple(gpu for gpu in found if gpu.name in names.split(","))
        count = len(names.split(","))
    elif kind == "all" and found:
        return found
    else:
        count = int(kind) if kind.isdecimal() else len(found) + 1
        chosen = found[:count]
    if len(chosen) < count:
        raise SpecError(
            f"--gpus={wanted} is asked for, and {len(found)} GPUs can be used here",
            hint="look at CUDA_VISIBLE_DEVICES and at `ls /dev/nvidia* /dev/dri`",
        )
    return chosen


def _processors(text: str) -> tuple[int, ...]:
    """Return the processors that ``1,2,4-7`` means."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise SpecError(f"{text!r} is no list of processors", hint="write --cpuset-cpus=0,2-3")
        numbers.update(range(int(first), int(last or first) + 1))
    if numbers and not numbers & os.sched_getaffinity(0):
        raise SpecError(
            f"none of the processors {text} can be used here", hint="look at `nproc` and `taskset -p $$`"
        )
    return tuple(sorted(numbers))
