"""BLEU and its tokenizers, against sacrebleu."""

import math

import pytest
import sacrebleu
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import _get_tokenizer
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from tests.tiny_eval.pairs import NASTY, PAIRS, REALISTIC, TEXTS
from tiny_eval import bleu
from tiny_eval.bleu import corpus_bleu, sentence_bleu
from tiny_eval.bleu_tokens import tokens_13a, tokens_char, tokens_zh

PROPERTY = settings(max_examples=300, derandomize=True, deadline=None)
NAMES = ["13a", "zh", "char", "none"]
CORPORA = st.integers(1, 3).flatmap(
    lambda number: st.lists(
        st.tuples(TEXTS, st.lists(TEXTS, min_size=number, max_size=number)), min_size=1, max_size=4
    )
)


def assert_equals_sacrebleu(ours, theirs):
    assert abs(ours.score - theirs.score) < 1e-9
    assert ours.precisions == pytest.approx(theirs.precisions, abs=1e-9)
    assert list(ours.matched) == theirs.counts
    assert list(ours.total) == theirs.totals
    assert ours.brevity_penalty == pytest.approx(theirs.bp, abs=1e-12)
    assert (ours.length, ours.reference_length) == (theirs.sys_len, theirs.ref_len)


# --- sacrebleu. ---


@pytest.mark.parametrize("tokenize", NAMES)
def test_a_corpus_equals_sacrebleu(tokenize):
    for pairs in (PAIRS, REALISTIC[:100], REALISTIC[100:], REALISTIC[:1], PAIRS[-50:]):
        predictions = [prediction for prediction, _ in pairs]
        references = [reference for _, reference in pairs]
        ours = corpus_bleu(predictions, [[reference] for reference in references], tokenize)
        theirs = sacrebleu.corpus_bleu(predictions, [references], tokenize=tokenize, force=True)
        assert_equals_sacrebleu(ours, theirs)


@pytest.mark.parametrize("tokenize", NAMES)
def test_a_sentence_equals_sacrebleu(tokenize):
    for prediction, reference in PAIRS:
        ours = sentence_bleu(prediction, [reference], tokenize)
        theirs = sacrebleu.sentence_bleu(prediction, [reference], tokenize=tokenize)
        assert_equals_sacrebleu(ours, theirs)


@PROPERTY
@given(CORPORA, st.sampled_from(NAMES))
@example([("the cat", ["a", "a b c"])], "13a")  # lengths equally near: the shorter
@example([("the cat", ["a b c", "a"])], "13a")
def test_several_references_equal_sacrebleu(corpus, tokenize):
    predictions = [prediction for prediction, _ in corpus]
    references = [own for _, own in corpus]
    theirs = sacrebleu.BLEU(tokenize=tokenize)
    expected = theirs.corpus_score(
        predictions, [list(column) for column in zip(*references, strict=True)]
    )
    ours = corpus_bleu(predictions, references, tokenize)
    assert_equals_sacrebleu(ours, expected)
    assert without_version(ours.signature) == without_version(str(theirs.get_signature()))
    expected = sacrebleu.sentence_bleu(predictions[0], references[0], tokenize=tokenize)
    assert_equals_sacrebleu(sentence_bleu(predictions[0], references[0], tokenize), expected)


def without_version(signature: str) -> str:
    return signature.rsplit("|version:", 1)[0]


def test_the_signature_says_how_it_was_computed():
    one = sentence_bleu("a", ["a"], "zh")
    assert one.signature == "nrefs:1|case:mixed|eff:yes|tok:zh|smooth:exp|version:tiny_eval"
    various = corpus_bleu(["a", "b"], [["a"], ["a", "b"]])
    assert various.signature == "nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:tiny_eval"


# --- The paper's examples. ---


def test_a_word_is_matched_no_oftener_than_a_reference_has_it():
    # Papineni et al. 2002, section 2.1: 2 of 7, not 7 of 7, with the counts of the better reference
    score = corpus_bleu(
        ["the the the the the the the"],
        [["The cat is on the mat with the hat the end", "there is a cat on the mat"]],
        "none",
    )
    assert (score.matched[0], score.total[0]) == (3, 7)
    alone = corpus_bleu(["the the the the the the the"], [["the cat is on the mat"]], "none")
    assert (alone.matched[0], alone.total[0]) == (2, 7)


