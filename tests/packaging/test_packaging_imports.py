"""Who may import whom, as docs/architecture.md says: read from the source, and seen at run time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from installations import PACKAGES, PROJECT, ROOTS, clean_environment

FRONT_ENDS = (
    "dodas_cwl",
    "snakemake_executor_plugin_dodas",
    "snakemake_software_deployment_plugin_dodas",
    "snakemake_storage_plugin_dynafed",
)

# part -> parts of the project it may import besides itself; "dodas" is what lies at the top of the package
MAY_IMPORT = {
    "dodas": set(),
    "dodas.containers": {"dodas"},
    "dodas.auth": {"dodas"},
    "dodas.records": {"dodas"},
    "dodas.reuse": {"dodas", "dodas.containers"},
    "dodas.staging": {"dodas", "dodas.auth"},
    "dodas.pool": {"dodas", "dodas.auth", "dodas.containers", "dodas.worker", "dodas.node"},
    "dodas.worker": {"dodas", "dodas.containers", "dodas.staging"},
    "dodas.backends": {"dodas", "dodas.worker", "dodas.containers", "dodas.staging"},
    "dodas.node": {
        *("dodas", "dodas.backends", "dodas.worker", "dodas.containers", "dodas.staging", "dodas.auth"),
    },
    "dodas.backends.htcondor": {
        *("dodas", "dodas.backends", "dodas.node", "dodas.pool", "dodas.worker", "dodas.containers"),
        *("dodas.staging", "dodas.auth"),
    },
}
EVERYTHING_IN_DODAS = {"dodas.cli", "dodas.shims", *FRONT_ENDS}
# What a `container:` directive means is said in one place.
SHARED = {"snakemake_software_deployment_plugin_dodas": "snakemake_executor_plugin_dodas"}

# distribution that is imported -> the only places that may
ONLY_IN = {
    "cwltool": ("dodas_cwl",),
    "schema_salad": ("dodas_cwl",),
    "prov": ("dodas_cwl",),
    "rocrate": ("dodas_cwl",),
    "ruamel": ("dodas_cwl",),
    "snakemake": ("snakemake_executor_plugin_dodas",),
    "snakemake_interface_common": FRONT_ENDS[1:],
    "snakemake_interface_executor_plugins": ("snakemake_executor_plugin_dodas",),
    "snakemake_interface_software_deployment_plugins": ("snakemake_software_deployment_plugin_dodas",),
    "snakemake_interface_storage_plugins": ("snakemake_storage_plugin_dynafed",),
    # The second for `dockerLoad: URL`.
    "requests": ("dodas.containers.registry", "dodas_cwl.images", "dodas.pool.providers"),
    "urllib3": ("dodas.containers.registry", "dodas.pool.providers"),
    "yaml": ("dodas.pool",),
    "jsonschema": ("dodas.pool.description",),
    "htcondor2": ("dodas.backends.htcondor", "dodas.pool"),
    "classad2": ("dodas.backends.htcondor", "dodas.pool"),
    "rich": ("dodas.cli",),
}


# Takes what others offer where it is, and does without where it is not.
GUARDED = "dodas.containers.registry.client"


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import statement, of one module or one name of it."""

    importer: str
    name: str
    deferred: bool
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


def modules() -> dict[str, Path]:
    files = (file for root in ROOTS for file in (PROJECT / root).rglob("*.py"))
    return {module_name(file): file for file in files if "__pycache__" not in file.parts}


