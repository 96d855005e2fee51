"""What a run has recorded, read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bagit


class Documents:
    """The PROV documents of a research object, which is a valid bag."""

    def __init__(self, place: Path) -> None:
        bagit.Bag(str(place)).validate(processes=1)
        self.place = place
        names = sorted((place / "metadata" / "provenance").glob("*.cwlprov.json"))
        self.documents = {name.name: json.loads(name.read_text()) for name in names}
        self.primary = self.documents["primary.cwlprov.json"]

    def manifest(self) -> dict[str, Any]:
        """Return what is said of the research object as a whole."""
        found: dict[str, Any] = json.loads((self.place / "metadata" / "manifest.json").read_text())
        return found

    def everything(self) -> str:
        """Return all that is in the research object, and the names of the files, as one text."""
        files = [path for path in self.place.rglob("*") if path.is_file()]
        return "\n".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in files)

    def activities(self, document: Any = None) -> list[str]:
        """Return what ran, by label."""
        documents = self.documents.values() if document is None else [document]
        found: dict[str, str] = {}
        for one in documents:
            for name, records in one["activity"].items():
                for record in as_list(records):
                    if "prov:label" in record:
                        # In its own document a workflow is called main, in that around it by its step.
                        label = str(record["prov:label"]).rpartition("#")[2]
                        found[name] = max(label, found.get(name, ""), key=len)
        return sorted(found.values())

    def facts(self, label: str) -> dict[str, Any]:
        """Return the attributes of the one activity with this label, and when it was."""
        for document in self.documents.values():
            for name, records in document["activity"].items():
                whole = {key: value for record in as_list(records) for key, value in record.items()}
                if str(whole.get("prov:label", "")).endswith(f"#{label}"):
                    whole["started"] = moment(document["wasStartedBy"], name)
                    whole["ended"] = moment(document["wasEndedBy"], name)
                    whole["agents"] = agents(document, name)
                    return whole
        raise KeyError(label)

    def roles(self, relation: str, document: Any = None) -> list[str]:
        """Return the roles of what was used or generated."""
        relations = (document or self.primary).get(relation, {}).values()
        return sorted(one["prov:role"]["$"] for many in relations for one in as_list(many))

    def contents(self) -> list[str]:
        """Return the names of the contents in all documents."""
        return sorted(
            {name for one in self.documents.values() for name in one["entity"] if name.startswith("data:")}
        )


def moment(relations: dict[str, Any], activity: str) -> str:
    """Return when an activity started or ended."""
    (when,) = {
        one["prov:time"]
        for many in relations.values()
        for one in as_list(many)
        if one["prov:activity"] == activity and "prov:time" in one
    }
    return str(when)


def agents(document: Any, activity: str) -> list[dict[str, Any]]:
    """Return the agents that an activity was associated with, with the plan of each."""
    found = []
    for many in document["wasAssociatedWith"].values():
        for one in as_list(many):
            if one["prov:activity"] == activity:
                agent = as_list(document["agent"][one["prov:agent"]])[0]
                found.append({**agent, "plan": one.get("prov:plan", "")})
    return found


def as_list(value: Any) -> list[Any]:
    """Return a list of what may be one thing or several."""
    return value if isinstance(value, list) else [value]


class Crate:
    """An RO-Crate."""

    def __init__(self, place: Path) -> None:
        self.place = place
        graph = json.loads((place / "ro-crate-metadata.json").read_text())["@graph"]
        self.entities = {one["@id"]: one for one in graph}
        assert len(self.entities) == len(graph)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return all entities of a type."""
        return [one for one in self.entities.values() if kind in as_list(one["@type"])]

    def action(self, name: str) -> dict[str, Any]:
        """Return one run."""
        (found,) = [one for one in self.of("CreateAction") if one["name"] == f"Run of {name}"]
        return found

    def at(self, reference: Any) -> list[dict[str, Any]]:
        """Return what one reference or several lead to."""
        return [self.entities[one["@id"]] for one in as_list(reference)]

    def dangling(self) -> list[str]:
        """Return the references within the crate that lead nowhere."""
        found = []
        for entity in self.entities.values():
            for value in entity.values():
                for one in as_list(value):
                    name = one["@id"] if isinstance(one, dict) else ""
                    if name and not name.startswith("http") and name not in self.entities:
                        found.append(name)
        return found