def test_the_counts_of_a_corpus_are_added_before_they_are_divided():
    texts, references = ["a b c d e", "x y z"], [["a b c d f"], ["x y z"]]
    score = corpus_bleu(texts, references)
    assert score.matched == (4 + 3, 3 + 2, 2 + 1, 1)
    assert score.total == (5 + 3, 4 + 2, 3 + 1, 2)
    product = (7 / 8) * (5 / 6) * (3 / 4) * (1 / 2)
    assert score.score == pytest.approx(100 * product**0.25)


def test_a_short_text_pays():
    score = corpus_bleu(["a b c d"], [["a b c d e f"]])
    assert score.precisions == (100, 100, 100, 100)
    assert score.brevity_penalty == pytest.approx(math.exp(1 - 6 / 4))
    assert corpus_bleu(["a b c d e f g"], [["a b c d"]]).brevity_penalty == 1


def test_a_corpus_without_a_run_of_four_scores_nothing_but_a_sentence_does():
    assert corpus_bleu(["a b"], [["a b"]]).score == 0
    assert sentence_bleu("a b", ["a b"]).score == pytest.approx(100)


def test_runs_without_a_match_count_as_a_half_a_quarter():
    assert sentence_bleu("a b c d", ["a c b d"]).precisions == (100, 50 / 3, 25 / 2, 12.5)


# --- Tokenizers. ---


@PROPERTY
@given(TEXTS)
def test_tokens_are_those_of_sacrebleu(text):
    for name, tokens in (("13a", tokens_13a), ("zh", tokens_zh), ("char", tokens_char)):
        theirs = _get_tokenizer(name)()
        assert tokens(text) == theirs(text.rstrip()).split()


def test_tokens_of_nasty_texts_are_those_of_sacrebleu():
    for name, tokens in (("13a", tokens_13a), ("zh", tokens_zh), ("char", tokens_char)):
        theirs = _get_tokenizer(name)()
        for text in NASTY:
            assert tokens(text) == theirs(text.rstrip()).split()


def test_the_same_characters_are_chinese_as_in_sacrebleu():
    chinese = TokenizerZh._is_chinese_char.__wrapped__
    for code in [*range(0x10000), *range(0x10000, 0x110000, 101)]:
        sign = chr(code)
        if not sign.isascii() and not sign.isspace():
            together = [f"x{sign}y"]
            assert (tokens_zh(together[0]) != together) == chinese(sign), hex(code)


def test_sacrebleu_is_wrong_that_signs_are_chinese_and_rare_characters_are_not():
    # its table says '\u20000', which is U+2000 and a 0; the right tokens are the second
    assert tokens_zh("it\u2019s 2\u20133") == ["it", "\u2019", "s", "2", "\u2013", "3"]
    assert tokens_13a("it\u2019s 2\u20133") == ["it\u2019s", "2\u20133"]
    assert tokens_zh("\U00020000\U00020001") == ["\U00020000\U00020001"]
    assert tokens_char("\U00020000\U00020001") == ["\U00020000", "\U00020001"]


def test_sacrebleus_zh_keeps_a_point_after_a_last_digit():
    assert tokens_zh("第3.") == ["第", "3."]
    assert tokens_13a("No 3.") == ["No", "3", "."]


# --- What it takes. ---


def test_the_numbers_of_texts_must_agree():
    with pytest.raises(ValueError, match="1 predictions and 2 lists of references"):
        corpus_bleu(["a"], [["a"], ["b"]])
    with pytest.raises(ValueError, match="at least one"):
        corpus_bleu([], [])
    with pytest.raises(ValueError, match="prediction 1 has no reference"):
        corpus_bleu(["a", "b"], [["a"], []])


def test_a_text_is_no_list_of_references():
    with pytest.raises(TypeError, match="prediction 0 are one str; give a list"):
        sentence_bleu("abc", "abc")
    with pytest.raises(TypeError, match="prediction 1"):
        corpus_bleu(["abc", "abc"], [["abc"], "abc"])


def test_an_unknown_tokenizer_is_named_with_the_known():
    with pytest.raises(ValueError, match="tokenize='jieba' is unknown; use 13a, zh, char or none"):
        sentence_bleu("a", ["a"], "jieba")


def test_a_learners_tokenizer_takes_the_place_of_ours(monkeypatch):
    monkeypatch.setattr(bleu, "tokens_13a", lambda text: ["same"])
    assert sentence_bleu("a", ["b"]).matched[0] == 1
