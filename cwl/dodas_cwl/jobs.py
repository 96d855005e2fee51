"""One cwltool job as a step, and one result as its outputs.

cwltool's ``JobBase._execute`` stages, runs, waits and collects in one go.  Here it is cut in two:
:meth:`StepJob.step` does what comes before the command, :meth:`StepJob.finish` what comes after.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from dodas.containers.removal import remove_tree
from dodas.step import Output, OutputFile, Resources, Result, Step
from dodas_cwl import extension, hints, translate
from dodas_cwl.access import Access
from dodas_cwl.described import describe
from dodas_cwl.desks import OUTPUTS, STAGED
from dodas_cwl.images import Images
from dodas_cwl.memory import Desk
from dodas_cwl.mounts import Staged
from dodas_cwl.reference import (
    JobBase,
    MapperEnt,
    PathMapper,
    RuntimeContext,
    UnsupportedRequirement,
    WorkflowException,
    bytes2str_in_dicts,
    log,
    relink_initialworkdir,
)
from dodas_cwl.remote import is_remote


class StepJob(JobBase):
    """What steps on the host and in containers have in common."""

    def __init__(self, *args: Any, ports: tuple[str, ...], images: Images) -> None:
        super().__init__(*args)
        self.ports = ports
        self.images = images
        self.desk = Desk()
        self.kept = False  # whether outdir and tmpdir stay for inspection
        self.problem = ""  # why the job failed although its command did not
        self.target = ""  # URL of the directory for what it makes; empty if that comes back
        self.made: Mapping[str, OutputFile] = {}  # by URL
        self.label = ""  # what people call the step, also where it is one of several
        # Takes the outputs, and returns them with the places where they are then.
        self.keep: Callable[[Any, Result], Any] = _as_they_are
        self.put_away: Callable[[], None] = _nothing  # what the outputs need no more
        self.record: Callable[[Any, Result, str], None] = _unrecorded  # takes outputs and process status
        self._secret_files: list[str] = []

    def run(self, runtimeContext: RuntimeContext, tmpdir_lock: Any = None) -> None:  # noqa: N803 - cwltool's
        """Refuse: a job of dodas is submitted, never run."""
        raise RuntimeError(f"{self.name} runs on a backend only")

    def step(self, key: str, rc: RuntimeContext) -> Step:
        """Stage what the tool expects and return what has to be run.

        Raises:
            WorkflowException: An input is missing, or two want the same place.
            UnsupportedRequirement: The container cannot be had this way.
        """
        os.makedirs(self.tmpdir, exist_ok=True)
        self._setup(rc)
        self._note_secret_files(rc)
        staged = self._staged(rc)
        words, environment = _revealed(rc, [self.command(rc), dict(self.environment)])
        return Step(
            id=key,
            name=self.name,
            argv=tuple(words),
            env=tuple(environment.items()),
            image=self.image(),
            cwd=self.builder.outdir,
            mounts=staged.mounts,
            inputs=staged.inputs,
            outputs=self._outputs(),
            stdin=self._stdin(),
            stdout=self._stream(self.stdout),
            stderr=self._stream(self.stderr),
            resources=self._resources(rc),
            network=self.network(),
            entrypoint=True,
            identity=self.desk.key,
            hints=self._hints(),
        )

    def finish(self, result: Result, rc: RuntimeContext) -> str:
        """Collect the outputs, tell the workflow, clean up; return the process status."""
        status, outputs = self._judge(result, rc)
        self._remove_secret_files()
        if outputs is not None:
            outputs = self.keep(outputs, result)
        if outputs is not None and not _secret(rc, outputs):
            self.desk.note(OUTPUTS, outputs)
        self.put_away()
        self.record(outputs, result, status)
        self.kept = status != translate.SUCCESS and translate.worth_a_look(result)
        if rc.rm_tmpdir:
            self._clean()
        self.give(outputs, status)
        return status

    def give(self, outputs: Mapping[str, Any] | None, status: str) -> None:
        """Tell the workflow, once, how the job ended; ``None`` for no outputs at all."""
        callback, self.output_callback = self.output_callback, None
        if callback is not None:
            callback(dict.fromkeys(self.ports) if outputs is None else dict(outputs), status)

    @abstractmethod
    def stage(self, rc: RuntimeContext) -> Staged:
        """Put inputs where the tool will look for them, or say what does."""

    @abstractmethod
    def command(self, rc: RuntimeContext) -> list[str]:
        """Return the words of the command."""

    @abstractmethod
    def image(self) -> str | None:
        """Return the name of the image to run in."""

    @abstractmethod
    def network(self) -> bool:
        """Return whether the tool may reach the network."""

    def _setup(self, runtimeContext: RuntimeContext) -> None:  # noqa: N803 - cwltool's
        # As in JobBase, without its search for GPUs: this is not where the step will run.
        os.makedirs(self.outdir, exist_ok=True)
        for place in self.pathmapper:
            if is_remote(place.resolved):
                continue  # whether it is there is found out where the step runs
            if place.type == "File" and place.staged and not os.path.isfile(place.resolved):
                raise WorkflowException(f"input file {place.resolved} is not there, or is not a regular file")
        if "listing" in self.generatefiles:
            context = runtimeContext.copy()
            context.outdir = self.outdir
            self.generatemapper = self.make_path_mapper(
                self.generatefiles["listing"], self.builder.outdir, context, False
            )
        self.base_path_logs = runtimeContext.set_log_dir(self.outdir, runtimeContext.log_dir, self.name)

    def _staged(self, rc: RuntimeContext) -> Staged:
        """Stage, unless that was done before: the step may be running, or even be over."""
        known = self.desk.recall(STAGED)
        if known is None:
            staged = self.stage(rc)
            if self.desk.key:
                self.desk.note(STAGED, {**staged.plain(), "made": self._made()})
            return staged
        for mapper in self._mappers():
            for key, place in list(mapper.items()):
                if place.target in known["made"]:
                    mapper.update(key, known["made"][place.target], place.target, place.type, place.staged)
        return self.restage(Staged.from_plain(known))

    def restage(self, staged: Staged) -> Staged:
        """Return what :meth:`stage` returned in an earlier life of the run."""
        return staged

    def refuse_in_place(self, place: MapperEnt) -> None:
        """See that what is at a URL is not to be changed there.

        Raises:
            UnsupportedRequirement: It is.
        """
        if self.inplace_update:
            raise UnsupportedRequirement(
                f"{place.resolved} is on a storage and cannot be changed in place; a copy can"
            )

    def _made(self) -> dict[str, str]:
        """Return where files are that were made from their content, by where the tool sees them."""
        places = (place for mapper in self._mappers() for _, place in mapper.items())
        return {place.target: place.resolved for place in places if (place.type or "").startswith("Create")}

    def _mappers(self) -> list[PathMapper]:
        return [mapper for mapper in (self.pathmapper, self.generatemapper) if mapper is not None]

    def _hints(self) -> tuple[tuple[str, str], ...]:
        asked, _ = self.builder.get_requirement(extension.HTCONDOR)
        evaluated: Any = self.builder.do_eval(asked, recursive=True) if asked else {}
        return hints.htcondor(evaluated)

    def _resources(self, rc: RuntimeContext) -> Resources:
        asked, _ = self.builder.get_requirement("ResourceRequirement")
        return translate.resources(
            self.builder.resources,
            frozenset(asked or ()),
            seconds=self.timelimit,
            limit_memory=rc.strict_memory_limit,
        )

    def _judge(self, result: Result, rc: RuntimeContext) -> tuple[str, Mapping[str, Any] | None]:
        code = translate.tool_code(result)
        if code is None:
            return translate.PERMANENT, None
        status = translate.status(code, self.successCodes, self.temporaryFailCodes, self.permanentFailCodes)
        if status != translate.SUCCESS:
            # What a failed tool left stays where it is, for somebody to look at.
            self.problem = f"exit status {code} means {status} to this tool"
            return status, None
        try:
            self.made = {file.path: file for file in result.outputs}
            return status, self._collect(code, rc)
        except Exception as error:  # whatever it was, the workflow must hear of this job
            log.error("[job %s] %s", self.name, error, exc_info=rc.debug)
            self.problem = "its outputs are not what the tool describes"
            return translate.PERMANENT, None

    def _outputs(self) -> tuple[Output, ...]:
        if not self.target or self._secret_files:  # which are no more than input, and removed afterwards
            return ()
        return (Output(path=self.builder.outdir, destination=self.target, moved=True, checksum="sha1"),)

    def _stdin(self) -> str | None:
        if self.stdin is None:
            return None
        source = self.pathmapper.reversemap(self.stdin)
        if source is None:
            raise WorkflowException(f"standard input {self.stdin} is none of the inputs")
        return source[1]

    def _stream(self, name: str | None) -> str | None:
        if name is None:
            return None
        path = os.path.join(self.base_path_logs, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def _collect(self, code: int, rc: RuntimeContext) -> Mapping[str, Any]:
        if self.generatemapper is not None:
            relink_initialworkdir(
                self.generatemapper, self.outdir, self.builder.outdir, inplace_update=self.inplace_update
            )
        rc.log_dir_handler(
            self.outdir, self.base_path_logs, self._stream(self.stdout), self._stream(self.stderr)
        )
        # Checksums come last: to make those of files at URLs cwltool would fetch them.
        found = self.collect_outputs(self.outdir, code, compute_checksum=False)  # type: ignore[call-arg]
        access: Access = self.builder.make_fs_access(self.outdir)  # type: ignore[assignment]  # ours
        describe(found, access, self.made, checksum=rc.compute_checksum is not False)
        outputs: Any = bytes2str_in_dicts(found)
        return dict(outputs)

    def _note_secret_files(self, rc: RuntimeContext) -> None:
        # Staging replaces the placeholder by the path of the file, so this is the last moment to look.
        if self.generatemapper is None or rc.secret_store is None:
            return
        inside = self.builder.outdir + "/"
        for place in self.generatemapper:
            if (place.type or "").startswith("Create") and rc.secret_store.has_secret(place.resolved):
                target = place.target
                if target.startswith(inside):
                    target = os.path.join(self.outdir, target[len(inside) :])
                self._secret_files.append(target)

    def _remove_secret_files(self) -> None:
        for path in self._secret_files:
            with suppress(FileNotFoundError):
                os.remove(path)

    def _clean(self) -> None:
        if self.stagedir is not None:
            remove_tree(self.stagedir)
        if not self.kept:
            remove_tree(self.tmpdir)


def _as_they_are(outputs: Any, _result: Result) -> Any:
    return outputs


def _unrecorded(_outputs: Any, _result: Result, _status: str) -> None:
    """Record nothing."""


def _nothing() -> None:
    """Do nothing."""


def _secret(rc: RuntimeContext, value: Any) -> bool:
    return rc.secret_store is not None and rc.secret_store.has_secret(value)


def _revealed(rc: RuntimeContext, value: Any) -> Any:
    # Secrets are placeholders everywhere else, so no log and no record of cwltool can hold them.
    return value if rc.secret_store is None else rc.secret_store.retrieve(value)
