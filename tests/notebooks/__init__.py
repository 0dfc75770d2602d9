"""Tests of the book's machinery, whose modules are no package: a script or Jupyter runs them."""

import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
sys.path[:0] = [str(NOTEBOOKS), str(NOTEBOOKS / "src")]
