"""Worker mode: the second Snakemake of a job, here as a fork of one that is loaded."""
