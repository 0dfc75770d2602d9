"""What `import tiny_agent` gives, and what it must not cost."""

import subprocess
import sys

import tiny_agent

HEAVY = {"torch", "transformers", "openai", "mcp", "numpy", "jieba", "pydantic", "httpx"}


def test_the_public_names_are_there() -> None:
    assert sorted(tiny_agent.__all__) == sorted(set(tiny_agent.__all__))
    assert all(hasattr(tiny_agent, name) for name in tiny_agent.__all__)


def test_importing_it_and_its_command_line_imports_nothing_heavy() -> None:
    code = "import sys, tiny_agent, tiny_agent.cli; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.split())
