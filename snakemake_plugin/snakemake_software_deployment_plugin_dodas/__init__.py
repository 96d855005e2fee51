"""Containers of rules run by dodas in a Snakemake that has plugins for software: ``snakemake --sdm dodas``.

Such a Snakemake imports this package at every start, in every worker too.  It therefore imports nothing but
the interface; the rest of dodas comes in when an image is deployed.
"""

from snakemake_software_deployment_plugin_dodas.environment import Env, EnvSpec
from snakemake_software_deployment_plugin_dodas.settings import Settings, common_settings

__all__ = ["Env", "EnvSpec", "Settings", "common_settings"]
