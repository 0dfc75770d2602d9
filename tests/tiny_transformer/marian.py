"""The oracle of decoding: transformers' MarianMTModel with the same weights, and its `generate`.

Marian is the paper's model too: post-norm, ReLU on request, sinusoids, one embedding for source,
target and output. It differs in the order of the sinusoids, which are copied over, and in that it
always has biases in attention: ours must have `attention_bias=True` or they are left at zero.
"""

from typing import Any

import torch
import transformers
from torch import Tensor, nn

from tiny_transformer.config import TransformerConfig
from tiny_transformer.model import Transformer
from tiny_transformer.position import sinusoids

transformers.logging.set_verbosity_error()

CONFIG = TransformerConfig(
    vocab_size=40,
    d_model=32,
    num_heads=4,
    num_encoder_layers=2,
    num_decoder_layers=2,
    d_ff=64,
    attention_bias=True,
)

_SHARP = ("q_proj.weight", "k_proj.weight")
_SOFT = ("v_proj.weight", "o_proj.weight")


@torch.no_grad()
def random_model(
    seed: int = 0,
    config: TransformerConfig = CONFIG,
    eos_bonus: float = 2.0,
    sharpness: float = 4.0,
) -> Transformer:
    """All parameters random, biases and norms too, so that targets differ in tokens and lengths.

    The first three gains below were found by trying: with most others a random model says one token
    for ever, and a decoder that mixes up its past would pass.
    eos_bonus: is added to the end token's logit: more of it makes shorter targets
    sharpness: about the spread of the logits
    """
    model = Transformer(config).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            parameter.copy_(1 + 0.3 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.1 * noise)
        else:
            gain = 2 if "embedding" in name else 3 if name.endswith(_SHARP) else 1.5
            gain = 0.75 if name.endswith(_SOFT) else gain
            parameter.copy_(gain * noise * parameter.shape[1] ** -0.5)
        if name.endswith("w_2.weight"):  # ReLU's mean would push every token the same way
            parameter -= parameter.mean(dim=1, keepdim=True)
    norm = _last_norm(model)
    norm.weight *= -sharpness / 2  # minus: output and input share a matrix, and would echo
    eos = model.embedding.weight[config.eos_id]
    norm.bias += eos_bonus * eos / eos.square().sum()
    return model


def _last_norm(model: Transformer) -> nn.LayerNorm:
    """The LayerNorm whose output becomes logits."""
    norms = [module for module in model.decoder.modules() if isinstance(module, nn.LayerNorm)]
    return norms[-1]


def sources(seed: int, lengths: tuple[int, ...], config: TransformerConfig = CONFIG) -> Tensor:
    """Random sources of the given lengths, padded on the right: (B, S)."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, config.vocab_size, (len(lengths), max(lengths)), generator=generator)
    for row, length in zip(ids, lengths, strict=True):
        row[length - 1] = config.eos_id
        row[length:] = config.pad_id
    return ids


@torch.no_grad()
def marian_twin(model: Transformer) -> transformers.MarianMTModel:
    """transformers' model with the weights of ours, which must be post-norm."""
    config = model.config
    if config.norm != "post" or config.d_model % 2:
        raise ValueError(f"Marian is post-norm and of even width, not {config}")
    twin = transformers.MarianMTModel(_marian_config(config)).eval()
    table = sinusoids(twin.config.max_position_embeddings, config.d_model)
    twin.model.shared.weight.copy_(model.embedding.weight)
    for ours, theirs in ((model.encoder, twin.model.encoder), (model.decoder, twin.model.decoder)):
        theirs.embed_positions.weight.copy_(table)
        for layer, marian_layer in zip(ours.layers, theirs.layers, strict=True):
            _copy_layer(layer, marian_layer)
    return twin


def hf_generate(
    twin: transformers.MarianMTModel, source_ids: Tensor, max_new_tokens: int, **options: Any
) -> Any:
    """transformers' `generate` without its defaults, and without pads and start tokens."""
    config = twin.config
    return twin.generate(
        source_ids,
        attention_mask=(source_ids != config.pad_token_id).long(),
        max_new_tokens=max_new_tokens,
        suppress_tokens=[config.pad_token_id, config.bos_token_id],
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )


def hf_ids(sequences: Tensor, model: Transformer) -> list[list[int]]:
    """Rows of `generate` as our hypotheses have them: without start, end and padding."""
    config = model.config
    special = {config.pad_id, config.bos_id, config.eos_id}
    return [[token for token in row if token not in special] for row in sequences.tolist()]


def _marian_config(config: TransformerConfig) -> transformers.MarianConfig:
    return transformers.MarianConfig(
        vocab_size=config.vocab_size,
        d_model=config.d_model,
        encoder_layers=config.num_encoder_layers,
        decoder_layers=config.num_decoder_layers,
        encoder_attention_heads=config.num_heads,
        decoder_attention_heads=config.num_heads,
        encoder_ffn_dim=config.d_ff,
        decoder_ffn_dim=config.d_ff,
        activation_function="relu",
        scale_embedding=True,
        dropout=0.0,
        max_position_embeddings=256,
        pad_token_id=config.pad_id,
        bos_token_id=config.bos_id,
        eos_token_id=config.eos_id,
        decoder_start_token_id=config.bos_id,
        forced_eos_token_id=None,
    )


def _copy_layer(ours: nn.Module, theirs: nn.Module) -> None:
    """One encoder or decoder layer. Residual i holds the norm behind sublayer i."""
    norms = [residual.norm for residual in ours.residuals]
    pairs = [
        (norms[0], theirs.self_attn_layer_norm),
        (norms[-1], theirs.final_layer_norm),
        (ours.feed_forward.w_1, theirs.fc1),
        (ours.feed_forward.w_2, theirs.fc2),
    ]
    attentions = [(ours.self_attention, theirs.self_attn)]
    if len(norms) == 3:
        pairs.append((norms[1], theirs.encoder_attn_layer_norm))
        attentions.append((ours.cross_attention, theirs.encoder_attn))
    for attention, marian in attentions:
        pairs += [(getattr(attention, f"{x}_proj"), getattr(marian, f"{x}_proj")) for x in "qkv"]
        pairs.append((attention.o_proj, marian.out_proj))
    for source, target in pairs:
        target.weight.copy_(source.weight)
        if source.bias is None:
            target.bias.zero_()
        else:
            target.bias.copy_(source.bias)
