"""The tokenizers of BLEU, by the names that its signature gives them.

    13a    words and signs, for most languages    "It cost $1,000.5." -> It cost $ 1,000.5 .
    zh     the same, and each Chinese character   "用GPT-4写" -> 用 GPT-4 写
    char   each character, without white space
    none   what stands between white space

"13a" is that of NIST's mteval-v13a.pl. All give sacrebleu's tokens, flaws included, since a number
is only good for comparing. "zh" has two: the writers of its table meant U+20000 to U+2A6D6 by what
Python reads as U+2001 to U+2A6D, so that signs such as ’ – … € → ≤ always stand alone, "it’s" is
three tokens, and rare characters such as 𠮷 are not taken for Chinese. And a full stop after a
digit ("第3.") stays with it at the end of a text, where "13a" cuts it off.
"""

import re

_CHINESE = re.compile(
    "(["
    "\u2001-\u2a6d"  # meant were the rare characters from U+20000
    "\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff\u3400-\u4db5"
    "\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef"
    "])"
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# In this order, each over the whole text: a sign that one of them takes in is not seen again by it.
_CUTS = (
    (re.compile(r"([!-&(-+/:-@[-`{-~])"), r" \1 "),  # ASCII signs but ' , - .
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def tokens_13a(text: str) -> list[str]:
    """Words and signs; a point or comma between digits stays. HTML's four entities are resolved.

    A word broken at a line's end by "-" is joined, as mteval does.
    """
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    return _cut(f" {text} ")


def tokens_zh(text: str) -> list[str]:
    """The same for Chinese: each character by itself, and nothing done about lines or entities."""
    return _cut(_CHINESE.sub(r" \1 ", text.strip()))


def tokens_char(text: str) -> list[str]:
    """Each character but white space."""
    return list("".join(text.split()))


def _cut(text: str) -> list[str]:
    for pattern, spaced in _CUTS:
        text = pattern.sub(spaced, text)
    return text.split()
