import torch
import torch.nn.functional as F


# %% right
def lora_linear(x, weight, bias, A, B, scale, dropout=0.0):
    kept = x.to(A.dtype)
    if dropout:
        kept = kept * (torch.rand(kept.shape, device=x.device) >= dropout) / (1 - dropout)
    change = torch.einsum("...i,ri,or->...o", kept, A, B) * scale
    plain = x @ weight.T + (0 if bias is None else bias)
    return (plain + change).to(plain.dtype)


# %% wrong: no scale
def lora_linear(x, weight, bias, A, B, scale, dropout=0.0):
    out = F.linear(x, weight, bias)
    low = F.linear(F.dropout(x.to(A.dtype), dropout), A)
    return (out + F.linear(low, B)).to(out.dtype)


# %% wrong: the scale is for W x, too
def lora_linear(x, weight, bias, A, B, scale, dropout=0.0):
    out = F.linear(x, weight, bias)
    low = F.linear(F.dropout(x.to(A.dtype), dropout), A)
    return (scale * (out + F.linear(low, B))).to(out.dtype)


# %% wrong: dropout hides x from W as well
def lora_linear(x, weight, bias, A, B, scale, dropout=0.0):
    x = F.dropout(x, dropout)
    out = F.linear(x, weight, bias)
    return (out + scale * F.linear(F.linear(x.to(A.dtype), A), B)).to(out.dtype)


# %% wrong: a bfloat16 layer answers in float32
def lora_linear(x, weight, bias, A, B, scale, dropout=0.0):
    low = F.linear(F.dropout(x.to(A.dtype), dropout), A)
    return F.linear(x, weight, bias) + scale * F.linear(low, B)
