"""A calculator that works out what a model writes, and nothing else.

A model's arithmetic is a guess, a tool's is not. But `eval` would run any program that the text
happens to be. So `expressions` rewrites the text for Python's grammar, `ast.parse` makes a tree of
it, and a walk over the tree computes the few kinds of node that it knows and refuses all others.
Chapter 42 shows it under attack. Leaves out: variables, equations, lists, complex numbers.

Numbers are fractions as long as they can be: 0.1 + 0.2 is 0.3, and 1/3*3 is 1. Roots, logarithms
and sines are floats. Whoever asks for 9**9**9 asks for all memory, so the length of numbers is
bounded: `**`, `<<`, factorial, comb and perm are checked before they are worked out. The others
make a number at most as long as both of theirs together, and are checked after.
"""

import ast
import math
import operator
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

from .expressions import MAX_DEPTH, POSTFIXES, to_python
from .tools import Tool, ToolError, tool

MAX_CHARS = 1000
MAX_BITS = 10_000  # 3,010 digits; Python refuses to print an int of more than 4,300

Number = Fraction | float


def calculate(expression: str) -> str:
    """The value of an expression, as `format_number` writes it; of a comparison "True" or "False".

    17 % 5 is the remainder 2, 840*12.5% is 105, 200 + 10% is 200.1 · 1,234 is one number, but
    max(1,234) has two · halves are rounded away from zero · angles are radians, or 30° · log is
    natural, lg and log10 to base 10.
    ToolError, within milliseconds, if there is no such number or it would be too long
    """
    if len(expression) > MAX_CHARS:
        raise ToolError(f"{len(expression)} characters, but {MAX_CHARS} are the most; split it")
    try:
        tree = ast.parse(to_python(expression), mode="eval").body
        if isinstance(tree, ast.Compare):
            return str(_comparison(tree))
        return format_number(_value(tree))
    except SyntaxError as error:
        message = f"{expression!r} is no complete expression; write it like (2 + 3) * 4"
        raise ToolError(message) from error
    except ZeroDivisionError as error:
        raise ToolError(f"{expression!r} divides by zero, which has no value") from error
    except OverflowError as error:
        raise _too_large() from error


def calculator_tool() -> Tool:
    """The tool `calculator`."""

    @tool
    def calculator(expression: str) -> str:
        """Work out an arithmetic expression exactly. Use it for every calculation.

        Knows + - * / // % ** ( ) < > ==, 5!, 12.5%, pi, e and the functions sqrt abs round floor
        ceil min max exp ln log(x, base) log2 log10 sin cos tan asin acos atan degrees radians gcd
        lcm comb perm factorial. Angles are in radians, or 30°. `%` before a number gives the
        remainder, 17 % 5 is 2; elsewhere it is a percentage, 840 * 12.5% is 105. No variables.

        Args:
            expression: What to work out, for example: (38,200 - 1,500) / 52
        """
        return calculate(expression)

    return calculator


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


# --- The walk. Each kind of node that is not named here is refused. ---


def _value(node: ast.expr, depth: int = 0) -> Number:
    if depth > MAX_DEPTH:
        raise ToolError(f"the expression is nested deeper than {MAX_DEPTH}; split it")
    match node:
        case ast.Constant(value=str(text)):
            return _literal(text)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth + 1)
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return _call("√", _root, [_value(operand, depth + 1)])
        case ast.Attribute(value=operand, attr=name) if name in _BEHIND:
            return _call(name, _BEHIND[name], [_value(operand, depth + 1)])
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name in _FUNCTIONS:
            return _call(name, _FUNCTIONS[name], [_value(each, depth + 1) for each in given])
        case ast.BinOp():
            return _chain(node, depth)
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            known = ", ".join([*_CONSTANTS, *_FUNCTIONS])
            raise ToolError(f"{name!r} cannot be used so; the names are {known}")
    raise ToolError(f"{type(node).__name__} is no arithmetic; use numbers, operators and functions")


