import torch
from torch import nn


# %% right
class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        wide, narrow = config.intermediate_size, config.hidden_size
        for name in ("gate_proj", "up_proj"):
            self.add_module(name, nn.Linear(narrow, wide, bias=False))
        self.down_proj = nn.Linear(wide, narrow, bias=False)

    def forward(self, x):
        gate, up = x @ self.gate_proj.weight.T, x @ self.up_proj.weight.T
        return gate.div(1 + torch.exp(-gate)).mul(up) @ self.down_proj.weight.T


# %% wrong: the gate and the other branch are exchanged
class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(self.gate_proj(x) * nn.functional.silu(self.up_proj(x)))


# %% wrong: the gate is a plain sigmoid, as in GLU
class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(self.gate_proj(x).sigmoid() * self.up_proj(x))


# %% wrong: GELU in the place of SiLU
class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.gelu(self.gate_proj(x)) * self.up_proj(x))


# %% wrong: the layers have biases, which a checkpoint lacks
class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
