"""What the KV cache buys tiny_transformer in decoding, and what a beam costs.

    python -m tests.benchmarks.bench_translation               (two minutes on two cores)
    python -m tests.benchmarks.bench_translation --threads 1   (three minutes)

Greedy decoding of 8 to 128 tokens for 16 sources of 32 tokens, with the cache and with all earlier
tokens run again each step; d_model 256, 4 + 4 layers, 8 heads, feed-forward 1024, vocabulary 8000,
random weights that never choose the end token. Both must write the same tokens. Then beam search
with the cache, against greedy.
"""

import argparse
from collections.abc import Callable

import torch

from tiny_transformer.beam import beam_search
from tiny_transformer.config import TransformerConfig
from tiny_transformer.decoding import greedy_decode
from tiny_transformer.model import Transformer

from .timing import Stopwatch, faster, take_turns

CONFIG = TransformerConfig(8000, 256, 8, 4, 4, 1024)
LENGTHS = (8, 16, 32, 64, 128)


def main() -> None:
    """Print, for each length, how many times faster."""
    parser = argparse.ArgumentParser(description="Decoding with and without a KV cache.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Transformer(CONFIG).eval()
    with torch.no_grad():
        model.embedding.weight[CONFIG.eos_id] = 0.0  # scores 0: never the likeliest of 8000
    source = torch.randint(3, CONFIG.vocab_size, (16, 32))
    for length in LENGTHS:
        turns = {
            "cached": lambda n=length: greedy_decode(model, source, n),
            "uncached": lambda n=length: greedy_decode(model, source, n, use_cache=False),
            "beam 4": lambda n=length: beam_search(model, source, 4, max_new_tokens=n),
        }
        written = [[found.ids for found in turns[name]()] for name in ("cached", "uncached")]
        assert written[0] == written[1], "the cache changes the result"
        assert all(len(ids) == length for ids in written[0]), "a source ended early"
        times = take_turns({name: timed(turn) for name, turn in turns.items()}, args.rounds)
        gain, cost = faster(times, "cached", "uncached"), faster(times, "cached", "beam 4")
        ms = sorted(times["cached"])[args.rounds // 2] * 1000
        print(
            f"{length:4} tokens  cached {ms:6.0f} ms  {gain:5.2f}x the uncached; "
            f"a beam of 4 takes {cost:4.2f} times as long as greedy",
            flush=True,
        )


def timed(call: Callable[[], object]) -> Callable[[], list[float]]:
    """The call as a function that returns the seconds it took."""

    def run() -> list[float]:
        watch = Stopwatch()
        call()
        watch.lap()
        return watch.laps_s

    return run


if __name__ == "__main__":
    main()
