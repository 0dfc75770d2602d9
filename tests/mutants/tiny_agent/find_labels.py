import itertools
import re

from tiny_agent.json_input import begins_object
from tiny_agent.react_text import Found

ACTS = ["action", "act", "行动", "行動", "动作", "動作"]
INPUTS = ["input", "arguments", "输入", "輸入", "参数", "參數"]
GAPS = ["", " ", "_", "-"]
ANSWERS = ["answer", "答案", "回答"]
KINDS = {
    "action": ACTS,
    "input": [a + gap + i for a in ["", *ACTS[:1], *ACTS[2:]] for gap in GAPS for i in INPUTS],
    "answer": [f"final{gap}answer{more}" for gap in GAPS for more in ("", " is")]
    + [
        "".join(parts)
        for parts in itertools.product("最", "终終后後", ["", "的"], ["答案", "回答"], ["", "是"])
    ],
    "observation": ["observation", "obs", "观察", "觀察", "观察结果", "觀察結果", "觀察结果"],
    "thought": ["thought", "thoughts", "思考", "想法"],
    "mere": ANSWERS,
}
WORDS = sorted(
    ((w, kind) for kind, words in KINDS.items() for w in words), key=lambda p: -len(p[0])
)
BLANK = " \t\r\u00a0\u3000\ufeff\u200b\u200c\u200e\u200f\u2060"
MARKS = BLANK + ">#*_`~+•-.)、【0123456789"


class Reader:
    """Takes a reply apart, a line at a time."""

    def __init__(self, text, names):
        before, _, last = text.rpartition("\n")
        last, wholes = last.strip(), ["Observation:", "观察：", "观察:"]
        begun = len(last) > 1 and any(whole.startswith(last) for whole in wholes)
        self.text, self.names, self.labels = before if begun else text, names, []
        place = 0
        for line in self.text.split("\n"):
            label = self.label(line, place)
            if label:
                self.labels.append(label)
            place += len(line) + 1

    def label(self, line, place):
        skip = 0
        while skip < min(16, len(line)) and (line[skip] in MARKS or self.symbol(line[skip])):
            skip += 1
        before, rest = line[:skip], line[skip:]
        word, kind = next((p for p in WORDS if rest.lower().startswith(p[0])), ("", ""))
        if not word:
            return None
        after = rest[len(word) :]
        number = re.match(r" ?\d{1,3}", after)
        after = after[number.end() :] if number else after
        size = 0
        while size < min(8, len(after)) and after[size] in BLANK + "*_`】":
            size += 1
        signs, colon = (
            after[:size],
            after[size : size + 1] in (":", "：") and after[size : size + 1],
        )
        end = len(line) - len(after) + size + bool(colon)
        alone = not line[end:] and any(mark in before for mark in "#*_")
        if not (colon or "】" in signs or alone):
            return None
        wrap = before[len(before.rstrip("*_`")) :]
        if wrap and line.startswith(wrap, end):
            end += len(wrap)
            wrap = ""
        item = before.lstrip(BLANK)[:1]
        listed = any(c in "-+•0123456789" for c in before) or (item == "*" and before[-1:] in BLANK)
        return {
            "kind": kind,
            "start": place,
            "end": place + end,
            "wrap": "" if wrap in signs else wrap,
            "plain": bool(colon) and not listed,
        }

    def symbol(self, letter):
        return (
            "\u2190" <= letter <= "\u2bff"
            or "\U0001f300" <= letter <= "\U0001faff"
            or letter == "\ufe0f"
        )

    def between(self, label, end):
        inside = self.text[label["end"] : end].strip()
        if label["wrap"] and inside.endswith(label["wrap"]):
            inside = inside[: -len(label["wrap"])]
        if inside.count("```") % 2 and inside.endswith("```"):
            inside = inside[:-3]
        return inside.strip()

    def thought(self, end):
        said = re.sub(r"\A\s*```\w*\n", "", self.text[:end]).strip()
        inner = Reader(said + "\n\n", ()) if said else None
        if (
            inner
            and inner.labels
            and inner.labels[0]["kind"] == "thought"
            and not inner.labels[0]["start"]
        ):
            return inner.between(inner.labels[0], len(said))
        return said.removesuffix("```").strip()

    def is_none(self, label):
        said = self.text[label["end"] :].lstrip(" \n*`_")
        if re.match("不需要|[无無](?:[需\\W]|$)", said):
            return True
        none = re.match(r"(none|null|n/a|no action|no tool|nothing)(?![\w-])", said, re.I)
        answers = re.match(rf"({'|'.join(ANSWERS)})\W*[:：]", said, re.I)
        return bool(answers) or bool(none and none[1] not in self.names)

    def cut(self):
        seen = [label["start"] for label in self.labels if label["kind"] == "observation"]
        return min(seen, default=len(self.text))

    def first(self, cut):
        for label in self.labels:
            if label["start"] < cut and label["kind"] == "answer":
                return label
            if label["start"] < cut and label["kind"] == "action" and not self.is_none(label):
                return label
        return self.weaker(cut)

    def weaker(self, cut):
        text = self.text[:cut]
        found = [x for x in self.labels if x["kind"] == "mere" and x["start"] < cut]
        acts = "|".join(map(re.escape, sorted(self.names, key=len)))
        signs = [
            (
                "answer",
                r"[*_]*(?:final[ _-]?answer(?: is)?|answer|最[终終后後]的?(?:答案|回答)是?"
                r"|答案|回答) ?[*_]*[:：][*_]*",
            ),
            ("action", r"(?:\A|```\w*)\s*(?=\{\s*[\"']action[\"']\s*:)"),
        ]
        if acts:
            words = "|".join(ACTS)
            signs.append(("action", rf"(?<!\w)(?:{words}) ?[:：] ?(?=[*`\"\[]*(?:{acts})(?!\w))"))
        for kind, sign in signs:
            if match := re.search(sign, text, re.IGNORECASE):
                found.append(
                    {
                        "kind": kind,
                        "start": match.start(),
                        "end": match.end(),
                        "wrap": "",
                        "plain": True,
                    }
                )
        return min(found, key=lambda label: label["start"], default=None)

    def upto(self, label, after, cut):
        rest = self.text[label["end"] : cut]
        if begins_object(rest):
            return rest.strip()
        return self.between(label, after[0]["start"] if after else cut)

    def answer_end(self, label, after):
        for each in after:
            fenced = self.text[label["end"] : each["start"]].count("```") % 2
            if (
                each["kind"] in ("observation", "thought", "answer")
                and each["plain"]
                and not fenced
            ):
                return each["start"]
        return len(self.text)

    def found(self):
        cut = self.cut()
        first = self.first(cut)
        if first is None:
            return Found(None, self.thought(cut))
        thought = self.thought(first["start"])
        after = [label for label in self.labels if label["start"] >= first["end"]]
        if first["kind"] != "action":
            return Found("answer", thought, self.between(first, self.answer_end(first, after)))
        content = self.upto(first, after, cut)
        if after and after[0]["kind"] == "input":
            return Found("action", thought, content, self.upto(after[0], after[1:], cut))
        words = "|".join(sorted(KINDS["input"], key=len, reverse=True))
        inline = re.match(
            rf"([^\n{{\[(（]*?\s)(?:\*\*)?(?:{words}) ?\**[:：]\**(.*)", content, re.I | re.S
        )
        if inline:
            name = inline[1].replace("**", "").strip()
            return Found("action", thought, name, inline[2].strip())
        return Found("action", thought, content)


