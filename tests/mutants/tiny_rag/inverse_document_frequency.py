import math

import numpy as np


# %% right
def inverse_document_frequency(df, num_rows, variant):
    def one(n):
        if variant == "atire":
            return math.log(num_rows) - math.log(n)
        if variant == "lucene":
            return math.log((num_rows + 1) / (n + 0.5))
        return max(0.0, math.log(num_rows - n + 0.5) - math.log(n + 0.5))

    return np.vectorize(one, otypes=[float])(df)


# %% wrong: Lucene's without the 1 + in the logarithm, so frequent words count against a text
def inverse_document_frequency(df, num_rows, variant):
    odds = (num_rows - df + 0.5) / (df + 0.5)
    if variant == "robertson":
        return np.maximum(0.0, np.log(odds))
    return np.log(odds) if variant == "lucene" else np.log(num_rows / df)


# %% wrong: Robertson's may fall below 0
def inverse_document_frequency(df, num_rows, variant):
    odds = (num_rows - df + 0.5) / (df + 0.5)
    if variant == "robertson":
        return np.log(odds)
    return np.log1p(odds) if variant == "lucene" else np.log(num_rows / df)


# %% wrong: without the halves
def inverse_document_frequency(df, num_rows, variant):
    odds = (num_rows - df) / df
    if variant == "robertson":
        return np.log(np.maximum(odds, 1.0))
    return np.log1p(odds) if variant == "lucene" else np.log(num_rows / df)


# %% wrong: logarithm to the base 2
def inverse_document_frequency(df, num_rows, variant):
    odds = (num_rows - df + 0.5) / (df + 0.5)
    if variant == "robertson":
        return np.log2(np.maximum(odds, 1.0))
    return np.log2(1 + odds) if variant == "lucene" else np.log2(num_rows / df)
