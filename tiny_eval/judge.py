"""A model as judge: marks for an open answer by its steps, or the better one of two answers.

Sources: Zheng et al. 2023, "Judging LLM-as-a-judge with MT-bench and Chatbot Arena"
(arXiv:2306.05685), for pairs asked in both orders and the biases that `agreement` measures. A judge
is a measuring instrument: how far it agrees with people comes first. Chapter 53.

A verdict counts only at the end of the judge's reply, and only if the reply has an end: what it
quotes on the way there is not its own. None stands for a reply that cannot be read: no guess, no 0.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from .filters import strip_think
from .judge_prompts import Question, pair_prompt, rubric_prompt, steps_of
from .models import Failure, Generation, Model, Prompt, Reply

Side = Literal["a", "b", "tie"]

GENERATION = Generation(max_tokens=1024)

# A line of its own with a short label at most, other keys of the object, a total: a judge that
# quotes in a sentence what the student demands has given no verdict by that.
_POINTS = re.compile(
    r"""^(?:[^\n{:：]{0,20}[:：])?[\s`*]*(?:\{[^\n]*?)?["'“]?(?:points|得分)["'”]?\s*[:：]\s*
    \[([^\]]*)\](?:\s*,\s*["'][^\n]*\})?[\s}`*.。]*(?:(?:总分|合计|total)[^\n]{0,40}\s*)?\Z""",
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(?:分|points?)?\s*(?:/\s*\d+(?:\.\d+)?\s*分?)?")
_VERDICT = re.compile(
    r"(?:.{0,10}(?:结论|verdict)\s*(?:[:：]|是|为|is))?\s*(?:回答|answer)?\s*(1|2|平局?|tie)"
    r"(?:\s*(?:更好|is better))?",
    re.IGNORECASE,
)
_WINNERS: dict[str, tuple[Side, Side]] = {"1": ("a", "b"), "2": ("b", "a")}  # a first, b first


class Judgement(NamedTuple):
    """What a judge said of one solution."""

    points: float | None
    """Their sum; None if the judge's reply could not be read."""
    steps: list[float] | None
    """The points of each step, in [0, what it is worth]."""
    prompt: Prompt
    reply: str


class PairJudgement(NamedTuple):
    """What a judge said of two answers, asked in both orders."""

    winner: Side | None
    """A tie too if the judge's two verdicts differ; None if one of them could not be read."""
    verdicts: tuple[Side | None, Side | None]
    """With a in the first place, and with b there."""
    prompts: list[Prompt]
    replies: list[str]

    @property
    def consistent(self) -> bool:
        return self.winner is not None and self.verdicts[0] == self.verdicts[1]


def judge_rubric(
    model: Model, questions: Sequence[Question], replies: Sequence[str]
) -> Iterator[tuple[int, Judgement | Failure]]:
    """The marks of each reply with its index, as they come, in any order.

    questions: each with question, points, answer (a list of texts), and if there is one a rubric, a
    list of {"text", "points"} that adds up to points · a blank reply has 0 without being read
    ValueError: different lengths, a rubric that does not add up; ModelError as the model raises it
    """
    _check_lengths(questions, replies)
    seen = [strip_think(reply) or "" for reply in replies]
    worth = [[step["points"] for step in steps_of(question)] for question in questions]
    prompts = [rubric_prompt(*pair) for pair in zip(questions, seen, strict=True)]
    asked = [index for index, reply in enumerate(seen) if reply.strip()]
    for index in sorted(set(range(len(seen))) - set(asked)):
        yield index, Judgement(0, [0] * len(worth[index]), prompts[index], "")
    for place, reply in model.generate_until([prompts[index] for index in asked], GENERATION):
        index = asked[place]
        if isinstance(reply, Failure):
            yield index, reply
            continue
        steps = read_points(_said(reply), worth[index])
        points = None if steps is None else sum(steps)
        yield index, Judgement(points, steps, prompts[index], reply.text)


def judge_pairs(
    model: Model, questions: Sequence[str], replies_a: Sequence[str], replies_b: Sequence[str]
) -> Iterator[tuple[int, PairJudgement | Failure]]:
    """Which reply to each question is better, with its index, as they come, in any order.

    A pair of which one order failed is a Failure.
    ValueError: different lengths; ModelError as the model raises it
    """
    _check_lengths(questions, replies_a)
    _check_lengths(questions, replies_b)
    prompts: list[Prompt] = []
    for question, *both in zip(questions, replies_a, replies_b, strict=True):
        a, b = (strip_think(reply) or "" for reply in both)
        prompts += [pair_prompt(question, a, b), pair_prompt(question, b, a)]
    answers: dict[int, Reply | Failure] = {}
    for place, answer in model.generate_until(prompts, GENERATION):
        answers[place] = answer
        first = place - place % 2
        if {first, first + 1} <= answers.keys():
            pair = answers[first], answers[first + 1]
            yield first // 2, _paired(prompts[first : first + 2], pair)


def read_points(text: str, worth: Sequence[float]) -> list[float] | None:
    """The points of each step at the end of a judge's reply; None if they are not plainly there.

    worth: the most each step can get · {"points": [3, 4]} may lack signs, have Chinese ones, hold
    "3/4" or "3 分", and be followed by a total
    """
    given = _POINTS.search(text)
    cells = re.split("[,，、]", given[1]) if given else []
    found = [_NUMBER.fullmatch(cell.strip(" \t\n\"'“”*")) for cell in cells]
    steps = [float(match[1]) for match in found if match]
    if not len(steps) == len(found) == len(worth):
        return None
    if any(points > most for points, most in zip(steps, worth, strict=True)):
        return None
    return steps


def read_verdict(text: str) -> str | None:
    """What the last line says: "1", "2" or "tie"; None if it says nothing of the kind."""
    lines = [line for line in re.sub(r"[*`#\[\]“”\"]", "", text).splitlines() if line.strip()]
    found = _VERDICT.fullmatch(lines[-1].strip().rstrip("。. ")) if lines else None
    if not found:
        return None
    return found[1] if found[1] in _WINNERS else "tie"


def _paired(prompts: list[Prompt], pair: Sequence[Reply | Failure]) -> PairJudgement | Failure:
    texts: list[str] = []
    verdicts: list[Side | None] = []
    for order, reply in enumerate(pair):
        if isinstance(reply, Failure):
            return reply
        read = read_verdict(_said(reply))
        verdicts.append(_WINNERS.get(read, ("tie", "tie"))[order] if read else None)
        texts.append(reply.text)
    first, second = verdicts
    winner = None if None in verdicts else first if first == second else "tie"
    return PairJudgement(winner, (first, second), prompts, texts)


def _said(reply: Reply) -> str:
    """What there is to read. Of a reply that was cut off, nothing: what it quotes is no verdict."""
    return "" if reply.cut else strip_think(reply.text) or ""


def _check_lengths(questions: Sequence[object], replies: Sequence[str]) -> None:
    if len(questions) != len(replies):
        raise ValueError(f"{len(questions)} questions have {len(replies)} replies; give one each")
