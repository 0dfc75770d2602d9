"""The longest common subsequence, against the tables of two packages."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge.rouge_score import _recon_lcs
from rouge_score.rouge_scorer import _lcs_table, lcs_ind

from tiny_eval.lcs import lcs_indices, lcs_length

PROPERTY = settings(max_examples=400, derandomize=True, deadline=None)
# few kinds of tokens have many equally long subsequences; more than 30 and 60 fill Python's digits
TOKENS = st.lists(st.integers(0, 3), max_size=14) | st.lists(st.integers(0, 12), max_size=70)


@pytest.mark.parametrize(
    ("a", "b", "length"),
    [
        ("abcd", "abcd", 4),
        ("abcd", "xbyd", 2),  # with gaps: no common run is longer than one
        ("abcd", "dcba", 1),  # in order: a bag of tokens has four
        ("ab", "aab", 2),
        ("aa", "a", 1),  # a token stands for one other
        ("bca", "abc", 2),  # to take the first a at once would cost bc
        ("abc", "", 0),
        ([7, 8, 9], (9, 7, 9), 2),
    ],
)
def test_lengths_of_worked_examples(a, b, length):
    assert lcs_length(a, b) == lcs_length(b, a) == length


@PROPERTY
@given(TOKENS, TOKENS)
def test_length_is_that_of_the_textbook(a, b):
    assert lcs_length(a, b) == _lcs_table(a, b)[-1][-1] == lcs_length(b, a)


@PROPERTY
@given(TOKENS, TOKENS)
def test_places_are_those_of_rouge_score_and_of_rouge(a, b):
    places = lcs_indices(a, b)
    assert places == lcs_ind(a, b)
    other = lcs_indices(a, b, leave="b")
    assert [a[place] for place in other] == _recon_lcs(a, b, exclusive=False)._ngrams
    assert len(places) == len(other) == lcs_length(a, b)


def test_at_a_tie_the_sequence_named_loses_its_token():
    # either b or c: from the end, "a" leaves c of "abc" and finds b, "b" leaves b of "acb"
    assert lcs_indices("abc", "acb", leave="a") == [0, 1]
    assert lcs_indices("abc", "acb", leave="b") == [0, 2]


@pytest.mark.parametrize("leave", ["a", "b"])
def test_places_are_in_the_first_sequence(leave):
    assert lcs_indices("xaybz", "ab", leave) == [1, 3]
    assert lcs_indices("ab", "xaybz", leave) == [0, 1]


def test_nothing_in_common_with_nothing():
    assert lcs_length("", "") == lcs_length("abc", "") == lcs_length("", "abc") == 0
    assert lcs_indices("", "abc") == lcs_indices("abc", "") == lcs_indices("abc", "xyz") == []


def test_fifty_thousand_tokens_take_a_second_and_no_recursion():
    rng = random.Random(0)
    kept = [rng.randrange(8_000) for _ in range(50_000)]
    # every other token of b is new, so that all of a is still there in order
    b = [token for place, old in enumerate(kept) for token in (old, -place - 1)]
    assert lcs_length(kept, b[:50_000]) == 25_000
    assert lcs_indices(kept[:20_000], b[:20_000]) == list(range(10_000))
