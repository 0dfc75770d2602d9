"""A retrieval-augmented generation pipeline from scratch. Chapters 31, 32, 33."""

from .backends import OpenAILLM, TransformersLLM
from .bm25 import BM25Index
from .chunking import TokenChunker
from .citations import Citation, parse_citations
from .counting import TokenizerCounter, count_tokens
from .documents import Chunk, Document, Hit, Problem, load_path
from .embeddings import Embedder, HashEmbedder
from .encoders import OpenAIEmbedder, SentenceTransformerEmbedder
from .evaluation import evaluate_answers, evaluate_retrieval
from .evidence import find_evidence
from .extractive import ExtractiveAnswerer
from .faiss_store import FaissStore
from .generation import Answer, AnswerOptions, answer, stream_answer
from .generations import IndexDamaged
from .index import Index, IndexReport
from .llm import LLM, Completion, LLMError, ScriptedLLM, Usage
from .one_writer import one_writer
from .prompts import build_prompt
from .questions import Question, read_questions
from .rerank import CrossEncoderJudge, CrossEncoderReranker
from .retrieval import (
    MMR,
    BM25Retriever,
    DenseRetriever,
    HybridRetriever,
    Retriever,
    reciprocal_rank_fusion,
)
from .rewriting import HyDE, rewrite_query
from .stats import bootstrap_interval, paired_randomisation_test
from .store import VectorStore
from .terms import tokenize

__all__ = [
    "LLM",
    "MMR",
    "Answer",
    "AnswerOptions",
    "BM25Index",
    "BM25Retriever",
    "Chunk",
    "Citation",
    "Completion",
    "CrossEncoderJudge",
    "CrossEncoderReranker",
    "DenseRetriever",
    "Document",
    "Embedder",
    "ExtractiveAnswerer",
    "FaissStore",
    "HashEmbedder",
    "Hit",
    "HyDE",
    "HybridRetriever",
    "Index",
    "IndexDamaged",
    "IndexReport",
    "LLMError",
    "OpenAIEmbedder",
    "OpenAILLM",
    "Problem",
    "Question",
    "Retriever",
    "ScriptedLLM",
    "SentenceTransformerEmbedder",
    "TokenChunker",
    "TokenizerCounter",
    "TransformersLLM",
    "Usage",
    "VectorStore",
    "answer",
    "bootstrap_interval",
    "build_prompt",
    "count_tokens",
    "evaluate_answers",
    "evaluate_retrieval",
    "find_evidence",
    "load_path",
    "one_writer",
    "paired_randomisation_test",
    "parse_citations",
    "read_questions",
    "reciprocal_rank_fusion",
    "rewrite_query",
    "stream_answer",
    "tokenize",
]
