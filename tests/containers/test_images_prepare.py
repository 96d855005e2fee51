"""One prepared root per image: made once by whoever comes first, whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dodas.containers import locks
from dodas.containers.prepare import prepare, using
from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import Progress
from dodas.containers.store import Store
from dodas.errors import ImageCorrupt, ImageNotFound
from dodas.paths import data_dir
from image_making import add, directory, entry, tar, tree
from image_processes import run_on_small_disk, start, udocker
from needs import need

SMALL = tar(entry("bin/sh", b"#!", mode=0o755), directory("tmp", mode=0o1777))
BIG = [tar(*(entry(f"d{layer}/{number}", os.urandom(50_000)) for number in range(200))) for layer in range(2)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def leftovers(store: Store) -> list[str]:
    return [*os.listdir(store.layout.tmp), *os.listdir(store.layout.trash)]


class TestPreparedRoot:
    def test_holds_the_image(self, store: Store) -> None:
        image = add(
            store, "a:1", SMALL, tar(entry("bin/.wh.sh"), entry("x", b"1")), Env=["A=1"], WorkingDir="/w"
        )
        root = prepare(store, "a:1")
        assert tree(root.path) == {"bin": None, "tmp": None, "x": b"1"}
        assert (root.digest, root.config) == (image.digest, image.config)
        assert root.container == image.container
        assert leftovers(store) == []

    def test_is_one_for_all_names_of_an_image(self, store: Store) -> None:
        image = add(store, "a:1", SMALL)
        add(store, "docker.io/library/b:2", SMALL)
        names = ["a:1", "docker.io/library/a:1", "b:2", image.digest, image.id[7:20], image.container]
        roots = {prepare(store, name) for name in names}
        assert len(roots) == 1
        assert (
            len([name for name in os.listdir(store.layout.containers) if not name.startswith("dodas-")]) == 1
        )

    def test_is_remembered_and_costs_no_work_again(self, store: Store) -> None:
        add(store, "a:1", *BIG)
        told: list[Progress] = []
        first = prepare(store, "a:1", progress=told.append)
        assert told
        told.clear()
        assert prepare(store, "a:1", progress=told.append) is first
        assert prepare(Store(store.root), "a:1", progress=told.append) == first
        assert told == []

    def test_follows_a_moved_tag(self, store: Store) -> None:
        add(store, "a:1", SMALL)
        old = prepare(store, "a:1")
        add(store, "a:1", SMALL, tar(entry("new", b"1")))
        assert tree(prepare(store, "a:1").path)["new"] == b"1"
        assert "new" not in tree(old.path)

    def test_keeps_the_modes_that_overlays_copy_up(self, store: Store) -> None:
        add(store, "a:1", SMALL)
        root = prepare(store, "a:1")
        assert os.stat(f"{root.path}/tmp").st_mode & 0o7777 == 0o1777
        assert os.stat(f"{root.path}/bin").st_mode & 0o7777 == 0o755

    def test_of_an_image_that_is_not_there(self, store: Store) -> None:
        for name in ("a:1", f"sha256:{'0' * 64}"):
            with pytest.raises(ImageNotFound):
                prepare(store, name, pull="never")

    def test_for_another_platform_is_not_given(self, store: Store) -> None:
        add(store, "a:1", SMALL)
        assert prepare(store, "a:1", platform="linux/amd64", pull="never") == prepare(store, "a:1")
        with pytest.raises(ImageNotFound, match="linux/amd64"):
            prepare(store, "a:1", platform="linux/arm64", pull="never")

    def test_of_an_image_without_layers(self, store: Store) -> None:
        add(store, "empty:1")
        assert tree(prepare(store, "empty:1").path) == {}


class TestDamage:
    @pytest.mark.parametrize("damage", ["container", "root", "mark", "entry", "added", "mark-content"])
    def test_of_a_root_is_noticed_and_mended(self, store: Store, damage: str) -> None:
        add(store, "a:1", SMALL)
        root = prepare(store, "a:1")
        whole = tree(root.path)
        container = Path(root.path).parent
        damages: dict[str, Callable[[], object]] = {
            "container": partial(shutil.rmtree, container),
            "root": partial(shutil.rmtree, root.path),
            "mark": (container / "READY").unlink,
            "entry": partial(shutil.rmtree, f"{root.path}/bin"),
            "added": Path(root.path, "intruder").touch,
            "mark-content": partial((container / "READY").write_text, "{"),
        }
        damages[damage]()
        assert prepare(store, "a:1") == root
        assert tree(root.path) == whole
        assert leftovers(store) == []

    def test_of_a_layer_is_noticed_and_mended_by_bringing_it_again(self, store: Store) -> None:
        image = add(store, "a:1", SMALL)
        path = Path(store.layout.blob(image.layers[0]))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(ImageCorrupt, match=image.layers[0]) as caught:
            prepare(store, "a:1", pull="never")
        assert caught.value.hint
        assert leftovers(store) == []
        assert not path.exists()
        with pytest.raises(ImageCorrupt, match="gone"):
            prepare(store, "a:1", pull="never")
        add(store, "a:1", SMALL)
        assert "bin/sh" in tree(prepare(store, "a:1", pull="never").path)

    def test_of_digests_in_the_configuration(self, store: Store) -> None:
        image = add(store, "a:1", SMALL, packed=False)
        other = tar(entry("bin/sh", b"evil", mode=0o755))
        Path(store.layout.blob(image.layers[0])).write_bytes(other)
        with pytest.raises(ImageCorrupt, match="digest"):
            prepare(store, "a:1", pull="never")
        assert not os.path.exists(store.layout.container(image.container))


PREPARE = """
import sys
from dodas.containers.prepare import prepare
from dodas.containers.store import Store
def tell(word):
    print(word.what, word.done, flush=True)
    if word.done > int(sys.argv[3]) and "unpacking" in word.what:
        print("PAUSE", flush=True)
        sys.stdin.readline()
