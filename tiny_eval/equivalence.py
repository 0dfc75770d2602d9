"""Whether two final answers say the same: \\frac{\\sqrt3}{3} and 根号3/3, a≥1 and [1,+∞).

Both are put into plain spelling (`maths_text`), read as what they are (`maths_answers`), and
compared as such. Values are compared exactly where both are fractions, else by their first 20
digits; formulas with letters at six points, where two different ones agree only by a coincidence
(Schwartz 1980, Zippel 1979). `simplify` is never asked: it may take for ever. What cannot be read
is compared as text. Chapter 53.

Leaves out: x=kπ+π/4 and x=kπ-3π/4 (the same for all k together); domains; 2/4 passes for 1/2.
"""

import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .formulas import FormulaError, parse_formula
from .maths_answers import Alternatives, Answer, Equation, Quantity, Row, as_set, read_answer
from .maths_text import plain

if TYPE_CHECKING:
    from sympy import Expr, Set

_DIGITS, _CLOSENESS = 30, 1e-20
_LONGEST = 1000
_POINTS = 6
_WHOLE_LETTERS = "nkm"  # stand for whole numbers, so that cos(nπ) is (-1)^n
_NAME = re.compile(  # what a value may be called, so that the name may be missing
    r"[\u4e00-\u9fffA-Z]+|[A-Za-zα-ωΔ](?:_\{?[\w△]+\}?)?'{0,2}(?:\([^()=]{1,20}\))?"
    r"|\\?(?:sin|cos|tan)\s*∠?[A-Za-zα-ω]+|∠\s*[A-Z]{1,3}|\|[A-Z]{2}\||S_?\{?△?\s?[A-Z]{3}\}?"
)


class Equivalence(NamedTuple):
    """A verdict, and what it rests on."""

    same: bool
    reason: str


def equivalent(answer: str, reference: str) -> Equivalence:
    """Whether an answer says the same as the reference.

    answer: the final answer alone, without the reply around it · a unit or a name (x=) that only
    one of the two has is left away; if both have one, they must agree
    """
    if (length := max(len(answer), len(reference))) > _LONGEST:
        return Equivalence(False, f"{length} characters; an answer has {_LONGEST} at most")
    given, wanted = plain(answer), plain(reference)
    if not given or not wanted:
        return Equivalence(False, "no answer")
    if _tight(given) == _tight(wanted):
        return Equivalence(True, "the same text")
    try:
        same = _same(read_answer(given), read_answer(wanted))
    except FormulaError as error:
        return Equivalence(False, f"not the same text, and not read as maths: {error}")
    return Equivalence(same, "the same by value" if same else "not the same value")


def _tight(text: str) -> str:
    """Without spaces, except between two digits."""
    return re.sub(r"(?<!\d)\s|\s(?!\d)", "", text)


def _same(a: Answer, b: Answer) -> bool:
    import sympy

    if isinstance(a, Equation) or isinstance(b, Equation):
        return _same_equations(a, b)
    if isinstance(a, sympy.Set) or isinstance(b, sympy.Set):
        return _same_sets(as_set(a), as_set(b))
    if isinstance(a, Alternatives) or isinstance(b, Alternatives):
        return _same_items(_distinct(a), _distinct(b))
    if isinstance(a, Row) or isinstance(b, Row):
        return _same_rows(a, b)
    return _same_quantities(a, b)


def _same_equations(a: Answer, b: Answer) -> bool:
    """Two curves, the same up to a factor; or a value with its name, and one without or with it."""
    if isinstance(a, Equation) and isinstance(b, Equation):
        if re.sub(r"[\s{}\\]", "", a.left) == re.sub(r"[\s{}\\]", "", b.left):
            return _same(read_answer(a.right), read_answer(b.right))
        return _proportional(_difference(a), _difference(b))
    named, other = (a, b) if isinstance(a, Equation) else (b, a)
    assert isinstance(named, Equation)
    value = read_answer(named.right)
    return _may_be_missing(named.left, value) and _same(value, other)


