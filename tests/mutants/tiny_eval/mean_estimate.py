import math
from collections import defaultdict

from tiny_eval.stats import Estimate, student

Z = 1.959963984540054


def wilson_bounds(p, n, z):
    """The roots of n (p - x)^2 = z^2 x (1 - x)."""
    a, b, c = n + z * z, -(2 * n * p + z * z), n * p * p
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return max((-b - root) / (2 * a), 0.0), min((-b + root) / (2 * a), 1.0)


def checked(values, clusters):
    values = [float(x) for x in values]
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("values must be finite, and there must be one")
    if clusters is not None and len(clusters) != len(values):
        raise ValueError("give each value a cluster")
    return values, list(range(len(values)) if clusters is None else clusters)


def spread(values, names, mean):
    """Sum of squared sums of the clusters, and the number of clusters."""
    sums = defaultdict(float)
    for value, name in zip(values, names, strict=True):
        sums[name] += value - mean
    return sum(s * s for s in sums.values()), len(sums)


# %% right
def mean_estimate(values, clusters=None):
    values, names = checked(values, clusters)
    n = len(values)
    mean = math.fsum(values) / n
    squares, groups = spread(values, names, mean)
    stderr = math.sqrt(squares * groups / (groups - 1)) / n if groups > 1 else math.nan
    binary = all(x in (0, 1) for x in values)
    if binary and clusters is None:
        return Estimate(mean, stderr, *wilson_bounds(mean, n, Z), n)
    if binary and groups > 1:
        if mean in (0, 1):
            answers = groups
        else:
            ratio = stderr**2 * (n - 1) / (mean * (1 - mean))
            answers = n / max(ratio, 1.0)
        return Estimate(mean, stderr, *wilson_bounds(mean, answers, student(groups - 1)), n)
    half = student(groups - 1) * stderr
    low, high = mean - half, mean + half
    if all(0 <= x <= 1 for x in values):
        low, high = (min(max(bound, 0.0), 1.0) if half == half else bound for bound in (low, high))
    return Estimate(mean, stderr, low, high, n)


# %% wrong: the variance is divided by n in place of n - 1
def mean_estimate(values, clusters=None):
    values, names = checked(values, clusters)
    n = len(values)
    mean = sum(values) / n
    squares, groups = spread(values, names, mean)
    stderr = math.sqrt(squares) / n if groups > 1 else math.nan
    if all(x in (0, 1) for x in values) and clusters is None:
        return Estimate(mean, stderr, *wilson_bounds(mean, n, Z), n)
    half = student(groups - 1) * stderr
    return Estimate(mean, stderr, max(mean - half, 0.0), min(mean + half, 1.0), n)


# %% wrong: mean +- 1.96 stderr where all answers are right or wrong
def mean_estimate(values, clusters=None):
    values, names = checked(values, clusters)
    n = len(values)
    mean = sum(values) / n
    squares, groups = spread(values, names, mean)
    stderr = math.sqrt(squares * groups / (groups - 1)) / n if groups > 1 else math.nan
    binary = all(x in (0, 1) for x in values)
    half = (Z if binary else student(groups - 1)) * stderr
    return Estimate(mean, stderr, max(mean - half, 0.0), min(mean + half, 1.0), n)


# %% wrong: the clusters are left out of account
def mean_estimate(values, clusters=None):
    values, _ = checked(values, clusters)
    n = len(values)
    mean = sum(values) / n
    squares, _ = spread(values, range(n), mean)
    stderr = math.sqrt(squares / (n - 1) / n) if n > 1 else math.nan
    if all(x in (0, 1) for x in values):
        return Estimate(mean, stderr, *wilson_bounds(mean, n, Z), n)
    half = student(n - 1) * stderr
    return Estimate(mean, stderr, max(mean - half, 0.0), min(mean + half, 1.0), n)


# %% wrong: 1.96 for all samples, however small
def mean_estimate(values, clusters=None):
    values, names = checked(values, clusters)
    n = len(values)
    mean = sum(values) / n
    squares, groups = spread(values, names, mean)
    stderr = math.sqrt(squares * groups / (groups - 1)) / n if groups > 1 else math.nan
    if all(x in (0, 1) for x in values):
        return Estimate(mean, stderr, *wilson_bounds(mean, n, Z), n)
    return Estimate(mean, stderr, max(mean - Z * stderr, 0.0), min(mean + Z * stderr, 1.0), n)


# %% wrong: Wilson's interval of n answers, though they come in clusters
def mean_estimate(values, clusters=None):
    values, names = checked(values, clusters)
    n = len(values)
    mean = sum(values) / n
    squares, groups = spread(values, names, mean)
    stderr = math.sqrt(squares * groups / (groups - 1)) / n if groups > 1 else math.nan
    if all(x in (0, 1) for x in values) and (clusters is None or groups > 1):
        return Estimate(mean, stderr, *wilson_bounds(mean, n, Z), n)
    half = student(groups - 1) * stderr
    low, high = mean - half, mean + half
    if all(0 <= x <= 1 for x in values):
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(mean, stderr, low, high, n)
