#!/usr/bin/env python3
"""Stand-ins for the images that Snakemake's own tests of apptainer name, made of Debian packages.

With them in the store, those tests run under `dodas env` where there is no registry; ``CI=1`` keeps those
from being skipped that would ask one:

    export DODAS_STORE=DIRECTORY
    python tools/snakemake_suite_images.py
    eval "$(dodas env)"
    CI=1 python tools/snakemake_suite.py --tests "singularity or container or 1083 or issue78 or 3361"
"""

from __future__ import annotations

from conformance_images import missing
from dodas.containers.packages.recipe import BASE, Recipe

NAMES = ("alpine", "bash", "bash:5.3.3", "busybox:1.33", "python:3.8.3", "python:3.9", "ubuntu:24.04")
_TREE = Recipe(name="localhost/dodas/snakemake-suite:1", packages=(*BASE, "mount"))


def main() -> None:
    """Put the images into the store that ``DODAS_STORE`` or the default names."""
    for name in missing(NAMES, _TREE):
        print(name)


if __name__ == "__main__":
    main()
