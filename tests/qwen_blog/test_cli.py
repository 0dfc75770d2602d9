"""The command line: what a person types, what comes out, and with which exit code."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qwen_blog import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Tokenizer, commands, generate
from qwen_blog.cli import main

TEXT = "the red star and the blue star"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as a user has one, with random weights."""
    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config.nano())
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.1)
    model.save_pretrained(path)
    Tokenizer.train([TEXT, "你好，世界"], vocab_size=270).save_pretrained(path)
    return path


@pytest.fixture(autouse=True)
def no_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINY_MODEL", raising=False)


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    return code, *capsys.readouterr()


def test_generate_streams_the_same_text_as_the_library(folder, capsys) -> None:
    code, out, err = run(
        capsys, "generate", "--model", folder, TEXT, "--max-new-tokens", 12, "--device", "cpu"
    )
    model, tokenizer = Qwen2ForCausalLM.from_pretrained(folder), Tokenizer.from_pretrained(folder)
    config = GenerationConfig(max_new_tokens=12)
    reply = generate(model.eval(), [tokenizer.encode(TEXT)], config, tokenizer)[0]
    assert (code, out, err) == (0, reply.text + "\n", "")


def test_generate_as_json_counts_tokens(folder, capsys) -> None:
    _, out, _ = run(capsys, "generate", "--model", folder, TEXT, "--max-new-tokens", 5, "--json")
    row = json.loads(out)
    assert row["completion_tokens"] == 5
    assert row["prompt_tokens"] == len(Tokenizer.from_pretrained(folder).encode(TEXT))
    assert row["finish_reason"] == "length"


def test_the_same_seed_repeats_a_sampled_reply_and_another_does_not(folder, capsys) -> None:
    base = ("generate", "--model", folder, TEXT, "--temperature", 1, "--seed")
    replies = [run(capsys, *base, seed)[1] for seed in (1, 1, 2)]
    assert replies[0] == replies[1] != replies[2]


def test_the_prompt_may_come_from_standard_input(folder, capsys, monkeypatch) -> None:
    direct = run(capsys, "tokenize", "--model", folder, TEXT)
    monkeypatch.setattr(sys, "stdin", io.StringIO(TEXT))
    assert run(capsys, "tokenize", "--model", folder, "-") == direct


def test_tokenize_shows_ids_texts_and_the_bytes_of_half_characters(capsys) -> None:
    _, out, _ = run(capsys, "tokenize", "--model", "untrained", "a你<|im_end|>")
    assert [line.split(maxsplit=1)[1] for line in out.splitlines()] == [
        '"a"',
        "e4",
        "bd",
        "a0",
        '"<|im_end|>"',
    ]
    _, plain, _ = run(capsys, "tokenize", "--model", "untrained", "<|im_end|>", "--plain", "--json")
    rows = [json.loads(line) for line in plain.splitlines()]
    assert "".join(row["text"] for row in rows) == "<|im_end|>"
    assert len(rows) == 10


