"""What each command of `cli.py` does: load, run, print (`printing`)."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path

from .choices import full_choice, make_embedder, make_llm
from .chunking import TokenChunker
from .counting import count_tokens
from .embeddings import HashEmbedder
from .extractive import ExtractiveAnswerer
from .generation import Answer, AnswerOptions, answer, stream_answer
from .generations import CURRENT, LOCK
from .index import Index
from .index_files import Settings, read_settings
from .llm import LLM, Message
from .one_writer import WRITER, one_writer
from .printing import count, left_out, note, print_answer, print_hits, print_json, summary
from .relevance import WordRelevance

DEFAULT_FOLDER = "tiny-rag-index"


def run_index(args: argparse.Namespace) -> int:
    """Update the index, or make it. 0; with --strict 1 if anything was left out."""
    from tqdm import tqdm

    folder = _folder(args)
    _check_free(folder)
    for path in args.paths:
        if path.startswith(("http://", "https://")):
            raise ValueError(f"{path} is a URL; download it first (curl -O), and give the file")
    with one_writer(folder):
        index, paths = _to_update(args, folder)
        gone = {path: len(index.sources_of(path)) for path in paths if not path.exists()}
        with tqdm(unit=" chunks", disable=None) as bar:
            report = index.update(paths, None, bar.update)
        index.save(folder)
    left_out(report.problems)
    for path, number in gone.items():
        note(
            f"{path.absolute()} is not there any more, and the index forgets its "
            f"{count(number, 'file')}; if it was only out of reach, index it again when it is back"
        )
    for path in paths:
        if path.is_dir() and not index.sources_of(path):
            note(f"{path} holds no file with text that could be read")
    if args.json:
        print_json({"index": str(folder)} | asdict(report))
    else:
        print(summary(folder, report))
    if 2 * report.embedded > report.chunks:  # not again for every small change
        _check_embedder(index)
    return 1 if args.strict and report.problems else 0


def run_search(args: argparse.Namespace) -> int:
    """Print the passages, best first."""
    if not args.query.strip():
        raise ValueError(f"the text {args.query!r} is empty; say what to look for")
    with _opened(args) as index:
        hits = index.retriever(args.mode).retrieve(args.query, args.k or 6)
    if not hits:
        note("nothing found")
    print_hits(hits, args.query, index.words, args.json)
    return 0


def run_ask(args: argparse.Namespace) -> int:
    """Answer one question."""
    with _opened(args) as index:
        llm = make_llm(args.model, args.model_name)
        options = answer_options(index, llm, args.k, args.min_relevance)
        stream = stream_answer(args.question, index.retriever(args.mode), llm, options)
        print_answer(stream, options.min_relevance, args.json)
    return 0


def run_chat(args: argparse.Namespace) -> int:
    """Answer questions until the input ends. What fails is told, and the chat goes on.

    0; 1 if a question could not be answered
    """
    from .rewriting import rewrite_query

    history: list[Message] = []
    failed = 0
    with _opened(args) as index:
        llm = make_llm(args.model, args.model_name)
        options = answer_options(index, llm, args.k, args.min_relevance)
        retriever = index.retriever(args.mode)
        for question in _questions():
            try:
                query = rewrite_query(question, history, llm) if llm else None
                stream = stream_answer(question, retriever, llm, options, history, query)
                answered = print_answer(stream, options.min_relevance, args.json)
            except (ValueError, RuntimeError) as error:
                failed = 1
                print_json({"question": question, "error": str(error)}) if args.json else print()
                print(f"error: {error}", file=sys.stderr, flush=True)
                continue
            history += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answered.text},
            ]
    return failed


def run_eval(args: argparse.Namespace) -> int:
    """Print a table of scores, one row a mode."""
    from .reports import evaluate_index

    with _sample_folder() as sample, _opened(args) as index:
        questions = Path(args.questions) if args.questions else sample / "questions.jsonl"
        answering: Callable[[str], Answer] | None = None
        if args.answers:
            llm = make_llm(args.model, args.model_name)
            retriever = index.retriever(args.mode)
            options = answer_options(index, llm, args.k, args.min_relevance)
            answering = lambda question: answer(question, retriever, llm, options)  # noqa: E731
        rows = []
        for row in evaluate_index(index, questions, args.mode, args.k or 10, answering):
            rows.append(row)
            if not args.json:
                print(row["text"], flush=True)
    if args.json:
        print_json({"rows": rows})
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Say what an index holds. Its embedder is not loaded."""
    args.mode = "bm25"
    with _opened(args) as index:
        settings = index.settings
        if not args.sample and _folder(args).exists():
            settings = read_settings(_folder(args))
        found = {
            "documents": len({chunk.doc_id for chunk in index.chunks}),
            "files": len(index.sources),
            "chunks": len(index),
            "chunk_size": settings.chunk_size,
            "chunk_overlap": settings.chunk_overlap,
            "embedder": settings.choice,
            "model_id": settings.model_id,
            "dim": settings.dim,
        }
    if args.json:
        print_json(found)
        return 0
    for name, value in found.items():
        if value is not None:
            print(f"{name.replace('_', ' '):14} {value}")
    return 0


