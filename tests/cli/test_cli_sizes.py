"""Sizes and times mean what they say, and nonsense is refused by name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.backends import words
from dodas.cli.sizes import parse_size, parse_time
from dodas.errors import SpecError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4096", 4096),
        ("1b", 1),
        ("512M", 512 << 20),
        ("512m", 512 << 20),
        ("2GiB", 2 << 30),
        ("1.5g", 3 << 29),
        (".5k", 512),
        ("1.k", 1024),
        ("500MB", 500_000_000),
        ("1 TiB", 1 << 40),
        (" 7K ", 7168),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0M", "-1", "1e3", "M", "1X", "1iB", "1M1", "nan", "inf", "٣M", "1\n2"]
)
def test_no_sizes(text: str) -> None:
    with pytest.raises(SpecError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("0.5s", 0.5),
        ("5m", 300),
        ("5min", 300),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d2h3m4s", 93784),
        ("01:30:00", 5400),
        ("100:00:01", 360001),
        ("2-00:00:00", 172800),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "0", "0s", "-5", "5:00", "1:60:00", "h", "1s1h", "1w", "inf", "9" * 20]
)
def test_no_times(text: str) -> None:
    with pytest.raises(SpecError, match="time"):
        parse_time(text)


@given(st.text(max_size=12) | st.from_regex(r"\A[0-9.]{1,5} ?[kKmMgG]?i?[bB]?\Z"))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        assert parse_size(text) >= 1
    except SpecError as error:
        assert error.hint


@given(st.text(max_size=12) | st.from_regex(r"\A[0-9.:dhms-]{1,9}\Z"))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        assert parse_time(text) > timedelta(0)
    except SpecError as error:
        assert error.hint


@given(st.integers(1, 1 << 60))
def test_sizes_in_words_keep_their_value(count: int) -> None:
    number, unit = words.size(count).split()
    read = count if unit == "bytes" else parse_size(f"{number}{unit}")
    assert abs(read - count) <= count * 0.06


@given(st.floats(0, 1e7))
def test_times_in_words_are_short(seconds: float) -> None:
    assert len(words.duration(seconds)) <= 12
