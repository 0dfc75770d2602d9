"""What must hold of the whole model: causality, padding, the cache, bad input, and `fuse`.

That it is Qwen2 is in test_parity.py; where something is compared here, it is with transformers.
1e-4 is that file's float32 tolerance. Where one run is compared with another of ours, the same
tolerance stands for sums taken in another order.
"""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from transformers.models.qwen2 import modeling_qwen2 as hf

from qwen_blog import (
    MLP,
    DecoderLayer,
    KVCache,
    Qwen2Config,
    Qwen2ForCausalLM,
    RMSNorm,
    causal_lm_loss,
    rms_norm,
)
from qwen_blog.fast import fuse

from .reference import (
    CASES,
    PROPERTY,
    batch,
    config_json,
    greedy,
    hf_config,
    models,
    positions,
    randomise,
)

SOME = ("GQA", "MQA", "window, layer 0 full", "yarn, ramp within", "large vocabulary")
CLOSE = {"atol": 1e-4, "rtol": 0}
# How a forward pass can be asked for: each takes another path through attention.
PATHS = ("no grad", "grad", "weights asked for", "mask given", "cache")


def logits_by(path: str, model: Qwen2ForCausalLM, ids: Tensor, mask: Tensor) -> Tensor:
    """(B, T, V) by one of PATHS. All but "no grad" and "grad" need a mask of shape (B, T)."""
    if path in ("no grad", "grad"):
        with torch.set_grad_enabled(path == "grad"):
            return model(ids, None if mask.all() else mask).logits.detach()
    with torch.no_grad():
        if path == "weights asked for":
            return model(ids, mask, output_attentions=True).logits
        if path == "mask given":
            extra = torch.zeros(len(ids), 1, dtype=torch.bool)  # one padded place in front
            padded = torch.cat((ids[:, :1], ids), dim=1), torch.cat((extra, mask), dim=1)
            return model(*padded, torch.arange(-1, ids.shape[1]).clamp(min=0)[None]).logits[:, 1:]
        return in_chunks(model, ids, mask, [ids.shape[1] // 2, ids.shape[1] - ids.shape[1] // 2])


@torch.no_grad()
def in_chunks(
    model: Qwen2ForCausalLM,
    ids: Tensor,
    mask: Tensor,
    sizes: list[int],
    position_ids: Tensor | None = None,
    cache: KVCache | None = None,
) -> Tensor:
    """Logits (B, T, V) of ids run through the cache `sizes` tokens at a time."""
    cache = cache or KVCache.for_model(model, *ids.shape)
    logits, start = [], cache.length
    for size in sizes:
        new = slice(cache.length - start, cache.length - start + size)
        places = None if position_ids is None else position_ids[:, new]
        seen = mask[:, : cache.length + size]
        logits.append(model(ids[:, new], seen, places, cache).logits)
    assert cache.length == start + sum(sizes)
    return torch.cat(logits, dim=1)


# --- RMSNorm ---


@pytest.mark.parametrize("magnitude", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("eps", [1e-6, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rms_norm_equals_torch(dtype: torch.dtype, eps: float, magnitude: float) -> None:
    rtol = 1e-6  # some rounding errors of float32, which transformers goes through from float64 too
    x = magnitude * torch.randn(3, 5, 64, dtype=dtype, generator=torch.Generator().manual_seed(0))
    mine, theirs = RMSNorm(64, eps).to(dtype), torch.nn.RMSNorm(64, eps, dtype=dtype)
    with torch.no_grad():
        mine.weight.copy_(torch.linspace(-2, 3, 64))
        theirs.weight.copy_(mine.weight)
    assert_close(mine(x), theirs(x), rtol=rtol, atol=0)
    assert torch.equal(mine(x), rms_norm(x, mine.weight, eps))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rms_norm_equals_transformers_to_the_last_bit(dtype: torch.dtype) -> None:
    x = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    mine, theirs = RMSNorm(64).to(dtype), hf.Qwen2RMSNorm(64).to(dtype)
    with torch.no_grad():
        mine.weight.copy_(torch.linspace(-2, 3, 64))
        theirs.weight.copy_(mine.weight)
    assert mine(x).dtype == dtype
    assert torch.equal(mine(x), theirs(x))


def test_rms_norm_of_zeros_is_zero_and_small_halves_do_not_vanish() -> None:
    assert torch.equal(rms_norm(torch.zeros(2, 8), torch.ones(8), 1e-6), torch.zeros(2, 8))
    # The square of 1e-4 is 0 in float16; in float32 it is what the mean needs.
    small = rms_norm(torch.full((1, 8), 1e-4).half(), torch.ones(8).half(), 1e-12)
    assert_close(small, torch.ones(1, 8).half(), atol=1e-3, rtol=0)


# --- the MLP ---


def test_mlp_equals_that_of_transformers() -> None:
    raw = config_json("GQA")
    mine, theirs = MLP(Qwen2Config.from_dict(raw)).double(), hf.Qwen2MLP(hf_config(raw)).double()
    randomise(theirs)
    mine.load_state_dict(theirs.state_dict())  # the names and the shapes of a checkpoint
    x = torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(0)).double()
    assert_close(mine(x), theirs(x), atol=1e-12, rtol=0)  # float64 sums of some 100 numbers


# --- the loss ---


def test_loss_is_the_mean_over_pairs_of_a_token_and_the_next() -> None:
    logits = torch.randn(2, 5, 11, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, 3, 4, 5], [-100, 7, -100, 9, 10]])
    surprises = [
        -F.log_softmax(logits[b, t].double(), dim=-1)[labels[b, t + 1]]
        for b in range(2)
        for t in range(4)
        if labels[b, t + 1] != -100
    ]
    assert len(surprises) == 7
    want = sum(surprises) / 7
    assert_close(causal_lm_loss(logits, labels).double(), want, atol=1e-6, rtol=0)  # float32
    assert_close(causal_lm_loss(logits.double(), labels), want, atol=1e-14, rtol=0)


def test_loss_of_a_sure_and_right_model_is_zero() -> None:
    labels = torch.tensor([[3, 1, 2, 0]])
    logits = 100 * F.one_hot(torch.tensor([[1, 2, 0, 3]]), 4).float()  # each place names the next
    assert causal_lm_loss(logits, labels).item() == 0


def test_loss_of_bfloat16_logits_is_computed_in_float32() -> None:
    logits = torch.randn(2, 50, 211, generator=torch.Generator().manual_seed(0)).bfloat16()
    labels = torch.randint(211, (2, 50), generator=torch.Generator().manual_seed(1))
    want = causal_lm_loss(logits.double(), labels)
    got = causal_lm_loss(logits, labels)
    assert got.dtype == torch.float32
    assert_close(got.double(), want, atol=1e-5, rtol=0)


# --- causality and padding ---


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", SOME)
def test_changing_a_later_token_changes_no_earlier_logits(case: str, path: str) -> None:
    model, _ = models(case)
    ids, mask = batch(case, "none")
    for place in (79, 65, 64, 63, 1):
        changed = ids.clone()
        changed[:, place] = (ids[:, place] + 1) % 211
        before, after = (logits_by(path, model, x, mask) for x in (ids, changed))
        assert_close(after[:, :place], before[:, :place], **CLOSE)
        assert (after[:, place] - before[:, place]).abs().max() > 0.1


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("path", ["no grad", "grad", "weights asked for", "cache"])
@pytest.mark.parametrize("case", SOME)
def test_changing_padding_changes_no_real_position(case: str, path: str, padding: str) -> None:
    model, _ = models(case)
    ids, mask = batch(case, padding)
    changed = ids.where(mask, (ids + 7) % 211)
    before, after = (logits_by(path, model, x, mask) for x in (ids, changed))
    assert_close(after[mask], before[mask], **CLOSE)


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("case", CASES)
def test_a_row_in_a_padded_batch_says_what_it_says_alone(case: str, padding: str) -> None:
    model, theirs = models(case)
    ids, mask = batch(case, padding)
    with torch.no_grad():
        together = model(ids, mask, positions(mask)).logits
        for row in range(len(ids)):
            alone = theirs(ids[row : row + 1, mask[row]]).logits[0]
            assert_close(together[row, mask[row]], alone, **CLOSE)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", SOME)
def test_a_row_of_nothing_but_padding_gives_no_nan(case: str, path: str) -> None:
    model, _ = models(case)
    ids, mask = batch(case, "left")
    mask[1] = False
    logits = logits_by(path, model, ids, mask)
    assert logits.isfinite().all()
    assert_close(logits[0], logits_by(path, model, ids, batch(case, "none")[1])[0], **CLOSE)


def test_a_row_of_nothing_but_padding_gives_no_nan_in_half_precision_or_gradients() -> None:
    ids, mask = batch("window, layer 0 full", "left")
    mask[1] = False
    model, _ = copy.deepcopy(models("window, layer 0 full", torch.bfloat16))
    logits = model(ids, mask).logits
    assert logits.isfinite().all()
    logits.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_masks_of_ones_and_of_bools_and_none_are_the_same() -> None:
    model, _ = models("GQA")
    ids, mask = batch("GQA", "none")
    with torch.no_grad():
        plain = model(ids).logits
        assert torch.equal(model(ids, mask).logits, plain)
        assert torch.equal(model(ids, mask.long()).logits, plain)
        ids, mask = batch("GQA", "left")
        assert torch.equal(model(ids, mask.long()).logits, model(ids, mask).logits)


@pytest.mark.parametrize("T", [1, 2, 63, 64, 65, 128, 200])
@pytest.mark.parametrize("case", SOME)
def test_the_paths_agree_at_every_length(case: str, T: int) -> None:
    model, theirs = models(case)
    ids, mask = batch(case, "none", lengths=(T, T))
    with torch.no_grad():
        want = theirs(ids).logits
    for path in PATHS if T > 1 else PATHS[:-1]:
        assert_close(logits_by(path, model, ids, mask), want, **CLOSE)


# --- the cache ---


@pytest.mark.parametrize("padding", ["none", "left"])
@pytest.mark.parametrize("case", CASES)
def test_decoding_with_cache_equals_full_forward(case: str, padding: str) -> None:
    model, theirs = models(case)
    ids, mask = batch(case, padding, lengths=(30, 11, 22))
    places = positions(mask)
    with torch.no_grad():
        full = theirs(ids, attention_mask=mask.long(), position_ids=places).logits
    step_by_step = in_chunks(model, ids, mask, [1] * 30, places)
    assert step_by_step.isfinite().all()
    assert_close(step_by_step[mask], full[mask], **CLOSE)


@PROPERTY
@given(
    case=st.sampled_from(SOME),
    padding=st.sampled_from(("none", "left")),
    cuts=st.sets(st.integers(1, 79), max_size=12),
)
def test_decoding_in_chunks_of_any_size_equals_full_forward(
    case: str, padding: str, cuts: set[int]
) -> None:
    model, theirs = models(case)
    ids, mask = batch(case, padding)
    places = positions(mask)
    ends = [0, *sorted(cuts), 80]
    sizes = [end - start for start, end in itertools.pairwise(ends)]
    with torch.no_grad():
        full = theirs(ids, attention_mask=mask.long(), position_ids=places).logits
    assert_close(in_chunks(model, ids, mask, sizes, places)[mask], full[mask], **CLOSE)


def test_positions_are_counted_on_from_the_cache() -> None:
    model, theirs = models("GQA")
    ids, mask = batch("GQA", "none")
    with torch.no_grad():
        full = theirs(ids).logits
    assert_close(in_chunks(model, ids, mask, [5, 1, 70, 1, 3]), full, **CLOSE)


@pytest.mark.parametrize("case", SOME)
def test_weights_asked_for_with_a_cache_are_the_last_rows_of_all(case: str) -> None:
    model, theirs = models(case, attention="eager")
    ids, _ = batch(case, "none", lengths=(20, 20))
    cache = KVCache.for_model(model, 2, 20)
    with torch.no_grad():
        want = theirs(ids, output_attentions=True).attentions
        for start, end in ((0, 12), (12, 19), (19, 20)):
            got = model(ids[:, start:end], cache=cache, output_attentions=True).attentions
            for mine, full in zip(got, want, strict=True):
                assert mine.shape == (2, 4, end - start, end)
                assert_close(mine, full[:, :, start:end, :end], atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", SOME)
def test_another_continuation_after_crop_equals_full_forward(case: str) -> None:
    model, theirs = models(case)
    ids, mask = batch(case, "none", lengths=(30, 30))
    other = ids.clone()
    other[:, 20:] = (ids[:, 20:] + 1) % 211
    cache = KVCache.for_model(model, 2, 30)
    in_chunks(model, ids, mask, [20, 1, 9], cache=cache)
    cache.crop(20)
    with torch.no_grad():
        full = theirs(other).logits
    again = in_chunks(model, other[:, 20:], mask, [3, 1, 6], cache=cache)
    assert_close(again, full[:, 20:], **CLOSE)


def test_overflow_is_refused_and_leaves_the_cache_as_it_was() -> None:
    model, _ = models("GQA")
    ids, mask = batch("GQA", "none", lengths=(10, 10))
    cache = KVCache.for_model(model, 2, 10)
    in_chunks(model, ids[:, :8], mask, [8], cache=cache)
    before = [x.clone() for x in cache.keys + cache.values]
    with pytest.raises(ValueError, match=r"8 cached \+ 3 new tokens exceed max_length=10"):
        model(ids[:, :3], cache=cache)
    assert cache.length == 8
    for now, then in zip(cache.keys + cache.values, before, strict=True):
        assert torch.equal(now[:, :, :8], then[:, :, :8])
    last_two = in_chunks(model, ids[:, 8:], mask, [2], cache=cache)  # what fits still goes in
    with torch.no_grad():
        assert_close(last_two, model(ids).logits[:, 8:], **CLOSE)


def test_logits_to_keep_are_the_last_ones() -> None:
    model, _ = models("GQA")
    ids, _ = batch("GQA", "none")
    with torch.no_grad():
        full = model(ids).logits
        for keep in (1, 3, 80):
            kept = model(ids, logits_to_keep=keep).logits
            assert_close(kept, full[:, -keep:], **CLOSE)


# --- bad input ---


def nano_ids(*shape: int) -> Tensor:
    return torch.arange(math.prod(shape)).view(shape) % 211


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.tensor([[0, 211]]), "token id 211 is outside the vocabulary of 211"),
        (torch.tensor([[0, 10**9]]), "token id 1000000000 is outside the vocabulary of 211"),
        (torch.tensor([[-1, 210]]), "token id -1 is outside the vocabulary of 211"),
        (torch.zeros(0, 3, dtype=torch.long), r"input_ids is \(0, 3\), must be \(B, T\)"),
        (torch.zeros(2, 0, dtype=torch.long), r"input_ids is \(2, 0\), must be \(B, T\)"),
        (nano_ids(3), r"input_ids is \(3,\), must be \(B, T\)"),
        (nano_ids(2, 3, 4), r"input_ids is \(2, 3, 4\), must be \(B, T\)"),
        (nano_ids(2, 3).float(), "input_ids is torch.float32, must be torch.int64"),
        (torch.full((2, 3), float("nan")), "input_ids is torch.float32, must be torch.int64"),
        (nano_ids(2, 3).bool(), "input_ids is torch.bool, must be torch.int64"),
        (nano_ids(2, 3).short(), "input_ids is torch.int16, must be torch.int64"),
    ],
)
def test_wrong_ids_are_refused(ids: Tensor, message: str) -> None:
    model, _ = models("GQA")
    with pytest.raises(ValueError, match=message):
        model(ids)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_ids_at_both_ends_of_the_vocabulary_are_taken(dtype: torch.dtype) -> None:
    model, theirs = models("GQA")
    ids = torch.tensor([[0, 210]], dtype=dtype)
    with torch.no_grad():
        assert_close(model(ids).logits, theirs(ids.long()).logits, **CLOSE)


