"""The user's line in a container's account files, so that ``whoami`` and ``~`` have an answer."""

from __future__ import annotations

import os


def read(path: str, *, follow: bool = False) -> bytes:
    """Return a file's content, nothing if it cannot be read.

    Args:
        path: The file.
        follow: Whether it may be a link; one in an image would lead to a file of the host.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        with open(os.open(path, flags), "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def with_user(passwd: bytes, uid: int, gid: int) -> bytes:
    """Return the image's passwd file with an entry for ``uid`` (passwd(5)), unchanged if it has one."""
    lines = passwd.splitlines() or [b"root:x:0:0:root:/root:/bin/sh"]
    if any(_field(line, 2) == b"%d" % uid for line in lines):
        return passwd
    taken = {_field(line, 0) for line in lines}
    name = next(name for name in (b"user", b"user%d" % uid, b"dodas%d" % uid) if name not in taken)
    return b"\n".join((*lines, b"%s:x:%d:%d::/tmp:/bin/sh" % (name, uid, gid), b""))


def with_group(group: bytes, gid: int) -> bytes:
    """Return the image's group file with an entry for ``gid`` (group(5)), unchanged if it has one."""
    lines = group.splitlines() or [b"root:x:0:"]
    if any(_field(line, 2) == b"%d" % gid for line in lines):
        return group
    taken = {_field(line, 0) for line in lines}
    name = next(name for name in (b"user", b"user%d" % gid, b"dodas%d" % gid) if name not in taken)
    return b"\n".join((*lines, b"%s:x:%d:" % (name, gid), b""))


def _field(line: bytes, index: int) -> bytes:
    parts = line.split(b":")
    return parts[index] if len(parts) > index else b""
