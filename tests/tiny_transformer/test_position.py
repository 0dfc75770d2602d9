"""Sinusoids: the formula of section 3.5 entry by entry, and what the paper says of it."""

from math import cos, pi, sin

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tiny_transformer.config import TransformerConfig
from tiny_transformer.model import Transformer
from tiny_transformer.position import PositionalEncoding, sinusoids

from .reference import PROPERTY, normal, paper_sinusoids

# Numbers of at most 1 in float32: rounding is at most 2^-25 = 3e-8 for each of them.
ROUNDING = 4e-8


@PROPERTY
@given(length=st.integers(0, 40), d_model=st.integers(1, 33))
def test_sinusoids_are_the_papers_formula(length: int, d_model: int) -> None:
    got = sinusoids(length, d_model)
    assert got.shape == (length, d_model)
    assert got.dtype == torch.float32
    want = torch.from_numpy(paper_sinusoids(length, d_model))
    assert_close(got.double(), want, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("d_model", [32, 31])
def test_late_positions_are_as_exact_as_early_ones(d_model: int) -> None:
    want = torch.from_numpy(paper_sinusoids(20_000, d_model))
    assert_close(sinusoids(20_000, d_model).double(), want, atol=ROUNDING, rtol=0)


def test_sinusoids_on_the_page() -> None:
    """d_model = 4: two pairs, of the speeds 1 and 1/100."""
    want = [
        [0.0, 1.0, 0.0, 1.0],
        [0.841471, 0.540302, 0.0099998, 0.99995],
        [0.909297, -0.416147, 0.0199987, 0.9998],
    ]
    assert_close(sinusoids(3, 4), torch.tensor(want), atol=1e-6, rtol=0)
    assert want[1] == pytest.approx([sin(1), cos(1), sin(0.01), cos(0.01)], abs=1e-6)


def test_an_odd_width_lacks_only_the_last_cosine() -> None:
    table = sinusoids(50, 7)
    assert_close(table[:, 6].double(), (torch.arange(50.0).double() / 10000 ** (6 / 7)).sin())
    assert torch.equal(sinusoids(50, 1)[:, 0], torch.arange(50.0).double().sin().float())


@PROPERTY
@given(k=st.integers(-60, 60), pairs=st.integers(1, 12))
def test_a_step_of_k_is_one_rotation_wherever_it_starts(k: int, pairs: int) -> None:
    """Section 3.5: PE(pos + k) is a linear function of PE(pos), the same for every pos."""
    d_model = 2 * pairs
    rotation = np.zeros((d_model, d_model))
    for i in range(pairs):
        a = k / 10000 ** (2 * i / d_model)
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[cos(a), sin(a)], [-sin(a), cos(a)]]
    table = sinusoids(200, d_model).double().numpy()
    here = np.arange(60, 140)
    np.testing.assert_allclose(table[here] @ rotation.T, table[here + k], atol=2e-7)


def test_dot_products_depend_on_the_distance_alone() -> None:
    table = sinusoids(100, 64).double()
    products = table @ table.T
    for distance in (0, 1, 17, 60):
        diagonal = products.diagonal(distance)
        assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)
    assert_close(products.diagonal(), torch.full((100,), 32.0).double(), atol=1e-5, rtol=0)


def test_wavelengths_go_from_2_pi_to_nearly_10000_times_2_pi() -> None:
    d_model = 64
    table = sinusoids(40_000, d_model)
    assert_close(table[:, 0].double(), torch.arange(40_000.0).double().sin(), atol=1e-6, rtol=0)
    crossings = (table[1:, -1] * table[:-1, -1] < 0).nonzero().flatten() + 1  # of the last cosine
    longest = 2 * pi * 10000 ** (62 / 64)
    assert crossings.tolist() == pytest.approx([longest / 4, longest * 3 / 4], abs=1)


@pytest.mark.parametrize(("length", "d_model"), [(-1, 4), (3, 0), (3, -2)])
def test_sizes_below_the_least_are_refused(length: int, d_model: int) -> None:
    with pytest.raises(ValueError, match=f"length={length} .*d_model={d_model} at least 1"):
        sinusoids(length, d_model)


# --- the module ---


@pytest.mark.parametrize("start", [0, 3, 251, 255, 256, 300, 1000])
@pytest.mark.parametrize("d_model", [8, 5])
def test_positions_are_counted_from_start_however_far(start: int, d_model: int) -> None:
    encoding = PositionalEncoding(d_model)
    x = normal(2, 6, d_model)
    want = x.double() + torch.from_numpy(paper_sinusoids(start + 6, d_model))[start:]
    assert_close(encoding(x, start).double(), want, atol=1e-6, rtol=0)
    again = encoding(x[:, :2], 1)  # a table that has grown still begins at 0
    assert_close(again, x[:, :2] + sinusoids(3, d_model)[1:], atol=0, rtol=0)


def test_the_table_grows_only_when_it_must() -> None:
    encoding = PositionalEncoding(4, length=10)
    encoding(normal(1, 10, 4))
    assert len(encoding.table) == 10
    encoding(normal(1, 1, 4), start=10)
    grown = encoding.table
    assert len(grown) > 11  # with room, or each new token would compute it again
    encoding(normal(1, 1, 4), start=11)
    assert encoding.table is grown


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_grown_table_keeps_the_dtype_of_the_model(dtype: torch.dtype) -> None:
    encoding = PositionalEncoding(4, length=2).to(dtype)
    out = encoding(normal(1, 300, 4).to(dtype))
    assert out.dtype == encoding.table.dtype == dtype
    assert torch.equal(encoding.table[:300], sinusoids(300, 4).to(dtype))


def test_a_grown_table_stays_on_the_device_of_the_model() -> None:
    encoding = PositionalEncoding(4, length=2).to("meta")
    assert encoding(torch.empty(1, 300, 4, device="meta")).shape == (1, 300, 4)
    assert encoding.table.device.type == "meta"


def test_a_table_that_grew_in_inference_does_not_break_training() -> None:
    encoding = PositionalEncoding(4, length=2)
    with torch.inference_mode():
        encoding(normal(1, 5, 4))
    x = normal(1, 5, 4).requires_grad_()
    encoding(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(1, 5, 4))


def test_the_table_is_neither_learned_nor_saved() -> None:
    model = Transformer(TransformerConfig.tiny(20))
    assert [name for name in model.state_dict() if "position" in name] == []
    assert list(model.position.parameters()) == []


def test_dropout_falls_on_the_sum_in_training_only() -> None:
    encoding = PositionalEncoding(8, dropout=0.5)
    x: Tensor = normal(2, 40, 8)
    whole = x + sinusoids(40, 8)
    dropped = encoding.train()(x)
    assert 0.4 < (dropped == 0).float().mean() < 0.6
    kept = dropped != 0
    assert_close(dropped[kept], 2 * whole[kept])  # the rest is scaled up by 1 / (1 - 0.5)
    assert torch.equal(encoding.eval()(x), whole)
