"""All scores of tiny-qwen2's card: writes scores.jsonl, and prints the card's tables.

    python -m tests.benchmarks.bench_shipped --out runs/card          (15 minutes on two cores)
    python -m tests.benchmarks.bench_shipped --out runs/card --model FOLDER

Nothing but the commands at the end of the card, one after the other; stopped and started again, it
goes on where it was. The file is the one that lies beside the weights.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qwen_blog.commands import find_model
from qwen_blog.worlds.exam_files import write_exam
from tiny_agent.evaluation import wilson

Row = dict[str, Any]
NOVELTIES = ("seen", "wordings", "names", "values")
HEADS = {"zh": "Chinese", "en": "English"}
CELLS = (
    ("fact", 1),
    ("fact", 3),
    ("fact", 5),
    ("holder", 3),
    ("two-hop", 3),
    ("absent", 3),
)
AGENT = {
    "sum": "agent: a sum",
    "search": "agent: a search",
    "one step": "agent: all tasks of one step",
    "two-hop": "agent: the fact of a fact",
    "search-sum": "agent: a search and a sum",
    "compare": "agent: two searches and a sum",
    "two or three steps": "agent: all tasks of two or three steps",
    "unanswerable": "agent: says that no article has it",
}
"""Groups of tasks, as in the file: in the card's words."""
STEPS = {
    "one step": ("sum", "search"),
    "two or three steps": ("two-hop", "search-sum", "compare"),
}


def run(*arguments: str) -> Iterator[Row]:
    """The lines of JSON that a command prints, even where some of an agent's tasks failed."""
    command = [sys.executable, "-m", *arguments]
    print("$ python -m", *arguments, file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, encoding="utf-8")
    if not done.stdout:
        raise SystemExit(f"{' '.join(arguments)} printed nothing")  # it has said why
    for line in done.stdout.splitlines():
        yield json.loads(line)


def scores(folder: Path, model: str) -> Iterator[Row]:
    """A row for each task."""
    exam, runs = folder / "exam", folder / "runs"
    if not (exam / "agent-tasks.jsonl").exists():
        write_exam(exam)
    names = [f"reading-{x}-{novelty}" for x in HEADS for novelty in NOVELTIES]
    names += [f"{kind}-{x}" for x in HEADS for kind in ("closed-book", "sums")]
    tasks = [part for name in names for part in ("--task", str(exam / f"{name}.yaml"))]
    options = ("--model", model, "--out", str(runs), "--json")
    yield from run("tiny_eval", "run", *tasks, *options)
    for x in HEADS:
        (replies,) = (runs / f"reading-{x}-seen").iterdir()
        task = str(exam / f"refusals-{x}.yaml")
        yield from run("tiny_eval", "score", str(replies), "--task", task, "--json")
    outcomes = folder / "agent.jsonl"
    where = (str(exam / "agent-tasks.jsonl"), "--folder", str(exam / "documents"))
    yield from run("tiny_agent", "eval", *where, "--model", model, "--out", str(outcomes), "--json")
    lines = outcomes.read_text("utf-8").splitlines()
    yield from (by_kind(x, [json.loads(line) for line in lines]) for x in HEADS)


def by_kind(language: str, outcomes: list[Row]) -> Row:
    """The agent's tasks of one language, counted by kind and by number of steps."""
    groups = {}
    for name in AGENT:
        kinds = STEPS.get(name, (name,))
        last = {o["id"]: o for o in outcomes}  # a run without a reply is tried again
        mine = [o for o in last.values() if o["id"].startswith(f"{language}-")]
        right = [o["success"] for o in mine if o["kind"] in kinds]
        low, high = wilson(sum(right), len(right))
        share = {"value": sum(right) / len(right), "low": low, "high": high}
        groups[name] = {"success": {k: round(v, 4) for k, v in share.items()} | {"n": len(right)}}
    return {"task": f"agent-{language}", "groups": groups}


def kept(row: Row, label: str) -> Row:
    """What of a row goes into the file: nothing that depends on where it was measured."""
    if "task" not in row:  # the agent's own report
        return {"task": "agent", **rounded(row), "label": label}
    found = {name: row[name] for name in ("answered", "metrics", "groups") if name in row}
    return {"task": row["task"], "model": label, **rounded(found)}


def rounded(row: Row) -> Row:
    """Its numbers to four decimals, at any depth."""
    kinds = {dict: rounded, float: lambda number: round(number, 4)}
    return {name: kinds.get(type(value), lambda v: v)(value) for name, value in row.items()}


def tables(rows: list[Row]) -> Iterator[str]:
    """The card's tables."""
    found = {row["task"]: row for row in rows}

    def cell(task: str, group: str = "") -> str:
        row = found.get(task, {})
        scores = row.get("groups", {}).get(group) if group else row.get("metrics")
        if not scores:
            return "–"
        (score,) = scores.values()
        return f"{score['value']:.0%} [{score['low']:.0%}, {score['high']:.0%}]"

    for x, head in HEADS.items():
        yield f"\n| {head}, 100 questions a cell | {' | '.join(NOVELTIES)} |"
        for kind, count in CELLS:
            group = f"{kind}, {count} passage{'s' * (count > 1)}"
            cells = [cell(f"reading-{x}-{novelty}", group) for novelty in NOVELTIES]
            yield f"| {group} | {' | '.join(cells)} |"
    yield "\n| | Chinese | English |"
    for task, groups in (("closed-book", [""]), ("sums", ["bare", "in words"]), ("agent", AGENT)):
        for group in groups:
            label = AGENT.get(group) or " ".join([task, group]).strip()
            yield f"| {label} | {' | '.join(cell(f'{task}-{x}', group) for x in HEADS)} |"
    for group in ("fact", "holder", "two-hop", "absent"):
        cells = [cell(f"refusals-{x}", group) for x in HEADS]
        yield f"| refuses: {group} | {' | '.join(cells)} |"


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="for the exam, replies and scores")
    parser.add_argument("--model", default="", help="a model folder (default: as everywhere)")
    options = parser.parse_args()
    rows = [
        kept(row, "tiny-qwen2") for row in scores(options.out, find_model(options.model or None))
    ]
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    (options.out / "scores.jsonl").write_text(text, encoding="utf-8")
    print("\n".join(tables(rows)))


if __name__ == "__main__":
    main()
