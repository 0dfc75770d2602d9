"""One layer with its pair is the matrix W + scale B A, and so is a model full of them.

The oracles are torch and transformers; test_lora.py has those that need peft.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from qwen_blog import Linear
from qwen_blog.lora import LoraConfig, LoraLinear, inject, lora_linear, merged_weight

from .reference import batch, models, positions


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("rows", [(5,), (2, 3), ()])
@pytest.mark.parametrize("bias", [True, False])
def test_lora_linear_is_a_linear_with_w_plus_scaled_b_a(rows: tuple[int, ...], bias: bool) -> None:
    x, weight, A, B = normal(*rows, 6), normal(4, 6, seed=1), normal(2, 6), normal(4, 2, seed=2)
    b = normal(4, seed=3) if bias else None
    want = F.linear(x, weight + 1.7 * B @ A, b)
    assert_close(lora_linear(x, weight, b, A, B, 1.7), want, atol=1e-12, rtol=0)  # float64
    assert_close(merged_weight(weight, A, B, 1.7), weight + 1.7 * B @ A, atol=1e-12, rtol=0)


def test_dropout_hides_x_from_the_pair_and_never_from_the_matrix() -> None:
    torch.manual_seed(0)
    x, eye = torch.ones(1, 1000), torch.eye(1000)
    out = lora_linear(x, 10 * eye, None, eye, eye, 1.0, dropout=0.25)
    kept = (out - 10) * 0.75
    assert set(kept.round(decimals=4).unique().tolist()) == {0.0, 1.0}
    assert 0.70 < kept.mean() < 0.80  # 1,000 draws: 3.6 standard deviations


def bfloat16_layer() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x: (3, 64) and weight: (32, 64) in bfloat16, A: (2, 64) and B: (32, 2) in float32."""
    x, weight = normal(3, 64, dtype=torch.bfloat16), normal(32, 64, seed=1, dtype=torch.bfloat16)
    return x, weight, normal(2, 64, dtype=torch.float32), normal(32, 2, dtype=torch.float32)


def test_bfloat16_layers_answer_in_bfloat16() -> None:
    x, weight, A, B = bfloat16_layer()
    out = lora_linear(x, weight, None, A, B, 1.0)
    assert out.dtype == torch.bfloat16
    exact = F.linear(x.double(), weight.double() + B.double() @ A.double())
    # W x and the sum are each rounded to 8 bits, 2^-9 of values of up to about 60
    assert (out.double() - exact).abs().max() < 0.25


def test_bfloat16_layers_have_float32_pairs_and_are_merged_with_one_rounding() -> None:
    layer = LoraLinear(Linear(64, 32).bfloat16(), LoraConfig())
    assert {layer.lora_A.dtype, layer.lora_B.dtype} == {torch.float32}
    _, weight, A, B = bfloat16_layer()
    half = merged_weight(weight, A, B, 1.0)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, (weight.float() + B @ A).bfloat16())


@torch.no_grad()
def test_an_adapted_model_is_transformers_with_the_sums_as_weights() -> None:
    ours, theirs = (copy.deepcopy(model) for model in models("GQA"))
    config = LoraConfig(r=3, lora_alpha=7, target_modules=("q_proj", "v_proj", "down_proj"))
    inject(ours, config)
    for name, layer in ours.named_modules():
        if isinstance(layer, LoraLinear):
            for seed, x in enumerate((layer.lora_A, layer.lora_B)):
                x.copy_(0.5 * normal(*x.shape, seed=seed) * x.shape[1] ** -0.5)
            theirs.get_submodule(name).weight += 7 / 3 * layer.lora_B @ layer.lora_A
    ids, mask = batch("GQA", "left")
    places = positions(mask)
    got, plain = ours(ids, mask, places).logits, models("GQA")[0](ids, mask, places).logits
    want = theirs(ids, attention_mask=mask.long(), position_ids=places).logits
    assert_close(got[mask], want[mask], atol=1e-4, rtol=0)  # float32, logits of up to about 10
    assert (want - plain)[mask].abs().max() > 1  # the pairs do say something
