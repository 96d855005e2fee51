"""The documentation says what is so: its examples run, its links lead somewhere, its tables are complete."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from docs_examples import blocks, matches, play
from dodas.staging.settings import Settings
from installations import PROJECT, ROOTS
from needs import need
from registry_server import Image, Registry, make_image, run_registry
from servers.xrootd import Xrootd

PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
SESSIONS = [
    page for page in PAGES if any(block.kind == "console" and not block.mark for block in blocks(page))
]
# `make` in CONTRIBUTING.md would run this test again.
SESSIONS = [page for page in SESSIONS if page.name != "CONTRIBUTING.md"]


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that stands for Docker Hub, with a busybox as there."""
    scratch = tmp_path_factory.mktemp("hub")
    with run_registry(scratch / "registry") as registry:
        registry.push(busybox_image(), "library/busybox:1.36", scratch)
        yield registry


def busybox_image() -> Image:
    busybox = Path(need("busybox")).read_bytes()
    applets = ["cat", "echo", "env", "head", "id", "ls", "sleep", "sort", "touch", "tr", "uname", "wc"]
    scripts = {f"bin/{name}": f'#!/bin/sh\nexec busybox {name} "$@"\n'.encode() for name in applets}
    passwd = b"root:x:0:0:root:/root:/bin/sh\n"
    return make_image(
        {"bin/busybox": busybox, "bin/sh": busybox, **scripts, "etc/passwd": passwd, "tmp/.keep": b""},
        config={"Env": ["PATH=/bin"], "Cmd": ["sh"]},
    )


@pytest.fixture
def reader(tmp_path: Path, hub: Registry) -> dict[str, str]:
    """The environment of somebody who follows a page: nothing set, a new home, the hub nearby."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("LANG", "DODAS_DATA", "DODAS_SCRATCH") if name in os.environ}
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "dodas")
    return {
        "DODAS_DATA": str(data),  # where the PRoot of `make setup` is
        **kept,
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "UDOCKER_TARBALL": "",
        "DODAS_REGISTRY_MIRRORS": f"docker.io={hub.url}",
    }


@pytest.mark.parametrize("page", SESSIONS, ids=name_of)
def test_examples_do_what_the_page_says(
    page: Path, tmp_path: Path, reader: dict[str, str], request: pytest.FixtureRequest
) -> None:
    if "$ snakemake" in page.read_text() and sys.version_info < (3, 11):
        pytest.skip("Snakemake 9 needs Python 3.11")
    if "$STORAGE" in page.read_text():
        storage: Xrootd = request.getfixturevalue("xrootd")
        reader["STORAGE"] = storage.url("home/anna").replace("http:", "dav:")
    place = tmp_path / "work"
    place.mkdir()
    assert play(page, place, reader) > 0


def test_a_promise_that_is_not_kept_is_noticed() -> None:
    assert matches("a…z\n…\nend\n", "a to z\nmore\n\nend\n")
    assert not matches("a…z\n", "a to z\nmore\n")
    assert not matches("", "something\n")


LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    dead = [link for link in LINK.findall(page.read_text()) if not is_alive(page, link)]
    assert dead == []


def is_alive(page: Path, link: str) -> bool:
    if link.startswith(("http://", "https://")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """Return what a forge makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [PROJECT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            links = (link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link)
            todo += [(page.parent / link).resolve() for link in links if link]
    assert [name_of(page) for page in PAGES if page not in reached] == []


def test_the_variables_that_dodas_reads_are_all_described() -> None:
    sources = [file.read_text() for root in ROOTS for file in (PROJECT / root).rglob("*.py")]
    read = {name for text in sources for name in re.findall(r'"(DODAS_[A-Z_]+)"', text)}
    described = set(re.findall(r"^\| `(DODAS_[A-Z_]+)`", (PROJECT / "docs/environment.md").read_text(), re.M))
    own = {"DODAS_PROBE", "DODAS_STORAGE_"}  # set by dodas, for its self-test; what others begin with
    assert described == (read - own) | {f"DODAS_STORAGE_{one.name.upper()}" for one in fields(Settings)}
