"""Whatever a file holds, reading it ends soon, with a description or with a message about the file."""

from __future__ import annotations

import contextlib
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dodas.errors import SpecError
from dodas.pool.description import units
from dodas.pool.description.model import PoolDescription
from dodas.pool.description.reading import parse
from dodas.pool.description.reference import fields
from dodas.pool.description.scalars import plain
from dodas.pool.description.source import decode

PUNCTUATION = [
    "- ",
    ": ",
    "b: ",
    "? ",
    "&x ",
    "*x",
    "<<: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    '"',
    "'",
    "|\n",
    ">-\n",
    "#",
]
WORDS = [
    "a",
    "dodas: 1\n",
    "name: p\n",
    "flavours:\n",
    "~",
    "no",
    "0x1",
    "1:30",
    "012",
    "%YAML 1.1\n",
    "---\n",
    "!!",
]
CHARACTERS = ["\n", "  ", "\t", "\r", "\\U", "\u2028", "\ud800", "\x85", "é", "\0"]
PIECES = st.sampled_from([*PUNCTUATION, *WORDS, *CHARACTERS])
KEYS = st.sampled_from(sorted({path.rpartition(".")[2] for path, _, _ in fields()} | {"small", "token", "x"}))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["8GiB", "5m", "local", "slurm", "/x", "2027-01-01T00:00:00Z", "a == b", "0001-01-01T00:00Z"]
    )
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def try_to_read(text: str) -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(parse(text), PoolDescription)


@QUICK
@given(st.text(max_size=200) | st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try_to_read(text)


@QUICK
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_document_is_read_or_refused(tree: dict[str, Any]) -> None:
    whole = {"dodas": 1, "name": "p", "flavours": {"small": {"provider": "local"}}, **tree}
    try_to_read(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))


@QUICK
@given(KEYS, TREES)
def test_any_flavour_and_site_is_read_or_refused(key: str, value: Any) -> None:
    for part in ("flavours", "sites", "providers"):
        whole: dict[str, Any] = {"dodas": 1, "name": "p", "flavours": {"small": {"provider": "local"}}}
        whole.setdefault(part, {}).setdefault("small", {})[key] = value
        try_to_read(yaml.safe_dump(whole))


@QUICK
@given(st.binary(max_size=100))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    with contextlib.suppress(SpecError):
        try_to_read(decode(data, "pool.yaml"))


@given(st.integers(min_value=0, max_value=1 << 60))
def test_sizes_come_back(count: int) -> None:
    assert units.size(units.size_text(count)) == count


@given(st.integers(min_value=1, max_value=3650 * 86400 * 1000))
def test_durations_come_back(milliseconds: int) -> None:
    assert units.duration(units.duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8GiB", 8 << 30),
        ("8g", 8 << 30),
        ("8GB", 8 * 10**9),
        ("500MB", 500_000_000),
        ("1.5KiB", 1536),
        ("4096", 4096),
        ("4096b", 4096),
        ("0", 0),
        (".5 GiB", 1 << 29),
        ("1T", 1 << 40),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert units.size(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("4h", 14400),
        ("2d", 172800),
        ("1h30m", 5400),
        ("1d 2h", 93600),
        ("0", 0),
        ("5min", 300),
        ("0.5s", 0.5),
        ("1.5h", 5400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "2027-03-01T12:00:00+01:00",
        "2027-03-01T11:00:00Z",
        "2027-03-01 11:00Z",
        "2027-03-01t11:00:00.000z",
        "2027-03-01 12:00:00 +01:00",
    ],
)
def test_moments(text: str) -> None:
    assert units.moment(text) == 1803898800.0


@QUICK
@given(st.text(alphabet="0123456789_.:eEx+-onyestrufalNO~", max_size=8))
def test_a_word_that_is_taken_means_the_same_to_a_reader_of_yaml_1_1(text: str) -> None:
    try:
        value = plain(text)
    except ValueError:
        return
    with contextlib.suppress(yaml.YAMLError, ValueError):
        node = yaml.compose(text)
        if not isinstance(node, yaml.ScalarNode) or node.value != text or node.style:
            return  # not one word
        other = yaml.safe_load(text)
        # Times are text here, and are read with their zone where they mean one.
        assert other in (value, text) or isinstance(other, date), (value, other)
        assert type(other) is type(value) or isinstance(other, date), (value, other)
