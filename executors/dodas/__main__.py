"""``python -m dodas`` is the ``dodas`` command, for an interpreter whose scripts are not on PATH."""

import sys

from dodas.cli import main

sys.exit(main())
