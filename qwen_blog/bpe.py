"""Byte-level byte pair encoding: how text becomes tokens, and how the merges are learned.

Sources: Sennrich et al. 2016 (arXiv:1508.07909), section 3.2, for BPE on words; Radford et al. 2019
(GPT-2), section 2.2, for running it on bytes. Chapter 21 explains it.

The whole idea fits in a few lines. Training counts neighbouring pairs and glues the most frequent
one, again and again; the list of glued pairs, oldest first, is the tokenizer. Encoding replays it:

    def merge_word_slowly(word, ranks):         # ranks: {("t", "h"): 0, ("th", "e"): 1, ...}
        symbols = list(word)
        while pairs := [pair for pair in pairwise(symbols) if pair in ranks]:
            best = min(pairs, key=ranks.get)    # the merge learned first; then the leftmost
            i = list(pairwise(symbols)).index(best)
            symbols[i : i + 2] = [best[0] + best[1]]
        return symbols

That rescans the word after each merge, so a word of n bytes costs n * n. `merge_word` below gives
the same answer with a heap and a linked list in n * log n; `learn_merges` does the like for
training. A word here is a string of byte symbols (`text_to_symbols`), one character per byte.

Leaves out: BPE dropout, unknown tokens (256 byte symbols cover all text), WordPiece and Unigram.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

import regex

Pair = tuple[int, int]

# Qwen2's pre-tokenisation, a constant of its file format: no merge ever crosses these borders.
# English suffixes | a word with the one sign before it | one digit | signs | line ends | spaces.
PRETOKEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PRETOKEN = regex.compile(PRETOKEN_PATTERN)


def byte_symbols() -> list[str]:
    """GPT-2's table: a printable character for each byte, index 0..255.

    Vocabulary files hold strings, and many bytes print as nothing or as white space. So a byte that
    prints in Latin-1 stands for itself, and the 68 others take U+0100, U+0101, ... in order: a
    space becomes "Ġ" (U+0120), a newline "Ċ" (U+010A).
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


ALPHABET = sorted(byte_symbols())  # in code point order; a symbol's place here is its id
_TO_SYMBOL = dict(enumerate(byte_symbols()))
# A Latin-1 character that is no symbol maps to one that Latin-1 lacks, so encoding it fails.
_TO_BYTE = dict.fromkeys(range(256), "\uffff") | {ord(s): b for b, s in _TO_SYMBOL.items()}


def text_to_symbols(text: str) -> str:
    """UTF-8 encode, one symbol per byte: "né" -> "nÃ©". UnicodeEncodeError on a lone surrogate."""
    return text.encode("utf-8").decode("latin-1").translate(_TO_SYMBOL)


def symbols_to_bytes(symbols: str) -> bytes:
    """The inverse, as bytes: a token may hold half a character. ValueError if not all symbols."""
    try:
        return symbols.translate(_TO_BYTE).encode("latin-1")
    except UnicodeEncodeError:
        message = f"token {symbols!r} holds a character that stands for no byte (see byte_symbols)"
        raise ValueError(message) from None


def pretokenize(text: str) -> list[str]:
    """Cut text into words; joined they give the text again (in NFC form, as Qwen2 normalises).

    NFC makes "e" + combining acute and "é" the same. Python's Unicode tables are newer than those
    of the `tokenizers` library: letters added after Unicode 16 and combining marks added after
    Unicode 9 can be cut or ordered differently there. No other character is.
    """
    return _PRETOKEN.findall(unicodedata.normalize("NFC", text))


