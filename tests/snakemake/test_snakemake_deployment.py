"""The plugin for software: what its interface asks of every plugin, and what jobs get from this one."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dodas.containers.store import Store
from smallimage import NAME, fill
from snakemake_runs import imported_with

interface: Any = pytest.importorskip("snakemake_interface_software_deployment_plugins")
suite: Any = pytest.importorskip("snakemake_interface_software_deployment_plugins.tests")
plugin: Any = pytest.importorskip("snakemake_software_deployment_plugin_dodas")

IMAGE = f"docker://{NAME}"
SHELL = interface.ShellExecutable("/bin/sh", command_arg="-c")  # the image has nothing else
HOSTILE = 'it\'s $HOME; `x`\n"two"  blanks * \\ ünï'


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with the image, not unpacked, and a working directory with an odd name."""
    place = tmp_path_factory.mktemp("store")
    fill(str(place), tmp_path_factory.getbasetemp())
    monkeypatch.setenv("UDOCKER_DIR", str(place))
    work = tmp_path_factory.mktemp("work") / "it's a: dir"
    work.mkdir()
    monkeypatch.chdir(work)
    yield place


class TestInterface(suite.TestSoftwareDeploymentBase):  # type: ignore[misc]
    """The suite that comes with the interface."""

    __test__ = True
    shell_executable = SHELL

    def get_env_spec(self) -> Any:
        return spec()

    def get_env_cls(self) -> Any:
        return plugin.Env

    def get_test_cmd(self) -> str:
        return 'test "$(cat /marker)" = image'

    def get_settings(self) -> Any:
        return plugin.Settings()

    def get_settings_cls(self) -> Any:
        return plugin.Settings

    def get_contained_executable(self) -> str:
        return "busybox"


def spec(image: str = IMAGE) -> Any:
    made = plugin.EnvSpec(image_uri=image)
    made.technical_init()
    return made


def environment(tmp_path: Path, image: str = IMAGE, **options: Any) -> Any:
    """Return what Snakemake makes for a rule, with any release of the interface."""
    known = {
        "settings": plugin.Settings(),
        "within": None,
        "shell_executable": SHELL,
        "tempdir": tmp_path,
        "mountpoints": [Path.cwd()],
        **{f"{kind}_prefix": tmp_path / kind for kind in ("deployment", "cache", "pinfile")},
        **options,
    }
    names = interface.EnvBase.__init__.__code__.co_varnames
    if "envvars" in names:
        known.setdefault("envvars", set())
    else:
        known.pop("envvars", None)
    return plugin.Env(spec=spec(image), **known)


