"""Which model, and which task, a word on the command line means.

Nothing heavy is imported before something heavy is asked for.
"""

import importlib.util
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

from .models import Model
from .tasks import Task, load_task

JUDGE_HELP = (
    "the URL of an OpenAI-compatible server (http://.../v1), the folder of a model, or script:FILE "
    'with rows {"id", "reply"}'
)
MODEL_HELP = f"{JUDGE_HELP}; or ngram, gold, random, which need no model"
_OPENAI = "https://api.openai.com/"
_SHIPPED = ("qwen_blog", "weights/tiny-qwen2")  # a package by name, and a folder of its data
TASK_ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class ModelOptions:
    """What only some models have."""

    model_name: str | None = None
    """Which of the server's models; None takes the first that it lists."""
    concurrency: int = 4
    """Requests to a server at once."""
    requests_per_minute: float | None = None
    timeout_s: float = 120.0
    """The longest wait for a server's next byte."""
    batch_size: int = 8
    """Prompts at once in a folder's model."""
    truncation: Literal["left", "middle"] = "left"
    """Which part of a prompt goes if it is longer than a folder's model reads: left or middle."""
    adapter: Path | None = None
    """A folder with a PEFT adapter for a folder's model."""
    device: str = "auto"


def make_model(model: str | None, task: Task, options: ModelOptions | None = None) -> Model:
    """The model that `model` says, else $TINY_MODEL, else the shipped one.

    The key for a server is $TINY_API_KEY; for api.openai.com also $OPENAI_API_KEY.
    ValueError, FileNotFoundError or ModelError say what is wrong with the choice;
    ModuleNotFoundError which library it needs
    """
    choice = model or os.environ.get("TINY_MODEL") or shipped_folder()
    options = options or ModelOptions()
    if not choice:
        raise ValueError(
            "no model is chosen, and none is shipped: give --model URL (a server, as "
            "http://127.0.0.1:11434/v1), --model FOLDER (a model on this machine) or set "
            "$TINY_MODEL to either; --model ngram, gold and random need none"
        )
    choice = str(choice)
    if choice in ("ngram", "gold", "random") or choice.startswith("script:"):
        return _without_weights(choice, task)
    if choice.startswith(("http://", "https://")):
        return _server(choice, options)
    if not Path(choice).exists():
        folder = "a model's folder, as `hf download ORGANISATION/NAME --local-dir FOLDER` makes one"
        others = "a URL, which begins with http:// or https://, or ngram, gold, random, script:FILE"
        raise FileNotFoundError(f"there is no folder {choice}; give {folder}, {others}")
    from .local_model import LocalModel
    from .model_folders import no_collection

    with no_collection():
        return LocalModel(
            choice,
            device=options.device,
            batch_size=options.batch_size,
            truncation=options.truncation,
            adapter=options.adapter,
        )


def shipped_folder() -> Path | None:
    """The model that comes with another package, found as data: that package is not imported."""
    package, folder = _SHIPPED
    spec = importlib.util.find_spec(package)
    for place in spec.submodule_search_locations or () if spec else ():
        if (Path(place) / folder / "config.json").is_file():
            return Path(place) / folder
    return None


def shipped_tasks() -> dict[str, Path]:
    """The tasks that come with this package, by name."""
    folder = cast(Path, files("tiny_eval") / "data" / "tasks")
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in TASK_ENDINGS}


def find_task(name: str) -> Task:
    """A task by the path of its file, or by the name of a shipped one.

    FileNotFoundError names the shipped ones
    """
    shipped = shipped_tasks()
    if not name.endswith(TASK_ENDINGS) and name not in shipped:
        known = ", ".join(shipped)
        raise FileNotFoundError(f"no task {name!r}; give the path of a .yaml file, or of {known}")
    return load_task(shipped.get(name, Path(name)))


def about_task(name: str) -> str:
    """What the first line of a shipped task's file says of it, if that is a comment."""
    first = shipped_tasks()[name].read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def is_about_task(model: str | None) -> bool:
    """Whether a model is made for one task, so that another task needs another."""
    choice = str(model or os.environ.get("TINY_MODEL") or "")
    return choice in ("gold", "random") or choice.startswith("script:")


def can_judge(model: str | None) -> bool:
    """Whether a model reads what it is to mark: those for one task do not, nor does ngram."""
    choice = model or os.environ.get("TINY_MODEL")
    return choice != "ngram" and not is_about_task(model)


def _without_weights(choice: str, task: Task) -> Model:
    from .scripted import gold_of, random_of, script_of

    if choice == "ngram":
        from .ngram import NgramModel

        return NgramModel.shipped()
    if choice.startswith("script:"):
        return script_of(task, choice.removeprefix("script:"))
    return gold_of(task) if choice == "gold" else random_of(task)


def _server(url: str, options: ModelOptions) -> Model:
    from .openai_model import OpenAIModel, first_model

    key = os.environ.get("TINY_API_KEY")
    if url.startswith(_OPENAI):
        key = key or os.environ.get("OPENAI_API_KEY")
    return OpenAIModel(
        url,
        options.model_name or first_model(url, key),
        key,
        concurrency=options.concurrency,
        timeout_s=options.timeout_s,
        requests_per_minute=options.requests_per_minute,
    )
