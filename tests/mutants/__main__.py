"""`python -m tests.mutants PACKAGE [NAME] [--json]`: try right and wrong solutions of exercises.

Exit codes: 0 all as they are meant to be, 1 not so, 2 wrong usage.
"""

import argparse
import json
import sys
from dataclasses import asdict

from .solutions import try_all


def main(argv: list[str] | None = None) -> int:
    """Print a line a solution."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Try the right and the wrong solutions of a package's exercises.",
        epilog="Example: python -m tests.mutants qwen_blog rms_norm",
    )
    parser.add_argument("package")
    parser.add_argument("name", nargs="?", default="*", help="one exercise only")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args(argv)
    outcomes = try_all(args.package, args.name)
    for each in outcomes:
        mark = "ok  " if each.as_meant else "FAIL"
        line = f"{mark} {each.name:<28} {each.title:<60} {each.verdict} ({each.tests_passed} passed"
        print(json.dumps(asdict(each)) if args.json else f"{line}, {each.seconds:.1f} s)")
    return 0 if outcomes and all(each.as_meant for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
