"""A stand-in for Marathon, made from the RAML of its REST API and the answers shown there.

Mesos is retired and no server is packaged, so this is not held against a real one.  There are no nodes: a
test says what becomes of an app, and Marathon's rules say what is seen of it then.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from servers.answering import Answering
from servers.listener import Listener
from servers.pki import Pki

App = dict[str, Any]

# stringTypes.raml, PathId; app.raml, the properties of App; constraint.raml.
_PATH_ID = re.compile(
    r"(/?((\.\.)|(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9]))?($|/))+"
)
_PROPERTIES = frozenset(
    re.findall(
        r"\w+",
        "id acceptedResourceRoles args backoffFactor backoffSeconds cmd constraints container cpus "
        "dependencies disk env executor executorResources fetch healthChecks check instances "
        "labels maxLaunchDelaySeconds "
        "mem gpus networks portDefinitions readinessChecks residency resourceLimits requirePorts secrets "
        "taskKillGracePeriodSeconds upgradeStrategy user killSelection unreachableStrategy tty role",
    )
)
_OPERATORS = ("UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS")
_SELECTOR = re.compile(r"(?P<name>[-\w.]+)==(?P<value>[-\w.]+)")


class StandIn:
    """The server.

    Attributes:
        apps: By id.
        locked: Ids whose deployment is not over: they are changed by force alone.
        trouble: Status and message that it answers everything with.
    """

    def __init__(self, pki: Pki, user: str, password: str, token: str = "") -> None:
        both = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.proofs = {f"Basic {both}", f"token={token}"}
        self.apps: dict[str, App] = {}
        self.delays: dict[str, int] = {}
        self.locked: set[str] = set()
        self.trouble: tuple[int, Any] | None = None
        self.lock = threading.RLock()
        self.listener = Listener(_Handler, pki=pki, owner=self)

    def is_now(self, app_id: str, state: str, host: str = "node-7.example.org") -> None:
        """Let the task of an app be so."""
        app = self.apps[app_id]
        app["tasks"] = [{"appId": app_id, "id": f"{app_id.strip('/').replace('/', '_')}.instance-1",
                         "host": host, "state": state, "slaveId": "S1"}]  # fmt: skip
        self.delays[app_id] = 0

    def ended(self, app_id: str, state: str, message: str = "") -> None:
        """Let the task of an app end: it is delayed, and a failure remembered (TASK_FINISHED is none)."""
        app = self.apps[app_id]
        (task,) = app["tasks"]
        app["tasks"] = []
        self.delays[app_id] = app["backoffSeconds"]
        if state != "TASK_FINISHED":
            app["lastTaskFailure"] = {"appId": app_id, "host": task["host"], "message": message,
                                      "state": state, "taskId": task["id"]}  # fmt: skip

    def wrong_with(self, app: Mapping[str, Any]) -> list[App]:
        """Return what Marathon's validation would complain of."""
        wrong = [{"path": f"/{name}", "errors": ["is unknown"]} for name in sorted(set(app) - _PROPERTIES)]
        if not _PATH_ID.fullmatch(str(app.get("id"))):
            wrong.append({"path": "/id", "errors": ["must fully match regular expression"]})
        if bool(app.get("cmd")) == bool(app.get("args")):
            wrong.append({"path": "/", "errors": ["must either contain one of 'cmd' or 'args'"]})
        for number, constraint in enumerate(app.get("constraints", [])):
            if not 2 <= len(constraint) <= 3 or constraint[1] not in _OPERATORS:
                told = f"operator must be one of {', '.join(_OPERATORS)}"
                wrong.append({"path": f"/constraints({number})", "errors": [told]})
        return wrong


class _Handler(Answering):
    disable_nagle_algorithm = True
    owner: StandIn

    def on_get(self) -> None:
        body = self.rfile.read(self.length())
        with self.owner.lock:
            status, answer = self._answer(json.loads(body) if body else {})
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    on_post = on_delete = on_get

    def _answer(self, given: Any) -> tuple[int, Any]:
        if self.owner.trouble is not None:
            return self.owner.trouble
        if self.headers.get("Authorization") not in self.owner.proofs:
            return 401, {"message": "Invalid username or password."}
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        path = unquote(parts.path)
        if (self.command, path) == ("POST", "/v2/apps"):
            return self._create(given)
        if (self.command, path) == ("GET", "/v2/apps"):
            return 200, {"apps": self._found(query)}
        if (self.command, path) == ("GET", "/v2/queue"):
            return 200, {
                "queue": [
                    _queued(app, self.owner.delays.get(app["id"], 0))
                    for app in self.owner.apps.values()
                    if not app["tasks"]
                ]
            }
        app_id = "/" + path.removeprefix("/v2/apps/").lstrip("/")
        if app_id not in self.owner.apps:
            return 404, {"message": f"App '{app_id}' does not exist"}
        if self.command == "GET":
            return 200, {"app": self.owner.apps[app_id]}
        if app_id in self.owner.locked and query.get("force") != ["true"]:
            told = "App is locked by one or more deployments. Override with the option '?force=true'."
            return 409, {"message": told, "deployments": [{"id": "d1"}]}
        del self.owner.apps[app_id]
        return 200, {"version": "2021-01-01T00:00:00.000Z", "deploymentId": "d2"}

    def _create(self, given: App) -> tuple[int, Any]:
        if not isinstance(given.get("id"), str):
            errors = [{"path": "/id", "errors": ["error.expected.jsstring"]}]
            return 400, {"message": "Invalid JSON", "details": errors}
        if given["id"] in self.owner.apps:
            return 409, {"message": f"An app with id [{given['id']}] already exists."}
        wrong = self.owner.wrong_with(given)
        if wrong:
            return 422, {"message": "Object is not valid", "details": wrong}
        self.owner.apps[given["id"]] = {**given, "tasks": [], "deployments": [{"id": "d1"}]}
        return 201, self.owner.apps[given["id"]]

    def _found(self, query: Mapping[str, list[str]]) -> list[App]:
        wanted = dict(_SELECTOR.findall(query["label"][0]))
        shown = {f"apps.{one}": one for one in ("tasks", "lastTaskFailure", "deployments")}
        hidden = set(shown.values()) - {shown[one] for one in query.get("embed", []) if one in shown}
        return [
            {name: value for name, value in app.items() if name not in hidden}
            for app in self.owner.apps.values()
            if all(app["labels"].get(name) == value for name, value in wanted.items())
        ]


def _queued(app: App, delay: int) -> App:
    declined = [{"reason": "UnfulfilledRole", "declined": 0, "processed": 123},
                {"reason": "InsufficientMemory", "declined": 15, "processed": 48},
                {"reason": "InsufficientCpus", "declined": 75, "processed": 123}]  # fmt: skip
    return {
        "app": {"id": app["id"]},
        "count": 1,
        "delay": {"timeLeftSeconds": delay, "overdue": delay == 0},
        "processedOffersSummary": {"processedOffersCount": 123, "rejectSummaryLastOffers": declined},
    }