def merge_word(word: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Apply the merges to one word: lowest rank first, leftmost first among equals.

    word: byte symbols · ranks: pair -> place in the list of merges, the first learned is 0
    returns the tokens; joined they give `word`. After each merge the new neighbours count, too;
    it ends when no two neighbours are a pair with a rank. O(n log n) for n symbols.
    """
    symbols, end = list(word), len(word)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))  # a linked list of places
    heap = [(ranks[pair], i) for i, pair in enumerate(pairwise(symbols)) if pair in ranks]
    heapify(heap)
    while heap:
        rank, left = heappop(heap)
        right = after[left]
        # A neighbour may have changed since this entry was made; "" marks a place glued away.
        if right == end or ranks.get((symbols[left], symbols[right])) != rank:
            continue
        symbols[left] += symbols[right]
        symbols[right] = ""
        after[left] = after[right]
        if after[right] < end:
            before[after[right]] = left
        for a, b in ((before[left], left), (left, after[left])):
            if a >= 0 and b < end and (new := ranks.get((symbols[a], symbols[b]))) is not None:
                heappush(heap, (new, a))
    return [symbol for symbol in symbols if symbol]


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs, as byte symbols. TypeError if `texts` is a single str."""
    if isinstance(texts, str):
        raise TypeError("texts is one str; give a list of texts: [text]")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(pretokenize(text))
    return Counter({text_to_symbols(word): count for word, count in counts.items()})


def learn_merges(
    word_counts: Mapping[str, int], num_merges: int, min_frequency: int = 2
) -> list[tuple[str, str]]:
    """Train: glue the most frequent pair, `num_merges` times (Sennrich et al. 2016, algorithm 1).

    word_counts: word, as byte symbols -> how often it occurs; no pair reaches beyond a word
    returns the pairs in the order in which they were glued

    A tie goes to the pair whose left token is older, then whose right token is older; this makes
    the list equal, entry by entry, to that of the `tokenizers` library. The 256 symbols of
    `ALPHABET` are the oldest, in its order (by code point); each merge then adds a token. A pair
    inside a run counts with overlaps, as there: "aaa" holds ("a", "a") twice, and is glued from the
    left: "aa", "a". Stops early when no pair occurs `min_frequency` times (at least once).
    """
    tokens = list(ALPHABET)
    corpus = _Corpus(word_counts)
    heap = [(-count, pair) for pair, count in corpus.pair_counts.items()]  # ids break ties
    heapify(heap)
    merges: list[tuple[str, str]] = []
    while heap and len(merges) < num_merges:
        count, pair = heappop(heap)
        if -count != corpus.pair_counts[pair]:  # it fell while queued: queue it again, lower
            heappush(heap, (-corpus.pair_counts[pair], pair))
            continue
        if -count < max(1, min_frequency):
            break
        merges.append((tokens[pair[0]], tokens[pair[1]]))
        tokens.append("".join(merges[-1]))
        for new in corpus.merge(pair, len(tokens) - 1):
            heappush(heap, (-corpus.pair_counts[new], new))
    return merges


class _Corpus:
    """The training words as lists of token ids, with pair counts that follow each merge."""

    def __init__(self, word_counts: Mapping[str, int]) -> None:
        ids = {symbol: i for i, symbol in enumerate(ALPHABET)}
        self.words = [[ids[symbol] for symbol in word] for word in word_counts]
        self.counts = list(word_counts.values())
        self.pair_counts: defaultdict[Pair, int] = defaultdict(int)
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)  # pair -> words it was seen in
        for place, word in enumerate(self.words):
            for pair in pairwise(word):
                self.pair_counts[pair] += self.counts[place]
                self.places[pair].add(place)

    def merge(self, pair: Pair, new_id: int) -> set[Pair]:
        """Glue `pair` in the words that hold it, no others. Returns the pairs that came to be."""
        born: set[Pair] = set()
        for place in self.places.pop(pair):
            self.words[place], changes = merge_pair(self.words[place], pair, new_id)
            for changed, by in changes:
                self.pair_counts[changed] += by * self.counts[place]
                if by > 0:
                    self.places[changed].add(place)
                    born.add(changed)
        return {new for new in born if self.pair_counts[new] > 0}


def merge_pair(
    word: Sequence[int], pair: Pair, new_id: int
) -> tuple[list[int], list[tuple[Pair, int]]]:
    """Replace `pair` by `new_id` from left to right, and say which pair counts that moves.

    (h, e, l, l, o) with (l, l) -> X gives (h, e, X, o) and the changes
    (e, l) -1, (e, X) +1, (l, o) -1, (X, o) +1.
    """
    left, right = pair
    merged: list[int] = []
    changes: list[tuple[Pair, int]] = []
    i, last = 0, len(word) - 1
    while i <= last:
        if word[i] != left or i == last or word[i + 1] != right:
            merged.append(word[i])
            i += 1
            continue
        if merged:
            changes += ((merged[-1], left), -1), ((merged[-1], new_id), 1)
        if i + 2 <= last:
            changes += ((right, word[i + 2]), -1), ((new_id, word[i + 2]), 1)
        merged.append(new_id)
        i += 2
    return merged, changes


def vocabulary(merges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Token -> id: the 256 byte symbols in code point order, then one id for each merge."""
    tokens = [*ALPHABET, *(left + right for left, right in merges)]
    return {token: i for i, token in enumerate(tokens)}


def check_vocabulary(vocab: Mapping[str, int], merges: Iterable[tuple[str, str]]) -> None:
    """ValueError unless each id is used once, each byte has a token, each merge makes a token."""
    if bad := [token for token, i in vocab.items() if not isinstance(i, int) or i < 0]:
        raise ValueError(f"token {bad[0]!r} has id {vocab[bad[0]]!r}; ids are integers from 0 up")
    if len(set(vocab.values())) != len(vocab):
        twice = Counter(vocab.values()).most_common(1)[0][0]
        tokens = [token for token, i in vocab.items() if i == twice]
        raise ValueError(f"id {twice} is given to {tokens}; each token needs its own")
    if missing := [symbol for symbol in ALPHABET if symbol not in vocab]:
        raise ValueError(f"no token for byte {symbols_to_bytes(missing[0])!r} ({missing[0]!r})")
    for pair in merges:
        for token in (*pair, "".join(pair)):
            if token not in vocab:
                raise ValueError(f"merge {pair} needs token {token!r}, which the vocabulary lacks")
