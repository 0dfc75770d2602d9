"""Conversations and texts as training samples: ids, and for each whether it is to be learned.

Of a conversation only what the assistant says has a loss, with the <|im_end|> that ends it: the
model shall learn to answer, not to ask. Of a plain text everything has. Chapter 24.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .chat import IM_END, IM_START, chatml_turns
from .packing import Sample
from .tokenizer import Tokenizer

END_OF_TEXT = "<|endoftext|>"


def conversation_sample(tokenizer: Tokenizer, messages: Sequence[Mapping[str, Any]]) -> Sample:
    """A conversation as ChatML; the ids are those of `Tokenizer.apply_chat_template`."""
    start, end = tokenizer.token_to_id(IM_START), tokenizer.token_to_id(IM_END)
    newline = tokenizer.encode("\n")
    ids: list[int] = []
    wanted: list[bool] = []
    for role, body in chatml_turns(messages):
        head = [start, *tokenizer.encode(role + "\n", allow_special=False)]
        said = [*tokenizer.encode(body, allow_special=False), end]
        ids += [*head, *said, *newline]
        wanted += [False] * len(head) + [role == "assistant"] * len(said) + [False] * len(newline)
    return ids, wanted


def text_sample(tokenizer: Tokenizer, text: str) -> Sample:
    """A text and the token that ends it."""
    ids = [*tokenizer.encode(text, allow_special=False), tokenizer.token_to_id(END_OF_TEXT)]
    return ids, [True] * len(ids)
