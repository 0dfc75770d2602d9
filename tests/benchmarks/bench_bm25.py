"""tiny_rag's BM25 against bm25s with its default backend, numpy.

    python -m tests.benchmarks.bench_bm25                  (20,000 texts; 5 seconds)
    python -m tests.benchmarks.bench_bm25 --rows 200000    (a minute)

Texts of about 100 words, drawn by Zipf's law from 200,000; questions are 3 to 12 words of one text,
frequent ones among them. Both get the same words and must find the same scores before anything is
timed. bm25s answers all questions in one call, we in a loop. One thread each.
"""

import argparse
import resource
from collections.abc import Callable

import bm25s
import numpy as np

from tiny_rag.bm25 import BM25Index

from .timing import Stopwatch, faster, take_turns

VOCABULARY, WORDS, QUESTIONS, K = 200_000, 100, 200, 10


def zipf_texts(rng: np.random.Generator, rows: int) -> list[str]:
    """Texts of WORDS words on average; the r-th word is as frequent as 1 / (r + 2.7)."""
    share = np.cumsum(1 / (np.arange(VOCABULARY) + 2.7))
    names = np.array([f"w{rank}" for rank in range(VOCABULARY)])
    lengths = np.maximum(rng.lognormal(np.log(WORDS) - 0.08, 0.4, rows).astype(int), 12)
    texts = []
    for length in lengths:
        ranks = np.searchsorted(share, rng.random(length) * share[-1])
        texts.append(" ".join(names[ranks]))
    return texts


def question(rng: np.random.Generator, text: str) -> str:
    """Some words of a text, frequent ones more likely: a word of each place is as likely."""
    return " ".join(rng.choice(text.split(), size=int(rng.integers(3, 13)), replace=False))


def seconds(call: Callable[[], object], per: int = 1) -> Callable[[], list[float]]:
    """The call as a turn of `take_turns`; the seconds are of one of `per` parts."""

    def turn() -> list[float]:
        watch = Stopwatch()
        call()
        watch.lap()
        return [watch.laps_s[0] / per]

    return turn


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def index_ours(texts: list[str]) -> BM25Index:
    index = BM25Index(tokenize=str.split)
    index.add(texts)
    index.build()
    return index


def index_theirs(texts: list[str]) -> bm25s.BM25:
    index = bm25s.BM25()
    index.index([text.split() for text in texts], show_progress=False)
    return index


def check_equal(ours: BM25Index, theirs: bm25s.BM25, questions: list[str]) -> None:
    """All scores and the best K, to 1e-6 (of the score where it is above 1)."""
    for text in questions[:20]:
        expected = theirs.get_scores(text.split())
        np.testing.assert_allclose(ours.scores(text), expected, rtol=1e-6, atol=1e-6)
        _, best = theirs.retrieve([text.split()], k=K, show_progress=False)
        np.testing.assert_allclose(ours.top_k(text, K)[1], best[0], rtol=1e-6, atol=1e-6)


def row(name: str, ours: Callable[[], object], theirs: Callable[[], object], per: int) -> None:
    times = take_turns({"ours": seconds(ours, per), "theirs": seconds(theirs, per)}, 7)
    mine, peer = (sorted(rounds)[3] * 1000 for rounds in times.values())
    ratio = faster(times, "ours", "theirs")
    print(f"{ratio:6.2f}x  {mine:9.3f} ms  {peer:9.3f} ms  {name}", flush=True)


def main() -> None:
    """Print how many times faster, for indexing and for questions."""
    parser = argparse.ArgumentParser(description="BM25 against bm25s.")
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    rng = np.random.default_rng(0)
    texts = zipf_texts(rng, rows)
    questions = [question(rng, texts[i]) for i in rng.integers(0, rows, QUESTIONS)]
    print(f"{rows} texts, {peak_mb():.0f} MB; {'faster':>8} {'ours':>9} {'bm25s':>13}")

    watch = Stopwatch()
    ours = index_ours(texts)
    watch.lap()
    ours_mb = peak_mb()
    theirs = index_theirs(texts)
    watch.lap()
    mine, peer = watch.laps_s
    print(
        f"{peer / mine:6.2f}x  {mine:9.2f} s   {peer:9.2f} s   index; peak {ours_mb:.0f} MB (ours)"
    )
    check_equal(ours, theirs, questions)

    split = [text.split() for text in questions]
    row(
        f"best {K}",
        lambda: [ours.top_k(text, K) for text in questions],
        lambda: theirs.retrieve(split, k=K, show_progress=False),
        QUESTIONS,
    )
    row(
        "all scores",
        lambda: [ours.scores(text) for text in questions],
        lambda: [theirs.get_scores(words) for words in split],
        QUESTIONS,
    )
    watch = Stopwatch()
    ours.add(texts[:100])
    ours.build()
    watch.lap()
    ours.remove(range(rows, rows + 100))
    ours.build()
    watch.lap()
    loaded = BM25Index.from_arrays(ours.arrays(), tokenize=str.split)
    loaded.build()
    watch.lap()
    names = ("100 more texts", "100 texts fewer", "saved and loaded")
    for name, lap_s in zip(names, watch.laps_s, strict=True):
        print(f"{'':9}{lap_s:9.2f} s   {name}, and weighed again")


if __name__ == "__main__":
    main()
