# %% right
def until_stop(pieces, stop):
    if not all(stop):
        raise ValueError("an empty stop string stops everything")
    text, sent = "", 0
    for piece in pieces:
        for letter in piece:
            text += letter
            complete = [word for word in stop if text.endswith(word)]
            if complete:
                end = len(text) - max(map(len, complete))
                if end > sent:
                    yield text[sent:end]
                return
        starts = [n for n in range(len(text)) if any(w.startswith(text[n:]) for w in stop)]
        safe = min(starts, default=len(text))
        if safe > sent:
            yield text[sent:safe]
            sent = safe
    if sent < len(text):
        yield text[sent:]


# %% wrong: each piece is searched alone
def until_stop(pieces, stop):
    for piece in pieces:
        places = [piece.find(word) for word in stop if word in piece]
        if places:
            if min(places):
                yield piece[: min(places)]
            return
        if piece:
            yield piece


# %% wrong: nothing is passed on before all has come
def until_stop(pieces, stop):
    text = "".join(pieces)
    found = min(((text.find(w) + len(w), text.find(w)) for w in stop if w in text), default=None)
    text = text[: found[1]] if found else text
    if text:
        yield text


# %% wrong: the one that begins first counts, though another is complete before it
def until_stop(pieces, stop):
    held = ""
    for piece in pieces:
        held += piece
        places = [held.find(word) for word in stop if word in held]
        starts = [n for n in range(len(held)) if any(w.startswith(held[n:]) for w in stop)]
        ready = min(places) if places else min(starts, default=len(held))
        if ready:
            yield held[:ready]
        if places:
            return
        held = held[ready:]
    if held:
        yield held


# %% wrong: what may begin a stop string is passed on with the rest
def until_stop(pieces, stop):
    text, sent = "", 0
    for piece in pieces:
        text += piece
        found = min(
            ((text.find(w) + len(w), text.find(w)) for w in stop if w in text), default=None
        )
        end = found[1] if found else len(text)
        if end > sent:
            yield text[sent:end]
        sent = max(sent, end)
        if found:
            return


# %% wrong: what was held back is lost when the text ends
def until_stop(pieces, stop):
    held = ""
    for piece in pieces:
        held += piece
        found = min(
            ((held.find(w) + len(w), held.find(w)) for w in stop if w in held), default=None
        )
        starts = [n for n in range(len(held)) if any(w.startswith(held[n:]) for w in stop)]
        ready = found[1] if found else min(starts, default=len(held))
        if ready:
            yield held[:ready]
        if found:
            return
        held = held[ready:]
