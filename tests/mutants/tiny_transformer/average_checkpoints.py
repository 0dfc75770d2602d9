from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file


def load(folder):
    return load_file(Path(folder) / "model.safetensors")


# %% right
def average_checkpoints(folders):
    files = [Path(folder) / "model.safetensors" for folder in folders]
    if not files:
        raise ValueError("no folder")
    means = {}
    for number, file in enumerate(files, start=1):
        with safe_open(file, "pt") as tensors:
            names = list(tensors.keys())
            if means and set(names) != set(means):
                raise ValueError(f"{file} holds another model")
            for name in names:
                x = tensors.get_tensor(name).to(torch.float32)
                if number > 1 and x.shape != means[name].shape:
                    raise ValueError(f"{name} has another shape in {file}")
                before = means.get(name, torch.zeros_like(x))
                means[name] = before + (x - before) / number
    return means


# %% wrong: a sum in the precision of the files
def average_checkpoints(folders):
    models = [load(folder) for folder in folders]
    if not models or any(model.keys() != models[0].keys() for model in models):
        raise ValueError("nothing, or different models")
    if any(x[name].shape != models[0][name].shape for x in models for name in x):
        raise ValueError("different models")
    names = models[0]
    return {name: (sum(x[name] for x in models) / len(models)).float() for name in names}


# %% wrong: each new file counts as much as all before it
def average_checkpoints(folders):
    if not folders:
        raise ValueError("nothing")
    means = {name: x.double() for name, x in load(folders[0]).items()}
    for folder in folders[1:]:
        tensors = load(folder)
        if tensors.keys() != means.keys():
            raise ValueError("different models")
        for name, x in tensors.items():
            if x.shape != means[name].shape:
                raise ValueError("different models")
            means[name] = (means[name] + x.double()) / 2
    return {name: x.float() for name, x in means.items()}


# %% wrong: what has other names or shapes is taken along as it comes
def average_checkpoints(folders):
    if not folders:
        raise ValueError("nothing")
    totals = {}
    for folder in folders:
        for name, x in load(folder).items():
            fits = name in totals and totals[name].shape == x.shape
            totals[name] = totals[name] + x.double() if fits else x.double()
    return {name: (x / len(folders)).float() for name, x in totals.items()}


# %% wrong: only the last one
def average_checkpoints(folders):
    models = [load(folder) for folder in folders]
    if not models or any(model.keys() != models[0].keys() for model in models):
        raise ValueError("nothing, or different models")
    return {name: x.float() for name, x in models[-1].items()}
