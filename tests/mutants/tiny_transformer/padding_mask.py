import torch


# %% right
def padding_mask(ids, pad_id):
    B, S = ids.shape
    real = torch.ones(B, S, dtype=torch.bool, device=ids.device)
    return real.masked_fill(ids.eq(pad_id), False).view(B, 1, 1, S)


# %% wrong: True where there is padding
def padding_mask(ids, pad_id):
    return (ids == pad_id)[:, None, None, :]


# %% wrong: it hides queries instead of keys
def padding_mask(ids, pad_id):
    return (ids != pad_id)[:, None, :, None]


# %% wrong: padding is always 0
def padding_mask(ids, pad_id):
    return (ids != 0)[:, None, None, :]


# %% wrong: 1 and 0 instead of True and False
def padding_mask(ids, pad_id):
    return (ids != pad_id).float()[:, None, None, :]
