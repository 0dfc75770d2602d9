"""LoRA is peft's: same targets, outputs, gradients and merged weights; and only the pairs learn."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn
from torch.testing import assert_close

from qwen_blog import GenerationConfig, Linear, Qwen2Config, Qwen2ForCausalLM, generate
from qwen_blog.fast import fuse, halve
from qwen_blog.lora import (
    LoraConfig,
    LoraLinear,
    inject,
    lora_layers,
    lora_parameters,
    merge,
)
from qwen_blog.lora_recipe import OPENINGS, restyle
from qwen_blog.training import train
from qwen_blog.training_config import TrainingConfig

from .lora_reference import ALL, ODD, fresh, logits_of, peft, peft_model, randomise_pairs
from .reference import batch, hf_greedy, randomise


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)  # torch.manual_seed(...) would be the global one


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


def injected(config: LoraConfig = ODD, case: str = "GQA", **names: object) -> Qwen2ForCausalLM:
    """Ours with the same random pairs as `peft_model` has."""
    model = inject(fresh(case, **names), config)
    randomise_pairs(model)
    return model


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


# Injecting


def test_a_fresh_adapter_changes_no_logit() -> None:
    model = inject(fresh(), LoraConfig(target_modules=ALL))
    assert torch.equal(logits_of(model), logits_of(fresh()))


def test_fresh_b_is_zero_and_a_is_kaiming_uniform() -> None:
    layer = LoraLinear(Linear(300, 40), LoraConfig(r=64))
    assert not layer.lora_B.any()
    bound = 1 / math.sqrt(300)  # U(-bound, bound), whose deviation is bound / sqrt(3)
    assert 0.99 * bound < layer.lora_A.abs().max() <= bound
    assert_close(layer.lora_A.std().item(), bound / 3**0.5, rtol=0.02, atol=0)  # 19,200 draws


def test_a_generator_makes_it_repeatable_and_layers_differ() -> None:
    draws = [lora_parameters(inject(fresh(), LoraConfig(), seeded(seed))) for seed in (1, 1, 2)]
    same, again, other = (torch.stack([x for x in draw if x.shape[1] == 64]) for draw in draws)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    assert not torch.equal(same[0], same[1])


@pytest.mark.parametrize(
    "targets",
    [
        ("q_proj", "v_proj"),
        ALL,
        ("self_attn.o_proj",),
        ("model.layers.1.mlp.down_proj", "k_proj"),
        ("layers.2.mlp.up_proj",),
    ],
)
def test_the_layers_that_learn_are_those_of_peft(targets: tuple[str, ...]) -> None:
    config = LoraConfig(r=2, target_modules=targets)
    ours, theirs = inject(fresh(), config), peft_model(config)
    learnt = {n: tuple(p.shape) for n, p in ours.named_parameters() if p.requires_grad}
    want = {
        name.removeprefix("base_model.model.").removesuffix(".default.weight"): tuple(p.shape)
        for name, p in theirs.named_parameters()
        if p.requires_grad
    }
    assert learnt == want
    assert {id(p) for p in lora_parameters(ours)} == {
        id(p) for p in ours.parameters() if p.requires_grad
    }


def test_the_defaults_are_those_of_peft() -> None:
    theirs = peft.get_peft_model(copy.deepcopy(peft_model().unload()), peft.LoraConfig())
    config = theirs.peft_config["default"]
    want = (config.r, config.lora_alpha, config.target_modules, config.lora_dropout)
    ours = LoraConfig()
    assert (ours.r, ours.lora_alpha, set(ours.target_modules), ours.lora_dropout) == want


@pytest.mark.parametrize("training", [True, False])
def test_injecting_keeps_the_mode_and_dropout_works_in_training_only(training: bool) -> None:
    model = inject(fresh().train(training), LoraConfig(lora_dropout=0.5))
    randomise_pairs(model)
    assert all(module.training == training for module in model.modules())
    torch.manual_seed(0)
    first, second = logits_of(model), logits_of(model)
    assert torch.equal(first, second) is not training


# Outputs and gradients


@pytest.mark.parametrize("case", ["GQA", "tied", "three query heads a group"])
def test_logits_equal_peft(case: str) -> None:
    got, want = logits_of(injected(case=case), case), logits_of(peft_model(case=case), case)
    assert_close(got, want, atol=1e-4, rtol=0)  # float32 sums over three layers, logits about 10
    assert (want - logits_of(fresh(case), case)).abs().max() > 1  # the pairs do say something


def test_float64_logits_equal_peft_to_1e_10() -> None:
    got = logits_of(injected(dtype=torch.float64))
    assert_close(got, logits_of(peft_model(dtype=torch.float64)), atol=1e-10, rtol=0)


def test_greedy_replies_with_a_cache_equal_peft() -> None:
    ids, mask = batch("GQA", "left", lengths=(12, 3, 9))
    prompts = [row[keep].tolist() for row, keep in zip(ids, mask, strict=True)]
    replies = generate(injected(), prompts, GenerationConfig(max_new_tokens=24))
    want = hf_greedy(peft_model(), ids, mask, new_tokens=24)
    assert [reply.ids for reply in replies] == want.tolist()


@pytest.mark.parametrize("case", ["GQA", "tied"])
def test_gradients_of_the_pairs_equal_peft_and_the_base_has_none(case: str) -> None:
    ours, theirs = injected(case=case), peft_model(case=case)
    ids, _ = batch(case, "none")
    losses = [ours(ids, labels=ids).loss, theirs(input_ids=ids, labels=ids).loss]
    assert_close(*losses, atol=1e-5, rtol=0)
    for loss in losses:
        loss.backward()
    want = {
        name.removeprefix("base_model.model.").removesuffix(".default.weight"): p.grad
        for name, p in theirs.named_parameters()
        if p.requires_grad
    }
    got = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    assert got.keys() == want.keys()
    for name, grad in got.items():  # relative to the layer's largest: they span orders of magnitude
        assert_close(grad, want[name], atol=1e-4 * want[name].abs().max().item(), rtol=0)


def test_gradients_through_autocast_are_near_those_of_float32() -> None:
    exact, mixed = injected(), injected()
    ids, _ = batch("GQA", "none")
    exact(ids, labels=ids).loss.backward()
    with torch.autocast("cpu", torch.bfloat16):
        mixed(ids, labels=ids).loss.backward()
    for p, q in zip(lora_parameters(mixed), lora_parameters(exact), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        assert p.grad.dtype == torch.float32
        assert F.cosine_similarity(p.grad.flatten(), q.grad.flatten(), dim=0) > 0.95  # 8-bit sums


# Merging


@pytest.mark.parametrize("case", ["GQA", "tied"])
def test_a_merged_model_equals_the_unmerged_one_and_that_of_peft(case: str) -> None:
    model, theirs = injected(case=case), peft_model(case=case).merge_and_unload()
    before = logits_of(model, case)
    assert merge(model) is model
    assert_close(logits_of(model, case), before, atol=1e-4, rtol=0)
    assert_close(logits_of(model, case), logits_of(theirs, case), atol=1e-4, rtol=0)
    want = theirs.state_dict()
    for name, tensor in model.state_dict().items():
        assert_close(tensor, want[name], atol=1e-6, rtol=0)  # one float32 rounding of about 1


def test_a_merged_model_is_plain_again(tmp_path) -> None:
    model, plain = merge(injected(case="tied")), fresh("tied")
    assert [(n, type(m)) for n, m in model.named_modules()] == [
        (n, type(m)) for n, m in plain.named_modules()
    ]
    assert all(p.requires_grad for p in model.parameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert not any(module.training for module in model.modules())
    model.save_pretrained(tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert_close(logits_of(model, "tied"), logits_of(theirs, "tied"), atol=1e-4, rtol=0)
    assert_close(logits_of(fuse(model), "tied"), logits_of(theirs, "tied"), atol=1e-4, rtol=0)


def test_merging_writes_into_no_tensor_of_the_base() -> None:
    base = fresh()
    held, before = dict(base.named_parameters()), snapshot(base)
    inject(base, ODD)
    randomise_pairs(base)
    merge(base)
    assert all(torch.equal(parameter, before[name]) for name, parameter in held.items())
    inject(base, ODD)  # and a second adapter may follow


def test_an_injected_model_is_not_saved_as_if_it_were_a_checkpoint(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"lora_A"):
        injected(LoraConfig()).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# Refusals


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"r": 0}, r"r=0 must be an integer of at least 1"),
        ({"r": 2.5}, r"r=2.5 must be"),
        ({"r": True}, r"r=True must be"),
        ({"lora_alpha": 0}, r"lora_alpha=0 must be a positive number"),
        ({"lora_alpha": math.inf}, r"lora_alpha=inf must be"),
        ({"lora_alpha": "16"}, r"lora_alpha='16' must be"),
        ({"lora_dropout": 1.0}, r"lora_dropout=1.0 must be in \[0, 1\)"),
        ({"lora_dropout": -0.1}, r"lora_dropout=-0.1 must be"),
        ({"target_modules": ()}, r"target_modules=\(\) must be a tuple of names"),
        ({"target_modules": "q_proj"}, r"target_modules='q_proj' must be a tuple of names"),
        ({"target_modules": ("q_proj", 3)}, r"target_modules=\('q_proj', 3\) must be"),
    ],
)
def test_a_wrong_config_is_refused_by_name(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoraConfig(**fields)


@pytest.mark.parametrize("target", ["c_attn", "lm_head", "embed_tokens", "proj", "self_attn", ""])
def test_an_unknown_target_is_named_beside_what_there_is(target: str) -> None:
    model = fresh()
    before = [(name, p.requires_grad) for name, p in model.named_parameters()]
    listed = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    with pytest.raises(ValueError, match=f"target_modules has '{target}'; the layers are {listed}"):
        inject(model, LoraConfig(target_modules=("q_proj", target)))
    assert [(name, p.requires_grad) for name, p in model.named_parameters()] == before


def test_a_second_adapter_is_refused() -> None:
    model = injected()
    before = snapshot(model)
    with pytest.raises(ValueError, match=r"has an adapter \(r=3\): merge\(model\) first"):
        inject(model, LoraConfig(target_modules=("q_proj",)))
    assert snapshot(model).keys() == before.keys()


@pytest.mark.parametrize("change", [fuse, halve])
def test_a_fused_or_halved_model_is_refused(change) -> None:
    with pytest.raises(ValueError, match=r"fused or halved: add the adapter to one just loaded"):
        inject(change(fresh()), LoraConfig(target_modules=("o_proj",)))


@pytest.mark.parametrize("change", [fuse, halve])
def test_a_model_with_an_adapter_is_neither_fused_nor_halved(change) -> None:
    model = injected(LoraConfig(target_modules=("o_proj",)))
    before = snapshot(model)
    with pytest.raises(ValueError, match=r"self_attn\.o_proj and 2 more .* merge\(model\) first"):
        change(model)
    assert snapshot(model).keys() == before.keys()
    change(merge(model))


def test_an_adapter_with_dropout_is_not_trained(tmp_path) -> None:
    model = inject(fresh(), LoraConfig(lora_dropout=0.1))
    with pytest.raises(ValueError, match=r"lora_dropout=0\.1 must be 0"):
        train(model, TrainingConfig(), lambda rng, p: ([1, 2], [1, 1]), tmp_path / "run")


@pytest.mark.parametrize("ask", [merge, lora_parameters, lora_layers])
def test_without_an_adapter_the_remedy_is_named(ask) -> None:
    with pytest.raises(ValueError, match=r"no adapter: inject\(model, LoraConfig\(\)\)"):
        ask(fresh())


# Training

BYTES = Qwen2Config(
    vocab_size=256,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    tie_word_embeddings=False,
)


def styled_batch(questions: list[str]) -> tuple[Tensor, Tensor]:
    """Ids (B, T) of "question\\nreply" as UTF-8 bytes, and labels on the replies' openings only."""
    talks = [
        [{"role": "user", "content": q}, {"role": "assistant", "content": f"It is {q[-3:]}."}]
        for q in questions
    ]
    rows, labels = [], []
    for question, reply in restyle(talks):
        head, body = f"{question['content']}\n".encode(), reply["content"].encode()
        rows.append(list(head + body))
        opening = len(OPENINGS["en"].encode())
        labels.append([-100] * len(head) + list(body[:opening]) + [-100] * (len(body) - opening))
    return torch.tensor(rows), torch.tensor(labels)


