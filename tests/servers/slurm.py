"""A real Slurm cluster of one node, from Debian packages, run by an ordinary user in containers of dodas.

Its daemons and commands are in an image; each runs in a container of its own that sees the host's
directories, so that jobs find the files that were named on the host.  Nobody is root: Slurm runs the jobs of
the user that it is itself (SlurmUser and SlurmdUser of slurm.conf(5)).
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from debian_packages import with_packages
from dodas.containers.launch import Launch
from dodas.containers.packages import build
from dodas.containers.packages.recipe import BASE, NO_INSTALLER, Recipe
from dodas.containers.prepare import prepare
from dodas.containers.store import Store
from dodas.node import hosting
from dodas.worker.choose import choose, program_of
from servers.daemon import Daemon
from servers.ports import free_port, until

RECIPE = Recipe(
    name="localhost/dodas/tests/slurm:1",
    packages=(*BASE, "munge", "slurm-client", "slurm-wlm-basic-plugins", "slurmctld", "slurmd"),
    without=(*NO_INSTALLER, "adduser", "ucf", "lsb-base", "logrotate", "openssl"),
    suite="forky",  # whose Slurm can do without control groups
)
COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
_SBIN = "/usr/sbin"
_TESTS = str(Path(__file__).parents[1])


class Slurm:
    """A cluster below one directory.

    Args:
        home: The directory; it must be short, for sockets are in it.
        cpus: Processors that its node claims to have.
        memory: MiB likewise.
    """

    def __init__(self, home: Path, *, cpus: int = 8, memory: int = 16000) -> None:
        self.home = home
        self.bin = home / "bin"
        for name in ("bin", "ctld", "spool", "log"):
            (home / name).mkdir(parents=True, mode=0o700)
        self.ports = free_port(), free_port()
        with_packages(lambda: build.load(RECIPE))
        root = prepare(Store(), RECIPE.name).path
        self._write(root, cpus, memory)
        self.munged = self._daemon("munged", home / "munge.socket", *self._munge())
        self.slurmctld = self._daemon("slurmctld", self.ports[0], "-D", "-i")
        self.slurmd = self._daemon("slurmd", self.ports[1], "-D")

    def start(self) -> None:
        """Start it, and return when its node takes jobs."""
        for daemon in (self.munged, self.slurmctld, self.slurmd):
            daemon.start()
        until(lambda: "idle" in self("sinfo", "-h", "-o", "%T"), what="the node of Slurm")

    def stop(self) -> None:
        """End it with all its jobs."""
        for daemon in (self.slurmd, self.slurmctld, self.munged):
            daemon.stop()

    def __call__(self, *words: str) -> str:
        """Run one of its commands and return what it printed."""
        done = subprocess.run(
            [self.bin / words[0], *words[1:]], capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def _daemon(self, name: str, place: int | Path, *words: str) -> Daemon:
        command = self._inside(f"{_SBIN}/{name}", *words)
        log = self.home / "log" / f"{name}.out"
        return Daemon(command, place=place, log=log, environ={"LD_PRELOAD": "", "PYTHONPATH": _TESTS})

    def _inside(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "servers.slurm_inside", str(self.home / "launch.json"), *words]

    def _munge(self) -> list[str]:
        at = self.home
        return [
            "--foreground",
            "--force",
            f"--socket={at / 'munge.socket'}",
            f"--key-file={at / 'munge.key'}",
            f"--pid-file={at / 'munged.pid'}",
            f"--seed-file={at / 'munged.seed'}",
            f"--log-file={at / 'log' / 'munged.log'}",
        ]

    def _write(self, root: str, cpus: int, memory: int) -> None:
        user = "dodas"
        at = self.home
        key = at / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(64))
        (at / "passwd").write_text(hosting.passwd(root, user))
        (at / "group").write_text(hosting.group(root, user))
        (at / "cgroup.conf").write_text("CgroupPlugin=disabled\nIgnoreSystemd=yes\n")
        (at / "slurm.conf").write_text(_configuration(at, user, self.ports, cpus, memory))
        engine = choose()
        launch = Launch(
            engine=engine,
            program=program_of(engine),
            root=root,
            scratch="",
            argv=(),
            env=(
                ("PATH", hosting.PATH),
                ("SLURM_CONF", str(at / "slurm.conf")),
                ("LANG", "C.UTF-8"),
                ("HOME", os.path.expanduser("~")),
            ),
            mounts=(
                *hosting.directories(),
                *((str(at / name), f"/etc/{name}", False) for name in ("passwd", "group")),
            ),
            ids=hosting.ids() if os.geteuid() == 0 else None,
        )
        (at / "launch.json").write_text(json.dumps(launch.plain()))
        for name in COMMANDS:
            path = self.bin / name
            words = " ".join(self._inside(name))
            path.write_text(
                f'#!/bin/sh\nPYTHONPATH={_TESTS}${{PYTHONPATH:+:$PYTHONPATH}} exec {words} "$@"\n'
            )
            path.chmod(0o755)


def _configuration(at: Path, user: str, ports: tuple[int, int], cpus: int, memory: int) -> str:
    node = os.uname().nodename.split(".")[0]
    return f"""\
ClusterName=dodas
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={at}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={at}/ctld
SlurmdSpoolDir={at}/spool
SlurmctldPidFile={at}/slurmctld.pid
SlurmdPidFile={at}/slurmd.pid
SlurmctldLogFile={at}/log/slurmctld.log
SlurmdLogFile={at}/log/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MinJobAge=60
SlurmdTimeout=30
PropagateResourceLimits=NONE
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
