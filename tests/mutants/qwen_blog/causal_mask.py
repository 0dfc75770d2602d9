import torch


# %% right
def causal_mask(T, S, attention_mask=None, sliding_window=None, device="cpu"):
    past = S - T
    square = torch.ones(T, S, dtype=torch.bool, device=device)
    seen = square.tril(past)
    if sliding_window is not None:
        seen = seen & square.triu(past - sliding_window + 1)
    if attention_mask is None:
        return seen.view(1, 1, T, S)
    self_only = square.tril(past) & square.triu(past)
    return torch.stack([(seen & row) | self_only for row in attention_mask.bool()]).unsqueeze(1)


# %% wrong: query t stands at place t, also behind a cache
def causal_mask(T, S, attention_mask=None, sliding_window=None, device="cpu"):
    back = torch.arange(T, device=device)[:, None] - torch.arange(S, device=device)
    seen = back >= 0
    if sliding_window is not None:
        seen = seen & (back < sliding_window)
    if attention_mask is None:
        return seen[None, None]
    return (seen & attention_mask[:, None, :] | (back == 0))[:, None]


# %% wrong: the window is one place too wide
def causal_mask(T, S, attention_mask=None, sliding_window=None, device="cpu"):
    places = torch.arange(S, device=device)
    back = places[S - T :, None] - places
    seen = back >= 0
    if sliding_window is not None:
        seen = seen & (back <= sliding_window)
    if attention_mask is None:
        return seen[None, None]
    return (seen & attention_mask[:, None, :] | (back == 0))[:, None]


# %% wrong: a padded query sees nothing at all
def causal_mask(T, S, attention_mask=None, sliding_window=None, device="cpu"):
    places = torch.arange(S, device=device)
    back = places[S - T :, None] - places
    seen = back >= 0
    if sliding_window is not None:
        seen = seen & (back < sliding_window)
    if attention_mask is None:
        return seen[None, None]
    return (seen & attention_mask[:, None, :])[:, None]


# %% wrong: padding blocks queries, not keys
def causal_mask(T, S, attention_mask=None, sliding_window=None, device="cpu"):
    places = torch.arange(S, device=device)
    back = places[S - T :, None] - places
    seen = back >= 0
    if sliding_window is not None:
        seen = seen & (back < sliding_window)
    if attention_mask is None:
        return seen[None, None]
    return (seen & attention_mask[:, S - T :, None] | (back == 0))[:, None]
