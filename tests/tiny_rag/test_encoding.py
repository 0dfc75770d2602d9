"""Bytes to text: the tests know the text and its encoding, the code has to find both."""

import codecs
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.encoding import decode_text

PROPERTY = settings(deadline=None, max_examples=200)

SIMPLIFIED = [
    "这颗行星有三个月亮，最大的一个叫霜环。",
    "空间站建成于第三纪元一百二十年，用了四十年时间。",
    "渔民相信，谁先看见蓝色的鱼，谁就能平安回家。",
    "矿石里的铁很少，所以船都用一种轻的木头做。",
    "条约签订以后，两个港口之间的船票便宜了一半！",
    "她在日记里写道：“今天的风从北边来，很冷。”",
    "“为什么不走？”他问。没有人回答。",
    "节日那天，孩子们把灯挂在窗前，等第一颗星出现。",
]
TRADITIONAL = [
    "這顆行星有三個月亮，最大的一個叫霜環。",
    "太空站建成於第三紀元一百二十年，用了四十年時間。",
    "漁民相信，誰先看見藍色的魚，誰就能平安回家。",
    "礦石裡的鐵很少，所以船都用一種輕的木頭做。",
    "條約簽訂以後，兩個港口之間的船票便宜了一半！",
    "她在日記裡寫道：「今天的風從北邊來，很冷。」",
    "「為什麼不走？」他問。沒有人回答。",
    "節日那天，孩子們把燈掛在窗前，等第一顆星出現。",
]
WESTERN = [
    "Où est le café près de la gare ?",
    "Die größte Fähre fährt über Österreich.",
    "¿Dónde está el niño? Mañana vendrá.",
    "“It’s late” – he said – and left… for Málaga.",
]
GUESSES = [
    *((text, "gb18030") for text in SIMPLIFIED),
    *((text, "big5hkscs") for text in TRADITIONAL),
    *((text, "cp1252") for text in WESTERN),
    *((text, codec) for text in SIMPLIFIED + TRADITIONAL for codec in ("utf-16-le", "utf-16-be")),
    *((text, codec) for text in WESTERN for codec in ("utf-16-le", "utf-16-be")),
]


# --- What the bytes tell. ---


@PROPERTY
@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="\ufeff"))
)
def test_utf8_is_read_as_it_is(text):
    decoded = decode_text(text.encode())
    assert (decoded.text, decoded.encoding, decoded.replaced) == (text, "utf-8", 0)


@PROPERTY
@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co"))))
@pytest.mark.parametrize(
    ("signature", "codec", "name"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
        (b"\x84\x31\x95\x33", "gb18030", "gb18030"),
    ],
)
def test_a_signature_decides_and_is_not_text(signature, codec, name, text):
    decoded = decode_text(signature + text.encode(codec))
    assert (decoded.text, decoded.encoding, decoded.replaced) == (text, name, 0)


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "big5", "utf-16"])
def test_no_newline_changes_and_nothing_is_stripped(codec):
    text = "\r\n　中文的第一行 \r\n\r\n\t的第二行\n\r的第三行，没有了 \n"
    text = text if codec != "big5" else text.replace("没", "沒")
    assert decode_text(text.encode(codec)).text == text


def test_rare_line_ends_are_text():
    text = "a\x0bb\x0cc\x85d\u2028e\u2029f\ufeffg"
    assert decode_text(text.encode()).text == text


def test_nothing_is_an_empty_text():
    assert decode_text(b"").text == decode_text(codecs.BOM_UTF16_LE).text == ""


def test_a_nul_is_text():
    for text in ("a\0b", "\ue000\0\ufffd", "第一章\0第二章\n" * 3, "end\0"):
        decoded = decode_text(text.encode())
        assert (decoded.text, decoded.encoding) == (text, "utf-8")


# --- What has to be guessed. ---


@pytest.mark.parametrize(("text", "codec"), GUESSES)
def test_a_sentence_is_enough_to_guess_by(text, codec):
    decoded = decode_text(text.encode(codec))
    assert (decoded.text, decoded.encoding) == (text, f"{codec} (guessed)")


@pytest.mark.parametrize(("text", "codec"), [(text[0], text[1]) for text in GUESSES[::7]])
def test_much_ascii_before_it_does_not_sway_a_guess(text, codec):
    before = "def f(x):\n    return x + 1\n" * 1000
    assert decode_text((before + text).encode(codec)).text == before + text


