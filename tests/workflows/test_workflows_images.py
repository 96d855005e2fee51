"""Images from packages: complete, the same bytes every time, and nothing of the builder in them."""

from __future__ import annotations

import os
import posixpath
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflows.images import build
from workflows.images.recipes import RECIPES

from debian_packages import with_packages
from dodas.containers import archives
from dodas.containers.packages import archive, configure
from dodas.containers.packages.configure import Alternative
from dodas.containers.packages.recipe import Recipe
from dodas.containers.store import Store
from needs import need


def plain_tree(tree: Path, order: tuple[str, ...]) -> None:
    """Make a small tree; the order of making differs, the tree does not."""
    tree.mkdir()
    for name in order:
        (tree / name).write_text(name)
        (tree / name).chmod(0o4755)
    os.link(tree / "b", tree / "hard link")
    (tree / "link").symlink_to("/b")


def layer(path: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of the only layer of an image archive."""
    with tarfile.open(path) as outer:
        name = next(name for name in outer.getnames() if name.endswith("/layer.tar"))
        with tarfile.open(fileobj=outer.extractfile(name)) as inner:
            for member in inner:
                yield inner, member


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("update-alternatives --install /usr/bin/x x /usr/bin/x1 5", [("/usr/bin/x", "x", "/usr/bin/x1", 5)]),
        (
            "if true; then\n  update-alternatives --quiet \\\n    --install /bin/x x /bin/x1 10 \\\n"
            "    --slave /bin/y y /bin/y1 || true\nfi",
            [("/bin/x", "x", "/bin/x1", 10), ("/bin/y", "y", "/bin/y1", 10)],
        ),
        (
            "update-alternatives --install /bin/x x /bin/x1 1 # --slave /a b /c",
            [("/bin/x", "x", "/bin/x1", 1)],
        ),
        ('update-alternatives --install "$BIN"/x x "$BIN"/y 50', []),
        ("update-alternatives --remove x /usr/bin/x1", []),
        ("", []),
    ],
)
def test_alternatives_are_read_from_maintainer_scripts(
    script: str, found: list[tuple[str, str, str, int]]
) -> None:
    assert list(configure.alternatives(script)) == [
        Alternative(link=link, name=name, path=path, priority=priority)
        for link, name, path, priority in found
    ]


def test_the_best_alternative_that_is_there_wins(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/poor").touch()
    (tmp_path / "bin/good").touch()
    offers = [("/bin/poor", 5), ("/bin/good", 10), ("/bin/absent", 99)]
    configure.link_alternatives(
        tmp_path,
        [Alternative(link="/bin/x", name="x", path=path, priority=priority) for path, priority in offers],
    )
    assert (tmp_path / "bin/x").readlink() == Path("/etc/alternatives/x")
    assert (tmp_path / "etc/alternatives/x").readlink() == Path("/bin/good")


def test_certificates_are_bundled(tmp_path: Path) -> None:
    configure.bundle_certificates(tmp_path)
    assert list(tmp_path.iterdir()) == []
    folder = tmp_path / "usr/share/ca-certificates/mozilla"
    folder.mkdir(parents=True)
    (folder / "b.crt").write_text("BEGIN b END")
    (folder / "a.crt").write_text("BEGIN a END\n")
    configure.bundle_certificates(tmp_path)
    assert (tmp_path / "etc/ssl/certs/ca-certificates.crt").read_text() == "BEGIN a END\nBEGIN b END\n"


def test_a_layer_depends_on_nothing_but_the_tree(tmp_path: Path) -> None:
    need("tar")
    plain_tree(tmp_path / "one", ("a", "b", "é \n"))
    plain_tree(tmp_path / "two", ("é \n", "b", "a"))
    digests = {archive.write_layer(tmp_path / tree, tmp_path / f"{tree}.tar") for tree in ("one", "two")}
    assert len(digests) == 1
    with tarfile.open(tmp_path / "one.tar") as tar:
        for member in tar:
            assert (member.uid, member.gid, member.mtime) == (0, 0, archive.epoch())
            assert not member.isfile() or member.mode == 0o755


def test_an_archive_loads_with_its_configuration(tmp_path: Path) -> None:
    recipe = Recipe(name="localhost/some/thing:1", env=(("PATH", "/bin"), ("X", "a=b c")), cmd=("x", ""))
    plain_tree(tmp_path / "tree", ("a", "b"))
    digest = archive.write_layer(tmp_path / "tree", tmp_path / "layer.tar")
    with (tmp_path / "image.tar").open("wb") as file:
        archive.write_archive(recipe, tmp_path / "layer.tar", digest, file)
    store = Store(str(tmp_path / "store"))
    (image,) = archives.load(store, str(tmp_path / "image.tar"))
    assert image == store.image("localhost/some/thing:1")
    assert image.id == archive.image_id(tmp_path / "image.tar")
    assert (image.config.env, image.config.cmd) == (recipe.env, recipe.cmd)


@pytest.mark.slow
def test_an_image_is_the_same_every_time_and_has_nothing_of_the_builder(tmp_path: Path) -> None:
    made = [with_packages(lambda: build.build("test-debian", cache=tmp_path / "first build"))]
    before = os.umask(0o077)
    try:
        made.append(build.build("test-debian", cache=tmp_path / "second"))
    finally:
        os.umask(before)
    assert made[0].name == made[1].name
    content = made[0].read_bytes()
    assert content == made[1].read_bytes()
    assert str(tmp_path).encode() not in content
    assert list((tmp_path / "second").iterdir()) == [made[1]]  # no tree is left behind


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test-debian", "sequencing", "physics"])
def test_a_tree_is_complete(name: str) -> None:
    made = with_packages(lambda: build.build(name))
    links, there = {}, set()
    for _, member in layer(made):
        path = posixpath.normpath("/" + member.name)
        there.add(path)
        assert member.isdir() or not member.mode & 0o6000
        if member.issym():
            links[path] = posixpath.join(posixpath.dirname(path), member.linkname)
    merged = tuple(f"/{name}/" for name in ("bin", "lib", "lib64", "sbin"))
    places = {link: posixpath.normpath(target) for link, target in links.items()}
    dangling = {
        link
        for link, place in places.items()
        if (f"/usr{place}" if place.startswith(merged) else place) not in there
    }
    # Manuals and matplotlib's web pages are left out on purpose.
    assert [link for link in dangling if "/share/" not in link and "/web_backend/" not in link] == []
    assert {"/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/usr/bin/sh", "/usr/bin/awk"} <= there


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sequencing", "import numpy, matplotlib.pyplot; numpy.linalg.inv(numpy.eye(2))"),
        ("physics", "import scipy.optimize, scipy.special, matplotlib.pyplot"),
        ("test-debian", "import ssl, sqlite3, lzma, bz2, ctypes, curses, readline"),
    ],
)
def test_python_works_in_the_image(name: str, code: str) -> None:
    with_packages(lambda: build.load(name))
    assert not build.load(name), "loading what is there already does nothing"
    command = [sys.executable, "-m", "dodas", "run", RECIPES[name].name, "--", "python", "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
