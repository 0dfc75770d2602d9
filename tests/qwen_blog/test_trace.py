"""The trace tells what really happened: the same numbers, in order, nothing left behind."""

import math

import matplotlib as mpl
import pytest
import torch

from qwen_blog import KVCache, Qwen2Config, Qwen2ForCausalLM, trace

mpl.use("Agg")
IDS = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    return Qwen2ForCausalLM(Qwen2Config.nano()).eval()


@pytest.fixture(scope="module")
def journey(model):
    return trace(model, IDS, keep=True)


def test_tracing_changes_no_number(model, journey) -> None:
    with torch.no_grad():
        assert torch.equal(
            journey.logits, model(torch.tensor([IDS]), output_attentions=True).logits
        )


def test_the_kept_tensors_are_the_models_hidden_states(model, journey) -> None:
    with torch.no_grad():
        output = model(torch.tensor([IDS]), output_hidden_states=True, output_attentions=True)
    for layer in range(model.config.num_hidden_layers):
        own = [s for s in journey.within(f"model.layers.{layer}") if s.module.count(".") == 2]
        # A layer's own operations are its two residual additions; the second is its output.
        assert [step.op for step in own] == ["add", "add"]
        if layer + 1 < model.config.num_hidden_layers:
            assert torch.equal(own[1].tensor, output.hidden_states[layer + 1])
    assert torch.equal(journey.within("model.norm")[-1].tensor, output.hidden_states[-1])
    softmax = [s.tensor for s in journey if s.op == "softmax"]
    assert all(torch.equal(a, b) for a, b in zip(softmax, output.attentions, strict=True))


def test_one_layer_is_the_story_told_in_chapter_22(journey) -> None:
    steps = journey.path().within("model.layers.0")
    story = [(s.module.removeprefix("model.layers.0").strip("."), s.op) for s in steps]
    landmarks = [
        ("input_layernorm", "rsqrt"),
        ("self_attn.q_proj", "linear"),
        ("self_attn.k_proj", "linear"),
        ("self_attn.v_proj", "linear"),
        ("self_attn", "neg"),  # rotate_half
        ("self_attn", "expand"),  # repeat_kv
        ("self_attn", "matmul"),
        ("self_attn", "masked_fill"),
        ("self_attn", "softmax"),
        ("self_attn.o_proj", "linear"),
        ("", "add"),
        ("post_attention_layernorm", "rsqrt"),
        ("mlp.gate_proj", "linear"),
        ("mlp", "silu"),
        ("mlp.up_proj", "linear"),
        ("mlp.down_proj", "linear"),
    ]
    places = [story.index(landmark) for landmark in landmarks]
    assert places == sorted(places)


def test_shapes_follow_the_config(model, journey) -> None:
    config, T = model.config, len(IDS)
    steps = {(s.module.split(".")[-1], s.op): s for s in journey.within("model.layers.0")}
    assert steps["q_proj", "linear"].output == (1, T, config.hidden_size)
    assert steps["k_proj", "linear"].inputs == ((1, T, 128), (64, 128), (64,))
    assert steps["self_attn", "softmax"].output == (1, config.num_attention_heads, T, T)
    assert journey[-1].output == (1, T, config.vocab_size)
    assert [step.index for step in journey] == list(range(len(journey)))


def test_angles_and_masks_are_beside_the_path_and_the_rest_is_on_it(journey) -> None:
    assert not any(step.on_path for step in journey.within("model.rotary_emb"))
    beside = {s.op for s in journey.within("model.layers.0.self_attn") if not s.on_path}
    assert beside == {"arange", "getitem", "sub", "ge", "invert"}
    assert all(step.on_path for step in journey if step.op in ("linear", "softmax", "matmul"))


def test_statistics_are_over_finite_entries(journey) -> None:
    masked = next(step for step in journey if step.op == "masked_fill")
    finite = masked.tensor[masked.tensor.isfinite()]
    assert masked.low == -math.inf
    assert masked.mean == pytest.approx(float(finite.mean()), rel=1e-5)
    assert masked.std == pytest.approx(float(finite.std(correction=0)), rel=1e-5)
    assert masked.high == float(masked.tensor.max())


def test_tensors_are_kept_only_on_request(model) -> None:
    assert all(step.tensor is None for step in trace(model, IDS))


def test_a_fused_trace_shows_attention_as_one_step(model) -> None:
    ops = [step.op for step in trace(model, IDS, fused=True)]
    assert ops.count("scaled_dot_product_attention") == model.config.num_hidden_layers
    assert "softmax" not in ops


def test_a_decoding_step_shows_what_the_cache_takes_and_gives(model) -> None:
    cache = KVCache.for_model(model, 1, 10)
    trace(model, IDS, cache=cache)
    steps = trace(model, [9], cache=cache, fused=True).within("model.layers.0.self_attn")
    written = [step for step in steps if step.op == "setitem"]
    assert [step.output for step in written] == [(1, 2, 1, 32)] * 2
    attention = next(step for step in steps if step.op == "scaled_dot_product_attention")
    assert attention.inputs == ((1, 2, 2, 32), (1, 2, 6, 32), (1, 2, 6, 32))
    assert attention.on_path
    assert cache.length == 6


def test_tracing_leaves_no_hook_behind_even_when_the_model_fails(model) -> None:
    with pytest.raises(ValueError, match="outside the vocabulary"):
        trace(model, [99_999])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_text_in_place_of_ids_is_refused(model) -> None:
    with pytest.raises(ValueError, match="ids='hello' must be token ids"):
        trace(model, "hello")


def test_an_unknown_module_is_refused_with_the_list_of_known_ones(journey) -> None:
    with pytest.raises(ValueError, match=r"no step in module 'layers.0'.*model.layers.0.mlp"):
        journey.within("layers.0")


def test_the_table_is_aligned_and_names_each_module_once_in_a_row(journey) -> None:
    lines = str(journey.within("model.layers.0")).splitlines()
    assert len(lines) == len(journey.within("model.layers.0")) + 1
    for word in ("op", "inputs", "output", "dtype"):
        column = lines[0].index(word)
        assert all(line[column - 1] == " " and line[column] != " " for line in lines[1:15])
    assert sum("input_layernorm" in line for line in lines) == 1
    assert any("(arange)" in line for line in lines)


def test_the_drawing_shows_sizes_and_spreads_of_every_step(journey) -> None:
    part = journey.path().within("model.layers.0")
    axes = part.draw()
    sizes = axes[0].lines[0].get_ydata()
    assert list(sizes) == [math.prod(step.output) for step in part]
    assert [tick.get_text() for tick in axes[1].get_xticklabels()] == [s.op for s in part]
    names = {text.get_text() for text in journey.draw()[0].texts}
    assert {"layers.0", "layers.3", "norm"} <= names
    assert "embed_tokens" not in names  # one step wide: its name would cover the next
