"""Which model a word on the command line means.

Nothing heavy is imported before something heavy is asked for.
"""

import importlib.util
import os
from pathlib import Path

from .models import Model, ModelError
from .protocols import Dialect
from .react import ReActText

MODEL_HELP = "the URL of an OpenAI-compatible server (.../v1), the folder of a model, or rules"
_OPENAI = "https://api.openai.com/"
_SHIPPED = ("qwen_blog", "weights/tiny-qwen2")  # a package by name, and a folder of its data


def make_model(model: str | None, name: str | None = None, dialect: Dialect | None = None) -> Model:
    """The model that `model` says, else $TINY_MODEL, else the shipped one.

    model: a URL that starts with http, a folder, or "rules" for a stand-in without a model · name:
    which of the server's models; None asks the server for its list and takes the first · dialect:
    what "rules" speaks
    The key for a server is $TINY_API_KEY; for api.openai.com also $OPENAI_API_KEY.
    ValueError, FileNotFoundError or ModelError say what is wrong with the choice;
    ModuleNotFoundError which library it needs
    """
    choice = model or os.environ.get("TINY_MODEL") or shipped_folder()
    if not choice:
        raise ValueError(
            "no model is chosen, and none is shipped: give --model URL (a server, as "
            "http://127.0.0.1:11434/v1), --model FOLDER (a model on this machine) or set "
            "$TINY_MODEL to either; --model rules needs none"
        )
    if choice == "rules":
        from .rules import RuleModel

        return RuleModel(dialect or ReActText())
    if str(choice).startswith(("http://", "https://")):
        return _server(str(choice), name)
    from .local_model import TransformersModel
    from .model_folders import no_collection

    with no_collection():
        return TransformersModel(choice)


def shipped_folder() -> Path | None:
    """The model that comes with another package, found as data: that package is not imported."""
    package, folder = _SHIPPED
    spec = importlib.util.find_spec(package)
    for place in spec.submodule_search_locations or () if spec else ():
        if (Path(place) / folder / "config.json").is_file():
            return Path(place) / folder
    return None


def first_model(base_url: str, api_key: str | None) -> str:
    """The name of the first model that a server lists.

    ValueError if it lists none; ModelError if it cannot be reached or does not accept the key
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


def _server(url: str, name: str | None) -> Model:
    from .backends import OpenAIModel, check_url

    check_url(url)
    key = os.environ.get("TINY_API_KEY")
    if url.startswith(_OPENAI):
        key = key or os.environ.get("OPENAI_API_KEY")
    return OpenAIModel(url, name or first_model(url, key), key)


def _no_list(base_url: str, api_key: str | None, error: Exception) -> ModelError | ValueError:
    """The error to raise where a server gave no list of models: whose fault it is, what to do."""
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIConnectionError):
        remedy = "does the server run, and are host and port right?"
        return ModelError(f"{base_url} cannot be reached ({error.__cause__ or error}); {remedy}")
    status = error.status_code if isinstance(error, APIStatusError) else 0
    if status in (401, 403):
        problem = "does not accept the key" if api_key else "wants a key"
        own = " or $OPENAI_API_KEY" if base_url.startswith(_OPENAI) else ""
        return ModelError(f"{base_url} {problem} ({status}); set $TINY_API_KEY{own}")
    remedy = "name one: --model-name NAME"
    if status == 404:
        remedy = f"check how the URL ends (most: /v1), or {remedy}"
    return ValueError(f"{base_url} does not say which models it has ({error}); {remedy}")