# %% right
def find_labels(text, names):
    return Reader(text, names).found()


# %% wrong: the observation that the model made up is read as if it were real
def find_labels(text, names):
    class Trusting(Reader):
        def cut(self):
            return len(self.text)

    return Trusting(text, names).found()


# %% wrong: a Final Answer counts, though an Action stands before it
def find_labels(text, names):
    class Hasty(Reader):
        def first(self, cut):
            said = [x for x in self.labels if x["kind"] == "answer" and x["start"] < cut]
            return said[-1] if said else super().first(cut)

    return Hasty(text, names).found()


# %% wrong: the labels are found only as they were asked for
def find_labels(text, names):
    found = re.search(r"^(Action|Final Answer): ?(.*)", text, re.MULTILINE | re.DOTALL)
    if not found:
        return Found(None, re.sub(r"^Thought: ?", "", text).strip())
    thought = re.sub(r"^Thought: ?", "", text[: found.start()]).strip()
    rest = re.split(r"^Observation:", found[2], maxsplit=1, flags=re.MULTILINE)[0]
    if found[1] == "Final Answer":
        return Found("answer", thought, rest.strip())
    name, _, given = rest.partition("\nAction Input:")
    return Found("action", thought, name.strip(), given.strip() or None)


# %% wrong: a line within a JSON string that looks like a label ends the input
def find_labels(text, names):
    class Short(Reader):
        def upto(self, label, after, cut):
            return self.between(label, after[0]["start"] if after else cut)

    return Short(text, names).found()


# %% wrong: "Action: None" is a call
def find_labels(text, names):
    class Literal(Reader):
        def is_none(self, label):
            return False

    return Literal(text, names).found()
