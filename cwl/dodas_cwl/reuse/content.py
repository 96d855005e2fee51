"""What decides on the result of a job, as a document for :mod:`dodas.reuse`.

Files count by what is in them, and the step's own directories, which are others in each run, by placeholders.
What a step may use (cores, memory, time) does not count, unless its outputs are described with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from dodas.reuse import trees
from dodas.reuse.document import placeholder
from dodas_cwl.jobs import StepJob
from dodas_cwl.reference import RuntimeContext, shortname, uri_file_path
from dodas_cwl.remote import Remote, is_remote

_VERSION = 1  # another one makes all results that are kept unknown
# Of a File or Directory: where it is, what follows from its content or its name, and cwltool's own notes.
_SEEN_OTHERWISE = frozenset(
    (
        *("location", "path", "dirname", "checksum", "size", "nameroot", "nameext", "listing"),
        "http://commonwl.org/cwltool#generation",
    )
)
_OF_A_DOCUMENT = re.compile(r"file:.*#.*|_:.*", re.DOTALL)
_GIVEN = ("HOME", "TMPDIR", "PATH")  # variables that every step has
_MOST_FILES = 500  # of a directory, that are told one by one
_LONGEST_TEXT = 1000


class Unknown(Exception):
    """It cannot be said what a result is made of."""


class Content:
    """Describes jobs.

    Args:
        checksum: Returns the checksum of a file.
        remote: Knows what is at URLs.
    """

    def __init__(self, checksum: Callable[[str], str], remote: Remote) -> None:
        self._checksum = checksum
        self._remote = remote

    def document(self, job: StepJob, image: str, rc: RuntimeContext) -> Any:
        """Return what decides on the result of a job.

        Args:
            job: The job, not staged yet.
            image: Digest of its image; empty for none.
            rc: What else is given to it.

        Raises:
            Unknown: A storage does not tell when a file is another one.
            OSError: An input cannot be read.
        """
        builder = job.builder
        ports = job.collect_outputs.args[0]  # type: ignore[union-attr]  # a partial
        parts = {
            "format": _VERSION,
            "language": [builder.cwlVersion, str(builder.loadListing)],
            "command": [str(word) for word in job.command_line],
            "processes": job.mpi_procs,
            "environment": _environment(job),
            "streams": {"stdin": job.stdin, "stdout": job.stdout, "stderr": job.stderr},
            "image": image,
            "directory": builder.outdir if image else "",
            "network": job.network(),
            "inputs": self.inputs(job),
            "workdir": self._described(job.generatefiles["listing"], places=True),
            "outputs": _nameless(ports),
            "codes": {
                "success": list(job.successCodes),
                "temporaryFail": list(job.temporaryFailCodes),
                "permanentFail": list(job.permanentFailCodes),
            },
            "scripts": builder.get_requirement("InlineJavascriptRequirement")[0],
            "wants checksums": rc.compute_checksum is not False,
        }
        if "runtime" in json.dumps(parts["outputs"]):
            parts["runtime"] = {name: size for name, size in builder.resources.items() if name != "exitCode"}
        return _placeless(_plain(parts), volatile(job))

    def inputs(self, job: StepJob) -> Any:
        """Return the part of the document that is about the inputs; raises the same."""
        return _placeless(_plain(self._described(job.builder.job)), volatile(job))

    def _described(self, value: Any, *, places: bool = False) -> Any:
        if isinstance(value, Mapping):
            if value.get("class") in ("File", "Directory"):
                return self._file(value, places=places)
            return {str(name): self._described(item, places=places) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._described(item, places=places) for item in value]
        return value

    def _file(self, value: Mapping[str, Any], *, places: bool) -> Any:
        kept = {name: item for name, item in value.items() if name not in _SEEN_OTHERWISE}
        described = {name: self._described(item, places=places) for name, item in kept.items()}
        if places and value.get("dirname"):
            described["dirname"] = value["dirname"]
        if len(str(kept.get("contents") or "")) > _LONGEST_TEXT:
            described["contents"] = _digest(str(kept["contents"]))
        if "listing" in value:
            inside = [self._described(item, places=places) for item in value["listing"]]
            described["listing"] = sorted(
                inside, key=lambda item: json.dumps(item, sort_keys=True, default=str)
            )
        location = str(value.get("location") or value.get("path") or "_:")
        if is_remote(location):
            described["url"], described["state"] = location, self._state(location)
        elif not location.startswith("_:"):
            described |= self._local(uri_file_path(location) if location.startswith("file:") else location)
        return described

    def _local(self, path: str) -> dict[str, Any]:
        if not os.path.isdir(path):
            executable = {"executable": True} if os.access(path, os.X_OK) else {}
            return {"content": self._checksum(path), **executable}
        found = {os.path.relpath(inner, path): self._inside(inner) for inner in trees.walk(path)}
        whole = {"tree": _digest(json.dumps(found, sort_keys=True))}
        return {**whole, "files": found} if len(found) <= _MOST_FILES else whole

    def _inside(self, path: str) -> str:
        if os.path.isdir(path):
            return f"link to {os.readlink(path)}" if os.path.islink(path) else "directory"
        return self._checksum(path) if os.path.exists(path) else f"link to {os.readlink(path)}"

    def _state(self, location: str) -> Any:
        state = self._remote.state(location)
        if state is None or not any(state[1:]):
            raise Unknown(f"the storage does not tell when {location} has changed")
        return state


def volatile(job: StepJob) -> dict[str, str]:
    """Return what stands for each directory of a job that has another name in each run."""
    # In a container they have fixed names, which may as well be words of a command.
    places = {"outdir": [job.outdir], "tmpdir": [job.tmpdir], "stagedir": [job.stagedir or ""]}
    found = {}
    for name, paths in places.items():
        for path in filter(None, paths):
            found[path] = found[os.path.realpath(path)] = placeholder(name)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _placeless(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_placeless(name, places): _placeless(item, places) for name, item in value.items()}
    if isinstance(value, list):
        return [_placeless(item, places) for item in value]
    if isinstance(value, str):
        for path, instead in places.items():
            value = value.replace(path, instead)
    return value


def _environment(job: StepJob) -> dict[str, str]:
    # What the user passes on may be a credential, and is not written down.
    own = {name for name in job.environment if name not in _GIVEN and name in os.environ}
    return {name: _digest(text) if name in own else text for name, text in job.environment.items()}


def _nameless(value: Any) -> Any:
    """Return a part of a document without the place of the document."""
    if isinstance(value, Mapping):
        return {str(name): _nameless(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nameless(item) for item in value]
    if isinstance(value, str) and _OF_A_DOCUMENT.fullmatch(value):
        return "_:" if value.startswith("_:") else shortname(value)
    return value


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()}"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
