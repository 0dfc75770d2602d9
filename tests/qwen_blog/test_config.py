"""Qwen2Config: files are read as transformers reads them, and wrong values are refused."""

import dataclasses
from typing import Any

import pytest
import torch
import transformers

from qwen_blog import Qwen2Config, Qwen2ForCausalLM, YarnScaling

from .reference import CASES, CONFIG_JSON, config_json, hf_config

NAN, INF = float("nan"), float("inf")

# The shapes of config.json as published with the checkpoints, and the parameters they amount to.
PUBLISHED = {
    "Qwen2-0.5B": (896, 4864, 24, 14, 2, 151936, True, 494_032_768),
    "Qwen2-1.5B": (1536, 8960, 28, 12, 2, 151936, True, 1_543_714_304),
    "Qwen2-7B": (3584, 18944, 28, 28, 4, 152064, False, 7_615_616_512),
}


def published_json(name: str) -> dict[str, Any]:
    """The config.json of a checkpoint, as transformers 4.40 wrote it."""
    width, mlp, layers, heads, kv_heads, vocab, tied, _ = PUBLISHED[name]
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151643,
        "hidden_act": "silu",
        "hidden_size": width,
        "initializer_range": 0.02,
        "intermediate_size": mlp,
        "max_position_embeddings": 131072,
        "max_window_layers": layers,
        "model_type": "qwen2",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 131072,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.40.1",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": vocab,
    }


def assert_reads_as_transformers_does(ours: Qwen2Config, raw: dict[str, Any]) -> None:
    """Every field of ours that transformers has too is equal."""
    theirs = hf_config(raw)
    for field in dataclasses.fields(ours):
        value = getattr(ours, field.name)
        if field.name in ("rope_theta", "rope_scaling"):
            continue
        want = getattr(theirs, field.name)
        assert value == (tuple(want) if isinstance(want, list) else want), field.name
    rope = theirs.rope_parameters
    assert ours.rope_theta == rope["rope_theta"]
    assert (ours.rope_scaling is None) == (rope["rope_type"] == "default")
    for name, value in vars(ours.rope_scaling).items() if ours.rope_scaling else ():
        if rope.get(name) is not None:
            assert value == rope[name], name


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_read_as_transformers_reads_them(name: str) -> None:
    raw = published_json(name)
    assert_reads_as_transformers_does(Qwen2Config.from_dict(raw), raw)


@pytest.mark.parametrize("case", CASES)
def test_both_layouts_of_config_json_are_read_as_transformers_reads_them(case: str) -> None:
    raw = config_json(case)
    assert_reads_as_transformers_does(Qwen2Config.from_dict(raw), raw)


def test_qwen2_0_5b_is_the_published_shape() -> None:
    raw = published_json("Qwen2-0.5B")
    assert Qwen2Config.qwen2_0_5b() == Qwen2Config.from_dict(raw)


@pytest.mark.parametrize("name", PUBLISHED)
def test_number_of_parameters_is_the_published_one(name: str) -> None:
    with torch.device("meta"):  # shapes without memory
        ours = Qwen2ForCausalLM(Qwen2Config.from_dict(published_json(name)))
        theirs = transformers.Qwen2ForCausalLM(hf_config(published_json(name)))
    assert ours.num_parameters() == PUBLISHED[name][-1] == theirs.num_parameters()
    shapes = {name: tensor.shape for name, tensor in ours.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in theirs.state_dict().items()}


@pytest.mark.parametrize("size", ["nano", "small"])
def test_named_sizes_have_the_parameters_that_they_claim(size: str) -> None:
    with torch.device("meta"):
        model = Qwen2ForCausalLM(getattr(Qwen2Config, size)())
    assert f"({model.num_parameters() / 1e6:.1f} M)" in getattr(Qwen2Config, size).__doc__


@pytest.mark.parametrize("missing", ["rope_theta", "tie_word_embeddings", "rms_norm_eps"])
def test_a_missing_key_means_what_transformers_takes_it_for(missing: str) -> None:
    raw = config_json("MHA")
    del raw[missing]
    assert_reads_as_transformers_does(Qwen2Config.from_dict(raw), raw)


def test_key_value_heads_of_null_means_as_many_as_query_heads() -> None:
    raw = CONFIG_JSON | {"num_key_value_heads": None}
    assert_reads_as_transformers_does(Qwen2Config.from_dict(raw), raw)
    assert Qwen2Config.from_dict(raw).num_key_value_heads == 4


@pytest.mark.parametrize("case", CASES)
def test_what_we_write_is_read_alike_by_us_and_by_transformers(case: str) -> None:
    config = Qwen2Config.from_dict(config_json(case) | {"eos_token_id": [3, 5]})
    raw = config.to_dict()
    assert Qwen2Config.from_dict(raw) == config
    assert_reads_as_transformers_does(config, raw)


@pytest.mark.parametrize("case", [case for case in CASES if "mixed" not in case])
def test_what_we_write_is_read_alike_by_transformers_4(case: str) -> None:
    # transformers 4 knows rope_theta, rope_scaling and max_window_layers, not what replaced them.
    config = Qwen2Config.from_dict(config_json(case))
    raw = config.to_dict()
    del raw["rope_parameters"], raw["layer_types"]
    assert Qwen2Config.from_dict(raw) == config
    assert_reads_as_transformers_does(config, raw)


