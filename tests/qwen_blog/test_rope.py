"""RoPE against transformers' functions, complex numbers, and the paper's own layout."""

import cmath
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.qwen2 import modeling_qwen2 as hf

from qwen_blog import (
    Qwen2Config,
    Qwen2ForCausalLM,
    RotaryEmbedding,
    YarnScaling,
    apply_rotary_pos_emb,
    rotate_half,
)
from qwen_blog.rope import rope_frequencies

from .reference import CASES, PROPERTY, config_json, hf_config

WIDTHS = (2, 6, 16, 64)


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def turning(width: int, places: Tensor, theta: float = 1e4) -> tuple[Tensor, Tensor, Tensor]:
    """angles (T, Dh/2), and cos, sin (1, 1, T, Dh), in float64 and without our code."""
    speeds = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = places[:, None].double() * speeds
    both = torch.cat((angles, angles), dim=-1)[None, None]
    return angles, both.cos(), both.sin()


def as_complex(x: Tensor) -> Tensor:
    """(..., Dh) -> (..., Dh/2) complex: the two halves are the real and the imaginary parts."""
    half = x.shape[-1] // 2
    return torch.complex(x[..., :half].contiguous(), x[..., half:].contiguous())


@pytest.mark.parametrize("width", WIDTHS)
def test_rotate_half_is_multiplication_by_i(width: int) -> None:
    x = normal(2, 3, width)
    assert_close(rotate_half(x), hf.rotate_half(x), atol=0, rtol=0)  # no arithmetic but a sign
    assert_close(as_complex(rotate_half(x)), as_complex(x) * 1j, atol=0, rtol=0)


@pytest.mark.parametrize("width", WIDTHS)
def test_rotation_is_multiplication_by_a_complex_number_of_length_1(width: int) -> None:
    q, k = normal(2, 4, 9, width), normal(2, 2, 9, width, seed=1)
    angles, cos, sin = turning(width, torch.arange(9))
    turn = torch.polar(torch.ones_like(angles), angles)  # e^(i angle)
    for got, x in zip(apply_rotary_pos_emb(q, k, cos, sin), (q, k), strict=True):
        # 1e-14: two products and a sum of float64 numbers of about 1
        assert_close(as_complex(got), as_complex(x) * turn, atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_rotation_equals_that_of_transformers_to_the_last_bit(dtype: torch.dtype) -> None:
    q, k = normal(2, 4, 9, 16, dtype=dtype), normal(2, 2, 9, 16, dtype=dtype, seed=1)
    _, cos, sin = turning(16, torch.arange(9))
    cos, sin = cos.to(dtype), sin.to(dtype)
    want = hf.apply_rotary_pos_emb(q, k, cos[:, 0], sin[:, 0])
    for got, expected in zip(apply_rotary_pos_emb(q, k, cos, sin), want, strict=True):
        assert torch.equal(got, expected)


def test_half_split_pairs_are_the_papers_neighbours_after_a_permutation() -> None:
    # Su et al. 2021, eq. 34: entries 2i and 2i + 1 are a pair, each angle stands twice in a row.
    width = 8
    x = normal(1, 1, 5, width)
    angles, cos, sin = turning(width, torch.arange(5))
    neighbours = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    twice = angles.repeat_interleave(2, dim=-1)
    paper = x * twice.cos() + neighbours * twice.sin()
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])  # all first partners, then all second ones
    got, _ = apply_rotary_pos_emb(x[..., order], x[..., order], cos, sin)
    assert_close(got, paper[..., order], atol=1e-14, rtol=0)


@PROPERTY
@given(
    width=st.sampled_from(WIDTHS),
    query=st.integers(0, 100_000),
    key=st.integers(0, 100_000),
    shift=st.integers(0, 30_000),
    seed=st.integers(0, 2**31),
)
def test_dot_products_see_only_the_distance(
    width: int, query: int, key: int, shift: int, seed: int
) -> None:
    q, k = normal(1, 1, 1, width, seed=seed), normal(1, 1, 1, width, seed=seed + 1)

    def score(query: int, key: int) -> Tensor:
        _, cos, sin = turning(width, torch.tensor([query, key]))
        (q_turned, k_turned) = apply_rotary_pos_emb(
            q.expand(1, 1, 2, width), k.expand(1, 1, 2, width), cos, sin
        )
        return q_turned[0, 0, 0] @ k_turned[0, 0, 1]

    # 1e-8: an angle of 1e5 radians in float64 is exact to 1e-11, and a dot product adds 64 of them
    assert_close(score(query, key), score(query + shift, key + shift), atol=1e-8, rtol=0)


@PROPERTY
@given(place=st.integers(0, 1_000_000), seed=st.integers(0, 2**31))
def test_rotation_keeps_lengths(place: int, seed: int) -> None:
    x = normal(1, 2, 1, 16, seed=seed)
    _, cos, sin = turning(16, torch.tensor([place]))
    turned, _ = apply_rotary_pos_emb(x, x, cos, sin)
    assert_close(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-13, rtol=0)


def test_position_0_is_not_turned() -> None:
    cos, sin = RotaryEmbedding(Qwen2Config.nano())(
        torch.zeros(1, 1, dtype=torch.long), torch.float32
    )
    assert torch.equal(cos, torch.ones(1, 1, 1, 32))
    assert torch.equal(sin, torch.zeros(1, 1, 1, 32))


@pytest.mark.parametrize("theta", [1e4, 1e6])
def test_frequencies_are_powers_of_the_base(theta: float) -> None:
    config = dataclasses.replace(Qwen2Config.nano(), rope_theta=theta)
    inv_freq, scale = rope_frequencies(config)
    want = [theta ** (-2 * i / 32) for i in range(16)]
    # 1e-6: torch's float32 power is good to a few of its 2^-24
    assert_close(inv_freq, torch.tensor(want), rtol=1e-6, atol=0)
    assert scale == 1.0


