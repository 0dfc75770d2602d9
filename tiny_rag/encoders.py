"""Learned embeddings: a sentence-transformers model on this machine, or any OpenAI-like server.

Both put texts of one meaning near each other, in the languages they were trained on; a model that
cannot read the corpus does worse than no model (chapter 32 measures it). Neither ever downloads.

Sources: Reimers & Gurevych 2019 (arXiv:1908.10084) for sentence embeddings; OpenAI's API reference,
"Create embeddings", for the protocol, which vLLM, Ollama, DashScope and others speak too.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .documents import content_hash
from .embeddings import check_texts, progress_bar, unit_rows
from .model_folders import check_place, not_loaded

if TYPE_CHECKING:
    from openai import APIError
    from sentence_transformers import SentenceTransformer


class EmbeddingServerError(RuntimeError):
    """The server was out of reach, refused, or answered what no vectors can be read from."""


class SentenceTransformerEmbedder:
    """A sentence-transformers model: a folder, or the name of a model that was downloaded before.

    device: "auto" takes a GPU if there is one; else as torch names it: "cpu", "cuda:1", "mps"
    query_prompt, document_prompt: put before each text; None = what the model's own configuration
    says. Some models were trained with a prompt that their configuration lacks: E5 with "query: "
    and "passage: ", BGE in its Chinese versions with an instruction before queries
    FileNotFoundError if the model is not on this machine; ValueError if it cannot be loaded
    """

    def __init__(
        self,
        model: str | Path,
        device: str = "auto",
        batch_size: int = 32,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
    ) -> None:
        _check_batch_size(batch_size)
        self._model = _load(model, device)
        self._batch_size = batch_size
        self._query_prompt, self._document_prompt = query_prompt, document_prompt
        name = _fingerprint(Path(model)) if Path(model).is_dir() else str(model)
        self.model_id = f"st:{name}{_prompt_tag(document_prompt)}"
        self.dim = self._model.get_embedding_dimension() or len(self._encode_query("dimension"))

    @property
    def max_tokens(self) -> int | None:
        """Tokens (the model's own) after which it reads no further; None if there is no limit."""
        limit = self._model.max_seq_length
        return limit if isinstance(limit, int) else None  # some say infinity

    def encode_documents(self, texts: Sequence[str], progress: bool = False) -> np.ndarray:
        """texts: N of them · returns (N, dim) float32, rows of length 1, or 0 if blank."""
        check_texts(texts)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        filled = _filled(texts)
        if filled:
            found = self._model.encode_document(
                [_well_formed(texts[i]) for i in filled],
                prompt=self._document_prompt,
                batch_size=self._batch_size,
                show_progress_bar=progress and sys.stderr.isatty(),
            )
            vectors[filled] = unit_rows(np.asarray(found), filled)
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        """(dim,) float32, of length 1, or 0 if the text is blank."""
        if not text.strip():
            return np.zeros(self.dim, np.float32)
        return unit_rows(self._encode_query(text)[None], [0])[0]

    def unknown_share(self, texts: Sequence[str]) -> float:
        """The share of the texts' tokens that the model has no entry for, in [0, 1].

        Over 0.1 it cannot read the corpus: an English vocabulary on Chinese. 0 proves nothing: a
        vocabulary of bytes spells any language, known or not.
        """
        check_texts(texts)
        tokenizer = getattr(self._model, "tokenizer", None)
        if not callable(tokenizer) or tokenizer.unk_token_id is None:
            return 0.0
        rows = [_well_formed(text) for text in texts] or [""]
        found = tokenizer(rows, add_special_tokens=False, verbose=False)["input_ids"]
        tokens = list(chain.from_iterable(found))
        return tokens.count(tokenizer.unk_token_id) / max(len(tokens), 1)

    def _encode_query(self, text: str) -> np.ndarray:
        found = self._model.encode_query(
            _well_formed(text), prompt=self._query_prompt, show_progress_bar=False
        )
        return np.asarray(found)


class OpenAIEmbedder:
    """Vectors from a server that speaks OpenAI's protocol: POST base_url/embeddings.

    base_url: "http://127.0.0.1:11434/v1", ...; None = $OPENAI_BASE_URL, else OpenAI itself
    api_key: None = $OPENAI_API_KEY; a server on your own machine needs none
    dimensions: ask for shorter vectors (only some models can); None = as long as the model's are
    batch_size: texts a request; some services take no more than 10
    timeout_s: the longest silence of the server · retries: of a request that may yet succeed (it
    was too much or too early, the server failed or fell silent, its answer was cut off), after
    0.5 s, 1 s, 2 s ..., or when the server says
    query_prompt, document_prompt: put before each text, as the model was trained
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        batch_size: int = 64,
        timeout_s: float = 60.0,
        retries: int = 4,
        query_prompt: str = "",
        document_prompt: str = "",
    ) -> None:
        from openai import OpenAI

        _check_batch_size(batch_size)
        base_url = base_url or os.environ.get("OPENAI_BASE_URL")
        api_key = api_key or os.environ.get("OPENAI_API_KEY")
        if not api_key and not base_url:
            raise ValueError(
                "no key for api.openai.com: set OPENAI_API_KEY; or for another server "
                "OPENAI_BASE_URL or base_url, as http://127.0.0.1:11434/v1"
            )
        self._client = OpenAI(api_key=api_key or "none", base_url=base_url, timeout=timeout_s)
        self._model, self._dimensions, self._dim = model, dimensions, dimensions
        self._batch_size, self._retries = batch_size, retries
        self._query_prompt, self._document_prompt = query_prompt, document_prompt
        size = f":{dimensions}" if dimensions else ""
        self.model_id = f"openai:{model}{size}{_prompt_tag(document_prompt)}"

    @property
    def dim(self) -> int:
        """The length of a vector; while nothing was embedded yet, a request finds it out."""
        return self._dim or self._ask(["dimension"], [0]).shape[1]

    def encode_documents(self, texts: Sequence[str], progress: bool = False) -> np.ndarray:
        """texts: N of them · returns (N, dim) float32, rows of length 1, or 0 if blank.

        EmbeddingServerError when the retries are used up, or none could help
        """
        check_texts(texts)
        return self._encode(texts, self._document_prompt, progress)

    def encode_query(self, text: str) -> np.ndarray:
        """(dim,) float32, of length 1, or 0 if the text is blank. Errors as for documents."""
        return self._encode([text], self._query_prompt, False)[0]

    def _encode(self, texts: Sequence[str], prompt: str, progress: bool) -> np.ndarray:
        filled = _filled(texts)  # the protocol refuses an empty text, and with it the batch
        starts = range(0, len(filled), self._batch_size)
        blocks = []
        for start in progress_bar(starts, progress, " batches"):
            rows = filled[start : start + self._batch_size]
            blocks.append(self._ask([prompt + _well_formed(texts[i]) for i in rows], rows))
        vectors = np.zeros((len(texts), self.dim), np.float32)
        if blocks:
            vectors[filled] = np.concatenate(blocks)
        return vectors

    def _ask(self, batch: list[str], numbers: list[int]) -> np.ndarray:
        """The vectors of one batch, (N, dim) float32. numbers: of its texts, for the errors."""
        where = f"{self._client.base_url} on texts {numbers[0]} to {numbers[-1]}"
        left = self._retries
        while True:
            body, retries = self._post(batch, left, where)
            try:
                vectors = unit_rows(read_answer(body, len(batch)), numbers)
                break
            except ValueError as error:  # cut off on its way, or a server gone wrong for a moment
                left -= retries + 1
                if left < 0:
                    raise EmbeddingServerError(f"{where}: {error}") from error
                time.sleep(0.5 * 2 ** (self._retries - left - 1))
        dim = vectors.shape[1]
        if dim != (self._dim or dim):
            raise EmbeddingServerError(
                f"{where}: vectors of {dim} numbers came back, not of {self._dim}: leave out "
                "dimensions, or index again if the server has another model now"
            )
        self._dim = dim
        return vectors

    def _post(self, batch: list[str], max_retries: int, where: str) -> tuple[str, int]:
        """The body of the answer, and how many retries it took."""
        import openai

        client = self._client.with_options(max_retries=max_retries)
        try:
            answer = client.embeddings.with_raw_response.create(
                model=self._model,
                input=batch,
                dimensions=self._dimensions or openai.omit,
                encoding_format="float",  # base64 is shorter, but not every server knows it
            )
            return answer.text, answer.retries_taken
        except openai.APIError as error:
            raise EmbeddingServerError(f"{where}: {_remedy(error)}") from error


def read_answer(body: str, count: int) -> np.ndarray:
    """The vectors of a server's answer, in the order of the texts: (count, dim) float64.

    body: the JSON; its vectors come in any order, with the index of their text
    ValueError says what is wrong with it
    """
    try:
        items = json.loads(body)["data"]
        rows = {item["index"]: item["embedding"] for item in items}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"the answer is no list of embeddings: {body[:200]!r}") from None
    if len(items) != count or set(rows) != set(range(count)):
        raise ValueError(f"{len(items)} vectors of {len(rows)} texts came back for {count} texts")
    try:
        vectors = np.array([rows[i] for i in range(count)], np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("a vector is no list of numbers, or longer than another") from None
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise ValueError(f"vectors without numbers came back: {body[:200]!r}")
    return vectors


def _remedy(error: "APIError") -> str:
    """What the server said, and what can be done about it."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return "no answer in time; raise timeout_s or make batch_size smaller"
    if isinstance(error, openai.APIConnectionError):
        return (
            f"no connection ({error.__cause__}); does the server run, and is its URL right "
            "(base_url, OPENAI_BASE_URL)?"
        )
    remedies = {
        400: "a text too long, or more texts than the service takes: make batch_size smaller",
        401: "check api_key or OPENAI_API_KEY",
        404: "check the name of the model, and whether base_url ends in /v1",
        429: "wait, or raise retries",
    }
    status = error.status_code if isinstance(error, openai.APIStatusError) else 0
    return f"{error.message[:300]}; {remedies.get(status, 'see the log of the server')}"


def _load(model: str | Path, device: str) -> "SentenceTransformer":
    kind = "a sentence-transformers model"
    check_place(model, kind)
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # it is drawn even where nobody looks
    try:
        return SentenceTransformer(
            str(model), device=None if device == "auto" else device, local_files_only=True
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise not_loaded(model, kind, error) from error
    finally:
        if shown:
            logging.enable_progress_bar()


def _fingerprint(folder: Path) -> str:
    """The folder's name and 16 hex digits of what decides its vectors: sizes, and both ends.

    The ends are enough: a model trained further has other weights everywhere.
    """
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(folder.rglob("*")):
        if file.suffix in {".json", ".txt", ".model", ".safetensors", ".bin"}:
            size = file.stat().st_size
            digest.update(f"{file.relative_to(folder).as_posix()} {size}\n".encode())
            with file.open("rb") as stream:
                digest.update(stream.read(65536))
                stream.seek(max(size - 65536, 0))
                digest.update(stream.read(65536))
    return f"{folder.resolve().name}-{digest.hexdigest()}"


def _prompt_tag(document_prompt: str | None) -> str:
    """Part of the model id: with another prompt, the same document has another vector."""
    return f":{content_hash(document_prompt)[:8]}" if document_prompt else ""


def _filled(texts: Sequence[str]) -> list[int]:
    """The places of the texts that are not blank."""
    return [i for i, text in enumerate(texts) if text.strip()]


def _well_formed(text: str) -> str:
    """Half a surrogate pair, as broken PDFs give, becomes U+FFFD: JSON and tokenizers refuse it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1; 32 is a good start")
