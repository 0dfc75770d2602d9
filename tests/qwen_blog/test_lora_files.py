"""Adapters go from peft to us and back with equal logits; what does not fit is refused by name."""

import copy
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

import qwen_blog.lora_files
from qwen_blog import Qwen2ForCausalLM
from qwen_blog.lora import LoraConfig, inject, lora_layers, lora_parameters, merge
from qwen_blog.lora_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, load_adapter, save_adapter

from .lora_reference import ALL, ODD, fresh, logits_of, peft, randomise_pairs, saved_by_peft
from .reference import models


def saved(folder: Path, config: LoraConfig = ODD, **names: object) -> Qwen2ForCausalLM:
    """Ours with random pairs, also saved to `folder`."""
    model = inject(fresh(**names), config)
    randomise_pairs(model)
    save_adapter(model, folder)
    return model


def loaded_by_peft(
    folder: Path, case: str = "GQA", dtype: torch.dtype = torch.float32
) -> torch.nn.Module:
    base = copy.deepcopy(models(case, dtype)[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # peft only warns of keys that it misses
        return peft.PeftModel.from_pretrained(base, folder).eval()


def edit_config(folder: Path, **fields: object) -> None:
    file = folder / ADAPTER_CONFIG
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | fields), "utf-8")


def edit_weights(folder: Path, change: Callable[[dict], None]) -> None:
    tensors = {name: x.clone() for name, x in load_file(folder / ADAPTER_WEIGHTS).items()}
    change(tensors)
    save_file(tensors, folder / ADAPTER_WEIGHTS)


# To and from peft


@pytest.mark.parametrize("case", ["GQA", "tied", "three query heads a group"])
def test_an_adapter_of_peft_gives_equal_logits_here(case: str, tmp_path) -> None:
    theirs = saved_by_peft(tmp_path, case=case)
    ours = load_adapter(fresh(case), tmp_path)
    want = logits_of(theirs, case)
    assert_close(logits_of(ours, case), want, atol=1e-4, rtol=0)  # float32, logits of about 10
    assert_close(logits_of(merge(ours), case), want, atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", ["GQA", "tied", "three query heads a group"])
def test_our_adapter_gives_equal_logits_in_peft(case: str, tmp_path) -> None:
    want = logits_of(saved(tmp_path, case=case), case)
    assert_close(logits_of(loaded_by_peft(tmp_path, case), case), want, atol=1e-4, rtol=0)


def test_float64_adapters_agree_to_1e_10_both_ways(tmp_path) -> None:
    double = torch.float64
    theirs = saved_by_peft(tmp_path / "theirs", dtype=double)
    ours = load_adapter(fresh(dtype=double), tmp_path / "theirs")
    assert_close(logits_of(ours), logits_of(theirs), atol=1e-10, rtol=0)
    save_adapter(ours, tmp_path / "ours")
    again = loaded_by_peft(tmp_path / "ours", dtype=double)
    assert_close(logits_of(again), logits_of(ours), atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    "more",
    [
        {"target_modules": "all-linear"},  # which peft writes as whole names
        {"target_modules": ["q_proj"], "lora_dropout": 0.25},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": False},
    ],
)
def test_what_changes_nothing_in_a_finished_adapter_is_accepted(more: dict, tmp_path) -> None:
    theirs = saved_by_peft(tmp_path, **more)
    ours = load_adapter(fresh(), tmp_path)
    assert_close(logits_of(ours), logits_of(theirs), atol=1e-4, rtol=0)


def test_an_adapter_may_name_its_base_by_a_path_that_is_not_here(tmp_path) -> None:
    want = logits_of(saved(tmp_path))
    edit_config(tmp_path, base_model_name_or_path="far/away", revision="main", peft_version="0.5")
    assert torch.equal(logits_of(load_adapter(fresh(), tmp_path)), want)


def test_the_files_say_what_those_of_peft_say(tmp_path) -> None:
    saved_by_peft(tmp_path / "theirs")
    saved(tmp_path / "ours")
    ours, theirs = (load_file(tmp_path / x / ADAPTER_WEIGHTS) for x in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name])  # both drawn by one seed, in one order
    assert sorted(file.name for file in (tmp_path / "ours").iterdir()) == [
        ADAPTER_CONFIG,
        ADAPTER_WEIGHTS,
    ]
    with safe_open(tmp_path / "ours" / ADAPTER_WEIGHTS, "pt") as file:
        assert file.metadata() == {"format": "pt"}
    mine, hers = (
        vars(peft.PeftConfig.from_pretrained(tmp_path / x)).copy() for x in ("ours", "theirs")
    )
    for read in (mine, hers):
        read["target_modules"] = set(read["target_modules"])
        read.pop("base_model_name_or_path")  # theirs is the empty name of a model never saved
        read.pop("runtime_config")
    assert mine == hers


