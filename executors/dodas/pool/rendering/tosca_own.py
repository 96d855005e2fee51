"""A TOSCA template of the user's, with what is known filled into its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from dodas.errors import SpecError
from dodas.pool.rendering.tosca_yaml import dump


def content(path: str) -> str:
    """Return what is in the file of a template.

    Raises:
        SpecError: It cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SpecError(f"the template {path} cannot be read: {why}", hint="correct template") from None


def filled(
    text: str, name: str, *, infrastructure: str, told: Mapping[str, Any], own: Mapping[str, Any]
) -> str:
    """Return a template with values for its inputs.

    Args:
        text: The template.
        name: Of its file, for messages.
        infrastructure: Name by which what it makes is found again.
        told: What the user says of its inputs; all must be there.
        own: What dodas offers; taken where there is such an input.

    Raises:
        SpecError: It is not a template, or has no such inputs.
    """
    document = read(text, name)
    topology = document["topology_template"]
    inputs = topology.get("inputs") or {}
    unknown = sorted(set(told) - set(inputs))
    if unknown:
        raise SpecError(
            f"the template {name} has no input {', '.join(unknown)}",
            hint=f"it has {', '.join(sorted(inputs)) or 'none'}; correct the setting inputs",
        )
    for key, value in {**{key: one for key, one in own.items() if key in inputs}, **told}.items():
        inputs[key] = {**(inputs[key] if isinstance(inputs[key], dict) else {}), "default": value}
    metadata = document.get("metadata")
    document["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), "infra_name": infrastructure}
    return dump(document)


def read(text: str, name: str) -> dict[str, Any]:
    """Return a template; only its shape is looked at, types are the server's matter.

    Raises:
        SpecError: It is not one.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise SpecError(f"{name}{line}: {problem}", hint="correct the template") from None
    problem = _problem(document)
    if problem:
        raise SpecError(f"{name} is not a TOSCA template: {problem}", hint="correct the template")
    return dict(document)


def _problem(document: object) -> str:
    version = _part(document, "tosca_definitions_version")
    topology = _part(document, "topology_template")
    nodes = _part(topology, "node_templates")
    problems = {
        "it has no tosca_definitions_version": not str(version or "").startswith("tosca_"),
        "it has no topology_template": not isinstance(topology, dict),
        "its topology_template has no node_templates": not isinstance(nodes, dict) or not nodes,
        "its inputs are no mapping": not isinstance(_part(topology, "inputs") or {}, dict),
    }
    found = next((problem for problem, there in problems.items() if there), "")
    if found or not isinstance(nodes, dict):
        return found
    bad = next((name for name, node in nodes.items() if not _part(node, "type")), None)
    return f"its node {bad} has no type" if bad is not None else ""


def _part(document: object, name: str) -> object:
    return document.get(name) if isinstance(document, dict) else None
