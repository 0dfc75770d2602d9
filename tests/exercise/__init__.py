"""A learner's code in place of ours: `pytest --mine my.py`, `python -m tests.exercise NAME`, `check`."""

from .check import check

__all__ = ["check"]
