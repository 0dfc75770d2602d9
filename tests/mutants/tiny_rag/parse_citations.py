import re
import unicodedata

NUMBER = re.compile(r"\s*\d{1,4}\s*")
BRACKET = re.compile(r"[\[【［]\s*\^?(\d{1,4}(?:\s*[,、;，–-]\s*\d{1,4})*)\s*[\]】］]")


# %% right
def parse_citations(text, n):
    plain = unicodedata.normalize("NFKC", text).translate(
        str.maketrans({"【": "[", "】": "]", "、": ",", ";": ",", "–": "-", "—": "-", "~": "-"})
    )
    found = []
    for start in (i for i, sign in enumerate(plain) if sign == "["):
        inner = re.match(r"[\d\s,^-]*", plain[start + 1 :])[0]
        if plain[start + 1 + len(inner) : start + 2 + len(inner)] != "]":
            continue
        spans = [part.split("-") for part in inner.strip().removeprefix("^").split(",")]
        if not all(len(span) <= 2 and all(map(NUMBER.fullmatch, span)) for span in spans):
            continue
        for span in spans:
            for number in range(int(span[0]), int(span[-1]) + 1):
                if 1 <= number <= n and number not in found:
                    found.append(number)
    return found


# %% wrong: one number a bracket only
def parse_citations(text, n):
    numbers = map(int, re.findall(r"[\[【［]\s*\^?(\d{1,4})\s*[\]】］]", text))
    return list(dict.fromkeys(number for number in numbers if 1 <= number <= n))


# %% wrong: numbers that no passage has are kept
def parse_citations(text, n):
    found = {}
    for inner in BRACKET.findall(text):
        for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", inner):
            found |= dict.fromkeys(range(int(first), int(last or first) + 1))
    return list(found)


# %% wrong: in order of the numbers, not of the text
def parse_citations(text, n):
    found = set()
    for inner in BRACKET.findall(text):
        for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", inner):
            found |= set(range(int(first), int(last or first) + 1))
    return sorted(number for number in found if 1 <= number <= n)


# %% wrong: a range gives its ends only
def parse_citations(text, n):
    found = []
    for inner in BRACKET.findall(text):
        found += [int(x) for x in re.findall(r"\d+", inner)]
    return list(dict.fromkeys(number for number in found if 1 <= number <= n))


# %% wrong: every number in brackets of any kind
def parse_citations(text, n):
    found = []
    for inner in re.findall(r"[\[【［(]([^\]】］)]*)[\]】］)]", text):
        for first, last in re.findall(r"(\d{1,4})(?:\s*[–-]\s*(\d{1,4}))?", inner):
            found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(number for number in found if 1 <= number <= n))
