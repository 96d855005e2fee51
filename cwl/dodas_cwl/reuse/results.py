"""Results of earlier runs instead of steps, and the results of this one kept for later ones."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from dodas.containers.prepare import Pull
from dodas.containers.removal import remove_tree
from dodas.errors import DodasError
from dodas.reuse import asked
from dodas.reuse.cache import Cache, Damaged
from dodas.reuse.checksums import Checksums
from dodas.reuse.document import key_of
from dodas.reuse.entries import Entry, memory, place
from dodas.reuse.trees import Bringer, Unkeepable
from dodas.step import Result
from dodas_cwl.jobs import StepJob
from dodas_cwl.reference import RuntimeContext, WorkflowException, log
from dodas_cwl.remote import Remote
from dodas_cwl.reuse import kept
from dodas_cwl.reuse.content import Content, Unknown, volatile
from dodas_cwl.reuse.digests import Digests


class Reuse:
    """Asks a directory of results about each job, and lets it keep what jobs make.

    Args:
        cache: The directory.
        digests: Tells which image a name stands for.
        remote: Knows what is at URLs.
        silent: Whether nothing is said but warnings.

    Attributes:
        asked: How many jobs were asked about.
        reused: For how many of them there was a result.
    """

    def __init__(self, cache: Cache, digests: Digests, remote: Remote, *, silent: bool) -> None:
        self._cache = cache
        self._silent = silent
        self._digests = digests
        self._content = Content(cache.checksums.of, remote)
        self._refused = ""
        self._warned: set[str] = set()
        self.asked = self.reused = 0

    def check(self, item: Mapping[str, Any]) -> None:
        """Look at a requirement or hint of the workflow."""
        if item.get("class") == "InplaceUpdateRequirement" and item.get("inplaceUpdate"):
            # Such a step changes what others made, and what was kept of them.
            self._refused = "a step of the workflow changes files in place"
            self._warn("results are neither reused nor kept: %s", self._refused)

    def find(self, job: StepJob, rc: RuntimeContext) -> Any:
        """Return the output object that an earlier run has got from the same job; ``None`` if none has.

        A job that then runs will have its result kept, if it is one that can be.
        """
        self.asked += 1
        document, reason = self._document(job, rc)
        if reason:
            self._note(job, asked.LEFT_OUT, reason)
            return None
        key = key_of(document)
        entry, outcome = None, asked.NEW
        try:
            entry = self._cache.find(key)
        except Damaged as damaged:
            outcome, reason = asked.DAMAGED, str(damaged)
            log.warning("[job %s] what was kept of it is damaged and is made again: %s", job.name, reason)
        self._note(job, asked.REUSED if entry else outcome, reason, key, document)
        if entry is None:
            job.keep = partial(self._keep, job, key, document)
            return None
        self.reused += 1
        return kept.unpack(entry.outputs, entry.top)

    def give_out(self, outputs: Any, outdir: str) -> str:
        """Have an output object name copies of what is kept, on the disk where they belong.

        Args:
            outputs: The output object of the workflow, which is changed.
            outdir: The directory for its files.

        Returns:
            The directory with the copies, of which what is not moved has to be removed.

        Raises:
            WorkflowException: There is no room for them.
        """
        os.makedirs(outdir, exist_ok=True)
        top = tempfile.mkdtemp(prefix=".dodas-", dir=outdir)
        try:
            kept.give_out(outputs, self._cache.layout.entries, top)
        except (OSError, Unkeepable) as error:
            remove_tree(top)
            raise WorkflowException(f"the results cannot be put into {outdir}: {error}") from error
        return top

    def close(self) -> None:
        """End."""
        self._cache.close()

    def tell(self) -> None:
        """Say how many steps were reused, unless nothing is to be said."""
        if self.asked and not self._silent:
            steps = "1 step" if self.asked == 1 else f"{self.asked} steps"
            print(f"reused {self.reused} of {steps} from {self._cache.layout.path}", file=sys.stderr)

    def _document(self, job: StepJob, rc: RuntimeContext) -> tuple[Any, str]:
        """Return what the result is made of, or else why it is neither reused nor kept."""
        try:
            reason = self._refused or _excluded(job, rc)
            if reason:
                return None, reason
            name = job.image()
            digest = self._digests.of(name) if name else ""
            if name and not digest:
                return None, f"nobody says which digest the image {name} has"
            return self._content.document(job, digest, rc), ""
        except (OSError, ValueError, TypeError, DodasError, WorkflowException, Unknown) as error:
            return None, str(error)  # if it is in the way of the step too, that will say so

    def _keep(self, job: StepJob, key: str, document: Any, outputs: Any, result: Result) -> Any:
        """Keep a result; return the output object with the places where its files are then."""
        taken: list[str] = []
        try:
            entry = self._cache.add(
                key, job.label, document, partial(self._fill, job, document, outputs, taken), _about(result)
            )
        except (Unkeepable, Unknown) as error:
            self._warn("[job %s] its result is not kept: %s", job.name, error)
            return outputs
        except (OSError, ValueError, TypeError) as error:
            self._warn("results cannot be kept in %s: %s", self._cache.layout.path, _reason(error))
            return outputs
        if entry is None:
            return outputs
        job.put_away = partial(self._put_away, taken, entry)
        return kept.unpack(entry.outputs, entry.top)

    def _fill(self, job: StepJob, document: Any, outputs: Any, taken: list[str], top: str) -> Any:
        bringer = Bringer(top, job.outdir, self._cache.layout.entries)
        if self._content.inputs(job) != document["inputs"]:
            raise Unkeepable("an input was changed while it ran")
        packed = kept.pack(outputs, job.outdir, bringer, volatile(job))
        taken += bringer.taken
        return packed

    def _put_away(self, taken: list[str], entry: Entry) -> None:
        kept.put_away(taken)
        self._cache.settled(entry)  # after that, as a file has another time when it loses a name

    def _note(
        self, job: StepJob, outcome: str, reason: str = "", key: str = "", document: Any = None
    ) -> None:
        names = {"step": job.label, "job": job.name, "run": self._cache.run}
        question = asked.Asked(
            **names, time=time.time(), outcome=outcome, reason=reason, key=key, document=document
        )
        asked.note(self._cache.layout, question)

    def _warn(self, text: str, *words: object) -> None:
        if text not in self._warned:
            self._warned.add(text)
            log.warning(text, *words)


def opened(directory: str, remote: Remote, pull: Pull, *, silent: bool) -> Reuse:
    """Return what asks a directory of results; the caller closes it.

    Args:
        directory: Its path, or ``default``.
        remote: Knows what is at URLs.
        pull: When the steps ask the registry for their images.
        silent: Whether nothing is said but warnings.

    Raises:
        SpecError: The directory cannot be used.
    """
    return Reuse(Cache(place(directory), Checksums(memory())), Digests(pull), remote, silent=silent)


def _excluded(job: StepJob, rc: RuntimeContext) -> str:
    """Return why a job is neither reused nor kept; empty if nothing is against it."""
    work, _ = job.builder.get_requirement("WorkReuse")
    enabled: Any = True if work is None else work.get("enableReuse", True)
    if isinstance(enabled, str):
        enabled = job.builder.do_eval(enabled)
    if not enabled:
        return "WorkReuse says so"
    if rc.secret_store is not None:
        seen: Any = [job.builder.job, job.command_line, dict(job.environment), job.generatefiles["listing"]]
        if rc.secret_store.has_secret(seen):
            return "it has a secret among its inputs"
    return ""


def _about(result: Result) -> dict[str, Any]:
    return {"wall": result.usage.wall, "cpu": result.usage.cpu, "node": result.node}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
