"""`fuse` changes no result, `halve` changes it by float16's rounding and no more."""

import copy

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.testing import assert_close

from qwen_blog import GenerationConfig, KVCache, Linear, Qwen2ForCausalLM, generate
from qwen_blog.fast import fuse, halve
from qwen_blog.linear import HALF_ROWS, HalfLinear, half_linear

from .reference import batch, models, positions

CASES = ["GQA", "tied", "window, layer 0 full", "large eps", "large vocabulary"]


def fresh(case: str, dtype: torch.dtype = torch.float32) -> Qwen2ForCausalLM:
    """A model of our own to change: `models` shares its own between tests."""
    return copy.deepcopy(models(case, dtype)[0])


@torch.no_grad()
def logits_of(model: nn.Module, case: str, **names: object) -> tuple[Tensor, Tensor]:
    """Logits of a left-padded batch, and its mask."""
    ids, mask = batch(case, "left")
    theirs = isinstance(model, transformers.PreTrainedModel)
    given = mask.long() if theirs else mask
    return model(ids, attention_mask=given, position_ids=positions(mask)).logits, mask


@pytest.mark.parametrize("case", CASES)
def test_a_fused_model_equals_transformers(case: str) -> None:
    got, mask = logits_of(fuse(fresh(case)), case)
    want, _ = logits_of(models(case)[1], case)
    assert_close(got[mask], want[mask], atol=1e-4, rtol=0)


def test_a_fused_model_in_float64_equals_transformers_to_1e_10() -> None:
    got, mask = logits_of(fuse(fresh("GQA", torch.float64)), "GQA")
    want, _ = logits_of(models("GQA", torch.float64)[1], "GQA")
    assert_close(got[mask], want[mask], atol=1e-10, rtol=0)


def test_a_fused_bfloat16_model_is_as_close_to_float32_as_the_plain_one() -> None:
    exact, mask = logits_of(models("GQA")[0], "GQA")
    errors = [
        (logits_of(model, "GQA")[0].float() - exact)[mask].square().mean().sqrt()
        for model in (fuse(fresh("GQA", torch.bfloat16)), fresh("GQA", torch.bfloat16))
    ]
    assert errors[0] < 1.1 * errors[1]  # other roundings, not larger ones


@pytest.mark.parametrize("case", CASES)
def test_a_fused_model_writes_the_same_tokens(case: str) -> None:
    prompts, config = [[5, 6, 7], [9] * 11], GenerationConfig(max_new_tokens=40)
    want = generate(models(case)[0], prompts, config)
    assert generate(fuse(fresh(case)), prompts, config) == want


def test_fusing_leaves_a_quarter_of_the_projections_and_twice_changes_nothing() -> None:
    model = fuse(fresh("GQA"))
    count = sum(isinstance(module, Linear) for module in model.modules())
    assert count == 3 * 4 + 1  # qkv, o, gate_up, down in each layer, and the output layer
    assert not any(p.requires_grad for p in model.parameters())
    names = [name for name, _ in model.named_parameters()]
    assert [name for name, _ in fuse(model).named_parameters()] == names
    assert not model.training


@pytest.mark.parametrize("rows", [1, HALF_ROWS, HALF_ROWS + 1, 8, 70])
@pytest.mark.parametrize("bias", [True, False])
def test_half_linear_is_linear_up_to_float16_rounding(rows: int, bias: bool) -> None:
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 640, generator=g).half()
    x, b = torch.randn(rows, 640, generator=g), torch.randn(96, generator=g) if bias else None
    want = nn.functional.linear(x.double(), weight.double(), None if b is None else b.double())
    error = (half_linear(x, weight, b) - want).square().mean().sqrt() / want.square().mean().sqrt()
    # 2^-11 for each rounded input, averaged over 640 terms; none for many rows, which stay float32
    assert error < (5e-4 if rows <= HALF_ROWS else 1e-6)


def test_inputs_beyond_float16_do_not_overflow() -> None:
    weight = torch.full((8, 16), 1e-3).half()
    out = half_linear(torch.full((1, 16), 1e6), weight, None)
    assert_close(out, torch.full((1, 8), 16e3), rtol=1e-3, atol=0)


def test_no_rows_and_rows_of_zeros_are_fine() -> None:
    weight = torch.ones(8, 16).half()
    assert half_linear(torch.zeros(0, 16), weight, None).shape == (0, 8)
    assert torch.equal(half_linear(torch.zeros(1, 16), weight, None), torch.zeros(1, 8))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("case", ["GQA", "tied"])
def test_a_halved_model_is_off_by_a_few_thousandths(case: str, batch_size: int) -> None:
    exact, half = models(case)[0], halve(fuse(fresh(case)))
    ids = torch.arange(batch_size * 20).view(batch_size, 20) % 200
    errors = []
    caches = [KVCache.for_model(model, batch_size, 20) for model in (exact, half)]
    with torch.no_grad():
        for t in range(20):
            a, b = (
                model(ids[:, t : t + 1], cache=cache).logits
                for model, cache in zip((exact, half), caches, strict=True)
            )
            errors.append(((b - a).square().mean() / a.square().mean()).sqrt())
    # weights of 11 bits: 2^-12 of each on average, a few times that after three layers
    assert 1e-5 < torch.stack(errors).mean() < 4e-3


@pytest.mark.parametrize("case", ["GQA", "tied"])
def test_halving_halves_the_memory_and_keeps_a_tied_table_once(case: str) -> None:
    model = fresh(case)
    before = sum(p.nbytes for p in model.parameters())
    half = halve(model)
    assert half is model
    after = sum(p.nbytes for p in half.parameters())
    assert 0.5 < after / before < 0.52  # biases and norms stay float32
    assert half.dtype == torch.float32
    assert (half.lm_head.weight is half.model.embed_tokens.weight) == (case == "tied")
    assert all(isinstance(x, HalfLinear) for n, x in half.named_modules() if n.endswith("proj"))


def test_a_halved_model_generates_prompts_of_any_length() -> None:
    model = halve(fresh("large vocabulary"))
    replies = generate(model, [[1], [2] * 70], GenerationConfig(max_new_tokens=5))
    assert [len(reply.ids) for reply in replies] == [5, 5]


def test_the_wrong_order_or_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match="halved already"):
        halve(halve(fresh("GQA")))
    with pytest.raises(ValueError, match=r"call halve\(fuse\(model\)\)"):
        fuse(halve(fresh("GQA")))
    with pytest.raises(ValueError, match=r"torch.bfloat16: halve takes one loaded as"):
        halve(fresh("GQA", torch.bfloat16))


@pytest.mark.parametrize("change", [fuse, halve])
def test_a_changed_model_is_not_saved_as_if_it_were_a_checkpoint(change, tmp_path) -> None:
    with pytest.raises(ValueError, match="save before"):
        change(fresh("GQA")).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()
