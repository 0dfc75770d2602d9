import ast
import re
from fractions import Fraction

from tiny_agent.arithmetic import (
    BEHIND,
    BINARY,
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
    checked,
    format_number,
    literal,
)
from tiny_agent.expressions import to_python
from tiny_agent.tools import ToolError


class Machine:
    """Works a tree out without recursion: what is to be done, and the numbers so far."""

    deepest = 60

    def read(self, text):
        return literal(text)

    def bounded(self, value):
        return checked(value)

    def value(self, tree):
        self.numbers = []
        todo = [(self.visit, tree, 0)]
        while todo:
            do, what, depth = todo.pop()
            if depth > self.deepest:
                raise ToolError("nested too deep")
            todo += do(what, depth) or []
        (number,) = self.numbers
        return number

    def visit(self, node, depth):
        kind, inner = type(node), depth + 1
        if kind is ast.Constant and type(node.value) is str:
            self.numbers.append(self.read(node.value))
        elif kind is ast.Name and node.id in CONSTANTS:
            self.numbers.append(CONSTANTS[node.id])
        elif kind is ast.BinOp:
            does = BINARY[type(node.op)]
            return [
                (self.apply, (does, 2), 0),
                (self.visit, node.right, inner),
                (self.visit, node.left, depth),
            ]
        elif kind is ast.UnaryOp and type(node.op) in (ast.UAdd, ast.USub, ast.Invert):
            signs = {ast.UAdd: lambda x: x, ast.USub: lambda x: -x, ast.Invert: FUNCTIONS["sqrt"]}
            does = signs[type(node.op)]
            return [(self.apply, (does, 1), 0), (self.visit, node.operand, inner)]
        elif kind is ast.Attribute and node.attr in BEHIND:
            return [(self.apply, (BEHIND[node.attr], 1), 0), (self.visit, node.value, inner)]
        elif kind is ast.Call and type(node.func) is ast.Name and not node.keywords:
            if node.func.id not in FUNCTIONS:
                raise ToolError(f"no function {node.func.id}")
            call = (FUNCTIONS[node.func.id], len(node.args))
            return [
                (self.apply, call, 0),
                *[(self.visit, each, inner) for each in reversed(node.args)],
            ]
        else:
            raise ToolError(f"{kind.__name__} is none of arithmetic")

    def apply(self, call, depth):
        does, count = call
        given = self.numbers[len(self.numbers) - count :]
        del self.numbers[len(self.numbers) - count :]
        self.numbers.append(self.bounded(does(*given)))


def work_out(expression, machine):
    if len(expression) > 1000:
        raise ToolError("too long")
    try:
        tree = ast.parse(to_python(expression), mode="eval").body
        if isinstance(tree, ast.Compare):
            values = [machine.value(each) for each in [tree.left, *tree.comparators]]
            for place, sign in enumerate(tree.ops):
                if not COMPARISONS[type(sign)](values[place], values[place + 1]):
                    return "False"
            return "True"
        return format_number(machine.value(tree))
    except (ArithmeticError, SyntaxError, TypeError, ValueError) as error:
        raise ToolError(f"no value: {error}") from error


# %% right
def calculate(expression):
    return work_out(expression, Machine())


# %% wrong: eval without builtins is taken to be safe
def calculate(expression):
    try:
        names = {name: getattr(__import__("math"), name) for name in ("sqrt", "pi", "e", "log")}
        return format_number(float(eval(expression, {"__builtins__": {}}, names)))
    except Exception as error:
        raise ToolError(str(error)) from error


# %% wrong: numbers are floats from the start
def calculate(expression):
    class Floats(Machine):
        def read(self, text):
            return float(literal(text))

        def bounded(self, value):
            return float(value)

    return work_out(expression, Floats())


# %% wrong: how long a result gets is never asked
def calculate(expression):
    class Boundless(Machine):
        def bounded(self, value):
            return value if isinstance(value, float) else Fraction(value)

    return work_out(expression, Boundless())


# %% wrong: of a chain of comparisons only the last one counts
def calculate(expression):
    parts = re.split(r"(?<!<)<(?![<=])", expression)
    return work_out("<".join(parts[-2:]), Machine())


# %% wrong: an error of the arithmetic is not one that a model can read
def calculate(expression):
    if len(expression) > 1000:
        raise ToolError("too long")
    tree = ast.parse(to_python(expression), mode="eval").body
    if isinstance(tree, ast.Compare):
        values = [Machine().value(each) for each in [tree.left, *tree.comparators]]
        pairs = zip(tree.ops, values, values[1:], strict=False)
        return str(all(COMPARISONS[type(op)](a, b) for op, a, b in pairs))
    return format_number(Machine().value(tree))
