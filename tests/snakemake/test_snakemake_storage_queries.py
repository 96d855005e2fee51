"""What may stand in ``storage(…)``, and what it is called elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_common.plugin_registry import PluginRegistryBase
from snakemake_interface_common.plugin_registry.tests import TestRegistryBase
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

from snakemake_storage_plugin_dynafed import StorageProvider, StorageProviderSettings, queries

# Surrogates stand for bytes that are no text, as far as there are bytes: see os.fsdecode.
LETTER = st.characters(exclude_characters="/\0{}", exclude_categories=["Cs"]) | st.sampled_from(
    "\udc80\udcff"
)
NAME = st.text(LETTER, min_size=1).filter(lambda name: name not in (".", ".."))
NAMES = st.lists(NAME, min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(
    "query",
    [
        "davs://h/a",
        "dav://h:8080/a b/c?d#e%41",
        "dynafed://h/{x}/{y,[0-9]{2}/?}.txt",
        "dynafed://[::1]:1094//store/x",
        "https://h/a%20b?q={x}",
        "http://h/a/",
        "davs://{site}/x",
    ],
)
def test_good_queries(query: str) -> None:
    assert StorageProvider.is_valid_query(query)
    plugin: Any = StoragePluginRegistry().get_plugin("dynafed")
    assert plugin.storage_provider.is_valid_query(query)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("s3://h/a", "starts with none of davs://"),
        ("/a/b", "starts with none of"),
        ("davs:/h/a", "starts with none of"),
        ("davs://h", "names no file"),
        ("davs://h//", "names no file"),
        ("davs:///a", "names no server"),
        ("davs://h/../a", ". or .."),
        ("davs://h/a/.", ". or .."),
        ("davs://h/{x}/..", ". or .."),
        ("davs://h:x/a", "names no server"),
        ("davs://h/a\0", "zero byte"),
        ("https://h/a#b", "%23"),
        ("davs://h/\udd00", "character"),
    ],
)
def test_bad_queries(query: str, why: str) -> None:
    result = StorageProvider.is_valid_query(query)
    assert not result
    assert why in (result.reason or "")


class TestRegistry(TestRegistryBase):
    """What the interface asks of options."""

    __test__ = True

    def get_registry(self) -> PluginRegistryBase[Any]:
        return StoragePluginRegistry()

    def get_test_plugin_name(self) -> str:
        return "dynafed"

    def validate_plugin(self, plugin: Any) -> None:
        assert plugin.settings_cls is StorageProviderSettings
        assert plugin.is_read_write()

    def validate_settings(self, settings: Any, plugin: Any) -> None:
        assert isinstance(settings, StorageProviderSettings)
        assert settings.token_hosts in ("*.a.org,b.org", "c.org")
        assert settings.per_host == 3

    def get_example_args(self) -> list[str]:
        hosts = ("--storage-dynafed-token-hosts", "*.a.org,b.org", "near::c.org")
        return [*hosts, "--storage-dynafed-per-host", "3"]


def test_what_is_shown_holds_no_secret() -> None:
    for query in (
        "davs://user:geheim@h/a",
        "davs://user:geheim@h/../a",
        "https://geheim@h/?X-Amz-Signature=geheim",
    ):
        result = StorageProvider.is_valid_query(query)
        assert not result
        assert "geheim" not in str(result)
    signed = "https://h/a?X-Amz-Signature=geheim"
    assert "geheim" not in queries.on_disk(signed) + queries.shown(signed)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("davs://H.example.org/a/b.txt", "davs/h.example.org/a/b.txt"),
        ("dynafed://h/a", "davs/h/a"),
        ("dav://h:8080/a b/", "dav/h_8080/a b"),
        ("davs://[::1]:1094/x", "davs/__1_1094/x"),
        ("https://h/a%20b", "https/h/a%20b"),
        ("davs://h/{x,a|b}/{y}.txt", "davs/h/{x,a|b}/{y}.txt"),
        ("https://h/get?x={x}", "https/h/get?x={x}"),
    ],
)
def test_paths_of_local_copies(query: str, path: str) -> None:
    assert queries.on_disk(query) == path


@given(NAMES)
def test_literal_names_stay_what_they_are(names: tuple[str, ...]) -> None:
    top = "davs://h/top/"
    query = queries.below(top, names)
    assert query == top + "/".join(names)
    assert queries.names_below(queries.address(top), queries.address(query)) == names
    assert queries.on_disk(query).rstrip("/") == f"davs/h/top/{'/'.join(names)}"


@given(NAMES)
def test_encoded_names_are_decoded_once(names: tuple[str, ...]) -> None:
    top = "https://h/top"
    query = queries.below(top, names)
    assert queries.names_below(queries.address(top), queries.address(query)) == names
    assert queries.is_listed(query)


@given(NAMES, NAMES)
def test_different_names_have_different_places(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = (queries.below("davs://h", names) for names in (one, other))
    assert (queries.on_disk(first) == queries.on_disk(second)) == (one == other)
    assert queries.on_disk(first) != queries.on_disk(queries.below("https://h", one))


def test_what_lies_elsewhere_is_not_below() -> None:
    for url in ("davs://h/topmost/x", "davs://h/other", "davs://h/top"):
        with pytest.raises(ValueError, match="not below"):
            queries.names_below("davs://h/top", url)


def test_directories_and_fixed_parts() -> None:
    assert queries.folder("davs://h/a/b?c/d") == "davs://h/a/b?c/"
    assert queries.folder("https://h/a/b?c=/d") == "https://h/a/"
    assert queries.fixed_folder("davs://h/a/b{x}/c") == "davs://h/a/"
    assert queries.fixed_folder("davs://h/{x}") == "davs://h/"
    assert not queries.is_listed("https://h/a?b")
    assert queries.is_listed("davs://h/a?b")
