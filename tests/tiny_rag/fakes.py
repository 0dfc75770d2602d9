"""Stand-ins that tests share: a chunk of any text, and a retriever that was told its answer."""

from collections.abc import Sequence

from tiny_rag.documents import Chunk, Document, Hit


def chunk(text: str, source: str | None = None, **metadata: object) -> Chunk:
    """The one chunk of a document of this text, and of a file named for it."""
    source = source or f"{text.split()[0]}.md"
    document = Document.of(text, {"source": source})
    name = Document.of(source + text, {}).id  # the same text in two files is two chunks
    whole = Chunk.of(document, 0, len(text), {"source": source, **metadata})
    return Chunk(name, whole.doc_id, text, 0, len(text), whole.metadata)


class FixedRetriever:
    """Finds the same chunks whatever is asked; scores fall from 1."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self.asked: list[tuple[str, int]] = []

    def retrieve(self, query: str, k: int) -> list[Hit]:
        self.asked.append((query, k))
        return [Hit(chunk, 1 / rank) for rank, chunk in enumerate(self.chunks[:k], start=1)]
