"""The tokenizer against the `tokenizers` and `transformers` libraries: ids, text, files, errors."""

import ast
import difflib
import inspect
import json
import pickle
import random
import re
import subprocess
import sys
import tarfile
import textwrap
import unicodedata
from functools import cache

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from qwen_blog import bpe, tokenizer
from qwen_blog.tokenizer import QWEN2_SPECIAL_TOKENS, AddedToken, StreamDecoder, Tokenizer

from .test_bpe import CHINESE, ENGLISH, FRAGMENTS, MIXED, TEXTS, library_tokenizer

PROPERTY = settings(max_examples=400, derandomize=True, deadline=None)
SPECIALS = [*QWEN2_SPECIAL_TOKENS, "<|im_end|><|im_end|>", "<|im_end", "<tool_call>", "<|im_end|>x"]
TEXTS_WITH_SPECIALS = st.lists(
    st.sampled_from(SPECIALS) | st.sampled_from(FRAGMENTS) | TEXTS, max_size=10
).map("".join)


def trained():
    """A tokenizer of 600 tokens: three control tokens and one added token that is none."""
    plain = Tokenizer.train([ENGLISH, CHINESE, MIXED] * 2, 599)
    call = AddedToken("<tool_call>", len(plain), special=False)
    return Tokenizer(plain.vocab, plain.merges, [*plain.added_tokens.values(), call])


OURS = trained()


def library_twin(ours, added=True):
    twin = library_tokenizer(ours.vocab, ours.merges)
    for token in sorted(ours.added_tokens.values(), key=lambda token: token.id) if added else ():
        twin.add_tokens(
            [tokenizers.AddedToken(token.content, special=token.special, normalized=False)]
        )
        assert twin.token_to_id(token.content) == token.id
    return twin


THEIRS = library_twin(OURS)
THEIRS_WITHOUT_ADDED_TOKENS = library_twin(OURS, added=False)
CONTROL = [OURS.token_to_id(token) for token in QWEN2_SPECIAL_TOKENS]
IDS = st.lists(st.integers(0, len(OURS) - 1) | st.sampled_from(CONTROL), max_size=40)


# --- Text to ids. ---


def same_ids(text):
    assert OURS.encode(text) == THEIRS.encode(text).ids
    refused = OURS.encode(text, allow_special=False)
    THEIRS.encode_special_tokens = True  # the library's own switch: control tokens, only those
    assert refused == THEIRS.encode(text).ids
    THEIRS.encode_special_tokens = False
    if "<tool_call>" not in text:
        assert refused == THEIRS_WITHOUT_ADDED_TOKENS.encode(text).ids


@PROPERTY
@given(TEXTS_WITH_SPECIALS)
def test_ids_equal_the_library_on_any_text(text):
    same_ids(text)


@pytest.mark.parametrize("seed", range(4))
def test_ids_equal_the_library_on_thousands_of_mixtures(seed):
    # Hypothesis seeks strange texts, many alike; these are ordinary, and each different.
    rng = random.Random(seed)
    pieces = [*SPECIALS, *FRAGMENTS * 2, *"abst' .\n", ENGLISH, CHINESE, MIXED]
    for _ in range(1000):
        same_ids("".join(rng.choices(pieces, k=rng.randint(1, 12))))


@PROPERTY
@given(TEXTS_WITH_SPECIALS, st.booleans())
def test_decoding_gives_the_text_back_in_its_normal_form(text, allow_special):
    pieces = [text] if not allow_special else re.split(r"(<\|[a-z_]+\|>)", text)
    normal = "".join(unicodedata.normalize("NFC", piece) for piece in pieces)
    back = OURS.decode(OURS.encode(text, allow_special=allow_special))
    assert back == normal or "<tool_call>" in text  # <tool_call> too is cut out before NFC


def test_a_control_token_is_one_id_and_refused_it_is_characters():
    end = OURS.token_to_id("<|im_end|>")
    assert OURS.encode("<|im_end|>") == [end]
    assert OURS.encode("a<|im_end|><|im_end|>") == [*OURS.encode("a"), end, end]
    refused = OURS.encode("<|im_end|>", allow_special=False)
    assert end not in refused
    assert OURS.decode(refused) == "<|im_end|>"


