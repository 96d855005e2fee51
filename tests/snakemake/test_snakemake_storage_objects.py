"""Storage objects against real servers: the interface's own suite, and what it does not ask."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from snakemake.io import IOCache
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError
from snakemake_interface_storage_plugins.tests import TestStorageBase

from hostile_names import NAMES
from servers.ports import until
from snakemake_runs import ROOTS
from snakemake_storage import literal, make_local, make_provider
from snakemake_storage_plugin_dynafed import StorageObject, StorageProvider, StorageProviderSettings

SLOW = pytest.param("xrootd_federation", marks=pytest.mark.slow)  # it waits for a second where nothing is
SERVERS = ["apache", "xrootd", SLOW, "dynafed"]
# Braces are wildcards, whatever is in them.
HOSTILE = [name for name in NAMES if "{" not in name]


class TestInterface(TestStorageBase):
    """The suite that comes with the interface."""

    __test__ = True
    files_only = False
    touch = True

    @pytest.fixture(autouse=True, params=[*SERVERS, "apache_tls", "xrootd_tls", "dynafed_tls"])
    def server(self, request: pytest.FixtureRequest, pki: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
        self.top = literal(request.getfixturevalue(request.param).url("vo"))

    def get_storage_provider_cls(self) -> type[StorageProvider]:
        return StorageProvider

    def get_storage_provider_settings(self) -> StorageProviderSettings:
        return StorageProviderSettings()

    def get_query(self, tmp_path: Path) -> str:
        return f"{self.top}/suite/some thing.txt"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return f"{self.top}/suite/never there.txt"


class TestReadingTheWeb(TestStorageBase):
    """The same for a file under a percent-encoded URL, which is only read."""

    __test__ = True
    retrieve_only = True

    @pytest.fixture(autouse=True)
    def server(self, apache: Any) -> None:
        (apache.root / "some thing.txt").write_text("content")
        self.apache = apache

    def get_storage_provider_cls(self) -> type[StorageProvider]:
        return StorageProvider

    def get_storage_provider_settings(self) -> StorageProviderSettings:
        return StorageProviderSettings()

    def get_query(self, tmp_path: Path) -> str:
        return str(self.apache.url("some%20thing.txt"))

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return str(self.apache.url("no%20thing.txt"))


class Storage:
    """A place on a server, and a provider."""

    def __init__(self, server: Any, place: Path) -> None:
        self.server = server
        self.top = literal(server.url("vo"))
        self.place = place
        self.provider = make_provider(place)

    def __call__(self, name: str) -> StorageObject:
        one = self.provider.object(f"{self.top}/{name}")
        assert isinstance(one, StorageObject)
        return one

    def store(self, name: str, content: bytes = b"content") -> StorageObject:
        one = self(name)
        make_local(one, content)
        asyncio.run(one.managed_store())
        return one

    def elsewhere(self) -> Storage:
        """Return the same as another process sees it, which has stored nothing."""
        return Storage(self.server, self.place / "elsewhere")


@pytest.fixture(params=SERVERS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Storage(request.getfixturevalue(request.param), tmp_path)


@pytest.fixture(params=[name for name in SERVERS if name is not SLOW])
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A place where a listing has everything; a redirector of XRootD answers for one of its servers."""
    return Storage(request.getfixturevalue(request.param), tmp_path)


@pytest.fixture
def storage(apache: Any, tmp_path: Path) -> Storage:
    return Storage(apache, tmp_path)


def tree(path: Path) -> dict[str, bytes | None]:
    """Return what is in a directory, ``None`` for directories."""
    found = (one for one in path.rglob("*") if one.name != ".snakemake_timestamp")
    return {str(one.relative_to(path)): None if one.is_dir() else one.read_bytes() for one in found}


def test_the_managed_calls(anywhere: Storage) -> None:
    one = anywhere.store("deep/er/file.txt", b"x" * 1000)
    assert asyncio.run(one.managed_exists())
    assert asyncio.run(one.managed_size()) == 1000
    assert asyncio.run(one.managed_local_footprint()) == 1000
    there = anywhere.elsewhere()("deep/er/file.txt")
    asyncio.run(there.managed_retrieve())
    assert there.local_path().read_bytes() == b"x" * 1000
    assert there.local_path().stat().st_mtime == asyncio.run(there.managed_mtime())
    asyncio.run(one.managed_touch())
    asyncio.run(one.managed_remove())
    assert not asyncio.run(one.managed_exists())
    asyncio.run(one.managed_remove())  # as Snakemake does when two runs clean up


