"""Attention: masks against loops, the formula against torch's fused form, heads against torch's."""

import itertools
from math import exp, sqrt

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tiny_transformer.attention import (
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)

from .reference import PAD, PROPERTY, Calls, normal, random_ids, randomise, small, torch_attention

# float64: dot products of some ten numbers and weighted means of ten leave about 1e-15.
EXACT = {"atol": 1e-12, "rtol": 0}


def qkv(B: int, H: int, T: int, S: int, Dh: int) -> tuple[Tensor, Tensor, Tensor]:
    """q: (B, H, T, Dh) and k, v: (B, H, S, Dh), in float64."""
    return tuple(  # type: ignore[return-value]
        2 * normal(B, H, length, Dh, dtype=torch.float64, seed=seed)
        for seed, length in enumerate((T, S, S))
    )


def masks(B: int, T: int, S: int) -> dict[str, Tensor | None]:
    """Of several shapes, with rows in which nothing may be looked at."""
    holes = normal(B, 1, T, S, seed=9) > 0
    holes[0, :, 0] = False  # a query that may look at nothing
    padding = torch.ones(B, 1, 1, S, dtype=torch.bool)
    padding[-1] = False  # a source of nothing but padding
    return {
        "none": None,
        "random": holes,
        "padding": padding,
        "a head each": normal(B, 2, T, S, seed=8) > 0.3,
        "nothing": torch.zeros(T, S, dtype=torch.bool),
    }


MASKS = ("none", "random", "padding", "a head each", "nothing")


# --- masks ---


@PROPERTY
@given(T=st.integers(0, 7), past=st.integers(0, 6))
def test_causal_mask_shows_each_query_its_own_place_and_earlier_ones(T: int, past: int) -> None:
    mask = causal_mask(T, past + T)
    assert mask.shape == (1, 1, T, past + T)
    assert mask.dtype == torch.bool
    assert mask[0, 0].tolist() == [[s <= past + t for s in range(past + T)] for t in range(T)]


def test_causal_mask_on_the_page() -> None:
    assert causal_mask(3)[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal_mask(2, 4)[0, 0].int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert causal_mask(2, 2, device="meta").device.type == "meta"


def test_fewer_keys_than_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="S=2 keys are fewer than T=3 queries"):
        causal_mask(3, 2)


def test_padding_mask_hides_the_pad_id_and_nothing_else() -> None:
    mask = padding_mask(torch.tensor([[4, 1, 0], [0, 7, 7]]), pad_id=0)
    assert mask.dtype == torch.bool
    assert mask.int().tolist() == [[[[1, 1, 0]]], [[[0, 1, 1]]]]
    assert padding_mask(torch.tensor([[4, 1, 0]]), pad_id=4).int().tolist() == [[[[0, 1, 1]]]]


# --- the formula ---


