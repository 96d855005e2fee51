"""For the plugin ``container``, which Snakemake has for the directive of that name."""

import os
import shlex


class Runtime:
    """A program with the command line of docker, of which that plugin makes its commands.

    To Snakemake the directive ``container:`` means that plugin's classes, whichever plugin for containers the
    user chose; but it gives them the settings of the chosen one, and they ask those for a runtime.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def item_to_choice(self) -> str:
        """Return the path of the program: the `udocker` of `dodas env`.

        Raises:
            DodasError: It cannot be written.
        """
        from dodas.shims import program  # noqa: PLC0415 - Snakemake imports this at every start

        return os.path.join(program.make(), "udocker")

    def __str__(self) -> str:
        """Return the beginning of a command."""
        engine = "" if self._engine == "auto" else f"DODAS_ENGINE={shlex.quote(self._engine)} "
        return f"{engine}{shlex.quote(self.item_to_choice())} --quiet"
