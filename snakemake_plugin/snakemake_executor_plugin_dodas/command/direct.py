"""Direct mode: the command of one job, without a second Snakemake.

In a run with one view of the files the main process does everything else that a job needs: it prepares and
checks files, and records provenance.  Only the command is left to run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from snakemake_executor_plugin_dodas import coming
from snakemake_executor_plugin_dodas.command.capture import Answer, NotCapturableError, capture
from snakemake_executor_plugin_dodas.command.command import Command

_PAPERMILL = "papermill --version"


class Director:
    """Gets commands out of jobs, and remembers what programs of the host answered on the way."""

    def __init__(self, workflow: Any, *, conda: bool, env_modules: bool, keep_scripts: bool) -> None:
        self._workflow = workflow
        self._keep_scripts = keep_scripts
        self._conda = conda
        self._env_modules = env_modules
        self._answers: dict[str, tuple[int, str]] = {}

    def has_environment(self, job: Any) -> bool:
        """Return whether the user wants ``job`` in a conda environment or with modules of the host.

        Like with Snakemake, the container of the rule is then not used.
        """
        modules = self._env_modules and getattr(job, "env_modules", None)
        return self.has_conda(job) or bool(modules) or coming.environment(job) is not None

    def has_conda(self, job: Any) -> bool:
        """Return whether the user wants ``job`` in a conda environment of the host."""
        return bool(self._conda and getattr(job, "conda_env", None))

    def command(self, job: Any, *, image: str | None, iteration: int | None = None) -> Command:
        """Return what runs ``job``.

        Args:
            job: A prepared job of a shell, script, wrapper or notebook rule.
            image: Image that it will run in.
            iteration: Which repetition of a benchmark it is.

        Raises:
            NotCapturableError: The job needs a Snakemake of its own.
            Exception: Whatever Snakemake raises for a rule that is wrong.
        """
        arguments = self._arguments(job, image, iteration)
        if image is None:
            return self._finished(_captured(job, arguments, self._ask_host))
        command = _captured(job, arguments, lambda text, options: Answer(0))
        if job.is_notebook:
            # Whether the image has papermill is known where the step runs.
            plain = _captured(job, arguments, lambda text, options: Answer(127))
            command = command.otherwise(plain, unless=_PAPERMILL)
        return self._finished(command)

    def _finished(self, command: Command) -> Command:
        return replace(command, files=()) if self._keep_scripts else command

    def _ask_host(self, text: str, options: Mapping[str, Any]) -> Answer:
        # Many jobs ask the same: whether papermill is there, which Python an environment has.
        if text not in self._answers:
            done = subprocess.run(text, **{**options, "text": True}, check=False)
            self._answers[text] = done.returncode, done.stdout
        return Answer(*self._answers[text])

    def _arguments(self, job: Any, image: str | None, iteration: int | None) -> dict[str, Any]:
        workflow = self._workflow
        arguments = {
            "input": job.input._plainstrings(),
            "output": job.output._plainstrings(),
            "params": job.params,
            "wildcards": job.wildcards,
            "threads": job.threads,
            "resources": job.resources,
            "log": job.log._plainstrings(),
            "rule": job.rule.name,
            "conda_env": job.conda_env.address if self.has_conda(job) else None,
            "container_img": image,
            "singularity_args": "",
            "use_singularity": image is not None,
            "env_modules": getattr(job, "env_modules", None) if self._env_modules else None,
            "bench_record": None,
            "jobid": job.jobid,
            "is_shell": job.is_shell,
            "bench_iteration": iteration,
            # Its script must outlive the call: Command.tidy() removes it.
            "cleanup_scripts": False,
            "shadow_dir": None,
            "edit_notebook": None,
            "conda_base_path": getattr(workflow, "conda_base_path", None),
            "basedir": job.rule.basedir,
            "sourcecache_path": workflow.sourcecache.cache_path,
            "runtime_sourcecache_path": workflow.sourcecache.runtime_cache_path,
            "runtime_paths": getattr(workflow, "runtime_paths", None),
        }
        arguments["run_args"] = coming.run_args(job, workflow, arguments, in_image=image is not None)
        return arguments


def _captured(job: Any, arguments: dict[str, Any], ask: Any) -> Command:
    function = job.rule.run_func
    code = function.__code__
    # Releases differ in what they hand to the function of a rule; its marker has a default.
    wanted = code.co_varnames[: code.co_argcount - len(function.__defaults__ or ())]
    missing = [name for name in wanted if name not in arguments]
    if missing:
        raise NotCapturableError(f"this Snakemake hands {', '.join(missing)} to rules")
    return capture(lambda: function(*[arguments[name] for name in wanted]), ask)
