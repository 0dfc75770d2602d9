"""The glossary says what the chapters say: their words, links that lead somewhere, two equal lists.

Reads files only; what the chapters compute is tested elsewhere.
"""

import re
from collections import Counter
from functools import cache
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest

from tests.notebooks import NOTEBOOKS

# isort: split
from book import Book

ROOT = NOTEBOOKS.parent
BOOK = Book(ROOT)
PAGE = "90_notation_and_glossary"
LANGUAGES = ("zh", "en")
GLOSSARY = {
    "zh": ["中文", "英文", "意思", "在哪里"],
    "en": ["English", "Chinese", "meaning", "where"],
}
LETTERS = {"zh": ["字母", "意思", "章"], "en": ["letter", "meaning", "chapter"]}
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
WIDE = r"[\u3000-\u303f\u4e00-\u9fff\uff01-\uffee]"


class Term(NamedTuple):
    chinese: str
    english: str
    meaning: str
    links: tuple[tuple[str, str], ...]
    """(text, target) of each."""


def prose(name: str, lang: str) -> str:
    chapter, problems = BOOK.read(name)
    assert not problems
    return "\n\n".join(cell.text for cell in chapter.cells if cell.lang == lang)


def tables(lang: str, header: list[str]) -> list[list[str]]:
    """The rows of every table of the page whose header begins so."""
    rows: list[list[str]] = []
    inside = False
    for line in prose(PAGE, lang).split("\n"):
        cells = [cell.strip() for cell in line.strip()[1:-1].split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[: len(header)] == header:
            inside = True
        elif inside and not set(line) <= set("|- "):
            rows.append(cells)
    return rows


def terms(lang: str) -> list[Term]:
    found = []
    for row in tables(lang, GLOSSARY[lang]):
        first, second, meaning, where = row  # a ValueError: a row without its four cells
        names = (first, second) if lang == "zh" else (second, first)
        found.append(Term(*names, meaning, tuple(LINK.findall(where))))
    return found


@cache
def plain(name: str, lang: str) -> str:
    return flat(prose(name, lang))


def flat(text: str) -> str:
    """Small letters, no marks of Markdown; a line break inside a term is a space, or nothing."""
    text = re.sub(r"^> ?", "", text, flags=re.MULTILINE).replace("*", "").replace("`", "")
    text = re.sub(r"\s+", " ", text).casefold()
    return re.sub(rf"(?<={WIDE}) | (?={WIDE})", "", text)


def forms(name: str) -> list[str]:
    """`字节对编码（BPE）` is two forms, each of which has to occur."""
    return [flat(form.strip()) for form in re.split(r"[（(）)]", name) if form.strip()]


def stands_in(form: str, text: str) -> bool:
    """As a word of its own: `head` is in "two heads", and not in "ahead"."""
    before = "(?<![a-z0-9])" if re.match("[a-z0-9]", form) else ""
    after = "(e?s)?(?![a-z0-9])" if re.search("[a-z0-9]$", form) else ""
    return re.search(before + re.escape(form) + after, text) is not None


def test_the_glossary_has_as_many_terms_as_a_reader_needs() -> None:
    assert 120 <= len(terms("zh")) <= 200


def test_both_languages_have_the_same_terms_in_the_same_order() -> None:
    zh, en = ([(t.chinese, t.english, t.links) for t in terms(lang)] for lang in LANGUAGES)
    assert zh == en


def test_no_term_stands_twice() -> None:
    for names in ([t.chinese for t in terms("zh")], [t.english for t in terms("en")]):
        counts = Counter(form for name in names for form in forms(name))
        assert [form for form, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_term_is_a_word_of_each_chapter_it_links_to(lang: str) -> None:
    missing = []
    for term in terms(lang):
        chapters = [PurePosixPath(to).stem for _, to in term.links if to.endswith(".ipynb")]
        assert chapters, f"{term.chinese}, {term.english}: no chapter"
        for form in forms(term.chinese if lang == "zh" else term.english):
            missing += [(form, name) for name in chapters if not stands_in(form, plain(name, lang))]
    assert missing == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_link_leads_to_a_file_and_is_named_for_it(lang: str) -> None:
    wrong = []
    for text, target in LINK.findall(prose(PAGE, lang)):
        chapter = target.endswith(".ipynb")  # "22", "22 · GQA"; else "bpe.py", "qwen_blog/bpe.py"
        named = target[:2] == text[:2] if chapter else f"/{target}".endswith(f"/{text}")
        if not named or not (NOTEBOOKS / lang / target).is_file():
            wrong.append((text, target))
    assert wrong == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_term_has_one_short_meaning_in_the_pages_language(lang: str) -> None:
    end, longest = ("。）", 80) if lang == "zh" else (".)", 180)
    wrong = [t for t in terms(lang) if t.meaning[-1] not in end or len(t.meaning) > longest]
    assert wrong == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_names_in_code_are_names_in_the_configs(lang: str) -> None:
    rows = tables(lang, LETTERS[lang])
    assert len(rows) > 15
    for column, package in ((4, "tiny_transformer"), (5, "qwen_blog")):
        config = (ROOT / package / "config.py").read_text(encoding="utf-8")
        known = set(re.findall(r"^    (?:def )?(\w+)(?=[:(])", config, re.MULTILINE))
        used = {name for row in rows for name in re.findall(r"`(\w{2,})`", row[column])}
        assert len(used) >= 6
        assert used - known <= {"q_proj"}, package
