"""Model folders: what we write, transformers reads, and the other way round; damage has a name.

Weights are compared exactly: loading is no arithmetic. Logits are compared to 1e-4 in float32 (see
test_parity) and to a twentieth of their spread in float16 and bfloat16.
"""

import copy
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from qwen_blog import Qwen2Config, Qwen2ForCausalLM, RotaryEmbedding, checkpoint
from qwen_blog.fast import fuse
from qwen_blog.model_folder import find_tensors

from .reference import CASES, CONFIG_JSON, PROPERTY, batch, models

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SHARD_BYTES = 60_000  # cuts the float32 models of these tests into several files
SOME = ("GQA", "tied", "window, layers mixed", "yarn, ramp within")
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def edit_json(file: Path, **changes: Any) -> None:
    """Set keys; None takes one away."""
    raw = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in raw.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


def edit_weights(folder: Path, remove: tuple[str, ...] = (), **changes: torch.Tensor) -> None:
    """Take tensors out of model.safetensors, put others in."""
    file = folder / "model.safetensors"
    tensors = load_file(file) | changes
    left = {name: x.clone() for name, x in tensors.items() if name not in remove}
    save_file(left, file, metadata={"format": "pt"})


def hf_load(folder: Path, **options: Any) -> transformers.Qwen2ForCausalLM:
    model, info = transformers.Qwen2ForCausalLM.from_pretrained(
        folder, output_loading_info=True, **options
    )
    assert not any(info.values()), info  # nothing missing, unexpected or mismatched
    return model


