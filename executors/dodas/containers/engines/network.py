"""The network of a step that has none: the loopback interface, and nothing else."""

from __future__ import annotations

import fcntl
import socket
import struct
from contextlib import suppress

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def raise_loopback() -> None:
    """Switch the loopback interface of a new network namespace on, as in ``docker run --network none``.

    Programs that talk to themselves (MPI, Java, notebook kernels) need it; where the kernel refuses, the
    step has no network at all.  See netdevice(7).
    """
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
