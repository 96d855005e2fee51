"""`dodas env`: what it prints for each shell, and what it leaves on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from udocker_env import DODAS

PATHS = [
    "/usr/bin:/bin",
    "",
    ":",
    "/usr/bin::/bin:",
    "/a b:/usr/bin",
    "/it's:/$x:/`y`:/!z:/usr/bin:/bin",
    "/usr/bin/",
]


def env(place: Path, *options: str, path: str = "/usr/bin:/bin", **environ: str) -> str:
    """Return what `dodas env` prints."""
    done = subprocess.run(
        [*DODAS, "env", *options],
        env={
            "HOME": str(place),
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **environ,
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def path_of(text: str, path: str, shell: str = "sh") -> str:
    """Return PATH after a shell has evaluated the text."""
    program = shutil.which(shell)
    assert program is not None
    done = subprocess.run(
        [program, "-c", 'eval "$1"; printf %s "$PATH"', "sh", text],
        env={"PATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.parametrize("path", PATHS)
def test_twice_is_once_and_off_is_as_before(path: str, tmp_path: Path) -> None:
    once = path_of(env(tmp_path, path=path), path)
    folder, _, rest = once.partition(":")
    assert rest == path
    assert sorted(os.listdir(folder)) == ["apptainer", "singularity", "udocker"]
    assert path_of(env(tmp_path, path=once), once) == once
    assert path_of(env(tmp_path, "--off", path=once), once) == path
    assert path_of(env(tmp_path, "--off", path=path), path) == path


def test_it_comes_to_the_front_again(tmp_path: Path) -> None:
    once = path_of(env(tmp_path), "/usr/bin:/bin")
    folder = once.partition(":")[0]
    later = f"/opt/venv/bin:{once}"
    assert path_of(env(tmp_path, path=later), later) == f"{folder}:/opt/venv/bin:/usr/bin:/bin"
    assert path_of(env(tmp_path, "--off", path=later), later) == "/opt/venv/bin:/usr/bin:/bin"


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "ksh"])
def test_shells_of_bournes(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    path = "/it's:/a b:/$x:/usr/bin"
    assert path_of(env(tmp_path, "--shell", shell, path=path), path, shell).endswith(f":{path}")


@pytest.mark.parametrize("shell", ["fish", "csh", "tcsh"])
def test_other_shells_evaluate_it(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    path = "/it's:/a  b:/$x:/!y:/usr/bin:/bin"
    evaluate = {"fish": "eval (cat $HOME/text)"}.get(shell, 'eval "`cat $HOME/text`"')
    (tmp_path / "text").write_text(env(tmp_path, "--shell", shell, path=path))
    done = subprocess.run(
        [str(shutil.which(shell)), "-c", f"{evaluate}; /usr/bin/env"],
        env={"HOME": str(tmp_path), "PATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert f":{path}\n" in done.stdout


def test_what_other_shells_are_told(tmp_path: Path) -> None:
    path = "/it's:/a  b\\c:/$x:/!y"
    fish, csh = (env(tmp_path, "--off", "--shell", shell, path=path) for shell in ("fish", "csh"))
    assert fish == "set -gx PATH '/it\\'s' '/a  b\\\\c' '/$x' '/!y'\n"
    assert csh == "setenv PATH '/it'\\''s:/a  b\\c:/$x:/\\!y'\n"


def test_the_shell_is_that_of_the_user(tmp_path: Path) -> None:
    begins = {
        shell: env(tmp_path, "--off", SHELL=shell).split(" ")[0]
        for shell in ("/bin/bash", "/usr/bin/fish", "/bin/tcsh", "/bin/zsh", "", "/opt/own/shell")
    }
    assert list(begins.values()) == ["export", "set", "setenv", "export", "export", "export"]


def test_the_programs_are_made_again_when_they_are_others(tmp_path: Path) -> None:
    folder = Path(path_of(env(tmp_path), "").partition(":")[0])
    assert folder.is_relative_to(tmp_path / ".local/share/dodas")
    programs = sorted(folder.iterdir())
    made = [(program.read_bytes(), program.stat().st_mtime_ns) for program in programs]
    env(tmp_path)
    assert [(program.read_bytes(), program.stat().st_mtime_ns) for program in programs] == made
    for program in programs:
        program.write_text("#!/bin/sh\n# of another version: dodas.shims\n")
    env(tmp_path)
    assert [program.read_bytes() for program in programs] == [content for content, _ in made]
    assert os.listdir(folder.parent) == [folder.name]
    assert all(os.access(program, os.X_OK) for program in programs)


def test_data_may_be_elsewhere(tmp_path: Path) -> None:
    for name in ("DODAS_DATA", "XDG_DATA_HOME"):
        folder = path_of(env(tmp_path, **{name: str(tmp_path / name)}), "").partition(":")[0]
        assert folder.startswith(str(tmp_path / name))


def test_a_python_with_blanks_in_its_path(tmp_path: Path) -> None:
    place = tmp_path / "a b'c"
    place.mkdir()
    (place / "python").symlink_to(sys.executable)
    roots = os.pathsep.join(filter(None, sys.path))
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": roots}
    done = subprocess.run(
        [place / "python", *DODAS[1:], "env"], env=environ, check=True, capture_output=True, text=True
    )
    folder = path_of(done.stdout, "").partition(":")[0]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/udocker").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "bin/udocker").chmod(0o755)
    path = f"{folder}:{tmp_path}/bin:/usr/bin:/bin"
    asked = subprocess.run(
        ["/usr/bin/env", "udocker", "ps", "", "a b"],
        env={"PATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert asked.stdout == "ps  a b\n"


def test_two_of_them_do_not_ask_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        env(tmp_path, DODAS_DATA=str(tmp_path / name))
    folders = [
        path_of(env(tmp_path, DODAS_DATA=str(tmp_path / name)), "").partition(":")[0]
        for name in ("one", "two")
    ]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/udocker").write_text("#!/bin/sh\nexit 33\n")
    (tmp_path / "bin/udocker").chmod(0o755)
    path = ":".join((*folders, str(tmp_path / "bin")))
    asked = subprocess.run(["/usr/bin/env", "udocker", "ps"], env={"PATH": path}, check=False)
    assert asked.returncode == 33
