"""One formula in plain spelling, read into a sympy expression: 2√3/3, \\frac{π}{6}, (-1)^n*x^2.

A parser by hand, for two reasons. sympy's `parse_expr` makes Python of the text and runs it; here
nothing is run, and what an answer may name is a closed list. And 9**9**9 keeps it busy for ever
unless a time limit stops it. That of math-verify 0.9 is a signal, which only a main thread can
have, and on Windows a process whose function cannot be pickled. Here `bounded_maths` weighs every
power before it is made, and no limit is needed. Chapter 53.

Leaves out: sums, integrals, factorials, matrices, arrows over vectors.
"""

import re
from typing import TYPE_CHECKING

from .bounded_maths import FUNCTIONS, FormulaError, apply_function, power

if TYPE_CHECKING:
    from sympy import Expr

MAX_CHARACTERS = 300
_MAX_DEPTH = 30
_MAX_LETTERS = 3  # abc may be a product, factorial is a word

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})"
    rf"|(?P<word>\\?(?:{'|'.join(FUNCTIONS)}|sqrt|frac|pi(?![a-z])))"
    r"|(?P<name>[A-Za-zα-ορ-ωΑ-Ω](?:_(?:\{[^{}]{1,20}\}|[A-Za-z\d]))?'{0,2})"
    r"|(?P<sign>[-+*/^_(){}\[\]|√π°%∞]))"
)


def parse_formula(text: str) -> "Expr":
    """The expression that a plain text stands for. Letters are real symbols, e and i numbers.

    sinx, 2x, 3√2x and |x| are read as in print; 1/2x is (1/2)x · decimals are exact: 0.5 is 1/2
    FormulaError if it is no formula, or one too large to look at
    """
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"{len(text)} characters; an answer has {MAX_CHARACTERS} at most")
    from sympy import nan, oo, zoo

    value = _Reader(_tokens(text)).formula()
    if value.has(zoo, nan) or (value.has(oo) and value not in (oo, -oo)):
        raise FormulaError(f"{text!r} divides by zero, or counts with infinity")
    return value


def _tokens(text: str) -> list[str]:
    """The words, names, numbers and signs of a formula."""
    tokens: list[str] = []
    place = letters = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise FormulaError(f"{text[place : place + 10]!r} is not part of a formula")
        token = match[0].strip()
        letters = letters + 1 if match["name"] and len(token) == 1 else 0
        if letters > _MAX_LETTERS:
            raise FormulaError(f"{text!r} holds a word")
        tokens.append(token.removeprefix("\\") if match["word"] else token)
        place = match.end()
    return tokens


class _Reader:
    """Recursive descent: a sum of terms of factors of powers of atoms."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place, self.depth, self.bars = tokens, 0, 0, 0

    def formula(self) -> "Expr":
        value = self._sum()
        if self.place < len(self.tokens):
            raise FormulaError(f"{self.tokens[self.place]!r} is where an end should be")
        return value

    @property
    def _next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _take(self, *wanted: str) -> str | None:
        if self._next and (self._next in wanted):
            self.place += 1
            return self.tokens[self.place - 1]
        return None

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            raise FormulaError(f"{wanted!r} is missing")

    def _sum(self) -> "Expr":
        value = self._term()
        while sign := self._take("+", "-"):
            value = value + self._term() if sign == "+" else value - self._term()
        return value

    def _term(self) -> "Expr":
        """Factors side by side or with * and /, with signs in front."""
        negative = False
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        value = -self._power() if negative else self._power()
        while True:
            if self._take("/"):
                value = value / self._signed_power()
            elif self._take("*"):
                value = value * self._signed_power()
            elif self._starts_factor():
                value = value * self._power()
            else:
                return value

    def _signed_power(self) -> "Expr":
        return -self._power() if self._take("-") else self._power()

    def _starts_factor(self) -> bool:
        token = self._next
        if token == "|":
            return not self.bars
        return bool(token) and (token[0].isalnum() or token in "√π(∞." or token[0] == ".")

    def _power(self) -> "Expr":
        import sympy

        value = self._atom()
        while sign := self._take("^", "%", "°"):
            if sign == "^":
                exponent = self._group() if self._next in ("{", "(") else self._signed_power()
                value = power(value, exponent)
            else:
                value = value / 100 if sign == "%" else value * sympy.pi / 180
        return value

    def _group(self) -> "Expr":
        """What stands in brackets."""
        close = {"{": "}", "(": ")", "[": "]", "|": "|"}[self._next]
        self.place += 1
        outer_bars, self.bars = self.bars, int(close == "|")
        value = self._sum()
        self._need(close)
        self.bars = outer_bars
        return value

    def _atom(self) -> "Expr":
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise FormulaError(f"nested more than {_MAX_DEPTH} deep")
        value = self._bare_atom()
        self.depth -= 1
        return value

    def _bare_atom(self) -> "Expr":
        import sympy

        token = self._next
        if token in ("(", "{", "["):
            return self._group()
        if token == "|":
            return sympy.Abs(self._group())
        self.place += 1
        if token in ("√", "sqrt"):
            return self._root()
        if token == "frac":
            top = self._braced()
            return top / self._braced()
        if token in FUNCTIONS:
            return self._function(token)
        return _single(token)

    def _braced(self) -> "Expr":
        if self._next != "{":
            raise FormulaError("a fraction has no braces")
        return self._group()

    def _root(self) -> "Expr":
        """√3, √(x+1), \\sqrt[3]{2}: binds tighter than a product, so √2x is (√2)x."""
        import sympy

        degree = self._group() if self._next == "[" else sympy.Integer(2)
        if degree == 0:
            raise FormulaError("a root of degree 0")
        radicand = self._group() if self._next in ("{", "(") else self._atom()
        return power(radicand, 1 / degree)

    def _function(self, name: str) -> "Expr":
        """sin x, sin^2 x, sin2x, log_2 8 and \\log_{2}{8}."""
        base = self._base() if name == "log" else None
        exponent = None
        if self._take("^"):
            exponent = self._group() if self._next == "{" else self._signed_power()
        value = apply_function(name, self._argument(), base)
        return value if exponent is None else power(value, exponent)

    def _base(self) -> "Expr | None":
        if not self._take("_"):
            return None
        if len(self._next) > 1 and self._next.isdigit():  # log_28 is the logarithm of 8 to base 2
            self.tokens[self.place : self.place + 1] = [self._next[0], self._next[1:]]
        return self._group() if self._next in ("{", "(") else self._atom()

    def _argument(self) -> "Expr":
        """A bracket, or the factors up to the next function or sign: in 2sin2xcosx it is 2x."""
        if self._next in ("(", "{"):
            return self._group()
        value = self._signed_power()
        while self._starts_factor() and self._next not in (*FUNCTIONS, "("):
            value = value * self._power()
        return value


def _single(token: str) -> "Expr":
    """A number, a constant or a letter."""
    import sympy

    constants = {"π": sympy.pi, "pi": sympy.pi, "e": sympy.E, "i": sympy.I, "∞": sympy.oo}
    if token in constants:
        return constants[token]
    if re.fullmatch(r"[\d.]+", token):
        return sympy.Rational(token)
    if token[:1].isalpha():
        return sympy.Symbol(token.replace("{", "").replace("}", ""), real=True)
    raise FormulaError(f"{token!r} is where a value should be" if token else "a value is missing")
