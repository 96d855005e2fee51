"""The part of the INDIGO PaaS Orchestrator's REST interface that pools need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import yaml

from dodas.pool.providers.base import ProviderUnavailable
from dodas.pool.providers.rest import Service

_PAGE = 100
_PAGES = 1000  # more than anybody has

# In the words of an Infrastructure Manager, for what is made all by itself.
_OVERALL = {
    "CREATE_IN_PROGRESS": "pending",
    "CREATE_COMPLETE": "configured",
    "UPDATE_COMPLETE": "configured",
    "UPDATE_IN_PROGRESS": "configured",
    "UPDATE_FAILED": "configured",
    "CREATE_FAILED": "failed",
    "DELETE_IN_PROGRESS": "deleting",
    "DELETE_COMPLETE": "deleting",
    "DELETE_FAILED": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment.

    Attributes:
        id: What the Orchestrator calls it.
        status: Such as ``CREATE_IN_PROGRESS``.
        reason: Why it failed, in one line.
        changed: When its status changed, in seconds since 1970; ``None`` if it does not say.
    """

    id: str
    status: str
    reason: str = ""
    changed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A part of a deployment.

    Attributes:
        id: What the Orchestrator calls it.
        node: Node of the template.
        state: Such as ``STARTED``.
    """

    id: str
    node: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for with each deployment, beside its template; nothing that is not set."""

    timeout_mins: int | None = None
    user_group: str = ""

    def fields(self) -> dict[str, Any]:
        """Return them as the Orchestrator wants them; it refuses fields that it does not know."""
        times = {"timeoutMins": self.timeout_mins} if self.timeout_mins else {}
        return {**times, **({"userGroup": self.user_group} if self.user_group else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orchestrator:
    """An Orchestrator.

    Attributes:
        service: Where it is, and who asks.
        options: Of each deployment.
    """

    service: Service
    options: Options = field(default_factory=Options)

    def create(self, template: str, parameters: Mapping[str, str] | None = None) -> str:
        """Make a deployment, and return its id."""
        asked = {"template": template, "parameters": dict(parameters or {}), **self.options.fields()}
        return _deployment(self.service.ask("POST", "/deployments", data=asked).json()).id

    def update(self, deployment: str, template: str, parameters: Mapping[str, str]) -> None:
        """Give a deployment another template; parameters are added to those that it has."""
        asked = {"template": template, "parameters": dict(parameters), **self.options.fields()}
        # Asked twice it would refuse the second, though it does what the first says.
        self.service.ask("PUT", f"/deployments/{deployment}", data=asked, repeat=False)

    def destroy(self, infrastructure: str) -> None:
        """Remove a deployment; it goes on after this returns."""
        self.service.ask("DELETE", f"/deployments/{infrastructure}", expect=(404, 409))

    def unstick(self, deployment: str) -> None:
        """Call the removal of a deployment failed, so that it can be tried again."""
        path = f"/deployments/{deployment}"
        self.service.ask("PATCH", path, data={"status": "DELETE_FAILED"}, expect=(404,))

    def deployment(self, deployment: str) -> Deployment | None:
        """Return how a deployment is; nothing if it does not exist (any more)."""
        answer = self.service.ask("GET", f"/deployments/{deployment}", expect=(404,))
        return None if answer.status == 404 else _deployment(answer.json())

    def deployments(self) -> Iterator[Deployment]:
        """Yield all deployments of this user."""
        for one in self._pages("/deployments", {"createdBy": "me"}):
            yield _deployment(one)

    def resources(self, deployment: str) -> list[Resource]:
        """Return the parts of a deployment."""
        return [_resource(one) for one in self._pages(f"/deployments/{deployment}/resources", {})]

    def template(self, deployment: str) -> dict[str, Any]:
        """Return the template of a deployment; empty if it cannot be had."""
        answer = self.service.ask(
            "GET", f"/deployments/{deployment}/template", expect=(404,), headers={"Accept": "*/*"}
        )
        try:
            found = yaml.safe_load(answer.text) if answer.status == 200 else {}
        except yaml.YAMLError:
            return {}
        return found if isinstance(found, dict) else {}

    def overall(self, infrastructure: str) -> str:
        """Return the status of a deployment in the words of an Infrastructure Manager; empty if none."""
        found = self.deployment(infrastructure)
        return _OVERALL.get(found.status, "unknown") if found else ""

    def message(self, infrastructure: str) -> str:
        """Return why a deployment is as it is, and its log."""
        found = self.deployment(infrastructure)
        if found is None:
            return ""
        path = f"/deployments/{infrastructure}/log"
        answer = self.service.ask("GET", path, expect=(403, 404), headers={"Accept": "*/*"})
        log = answer.text if answer.status == 200 else ""
        return f"{log}\n{found.status}: {found.reason}".strip()

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of all deployments of this user that have a name and stay."""
        for one in self.deployments():
            metadata = {} if one.status.startswith("DELETE_") else self.template(one.id).get("metadata")
            name = metadata.get("infra_name") if isinstance(metadata, dict) else None
            if name:
                yield one.id, str(name)

    def _pages(self, path: str, params: Mapping[str, str]) -> Iterator[Any]:
        for number in range(_PAGES):
            asked = {**params, "page": str(number), "size": str(_PAGE)}
            found = self.service.ask("GET", path, params=asked).json()
            try:
                content, pages = list(found["content"]), int(found.get("page", {}).get("totalPages", 1))
            except (KeyError, TypeError, ValueError, AttributeError):
                raise _other_form() from None
            yield from content
            if number + 1 >= pages:
                return


def _deployment(found: Any) -> Deployment:
    try:
        return Deployment(
            id=str(found["uuid"]),
            status=str(found["status"]),
            reason=" ".join(str(found.get("statusReason") or "").split())[:300],
            changed=_time(str(found.get("updateTime") or "")),
        )
    except (KeyError, TypeError, AttributeError):
        raise _other_form() from None


def _resource(found: Any) -> Resource:
    try:
        return Resource(id=str(found["uuid"]), node=str(found["toscaNodeName"]), state=str(found["state"]))
    except (KeyError, TypeError):
        raise _other_form() from None


def _time(text: str) -> float | None:
    try:
        return datetime.strptime(text[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def _other_form() -> ProviderUnavailable:
    return ProviderUnavailable(
        "the Orchestrator answers in another form than expected",
        hint="check that the address is that of an INDIGO PaaS Orchestrator",
    )
