"""A loop over files with ``requests``, as one would write it: a session, 1 MiB at a time, no checksum."""

from __future__ import annotations

import sys

import requests


def main(verb: str, *arguments: str) -> None:
    """Do it."""
    with requests.Session() as session:
        pairs = [arguments] if not verb.endswith("-many") else list(_pairs(arguments[0]))
        for source, target in pairs:
            (_get if verb.startswith("get") else _put)(session, source, target)


def _get(session: requests.Session, url: str, path: str) -> None:
    with session.get(url, stream=True, timeout=60) as response, open(path, "wb") as file:
        response.raise_for_status()
        for block in response.iter_content(1 << 20):
            file.write(block)


def _put(session: requests.Session, path: str, url: str) -> None:
    with open(path, "rb") as file:
        session.put(url, data=file, timeout=60).raise_for_status()


def _pairs(listing: str) -> list[tuple[str, ...]]:
    with open(listing, encoding="utf-8") as lines:
        return [tuple(line.split()) for line in lines]


if __name__ == "__main__":
    main(*sys.argv[1:])
