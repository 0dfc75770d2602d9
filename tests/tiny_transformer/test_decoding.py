"""Greedy decoding: the tokens of transformers' `generate`, with and without a cache, row by row."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.tiny_transformer.marian import (
    CONFIG,
    hf_generate,
    hf_ids,
    marian_twin,
    random_model,
    sources,
)
from tiny_transformer.decoding import Hypothesis, greedy_decode, length_penalty
from tiny_transformer.model import Transformer

LENGTHS = (9, 4, 7, 12, 2)
# Log-probabilities are of the order of 10 and summed over some 30 tokens in float32.
CLOSE = 1e-4


class Calls:
    """Records the shape (rows, new tokens) of each call of a model's decoder."""

    def __init__(self, model: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shapes: list[tuple[int, ...]] = []
        decode = model.decode

        def recording(target_ids: Tensor, *args: object) -> Tensor:
            self.shapes.append(tuple(target_ids.shape))
            return decode(target_ids, *args)

        monkeypatch.setattr(model, "decode", recording)


def assert_same(ours: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [h.ids for h in ours] == [h.ids for h in expected]
    assert [h.finished for h in ours] == [h.finished for h in expected]
    assert [h.score for h in ours] == pytest.approx([h.score for h in expected], abs=CLOSE)
    assert [h.log_prob for h in ours] == pytest.approx([h.log_prob for h in expected], abs=CLOSE)


@torch.no_grad()
def teacher_forced(model: torch.nn.Module, source: Tensor, hypothesis: Hypothesis) -> float:
    """log P of a hypothesis by one forward pass over all of it. source: (S,), unpadded."""
    end = [CONFIG.eos_id] if hypothesis.finished else []
    target = torch.tensor([[CONFIG.bos_id, *hypothesis.ids, *end]])
    logits = model(source[None], target[:, :-1]).logits
    return float(logits.log_softmax(-1).gather(2, target[:, 1:, None]).sum())


def test_length_penalty_is_equation_14() -> None:
    for length, alpha, want in ((1, 0.6, 1), (7, 1.0, 2), (49, 0.5, 3), (30, 0.0, 1), (13, 2.0, 9)):
        assert length_penalty(length, alpha) == pytest.approx(want), (length, alpha)
    assert length_penalty(19, 0.6) == pytest.approx(4**0.6)


@pytest.mark.parametrize("seed", range(3))
def test_twin_has_the_same_logits(seed: int) -> None:
    model = random_model(seed)
    source, target = sources(seed, LENGTHS), sources(seed + 10, (6, 8, 3, 5, 8))
    with torch.no_grad():
        ours = model(source, target).logits
        theirs = marian_twin(model)(
            source, attention_mask=(source != 0).long(), decoder_input_ids=target
        ).logits
    real = target != CONFIG.pad_id  # what a padded query says differs, and says nothing
    # logits are of the order of 10
    torch.testing.assert_close(ours[real], theirs[real], atol=1e-4, rtol=0)


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_tokens_of_a_ragged_batch_equal_transformers(seed: int, use_cache: bool) -> None:
    model, source = random_model(seed), sources(seed, LENGTHS)
    twin = marian_twin(model)
    ours = greedy_decode(model, source, max_new_tokens=30, use_cache=use_cache)
    assert [h.ids for h in ours] == hf_ids(hf_generate(twin, source, 30).sequences, model)
    for row, length, hypothesis in zip(source, LENGTHS, ours, strict=True):
        expected = teacher_forced(
            lambda s, t: twin(s, decoder_input_ids=t), row[:length], hypothesis
        )
        assert hypothesis.log_prob == pytest.approx(expected, abs=CLOSE)


def test_these_models_say_many_things_of_many_lengths() -> None:
    """Else the tests above would pass for a decoder that mixes up its past."""
    found = [
        h
        for seed in range(6)
        for h in greedy_decode(random_model(seed), sources(seed, LENGTHS), 30)
    ]
    assert sum(len(set(h.ids)) for h in found) / len(found) > 5
    assert 0.2 < sum(h.finished for h in found) / len(found) < 0.9
    assert len({len(h.ids) for h in found}) > 8


@pytest.mark.parametrize(
    "options",
    [{}, {"norm": "pre"}, {"attention_bias": False}, {"num_decoder_layers": 1}, {"d_model": 36}],
    ids=str,
)
def test_cache_changes_nothing(options: dict) -> None:
    for seed in range(3):
        model = random_model(seed, replace(CONFIG, **options))
        source = sources(seed, LENGTHS)
        assert_same(greedy_decode(model, source), greedy_decode(model, source, use_cache=False))


def test_cache_runs_one_token_a_step_and_ended_rows_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(15, eos_bonus=4)
    calls = Calls(model, monkeypatch)
    found = greedy_decode(model, sources(0, LENGTHS), max_new_tokens=40)
    lengths = [len(h.ids) + h.finished for h in found]
    assert len(set(lengths)) > 2
    assert max(lengths) < 40  # the batch stops when the last row ends
    assert calls.shapes == [
        (sum(length > step for length in lengths), 1) for step in range(max(lengths))
    ]
    calls.shapes.clear()
    greedy_decode(model, sources(0, LENGTHS), max_new_tokens=40, use_cache=False)
    assert [shape[1] for shape in calls.shapes] == list(range(1, max(lengths) + 1))


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_row_does_not_depend_on_the_batch(use_cache: bool) -> None:
    for seed in range(4):
        model, source = random_model(seed), sources(seed, LENGTHS)
        alone = [
            greedy_decode(model, source[row : row + 1, :length], use_cache=use_cache)[0]
            for row, length in enumerate(LENGTHS)
        ]
        assert_same(greedy_decode(model, source, use_cache=use_cache), alone)


def test_maximum_length_is_that_of_each_source_plus_50() -> None:
    found = greedy_decode(random_model(0, eos_bonus=-99), sources(0, LENGTHS))
    assert [len(h.ids) for h in found] == [length + 50 for length in LENGTHS]
    assert not any(h.finished for h in found)


def test_end_token_counts_in_the_maximum_and_in_the_score() -> None:
    model = random_model(0, eos_bonus=99)  # says nothing but the end
    for maximum in (1, 2):
        for hypothesis in greedy_decode(model, sources(0, LENGTHS), maximum):
            assert hypothesis.ids == []
            assert hypothesis.finished
    model = random_model(0)
    finished = [h for h in greedy_decode(model, sources(0, LENGTHS), 30, alpha=1.0) if h.finished]
    assert finished
    for h in finished:
        assert h.score == pytest.approx(h.log_prob / ((5 + len(h.ids) + 1) / 6))
    longest = max(len(h.ids) + 1 for h in finished)
    cut = greedy_decode(model, sources(0, LENGTHS), longest - 1, alpha=1.0)
    assert [h.finished for h in cut].count(True) < len(finished)
    for h in cut:
        if not h.finished:
            assert len(h.ids) == longest - 1
            assert h.score == pytest.approx(h.log_prob / ((5 + longest - 1) / 6))


def test_padding_and_start_token_are_never_generated() -> None:
    """However likely the model finds them; and log_prob stays the model's own."""
    model, source = random_model(0), sources(0, LENGTHS)
    pushed = model.embedding.weight[[CONFIG.pad_id, CONFIG.bos_id]].sum(0).detach()
    with torch.no_grad():
        norm = [m for m in model.decoder.modules() if isinstance(m, torch.nn.LayerNorm)][-1]
        norm.bias += 3 * pushed
    for row, length, h in zip(source, LENGTHS, greedy_decode(model, source, 20), strict=True):
        assert not {CONFIG.pad_id, CONFIG.bos_id} & set(h.ids)
        assert h.log_prob < -3 * len(h.ids)  # most of the probability is on the two
        assert h.log_prob == pytest.approx(teacher_forced(model, row[:length], h), abs=1e-3)


def test_a_model_in_training_says_what_transformers_says_without_dropout() -> None:
    model, source = random_model(0, replace(CONFIG, dropout=0.5)), sources(0, LENGTHS)
    expected = hf_ids(hf_generate(marian_twin(model), source, 20).sequences, model)
    model.train()
    assert [h.ids for h in greedy_decode(model, source, 20)] == expected
    assert all(module.training for module in model.modules())


def test_dropout_is_off_and_modes_come_back() -> None:
    model, source = random_model(0, replace(CONFIG, dropout=0.5)), sources(0, LENGTHS)
    expected = greedy_decode(model, source, 20)
    assert not model.training
    model.train()
    model.encoder.eval()  # e.g. frozen
    assert_same(greedy_decode(model, source, 20), expected)
    assert model.training
    assert model.decoder.layers[0].training
    assert not model.encoder.training
    with torch.no_grad():
        model.embedding.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        greedy_decode(model, source, 20)
    assert model.training


def test_model_can_be_trained_after_decoding() -> None:
    """What decoding leaves behind in the model, e.g. a longer table of positions, does no harm."""
    model, source = random_model(0, eos_bonus=-99), sources(0, LENGTHS)
    greedy_decode(model, source, max_new_tokens=300)
    target = torch.randint(3, 40, (len(LENGTHS), 290))
    model.train()(source, target).logits.sum().backward()
    assert model.embedding.weight.grad is not None


def _wrong_requests() -> Iterator[tuple[Tensor, dict, str]]:
    good = sources(0, (3, 5))
    yield good, {"alpha": -0.1}, r"alpha=-0\.1"
    yield good, {"alpha": float("nan")}, "alpha=nan"
    yield good, {"max_new_tokens": 0}, "max_new_tokens=0"
    yield good[0], {}, r"shape \(5,\)"
    yield good.float(), {}, r"torch\.float32"
    yield good[:0], {}, r"shape \(0, 5\)"
    yield good[:, :0], {}, r"shape \(2, 0\)"
    yield torch.tensor([[5, 2], [0, 0]]), {}, "source 1 holds only padding"
    yield torch.tensor([[5, 2], [40, 2]]), {}, r"source_ids\[1, 0\]=40 .* 0 to 39"
    yield torch.tensor([[5, -1], [4, 2]]), {}, r"source_ids\[0, 1\]=-1"


@pytest.mark.parametrize(("source", "options", "message"), list(_wrong_requests()))
def test_wrong_requests_are_named(source: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        greedy_decode(random_model(0), source, **options)
