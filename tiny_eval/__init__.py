"""Metrics that agree with the field, and a harness with error bars. Chapters 51, 52, 53."""

from .agreement import cohen_kappa, quadratic_kappa
from .answers import classification_score, edit_similarity, exact_match, number_match, token_f1
from .bleu import BLEU, corpus_bleu, sentence_bleu
from .choice_letter import choice_letter, choice_letters
from .choices import find_task, make_model
from .chrf import corpus_chrf, sentence_chrf
from .comparison import compare_all, compare_runs
from .equivalence import equivalent
from .filters import apply_filters, make_filter
from .gaokao import grade, grade_paper
from .judge import judge_pairs, judge_rubric
from .judge_runs import judge_run
from .likelihood import choose, expected_calibration_error, perplexity
from .local_model import LocalModel
from .metrics import METRICS, Item, Metric
from .models import (
    Failure,
    Generation,
    Loglikelihood,
    Message,
    Model,
    ModelError,
    Prompt,
    Reply,
)
from .ngram import NgramModel
from .openai_model import OpenAIModel
from .paired_tests import compare, holm, verdict
from .pass_at_k import pass_all_k, pass_at_k
from .records import read_records
from .report import markdown
from .report_page import page
from .rouge import Rouge, rouge_l, rouge_l_longbench, rouge_lsum, rouge_n
from .runner import infer
from .scoring import Scores, score, score_run
from .scripted import ScriptedModel
from .stats import Estimate, bootstrap_estimate, mean_estimate, questions_needed
from .tasks import Doc, Task, load_task
from .text import characters, words_of_jieba

__all__ = [
    "BLEU",
    "METRICS",
    "Doc",
    "Estimate",
    "Failure",
    "Generation",
    "Item",
    "LocalModel",
    "Loglikelihood",
    "Message",
    "Metric",
    "Model",
    "ModelError",
    "NgramModel",
    "OpenAIModel",
    "Prompt",
    "Reply",
    "Rouge",
    "Scores",
    "ScriptedModel",
    "Task",
    "apply_filters",
    "bootstrap_estimate",
    "characters",
    "choice_letter",
    "choice_letters",
    "choose",
    "classification_score",
    "cohen_kappa",
    "compare",
    "compare_all",
    "compare_runs",
    "corpus_bleu",
    "corpus_chrf",
    "edit_similarity",
    "equivalent",
    "exact_match",
    "expected_calibration_error",
    "find_task",
    "grade",
    "grade_paper",
    "holm",
    "infer",
    "judge_pairs",
    "judge_rubric",
    "judge_run",
    "load_task",
    "make_filter",
    "make_model",
    "markdown",
    "mean_estimate",
    "number_match",
    "page",
    "pass_all_k",
    "pass_at_k",
    "perplexity",
    "quadratic_kappa",
    "questions_needed",
    "read_records",
    "rouge_l",
    "rouge_l_longbench",
    "rouge_lsum",
    "rouge_n",
    "score",
    "score_run",
    "sentence_bleu",
    "sentence_chrf",
    "token_f1",
    "verdict",
    "words_of_jieba",
]
