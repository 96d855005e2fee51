"""Talks to another HTCondor pool, in a process of its own: the bindings of one process know one pool.

``VERB`` is the argument, what it needs comes as JSON on standard input, the answer goes as JSON to standard
output: ``submit`` takes submit descriptions, ``list`` a constraint and attributes, ``remove`` a constraint.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from dodas.errors import DodasError
from dodas.pool.access import bindings

Asked = Mapping[str, Any]


def main() -> int:
    """Do what the argument says."""
    asked: Asked = json.load(sys.stdin)
    try:
        htcondor = bindings()
        print(json.dumps(_VERBS[sys.argv[1]](htcondor, _schedd(htcondor, asked), asked)))
    except DodasError as error:
        print(f"{error}; {error.hint}", file=sys.stderr)
        return 1
    except Exception as error:  # whatever the bindings raise is somebody else's to understand
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


def _schedd(htcondor: Any, asked: Asked) -> Any:
    if not asked["collector"] and not asked["schedd"]:
        return htcondor.Schedd()
    collector = htcondor.Collector(asked["collector"]) if asked["collector"] else htcondor.Collector()
    name = asked["schedd"]
    return htcondor.Schedd(collector.locate(htcondor.DaemonType.Schedd, *((name,) if name else ())))


def _submit(htcondor: Any, schedd: Any, asked: Asked) -> list[int]:
    descriptions = [htcondor.Submit(text) for text in asked["descriptions"]]
    return [schedd.submit(one).cluster() for one in descriptions]


def _list(htcondor: Any, schedd: Any, asked: Asked) -> list[Mapping[str, Any]]:
    names = asked["attributes"]
    ads = schedd.query(asked["constraint"], projection=names)
    return [{name: ad[name] for name in names if name in ad} for ad in ads]


def _remove(htcondor: Any, schedd: Any, asked: Asked) -> None:
    schedd.act(htcondor.JobAction.Remove, asked["constraint"])


_VERBS: Mapping[str, Callable[[Any, Any, Asked], Any]] = {
    "submit": _submit,
    "list": _list,
    "remove": _remove,
}

if __name__ == "__main__":
    sys.exit(main())
