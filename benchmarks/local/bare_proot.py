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


def as_a_step(root: str, count: int) -> None:
    """Start it with the binds of a step."""
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
            _start("--kill-on-exit", "-r", root, "-w", launch.cwd, *options, temporary=scratch)
            for path in own:
                os.rmdir(path)


def _start(*options: str, temporary: str) -> None:
    program, loader, _ = traced.files(proot.find())
    environment = {"PROOT_LOADER": loader, "PROOT_TMP_DIR": temporary}
    pid = os.posix_spawn(program, [program, *options, "/bin/true"], environment)
    if os.waitpid(pid, 0)[1]:
        sys.exit("the bare start of PRoot failed")
