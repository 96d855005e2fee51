"""Run Snakemake's jobs as dodas steps: ``snakemake --executor dodas --jobs 50``.

Snakemake imports this package at every start, in every worker too.  It therefore imports nothing but the
interface; the rest of dodas comes in when a run begins.
"""

from snakemake_executor_plugin_dodas.executor import Executor
from snakemake_executor_plugin_dodas.settings import ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
