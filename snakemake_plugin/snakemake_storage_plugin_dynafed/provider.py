"""The storage of a workflow, as Snakemake sees it."""

from __future__ import annotations

from threading import Lock
from weakref import finalize

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.common import Operation
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    QueryType,
    StorageProviderBase,
    StorageQueryValidationResult,
)

from dodas.errors import DodasError
from snakemake_storage_plugin_dynafed import queries
from snakemake_storage_plugin_dynafed.aside import Aside, is_aside
from snakemake_storage_plugin_dynafed.inventory import Inventory
from snakemake_storage_plugin_dynafed.objects import StorageObject
from snakemake_storage_plugin_dynafed.settings import StorageProviderSettings, client_settings
from snakemake_storage_plugin_dynafed.site import Site

_EXAMPLES = (
    (
        "davs://dynafed.example.org/vo/data/{sample}.txt",
        "files behind a Dynafed federation",
    ),
    ("davs://dav.example.org:8443/vo/results", "a file or directory on a WebDAV server"),
    ("dynafed://dynafed.example.org/vo/data.root", "another spelling of davs://"),
    ("dav://dav.example.org/vo/data.txt", "the same without TLS, and therefore without a token"),
)


class StorageProvider(StorageProviderBase):
    """One storage with its settings; connects when it is first used."""

    settings: StorageProviderSettings | None

    def __post_init__(self) -> None:
        """Look at the settings."""
        try:
            self._client_settings = client_settings(self.settings or StorageProviderSettings())
        except (DodasError, ValueError) as error:
            hint = getattr(error, "hint", "")
            raise WorkflowError(f"storage dynafed: {error}\n{hint}".rstrip()) from error
        self.aside = Aside(self._client_settings.per_host)
        self.inventory = Inventory()
        self._lock = Lock()
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """What answers."""
        with self._lock:
            if self._site is None:
                from dodas.staging.storage import Storage  # noqa: PLC0415

                storage = Storage(self._client_settings)
                finalize(self, storage.close)
                self._site = Site(storage)
            return self._site

    def step_environment(self) -> dict[str, str]:
        """Return variables with which steps of dodas have the same settings."""
        return self._client_settings.to_environment()

    @classmethod
    def get_storage_object_cls(cls) -> type[StorageObject]:
        """Return what a file is."""
        return StorageObject

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        """Return examples for the documentation of plugins."""
        examples = [ExampleQuery(query=one, description=text, type=QueryType.ANY) for one, text in _EXAMPLES]
        read = "a file on a web server, which can be read"
        return [*examples, ExampleQuery("https://example.org/data%20set.txt", read, QueryType.INPUT)]

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        """Tell whether ``query`` is one of ours; it may have wildcards."""
        problem = queries.problem(query)
        shown = queries.shown(query)
        return StorageQueryValidationResult(query=shown, valid=not problem, reason=problem or None)

    def safe_print(self, query: str) -> str:
        """Return ``query`` without what signs it."""
        return queries.shown(query)

    def use_rate_limiter(self) -> bool:
        """Tell whether questions wait for their turn: if the user has set a rate, before they go to a thread.

        Without one, the client bounds its connections, and waits for as long as a busy server asks it to.
        """
        return not is_aside() and bool(self.settings and self.settings.max_requests_per_second)

    def rate_limiter_key(self, query: str, operation: Operation) -> str:
        """Return the host."""
        return query.partition("://")[2].partition("/")[0]

    def default_max_requests_per_second(self) -> float:
        """Return a rate that is never reached."""
        return 10_000.0
