import numpy as np


# %% right
def maximal_marginal_relevance(relevance, similarity, k, lambda_=0.7):
    left, picked = list(range(len(relevance))), []

    def value(row):
        repeats = max([0.0, *(float(similarity[row][other]) for other, _ in picked)])
        return lambda_ * float(relevance[row]) - (1 - lambda_) * repeats

    while left and len(picked) < k:
        best = max(left, key=value)
        picked.append((best, value(best)))
        left.remove(best)
    return picked


# %% wrong: the mean of the similarities instead of their maximum
def maximal_marginal_relevance(relevance, similarity, k, lambda_=0.7):
    left, picked = list(range(len(relevance))), []

    def value(row):
        repeats = np.mean([max(0.0, similarity[row][other]) for other, _ in picked] or [0.0])
        return lambda_ * float(relevance[row]) - (1 - lambda_) * float(repeats)

    while left and len(picked) < k:
        best = max(left, key=value)
        picked.append((best, value(best)))
        left.remove(best)
    return picked


# %% wrong: compared only with the last one picked
def maximal_marginal_relevance(relevance, similarity, k, lambda_=0.7):
    left, picked = list(range(len(relevance))), []

    def value(row):
        repeats = max([0.0, *(float(similarity[row][other]) for other, _ in picked[-1:])])
        return lambda_ * float(relevance[row]) - (1 - lambda_) * repeats

    while left and len(picked) < k:
        best = max(left, key=value)
        picked.append((best, value(best)))
        left.remove(best)
    return picked


# %% wrong: lambda the other way round
def maximal_marginal_relevance(relevance, similarity, k, lambda_=0.7):
    left, picked = list(range(len(relevance))), []

    def value(row):
        repeats = max([0.0, *(float(similarity[row][other]) for other, _ in picked)])
        return (1 - lambda_) * float(relevance[row]) - lambda_ * repeats

    while left and len(picked) < k:
        best = max(left, key=value)
        picked.append((best, value(best)))
        left.remove(best)
    return picked


# %% wrong: similar to the rest of the candidates, picked or not
def maximal_marginal_relevance(relevance, similarity, k, lambda_=0.7):
    others = np.array(similarity, float) - 2 * np.eye(len(relevance))
    values = lambda_ * np.asarray(relevance, float)
    if len(relevance) > 1:
        values = values - (1 - lambda_) * np.maximum(0, others.max(axis=1))
    order = np.argsort(-values, kind="stable")[:k]
    return [(int(row), float(values[row])) for row in order]
