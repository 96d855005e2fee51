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

    def anonymous(self) -> str:
        """Return the text without the random names of files and folders: the same for the same work."""
        text = self.text
        for one in self._renamings("it"):
            text = text.replace(one.word, one.new_word)
        return text

    def named(self, name: str) -> Command:
        """Return the command with its files and folders called after ``name``, all below ``.snakemake``.

        So a second run that asks for the same work uses the same names, and a node that sees the working
        directory sees them even if it has another temporary directory.
        """
        renamings = self._renamings(name)
        text, env = self.text, dict(self.env)
        for one in renamings:
            one.carry_out()
            text = text.replace(one.word, one.new_word)
            env = {key: value.replace(one.old, one.new) for key, value in env.items()}
        new = {one.old: one.new for one in renamings}
        files = tuple(new[os.path.abspath(path)] for path in self.files)
        folders = tuple(new[os.path.abspath(path)] for path in self.folders)
        return replace(self, text=text, env=env, files=files, folders=folders)

    def tidy(self) -> None:
        """Remove what Snakemake wrote for the command; may be repeated."""
        for path in self.files:
            with suppress(FileNotFoundError):
                os.remove(path)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _renamings(self, name: str) -> list[_Renaming]:
        files = [_of_file(os.path.abspath(path), f"{name}{n}") for n, path in enumerate(self.files)]
        return files + [
            _of_folder(os.path.abspath(path), f"{name}{n}") for n, path in enumerate(self.folders)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Renaming:
    """Attributes: the paths, and what stands for them in a command, however that quotes the path."""

    old: str
    new: str
    word: str
    new_word: str

    def carry_out(self) -> None:
        if os.path.isdir(self.new):
            shutil.rmtree(self.new)
        with suppress(FileNotFoundError):  # a folder that is made when the command starts
            shutil.move(self.old, self.new)


def _of_file(path: str, name: str) -> _Renaming:
    folder, base = os.path.split(path)
    random, _, rest = base.partition(".")
    return _Renaming(old=path, new=os.path.join(folder, f"{name}.{rest}"), word=random, new_word=name)


def _of_folder(path: str, name: str) -> _Renaming:
    place, name = os.path.abspath(".snakemake"), f"shell_tmp.{name}"
    new = os.path.join(place, name)
    if os.path.dirname(path) == place:
        return _Renaming(old=path, new=new, word=os.path.basename(path), new_word=name)
    # That of a notebook is in the temporary directory, and stands between single quotes.
    return _Renaming(old=path, new=new, word=path, new_word=new.replace("'", "'\\''"))
