"""The part of the Infrastructure Manager's REST interface that pools need (its version 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from dodas.pool.providers.base import NotAuthorised, ProviderUnavailable, Refused
from dodas.pool.providers.rest import Answer, NotFound, Service

_WORST = ("deleting", "failed", "off", "stopped", "unconfigured", "pending", "running", "unknown")
_T = TypeVar("_T")
_OLDEST = 2  # version
_TOSCA = {"Content-Type": "text/yaml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A virtual machine.

    Attributes:
        node: Node of the template that it was made for.
        name: What the template names it.
        address: Its first address; empty while it has none.
    """

    node: str
    name: str
    address: str


class Manager:
    """An Infrastructure Manager.

    Args:
        service: Where it is, and who asks.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def infrastructures(self) -> list[str]:
        """Return the ids of all infrastructures of this user."""
        return _read(self._ask("GET", "/infrastructures"), _ids)

    def must_be_new_enough(self) -> None:
        """Refuse an Infrastructure Manager of another interface than is spoken here.

        Raises:
            Refused: It is older.
        """
        text = self._ask("GET", "/version", expect=(404,)).text
        found = re.search(r"\d+(?:\.\d+)+", text)
        version = found[0] if found else ""
        if not version or int(version.partition(".")[0]) < _OLDEST:
            raise Refused(
                f"{self._service.who} has version {version or 'unknown'}, which is too old",
                hint=f"use one of version {_OLDEST} or newer",
            )

    def create(self, template: str) -> str:
        """Make an infrastructure, and return its id."""
        self.must_be_new_enough()
        answer = self._ask("POST", "/infrastructures", body=_filled(template), headers=_TOSCA, slow=True)
        return _read(answer, lambda found: _last(found["uri"]))

    def add(self, infrastructure: str, template: str) -> list[str]:
        """Make what the template has more than what is there; return the ids of the new machines."""
        path = f"/infrastructures/{infrastructure}"
        answer = self._ask("POST", path, body=_filled(template), headers=_TOSCA, slow=True)
        return _read(answer, _ids)

    def remove(self, infrastructure: str, machines: Collection[str]) -> None:
        """Remove machines; the others are left in peace."""
        path = f"/infrastructures/{infrastructure}/vms/{','.join(sorted(machines, key=int))}"
        try:
            # Else Ansible would run again on all others.
            self._ask("DELETE", path, params={"context": "false"}, slow=True)
        except NotFound:
            # One is gone already, and then it removes none of them.
            if len(machines) > 1:
                for machine in machines:
                    self.remove(infrastructure, [machine])

    def destroy(self, infrastructure: str) -> None:
        """Remove an infrastructure; it goes on after this returns."""
        path = f"/infrastructures/{infrastructure}"
        self._ask("DELETE", path, params={"async": "true"}, expect=(404,), slow=True)

    def states(self, infrastructure: str) -> tuple[str, Mapping[str, str]] | None:
        """Return the state of an infrastructure and those of its machines; nothing if it does not exist.

        The state of the whole says little: it stays ``configured`` while a machine is off.
        """
        answer = self._ask("GET", f"/infrastructures/{infrastructure}/state", expect=(404,))
        if answer.status == 404:
            return None
        return _read(answer, _states)

    def overall(self, infrastructure: str) -> str:
        """Return the worst of the states of an infrastructure and its machines; empty if there is none."""
        found = self.states(infrastructure)
        if found is None:
            return ""
        return next((state for state in _WORST if state in {found[0], *found[1].values()}), found[0])

    def machine(self, infrastructure: str, machine: str) -> Machine | None:
        """Return what a machine is."""
        answer = self._ask("GET", f"/infrastructures/{infrastructure}/vms/{machine}", expect=(404,))
        if answer.status == 404:
            return None
        return _read(answer, _machine)

    def message(self, infrastructure: str, machine: str = "") -> str:
        """Return what contextualisation said, of one machine or of all."""
        part = f"/vms/{machine}" if machine else ""
        answer = self._ask("GET", f"/infrastructures/{infrastructure}{part}/contmsg", expect=(404,))
        return "" if answer.status == 404 else _read(answer, lambda found: str(found["contmsg"] or ""))

    def template(self, infrastructure: str) -> Mapping[str, Any]:
        """Return the template of an infrastructure, empty if it has none."""
        answer = self._ask("GET", f"/infrastructures/{infrastructure}/tosca", expect=(403, 404))
        if answer.status != 200:
            return {}
        try:
            found = yaml.safe_load(_read(answer, lambda said: str(said["tosca"])))
        except yaml.YAMLError:
            return {}
        return found if isinstance(found, dict) else {}

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of all infrastructures of this user that have a name and stay."""
        for infrastructure in self.infrastructures():
            metadata = self.template(infrastructure).get("metadata")
            name = metadata.get("infra_name") if isinstance(metadata, dict) else None
            found = self.states(infrastructure) if name else None
            if found is not None and found[0] != "deleting":
                yield infrastructure, str(name)

    def _ask(self, method: str, path: str, **more: Any) -> Answer:
        try:
            return self._service.ask(method, path, **more)
        except Refused as error:
            if "OIDC" in str(error) and not isinstance(error, NotFound):
                raise NotAuthorised(str(error), hint="get a new token (dodas auth login)") from None
            raise


def _read(answer: Answer, read: Callable[[Any], _T]) -> _T:
    """Return what ``read`` finds in an answer, whatever that may be."""
    try:
        return read(answer.json())
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ProviderUnavailable(
            f"{answer.who} answers in another form than an Infrastructure Manager of version {_OLDEST}",
            hint="check the address, and which version is there",
        ) from None


def _ids(found: Any) -> list[str]:
    return [_last(one["uri"]) for one in found["uri-list"]]


def _states(found: Any) -> tuple[str, dict[str, str]]:
    state = found["state"]
    return str(state["state"]), {str(int(key)): str(value) for key, value in state["vm_states"].items()}


def _machine(found: Any) -> Machine:
    system: dict[str, Any] = next((one for one in found["radl"] if one.get("class") == "system"), {})
    return Machine(
        node=str(system.get("id", "")),
        name=str(system.get("instance_name", "")),
        address=next((str(system[key]) for key in sorted(system) if _is_address(key)), ""),
    )


def _filled(template: str) -> str:
    """Return a template; an Infrastructure Manager makes something empty of one that has nothing in it."""
    if not template.strip():
        raise Refused("the template is empty", hint="check the setting template")
    return template


def _last(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]


def _is_address(key: str) -> bool:
    return key.startswith("net_interface.") and key.endswith(".ip")
