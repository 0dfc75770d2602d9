"""`python -m tests.exercise NAME | --list [--mine FILE] | --hint NAME [--number N]`.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import argparse
import sys
from pathlib import Path

from .catalogue import DIFFICULTIES, Exercise, exercises, find


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.exercise",
        description="Print the head of an exercise: ours without its body. Begin with it, write "
        "the body, and run pytest --mine=FILE on it.",
        epilog="Example: python -m tests.exercise rms_norm > my.py",
    )
    parser.add_argument("name", nargs="?", help="which exercise, e.g. rms_norm")
    parser.add_argument("--list", action="store_true", help="all exercises")
    text = "with --list: what this file passes (may be repeated)"
    parser.add_argument("--mine", action="append", type=Path, metavar="FILE", help=text)
    parser.add_argument("--hint", metavar="NAME", help="a hint; with --number 2 it tells more")
    parser.add_argument("--number", type=int, metavar="N", help="with --hint: 1, 2 or 3")
    args = parser.parse_args(argv)
    if sum(map(bool, (args.name, args.list, args.hint))) > 1:
        parser.error("one at a time: NAME, --list or --hint NAME")
    if (args.mine and not args.list) or (args.number is not None and not args.hint):
        parser.error("--mine goes with --list, and --number with --hint")
    try:
        if args.list:
            print(listing(_passed(args.mine) if args.mine else {}))
        elif args.hint:
            print(hint(find(args.hint), 1 if args.number is None else args.number))
        elif args.name:
            from .skeleton import skeleton

            print(skeleton(find(args.name)), end="")
        else:
            parser.error("say which exercise, or --list")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def listing(passed: dict[str, str]) -> str:
    """A line an exercise, by package; with what a learner's file does for it."""
    lines = []
    for package in dict.fromkeys(each.package for each in exercises().values()):
        lines.append(package)
        for each in exercises().values():
            if each.package == package:
                verdict = passed.get(each.short, "")
                size = f"chapter {each.chapter}, {DIFFICULTIES[each.difficulty]}"
                lines.append(f"  {each.short:<32} {size:<28} {verdict}".rstrip())
    return "\n".join(lines)


def hint(exercise: Exercise, number: int) -> str:
    """The n-th, and how to get the next one."""
    count = len(exercise.hints)
    if not 1 <= number <= count:
        raise ValueError(f"--number {number}: {exercise.short} has hints 1 to {count}")
    more = f"\n(--number {number + 1} tells more)" if number < count else ""
    return f"{exercise.hints[number - 1]}{more}"


def _passed(files: list[Path]) -> dict[str, str]:
    """By exercise that the files do: right, wrong ..."""
    from .mine import UnusableError, load, replacements
    from .plugin import Mine
    from .running import run_quietly

    try:
        wanted = [each for file in files for each in replacements(load(file.resolve()))]
        session = Mine(wanted, {str(file.resolve()) for file in files})
        run_quietly(session)
    except UnusableError as error:
        raise ValueError(str(error)) from None
    return session.verdicts()


if __name__ == "__main__":
    sys.exit(main())
