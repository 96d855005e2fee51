"""What ``snakemake --storage-dynafed-…`` accepts, and ``storage dynafed:`` in a Snakefile.

Snakemake reads the annotations of :class:`StorageProviderSettings` at run time: no postponed annotations
here, and ``Optional[X]`` where other modules say ``X | None``.  It hands values to second Snakemakes as text.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Optional, Union

from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase

if TYPE_CHECKING:
    from dodas.staging.settings import Settings


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    """Options of the storage; what is not given here is taken from ``DODAS_STORAGE_…``.

    Attributes:
        token_hosts: Hosts that may see the user's token or proxy, besides those in the user's own URLs.
        prefer: Hosts and sites whose replicas are taken first.
        per_host: Connections to one host at a time.
    """

    token_hosts: Optional[str] = field(
        default=None,
        metadata={
            "help": "Hosts that may see your token or proxy when a federation sends you there, such as "
            "'*.example.org,se.example.com:8443' (default: only those in your own URLs).",
            "metavar": "HOST[,HOST…]",
        },
    )
    prefer: Optional[str] = field(
        default=None,
        metadata={
            "help": "Hosts or sites whose replicas are tried first, best first, separated by commas.",
            "metavar": "HOST[,HOST…]",
        },
    )
    per_host: Optional[int] = field(
        default=None,
        metadata={"help": "Connections to one host at a time (default: 8).", "metavar": "N", "type": int},
    )


def client_settings(given: StorageProviderSettings) -> "Settings":
    """Return the settings of the client: those of the environment, and what is ``given`` over them.

    Raises:
        SpecError: A value makes no sense.
    """
    # Not before the first transfer: Snakemake starts often.
    from dodas.staging.settings import Settings  # noqa: PLC0415

    chosen = Settings.from_environment()
    if given.token_hosts is not None:
        chosen = replace(chosen, token_hosts=_words(given.token_hosts))
    if given.prefer is not None:
        chosen = replace(chosen, prefer=_words(given.prefer))
    if given.per_host is not None:
        chosen = replace(chosen, per_host=int(given.per_host))
    return chosen


def _words(value: Union[str, Iterable[str]]) -> tuple[str, ...]:
    # A Snakefile may give a list as well.
    return tuple(value.replace(",", " ").split() if isinstance(value, str) else value)
