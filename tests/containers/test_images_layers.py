"""Layers unpack as the OCI specification says, and hostile ones get nowhere."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from dodas.containers.layers import Layer, unpack
from dodas.containers.progress import Progress
from dodas.containers.removal import remove_tree
from dodas.errors import ImageCorrupt, SpecError
from image_making import digest, directory, entry, hard_link, symlink, tar, tree
from needs import need


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "prison" / "root"
    path.mkdir(parents=True)
    return path


def unpacked(root: Path, *layers: bytes) -> dict[str, object]:
    files = []
    for number, content in enumerate(layers):
        path = root.parent.parent / f"layer{number}"
        path.write_bytes(content)
        files.append(Layer(path=str(path), digest=digest(content)))
    unpack(files, str(root), what="test")
    return tree(root)


class TestWhiteouts:
    def test_hide_what_lower_layers_have(self, root: Path) -> None:
        lower = tar(entry("a", b"1"), entry("d/x", b"2"), entry("d/y", b"3"))
        assert unpacked(root, lower, tar(entry(".wh.a"), entry("d/.wh.x"))) == {"d": None, "d/y": b"3"}

    def test_hide_whole_directories(self, root: Path) -> None:
        lower = tar(entry("d/e/f/x", b"1"), entry("k", b""))
        assert unpacked(root, lower, tar(entry(".wh.d"))) == {"k": b""}

    def test_leave_what_the_same_layer_has(self, root: Path) -> None:
        upper = tar(directory("d"), entry("d/new", b"n"), entry(".wh.d"), entry("f", b"f"), entry(".wh.f"))
        lower = tar(entry("d/old", b"o"), entry("f", b"old"))
        assert unpacked(root, lower, upper) == {"d": None, "d/new": b"n", "f": b"f"}

    @pytest.mark.parametrize("late", [False, True])
    def test_opaque_ones_empty_a_directory_wherever_they_stand(self, root: Path, late: bool) -> None:
        lower = tar(entry("d/old", b"o"), entry("d/deep/old", b"o"), entry("d/deep/both", b"o"))
        mark = entry("d/.wh..wh..opq")
        content = [directory("d"), entry("d/new", b"n"), entry("d/deep/both", b"n")]
        upper = tar(*([*content, mark] if late else [mark, *content]))
        expected = {"d": None, "d/new": b"n", "d/deep": None, "d/deep/both": b"n"}
        assert unpacked(root, lower, upper) == expected

    def test_opaque_root(self, root: Path) -> None:
        assert unpacked(root, tar(entry("a"), entry("d/b")), tar(entry(".wh..wh..opq"), entry("c"))) == {
            "c": b""
        }

    @pytest.mark.parametrize(
        "name", [b"new\nline", b"back\\slash", b"\xff\xfe", "Grüße".encode(), b" ", b"-rf", b"*"]
    )
    def test_have_any_name(self, root: Path, name: bytes) -> None:
        lower = tar(entry(name, b"1"), entry(b"d/" + name, b"1"), entry("keep"))
        upper = tar(entry(b".wh." + name), entry(b"d/.wh." + name))
        assert unpacked(root, lower, upper) == {"d": None, "keep": b""}

    @pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh..."])
    def test_of_the_directory_itself_are_refused(self, root: Path, name: str) -> None:
        outside = root.parent / "outside"
        outside.write_text("here")
        with pytest.raises(ImageCorrupt):
            unpacked(root, tar(entry("d/x")), tar(entry(f"d/{name}")))
        assert outside.read_text() == "here"

    def test_do_not_follow_links(self, root: Path) -> None:
        lower = tar(directory("real"), entry("real/x", b"1"), symlink("link", "real"))
        assert unpacked(root, lower, tar(entry(".wh.link"))) == {"real": None, "real/x": b"1"}

    def test_of_nothing_do_nothing(self, root: Path) -> None:
        assert unpacked(root, tar(entry("a")), tar(entry(".wh.b"))) == {"a": b""}

    def test_bookkeeping_of_aufs_is_no_file(self, root: Path) -> None:
        assert unpacked(root, tar(directory(".wh..wh.plnk"), entry(".wh..wh.aufs"), entry("a"))) == {"a": b""}


class TestReplacing:
    def test_directory_by_file_and_file_by_directory(self, root: Path) -> None:
        lower = tar(entry("a/b/c", b"1"), entry("f", b"2"))
        assert unpacked(root, lower, tar(entry("a", b"file"), entry("f/g", b"3"))) == {
            "a": b"file",
            "f": None,
            "f/g": b"3",
        }

    def test_link_by_directory_entry(self, root: Path) -> None:
        lower = tar(directory("usr/bin"), symlink("bin", "usr/bin"))
        found = unpacked(root, lower, tar(directory("bin"), entry("bin/x", b"1")))
        assert found == {"usr": None, "usr/bin": None, "bin": None, "bin/x": b"1"}

    def test_a_file_leaves_its_other_names_alone(self, root: Path) -> None:
        lower = tar(entry("a", b"old"), hard_link("b", "a"))
        assert unpacked(root, lower, tar(entry("a", b"new"))) == {"a": b"new", "b": b"old"}

    def test_a_directory_keeps_its_content_and_changes_its_mode(self, root: Path) -> None:
        assert unpacked(root, tar(entry("d/x", b"1")), tar(directory("d", mode=0o1777))) == {
            "d": None,
            "d/x": b"1",
        }
        assert stat.S_IMODE((root / "d").stat().st_mode) == 0o1777

    def test_thousands_of_files(self, root: Path) -> None:
        layer = tar(*(entry(f"d/{number}", b"x") for number in range(5000)))
        assert len(unpacked(root, layer, layer)) == 5001


class TestLinks:
    def test_lead_where_they_would_inside(self, root: Path) -> None:
        lower = tar(directory("usr/bin"), symlink("bin", "usr/bin"), symlink("abs", "/usr/bin"))
        upper = tar(entry("bin/a", b"1"), entry("abs/b", b"2"))
        found = unpacked(root, lower, upper)
        assert (found["usr/bin/a"], found["usr/bin/b"]) == (b"1", b"2")

    def test_to_what_is_not_there_yet(self, root: Path) -> None:
        found = unpacked(root, tar(symlink("lib64", "usr/lib64"), entry("lib64/ld.so", b"1")))
        assert found["usr/lib64/ld.so"] == b"1"

    @pytest.mark.parametrize(
        "target", ["/", "..", "../..", "../../../../../..", "/../..", "/proc/self/cwd/.."]
    )
    def test_to_the_outside_end_at_the_root(self, root: Path, target: str) -> None:
        before = tree(root.parent.parent)
        found = unpacked(root, tar(symlink("out", target)), tar(entry("out/file", b"1")))
        after = tree(root.parent.parent)
        assert b"1" in found.values()
        assert {key for key in after if not key.startswith(("prison/root/", "layer"))} == set(before)

    def test_to_a_host_path_are_taken_below_the_root(self, root: Path) -> None:
        host = root.parent / "host"
        host.mkdir()
        unpacked(root, tar(symlink("out", str(host))), tar(entry("out/file", b"1")))
        assert not list(host.iterdir())

    def test_in_circles_are_refused(self, root: Path) -> None:
        with pytest.raises(ImageCorrupt, match="symbolic links"):
            unpacked(root, tar(symlink("a", "b"), symlink("b", "a")), tar(entry("a/x")))

    def test_are_never_written_through(self, root: Path) -> None:
        victim = root.parent / "victim"
        victim.write_text("safe")
        found = unpacked(root, tar(symlink("f", str(victim))), tar(entry("f", b"new")))
        assert (victim.read_text(), found["f"]) == ("safe", b"new")

    def test_hard_ones_join_files_of_lower_layers(self, root: Path) -> None:
        unpacked(
            root,
            tar(entry("a", b"1")),
            tar(hard_link("d/b", "a"), hard_link("c", "/d/b"), hard_link("a", "a")),
        )
        assert {(root / name).stat().st_ino for name in ("a", "d/b", "c")} == {(root / "a").stat().st_ino}

    def test_hard_ones_to_links_join_the_link(self, root: Path) -> None:
        assert unpacked(root, tar(symlink("s", "nowhere"), hard_link("t", "s")))["t"] == "-> nowhere"

    @pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "out/outside", "d", "missing"])
    def test_hard_ones_to_elsewhere_are_refused(self, root: Path, target: str) -> None:
        (root.parent / "outside").write_text("secret")
        layer = tar(directory("d"), symlink("out", str(root.parent)), hard_link("x", target))
        with pytest.raises(ImageCorrupt):
            unpacked(root, layer)


class TestHostile:
    @pytest.mark.parametrize("name", ["../x", "d/../../x", "d/..", "/../x", "..", "a/../b"])
    def test_upward_paths_are_refused(self, root: Path, name: str) -> None:
        with pytest.raises(ImageCorrupt, match="upwards"):
            unpacked(root, tar(entry(name, b"1")))
        assert tree(root.parent) == {"root": None}

    def test_absolute_paths_are_below_the_root(self, root: Path) -> None:
        assert unpacked(root, tar(entry("//etc//./passwd", b"1"))) == {"etc": None, "etc/passwd": b"1"}

    def test_a_root_that_is_no_directory_is_refused(self, root: Path) -> None:
        for bad in (entry(".", b"1"), entry("", b"1"), symlink("/", "/etc"), hard_link("./", "x")):
            with pytest.raises(ImageCorrupt):
                unpacked(root, tar(entry("x"), bad))

    def test_sizes_beyond_the_archive(self, root: Path) -> None:
        block = bytearray(tar(entry("huge", b"1"))[:512])
        block[124:136] = b"\x80" + b"\x00" * 3 + (1 << 62).to_bytes(8, "big")
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        with pytest.raises(ImageCorrupt, match="ends too early"):
            unpacked(root, bytes(block) + bytes(512))

    def test_names_no_file_system_takes(self, root: Path) -> None:
        with pytest.raises(ImageCorrupt, match="no file system takes"):
            unpacked(root, tar(entry("n" * 300, b"1")))

    def test_deep_paths(self, root: Path, tmp_path: Path) -> None:
        path = tmp_path / "layer"
        path.write_bytes(tar(entry("d/" * 1500 + "x", b"1")))
        unpack([Layer(path=str(path))], str(root), what="test")
        remove_tree(str(root / "d"))  # neither recurses
        assert tree(root) == {}
        path.write_bytes(tar(entry("d/" * 5000 + "x", b"1")))
        with pytest.raises(ImageCorrupt):
            unpack([Layer(path=str(path))], str(root), what="test")
        remove_tree(str(root))

    @pytest.mark.parametrize(
        "content",
        [
            b"<!DOCTYPE html><html>log in</html>" * 40,
            b"",
            b"\x1f\x8b",
            gzip.compress(b"hello" * 1000),
            os.urandom(4096),
            gzip.compress(tar(entry("a", b"x" * 100000)))[:-40],
            tar(entry("a", b"x" * 100000))[:5000],
            gzip.compress(tar(entry("a"))) + b"garbage",
        ],
        ids=["html", "empty", "magic", "no-tar", "noise", "cut-gzip", "cut-tar", "appendix"],
    )
    def test_other_than_archives_are_refused(self, root: Path, content: bytes) -> None:
        if content == b"":
            assert unpacked(root, content) == {}  # a layer without members, as some builders write it
            return
        with pytest.raises(ImageCorrupt) as caught:
            unpacked(root, content)
        assert caught.value.hint

    def test_wrong_digests(self, root: Path, tmp_path: Path) -> None:
        path = tmp_path / "layer"
        path.write_bytes(gzip.compress(tar(entry("a"))))
        for wrong in ({"digest": digest(b"x")}, {"diff_id": digest(b"x")}):
            with pytest.raises(ImageCorrupt, match="digest"):
                unpack([Layer(path=str(path), **wrong)], str(root), what="test")


class TestFiles:
    def test_devices_are_left_out_and_directories_called_dev_are_not(self, root: Path) -> None:
        null = entry("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)
        disk = entry("opt/sda", kind=tarfile.BLKTYPE, devmajor=8)
        layer = tar(
            null, disk, entry("dev/README", b"1"), entry("opt/dev/x.py", b"2"), entry("usr/dev/dev/y", b"3")
        )
        found = unpacked(root, layer)
        assert found == {
            "dev": None,
            "dev/README": b"1",
            "opt": None,
            "opt/dev": None,
            "opt/dev/x.py": b"2",
            "usr": None,
            "usr/dev": None,
            "usr/dev/dev": None,
            "usr/dev/dev/y": b"3",
        }

    def test_a_device_hides_what_was_there(self, root: Path) -> None:
        assert unpacked(root, tar(entry("x", b"1")), tar(entry("x", kind=tarfile.CHRTYPE))) == {}

    def test_modes(self, root: Path) -> None:
        modes = {"suid": 0o4755, "sgid": 0o2711, "none": 0, "ro": 0o444, "all": 0o777, "exec": 0o100}
        unpacked(root, tar(*(entry(name, b"#!", mode=mode) for name, mode in modes.items())))
        found = {name: stat.S_IMODE((root / name).stat().st_mode) for name in modes}
        assert found == {
            "suid": 0o755,
            "sgid": 0o711,
            "none": 0o600,
            "ro": 0o644,
            "all": 0o777,
            "exec": 0o700,
        }

    def test_directories_stay_usable_for_their_owner(self, root: Path) -> None:
        unpacked(root, tar(directory("d", mode=0), entry("d/x", b"1")), tar(entry("d/y", b"2")))
        assert stat.S_IMODE((root / "d").stat().st_mode) == 0o700

    def test_the_umask_does_not_matter(self, root: Path) -> None:
        old = os.umask(0o077)
        try:
            unpacked(root, tar(entry("i/f", b"1", mode=0o664), directory("d", mode=0o775)))
        finally:
            os.umask(old)
        assert [stat.S_IMODE((root / name).stat().st_mode) for name in ("i", "i/f", "d")] == [
            0o755,
            0o664,
            0o775,
        ]

    def test_times(self, root: Path) -> None:
        layer = tar(directory("d", mtime=1000), entry("d/f", b"1", mtime=2000), symlink("d/s", "f"))
        unpacked(root, layer, tar(entry("d/g", b"1", mtime=-5.0)), tar(entry("h", mtime=1e15)))
        assert (root / "d").stat().st_mtime == 1000
        assert (root / "d/f").stat().st_mtime == 2000
        assert (root / "d/s").lstat().st_mtime == 1_500_000_000
        assert (root / "d/g").stat().st_mtime == 0

    def test_fractions_of_seconds_arrive_with_pax(self, root: Path) -> None:
        unpacked(root, tar(entry("f", b"", mtime=12345.678901), format=tarfile.PAX_FORMAT))
        assert (root / "f").stat().st_mtime_ns // 1000 == 12345678901

    def test_named_pipes(self, root: Path) -> None:
        path = root.parent / "layer"
        path.write_bytes(tar(entry("p", kind=tarfile.FIFOTYPE)))
        unpack([Layer(path=str(path))], str(root), what="test")
        assert stat.S_ISFIFO((root / "p").lstat().st_mode)

    @pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_long_names(self, root: Path, format: int) -> None:
        long = "/".join(["d" * 40] * 5)
        layer = tar(entry(f"{long}/file", b"1"), format=format)
        assert unpacked(root, layer)[f"{long}/file"] == b"1"

    @pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_names_in_no_encoding(self, root: Path, format: int) -> None:
        name = b"caf\xe9/" + b"\xff" * 150
        unpacked(root, tar(entry(name, b"1"), symlink(b"l", os.fsdecode(name)), format=format))
        assert (root / os.fsdecode(name)).read_bytes() == b"1"
        assert os.readlink(os.fsencode(root) + b"/l") == name

    def test_unlimited_sizes(self, root: Path) -> None:
        content = os.urandom(3 << 20)
        assert unpacked(root, gzip.compress(tar(entry("big", content), entry("after", b"1")))) == {
            "big": content,
            "after": b"1",
        }


class TestCompression:
    @pytest.mark.parametrize(
        "compress", [gzip.compress, bz2.compress, lzma.compress, bytes], ids=lambda one: one.__name__
    )
    def test_is_recognised(self, root: Path, compress: type) -> None:
        assert unpacked(root, compress(tar(entry("a", b"1" * 9999)))) == {"a": b"1" * 9999}

    def test_zstd(self, root: Path, tmp_path: Path) -> None:
        program = need("zstd")
        packed = subprocess.run(
            [program, "-c"], input=tar(entry("a", b"1" * 99999)), stdout=subprocess.PIPE, check=True
        )
        assert unpacked(root, packed.stdout) == {"a": b"1" * 99999}
        assert unpacked(root, packed.stdout * 2) == {"a": b"1" * 99999}
        with pytest.raises(ImageCorrupt):
            unpacked(root, packed.stdout[:-9])

    def test_zstd_without_a_decompressor(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("compression.zstd", "backports.zstd", "zstandard"):
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(SpecError) as caught:
            unpacked(root, b"\x28\xb5\x2f\xfd" + bytes(100))
        assert "zstandard" in caught.value.hint

    def test_members_one_after_another_are_one_archive(self, root: Path) -> None:
        content = tar(*(entry(str(number), b"x" * 1000) for number in range(300)))
        pieces = [gzip.compress(content[at : at + 700]) for at in range(0, len(content), 700)]
        assert len(unpacked(root, b"".join(pieces) + bytes(1000))) == 300


class TestSparseFiles:
    @pytest.mark.parametrize(
        "version", ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"]
    )
    def test_of_gnu_tar(self, root: Path, tmp_path: Path, version: str) -> None:
        program = need("tar")
        holes = tmp_path / "holes"
        with holes.open("wb") as file:
            for number in range(40):  # more pieces than fit into one header
                file.seek(number * 100_000)
                file.write(b"data%d" % number)
            file.truncate(5_000_000)
        options = [version] if version.startswith("--format") else ["--format=pax", version]
        archive = subprocess.run(
            [program, *options, "-S", "-C", str(tmp_path), "-c", "holes"],
            stdout=subprocess.PIPE,
            check=True,
        )
        found = unpacked(root, archive.stdout)
        assert list(found) == ["holes"]
        assert found["holes"] == holes.read_bytes()
        assert (root / "holes").stat().st_blocks * 512 < 2_000_000


def test_progress_is_told_from_nothing_to_all(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.write_bytes(tar(entry("a", os.urandom(20 << 20))))
    told: list[Progress] = []
    unpack([Layer(path=str(path))], str(root), what="thing", progress=told.append)
    done = [word.done for word in told]
    assert (done[0], done[-1]) == (0, path.stat().st_size)
    assert done == sorted(done)
    assert len(done) > 3


def test_a_listener_that_fails_ends_the_work_and_its_thread(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.write_bytes(tar(entry("a", bytes(20 << 20))))

    def fail(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack([Layer(path=str(path))], str(root), what="thing", progress=fail)
    assert not [thread for thread in threading.enumerate() if thread.name == "dodas-unpack"]
