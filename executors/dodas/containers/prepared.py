"""A root file system that is ready for steps."""

from __future__ import annotations

from dodas.values import dataclass


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """What an image says about running it (OCI image configuration, section ``config``).

    Attributes:
        env: Environment variables.
        entrypoint: Words before the command.
        cmd: Command when none is given.
        workdir: Working directory.
        user: User, as written in the image.
    """

    env: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class PreparedRoot:
    """One image, unpacked once on this node, shared by all steps and changed by none.

    Attributes:
        path: The root directory (``ROOT`` of an ordinary udocker container).
        digest: ``sha256:…`` of the image's manifest, or of the archive's content when there is none.
        container: Id of the udocker container.
        lock: File on which users of the root hold a shared ``flock``; the collector takes it exclusively.
        config: How the image wants to be run.
    """

    path: str
    digest: str
    container: str
    lock: str
    config: ImageConfig
