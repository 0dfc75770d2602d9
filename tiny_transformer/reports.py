"""Scores as a person reads them, and as a program does. Chapter 13."""

from typing import Any

from .evaluation import NumeralsReport, Score


def score_text(score: Score) -> str:
    """950 of 1000 right, 95.00% (95% interval 93.47% to 96.19%)."""
    low, high = score.interval
    interval = f"95% interval {low:.2%} to {high:.2%}"
    return f"{score.right} of {score.total} right, {score.rate:.2%} ({interval})"


def score_row(score: Score) -> dict[str, Any]:
    """right, total, rate, and low and high of the interval."""
    low, high = score.interval
    counts = {"right": score.right, "total": score.total, "rate": score.rate}
    return counts | {"low": low, "high": high}


def report_text(report: NumeralsReport, part: str) -> str:
    """The score, by kind and by length, and the mistakes by what is wrong, one shown of each."""
    lines = [f"{report.direction}, {part}: {score_text(report.score)}"]
    tables = [*report.kinds.items()]
    tables += [(f"number, {digits:>2} digits", score) for digits, score in report.digits.items()]
    for name, score in tables:
        lines.append(f"  {name:<18}{score.right:>6} / {score.total:<6}{score.rate:>8.2%}")
    for verdict, count in report.verdicts.items():
        example = next(mistake for mistake in report.mistakes if mistake.verdict == verdict)
        lines.append(f"  {count} x {verdict}, as in {example.source} -> {one_line(example.output)}")
    return "\n".join(lines)


def report_row(report: NumeralsReport, part: str) -> dict[str, Any]:
    """The same, to be written as JSON."""
    row = {"direction": report.direction, "part": part, **score_row(report.score)}
    row["kinds"] = {kind: score_row(score) for kind, score in report.kinds.items()}
    row["digits"] = {digits: score_row(score) for digits, score in report.digits.items()}
    return row | {"verdicts": report.verdicts}


def one_line(text: str) -> str:
    """Without what would break a line of output, or a column of a TSV file, in two."""
    return text.replace("\r", " ").replace("\n", " ").replace("\t", " ")
