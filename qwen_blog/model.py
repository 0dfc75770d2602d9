"""The Qwen2 decoder: embedding, a stack of pre-norm layers, a final norm, an output layer.

Source: Qwen2 Technical Report (Yang et al. 2024, arXiv:2407.10671), section 2.2; RMSNorm: Zhang and
Sennrich 2019 (arXiv:1910.07467); SwiGLU: Shazeer 2020 (arXiv:2002.05202). Chapters 21 to 23.

Module and parameter names are the checkpoint's own (`model.layers.0.self_attn.q_proj.weight`), so
a published state dict loads without renaming. Leaves out: the mixture-of-experts variant.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, causal_mask
from .cache import KVCache
from .config import Qwen2Config
from .linear import Linear
from .rope import RotaryEmbedding


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last axis; no mean is taken off, no bias added.

    x: (..., D) · weight: (D,) · returns (..., D) of x's dtype. Zhang and Sennrich 2019, eq. 4.
    """
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x  # 300^2 overflows
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * wide.to(x.dtype)


class RMSNorm(nn.Module):
    """`rms_norm` with a learned weight."""

    def __init__(self, hidden_size: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., D) -> (..., D)."""
        return rms_norm(x, self.weight, self.eps)


class MLP(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)), silu(z) = z sigmoid(z). Shazeer 2020, eq. 6.

    gate_proj, up_proj: D -> config.intermediate_size, down_proj: back to D = config.hidden_size;
    no biases.
    """

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, D) -> (B, T, D)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: Qwen2Config, layer_idx: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer_idx)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """x: (B, T, D) -> (B, T, D), and the attention weights (B, H, T, S) if asked for."""
        attended, weights = self.self_attn(
            self.input_layernorm(x), cos, sin, mask, cache, output_attentions
        )
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), weights


@dataclass
class ModelOutput:
    """What a forward pass returns; a field is None unless it was asked for."""

    last_hidden_state: Tensor
    """(B, T, D), after the final norm."""
    logits: Tensor | None = None
    """(B, T or logits_to_keep, V), from `Qwen2ForCausalLM` only."""
    loss: Tensor | None = None
    """Scalar mean cross-entropy in nats a token, if labels were given."""
    hidden_states: tuple[Tensor, ...] | None = None
    """layers + 1 of (B, T, D): the embeddings, each layer's output, the last one normed."""
    attentions: tuple[Tensor, ...] | None = None
    """One (B, H, T, S) a layer."""


class Qwen2Model(nn.Module):
    """Token ids in, hidden states out."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        layers = range(config.num_hidden_layers)
        self.layers = nn.ModuleList(DecoderLayer(config, i) for i in layers)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.rotary_emb = RotaryEmbedding(config)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: KVCache | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> ModelOutput:
        """Run the stack over T new tokens.

        input_ids: (B, T) int
        attention_mask: (B, S) bool or 0/1 with S = cached + T, 1 at real tokens, 0 at padding
        position_ids: (B or 1, T) int, by default counted on from the cache
        cache: holds the tokens before these, and takes these in
        """
        B, T = _check_ids(input_ids)
        past = cache.length if cache is not None else 0
        if cache is not None:
            cache.check_room(T)
            if cache.batch_size != B:
                raise ValueError(f"cache is for {cache.batch_size} rows, but input_ids has {B}")
        if position_ids is None:
            position_ids = torch.arange(past, past + T, device=input_ids.device)[None]  # (1, T)
        if position_ids.shape not in ((1, T), (B, T)):
            shape = tuple(position_ids.shape)
            raise ValueError(f"position_ids is {shape}, must be (1, T) or (B, T) = {(B, T)}")
        masks = self.masks(B, T, past + T, attention_mask, input_ids.device)

        x = self.embed(input_ids)  # (B, T) -> (B, T, D)
        cos, sin = self.rotary_emb(position_ids, x.dtype)  # (B or 1, 1, T, Dh)
        hidden_states, attentions = [], []
        for layer, mask in zip(self.layers, masks, strict=True):
            if output_hidden_states:
                hidden_states.append(x)
            x, weights = layer(x, cos, sin, mask, cache, output_attentions)
            attentions.append(weights)
        x = self.norm(x)
        if cache is not None:
            cache.advance(T)
        return ModelOutput(
            x,
            hidden_states=(*hidden_states, x) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None,
        )

    def embed(self, input_ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, D). ValueError that names an id the table has no row for."""
        try:
            return self.embed_tokens(input_ids)
        except IndexError as error:  # looked for only now: searching all ids takes time
            ids, V = input_ids.flatten(), self.config.vocab_size
            bad = int(ids[(ids < 0) | (ids >= V)][0])
            raise ValueError(f"token id {bad} is outside the vocabulary of {V}") from error

    def masks(
        self,
        B: int,
        T: int,
        S: int,
        attention_mask: Tensor | None,
        device: torch.device,
    ) -> list[Tensor | None]:
        """One mask a layer, shared by layers with the same window; None where none is needed.

        None stands for the two cases that the fused kernels know by themselves: causal attention
        from an empty cache, and one new token that may look at everything.
        """
        if attention_mask is not None:
            if attention_mask.shape != (B, S):
                shape = tuple(attention_mask.shape)
                raise ValueError(f"attention_mask is {shape}, must be (B, S) = {(B, S)}")
            attention_mask = attention_mask.bool()
            if attention_mask.all():
                attention_mask = None
        windows = [self.config.window_of(i) for i in range(self.config.num_hidden_layers)]
        made: dict[int | None, Tensor | None] = {}
        for window in set(windows):
            reaches_all = window is None or window >= S
            plain = T in (1, S) and attention_mask is None and reaches_all
            made[window] = None if plain else causal_mask(T, S, attention_mask, window, device)
        return [made[window] for window in windows]


