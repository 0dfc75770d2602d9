"""The tokenizer: exact round trips, where texts are cut, special tokens, files, errors."""

import copy
import hashlib
import json
import pickle
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from tiny_transformer.tokenizer import SPECIAL_TOKENS, Tokenizer

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)
ENGLISH = [
    "thirty-two million one hundred thousand and five",
    "November 23, 2026",
    "two million dollars and fifty cents",
    "million by million, the thirty-second of November is a Monday",
    "caf\u00e9 na\u00efve",
]
CHINESE = ["三千二百一十万零五", "二〇二六年十一月二十三日", "两百万美元五十美分，是星期一。"]
# Made to tempt: whatever these repeat would be one token if it were not cut.
TEMPTING = ["a</s>b", "<pad><pad>", "<s>", "2026-2026", "10,000.00", "星期一，星期一", "x  y\n\n"]
CORPUS = (ENGLISH + CHINESE + TEMPTING) * 20
OURS = Tokenizer.train(CORPUS, 600)
FRAGMENTS = [*ENGLISH, *CHINESE, *TEMPTING, *SPECIAL_TOKENS, "</s", " ", "  ", "\n", "-", "7", "三"]
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=8).map("".join)


def tokens(text, tokenizer=OURS):
    return [tokenizer.token_text(i) for i in tokenizer.encode(text)]


# --- Text to ids and back. ---


@PROPERTY
@given(TEXTS)
@example("")
@example("  two  spaces  ")
@example("\n\r\n\t \u2028\x0b\x85")
@example("\x00")
@example("\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e8\U0001f1f3")
@example("\u0301")
@example("e\u0301 is not \u00e9, nor \ufb01 fi, nor \uff11 1")  # nothing is normalised
@example("\ufeffa \ufffd \U0010ffff \u3000")
def test_every_text_comes_back_exactly(text):
    assert OURS.decode(OURS.encode(text)) == text


@PROPERTY
@given(TEXTS)
def test_text_never_becomes_a_special_token(text):
    # A corpus line with "</s>" in it must not end the sentence.
    assert all(i >= 3 for i in OURS.encode(text))


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_nor_in_a_copy_as_worker_processes_get_it(copied):
    twin = copied(OURS)
    for text in CORPUS:
        assert twin.encode(text) == OURS.encode(text)


def test_special_ids_are_as_the_paper_trail_says_and_decoding_hides_them():
    assert (OURS.pad_id, OURS.bos_id, OURS.eos_id) == (0, 1, 2)
    assert [OURS.token_text(i) for i in range(3)] == ["<pad>", "<s>", "</s>"]
    ids = OURS.encode("two million")
    assert OURS.decode([OURS.bos_id, *ids, OURS.eos_id, OURS.pad_id]) == "two million"
    assert OURS.decode([]) == OURS.decode([0, 1, 2]) == ""


@PROPERTY
@given(st.lists(TEXTS, max_size=5))
def test_a_batch_is_its_texts_one_by_one(texts):
    assert OURS.encode_batch(texts) == [OURS.encode(text) for text in texts]


def test_a_batch_larger_than_any_chunk_is_in_order():
    texts = [f"{n} x" for n in range(1000)]
    assert [OURS.decode(ids) for ids in OURS.encode_batch(iter(texts))] == texts


@given(st.lists(st.integers(0, OURS.vocab_size - 1), max_size=20))
@PROPERTY
def test_any_ids_decode_to_text(ids):
    OURS.decode(ids).encode("utf-8")  # whole characters, with U+FFFD for broken ones


def test_broken_characters_become_the_replacement_character():
    first_byte = Tokenizer.train([], 259).encode("三")[0]
    assert OURS.decode([first_byte, *OURS.encode("x")]) == "\ufffdx"


@pytest.mark.parametrize("bad", [-1, OURS.vocab_size, 10**12])
def test_an_id_that_is_no_token_is_refused(bad):
    # The library skips it, and the text would lack a word without a sign.
    for read in (lambda i: OURS.decode([5, i]), OURS.token_text):
        with pytest.raises(ValueError, match=rf"id {bad} is no token: ids are 0 to \d+"):
            read(bad)


def test_half_a_surrogate_pair_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"character 2 is '\\ud83d', half of a surrogate pair"):
        OURS.encode("ab\ud83d")
    with pytest.raises(ValueError, match=r"text 1, character 0 .*'replace'"):
        OURS.encode_batch(["fine", "\udc00"])
    with pytest.raises(ValueError, match=r"text 1, .*surrogate"):
        Tokenizer.train(iter(["fine", "\udc00"]), 300)


