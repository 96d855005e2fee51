"""Log in to INDIGO IAM and other OpenID providers, and get tokens for storage and clouds.

What renews a login is kept on this machine, for you alone, and never sent to a node.
"""

from __future__ import annotations

import argparse

from dodas.cli.subcommands import Add, adder, carry_out

_EPILOG = """\
examples:
  dodas auth login https://iam.example.org/     log in with a browser, on any machine
  dodas auth status                             who you are there, and until when
  dodas data ls davs://dav.example.org/home     finds the login by itself
  export BEARER_TOKEN=$(dodas auth token --audience https://dav.example.org)
  dodas auth logout

`dodas auth COMMAND --help` says more about each.
"""
_LOGIN = """\
Without --client-id, dodas registers itself as a client if the provider lets it.
Secrets are asked for on the terminal, or read from files that only you can read; - is standard input.

examples:
  dodas auth login https://iam.example.org/ --scope storage.read:/ --scope storage.modify:/home/anna
  dodas auth login https://iam.example.org/ --flow client-credentials --client-id robot --name robot \\
      --client-secret-file ~/robot.secret --scope compute.create
  dodas auth login https://iam.example.org/ --flow refresh --client-id mine --refresh-token-file -
  dodas auth login --agent my-iam
"""
_GIVING = """\
The token is renewed before it ends, by one process however many ask.

examples:
  export BEARER_TOKEN=$(dodas auth token --scope storage.read:/home --audience https://dav.example.org)
  gfal-ls davs://dav.example.org/home
"""
_STATUS = """\
Nothing is asked of the provider.  The exit status is 0 if each login shown gives tokens still.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options."""
    parser.epilog = _EPILOG
    command = adder(parser)
    _add_login(command)
    status = command("status", "show who you are, and until when", "auth_look:status", _STATUS)
    _add_name(status, "all")
    status.add_argument("--json", action="store_true", help="print JSON, for scripts: a line for each login")
    _add_token(command)
    logout = command("logout", "revoke the tokens of a login, and remove it", "auth_login:logout")
    _add_name(logout)


run = carry_out


def _add_login(command: Add) -> None:
    login = command("login", "log in", "auth_login:login", _LOGIN)
    where = login.add_mutually_exclusive_group(required=True)
    where.add_argument("issuer", metavar="ISSUER", nargs="?", help="URL of the provider")
    where.add_argument("--agent", metavar="ACCOUNT", help="let oidc-agent give the tokens, of this account")
    login.add_argument(
        "--flow",
        choices=("device", "client-credentials", "refresh"),
        default="device",
        help="with a browser, as a client that has a secret, or with a refresh token (default: %(default)s)",
    )
    login.add_argument(
        "--client-id",
        metavar="ID",
        default="",
        help="client to be (default: that of the login before, else a new one)",
    )
    login.add_argument("--client-secret-file", metavar="FILE", help="file with its secret")
    login.add_argument("--refresh-token-file", metavar="FILE", help="file with the refresh token")
    _add_scope(login, "what tokens are to be good for; may be repeated (default: who you are)")
    login.add_argument("--audience", metavar="URL", default="", help="for whom tokens are to be")
    _add_name(login)
    login.add_argument("--json", action="store_true", help="print JSON, for scripts")


def _add_token(command: Add) -> None:
    token = command("token", "print a token that is good for a while", "auth_look:token", _GIVING)
    _add_name(token)
    token.add_argument("--audience", metavar="URL", default="", help="for whom it is to be")
    _add_scope(token, "what it is to be good for; may be repeated (default: all of the login)")
    token.add_argument("--fresh", action="store_true", help="a new one, even if the last one is good")
    token.add_argument("--agent", metavar="ACCOUNT", help="of oidc-agent's account, without a login")


def _add_scope(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--scope", metavar="SCOPE", action="append", default=[], help=words)


def _add_name(parser: argparse.ArgumentParser, default: str = "DODAS_LOGIN, else default") -> None:
    parser.add_argument("--name", metavar="NAME", help=f"of the login (default: {default})")
