"""PRoot: system calls of the step are rewritten by a tracer; for hosts without user namespaces.

The prepared root itself is the step's root.  Landlock, where the kernel has it, keeps the step from
writing there, and from everything of the host but what it was given; its temporary directories, home and
working directory are private ones.  PRoot has flaws that are worked around here:

* A command that dies by a signal may be reported as success (proot-me/proot#146), so a shell of the image
  passes the status on, and notes it in a file: without that note the shell itself was killed.  An image
  without a shell is refused.
* Newer system calls that take paths are not translated and would reach the host's files; a filter answers
  that the kernel does not have them, and C libraries fall back (:data:`.seccomp.HIDE_NEW_CALLS`).
* It binds writable only, and not paths with a colon; the latter get a link without one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NoReturn

from dodas.containers.engines import accounts, landlock, seccomp, start
from dodas.containers.launch import Launch, LaunchFault
from dodas.paths import data_dir, store_dir

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_FROM_HOST = ("/etc/resolv.conf", "/etc/hosts")
_PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")
# The traps keep the shell alive until the command has ended; a trapped signal is not ignored in the command.
_STATUS = "/.dodas-status"
_KEEP_STATUS = (
    "unset PROOT_LOADER PROOT_TMP_DIR PROOT_NO_SECCOMP; trap : HUP INT QUIT TERM USR1; "
    f'"$@"; set -- $?; echo $1 > {_STATUS}; exit $1'
)
_KILLED = 137

_Bind = tuple[str, str, int]  # source on the host, target in the container, Landlock's rights


class Proot:
    """PRoot with its system call filter (udocker's mode P1)."""

    name = "proot"
    isolates_network = False
    isolates_root = False
    own_pids = False
    environment: tuple[tuple[str, str], ...] = ()

    def missing(self) -> str:
        """Return why there is no PRoot here."""
        return "" if find() else "no PRoot found; `udocker install` brings one"

    def confine(self, launch: Launch) -> None:
        """Do nothing."""

    def enter(self, launch: Launch) -> NoReturn:
        """Become PRoot, which becomes the command."""
        become(launch, launch.root or "", self.environment, writable_root=launch.writable_root)

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return the status that the shell around the command noted."""
        return noted_status(launch, code)

    def clean(self, launch: Launch) -> None:
        """Do nothing: PRoot's temporary files are in the launch's scratch directory."""


class ProotNoSeccomp(Proot):
    """PRoot without its filter, stopping at every system call (udocker's mode P2); slow, for odd kernels."""

    name = "proot-noseccomp"
    environment = (("PROOT_NO_SECCOMP", "1"),)


def find() -> str:
    """Return the path of the PRoot to use, or an empty string; see :func:`candidates`."""
    return next(iter(candidates()), "")


def candidates() -> list[str]:
    """Return the PRoots of this host, the likeliest to work first.

    Named by ``DODAS_PROOT``; made by the project's set-up; brought by ``udocker install``; on ``PATH``,
    which is often a distribution's and wrong.  With ``DODAS_PROOT`` there is no other.
    """
    named = os.environ.get("DODAS_PROOT")
    if named:
        return [named] if _executable(named) else []
    machine = os.uname().machine
    udocker = [os.path.join(store_dir(), "bin", f"proot-{machine}{tail}") for tail in ("-4_8_0", "")]
    folders = os.environ.get("PATH", "").split(os.pathsep)
    on_path = [os.path.join(folder, "proot") for folder in folders if folder.startswith("/")]
    made = os.path.join(data_dir(), "bin", "proot")
    return [path for path in (made, *udocker, *on_path) if _executable(path)]


def become(
    launch: Launch, root: str, environment: tuple[tuple[str, str], ...], *, writable_root: bool
) -> NoReturn:
    """Become PRoot running ``launch`` in ``root``.

    Raises:
        LaunchFault: Something of the launch is missing or impossible.
    """
    program = launch.program or find()
    if not program:
        raise LaunchFault("no PRoot found")
    binds = _binds(launch, root, writable_root)
    temporary = _made(os.path.join(launch.scratch, "p"))
    helpers = (("PROOT_TMP_DIR", temporary), *_loader(program), *environment)
    words = [program, "--kill-on-exit", "-r", root, "-w", launch.cwd]
    for source, target, _ in binds:
        words += ["-b", f"{_without_colon(source, launch.scratch)}:{target}"]
    if launch.as_root:
        words.append("-0")
    words += _command(launch.argv, root)
    _restrict(launch, root, program, binds, writable_root)
    seccomp.install(seccomp.HIDE_NEW_CALLS)
    if launch.cpus:
        with suppress(OSError):
            os.sched_setaffinity(0, launch.cpus)
    start.reset_signals()
    start.execute(tuple(words), (*launch.env, *helpers))


def noted_status(launch: Launch, code: int) -> int:
    """Return the exit status that the shell around the command noted.

    If it did not come to that, PRoot failed, or the shell was killed, which PRoot may call a success.
    """
    try:
        with open(os.path.join(launch.scratch, "status"), "rb", buffering=0) as file:
            return int(file.read(16))
    except (OSError, ValueError):
        return _KILLED if code in (0, 255) else code


def _executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _loader(program: str) -> tuple[tuple[str, str], ...]:
    """Return the variable that saves PRoot writing its loader to a file at each start."""
    loader = f"{program}-loader"
    return (("PROOT_LOADER", loader),) if _executable(loader) else ()


def _command(argv: tuple[str, ...], root: str) -> list[str]:
    if not any(os.path.lexists(os.path.join(root, path)) for path in ("bin/sh", "usr/bin/sh")):
        raise LaunchFault(
            "the image has no /bin/sh, without which PRoot may report a killed command as success; "
            "use an image with a shell, or a host where the namespace engine works"
        )
    return ["/bin/sh", "-c", _KEEP_STATUS, "sh", *argv]


def _binds(launch: Launch, root: str, writable_root: bool) -> list[_Bind]:
    """Return what is bound, in the order in which it applies."""
    status = os.path.join(launch.scratch, "status")
    os.close(os.open(status, os.O_CREAT | os.O_WRONLY, 0o600))
    binds = [
        (status, _STATUS, landlock.WRITE),
        ("/proc", "/proc", landlock.WRITE),
        ("/sys", "/sys", landlock.READ),
    ]
    binds += _devices(launch)
    if launch.network:
        binds += [(path, path, landlock.READ) for path in _FROM_HOST if os.path.exists(path)]
    if not launch.writable_root:
        binds += _private_places(launch, root, writable_root)
        binds += _accounts(launch, root)
    for source, target, writable in launch.mounts:
        if not os.path.exists(source):
            raise LaunchFault(f"cannot mount {source}: No such file or directory")
        binds.append((source, target, landlock.WRITE if writable else landlock.READ))
    return binds


def _devices(launch: Launch) -> list[_Bind]:
    """Return the devices: all bound at once, which is quick, where Landlock lets only some be used."""
    if landlock.version():
        return [("/dev", "/dev", landlock.LIST)]
    wanted = (*(f"/dev/{name}" for name in _DEVICES), *launch.gpus)
    return [(path, path, landlock.WRITE) for path in wanted if os.path.exists(path)]


def _private_places(launch: Launch, root: str, writable_root: bool) -> list[_Bind]:
    """Return the places in which the step may write although the root is not its own."""
    home = dict(launch.env).get("HOME", "/")
    if writable_root:
        places = ["/dev/shm"] if os.path.isdir(root + launch.cwd) else ["/dev/shm", launch.cwd]
    else:
        places = [
            *_PRIVATE,
            *(path for path in dict.fromkeys((home, launch.cwd)) if _needs_own(path, launch)),
        ]
    binds = []
    for number, path in enumerate(places):
        own = _made(os.path.join(launch.scratch, f"d{number}"))
        os.chmod(own, 0o1777)
        binds.append((own, path, landlock.WRITE))
    return binds


def _needs_own(path: str, launch: Launch) -> bool:
    """Return whether ``path`` is neither the root nor reached through a mount or another private place."""
    covers = [*_PRIVATE, *(target for _, target, _ in launch.mounts)]
    inside = any(path == cover or path.startswith(cover.rstrip("/") + "/") for cover in covers)
    return path.startswith("/") and path.strip("/") != "" and not inside


def _accounts(launch: Launch, root: str) -> list[_Bind]:
    """Return files in which the user has a name, where those of the image have none."""
    if launch.as_root:
        return []
    uid, gid = os.geteuid(), os.getegid()
    passwd, group = (accounts.read(os.path.join(root, "etc", name)) for name in ("passwd", "group"))
    binds = []
    for name, old, new in (
        ("passwd", passwd, accounts.with_user(passwd, uid, gid)),
        ("group", group, accounts.with_group(group, gid)),
    ):
        if new != old:
            path = os.path.join(launch.scratch, name)
            with open(path, "wb") as file:
                file.write(new)
            binds.append((path, f"/etc/{name}", landlock.READ))
    return binds


def _without_colon(source: str, scratch: str) -> str:
    """Return a path without colon that leads to ``source``: PRoot splits its option at the first one."""
    if ":" not in source:
        return source
    link = os.path.join(_made(os.path.join(scratch, "l")), str(len(os.listdir(os.path.join(scratch, "l")))))
    os.symlink(source, link)
    return link


def _made(path: str) -> str:
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    return path


def _restrict(launch: Launch, root: str, program: str, binds: list[_Bind], writable_root: bool) -> None:
    """Let the kernel enforce what PRoot only arranges, if it can."""
    rights = [(root, landlock.WRITE if writable_root else landlock.READ), (launch.scratch, landlock.WRITE)]
    rights += [(path, landlock.READ) for path in (program, f"{program}-loader")]
    rights += [(f"/dev/{name}", landlock.WRITE) for name in _DEVICES]
    rights += [(path, landlock.WRITE) for path in launch.gpus]
    rights += [(source, right) for source, _, right in binds]
    with suppress(OSError):
        landlock.restrict(rights)
