"""The command that Snakemake would have run, as plain data."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One call of a shell.

    Attributes:
        shell: Program that reads ``text``.
        text: What follows its ``-c``.
        env: The whole environment, as Snakemake would hand it over.
        files: Scripts that Snakemake wrote for this command and no longer removes itself.
        folders: Directories likewise.
        python: Whether ``text`` starts a Python script that unpickles objects of Snakemake.
    """

    shell: str
    text: str
    env: Mapping[str, str]
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    python: bool = False

    def otherwise(self, other: Command, *, unless: str) -> Command:
        """Return the command that runs this one where ``unless`` succeeds, and ``other`` elsewhere."""
        text = f"if {unless} >/dev/null 2>&1; then\n{self.text}\nelse\n{other.text}\nfi"
        files, folders = self.files + other.files, self.folders + other.folders
        return replace(self, text=text, files=files, folders=folders)

    def after(self, *words: str) -> Command:
        """Return the command that runs ``words`` first."""
        return replace(self, text=f"{shlex.join(words)}\n{self.text}")

    def tidy(self) -> None:
        """Remove what Snakemake wrote for the command; may be repeated."""
        for path in self.files:
            with suppress(FileNotFoundError):
                os.remove(path)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
