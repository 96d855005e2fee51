"""A run as a Workflow Run RO-Crate, by the profiles for processes, workflows and provenance, 0.5."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from rocrate.model.computerlanguage import get_lang
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from dodas import __version__
from dodas_cwl import translate
from dodas_cwl.records.activities import Activity, Facts
from dodas_cwl.records.cratedata import TERMS, Data, container
from dodas_cwl.records.crateplan import FILE, Plan, reference
from dodas_cwl.records.research import Research

_PROFILES = "https://w3id.org/ro/wfrun/"
_RUNS = ("process", "workflow", "provenance")
_WORKFLOWS = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_COMPUTATIONAL = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_STATUS = "http://schema.org/"
_UNITS = "http://qudt.org/vocab/unit/"


def write(research: Research, directory: str) -> None:
    """Write the crate of a run that is over; what was in the directory goes.

    Args:
        research: What was recorded, with the content of files.
        directory: Where the crate shall be.
    """
    unnamed = f"{directory}.{uuid4().hex}"
    os.makedirs(unnamed)
    try:
        Crate(research, unnamed).write()
        shutil.rmtree(directory, ignore_errors=True)
        os.rename(unnamed, directory)
    except BaseException:
        shutil.rmtree(unnamed, ignore_errors=True)
        raise


class Crate:
    """The crate of one run.

    Args:
        research: What was recorded.
        top: An empty directory.
    """

    def __init__(self, research: Research, top: str) -> None:
        self._research = research
        self._top = top
        self._crate = ROCrate(version="1.1")
        self._crate.metadata.extra_contexts.append(f"{TERMS}/context")
        with open(os.path.join(research.folder, "workflow", FILE), encoding="utf-8") as file:
            self._plan = Plan(file.read(), self._add)
        self._data = Data(research, top, self._add)
        self._processes: dict[str, Any] = {}  # run of a workflow -> document of that workflow
        self._controls: dict[tuple[str, str], Any] = {}  # run of a workflow, step in it -> its control
        self._parents = {one.id: one for one in research.activities}

    def write(self) -> None:
        """Write it."""
        main = self._research.main
        assert main is not None  # noqa: S101 - the caller saw to it
        shutil.copyfile(os.path.join(self._research.folder, "workflow", FILE), os.path.join(self._top, FILE))
        workflow = self._workflow()
        alone = "steps" not in self._plan.main
        if not alone:
            self._engine = self._organiser(main)
        self._processes[main.id] = self._plan.main
        inner = [one for one in self._research.activities if one.parent]
        facts = inner[-1].facts if alone and inner else main.facts
        action = self._action(main, workflow, self._plan.main, facts)
        if not alone:
            self._engine["result"] = action
        actions = [action]
        for one in () if alone else inner:
            step = self._step(one)
            if step is not None:
                process = self._plan.process(step)
                actions.append(self._action(one, reference(process), process, one.facts))
                self._control(one, step).append_to("object", actions[-1])
        self._root(main, workflow, actions)
        for entity in self._crate.get_entities():
            _simplify(entity.properties())
        self._crate.metadata.write(self._top)

    def _organiser(self, main: Activity) -> Any:
        """Return the run of the engine, which all runs of steps belong to."""
        return self._add(
            f"#{uuid4()}",
            {
                "@type": "OrganizeAction",
                "name": "Run of dodas",
                "startTime": _time(main.facts.started),
                "endTime": _time(main.facts.ended),
                "instrument": self._add(
                    "#dodas",
                    {
                        "@type": "SoftwareApplication",
                        "name": f"dodas, with cwltool {version('cwltool')}",
                        "softwareVersion": __version__,
                    },
                ),
                **self._agent(),
            },
        )

    def _workflow(self) -> Any:
        language = self._crate.add(get_lang(self._crate, "cwl", version=self._plan.version.lstrip("v")))
        types = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
        if "steps" in self._plan.main:
            types.append("HowTo")
        properties = self._plan.describe()
        properties["conformsTo"] = {"@id": _COMPUTATIONAL}
        properties["encodingFormat"] = "application/json"
        return self._add(FILE, {"@type": types, "programmingLanguage": language, **properties})

    def _root(self, main: Activity, workflow: Any, actions: list[Any]) -> None:
        root = self._crate.root_dataset
        name = f"Run of {workflow['name']}"
        root["name"] = name
        root["description"] = f"{name}, with what it used and made"
        root["datePublished"] = _time(main.facts.ended)
        root["license"] = self._add(
            "#license",
            {"@type": "CreativeWork", "name": "Not stated", "description": "None was stated."},
        )
        root["mainEntity"] = workflow
        if person := self._agent():
            root["author"] = person["agent"]
        root["hasPart"] = [{"@id": FILE}, *self._data.parts]
        root["mentions"] = [*actions, *self._data.collections]
        runs = _RUNS if "steps" in self._plan.main else _RUNS[:-1]
        profiles = [(f"{_PROFILES}{run}/0.5", f"{run.title()} Run Crate", "0.5") for run in runs]
        profiles.append((_WORKFLOWS, "Workflow RO-Crate", "1.0"))
        root["conformsTo"] = [
            self._add(place, {"@type": "CreativeWork", "name": title, "version": number})
            for place, title, number in profiles
        ]
        self._crate.metadata["conformsTo"] = [{"@id": self._crate.metadata.profile}, {"@id": _WORKFLOWS}]

    def _agent(self) -> dict[str, Any]:
        research = self._research
        if not research.orcid and not research.full_name:
            return {}
        name = {"name": research.full_name} if research.full_name else {}
        return {"agent": self._add(research.orcid or "#user", {"@type": "Person", **name})}

    def _step(self, activity: Activity) -> Any:
        """Return the step that was run; ``None`` if the workflow has none of that name."""
        return self._plan.step(self._workflow_of(activity.parent), activity.step)

    def _workflow_of(self, run: str) -> Any:
        if run not in self._processes:
            activity = self._parents.get(run)
            step = None if activity is None else self._step(activity)
            self._processes[run] = {} if step is None else self._plan.process(step)
        return self._processes[run]

    def _control(self, activity: Activity, step: Mapping[str, Any]) -> Any:
        key = activity.parent, activity.step
        if key not in self._controls:
            properties = {"@type": "ControlAction", "name": f"orchestrate {activity.step}"}
            self._controls[key] = self._add(
                f"#{uuid4()}", {**properties, "instrument": {"@id": reference(step)}}
            )
            self._engine.append_to("object", self._controls[key])
        return self._controls[key]

    def _action(self, activity: Activity, instrument: Any, process: Mapping[str, Any], facts: Facts) -> Any:
        done = facts.status == translate.SUCCESS
        properties: dict[str, Any] = {
            "@type": "CreateAction",
            "name": f"Run of {activity.name}",
            "description": "The result of an earlier run was taken." if facts.reused else _what(activity),
            "instrument": {"@id": instrument} if isinstance(instrument, str) else instrument,
            "startTime": _time(activity.facts.started),
            "endTime": _time(activity.facts.ended),
            "actionStatus": f"{_STATUS}{'Completed' if done else 'Failed'}ActionStatus",
            "object": self._data.values(activity.inputs, self._plan.parameters(process, "inputs")),
            "result": self._data.values(activity.outputs, self._plan.parameters(process, "outputs")),
            **self._circumstances(facts),
            **self._agent(),
        }
        if not done:
            properties["error"] = facts.problem
        return self._add(f"#{activity.id.rpartition(':')[2]}", properties)

    def _circumstances(self, facts: Facts) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if facts.image:
            found["containerImage"] = self._add(*container(facts.image, facts.digest))
        if facts.node:
            found["location"] = self._add(f"#node-{facts.node}", {"@type": "Place", "name": facts.node})
        usage = (("cpu", "processor time", facts.cpu, "SEC"), ("memory", "peak memory", facts.memory, "BYTE"))
        found["resourceUsage"] = [
            self._number(f"dodas:{key}", name, value, unitCode=f"{_UNITS}{unit}")
            for key, name, value, unit in usage
            if value
        ]
        if facts.exit_code is not None:
            found["additionalProperty"] = self._number("dodas:exitCode", "exit code", facts.exit_code)
        return {key: value for key, value in found.items() if value != []}

    def _number(self, kind: str, name: str, value: float, **more: str) -> Any:
        words = {"@type": "PropertyValue", "propertyID": kind, "name": name, "value": str(value), **more}
        return self._add(f"#{uuid4()}", words)

    def _add(self, name: str, properties: dict[str, Any]) -> Any:
        """Return the entity of that id, which is made unless it is there."""
        known = self._crate.get(name)
        if known is not None:
            return known
        return self._crate.add(ContextEntity(self._crate, name, properties=properties))


def _what(activity: Activity) -> str:
    if not activity.parent:
        return "The run as a whole."
    return f"One run of the step {activity.step}."


def _simplify(properties: dict[str, Any]) -> None:
    """Let lists of one be that one, as RO-Crate recommends."""
    for name, value in properties.items():
        if isinstance(value, list) and len(value) == 1:
            properties[name] = value[0]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")