def answer_options(
    index: Index, llm: LLM | None, k: int | None = None, min_relevance: float | None = None
) -> AnswerOptions:
    """How the command line answers: relevance by the index's words, whatever the mode."""
    usual = AnswerOptions()
    return AnswerOptions(
        k=k or usual.k,
        count=getattr(llm, "count", count_tokens),  # a model in a folder counts exactly
        relevance=WordRelevance(index.words, index.chunks),
        min_relevance=usual.min_relevance if min_relevance is None else min_relevance,
        extractor=ExtractiveAnswerer(min_share=0) if min_relevance == 0 else usual.extractor,
    )


# --- Which index. ---


def _folder(args: argparse.Namespace) -> Path:
    return Path(args.index or DEFAULT_FOLDER)


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[Index]:
    """The index that is asked for; the encyclopedia's, made on the spot, if there is none."""
    folder = _folder(args)
    measured = args.command == "eval" and not args.questions  # the encyclopedia's own questions
    wanted = args.sample or (measured and args.index is None)
    if wanted or (args.index is None and not folder.exists()):
        vectors = args.mode in ("dense", "hybrid") or (args.command == "eval" and not args.mode)
        with _sample_folder() as sample:
            index = Index(embedder=HashEmbedder() if vectors else None)
            index.update([sample / "en", sample / "zh"])
            if not wanted:
                note("no index here, so this asks the encyclopedia that comes along")
            yield index
        return
    choice = "none" if args.mode == "bm25" else read_settings(folder).choice
    yield Index.open(folder, make_embedder(choice))


@contextmanager
def _sample_folder() -> Iterator[Path]:
    with as_file(files("tiny_rag") / "data" / "universe") as folder:
        yield folder


def _to_update(args: argparse.Namespace, folder: Path) -> tuple[Index, list[Path]]:
    """The index in the folder, or a new one, and what to read into it."""
    paths = [Path(path) for path in args.paths]
    asked = full_choice(args.embedder) if args.embedder else None
    try:
        old = read_settings(folder)
    except FileNotFoundError:
        sizes = _sizes(args, TokenChunker())
        choice = asked or "none"
        return Index(TokenChunker(*sizes), make_embedder(choice), choice), paths
    sizes, choice = _sizes(args, old), asked or old.choice
    if (sizes, choice) == ((old.chunk_size, old.chunk_overlap), old.choice):
        return Index.open(folder, make_embedder(choice)), paths
    new = Index(TokenChunker(*sizes), make_embedder(choice), choice)
    note("other settings than before: everything is read again")
    before = Index.open(folder)
    paths = [path for path in paths if path.exists() or not before.sources_of(path)]
    return new, paths + _read_before(before, paths)


def _sizes(args: argparse.Namespace, usual: TokenChunker | Settings) -> tuple[int, int]:
    """Chunk size and overlap: as asked for, else as usual; of another size an eighth."""
    size, overlap = args.chunk_size or usual.chunk_size, args.chunk_overlap
    if overlap is None:
        overlap = usual.chunk_overlap if size == usual.chunk_size else size // 8
    return size, overlap


def _read_before(old: Index, paths: list[Path]) -> list[Path]:
    """The files of an index that the paths do not hold. Says which are not there any more."""
    roots = [path.absolute() for path in paths]
    others = [
        source
        for source in map(Path, old.sources)
        if not any(source.absolute().is_relative_to(root) for root in roots)
    ]
    for source in others:
        if not source.exists():
            note(f"left out: {source}: it is not there any more")
    return [source for source in others if source.exists()]


def _check_free(folder: Path) -> None:
    """ValueError if an index in this folder would mix with other files."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a new folder for the index")
    ours = any((folder / name).exists() for name in (CURRENT, LOCK, WRITER))
    if not ours and folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} has files in it and no index; name a new folder for the index")


def _check_embedder(index: Index) -> None:
    """Say so if the embedder cannot read the corpus, or not to the end of a chunk."""
    embedder = index.embedder
    if embedder is None or isinstance(embedder, HashEmbedder):  # reads everything, and all of it
        return
    from .reading import check_reading

    limit = getattr(embedder, "max_tokens", None)
    if limit is not None and limit < index.chunker.chunk_size:
        note(
            f"{embedder.model_id} reads {limit} tokens of a text, and chunks have up to "
            f"{index.chunker.chunk_size}: the rest is not searched by meaning. Index again with "
            f"--chunk-size {limit}"
        )
    for reading in check_reading(embedder, [chunk.text for chunk in index.chunks]):
        if reading.failed:
            name = {"zh": "Chinese", "en": "other"}[reading.language]
            note(
                f"{embedder.model_id} does not seem to read the {name} texts here: of two halves, "
                f"it knew the right one {reading.encoder:.0%} of the time (chance is 50%), words "
                f"alone {reading.bm25:.0%}. Search with --mode bm25, or index again with an "
                "encoder for this language"
            )


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
