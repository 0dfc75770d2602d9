"""The encoder-decoder of "Attention Is All You Need", by hand. Chapters 11, 12, 13."""

from .attention import (
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from .batching import Batch, Example, batches, collate
from .beam import BeamNode, beam_search
from .cache import KVCache
from .checkpoint import average_checkpoints, load_model, save_model
from .config import TransformerConfig
from .data import Pair, encode_pairs, read_pairs
from .decoding import Hypothesis, greedy_decode, length_penalty
from .layers import DecoderLayer, EncoderLayer, FeedForward, Residual
from .loss import label_smoothed_cross_entropy
from .model import Decoder, Encoder, Transformer, TransformerOutput
from .position import PositionalEncoding, sinusoids
from .schedule import learning_rate
from .tokenizer import Tokenizer
from .training import train
from .training_config import TrainingConfig
from .translation import Alignment, Translation, Translator

__all__ = [
    "Alignment",
    "Batch",
    "BeamNode",
    "Decoder",
    "DecoderLayer",
    "Encoder",
    "EncoderLayer",
    "Example",
    "FeedForward",
    "Hypothesis",
    "KVCache",
    "MultiHeadAttention",
    "Pair",
    "PositionalEncoding",
    "Residual",
    "Tokenizer",
    "TrainingConfig",
    "Transformer",
    "TransformerConfig",
    "TransformerOutput",
    "Translation",
    "Translator",
    "average_checkpoints",
    "batches",
    "beam_search",
    "causal_mask",
    "collate",
    "encode_pairs",
    "greedy_decode",
    "label_smoothed_cross_entropy",
    "learning_rate",
    "length_penalty",
    "load_model",
    "padding_mask",
    "read_pairs",
    "save_model",
    "scaled_dot_product_attention",
    "sinusoids",
    "train",
]
