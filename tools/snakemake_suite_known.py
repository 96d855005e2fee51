"""Tests of Snakemake that its local executor passes and dodas does not, and why; as in docs/snakemake.md."""

from __future__ import annotations

from collections.abc import Mapping

KNOWN: Mapping[str, str] = {
    "test_groupid_expand_local": (
        "it expects the group id `local`, which is what Snakemake's local execution makes of `groupid`, "
        "for it knows no groups"
    ),
    "test_github_issue3913": (
        "it adds up the threads of jobs from where the log announces them to where it says that they are "
        "done; a job is announced when dodas gets it, and starts when there are cores for it"
    ),
    "test_nodelocal": (
        "its cluster mounts a directory of its own over `scratch`, and the test looks into that directory"
    ),
    "test_scopes_submitted_to_cluster": (
        "it looks at the command line of a second Snakemake, and dodas runs this group without one"
    ),
    "test_storage_localrule": (
        "its cluster sets a variable `JOBID` for jobs, after which the test names a directory for local "
        "copies"
    ),
}
