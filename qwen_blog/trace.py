"""The journey of one tensor: every operation it goes through, in order, with shapes and numbers.

`trace(model, ids)` runs the model once and writes down what happens to the token ids on their way
to the logits. An operation is *on the path* if one of its inputs came from the ids; the rest (the
angles of RoPE, the mask) is prepared beside the path and marked so. Chapters 21 to 23 walk along.

How: torch's TorchFunctionMode sees every torch call made from Python, forward hooks tell in which
module. Leaves out: what happens inside one call (a fused attention is one step), and gradients.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from .cache import KVCache
from .model import Qwen2ForCausalLM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Calls that ask a tensor something, or that only move it, and so are no step of a journey.
_QUESTIONS = {
    "dim",
    "size",
    "numel",
    "is_contiguous",
    "all",
    "aminmax",
    "tolist",
    "item",
    "__len__",
}


@dataclass(frozen=True)
class Step:
    """One operation."""

    index: int
    """Its number, from 0."""
    module: str
    """The module it belongs to, e.g. `model.layers.0.self_attn.q_proj`; empty for the outermost."""
    op: str
    """What torch calls it: `linear`, `view`, `softmax` ..."""
    inputs: tuple[tuple[int, ...], ...]
    """The shapes of its tensor inputs, weights included."""
    output: tuple[int, ...]
    """The shape of its output."""
    dtype: torch.dtype
    on_path: bool
    """Whether it works on something made from the token ids."""
    mean: float
    std: float
    """Mean and standard deviation over the finite entries; NaN if there are none."""
    low: float
    high: float
    """The smallest and the largest entry."""
    tensor: Tensor | None
    """The output itself (a copy), if `trace` was called with keep=True."""


@dataclass(frozen=True)
class Trace(Sequence[Step]):
    """The steps of one forward pass. `print` it, index it, `draw` it, or pick a part of it.

    In print, an operation beside the path stands in parentheses; mean and std are over finite
    entries.
    """

    steps: tuple[Step, ...]
    logits: Tensor
    """(B, T, V), what the pass returned."""

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> Any:
        return self.steps[index]

    def within(self, module: str) -> "Trace":
        """The steps in `module` and below it, e.g. `within("model.layers.0")`.

        ValueError if there are none.
        """
        steps = tuple(s for s in self if f"{s.module}.".startswith(f"{module}."))
        if not steps:
            known = sorted({s.module for s in self})
            raise ValueError(f"no step in module {module!r}; there are {known}")
        return Trace(steps, self.logits)

    def path(self) -> "Trace":
        """Only the steps on the path from the ids to the logits."""
        return Trace(tuple(step for step in self if step.on_path), self.logits)

    def __str__(self) -> str:
        head = ("#", "module", "op", "inputs", "output", "dtype", "mean", "std", "min", "max")
        rows: list[tuple[str, ...]] = [head]
        for before, step in zip((None, *self), self, strict=False):
            same = before is not None and before.module == step.module
            rows.append(_cells(step, "" if same else step.module or "(outermost)"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ("  ".join(_pad(row, widths)).rstrip() for row in rows)
        return "\n".join(lines)

    def draw(self, axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
        """Two panels over the steps: how many numbers the tensor holds, and how large they are.

        axes: two matplotlib Axes, one below the other; None makes a figure. ImportError without
        matplotlib, which the extra `notebooks` installs.
        """
        if axes is None:
            from matplotlib import pyplot

            size = (min(max(6.0, 0.24 * len(self) + 1.5), 15.0), 6.0)
            _, axes = pyplot.subplots(2, 1, sharex=True, figsize=size, layout="constrained")
        places = range(len(self))
        axes[0].plot(places, [math.prod(step.output) for step in self], drawstyle="steps-mid")
        axes[0].set(yscale="log", ylabel="numbers held")
        spread = [step.std for step in self]
        axes[1].plot(places, spread, marker=".")
        axes[1].set(yscale="log", ylabel="standard deviation")
        crowded = len(self) > 80  # then name whole layers, and no single operation
        if not crowded:
            axes[1].set_xticks(places, [step.op for step in self], rotation=90, fontsize=7)
        for number, (start, end, name) in enumerate(self._stretches(2 if crowded else 9)):
            for ax in axes:
                ax.axvspan(start - 0.5, end - 0.5, color=f"C{number % 2}", alpha=0.08, linewidth=0)
            axes[0].annotate(
                "" if crowded and end - start < 5 else name,  # short ones would overlap
                (start - 0.4, 1.02),
                xycoords=axes[0].get_xaxis_transform(),
                rotation=40,
                fontsize=7,
            )
        for ax in axes:
            ax.margins(x=0)
        return axes

    def _stretches(self, depth: int) -> Iterator[tuple[int, int, str]]:
        """(first step, one past the last, module's name cut to `depth` parts) of each stretch."""
        names = [step.module.removeprefix("model.").split(".")[:depth] for step in self]
        start = 0
        for place in range(1, len(names) + 1):
            if place == len(names) or names[place] != names[start]:
                yield start, place, ".".join(names[start]) or "model"
                start = place


@torch.no_grad()
def trace(
    model: Qwen2ForCausalLM,
    ids: Sequence[int] | Tensor,
    *,
    keep: bool = False,
    fused: bool = False,
    cache: KVCache | None = None,
) -> Trace:
    """Run `ids` through `model` and write down every operation.

    ids: T token ids, or a (B, T) tensor · keep: hold a copy of every output
    fused: attention as one call, as in real use, instead of step by step
    cache: as in `model.forward`; the trace of a decoding step shows its reads and writes
    """
    if isinstance(ids, str):
        raise ValueError(f"ids={ids!r:.60} must be token ids: turn text into them by encode")
    ids = ids if isinstance(ids, Tensor) else torch.tensor([list(ids)], device=model.device)
    recorder = _Recorder(ids, keep)
    with _module_names(model, recorder.modules), recorder:
        output = model(ids, cache=cache, output_attentions=not fused)
    return Trace(tuple(recorder.steps), output.logits)


class _Recorder(TorchFunctionMode):
    """Sees every torch call and writes down those that make a tensor."""

    def __init__(self, ids: Tensor, keep: bool) -> None:
        super().__init__()
        self.keep = keep
        self.steps: list[Step] = []
        self.modules = [""]
        self.from_ids = WeakTensorKeyDictionary({ids: True})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        if name == "__get__" or name in _QUESTIONS:
            return result
        inputs = list(_tensors((args, kwargs)))
        on_path = any(tensor in self.from_ids for tensor in inputs)
        outputs = [args[0]] if name == "__setitem__" else list(_tensors(result))
        for output in outputs:
            if on_path:
                self.from_ids[output] = True
        # Writing to a cache is shown by what is written, not by the whole buffer.
        shown = list(_tensors(args[-1])) if name == "__setitem__" else outputs
        for output in shown:
            self._write_down(name.strip("_"), inputs, output, on_path)
        return result

    def _write_down(self, op: str, inputs: list[Tensor], output: Tensor, on_path: bool) -> None:
        values = output.double()
        finite = values[values.isfinite()]  # a mask writes -inf: it has no mean
        self.steps.append(
            Step(
                index=len(self.steps),
                module=self.modules[-1],
                op=op,
                inputs=tuple(tuple(x.shape) for x in inputs),
                output=tuple(output.shape),
                dtype=output.dtype,
                on_path=on_path,
                mean=float(finite.mean()) if finite.numel() else math.nan,
                std=float(finite.std(correction=0)) if finite.numel() else math.nan,
                low=float(values.min()) if values.numel() else math.nan,
                high=float(values.max()) if values.numel() else math.nan,
                tensor=output.clone() if self.keep else None,
            )
        )


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


@contextmanager
def _module_names(model: nn.Module, stack: list[str]) -> Iterator[None]:
    """Keep the name of the module that is running on top of `stack`."""
    handles = []
    for name, module in model.named_modules():

        def enter(*_: object, name: str = name) -> None:
            stack.append(name)

        def leave(*_: object) -> None:
            stack.pop()

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _cells(step: Step, module: str) -> tuple[str, ...]:
    numbers = (step.mean, step.std, step.low, step.high)
    return (
        str(step.index),
        module,
        step.op if step.on_path else f"({step.op})",
        " ".join(_shape(shape) for shape in step.inputs),
        _shape(step.output),
        str(step.dtype).removeprefix("torch."),
        *(f"{number:.3g}" for number in numbers),
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _pad(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    """Numbers to the right, words to the left."""
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if column in (0, 6, 7, 8, 9) else cell.ljust(width)
