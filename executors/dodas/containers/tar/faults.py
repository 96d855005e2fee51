"""What is wrong with an archive."""

from __future__ import annotations


class TarFault(ValueError):
    """The bytes are not what they should be; the message says how, without naming the file."""
