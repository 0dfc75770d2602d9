"""Qwen2's hyper-parameters: every number that fixes the shape of the model.

Source: Qwen2 Technical Report (Yang et al. 2024, arXiv:2407.10671), table 1, and the
`config.json` files published with the checkpoints. Chapter 21 counts the parameters by hand.

Reads the `config.json` of transformers 4 (`rope_theta`, `rope_scaling`) and of transformers 5
(`rope_parameters`). Leaves out: RoPE scalings other than YaRN, activations other than SiLU and
a head width other than hidden_size / num_attention_heads; no published Qwen2 has them.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, Self

FULL, SLIDING = "full_attention", "sliding_attention"
_POSITIVE_INTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
)


def _is_count(value: object) -> bool:
    """Whether `value` is an integer of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object) -> bool:
    """Whether `value` is an int or float that is neither infinite nor NaN."""
    return isinstance(value, (int, float)) and math.isfinite(value)


@dataclass(frozen=True)
class YarnScaling:
    """Stretches RoPE to contexts longer than the model was trained on (Peng et al. 2023)."""

    factor: float
    """Long context divided by trained context, e.g. 4.0 for 32k -> 128k."""
    original_max_position_embeddings: int
    """The context length, in tokens, that the model was trained on."""
    beta_fast: float = 32.0
    """Pairs that turn more often than this over the trained context keep their speed."""
    beta_slow: float = 1.0
    """Pairs that turn less often than this are slowed down by `factor`."""
    attention_factor: float | None = None
    """Multiplies cos and sin; None means the paper's 0.1 ln(factor) + 1."""
    truncate: bool = True
    """Round the borders between the two groups of pairs outwards to whole pairs."""

    def __post_init__(self) -> None:
        if not (_is_number(self.factor) and self.factor >= 1):
            raise ValueError(f"YaRN factor={self.factor!r} must be a number of at least 1")
        if not _is_count(original := self.original_max_position_embeddings):
            raise ValueError(
                f"original_max_position_embeddings={original!r} must be an integer of at least 1"
            )
        optional = () if self.attention_factor is None else ("attention_factor",)
        for name in ("beta_fast", "beta_slow", *optional):
            if not (_is_number(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name}={value!r} must be a positive number")
        if self.beta_fast < self.beta_slow:
            raise ValueError(
                f"beta_fast={self.beta_fast} must not be below beta_slow={self.beta_slow}"
            )


@dataclass(frozen=True)
class Qwen2Config:
    """The shape of one Qwen2 model. Field names are those of the published `config.json`.

    Raises ValueError that names the field, its value and what it must be.
    """

    vocab_size: int = 151936
    """Rows of the embedding table; Qwen2 pads its 151,646 tokens up to this."""
    hidden_size: int = 896
    """D, the width of the residual stream."""
    intermediate_size: int = 4864
    """Width of the MLP between its two projections."""
    num_hidden_layers: int = 24
    """How many decoder layers are stacked."""
    num_attention_heads: int = 14
    """H, how many query heads a layer has."""
    num_key_value_heads: int = 2
    """K, how many key/value heads the query heads share (K = H: MHA, K = 1: MQA)."""
    max_position_embeddings: int = 32768
    """The longest context in tokens, prompt and reply together."""
    rms_norm_eps: float = 1e-6
    """Added to the mean square before the root, so that a zero vector stays finite."""
    rope_theta: float = 1_000_000.0
    """Base of RoPE's frequencies; a larger base turns the slow pairs slower."""
    rope_scaling: YarnScaling | None = None
    """None for plain RoPE, or how to stretch it (YaRN)."""
    tie_word_embeddings: bool = True
    """Whether the output layer is the embedding table itself."""
    attention_dropout: float = 0.0
    """Share of attention weights dropped in training; 0 in every published Qwen2."""
    initializer_range: float = 0.02
    """Standard deviation of fresh weights."""
    sliding_window: int | None = None
    """How many tokens back a sliding layer sees, itself included; None: all of them."""
    layer_types: tuple[str, ...] = ()
    """One of `full_attention` / `sliding_attention` a layer; () means all full."""
    bos_token_id: int | None = None
    """Kept for `config.json`; Qwen2 puts no token in front of a text."""
    eos_token_id: int | tuple[int, ...] | None = None
    """The id or ids after which generation stops."""
    pad_token_id: int | None = None
    """Kept for `config.json`; padding is told by the attention mask, never by this id."""

    def __post_init__(self) -> None:
        for name in _POSITIVE_INTS:
            if not _is_count(value := getattr(self, name)):
                raise ValueError(f"{name}={value!r} must be an integer of at least 1")
        self._check_heads()
        self._check_layer_types()
        for name in ("rope_theta", "rms_norm_eps"):
            if not (_is_number(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name}={value!r} must be a positive number")
        if self.rope_scaling is not None and self.rope_theta <= 1:
            raise ValueError(f"rope_theta={self.rope_theta} must be above 1 for YaRN")
        if not (_is_number(dropout := self.attention_dropout) and 0 <= dropout < 1):
            raise ValueError(f"attention_dropout={dropout!r} must be in [0, 1)")
        if not (_is_number(std := self.initializer_range) and std >= 0):
            raise ValueError(f"initializer_range={std!r} must be a number of at least 0")

    def _check_heads(self) -> None:
        heads, kv_heads = self.num_attention_heads, self.num_key_value_heads
        if self.hidden_size % heads:
            raise ValueError(
                f"num_attention_heads={heads} must divide hidden_size={self.hidden_size}"
            )
        if heads % kv_heads:
            raise ValueError(f"num_key_value_heads={kv_heads} must divide {heads} query heads")
        if self.head_dim % 2:
            raise ValueError(f"head width {self.head_dim} must be even: RoPE turns pairs")

    def _check_layer_types(self) -> None:
        if not self.layer_types:
            object.__setattr__(self, "layer_types", (FULL,) * self.num_hidden_layers)
        if len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"layer_types has {len(self.layer_types)} entries, "
                f"but num_hidden_layers={self.num_hidden_layers}"
            )
        if unknown := set(self.layer_types) - {FULL, SLIDING}:
            raise ValueError(f"layer_types={sorted(unknown)} must be {FULL!r} or {SLIDING!r}")
        if self.sliding_window is not None and not _is_count(self.sliding_window):
            raise ValueError(
                f"sliding_window={self.sliding_window!r} must be an integer of at least 1, or None"
            )
        if SLIDING in self.layer_types and self.sliding_window is None:
            raise ValueError(f"layer_types has {SLIDING!r}: sliding_window must be a number")

    @property
    def head_dim(self) -> int:
        """Dh, the width of one head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def num_key_value_groups(self) -> int:
        """G, how many query heads share one key/value head."""
        return self.num_attention_heads // self.num_key_value_heads

    def window_of(self, layer_idx: int) -> int | None:
        """How many tokens back layer `layer_idx` sees; None: all of them."""
        return self.sliding_window if self.layer_types[layer_idx] == SLIDING else None

    @classmethod
    def nano(cls) -> Self:
        """A size that runs in milliseconds: for tests, chapters and benchmarks (1.0 M)."""
        return cls(
            vocab_size=2048,
            hidden_size=128,
            intermediate_size=344,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
        )

    @classmethod
    def small(cls) -> Self:
        """A size at which memory traffic begins to matter: for benchmarks (38.9 M)."""
        return cls(
            vocab_size=32000,
            hidden_size=512,
            intermediate_size=1408,
            num_hidden_layers=8,
            num_attention_heads=8,
            num_key_value_heads=2,
            max_position_embeddings=4096,
        )

    @classmethod
    def qwen2_0_5b(cls) -> Self:
        """Qwen2-0.5B (Qwen2 Technical Report, table 1): 494,032,768 parameters."""
        return cls(max_position_embeddings=131072, bos_token_id=151643, eos_token_id=151643)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Read the content of a `config.json` written by transformers 4 or 5.

        Raises ValueError for another model type, and for settings this model has no code for.
        """
        _refuse_what_we_lack(raw)
        known = {field.name for field in fields(cls)} - {"rope_theta", "rope_scaling"}
        values = {name: raw[name] for name in known if raw.get(name) is not None}
        # The defaults of config.json differ from ours: a missing key means what transformers says.
        for name, default in (("tie_word_embeddings", False), ("num_key_value_heads", None)):
            values[name] = raw[name] if raw.get(name) is not None else default
        if values["num_key_value_heads"] is None:
            values["num_key_value_heads"] = raw.get("num_attention_heads")
        missing = [name for name in _POSITIVE_INTS if name not in values]
        if missing:
            raise ValueError(f"config.json lacks {missing}: is it the file of a Qwen2 model?")
        values |= _read_rope(raw, values["max_position_embeddings"])
        values |= _read_windows(raw)
        if isinstance(values.get("eos_token_id"), list):
            values["eos_token_id"] = tuple(values["eos_token_id"])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The content of a `config.json` that transformers 4 and 5 and vLLM read."""
        raw = {field.name: getattr(self, field.name) for field in fields(self)}
        scaling = raw.pop("rope_scaling")
        rope: dict[str, Any] = {"rope_type": "default"}
        if scaling is not None:
            rope = {"rope_type": "yarn"} | {k: v for k, v in vars(scaling).items() if v is not None}
        sliding, eos = SLIDING in self.layer_types, self.eos_token_id
        return raw | {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "hidden_act": "silu",
            "rope_scaling": rope if scaling is not None else None,  # transformers 4
            "rope_parameters": rope | {"rope_theta": self.rope_theta},  # transformers 5
            "use_sliding_window": sliding,
            "max_window_layers": (*self.layer_types, SLIDING).index(SLIDING),
            "layer_types": list(self.layer_types),
            "eos_token_id": list(eos) if isinstance(eos, tuple) else eos,
        }


def _refuse_what_we_lack(raw: dict[str, Any]) -> None:
    """Raise ValueError if the model would compute something else than our code does."""
    if raw.get("model_type") != "qwen2":
        raise ValueError(f"model_type={raw.get('model_type')!r}: only 'qwen2' can be loaded")
    if raw.get("hidden_act", "silu") != "silu":
        raise ValueError(f"hidden_act={raw['hidden_act']!r}: Qwen2's MLP is written for 'silu'")
    head_dim, heads = raw.get("head_dim"), raw.get("num_attention_heads")
    if head_dim is not None and heads is not None and head_dim * heads != raw.get("hidden_size"):
        raise ValueError(f"head_dim={head_dim} must be hidden_size / num_attention_heads")


def _read_rope(raw: dict[str, Any], max_position_embeddings: int) -> dict[str, Any]:
    """rope_theta and rope_scaling from either layout of config.json."""
    # As in transformers 5, the older key counts where a file has both, and nothing is mixed.
    rope = raw.get("rope_scaling") or raw.get("rope_parameters") or {}
    if not isinstance(rope, dict) or any(isinstance(value, dict) for value in rope.values()):
        raise ValueError(f"rope parameters {rope!r} must be one object, the same for all layers")
    # 10,000 is what transformers assumes when the key is absent.
    thetas = (rope.get("rope_theta"), raw.get("rope_theta"), 10_000.0)
    theta = next(theta for theta in thetas if theta is not None)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return {"rope_theta": theta, "rope_scaling": None}
    if kind != "yarn":
        raise ValueError(f"rope_type={kind!r}: only 'default' and 'yarn' are implemented")
    known = {field.name for field in fields(YarnScaling)}
    unknown = set(rope) - known - {"rope_type", "type", "rope_theta"}
    if unknown or rope.get("factor") is None:
        raise ValueError(f"yarn needs a factor and knows {sorted(known)}, but got {rope}")
    scaling = {k: v for k, v in rope.items() if k in known and v is not None}
    scaling.setdefault("original_max_position_embeddings", max_position_embeddings)
    return {"rope_theta": theta, "rope_scaling": YarnScaling(**scaling)}


def _read_windows(raw: dict[str, Any]) -> dict[str, Any]:
    """sliding_window and layer_types; older files give max_window_layers instead of the types."""
    window = raw.get("sliding_window", 4096) if raw.get("use_sliding_window", False) else None
    types = raw.get("layer_types") or ()
    if not types and window is not None:
        first, layers = raw.get("max_window_layers", 28), raw["num_hidden_layers"]
        types = [FULL if i < first else SLIDING for i in range(layers)]
    return {"sliding_window": window, "layer_types": tuple(types)}
