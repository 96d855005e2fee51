"""Every way to install dodas gives the command, the packages and a plugin that Snakemake sees."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import dodas
from installations import PACKAGES, PROJECT, ROOTS, Environment, make_environment, project_files

WAYS = ("directory", "editable", "wheel", "sdist")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, since building writes into the directory it builds from."""
    copy = tmp_path_factory.mktemp("checkout") / "dodas"
    for file in project_files():
        target = copy / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / file, target)
    return copy


@pytest.fixture(scope="session")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("--sdist", checkout, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the sdist as releases are."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data") if sys.version_info >= (3, 12) else archive.extractall(
            unpacked
        )
    return build("--wheel", next(unpacked.iterdir()), tmp_path_factory.mktemp("wheel"))


def build(what: str, source: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "build", what, "--no-isolation", "--outdir"]
    done = subprocess.run([*command, target, source], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="session", params=WAYS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment in which dodas was installed in one of the ways."""
    environment = make_environment(tmp_path_factory.mktemp(request.param) / "venv")
    checkout: Path = request.getfixturevalue("checkout")
    match request.param:
        case "directory":
            environment.install(checkout)
        case "editable":
            environment.install("--editable", checkout)
        case way:
            environment.install(request.getfixturevalue(way))
    return environment


def test_the_command_works(installed: Environment) -> None:
    assert "usage: dodas" in installed.run("dodas", "--help")
    assert installed.run("dodas", "--version") == f"dodas {dodas.__version__}\n"


def test_the_module_is_the_command(installed: Environment) -> None:
    assert installed.run("python", "-m", "dodas", "--version") == f"dodas {dodas.__version__}\n"


def test_the_version_of_the_distribution_is_that_of_the_package(installed: Environment) -> None:
    ask = "import importlib.metadata as m; print(m.version('dodas'))"
    assert installed.run("python", "-c", ask) == f"{dodas.__version__}\n"


def test_each_package_is_found_with_its_types(installed: Environment) -> None:
    found = "[Path(find_spec(name).origin).with_name('py.typed').is_file() for name in sys.argv[1:]]"
    ask = f"import sys; from importlib.util import find_spec; from pathlib import Path; print({found})"
    assert installed.run("python", "-c", ask, *PACKAGES) == f"{[True] * len(PACKAGES)}\n"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Snakemake 9 needs Python 3.11")
def test_snakemake_sees_the_plugin(installed: Environment) -> None:
    text = "".join(installed.run("python", "-m", "snakemake", "--help").split())
    choices = re.search(r"--executor,?(?:-e)?\{([^}]*)\}", text)
    assert choices, text
    assert "dodas" in choices[1].split(",")
    assert "--storage-dynafed-token-hosts" in text


def test_an_editable_install_is_the_checkout_itself(checkout: Path, tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "venv")
    environment.install("--editable", checkout)
    (pth,) = environment.home.rglob("__editable__.dodas-*.pth")
    assert pth.read_text().splitlines() == [str(checkout / root) for root in ROOTS]


def test_files_of_the_wheel(wheel: Path, checkout: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    info = f"dodas-{dodas.__version__}.dist-info"
    metadata = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE")
    code = {file.partition("/")[2] for file in project_files(checkout, below=ROOTS)}
    assert found == code | {f"{info}/{name}" for name in metadata}
    assert {f"{package}/py.typed" for package in PACKAGES} <= found


def test_files_of_the_sdist(sdist: Path, checkout: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in names if name == "PKG-INFO" or name.split("/")[0].endswith(".egg-info")}
    kept_out = {".gitignore"}
    # setup.cfg is written by setuptools into every sdist.
    assert names - made - {"setup.cfg"} == project_files(checkout) - kept_out
