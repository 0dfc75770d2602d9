"""The whole Transformer: a source is encoded once, a target is decoded from it token by token.

Source: Vaswani et al. 2017 (arXiv:1706.03762), sections 3.1 and 3.4, Figure 1. Chapter 12.
Source and target are two different sequences of different lengths; the decoder's input is the
target behind a start token, so that position t predicts token t + 1.
"""

from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import causal_mask, padding_mask
from .cache import KVCache
from .config import TransformerConfig
from .layers import DecoderLayer, EncoderLayer
from .position import PositionalEncoding


@dataclass
class TransformerOutput:
    """logits: (B, T, V). The attentions, one tensor a layer, are () unless asked for."""

    logits: Tensor
    encoder_attentions: tuple[Tensor, ...] = ()
    """(B, H, S, S): source looks at source."""
    decoder_attentions: tuple[Tensor, ...] = ()
    """(B, H, T, T): target looks at target."""
    cross_attentions: tuple[Tensor, ...] = ()
    """(B, H, T, S): target looks at source."""


class Encoder(nn.Module):
    """A stack of encoder layers. Pre-norm ends in one more LayerNorm: its sum is not normalised."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_encoder_layers))
        self.norm = _final_norm(config)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, attentions: list[Tensor] | None = None
    ) -> Tensor:
        """x: (B, S, D) -> (B, S, D) · mask: (B, 1, 1, S) bool."""
        for layer in self.layers:
            x = layer(x, mask, attentions)
        return self.norm(x)


class Decoder(nn.Module):
    """A stack of decoder layers, each of which looks at the same memory."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_decoder_layers))
        self.norm = _final_norm(config)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        target_mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        cache: KVCache | None = None,
        self_attentions: list[Tensor] | None = None,
        cross_attentions: list[Tensor] | None = None,
    ) -> Tensor:
        """x: (B, T, D) · memory: (B, S, D) · returns (B, T, D). Masks as in `DecoderLayer`."""
        caches = cache.layers if cache else [None] * len(self.layers)
        weights = self_attentions, cross_attentions
        for layer, layer_cache in zip(self.layers, caches, strict=True):
            x = layer(x, memory, target_mask, source_mask, layer_cache, *weights)
        if cache:
            cache.length += x.shape[1]
        return self.norm(x)


class Transformer(nn.Module):
    """Embeddings, encoder, decoder, and the way back from vectors to tokens."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        # section 3.4: one matrix embeds the source, embeds the target, and scores the next token
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.position = PositionalEncoding(config.d_model, config.dropout)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform matrices, zero biases: the paper is silent on this, its code is not."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # times sqrt(d_model) it has variance 1, and the sinusoids 1/2; and logits start small
        nn.init.normal_(self.embedding.weight, std=self.config.d_model**-0.5)

    def source_mask(self, source_ids: Tensor) -> Tensor:
        """Which source tokens may be looked at: (B, S) -> (B, 1, 1, S) bool."""
        return padding_mask(source_ids, self.config.pad_id)

    def target_mask(self, target_ids: Tensor) -> Tensor:
        """What each target token may look at: no padding, nothing later. -> (B, 1, T, T) bool."""
        padding = padding_mask(target_ids, self.config.pad_id)  # (B, 1, 1, T)
        return padding & causal_mask(target_ids.shape[1], device=target_ids.device)

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """(B, T) ids at positions start, start + 1, ... -> (B, T, D); sqrt(D): section 3.4."""
        return self.position(self.embedding(ids) * sqrt(self.config.d_model), start)

    def encode(self, source_ids: Tensor, attentions: list[Tensor] | None = None) -> Tensor:
        """(B, S) ids, pad_id where padded -> memory: (B, S, D)."""
        return self.encoder(self.embed(source_ids), self.source_mask(source_ids), attentions)

    def decode(
        self,
        target_ids: Tensor,
        memory: Tensor,
        source_mask: Tensor | None = None,
        cache: KVCache | None = None,
        self_attentions: list[Tensor] | None = None,
        cross_attentions: list[Tensor] | None = None,
    ) -> Tensor:
        """The decoder's output for the target so far; with a cache, for its new tokens only.

        target_ids: (B, T), from the start token on, without a cache; else the new tokens, unpadded
        memory: (B, S, D) and source_mask: (B, 1, 1, S) from `encode` and `source_mask`
        returns (B, T, D); `project` turns it into logits
        """
        start = cache.length if cache else 0
        if not start:
            mask = self.target_mask(target_ids)
        elif target_ids.shape[1] == 1:
            mask = None  # the newest token may look at everything before it
        else:
            T = target_ids.shape[1]
            mask = causal_mask(T, start + T, target_ids.device)
        weights = self_attentions, cross_attentions
        x = self.embed(target_ids, start)
        return self.decoder(x, memory, mask, source_mask, cache, *weights)

    def project(self, x: Tensor) -> Tensor:
        """Scores of every token as the next one: (B, T, D) -> (B, T, V) logits."""
        return F.linear(x, self.embedding.weight)

    def forward(
        self, source_ids: Tensor, target_ids: Tensor, output_attentions: bool = False
    ) -> TransformerOutput:
        """Teacher forcing: all positions of the target at once, each seeing only those before it.

        source_ids: (B, S) · target_ids: (B, T), a start token and the target · pad_id fills rows
        returns logits: (B, T, V), of which [:, t] predicts the token behind target_ids[:, t]
        """
        self._check(source_ids, target_ids)
        lists: list[list[Tensor]] = [[], [], []]
        encoder_list, self_list, cross_list = lists if output_attentions else (None, None, None)
        memory = self.encode(source_ids, encoder_list)
        mask = self.source_mask(source_ids)
        x = self.decode(target_ids, memory, mask, None, self_list, cross_list)
        return TransformerOutput(self.project(x), *map(tuple, lists))

    def _check(self, source_ids: Tensor, target_ids: Tensor) -> None:
        for name, ids in (("source_ids", source_ids), ("target_ids", target_ids)):
            if ids.dim() != 2 or ids.is_floating_point() or ids.dtype == torch.bool:
                raise ValueError(
                    f"{name} is {ids.dtype} of shape {tuple(ids.shape)}; give (B, T) integers"
                )
        if len(source_ids) != len(target_ids):
            raise ValueError(
                f"{len(source_ids)} sources and {len(target_ids)} targets: give each source one"
                " target"
            )


def _final_norm(config: TransformerConfig) -> nn.Module:
    if config.norm == "pre":
        return nn.LayerNorm(config.d_model, config.layer_norm_eps)
    return nn.Identity()
