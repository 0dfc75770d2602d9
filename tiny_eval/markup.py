"""HTML and SVG in which nothing can be forgotten to be escaped.

    element("p", "1 < 2", element("b", "!"), id="a")   ->   <p id="a">1 &lt; 2<b>!</b></p>

Text is escaped unless it is an `Html`, which only these functions make.
"""

import html
from collections.abc import Iterable

_VOID = ("meta", "input")
# What no page can hold is shown by a sign: NUL as ␀.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {127: 0x2421}


class Html(str):
    """A text that is markup already."""


def element(tag: str, *children: str, **attributes: str | bool | None) -> Html:
    """An element. In names of attributes _ becomes -, but the last is dropped (`class_`).

    True stands for an attribute without a value; one that is None or False is left out.
    """
    opening = tag
    for name, value in attributes.items():
        if value is not None and value is not False:
            opening += f" {name.rstrip('_').replace('_', '-')}"
            opening += "" if value is True else f'="{escape(value)}"'
    closing = "" if tag in _VOID else f"{joined(children)}</{tag}>"
    return Html(f"<{opening}>{closing}")


def joined(parts: Iterable[str]) -> Html:
    """One after the other; those that are text, escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def escape(text: str) -> Html:
    """A text as markup that shows it."""
    return Html(html.escape(visible(text)))


def visible(text: str) -> str:
    """Without control characters and halves of surrogate pairs, for which signs stand."""
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()
