"""What Ansible does on a node to make it a worker: the text that a template brings along.

An Infrastructure Manager takes no playbook from within a template: it fetches each from an address, or from
its own artifacts.  Of these ``ansible_tasks.yml`` runs tasks that it gets as a string, and so the template is
whole.  The Infrastructure Manager puts that string between double quotes as it is, which therefore must not
have any, nor a backslash; and Ansible evaluates it once on the way, which ``raw`` keeps from seeing secrets.
"""

from __future__ import annotations

ARTIFACT = "ansible_tasks.yml"
"""Of the Infrastructure Manager's own: in its ``artifacts`` directory, or in its repository of them."""

HOME = "/var/lib/dodas"
USER = "dodas"

# What root runs lies where the user of the worker, who is also that of jobs, cannot change it.
_START = f"""\
#!/bin/sh
# Starts the worker, once; when it is over the machine goes off, which the Infrastructure Manager notices.
set -eu
umask 077
run={HOME}/run
over={HOME}/over
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null
then
  systemd-run --unit=dodas-worker --uid={USER} --property=KillMode=mixed --property=TimeoutStopSec=600 \
--property=ExecStopPost=+$over $run
else
  setsid {HOME}/keep </dev/null >/dev/null 2>&1 &
fi
""".replace("\\\n", "")

# In a session of its own: that of Ansible ends at once, with all that is in it.
_KEEP = f"""\
#!/bin/sh
runuser -u {USER} -- {HOME}/run
exec {HOME}/over
"""

_RUN = f"""\
#!/bin/sh
cd {HOME}/{{{{ dodas_worker }}}}
HOME=$PWD
export HOME
exec {HOME}/worker-{{{{ dodas_sha256 }}}} pilot $PWD/pilot.json >>pilot.log 2>&1
"""

_OVER = """\
#!/bin/sh
shutdown -h now || true
"""


def tasks() -> str:
    """Return the tasks; they may run again on a node that works, and then change nothing."""
    here = f"{HOME}/{{{{ dodas_worker }}}}"
    program = f"{HOME}/worker-{{{{ dodas_sha256 }}}}"
    return "".join(
        (
            "{% raw %}\n",
            _task("The user of the worker", "user", f"name: {USER}", "system: true", f"home: {HOME}"),
            _task("Directory of the user", "file", f"path: {HOME}", "state: directory", "mode: '0755'"),
            _task(
                "Directory of the worker",
                "file",
                *(f"path: '{here}'", "state: directory", "mode: '0700'", f"owner: {USER}"),
            ),
            _task(
                "The worker program",
                "get_url",
                *("url: '{{ dodas_url }}'", f"dest: '{program}'", "mode: '0755'"),
                "checksum: 'sha256:{{ dodas_sha256 }}'",
            ),
            _file(f"{here}/pilot.json", "{{ dodas_pilot | b64decode }}", mode="0600"),
            _file(f"{here}/token", "{{ dodas_token | b64decode }}", mode="0600", secret=True),
            _script(f"{HOME}/run", _RUN),
            _script(f"{HOME}/over", _OVER),
            _script(f"{HOME}/keep", _KEEP),
            _script(f"{HOME}/start", _START),
            _task("The worker", "command", f"cmd: {HOME}/start", f"creates: '{here}/pilot.log'"),
            "{% endraw %}\n",
        )
    )


def _task(name: str, module: str, *arguments: str) -> str:
    lines = "".join(f"    {argument}\n" for argument in arguments)
    return f"- name: {name}\n  ansible.builtin.{module}:\n{lines}"


def _file(path: str, content: str, *, mode: str, secret: bool = False) -> str:
    # Not written again over what the worker may have changed.
    arguments = (
        f"dest: '{path}'",
        f"content: '{content}'",
        f"owner: {USER}",
        f"mode: '{mode}'",
        "force: false",
    )
    quiet = "  no_log: true\n" if secret else ""
    return _task(path.rpartition("/")[2], "copy", *arguments) + quiet


def _script(path: str, text: str) -> str:
    lines = "".join(f"        {line}\n" for line in text.splitlines())
    name = path.rpartition("/")[2]
    return _task(name, "copy", f"dest: '{path}'", "mode: '0755'", f"content: |\n{lines}".rstrip("\n"))
