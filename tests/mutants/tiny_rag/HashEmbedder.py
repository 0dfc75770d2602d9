import math
from collections import Counter

import numpy as np

from tiny_rag.embeddings import feature_key, features, units


def counted(text):
    """Each feature of a text, and how often it is there."""
    return Counter(feature for unit in units(text) for feature in features(unit))


class Plain:
    """One feature after the other, and documents counted in a dictionary."""

    def __init__(self, dim=4096):
        if dim < 1:
            raise ValueError(dim)
        self.dim, self.num_fitted, self.df = dim, 0, Counter()

    @property
    def model_id(self):
        return f"hash-{self.dim}"

    def fit(self, texts, progress=False):
        texts = list(texts)
        if not texts:
            raise ValueError("no texts")
        self.num_fitted = len(texts)
        self.df = Counter(feature for text in texts for feature in counted(text))
        return self

    def idf(self, feature):
        n = self.df[feature]
        return math.log(1 + (self.num_fitted - n + 0.5) / (n + 0.5)) if n else 0.0

    def weight(self, tf):
        return 1 + math.log(tf)

    def sign(self, key):
        return -1 if key & 1 else 1

    def place(self, key):
        return (key >> 1) % self.dim

    def scaled(self, vector):
        length = math.sqrt(np.dot(vector, vector))
        return vector / length if length else vector

    def vector(self, text, factor):
        total = np.zeros(self.dim)
        for feature, tf in counted(text).items():
            key = feature_key(feature)
            total[self.place(key)] += self.sign(key) * self.weight(tf) * factor(feature)
        return self.scaled(total).astype(np.float32)

    def encode_documents(self, texts, progress=False):
        rows = [self.vector(text, lambda feature: 1) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), self.dim)

    def encode_query(self, text):
        return self.vector(text, self.idf if self.num_fitted else lambda feature: 1)

    def arrays(self):
        raise NotImplementedError


# %% right
class HashEmbedder(Plain):
    pass


# %% wrong: no signs, so that features which meet always add up
class HashEmbedder(Plain):
    def sign(self, key):
        return 1


# %% wrong: counts as they are, without the logarithm
class HashEmbedder(Plain):
    def weight(self, tf):
        return tf


# %% wrong: vectors are not brought to length 1
class HashEmbedder(Plain):
    def scaled(self, vector):
        return vector


# %% wrong: the bit of the sign is part of the place
class HashEmbedder(Plain):
    def place(self, key):
        return key % self.dim


# %% wrong: documents are weighted too, and change with every fit
class HashEmbedder(Plain):
    def encode_documents(self, texts, progress=False):
        factor = self.idf if self.num_fitted else lambda feature: 1
        return np.array([self.vector(text, factor) for text in texts]).reshape(-1, self.dim)


# %% wrong: fitted, a word that no text has weighs most
class HashEmbedder(Plain):
    def idf(self, feature):
        n = self.df[feature]
        return math.log(1 + (self.num_fitted - n + 0.5) / (n + 0.5))


# %% wrong: a fitted query is weighted like a document
class HashEmbedder(Plain):
    def encode_query(self, text):
        return self.vector(text, lambda feature: 1)
