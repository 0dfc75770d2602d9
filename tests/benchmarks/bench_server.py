"""How many tokens does the server give to 1, 4 and 16 clients at once, for the same work?

    python -m tests.benchmarks.bench_server               (a minute on two cores)
    python -m tests.benchmarks.bench_server --size small  (39 M parameters: three minutes)

One process: the server in one thread, the clients in others, over real sockets, each with one
request after another on a connection that stays open. Weights are random; prompts have 32 tokens,
replies too. `generate` is the library without any server, one prompt after the other.

With one thread of torch (the default) a token costs CPU time of this process, the clients' share
included, which holds on a machine that does other things, too; with `--threads 2` it is wall time.
Everyone takes turns, and a ratio is the median of the rounds' ratios.
"""

import argparse
import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import torch

from qwen_blog import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Tokenizer, generate
from qwen_blog.engine import Engine
from qwen_blog.recipes import TINY_QWEN2
from qwen_blog.server import Server, bind
from tests.benchmarks.timing import Stopwatch, faster, take_turns

CLIENTS = (1, 4, 16)
REQUESTS = 16  # a turn, shared by the clients
NEW_TOKENS = 32
PROMPT = list(range(1, 33))
SIZES = {
    "tiny-qwen2": lambda: TINY_QWEN2.model,
    "nano": Qwen2Config.nano,
    "small": Qwen2Config.small,
}


def ask(port: int, requests: int, stream: bool) -> None:
    """One client: one request after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = {"model": "bench", "prompt": PROMPT, "max_tokens": NEW_TOKENS, "temperature": 0}
    for _ in range(requests):
        connection.request("POST", "/v1/completions", json.dumps(body | {"stream": stream}))
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
    connection.close()


def timed(work: Callable[[], None]) -> Callable[[], list[float]]:
    """Seconds a token."""

    def turn() -> list[float]:
        watch = Stopwatch()
        work()
        watch.lap()
        return [lap / (REQUESTS * NEW_TOKENS) for lap in watch.laps_s]

    return turn


def turns(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer, port: int
) -> dict[str, Callable[[], list[float]]]:
    """What takes turns."""
    config = GenerationConfig(max_new_tokens=NEW_TOKENS, stop_token_ids=())

    def without_server() -> None:
        for _ in range(REQUESTS):
            generate(model, [PROMPT], config, tokenizer)

    def with_server(clients: int, stream: bool) -> None:
        with ThreadPoolExecutor(clients) as pool:
            shares = [REQUESTS // clients] * clients
            list(pool.map(ask, [port] * clients, shares, [stream] * clients))

    kinds = [(n, stream) for stream in (False, True) for n in CLIENTS]
    return {"generate": timed(without_server)} | {
        name(n, stream): timed(lambda n=n, stream=stream: with_server(n, stream))
        for n, stream in kinds
    }


def name(clients: int, stream: bool) -> str:
    return f"{clients} client{'s' * (clients > 1)}{', streamed' * stream}"


def measure(config: Qwen2Config, rounds: int) -> dict[str, list]:
    """Seconds a token in each round."""
    torch.manual_seed(0)
    model, tokenizer = Qwen2ForCausalLM(config).eval(), Tokenizer.train([], vocab_size=259)
    engine, door = Engine(model, tokenizer), bind("127.0.0.1", 0)
    server, port = Server(engine, "bench"), door.getsockname()[1]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        return take_turns(turns(model, tokenizer, port), rounds)
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="tiny-qwen2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    times = measure(SIZES[arguments.size](), arguments.rounds)
    print(f"{'who':<24}{'tokens/s':>10}{'x 1 client':>12}")
    for who, seconds in times.items():
        ratio = faster(times, who, name(1, False))
        print(f"{who:<24}{1 / median(seconds):>10.0f}{ratio:>12.2f}")


if __name__ == "__main__":
    main()
