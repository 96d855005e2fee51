"""The hint ``dodas:HTCondor``: what it means, and what is said of one that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from cwlcases import Cwl, host_tool
from dodas_cwl import hints
from dodas_cwl.reference import WorkflowException


def hinted(version: str = "v1.2", **fields: Any) -> dict[str, Any]:
    """Return a tool with the hint."""
    names = {"dodas": "https://w3id.org/dodas#", "cwltool": "http://commonwl.org/cwltool#"}
    return host_tool("true", cwlVersion=version, hints={"dodas:HTCondor": fields}, **{"$namespaces": names})


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
@pytest.mark.parametrize("options", [(), ("--enable-ext",)])
def test_the_hint_changes_nothing_here(cwl: Cwl, version: str, options: tuple[str, ...]) -> None:
    document = hinted(version, rank="Mips", priority="$(1)", attributes={"Project": "x"})
    document["requirements"] = {"InlineJavascriptRequirement": {}}
    assert cwl(document, {}, *options).status == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rnk": "Mips"}, ["invalid field", "rnk", "slotRequirements"]),
        ({"priority": [3]}, ["priority"]),
        ({"attributes": {"two words": 1}}, ["two words"]),
        ({"attributes": {"Text": "two\nlines"}}, ["Text", "one line"]),
        ({"priority": "high"}, ["whole number", "high"]),
        ({"rank": "Mips\nqueue 100"}, ["rank", "one line"]),
        ({"rank": ""}, ["rank", "one line"]),
    ],
)
def test_a_wrong_hint_is_an_error(cwl: Cwl, fields: dict[str, Any], words: list[str]) -> None:
    answer = cwl(hinted(**fields))
    assert answer.status == 1
    assert all(word in answer.stderr for word in words), answer.stderr


def test_not_strict_lets_unknown_fields_pass(cwl: Cwl) -> None:
    assert cwl(hinted(rnk="Mips"), {}, "--non-strict").status == 0


def test_fields_are_commands_of_submit_files() -> None:
    given = {
        "slotRequirements": 'Machine != "x"',
        "accountingGroup": "cms",
        "priority": -3,
        "concurrencyLimits": ["a", "b:2"],
        "attributes": [
            {"attribute": "A", "setting": 'say "$(x)" \\ here'},
            {"attribute": "B", "setting": True},
            {"attribute": "C", "setting": 1.5},
        ],
    }
    assert hints.htcondor(given) == (
        ("htcondor.requirements", 'Machine != "x"'),
        ("htcondor.accounting_group", "cms"),
        ("htcondor.priority", "-3"),
        ("htcondor.concurrency_limits", "a,b:2"),
        ("htcondor.+A", '"say \\"$(DOLLAR)(x)\\" \\ here"'),
        ("htcondor.+B", "true"),
        ("htcondor.+C", "1.5"),
    )
    assert hints.htcondor({}) == ()


def test_an_attribute_has_a_name_of_an_attribute() -> None:
    with pytest.raises(WorkflowException, match="name of an attribute"):
        hints.htcondor({"attributes": [{"attribute": "a.b", "setting": 1}]})
