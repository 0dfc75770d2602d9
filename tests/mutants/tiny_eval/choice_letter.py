import re
import unicodedata

DECLARED = re.compile(
    r"(?:答案|答|选项?|正确|符合题意|正解|更正)[\])】”]?(?:的选项|的一?项|的说法|的)?(?:应该|应当|应|就|会)?"
    r"(?:[是为选]|选择)?(?:的是)?\s*(?:[:=\-→>]+)?\s*(?:选项)?$"
    r"|选择?的?(?:是|了|定)?\s*:?\s*(?:选项)?$|【答案】\s*:?\s*(?:选项)?$"
    r"|(?:answer|option|choice|statement|guess|correct|selection|response|solution)"
    r"[\"')\]]*(?:\s+(?:to|for)\s[^.:\n]{1,24}?)?\s*"
    r"(?:is|are|be|would be|should be|must be|will be|of)?\s*"
    r"(?:probably|definitely|clearly|indeed)?[:=→>\-\s]*(?:the)?\s*(?:option|choice|letter|answer)?\s*:?\s*$"
    r"|(?:choose|pick(?:ed)?|select(?:ed)?|go with|going with|say)[:\s]*(?:option|choice|the)?\s*$"
    r"|(?:which|that) is (?:option|choice)?\s*$",
    re.IGNORECASE,
)
CONCLUDED = re.compile(  # counts only before the end of a clause
    r"(?:[故是为即]|所以|因此|综上|而是|应[是为])[,:]?\s*(?:选项)?$"
    r"|\b(?:so|hence|thus|therefore|actually|but|no|wait|think|believe|probably|it's"
    r"|it is|it must be|leaving)[,:]?\s*(?:it's|it is)?\s*(?:option)?\s*$",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"不[^,。;]{0,3}$|[误错非别]选?$|排除[^。;]{0,8}$|除了?$|而?不是$|容易.{0,3}$|并非$|[任甲乙丙他她候未]选.?$|(?:未|拒绝|避免|确定|也许|似乎|没有给出)[^,。;]{0,8}$"
    r"|(?:若|如果|假设|有人|请|很多|千万|可能|是否|乍一看|一开始|初步|假如|我们先看|首先分析)[^。;,]{0,12}$"
    r"|(?:\bnot|n't|never|neither|rule[sd]? out|eliminate|except|rather than|instead of|if\b"
    r"|suppose|whether|either|might|could|may|seems|sorry|some \w+|people|first|initially|please"
    r"|is the|\bone of)\b[^.;,\n]{0,25}$",
    re.IGNORECASE,
)
RIGHT = re.compile(
    r"\s*[):.]*\s*(?:选?项|选项)?\s*[:,]?\s*(?:说法)?(?:是|为)?(?:最)?(?:正确|对的|√|✓|合理|符合(?:题意|要求)|准确)"
    r"|\s*[):.|]*\s*(?:is|was|seems)?\s*(?:clearly|definitely|therefore|the|indeed)?\s*(?:best|correct|right|true|yes)\b",
    re.IGNORECASE,
)
WRONG = re.compile(
    r"\s*[):.]*\s*(?:选?项|选项)?\s*[:,]?\s*(?:说法|均|都|也|是|为|明显|显然)*\s*"
    r"(?:错|不[对正符成合]|✗|×|排除|有误)"
    r"|\s*[):.|]*\s*(?:is|are|was)?\s*(?:clearly|both|also)?\s*(?:wrong|incorrect|false|not|no\b|isn't)",
    re.IGNORECASE,
)
REVISED = re.compile(
    r"不对(?=[,。:;!\s])|等等|更正|重新|再看一遍|\bwait\b|actually|scratch that|corrected"
    r"|on reflection|let me reconsider|i made a mistake|sorry",
    re.IGNORECASE,
)
TURN = re.compile(r"<\|[^<>]{0,20}\|>|\n\s*(?:question|问题|user|q)\s*\d*\s*:", re.IGNORECASE)
FINAL = re.compile(
    r"(?:故|综上|因此|所以|最终|final|therefore|thus|hence|\bso\b).{0,40}$", re.I | re.S
)
NO_OPTION = re.compile(  # what goes on so is no option but a word, a point, a formula
    r"['’][A-Za-z]|\s*(?:[=+∩∪<>^*≥≤°]|\|(?!\s)|\\c[au]p)|\s?[-][A-Za-z]|[点地车股型超语队树班]|\([-\d]"
    r"|\s+(?:cells?|major|student|triangle|tale|of current|is (?:invertible|singular))\b",
    re.IGNORECASE,
)


def plain(text):
    text = unicodedata.normalize("NFKC", text)
    for _ in range(2):
        text = re.sub(r"\\(?:text[a-z]*|math[a-z]+|mbox)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\(?:boxed|fbox)\s*\{?|<answer>", "【答案】", text, flags=re.IGNORECASE)
    text = re.sub(r"</?\w+>|\*+|`+|\$+|\\[()\[\]]|(?<!\w)_+|_+(?!\w)", "", text)
    return text.replace("。", "。 ")


