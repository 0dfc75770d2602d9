"""LongBench's own metrics, from lm-evaluation-harness's copy of its metrics.py."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def longbench_metrics() -> ModuleType:
    """The file as a module, without the harness around it; skips the test if there is none."""
    harness = importlib.util.find_spec("lm_eval")
    if harness is None or harness.origin is None:
        pytest.skip("needs lm_eval: pip install -e '.[oracle]'")
    file = Path(harness.origin).parent / "tasks" / "longbench" / "metrics.py"
    fuzzywuzzy = ModuleType("fuzzywuzzy")  # it wants this for code alone
    vars(fuzzywuzzy)["fuzz"] = None
    spec = importlib.util.spec_from_file_location("longbench_metrics", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fuzzywuzzy", fuzzywuzzy)
        spec.loader.exec_module(module)
    return module
