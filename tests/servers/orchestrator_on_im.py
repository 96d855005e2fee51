"""The stand-in for the Orchestrator with a real Infrastructure Manager behind it."""

from __future__ import annotations

from typing import Any

import yaml

from dodas.pool.providers import im_authorization
from dodas.pool.providers.im_api import Manager
from dodas.pool.providers.rest import Service
from servers.im_server import ImServer
from servers.orchestrator_standin import Deployed, Orchestrator


class OrchestratorOnIm(Orchestrator):
    """Deploys through an Infrastructure Manager, as the real one does; everything else is the stand-in's.

    Args:
        server: The Infrastructure Manager.
    """

    def __init__(self, server: ImServer) -> None:
        super().__init__()
        headers = im_authorization.headers(str(server.authorization), lambda fresh: "")
        self.manager = Manager(Service(name="IM", url=server.url, headers=headers))
        self.infrastructures: dict[str, str] = {}

    def begin(self, one: Deployed, verb: str) -> None:
        """Let something go on; a deletion is one there as well."""
        super().begin(one, verb)
        if verb == "DELETE" and one.id in self.infrastructures:
            self.manager.destroy(self.infrastructures.pop(one.id))

    def _arrange(self, one: Deployed, state: str) -> None:
        before = dict(one.resources)
        super()._arrange(one, state)
        there = self.infrastructures.get(one.id)
        removed = [resource["physicalId"] for key, resource in before.items() if key not in one.resources]
        if there and removed:
            self.manager.remove(there, removed)
        new = [resource for key, resource in one.resources.items() if key not in before]
        if not new:
            return
        text = _filled(one)
        if there is None:
            there = self.infrastructures[one.id] = self.manager.create(text)
        else:
            self.manager.add(there, text)
        found = self.manager.states(there)
        assert found is not None
        for machine in found[1]:
            made = self.manager.machine(there, machine)
            for resource in new:
                if made is not None and resource["toscaNodeName"] == made.node:
                    resource["physicalId"] = machine


def _filled(one: Deployed) -> str:
    """Return the template with parameters as values of its inputs, as the Orchestrator sends it on."""
    document: dict[str, Any] = yaml.safe_load(one.template)
    for name, value in one.parameters.items():
        document["topology_template"]["inputs"][name]["default"] = value
    for node in document["topology_template"]["node_templates"].values():
        node["capabilities"]["scalable"]["properties"].pop("removal_list", None)
    return yaml.safe_dump(document)
