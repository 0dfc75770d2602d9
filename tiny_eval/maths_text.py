"""A final answer as people and models write it, put into one plain spelling.

根号3, √３, $\\sqrt{3}$ and \\sqrt 3. are one number. Before `formulas` can read it, widths, LaTeX
dressing, Chinese words and units must go: text to text, nothing is computed. Chapter 53.

What is left in the plain spelling: + - * / ^ = < > ≤ ≥ ≠ ± ∓ √ π ∞ ° % | ∪ ∈ ∅, brackets, `⦃ ⦄` for
the braces of a set, `;` between alternatives (或, 和, 、), `&` for 且, and \\frac, \\sqrt, \\log.

Leaves out: words for comparisons (大于, 不超过), 度分秒.
"""

import re

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SIGNS = str.maketrans(
    {
        "\u3000": " ", "\xa0": " ", "。": ".", "、": ";", "【": "[", "】": "]", "−": "-", "–": "-",
        "—": "-", "×": "*", "⋅": "*", "·": "*", "∙": "*", "÷": "/", "∶": ":", "⩽": "≤", "≦": "≤",
        "⩾": "≥", "≧": "≥", "½": "(1/2)", "⅓": "(1/3)", "¼": "(1/4)", "∣": "|", "º": "°",
    }
)  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ", "0123456789-n")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₙ", "0123456789n")

_WRAPPERS = "text|textbf|textrm|mathrm|mathbf|mathbb|mathit|boldsymbol|operatorname|boxed|rm|mbox"
_WRAPPER = re.compile(rf"\\(?:{_WRAPPERS})\s*\{{([^{{}}]*)\}}")
_DRESSING = re.compile(
    r"\\(?:left|right|bigg?|Bigg?|displaystyle|limits|q?quad)(?![a-zA-Z])"
    r"|\\[,;!:\s]|\\\(|\\\)|\\\[|\\\]|\$|(?<![\w)}])\*\*|\*\*(?![\w({\\-])|`|~"
)
_COMMANDS = {
    "dfrac": r"\frac", "tfrac": r"\frac", "cfrac": r"\frac", "cdot": "*", "times": "*", "div": "/",
    "pi": "π", "infty": "∞", "pm": "±", "mp": "∓", "leq": "≤", "leqslant": "≤", "le": "≤",
    "geq": "≥", "geqslant": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "lt": "<", "gt": ">",
    "cup": "∪", "in": "∈", "degree": "°", "circ": "°", "lvert": "|", "rvert": "|", "vert": "|",
    "mid": "|", "emptyset": "∅", "varnothing": "∅", "triangle": "△", "angle": "∠", "lbrace": "⦃",
    "rbrace": "⦄", "alpha": "α", "beta": "β", "theta": "θ", "lambda": "λ", "varphi": "φ",
    "phi": "φ", "omega": "ω", "mu": "μ", "sigma": "σ", "to": "→", "land": "&", "lor": ";",
}  # fmt: skip
_COMMAND = re.compile(
    r"\\(" + "|".join(sorted(_COMMANDS, key=len, reverse=True)) + r")(?![a-zA-Z])"
)

_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_NUMERAL = re.compile("[零〇一二两三四五六七八九十百]+")
_WORDS = [
    (r"根号下?", "√"), (r"[派兀]", "π"), (r"正负", "±"), (r"正无穷大?|无穷大|\+无穷", "+∞"),
    (r"负无穷大?", "-∞"), (r"负", "-"), (r"的平方", "^2"), (r"的立方", "^3"),
    (r"度(?![数过])", "°"),
    (r"或者?|以及|和|与|及|\b(?:or|and)\b", ";"), (r"并且|且", "&"), (r"空集", "∅"),
    (r"百分之\s*([\d.]+)", r"\1%"),
    (r"([\d.]+|√\d+)\s*分之\s*(√?[\d.]+|\d*√\d+)", r"((\2)/(\1))"),
    (r"(\d+)\s*又\s*(\(\(?\d+\)?/\(?\d+\)?\)|\d+/\d+|\\frac\{\d+\}\{\d+\})", r"(\1+\2)"),
]  # fmt: skip
_LEAD = re.compile(
    r"^(?:[∴∵]|故|所以|因此|综上所?述?|从而|于是|则|即|解得|答案?|填|最终|最后|共有?)+[\s,:是为填]*"
)
_LABEL = re.compile(r"^[^=<>≤≥]*[\u4e00-\u9fff](?:是|为|等于|:)\s*(?=\S)")
_REMARK = re.compile(r"(?<=[^\s(])\s*\([^()]*[\u4e00-\u9fff][^()]*\)[\s.]*$")  # 2 (答案不唯一)
_CURVE = re.compile(r"^[\u4e00-\u9fff]{0,4}[A-Za-z](?:_\{?\d\}?)?\s*:\s*(?=[^:]*=)")
_CONDITION = re.compile(r"[,;(\s]*[a-zA-Z](?:_\d)?\s*∈\s*[ZNRQ](?:[*+]|\^[*+]|_[+*])?\s*\)?\s*$")
_TYPED_MIXED = re.compile(r"(?<![\d.^_}/*])(\d+) +((\d+)/(\d+))(?![\d.])")
# 2e-3 is 2e - 3 with Euler's number; nobody writes 1e or 1.5e for it, nor E.
_POWER_OF_TEN = re.compile(r"(?<![\w.])(1(?=e)|\d+\.\d+|\d+(?=E))[eE]([+-]?\d+)(?!\w)")
_MIXED = re.compile(r"(?<![\d.^_}])(\d+)\s*(\\frac\{(\d+)\}\{(\d+)\})")