def said(env: Any, command: str, **variables: str) -> str:
    """Run a command in the environment, as Snakemake would, and return what it printed."""
    done = subprocess.run(
        ["/bin/sh", "-c", env.managed_decorate_shellcmd(command)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plugin_is_valid_and_provides_containers() -> None:
    registry: Any = pytest.importorskip("snakemake_interface_software_deployment_plugins.registry")
    found = registry.SoftwareDeploymentPluginRegistry().get_plugin("dodas")
    assert found.common_settings.provides == "container"
    assert found.settings_cls is plugin.Settings
    assert plugin.EnvSpec.env_cls() is plugin.Env
    assert spec().kind == "container"


def test_deploying_prepares_the_image_once_for_all(tmp_path: Path) -> None:
    env = environment(tmp_path)
    assert not env.deployment_path.exists()
    asyncio.run(env.managed_deploy())
    assert env.deployment_path.exists()
    (software,) = env.report_software()
    assert software.name == IMAGE
    assert software.version.startswith("sha256:")
    assert [name for name in os.listdir(Store().layout.containers) if not name.startswith(".")]
    env.managed_remove()
    assert not env.deployment_path.exists()
    assert said(env, "cat /marker") == "image\n"


def test_words_of_a_command_arrive(tmp_path: Path) -> None:
    quoted = "'" + HOSTILE.replace("'", "'\\''") + "'"
    assert said(environment(tmp_path), f"printf %s {quoted}") == HOSTILE


def test_a_command_is_where_it_was_started_and_keeps_what_it_writes(tmp_path: Path) -> None:
    env = environment(tmp_path)
    assert said(env, "pwd; echo $HOME; echo x > made; mkdir below; touch /gone") == f"{Path.cwd()}\n" * 2
    assert Path("made").read_text() == "x\n"
    assert Path("made").stat().st_uid == os.geteuid()
    os.chdir("below")  # as for a job with `shadow:`
    assert said(env, "pwd; cat ../made; ls /gone 2>/dev/null || echo none").endswith("/below\nx\nnone\n")


def test_temporary_files_go_where_they_are_told_to(tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name} elsewhere"
    elsewhere.mkdir()
    env = environment(tmp_path)
    assert said(env, "echo x > $TMPDIR/one", TMPDIR=str(tmp_path)) == ""
    assert said(env, 'echo x > "$TMPDIR/two"', TMPDIR=str(elsewhere)) == ""
    assert (tmp_path / "one").exists()
    assert (elsewhere / "two").exists()


def test_variables_of_the_host_stay_outside_but_snakemakes_own(tmp_path: Path) -> None:
    env = environment(tmp_path)
    lines = said(env, "env", OMP_NUM_THREADS="3", SECRET="x", LC_ALL="C.UTF-8").splitlines()
    assert "OMP_NUM_THREADS=3" in lines
    assert "LC_ALL=C.UTF-8" in lines
    assert not [line for line in lines if line.startswith("SECRET")]


@pytest.mark.skipif(
    "envvars" not in interface.EnvBase.__init__.__code__.co_varnames,
    reason="this release of the interface does not tell",
)
def test_declared_variables_get_in_and_their_values_not_into_the_command(tmp_path: Path) -> None:
    env = environment(tmp_path, envvars={"DECLARED", "NOT_SET"})
    assert HOSTILE not in env.managed_decorate_shellcmd("true")
    shown = said(env, 'printf %s "$DECLARED"; echo "${NOT_SET-none}"', DECLARED=HOSTILE)
    assert shown == f"{HOSTILE}none\n"


def test_mount_points_are_those_of_snakemake_and_those_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "shown").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("data\n")
    settings = plugin.Settings(mountpoints=[f"{tmp_path / 'data'}:/data"])
    paths = [Path.cwd(), tmp_path / "shown", tmp_path / "absent"]
    env = environment(tmp_path, tempdir=tmp_path / "shown", settings=settings, mountpoints=paths)
    writes = f"echo x > {tmp_path}/shown/made; echo x > /data/made || echo refused; ls {tmp_path}"
    assert said(env, f"cat /data/file; {writes} 2>/dev/null").splitlines() == ["data", "refused", "shown"]
    assert (tmp_path / "shown/made").exists()


def test_settings_lend_the_plugin_container_a_program(tmp_path: Path) -> None:
    """Snakemake gives them to that plugin for `container:`; it makes a command line as for docker."""
    runtime = plugin.Settings().runtime
    assert os.access(runtime.item_to_choice(), os.X_OK)
    mounts = f" -w '{tmp_path}'  -v '{tmp_path}':'{tmp_path}'"
    command = f"{runtime}  run --rm {mounts} {NAME} sh -c 'cat /marker; pwd'"
    done = subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True, text=True)
    assert done.stdout == f"image\n{tmp_path}\n"


def test_the_exit_status_is_that_of_the_command(tmp_path: Path) -> None:
    command = environment(tmp_path).managed_decorate_shellcmd("exit 41")
    assert subprocess.run(["/bin/sh", "-c", command], check=False).returncode == 41


@pytest.mark.parametrize(
    ("image", "settings", "word"),
    [
        ("docker://absent.invalid/x:1", {}, "absent.invalid"),
        ("image.sif", {}, "SIF"),
        (IMAGE, {"engine": "nonsense"}, "nonsense"),
    ],
)
def test_what_cannot_be_deployed_is_said(
    tmp_path: Path, image: str, settings: dict[str, str], word: str
) -> None:
    env = environment(tmp_path, image, settings=plugin.Settings(**settings))
    with pytest.raises(Exception, match=word) as caught:
        asyncio.run(env.managed_deploy())
    assert type(caught.value).__name__ == "WorkflowError"
    assert not env.deployment_path.exists()


def test_a_mount_point_that_is_not_there_is_said(tmp_path: Path) -> None:
    env = environment(tmp_path, settings=plugin.Settings(mountpoints=["/nowhere"]))
    with pytest.raises(Exception, match="'/nowhere'"):
        env.managed_decorate_shellcmd("true")


def test_being_installed_costs_nothing_but_the_interface() -> None:
    before = (
        *("asyncio", "json", "shlex", "__future__", "contextlib"),
        "snakemake_interface_software_deployment_plugins.settings",
    )
    assert imported_with("snakemake_software_deployment_plugin_dodas", *before) == [
        "snakemake_software_deployment_plugin_dodas",
        "snakemake_software_deployment_plugin_dodas.environment",
        "snakemake_software_deployment_plugin_dodas.runtime",
        "snakemake_software_deployment_plugin_dodas.settings",
    ]
