"""Random layers against a model of what the OCI specification says, and against GNU tar."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dodas.containers.layers import Layer, unpack
from dodas.containers.removal import remove_tree
from dodas.errors import ImageCorrupt
from image_making import Entry, directory, entry, hard_link, symlink, tar, tree
from needs import need

Model = dict[tuple[str, ...], bytes | None]

NAMES = st.sampled_from(["a", "b", "dev", "x y", "new\nline", "back\\slash", "\udcff\udcfe", "ü"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
CONTENT = st.binary(max_size=3)
# Each layer names a path once at most: what the second mention would mean is another question.
LAYERS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["file", "directory", "whiteout", "opaque"]), PATHS, CONTENT),
        max_size=6,
    ),
    min_size=1,
    max_size=4,
)


def below(path: tuple[str, ...], parent: tuple[str, ...]) -> bool:
    return path[: len(parent)] == parent


class Layered:
    """A file system of directories and files, to which layers are applied as the specification says."""

    def __init__(self) -> None:
        self.files: Model = {}

    def apply(self, changes: list[tuple[str, tuple[str, ...], bytes]]) -> None:
        hidden = [path for kind, path, _ in changes if kind == "whiteout"]
        emptied = [path for kind, path, _ in changes if kind == "opaque"]
        for path in list(self.files):
            if any(below(path, one) for one in hidden) or any(
                below(path, one) and path != one for one in emptied
            ):
                del self.files[path]
        for kind, path, content in changes:
            # Whatever a layer has in a directory makes it a directory.
            self._make_directories(path if kind in ("directory", "opaque") else path[:-1])
            if kind == "file":
                for other in [other for other in self.files if below(other, path)]:
                    del self.files[other]
                self.files[path] = content

    def _make_directories(self, path: tuple[str, ...]) -> None:
        for depth in range(1, len(path) + 1):
            self.files[path[:depth]] = None


def consistent(changes: list[tuple[str, tuple[str, ...], bytes]]) -> bool:
    """Return whether a layer does not contradict itself: a file below a file, or the same path twice."""
    files = [path for kind, path, _ in changes if kind == "file"]
    made = [path for kind, path, _ in changes if kind in ("file", "directory")]
    parents = [path if kind == "opaque" else path[:-1] for kind, path, _ in changes]
    directories = [path for kind, path, _ in changes if kind == "directory"]
    return len(set(made)) == len(made) and not any(
        below(parent, file) for file in files for parent in (*parents, *directories)
    )


def entries(changes: list[tuple[str, tuple[str, ...], bytes]]) -> Iterator[Entry]:
    for kind, path, content in changes:
        name = "/".join(path)
        if kind == "file":
            yield entry(os.fsencode(name), content)
        elif kind == "directory":
            yield directory(os.fsencode(name))
        elif kind == "opaque":
            yield entry(os.fsencode(f"{name}/.wh..wh..opq"))
        else:
            yield entry(os.fsencode("/".join((*path[:-1], f".wh.{path[-1]}"))))


@contextmanager
def playground() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        remove_tree(str(path))


def unpack_all(where: Path, layers: list[bytes]) -> Path:
    files = []
    for number, content in enumerate(layers):
        (where / str(number)).write_bytes(content)
        files.append(Layer(path=str(where / str(number))))
    (where / "root").mkdir()
    unpack(files, str(where / "root"), what="test")
    return where / "root"


@settings(max_examples=60, deadline=None, database=None)
@given(LAYERS.map(lambda layers: [layer for layer in layers if consistent(layer)]))
@example([[("file", ("a", "b"), b"1")], [("whiteout", ("a",), b""), ("file", ("a", "x"), b"2")]])
@example([[("file", ("a", "b", "a"), b"1")], [("opaque", ("a",), b""), ("directory", ("a", "b"), b"")]])
def test_layers_are_what_the_specification_says(
    layers: list[list[tuple[str, tuple[str, ...], bytes]]],
) -> None:
    model = Layered()
    for layer in layers:
        model.apply(layer)
    with playground() as where:
        root = unpack_all(where, [tar(*entries(layer)) for layer in layers])
        assert tree(root) == {"/".join(path): content for path, content in model.files.items()}


TARGETS = st.sampled_from(
    ["/", "..", "../..", "a", "b/..", "/a", "../secret", "a/../..", ".", "//b", "../../../x"]
)
HOSTILE = st.lists(
    st.one_of(
        st.tuples(st.just("file"), PATHS),
        st.tuples(st.just("directory"), PATHS),
        st.tuples(TARGETS.map(lambda target: f"symlink {target}"), PATHS),
        st.tuples(TARGETS.map(lambda target: f"hardlink {target}"), PATHS),
        st.tuples(
            st.just("file"),
            st.sampled_from([("..", "secret"), ("a", "..", "..", "x"), ("", "a"), (".", "b")]),
        ),
        st.tuples(st.just("whiteout"), PATHS),
        st.tuples(st.just("opaque"), PATHS),
    ),
    max_size=12,
)


def hostile_entry(kind: str, path: tuple[str, ...]) -> Entry:
    name = os.fsencode("/".join(path))
    what, _, target = kind.partition(" ")
    if what == "symlink":
        return symlink(name, target)
    if what == "hardlink":
        return hard_link(name, target)
    if what == "directory":
        return directory(name)
    return next(entries([(what, path, b"overwritten")]))


@settings(max_examples=100, deadline=None, database=None)
@given(HOSTILE, HOSTILE)
def test_nothing_outside_is_ever_touched(
    lower: list[tuple[str, tuple[str, ...]]], upper: list[tuple[str, tuple[str, ...]]]
) -> None:
    with playground() as where:
        prison = where / "prison"
        prison.mkdir()
        (where / "secret").write_text("safe")
        (prison / "secret").write_text("safe")
        with suppress(ImageCorrupt):
            unpack_all(prison, [tar(*(hostile_entry(*one) for one in layer)) for layer in (lower, upper)])
        assert sorted(os.listdir(where)) == ["prison", "secret"]
        assert sorted(os.listdir(prison)) == ["0", "1", "root", "secret"]
        assert (where / "secret").read_text() == (prison / "secret").read_text() == "safe"
        assert os.stat(where / "secret").st_nlink == os.stat(prison / "secret").st_nlink == 1


@settings(max_examples=30, deadline=None, database=None)
@given(
    st.dictionaries(PATHS.map("/".join), CONTENT | st.integers(0, 2_000_000_000), max_size=8),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_plain_archives_unpack_as_with_gnu_tar(files: dict[str, bytes | int], format: int) -> None:
    program = need("tar")
    archive = tar(
        *(
            entry(os.fsencode(name), what)
            if isinstance(what, bytes)
            else entry(os.fsencode(name), b"", mtime=what)
            for name, what in files.items()
            if not any(name.startswith(f"{other}/") for other in files)
        ),
        format=format,
    )
    with playground() as where:
        (where / "gnu").mkdir()
        subprocess.run([program, "-C", str(where / "gnu"), "-x"], input=archive, check=True)
        root = unpack_all(where, [archive])
        assert tree(root) == tree(where / "gnu")
        for name in tree(root):
            ours, theirs = (root / name).stat(), (where / "gnu" / name).stat()
            if tree(root)[name] is not None:
                assert (ours.st_mode, ours.st_mtime) == (theirs.st_mode, theirs.st_mtime)
