"""The same model and the same questions in lm-evaluation-harness 0.4.13 and here.

Prompts are equal byte by byte, log-likelihoods to 1e-4, replies, scores and standard errors equal;
where we differ, a test says in what and why.
"""

import json
import os
from dataclasses import replace

import pytest

from tests.tiny_eval.tiny_folder import texts, tiny_folder

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", DISABLE_MULTIPROC="1")
lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.metrics import bootstrap_stderr, weighted_perplexity  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

from tiny_eval.local_model import LocalModel  # noqa: E402
from tiny_eval.models import Generation  # noqa: E402
from tiny_eval.run_files import PREDICTIONS, read_rows  # noqa: E402
from tiny_eval.runner import infer  # noqa: E402
from tiny_eval.scoring import score  # noqa: E402
from tiny_eval.tasks import Task  # noqa: E402

# Choices of different lengths, in two scripts, some with a common first token.
QUESTIONS = [
    ("What colour is sky?", "blue", ["blue", "green as grass", "black"]),
    ("What colour is coal?", "black", ["blue", "white", "black"]),
    ("What colour is 天空?", "蓝色", ["绿色", "蓝色", "白色的雪和天空"]),
    ("What colour is 雪?", "白色", ["red", "白色", "绿色"]),
    ("What is 1 plus 2?", "3", ["3", "12", "1 plus 2"]),
    ("What is 3 plus 4?", "7", ["7", "3", "4"]),
    ("What is 5 plus 5?", "10", ["9", "10", "11", "1"]),
    ("What is 0 plus 0?", "0", ["1", "0"]),
    ("What colour is blood? " * 14, "red", ["red", "redder than red, and " * 3]),
]
TEXTS = [
    "".join(texts(30, 5)),  # several windows, the last one short
    "Question: What is 1 plus 2?\nAnswer: 3\n\n",
    "天空的颜色是蓝色。\n 雪的颜色是白色。",
    "one",
    " leading, trailing and  double spaces ",
    "Question: What is 1 plus 2?\nAnswer: 3\n\n" * 10,  # about as many tokens as fit
]
GENERATION = {
    "until": ["\n\n", "<|im_start|>"],
    "max_gen_toks": 12,
    "do_sample": False,
    "repetition_penalty": 1.0,  # see test_what_a_folder_recommends_is_not_followed
}
ABOUT = "Answer.\n\n"
STOP = ("\n\n", "<|im_start|>")
PROMPT = "Question: {{question}}\nAnswer:"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")
    records = [
        {"question": question, "answer": answer, "choices": choices, "gold": choices.index(answer)}
        for question, answer, choices in QUESTIONS
    ]
    # Every second free answer is to be right, whatever the model says on this machine.
    prompts = [f"{ABOUT}Question: {question}\nAnswer:" for question, *_ in QUESTIONS[::2]]
    model = LocalModel(tiny_folder(), device="cpu")
    for number, reply in model.generate_until(prompts, Generation(max_tokens=12, stop=STOP)):
        records[2 * number]["answer"] = reply.text.strip()
    for name, lines in (("questions", records), ("texts", [{"text": text} for text in TEXTS])):
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(content, encoding="utf-8")
    return folder


# --- The tasks, for them and for us. ---


