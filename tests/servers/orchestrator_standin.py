"""A stand-in for the INDIGO PaaS Orchestrator, made from the description of its REST interface.

No real one runs here: it is a Java service with a workflow engine and a dozen services beside it.  What this
one does was written down from the Orchestrator's controllers and tests: paths, fields, statuses, what it
refuses in which state, pages, and errors.  Whatever else the real one does is not tested by it.
"""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from servers.answering import Answering
from servers.listener import Listener

CHANGEABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED")
_FIELDS = {
    "template",
    "parameters",
    "callback",
    "timeoutMins",
    "providerTimeoutMins",
    "maxProvidersRetry",
    "keepLastAttempt",
    "userGroup",
}


@dataclass
class Deployed:
    """A deployment; ``until`` is when what is going on is over, and ``then`` the status that it has then."""

    id: str
    template: str
    parameters: dict[str, str]
    status: str = "CREATE_IN_PROGRESS"
    reason: str = ""
    until: float | None = None
    then: str = ""
    changed: float = field(default_factory=time.time)
    resources: dict[str, dict[str, str]] = field(default_factory=dict)


class Orchestrator:
    """The stand-in; a context manager.

    Attributes:
        delay: Seconds that everything takes; for ever, unless a test says less, or lets it be over.
        fails: Reason with which the next thing fails; nothing if empty.
        tokens: Bearer tokens that it takes.
        conflicts: Requests that change something and get 409 for a moment, as from its database.
        hangs: Whether removals never end.
        most: Largest page that it gives.
    """

    def __init__(self, *, delay: float = math.inf) -> None:
        self.delay, self.fails, self.hangs, self.conflicts, self.most = delay, "", False, 0, 100
        self.tokens = {"good-token"}
        self.deployments: dict[str, Deployed] = {}
        self.lock = threading.RLock()
        self.listener = Listener(_Handler, owner=self)

    def __enter__(self) -> Orchestrator:
        self.listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.stop()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.listener.origin}/orchestrator"

    def begin(self, one: Deployed, verb: str) -> None:
        """Let something go on, to be over after the delay."""
        failed, self.fails = self.fails, ""
        one.status, one.reason, one.changed = f"{verb}_IN_PROGRESS", "", time.time()
        one.until = time.monotonic() + self.delay
        one.then = f"{verb}_FAILED" if failed else f"{verb}_COMPLETE"
        one.reason = failed
        if verb != "DELETE" and not failed:
            self._arrange(one, "CREATING")

    def finish(self) -> None:
        """Let all that is going on be over now."""
        with self.lock:
            for one in self.deployments.values():
                one.until = None if one.until is None else 0.0
            self.settle()

    def settle(self) -> None:
        """Let everything be over whose time has come."""
        for one in list(self.deployments.values()):
            if one.until is None or time.monotonic() < one.until:
                continue
            if one.then == "DELETE_COMPLETE" and self.hangs:
                continue
            one.status, one.until, one.changed = one.then, None, time.time()
            if one.status == "DELETE_COMPLETE":
                del self.deployments[one.id]
            for resource in one.resources.values():
                resource["state"] = "STARTED"

    def _arrange(self, one: Deployed, state: str) -> None:
        """Make the resources that the template wants, and remove those that it does not."""
        nodes = yaml.safe_load(one.template)["topology_template"]["node_templates"]
        for name, node in nodes.items():
            scale = node.get("capabilities", {}).get("scalable", {}).get("properties", {})
            for removed in scale.get("removal_list", ()):
                one.resources.pop(removed, None)
            there = [key for key, resource in one.resources.items() if resource["toscaNodeName"] == name]
            for _ in range(scale.get("count", 1) - len(there)):
                key = str(uuid.uuid4())
                one.resources[key] = {
                    "uuid": key,
                    "state": state,
                    "toscaNodeType": str(node["type"]),
                    "toscaNodeName": str(name),
                }


