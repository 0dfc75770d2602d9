"""What each command of `cli.py` does: load, run, print."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from .choices import make_embedder, make_llm
from .chunking import TokenChunker
from .citations import Citation
from .documents import Problem
from .embeddings import HashEmbedder
from .generation import Answer, AnswerOptions, stream_answer
from .index import Index, IndexReport, saved_choice
from .llm import LLM, Message

SHOWN = 160  # characters of a passage


def run_index(args: argparse.Namespace) -> int:
    """Update the index, or make it. 0; with --strict 1 if anything was left out."""
    from tqdm import tqdm

    folder = _folder(args)
    index = _to_update(args, folder)
    with tqdm(unit=" chunks", disable=None) as bar:
        report = index.update(
            args.paths, lambda left_out: _note(f"left out: {left_out}"), bar.update
        )
    index.fit()
    index.save(folder)
    if args.json:
        _print_json({"index": str(folder)} | asdict(report))
    else:
        print(_summary(folder, report))
    return 1 if args.strict and report.problems else 0


def run_search(args: argparse.Namespace) -> int:
    """Print the passages, best first."""
    with _opened(args) as index:
        hits = index.retriever(args.mode).retrieve(args.query, args.k or 6)
    if args.json:
        for hit in hits:
            _print_json({"score": hit.score} | asdict(hit.chunk))
        return 0
    if not hits:
        _note("nothing found")
    for number, hit in enumerate(hits, start=1):
        place = _place(str(hit.chunk.metadata["source"]), hit.chunk.metadata.get("page"))
        print(f"[{number}] {place}  (score {hit.score:.3f})\n    {_snippet(hit.chunk.text)}")
    return 0


def run_ask(args: argparse.Namespace) -> int:
    """Answer one question."""
    llm = make_llm(args.model, args.model_name)
    with _opened(args) as index:
        _answer(args.question, index, llm, args, [])
    return 0


def run_chat(args: argparse.Namespace) -> int:
    """Answer questions until the input ends. Something that fails is told, and the chat goes on."""
    from .rewriting import rewrite_query

    llm = make_llm(args.model, args.model_name)
    args.json = False
    history: list[Message] = []
    with _opened(args) as index:
        for question in _questions():
            try:
                query = rewrite_query(question, history, llm) if llm and history else None
                answer = _answer(question, index, llm, args, history, query)
            except (ValueError, RuntimeError) as error:
                _note(f"error: {error}")
                continue
            history += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer.text},
            ]
    return 0


def run_eval(args: argparse.Namespace) -> int:
    """Print a table of scores, one row a mode."""
    from .reports import evaluate_index

    llm = make_llm(args.model, args.model_name) if args.answers else None
    with _sample_folder() as sample, _opened(args) as index:
        questions = Path(args.questions) if args.questions else sample / "questions.jsonl"
        rows = evaluate_index(index, questions, args.mode, args.k or 10, args.answers, llm)
        for row in rows:
            _print_json(row) if args.json else print(row["text"])
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Say what an index holds."""
    with _opened(args) as index:
        found = {
            "documents": len({chunk.doc_id for chunk in index.chunks}),
            "files": len(index.sources),
            "chunks": len(index),
            "chunk size": index.chunker.chunk_size,
            "chunk overlap": index.chunker.chunk_overlap,
            "vectors": f"{index.store.model_id}, dim {index.store.dim}" if index.store else "none",
        }
    if args.json:
        _print_json(found)
    else:
        for name, value in found.items():
            print(f"{name:14} {value}")
    return 0


# --- Which index. ---


def _folder(args: argparse.Namespace) -> Path:
    from .cli import DEFAULT_FOLDER

    return Path(args.index or DEFAULT_FOLDER)


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[Index]:
    """The index that is asked for; the encyclopedia's, made on the spot, if there is none."""
    folder = _folder(args)
    if args.index is None and not folder.exists():
        with _sample_folder() as sample:
            vectors = getattr(args, "mode", None) in ("dense", "hybrid")
            index = Index(embedder=HashEmbedder() if vectors else None)
            index.update([sample / "en", sample / "zh"])
            index.fit()
            _note("no index here, so this asks the encyclopedia that comes along")
            yield index
        return
    choice, arrays = saved_choice(folder)
    yield Index.open(folder, make_embedder(choice, arrays))


@contextmanager
def _sample_folder() -> Iterator[Path]:
    with as_file(files("tiny_rag") / "data" / "universe") as folder:
        yield folder


def _to_update(args: argparse.Namespace, folder: Path) -> Index:
    """The index in the folder, or a new one. Other sizes or another embedder: from the start."""
    size, overlap = args.chunk_size, args.chunk_overlap
    try:
        choice, arrays = saved_choice(folder)
    except FileNotFoundError:
        chunker = TokenChunker(size or 256, 32 if overlap is None else overlap)
        choice = args.embedder or "none"
        return Index(chunker, make_embedder(choice), choice)
    old = Index.open(folder, make_embedder(choice, arrays))
    wanted = TokenChunker(
        size or old.chunker.chunk_size, old.chunker.chunk_overlap if overlap is None else overlap
    )
    new_choice = args.embedder or choice
    if (wanted, new_choice) == (old.chunker, choice):
        return old
    _note("other settings than before: everything is read again")
    args.paths = [*args.paths, *(source for source in old.sources if Path(source).exists())]
    return Index(wanted, make_embedder(new_choice), new_choice)


# --- Answers. ---


def _answer(
    question: str,
    index: Index,
    llm: LLM | None,
    args: argparse.Namespace,
    history: list[Message],
    query: str | None = None,
) -> Answer:
    """Print the answer as it comes, then what it cites."""
    options = AnswerOptions(k=args.k or 6)
    stream = stream_answer(question, index.retriever(args.mode), llm, options, history, query)
    for piece in stream:
        if not args.json:
            print(piece, end="", flush=True)
    answer = stream.answer
    if args.json:
        _print_json(asdict(answer))
        return answer
    print()
    for citation in answer.citations:
        print(f"  [{citation.number}] {_cited(citation)}")
    return answer


def _cited(citation: Citation) -> str:
    return f"{_place(citation.source, citation.page)}: {_snippet(citation.quote)}"


def _place(source: str, page: Any) -> str:
    """A path as short as it can be said, and the page."""
    path = Path(source)
    for base in (Path.cwd(), Path(str(files("tiny_rag") / "data" / "universe"))):
        if path.is_absolute() and path.is_relative_to(base):
            source = path.relative_to(base).as_posix()
    return source if page is None else f"{source}, page {page}"


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def _questions() -> Iterator[str]:
    """Lines of standard input that are not blank; a prompt if a person types them."""
    while True:
        if sys.stdin.isatty():
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


# --- Printing. ---


def _summary(folder: Path, report: IndexReport) -> str:
    text = f"{folder}: {report.documents} documents, {report.chunks} chunks"
    changes = f"{report.added} new or changed, {report.removed} gone, {report.embedded} embedded"
    left_out = f"; {len(report.problems)} warnings" if report.problems else ""
    return f"{text} ({changes}{left_out})"


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def _left_out(problem: Problem) -> None:
    _note(f"left out: {problem}")


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)
