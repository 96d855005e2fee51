"""A cloud that is none, and does what a test tells it in a file: few machines, slow ones, dead ones.

Under the GNU General Public License, version 3, as the code that it extends; see ``im_launcher.py``.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
from pathlib import Path

from IM.connectors.Dummy import DummyCloudConnector
from IM.VirtualMachine import VirtualMachine


class FickleCloudConnector(DummyCloudConnector):
    """Machines that are but names; ``$DODAS_FICKLE`` is a file such as {"quota": 2, "off": ["NAME"]}."""

    type = "Fickle"

    def launch(self, inf, radl, requested_radl, num_vm, auth_data):
        """Make machines while there is room."""
        quota = self._wishes().get("quota")
        made = []
        for _ in range(num_vm):
            there = [vm for vm in inf.get_vm_list() if vm.state not in (VirtualMachine.FAILED, "off")]
            if quota is not None and len(there) >= quota:
                made.append((False, "Quota exceeded for instances: Requested 1, but already used all"))
            else:
                made += super().launch(inf, radl, requested_radl, 1, auth_data)
        for _, vm in made:
            if isinstance(vm, VirtualMachine):  # of a network that is only in documents (RFC 5737)
                vm.info.systems[0].setValue("net_interface.0.ip", "192.0.2.9")
        return made

    def updateVMInfo(self, vm, auth_data):  # noqa: N802
        """Tell how a machine is."""
        name = vm.info.systems[0].getValue("instance_name")
        vm.state = VirtualMachine.OFF if name in self._wishes().get("off", ()) else VirtualMachine.RUNNING
        return (True, vm)

    @staticmethod
    def _wishes():
        path = Path(os.environ["DODAS_FICKLE"])
        return json.loads(path.read_text()) if path.exists() else {}