@pytest.mark.parametrize("case", [case for case in CASES if "yarn" in case])
def test_frequencies_under_yarn_are_those_of_transformers(case: str) -> None:
    inv_freq, scale = rope_frequencies(Qwen2Config.from_dict(config_json(case)))
    want, hf_scale = ROPE_INIT_FUNCTIONS["yarn"](hf_config(config_json(case)))
    assert_close(inv_freq, want, rtol=1e-5, atol=0)  # float32, in any order of operations
    assert scale == pytest.approx(hf_scale)


@pytest.mark.parametrize("case", CASES)
def test_cos_and_sin_equal_those_of_transformers_to_the_last_bit(case: str) -> None:
    places = torch.tensor([[0, 1, 31, 32, 33, 1000, 32768, 131071], [5, 4, 3, 2, 1, 0, 0, 0]])
    config = Qwen2Config.from_dict(config_json(case))
    got = RotaryEmbedding(config)(places, torch.float32)
    want = hf.Qwen2RotaryEmbedding(hf_config(config_json(case)))(torch.zeros(1), places)
    for mine, theirs in zip(got, want, strict=True):
        assert mine.shape == (2, 1, 8, config.head_dim)
        assert torch.equal(mine[:, 0], theirs)


def test_angles_far_out_are_right_to_one_degree() -> None:
    # Against Python's float64. At 131,071 a float32 angle is a multiple of 1/128 radian, and a
    # frequency that is off by its last bit turns it by as much again.
    cos, sin = RotaryEmbedding(Qwen2Config.nano())(torch.tensor([[131_071]]), torch.float32)
    for i in range(16):
        exact = cmath.exp(1j * 131_071 * 1e6 ** (-2 * i / 32))
        assert abs(complex(cos[0, 0, 0, i], sin[0, 0, 0, i]) - exact) < math.radians(1)


@PROPERTY
@given(
    width=st.sampled_from((4, 16, 64, 128)),
    theta=st.sampled_from((1e4, 1e6)),
    factor=st.floats(1, 64),
    trained=st.sampled_from((16, 64, 4096, 32768, 10**6)),
    betas=st.sampled_from(((32.0, 1.0), (8.0, 2.0), (1.0, 1.0), (64.0, 0.5))),
    attention_factor=st.none() | st.floats(0.5, 2),
    truncate=st.booleans(),
)
def test_yarn_frequencies_equal_those_of_transformers_to_the_last_bit(
    width: int,
    theta: float,
    factor: float,
    trained: int,
    betas: tuple[float, float],
    attention_factor: float | None,
    truncate: bool,
) -> None:
    yarn = YarnScaling(factor, trained, *betas, attention_factor, truncate)
    config = dataclasses.replace(
        Qwen2Config.nano(),
        hidden_size=4 * width,
        rope_theta=theta,
        rope_scaling=yarn,
    )
    inv_freq, scale = rope_frequencies(config)
    want, hf_scale = ROPE_INIT_FUNCTIONS["yarn"](hf_config(config.to_dict()))
    assert torch.equal(inv_freq, want)
    assert scale == pytest.approx(hf_scale, abs=1e-12)


def test_yarn_of_qwen2_5_keeps_fast_pairs_and_slows_slow_ones_by_4() -> None:
    # Dh = 128, base 1e6, 32768 tokens: pairs that turn over 32 times stay, under once are slowed.
    plain = dataclasses.replace(Qwen2Config.nano(), hidden_size=512)
    yarn = dataclasses.replace(plain, rope_scaling=YarnScaling(4.0, 32768))
    (before, _), (after, scale) = rope_frequencies(plain), rope_frequencies(yarn)
    turns = 32768 * before / (2 * math.pi)
    fast, slow = turns > 38, turns < 0.8  # the borders are rounded outwards to whole pairs
    assert fast.sum() > 20
    assert slow.sum() > 20
    assert torch.equal(after[fast], before[fast])
    assert_close(after[slow], before[slow] / 4, rtol=1e-6, atol=0)
    between = (after / before)[~fast & ~slow]
    assert ((between >= 0.25) & (between <= 1)).all()
    assert (between.diff() <= 0).all()
    assert scale == pytest.approx(0.1 * math.log(4) + 1)


def test_yarn_multiplies_cos_and_sin_by_its_attention_factor() -> None:
    config = dataclasses.replace(
        Qwen2Config.nano(), rope_scaling=YarnScaling(4.0, 64, attention_factor=1.5)
    )
    cos, sin = RotaryEmbedding(config)(torch.arange(9)[None], torch.float64)
    assert_close(cos**2 + sin**2, torch.full_like(cos, 1.5**2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_cast_to_half_precision_keeps_its_angles(dtype: torch.dtype) -> None:
    # A frequency rounded to 8 bits is off by 0.2%: by many full turns at position 30,000.
    places = torch.tensor([[3, 300, 30_000]])
    model = Qwen2ForCausalLM(Qwen2Config.nano()).to(dtype)
    want = hf.Qwen2RotaryEmbedding(hf_config(Qwen2Config.nano().to_dict()))(torch.zeros(1), places)
    for mine, exact in zip(model.model.rotary_emb(places, dtype), want, strict=True):
        assert mine.dtype == dtype
        assert torch.equal(mine[:, 0], exact.to(dtype))


def test_a_model_built_on_the_meta_device_has_its_angles() -> None:
    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config.nano())
    places = torch.arange(7)[None]
    want = RotaryEmbedding(Qwen2Config.nano())(places, torch.float32)
    for mine, expected in zip(model.model.rotary_emb(places, torch.float32), want, strict=True):
        assert torch.equal(mine, expected)