def test_a_saved_adapter_loads_bit_for_bit_with_its_config(tmp_path) -> None:
    config = LoraConfig(
        r=5, lora_alpha=2.5, target_modules=("down_proj", "k_proj"), lora_dropout=0.1
    )
    before = saved(tmp_path, config)
    after = load_adapter(fresh(), tmp_path)
    assert torch.equal(logits_of(after), logits_of(before))
    assert next(iter(lora_layers(after).values())).config == config


def test_a_loaded_adapter_trains_on_and_takes_no_random_number(tmp_path) -> None:
    saved(tmp_path)
    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    model = load_adapter(fresh(), tmp_path)
    assert torch.equal(torch.rand(3), want)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert trained == {id(p) for p in lora_parameters(model)}


def test_an_adapter_fits_a_base_loaded_from_a_folder_in_another_dtype(tmp_path) -> None:
    want = logits_of(saved(tmp_path / "adapter", case="tied"), "tied")
    fresh("tied").save_pretrained(tmp_path / "base")
    base = Qwen2ForCausalLM.from_pretrained(tmp_path / "base")
    got = logits_of(load_adapter(base, tmp_path / "adapter"), "tied")
    assert_close(got, want, atol=0, rtol=0)
    half = Qwen2ForCausalLM.from_pretrained(tmp_path / "base", torch.bfloat16)
    load_adapter(half, tmp_path / "adapter")
    assert {p.dtype for p in lora_parameters(half)} == {torch.float32}
    out = logits_of(half, "tied").float()
    assert ((out - want).square().mean() / want.square().mean()).sqrt() < 0.05  # 8-bit weights


# Saving


def test_saving_over_an_older_adapter_replaces_it_and_nothing_else(tmp_path) -> None:
    saved(tmp_path, LoraConfig(r=2))
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    new = saved(tmp_path)
    assert torch.equal(logits_of(load_adapter(fresh(), tmp_path)), logits_of(new))
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {ADAPTER_CONFIG, ADAPTER_WEIGHTS, "README.md"}


