"""Workflows for Snakemake that others wrote, with the Debian packages that have their tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dodas.containers.packages.recipe import BASE, NO_INSTALLER, Recipe

# Serve windows, PDF files and web pages of matplotlib, and compiling.
_NO_WINDOWS = (
    "libjs-jquery",
    "libjs-jquery-ui",
    "python3-fonttools",
    "python3-pil.imagetk",
    "python3-pythran",
)
_LEFT_OUT = (*NO_INSTALLER, *_NO_WINDOWS)


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One of them.

    Attributes:
        name: For the command line.
        repository: On GitHub.
        commit: Which state of it.
        folder: Where in it Snakemake is started.
        recipe: The image with its tools.
        programs: Those that its rules start by name.
        options: For Snakemake.
        published: Patterns of files that the repository has from a run of its authors, and must become alike.
        varies: Patterns of files that no two runs make alike, and why.
    """

    name: str
    repository: str
    commit: str
    folder: str = ""
    recipe: Recipe
    programs: tuple[str, ...]
    options: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    varies: Mapping[str, str] = field(default_factory=dict)


WORKFLOWS = (
    Workflow(
        name="word-count",
        repository="coderefinery/word-count",
        commit="d8b5353c7883e33ef9fed851d6b6f72816228fb1",
        recipe=Recipe(
            name="localhost/dodas/public/word-count:1",
            packages=(*BASE, "python3-click", "python3-matplotlib"),
            without=_LEFT_OUT,
        ),
        programs=("python",),
        published=("statistics/*.data",),
    ),
    Workflow(
        name="zika",
        repository="nextstrain/zika-tutorial",
        commit="1c7f5936b03be478463174c60f166cb8e4426d70",
        recipe=Recipe(
            name="localhost/dodas/public/zika:1",
            packages=(*BASE, "augur", "iqtree", "mafft"),
            without=_LEFT_OUT,
        ),
        programs=("augur",),
        varies=dict.fromkeys(
            (
                *("auspice/zika.json", "results/aligned-delim.*.log", "results/branch_lengths.json"),
                *("results/*_muts.json", "results/traits*", "results/tree*.nwk"),
            ),
            "IQ-TREE begins with a random number, and the rest follows from its tree",
        ),
    ),
    Workflow(
        name="simulation",
        repository="lharris421/snakemake-tutorial",
        commit="beb7070470e93bb56bae700757fbe5bcea76e81c",
        folder="examples/03-config",
        recipe=Recipe(
            name="localhost/dodas/public/simulation:1",
            packages=(*BASE, "r-base-core", "r-cran-ggplot2", "r-cran-optparse"),
            without=_LEFT_OUT,
            # Of what is in the file that the script of r-base-core writes, R does not start without these.
            env=(
                *Recipe.env,
                ("EDITOR", "vi"),
                ("PAGER", "cat"),
                ("R_LIBS_SITE", "/usr/lib/R/site-library"),
            ),
        ),
        programs=("Rscript",),
        options=("--config", "iterations=20"),
        varies={"out/figure1.pdf": "a PDF has the time at which it was made"},
    ),
)
