"""Optimizers: what turns gradients into steps. AdamW, or Muon for the matrices of the layers.

AdamW divides each number's gradient by the size that it usually has. Muon looks at a matrix as a
whole. A mean of the last gradients, as a matrix, stretches a few directions a lot and the others
hardly; Muon takes the matrix that turns in the same way and stretches all of them alike (in its
singular value decomposition U S V^T, all of S becomes 1), and goes there. So what the data ask
for rarely is learned as fast as what they ask for all the time. Embeddings are rows that are looked
up one by one, and biases and norms are no matrices: AdamW has them.

Sources: Loshchilov and Hutter 2019 (arXiv:1711.05101); Jordan et al. 2024, "Muon: An optimizer for
hidden layers in neural networks"; steps of AdamW's length, so that one learning rate fits both: Liu
et al. 2025, "Muon is Scalable for LLM Training" (arXiv:2502.16982), section 2.2.
"""

from typing import Any, Protocol

import torch
from torch import nn

from .training_config import TrainingConfig

Groups = list[dict[str, Any]]


class Optimizer(Protocol):
    """What training needs of one, and a checkpoint."""

    @property
    def param_groups(self) -> Groups: ...

    def step(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Optimizer:
    """As `config.optimizer` says, over the parameters that ask for a gradient."""
    if config.optimizer == "muon":
        return MuonAndAdamW(model, config)
    return _adamw(parameter_groups(model, config.weight_decay), config)


def parameter_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Matrices, which decay, and the rest: biases and norms, which do not. Frozen ones: nowhere."""
    parameters = [x for x in model.parameters() if x.requires_grad]
    return [
        {"params": [x for x in parameters if x.dim() >= 2], "weight_decay": weight_decay},
        {"params": [x for x in parameters if x.dim() < 2], "weight_decay": 0.0},
    ]


class MuonAndAdamW:
    """Muon for the weights of linear layers, AdamW for all else; one learning rate.

    An output layer tied to the embedding is the embedding; an output layer of its own is left to
    AdamW as well: its rows are tokens.
    """

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        matrices = [
            layer.weight
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Linear) and name != "lm_head" and layer.weight.requires_grad
        ]
        there = {id(x) for x in matrices}
        others = parameter_groups(model, config.weight_decay)
        for group in others:
            group["params"] = [x for x in group["params"] if id(x) not in there]
        self.muon = torch.optim.Muon(
            matrices, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = _adamw(others, config)

    @property
    def param_groups(self) -> Groups:
        """Of both; their "lr" is for the caller to set."""
        return self.muon.param_groups + self.adamw.param_groups

    def step(self) -> None:
        self.muon.step()
        self.adamw.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])


def _adamw(groups: Groups, config: TrainingConfig) -> torch.optim.AdamW:
    fused = True  # one pass over the parameters
    return torch.optim.AdamW(groups, betas=config.betas, eps=config.eps, fused=fused)
