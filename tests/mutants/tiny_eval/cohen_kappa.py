import math
from collections import Counter


# %% right
def cohen_kappa(a, b):
    import numpy as np

    if len(a) != len(b) or len(a) == 0:
        raise ValueError("two verdicts an item")
    labels = {label: place for place, label in enumerate(dict.fromkeys([*a, *b]))}
    table = np.zeros((len(labels), len(labels)))
    for x, y in zip(a, b, strict=True):
        table[labels[x], labels[y]] += 1
    n = len(a)
    agreed, chance = np.trace(table) * n, float(table.sum(0) @ table.sum(1))
    return math.nan if chance == n * n else float((agreed - chance) / (n * n - chance))


# %% wrong: plain agreement, without what chance would give
def cohen_kappa(a, b):
    if len(a) != len(b) or not a:
        raise ValueError
    if len({*a, *b}) == 1:
        return math.nan
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


# %% wrong: chance as if every label were as frequent as the others
def cohen_kappa(a, b):
    if len(a) != len(b) or not a:
        raise ValueError
    if len({*a, *b}) == 1:
        return math.nan
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    chance = 1 / len({*a, *b})
    return (observed - chance) / (1 - chance)


# %% wrong: chance from the habits of both taken together (Scott's pi)
def cohen_kappa(a, b):
    if len(a) != len(b) or not a:
        raise ValueError
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    both = Counter(a) + Counter(b)
    chance = sum((count / (2 * len(a))) ** 2 for count in both.values())
    return (observed - chance) / (1 - chance) if chance < 1 else math.nan


# %% wrong: both saying the same of everything counts as perfect agreement
def cohen_kappa(a, b):
    if len(a) != len(b) or not a:
        raise ValueError
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    counts = Counter(b)
    chance = sum(n * counts[label] for label, n in Counter(a).items()) / len(a) ** 2
    return (observed - chance) / (1 - chance) if chance < 1 else 1.0
