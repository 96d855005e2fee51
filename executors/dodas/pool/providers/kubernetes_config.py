"""Where the cluster is and who asks: from settings, from a kubeconfig as kubectl reads it, or inside a Pod.

What is looked at, in this order: the setting ``server``; the settings ``kubeconfig`` and ``context``; the
files of ``$KUBECONFIG``; ``~/.kube/config``; the service account of the Pod in which this runs.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dodas.pool.description.model import ProviderSettings
from dodas.pool.providers.base import Refused
from dodas.pool.providers.kubernetes_credentials import (
    Basic,
    Certificate,
    Credentials,
    Nobody,
    Plugin,
    Token,
    TokenFile,
    private_file,
)

_POD = "/var/run/secrets/kubernetes.io/serviceaccount"
# What a kubeconfig may ask for and this does not do; to leave it out silently would ask another server, or as
# another user.
_CLUSTER_UNKNOWN = {
    "insecure-skip-tls-verify": "add the cluster's authority as certificate-authority-data",
    "tls-server-name": "use an address of the server that its certificate names",
    "proxy-url": "set HTTPS_PROXY in the environment instead",
}
_USER_UNKNOWN = {
    "auth-provider": "let the cluster's tool write the kubeconfig anew: it will name an exec plugin",
    "as": "use the credentials of that user",
    "as-groups": "use the credentials of such a user",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a cluster.

    Attributes:
        server: Address of its API.
        namespace: Where the workers are.
        ca_file: File with the certificates of its authority; empty for those of the system.
        credentials: Who asks.
        source: Where all this was found, for people.
    """

    server: str
    namespace: str
    ca_file: str = ""
    credentials: Credentials
    source: str


def access(settings: ProviderSettings, state: str, environ: Mapping[str, str] | None = None) -> Access:
    """Return how to reach the cluster that the settings mean.

    Args:
        settings: Of the provider.
        state: Directory for keys and certificates that a kubeconfig holds inline.
        environ: The environment, that of this process by default.

    Raises:
        Refused: No cluster is named, or its kubeconfig cannot be used.
    """
    environ = os.environ if environ is None else environ
    if settings.get("server"):
        return _named(settings)
    wanted = str(settings.get("kubeconfig") or "")
    files = [wanted] if wanted else _usual(environ)
    found = [file for file in map(os.path.expanduser, files) if os.path.exists(file)]
    if wanted and not found:
        raise Refused(f"there is no file {wanted}", hint="correct the setting kubeconfig")
    if found:
        return _from_files(settings, found, state)
    if environ.get("KUBERNETES_SERVICE_HOST") and not settings.get("context"):
        return _inside(settings, environ)
    raise Refused(
        f"provider {settings.name} names no cluster, and there is no kubeconfig",
        hint="set server and token_file, or kubeconfig, or log in to the cluster with its own tool",
    )


def _named(settings: ProviderSettings) -> Access:
    path = str(settings.get("token_file") or "")
    return Access(
        server=str(settings.get("server")),
        namespace=_namespace(settings),
        ca_file=os.path.expanduser(str(settings.get("ca_file") or "")),
        credentials=TokenFile(os.path.expanduser(path)) if path else Nobody(),
        source="the settings",
    )


def _inside(settings: ProviderSettings, environ: Mapping[str, str]) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    own = _text(f"{_POD}/namespace").strip()
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=_namespace(settings, own),
        ca_file=f"{_POD}/ca.crt",
        # Kubelets make it readable to all in the Pod.
        credentials=TokenFile(f"{_POD}/token", private=False),
        source="the service account of this Pod",
    )