def _chain(node: ast.expr, depth: int) -> Number:
    """a + b + c + ... in a loop, for the tree of a sum of 400 terms is 400 deep on its left."""
    steps: list[ast.BinOp] = []
    while isinstance(node, ast.BinOp):
        steps.append(node)
        node = node.left
    value = _value(node, depth + 1)
    for step in reversed(steps):
        value = _checked(_BINARY[type(step.op)](value, _value(step.right, depth + 1)))
    return value


def _comparison(tree: ast.Compare) -> bool:
    values = [_value(node, 1) for node in (tree.left, *tree.comparators)]
    if not all(type(op) in _COMPARISONS for op in tree.ops):
        raise ToolError("numbers are compared by < <= > >= ==")
    pairs = zip(tree.ops, values, values[1:], strict=False)
    return all(_COMPARISONS[type(op)](a, b) for op, a, b in pairs)


def _call(name: str, function: Callable[..., Number], arguments: list[Number]) -> Number:
    try:
        return _checked(function(*arguments))
    except TypeError as error:
        advice = "inside its parentheses a comma separates them, so write 1234 for 1,234"
        raise ToolError(f"{name} does not take {len(arguments)} arguments; {advice}") from error
    except ValueError as error:
        shown = ", ".join(format_number(each)[:40] for each in arguments)
        raise ToolError(f"{name}({shown}) has no real value") from error


def _literal(text: str) -> Fraction:
    if abs(int(text.partition("e")[2] or 0)) > MAX_BITS // 4:
        raise _too_large()
    return Fraction(text)


def _checked(value: Number) -> Number:
    """The value, as a fraction if it is an int. ToolError if it is infinite or too long."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _too_large()
        return value
    if _bits(fraction := Fraction(value)) > MAX_BITS:
        raise _too_large()
    return fraction


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _too_large() -> ToolError:
    digits = int(MAX_BITS * math.log10(2))
    return ToolError(f"a number gets too long; {digits} digits are the most, 308 for roots and exp")


# --- Operators and functions. ---


def _check_power(base: int, exponent: Fraction | int) -> None:
    """ToolError if base**exponent would be too long; both are positive, and nothing is computed."""
    if base > 1 and math.log2(base) > Fraction(MAX_BITS) / exponent:
        raise _too_large()


def _power(base: Number, exponent: Number) -> Number:
    if base < 0 and exponent != int(exponent):
        raise ToolError(f"({format_number(base)})**{format_number(exponent)} is a complex number")
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent:
        _check_power(max(abs(base.numerator), base.denominator), abs(exponent))
    return base**exponent


def _shift(value: Number, by: Number) -> Number:
    places = _whole(by)
    if abs(places) > MAX_BITS:
        raise _too_large()
    return math.floor(_whole(value) * Fraction(2) ** places)


def _whole(value: Number) -> int:
    """The value as an int. ToolError if it is none."""
    if value != int(value):
        raise ToolError(f"{format_number(value)} must be a whole number here; round it")
    return int(value)


def _factorial(n: Number) -> Number:
    if n > MAX_BITS or (n > 1 and math.lgamma(n + 1) > MAX_BITS * math.log(2)):
        raise _too_large()
    return math.factorial(_whole(n))


def _perm(n: Number, k: Number) -> Number:
    n, k = _whole(n), _whole(k)
    if 0 < k <= n:
        _check_power(n, k)  # above n! / (n - k)!
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
_CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
_BINARY: dict[type, Callable[[Number, Number], Number]] = {
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
_COMPARISONS: dict[type, Callable[[Number, Number], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}
_BEHIND: dict[str, Callable[[Number], Number]] = {
    POSTFIXES["!"]: _factorial,
    POSTFIXES["%%"]: lambda x: x / 100,
    POSTFIXES["°"]: math.radians,
    POSTFIXES["百"]: lambda x: x * 100,
    POSTFIXES["千"]: lambda x: x * 1000,
    POSTFIXES["万"]: lambda x: x * 10_000,
    POSTFIXES["亿"]: lambda x: x * 100_000_000,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
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
