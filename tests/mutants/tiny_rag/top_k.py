import heapq

import numpy as np


# %% right
def top_k(scores, k):
    best = heapq.nsmallest(k, range(len(scores)), key=lambda row: (-float(scores[row]), row))
    return np.array(best, np.int64)


# %% wrong: sorted upwards and turned round, so that of equals the last comes first
def top_k(scores, k):
    return np.argsort(scores, kind="stable")[::-1][:k]


# %% wrong: the right k, in no order
def top_k(scores, k):
    if k >= len(scores):
        return np.argsort(-scores, kind="stable")
    return np.argpartition(-scores, k)[:k]


# %% wrong: the lowest scores, as if they were distances
def top_k(scores, k):
    return np.argsort(scores, kind="stable")[:k]
