"""So that `pytest --mine my.py` is known in every folder of the repository."""

pytest_plugins = ["tests.exercise.plugin"]
