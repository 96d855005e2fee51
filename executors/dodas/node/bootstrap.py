# ruff: noqa: PLC0415, RUF005, S606
"""Unpacks the worker once per node and starts it: the first thing that runs in the worker file.

It may be started by any Python from 3.6 on, and then finds a newer one: nothing younger may be used here.
"""

import os
import sys
import time

_NEEDED = (3, 9)
_NAMES = [f"python3.{minor}" for minor in range(20, 8, -1)]
_LONG = 30 * 86400.0  # seconds
_FOLDERS = ["/usr/local/bin", "/usr/bin", "/opt/python/bin"]


def main() -> int:
    """Run the worker, with a Python that is new enough, and return its exit status."""
    if sys.version_info < _NEEDED:
        return _find_newer()
    place = _place()
    if not place:
        return _fail("this node has no place where the worker can be unpacked")
    sys.path[:] = [place] + [path for path in sys.path if path != sys.argv[0]]
    from dodas.node.main import main as work

    return work(sys.argv[1:])


def _find_newer() -> int:
    for folder in os.environ.get("PATH", "").split(":") + _FOLDERS:
        for path in (os.path.join(folder, name) for name in _NAMES):
            if _is_program(path):
                os.execv(path, [path, "-I", "-S"] + sys.argv)
    version = sys.version.split()[0]
    return _fail(f"the worker needs Python 3.9 or newer, and this node has {version} at {sys.executable}")


def _is_program(path: str) -> bool:
    """Return whether a file is a program itself, not a script that may find none."""
    if not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _fail(problem: str) -> int:
    sys.stderr.write(f"dodas: {problem}\n")
    return 75


def _place() -> str:
    """Return the directory with the unpacked worker; empty if it can be nowhere."""
    key = globals()["__loader__"].get_data("KEY").decode()
    for base in _bases():
        place = os.path.join(base, "worker", key)
        if _is_ready(place):
            return place
    for base in _bases():
        try:
            return _unpacked(os.path.join(base, "worker"), key)
        except OSError:
            continue
    return ""


def _bases() -> list:  # type: ignore[type-arg]
    """Return where the worker may be: what jobs share, as :mod:`dodas.node.cache` has it; the sandbox."""
    sandbox = os.environ.get("_CONDOR_SCRATCH_DIR") or os.getcwd()
    bases = [os.environ.get("DODAS_NODE_CACHE") or ""]
    if not bases[0]:
        places = [_named_by_machine(sandbox), "/var/tmp"]  # noqa: S108 - see _is_ready
        bases = [os.path.join(place, f"dodas-{os.geteuid()}") for place in places if place]
    return bases + [os.path.join(sandbox, "cache")]


def _named_by_machine(sandbox: str) -> str:
    path = os.environ.get("_CONDOR_MACHINE_AD") or os.path.join(sandbox, ".machine.ad")
    try:
        with open(path, "rb") as file:
            lines = [line for line in file.read().splitlines() if line.startswith(b"DodasCache = ")]
    except OSError:
        return ""
    return os.fsdecode(lines[0].partition(b" = ")[2].strip(b'"')) if lines else ""


def _is_ready(place: str) -> bool:
    """Return whether the worker is there, and nobody else can have put it there."""
    try:
        status = os.stat(os.path.dirname(place))
    except OSError:
        return False
    ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return ours and os.path.exists(os.path.join(place, "READY"))


def _unpacked(folder: str, key: str) -> str:
    """Unpack the worker into ``folder`` unless another job has just done so; return where it is."""
    import fcntl
    import shutil

    os.makedirs(folder, mode=0o700, exist_ok=True)
    place = os.path.join(folder, key)
    with open(os.path.join(folder, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_ready(place):
            part = os.path.join(folder, "part")
            for old in (part, place):
                shutil.rmtree(old, ignore_errors=True)
            _unpack(part)
            os.rename(part, place)
            for name in os.listdir(folder):
                if _is_old(os.path.join(folder, name)):
                    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    if not _is_ready(place):
        raise PermissionError(folder)
    return place


def _is_old(place: str) -> bool:
    """Return whether no job has used a worker, of another version, for longer than jobs last."""
    try:
        return os.stat(os.path.join(place, "READY")).st_mtime < time.time() - _LONG
    except OSError:
        return False


def _unpack(part: str) -> None:
    import compileall
    import zipfile

    with zipfile.ZipFile(sys.argv[0]) as archive:
        for info in archive.infolist():
            os.chmod(archive.extract(info, part), info.external_attr >> 16 or 0o644)
    # For this Python; another one compiles what it imports.
    compileall.compile_dir(os.path.join(part, "dodas"), quiet=2)
    with open(os.path.join(part, "READY"), "w") as file:
        file.write(sys.executable + "\n")


if __name__ == "__main__":
    sys.exit(main())
