"""tiny_eval's ROUGE, BLEU and chrF against rouge-score and sacrebleu.

    python -m tests.benchmarks.bench_metrics     (1.5 minutes)

1,000 pairs of a prediction of 60 to 120 words and a news text's highlights of 40 to 60; for "zh"
1,000 Chinese pairs of one to eight sentences. Both must give the same scores before anything is
timed. Our memory of stems is emptied before each turn; sacrebleu's caches start anew as well.
One thread.
"""

from collections.abc import Callable

import sacrebleu
import torch
from rouge_score.rouge_scorer import RougeScorer

from tests.tiny_eval.pairs import chinese_pairs, news_pairs
from tiny_eval import text
from tiny_eval.bleu import Tokenize, corpus_bleu
from tiny_eval.chrf import corpus_chrf
from tiny_eval.rouge import Rouge, rouge_l, rouge_lsum, rouge_n

from .timing import Stopwatch, faster, take_turns

ROUNDS = 9
Pairs = list[tuple[str, str]]
Scores = Callable[[], list[float]]


def rouge_contenders(kind: str, pairs: Pairs, stem: bool = False) -> tuple[Scores, Scores]:
    """Ours and rouge-score's."""
    tokenize = text.stems_of_rouge if stem else text.words_of_rouge
    ours: dict[str, Callable[[str, str], Rouge]] = {
        "rouge2": lambda prediction, reference: rouge_n(prediction, reference, 2, tokenize),
        "rougeL": lambda prediction, reference: rouge_l(prediction, reference, tokenize),
        "rougeLsum": lambda prediction, reference: rouge_lsum(prediction, reference, tokenize),
    }
    theirs = RougeScorer([kind], use_stemmer=stem)
    return (
        lambda: [ours[kind](*pair).fmeasure for pair in pairs],
        lambda: [theirs.score(reference, text)[kind].fmeasure for text, reference in pairs],
    )


def bleu_contenders(tokenize: Tokenize, pairs: Pairs) -> tuple[Scores, Scores]:
    """Ours and sacrebleu's."""
    predictions, references = (list(column) for column in zip(*pairs, strict=True))
    own = [[reference] for reference in references]
    return (
        lambda: [corpus_bleu(predictions, own, tokenize).score],
        lambda: [sacrebleu.corpus_bleu(predictions, [references], tokenize=tokenize).score],
    )


def chrf_contenders(pairs: Pairs) -> tuple[Scores, Scores]:
    """Ours and sacrebleu's."""
    predictions, references = (list(column) for column in zip(*pairs, strict=True))
    own = [[reference] for reference in references]
    return (
        lambda: [corpus_chrf(predictions, own)],
        lambda: [sacrebleu.corpus_chrf(predictions, [references]).score],
    )


def turn(scores: Scores) -> Callable[[], list[float]]:
    """The seconds of one call, as `take_turns` wants them."""

    def run() -> list[float]:
        text._stem.cache_clear()
        watch = Stopwatch()
        scores()
        watch.lap()
        return watch.laps_s

    return run


def compare(name: str, ours: Scores, theirs: Scores) -> None:
    """Print how many times faster ours is, if both give the same numbers."""
    differences = [abs(a - b) for a, b in zip(ours(), theirs(), strict=True)]
    assert max(differences) < 1e-9, f"{name}: scores differ by {max(differences)}"
    times = take_turns({"ours": turn(ours), "theirs": turn(theirs)}, ROUNDS)
    mine, peer = (sorted(rounds)[ROUNDS // 2] * 1000 for rounds in times.values())
    ratio = faster(times, "ours", "theirs")
    print(f"{ratio:6.2f}x  {mine:8.1f} ms  {peer:8.1f} ms  {name}", flush=True)


def long_texts() -> None:
    """Two texts of 50,000 words, of 8,000 kinds; rouge-score's table would have 2.5e9 cells."""
    generator = torch.Generator().manual_seed(0)
    ranks = torch.randint(8_000, (2, 50_000), generator=generator).tolist()
    prediction, reference = (" ".join(f"w{rank}" for rank in row) for row in ranks)
    watch = Stopwatch()
    rouge_l(prediction, reference)
    watch.lap()
    print(f"{'':8}{watch.laps_s[0] * 1000:8.1f} ms  {'':11}  ROUGE-L of 50,000 words each")


def main() -> None:
    torch.set_num_threads(1)
    pairs, chinese = news_pairs(1_000), chinese_pairs(1_000)
    print(f"{'faster':>7}  {'ours':>11}  {'library':>11}  1,000 pairs")
    compare("ROUGE-L", *rouge_contenders("rougeL", pairs))
    compare("ROUGE-L, stems", *rouge_contenders("rougeL", pairs, stem=True))
    split = [(one.replace(". ", ".\n"), other.replace(". ", ".\n")) for one, other in pairs]
    compare("ROUGE-Lsum", *rouge_contenders("rougeLsum", split))
    compare("ROUGE-2", *rouge_contenders("rouge2", pairs))
    compare("BLEU, 13a", *bleu_contenders("13a", pairs))
    compare("BLEU, zh", *bleu_contenders("zh", chinese))
    compare("chrF", *chrf_contenders(pairs))
    long_texts()


if __name__ == "__main__":
    main()
