"""Texts in, translations out: a trained model with its tokenizer, behind one door.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 6.1: beam 4, alpha 0.6. Chapter 13.
Leaves out: splitting a text into sentences. The model was trained on single ones: give one a text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from .beam import beam_search
from .checkpoint import CONFIG, load_model
from .decoding import evaluating
from .model import Transformer
from .run_folder import RUN
from .tokenizer import Tokenizer

BATCH_TOKENS = 4096  # of a batch: rows * longest source * beam size
MAX_SOURCE_TOKENS = 2048  # attention over a book takes its length squared, and so do we wait


@dataclass(frozen=True)
class Translation:
    """One translation of a text."""

    text: str
    score: float
    """log_prob over the length penalty; nearer to 0 is surer."""
    log_prob: float
    """log P(text | source), in nats."""
    finished: bool
    """False: cut at the maximum length, source + 50 tokens."""


EMPTY = Translation("", 0.0, 0.0, finished=True)


@dataclass(frozen=True)
class Alignment:
    """Where the decoder looked while it wrote."""

    source_tokens: list[str]
    """S tokens as a figure shows them; the last is the end token."""
    target_tokens: list[str]
    """T tokens: row t of the weights is the look that led to token t; the last is the end token."""
    weights: Tensor
    """(layers, H, T, S): a row sums to 1."""


class Translator:
    """A model and its tokenizer. Translations do not depend on what else is in the batch."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        """model: on the device to translate on."""
        self.model, self.tokenizer = model, tokenizer
        self.device = next(model.parameters()).device

    @classmethod
    def load(cls, folder: str | Path | None = None, device: torch.device | str = "cpu") -> Self:
        """folder: as `save_model` writes it; None: the shipped numerals. Errors as `load_model`."""
        return cls(*load_model(find_model(folder), device))

    def translate(self, texts: Sequence[str], beam_size: int = 4, alpha: float = 0.6) -> list[str]:
        """The best translation of each text, in order. Errors as `translations`."""
        return [found[0].text for found in self.translations(texts, beam_size, alpha)]

    def translations(
        self,
        texts: Sequence[str],
        beam_size: int = 4,
        alpha: float = 0.6,
        n_best: int = 1,
        on_done: Callable[[int], None] | None = None,
    ) -> list[list[Translation]]:
        """For each text its `n_best` best translations, best first; a blank text's is empty.

        on_done: called after each batch with the number of texts in it
        ValueError: a text of more than 2048 tokens; otherwise as `beam_search`
        """
        sources = self._encode(texts)
        found: list[list[Translation]] = [[EMPTY] for _ in texts]
        for numbers in _batches(sources, BATCH_TOKENS // max(1, beam_size)):
            source_ids = self._padded([sources[number] for number in numbers])
            best = beam_search(self.model, source_ids, beam_size, alpha, n_best=n_best)
            for number, hypotheses in zip(numbers, best, strict=True):
                found[number] = [
                    Translation(self.tokenizer.decode(h.ids), h.score, h.log_prob, h.finished)
                    for h in hypotheses
                ]
            if on_done:
                on_done(len(numbers))
        return found

    def align(self, source: str, target: str | None = None) -> Alignment:
        """The cross-attention of every layer and head while `target` is written.

        target: a translation; None: the best one of beam search
        ValueError if the source is blank; otherwise as `translations`
        """
        source_ids = self._encode([source])[0]
        if not source_ids:
            raise ValueError(f"source={source!r} is blank: there is nothing to look at")
        if target is None:
            target_ids = beam_search(self.model, self._padded([source_ids]))[0][0].ids
        else:
            target_ids = self.tokenizer.encode(target)
        bos_id, eos_id = self.tokenizer.bos_id, self.tokenizer.eos_id
        with evaluating(self.model), torch.inference_mode():
            output = self.model(
                self._padded([source_ids]),
                self._padded([[bos_id, *target_ids]]),
                output_attentions=True,
            )
        weights = torch.stack([layer[0] for layer in output.cross_attentions])
        name = self.tokenizer.token_text
        return Alignment([*map(name, source_ids)], [*map(name, [*target_ids, eos_id])], weights)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text with the end token."""
        sources = [[*ids, self.tokenizer.eos_id] for ids in self.tokenizer.encode_batch(texts)]
        for number, (text, ids) in enumerate(zip(texts, sources, strict=True)):
            if len(ids) > MAX_SOURCE_TOKENS:
                raise ValueError(
                    f"text {number} ({text[:20]!r}...) has {len(ids)} tokens, more than "
                    f"{MAX_SOURCE_TOKENS}; cut it into sentences"
                )
        return [ids if text.strip() else [] for text, ids in zip(texts, sources, strict=True)]

    def _padded(self, rows: Sequence[list[int]]) -> Tensor:
        width, pad_id = max(map(len, rows)), self.tokenizer.pad_id
        padded = [row + [pad_id] * (width - len(row)) for row in rows]
        return torch.tensor(padded, device=self.device)  # (B, S)


def find_model(folder: str | Path | None) -> Path:
    """The folder itself, or the shipped weights.

    ValueError if there are no shipped ones, or if the folder is of a run that is not finished.
    """
    if folder is None:
        shipped = Path(str(resources.files("tiny_transformer") / "weights" / "numerals"))
        if shipped.is_dir():
            return shipped
        raise ValueError(
            f"no model: {shipped} is not there. Give --model FOLDER, or train one: "
            "python -m tiny_transformer train --task numerals --small"
        )
    if (Path(folder) / RUN).exists() and not (Path(folder) / CONFIG).exists():
        raise ValueError(
            f"{folder} holds a training that is not finished: the command that began it goes on"
        )
    return Path(folder)


def _batches(sources: Sequence[list[int]], most_tokens: int) -> Iterator[list[int]]:
    """The numbers of all texts but empty ones, longest first: what does not fit shows at once."""
    batch: list[int] = []
    for number in sorted(range(len(sources)), key=lambda i: -len(sources[i])):
        if not sources[number]:
            break
        if batch and (len(batch) + 1) * len(sources[batch[0]]) > most_tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
