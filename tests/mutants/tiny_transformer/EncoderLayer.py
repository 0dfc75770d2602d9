from functools import partial

import torch.nn.functional as F
from torch import nn

from tiny_transformer.layers import FeedForward, MultiHeadAttention, Residual


class Base(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.residuals = nn.ModuleList([Residual(config), Residual(config)])


# %% right
class EncoderLayer(nn.Module):
    """The residuals only hold the norms: what they do is written out here."""

    def __init__(self, config):
        super().__init__()
        self.residuals = nn.ModuleList()
        for _ in range(2):
            self.residuals.append(nn.Module())
            self.residuals[-1].norm = nn.LayerNorm(config.d_model, config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.self_attention = MultiHeadAttention(config)
        self.pre_norm, self.p = config.norm == "pre", config.dropout

    def forward(self, x, mask=None, attentions=None):
        attend = partial(self.self_attention, mask=mask, attentions=attentions)
        steps = [attend, self.feed_forward]
        for step, residual in zip(steps, self.residuals, strict=True):
            y = step(residual.norm(x) if self.pre_norm else x)
            x = x + F.dropout(y, self.p, self.training)
            x = x if self.pre_norm else residual.norm(x)
        return x


# %% wrong: one norm for both sublayers
class EncoderLayer(Base):
    def forward(self, x, mask=None, attentions=None):
        residual = self.residuals[0]
        x = residual(x, lambda y: self.self_attention(y, mask=mask, attentions=attentions))
        return residual(x, self.feed_forward)


# %% wrong: it thinks first and looks afterwards
class EncoderLayer(Base):
    def forward(self, x, mask=None, attentions=None):
        x = self.residuals[0](x, self.feed_forward)
        return self.residuals[1](
            x, lambda y: self.self_attention(y, mask=mask, attentions=attentions)
        )


# %% wrong: padding is looked at
class EncoderLayer(Base):
    def forward(self, x, mask=None, attentions=None):
        x = self.residuals[0](x, lambda y: self.self_attention(y, attentions=attentions))
        return self.residuals[1](x, self.feed_forward)


# %% wrong: with pre-norm, attention gets x as it is
class EncoderLayer(Base):
    def forward(self, x, mask=None, attentions=None):
        given = x
        x = self.residuals[0](
            x, lambda _: self.self_attention(given, mask=mask, attentions=attentions)
        )
        return self.residuals[1](x, self.feed_forward)


# %% wrong: the feed-forward network has no way around it
class EncoderLayer(Base):
    def forward(self, x, mask=None, attentions=None):
        x = self.residuals[0](x, lambda y: self.self_attention(y, mask=mask, attentions=attentions))
        return self.residuals[1].norm(self.feed_forward(x))
