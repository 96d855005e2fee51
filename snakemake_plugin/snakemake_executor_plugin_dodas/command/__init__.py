"""What a job would have run, learnt from Snakemake."""
