"""The set-up: what it finds missing, how it runs unpacked programs, which PRoot it accepts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import make_proot
import make_venv
import programs
import unpacked
from dodas import paths
from installations import PROJECT
from needs import need


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What unpacking leaves: two programs, one of them static, below a path with a space and a quote."""
    part = tmp_path / "it's here"
    script(part / "root/usr/bin/tool-of-dodas", 'echo "$0: $# $2"; echo "$LD_LIBRARY_PATH"')
    (part / "root/usr/bin/static-of-dodas").write_bytes(Path(need("busybox")).read_bytes())
    (part / "root/usr/bin/static-of-dodas").chmod(0o755)
    (part / "root/usr/sbin").mkdir()
    (part / "bin").mkdir()
    return part


def test_an_unpacked_program_runs_with_its_libraries(package: Path) -> None:
    for program in unpacked.programs(package / "root"):
        unpacked.offer(program, package, package)
    command = [str(package / "bin/tool-of-dodas"), "two words", ""]
    own = {"LD_LIBRARY_PATH": "/own"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    first, libraries = done.stdout.splitlines()
    assert first == f"{package}/root/usr/bin/tool-of-dodas: 2 "
    assert libraries.startswith(f"{package}/root/usr/lib/")
    assert libraries.endswith(":/own")


def test_a_static_program_can_be_copied_into_an_image(package: Path) -> None:
    unpacked.offer(package / "root/usr/bin/static-of-dodas", package, package)
    assert (package / "bin/static-of-dodas").is_symlink()
    assert not unpacked.is_static(Path(sys.executable).resolve())


def test_what_is_missing_is_told_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    absent = programs.missing(tuple(one for one in programs.WANTED if "/" not in one.name))
    assert "docker-registry" in {one.name for one in absent}
    text = programs.complaint(absent)
    assert "  skopeo             archives and registries" in text
    assert "apt-get install apache2-utils bubblewrap" in text.splitlines()[-1]


def test_the_environment_of_the_make_targets_survives_odd_paths(tmp_path: Path) -> None:
    venv = tmp_path / "my $HOME `x`'s"
    script(venv / "bin/answer-of-dodas", "echo 42")
    env_file = tmp_path / "env.sh"
    env_file.write_text(programs.environment(venv, (), programs.WANTED[:2]))
    command = f'. "{env_file}" && answer-of-dodas && echo "$DODAS_TEST_ABSENT"'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "42\ndocker-registry htpasswd\n"


def test_a_proot_is_tried_before_it_is_accepted(tmp_path: Path) -> None:
    version = "5.4.0\nbuilt-in accelerators: process_vm = yes, seccomp_filter = {}"
    assert not make_proot.is_good(tmp_path / "absent")
    assert not make_proot.is_good(script(tmp_path / "no-filter", f'echo "{version.format("no")}"'))
    assert not make_proot.is_good(script(tmp_path / "talker", f'echo "{version.format("yes")}"'))


def test_the_proot_of_the_set_up_is_good() -> None:
    program = Path(paths.data_dir(), "bin", "proot")
    if not program.exists():
        pytest.skip("`make proot` was not run, or could not build one here")
    assert make_proot.is_good(program)
    assert os.access(program.with_name("proot-loader"), os.X_OK)


def test_a_source_with_another_checksum_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / make_proot.POOL).parent.mkdir(parents=True)
    (tmp_path / make_proot.POOL).write_bytes(b"something else")
    monkeypatch.setattr(make_proot, "mirrors", lambda: iter([tmp_path.as_uri()]))
    monkeypatch.setattr(make_proot, "APT_HELPER", tmp_path / "none")
    with pytest.raises(make_proot.NoPRootError, match="right checksum"):
        make_proot.fetch(tmp_path / "cache" / make_proot.TARBALL)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_python_that_is_too_old_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_venv, "OLDEST", (4, 0))
    with pytest.raises(make_venv.NoVenvError, match=r"needs Python 4\.0 or newer"):
        make_venv.make(tmp_path / "venv", extras="", group="dev")


def test_make_help_lists_what_people_type() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")}
    assert {"setup", "demo", "test", "check", "bench", "clean"} <= listed
