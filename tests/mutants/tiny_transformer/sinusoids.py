import math

import torch


# %% right
def sinusoids(length, d_model):
    if length < 0 or d_model < 1:
        raise ValueError("length >= 0 and d_model >= 1")
    table = torch.zeros(length, d_model, dtype=torch.float64)
    positions = torch.arange(length, dtype=torch.float64)
    for column in range(d_model):
        speed = math.exp(-math.log(10000.0) * (column - column % 2) / d_model)
        angle = positions * speed
        table[:, column] = torch.cos(angle) if column % 2 else torch.sin(angle)
    return table.to(torch.float32)


# %% wrong: a speed for each column, so that sine and cosine are no pair
def sinusoids(length, d_model):
    position = torch.arange(length, dtype=torch.float64)[:, None]
    column = torch.arange(d_model, dtype=torch.float64)
    angle = position / 10000 ** (column / d_model)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


# %% wrong: all sines first, all cosines behind them
def sinusoids(length, d_model):
    position = torch.arange(length, dtype=torch.float64)[:, None]
    two_i = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = position / 10000 ** (two_i / d_model)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)[:, :d_model].float()


# %% wrong: the exponent is i / d_model, half of what it should be
def sinusoids(length, d_model):
    position = torch.arange(length, dtype=torch.float64)[:, None]
    i = torch.arange((d_model + 1) // 2, dtype=torch.float64)
    angle = position / 10000 ** (i / d_model)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model].float()


# %% wrong: positions begin at 1
def sinusoids(length, d_model):
    position = torch.arange(1, length + 1, dtype=torch.float64)[:, None]
    two_i = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = position / 10000 ** (two_i / d_model)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model].float()


# %% wrong: angles in float32, off by a thousandth at late positions
def sinusoids(length, d_model):
    position = torch.arange(length)[:, None]
    two_i = torch.arange(0, d_model, 2)
    angle = position * torch.exp(two_i * (-math.log(10000.0) / d_model))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model]


# %% wrong: an odd width does not fit
def sinusoids(length, d_model):
    position = torch.arange(length, dtype=torch.float64)[:, None]
    two_i = torch.arange(0, d_model, 2, dtype=torch.float64)
    table = torch.zeros(length, d_model)
    angle = position / 10000 ** (two_i / d_model)
    table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()
    return table
