"""What ``snakemake --dodas-…`` accepts, and what Snakemake has to know about the executor.

Snakemake reads the annotations of :class:`ExecutorSettings` at run time: no postponed annotations here, and
``Optional[X]`` where other modules say ``X | None``.
"""

from dataclasses import dataclass, field
from typing import Optional

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

from snakemake_executor_plugin_dodas.used.option import parse_report

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    can_transfer_local_files=True,
    # Values of `envvars:` may be secrets; they travel in the environment of a step, not in its command.
    pass_envvar_declarations_to_cmd=False,
    # True would run `pip install` before every job that is left to a second Snakemake.
    auto_deploy_default_storage_provider=False,
)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Options of the executor; each becomes ``--dodas-<name>`` and may stand in a profile.

    Attributes:
        backend: Where steps run.
        pool: The HTCondor pool.
        shared_disk: Whether its nodes see the files of this machine.
        bundle: How many short steps may share a job there.
        on_hold: What is done about held jobs there.
        condor: Submit commands and attributes for all jobs there.
        engine: Container engine for rules with ``container:``.
        image: Container for rules without one.
        containers: Whether ``container:`` is honoured.
        cores: Processors that all steps together may use.
        memory: Memory that all steps together may use.
        network: Whether steps in containers reach the network.
        volume: More of this machine for steps in containers.
        image_pull: When images are fetched.
        explain: Whether it is told how the jobs of each rule are run.
        report: File for what each rule asked for and used.
    """

    backend: str = field(
        default="local",
        metadata={
            "help": "Where steps run: on this machine, or on a pool of HTCondor (default: local, and "
            "htcondor where a pool is given).",
            "choices": ["local", "htcondor"],
            "env_var": True,
        },
    )
    pool: Optional[str] = field(
        default=None,
        metadata={
            "help": "Pool to use with the backend htcondor: the name of one that `dodas pool up` started, or "
            "the file (.yaml) that describes one, which comes, and goes by itself when it has nothing to do "
            "(default: the one that this machine's HTCondor is configured for).",
            "metavar": "NAME",
            "env_var": True,
        },
    )
    shared_disk: str = field(
        default="auto",
        metadata={
            "help": "Whether the nodes of the pool see the working directory under the same path; without "
            "that, files are brought and fetched (default: auto, as the pool's FILESYSTEM_DOMAIN says).",
            "choices": ["auto", "yes", "no"],
            "env_var": True,
        },
    )
    bundle: str = field(
        default="auto",
        metadata={
            "help": "Steps that may share one job of the pool: a number, off, or auto, by how long they take "
            "(default: auto).",
            "metavar": "auto|N|off",
            "env_var": True,
        },
    )
    on_hold: str = field(
        default="retry",
        metadata={
            "help": "What to do about a job that the pool holds: release it a few times, count it as failed, "
            "or wait for somebody to release it (default: retry).",
            "choices": ["retry", "fail", "wait"],
            "env_var": True,
        },
    )
    condor: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Submit commands and ad attributes for all jobs of the pool, such as "
            "accounting_group=physics '+Project=\"x\"'.",
            "nargs": "+",
            "metavar": "KEY=VALUE",
        },
    )
    engine: str = field(
        default="auto",
        metadata={
            "help": "Container engine for rules with a container directive; `dodas doctor` lists those that "
            "work here (default: auto, the best of them).",
            "metavar": "NAME",
            "env_var": True,
        },
    )
    image: Optional[str] = field(
        default=None,
        metadata={
            "help": "Image for jobs of rules without a container directive, such as docker://debian:12.",
            "metavar": "IMAGE",
            "env_var": True,
        },
    )
    containers: str = field(
        default="on",
        metadata={
            "help": "Whether the container directive of rules is honoured; off runs all jobs on the host "
            "(default: on).",
            "choices": ["on", "off"],
            "env_var": True,
        },
    )
    cores: Optional[int] = field(
        default=None,
        metadata={
            "help": "Processors that all steps together may use on this machine, and the most threads of one "
            "(default: all that this process may use).",
            "metavar": "N",
            "env_var": True,
        },
    )
    memory: Optional[str] = field(
        default=None,
        metadata={
            "help": "Memory that all steps together may use on this machine, such as 8GB or 512MiB "
            "(default: all that this process may use).",
            "metavar": "SIZE",
            "env_var": True,
        },
    )
    network: str = field(
        default="host",
        metadata={
            "help": "Network of steps in containers: that of the host, or none (default: host).",
            "choices": ["host", "none"],
            "env_var": True,
        },
    )
    volume: list[str] = field(
        default_factory=list,
        metadata={
            "help": "More directories or files that steps in containers see. The working directory, inputs "
            "and outputs are there without asking; others are read-only unless they end in :rw.",
            "nargs": "+",
            "metavar": "HOST[:PATH][:ro|:rw]",
        },
    )
    image_pull: str = field(
        default="missing",
        metadata={
            "help": "When to fetch images from their registry: those that are missing, always (to notice "
            "that a tag moved), or never (default: missing).",
            "choices": ["missing", "always", "never"],
            "env_var": True,
        },
    )
    report: Optional[str] = field(
        default=None,
        metadata={
            "help": "File to write at the end about what each rule asked for and used, with a proposal for "
            "its resources. Its name ends in .json, .tsv or .csv.",
            "metavar": "FILE",
            "parse_func": parse_report,
            "unparse_func": str,
            "env_var": True,
        },
    )
    explain: bool = field(
        default=False,
        metadata={
            "help": "Tell, before jobs run, in which way those of each rule do (by their bare command, or in "
            "a second Snakemake), in which container, and why.",
        },
    )

    def __post_init__(self) -> None:
        """See that the values make sense, whoever gave them.

        Raises:
            WorkflowError: One does not; it names the option.
        """
        from snakemake_executor_plugin_dodas.checks import check  # noqa: PLC0415 - not at every start

        check(self)
