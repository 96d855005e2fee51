"""GPUs are lent to one step at a time, and a step sees its own only."""

from __future__ import annotations

from pathlib import Path

from dodas.backends.admission import Room
from dodas.backends.gpus import Gpu
from dodas.backends.jobs import Job
from dodas.backends.starts import Starts
from dodas.step import Resources, Step

OWN = tuple(
    Gpu(name=str(n), devices=(f"/dev/nvidia{n}", "/dev/nvidiactl"), vendor="nvidia") for n in range(3)
)


def job(step_id: str, gpus: int) -> Job:
    step = Step(id=step_id, name=step_id, argv=("true",), resources=Resources(gpus=gpus))
    return Job(step, 0, Room.of(step.resources))


def test_gpus_are_lent_and_come_back(tmp_path: Path) -> None:
    starts = Starts(str(tmp_path), OWN)
    first, second, third = job("a", 2), job("b", 1), job("c", 2)
    assert starts.launch(first).gpus == ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia1")
    launch = starts.launch(second)
    assert launch.gpus == ("/dev/nvidia2", "/dev/nvidiactl")
    assert ("CUDA_VISIBLE_DEVICES", "2") in launch.env
    starts.ended(first)
    starts.ended(first)
    assert starts.launch(third).gpus == ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia1")


def test_a_step_without_gpus_gets_none(tmp_path: Path) -> None:
    launch = Starts(str(tmp_path), OWN).launch(job("a", 0))
    assert launch.gpus == ()
    assert launch.env == ()