def assert_same_model(got: torch.nn.Module, want: torch.nn.Module, case: str = "GQA") -> None:
    """Every weight to the last bit, and the same logits."""
    weights, expected = got.state_dict(), want.state_dict()
    assert weights.keys() == expected.keys()
    for name in weights:
        assert weights[name].dtype == expected[name].dtype
        assert torch.equal(weights[name], expected[name]), name
    ids, _ = batch(case, "none")
    with torch.no_grad():
        ours, theirs = got(ids).logits.float(), want(ids).logits.float()
    exact = next(want.parameters()).dtype == torch.float32
    assert_close(ours, theirs, atol=1e-4 if exact else 0.05 * float(theirs.std()), rtol=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model, untied, in one file."""
    models("GQA")[0].save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """The same in shards."""
    models("GQA")[0].save_pretrained(tmp_path / "shards", max_shard_bytes=SHARD_BYTES)
    return tmp_path / "shards"


# --- config.json: transformers' own Qwen2Config is the oracle ---------------------------------

QWEN2_0_5B = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "hidden_act": "silu",
    "hidden_size": 896,
    "initializer_range": 0.02,
    "intermediate_size": 4864,
    "max_position_embeddings": 131072,
    "max_window_layers": 24,
    "model_type": "qwen2",
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 131072,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
QWEN2_5_7B = QWEN2_0_5B | {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_window_layers": 28,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
    "use_mrope": False,
    "vocab_size": 152064,
}
PUBLISHED = {
    "Qwen2-0.5B": QWEN2_0_5B,
    "Qwen2.5-7B": QWEN2_5_7B,
    # As the model card of Qwen2.5-7B-Instruct says to write it for long texts.
    "Qwen2.5-7B, long": QWEN2_5_7B
    | {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
}


def assert_read_alike(raw: dict[str, Any]) -> Qwen2Config:
    """Ours and theirs, each from its own copy: transformers writes into the dicts it is given."""
    ours = Qwen2Config.from_dict(copy.deepcopy(raw))
    theirs = transformers.Qwen2Config.from_dict(copy.deepcopy(raw))
    eos = list(ours.eos_token_id) if isinstance(ours.eos_token_id, tuple) else ours.eos_token_id
    assert eos == theirs.eos_token_id
    assert list(ours.layer_types) == theirs.layer_types
    same = set(vars(ours)) - {"layer_types", "eos_token_id", "rope_theta", "rope_scaling"}
    assert {key: getattr(ours, key) for key in same} == {key: getattr(theirs, key) for key in same}
    assert ours.rope_theta == theirs.rope_parameters["rope_theta"]
    rope = Qwen2RotaryEmbedding(theirs)
    assert torch.equal(RotaryEmbedding(ours).inv_freq, rope.inv_freq)
    assert RotaryEmbedding(ours).scale == rope.attention_scaling
    return ours


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_config_reads_as_in_transformers(name: str) -> None:
    config = assert_read_alike(PUBLISHED[name])
    assert config.sliding_window is None  # written in the file, but use_sliding_window is false
    assert config.rope_theta == 1e6


def test_published_config_of_the_half_billion_model_is_our_named_constructor() -> None:
    assert Qwen2Config.from_dict(QWEN2_0_5B) == Qwen2Config.qwen2_0_5b()
    with torch.device("meta"):
        assert Qwen2ForCausalLM(Qwen2Config.qwen2_0_5b()).num_parameters() == 494_032_768
        assert Qwen2ForCausalLM(Qwen2Config.from_dict(QWEN2_5_7B)).num_parameters() == 7_615_616_512


def _maybe(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values, or `...` for a key that is not in the file."""
    return st.sampled_from([..., *values])


def _present(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not ...}


THETAS = (10_000.0, 500_000, 1e6)
YARN = st.fixed_dictionaries(
    {
        "rope_type": st.just("yarn"),
        "factor": st.sampled_from([1.0, 2, 4.0, 8.5]),
        "rope_theta": _maybe(*THETAS),
        "original_max_position_embeddings": _maybe(32, 1024, 32768),
        "beta_fast": _maybe(None, 16, 32.0),
        "beta_slow": _maybe(None, 1, 2.0),
        "attention_factor": _maybe(None, 1.5, 0.9),
        "truncate": _maybe(True, False),
    }
)
PLAIN = st.fixed_dictionaries({"rope_type": _maybe("default"), "rope_theta": _maybe(*THETAS)})
ROPE = (YARN | PLAIN).map(_present)
OLD_ROPE = ROPE.map(lambda rope: {k.replace("rope_type", "type"): v for k, v in rope.items()})
LAYERS = st.lists(st.sampled_from(["full_attention", "sliding_attention"]), min_size=3, max_size=3)
VARIED = {
    "rope_theta": _maybe(*THETAS),
    "rope_scaling": _maybe(None) | OLD_ROPE | ROPE,
    "rope_parameters": _maybe(None) | ROPE,
    "use_sliding_window": _maybe(True, False),
    "sliding_window": _maybe(None, 1, 64),
    "max_window_layers": _maybe(0, 2, 3, 28),
    "layer_types": _maybe(None) | LAYERS,
    "num_key_value_heads": st.sampled_from([None, 1, 2, 4]),
    "tie_word_embeddings": _maybe(True, False),
    "eos_token_id": _maybe(None, 3, [3, 4]),
    "rms_norm_eps": _maybe(1e-5, 1e-6),
    "torch_dtype": _maybe("bfloat16"),
}
CONFIGS = st.fixed_dictionaries(VARIED).map(_present)


@settings(PROPERTY, max_examples=300)
@given(CONFIGS)
def test_any_config_reads_as_in_transformers(raw: dict[str, Any]) -> None:
    base = {key: value for key, value in CONFIG_JSON.items() if key not in VARIED}
    theirs = transformers.Qwen2Config.from_dict(copy.deepcopy(base | raw))
    if theirs.sliding_window is None and "sliding_attention" in theirs.layer_types:
        with pytest.raises(ValueError, match="sliding_window must be"):
            Qwen2Config.from_dict(base | raw)  # transformers takes it, and cannot run it
    else:
        assert_read_alike(base | raw)


@pytest.mark.parametrize("case", CASES)
def test_config_json_we_write_means_the_same_to_transformers_4_and_5(case: str) -> None:
    config = models(case)[0].config
    written = config.to_dict()
    new_keys = {"rope_parameters", "layer_types", "dtype"}
    old_keys = {"rope_theta", "rope_scaling", "torch_dtype"}
    for ignored in (old_keys, new_keys):
        seen = {key: value for key, value in written.items() if key not in ignored}
        if ignored == new_keys and "mixed" in case:
            continue  # max_window_layers, all that 4.52 and older read, cannot say it
        assert assert_read_alike(seen) == config
    assert assert_read_alike(written) == config


# --- to and from transformers -----------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_loads_what_transformers_saves(case: str, tmp_path: Path) -> None:
    theirs = models(case)[1]
    theirs.save_pretrained(tmp_path)
    assert_same_model(Qwen2ForCausalLM.from_pretrained(tmp_path), theirs, case)


@pytest.mark.parametrize("case", CASES)
def test_transformers_loads_what_we_save(case: str, tmp_path: Path) -> None:
    ours = models(case)[0]
    ours.save_pretrained(tmp_path)
    assert_same_model(ours, hf_load(tmp_path), case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SOME)
def test_every_dtype_and_shards_go_both_ways(case: str, dtype: torch.dtype, tmp_path: Path) -> None:
    ours, theirs = (copy.deepcopy(model).to(dtype) for model in models(case))
    ours.save_pretrained(tmp_path / "ours", max_shard_bytes=SHARD_BYTES)
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size=SHARD_BYTES)
    raw = json.loads((tmp_path / "ours" / "config.json").read_text(encoding="utf-8"))
    assert raw["torch_dtype"] == raw["dtype"] == str(dtype).removeprefix("torch.")
    for folder in (tmp_path / "ours", tmp_path / "theirs"):
        assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
        loaded = Qwen2ForCausalLM.from_pretrained(folder)
        assert loaded.dtype == dtype
        assert_same_model(loaded, hf_load(folder), case)
        assert_same_model(loaded, ours, case)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dtype_that_is_asked_for_is_what_transformers_makes_of_it(
    dtype: torch.dtype, folder: Path
) -> None:
    loaded = Qwen2ForCausalLM.from_pretrained(folder, dtype)
    assert loaded.dtype == dtype
    assert_same_model(loaded, hf_load(folder, dtype=dtype))


