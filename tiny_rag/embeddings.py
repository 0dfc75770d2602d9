"""Texts as vectors: what an embedder is, and one that needs no model and no download.

`HashEmbedder` counts pieces of words, so it finds a text by its words and never by its meaning: a
learned encoder (`encoders.py`) knows that a ship and a vessel are alike, this one does not. Chapter
31 draws both spaces.

Sources: Weinberger et al. 2009 (arXiv:0902.2206), section 2, for signed feature hashing;
Bojanowski et al. 2017 (arXiv:1607.04606), section 3.2, for the character n-grams of a word between
"<" and ">"; Robertson & Zaragoza 2009, section 3.1, for the idf, with Lucene's 1 + in the log.

Leaves out: stop words, stemming (n-grams do part of its work), simplified against traditional
characters, readings (pinyin, kana).
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Protocol, Self, TypeVar

import numpy as np
import regex

T = TypeVar("T")

# Scripts that put no space between words, and Hangul, whose words are short and take endings.
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}ー"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_CJK}]]"  # of every other script
_UNIT = regex.compile(
    rf"(?P<cjk>[{_CJK}]+)"
    r"|(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?)"
    rf"|(?P<word>{_LETTER}[{_LETTER}\p{{M}}]*)",
    regex.V1,
)
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")  # soft hyphen, joiners, BOM ...

_DF_BITS = 20  # 2^20 counters, 8 MB: two of a million features share one now and then
_ARRAYS = ("dim", "num_fitted", "slots", "document_counts")


class Embedder(Protocol):
    """What turns texts into vectors whose dot product says how alike the texts are."""

    @property
    def model_id(self) -> str:
        """The same for two embedders if the vectors of their documents may be mixed."""

    @property
    def dim(self) -> int:
        """The length of every vector."""

    def encode_documents(self, texts: Sequence[str], progress: bool = False) -> np.ndarray:
        """(N, dim) float32, rows of length 1, or 0 for a text that is blank."""

    def encode_query(self, text: str) -> np.ndarray:
        """(dim,) float32, of length 1 or 0: a question is not embedded as a document is."""


def fold(text: str) -> str:
    """The text as it is compared: width (Ｘ１２ = X12), case, and invisible characters are gone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", folded))


def units(text: str) -> list[str]:
    """What is counted, each as often as it occurs.

    "火星2号 is a ship" -> 火 星 火星 #2 号 <is> <a> <ship>: a word between "<" and ">", a number
    after "#" (whole, without commas between thousands), a CJK run as its characters and its pairs.
    4.2km is #4.2 and <km>; HX12 is <hx12>.
    """
    found: list[str] = []
    for match in _UNIT.finditer(fold(text)):
        piece = match[0]
        if match.lastgroup == "cjk":
            found += piece
            found += map("".join, pairwise(piece))
        elif match.lastgroup == "number":
            found.append("#" + piece.replace(",", ""))
        else:
            found.append(f"<{piece}>")
    return found


def features(unit: str) -> list[str]:
    """A unit and a word's 3- and 4-grams: <ship> -> <ship> <sh shi hip ip> <shi ship hip>."""
    grams = [unit]
    if unit.startswith("<"):
        for n in (3, 4):
            if n < len(unit):  # else the gram would be the word again
                grams += [unit[i : i + n] for i in range(len(unit) - n + 1)]
    return grams


def feature_key(feature: str) -> int:
    """64 bits that stand for the feature, on every machine: Python's own hash is salted."""
    data = feature.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


