"""Terms: the units that BM25 counts. Two texts match where they share terms.

Sources: Unicode Standard Annex 15 for NFKC; Porter 2001, "Snowball: a language for stemming
algorithms", for the English stems; Nie, Gao, Zhang and Zhou 2000, "On the use of words and n-grams
for Chinese information retrieval", for single characters and pairs together. Chapter 32 shows it.

Chinese has no spaces, so terms are its characters and pairs of neighbours: "星环站" gives 星 环 站
星环 环站. Pairs find words without a dictionary, characters find words of one character. Question
and text must be cut by the same function, or nothing matches.

Leaves out: stop words (BM25's idf makes them weigh little), synonyms, accents (café is not cafe),
simplified against traditional characters (国 is not 國), numerals in words (三千 is not 3000),
stems of other languages than English.
"""

import threading
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    import jieba
    from snowballstemmer.english_stemmer import EnglishStemmer

# Scripts that put no spaces between words, and Korean, whose words carry their endings with them.
_SCRIPTS = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_UNSPACED = rf"[[\p{{L}}\p{{M}}\p{{Nl}}]&&{_SCRIPTS}]"
_PIECE = regex.compile(
    rf"({_UNSPACED}+)"
    r"|(\p{Nd}{1,3}(?:,\p{Nd}{3})+(?!,?\p{Nd})(?:\.\p{Nd}+)?|\p{Nd}+(?:\.\p{Nd}+)*)"
    rf"|([\p{{L}}--{_SCRIPTS}][[\p{{L}}\p{{M}}\p{{N}}]--{_SCRIPTS}]*"
    rf"(?:'[[\p{{L}}\p{{M}}]--{_SCRIPTS}]+)*)",
    regex.VERSION1,
)
# Invisible inside words: the soft hyphen, joiners, the byte order mark, variation selectors.
_INVISIBLE = regex.compile("[\u00ad\u200c\u200d\u2060\ufeff\ufe00-\ufe0f]")
# NFKC makes "，" a comma; between other than full-width digits it does not group thousands.
_LIST_COMMA = regex.compile("(?<![０-９])，|，(?![０-９])")

_QUESTION_WORDS = regex.compile(
    r"(?<![a-z])(?-i:(?!WHO(?![a-z])))(?:what|which|who|whom|whose|when|where|why|how(?:\s+(?:many|much|long|far|old))?"
    r"|do|does|did|please|tell\s+me)(?![a-z])"
    "|请问|請問|为什么|為什麼|[什甚][么麼](?:时候|時候|地方|样|樣)?|怎[么麼](?:样|樣)?|怎样|怎樣|如何"
    "|[为為]何|何[时時地人种種处處]|哪(?:[里裡儿兒个個位]|一?些|一)?|谁|誰|是否|多[少大高长長远遠久]"
    "|[几幾](?![乎何率内])|[吗嗎呢]",
    regex.IGNORECASE,
)


def normalize(text: str) -> str:
    """NFKC, case-folded: "Ｑwen２" -> "qwen2", "STRASSE" and "Straße" -> "strasse".

    Typographic apostrophes become "'", characters that are invisible inside a word go.
    """
    if text.isascii():
        return text.lower()
    text = _INVISIBLE.sub("", _LIST_COMMA.sub(" ", text)).replace("\u2019", "'")
    # Folding can undo the composition (as in "ǰ"), so compose once more.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def tokenize(text: str) -> list[str]:
    """The terms of a text, repeated as often as they occur.

    Latin and other spaced words: stemmed, "Moons" -> "moon", "qwen2" whole · numbers: whole,
    without thousands separators, "1,024.5" -> "1024.5"; units apart, "5km" -> "5", "km" ·
    Chinese, Japanese, Korean, Thai ...: each character of a run, then each pair of neighbours ·
    punctuation, symbols and emoji: nothing

    Terms come run by run, in the order of the text.
    """
    return _terms(text, _characters_and_pairs)


def jieba_tokenize(text: str) -> list[str]:
    """As `tokenize`, but with the words that jieba's dictionary finds in unspaced runs.

    Long words also give the dictionary words inside them (jieba's search mode). Fewer terms than
    pairs, so a smaller index; a name that the dictionary lacks may be cut differently in question
    and text. The first call loads the dictionary, which takes a second.
    """
    return _terms(text, _jieba().cut_for_search)


def without_question_words(text: str) -> str:
    """What a question is about: "月环站是哪年建成的？" -> "月环站是 年建成的？".

    Words that ask (what, how many, 什么, 多少 ...) stand in questions and hardly in texts, so their
    absence from a text says nothing. Returns the text itself if nothing else is in it.
    """
    rest = _QUESTION_WORDS.sub(" ", text)
    return rest if _PIECE.search(normalize(rest)) else text


def term_weight(term: str) -> int:
    """How much more a term tells than its rarity says: 3 for an identifier ("e4017"), else 1.

    Of letters and digits are codes and part numbers. Each names one thing, and what else stands in
    the question only asks for it.
    """
    return 3 if any(map(str.isdecimal, term)) and any(map(str.isalpha, term)) else 1


def _terms(text: str, cut: Callable[[str], Iterable[str]]) -> list[str]:
    terms: list[str] = []
    for run, number, word in _PIECE.findall(normalize(text)):
        if word:
            terms.append(_stem(word))
        elif run:
            terms += cut(run)
        else:
            terms.append(number.replace(",", ""))
    return terms


def _characters_and_pairs(run: str) -> list[str]:
    return [*run, *(a + b for a, b in pairwise(run))]


@lru_cache(maxsize=2**17)
def _stem(word: str) -> str:
    """The Snowball stem; remembered, for a stem costs as much as fifty look-ups."""
    return _stemmer().stemWord(word)


_OF_THREAD = threading.local()


def _stemmer() -> "EnglishStemmer":
    """One for each thread: a stemmer holds the word that it is at work on."""
    if not hasattr(_OF_THREAD, "stemmer"):
        # The pure Python class, not snowballstemmer.stemmer(), which would use another version of
        # the algorithm where PyStemmer is installed: an index must mean the same on every machine.
        from snowballstemmer.english_stemmer import EnglishStemmer

        _OF_THREAD.stemmer = EnglishStemmer()
    return _OF_THREAD.stemmer


@cache
def _jieba() -> "jieba.Tokenizer":
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)  # it reports the loading of its dictionary on stderr
    return jieba.Tokenizer()
