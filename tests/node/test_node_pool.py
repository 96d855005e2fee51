"""The worker file as the executable of real jobs, on nodes that do not see the submit side's disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import smallimage
from condor_pool import Pools, session_pools
from dodas.containers.store import Store
from dodas.node import build, images
from dodas.node.sources import ImageFile, ImageSource
from dodas.step import Failure, Input, Output, Step
from node_sandboxes import Sandbox, script

# Submits one job for each directory in ``places`` and waits until all have left the queue.
_SUBMIT = """
import json, os, time
places, worker, more = json.loads(os.environ["JOBS"])
common = {
    "executable": worker, "arguments": "run order.json", "transfer_input_files": "order.json,in",
    "should_transfer_files": "yes", "transfer_output_files": "out", "output": "job.out", "error": "job.err",
    "request_memory": "100", "request_disk": "100000", "request_cpus": "1", **more,
}
submit = htcondor2.Submit({**common, "initialdir": "$(place)"})
cluster = schedd.submit(submit, itemdata=iter([{"place": place} for place in places])).cluster()
wanted = ["ProcId", "JobStatus", "HoldReason"]
while jobs := schedd.query(f"ClusterId == {cluster}", wanted):
    held = [job["HoldReason"] for job in jobs if job["JobStatus"] == 5]
    if held:
        schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {cluster}")
        raise SystemExit(held[0])
    time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pools, str]]:
    """A pool without a shared disk."""
    with session_pools(tmp_path_factory.mktemp("pools")) as of:
        yield of("far")


@pytest.fixture
def run(pool: tuple[Pools, str], tmp_path: Path) -> Callable[..., None]:
    """Run the jobs of sandboxes to their ends."""
    pools, name = pool

    def jobs(*places: Sandbox, **more: str) -> None:
        written = json.dumps([[str(one.path) for one in places], build.worker_file(), more])
        pools.python(name, _SUBMIT, JOBS=written)

    return jobs


def test_images_are_fetched_through_htcondor(
    tmp_path: Path, sandboxes: Callable[..., list[Sandbox]], run: Callable[..., None]
) -> None:
    """From paths with any name, by sixteen jobs at once."""
    store = tmp_path / "st'ore \\ é;"
    smallimage.fill(str(store), tmp_path)
    source = images.describe(Store(str(store)), smallimage.NAME)
    slots = sandboxes(16)
    for slot in slots:
        step = Step(id="s", name="s", argv=("/bin/cat", "/marker"), image=smallimage.NAME)
        slot.submit(step, images={smallimage.NAME: source}, pull="never")
    run(*slots, **{"+WantIOProxy": "true"})
    for slot in slots:
        result = slot.deliver()["s"]
        assert result.ok, (result, (slot.path / "job.err").read_text())
        assert source is not None
        assert result.image_digest == source.digest


def test_a_layer_that_is_gone_is_said_to_be(
    tmp_path: Path, sandbox: Sandbox, run: Callable[..., None]
) -> None:
    gone = ImageFile(digest=f"sha256:{'0' * 64}", size=9, path=str(tmp_path / "gone"))
    digest = f"sha256:{'1' * 64}"
    source = ImageSource(name=f"gone@{digest}", digest=digest, manifest="{}", config="{}", layers=(gone,))
    step = Step(id="s", name="s", argv=("/bin/true",), image="gone:1")
    sandbox.submit(step, images={"gone:1": source}, pull="never")
    run(sandbox, **{"+WantIOProxy": "true"})
    assert sandbox.report().steps == ()
    assert "it is not there" in sandbox.report().problem


def test_files_go_and_come_through_htcondor(
    tmp_path: Path, sandbox: Sandbox, run: Callable[..., None]
) -> None:
    place = tmp_path / "ho me,;"
    (place / "in dir" / "empty").mkdir(parents=True)
    (place / "in dir" / "tool").write_text("#!/bin/sh\necho from the tool\n")
    (place / "in dir" / "tool").chmod(0o755)
    (place / "in dir" / "none").write_bytes(b"")
    step = script(
        "s",
        "'./in dir/tool' > told; cp -r 'in dir' 'out, dir'; echo x > closed; chmod 400 closed",
        place,
        inputs=(Input(source=f"{place}/in dir", target=f"{place}/in dir"),),
        outputs=tuple(made(f"{place}/{name}") for name in ("told", "out, dir", "closed")),
    )
    lazy = script("lazy", ":", place, outputs=(made(f"{place}/no"),))
    sandbox.submit(step, lazy)
    run(sandbox)
    ends = sandbox.deliver()
    assert ends["s"].ok, ends
    assert ends["lazy"].failure is Failure.STAGE_OUT
    assert (place / "told").read_text() == "from the tool\n"
    assert os.access(place / "out, dir" / "tool", os.X_OK)
    assert (place / "out, dir" / "none").read_bytes() == b""
    assert list((place / "out, dir" / "empty").iterdir()) == []
    assert (place / "closed").stat().st_mode & 0o777 == 0o400


def made(path: str) -> Output:
    """Return an output that belongs where the step sees it."""
    return Output(path=path, destination=path)
