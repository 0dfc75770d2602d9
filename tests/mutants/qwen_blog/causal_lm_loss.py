import torch
import torch.nn.functional as F


# %% right
def causal_lm_loss(logits, labels, ignore_index=-100):
    if labels.shape != logits.shape[:2]:
        raise ValueError("labels must be (B, T)")
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    surprise = torch.logsumexp(wide, dim=-1)[:, :-1]  # less the score of the right token
    next_ids = labels[:, 1:]
    counted = next_ids != ignore_index
    places = next_ids.where(counted, 0)[..., None]
    surprise = surprise - wide[:, :-1].gather(-1, places)[..., 0]
    return (surprise * counted).sum() / counted.sum()


# %% wrong: each place is asked for its own token
def causal_lm_loss(logits, labels, ignore_index=-100):
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(wide.flatten(0, 1), labels.flatten(), ignore_index=ignore_index)


# %% wrong: shifted the wrong way
def causal_lm_loss(logits, labels, ignore_index=-100):
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    shifted = wide[:, 1:].flatten(0, 1)
    return F.cross_entropy(shifted, labels[:, :-1].flatten(), ignore_index=ignore_index)


# %% wrong: the mean is over all places, ignored ones too
def causal_lm_loss(logits, labels, ignore_index=-100):
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    shifted, targets = wide[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    total = F.cross_entropy(shifted, targets, ignore_index=ignore_index, reduction="sum")
    return total / len(targets)


# %% wrong: a mean of the rows' means, so that tokens of short rows weigh more
def causal_lm_loss(logits, labels, ignore_index=-100):
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = zip(wide[:, :-1], labels[:, 1:], strict=True)
    means = [F.cross_entropy(row, targets, ignore_index=ignore_index) for row, targets in rows]
    return torch.stack(means).mean()


# %% wrong: half-precision logits stay in half precision
def causal_lm_loss(logits, labels, ignore_index=-100):
    shifted = logits[:, :-1].flatten(0, 1)
    return F.cross_entropy(shifted, labels[:, 1:].flatten(), ignore_index=ignore_index)
