"""Arithmetic as people and models write it, turned into what Python's grammar knows.

    840×12.5%      '840' * '12.5' .percent
    √2＋５！        ~ '2' + '5' .factorial

A number travels as a string, so that no digit of it is lost; √ as ~, which binds as a root should;
a sign that stands behind its number as an attribute, which binds tightest of all. Nothing else can
come out as any of the three, for quotes, ~ and lone points are no tokens here. `calculator` walks
the tree of the result. Chapter 42 uses it.

Leaves out: 2(3 + 4) and 2pi, which would have to bind tighter than / for some readers and not for
others: an error asks for the operator. Fractions such as ½, which would make 2½ 21/2.
"""

import re

from .tools import ToolError

MAX_DEPTH = 50  # a thread on macOS has 512 kB of stack; Python's parser takes 1 kB a parenthesis

POSTFIXES = {
    "!": "factorial",
    "%%": "percent",
    "°": "radians",
    "百": "hundred",
    "千": "thousand",
    "万": "ten_thousand",
    "亿": "hundred_million",
}
"""What stands behind its number, and what it travels as; %% is a % that is no remainder."""

_ALIKE = str.maketrans(
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # the full-width forms of ASCII
    | dict.fromkeys(map(ord, "×·⋅∙•✕✖∗"), "*")
    | dict.fromkeys(map(ord, "÷∕⁄"), "/")
    | dict.fromkeys(map(ord, "−–—"), "-")
    | dict.fromkeys(map(ord, "[{【［｛"), "(")
    | dict.fromkeys(map(ord, "]}】］｝"), ")")
    | {ord("π"): " pi ", ord("≤"): "<=", ord("≥"): ">="}
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_WORDS = {
    r"乘以?|的|\\times|\\cdot|\bof\b|(?<=[0-9)]) x (?=[0-9(.])": "*",
    r"除以|\\div": "/",
    r"加上?": "+",
    r"减去?": "-",
    r"\\left|\\right|\\|\bmath\.": "",
    r"(?:=+|等于) ?(?:多少|几)? ?\?*$": "",  # "2+2=?"
}

_PLAIN = r"(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_GROUPED = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])(?:\.[0-9]+)?"
_OTHER = r"[a-z_][a-z_0-9]*|\*\*|//|<<|>>|<=|>=|==|[-+*/%^()<>,!°√万亿千百]"
_TOKEN = re.compile(rf" ?({_GROUPED}|{_PLAIN}|{_OTHER}) ?")
_TOKEN_IN_CALL = re.compile(rf" ?({_PLAIN}|{_OTHER}) ?")  # max(1,234) has two arguments


def to_python(expression: str) -> str:
    """The expression in Python's grammar, its tokens apart.

    `%` is the remainder where a number, a name or a parenthesis follows it, else a percentage. A
    comma groups thousands, but in the parentheses of a function it separates arguments.
    ToolError for a character or an order of tokens that no expression has, and for parentheses
    that are not closed, or nested deeper than MAX_DEPTH
    """
    text = _normalised(expression)
    out: list[str] = []
    calls: list[bool] = []  # for each parenthesis that is open, whether it holds arguments
    before, at = "", 0
    while at < len(text):
        in_call = bool(calls and calls[-1])
        found = (_TOKEN_IN_CALL if in_call else _TOKEN).match(text, at)
        if not found:
            raise ToolError(f"{text[at]!r} has no place in arithmetic; use numbers and operators")
        token, at = found[1], found.end()
        if token == "%" and not re.match(r"[0-9a-z_.(√]", text[at:]):
            token = "%%"
        _check_order(before, token, in_call)
        if token == "(":
            calls.append(_is_name(before))
            if len(calls) > MAX_DEPTH:
                raise ToolError(f"parentheses are nested deeper than {MAX_DEPTH}; split it")
        elif token == ")":
            if not calls:
                raise ToolError("a ')' closes nothing; write its '(' too")
            calls.pop()
        out.append(_as_python(token))
        before = token
    if calls:
        raise ToolError(f"{len(calls)} '(' not closed; write the ')' too")
    return " ".join(out)


def _normalised(expression: str) -> str:
    text = " ".join(expression.translate(_ALIKE).lower().split())
    text = re.sub("[⁻⁰¹²³⁴-⁹]+", lambda found: f"**({found[0].translate(_RAISED)})", text)
    for words, sign in _WORDS.items():
        text = re.sub(words, sign, text)
    return text.strip()


def _check_order(before: str, token: str, in_call: bool) -> None:
    """ToolError where two tokens stand together that tell different readers different things."""
    if token == "," and not in_call:
        raise ToolError("a comma groups thousands, as in 1,234; a decimal has a point, as in 3.14")
    if before == token == "!":
        raise ToolError("5!! can be read in two ways; write (5!)! if that is meant")
    ends = before == ")" or before in POSTFIXES or _is_name(before) or _is_number(before)
    begins = token in ("(", "√") or _is_name(token) or _is_number(token)
    if ends and begins and not (token == "(" and _is_name(before)):
        raise ToolError(f"an operator is missing between {before!r} and {token!r}; * for times")


def _is_name(token: str) -> bool:
    return token.isascii() and token[:1].isidentifier()


def _is_number(token: str) -> bool:
    return token[:1].isdigit() or token[:1] == "."


def _as_python(token: str) -> str:
    if token in POSTFIXES:
        return f".{POSTFIXES[token]}"
    if _is_number(token):
        return f"'{token.replace(',', '')}'"
    return {"^": "**", "√": "~"}.get(token, token)
