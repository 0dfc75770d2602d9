"""The whole model: sizes of Table 3, the classic faults, what is dropped, what is shown.

That the numbers are torch's is in test_parity.py; that the cache changes none is in test_cache.py.
"""

from math import sqrt
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from tiny_transformer.attention import MultiHeadAttention
from tiny_transformer.config import TransformerConfig
from tiny_transformer.model import Transformer

from .reference import (
    BOS,
    PAD,
    Calls,
    is_real,
    normal,
    paper_sinusoids,
    random_ids,
    random_model,
    torch_attention,
)

NORMS = ("post", "pre")
EXACT = {"atol": 1e-10, "rtol": 0}  # float64, logits of about 10
SOURCE = random_ids((7, 4), seed=1)
TARGET = random_ids((6, 3), seed=2)
REAL = TARGET != PAD


def layer_outputs(model: Transformer, source: Tensor, target: Tensor) -> dict[str, Tensor]:
    """What every layer returns, and the logits."""
    found: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda m, args, out, name=name: found.update({name: out}))
        for name, module in model.named_modules()
        if name.startswith(("encoder.layers.", "decoder.layers.")) and name.count(".") == 2
    ]
    found["logits"] = model(source, target).logits
    for hook in hooks:
        hook.remove()
    assert len(found) == 2 + 3 + 1
    return found


# --- Table 3 ---


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def table_3(vocab_size: int, N: int, d_model: int, d_ff: int) -> int:
    """The number of parameters, piece by piece."""
    attention = 4 * d_model * d_model  # W^Q, W^K, W^V of all heads together, and W^O; no biases
    feed_forward = (d_model * d_ff + d_ff) + (d_ff * d_model + d_model)  # W1, b1, W2, b2
    norm = 2 * d_model  # a gain and a bias
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    embedding = vocab_size * d_model  # one matrix for source, target and output: section 3.4
    return embedding + N * encoder_layer + N * decoder_layer


def test_base_has_63_million_parameters_where_table_3_rounds_to_65() -> None:
    with torch.device("meta"):  # sizes without memory
        model = Transformer(TransformerConfig.base())
    assert count(model) == table_3(37000, N=6, d_model=512, d_ff=2048) == 63_045_632


def test_big_has_214_million_parameters_where_table_3_says_213() -> None:
    with torch.device("meta"):
        model = Transformer(TransformerConfig.big())
    assert count(model) == table_3(37000, N=6, d_model=1024, d_ff=4096) == 214_171_648


def test_the_shipped_shape_is_counted_the_same_way() -> None:
    tiny = TransformerConfig.tiny(300)
    assert tiny.num_encoder_layers == tiny.num_decoder_layers
    want = table_3(300, tiny.num_encoder_layers, tiny.d_model, tiny.d_ff)
    assert count(Transformer(tiny)) == want


def test_pre_norm_adds_two_norms_and_attention_biases_four_vectors_an_attention() -> None:
    plain = count(random_model(attention_bias=False))
    assert count(random_model(attention_bias=False, norm="pre")) == plain + 2 * 2 * 24
    attentions = 2 + 2 * 3
    assert count(random_model(attention_bias=True)) == plain + attentions * 4 * 24


# --- embeddings ---


def test_embeddings_are_scaled_by_the_root_of_the_width_and_positions_are_not() -> None:
    model = random_model(dtype=torch.float64)
    want = model.embedding.weight[SOURCE] * sqrt(24) + torch.from_numpy(paper_sinusoids(7, 24))
    assert_close(model.embed(SOURCE), want, atol=1e-7, rtol=0)
    late = model.embedding.weight[SOURCE] * sqrt(24)
    late = late + torch.from_numpy(paper_sinusoids(12, 24))[5:]
    assert_close(model.embed(SOURCE, start=5), late, atol=1e-7, rtol=0)


def test_the_output_scores_are_dot_products_with_the_embeddings() -> None:
    model = random_model(dtype=torch.float64)
    x = normal(2, 3, 24, dtype=torch.float64)
    assert_close(model.project(x), x @ model.embedding.weight.T, **EXACT)


