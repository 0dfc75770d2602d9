# %% right
def citation_precision_recall(cited, evidence):
    if not len(evidence):
        raise ValueError("no evidence")
    passages = frozenset(cited)
    everything = frozenset().union(*evidence)
    covered = [fact for fact in evidence if passages.intersection(fact)]
    precision = len(passages & everything) / len(passages) if passages else 0.0
    return precision, len(covered) / len(evidence)


# %% wrong: recall first
def citation_precision_recall(cited, evidence):
    passages = set(cited)
    if not passages:
        return 0.0, 0.0
    everything = set().union(*evidence)
    covered = sum(bool(passages & set(fact)) for fact in evidence)
    return covered / len(evidence), len(passages & everything) / len(passages)


# %% wrong: a passage that is cited twice counts twice
def citation_precision_recall(cited, evidence):
    if not cited:
        return 0.0, 0.0
    everything = set().union(*evidence)
    covered = sum(bool(set(cited) & set(fact)) for fact in evidence)
    return sum(passage in everything for passage in cited) / len(cited), covered / len(evidence)


# %% wrong: every passage of a fact has to be cited, though any one will do
def citation_precision_recall(cited, evidence):
    passages = set(cited)
    if not passages:
        return 0.0, 0.0
    everything = set().union(*evidence)
    covered = sum(set(fact) <= passages for fact in evidence)
    return len(passages & everything) / len(passages), covered / len(evidence)


# %% wrong: recall is the share of the passages, not of the facts
def citation_precision_recall(cited, evidence):
    passages = set(cited)
    if not passages:
        return 0.0, 0.0
    everything = set().union(*evidence)
    held = len(passages & everything)
    return held / len(passages), held / len(everything)
