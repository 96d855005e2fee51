"""``dodas pool plugin``: the file with which HTCondor itself moves files from and to storage."""

from __future__ import annotations

import argparse
import os
import shutil

from dodas.errors import StoreError
from dodas.node.build import worker_file
from dodas.node.plugin import METHODS


def write(args: argparse.Namespace) -> int:
    """Write the plugin into a file and say how to use it."""
    made = worker_file()
    try:
        part = f"{args.file}.{os.urandom(4).hex()}"
        shutil.copy(made, part)
        os.replace(part, args.file)
    except OSError as error:
        raise StoreError(
            f"cannot write {args.file}: {error.strerror}", hint="name a file in a directory of yours"
        ) from error
    print(f"transfer_plugins = {','.join(METHODS)}={args.file}")
    return 0