def test_hostile_names(anywhere: Storage, request: pytest.FixtureRequest) -> None:
    is_slow = request.node.get_closest_marker("slow") is not None
    names = ("a b", "%2F", "#", "a%20b", "ü") if is_slow else HOSTILE
    for name in names:
        anywhere.store(f"hostile/{name}", name.encode())
    there = anywhere.elsewhere()
    for name in names:
        one = there(f"hostile/{name}")
        assert one.exists(), name
        one.local_path().parent.mkdir(parents=True, exist_ok=True)
        one.retrieve_object()
        assert one.local_path().read_bytes() == name.encode()


def test_globs_of_hostile_names(listed: Storage) -> None:
    for name in HOSTILE:
        listed.store(f"hostile/{name}")
    there = listed.elsewhere()
    matches = there("hostile/{name}").list_candidate_matches()
    assert sorted(matches) == sorted(f"{there.top}/hostile/{name}" for name in HOSTILE)


def test_directories_are_what_they_were(listed: Storage) -> None:
    one = listed("results")
    local = Path(one.local_path())
    (local / "sub dir/sub").mkdir(parents=True)
    for number in range(20):
        (local / f"sub dir/{number}%.txt").write_text(str(number))
    (local / "sub dir/sub/empty").touch()
    (local / "link").symlink_to("sub dir/0%.txt")
    (local / ".snakemake_timestamp").touch()
    asyncio.run(one.managed_store())
    wanted = tree(local)
    assert one.exists()
    assert one.size() == 0
    assert one.mtime() > 0
    there = listed.elsewhere()("results")
    asyncio.run(there.managed_retrieve())
    assert tree(there.local_path()) == wanted
    assert not (there.local_path() / ".snakemake_timestamp").exists()
    # Once more with fewer files: what was there before is gone.
    for path in (local / "sub dir").glob("1*.txt"):
        path.unlink()
    asyncio.run(one.managed_store())
    asyncio.run(there.managed_retrieve())
    assert tree(there.local_path()) == tree(local)
    assert [path.name for path in there.local_path().parent.iterdir()] == ["results"]
    one.remove()
    assert not listed.elsewhere()("results").exists()


def test_what_cannot_be_stored_is_said(storage: Storage) -> None:
    one = storage("results")
    local = Path(one.local_path())
    local.mkdir(parents=True)
    (local / "nowhere").symlink_to("nothing")
    with pytest.raises(WorkflowError, match="neither a file nor a directory"):
        asyncio.run(one.managed_store())
    (local / "nowhere").unlink()
    (local / "itself").symlink_to(".")
    with pytest.raises(WorkflowError, match="link to a directory that it lies in"):
        asyncio.run(one.managed_store())


def test_an_absent_file_is_said_with_its_name(anywhere: Storage) -> None:
    one = anywhere("nothing.txt")
    with pytest.raises(FileOrDirectoryNotFoundError):
        asyncio.run(one.managed_size())
    with pytest.raises(WorkflowError, match=r"nothing\.txt"):
        asyncio.run(one.managed_retrieve())
    assert not one.local_path().exists()


def test_globs(listed: Storage) -> None:
    for name in ("a/1.txt", "a/2.txt", "b/1.txt", "b/deep/3.txt"):
        listed.store(name)
    there = listed.elsewhere()
    found = set(there("{letter}/{number}.txt").list_candidate_matches())
    wanted = {f"{there.top}/{name}" for name in ("a/1.txt", "a/2.txt", "b/1.txt", "b/deep/3.txt")}
    assert wanted <= found
    assert set(there("a/{x}").list_candidate_matches()) == {f"{there.top}/a/1.txt", f"{there.top}/a/2.txt"}
    assert list(there("nothing/{x}").list_candidate_matches()) == []


def test_globs_of_encoded_names(apache: Any, tmp_path: Path) -> None:
    (apache.root / "a b").mkdir()
    (apache.root / "a b/100%.txt").touch()
    one = make_provider(tmp_path).object(apache.url("a%20b/{x}.txt"))
    assert list(one.list_candidate_matches()) == [apache.url("a%20b/100%25.txt")]


