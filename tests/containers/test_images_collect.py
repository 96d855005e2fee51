"""What is removed, what stays, and that nothing goes from under a running step."""

from __future__ import annotations

import os
import random
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from dodas.containers.archives import load
from dodas.containers.collect import gc, inspect, remove
from dodas.containers.prepare import prepare, using
from dodas.containers.store import Store
from dodas.errors import ImageNotFound, StoreError
from image_making import add, directory, docker_archive, entry, tar, tree
from image_processes import start, udocker

BASE = tar(entry("base", os.urandom(50_000)))


def layer(name: str) -> bytes:
    return tar(entry(name, os.urandom(20_000)), directory("ro", mode=0o500), entry("ro/x", b"1", mode=0o400))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def age(path: str, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def containers(store: Store) -> set[str]:
    return {name for name in os.listdir(store.layout.containers) if not name.startswith("dodas-")}


class TestRemove:
    def test_takes_what_nothing_else_needs(self, store: Store) -> None:
        image = add(store, "a:1", BASE, layer("a"))
        other = add(store, "b:1", BASE, layer("b"))
        prepare(store, "a:1")
        report = remove(store, "a:1")
        assert [item.kind for item in report.removed] == ["container", "image", "layer", "layer"]
        assert report.freed > 70_000
        assert store.images() == [other]
        assert set(os.listdir(store.layout.layers)) == {*other.layers, other.id}
        assert os.listdir(store.layout.containers) == os.listdir(store.layout.trash) == []
        with pytest.raises(ImageNotFound):
            remove(store, "a:1")
        assert image.layers[0] in other.layers

    def test_by_name_takes_that_name_only(self, store: Store) -> None:
        image = add(store, "a:1", BASE)
        add(store, "b:1", BASE)
        root = prepare(store, "a:1")
        remove(store, "a:1")
        assert [one.name for one in store.images()] == ["b:1"]
        assert prepare(store, "b:1") == root
        assert os.path.exists(store.layout.blob(image.layers[0]))

    @pytest.mark.parametrize("digits", [71, 20])
    def test_by_digest_takes_all_names(self, store: Store, digits: int) -> None:
        image = add(store, "a:1", BASE)
        add(store, "b:1", BASE)
        remove(store, image.digest[:digits])
        assert store.images() == []
        assert os.listdir(store.layout.layers) == []

    def test_by_container_leaves_the_image(self, store: Store) -> None:
        image = add(store, "a:1", BASE)
        prepare(store, "a:1")
        remove(store, image.container)
        assert store.images() == [image]
        assert os.listdir(store.layout.containers) == []

    def test_never_takes_what_a_step_uses(self, store: Store) -> None:
        add(store, "a:1", BASE)
        with using(store, "a:1") as root:
            with pytest.raises(StoreError, match="step"):
                remove(store, "a:1")
            assert os.path.exists(f"{root.path}/base")
            assert store.image("a:1").digest == root.digest
        remove(store, "a:1")

    def test_respects_what_udocker_protects(self, store: Store) -> None:
        image = add(store, "a:1", BASE)
        udocker(store.root, "protect", "a:1")
        with pytest.raises(StoreError) as caught:
            remove(store, "a:1")
        assert "udocker unprotect a:1" in caught.value.hint
        udocker(store.root, "unprotect", "a:1")
        prepare(store, "a:1")
        udocker(store.root, "protect", image.container)
        with pytest.raises(StoreError, match="protected"):
            remove(store, "a:1")
        assert gc(store, keep_bytes=0).removed == []


class TestCollection:
    def test_of_a_sound_store_takes_nothing(self, store: Store) -> None:
        add(store, "a:1", BASE, layer("a"))
        prepare(store, "a:1")
        for name in os.listdir(store.layout.layers):
            age(store.layout.blob(name), 1e6)
        assert gc(store).removed == []

    def test_takes_the_longest_unused_until_the_rest_fits(self, store: Store) -> None:
        roots = []
        for number in range(4):
            add(store, f"a:{number}", layer(str(number)))
            roots.append(prepare(store, f"a:{number}"))
            age(roots[-1].lock, 1000 * (4 - number))
        prepare(Store(store.root), "a:0")  # used again now
        size = inspect(store, "a:0")["prepared"]["size"]
        report = gc(store, keep_bytes=int(size * 2.5))
        assert {item.name for item in report.removed} == {roots[1].container, roots[2].container}
        assert containers(store) == {roots[0].container, roots[3].container}
        assert len(store.images()) == 4

    def test_takes_what_is_older(self, store: Store) -> None:
        for name in ("old", "new"):
            add(store, f"{name}:1", layer(name))
        old, new = prepare(store, "old:1"), prepare(store, "new:1")
        age(old.lock, 7200)
        assert [item.name for item in gc(store, older_than=timedelta(hours=1)).removed] == [old.container]
        assert containers(store) == {new.container}

    def test_leaves_what_a_step_uses_and_says_so(self, store: Store) -> None:
        add(store, "a:1", layer("a"))
        with using(store, "a:1") as root:
            report = gc(store, keep_bytes=0)
            assert (report.removed, report.in_use) == ([], [root.container])
            assert os.path.exists(f"{root.path}/a")
        assert [item.name for item in gc(store, keep_bytes=0).removed] == [root.container]

    def test_leaves_what_a_step_of_another_process_uses_until_it_dies(self, store: Store) -> None:
        add(store, "a:1", layer("a"))
        code = """
import sys
from dodas.containers.prepare import using
from dodas.containers.store import Store
with using(Store(sys.argv[1]), "a:1"):
    print("in", flush=True)
    sys.stdin.read()
"""
        process = start(code, store.root)
        assert process.stdout is not None
        process.stdout.readline()
        assert len(gc(store, keep_bytes=0).in_use) == 1
        process.kill()
        process.communicate()
        assert gc(store, keep_bytes=0).in_use == []
        assert containers(store) == set()

    def test_leaves_a_damaged_root_to_the_steps_that_run_in_it(self, store: Store) -> None:
        add(store, "a:1", layer("a"))
        with using(store, "a:1") as root:
            inside = os.open(root.path, os.O_RDONLY)
            Path(root.path, "intruder").touch()
            assert prepare(store, "a:1") == root
            assert gc(store).removed == []
            assert "a" in os.listdir(inside)
            os.close(inside)
        assert [item.kind for item in gc(store).removed] == ["leftover"]
        assert os.listdir(store.layout.trash) == []

    def test_takes_the_locks_of_what_is_gone(self, store: Store) -> None:
        add(store, "a:1", layer("a"))
        prepare(store, "a:1")
        gc(store, keep_bytes=0)
        assert set(os.listdir(store.layout.locks)) == {"layers.lock", "images.lock", "collect.lock"}

    def test_takes_what_the_dead_have_left(self, store: Store) -> None:
        add(store, "a:1", BASE)
        layout = store.layout
        for path in (layout.temporary("make-x"), layout.temporary("blob-ab"), layout.temporary("images")):
            os.makedirs(f"{path}/deep/er")
            Path(path, "deep", "file").write_bytes(b"x" * 5000)
        os.mkdir(os.path.join(layout.trash, "gone"), 0o000)
        os.makedirs(layout.tag("half", "made"))
        Path(layout.tag("half", "made"), "manifest").touch()
        os.symlink("nowhere", layout.container("dodas-x-1234"))
        Path(layout.blob(f"sha256:{'0' * 64}")).touch()
        age(layout.blob(f"sha256:{'0' * 64}"), 7200)
        dry = gc(store, dry_run=True)
        assert len(os.listdir(layout.tmp)) == 3
        report = gc(store)
        assert report == dry
        assert len(report.removed) == 7
        assert report.freed > 15_000
        assert os.listdir(layout.tmp) == os.listdir(layout.trash) == os.listdir(layout.containers) == []
        assert os.listdir(layout.repos) == ["a"]
        assert gc(store).removed == []

    def test_leaves_what_the_living_make(self, store: Store) -> None:
        with store.adding(), store.blob() as blob:
            blob.write(b"x")
            Path(store.layout.blob(f"sha256:{'0' * 64}")).touch()
            age(store.layout.blob(f"sha256:{'0' * 64}"), 7200)
            assert gc(store).removed == []
        assert os.path.exists(store.layout.blob(blob.digest))

    def test_takes_roots_that_were_changed_or_whose_image_is_gone(self, store: Store) -> None:
        add(store, "a:1", layer("a"))
        add(store, "b:1", layer("b"))
        changed, orphan = prepare(store, "a:1"), prepare(store, "b:1")
        Path(changed.path, "intruder").touch()
        udocker(store.root, "rmi", "b:1")
        assert {item.name for item in gc(store).removed} == {changed.container, orphan.container}

    def test_leaves_containers_of_udocker(self, store: Store) -> None:
        add(store, "a:1", BASE)
        container = udocker(store.root, "create", "a:1").strip().splitlines()[-1]
        assert gc(store, keep_bytes=0, older_than=timedelta(0)).removed == []
        assert containers(store) == {container}

    def test_of_nothing(self, store: Store) -> None:
        assert gc(store).removed == []


EVERYTHING = """
import sys
from dodas.containers.archives import load
from dodas.containers.collect import gc, remove
from dodas.containers.prepare import prepare
from dodas.containers.store import Store
from dodas.errors import ImageNotFound
store = Store(sys.argv[1])
try:
    load(store, sys.argv[2])
    prepare(store, "a:1", pull="never")
    gc(store)
    remove(store, "a:1")
except ImageNotFound:
    pass  # another one was quicker
"""


def test_processes_that_do_everything_at_once_and_die_leave_a_sound_store(
    store: Store, tmp_path: Path
) -> None:
    layers = [tar(*(entry(f"{one}/{two}", os.urandom(9000)) for two in range(200))) for one in range(3)]
    path = docker_archive(tmp_path / "a.tar", ("a:1", layers))
    chance = random.Random(7)
    for _ in range(8):
        processes = [start(EVERYTHING, store.root, path) for _ in range(3)]
        with suppress(subprocess.TimeoutExpired):
            processes[0].wait(chance.uniform(0.1, 0.6))
        for process in processes[:2]:
            process.kill()
        said = [process.communicate()[1] for process in processes]
        assert said == ["", "", ""]
    load(store, str(path))
    assert len(tree(prepare(store, "a:1", pull="never").path)) == 603
    gc(store)
    assert os.listdir(store.layout.tmp) == os.listdir(store.layout.trash) == []
    assert gc(store).removed == []


def test_inspect_tells_all(store: Store) -> None:
    image = add(store, "a:1", BASE, Env=["A=1"])
    add(store, "b:1", BASE, Env=["A=1"])
    assert inspect(store, "a:1")["prepared"] is None
    with using(store, "a:1") as root:
        told = inspect(store, image.digest)
    assert told["names"] == ["a:1", "b:1"]
    assert told["prepared"]["path"] == root.path
    assert told["prepared"]["in_use"] is True
    assert told["configuration"]["config"]["Env"] == ["A=1"]
    assert (told["digest"], told["platform"], told["layers"]) == (
        image.digest,
        "linux/amd64",
        list(image.layers),
    )
