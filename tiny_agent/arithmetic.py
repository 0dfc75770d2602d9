"""Numbers that cannot get out of hand: fractions and floats, their operators and functions.

Numbers are fractions as long as they can be: 0.1 + 0.2 is 0.3, and 1/3*3 is 1. Roots, logarithms
and sines are floats. Whoever asks for 9**9**9 asks for 370 million digits, so their length is
bounded: `**`, `<<`, factorial, comb and perm are checked before they are worked out. The others
make a number at most as long as both of theirs together, and are checked after (`checked`).
`calculator` uses the tables at the end.
"""

import ast
import math
import operator
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

from .expressions import POSTFIXES
from .tools import ToolError

MAX_BITS = 10_000  # 3,010 digits; Python refuses to print an int of more than 4,300

Number = Fraction | float


def format_number(value: Number) -> str:
    """A number as people write it: 105 for 105.0, 0.3 for 0.1 + 0.2, 1.5e-20 where that is shorter.

    Whole fractions in full; others with 15 significant digits, or 6 after the point if that is more
    """
    if isinstance(value, float):
        number = Decimal(format(value, ".15g"))  # the 16th and 17th digit are rounding errors
    elif value.denominator == 1:
        return str(value.numerator)
    else:
        digits = len(str(abs(value.numerator) // value.denominator))
        with localcontext(prec=max(15, digits + 6)):
            number = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
    if number.adjusted() not in range(-7, 21):
        return str(number).lower()
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"


def literal(text: str) -> Fraction:
    """The number that is written so, as "2.5e-3". ToolError if its exponent is too large."""
    if abs(int(text.partition("e")[2] or 0)) > MAX_BITS // 4:
        raise too_large()
    return Fraction(text)


def checked(value: Number) -> Number:
    """The value, as a fraction if it is an int. ToolError if it is infinite or too long."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise too_large()
        return value
    if _bits(fraction := Fraction(value)) > MAX_BITS:
        raise too_large()
    return fraction


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def too_large() -> ToolError:
    """The error for a number that is out of bounds."""
    digits = int(MAX_BITS * math.log10(2))
    return ToolError(f"a number gets too long; {digits} digits are the most, 308 for roots and exp")


def _check_power(base: int, exponent: Fraction | int) -> None:
    """ToolError if base**exponent would be too long; both are positive, and nothing is computed."""
    if base > 1 and math.log2(base) > Fraction(MAX_BITS) / exponent:
        raise too_large()


def _power(base: Number, exponent: Number) -> Number:
    if base < 0 and exponent != int(exponent):
        raise ToolError(f"({format_number(base)})**{format_number(exponent)} is a complex number")
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent:
        _check_power(max(abs(base.numerator), base.denominator), abs(exponent))
    return base**exponent


def _shift(value: Number, by: Number) -> Number:
    places = _whole(by)
    if abs(places) > MAX_BITS:
        raise too_large()
    return math.floor(_whole(value) * Fraction(2) ** places)


def _whole(value: Number) -> int:
    """The value as an int. ToolError if it is none."""
    if value != int(value):
        raise ToolError(f"{format_number(value)} must be a whole number here; round it")
    return int(value)


def _factorial(n: Number) -> Number:
    if n > 1 and math.lgamma(n + 1) > MAX_BITS * math.log(2):  # the logarithm of n!
        raise too_large()
    return math.factorial(_whole(n))


def _perm(n: Number, k: Number) -> Number:
    n, k = _whole(n), _whole(k)
    if 0 < k <= n:
        _check_power(n, k)  # n**k is not below n! / (n - k)!
    return math.perm(n, k)


def _comb(n: Number, k: Number) -> Number:
    n, k = _whole(n), _whole(k)
    few = min(k, n - k)
    if few > 0 and n > MAX_BITS:  # comb(n, k) is below 2**n, and not above n**few
        _check_power(n, few)
    return math.comb(n, k)


def _root(x: Number) -> Number:
    """The square root, exact where it is a fraction: of 16, of 2.25, of 10**700."""
    if isinstance(x, Fraction) and x >= 0:
        root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
        if root * root == x:
            return root
    return math.sqrt(x)


def _round(x: Number, places: Number = Fraction(0)) -> Number:
    scale = Fraction(10) ** max(-MAX_BITS // 4, min(MAX_BITS // 4, _whole(places)))
    size = math.floor(abs(Fraction(x)) * scale + Fraction(1, 2)) / scale
    return size if x >= 0 else -size


def _logarithm(log: Callable[..., float]) -> Callable[[Number], float]:
    def of(x: Number) -> float:
        if isinstance(x, Fraction) and _bits(x) > 1000:  # a float holds 1,023
            return log(x.numerator) - log(x.denominator)
        return log(x)

    return of


_ln, _log10 = _logarithm(math.log), _logarithm(math.log10)


def _log(x: Number, base: Number | None = None) -> Number:
    return _ln(x) if base is None else _ln(x) / _ln(base)


def _wave(wave: Callable[..., float]) -> Callable[[Number], float]:
    def of(x: Number) -> float:
        # x is itself rounded, by up to x * 2**-53: a sine smaller than that is 0, as that of pi.
        y = wave(x)
        return 0.0 if abs(y) < math.fabs(x) * 2**-52 else y

    return of


_sin, _cos = _wave(math.sin), _wave(math.cos)

# --- What an expression may hold, by the name that it has in Python's tree. ---

CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
BINARY: dict[type, Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.LShift: _shift,
    ast.RShift: lambda value, by: _shift(value, -by),
}
COMPARISONS: dict[type, Callable[[Number, Number], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}
BEHIND: dict[str, Callable[[Number], Number]] = {
    POSTFIXES["!"]: _factorial,
    POSTFIXES["%%"]: lambda x: x / 100,
    POSTFIXES["°"]: math.radians,
    POSTFIXES["百"]: lambda x: x * 100,
    POSTFIXES["千"]: lambda x: x * 1000,
    POSTFIXES["万"]: lambda x: x * 10_000,
    POSTFIXES["亿"]: lambda x: x * 100_000_000,
}
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "sqrt": _root,
    "abs": abs,
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
    "min": min,
    "max": max,
    "pow": _power,
    "exp": math.exp,
    "ln": _ln,
    "log": _log,
    "log2": _logarithm(math.log2),
    "log10": _log10,
    "lg": _log10,
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x: _sin(x) / _cos(x),
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "degrees": math.degrees,
    "radians": math.radians,
    "gcd": lambda *numbers: math.gcd(*map(_whole, numbers)),
    "lcm": lambda *numbers: math.lcm(*map(_whole, numbers)),
    "comb": _comb,
    "perm": _perm,
    "factorial": _factorial,
}
