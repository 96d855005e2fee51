"""The values of :mod:`.model` out of checked, plain ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodas.pool.description.model import (
    Budget,
    Cvmfs,
    Elasticity,
    Flavour,
    Manager,
    Mount,
    PoolDescription,
    Precheck,
    ProviderSettings,
    Setting,
    Site,
)

Values = Mapping[str, Any]

_SECTIONS = ("slurm", "htcondor", "kubernetes", "im", "orchestrator", "marathon")


def build(values: Values) -> PoolDescription:
    """Return the description."""
    providers = dict(values.get("providers", {}))
    flavours = [_flavour(name, one) for name, one in values["flavours"].items()]
    if any(flavour.provider == "local" for flavour in flavours):
        providers.setdefault("local", {"kind": "local"})
    return PoolDescription(
        name=values["name"],
        manager=Manager(**_renamed(values.get("manager", {}), {"token_file": "token"})),
        providers=tuple(_provider(name, one) for name, one in providers.items()),
        sites=tuple(_site(name, one) for name, one in values.get("sites", {}).items()),
        flavours=tuple(flavours),
        budget=Budget(**values.get("budget", {})),
        elasticity=Elasticity(**values.get("elasticity", {})),
    )


def _renamed(values: Values, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}


def _provider(name: str, values: Values) -> ProviderSettings:
    settings = tuple((key, _setting(value)) for key, value in values.items() if key != "kind")
    return ProviderSettings(name=name, kind=values["kind"], settings=settings)


def _setting(value: Any) -> Setting:
    if isinstance(value, dict):
        return tuple((key, _setting(child)) for key, child in value.items())
    if isinstance(value, tuple):
        return tuple(map(_setting, value))
    plain: Setting = value
    return plain


def _flavour(name: str, values: Values) -> Flavour:
    own = {key: value for key, value in values.items() if key not in _SECTIONS}
    section: Values = next((values[kind] for kind in _SECTIONS if kind in values), {})
    return Flavour(name=name, **own, settings=tuple((key, _setting(one)) for key, one in section.items()))


def _site(name: str, values: Values) -> Site:
    fields = dict(values)
    for key in ("attributes", "environment", "files"):
        fields[key] = tuple(values.get(key, {}).items())
    fields["prechecks"] = tuple(map(_precheck, values.get("prechecks", ())))
    fields["mounts"] = tuple(map(_mount, values.get("mounts", ())))
    if "cvmfs" in values:
        fields["cvmfs"] = Cvmfs(**values["cvmfs"])
    return Site(name=name, **fields)


def _precheck(value: Any) -> Precheck:
    if isinstance(value, str):
        value = {"command": value}
    fields = _renamed(value, {"timeout": "seconds"})
    return Precheck(**{"name": " ".join(fields["command"].split())[:60], **fields})


def _mount(value: Any) -> Mount:
    if isinstance(value, str):
        value = {"source": value}
    return Mount(**{"target": value["source"], **value})
