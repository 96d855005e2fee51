"""What every HTCondor daemon that dodas starts is told of its programs and directories.  Pure text.

Here, and not with what makes pools, because a worker on a node needs it too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dodas.values import dataclass

INSIDE = "/pool"
"""Where a container with daemons sees its directory: short, since the paths of sockets may not be long."""

MASTER = "condor_master"
SBIN = ("/usr/sbin", "/usr/local/sbin", "/opt/condor/sbin")
"""Where the daemons may be, which is not on everybody's PATH."""

DIRECTORIES = ("log", "spool", "execute", "lock", "run", "passwords.d", "tokens.d", "cache")
"""What there is below the directory of a container with daemons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where HTCondor's programs are, as its daemons see them.

    Attributes:
        release: RELEASE_DIR.
        sbin: Directory of the daemons.
        bin: Directory of the commands.
        lib: Directory of libraries.
        libexec: Directory of helpers.
    """

    release: str = "/usr"
    sbin: str = "/usr/sbin"
    bin: str = "/usr/bin"
    lib: str = "/usr/lib/condor"
    libexec: str = "/usr/libexec/condor"


def programs_in(root: str) -> Programs | None:
    """Return the places in an image whose root is ``root``; nothing if there is no HTCondor in it."""
    sbin = next((place for place in SBIN if os.path.isfile(f"{root}{place}/{MASTER}")), None)
    if sbin is None:
        return None
    lib = "lib64" if os.path.isdir(f"{root}/usr/lib64/condor") else "lib"
    return Programs(sbin=sbin, lib=f"/usr/{lib}/condor")


def programs_of(master: str) -> Programs:
    """Return the places of an installation whose master is ``PREFIX/sbin/condor_master``."""
    prefix = os.path.dirname(os.path.dirname(master))

    def first(*names: str) -> str:
        found = [os.path.join(prefix, name) for name in names]
        return next((place for place in found if os.path.isdir(place)), found[-1])

    return Programs(
        release=prefix,
        sbin=os.path.dirname(master),
        bin=first("bin"),
        lib=first("lib64/condor", "lib/condor", "lib"),
        libexec=first("libexec/condor", "libexec"),
    )


def release(programs: Programs) -> dict[str, object]:
    """Return the settings that say where HTCondor's programs are."""
    return {
        "RELEASE_DIR": programs.release,
        "SBIN": programs.sbin,
        "BIN": programs.bin,
        "LIB": programs.lib,
        "LIBEXEC": programs.libexec,
    }


def places(place: str) -> dict[str, object]:
    """Return the settings for daemons whose files are all below ``place``."""
    names = ("log", "spool", "execute", "lock", "run")
    return {
        "LOCAL_DIR": place,
        **{name.upper(): f"{place}/{name}" for name in names},
        "DAEMON_SOCKET_DIR": f"{place}/run",
        "LOCAL_CONFIG_FILE": "",
        "LOCAL_CONFIG_DIR": "",
        "MAX_DEFAULT_LOG": "20 MB",
        "MASTER_BACKOFF_CONSTANT": 1,  # seconds, and two, four, … until a daemon that died is started again
        "MASTER_BACKOFF_CEILING": 60,
        # A control group of one's own needs privileges; the engine ends what is left.
        "CGROUP_ALL_DAEMONS": False,
        "BASE_CGROUP": "",
        "DISCARD_SESSION_KEYRING_ON_STARTUP": False,
    }


def text(title: str, values: Mapping[str, object]) -> str:
    """Return a configuration file."""
    lines = [f"{name} = {value}".rstrip() for name, value in values.items()]
    return "\n".join((f"# {title}.  Made by dodas.", *lines, ""))


def literal(words: str) -> str:
    """Return ``words`` as they stand in a file: a dollar would begin a macro."""
    return words.replace("$", "$(DOLLAR)")
