"""What `import tiny_eval` gives, and what it must not cost."""

import subprocess
import sys

import tiny_eval

HEAVY = {"torch", "transformers", "openai", "jieba", "nltk", "sympy", "matplotlib", "httpx", "peft"}


def test_the_public_names_are_there() -> None:
    assert sorted(tiny_eval.__all__) == sorted(set(tiny_eval.__all__))
    assert all(hasattr(tiny_eval, name) for name in tiny_eval.__all__)


def test_importing_it_and_its_command_line_imports_nothing_heavy() -> None:
    code = "import sys, tiny_eval, tiny_eval.cli; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.split())
