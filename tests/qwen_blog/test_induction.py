"""Two layers of hand-written heads repeat a list before any training."""

import math
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from qwen_blog.config import Qwen2Config
from qwen_blog.induction import previous_token_biases, write_induction_heads
from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.rope import apply_rotary_pos_emb

HEADS, GROUPS, DH = 4, 2, 32
CONFIG = {
    "vocab_size": 128,
    "hidden_size": HEADS * DH,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": HEADS,
    "num_key_value_heads": GROUPS,
    "max_position_embeddings": 128,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
}
LENGTH = 20


def new_model(written: bool = True, seed: int = 0, **changes: object) -> Qwen2ForCausalLM:
    """Random weights, as a recipe begins, and the heads written into them."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(Qwen2Config(**(CONFIG | changes))).eval()  # type: ignore[arg-type]
        torch.nn.init.normal_(model.model.embed_tokens.weight, std=0.05)
    if written:
        write_induction_heads(model, torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(scope="module")
def lists() -> Tensor:
    """32 lists of 20 different random tokens, each twice: (32, 40)."""
    generator = torch.Generator().manual_seed(5)
    rows = [torch.randperm(CONFIG["vocab_size"], generator=generator) for _ in range(32)]
    once = torch.stack(rows)[:, :LENGTH]
    return torch.cat([once, once], dim=1)


@torch.no_grad()
def repeated(model: Qwen2ForCausalLM, lists: Tensor) -> float:
    """Share of the tokens of the second telling, but the first, that are the likeliest."""
    likeliest = model(lists).logits[:, LENGTH:-1].argmax(-1)  # (B, n - 1)
    return (likeliest == lists[:, LENGTH + 1 :]).double().mean().item()


@torch.no_grad()
def attentions(model: Qwen2ForCausalLM, lists: Tensor) -> tuple[Tensor, ...]:
    """Of each layer, (B, H, T, T)."""
    weights = model(lists, output_attentions=True).attentions
    assert weights is not None
    return weights


def test_random_weights_with_the_heads_repeat_lists_and_without_they_do_not(lists: Tensor) -> None:
    assert repeated(new_model(), lists) > 0.5
    assert repeated(new_model(written=False), lists) < 0.05


def test_the_previous_token_head_looks_at_the_token_before(lists: Tensor) -> None:
    """So does the other head of its group, whose output is not used yet."""
    first = attentions(new_model(), lists)[0][:, : HEADS // GROUPS]  # (B, 2, T, T)
    assert first.diagonal(-1, 2, 3).mean((0, 2)).min() > 0.85
    most = first[:, :, 1:].argmax(-1) == torch.arange(2 * LENGTH - 1)  # (B, 2, T - 1)
    assert most.double().mean() > 0.99


def test_all_heads_of_layer_1_look_at_the_token_after_the_earlier_occurrence(
    lists: Tensor,
) -> None:
    second = attentions(new_model(), lists)[1]  # (B, H, T, T)
    places = torch.arange(LENGTH, 2 * LENGTH)
    on_the_next = second[:, :, places, places - LENGTH + 1]  # (B, H, n)
    assert on_the_next.mean((0, 2)).min() > 0.67
    blind = attentions(new_model(written=False), lists)[1][:, :, places, places - LENGTH + 1]
    assert blind.mean() < 0.05


def test_transformers_sees_the_same_heads_in_these_weights(lists: Tensor, tmp_path: Path) -> None:
    model = new_model()
    model.save_pretrained(tmp_path)
    twin = transformers.Qwen2ForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        theirs = twin(lists, output_attentions=True).attentions
    for ours, other in zip(attentions(model, lists), theirs, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("theta", [1e4, 1e6])
@pytest.mark.parametrize("head_dim", [16, 48])
def test_the_biases_score_a_distance_by_its_cosines(theta: float, head_dim: int) -> None:
    """q at t against k at s, turned by rope.py: sum of cos(theta_i (t - s - 1))."""
    q, k = previous_token_biases(theta, head_dim)
    assert q.shape == k.shape == (head_dim,)
    T = 60
    frequencies = theta ** (-torch.arange(0, head_dim, 2).double() / head_dim)
    angles = torch.outer(torch.arange(T).double(), frequencies)  # (T, Dh/2)
    angles = torch.cat([angles, angles], dim=-1)[None]  # (1, T, Dh)
    both = [x.double().expand(1, 1, T, head_dim) for x in (q, k)]
    turned_q, turned_k = apply_rotary_pos_emb(*both, angles.cos(), angles.sin())
    scores = (turned_q @ turned_k.transpose(-1, -2))[0, 0]  # (T, T)
    distance = torch.arange(T)[:, None] - torch.arange(T)
    wanted = torch.cos((distance[..., None] - 1) * frequencies).sum(-1)
    torch.testing.assert_close(scores, wanted, rtol=1e-5, atol=1e-4)
    assert scores.masked_fill(distance < 0, -math.inf)[1:].argmax(-1).tolist() == [*range(T - 1)]


def test_induction_looks_as_far_back_as_it_must(lists: Tensor) -> None:
    """With other tokens between the two tellings: it uses none of the pairs that turn."""
    generator = torch.Generator().manual_seed(6)
    between = torch.randint(100, 128, (len(lists), 50), generator=generator)
    once = lists[:, :LENGTH] % 100  # none of the tokens between
    far = torch.cat([once, between, once], dim=1)
    second = attentions(new_model(), far)[1]  # (B, H, T, T)
    places = torch.arange(LENGTH)
    assert second[:, :, LENGTH + 50 + places, places + 1].mean() > 0.55


def test_only_two_layers_are_written_and_of_the_first_only_one_group() -> None:
    plain, written = (dict(new_model(w).named_parameters()) for w in (False, True))
    changed = {name for name in plain if not torch.equal(plain[name], written[name])}
    first, second = (f"model.layers.{i}.self_attn." for i in (0, 1))
    assert changed == {
        *(first + name for name in ("q_proj.bias", "k_proj.bias", "v_proj.weight")),
        first + "o_proj.weight",
        *(second + name + "_proj.weight" for name in "qkvo"),
    }
    heads = HEADS // GROUPS * DH
    assert not written[first + "q_proj.bias"][heads:].any()
    assert not written[first + "k_proj.bias"][DH:].any()
    for name, kept in (("v_proj.weight", slice(DH, None)), ("o_proj.weight", None)):
        ours, old = written[first + name], plain[first + name]
        part = (slice(None), slice(heads, None)) if kept is None else kept
        assert torch.equal(ours[part], old[part])


def test_the_generator_alone_decides_and_all_parameters_go_on_learning() -> None:
    one, other = new_model(), new_model()
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(a, b) and a.requires_grad for a, b in pairs)
    different = new_model(written=False)
    write_induction_heads(different, torch.Generator().manual_seed(9))
    query = different.model.layers[1].self_attn.q_proj.weight
    assert not torch.equal(query, one.model.layers[1].self_attn.q_proj.weight)


def test_one_group_of_heads_is_enough(lists: Tensor) -> None:
    model = new_model(num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=2)
    assert repeated(model, lists) > 0.5


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_hidden_layers": 1}, "num_hidden_layers=1"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings=False"),
    ],
)
def test_a_model_that_cannot_hold_them_is_refused_unchanged(
    changes: dict[str, object], named: str
) -> None:
    plain = new_model(written=False, **changes)
    before = {name: x.clone() for name, x in plain.state_dict().items()}
    with pytest.raises(ValueError, match=named):
        write_induction_heads(plain, torch.Generator())
    assert all(torch.equal(x, before[name]) for name, x in plain.state_dict().items())
