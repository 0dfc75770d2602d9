"""Small tools with known results, and what agents need to use them in tests."""

from tiny_agent.hermes import HermesToolCall
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.react import ReActText
from tiny_agent.tools import Tool, ToolError, tool

DIALECTS = [ReActText(), ReActText("zh"), HermesToolCall(), OpenAITools()]
NAMES = ["react", "react-zh", "hermes", "openai"]

PASSAGES = """\
[1] en/tower.md (Tower > History)
The tower was built by Ada Moss in 12 LE. It is 40 metres high, and has 3 bells.

[2] en/sea.md (Sea)
The sea is 90 metres deep. Nobody has seen its floor.

[3] zh/tower.md (高塔)
高塔由莫阿达建造。塔身高40米，里面有3口钟。"""


def make_tools() -> list[Tool]:
    """`search` knows two articles, `calculator` + and /, `unit_convert` metres to feet."""

    @tool
    def search(query: str) -> str:
        """Look something up.

        Args:
            query: The words.
        """
        if "mermaid" in query:
            return f"Nothing found for {query!r} in 3 passages."
        return PASSAGES

    @tool
    def calculator(expression: str) -> str:
        """Work out a sum.

        Args:
            expression: The sum.
        """
        for sign, work in (("/", float.__truediv__), ("+", float.__add__), ("*", float.__mul__)):
            left, found, right = expression.replace("(", "").replace(")", "").partition(sign)
            if found:
                try:
                    return f"{work(float(left), float(right)):g}"
                except (ValueError, ZeroDivisionError) as error:
                    raise ToolError(f"{expression!r} cannot be worked out") from error
        raise ToolError(f"{expression!r} is no sum")

    @tool
    def unit_convert(value: float, from_unit: str, to_unit: str) -> str:
        """Convert metres to feet.

        Args:
            value: The number.
            from_unit: Metres.
            to_unit: Feet.
        """
        if (from_unit, to_unit) not in {("metres", "feet"), ("米", "英尺")}:
            raise ToolError(f"there is no unit {to_unit!r}")
        return f"{value:g} {from_unit} = {value / 0.3048:.2f} {to_unit}"

    return [search, calculator, unit_convert]
