"""What ``--dodas-report`` accepts.  Imported at every start of Snakemake."""

import os

from snakemake_interface_common.exceptions import WorkflowError

ENDINGS = (".json", ".tsv", ".csv")


def parse_report(text: str) -> str:
    """Return the absolute path of the file, since Snakemake may go to another directory.

    Raises:
        WorkflowError: Its name does not say of which kind the file is.
    """
    path = os.path.abspath(os.path.expanduser(text))
    if not path.lower().endswith(ENDINGS) or os.path.isdir(path):
        raise WorkflowError(f"--dodas-report {text}: name a file that ends in {', '.join(ENDINGS)}")
    return path
