"""`dodas auth` login and logout."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time

from dodas.auth import private
from dodas.auth.login import places
from dodas.auth.login.agents import agent_record
from dodas.auth.login.asking import joined
from dodas.auth.login.device import Prompt
from dodas.auth.login.leaving import log_out
from dodas.auth.login.obtaining import Obtaining, Wanted
from dodas.auth.login.wire import Wire
from dodas.cli.auth_show import as_json, as_lines, store_of
from dodas.errors import SpecError


def login(args: argparse.Namespace) -> int:
    """Make a login."""
    name = _name(args.name)
    store = store_of(os.environ)
    if args.agent is not None:
        record = agent_record(name, args.agent, os.environ, audience=args.audience, scope=joined(args.scope))
        with store.locked(name) as held:
            record = held.mark(record)
    else:
        show = _show_json if args.json else _show
        record = Obtaining(store, Wire(os.environ), show=show, warn=_warn).log_in(_wanted(args, name))
    if args.json:
        print(json.dumps(as_json(record, time.time(), chosen=_is_chosen(name))))
        return 0
    print("\n".join(as_lines(record, time.time(), chosen=_is_chosen(name))))
    if not _is_chosen(name):
        print(f"to use it: export {places.VARIABLE}={name}", file=sys.stderr)
    return 0


def logout(args: argparse.Namespace) -> int:
    """Revoke and remove a login."""
    name = _name(args.name)
    failure = log_out(store_of(os.environ), name, Wire(os.environ))
    if failure is None:
        print(f"the login {name} is revoked and removed")
        return 0
    print(f"the login {name} is removed")
    print(f"warning: it is not revoked: {failure}", file=sys.stderr)
    return 1


def _wanted(args: argparse.Namespace, name: str) -> Wanted:
    if args.client_secret_file and not args.client_id:
        raise SpecError("there is a secret, and no client whose it is", hint="give --client-id too")
    if args.refresh_token_file and args.flow != "refresh":
        raise SpecError("a refresh token is for the flow of that name", hint="give --flow refresh too")
    refresh = ""
    secret = _secret(args.client_secret_file, "the client secret") if args.client_secret_file else ""
    if args.flow == "client-credentials" and args.client_id and not secret:
        secret = _ask(f"secret of the client {args.client_id}: ", "--client-secret-file FILE")
    if args.flow == "refresh":
        if args.refresh_token_file:
            refresh = _secret(args.refresh_token_file, "the refresh token")
        else:
            refresh = _ask("refresh token: ", "--refresh-token-file FILE")
    return Wanted(
        name=name,
        issuer=args.issuer,
        flow=args.flow,
        client_id=args.client_id,
        client_secret=secret,
        scopes=tuple(" ".join(args.scope).split()),
        audience=args.audience,
        refresh=refresh,
    )


def _name(given: str | None) -> str:
    name = places.chosen(os.environ) if given is None else places.checked(given, "--name")
    if name == places.NONE:
        raise SpecError("'none' stands for no login", hint="choose another name with --name")
    return name


def _is_chosen(name: str) -> bool:
    return name == places.chosen(os.environ)


def _secret(path: str, what: str) -> str:
    """Return the secret in a file, the first line of it."""
    if path == "-":
        text = sys.stdin.readline()
    else:
        text = private.read(os.path.expanduser(path), f"the file with {what}")[0].decode(errors="replace")
    secret = text.strip()
    if not secret.isprintable() or not secret:
        raise SpecError(f"there is not {what} alone in {path}", hint="put it there, on a line of its own")
    return secret


def _ask(prompt: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise SpecError("there is no terminal to ask for a secret on", hint=f"give {option}")
    secret = getpass.getpass(prompt, stream=sys.stderr).strip()
    if not secret:
        raise SpecError("nothing was typed", hint=f"type it, or give {option}")
    return secret


def _show(prompt: Prompt) -> None:
    end = time.strftime("%H:%M", time.localtime(time.time() + prompt.seconds))
    lines = [f"open {prompt.url} in a browser, on any machine, and type {prompt.user_code}"]
    if prompt.complete:
        lines.append(f"or open {prompt.complete}, where it is typed already")
    print(*lines, f"waiting until {end} …", sep="\n", file=sys.stderr, flush=True)


def _show_json(prompt: Prompt) -> None:
    told = {
        "verification_uri": prompt.url,
        "verification_uri_complete": prompt.complete,
        "user_code": prompt.user_code,
        "expires_in": prompt.seconds,
    }
    print(json.dumps(told), flush=True)


def _warn(words: str) -> None:
    print(f"warning: {words}", file=sys.stderr)
