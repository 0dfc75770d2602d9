from tiny_eval.lcs import lcs_length
from tiny_eval.rouge import Rouge
from tiny_eval.text import words_of_rouge


# %% right
def rouge_l(prediction, reference, tokenize=None):
    cut = words_of_rouge if tokenize is None else tokenize
    said, wanted = cut(prediction), cut(reference)
    table = [[0] * (len(wanted) + 1) for _ in range(len(said) + 1)]
    for i, mine in enumerate(said, 1):
        for j, theirs in enumerate(wanted, 1):
            if mine == theirs:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    common = table[-1][-1]
    if common == 0:
        return Rouge(0.0, 0.0, 0.0)
    return Rouge(common / len(said), common / len(wanted), common / ((len(said) + len(wanted)) / 2))


# %% wrong: precision and recall change places
def rouge_l(prediction, reference, tokenize=None):
    said, wanted = ((tokenize or words_of_rouge)(text) for text in (prediction, reference))
    common = lcs_length(said, wanted)
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    p, r = common / len(wanted), common / len(said)
    return Rouge(p, r, 2 * p * r / (p + r))


# %% wrong: the order does not count, as in ROUGE-1
def rouge_l(prediction, reference, tokenize=None):
    from collections import Counter

    said, wanted = ((tokenize or words_of_rouge)(text) for text in (prediction, reference))
    common = (Counter(said) & Counter(wanted)).total()
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    p, r = common / len(said), common / len(wanted)
    return Rouge(p, r, 2 * p * r / (p + r))


# %% wrong: beta is 1.2, so that recall weighs more
def rouge_l(prediction, reference, tokenize=None):
    said, wanted = ((tokenize or words_of_rouge)(text) for text in (prediction, reference))
    common = lcs_length(said, wanted)
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    p, r = common / len(said), common / len(wanted)
    return Rouge(p, r, (1 + 1.2**2) * p * r / (r + 1.2**2 * p))


# %% wrong: letters in place of words
def rouge_l(prediction, reference, tokenize=None):
    said, wanted = ((tokenize or list)(text) for text in (prediction, reference))
    common = lcs_length(said, wanted)
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    p, r = common / len(said), common / len(wanted)
    return Rouge(p, r, 2 * p * r / (p + r))


# %% wrong: it divides by zero where a text has no tokens
def rouge_l(prediction, reference, tokenize=None):
    said, wanted = ((tokenize or words_of_rouge)(text) for text in (prediction, reference))
    common = lcs_length(said, wanted)
    p, r = common / len(said), common / len(wanted)
    return Rouge(p, r, 2 * p * r / (p + r) if common else 0.0)
