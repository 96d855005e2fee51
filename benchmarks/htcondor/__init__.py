"""Steps on an HTCondor pool against what else runs on the same pool, in one run.

``python -m benchmarks.htcondor`` brings up a pool on this host, measures, takes it down, and writes
``results.md`` and ``results.json`` here.  CPU seconds are those of the submit side and of all of HTCondor's
processes and jobs together.
"""
