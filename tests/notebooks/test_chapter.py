"""A chapter's source: how it is read, and what is refused in it."""

import jupytext
import pytest
from chapter import headings, read, unwrap

from tests.notebooks.sample import SAMPLE, TITLE, twins


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read("01_a", text, "notebooks/src/01_a.py")[1]]


def test_a_good_source_is_not_refused() -> None:
    assert problems(SAMPLE) == []


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        ('# %% [markdown] lang="zh"\n# 孤单\n', 5, 'prose lang="zh" without its twin'),
        ('# %% [markdown] lang="en"\n# Alone.\n', 5, 'prose lang="en" without its twin'),
        (
            '# %% [markdown] lang="en"\n# A.\n# %% [markdown] lang="zh"\n# 甲\n',
            5,
            "without its twin",
        ),
        ('# %% [markdown] lang="zh"\n# 甲\n# %%\nx = 1\n', 5, "without its twin"),
        ("# %% [markdown]\n# Both.\n", 5, "unknown cell header `# %% [markdown]`"),
        ("# %% [markdown]\n# Both.\n", 5, "prose without a language"),
        ("# %% A title\nx = 1\n", 5, "unknown cell header"),
        (twins("甲 $a$ $b$", "A $a$"), 5, "formulas differ: only in zh: $b$"),
        (twins("甲 $d_k$", "A $d_v$"), 5, "formulas differ: only in en: $d_v$"),
        (twins("甲\n\n$$x$$", "A"), 5, "formulas differ"),
        (twins("甲 $a", "A"), 5, "a `$` that closes no formula"),
        (twins("甲 5$", "A 5$"), 7, "a `$` that closes no formula"),
        (twins("甲\n```\nx\n```", "A"), 5, "code blocks differ: zh has 1, en 0"),
        (twins("甲\n```python\nx\n```", "A\n```bash\nx\n```"), 5, "code blocks differ"),
        (twins("甲\n```\nx", "A\n```\nx"), 5, "a code fence that is not closed"),
        (twins("## 甲", "### A"), 5, "headings differ: zh has levels [2], en [3]"),
        (twins("## 甲\n## 乙", "## A"), 5, "headings differ"),
        (twins("# 又一", "# Another"), 5, "a second level-1 heading"),
        (twins("English", "中文"), 5, "the twins look swapped"),
        ('# %% [markdown] lang="zh"\n甲\n# %% [markdown] lang="en"\n# A\n', 6, "not a comment"),
        ("# %%\n!ls\n", 6, "a shell or magic line `!ls`"),
        ("# %%\nx = 1\n%timeit x\n", 7, "a shell or magic line `%timeit x`"),
        ("# %%\n%%time\nx = 1\n", 6, "a shell or magic line `%%time`"),
        ("# %%\n# !pip install x\n", 6, "a shell or magic line"),
        ("# %%\n# %matplotlib inline\n", 6, "a shell or magic line"),
        ("# %%\nfor x in y:\n    !ls\n", 7, "a shell or magic line"),
        ("# %%\nprint?\n", 6, "a shell or magic line"),
        ("# %%\nget_ipython().system('ls')\n", 6, "a shell or magic line"),
        ("# %%\nx = 1\ny = (\n", 7, "not Python"),
        ("# %%\n" + "x = 1\n" * 16, 5, "16 lines of code, more than 15"),
        ("# %%\n" + "# why\nx = 1\n" * 8, 5, "16 lines of code, more than 15"),
        ("# %%\n\n\n# %%\nx = 1\n", 5, "an empty cell"),
        (twins("", "A"), 5, "an empty cell"),
    ],
)
def test_refused_in_a_source(body: str, line: int, said: str) -> None:
    found = problems(TITLE + body)
    assert any(said in problem for problem in found), found
    assert any(p.startswith(f"notebooks/src/01_a.py:{line}: cell ") for p in found), found


@pytest.mark.parametrize(
    "body",
    [
        "# %%\n" + "x = 1\n\n" * 15,  # blank lines are free
        "# %%\nx = (\n    7\n    % 4\n)\n",  # modulo at the start of a line
        "# %%\nx = await thing()\n",
        '# %%\ntext = """\n!not a command\n"""\n',
        twins(r"价 \$5，码 `$HOME` $a$", r"Costs \$5, code `$HOME` $a$"),
        twins(r"$\text{头} = 2$", r"$\text{heads} = 2$"),
        twins("```\n# 注释 $x\n```", "```\n# comment $x\n```"),
    ],
)
def test_not_refused_in_a_source(body: str) -> None:
    assert problems(TITLE + body) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# %%\nx = 1\n", "no title"),
        (twins("## 小", "## Small"), "no title"),
        (TITLE.replace("# # ", "# "), "no title"),
        ("import os\n" + TITLE, "text before the first cell"),
        ("", "no title"),
    ],
)
def test_a_chapter_begins_with_its_title(text: str, said: str) -> None:
    assert any(said in problem for problem in problems(text))


def test_cells_are_read_as_jupytext_reads_them() -> None:
    ours = read("21_sample", SAMPLE, "21_sample.py")[0].cells
    theirs = jupytext.reads(SAMPLE, fmt="py:percent").cells
    assert [cell.text for cell in ours] == [cell.source for cell in theirs]
    assert [cell.lang for cell in ours] == [cell.metadata.get("lang") for cell in theirs]


def test_a_jupytext_header_is_skipped_and_lines_still_count_from_the_top() -> None:
    header = "# ---\n# jupyter:\n#   kernelspec: x\n# ---\n\n"
    assert problems(header + SAMPLE) == []
    assert problems(header + TITLE + "# %%\n!ls\n")[0].startswith("notebooks/src/01_a.py:11:")


def test_a_line_break_within_chinese_leaves_no_gap() -> None:
    assert unwrap("一个词，\n怎样看见\nanother 词？") == "一个词，怎样看见\nanother 词？"
    kept = "## 标题\n正文\n\n- 一\n- 二\n\n```\n甲\n乙\n```"
    assert unwrap(kept) == kept
    assert unwrap("- 一，\n  二") == "- 一，二"


def test_headings_within_code_blocks_do_not_count() -> None:
    assert headings("## a\n```python\n# comment\n```\n  ~~~\n# c\n  ~~~\n### b") == [2, 3]