def _may_be_missing(name: str, value: Answer) -> bool:
    """Not the y of y=2x+1, which is an equation of a line."""
    curve = name in "xy" and any(str(s) in "xy" for s in getattr(value, "free_symbols", ()))
    return bool(_NAME.fullmatch(name)) and not curve


def _same_sets(a: "Set", b: "Set") -> bool:
    return a == b or _same_items(_ends(a), _ends(b))


def _ends(parts: "Set") -> list[Row]:
    """For each interval of a union its ends and whether they are in it; for a point, itself."""
    from sympy import FiniteSet, Integer, Interval, Union

    rows: list[Row] = []
    for part in parts.args if isinstance(parts, Union) else (parts,):
        if isinstance(part, Interval):
            opens = [Integer(bool(part.left_open)), Integer(bool(part.right_open))]
            rows.append(Row((part.start, part.end, *opens)))
        elif isinstance(part, FiniteSet):
            rows += [Row((point,)) for point in part.args]
        else:
            raise FormulaError(f"{part} is a set of another kind")
    return rows


def _distinct(answer: Answer) -> list[Answer]:
    items = answer.items if isinstance(answer, Alternatives) else (answer,)
    return [x for place, x in enumerate(items) if not any(_same(x, y) for y in items[:place])]


def _same_items(a: Sequence[Answer], b: Sequence[Answer]) -> bool:
    """Whether each item of one has a partner in the other. Distinct items have one at most."""
    return len(a) == len(b) and all(any(_same(x, y) for y in b) for x in a)


def _same_rows(a: Answer, b: Answer) -> bool:
    if not (isinstance(a, Row) and isinstance(b, Row)) or len(a.items) != len(b.items):
        return False
    return all(_same(x, y) for x, y in zip(a.items, b.items, strict=True))


def _same_quantities(a: "Expr | Quantity", b: "Expr | Quantity") -> bool:
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return a.power == b.power and _same_values(a.value * a.factor, b.value * b.factor)
    a, b = (x.value if isinstance(x, Quantity) else x for x in (a, b))
    return _same_values(a, b)


def _same_values(a: "Expr", b: "Expr") -> bool:
    from sympy import oo

    if a == b:
        return True
    if a.has(oo) or b.has(oo) or (a.is_Rational and b.is_Rational):
        return False
    values = [_values(x, sorted(a.free_symbols | b.free_symbols, key=str)) for x in (a, b)]
    pairs = [(x, y) for x, y in zip(*values, strict=True) if x is not None and y is not None]
    return bool(pairs) and all(abs(x - y) < _CLOSENESS * (1 + abs(y)) for x, y in pairs)


def _difference(equation: Equation) -> "Expr":
    """The polynomial, or whatever it is, that is 0 on the curve."""
    import sympy

    left, right = parse_formula(equation.left), parse_formula(equation.right)
    return sympy.fraction(sympy.together(left - right))[0]


def _proportional(f: "Expr", g: "Expr") -> bool:
    if f.free_symbols != g.free_symbols:
        return False
    symbols = sorted(f.free_symbols, key=str)
    pairs = zip(_values(f, symbols), _values(g, symbols), strict=True)
    ratios = [x / y for x, y in pairs if x is not None and y]
    return bool(ratios) and all(abs(r / ratios[0] - 1) < _CLOSENESS for r in ratios)


def _values(expression: "Expr", symbols: Sequence["Expr"]) -> list["Expr | None"]:
    """The expression's values at the points; None where it has none, or becomes complex.

    With no symbols there is one point. The letters are positive in half of the points.
    """
    from sympy import I

    rng = random.Random(0)
    values: list[Expr | None] = []
    for place in range(_POINTS if symbols else 1):
        point = {symbol: _number(rng, str(symbol), place % 2 == 1) for symbol in symbols}
        value = expression.evalf(_DIGITS, subs=point, maxn=200)
        real = value.is_real or expression.has(I) or not symbols
        values.append(value if value.is_number and value.is_finite and real else None)
    return values


def _number(rng: random.Random, letter: str, negative: bool) -> "Expr":
    from sympy import Rational

    if letter in _WHOLE_LETTERS:
        return Rational(rng.randint(2, 40))
    return Rational(rng.randint(100, 1000), 257) * (-1 if negative else 1)
