"""Logging in to a registry, and out."""

from __future__ import annotations

import os

from dodas.containers import credentials, keystore
from dodas.containers.credentials import Login
from dodas.containers.reference import DOCKER_HUB, Reference
from dodas.containers.registry.authority import Authority
from dodas.containers.registry.endpoints import Surroundings
from dodas.containers.registry.patience import Patience
from dodas.containers.registry.wire import Wire
from dodas.errors import ImageNotAllowed, SpecError


def registry_host(text: str) -> str:
    """Return the host of a registry from what a user writes: ``quay.io``, ``https://quay.io/``.

    Raises:
        SpecError: It is none.
    """
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    try:
        named = Reference.parse(f"{host}/a/b")
    except SpecError:
        named = None
    if named is None or named.repository != "a/b":
        raise SpecError(
            f"{text!r} is not the host of a registry",
            hint="write HOST[:PORT], for example quay.io, or docker.io for Docker Hub",
        )
    return named.host


def log_in(host: str, user: str, password: str, *, patience: Patience | None = None) -> str:
    """Check a password with a registry, then keep it where udocker finds it too.

    Returns:
        The file in which it is kept.

    Raises:
        ImageNotAllowed: The registry does not accept it; nothing is kept.
        RegistryUnreachable: It could not be checked; nothing is kept.
        SpecError: The registry lets everybody in.
    """
    login = Login(user=user, secret=password)
    surroundings = Surroundings(os.environ)
    with Wire(surroundings, patience) as wire:
        endpoint = wire.settle(surroundings.origin(host))
        url = f"{endpoint.address}/v2/"
        answer = wire.ask(url)
        answer.close()
        if answer.status_code != 401:
            raise SpecError(
                f"the registry {host} does not ask for a login (it answers with status {answer.status_code})",
                hint="pull without one",
            )
        authority = Authority(
            wire, host=host, encrypted=endpoint.scheme == "https", scope="", find_login=lambda: login
        )
        try:
            proof = authority.renew(answer.headers.get("WWW-Authenticate", ""), used="")
            answer = wire.ask(url, authorization=proof)
            answer.close()
        except ImageNotAllowed:
            pass
        if answer.status_code in (401, 403):
            raise ImageNotAllowed(
                f"the registry {host} does not accept that password for {user!r}",
                hint="check both; many registries want a token made for this purpose instead of the password",
            )
    return keystore.remember(endpoint.address, user, password)


def log_out(host: str) -> bool:
    """Forget what udocker's keystore holds for a registry; returns whether there was something."""
    origin = Surroundings(os.environ).origin(host)
    schemes = [origin.scheme] if origin.scheme else ["https", "http"]
    keys = [f"{scheme}://{origin.host}{origin.root}" for scheme in schemes]
    if host == DOCKER_HUB:
        keys.append(DOCKER_HUB)
    return keystore.forget(*(name for key in keys for name in credentials.addresses(key)))
