"""The oracle of these tests: transformers' Qwen2ForCausalLM with the same weights.

A case is a `config.json`, which transformers and our `Qwen2Config.from_dict` read each for itself.
All parameters are random, biases and norm weights too: fresh biases are 0 and fresh norm weights
are 1, so that a model which forgets them would pass.
"""

import copy
from functools import lru_cache
from typing import Any

import torch
import transformers
from hypothesis import settings
from torch import Tensor
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from qwen_blog import KVCache, Qwen2Config, Qwen2ForCausalLM

transformers.logging.set_verbosity_error()  # YaRN warns of every factor that is not its own guess

# No database and no randomness: a run is the same everywhere. No deadline: CI machines stutter.
PROPERTY = settings(max_examples=25, deadline=None, derandomize=True, database=None)

CONFIG_JSON: dict[str, Any] = {
    "model_type": "qwen2",
    "vocab_size": 211,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
}
_YARN_QWEN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
# Trained on 32 tokens, tested on 80: pair 0 keeps its speed, 1 is half way, the rest is slowed.
_YARN_SMALL = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
_YARN_ALL_SET = {
    "rope_type": "yarn",
    "rope_theta": 10_000.0,
    "factor": 2.7,
    "original_max_position_embeddings": 64,
    "beta_fast": 8.0,
    "beta_slow": 2.0,
    "attention_factor": 1.3,
    "truncate": False,
}

CASES: dict[str, dict[str, Any]] = {
    "MHA": {"num_key_value_heads": 4},
    "GQA": {"num_key_value_heads": 2},
    "MQA": {"num_key_value_heads": 1},
    "three query heads a group": {"num_attention_heads": 6, "hidden_size": 48},
    "tied": {"tie_word_embeddings": True},
    "theta 1e6": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    "window, layer 0 full": {
        "use_sliding_window": True,
        "sliding_window": 7,
        "max_window_layers": 1,
    },
    "window, layers mixed": {
        "use_sliding_window": True,
        "sliding_window": 20,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "window of one": {"use_sliding_window": True, "sliding_window": 1, "max_window_layers": 2},
    "yarn of Qwen2.5": {
        "rope_scaling": _YARN_QWEN,
        "rope_theta": 1e6,
        "max_position_embeddings": 131072,
    },
    "yarn, ramp within": {"rope_scaling": _YARN_SMALL, "max_position_embeddings": 128},
    "yarn, all keys set": {"rope_parameters": _YARN_ALL_SET, "max_position_embeddings": 173},
    "large eps": {"rms_norm_eps": 0.5},
    "large vocabulary": {"vocab_size": 4104},  # 4104 * 64 weights: read in slices when decoding
}


def config_json(case: str) -> dict[str, Any]:
    """A fresh `config.json`: transformers writes into the dicts that it is given."""
    return copy.deepcopy(CONFIG_JSON | CASES[case])


def hf_config(raw: dict[str, Any], attention: str = "sdpa") -> transformers.Qwen2Config:
    """transformers' reading of a `config.json`."""
    raw = copy.deepcopy({k: v for k, v in raw.items() if k != "model_type"})
    config = transformers.Qwen2Config(**raw)
    config._attn_implementation = attention
    return config


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int = 0) -> None:
    """Draw every parameter so that logits are about 1 to 10 and attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            parameter.copy_(1 + 0.3 * noise)
        elif parameter.dim() == 1:  # the biases of q, k and v
            parameter.copy_(0.5 * noise)
        elif "embed_tokens" in name:
            parameter.copy_(noise)
        else:
            gain = 3.0 if "lm_head" in name else 1.5
            parameter.copy_(gain * noise * parameter.shape[1] ** -0.5)


@lru_cache
def models(
    case: str, dtype: torch.dtype = torch.float32, attention: str = "sdpa"
) -> tuple[Qwen2ForCausalLM, transformers.Qwen2ForCausalLM]:
    """Ours and theirs with the same weights. Shared between tests: copy before changing one."""
    theirs = transformers.Qwen2ForCausalLM(hf_config(config_json(case), attention)).eval()
    randomise(theirs)
    ours = Qwen2ForCausalLM(Qwen2Config.from_dict(config_json(case))).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    inv_freq = theirs.model.rotary_emb.inv_freq
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    # `to` rounds the frequencies too; `from_pretrained(dtype=...)` leaves them in float32.
    theirs.model.rotary_emb.inv_freq = inv_freq
    if dtype == torch.float64:
        _norms_in_float64(theirs)
    return ours, theirs


def _norms_in_float64(model: torch.nn.Module) -> None:
    """Put torch.nn.RMSNorm in the place of Qwen2RMSNorm, which casts its input to float32.

    The other cast to float32 is the softmax of transformers' eager attention: "sdpa" has none.
    cos and sin are computed in float32 by both sides, and equal to the last bit.
    """
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, Qwen2RMSNorm):
                exact = torch.nn.RMSNorm(norm.weight.shape, eps=norm.variance_epsilon)
                exact.weight = norm.weight
                setattr(parent, name, exact)


def batch(
    case: str, padding: str, lengths: tuple[int, ...] = (80, 41, 66)
) -> tuple[Tensor, Tensor]:
    """Random ids (B, T), also under the padding, and the mask (B, T) of the real ones."""
    T = max(lengths)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(config_json(case)["vocab_size"], (len(lengths), T), generator=generator)
    places = torch.arange(T)
    if padding == "none":
        return ids, torch.ones_like(ids, dtype=torch.bool)
    rows = [places >= T - n if padding == "left" else places < n for n in lengths]
    return ids, torch.stack(rows)


def positions(mask: Tensor) -> Tensor:
    """Positions that count real tokens only, as transformers' `generate` does. (B, T) -> (B, T)."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)


@torch.no_grad()
def greedy(model: Qwen2ForCausalLM, ids: Tensor, mask: Tensor, new_tokens: int) -> Tensor:
    """The best next token, `new_tokens` times, with the cache: the shortest loop that decodes.

    ids, mask: (B, T), padded on the left · returns (B, new_tokens)
    """
    cache = KVCache.for_model(model, len(ids), ids.shape[1] + new_tokens)
    position_ids, chosen = positions(mask), []
    for _ in range(new_tokens):
        logits = model(ids, mask, position_ids, cache, logits_to_keep=1).logits  # (B, 1, V)
        ids = logits.argmax(-1)  # (B, 1)
        chosen.append(ids)
        position_ids = position_ids[:, -1:] + 1
        mask = torch.cat((mask, mask.new_ones(len(ids), 1)), dim=1)
    return torch.cat(chosen, dim=1)


@torch.no_grad()
def hf_greedy(
    model: transformers.Qwen2ForCausalLM, ids: Tensor, mask: Tensor, new_tokens: int
) -> Tensor:
    """The same from transformers' own `generate`, with its own cache."""
    out = model.generate(
        ids,
        attention_mask=mask.long(),
        max_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=0,
        # its cache keeps the last `window - 1` tokens as keys[-(window - 1):], which is all for 1
        use_cache=model.config.sliding_window != 1,
    )
    return out[:, ids.shape[1] :]
