"""What the user asked for when a pool was made, and what was found out then."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dodas import whole
from dodas.errors import StoreError
from dodas.pool.layout import Layout, unknown

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """A central manager that was there already, as it was found.

    Attributes:
        schedd: Name of the daemon with the queue that is followed.
        users: Whose jobs workers are for; ``*`` for everybody's.
        files: FILESYSTEM_DOMAIN of who submits there.
        trust: TRUST_DOMAIN of the pool.
        config: The user's own CONDOR_CONFIG; empty if there is none.
        maker: The command that makes the tokens of workers; empty where the user gave one.
        identity: Whom these tokens make a worker.
        mark: What workers say so that those of others who call their pool the same are not taken for ours.
        asked: What the description said of the central manager when it was found.
    """

    schedd: str
    users: tuple[str, ...]
    files: str
    trust: str
    config: str
    maker: str
    identity: str
    mark: str
    asked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A pool as it is to be.

    Attributes:
        cpus: Processors that jobs may take on this host; 0 for a pool whose workers are all elsewhere.
        memory: Memory that jobs may take, in MiB.
        image: Image with HTCondor; empty for that of the host.
        shared_disk: Whether the node sees the directories of the host.
        port: TCP port of the daemons that take and match jobs.
        user: What the user is called in the pool.
        source: Where HTCondor was found, for people.
        host: Address at which they listen.
        existing: What is known of them where they are not dodas'.
    """

    cpus: int
    memory: int
    image: str
    shared_disk: bool
    port: int
    user: str
    source: str = ""
    host: str = LOOPBACK
    existing: Existing | None = None

    @property
    def collector(self) -> str:
        """Address of the collector."""
        return f"{self.host}:{self.port}"

    @property
    def has_node(self) -> bool:
        """Whether this host runs jobs of the pool itself."""
        return self.cpus > 0

    def write(self, layout: Layout) -> None:
        """Keep it in the pool's directory."""
        whole.write(layout.at("pool.json"), json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def of(cls, layout: Layout) -> Definition:
        """Return that of a pool which exists; errors are those of :meth:`read`.

        Raises:
            SpecError: There is no such pool any more.
        """
        definition = cls.read(layout)
        if definition is None:
            raise unknown(layout.name)
        return definition

    @classmethod
    def read(cls, layout: Layout) -> Definition | None:
        """Return that of a pool; ``None`` if there is no such pool.

        Raises:
            StoreError: The file is damaged.
        """
        path = layout.at("pool.json")
        try:
            with open(path, encoding="utf-8") as file:
                plain = json.load(file)
            if plain.get("existing"):
                existing = plain["existing"]
                plain["existing"] = Existing(**{**existing, "users": tuple(existing["users"])})
            return cls(**plain)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{path} cannot be read: {error}", hint=f"remove {layout.root}") from error
