"""A training step of tiny_transformer against torch.nn.Transformer, at the same sizes.

    python -m tests.benchmarks.bench_training               (a minute on two cores)
    python -m tests.benchmarks.bench_training --threads 1   (two minutes)

A step: forward, cross-entropy with label smoothing, backward, AdamW. d_model 256, 4 + 4 layers, 8
heads, feed-forward 1024, vocabulary 8000, 32 rows of up to 32 tokens, a tenth of them padding.
torch's module has no embeddings and no positions, so it gets ours.

Contenders: nn.Transformer; ours with the paper's dropout (after each sublayer); ours with torch's
(inside the attention and the feed-forward network too). These three have torch's loss, torch's
AdamW as it comes, and biases in attention. The last is what `train` runs: the paper's dropout and
no such biases, our loss, Adam's fused form.
Before anything is timed all must give the same logits from the same weights, with dropout off.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.tiny_transformer.reference import torch_twin
from tiny_transformer.config import TransformerConfig
from tiny_transformer.loss import label_smoothed_cross_entropy
from tiny_transformer.model import Transformer

from .timing import Stopwatch, faster, take_turns

ROWS, LENGTH, DROPOUT = 32, 32, 0.1
PAPER = TransformerConfig(8000, 256, 8, 4, 4, 1024, DROPOUT, attention_bias=True)
EVERYWHERE = replace(PAPER, attention_dropout=DROPOUT, ffn_dropout=DROPOUT)


class TorchTranslator(nn.Module):
    """torch.nn.Transformer with the weights of `ours`, between its embedding and its logits."""

    def __init__(self, ours: Transformer) -> None:
        super().__init__()
        self.core = torch_twin(ours.config, ours.state_dict())
        for module in self.core.modules():
            if isinstance(module, nn.Dropout):
                module.p = DROPOUT
            elif isinstance(module, nn.MultiheadAttention):
                module.dropout = DROPOUT
        self.outside = Transformer(replace(ours.config, num_encoder_layers=0, num_decoder_layers=0))
        self.outside.embedding.load_state_dict(ours.embedding.state_dict())

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(B, S) and (B, T) ids -> (B, T, V) logits."""
        x = self.core(
            self.outside.embed(source),
            self.outside.embed(target),
            tgt_mask=torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1),
            src_key_padding_mask=source == 0,
            tgt_key_padding_mask=target == 0,
            memory_key_padding_mask=source == 0,
        )
        return self.outside.project(x)


def main() -> None:
    """Print milliseconds a step, and how many times faster than torch's."""
    parser = argparse.ArgumentParser(description="A training step against torch.nn.Transformer.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    ours = Transformer(PAPER)
    everywhere = Transformer(EVERYWHERE)
    everywhere.load_state_dict(ours.state_dict())
    plain = Transformer(replace(PAPER, attention_bias=False))
    plain.load_state_dict(ours.state_dict(), strict=False)  # all but the biases, which are 0 now
    theirs = TorchTranslator(ours)
    contenders = {
        "torch.nn.Transformer": (theirs, False),
        "ours, the paper's dropout": (ours, False),
        "ours, torch's dropout": (everywhere, False),
        "ours, as `train` runs it": (plain, True),
    }
    batch = [random_ids() for _ in range(3)]
    check_equal([theirs, ours, everywhere, plain], batch)
    for precision in ("fp32", "bf16"):
        steps = {
            name: one_step(model, batch, precision == "bf16", own_loss)
            for name, (model, own_loss) in contenders.items()
        }
        times = take_turns(steps, args.rounds + 2)
        times = {name: rounds[2:] for name, rounds in times.items()}  # the first two make buffers
        for name, rounds in times.items():
            ratio = faster(times, name, "torch.nn.Transformer")
            ms = sorted(rounds)[len(rounds) // 2] * 1000
            print(f"{precision}  {name:28} {ms:6.0f} ms a step   {ratio:.2f}x", flush=True)


def random_ids() -> Tensor:
    """(ROWS, LENGTH) ids, the rows 0 to 7 tokens short."""
    ids = torch.randint(3, PAPER.vocab_size, (ROWS, LENGTH))
    lengths = LENGTH - torch.arange(ROWS) % 8
    return ids.masked_fill(torch.arange(LENGTH) >= lengths[:, None], 0)


def logits_of(model: nn.Module, source: Tensor, target: Tensor) -> Tensor:
    """(B, T, V) of either kind of model."""
    output = model(source, target)
    return output if isinstance(output, Tensor) else output.logits


def check_equal(models: list[nn.Module], batch: list[Tensor]) -> None:
    """All the same logits at real positions, with dropout off."""
    source, target, _ = batch
    outputs = []
    for model in models:
        model.eval()
        with torch.no_grad():
            outputs.append(logits_of(model, source, target)[target != 0])
        model.train()
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], atol=1e-4, rtol=0)


def one_step(
    model: nn.Module, batch: list[Tensor], bf16: bool, own_loss: bool
) -> Callable[[], list[float]]:
    """A function that trains `model` by one step and returns the seconds it took."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=own_loss or None)
    source, target, labels = batch

    def step() -> list[float]:
        watch = Stopwatch()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = logits_of(model, source, target)
            if own_loss:
                found = label_smoothed_cross_entropy(logits, labels, pad_id=0)
                loss = found.smoothed / found.tokens
            else:
                loss = F.cross_entropy(
                    logits.flatten(0, 1), labels.flatten(), ignore_index=0, label_smoothing=0.1
                )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.lap()
        return watch.laps_s

    return step


if __name__ == "__main__":
    main()
