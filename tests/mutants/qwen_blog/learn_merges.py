from collections import Counter
from itertools import pairwise

from qwen_blog.bpe import ALPHABET


def glue(tokens, pair):
    glued, i = [], 0
    while i < len(tokens):
        here = tuple(tokens[i : i + 2])
        glued.append("".join(pair) if here == pair else tokens[i])
        i += 2 if here == pair else 1
    return glued


def count(words):
    counts = Counter()
    for tokens, times in words:
        for pair in pairwise(tokens):
            counts[pair] += times
    return counts


# %% right
def learn_merges(word_counts, num_merges, min_frequency=2):
    words = [(list(word), times) for word, times in word_counts.items()]
    age, merges = {symbol: i for i, symbol in enumerate(ALPHABET)}, []
    while len(merges) < num_merges:
        counts = count(words)
        order = sorted(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))
        if not order or counts[order[0]] < max(1, min_frequency):
            break
        merges.append(order[0])
        age["".join(order[0])] = len(age)
        words = [(glue(tokens, order[0]), times) for tokens, times in words]
    return merges


# %% wrong: a word counts once, however often it occurs
def learn_merges(word_counts, num_merges, min_frequency=2):
    words = [(list(word), 1) for word in word_counts]
    age, merges = {symbol: i for i, symbol in enumerate(ALPHABET)}, []
    while len(merges) < num_merges:
        counts = count(words)
        order = sorted(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))
        if not order or counts[order[0]] < max(1, min_frequency):
            break
        merges.append(order[0])
        age["".join(order[0])] = len(age)
        words = [(glue(tokens, order[0]), times) for tokens, times in words]
    return merges


# %% wrong: of pairs that occur equally often, the last in the alphabet
def learn_merges(word_counts, num_merges, min_frequency=2):
    words, merges = [(list(word), times) for word, times in word_counts.items()], []
    while len(merges) < num_merges:
        counts = count(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        if counts[best] < max(1, min_frequency):
            break
        merges.append(best)
        words = [(glue(tokens, best), times) for tokens, times in words]
    return merges


# %% wrong: pairs are counted once, before the first merge
def learn_merges(word_counts, num_merges, min_frequency=2):
    words = [(list(word), times) for word, times in word_counts.items()]
    age = {symbol: i for i, symbol in enumerate(ALPHABET)}
    counts = count(words)
    order = sorted(counts, key=lambda pair: (-counts[pair], age[pair[0]], age[pair[1]]))
    return [pair for pair in order if counts[pair] >= max(1, min_frequency)][:num_merges]


# %% wrong: it never stops early
def learn_merges(word_counts, num_merges, min_frequency=2):
    words = [(list(word), times) for word, times in word_counts.items()]
    age, merges = {symbol: i for i, symbol in enumerate(ALPHABET)}, []
    while len(merges) < num_merges:
        counts = count(words)
        order = sorted(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))
        if not order:
            break
        merges.append(order[0])
        age["".join(order[0])] = len(age)
        words = [(glue(tokens, order[0]), times) for tokens, times in words]
    return merges
