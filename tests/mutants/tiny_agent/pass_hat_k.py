# %% right
def pass_hat_k(c, n, k):
    if k < 1 or k > n or c < 0 or c > n:
        raise ValueError(f"no pass^{k} of {c} in {n}")
    chance = 1.0
    for drawn in range(k):
        chance *= max(0, c - drawn) / (n - drawn)
    return chance


# %% wrong: the share to the power of k, as if each trial were put back
def pass_hat_k(c, n, k):
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError("no")
    return (c / n) ** k


# %% wrong: pass@k, that at least one succeeds
def pass_hat_k(c, n, k):
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError("no")
    missed = 1.0
    for drawn in range(k):
        missed *= max(0, n - c - drawn) / (n - drawn)
    return 1 - missed


# %% wrong: the failures are chosen as well as the successes
def pass_hat_k(c, n, k):
    import math

    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError("no")
    return math.comb(c, k) * math.comb(n - c, max(0, n - c - k)) / math.comb(n, k)


# %% wrong: more trials than there are give 0 instead of an error
def pass_hat_k(c, n, k):
    import math

    ways = math.comb(n, k) if k >= 0 else 0
    return math.comb(c, k) / ways if ways else 0.0
