"""From the command line of ``dodas run`` to a step: pure, but for the files that options name."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator, Mapping

from dodas.cli.sizes import parse_size, parse_time
from dodas.errors import SpecError
from dodas.step import Input, Mount, Output, Resources, Step

_MODES = {"ro": False, "rw": True, "z": True, "Z": True}  # z and Z are SELinux's; they change nothing here
_TRUE, _FALSE = frozenset(("", "true", "1")), frozenset(("false", "0"))
_KEYS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def step_of(args: argparse.Namespace, environ: Mapping[str, str]) -> Step:
    """Return the step that the command line describes.

    Raises:
        SpecError: An option does not mean anything; the message names it.
    """
    command = tuple(args.words[1:] if args.words[:1] == ["--"] else args.words)
    return Step(
        id="run",
        name=args.image,
        image=args.image,
        argv=(args.entrypoint, *command) if args.entrypoint else command,
        entrypoint=not args.entrypoint,
        env=tuple(_environment(args, environ)),
        cwd=args.workdir,
        mounts=tuple(_mounts(args)),
        inputs=tuple(map(_input, args.input)),
        outputs=tuple(map(_output, args.output)),
        network=args.network == "host",
        as_root=args.root,
        resources=Resources(
            cores=args.cores or 1.0,
            memory=parse_size(args.memory) if args.memory else None,
            walltime=parse_time(args.time) if args.time else None,
        ),
    )


def _input(text: str) -> Input:
    from dodas.cli.run_storage import parse_input

    return parse_input(text)


def _output(text: str) -> Output:
    from dodas.cli.run_storage import parse_output

    return parse_output(text)


def _environment(args: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path in args.env_file:
        for line in _lines(path):
            yield from _variable(line, environ)
    for text in args.env:
        yield from _variable(text, environ)


def _variable(text: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield ``NAME=VALUE``, or ``NAME`` with our value if we have one, as docker does."""
    name, sign, value = text.partition("=")
    if not name:
        raise SpecError(
            f"{text!r} sets no variable", hint="write NAME=VALUE, or NAME to pass on your own value"
        )
    if sign or name in environ:
        yield name, value if sign else environ[name]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").removesuffix("\r").lstrip() for line in file]
    except OSError as error:
        raise SpecError(f"cannot read the environment file {path}: {error.strerror}") from error
    return [line for line in lines if line and not line.startswith("#")]


def _mounts(args: argparse.Namespace) -> Iterator[Mount]:
    yield from map(_volume, args.volume)
    yield from map(_mount, args.mount)


def _volume(text: str) -> Mount:
    """Return the mount that ``HOST[:PATH[:ro|rw]]`` means."""
    source, *rest = text.split(":")
    mode = rest.pop() if len(rest) == 2 else "rw"
    if mode not in _MODES or len(rest) > 1 or not source:
        raise SpecError(
            f"{text!r} is not a volume",
            hint="write HOST:PATH or HOST:PATH:ro; if a path has a colon, --mount source=HOST,target=PATH",
        )
    source = os.path.abspath(source)
    return _checked(source, rest[0] if rest else source, _MODES[mode])


def _mount(text: str) -> Mount:
    """Return the mount that ``type=bind,source=HOST,target=PATH[,readonly]`` means; quoted as CSV."""
    fields = {"type": "bind", "readonly": "false"}
    for field in next(csv.reader([text], strict=True), []):
        key, _, value = field.partition("=")
        fields[_KEYS.get(key.strip().lower(), key.strip().lower())] = value
    unknown = fields.keys() - {"type", "source", "target", "readonly"}
    readonly = fields["readonly"].lower()
    if unknown or fields["type"] != "bind" or not fields.get("source") or readonly not in _TRUE | _FALSE:
        raise SpecError(
            f"{text!r} is not a mount that can be made here",
            hint="write --mount type=bind,source=HOST,target=PATH[,readonly]",
        )
    return _checked(os.path.abspath(fields["source"]), fields.get("target", ""), readonly in _FALSE)


def _checked(source: str, target: str, writable: bool) -> Mount:
    if not os.path.exists(source):
        raise SpecError(f"there is no {source} to mount", hint="make it first, or correct the path")
    return Mount(source=source, target=target, writable=writable)