# --- Where texts are cut. ---


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("thirty-two million", "thirty|-|two| million"),
        ("November 23, 2026", "November| |2|3|,| |2|0|2|6"),
        ("三千二百万", "三|千|二|百|万"),
        ("二〇二六年", "二|〇|二|六|年"),
        ("星期一，星期一。", "星|期|一|，|星|期|一|。"),
        ("two million三百million", "two| million|三|百|million"),
        ("x   two\n\nx", "x|  | two|<0x0A>|<0x0A>|x"),
        ("10,000.00", "1|0|,|0|0|0|.|0|0"),
        ("</s>", "<|/|s|>"),
        ("<pad>", "<|pad|>"),
    ],
)
def test_digits_and_chinese_stand_alone_and_words_take_their_space(text, pieces):
    trained = Tokenizer.train([*CORPUS, *[text] * 99], 800)
    assert tokens(text, trained) == pieces.split("|")


def kind(character):
    """What a character is, from Unicode's own names, not from the pattern that cuts."""
    if character.isspace():
        return "space"
    if "CJK" in unicodedata.name(character, "") or character == "〇":
        return "alone"
    return "letter" if unicodedata.category(character)[0] in "LM" else "alone"


def test_no_token_crosses_a_cut():
    learned = [OURS.token_text(i) for i in range(259, OURS.vocab_size)]
    assert len(learned) > 50
    for token in learned:
        kinds = [kind(character) for character in re.sub("<0x..>", "", token)]
        if kinds[:1] == ["space"] and set(kinds) != {"space"}:
            assert token[0] == " "
            kinds = kinds[1:]
        assert set(kinds) in ({"letter"}, {"space"}, set()) or kinds == ["alone"], token


def test_a_word_is_one_token_in_the_middle_of_a_sentence_too():
    assert tokens("million million, million") == ["million", " million", ",", " million"]


def test_both_languages_share_one_vocabulary():
    # Section 5.1: one table of embeddings; the same token on either side is the same id.
    assert OURS.encode("2") == OURS.encode("三2")[-1:]


# --- Tokens in figures. ---


def test_a_part_of_a_character_is_shown_as_its_bytes():
    bytes_only = Tokenizer.train([], 259)
    assert tokens("三\n", bytes_only) == ["<0xE4>", "<0xB8>", "<0x89>", "<0x0A>"]
    assert tokens("a é", bytes_only) == ["a", " ", "<0xC3>", "<0xA9>"]


def test_every_byte_shows_as_itself_or_as_its_number():
    bytes_only = Tokenizer.train([], 259)
    for byte in range(0x80):
        shown = chr(byte) if 0x20 <= byte < 0x7F else f"<0x{byte:02X}>"
        assert tokens(chr(byte), bytes_only) == [shown]
    for character in map(chr, [*range(0x80, 0x800, 7), *range(0x800, 0xD800, 997), 0x10FFFF]):
        assert tokens(character, bytes_only) == [f"<0x{b:02X}>" for b in character.encode()]


def test_a_character_without_a_shape_shows_its_code():
    trained = Tokenizer.train(["\u200b", "\u3000"] * 5, 300)
    assert tokens("\u200b\u3000", trained) == ["<U+200B>", "<U+3000>"]


# --- Training. ---


def test_training_fills_the_vocabulary_as_far_as_the_texts_go():
    assert Tokenizer.train(CORPUS, 300).vocab_size == 300
    assert 259 < Tokenizer.train(CORPUS, 100_000).vocab_size < 1000
    assert Tokenizer.train(["no pair ocurs"], 1000).vocab_size == 259  # nothing twice
    assert Tokenizer.train([], 259).vocab_size == 259


def test_frequent_words_come_first():
    small = Tokenizer.train(["million"] * 9 + ["thousand"] * 8, 265)
    assert tokens("million", small) == ["million"]
    assert len(tokens("thousand", small)) == 8


@pytest.mark.parametrize("size", [258, 3, 0, -1])
def test_a_vocabulary_that_cannot_hold_the_bytes_is_refused(size):
    with pytest.raises(ValueError, match=f"vocab_size={size} must be at least 259"):
        Tokenizer.train(CORPUS, size)


def test_one_string_in_place_of_many_is_refused():
    for wrong in (lambda: Tokenizer.train("abc", 300), lambda: OURS.encode_batch("abc")):
        with pytest.raises(ValueError, match=r"one str.*\[text\]"):
            wrong()


def test_the_same_texts_give_the_same_file_also_in_another_process(tmp_path):
    OURS.save(tmp_path / "here.json")
    program = (
        "import json, sys; from tiny_transformer.tokenizer import Tokenizer; "
        "Tokenizer.train(json.load(sys.stdin), 600).save(sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "there.json")],
        input=json.dumps(CORPUS).encode(),
        check=True,
    )
    Tokenizer.train(iter(CORPUS), 600).save(tmp_path / "again.json")
    digests = {hashlib.sha256(file.read_bytes()).digest() for file in tmp_path.iterdir()}
    assert len(digests) == 1
    assert len(list(tmp_path.iterdir())) == 3  # and no temporary file is left


