"""Looks at a central manager that exists already, in a process of its own that can be given up.

``VERB`` is the argument, what it needs comes as JSON on standard input, the answer goes as JSON to standard
output; a fault is ``{"fault": …, "said": …}``, and who asked knows how to say it.

``settings``: what the user's own configuration is made of.  ``look``: whether collector and queue answer, and
to whom.  ``join``: whether the collector lets workers in with the one token that this process has.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dodas.errors import DodasError
from dodas.pool.access import bindings

Asked = Mapping[str, Any]

_PATIENCE = 3  # seconds for each answer
_NOBODY = "unauthenticated"


class _Fault(Exception):
    """What was found to be wrong: a word for it, and what HTCondor said."""


def main() -> int:
    """Do what the argument says."""
    asked: Asked = json.load(sys.stdin)
    try:
        htcondor = bindings()
        for name in ("QUERY_TIMEOUT", "Q_QUERY_TIMEOUT"):
            htcondor.param[name] = str(_PATIENCE)
        answer = _VERBS[sys.argv[1]](htcondor, asked)
    except _Fault as fault:
        answer = {"fault": fault.args[0], "said": fault.args[1]}
    except DodasError as error:
        answer = {"fault": "other", "said": str(error), "hint": error.hint}
    print(json.dumps(answer))
    return 0


def _settings(htcondor: Any, asked: Asked) -> Mapping[str, Any]:
    """Return what the configuration consists of beside the file that CONDOR_CONFIG names."""
    param = htcondor.param
    named = str(param.get("LOCAL_CONFIG_FILE") or "")
    unfit = re.compile(str(param.get("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP") or r"(?!)"))
    files = []
    for place in re.split(r"[,\s]+", str(param.get("LOCAL_CONFIG_DIR") or "")):
        if place and os.path.isdir(place):
            names = sorted(name for name in os.listdir(place) if not unfit.match(name))
            files += [os.path.join(place, name) for name in names]
    piped = named.rstrip().endswith("|")  # the output of a command
    files += [] if piped else [one for one in re.split(r"[,\s]+", named) if one and os.path.isfile(one)]
    return {"files": [one for one in files if os.path.isfile(one)], "piped": piped}


def _look(htcondor: Any, asked: Asked) -> Mapping[str, Any]:
    collector = htcondor.Collector(asked["collector"])
    _connect(asked["host"], asked["port"])
    began = time.monotonic()
    try:
        ads = list(collector.query(htcondor.AdType.Schedd, projection=["Name"]))
    except htcondor.HTCondorException as error:
        # The bindings do not say why; one that is there and ends the talk at once does not want it.
        at_once = time.monotonic() - began < _PATIENCE / 2
        raise _Fault("refused" if at_once else "silent", _line(error)) from error
    local = _local(htcondor, collector)
    wishes = (asked["schedd"],) if asked["schedd"] else (str(htcondor.param.get("SCHEDD_HOST") or ""), local)
    schedd = _chosen(wishes, sorted(str(ad["Name"]) for ad in ads if "Name" in ad), asked["schedd"])
    try:
        place = collector.locate(htcondor.DaemonType.Schedd, schedd)
        told = htcondor.ping(place, asked["power"])
        next(iter(htcondor.Schedd(place).query("false", projection=["ClusterId"])), None)
    except htcondor.HTCondorException as error:
        raise _Fault("queue", f"{schedd}: {_line(error)}") from error
    user = str(told.get("MyRemoteUserName", ""))
    return {
        "schedd": schedd,
        "local": schedd == local,
        "user": "" if user.startswith(_NOBODY) else user.partition("@")[0],
        "trust": str(told.get("TrustDomain", "")),
        "files": str(htcondor.param.get("FILESYSTEM_DOMAIN") or ""),
    }


def _connect(host: str, port: int) -> None:
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE):
            pass
    except OSError as error:
        raise _Fault("unreachable", error.strerror or str(error)) from error


def _chosen(wishes: Sequence[str], names: Sequence[str], wanted: str) -> str:
    """Return the queue to follow: the first wish that there is, or the only queue if none is wanted."""
    for wish in filter(None, wishes):
        found = next((name for name in names if name.lower() == wish.lower()), "")
        if found:
            return found
    if not wanted and len(names) == 1:
        return names[0]
    raise _Fault("schedd", ", ".join(names[:10]))


def _local(htcondor: Any, collector: Any) -> str:
    try:
        return str(collector.locate(htcondor.DaemonType.Schedd).get("Name", ""))
    except htcondor.HTCondorException:
        return ""


def _join(htcondor: Any, asked: Asked) -> Mapping[str, Any]:
    collector = htcondor.Collector(asked["collector"])
    try:
        told = htcondor.ping(collector.locate(htcondor.DaemonType.Collector), "ADVERTISE_STARTD")
    except htcondor.HTCondorException:  # which does not say why
        return {"joined": False}
    return {"joined": bool(told.get("AuthorizationSucceeded"))}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


_VERBS: Mapping[str, Callable[[Any, Asked], Mapping[str, Any]]] = {
    "settings": _settings,
    "look": _look,
    "join": _join,
}

if __name__ == "__main__":
    sys.exit(main())
