from collections import Counter


# %% right
def reciprocal_rank_fusion(rankings, k=60, weights=None):
    scores = {}
    for number, ranking in enumerate(rankings):
        weight = 1 if weights is None else weights[number]
        seen = []
        for item in ranking:
            if item not in seen and weight > 0:
                seen.append(item)
                scores[item] = scores.get(item, 0.0) + weight / (k + len(seen))
    return sorted(scores.items(), key=lambda pair: pair[1], reverse=True)


# %% wrong: ranks counted from 0
def reciprocal_rank_fusion(rankings, k=60, weights=None):
    scores = Counter()
    for ranking, weight in zip(rankings, weights or [1] * len(rankings), strict=True):
        for rank, item in enumerate(dict.fromkeys(ranking) if weight else ()):
            scores[item] += weight / (k + rank or 1)
    return scores.most_common()


# %% wrong: 1 / rank, without k
def reciprocal_rank_fusion(rankings, k=60, weights=None):
    scores = Counter()
    for ranking, weight in zip(rankings, weights or [1] * len(rankings), strict=True):
        for rank, item in enumerate(dict.fromkeys(ranking) if weight else (), start=1):
            scores[item] += weight / rank
    return scores.most_common()


# %% wrong: what a ranking says twice counts twice
def reciprocal_rank_fusion(rankings, k=60, weights=None):
    scores = Counter()
    for ranking, weight in zip(rankings, weights or [1] * len(rankings), strict=True):
        for rank, item in enumerate(ranking if weight else (), start=1):
            scores[item] += weight / (k + rank)
    return scores.most_common()


# %% wrong: the best share of an item instead of the sum
def reciprocal_rank_fusion(rankings, k=60, weights=None):
    scores = {}
    for ranking, weight in zip(rankings, weights or [1] * len(rankings), strict=True):
        for rank, item in enumerate(dict.fromkeys(ranking) if weight else (), start=1):
            scores[item] = max(scores.get(item, 0), weight / (k + rank))
    return sorted(scores.items(), key=lambda pair: -pair[1])


# %% wrong: of equals the one whose name comes first
def reciprocal_rank_fusion(rankings, k=60, weights=None):
    scores = Counter()
    for ranking, weight in zip(rankings, weights or [1] * len(rankings), strict=True):
        for rank, item in enumerate(dict.fromkeys(ranking) if weight else (), start=1):
            scores[item] += weight / (k + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