def module_name(file: Path) -> str:
    parts = file.relative_to(PROJECT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(module: str, file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_bytes())
    deferred = {id(node) for scope in ast.walk(tree) if is_deferred(scope) for node in ast.walk(scope)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in names(node):
                yield Import(importer=module, name=name, deferred=id(node) in deferred, line=node.lineno)


def names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return what a statement names; ``from a import b`` names ``a.b``, which may be a module or not."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    return [f"{node.module}.{alias.name}" for alias in node.names]


def is_deferred(node: ast.AST) -> bool:
    """Tell whether what is inside runs later, or never: a function, or a block for type checkers."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


MODULES = modules()
IMPORTS = [one for name, file in sorted(MODULES.items()) for one in imports_of(name, file)]


def part_of(module: str) -> str:
    """Return the row of the table that ``module`` belongs to."""
    first, _, rest = module.partition(".")
    if first != "dodas":
        return first
    if is_below(module, ("dodas.backends.htcondor",)):
        return "dodas.backends.htcondor"
    second = rest.partition(".")[0]
    is_package = any(name.startswith(f"dodas.{second}.") for name in MODULES) and second
    return f"dodas.{second}" if is_package or f"dodas.{second}" in MAY_IMPORT else "dodas"


def is_allowed(one: Import) -> bool:
    importer, imported = part_of(one.importer), part_of(one.name)
    if importer == imported:
        return True
    if importer in EVERYTHING_IN_DODAS or one.importer == "dodas.__main__":
        return imported not in FRONT_ENDS or imported == SHARED.get(importer)
    return imported in MAY_IMPORT[importer]


def test_every_part_is_in_the_table() -> None:
    assert {part_of(name) for name in MODULES} <= MAY_IMPORT.keys() | EVERYTHING_IN_DODAS


def test_parts_import_in_one_direction() -> None:
    inside = [one for one in IMPORTS if one.name.partition(".")[0] in PACKAGES]
    assert inside
    assert [str(one) for one in inside if not is_allowed(one)] == []


def test_other_projects_are_imported_in_their_own_place_only() -> None:
    watched = ((one, ONLY_IN.get(one.name.partition(".")[0])) for one in IMPORTS)
    assert [str(one) for one, places in watched if places and not is_below(one.importer, places)] == []


def test_nothing_else_is_imported() -> None:
    known = set(sys.stdlib_module_names) | set(PACKAGES) | ONLY_IN.keys()
    assert [str(one) for one in IMPORTS if one.name.partition(".")[0] not in known] == []


@pytest.mark.parametrize(
    "place",
    [
        *("dodas.worker", "dodas.containers.engines", "dodas.node", "dodas.step", "dodas.errors"),
        *("dodas.auth", "dodas.staging"),
    ],
)
def test_what_runs_on_bare_nodes_needs_the_standard_library_only(place: str) -> None:
    """Also through what it imports: the whole closure."""
    reached, todo = set(), [name for name in MODULES if is_below(name, (place,))]
    assert todo
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += [target for one in IMPORTS if one.importer == module for target in targets(one)]
    foreign = [one for one in IMPORTS if one.importer in reached - {GUARDED} and is_foreign(one)]
    assert [str(one) for one in foreign] == []


def test_no_module_imports_itself_through_others() -> None:
    graph = {name: set[str]() for name in MODULES}
    for one in IMPORTS:
        if not one.deferred:
            # A package that re-exports its modules is not a circle with them.
            modules = {name for name in targets(one) if MODULES[name].stem != "__init__"}
            graph[one.importer] |= modules - {one.importer}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def targets(one: Import) -> set[str]:
    """Return the modules of the project that an import loads."""
    return {name for name in (one.name, one.name.rpartition(".")[0]) if name in MODULES}


def is_below(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def is_foreign(one: Import) -> bool:
    first = one.name.partition(".")[0]
    return first not in sys.stdlib_module_names and first not in PACKAGES


HEAVY = ("requests", "rich", "cwltool", "snakemake", "psutil", "udocker")
LIGHT = (
    *("dodas", "dodas.cli", "dodas.cli.data", "dodas.step", "dodas.backend", "dodas.backends"),
    *("dodas.worker.client", "dodas.staging", "dodas.auth"),
)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_is_light(module: str) -> None:
    assert loaded_by(module) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Snakemake 9 needs Python 3.11")
@pytest.mark.parametrize(
    ("plugin", "loaded"),
    [
        ("snakemake_executor_plugin_dodas", []),
        ("snakemake_software_deployment_plugin_dodas", []),
        ("snakemake_storage_plugin_dynafed", ["snakemake"]),  # by the interface for storage
    ],
)
def test_snakemake_pays_little_for_the_plugins(plugin: str, loaded: list[str]) -> None:
    """It imports every plugin at every start, also when another one is used."""
    assert loaded_by(plugin) == loaded


def loaded_by(module: str) -> list[str]:
    """Return which heavy packages are loaded once ``module`` is."""
    ask = f"import sys; import {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    roots = [str(PROJECT / root) for root in ROOTS]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {roots!r}; {ask}"],
        env=clean_environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
