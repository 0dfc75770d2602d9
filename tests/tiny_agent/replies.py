"""What models really write, and what each dialect has to make of it. Chapter 42 prints this table.

The symptoms are those that the users of LangChain, LlamaIndex, CrewAI, Dify, smolagents, AutoGen,
vLLM and llama.cpp reported, and of courses that build ReAct by hand; the texts are our own.
"""

import json
from dataclasses import dataclass

from tiny_agent.messages import Decision, FinalAnswer, ParseError, Reply, WireCall
from tiny_agent.tools import ToolRegistry, tool


@tool
def calculator(expression: str) -> str:
    """Work out an expression.

    Args:
        expression: Such as "2 + 2".
    """
    return expression


@tool
def search(query: str, k: int = 3) -> str:
    """Look something up.

    Args:
        query: What to look for.
        k: How many hits.
    """
    return f"{k} hits for {query}"


@tool
def now() -> str:
    """Say what time it is."""
    return "12:00"


@tool
def convert(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a value from one unit to another."""
    return f"{value} {from_unit} in {to_unit}"


@tool
def python(code: str) -> str:
    """Run a program."""
    return code


TOOLS = ToolRegistry([calculator, search, now, convert, python])


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    name: str
    arguments: dict[str, object]

    def __str__(self) -> str:
        inside = ", ".join(
            f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in self.arguments.items()
        )
        return f"{self.name}({inside})"


@dataclass(frozen=True)
class Answer:
    """A final answer, word for word."""

    text: str

    def __str__(self) -> str:
        return f"answer: {self.text}"


@dataclass(frozen=True)
class Error:
    """A correction that says this, among other things."""

    part: str

    def __str__(self) -> str:
        return f"correction: {self.part}"


Expected = tuple[Call, ...] | Answer | Error


@dataclass(frozen=True)
class Row:
    """A reply, what it is, and what has to be made of it."""

    note: str
    reply: Reply
    expected: Expected


def written(reply: Reply) -> str:
    """What a model wrote: the text, then the calls that the server told apart."""
    functions = [wire["function"] for wire in reply.tool_calls]
    calls = [f"{function['name']}({function['arguments']})" for function in functions]
    return "\n".join(filter(None, [reply.text, *calls]))


def shown(expected: Expected) -> str:
    """An expectation on one line."""
    return "; ".join(map(str, expected)) if isinstance(expected, tuple) else str(expected)


def outcome(decision: Decision) -> Expected:
    """A decision in the form of an expectation; of an error the whole message."""
    if isinstance(decision, FinalAnswer):
        return Answer(decision.text)
    if isinstance(decision, ParseError):
        return Error(decision.message)
    return tuple(Call(call.name, call.arguments) for call in decision)


def call(name: str, **arguments: object) -> tuple[Call, ...]:
    return (Call(name, arguments),)


def row(note: str, text: str, expected: Expected, finish_reason: str = "stop") -> Row:
    return Row(note, Reply(text, finish_reason=finish_reason), expected)


def wired(
    note: str,
    calls: list[tuple[str, str]],
    expected: Expected,
    text: str = "",
    finish_reason: str = "tool_calls",
) -> Row:
    """A row whose calls come in the server's own field."""
    wires: list[WireCall] = [
        {"id": f"id_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(calls)
    ]
    return Row(note, Reply(text, tuple(wires), finish_reason=finish_reason), expected)


SEARCH = call("search", query="moonglass")
BOTH = call("search", query="moonglass", k=2)
SUM = call("calculator", expression="840 * 12.5%")

REACT = [
    # --- as asked for ---
    row(
        "as asked for",
        'Thought: It has to be looked up.\nAction: search\nAction Input: {"query": "moonglass"}',
        SEARCH,
    ),
    row("as asked for, an answer", "Thought: I know.\nFinal Answer: 105", Answer("105")),
    row(
        "as asked for, in Chinese",
        '思考：需要查一下。\n行动：search\n行动输入：{"query": "月光石"}',
        call("search", query="月光石"),
    ),
    row("as asked for, a Chinese answer", "思考：我知道了。\n最终答案：105", Answer("105")),
    # --- labels ---
    row("no Thought", 'Action: search\nAction Input: {"query": "moonglass"}', SEARCH),
    row(
        "prose instead of a Thought",
        'This has to be looked up.\n\nAction: search\nAction Input: {"query": "moonglass"}',
        SEARCH,
    ),
    row(
        "blank lines between all parts",
        'Thought: Look it up.\n\n\nAction: search\n\nAction Input: \n\n{"query": "moonglass"}\n\n',
        SEARCH,
    ),
    row(
        "bold labels, the colon inside",
        '**Thought:** Look it up.\n**Action:** search\n**Action Input:** {"query": "moonglass"}',
        SEARCH,
    ),
    row(
        "bold labels, the colon outside",
        '**Thought**: Look it up.\n**Action**: search\n**Action Input**: {"query": "moonglass"}',
        SEARCH,
    ),
    row("the whole line bold", "**Final Answer: 105**", Answer("105")),
    row("a bold answer stays bold", "Final Answer: **105**", Answer("**105**")),
    row(
        "headings, without colons",
        '### Thought\nLook it up.\n### Action\nsearch\n### Action Input\n{"query": "moonglass"}',
        SEARCH,
    ),
    row("a bold label on a line of its own", "**Final Answer**\n\n105", Answer("105")),
    row(
        "lower case",
        'thought: look it up\naction: search\naction input: {"query": "moonglass"}',
        SEARCH,
    ),
    row(
        "upper case and underscores",
        'THOUGHT: LOOK IT UP\nACTION: search\nACTION_INPUT: {"query": "moonglass"}',
        SEARCH,
    ),
    row("FinalAnswer in one word", "Thought: I know.\nFinalAnswer: 105", Answer("105")),
    row(
        "numbered, as in the paper",
        "Thought 1: I need to search moonglass.\nAction 1: search[moonglass]",
        SEARCH,
    ),
    row(
        "Act and Obs, as in the paper's figures",
        "Thought 2: More.\nAct 2: search[moonglass]",
        SEARCH,
    ),
    row(
        "items of a list",
        '- Thought: Look it up.\n- Action: search\n- Action Input: {"query": "moonglass"}',
        SEARCH,
    ),
    row(
        "numbered steps",
        '1. Thought: Look it up.\n2. Action: search\n3. Action Input: {"query": "moonglass"}',
        SEARCH,
    ),
    row("a quotation", '> Action: search\n> Action Input: {"query": "moonglass"}', SEARCH),
    row("an emoji before the label", "🤔 思考：查一下。\n🔍 行动：search[moonglass]", SEARCH),
    row(
        "indented with tabs and no-break spaces",
        '\tAction: search\n\u00a0\u00a0Action Input:\u00a0{"query": "moonglass"}',
        SEARCH,
    ),
    row(
        "a byte order mark and a zero-width space",
        '\ufeffAction: search\n\u200bAction Input: {"query": "moonglass"}',
        SEARCH,
    ),
    row("Windows line ends", 'Action: search\r\nAction Input: {"query": "moonglass"}\r\n', SEARCH),
    row(
        "a space before the colon", 'Action : search\nAction Input : {"query": "moonglass"}', SEARCH
    ),
    row(
        "English words, full-width colons",
        'Thought：查一下\nAction：search\nAction Input：{"query": "moonglass"}',
        SEARCH,
    ),
    row("Chinese labels, half-width colons", "思考:好\n行动:search\n行动输入:moonglass", SEARCH),
    row(
        "labels in Chinese brackets",
        "【思考】查一下\n【行动】search\n【行动输入】moonglass",
        SEARCH,
    ),
    row(
        "traditional characters",
        '思考：要查一下。\n行動：search\n行動輸入：{"query": "moonglass"}',
        SEARCH,
    ),
    row("a traditional answer", "想法：知道了。\n最終答案：105", Answer("105")),
    row(
        "two languages in one reply",
        '思考：先查。\nAction: search\n行动输入：{"query": "moonglass"}',
        SEARCH,
    ),
    row("最终答案是：", "最终答案是：105", Answer("105")),
    row(
        "full-width letters are not labels",
        "Ａｃｔｉｏｎ： search",
        Error("there is no Action and no Final Answer"),
    ),
    row('"Input" for "Action Input"', 'Action: search\nInput: {"query": "moonglass"}', SEARCH),
    row(
        "all of it in a code fence",
        '```\nThought: Look it up.\nAction: search\nAction Input: {"query": "moonglass"}\n```',
        SEARCH,
    ),
    row(
        "an answer in a code fence", "```\nThought: I know.\nFinal Answer: 105\n```", Answer("105")
    ),
    row(
        "all on one line",
        'Thought: Look it up. Action: search Action Input: {"query": "moonglass"}',
        SEARCH,
    ),
    row(
        "an answer within the thought's line",
        "Thought: I know now. Final Answer: 105",
        Answer("105"),
    ),
    row("a mere Answer, as LlamaIndex asks for", "Thought: I know.\nAnswer: 105", Answer("105")),
    row("a mere 答案", "思考：知道了。\n答案：105", Answer("105")),
    # --- the name ---
    row("the name in backquotes", "Action: `search`\nAction Input: moonglass", SEARCH),
    row("the name bold", "Action: **search**\nAction Input: moonglass", SEARCH),
    row("the name in square brackets", "Action: [search]\nAction Input: moonglass", SEARCH),
    row("the name in quotes", 'Action: "search"\nAction Input: moonglass', SEARCH),
    row("the name with a full stop", "Action: search.\nAction Input: moonglass", SEARCH),
    row("the name on the next line", "Action:\nsearch\nAction Input:\nmoonglass", SEARCH),
    row(
        "the name with a remark", "Action: search (for the stone)\nAction Input: moonglass", SEARCH
    ),
    row("empty brackets behind the name", "Action: now()", call("now")),
    row("a tool that takes nothing", "Action: now\nAction Input: None", call("now")),
    row("a tool that takes nothing, in Chinese", "行动：now\n行动输入：无", call("now")),
    row(
        "a tool that is not there: the registry will say so",
        'Action: web_search\nAction Input: {"query": "moonglass"}',
        call("web_search", query="moonglass"),
    ),
    row(
        "no name",
        'Action:\nAction Input: {"query": "moonglass"}',
        Error("the Action names no tool"),
    ),
    # --- the input ---
    row(
        "a bare text for the only required parameter",
        "Action: search\nAction Input: moonglass",
        SEARCH,
    ),
    row("a bare text in quotes", 'Action: search\nAction Input: "moonglass"', SEARCH),
    row("a bare text in Chinese quotes", "行动：search\n行动输入：“moonglass”", SEARCH),
    row(
        "a bare text for three required parameters",
        "Action: convert\nAction Input: 3 km to miles",
        Error("its arguments are: value, from_unit, to_unit"),
    ),
    row(
        "a bare program of several lines",
        "Action: python\nAction Input: for i in range(3):\n    print(i)",
        call("python", code="for i in range(3):\n    print(i)"),
    ),
    row(
        "a program in a code fence",
        "Action: python\nAction Input:\n```python\nx = 1\nprint(x)\n```",
        call("python", code="x = 1\nprint(x)"),
    ),
    row(
        "JSON in a code fence",
        'Action: search\nAction Input:\n```json\n{"query": "moonglass", "k": 2}\n```',
        BOTH,
    ),
    row(
        "JSON over several lines",
        'Action: search\nAction Input: {\n  "query": "moonglass",\n  "k": 2\n}',
        BOTH,
    ),
    row(
        "JSON followed by words",
        'Action: search\nAction Input: {"query": "moonglass"} (this will find it)',
        SEARCH,
    ),
    row(
        "nested braces",
        "Action: python\nAction Input: {\"code\": \"d = {'a': {'b': 1}}\\nprint(d)\"}",
        call("python", code="d = {'a': {'b': 1}}\nprint(d)"),
    ),
    row(
        "line breaks within a JSON string",
        'Action: python\nAction Input: {"code": "a = 1\nprint(a)"}',
        call("python", code="a = 1\nprint(a)"),
    ),
    row(
        "a line like a label within a JSON string",
        'Action: python\nAction Input: {"code": "print(1)\nThought: is no label here"}',
        call("python", code="print(1)\nThought: is no label here"),
    ),
    row(
        "a Python dict",
        "Action: search\nAction Input: {'query': 'moonglass', 'k': 2}",
        BOTH,
    ),
    row(
        "Python's True and None",
        "Action: search\nAction Input: {'query': 'True love', 'exact': True, 'k': None}",
        call("search", query="True love", exact=True, k=None),
    ),
    row("a trailing comma", 'Action: search\nAction Input: {"query": "moonglass",}', SEARCH),
    row("keys without quotes", 'Action: search\nAction Input: {query: "moonglass"}', SEARCH),
    row(
        "a comment in the JSON",
        'Action: search\nAction Input: {"query": "moonglass" // the stone\n}',
        SEARCH,
    ),
    row(
        "JSON within a JSON string",
        'Action: search\nAction Input: "{\\"query\\": \\"moonglass\\"}"',
        SEARCH,
    ),
    row("named values", 'Action: search\nAction Input: query="moonglass", k=2', BOTH),
    row(
        "named values that cannot be told apart",
        "Action: search\nAction Input: query = moonglass",
        Error("the JSON is broken"),
    ),
    row(
        "Chinese quotes and colons in the JSON",
        "行动：search\n行动输入：{“query”：“moonglass”}",
        Error("use straight quotes and half-width punctuation"),
    ),
    row(
        "doubled braces, from a prompt's template",
        'Action: search\nAction Input: {{"query": "moonglass"}}',
        Error("the JSON is broken"),
    ),
    row(
        "a quote that is not escaped",
        'Action: search\nAction Input: {"query": "the "moonglass" stone"}',
        Error("the JSON is broken"),
    ),
    row(
        "a backslash that is not escaped",
        'Action: search\nAction Input: {"query": "moon\\d+"}',
        Error("a backslash in a JSON string has to be written twice"),
    ),
    row(
        "a key twice",
        'Action: search\nAction Input: {"query": "moonglass", "query": "sunglass"}',
        Error("the key 'query' is there twice"),
    ),
    row(
        "infinity",
        'Action: search\nAction Input: {"query": "moonglass", "k": Infinity}',
        Error("too long, infinite or no number"),
    ),
    row(
        "half an emoji",
        'Action: search\nAction Input: {"query": "moon \\ud83d"}',
        call("search", query="moon \ufffd"),
    ),
    row("no input", "Action: search", Error("the Action Input of search is missing")),
    # --- cut off ---
    row(
        "JSON that ends too early",
        'Action: search\nAction Input: {"query": "moongl',
        Error("the JSON is broken or not finished"),
    ),
    row(
        "the last brace is missing",
        'Action: search\nAction Input: {"query": "moonglass"',
        Error("it ends too early"),
    ),
    row(
        "the server stopped within the word Observation",
        "Action: search\nAction Input: moonglass\nObserv",
        SEARCH,
    ),
    row(
        "a bare text, and the server says that it is cut off",
        "Action: search\nAction Input: moongl",
        Error("the reply was cut off"),
        finish_reason="length",
    ),
    row(
        "an object is known to be whole",
        'Action: search\nAction Input: {"query": "moonglass"}\nThis wi',
        SEARCH,
        finish_reason="length",
    ),
    row("a bracket is not closed", 'Action: search("moonglass', Error("the brackets after search")),
    # --- a call on one line ---
    row("as in the ReAct paper", "Action: search[moonglass]", SEARCH),
    row("the same in backquotes", "Action: `search[moonglass]`", SEARCH),
    row("like a function", 'Action: search("moonglass")', SEARCH),
    row("like a function, with names", 'Action: search(query="moonglass", k=2)', BOTH),
    row("like a function, in Chinese", "行动：search（moonglass）", SEARCH),
    row("an object in brackets", 'Action: search({"query": "moonglass"})', SEARCH),
    row(
        "brackets within brackets",
        "Action: calculator((2 + 3) * 4)",
        call("calculator", expression="(2 + 3) * 4"),
    ),
    row(
        "several values without names",
        'Action: search("moonglass", 2)',
        Error("arguments without names"),
    ),
    row(
        "two calls on one line",
        "Action: search[moonglass] and then now[]",
        Error("the brackets after search do not match"),
    ),
    row("a set is no JSON", "Action: search(query={1})", Error("the JSON is broken")),
    row("an object behind the name", 'Action: search {"query": "moonglass"}', SEARCH),
    row("an object below the name", 'Action: search\n{"query": "moonglass"}', SEARCH),
    row("a call within the thought's line", "Thought: I will do Action: search[moonglass]", SEARCH),
    # --- structured ---
    row(
        "LangChain's structured form",
        'Action:\n```json\n{"action": "search", "action_input": {"query": "moonglass"}}\n```',
        SEARCH,
    ),
    row(
        "the structured form without a label",
        'Look it up.\n```json\n{"action": "search", "action_input": "moonglass"}\n```',
        SEARCH,
    ),
    row(
        "a structured answer",
        'Action: {"action": "Final Answer", "action_input": "105"}',
        Answer("105"),
    ),
    row(
        "the structured form, cut off",
        'Action: {"action": "search", "action_input": {"query": "moon',
        Error("the JSON is broken or not finished"),
    ),
    row(
        "an object without a tool",
        'Action: {"query": "moonglass"}',
        Error('the call has no "name"'),
    ),
    row(
        "JSON within a thought is no call",
        'Thought: The input would be {"action": "search"}.\nFinal Answer: 105',
        Answer("105"),
    ),
    # --- answers ---
    row(
        "an answer of several lines",
        "Final Answer: Two things:\n\n1. one\n2. **two**\n\nThat is all.",
        Answer("Two things:\n\n1. one\n2. **two**\n\nThat is all."),
    ),
    row(
        "an answer that ends in code",
        "Final Answer: Write:\n```python\nprint(1)\n```",
        Answer("Write:\n```python\nprint(1)\n```"),
    ),
    row(
        "labels within the code of an answer",
        "Final Answer: ReAct looks so:\n```\nThought: ...\nAction: ...\n```\nThat is all.",
        Answer("ReAct looks so:\n```\nThought: ...\nAction: ...\n```\nThat is all."),
    ),
    row(
        "labels within the list of an answer",
        "Final Answer: Its parts:\n- Thought: a plan\n- Action: a call\n- Observation: a result",
        Answer("Its parts:\n- Thought: a plan\n- Action: a call\n- Observation: a result"),
    ),
    row(
        "labels within a sentence of an answer",
        'Final Answer: The line "Action: x" comes before "Observation: y".',
        Answer('The line "Action: x" comes before "Observation: y".'),
    ),
    row("LaTeX", r"Final Answer: $\boxed{105}$", Answer(r"$\boxed{105}$")),
    row("the answer below its label", "Final Answer:\n105", Answer("105")),
    row("it goes on after the answer", "Final Answer: 105\nThought: Now what?", Answer("105")),
    row("the answer twice", "Final Answer: 105\nFinal Answer: 106", Answer("105")),
    row("an empty answer", "Thought: I know.\nFinal Answer:", Error("the Final Answer is empty")),
    row("Finish, as in the paper", "Thought: I know.\nAction: Finish[105]", Answer("105")),
    row("Finish with an object", 'Action: Finish\nAction Input: {"answer": "105"}', Answer("105")),
    row("Final Answer as an Action", "Action: Final Answer\nAction Input: 105", Answer("105")),
    row("Final Answer behind Action", "Action: Final Answer: 105", Answer("105")),
    row("完成 as an Action", "行动：完成\n行动输入：105", Answer("105")),
    row("Action: None, then the answer", "Action: None\nFinal Answer: 105", Answer("105")),
    row("行动：无", "思考：不需要工具。\n行动：无\n最终答案：105", Answer("105")),
    row(
        "Action: None, and nothing else",
        "Thought: No tool is needed.\nAction: None (I can answer directly)",
        Error("there is no Action and no Final Answer"),
    ),
    row(
        "just text, as if nothing had been asked for",
        "It is 105.",
        Error("there is no Action and no Final Answer"),
    ),
    row("a token that a server left at the end", "Final Answer: 105<|im_end|>", Answer("105")),
    # --- several at once ---
    row(
        "a made-up result and all that follows from it",
        "Action: search\nAction Input: moonglass\nObservation: It is blue.\nFinal Answer: blue",
        SEARCH,
    ),
    row(
        "a made-up result in Chinese",
        "行动：search\n行动输入：moonglass\n观察：它是蓝色的。\n最终答案：蓝色",
        SEARCH,
    ),
    row(
        "a made-up result in bold",
        "**Action:** search\n**Action Input:** moonglass\n**Observation:** It is blue.",
        SEARCH,
    ),
    row(
        "nothing but a made-up result",
        "Observation: It is blue.\nThought: I know.\nFinal Answer: blue",
        Error("only the result of a tool is an Observation"),
    ),
    row(
        "two calls: the first counts",
        "Action: search\nAction Input: moonglass\nAction: now\nAction Input: None",
        SEARCH,
    ),
    row(
        "a call and an answer: the first counts",
        "Action: search\nAction Input: moonglass\nFinal Answer: blue",
        SEARCH,
    ),
    row(
        "an answer and a call: the first counts",
        "Final Answer: 105\n\nThought: Let me check.\nAction: search[moonglass]",
        Answer("105"),
    ),
    # --- reasoning ---
    row(
        "reasoning before the reply",
        "<think>\nAction: now? No.\n</think>\n\nAction: search[moonglass]",
        SEARCH,
    ),
    row(
        "the end of reasoning that began in the prompt",
        "Final Answer: 7? No.\n</think>\n\nFinal Answer: 105",
        Answer("105"),
    ),
    row(
        "reasoning without an end",
        "<think>\nFinal Answer: 105",
        Error("there is nothing after the reasoning"),
    ),
    row(
        "an answer that speaks of the tag",
        'Final Answer: Reasoning ends with "</think>".',
        Answer('Reasoning ends with "</think>".'),
    ),
    row("an empty reply", " \n", Error("the reply is empty")),
]

BODY = '{"name": "search", "arguments": {"query": "moonglass"}}'

HERMES = [
    row(
        "as asked for",
        f"<tool_call>\n{BODY}\n</tool_call>",
        SEARCH,
    ),
    row("an answer", "It is 105.", Answer("It is 105.")),
    row(
        "words before the call",
        f"I will look it up.\n<tool_call>{BODY}</tool_call>",
        SEARCH,
    ),
    row(
        "words before the call, on its line",
        f"好的。<tool_call>{BODY}</tool_call>",
        SEARCH,
    ),
    row(
        "two calls",
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n'
        f"<tool_call>\n{BODY}\n</tool_call>",
        (*call("now"), *SEARCH),
    ),
    row(
        "two calls between one pair of tags, as in Ollama's template",
        f'<tool_call>\n{{"name": "now", "arguments": {{}}}}\n{BODY}\n</tool_call>',
        (*call("now"), *SEARCH),
    ),
    row(
        "a list of calls",
        f'<tool_call>[{{"name": "now"}}, {BODY}]</tool_call>',
        (*call("now"), *SEARCH),
    ),
    row(
        "the closing tag is missing",
        f"<tool_call>\n{BODY}",
        SEARCH,
    ),
    row(
        "the opening tag is missing",
        f"{BODY}\n</tool_call>",
        SEARCH,
    ),
    row(
        "both tags are missing",
        f"```json\n{BODY}\n```",
        SEARCH,
    ),
    row(
        "an object that is the answer",
        '{"name": "Bingo", "arguments": {"age": 30}}',
        Answer('{"name": "Bingo", "arguments": {"age": 30}}'),
    ),
    row(
        "an object with words around it is no call",
        f"Write {BODY} and run it.",
        Answer(f"Write {BODY} and run it."),
    ),
    row(
        "an answer that speaks of the tags",
        "A call stands between <tool_call> and </tool_call> tags.",
        Answer("A call stands between <tool_call> and </tool_call> tags."),
    ),
    row(
        "tags within an argument",
        '<tool_call>{"name": "search", "arguments": {"query": "</tool_call> <tool_call>"}}',
        call("search", query="</tool_call> <tool_call>"),
    ),
    row(
        "arguments as a JSON string",
        '<tool_call>{"name": "search", "arguments": "{\\"query\\": \\"moonglass\\"}"}</tool_call>',
        SEARCH,
    ),
    row(
        '"parameters" for "arguments", as Llama writes',
        '<tool_call>{"name": "search", "parameters": {"query": "moonglass"}}</tool_call>',
        SEARCH,
    ),
    row(
        "wrapped as OpenAI does",
        f'<tool_call>{{"type": "function", "function": {BODY}}}</tool_call>',
        SEARCH,
    ),
    row("no arguments", '<tool_call>{"name": "now"}</tool_call>', call("now")),
    row(
        "arguments are null",
        '<tool_call>{"name": "now", "arguments": null}</tool_call>',
        call("now"),
    ),
    row(
        "a code fence between the tags",
        f"<tool_call>\n```json\n{BODY}\n```\n</tool_call>",
        SEARCH,
    ),
    row(
        "a Python dict",
        "<tool_call>\n{'name': 'search', 'arguments': {'query': 'moonglass'}}\n</tool_call>",
        SEARCH,
    ),
    row(
        "a call that is cut off",
        '<tool_call>\n{"name": "search", "arguments": {"query": "moon',
        Error("the JSON is broken or not finished"),
    ),
    row(
        "one call is whole, one is cut off: none is run",
        '<tool_call>{"name": "now"}</tool_call>\n<tool_call>{"name": "search", "argu',
        Error("the JSON is broken or not finished"),
    ),
    row("a tag and nothing else", "<tool_call>\n", Error("it ends too early")),
    row(
        "the last brace is missing",
        '<tool_call>\n{"name": "search", "arguments": {"query": "moonglass"}\n</tool_call>',
        Error("here: </tool_call>"),
    ),
    row(
        "Qwen3-Coder's form",
        "<tool_call>\n<function=search>\n<parameter=query>\nmoonglass\n</parameter>\n</function>\n</tool_call>",
        Error("the JSON is broken"),
    ),
    row(
        "no name",
        '<tool_call>{"arguments": {"query": "moonglass"}}</tool_call>',
        Error('has no "name"'),
    ),
    row(
        "arguments are a list",
        '<tool_call>{"name": "search", "arguments": ["moonglass"]}</tool_call>',
        Error("must be a JSON object"),
    ),
    row(
        "a made-up result",
        '<tool_call>{"name": "now"}</tool_call>\n<tool_response>\n12:00\n</tool_response>\nNoon.',
        call("now"),
    ),
    row(
        "an answer, then a made-up conversation",
        "It is noon.\n<tool_response>\n12:00\n</tool_response>",
        Answer("It is noon."),
    ),
    row(
        "a call in the reasoning only",
        '<think>\nMaybe <tool_call>{"name": "now"}</tool_call>\n</think>\n\nIt is noon.',
        Answer("It is noon."),
    ),
    row("reasoning without an end", "<think>\nHm.", Error("there is nothing after the reasoning")),
    row("a token that a server left at the end", "It is noon.<|im_end|>\n", Answer("It is noon.")),
    row("an empty reply", "", Error("the reply is empty")),
]

OPENAI = [
    wired("as asked for", [("search", '{"query": "moonglass"}')], SEARCH),
    row("an answer", "It is 105.", Answer("It is 105.")),
    wired(
        "two calls",
        [("now", "{}"), ("search", '{"query": "moonglass"}')],
        (*call("now"), *SEARCH),
    ),
    wired("words beside the call", [("now", "{}")], call("now"), text="I will look."),
    wired("arguments are an empty text", [("now", "")], call("now")),
    wired("arguments are null", [("now", "null")], call("now")),
    wired(
        "arguments written twice over as JSON",
        [("search", '"{\\"query\\": \\"moonglass\\"}"')],
        SEARCH,
    ),
    wired("a Python dict", [("search", "{'query': 'moonglass'}")], SEARCH),
    wired("an object twice", [("search", '{"query": "moonglass"}{"query": "moonglass"}')], SEARCH),
    wired(
        "arguments that are cut off",
        [("search", '{"query": "moon')],
        Error("the arguments of 'search': the JSON is broken"),
        finish_reason="length",
    ),
    wired(
        "cut off before the arguments",
        [("search", "")],
        Error("it ends too early"),
        finish_reason="length",
    ),
    wired(
        "one call is whole, one is broken: none is run",
        [("now", "{}"), ("search", "moonglass")],
        Error("the arguments of 'search'"),
    ),
    wired(
        "a list of arguments",
        [("search", '["moonglass"]')],
        Error("a JSON object in braces is needed"),
    ),
    wired("no name", [("", '{"query": "moonglass"}')], Error("is no tool's name")),
    row(
        "the server left the call in the text",
        f"<tool_call>\n{BODY}\n</tool_call>",
        SEARCH,
    ),
    row("the reasoning in the text", "<think>12:00</think>It is noon.", Answer("It is noon.")),
    row("an empty reply", "", Error("the reply is empty")),
]

REPLIES = {"react": REACT, "hermes": HERMES, "openai": OPENAI}
"""The rows of each dialect, by its name."""
