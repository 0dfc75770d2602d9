"""Texts made comparable: what is ignored, and what counts as a word.

A metric is half arithmetic, half the choice made here. The same answer scores 0 or 1 as its full
stop, its article or its width (Ａ for A) counts or not, so each choice has the name of those who made
it. Chapter 51 shows what each does. Sources: SQuAD's evaluation script (v1.1); LongBench's
metrics.py (Bai et al. 2024, https://arxiv.org/abs/2308.14508); rouge-score's tokenize.py.
"""

import re
import string
from functools import cache
from typing import Any

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_CJK = "\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_CHARACTERS = re.compile(rf"[{_CJK}]|[^\W_]+|[^\w\s]|_", re.UNICODE)
# In LongBench's list, full-width and CJK punctuation beside the ASCII one.
_CHINESE_PUNCTUATION = (
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛"
    "〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
_DROPPED_ENGLISH = str.maketrans("", "", string.punctuation)
_DROPPED_CHINESE = str.maketrans("", "", string.punctuation + _CHINESE_PUNCTUATION)


def normalize_english(text: str) -> str:
    """SQuAD's: lower case, no ASCII punctuation, no articles, single spaces."""
    text = text.lower().translate(_DROPPED_ENGLISH)
    return " ".join(_ARTICLES.sub(" ", text).split())


def normalize_chinese(text: str) -> str:
    """LongBench's: lower case, no punctuation of either kind, no white space at all."""
    return "".join(text.lower().translate(_DROPPED_CHINESE).split())


def words_of_rouge(text: str, stem: bool = False) -> list[str]:
    """rouge-score's: runs of a-z and 0-9 in lower case; other letters, Chinese ones too, are lost.

    stem: Porter's stems of words with more than three letters
    """
    words = _NOT_WORD.sub(" ", text.lower()).split()
    if not stem:
        return words
    stemmer = _porter()
    return [stemmer(word) if len(word) > 3 else word for word in words]


def characters(text: str) -> list[str]:
    """Each CJK character by itself; other letters and digits in runs; other signs singly."""
    return _CHARACTERS.findall(text.lower())


def words_of_jieba(text: str, keep_spaces: bool = False) -> list[str]:
    """Chinese words by jieba's dictionary, other text in runs; white space is left out."""
    words = _jieba().cut(text, cut_all=False)
    return [word for word in words if keep_spaces or word.strip()]


def words_of_qa(text: str) -> list[str]:
    """What the English F1 compares: SQuAD's normal form, cut at spaces."""
    return normalize_english(text).split()


def words_of_chinese_qa(text: str) -> list[str]:
    """What LongBench's Chinese F1 compares: jieba's words, each normalised, none of them empty."""
    cut = _jieba().cut(text, cut_all=False)
    return [word for word in map(normalize_chinese, cut) if word]


@cache
def _jieba() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)  # it reports on stderr how long its dictionary took
    return jieba


@cache
def _porter() -> Any:
    """Porter's stemmer in the variant that rouge-score uses, NLTK's own extensions included."""
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer().stem
