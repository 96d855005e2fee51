"""Times of servers: the usual form, the old ones, and those that are none."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.staging.dates import http_date

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(timezone.utc)
)


@given(MOMENTS)
def test_the_usual_form(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert http_date(format_datetime(whole, usegmt=True)) == whole.timestamp()


@given(MOMENTS)
def test_iso_8601(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert (
        http_date(whole.isoformat())
        == http_date(whole.strftime("%Y-%m-%dT%H:%M:%S.25Z"))
        == whole.timestamp()
    )


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",  # RFC 850
        "Sun Nov  6 08:49:37 1994",  # asctime
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 09:49:37 +0100",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT\n",
        "1994-11-06T08:49:37Z",
        "1994-11-06T09:49:37+01:00",
    ],
)
def test_forms_of_one_moment(text: str) -> None:
    assert http_date(text) == 784111777


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "yesterday", "0", "-1", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Abc 1994 08:49:37 GMT"),
        *("Sun, 06 Nov 1994 99:49:37 GMT", "1" * 100, "9999999-01-01", "\0"),
        *("Thu, 01 Jan 99999999 00:00:00 GMT", "2020-13-45T00:00:00Z", "٢٠٢٠-01-01"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert http_date(text) is None


@given(st.text(max_size=80))
def test_anything_may_come(text: str) -> None:
    http_date(text)
    http_date(f"Sun, 06 Nov {text} 08:49:37 GMT")
    http_date(f"20{text}")
