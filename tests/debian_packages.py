"""Tests that need Debian packages run where these can be had."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

import debs
from needs import need

T = TypeVar("T")


def with_packages(function: Callable[[], T]) -> T:
    """Return what ``function`` returns; skip if packages cannot be had, fail if ``DODAS_TEST_STRICT=1``."""
    need("apt-get", "dpkg-deb")
    try:
        return function()
    except debs.DebsError as error:
        if os.environ.get("DODAS_TEST_STRICT") == "1":
            raise
        pytest.skip(f"no Debian packages here: {error}")
