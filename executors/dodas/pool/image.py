"""The image with HTCondor in it, made of Debian packages where nobody has brought another."""

from __future__ import annotations

from contextlib import suppress

from dodas.containers.packages.recipe import BASE, NO_INSTALLER, Recipe
from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import OnProgress, Say, ignore, silent
from dodas.errors import ImageNotFound

RECIPE = Recipe(
    name="localhost/dodas/htcondor:1",
    # What people expect of a worker node besides; no step needs them.
    packages=(*BASE, "ca-certificates", "condor", "iproute2", "less"),
    without=(
        *NO_INSTALLER,
        # Serve what a pool of one user does not have: accounts to make, encrypted scratch, a web page of the
        # credential monitor, transfers to and from cloud stores.
        "adduser",
        "cryptsetup",
        "libdate-manip-perl",
        "libjs-bootstrap5",
        "libjs-jquery",
        "python3-cryptography",
        "python3-requests",
    ),
    cmd=("condor_master", "-f"),
    suite="forky",  # the first Debian since 11 that has HTCondor
)


def root(name: str, *, progress: OnProgress = ignore, say: Say = silent) -> PreparedRoot:
    """Return the prepared root of an image with HTCondor.

    Args:
        name: The image; empty for dodas' own, which is made if it is missing.
        progress: Told how far fetching and unpacking are.
        say: Told in words what goes on.

    Raises:
        ImageError: It cannot be had.
        SpecError: There is no HTCondor in it.
    """
    from dodas.containers.prepare import prepare  # noqa: PLC0415 - slow to import
    from dodas.containers.store import Store  # noqa: PLC0415

    if not name:
        make(progress=progress, say=say)
    return prepare(Store(), name or RECIPE.name, progress=progress)


def make(*, progress: OnProgress = ignore, say: Say = silent, anew: bool = False) -> bool:
    """Make the image with HTCondor out of Debian packages unless the store has it; tell whether it was made.

    Args:
        progress: Told how far it is.
        say: Told in words what goes on.
        anew: Whether to make it even if there is one, for newer packages.

    Raises:
        ImageNotFound: The packages cannot be had here.
    """
    from dodas.containers.packages import build  # noqa: PLC0415 - slow to import, and needed once
    from dodas.containers.store import Store, lookup  # noqa: PLC0415

    if not anew:
        with suppress(ImageNotFound):
            lookup(Store(), RECIPE.name)
            return False
    say("making an image with HTCondor out of Debian packages, once")
    try:
        return build.load(RECIPE, progress=progress)
    except build.FAULTS as error:
        raise ImageNotFound(
            f"the image {RECIPE.name} cannot be made here: {error}",
            hint="install HTCondor on this host, or name an image that has it: --image htcondor/mini",
        ) from error
