import torch

from tiny_transformer.decoding import Hypothesis, check_request, evaluating


class Searcher:
    """One source after the other, without a cache, to the end; each wrong one changes a method."""

    def __init__(self, model, beam_size, alpha, n_best):
        self.model, self.config = model, model.config
        self.beam_size, self.alpha, self.n_best = beam_size, alpha, n_best

    def search(self, source, limit):
        memory, mask = self.model.encode(source), self.model.source_mask(source)
        paths, ended = [(0.0, ())], []
        for length in range(1, limit + 1):
            ids = torch.tensor([[self.config.bos_id, *tokens] for _, tokens in paths])
            R = len(paths)
            x = self.model.decode(ids, memory.expand(R, -1, -1), mask.expand(R, -1, -1, -1))
            log_p = self.model.project(x[:, -1]).log_softmax(-1)
            options = self.options(paths, log_p.tolist())
            going = [option for option in options if not self.is_end(option, length, limit)]
            for rank, option in enumerate(options):
                if self.is_end(option, length, limit) and self.counts(rank, length, limit):
                    ended.append((self.score(option[0], length), *option))
            paths = self.go_on(options, going)
            ended.sort(key=lambda found: -found[0])
            if not paths or self.stop(paths, ended, limit):
                break
        return [self.hypothesis(*found) for found in ended[: self.n_best]]

    def options(self, paths, log_p):
        words = set(range(self.config.vocab_size)) - {self.config.pad_id, self.config.bos_id}
        options = [
            (log_prob + row[word], (*tokens, word))
            for (log_prob, tokens), row in zip(paths, log_p, strict=True)
            for word in words
        ]
        return sorted(options, key=lambda option: -option[0])

    def is_end(self, option, length, limit):
        return option[1][-1] == self.config.eos_id or length == limit

    def counts(self, rank, length, limit):
        return rank < self.beam_size

    def go_on(self, options, going):
        return going[: self.beam_size]

    def score(self, log_prob, length):
        return log_prob / ((5 + length) / 6) ** self.alpha

    def stop(self, paths, ended, limit):
        if self.beam_size == 1:
            return bool(ended)
        if len(ended) < self.n_best:
            return False
        return self.score(paths[0][0], limit) < ended[self.n_best - 1][0]

    def hypothesis(self, score, log_prob, tokens):
        finished = tokens[-1] == self.config.eos_id
        return Hypothesis(list(tokens[: len(tokens) - finished]), score, log_prob, finished)


class Search:
    """The function that a kind of searcher makes."""

    @staticmethod
    @torch.inference_mode()
    def of(kind, model, source_ids, beam_size, alpha, max_new_tokens, n_best):
        limits = check_request(model, source_ids, max_new_tokens, alpha)
        searcher = kind(model, beam_size, alpha, n_best)
        with evaluating(model):
            return [
                searcher.search(row[None, row != model.config.pad_id], limit)
                for row, limit in zip(source_ids, limits, strict=True)
            ]


# %% right
def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Searcher, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: a path that has ended keeps its place in the beam
class Mistaken(Searcher):
    def go_on(self, options, going):
        return [option for option in options[: self.beam_size] if option in going]


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: the search is over when the first path has ended
class Mistaken(Searcher):
    def stop(self, paths, ended, limit):
        return bool(ended)


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: the search is over when beam_size paths have ended
class Mistaken(Searcher):
    def stop(self, paths, ended, limit):
        return len(ended) >= self.beam_size


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: the length penalty is forgotten
class Mistaken(Searcher):
    def score(self, log_prob, length):
        return log_prob


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: the length penalty is multiplied
class Mistaken(Searcher):
    def score(self, log_prob, length):
        return log_prob * ((5 + length) / 6) ** self.alpha


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: any path that ends counts, however poor
class Mistaken(Searcher):
    def counts(self, rank, length, limit):
        return True


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: what is cut at the maximum length is thrown away
class Mistaken(Searcher):
    def counts(self, rank, length, limit):
        return rank < self.beam_size and length < limit


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: each path goes on with its best token only
class Mistaken(Searcher):
    def go_on(self, options, going):
        best = {}
        for option in going:
            best.setdefault(option[1][:-1], option)
        return list(best.values())[: self.beam_size]


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: paths are compared by their newest token alone
class Mistaken(Searcher):
    def options(self, paths, log_p):
        new = super().options([(0.0, tokens) for _, tokens in paths], log_p)
        before = {tokens: log_prob for log_prob, tokens in paths}
        return [(log_prob + before[tokens[:-1]], tokens) for log_prob, tokens in new]


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)


# %% wrong: padding and the start token may be written
class Mistaken(Searcher):
    def options(self, paths, log_p):
        options = [
            (log_prob + p, (*tokens, word))
            for (log_prob, tokens), row in zip(paths, log_p, strict=True)
            for word, p in enumerate(row)
        ]
        return sorted(options, key=lambda option: -option[0])


def beam_search(
    model,
    source_ids,
    beam_size=4,
    alpha=0.6,
    max_new_tokens=None,
    use_cache=True,
    n_best=1,
    trace=None,
):
    return Search.of(Mistaken, model, source_ids, beam_size, alpha, max_new_tokens, n_best)
