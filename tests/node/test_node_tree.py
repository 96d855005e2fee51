"""Trees described, sent and laid out again are the same trees."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dodas.errors import TransferError
from dodas.node.laying import How, lay_out
from dodas.node.tree import Entry, gather

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in (b".", b"..") and not {b"/"[0], 0} & set(name)
)
FILES = st.tuples(st.just("f"), st.binary(max_size=20), st.sampled_from([0o644, 0o600, 0o755, 0o400, 0o444]))
LINKS = st.tuples(st.just("l"), NAMES)
TREES = st.recursive(
    FILES | LINKS,
    lambda inner: st.tuples(st.just("d"), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
).filter(lambda tree: tree[0] != "l")


def make(tree: Any, path: bytes) -> None:
    if tree[0] == "d":
        os.mkdir(path)
        for name, below in tree[1].items():
            make(below, os.path.join(path, name))
    elif tree[0] == "l":
        os.symlink(tree[1], path)
    else:
        Path(os.fsdecode(path)).write_bytes(tree[1])
        os.chmod(path, tree[2])


def seen(path: bytes) -> Any:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return "l", os.readlink(path)
    if stat.S_ISDIR(status.st_mode):
        return "d", {name: seen(os.path.join(path, name)) for name in os.listdir(path)}
    if os.access(path, os.R_OK):
        return "f", Path(os.fsdecode(path)).read_bytes(), stat.S_IMODE(status.st_mode)
    return "f", None, stat.S_IMODE(status.st_mode)


class Post:
    """Takes content under numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def take(self, path: str) -> str:
        name = str(len(os.listdir(self.folder)))
        (self.folder / name).write_bytes(Path(path).read_bytes())
        return name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(tree=TREES)
def test_a_tree_survives_the_journey(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    place = tmp_path_factory.mktemp("tree")
    origin, copied = os.fsencode(place / "origin"), os.fsencode(place / "copied")
    make(tree, origin)
    post = Post(place / "post")
    entries = [entry.plain() for entry in gather(os.fsdecode(origin), post.take)]
    lay_out([Entry.from_plain(one) for one in entries], str(post.folder), os.fsdecode(copied))
    assert seen(copied) == seen(origin)


@pytest.mark.parametrize("how", How)
def test_content_is_moved_linked_or_copied(tmp_path: Path, how: How) -> None:
    post = Post(tmp_path / "post")
    (tmp_path / "file").write_text("content")
    entries = gather(str(tmp_path / "file"), post.take)
    lay_out(entries, str(post.folder), str(tmp_path / "a" / "b"), how=lambda _: how)
    assert (tmp_path / "a" / "b").read_text() == "content"
    assert (post.folder / "0").exists() == (how is not How.MOVE)
    assert os.listdir(tmp_path / "a") == ["b"]
    if how is How.LINK:
        assert (post.folder / "0").samefile(tmp_path / "a" / "b")


def test_times_are_kept_when_asked_for(tmp_path: Path) -> None:
    post = Post(tmp_path / "post")
    (tmp_path / "file").write_text("content")
    os.utime(tmp_path / "file", ns=(5, 1_000_000_007))
    entries = gather(str(tmp_path / "file"), post.take)
    lay_out(entries, str(post.folder), str(tmp_path / "kept"), how=lambda _: How.COPY)
    assert (tmp_path / "kept").stat().st_mtime_ns == 1_000_000_007
    lay_out(entries, str(post.folder), str(tmp_path / "new"), times=False)
    assert (tmp_path / "new").stat().st_mtime_ns > 1_000_000_007


def test_an_exact_copy_has_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "origin" / "both").mkdir(parents=True)
    (tmp_path / "origin" / "both" / "new").write_text("new")
    (tmp_path / "origin" / "kind").write_text("a file now")
    (tmp_path / "place" / "both").mkdir(parents=True)
    (tmp_path / "place" / "both" / "old").write_text("old")
    (tmp_path / "place" / "gone" / "deep").mkdir(parents=True)
    (tmp_path / "place" / "kind" / "was a directory").mkdir(parents=True)
    post = Post(tmp_path / "post")
    lay_out(
        gather(str(tmp_path / "origin"), post.take), str(post.folder), str(tmp_path / "place"), exact=True
    )
    assert seen(os.fsencode(tmp_path / "place")) == seen(os.fsencode(tmp_path / "origin"))


