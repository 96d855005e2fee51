"""What is to go wrong goes wrong, and nothing else."""

from __future__ import annotations

import pytest

from servers.curl import Curl
from servers.faults import Fault
from servers.faulty import Faulty
from servers.ports import until

CONTENT = bytes(range(256)) * 1000


@pytest.mark.parametrize("kind", ["faulty", "faulty_tls"])
def test_without_faults_everything_is_passed_on(
    kind: str, curl: Curl, request: pytest.FixtureRequest
) -> None:
    faulty: Faulty = request.getfixturevalue(kind)
    assert curl("PUT", faulty.url("f"), body=CONTENT).status == 201
    assert curl("GET", faulty.url("f")).body == CONTENT
    part = curl("GET", faulty.url("f"), "Range: bytes=1-3")
    assert (part.status, part.body) == (206, bytes([1, 2, 3]))
    assert curl("HEAD", faulty.url("f")).headers["content-length"] == str(len(CONTENT))
    assert curl("PROPFIND", faulty.url(), "Depth: 1").status == 207
    assert curl("MOVE", faulty.url("f"), f"Destination: {faulty.url('g')}").status == 201
    assert curl("DELETE", faulty.foreign_url("g")).status == 204
    assert [asked.method for asked in faulty.requests()] == [
        asked.method for asked in faulty.behind.requests()
    ]


@pytest.mark.parametrize("at", [0, 1, 100_000, len(CONTENT) - 1, len(CONTENT)])
def test_an_answer_can_be_cut_anywhere(at: int, faulty: Faulty, curl: Curl) -> None:
    (faulty.behind.root / "f").write_bytes(CONTENT)
    faulty.fault(Fault(method="GET", cut_after=at, times=1))
    answer = curl("GET", faulty.url("f"))
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.body == CONTENT[:at]
    assert curl("GET", faulty.url("f")).body == CONTENT


def test_an_answer_can_lie(faulty: Faulty, curl: Curl) -> None:
    (faulty.behind.root / "f").write_bytes(CONTENT)
    faulty.fault(Fault(path="/f", flip=70_000, times=1))
    damaged = curl("GET", faulty.url("f")).body
    assert [at for at, byte in enumerate(damaged) if byte != CONTENT[at]] == [70_000]
    faulty.fault(Fault(path="/f", length=len(CONTENT) + 5, times=1))
    assert curl("GET", faulty.url("f")).headers["content-length"] == str(len(CONTENT) + 5)
    faulty.fault(Fault(path="/f", chunked=True, cut_after=10, times=1))
    assert curl("GET", faulty.url("f")).body == CONTENT[:10]
    faulty.fault(Fault(path="/f", without=("ETag", "Content-Length"), headers={"Digest": "md5=x"}, times=1))
    odd = curl("GET", faulty.url("f"))
    assert ("etag" in odd.headers, odd.headers["digest"], odd.body == CONTENT) == (False, "md5=x", True)
    faulty.fault(Fault(path="/f", raw=b"SSH-2.0-OpenSSH\r\n", times=1))
    assert curl("GET", faulty.url("f")).status == 0
    faulty.fault(Fault(path="/f", skip=1, status=503, headers={"Retry-After": "7"}, body=b"busy"))
    assert curl("GET", faulty.url("f")).body == CONTENT
    busy = curl("GET", faulty.url("f"))
    assert (busy.status, busy.headers["retry-after"], busy.body) == (503, "7", b"busy")


def test_an_upload_can_be_cut_or_its_answer_lost(faulty: Faulty, curl: Curl) -> None:
    faulty.fault(Fault(method="PUT", path="/cut", cut_after=1000, cut_request=True))
    assert curl("PUT", faulty.url("cut"), body=CONTENT).status in {0, 100}
    faulty.fault(Fault(method="PUT", path="/lost", lose_answer=True))
    assert curl("PUT", faulty.url("lost"), body=CONTENT).status in {0, 100}
    until((faulty.behind.root / "lost").exists, what="the upload")
    faulty.fault(Fault(method="PUT", path="/early", status=507, early=True))
    assert curl("PUT", faulty.url("early"), "Expect:", body=CONTENT).status == 507
    faulty.fault(Fault(method="PUT", path="/silent", no_continue=True))
    assert curl("PUT", faulty.url("silent"), body=CONTENT).status == 201


def test_an_answer_can_hang(faulty: Faulty, curl: Curl) -> None:
    (faulty.behind.root / "f").write_bytes(CONTENT)
    fault = faulty.fault(Fault(path="/f", hang_after=5, times=1))
    answer = curl("GET", faulty.url("f"), options=("--max-time", "0.5"))
    assert (answer.body, fault.happened) == (CONTENT[:5], 1)
