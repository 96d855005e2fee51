"""Jobs under way, until Snakemake knows how they ended."""
