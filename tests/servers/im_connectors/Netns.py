"""A cloud whose machines are network namespaces of this host, made by ``im_host.sh``.

Under the GNU General Public License, version 3, as the code that it extends; see ``im_launcher.py``.
"""

# mypy: ignore-errors

from __future__ import annotations

import itertools
import os
import subprocess
import threading
from pathlib import Path

import paramiko
from IM.connectors.CloudConnector import CloudConnector
from IM.VirtualMachine import VirtualMachine

_SCRIPT = str(Path(__file__).resolve().parent.parent / "im_host.sh")
_NUMBERS = itertools.count(11)
_LOCK = threading.Lock()


class NetnsCloudConnector(CloudConnector):
    """Real hosts, with Ansible and all, but no cloud."""

    type = "Netns"

    def concreteSystem(self, radl_system, auth_data):  # noqa: N802
        """Take any system as it is."""
        system = radl_system.clone()
        system.setUserKeyCredentials("root", None, None)
        system.setValue("provider.type", self.type)
        return [system]

    def list_images(self, auth_data, filters=None):
        """Name the only one."""
        return [{"uri": "netns://host/image", "name": "this system"}]

    def launch(self, inf, radl, requested_radl, num_vm, auth_data):
        """Start hosts."""
        return [self._one(inf, radl, requested_radl) for _ in range(num_vm)]

    def _one(self, inf, radl, requested_radl):
        with _LOCK:
            number = next(_NUMBERS)
        key = paramiko.RSAKey.generate(2048)
        private = Path(os.environ["DODAS_HOSTS"], f"key{number}")
        key.write_private_key_file(str(private))
        name = f"h{number}"
        vm = VirtualMachine(inf, name, self.cloud, radl, requested_radl, self)
        vm.destroy = True
        inf.add_vm(vm)
        system = vm.info.systems[0]
        system.setUserKeyCredentials("root", f"ssh-rsa {key.get_base64()}", private.read_text())
        system.setValue("provider.type", self.type)
        done = _host("start", name, str(number), f"ssh-rsa {key.get_base64()}")
        if done.returncode != 0:
            return (False, f"the host did not start: {done.stderr}")
        vm.destroy = False
        vm.state = VirtualMachine.RUNNING
        vm.setIps([f"172.31.77.{number}"], [f"192.168.77.{number}"])
        return (True, vm)

    def updateVMInfo(self, vm, auth_data):  # noqa: N802
        """Tell whether a host is up."""
        up = _host("status", vm.id).returncode == 0
        vm.state = VirtualMachine.RUNNING if up else VirtualMachine.OFF
        number = vm.id.removeprefix("h")
        vm.setIps([f"172.31.77.{number}"], [f"192.168.77.{number}"])
        return (True, vm)

    def finalize(self, vm, last, auth_data):
        """Stop a host."""
        if vm.id:
            _host("stop", vm.id)
        return (True, "")

    def stop(self, vm, auth_data):
        """Refuse."""
        return (False, "Not supported")

    start = reboot = stop

    def alterVM(self, vm, radl, auth_data):  # noqa: N802
        """Refuse."""
        return (False, "Not supported")


def _host(*arguments):
    return subprocess.run([_SCRIPT, *arguments], capture_output=True, text=True, check=False)
