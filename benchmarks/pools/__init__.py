"""How fast a pool's agent decides, and what its decisions are worth: ``python -m benchmarks.pools``."""
