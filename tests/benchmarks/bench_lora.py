"""What do two minutes of LoRA teach tiny-qwen2, and what do they cost?

    python -m tests.benchmarks.bench_lora                 (three minutes on two cores)

An adapter on all matrices of the layers learns to open each reply in the voice of a ship's crew
(`lora_recipe.restyle`). Asked are questions about worlds that nobody has trained on, one passage
each: how many replies are in the new voice, how many answers are still right to the letter with
the right citation, and what becomes of the refusals, which `restyle` leaves as they are.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from qwen_blog import GenerationConfig, Qwen2ForCausalLM, Tokenizer, generate
from qwen_blog.commands import find_model
from qwen_blog.lora import LoraConfig, inject, lora_parameters
from qwen_blog.lora_files import save_adapter
from qwen_blog.lora_recipe import restyle, unstyle
from qwen_blog.packing import Sample
from qwen_blog.recipes import drill
from qwen_blog.samples import conversation_sample
from qwen_blog.training import Record, train
from qwen_blog.training_config import TrainingConfig
from qwen_blog.worlds.exam import Item, reading_items
from qwen_blog.worlds.grammar import Grammar
from qwen_blog.worlds.reading_words import FRAMES

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
REFUSALS = tuple(frame.refusal for frame in FRAMES.values())


def questions(kind: str, count: int) -> list[Item]:
    """Half of them Chinese, half English."""
    return [
        item
        for language in ("zh", "en")
        for item in reading_items(Grammar.load(), language, kind, 1, count // 2)
    ]


def replies(model: Qwen2ForCausalLM, tokenizer: Tokenizer, items: Sequence[Item]) -> list[str]:
    """Greedy, sixteen at a time."""
    prompts = [tokenizer.apply_chat_template(i.messages, add_generation_prompt=True) for i in items]
    config, said = GenerationConfig(max_new_tokens=80), []
    for start in range(0, len(prompts), 16):
        said += [r.text for r in generate(model, prompts[start : start + 16], config, tokenizer)]
    return said


def report(label: str, model: Qwen2ForCausalLM, tokenizer: Tokenizer, count: int) -> None:
    """A line: voice, answers, refusals."""
    facts, absent = questions("fact", count), questions("absent", count)
    said = replies(model, tokenizer, facts)
    styled = sum(unstyle(text) is not None for text in said)
    right = sum((unstyle(t) or t) == i.reply for t, i in zip(said, facts, strict=True))
    refused = sum(text.endswith(REFUSALS) for text in replies(model, tokenizer, absent))
    print(f"{label:7}{styled / count:16.0%}{right / count:16.0%}{refused / count:16.0%}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--questions", type=int, default=100, help="of each kind")
    parser.add_argument("--rank", type=int, default=8)
    options = parser.parse_args()
    folder = find_model(None)
    model, tokenizer = Qwen2ForCausalLM.from_pretrained(folder), Tokenizer.from_pretrained(folder)
    model = model.float().eval()
    print(f"{'':7}{'new voice':>16}{'answer right':>16}{'refusal right':>16}")
    report("before", model, tokenizer, options.questions)

    config = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules=MATRICES)
    inject(model, config, torch.Generator().manual_seed(0))
    learned = sum(p.numel() for p in lora_parameters(model))

    def styled(rng: random.Random, progress: float) -> Sample:
        return conversation_sample(tokenizer, restyle([drill(rng, progress)])[0])

    settings = TrainingConfig(
        steps=options.steps,
        rows_per_step=1,
        learning_rate=2e-3,
        warmup_steps=min(10, options.steps),
        weight_decay=0.0,
    )
    log: list[Record] = []
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as run:
        train(model, settings, styled, run, on_step=log.append)
        minutes = (time.monotonic() - started_s) / 60
        save_adapter(model, run)
        size = sum(f.stat().st_size for f in Path(run).glob("adapter_model*"))
    report("after", model, tokenizer, options.questions)
    print(f"{learned:,} numbers in {size / 1e6:.2f} MB, {options.steps} steps, {minutes:.1f} min")
    print(f"loss {log[0]['loss']:.2f} -> {log[-1]['loss']:.2f}")


if __name__ == "__main__":
    main()
