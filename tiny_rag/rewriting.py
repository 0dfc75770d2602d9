"""Changing the question before the search: what a conversation or a guess adds to it.

`rewrite_query` makes "And how many moons does it have?" a question that needs no conversation
before it. `HyDE` and `Query2Doc` search with what an answer might look like, for an answer shares
more words and meaning with the passage than a question does.

Sources: Gao et al. 2022, "Precise zero-shot dense retrieval without relevance labels"
(arXiv:2212.10496), section 3; Wang, Yang and Wei 2023, "Query2doc: query expansion with large
language models" (arXiv:2303.07678), section 2. Chapter 32.

The guess comes from what the model has read in training. Of facts that it cannot know, as those
of the shipped corpus, it invents names and numbers, and the search then looks for those.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .documents import Hit
from .llm import LLM, Message
from .prompts import language
from .retrieval import DenseRetriever, Retriever, check_k

_TURN_CHARS = 300  # of one message: what it is about is said early
_LABEL = re.compile(
    r"^[\s*#]*(改写后的问题|改写后的|改写|独立的?问题|最后的问题|问题|问|"
    r"(rewritten|standalone|last|final)\s+question|question|rewritten)[\s*]*[:：][\s*]*",
    re.IGNORECASE,
)
_THOUGHT = re.compile(r"^\s*<think>.*?(</think>|\Z)", re.DOTALL)
_QUOTES = ("“”", '""', "「」", "『』", "‘’", "''", "《》")

_REWRITE = {
    "zh": "把最后的问题改写成一个不看对话也能懂的问题。只写这个问题，不要回答。"
    "\n\n对话：\n{history}\n\n最后的问题：{question}",
    "en": "Rewrite the last question so that it can be understood without the conversation. "
    "Write the question only, do not answer it."
    "\n\nConversation:\n{history}\n\nLast question: {question}",
}
_SPEAKERS = {"zh": {"user": "问", "assistant": "答"}, "en": {"user": "Q", "assistant": "A"}}
_COLON = {"zh": "：", "en": ": "}
_GUESS = {
    "zh": "写一小段百科文字来回答下面的问题。\n\n问题：{question}",
    "en": "Write a short encyclopedia passage that answers the question.\n\nQuestion: {question}",
}


def rewrite_query(
    question: str,
    history: Sequence[Message],
    llm: LLM,
    max_turns: int = 3,
    max_tokens: int = 96,
) -> str:
    """The question, with what it takes from the conversation written into it.

    history: the messages before the question, oldest first; only those of the last max_turns
    questions count, and no system message · returns one line
    The question comes back as it is if there is no history (the model is not asked), and if the
    reply is empty or far too long for a question. ValueError if max_turns is below 1.
    """
    if max_turns < 1:
        raise ValueError(f"max_turns={max_turns} must be at least 1; leave the call out instead")
    lang = language(question)
    lines = [
        f"{_SPEAKERS[lang][message['role']]}{_COLON[lang]}{_one_line(message['content'])}"
        for message in _last_turns(history, max_turns)
    ]
    if not lines:
        return question
    # one line a message: an answer with a line "Last question: ..." in it cannot pose as one
    prompt = _REWRITE[lang].format(history="\n".join(lines), question=_flat(question))
    reply = llm.complete([{"role": "user", "content": prompt}], max_tokens=max_tokens)
    rewritten = _clean(reply.text)
    return rewritten if 0 < len(rewritten) <= len(question) + _TURN_CHARS else question


@dataclass(frozen=True)
class HyDE:
    """Search near a passage that the model makes up, and near the question.

    The vector is the mean of both (the paper's equation for one guess), cut to length 1. Chunks
    come from the store, so a made-up passage can mislead the search but never the reader.
    """

    retriever: DenseRetriever
    llm: LLM
    max_tokens: int = 128

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """The k chunks nearest to that mean; nearest to the query if the model says nothing."""
        check_k(k)
        passage = guess_passage(query, self.llm, self.max_tokens)
        embedder = self.retriever.embedder
        vector = embedder.encode_query(query)
        if passage:
            vector = (vector + embedder.encode_documents([passage])[0]) / 2
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return self.retriever.nearest(vector.astype(np.float32), k)


@dataclass(frozen=True)
class Query2Doc:
    """Search for the question's words and those of a passage that the model makes up.

    For retrievers that count words. The question stands `repeat` times before the passage, or the
    many words of that would drown it.
    """

    retriever: Retriever
    llm: LLM
    repeat: int = 5
    """The paper's number for BM25."""
    max_tokens: int = 128

    def __post_init__(self) -> None:
        if self.repeat < 1:
            raise ValueError(f"repeat={self.repeat} must be at least 1; the paper has 5")

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """The k hits of the retriever for the longer query."""
        check_k(k)
        passage = guess_passage(query, self.llm, self.max_tokens)
        if not passage:
            return self.retriever.retrieve(query, k)
        return self.retriever.retrieve("\n".join([query] * self.repeat + [passage]), k)


def guess_passage(question: str, llm: LLM, max_tokens: int = 128) -> str:
    """What the model believes the answer to be, in the question's language; "" if nothing."""
    prompt = _GUESS[language(question)].format(question=question)
    reply = llm.complete([{"role": "user", "content": prompt}], max_tokens=max_tokens)
    return _THOUGHT.sub("", reply.text).strip()


def _last_turns(history: Sequence[Message], max_turns: int) -> list[Message]:
    """The messages from the max_turns-th last question on."""
    spoken = [m for m in history if m["role"] in ("user", "assistant") and m["content"].strip()]
    questions = [place for place, message in enumerate(spoken) if message["role"] == "user"]
    return spoken[questions[-max_turns] if len(questions) > max_turns else 0 :]


def _one_line(text: str) -> str:
    line = _flat(text)
    return line if len(line) <= _TURN_CHARS else line[:_TURN_CHARS] + "…"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _clean(reply: str) -> str:
    """The question of a reply: its first line, without thoughts before, label and quotes."""
    lines = [line for line in map(str.strip, _THOUGHT.sub("", reply).splitlines()) if line]
    if not lines:
        return ""
    line = _LABEL.sub("", lines[0]) or (lines[1] if len(lines) > 1 else "")
    line = line.strip("*` ")
    for opening, closing in map(tuple, _QUOTES):
        inner = line[1:-1]
        if line == f"{opening}{inner}{closing}" and not {opening, closing} & set(inner):
            line = inner.strip()
    return line
