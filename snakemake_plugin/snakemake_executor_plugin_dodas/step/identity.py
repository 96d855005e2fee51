"""What makes a step the same work as one of an earlier, interrupted run.

Snakemake notes for each output that a job is under way, with a word of the executor's choice, until the job
is recorded as done.  That word is the step's identity: a digest of the work, and a random part, so that no
two submissions have the same.  A run that finds such a word, and the same digest for the job as it is now,
may take what became of that step; any other job begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dodas.step import Step
from snakemake_executor_plugin_dodas.command.command import Command
from snakemake_executor_plugin_dodas.step.staging import runtime_cache

# Comes after what Snakemake puts in front of scripts, which holds pickled objects and random paths.
_PREAMBLE_END = "snakemake preamble end"
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")


def digest(
    job: Any,
    step: Step,
    command: Command,
    *,
    env: Mapping[str, str],
    iteration: int | None,
    versions: Sequence[object] = (),
) -> str:
    """Return a digest of everything that decides what a step makes.

    Args:
        job: Its job.
        step: As it will be submitted.
        command: Its command, with the names that Snakemake chose.
        env: Those variables of the step that are not the host's own.
        iteration: Which repetition of a benchmark it is.
        versions: Of its inputs on storage.
    """
    random = (runtime_cache(job),)
    plain = replace(step, id="-", argv=step.argv[:-1], env=(), inputs=(), stdout=None, stderr=None)
    own = {os.path.abspath(path) for path in (*command.files, *command.folders, *random)}
    facts: list[Any] = [
        plain.to_json(),
        _without(command.anonymous(), random),
        {name: _without(value, random) for name, value in env.items()},
        sorted(job.wildcards_dict.items()),
        iteration,
        [_state(item.source) for item in step.inputs if item.source not in own],
        [_content(path, random) for path in _files(command)],
        *([list(versions)] if versions else []),
    ]
    if command.files:  # what its script sees, while a shell command was formatted with it
        facts += [_settled(job.params), _settled(job.rule.run_func.__globals__.get("config"))]
    text = json.dumps(facts, sort_keys=True, default=repr)
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:32]


def identity(digest: str) -> str:
    """Return a word for a submission of that work."""
    return f"{digest}-{os.urandom(4).hex()}"


def is_of(identity: str, digest: str) -> bool:
    """Return whether a submission was of that work."""
    return identity.partition("-")[0] == digest


def _without(text: str, random: Iterable[str]) -> str:
    for path in random:
        text = text.replace(path, "-")
    return text


def _state(path: str) -> list[object]:
    try:
        status = os.stat(path)
    except OSError:
        return [path]
    return [path, status.st_size, status.st_mtime_ns]


def _files(command: Command) -> Iterator[str]:
    yield from command.files
    for folder in command.folders:
        if os.path.isdir(folder):
            yield from (entry.path for entry in os.scandir(folder) if entry.is_file())


def _content(path: str, random: Iterable[str]) -> str:
    with open(path, errors="surrogateescape") as file:
        text = file.read()
    return _without(text[text.rfind(_PREAMBLE_END) + 1 :], random)


def _settled(value: Any) -> Any:
    """Return a value as JSON can write it, the same in every process."""
    if isinstance(value, Mapping):
        return {repr(key): _settled(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(repr(_settled(item)) for item in value)
    if isinstance(value, list | tuple):
        return [_settled(item) for item in value]
    return _ADDRESS.sub("", repr(value))
