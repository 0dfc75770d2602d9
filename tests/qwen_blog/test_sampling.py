"""Each rule of `sampling` equals transformers' own processor of the same name."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from qwen_blog.sampling import (
    apply_min_p,
    apply_repetition_penalty,
    apply_top_k,
    apply_top_p,
    sample,
)

# Few distinct values, so that ties are common: a rule must also agree on which of two equals goes.
LOGITS = st.lists(
    st.lists(st.sampled_from([-5.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0]), min_size=7, max_size=7),
    min_size=1,
    max_size=3,
).map(torch.tensor)
RULES = settings(max_examples=150, derandomize=True, deadline=None)
NO_IDS = torch.zeros(1, 0, dtype=torch.long)


@RULES
@given(LOGITS, st.integers(1, 9))
def test_top_k_equals_transformers(logits: Tensor, k: int) -> None:
    assert torch.equal(apply_top_k(logits, k), TopKLogitsWarper(k)(NO_IDS, logits))


@RULES
@given(LOGITS, st.sampled_from([1e-9, 0.25, 0.5, 0.75]) | st.floats(0.01, 0.99))
def test_top_p_equals_transformers(logits: Tensor, p: float) -> None:
    assert torch.equal(apply_top_p(logits, p), TopPLogitsWarper(p)(NO_IDS, logits))


@RULES
@given(LOGITS, st.floats(0.0, 1.0))
def test_min_p_equals_transformers(logits: Tensor, p: float) -> None:
    assert torch.equal(apply_min_p(logits, p), MinPLogitsWarper(p)(NO_IDS, logits))


@RULES
@given(LOGITS, st.floats(0.2, 4.0), st.data())
def test_repetition_penalty_equals_transformers(logits: Tensor, x: float, data: st.DataObject):
    rows = len(logits)
    ids = torch.tensor([[data.draw(st.integers(0, 6)) for _ in range(4)] for _ in range(rows)])
    seen = torch.zeros(rows, 7, dtype=torch.bool).scatter(1, ids, True)
    expected = RepetitionPenaltyLogitsProcessor(x)(ids, logits.clone())
    assert torch.equal(apply_repetition_penalty(logits, seen, x), expected)


def test_top_p_keeps_the_fewest_tokens_that_reach_p() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = [int((apply_top_p(logits, p) > -torch.inf).sum()) for p in (0.4, 0.6, 0.85, 0.99)]
    assert kept == [1, 2, 3, 4]


def test_top_p_needs_no_more_than_p_to_the_last_bit() -> None:
    halves = torch.zeros(1, 4)  # four times 0.25, which is exact: two of them hold 0.5
    assert int((apply_top_p(halves, 0.5) > -torch.inf).sum()) == 2


def test_top_p_keeps_the_same_two_of_four_equal_tokens_as_transformers() -> None:
    halves = torch.zeros(1, 4)
    assert torch.equal(apply_top_p(halves, 0.5), TopPLogitsWarper(0.5)(NO_IDS, halves))


@pytest.mark.parametrize("p", [1e-6, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0, 50.0])  # from almost even to almost certain
def test_top_p_equals_transformers_where_no_two_tokens_tie(spread: float, p: float) -> None:
    logits = spread * torch.randn(8, 300, generator=torch.Generator().manual_seed(0))
    want = TopPLogitsWarper(p)(NO_IDS, logits)
    assert_close(apply_top_p(logits.clone(), p), want, atol=0, rtol=0)  # as they are, or -inf


def test_samples_are_of_the_nucleus_in_the_old_proportions() -> None:
    rows = torch.tensor([0.05, 0.3, 0.15, 0.5]).log().expand(40_000, 4)
    tokens = sample(rows, top_p=0.6, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor([0.0, 0.3 / 0.8, 0.0, 0.5 / 0.8])
    # 40,000 draws: the standard error of a share is at most 0.0025
    assert torch.allclose(tokens.bincount(minlength=4) / 40_000, expected, atol=0.01)


def test_temperature_zero_is_greedy_whatever_the_other_settings() -> None:
    logits = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sample(logits, temperature=0, top_k=3, top_p=0.5), logits.argmax(-1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_tempered_distribution(temperature: float) -> None:
    probs = torch.tensor([0.6, 0.3, 0.1])
    rows = probs.log().expand(40_000, 3)
    tokens = sample(rows, temperature, generator=torch.Generator().manual_seed(0))
    expected = probs ** (1 / temperature) / (probs ** (1 / temperature)).sum()
    # 40,000 draws: the standard error of a share is at most 0.0025
    assert torch.allclose(tokens.bincount(minlength=3) / 40_000, expected, atol=0.01)


def test_the_same_generator_gives_the_same_tokens_and_another_seed_does_not() -> None:
    logits = torch.zeros(64, 100)
    draw = [sample(logits, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def test_half_precision_logits_are_sampled_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 3000, generator=generator).bfloat16()
    draws = [
        sample(x, 0.7, top_p=0.9, generator=torch.Generator().manual_seed(1))
        for x in (logits, logits.float())
    ]
    assert torch.equal(*draws)
