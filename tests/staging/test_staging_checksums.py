"""Checksums: computed right in any pieces, read however a server writes them, compared without mercy."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Collection, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.auth.credentials import Credentials
from dodas.errors import Corrupt, SpecError
from dodas.staging.checksums import ALGORITHMS, Hasher, compare, joined_adler32, verify
from dodas.staging.crc32c import Crc32c
from dodas.staging.digests import WIDTHS, canonical, checksum_of, parse, parse_digest, told_by, want
from dodas.staging.exchange import Exchange
from dodas.staging.settings import Settings
from dodas.staging.values import Checksum, Expected, Verified
from servers.xrootd import Xrootd

ADLER = Checksum(algorithm="adler32", value="0a1b2c3d")
MD5 = Checksum(algorithm="md5", value=hashlib.md5(b"a").hexdigest())
OTHER_MD5 = Checksum(algorithm="md5", value=hashlib.md5(b"b").hexdigest())

# What the standard library and published test vectors say of these nine bytes.
CHECK = b"123456789"
KNOWN = {
    "adler32": "091e01de",
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "md5": hashlib.md5(CHECK).hexdigest(),
    "sha1": hashlib.sha1(CHECK).hexdigest(),
    "sha256": hashlib.sha256(CHECK).hexdigest(),
    "sha384": hashlib.sha384(CHECK).hexdigest(),
    "sha512": hashlib.sha512(CHECK).hexdigest(),
}


def digests(data: bytes, *algorithms: str) -> tuple[Checksum, ...]:
    hasher = Hasher(algorithms or ALGORITHMS)
    hasher.update(data)
    return hasher.digests()


checksums = st.builds(
    lambda name, data: digests(data, name)[0], st.sampled_from(ALGORITHMS), st.binary(max_size=20)
)


class TestComputing:
    def test_all_that_are_read_can_be_computed(self) -> None:
        assert set(ALGORITHMS) == WIDTHS.keys() == KNOWN.keys()

    def test_known_values(self) -> None:
        assert {one.algorithm: one.value for one in digests(CHECK)} == KNOWN

    def test_of_nothing(self) -> None:
        assert {one.algorithm: one.value for one in digests(b"")}["adler32"] == "00000001"

    @given(st.lists(st.binary(max_size=3000), max_size=6))
    def test_pieces_do_not_matter(self, pieces: list[bytes]) -> None:
        hasher = Hasher(ALGORITHMS)
        for piece in pieces:
            hasher.update(memoryview(piece))
        assert hasher.digests() == digests(b"".join(pieces))
        assert hasher.count == len(b"".join(pieces))

    def test_asked_twice_it_goes_on(self) -> None:
        hasher = Hasher(["md5"])
        hasher.update(b"a")
        assert hasher.digests() == (MD5,)
        hasher.update(b"b")
        assert hasher.digests() == digests(b"ab", "md5")

    def test_order_and_spelling_are_the_callers(self) -> None:
        assert [one.algorithm for one in digests(b"", "SHA-256", "adler32", "sha256")] == [
            "sha256",
            "adler32",
        ]

    def test_what_cannot_be_computed_is_refused(self) -> None:
        with pytest.raises(SpecError, match="unixsum") as caught:
            Hasher(["unixsum"])
        assert "adler32" in caught.value.hint


class TestCrc32c:
    # RFC 3720, appendix B.4
    @pytest.mark.parametrize(
        ("data", "value"),
        [
            (bytes(32), "8a9136aa"),
            (b"\xff" * 32, "62a8ab43"),
            (bytes(range(32)), "46dd794e"),
            (b"", "00000000"),
        ],
    )
    def test_vectors(self, data: bytes, value: str) -> None:
        crc = Crc32c()
        crc.update(data)
        assert crc.hexdigest() == value

    @pytest.mark.parametrize("size", [1024, 1025, 1200, 5000, 70_001, 131_072, 131_073, 300_000])
    def test_large_pieces_as_byte_by_byte(self, size: int) -> None:
        data = hashlib.shake_128(b"seed").digest(size)
        whole, bytewise = Crc32c(), Crc32c()
        whole.update(data)
        for start in range(0, size, 1000):  # which the loop over bytes does
            bytewise.update(data[start : start + 1000])
        assert whole.hexdigest() == bytewise.hexdigest()

    def test_a_flipped_bit_anywhere_shows(self) -> None:
        data = bytearray(200_000)
        plain = digests(bytes(data), "crc32c")
        for place in (0, 1, 700, 131_071, 131_072, 199_999):
            data[place] ^= 0x10
            assert digests(bytes(data), "crc32c") != plain
            data[place] ^= 0x10


class TestJoining:
    @given(st.lists(st.binary(max_size=5000), max_size=5))
    def test_parts_give_the_whole(self, pieces: list[bytes]) -> None:
        parts = [(digests(piece, "adler32")[0], len(piece)) for piece in pieces]
        assert joined_adler32(parts).value == f"{zlib.adler32(b''.join(pieces)):08x}"


class TestReading:
    @given(checksums)
    def test_hexadecimal_and_base64(self, checksum: Checksum) -> None:
        name, raw = checksum.algorithm, bytes.fromhex(checksum.value)
        encoded = base64.b64encode(raw).decode()
        for value in (checksum.value, checksum.value.upper(), encoded, f" {checksum.value} ", f":{encoded}:"):
            assert parse_digest(f"{name}={value}") == (checksum,)
        assert parse(f"{name}:{checksum.value}") == parse(f"{name}${encoded}") == checksum
        assert parse(str(checksum)) == checksum

    @pytest.mark.parametrize(
        ("header", "found"),
        [
            ("adler32=0a1b2c3d", ["adler32:0a1b2c3d"]),
            ("adler32=a1b2c3d", ["adler32:0a1b2c3d"]),  # zeros dropped
            ("ADLER32=1", ["adler32:00000001"]),
            ("adler=:ChssPQ==:", ["adler32:0a1b2c3d"]),  # RFC 9530
            ("md5=HUXZLQLMuI/KZ5KDcJPcOA==", ["md5:1d45d92d02ccb88fca6792837093dc38"]),  # RFC 3230
            ("md5=HUXZLQLMuI/KZ5KDcJPcOA", ["md5:1d45d92d02ccb88fca6792837093dc38"]),
            (
                "SHA=thvDyvhfIqlvFe+A9MYgxAfm1q5=,unixsum=30637",
                ["sha1:b61bc3caf85f22a96f15ef80f4c620c407e6d6ae"],
            ),
            ("crc32c=AAAAAA==, crc32c=00000000", ["crc32c:00000000"]),
            ("md5=1,adler32=1", ["adler32:00000001"]),
            ("sha-256=:" + "A" * 43 + "=:;q=1, adler32=2;q=0.5", ["sha256:" + "0" * 64, "adler32:00000002"]),
            ("SHA1:" + "a" * 40 + " ADLER32:0a1b2c3d", ["sha1:" + "a" * 40, "adler32:0a1b2c3d"]),  # ownCloud
            ('adler32="0a1b2c3d"', ["adler32:0a1b2c3d"]),
            ("adler32=1,adler32=2", ["adler32:00000001", "adler32:00000002"]),
            *((text, []) for text in ("", ",", "=", "md5", "md5=", "adler32=", "adler32=0a1b2c3d0", ":")),
            *((text, []) for text in ("adler32=-1", "adler32=0x1", "md5=" + "=" * 24, "md5=é", "sha-3=AA")),
        ],
    )
    def test_what_servers_send(self, header: str, found: list[str]) -> None:
        assert [str(one) for one in parse_digest(header)] == found

    @given(st.text())
    def test_anything_may_come(self, header: str) -> None:
        for one in (*parse_digest(header), *parse_digest(f"adler32={header}"), checksum_of("md5", header)):
            if one:
                assert len(bytes.fromhex(one.value)) == WIDTHS[one.algorithm]
                assert one.value == one.value.lower()

    def test_a_header_of_any_length_costs_little(self) -> None:
        assert len(parse_digest("adler32=1," * 100_000)) == 1
        assert len(parse_digest(",".join(f"adler32={n:x}" for n in range(1000)))) <= 32

    @pytest.mark.parametrize(
        "text",
        [
            *("", ":", "md5", "md5:", "md5:12", "whirlpool:00", "adler32:123456789", "adler32:g", "0a1b2c3d"),
            *("md5:" + "0" * 31, "sha256:" + "0" * 40, "adler32:0a1b2c3d\n0", "md5:\0"),
        ],
    )
    def test_what_a_user_may_not_write(self, text: str) -> None:
        with pytest.raises(SpecError) as caught:
            parse(text)
        assert "adler32" in caught.value.hint
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "plain"),
        [("SHA-256", "sha256"), ("sha", "sha1"), ("Sha-1", "sha1"), ("adler", "adler32"), (" MD5 ", "md5")],
    )
    def test_names(self, name: str, plain: str) -> None:
        assert canonical(name) == plain


class Headers:
    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def all(self, name: str) -> Iterable[str]:
        return [value for key, value in self._pairs if key == name]

    def has_any(self, names: Collection[str]) -> bool:
        return any(key in names for key, _value in self._pairs)


class TestHeaders:
    def test_all_that_tell_a_checksum(self) -> None:
        headers = Headers(
            ("digest", "adler32=0a1b2c3d"),
            ("digest", "adler32=0a1b2c3d"),
            ("x-amz-checksum-crc32c", "AAAAAA=="),
            ("x-amz-checksum-sha256", "AAAA-3"),  # of the parts of an upload
            ("x-goog-hash", "crc32c=AAAAAA=="),
            ("oc-checksum", f"MD5:{OTHER_MD5.value}"),
            ("content-md5", base64.b64encode(bytes.fromhex(MD5.value)).decode()),
        )
        crc = Checksum(algorithm="crc32c", value="00000000")
        assert set(told_by(headers)) == {ADLER, crc, OTHER_MD5, MD5}
        assert set(told_by(headers, whole=False)) == {ADLER, crc, OTHER_MD5}

    def test_asking(self) -> None:
        assert want(["adler32"]) == "adler32"
        assert want(["adler32", "sha256", "sha1"]) == "adler32, sha-256, sha"


class TestComparing:
    @pytest.mark.parametrize(
        ("expected", "found", "verdict"),
        [
            ([], [], None),
            ([ADLER], [MD5], None),
            ([ADLER], [ADLER, MD5], True),
            ([ADLER, MD5], [ADLER, OTHER_MD5], False),
            ([MD5, OTHER_MD5], [MD5], False),  # a server that contradicts itself
        ],
    )
    def test_verdict(self, expected: list[Checksum], found: list[Checksum], verdict: bool | None) -> None:
        assert compare(expected, found) is verdict
        assert compare(iter(expected), iter(found)) is verdict

    def test_how_far_a_file_is_known(self) -> None:
        assert verify("a", Expected(), 3, [MD5]) is Verified.NOTHING
        assert verify("a", Expected(size=3), 3, [MD5]) is Verified.SIZE
        assert verify("a", Expected(size=3, checksums=(ADLER,)), 3, [MD5]) is Verified.SIZE
        assert verify("a", Expected(checksums=(ADLER, MD5)), 3, iter([MD5])) is Verified.CHECKSUM

    def test_a_wrong_size(self) -> None:
        with pytest.raises(Corrupt, match="a has 4 bytes and should have 3") as caught:
            verify("a", Expected(size=3, checksums=(MD5,)), 4, [MD5])
        assert caught.value.hint

    def test_a_wrong_checksum(self) -> None:
        with pytest.raises(Corrupt, match=f"has the md5 {MD5.value} and should have {OTHER_MD5.value}"):
            verify("a", Expected(size=3, checksums=(ADLER, OTHER_MD5)), 3, [ADLER, MD5])

    @given(st.binary(min_size=1, max_size=300), st.data())
    def test_a_flipped_bit_is_corrupt_by_every_algorithm(self, content: bytes, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, 8 * len(content) - 1))
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        for algorithm in ALGORITHMS:
            expected = Expected(size=len(content), checksums=digests(content, algorithm))
            with pytest.raises(Corrupt):
                verify("a", expected, len(damaged), digests(bytes(damaged), algorithm))


class TestXrootd:
    """What a real server makes of what it is asked for, and we of its answer."""

    @pytest.mark.parametrize(
        ("wanted", "algorithm"),
        [
            (["adler32"], "adler32"),
            (["md5", "adler32"], "adler32"),
            (["crc32", "adler32"], "adler32"),
            (["sha256"], "adler32"),  # it tells another one than it was asked for
        ],
    )
    def test_the_first_that_it_knows(self, xrootd: Xrootd, wanted: list[str], algorithm: str) -> None:
        # The sum of these bytes is small: the adler32 begins with zeros.
        for content in (b"", b"a", b"123456789", b"x" * 100_000):
            path = xrootd.root / f"{len(content)}-{'-'.join(wanted)}"
            path.write_bytes(content)
            with Exchange(Settings(), Credentials.none()) as exchange:
                headers = {"Want-Digest": want(wanted)}
                with exchange.ask("HEAD", xrootd.url(path.name), headers=headers) as answer:
                    assert told_by(answer.headers) == digests(content, algorithm)
