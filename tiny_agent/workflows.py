"""Two other ways to use the same agent: a fixed procedure, and a plan that is then carried out.

| | who decides what comes next | cost |
| --- | --- | --- |
| `Agent` (ReAct) | the model, after every result | a long conversation, read again at every step |
| `SOP` | you, beforehand | a short conversation a step; nothing unforeseen is done |
| `PlanAndExecute` | the model, once, in a plan | the plan and the summary; short steps between |

All three give the same events and the same `RunResult`, so that traces and evaluation treat them
alike. Chapter 43 compares them. Sources: Yao et al. 2023, https://arxiv.org/abs/2210.03629; Wang et
al. 2023, "Plan-and-Solve Prompting", https://arxiv.org/abs/2305.04091, section 2: there one reply
holds the plan and all its steps; here each step is a run of its own, with tools. Leaves out: steps
side by side, and a history from one question to the next.
"""

import json
import string
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from .agent import Agent
from .events import Event
from .messages import RunResult, Status
from .plans import PROMPTS, PlanList
from .workflow_session import Session, Workflow, why_not

_OVER = ("model_error", "time_budget", "token_budget")
"""How a step's run ends where another one would end the same way."""


@dataclass(frozen=True)
class SOPStep:
    """A step of a fixed procedure.

    name: what later prompts call its answer · prompt: a template that may hold {question} and the
    names of earlier steps in braces · tools: the only ones it may use; with none it is one call of
    the model
    """

    name: str
    prompt: str
    tools: tuple[str, ...] = ()


class SOP(Workflow):
    """A standard operating procedure: the same steps for every question; the last one answers.

    agent: whose model, tools, dialect and limits are used; the limits of tokens and time are for
    the whole run, the others for each step. A step without an answer ends the run.
    ValueError if there is no step, a name is taken, or a step wants what is not there
    """

    def __init__(self, agent: Agent, steps: Sequence[SOPStep]) -> None:
        super().__init__(agent)
        if not steps:
            raise ValueError("steps is empty; give at least one SOPStep")
        known = ["question"]
        for step in steps:
            _check_step(step, known, agent)
            known.append(step.name)
        self.steps = tuple(steps)

    def _events(self, session: Session) -> Generator[Event, None, RunResult]:
        answers = {"question": session.question}
        status: Status = "answered"
        for step in self.steps:
            result = yield from session.run(step.prompt.format(**answers), step.tools)
            if result.answer is None:
                return session.result(None, result.status, f"step {step.name!r}: {why_not(result)}")
            answers[step.name] = result.answer
            status = result.status if status == "answered" else status
        return session.result(answers[self.steps[-1].name], status)


class PlanAndExecute(Workflow):
    """Ask for a plan, carry it out step by step, then ask for the answer from the results.

    A step fails if its agent comes to no answer of its own. Then what is left is planned anew,
    once; after that, the answer is made of what there is. Every step has all tools.
    agent: as in `SOP` · max_steps: the longest plan that is accepted · language: of the prompts
    """

    def __init__(
        self, agent: Agent, max_steps: int = 6, language: Literal["en", "zh"] = "en"
    ) -> None:
        super().__init__(agent)
        if max_steps < 1:
            raise ValueError(f"max_steps={max_steps} must be at least 1; 6 is usual")
        if language not in PROMPTS:
            raise ValueError(f"language={language!r} must be one of {', '.join(PROMPTS)}")
        self.max_steps, self.prompts = max_steps, PROMPTS[language]

    def _events(self, session: Session) -> Generator[Event, None, RunResult]:
        done: list[str] = []
        for _ in range(2):
            prompt = self._filled(self.prompts.plan, session, done)
            plan = yield from session.run(prompt, (), PlanList(self.max_steps))
            if plan.answer is None:
                return session.result(None, plan.status, f"no plan: {why_not(plan)}")
            failed = yield from self._carry_out(session, json.loads(plan.answer), done)
            if failed is None or failed.status in _OVER:
                break
        if failed and failed.status == "model_error":
            return session.result(None, failed.status, failed.error)
        prompt = self._filled(self.prompts.answer, session, done)
        result = yield from session.run(prompt, (), past_budget=True)
        status = failed.status if failed and result.answer else result.status
        return session.result(result.answer, status, result.error)

    def _carry_out(
        self, session: Session, plan: list[str], done: list[str]
    ) -> Generator[Event, None, RunResult | None]:
        """Do the steps, noting in `done` what came of each; the run that failed, if one did."""
        tools = [tool.name for tool in self.agent.tools]
        for step in plan:
            prompt = self._filled(self.prompts.step, session, done, step)
            result = yield from session.run(prompt, tools)
            outcome = self.prompts.failed if result.answer is None else result.answer
            done.append(f"- {step} => {' '.join(outcome.split())}")
            if result.status != "answered":
                return result
        return None

    def _filled(self, template: str, session: Session, done: Sequence[str], step: str = "") -> str:
        tools = ", ".join(tool.name for tool in self.agent.tools) or "-"
        results = "\n".join(done) or self.prompts.nothing
        return template.format(
            question=session.question,
            tools=tools,
            results=results,
            step=step,
            max_steps=self.max_steps,
        )


def _check_step(step: SOPStep, known: Sequence[str], agent: Agent) -> None:
    """ValueError if the step's name, prompt or tools cannot be."""
    if step.name in known or not step.name.isidentifier():
        taken = ", ".join(known)
        raise ValueError(f"step {step.name!r} must be named by one word that is not in: {taken}")
    braces = "write {{ and }} where a brace is meant"
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(step.prompt)]
    except ValueError as error:
        raise ValueError(f"the prompt of step {step.name!r}: {error}; {braces}") from error
    for name in fields:
        if name is not None and name not in known:
            may = ", ".join(f"{{{each}}}" for each in known)
            has = f"the prompt of step {step.name!r} has {{{name}}}"
            raise ValueError(f"{has}; it may have {may}; {braces}")
    have = [tool.name for tool in agent.tools]
    for name in step.tools:
        if name not in have:
            of = ", ".join(have) or "none"
            raise ValueError(f"step {step.name!r} wants the tool {name!r}; the agent has: {of}")
