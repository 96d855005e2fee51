"""Settings of storage: from the environment, and to that of others."""

from __future__ import annotations

import pytest

from dodas.errors import SpecError
from dodas.staging.settings import Settings
from dodas.staging.urls import parse

SOME = Settings(
    token_hosts=("a.example", "*.b.example:443"),
    prefer=("cern", "*.it"),
    per_host=3,
    connect_timeout=1.5,
    idle_timeout=7.0,
    attempts=1,
    max_wait=0.5,
    streams=2,
    large=1000,
    verify=False,
)


def test_the_usual_settings_say_nothing() -> None:
    assert Settings().to_environment() == {}
    assert Settings.from_environment({}) == Settings()


def test_settings_survive_the_environment() -> None:
    assert Settings.from_environment(SOME.to_environment()) == SOME


def test_commas_and_blanks_divide() -> None:
    settings = Settings.from_environment({"DODAS_STORAGE_TOKEN_HOSTS": " A.example, b:8443  *.c "})
    assert settings.token_hosts == ("a.example", "b:8443", "*.c")
    assert settings.may_see_credentials(parse("davs://x.c/"))
    assert not settings.may_see_credentials(parse("davs://b/"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_HOSTS", "*"),
        ("TOKEN_HOSTS", "https://host/"),
        ("PER_HOST", "0"),
        ("PER_HOST", "many"),
        ("ATTEMPTS", "-1"),
        ("CONNECT_TIMEOUT", "0"),
        ("IDLE_TIMEOUT", "nan"),
        ("MAX_WAIT", "1e9"),
        ("VERIFY", "perhaps"),
        ("STREAMS", "1000"),
    ],
)
def test_a_useless_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SpecError, match=f"DODAS_STORAGE_{name}") as caught:
        Settings.from_environment({f"DODAS_STORAGE_{name}": value})
    assert caught.value.hint


@pytest.mark.parametrize("wrong", [{"per_host": 0}, {"idle_timeout": -1.0}, {"token_hosts": ("*",)}])
def test_settings_are_valid_once_made(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        Settings(**wrong)  # type: ignore[arg-type]
