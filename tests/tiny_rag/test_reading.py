"""Whether an encoder can read a corpus, found out without questions."""

import numpy as np
import pytest

from tiny_rag.embeddings import HashEmbedder
from tiny_rag.reading import Reading, check_reading

THINGS = [
    "harbour",
    "ferry",
    "plum",
    "moon",
    "tide",
    "clerk",
    "lantern",
    "violin",
    "copper",
    "orchard",
    "glacier",
    "pigeon",
]
THINGS_ZH = [
    "港口",
    "渡船",
    "盐梅",
    "卫星",
    "潮水",
    "书记",
    "灯笼",
    "提琴",
    "铜矿",
    "果园",
    "冰川",
    "鸽子",
]
ENGLISH = [
    f"The {a} stands beside the {b} for years. Nobody asked why a {b} would need a {a}."
    for a, b in zip(THINGS, THINGS[1:] + THINGS[:1], strict=True)
]
CHINESE = [
    f"从前这里有一处{a}，旁边就是{b}，两者已经相伴许多年。没有人问过，为什么{b}的旁边还需要一处{a}。"
    for a, b in zip(THINGS_ZH, THINGS_ZH[1:] + THINGS_ZH[:1], strict=True)
]


class EnglishOnly(HashEmbedder):
    """To it every Chinese character is the same unknown one."""

    def encode_documents(self, texts, progress=False):
        return super().encode_documents([self.seen(text) for text in texts], progress)

    def encode_query(self, text):
        return super().encode_query(self.seen(text))

    @staticmethod
    def seen(text):
        return "".join("?" if "一" <= c <= "鿿" else c for c in text)


def by_language(embedder, texts, **options):
    return {reading.language: reading for reading in check_reading(embedder, texts, **options)}


def test_an_encoder_that_reads_both_languages_passes_in_both():
    found = by_language(HashEmbedder(2048), ENGLISH + CHINESE)
    assert not found["zh"].failed
    assert not found["en"].failed
    assert found["zh"].texts == found["en"].texts == 12
    assert min(r.bm25 for r in found.values()) > 0.9
    assert min(r.encoder for r in found.values()) > 0.9


def test_an_english_encoder_fails_in_chinese_only():
    found = by_language(EnglishOnly(2048), ENGLISH + CHINESE)
    assert found["zh"].failed
    assert abs(found["zh"].encoder - 0.5) < 0.2  # all Chinese texts look alike to it
    assert not found["en"].failed


def test_an_encoder_that_knows_the_order_only_fails():
    class Constant(HashEmbedder):
        def encode_documents(self, texts, progress=False):
            return np.eye(len(texts), self.dim, dtype=np.float32)

    assert by_language(Constant(2048), ENGLISH)["en"].failed


def test_half_as_good_as_bm25_is_enough():
    assert Reading("zh", encoder=0.69, bm25=0.9, texts=64).failed
    assert not Reading("zh", encoder=0.71, bm25=0.9, texts=64).failed


def test_where_bm25_can_hardly_tell_texts_apart_nothing_is_said():
    assert not Reading("en", encoder=0.5, bm25=0.65, texts=64).failed


def test_vectors_that_are_all_alike_are_chance():
    class Same(HashEmbedder):
        def encode_documents(self, texts, progress=False):
            return np.ones((len(texts), self.dim), np.float32)

    assert by_language(Same(64), ENGLISH)["en"].encoder == 0.5


def test_few_or_short_texts_say_nothing():
    assert check_reading(HashEmbedder(64), ENGLISH[:7] + CHINESE[:7]) == []
    assert check_reading(HashEmbedder(64), ["too short"] * 50) == []
    assert check_reading(HashEmbedder(64), ENGLISH[:4] * 50) == []  # only 4 are different
    assert check_reading(HashEmbedder(64), [" " * 60 + text[:20] for text in ENGLISH]) == []


def test_no_more_than_the_sample_is_embedded_and_the_seed_decides_which():
    class Counting(HashEmbedder):
        texts = ()

        def encode_documents(self, texts, progress=False):
            self.texts = (*self.texts, *texts)
            return super().encode_documents(texts, progress)

    seen = []
    for seed in (0, 0, 1):
        embedder = Counting(64)
        (reading,) = check_reading(embedder, ENGLISH, sample=8, seed=seed)
        assert reading.texts == len(embedder.texts) == 8
        # a question that stood in its own document would be found by any encoder
        assert all(any(t.endswith(back) and t != back for t in ENGLISH) for back in embedder.texts)
        seen.append(set(embedder.texts))
    assert seen[0] == seen[1] != seen[2]
    with pytest.raises(ValueError, match="sample=7 must be at least 8"):
        check_reading(HashEmbedder(64), ENGLISH, sample=7)