_LENGTHS = {"mm": -3, "毫米": -3, "cm": -2, "厘米": -2, "dm": -1, "分米": -1, "m": 0, "米": 0}
_LENGTHS |= {"km": 3, "千米": 3, "公里": 3}  # powers of ten, in metres
_NAMES = "|".join(sorted(_LENGTHS, key=len, reverse=True))
# "5m" may be five times m; "5 m", "5\text{m}" and "5米" are metres.
_QUANTITY = re.compile(
    rf"(.*[\d)}}π])(?:\s*(?!m(?:\^\d)?$)|\s+)"
    rf"(?:(平方|立方)?({_NAMES})(?:\^([23]))?|[个种人次张条名位本件项只组对天分岁元])",
    re.DOTALL,
)


def plain(text: str) -> str:
    """The answer in the plain spelling of the module's docstring; "" if nothing is left.

    $\\dfrac{\\sqrt3}{2}$。 -> \\frac{√3}{2} · 二分之根号三 -> ((√3)/(2)) · {1，2} -> ⦃1,2⦄
    """
    text = _REMARK.sub("", _chinese(_undressed(text)))
    text = _braces(_prefixes_cut(text))
    text = re.sub(r"(?<=\d)\.\s+(?=\d)", ".", text)
    text = re.sub(r"\s+", " ", text).rstrip(" .,;:?'\"").lstrip(" ,;:")
    if re.fullmatch(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?:\D.*)?", text):
        text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return _fractions(text)


def split_unit(text: str) -> tuple[str, int, int]:
    """A plain text without its unit; the unit's power of a length, 0 for none; of ten, in metres.

    5 cm -> "5", 1, -2 · 5 cm^2 -> "5", 2, -4 · 5个 -> "5", 0, 0
    """
    match = _QUANTITY.fullmatch(re.sub(r"\^\{(\d)\}$", r"^\1", text))
    if not match:
        return text, 0, 0
    number, word, length, digit = match.groups()
    power = {"平方": 2, "立方": 3}.get(word) or int(digit or 1)
    return (number.strip(), power, power * _LENGTHS[length]) if length else (number.strip(), 0, 0)


def split_condition(text: str) -> str:
    """A plain text without the "k∈Z" or "(n∈N*)" behind it."""
    return _CONDITION.sub("", text) or text


def _undressed(text: str) -> str:
    """Widths, raised and lowered digits, LaTeX wrappers and commands."""
    text = text.translate(_WIDE).translate(_SIGNS)
    for typed, sign in ((">=", "≥"), ("<=", "≤"), ("!=", "≠")):
        text = text.replace(typed, sign)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ]+", lambda m: f"^{{{m[0].translate(_RAISED)}}}", text)
    text = re.sub("[₀-₉ₙ]+", lambda m: f"_{{{m[0].translate(_LOWERED)}}}", text)
    text = text.replace(r"\{", "⦃").replace(r"\}", "⦄").replace(r"\%", "%")
    while (unwrapped := _WRAPPER.sub(r" \1", text)) != text:
        text = unwrapped
    text = _COMMAND.sub(lambda m: _COMMANDS[m[1]], _DRESSING.sub(" ", text))
    return re.sub(r"\^\s*(?:\{\s*°\s*\}|°)", "°", text).replace("**", "^")


def _chinese(text: str) -> str:
    text = _NUMERAL.sub(lambda m: _numeral(m[0]), text)
    for pattern, plainer in _WORDS:
        text = re.sub(pattern, plainer, text)
    return text


def _numeral(signs: str) -> str:
    """三 -> 3, 十二 -> 12, 二百零五 -> 205, 二〇二四 -> 2024."""
    if not set(signs) & set("十百"):
        return "".join(str(_DIGITS[sign]) for sign in signs)
    total, digit = 0, 0
    for sign in signs:
        if sign in "十百":
            total += (digit or 1) * (10 if sign == "十" else 100)
            digit = 0
        else:
            digit = _DIGITS[sign]
    return str(total + digit)


def _prefixes_cut(text: str) -> str:
    """Without 故答案为 in front, and without what the value is of: 面积为5 -> 5, l: y=x -> y=x."""
    text = _CURVE.sub("", _LEAD.sub("", text.strip()))
    return _LABEL.sub("", text)


def _braces(text: str) -> str:
    """Plain braces around the whole answer, or right behind ∪, are those of a set."""
    return re.sub(
        r"(^\s*|[∪=∈;]\s*)\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}(?=\s*(?:$|[∪;.]))", r"\1⦃\2⦄", text
    )


def _fractions(text: str) -> str:
    """\\frac12 with its braces, and 1\\frac{1}{2} as the mixed number that it is."""
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac\s*([\dπ])\s*\{", r"\\frac{\1}{", text)
    text = re.sub(r"(\\frac\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})\s*([\da-zA-Zπ])", r"\1{\2}", text)
    for mixed in (_MIXED, _TYPED_MIXED):
        text = mixed.sub(lambda m: f"({m[1]}+{m[2]})" if int(m[3]) < int(m[4]) else m[0], text)
    return _POWER_OF_TEN.sub(r"\1*10^{\2}", text)
