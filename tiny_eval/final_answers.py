"""The final answers to blanks and open questions, found in a reply. Chapter 53.

What counts as final is a convention of those who train models: a \\boxed{}, the word 答案, the last
line. What is denied (不是2) or rejected (舍去) is no answer. Leaves out: answers that are taken
back.
"""

import re
from collections.abc import Sequence

from .equivalence import equivalent
from .filters import apply_filters

# Not the filter answer_tag: it ends an answer at "<", as in 0<x<1.
_MARK = re.compile(
    r"(?:【答案】|答案\s*(?:应|约)?(?:是|为|:|：)|[故应]填|\b[Aa]nswer\s*(?:is|:))\s*[:：]?"
)
_ONE = r"[.．、:：]?\s*([^、,，;；\s①-⑳]"  # and not the second of the statements ①、③
_TWO = re.compile(rf"(?:[(（]1[)）]|①){_ONE}.*?)[;；,，\s]*(?:[(（]2[)）]|②){_ONE}.*)")
_DISPLAY = re.compile(r"\\[()\[\]]|\$\$")
_FORMULA = re.compile(r"\$([^$]+)\$")
_JOINED = re.compile(r"\$[^$]+\$(?:\s*(?:或|和|及|,|，|、)\s*\$[^$]+\$)*")  # $x=1$ 或 $x=2$
_CUE = re.compile(r"[是为即≈:：]|得到?|等于|约")
_REJECTED = re.compile(
    r"(?:[或和及、,，]|\bor\b|\band\b)?\s*(?:\$[^$\n]{1,80}\$|"
    r"(?:(?!\b(?:or|and)\b)[^$或和及、,，;；。\n是为:：】得]){1,40}?)\s*"
    r"[(（][^()（）=$\n]{0,20}(?:舍[去弃]?|rejected|discarded)\s*[)）]",
    re.IGNORECASE,
)
_OTHER_REJECTED = re.compile(  # 3（负值舍去）, 3（x=-1舍去）
    r"[(（][^()（）=$负\n]{0,20}(?:[=$]|负[值根])[^()（）\n]{0,40}舍[去弃]?\s*[)）]"
)
_DENIED = re.compile(
    r"(?:不[应会能可]{0,2}(?:[是为即]|等于)|并非|\bnot\b|n't\b)(?:\$[^$]*\$|[^$是为即等得:：,，;；。]){0,60}$"
)
_DENIAL = re.compile(r"\s*(?:不[是为]|不等于|并非|not\b|n't\b)")  # behind the mark
_LONGEST_ENDING, _LONGEST_WORD = 40, 10  # characters of an answer in maths, and in words
_FORMULAS_READ = 60  # of an open reply: an answer stands near its end


def final_answers(reply: str, blanks: int = 1) -> list[str] | None:
    """The answers that a reply ends in, one for each blank; None if it gives none, or too few.

    The last \\boxed{}, else what is behind the last 【答案】 or 答案是, else the last formula of
    the last line, or what that line announces with 是, 为 or 即.
    """
    text = _tidy(reply)
    if boxes := _boxes(text, blanks):
        return boxes if len(boxes) == blanks else _split(boxes[-1], blanks)
    if marks := list(_MARK.finditer(text)):
        return _split(text[marks[-1].end() :].strip(), blanks)
    lines = [line for line in text.splitlines() if line.strip()]
    return _split(_ending(lines[-1]), blanks) if lines else None


def _tidy(reply: str) -> str:
    """Without thoughts and rejected roots; every formula between two $ and on one line."""
    text = (apply_filters(reply, ["strip_think"]) or "").replace("<eoa>", "")
    text = _FORMULA.sub(lambda m: f"${' '.join(m[1].split())}$", _DISPLAY.sub("$", text))
    return _REJECTED.sub("", _OTHER_REJECTED.sub("", text))


def _split(text: str, blanks: int) -> list[str] | None:
    """The text as that many answers: at (1) and (2), else its first line at semicolons, commas."""
    if _DENIAL.match(text):
        return None
    if blanks == 2 and (labelled := _TWO.match(text)):
        return list(labelled.groups())
    text = text.partition("\n")[0]
    if blanks == 1:
        text = text.lstrip("或和及、,，")  # a rejected root stood before it
        return [text] if text.strip() else None
    for sign in ("[;；]", "[,，]"):
        if len(parts := re.split(sign, text)) == blanks:
            return parts
    return None


def _boxes(text: str, most: int) -> list[str]:
    """What the last \\boxed{} hold, at most that many."""
    boxes: list[str] = []
    while len(boxes) < most and (box := apply_filters(text, ["boxed"])):
        boxes.insert(0, box)
        text = text.rpartition("\\boxed")[0]
    return boxes


def _ending(line: str) -> str:
    """The answer that a line ends in: its last formulas, or what a word as 为 or 即 announces."""
    if _DENIED.search(line.strip(" 。.")):
        return ""
    formulas = list(_JOINED.finditer(line))
    behind = _CUE.split(line[formulas[-1].end() :] if formulas else line)[-1].strip(" 。.")
    if formulas and not re.search(r"\d", behind):
        return formulas[-1][0]
    is_maths = re.search(r"[\dA-Za-zπ∅]", behind) and len(behind) <= _LONGEST_ENDING
    return behind if is_maths or len(line) <= _LONGEST_WORD else ""


def answers_found(reply: str, wanted_answers: Sequence[str]) -> list[bool]:
    """For each answer, whether a formula in the reply says the same."""
    text = _tidy(reply)
    given = [*_boxes(text, len(wanted_answers)), *_FORMULA.findall(text)[-_FORMULAS_READ:]]

    def stands(wanted: str) -> bool:
        return any(equivalent(formula, wanted).same for formula in given)

    return [all(map(stands, wanted.split("或"))) for wanted in wanted_answers]
