from itertools import pairwise

import torch
from torch.nn.utils.rnn import pad_sequence

from tiny_transformer.batching import Batch


def padded(rows, pad_id):
    rows = [torch.tensor(row, dtype=torch.long) for row in rows]
    return pad_sequence(rows, batch_first=True, padding_value=pad_id)


# %% right
def collate(examples, pad_id):
    if len(examples) == 0:
        raise ValueError("give at least one example")
    B = len(examples)
    S = max(len(example.source) for example in examples)
    T = max(len(example.target) for example in examples) - 1
    source, read, said = (torch.full((B, width), pad_id) for width in (S, T, T))
    for row, (ids, target) in enumerate(examples):
        source[row, : len(ids)] = torch.tensor(ids)
        for place, (token, following) in enumerate(pairwise(target)):
            read[row, place], said[row, place] = token, following
    return Batch(source, read, said)


# %% wrong: it should say what it reads, not the next token
def collate(examples, pad_id):
    rows = [example.target[:-1] for example in examples]
    source = padded([example.source for example in examples], pad_id)
    return Batch(source, padded(rows, pad_id), padded(rows, pad_id))


# %% wrong: cut after padding, so that short rows still read the end token
def collate(examples, pad_id):
    target = padded([example.target for example in examples], pad_id)
    source = padded([example.source for example in examples], pad_id)
    return Batch(source, target[:, :-1], target[:, 1:])


# %% wrong: it reads what it should say, and says what it should read
def collate(examples, pad_id):
    return Batch(
        padded([example.source for example in examples], pad_id),
        padded([example.target[1:] for example in examples], pad_id),
        padded([example.target[:-1] for example in examples], pad_id),
    )


# %% wrong: padding is always 0
def collate(examples, pad_id):
    return Batch(
        padded([example.source for example in examples], 0),
        padded([example.target[:-1] for example in examples], 0),
        padded([example.target[1:] for example in examples], 0),
    )


# %% wrong: the examples themselves are made longer
def collate(examples, pad_id):
    S = max(len(example.source) for example in examples)
    for example in examples:
        while len(example.source) < S:
            example.source.append(pad_id)
    return Batch(
        torch.tensor([example.source for example in examples]),
        padded([example.target[:-1] for example in examples], pad_id),
        padded([example.target[1:] for example in examples], pad_id),
    )
