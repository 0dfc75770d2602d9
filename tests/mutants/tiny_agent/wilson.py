import math
from statistics import NormalDist


# %% right
def wilson(successes, trials, confidence=0.95):
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError("no share, or no confidence")
    if trials == 0:
        return (0.0, 1.0)
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    share = successes / trials
    # (share - p)^2 = z^2 p (1 - p) / n as a p^2 + b p + c = 0
    a, b, c = 1 + z2 / trials, -2 * share - z2 / trials, share * share
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


# %% wrong: the share plus and minus two of its own standard errors
def wilson(successes, trials, confidence=0.95):
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError("no")
    if not trials:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials)
    return max(0.0, share - spread), min(1.0, share + spread)


# %% wrong: all of the doubt on one side
def wilson(successes, trials, confidence=0.95):
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError("no")
    if not trials:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf(confidence), successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    scale = 1 + z * z / trials
    return (middle - spread) / scale, (middle + spread) / scale


# %% wrong: the middle is the share itself, and not drawn towards a half
def wilson(successes, trials, confidence=0.95):
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError("no")
    if not trials:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    spread /= 1 + z * z / trials
    return max(0.0, share - spread), min(1.0, share + spread)


# %% wrong: the trials under the root are not squared
def wilson(successes, trials, confidence=0.95):
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError("no")
    if not trials:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials))
    scale = 1 + z * z / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