def names(storage: Storage, method: str) -> list[str]:
    return [one.path for one in storage.server.requests() if one.method == method]


def ask(objects: list[StorageObject]) -> list[bool]:
    """Ask for all objects as Snakemake does while it plans; return whether they exist."""

    async def exist() -> list[bool]:
        cache = IOCache(max_wait_time=20)
        await objects[0].inventory(cache)
        return [await one.managed_exists() for one in objects]

    return asyncio.run(exist())


def test_one_listing_answers_for_a_directory(storage: Storage) -> None:
    for number in range(50):
        storage.store(f"many/{number}.txt")
    there = storage.elsewhere()
    storage.server.forget()
    assert ask([there(f"many/{number}.txt") for number in range(100)]) == [True] * 50 + [False] * 50
    listings = [one for one in storage.server.requests() if one.headers.get("depth") == "1"]
    assert len(listings) == 1
    # A few of those that the listing misses are asked for, until it is believed.
    assert len(storage.server.requests()) < 50


def test_what_a_listing_tells_goes_into_the_cache(storage: Storage) -> None:
    one = storage.store("many/1.txt", b"12345")
    there = storage.elsewhere()("many/1.txt")
    cache = IOCache(max_wait_time=20)
    asyncio.run(there.inventory(cache))
    key = there.cache_key()
    assert cache.exists_in_storage[key]
    assert cache.size[key] == 5
    assert cache.mtime[key].storage() == one.mtime()


def test_an_old_listing_is_not_believed(dynafed: Any, tmp_path: Path) -> None:
    storage = Storage(dynafed, tmp_path)
    storage.store("many/old.txt")
    dynafed.catalogue.ttl = 3600.0
    there = storage.elsewhere()
    assert there("many/old.txt").exists()
    assert ask([there("many/old.txt")]) == [True]  # from now on the federation has a listing
    for number in range(3):
        storage.store(f"many/new {number}.txt")
    wanted = [True] * 3 + [False] * 30
    assert ask([there(f"many/new {number}.txt") for number in range(33)]) == wanted


