"""One layer: where the norm is, where the residual is, where dropout falls, what depends on what.

That the numbers are torch's is in test_parity.py.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from tiny_transformer.attention import causal_mask
from tiny_transformer.dropout import Dropout
from tiny_transformer.layers import DecoderLayer, EncoderLayer, FeedForward, Residual

from .reference import Calls, is_real, normal, randomise, small, torch_attention

NORMS = ("post", "pre")
KINDS = ("encoder", "decoder")
EXACT = {"atol": 1e-12, "rtol": 0}  # float64
Layer = EncoderLayer | DecoderLayer


def class_of(kind: str) -> type[Layer]:
    """Looked up when a test runs: by then a learner's class may stand in its place."""
    return EncoderLayer if kind == "encoder" else DecoderLayer


def layer_of(kind: type[nn.Module], **changes: Any) -> Any:
    layer = kind(small(**changes)).double().eval()
    randomise(layer)
    return layer


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, 24, dtype=torch.float64, seed=seed)


def normalised(x: Tensor, norm: nn.LayerNorm, eps: float = 1e-5) -> Tensor:
    """LayerNorm written out: over the width, each position by itself."""
    centred = x - x.mean(dim=-1, keepdim=True)
    deviation = (centred.square().mean(dim=-1, keepdim=True) + eps).sqrt()
    return centred / deviation * norm.weight + norm.bias


# --- the feed-forward network ---


def test_feed_forward_is_equation_2() -> None:
    network, x = layer_of(FeedForward), vectors(2, 5)
    hidden = (x @ network.w_1.weight.T + network.w_1.bias).clamp(min=0)
    assert_close(network(x), hidden @ network.w_2.weight.T + network.w_2.bias, **EXACT)


def test_feed_forward_looks_at_each_position_alone() -> None:
    network, x = layer_of(FeedForward), vectors(2, 5)
    changed = x.clone()
    changed[:, 3] += 1
    same = torch.tensor([True, True, True, False, True])
    assert_close(network(changed)[:, same], network(x)[:, same], **EXACT)
    assert not torch.allclose(network(changed)[:, 3], network(x)[:, 3])


# --- the residual connection ---


def test_post_norm_is_the_norm_of_the_sum() -> None:
    residual, x, y = layer_of(Residual), vectors(2, 5), vectors(2, 5, seed=1)
    assert_close(residual(x, lambda _: y), normalised(x + y, residual.norm), **EXACT)
    seen: list[Tensor] = []
    residual(x, lambda given: seen.append(given) or y)
    assert torch.equal(seen[0], x)


def test_pre_norm_is_the_sum_with_a_normalised_input() -> None:
    residual, x, y = layer_of(Residual, norm="pre"), vectors(2, 5), vectors(2, 5, seed=1)
    assert_close(residual(x, lambda _: y), x + y, **EXACT)
    seen: list[Tensor] = []
    residual(x, lambda given: seen.append(given) or y)
    assert_close(seen[0], normalised(x, residual.norm), **EXACT)


def test_eps_is_the_configs() -> None:
    residual, x = layer_of(Residual, layer_norm_eps=0.5), vectors(2, 5)
    got = residual(x, torch.zeros_like)
    assert_close(got, normalised(x, residual.norm, eps=0.5), **EXACT)


@pytest.mark.parametrize("norm", NORMS)
def test_dropout_is_on_the_sublayers_output_before_the_sum(norm: str) -> None:
    residual = layer_of(Residual, norm=norm, dropout=0.5).train()
    x, y = vectors(2, 5), vectors(2, 5, seed=1)
    torch.manual_seed(3)
    got = residual(x, lambda _: y)
    torch.manual_seed(3)
    total = x + Dropout(0.5)(y)
    assert not torch.allclose(total, x + y)
    assert_close(got, normalised(total, residual.norm) if norm == "post" else total, **EXACT)


