"""A hand-written group of heads knows, before any training, in which passage each token stands."""

from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from qwen_blog.config import Qwen2Config
from qwen_blog.induction import write_induction_heads
from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.passage_heads import slow_pairs, write_passage_heads

HEADS, GROUPS, DH = 4, 2, 32
CONFIG = {
    "vocab_size": 512,
    "hidden_size": HEADS * DH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": GROUPS,
    "max_position_embeddings": 1024,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
}
NUMBERS = [*range(503, 512)]


def new_model(written: bool = True, **changes: object) -> Qwen2ForCausalLM:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(Qwen2Config(**(CONFIG | changes))).eval()  # type: ignore[arg-type]
        torch.nn.init.normal_(model.model.embed_tokens.weight, std=0.05)
    if written:
        generator = torch.Generator().manual_seed(0)
        write_induction_heads(model, generator)
        write_passage_heads(model, NUMBERS, generator)
    return model


def numbered(lengths: list[int]) -> tuple[Tensor, list[int]]:
    """Passages of random tokens, each begun by its number: ids (1, T), and where each begins."""
    generator = torch.Generator().manual_seed(7)
    ids, begins = [], []
    for number, length in zip(NUMBERS, lengths, strict=False):
        begins.append(len(ids))
        ids += [number, *torch.randint(0, 500, (length,), generator=generator).tolist()]
    return torch.tensor([ids]), begins


def latest(begins: list[int], ids: Tensor) -> Tensor:
    """Where each token's number stands: (T,)."""
    places = torch.tensor(begins)
    return places[torch.searchsorted(places, torch.arange(ids.shape[1]), right=True) - 1]


LENGTHS = {"short": [12, 40, 25, 60, 33], "long": [300, 120, 400], "many": [90] * 9}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@torch.no_grad()
def test_every_token_looks_at_the_latest_number(lengths: list[int]) -> None:
    ids, begins = numbered(lengths)
    weights = new_model()(ids, output_attentions=True).attentions
    assert weights is not None
    first = weights[0][0, HEADS // GROUPS :]  # (2, T, T)
    ends = [*begins[1:], ids.shape[1]]
    for begin, end in zip(begins, ends, strict=True):
        looks = first[:, begin:end]  # (2, n, T)
        assert (looks.argmax(-1) == begin).all()
        assert looks[..., begin].min() > 0.6  # the shorter the passage before, the less


@torch.no_grad()
def test_the_note_is_the_number_of_the_passage() -> None:
    ids, begins = numbered(LENGTHS["short"])
    model = new_model()
    layer = model.model.layers[0]
    attention = layer.self_attn
    kept = attention.o_proj.weight.clone()
    kept[:, : HEADS // GROUPS * DH] = 0  # the other group's part
    attention.o_proj.weight.copy_(kept)
    notes: list[Tensor] = []
    attention.register_forward_hook(lambda module, args, output: notes.append(output[0]))
    model(ids)
    own = model.model.embed_tokens.weight[NUMBERS[: len(begins)]]
    nearest = (notes[0][0] @ (own - own.mean(0)).T).argmax(-1)  # (T,)
    for number, (begin, end) in enumerate(zip(begins, [*begins[1:], ids.shape[1]], strict=True)):
        assert (nearest[begin:end] == number).double().mean() > 0.9


@torch.no_grad()
def test_they_can_be_written_into_a_model_that_was_trained() -> None:
    """Whose weights and biases are no longer small."""
    ids, begins = numbered(LENGTHS["short"])
    model = new_model(written=False)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "self_attn" in name:
            size = 5.0 if name.endswith("bias") else 0.1
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    write_passage_heads(model, NUMBERS, generator)
    weights = model(ids, output_attentions=True).attentions
    assert weights is not None
    on_it = weights[0][0, HEADS // GROUPS :, torch.arange(ids.shape[1]), latest(begins, ids)]
    assert on_it.mean() > 0.8


def test_transformers_sees_the_same_heads_in_these_weights(tmp_path: Path) -> None:
    ids, _ = numbered(LENGTHS["short"])
    model = new_model()
    model.save_pretrained(tmp_path)
    twin = transformers.Qwen2ForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        theirs = twin(ids, output_attentions=True).attentions[0]
        ours = model(ids, output_attentions=True).attentions
    assert ours is not None
    torch.testing.assert_close(ours[0], theirs, rtol=1e-3, atol=1e-4)


def test_only_the_numbers_and_the_last_group_of_layer_0_are_written() -> None:
    plain, written = new_model(written=False), new_model(written=False)
    write_passage_heads(written, NUMBERS, torch.Generator().manual_seed(0))
    old, new = dict(plain.named_parameters()), dict(written.named_parameters())
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    first = "model.layers.0.self_attn."
    parts = {  # what of it stays
        "q_proj.bias": slice(HEADS // GROUPS * DH),
        "q_proj.weight": slice(HEADS // GROUPS * DH),
        "k_proj.weight": slice(DH),
        "v_proj.weight": slice(DH),
        "o_proj.weight": (slice(None), slice(HEADS // GROUPS * DH)),
    }
    embeddings = "model.embed_tokens.weight"
    assert changed == {embeddings, *(first + name for name in parts)}
    assert torch.equal(old[embeddings][:503], new[embeddings][:503])
    for name, part in parts.items():
        assert torch.equal(old[first + name][part], new[first + name][part])
    assert all(parameter.requires_grad for parameter in written.parameters())


def test_the_sines_of_the_slow_pairs_grow_all_the_way() -> None:
    for theta, head_dim, context in ((1e6, 48, 1024), (1e6, 32, 1024), (1e4, 64, 512)):
        slow, still = slow_pairs(theta, head_dim, context)
        assert len(slow) == 2
        assert len(still)
        turns = theta ** (-2 * slow / head_dim)
        sines = torch.sin(torch.arange(context)[:, None] * turns).sum(-1)
        assert (sines.diff() > 0).all()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_attention_heads": 1, "num_key_value_heads": 1}, "num_key_value_heads=1"),
        ({"rope_theta": 100.0}, "rope_theta=100.0"),
        ({"max_position_embeddings": 1_000_000}, "max_position_embeddings=1000000"),
    ],
)
def test_a_model_that_cannot_hold_them_is_refused_unchanged(
    changes: dict[str, object], named: str
) -> None:
    plain = new_model(written=False, **changes)
    before = {name: x.clone() for name, x in plain.state_dict().items()}
    with pytest.raises(ValueError, match=named):
        write_passage_heads(plain, NUMBERS, torch.Generator())
    assert all(torch.equal(x, before[name]) for name, x in plain.state_dict().items())