print("READY", prepare(Store(sys.argv[1]), sys.argv[2], progress=tell).path, flush=True)
"""
NEVER = 1 << 60


class TestManyProcesses:
    def test_sixteen_unpack_once_and_wait_aloud(self, store: Store) -> None:
        add(store, "a:1", *BIG)
        processes = [start(PREPARE, store.root, "a:1", NEVER) for _ in range(16)]
        said = [process.communicate() for process in processes]
        assert [err for _, err in said if err] == []
        assert len({out.splitlines()[-1] for out, _ in said}) == 1
        assert sum("unpacking a:1" in out for out, _ in said) == 1
        assert leftovers(store) == []

    def test_those_who_wait_say_so(self, store: Store) -> None:
        add(store, "a:1", *BIG)
        first = start(PREPARE, store.root, "a:1", 0)
        wait_for(first, "PAUSE")
        second = start(PREPARE, store.root, "a:1", NEVER)
        wait_for(second, "waiting for another process that unpacks a:1 0")
        assert first.stdin is not None
        for _ in range(100):
            first.stdin.write("\n")
        first.stdin.close()
        first.stdin = None
        ended = [first.communicate()[0], second.communicate()[0]]
        assert ended[0].splitlines()[-1] == ended[1].splitlines()[-1]
        assert "unpacking" not in ended[1]

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_the_next_one_redoes_what_a_killed_one_left(self, store: Store, how: signal.Signals) -> None:
        image = add(store, "a:1", *BIG)
        process = start(PREPARE, store.root, "a:1", 0)
        wait_for(process, "PAUSE")
        process.send_signal(how)
        process.communicate()
        assert not os.path.exists(store.layout.container(image.container))
        root = prepare(store, "a:1")
        assert len(tree(root.path)) == 402
        assert leftovers(store) == []

    def test_threads_of_one_process_as_well(self, store: Store) -> None:
        add(store, "a:1", *BIG)
        found: list[PreparedRoot] = []
        threads = [threading.Thread(target=lambda: found.append(prepare(store, "a:1"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1


class TestUsing:
    def test_holds_the_lock_together_with_others(self, store: Store) -> None:
        add(store, "a:1", SMALL)
        with using(store, "a:1") as root, using(store, "a:1"):
            assert locks.is_held(root.lock)
        with locks.try_exclusive(root.lock) as free:
            assert free

    def test_comes_back_with_a_root_after_a_removal(self, store: Store) -> None:
        add(store, "a:1", SMALL)
        root = prepare(store, "a:1")
        holding, release = threading.Event(), threading.Event()

        def remove() -> None:
            with locks.exclusive(root.lock):
                holding.set()
                release.wait()
                shutil.rmtree(Path(root.path).parent)

        thread = threading.Thread(target=remove)
        thread.start()
        holding.wait()
        threading.Timer(0.05, release.set).start()
        with using(store, "a:1") as again:
            assert tree(again.path)
        thread.join()


class TestDisks:
    def test_full(self, tmp_path: Path) -> None:
        code = """
