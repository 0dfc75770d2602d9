"""The three dialects by name. `protocols` says what a dialect is and compares them."""

from .hermes import HermesToolCall
from .openai_tools import OpenAITools
from .protocols import Dialect
from .react import ReActText

DIALECTS = ("react", "hermes", "openai")


def make_dialect(name: str, language: str | None = None) -> Dialect:
    """The dialect of this name. language: of ReAct's instructions and labels, "en" or "zh".

    ValueError if there is none of this name, or language
    """
    if name == "react":
        if language not in (None, "en", "zh"):
            raise ValueError(f"language={language!r} must be en or zh")
        return ReActText("zh" if language == "zh" else "en")
    if name == "hermes":
        return HermesToolCall()
    if name == "openai":
        return OpenAITools()
    raise ValueError(f"there is no dialect {name!r}; the dialects are {', '.join(DIALECTS)}")
