"""The set-up: what it finds missing, how it runs unpacked programs, which PRoot it accepts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import debs
import every_python
import make_proot
import make_python
import make_venv
import node_packages
import programs
import proot_init
import unpacked
from debian_packages import with_packages
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
    assert "apt-get install apache2-bin apache2-utils bubblewrap" in text.splitlines()[-1]


def test_what_an_earlier_set_up_unpacked_is_not_taken_for_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a set-up from a shell that has sourced env.sh would leave those programs out of the next one."""
    [registry] = [one for one in programs.WANTED if one.name == "docker-registry"]
    unpacked_before = tmp_path / "programs" / "1234" / "bin"
    unpacked_before.mkdir(parents=True)
    (unpacked_before / registry.name).write_text("#!/bin/sh\n")
    (unpacked_before / registry.name).chmod(0o755)
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(unpacked_before))
    assert programs.missing((registry,)) == (registry,)
    assert programs.missing((registry,), (unpacked_before.parent,)) == ()


def test_the_lock_file_of_the_issuer_is_exact_and_names_no_host() -> None:
    lock = json.loads((node_packages.ISSUER / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert all(package["integrity"].startswith("sha512-") for package in packages)
    assert "://" not in json.dumps(lock)


def test_without_npm_there_is_no_issuer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert not node_packages.bring()
    assert not node_packages.place().exists()
    text = programs.complaint((programs.PROVIDER,))
    assert text.splitlines()[-1].endswith("apt-get install npm")


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


def test_the_init_of_another_source_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("gcc")
    target = tmp_path / "bin" / "proot-init"
    proot_init.make(target)
    assert proot_init.is_good(target)
    assert [path.name for path in target.parent.iterdir()] == ["proot-init"]
    changed = tmp_path / "changed.c"
    changed.write_bytes(proot_init.SOURCE.read_bytes() + b"/* */\n")
    monkeypatch.setattr(proot_init, "SOURCE", changed)
    assert not proot_init.is_good(target)
    proot_init.make(target)
    assert proot_init.is_good(target)


def test_an_init_is_tried_before_it_is_accepted(tmp_path: Path) -> None:
    assert not proot_init.is_good(tmp_path / "absent")
    assert not proot_init.is_good(script(tmp_path / "liar", f"exit 7 # {proot_init.digest()}"))


def test_an_init_that_cannot_be_compiled_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("gcc")
    monkeypatch.setattr(proot_init, "FLAGS", (*proot_init.FLAGS, "-U__x86_64__", "-U__aarch64__"))
    with pytest.raises(proot_init.NoInitError, match="this architecture"):
        proot_init.make(tmp_path / "proot-init")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(proot_init.NoInitError, match="gcc not on PATH"):
        proot_init.make(tmp_path / "proot-init")
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.slow
def test_a_python_of_another_release_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path / "it's a cache"))
    with_packages(lambda: debs.closure(make_python.packages(13), suite=make_python.SUITES[13]))
    python = make_python.make(13)
    assert every_python.find(13, bring=False) is not None
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    ask = "import pip, sqlite3, ssl, sys; print(*sys.version_info[:2], sys.prefix)"
    command = [str(tmp_path / "venv/bin/python"), "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"3 13 {tmp_path / 'venv'}\n"


def test_a_python_that_no_release_has_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path))
    with pytest.raises(make_python.NoPythonError, match=r"no release of Debian has Python 3\.12"):
        make_python.make(12)


def test_make_help_lists_what_people_type() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")}
    assert {"setup", "demo", "test", "check", "bench", "clean"} <= listed
