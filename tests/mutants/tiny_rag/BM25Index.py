from collections import Counter

import numpy as np

from tiny_rag import terms
from tiny_rag.bm25 import inverse_document_frequency


class Plain:
    """A list of counts, gone through for every question."""

    def __init__(self, variant="lucene", k1=1.5, b=0.75, tokenize=terms.tokenize):
        self.variant, self.k1, self.b, self.tokenize = variant, k1, b, tokenize
        self.texts = []

    def __len__(self):
        return len(self.texts)

    def add(self, texts):
        first = len(self.texts)
        self.texts += [Counter(self.tokenize(text)) for text in texts]
        return range(first, len(self.texts))

    def remove(self, rows):
        gone = set(rows)
        self.texts = [text for row, text in enumerate(self.texts) if row not in gone]

    def build(self):
        pass

    def idf(self, term):
        df = len(self.postings(term))
        if not df:
            raise KeyError(term)
        return float(inverse_document_frequency(np.array([df]), len(self), self.variant)[0])

    def postings(self, term):
        return {row: text[term] for row, text in enumerate(self.texts) if text[term]}

    def asked(self, query):
        return Counter(self.tokenize(query))

    def length(self, text):
        return text.total()

    def average(self):
        return sum(map(self.length, self.texts)) / len(self.texts)

    def norm(self, text):
        return self.k1 * (1 - self.b + self.b * self.length(text) / self.average())

    def factor(self):
        return self.k1 + 1 if self.variant == "atire" else 1

    def scores(self, query):
        total = np.zeros(len(self))
        for term, times in self.asked(query).items():
            for row, tf in self.postings(term).items():
                share = tf / (tf + self.norm(self.texts[row]))
                total[row] += times * self.factor() * self.idf(term) * share
        return total.astype(np.float32)

    def top_k(self, query, k):
        scores = self.scores(query)
        rows = np.argsort(-scores, kind="stable")[:k]
        rows = rows[scores[rows] > 0]
        return rows, scores[rows]

    def matched(self, query, row):
        raise NotImplementedError

    def arrays(self):
        raise NotImplementedError


# %% right
class BM25Index(Plain):
    pass


# %% wrong: the length of a text is the number of its different words
class BM25Index(Plain):
    def length(self, text):
        return len(text)


# %% wrong: a word asked twice counts once
class BM25Index(Plain):
    def asked(self, query):
        return dict.fromkeys(self.tokenize(query), 1)


# %% wrong: the mean length stays that of the first texts
class BM25Index(Plain):
    first = 0.0

    def average(self):
        self.first = self.first or super().average()
        return self.first


# %% wrong: b upside down, so that long texts gain
class BM25Index(Plain):
    def norm(self, text):
        return self.k1 * (1 - self.b + self.b * self.average() / max(1, self.length(text)))


# %% wrong: atire without its k1 + 1
class BM25Index(Plain):
    def factor(self):
        return 1


# %% wrong: the best k are filled up with rows that have no word of the question
class BM25Index(Plain):
    def top_k(self, query, k):
        scores = self.scores(query)
        rows = np.argsort(-scores, kind="stable")[:k]
        return rows, scores[rows]