def test_a_window_that_no_layer_uses_is_written_as_unused() -> None:
    raw = dataclasses.replace(Qwen2Config.nano(), sliding_window=9).to_dict()
    assert raw["use_sliding_window"] is False
    assert Qwen2Config.from_dict(raw) == Qwen2Config.nano()


def test_window_of_a_layer_follows_its_type() -> None:
    config = Qwen2Config.from_dict(config_json("window, layers mixed"))
    assert [config.window_of(i) for i in range(3)] == [20, None, 20]


def test_a_config_cannot_be_changed_after_it_was_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Qwen2Config.nano().hidden_size = 7


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        *(
            (field, value, "an integer of at least 1")
            for field in (
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "num_key_value_heads",
                "max_position_embeddings",
            )
            for value in (0, -3, 2.5, NAN, "8", None, True)
        ),
        ("num_attention_heads", 5, "must divide hidden_size=128"),
        ("num_key_value_heads", 3, "must divide 4 query heads"),
        ("num_key_value_heads", 8, "must divide 4 query heads"),
        *(
            (field, value, "a positive number")
            for field in ("rope_theta", "rms_norm_eps")
            for value in (0, -1.0, NAN, INF, "1e6", None)
        ),
        *(("attention_dropout", value, r"in \[0, 1\)") for value in (-0.1, 1.0, NAN, "0", None)),
        *(("initializer_range", value, "at least 0") for value in (-0.1, NAN, INF, "0", None)),
        *(("sliding_window", value, "at least 1, or None") for value in (0, -1, 2.5, NAN, "8")),
        ("layer_types", ("full_attention",) * 3, "3 entries, but num_hidden_layers=4"),
        ("layer_types", ("half_attention",) * 4, "must be 'full_attention' or 'sliding_attention'"),
        ("layer_types", ("sliding_attention",) * 4, "sliding_window must be a number"),
    ],
)
def test_wrong_value_names_field_and_remedy(field: str, value: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as error:
        dataclasses.replace(Qwen2Config.nano(), **{field: value})
    assert field in str(error.value)
    if field != "layer_types":
        assert repr(value) in str(error.value)


def test_odd_head_width_is_refused_because_rope_turns_pairs() -> None:
    with pytest.raises(ValueError, match="head width 3 must be even"):
        dataclasses.replace(Qwen2Config.nano(), hidden_size=12)


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        *(("factor", value, "at least 1") for value in (0.5, -4.0, NAN, INF, "4", None)),
        *(
            ("original_max_position_embeddings", value, "an integer of at least 1")
            for value in (0, -1, NAN, 2.5, "32", None)
        ),
        *(
            (field, value, "a positive number")
            for field in ("beta_fast", "beta_slow", "attention_factor")
            for value in (0, -1.0, NAN, INF, "1")
        ),
        ("beta_slow", 33.0, "must not be below"),
    ],
)
def test_wrong_yarn_value_names_field_and_remedy(field: str, value: object, remedy: str) -> None:
    yarn = YarnScaling(factor=4.0, original_max_position_embeddings=32)
    with pytest.raises(ValueError, match=remedy) as error:
        dataclasses.replace(yarn, **{field: value})
    assert field in str(error.value)
    assert str(value) in str(error.value)


def test_yarn_needs_a_base_above_1() -> None:
    yarn = YarnScaling(factor=4.0, original_max_position_embeddings=32)
    with pytest.raises(ValueError, match=r"rope_theta=1.0 must be above 1"):
        dataclasses.replace(Qwen2Config.nano(), rope_theta=1.0, rope_scaling=yarn)


@pytest.mark.parametrize("kind", ["linear", "dynamic", "llama3", "longrope", "proportional", "su"])
@pytest.mark.parametrize("layout", ["rope_scaling", "rope_parameters"])
@pytest.mark.parametrize("key", ["type", "rope_type"])
def test_other_rope_scalings_are_refused(kind: str, layout: str, key: str) -> None:
    raw = CONFIG_JSON | {layout: {key: kind, "factor": 4.0}}
    with pytest.raises(ValueError, match=f"rope_type='{kind}': only 'default' and 'yarn'"):
        Qwen2Config.from_dict(raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "model_type='llama': only 'qwen2'"),
        ({"model_type": None}, "model_type=None: only 'qwen2'"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu'.*'silu'"),
        ({"head_dim": 32}, "head_dim=32 must be hidden_size / num_attention_heads"),
        ({"head_dim": 16, "num_attention_heads": None}, r"lacks \['num_attention_heads'\]"),
        ({"vocab_size": None}, r"lacks \['vocab_size'\]"),
        ({"num_hidden_layers": "3"}, "num_hidden_layers='3' must be an integer"),
        ({"rope_theta": 0}, "rope_theta=0 must be a positive number"),
        ({"rope_theta": "high"}, "rope_theta='high' must be a positive number"),
        ({"rope_scaling": {"type": "yarn"}}, "yarn needs a factor"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0, "mscale": 1.0}}, "knows .* got .*mscale"),
        ({"rope_scaling": {"type": "yarn", "factor": "4"}}, "factor='4' must be a number"),
        ({"layer_types": ["sliding_attention"] * 3}, "sliding_window must be a number"),
    ],
)
def test_a_file_that_we_have_no_code_for_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Qwen2Config.from_dict(CONFIG_JSON | change)