@pytest.mark.parametrize("named", ["bfloat16", "float16", None])
def test_without_one_the_dtype_is_what_config_json_names(named: str | None, folder: Path) -> None:
    edit_json(folder / "config.json", dtype=None, torch_dtype=named)
    loaded = Qwen2ForCausalLM.from_pretrained(folder)
    assert_same_model(loaded, hf_load(folder))
    assert loaded.dtype == getattr(torch, named or "float32")


def test_a_file_of_mixed_dtypes_becomes_one_dtype(folder: Path) -> None:
    norm = load_file(folder / "model.safetensors")["model.norm.weight"]
    edit_weights(folder, **{"model.norm.weight": norm.double()})
    assert_same_model(Qwen2ForCausalLM.from_pretrained(folder), hf_load(folder))


def test_the_config_survives_and_the_model_is_ready_to_use(tmp_path: Path) -> None:
    for case in CASES:
        ours = models(case)[0]
        ours.save_pretrained(tmp_path)
        loaded = Qwen2ForCausalLM.from_pretrained(str(tmp_path))
        assert loaded.config == loaded.model.config == ours.config
        assert not loaded.training
        assert all(parameter.requires_grad for parameter in loaded.parameters())
        assert {x.device.type for x in loaded.state_dict().values()} == {"cpu"}
        assert loaded.num_parameters() == ours.num_parameters()


# --- tied weights -----------------------------------------------------------------------------


@pytest.fixture
def tied(tmp_path: Path) -> Path:
    models("tied")[0].save_pretrained(tmp_path / "tied")
    return tmp_path / "tied"


def test_tied_weights_are_saved_once_and_loaded_as_one(tied: Path) -> None:
    assert HEAD not in load_file(tied / "model.safetensors")
    loaded = Qwen2ForCausalLM.from_pretrained(tied)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight


def test_a_second_equal_copy_of_tied_weights_changes_nothing(tied: Path) -> None:
    edit_weights(tied, **{HEAD: load_file(tied / "model.safetensors")[EMBED].clone()})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = Qwen2ForCausalLM.from_pretrained(tied)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert_same_model(loaded, models("tied")[0], "tied")


def test_two_different_tied_weights_are_both_used_as_in_transformers(
    tied: Path, tmp_path: Path
) -> None:
    edit_weights(tied, **{HEAD: -load_file(tied / "model.safetensors")[EMBED]})
    with pytest.warns(UserWarning, match="tie_word_embeddings to false"):
        loaded = Qwen2ForCausalLM.from_pretrained(tied)
    assert_same_model(loaded, hf_load(tied), "tied")
    assert not loaded.config.tie_word_embeddings
    assert not loaded.model.config.tie_word_embeddings
    loaded.save_pretrained(tmp_path / "again")  # and the saved folder says so
    assert_same_model(Qwen2ForCausalLM.from_pretrained(tmp_path / "again"), loaded, "tied")


