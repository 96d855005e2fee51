"""Archives by real tools and by hand load exactly; damaged and hostile ones leave nothing."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dodas.containers.archives import import_tar, load
from dodas.containers.image import Image
from dodas.containers.prepare import prepare
from dodas.containers.progress import Progress
from dodas.containers.store import Store
from dodas.errors import DodasError, ImageCorrupt, ImageNotFound, SpecError
from image_making import (
    archive,
    configuration,
    descriptor,
    digest,
    directory,
    docker_archive,
    entry,
    hard_link,
    index,
    oci_files,
    symlink,
    tar,
    tree,
    write_files,
)
from image_processes import run_on_small_disk, start
from needs import need

LAYERS = [
    tar(
        directory("usr/bin"),
        entry("usr/bin/tool", os.urandom(100_000), mode=0o755),
        hard_link("usr/bin/alias", "usr/bin/tool"),
        symlink("bin", "usr/bin"),
        entry("etc/gone", b"x"),
    ),
    tar(entry("etc/.wh.gone"), entry("etc/kept", b"2"), entry("opt/dev/mod.py", b"3")),
]
OTHER = [tar(entry("other", b"1"))]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    from dodas.containers.layers import Layer, unpack

    where = tmp_path_factory.mktemp("expected")
    paths = [where / str(number) for number in range(len(LAYERS))]
    for path, content in zip(paths, LAYERS, strict=True):
        path.write_bytes(content)
    (where / "root").mkdir()
    unpack([Layer(path=str(path)) for path in paths], str(where / "root"), what="expected")
    return tree(where / "root")


def files(store: Store, image: Image) -> dict[str, object]:
    return tree(prepare(store, image.name, pull="never").path)


def nothing_left(store: Store) -> bool:
    layout = store.layout
    if not os.path.exists(layout.root):
        return True
    half = [name for name in os.listdir(layout.locks) if name.startswith("blob-")]
    return not (store.images() or os.listdir(layout.repos) or os.listdir(layout.tmp) or half)


class TestByHand:
    def test_docker_before_25(self, store: Store, tmp_path: Path, expected: dict[str, object]) -> None:
        path = docker_archive(tmp_path / "a.tar", ("thing:1", LAYERS))
        (image,) = load(store, str(path))
        assert (image.name, image.digest, image.layers) == (
            "thing:1",
            digest(configuration(LAYERS)),
            tuple(digest(layer) for layer in LAYERS),
        )
        assert files(store, image) == expected

    def test_docker_since_25(self, store: Store, tmp_path: Path, expected: dict[str, object]) -> None:
        content = oci_files(("", LAYERS), compress=bytes, kind="")
        config = digest(configuration(LAYERS))[7:]
        listed = [{"Config": f"blobs/sha256/{config}", "RepoTags": ["thing:1"], "Layers": []}]
        path = tmp_path / "a.tar"
        path.write_bytes(archive({**content, "manifest.json": json.dumps(listed).encode()}))
        (image,) = load(store, str(path))
        assert image.name == "thing:1"
        assert files(store, image) == expected

    def test_containerd(self, store: Store, tmp_path: Path) -> None:
        content = oci_files(("1.0", LAYERS))
        listed = json.loads(content["index.json"])
        listed["manifests"][0]["annotations"]["io.containerd.image.name"] = "docker.io/library/thing:1.0"
        path = tmp_path / "a.tar"
        path.write_bytes(archive({**content, "index.json": json.dumps(listed).encode()}))
        assert [image.name for image in load(store, str(path))] == ["thing:1.0"]

    def test_layers_that_are_links_or_compressed(
        self, store: Store, tmp_path: Path, expected: dict[str, object]
    ) -> None:
        config = configuration(LAYERS)
        names = ["id0/layer.tar", "one.tar.gz"]
        listed = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": names}]
        path = tmp_path / "a.tar"
        path.write_bytes(
            tar(
                symlink("id0/layer.tar", "../link.tar"),
                hard_link("link.tar", "real.tar"),
                entry("real.tar", LAYERS[0]),
                entry("one.tar.gz", gzip.compress(LAYERS[1])),
                entry("c.json", config),
                entry("./manifest.json", json.dumps(listed).encode()),
            )
        )
        (image,) = load(store, str(path))
        assert image.layers == tuple(digest(layer) for layer in LAYERS)
        assert files(store, image) == expected

    @pytest.mark.parametrize(
        "compress", [gzip.compress, lzma.compress, bz2.compress], ids=lambda one: one.__name__
    )
    def test_compressed_as_a_whole(
        self, store: Store, tmp_path: Path, compress: Callable[[bytes], bytes], expected: dict[str, object]
    ) -> None:
        path = docker_archive(tmp_path / "a.tar", ("thing:1", LAYERS))
        path.write_bytes(compress(path.read_bytes()))
        (image,) = load(store, str(path))
        assert files(store, image) == expected

    @pytest.mark.parametrize("packed", [True, False])
    def test_oci_layout(
        self, store: Store, tmp_path: Path, packed: bool, expected: dict[str, object]
    ) -> None:
        content = oci_files(("thing:1", LAYERS))
        path = tmp_path / "layout"
        if packed:
            path.write_bytes(archive(content))
        else:
            write_files(path, content)
        (image,) = load(store, str(path))
        manifest = json.loads(content["index.json"])["manifests"][0]["digest"]
        assert (image.name, image.digest) == ("thing:1", manifest)
        assert files(store, image) == expected

    def test_several_images(self, store: Store, tmp_path: Path, expected: dict[str, object]) -> None:
        path = docker_archive(tmp_path / "a.tar", ("a:1", LAYERS), ("quay.io/b/b:2", [*LAYERS, *OTHER]))
        images = load(store, str(path))
        assert [image.name for image in images] == ["a:1", "quay.io/b/b:2"]
        assert files(store, images[0]) == expected
        assert "other" in files(store, images[1])
        with pytest.raises(SpecError, match="several"):
            load(store, str(path), name="c:1")

    def test_several_names(self, store: Store, tmp_path: Path) -> None:
        listed = json.loads(oci_files(("a:1", OTHER))["index.json"])["manifests"]
        named = [
            {**listed[0], "annotations": {"org.opencontainers.image.ref.name": name}}
            for name in ("a:1", "b:2")
        ]
        path = write_files(tmp_path / "layout", {**oci_files(("a:1", OTHER)), "index.json": index(named)})
        images = load(store, str(path))
        assert [image.name for image in images] == ["a:1", "b:2"]
        assert len({image.digest for image in images}) == 1

    def test_a_name_of_ones_own(self, store: Store, tmp_path: Path) -> None:
        path = docker_archive(tmp_path / "a.tar", ("a:1", OTHER))
        assert [image.name for image in load(store, str(path), name="mine:2")] == ["mine:2"]
        assert [image.name for image in store.images()] == ["mine:2"]

    def test_without_a_name(self, store: Store, tmp_path: Path) -> None:
        path = write_files(tmp_path / "layout", oci_files(("", OTHER)))
        with pytest.raises(SpecError) as caught:
            load(store, str(path))
        assert "name" in caught.value.hint
        assert load(store, str(path), name="a:1")

    def test_indexes_in_indexes_and_platforms(self, store: Store, tmp_path: Path) -> None:
        one, two = oci_files(("", OTHER)), oci_files(("", LAYERS))
        manifests = [json.loads(content["index.json"])["manifests"][0] for content in (one, two)]
        platforms = [
            {**manifests[0], "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {**manifests[1], "platform": {"os": "linux", "architecture": "amd64"}},
            {
                **manifests[0],
                "digest": digest(b"attestation"),
                "platform": {"os": "unknown", "architecture": "unknown"},
            },
        ]
        inner = index(platforms)
        middle = index([descriptor(digest(inner), inner)])
        blobs = {f"blobs/sha256/{digest(content)[7:]}": content for content in (inner, middle)}
        outer = index([descriptor(digest(middle), middle, "multi:1")])
        path = write_files(tmp_path / "layout", {**one, **two, **blobs, "index.json": outer})
        (image,) = load(store, str(path), platform="linux/amd64")
        assert (
            image.layers == tuple(digest(gzip.compress(layer)) for layer in LAYERS) or len(image.layers) == 2
        )
        (image,) = load(store, str(path), platform="linux/arm64", name="arm:1")
        assert len(image.layers) == 1
        with pytest.raises(ImageNotFound):
            load(store, str(path), platform="linux/s390x")

    def test_loading_twice_changes_nothing(self, store: Store, tmp_path: Path) -> None:
        path = docker_archive(tmp_path / "a.tar", ("a:1", LAYERS))
        assert load(store, str(path)) == load(store, str(path))

    def test_progress_reaches_the_end(self, store: Store, tmp_path: Path) -> None:
        told: list[Progress] = []
        load(store, str(docker_archive(tmp_path / "a.tar", ("a:1", LAYERS))), progress=told.append)
        assert {word.done for word in told if word.done == word.total} == {len(layer) for layer in LAYERS}


class TestRealTools:
    @pytest.fixture
    def layout(self, tmp_path: Path) -> Path:
        return write_files(tmp_path / "layout", oci_files(("thing:1", LAYERS)))

    @pytest.mark.parametrize(
        ("target", "options"),
        [
            ("docker-archive:{}:docker.io/library/thing:1", []),
            ("oci-archive:{}:thing:1", []),
            ("oci-archive:{}:thing:1", ["--dest-compress-format=zstd"]),
            ("oci-archive:{}:thing:1", ["--format=v2s2"]),
            ("oci:{}:thing:1", []),
        ],
    )
    def test_skopeo(
        self,
        store: Store,
        tmp_path: Path,
        layout: Path,
        target: str,
        options: list[str],
        expected: dict[str, object],
    ) -> None:
        if "zstd" in str(options):
            need("zstd")
        path = tmp_path / "out"
        skopeo = [need("skopeo"), "copy", "--quiet", "--insecure-policy", *options, f"oci:{layout}:thing:1"]
        copied = subprocess.run([*skopeo, target.format(path)], capture_output=True, text=True, check=False)
        if "v2s2" in str(options) and copied.returncode:
            pytest.skip(copied.stderr.strip())
        assert copied.returncode == 0, copied.stderr
        (image,) = load(store, str(path))
        assert image.name == "thing:1"
        assert files(store, image) == expected

    @pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
    @pytest.mark.skipif(os.geteuid() != 0, reason="podman of an ordinary user needs subordinate ids")
    def test_podman(
        self, store: Store, tmp_path: Path, layout: Path, kind: str, expected: dict[str, object]
    ) -> None:
        with tempfile.TemporaryDirectory(prefix="run") as runroot:  # podman wants a short path
            where = [f"--root={tmp_path}/podman", f"--runroot={runroot}", "--storage-driver=vfs"]
            path, names = self.save([need("podman"), *where], layout, kind)
            images = load(store, str(path))
        assert {image.name for image in images} == set(names)
        assert files(store, images[0]) == expected

    def save(self, podman: list[str], layout: Path, kind: str) -> tuple[Path, list[str]]:
        loaded = subprocess.run(
            [*podman, "pull", "-q", f"oci:{layout}:thing:1"], capture_output=True, text=True, check=False
        )
        if loaded.returncode:
            pytest.skip(f"podman does not work here: {loaded.stderr.strip()}")
        identity = loaded.stdout.strip()
        subprocess.run([*podman, "tag", identity, "localhost/thing:1", "quay.io/a/b:2"], check=True)
        names = ["localhost/thing:1"] if kind == "oci-archive" else ["localhost/thing:1", "quay.io/a/b:2"]
        path = layout.parent / "saved.tar"
        subprocess.run([*podman, "save", "-q", f"--format={kind}", "-o", str(path), *names], check=True)
        return path, names


class TestHostile:
    @pytest.mark.parametrize(
        "layer",
        ["../../../../../../etc/passwd", "/etc/passwd", "link", "loop", "folder", "missing", ""],
    )
    def test_layers_are_members_of_the_archive(self, store: Store, tmp_path: Path, layer: str) -> None:
        config = configuration([b"x"])
        listed = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": [layer]}]
        path = tmp_path / "a.tar"
        path.write_bytes(
            tar(
                symlink("link", "/etc/passwd"),
                symlink("loop", "loop"),
                directory("folder"),
                entry("c.json", config),
                entry("manifest.json", json.dumps(listed).encode()),
            )
        )
        with pytest.raises(ImageCorrupt):
            load(store, str(path))
        assert nothing_left(store)

    def test_blobs_of_a_directory_are_in_it(self, store: Store, tmp_path: Path) -> None:
        content = oci_files(("a:1", OTHER))
        path = write_files(tmp_path / "layout", content)
        victim = next(name for name in content if content[name][:2] == b"\x1f\x8b")
        (tmp_path / "outside").write_bytes(content[victim])
        (path / victim).unlink()
        (path / victim).symlink_to(tmp_path / "outside")
        with pytest.raises(ImageCorrupt, match="missing"):
            load(store, str(path))

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"", SpecError),
            (b"<!DOCTYPE html><p>please log in" + b" " * 600, ImageCorrupt),
            (os.urandom(2000), ImageCorrupt),
            (gzip.compress(os.urandom(2000)), ImageCorrupt),
            (gzip.compress(tar(entry("x", os.urandom(9999))))[:3000], ImageCorrupt),
            (tar(entry("etc/passwd", b"root")), SpecError),
            (tar(entry("manifest.json", b"[]")), SpecError),
            (tar(entry("manifest.json", b"{")), ImageCorrupt),
            (tar(entry("manifest.json", b'[{"Config": 1}]')), ImageCorrupt),
            (tar(entry("manifest.json", b"[" * 100_000)), ImageCorrupt),
            (
                tar(
                    entry("manifest.json", b'[{"Config":"c","Layers":[],"RepoTags":["../x:1"]}]'),
                    entry("c", b"{}"),
                ),
                SpecError,
            ),
            (tar(entry("repositories", b"{}")), SpecError),
            (archive({"oci-layout": b"", "index.json": b"[]"}), ImageCorrupt),
            (archive({"oci-layout": b"", "index.json": b'{"manifests":[1]}'}), ImageCorrupt),
            (
                archive({"oci-layout": b"", "index.json": b'{"manifests":[{"digest":"sha256:../../x"}]}'}),
                ImageCorrupt,
            ),
        ],
        ids=range(15),
    )
    def test_other_things_are_refused_with_advice(
        self, store: Store, tmp_path: Path, content: bytes, kind: type[DodasError]
    ) -> None:
        path = tmp_path / "a.tar"
        path.write_bytes(content)
        with pytest.raises(kind) as caught:
            load(store, str(path))
        assert caught.value.hint
        assert nothing_left(store)

    def test_what_is_not_there(self, store: Store, tmp_path: Path) -> None:
        for path in (tmp_path / "absent", tmp_path):
            with pytest.raises(SpecError):
                load(store, str(path))

    def test_every_changed_byte_is_noticed(self, store: Store, tmp_path: Path) -> None:
        whole = archive(oci_files(("a:1", OTHER)))
        path = tmp_path / "a.tar"
        for at in range(0, len(whole) - 1024, 97):
            changed = bytearray(whole)
            changed[at] ^= 0x41
            path.write_bytes(changed)
            try:
                images = load(store, str(path))
                assert [files(store, image) for image in images] == [{"other": b"1"}]
            except DodasError:
                continue

    def test_every_truncation_is_noticed(self, store: Store, tmp_path: Path) -> None:
        whole = archive(oci_files(("a:1", OTHER)))
        end = len(whole.rstrip(b"\0"))
        path = tmp_path / "a.tar"
        for length in range(0, end, 211):
            path.write_bytes(whole[:length])
            with pytest.raises(DodasError):
                load(store, str(path))
        assert nothing_left(store)

    def test_a_wrong_size_or_count_of_layers(self, store: Store, tmp_path: Path) -> None:
        content = oci_files(("a:1", LAYERS))
        listed = json.loads(content["index.json"])["manifests"][0]
        manifest = json.loads(content[f"blobs/sha256/{listed['digest'][7:]}"])
        for change in ("size", "count"):
            wrong = json.loads(json.dumps(manifest))
            if change == "size":
                wrong["layers"][0]["size"] += 1
            else:
                del wrong["layers"][0]
            changed = json.dumps(wrong).encode()
            named = descriptor(digest(changed), changed, "a:1")
            more = {f"blobs/sha256/{digest(changed)[7:]}": changed, "index.json": index([named])}
            with pytest.raises(ImageCorrupt):
                load(store, str(write_files(tmp_path / change, {**content, **more})))
        assert store.images() == []


LOAD = """
import sys
from dodas.containers.archives import load
from dodas.containers.store import Store
def tell(word):
    if len(sys.argv) > 3:
        print("PAUSE", flush=True)
        sys.stdin.readline()
