"""The few verbs of the Kubernetes API that a pool needs, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from dodas.pool.providers import rest_faults
from dodas.pool.providers.base import (
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Refused,
)
from dodas.pool.providers.kubernetes_config import Access
from dodas.pool.providers.rest import Answer, Patience, Service

Object = Mapping[str, Any]

_PAGE = "500"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ATTEMPTS = 5  # of a request that met another one


class Api:
    """One namespace of one cluster.

    Args:
        access: How to reach it.
        patience: Limits of a call; for tests.
    """

    def __init__(self, access: Access, patience: Patience | None = None) -> None:
        self._access = access
        self._patience = patience
        self._opened: Service | None = None
        self.who = f"namespace {access.namespace} of {access.server}"

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that is asked meanwhile end within the time of one call."""
        with self._service().together():
            yield

    def create(self, plural: str, made: Object, *, dry: bool = False) -> Object | None:
        """Make an object, and return it as the cluster has it; ``None`` if one of that name is there.

        Args:
            plural: As in addresses: ``jobs``.
            made: The object.
            dry: Only ask whether it would be taken.

        Raises:
            QuotaExceeded: The namespace may have no more.
            NotAuthorised: Whoever asks may not make such objects here.
            Refused: The cluster does not take the object as it is.
            ProviderUnavailable: It does not answer.
        """
        params = {"dryRun": "All"} if dry else {}
        for attempt in range(1, _ATTEMPTS + 1):
            # Named objects are made once, so that what was perhaps not heard may be said again.
            answer = self._service().ask(
                "POST", self._path(plural), params=params, data=made, expect=(403, 409), repeat=True
            )
            if answer.status == 403:
                self._forbidden(answer, f"create {plural}")
            if answer.status != 409:
                return _object(answer)
            if _object(answer).get("reason") == "AlreadyExists":
                return None
            if attempt == _ATTEMPTS:
                why = rest_faults.reason(answer.text)
                raise ProviderUnavailable(f"{self.who} is busy: {why}", hint="try again")
        return None

    def get(self, plural: str, name: str) -> Object:
        """Return one object."""
        return _object(self._service().ask("GET", f"{self._path(plural)}/{name}"))

    def find(self, plural: str, **params: str) -> list[Object]:
        """Return all objects that match ``labelSelector`` and the like."""
        try:
            return [one for page in self._pages(plural, params, _PAGE) for one in page]
        except _Expired:
            # So slow that the cluster has forgotten the state that the pages were of.
            return [one for page in self._pages(plural, params, "0") for one in page]

    def names(self, plural: str, selector: str) -> set[str]:
        """Return the names of the objects with such labels, without what is in them."""
        answer = self._service().ask(
            "GET",
            self._path(plural),
            params={"labelSelector": selector},
            headers={"Accept": f"{_METADATA}, application/json"},
            expect=(403,),
        )
        if answer.status == 403:
            self._forbidden(answer, f"list {plural}")
        return {str(one["metadata"]["name"]) for one in _object(answer).get("items") or ()}

    def has_any(self, plural: str, selector: str) -> bool:
        """Tell whether there is an object with such labels."""
        return any(next(self._pages(plural, {"labelSelector": selector}, "1"), ()))

    def delete_all(self, plural: str, selector: str) -> None:
        """Delete the objects with such labels, and let what they own follow."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        answer = self._service().ask(
            "DELETE",
            self._path(plural),
            params={"labelSelector": selector},
            data=options,
            expect=(403, 404),
        )
        if answer.status == 403:
            self._forbidden(answer, f"delete {plural}")

    def log(self, pod: str, lines: int) -> str | None:
        """Return the end of what a Pod printed; ``None`` if it has not started, or is gone."""
        answer = self._service().ask(
            "GET",
            f"{self._path('pods')}/{pod}/log",
            params={"tailLines": str(lines)},
            headers={"Accept": "*/*"},
            expect=(400, 404),
        )
        return answer.text if answer.status == 200 else None

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close()

    def _service(self) -> Service:
        """Return the API server; not before it is asked, since a plugin may have to run for that."""
        if self._opened is None:
            self._opened = Service(
                name="the Kubernetes API",
                url=self._access.server,
                ca_file=self._access.ca_file,
                client=self._access.credentials.client(),
                headers=self._proof,
                patience=self._patience,
            )
        return self._opened

    def _pages(self, plural: str, params: Mapping[str, str], limit: str) -> Iterator[list[Object]]:
        token = ""
        while True:
            asked = {**params, "limit": limit, **({"continue": token} if token else {})}
            answer = self._service().ask("GET", self._path(plural), params=asked, expect=(403, 410))
            if answer.status == 410:
                raise _Expired
            if answer.status == 403:
                self._forbidden(answer, f"list {plural}")
            content = _object(answer)
            yield content.get("items") or []
            token = (content.get("metadata") or {}).get("continue") or ""
            if not token or limit == "1":
                return

    def _path(self, plural: str) -> str:
        group = "/apis/batch/v1" if plural == "jobs" else "/api/v1"
        return f"{group}/namespaces/{self._access.namespace}/{plural}"

    def _proof(self, fresh: bool) -> Mapping[str, str]:
        headers = self._access.credentials.headers(fresh)
        if fresh:
            # Connections that stand go on under the certificate which they began with.
            self.close()
        return headers

    def _forbidden(self, answer: Answer, what: str) -> NoReturn:
        """Tell a right that is missing from a quota that is used up, and from an object that is not taken."""
        why = rest_faults.reason(answer.text)
        if "exceeded quota" in why:
            raise QuotaExceeded(
                f"{self.who} gives no more: {why}",
                hint="wait until something is given back, lower `maximum`, or ask for a larger quota",
            )
        if " cannot " in why and "resource" in why:
            raise NotAuthorised(
                f"{self.who} does not let these credentials {what}: {why}",
                hint="bind the Role of docs/pool-kubernetes.md to whoever asks",
            )
        raise Refused(f"{self.who} does not take this: {why}", hint="ask who runs it, or change the flavour")


class _Expired(ProviderError):
    def __init__(self) -> None:
        super().__init__("the cluster has forgotten the state that a list was of")


def _object(answer: Answer) -> Object:
    content = answer.json()
    if not isinstance(content, dict):
        raise ProviderUnavailable(
            f"{answer.who} answered with something that is no Kubernetes object",
            hint="check that the address is that of a Kubernetes API server",
        )
    return content