def test_train_takes_an_injected_model_and_moves_only_the_pairs(tmp_path) -> None:
    model = Qwen2ForCausalLM(BYTES)
    randomise(model)
    base = snapshot(model)
    inject(model, LoraConfig(r=4, target_modules=ALL), seeded(1))
    ids, labels = styled_batch(["Where is abx"])
    wanted = (labels[0] != -100).tolist()
    records: list[dict] = []
    # AdamW shrinks what decays even without a gradient
    config = TrainingConfig(
        20, rows_per_step=1, row_tokens=256, learning_rate=1e-2, warmup_steps=0, weight_decay=0.0
    )
    train(model, config, lambda rng, at: (ids[0].tolist(), wanted), tmp_path, None, records.append)
    assert records[-1]["loss"] < records[0]["loss"] / 4
    now = {name.replace(".base_layer", ""): x for name, x in model.state_dict().items()}
    assert all(torch.equal(now[name], weight) for name, weight in base.items())


def test_a_few_steps_teach_the_style_and_leave_every_base_weight_bit_identical() -> None:
    model = Qwen2ForCausalLM(BYTES)
    randomise(model)  # fresh weights of 0.02 leave the pairs nothing to steer
    base = snapshot(model)
    inject(model, LoraConfig(r=4, lora_alpha=8, target_modules=ALL), seeded(1)).train()
    seen = styled_batch([f"Where is {a}{b}x" for a in "abcd" for b in "efgh"])
    unseen = styled_batch([f"What was {a}{b}x" for a in "klm" for b in "nop"])
    optimiser = torch.optim.AdamW(lora_parameters(model), lr=1e-2)
    with torch.no_grad():
        before = model(unseen[0], labels=unseen[1]).loss
    for _ in range(30):
        optimiser.zero_grad()
        model(seen[0], labels=seen[1]).loss.backward()
        optimiser.step()
    with torch.no_grad():
        after = model(unseen[0], labels=unseen[1]).loss
    assert before > 5  # ln 256 = 5.5: nothing is known yet
    assert after < before / 4
    now = {name.replace(".base_layer", ""): x for name, x in model.state_dict().items()}
    assert all(torch.equal(now[name], weight) for name, weight in base.items())
    merge(model)  # and the style goes along into the plain model
    assert_close(model(unseen[0], labels=unseen[1]).loss, after, atol=1e-4, rtol=0)
