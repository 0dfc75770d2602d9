"""Pairs of a prediction and a reference, for metrics to agree on.

`PAIRS` are 200 short news texts in English and Chinese, each with a reworded copy, and all pairs of
the `NASTY` ones. `TEXTS` is hypothesis's source of worse. `news_pairs` are as long as summaries.
"""

import random
from collections.abc import Callable

from hypothesis import strategies as st

PLACES = "Hamburg|Lagos|Osaka|Lima|Cardiff|Tromso|Perth|Quito|Izmir|Gdansk"
WHO = (
    "the ministry|local officials|the airline|two rescue teams|the world's largest shipyard|"
    "a committee of engineers|the port authority|scientists|the city council|union leaders"
)
DID = (
    "announced|delayed|rejected|reviewed|confirmed|warned about|postponed|inspected|"
    "agreed on|voted against|quickly repaired|will be testing"
)
WHAT = (
    "a new railway bridge|plans for flood barriers|the {n}-year contract|the damaged pipelines|"
    "an emergency loan of ${n},{n}00|the merger|tests of the self-driving buses|cheaper tickets|"
    "the results, which surprised analysts|a {n}.{n}% rise in fares|flights to {place}"
)
WHERE = (
    " in {place}| near {place}'s harbour| after days of heavy rain| on Monday| for {n} days||"
    ", although costs have doubled since 20{n}| despite protests| before the vote in {place}"
)
SAID = "\"We're not finished,\" a spokeswoman said.|It isn't clear why.|Nobody was hurt."

WHO_ZH = "市政府|两支救援队|该航空公司|当地官员|三名工程师|记者|研究人员|港口管理局"
DID_ZH = "宣布推迟|否决了|正在审查|确认了|紧急修复了|计划扩建|重新测试了"
WHAT_ZH = (
    "新建的铁路大桥|《防洪条例》草案|为期{n}年的合同|{n}.{n}%的涨价方案|受损的输油管道|"
    "AI模型Qwen2的评测|“绿色出行”计划|飞往大阪的航班"
)
WHERE_ZH = "。|，但费用已翻倍。|，因连日暴雨！|，20{n}年起生效。|，你相信吗？|；无人受伤……"

NASTY = (
    "",
    " ",
    "\n",
    ".",
    "...",
    "?!",
    "。，！",
    "a",
    "the the the the",
    "A the THE an",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600\U0001f600",
    "It\u2019s 3.5\u20134% \u2192 \u20ac1,000.50\u2026",
    "its 3.5-4% -> 1,000.50...",
    "ＡＢＣ　１２３，全角。",
    "\U00020bb7野家在\U00020000\U00020001里",
    "GPT-4模型v2.0用Python写",
    "中文 中 文\n中文",
    "line one\nline two.\r\nLine\tthree\u2028four\x0bfive",
    "word-\nbreak <skipped>&amp;lt; &quot;x&quot; a&b",
    "1. 2, 3.4,5 .6 7.",
    "..a,,b.-5-6-",
    "Stra\u00dfe \u0130stanbul caf\u00e9 cafe\u0301 na\u00efve \u212a",
    "running runs ran easily dying skies news a1b2",
    "x " * 120,
    "y x " * 50 + "z",
)

# Letters that some tokenizer treats in a way of its own, and words that meet in two texts.
SIGNS = (
    "ab. ,.-'\"&;<>!0159\n\t。，’…€中文的Ａ１é"
    "\u3000\U00020bb7\U0001f600\u200d\u0130\u2009\x1c\u2a6d\u9fbc"
)
WORDS = ("the ", " a ", "cats ", "running ", "&amp;", "-\n", "<skipped>", "模型", "3.5", ". ")
TEXTS = st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=25).map("".join) | st.text(max_size=12)


def english(rng: random.Random, words: int) -> list[str]:
    """Sentences with so many words in all, or some more."""
    sentences: list[str] = []
    while sum(len(sentence.split()) for sentence in sentences) < words:
        text = f"{_one(rng, WHO)} {_one(rng, DID)} {_one(rng, WHAT)}{_one(rng, WHERE)}."
        sentences.append(_filled(rng, text[0].upper() + text[1:]))
        if rng.random() < 0.2:
            sentences.append(_one(rng, SAID))
    return sentences


def chinese(rng: random.Random) -> list[str]:
    """One to four sentences."""
    parts = (WHO_ZH, DID_ZH, WHAT_ZH, WHERE_ZH)
    return [
        _filled(rng, "".join(_one(rng, part) for part in parts)) for _ in range(rng.randint(1, 4))
    ]


def news_pairs(number: int) -> list[tuple[str, str]]:
    """(prediction of 60 to 120 words, highlights of 40 to 60), a third of the latter in common."""
    rng = random.Random(0)
    return [_news_pair(rng) for _ in range(number)]


def _news_pair(rng: random.Random) -> tuple[str, str]:
    highlights = english(rng, rng.randint(40, 60))
    prediction = rng.sample(highlights, len(highlights) // 3)
    prediction += english(rng, rng.randint(60, 90))
    rng.shuffle(prediction)
    words = [" ".join(text).split() for text in (prediction, highlights)]
    return " ".join(words[0][:120]), " ".join(words[1][:60])


def chinese_pairs(number: int) -> list[tuple[str, str]]:
    """Of one to eight and one to four sentences."""
    return _pairs(number, chinese, "")


def _pairs(
    number: int, write: Callable[[random.Random], list[str]], joint: str
) -> list[tuple[str, str]]:
    """The sentences of some texts stand on lines of their own."""
    rng = random.Random(7)
    pairs = []
    for _ in range(number):
        reference = write(rng)
        prediction = _reworded(rng, reference, write(rng))
        ends = rng.choice([joint, "\n"]), rng.choice([joint, "\n"])
        pairs.append((ends[0].join(prediction), ends[1].join(reference)))
    return pairs


def _reworded(rng: random.Random, sentences: list[str], others: list[str]) -> list[str]:
    """Some of the sentences, some of them cut short, among others, in another order."""
    kept = [text for text in sentences if rng.random() < 0.7]
    kept = [text[: rng.randint(1, len(text))] if rng.random() < 0.3 else text for text in kept]
    mixed = kept + [text for text in others if rng.random() < 0.6]
    rng.shuffle(mixed)
    return mixed


def _one(rng: random.Random, options: str) -> str:
    return rng.choice(options.split("|"))


def _filled(rng: random.Random, text: str) -> str:
    while "{n}" in text:
        text = text.replace("{n}", str(rng.randint(1, 29)), 1)
    return text.replace("{place}", _one(rng, PLACES))


REALISTIC = _pairs(100, lambda rng: english(rng, 25), " ") + chinese_pairs(100)
PAIRS = REALISTIC + [(one, other) for one in NASTY for other in NASTY]
