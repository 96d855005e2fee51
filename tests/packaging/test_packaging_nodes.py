"""What runs on nodes needs Python 3.9 and its standard library, no more."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

import every_python
from installations import PROJECT

OLDEST = 9
ROOT = PROJECT / "executors"
PARTS = (
    "dodas/backend.py",
    "dodas/containers/engines",
    "dodas/containers/launch.py",
    "dodas/containers/prepared.py",
    "dodas/containers/reference.py",
    "dodas/errors.py",
    "dodas/node",
    "dodas/paths.py",
    "dodas/step.py",
    "dodas/worker",
)
IMPORT_ALL = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def files() -> list[Path]:
    """Return the files of the code that runs on nodes."""
    places = [ROOT / part for part in PARTS]
    return sorted(
        {file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))}
    )


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("file", files(), ids=module)
def test_code_for_nodes_has_the_grammar_of_the_oldest_python(file: Path) -> None:
    ast.parse(file.read_bytes(), feature_version=(3, OLDEST))


def test_code_for_nodes_imports_on_the_oldest_python_alone() -> None:
    python = every_python.find(OLDEST, bring=False)
    if python is None:
        pytest.skip(f"no Python 3.{OLDEST} on this machine")
    # Without site-packages: the standard library only.
    command = [str(python), "-I", "-S", "-B", "-c", IMPORT_ALL, str(ROOT), *map(module, files())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
