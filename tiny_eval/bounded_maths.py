"""Powers, roots, logarithms and angles that an answer may ask for, and none that never end.

Nobody answers 9**9**9 in an exam, but a model may, and sympy would compute it. So what a power will
be is weighed first, and what has no real value is refused: a school's numbers are real, but for i
itself, and sympy's search for the sign of such things as the root of log(arcsin(99)) takes minutes.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sympy import Expr

FUNCTIONS = ("arcsin", "arccos", "arctan", "sin", "cos", "tan", "ln", "lg", "log", "exp")
_MAX_BITS = 10_000  # of a power of whole numbers: 3,010 digits
_MAX_ROOT_BITS = 200
_MAX_EXPONENT = 3000


class FormulaError(ValueError):
    """This is no formula that we read."""


def apply_function(name: str, value: "Expr", base: "Expr | None" = None) -> "Expr":
    """name(value): one of FUNCTIONS; base: of the logarithm "log", e if there is none.

    FormulaError where the function has no real value
    """
    import sympy

    if name == "exp":
        return power(sympy.E, value)
    size = _real(value)
    if name in ("arcsin", "arccos") and size is not None and abs(size) > 1:
        raise FormulaError(f"{name} of {value}")
    if name in ("ln", "lg", "log"):
        divisor = {"ln": sympy.E, "lg": sympy.Integer(10)}.get(name, base or sympy.E)
        if any(number is not None and number <= 0 for number in (size, _real(divisor))):
            raise FormulaError(f"{name} of {value}")
        return sympy.log(value) / sympy.log(divisor)
    return getattr(sympy, name.replace("arc", "a"))(value)


def _real(value: "Expr") -> float | None:
    """A number's size; None for a formula with letters. FormulaError if it is complex."""
    if value.free_symbols:
        return None
    size = value.evalf(15)
    if not (size.is_Float or size.is_Integer or size.is_Rational):
        raise FormulaError(f"{value} is no real number")
    return float(size)


def power(base: "Expr", exponent: "Expr") -> "Expr":
    """base^exponent, real where that can be: the cube root of -8 is -2.

    FormulaError if it would be too large to hold or to work out
    """
    import sympy

    size = _real(exponent)
    if size is None:
        towers = exponent.atoms(sympy.Pow, sympy.exp)
        if any(not tower.exp.is_Integer or abs(tower.exp) > 4 for tower in towers):
            raise FormulaError("a tower of powers")
    elif abs(size) > _MAX_EXPONENT:
        raise FormulaError(f"an exponent above {_MAX_EXPONENT}")
    number = base.as_coeff_Mul()[0]  # sympy takes roots of it, for which it looks for its factors
    bits = math.log2(max(abs(number.p), number.q)) if number.is_Rational else 0
    if bits > _MAX_ROOT_BITS and not exponent.is_Integer:
        raise FormulaError("the root of a number of more than 60 digits")
    if size is not None and bits * abs(size) > _MAX_BITS:
        raise FormulaError("a power of more than 3,000 digits")
    return _root_of_negative(base, exponent) or base**exponent


def _root_of_negative(base: "Expr", exponent: "Expr") -> "Expr | None":
    """The real root, the square root times i, or None if the power is no root of a negative."""
    if exponent.is_Integer or exponent.free_symbols or (_real(base) or 0) >= 0:
        return None
    if exponent.is_Rational and exponent.q % 2:
        return (-1) ** exponent.p * (-base) ** exponent
    if exponent.is_Rational and exponent.q == 2:
        return base**exponent
    raise FormulaError(f"({base})^({exponent}) is no number of school")
