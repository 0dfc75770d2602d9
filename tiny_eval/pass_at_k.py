"""Several tries at a question: the chance that one of k succeeds, and that all k do.

Sources: Chen et al. 2021, "Evaluating large language models trained on code" (arXiv:2107.03374),
eq. 1, for pass@k; Yao et al. 2024, "tau-bench" (arXiv:2406.12045), for pass^k. Chapter 51.

Of all sets of k among the n tries that were sampled, they are the share that succeeds, and so right
on average; 1 - (1 - c/n)^k is too low. The score of a task is the mean over its questions.
"""

import math


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k tries succeeds.

    n: tries sampled · c: of them, those that succeeded · k: at most n, drawn without replacement ·
    returns 1 - C(n - c, k) / C(n, k) in [0, 1], in whole numbers up to the one division
    ValueError: c not in [0, n] or k not in [1, n]
    """
    _check(n, c, k)
    ways = math.comb(n, k)
    return (ways - math.comb(n - c, k)) / ways


def pass_all_k(n: int, c: int, k: int) -> float:
    """pass^k: the chance that k tries all succeed, C(c, k) / C(n, k); else as `pass_at_k`."""
    _check(n, c, k)
    return math.comb(c, k) / math.comb(n, k)


def _check(n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ValueError(f"c={c} successes of n={n} tries: it must be in [0, n]")
    if not 1 <= k <= n:
        raise ValueError(f"k={k} must be in [1, n={n}]; sample at least k tries of each question")
