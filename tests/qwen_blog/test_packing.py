"""A packed sample has the logits, the loss and the gradients that transformers gives it alone."""

import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from qwen_blog.packing import (
    MISFITS,
    TOO_LONG,
    PackedForward,
    PackedRow,
    Sample,
    SampleMaker,
    pack_row,
    packed_attention,
)
from qwen_blog.training import loss_sum

from .reference import models

# "window of one" is left out, for transformers' sdpa gets it wrong without a mask
SOME = ("MHA", "GQA", "three query heads a group", "tied", "window, layers mixed")


def scripted(*samples: Sample) -> SampleMaker:
    """Gives these samples, one after the other."""
    left = iter(samples)
    return lambda rng, progress: next(left)


def of_length(n: int, first: int = 1) -> Sample:
    """ids first, first + 1, ...; a loss on all."""
    return list(range(first, first + n)), [True] * n


def random_samples(rng: random.Random, progress: float) -> Sample:
    n = rng.randint(2, 60)
    return [rng.randrange(211) for _ in range(n)], [rng.random() < 0.4 for _ in range(n)]


def pack(row_tokens: int, make_sample: SampleMaker, max_tokens: int = 99) -> PackedRow:
    return pack_row(random.Random(0), 0.0, row_tokens, max_tokens, make_sample)


def samples_of(row: PackedRow) -> list[tuple[Tensor, Tensor]]:
    """(1, L) ids and labels of each sample; the empty places count as one."""
    parts = zip(row.input_ids.split(row.lengths, 1), row.labels.split(row.lengths, 1), strict=True)
    return list(parts)


# What is in a row -----------------------------------------------------------------------------


def test_a_row_holds_whole_samples_and_then_nothing() -> None:
    misfits = [of_length(5)] * MISFITS
    row = pack(8, scripted(([11, 12, 13], [True, False, True]), ([21, 22], [True, True]), *misfits))
    assert row.input_ids.tolist() == [[11, 12, 13, 21, 22, 0, 0, 0]]
    assert row.labels.tolist() == [[-100, -100, 13, -100, 22, -100, -100, -100]]
    assert row.position_ids.tolist() == [[0, 1, 2, 0, 1, 0, 1, 2]]
    assert row.lengths == (3, 2, 3)
    assert row.dropped == 0


def test_a_full_row_has_no_empty_places_and_asks_for_no_more_samples() -> None:
    row = pack(8, scripted(of_length(5), of_length(3, first=9)))
    assert row.lengths == (5, 3)
    assert row.labels.tolist() == [[-100, 2, 3, 4, 5, -100, 10, 11]]


def test_a_sample_that_finds_no_room_makes_place_for_a_shorter_one() -> None:
    tries = [of_length(6)] * (MISFITS - 1)
    row = pack(8, scripted(of_length(5), *tries, of_length(2), of_length(6)))
    assert row.lengths == (5, 2, 1)


