import math


# %% right
def pass_at_k(n, c, k):
    if c < 0 or c > n or k < 1 or k > n:
        raise ValueError(f"there is no drawing {k} of {n} tries with {c} successes")
    failing = 1.0
    for drawn in range(k):  # the next one fails too
        failing *= max(n - c - drawn, 0) / (n - drawn)
    return 1 - failing


# %% wrong: as if the tries were drawn with replacement
def pass_at_k(n, c, k):
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError
    return 1 - (1 - c / n) ** k


# %% wrong: the chance that all k succeed
def pass_at_k(n, c, k):
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError
    return math.comb(c, k) / math.comb(n, k)


# %% wrong: k times the share of successes, at most 1
def pass_at_k(n, c, k):
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError
    return min(1.0, k * c / n)


# %% wrong: more tries than were sampled are a sure success
def pass_at_k(n, c, k):
    if n - c < k:
        return 1.0
    return 1 - math.comb(n - c, k) / math.comb(n, k)
