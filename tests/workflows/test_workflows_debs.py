"""Debian packages without root: from the real mirror, checked, kept, unpacked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import debs
from debian_packages import with_packages
from needs import need


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has bwa and what it needs."""
    cache = tmp_path_factory.mktemp("it's a cache")
    with_packages(lambda: debs.closure(["bwa"], cache=cache))
    return cache


def packages(paths: list[Path]) -> set[str]:
    return {path.name.split("_")[0] for path in paths}


def only_indextargets(directory: Path) -> str:
    """Make an apt-get that knows its mirrors and cannot reach them; return a PATH with it first."""
    script = directory / "apt-get"
    script.write_text(f'#!/bin/sh\ntest "$1" = indextargets && exec {need("apt-get")} "$@"\nexit 100\n')
    script.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def test_a_closure_has_all_dependencies(cache: Path) -> None:
    assert {"bwa", "libc6", "zlib1g", "libgcc-s1"} <= packages(debs.closure(["bwa"], cache=cache))


def test_what_is_taken_as_installed_stays_out_with_what_only_it_needs(cache: Path) -> None:
    left = packages(debs.closure(["bwa"], without=["libc6"], cache=cache))
    assert left == {"bwa", "zlib1g"}


def test_a_second_call_needs_no_network(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = debs.closure(["bwa"], cache=cache)
    monkeypatch.setenv("PATH", only_indextargets(tmp_path))
    assert debs.closure(["bwa"], cache=cache) == first


def test_a_damaged_package_is_fetched_again(cache: Path) -> None:
    bwa = next(path for path in debs.closure(["bwa"], cache=cache) if path.name.startswith("bwa_"))
    whole = bwa.read_bytes()
    bwa.write_bytes(whole[:-1] + b"?")
    debs.closure(["bwa"], cache=cache)
    assert bwa.read_bytes() == whole


def test_an_unknown_package_is_named(cache: Path) -> None:
    with pytest.raises(debs.DebsError, match=r"`apt-get install no-such-package` failed: .*no-such-package"):
        debs.closure(["no-such-package"], cache=cache)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), "apt-get and dpkg-deb are not on PATH"),
        (("apt-get",), "dpkg-deb is not on PATH"),
    ],
)
def test_a_host_without_apt_is_told_what_is_missing(
    there: tuple[str, ...], missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in there:
        (tmp_path / program).symlink_to(need(program))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debs.DebsError, match=missing):
        debs.closure(["bwa"], cache=tmp_path / "cache")


def test_unpacking_merges_usr(cache: Path, tmp_path: Path) -> None:
    target = tmp_path / "a prefix"
    debs.unpack(debs.closure(["bwa"], cache=cache), target)
    assert os.access(target / "usr/bin/bwa", os.X_OK)
    assert (target / "lib").readlink() == Path("usr/lib")
    assert list((target / "usr/lib").glob("*/libc.so.6"))
    assert (target / "usr/bin/bwa").stat().st_uid == os.geteuid()


def test_a_file_that_is_no_package_is_named(tmp_path: Path) -> None:
    need("dpkg-deb")
    (tmp_path / "bad.deb").write_bytes(b"no package")
    with pytest.raises(debs.DebsError, match=r"bad\.deb"):
        debs.unpack([tmp_path / "bad.deb"], tmp_path / "target")


def test_the_host_is_left_alone(cache: Path, tmp_path: Path) -> None:
    configuration = next(cache.glob("apt-*/apt.conf")).read_text()
    assert "#clear APT::Update::Post-Invoke;" in configuration  # Docker's images empty the host's cache there
    shutil.rmtree(next(cache.glob("apt-*/lists")))
    before = sorted(Path("/var/lib/apt/lists").iterdir())
    debs.closure(["bwa"], cache=cache, refresh=True)
    assert sorted(Path("/var/lib/apt/lists").iterdir()) == before
