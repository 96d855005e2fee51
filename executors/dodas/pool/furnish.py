"""Puts a pool's directories, keys, tokens and configurations in place; what must survive is left as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from dodas import whole
from dodas.containers import locks
from dodas.containers.removal import remove_tree
from dodas.errors import StoreError
from dodas.node import hosting
from dodas.node.daemons import DIRECTORIES, INSIDE
from dodas.pool import configuration, containers, tokens, trust
from dodas.pool.definition import Definition
from dodas.pool.installation import Installation
from dodas.pool.layout import HEAD, NODE, Layout, pools_dir


def furnish(layout: Layout, definition: Definition, installation: Installation) -> None:
    """Make everything that the pool's containers and its clients read.

    Raises:
        StoreError: A directory cannot be made.
        EngineError: No container engine works here.
    """
    launches = _launches(layout, definition, installation)
    for part in (HEAD, NODE) if definition.has_node else (HEAD,):
        for name in DIRECTORIES:
            make_private(layout.at(part, name))
        forget_addresses(layout, part)
    make_private(layout.at("tokens.d"))
    _make_secrets(layout, definition)
    for path, text in _texts(layout, definition, installation).items():
        whole.write(path, text)
    whole.write(layout.at("launches.json"), launches)
    definition.write(layout)


def make_private(path: str) -> None:
    """Make a directory that is the user's alone.

    Raises:
        StoreError: It cannot be made, or is somebody else's.
    """
    hint = "set DODAS_STATE to a directory of yours"
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.stat(path)
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}", hint=hint) from error
    if status.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to somebody else", hint=hint)
    if status.st_mode & 0o077:
        os.chmod(path, 0o700)


@contextmanager
def alone(layout: Layout, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of those who bring a pool up or take it down."""
    with ExitStack() as stack:
        while True:
            make_private(pools_dir())
            # The directory may be removed before the lock is in it, by who took the last pool down.
            with suppress(FileNotFoundError):
                stack.enter_context(locks.exclusive(layout.lock, keep=False, on_wait=on_wait))
                break
        yield


def remove_if_empty(path: str) -> None:
    """Remove a directory in which nothing is left."""
    with suppress(OSError):
        os.rmdir(path)


def forget_addresses(layout: Layout, part: str) -> None:
    """Remove the addresses and sockets of daemons that are dead."""
    for entry in os.scandir(layout.at(part, "run")):
        remove_tree(entry.path)


def _make_secrets(layout: Layout, definition: Definition) -> None:
    keys = layout.at(HEAD, "passwords.d")
    issuer = trust.domain(layout.name)
    tokens.make_key(keys)
    user = trust.user_identity(layout.name, definition)
    tokens.make_token(layout.at("tokens.d"), "user", key=keys, issuer=issuer, identity=user)
    if not definition.has_node:
        return
    tokens.make_token(
        layout.at(NODE, "tokens.d"),
        "node",
        key=keys,
        issuer=issuer,
        identity=trust.node_identity(layout.name),
        powers=trust.NODE_POWERS,
    )


def _texts(layout: Layout, definition: Definition, installation: Installation) -> dict[str, str]:
    name, programs = layout.name, installation.programs
    of_node = (
        {layout.at(NODE, "condor_config"): configuration.node(name, definition, INSIDE, programs)}
        if definition.has_node
        else {}
    )
    return {
        layout.at(HEAD, "condor_config"): configuration.head(name, definition, INSIDE, programs),
        **of_node,
        layout.client_config: configuration.client(name, definition, layout.root),
        layout.at("passwd"): hosting.passwd(installation.root, definition.user),
        layout.at("group"): hosting.group(installation.root, definition.user),
    }


def _launches(layout: Layout, definition: Definition, installation: Installation) -> str:
    from dodas.worker.choose import choose, program_of  # noqa: PLC0415 - its self-test is slow to import

    engine = choose()
    launches = containers.launches(
        layout,
        engine=engine,
        program=program_of(engine),
        root=installation.root,
        system=installation.mounts,
        master=installation.master,
        shared_disk=definition.shared_disk,
        node=definition.has_node,
    )
    plain = {part: launch.plain() for part, launch in launches.items()}
    return json.dumps(plain, indent=1)
