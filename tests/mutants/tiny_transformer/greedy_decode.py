import torch

from tiny_transformer.cache import KVCache
from tiny_transformer.decoding import Hypothesis, check_request


class Writer:
    """Right, source by source; each wrong one changes a method."""

    def __init__(self, model, use_cache, alpha):
        self.model, self.use_cache, self.alpha = model, use_cache, alpha
        self.pad_id, self.bos_id = model.config.pad_id, model.config.bos_id
        self.eos_id = model.config.eos_id

    @torch.inference_mode()
    def all(self, source_ids, maximum):
        modes = [(module, module.training) for module in self.model.modules()]
        self.prepare()
        limits = self.limits(source_ids, maximum)
        rows = source_ids.split(1)
        found = [self.write(row, limit) for row, limit in zip(rows, limits, strict=True)]
        for module, mode in modes:
            module.training = mode
        return found

    def write(self, source, limit):
        memory, mask = self.model.encode(source), self.mask(source)
        size = 2 * limit * limit  # for the one that writes everything again
        cache = KVCache.like(self.model.config, memory, size) if self.use_cache else None
        tokens, log_prob = [], 0.0
        while len(tokens) < limit and not self.is_over(tokens):
            ids = torch.tensor([[self.bos_id, *tokens]])
            given = ids if cache is None else self.new(ids)
            logits = self.model.project(self.model.decode(given, memory, mask, cache))[0, -1]
            log_p = self.log_probs(logits)
            token = int(log_p.argmax())
            tokens.append(token)
            log_prob += self.counted(token, log_p)
        finished = tokens[-1] == self.eos_id
        score = log_prob / ((5 + len(tokens)) / 6) ** self.alpha
        return Hypothesis(tokens[:-1] if finished else tokens, score, log_prob, finished)

    def prepare(self):
        self.model.eval()

    def limits(self, source_ids, maximum):
        return [maximum or n + 50 for n in (source_ids != self.pad_id).sum(1).tolist()]

    def mask(self, source):
        return self.model.source_mask(source)

    def new(self, ids):
        return ids[:, -1:]

    def is_over(self, tokens):
        return tokens[-1:] == [self.eos_id]

    def log_probs(self, logits):
        log_p = logits.log_softmax(-1)
        log_p[[self.pad_id, self.bos_id]] = float("-inf")
        return log_p

    def counted(self, token, log_p):
        return float(log_p[token])


# %% right
@torch.no_grad()
def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    """All rows to the end of the longest one; what ended rows say after that is not kept."""
    limits = torch.tensor(check_request(model, source_ids, max_new_tokens, alpha))
    config, B = model.config, len(source_ids)
    modes = {name: module.training for name, module in model.named_modules()}
    model.eval()
    memory, mask = model.encode(source_ids), model.source_mask(source_ids)
    cache = KVCache.like(config, memory, int(limits.max())) if use_cache else None
    ids = torch.full((B, 1), config.bos_id)
    total = torch.zeros(B, dtype=torch.float64)
    lengths = torch.zeros(B, dtype=torch.long)
    running = torch.ones(B, dtype=torch.bool)
    while running.any():
        given = ids if cache is None else ids[:, -1:]
        log_p = model.project(model.decode(given, memory, mask, cache))[:, -1].log_softmax(-1)
        allowed = torch.ones(config.vocab_size, dtype=torch.bool)
        allowed[config.pad_id] = allowed[config.bos_id] = False
        best = log_p.where(allowed, torch.tensor(float("-inf"))).argmax(-1)
        total += log_p.gather(1, best[:, None])[:, 0] * running
        lengths += running
        ids = torch.cat([ids, best[:, None]], dim=1)
        running = running & (best != config.eos_id) & (lengths < limits)
    for name, module in model.named_modules():
        module.training = modes[name]
    found = []
    for row, length, log_prob in zip(ids.tolist(), lengths.tolist(), total.tolist(), strict=True):
        text = row[1 : length + 1]
        finished = text[-1] == config.eos_id
        score = log_prob / ((5 + length) / 6) ** alpha
        found.append(Hypothesis(text[: length - finished], score, log_prob, finished))
    return found


# %% wrong: the end token costs nothing
class Mistaken(Writer):
    def counted(self, token, log_p):
        return 0.0 if token == self.eos_id else super().counted(token, log_p)


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: dropout stays on in a model that is being trained
class Mistaken(Writer):
    def prepare(self):
        pass


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: the source's padding is looked at
class Mistaken(Writer):
    def mask(self, source):
        return None


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: it goes on behind the end token
class Mistaken(Writer):
    def is_over(self, tokens):
        return False


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: the longest source decides how long all may become
class Mistaken(Writer):
    def limits(self, source_ids, maximum):
        limits = super().limits(source_ids, maximum)
        return [max(limits)] * len(limits)


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: padding and the start token may be written
class Mistaken(Writer):
    def log_probs(self, logits):
        return logits.log_softmax(-1)


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: padding and start token are barred before softmax, and the others gain
class Mistaken(Writer):
    def log_probs(self, logits):
        barred = logits.clone()
        barred[[self.pad_id, self.bos_id]] = float("-inf")
        return barred.log_softmax(-1)


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)


# %% wrong: with a cache all tokens go in again at each step
class Mistaken(Writer):
    def new(self, ids):
        return ids


def greedy_decode(model, source_ids, max_new_tokens=None, use_cache=True, alpha=0.6):
    return Mistaken(model, use_cache, alpha).all(source_ids, max_new_tokens)
