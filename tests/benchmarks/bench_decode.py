"""Prefill and decoding against transformers, on the same weights and 512 tokens of context.

    python -m tests.benchmarks.bench_decode --size nano small         (five minutes on two cores)
    python -m tests.benchmarks.bench_decode --size 0.5b --batch 1     (eight minutes, 9 GB)
    python -m tests.benchmarks.bench_decode --steps --size nano       (a minute: the tricks)

Contenders: our model as loaded, after `fuse`, after `fuse` and `halve`, and our `generate_ids`;
transformers' model in the same bare loop, and its `generate`. Weights are random, so the 0.5B row
needs no download. In fp32 all must write the same tokens before anything is timed (half precision
apart, which reports its error). They take turns; ratios are medians over the turns. "limit" is the
share of the memory bandwidth used: bytes of weights and cache that a step must read, over the time
it took, over what a plain sum reads in a second. A nano model fits in the cache, so that its share
only says how far the calls are from mattering.
"""

import argparse
import copy
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn
from transformers.generation.streamers import BaseStreamer

from qwen_blog import KVCache, Linear, Qwen2Config, Qwen2ForCausalLM, RMSNorm, attention
from qwen_blog.fast import FusedRMSNorm, fuse, halve
from qwen_blog.generation import GenerationConfig, generate_ids

from .timing import Stopwatch, faster, read_bandwidth, take_turns

SIZES = {
    "nano": Qwen2Config.nano(),
    "small": Qwen2Config.small(),
    "0.5b": Qwen2Config.qwen2_0_5b(),
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TURNS = {"nano": (20, 16), "small": (8, 8), "0.5b": (4, 4)}  # rounds, and steps a round
CONTEXT = 512


class Ours:
    """Our model in the shortest loop there is, under the given context managers."""

    room = 1024

    def __init__(
        self,
        model: Any,
        *conditions: Any,
        grad_mode: Any = torch.inference_mode,
        cache: Any = KVCache,
        logits_to_keep: int = 1,
    ) -> None:
        self.model, self.conditions, self.grad_mode = model, conditions, grad_mode
        self.cache_class, self.logits_to_keep = cache, logits_to_keep

    def prefill(self, ids: Tensor) -> list[float]:
        """Take in a prompt: (B, T). Returns the seconds it took, up to the first new token."""
        self.written = ids[:, :0]
        with self._conditions():
            watch = Stopwatch()
            self._start(ids)
            self._step(ids)
            watch.lap()
        return watch.laps_s

    def decode(self, steps: int) -> list[float]:
        """Write some more tokens. Returns the seconds of each."""
        with self._conditions():
            watch = Stopwatch()
            for _ in range(steps):
                self._step(self.written[:, -1:])
                watch.lap()
        return watch.laps_s

    def _conditions(self) -> ExitStack:
        stack = ExitStack()
        for each in (self.grad_mode(), *self.conditions):
            stack.enter_context(each)
        return stack

    def _start(self, ids: Tensor) -> None:
        self.cache = self.cache_class.for_model(self.model, len(ids), self.room)

    def _step(self, ids: Tensor) -> None:
        logits = self.model(ids, cache=self.cache, logits_to_keep=self.logits_to_keep).logits
        self.written = torch.cat((self.written, logits[:, -1:].argmax(-1)), dim=1)


class OurGenerate(Ours):
    """Our public loop, which also pads, masks, samples and stops."""

    def _start(self, ids: Tensor) -> None:
        config = GenerationConfig(max_new_tokens=self.room - CONTEXT)
        self.tokens: Iterator[Tensor] = generate_ids(self.model, ids.tolist(), config)

    def _step(self, ids: Tensor) -> None:
        self.written = torch.cat((self.written, next(self.tokens)[:, None]), dim=1)


class Theirs(Ours):
    """transformers' model in the same loop."""

    def _start(self, ids: Tensor) -> None:
        self.cache = transformers.DynamicCache(config=self.model.config)

    def _step(self, ids: Tensor) -> None:
        logits = self.model(ids, past_key_values=self.cache, logits_to_keep=1).logits
        self.written = torch.cat((self.written, logits[:, -1:].argmax(-1)), dim=1)


class Beat(BaseStreamer, Stopwatch):
    """A lap a token. `generate` hands over the prompt first."""

    def put(self, value: Tensor) -> None:
        self.lap()

    def end(self) -> None:
        pass


class TheirGenerate:
    """transformers' public loop, greedy. Called again, it goes on from its own cache."""

    def __init__(self, model: transformers.Qwen2ForCausalLM) -> None:
        self.model = model

    def prefill(self, ids: Tensor) -> list[float]:
        self.written, self.ids, self.cache = ids[:, :0], ids, None
        return [sum(self._run(1))]  # its preparations count as ours do

    def decode(self, steps: int) -> list[float]:
        return self._run(steps + 1)[2:]  # without its preparations and the step after them

    def _run(self, steps: int) -> list[float]:
        beat = Beat()
        out = self.model.generate(
            self.ids,
            attention_mask=torch.ones_like(self.ids),
            past_key_values=self.cache,
            max_new_tokens=steps,
            do_sample=False,
            pad_token_id=0,
            streamer=beat,
            return_dict_in_generate=True,
        )
        new = out.sequences[:, self.ids.shape[1] :]
        self.ids, self.cache = out.sequences, out.past_key_values
        self.written = torch.cat((self.written, new), dim=1)
        return beat.laps_s


def build(config: Qwen2Config, dtype: torch.dtype) -> tuple[Qwen2ForCausalLM, Any]:
    """Our model and transformers', sharing one set of random weights."""
    raw = {k: v for k, v in config.to_dict().items() if k not in ("architectures", "model_type")}
    raw |= {"bos_token_id": None, "eos_token_id": None}  # so that nobody stops early
    with torch.device("meta"):
        ours = Qwen2ForCausalLM(config)
        theirs = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**raw))
    theirs.model.rotary_emb = type(theirs.model.rotary_emb)(theirs.config)  # it holds no weights
    g = torch.Generator().manual_seed(0)
    # wide enough that layers outweigh the embedding: else every token would repeat the last
    weights = {
        name: (torch.randn(x.shape, generator=g) * 0.06 + ("norm" in name)).to(dtype)
        for name, x in ours.state_dict().items()
        if name != "lm_head.weight"
    }
    for model in (ours, theirs):
        model.load_state_dict(weights, assign=True, strict=False)
        model.lm_head.weight = model.model.embed_tokens.weight
        model.eval().requires_grad_(False)
    return ours, theirs


