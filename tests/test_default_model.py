"""The default model joins the packages, and nothing else does: one folder, found and read alike.

A stand-in of random numbers lies where the trained one does, in a package with another name.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny_agent.choices
import tiny_eval.choices
import tiny_rag.choices
from qwen_blog import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Tokenizer, generate
from tiny_agent.local_model import TransformersModel
from tiny_eval.local_model import LocalModel
from tiny_eval.models import Generation
from tiny_rag.backends import TransformersLLM

PACKAGES = [tiny_agent.choices, tiny_eval.choices, tiny_rag.choices]
SHIPPED = ("qwen_blog", "weights/tiny-qwen2")
TOKENS = 24
ASKED: Any = [
    {"role": "system", "content": "只根据资料回答。Answer from the passages."},
    {"role": "user", "content": "<passages>\n[1] 月环长 12 米。\n</passages>\nHow long is it?"},
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As tiny-qwen2, and smaller: written by qwen_blog in half precision."""
    place: Path = tmp_path_factory.mktemp("site") / "stand_in" / SHIPPED[1]
    tokenizer = Tokenizer.train([message["content"] for message in ASKED], vocab_size=300)
    end = tokenizer.encode("<|im_end|>")[0]
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        eos_token_id=end,
    )
    model = Qwen2ForCausalLM(config)
    generator = torch.Generator().manual_seed(5)
    for name, weights in model.named_parameters():  # fresh biases and norms hide what is missing
        weights.data = torch.randn(weights.shape, generator=generator) * 0.3 + ("norm" in name)
    model.half().save_pretrained(place)
    tokenizer.save_pretrained(place)
    (place.parents[1] / "__init__.py").write_text("raise SystemExit('imported')")
    return place


@pytest.fixture(scope="module")
def expected(folder: Path) -> str:
    """What transformers' own generate makes of it."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, return_tensors="pt")
    made = model.generate(**ids, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0)
    reply = made[0, ids["input_ids"].shape[1] :].tolist()
    assert len(reply) == TOKENS
    assert len(set(reply)) > TOKENS / 2, "a model that repeats itself compares nothing"
    return str(tokenizer.decode(reply, skip_special_tokens=True))


@pytest.mark.parametrize("choices", PACKAGES, ids=lambda choices: choices.__name__)
def test_each_package_looks_in_the_same_place(
    choices: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choices._SHIPPED == SHIPPED
    monkeypatch.setattr(choices, "_SHIPPED", ("stand_in", SHIPPED[1]))
    monkeypatch.syspath_prepend(folder.parents[2])
    assert choices.shipped_folder() == folder


def test_tiny_rag_says_what_transformers_does(folder: Path, expected: str) -> None:
    local = TransformersLLM(folder)
    assert local.complete(ASKED, TOKENS).text == expected
    assert local._model.dtype == torch.float32


def test_tiny_agent_says_what_transformers_does(folder: Path, expected: str) -> None:
    local = TransformersModel(folder, max_new_tokens=TOKENS)
    assert local.generate(ASKED).text == expected
    assert local._model.dtype == torch.float32


def test_tiny_eval_says_what_transformers_does(folder: Path, expected: str) -> None:
    local = LocalModel(folder, "cpu")
    asked = [ASKED, [*ASKED, *ASKED[1:]]]  # beside a longer one it is padded
    replies: Any = dict(local.generate_until(asked, Generation(max_tokens=TOKENS)))
    assert replies[0].text == expected
    assert local.settings["dtype"] == "float32"


def test_qwen_blog_says_what_transformers_does(folder: Path, expected: str) -> None:
    model = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(ASKED, add_generation_prompt=True)
    config = GenerationConfig(max_new_tokens=TOKENS)
    assert generate(model, [ids], config, tokenizer)[0].text == expected
