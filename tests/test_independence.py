"""None of the five packages imports another: a learner can copy one folder out, and it works."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIVE = {"tiny_transformer", "qwen_blog", "tiny_rag", "tiny_agent", "tiny_eval"}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
PRESENT = sorted(name for name in FIVE if (ROOT / name / "__init__.py").exists())


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command"
    command = [sys.executable, "-c", f"{code}; lint_imports_command(['--no-cache'])"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_package_that_exists_is_installed_and_under_contract() -> None:
    contracts = {c["source_modules"][0]: c for c in SETTINGS["importlinter"]["contracts"]}
    assert sorted(SETTINGS["importlinter"]["root_packages"]) == PRESENT
    assert SETTINGS["hatch"]["build"]["targets"]["wheel"]["packages"] == PRESENT
    assert SETTINGS["mypy"]["packages"] == PRESENT
    assert sorted(contracts) == PRESENT
    for name, contract in contracts.items():
        assert set(contract["forbidden_modules"]) == FIVE - {name}


def test_no_package_imports_another() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("line", ["import tiny_rag", "from tiny_eval.metrics import rouge"])
def test_the_contract_notices_an_import(tmp_path: Path, line: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in PRESENT:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "qwen_blog" / "leak.py").write_text(line, encoding="utf-8")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "qwen_blog.leak -> tiny_" in result.stdout
