"""What in the passages supports a model's answer: the sentences that its citations stand for.

A model writes "[2]" for a passage of half a page, and a reader wants the line. So each sentence of
the answer is looked up in the passages that it cites: the sentence there which shares the rarest
words with it (`extractive.Scorer`), and with the question, whose words count half. Where none
stands out, the whole passage is cited. Chapter 33 explains it.

Leaves out: whether the passage supports the answer at all; a model could judge that, or a reader.
"""

from collections.abc import Sequence

from .citations import CITATION, Citation, parse_citations
from .documents import Hit
from .extractive import Scorer, about
from .sentences import sentence_spans, sentences_of
from .terms import tokenize

MIN_SHARE = 0.5


def claims(text: str, n: int) -> list[tuple[str, list[int]]]:
    """The sentences of an answer without their citations, and the passages that each cites.

    n: how many passages there are · a citation behind a full stop is that of the sentence before it
    """
    blank = CITATION.sub(lambda match: " " * len(match[0]), text)
    spans = sentence_spans(blank)
    reach = [0, *(start for start, _ in spans[1:]), len(text)]  # up to the next sentence
    return [
        (blank[start:end], parse_citations(text[reach[i] : reach[i + 1]], n))
        for i, (start, end) in enumerate(spans)
    ]


def cite(text: str, question: str, hits: Sequence[Hit]) -> list[Citation]:
    """What the numbers in an answer stand for, in the order of the text; each place once.

    Passage i is `hits[i - 1]`; numbers that no passage has are passed over.
    """
    found = [
        _support(claim, question, number, hits[number - 1])
        for claim, numbers in claims(text, len(hits))
        for number in numbers
    ]
    return list(dict.fromkeys(found))


def uncited(text: str, n: int) -> list[str]:
    """The sentences of an answer that cite none of n passages.

    One that ends with a colon only announces others.
    """
    return [
        " ".join(claim.split())
        for claim, numbers in claims(text, n)
        if not numbers and tokenize(claim) and not claim.rstrip("*_ ").endswith((":", "："))
    ]


def _support(claim: str, question: str, number: int, hit: Hit) -> Citation:
    """The sentence of a passage that says most of a claim; the whole passage if none does."""
    sentences = sentences_of([hit], tokenize)
    scorer = Scorer(sentences)
    said = about(claim, tokenize)
    asked = about(question, tokenize) - said
    held = {term for sentence in sentences for term in sentence.terms}
    scores = [scorer.score(s, said) + scorer.score(s, asked) / 2 for s in sentences]
    if any(scores):
        best = sentences[scores.index(max(scores))]
        own, all_of_it = (
            scorer.mass(said & terms) + scorer.mass(asked & terms) / 2
            for terms in (best.terms.keys(), held)
        )
        if own >= MIN_SHARE * all_of_it:
            return Citation.of(number, hit, best.start, best.end)
    return Citation.of(number, hit)
