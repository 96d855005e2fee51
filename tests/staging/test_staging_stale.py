"""XRootD tells the checksum of a file when it is asked for another one; it is not believed."""

from __future__ import annotations

from dodas.auth.credentials import Credentials
from dodas.staging.digests import told_by
from dodas.staging.exchange import Exchange
from dodas.staging.settings import Settings
from servers.xrootd import Xrootd


def test_a_checksum_that_was_not_asked_for_is_of_another_file(xrootd: Xrootd) -> None:
    (xrootd.root / "one").write_bytes(b"1" * 400)
    (xrootd.root / "two").write_bytes(b"2" * 500)
    with Exchange(Settings(per_host=1), Credentials.from_environment({})) as exchange:
        for name, headers, told in (
            ("one", {"Want-Digest": "adler32"}, ["adler32:fbcd4c91"]),
            ("two", {}, []),
            ("two", {"Range": "bytes=0-9"}, []),
            ("two", {"Want-Digest": "adler32"}, ["adler32:966961a9"]),
        ):
            with exchange.ask("GET", xrootd.url(name), headers=headers, ok=(200, 206)) as answer:
                answer.drain()
                assert list(map(str, told_by(answer.headers))) == told