# --- Files. ---


def test_a_saved_tokenizer_is_the_same_when_loaded(tmp_path):
    file = tmp_path / "new folder" / "tokenizer.json"
    OURS.save(file)
    loaded = Tokenizer.load(file)
    assert loaded.vocab_size == OURS.vocab_size
    assert loaded.encode_batch(CORPUS) == OURS.encode_batch(CORPUS)
    assert loaded.decode(loaded.encode("a</s>b")) == "a</s>b"
    assert Tokenizer.load(str(file)).encode("a</s>b") == OURS.encode("a</s>b")


def test_the_file_is_one_that_the_library_reads(tmp_path):
    OURS.save(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in (*ENGLISH, *CHINESE):
        assert theirs.encode(text).ids == OURS.encode(text)
    assert [theirs.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2]


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_failed_save_leaves_the_old_file_whole(tmp_path, monkeypatch, step):
    file = tmp_path / "tokenizer.json"
    OURS.save(file)
    before = file.read_bytes()

    def disk_full(self, text, **options):
        self.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Path, step, disk_full)
    with pytest.raises(OSError, match="disk full"):
        Tokenizer.train([], 259).save(file)
    assert file.read_bytes() == before


def changed(change):
    """OURS as JSON, after `change`."""
    data = json.loads(pickle.loads(pickle.dumps(OURS))._core.to_str())
    change(data)
    return json.dumps(data)


def swap_special_ids(data):
    vocab = data["model"]["vocab"]
    vocab["<s>"], vocab["</s>"] = 2, 1
    data["added_tokens"][1]["id"], data["added_tokens"][2]["id"] = 2, 1
    data["added_tokens"].sort(key=lambda token: token["id"])


def rename_a_byte(data):
    vocab = data["model"]["vocab"]
    vocab["no byte"] = vocab.pop("\u00f5")  # 0xF5, which is in no text and in no merge


def leave_a_gap(data):
    data["model"]["vocab"]["gap"] = len(data["model"]["vocab"]) + 1


def split_differently(data):
    data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\s+"


def add_a_special_token(data):
    data["added_tokens"].append(
        {**data["added_tokens"][2], "id": OURS.vocab_size, "content": "<x>"}
    )
    data["model"]["vocab"]["<x>"] = OURS.vocab_size


OTHERS = {
    "swapped special ids": (changed(swap_special_ids), "added_tokens"),
    "one special token more": (changed(add_a_special_token), "added_tokens"),
    "no bytes": (changed(rename_a_byte), "lacks ids or bytes"),
    "a gap in the ids": (changed(leave_a_gap), "lacks ids or bytes"),
    "other pieces": (changed(split_differently), "pre_tokenizer"),
    "a normaliser": (changed(lambda d: d.update(normalizer={"type": "NFC"})), "normalizer"),
    "dropout": (changed(lambda d: d["model"].update(dropout=0.1)), "model"),
    "a word-level model": (
        tokenizers.Tokenizer(models.WordLevel({"a": 0})).to_str(),
        "model|added",
    ),
    "an empty model": (tokenizers.Tokenizer(models.BPE()).to_str(), "added_tokens"),
}


@pytest.mark.parametrize(("text", "part"), OTHERS.values(), ids=OTHERS)
def test_another_kind_of_tokenizer_is_refused_by_the_part_that_differs(tmp_path, text, part):
    file = tmp_path / "tokenizer.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"tokenizer\.json: .*({part}).*use a file"):
        Tokenizer.load(file)


WHOLE = changed(lambda data: None)
BROKEN = ["", "{}", "[]", "null", "hello", WHOLE[:-1], WHOLE[: len(WHOLE) // 2], WHOLE + "}"]
BROKEN.append(changed(lambda data: data["model"]["merges"].append(["zzz", "q"])))
BROKEN.append(changed(lambda data: data["model"].pop("vocab")))


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_damaged_file_is_refused(tmp_path, text):
    file = tmp_path / "tokenizer.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer\.json (is|has|:)"):
        Tokenizer.load(file)


def test_a_file_that_is_no_text_or_is_not_there(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(b"\x80\x04\x95")
    with pytest.raises(ValueError, match="not UTF-8"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(FileNotFoundError, match=r"other\.json is missing: give a model folder"):
        Tokenizer.load(tmp_path / "other.json")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Tokenizer.load(tmp_path / "none" / "tokenizer.json")


def test_the_pieces_are_those_of_the_bytes_alphabet_of_the_library():
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    vocab = json.loads(WHOLE)["model"]["vocab"]
    assert {token for token, i in vocab.items() if 3 <= i < 259} == alphabet
