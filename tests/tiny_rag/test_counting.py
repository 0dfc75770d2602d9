"""Counting tokens: the estimate without a vocabulary, and the tokenizer of a model."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tiny_rag.counting import TokenizerCounter, count_tokens

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("星环站", 3),
        ("𠮷", 1),
        ("ひらがなカナ한국", 8),
        ("rings", 1),
        ("station", 2),  # stati|on
        ("planet", 2),
        ("the ring station", 4),  # no token for the spaces between words
        ("café", 1),
        ("2049", 4),
        ("3.14", 4),
        ("，。！", 3),
        ("……", 2),
        ("a,b", 3),
        ("----", 1),
        ("-----", 2),
        ("-=-=", 4),
        ("орбита", 3),
        ("орбит站", 4),
        ("😀😀", 2),
        (" ", 0),
        ("  ", 1),
        ("\n", 1),
        (" " * 8, 1),
        (" " * 20, 3),
        ("a\n\n    b", 3),
        ("\0", 1),
        ("\ud800", 1),
    ],
)
def test_the_rule(text, tokens):
    assert count_tokens(text) == tokens


@PROPERTY
@given(st.text(st.one_of(st.sampled_from(" \n\ta1-站ж。\u0301😀"), st.characters()), max_size=40))
def test_a_longer_prefix_never_has_fewer_tokens_and_none_has_more_than_characters(text):
    counts = [count_tokens(text[:end]) for end in range(len(text) + 1)]
    assert counts == sorted(counts)
    assert counts[-1] <= len(text)


# --- A tokenizer. ---


@pytest.fixture
def byte_tokenizer():
    """One token a byte; its file also asks for [CLS], truncation and padding, as encoders' do."""
    vocabulary = {token: i for i, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    end = tokenizer.token_to_id("<|endoftext|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", end)]
    )
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    return tokenizer


@pytest.fixture
def file(byte_tokenizer, tmp_path):
    byte_tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.mark.parametrize("text", ["", "a", "a" * 100, "星环站 2049", "e\u0301😀\0\r\n"])
def test_a_tokenizer_counts_the_text_and_nothing_else(file, text):
    assert TokenizerCounter(file)(text) == len(text.encode())


def test_the_file_of_the_tokenizer_really_asks_for_more(byte_tokenizer):
    assert len(byte_tokenizer.encode("a").ids) == 16
    assert len(byte_tokenizer.encode("a" * 100).ids) == 16


def test_special_tokens_in_a_text_are_text(file):
    assert TokenizerCounter(file)("a<|endoftext|>b") == 15


def test_a_lone_surrogate_counts_as_the_replacement_character(file):
    assert TokenizerCounter(file)("a\ud800b") == len("a\ufffdb".encode())
    assert TokenizerCounter(file)("\ufeffa😀") == len("\ufeffa😀".encode())


def test_a_model_folder_will_do_and_so_will_a_str(file):
    assert TokenizerCounter(file.parent)("ab") == TokenizerCounter(str(file))("ab") == 2


def test_what_is_no_tokenizer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json does not exist; name a tokenizer"):
        TokenizerCounter(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json does not exist"):
        TokenizerCounter(tmp_path)
    (tmp_path / "bad.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(ValueError, match=r"bad\.json is not a tokenizer\.json"):
        TokenizerCounter(tmp_path / "bad.json")


def test_counting_without_a_tokenizer_imports_none():
    code = "import sys, tiny_rag.chunking; sys.exit('tokenizers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