def test_one_matrix_embeds_the_source_and_the_target_and_scores_the_output() -> None:
    """It is saved once, and its gradient comes from all three uses."""
    model = random_model(dtype=torch.float64)
    shape = (37, 24)
    assert [name for name, x in model.state_dict().items() if x.shape == shape] == [
        "embedding.weight"
    ]
    source, target, scored = torch.tensor([[5, 6, PAD]]), torch.tensor([[BOS, 7, PAD]]), 9
    logits = model(source, target).logits
    (gradient,) = torch.autograd.grad(logits[0, :2, scored].square().sum(), model.embedding.weight)
    touched = (gradient != 0).any(dim=1).nonzero().flatten()
    assert touched.tolist() == [BOS, 5, 6, 7, scored]


# --- initialisation ---


@torch.no_grad()
def test_matrices_are_xavier_uniform_and_biases_zero() -> None:
    torch.manual_seed(0)
    config = TransformerConfig(100, 96, 4, 2, 2, d_ff=320, attention_bias=True)
    for name, module in Transformer(config).named_modules():
        if isinstance(module, nn.Linear):
            fan_out, fan_in = module.weight.shape
            bound = sqrt(6 / (fan_in + fan_out))
            assert module.weight.abs().max() <= bound, name
            assert module.weight.abs().max() > 0.99 * bound, name
            # the variance of a uniform distribution: bound^2 / 3
            assert module.weight.var() == pytest.approx(2 / (fan_in + fan_out), rel=0.06), name
            assert module.weight.mean().abs() < 0.03 * bound, name
            assert not module.bias.any(), name
        elif isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all(), name
            assert not module.bias.any(), name


@pytest.mark.parametrize("d_model", [64, 256])
@torch.no_grad()
def test_embedded_tokens_start_with_variance_1_and_logits_small(d_model: int) -> None:
    torch.manual_seed(0)
    model = Transformer(TransformerConfig(400, d_model, 4, 2, 2, d_ff=128)).eval()
    assert model.embedding.weight.std() == pytest.approx(d_model**-0.5, rel=0.03)
    assert model.embedding.weight.mean().abs() < 0.02 * d_model**-0.5
    ids = torch.arange(3, 53)[None]
    assert 0.5 < model(ids, ids).logits.std() < 2  # far from certain of anything


