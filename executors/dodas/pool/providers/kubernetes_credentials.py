"""Who asks a cluster: all the ways of a kubeconfig that clusters still take."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any, Protocol

from dodas import whole
from dodas.auth import private
from dodas.errors import NotAllowed
from dodas.pool.providers.base import NotAuthorised, Refused
from dodas.pool.providers.kubernetes_plugin import Given, run


class Credentials(Protocol):
    """What says who asks."""

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """Return headers that say it.

        Args:
            fresh: The server did not take the last ones: they must be read or made anew.
        """

    def client(self) -> tuple[str, str] | None:
        """Return the files of a certificate and its key to show, ``None`` for none."""


class Nobody:
    """For a server that asks nobody, such as a ``kubectl proxy``."""

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """Return none."""
        return {}

    def client(self) -> tuple[str, str] | None:
        """Return none."""
        return None


class Token(Nobody):
    """A token that stands in the kubeconfig."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """Return the token."""
        return _bearer(self._token)


class Basic(Nobody):
    """User and password: of a proxy before a cluster, since clusters have not taken them for long."""

    def __init__(self, user: str, password: str) -> None:
        self._proof = base64.b64encode(f"{user}:{password}".encode()).decode()

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """Return both."""
        return {"Authorization": f"Basic {self._proof}"}


class TokenFile(Nobody):
    """A token in a file, read each time, since somebody renews it.

    Args:
        path: The file.
        private: Refuse it if others can read it.
    """

    def __init__(self, path: str, *, private: bool = True) -> None:
        self._path = path
        self._private = private

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """Return the token as it is now."""
        return _bearer(self._read())

    def _read(self) -> str:
        try:
            if self._private:
                return private.read(self._path, "the token file")[0].decode().strip()
            with open(self._path, encoding="utf-8") as file:
                return file.read().strip()
        except NotAllowed as error:
            raise NotAuthorised(str(error), hint=error.hint) from None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise NotAuthorised(
                f"the token file {self._path} cannot be read: {why}", hint="put the token there"
            ) from None


class Certificate(Nobody):
    """A client certificate and its key, in files."""

    def __init__(self, certificate: str, key: str) -> None:
        if not key:
            raise Refused("the kubeconfig has a client certificate without a key", hint="add client-key")
        self._files = certificate, key

    def client(self) -> tuple[str, str] | None:
        """Return the files."""
        return self._files


class Plugin:
    """A program of the cluster's provider that gives a token or a certificate, for some time.

    Args:
        spec: The section ``exec`` of the user in a kubeconfig.
        folder: Directory of that kubeconfig.
        state: Directory for certificates that the program gives.
        cluster: The cluster, for a program that wants to know.
    """

    def __init__(
        self, spec: Mapping[str, Any], *, folder: str, state: str, cluster: Mapping[str, Any]
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._cluster = cluster
        self._given: Given | None = None
        self._files = (
            os.path.join(state, "plugin-certificate.pem"),
            os.path.join(state, "plugin-key.pem"),
        )

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """Return its token, if it gives one."""
        token = self._now(fresh).token
        return _bearer(token) if token else {}

    def client(self) -> tuple[str, str] | None:
        """Return the files of its certificate, if it gives one; they are rewritten when it is renewed."""
        return self._files if self._now(fresh=False).certificate else None

    def _now(self, fresh: bool) -> Given:
        if fresh or self._given is None or self._given.is_over():
            self._given = run(self._spec, folder=self._folder, cluster=self._cluster)
            if self._given.certificate:
                private_file(self._files[0], self._given.certificate.encode())
                private_file(self._files[1], self._given.key.encode())
        return self._given


def private_file(path: str, content: bytes) -> str:
    """Put ``content`` into a file that only its owner can read, whole or not at all; return its path."""
    try:
        whole.write(path, content)
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}", hint="make room, or set DODAS_STATE"
        ) from None
    return path


def _bearer(token: str) -> Mapping[str, str]:
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise NotAuthorised("the token of the cluster is empty or is no token", hint="get a new one")
    return {"Authorization": f"Bearer {token}"}
