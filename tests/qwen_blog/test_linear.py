"""Linear is nn.Linear: the sliced order of reading changes no result, and steps aside elsewhere."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import qwen_blog.linear
from qwen_blog import Linear
from qwen_blog.linear import MAX_ROWS, SLICES, sliced_linear

from .reference import PROPERTY

LARGE = (512, 520)  # just above 2^18 weights, from where on matrices are read in slices


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture
def sliced_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of x in the calls of `sliced_linear`, which still does its work."""
    shapes, original = [], qwen_blog.linear.sliced_linear

    def noted(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        shapes.append(tuple(x.shape))
        return original(x, weight, bias)

    monkeypatch.setattr(qwen_blog.linear, "sliced_linear", noted)
    return shapes


def layer(shape: tuple[int, int] = LARGE, bias: bool = True) -> Linear:
    torch.manual_seed(0)
    return Linear(*shape, bias=bias).requires_grad_(False)


@PROPERTY
@given(
    rows=st.sampled_from(((1,), (3,), (8,), (1, 1), (2, 3), (5, 1), (2, 1, 4), ())),
    width=st.integers(1, 40),
    blocks=st.integers(1, 20),
    bias=st.booleans(),
)
def test_sliced_linear_equals_torch(
    rows: tuple[int, ...], width: int, blocks: int, bias: bool
) -> None:
    x, weight = normal(*rows, width), normal(SLICES * blocks, width, seed=1)
    b = normal(SLICES * blocks, seed=2) if bias else None
    got = sliced_linear(x, weight, b)
    assert got.shape == (*rows, SLICES * blocks)
    assert_close(got, F.linear(x, weight, b), atol=1e-12, rtol=0)  # sums of up to 40 float64


def test_sliced_linear_takes_rows_that_are_views() -> None:
    x, weight = normal(16, 3).t(), normal(24, 16, seed=1)  # (3, 16), column by column
    assert_close(sliced_linear(x, weight, None), F.linear(x, weight), atol=1e-12, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [LARGE, (513, 520), (1031, 256), (64, 4104)])
@pytest.mark.parametrize("rows", [(1, 1), (3, 1), (8, 1), (1, MAX_ROWS), (4,)])
def test_few_rows_and_large_weights_are_read_in_slices(
    rows: tuple[int, ...], shape: tuple[int, int], bias: bool, sliced_calls: list
) -> None:
    linear, x = layer(shape, bias), normal(*rows, shape[0], dtype=torch.float32)
    with torch.no_grad():
        got = linear(x)
    assert sliced_calls == [x.shape]
    b = None if linear.bias is None else linear.bias.double()
    want = F.linear(x.double(), linear.weight.double(), b)
    # weights of at most 1/sqrt(D_in): outputs of about 1, float32
    assert_close(got.double(), want, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("why", "shape", "rows", "dtype"),
    [
        ("rows are many", LARGE, MAX_ROWS + 1, torch.float32),
        ("the matrix is small", (512, 512), 1, torch.float32),
        ("slices do not divide it", (512, 515), 1, torch.float32),
        ("numbers are float64", LARGE, 1, torch.float64),
        ("numbers are bfloat16", LARGE, 1, torch.bfloat16),
        ("numbers are float16", LARGE, 1, torch.float16),
    ],
)
def test_otherwise_it_is_torchs_own(
    why: str, shape: tuple[int, int], rows: int, dtype: torch.dtype, sliced_calls: list
) -> None:
    linear, x = layer(shape).to(dtype), normal(rows, shape[0], dtype=dtype)
    with torch.no_grad():
        got = linear(x)
    assert sliced_calls == [], why
    assert torch.equal(got, F.linear(x, linear.weight, linear.bias))


def test_no_rows_in_give_no_rows_out() -> None:
    with torch.no_grad():
        assert layer()(torch.zeros(0, 512)).shape == (0, LARGE[1])


def test_with_gradients_it_is_torchs_own(sliced_calls: list) -> None:
    linear, x = layer().requires_grad_(True), normal(1, 512, dtype=torch.float32)
    linear(x).sum().backward()
    assert sliced_calls == []
    assert_close(linear.weight.grad, x.expand(LARGE[1], 512), atol=0, rtol=0)


def test_parameters_and_their_names_are_those_of_torch() -> None:
    mine, theirs = Linear(6, 4), torch.nn.Linear(6, 4)
    theirs.load_state_dict(mine.state_dict(), strict=True)
    x = normal(2, 6, dtype=torch.float32)
    assert torch.equal(mine(x), theirs(x))
    assert mine.bias is not None
    assert Linear(6, 4, bias=False).bias is None
