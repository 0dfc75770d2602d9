import inspect
import re
import textwrap


# %% right
def parameter_texts(function):
    text = inspect.getdoc(function) or ""
    section = re.search(
        r"^(?:args|arguments|parameters):\n((?:[ \t].*\n|\n)*)", text + "\n", re.M | re.I
    )
    if section is None:
        return {}
    body = textwrap.dedent(section[1])
    found = {}
    for block in re.split(r"\n(?=\S)", body.strip("\n")):
        words = " ".join(block.split())
        entry = re.match(r"(\w+) ?(?:\([^)]*\))? ?:(.*)", words)
        if entry:
            found[entry[1]] = entry[2].strip()
    return found


# %% wrong: whatever holds a colon begins an entry
def parameter_texts(function):
    found, inside, name = {}, False, ""
    for line in (inspect.getdoc(function) or "").splitlines():
        if line and not line.startswith(" "):
            inside = line.lower() in ("args:", "arguments:", "parameters:")
        elif inside and line.strip():
            entry = re.match(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)", line.strip())
            if entry:
                name = entry[1]
                found[name] = entry[2]
            elif name:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found


# %% wrong: only the first line of an entry is read
def parameter_texts(function):
    found, inside, depth = {}, False, 0
    for line in (inspect.getdoc(function) or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if line and not indent:
            inside, depth = line.lower() in ("args:", "arguments:", "parameters:"), 0
        elif inside and line.strip():
            depth = depth or indent
            entry = re.match(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)", line.strip())
            if entry and indent == depth:
                found[entry[1]] = entry[2]
    return found


# %% wrong: what is raised and returned is read as a parameter
def parameter_texts(function):
    found, inside, depth, name = {}, False, 0, ""
    for line in (inspect.getdoc(function) or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lower() in ("args:", "arguments:", "parameters:"):
            inside = True
        elif inside and line.strip() and indent:
            depth = depth or indent
            entry = re.match(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)", line.strip())
            if entry and indent == depth:
                name = entry[1]
                found[name] = entry[2]
            elif name:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found


# %% wrong: an entry with a type in parentheses is passed over
def parameter_texts(function):
    found, inside, depth, name = {}, False, 0, ""
    for line in (inspect.getdoc(function) or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if line and not indent:
            inside, depth = line.lower() in ("args:", "arguments:", "parameters:"), 0
        elif inside and line.strip():
            depth = depth or indent
            entry = re.match(r"(\w+):\s*(.*)", line.strip())
            if entry and indent == depth:
                name = entry[1]
                found[name] = entry[2]
            elif name and indent > depth:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found
