"""``dodas pool plugin``: the file with which HTCondor itself moves files from and to storage."""

from __future__ import annotations

import argparse
import shutil

from dodas import whole
from dodas.errors import StoreError
from dodas.node.build import worker_file
from dodas.node.plugin import METHODS


def write(args: argparse.Namespace) -> int:
    """Write the plugin into a file and say how to use it."""
    made = worker_file()
    try:
        with open(made, "rb") as program, whole.written(args.file, mode=0o777) as file:
            shutil.copyfileobj(program, file)
    except OSError as error:
        raise StoreError(
            f"cannot write {args.file}: {error.strerror}", hint="name a file in a directory of yours"
        ) from error
    print(f"transfer_plugins = {','.join(METHODS)}={args.file}")
    return 0