class Quiet(SimpleHTTPRequestHandler):
    """A web server that knows no WebDAV."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_server_that_lists_nothing_is_asked_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/last.txt").write_text("content")
    handler = partial(Quiet, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        provider = make_provider(tmp_path)
        top = f"http://127.0.0.1:{server.server_port}"
        queries = [*(f"{top}/{number}.txt" for number in range(30)), f"{top}/last.txt"]
        assert ask([provider.object(query) for query in queries]) == [False] * 30 + [True]
        server.shutdown()


def test_a_cache_that_is_switched_off_is_not_used(storage: Storage) -> None:
    there = storage.elsewhere()
    one = there("many/1.txt")
    cache = IOCache(max_wait_time=20)

    async def exists() -> bool:
        await one.inventory(cache)
        before = await one.managed_exists()
        cache.deactivate()
        storage.store_in_thread = asyncio.to_thread(storage.store, "many/1.txt")  # type: ignore[attr-defined]
        await storage.store_in_thread  # type: ignore[attr-defined]
        return not before and await one.managed_exists()

    assert asyncio.run(exists())


def test_transfers_go_on_at_once(storage: Storage) -> None:
    objects = [storage.store(f"{number}.txt", b"x" * 1000) for number in range(20)]
    there = storage.elsewhere()
    copies = [there(f"{number}.txt") for number in range(len(objects))]

    async def retrieve() -> None:
        async with asyncio.TaskGroup() as group:
            for one in copies:
                group.create_task(one.managed_retrieve())

    asyncio.run(retrieve())
    assert all(one.local_path().read_bytes() == b"x" * 1000 for one in copies)


def test_checksums_are_of_a_kind_that_snakemake_knows(anywhere: Storage) -> None:
    one = anywhere.store("some.txt", b"content")
    for checksum in (one.checksum(), anywhere.elsewhere()("some.txt").checksum()):
        assert checksum in (None, "md5:9a0364b9e99bb480dd25e1f0284c8555")
    assert anywhere("").checksum() is None if anywhere("").exists() else True


def test_a_rate_is_kept(storage: Storage) -> None:
    provider = make_provider(storage.place, max_requests_per_second=1000)
    one = provider.object(f"{storage.top}/x")
    assert not asyncio.run(one.managed_exists())
    assert provider.use_rate_limiter()
    assert not storage.provider.use_rate_limiter()


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake_storage_plugin_dynafed.settings import client_settings

    monkeypatch.setenv("DODAS_STORAGE_TOKEN_HOSTS", "env.example.org")
    monkeypatch.setenv("DODAS_STORAGE_PER_HOST", "3")
    plain = client_settings(StorageProviderSettings())
    assert (plain.token_hosts, plain.per_host) == (("env.example.org",), 3)
    given = client_settings(
        StorageProviderSettings(token_hosts="*.a.org, b.org:8443", prefer="site1,b.org", per_host=2)
    )
    assert given.token_hosts == ("*.a.org", "b.org:8443")
    assert (given.prefer, given.per_host) == (("site1", "b.org"), 2)
    listed = StorageProviderSettings(token_hosts=["a.org"])  # type: ignore[arg-type]  # as a Snakefile may
    assert client_settings(listed).token_hosts == ("a.org",)
    for wrong in ({"per_host": 0}, {"token_hosts": "a b/c"}, {"per_host": "many"}):
        with pytest.raises(WorkflowError, match="storage dynafed: "):
            make_provider(tmp_path, **wrong)


RETRIEVE = """
import sys
from pathlib import Path
from snakemake_storage import make_provider
one = make_provider(Path(sys.argv[1])).object(sys.argv[2])
one.local_path().parent.mkdir(parents=True, exist_ok=True)
one.retrieve_object()
"""


def test_a_killed_run_leaves_no_half_directory(storage: Storage) -> None:
    local = Path(storage("results").local_path())
    local.mkdir(parents=True)
    for number in range(300):
        (local / f"{number}.txt").write_text(str(number))
    asyncio.run(storage("results").managed_store())
    there = storage.elsewhere()("results")
    roots = [*ROOTS, str(Path(__file__).parents[1])]
    command = [sys.executable, "-c", RETRIEVE, str(storage.place / "elsewhere"), there.query]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
    with subprocess.Popen(command, env=env) as process:
        folder = there.local_path().parent
        until(lambda: any(folder.glob(".dodas-*.tree/*")), what="the first file")
        process.kill()
    assert not there.local_path().exists()
    asyncio.run(there.managed_retrieve())
    assert tree(there.local_path()) == tree(local)
    assert os.listdir(folder) == ["results"]


def test_a_transfer_that_nobody_waits_for_ends(storage: Storage) -> None:
    (storage.server.root / "vo").mkdir()
    with (storage.server.root / "vo/large").open("wb") as file:
        file.truncate(2 << 30)
    one = storage("large")

    async def interrupt() -> None:
        task = asyncio.create_task(one.managed_retrieve())
        folder = one.local_path().parent
        begun = partial(until, lambda: any(folder.glob(".dodas-*")), what="the first bytes")
        await asyncio.to_thread(begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert not one.local_path().exists()
    # There is one thread for each transfer, and all of them are free.
    others = [storage.store(f"{number}.txt") for number in range(20)]
    assert all(other.exists() for other in others)
    assert not one.local_path().exists()


def test_a_failure_keeps_what_was_there(storage: Storage) -> None:
    one = storage.store("x.txt", b"old")
    there = storage.elsewhere()("x.txt")
    make_local(there, b"local")
    one.remove()
    with pytest.raises(WorkflowError):
        there.retrieve_object()
    assert there.local_path().read_bytes() == b"local"
    assert os.listdir(there.local_path().parent) == ["x.txt"]


def test_being_installed_costs_nothing_but_the_interface() -> None:
    program = """
import sys
import snakemake_interface_storage_plugins.storage_object
import snakemake_interface_storage_plugins.storage_provider
before = set(sys.modules)
import snakemake_storage_plugin_dynafed
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
print(*sorted(name for name in sys.modules if name.startswith("dodas")))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env
    )
    assert done.stdout.splitlines() == ["dodas snakemake_storage_plugin_dynafed", "dodas dodas.errors"]


@pytest.fixture(autouse=True)
def quick_failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DODAS_STORAGE_ATTEMPTS", "2")
    yield
