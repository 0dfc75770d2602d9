"""The README's pictures: figures of built chapters. `python notebooks/pictures.py` writes them."""

import base64
import json
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / "pictures"
PICTURES = {  # which figure of which chapter, counted from 1
    "translation": ("13_training_to_translate", 15),
    "rope": ("21_tokens_to_rope", 8),
    "agent": ("41_react_by_hand", 3),
    "intervals": ("43_sops_plans_traces", 2),
}


def picture(name: str) -> bytes:
    """A PNG, as it stands in the built chapter. KeyError or IndexError if there is none."""
    chapter, number = PICTURES[name]
    notebook = json.loads((HERE / "en" / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    pictures = [
        data["image/png"] for each in outputs if "image/png" in (data := each.get("data", {}))
    ]
    return base64.b64decode(pictures[number - 1])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        (FOLDER / f"{name}.png").write_bytes(picture(name))
