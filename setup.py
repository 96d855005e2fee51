"""The three source roots, and nothing else: all metadata is in pyproject.toml.

Snakemake finds plugins by walking ``sys.path``, so an editable install must put the
roots on it.  setuptools' own editable install of a mapped layout is an import hook
instead, which neither Snakemake nor type checkers can see; see docs/adr/0001-layout.md.
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import _StaticPth, editable_wheel

ROOTS = ("executors", "cwl", "snakemake_plugin")
PACKAGES = {n: f"{r}/{n.replace('.', '/')}" for r in ROOTS for n in find_packages(r)}


class EditableRoots(editable_wheel):
    """An editable install that is one ``.pth`` file with the three roots."""

    def _select_strategy(self, name, tag, build_lib):
        return _StaticPth(self.distribution, name, [Path(self.project_dir, r) for r in ROOTS])


setup(
    packages=list(PACKAGES),
    package_dir=PACKAGES,
    package_data={"": ["py.typed", "schema.json"]},
    cmdclass={"editable_wheel": EditableRoots},
)