def theirs(place, name, shots):
    kind = name.split("-")[0]
    data = "texts" if kind == "perplexity" else "questions"
    config = {
        "task": f"{name}-{shots}",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(place / f"{data}.jsonl")},
            "cache_dir": str(place / "cache"),
        },
        "test_split": "test",
    }
    if kind == "perplexity":
        names = ["word_perplexity", "byte_perplexity", "bits_per_byte"]
        config |= {"output_type": "loglikelihood_rolling", "doc_to_text": ""}
        return config | {"doc_to_target": "{{text}}", "metric_list": [{"metric": n} for n in names]}
    config |= {"description": ABOUT, "num_fewshot": shots, "doc_to_text": PROMPT}
    config |= {"fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}}
    if kind == "generate":
        config |= {"output_type": "generate_until", "doc_to_target": "answer"}
        match = {"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}
        steps = [{"function": "remove_whitespace"}, {"function": "take_first"}]
        config |= {"filter_list": [{"name": "none", "filter": steps}]}
        return config | {"generation_kwargs": dict(GENERATION), "metric_list": [match]}
    config |= {"output_type": "multiple_choice", "doc_to_target": "gold"}
    if name == "choice-space":  # a prompt that ends with a space
        config |= {"doc_to_text": PROMPT + " ", "target_delimiter": ""}
    names = ["acc", "acc_norm"]
    return config | {"doc_to_choice": "choices", "metric_list": [{"metric": n} for n in names]}


def ours(place, name, shots, chat=False):
    kind = name.split("-")[0]
    if kind == "perplexity":
        metrics = ("word_perplexity", "byte_perplexity", "bits_per_byte")
        return Task(name, place / "texts.jsonl", "{{text}}", kind=kind, metrics=metrics)
    task = Task(
        name,
        place / "questions.jsonl",
        PROMPT,
        "gold" if kind == "choice" else "answer",
        kind=kind,
        choices="choices" if kind == "choice" else (),
        description=ABOUT,
        few_shot=shots,
        chat=chat,
        generation=Generation(max_tokens=12, stop=STOP),
        metrics=("acc", "acc_norm") if kind == "choice" else ("exact_match",),
    )
    if name == "choice-space":
        task = replace(task, prompt=PROMPT + " ", target_delimiter="")
    return task


RAW = [
    ("choice", 0),
    ("choice", 2),
    ("choice-space", 2),
    ("generate", 0),
    ("generate", 2),
    ("perplexity", 0),
]
CHAT = [("choice", 0), ("choice", 2), ("generate", 0), ("generate", 2)]
CASES = [(False, *case) for case in RAW] + [(True, *case) for case in CHAT]


def evaluated(place, size, cases, chat=False):
    """What lm-eval says. It has no look at its own tasks, which takes seconds."""
    return lm_eval.simple_evaluate(
        HFLM(str(tiny_folder()), device="cpu", dtype="float32", batch_size=size),
        tasks=cases,
        task_manager=TaskManager(include_defaults=False),
        apply_chat_template=chat,
        bootstrap_iters=2,
    )


@pytest.fixture(scope="module")
def results(place):
    """What lm-eval says: by batch size, and by whether it is a conversation."""
    return {
        (size, chat): evaluated(place, size, [theirs(place, *case) for case in cases], chat)
        for size in (1, 4)
        for chat, cases in ((False, RAW), (True, CHAT))
    }


@pytest.fixture(scope="module", params=[1, 4], ids=["one by one", "four at once"])
def size(request):
    return request.param


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def pair(request, place, results, size, tmp_path_factory):
    """Their samples and scores of a task, and our rows and scores."""
    chat, name, shots = request.param
    task = ours(place, name, shots, chat)
    model = LocalModel(tiny_folder(), device="cpu", batch_size=5 - size)
    rows = read_rows(infer(task, model, tmp_path_factory.mktemp("runs")).folder / PREDICTIONS)
    rows.sort(key=lambda row: int(row["id"]))
    found, label = results[size, chat], f"{name}-{shots}"
    samples = sorted(found["samples"][label], key=lambda sample: sample["doc_id"])
    return samples, found["results"][label], rows, score(task, rows)


# --- Equal. ---


def test_prompts_are_equal_byte_by_byte(pair):
    samples, _, rows, _ = pair
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    for sample, row in zip(samples, rows, strict=True):
        prompt = row["prompt"]
        if not isinstance(prompt, str):
            prompt = tokenizer.apply_chat_template(
                prompt, tokenize=False, add_generation_prompt=True
            )
        assert sample["arguments"][0][0] == prompt


def test_log_likelihoods_and_replies_are_equal(pair):
    samples, _, rows, _ = pair
    for sample, row in zip(samples, rows, strict=True):
        answers = [resp[0] for resp in sample["resps"]]
        if "reply" in row:
            assert answers == [row["reply"]]
            continue
        numbers = [found["total"] for found in row["loglikelihoods"]]
        if isinstance(answers[0], tuple):
            assert numbers == pytest.approx([total for total, _ in answers], abs=1e-4)
            greedy = [found["greedy"] for found in row["loglikelihoods"]]
            assert greedy == [is_greedy for _, is_greedy in answers]
        else:
            # they add up float32: a long text's sum has six digits
            assert numbers == pytest.approx(answers, abs=1e-4, rel=1e-6)


def test_scores_and_standard_errors_are_equal(pair):
    _, expected, rows, scores = pair
    assert scores.estimates
    for name, estimate in scores.estimates.items():
        assert estimate.value == pytest.approx(expected[f"{name},none"], rel=1e-6)
        stderr = expected[f"{name}_stderr,none"]
        if stderr == "N/A":  # they give none for a perplexity; see below
            assert "per" in name
        else:
            assert estimate.stderr == pytest.approx(stderr, rel=1e-9)
    assert len(rows) == scores.estimates[next(iter(scores.estimates))].n


def test_the_model_is_right_now_and_then(results):
    """Else all scores could be equal for being 0."""
    found = results[1, False]["results"]
    assert 0 < found["generate-0"]["exact_match,none"] < 1
    assert 0 < found["choice-0"]["acc,none"] + found["choice-2"]["acc,none"] < 2


def test_the_standard_error_of_a_perplexity_is_their_bootstraps(place, tmp_path):
    model = LocalModel(tiny_folder(), device="cpu")
    task = ours(place, "perplexity", 0)
    rows = read_rows(infer(task, model, tmp_path).folder / PREDICTIONS)
    pairs = [(row["loglikelihoods"][0]["total"], len(row["prompt"].encode())) for row in rows]
    expected = bootstrap_stderr(weighted_perplexity, pairs, iters=1000)
    assert score(task, rows).estimates["byte_perplexity"].stderr == pytest.approx(expected)


# --- Not equal, on purpose. ---


def test_what_a_folder_recommends_is_not_followed(place):
    """Theirs applies the folder's repetition_penalty, so that its greedy answers are not greedy."""
    config = theirs(place, "generate", 0)
    del config["generation_kwargs"]["repetition_penalty"]
    samples = evaluated(place, 9, [config])["samples"]["generate-0"]
    replies = [sample["resps"][0][0] for sample in samples]
    prompts = [sample["arguments"][0][0] for sample in samples]
    generation = Generation(max_tokens=12, stop=STOP)
    found = dict(LocalModel(tiny_folder(), device="cpu").generate_until(prompts, generation))
    assert [found[place].text for place in range(len(found))] != replies