class Qwen2ForCausalLM(nn.Module):
    """Token ids in, a score for every possible next token out."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.config = config
        self.model = Qwen2Model(config)
        self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.apply(self._init_weights)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "Qwen2ForCausalLM":
        """Load a model folder in the Hugging Face layout: `checkpoint.load_model`."""
        from .checkpoint import load_model  # here, because checkpoint imports this module

        return load_model(folder, dtype, device)

    def save_pretrained(self, folder: str | Path, max_shard_bytes: int = 5_000_000_000) -> None:
        """Write a model folder that transformers reads as well: `checkpoint.save_model`."""
        from .checkpoint import save_model

        save_model(self, folder, max_shard_bytes)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    @property
    def device(self) -> torch.device:
        return self.model.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that activations have."""
        return self.model.norm.weight.dtype

    def num_parameters(self) -> int:
        """How many numbers are learned; tied weights count once."""
        return sum(p.numel() for p in self.parameters())

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: KVCache | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> ModelOutput:
        """As `Qwen2Model.forward`, and then the output layer.

        labels: (B, T) int, usually input_ids; -100 where no loss is wanted
        logits_to_keep: only the last so many positions go through the output layer; 0 = all
        """
        if logits_to_keep < 0:
            raise ValueError(f"logits_to_keep={logits_to_keep} must be 0 (all) or above")
        output = self.model(
            input_ids, attention_mask, position_ids, cache, output_hidden_states, output_attentions
        )
        output.logits = self.lm_head(output.last_hidden_state[:, -logits_to_keep:])
        if labels is not None:
            output.loss = causal_lm_loss(output.logits, labels)
        return output


def causal_lm_loss(logits: Tensor, labels: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean cross-entropy of each token given those before it.

    logits: (B, T, V) · labels: (B, T) int, not shifted; `ignore_index` is left out of the mean
    returns a scalar in nats, in float32 at least (float64 stays). The score at place t is for the
    token at place t + 1; nothing predicts the first token, and the last place predicts nothing.
    ValueError if labels are not (B, T).
    """
    if labels.shape != logits.shape[:2]:
        raise ValueError(f"labels are {tuple(labels.shape)}, must be {tuple(logits.shape[:2])}")
    wide = torch.promote_types(logits.dtype, torch.float32)
    shifted = logits[:, :-1].flatten(0, 1).to(wide)  # (B, T, V) -> (B*(T-1), V)
    return F.cross_entropy(shifted, labels[:, 1:].flatten(), ignore_index=ignore_index)


def _check_ids(input_ids: Tensor) -> tuple[int, int]:
    """(B, T), or ValueError for what cannot be ids."""
    if input_ids.dim() != 2 or input_ids.numel() == 0:
        raise ValueError(f"input_ids is {tuple(input_ids.shape)}, must be (B, T) with B, T >= 1")
    if input_ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"input_ids is {input_ids.dtype}, must be torch.int64 (or int32)")
    return input_ids.shape[0], input_ids.shape[1]
