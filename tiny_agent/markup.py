"""HTML out of Python in which nothing can be forgotten to be escaped.

    element("p", "1 < 2", element("b", "!"), id="a")   ->   <p id="a">1 &lt; 2<b>!</b></p>

Text is escaped, unless it is an `Html`, which only `element` and `joined` make.
"""

import html
import re
from collections.abc import Iterable

_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f]")
_EMPTY = {"meta", "br"}


class Html(str):
    """A text that is HTML already."""


def element(tag: str, *children: str, **attributes: str | bool | None) -> Html:
    """An element. A final _ of an attribute's name is left out (`class_`), others become -.

    An attribute that is True has no value, one that is None or False is left out.
    """
    opening = tag
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        opening += f" {name.rstrip('_').replace('_', '-')}"
        opening += "" if value is True else f'="{escape(value)}"'
    if tag in _EMPTY:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{joined(children)}</{tag}>")


def joined(parts: Iterable[str]) -> Html:
    """The parts one after the other; those that are text, escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def escape(text: str) -> Html:
    """Text for HTML. What no page can hold is shown: NUL as ␀, half a surrogate pair as \\ud800."""
    text = _CONTROL.sub(lambda match: _picture(match[0]), text)
    return Html(html.escape(text.encode("utf-8", "backslashreplace").decode()))


def _picture(control: str) -> str:
    return chr(0x2400 + ord(control)) if control != "\x7f" else "\u2421"
