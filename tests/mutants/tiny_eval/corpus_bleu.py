import math
from collections import Counter

from tiny_eval.bleu import BLEU, check_corpus, sentence_bleu
from tiny_eval.bleu_tokens import tokens_13a, tokens_char, tokens_zh

CUTS = {"13a": tokens_13a, "zh": tokens_zh, "char": tokens_char, "none": str.split}


def runs(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def nearest(length, lengths):
    return min(sorted(lengths), key=lambda other: abs(other - length))


def clipped(mine, others):
    return sum(min(count, max(other[run] for other in others)) for run, count in mine.items())


def smoothed(matched, total):
    shares, half = [], 1.0
    for hits, all_runs in zip(matched, total, strict=True):
        if any(matched) and all_runs and not hits:
            half *= 0.5
            shares.append(100 * half / all_runs)
        else:
            shares.append(100 * hits / all_runs if all_runs else 0.0)
    return tuple(shares)


def penalty(length, wanted):
    if not length:
        return float(not wanted)
    return min(1.0, math.exp(1 - wanted / length))


def geometric(shares):
    return math.prod(shares) ** (1 / 4)


def whole(
    predictions,
    references,
    tokenize,
    closest=nearest,
    clip=clipped,
    smooth=smoothed,
    short=penalty,
    mean=geometric,
):
    check_corpus(predictions, references)
    length = wanted = 0
    matched, total = [0] * 4, [0] * 4
    for text, own in zip(predictions, references, strict=True):
        said, others = CUTS[tokenize](text), [CUTS[tokenize](other) for other in own]
        length += len(said)
        wanted += closest(len(said), [len(other) for other in others])
        for n in range(4):
            mine = runs(said, n + 1)
            matched[n] += clip(mine, [runs(other, n + 1) for other in others])
            total[n] += mine.total()
    shares, bp = smooth(matched, total), short(length, wanted)
    many = {len(own) for own in references}
    nrefs = many.pop() if len(many) == 1 else "var"
    return BLEU(
        bp * mean(shares),
        shares,
        bp,
        tuple(matched),
        tuple(total),
        length,
        wanted,
        f"nrefs:{nrefs}|case:mixed|eff:no|tok:{tokenize}|smooth:exp|version:tiny_eval",
    )


# %% right
def corpus_bleu(predictions, references, tokenize="13a"):
    return whole(predictions, references, tokenize)


# %% wrong: a word is matched as often as the text has it
def corpus_bleu(predictions, references, tokenize="13a"):
    def clip(mine, others):
        return sum(count for run, count in mine.items() if any(run in other for other in others))

    return whole(predictions, references, tokenize, clip=clip)


# %% wrong: the mean of the sentences' scores
def corpus_bleu(predictions, references, tokenize="13a"):
    check_corpus(predictions, references)
    pairs = zip(predictions, references, strict=True)
    scores = [sentence_bleu(text, own, tokenize).score for text, own in pairs]
    return whole(predictions, references, tokenize, mean=lambda _: sum(scores) / len(scores))


# %% wrong: a text that is too long pays too
def corpus_bleu(predictions, references, tokenize="13a"):
    def short(length, wanted):
        return math.exp(-abs(1 - wanted / length)) if length else 0.0

    return whole(predictions, references, tokenize, short=short)


# %% wrong: the shortest reference counts for the length, not the nearest
def corpus_bleu(predictions, references, tokenize="13a"):
    return whole(predictions, references, tokenize, closest=lambda _, lengths: min(lengths))


# %% wrong: the arithmetic mean of the four precisions
def corpus_bleu(predictions, references, tokenize="13a"):
    return whole(predictions, references, tokenize, mean=lambda shares: sum(shares) / 4)


# %% wrong: the matches of several references are added up
def corpus_bleu(predictions, references, tokenize="13a"):
    def clip(mine, others):
        return sum(min(count, sum(x[run] for x in others)) for run, count in mine.items())

    return whole(predictions, references, tokenize, clip=clip)