def test_both_files_have_the_usual_permissions(tmp_path) -> None:
    saved(tmp_path)
    (tmp_path / "usual").touch()
    modes = {file.stat().st_mode for file in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_save_that_fails_leaves_the_older_adapter_whole(tmp_path, monkeypatch) -> None:
    old = saved(tmp_path, LoraConfig(r=2))

    def full_disk(tensors: dict, file: Path, metadata: dict) -> None:
        file.write_bytes(b"half")
        raise SafetensorError("no space left on device")

    monkeypatch.setattr(qwen_blog.lora_files, "save_file", full_disk)
    with pytest.raises(OSError, match=r"cannot write .*adapter_model.safetensors: no space left"):
        saved(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {ADAPTER_CONFIG, ADAPTER_WEIGHTS}
    assert torch.equal(logits_of(load_adapter(fresh(), tmp_path)), logits_of(old))


def test_until_the_last_file_is_in_place_there_is_no_adapter(tmp_path, monkeypatch) -> None:
    saved(tmp_path)
    moves: list[Path] = []

    def power_cut(source: Path, target: Path) -> None:
        moves.extend([target] if target.parent == tmp_path else [])  # not those inside the stage
        if len(moves) == 2:
            raise KeyboardInterrupt
        shutil.move(source, target)

    monkeypatch.setattr(qwen_blog.lora_files.os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match=r"adapter_config.json is missing"):
        load_adapter(fresh(), tmp_path)  # rather than one of old and new together


def test_nothing_is_saved_without_an_adapter_or_with_nan(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"no adapter: inject"):
        save_adapter(fresh(), tmp_path / "adapter")
    model = inject(fresh(), LoraConfig())
    with torch.no_grad():
        lora_layers(model)["model.layers.1.self_attn.v_proj"].lora_B[3, 1] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinity in .*layers.1.self_attn.v_proj.lora_B"):
        save_adapter(model, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


# Refusals

FEATURES = {
    "use_rslora": {"use_rslora": True},
    "use_dora": {"use_dora": True},
    "lora_bias": {"lora_bias": True},
    "bias": {"bias": "lora_only"},
    "modules_to_save": {"modules_to_save": ["lm_head"]},
    "rank_pattern": {"rank_pattern": {"q_proj": 5}},
    "alpha_pattern": {"alpha_pattern": {"q_proj": 5}},
    "layers_to_transform": {"layers_to_transform": [0, 2]},
    "exclude_modules": {"exclude_modules": ["v_proj"]},
    "layer_replication": {"layer_replication": [[0, 2], [1, 3]]},
    "trainable_token_indices": {"trainable_token_indices": [1, 2]},
    "init_lora_weights": {"init_lora_weights": "pissa"},
    "fan_in_fan_out": {"fan_in_fan_out": True},
    "a_later_feature": {"a_later_feature": 0.5},
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_of_peft_that_we_lack_is_refused_by_name(name: str, tmp_path) -> None:
    saved(tmp_path)
    edit_config(tmp_path, **FEATURES[name])
    with pytest.raises(ValueError, match=rf"adapter_config.json: {name}=.* lora.py lacks: merge"):
        load_adapter(fresh(), tmp_path)


@pytest.mark.parametrize("more", [{"use_rslora": True}, {"use_dora": True}])
def test_real_adapters_with_such_a_feature_are_refused_too(more: dict, tmp_path) -> None:
    saved_by_peft(tmp_path, **more)
    with pytest.raises(ValueError, match=rf"{next(iter(more))}=True is a feature"):
        load_adapter(fresh(), tmp_path)


def drop(key: str) -> Callable[[dict], None]:
    return lambda tensors: tensors.pop(key)


KEY = "base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight"


def put(value: object, key: str = KEY) -> Callable[[dict], None]:
    return lambda tensors: tensors.update({key: value})


WRONG = {
    "another method": (
        lambda folder: edit_config(folder, peft_type="IA3"),
        r"peft_type='IA3': only 'LORA'",
    ),
    "a pattern": (
        lambda folder: edit_config(folder, target_modules=".*q_proj"),
        r"adapter_config.json: target_modules='.\*q_proj' must be a tuple of names",
    ),
    "an unknown layer": (
        lambda folder: edit_config(folder, target_modules=["q_proj", "c_attn"]),
        r"target_modules has 'c_attn'; the layers are down_proj",
    ),
    "rank as text": (lambda folder: edit_config(folder, r="3"), r"adapter_config.json: r='3' must"),
    "another rank": (
        lambda folder: edit_config(folder, r=4),
        r"42 of another kind: .*\(3, 64\), must be float \(4, 64\)",
    ),
    "fewer targets": (
        lambda folder: edit_config(folder, target_modules=["q_proj"]),
        r"36 unexpected: base_model",
    ),
    "a tensor short": (
        lambda folder: edit_weights(folder, drop(KEY)),
        r"1 missing: .*layers.1.self_attn.k_proj.lora_A",
    ),
    "a tensor more": (
        lambda folder: edit_weights(folder, put(torch.zeros(2), "base_model.model.lm_head.weight")),
        r"1 unexpected: base_model.model.lm_head.weight",
    ),
    "integers": (
        lambda folder: edit_weights(folder, put(torch.zeros(3, 64, dtype=torch.int64))),
        r"1 of another kind: .*torch.int64 \(3, 64\), must be float \(3, 64\)",
    ),
    "NaN": (
        lambda folder: edit_weights(folder, put(torch.full((3, 64), torch.nan))),
        r"1 with NaN or infinity: .*layers.1.self_attn.k_proj.lora_A",
    ),
    "half the weights": (
        lambda folder: (folder / ADAPTER_WEIGHTS).write_bytes(
            (folder / ADAPTER_WEIGHTS).read_bytes()[:2000]
        ),
        r"adapter_model.safetensors is damaged",
    ),
    "half the config": (
        lambda folder: (folder / ADAPTER_CONFIG).write_text('{"r": 3,', "utf-8"),
        r"adapter_config.json is damaged",
    ),
    "no rank": (
        lambda folder: (folder / ADAPTER_CONFIG).write_text('{"peft_type": "LORA"}', "utf-8"),
        r"lacks r, lora_alpha, target_modules",
    ),
    "no weights": (
        lambda folder: (folder / ADAPTER_WEIGHTS).unlink(),
        r"adapter_model.safetensors is missing",
    ),
    "a pickle": (
        lambda folder: (folder / ADAPTER_WEIGHTS).rename(folder / "adapter_model.bin"),
        r"has only a pickle, which can run code: convert it with peft",
    ),
    "no config": (lambda folder: (folder / ADAPTER_CONFIG).unlink(), r"config.json is missing"),
    "no folder": (shutil.rmtree, r"there is no folder"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_damaged_or_foreign_adapter_is_refused_and_the_model_left_plain(
    what: str, tmp_path
) -> None:
    damage, message = WRONG[what]
    saved(tmp_path / "adapter")
    damage(tmp_path / "adapter")
    model, plain = fresh(), fresh()
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_adapter(model, tmp_path / "adapter")
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in plain.named_parameters()]


def test_an_adapter_of_another_base_is_refused_with_all_that_differs(tmp_path) -> None:
    saved(tmp_path, case="three query heads a group")  # width 48 instead of 64
    with pytest.raises(ValueError, match=r"33 of another kind: .*\(3, 48\), must be .* \(3, 64\)"):
        load_adapter(fresh(), tmp_path)


def test_a_second_adapter_is_refused(tmp_path) -> None:
    model = saved(tmp_path, LoraConfig(target_modules=ALL))
    with pytest.raises(ValueError, match=r"has an adapter \(r=8\): merge\(model\) first"):
        load_adapter(model, tmp_path)
