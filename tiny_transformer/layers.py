"""One layer of the encoder and one of the decoder: sublayers, each in a residual connection.

Source: Vaswani et al. 2017 (arXiv:1706.03762), sections 3.1, 3.3 and 5.4; pre-norm: Xiong et al.
2020 (arXiv:2002.04745). Chapter 12.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MultiHeadAttention
from .cache import LayerCache
from .config import TransformerConfig
from .dropout import Dropout


class FeedForward(nn.Module):
    """max(0, x W1 + b1) W2 + b2, for every position alike: section 3.3, eq. 2."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.w_1 = nn.Linear(config.d_model, config.d_ff)
        self.w_2 = nn.Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.ffn_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, D) -> (B, T, D), by way of (B, T, d_ff)."""
        return self.w_2(self.dropout(F.relu(self.w_1(x))))


class Residual(nn.Module):
    """A sublayer's way around: LN(x + dropout(sublayer(x))), sections 3.1 and 5.4.

    norm="pre" is x + dropout(sublayer(LN(x))): then nothing but sums lies between the first x and
    the last, and deep stacks train without warm-up. The 2017 paper is post-norm.
    norm: nn.LayerNorm with the config's layer_norm_eps · dropout: `Dropout`
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pre_norm = config.norm == "pre"
        self.norm = nn.LayerNorm(config.d_model, config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """x: (B, T, D) -> (B, T, D)."""
        if self.pre_norm:
            return x + self.dropout(sublayer(self.norm(x)))
        return self.norm(x + self.dropout(sublayer(x)))


class EncoderLayer(nn.Module):
    """Look at the whole source, then think about each position by itself.

    self_attention: `MultiHeadAttention` · feed_forward: `FeedForward` · residuals: an
    nn.ModuleList, a `Residual` for each of the two, in this order
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.residuals = nn.ModuleList(Residual(config) for _ in range(2))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, attentions: list[Tensor] | None = None
    ) -> Tensor:
        """x: (B, S, D) -> (B, S, D) · mask: (B, 1, 1, S) bool · attentions: weights are added."""
        attend, think = self.residuals
        x = attend(x, lambda x: self.self_attention(x, mask=mask, attentions=attentions))
        return think(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Look at the target so far, then at the source, then think about each position by itself.

    self_attention, cross_attention: `MultiHeadAttention` · feed_forward: `FeedForward` ·
    residuals: an nn.ModuleList, a `Residual` for each of the three, in this order
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.cross_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.residuals = nn.ModuleList(Residual(config) for _ in range(3))

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        target_mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        cache: LayerCache | None = None,
        self_attentions: list[Tensor] | None = None,
        cross_attentions: list[Tensor] | None = None,
    ) -> Tensor:
        """x: (B, T, D), the target · memory: (B, S, D), the encoded source · returns (B, T, D).

        target_mask: (B, 1, T, T) bool · source_mask: (B, 1, 1, S) bool · the lists gain weights
        cache: None, or this layer's; both attentions use it
        """
        attend, cross, think = self.residuals
        x = attend(x, lambda x: self.self_attention(x, None, target_mask, cache, self_attentions))
        x = cross(
            x, lambda x: self.cross_attention(x, memory, source_mask, cache, cross_attentions)
        )
        return think(x, self.feed_forward)
