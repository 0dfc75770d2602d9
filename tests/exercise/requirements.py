"""What has to be there before the tests of exercises can run."""

import importlib.metadata
import re
from collections import Counter

from .mine import UnusableError
from .replacing import Replacement


def check_that_all_can_run(wanted: list[Replacement]) -> None:
    """UnusableError if two files do one exercise, or a library is missing that tests compare with.

    Those are the extra "test" of the project.
    """
    counts = Counter(each.exercise.short for each in wanted)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UnusableError(f"{', '.join(twice)}: done in two files; give one of them")
    try:
        required = importlib.metadata.requires("tiny-universe") or []
    except importlib.metadata.PackageNotFoundError:
        required = []
    of_tests = [each for each in required if re.search(r"extra == .test.$", each)]
    names = [re.split(r"[^\w.-]", each)[0] for each in of_tests]
    if missing := [name for name in names if not _is_installed(name)]:
        raise UnusableError(
            f"the tests compare with libraries that are not here ({', '.join(missing)}): "
            "pip install -e '.[test]'"
        )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
