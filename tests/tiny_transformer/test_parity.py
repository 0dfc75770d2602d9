"""The proof that this is the Transformer: torch.nn.Transformer with the same weights says the same.

Compared at real positions. At padding both compute something that nothing may depend on.

Tolerances. float32: the two sum in different orders; five layers whose outputs are about 1
leave some 1e-6, so 1e-5 is room and any mistake in the model is far above it. float64: 1e-15 in
place of 1e-7, so 1e-10. A gradient is compared relative to the largest number in it: 1e-4, and
1e-10 in float64.
"""

from functools import lru_cache
from math import sqrt
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from tiny_transformer.attention import causal_mask
from tiny_transformer.config import TransformerConfig
from tiny_transformer.model import Transformer

from .reference import (
    PAD,
    Calls,
    is_real,
    normal,
    paper_sinusoids,
    random_ids,
    random_model,
    randomise,
    small,
    torch_layout,
    torch_twin,
)

NORMS = ("post", "pre")
DTYPES = (torch.float32, torch.float64)
# In float32 processors sum in different orders: 1.2e-5 was seen on one, of values above 1.
OUTPUT_ATOL = {torch.float32: 3e-5, torch.float64: 1e-10}
GRADIENT_RTOL = {torch.float32: 1e-4, torch.float64: 1e-10}

# Lengths of the sources and of the targets of a batch; the shorter rows are padded.
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "S > T": ((11, 4, 7), (5, 6, 2)),
    "S < T": ((3, 5), (13, 8)),
    "S = T": ((6, 2, 1, 6), (1, 6, 3, 4)),
    "one row": ((9,), (7,)),
    "one token": ((1, 1), (1, 1)),
}
MASKS: dict[str, set[str]] = {
    "none": set(),
    "source padding": {"source"},
    "target padding": {"target"},
    "causal": {"causal"},
    "both paddings": {"source", "target"},
    "source padding, causal": {"source", "causal"},
    "target padding, causal": {"target", "causal"},
    "all": {"source", "target", "causal"},
}
SIZES: dict[str, dict[str, Any]] = {
    "one head": {"num_heads": 1},
    "heads of width 1": {"num_heads": 24},
    "odd width": {"d_model": 15, "num_heads": 3, "d_ff": 11},
    "prime width, one head": {"d_model": 7, "num_heads": 1, "d_ff": 1},
    "one layer each": {"num_encoder_layers": 1, "num_decoder_layers": 1},
    "deep encoder": {"num_encoder_layers": 5, "num_decoder_layers": 1},
    "no biases in attention": {"attention_bias": False},
    "large eps": {"layer_norm_eps": 0.5},
    "the shape that ships": {
        name: getattr(TransformerConfig.tiny(), name)
        for name in ("d_model", "num_heads", "num_encoder_layers", "num_decoder_layers", "d_ff")
    },
}


@lru_cache
def twins(config: TransformerConfig, dtype: torch.dtype) -> tuple[Transformer, nn.Transformer]:
    """Ours and torch's with the same weights. Shared by tests, which leave them as they are."""
    ours = Transformer(config).to(dtype).eval()
    randomise(ours)
    return ours, torch_twin(config, ours.state_dict())


@pytest.fixture(autouse=True, scope="module")
def _twins_of_this_run() -> None:
    """Not those that an earlier run in this process has made of other classes."""
    twins.cache_clear()