def test_dropout_spares_the_residual_and_comes_before_the_norm() -> None:
    """x is constant and y is 1 everywhere: the result shows what was dropped."""
    torch.manual_seed(0)
    x, y = torch.full((2, 5, 24), 3.0).double(), torch.ones(2, 5, 24).double()
    pre, post = (Residual(small(norm=norm, dropout=0.5)).double() for norm in ("pre", "post"))
    out = pre(x, lambda _: y)
    assert set(out.unique().tolist()) == {3.0, 5.0}  # dropped, or doubled
    out = post(x, lambda _: y)
    kept = out > 0  # the mean of each row is 0
    assert 0.3 < kept.double().mean() < 0.7
    assert_close(out, normalised(x + 2.0 * kept, post.norm), **EXACT)
    for residual in (pre, post):
        still = residual.eval()(x, lambda _: y)
        assert_close(still, x + y if residual is pre else torch.zeros_like(x), **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_each_sublayer_is_dropped_from_for_itself(kind: str) -> None:
    """Sublayers that return 1 whatever comes: with pre-norm, x grows by 0 or 2 at each."""
    torch.manual_seed(0)
    layer = layer_of(class_of(kind), norm="pre", dropout=0.5).train()
    zero_sublayers(layer)
    for name, parameter in layer.named_parameters():
        if name.endswith(("o_proj.bias", "w_2.bias")):
            nn.init.ones_(parameter)
    x, memory = vectors(2, 50), vectors(2, 3, seed=1)
    grown = (layer(x) if kind == "encoder" else layer(x, memory)) - x
    steps = 2 if kind == "encoder" else 3
    assert grown.round().unique().tolist() == [2 * n for n in range(steps + 1)]
    assert grown.mean().item() == pytest.approx(steps, rel=0.1)


def zero_sublayers(layer: nn.Module) -> None:
    for name, parameter in layer.named_parameters():
        if "o_proj" in name or "w_2" in name:
            nn.init.zeros_(parameter)


@pytest.mark.parametrize("kind", KINDS)
def test_zeroed_sublayers_leave_layer_norm_of_x(kind: str) -> None:
    layer = layer_of(class_of(kind))
    zero_sublayers(layer)
    x, memory = vectors(2, 5), vectors(2, 3, seed=1)
    got = layer(x) if kind == "encoder" else layer(x, memory)
    want = x
    assert len(layer.residuals) == (2 if kind == "encoder" else 3)
    for residual in layer.residuals:
        want = normalised(want, residual.norm)
    assert_close(got, want, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_zeroed_sublayers_leave_x_itself_with_pre_norm(kind: str) -> None:
    layer = layer_of(class_of(kind), norm="pre")
    zero_sublayers(layer)
    x, memory = vectors(2, 5), vectors(2, 3, seed=1)
    got = layer(x) if kind == "encoder" else layer(x, memory)
    assert torch.equal(got, x)


# --- section 5.4 and the places torch adds ---


def dropped_in(layer: Layer, *inputs: Tensor) -> tuple[list[tuple[Tensor, float]], list[Tensor]]:
    """What dropout was given and with which probability; and what the sublayers returned."""
    outputs: list[Tensor] = []
    names = [name for name, _ in layer.named_children() if name != "residuals"]
    hooks = [
        getattr(layer, name).register_forward_hook(lambda m, args, out: outputs.append(out))
        for name in names
    ]
    with Calls() as calls:
        layer(*inputs)
    for hook in hooks:
        hook.remove()
    return calls.dropouts(), outputs


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_where_section_5_4_puts_it_and_nowhere_else(kind: str, norm: str) -> None:
    layer = layer_of(class_of(kind), norm=norm, dropout=0.3).train()
    inputs = (vectors(2, 5),) if kind == "encoder" else (vectors(2, 5), vectors(2, 3))
    dropped, outputs = dropped_in(layer, *inputs)
    assert len(outputs) == (2 if kind == "encoder" else 3)
    assert [p for _, p in dropped] == [0.3] * len(outputs)
    assert all(x is out for (x, _), out in zip(dropped, outputs, strict=True))
    assert dropped_in(layer.eval(), *inputs)[0] == []


@pytest.mark.parametrize("kind", KINDS)
def test_torchs_extra_dropout_is_on_request(kind: str) -> None:
    layer = layer_of(class_of(kind), dropout=0.3, attention_dropout=0.2, ffn_dropout=0.1).train()
    inputs = (vectors(2, 5),) if kind == "encoder" else (vectors(2, 5), vectors(2, 3))
    dropped, _ = dropped_in(layer, *inputs)
    attentions = 1 if kind == "encoder" else 2
    assert [p for _, p in dropped] == [0.2, 0.3] * attentions + [0.1, 0.3]
    hidden = dropped[-2][0]
    assert hidden.shape[-1] == 40  # d_ff: between the two matrices, behind ReLU
    assert (hidden >= 0).all()
    assert dropped_in(layer.eval(), *inputs)[0] == []


# --- what depends on what ---


def depends(out: Tensor, given: Tensor) -> Tensor:
    """(B, T, S) bool: whether out[b, t] changes with given[b, s], by its gradient, exactly."""
    direction = normal(out.shape[-1], dtype=out.dtype, seed=7)
    rows = []
    for t in range(out.shape[1]):
        (gradient,) = torch.autograd.grad((out[:, t] @ direction).sum(), given, retain_graph=True)
        rows.append((gradient != 0).any(dim=-1))
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("norm", NORMS)
def test_an_encoder_layer_depends_on_all_real_positions(norm: str) -> None:
    layer, x = layer_of(EncoderLayer, norm=norm), vectors(2, 5).requires_grad_()
    real = is_real((5, 3), 5)
    itself = torch.eye(5, dtype=torch.bool)  # by the residual connection
    want = real[:, None, :] | itself
    assert torch.equal(depends(layer(x, real[:, None, None]), x), want)
    assert depends(layer(x), x).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_decoder_layer_depends_on_the_past_and_on_the_real_source(norm: str) -> None:
    layer = layer_of(DecoderLayer, norm=norm)
    x, memory = vectors(2, 4).requires_grad_(), vectors(2, 6, seed=1).requires_grad_()
    real = is_real((6, 2), 6)
    out = layer(x, memory, causal_mask(4), real[:, None, None])
    past = torch.ones(4, 4, dtype=torch.bool).tril()
    assert torch.equal(depends(out, x), past.expand(2, 4, 4))
    assert torch.equal(depends(out, memory), real[:, None].expand(2, 4, 6))


@pytest.mark.parametrize("norm", NORMS)
def test_an_encoder_layer_collects_weights_that_are_torchs(norm: str) -> None:
    layer, x = layer_of(EncoderLayer, norm=norm), vectors(2, 5)
    collected: list[Tensor] = []
    assert_close(layer(x, attentions=collected), layer(x), **EXACT)
    (weights,) = collected
    given = normalised(x, layer.residuals[0].norm) if norm == "pre" else x
    twin = torch_attention(layer.self_attention.state_dict(), 4)
    _, want = twin(given, given, given, average_attn_weights=False)
    assert_close(weights, want, **EXACT)


def test_a_decoder_layer_collects_its_two_kinds_of_weights_apart() -> None:
    layer = layer_of(DecoderLayer)
    own: list[Tensor] = []
    cross: list[Tensor] = []
    x, memory = vectors(2, 4), vectors(2, 6, seed=1)
    out = layer(x, memory, causal_mask(4), None, None, own, cross)
    assert [w.shape for w in own] == [(2, 4, 4, 4)]
    assert [w.shape for w in cross] == [(2, 4, 4, 6)]
    assert_close(out, layer(x, memory, causal_mask(4)), **EXACT)
    for only in ({"self_attentions": []}, {"cross_attentions": []}):  # one without the other
        assert_close(layer(x, memory, causal_mask(4), **only), out, **EXACT)
        assert len(next(iter(only.values()))) == 1
