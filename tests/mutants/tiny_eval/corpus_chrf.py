from collections import Counter

from tiny_eval.bleu import check_corpus


def runs(text, n):
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def count(text, reference, longest=6):
    """For each n: n-grams of the text, of the reference, of both."""
    found = []
    for n in range(1, longest + 1):
        mine, theirs = runs(text, n), runs(reference, n)
        both = sum(min(mine[run], theirs[run]) for run in mine)
        found.append((mine.total() if theirs else 0, theirs.total(), both))
    return found


def total(counts):
    return [tuple(map(sum, zip(*column, strict=True))) for column in zip(*counts, strict=True)]


def fscore(found, weight=4):
    used = [(both / mine, both / theirs) for mine, theirs, both in found if mine and theirs]
    p, r = (sum(column) / len(used) for column in zip(*used, strict=True)) if used else (0, 0)
    return 100 * (1 + weight) * p * r / (weight * p + r) if p else 0.0


def bare(text):
    return "".join(text.split())


# %% right
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    best = []
    for text, own in zip(predictions, references, strict=True):
        candidates = [count(bare(text), bare(reference)) for reference in own]
        best.append(max(candidates, key=fscore))
    return fscore(total(best))


# %% wrong: precision counts twice as much, not recall
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    best = []
    for text, own in zip(predictions, references, strict=True):
        candidates = [count(bare(text), bare(reference)) for reference in own]
        best.append(max(candidates, key=lambda found: fscore(found, 1 / 4)))
    return fscore(total(best), 1 / 4)


# %% wrong: beta is 1
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    best = []
    for text, own in zip(predictions, references, strict=True):
        candidates = [count(bare(text), bare(reference)) for reference in own]
        best.append(max(candidates, key=lambda found: fscore(found, 1)))
    return fscore(total(best), 1)


# %% wrong: white space counts as a letter
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    best = []
    for text, own in zip(predictions, references, strict=True):
        best.append(max((count(text, reference) for reference in own), key=fscore))
    return fscore(total(best))


# %% wrong: the mean of the texts' scores
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    scores = []
    for text, own in zip(predictions, references, strict=True):
        scores.append(max(fscore(count(bare(text), bare(reference))) for reference in own))
    return sum(scores) / len(scores)


# %% wrong: runs of one to four, as in BLEU
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    best = []
    for text, own in zip(predictions, references, strict=True):
        candidates = [count(bare(text), bare(reference), 4) for reference in own]
        best.append(max(candidates, key=fscore))
    return fscore(total(best))


# %% wrong: runs that the texts are too short for count as 0
def corpus_chrf(predictions, references):
    check_corpus(predictions, references)
    best = []
    for text, own in zip(predictions, references, strict=True):
        candidates = [count(bare(text), bare(reference)) for reference in own]
        best.append(max(candidates, key=fscore))
    found = total(best)
    p = sum(both / mine for mine, _, both in found if mine) / 6
    r = sum(both / theirs for _, theirs, both in found if theirs) / 6
    return 100 * 5 * p * r / (4 * p + r) if p else 0.0