def test_special_tokens_are_found_in_the_raw_text_before_normalisation():
    # ">" and a combining solidus would compose to one character, and hide the token.
    assert unicodedata.normalize("NFC", ">\u0338") == "\u226f"
    text = "<|im_end|>\u0338"
    assert OURS.encode(text)[0] == OURS.token_to_id("<|im_end|>")
    assert OURS.encode(text) == THEIRS.encode(text).ids


def test_where_added_tokens_overlap_the_longest_wins():
    added = [AddedToken(text, 256 + i) for i, text in enumerate(["<a>", "<a><b>", "<b>c"])]
    ours = Tokenizer(bpe.vocabulary([]), [], added)
    for text in ("<a><b>c", "<a><a><b>", "<b>c<a>", "<b><a>"):
        assert ours.encode(text) == library_twin(ours).encode(text).ids
    assert ours.encode("<a><b>") == [257]


def test_canonically_equal_texts_have_equal_ids():
    assert OURS.encode("cafe\u0301") == OURS.encode("café")


@pytest.mark.parametrize("text", ["ab\ud83dcd", "ab\udc80", "ab\udbff\udfff"])
def test_half_of_a_surrogate_pair_is_an_error_that_names_its_place(text):
    with pytest.raises(ValueError, match=r"text\[2\] is .* replace it"):
        OURS.encode(text)


@pytest.mark.parametrize("alphabet", ["a", "ab", "etaoin", "星行"])
def test_a_word_of_thousands_of_characters_has_the_ids_of_the_library(alphabet):
    word = "".join(random.Random(0).choices(alphabet, k=8000))
    assert OURS.encode(word) == THEIRS.encode(word).ids


# --- Ids to text. ---


@PROPERTY
@given(IDS, st.booleans())
def test_decoding_any_ids_equals_the_library(ids, skip):
    assert OURS.decode(ids, skip_special_tokens=skip) == THEIRS.decode(
        ids, skip_special_tokens=skip
    )


@PROPERTY
@given(st.lists(st.integers(0, 255), max_size=30))
def test_decoding_any_bytes_equals_the_library(byte_ids):
    assert OURS.decode(byte_ids) == THEIRS.decode(byte_ids, skip_special_tokens=False)


def test_half_a_character_decodes_to_the_replacement_character():
    first, *_ = OURS.encode("👩", allow_special=False)
    assert OURS.decode([first]) == "\ufffd"


def test_skipping_hides_control_tokens_and_keeps_other_added_tokens():
    ids = OURS.encode("<|im_start|>a<tool_call>b<|im_end|>")
    assert OURS.decode(ids, skip_special_tokens=True) == "a<tool_call>b"


def test_an_added_token_gives_back_its_own_text_whatever_its_characters():
    ours = Tokenizer(bpe.vocabulary([]), [], [AddedToken("«é 你»", 256)])
    assert ours.decode(ours.encode("x«é 你»y")) == "x«é 你»y"


@pytest.mark.parametrize("bad", [-1, 600, 151_700, "7", None])
def test_an_id_that_is_no_token_is_an_error(bad):
    with pytest.raises(ValueError, match=r"is no token: ids are ints from 0 to 599"):
        OURS.decode([1, bad])
    with pytest.raises(ValueError, match="is no token"):
        StreamDecoder(OURS).push(bad)


# --- Ids to text, one at a time. ---


@PROPERTY
@given(IDS | st.lists(st.integers(0, 255), max_size=40), st.booleans())
def test_the_stream_joined_is_the_decoded_text_for_any_ids(ids, skip):
    stream = StreamDecoder(OURS, skip_special_tokens=skip)
    text = "".join(map(stream.push, ids)) + stream.flush()
    assert text == OURS.decode(ids, skip_special_tokens=skip)


