"""The ``apptainer`` and the ``singularity`` of ``dodas env``: what Snakemake, and scripts, ask of them."""
