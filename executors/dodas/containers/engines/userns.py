"""User namespaces in which a user is root, and leaving root's name there (user_namespaces(7))."""

from __future__ import annotations

import os

from dodas.containers.launch import LaunchFault

_outside = (0, 0)


def be_root(uid: int, gid: int) -> None:
    """Be root in the new namespace of this process; outside that is ``uid`` and ``gid``.

    Raises:
        LaunchFault: The kernel refused.
    """
    global _outside  # noqa: PLW0603 - one per forked process
    try:
        _map(f"0 {uid} 1", f"0 {gid} 1")
    except OSError as error:
        raise LaunchFault(f"no user namespace: {error.strerror}") from error
    _outside = uid, gid


def outside() -> tuple[int, int]:
    """Return what root of this namespace is outside."""
    return _outside


def rename(uid: int, gid: int) -> None:
    """Be ``uid`` and ``gid`` in the new namespace of this process, which was root in the one around it.

    Raises:
        OSError: The kernel refused.
    """
    _map(f"{uid} 0 1", f"{gid} 0 1")


def _map(uid_map: str, gid_map: str) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", uid_map), ("gid_map", gid_map)):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
