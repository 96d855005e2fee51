"""Which directories of this machine a container sees, and in which it starts, as apptainer has it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from dodas.containers.prepared import PreparedRoot
from dodas.errors import SpecError
from dodas.shims.account import home_here
from dodas.shims.apptainer import binds
from dodas.shims.apptainer.options import Unknown
from dodas.shims.volumes import Mount
from dodas.shims.words import Run

_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - those of everybody, as apptainer has it
_MEMORY = "/dev/shm"  # noqa: S108
# Not shown as working directories (``addCwdMount``): they would hide the image's own.
_OF_SYSTEM = frozenset(("/", "/etc", "/bin", "/mnt", "/usr", "/var", "/opt", "/sbin", "/lib", "/lib64"))
_OF_KERNEL = ("/sys", "/proc", "/dev")
_LEFT_OUT = frozenset(("home", "tmp", "cwd", "hostfs", "bind-paths"))
_OF_IMAGES = "/.singularity.d"  # by which programs, and people, see that they are in a container


class Places:
    """What one container sees.

    Args:
        run: The command line.
        root: Its image.
        host: The environment.
        own: Makes a directory for the container alone.

    Attributes:
        mounts: Sources, targets, and whether they may be written.
        home: The home directory in the container.
        cwd: The directory in which the command starts.

    Raises:
        SpecError: Something that is to be shown is not there, or cannot be where it is wanted.
        Unknown: Something is to be left out that cannot be.
    """

    def __init__(self, run: Run, root: PreparedRoot, host: Mapping[str, str], own: Callable[[], str]) -> None:
        self.mounts: list[Mount] = []
        self._root = root
        self._without = {word for text in run.many.get("no-mount", ()) for word in text.split(",")}
        if not self._without <= _LEFT_OUT:
            raise Unknown(f"option --no-mount={','.join(sorted(self._without - _LEFT_OUT))}")
        if "no-home" in run.flags:
            self._without.add("home")
        here = os.getcwd()
        if "contain" in run.flags:
            self._show_empty(run, own)
        else:
            self._show_temporary(host)
        self.home = self._home(run)
        if "contain" not in run.flags and "cwd" not in self._without and _may_be_shown(here):
            self._show(here)
        self._show_mark()
        self.mounts += binds.binds(run.many.get("bind", ()))
        self.mounts += binds.mounts(run.many.get("mount", ()))
        self.cwd = self._start(run.value("pwd", "cwd"), here)

    def _home(self, run: Run) -> str:
        if "home" in run.one:
            source, target = binds.home(run.one["home"])
        else:
            source = "" if "contain" in run.flags else home_here()
            target = _home_in(run)
        if "home" not in self._without and os.path.isdir(source) and target.strip("/"):
            self.mounts.append((source, target, True))
        return target

    def _show_empty(self, run: Run, own: Callable[[], str]) -> None:
        """Show empty directories, or those of ``--workdir``, in place of what would be shown else."""
        base = os.path.abspath(run.one["workdir"]) if "workdir" in run.one else own()
        for name, target in (("tmp", "/tmp"), ("var_tmp", "/var/tmp"), ("home", _home_in(run))):  # noqa: S108
            if name.rpartition("_")[2] not in self._without and target.strip("/"):
                os.makedirs(os.path.join(base, name), exist_ok=True)
                self.mounts.append((os.path.join(base, name), target, True))

    def _show_temporary(self, host: Mapping[str, str]) -> None:
        if "tmp" in self._without:
            return
        self.mounts += [(path, path, True) for path in (*_TEMPORARY, _MEMORY) if os.path.isdir(path)]
        # Not shown by apptainer; programs are told to use it all the same.
        named = host.get("TMPDIR", "")
        if named.startswith("/") and os.path.isdir(named) and _may_be_shown(os.path.realpath(named)):
            self._show(os.path.abspath(named))

    def _show(self, path: str) -> None:
        """Show a directory under its own path, unless it is seen there."""
        if not any(source == target and binds.is_below(path, target) for source, target, _ in self.mounts):
            self.mounts.append((path, path, True))

    def _show_mark(self) -> None:
        empty = os.path.join(os.path.dirname(self._root.path), ".mountpoints")  # udocker's, of each container
        if (
            self._root.container
            and not os.path.lexists(self._root.path + _OF_IMAGES)
            and os.path.isdir(empty)
        ):
            self.mounts.append((empty, f"{_OF_IMAGES}/libs", False))

    def _start(self, said: str | None, here: str) -> str:
        if said:
            if not self._is_there(said):
                raise SpecError(
                    f"the working directory {said} is not in the container", hint=f"add --bind {said}"
                )
            return said
        return next((path for path in (here, self.home) if self._is_there(path)), "/")

    def _is_there(self, path: str) -> bool:
        """Return whether there is a directory of the image, or one that is shown."""
        for source, target, _ in reversed(self.mounts):
            if binds.is_below(path, target):
                return os.path.isdir(source + path[len(target.rstrip("/")) :])
        # An absolute link of the image means another place here than there; the engine follows it.
        return os.path.isdir(self._root.path + path) or os.path.islink(self._root.path + path)


def _home_in(run: Run) -> str:
    return "/root" if "fakeroot" in run.flags else home_here() or os.environ.get("HOME", "/")


def _may_be_shown(path: str) -> bool:
    return path not in _OF_SYSTEM and not any(binds.is_below(path, folder) for folder in _OF_KERNEL)
