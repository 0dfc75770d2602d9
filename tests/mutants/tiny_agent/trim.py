# %% right
def trim(messages, question, fits):
    begins = [place for place, message in enumerate(messages) if message["role"] != "tool"]
    cuts = [
        (place, question + 1) for place in [0, *(b for b in begins if 0 < b < question), question]
    ]
    cuts += [(question, place) for place in begins if place > question + 1]
    for first, second in cuts:
        kept = [*messages[first:question], messages[question], *messages[second:]]
        if fits(kept):
            return kept
    kept = [dict(message) for message in kept]
    while not fits(kept):
        sizes = [(len(m["content"]), -place) for place, m in enumerate(kept) if m["role"] == "tool"]
        size, place = max(sizes, default=(0, 0))
        if size <= 200:
            break
        content = kept[-place]["content"]
        kept[-place]["content"] = content[: size // 2 - 20] + " (and so on)"
    return kept


# %% wrong: one message at a time, so that a result stays without its call
def trim(messages, question, fits):
    before, asked, after = messages[:question], messages[question], messages[question + 1 :]
    while not fits([*before, asked, *after]) and (before or len(after) > 2):
        if before:
            before = before[1:]
        else:
            after = after[1:]
    kept = [message.copy() for message in [*before, asked, *after]]
    for message in kept:
        if not fits(kept) and message["role"] == "tool":
            message["content"] = message["content"][:200]
    return kept


# %% wrong: the newest go first
def trim(messages, question, fits):
    turns = []
    for message in messages[question + 1 :]:
        if message["role"] == "tool":
            turns[-1].append(message)
        else:
            turns.append([message])
    before = list(messages[:question])
    while True:
        kept = [*before, messages[question], *(m for turn in turns for m in turn)]
        if fits(kept):
            return kept
        if len(turns) > 1:
            turns.pop()
        elif before:
            before = []
        else:
            break
    kept = [message.copy() for message in kept]
    for message in kept:
        if not fits(kept) and message["role"] == "tool":
            message["content"] = message["content"][:200]
    return kept


# %% wrong: the question is as old as any other message
def trim(messages, question, fits):
    turns = []
    for message in messages:
        if message["role"] == "tool" and turns:
            turns[-1].append(message)
        else:
            turns.append([message])
    while len(turns) > 1 and not fits([m for turn in turns for m in turn]):
        turns = turns[1:]
    kept = [message.copy() for turn in turns for message in turn]
    for message in kept:
        if not fits(kept) and message["role"] == "tool":
            message["content"] = message["content"][:200]
    return kept


# %% wrong: all of the earlier talk goes at once
def trim(messages, question, fits):
    if fits(messages):
        return list(messages)
    turns = []
    for message in messages[question + 1 :]:
        if message["role"] == "tool":
            turns[-1].append(message)
        else:
            turns.append([message])
    while len(turns) > 1 and not fits([messages[question], *(m for t in turns for m in t)]):
        turns = turns[1:]
    kept = [messages[question].copy(), *(m.copy() for turn in turns for m in turn)]
    for message in kept:
        if not fits(kept) and message["role"] == "tool":
            message["content"] = message["content"][:200]
    return kept


# %% wrong: the results are shortened in the conversation itself
def trim(messages, question, fits):
    begins = [place for place, message in enumerate(messages) if message["role"] != "tool"]
    cuts = [(place, question + 1) for place in begins if place <= question]
    cuts += [(question, place) for place in begins if place > question + 1]
    for first, second in cuts:
        kept = [*messages[first:question], messages[question], *messages[second:]]
        if fits(kept):
            return kept
    for message in kept:
        if not fits(kept) and message["role"] == "tool":
            message["content"] = message["content"][:200]
    return kept
