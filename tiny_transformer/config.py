"""The sizes and choices of a Transformer, under the names of the paper's Table 3.

Source: Vaswani et al. 2017 (arXiv:1706.03762), sections 3 and 5.4, Table 3. Chapter 12.
Leaves out: learned positions (Table 3, row E), and vocabularies that differ by language: the paper
shares one between source and target (section 5.1).
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

NORMS = ("post", "pre")


@dataclass(frozen=True)
class TransformerConfig:
    """Checked when made: ValueError names the field, its value and the remedy."""

    vocab_size: int = 37000
    """How many tokens source and target share; about 37,000 in section 5.1."""
    d_model: int = 512
    """Width of every token's vector between the sublayers."""
    num_heads: int = 8
    """Attention heads; each is d_model / num_heads wide."""
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    d_ff: int = 2048
    """Width inside the feed-forward network."""
    dropout: float = 0.1
    """Section 5.4: on every sublayer's output, and on the sums of embeddings and positions."""
    attention_dropout: float = 0.0
    """On attention weights. Not in the paper; torch.nn.Transformer drops here too."""
    ffn_dropout: float = 0.0
    """Inside the feed-forward network. Not in the paper; torch.nn.Transformer drops here too."""
    norm: str = "post"
    """"post": LN(x + sublayer(x)), the paper's. "pre": x + sublayer(LN(x)), one LN at the end."""
    attention_bias: bool = False
    """Biases in the four projections of attention. The paper's formulas have none."""
    layer_norm_eps: float = 1e-5
    pad_id: int = 0
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "num_heads", "d_ff"):
            _check_int(name, getattr(self, name), low=1)
        for name in ("num_encoder_layers", "num_decoder_layers"):
            _check_int(name, getattr(self, name), low=0)
        for name in ("pad_id", "bos_id", "eos_id"):
            _check_int(name, getattr(self, name), low=0, high=self.vocab_size - 1)
        if len({self.pad_id, self.bos_id, self.eos_id}) < 3:
            raise ValueError(
                f"pad_id={self.pad_id}, bos_id={self.bos_id} and eos_id={self.eos_id} must differ"
            )
        if self.d_model % self.num_heads:
            raise ValueError(f"num_heads={self.num_heads} must divide d_model={self.d_model}")
        for name in ("dropout", "attention_dropout", "ffn_dropout"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{name}={value!r} must be a number in [0, 1)")
        if self.norm not in NORMS:
            raise ValueError(f"norm={self.norm!r} must be one of {', '.join(NORMS)}")
        if not isinstance(self.attention_bias, bool):
            raise ValueError(f"attention_bias={self.attention_bias!r} must be true or false")
        if not _is_number(self.layer_norm_eps) or not 0 < self.layer_norm_eps < float("inf"):
            raise ValueError(
                f"layer_norm_eps={self.layer_norm_eps!r} must be a finite number above 0"
            )

    @property
    def head_dim(self) -> int:
        """Width of one head, d_k = d_v in the paper."""
        return self.d_model // self.num_heads

    @classmethod
    def base(cls, vocab_size: int = 37000) -> Self:
        """The paper's base model: 63.0 million parameters here, "65" in Table 3 (chapter 12)."""
        return cls(vocab_size=vocab_size)

    @classmethod
    def big(cls, vocab_size: int = 37000) -> Self:
        """The paper's big model: 214.2 million parameters here, "213" in Table 3 (chapter 12)."""
        return cls(vocab_size=vocab_size, d_model=1024, num_heads=16, d_ff=4096, dropout=0.3)

    @classmethod
    def tiny(cls, vocab_size: int = 512) -> Self:
        """Small enough to train on a laptop's CPU; the shipped model has this shape."""
        return cls(vocab_size, 160, 4, 2, 2, d_ff=640)

    def to_dict(self) -> dict[str, Any]:
        """All fields, as config.json holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The opposite of `to_dict`. ValueError for a field that is unknown or missing."""
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            unknown = ", ".join(sorted(set(values) - known)) or "none"
            missing = ", ".join(sorted(known - set(values))) or "none"
            raise ValueError(
                f"config fields: unknown: {unknown} (remove), missing: {missing} (add)"
            )
        return cls(**values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_int(name: str, value: object, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name}={value!r} must be an integer of at least {low}")
    if high is not None and value > high:
        raise ValueError(f"{name}={value} must be below vocab_size={high + 1}")
