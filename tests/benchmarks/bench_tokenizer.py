"""Our tokenizer beside the Rust library: `python -m tests.benchmarks.bench_tokenizer`.

Both run in this process, in turns, on the sources of Python's standard library; a row gives the
median. `ratio` is our time over theirs: below 1 we are faster. In training theirs uses all cores,
ours one; its encoding also tracks offsets, which we leave out.
Takes about half a minute on two CPU cores.
"""

import random
import tempfile
import time
from collections.abc import Callable
from itertools import chain, islice, product
from pathlib import Path
from statistics import median

import tokenizers

from qwen_blog import bpe
from qwen_blog.tokenizer import QWEN2_SPECIAL_TOKENS, AddedToken, StreamDecoder, Tokenizer
from tests.qwen_blog.test_bpe import library_tokenizer

TRAIN_CHARS, VOCAB_SIZE, QWEN2_MERGES = 3_000_000, 8000, 151_387


def stdlib_sources(chars: int) -> list[str]:
    """Python files of the standard library, until they hold that many characters."""
    texts: list[str] = []
    for path in sorted(Path(random.__file__).parent.glob("*.py")):
        texts.append(path.read_text("utf-8", errors="replace"))
        if sum(map(len, texts)) >= chars:
            break
    return texts


def medians_s(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Run both in turns, so that a slow moment of the machine hits both."""
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for _ in range(repeats):
        for run in (ours, theirs):
            start = time.perf_counter()
            run()
            times[run].append(time.perf_counter() - start)
    return median(times[ours]), median(times[theirs])


def row(name: str, ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> None:
    mine, peer = medians_s(ours, theirs, repeats)
    print(f"{mine / peer:7.2f}x  {mine * 1e3:10.1f} ms  {peer * 1e3:10.1f} ms  {name}", flush=True)


def bench_training(texts: list[str]) -> Tokenizer:
    def library() -> None:
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=VOCAB_SIZE,
            min_frequency=2,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        library_tokenizer().train_from_iterator(texts, trainer)

    chars = sum(map(len, texts)) / 1e6
    name = f"train {VOCAB_SIZE} tokens on {chars:.1f}M characters"
    row(name, lambda: Tokenizer.train(texts, VOCAB_SIZE), library, 3)
    return Tokenizer.train(texts, VOCAB_SIZE)


def bench_text(ours: Tokenizer, theirs: tokenizers.Tokenizer, text: str) -> None:
    def fresh() -> None:
        ours._words.clear()
        ours.encode(text)

    def fresh_library() -> None:
        theirs.model._clear_cache()
        theirs.encode(text)

    def stream() -> None:
        decoder = StreamDecoder(ours)
        for token_id in ids:
            decoder.push(token_id)

    ids = ours.encode(text)
    size = f"{len(text) / 1e6:.1f}M characters"
    row(f"encode {size}, empty cache", fresh, fresh_library, 5)
    row(f"encode {size}, warm cache", lambda: ours.encode(text), lambda: theirs.encode(text), 5)
    row(f"decode {len(ids)} ids", lambda: ours.decode(ids), lambda: theirs.decode(ids), 5)
    row("  the same, streamed (theirs: at once)", stream, lambda: theirs.decode(ids), 3)


def bench_long_words(ours: Tokenizer, theirs: tokenizers.Tokenizer) -> None:
    letters = random.Random(0).choices("etaoinshrdlu", k=1_000_000)
    for length, repeats in ((10_000, 5), (100_000, 3), (1_000_000, 1)):
        word = "".join(letters[:length])
        name = f"encode one word of {length} letters"
        row(name, lambda w=word: ours.encode(w), lambda w=word: theirs.encode(w), repeats)


def bench_loading(folder: Path) -> None:
    """A vocabulary of Qwen2's size: made-up merges, all the tokens of two bytes, then of three."""
    pairs = product(bpe.ALPHABET, repeat=2)
    triples = ((a + b, c) for a, b, c in product(bpe.ALPHABET, repeat=3))
    merges = list(islice(chain(pairs, triples), QWEN2_MERGES))
    vocab = bpe.vocabulary(merges)
    added = [AddedToken(text, len(vocab) + i) for i, text in enumerate(QWEN2_SPECIAL_TOKENS)]
    Tokenizer(vocab, merges, added).save_pretrained(folder)
    file = str(folder / "tokenizer.json")
    name = f"load a vocabulary of {len(vocab)}"
    row(name, lambda: Tokenizer.from_pretrained(folder), lambda: library_load(file), 3)


def library_load(file: str) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(file)


def main() -> None:
    print(f"{'ratio':>8}  {'ours':>13}  {'library':>13}")
    texts = stdlib_sources(TRAIN_CHARS)
    ours = bench_training(texts)
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        theirs = library_load(f"{folder}/tokenizer.json")
        bench_text(ours, theirs, "".join(texts)[:1_000_000])
        bench_long_words(ours, theirs)
        bench_loading(Path(folder))


if __name__ == "__main__":
    main()