class _Handler(Answering):
    disable_nagle_algorithm = True  # else each answer takes 40 ms

    def on_get(self) -> None:
        self._serve(self._get)

    def on_post(self) -> None:
        self._serve(self._post)

    def on_put(self) -> None:
        self._serve(self._put)

    def on_patch(self) -> None:
        self._serve(self._patch)

    def on_delete(self) -> None:
        self._serve(self._delete)

    def _serve(self, act: Callable[[list[str], Any], None]) -> None:
        """Check who asks, and act; the body is read before anything is answered."""
        owner: Orchestrator = self.owner
        body = self.rfile.read(self.length())
        self.headers.replace_header("Content-Length", "0") if "Content-Length" in self.headers else None
        path = urlsplit(self.path).path.removeprefix("/orchestrator").strip("/").split("/")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        with owner.lock:
            owner.settle()
            if scheme.lower() != "bearer" or token not in owner.tokens:
                self._error(401, "Unauthorized", f"Invalid token: {token}")
            elif self.command != "GET" and owner.conflicts:
                owner.conflicts -= 1
                self._error(409, "Conflict", "the deployment was changed meanwhile", {"Retry-After": "0"})
            elif path[0] != "deployments":
                self._error(404, "Not Found", "no such resource")
            else:
                act(path[1:], json.loads(body) if body else None)

    def _get(self, path: list[str], _: Any) -> None:
        owner: Orchestrator = self.owner
        if not path:
            self._page([self._shown(one) for one in owner.deployments.values()])
        elif (one := self._found(path[0])) is None:
            return
        elif len(path) == 1:
            self._json(200, self._shown(one))
        elif path[1] == "template":
            self.answer(200, one.template.encode(), {"Content-Type": "text/plain"})
        elif path[1] == "log":
            self.answer(200, f"log of {one.id}".encode(), {"Content-Type": "text/plain"})
        elif path[1] == "resources":
            self._page(list(one.resources.values()))
        else:
            self._error(404, "Not Found", "no such resource")

    def _post(self, path: list[str], asked: Any) -> None:
        owner: Orchestrator = self.owner
        if path or not self._is_right(asked):
            return
        one = Deployed(id=str(uuid.uuid4()), template=asked["template"], parameters=asked["parameters"])
        owner.deployments[one.id] = one
        owner.begin(one, "CREATE")
        self._json(201, self._shown(one))

    def _put(self, path: list[str], asked: Any) -> None:
        owner: Orchestrator = self.owner
        one = self._found(path[0])
        if one is None or not self._is_right(asked):
            return
        if one.status not in CHANGEABLE:
            self._error(409, "Conflict", f"Cannot update a deployment in {one.status} state")
            return
        one.template = asked["template"]
        one.parameters |= asked["parameters"]
        owner.begin(one, "UPDATE")
        self.answer(202)

    def _patch(self, path: list[str], asked: Any) -> None:
        one = self._found(path[0])
        if one is not None and asked == {"status": "DELETE_FAILED"}:
            one.status, one.until = "DELETE_FAILED", None
            self.answer(204)
        elif one is not None:
            self._error(400, "Bad Request", "only DELETE_FAILED can be set")

    def _delete(self, path: list[str], _: Any) -> None:
        owner: Orchestrator = self.owner
        one = self._found(path[0])
        if one is None:
            return
        if one.status in ("DELETE_IN_PROGRESS", "DELETE_COMPLETE"):
            self._error(409, "Conflict", f"Deployment already in {one.status} state.")
            return
        owner.begin(one, "DELETE")
        self.answer(204)

    def _is_right(self, asked: Any) -> bool:
        unknown = sorted(set(asked) - _FIELDS)
        if unknown:
            self._error(400, "Bad Request", f'Unrecognized field "{unknown[0]}"')
            return False
        inputs = yaml.safe_load(asked["template"])["topology_template"].get("inputs", {})
        known = set(asked["parameters"])
        if self.command == "PUT":
            known |= set(self.owner.deployments[self.path.rpartition("/")[2]].parameters)
        missing = [name for name, one in inputs.items() if "default" not in one and name not in known]
        if missing:
            self._error(400, "Bad Request", f"Input value for {missing[0]} is missing")
        return not missing

    def _found(self, name: str) -> Deployed | None:
        one: Deployed | None = self.owner.deployments.get(name)
        if one is None:
            self._error(404, "Not Found", f"The deployment <{name}> doesn't exist")
        return one

    def _shown(self, one: Deployed) -> dict[str, Any]:
        at = time.strftime("%Y-%m-%dT%H:%M+0000", time.gmtime(one.changed))
        return {
            "uuid": one.id,
            "creationTime": at,
            "updateTime": at,
            "status": one.status,
            "statusReason": one.reason if one.until is None else None,
            "outputs": {},
            "task": "NONE",
            "createdBy": {"issuer": "https://iam.example.org/", "subject": "alice"},
            "links": [],
        }

    def _page(self, content: list[Any]) -> None:
        query = parse_qs(urlsplit(self.path).query)
        size = min(int(query.get("size", ["10"])[0]), self.owner.most)
        number = int(query.get("page", ["0"])[0])
        pages = -(-len(content) // size)
        shown = content[number * size : (number + 1) * size]
        page = {"size": size, "totalElements": len(content), "totalPages": pages, "number": number}
        self._json(200, {"links": [], "content": shown, "page": page})

    def _json(self, status: int, value: Any) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, title: str, message: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"code": status, "title": title, "message": message}).encode()
        self.answer(status, body, {"Content-Type": "application/json", **(headers or {})})
