import torch


# %% right
def apply_top_p(logits, p):
    out = torch.full_like(logits, -torch.inf)
    for row, kept in zip(logits, out, strict=True):
        held = 0.0
        for token in row.argsort(descending=True).tolist():
            kept[token] = row[token]
            held += float(row.double().softmax(-1)[token])
            if held >= p:
                break
    return out


# %% wrong: the token that crosses p is dropped
def apply_top_p(logits, p):
    falling, order = logits.sort(dim=-1, descending=True)
    dropped = falling.softmax(-1).cumsum(-1) > p
    dropped[:, 0] = False
    return logits.masked_fill(dropped.scatter(1, order, dropped), -torch.inf)


# %% wrong: what is dropped is never brought back to the vocabulary's order
def apply_top_p(logits, p):
    probs = logits.sort(dim=-1, descending=True).values.softmax(-1)
    return logits.masked_fill(probs.cumsum(-1) - probs >= p, -torch.inf)


# %% wrong: each token less likely than p is dropped
def apply_top_p(logits, p):
    dropped = logits.softmax(-1) < p
    dropped.scatter_(1, logits.argmax(-1, keepdim=True), False)
    return logits.masked_fill(dropped, -torch.inf)


# %% wrong: one token more than p needs
def apply_top_p(logits, p):
    falling, order = logits.sort(dim=-1, descending=True)
    probs = falling.softmax(-1)
    dropped = (probs.cumsum(-1) - probs >= p).roll(1, dims=-1)
    dropped[:, 0] = False
    return logits.masked_fill(dropped.scatter(1, order, dropped), -torch.inf)
