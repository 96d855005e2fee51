"""Runs the program that a kubeconfig names for credentials (client-go credential plugins).

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dodas.pool.providers.base import NotAuthorised, ProviderUnavailable, Refused
from dodas.pool.providers.rest_faults import redact

_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_SECONDS = 20.0  # that a program may take; most ask a service of the cluster's provider
_EARLY = 30.0  # seconds before the end at which credentials count as over
_LONGEST = 200  # characters of its complaint that are passed on


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a program gave.

    Attributes:
        token: A bearer token, may be empty.
        certificate: A client certificate in PEM, may be empty.
        key: Its key.
        until: Unix time at which they are over, ``None`` if nothing is known.
    """

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    until: float | None = None

    def is_over(self) -> bool:
        """Tell whether they are over, or nearly."""
        return self.until is not None and time.time() + _EARLY > self.until


def run(
    spec: Mapping[str, Any], *, folder: str, cluster: Mapping[str, Any], seconds: float = _SECONDS
) -> Given:
    """Run the program of the section ``exec`` of a kubeconfig.

    Args:
        spec: The section.
        folder: Directory of the kubeconfig.
        cluster: Fields of the cluster in the kubeconfig.
        seconds: How long the program may take.

    Raises:
        Refused: It is not there, or is one that this cannot use.
        NotAuthorised: It said no.
        ProviderUnavailable: It took too long.
    """
    program = _program(spec, folder)
    arguments = [str(one) for one in spec.get("args") or ()]
    try:
        done = subprocess.run(
            [program, *arguments],
            env=_environment(spec, cluster),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProviderUnavailable(
            f"{program}, which gives credentials for the cluster, took more than {seconds:.0f} s",
            hint="run it by hand: it may wait for an answer, or for a service",
        ) from None
    except OSError as error:
        raise Refused(
            f"{program}, which gives credentials for the cluster, cannot be run: {error.strerror}",
            hint=_install_hint(spec),
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        why = f": {redact(said[0])[:_LONGEST]}" if said else ""
        raise NotAuthorised(
            f"{program} gave no credentials for the cluster (status {done.returncode}){why}",
            hint="log in again with the cluster's own tool",
        )
    return _given(program, done.stdout, str(spec.get("apiVersion")))


def _program(spec: Mapping[str, Any], folder: str) -> str:
    """Return what to run, after all that can be seen beforehand."""
    command = str(spec.get("command") or "")
    if spec.get("apiVersion") not in _VERSIONS:
        raise Refused(
            f"the kubeconfig has an exec plugin for {spec.get('apiVersion')}, which is too old or too new",
            hint=f"let the cluster's tool write it for {_VERSIONS[0]}",
        )
    if spec.get("interactiveMode") == "Always":
        raise Refused(
            f"{command} wants a person to answer it, and an agent has none",
            hint="use a token_file, or a service account of the cluster",
        )
    # A path with a directory is relative to the kubeconfig, a bare name is looked for on PATH.
    path = os.path.join(os.path.abspath(folder), command) if "/" in command else shutil.which(command)
    if not path or not os.path.exists(path):
        raise Refused(
            f"{command or 'the exec plugin'}, which gives credentials for the cluster, is not there",
            hint=_install_hint(spec),
        )
    return path


def _install_hint(spec: Mapping[str, Any]) -> str:
    return " ".join(str(spec.get("installHint") or "").split()) or "install it, or use a token_file"


def _environment(spec: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, str]:
    own = {str(one["name"]): str(one.get("value", "")) for one in spec.get("env") or () if "name" in one}
    told: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        told["cluster"] = {
            name: cluster[name] for name in ("server", "certificate-authority-data") if name in cluster
        }
    asked = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": told}
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(asked)}


def _given(program: str, output: bytes, version: str) -> Given:
    try:
        answer = json.loads(output)
        status = answer["status"]
        given = Given(
            token=str(status.get("token") or ""),
            certificate=str(status.get("clientCertificateData") or ""),
            key=str(status.get("clientKeyData") or ""),
            until=_until(status.get("expirationTimestamp")),
        )
        good = answer.get("kind") == "ExecCredential" and answer.get("apiVersion") == version
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _no_credential(program) from None
    if not good or not (given.token or given.certificate):
        raise _no_credential(program)
    return given


def _no_credential(program: str) -> Refused:
    return Refused(
        f"{program} did not print an ExecCredential with a token or a certificate",
        hint="compare its version with the apiVersion in the kubeconfig",
    )


def _until(text: object) -> float | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if isinstance(text, str) else None
