"""`dodas image` login and logout."""

from __future__ import annotations

import argparse
import getpass
import sys

from dodas.containers.registry.login import log_in, log_out, registry_host
from dodas.errors import SpecError


def login(args: argparse.Namespace) -> int:
    """Check a password with a registry, and keep it."""
    host = registry_host(args.host)
    user = args.username or _ask_user(host)
    password = _read_password() if args.password_stdin else _ask_password(host, user)
    if not user or not password:
        raise SpecError("a login needs a user and a password", hint="give both")
    path = log_in(host, user, password)
    print(f"{host} knows {user}; the password is kept in {path}")
    return 0


def logout(args: argparse.Namespace) -> int:
    """Forget a password."""
    host = registry_host(args.host)
    if not log_out(host):
        print(f"no password for {host} was kept by dodas or udocker", file=sys.stderr)
        return 0
    print(f"the password for {host} is forgotten")
    return 0


def _ask_user(host: str) -> str:
    _need_terminal()
    print(f"user at {host}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _ask_password(host: str, user: str) -> str:
    _need_terminal()
    return getpass.getpass(f"password of {user} at {host}: ")


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise SpecError(
            "there is no terminal to ask for user and password on",
            hint="give --username USER and --password-stdin",
        )


def _read_password() -> str:
    # One line: what `echo`, a here-document or a file with a token gives.
    return sys.stdin.readline().rstrip("\r\n")
