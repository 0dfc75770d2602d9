import torch
import torch.nn.functional as F

from tiny_transformer.loss import LossSum


# %% right
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    if not 0 <= smoothing < 1:
        raise ValueError("smoothing is a share")
    real = targets != pad_id
    rows, right = logits[real], targets[real]
    rows = rows.float() if rows.dtype in (torch.bfloat16, torch.float16) else rows
    V = rows.shape[-1]
    log_p = rows - rows.logsumexp(dim=-1, keepdim=True)
    target = F.one_hot(right, V).to(rows.dtype) * (1 - smoothing) + smoothing / V
    smoothed = -(target * log_p).sum()
    nll = F.nll_loss(log_p.detach(), right, reduction="sum")
    return LossSum(smoothed, nll, len(right))


# %% wrong: the right token does not share in what is spread out
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    log_p = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    others = (-log_p.sum(-1) - nll) / (logits.shape[-1] - 1)
    smoothed = (1 - smoothing) * nll + smoothing * others
    real = targets != pad_id
    return LossSum(smoothed[real].sum(), nll[real].sum().detach(), int(real.sum()))


# %% wrong: padding is learnt like a word
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    log_p = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    smoothed = (1 - smoothing) * nll - smoothing * log_p.mean(-1)
    return LossSum(smoothed.sum(), nll.sum().detach(), int((targets != pad_id).sum()))


# %% wrong: padding is left out of the right token's part only
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    log_p = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    real = targets != pad_id
    smoothed = (1 - smoothing) * nll[real].sum() - smoothing * log_p.mean(-1).sum()
    return LossSum(smoothed, nll[real].sum().detach(), int(real.sum()))


# %% wrong: means instead of sums
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    log_p = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    smoothed = (1 - smoothing) * nll - smoothing * log_p.mean(-1)
    real = targets != pad_id
    tokens = int(real.sum())
    count = max(tokens, 1)
    return LossSum(smoothed[real].sum() / count, nll[real].sum().detach() / count, tokens)


# %% wrong: the reported loss is smoothed too
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    log_p = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    smoothed = (1 - smoothing) * nll - smoothing * log_p.mean(-1)
    real = targets != pad_id
    total = smoothed[real].sum()
    return LossSum(total, total.detach(), int(real.sum()))


# %% wrong: summed in half precision
def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    log_p = logits.log_softmax(-1)
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    smoothed = (1 - smoothing) * nll - smoothing * log_p.mean(-1)
    real = targets != pad_id
    return LossSum(smoothed[real].sum(), nll[real].sum().detach(), int(real.sum()))
