"""How sure a difference is: a test for two methods on the same questions, and an error bar.

Sources: Fisher 1935, "The design of experiments", section 21, for the randomisation test; Smucker,
Allan and Carterette 2007, "A comparison of statistical significance tests for information
retrieval evaluation", for its use here; Phipson and Smyth 2010, "Permutation p-values should never
be zero"; Efron 1979, "Bootstrap methods: another look at the jackknife". Chapter 32.

Leaves out: corrections for many comparisons. Who compares ten methods will find one of them better
at p < 0.05 by luck alone with probability 0.4.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 20  # numbers drawn at a time: 8 MB


@dataclass(frozen=True)
class Comparison:
    """Method a against method b, question by question."""

    difference: float
    """mean(a) - mean(b)."""
    interval: tuple[float, float]
    """Where the true difference lies, with the confidence asked for."""
    p_value: float
    """Of `paired_randomisation_test`."""
    wins: int
    """Questions on which a is better; the rest are losses and ties."""
    losses: int


def compare(
    a: Sequence[float],
    b: Sequence[float],
    confidence: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """All about the difference of two methods. a[i] and b[i] are scores of the same question."""
    differences = _differences(a, b)
    return Comparison(
        float(differences.mean()),
        bootstrap_interval(differences.tolist(), confidence, rounds, seed),
        paired_randomisation_test(a, b, rounds, seed),
        int((differences > 0).sum()),
        int((differences < 0).sum()),
    )


def paired_randomisation_test(
    a: Sequence[float], b: Sequence[float], rounds: int = 10_000, seed: int = 0
) -> float:
    """How often chance alone makes a difference as large as this one, in either direction.

    a, b: (N,) scores of two methods on the same questions, in the same order
    returns p in (0, 1]. If the methods were the same, each question's two scores could as well be
    swapped: p is the share of all swaps in which |mean(a) - mean(b)| is at least what was seen.
    If there are at most `rounds` different swaps, all of them are tried and p is exact; else
    `rounds` random ones are, and the swap that happened counts as one more, so p is never 0.
    Sums that only rounding tells apart count as equal. Smucker et al. 2007; Phipson and Smyth 2010
    ValueError: no scores, two lengths, NaN or infinity, rounds < 1
    """
    _check_rounds(rounds)
    differences = _differences(a, b)
    differences = differences[differences != 0]  # a tie is the same either way
    n = len(differences)
    # sums of floats in another order differ in the last bits: that must not break a tie
    seen = abs(differences.sum()) - 1e-9 * np.abs(differences).sum()
    if n < 63 and 1 << n <= rounds:
        signs = 1 - 2 * (np.arange(1 << n)[:, None] >> np.arange(n) & 1)  # (2**n, n) of 1 and -1
        return float((np.abs(signs @ differences) >= seen).mean())
    rng = np.random.default_rng(seed)
    reached = 1
    for size in _blocks(rounds, n):
        signs = 1 - 2 * rng.integers(0, 2, (size, n), np.int8)
        reached += int((np.abs(signs @ differences) >= seen).sum())
    return reached / (rounds + 1)


def bootstrap_interval(
    values: Sequence[float], confidence: float = 0.95, rounds: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Between which bounds the mean would fall, were other questions of the same kind asked.

    values: (N,) · confidence in (0, 1) · returns (low, high): percentiles of the means of `rounds`
    samples, each of N values drawn with replacement
    It is too narrow for N below about 20, and of no width when all values are equal: it cannot
    know of what was not seen. For a share of yes and no use an interval made for that (Wilson's).
    ValueError: no values, NaN or infinity, confidence or rounds out of range
    """
    _check_rounds(rounds)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be between 0 and 1; 0.95 is usual")
    scores = _finite("values", values)
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            scores[rng.integers(0, len(scores), (size, len(scores)))].mean(axis=1)
            for size in _blocks(rounds, len(scores))
        ]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _differences(a: Sequence[float], b: Sequence[float]) -> NDArray[np.float64]:
    first, second = _finite("a", a), _finite("b", b)
    if len(first) != len(second):
        raise ValueError(
            f"a has {len(first)} scores and b {len(second)}; give both methods the same questions"
        )
    return first - second


def _finite(name: str, values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{name} must be a list of at least one score; its shape is {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}; leave out what has no score")
    return array


def _check_rounds(rounds: int) -> None:
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be at least 1; 10000 is usual")


def _blocks(rounds: int, width: int) -> Iterator[int]:
    """How many rows to draw at a time, so that memory stays small."""
    size = max(1, _BLOCK // max(1, width))
    for _ in range(math.ceil(rounds / size) - 1):
        yield size
    yield rounds - size * (math.ceil(rounds / size) - 1)