@pytest.mark.parametrize("shape", [(2, 4), (2, 6), (1, 5), (5,), (2, 1, 5), (2, 2, 5, 5)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    model, _ = models("GQA")
    with pytest.raises(ValueError, match=r"attention_mask is \(.*must be \(B, S\) = \(2, 5\)"):
        model(nano_ids(2, 5), torch.ones(shape))


def test_a_mask_must_cover_the_cached_tokens_too() -> None:
    model, _ = models("GQA")
    cache = KVCache.for_model(model, 2, 8)
    model(nano_ids(2, 5), cache=cache)
    with pytest.raises(ValueError, match=r"attention_mask is \(2, 1\), .* = \(2, 6\)"):
        model(nano_ids(2, 1), torch.ones(2, 1), cache=cache)
    assert cache.length == 5


@pytest.mark.parametrize("shape", [(5,), (1, 1), (1, 4), (3, 5), (2, 5, 1)])
def test_positions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    model, _ = models("GQA")
    with pytest.raises(ValueError, match=r"position_ids is \(.*must be \(1, T\) or \(B, T\)"):
        model(nano_ids(2, 5), position_ids=nano_ids(*shape))


@pytest.mark.parametrize("shape", [(2, 4), (1, 5), (10,), (2, 5, 1)])
def test_labels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    model, _ = models("GQA")
    with pytest.raises(ValueError, match=r"labels are \(.*must be \(2, 5\)"):
        model(nano_ids(2, 5), labels=nano_ids(*shape))


@pytest.mark.parametrize("rows", [1, 3])
def test_a_cache_for_another_batch_is_refused(rows: int) -> None:
    model, _ = models("GQA")
    cache = KVCache.for_model(model, rows, 8)
    with pytest.raises(ValueError, match=f"cache is for {rows} rows, but input_ids has 2"):
        model(nano_ids(2, 5), cache=cache)
    assert cache.length == 0


# --- weights ---


@pytest.mark.parametrize("tied", [True, False])
def test_tied_embeddings_are_one_tensor_counted_once(tied: bool) -> None:
    model = Qwen2ForCausalLM(
        Qwen2Config.from_dict(config_json("GQA") | {"tie_word_embeddings": tied})
    )
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    layer = 64 * 64 * 2 + 64 * 32 * 2 + 64 + 32 + 32 + 3 * 64 * 96 + 2 * 64
    assert model.num_parameters() == (1 if tied else 2) * 211 * 64 + 3 * layer + 64


def test_fresh_weights_are_normal_with_zero_biases_and_unit_norms() -> None:
    torch.manual_seed(0)
    raw = config_json("GQA") | {"initializer_range": 0.05}
    for name, p in Qwen2ForCausalLM(Qwen2Config.from_dict(raw)).named_parameters():
        if "norm" in name:
            assert (p == 1).all(), name
        elif name.endswith("bias"):
            assert (p == 0).all(), name
        else:  # at least 2048 draws: the deviation is known to 1.6%, three times that is 5%
            assert p.std().item() == pytest.approx(0.05, rel=0.05), name
            assert abs(p.mean().item()) < 0.005, name


# --- fuse ---


def fused(case: str, dtype: torch.dtype = torch.float32) -> Qwen2ForCausalLM:
    return fuse(copy.deepcopy(models(case, dtype)[0])).eval()


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("case", CASES)
def test_a_fused_model_says_what_transformers_says(case: str, padding: str) -> None:
    model, (_, theirs) = fused(case), models(case)
    ids, mask = batch(case, padding)
    places = positions(mask)
    with torch.no_grad():
        got = model(ids, mask, places).logits
        want = theirs(ids, attention_mask=mask.long(), position_ids=places).logits
    assert got.isfinite().all()
    assert_close(got[mask], want[mask], **CLOSE)


@pytest.mark.parametrize("case", CASES)
def test_a_fused_model_writes_what_the_model_writes(case: str) -> None:
    ids, mask = batch(case, "left", lengths=(12, 3, 9))
    want = greedy(models(case)[0], ids, mask, new_tokens=64)
    assert torch.equal(greedy(fused(case), ids, mask, new_tokens=64), want)


def test_fusing_keeps_the_numbers_the_dtype_and_the_number_of_parameters() -> None:
    model, _ = models("GQA", torch.bfloat16)
    again = fused("GQA", torch.bfloat16)
    assert again.num_parameters() == model.num_parameters()
    assert again.dtype == torch.bfloat16
    before, after = model.model.layers[1], again.model.layers[1]
    assert isinstance(after, DecoderLayer)
    stacked = torch.cat([getattr(before.self_attn, f"{x}_proj").weight for x in "qkv"])
    assert torch.equal(after.self_attn.qkv_proj.weight, stacked)


def test_logits_to_keep_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="logits_to_keep=-1"):
        models("GQA")[0](torch.tensor([[1, 2]]), logits_to_keep=-1)
