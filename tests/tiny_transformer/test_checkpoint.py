"""A model folder comes back as it was saved, or says what is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tiny_transformer.checkpoint as checkpoint
from tiny_transformer.checkpoint import average_checkpoints, load_model, save_model
from tiny_transformer.config import TransformerConfig
from tiny_transformer.model import Transformer
from tiny_transformer.tokenizer import Tokenizer

from .training_runs import TOKENIZER, same_parameters, tiny_model

FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def randomised(seed: int = 0) -> Transformer:
    """Fresh biases are 0 and fresh gains 1, which would hide that they were not loaded."""
    model, generator = tiny_model(), torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(randomised(), TOKENIZER, tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_comes_back_to_the_last_bit(folder: Path) -> None:
    model, tokenizer = load_model(folder)
    assert same_parameters(model, randomised())
    assert model.config == randomised().config
    assert tokenizer.encode("abc") == TOKENIZER.encode("abc")
    assert not model.training
    assert sorted(x.name for x in folder.iterdir()) == FILES


def test_the_three_way_shared_embedding_is_stored_once(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    assert [name for name, x in stored.items() if tuple(x.shape) == (259, 16)] == [
        "embedding.weight"
    ]
    assert sum(x.numel() for x in stored.values()) == sum(
        x.numel() for x in randomised().parameters()
    )


def test_float16_takes_half_the_room_and_loads_as_float32(folder: Path) -> None:
    size = (folder / "model.safetensors").stat().st_size
    save_model(randomised(), TOKENIZER, folder, dtype="float16")
    assert (folder / "model.safetensors").stat().st_size < 0.6 * size
    model, _ = load_model(folder)
    assert {x.dtype for x in model.parameters()} == {torch.float32}
    assert same_parameters(model, randomised().half().float())


def test_a_model_can_be_saved_over_an_older_one(folder: Path) -> None:
    save_model(randomised(1), TOKENIZER, folder)
    assert same_parameters(load_model(folder)[0], randomised(1))
    assert sorted(x.name for x in folder.iterdir()) == FILES


def test_saving_that_fails_half_way_leaves_the_older_model_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(checkpoint, "write_text", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_model(randomised(1), TOKENIZER, folder)
    monkeypatch.undo()
    assert same_parameters(load_model(folder)[0], randomised())


@pytest.mark.parametrize("moved", range(1, 3))
def test_a_half_renamed_model_is_never_taken_for_a_whole_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    renames, replace = [], Path.replace

    def power_cut(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            renames.append(self)
            if len(renames) > moved:
                raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        save_model(randomised(1), TOKENIZER, folder)
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        load_model(folder)


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), "float32"), (1e6, "float16")])
def test_what_would_not_come_back_is_not_saved(tmp_path: Path, value: float, dtype: str) -> None:
    model = tiny_model()
    model.embedding.weight.data[5, 5] = value
    with pytest.raises(ValueError, match=f"NaN, or too large for {dtype}, in embedding.weight"):
        save_model(model, TOKENIZER, tmp_path / "model", dtype)
    assert not (tmp_path / "model").exists()


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dtype='int8' must be one of float32, float16"):
        save_model(tiny_model(), TOKENIZER, tmp_path, dtype="int8")


def test_a_tokenizer_of_another_size_is_refused(folder: Path, tmp_path: Path) -> None:
    other = Tokenizer.train(["ababab"], 300)
    with pytest.raises(ValueError, match=f"vocab_size={other.vocab_size}.* config 259"):
        save_model(tiny_model(), other, tmp_path / "other")
    other.save(folder / "tokenizer.json")
    with pytest.raises(ValueError, match=r"tokenizer\.json has vocab_size"):
        load_model(folder)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = {name: x.clone() for name, x in load_file(folder / "model.safetensors").items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def reconfigure(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "config.json").read_text("utf-8")) | changes
    (folder / "config.json").write_text(json.dumps(values), "utf-8")


def cut(file: Path, part: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), r"config\.json is missing"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors is missing"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), r"tokenizer\.json is missing"),
    "half the config": (lambda f: cut(f / "config.json", 0.5), r"config\.json is damaged"),
    "config of a list": (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
    "half the weights": (
        lambda f: cut(f / "model.safetensors", 0.5),
        r"model\.safetensors is damaged",
    ),
    "empty weights": (lambda f: cut(f / "model.safetensors", 0), r"model\.safetensors is damaged"),
    "a pickle": (lambda f: torch.save({}, f / "model.safetensors"), "is damaged"),
    "half the tokenizer": (lambda f: cut(f / "tokenizer.json", 0.5), r"tokenizer\.json is damaged"),
    "an unknown field": (lambda f: reconfigure(f, rope=1), r"config\.json: .*rope"),
    "a text for a number": (lambda f: reconfigure(f, d_ff="32"), r"config\.json: d_ff='32'"),
    "another width": (
        lambda f: reconfigure(f, d_ff=64),
        r"model\.safetensors does not fit .*\(32, 16\), must be float \(64, 16\)",
    ),
    "more layers": (lambda f: reconfigure(f, num_encoder_layers=2), r"layers\.1\..* is missing"),
    "fewer layers": (
        lambda f: reconfigure(f, num_encoder_layers=0),
        r"layers\.0\..* is unexpected",
    ),
    "a lost tensor": (
        lambda f: rewrite(f, lambda x: x.pop("embedding.weight")),
        r"embedding\.weight is missing",
    ),
    "an extra tensor": (
        lambda f: rewrite(f, lambda x: x.update(bias=torch.ones(3))),
        "bias is unexpected",
    ),
    "integers": (
        lambda f: rewrite(f, lambda x: x.update({"embedding.weight": torch.ones(259, 16).int()})),
        r"embedding\.weight is torch\.int32",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_named(folder: Path, damage: str) -> None:
    harm, message = DAMAGES[damage]
    harm(folder)
    with pytest.raises((FileNotFoundError, ValueError), match=message) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)


def test_the_average_is_the_mean_of_every_parameter(tmp_path: Path) -> None:
    models = [randomised(seed) for seed in range(3)]
    for seed, model in enumerate(models):
        save_model(model, TOKENIZER, tmp_path / str(seed))
    average = average_checkpoints([tmp_path / str(seed) for seed in range(3)])
    assert average.keys() == dict(models[0].named_parameters()).keys()
    for name, x in average.items():
        stacked = torch.stack([dict(model.named_parameters())[name].detach() for model in models])
        assert x.dtype == torch.float32
        torch.testing.assert_close(x, stacked.double().mean(0).float(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_the_average_of_equal_checkpoints_is_that_checkpoint(folder: Path, count: int) -> None:
    """In float32, summing 7 and dividing by 7 would lose the last bit."""
    average = average_checkpoints([folder] * count)
    assert all(torch.equal(average[name], x) for name, x in randomised().named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_average_is_taken_over_all_files_and_never_in_half_precision(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    """Five files that safetensors alone has written; a sum in float16 would be off by 1e-3."""
    generator = torch.Generator().manual_seed(0)
    names, folders = ("encoder.a", "b"), [tmp_path / str(number) for number in range(5)]
    values = {name: torch.randn(5, 30, 4, generator=generator).to(dtype) for name in names}
    for number, folder in enumerate(folders):
        folder.mkdir()
        tensors = {name: values[name][number].clone() for name in names}
        save_file(tensors, folder / "model.safetensors")
    average = average_checkpoints(folders)
    assert average.keys() == set(names)
    for name in names:
        assert average[name].dtype == torch.float32
        want = values[name].double().mean(dim=0)
        torch.testing.assert_close(average[name].double(), want, rtol=1e-5, atol=1e-6)


def test_what_has_no_average_is_a_value_error(folder: Path, tmp_path: Path) -> None:
    save_model(Transformer(TransformerConfig.tiny(259)), TOKENIZER, tmp_path / "tiny")
    for folders in ([], [folder, tmp_path / "tiny"]):
        with pytest.raises(ValueError, match=r"."):  # whatever it says
            average_checkpoints(folders)


def test_different_models_have_no_average(folder: Path, tmp_path: Path) -> None:
    save_model(Transformer(TransformerConfig.tiny(259)), TOKENIZER, tmp_path / "tiny")
    with pytest.raises(ValueError, match="does not fit the model"):
        average_checkpoints([folder, tmp_path / "tiny"])
    with pytest.raises(ValueError, match="no checkpoints to average"):
        average_checkpoints([])
