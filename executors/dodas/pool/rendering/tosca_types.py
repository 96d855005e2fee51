"""The types of a template, under names that the Orchestrator and the Infrastructure Manager know."""

from __future__ import annotations

from typing import Any

NODE = "tosca.nodes.indigo.Compute"
_CAPABILITIES = "tosca.capabilities.indigo"


def capability_types() -> dict[str, Any]:
    """Return what a machine is told: how many, how large, from which image."""
    return {
        f"{_CAPABILITIES}.Scalable": _derived(
            "tosca.capabilities.Scalable",
            count=_optional("integer"),
            removal_list=_optional("list", entry_schema={"type": "string"}),
        ),
        f"{_CAPABILITIES}.Container": _derived(
            "tosca.capabilities.Container", instance_type=_optional("string"), num_gpus=_optional("integer")
        ),
        f"{_CAPABILITIES}.OperatingSystem": _derived(
            "tosca.capabilities.OperatingSystem", image=_optional("string")
        ),
    }


def node_types() -> dict[str, Any]:
    """Return the type of a machine."""
    compute = _derived("tosca.nodes.Compute", instance_name=_optional("string"))
    compute["capabilities"] = {
        "scalable": {"type": f"{_CAPABILITIES}.Scalable"},
        "os": {"type": f"{_CAPABILITIES}.OperatingSystem"},
        "host": {
            "type": f"{_CAPABILITIES}.Container",
            "valid_source_types": ["tosca.nodes.SoftwareComponent"],
        },
    }
    return {NODE: compute}


def _derived(parent: str, **properties: Any) -> dict[str, Any]:
    return {"derived_from": parent, "properties": properties}


def _optional(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "required": False, **more}
