"""What a process may use: every place where a batch system or a container runtime may put a limit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dodas.backends import capacity, gpus
from dodas.step import GIB

V2 = "30 24 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
V1 = (
    "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def _machine(root: Path, files: dict[str, str]) -> str:
    """Make a machine with 16 GiB and the given files below ``root``."""
    for name, text in {"proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_without_groups_it_is_affinity_and_physical_memory(tmp_path: Path) -> None:
    machine = _machine(tmp_path, {})
    assert capacity.cores(machine, 6) == 6
    assert capacity.memory(machine) == 16 * GIB


def test_version_2_limits_of_every_ancestor_count(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/batch/job_7"
    machine = _machine(
        tmp_path,
        {
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": "0::/batch/job_7/step\n",
            f"{group}/step/cpu.max": "max 100000\n",
            f"{group}/step/memory.max": "max\n",
            f"{group}/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/batch/memory.max": str(3 * GIB),
        },
    )
    assert capacity.cores(machine, 6) == 2.5
    assert capacity.memory(machine) == 3 * GIB


def test_version_1_limits_beside_an_empty_unified_tree(tmp_path: Path) -> None:
    machine = _machine(
        tmp_path,
        {
            "proc/self/mountinfo": V1,
            "proc/self/cgroup": "5:memory:/job\n4:cpu,cpuacct:/job\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "150000",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": str(2 * GIB),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert capacity.cores(machine, 6) == 1.5
    assert capacity.memory(machine) == 2 * GIB


def test_a_container_sees_its_own_group_as_the_top(tmp_path: Path) -> None:
    machine = _machine(
        tmp_path,
        {
            # docker, version 1: the mount shows our group, the path is that of the host
            "proc/self/mountinfo": "32 24 0:28 /docker/c0ffee /sys/fs/cgroup/memory ro - cgroup c memory\n",
            "proc/self/cgroup": "5:memory:/docker/c0ffee\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(GIB),
        },
    )
    assert capacity.memory(machine) == GIB


@pytest.mark.parametrize("path", ["/../../other", "/a b/c:d", "/"])
def test_odd_group_paths_stay_below_the_mount(tmp_path: Path, path: str) -> None:
    machine = _machine(
        tmp_path,
        {
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": f"0::{path}\n",
            "sys/fs/cgroup/memory.max": str(GIB),
            "sys/memory.max": "1",
        },
    )
    assert capacity.memory(machine) == GIB


def test_broken_files_are_no_limit(tmp_path: Path) -> None:
    machine = _machine(
        tmp_path,
        {
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "nonsense",
            "sys/fs/cgroup/memory.max": "",
        },
    )
    assert capacity.cores(machine, 2) == 2
    assert capacity.memory(machine) == 16 * GIB


def test_this_machine_has_something() -> None:
    assert 0 < capacity.cores() <= len(os.sched_getaffinity(0))
    assert capacity.memory() > 1 << 24


NVIDIA = {
    f"proc/driver/nvidia/gpus/0000:0{n}:00.0/information": (
        f"Model: \t T4\nGPU UUID: \t GPU-{n}aaa\nDevice Minor: \t {n}\n"
    )
    for n in range(3)
}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, "012"), ("2,0", "20"), ("", ""), ("-1", ""), ("0,-1,1", "0"), ("GPU-1a", "1"), ("GPU-", "")],
)
def test_nvidia_gpus_as_far_as_they_are_visible(tmp_path: Path, visible: str | None, expected: str) -> None:
    devices = {f"dev/nvidia{n}": "" for n in range(3)} | {"dev/nvidiactl": "", "dev/nvidia-uvm": ""}
    machine = _machine(tmp_path, NVIDIA | devices)
    found = gpus.found(machine, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    assert "".join(gpu.name for gpu in found) == expected
    for gpu in found:
        names = [os.path.basename(device) for device in gpu.devices]
        assert names == [f"nvidia{gpu.name}", "nvidiactl", "nvidia-uvm"]


def test_amd_gpus_are_render_nodes_of_that_vendor(tmp_path: Path) -> None:
    files = {"dev/kfd": "", "dev/dri/renderD128": "", "dev/dri/renderD129": "", "dev/dri/card0": ""}
    vendors = {128: "0x1af4", 129: "0x1002"}
    files |= {f"sys/class/drm/renderD{node}/device/vendor": f"{vendor}\n" for node, vendor in vendors.items()}
    (gpu,) = gpus.found(_machine(tmp_path, files), {})
    assert [os.path.basename(device) for device in gpu.devices] == ["renderD129", "kfd"]
    assert gpus.environment((gpu,)) == (("ROCR_VISIBLE_DEVICES", "0"),)
    assert gpus.libraries((gpu,)) == ()


def test_the_driver_comes_along_and_nothing_else(tmp_path: Path) -> None:
    folder = "usr/lib/x86_64-linux-gnu"
    names = ("libcuda.so.550.1", "libnvidia-ml.so.1", "libcudart.so.12", "libc.so.6", "libnvidia-ml.so")
    machine = _machine(tmp_path, {f"{folder}/{name}": "" for name in names} | {"dev/nvidia0": ""})
    mounts = gpus.libraries(gpus.found(machine, {}), machine)
    assert [mount.target for mount in mounts] == [
        f"{gpus.LIBRARIES}/libcuda.so.550.1",
        f"{gpus.LIBRARIES}/libnvidia-ml.so.1",
    ]
    assert not any(mount.writable for mount in mounts)