@PROPERTY
@given(TEXTS_WITH_SPECIALS.filter(lambda text: "\ufffd" not in text))
def test_the_stream_of_a_real_text_never_shows_half_a_character(text):
    stream, shown, ids = StreamDecoder(OURS), "", OURS.encode(text)
    for token_id in ids:
        shown += stream.push(token_id)
        assert "\ufffd" not in shown
        assert OURS.decode(ids).startswith(shown)
    assert shown == OURS.decode(ids)
    assert stream.flush() == ""


@PROPERTY
@given(IDS | st.lists(st.integers(0, 255), max_size=40), st.booleans())
def test_the_stream_is_what_python_decodes_of_the_bytes(ids, skip):
    stream = StreamDecoder(OURS, skip_special_tokens=skip)
    shown = "".join(map(stream.push, ids)) + stream.flush()
    kept = [OURS.token_bytes(i) for i in ids if not (skip and i in CONTROL)]
    assert shown == b"".join(kept).decode(errors="replace")


def test_a_character_in_three_tokens_comes_with_the_third():
    byte_id = {bpe.symbols_to_bytes(symbol)[0]: i for symbol, i in bpe.vocabulary([]).items()}
    stream = StreamDecoder(OURS)
    assert [stream.push(byte_id[byte]) for byte in "星a".encode()] == ["", "", "星", "a"]


@pytest.mark.parametrize(
    ("skip", "shown"), [(False, "a<|im_end|><tool_call>星"), (True, "a<tool_call>星")]
)
def test_a_stream_that_skips_hides_control_tokens_and_no_other_added_ones(skip, shown):
    stream = StreamDecoder(OURS, skip_special_tokens=skip)
    assert "".join(map(stream.push, OURS.encode("a<|im_end|><tool_call>星"))) == shown


def test_after_a_flush_the_stream_starts_anew():
    stream = StreamDecoder(OURS)
    half = OURS.encode("👩", allow_special=False)[0]
    assert (stream.push(half), stream.flush()) == ("", "\ufffd")
    assert stream.push(OURS.encode("a")[0]) == "a"
    assert stream.flush() == ""


# --- The cache of words. ---


def test_the_cache_is_bounded_and_does_not_change_ids(monkeypatch):
    monkeypatch.setattr(tokenizer, "MAX_CACHED_WORDS", 4)
    ours = trained()
    for _ in range(2):
        assert ours.encode(ENGLISH + CHINESE) == OURS.encode(ENGLISH + CHINESE)
        assert 0 < len(ours._words) <= 4
    ours.encode("z" * 10_000)
    assert sum(map(len, ours._words)) < 1000  # a huge word is not kept


def test_words_that_differ_only_in_case_or_at_the_end_do_not_share_a_cache_entry():
    ours, word = trained(), "a" * 40
    for text in ("Tiny", "tiny", "TINY", word + "b", word + "c", "tiny", word + "b"):
        assert ours.decode(ours.encode(text)) == text


def test_a_tokenizer_can_be_pickled_for_worker_processes():
    copy = pickle.loads(pickle.dumps(OURS))
    assert copy.encode(MIXED) == OURS.encode(MIXED)


# --- Training. ---


def test_the_byte_tokens_come_first_then_the_merges_then_the_special_tokens():
    ours = Tokenizer.train([ENGLISH], 280)
    assert len(ours) == 280
    assert [ours.token_to_id(token) for token in QWEN2_SPECIAL_TOKENS] == [277, 278, 279]
    assert ours.merges == bpe.learn_merges(bpe.count_words([ENGLISH]), 280 - 256 - 3)
    assert ours.vocab == bpe.vocabulary(ours.merges)
    assert (ours.eos_token_id, ours.pad_token_id) == (279, 277)


def test_special_tokens_are_ours_to_name_and_may_be_none():
    ours = Tokenizer.train([ENGLISH], 256, special_tokens=())
    assert (len(ours), ours.eos_token_id, ours.pad_token_id) == (256, None, None)
    assert ours.token_bytes(ours.token_to_id("Ġ")) == b" "
    assert Tokenizer.train([], 258, special_tokens=["<x>", "<y>"]).encode("<y><x>") == [257, 256]


