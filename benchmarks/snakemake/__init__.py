"""The executor against Snakemake's own, cluster-generic, and udocker in place of apptainer."""
