"""The workflow in an RO-Crate: its parameters, steps and tools, as the packed document has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

FILE = "packed.cwl"
CWL = "https://w3id.org/workflowhub/workflow-ro-crate#cwl"
_PARAMETER = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
_TYPES = {
    "string": "Text",
    "int": "Integer",
    "long": "Integer",
    "float": "Float",
    "double": "Float",
    "Any": "DataType",
    "boolean": "Boolean",
    "File": "File",
    "Directory": "Dataset",
    "stdout": "File",
    "stderr": "File",
    "enum": "Text",
    "record": "PropertyValue",
}


class Plan:
    """The packed workflow.

    Args:
        text: The document.
        add: Adds an entity to the crate, by its id and properties, unless there is one of that id.

    Attributes:
        main: The document of the process that was run.
        version: Of the language.
    """

    def __init__(self, text: str, add: Any) -> None:
        document = json.loads(text)
        graph = document.get("$graph") or [document]
        self._processes = {one["id"]: one for one in graph if "id" in one}
        self._add = add
        self.main: dict[str, Any] = self._processes.get("#main", graph[0])
        self._steps = dict(_steps(self._processes.values() or [self.main]))
        self.version = str(document.get("cwlVersion") or self.main.get("cwlVersion") or "v1.2")

    def step(self, workflow: Mapping[str, Any], name: str) -> Any:
        """Return a step of a workflow by its name; ``None`` if there is none."""
        steps = workflow.get("steps", ())
        return next((one for one in steps if _short(one["id"]) == name), None)

    def process(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tool or workflow that a step runs."""
        run = step["run"]
        found = dict(self._processes[run]) if isinstance(run, str) else dict(run)
        found.setdefault("id", run if isinstance(run, str) else f"{step['id']}/run")
        return found

    def describe(self) -> dict[str, Any]:
        """Add all that is in the workflow; return the properties of the workflow itself."""
        return self._properties(self.main)

    def parameters(self, process: Mapping[str, Any], field: str) -> dict[str, str]:
        """Return the ids of the inputs or outputs of a process, by name."""
        return {_short(one["id"]): _ref(one["id"]) for one in process.get(field, ())}

    def _properties(self, process: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": process.get("label") or _short(process["id"]), **_doc(process)}
        for ours, field in (("input", "inputs"), ("output", "outputs")):
            found[ours] = [self._parameter(one) for one in process.get(field, ())]
        steps = process.get("steps", ())
        if steps:
            found["step"] = [self._step(one, number) for number, one in enumerate(steps)]
            tools = dict.fromkeys(_ref(self.process(one)["id"]) for one in steps)
            found["hasPart"] = [{"@id": tool} for tool in tools]
            found["connection"] = [self._connection(*ends) for ends in self._result_ends(process)]
        return found

    def _step(self, step: Mapping[str, Any], number: int) -> dict[str, str]:
        process = self.process(step)
        kind: Any = "SoftwareApplication"
        if process["class"] == "Workflow":
            kind = ["SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        language = {"programmingLanguage": {"@id": CWL}} if process["class"] == "Workflow" else {}
        tool = self._add(_ref(process["id"]), {"@type": kind, **self._properties(process), **language})
        return self._entity(  # type: ignore[no-any-return]
            _ref(step["id"]),
            {
                "@type": "HowToStep",
                "position": str(number),
                "name": step.get("label") or _short(step["id"]),
                **_doc(step),
                "workExample": tool,
                "connection": [self._connection(*ends) for ends in self._ends(step, process)],
            },
        )

    def _entity(self, name: str, properties: dict[str, Any]) -> Any:
        return self._add(name, {key: value for key, value in properties.items() if value != []})

    def _parameter(self, port: Mapping[str, Any]) -> Any:
        kind, required, many = _type(port.get("type"))
        properties = {
            "@type": "FormalParameter",
            "name": _short(port["id"]),
            "additionalType": "Collection"
            if port.get("secondaryFiles") or (many and kind == "File")
            else kind,
            "valueRequired": required and "default" not in port,
            "multipleValues": many,
            "conformsTo": {"@id": _PARAMETER},
            **_doc(port),
        }
        default = port.get("default")
        if isinstance(default, (str, int, float, bool)):
            properties["defaultValue"] = str(default)
        if isinstance(port.get("format"), str):
            properties["encodingFormat"] = port["format"]
        return self._add(_ref(port["id"]), properties)

    def _ends(self, step: Mapping[str, Any], process: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        targets = self.parameters(process, "inputs")
        for one in step.get("in", ()):
            for source in _sources(one.get("source")):
                if _short(one["id"]) in targets:
                    yield self._source(source), targets[_short(one["id"])]

    def _result_ends(self, workflow: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for one in workflow.get("outputs", ()):
            for source in _sources(one.get("outputSource")):
                yield self._source(source), _ref(one["id"])

    def _source(self, port: str) -> str:
        """Return the parameter that a value comes from: of the workflow, or of the tool of a step."""
        whole, _, name = port.rpartition("/")
        step = self._steps.get(whole)
        if step is None:
            return _ref(port)
        return self.parameters(self.process(step), "outputs").get(name, _ref(port))

    def _connection(self, source: str, target: str) -> Any:
        return self._add(
            f"#connection-{source.partition('#')[2]}-{target.partition('#')[2]}",
            {
                "@type": "ParameterConnection",
                "sourceParameter": {"@id": source},
                "targetParameter": {"@id": target},
            },
        )


def _steps(processes: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield all steps of all workflows, those in others too, by their ids."""
    for process in processes:
        for step in process.get("steps", ()):
            yield step["id"], step
            if isinstance(step["run"], dict):
                yield from _steps([step["run"]])


def reference(process: Mapping[str, Any]) -> str:
    """Return the id of the entity of a process or step."""
    return _ref(process["id"])


def _ref(name: str) -> str:
    return FILE + name


def _short(name: str) -> str:
    return name.rpartition("/")[2].rpartition("#")[2]


def _doc(thing: Mapping[str, Any]) -> dict[str, str]:
    doc = thing.get("doc")
    if not doc:
        return {}
    return {"description": "\n".join(doc) if isinstance(doc, list) else str(doc)}


def _sources(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _type(kind: Any) -> tuple[str, bool, bool]:
    """Return what a type is called in an RO-Crate, whether a value must be there, and whether many may."""
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        name, _, many = _type(others[0] if others else "Any")
        return name, "null" not in kind, many
    if isinstance(kind, dict):
        if kind.get("type") == "array":
            return _type(kind["items"])[0], True, True
        return _type(kind.get("type"))
    text = str(kind)
    if text.endswith("?"):
        return _type(text[:-1])[0], False, text.endswith("[]?")
    if text.endswith("[]"):
        return _type(text[:-2])[0], True, True
    return _TYPES.get(text, "PropertyValue"), True, False
