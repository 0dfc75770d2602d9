import torch.nn.functional as F
from torch import nn


class Base(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.pre_norm = config.norm == "pre"
        self.norm = nn.LayerNorm(config.d_model, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)


# %% right
class Residual(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.kind, self.p = config.norm, config.dropout
        self.norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)

    def forward(self, x, sublayer):
        inside = self.norm(x) if self.kind == "pre" else x
        total = F.dropout(sublayer(inside), self.p, self.training) + x
        return total if self.kind == "pre" else self.norm(total)


# %% wrong: the norm of the sublayer alone, and x added behind it
class Residual(Base):
    def forward(self, x, sublayer):
        if self.pre_norm:
            return x + self.dropout(sublayer(self.norm(x)))
        return x + self.norm(self.dropout(sublayer(x)))


# %% wrong: with pre-norm, the normalised x is what goes around
class Residual(Base):
    def forward(self, x, sublayer):
        if self.pre_norm:
            x = self.norm(x)
            return x + self.dropout(sublayer(x))
        return self.norm(x + self.dropout(sublayer(x)))


# %% wrong: dropout falls on the sum
class Residual(Base):
    def forward(self, x, sublayer):
        if self.pre_norm:
            return self.dropout(x + sublayer(self.norm(x)))
        return self.norm(self.dropout(x + sublayer(x)))


# %% wrong: dropout falls behind the norm
class Residual(Base):
    def forward(self, x, sublayer):
        if self.pre_norm:
            return x + self.dropout(sublayer(self.norm(x)))
        return self.dropout(self.norm(x + sublayer(x)))


# %% wrong: the config's eps is forgotten
class Residual(Base):
    def __init__(self, config):
        super().__init__(config)
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, x, sublayer):
        if self.pre_norm:
            return x + self.dropout(sublayer(self.norm(x)))
        return self.norm(x + self.dropout(sublayer(x)))


# %% wrong: nothing goes around the sublayer
class Residual(Base):
    def forward(self, x, sublayer):
        if self.pre_norm:
            return self.dropout(sublayer(self.norm(x)))
        return self.norm(self.dropout(sublayer(x)))
