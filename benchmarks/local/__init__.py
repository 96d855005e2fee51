"""What a step costs on one machine: dodas, the bare engines, udocker, and the front ends' own ways.

``python -m benchmarks.local [--only NAME]`` measures and rewrites ``results.json`` and ``results.md`` beside
this file.  Machines are noisy: compare CPU seconds and the ratios of one run, not seconds between runs.
"""
