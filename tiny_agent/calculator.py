"""A calculator that works out what a model writes, and nothing else.

A model's arithmetic is a guess, a tool's is not. But `eval` would run any program that the text
happens to be. So `expressions` rewrites the text for Python's grammar, `ast.parse` makes a tree of
it, and a walk over the tree computes the few kinds of node that it knows, with the numbers of
`arithmetic`, and refuses all others. Chapter 42 shows it under attack.
Leaves out: variables, equations, lists, complex numbers.
"""

import ast
from collections.abc import Callable

from .arithmetic import (
    BEHIND,
    BINARY,
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
    Number,
    checked,
    format_number,
    literal,
    too_large,
)
from .expressions import MAX_DEPTH, to_python
from .tools import Tool, ToolError, tool

MAX_CHARS = 1000


def calculate(expression: str) -> str:
    """The value of an expression, as `format_number` writes it; of a comparison "True" or "False".

    17 % 5 is the remainder 2, 840*12.5% is 105, 200 + 10% is 200.1 · 1,234 is one number, but
    max(1,234) has two · halves are rounded away from zero · angles are radians, or 30° · log is
    natural, lg and log10 to base 10.
    ToolError, within milliseconds, if there is no such number or it would be too long, and for
    every text that is no arithmetic: nothing else is raised, and nothing is run.

    How: `expressions.to_python` rewrites the text, with its numbers as strings, √ as ~ and signs
    behind a number as attributes; `arithmetic` reads them (`literal`), has what may stand in the
    tree (BINARY, COMPARISONS, BEHIND, FUNCTIONS, CONSTANTS), and bounds each result (`checked`).
    What is between them is a walk over the tree of `ast.parse`.
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
        raise too_large() from error


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


# --- The walk. Each kind of node that is not named here is refused. ---


def _value(node: ast.expr, depth: int = 0) -> Number:
    if depth > MAX_DEPTH:
        raise ToolError(f"the expression is nested deeper than {MAX_DEPTH}; split it")
    match node:
        case ast.Constant(value=str(text)):
            return literal(text)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth + 1)
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return _call("√", FUNCTIONS["sqrt"], [_value(operand, depth + 1)])
        case ast.Attribute(value=operand, attr=name) if name in BEHIND:
            return _call(name, BEHIND[name], [_value(operand, depth + 1)])
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name in FUNCTIONS:
            return _call(name, FUNCTIONS[name], [_value(each, depth + 1) for each in given])
        case ast.BinOp():
            return _chain(node, depth)
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            known = ", ".join([*CONSTANTS, *FUNCTIONS])
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
        value = checked(BINARY[type(step.op)](value, _value(step.right, depth + 1)))
    return value


def _comparison(tree: ast.Compare) -> bool:
    values = [_value(node, 1) for node in (tree.left, *tree.comparators)]
    pairs = zip(tree.ops, values, values[1:], strict=False)
    return all(COMPARISONS[type(op)](a, b) for op, a, b in pairs)


def _call(name: str, function: Callable[..., Number], arguments: list[Number]) -> Number:
    try:
        return checked(function(*arguments))
    except TypeError as error:
        advice = "inside its parentheses a comma separates them, so write 1234 for 1,234"
        raise ToolError(f"{name} does not take {len(arguments)} arguments; {advice}") from error
    except ValueError as error:
        shown = ", ".join(format_number(each)[:40] for each in arguments)
        raise ToolError(f"{name}({shown}) has no real value") from error
