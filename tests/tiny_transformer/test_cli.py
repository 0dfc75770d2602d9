"""The command line: what a person types, what comes out, and with which exit code."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiny_transformer.checkpoint import load_model
from tiny_transformer.cli import build_parser, main
from tiny_transformer.data import read_pairs
from tiny_transformer.numerals import NumeralsTask, pairs
from tiny_transformer.progress import note
from tiny_transformer.recipes import NUMERALS, PAIRS
from tiny_transformer.tokenizer import Tokenizer
from tiny_transformer.translation import Translator

TINY = "--d-model 16 --heads 2 --layers 1 --d-ff 32 --vocab-size 300 --max-tokens 400".split()  # noqa: SIM905
TINY += "--warmup 10 --device cpu".split()  # noqa: SIM905
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
ITEMS = NumeralsTask.shipped().train_items(0, 120)
CORPUS = [*pairs(ITEMS, "zh-en"), *pairs(ITEMS, "en-zh")]


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    return code, *capsys.readouterr()


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def train_options(out: object, steps: int = 12) -> list[object]:
    every = ("--checkpoint-every", 4, "--validate-every", 6)
    return [*TINY, "--out", out, "--steps", steps, *every]


@pytest.fixture(scope="module")
def tsv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "pairs.tsv"
    file.write_text("".join(f"{s}\t{t}\n" for s, t in CORPUS), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def folder(tsv: Path) -> Path:
    """A model of 12 steps, as `train --data` leaves it."""
    out = tsv.parent / "runs" / "tiny"
    assert main([str(x) for x in ("train", "--data", tsv, *train_options(out))]) == 0
    return out


def test_train_leaves_a_model_and_what_it_held_out(folder, tsv) -> None:
    model, tokenizer = load_model(folder)
    assert (model.config.d_model, model.config.num_encoder_layers) == (16, 1)
    assert tokenizer.vocab_size == 300
    held_out, _ = read_pairs((folder / "valid.source.txt", folder / "valid.target.txt"))
    assert len(held_out) == len(CORPUS) // 50
    assert set(held_out) < set(read_pairs(tsv)[0])


def test_train_tells_what_it_does_and_prints_where_the_model_is(tsv, tmp_path, capsys) -> None:
    bad = tmp_path / "bad.tsv"
    lines = tsv.read_text("utf-8").splitlines()
    bad.write_text("\n".join([*lines, "7" * 99 + "\tlong", *["no tab"] * 7]), encoding="utf-8")
    options = (*train_options(tmp_path / "out"), "--valid", 10, "--max-length", 95)
    code, out, err = run(capsys, "train", "--data", bad, *options)
    assert code == 0
    assert out.startswith(f"{tmp_path / 'out'}: 12 steps, nll ")
    assert f"{bad}: 7 malformed lines skipped: line 242: no tabs" in err
    assert "line 246: no tabs instead of one; and 2 more" in err
    assert (
        "230 pairs to train on, 10 held out, 1 left out with more than 95 tokens; 300 tokens, "
        in err
    )
    assert "step 6, nll " in err
    assert "step 12, nll " in err
    assert "\r" not in err  # no bar: this is no terminal


def test_train_on_two_files_with_held_out_pairs_given(tmp_path, capsys) -> None:
    names = [tmp_path / name for name in ("a.zh", "a.en", "v.zh", "v.en")]
    for side in (0, 1):
        for file, part in ((names[side], CORPUS[:90]), (names[2 + side], CORPUS[90:120])):
            file.write_text("".join(pair[side] + "\n" for pair in part), encoding="utf-8")
    argv = ("train", "--data", *names[:2], "--valid-data", *names[2:])
    code, _, err = run(capsys, *argv, *train_options(tmp_path / "out"))
    assert code == 0
    assert "90 pairs to train on, 30 held out" in err


def test_the_same_command_again_changes_nothing_and_more_steps_go_on(tsv, tmp_path, capsys) -> None:
    argv = ("train", "--data", tsv)
    first = run(capsys, *argv, *train_options(tmp_path))
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert run(capsys, *argv, *train_options(tmp_path))[:2] == first[:2]
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    code, _, err = run(capsys, *argv, *train_options(tmp_path, steps=14))
    assert code == 0
    assert "going on after step 12" in err
    assert (tmp_path / "model.safetensors").read_bytes() != weights


def test_another_run_in_the_same_folder_is_refused_and_left_alone(folder, tsv, capsys) -> None:
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    argv = ("train", "--data", tsv, *train_options(folder), "--seed", 1)
    code, out, err = run(capsys, *argv)
    assert (code, out) == (1, "")
    assert "holds another run: seed was 0, is 1" in err
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


@pytest.fixture(scope="module")
def uninterrupted(tsv, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("whole")
    assert main([str(x) for x in ("train", "--data", tsv, *train_options(out, 150))]) == 0
    return (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_training_goes_on_to_the_very_same_model(
    how, tsv, tmp_path, capsys, uninterrupted
) -> None:
    argv = [str(x) for x in ("train", "--data", tsv, *train_options(tmp_path, 150))]
    process = subprocess.Popen(
        [sys.executable, "-m", "tiny_transformer", *argv],
        env=ONE_THREAD,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs ignore Ctrl-C, and so would their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(tmp_path / "checkpoints" / "step-000008", process)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert out == ""
    assert not (tmp_path / "config.json").exists()
    if how == signal.SIGINT:
        assert process.returncode == 1
        assert "the same command goes on from step 0" in err
        assert err.endswith("interrupted\n")
        assert "Traceback" not in err
    code, _, err = run(capsys, *argv)
    assert code == 0
    assert "going on after step" in err
    assert (tmp_path / "model.safetensors").read_bytes() == uninterrupted


def wait_for(path: Path, process: subprocess.Popen) -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    raise AssertionError(f"{path} never came")


def test_train_on_numerals_tells_both_directions(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = [*TINY, "--steps", 2, "--validate-every", 2]
    code, out, err = run(capsys, "train", "--task", "numerals", "--small", *options)
    assert code == 0
    assert out == "runs/numerals-small: 2 steps, exact match zh-en 0.0000, en-zh 0.0000\n".replace(
        "en-zh", "exact match en-zh"
    )
    assert "300 tokens, " in err
    small = ("--task", "numerals", "--small", "--model", "runs/numerals-small", "--count", 6)
    _, out, _ = run(capsys, "evaluate", *small, "--json")
    assert [row["part"] for row in rows(out)] == ["held out", "held out"]
    assert all(row["kinds"].keys() == {"number"} for row in rows(out))


def test_translate_prints_what_the_library_finds_one_line_a_text(folder, capsys) -> None:
    texts = ["三千二百一十万零五", "", "May 4, 1919"]
    code, out, err = run(capsys, "translate", "--model", folder, *texts)
    assert (code, out.count("\n")) == (0, 3)
    expected = Translator.load(folder).translate(texts)
    assert out.split("\n")[:3] == [" ".join(text.split("\n")) for text in expected]
    assert set(err.splitlines()) <= {
        f"note: {n} cut at the maximum length, the tokens of the source + 50" for n in (1, 2)
    }


def test_translate_as_json_and_the_n_best(folder, capsys) -> None:
    argv = ("translate", "--model", folder, "一百", "七", "--beam", 3, "--alpha", 0, "--nbest", 2)
    found = rows(run(capsys, *argv, "--json")[1])
    assert [row["source"] for row in found] == ["一百", "一百", "七", "七"]
    assert all(row["score"] == row["log_prob"] for row in found)  # alpha 0: no length penalty
    assert found[0]["score"] >= found[1]["score"]
    assert found[0]["finished"] in (True, False)
    lines = run(capsys, *argv)[1].splitlines()
    assert [float(line.split("\t")[0]) for line in lines] == [
        pytest.approx(row["score"], abs=1e-4) for row in found
    ]
    direct = Translator.load(folder).translations(["一百"], 3, 0.0, 2)[0]
    assert [row["translation"] for row in found[:2]] == [x.text for x in direct]


def test_greedy_differs_from_a_beam_only_by_the_option(folder, capsys) -> None:
    text = "三千二百一十万零五"
    for beam in (1, 4):
        out = run(capsys, "translate", "--model", folder, text, "--beam", beam, "--json")[1]
        expected = Translator.load(folder).translations([text], beam)[0][0]
        assert rows(out)[0]["log_prob"] == expected.log_prob


FILE = "一百\r\n\n七\u2028\n  \nMay 4, 1919"  # U+2028 is no line end, nor is a missing one


def test_lines_of_a_file_and_of_standard_input_stay_aligned(
    folder, tmp_path, capsys, monkeypatch
) -> None:
    file = tmp_path / "in.txt"
    file.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    code, out, _ = run(capsys, "translate", "--model", folder, "--file", file)
    assert code == 0
    lines = out.split("\n")
    assert len(lines) == 5 + 1
    assert lines[1] == lines[3] == ""
    json_rows = rows(run(capsys, "translate", "--model", folder, "--file", file, "--json")[1])
    assert [row["source"] for row in json_rows] == ["一百", "", "七\u2028", "  ", "May 4, 1919"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILE.encode())))
    assert run(capsys, "translate", "--model", folder, "-")[1] == out


def test_what_a_person_types_is_answered_line_by_line(folder, capsys, monkeypatch) -> None:
    answered: list[int] = []

    class Typed(io.BytesIO):
        def __next__(self) -> bytes:
            answered.append(len(capsys.readouterr().out.splitlines()))
            return super().__next__()

    stdin = io.TextIOWrapper(Typed("一百\n七\n".encode()))
    monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(capsys, "translate", "--model", folder, "-")[0] == 0
    assert answered == [0, 1, 1]


def test_an_empty_file_has_an_empty_translation(folder, tmp_path, capsys) -> None:
    file = tmp_path / "empty"
    file.write_bytes(b"")
    assert run(capsys, "translate", "--model", folder, "--file", file) == (0, "", "")


def test_output_that_holds_line_ends_stays_on_one_line(folder, capsys, monkeypatch) -> None:
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: "a\nb\tc\r")
    assert run(capsys, "translate", "--model", folder, "一")[1] == "a b c \n"


def test_evaluate_numerals_reports_lengths_apart_and_writes_the_mistakes(
    folder, tmp_path, capsys
) -> None:
    errors = tmp_path / "errors.tsv"
    argv = ("evaluate", "--task", "numerals", "--model", folder, "--count", 12, "--longer", 3)
    code, out, err = run(capsys, *argv, "--beam", 1, "--errors", errors)
    assert code == 0
    heads = [line for line in out.splitlines() if not line.startswith(" ")]
    assert [head.split(": ")[0] for head in heads] == [
        "zh-en, held out",
        "zh-en, longer than trained",
        "en-zh, held out",
        "en-zh, longer than trained",
    ]
    assert "0 of 12 right, 0.00% (95% interval 0.00% to 24.25%)" in out
    table = [line.split("\t") for line in errors.read_text("utf-8").splitlines()]
    assert len(table) == 1 + 30
    assert {len(row) for row in table} == {7}
    assert err == f"note: 30 mistakes in {errors}\n"
    sources = {row[4] for row in table if row[:2] == ["held out", "zh-en"]}
    assert sources == {x.chinese for x in NumeralsTask.shipped().test_items(0, 12)}


def test_evaluate_numerals_as_json_in_one_direction(folder, capsys) -> None:
    argv = ("evaluate", "--task", "numerals", "--model", folder, "--count", 5, "--longer", 0)
    _, out, err = run(capsys, *argv, "--beam", 1, "--direction", "en-zh", "--json")
    (row,) = rows(out)
    assert (row["direction"], row["part"], row["right"], row["total"]) == (
        "en-zh",
        "held out",
        0,
        5,
    )
    assert row["high"] == pytest.approx(0.4345, abs=1e-4)
    assert sum(row["verdicts"].values()) == 5
    assert err == ""


def test_evaluate_pairs_counts_exact_matches_and_bleu(
    folder, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: "one two three four five")
    sources = [source for source, _ in CORPUS[:4]]
    data, errors = tmp_path / "d.tsv", tmp_path / "e.tsv"
    wanted = ["one two three four five ", "other", "other", " one two three four five"]
    lines = [f"{s}\t{t}\n" for s, t in zip(sources, wanted, strict=True)]
    data.write_text("".join(lines), encoding="utf-8")
    argv = ("evaluate", "--data", data, "--model", folder, "--errors", errors, "--bleu")
    code, out, _ = run(capsys, *argv)
    assert code == 0
    first, second = out.splitlines()
    assert first == "exact match: 2 of 4 right, 50.00% (95% interval 15.00% to 85.00%)"
    assert second.startswith("BLEU: ")
    assert "|tok:13a|" in second
    table = [line.split("\t") for line in errors.read_text("utf-8").splitlines()]
    assert [row[:2] for row in table[1:]] == [[sources[1], "other"], [sources[2], "other"]]
    assert rows(run(capsys, *argv, "--json")[1])[0]["right"] == 2


def test_missing_sacrebleu_is_told_before_the_work(folder, tsv, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    monkeypatch.setattr(Translator, "translations", None)
    code, out, err = run(capsys, "evaluate", "--data", tsv, "--model", folder, "--bleu")
    assert (code, out) == (1, "")
    assert err == "error: BLEU needs sacrebleu: pip install sacrebleu\n"


@pytest.fixture
def bad(tmp_path: Path, folder: Path) -> Path:
    """A folder of all that people give by mistake."""
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "utf16").write_bytes("一百\tone hundred\n".encode("utf-16"))
    (tmp_path / "gbk").write_bytes("一百\tone hundred\n".encode("gbk"))
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "one.txt").write_text("a\n")
    (tmp_path / "two.txt").write_text("a\nb\n")
    (tmp_path / "half.tsv").write_text("a\tb\nno tab\n")
    (tmp_path / "folder").mkdir()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (damaged / name).write_bytes((folder / name).read_bytes())
    (damaged / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:999])
    return tmp_path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("translate --model BAD/nowhere 一", "BAD/nowhere"),
        ("translate --model BAD/folder 一", "BAD/folder/config.json is missing"),
        ("translate --model BAD/empty 一", "BAD/empty"),
        ("translate --model BAD/damaged 一", "model.safetensors is damaged"),
        ("translate --model GOOD --file BAD/nowhere", "error: BAD/nowhere: No such file"),
        ("translate --model GOOD --file BAD/folder", "error: BAD/folder: Is a directory"),
        ("translate --model GOOD --file BAD/utf16", "line 1 holds zero bytes: UTF-16?"),
        ("translate --model GOOD --file BAD/gbk", "line 1 is not UTF-8; convert it: iconv"),
        ("translate --model GOOD --file BAD/binary", "BAD/binary, line 1"),
        ("translate --model GOOD 一 --alpha -1", "alpha=-1.0"),
        ("translate --model GOOD 一 --alpha nan", "alpha=nan"),
        ("translate --model GOOD 一 --device mps", "--device mps: torch finds none here"),
        ("train --data BAD/nowhere", "BAD/nowhere"),
        ("train --data BAD/folder", "BAD/folder"),
        ("train --data BAD/empty", "the file is empty"),
        ("train --data BAD/utf16", "UTF-16"),
        ("train --data BAD/gbk", "iconv"),
        ("train --data BAD/binary", "BAD/binary"),
        ("train --data BAD/one.txt BAD/two.txt", "has 1 lines and"),
        ("train --data BAD/half.tsv --on-error raise", "line 2: no tabs"),
        ("train --data TSV --valid 9999", "valid=9999 of 240"),
        ("train --data TSV --valid-data BAD/empty", "the file is empty"),
        ("train --data TSV --out BAD/empty", "--out BAD/empty is a file: name a folder"),
        ("train --data TSV TINY --out BAD/empty/run", "BAD/empty"),
        ("train --data TSV TINY --out /proc/run", "/proc/run"),
        ("train --data TSV TINY --heads 5", "num_heads=5 must divide d_model=16"),
        ("train --data TSV TINY --vocab-size 100", "vocab_size=100 must be at least 259"),
        ("train --data TSV TINY --max-length 2", "max_length=2 leaves none"),
        ("train --data TSV TINY --max-tokens 10", "raise max_tokens"),
        ("train --data TSV TINY --dropout 1", "dropout=1.0"),
        ("train --data TSV TINY --lr-factor 0", "lr_factor=0.0"),
        ("train --data TSV TINY --clip nan", "clip_norm=nan"),
        ("train --data TSV TINY --norm mid", "norm='mid' must be one of post, pre"),
        ("train --data TSV TINY --precision fp8", "precision='fp8'"),
        ("evaluate --data BAD/nowhere --model GOOD", "BAD/nowhere"),
        ("evaluate --data TSV --model BAD/folder", "config.json is missing"),
        ("evaluate --data TSV --model GOOD --errors BAD/no/file", "in a folder that exists"),
        ("evaluate --data TSV --model GOOD --errors BAD/folder", "in a folder that exists"),
        ("evaluate --task numerals --small --count 99999 --model GOOD", "ask for fewer"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(
    bad, folder, tsv, capsys, monkeypatch, line: str, message: str
) -> None:
    monkeypatch.chdir(bad)  # nothing is left behind where the tests are run
    monkeypatch.setattr("tiny_transformer.numerals.PATIENCE", 30)
    names = {"BAD": str(bad), "GOOD": str(folder), "TSV": str(tsv), "TINY": " ".join(TINY)}
    for name, value in names.items():
        line, message = line.replace(name, value), message.replace(name, value)
    code, out, err = run(capsys, *line.split())
    assert (code, out) == (1, "")
    assert message in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "COMMAND"),
        ("sing", "invalid choice"),
        ("translate", "give texts"),
        ("translate 一 --file x", "give texts"),
        ("translate 一 --beam 0", "'0' is no whole number of at least 1"),
        ("translate 一 --beam 2 --nbest 3", "--nbest 3 is more than --beam 2"),
        ("train", "--task --data"),
        ("train --task numerals --data x", "not allowed with"),
        ("train --task words", "invalid choice"),
        ("train --data x --small", "--small belongs to --task"),
        ("train --data a b c", "one TSV file or two text files, not 3"),
        ("train --data a --valid 2 --valid-data b", "not both"),
        ("train --task numerals --valid 2", "--valid belongs to --data"),
        ("train --data x --steps -5", "'-5' is no whole number"),
        ("train --data x --steps 1e3", "'1e3' is no whole number"),
        ("evaluate", "--task --data"),
        ("evaluate --task numerals --count -3", "'-3' is no whole number"),
        ("evaluate --task numerals --bleu", "--bleu belongs to --data"),
        ("evaluate --data x --direction zh-en", "--direction belongs to --task"),
        ("evaluate --data x --longer 0", "--longer belongs to --task"),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys, line: str, message: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(line.split())
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_help_tells_the_defaults_of_the_recipes(capsys) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"(default {PAIRS.model.d_model}; numerals {NUMERALS.model.d_model})" in text
    assert f"(default {PAIRS.training.seed})" in text


def test_only_the_first_process_of_torchrun_speaks(capsys, monkeypatch) -> None:
    for rank, said in (("0", "note: hello\n"), ("1", "")):
        monkeypatch.setenv("RANK", rank)
        note("hello")
        assert capsys.readouterr() == ("", said)


def test_a_cold_start_takes_little_and_loads_nothing_heavy(folder) -> None:
    """CPU seconds, for a busy machine makes everyone wait; 2 to 3 on one that is not slow."""
    code = (
        "import sys; from tiny_transformer.cli import main; main(sys.argv[1:]);"
        "heavy = {'transformers', 'matplotlib', 'sacrebleu', 'pandas', 'torch._dynamo', 'sympy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    argv = [sys.executable, "-c", code, "translate", "--model", str(folder), "一百"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, env=ONE_THREAD, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "[]"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5


def test_python_m_works_and_a_closed_pipe_is_quiet(folder, tmp_path) -> None:
    file = tmp_path / "many"
    file.write_text("七\n" * 1500, encoding="utf-8")
    command = f"{sys.executable} -m tiny_transformer translate --model {folder} --file {file}"
    command += " --beam 1 --json | head -1"
    done = subprocess.run(
        command, shell=True, env=ONE_THREAD, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["source"] == "七"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