@pytest.mark.parametrize(
    ("text", "codec"),
    [("你好", "gb18030"), ("你好", "big5"), ("一个人", "gb18030"), ("café", "cp1252")],
)
def test_words_of_daily_use_are_guessed_alone(text, codec):
    assert decode_text(text.encode(codec)).text == text


def test_a_guess_looks_where_there_is_something_to_guess():
    text = "x = 1\n" * 200_000 + SIMPLIFIED[0]  # 1.2 MB of ASCII
    assert decode_text(text.encode("gb18030")).text == text


def test_traditional_characters_in_gb18030_are_read_as_what_they_are():
    text = "".join(TRADITIONAL)
    assert decode_text(text.encode("gb18030")).text == text


def test_characters_of_four_bytes_are_read():
    text = "".join(SIMPLIFIED) + "𠮷野家😀"
    assert decode_text(text.encode("gb18030")).text == text


def test_of_six_characters_nearly_all_are_guessed_right():
    # Measured: 0.99. A guess that knows only one of the two has half.
    right = total = 0
    for sentences, codec in ((SIMPLIFIED, "gb18030"), (TRADITIONAL, "big5hkscs")):
        for text in sentences:
            for start in range(len(text) - 5):
                piece = text[start : start + 6]
                right += decode_text(piece.encode(codec)).text == piece
                total += 1
    assert right / total > 0.97, f"{right} of {total}"


# --- What the file declares. ---


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("gb2312", "gb18030", "朱镕基"),  # the second is not in GB 2312
        ("GBK", "gb18030", "臺北"),
        ("Big5", "big5hkscs", "你好"),
        ("shift_jis", "cp932", "日本語のテキスト"),
        ("EUC-KR", "cp949", "안녕하세요"),
        ("windows-1251", "cp1251", "Привет"),
        ("ISO-8859-1", "cp1252", "l’été"),  # a quote that ISO 8859-1 has not: what browsers do
    ],
)
def test_a_declaration_decides_what_the_bytes_leave_open(declared, codec, text):
    decoded = decode_text(text.encode(codec), declared)
    assert (decoded.text, decoded.encoding) == (text, f"{codec} (declared)")


def test_a_declaration_does_not_overrule_what_the_bytes_tell():
    assert decode_text("第一章".encode(), "gb2312").text == "第一章"
    assert decode_text(codecs.BOM_UTF16_LE + "第".encode("utf-16-le"), "gb2312").text == "第"
    text = "".join(TRADITIONAL)
    assert decode_text(text.encode("big5"), "euc-jp").text == text  # it is not EUC-JP


@pytest.mark.parametrize("declared", ["", "no-such", "hex", "idna", "unicode_escape", "rot13"])
def test_a_declaration_that_means_nothing_is_passed_over(declared):
    text = SIMPLIFIED[0]
    assert decode_text(text.encode("gb18030"), declared).text == text


# --- Damage. ---


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_a_damaged_place_costs_that_place_only_and_is_counted(codec):
    text = "".join(SIMPLIFIED) * 3
    half = len(text) // 2
    data = text[:half].encode(codec) + b"\xff" + text[half:].encode(codec)
    decoded = decode_text(data)
    assert decoded.text == f"{text[:half]}\ufffd{text[half:]}"
    assert decoded.replaced == 1
    assert decoded.encoding.startswith(codec)


def test_a_file_cut_within_a_character_is_still_utf8():
    data = "".join(SIMPLIFIED).encode()[:-1]
    decoded = decode_text(data)
    assert (decoded.encoding, decoded.replaced) == ("utf-8", 1)
    assert decoded.text[:-1] == "".join(SIMPLIFIED)[:-1]


def test_a_replacement_character_of_the_file_is_no_damage():
    assert decode_text("第\ufffd章".encode()).replaced == 0
    assert decode_text(("第\ufffd章" + SIMPLIFIED[0] * 3).encode() + b"\xff").replaced == 1


BINARY = {
    "random": random.Random(0).randbytes(5000),
    "numbers": b"".join(n.to_bytes(4, "little") for n in range(0, 4_000_000, 999)),
    "zeros": bytes(1000),
    "utf-8 by chance": bytes(range(1, 9)) * 100,
    "program": b"\x7fELF\x02\x01\x01" + bytes(9) + random.Random(1).randbytes(200) + bytes(300),
}


@pytest.mark.parametrize("data", BINARY.values(), ids=BINARY)
@pytest.mark.parametrize("signature", [b"", codecs.BOM_UTF8])
def test_what_is_no_text_is_refused(signature, data):
    with pytest.raises(ValueError, match=r"is no text: \d+ of \d+ .* UTF-8"):
        decode_text(signature + data)
