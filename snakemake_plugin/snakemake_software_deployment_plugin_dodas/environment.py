"""One image as an environment for the commands of jobs.

Snakemake looks for what belongs to :class:`EnvSpec` in the module that defines it: this one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_common.software import SoftwareReport
from snakemake_interface_software_deployment_plugins import (
    DeployableEnvBase,
    EnvSpecBase,
)

from snakemake_software_deployment_plugin_dodas.settings import Settings, common_settings

__all__ = ["Env", "EnvSpec", "common_settings"]

_NOTE = "image.json"


@dataclass(eq=False)
class EnvSpec(EnvSpecBase):
    """``container(image_uri="docker://debian:12")`` of a Snakefile.

    Attributes:
        image_uri: The image, as a ``container:`` directive names it.
    """

    image_uri: str

    @classmethod
    def identity_attributes(cls) -> Iterable[str]:
        """Return what tells one from another."""
        return ("image_uri",)

    @classmethod
    def source_path_attributes(cls) -> Iterable[str]:
        """Return what is a path beside the Snakefile: nothing."""
        return ()

    def __str__(self) -> str:
        return self.image_uri


class Env(DeployableEnvBase):
    """The image, unpacked once in the store of dodas and shared by all that runs in it.

    What Snakemake calls the deployment path has a note only, of what was deployed.
    """

    spec: EnvSpec
    settings: Settings | None

    def decorate_shellcmd(self, cmd: str) -> str:
        """Return the command that runs ``cmd`` in the image, by a shell of the same name there.

        Raises:
            WorkflowError: A mount point or the image will not do.
        """
        from snakemake_software_deployment_plugin_dodas import launching  # noqa: PLC0415

        with _told():
            program = launching.command(
                image=self.spec.image_uri,
                engine=self._settings.engine,
                paths=(str(self.tempdir), *map(str, self.mountpoints)),
                volumes=self._settings.mountpoints,
                variables=getattr(self, "envvars", ()),  # from 0.19 of the interface on
            )
        # Arguments of the shell are for this machine: `bash -l` would undo the PATH of the image.
        return shlex.join([*program, self.shell_executable.name, self.shell_executable.command_arg, cmd])

    def contains_executable(self, executable: str) -> bool:
        """Return whether the image has it on PATH."""
        command = self.decorate_shellcmd(f"command -v {shlex.quote(executable)} >/dev/null")
        return bool(self.run_cmd(command, check=False).returncode == 0)

    def record_hash(self, hash_object: Any) -> None:
        """Let the hash depend on the image."""
        hash_object.update(self.spec.image_uri.encode())

    def report_software(self) -> Iterable[SoftwareReport]:
        """Return the image, with its digest as the version once it was deployed."""
        return (SoftwareReport(name=self.spec.image_uri, version=self._note().get("digest")),)

    def is_deployment_path_portable(self) -> bool:
        """Return that it does not matter where it is."""
        return True

    async def deploy(self) -> None:
        """Pull the image and unpack it, unless that was done before, by whatever uses the same store.

        Raises:
            WorkflowError: It cannot be had, or no engine works here.
        """
        from snakemake_software_deployment_plugin_dodas import launching  # noqa: PLC0415

        with _told():
            digest = await asyncio.to_thread(
                launching.prepare, self.spec.image_uri, engine=self._settings.engine
            )
        self.deployment_path.mkdir(parents=True, exist_ok=True)
        part = self.deployment_path / f"{_NOTE}.part"
        part.write_text(json.dumps({"image": self.spec.image_uri, "digest": digest}, indent=2) + "\n")
        part.replace(self.deployment_path / _NOTE)

    def remove(self) -> None:
        """Remove the note; `dodas image gc` sees to images that nobody uses any more."""
        if self.deployment_path.exists():
            shutil.rmtree(self.deployment_path)

    @property
    def _settings(self) -> Settings:
        # Snakemake has none for a plugin that the user did not choose.
        return self.settings or Settings()

    def _note(self) -> dict[str, str]:
        try:
            return dict(json.loads((self.deployment_path / _NOTE).read_text()))
        except (OSError, ValueError):
            return {}


@contextmanager
def _told() -> Iterator[None]:
    """Pass errors of dodas on as Snakemake's."""
    from dodas.errors import DodasError  # noqa: PLC0415

    try:
        yield
    except DodasError as error:
        raise WorkflowError(os.linesep.join(filter(None, (str(error), error.hint)))) from error