print([image.digest for image in load(Store(sys.argv[1]), sys.argv[2], progress=tell)])
"""


class TestProcesses:
    def test_sixteen_at_once(self, store: Store, tmp_path: Path, expected: dict[str, object]) -> None:
        path = docker_archive(tmp_path / "a.tar", ("a:1", LAYERS))
        processes = [start(LOAD, store.root, path) for _ in range(16)]
        said = [process.communicate() for process in processes]
        assert [err for _, err in said if err] == []
        assert len({out for out, _ in said}) == 1
        assert files(store, store.image("a:1")) == expected

    def test_killed_and_done_again(self, store: Store, tmp_path: Path, expected: dict[str, object]) -> None:
        path = docker_archive(tmp_path / "a.tar", ("a:1", LAYERS))
        for pauses in range(3):
            process = start(LOAD, store.root, path, "pause")
            assert process.stdin is not None and process.stdout is not None
            for _ in range(pauses):
                process.stdout.readline()
                process.stdin.write("\n")
                process.stdin.flush()
            process.stdout.readline()
            process.kill()
            process.communicate()
        (image,) = load(store, str(path))
        assert files(store, image) == expected
        assert os.listdir(store.layout.tmp) == []

    def test_full_disk(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        path = docker_archive(tmp_path / "a.tar", ("a:1", [tar(entry("x", os.urandom(8 << 20)))]))
        packed = tmp_path / "a.tar.gz"
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
        code = """