def test_the_same_seed_makes_the_same_model() -> None:
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(Transformer(TransformerConfig.tiny(40)).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert not torch.equal(models[0]["embedding.weight"], models[2]["embedding.weight"])


# --- masks ---


def test_the_models_masks_on_the_page() -> None:
    model = random_model()
    assert model.source_mask(torch.tensor([[4, 5, PAD]])).int().tolist() == [[[[1, 1, 0]]]]
    mask = model.target_mask(torch.tensor([[BOS, 5, PAD]]))
    assert mask.int().tolist() == [[[[1, 0, 0], [1, 1, 0], [1, 1, 0]]]]


@pytest.mark.parametrize("norm", NORMS)
def test_longer_padding_changes_nothing_at_real_positions(norm: str) -> None:
    model = random_model(norm=norm, dtype=torch.float64)
    longer_source, longer_target = (F.pad(ids, (0, 5), value=PAD) for ids in (SOURCE, TARGET))
    before = layer_outputs(model, SOURCE, TARGET)
    after = layer_outputs(model, longer_source, longer_target)
    for name, out in before.items():
        real = SOURCE != PAD if name.startswith("encoder") else REAL
        assert_close(after[name][:, : real.shape[1]][real], out[real], **EXACT)


@pytest.mark.parametrize("norm", NORMS)
def test_the_padding_tokens_vector_changes_nothing_at_real_positions(norm: str) -> None:
    model = random_model(norm=norm, dtype=torch.float64)
    before = layer_outputs(model, SOURCE, TARGET)
    with torch.no_grad():
        model.embedding.weight[PAD] = 100 * normal(24, dtype=torch.float64)
    after = layer_outputs(model, SOURCE, TARGET)
    for name, out in before.items():
        real = SOURCE != PAD if name.startswith("encoder") else REAL
        a, b = after[name][real], out[real]
        if name == "logits":  # the padding token's own score is a product with that vector
            a, b = a[:, PAD + 1 :], b[:, PAD + 1 :]
        assert torch.equal(a, b), name


def test_a_row_is_the_same_alone_and_in_a_batch_of_longer_ones() -> None:
    model = random_model(dtype=torch.float64)
    batch = model(SOURCE, TARGET).logits
    alone = model(SOURCE[1:, :4], TARGET[1:, :3]).logits
    assert_close(batch[1:, :3], alone, **EXACT)


def test_padding_is_what_the_config_says() -> None:
    ids = {"pad_id": 2, "bos_id": 0, "eos_id": 1}
    model = random_model(dtype=torch.float64, **ids)
    source, target = SOURCE.where(SOURCE != PAD, 2), TARGET.where(REAL, 2)
    alone = model(source[1:, :4], target[1:, :3]).logits
    assert_close(model(source, target).logits[1:, :3], alone, **EXACT)
    zeros = source.where(source != 2, 0)  # an ordinary token here
    assert not torch.allclose(model(zeros, target).logits[1], model(source, target).logits[1])


@pytest.mark.parametrize("norm", NORMS)
def test_a_later_target_token_never_changes_an_earlier_position_of_any_layer(norm: str) -> None:
    model = random_model(norm=norm, dtype=torch.float64)
    source, target = random_ids((7, 7), seed=1), random_ids((6, 6), seed=2)
    before = layer_outputs(model, source, target)
    for t in range(6):
        other = target.clone()
        other[:, t:] = random_ids((6 - t,) * 2, seed=10 + t)
        other[:, t] = (target[:, t] - 3 + 11) % 34 + 3  # surely another
        after = layer_outputs(model, source, other)
        for name, out in before.items():
            if name.startswith("encoder"):
                assert torch.equal(after[name], out), name
            else:
                assert torch.equal(after[name][:, :t], out[:, :t]), name
                assert (after[name][:, t] != out[:, t]).any(dim=-1).all(), name


@pytest.mark.parametrize("norm", NORMS)
def test_each_logit_depends_on_the_whole_source_and_on_the_target_so_far(norm: str) -> None:
    """By the gradient, which is exactly 0 where nothing is looked at."""
    model = random_model(norm=norm, dtype=torch.float64)
    embedded: list[Tensor] = []

    def make_leaf(module: nn.Module, args: Any, out: Tensor) -> Tensor:
        embedded.append(out.detach().requires_grad_())
        return embedded[-1]

    hook = model.position.register_forward_hook(make_leaf)
    logits = model(SOURCE, TARGET).logits
    hook.remove()
    direction = normal(37, dtype=torch.float64, seed=3)
    past = torch.ones(6, 6, dtype=torch.bool).tril() & REAL[:, None]  # (B, T, T)
    for t in range(6):
        rows = REAL[:, t]  # what stands at padding is of no interest
        gradients = torch.autograd.grad(
            (logits[:, t] @ direction).sum(), embedded, retain_graph=True
        )
        on_source, on_target = ((gradient != 0).any(dim=-1) for gradient in gradients)
        assert torch.equal(on_source[rows], (SOURCE != PAD)[rows])
        assert torch.equal(on_target[rows], past[rows, t])


@pytest.mark.parametrize("asked", [False, True], ids=["fused", "formula"])
@pytest.mark.parametrize("norm", NORMS)
def test_a_source_of_padding_alone_gives_no_nan(norm: str, asked: bool) -> None:
    model = random_model(norm=norm, dtype=torch.float64)
    source = SOURCE.clone()
    source[1] = PAD
    output = model(source, TARGET, output_attentions=asked)
    assert output.logits.isfinite().all()
    assert_close(output.logits[0], model(SOURCE, TARGET).logits[0], **EXACT)
    for weights in output.cross_attentions + output.encoder_attentions:
        assert not weights[1].any()
    parameters = list(model.parameters())
    assert all(
        gradient.isfinite().all()
        for gradient in torch.autograd.grad(output.logits.square().sum(), parameters)
    )


def test_the_fused_form_and_the_formula_agree_on_a_source_of_padding_alone() -> None:
    model = random_model(dtype=torch.float64)
    source = SOURCE.clone()
    source[1] = PAD
    results = []
    for asked in (False, True):
        logits = model(source, TARGET, output_attentions=asked).logits
        results.append([logits, *torch.autograd.grad(logits.sum(), list(model.parameters()))])
    for fused, formula in zip(*results, strict=True):
        assert_close(fused, formula, atol=1e-9, rtol=0)  # gradients of up to some 100


# --- source and target ---


def test_the_encoder_sees_the_source_and_the_decoder_the_target() -> None:
    model = random_model(dtype=torch.float64)
    a, b = random_ids((5, 5), seed=1), random_ids((5, 5), seed=2)
    assert not torch.allclose(model(a, b).logits, model(b, a).logits)
    ab, aa, bb = (layer_outputs(model, *pair) for pair in ((a, b), (a, a), (b, b)))
    for name in (f"encoder.layers.{i}" for i in range(2)):
        assert torch.equal(ab[name], aa[name])  # the target does not reach the encoder
        assert not torch.allclose(ab[name], bb[name])
    assert not torch.allclose(ab["logits"], aa["logits"])
    assert not torch.allclose(ab["logits"], bb["logits"])


def test_the_source_reaches_the_decoder_by_cross_attention_alone() -> None:
    model = random_model(dtype=torch.float64)
    a, b = random_ids((5, 5), seed=1), random_ids((8, 8), seed=2)
    assert not torch.isclose(model(a, TARGET).logits, model(b, TARGET).logits).all(dim=-1).any()
    with torch.no_grad():
        for layer in model.decoder.layers:
            layer.cross_attention.o_proj.weight.zero_()
    assert torch.equal(model(a, TARGET).logits, model(b, TARGET).logits)


def test_forward_is_encode_then_decode_then_project() -> None:
    model = random_model(dtype=torch.float64)
    x = model.decode(TARGET, model.encode(SOURCE), model.source_mask(SOURCE))
    assert x.shape == (2, 6, 24)
    logits = model(SOURCE, TARGET).logits
    assert logits.shape == (2, 6, 37)
    assert torch.equal(model.project(x), logits)


# --- dropout ---


def test_dropout_is_on_in_training_and_off_in_eval() -> None:
    model = random_model(dtype=torch.float64, attention_dropout=0.1, ffn_dropout=0.1)
    with Calls() as calls:
        still = model(SOURCE, TARGET).logits
    assert calls.dropouts() == []
    assert torch.equal(model(SOURCE, TARGET).logits, still)
    model.train()
    first, second = model(SOURCE, TARGET).logits, model(SOURCE, TARGET).logits
    assert not torch.allclose(first, second)
    assert torch.equal(model.eval()(SOURCE, TARGET).logits, still)


def test_section_5_4_drops_two_sums_of_embeddings_and_every_sublayers_output() -> None:
    model = random_model(dropout=0.3).train()
    with Calls() as calls:
        model(SOURCE, TARGET)
    dropped = calls.dropouts()
    assert [p for _, p in dropped] == [0.3] * ((1 + 2 * 2) + (1 + 3 * 3))
    for (got, _), ids in ((dropped[0], SOURCE), (dropped[5], TARGET)):
        table = torch.from_numpy(paper_sinusoids(ids.shape[1], 24)).float()
        want = model.embedding.weight[ids] * sqrt(24) + table
        assert_close(got, want, atol=1e-5, rtol=0)


def test_torchs_extra_places_are_on_request() -> None:
    model = random_model(dropout=0.0, attention_dropout=0.2, ffn_dropout=0.1).train()
    with Calls() as calls:
        model(SOURCE, TARGET)
    assert [p for _, p in calls.dropouts()] == [0.2, 0.1] * 2 + [0.2, 0.2, 0.1] * 3


# --- attention weights ---


@pytest.mark.parametrize("norm", NORMS)
def test_weights_of_every_layer_and_head_equal_torch(norm: str) -> None:
    """Each attention's own input, given to torch.nn.MultiheadAttention with the same weights."""
    model = random_model(norm=norm, dtype=torch.float64)
    given: dict[str, tuple[Any, ...]] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given[name] = (module, *args)

        return hook

    for name, module in model.named_modules():
        if isinstance(module, MultiHeadAttention):
            module.register_forward_pre_hook(keep(name), with_kwargs=True)
    output = model(SOURCE, TARGET, output_attentions=True)
    future = torch.ones(6, 6, dtype=torch.bool).triu(1)
    kinds = (
        ("encoder.layers.{}.self_attention", output.encoder_attentions, SOURCE == PAD, None, 2),
        ("decoder.layers.{}.self_attention", output.decoder_attentions, TARGET == PAD, future, 3),
        ("decoder.layers.{}.cross_attention", output.cross_attentions, SOURCE == PAD, None, 3),
    )
    for name, attentions, padding, hidden, layers in kinds:
        assert len(attentions) == layers
        for i, weights in enumerate(attentions):
            module, x, *rest = given[name.format(i)]
            source = rest[0] if rest and rest[0] is not None else x
            twin = torch_attention(module.state_dict(), 4)
            options = {"key_padding_mask": padding, "average_attn_weights": False}
            _, want = twin(x, source, source, attn_mask=hidden, **options)
            assert weights.shape == (2, 4, x.shape[1], source.shape[1])
            assert_close(weights, want, **EXACT)
            assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:3]).double(), **EXACT)
            assert not weights.masked_select(padding[:, None, None]).any()


