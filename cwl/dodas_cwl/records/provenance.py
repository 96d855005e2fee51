"""``--provenance`` and ``--rocrate``: what they need before a run, and what is left of it after."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dodas.containers.removal import remove_tree
from dodas.errors import SpecError
from dodas_cwl.records.research import Research
from dodas_cwl.records.secrecy import Secrecy
from dodas_cwl.reference import RuntimeContext, SecretStore, research_objects, valid_orcid
from dodas_cwl.remote import is_remote

# option -> file by which a directory that it made before is known
_MARKS = {"provenance": "bagit.txt", "rocrate": "ro-crate-metadata.json"}


def check(args: argparse.Namespace) -> None:
    """See that what is asked for can be recorded, and where it shall be.

    Raises:
        SpecError: It cannot.
    """
    for name, mark in _MARKS.items():
        directory = getattr(args, name)
        if directory:
            setattr(args, name, os.path.abspath(directory))
            _check_place(getattr(args, name), f"--{name}", mark, args.outdir or ".")
    if not args.provenance and not args.rocrate:
        return
    if args.provenance and args.rocrate and _within(args.provenance, args.rocrate, both=True):
        raise SpecError("--provenance and --rocrate are in each other's way", hint="name two directories")
    if not args.compute_checksum:
        raise SpecError("files are recorded by their checksums", hint="leave --no-compute-checksum out")
    if args.orcid:
        try:
            args.orcid = valid_orcid(args.orcid)
        except ValueError as error:
            raise SpecError(
                f"no ORCID: {str(error).splitlines()[0]}", hint="one looks like 0000-0002-1825-0097"
            ) from error
    if args.rocrate:
        try:
            import rocrate  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise SpecError(
                "--rocrate needs the Python package rocrate",
                hint="install it by: pip install 'dodas[rocrate]'",
            ) from error


@contextmanager
def recorded(args: argparse.Namespace, running: RuntimeContext, scratch: str) -> Iterator[None]:
    """Let the run in the context be recorded, if that is asked for.

    Args:
        args: The options.
        running: Will know the secrets.
        scratch: Directory for what is in the making.
    """
    if not args.provenance and not args.rocrate:
        yield
        return
    running.secret_store = SecretStore()
    secrecy = Secrecy(running.secret_store)
    made: list[Research] = []

    def make(*positional: Any, **words: Any) -> Research:
        made.append(Research(*positional, secrecy=secrecy, **words))
        return made[-1]

    kept = bool(args.provenance)
    if not kept:
        # cwltool makes a research object only if it has a place; of this one the crate is made.
        args.provenance = os.path.join(scratch, "research-object")
    try:
        with research_objects(make):
            yield
    finally:
        if args.rocrate and made and made[0].main is not None:
            from dodas_cwl.records.rocrate import write  # noqa: PLC0415 - an extra

            write(made[0], args.rocrate)
        if not kept:
            remove_tree(args.provenance)


def _check_place(directory: str, option: str, mark: str, outdir: str) -> None:
    if is_remote(outdir):
        outdir = directory + "-"  # nothing can be in its way
    if _within(os.path.abspath(outdir), directory):
        raise SpecError(f"{option} would replace the directory with the outputs", hint="name one of its own")
    if os.path.isdir(directory) and not os.path.exists(os.path.join(directory, mark)):
        if os.listdir(directory):
            raise SpecError(
                f"{option} would replace {directory}, which has other things in it",
                hint="name a directory that is not there yet",
            )
    elif os.path.lexists(directory) and not os.path.isdir(directory):
        raise SpecError(f"{directory} is not a directory", hint=f"name another one for {option}")


def _within(path: str, directory: str, *, both: bool = False) -> bool:
    """Return whether a path is that of the directory or below it; with ``both`` also the other way round."""
    path, directory = os.path.realpath(path), os.path.realpath(directory)
    common = os.path.commonpath((path, directory))
    return common == directory or (both and common == path)
