"""The two READMEs say the same, link to what exists, and print commands that work."""

import io
import json
import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest

import qwen_blog.cli
import tiny_agent.cli
import tiny_eval.cli
import tiny_rag.cli
import tiny_transformer.cli
from tests.exercise.catalogue import exercises
from tiny_eval import score_run

ROOT = Path(__file__).resolve().parent.parent
ENGLISH, CHINESE = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")
)

SCORES = [
    (
        "right answer and passage, of 1 passage",
        "答对并引对，1 段资料",
        "reading-{}-seen",
        "fact, 1 passage",
    ),
    ("... of 3 passages", "……3 段资料", "reading-{}-seen", "fact, 3 passages"),
    (
        "... of 3 passages, wordings never seen",
        "……3 段资料，没见过的说法",
        "reading-{}-wordings",
        "fact, 3 passages",
    ),
    ("... two hops in 3 passages", "……3 段资料，两跳", "reading-{}-seen", "two-hop, 3 passages"),
    ("refuses where the answer is absent", "没有答案时拒答", "refusals-{}", "absent"),
    ("refuses where it is there", "有答案时误拒", "refusals-{}", "fact"),
    ("agent, one step", "智能体，一步", "agent-{}", "one step"),
    ("agent, two or three steps", "智能体，两三步", "agent-{}", "two or three steps"),
    ("closed book", "闭卷", "closed-book-{}", None),
]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


def test_both_readmes_have_the_same_sections_tables_and_commands() -> None:
    for pattern in (r"^##? ", r"^\|"):
        counts = [len(re.findall(pattern, text, flags=re.M)) for text in (ENGLISH, CHINESE)]
        assert counts[0] == counts[1] > 0, pattern
    for language in ("bash", "python"):
        ours = blocks(CHINESE, language)
        assert [block.replace("/zh/", "/en/") for block in ours] == blocks(ENGLISH, language)


@pytest.mark.parametrize("name", ["README.md", "README.zh.md", "tests/benchmarks/README.md"])
def test_every_relative_link_leads_to_a_file(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text)
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert not missing


def test_the_licence_is_named_the_same_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license = "CC-BY-NC-SA-4.0"' in project
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "SPDX: CC-BY-NC-SA-4.0" in licence
    assert "Attribution-NonCommercial-ShareAlike 4.0 International" in licence
    assert all("[CC BY-NC-SA 4.0](LICENSE)" in text for text in (ENGLISH, CHINESE))


def test_the_chapter_table_lists_every_chapter_in_both_languages() -> None:
    chapters = sorted(path.stem for path in (ROOT / "notebooks" / "src").glob("[0-9]*.py"))
    for text in (ENGLISH, CHINESE):
        for language in ("en", "zh"):
            table = [line for line in text.splitlines() if re.match(r"\| \d\d \|", line)]
            links = re.findall(rf"\(notebooks/{language}/(.+?)\.ipynb\)", "\n".join(table))
            assert sorted(links) == chapters


def test_the_pictures_are_figures_of_the_chapters() -> None:
    """If not: `python notebooks/pictures.py` writes them anew."""
    pictures = runpy.run_path(str(ROOT / "notebooks" / "pictures.py"))
    for name in pictures["PICTURES"]:
        place = f"notebooks/pictures/{name}.png"
        assert (ROOT / place).read_bytes() == pictures["picture"](name), name
        assert all(f"]({place})" in text for text in (ENGLISH, CHINESE))


def test_ci_runs_the_two_commands_as_printed() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    install, test = 'pip install --quiet -e ".[test]"', "\npytest -n auto\n"
    assert 'pip install -e ".[test]" && pytest -n auto' in ENGLISH
    assert install in ci
    assert test in ci
    headless = next(line for line in ENGLISH.splitlines() if line.startswith("jupyter nbconvert"))
    assert headless in ci


def test_the_exercises_are_counted_right() -> None:
    assert f"There are {len(exercises())} exercises" in ENGLISH
    assert f"一共 {len(exercises())} 道练习" in CHINESE


