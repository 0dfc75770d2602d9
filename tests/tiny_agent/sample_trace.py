"""Makes the sample trace again: `python -m tests.tiny_agent.sample_trace`.

Needed where the prompts have changed, for then the old one is not the same when it is replayed.
The model is the one by rules, whose replies are damaged now and then: there is more to see.
"""

import random
from dataclasses import replace
from pathlib import Path

import tiny_agent
from tiny_agent.agent import Agent
from tiny_agent.builtin_tools import make_tools
from tiny_agent.flaky import FlakyModel
from tiny_agent.react import ReActText
from tiny_agent.rules import RuleModel
from tiny_agent.trace import TraceWriter
from tiny_agent.trace_header import Header

QUESTION = "How deep is the Bottle Sump? Then divide it by 4."
SAMPLE = Path(tiny_agent.__file__).parent / "data" / "sample_trace.jsonl"


def make(path: Path) -> None:
    """Write the sample."""
    dialect = ReActText()
    kinds = ["no label", "wrong tool", "bold", "invented"]
    model = FlakyModel(RuleModel(dialect), dialect, 0.6, random.Random(4), kinds)
    agent = Agent(model, make_tools("search,calculator"), dialect)
    header = replace(Header.of(agent, QUESTION), model="a stand-in by rules, with slips put in")
    with TraceWriter(path, header) as trace:
        for _ in trace.follow(agent.stream(QUESTION)):
            pass


if __name__ == "__main__":
    make(SAMPLE)
