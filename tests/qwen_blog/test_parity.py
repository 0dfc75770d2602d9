"""The proof that this is Qwen2: transformers' model, with the same weights, says the same.

Only real positions are compared. At padding the two differ by design: there, ours sees itself, so
that no row of attention is empty, and must be finite and nothing else.

Tolerances. float32: both sides do the same operations, many to the last bit, but not in the same
order on every machine; three layers with logits of about 5 then leave some 1e-5, so 1e-4 is room
and any mistake in the model is far above it. float64: the same with 1e-16 in place of 1e-7 leaves
1e-14, so 1e-10. bfloat16 keeps 8 bits: see its test.
"""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from .reference import CASES, batch, greedy, hf_greedy, models, positions

PADDINGS = ("none", "left", "right")
FAR = (5_000, 32_700, 130_900)  # past a window of float16, at the trained context, at 4 times it


def forward_both(
    case: str,
    padding: str = "none",
    dtype: torch.dtype = torch.float32,
    position_ids: Callable[[Tensor], Tensor] = positions,
) -> tuple[Tensor, Tensor]:
    """Logits at the real positions, (N, V) each, without gradients."""
    ours, theirs = models(case, dtype)
    ids, mask = batch(case, padding)
    places = position_ids(mask)
    with torch.no_grad():
        got = ours(ids, mask, places).logits
        want = theirs(ids, attention_mask=mask.long(), position_ids=places).logits
    assert got.isfinite().all()
    return got[mask], want[mask]


