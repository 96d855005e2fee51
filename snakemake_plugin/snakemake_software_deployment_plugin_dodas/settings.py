"""What ``snakemake --sdm-dodas-…`` accepts, and which kind of software this is.

Snakemake reads the annotations of :class:`Settings` at run time: no postponed annotations here.
"""

from dataclasses import dataclass, field

from snakemake_interface_software_deployment_plugins.settings import (
    CommonSettings,
    SoftwareDeploymentSettingsBase,
)

from snakemake_software_deployment_plugin_dodas.runtime import Runtime

common_settings = CommonSettings(provides="container")


@dataclass
class Settings(SoftwareDeploymentSettingsBase):
    """Options of the plugin.

    Attributes:
        engine: Container engine.
        mountpoints: More of this machine for containers.
    """

    engine: str = field(
        default="auto",
        metadata={
            "help": "Container engine; `dodas doctor` lists those that work here (default: auto, the best of "
            "them).",
            "metavar": "NAME",
        },
    )
    mountpoints: list[str] = field(
        default_factory=list,
        metadata={
            "help": "More directories or files that containers see, read-only unless they end in :rw. The "
            "working directory and the temporary directory are there without asking.",
            "nargs": "+",
            "metavar": "HOST[:PATH][:ro|:rw]",
        },
    )

    @property
    def runtime(self) -> Runtime:
        """Return what the plugin ``container`` is to run; see :class:`Runtime`."""
        return Runtime(self.engine)
