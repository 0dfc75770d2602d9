"""When nothing relevant was found, and the threshold that says so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.bm25 import BM25Index
from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.relevance import Threshold, WordRelevance, calibrate

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
TEXTS = ["Yan has a mass of nine.", "Lumo has two moons.", "砚星的质量是九。"]


def chunks(texts=TEXTS, **metadata):
    documents = [Document.of(text, {"source": "a"}) for text in texts]
    return [Chunk.of(d, 0, len(d.text), {"source": "a", **metadata}) for d in documents]


HITS = [Hit(chunk, 1.0) for chunk in chunks()]


def indexed(texts=TEXTS):
    index = BM25Index()
    index.add(texts)
    return index


def test_it_is_what_the_best_hit_has_times_its_share_of_what_is_asked():
    index, relevance = indexed(), WordRelevance(indexed(), chunks())
    question = "How many moons has Yan, and how many rings?"
    matched = [index.matched(question, row) for row in range(3)]
    each = [found * found / asked for found, asked in matched]
    assert relevance(question, HITS) == pytest.approx(max(each))
    assert relevance(question, HITS[:1]) == pytest.approx(each[0])
    assert relevance(question, HITS[2:]) == each[2] == 0
    assert relevance(question, []) == relevance("", HITS) == 0


def test_a_common_word_is_no_answer_to_a_short_question_nor_many_to_a_long_one():
    """What the share alone, and the sum alone, let through."""
    filler = [f"The station of the moon m{n} is known for its port." for n in range(100)]
    texts = [*filler, "Moonglass is quarried on Lumo."]
    relevance = WordRelevance(indexed(texts), found := chunks(texts))
    hits = [Hit(chunk, 1.0) for chunk in found]
    short = "A cheap port?"
    long = "Of coffee known for its smell, is the price for the farmers of the moon known?"
    assert relevance(short, hits) < 0.6 > relevance(long, hits)
    assert relevance("Where is moonglass quarried?", hits) > 1


def test_a_hit_from_elsewhere_counts_nothing():
    stranger = Hit(chunks(["Yan has moons."])[0], 1.0)
    assert WordRelevance(indexed(), chunks())("Yan", [stranger]) == 0


# --- The threshold. ---


def test_a_threshold_between_two_kinds_that_do_not_overlap():
    assert calibrate([0.6, 0.9], [0.1, 0.4]) == Threshold(0.5, 1.0, 1.0)


def test_both_kinds_weigh_the_same_however_many_there_are():
    # By plain accuracy the 100 would win, and nothing would ever be refused.
    found = calibrate([0.5] * 60 + [0.3] * 40, [0.4])
    assert (found.answered, found.refused) == (0.6, 1.0)


def test_among_equals_the_lowest_threshold_wins():
    assert calibrate([0.2, 0.8], [0.1, 0.3]).value == pytest.approx(0.15)


def test_where_nothing_helps_everything_is_answered():
    assert calibrate([0.5], [0.5]) == Threshold(0.0, 1.0, 0.0)
    assert calibrate([0.1], [0.9]) == Threshold(0.0, 1.0, 0.0)


SCORES = st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=1, max_size=12)


@PROPERTY
@given(SCORES, SCORES)
def test_no_threshold_does_better(answerable, unanswerable):
    found = calibrate(answerable, unanswerable)

    def shares(value):
        kept = sum(score >= value for score in answerable) / len(answerable)
        return kept, sum(score < value for score in unanswerable) / len(unanswerable)

    assert (found.answered, found.refused) == shares(found.value)
    best = max(sum(shares(i / 16)) for i in range(18))
    assert found.answered + found.refused == pytest.approx(max(best, 1.0))


@pytest.mark.parametrize(("answerable", "unanswerable"), [([], [0.1]), ([0.1], [])])
def test_a_missing_kind_is_refused(answerable, unanswerable):
    with pytest.raises(ValueError, match="a threshold needs some of each"):
        calibrate(answerable, unanswerable)
