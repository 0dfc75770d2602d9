"""Which optimizer has which parameter, what Muon's step looks like, and that it goes on exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.optimizers import MuonAndAdamW, make_optimizer, parameter_groups
from qwen_blog.training import train

from .training_runs import records, repetitions, same_parameters, settings, tiny_model


def names_of(model: nn.Module, groups: list[dict[str, Any]]) -> set[str]:
    names = {id(x): name for name, x in model.named_parameters()}
    return {names[id(x)] for group in groups for x in group["params"]}


def with_gradients(model: Qwen2ForCausalLM, seed: int = 1) -> Qwen2ForCausalLM:
    """Gradients as they are in training: few directions, very different sizes."""
    generator = torch.Generator().manual_seed(seed)
    for x in model.parameters():
        x.grad = torch.randn(x.shape, generator=generator)
        if x.dim() == 2:
            U, S, Vh = torch.linalg.svd(x.grad, full_matrices=False)
            x.grad = U @ torch.diag(S * torch.logspace(0, -1.5, len(S))) @ Vh
    return model


def test_biases_and_norms_do_not_decay_and_each_parameter_is_in_one_group() -> None:
    model = tiny_model()
    matrices, rest = parameter_groups(model, 0.1)
    assert (matrices["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    names = {id(x): name for name, x in model.named_parameters()}
    assert all("norm" in names[id(x)] or "bias" in names[id(x)] for x in rest["params"])
    assert sorted(map(id, matrices["params"] + rest["params"])) == sorted(names)


@pytest.mark.parametrize("tied", [True, False])
def test_muon_has_the_matrices_of_the_layers_and_nothing_else(tied: bool) -> None:
    model = tiny_model(tie_word_embeddings=tied)
    optimizer = MuonAndAdamW(model, settings(optimizer="muon"))
    has = names_of(model, optimizer.muon.param_groups)
    others = names_of(model, optimizer.adamw.param_groups)
    assert has.isdisjoint(others)
    assert has | others == {name for name, _ in model.named_parameters()}
    assert has == {
        name for name, x in model.named_parameters() if ".layers." in name and x.dim() == 2
    }


def test_a_frozen_matrix_stays() -> None:
    model = tiny_model()
    model.model.layers[0].requires_grad_(False)
    optimizer = MuonAndAdamW(model, settings(optimizer="muon"))
    mine = names_of(model, optimizer.param_groups)
    assert mine == {name for name, x in model.named_parameters() if x.requires_grad}


def test_a_step_of_muon_goes_equally_far_in_all_directions() -> None:
    """Singular values of a step: alike, though the gradient's differ thirtyfold."""
    model = with_gradients(tiny_model(hidden_size=32, intermediate_size=64))
    optimizer = make_optimizer(model, settings(optimizer="muon", weight_decay=0.0))
    for group in optimizer.param_groups:
        group["lr"] = 1.0
    weight = model.model.layers[1].mlp.up_proj.weight  # (64, 32)
    before, gradient = weight.detach().clone(), weight.grad
    optimizer.step()
    U, S, Vh = torch.linalg.svd(gradient, full_matrices=False)
    along = torch.diagonal(U.T @ (before - weight.detach()) @ Vh.T)  # as the gradient turns
    assert S.max() > 25 * S.min()
    length = 0.2 * 64**0.5  # Liu et al., eq. 4: the root mean square of AdamW's steps
    assert along.min() > 0.6 * length  # five rounds of Newton and Schulz, in bfloat16, come
    assert along.max() < 1.3 * length  # about as close to 1 as this


def test_updates_are_torchs_muon_and_adamw(tmp_path: Path) -> None:
    """Three steps of a run against the two optimizers, fed by hand with the run's gradients."""
    ours, twin = tiny_model(), tiny_model()
    matrices = [x for name, x in twin.named_parameters() if ".layers." in name and x.dim() == 2]
    rest = [x for x in twin.parameters() if x.dim() == 1]
    table = twin.model.embed_tokens.weight
    groups = [{"params": [table], "weight_decay": 0.5}, {"params": rest, "weight_decay": 0.0}]
    muon = torch.optim.Muon(matrices, weight_decay=0.5, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, fused=True)
    optimizer = make_optimizer(ours, settings(optimizer="muon", weight_decay=0.5))
    for step in range(1, 4):
        for group in [*muon.param_groups, *adamw.param_groups, *optimizer.param_groups]:
            group["lr"] = 0.01 * step
        with_gradients(ours, seed=step), with_gradients(twin, seed=step)
        muon.step(), adamw.step(), optimizer.step()
    assert same_parameters(ours, twin)
    assert not same_parameters(ours, tiny_model())


def test_a_stopped_run_with_muon_ends_like_one_that_was_not(tmp_path: Path) -> None:
    def ctrl_c(record: dict[str, Any]) -> None:
        if record["step"] == 7:
            raise KeyboardInterrupt

    config, whole = settings(optimizer="muon"), tiny_model()
    train(whole, config, repetitions, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), config, repetitions, tmp_path / "stopped", on_step=ctrl_c)
    model = tiny_model(seed=99)
    train(model, config, repetitions, tmp_path / "stopped")
    assert same_parameters(model, whole)
    assert records(tmp_path / "stopped") == records(tmp_path / "whole")
    rates = {record["lr"] for record in records(tmp_path / "whole")}
    assert len(rates) > 5  # the schedule reaches both
