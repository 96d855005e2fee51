"""Containers of jobs that a second Snakemake runs: dodas is its apptainer.

Snakemake puts what such a job runs by ``shell`` into the container of its rule if it is to use apptainer,
which it looks for on ``PATH``.  There it finds the program of ``dodas env``.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dodas.step import Mount

_METHOD = "apptainer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apptainer:
    """What a second Snakemake has to be told, beside what it is told anyhow.

    Attributes:
        folder: Where the program is.
        methods: What else it deploys software with, as Snakemake's option has it.
        arguments: What the user wants apptainer to be told.
        volumes: What the user shows to all containers.
        network: Whether containers reach the network.
        engine: What runs them; empty for the best.
    """

    folder: str
    methods: tuple[str, ...] = ()
    arguments: str = ""
    volumes: tuple[Mount, ...] = ()
    network: bool = True
    engine: str = ""

    def environ(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which Snakemake finds it."""
        path = os.pathsep.join(filter(None, [self.folder, before.get("PATH", os.defpath)]))
        return {**before, "PATH": path, **({"DODAS_ENGINE": self.engine} if self.engine else {})}

    def words(self, mounts: Iterable[Mount], workdir: str) -> str:
        """Return the options for a job that sees ``mounts``, quoted for a shell.

        Snakemake shows it ``workdir``, with all that is below.
        """
        said = [self.arguments] if self.arguments else []
        for mount in (*mounts, *self.volumes):
            if not f"{mount.source}/".startswith(f"{workdir}/") or mount.target != mount.source:
                said.append(shlex.join(["--mount", _bind(mount)]))
        if not self.network:
            said.append("--net --network none")
        options = ["--software-deployment-method", *self.methods, _METHOD]
        return shlex.join([*options, f"--apptainer-args={' '.join(said)}"])


def _bind(mount: Mount) -> str:
    line = io.StringIO()
    fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
    csv.writer(line, lineterminator="").writerow([*fields, *([] if mount.writable else ["ro"])])
    return line.getvalue()
