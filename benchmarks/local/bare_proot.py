"""PRoot started by hand, which is the measure for the engine's own start.

Once with nothing but a root, and once with what a step of dodas has: the same binds and options, onto
directories that are made for each start and removed after it.  No supervisor, no filter of new system calls,
no Landlock, no exact exit status.
"""

from __future__ import annotations

import os
import sys
import tempfile

from dodas.containers.engines import binds, proot, traced
from dodas.containers.launch import Launch


def alone(root: str, count: int) -> None:
    """Start ``/bin/true`` in ``root`` so many times."""
    for _ in range(count):
        _start("-r", root, temporary="/tmp")


def as_a_step(root: str, count: int, *, exact: bool = False) -> None:
    """Start it with the binds of a step.

    Args:
        root: The root.
        count: How often.
        exact: Whether the program stands in between that tells how the command ended: PRoot alone may say of
            one that was killed that it went well.
    """
    with tempfile.TemporaryDirectory() as scratch:
        launch = Launch(engine="proot", root=root, scratch=scratch, argv=("/bin/true",))
        bound = binds.wanted(launch, root, writable_root=False)
        own = [
            source for source, _, _ in bound if os.path.dirname(source) == scratch and os.path.isdir(source)
        ]
        options = binds.options(bound, scratch)
        for path in own:
            os.rmdir(path)
        for _ in range(count):
            for path in own:
                os.mkdir(path, 0o1777)
            words = ("--kill-on-exit", "-r", root, "-w", launch.cwd, *options)
            _start(*words, temporary=scratch, exact=exact)
            for path in own:
                os.rmdir(path)


def _start(*options: str, temporary: str, exact: bool = False) -> None:
    program, loader, init = traced.files(proot.find())
    environment = {"PROOT_LOADER": loader, "PROOT_TMP_DIR": temporary}
    command = ["/bin/true"]
    opened = [os.open(init, os.O_PATH), os.open(os.devnull, os.O_WRONLY)] if exact else []
    for descriptor in opened:
        os.set_inheritable(descriptor, True)
    if opened:
        own, report = map(str, opened)
        command = [f"/proc/self/fd/{own}", "run", report, own, *command]
    pid = os.posix_spawn(program, [program, *options, *command], environment)
    for descriptor in opened:
        os.close(descriptor)
    if os.waitpid(pid, 0)[1]:
        sys.exit("the bare start of PRoot failed")
