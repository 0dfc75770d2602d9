"""Training tiny_transformer on 30,000 pairs of one's own: speed, memory, and that it learns.

    python -m tests.benchmarks.bench_corpus               (six minutes on two cores, 300 steps)
    python -m tests.benchmarks.bench_corpus --steps 50    (one minute and a half)

The corpus is made up, of the size of Multi30k's German-English (29,000 pairs of 12 words): words
by Zipf's law from a vocabulary of 15,000, each with one translation, and the last word of each
sentence moves to its front. It goes through the command line as a stranger's would, with the
defaults.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PAIRS, WORDS = 30_000, 15_000
LETTERS = "etaoinshrdlucmfwypvbgkqjxz"


def main() -> None:
    """Print the speed and the peak memory of `train --data`, and of `translate --file`."""
    parser = argparse.ArgumentParser(description="Training on a corpus of one's own.")
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_corpus(folder / "pairs.tsv", folder / "source.txt")
        run("train", "--data", folder / "pairs.tsv", "--out", folder / "run", "--steps", steps)
        peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        lines = (folder / "run" / "log.jsonl").read_text("utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        first, last = records[0], records[-1]
        speed = median(record["tokens_per_s"] for record in records[1:])
        print(
            f"{speed:.0f} target tokens/s, peak memory {peak_gib:.2f} GiB, nll {first['nll']:.2f} "
            f"at step {first['step']}, {last['nll']:.2f} at step {last['step']}"
        )
        out = run("translate", "--model", folder / "run", "--file", folder / "source.txt")
        assert len(out.splitlines()) == 100, "a line is missing"


def run(*args: object) -> str:
    """`python -m tiny_transformer ...`, its standard output."""
    command = [sys.executable, "-m", "tiny_transformer", *map(str, args)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def write_corpus(pairs_file: Path, source_file: Path) -> None:
    """A TSV of all pairs, and the sources of the first hundred."""
    rng = random.Random(0)
    source_words, target_words = ([make_word(rng) for _ in range(WORDS)] for _ in range(2))
    weights = [1 / (rank + 3) for rank in range(WORDS)]
    rows = []
    for _ in range(PAIRS):
        numbers = rng.choices(range(WORDS), weights, k=max(3, round(rng.gauss(12, 4))))
        source = " ".join(source_words[n] for n in numbers)
        target = " ".join(target_words[n] for n in numbers[-1:] + numbers[:-1])
        rows.append((source, target))
    pairs_file.write_text("".join(f"{s}\t{t}\n" for s, t in rows), encoding="utf-8")
    source_file.write_text("".join(f"{s}\n" for s, _ in rows[:100]), encoding="utf-8")


def make_word(rng: random.Random) -> str:
    """Three to nine letters."""
    return "".join(rng.choices(LETTERS, range(26, 0, -1), k=rng.randint(3, 9)))


if __name__ == "__main__":
    main()
