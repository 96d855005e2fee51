"""Preparing what must be pulled first, from a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.containers.prepare import prepare
from dodas.containers.progress import Progress
from dodas.containers.store import Store
from dodas.errors import ImageNotFound
from image_making import tree
from image_processes import start
from registry_server import Registry, make_image, run_registry

FILES = {"bin/sh": b"#!", "etc/issue": b"one"}
PREPARE = """
import sys
from dodas.containers.prepare import prepare
from dodas.containers.store import Store
print(prepare(Store(sys.argv[1]), sys.argv[2]).path)
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with run_registry(tmp_path / "registry") as running:
        running.push(make_image(FILES, {"etc/issue": b"two"}), "a/b:1", tmp_path)
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_missing_image_is_pulled_and_unpacked(store: Store, registry: Registry) -> None:
    told: list[Progress] = []
    root = prepare(store, f"{registry.host}/a/b:1", progress=told.append)
    assert tree(root.path)["etc/issue"] == b"two"
    assert {word.what.split()[0] for word in told} == {"layer", "unpacking"}
    assert prepare(store, root.digest, pull="never") == root


def test_one_that_is_not_to_be_pulled_is_not(store: Store, registry: Registry) -> None:
    with pytest.raises(ImageNotFound):
        prepare(store, f"{registry.host}/a/b:1", pull="never")
    with pytest.raises(ImageNotFound):
        prepare(store, f"{registry.host}/a/b:2")


def test_a_newer_one_is_used_when_asked_for(store: Store, registry: Registry, tmp_path: Path) -> None:
    name = f"{registry.host}/a/b:1"
    old = prepare(store, name)
    registry.push(make_image({"etc/issue": b"three"}), "a/b:1", tmp_path)
    assert prepare(store, name) == old
    new = prepare(store, name, pull="always")
    assert tree(new.path)["etc/issue"] == b"three"
    assert prepare(store, name) == new


def test_a_damaged_layer_is_pulled_again(store: Store, registry: Registry) -> None:
    name = f"{registry.host}/a/b:1"
    root = prepare(store, name)
    layer = Path(store.layout.blob(store.image(name).layers[0]))
    content = bytearray(layer.read_bytes())
    content[len(content) // 2] ^= 1
    layer.write_bytes(content)
    Path(root.path, "etc/issue").unlink()
    (Path(root.path).parent / "READY").unlink()
    assert prepare(store, name) == root
    assert tree(root.path)["etc/issue"] == b"two"


def test_sixteen_processes_pull_and_unpack_once(store: Store, registry: Registry) -> None:
    processes = [start(PREPARE, store.root, f"{registry.host}/a/b:1") for _ in range(16)]
    said = [process.communicate() for process in processes]
    assert [err for _, err in said if err] == []
    assert len({out for out, _ in said}) == 1
