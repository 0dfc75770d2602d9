import torch

from qwen_blog.cache import KVCache
from qwen_blog.generation import pad_left
from qwen_blog.sampling import apply_repetition_penalty, sample


def check_pair(model, tokenizer):
    known = model.config.vocab_size if tokenizer is None else len(tokenizer)
    if known > model.config.vocab_size:
        raise ValueError(f"the tokenizer has {known} ids, the model {model.config.vocab_size}")
    return known


def choose(logits, seen, known, config, generator):
    logits = apply_repetition_penalty(logits, seen, config.repetition_penalty)[:, :known]
    settings = config.temperature, config.top_k, config.top_p, config.min_p
    return sample(logits, *settings, generator)


def occurring(prompts, model):
    seen = torch.zeros(len(prompts), model.config.vocab_size, dtype=torch.bool)
    for row, prompt in zip(seen, prompts, strict=True):
        row[torch.tensor(prompt)] = True
    return seen


# %% right
@torch.inference_mode()
def generate_ids(model, prompts, config, tokenizer=None, generator=None):
    known = check_pair(model, tokenizer)
    context = model.config.max_position_embeddings
    pad_left(prompts, context)  # refuses what cannot be run
    rows, seen = [list(prompt) for prompt in prompts], occurring(prompts, model)
    for _ in range(min(config.max_new_tokens, context - max(map(len, rows)))):
        last = [model(torch.tensor([row])).logits[0, -1] for row in rows]  # each row alone, anew
        tokens = choose(torch.stack(last), seen, known, config, generator)
        yield tokens
        for row, token in zip(rows, tokens.tolist(), strict=True):
            row.append(token)
        seen.scatter_(1, tokens[:, None], True)


# %% wrong: padding counts as places in the prompt, and not after it
@torch.inference_mode()
def generate_ids(model, prompts, config, tokenizer=None, generator=None):
    known, context = check_pair(model, tokenizer), model.config.max_position_embeddings
    ids, mask = pad_left(prompts, context)
    steps, seen = min(config.max_new_tokens, context - ids.shape[1]), occurring(prompts, model)
    cache = KVCache.for_model(model, len(prompts), ids.shape[1] + steps)
    places = None
    for _ in range(steps):
        logits = model(ids, mask, places, cache).logits[:, -1]
        tokens = choose(logits, seen, known, config, generator)
        yield tokens
        ids, places = tokens[:, None], mask.sum(1, keepdim=True)
        mask = torch.cat((mask, torch.ones_like(ids, dtype=torch.bool)), dim=1)
        seen.scatter_(1, ids, True)


# %% wrong: every new token stands at the place of the prompt's last one
@torch.inference_mode()
def generate_ids(model, prompts, config, tokenizer=None, generator=None):
    known, context = check_pair(model, tokenizer), model.config.max_position_embeddings
    ids, mask = pad_left(prompts, context)
    steps, seen = min(config.max_new_tokens, context - ids.shape[1]), occurring(prompts, model)
    cache = KVCache.for_model(model, len(prompts), ids.shape[1] + steps)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    for _ in range(steps):
        logits = model(ids, mask, places, cache).logits[:, -1]
        tokens = choose(logits, seen, known, config, generator)
        yield tokens
        ids, places = tokens[:, None], places[:, -1:]
        mask = torch.cat((mask, torch.ones_like(ids, dtype=torch.bool)), dim=1)
        seen.scatter_(1, ids, True)


# %% wrong: after the prompt the padding is seen
@torch.inference_mode()
def generate_ids(model, prompts, config, tokenizer=None, generator=None):
    known, context = check_pair(model, tokenizer), model.config.max_position_embeddings
    ids, mask = pad_left(prompts, context)
    steps, seen = min(config.max_new_tokens, context - ids.shape[1]), occurring(prompts, model)
    cache = KVCache.for_model(model, len(prompts), ids.shape[1] + steps)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    for _ in range(steps):
        logits = model(ids, mask, places, cache).logits[:, -1]
        tokens = choose(logits, seen, known, config, generator)
        yield tokens
        ids, places, mask = tokens[:, None], places[:, -1:] + 1, None
        seen.scatter_(1, ids, True)


# %% wrong: the penalty knows the prompt and forgets the reply
@torch.inference_mode()
def generate_ids(model, prompts, config, tokenizer=None, generator=None):
    known, context = check_pair(model, tokenizer), model.config.max_position_embeddings
    ids, mask = pad_left(prompts, context)
    steps, seen = min(config.max_new_tokens, context - ids.shape[1]), occurring(prompts, model)
    cache = KVCache.for_model(model, len(prompts), ids.shape[1] + steps)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    for _ in range(steps):
        logits = model(ids, mask, places, cache).logits[:, -1]
        tokens = choose(logits, seen, known, config, generator)
        yield tokens
        ids, places = tokens[:, None], places[:, -1:] + 1
        mask = torch.cat((mask, torch.ones_like(ids, dtype=torch.bool)), dim=1)
