"""Text to ids and back: byte-pair encoding with one vocabulary for both languages.

Sources: Vaswani et al. 2017 (arXiv:1706.03762), section 5.1: BPE, source and target share one
vocabulary; Sennrich et al. 2016 (arXiv:1508.07909), BPE itself. The algorithm is the `tokenizers`
library's; here are the choices around it. Chapter 13.

- Byte level: the 256 bytes are the smallest tokens. No text is unknown, and every text comes back
  exactly, for nothing is normalised.
- A text is first cut into pieces, and no token crosses a cut. Each digit and each Chinese character
  is a piece, so a number is spelt the same way everywhere. So is each mark of punctuation:
  "thirty-two" is "thirty", "-", "two". A word or mark takes the space before it along.
- <pad>, <s> and </s> never come out of text. Where a corpus has the letters "</s>", they are
  four characters like others and cannot end the sentence. Whoever wants one writes its id.
"""

import json
import operator
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from .files import read_text, write_text

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>")  # ids 0, 1, 2
CHUNK = 256  # texts; the library's result for a text is some 2 kB until we take the ids out
PIECES = "|".join(
    [
        r" ?(?:(?!\p{Han})[\p{L}\p{M}])+",  # a word: letters and their accents, space in front
        r"\p{Han}",
        r"\p{N}",
        r" ?(?!\p{Han})[^\s\p{L}\p{M}\p{N}]",  # a mark or symbol
        r"\s+(?!\S)",  # spaces, but for the last one, which belongs to the next word
        r"\s+",
    ]
)


class Tokenizer:
    """Byte-level BPE. Made by `train` or `load`.

    Ids: 0 to 2 the special tokens, then 256 bytes, then the merges in the order learned.
    """

    pad_id, bos_id, eos_id = 0, 1, 2

    def __init__(self, core: tokenizers.Tokenizer) -> None:
        """core: the library's tokenizer. ValueError if it is not one that `train` makes."""
        _check(core)
        core.encode_special_tokens = True  # as characters; the file does not say so
        self._core = core

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "Tokenizer":
        """Learn merges until there are `vocab_size` tokens, or until no pair occurs twice.

        texts: of both languages, in any order; read once. The same texts give the same tokenizer.
        ValueError if `vocab_size` cannot hold the special tokens and the bytes.
        """
        least = len(SPECIAL_TOKENS) + 256
        if vocab_size < least:
            raise ValueError(
                f"vocab_size={vocab_size} must be at least {least}: 256 bytes and "
                f"{len(SPECIAL_TOKENS)} special tokens"
            )
        core = _blank()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        core.train_from_iterator(_checked(texts), trainer)
        return cls(core)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> "Tokenizer":
        """Read what `save` wrote. FileNotFoundError, or ValueError if damaged or another kind."""
        file = Path(file)
        text = read_text(file)
        try:
            core = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises no narrower class
            raise ValueError(
                f"{file} is damaged or no tokenizer file ({error}); copy it again or train anew"
            ) from error
        try:
            return cls(core)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write tokenizer.json, in the format of the `tokenizers` library."""
        write_text(Path(file), self._core.to_str(pretty=True) + "\n")

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles go through JSON: the library's own forgets `encode_special_tokens`."""
        return _from_json, (self._core.to_str(),)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are; less than asked for when the texts were too few."""
        return self._core.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Text to ids; nothing is added at either end.

        ValueError if the text holds half of a surrogate pair, which UTF-8 cannot write.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """As `encode`, for many texts at once, on all cores."""
        checked, ids = _checked(texts), []
        while chunk := list(islice(checked, CHUNK)):
            ids += [encoding.ids for encoding in self._core.encode_batch_fast(chunk)]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text, without special tokens; bytes that are not UTF-8 become U+FFFD.

        decode(encode(text)) == text. ValueError if an id is no token.
        """
        return self._core.decode([self._known(i) for i in ids], skip_special_tokens=True)

    def token_text(self, token_id: int) -> str:
        """A token as a figure shows it: "三", " million", "</s>".

        A byte that is only part of a character is "<0xE4>", a line break "<0x0A>", another
        character that has no shape "<U+200B>". ValueError if the id is no token.
        """
        token = self._core.id_to_token(self._known(token_id))
        assert token is not None  # `_check`: the ids have no gaps
        text = bytes(_BYTES[symbol] for symbol in token).decode("utf-8", errors="surrogateescape")
        return "".join(map(_visible, text))

    def _known(self, token_id: int) -> int:
        token_id = operator.index(token_id)
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"id {token_id} is no token: ids are 0 to {self.vocab_size - 1}")
        return token_id


def _blank() -> tokenizers.Tokenizer:
    """The library's tokenizer with our choices, before any merge is learned."""
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(SPECIAL_TOKENS))
    core.encode_special_tokens = True  # or "</s>" in a text is one piece, and "</" is learned
    return core


def _from_json(text: str) -> Tokenizer:
    return Tokenizer(tokenizers.Tokenizer.from_str(text))


def _check(core: tokenizers.Tokenizer) -> None:
    """ValueError, saying what differs, unless `train` could have made it."""
    found, wanted = json.loads(core.to_str()), json.loads(_blank().to_str())
    vocab = found["model"].get("vocab", {})
    for parts in (found, wanted):
        parts["model"] = {k: v for k, v in parts["model"].items() if k not in ("vocab", "merges")}
    for part, ours in wanted.items():
        if found.get(part) != ours:
            raise ValueError(
                f"{part} is {found.get(part)!r:.200}, not {ours!r:.200}; "
                "use a file written by tiny_transformer"
            )
    if sorted(vocab.values()) != list(range(len(vocab))) or not _BYTES.keys() <= vocab.keys():
        raise ValueError("the vocabulary lacks ids or bytes; use a file from tiny_transformer")


def _checked(texts: Iterable[str]) -> Iterator[str]:
    if isinstance(texts, str):
        raise ValueError("texts is one str, and would be read by characters; give [text]")
    for number, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text {number}, character {error.start} is {text[error.start]!r}, half of a "
                "surrogate pair and no character; replace it: "
                "text.encode('utf-8', 'replace').decode('utf-8')"
            ) from None
        yield text


def _byte_symbols() -> dict[str, int]:
    """symbol -> byte. In a tokenizer.json a byte that prints as Latin-1 is itself; the others,
    in order, are the characters from U+0100 on: a space is "Ġ"."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(b): b for b in printed} | {chr(0x100 + i): b for i, b in enumerate(others)}


_BYTES = _byte_symbols()


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    lone_byte = 0xDC80 <= code <= 0xDCFF  # how "surrogateescape" hands it over
    return f"<0x{code & 0xFF:02X}>" if code < 0x80 or lone_byte else f"<U+{code:04X}>"
