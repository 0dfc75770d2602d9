"""The engine: requests wait in line, join the batch, and are told what their rows have gained.

Everything but the model's work happens in the event loop, between two rounds: who joins, who has
been given up, who is told what. So nothing here needs a lock. A round is one step for the rows that
are there and one prompt each for those that join; it runs in a thread of its own, so that the
server answers meanwhile. Chapter 24. Leaves out: priorities, and moving rows out when memory is
short (max_batch times the context is the most that is held).
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from .batching import Batch, Request, Row, Update
from .model import Qwen2ForCausalLM
from .tokenizer import Tokenizer

log = logging.getLogger(__name__)


class QueueFullError(RuntimeError):
    """As many requests as are let in are waiting already."""


class EngineError(RuntimeError):
    """The model's step failed; the log says how. Later requests are served."""


class EngineClosedError(RuntimeError):
    """The engine was closed before the reply was done."""


class Ticket:
    """A request that was let in: iterate over its updates, up to the one that has a finish_reason.

    EngineError, EngineClosedError while iterating
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.cancelled = False
        self.row: Row | None = None
        self._told: asyncio.Queue[Update | Exception] = asyncio.Queue()

    def tell(self, news: Update | Exception) -> None:
        """Called by the engine."""
        self._told.put_nowait(news)

    async def __aiter__(self) -> AsyncIterator[Update]:
        finished = False
        while not finished:
            news = await self._told.get()
            if isinstance(news, Exception):
                raise news
            yield news
            finished = news.finish_reason is not None


class Engine:
    """A batch of at most `max_batch` rows, and at most `max_queue` requests that wait for one.

    async with Engine(model, tokenizer) as engine:
        async for update in engine.submit(request): ...
    """

    def __init__(
        self,
        model: Qwen2ForCausalLM,
        tokenizer: Tokenizer,
        max_batch: int = 16,
        max_queue: int = 64,
    ) -> None:
        if max_batch < 1 or max_queue < 0:
            raise ValueError(f"max_batch={max_batch} must be >= 1 and max_queue={max_queue} >= 0")
        self.model, self.tokenizer = model, tokenizer
        self.max_batch, self.max_queue = max_batch, max_queue
        self._batch = Batch(model, tokenizer)
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._wake = asyncio.Event()
        # one thread: torch keeps a team of helpers for each thread that calls it
        self._thread = ThreadPoolExecutor(1, "qwen_blog-engine")
        self._loop: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._rounds())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def running(self) -> int:
        """Requests that have a row."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return len(self._waiting)

    def submit(self, request: Request) -> Ticket:
        """Let a request in.

        QueueFullError, EngineClosedError; ValueError, ContextLengthError for one that cannot be run
        """
        if self._closed:
            raise EngineClosedError("the server is being stopped")
        self._batch.check(request)
        if self.running + self.waiting >= self.max_batch + self.max_queue:
            raise QueueFullError(
                f"{self.running} requests are running and {self.waiting} waiting: try again later"
            )
        ticket = Ticket(request)
        self._waiting.append(ticket)
        self._wake.set()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for the rest: its place is free, its row after the round that is on."""
        ticket.cancelled = True
        if ticket in self._waiting:
            self._waiting.remove(ticket)

    async def close(self) -> None:
        """Give up every request, and end after the round that is under way."""
        self._closed = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        self._thread.shutdown()

    async def _rounds(self) -> None:
        run = asyncio.get_running_loop().run_in_executor
        while not self._closed:
            given_up = [ticket for ticket in self._running if ticket.cancelled]
            staying = [ticket for ticket in self._running if not ticket.cancelled]
            joining = [
                self._waiting.popleft()
                for _ in range(min(len(self._waiting), self.max_batch - len(staying)))
            ]
            self._running = staying + joining
            if not (given_up or self._running):
                self._wake.clear()
                await self._wake.wait()
                continue
            news = await run(self._thread, self._round, given_up, staying, joining)
            told = list(zip(self._running, news, strict=True))
            for ticket, message in told:
                ticket.tell(message)
            self._running = [ticket for ticket, message in told if not _is_last(message)]
        for ticket in (*self._running, *self._waiting):
            ticket.tell(EngineClosedError("the server is being stopped"))

    def _round(
        self, given_up: list[Ticket], staying: list[Ticket], joining: list[Ticket]
    ) -> list[Update | Exception]:
        """In the thread: free rows, one step, then the prompts. News for those that stay or join"""
        for ticket in given_up:
            if ticket.row is not None:
                self._batch.leave(ticket.row)
        return self._step(staying) + [self._join(ticket) for ticket in joining]

    def _step(self, tickets: list[Ticket]) -> list[Update | Exception]:
        """One more token for those that have a row."""
        try:
            self._batch.step()
        except Exception:  # whatever it is, it must not end the server
            log.exception("a step of %d rows failed", len(tickets))
            self._batch = Batch(self.model, self.tokenizer)
            return [EngineError("the model failed") for _ in tickets]
        return [ticket.row.take() for ticket in tickets if ticket.row is not None]

    def _join(self, ticket: Ticket) -> Update | Exception:
        try:
            ticket.row = self._batch.join(ticket.request)
        except Exception:  # the others' rows are whole
            log.exception("a prompt of %d tokens failed", len(ticket.request.prompt))
            return EngineError("the model failed")
        return ticket.row.take()


def _is_last(news: Update | Exception) -> bool:
    return isinstance(news, Exception) or news.finish_reason is not None
