"""The command line of apptainer (``cmd/internal/cli``), and the variables that stand for its options.

Options that change nothing here are taken, those that would change something and cannot be honoured are not.
"""

from __future__ import annotations

import os

from dodas.shims.apptainer.options import Options, Unknown
from dodas.shims.words import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIXES = ("APPTAINER_", "SINGULARITY_")
QUIET = frozenset(("--quiet", "--silent"))

_GENERAL = {"q": "quiet", "s": "silent", "d": "debug", "v": "verbose"}
_GENERAL_FLAGS = frozenset((*_GENERAL.values(), "nocolor"))

_SHORT = {
    **{"B": "bind", "H": "home", "W": "workdir", "e": "cleanenv", "c": "contain", "C": "containall"},
    **{"p": "pid", "i": "ipc", "n": "net", "u": "userns", "U": "userns", "f": "fakeroot", "s": "shell"},
}
_FLAGS = frozenset(
    (
        *("cleanenv", "contain", "containall", "compat", "no-home", "net", "fakeroot", "no-umask"),
        *("nv", "nvccli", "rocm"),
    )
)
# Processes have namespaces of their own in any case, what they write to the image is gone with them in any
# case, and there is no file of an image that could be unpacked or mounted in one way or another.
_FLAGS_OF_NO_MEANING = frozenset(
    (
        *("pid", "no-pid", "ipc", "uts", "userns", "writable-tmpfs", "underlay", "unsquash", "no-eval"),
        *("no-init", "no-privs", "keep-privs", "no-nv", "no-rocm", "disable-cache", "tmp-sandbox"),
        *("no-tmp-sandbox", "ignore-subuid", "ignore-fakeroot-command", "ignore-userns"),
    )
)
_ONE = frozenset(("home", "pwd", "cwd", "workdir", "network", "shell"))
_MANY = frozenset(("bind", "mount", "env", "env-file", "no-mount"))
_VALUES_OF_NO_MEANING = frozenset(("tmpdir", "runscript-timeout"))
# Those of which a variable is enough to ask for what cannot be had here.
_REFUSED = frozenset(
    (
        *("overlay", "writable", "scratch", "security", "add-caps", "drop-caps", "fusemount", "hostname"),
        *("dns", "app", "apply-cgroups", "cpus", "cpuset-cpus", "memory", "pids-limit"),
    )
)
_OTHER_NAMES = {
    "bindpath": "bind",
    "target-pwd": "pwd",
    "unshare-net": "net",
    "overlayimage": "overlay",
    "scratchdir": "scratch",
}
_MOST_BLANKS = 20
_PULL_SHORT = {"F": "force"}
_PULL_FLAGS = frozenset(("force",))
_PULL_FLAGS_OF_NO_MEANING = frozenset(
    ("disable-cache", "no-cleanup", "allow-unsigned", "allow-unauthenticated")
)
_PULL_ONE = frozenset(("name", "dir", "arch"))


def command_of(words: list[str]) -> tuple[frozenset[str], str, list[str]]:
    """Return the general options, the command, and what comes after it.

    Raises:
        Unknown: There is another option before the command.
    """
    flags: set[str] = set()
    for place, word in enumerate(words):
        if not word.startswith("-"):
            return frozenset(flags), word, words[place + 1 :]
        names = [word[2:]] if word.startswith("--") else [_GENERAL.get(letter, "") for letter in word[1:]]
        if not _GENERAL_FLAGS.issuperset(names):
            raise Unknown(f"option {word}")
        flags.update(f"--{name}" for name in names)
    return frozenset(flags), "", []


def parse_start(general: frozenset[str], words: list[str], environ: Mapping[str, str]) -> Run:
    """Return what an ``exec``, ``run`` or ``shell`` means, with what the environment adds to it.

    Args:
        general: Options before the command.
        words: What comes after it.
        environ: The environment.

    Raises:
        Unknown: An option that only apptainer itself has, or no image.
    """
    options = Options(_SHORT, _FLAGS, _FLAGS_OF_NO_MEANING, _ONE, _MANY, _VALUES_OF_NO_MEANING)
    rest = options.read(words)
    for name, text, variable in _variables(environ):
        if name in _REFUSED:
            raise Unknown(f"what {variable} says")
        options.take_variable(name, text)
    if "compat" in options.flags:
        options.flags |= {"containall", "no-umask"}
    if "containall" in options.flags:
        options.flags |= {"contain", "cleanenv"}
    return _whole(options.run(general, rest))


def parse_pull(general: frozenset[str], words: list[str]) -> tuple[Run, list[str]]:
    """Return what a ``pull`` means, and what there is beside options.

    Raises:
        Unknown: An option that only apptainer itself has, or no image.
    """
    options = Options(
        _PULL_SHORT, _PULL_FLAGS, _PULL_FLAGS_OF_NO_MEANING, _PULL_ONE, frozenset(), frozenset()
    )
    places: list[str] = []
    while words := options.read(words):  # here they may stand behind what is no option as well
        places.append(words.pop(0))
    return options.run(general, places), places


def _whole(run: Run) -> Run:
    """Return a command line with the path of its image in one piece.

    Snakemake does not quote that path, so that blanks in the name of a directory make several words of it.
    """
    if "://" in run.image or os.path.exists(run.image):
        return run
    for count in range(1, min(len(run.words), _MOST_BLANKS)):
        path = " ".join((run.image, *run.words[:count]))
        if os.path.isfile(path):
            return Run(path, run.words[count:], run.flags, run.one, run.many)
    return run


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield options that are set in the environment: name, value, variable; the first counts more."""
    for prefix in PREFIXES:
        for variable, text in environ.items():
            if text and variable.startswith(prefix):
                name = variable.removeprefix(prefix).lower().replace("_", "-")
                if name != "env":
                    yield _OTHER_NAMES.get(name, name), text, variable
