"""A deployment's template with workers added or removed; pure."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from dodas.pool.rendering.tosca_yaml import dump


def workers(template: Mapping[str, Any], there: Collection[str] = ()) -> dict[str, str]:
    """Return the nodes of a template that are wanted, or are ``there``, and the worker on each."""
    found = {}
    for name, node in nodes(template).items():
        properties = node.get("properties") if isinstance(node, dict) else None
        worker = properties.get("instance_name") if isinstance(properties, dict) else None
        if worker and (name in there or _scale(node).get("count", 1)):
            found[name] = str(worker)
    return found


def nodes(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return all nodes of a template."""
    topology = template.get("topology_template")
    found = topology.get("node_templates") if isinstance(topology, dict) else None
    return found if isinstance(found, dict) else {}


def with_more(template: Mapping[str, Any], more: str) -> str:
    """Return ``template`` with all that is in the template ``more``."""
    changed = _without_removals(template)
    added = yaml.safe_load(more)
    for part in ("inputs", "node_templates", "outputs"):
        changed.setdefault("topology_template", {}).setdefault(part, {}).update(
            added["topology_template"].get(part, {})
        )
    return dump({**added, **changed})


def without(template: Mapping[str, Any], removed: Mapping[str, Collection[str]]) -> str:
    """Return ``template`` without what is on nodes.

    Args:
        template: The template.
        removed: Resources to remove, by node; their nodes stay with nothing on them.
    """
    changed = _without_removals(template)
    for name, resources in removed.items():
        node = changed["topology_template"]["node_templates"][name]
        scalable = node.setdefault("capabilities", {}).setdefault("scalable", {}).setdefault("properties", {})
        scalable["count"] = 0
        if resources:
            scalable["removal_list"] = sorted(resources)
    return dump(changed)


def _without_removals(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in which nothing is to be removed (again)."""
    changed = copy.deepcopy(dict(template))
    for node in nodes(changed).values():
        _scale(node).pop("removal_list", None)
    return changed


def _scale(node: Any) -> dict[str, Any]:
    for part in ("capabilities", "scalable", "properties"):
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}
