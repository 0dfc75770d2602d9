"""Texts and conversations as the tokens that a model reads.

As in lm-evaluation-harness: a prompt and its continuation are encoded together and then cut, for
"Answer:" and " blue" may have other tokens apart; white space at the prompt's end counts as the
continuation's. Other than there, what looks like a control token in a conversation is text, and a
BOS token is not foretold. Chapter 52 uses it.
"""

from typing import Any

from .models import Message, ModelError, Prompt


class Encoder:
    """A tokenizer of transformers, and what belongs before a text.

    source: what errors call the model
    """

    def __init__(self, tokenizer: Any, source: str) -> None:
        self._tokenizer, self._source = tokenizer, source
        # Too long a text is ours to deal with, and no reason for a warning.
        tokenizer.model_max_length = 1 << 62

    @property
    def prefix(self) -> int:
        """What stands before a text that nothing stands before: BOS, or else EOS."""
        for token in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        raise ModelError(f"{self._source} has neither a BOS nor an EOS token to start a text with")

    def text(self, text: str) -> list[int]:
        """A whole text, with nothing before it."""
        return self._encode(text, special=False)

    def prompt(self, prompt: Prompt) -> list[int]:
        """What a model is to go on from. At least one token. ModelError as in `pair`."""
        return self._encode(*self._rendered(prompt)) or [self.prefix]

    def pair(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """What stands before, which is at least one token, and what is to be scored.

        ModelError if the folder has no chat template, or the template refuses the conversation
        """
        text, special = self._rendered(prompt)
        context = text.rstrip()
        if not context:
            return [self.prefix], self._encode(text + continuation, special=False)
        before = self._encode(context, special)
        whole = self._encode(text + continuation, special)
        return before, whole[len(before) :]

    def decode(self, ids: list[int]) -> str:
        """The text of tokens, without control tokens."""
        return self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _encode(self, text: str, special: bool) -> list[int]:
        # half a surrogate pair is no character, and tokenizers refuse it
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return list(self._tokenizer.encode(whole, add_special_tokens=special))

    def _rendered(self, prompt: Prompt) -> tuple[str, bool]:
        """The prompt as text, and whether the tokenizer is to put its BOS before it."""
        if not isinstance(prompt, str):
            return self._templated(prompt), False
        return prompt, not prompt.startswith(self._tokenizer.decode([self.prefix]))

    def _templated(self, messages: list[Message]) -> str:
        """The conversation by the folder's template; its control tokens come from there alone."""
        from jinja2 import TemplateError

        if not self._tokenizer.chat_template:
            remedy = "use the Instruct version of the model, or a task with chat: false"
            raise ModelError(f"{self._source} has no chat template; {remedy}")
        added = self._tokenizer.added_tokens_decoder.values()
        # Some folders do not mark theirs as special; "<think>" is none.
        control = [t.content for t in added if t.special or "|" in t.content or "｜" in t.content]
        given = [
            {"role": message["role"], "content": _spaced(message["content"], control)}
            for message in messages
        ]
        try:
            return self._tokenizer.apply_chat_template(
                given, tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, ValueError, TypeError, LookupError) as error:
            problem = f"the chat template of {self._source} refuses the conversation ({error})"
            raise ModelError(f"{problem}; use another model, or no description") from error


def _spaced(text: str, names: list[str]) -> str:
    """The same with a space in each of the names: "<|im_end|>" in a text is text, "< |im_end|>"."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, f"{name[0]} {name[1:]}")
    return text