def _from_files(settings: ProviderSettings, files: list[str], state: str) -> Access:
    named: dict[str, dict[str, _Entry]] = {"clusters": {}, "users": {}, "contexts": {}}
    context = str(settings.get("context") or "")
    for file in files:
        content = _kubeconfig(file)
        # As kubectl does it: of entries of the same name the first counts.
        context = context or str(content.get("current-context") or "")
        for kind, entries in named.items():
            for name, fields in _entries(content, kind):
                entries.setdefault(name, _Entry(file, fields))
    source = f"context {context} of {', '.join(files)}"
    chosen = _one(named["contexts"], context, "context", ", ".join(files)).fields
    cluster = _one(named["clusters"], str(chosen.get("cluster") or ""), "cluster", source)
    user = str(chosen.get("user") or "")
    _refuse_unknown(cluster, _CLUSTER_UNKNOWN)
    given = os.path.expanduser(str(settings.get("ca_file") or ""))
    return Access(
        server=str(cluster.fields.get("server") or ""),
        namespace=_namespace(settings, str(chosen.get("namespace") or "")),
        ca_file=given or _file(cluster, "certificate-authority", state),
        credentials=_credentials(_one(named["users"], user, "user", source), cluster, state, settings),
        source=source,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    file: str  # in which it stands, and to whose directory its paths are relative
    fields: Mapping[str, Any]


def _credentials(user: _Entry, cluster: _Entry, state: str, settings: ProviderSettings) -> Credentials:
    _refuse_unknown(user, _USER_UNKNOWN)
    fields = user.fields
    if settings.get("token_file"):
        return TokenFile(os.path.expanduser(str(settings.get("token_file"))))
    if fields.get("client-certificate") or fields.get("client-certificate-data"):
        return Certificate(_file(user, "client-certificate", state), _file(user, "client-key", state))
    return _with_token(user, cluster, state)


def _with_token(user: _Entry, cluster: _Entry, state: str) -> Credentials:
    fields = user.fields
    if fields.get("tokenFile"):
        return TokenFile(_beside(user, str(fields["tokenFile"])), private=False)
    if fields.get("token"):
        return Token(str(fields["token"]))
    if isinstance(fields.get("exec"), dict):
        return Plugin(fields["exec"], folder=os.path.dirname(user.file), state=state, cluster=cluster.fields)
    if fields.get("username"):
        return Basic(str(fields["username"]), str(fields.get("password") or ""))
    return Nobody()


def _usual(environ: Mapping[str, str]) -> list[str]:
    named = [file for file in environ.get("KUBECONFIG", "").split(os.pathsep) if file]
    return named or ["~/.kube/config"]


def _kubeconfig(file: str) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(_text(file))
    except yaml.YAMLError:
        # The parser's own message quotes the line, which may hold a token.
        raise Refused(f"{file} is no YAML", hint="let the cluster's tool write it anew") from None
    if not isinstance(content, dict):
        raise Refused(f"{file} is no kubeconfig", hint="let the cluster's tool write it anew")
    return content


def _entries(content: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = content.get(kind)
    for entry in entries if isinstance(entries, list) else ():
        fields = entry.get(kind[:-1]) if isinstance(entry, dict) else None
        if isinstance(fields, dict):
            yield str(entry.get("name")), fields


def _one(entries: Mapping[str, _Entry], name: str, what: str, where: str) -> _Entry:
    if name in entries:
        return entries[name]
    problem = f"there is no {what} {name} in {where}" if name else f"{where} has no current {what}"
    known = f": {', '.join(sorted(entries))}" if entries else ""
    raise Refused(problem, hint=f"name a {what} that it has{known}")


def _refuse_unknown(entry: _Entry, unknown: Mapping[str, str]) -> None:
    for name, hint in unknown.items():
        if entry.fields.get(name):
            raise Refused(f"{entry.file} uses {name}, which is not supported", hint=hint)


def _file(entry: _Entry, name: str, state: str) -> str:
    """Return the file that ``name`` is in; what stands in the kubeconfig itself is put into one."""
    data = entry.fields.get(f"{name}-data")
    if not data:
        path = str(entry.fields.get(name) or "")
        return _beside(entry, path) if path else ""
    try:
        content = base64.b64decode(str(data), validate=False)
    except ValueError:
        raise Refused(f"{name}-data in {entry.file} is not base64", hint="write the file anew") from None
    return private_file(os.path.join(state, f"{name}.pem"), content)


def _beside(entry: _Entry, path: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(entry.file)), os.path.expanduser(path))


def _namespace(settings: ProviderSettings, otherwise: str = "") -> str:
    return str(settings.get("namespace") or otherwise or "default")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Refused(f"{path} cannot be read: {why}", hint="correct the setting kubeconfig") from None
