"""Texts made comparable: what is ignored, and what counts as a word.

A metric is half arithmetic, half the choice made here. The same answer scores 0 or 1 as its full
stop, its article or its width (Ａ for A) counts or not, so each choice bears its makers' name.
Chapter 51 shows what each does. Sources: SQuAD's evaluation script (v1.1); LongBench's
metrics.py (Bai et al. 2024, https://arxiv.org/abs/2308.14508); rouge-score's tokenize.py. The
tokenizers of BLEU are in `bleu_tokens`.
"""

import re
import string
from functools import cache, lru_cache
from typing import Any

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ROUGE_LETTERS = (string.ascii_lowercase + string.digits).encode()
_ROUGE_TABLE = bytes(byte if byte in _ROUGE_LETTERS else ord(" ") for byte in range(256))
# Radicals to compatibility forms, punctuation 。「」 too; the ideographic space U+3000 is a space.
_CJK = r"\u2e80-\u2fff\u3001-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_CHARACTER = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|[^\w\s]|_")
# LongBench's list: 。 and 》 are in it, 《 and 〈 are not.
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
    """LongBench's: lower case, no punctuation of either kind (but 《 stays), no white space."""
    return "".join(text.lower().translate(_DROPPED_CHINESE).split())


def words_of_rouge(text: str) -> list[str]:
    """rouge-score's: runs of a-z and 0-9 in lower case; other letters, Chinese ones too, are lost.

    "The café's 3.5%" -> the caf s 3 5
    """
    # a table of 256 bytes takes half the time of a regular expression; "replace" gives a "?"
    letters = text.lower().encode("ascii", "replace").translate(_ROUGE_TABLE)
    return letters.decode().split()


def stems_of_rouge(text: str) -> list[str]:
    """The same with Porter's stems of words of four letters or more, as rouge-score's option."""
    return [_stem(word) if len(word) > 3 else word for word in words_of_rouge(text)]


def characters(text: str) -> list[str]:
    """Each CJK character by itself; other letters and digits in runs; other signs singly.

    In lower case: "用GPT-4写诗。" -> 用 gpt - 4 写 诗 。
    """
    return _CHARACTER.findall(text.lower())


def words_of_jieba(text: str) -> list[str]:
    """Chinese words by jieba's dictionary, other text in runs, signs too; no white space."""
    return [word for word in cut_by_jieba(text) if not word.isspace()]


def cut_by_jieba(text: str) -> list[str]:
    """The same with the white space between them: joined, they are the text again."""
    return list(_jieba().cut(text, cut_all=False))


def words_of_qa(text: str) -> list[str]:
    """What the English F1 compares: SQuAD's normal form, cut at spaces."""
    return normalize_english(text).split()


def words_of_chinese_qa(text: str) -> list[str]:
    """What LongBench's Chinese F1 compares: jieba's words, each normalised, none of them empty."""
    return [word for word in map(normalize_chinese, cut_by_jieba(text)) if word]


@cache
def _jieba() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)  # it reports on stderr how long its dictionary took
    return jieba


@lru_cache(
    maxsize=2**16
)  # a text repeats its words, and a stem takes longer than the rest of ROUGE
def _stem(word: str) -> str:
    return _porter().stem(word)


@cache
def _porter() -> Any:
    """Porter's stemmer in the variant that rouge-score uses, NLTK's own extensions included."""
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()