def test_whole_tokens_are_one_id_wherever_they_stand_and_hide_nowhere(tmp_path):
    ours = Tokenizer.train([ENGLISH], 280, whole_tokens=["[1]", "[2]"])
    ours.save_pretrained(tmp_path)
    text = "Red [2], blue[1][2] [3]<|im_end|>"
    ids = ours.encode(text, allow_special=False)
    assert [ids.count(i) for i in (278, 279)] == [1, 2]
    assert ours.decode(ids, skip_special_tokens=True) == text
    theirs = read_by_transformers(tmp_path)
    assert theirs(text)["input_ids"] == ours.encode(text)
    assert theirs.decode(ours.encode(text), skip_special_tokens=True) == text[:-10]
    with pytest.raises(
        ValueError, match="must be at least 261: 256 bytes and 5 tokens of their own"
    ):
        Tokenizer.train([ENGLISH], 260, whole_tokens=["[1]", "[2]"])


def test_special_tokens_inside_the_texts_are_plain_characters_in_training_as_in_the_library():
    texts = ["<|im_end|>" * 3 + ENGLISH] * 2
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=303,
        min_frequency=2,
        special_tokens=list(QWEN2_SPECIAL_TOKENS),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    oracle = library_tokenizer()
    oracle.train_from_iterator(texts, trainer)
    merges = json.loads(oracle.to_str())["model"]["merges"]
    assert Tokenizer.train(texts, 303).merges == [tuple(pair) for pair in merges]


def test_a_vocabulary_too_small_for_the_bytes_is_an_error():
    with pytest.raises(ValueError, match="vocab_size=258 must be at least 259"):
        Tokenizer.train([ENGLISH], 258)


@pytest.mark.parametrize(
    ("added", "names", "message"),
    [
        ([AddedToken("<x>", 64)], {}, "'<x>', id=64.* clashes with token 'a', .* id from 256 up"),
        ([AddedToken("a", 256)], {}, "clashes with token 'a', id 64; give"),
        ([AddedToken("<x>", 256), AddedToken("<x>", 257)], {}, "id=257.* clashes .* id 256"),
        ([AddedToken("<x>", 256), AddedToken("<y>", 256)], {}, "clashes with token '<x>'"),
        ([AddedToken("", 256)], {}, "a text that is not empty"),
        ([AddedToken("<x>", -1)], {}, "an id from 0 up"),
        ([], {"eos_token": "<|im_end|>"}, "'<|im_end|>' is no token; add it"),
        ([], {"pad_token": "<pad>"}, "'<pad>' is no token"),
    ],
)
def test_added_tokens_that_clash_are_an_error(added, names, message):
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        Tokenizer(bpe.vocabulary([]), [], added, **names)


# --- The files. ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizers") / "new" / "folder"
    OURS.save_pretrained(path)
    return path


def same(one, other):
    assert other.vocab == one.vocab
    assert other.merges == one.merges
    assert other.added_tokens == one.added_tokens
    assert other.encode(MIXED + "<|im_end|>") == one.encode(MIXED + "<|im_end|>")
    return True


