"""What udocker is told beside its command line: variables of the environment, files."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODES_LIKE_OURS = ("", "P1", "P2")
_PLACES = ("UDOCKER_CONTAINERS", "UDOCKER_REPOS", "UDOCKER_LAYERS")
# Of the files: what is udocker's own affair, or only how it gets its tools.
_NO_MATTER = frozenset(
    (
        *("verbose_level", "tmpdir", "bindir", "libdir", "docdir", "timeout", "download_timeout", "ctimeout"),
        *("tarball", "tarball_release", "installinfo", "installretry", "autoinstall", "http_agent"),
        *("use_proot_executable", "use_curl_executable", "proot_noseccomp", "proot_killonexit"),
    )
)
_INFORMATIVE = 3


def store_root(repository: str, environ: Mapping[str, str]) -> str:
    """Return where udocker's images are: as udocker says, else as dodas says, else where both have them.

    Args:
        repository: What ``--repo`` says.
        environ: The environment.
    """
    said = repository or environ.get("UDOCKER_DIR") or environ.get("DODAS_STORE") or "~/.udocker"
    return os.path.abspath(os.path.expanduser(said))


def is_chatty(environ: Mapping[str, str]) -> bool:
    """Return whether udocker says more than errors, if the command line does not say."""
    level = environ.get("UDOCKER_LOGLEVEL", "")
    return not level.isdecimal() or int(level) >= _INFORMATIVE


def are_for_udocker_only(store: str, environ: Mapping[str, str]) -> bool:
    """Return whether there is a setting that only udocker itself can follow."""
    if environ.get("UDOCKER_DEFAULT_EXECUTION_MODE", "") not in _MODES_LIKE_OURS:
        return True
    return any(environ.get(name) for name in _PLACES) or any(
        key not in _NO_MATTER for path in _files(store) for key in _keys(path)
    )


def _files(store: str) -> tuple[str, ...]:
    return (
        "/etc/udocker.conf",
        os.path.expanduser("~/.udocker/udocker.conf"),
        f"{store}/udocker.conf",
        "u.conf",
    )


def _keys(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        if line.strip() and line[0] not in "#;[ \t":
            yield line.replace(":", "=").partition("=")[0].strip().lower()