def test_chat_remembers_until_reset_and_survives_a_full_context(
    folder, capsys, monkeypatch
) -> None:
    seen: list[str] = []
    render = Tokenizer.render_chat

    def spy(self, messages, *rest):
        seen.append(" ".join(message["role"] for message in messages))
        return render(self, messages, *rest)

    monkeypatch.setattr(Tokenizer, "render_chat", spy)
    lines = ["hello", "again", "/reset", "", "x" * 5000, "new", "/exit", "never"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    code, out, err = run(capsys, "chat", "--model", folder, "--system", "s", "--max-new-tokens", 3)
    first = "system user"
    assert seen == [first, f"{first} assistant user", first, first]
    assert (code, len(out.splitlines())) == (0, 3)
    assert "the context 2048" in err


def test_trace_prints_the_table_and_json_rows_of_the_same_steps(folder, capsys) -> None:
    argv = ("trace", "--model", folder, TEXT, "--within", "model.layers.0", "--path")
    table = run(capsys, *argv)[1].splitlines()
    rows = [json.loads(line) for line in run(capsys, *argv, "--json")[1].splitlines()]
    assert len(table) == len(rows) + 1
    assert rows[0]["module"] == "model.layers.0.input_layernorm"
    assert rows[0]["dtype"] == "float32"
    assert all(row["on_path"] for row in rows)


def test_trace_draws_a_picture_file(folder, capsys, tmp_path) -> None:
    picture = tmp_path / "journey.png"
    assert run(capsys, "trace", "--model", folder, TEXT, "--picture", picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_convert_writes_a_folder_that_loads_to_the_same_numbers(folder, capsys, tmp_path) -> None:
    out = tmp_path / "half"
    argv = ("convert", "--model", folder, "--out", out, "--dtype", "bfloat16")
    assert run(capsys, *argv, "--max-shard-gb", "0.001")[0] == 0
    assert len(list(out.glob("*.safetensors"))) > 1
    before, after = (Qwen2ForCausalLM.from_pretrained(path) for path in (folder, out))
    assert after.dtype == torch.bfloat16
    for name, value in before.state_dict().items():
        assert torch.equal(value.bfloat16(), after.state_dict()[name])
    assert run(capsys, "tokenize", "--model", out, TEXT) == run(
        capsys, "tokenize", "--model", folder, TEXT
    )


def test_convert_into_the_folder_itself_is_refused(folder, capsys) -> None:
    code, _, err = run(capsys, "convert", "--model", folder, "--out", folder)
    assert code == 1
    assert "name another folder" in err


@pytest.mark.parametrize("there", ["file", "model"])
def test_convert_overwrites_nothing(folder, capsys, tmp_path, there: str) -> None:
    out = tmp_path / "out"
    if there == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "config.json").write_text("mine")
    code, _, err = run(capsys, "convert", "--model", folder, "--out", out)
    assert (code, "is there already" in err) == (1, True)
    assert (out if there == "file" else out / "config.json").read_text() == "mine"


def test_the_environment_names_a_default_model(folder, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TINY_MODEL", str(folder))
    assert run(capsys, "tokenize", TEXT) == run(capsys, "tokenize", "--model", folder, TEXT)


def test_without_any_model_the_error_names_the_three_ways(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(commands.resources, "files", lambda package: tmp_path)  # nothing shipped
    code, out, err = run(capsys, "generate", TEXT)
    assert (code, out) == (1, "")
    assert "--model FOLDER" in err
    assert "TINY_MODEL" in err
    assert "untrained" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("generate", "--model", "no/such/folder", "x"), "no/such/folder"),
        (("generate", "--model", "untrained", ""), "prompt 0 is empty"),
        (("generate", "--model", "untrained", "x", "--top-p", "0"), "top_p=0.0"),
        (("trace", "--model", "untrained", ""), "empty"),
        (("trace", "--model", "untrained", "x", "--device", "mps"), "--device mps: torch finds"),
        (("generate", "--model", "untrained", "x", "--stop", ""), "not empty"),
        (("convert", "--model", "untrained", "--out", "x", "--max-shard-gb", "0"), "max-shard-gb"),
        (("trace", "--model", "untrained", "x", "--within", "layers.0"), "model.layers.0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(capsys, argv: tuple, message: str) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (1, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize("argv", [(), ("sing",), ("generate",), ("trace", "x", "--dtype", "int3")])
def test_wrong_usage_is_exit_code_2(capsys, argv: tuple) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(list(argv))
    assert exit_.value.code == 2


def test_python_m_qwen_blog_works_and_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m qwen_blog trace --model untrained hello | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.split()[:3] == ["#", "module", "op"]
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_variable_that_names_no_folder_is_called_by_its_name(monkeypatch, capsys) -> None:
    monkeypatch.setenv("TINY_MODEL", "http://localhost:8000/v1")
    code, _, err = run(capsys, "tokenize", "a")
    assert code == 1
    assert "TINY_MODEL=http://localhost:8000/v1 is no folder: give --model FOLDER" in err


def test_exam_writes_questions_and_prints_their_folder(tmp_path, capsys) -> None:
    code, out, _ = run(capsys, "exam", "--out", tmp_path / "exam", "--questions", 1, "--tasks", 1)
    assert (code, out) == (0, f"{tmp_path / 'exam'}\n")
    lines = (tmp_path / "exam" / "reading-en-seen.jsonl").read_text("utf-8").splitlines()
    assert len({json.loads(line)["skill"] for line in lines}) == len(lines) == 6
    assert (tmp_path / "exam" / "agent-tasks.jsonl").is_file()


@pytest.mark.parametrize("option", ["--questions", "--tasks"])
def test_an_exam_without_questions_is_refused(option, tmp_path, capsys) -> None:
    code, _, err = run(capsys, "exam", "--out", tmp_path / "exam", option, 0)
    assert (code, err) == (1, f"error: {option} 0 must be at least 1\n")
    assert not (tmp_path / "exam").exists()


@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_under_torchrun_each_process_takes_a_gpu_of_its_own(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.set_device", taken.append)
    assert commands._device(asked) == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (commands._device(asked), taken) == ("cuda:1", [1])
    assert commands._device("cpu") == "cpu"
