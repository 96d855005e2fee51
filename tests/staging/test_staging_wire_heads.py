"""Heads of answers, read as the standard library reads them, and never taken for something else."""

from __future__ import annotations

import http.client
import io
import re
import socket
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.staging import wire
from dodas.staging.channel import Channel
from dodas.staging.cuts import Cut
from dodas.staging.framing import framing
from dodas.staging.urls import parse
from dodas.staging.wire import Head, Request

NAMES = st.text(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-", min_size=1, max_size=12)
WORDS = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=12)
# Some on lines of their own, which begin with a blank.
VALUES = st.lists(WORDS, max_size=4).flatmap(
    lambda words: st.lists(
        st.sampled_from([" ", "\t", "\r\n ", "\r\n\t "]), min_size=len(words), max_size=len(words)
    ).map(lambda blanks: "".join(map("".join, zip(words, blanks, strict=True))).strip())
)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(["", " ", "  ", "\t"]), VALUES), max_size=8)
MEANT = ("content-length", "transfer-encoding", "connection")


def read(head: bytes) -> Head:
    """Let our reader read what a server sends, and closes then."""
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(ours, idle=5.0)
        try:
            theirs.sendall(head)
            theirs.shutdown(socket.SHUT_WR)
            return wire.exchange(channel, Request(head=b"GET / HTTP/1.1\r\n\r\n"))
        finally:
            channel.close()


class _Sent:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@given(st.integers(200, 999), WORDS, FIELDS)
def test_as_the_standard_library_reads_it(
    status: int, reason: str, fields: list[tuple[str, str, str]]
) -> None:
    fields = [field for field in fields if field[0].lower() not in MEANT]
    lines = "".join(f"{name}:{blank}{value}\r\n" for name, blank, value in fields)
    head = f"HTTP/1.1 {status} {reason}\r\n{lines}Content-Length: 0\r\n\r\n".encode("ascii")
    other = http.client.HTTPResponse(_Sent(head))  # type: ignore[arg-type]
    other.begin()
    found = read(head)
    assert (found.status, found.reason) == (other.status, other.reason)
    assert sorted(found.headers) == sorted({name.lower() for name in other.headers})
    for name in found.headers:
        theirs = [re.sub(r"[ \t]*\r?\n[ \t]+", " ", one).strip() for one in other.headers.get_all(name, [])]
        ours = found.headers.all(name)
        assert [" ".join(one.split()) for one in ours] == [" ".join(one.split()) for one in theirs]


@given(st.binary(max_size=200), st.booleans())
def test_anything_else_is_a_cut(data: bytes, begun: bool) -> None:
    text = (b"HTTP/1.1 200 OK\r\n" if begun else b"") + data
    try:
        head = read(text)
        framing("GET", head.status, head.headers)
    except Cut:
        return
    assert re.match(rb"HTTP/1\.[0-9] [2-9][0-9]{2}[ \r\n]|HTTP/1\.[0-9] 1", text)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 1, 2",
        b"Content-Length: +1",
        b"Content-Length: 1_0",
        b"Content-Length: -1",
        b"Content-Length: 0x1",
        b"Content-Length: \xd9\xa1",
        b"Content-Length:",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
    ],
)
def test_a_length_that_can_be_read_in_two_ways_is_none(fields: bytes) -> None:
    head = read(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n")
    with pytest.raises(Cut):
        framing("GET", head.status, head.headers)


def test_a_head_without_an_end_is_not_read_for_ever() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(ours, idle=5.0)
        theirs.setblocking(False)

        def more() -> None:
            try:
                while True:
                    theirs.send(b"X: y\r\n" * 1000)
            except BlockingIOError:
                pass

        real = channel._receive

        def receive(view: memoryview) -> int:
            more()
            return real(view)

        channel._receive = receive  # type: ignore[method-assign]
        more()
        with pytest.raises(Cut, match="no end"):
            channel.head()
        channel.close()


PATHS = st.text(string.ascii_letters + string.digits + "-._~!$'()*,:=@/", max_size=30)


@given(
    st.sampled_from(["http", "https", "dav", "davs", "dynafed"]),
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True),
    st.one_of(st.just(""), st.integers(1, 65_535).map(lambda port: f":{port}")),
    PATHS,
)
def test_urls_that_are_read_faster_are_read_the_same(scheme: str, host: str, port: str, path: str) -> None:
    rest = f"://{host}{port}/{path}"
    # Another case of the scheme is read the long way.
    assert parse(scheme + rest) == parse(scheme.upper() + rest)
