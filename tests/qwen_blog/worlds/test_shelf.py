"""The shelf: the agent's search, over documents that are one passage each."""

from pathlib import Path

import pytest

from qwen_blog.worlds.shelf import Shelf
from tiny_agent.search import search_tool

DOCUMENTS = {
    "b.md": "# Kalon\n\nThe lake Kalon is deep.\n\nIts water is green. Its depth is 1,200 m.",
    "a.md": "Sabry\nThe moon Sabry has 14 craters.",
    "notes/c.md": "卡洛恩是一座湖。它深1200米。",
}


@pytest.mark.parametrize(
    ("query", "k"),
    [
        ("Kalon", 1),
        ("the moon", 3),
        ("1200 m", 2),
        ("1,200", 3),
        ("湖有多深", 2),
        ("the the lake", 2),
        ("zebra", 2),
        ("its 'depth'?", 1),
    ],
)
def test_it_says_what_the_agents_search_says(query: str, k: int, tmp_path: Path) -> None:
    for path, text in DOCUMENTS.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert Shelf(DOCUMENTS).search(query, k) == search_tool(tmp_path)(query=query, k=k)


def test_place_is_the_number_in_the_result_and_0_where_it_is_not_there() -> None:
    shelf = Shelf(DOCUMENTS)
    assert shelf.place("b.md", "the lake Kalon", 2) == 1
    assert shelf.place("a.md", "the lake Kalon", 2) == 2
    assert shelf.place("a.md", "the lake Kalon", 1) == 0
    assert shelf.place("notes/c.md", "the lake Kalon", 3) == 0


def test_a_result_that_hangs_on_an_ending_is_not_clear() -> None:
    """Whole words find the first document, stems and beginnings the second."""
    shelf = Shelf({"a.md": "He raised a lamp.", "b.md": "It raises raises raises a moon."})
    assert not shelf.is_clear("raised", 1)
    assert shelf.is_clear("lamp", 1)