def lineup(config: Qwen2Config, dtype: torch.dtype) -> dict[str, Any]:
    """Who takes part."""
    plain, theirs = build(config, dtype)
    fused = fuse(copy.deepcopy(plain))
    halved = {"fuse, halve": Ours(halve(copy.deepcopy(fused)))} if dtype == torch.float32 else {}
    return {
        "as loaded": Ours(plain),
        "fuse": Ours(fused),
        **halved,
        "fuse, generate_ids": OurGenerate(fused),
        "HF loop": Theirs(theirs),
        "HF generate": TheirGenerate(theirs),
    }


def check(contenders: dict[str, Any], ids: Tensor) -> None:
    """All must write what HF generate writes; a halved model only with a small error."""
    for contender in contenders.values():
        contender.prefill(ids)
        contender.decode(8)
    want = contenders["HF generate"].written[:, :9]  # it wrote one more
    assert len(want[0].unique()) > 4, f"these weights repeat themselves, a weak check: {want}"
    for name, contender in contenders.items():
        same = torch.equal(contender.written[:, :9], want)
        assert same or "halve" in name, f"{name} wrote {contender.written}, not {want}"


def half_error(contenders: dict[str, Any], ids: Tensor) -> float:
    """RMS of what halving changes in the logits, over their own RMS; a token at a time."""
    with torch.inference_mode():
        logits = []
        for name in ("fuse", "fuse, halve"):
            model = contenders[name].model
            cache = KVCache.for_model(model, 1, 17)
            steps = [model(ids[:1, t : t + 1], cache=cache).logits for t in range(16)]
            logits.append(torch.cat(steps, dim=1))  # (1, 16, V)
    exact, half = logits
    return ((half - exact).square().mean() / exact.square().mean()).sqrt().item()


def bytes_a_step(model: Any, config: Qwen2Config, batch: int) -> int:
    """What one step must read: every weight once (a tied table too), and the cache."""
    weights = sum(p.nbytes for p in model.parameters())
    if not config.tie_word_embeddings:
        weights -= model.model.embed_tokens.weight.nbytes
    cached = 2 * config.num_hidden_layers * config.num_key_value_heads * CONTEXT * config.head_dim
    return weights + batch * cached * model.dtype.itemsize


