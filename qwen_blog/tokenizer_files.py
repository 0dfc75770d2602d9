"""What lies in a tokenizer's folder: reading it, and refusing what is not Qwen2's kind.

Sources: the file layout of the `tokenizers` library and of Qwen2's published folders:
`tokenizer.json`, or `vocab.json` + `merges.txt`; `tokenizer_config.json`; `chat_template.jinja`.
Leaves out: slow-tokenizer files of other models, and chat templates given as a list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bpe, chat
from .files import read_json, read_text

QWEN2_SPECIAL_TOKENS = ("<|endoftext|>", chat.IM_START, chat.IM_END)


@dataclass(frozen=True)
class AddedToken:
    """A token found in the text whole, before any BPE.

    special: a control token; `allow_special=False` does not find it, `skip_special_tokens` hides it
    """

    content: str
    id: int
    special: bool = True


# What makes a tokenizer.json Qwen2's. Written as it is here; when read, absent, null, false and ""
# are the same, and trim_offsets, which changes no id, may be anything.
_SPLIT = {
    "type": "Split",
    "pattern": {"Regex": bpe.PRETOKEN_PATTERN},
    "behavior": "Isolated",
    "invert": False,
}
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
MODEL = {
    "type": "BPE",
    "dropout": None,
    "continuing_subword_prefix": "",
    "end_of_word_suffix": "",
    "ignore_merges": False,
}
PIPELINE: dict[str, Any] = {
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [_SPLIT, _BYTES]},
    "decoder": _BYTES,
    "model": MODEL,
}
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")  # of an added token; all false in Qwen2
_Parts = tuple[dict[str, int], list[tuple[str, str]], list[AddedToken]]


def read_parts(folder: Path, config: Mapping[str, Any]) -> tuple[Path, _Parts]:
    """The file that was read, and (vocab, merges, added tokens) from it."""
    file, vocab_file = folder / "tokenizer.json", folder / "vocab.json"
    if file.is_file():
        data = read_json(file)
        _check_pipeline(data, file)
        vocab, merges = data["model"].get("vocab"), data["model"].get("merges")
        entries = data.get("added_tokens") or []
    elif vocab_file.is_file() and (folder / "merges.txt").is_file():
        file, vocab = vocab_file, read_json(vocab_file)
        lines = read_text(folder / "merges.txt").split("\n")
        merges = [line for line in lines[lines[0].startswith("#version") :] if line]
        entries = [
            {"id": int(i), **entry} for i, entry in config.get("added_tokens_decoder", {}).items()
        ]
    else:
        what = "has no tokenizer.json, nor vocab.json and merges.txt"
        raise FileNotFoundError(
            f"{folder} {what if folder.is_dir() else 'is no folder'}; give a Qwen2 model folder"
        )
    if not isinstance(vocab, dict) or not isinstance(merges, list):
        raise ValueError(f"{file}: needs a vocab (an object) and merges (a list)")
    added = [_added_token(entry, file) for entry in entries]
    return file, (vocab, [_merge(entry, file) for entry in merges], added)


def _check_pipeline(data: Mapping[str, Any], file: Path) -> None:
    for part, wanted in (PIPELINE | {"decoder": {"type": "ByteLevel"}}).items():
        found = data.get(part)
        if not _agrees(found, wanted):
            if isinstance(found, dict):
                found = {key: found[key] for key in found if key not in ("vocab", "merges")}
            raise ValueError(f"{file}: {part} is {found}, not Qwen2's {wanted}; use a Qwen2 folder")
    after = data.get("post_processor") or _BYTES
    if after.get("type") != "ByteLevel" and after.get("special_tokens") != {}:
        raise ValueError(f"{file}: post_processor adds tokens ({after}); Qwen2's adds none")


def _agrees(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        keys = wanted.keys() - {"trim_offsets"}
        return isinstance(found, dict) and all(_agrees(found.get(k), wanted[k]) for k in keys)
    if isinstance(wanted, list):
        same_length = isinstance(found, list) and len(found) == len(wanted)
        return same_length and all(map(_agrees, found, wanted))
    return (found or None) == (wanted or None)


def _merge(entry: Any, file: Path) -> tuple[str, str]:
    """Both forms occur: "Ġt he" and ["Ġt", "he"]."""
    pair = entry.split(" ") if isinstance(entry, str) else entry
    match pair:
        case [str(left), str(right)]:
            return left, right
    raise ValueError(f"{file}: merge {entry!r} must be two tokens")


def _added_token(entry: Mapping[str, Any], file: Path) -> AddedToken:
    content, token_id = entry.get("content"), entry.get("id")
    if not isinstance(content, str) or not isinstance(token_id, int) or any(map(entry.get, _FLAGS)):
        raise ValueError(f"{file}: added token {entry} needs content, id, and false for {_FLAGS}")
    return AddedToken(content, token_id, bool(entry.get("special")))


def added_entry(token: AddedToken) -> dict[str, Any]:
    return {"content": token.content, **dict.fromkeys(_FLAGS, False), "special": token.special}


def check_added_tokens(
    vocab: Mapping[str, int], added_tokens: Iterable[AddedToken], named: Iterable[str | None]
) -> None:
    ids, owners = dict(vocab), {i: token for token, i in vocab.items()}
    for token in added_tokens:
        if not token.content or token.id < 0:
            raise ValueError(f"{token} needs a text that is not empty and an id from 0 up")
        id_there = ids.setdefault(token.content, token.id)
        text_there = owners.setdefault(token.id, token.content)
        if id_there != token.id or text_there != token.content:
            raise ValueError(
                f"{token} clashes with token {text_there!r}, id {id_there}; give it another "
                f"text, or an id from {max(owners) + 1} up"
            )
    if unknown := [name for name in named if name is not None and name not in ids]:
        raise ValueError(f"eos or pad token {unknown[0]!r} is no token; add it or name another")


def read_config(folder: Path) -> tuple[dict[str, Any], str | None]:
    """tokenizer_config.json, and the chat template, unless that is ChatML as we write it."""
    file, jinja = folder / "tokenizer_config.json", folder / "chat_template.jinja"
    config = read_json(file) if file.is_file() else {}
    template = read_text(jinja) if jinja.is_file() else config.get("chat_template")
    if not isinstance(template, str | None):
        raise ValueError(f"{file}: chat_template must be one str, not {template!r:.80}")
    return config, None if template == chat.CHATML_TEMPLATE else template


def stop_tokens(
    added: Iterable[AddedToken], config: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """(eos_token, pad_token): as the config names them, else Qwen2-Instruct's where they exist."""
    texts, names = {token.content for token in added}, []
    for key, usual in (("eos_token", chat.IM_END), ("pad_token", QWEN2_SPECIAL_TOKENS[0])):
        value = config.get(key, usual if usual in texts else None)
        names.append(value.get("content") if isinstance(value, dict) else value)
    return names[0], names[1]
