import torch.nn.functional as F
from torch import nn

from tiny_transformer.layers import FeedForward, MultiHeadAttention, Residual


class Base(nn.Module):
    """A right one, in three steps; each wrong one changes a step."""

    def __init__(self, config):
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.cross_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.residuals = nn.ModuleList([Residual(config) for _ in range(3)])

    def look_at_target(self, x, mask, cache, attentions):
        return self.residuals[0](
            x, lambda y: self.self_attention(y, mask=mask, cache=cache, attentions=attentions)
        )

    def look_at_source(self, x, memory, mask, cache, attentions):
        return self.residuals[1](
            x, lambda y: self.cross_attention(y, memory, mask, cache, attentions)
        )

    def forward(
        self,
        x,
        memory,
        target_mask=None,
        source_mask=None,
        cache=None,
        self_attentions=None,
        cross_attentions=None,
    ):
        x = self.look_at_target(x, target_mask, cache, self_attentions)
        x = self.look_at_source(x, memory, source_mask, cache, cross_attentions)
        return self.residuals[2](x, self.feed_forward)


# %% right
class DecoderLayer(nn.Module):
    """Without Residual: pre-norm and post-norm in two branches, the norms under their names."""

    def __init__(self, config):
        super().__init__()
        self.residuals = nn.ModuleList()
        for _ in range(3):
            holder = nn.Module()
            holder.norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
            self.residuals.append(holder)
        self.cross_attention = MultiHeadAttention(config)
        self.self_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.config = config

    def forward(
        self,
        x,
        memory,
        target_mask=None,
        source_mask=None,
        cache=None,
        self_attentions=None,
        cross_attentions=None,
    ):
        first, second, third = (residual.norm for residual in self.residuals)
        own = {"mask": target_mask, "cache": cache, "attentions": self_attentions}
        other = {"mask": source_mask, "cache": cache, "attentions": cross_attentions}
        if self.config.norm == "pre":
            x = x + self.dropped(self.self_attention(first(x), **own))
            x = x + self.dropped(self.cross_attention(second(x), memory=memory, **other))
            return x + self.dropped(self.feed_forward(third(x)))
        x = first(x + self.dropped(self.self_attention(x, **own)))
        x = second(x + self.dropped(self.cross_attention(x, memory=memory, **other)))
        return third(x + self.dropped(self.feed_forward(x)))

    def dropped(self, x):
        return F.dropout(x, self.config.dropout, self.training)


# %% wrong: the source first, the target afterwards
class DecoderLayer(Base):
    def forward(
        self,
        x,
        memory,
        target_mask=None,
        source_mask=None,
        cache=None,
        self_attentions=None,
        cross_attentions=None,
    ):
        x = self.look_at_source(x, memory, source_mask, cache, cross_attentions)
        x = self.look_at_target(x, target_mask, cache, self_attentions)
        return self.residuals[2](x, self.feed_forward)


# %% wrong: the target sees what comes later
class DecoderLayer(Base):
    def look_at_target(self, x, mask, cache, attentions):
        return super().look_at_target(x, None, cache, attentions)


# %% wrong: the source's padding is looked at
class DecoderLayer(Base):
    def look_at_source(self, x, memory, mask, cache, attentions):
        return super().look_at_source(x, memory, None, cache, attentions)


# %% wrong: the second attention looks at the target once more
class DecoderLayer(Base):
    def look_at_source(self, x, memory, mask, cache, attentions):
        return self.residuals[1](x, lambda y: self.cross_attention(y, y, None, None, attentions))


# %% wrong: what is added in the middle is the output of the encoder, not a look at it
class DecoderLayer(Base):
    def look_at_source(self, x, memory, mask, cache, attentions):
        mean = memory.mean(dim=1, keepdim=True).expand_as(x)
        return self.residuals[1](x, lambda y: mean)


# %% wrong: one set of weights for both attentions
class DecoderLayer(Base):
    def look_at_source(self, x, memory, mask, cache, attentions):
        return self.residuals[1](
            x, lambda y: self.self_attention(y, memory, mask, cache, attentions)
        )
