"""What users can set about storage, and the variables of the environment that do it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dodas.errors import SpecError
from dodas.staging import hosts
from dodas.staging.urls import Url
from dodas.values import dataclass

_PREFIX = "DODAS_STORAGE_"
_MOST = {"PER_HOST": 1_000, "ATTEMPTS": 100, "STREAMS": 64, "LARGE": 1 << 60}
_LONGEST = 86_400.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How storage is spoken to; times in seconds.

    Attributes:
        token_hosts: Hosts that may see the user's credentials besides the one in the URL that the user gave:
            ``host``, ``host:port``, ``*.domain``.
        prefer: Replicas on these hosts, or with these locations, are taken first, in this order.
        per_host: Connections to one host at a time.
        connect_timeout: Longest time until a connection stands.
        idle_timeout: Longest time without a byte from the server.
        attempts: Requests in all before a failure counts.
        max_wait: Longest pause between two of them; a server that asks for a longer one has failed.
        streams: Parts of one large file that are fetched at a time, each over a connection of its own.
        large: From how many bytes on a file is large.
        verify: Whether files are compared with the checksums that storages tell.
    """

    token_hosts: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    per_host: int = 8
    connect_timeout: float = 20.0
    idle_timeout: float = 60.0
    attempts: int = 5
    max_wait: float = 60.0
    streams: int = 4
    large: int = 64 << 20
    verify: bool = True

    def __post_init__(self) -> None:
        for name in ("per_host", "attempts", "streams", "large"):
            if not 1 <= getattr(self, name) <= _MOST[name.upper()]:
                raise SpecError(
                    f"{name} is {getattr(self, name)}", hint=f"set it to 1 … {_MOST[name.upper()]}"
                )
        for name in ("connect_timeout", "idle_timeout", "max_wait"):
            if not 0 < getattr(self, name) <= _LONGEST:
                raise SpecError(
                    f"{name} is {getattr(self, name)}", hint=f"set it to 1 … {_LONGEST:.0f} seconds"
                )
        for one in self.token_hosts:
            if not hosts.is_pattern(one):
                raise SpecError(f"token_hosts has {one!r}, which is no host")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return what ``environ`` says, the environment of this process if there is none.

        Raises:
            SpecError: A variable has a value that cannot be used; the message names it.
        """
        environ = os.environ if environ is None else environ
        usual = cls()
        return cls(
            token_hosts=hosts.patterns(environ.get(f"{_PREFIX}TOKEN_HOSTS", ""), f"{_PREFIX}TOKEN_HOSTS"),
            prefer=tuple(environ.get(f"{_PREFIX}PREFER", "").replace(",", " ").split()),
            per_host=_count(environ, "PER_HOST", usual.per_host),
            connect_timeout=_seconds(environ, "CONNECT_TIMEOUT", usual.connect_timeout),
            idle_timeout=_seconds(environ, "IDLE_TIMEOUT", usual.idle_timeout),
            attempts=_count(environ, "ATTEMPTS", usual.attempts),
            max_wait=_seconds(environ, "MAX_WAIT", usual.max_wait),
            streams=_count(environ, "STREAMS", usual.streams),
            large=_count(environ, "LARGE", usual.large),
            verify=_switch(environ, "VERIFY", usual.verify),
        )

    def to_environment(self) -> dict[str, str]:
        """Return variables that make the same settings elsewhere; only those that differ from the usual."""
        usual = Settings()
        values = {
            "TOKEN_HOSTS": (" ".join(self.token_hosts), " ".join(usual.token_hosts)),
            "PREFER": (" ".join(self.prefer), " ".join(usual.prefer)),
            "PER_HOST": (str(self.per_host), str(usual.per_host)),
            "CONNECT_TIMEOUT": (repr(self.connect_timeout), repr(usual.connect_timeout)),
            "IDLE_TIMEOUT": (repr(self.idle_timeout), repr(usual.idle_timeout)),
            "ATTEMPTS": (str(self.attempts), str(usual.attempts)),
            "MAX_WAIT": (repr(self.max_wait), repr(usual.max_wait)),
            "STREAMS": (str(self.streams), str(usual.streams)),
            "LARGE": (str(self.large), str(usual.large)),
            "VERIFY": (str(int(self.verify)), str(int(usual.verify))),
        }
        return {_PREFIX + name: value for name, (value, normal) in values.items() if value != normal}

    def may_see_credentials(self, url: Url) -> bool:
        """Tell whether the user named the host of ``url`` as one that may see credentials."""
        return any(hosts.matches(pattern, url) for pattern in self.token_hosts)


def _count(environ: Mapping[str, str], name: str, usual: int) -> int:
    text = environ.get(_PREFIX + name, "").strip()
    if not text:
        return usual
    if not text.isdecimal() or not 1 <= int(text) <= _MOST[name]:
        raise SpecError(f"{_PREFIX}{name} is {text!r}", hint=f"set it to a number, 1 … {_MOST[name]}")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, usual: float) -> float:
    text = environ.get(_PREFIX + name, "").strip()
    if not text:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= _LONGEST:
        raise SpecError(f"{_PREFIX}{name} is {text!r}", hint=f"set it to seconds, 1 … {_LONGEST:.0f}")
    return value


def _switch(environ: Mapping[str, str], name: str, usual: bool) -> bool:
    text = environ.get(_PREFIX + name, "").strip().lower()
    if not text:
        return usual
    if text not in ("0", "1", "no", "yes", "off", "on", "false", "true"):
        raise SpecError(f"{_PREFIX}{name} is {text!r}", hint="set it to 1 or 0")
    return text in ("1", "yes", "on", "true")
