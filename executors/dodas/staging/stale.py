"""What a server says of another file than the one that it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from dodas.staging.response import Response


def forget_stale(response: Response, fields: Mapping[str, str]) -> None:
    """Drop the checksum from an answer that was not asked for one and may have kept it from an earlier one.

    XRootD, up to 5.5 at least, tells with each GET the checksum that was last wanted on the connection, of
    whatever file that was.

    Args:
        response: The answer.
        fields: Header fields of the request.
    """
    if not response.headers.get("server", "").lower().startswith("xrootd"):
        return
    if not any(name.lower() == "want-digest" for name in fields):
        response.headers = response.headers.without("digest")