def test_the_python_examples_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer, qwen, rag, agent, evaluation = blocks(ENGLISH, "python")
    exec(compile(transformer, "README.md", "exec"), {})
    shape, alignment = capsys.readouterr().out.splitlines()
    assert shape == "torch.Size([1, 3, 512])"
    assert "' million'" in alignment
    exec(compile(qwen, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "model.layers.0.self_attn.q_proj" in out
    assert len(out.splitlines()[-1].split(",")) == 8
    monkeypatch.chdir(ROOT)
    exec(compile(rag, "README.md", "exec"), {})
    assert "0.0019" in capsys.readouterr().out
    exec(compile(agent, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("50 answered")
    exec(compile(evaluation, "README.md", "exec"), {})
    rouge, chinese, signature, equal, estimate = capsys.readouterr().out.splitlines()
    assert rouge == "0.75"
    assert chinese.startswith("0.8")
    assert "tok:zh" in signature
    assert "same=True" in equal
    assert "value=0.75" in estimate


def test_the_terminal_examples_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [line for block in blocks(ENGLISH, "bash") for line in block.splitlines()]
    own = [line for line in lines if "-m qwen_blog" in line and "models/" not in line]
    # tests/qwen_blog trains and serves
    examples = [line for line in own if "runs/" not in line and " serve " not in line]
    assert (len(own), len(examples)) == (10, 5)
    monkeypatch.chdir(tmp_path)  # the exam is written there
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    for example in examples:
        argv = shlex.split(example)[3:]
        if "--help" in argv:
            with pytest.raises(SystemExit, match="0"):
                qwen_blog.cli.main(argv)
        else:
            assert qwen_blog.cli.main(argv) == 0
        assert capsys.readouterr().out


def test_the_scores_of_the_shipped_model_are_those_that_were_measured() -> None:
    """Each cell of the READMEs' table, from the file beside the weights."""
    file = ROOT / "qwen_blog" / "weights" / "tiny-qwen2" / "scores.jsonl"
    scores = {row["task"]: row for row in map(json.loads, file.read_text("utf-8").splitlines())}
    for english, chinese, task, group in SCORES:
        cells = []
        for language in ("zh", "en"):
            row = scores[task.format(language)]
            (score,) = (row["groups"][group] if group else row["metrics"]).values()
            cells.append(f"{score['value']:.0%} [{score['low']:.0%}, {score['high']:.0%}]")
        for name, text in ((english, ENGLISH), (chinese, CHINESE)):
            assert f"| {name} | {' | '.join(cells)} |" in text


def test_the_translations_are_printed_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands that train, or take a corpus, are run by tests/tiny_transformer/test_cli.py."""
    example, evaluation = (
        next(line for line in ENGLISH.splitlines() if f"-m tiny_transformer {command}" in line)
        for command in ("translate", "evaluate")
    )
    assert tiny_transformer.cli.main(shlex.split(example)[3:]) == 0
    assert f"```\n{capsys.readouterr().out}```" in ENGLISH
    assert tiny_transformer.cli.main(shlex.split(evaluation)[3:]) == 0
    assert "zh-en, held out: 200 of 200 right" in capsys.readouterr().out


def test_the_questions_to_the_encyclopedia_and_to_this_page_are_answered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the shipped model says is not judged, only that it says something."""
    for name in ("tests/benchmarks/README.md", "LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINY_MODEL", raising=False)
    lines = [line for line in ENGLISH.splitlines() if line.startswith("python -m tiny_rag")]
    examples = [line for line in lines if "http://" not in line and "--embedder" not in line]
    said = []
    for example in examples:
        assert tiny_rag.cli.main(shlex.split(example)[3:]) == 0
        said.append(capsys.readouterr().out)
    assert len(said) == 7
    assert all(text.strip() for text in said)
    for expected, found in zip(
        ("", "", "13,700", "2 documents", "LICENSE", "0.0019", "256"), said, strict=True
    ):
        assert expected in found


def test_the_evaluation_examples_print_what_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those that name a server or a model's folder are run by tests/tiny_eval/test_cli.py."""
    for path in (ROOT / "tiny_eval" / "data").glob("gaokao_answers_*.jsonl"):
        (tmp_path / "tiny_eval" / "data").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "tiny_eval" / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINY_MODEL", raising=False)
    lines = [line for line in ENGLISH.splitlines() if line.startswith("python -m tiny_eval")]
    said = []
    for line in lines:
        if "http://" in line or "models/" in line:
            continue
        words = shlex.split(line)[3:]
        found = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
        assert tiny_eval.cli.main([word for each in found for word in each]) == 0
        said.append(capsys.readouterr().out)
    expected = ("gsm8k", "f1", "acc_norm", "100.0%", "66", "", "sloppy by 0.476", "gaokao.html")
    assert len(said) == len(expected)
    assert all(word in out for word, out in zip(expected, said, strict=True))
    points = said[5][said[5].index("Points:") :].partition("77 of 150")[0]
    assert f"```\n{points}```" in ENGLISH
    page = Path("runs/gaokao.html").read_text(encoding="utf-8")
    assert "<svg" in page


def test_the_task_of_ones_own_works_as_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    [task] = blocks(ENGLISH, "yaml")
    assert blocks(CHINESE, "yaml") == [task]
    (tmp_path / "lost.yaml").write_text(task, encoding="utf-8")
    (tmp_path / "lost.jsonl").write_text('{"id": "1", "question": "?", "answers": ["a", "b"]}\n')
    assert tiny_eval.cli.main(["run", "--task", "lost.yaml", "--model", "gold"]) == 0
    [run] = (tmp_path / "runs" / "lost").iterdir()
    assert score_run(run).estimates["f1"].value == 1


def test_the_agent_examples_print_what_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those that name a server or a model's folder are run by tests/tiny_agent/test_cli.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINY_MODEL", raising=False)
    lines = [line for line in ENGLISH.splitlines() if line.startswith("python -m tiny_agent")]
    examples = [line for line in lines if "http://" not in line and "models/" not in line]
    said = []
    for example in examples:
        assert tiny_agent.cli.main(shlex.split(example)[3:]) == 0
        said.append(capsys.readouterr().out)
    assert len(said) == 6
    assert all(text.strip() for text in said)  # of the shipped model not judged, but answered
    for expected, found in zip(("", "734.6", "441", "same", "", "success"), said, strict=True):
        assert expected in found
    assert list(tmp_path.glob("**/*.html"))
