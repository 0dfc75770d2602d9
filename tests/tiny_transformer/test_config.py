"""TransformerConfig: the paper's sizes, and every wrong value refused with its remedy."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_transformer.config import TransformerConfig

from .reference import PROPERTY

NAN, INF = float("nan"), float("inf")
SIZES = ("vocab_size", "d_model", "num_heads", "d_ff")
DEPTHS = ("num_encoder_layers", "num_decoder_layers")
IDS = ("pad_id", "bos_id", "eos_id")
DROPOUTS = ("dropout", "attention_dropout", "ffn_dropout")
NOT_INTEGERS = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=2)
)
NOT_NUMBERS = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.lists(st.floats(), max_size=2)
)


def refused(**changes: Any) -> str:
    """The message of the ValueError that these changes of the base model bring about."""
    with pytest.raises(ValueError, match="must") as caught:
        dataclasses.replace(TransformerConfig.base(), **changes)
    return str(caught.value)


# --- the sizes of Table 3 ---


def test_base_is_the_first_line_of_table_3() -> None:
    base = TransformerConfig.base()
    assert base == TransformerConfig()
    assert (base.num_encoder_layers, base.num_decoder_layers) == (6, 6)
    assert (base.d_model, base.d_ff, base.num_heads, base.head_dim) == (512, 2048, 8, 64)
    assert (base.dropout, base.vocab_size) == (0.1, 37000)


def test_big_is_the_last_line_of_table_3() -> None:
    big = TransformerConfig.big()
    assert (big.num_encoder_layers, big.num_decoder_layers) == (6, 6)
    assert (big.d_model, big.d_ff, big.num_heads, big.head_dim) == (1024, 4096, 16, 64)
    assert (big.dropout, big.vocab_size) == (0.3, 37000)


@pytest.mark.parametrize("name", ["base", "big", "tiny"])
def test_all_named_shapes_are_the_papers_in_all_else(name: str) -> None:
    config = getattr(TransformerConfig, name)(vocab_size=321)
    assert config.vocab_size == 321
    assert (config.norm, config.attention_bias) == ("post", False)
    assert (config.attention_dropout, config.ffn_dropout) == (0.0, 0.0)
    assert (config.pad_id, config.bos_id, config.eos_id) == (0, 1, 2)


def test_a_config_cannot_be_changed_after_its_check() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TransformerConfig().d_model = 7  # type: ignore[misc]


# --- wrong values ---


@PROPERTY
@given(name=st.sampled_from(SIZES + DEPTHS), value=st.integers(max_value=-1) | NOT_INTEGERS)
def test_sizes_that_are_no_size_are_refused(name: str, value: Any) -> None:
    low = 1 if name in SIZES else 0
    assert refused(**{name: value}) == f"{name}={value!r} must be an integer of at least {low}"


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_zero_are_refused(name: str) -> None:
    assert refused(**{name: 0}) == f"{name}=0 must be an integer of at least 1"


@pytest.mark.parametrize("name", DEPTHS)
def test_stacks_without_layers_are_allowed(name: str) -> None:
    assert getattr(TransformerConfig(**{name: 0}), name) == 0


@PROPERTY
@given(d_model=st.integers(1, 60), num_heads=st.integers(1, 60))
def test_heads_must_divide_the_width(d_model: int, num_heads: int) -> None:
    if d_model % num_heads:
        message = refused(d_model=d_model, num_heads=num_heads)
        assert message == f"num_heads={num_heads} must divide d_model={d_model}"
    else:
        config = TransformerConfig(d_model=d_model, num_heads=num_heads)
        assert config.head_dim * num_heads == d_model


@PROPERTY
@given(name=st.sampled_from(IDS), value=st.integers(max_value=-1) | NOT_INTEGERS)
def test_ids_that_are_no_id_are_refused(name: str, value: Any) -> None:
    assert refused(**{name: value}) == f"{name}={value!r} must be an integer of at least 0"


@pytest.mark.parametrize("name", IDS)
def test_ids_beyond_the_vocabulary_are_refused(name: str) -> None:
    assert refused(vocab_size=10, **{name: 10}) == f"{name}=10 must be below vocab_size=10"
    assert getattr(TransformerConfig(vocab_size=10, **{name: 9}), name) == 9


@pytest.mark.parametrize("pair", [("pad_id", "bos_id"), ("pad_id", "eos_id"), ("bos_id", "eos_id")])
def test_special_ids_must_differ(pair: tuple[str, str]) -> None:
    message = refused(**dict.fromkeys(pair, 7))
    assert f"{pair[0]}=7" in message
    assert f"{pair[1]}=7" in message
    assert "must differ" in message


@PROPERTY
@given(
    name=st.sampled_from(DROPOUTS),
    value=NOT_NUMBERS | st.floats(max_value=0, exclude_max=True) | st.floats(min_value=1),
)
def test_dropouts_that_are_no_probability_are_refused(name: str, value: Any) -> None:
    assert refused(**{name: value}) == f"{name}={value!r} must be a number in [0, 1)"


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropouts_at_the_edges(name: str) -> None:
    assert getattr(TransformerConfig(**{name: 0}), name) == 0
    assert getattr(TransformerConfig(**{name: 0.999}), name) == 0.999
    for wrong in (1, 1.0, NAN, -0.1):
        assert "must be a number in [0, 1)" in refused(**{name: wrong})


@pytest.mark.parametrize("value", ["Post", "", None, 1, ["post"]])
def test_norms_that_are_none_are_refused(value: Any) -> None:
    assert refused(norm=value) == f"norm={value!r} must be one of post, pre"


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_bias_is_true_or_false(value: Any) -> None:
    assert refused(attention_bias=value) == f"attention_bias={value!r} must be true or false"


@pytest.mark.parametrize("value", [0, -1e-5, NAN, INF, "1e-5", None, True])
def test_eps_is_a_finite_number_above_zero(value: Any) -> None:
    message = f"layer_norm_eps={value!r} must be a finite number above 0"
    assert refused(layer_norm_eps=value) == message


# --- config.json ---


@PROPERTY
@given(
    heads=st.integers(1, 4),
    head_dim=st.integers(1, 5),
    depths=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dropouts=st.tuples(*[st.floats(0, 0.99)] * 3),
    norm=st.sampled_from(["post", "pre"]),
    bias=st.booleans(),
    eps=st.floats(1e-12, 1),
    ids=st.permutations([3, 5, 8]),
)
def test_a_config_survives_its_way_through_json(
    heads: int,
    head_dim: int,
    depths: tuple[int, int],
    dropouts: tuple[float, float, float],
    norm: str,
    bias: bool,
    eps: float,
    ids: list[int],
) -> None:
    config = TransformerConfig(
        9, heads * head_dim, heads, *depths, 11, *dropouts, norm, bias, eps, *ids
    )
    assert TransformerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_to_dict_has_every_field_under_its_name() -> None:
    values = TransformerConfig.base().to_dict()
    assert list(values) == [field.name for field in dataclasses.fields(TransformerConfig)]
    assert values["d_model"] == 512


def test_unknown_and_missing_fields_are_named() -> None:
    values = TransformerConfig.tiny().to_dict()
    del values["d_ff"]
    with pytest.raises(ValueError, match=r"unknown: none \(remove\), missing: d_ff \(add\)"):
        TransformerConfig.from_dict(values)
    with pytest.raises(ValueError, match=r"unknown: dim, n \(remove\), missing: d_ff \(add\)"):
        TransformerConfig.from_dict(values | {"n": 1, "dim": 2})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("d_model", "128"),
        ("d_model", 128.0),
        ("num_heads", [4]),
        ("pad_id", None),
        ("dropout", "0.1"),
        ("norm", {}),
        ("attention_bias", "false"),
        ("layer_norm_eps", "1e-5"),
    ],
)
def test_values_of_the_wrong_type_in_a_file_are_named(name: str, value: Any) -> None:
    values = TransformerConfig.tiny().to_dict() | {name: value}
    with pytest.raises(ValueError, match=name):
        TransformerConfig.from_dict(json.loads(json.dumps(values)))
