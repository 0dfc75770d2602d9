"""Every command that a chapter prints runs as it is printed, on a desk laid for it.

Exchanged are only the address of a server, for that of one started here, and what each reader has
of their own (a real model's folder, files), for something small of the same name. What trains for
minutes or never ends is only parsed here; `PARSED_ONLY` says where it is tested.
"""

import importlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.exercise.__main__ as exercise
import tiny_agent.cli
from qwen_blog.commands import UNTRAINED, load_model, load_tokenizer
from tests.tiny_agent.stub_server import StubServer, say
from tests.tiny_eval.tiny_folder import make_folder

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "notebooks" / "src").glob("[0-9]*.py"))
PACKAGES = ("qwen_blog", "tiny_agent", "tiny_eval", "tiny_rag", "tiny_transformer")
SERVERS = r"http://127\.0\.0\.1:(8000|8001|11434)/v1"
PARSED_ONLY = (
    "-m tiny_transformer train",
    "-m tiny_transformer evaluate --task numerals",
    "-m qwen_blog train",
    "-m qwen_blog serve",
)
"""Their tests are tests/tiny_transformer/test_cli.py, tests/test_readme.py (fewer numerals),
tests/qwen_blog/test_training.py and test_serve_command.py."""
ELSEWHERE = {
    "pytest": "tests/test_exercise.py",
    "$EDITOR": "the reader",
    "torchrun": "tests/qwen_blog/test_distributed.py",
    "pip": "nobody: needs the network",
    "vllm": "nobody: needs a GPU and weights",
    "docker": "nobody: needs the network",
}
"""First words of all other commands, and what has run them; chapters say which were not run."""


