"""`dodas auth` status and token."""

from __future__ import annotations

import argparse
import json
import os
import time

from dodas.auth.login import places
from dodas.auth.login.agents import agent_token
from dodas.auth.login.asking import joined
from dodas.auth.login.door import given
from dodas.auth.login.faults import LoginNeeded
from dodas.auth.login.record import Record
from dodas.auth.login.renewal import command
from dodas.cli.auth_show import as_json, as_lines, is_usable, store_of


def status(args: argparse.Namespace) -> int:
    """Show logins."""
    records, now = _records(args.name), time.time()
    chosen = places.chosen(os.environ)
    for number, record in enumerate(records):
        if args.json:
            print(json.dumps(as_json(record, now, chosen=record.name == chosen)))
        else:
            lines = as_lines(record, now, chosen=record.name == chosen)
            print("\n".join(["", *lines] if number else lines))
    return 0 if all(is_usable(record, now) for record in records) else 1


def token(args: argparse.Namespace) -> int:
    """Print a token, and nothing else."""
    scope = joined(args.scope)
    if args.agent is not None:
        print(agent_token(args.agent, os.environ, audience=args.audience, scope=scope).value)
        return 0
    name = places.chosen(os.environ) if args.name is None else places.checked(args.name, "--name")
    found = given(os.environ, name, audience=args.audience, scope=scope, fresh=args.fresh)
    print(found.value)
    return 0


def _records(name: str | None) -> list[Record]:
    store = store_of(os.environ)
    names = store.names() if name is None else [places.checked(name, "--name")]
    records = [record for one in names if (record := store.read(one)) is not None]
    if not records:
        problem = "there is no login" if name is None else f"there is no login {name}"
        raise LoginNeeded(problem, hint=f"log in: {command(name or places.DEFAULT)}")
    return records