class Run:
    """One batch of random vectors through both stacks, ours and torch's."""

    def __init__(
        self, config: TransformerConfig, shape: str, masks: str, dtype: torch.dtype
    ) -> None:
        self.ours, self.theirs = twins(config, dtype)
        on = MASKS[masks]
        sources, targets = SHAPES[shape]
        B, S, T, D = len(sources), max(sources), max(targets), config.d_model
        source_real, target_real = is_real(sources, S), is_real(targets, T)
        self.source_real = source_real if "source" in on else torch.ones(B, S, dtype=torch.bool)
        self.target_real = target_real if "target" in on else torch.ones(B, T, dtype=torch.bool)
        self.has = on
        self.source = normal(B, S, D, dtype=dtype, seed=1).requires_grad_()
        self.target = normal(B, T, D, dtype=dtype, seed=2).requires_grad_()

    def outputs(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(memory, output) of ours and of torch's, at real positions: (N, D) and (M, D)."""
        source_mask = self.source_real[:, None, None] if "source" in self.has else None
        target_mask = self.target_real[:, None, None] if "target" in self.has else None
        if "causal" in self.has:
            causal = causal_mask(self.target.shape[1])
            target_mask = causal if target_mask is None else target_mask & causal
        memory = self.ours.encoder(self.source, source_mask)
        output = self.ours.decoder(self.target, memory, target_mask, source_mask)
        ours = memory[self.source_real], output[self.target_real]

        hidden_source = ~self.source_real if "source" in self.has else None
        T = self.target.shape[1]
        future = torch.ones(T, T, dtype=torch.bool).triu(1) if "causal" in self.has else None
        memory = self.theirs.encoder(self.source, src_key_padding_mask=hidden_source)
        output = self.theirs(
            self.source,
            self.target,
            tgt_mask=future,
            src_key_padding_mask=hidden_source,
            tgt_key_padding_mask=~self.target_real if "target" in self.has else None,
            memory_key_padding_mask=hidden_source,
        )
        return ours, (memory[self.source_real], output[self.target_real])

    def gradients(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Of a random sum of the outputs: under torch's names, and of the vectors put in."""
        results = []
        for side, (_, output) in zip((self.ours, self.theirs), self.outputs(), strict=True):
            leaves = {name: p for name, p in side.named_parameters() if name != "embedding.weight"}
            leaves |= {"source": self.source, "target": self.target}
            loss = (output * normal(*output.shape, dtype=output.dtype, seed=3)).sum()
            gradients = torch.autograd.grad(loss, list(leaves.values()))
            results.append(dict(zip(leaves, gradients, strict=True)))
        ours, theirs = torch_layout(results[0]), results[1]
        if not self.ours.config.attention_bias:  # torch's are zero, yet have a gradient
            lacking = [name for name in theirs if "bias" in name and "_attn" in name]
            lacking += [name for name in theirs if "bias" in name and "multihead" in name]
            ours, theirs = (
                {name: x for name, x in side.items() if name not in lacking}
                for side in (ours, theirs)
            )
        return ours, theirs


def relative_error(got: Tensor, want: Tensor) -> float:
    return float((got - want).abs().max() / want.abs().max())


def assert_same_gradients(run: Run, dtype: torch.dtype) -> None:
    ours, theirs = run.gradients()
    assert ours.keys() == theirs.keys()
    for name, want in theirs.items():
        assert want.abs().max() > 0, name
        assert relative_error(ours[name], want) < GRADIENT_RTOL[dtype], name


# With one source token its weight is 1 whatever q and k are: both gradients are then 0.
GRADIENT_SHAPES = [shape for shape in SHAPES if shape != "one token"]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("norm", NORMS)
def test_outputs_equal_torch(norm: str, shape: str, masks: str, dtype: torch.dtype) -> None:
    ours, theirs = Run(small(norm=norm), shape, masks, dtype).outputs()
    for got, want in zip(ours, theirs, strict=True):
        assert_close(got, want, atol=OUTPUT_ATOL[dtype], rtol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("shape", GRADIENT_SHAPES)
@pytest.mark.parametrize("norm", NORMS)
def test_gradients_equal_torch(norm: str, shape: str, masks: str, dtype: torch.dtype) -> None:
    assert_same_gradients(Run(small(norm=norm), shape, masks, dtype), dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", NORMS)
def test_outputs_and_gradients_of_other_sizes_equal_torch(norm: str, size: str) -> None:
    """In float64, where it does not matter in which order sums are taken."""
    assert_other_size_equals_torch(norm, size, torch.float64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", NORMS)
def test_outputs_and_gradients_of_other_sizes_equal_torch_in_float32(norm: str, size: str) -> None:
    assert_other_size_equals_torch(norm, size, torch.float32)


def assert_other_size_equals_torch(norm: str, size: str, dtype: torch.dtype) -> None:
    run = Run(small(norm=norm, **SIZES[size]), "S > T", "all", dtype)
    for got, want in zip(*run.outputs(), strict=True):
        assert_close(got, want, atol=OUTPUT_ATOL[dtype], rtol=0)
    assert_same_gradients(run, dtype)


@pytest.mark.parametrize("norm", NORMS)
def test_outputs_without_gradients_equal_torchs_inference_kernels(norm: str) -> None:
    """Without gradients torch takes other code for its encoder layers, in one fused call."""
    with torch.no_grad():
        ours, theirs = Run(small(norm=norm), "S > T", "all", torch.float32).outputs()
    for got, want in zip(ours, theirs, strict=True):
        assert_close(got, want, atol=1e-5, rtol=0)


def test_post_norm_has_no_norm_of_its_own_at_the_end_and_pre_norm_has() -> None:
    for norm, names in (("post", set()), ("pre", {"encoder.norm", "decoder.norm"})):
        model = Transformer(small(norm=norm))
        found = {name.rpartition(".")[0] for name in model.state_dict()}
        assert found & {"encoder.norm", "decoder.norm"} == names


@pytest.mark.parametrize("norm", NORMS)
def test_no_layers_leave_the_embeddings_or_their_norm(norm: str) -> None:
    """torch has no stack of 0 layers: the expectation is the definition."""
    model = random_model(norm=norm, num_encoder_layers=0, num_decoder_layers=0)
    x, memory = normal(2, 5, 24), normal(2, 3, 24, seed=1)
    for stack, got in (
        (model.encoder, model.encoder(x)),
        (model.decoder, model.decoder(x, memory)),
    ):
        want = x
        if norm == "pre":
            want = F.layer_norm(x, (24,), stack.norm.weight, stack.norm.bias)
        assert_close(got, want, atol=1e-6, rtol=0)


# --- the whole model: ids in, logits out ---


@pytest.mark.parametrize("changes", [{}, {"d_model": 15, "num_heads": 3}], ids=["even", "odd"])
@pytest.mark.parametrize("norm", NORMS)
def test_logits_equal_torch_between_embeddings_written_in_numpy(
    norm: str, changes: dict[str, Any]
) -> None:
    model = random_model(norm=norm, dtype=torch.float64, **changes)
    twin = torch_twin(model.config, model.state_dict())
    lengths = (9, 4), (6, 11)
    source, target = (random_ids(x, seed=len(x)) for x in lengths)
    weights = model.embedding.weight.detach()

    def embed(ids: Tensor) -> Tensor:
        table = paper_sinusoids(ids.shape[1], model.config.d_model)
        return weights[ids] * sqrt(model.config.d_model) + torch.from_numpy(table)

    T = target.shape[1]
    output = twin(
        embed(source),
        embed(target),
        tgt_mask=torch.ones(T, T, dtype=torch.bool).triu(1),
        src_key_padding_mask=source == PAD,
        tgt_key_padding_mask=target == PAD,
        memory_key_padding_mask=source == PAD,
    )
    real = target != PAD
    # 2e-6: our sinusoids are float32, also in a model of float64
    assert_close(model(source, target).logits[real], (output @ weights.T)[real], atol=2e-6, rtol=0)


def test_logits_equal_marian() -> None:
    """transformers' MarianMTModel brings embeddings, scale, padding and causal mask of its own."""
    from . import marian  # here, so that the other tests need not wait for transformers

    model = marian.random_model()
    twin = marian.marian_twin(model)
    source = marian.sources(1, (9, 4, 12))
    target = marian.sources(2, (7, 10, 3))
    target[:, 0] = model.config.bos_id
    real = target != PAD
    with torch.no_grad():
        got = model(source, target).logits[real]
        want = twin(
            input_ids=source,
            attention_mask=(source != PAD).long(),
            decoder_input_ids=target,
            decoder_attention_mask=real.long(),
        ).logits[real]
    assert 1 < want.std() < 10
    assert_close(got, want, atol=1e-4, rtol=0)  # logits of about 5, so 1e-5 of their size


# --- bfloat16 ---


@pytest.mark.parametrize("norm", NORMS)
def test_bfloat16_takes_the_formula_to_train_and_the_fused_form_to_infer(norm: str) -> None:
    """On a CPU, under autocast; both close to float32 and to each other.

    bfloat16 has 8 bits, a rounding error of up to 1/512. Normalised outputs of about 1 are sums of
    some hundred such roundings that partly cancel: 0.05 on average over the model is generous, and
    a wrong mask or scale leaves about 1.
    """
    model = random_model(norm=norm)
    source, target = random_ids((9, 4), seed=1), random_ids((6, 11), seed=2)
    real = target != PAD

    def run() -> tuple[Tensor, Calls]:
        with Calls() as calls:
            memory = model.encode(source)
            output = model.decode(target, memory, model.source_mask(source))
        return output[real].float(), calls

    exact, calls = run()
    assert (calls.formula, calls.fused) == (0, 2 + 2 * 3)
    with torch.autocast("cpu", torch.bfloat16):
        trained, calls = run()
        assert (calls.formula, calls.fused) == (2 + 2 * 3, 0)
        with torch.no_grad():
            inferred, calls = run()
            assert (calls.formula, calls.fused) == (0, 2 + 2 * 3)
    assert (trained - exact).square().mean().sqrt() < 0.05
    assert (inferred - exact).square().mean().sqrt() < 0.05
    assert (trained - inferred).square().mean().sqrt() < 0.05


@pytest.mark.parametrize("norm", NORMS)
def test_bfloat16_gradients_point_where_those_of_float32_do(norm: str) -> None:
    model = random_model(norm=norm)
    source, target = random_ids((9, 4), seed=1), random_ids((6, 11), seed=2)

    def gradient(enabled: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = model(source, target[:, :-1]).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), target[:, 1:].flatten())
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])

    exact, rounded = gradient(False), gradient(True)
    assert F.cosine_similarity(exact, rounded, dim=0) > 0.99
    assert rounded.norm() / exact.norm() == pytest.approx(1, abs=0.05)
