"""A plan as a model writes one, and the prompts that ask for it: parts of `workflows`.

The prompts keep to one form, a label at the beginning of a line (Question, Results, Step), which
models follow well, and which `rules` can read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .json_input import read_object
from .messages import Decision, FinalAnswer, Message, Reply
from .openai_tools import OpenAITools
from .protocols import Prompt, correction, strip_reasoning
from .tools import ToolRegistry


class PlanPrompts(NamedTuple):
    """What the three kinds of call in a `PlanAndExecute` are asked."""

    plan: str
    step: str
    answer: str
    nothing: str
    """What stands under Results while there are none."""
    failed: str
    """What stands there for a step without an answer."""


_ENGLISH = PlanPrompts(
    plan="""\
Make a plan for this question: the few steps that lead to its answer, each of which looks up or
works out one thing. Each is carried out by someone who sees the results of those before, and has
these tools: {tools}.

Question: {question}

Results:
{results}

Write the steps that are left as a JSON list of at most {max_steps} texts, and nothing else:
["How high is the tower?", "Divide that by 4."]""",
    step="""\
Do this step, and it alone, and say what came out. The whole question, to which it belongs, is:
{question}

Results:
{results}

Step: {step}""",
    answer="""\
Question: {question}

Results:
{results}

Answer the question in a sentence, from these results alone. Say so if they do not answer it.""",
    nothing="(none yet)",
    failed="(this step failed)",
)

_CHINESE = PlanPrompts(
    plan="""\
为下面的问题做一个计划：用几个步骤得到答案，每一步只查一件事或者只算一件事。
执行每一步的人看得到前面各步的结果，可以使用这些工具：{tools}。

问题：{question}

结果：
{results}

把余下的步骤写成一个 JSON 列表，最多 {max_steps} 条文字，此外什么也不要写：
["塔有多高？", "把它除以4。"]""",
    step="""\
只做下面这一步，说出得到了什么。它属于这个问题：
{question}

结果：
{results}

步骤：{step}""",
    answer="""\
问题：{question}

结果：
{results}

只根据这些结果，用一句话回答问题。如果结果不能回答，就直说。""",
    nothing="（还没有）",
    failed="（这一步失败了）",
)

PROMPTS = {"en": _ENGLISH, "zh": _CHINESE}


@dataclass(frozen=True)
class PlanList:
    """A dialect without tools, in which the answer has to be a plan; anything else is corrected.

    So it is the loop of `Agent` that asks again for what cannot be read, and gives up in time.
    """

    max_steps: int
    name: str = "plan"

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        """The conversation as it is."""
        return OpenAITools().render(messages, ToolRegistry())

    def parse(self, reply: Reply, tools: ToolRegistry) -> Decision:
        """The plan, as a JSON list of texts."""
        try:
            steps = read_plan(reply.text, self.max_steps)
        except ValueError as error:
            remedy = f'Write a JSON list of at most {self.max_steps} texts: ["...", "..."]'
            return correction(str(error), remedy)
        return FinalAnswer(json.dumps(steps, ensure_ascii=False))

    def thought(self, reply: Reply, tools: ToolRegistry) -> str:
        """Nothing: what is said beside a plan is not part of it."""
        return ""

    def format_observation(self, message: Message) -> Message:
        """The message as it is."""
        return message.copy()


def read_plan(text: str, max_steps: int) -> list[str]:
    """The steps of a plan, within whatever text: a list of texts, or an object that holds one.

    The list is what lies between the first "[" and the last "]" of what is said after the
    reasoning (<think>...</think>); single quotes and a comma too many are let pass. A step that is
    an object stands for its longest text. Steps come without white space around them.
    ValueError if there is no list, or it has no steps, more than max_steps, or one without a text
    """
    text = strip_reasoning(text)
    start, end = text.find("["), text.rfind("]")
    if start < 0:
        raise ValueError("there is no JSON list")
    # What reads objects knows all the slips of models; a list that was cut off is one of them.
    value = read_object(f'{{"steps": {text[start : end + 1]}}}')["steps"]
    steps = [_step(item) for item in value] if isinstance(value, list) else []
    if not steps:
        raise ValueError("the plan has no steps")
    if len(steps) > max_steps:
        raise ValueError(f"the plan has {len(steps)} steps; {max_steps} are the most")
    return steps


def _step(item: object) -> str:
    """A step that may also be an object: then its longest text. ValueError if it holds none."""
    texts = item.values() if isinstance(item, dict) else [item]
    step = max((text for text in texts if isinstance(text, str)), key=len, default="").strip()
    if not step:
        raise ValueError(f"a step of the plan is {item!r}, where a text should be")
    return step
