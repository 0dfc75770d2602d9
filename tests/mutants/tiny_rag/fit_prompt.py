from tiny_rag.citations import strip_unknown
from tiny_rag.prompts import MESSAGE_TOKENS, WORDINGS, Prompt, cut_to_fit, disarm, language


def framed(question, passages, turns):
    """The messages, whatever their size."""
    wording = WORDINGS[language(question)]
    lines = [wording.opening, *passages, wording.closing]
    asked = wording.question + disarm(question.strip(), numbers=False)
    user = "\n".join([*lines, asked])
    first = {"role": "system", "content": wording.system}
    return [first, *turns, {"role": "user", "content": user}]


def numbered(hits):
    return [f"[{n}] {disarm(hit.chunk.text).strip()}" for n, hit in enumerate(hits, 1)]


def cleaned(history):
    texts = [strip_unknown(disarm(m["content"], numbers=False), 0) for m in history]
    return [{"role": m["role"], "content": text} for m, text in zip(history, texts, strict=True)]


def size(messages, count):
    return sum(count(message["content"]) for message in messages) + MESSAGE_TOKENS * len(messages)


def drop_oldest(turns, room, count):
    while turns and (turns[0]["role"] != "user" or size(turns, count) > room):
        turns = turns[1:]
    return turns


def fill(question, passages, turns, budget, count):
    """The passages that fit, the last of them cut."""

    def fits(shown):
        return size(framed(question, shown, turns), count) <= budget

    fitting = max(n for n in range(len(passages) + 1) if n == 0 or fits(passages[:n]))
    shown, rest = passages[:fitting], passages[fitting:]
    if rest:
        head, _, text = rest[0].partition("] ")
        if part := cut_to_fit(text, lambda part: fits([*shown, f"{head}] {part}"])):
            shown.append(f"{head}] {part}")
    return shown


def checked(question, budget, count):
    """The room that instruction and question leave."""
    if not question.strip():
        raise ValueError("no question")
    room = budget - size(framed(question, [], []), count)
    if room < 0:
        raise ValueError("no room")
    return room


# %% right
def fit_prompt(question, hits, budget_tokens, count, history=()):
    room = checked(question, budget_tokens, count)
    turns = drop_oldest(cleaned(history), room // 4, count)
    shown = fill(question, numbered(hits), turns, budget_tokens, count)
    messages = framed(question, shown, turns)
    return Prompt(messages, len(shown), size(messages, count))


# %% wrong: characters are counted instead of tokens
def fit_prompt(question, hits, budget_tokens, count, history=()):
    room = checked(question, budget_tokens, len)
    turns = drop_oldest(cleaned(history), room // 4, len)
    shown = fill(question, numbered(hits), turns, budget_tokens, len)
    messages = framed(question, shown, turns)
    return Prompt(messages, len(shown), size(messages, len))


# %% wrong: what the chat template adds is forgotten
def fit_prompt(question, hits, budget_tokens, count, history=()):
    checked(question, budget_tokens, count)
    shown = fill(question, numbered(hits), [], budget_tokens + 2 * MESSAGE_TOKENS, count)
    turns = drop_oldest(cleaned(history), budget_tokens // 4, count)
    messages = framed(question, shown, turns)
    return Prompt(messages, len(shown), size(messages, count))


# %% wrong: the latest exchanges are dropped and the oldest stay
def fit_prompt(question, hits, budget_tokens, count, history=()):
    room = checked(question, budget_tokens, count)
    turns = cleaned(history)
    while turns and size(turns, count) > room // 4:
        turns = turns[:-1]
    shown = fill(question, numbered(hits), turns, budget_tokens, count)
    messages = framed(question, shown, turns)
    return Prompt(messages, len(shown), size(messages, count))


# %% wrong: a passage that does not fit is left out whole
def fit_prompt(question, hits, budget_tokens, count, history=()):
    room = checked(question, budget_tokens, count)
    turns = drop_oldest(cleaned(history), room // 4, count)
    passages = numbered(hits)
    while size(framed(question, passages, turns), count) > budget_tokens:
        passages.pop()
    messages = framed(question, passages, turns)
    return Prompt(messages, len(passages), size(messages, count))


# %% wrong: passages go in as they are, end tags and numbers included
def fit_prompt(question, hits, budget_tokens, count, history=()):
    room = checked(question, budget_tokens, count)
    turns = drop_oldest(cleaned(history), room // 4, count)
    passages = [f"[{n}] {hit.chunk.text.strip()}" for n, hit in enumerate(hits, 1)]
    shown = fill(question, passages, turns, budget_tokens, count)
    messages = framed(question, shown, turns)
    return Prompt(messages, len(shown), size(messages, count))


# %% wrong: the question stands before the passages
def fit_prompt(question, hits, budget_tokens, count, history=()):
    room = checked(question, budget_tokens, count)
    turns = drop_oldest(cleaned(history), room // 4, count)
    shown = fill(question, numbered(hits), turns, budget_tokens, count)
    messages = framed(question, shown, turns)
    *lines, asked = messages[-1]["content"].split("\n")
    messages[-1] = {"role": "user", "content": "\n".join([asked, *lines])}
    return Prompt(messages, len(shown), size(messages, count))
