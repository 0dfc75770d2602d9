import math


# %% right
def mcnemar(wins, losses):
    tosses, lead = wins + losses, abs(wins - losses)
    ways, total = 1, 0
    for heads in range(tosses + 1):
        if abs(2 * heads - tosses) >= lead:
            total += ways
        ways = ways * (tosses - heads) // (heads + 1)
    return total / 2**tosses


# %% wrong: one way only
def mcnemar(wins, losses):
    n = wins + losses
    return sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n


# %% wrong: what happened itself is not counted
def mcnemar(wins, losses):
    n = wins + losses
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(min(wins, losses))) / 2**n)


# %% wrong: twice the tail, though as many wins as losses makes it more than 1
def mcnemar(wins, losses):
    n = wins + losses
    return 2 * sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n


# %% wrong: the chi-squared approximation, which is for many questions
def mcnemar(wins, losses):
    if wins == losses:
        return 1.0
    return math.erfc(math.sqrt((wins - losses) ** 2 / (wins + losses) / 2))


# %% wrong: chances as floats, which many questions overflow
def mcnemar(wins, losses):
    n = wins + losses
    tail = sum(math.comb(n, k) * 0.5**n for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail)
