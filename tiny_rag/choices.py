"""Which embedder and which model, as a word on the command line says it.

Nothing heavy is imported before something heavy is asked for.
"""

import importlib.util
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from .embeddings import Embedder, HashEmbedder
from .llm import LLM, LLMError

EMBEDDER_HELP = "none, hash, hash:DIM, openai:MODEL, or the folder of a sentence-transformers model"
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+(?:/.*)?")
_OPENAI = "https://api.openai.com/"
MODEL_HELP = (
    "the URL of an OpenAI-compatible server (.../v1), the folder of a model, or extractive, which "
    "needs no model"
)
_SHIPPED = ("qwen_blog", "weights/tiny-qwen2")  # a package by name, and a folder of its data


def full_choice(choice: str) -> str:
    """The same choice, so that it means the same in every working folder."""
    kind = choice.partition(":")[0]
    if kind not in ("none", "hash", "openai") and Path(choice).is_dir():
        return str(Path(choice).resolve())
    return choice


def make_embedder(choice: str) -> Embedder | None:
    """The embedder that a choice names: see EMBEDDER_HELP. None for "none".

    FileNotFoundError if there is no such model, ValueError if it cannot be used
    """
    if choice == "none":
        return None
    kind, colon, name = choice.partition(":")
    if kind == "hash":
        if colon and not name.isdecimal():
            raise ValueError(f"{choice!r} needs a number, as in hash:1024")
        return HashEmbedder(int(name)) if colon else HashEmbedder()
    if kind == "openai":
        from .encoders import OpenAIEmbedder

        if not name:
            raise ValueError(f"{choice!r} needs a model, as in openai:text-embedding-3-small")
        return OpenAIEmbedder(name)
    from .encoders import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(choice)


def make_llm(model: str | None, name: str | None = None) -> LLM | None:
    """The model that `model` says, else $TINY_MODEL, else the shipped one. None for "extractive".

    model: a URL that starts with http, a folder, or "extractive" for sentences, quoted without a
    model · name: which of the server's models; None asks the server for its list and takes the
    first
    The key for a server is $TINY_API_KEY; for api.openai.com also $OPENAI_API_KEY.
    ValueError, FileNotFoundError or LLMError say what is wrong with the choice; ModuleNotFoundError
    which library it needs
    """
    choice = str(model or os.environ.get("TINY_MODEL") or shipped_folder() or "")
    if not choice:
        raise ValueError(
            "no model is chosen, and none is shipped: give --model URL (a server, as "
            "http://127.0.0.1:11434/v1), --model FOLDER (a model on this machine) or set "
            "$TINY_MODEL to either; --model extractive needs none"
        )
    if choice == "extractive":
        return None
    if choice.startswith(("http://", "https://")):
        return _server(choice, name)
    if _HOST_AND_PORT.fullmatch(choice) and not Path(choice).exists():
        url = f"http://{choice.removesuffix('/')}"
        raise ValueError(f"{choice!r} is no folder; a server is {url.removesuffix('/v1')}/v1")
    from .backends import TransformersLLM
    from .model_folders import no_collection

    with no_collection():
        return TransformersLLM(choice)


def shipped_folder() -> Path | None:
    """The model that comes with another package, found as data: that package is not imported."""
    package, folder = _SHIPPED
    spec = importlib.util.find_spec(package)
    for place in spec.submodule_search_locations or () if spec else ():
        if (Path(place) / folder / "config.json").is_file():
            return Path(place) / folder
    return None


def _server(url: str, name: str | None) -> LLM:
    _check_url(url)
    from .backends import OpenAILLM

    key = os.environ.get("TINY_API_KEY")
    if url.startswith(_OPENAI):
        key = key or os.environ.get("OPENAI_API_KEY")
    return OpenAILLM(url, name or first_model(url, key), key)


def first_model(base_url: str, api_key: str | None) -> str:
    """The name of the first model that a server lists.

    ValueError if it lists none; LLMError if it cannot be reached or does not accept the key
    """
    from openai import OpenAI, OpenAIError

    client = OpenAI(base_url=base_url, api_key=api_key or "none", timeout=10, max_retries=1)
    try:
        models = [model.id for model in client.models.list()]
    except (OpenAIError, ValueError, TypeError, AttributeError) as error:
        raise _no_list(base_url, api_key, error) from error
    if not models or not isinstance(models[0], str):
        raise ValueError(f"{base_url} lists no models; name one: --model-name NAME")
    return models[0]


def _no_list(base_url: str, api_key: str | None, error: Exception) -> LLMError | ValueError:
    """The error to raise where a server gave no list of models: whose fault it is, what to do."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APITimeoutError):
        return LLMError(f"{base_url} said nothing for 10 s; is the server busy, or stuck?")
    if isinstance(error, APIConnectionError):
        remedy = "does the server run, and are host and port right?"
        return LLMError(f"{base_url} cannot be reached ({error.__cause__ or error}); {remedy}")
    status = error.status_code if isinstance(error, APIStatusError) else 0
    if status in (401, 403):
        problem = "does not accept the key" if api_key else "wants a key"
        own = " or $OPENAI_API_KEY" if base_url.startswith(_OPENAI) else ""
        return LLMError(f"{base_url} {problem} ({status}); set $TINY_API_KEY{own}")
    remedy = "name one: --model-name NAME"
    if status == 404:
        remedy = f"check how the URL ends (most: /v1), or {remedy}"
        return LLMError(f"{base_url} has no list of its models (404); {remedy}")
    return ValueError(f"{base_url} does not say which models it has ({error}); {remedy}")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:  # a port that is no number is a ValueError
            return
    except ValueError:
        pass
    raise ValueError(f"{url!r} is no URL of a server; one looks like http://127.0.0.1:8000/v1")
