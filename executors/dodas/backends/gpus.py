"""The GPUs of this machine, and what a step needs to see of them.

A step that asks for GPUs gets the device files of exactly those it was given, and for NVIDIA the driver's
own libraries, which an image cannot bring because they must match the kernel module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from dodas.step import Mount
from dodas.values import dataclass

# Where images made for NVIDIA's runtime look for the driver (LD_LIBRARY_PATH of nvidia/cuda).
LIBRARIES = "/usr/local/nvidia/lib64"
_SHARED_NVIDIA = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
_AMD = "0x1002"
_DRIVER_LIBRARY = re.compile(r"lib(cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[a-z0-9-]+)\.so(\.\d+)+")
_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        name: What the vendor's environment variable calls it: its number.
        devices: Device files that must be there for it.
        vendor: ``nvidia`` or ``amd``.
    """

    name: str
    devices: tuple[str, ...]
    vendor: str


def found(root: str = "/", environ: Mapping[str, str] | None = None) -> tuple[Gpu, ...]:
    """Return the GPUs that this process may use, ``CUDA_VISIBLE_DEVICES`` respected.

    Args:
        root: Where ``dev``, ``proc`` and ``sys`` are found.
        environ: Environment; ``None`` is this process's.
    """
    visible = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
    return tuple(_visible(list(_nvidia(root)), visible, root)) or tuple(_amd(root))


def environment(gpus: tuple[Gpu, ...]) -> tuple[tuple[str, str], ...]:
    """Return the variables that keep a program without a container to ``gpus``."""
    numbers = ",".join(gpu.name for gpu in gpus)
    if gpus and gpus[0].vendor == "amd":
        return (("ROCR_VISIBLE_DEVICES", numbers),)
    return (("CUDA_VISIBLE_DEVICES", numbers),)


def libraries(gpus: tuple[Gpu, ...], root: str = "/") -> tuple[Mount, ...]:
    """Return the mounts that bring NVIDIA's driver libraries into a container."""
    if not any(gpu.vendor == "nvidia" for gpu in gpus):
        return ()
    sources: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in _names(os.path.join(root, folder)):
            if _DRIVER_LIBRARY.fullmatch(name):
                sources.setdefault(name, os.path.join(root, folder, name))
    return tuple(Mount(source=sources[name], target=f"{LIBRARIES}/{name}") for name in sorted(sources))


def _nvidia(root: str) -> Iterator[Gpu]:
    folder = os.path.join(root, "dev")
    numbers = sorted(int(name[6:]) for name in _names(folder) if re.fullmatch(r"nvidia\d+", name))
    shared = tuple(path for name in _SHARED_NVIDIA if os.path.exists(path := os.path.join(folder, name)))
    for number in numbers:
        yield Gpu(
            name=str(number), devices=(os.path.join(folder, f"nvidia{number}"), *shared), vendor="nvidia"
        )


def _amd(root: str) -> Iterator[Gpu]:
    compute = os.path.join(root, "dev/kfd")
    folder = os.path.join(root, "dev/dri")
    if not os.path.exists(compute):
        return
    nodes = sorted(int(name[7:]) for name in _names(folder) if re.fullmatch(r"renderD\d+", name))
    amd = [node for node in nodes if _vendor(root, node) == _AMD]
    for index, node in enumerate(amd):
        yield Gpu(name=str(index), devices=(os.path.join(folder, f"renderD{node}"), compute), vendor="amd")


def _vendor(root: str, node: int) -> str:
    return _text(os.path.join(root, f"sys/class/drm/renderD{node}/device/vendor")).strip()


def _visible(gpus: list[Gpu], visible: str | None, root: str) -> Iterator[Gpu]:
    if visible is None:
        yield from gpus
        return
    by_name = {gpu.name: gpu for gpu in gpus}
    by_uuid = {uuid: by_name[number] for uuid, number in _uuids(root) if number in by_name}
    for word in visible.split(","):
        # The driver stops at the first word it does not know (CUDA programming guide, "-1" hides the rest).
        gpu = by_name.get(word.strip()) or _abbreviated(by_uuid, word.strip())
        if gpu is None:
            return
        yield gpu


def _abbreviated(by_uuid: dict[str, Gpu], word: str) -> Gpu | None:
    matches = [gpu for uuid, gpu in by_uuid.items() if word.startswith("GPU-") and uuid.startswith(word)]
    return matches[0] if len(matches) == 1 else None


def _uuids(root: str) -> Iterator[tuple[str, str]]:
    folder = os.path.join(root, "proc/driver/nvidia/gpus")
    for name in _names(folder):
        lines = _text(os.path.join(folder, name, "information")).splitlines()
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        if "GPU UUID" in facts and "Device Minor" in facts:
            yield facts["GPU UUID"].strip(), facts["Device Minor"].strip()


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
