"""Transfers and those of other clients, with the same servers: ``python -m benchmarks.staging``."""