def test_weights_are_computed_only_when_asked_for() -> None:
    model = random_model(dtype=torch.float64).train(mode=False)
    with Calls() as calls:
        quiet = model(SOURCE, TARGET)
    assert (calls.fused, calls.formula) == (2 + 2 * 3, 0)
    assert quiet.encoder_attentions == quiet.decoder_attentions == quiet.cross_attentions == ()
    with Calls() as calls:
        shown = model(SOURCE, TARGET, output_attentions=True)
    assert (calls.fused, calls.formula) == (0, 2 + 2 * 3)
    assert_close(quiet.logits, shown.logits, **EXACT)


def test_heads_of_the_random_model_look_at_different_things() -> None:
    """The comparisons above are sharp: no head is uniform, none is another's twin."""
    output = random_model()(random_ids((12,)), random_ids((12,), seed=1), output_attentions=True)
    for weights in output.encoder_attentions + output.cross_attentions:
        assert weights.amax(dim=-1).mean() > 0.2  # uniform: 1/12
        heads = weights[0].flatten(1)
        assert torch.cdist(heads, heads)[~torch.eye(4, dtype=torch.bool)].min() > 0.5


# --- wrong input ---


@pytest.mark.parametrize("side", ["source_ids", "target_ids"])
@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(3, dtype=torch.long), torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool)],
    ids=["one axis", "floats", "bools"],
)
def test_what_is_not_a_batch_of_ids_is_refused(side: str, wrong: Tensor) -> None:
    model = random_model()
    pair = {"source_ids": SOURCE, "target_ids": TARGET} | {side: wrong}
    with pytest.raises(ValueError, match=f"{side} is {wrong.dtype} of shape .*give .B, T. int"):
        model(**pair)


def test_sources_and_targets_must_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="2 sources and 1 targets: give each source one target"):
        random_model()(SOURCE, TARGET[:1])


def test_random_ids_are_as_the_tests_above_need_them() -> None:
    assert torch.equal(SOURCE != PAD, is_real((7, 4), 7))
    assert torch.equal(REAL, is_real((6, 3), 6))
