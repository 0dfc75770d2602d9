"""Retrievers: by words, by meaning, fused, and without repeats."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_rag.fakes import FixedRetriever, chunk
from tiny_rag.bm25 import BM25Index
from tiny_rag.documents import Hit
from tiny_rag.embeddings import HashEmbedder
from tiny_rag.retrieval import (
    MMR,
    BM25Retriever,
    DenseRetriever,
    HybridRetriever,
    maximal_marginal_relevance,
    reciprocal_rank_fusion,
)
from tiny_rag.store import VectorStore

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)

TEXTS = [
    "露摩有四颗卫星，潮水毫无规律。",
    "伊绍罗是一颗气态巨行星，没有地面。",
    "The ferry between the moons leaves twice a day.",
    "露摩的海洋盖住了地表的大部分。",
    "Salt plums are a dish of the harbour quarter.",
    "The ferry carries salt, plums and letters.",
]
CHUNKS = [
    chunk(text, f"{row}.md", lang="zh" if text[0] > "z" else "en") for row, text in enumerate(TEXTS)
]


def names(hits):
    return [CHUNKS.index(hit.chunk) for hit in hits]


def bm25(where=None, **options):
    index = BM25Index(**options)
    index.add(TEXTS)
    return BM25Retriever(index, CHUNKS, where)


def dense(where=None):
    embedder = HashEmbedder(512)
    store = VectorStore(512, embedder.model_id)
    store.upsert(CHUNKS, embedder.encode_documents(TEXTS))
    return DenseRetriever(store, embedder, where)


# --- By words. ---


def test_bm25_hits_are_the_rows_with_their_scores_best_first():
    retriever = bm25()
    scores = retriever.index.scores("salt ferry")
    hits = retriever.retrieve("salt ferry", 6)
    assert names(hits) == [5, *sorted([2, 4], key=lambda row: -scores[row])]
    assert [hit.score for hit in hits] == pytest.approx([scores[row] for row in names(hits)])


def test_chunks_without_a_word_of_the_query_are_no_hits():
    assert bm25().retrieve("zeppelin", 6) == []
    assert bm25().retrieve("", 6) == []
    assert bm25().retrieve("，。？", 6) == []
    # in more than half of the texts: Robertson's idf of "the" is 0, and so is every score
    index = BM25Index("robertson")
    index.add(["the cat", "the dog", "the"])
    few = [chunk(text) for text in ("the cat", "the dog", "the")]
    assert BM25Retriever(index, few).retrieve("the", 3) == []


def test_chinese_is_found_by_bm25():
    assert names(bm25().retrieve("露摩有几颗卫星？", 1)) == [0]


def test_words_that_ask_are_not_looked_for():
    texts = [
        "Which is which, and who is who?",
        "The ferry to Issin.",
        "什么什么什么。",
        "渡口的船。",
    ]
    index = BM25Index()
    index.add(texts)
    chunks = [chunk(text) for text in texts]
    retriever = BM25Retriever(index, chunks)
    for question, row in [("Which ferry, which?", 1), ("什么时候有船？什么船？", 3)]:
        assert retriever.retrieve(question, 1)[0].chunk == chunks[row]
    assert retriever.retrieve("which", 1)[0].chunk == chunks[0]  # nothing else is asked


def test_a_filter_narrows_before_the_best_are_counted():
    both = bm25().retrieve("salt plums ferry", 6)
    assert len(both) == 3
    only = bm25(where={"source": "2.md"}).retrieve("salt plums ferry", 1)
    assert names(only) == [2]
    assert bm25(where={"lang": "zh"}).retrieve("salt plums ferry", 3) == []
    assert bm25(where={"no such key": None}).retrieve("salt plums ferry", 3) == []
    found = bm25(where=lambda c: "dish" in c.text).retrieve("salt plums ferry", 3)
    assert names(found) == [4]
    assert found[0].score == next(hit.score for hit in both if hit.chunk == CHUNKS[4])


def test_both_retrievers_read_a_filter_alike():
    where = {"lang": "en"}
    assert set(names(dense(where).retrieve("露摩 ferry", 6))) == {2, 4, 5}
    assert set(names(bm25(where).retrieve("露摩 ferry", 6))) == {2, 5}


def test_an_index_of_other_chunks_is_refused():
    index = BM25Index()
    index.add(TEXTS[:4])
    with pytest.raises(ValueError, match="the index has 4 rows for 6 chunks"):
        BM25Retriever(index, CHUNKS)


# --- By meaning. ---


def test_dense_hits_are_the_nearest_with_their_cosines():
    retriever = dense()
    query = "ferry of the moons"
    cosines = retriever.embedder.encode_documents(TEXTS) @ retriever.embedder.encode_query(query)
    hits = retriever.retrieve(query, 3)
    assert names(hits) == np.argsort(-cosines)[:3].tolist()
    assert [hit.score for hit in hits] == pytest.approx(sorted(cosines, reverse=True)[:3], abs=1e-6)


def test_nothing_is_near_to_nothing():
    assert dense().retrieve("", 3) == []
    assert dense().retrieve("？！", 3) == []


def test_vectors_of_another_model_are_refused():
    right = HashEmbedder(512)
    for store in (VectorStore(512, "other"), VectorStore(256, right.model_id)):
        with pytest.raises(ValueError, match=r"the store holds vectors of model .* index again"):
            DenseRetriever(store, right)
        with pytest.raises(ValueError, match="the store holds vectors of model"):
            MMR(bm25(), right, store=store)


@pytest.mark.parametrize(
    "make",
    [bm25, dense, lambda: HybridRetriever([bm25()]), lambda: MMR(bm25(), HashEmbedder(64))],
    ids=["words", "vectors", "hybrid", "mmr"],
)
def test_at_least_one_hit_must_be_asked_for(make):
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        make().retrieve("salt", 0)


# --- Fusion. ---


def test_an_item_gets_one_over_k_plus_rank_of_every_ranking():
    fused = reciprocal_rank_fusion([["a", "b"], ["b", "c"]])
    assert [item for item, _ in fused] == ["b", "a", "c"]
    assert dict(fused) == pytest.approx({"b": 1 / 61 + 1 / 62, "a": 1 / 61, "c": 1 / 62})


def test_a_large_k_prefers_agreement_and_a_small_one_first_places():
    rankings = [["alone", "x", "agreed"], ["y", "z", "agreed"]]
    assert reciprocal_rank_fusion(rankings, k=60)[0][0] == "agreed"
    assert reciprocal_rank_fusion(rankings, k=0)[0][0] == "alone"


RANKINGS = st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=4)


@PROPERTY
@given(RANKINGS, st.integers(0, 100))
def test_fusion_is_the_papers_sum(rankings, k):
    expected = {}
    for ranking in rankings:
        for rank, item in enumerate(dict.fromkeys(ranking), start=1):
            expected[item] = expected.get(item, 0) + Fraction(1, k + rank)
    fused = reciprocal_rank_fusion(rankings, k)
    assert dict(fused) == pytest.approx({item: float(share) for item, share in expected.items()})
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert len(fused) == len(expected)


@PROPERTY
@given(RANKINGS, st.integers(0, 100), st.randoms())
def test_the_order_of_the_rankings_changes_no_score(rankings, k, random):
    mixed = list(rankings)
    random.shuffle(mixed)
    fused = [dict(reciprocal_rank_fusion(each, k)) for each in (rankings, mixed)]
    assert fused[0] == fused[1]  # to the last bit


def test_what_a_ranking_says_twice_counts_once():
    assert reciprocal_rank_fusion([["a", "a", "b"]]) == reciprocal_rank_fusion([["a", "b"]])


def test_of_equals_the_one_of_the_earlier_ranking_comes_first():
    assert [item for item, _ in reciprocal_rank_fusion([["z"], ["a"]])] == ["z", "a"]


def test_weights_multiply_and_a_weight_of_zero_silences():
    rankings = [["a", "b"], ["b", "c"]]
    fused = dict(reciprocal_rank_fusion(rankings, weights=[3, 1]))
    assert fused == pytest.approx({"a": 3 / 61, "b": 3 / 62 + 1 / 61, "c": 1 / 62})
    assert reciprocal_rank_fusion(rankings, weights=[1, 0]) == reciprocal_rank_fusion(rankings[:1])


def test_fusion_refuses_what_makes_no_sense():
    for k in (-1, float("nan")):
        with pytest.raises(ValueError, match=f"k={k} must be at least 0"):
            reciprocal_rank_fusion([["a"]], k)
    with pytest.raises(ValueError, match="1 weights for 2 rankings"):
        reciprocal_rank_fusion([["a"], ["b"]], weights=[1])
    with pytest.raises(ValueError, match=r"weights=\[1, -1\]"):
        reciprocal_rank_fusion([["a"], ["b"]], weights=[1, -1])
    with pytest.raises(ValueError, match="at least one must be above 0"):
        reciprocal_rank_fusion([["a"], ["b"]], weights=[0, 0])


def hybrid_of(*rankings, **options):
    fakes = [FixedRetriever([CHUNKS[row] for row in ranking]) for ranking in rankings]
    return HybridRetriever(fakes, **options), fakes


def test_a_hybrid_fuses_the_places_of_chunks():
    hybrid, _ = hybrid_of([0, 1, 2], [3, 1])
    hits = hybrid.retrieve("any", 3)
    assert names(hits) == [1, 0, 3]
    assert [hit.score for hit in hits] == pytest.approx([2 / 62, 1 / 61, 1 / 61])
    weighted, _ = hybrid_of([0, 1, 2], [3, 1], weights=[1, 5], k_rrf=1)
    assert names(weighted.retrieve("any", 1)) == [3]


def test_agreement_far_down_the_lists_is_seen():
    # 5 is at the bottom of both lists; a hybrid that asks each for k hits only never meets it.
    hybrid, fakes = hybrid_of([0, 1, 5], [2, 3, 5])
    assert names(hybrid.retrieve("any", 1)) == [5]
    assert [fake.asked for fake in fakes] == [[("any", 100)], [("any", 100)]]
    hybrid.retrieve("any", 250)
    assert fakes[0].asked[-1] == ("any", 250)


def test_asking_for_more_only_adds_at_the_end():
    hybrid = HybridRetriever([bm25(), dense()])
    many = hybrid.retrieve("露摩 the ferry", 6)
    assert len(many) == 6
    for k in range(1, 6):
        assert hybrid.retrieve("露摩 the ferry", k) == many[:k]


def test_copies_of_a_chunk_are_one_chunk():
    same = [FixedRetriever([CHUNKS[0]]), FixedRetriever([chunk(TEXTS[0], "0.md")])]
    assert len(HybridRetriever(same).retrieve("any", 5)) == 1


def test_a_hybrid_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="retrievers is empty"):
        HybridRetriever([])
    with pytest.raises(ValueError, match="1 weights for 2 rankings"):
        HybridRetriever([bm25(), bm25()], weights=[1])
    with pytest.raises(ValueError, match="k=-1"):
        HybridRetriever([bm25()], k_rrf=-1)
    with pytest.raises(ValueError, match="depth=0"):
        HybridRetriever([bm25()], depth=0)


# --- Without repeats. ---


def test_a_copy_of_what_was_picked_waits_for_what_is_new():
    relevance = np.array([0.90, 0.89, 0.50])
    similarity = np.array([[1.0, 0.95, 0.1], [0.95, 1.0, 0.1], [0.1, 0.1, 1.0]])
    picked = maximal_marginal_relevance(relevance, similarity, 3, lambda_=0.5)
    assert [row for row, _ in picked] == [0, 2, 1]
    assert [value for _, value in picked] == pytest.approx([0.45, 0.25 - 0.05, 0.445 - 0.475])


@st.composite
def candidates(draw):
    n = draw(st.integers(0, 7))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    vectors = rng.normal(size=(n + 1, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:n] @ vectors[n], vectors[:n] @ vectors[:n].T


@PROPERTY
@given(candidates(), st.sampled_from([0, 0.3, 0.7, 1]), st.integers(1, 9))
def test_each_pick_is_the_best_by_the_papers_formula(found, lambda_, k):
    relevance, similarity = found
    picked = maximal_marginal_relevance(relevance, similarity, k, lambda_)
    rows = [row for row, _ in picked]
    assert len(set(rows)) == len(rows) == min(k, len(relevance))

    def value(row, before):
        repeated = max((max(0.0, similarity[row, other]) for other in before), default=0.0)
        return lambda_ * relevance[row] - (1 - lambda_) * repeated

    for place, (row, said) in enumerate(picked):
        before = rows[:place]
        free = set(range(len(relevance))) - set(before)
        assert said == pytest.approx(value(row, before))
        assert said >= max(value(other, before) for other in free) - 1e-12
    values = [said for _, said in picked]
    assert all(a >= b - 1e-12 for a, b in pairwise(values))
    fewer = max(1, k // 2)
    assert picked[:fewer] == maximal_marginal_relevance(relevance, similarity, fewer, lambda_)


def test_lambda_1_is_the_order_of_relevance():
    relevance = np.array([0.1, 0.5, 0.3], np.float32)
    picked = maximal_marginal_relevance(relevance, np.ones((3, 3), np.float32), 3, lambda_=1)
    assert [row for row, _ in picked] == [1, 2, 0]


def test_mmr_asks_for_more_and_picks_among_them_only():
    fake = FixedRetriever([CHUNKS[row] for row in (4, 5, 2, 0)])
    embedder = HashEmbedder(512)
    cosines = embedder.encode_documents(TEXTS) @ embedder.encode_query("salt plums")
    assert names(MMR(fake, embedder).retrieve("salt plums", 1)) == [int(cosines.argmax())]
    assert fake.asked == [("salt plums", 4)]
    assert set(names(MMR(fake, embedder).retrieve("salt plums", 6))) == {4, 5, 2, 0}
    assert MMR(FixedRetriever([]), HashEmbedder(512)).retrieve("salt", 3) == []


def test_mmr_puts_a_repeated_text_last():
    twice = [chunk(TEXTS[4], source="a.md"), chunk(TEXTS[4], source="b.md"), CHUNKS[5], CHUNKS[2]]
    hits = MMR(FixedRetriever(twice), HashEmbedder(512), lambda_=0.5).retrieve(
        "a dish of salt plums", 4
    )
    assert [hit.chunk.text for hit in hits].index(TEXTS[4]) == 0
    assert hits[-1].chunk.text == TEXTS[4]


def test_mmr_of_a_dense_retriever_with_lambda_1_changes_nothing():
    retriever = dense()
    varied = MMR(retriever, retriever.embedder, lambda_=1).retrieve("the ferry", 4)
    assert names(varied) == names(retriever.retrieve("the ferry", 4))


class Counting(HashEmbedder):
    """Remembers which texts it embedded."""

    def encode_documents(self, texts, progress=False):
        self.seen = [*getattr(self, "seen", []), *texts]
        return super().encode_documents(texts, progress)


def test_vectors_that_the_store_has_are_not_made_again():
    embedder = Counting(512)
    store = VectorStore(512, embedder.model_id)
    store.upsert(CHUNKS[:4], HashEmbedder(512).encode_documents(TEXTS[:4]))
    fake = FixedRetriever([CHUNKS[row] for row in (5, 0, 3, 4)])
    found = MMR(fake, embedder, store=store).retrieve("露摩 salt", 4)
    assert embedder.seen == [TEXTS[5], TEXTS[4]]
    plain = MMR(fake, HashEmbedder(512)).retrieve("露摩 salt", 4)
    assert names(found) == names(plain)
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in plain], abs=1e-6)


def test_mmr_is_checked_when_it_is_made():
    for lambda_ in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"lambda_={lambda_}"):
            MMR(bm25(), HashEmbedder(64), lambda_)
    with pytest.raises(ValueError, match="fetch=0"):
        MMR(bm25(), HashEmbedder(64), fetch=0)


def test_hits_carry_the_chunks_themselves():
    for retriever in (bm25(), dense(), HybridRetriever([bm25(), dense()])):
        for hit in retriever.retrieve("salt", 3):
            assert isinstance(hit, Hit)
            assert any(hit.chunk is known for known in CHUNKS)
