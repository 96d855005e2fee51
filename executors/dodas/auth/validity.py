"""When a certificate ends, read from its file.

The ``ssl`` module of Python shows the certificates of others only.  The few steps through the DER encoding
(X.690) down to ``notAfter`` (RFC 5280, section 4.1) are simple.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime, timezone

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def not_after(pem: str) -> float | None:
    """Return the earliest end of the certificates in ``pem``, in seconds since 1970.

    A proxy stands before the certificate that made it, and neither is worth anything without the other.
    ``None`` if there is nothing that could be read.
    """
    ends = [end for end in map(_end_of, _certificates(pem)) if end is not None]
    return min(ends, default=None)


def _certificates(pem: str) -> Iterator[bytes]:
    for part in pem.split(_BEGIN)[1:]:
        body, found, _rest = part.partition(_END)
        if found:
            try:
                yield ssl.PEM_cert_to_DER_cert(f"{_BEGIN}\n{body.strip()}\n{_END}\n")
            except ValueError:
                continue


def _end_of(der: bytes) -> float | None:
    try:
        [certificate] = _values(der, _SEQUENCE)[:1]
        [signed] = _values(certificate, _SEQUENCE)[:1]
        fields = [one for one in _elements(signed) if one[0] != _VERSION]
        validity = fields[3][1]  # after serial number, algorithm, issuer
        tag, text = list(_elements(validity))[1]
        return _time(tag, text.decode("ascii"))
    except (ValueError, IndexError):
        return None


def _time(tag: int, text: str) -> float:
    if tag == _UTC_TIME:  # two digits of the year, 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def _values(data: bytes, tag: int) -> list[bytes]:
    return [value for found, value in _elements(data) if found == tag]


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > len(data):
            raise ValueError
        yield tag, data[at : at + size]
        at += size