import os, sys
from image_making import add, entry, tar
from dodas.containers.prepare import prepare
from dodas.containers.store import Store
from dodas.errors import StoreError
store = Store(sys.argv[1])
add(store, "a:1", tar(entry("small", b"x"), entry("huge", bytes(20 << 20))))
try:
    prepare(store, "a:1")
except StoreError as error:
    print("full" in str(error), "gc" in error.hint)
print(os.listdir(store.layout.containers), os.listdir(store.layout.tmp), os.listdir(store.layout.trash))
"""
        assert run_on_small_disk(tmp_path, "8m", code, tmp_path / "store") == "True True\n[] [] []\n"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_root_prepared_by_somebody_else_is_used(self, store: Store) -> None:
        add(store, "a:1", SMALL)
        root = prepare(store, "a:1")
        paths = [path for path, _, _ in os.walk(store.root)]
        for path in paths:
            os.chmod(path, 0o555)
        os.chmod(root.lock, 0o444)
        try:
            with using(Store(store.root), "a:1", pull="never") as again:
                assert again == root
        finally:
            for path in paths:
                os.chmod(path, 0o755)


class TestUdocker:
    def test_lists_it_under_a_name_that_says_what_it_is(self, store: Store) -> None:
        add(store, "quay.io/some/thing:1.0", SMALL)
        root = prepare(store, "quay.io/some/thing:1.0")
        line = next(line for line in udocker(store.root, "ps").splitlines() if root.container in line)
        assert "dodas-quay_io_some_thing_1_0" in line
        assert "quay.io/some/thing:1.0" in line
        assert json.loads(udocker(store.root, "inspect", root.container))["os"] == "linux"

    def test_removes_it_and_dodas_makes_it_again(self, store: Store) -> None:
        add(store, "a:1", SMALL, tar(directory("ro", mode=0o555), entry("ro/x", mode=0o444)))
        root = prepare(store, "a:1")
        udocker(store.root, "rm", root.container)
        assert os.listdir(store.layout.containers) == []
        assert prepare(store, "a:1") == root
        assert os.path.exists(f"{root.path}/ro/x")

    def test_runs_a_command_in_it(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        set_up = os.path.join(data_dir(), "bin", "proot")
        monkeypatch.setenv(
            "UDOCKER_USE_PROOT_EXECUTABLE", set_up if os.path.exists(set_up) else need("proot")
        )
        box = entry("bin/busybox", Path(need("busybox")).read_bytes(), mode=0o755)
        accounts = [entry("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"), entry("etc/group", b"root:x:0:\n")]
        add(store, "box:1", tar(box, directory("tmp"), directory("root"), *accounts))
        root = prepare(store, "box:1")
        command = ["/bin/busybox", "echo", "hello"]
        assert udocker(store.root, "run", "--nobanner", root.container, *command).splitlines()[-1] == "hello"

    def test_images_that_udocker_imported_are_prepared(self, store: Store, tmp_path: Path) -> None:
        store.layout.make()
        (tmp_path / "root.tar").write_bytes(SMALL)
        udocker(store.root, "import", str(tmp_path / "root.tar"), "mine:1")
        assert "bin/sh" in tree(prepare(store, "mine:1").path)


def wait_for(process: object, text: str) -> None:
    assert process.stdout is not None  # type: ignore[attr-defined]
    for line in process.stdout:  # type: ignore[attr-defined]
        if line.strip() == text:
            return
    pytest.fail(f"never said {text!r}")
