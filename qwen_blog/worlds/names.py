"""Coined names: what nobody has heard of, in Chinese and English. Chapter 24.

Most are made of syllables (Kalon, 卡洛恩), some of two words that anybody knows (Amber Heron,
琥珀鹭): a reader that has seen both kinds copies whatever stands there.
"""

import random

_SYLLABLES = (
    "ba be bi bo bu da de di do du fa fe fi fo ga ge go gu ha he hi ho ka ke ki ko ku la le li "
    "lo lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to "
    "tu va ve vi vo wa we wi ya yo za ze zo sha she thi tho bri dra gre kla pra sti tra vel mor "
    "dun esh ark olm ith quo jan jor xe cae oan ui"
)
_ENDINGS = ("", "", "n", "r", "l", "s", "m", "th", "k", "sh", "nd", "x", "ry")
_CHARACTERS = (
    "阿艾安巴贝博布岑达德迪多尔法菲弗戈格古哈赫霍伊基卡科克库拉莱雷里利琳洛卢露鲁玛梅米莫姆穆娜内尼"
    "诺努欧帕佩皮普奇琴拉日瑞若萨塞沙施斯苏索塔泰特提图托瓦韦维沃乌西希夏辛雅耶伊尤泽扎兹卓汐沐岚霁"
    "澜珂砂苔藤雾烬霜恩冯盖吉凯肯奎罗曼妮庞切森汤翁谢亚云芝佐"
)
_FIRST_WORDS = (
    ("琥珀", "Amber"), ("灰", "Grey"), ("红", "Red"), ("银", "Silver"), ("铜", "Copper"),
    ("北", "North"), ("南", "South"), ("老", "Old"), ("新", "New"), ("高", "High"),
    ("长", "Long"), ("小", "Little"), ("冷", "Cold"), ("静", "Still"), ("暗", "Dark"),
    ("明", "Bright"), ("空", "Hollow"), ("断", "Broken"), ("早", "Early"), ("晚", "Late"),
    ("快", "Swift"), ("慢", "Slow"), ("雪", "Snow"), ("雨", "Rain"), ("盐", "Salt"),
    ("铁", "Iron"), ("石", "Stone"), ("风", "Wind"), ("月", "Moon"), ("星", "Star"),
    ("双", "Twin"), ("三", "Three"), ("半", "Half"), ("深", "Deep"), ("浅", "Shallow"),
    ("甜", "Sweet"), ("苦", "Bitter"), ("玉", "Jade"), ("白", "White"), ("绿", "Green"),
)  # fmt: skip
_SECOND_WORDS = (
    ("鹭", "Heron"), ("狐", "Fox"), ("桥", "Arch"), ("门", "Gate"), ("钟", "Chime"),
    ("灯", "Lamp"), ("井", "Spring"), ("沙", "Sand"), ("花", "Flower"), ("叶", "Leaf"),
    ("树", "Tree"), ("河", "River"), ("湾", "Bay"), ("岸", "Shore"), ("谷", "Valley"),
    ("丘", "Hill"), ("田", "Field"), ("屋", "House"), ("墙", "Wall"), ("帆", "Sail"),
    ("锚", "Anchor"), ("绳", "Cord"), ("针", "Needle"), ("扣", "Button"), ("壶", "Kettle"),
    ("盘", "Plate"), ("匙", "Key"), ("镜", "Mirror"), ("书", "Page"), ("歌", "Song"),
    ("鼓", "Drum"), ("笛", "Flute"), ("舞", "Dance"), ("梦", "Dream"), ("影", "Shadow"),
    ("火", "Fire"), ("烟", "Smoke"), ("霜", "Frost"), ("潮", "Tide"), ("浪", "Wave"),
)  # fmt: skip
WORD_SHARE = 0.15
ODD_SHARE = 0.15
"""Names of any common characters or letters: the tokenizer cuts these into small pieces."""


def coin(rng: random.Random, language: str, two_parts: bool = False) -> str:
    """A name; two_parts: as of a person, with a given name and a family name."""
    if two_parts:
        mark = " " if language == "en" else "·"
        return mark.join(_coined_word(rng, language) for _ in range(2))
    if rng.random() < WORD_SHARE:
        first, second = rng.choice(_FIRST_WORDS), rng.choice(_SECOND_WORDS)
        return f"{first[1]} {second[1]}" if language == "en" else first[0] + second[0]
    return _coined_word(rng, language)


def _coined_word(rng: random.Random, language: str) -> str:
    odd = rng.random() < ODD_SHARE
    if language == "en":
        if odd:
            letters = rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 8))
            return "".join(letters).capitalize()
        syllables = [rng.choice(_SYLLABLES.split()) for _ in range(rng.choice((2, 2, 3)))]
        return ("".join(syllables) + rng.choice(_ENDINGS)).capitalize()
    character = _common_character if odd else lambda rng: rng.choice(_CHARACTERS)
    return "".join(character(rng) for _ in range(rng.choice((2, 2, 3, 3, 4))))


def _common_character(rng: random.Random) -> str:
    """One of the 3,755 most common Chinese characters: the first level of GB 2312."""
    row = rng.randint(0xB0, 0xD7)
    return bytes((row, rng.randint(0xA1, 0xF9 if row == 0xD7 else 0xFE))).decode("gb2312")