def test_a_saved_folder_holds_four_whole_files_and_loads_equal(folder):
    names = ["merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert same(OURS, Tokenizer.from_pretrained(str(folder)))


def test_saving_again_writes_the_same_bytes(folder, tmp_path):
    Tokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@settings(PROPERTY, max_examples=100)
@given(text=TEXTS_WITH_SPECIALS)
def test_the_library_reads_our_tokenizer_json_as_we_do(folder, text):
    theirs = read_by_library(folder)
    assert theirs.encode(text).ids == OURS.encode(text)


@settings(PROPERTY, max_examples=100)
@given(text=TEXTS_WITH_SPECIALS)
def test_transformers_reads_our_folder_as_we_do(folder, text):
    theirs = read_by_transformers(folder)
    ids = OURS.encode(text)
    assert theirs(text)["input_ids"] == ids
    assert theirs.decode(ids) == OURS.decode(ids)
    shown = OURS.decode(ids, skip_special_tokens=True)
    assert theirs.decode(ids, skip_special_tokens=True) == shown


@cache
def read_by_library(folder):
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@cache
def read_by_transformers(folder):
    return AutoTokenizer.from_pretrained(folder)


def test_transformers_finds_class_size_and_stop_tokens(tmp_path):
    ours = Tokenizer.train([ENGLISH], 300)
    ours.save_pretrained(tmp_path)
    theirs = read_by_transformers(tmp_path)
    assert type(theirs).__name__ == "Qwen2Tokenizer"
    assert len(theirs) == len(ours)
    assert (theirs.eos_token_id, theirs.pad_token_id) == (ours.eos_token_id, ours.pad_token_id)


def test_a_folder_saved_by_transformers_loads(tmp_path):
    ours = Tokenizer.train([ENGLISH], 300)
    ours.save_pretrained(tmp_path / "ours")
    read_by_transformers(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    back = Tokenizer.from_pretrained(tmp_path / "theirs")
    assert same(ours, back)
    assert (back.eos_token, back.pad_token) == (ours.eos_token, ours.pad_token)
    assert back.chat_template is None  # ChatML came back as ChatML


def edit(folder, target, name, change):
    """Copy a folder, with one JSON file changed."""
    target.mkdir(exist_ok=True)
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    data = json.loads((target / name).read_text("utf-8"))
    change(data)
    (target / name).write_text(json.dumps(data), "utf-8")
    return target


def test_merges_may_be_pairs_as_newer_files_have_them(folder, tmp_path):
    def to_pairs(data):
        data["model"]["merges"] = [line.split(" ") for line in data["model"]["merges"]]

    assert same(OURS, Tokenizer.from_pretrained(edit(folder, tmp_path, "tokenizer.json", to_pairs)))


def test_without_tokenizer_json_vocab_merges_and_config_will_do(folder, tmp_path):
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert same(OURS, Tokenizer.from_pretrained(tmp_path))
    (tmp_path / "tokenizer_config.json").unlink()
    assert Tokenizer.from_pretrained(tmp_path).added_tokens == {}


def test_a_merge_that_looks_like_the_version_line_is_kept(tmp_path):
    merges = [("x", "y"), ("#version", ":")]
    vocab = bpe.vocabulary(merges) | {"#version": 300}
    Tokenizer(vocab, merges).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert Tokenizer.from_pretrained(tmp_path).merges == merges


def test_special_tokens_listed_in_the_vocabulary_too_are_read_once(tmp_path):
    oracle = library_tokenizer()
    oracle.train_from_iterator(
        [ENGLISH],
        tokenizers.trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<|im_end|>", "<终>"],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    oracle.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.from_pretrained(tmp_path)
    text = f"{ENGLISH}<终><|im_end|>"
    assert ours.encode(text) == oracle.encode(text).ids
    assert ours.decode(ours.encode(text)) == text


def test_saving_over_a_folder_removes_the_template_that_would_win(tmp_path):
    (tmp_path / "chat_template.jinja").write_text("another", "utf-8")
    OURS.save_pretrained(tmp_path)
    assert Tokenizer.from_pretrained(tmp_path).chat_template is None


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["normalizer"], None, "normalizer is None, not Qwen2's"),
        (["normalizer", "type"], "NFKC", "normalizer is {'type': 'NFKC'}"),
        (["pre_tokenizer", "type"], "Whitespace", "pre_tokenizer is .*Whitespace"),
        (["pre_tokenizer", "pretokenizers", 0, "pattern", "Regex"], r"\s+", "pre_tokenizer is"),
        (["pre_tokenizer", "pretokenizers", 0, "behavior"], "Removed", "pre_tokenizer is"),
        (["pre_tokenizer", "pretokenizers", 1, "add_prefix_space"], True, "pre_tokenizer is"),
        (["decoder"], {"type": "Metaspace"}, "decoder is .*Metaspace"),
        (["model", "type"], "Unigram", "model is .*Unigram.* use a Qwen2 folder"),
        (["model", "dropout"], 0.1, "model is .*0.1"),
        (["model", "ignore_merges"], True, "model is .*'ignore_merges': True"),
        (["model", "vocab"], ["a"], "needs a vocab"),
        (["model", "merges"], [["a", "b", "c"]], "merge .*'c'.* must be two tokens"),
        (["model", "merges"], ["ab"], "merge 'ab' must be two tokens"),
        (["model", "merges"], ["a 星"], "needs token '星'"),
        (["model", "vocab", "b"], 64, "id 64 is given to .*'a', 'b'"),
        (["model", "vocab", "星"], 9999, "'星' holds a character that stands for no byte"),
        (["added_tokens", 0, "id"], 3, "clashes with token"),
        (["added_tokens", 0, "lstrip"], True, "added token .* needs"),
        (["added_tokens", 0, "content"], None, "added token .* needs content"),
        (["post_processor"], {"type": "TemplateProcessing", "special_tokens": {"x": 1}}, "adds"),
    ],
)
def test_a_tokenizer_json_of_another_kind_is_an_error(folder, tmp_path, keys, value, message):
    def change(data):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    broken = edit(folder, tmp_path, "tokenizer.json", change)
    with pytest.raises(ValueError, match=rf"tokenizer\.json: .*{message}"):
        Tokenizer.from_pretrained(broken)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b'{"model": {"voc', "tokenizer.json is damaged .*copy or download"),
        ("tokenizer.json", b"", "tokenizer.json is damaged"),
        ("tokenizer.json", b"[]", "tokenizer.json holds a list, not a JSON object"),
        ("tokenizer.json", '{"é": 1}'.encode("latin-1"), r"is not UTF-8 \(byte 2\); save it as"),
        ("tokenizer.json", '{"é": 1}'.encode("utf-16"), "is not UTF-8"),
        ("tokenizer_config.json", b"{", "tokenizer_config.json is damaged"),
        ("tokenizer_config.json", b'{"chat_template": [1]}', "chat_template must be one str"),
        ("tokenizer_config.json", b'{"eos_token": "<eos>"}', "'<eos>' is no token"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(folder, tmp_path, name, content, message):
    edit(folder, tmp_path, name, lambda data: None)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Tokenizer.from_pretrained(tmp_path)


def test_no_folder_and_no_files_are_two_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder; give a Qwen2 model"):
        Tokenizer.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "vocab.json").write_text("{}", "utf-8")
    with pytest.raises(FileNotFoundError, match=r"has no tokenizer\.json, nor vocab\.json and"):
        Tokenizer.from_pretrained(tmp_path)


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    OURS.save_pretrained(tmp_path)
    before = (tmp_path / "vocab.json").read_bytes()
    monkeypatch.setattr(tokenizer.Path, "replace", lambda self, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Tokenizer.train([], 259).save_pretrained(tmp_path)
    assert (tmp_path / "vocab.json").read_bytes() == before


# --- At size, on real text. ---


def test_a_vocabulary_of_thousands_agrees_on_the_standard_library_sources(tmp_path):
    sources = [inspect.getsource(module) for module in (ast, difflib, inspect, json, tarfile)]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=8000,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs = library_tokenizer()
    theirs.train_from_iterator([*sources, CHINESE], trainer)
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.from_pretrained(tmp_path)
    unseen = inspect.getsource(textwrap)
    for text in [*sources, unseen, CHINESE, MIXED]:
        assert ours.encode(text) == theirs.encode(text).ids


def test_the_tokenizer_needs_no_other_module_of_the_package_and_no_torch():
    # The package's __init__ may import the model; the tokenizer, copied out, must not need it.
    check = """if True:
        import importlib.util, sys, types
        package = types.ModuleType("qwen_blog")
        package.__path__ = importlib.util.find_spec("qwen_blog").submodule_search_locations
        sys.modules["qwen_blog"] = package
        import qwen_blog.tokenizer
        ours = {name.split(".")[1] for name in sys.modules if name.startswith("qwen_blog.")}
        assert ours == {"tokenizer", "tokenizer_files", "files", "bpe", "chat"}, ours
        assert not {"torch", "transformers", "tokenizers", "numpy", "jinja2"} & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-c", check], check=True)