@pytest.mark.parametrize(("row_tokens", "max_tokens"), [(9, 4), (4, 9)])
def test_samples_longer_than_the_row_or_the_context_are_dropped_and_counted(
    row_tokens: int, max_tokens: int
) -> None:
    short = [of_length(4)] * (row_tokens // 4)
    row = pack(
        row_tokens,
        scripted(of_length(10), of_length(5), *short, *[of_length(2)] * MISFITS),
        max_tokens,
    )
    assert row.dropped == 2
    assert row.lengths[:1] == (4,)


def test_data_that_never_fit_are_an_error_and_no_endless_loop() -> None:
    with pytest.raises(ValueError, match=f"{TOO_LONG} samples were longer than 7 tokens"):
        pack(7, lambda rng, progress: of_length(8))


@pytest.mark.parametrize("bad", [([1, 2], [True]), ([], [])])
def test_a_malformed_sample_is_an_error(bad: Sample) -> None:
    with pytest.raises(ValueError, match=rf"a sample has {len(bad[0])} ids and {len(bad[1])} fl"):
        pack(7, scripted(bad))


def test_samples_are_made_with_the_rows_generator_and_progress() -> None:
    heard = []

    def make(rng: random.Random, progress: float) -> Sample:
        heard.append((rng.random(), progress))
        return of_length(4)

    pack_row(random.Random(5), 0.25, 8, 8, make)
    rng = random.Random(5)
    assert heard == [(rng.random(), 0.25), (rng.random(), 0.25)]


def test_rows_are_well_filled() -> None:
    """With samples of 30 tokens on average, a row of 600 wastes less than a thirtieth."""
    rows = [pack_row(random.Random(i), 0, 600, 60, random_samples) for i in range(50)]
    empty = sum(600 - sum(len(ids[0]) for ids, _ in samples_of(row)[:-1]) for row in rows)
    assert empty / (50 * 600) < 1 / 30


# What the model makes of it -------------------------------------------------------------------


@pytest.mark.parametrize("case", SOME)
def test_packed_logits_are_those_of_each_sample_alone(case: str) -> None:
    ours, theirs = models(case, torch.float64)
    row = pack(200, random_samples)
    assert len(row.lengths) > 4
    with torch.no_grad():
        got = ours.lm_head(PackedForward()(ours, row))
        alone = [theirs(ids).logits for ids, _ in samples_of(row)]
    # float64, but for cos and sin, which both compute in float32
    assert_close(got, torch.cat(alone, dim=1), atol=1e-10, rtol=0)


def test_packed_loss_and_gradients_are_the_sums_of_each_sample_alone() -> None:
    ours, theirs = models("GQA", torch.float64)
    row = pack(200, random_samples)
    loss = loss_sum(ours, PackedForward()(ours, row), row.labels)
    want = torch.zeros((), dtype=torch.float64)
    for ids, labels in samples_of(row):
        if (labels != -100).any():
            want = want + theirs(ids, labels=labels).loss * (labels != -100).sum()
    assert_close(loss, want, atol=0, rtol=1e-6)  # transformers' loss is float32
    names = [name for name, _ in ours.named_parameters()]
    got_gradients = torch.autograd.grad(loss, list(ours.parameters()))
    want_gradients = torch.autograd.grad(want, [theirs.get_parameter(name) for name in names])
    for got, expected in zip(got_gradients, want_gradients, strict=True):
        scale = expected.abs().max().item()
        assert_close(got, expected, atol=1e-6 * scale, rtol=0)  # through that float32


def test_only_places_before_a_label_go_through_the_output_layer() -> None:
    ours, _ = models("GQA")
    row = pack(200, random_samples)
    seen = []
    hook = ours.lm_head.register_forward_hook(lambda _, x, out: seen.append(out.shape))
    hidden = PackedForward()(ours, row)
    loss = loss_sum(ours, hidden, row.labels)
    hook.remove()
    assert seen == [(int((row.labels != -100).sum()), 211)]
    scores = ours.lm_head(hidden)[0, :-1]
    want = F.cross_entropy(scores, row.labels[0, 1:], reduction="sum")
    assert_close(loss, want, atol=0, rtol=1e-5)


@pytest.mark.parametrize("window", [None, 3])
def test_attention_in_pieces_is_attention_under_a_mask_of_blocks(window: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, heads, 12, 8, generator=generator) for heads in (4, 2, 2))
    lengths = (5, 1, 6)
    segment = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))
    distance = torch.arange(12)[:, None] - torch.arange(12)
    mask = (segment[:, None] == segment) & (distance >= 0) & (distance < (window or 99))
    want = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
    assert_close(packed_attention(q, k, v, lengths, window), want, atol=1e-6, rtol=0)


def test_under_autocast_attention_stays_in_float32_on_a_cpu() -> None:
    ours, _ = models("GQA")
    row, seen = pack(60, random_samples), []
    forward = PackedForward()
    before: Callable = forward.before

    def spy(*args: object) -> tuple[Tensor, ...]:
        out = before(*args)
        seen.append({x.dtype for x in out})
        return out

    forward.before = spy
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        got = forward(ours, row)
    assert seen == [{torch.float32}] * 3
    with torch.no_grad():
        want = PackedForward()(ours, row)
    error = (got - want).norm() / want.norm()
    assert 0 < error < 0.05  # bf16 has three digits, and errors grow from layer to layer


def test_what_is_compiled_is_compiled_once_for_all_layers_and_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a compiler that only counts: a real one takes half a minute for each of the two."""
    ours, _ = models("GQA")
    graphs, real = [], torch.compile

    def counting(function: Callable, dynamic: bool) -> Callable:
        def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable:
            graphs.append(graph)
            return graph.forward

        return real(function, backend=backend, dynamic=dynamic, fullgraph=True)

    monkeypatch.setattr(torch, "compile", counting)
    forward = PackedForward(compiled=True)
    for seed in (0, 1):
        row = pack_row(random.Random(seed), 0.0, 200, 99, random_samples)
        with torch.autocast("cpu", torch.bfloat16):
            got, want = forward(ours, row), PackedForward()(ours, row)
        assert torch.equal(got, want)
    assert len(graphs) == 2  # before and after attention