# %% right
def choice_letter(text, letters="ABCD"):
    if len(text) > 20_000:
        text = text[:5_000] + "\n" + text[-15_000:]
    text = next((part for part in TURN.split(plain(text).strip()) if part.strip()), "").strip()
    revised = [match.end() for match in REVISED.finditer(text)]
    text = text[revised[-1] :].lstrip(" ,:.。;!") if revised else text
    upper, lower = letters, letters.lower()
    frame = re.fullmatch(
        rf"[\s(\[\"'“{{>#•✅=-]*(?:(?:q\s*)?\d{{1,2}}\s*[.:、)]\s*)?(?:(?:option|choice|answer|选项?|答案?)\s*:?)?"
        rf"[\s(\[\"'“【]*([{upper}{lower}])[\s)\]\"'”】.。、:!,}}]*(?:选?项|吧)?[.。\s]*",
        text,
        re.IGNORECASE,
    )
    if frame:
        return frame[1].upper()
    token = rf"(?:[{upper}]|[{lower}](?=\s*(?:$|[.。)\]\"'”,}}\n])))"
    group = re.compile(
        rf"(?<![A-Za-z0-9°\\])({token}(?:\s?(?:[,、/;&]|and|or|n?or|和|与|或|还是|及)?\s?[(\[]?(?<![A-Za-z]){token})*)"
        r"(?![A-Za-z0-9])"
    )
    choices, finals, right, wrong, seen = [], [], set(), set(), set()
    for match in group.finditer(text):
        before = text[max(match.start() - 60, 0) : match.start()]
        before = re.sub(r"[(\[\"'“‘【\s]*$", "", before.replace("【答案】", "答案:"))
        after = text[match.end() : match.end() + 40]
        found = {
            x.upper() for x in re.findall(rf"(?<![A-Za-z])[{upper}{lower}](?![A-Za-z])", match[1])
        }
        if not found or NO_OPTION.match(after):
            if DECLARED.search(before) and re.fullmatch(rf"[{upper}{lower}]{{2,}}", match[1]):
                choices.append("")
            continue
        seen |= found
        after = re.sub(r"^[\"'”’)\]】]+", "", after)
        clause = re.split(r"[。.;\n,](?=\s|$)|[,;。]", before)[-1]
        if WRONG.match(after):
            wrong |= found
            continue
        declared = DECLARED.search(before)
        ends = re.match(r"\s*(?:$|[.。,;:!?\n(—-]|选?项|because|since|as\b|for\b|too\b|}})", after)
        concluded = CONCLUDED.search(before) and ends
        if DENIED.search(clause) and not re.search(r"(?:而是|应选|but|, it's)\s*$", before):
            wrong |= found if re.search(r"不|非|not|n't|排除", clause) else set()
            continue
        if re.match(r"\s*吗|\s*还是|\s*\?", after):
            continue
        capital = match[1][0] in upper
        if (declared and (capital or ends)) or concluded:
            if (
                match[1] in "AI"
                and re.match(r"\s+[a-z]", after)
                and not re.match(r"\s+(?:because|since|as|for|is|and|but|too)\b", after)
            ):
                continue
            choices.append("".join(sorted(found)))
            finals.append(bool(FINAL.search(before[-45:])))
        elif RIGHT.match(after):
            right |= found
    if choices:
        distinct = set(choices)
        if len(distinct) > 1:
            if not finals or len(choices) != len(finals) or not finals[-1]:
                return None
            distinct = {choices[-1]}
        one = distinct.pop()
        return one if len(one) == 1 and one not in wrong - right else None
    if len(right) == 1 and not right & wrong and len(seen - wrong) == 1:
        return right.pop() if len(seen) != 2 else None
    items = re.findall(
        rf"(?:^|\s)[(\[]?([{upper}])\s*[.:)、\]]|^[(\[]?([{lower}])[.:)]|^([{upper}]) [-–]\s", text
    )
    lead = re.match(
        rf"\s*[(\[>-]*\s*(?:option\s|选项)?([{upper}{lower}])\s*(?:[.:)、\]]\s*\S|\s[-–]\s)",
        text,
        re.I,
    )
    if lead and len(items) <= 1 and len(text) < 120 and not wrong:
        return lead[1].upper()
    if re.match(
        rf"[{upper}](?:,? (?:because|since|as it)\b|,? (?:not|rather than|instead of) )", text
    ):
        return text[0]
    return None


# %% wrong: the first capital of an option, wherever it stands
def choice_letter(text, letters="ABCD"):
    found = re.search(f"[{letters}]", plain(text))
    return found[0] if found else None


# %% wrong: the last letter of an option, wherever it stands
def choice_letter(text, letters="ABCD"):
    found = re.findall(f"(?<![A-Za-z])[{letters}{letters.lower()}](?![A-Za-z])", plain(text))
    return found[-1].upper() if found else None


# %% wrong: only one way to say it is known
def choice_letter(text, letters="ABCD"):
    found = re.search(
        rf"(?:answer is|答案是|答案:|故选:?|^)\s*\(?([{letters}])\b", plain(text), re.I
    )
    return found[1].upper() if found else None


# %% wrong: a denied choice is a choice, and of two choices the last is taken
def choice_letter(text, letters="ABCD"):
    text = plain(text).strip()
    cue = r"选项?:?|答案[是为】:]*:?|answer\W*(?:is)?:?|option|choose|^"
    token = rf"[{letters}{letters.lower()}]"
    found = re.findall(rf"(?:{cue})\W*({token})(?![A-Za-z])", text, re.IGNORECASE)
    return found[-1].upper() if found else None


# %% wrong: strict patterns first, and where none fits, any letter at all
def choice_letter(text, letters="ABCD"):
    text = plain(text)
    patterns = [
        rf"答案[应该是为选:】]*\s*([{letters}])",
        rf"(?:answer|option)(?: is)?:?\s*\(?([{letters}])\b",
        rf"选择?:?\s*([{letters}])",
        rf"^\s*\(?([{letters}{letters.lower()}])\b",
        rf"([{letters}])\s*(?:项|选项)?(?:正确| is correct)",
        rf"([{letters}])",
    ]
    for pattern in patterns:
        found = re.search(pattern, text, re.IGNORECASE if "answer" in pattern else 0)
        if found:
            return found[1].upper()
    return None
