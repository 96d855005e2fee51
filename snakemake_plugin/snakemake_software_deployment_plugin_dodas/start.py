"""Starts one command in an image.  Not imported: a Python without any packages runs this file.

It is started anew for each command of a job, and so adds to the launch of the `udocker` of `dodas env` only
what is known here and now: where it is, which variables there are, where temporary files go.

Usage: start.py DIRECTORY-OF-DODAS ENGINE NAME,NAME… [OPTION-OF-UDOCKER-RUN…] IMAGE COMMAND ARGUMENT…
"""

from __future__ import annotations

import os
import sys

_THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
_PASSED_ON = {
    *(f"{name}_NUM_THREADS" for name in _THREADS),
    "VECLIB_MAXIMUM_THREADS",
    "LANG",
    "LANGUAGE",
    "TZ",
}
_TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")


def main(words: list[str]) -> None:
    """Become the command; the exit status is its own, or 125 if it could not be started."""
    package, engine, names, *rest = words
    sys.path.append(package)
    from dodas.shims.udocker import main as udocker  # noqa: PLC0415 - found from here on

    if engine:
        os.environ["DODAS_ENGINE"] = engine
    udocker(["--quiet", "run", "--nobanner", *options(names.split(",")), *rest])


def options(names: list[str]) -> list[str]:
    """Return those that follow from this process and its environment.

    Args:
        names: Variables to pass on besides Snakemake's own.
    """
    here = os.getcwd()
    wanted = {*names, *_PASSED_ON}
    passed = [name for name in os.environ if name in wanted or name.startswith("LC_")]
    folders = {name: os.environ[name] for name in _TEMPORARY if os.path.isabs(os.environ.get(name, ""))}
    shown = {here, *(folder for folder in folders.values() if os.path.isdir(folder))} - {"/"}
    return [
        f"--user={os.geteuid()}:{os.getegid()}",
        f"--workdir={here}",
        f"--env=HOME={here}",
        *(f"--env={name}" for name in (*passed, *folders)),
        *(f"--volume={folder}:{folder}:rw" for folder in sorted(shown)),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
