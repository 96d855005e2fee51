"""How a template is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class Literal(str):
    """Text that is shown line by line."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes everything in full: no aliases, which not every reader of TOSCA knows."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that it does."""
        return True


_Dumper.add_representer(
    Literal, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def dump(document: Mapping[str, Any]) -> str:
    """Return a document as YAML."""
    # In ASCII: PyYAML writes some signs of Unicode such that nobody reads them as what they were.
    text: str = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, width=110)
    return text
