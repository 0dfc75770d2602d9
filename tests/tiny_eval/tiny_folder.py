"""A model folder made in a few seconds: a Qwen2 of two layers that has learned a little.

    LocalModel(tiny_folder())

It is right now and then and surer of some texts than of others, unlike one with fresh weights,
whose logits are all alike and hide errors. Its tokenizer is a byte-level BPE with merges, so that a
word's tokens depend on what stands before it. Made once in a process, and removed at its end.
"""

import atexit
import random
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 160
_COLOURS = {
    "sky": "blue",
    "grass": "green",
    "snow": "white",
    "coal": "black",
    "blood": "red",
    "天空": "蓝色",
    "草地": "绿色",
    "雪": "白色",
}


@cache
def tiny_folder() -> Path:
    """The folder, in the Hugging Face layout, with a chat template (ChatML) and no BOS token."""
    parent = tempfile.mkdtemp(prefix="tiny-folder-")
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    place = Path(parent) / "tiny-qwen2"
    make_folder(place)
    return place


def texts(count: int, seed: int) -> Iterator[str]:
    """What the model learns: sums and colours, in raw text and as conversations."""
    rng = random.Random(seed)
    for _ in range(count):
        if rng.random() < 0.5:
            a, b = rng.randrange(8), rng.randrange(8)
            question, answer = f"What is {a} plus {b}?", str(a + b)
        else:
            thing, answer = rng.choice(list(_COLOURS.items()))
            question = f"What colour is {thing}?"
        if rng.random() < 0.5:
            yield f"Question: {question}\nAnswer: {answer}\n\n"
        else:
            start, end = "<|im_start|>", "<|im_end|>\n"
            yield f"{start}user\n{question}{end}{start}assistant\n{answer}{end}"


def make_folder(place: Path, steps: int = 100) -> None:
    """Train tokenizer and model, and write them to `place`. The same each time."""
    import torch
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    tokenizer = _tokenizer(list(texts(400, 1)))
    tokenizer.save_pretrained(place)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model is no faster with more
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(config)
        _train(model, tokenizer.encode("".join(texts(1000, 2))), steps)
    torch.set_num_threads(threads)
    # As Qwen2.5's folders: what its makers recommend is no greedy decoding.
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.7,
        top_k=20,
        repetition_penalty=1.3,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(place)


def _train(model: Any, ids: list[int], steps: int) -> None:
    import torch

    stream = torch.tensor(ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    length = 64
    for _ in range(steps):
        starts = torch.randint(len(stream) - length, (8,), generator=generator)
        batch = torch.stack([stream[start : start + length] for start in starts])  # (8, 64)
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def _tokenizer(corpus: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.chat_template = CHAT_TEMPLATE
    return fast