def test_content_that_is_short_or_absent_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    post = Post(tmp_path / "post")
    entries = gather(str(tmp_path / "file"), post.take)
    (post.folder / "0").write_text("cont")
    with pytest.raises(TransferError, match="7 bytes, and 4 arrived"):
        lay_out(entries, str(post.folder), str(tmp_path / "copy"))
    (post.folder / "0").unlink()
    with pytest.raises(TransferError, match="did not arrive"):
        lay_out(entries, str(post.folder), str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_what_was_interrupted_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for name in ("one", "two"):
        (tmp_path / "tree" / name).write_text(name)
    post = Post(tmp_path / "post")
    entries = gather(str(tmp_path / "tree"), post.take)
    (post.folder / "1").rename(tmp_path / "kept")
    with pytest.raises(TransferError):
        lay_out(entries, str(post.folder), str(tmp_path / "copy"), exact=True)
    (tmp_path / "kept").rename(post.folder / "1")
    lay_out(entries, str(post.folder), str(tmp_path / "copy"), exact=True)
    assert seen(os.fsencode(tmp_path / "copy")) == seen(os.fsencode(tmp_path / "tree"))


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/etc/x", "a//b", ".", "a\0b"])
def test_no_entry_leaves_its_tree(path: str) -> None:
    with pytest.raises(ValueError, match="none below a tree"):
        Entry.from_plain(["f", path, 0o644, 0, 0, "0"])


@pytest.mark.parametrize("blob", ["../0", "/0", ".."])
def test_no_content_is_taken_from_elsewhere(blob: str) -> None:
    with pytest.raises(ValueError, match="no name for content"):
        Entry.from_plain(["f", "a", 0o644, 0, 0, blob])


def test_files_are_not_written_through_links(tmp_path: Path) -> None:
    """Whoever sends a link and a file below it reaches nothing outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    post = Post(tmp_path / "post")
    (post.folder / "0").write_text("evil")
    entries = [
        Entry(path="", kind="d"),
        Entry(path="a", kind="l", target=str(outside)),
        Entry(path="a/f", kind="f", size=4, blob="0"),
    ]
    with pytest.raises(TransferError, match="in no directory"):
        lay_out(entries, str(post.folder), str(tmp_path / "place"))
    assert os.listdir(outside) == []


def test_links_out_of_a_tree_become_their_content_without_a_container(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "in").write_text("in")
    (tmp_path / "out").write_text("out")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("deep")
    (tree / "sub" / "relative").symlink_to("../in")
    (tree / "sub" / "absolute").symlink_to(tree / "in")
    (tree / "outside").symlink_to(tmp_path / "out")
    (tree / "directory").symlink_to(tmp_path / "folder")
    (tree / "nowhere").symlink_to("not/there")
    (tmp_path / "folder" / "loop").symlink_to(tmp_path / "folder")
    post = Post(tmp_path / "post")
    found = {entry.path: entry for entry in gather(str(tree), post.take, contained=False)}
    assert found["sub/relative"].target == "../in"
    assert found["sub/absolute"].target == "../in"
    assert found["outside"].kind == "f"
    assert found["directory/file"].kind == "f"
    assert found["nowhere"].target == "not/there"
    kept = {entry.path: entry for entry in gather(str(tree), post.take)}
    assert kept["outside"].target == str(tmp_path / "out")


def test_only_files_directories_and_links_are_described(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree" / "pipe")
    assert [entry.path for entry in gather(str(tmp_path / "tree"), str)] == [""]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="absent"):
        gather(str(tmp_path / "absent"), str)
