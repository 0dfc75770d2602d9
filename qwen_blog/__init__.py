"""A hand-written Qwen2 decoder that loads Qwen2's own weights. Chapters 21 to 23."""

from .attention import (
    Attention,
    causal_mask,
    decode_attention,
    eager_attention,
    repeat_kv,
    sdpa_attention,
)
from .cache import KVCache
from .config import Qwen2Config, YarnScaling
from .generation import Generation, GenerationConfig, generate, stream
from .linear import Linear
from .model import (
    MLP,
    DecoderLayer,
    ModelOutput,
    Qwen2ForCausalLM,
    Qwen2Model,
    RMSNorm,
    causal_lm_loss,
    rms_norm,
)
from .rope import RotaryEmbedding, apply_rotary_pos_emb, rotate_half
from .tokenizer import StreamDecoder, Tokenizer
from .trace import Step, Trace, trace

__all__ = [
    "MLP",
    "Attention",
    "DecoderLayer",
    "Generation",
    "GenerationConfig",
    "KVCache",
    "Linear",
    "ModelOutput",
    "Qwen2Config",
    "Qwen2ForCausalLM",
    "Qwen2Model",
    "RMSNorm",
    "RotaryEmbedding",
    "Step",
    "StreamDecoder",
    "Tokenizer",
    "Trace",
    "YarnScaling",
    "apply_rotary_pos_emb",
    "causal_lm_loss",
    "causal_mask",
    "decode_attention",
    "eager_attention",
    "generate",
    "repeat_kv",
    "rms_norm",
    "rotate_half",
    "sdpa_attention",
    "stream",
    "trace",
]
