"""Where passwords for registries are found.

In this order; the first place that has something for a registry counts:

1. udocker's keystore, which ``udocker login`` and ``dodas image login`` write;
2. ``$REGISTRY_AUTH_FILE`` and ``$XDG_RUNTIME_DIR/containers/auth.json``, which ``podman login`` writes;
3. ``$DOCKER_CONFIG/config.json`` (``~/.docker/config.json``), which ``docker login`` writes.

The files of 2 and 3 have the same form: https://www.mankier.com/5/containers-auth.json.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from dodas.containers import keystore
from dodas.containers.reference import DOCKER_HUB
from dodas.values import dataclass

_HELPER_SECONDS = 60
_HUB_KEYS = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and what proves it.  The secret stays out of ``repr``, messages and logs.

    Attributes:
        identity_token: The secret is a token to be exchanged (OAuth2 refresh token), not a password.
    """

    user: str
    secret: str = field(repr=False)
    identity_token: bool = False


def find_login(address: str, *, registry: str, repository: str = "") -> Login | None:
    """Return what is kept for a registry, ``None`` when there is nothing.

    Args:
        address: URL of the server, ``https://quay.io``; what was kept for https is not given to http.
        registry: The registry's host as names of images have it, ``docker.io`` for Docker Hub.
        repository: For files that hold passwords per repository.

    Raises:
        SpecError: A file of credentials cannot be read.
    """
    return _from_keystore(address) or _from_files(registry, repository)


def addresses(address: str) -> tuple[str, ...]:
    """Return the keys under which udocker's keystore may hold something for the server at ``address``."""
    return address, address.partition("://")[2]


def _from_keystore(address: str) -> Login | None:
    entries = keystore.read_json(keystore.keystore_path())
    for key in addresses(address):
        found = keystore.decode(entries[key].get("auth")) if isinstance(entries.get(key), dict) else None
        if found:
            return Login(user=found[0], secret=found[1])
    return None


def _from_files(registry: str, repository: str) -> Login | None:
    for path in _files():
        config = keystore.read_json(path)
        login = _from_helper(config, registry) or _from_auths(config, registry, repository)
        if login:
            return login
    return None


def _files() -> Iterator[str]:
    environ = os.environ
    if environ.get("REGISTRY_AUTH_FILE"):
        yield environ["REGISTRY_AUTH_FILE"]
    if environ.get("XDG_RUNTIME_DIR"):
        yield os.path.join(environ["XDG_RUNTIME_DIR"], "containers", "auth.json")
    yield os.path.join(environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "config.json")


def _from_auths(config: dict[str, Any], registry: str, repository: str) -> Login | None:
    auths = config.get("auths")
    entries = {_bare(key): entry for key, entry in auths.items()} if isinstance(auths, dict) else {}
    for key in _keys(registry, repository):
        entry = entries.get(key)
        login = _login(entry) if isinstance(entry, dict) else None
        if login:
            return login
    return None


def _login(entry: dict[str, Any]) -> Login | None:
    user, password = keystore.decode(entry.get("auth")) or ("", "")
    if entry.get("identitytoken"):
        return Login(user=user, secret=str(entry["identitytoken"]), identity_token=True)
    return Login(user=user, secret=password) if password else None


def _keys(registry: str, repository: str) -> Iterator[str]:
    """Yield what may name a repository in a file of credentials, the narrowest first."""
    parts = repository.split("/") if repository else []
    for length in range(len(parts), 0, -1):
        yield "/".join([registry, *parts[:length]])
    yield registry


def _bare(key: str) -> str:
    """Return the registry in a key of ``auths``: old clients wrote addresses there."""
    if key in _HUB_KEYS:
        return DOCKER_HUB
    return re.sub(r"(?:^https?://|/(?:v[12]/?)?$)", "", key)


def _from_helper(config: dict[str, Any], registry: str) -> Login | None:
    helpers = config.get("credHelpers")
    named = helpers.get(registry) if isinstance(helpers, dict) else None
    helper = named or config.get("credsStore")
    # The name is part of the name of a program, never a path to one.
    if not isinstance(helper, str) or not re.fullmatch(r"[A-Za-z0-9._-]+", helper):
        return None
    server = _HUB_KEYS[0] if registry == DOCKER_HUB else registry
    answer = _ask(f"docker-credential-{helper}", server)
    secret = str(answer.get("Secret") or "")
    user = str(answer.get("Username") or "")
    return Login(user=user, secret=secret, identity_token=user == "<token>") if secret else None


def _ask(program: str, server: str) -> dict[str, Any]:
    """Ask a helper of Docker's (https://github.com/docker/docker-credential-helpers); empty for no answer.

    A configuration copied from a desktop often names a helper that is not here: then nothing is kept here.
    """
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            check=True,
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
