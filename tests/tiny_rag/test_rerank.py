"""Reranking: what a judge does to the order, and a real cross-encoder as the judge."""

import socket

import numpy as np
import pytest

from tests.tiny_rag.fakes import FixedRetriever, chunk
from tiny_rag.rerank import CrossEncoderJudge, CrossEncoderReranker

TEXTS = [f"passage {letter}" for letter in "abcdef"]
CHUNKS = [chunk(text, source=f"{text[-1]}.md") for text in TEXTS]


class Scripted:
    """Scores of a table."""

    def __init__(self, **scores):
        self.scores, self.asked = scores, []

    def score(self, query, texts):
        self.asked.append((query, list(texts)))
        return np.array([self.scores.get(text[-1], 0.0) for text in texts], np.float32)


def letters(hits):
    return "".join(hit.chunk.text[-1] for hit in hits)


def test_the_judge_decides_the_order_and_gives_the_scores():
    judge = Scripted(a=-2, b=3.5, c=1)
    hits = CrossEncoderReranker(FixedRetriever(CHUNKS[:3]), judge).retrieve("which?", 3)
    assert letters(hits) == "bca"
    assert [hit.score for hit in hits] == [3.5, 1, -2]
    assert judge.asked == [("which?", TEXTS[:3])]


def test_a_passage_is_lifted_from_the_depth_but_not_from_below():
    judge = Scripted(e=9, f=10)
    retriever = FixedRetriever(CHUNKS)
    assert letters(CrossEncoderReranker(retriever, judge, depth=5).retrieve("?", 2)) == "ea"
    assert retriever.asked == [("?", 5)]
    assert letters(CrossEncoderReranker(retriever, judge, depth=2).retrieve("?", 6)) == "feabcd"
    assert retriever.asked[-1] == ("?", 6)


def test_equal_passages_stay_in_the_retrievers_order():
    many = [chunk(f"text {n}", source=f"{n}.md") for n in range(50)]
    hits = CrossEncoderReranker(FixedRetriever(many), Scripted(), depth=50).retrieve("?", 50)
    assert [hit.chunk for hit in hits] == many


def test_nothing_found_is_nothing_judged():
    judge = Scripted()
    assert CrossEncoderReranker(FixedRetriever([]), judge).retrieve("?", 3) == []
    assert judge.asked == []


class Returning:
    def __init__(self, scores):
        self.scores = scores

    def score(self, query, texts):
        return self.scores


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(2),
        np.zeros(4),
        np.zeros((3, 1)),
        np.array([1, np.nan, 0]),
        np.array([np.inf, 1, 0]),
    ],
)
def test_scores_that_do_not_fit_are_refused(scores):
    reranker = CrossEncoderReranker(FixedRetriever(CHUNKS[:3]), Returning(scores))
    with pytest.raises(ValueError, match=r"for 3 passages.* one finite number for each"):
        reranker.retrieve("?", 3)


def test_k_and_depth_are_checked():
    with pytest.raises(ValueError, match="depth=0"):
        CrossEncoderReranker(FixedRetriever([]), Scripted(), depth=0)
    with pytest.raises(ValueError, match="k=0"):
        CrossEncoderReranker(FixedRetriever([]), Scripted()).retrieve("?", 0)


# --- A real one: a tiny BERT with random weights. ---


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """(folder of a one-output model, of a three-output model, its model, its tokenizer)"""
    return make_bert(tmp_path_factory.mktemp("one"), 1), make_bert(
        tmp_path_factory.mktemp("three"), 3
    )


def make_bert(folder, outputs):
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = [*"露摩有四颗卫星盐梅", "moon", "salt", "plum", "a", "passage", "?", *"abcdef"]
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    torch.manual_seed(outputs)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        num_labels=outputs,
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # fresh weights would hide a lost bias
            parameter.normal_(0, 0.7)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, model, tokenizer


QUERY = "露摩有四颗卫星?"
PASSAGES = ["四颗卫星", "a salt plum", "moon " * 30, "盐梅", "a passage a moon"]


def test_scores_are_the_models_outputs_for_each_pair_alone(bert):
    import torch

    (folder, model, tokenizer), _ = bert
    with torch.no_grad():
        expected = [
            model(**tokenizer(QUERY, text, truncation=True, return_tensors="pt")).logits.item()
            for text in PASSAGES
        ]
    assert max(expected) > 1 or min(expected) < 0  # not all could be a sigmoid's
    for batch_size in (1, 2, 32):  # batches are padded, and sorted by length inside
        scores = CrossEncoderJudge(folder, "cpu", batch_size).score(QUERY, PASSAGES)
        assert scores == pytest.approx(expected, abs=1e-5)
        assert scores.dtype == np.float32


def test_half_a_surrogate_pair_is_read_as_unknown(bert):
    judge = CrossEncoderJudge(bert[0][0], "cpu")
    broken, replaced = judge.score("moon \ud83d", ["a \udc00 plum"]), None
    replaced = judge.score("moon \ufffd", ["a \ufffd plum"])
    assert broken == pytest.approx(replaced)


def test_a_reranker_with_a_real_judge_orders_by_its_scores(bert):
    judge = CrossEncoderJudge(bert[0][0], "cpu")
    chunks = [chunk(text, source=f"{n}.md") for n, text in enumerate(PASSAGES)]
    hits = CrossEncoderReranker(FixedRetriever(chunks), judge).retrieve(QUERY, 3)
    scores = judge.score(QUERY, [c.text for c in chunks])
    assert [chunks.index(hit.chunk) for hit in hits] == np.argsort(-scores)[:3].tolist()


def test_a_classifier_is_no_reranker(bert):
    with pytest.raises(ValueError, match="has 3 outputs; a reranker has one"):
        CrossEncoderJudge(bert[1][0], "cpu")


def test_a_model_that_is_not_here_is_not_fetched(monkeypatch):
    def connect(*arguments):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    with pytest.raises(FileNotFoundError, match=r"no model 'nobody/no-such-model' .*`hf download"):
        CrossEncoderJudge("nobody/no-such-model")


def test_a_batch_holds_at_least_one():
    with pytest.raises(ValueError, match="batch_size=0"):
        CrossEncoderJudge("any", batch_size=0)
