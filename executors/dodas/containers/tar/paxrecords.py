"""Extended headers of pax archives."""

from __future__ import annotations

from dodas.containers.tar.faults import TarFault

Pax = dict[bytes, bytes]
# Sparse format 0.0 repeats its keys; they are kept together, separated as format 0.1 has them.
_REPEATED = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


def parse_pax(text: bytes) -> Pax:
    """Return the records ``LENGTH KEY=VALUE``, each a line, of an extended header.

    Raises:
        TarFault: They are not of that form.
    """
    records: Pax = {}
    sparse: list[bytes] = []
    at = 0
    while at < len(text):
        digits, space, _ = text[at : at + 10].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = text[at : at + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if not (space and key and equals and len(record) == length and record.endswith(b"\n")):
            raise TarFault("an extended header is damaged")
        if key in _REPEATED:
            sparse.append(value)
        else:
            records[key] = value
        at += length
    if sparse:
        records[b"GNU.sparse.map"] = b",".join(sparse)
    return records
