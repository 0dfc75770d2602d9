"""Dropout does what torch.nn.Dropout does, though it draws its random numbers four at a time."""

import pytest
import torch
from torch.testing import assert_close

from tiny_transformer.dropout import Dropout, keep_mask

SHAPES = [(), (1,), (3,), (4,), (5,), (2, 0, 3), (7, 11, 13)]
MANY = torch.Size([400_000])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.3, 0.5, 0.75, 0.99])
def test_the_share_that_is_dropped_is_p(p: float) -> None:
    dropped = 1 - keep_mask(MANY, p).double().mean().item()
    assert abs(dropped - p) < 4 * (p * (1 - p) / MANY.numel()) ** 0.5  # four standard errors


@pytest.mark.parametrize("apart", [1, 2, 3, 4, 5])
def test_elements_are_independent_also_within_one_draw(apart: int) -> None:
    kept = keep_mask(MANY, 0.5).double() * 2 - 1  # variance 1
    correlation = (kept[:-apart] * kept[apart:]).mean().item()
    assert abs(correlation) < 4 / MANY.numel() ** 0.5


def test_each_place_in_a_draw_has_the_same_share() -> None:
    shares = keep_mask(MANY, 0.1).double().view(-1, 4).mean(dim=0)
    assert_close(shares, torch.full((4,), 0.9).double(), atol=4e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_kept_is_what_torch_makes_of_it(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape).to(dtype).add_(10)  # nothing is 0 by itself
    out = Dropout(0.3)(x)
    assert (out.shape, out.dtype) == (x.shape, dtype)
    scale = torch.nn.functional.dropout(torch.ones(1000, dtype=dtype), 0.3).max()
    assert torch.equal(out, torch.where(out == 0, torch.zeros_like(x), x * scale))


def test_the_gradient_goes_where_the_value_went() -> None:
    x = torch.ones(9, 50, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    assert 0 < (out == 0).sum() < out.numel()
    assert torch.equal(x.grad, out)


def test_the_seed_decides_and_every_call_differs() -> None:
    x, dropout = torch.ones(1000), Dropout(0.5)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_in_eval_or_with_p_0() -> None:
    x = torch.randn(100)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_everything_is_dropped_with_p_1() -> None:
    assert not Dropout(1.0)(torch.ones(100)).any()


def test_a_strided_input_is_no_different() -> None:
    x = torch.arange(1.0, 25).view(4, 6)
    torch.manual_seed(1)
    want = Dropout(0.5)(x.t().contiguous())
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.5)(x.t()), want)
