"""The page about logins says what the command takes."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from docs_examples import blocks, examples
from dodas.auth.login.record import Record
from dodas.cli import auth
from dodas.cli.auth_show import as_json
from installations import PROJECT

PAGE = PROJECT / "docs" / "login.md"
COMMANDS = sorted(
    {
        found
        for block in blocks(PAGE)
        for example in examples(block.text)
        for found in re.findall(r"dodas auth [^)\n]*", example.command)
    }
    | set(re.findall(r"`(dodas auth (?:login|token) [^`]*)`", PAGE.read_text()))
    | set(re.findall(r"^  (dodas auth .*?)(?:  +.*)?$", auth._EPILOG + auth._LOGIN + auth._GIVING, re.M))
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_taken(command: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    auth.add(parser)
    parser.parse_args(shlex.split(command.rstrip("\\"))[2:])


def test_the_keys_of_a_status_are_described() -> None:
    table = PAGE.read_text().partition("| key |")[2].partition("\n\n")[0]
    described = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert described == set(as_json(Record(name="n", issuer="i", flow="device"), 0, chosen=True))
