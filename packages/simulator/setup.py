"""Puts the packages into a folder of their own, which a .pth file adds to the import path."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDER = "spacetomo-simulator"
LICENSE = Path(__file__).resolve().parents[2] / "LICENSE"


class BuildApart(build_py):
    """Builds into `FOLDER`, since the whole project has files of the same names."""

    def finalize_options(self):
        """Build one folder further down."""
        super().finalize_options()
        self.top = Path(self.build_lib)
        self.build_lib = str(self.top / FOLDER)

    def run(self):
        """Build, and add what leads there."""
        super().run()
        shutil.copy(LICENSE, self.build_lib)
        (self.top / f"{FOLDER}.pth").write_text(f"{FOLDER}\n", encoding="utf-8")


# Its notes would otherwise lie beside the packages, where they would count as an installation.
setup(cmdclass={"build_py": BuildApart}, options={"egg_info": {"egg_base": "."}})
