"""Masks against loops, attention against torch's own, all three paths against each other."""

import itertools
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from transformers.models.qwen2 import modeling_qwen2 as hf

from qwen_blog import (
    Attention,
    Qwen2Config,
    causal_mask,
    decode_attention,
    eager_attention,
    repeat_kv,
    sdpa_attention,
)

from .reference import PROPERTY, config_json

# float64: dot products of some 16 numbers, and weighted means of 200, leave about 1e-15.
EXACT = {"atol": 1e-12, "rtol": 0}
HEADS = [(4, 4), (4, 2), (4, 1), (6, 2)]
LENGTHS = [1, 2, 63, 64, 65, 128, 200]  # chunks of 64 queries: around one, exactly two, a rest


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def qkv(
    heads: tuple[int, int], T: int, S: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """q: (2, H, T, 16) and k, v: (2, K, S, 16)."""
    H, K = heads
    return normal(2, H, T, 16), normal(2, K, S, 16, seed=1), normal(2, K, S, 16, seed=2)


def reference(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """torch's attention in float64, each key/value head copied for its query heads."""
    groups = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q.double(), k.double(), v.double(), mask)


def triangle(T: int, S: int) -> Tensor:
    """(1, 1, T, S), the newest T of S tokens: True up to each query's own place."""
    return torch.ones(S, S, dtype=torch.bool).tril()[None, None, S - T :]


def random_mask(T: int, S: int) -> Tensor:
    """(2, 1, T, S): random holes in the past, no future, and in each row something to look at."""
    mask = normal(2, 1, T, S, seed=3) > 0
    mask[..., 0] = True
    return mask & triangle(T, S)


# --- the mask ---


@PROPERTY
@given(
    T=st.integers(1, 7),
    past=st.integers(0, 6),
    window=st.none() | st.integers(1, 9),
    padding=st.none() | st.lists(st.integers(0, 2**13 - 1), min_size=1, max_size=3),
)
def test_mask_equals_the_definition_cell_by_cell(
    T: int, past: int, window: int | None, padding: list[int] | None
) -> None:
    S = past + T
    real = None  # row b: the binary digits of padding[b], any pattern
    if padding is not None:
        real = torch.tensor([[bool(bits >> s & 1) for s in range(S)] for bits in padding])
    mask = causal_mask(T, S, real, window)
    B = 1 if real is None else len(real)
    assert mask.shape == (B, 1, T, S)
    assert mask.dtype == torch.bool
    for b, t, s in itertools.product(range(B), range(T), range(S)):
        place = past + t
        seen = s <= place
        if window is not None:
            seen = seen and s > place - window
        if real is not None:
            seen = seen and bool(real[b, s])
        seen = seen or s == place
        assert mask[b, 0, t, s] == seen, (b, t, s)


def test_mask_on_the_page() -> None:
    # Two new tokens after two cached ones; row 1 has a padded first place; two places back at most.
    real = torch.tensor([[True, True, True, True], [False, True, True, True]])
    rows = causal_mask(2, 4, real).int().tolist()
    assert rows == [[[[1, 1, 1, 0], [1, 1, 1, 1]]], [[[0, 1, 1, 0], [0, 1, 1, 1]]]]
    assert causal_mask(2, 4, None, sliding_window=2).int().tolist() == [
        [[[0, 1, 1, 0], [0, 0, 1, 1]]]
    ]


def test_every_query_sees_itself_even_where_all_is_padding() -> None:
    mask = causal_mask(5, 5, torch.zeros(1, 5, dtype=torch.bool), sliding_window=2)
    assert torch.equal(mask[0, 0], torch.eye(5, dtype=torch.bool))


# --- key/value heads ---


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_repeat_kv_is_repeat_interleave(groups: int) -> None:
    x = normal(2, 3, 5, 4)
    want = torch.repeat_interleave(x, groups, dim=1)
    assert_close(repeat_kv(x, groups), want, atol=0, rtol=0)  # copies: to the last bit


def test_repeat_kv_of_views_is_repeat_interleave() -> None:
    view = normal(2, 3, 9, 4)[:, :, :5]  # what a cache hands out
    want = torch.repeat_interleave(view, 2, dim=1)
    assert_close(repeat_kv(view, 2), want, atol=0, rtol=0)


# --- attention ---


@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("heads", HEADS)
def test_eager_attention_equals_torch(heads: tuple[int, int], T: int) -> None:
    q, k, v = qkv(heads, T, T + 3)
    mask = random_mask(T, T + 3)
    out, weights = eager_attention(q, k, v, mask)
    assert_close(out, reference(q, k, v, mask), **EXACT)
    assert weights.shape == (2, heads[0], T, T + 3)
    assert (weights.masked_select(~mask) == 0).all()
    assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]), **EXACT)
    # The weights themselves: what attention makes of v = the identity.
    identity = torch.eye(T + 3, dtype=q.dtype).expand(2, heads[1], T + 3, T + 3)
    assert_close(weights, reference(q, k, identity, mask), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_eager_attention_equals_transformers_to_the_last_bit(dtype: torch.dtype) -> None:
    # In half precision too: a softmax that is not computed in float32 differs in its last bits.
    q, k, v = (x.to(dtype) for x in qkv((4, 2), 9, 200))
    mask = random_mask(9, 200)
    layer = SimpleNamespace(num_key_value_groups=2, training=False)
    added = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
    want, want_weights = hf.eager_attention_forward(layer, q, k, v, added, scaling=16**-0.5)
    out, weights = eager_attention(q, k, v, mask)
    assert torch.equal(weights, want_weights)
    assert torch.equal(out.transpose(1, 2), want)


@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("heads", HEADS)
def test_sdpa_attention_with_a_mask_equals_torch(heads: tuple[int, int], T: int) -> None:
    q, k, v = qkv(heads, T, T + 3)
    mask = random_mask(T, T + 3)
    assert_close(sdpa_attention(q, k, v, mask), reference(q, k, v, mask), **EXACT)


@pytest.mark.parametrize("past", [0, 5])
@pytest.mark.parametrize("grad", [True, False])  # without, long inputs go through in chunks
@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("heads", HEADS)
def test_causal_attention_without_a_mask_equals_torch(
    heads: tuple[int, int], T: int, grad: bool, past: int
) -> None:
    q, k, v = qkv(heads, T, past + T)
    with torch.set_grad_enabled(grad):
        for out in (sdpa_attention(q, k, v, None), eager_attention(q, k, v, None)[0]):
            assert_close(out, reference(q, k, v, triangle(T, past + T)), **EXACT)


@pytest.mark.parametrize("S", [1, 2, 65, 200])
@pytest.mark.parametrize("heads", HEADS)
def test_decode_attention_equals_torch(heads: tuple[int, int], S: int) -> None:
    q, k, v = qkv(heads, 1, S)
    assert_close(decode_attention(q, k, v, None), reference(q, k, v, triangle(1, S)), **EXACT)
    mask = random_mask(1, S)
    assert_close(decode_attention(q, k, v, mask), reference(q, k, v, mask), **EXACT)


def test_decode_attention_takes_the_views_that_split_heads_and_a_cache_make() -> None:
    q = normal(2, 1, 4 * 16).view(2, 1, 4, 16).transpose(1, 2)  # (B, 1, H*Dh) -> (B, H, 1, Dh)
    k, v = normal(2, 2, 50, 16)[:, :, :9], normal(2, 2, 50, 16, seed=1)[:, :, :9]
    assert_close(decode_attention(q, k, v, None), reference(q, k, v, triangle(1, 9)), **EXACT)


@pytest.mark.parametrize("T", [1, 9, 80])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_paths_agree_in_the_dtypes_that_models_run_in(dtype: torch.dtype, T: int) -> None:
    q, k, v = (x.to(dtype) for x in qkv((4, 2), T, T + 3))
    mask = random_mask(T, T + 3)
    want = reference(q, k, v, mask)
    # A mean of numbers of about 1: float32 is good to some 1e-7, bfloat16's 8 bits to some 1e-2.
    atol = {torch.float32: 2e-6, torch.bfloat16: 3e-2}[dtype]
    outs = [eager_attention(q, k, v, mask)[0], sdpa_attention(q, k, v, mask)]
    outs += [decode_attention(q, k, v, mask)] if T == 1 else []
    for out in outs:
        assert out.dtype == dtype
        assert_close(out.double(), want, atol=atol, rtol=0)


def test_scores_are_scaled_by_the_root_of_the_head_width() -> None:
    # One score is 3 * 16 / sqrt(16) = 12, the other 0: the weight is 1 / (1 + e^-12).
    q, k = torch.full((1, 1, 1, 16), 3.0), torch.zeros(1, 1, 2, 16)
    k[:, :, 1] = 1.0
    _, weights = eager_attention(q, k, k)
    assert_close(weights[0, 0, 0, 1].item(), 1 / (1 + torch.tensor(-12.0).exp().item()))


# --- the layer ---


def attention_layer(dropout: float = 0.0) -> Attention:
    raw = config_json("GQA") | {"attention_dropout": dropout}
    torch.manual_seed(0)
    return Attention(Qwen2Config.from_dict(raw), layer_idx=0)


@pytest.mark.parametrize("T", [1, 9, 80])
def test_asking_for_the_weights_changes_nothing_else(T: int) -> None:
    layer, x = attention_layer().eval(), normal(2, T, 64, dtype=torch.float32)
    cos, sin = torch.ones(1, 1, T, 16), torch.zeros(1, 1, T, 16)
    with torch.no_grad():
        plain, nothing = layer(x, cos, sin)
        shown, weights = layer(x, cos, sin, output_attentions=True)
    assert nothing is None
    assert weights.shape == (2, 4, T, T)
    assert_close(plain, shown, atol=1e-6, rtol=0)  # float32, outputs of about 1


@pytest.mark.parametrize("ask", [True, False])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("T", [1, 9, 80])
def test_dropout_is_drawn_anew_in_training_and_absent_otherwise(
    T: int, grad: bool, ask: bool
) -> None:
    layer, x = attention_layer(dropout=0.5), normal(2, T, 64, dtype=torch.float32)
    cos, sin = torch.ones(1, 1, T, 16), torch.zeros(1, 1, T, 16)

    def twice() -> tuple[Tensor, Tensor]:
        return tuple(layer(x, cos, sin, output_attentions=ask)[0] for _ in range(2))

    with torch.set_grad_enabled(grad):
        assert not torch.equal(*twice())
        layer.eval()
        assert torch.equal(*twice())


def test_dropout_keeps_the_expected_weights() -> None:
    q, k, v = qkv((4, 2), 6, 6)
    torch.manual_seed(0)
    _, weights = eager_attention(q, k, v)
    drawn = torch.stack([eager_attention(q, k, v, dropout=0.3)[1] for _ in range(4000)])
    kept = drawn[:, weights > 1e-9]
    # shares of 4000 draws: one standard deviation is 0.007, times 1/0.7 for the weights
    assert (kept == 0).double().mean().item() == pytest.approx(0.3, abs=0.01)
    assert_close(drawn.mean(0), weights, atol=0.06, rtol=0)
