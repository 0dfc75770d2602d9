"""What each command of `cli.py` does: load, run, print.

Imports of torch and of what needs it stand inside the functions that use them.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from .generation import GenerationConfig
    from .model import Qwen2ForCausalLM
    from .tokenizer import Tokenizer

UNTRAINED = "untrained"


def run_train(args: argparse.Namespace) -> None:
    """Follow a recipe, a bar for each stage, and print the model's folder."""
    from .from_scratch import train_from_scratch
    from .progress import training_bar
    from .recipes import RECIPES

    if args.recipe not in RECIPES:
        raise ValueError(f"--recipe {args.recipe}: there are {', '.join(sorted(RECIPES))}")
    recipe, device = RECIPES[args.recipe], _device(args.device)
    print(train_from_scratch(recipe, args.out, device, lambda stage: training_bar(stage.training)))


def run_exam(args: argparse.Namespace) -> None:
    """Write the files and print their folder."""
    from .worlds.exam_files import write_exam

    for option in ("questions", "tasks"):
        if getattr(args, option) < 1:
            raise ValueError(f"--{option} {getattr(args, option)} must be at least 1")
    print(write_exam(args.out, args.seed, args.questions, args.tasks))


def run_generate(args: argparse.Namespace) -> None:
    """Print the continuation as it grows, or one JSON object at the end."""
    config = _generation_config(args)
    prompt = _text(args.prompt)
    model, tokenizer = load(args)
    ids, generator = tokenizer.encode(prompt), _generator(args, model)
    from .generation import generate, stream

    if args.json:
        reply = generate(model, [ids], config, tokenizer, generator)[0]
        counts = {"prompt_tokens": len(ids), "completion_tokens": len(reply.ids)}
        _print_json({"text": reply.text, "finish_reason": reply.finish_reason, **counts})
        return
    _print_stream(stream(model, ids, tokenizer, config, generator))


def run_chat(args: argparse.Namespace) -> None:
    """Read a line, stream the reply, repeat."""
    config = _generation_config(args)
    model, tokenizer = load(args)
    generator = _generator(args, model)
    from .generation import stream

    start = [{"role": "system", "content": args.system}] if args.system else []
    messages = list(start)
    for line in _lines():
        if line == "/exit":
            return
        if line == "/reset":
            messages = list(start)
            continue
        asked = [*messages, {"role": "user", "content": line}]
        try:
            ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True)
            reply = _print_stream(stream(model, ids, tokenizer, config, generator))
        except ValueError as error:  # a full context must not end the program
            print(f"error: {error} (/reset starts again)", file=sys.stderr)
            continue
        messages = [*asked, {"role": "assistant", "content": reply}]


def run_trace(args: argparse.Namespace) -> None:
    """Print the table, or draw it."""
    prompt = _text(args.prompt)
    model, tokenizer = load(args)
    from .trace import trace

    ids = tokenizer.encode(prompt)
    if not ids:
        raise ValueError("the text is empty: there is nothing to follow")
    journey = trace(model, ids, fused=args.fused)
    journey = journey.within(args.within) if args.within else journey
    journey = journey.path() if args.path else journey
    if args.picture:
        import matplotlib

        matplotlib.use("Agg")  # no screen needed
        from matplotlib import pyplot

        journey.draw()
        pyplot.savefig(args.picture)
        print(args.picture)
    elif args.json:
        for step in journey:
            row = {f.name: getattr(step, f.name) for f in fields(step) if f.name != "tensor"}
            _print_json(row | {"dtype": str(step.dtype).removeprefix("torch.")})
    else:
        print(journey)


def run_tokenize(args: argparse.Namespace) -> None:
    """Print id and text of each token."""
    tokenizer = load_tokenizer(find_model(args.model))
    for token in tokenizer.encode(_text(args.text), allow_special=not args.plain):
        raw = tokenizer.token_bytes(token)
        if args.json:
            _print_json({"id": token, "bytes": list(raw), "text": raw.decode(errors="replace")})
        else:
            print(f"{token:>7}  {_visible(raw)}")


def run_convert(args: argparse.Namespace) -> None:
    """Load, change the dtype, save."""
    folder, out = find_model(args.model), Path(args.out)
    if out.exists() and Path(folder).resolve() == out.resolve():
        raise ValueError(f"--out {out} is the model itself: name another folder")
    if out.is_file() or (out / "config.json").exists():
        raise ValueError(f"--out {out} is there already: name another folder, or remove it first")
    if args.max_shard_gb * 1e9 < 1:
        raise ValueError(f"--max-shard-gb {args.max_shard_gb} must be above 0")
    model = load_model(folder, _dtype(args.dtype))
    model.save_pretrained(out, max_shard_bytes=int(args.max_shard_gb * 1e9))
    load_tokenizer(folder).save_pretrained(out)
    print(out)