# --- memory -----------------------------------------------------------------------------------


def _mapped(file: Path) -> list[range]:
    """Where in this process's memory a file is mapped."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    spans = [line.split()[0].split("-") for line in lines if line.endswith(f" {file.resolve()}")]
    return [range(int(low, 16), int(high, 16)) for low, high in spans]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_weights_are_the_file_itself_unless_converted(folder: Path) -> None:
    file = folder / "model.safetensors"
    loaded = Qwen2ForCausalLM.from_pretrained(folder)
    spans = _mapped(file)
    assert all(any(p.data_ptr() in span for span in spans) for p in loaded.parameters())
    del loaded
    converted = Qwen2ForCausalLM.from_pretrained(folder, torch.bfloat16)
    assert _mapped(file) == []  # what was read for the copies is given back
    assert converted.dtype == torch.bfloat16


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_converting_never_keeps_more_than_one_tensor_mapped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def spy(file: Path, framework: str) -> Any:
        opened.append(_mapped(file))
        return safe_open(file, framework=framework)

    monkeypatch.setattr("qwen_blog.model_folder.safe_open", spy)
    Qwen2ForCausalLM.from_pretrained(folder, torch.bfloat16)
    assert len(opened) > len(models("GQA")[0].state_dict())
    assert not any(opened)


def test_training_a_loaded_model_does_not_change_the_file(folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    loaded = Qwen2ForCausalLM.from_pretrained(folder).train()
    ids, _ = batch("GQA", "none")
    loaded(ids, labels=ids).loss.backward()
    torch.optim.SGD(loaded.parameters(), lr=1.0).step()
    assert (folder / "model.safetensors").read_bytes() == before
    assert not torch.equal(loaded.lm_head.weight, models("GQA")[0].lm_head.weight)
    loaded.save_pretrained(folder)  # in the place of the file that it is mapped from
    assert_same_model(Qwen2ForCausalLM.from_pretrained(folder), loaded)


def test_loading_draws_no_random_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*args: Any, **options: Any) -> None:  # also not on the meta device: that is slow
        raise AssertionError("initial weights were drawn, to be thrown away")

    for name in ("normal_", "uniform_"):
        monkeypatch.setattr(torch.Tensor, name, drawn)
    state = torch.get_rng_state()
    Qwen2ForCausalLM.from_pretrained(folder)
    assert torch.equal(torch.get_rng_state(), state)


# --- what is damaged, missing or too much -----------------------------------------------------


def load_error(folder: Path) -> str:
    """The message of the error; it must name the folder. Any other kind of error fails."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Qwen2ForCausalLM.from_pretrained(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_folder_that_is_not_there_or_is_no_model_folder(tmp_path: Path, folder: Path) -> None:
    assert "no folder" in load_error(tmp_path / "Qwen" / "Qwen2-0.5B")
    (tmp_path / "empty").mkdir()
    assert "config.json is missing" in load_error(tmp_path / "empty")
    assert "no folder" in load_error(folder / "model.safetensors")  # a file
    (folder / "model.safetensors").unlink()
    assert "neither model.safetensors nor" in load_error(folder)


