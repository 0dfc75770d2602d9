"""The engine: who waits, who has a row, who is told what, and that a failure ends nobody else."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import torch

from qwen_blog import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Tokenizer, generate
from qwen_blog.batching import Batch, ContextLengthError, Request, Update
from qwen_blog.engine import Engine, EngineClosedError, EngineError, QueueFullError, Ticket

PROMPTS = [tuple(range(1, 2 + n)) for n in (3, 9, 1, 20, 6, 12)]
LONG = GenerationConfig(max_new_tokens=500)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([], vocab_size=259)


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config.nano()).eval()
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.1)
    return model


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """A test that hangs is a test that fails."""
    return asyncio.run(asyncio.wait_for(work, timeout=60))


async def everything(ticket: Ticket) -> list[Update]:
    return [update async for update in ticket]


async def error_of(ticket: Ticket) -> str:
    try:
        await everything(ticket)
    except (EngineError, EngineClosedError) as error:
        return type(error).__name__
    return "none"


def request(place: int = 0, tokens: int = 12) -> Request:
    return Request(PROMPTS[place], GenerationConfig(max_new_tokens=tokens))


def test_more_requests_than_rows_all_get_the_reply_they_get_alone(model, tokenizer) -> None:
    async def work() -> list[list[Update]]:
        async with Engine(model, tokenizer, max_batch=2, max_queue=4) as engine:
            tickets = [engine.submit(request(place)) for place in range(len(PROMPTS))]
            assert (engine.running, engine.waiting) == (0, 6)
            replies = await asyncio.gather(*map(everything, tickets))
            assert (engine.running, engine.waiting) == (0, 0)
            return replies

    for updates, prompt in zip(run(work()), PROMPTS, strict=True):
        expected = generate(model, [prompt], GenerationConfig(max_new_tokens=12), tokenizer)[0]
        assert "".join(update.text for update in updates) == expected.text
        assert [update.made for update in updates] == list(range(1, 13))  # each as it is made
        reasons = [update.finish_reason for update in updates]
        assert reasons == [None] * 11 + ["length"]


@pytest.fixture
def stepped(monkeypatch) -> list[int]:
    """How many rows each step had."""
    rows: list[int] = []
    step = Batch.step

    def watched(batch: Batch) -> object:
        rows.append(len(batch.rows))
        return step(batch)

    monkeypatch.setattr(Batch, "step", watched)
    return rows


def test_no_more_rows_than_allowed_and_first_come_first_served(
    model, tokenizer, monkeypatch, stepped
) -> None:
    joined: list[int] = []
    join = Batch.join

    def watched(batch: Batch, request: Request) -> object:
        joined.append(len(request.prompt))
        return join(batch, request)

    monkeypatch.setattr(Batch, "join", watched)

    async def work() -> None:
        async with Engine(model, tokenizer, max_batch=2) as engine:
            tickets = [engine.submit(request(place)) for place in range(len(PROMPTS))]
            await asyncio.gather(*map(everything, tickets))

    run(work())
    assert joined == [len(prompt) for prompt in PROMPTS]
    assert max(stepped) == 2


def test_a_late_request_does_not_wait_for_an_early_one(model, tokenizer) -> None:
    async def work() -> None:
        async with Engine(model, tokenizer) as engine:
            early = engine.submit(Request(PROMPTS[0], LONG))
            news = aiter(early)
            await anext(news)
            await everything(engine.submit(request(1)))
            assert engine.running == 1
            engine.cancel(early)

    run(work())


def test_beyond_the_queue_nobody_is_let_in(model, tokenizer) -> None:
    async def work() -> None:
        async with Engine(model, tokenizer, max_batch=1, max_queue=1) as engine:
            tickets = [engine.submit(Request(PROMPTS[0], LONG)) for _ in range(2)]
            with pytest.raises(QueueFullError, match="0 requests are running and 2 waiting"):
                engine.submit(request())
            await anext(aiter(tickets[0]))
            with pytest.raises(QueueFullError, match="1 requests are running and 1 waiting"):
                engine.submit(request())
            for ticket in tickets:
                engine.cancel(ticket)
            await everything(engine.submit(request()))

    run(work())


@pytest.mark.parametrize("started", [True, False])
def test_a_cancelled_request_makes_room(model, tokenizer, stepped, started: bool) -> None:
    async def work() -> None:
        async with Engine(model, tokenizer, max_batch=1, max_queue=1) as engine:
            first, second = (engine.submit(Request(PROMPTS[0], LONG)) for _ in range(2))
            await anext(aiter(first))
            engine.cancel(first if started else second)
            engine.cancel(first if started else second)  # twice is once
            if started:
                await anext(aiter(second))
            assert (engine.running, engine.waiting) == (1, 0)
            engine.cancel(second if started else first)
            await everything(engine.submit(request()))
            assert engine.running == 0

    run(work())
    assert max(stepped) == 1


def test_a_step_that_fails_ends_its_rows_and_not_the_engine(
    model, tokenizer, monkeypatch, caplog, stepped
) -> None:
    step = Batch.step  # the watched one
    failures = iter([False, True])

    def sometimes(batch: Batch) -> object:
        if batch.rows and next(failures, False):
            raise RuntimeError("out of memory")
        return step(batch)

    monkeypatch.setattr(Batch, "step", sometimes)

    async def work() -> list[str]:
        async with Engine(model, tokenizer, max_batch=2) as engine:
            tickets = [engine.submit(request(place)) for place in range(3)]
            errors = await asyncio.gather(*map(error_of, tickets))
            assert (engine.running, engine.waiting) == (0, 0)
            return errors

    assert run(work()) == ["EngineError", "EngineError", "none"]
    assert stepped.count(2) == 1  # those that failed are gone
    assert max(stepped) == 2
    assert "a step of 2 rows failed" in caplog.text
    assert "out of memory" in caplog.text


def test_a_prompt_that_fails_ends_its_own_request_alone(
    model, tokenizer, monkeypatch, caplog
) -> None:
    join = Batch.join

    def choosy(batch: Batch, request: Request) -> object:
        if request.prompt == PROMPTS[1]:
            raise RuntimeError("no such luck")
        return join(batch, request)

    monkeypatch.setattr(Batch, "join", choosy)

    async def work() -> list[str]:
        async with Engine(model, tokenizer) as engine:
            tickets = [engine.submit(request(place)) for place in range(3)]
            return await asyncio.gather(*map(error_of, tickets))

    assert run(work()) == ["none", "EngineError", "none"]
    assert "no such luck" in caplog.text


def test_closing_ends_those_who_run_and_those_who_wait(model, tokenizer) -> None:
    async def work() -> list[str]:
        async with Engine(model, tokenizer, max_batch=1) as engine:
            tickets = [engine.submit(Request(PROMPTS[0], LONG)) for _ in range(3)]
            told = asyncio.gather(*map(error_of, tickets))
            await asyncio.sleep(0.05)
            await engine.close()
            with pytest.raises(EngineClosedError):
                engine.submit(request())
            return await told

    assert run(work()) == ["EngineClosedError"] * 3


def test_a_prompt_that_cannot_be_run_is_refused_at_the_door(model, tokenizer) -> None:
    async def work() -> None:
        async with Engine(model, tokenizer) as engine:
            with pytest.raises(ContextLengthError, match="2048"):
                engine.submit(Request((1,) * 2048, LONG))
            assert engine.waiting == 0

    run(work())


@pytest.mark.parametrize("limits", [{"max_batch": 0}, {"max_queue": -1}])
def test_limits_without_sense_are_refused_by_name(model, tokenizer, limits: dict) -> None:
    with pytest.raises(ValueError, match=r"max_batch=.* must be >= 1 and max_queue=.* >= 0"):
        Engine(model, tokenizer, **limits)
