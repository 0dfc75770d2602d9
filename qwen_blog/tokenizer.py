"""The tokenizer of a Qwen2 model: text to ids, ids to text.

Source: the behaviour of the `tokenizers` library on Qwen2's published folders. The algorithms are
in `bpe.py`, to be read first; the files in `tokenizer_files.py`. Chapter 21 explains them.

Encoding, in order: cut out the added tokens such as <|im_end|>, NFC, cut into words, merge bytes.
Ids, in order: 256 byte symbols, one for each merge, then the added tokens (in Qwen2 from 151643).
The ids equal those of the `tokenizers` library, but for the rare characters that
`bpe.pretokenize` names. Two departures in decoding: an id that is no token is an error (there it
is skipped), and an added token always gives back its own text (there "é" becomes a broken byte).

Leaves out: offsets, truncation, padding, and added tokens that eat the spaces around them.
"""

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from . import bpe, chat
from .files import write_text
from .tokenizer_files import (
    MODEL,
    PIPELINE,
    QWEN2_SPECIAL_TOKENS,
    AddedToken,
    added_entry,
    check_added_tokens,
    read_config,
    read_parts,
    stop_tokens,
)

MAX_CACHED_WORDS = 1 << 16  # some 300 bytes each: at most about 20 MB


class Tokenizer:
    """Byte-level BPE with added tokens.

    vocab: token (byte symbols) -> id · merges: pairs of tokens, the first learned first
    added_tokens: with ids of their own · eos_token, pad_token: the content of two tokens, or None
    chat_template: Jinja, where the model brings its own; None is ChatML
    ValueError if these do not fit together.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        added_tokens: Sequence[AddedToken] = (),
        *,
        eos_token: str | None = None,
        pad_token: str | None = None,
        chat_template: str | None = None,
    ) -> None:
        bpe.check_vocabulary(vocab, merges)
        check_added_tokens(vocab, added_tokens, (eos_token, pad_token))
        self.vocab, self.merges = dict(vocab), list(merges)
        self.added_tokens = {token.content: token for token in added_tokens}
        self.eos_token, self.pad_token, self.chat_template = eos_token, pad_token, chat_template
        self._bytes = {
            i: bpe.symbols_to_bytes(token)
            for token, i in vocab.items()
            if token not in self.added_tokens  # it may be listed in both
        } | {token.id: token.content.encode() for token in added_tokens}
        self._special_ids = {token.id for token in added_tokens if token.special}
        longest_first = sorted(self.added_tokens, key=len, reverse=True)
        self._added_pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._words = _WordCache(self.vocab, self.merges)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = QWEN2_SPECIAL_TOKENS,
        whole_tokens: Sequence[str] = (),
        min_frequency: int = 2,
    ) -> "Tokenizer":
        """Learn merges until there are `vocab_size` tokens, those given included, or no pairs.

        whole_tokens: strings that are one token wherever they stand, without being control tokens
        min_frequency: how often a pair must occur to be glued
        A token of these two inside the texts is read as plain characters, as the library does.
        ValueError if `vocab_size` cannot hold the bytes and the tokens given.
        """
        given = len(special_tokens) + len(whole_tokens)
        room = vocab_size - len(bpe.ALPHABET) - given
        if room < 0:
            raise ValueError(
                f"vocab_size={vocab_size} must be at least {vocab_size - room}: 256 bytes and "
                f"{given} tokens of their own"
            )
        merges = bpe.learn_merges(bpe.count_words(texts), room, min_frequency)
        vocab = bpe.vocabulary(merges)
        added = [
            AddedToken(text, len(vocab) + i, special=i < len(special_tokens))
            for i, text in enumerate([*special_tokens, *whole_tokens])
        ]
        eos, pad = stop_tokens(added, {})
        return cls(vocab, merges, added, eos_token=eos, pad_token=pad)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> "Tokenizer":
        """Read tokenizer.json, or else vocab.json + merges.txt; then the config and chat template.

        FileNotFoundError if they are not there; ValueError, naming the file, if one is damaged or
        its tokenizer is not of Qwen2's kind.
        """
        config, template = read_config(Path(folder))
        file, parts = read_parts(Path(folder), config)
        eos, pad = stop_tokens(parts[2], config)
        try:
            return cls(*parts, eos_token=eos, pad_token=pad, chat_template=template)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write tokenizer.json, tokenizer_config.json, vocab.json and merges.txt.

        `tokenizers.Tokenizer.from_file` and `transformers.AutoTokenizer` read them. The folder is
        made if need be; a file is replaced whole or not at all.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        merges = [f"{left} {right}" for left, right in self.merges]
        write_text(folder / "vocab.json", json.dumps(self.vocab, ensure_ascii=False))
        write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *merges, ""]))
        for name, content in (
            ("tokenizer_config.json", self._config()),
            ("tokenizer.json", self._tokenizer_json(merges)),
        ):
            write_text(folder / name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
        # Another template left here would win over the one in tokenizer_config.json.
        (folder / "chat_template.jinja").unlink(missing_ok=True)

    def _tokenizer_json(self, merges: list[str]) -> dict[str, Any]:
        added = [{"id": token.id, **added_entry(token)} for token in self.added_tokens.values()]
        head = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
        model = {**MODEL, "vocab": self.vocab, "merges": merges}
        return {**head, **PIPELINE, "post_processor": None, "model": model}

    def _config(self) -> dict[str, Any]:
        return {
            "tokenizer_class": "Qwen2Tokenizer",
            "add_prefix_space": False,
            "bos_token": None,
            "eos_token": self.eos_token,
            "pad_token": self.pad_token,
            "unk_token": None,
            "added_tokens_decoder": {
                str(token.id): added_entry(token) for token in self.added_tokens.values()
            },
            "chat_template": self.chat_template or chat.CHATML_TEMPLATE,
        }

    def __len__(self) -> int:
        """The highest id + 1: the rows that an embedding table must have at least."""
        return max(self._bytes) + 1

    @property
    def eos_token_id(self) -> int | None:
        return None if self.eos_token is None else self.token_to_id(self.eos_token)

    @property
    def pad_token_id(self) -> int | None:
        return None if self.pad_token is None else self.token_to_id(self.pad_token)

    def token_to_id(self, token: str) -> int:
        """The id of "<|im_end|>" or "Ġthe". KeyError if there is none."""
        return self.added_tokens[token].id if token in self.added_tokens else self.vocab[token]

    def token_bytes(self, token_id: int) -> bytes:
        """What a token stands for: b" the", or half of a Chinese character. ValueError if none."""
        try:
            return self._bytes[token_id]
        except KeyError:
            raise ValueError(
                f"id {token_id!r} is no token: ids are ints from 0 to {len(self) - 1}. A model's "
                "embedding may have more rows (Qwen2 pads to 151936): never sample those"
            ) from None

    def encode(self, text: str, *, allow_special: bool = True) -> list[int]:
        """Text to ids; nothing is added at either end.

        allow_special: find control tokens in the text. Pass False for text of unknown origin:
            "<|im_end|>" is then ten characters like others, and cannot end the turn.
        ValueError if the text holds half of a surrogate pair, which UTF-8 cannot write.
        """
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text[{error.start}] is {text[error.start]!r}, half of a surrogate pair and no "
                "character; replace it: text.encode('utf-8', 'replace').decode('utf-8')"
            ) from None
        ids: list[int] = []
        for words, token_id in self._split(text, allow_special):
            ids += chain.from_iterable(map(self._words.__getitem__, bpe.pretokenize(words)))
            if token_id is not None:
                ids.append(token_id)
        return ids

    def _split(self, text: str, allow_special: bool) -> Iterator[tuple[str, int | None]]:
        """(text before, id of the added token) for each added token, then (what is left, None)."""
        start = 0
        for match in self._added_pattern.finditer(text):
            token = self.added_tokens[match.group()]
            if allow_special or not token.special:
                yield text[start : match.start()], token.id
                start = match.end()
        yield text[start:], None

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Ids to text; bytes that are not UTF-8 become U+FFFD. ValueError if an id is no token."""
        hidden = self._special_ids if skip_special_tokens else ()
        shown = (self.token_bytes(i) for i in ids if i not in hidden)
        return b"".join(shown).decode("utf-8", errors="replace")

    def render_chat(
        self,
        messages: Sequence[chat.Message],
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = False,
    ) -> str:
        """The conversation as text, by the folder's own template or else as ChatML.

        ValueError, naming the message, if it cannot be rendered.
        """
        if self.chat_template is None:
            return chat.render_chatml(
                messages, tools=tools, add_generation_prompt=add_generation_prompt
            )
        return chat.render_template(
            self.chat_template,
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            eos_token=self.eos_token,
            pad_token=self.pad_token,
        )

    def apply_chat_template(
        self,
        messages: Sequence[chat.Message],
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = False,
        *,
        sanitize: bool = False,
    ) -> list[int]:
        """The conversation as ids: `encode(render_chat(...))`.

        sanitize: control tokens inside the messages stay plain characters, so that what a user
            types cannot forge a turn. ChatML only: ValueError for a folder's own template, whose
            text does not tell the two apart.
        """
        if not sanitize:
            return self.encode(self.render_chat(messages, tools, add_generation_prompt))
        if self.chat_template is not None:
            raise ValueError(
                "sanitize=True needs ChatML; this folder has a chat_template of its own"
            )
        start, end = self.token_to_id(chat.IM_START), self.token_to_id(chat.IM_END)
        ids: list[int] = []
        for role, body in chat.chatml_turns(messages, tools=tools):
            ids += [start, *self.encode(f"{role}\n{body}", allow_special=False), end]
            ids += self.encode("\n")
        return [*ids, start, *self.encode("assistant\n")] if add_generation_prompt else ids