def test_pickled_weights_are_refused_with_a_way_out(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = load_error(folder)
    assert "pytorch_model.bin" in message
    assert "save_pretrained" in message


def test_one_error_lists_all_that_does_not_fit(folder: Path) -> None:
    edit_weights(
        folder,
        remove=("model.norm.weight", "model.layers.1.self_attn.q_proj.bias"),
        **{
            "model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2),
            "model.layers.0.mlp.up_proj.weight": torch.ones(64, 96),  # transposed
            "model.layers.0.mlp.down_proj.weight": torch.ones(64, 96, dtype=torch.int8),
        },
    )
    message = load_error(folder)
    assert "2 missing: model.layers.1.self_attn.q_proj.bias, model.norm.weight" in message
    assert "1 unexpected: model.layers.0.self_attn.q_proj.lora_A.weight" in message
    assert "up_proj.weight is F32 (64, 96), must be float (96, 64)" in message
    assert "down_proj.weight is I8 (64, 96), must be float (64, 96)" in message


def test_a_long_list_of_names_is_cut_and_counted(folder: Path) -> None:
    edit_json(folder / "config.json", num_hidden_layers=5, layer_types=None)
    message = load_error(folder)
    assert "24 missing" in message
    assert "and 14 more" in message
    assert message.count("model.layers.") == 10


def test_an_untied_model_needs_its_output_layer(folder: Path) -> None:
    edit_weights(folder, remove=(HEAD,))
    assert f"1 missing: {HEAD}" in load_error(folder)


def test_rope_buffers_of_old_checkpoints_are_ignored(folder: Path) -> None:
    for name in ("model.rotary_emb.inv_freq", "model.layers.2.self_attn.rotary_emb.inv_freq"):
        edit_weights(folder, **{name: torch.rand(8)})
    assert_same_model(Qwen2ForCausalLM.from_pretrained(folder), models("GQA")[0])


def test_a_safetensors_file_cut_off_anywhere(folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")  # of the numbers
    for length in (0, 4, 8, 100, start - 1, start, start + 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        message = load_error(folder)
        assert str(file) in message
        assert "cut off" in message


def test_a_git_lfs_pointer_in_the_place_of_weights(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 988097824\n"
    (folder / "model.safetensors").write_text(pointer, encoding="utf-8")
    assert "git-lfs" in load_error(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_json_cut_off_anywhere(name: str, sharded: Path) -> None:
    whole = (sharded / name).read_bytes()
    for length in range(0, len(whole) - 2, 41):  # the last two are the brace and the line's end
        (sharded / name).write_bytes(whole[:length])
        message = load_error(sharded)
        assert str(sharded / name) in message
        assert "damaged" in message
    for text in (b"[]", b"null", b"3", b'"x"', b"\xff\xfe"):
        (sharded / name).write_bytes(text)
        assert str(sharded / name) in load_error(sharded)


@pytest.mark.parametrize("weight_map", [None, 3, [], {"a": 3}, {"a": None}, {"a": "../x"}])
def test_an_index_that_does_not_name_files_of_its_folder(sharded: Path, weight_map: Any) -> None:
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    assert "weight_map must" in load_error(sharded)


def test_a_shard_that_is_absent_damaged_or_lacks_what_the_index_promises(sharded: Path) -> None:
    first, second, *_ = sorted(sharded.glob("model-*.safetensors"))
    whole = second.read_bytes()
    second.write_bytes(whole[:-1])
    assert second.name in load_error(sharded)
    second.unlink()
    message = load_error(sharded)
    assert "index.json names" in message
    assert second.name in message
    second.write_bytes(first.read_bytes())  # the wrong shard under the right name
    message = load_error(sharded)
    assert "promises" in message
    assert second.name in message


def test_the_index_decides_which_shard_counts(sharded: Path) -> None:
    """A tensor that stands in two shards is taken from the one that the index names."""
    last = sorted(sharded.glob("model-*.safetensors"))[-1]
    tensors = {name: x.clone() for name, x in load_file(last).items()}
    save_file(tensors | {EMBED: torch.zeros(211, 64)}, last, metadata={"format": "pt"})
    assert_same_model(Qwen2ForCausalLM.from_pretrained(sharded), models("GQA")[0])


def test_the_single_file_goes_before_shards_as_in_transformers(folder: Path, sharded: Path) -> None:
    models("MHA")[0].save_pretrained(folder)
    for file in sharded.glob("model*"):
        file.rename(folder / file.name)
    assert_same_model(Qwen2ForCausalLM.from_pretrained(folder), hf_load(folder), "MHA")
    assert_same_model(Qwen2ForCausalLM.from_pretrained(folder), models("MHA")[0], "MHA")


SCALARS = st.sampled_from([None, True, -1, 0, 3, 0.5, 1e300, float("nan"), "", "3", "none"])
OBJECTS = st.sampled_from(
    [{}, {"x": 1}, {"x": {}}, {"rope_type": "yarn"}, {"rope_type": "yarn", "factor": "4"}]
)
JSON_VALUES = SCALARS | OBJECTS | st.lists(SCALARS, max_size=2)


def error_if_any(folder: Path) -> str:
    """The message of the ValueError, or the folder's name if the model loads."""
    try:
        Qwen2ForCausalLM.from_pretrained(folder)
    except ValueError as error:
        return str(error)
    return str(folder)


@pytest.mark.filterwarnings("ignore:.* ties lm_head.weight")  # where tie_word_embeddings is true
@settings(PROPERTY, max_examples=150)
@given(key=st.sampled_from(sorted(models("GQA")[0].config.to_dict())), value=JSON_VALUES)
def test_a_config_of_any_content_loads_or_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_config"
    if not folder.exists():
        models("GQA")[0].save_pretrained(folder)
    raw = models("GQA")[0].config.to_dict() | {"dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(raw | {key: value}), encoding="utf-8")
    assert str(folder) in error_if_any(folder)


@settings(PROPERTY, max_examples=100)
@given(place=st.integers(0, 2999), byte=st.integers(0, 255))
def test_a_changed_byte_in_a_header_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_header"
    if not folder.exists():
        models("GQA")[0].save_pretrained(folder)
        (folder / "whole").write_bytes((folder / "model.safetensors").read_bytes())
    data = bytearray((folder / "whole").read_bytes())
    data[place] = byte
    (folder / "model.safetensors").write_bytes(data)
    assert str(folder) in error_if_any(folder)


def test_a_dtype_that_holds_no_weights_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"dtype=torch.int8 must be one of torch.float64"):
        Qwen2ForCausalLM.from_pretrained(folder, torch.int8)
    edit_json(folder / "config.json", dtype="int8", torch_dtype=None)
    with pytest.raises(ValueError, match=r"dtype=torch.int8 must be"):
        Qwen2ForCausalLM.from_pretrained(folder)


def test_stop_tokens_come_from_generation_config_as_in_transformers(folder: Path) -> None:
    edit_json(folder / "config.json", eos_token_id=3)
    assert Qwen2ForCausalLM.from_pretrained(folder).config.eos_token_id == 3
    (folder / "generation_config.json").write_text('{"eos_token_id": [3, 4]}', encoding="utf-8")
    assert Qwen2ForCausalLM.from_pretrained(folder).config.eos_token_id == (3, 4)
    theirs = transformers.Qwen2ForCausalLM.from_pretrained(folder)
    assert theirs.generation_config.eos_token_id == [3, 4]


# --- saving -----------------------------------------------------------------------------------


def test_a_saved_folder_holds_what_the_layout_asks_for(sharded: Path, folder: Path) -> None:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]
    index = json.loads((sharded / "model.safetensors.index.json").read_text(encoding="utf-8"))
    sizes = {name: x.nbytes for name, x in models("GQA")[0].state_dict().items()}
    assert index["metadata"]["total_size"] == sum(sizes.values())
    assert index["weight_map"].keys() == sizes.keys()
    shards = sorted(set(index["weight_map"].values()))
    assert shards[0] == f"model-00001-of-{len(shards):05}.safetensors"
    for shard in shards:
        inside = [name for name, file in index["weight_map"].items() if file == shard]
        assert load_file(sharded / shard).keys() == set(inside)
        assert sum(sizes[name] for name in inside) <= SHARD_BYTES
    assert {x.file.name for x in find_tensors(sharded).values()} == set(shards)


def test_a_tensor_larger_than_a_shard_gets_one_to_itself(tmp_path: Path) -> None:
    models("tied")[0].save_pretrained(tmp_path, max_shard_bytes=1)
    assert len(list(tmp_path.glob("model-*-of-*"))) == len(models("tied")[0].state_dict()) - 1
    assert_same_model(Qwen2ForCausalLM.from_pretrained(tmp_path), models("tied")[0], "tied")


def test_others_may_read_the_weights_as_they_may_read_the_config(folder: Path) -> None:
    modes = {oct((folder / name).stat().st_mode) for name in ("config.json", "model.safetensors")}
    assert len(modes) == 1


@pytest.mark.parametrize("old", [1, 60_000, 150_000, 10**9])
@pytest.mark.parametrize("new", [1, 60_000, 150_000, 10**9])
def test_saving_over_a_model_leaves_nothing_of_it(old: int, new: int, tmp_path: Path) -> None:
    models("MHA")[0].save_pretrained(tmp_path, max_shard_bytes=old)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    models("GQA")[0].save_pretrained(tmp_path, max_shard_bytes=new)
    fresh = tmp_path / "fresh"
    models("GQA")[0].save_pretrained(fresh, max_shard_bytes=new)
    left = {file.name for file in tmp_path.iterdir()} - {"fresh"}
    assert left == {file.name for file in fresh.iterdir()} | {"tokenizer.json"}
    assert_same_model(Qwen2ForCausalLM.from_pretrained(tmp_path), models("GQA")[0])


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_stopped_while_writing_the_old_model_is_whole(
    writes: int, sharded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in sharded.iterdir()}

    def stop(*args: Any, **options: Any) -> None:
        nonlocal writes
        if writes == 0:
            raise KeyboardInterrupt
        writes -= 1
        save_file(*args, **options)

    monkeypatch.setattr(checkpoint, "save_file", stop)
    with pytest.raises(KeyboardInterrupt):
        models("MHA")[0].save_pretrained(sharded, max_shard_bytes=SHARD_BYTES)
    assert {file.name: file.read_bytes() for file in sharded.iterdir()} == before


@pytest.mark.parametrize("moves", range(6))
def test_stopped_while_moving_there_is_no_mixture_and_the_new_model_is_kept(
    moves: int, sharded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def fail(source: Path, target: Path) -> None:
        nonlocal moves
        if moves == 0:
            raise PermissionError("in use")
        moves -= 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    ours = copy.deepcopy(models("GQA")[0])
    torch.nn.init.ones_(ours.lm_head.weight)  # same names, shapes and shards as the old model
    with pytest.raises(OSError, match=r"in use; the saved model is whole, but still in .*saving"):
        ours.save_pretrained(sharded, max_shard_bytes=SHARD_BYTES)
    assert "config.json is missing" in load_error(sharded)
    (stage,) = sharded.glob(".saving-*")
    for file in sharded.glob("model*"):  # finish by hand
        if not (stage / file.name).exists():
            replace(file, stage / file.name)
    assert_same_model(Qwen2ForCausalLM.from_pretrained(stage), ours)


def test_a_write_that_fails_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise checkpoint.SafetensorError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match=r"cannot write .*model.safetensors: No space"):
        models("GQA")[0].save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def _with_nan(model: Qwen2ForCausalLM) -> None:
    model.model.norm.weight.data[3] = float("nan")


def _with_inf(model: Qwen2ForCausalLM) -> None:
    model.lm_head.weight.data[3, 1] = -float("inf")


def _mixed(model: Qwen2ForCausalLM) -> None:
    model.lm_head.half()


def _tied(model: Qwen2ForCausalLM) -> None:
    model.lm_head.weight = model.model.embed_tokens.weight


def _longer(model: Qwen2ForCausalLM) -> None:
    model.lm_head = torch.nn.Linear(64, 300, bias=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (fuse, r"qkv_proj.* save before fuse\(\)"),
        (_mixed, r"mix \['torch.float16', 'torch.float32'\]"),
        (_with_nan, r"NaN or infinity in model\.norm\.weight"),
        (_with_inf, r"NaN or infinity in lm_head\.weight"),
        (_tied, r"tie_word_embeddings=False, but .* are one parameter"),
        (_longer, r"lm_head\.weight: not as in a checkpoint"),
    ],
)
def test_a_model_that_would_not_load_again_is_refused_before_anything_is_written(
    change: Any, message: str, folder: Path
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    model = copy.deepcopy(models("GQA")[0])
    change(model)
    with pytest.raises(ValueError, match=message):
        model.save_pretrained(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_tied_config_with_two_matrices_is_refused(tmp_path: Path) -> None:
    model = copy.deepcopy(models("tied")[0])
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach() + 1)
    with pytest.raises(ValueError, match=r"tie_word_embeddings=True, but .* are two"):
        model.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_transposed_and_sliced_weights_are_saved_as_they_look(tmp_path: Path) -> None:
    model = copy.deepcopy(models("GQA")[0])
    weight = model.model.layers[0].mlp.up_proj.weight
    wide = torch.cat((weight.detach(), weight.detach()), dim=1).t().contiguous().t()
    model.model.layers[0].mlp.up_proj.weight = torch.nn.Parameter(wide[:, :64])
    assert not model.model.layers[0].mlp.up_proj.weight.is_contiguous()
    model.save_pretrained(tmp_path)
    assert_same_model(Qwen2ForCausalLM.from_pretrained(tmp_path), models("GQA")[0])