@pytest.mark.parametrize("case", CASES)
def test_random_weights_make_the_comparison_sharp(case: str) -> None:
    ours, theirs = models(case, attention="eager")
    ids, _ = batch(case, "none")
    output = theirs(ids, output_attentions=True)
    assert 1 < output.logits.std() < 10
    full = [i for i, kind in enumerate(theirs.config.layer_types) if kind == "full_attention"]
    for i in full:  # the largest of up to 80 weights: 1/80 if attention were uniform
        assert output.attentions[i][:, :, 40:].amax(-1).mean() > 0.1
    assert [name for name, p in ours.named_parameters() if p.std() == 0] == []


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_float32_logits_equal_transformers(case: str, padding: str) -> None:
    got, want = forward_both(case, padding)
    assert_close(got, want, atol=1e-4, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_float64_logits_equal_transformers(case: str, padding: str) -> None:
    got, want = forward_both(case, padding, torch.float64)
    assert_close(got, want, atol=1e-10, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
def test_positions_not_given_are_counted_from_zero_as_in_transformers(padding: str) -> None:
    ours, theirs = models("GQA")
    ids, mask = batch("GQA", padding)
    with torch.no_grad():
        got, want = ours(ids, mask).logits, theirs(ids, attention_mask=mask.long()).logits
    assert_close(got[mask], want[mask], atol=1e-4, rtol=0)


@pytest.mark.parametrize("start", FAR)
@pytest.mark.parametrize("case", ["GQA", "theta 1e6", *(c for c in CASES if "yarn" in c)])
def test_far_positions_equal_transformers(case: str, start: int) -> None:
    # 1e-4 out here too: the angles, rounded to float32, are the same bits on both sides.
    got, want = forward_both(case, position_ids=lambda mask: positions(mask) + start)
    assert_close(got, want, atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", ["GQA", "theta 1e6", *(c for c in CASES if "yarn" in c)])
def test_far_distances_equal_transformers(case: str) -> None:
    stretch = 131_071 // 79  # 80 tokens over 128k positions: RoPE sees the distances, not the gaps
    for dtype, atol in ((torch.float32, 1e-4), (torch.float64, 1e-10)):
        got, want = forward_both(
            case, dtype=dtype, position_ids=lambda mask: positions(mask) * stretch
        )
        assert_close(got, want, atol=atol, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_greedy_continuation_of_64_tokens_equals_transformers(case: str) -> None:
    # The two best tokens are never closer than 3e-4 here, some 30 times the rounding of float32.
    ours, theirs = models(case)
    ids, mask = batch(case, "left", lengths=(12, 3, 9))
    got = greedy(ours, ids, mask, new_tokens=64)
    assert got.shape == (3, 64)
    assert torch.equal(got, hf_greedy(theirs, ids, mask, new_tokens=64))


def test_greedy_continuation_of_a_long_prompt_equals_transformers() -> None:
    for case in ("GQA", "window, layer 0 full", "yarn, ramp within"):
        ours, theirs = models(case)
        ids, mask = batch(case, "none")  # 80 tokens: prefilled in chunks of queries
        got = greedy(ours, ids, mask, new_tokens=64)
        assert torch.equal(got, hf_greedy(theirs, ids, mask, new_tokens=64))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_hidden_states_and_attentions_of_every_layer_equal_transformers(
    case: str, padding: str
) -> None:
    ours, theirs = models(case, attention="eager")
    ids, mask = batch(case, padding)
    places, ask = positions(mask), {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        got = ours(ids, mask, places, **ask)
        want = theirs(ids, attention_mask=mask.long(), position_ids=places, **ask)
    assert len(got.hidden_states) == len(want.hidden_states) == 4
    assert len(got.attentions) == len(want.attentions) == 3
    assert_close(got.logits[mask], want.logits[mask], atol=1e-4, rtol=0)
    for mine, hf in zip(got.hidden_states, want.hidden_states, strict=True):
        assert mine.isfinite().all()
        assert_close(mine[mask], hf[mask], atol=1e-4, rtol=0)
    for mine, hf in zip(got.attentions, want.attentions, strict=True):
        assert mine.isfinite().all()
        # 1e-5: a weight is at most 1
        real = mask[:, None, :].expand(*mine.shape[:3])
        assert_close(mine[real], hf[real], atol=1e-5, rtol=0)


def test_what_is_not_asked_for_is_not_returned() -> None:
    ours, _ = models("GQA")
    output = ours(batch("GQA", "none")[0])
    assert (output.loss, output.hidden_states, output.attentions) == (None, None, None)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", ["GQA", "tied", "window, layer 0 full"])
def test_shifted_loss_with_ignored_labels_equals_transformers(case: str, padding: str) -> None:
    ours, theirs = models(case)
    ids, mask = batch(case, padding)
    labels = labels_of(ids, mask)
    labels[:, 20:25] = labels[0, -1] = -100
    with torch.no_grad():
        got = ours(ids, mask, labels=labels).loss
        want = theirs(ids, attention_mask=mask.long(), labels=labels).loss
    assert_close(got, want, atol=1e-5, rtol=0)  # a mean of about 10, and 1e-6 of it


@pytest.mark.parametrize("case", CASES)
def test_gradient_of_every_parameter_equals_transformers(case: str) -> None:
    """Of the loss, in float32, each within 1e-4 of its parameter's largest gradient.

    Gradients have no common scale, so the tolerance is relative. 1e-4: a sum of 200 tokens' terms
    of both signs loses a digit or two of float32's seven.
    """
    ours, theirs = copy.deepcopy(models(case))
    ids, mask = batch(case, "left")
    labels = labels_of(ids, mask)
    ours(ids, mask, positions(mask), labels=labels).loss.backward()
    hf = theirs(ids, attention_mask=mask.long(), position_ids=positions(mask), labels=labels)
    hf.loss.backward()
    assert_gradients_equal(ours, theirs, relative=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_float64_gradient_of_every_parameter_equals_transformers(case: str) -> None:
    # Of a random sum of the logits: transformers' loss is computed in float32.
    ours, theirs = copy.deepcopy(models(case, torch.float64))
    ids, mask = batch(case, "left")
    got = ours(ids, mask, positions(mask)).logits[mask]
    want = theirs(ids, attention_mask=mask.long(), position_ids=positions(mask)).logits[mask]
    weights = torch.randn(got.shape, generator=torch.Generator().manual_seed(2)).double()
    (got * weights).sum().backward()
    (want * weights).sum().backward()
    assert_gradients_equal(ours, theirs, relative=1e-10)


def labels_of(ids: Tensor, mask: Tensor) -> Tensor:
    """Every real token that a real token comes before: padding must not be asked to predict."""
    predicted = mask.clone()
    predicted[:, 1:] &= mask[:, :-1]
    return ids.masked_fill(~predicted, -100)


def assert_gradients_equal(ours: torch.nn.Module, theirs: torch.nn.Module, relative: float) -> None:
    """Same names, no gradient all zero, and each within `relative` of its largest entry."""
    got, want = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert got.keys() == want.keys()
    for name, parameter in want.items():
        largest = parameter.grad.abs().max().item()
        assert largest > 0, name
        assert_close(
            got[name].grad,
            parameter.grad,
            atol=relative * largest,
            rtol=0,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_bfloat16_logits_are_as_near_the_truth_as_those_of_transformers(
    case: str, padding: str
) -> None:
    """Compared are the root-mean-square distances from float32, which both approximate.

    bfloat16 keeps 8 bits: every intermediate is off by up to 0.4%, which three layers make 2 to 4%
    of the logits' spread, and another order of the same sums would move each logit by as much.
    Where the order is the same the two errors are too; a tenth is room for the luck of rounding.
    """
    got, want = forward_both(case, padding, torch.bfloat16)
    truth, _ = forward_both(case, padding)
    assert got.dtype == torch.bfloat16
    error, hf_error = (F.mse_loss(x.float(), truth).sqrt() for x in (got, want))
    assert error < 1.1 * hf_error
    assert error < 0.1 * truth.std()
