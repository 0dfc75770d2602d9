"""A causal language model in a folder on this machine, run by transformers.

    LocalModel("models/Qwen2.5-0.5B")
    LocalModel("models/Qwen2.5-0.5B-Instruct", truncation="middle", adapter="runs/lora")

Requests are sorted by length and put together into batches, which changes the speed, not the
answers. How texts become tokens is in `encoding`. Chapter 52 uses it. Leaves out: keeping the KV
cache from one request to the next, several devices.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .batching import TRUNCATIONS, Scored, batches, rolling_windows, shortened
from .drawing import generate_options
from .encoding import Encoder
from .model_folders import context_of, fingerprint, is_small, load_folder, one_thread
from .models import Failure, Generation, Loglikelihood, ModelError, Prompt, Reply

if TYPE_CHECKING:
    from torch import Tensor

_LOGITS = 1 << 28
"""How many may be there at once: a gibibyte in float32."""


class LocalModel:
    """A model in a folder in the Hugging Face layout. Nothing is downloaded, no code of it is run.

    device: "auto", "cpu", "cuda", "mps" · batch_size: requests at once · max_length: tokens of
    prompt and answer together, by default as many as the model knows · truncation: of too long a
    prompt cut off the "left", or cut out the "middle" as LongBench does; a continuation to be
    scored is never cut · adapter: a PEFT adapter's folder · dtype: by default float32 on the CPU,
    elsewhere that of the weights
    FileNotFoundError if a file is missing; ValueError if one is broken, or the device not there;
    ModuleNotFoundError without the libraries for it
    """

    def __init__(
        self,
        folder: str | Path,
        device: str = "auto",
        batch_size: int = 8,
        max_length: int | None = None,
        truncation: str = "left",
        adapter: str | Path | None = None,
        dtype: str | None = None,
    ) -> None:
        if batch_size < 1 or (max_length is not None and max_length < 2):
            problem = f"batch_size={batch_size} must be at least 1, max_length={max_length} 2"
            raise ValueError(problem)
        if truncation not in TRUNCATIONS:
            raise ValueError(f"truncation={truncation!r} must be one of {', '.join(TRUNCATIONS)}")
        self.folder, self.batch_size, self.truncation = Path(folder), batch_size, truncation
        self._adapter = None if adapter is None else Path(adapter)
        self._tokenizer, self._model = load_folder(self.folder, device, dtype, self._adapter)
        self._small = is_small(self._model)
        self.max_length = max_length or context_of(self._model, self._tokenizer)
        self._encoder = Encoder(self._tokenizer, str(folder))
        self._too_long: set[tuple[int, ...]] = set()

    @property
    def shortened(self) -> int:
        """How many different prompts were too long, up to now."""
        return len(self._too_long)

    @property
    def name(self) -> str:
        """The folder's name, and the adapter's."""
        adapter = f"+{self._adapter.resolve().name}" if self._adapter else ""
        return self.folder.resolve().name + adapter

    @property
    def settings(self) -> dict[str, Any]:
        """Which weights, and what is done to prompts."""
        return {
            "weights": fingerprint(self.folder),
            "adapter": fingerprint(self._adapter) if self._adapter else None,
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "max_length": self.max_length,
            "truncation": self.truncation,
        }

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        """Greedy, or drawn so that an answer depends on nothing but its prompt and the seed.

        ModelError if max_tokens leave no room for a prompt, or the template refuses it
        """
        room = self.max_length - generation.max_tokens
        if room < 1:
            problem = f"max_tokens={generation.max_tokens} leave no room for a prompt in the"
            raise ModelError(f"{problem} {self.max_length} tokens of {self.name}; lower them")
        rows = [self._fitting(self._encoder.prompt(prompt), room) for prompt in prompts]
        for batch in batches([len(row) for row in rows], self.batch_size):
            made = self._continued([rows[place] for place in batch], generation)
            for place, ids in zip(batch, made, strict=True):
                yield place, self._reply(ids, generation)

    def loglikelihood(
        self, requests: Sequence[tuple[Prompt, str]]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """Requests that differ in the last token alone, as the letters of a choice, are one row."""
        rows = []
        for place, (prompt, continuation) in enumerate(requests):
            before, scored = self._encoder.pair(prompt, continuation)
            if not 1 <= len(scored) <= self.max_length:
                problem = f"the continuation {continuation[:40]!r} has {len(scored)} tokens of its"
                yield place, Failure(f"{problem} own; there must be 1 to {self.max_length}")
                continue
            # the last token is not read, so there is room for one more
            before = self._fitting(before, self.max_length + 1 - len(scored))
            rows.append(Scored(place, (*before, *scored), len(scored)))
        for row, found in self._scored(rows):
            yield row.owner, found

    def loglikelihood_rolling(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """A text longer than the context is scored window by window, each token once.

        Its first token comes after the BOS token, or EOS where there is none.
        """
        windows: list[Scored] = []
        for place, text in enumerate(texts):
            ids = self._encoder.text(text)
            new = rolling_windows(ids, self._encoder.prefix, self.max_length, place)
            if not new:
                yield place, Loglikelihood(0.0, 0, True)
            windows += new
        waiting = Counter(window.owner for window in windows)
        parts: dict[int, list[Loglikelihood]] = defaultdict(list)
        for window, found in self._scored(windows):
            parts[window.owner].append(found)
            if len(parts[window.owner]) == waiting[window.owner]:
                yield window.owner, _sum(parts.pop(window.owner))

    def _fitting(self, ids: list[int], room: int) -> list[int]:
        if len(ids) > room:
            self._too_long.add(tuple(ids))
        return shortened(ids, room, self.truncation)

    def _continued(self, rows: list[list[int]], generation: Generation) -> list[list[int]]:
        """The tokens that come after each row, by transformers' generate."""
        import torch

        width, device = max(map(len, rows)), self._model.device
        # On the left, so that all answers start at the same place.
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])  # (B, T)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        with torch.inference_mode(), one_thread(self._small):
            made = self._model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=generation.max_tokens,
                **generate_options(self._tokenizer, rows, width, generation),
            )
        return made[:, width:].tolist()

    def _reply(self, ids: list[int], generation: Generation) -> Reply:
        ends = self._model.generation_config.eos_token_id or []
        length = next((place for place, token in enumerate(ids) if token in ends), len(ids))
        whole = self._encoder.decode(ids[:length])
        text = min((whole.split(stop, 1)[0] for stop in generation.stop), key=len, default=whole)
        return Reply(text, cut=text == whole and length == generation.max_tokens)

    def _scored(self, rows: Sequence[Scored]) -> Iterator[tuple[Scored, Loglikelihood]]:
        """What the model makes of each row. Equal inputs are read once."""
        same: dict[tuple[int, ...], list[Scored]] = defaultdict(list)
        for row in rows:
            same[row.ids[:-1]].append(row)
        inputs = list(same)
        for batch in batches([len(ids) for ids in inputs], self._rows_at_once(rows)):
            groups = [same[inputs[place]] for place in batch]
            for group, logits in zip(groups, self._logits(groups), strict=True):
                for row in group:
                    yield row, _loglikelihood(row, logits)

    def _rows_at_once(self, rows: Sequence[Scored]) -> int:
        """As many as were asked for, or fewer where all logits would not fit into memory."""
        longest = max((len(row.ids) for row in rows), default=1)
        most = max((row.scored for row in rows), default=1)
        size, vocabulary = self.batch_size, self._model.get_output_embeddings().weight.shape[0]
        while size > 1 and size * min(longest, size * most) * vocabulary > _LOGITS:
            size //= 2
        return size

    def _logits(self, groups: list[list[Scored]]) -> "Iterator[Tensor]":
        """Of each group's input the last logits, as many as are scored: (n, V) float32."""
        import torch

        inputs = [group[0].ids[:-1] for group in groups]
        wanted = [max(row.scored for row in group) for group in groups]
        width = max(map(len, inputs))
        # On the right, where a causal model does not see it from the left.
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in inputs])  # (B, T)
        spans = [range(len(row) - n, len(row)) for row, n in zip(inputs, wanted, strict=True)]
        kept = sorted(set().union(*spans))
        device = self._model.device
        with torch.inference_mode():
            logits = self._model(
                input_ids=ids.to(device),
                use_cache=False,
                logits_to_keep=torch.tensor(kept, device=device),  # of (B, T, V) floats the needed
            ).logits
        for row, span in enumerate(spans):
            start = kept.index(span[0])
            yield logits[row, start : start + len(span)].float()  # (n, V)


def _loglikelihood(row: Scored, logits: "Tensor") -> Loglikelihood:
    """logits: (n, V), the last of them before the row's last token"""
    import torch

    logits = logits[len(logits) - row.scored :]
    targets = torch.tensor(row.ids[-row.scored :], device=logits.device)  # (n,)
    chosen = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(1)
    greedy = bool((logits.argmax(1) == targets).all())
    return Loglikelihood(float(chosen.cpu().double().sum()), row.scored, greedy)


def _sum(parts: Sequence[Loglikelihood]) -> Loglikelihood:
    total, tokens, greedy = zip(*parts, strict=True)
    return Loglikelihood(sum(total), sum(tokens), all(greedy))