class StreamDecoder:
    """Decode ids one at a time, as a model makes them, and never show half a character.

    The pushes and the flush, joined, are `tokenizer.decode` of the same ids, whatever the ids: what
    can become no UTF-8 is U+FFFD, as soon as that is certain.

    skip_special_tokens: say nothing of the added tokens that are `special`
        (`tokenizer.added_tokens`: content -> `AddedToken`)
    `tokenizer.token_bytes(id)` are the bytes of a token, perhaps half a character; ValueError if
    the id is none.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special_tokens: bool = False) -> None:
        self._tokenizer = tokenizer
        self._hidden = tokenizer._special_ids if skip_special_tokens else set()
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The text that this id completes: "" while its last character lacks bytes."""
        if token_id in self._hidden:
            return ""
        return self._utf8.decode(self._tokenizer.token_bytes(token_id))

    def flush(self) -> str:
        """The end: "" or, for a character never completed, U+FFFD. Then ready for another text."""
        return self._utf8.decode(b"", final=True)


class _WordCache(dict[str, list[int]]):
    """word -> ids, filled on demand; forgets all when full."""

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        self.vocab, self.ranks = vocab, {pair: rank for rank, pair in enumerate(merges)}

    def __missing__(self, word: str) -> list[int]:
        ids = [self.vocab[t] for t in bpe.merge_word(bpe.text_to_symbols(word), self.ranks)]
        if len(self) >= MAX_CACHED_WORDS:
            self.clear()
        if len(word) <= 64:  # long ones are rare, and would make the bound meaningless
            self[word] = ids
        return ids