@pytest.mark.parametrize("kind", MASKS)
def test_attention_is_the_formula_number_by_number(kind: str) -> None:
    B, H, T, S, Dh = 2, 2, 3, 4, 5
    q, k, v = qkv(B, H, T, S, Dh)
    mask = masks(B, T, S)[kind]
    allowed = torch.ones(B, H, T, S).bool() if mask is None else mask.expand(B, H, T, S)
    out, weights = scaled_dot_product_attention(q, k, v, mask)
    for b, h, t in itertools.product(range(B), range(H), range(T)):
        scores = [float(q[b, h, t].dot(k[b, h, s])) / sqrt(Dh) for s in range(S)]
        powers = [exp(x) if allowed[b, h, t, s] else 0.0 for s, x in enumerate(scores)]
        total = sum(powers) or 1.0
        want = torch.tensor([power / total for power in powers], dtype=torch.float64)
        assert_close(weights[b, h, t], want, **EXACT)
        assert_close(out[b, h, t], want @ v[b, h], **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", MASKS)
def test_rows_of_weights_sum_to_1_or_are_all_0(kind: str, dtype: torch.dtype) -> None:
    B, H, T, S = 3, 2, 4, 6
    q, k, v = (x.to(dtype) for x in qkv(B, H, T, S, 8))
    mask = masks(B, T, S)[kind]
    out, weights = scaled_dot_product_attention(q, k, v, mask)
    assert out.dtype == weights.dtype == dtype
    some = torch.ones(B, H, T, dtype=torch.bool)
    if mask is not None:
        some = mask.any(dim=-1).expand(B, H, T)
        assert not weights.masked_select(~mask).any()
    # bfloat16: each of 6 weights is rounded to 8 bits
    atol = 6 * torch.finfo(dtype).eps
    assert_close(weights.sum(dim=-1).float(), some.float(), atol=atol, rtol=0)
    assert not out[~some].any()
    assert out.isfinite().all()


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("shape", [(3, 2, 4, 6, 8), (1, 2, 5, 1, 3), (2, 2, 1, 7, 1)])
def test_the_formula_and_the_fused_form_agree_in_value_and_gradient(
    shape: tuple[int, int, int, int, int], kind: str
) -> None:
    q, k, v = (x.requires_grad_() for x in qkv(*shape))
    mask = masks(shape[0], *shape[2:4])[kind]
    ours, _ = scaled_dot_product_attention(q, k, v, mask)
    fused = F.scaled_dot_product_attention(q, k, v, mask)
    assert_close(ours, fused, **EXACT)
    direction = normal(*ours.shape, dtype=torch.float64, seed=5)
    for got, want in zip(
        torch.autograd.grad(ours, (q, k, v), direction),
        torch.autograd.grad(fused, (q, k, v), direction),
        strict=True,
    ):
        assert got.isfinite().all()
        assert_close(got, want, **EXACT)


def test_no_nan_arises_even_on_the_way_to_the_gradient() -> None:
    """A NaN that a mask covers up in the end would still stop torch's search for NaNs."""
    q, k, v = (x.requires_grad_() for x in qkv(2, 2, 3, 4, 5))
    with torch.autograd.set_detect_anomaly(True):
        out, _ = scaled_dot_product_attention(q, k, v, masks(2, 3, 4)["nothing"])
        out.sum().backward()


def test_the_scale_keeps_the_spread_of_scores_near_1_at_any_width() -> None:
    """Section 3.2.1: q . k of random vectors has variance Dh; divided by sqrt(Dh), 1."""
    for Dh in (4, 64, 1024):
        q, k = normal(1, 1, 300, Dh), normal(1, 1, 300, Dh, seed=1)
        _, weights = scaled_dot_product_attention(q, k, k)
        scores = weights.log()
        spread = (scores - scores.mean(dim=-1, keepdim=True)).std()
        assert spread == pytest.approx(1, abs=0.05)


def test_dropout_falls_on_the_weights_and_scales_up_the_rest() -> None:
    q, k, v = qkv(2, 4, 20, 20, 8)
    _, weights = scaled_dot_product_attention(q, k, v)
    torch.manual_seed(0)
    out, dropped = scaled_dot_product_attention(q, k, v, dropout=0.25)
    assert 0.2 < (dropped == 0).double().mean() < 0.3
    kept = dropped != 0
    assert_close(dropped[kept], weights[kept] / 0.75)
    assert_close(out, dropped @ v)


# --- many heads ---


def heads(attention_bias: bool = True, num_heads: int = 4, **dropout: float) -> MultiHeadAttention:
    config = small(attention_bias=attention_bias, num_heads=num_heads, **dropout)
    attention = MultiHeadAttention(config).double().eval()
    randomise(attention)
    return attention


@pytest.mark.parametrize("kind", ["none", "random", "padding"])
@pytest.mark.parametrize("cross", [False, True], ids=["self", "cross"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("num_heads", [1, 3, 24])
def test_outputs_and_the_weights_of_each_head_equal_torch(
    num_heads: int, bias: bool, cross: bool, kind: str
) -> None:
    ours = heads(bias, num_heads)
    theirs = torch_attention(ours.state_dict(), num_heads)
    B, T = 3, 5
    S = 7 if cross else T
    x = normal(B, T, 24, dtype=torch.float64)
    memory = normal(B, S, 24, dtype=torch.float64, seed=1) if cross else None
    mask = masks(B, T, S)[kind]
    source = x if memory is None else memory
    hidden = None  # torch's mask: (B * H, T, S), True = may not look
    rows = torch.ones(B, T, dtype=torch.bool)
    if mask is not None:
        allowed = mask.expand(B, 1, T, S)
        rows = allowed.any(dim=-1)[:, 0]  # torch's weights are NaN where nothing may be looked at
        hidden = ~allowed.expand(B, num_heads, T, S).flatten(0, 1)
    want, want_weights = theirs(x, source, source, attn_mask=hidden, average_attn_weights=False)
    collected: list[Tensor] = []
    for got in (ours(x, memory, mask), ours(x, memory, mask, attentions=collected)):
        assert_close(got[rows], want[rows], **EXACT)
        assert got.isfinite().all()
    (weights,) = collected
    assert weights.shape == (B, num_heads, T, S)
    assert_close(weights.transpose(1, 2)[rows], want_weights.transpose(1, 2)[rows], **EXACT)


@pytest.mark.parametrize("asked", [False, True], ids=["fused", "formula"])
def test_a_query_that_may_look_at_nothing_gets_the_output_bias(asked: bool) -> None:
    attention = heads()
    x = normal(2, 3, 24, dtype=torch.float64).requires_grad_()
    mask = torch.ones(2, 1, 3, 3, dtype=torch.bool)
    mask[0, :, 1] = False
    out = attention(x, mask=mask, attentions=[] if asked else None)
    assert_close(out[0, 1], attention.o_proj.bias)
    gradients = torch.autograd.grad(out.square().sum(), [x, *attention.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_weights_are_at_no_cost_when_not_asked_for() -> None:
    """One fused call, no softmax, and nothing of size (B, H, T, S) kept for the gradient."""
    attention = heads().train()
    ids = random_ids((9, 6))
    x, memory = normal(2, 11, 24, dtype=torch.float64), normal(2, 9, 24, dtype=torch.float64)
    mask = padding_mask(ids, PAD)

    def run(attentions: list[Tensor] | None) -> tuple[Tensor, Calls, set[tuple[int, ...]]]:
        kept = set()

        def keep(tensor: Tensor) -> Tensor:
            kept.add(tuple(tensor.shape))
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with hooks, Calls() as calls:
            out = attention(x, memory, mask, attentions=attentions)
        return out, calls, kept

    quiet, calls, kept = run(None)
    assert (calls.fused, calls.formula) == (1, 0)
    assert (2, 4, 11, 9) not in kept
    collected: list[Tensor] = []
    shown, calls, kept = run(collected)
    assert (calls.fused, calls.formula) == (0, 1)
    assert (2, 4, 11, 9) in kept  # so the check above would have seen it
    assert len(collected) == 1
    assert_close(quiet, shown, **EXACT)


@pytest.mark.parametrize("asked", [False, True], ids=["fused", "formula"])
def test_attention_dropout_is_on_the_weights_in_training_only(asked: bool) -> None:
    attention = heads(attention_dropout=0.25)
    x = normal(2, 5, 24, dtype=torch.float64)

    def run() -> tuple[Tensor, list[float]]:
        with Calls() as calls:
            out = attention(x, attentions=[] if asked else None)
        return out, [p for _, p in calls.dropouts()]

    still, none = run()
    assert none == []
    assert torch.equal(run()[0], still)
    attention.train()
    out, dropped = run()
    assert dropped == [0.25]
    assert not torch.allclose(out, still)


@pytest.mark.parametrize("asked", [False, True], ids=["fused", "formula"])
def test_in_training_a_quarter_of_the_weights_is_lost_and_in_eval_none(asked: bool) -> None:
    attention = heads(attention_dropout=0.25)
    x = normal(2, 20, 24, dtype=torch.float64)
    still, weights = attention(x, attentions=(whole := [])), whole[0]
    assert_close(attention(x, attentions=[] if asked else None), still, **EXACT)
    attention.train()
    collected: list[Tensor] = []
    outputs = [attention(x, attentions=collected if asked else None) for _ in range(2)]
    assert not torch.allclose(outputs[0], still)
    assert not torch.allclose(outputs[0], outputs[1])
    for dropped in collected:
        assert 0.2 < (dropped == 0).double().mean() < 0.3
        kept = dropped != 0
        assert_close(dropped[kept], weights[kept] / 0.75)


def test_attention_without_positions_is_blind_to_order() -> None:
    """Why chapter 11 needs sinusoids: shuffled keys change nothing, shuffled queries only order."""
    attention = heads()
    x = normal(1, 6, 24, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert_close(attention(x)[:, order], attention(x[:, order]), **EXACT)
    assert_close(attention(x, x[:, order]), attention(x), **EXACT)
