"""A stand-in for a Kubernetes API server, with the parts that a pool of workers uses.

Not Kubernetes: what it answers was taken from answers of a real one, and the tests that run on it run on a
real one too (``make test-kubernetes``), which is what keeps it honest.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from servers.answering import Answering
from servers.kubernetes_controllers import insecurity, refusal, settle
from servers.kubernetes_store import Conflict, Object, Store, merge, now
from servers.listener import Listener
from servers.pki import Pki

ADMIN = "admin"
_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/v1)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?"
)
_KINDS = {"jobs": "Job", "pods": "Pod", "configmaps": "ConfigMap", "secrets": "Secret", "events": "Event"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_MIB = 1 << 20


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class StandIn:
    """The server; for tests also knobs.

    Attributes:
        tokens: User of each token that it takes.
        used: Groups, plurals and verbs that were asked for by others than the administrator.
        expired: Forget what lists were of: it answers 410 when asked for a further page.
        log: Returns what a Pod printed; set by its kubelet.
    """

    def __init__(self, pki: Pki, tokens: Mapping[str, str]) -> None:
        self.store = Store()
        self.tokens = dict(tokens)
        self.used: set[tuple[str, str, str]] = set()
        self.expired = False
        self.log: Callable[[str, str], str | None] = lambda namespace, pod: None
        self.listener = Listener(_Handler, pki=pki, owner=self)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.host, pki.host_key)
        context.load_verify_locations(pki.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.listener._tls = context

    def allows(self, user: str, namespace: str, group: str, resource: str, verb: str) -> bool:
        if user == ADMIN:
            return True
        self.used.add((group, resource, verb))
        for binding in self.store.find("rolebindings", namespace):
            if user in [subject["name"] for subject in binding["subjects"]]:
                role = self.store.get("roles", namespace, binding["roleRef"]["name"])
                for rule in role["rules"] if role else ():
                    if group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]:
                        return True
        return False


class _Handler(Answering):
    disable_nagle_algorithm = True
    owner: StandIn

    def on_get(self) -> None:
        self._serve()

    on_post = on_delete = on_patch = on_put = on_get

    def _serve(self) -> None:
        body = self.rfile.read(self.length())
        try:
            with self.owner.store.lock:
                status, answer = self._answer(json.loads(body) if body else {})
                if self.command != "GET":
                    settle(self.owner.store)
        except Refusal as refused:
            status = refused.status
            answer = {
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": str(refused), "reason": refused.reason, "code": status,
            }  # fmt: skip
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())
        self.wfile.flush()

    def _answer(self, given: Any) -> tuple[int, Object | str]:
        parts = urlsplit(self.path)
        match = _PATH.fullmatch(parts.path)
        if not match:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        query = dict(parse_qsl(parts.query))
        group, namespace, plural, name, sub = (
            match[part] or "" for part in ("group", "namespace", "plural", "name", "sub")
        )
        self._authorise(group, namespace, plural, name, sub)
        if self.command == "POST":
            return 201, self._create(namespace, plural, given, dry=query.get("dryRun") == "All")
        if not name:
            selected = query.get("labelSelector", ""), query.get("fieldSelector", "")
            found = self.owner.store.find(plural, namespace, *selected)
            if self.command == "DELETE":
                return 200, self._list(plural, [self._delete(plural, one, given) for one in found], {})
            return 200, self._list(plural, found, query)
        one = self.owner.store.get(plural, namespace, name)
        if one is None:
            raise Refusal(404, "NotFound", f'{_plural(group, plural)} "{name}" not found')
        if sub == "log":
            return 200, self._log(one, query)
        if self.command in ("PATCH", "PUT"):
            merge(one, given)
            self.owner.store.touch(one)
        if self.command == "DELETE":
            self._delete(plural, one, given)
        return 200, one

    def _authorise(self, group: str, namespace: str, plural: str, name: str, sub: str) -> None:
        user = self._user()
        verb = {
            ("GET", True): "get", ("GET", False): "list", ("POST", False): "create",
            ("DELETE", True): "delete", ("DELETE", False): "deletecollection", ("PATCH", True): "patch",
            ("PUT", True): "update",
        }[(self.command, bool(name))]  # fmt: skip
        resource = f"{plural}/{sub}" if sub else plural
        if not self.owner.allows(user, namespace, group, resource, verb):
            what = f'{_plural(group, plural)} "{name}"' if name else _plural(group, plural)
            raise Refusal(
                403,
                "Forbidden",
                f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group '
                f'"{group}" in the namespace "{namespace}"',
            )

    def _user(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        shown: Any = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else {}
        subject = dict(pair for part in (shown or {}).get("subject", ()) for pair in part)
        if scheme == "Bearer" and token in self.owner.tokens:
            return self.owner.tokens[token]
        if "commonName" in subject and not token:
            return str(subject["commonName"])
        raise Refusal(401, "Unauthorized", "Unauthorized")

    def _create(self, namespace: str, plural: str, given: Object, *, dry: bool) -> Object:
        store = self.owner.store
        name = given.get("metadata", {}).get("name", "")
        if namespace and store.get("namespaces", "", namespace) is None:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        if not _NAME.fullmatch(name):
            raise Refusal(422, "Invalid", f'{plural} "{name}" is invalid: metadata.name: Invalid value')
        if any(" " in key for key in given.get("spec", {}).get("nodeSelector", {})):
            message = f'{plural} "{name}" is invalid: spec.nodeSelector: Invalid value: "a b"'
            raise Refusal(422, "Invalid", message)
        if plural == "configmaps" and sum(map(len, given.get("binaryData", {}).values())) * 3 // 4 > _MIB:
            raise Refusal(
                422, "Invalid", f'ConfigMap "{name}" is invalid: []: Too long: at most {_MIB} bytes'
            )
        why = refusal(store, plural, namespace, given)
        home = store.get("namespaces", "", namespace) or {"metadata": {}}
        labels = home["metadata"].get("labels") or {}
        if plural == "pods" and labels.get("pod-security.kubernetes.io/enforce") == "restricted":
            wrong = ", ".join(insecurity(given["spec"]))
            why = why or (f'violates PodSecurity "restricted:latest": {wrong}' if wrong else "")
        if why:
            group = "batch" if plural == "jobs" else ""
            raise Refusal(403, "Forbidden", f'{_plural(group, plural)} "{name}" is forbidden: {why}')
        try:
            return store.add(plural, namespace, given, dry=dry)
        except Conflict:
            group = "batch" if plural == "jobs" else ""
            raise Refusal(409, "AlreadyExists", f'{_plural(group, plural)} "{name}" already exists') from None

    def _delete(self, plural: str, one: Object, options: Object) -> Object:
        running = plural == "pods" and one["spec"].get("nodeName")
        if running and options.get("gracePeriodSeconds") != 0:
            grace = one["spec"].get("terminationGracePeriodSeconds", 30)
            one["metadata"].setdefault("deletionGracePeriodSeconds", grace)
            one["metadata"].setdefault("deletionTimestamp", now(grace))
        else:
            self.owner.store.remove(plural, one)
        return one

    def _list(self, plural: str, found: list[Object], query: Mapping[str, str]) -> Object:
        first, limit = int(query.get("continue", "0")), int(query.get("limit", "0"))
        if first and self.owner.expired:
            self.owner.expired = False
            message = "The provided continue parameter is too old to display a consistent list result."
            raise Refusal(410, "Expired", message)
        page = found[first : first + limit] if limit else found
        more = {"continue": str(first + limit)} if limit and first + limit < len(found) else {}
        if "as=PartialObjectMetadataList" in self.headers.get("Accept", ""):
            page = [{"metadata": one["metadata"]} for one in page]
        return {
            "kind": f"{_KINDS.get(plural, plural)}List", "apiVersion": "v1", "metadata": more, "items": page
        }  # fmt: skip

    def _log(self, pod: Object, query: Mapping[str, str]) -> str:
        metadata = pod["metadata"]
        text = self.owner.log(metadata["namespace"], metadata["name"])
        if text is None:
            message = f'container "worker" in pod "{metadata["name"]}" is waiting to start: ContainerCreating'
            raise Refusal(400, "BadRequest", message)
        lines = text.splitlines(keepends=True)
        return "".join(lines[-int(query.get("tailLines", "1000000")) :])


def _plural(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural
