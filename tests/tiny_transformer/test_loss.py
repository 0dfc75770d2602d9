"""The smoothed loss is torch's, and padding has no part in it."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tiny_transformer.loss import label_smoothed_cross_entropy

PAD = 0


def case(B: int, T: int, V: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits and targets, about a third of them padding."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(B, T, V, dtype=torch.float64, generator=generator)
    targets = torch.randint(0, V, (B, T), generator=generator)
    targets[torch.rand(B, T, generator=generator) < 0.3] = PAD
    return logits.requires_grad_(), targets


@settings(deadline=None, max_examples=30)
@given(
    B=st.integers(1, 4),
    T=st.integers(1, 6),
    V=st.integers(2, 40),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 999),
)
def test_value_and_gradient_are_those_of_torch(
    B: int, T: int, V: int, smoothing: float, seed: int
) -> None:
    logits, targets = case(B, T, V, seed)
    ours = label_smoothed_cross_entropy(logits, targets, PAD, smoothing)
    flat = logits.flatten(0, 1), targets.flatten()
    options = {"ignore_index": PAD, "reduction": "sum"}
    oracle = F.cross_entropy(*flat, label_smoothing=smoothing, **options)
    # float64 throughout: what is left is the order of a few hundred additions
    torch.testing.assert_close(ours.smoothed, oracle, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.nll, F.cross_entropy(*flat, **options), rtol=1e-12, atol=1e-12)
    assert ours.tokens == int((targets != PAD).sum())
    (got,) = torch.autograd.grad(ours.smoothed, logits)
    (want,) = torch.autograd.grad(oracle, logits)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


def test_padding_changes_nothing() -> None:
    logits, targets = case(2, 5, 7)
    padded = F.pad(logits.detach(), (0, 0, 0, 3), value=50.0), F.pad(targets, (0, 3), value=PAD)
    got = label_smoothed_cross_entropy(*padded, PAD)
    want = label_smoothed_cross_entropy(logits, targets, PAD)
    torch.testing.assert_close(got[:2], want[:2], rtol=1e-12, atol=1e-12)
    assert got.tokens == want.tokens


def test_a_batch_of_nothing_but_padding_costs_nothing() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = label_smoothed_cross_entropy(logits, torch.full((2, 3), PAD), PAD)
    loss.smoothed.backward()
    assert (loss.smoothed.item(), loss.nll.item(), loss.tokens) == (0, 0, 0)
    assert not logits.grad.any()


def test_a_model_that_knows_nothing_loses_the_logarithm_of_the_vocabulary() -> None:
    loss = label_smoothed_cross_entropy(torch.zeros(1, 3, 8), torch.tensor([[1, 5, 2]]), PAD)
    assert loss.smoothed.item() == pytest.approx(3 * math.log(8))
    assert loss.nll.item() == pytest.approx(3 * math.log(8))


def test_a_number_worked_by_hand() -> None:
    """p = (0.2, 0.5, 0.3), the right token is 1: 0.9 on it, a thirtieth on each of the three."""
    logits = torch.tensor([[[0.2, 0.5, 0.3]]]).log()
    loss = label_smoothed_cross_entropy(logits, torch.tensor([[1]]), PAD)
    spread = -(math.log(0.2) + math.log(0.5) + math.log(0.3)) / 3
    assert loss.smoothed.item() == pytest.approx(0.9 * -math.log(0.5) + 0.1 * spread)


def test_it_is_lowest_where_the_model_says_the_smoothed_target() -> None:
    target = torch.full((5,), 0.02, dtype=torch.float64)
    target[3] += 0.9
    logits = target.log()[None, None].requires_grad_()
    loss = label_smoothed_cross_entropy(logits, torch.tensor([[3]]), PAD).smoothed
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.abs().max() < 1e-15
    assert loss.item() == pytest.approx(-(target * target.log()).sum().item())  # its entropy


def test_the_reported_nll_is_not_trained_on() -> None:
    logits, targets = case(2, 3, 5)
    assert not label_smoothed_cross_entropy(logits, targets, PAD).nll.requires_grad


def test_bfloat16_logits_are_summed_in_float32() -> None:
    logits, targets = case(4, 8, 500)
    rounded = logits.detach().bfloat16()
    loss = label_smoothed_cross_entropy(rounded, targets, PAD)
    exact = label_smoothed_cross_entropy(rounded.double(), targets, PAD)
    assert loss.smoothed.dtype == torch.float32
    # float32 keeps 7 digits; a bfloat16 sum would be off in the third
    torch.testing.assert_close(loss.smoothed.double(), exact.smoothed, rtol=1e-5, atol=0)


def test_tutorials_that_spread_over_fewer_tokens_differ_by_a_constant_and_next_to_nothing() -> None:
    V = 8000
    logits, targets = case(2, 4, V)
    real = targets != PAD
    spread = torch.full((2, 4, V), 0.1 / (V - 2), dtype=torch.float64)
    spread.scatter_(-1, targets[..., None], 0.9)
    spread[..., PAD] = 0
    log_p = logits.log_softmax(-1)[real]
    divergence = F.kl_div(log_p, spread[real], reduction="sum")
    entropy_of_a_target = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1 / (V - 2)))
    ours = label_smoothed_cross_entropy(logits, targets, PAD)
    difference = ours.smoothed - divergence - ours.tokens * entropy_of_a_target
    assert abs(difference.item()) / ours.tokens < 0.1 * 50 / V  # a logit difference times 0.1 / V


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_a_smoothing_that_is_no_share_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"smoothing=.* must be in \[0, 1\)"):
        label_smoothed_cross_entropy(*case(1, 1, 3), PAD, smoothing)