def prose(chapter: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of every prose cell."""
    for cell in re.split(r"^# %%", chapter.read_text("utf-8"), flags=re.M):
        head, _, body = cell.partition("\n")
        if found := re.fullmatch(r' \[markdown\] lang="(zh|en)"', head):
            yield found[1], re.sub(r"^# ?", "", body, flags=re.M)


def commands(chapter: Path, language: str) -> list[str]:
    """In the order of the page: lines of ```bash blocks, and `python -m ...` within the text."""
    text = "\n".join(text for each, text in prose(chapter) if each == language)
    text = text.replace("\\\n", " ")
    pattern = r"^```bash\n(.*?)^```|`(python -m (?:tiny_|qwen_|tests)[^`\n]+)`"
    found = re.findall(pattern, text, flags=re.M | re.S)
    lines = [line.strip() for block, inline in found for line in (block or inline).splitlines()]
    return list(dict.fromkeys(line for line in lines if line))


PRINTED = {
    path.stem: list(dict.fromkeys(commands(path, "zh") + commands(path, "en"))) for path in CHAPTERS
}
"""By chapter; what both languages print runs once."""


def test_commands_are_found() -> None:
    """Of a page that holds both kinds; a pattern that finds nothing would pass all else."""
    found = PRINTED["51_metrics"]
    assert "python -m tiny_eval list" in found
    assert "python -m tests.exercise --hint token_f1" in found
    assert sum(map(len, PRINTED.values())) > 80


def answer(exchange: Any) -> None:
    """Of the server: a mark of 1 for each step that is to be marked, else always 7."""
    steps = re.findall(r"共 (\d+) 个数", exchange.request.body["messages"][-1]["content"])
    marks = json.dumps({"points": [1] * int(steps[0])}) if steps else ""
    say(marks or "Final Answer: 7")(exchange)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what readers are expected to have of their own."""
    desk = tmp_path_factory.mktemp("desk")
    model = desk / "models" / "Qwen2.5-0.5B"
    make_folder(model)
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    shutil.copytree(model, desk / "models" / "Qwen2.5-0.5B-Instruct")
    for part in (load_model(UNTRAINED, None), load_tokenizer(UNTRAINED)):
        part.save_pretrained(desk / "runs" / "nano" / "model")
    weights = ROOT / "tiny_transformer" / "weights" / "numerals"
    shutil.copytree(weights, desk / "runs" / "de-en")
    ship = "# The Blue Thimble\n\nThe Blue Thimble is 41 metres long.\n"
    for folder in ("docs", "FOLDER", "文件夹"):
        (desk / folder).mkdir()
        (desk / folder / "ship.md").write_text(ship, "utf-8")
    for paper in ("paper.pdf", "论文.pdf"):
        shutil.copy(next((ROOT / "tiny_rag" / "data").rglob("*.pdf")), desk / paper)
    kept = ["What is 18% of 2450?", "--model", "rules", "--trace", str(desk / "run.jsonl")]
    assert tiny_agent.cli.main(kept) == 0
    asked = {"id": "1", "question": "How long is the Blue Thimble?", "answers": ["41 metres"]}
    for name in ("questions.jsonl", "题目.jsonl"):
        (desk / name).write_text(json.dumps(asked | {"evidence": ["41 metres long"]}), "utf-8")
    (desk / "test.de").write_text("十二\n三百\n", "utf-8")
    (desk / "test.tsv").write_text("十二\ttwelve\n三百\tthree hundred\n", "utf-8")
    (desk / "lost.yaml").write_text(
        'data: lost.jsonl\nkind: choice\nprompt: "{{item}} -"\nchoices: choices\ntarget: answer\n'
        "metrics: [acc]\n"
    )
    (desk / "exam.yaml").write_text(
        "data: exam.jsonl\nchat: true\nprompt: question\ntarget: answer\n"
        "filters: [last_number]\nmetrics: [number_match]\ngroup_by: kind\n"
    )
    sum_ = {"id": "sum-1", "kind": "work out", "question": "3 + 4 = ?", "answer": "7"}
    (desk / "exam.jsonl").write_text(json.dumps(sum_) + "\n")
    (desk / "RAG.jsonl").write_text(json.dumps({"id": "sum-1", "reply": "It is 7 [1]."}) + "\n")
    lost = {"item": "red scarf", "choices": ["bridge", "mill"], "answer": "mill"}
    (desk / "lost.jsonl").write_text(json.dumps(lost) + "\n")
    choice = "1. 设 $a=1$，则（ ）\nA. $1$\nB. $2$\nC. $3$\nD. $4$\n"
    record = {"year": "2019", "category": "（新课标ⅰ）", "index": 0, "score": 5}
    example = [record | {"question": choice, "answer": ["A"]}]
    (desk / "2010-2022_Math_I_MCQs.json").write_text(json.dumps({"example": example}))
    return desk


@pytest.mark.parametrize("chapter", PRINTED)
def test_the_commands_of_a_chapter_run(
    chapter: str,
    desk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(shutil.copytree(desk, tmp_path / "desk"))
    monkeypatch.delenv("TINY_API_KEY", raising=False)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    with StubServer([answer] * 1000) as server:
        monkeypatch.setenv("TINY_MODEL", server.url)
        for command in PRINTED[chapter]:
            words = shlex.split(re.sub(SERVERS, server.url, command), comments=True)
            if words[0] not in ELSEWHERE:
                assert run(words) == 0, (command, capsys.readouterr().err)


def run(words: list[str]) -> int:
    """The exit code of `python -m MODULE ...`, within this process."""
    assert words[:2] == ["python", "-m"], f"what runs {shlex.join(words)}? Say so in ELSEWHERE"
    module, *argv = words[2:]
    if ">" in argv:
        argv = argv[: argv.index(">")]
    argv = [path for word in argv for path in _paths(word)]
    if module == "tests.exercise":
        return exercise.main(argv)
    assert module in PACKAGES, module
    cli = importlib.import_module(f"{module}.cli")
    if f"-m {shlex.join([module, *argv])}".startswith(PARSED_ONLY) or "path/to" in " ".join(argv):
        return 0 if cli.build_parser().parse_args(argv) else 1
    return int(cli.main(argv))


def _paths(word: str) -> list[str]:
    """runs/TASK/...: a run of the task; runs/TASK/*: all of them, as a shell would have it."""
    if not word.endswith(("/...", "/*")):
        return [word]
    runs = sorted(map(str, Path(word).parent.iterdir()))
    return runs if word.endswith("*") else runs[-1:]
