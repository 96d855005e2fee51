"""What is in each image."""

from __future__ import annotations

from dodas.containers.packages.recipe import BASE, NO_INSTALLER, Recipe

# Serve matplotlib's windows, PDF files and web pages, and compiling with scipy: 800 MB.
_NO_WINDOWS = (
    "libjs-jquery",
    "libjs-jquery-ui",
    "python3-fonttools",
    "python3-pil.imagetk",
    "python3-pythran",
)

RECIPES = {
    "sequencing": Recipe(
        name="localhost/dodas/sequencing:1",
        packages=(*BASE, "bcftools", "bwa", "python3-matplotlib", "python3-numpy", "samtools"),
        without=(*NO_INSTALLER, *_NO_WINDOWS),
    ),
    "physics": Recipe(
        name="localhost/dodas/physics:1",
        packages=(*BASE, "python3-matplotlib", "python3-numpy", "python3-scipy"),
        without=(*NO_INSTALLER, *_NO_WINDOWS),
    ),
    "test-debian": Recipe(name="localhost/dodas/test/debian:1"),
    "bench-large": Recipe(
        name="localhost/dodas/bench/large:1",
        packages=(*BASE, "g++", "gcc", "gfortran", "perl", "python3-numpy", "python3-scipy"),
        without=("debconf", "init-system-helpers", "usrmerge", "python3-pythran"),
    ),
}
