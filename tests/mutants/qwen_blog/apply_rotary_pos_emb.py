import torch


# %% right
def apply_rotary_pos_emb(q, k, cos, sin):
    def turn(x):
        half = x.shape[-1] // 2
        a, b = x[..., :half], x[..., half:]
        c, s = cos[..., :half], sin[..., :half]
        return torch.cat((a * c - b * s, b * c + a * s), dim=-1)

    return turn(q), turn(k)


# %% wrong: keys are not turned
def apply_rotary_pos_emb(q, k, cos, sin):
    q1, q2 = q.chunk(2, dim=-1)
    return q * cos + torch.cat((-q2, q1), dim=-1) * sin, k


# %% wrong: both are turned the other way
def apply_rotary_pos_emb(q, k, cos, sin):
    def turn(x):
        x1, x2 = x.chunk(2, dim=-1)
        return x * cos + torch.cat((x2, -x1), dim=-1) * sin

    return turn(q), turn(k)


# %% wrong: cosine and sine are exchanged
def apply_rotary_pos_emb(q, k, cos, sin):
    def turn(x):
        x1, x2 = x.chunk(2, dim=-1)
        return x * sin + torch.cat((-x2, x1), dim=-1) * cos

    return turn(q), turn(k)


# %% wrong: keys are turned back, so that the sum of the places counts
def apply_rotary_pos_emb(q, k, cos, sin):
    def turn(x, sin):
        x1, x2 = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-x2, x1), dim=-1) * sin

    return turn(q, sin), turn(k, -sin)