class HashEmbedder:
    """Signed feature hashing: numpy only, no training, the same vectors on every machine.

    A feature (`features` of the `units` of a text) that occurs tf times in a text adds
    s * (1 + ln tf) to one of dim places; which one, and whether s is 1 or -1, is decided by its
    hash: the lowest bit of `feature_key` is 1 for -1, and the other bits modulo dim are the place.
    Then the vector is divided by its length. Features that meet in a place thus cancel as often as
    they add: the dot product of two texts is right on average, and off by about 1 / sqrt(dim) of
    their lengths. Weinberger et al. 2009, section 2.

    `fit` is for the queries only: there a feature is multiplied by its idf, so that rare words
    decide: ln(1 + (N - n + 0.5) / (n + 0.5)) if n of the N texts have it. A document's vector
    depends on nothing but its text, so new documents never make old vectors stale; fit again when
    the corpus has changed much.

    dim: 4096 places are 16 kB a text; fewer are coarser. ValueError below 1
    """

    def __init__(self, dim: int = 4096) -> None:
        if dim < 1:
            raise ValueError(f"dim={dim} must be at least 1; 4096 is a good start")
        self.dim = dim
        self.num_fitted = 0
        self._document_counts = np.zeros(0, np.int64)  # (2^20,) once fitted
        self._keys = _KeyCache()

    @property
    def model_id(self) -> str:
        """Not of the idf: that changes no document."""
        return f"hash-1-{self.dim}"  # 1: raised when the features or the hash change

    def encode_documents(self, texts: Sequence[str], progress: bool = False) -> np.ndarray:
        """texts: N of them · returns (N, dim) float32; 4 * N * dim bytes, so give batches."""
        check_texts(texts)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(progress_bar(texts, progress)):
            keys, weights = self._counted(text)
            vectors[row] = self._project(keys, weights)
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        """(dim,) float32. Once fitted, features of no document count nothing: they could only meet
        others by chance. A query of none but such is the zero vector."""
        keys, weights = self._counted(text)
        if self.num_fitted:
            weights = weights * self._idf(keys)
        return self._project(keys, weights)

    def fit(self, texts: Iterable[str], progress: bool = False) -> Self:
        """Learn the idf of the queries from all the texts that will be searched; replaces the last.

        texts: may be a generator; held one at a time. About as long as embedding them.
        ValueError if there are none
        """
        check_texts(texts)
        counts, num_fitted = np.zeros(2**_DF_BITS, np.int64), 0
        for text in progress_bar(texts, progress):
            counts[_slots(self._counted(text)[0])] += 1  # once, however many keys share a slot
            num_fitted += 1
        if not num_fitted:
            raise ValueError("fit got no text; give the texts that will be searched")
        self._document_counts, self.num_fitted = counts, num_fitted
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a saved embedder needs, for a file without pickle: `numpy.savez`."""
        slots = np.flatnonzero(self._document_counts)
        dim, num_fitted = np.array(self.dim), np.array(self.num_fitted)
        counts = self._document_counts[slots].astype(np.uint32)
        return dict(zip(_ARRAYS, (dim, num_fitted, slots.astype(np.uint32), counts), strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The embedder that gave these `arrays`. ValueError if none could have."""
        try:
            dim, num_fitted, slots, counts = (arrays[name] for name in _ARRAYS)
        except KeyError as error:
            raise ValueError(f"the hash embedder's array {error} is missing; index again") from None
        sound = (
            dim.shape == num_fitted.shape == ()
            and slots.ndim == 1
            and slots.shape == counts.shape
            and all(array.dtype.kind in "iu" for array in (dim, num_fitted, slots, counts))
            and num_fitted >= 0
            and ((slots >= 0) & (slots < 2**_DF_BITS)).all()
            and ((counts > 0) & (counts <= num_fitted)).all()
        )
        if not sound:
            raise ValueError("the hash embedder's arrays are damaged; index again")
        embedder = cls(int(dim))
        if num_fitted:
            embedder.num_fitted = int(num_fitted)
            embedder._document_counts = np.zeros(2**_DF_BITS, np.int64)
            embedder._document_counts[slots] = counts
        return embedder

    def _counted(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The keys of the text's n features, (n,) uint64, and 1 + ln tf, (n,) float64."""
        counts = Counter(chain.from_iterable(map(self._keys.__getitem__, units(text))))
        keys = np.fromiter(counts.keys(), np.uint64, len(counts))
        return keys, 1 + np.log(np.fromiter(counts.values(), np.float64, len(counts)))

    def _idf(self, keys: np.ndarray) -> np.ndarray:
        """ln(1 + (N - n + 0.5) / (n + 0.5)) if n of the N documents have the feature; 0 if none."""
        found = self._document_counts[_slots(keys)]
        return np.where(found, np.log1p((self.num_fitted - found + 0.5) / (found + 0.5)), 0)

    def _project(self, keys: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Features to a vector of length 1: the lowest bit is the sign, the others the place."""
        places = ((keys >> np.uint64(1)) % np.uint64(self.dim)).astype(np.intp)
        signs = 1.0 - 2.0 * (keys & np.uint64(1)).astype(np.float64)
        vector = np.bincount(places, signs * weights, minlength=self.dim)
        length = np.linalg.norm(vector)
        return (vector / length if length else vector).astype(np.float32)


class _KeyCache(dict[str, tuple[int, ...]]):
    """unit -> keys of its features. A few units are most of every text (Zipf), so it stops growing.

    Not `lru_cache`: a line of base64 is a unit too, of a hundred features, and never met again.
    """

    def __missing__(self, unit: str) -> tuple[int, ...]:
        keys = tuple(feature_key(feature) for feature in features(unit))
        if len(self) < 100_000 and len(unit) <= 24:
            self[unit] = keys
        return keys


def _slots(keys: np.ndarray) -> np.ndarray:
    """Which counter is a feature's: the highest bits, which decide neither place nor sign."""
    return (keys >> np.uint64(64 - _DF_BITS)).astype(np.intp)


def unit_rows(vectors: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """vectors: (N, dim) · returns (N, dim) float32, rows of length 1; a zero row stays zero.

    numbers: what to call the rows in errors. ValueError if a row is not finite
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    bad = np.flatnonzero(~np.isfinite(lengths))
    if len(bad):
        raise ValueError(f"the vector of text {numbers[bad[0]]} (from 0) holds NaN or infinity")
    return (vectors / np.where(lengths, lengths, 1)[:, None]).astype(np.float32)


def check_texts(texts: Iterable[str]) -> None:
    """TypeError if `texts` is a single str: its characters would be taken for texts."""
    if isinstance(texts, str):
        raise TypeError("texts is one str; give a list of texts: [text]")


def progress_bar(items: Iterable[T], progress: bool, unit: str = " texts") -> Iterable[T]:
    """The same items; a bar on stderr if `progress` is set and somebody looks at a terminal."""
    from tqdm import tqdm

    return tqdm(items, desc="embedding", unit=unit, disable=None if progress else True)
