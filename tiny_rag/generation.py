"""The grounded answer: retrieve, refuse or prompt, generate, and keep the citations that exist.

    answer("哪一年建成的？", retriever)               # quotes sentences, needs no model
    answer("When was it built?", retriever, llm)     # asks a model

Lewis et al. 2020 (arXiv:2005.11401) named the idea. Here nothing is trained: a prompt joins the
parts. Chapter 33 explains it. Leaves out: rewriting the question of a chat (`rewriting`), checking
whether a cited passage supports its sentence (`evaluation`).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from .citations import Citation, strip_unknown, strip_unknown_stream
from .counting import count_tokens
from .documents import Hit
from .extractive import ExtractiveAnswerer
from .llm import LLM, Completion, Message, Usage
from .prompts import Prompt, fit_prompt, is_refusal, refusal
from .relevance import Relevance, WordRelevance
from .retrieval import BM25Retriever, Retriever
from .support import cite, uncited

NO_USAGE = Usage(0, 0)


@dataclass(frozen=True)
class Answer:
    """An answer and what it rests on."""

    text: str
    """With citations such as [2]; every number is that of one of the hits."""
    citations: list[Citation]
    """The places cited, in the order of the text: in each passage the sentence that supports the
    answer's best, or where none stands out the whole passage."""
    hits: list[Hit]
    """What was retrieved, best first: [1] is hits[0]."""
    usage: Usage
    """Tokens of the model; none if no model was asked."""
    refused: bool
    """The text says that the sources do not hold the answer, perhaps after where it looked."""
    relevance: float | None = None
    """How much the hits have to do with the question; None if it was not measured."""
    uncited: list[str] = field(default_factory=list)
    """The sentences of a model's answer that cite nothing."""


@dataclass(frozen=True)
class AnswerOptions:
    """How to answer."""

    k: int = 6
    """How many chunks to retrieve."""
    budget_tokens: int = 768
    """The most tokens of the prompt: what 1024 leave when 256 are for the reply."""
    max_tokens: int = 256
    """The most tokens of the reply."""
    count: Callable[[str], int] = count_tokens
    """Counts the tokens of a text; the model's own tokenizer makes the budget exact."""
    relevance: Relevance | None = None
    """How much the hits have to do with the question. None compares words, by the index of the
    BM25Retriever that the retriever is or is built on; where there is none, everything found counts
    as relevant."""
    min_relevance: float = 0.6
    """Refuse below this; `relevance.calibrate` finds it, chapter 33 says what it does. 0: refuse
    only where nothing is found, as where question and corpus have different languages."""
    extractor: ExtractiveAnswerer = field(default_factory=ExtractiveAnswerer)
    """Answers where there is no model."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k={self.k} must be at least 1")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens} must be at least 1")


def answer(
    question: str,
    retriever: Retriever,
    llm: LLM | None = None,
    options: AnswerOptions | None = None,
    history: Sequence[Message] = (),
    query: str | None = None,
) -> Answer:
    """Answer from what the retriever finds, with citations; refuse where it finds nothing relevant.

    llm: None quotes the best sentences instead · history: earlier questions and answers, for the
    model to understand the question by · query: what to search for, if not the question itself
    ValueError: an empty question, a budget too small for it · LLMError: the model does not answer
    """
    task = _Task.of(question, retriever, llm, options or AnswerOptions(), history, query)
    if isinstance(task, Answer):
        return task
    return task.finish(task.llm.complete(task.prompt.messages, task.max_tokens))


class AnswerStream:
    """An answer as it is made: iterate over its text, once, then read `answer`.

    The pieces joined are `answer.text`, but for white space around it.
    """

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._pieces = pieces
        self._answer: Answer | None = None

    def __iter__(self) -> Iterator[str]:
        answer = yield from self._pieces
        self._answer = self._answer or answer  # read a second time, a generator returns None

    @property
    def answer(self) -> Answer:
        """The whole answer. RuntimeError before the text has been read to its end."""
        if self._answer is None:
            raise RuntimeError("the answer is still being made; iterate over the stream first")
        return self._answer


def stream_answer(
    question: str,
    retriever: Retriever,
    llm: LLM | None = None,
    options: AnswerOptions | None = None,
    history: Sequence[Message] = (),
    query: str | None = None,
) -> AnswerStream:
    """As `answer`, a piece at a time. Nothing is searched for before the first is asked for."""

    def pieces() -> Generator[str, None, Answer]:
        task = _Task.of(question, retriever, llm, options or AnswerOptions(), history, query)
        if isinstance(task, Answer):
            yield task.text
            return task
        said: list[Completion] = []

        def listen(stream: Generator[str, None, Completion]) -> Iterator[str]:
            said.append((yield from stream))

        stream = task.llm.stream(task.prompt.messages, task.max_tokens)
        blank = True
        for piece in strip_unknown_stream(listen(stream), task.prompt.shown):
            blank = blank and not piece.strip()
            yield piece
        finished = task.finish(said[0])
        if blank:
            yield finished.text
        return finished

    return AnswerStream(pieces())


@dataclass(frozen=True)
class _Task:
    """What is left to do where a model must answer."""

    question: str
    query: str
    hits: list[Hit]
    relevance: float | None
    llm: LLM
    prompt: Prompt
    max_tokens: int

    @classmethod
    def of(
        cls,
        question: str,
        retriever: Retriever,
        llm: LLM | None,
        options: AnswerOptions,
        history: Sequence[Message],
        query: str | None,
    ) -> "_Task | Answer":
        """The task; or the answer, if it needs no model."""
        if not question.strip():
            raise ValueError(f"question={question!r} is empty; ask something")
        query = query or question
        hits = retriever.retrieve(query, options.k)
        measure = options.relevance or _relevance_for(retriever)
        relevance = measure(query, hits) if measure else None
        if not hits or (relevance is not None and relevance < options.min_relevance):
            return _refuse(question, hits, relevance)
        if llm is None:
            extract = options.extractor.answer(query, hits)
            if not extract.text:
                return _refuse(question, hits, relevance)
            return Answer(extract.text, extract.citations, hits, NO_USAGE, False, relevance)
        prompt = fit_prompt(question, hits, options.budget_tokens, options.count, history)
        if not prompt.shown:
            budget = options.budget_tokens
            raise ValueError(f"budget_tokens={budget} leaves no room for a passage; allow more")
        return cls(question, query, hits, relevance, llm, prompt, options.max_tokens)

    def finish(self, completion: Completion) -> Answer:
        """The model's words as an answer. Only passages that it was shown can be cited."""
        text = strip_unknown(completion.text, self.prompt.shown).strip()
        refused = not text or is_refusal(text)
        text = text or refusal(self.question)
        cited = cite(text, self.query, self.hits)
        bare = [] if refused else uncited(text, len(self.hits))
        return Answer(text, cited, self.hits, completion.usage, refused, self.relevance, bare)


def _relevance_for(retriever: Retriever) -> Relevance | None:
    """By the words of the BM25Retriever that it is, or is built on; None if there is none."""
    if isinstance(retriever, BM25Retriever):
        return WordRelevance(retriever.index, retriever.chunks)
    inner = getattr(retriever, "retriever", None)
    parts = getattr(retriever, "retrievers", [] if inner is None else [inner])
    return next(filter(None, map(_relevance_for, parts)), None)


def _refuse(question: str, hits: list[Hit], relevance: float | None) -> Answer:
    return Answer(refusal(question), [], hits, NO_USAGE, True, relevance)
