"""How many tokens a text is: an estimate without a vocabulary, or the count of a tokenizer.

Chapter 31 compares the two. Every limit of the package (the size of a chunk, its overlap, the
budget of a prompt) is in tokens, and takes any `Callable[[str], int]` to count them.
"""

from pathlib import Path

import regex

_TOKEN = regex.compile(
    r"""
      [\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]  # each character
    | \p{Latin}{1,5}                               # a word of up to 5 letters, or 5 letters of it
    | [\p{L}\p{M}--[\p{Latin}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]]{1,2}  # Cyrillic, Thai ...
    | (?!\ (?!\s))\s{1,8}                          # white space; not the one space between words
    | ([!-/:-@\[-`{-~])\1{0,3}                     # an ASCII sign, up to 4 times: "----"
    | \S                                           # each digit, full-width sign, emoji ...
    """,
    regex.VERBOSE | regex.V1,
)


def count_tokens(text: str) -> int:
    """About how many tokens a language model makes of the text. No vocabulary is needed.

    One token is: a Chinese, Japanese or Korean character · up to 5 Latin letters of a word · 2
    letters of another script · one digit · an ASCII sign, up to 4 of the same in a row · any other
    character · 8 characters of white space. The one space between two words is none.
    returns >= 0; 0 for "" and " ". A longer prefix of a text never has fewer tokens.

    On Chinese and English prose and on Python this is a quarter to a third more than Qwen2's
    tokenizer makes, so a limit kept here is kept there; only for emoji it is less.
    """
    return len(_TOKEN.findall(text))


class TokenizerCounter:
    """Counts with the tokenizer of a model, so that a limit is exact for that model."""

    def __init__(self, path: str | Path) -> None:
        """path: a `tokenizer.json` as the `tokenizers` library writes it, or a folder that has one.

        FileNotFoundError, or ValueError if the file is no tokenizer.
        """
        from tokenizers import Tokenizer  # 0.1 s, and only here

        path = Path(path)
        file = path / "tokenizer.json" if path.is_dir() else path
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} does not exist; name a tokenizer.json or a model folder that has one"
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"{file} is not a tokenizer.json: {error}") from error
        # Files of encoders ask for both: every text would be at most, or exactly, 128 tokens long.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "<|endoftext|>" in a document is its text

    def __call__(self, text: str) -> int:
        """How many tokens the text is, without the marks that a model puts around a whole prompt.

        A lone surrogate, which no tokenizer takes, counts as U+FFFD.
        """
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return len(self._tokenizer.encode(clean, add_special_tokens=False).ids)
