"""The language's schemas are read once; whatever becomes of what is kept of them, runs go as before."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cwlcases import Cwl, host_tool

TOOL = host_tool("echo", "hello")
WRONG = {"class": "CommandLineTool", "baseCommand": ["true"], "inputs": {}, "outputs": {"out": "Fiel"}}


@pytest.fixture
def cache(cwl: Cwl) -> Path:
    cwl.environ["DODAS_CACHE"] = str(cwl.place / "cache")
    return cwl.place / "cache" / "schemas"


def kept(cache: Path) -> dict[str, tuple[int, int]]:
    """Return the files, and when each was written."""
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in cache.iterdir()}


def test_they_are_kept_and_used(cwl: Cwl, cache: Path) -> None:
    assert cwl(TOOL).status == 0
    first = kept(cache)
    assert {stat.S_IMODE((cache / name).stat().st_mode) for name in first} == {0o600}
    assert cwl(TOOL).status == 0
    assert kept(cache) == first


def test_extensions_have_schemas_of_their_own(cwl: Cwl, cache: Path) -> None:
    assert cwl(TOOL).status == 0
    first = kept(cache)
    assert cwl(TOOL, None, "--enable-ext").status == 0
    assert cwl(TOOL, None, "--enable-ext").status == 0
    assert kept(cache).items() > first.items()


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_errors_are_the_same(cwl: Cwl, cache: Path, version: str) -> None:
    document = {**WRONG, "cwlVersion": version}
    fresh, again = cwl(document, None, "--quiet"), cwl(document, None, "--quiet")
    assert kept(cache)
    assert fresh.status == again.status == 1
    assert "Fiel" in fresh.stderr
    assert again.stderr == fresh.stderr


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def other(path: Path) -> None:
    path.write_bytes(b"\x80\x05K\x01.")  # the number 1


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize("spoil", [cut, empty, other, open_to_all])
def test_what_is_damaged_or_could_be_a_stranger_s_is_made_again(
    cwl: Cwl, cache: Path, spoil: Callable[[Path], None]
) -> None:
    assert cwl(TOOL).status == 0
    first = kept(cache)
    for path in cache.iterdir():
        spoil(path)
    assert cwl(TOOL).status == 0
    second = kept(cache)
    assert second.keys() == first.keys()
    assert all(second[name] != first[name] for name in first)
    assert cwl(TOOL).status == 0
    assert kept(cache) == second


def test_no_place_to_keep_them(cwl: Cwl, cache: Path) -> None:
    cache.parent.write_text("a file where the directory should be")
    assert cwl(TOOL).status == 0
