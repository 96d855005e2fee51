"""Put a `udocker` and an `apptainer` in front of PATH that start steps at once, in prepared images.

They keep the command lines of the real ones, and what they do not do goes to those.  What calls udocker runs
unchanged: cwltool --udocker, scripts.  `snakemake --sdm apptainer` runs with any executor, without apptainer.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from dodas.shims import program

_EPILOG = """\
examples:
  eval "$(dodas env)"            sh, bash, zsh
  dodas env | source             fish
  eval "`dodas env`"             csh, tcsh
  eval "$(dodas env --off)"      takes it away; PATH is what it was
"""
_FAMILIES = {"fish": "fish", "csh": "csh", "tcsh": "csh"}
_SHELLS = ("sh", "bash", "zsh", "dash", "ksh", *_FAMILIES)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.add_argument("--off", action="store_true", help="take it away again")
    parser.add_argument("--shell", choices=_SHELLS, help="for which shell (default: that of $SHELL)")


def run(args: argparse.Namespace) -> int:
    """Print what the shell is to evaluate."""
    shell = args.shell or os.path.basename(os.environ.get("SHELL", ""))
    rest = without(os.environ.get("PATH", os.defpath))
    path = rest if args.off else os.pathsep.join((program.make(), rest))
    print(assignment(path, _FAMILIES.get(shell, "sh")))
    if sys.stdout.isatty():
        print('nothing has changed yet: this is for `eval "$(dodas env)"`', file=sys.stderr)
    return 0


def without(path: str) -> str:
    """Return a PATH without what `dodas env` puts there, of this dodas or of another one; else as it is."""
    base = program.base()
    return os.pathsep.join(
        folder for folder in path.split(os.pathsep) if os.path.dirname(folder.rstrip("/")) != base
    )


def assignment(path: str, family: str) -> str:
    """Return the command that sets PATH, for a family of shells."""
    if family == "fish":
        words = (folder.replace("\\", "\\\\").replace("'", "\\'") for folder in path.split(os.pathsep))
        return "set -gx PATH " + " ".join(f"'{word}'" for word in words)
    if family == "csh":
        # Also between quotes a `!` is a word of the history, and a line ends with the line.
        quoted = "'" + path.replace("'", "'\\''").replace("!", "\\!").replace("\n", "\\\n") + "'"
        return f"setenv PATH {quoted}"
    return f"export PATH={shlex.quote(path)}"