import os, sys
from dodas.containers.archives import load, import_tar
from dodas.containers.store import Store
from dodas.errors import StoreError
store = Store(sys.argv[1])
plain, packed = sys.argv[2:]
for act in (lambda: load(store, plain), lambda: load(store, packed), lambda: import_tar(store, plain, "a:1")):
    try:
        act()
    except StoreError as error:
        layout = store.layout
        print("full" in str(error), os.listdir(layout.tmp), os.listdir(layout.layers), store.images())
"""
        said = run_on_small_disk(disk, "4m", code, disk / "store", path, packed)
        assert said == "True [] [] []\n" * 3


class TestRootFileSystems:
    @pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress], ids=lambda one: one.__name__)
    def test_become_images(self, store: Store, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
        path = tmp_path / "root.tar"
        path.write_bytes(compress(LAYERS[0]))
        image = import_tar(store, str(path), "mine:1")
        assert (image.name, image.diff_ids) == ("mine:1", (digest(LAYERS[0]),))
        assert "usr/bin/tool" in files(store, image)

    def test_are_the_same_image_each_time(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "root.tar"
        path.write_bytes(LAYERS[0])
        first, second = import_tar(store, str(path), "a:1"), import_tar(store, str(path), "b:1")
        assert first.digest == second.digest

    @pytest.mark.parametrize(
        "content",
        [b"", b"<html>", tar(), tar(entry("x", b"1" * 3000))[:2000], gzip.compress(tar(entry("x")))[:-9]],
        ids=["nothing", "a page", "no entries", "cut short", "cut short and compressed"],
    )
    def test_that_are_none_are_refused(self, store: Store, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "root.tar"
        path.write_bytes(content)
        with pytest.raises(ImageCorrupt) as caught:
            import_tar(store, str(path), "a:1")
        assert caught.value.hint
        assert nothing_left(store)

    def test_want_a_name(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "root.tar").write_bytes(LAYERS[0])
        with pytest.raises(SpecError):
            import_tar(store, str(tmp_path / "root.tar"), "Not A Name")
        with pytest.raises(SpecError):
            import_tar(store, str(tmp_path / "absent"), "a:1")
        assert nothing_left(store)