def run_serve(args: argparse.Namespace) -> None:
    """Load, then serve until Ctrl-C."""
    folder = find_model(args.model)
    try:
        from .server import bind, serve
    except ModuleNotFoundError as error:
        raise ValueError(
            f"serving needs {error.name}: pip install 'tiny-universe[serve]'"
        ) from error
    from .engine import Engine

    with bind(args.host, args.port) as door:
        model, tokenizer = load(args)
        engine = Engine(model, tokenizer, args.max_batch, args.max_queue)
        name, port = Path(folder).resolve().name, door.getsockname()[1]
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"{name} at http://{host}:{port}/v1 (Ctrl-C ends)", file=sys.stderr, flush=True)
        serve(engine, name, door)


def find_model(given: str | None) -> str:
    """The folder to use: --model, else $TINY_MODEL, else the shipped weights.

    ValueError that names the three ways if there is none; a $TINY_MODEL that is no folder, such as
    the URL that other packages take.
    """
    shipped = resources.files(__package__) / "weights" / "tiny-qwen2"
    if given:
        return given
    if chosen := os.environ.get("TINY_MODEL"):
        if chosen != UNTRAINED and not Path(chosen).is_dir():
            raise ValueError(f"TINY_MODEL={chosen} is no folder: give --model FOLDER")
        return chosen
    if (shipped / "config.json").is_file():
        return str(shipped)
    raise ValueError(
        f"no model: give --model FOLDER, or set TINY_MODEL, or put one into {shipped}; "
        f"--model {UNTRAINED} shows shapes"
    )


def load(args: argparse.Namespace) -> "tuple[Qwen2ForCausalLM, Tokenizer]":
    """The model in eval mode on its device, and its tokenizer."""
    folder = find_model(args.model)
    device = _device(args.device)
    dtype = _dtype("float32" if args.dtype == "auto" and device == "cpu" else args.dtype)
    return load_model(folder, dtype).to(device), load_tokenizer(folder)


def load_model(folder: str, dtype: "torch.dtype | None") -> "Qwen2ForCausalLM":
    """From a folder, or the untrained one: always the same random numbers."""
    import torch

    from .config import Qwen2Config
    from .model import Qwen2ForCausalLM

    if folder != UNTRAINED:
        return Qwen2ForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    print("note: an untrained model; its words mean nothing", file=sys.stderr)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config.nano()).eval()
    return model if dtype is None else model.to(dtype)


def load_tokenizer(folder: str) -> "Tokenizer":
    """From a folder, or one that knows single bytes only."""
    from .tokenizer import Tokenizer

    if folder != UNTRAINED:
        return Tokenizer.from_pretrained(folder)
    return Tokenizer.train([], vocab_size=259)


def _generation_config(args: argparse.Namespace) -> "GenerationConfig":
    from .generation import GenerationConfig

    names = {field.name for field in fields(GenerationConfig)} & set(vars(args))
    chosen = {name: getattr(args, name) for name in names}
    return GenerationConfig(**chosen, stop_strings=tuple(args.stop))


def _generator(args: argparse.Namespace, model: "Qwen2ForCausalLM") -> "torch.Generator":
    import torch

    return torch.Generator(model.device).manual_seed(args.seed)


def _dtype(name: str) -> "torch.dtype | None":
    import torch

    return None if name == "auto" else getattr(torch, name)


def _device(name: str) -> str:
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, found in there.items() if found)
    if not there[name]:
        raise ValueError(f"--device {name}: torch finds none here; leave it out, or say cpu")
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # of torchrun: a device for each process
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return name


def _text(argument: str) -> str:
    return sys.stdin.read() if argument == "-" else argument


def _lines() -> Iterator[str]:
    """Non-empty lines of standard input, with a prompt if a person is typing."""
    while True:
        if sys.stdin.isatty():
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _visible(raw: bytes) -> str:
    """The token's text in quotes, or its bytes where they are no whole characters."""
    try:
        return json.dumps(raw.decode("utf-8"), ensure_ascii=False)
    except UnicodeDecodeError:
        return " ".join(f"{byte:02x}" for byte in raw)


def _print_stream(pieces: Iterator[str]) -> str:
    text = ""
    for piece in pieces:
        print(piece, end="", flush=True)
        text += piece
    print(flush=True)
    return text


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row, ensure_ascii=False), flush=True)
