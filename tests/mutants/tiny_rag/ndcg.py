import numpy as np


def dcg(gains):
    return float(np.sum(np.array(gains) / np.log2(np.arange(len(gains)) + 2)))


def found(ranking, relevance, k):
    return [max(0.0, relevance.get(item, 0)) for item in list(ranking)[:k]]


def best(relevance, k):
    return sorted((max(0.0, grade) for grade in relevance.values()), reverse=True)[:k]


# %% right
def ndcg(ranking, relevance, k):
    ideal = dcg(best(relevance, k))
    return dcg(found(ranking, relevance, k)) / ideal if ideal > 0 else 0.0


# %% wrong: the best possible is made of what was found only
def ndcg(ranking, relevance, k):
    gains = found(ranking, relevance, k)
    ideal = dcg(sorted(gains, reverse=True))
    return dcg(gains) / ideal if ideal > 0 else 0.0


# %% wrong: the best possible is not cut at k
def ndcg(ranking, relevance, k):
    ideal = dcg(best(relevance, len(relevance)))
    return dcg(found(ranking, relevance, k)) / ideal if ideal > 0 else 0.0


# %% wrong: a grade gains 2 ** grade - 1
def ndcg(ranking, relevance, k):
    ideal = dcg(2 ** np.array(best(relevance, k)) - 1)
    gains = 2 ** np.array(found(ranking, relevance, k)) - 1
    return dcg(gains) / ideal if ideal > 0 else 0.0


# %% wrong: not divided by the best possible
def ndcg(ranking, relevance, k):
    return dcg(found(ranking, relevance, k))


# %% wrong: divided by log2(rank), the first two not at all, as in the paper's own formula
def ndcg(ranking, relevance, k):
    def early(gains):
        return sum(gain / max(1.0, np.log2(rank)) for rank, gain in enumerate(gains, start=1))

    ideal = early(best(relevance, k))
    return float(early(found(ranking, relevance, k)) / ideal) if ideal > 0 else 0.0
