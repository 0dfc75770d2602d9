"""A language model of counts: the smallest thing that has a probability for a text.

    p(c | h) = (count(h c) + m p(c | shorter h)) / (count(h) + m)       h: the characters before c

It learns in a moment from a few pages, needs no tensor, and gives all that a harness asks of a
model: continuations, probabilities, a text. It knows nothing; what it scores is the floor that a
language model has to leave behind. Chapters 51 and 52 use it. Source: Jurafsky and Martin, "Speech
and Language Processing", chapter 3, on interpolation; the formula is a Dirichlet prior's.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files

from .models import Failure, Generation, Loglikelihood, Prompt, Reply, before_stop
from .tasks import digest

_CHARACTERS = 0x110000  # of Unicode; before anything is counted, each is as likely as the other


class NgramModel:
    """Characters after up to `order - 1` characters, counted in some texts.

    prior: how many observations the shorter history is worth
    ValueError if there is no text, or order < 1; TypeError if texts is one text
    """

    name = "ngram"

    def __init__(self, texts: Sequence[str], order: int = 6, prior: float = 1.0) -> None:
        if isinstance(texts, str):
            raise TypeError("texts is one str, whose letters would be texts; give a list")
        if order < 1 or prior <= 0:
            raise ValueError(f"order={order} must be at least 1 and prior={prior} above 0")
        if not any(texts):
            raise ValueError("an n-gram model counts characters, and texts has none")
        self.order, self.prior = order, prior
        self.settings = {"order": order, "prior": prior, "texts": digest(list(texts))}
        self._next: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            for place, character in enumerate(text):
                for length in range(min(order, place + 1)):
                    self._next[text[place - length : place]][character] += 1

    @classmethod
    def shipped(cls) -> "NgramModel":
        """Counted in the two small texts that come with this package."""
        data = files("tiny_eval") / "data"
        names = ("corpus_zh.txt", "corpus_en.txt")
        return cls([(data / name).read_text(encoding="utf-8") for name in names])

    def probability(self, history: str, character: str) -> float:
        """p(character | history), in (0, 1]."""
        p = 1 / _CHARACTERS
        for length in range(min(self.order, len(history) + 1)):
            seen = self._next.get(history[len(history) - length :])
            if seen is None:
                break  # nor is any longer history known
            p = (seen[character] + self.prior * p) / (seen.total() + self.prior)
        return p

    def total(self, history: str, text: str) -> Loglikelihood:
        """ln p(text | history), its characters and whether each was the likeliest."""
        whole, start = history + text, len(history)
        total, greedy = 0.0, True
        for place in range(start, len(whole)):
            before = whole[max(place - self.order + 1, 0) : place]
            total += math.log(self.probability(before, whole[place]))
            greedy = greedy and whole[place] == self._likeliest(before)
        return Loglikelihood(total, len(text), greedy)

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        """Characters one by one, up to a stop."""
        for index, prompt in enumerate(prompts):
            text = _text(prompt)
            draw = random.Random(f"{generation.seed} {text}")  # whatever was asked before it
            yield index, self._reply(text, generation, draw)

    def loglikelihood(
        self, requests: Sequence[tuple[Prompt, str]]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """Of each continuation, a character a token."""
        for index, (prompt, continuation) in enumerate(requests):
            yield index, self.total(_text(prompt), continuation)

    def loglikelihood_rolling(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """Of each text from its first character."""
        for index, text in enumerate(texts):
            yield index, self.total("", text)

    def _reply(self, history: str, generation: Generation, draw: random.Random) -> Reply:
        made = ""
        for _ in range(generation.max_tokens):
            made += self._choose(history + made, generation, draw)
            if (text := before_stop(made, generation.stop)) != made:
                return Reply(text)
        return Reply(made, cut=True)

    def _choose(self, history: str, generation: Generation, draw: random.Random) -> str:
        if not generation.temperature:
            return self._likeliest(history)
        candidates = sorted(
            self._candidates(history), key=lambda c: (-self.probability(history, c), c)
        )
        weights = [self.probability(history, c) for c in candidates]
        sharp = [(weight / weights[0]) ** (1 / generation.temperature) for weight in weights]
        kept, mass, enough = 0, 0.0, generation.top_p * sum(sharp)
        while kept < len(sharp) and mass < enough:
            mass += sharp[kept]
            kept += 1
        return draw.choices(candidates[:kept], sharp[:kept])[0]

    def _likeliest(self, history: str) -> str:
        return max(self._candidates(history), key=lambda c: (self.probability(history, c), c))

    def _candidates(self, history: str) -> set[str]:
        """What has followed the end of the history; everything, if nothing ever has."""
        lengths = range(1, min(self.order, len(history) + 1))
        found = [self._next.get(history[len(history) - length :], ()) for length in lengths]
        return set().union(*found) or set(self._next[""])


def _text(prompt: Prompt) -> str:
    """A conversation as plain lines: this model has no chat template."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(message["content"] for message in prompt) + "\n"
