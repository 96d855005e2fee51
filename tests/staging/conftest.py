"""What tests of storage have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dodas.auth.credentials import Credentials
from dodas.staging.exchange import Exchange
from dodas.staging.settings import Settings


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Speak to servers with no credentials."""
    with Exchange(Settings(), Credentials.from_environment({})) as exchange:
        yield exchange
