import math
import random
import statistics

from tiny_eval.stats import Estimate


def drawn(items, statistic, seed, rounds, size=None, replace=True, divide=1.0, ends=(0.025, 0.975)):
    import numpy as np

    if not len(items) or rounds < 2:
        raise ValueError
    value, n = float(statistic(items)), len(items)
    if n == 1:
        return Estimate(value, math.nan, math.nan, math.nan, 1)
    rng = random.Random(seed)
    choose = rng.choices if replace else rng.sample
    found = [float(statistic(choose(items, k=size or n))) for _ in range(rounds)]
    if any(map(math.isnan, found)):
        raise ValueError
    low, high = np.quantile(found, ends)
    return Estimate(value, statistics.stdev(found) / divide, float(low), float(high), n)


# %% right
def bootstrap_estimate(items, statistic, seed=0, rounds=1000):
    import numpy as np

    n = len(items)
    if n == 0 or rounds < 2:
        raise ValueError("give an item and two rounds at least")
    value = float(statistic(items))
    if n == 1:
        return Estimate(value, math.nan, math.nan, math.nan, 1)
    draws = np.random.default_rng(seed).integers(0, n, (rounds, n))
    found = sorted(float(statistic([items[i] for i in draw])) for draw in draws)
    if any(map(math.isnan, found)):
        raise ValueError("no number for some sample")

    def quantile(share):
        place = share * (rounds - 1)
        below = math.floor(place)
        above = min(below + 1, rounds - 1)
        return found[below] + (place - below) * (found[above] - found[below])

    return Estimate(value, statistics.stdev(found), quantile(0.025), quantile(0.975), n)


# %% wrong: drawn without replacement, nine tenths of the items at a time
def bootstrap_estimate(items, statistic, seed=0, rounds=1000):
    return drawn(items, statistic, seed, rounds, max(len(items) * 9 // 10, 1), replace=False)


# %% wrong: the spread of the samples is divided by the root of n once more
def bootstrap_estimate(items, statistic, seed=0, rounds=1000):
    return drawn(items, statistic, seed, rounds, divide=math.sqrt(len(items)))


# %% wrong: the 5th and the 95th percentile, which hold 90%
def bootstrap_estimate(items, statistic, seed=0, rounds=1000):
    return drawn(items, statistic, seed, rounds, ends=(0.05, 0.95))


# %% wrong: the seed is not used
def bootstrap_estimate(items, statistic, seed=0, rounds=1000):
    return drawn(items, statistic, None, rounds)


# %% wrong: samples of ten items, however many there are
def bootstrap_estimate(items, statistic, seed=0, rounds=1000):
    return drawn(items, statistic, seed, rounds, 10)