def compare(size: str, dtype: str, batch: int, rounds: int | None, bandwidth: float) -> None:
    """Time one row of the table and print it."""
    contenders = lineup(SIZES[size], DTYPES[dtype])
    g = torch.Generator().manual_seed(1)
    ids = torch.randint(SIZES[size].vocab_size, (batch, CONTEXT), generator=g)
    if dtype == "fp32":
        check(contenders, ids)
    turns, steps = TURNS[size]
    turns = rounds or turns
    prefill = take_turns({k: lambda c=c: c.prefill(ids) for k, c in contenders.items()}, turns)
    for contender in contenders.values():
        contender.decode(2)
    decode = take_turns({k: lambda c=c: c.decode(steps) for k, c in contenders.items()}, turns)
    note = f", halved error {half_error(contenders, ids):.4f}" if dtype == "fp32" else ""
    print(f"\n{size} {dtype} batch {batch}, {torch.get_num_threads()} threads{note}")
    print(
        f"{'':20}  decode: x generate  x loop        ms  limit | prefill: x gen.  x loop       ms"
    )
    for name, contender in contenders.items():
        least_s = bytes_a_step(contender.model, SIZES[size], batch) / bandwidth
        step_s, prefill_s = min(decode[name]), min(prefill[name])
        print(
            f"{name:20}  {faster(decode, name, 'HF generate'):18.2f}"
            f"  {faster(decode, name, 'HF loop'):6.2f}"
            f"  {step_s * 1e3:8.2f}  {least_s / step_s:5.0%}"
            f" | {faster(prefill, name, 'HF generate'):15.2f}"
            f"  {faster(prefill, name, 'HF loop'):6.2f}  {prefill_s * 1e3:6.0f}"
        )


class CatCache(KVCache):
    """A cache that makes a longer copy of itself at every step."""

    def update(self, layer_idx: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.length == 0:
            self.keys[layer_idx], self.values[layer_idx] = k, v
        else:
            self.keys[layer_idx] = torch.cat((self.keys[layer_idx], k), dim=2)
            self.values[layer_idx] = torch.cat((self.values[layer_idx], v), dim=2)
        return self.keys[layer_idx], self.values[layer_idx]


def with_enable_gqa(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)


def with_repeat_kv(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    groups = q.shape[1] // k.shape[1]
    k, v = attention.repeat_kv(k, groups), attention.repeat_kv(v, groups)
    return F.scaled_dot_product_attention(q, k, v, mask)


def in_one_call(q: Tensor, k: Tensor, v: Tensor, gqa: bool) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=gqa)


def ablate(size: str, dtype: str, batch: int, rounds: int | None) -> None:
    """Take one trick away at a time, and print the speed that is left."""
    plain, _ = build(SIZES[size], DTYPES[dtype])
    fused = fuse(copy.deepcopy(plain))
    variants = {
        "all of it": Ours(fused),
        "without fuse": Ours(plain),
        "fuse, but RMSNorm in six calls": Ours(
            fused, patch.object(FusedRMSNorm, "forward", RMSNorm.forward)
        ),
        "F.linear instead of slices": Ours(
            fused, patch.object(Linear, "forward", nn.Linear.forward)
        ),
        "decode: SDPA's enable_gqa": Ours(
            fused, patch.object(attention, "decode_attention", with_enable_gqa)
        ),
        "decode: repeat K/V, then SDPA": Ours(
            fused, patch.object(attention, "decode_attention", with_repeat_kv)
        ),
        "a cache that concatenates": Ours(fused, cache=CatCache),
        "no_grad, not inference_mode": Ours(fused, grad_mode=torch.no_grad),
        "prefill: one call, not chunks": Ours(
            fused, patch.object(attention, "_causal_in_chunks", in_one_call)
        ),
        "prefill: logits of all tokens": Ours(fused, logits_to_keep=0),
        "the same once more (noise)": Ours(fused),
    }
    if dtype == "fp32":
        variants["with halve"] = Ours(halve(copy.deepcopy(fused)))
    ids = torch.randint(SIZES[size].vocab_size, (batch, CONTEXT))
    turns, steps = TURNS[size]
    turns = rounds or turns
    prefill = take_turns({k: lambda c=c: c.prefill(ids) for k, c in variants.items()}, turns)
    decode = take_turns({k: lambda c=c: c.decode(steps) for k, c in variants.items()}, turns)
    print(f"\n{size} {dtype} batch {batch}, {torch.get_num_threads()} threads: speed that is left")
    print(f"{'':32}  decode  prefill")
    for name in variants:
        left = (faster(times, name, "all of it") for times in (decode, prefill))
        print(f"{name:32}  {next(left):6.2f}  {next(left):7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", nargs="+", choices=[*SIZES, "all"], default=["nano"])
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, help="turns that everyone gets")
    parser.add_argument("--threads", type=int, default=2, help="1: CPU time, for a busy machine")
    parser.add_argument("--steps", action="store_true", help="what each trick buys")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bandwidth = read_bandwidth()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    print(f"a sum reads {bandwidth / 1e9:.0f} GB/s with {args.threads} threads")
    for size in SIZES if "all" in args.size else args.size:
        for dtype in args.dtype:
            for batch in args.batch:
                if args.steps:
                    ablate(size, dtype, batch, args.rounds)
                else:
                    compare(size, dtype, batch, args.rounds, bandwidth)


if __name__ == "__main__":
    main()
