import itertools

import numpy as np


def differences(a, b):
    d = np.array(a, float) - np.array(b, float)
    return d[d != 0]


def drawn_signs(rounds, n, seed):
    return np.random.default_rng(seed).choice([-1.0, 1.0], (rounds, n))


# %% right
def paired_randomisation_test(a, b, rounds=10_000, seed=0):
    d = differences(a, b)
    least = abs(d.sum()) - 1e-10
    if 2 ** len(d) <= rounds:
        swaps = itertools.product([-1, 1], repeat=len(d))
        sums = [abs(sum(sign * x for sign, x in zip(swap, d, strict=True))) for swap in swaps]
        return sum(total >= least for total in sums) / len(sums)
    rng, reached = np.random.default_rng(seed), 1
    for _ in range(rounds):
        flip = rng.random(len(d)) < 0.5
        reached += abs(d[flip].sum() - d[~flip].sum()) >= least
    return float(reached / (rounds + 1))


# %% wrong: only one direction counts
def paired_randomisation_test(a, b, rounds=10_000, seed=0):
    d = differences(a, b)
    if 2 ** len(d) <= rounds:
        signs = np.array(list(itertools.product([-1, 1], repeat=len(d)))).reshape(-1, len(d))
        return float((signs @ d >= d.sum() - 1e-10).mean())
    sums = drawn_signs(rounds, len(d), seed) @ d
    return float((np.sum(sums >= d.sum() - 1e-10) + 1) / (rounds + 1))


# %% wrong: all scores are shuffled, and the pairs are lost
def paired_randomisation_test(a, b, rounds=10_000, seed=0):
    rng, both = np.random.default_rng(seed), np.array([*a, *b], float)
    seen = abs(np.mean(a) - np.mean(b)) - 1e-10
    reached = 1
    for _ in range(rounds):
        rng.shuffle(both)
        reached += abs(both[: len(a)].mean() - both[len(a) :].mean()) >= seen
    return float(reached / (rounds + 1))


# %% wrong: as large as what was seen does not count, only larger
def paired_randomisation_test(a, b, rounds=10_000, seed=0):
    d = differences(a, b)
    most = abs(d.sum()) + 1e-10
    if 2 ** len(d) <= rounds:
        signs = np.array(list(itertools.product([-1, 1], repeat=len(d)))).reshape(-1, len(d))
        return float((abs(signs @ d) > most).mean())
    sums = abs(drawn_signs(rounds, len(d), seed) @ d)
    return float((np.sum(sums > most) + 1) / (rounds + 1))


# %% wrong: random swaps without the one that happened, so p can be 0
def paired_randomisation_test(a, b, rounds=10_000, seed=0):
    d = differences(a, b)
    least = abs(d.sum()) - 1e-10
    if 2 ** len(d) <= rounds:
        signs = np.array(list(itertools.product([-1, 1], repeat=len(d)))).reshape(-1, len(d))
        return float((abs(signs @ d) >= least).mean())
    return float((abs(drawn_signs(rounds, len(d), seed) @ d) >= least).mean())


# %% wrong: sums compared to the last bit, so rounding breaks ties
def paired_randomisation_test(a, b, rounds=10_000, seed=0):
    d = differences(a, b)
    least = abs(d.sum())
    if 2 ** len(d) <= rounds:
        signs = np.array(list(itertools.product([-1, 1], repeat=len(d)))).reshape(-1, len(d))
        return float((abs(signs @ d) >= least).mean())
    return float((np.sum(abs(drawn_signs(rounds, len(d), seed) @ d) >= least) + 1) / (rounds + 1))
