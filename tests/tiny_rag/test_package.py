"""What `import tiny_rag` gives, and what it must not cost."""

import subprocess
import sys

import tiny_rag

HEAVY = {"torch", "transformers", "sentence_transformers", "openai", "jieba", "faiss", "pypdf"}


def test_the_public_names_are_there() -> None:
    assert sorted(tiny_rag.__all__) == sorted(set(tiny_rag.__all__))
    assert all(hasattr(tiny_rag, name) for name in tiny_rag.__all__)


def test_importing_it_and_its_command_line_imports_nothing_heavy() -> None:
    code = "import sys, tiny_rag, tiny_rag.cli; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.split())
