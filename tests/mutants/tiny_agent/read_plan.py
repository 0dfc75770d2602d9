import ast
import json
import re


def listed(text):
    """The list as Python or as JSON reads it."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError, ValueError):
        raise ValueError("this is no list") from None


# %% right
def read_plan(text, max_steps):
    said = re.sub(r"<think>.*?(</think>|\Z)", "", text, flags=re.DOTALL)
    found = re.search(r"\[.*\]", said, re.DOTALL)
    if not found:
        raise ValueError("no list in brackets")
    steps = []
    for item in listed(found.group().strip()):
        texts = list(item.values()) if isinstance(item, dict) else [item]
        longest = ""
        for each in texts:
            if isinstance(each, str) and len(each) > len(longest):
                longest = each
        if not longest.strip():
            raise ValueError("a step without a text")
        steps.append(longest.strip())
    if not 1 <= len(steps) <= max_steps:
        raise ValueError(f"{len(steps)} steps")
    return steps


# %% wrong: the list ends at the first closing bracket
def read_plan(text, max_steps):
    said = re.sub(r"<think>.*?(</think>|\Z)", "", text, flags=re.DOTALL)
    found = re.search(r"\[.*?\]", said, re.DOTALL)
    if not found:
        raise ValueError("no list in brackets")
    steps = []
    for item in listed(found.group()):
        texts = [
            x for x in (item.values() if isinstance(item, dict) else [item]) if isinstance(x, str)
        ]
        steps.append(max(texts, key=len, default="").strip())
    if not 1 <= len(steps) <= max_steps or not all(steps):
        raise ValueError("no plan")
    return steps


# %% wrong: a plan that is too long is cut, and the last steps are never done
def read_plan(text, max_steps):
    said = re.sub(r"<think>.*?(</think>|\Z)", "", text, flags=re.DOTALL)
    found = re.search(r"\[.*\]", said, re.DOTALL)
    if not found:
        raise ValueError("no list in brackets")
    steps = []
    for item in listed(found.group()):
        texts = [
            x for x in (item.values() if isinstance(item, dict) else [item]) if isinstance(x, str)
        ]
        steps.append(max(texts, key=len, default="").strip())
    if not steps or not all(steps):
        raise ValueError("no plan")
    return steps[:max_steps]


# %% wrong: the numbers that the model thought about are taken for the plan
def read_plan(text, max_steps):
    found = re.search(r"\[.*?\](?!.*\])|\[.*\]", text, re.DOTALL)
    if not found:
        raise ValueError("no list in brackets")
    steps = []
    for item in listed(found.group()):
        texts = [
            x for x in (item.values() if isinstance(item, dict) else [item]) if isinstance(x, str)
        ]
        steps.append(max(texts, key=len, default="").strip())
    if not 1 <= len(steps) <= max_steps or not all(steps):
        raise ValueError("no plan")
    return steps


# %% wrong: whatever is no text becomes one
def read_plan(text, max_steps):
    said = re.sub(r"<think>.*?(</think>|\Z)", "", text, flags=re.DOTALL)
    found = re.search(r"\[.*\]", said, re.DOTALL)
    if not found:
        raise ValueError("no list in brackets")
    steps = []
    for item in listed(found.group()):
        texts = [str(x) for x in (item.values() if isinstance(item, dict) else [item])]
        steps.append(max(texts, key=len, default="").strip())
    if not 1 <= len(steps) <= max_steps or not all(steps):
        raise ValueError("no plan")
    return steps
