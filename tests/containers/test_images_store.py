"""The store: udocker's own layout, nothing half-made, many processes at once."""

from __future__ import annotations

import json
import os
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dodas.containers.image import manifest_of
from dodas.containers.reference import Reference
from dodas.containers.store import Store, lookup
from dodas.errors import ImageCorrupt, ImageNotFound, SpecError, StoreError
from image_making import add, configuration, digest, entry, tar
from image_processes import run_on_small_disk, start, udocker

LAYER = tar(entry("bin/sh", b"#!", mode=0o755), entry("etc/passwd", b"root:x:0:0:::/bin/sh\n"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


class TestNames:
    @pytest.mark.parametrize(
        ("filed", "asked"),
        [
            ("debian:bookworm", "docker.io/library/debian:bookworm"),
            ("docker.io/library/debian:1", "debian:1"),
            ("debian", "debian:latest"),
            ("quay.io/biocontainers/bwa:0.7.17--h7132678_9", "quay.io/biocontainers/bwa:0.7.17--h7132678_9"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            (f"debian@sha256:{'ab' * 32}", f"docker.io/library/debian@sha256:{'ab' * 32}"),
        ],
    )
    def test_mean_what_they_mean_to_docker(self, store: Store, filed: str, asked: str) -> None:
        image = add(store, filed, LAYER)
        assert store.image(asked) == image
        assert str(Reference.parse(image.name)) == str(Reference.parse(filed))
        assert [one.name for one in store.images()] == [image.name]

    def test_a_registry_is_part_of_a_name(self, store: Store) -> None:
        add(store, "debian:1", LAYER)
        for other in ("quay.io/debian:1", "localhost/debian:1", "localhost:5000/library/debian:1"):
            with pytest.raises(ImageNotFound) as caught:
                store.image(other)
            assert f"dodas image pull {other}" in caught.value.hint

    def test_of_udocker_need_not_be_names_of_docker(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "root.tar").write_bytes(LAYER)
        store.layout.make()
        udocker(store.root, "import", str(tmp_path / "root.tar"), "MyOwn:Image")
        assert store.image("MyOwn:Image").layers
        with pytest.raises(SpecError):
            store.image("MyOwn:Other")

    @pytest.mark.parametrize("text", ["../../etc:x", "a/../b:x", "A/..", "/etc/passwd", "A:../x", "", "A\0"])
    def test_lead_nowhere_else(self, store: Store, text: str) -> None:
        with pytest.raises(SpecError):
            store.image(text)


class TestLookup:
    def test_finds_by_digest_id_container_and_their_beginnings(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        add(store, "b:1", LAYER, Cmd=["x"])
        for text in (
            image.digest,
            image.digest[7:],
            image.id,
            image.id[7:19],
            image.digest[:16],
            image.container,
        ):
            assert lookup(store, text) == image

    def test_wants_enough_digits(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        for short in (image.digest[:9], image.digest[7:10], f"sha256:{'0' * 64}", "0" * 12):
            with pytest.raises(ImageNotFound):
                lookup(store, short)

    def test_a_name_wins_over_an_id(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        named = add(store, f"{image.id[7:19]}:latest", LAYER, Cmd=["other"])
        assert lookup(store, image.id[7:19]) == named


class TestImages:
    def test_say_how_they_want_to_be_run(self, store: Store) -> None:
        image = add(
            store,
            "a:1",
            LAYER,
            Env=["A=1", "B=x=y", "broken", "E="],
            Entrypoint=["/e"],
            Cmd=None,
            WorkingDir="/w",
            User="u",
        )
        assert image.config.env == (("A", "1"), ("B", "x=y"), ("E", ""))
        assert (image.config.entrypoint, image.config.cmd) == (("/e",), ())
        assert (image.config.workdir, image.config.user) == ("/w", "u")
        assert (image.created, image.platform) == ("2024-05-06T07:08:09Z", "linux/amd64")

    def test_of_one_digest_share_their_layers(self, store: Store) -> None:
        one, two = add(store, "a:1", LAYER), add(store, "b:1", LAYER)
        assert one.digest == two.digest
        assert len(os.listdir(store.layout.layers)) == 2

    def test_a_moved_tag_is_the_new_image_at_once(self, store: Store) -> None:
        old = add(store, "a:1", LAYER)
        new = add(store, "a:1", LAYER, tar(entry("new")))
        assert store.image("a:1") == new != old
        links = {name for name in os.listdir(store.layout.tag("a", "1")) if name.startswith("sha256:")}
        assert links == {new.id, *new.layers}

    def test_whose_layers_are_not_there_are_refused(self, store: Store) -> None:
        config = configuration([LAYER])
        manifest = manifest_of((digest(config), len(config)), [(digest(LAYER), len(LAYER), "")])
        with pytest.raises(ImageCorrupt):
            store.add_image("a:1", config, manifest, [digest(LAYER)], digest(manifest))
        with pytest.raises(ImageCorrupt):
            store.add_image("a:1", config, manifest, [], digest(manifest))
        assert store.images() == []

    def test_with_a_damaged_description_are_said_to_be(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        Path(store.layout.blob(image.id)).write_text("{}")
        with pytest.raises(ImageCorrupt):
            store.image("a:1")
        assert store.images() == []
        assert add(store, "b:1", tar(entry("x"))).name == "b:1"

    def test_a_name_within_a_name(self, store: Store) -> None:
        add(store, "a:b", LAYER)
        add(store, "a/b:c", LAYER)
        store.forget("a", "b")
        assert [image.name for image in store.images()] == ["a/b:c"]
        store.forget("a/b", "c")
        assert os.listdir(store.layout.repos) == []


class TestBlobs:
    def test_with_another_digest_or_size_are_not_admitted(self, store: Store) -> None:
        for wrong in ({"digest": digest(b"other")}, {"digest": digest(b"content"), "size": 8}):
            with pytest.raises(ImageCorrupt), store.blob(**wrong) as blob:
                blob.write(b"content")
        with pytest.raises(ImageCorrupt), store.blob("sha256:../../x"):
            pass
        assert os.listdir(store.layout.layers) == os.listdir(store.layout.tmp) == []

    def test_begin_anew_when_told(self, store: Store) -> None:
        with store.blob(digest(b"right")) as blob:
            blob.write(b"wrong and longer")
            blob.restart()
            blob.write(b"right")
            assert blob.written == 5
        assert Path(store.layout.blob(digest(b"right"))).read_bytes() == b"right"

    def test_learn_their_digest(self, store: Store) -> None:
        with store.blob() as blob:
            blob.write(b"x")
        assert blob.digest == digest(b"x")

    def test_leave_nothing_when_the_writer_fails(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.blob(digest(b"x")) as blob:
            blob.write(b"x")
            raise ZeroDivisionError
        assert os.listdir(store.layout.tmp) == os.listdir(store.layout.layers) == []
        assert not [name for name in os.listdir(store.layout.locks) if name.startswith("blob-")]

    def test_of_the_wrong_size_are_brought_again(self, store: Store) -> None:
        store.layout.make()
        Path(store.layout.blob(digest(b"right"))).write_bytes(b"cut")
        with store.blob(digest(b"right"), size=5) as blob:
            assert not blob.present
            blob.write(b"right")
        assert Path(store.layout.blob(digest(b"right"))).read_bytes() == b"right"

    def test_are_written_once_by_many_threads(self, store: Store) -> None:
        written = []

        def bring(_: int) -> None:
            with store.blob(digest(b"x" * 100)) as blob:
                if not blob.present:
                    written.append(1)
                    blob.write(b"x" * 100)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(bring, range(64)))
        assert len(written) == 1

    def test_are_written_once_by_sixteen_processes(self, store: Store) -> None:
        code = """
import sys
from dodas.containers.store import Store
content = b"y" * 100000
sys.stdin.readline()
with Store(sys.argv[1]).blob(sys.argv[2]) as blob:
    print("present" if blob.present else "written")
    if not blob.present:
        for at in range(0, len(content), 1000):
            blob.write(content[at:at + 1000])
"""
        processes = [start(code, store.root, digest(b"y" * 100000)) for _ in range(16)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate() for process in processes]
        assert [err for _, err in said if err] == []
        assert sorted(out.strip() for out, _ in said) == ["present"] * 15 + ["written"]

    def test_of_a_killed_process_are_brought_by_the_next(self, store: Store) -> None:
        code = """
import sys, time
from dodas.containers.store import Store
with Store(sys.argv[1]).blob(sys.argv[2]) as blob:
    blob.write(b"half")
    print("ready", flush=True)
    sys.stdin.read()
"""
        process = start(code, store.root, digest(b"whole"))
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.communicate()
        assert len(os.listdir(store.layout.tmp)) == 1
        with store.blob(digest(b"whole")) as blob:
            blob.write(b"whole")
        assert os.listdir(store.layout.tmp) == []


class TestDisks:
    def test_full(self, tmp_path: Path) -> None:
        code = """
import os, sys
from dodas.containers.store import Store
from dodas.errors import StoreError
store = Store(sys.argv[1])
try:
    with store.blob() as blob:
        for _ in range(8):
            blob.write(bytes(1 << 20))
except StoreError as error:
    print("full" in str(error), "dodas image gc" in error.hint)
    print(os.listdir(store.layout.tmp), os.listdir(store.layout.layers))
"""
        assert run_on_small_disk(tmp_path, "4m", code, tmp_path / "store") == "True True\n[] []\n"

    def test_read_only(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        code = """
import sys
from dodas.containers.store import Store
from dodas.errors import StoreError
try:
    Store(sys.argv[1]).blob()
except StoreError as error:
    print("cannot be written" in str(error), "DODAS_STORE" in error.hint)
"""
        parent = Path(store.root).parent / "disk"
        parent.mkdir()
        assert run_on_small_disk(parent, "4m,ro", code, parent / "store") == "True True\n"
        assert store.image("a:1") == image

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_of_somebody_else(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        for path, _, _ in os.walk(store.root):
            os.chmod(path, 0o555)
        try:
            assert store.image("a:1") == image
            with pytest.raises(StoreError, match="cannot be written"), store.blob(digest(b"x")) as blob:
                blob.write(b"x")
        finally:
            for path, _, _ in os.walk(store.root):
                os.chmod(path, 0o755)

    def test_where_the_store_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreError):
            Store(str(tmp_path / "file")).blob()
        assert Store(str(tmp_path / "absent")).images() == []


class TestUdocker:
    def test_sees_and_verifies_what_dodas_files(self, store: Store) -> None:
        image = add(store, "quay.io/some/thing:1.0", LAYER, tar(entry("x")), Cmd=["/bin/sh"])
        assert "quay.io/some/thing:1.0" in udocker(store.root, "images")
        assert json.loads(udocker(store.root, "inspect", image.name))["config"]["Cmd"] == ["/bin/sh"]
        assert "image Ok" in udocker(store.root, "verify", image.name)
        container = udocker(store.root, "create", image.name).strip().splitlines()[-1]
        assert Path(store.layout.container(container), "ROOT", "x").exists()

    def test_removes_what_dodas_files(self, store: Store) -> None:
        add(store, "a:1", LAYER)
        other = add(store, "b:1", LAYER, tar(entry("x")))
        udocker(store.root, "rmi", "a:1")
        assert store.images() == [other]
        assert set(os.listdir(store.layout.layers)) == {*other.layers, other.id}

    def test_has_loaded_and_imported_what_dodas_reads(self, store: Store, tmp_path: Path) -> None:
        store.layout.make()
        (tmp_path / "root.tar").write_bytes(LAYER)
        udocker(store.root, "import", str(tmp_path / "root.tar"), "mine:1")
        image = store.image("mine:1")
        assert image.config.cmd == ()
        assert len(image.layers) == 1
        assert lookup(store, image.digest) == image

    def test_tags_what_dodas_files(self, store: Store) -> None:
        image = add(store, "a:1", LAYER)
        udocker(store.root, "tag", "a:1", "c:2")
        assert store.image("c:2").id == image.id


def test_files_are_as_readable_as_the_umask_says(store: Store) -> None:
    old = os.umask(0o022)
    try:
        image = add(store, "a:1", LAYER)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(store.layout.blob(image.id)).st_mode) == 0o644


def test_the_id_of_a_container_is_a_uuid_of_its_image(store: Store) -> None:
    image = add(store, "a:1", LAYER)
    namespace = uuid.UUID("6c1f2c52-94f3-5a3b-8a0e-2f6f7d0c4b1d")
    assert image.container == str(uuid.uuid5(namespace, image.digest))
