"""Images on nodes: brought once, kept within bounds, never from under a step."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import registry_server
import smallimage
from dodas.containers import garbage
from dodas.containers.reference import Reference
from dodas.containers.registry.pull import pull
from dodas.containers.store import Store
from dodas.node import images
from dodas.node.sources import ImageSource
from dodas.step import Failure, Mount, Step
from image_making import add, entry, symlink, tar
from needs import need
from node_sandboxes import Sandbox, pythons

Slots = Callable[..., list[Sandbox]]


def described(store: str, name: str = smallimage.NAME) -> ImageSource:
    source = images.describe(Store(store), name)
    assert source is not None
    return source


def sent(source: ImageSource, sandbox: Sandbox) -> ImageSource:
    """Return a source whose layers travel with the job."""
    layers = tuple(replace(layer, blob=sandbox.take(layer.path)) for layer in source.layers)
    return replace(source, layers=layers)


def in_image(*argv: str, image: str = smallimage.NAME, **more: Any) -> Step:
    return Step(id="s", name="s", argv=argv, image=image, **more)


def roots(cache: Path) -> list[str]:
    containers = cache / "store" / "containers"
    return (
        [path.name for path in containers.iterdir() if not path.is_symlink()] if containers.exists() else []
    )


@pytest.mark.parametrize("python", pythons(), ids=os.path.basename)
def test_a_step_in_a_container(tmp_path: Path, sandbox: Sandbox, small_store: str, python: str) -> None:
    sandbox.cache, sandbox.python = tmp_path / "cache", python
    (tmp_path / "out").mkdir()
    (tmp_path / "in.txt").write_text("hello\n")
    source = described(small_store)
    step = in_image(
        *("/bin/sh", "-c", "cat /marker /in/here.txt - > made; pwd"),
        cwd="/var/spool/cwl",
        stdin=f"{tmp_path}/in.txt",
        stdout=f"{tmp_path}/out/told",
        mounts=(
            Mount(source=f"{tmp_path}/out", target="/var/spool/cwl", writable=True),
            Mount(source=f"{tmp_path}/in.txt", target="/in/here.txt"),
        ),
    )
    sandbox.submit(step, images={smallimage.NAME: sent(source, sandbox)}, pull="never")
    done = sandbox.run()
    assert done.returncode == 0, (done.stderr, sandbox.report())
    result = sandbox.deliver()["s"]
    assert result.ok, result
    assert result.image_digest == source.digest
    assert (tmp_path / "out" / "made").read_text() == "image\nhello\nhello\n"
    assert (tmp_path / "out" / "told").read_text() == "/var/spool/cwl\n"


def test_a_view_in_which_nothing_is_declared_is_the_nodes_own(
    tmp_path: Path, sandbox: Sandbox, small_store: str
) -> None:
    own = tmp_path / "node's"
    own.mkdir()
    (own / "file").write_text("of the node\n")
    source = sent(described(small_store), sandbox)
    step = in_image(
        *("/bin/cat", "/data/file"),
        stdout=f"{tmp_path}/told",
        mounts=(Mount(source=str(own), target="/data", whole=False),),
    )
    order = sandbox.submit(step, images={smallimage.NAME: source}, pull="never")
    assert order.steps[0].brought == ()
    assert sandbox.run().returncode == 0
    sandbox.deliver()
    assert (tmp_path / "told").read_text() == "of the node\n"


def test_many_jobs_bring_an_image_once(tmp_path: Path, sandboxes: Slots, small_store: str) -> None:
    slots = sandboxes(16, tmp_path / "cache")
    for slot in slots:
        source = sent(described(small_store), slot)
        slot.submit(in_image("/bin/cat", "/marker"), images={smallimage.NAME: source}, pull="never")
    running = [slot.start() for slot in slots]
    for process in running:
        assert process.stderr is not None
        with process.stderr:
            assert (process.stderr.read(), process.wait(120)) == ("", 0)
    assert [str(end) for slot in slots if not (end := slot.deliver()["s"]).ok] == []
    assert len(roots(tmp_path / "cache")) == 1
    for place in ("tmp", "trash"):
        assert os.listdir(tmp_path / "cache" / "store" / ".dodas" / place) == []


def test_an_image_that_is_there_is_not_asked_for(sandboxes: Slots, tmp_path: Path, small_store: str) -> None:
    first, second = sandboxes(2, tmp_path / "cache")
    source = described(small_store)
    first.submit(in_image("/bin/true"), images={smallimage.NAME: sent(source, first)}, pull="never")
    assert first.run().returncode == 0
    second.submit(in_image("/bin/true"), images={smallimage.NAME: source}, pull="never")
    assert second.run().returncode == 0
    assert second.deliver()["s"].ok


@pytest.fixture
def kinds(tmp_path: Path, small_store: str) -> list[ImageSource]:
    """Four images of some megabytes each that have nothing in common."""
    store = Store(str(tmp_path / "many"))
    busybox = Path(need("busybox")).read_bytes()
    for number in range(4):
        parts = (
            entry("bin/busybox", busybox, mode=0o755),
            *(symlink(f"bin/{name}", "busybox") for name in ("sh", "cat", "true", "sleep")),
            entry("number", b"%d\n" % number),
        )
        add(store, f"kind{number}:1", tar(*parts))
    return [described(store.root, f"kind{number}:1") for number in range(4)]


def test_the_cache_stays_within_its_bound(tmp_path: Path, sandboxes: Slots, kinds: list[ImageSource]) -> None:
    """The longest unused go; what a step runs in stays, whatever the bound."""
    cache = tmp_path / "cache"
    slots = sandboxes(5, cache)
    held, *others = slots
    mark = smallimage.token()
    held.submit(
        in_image("/bin/sh", "-c", f"sleep {mark}; cat /number", image="kind0:1", stdout=f"{tmp_path}/number"),
        images={"kind0:1": sent(kinds[0], held)},
    )
    holding = held.start()
    smallimage.wait_for_marked(f"sleep {mark}")
    one = garbage.disk_usage(str(cache / "store"))
    for number, slot in zip((1, 2, 3, 1), others, strict=True):
        source = sent(kinds[number], slot)
        step = in_image("/bin/true", image=source.name)
        slot.submit(step, images={source.name: source}, pull="never", cache_bytes=int(2.5 * one))
        assert slot.run().returncode == 0, slot.report()
        assert slot.deliver()["s"].ok
        assert garbage.disk_usage(str(cache / "store")) < 3 * one
    assert len(roots(cache)) == 2
    for process in smallimage.marked(f"sleep {mark}") and smallimage.marked(mark):
        if process.name() in ("sleep", "busybox"):
            process.terminate()
    assert holding.wait(60) == 0
    assert holding.stderr is not None
    holding.stderr.close()
    held.deliver()
    assert (tmp_path / "number").read_text() == "0\n"


def test_a_file_that_may_not_grow_is_the_nodes_failure(
    tmp_path: Path, sandbox: Sandbox, small_store: str
) -> None:
    """As a quota has it; what was begun is gone, and the same node can do it later."""
    sandbox.cache = tmp_path / "cache"
    sandbox.submit(in_image("/bin/true"))  # brings the worker there, whatever becomes of the image
    sandbox.run()
    source = sent(described(small_store), sandbox)
    sandbox.submit(in_image("/bin/true"), images={smallimage.NAME: source}, pull="never")
    limit = source.size // 2
    done = subprocess.run(
        sandbox.words("order.json"),
        cwd=sandbox.path,
        env=sandbox.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    assert done.returncode == 75
    assert "store" in sandbox.report().problem
    store = sandbox.cache / "store"
    assert os.listdir(store / ".dodas" / "tmp") == []
    assert not any(name.startswith("sha256") for name in os.listdir(store / "layers"))
    assert sandbox.run().returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_cache_is_the_nodes_failure(
    sandbox: Sandbox, small_disk: Path, small_store: str, node_cache: Path
) -> None:
    (small_disk / "padding").write_bytes(bytes(3 << 20))
    (small_disk / "worker").symlink_to(node_cache / "worker")
    sandbox.submit(in_image("/bin/true"))
    sandbox.run()
    sandbox.cache = small_disk
    sandbox.submit(
        in_image("/bin/true"), images={smallimage.NAME: sent(described(small_store), sandbox)}, pull="never"
    )
    assert sandbox.run().returncode == 75
    assert "is full" in sandbox.report().problem
    (small_disk / "padding").unlink()
    assert os.listdir(small_disk / "store" / ".dodas" / "tmp") == []


def test_a_step_that_meets_a_full_disk_is_to_be_run_elsewhere(
    small_disk: Path, node_cache: Path, tmp_path: Path
) -> None:
    (small_disk / "sandbox").mkdir()
    sandbox = Sandbox(small_disk / "sandbox", node_cache)
    path = os.environ["PATH"]
    words = ("/bin/sh", "-c", "cat /dev/zero > big")
    sandbox.submit(Step(id="s", name="s", argv=words, cwd=str(tmp_path), env=(("PATH", path),)))
    assert sandbox.run().returncode == 75
    assert "is full" in sandbox.report().problem


def test_an_image_that_nobody_has_is_the_steps_failure(sandbox: Sandbox) -> None:
    sandbox.submit(in_image("/bin/true", image="absent:1"), images={"absent:1": None}, pull="never")
    assert sandbox.run().returncode == 0
    result = sandbox.deliver()["s"]
    assert result.failure is Failure.CONTAINER
    assert "absent:1" in result.reason


def test_an_image_that_no_way_leads_to_is_the_nodes_failure(
    tmp_path: Path, sandbox: Sandbox, small_store: str
) -> None:
    sandbox.cache = tmp_path / "cache"
    sandbox.submit(in_image("/bin/true"), images={smallimage.NAME: described(small_store)}, pull="never")
    assert sandbox.run().returncode == 75
    assert "no way to fetch it" in sandbox.report().problem


def test_a_layer_that_was_damaged_on_its_way_is_not_used(
    tmp_path: Path, sandbox: Sandbox, small_store: str
) -> None:
    sandbox.cache = tmp_path / "cache"
    source = sent(described(small_store), sandbox)
    sandbox.submit(in_image("/bin/true"), images={smallimage.NAME: source}, pull="never")
    layer = sandbox.path / "in" / source.layers[0].blob
    content = bytearray(layer.read_bytes())
    content[len(content) // 2] ^= 1
    layer.write_bytes(content)
    assert sandbox.run().returncode == 75
    assert "digest" in sandbox.report().problem
    assert roots(sandbox.cache) == []


@pytest.mark.parametrize("known", [True, False], ids=["by digest", "by name"])
def test_nodes_pull_from_registries(tmp_path: Path, sandbox: Sandbox, known: bool) -> None:
    """Without requests, which nodes do not have; exactly the image that the submit side knows, if it does."""
    sandbox.cache = tmp_path / "cache"
    sandbox.python = os.path.realpath(sys.executable)  # not every Python was built to speak HTTPS
    image = registry_server.make_image({"bin/sh": Path(need("busybox")).read_bytes(), "marker": b"pulled\n"})
    with registry_server.run_registry(tmp_path / "registry") as registry:
        registry.push(image, "some/thing:1", tmp_path)
        name = f"{registry.host}/some/thing:1"
        source = None
        if known:
            pull(Store(str(tmp_path / "store")), Reference.parse(name))
            source = described(str(tmp_path / "store"), name)
        step = in_image("/bin/sh", "-c", "read x < /marker; echo $x", image=name, stdout=f"{tmp_path}/told")
        sandbox.submit(step, images={name: source})
        done = sandbox.run()
    assert done.returncode == 0, (done.stderr, sandbox.report())
    assert sandbox.deliver()["s"].ok, sandbox.report()
    assert (tmp_path / "told").read_text() == "pulled\n"


def test_udocker_understands_the_store_of_a_node(sandbox: Sandbox, small_store: str) -> None:
    source = sent(described(small_store), sandbox)
    sandbox.submit(in_image("/bin/true"), images={smallimage.NAME: source}, pull="never")
    assert sandbox.run().returncode == 0
    shipped = next((sandbox.cache / "worker").glob("*/bin/udocker"))
    env = {**sandbox.environment(), "UDOCKER_DIR": str(sandbox.cache / "store"), "UDOCKER_TARBALL": ""}
    allow = ["--allow-root"] if os.geteuid() == 0 else []
    for command, expected in (("images", "small"), ("ps", "small")):
        done = subprocess.run([shipped, *allow, command], env=env, capture_output=True, text=True, check=True)
        assert expected in done.stdout
