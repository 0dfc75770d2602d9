"""The book's figures: every token is drawn, on any machine, and shows what it says it shows."""

import logging
import os
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from tests.notebooks import NOTEBOOKS

mpl.use("Agg")

import figures
import glyphs
import matplotlib.pyplot as plt

WORDS = """
注意力 机制 词元 行星 恒星 轨道 卫星 望远镜 温度 公里 检索 证据 引用 拒答 智能体 工具 思考 行动
观察 最终 答案 高考 数学 函数 椭圆 双曲线 概率 向量 鼹鼠 彗 ， 。 ！ ？ ； ： 、 “ ” ‘ ’ （ ）
《 》 「 」 【 】 … —— ～ ￥ ％ ＋ Ａ ① ⑩ → ← ✓ ✗ × ÷ ≤ ≈ √ ∑ Ġ the · � é α
"""
TOKENS = WORDS.split()


@pytest.fixture(autouse=True)
def style() -> None:
    figures.use_style()
    yield
    plt.close("all")


def pixels(fig: plt.Figure) -> np.ndarray:
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba()).copy()


def drawn(text: str) -> np.ndarray:
    fig = plt.figure(figsize=(2, 0.5))
    fig.text(0.1, 0.3, text)
    return pixels(fig)


# --- glyphs ---------------------------------------------------------------------------------


def test_every_token_is_drawn(caplog: pytest.LogCaptureFixture) -> None:
    fig, ax = figures.canvas(height=8)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")  # matplotlib warns of a missing glyph
        for number, token in enumerate(TOKENS):
            ax.text(number % 8 / 8, number // 8 / 10, figures.visible(token))
            ax.text(number % 8 / 8, number // 8 / 10, token, family=figures.MONO)
            ax.text(number % 8 / 8, number // 8 / 10, token, weight="bold")
        pixels(fig)
    assert caplog.records == []
    assert figures.missing_glyphs("".join(TOKENS)) == []


def test_different_characters_look_different() -> None:
    """They would not, if both came out as the box of a missing glyph."""
    assert (drawn("行") != drawn("恒")).any()
    assert (drawn("行") == drawn("行")).all()


def test_all_of_gb2312_is_covered() -> None:
    rows, columns = range(0xB0, 0xF8), range(0xA1, 0xFF)
    pairs = b"".join(bytes((row, column)) for row in rows for column in columns)
    hanzi = pairs.decode("gb2312", "ignore")
    assert len(set(hanzi)) == 6763
    assert figures.missing_glyphs(hanzi) == []


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" the", "␣the"),
        ("行 星\n", "行␣星↵"),
        ("\t\r", "⇥U+000D"),
        ("🌟", "U+1F31F"),
        ("\x00", "U+0000"),
        ("\u200b", "U+200B"),
        ("", ""),
    ],
)
def test_a_token_is_made_visible(token: str, shown: str) -> None:
    assert figures.visible(token) == shown
    assert figures.missing_glyphs(shown) == []


def test_a_dollar_in_a_token_starts_no_formula() -> None:
    _, ax = figures.canvas()
    figures.heatmap(ax, [[1.0, 0.0]], ["$", "$5$"], ["a"])
    assert [text.get_text() for text in ax.get_xticklabels()] == [r"\$", r"\$5\$"]
    assert (drawn(glyphs.label("$5$")) == drawn(r"\$5\$")).all()
    assert (drawn(glyphs.label("$5$")) != drawn("$5$")).any()


def test_the_font_is_small_and_carries_its_licence_and_a_name_of_its_own() -> None:
    assert glyphs.FONT_FILE.stat().st_size < 2_000_000
    licence = (glyphs.FONT_FILE.parent / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Copyright 2014-2021 Adobe" in licence
    name = mpl.font_manager.get_font(str(glyphs.FONT_FILE)).family_name
    assert name == glyphs.SANS[1]
    assert "Noto" not in name
    assert "Source" not in name


def test_the_first_import_on_a_machine_says_nothing(tmp_path: Path) -> None:
    """matplotlib announces its font cache after 5 s: here at once, however fast the machine."""
    code = """
import threading
timer = threading.Timer
threading.Timer = lambda seconds, action: timer(0, action)
import figures
figures.use_style()
print(figures.glyphs.font_manager.fontManager is not None)
"""
    paths = {"MPLCONFIGDIR": str(tmp_path), "PYTHONPATH": str(NOTEBOOKS / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | paths | {"MPLBACKEND": "agg"},
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert list(tmp_path.glob("fontlist*.json")), "the cache was not cold"


def test_other_words_of_matplotlib_are_still_heard(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("matplotlib.font_manager").warning("findfont: Font family 'X' not found.")
    assert len(caplog.records) == 1


# --- style ----------------------------------------------------------------------------------


def test_a_readers_own_settings_do_not_change_the_pictures() -> None:
    def picture() -> np.ndarray:
        figures.use_style()
        fig, ax = figures.canvas()
        figures.bars(ax, ["a", "b"], [1, 2])
        return pixels(fig)

    ours = picture()
    mpl.rcParams.update({"figure.facecolor": "black", "lines.linewidth": 9, "ytick.right": True})
    assert (picture() == ours).all()
    assert tuple(ours[0, 0]) == (255, 255, 255, 255)  # white paper, in dark mode too


def test_neighbouring_colours_differ_for_colour_blind_eyes() -> None:
    """The first four, as Machado et al. 2009 compute what such eyes see (severity 1)."""
    blind = {
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    }
    rgb = np.array([mpl.colors.to_rgb(colour) for colour in figures.PALETTE[:4]])
    for matrix in blind.values():
        seen = rgb @ np.array(matrix).T
        apart = [np.abs(a - b).sum() for i, a in enumerate(seen) for b in seen[:i]]
        assert min(apart) > 0.25


# --- drawings -------------------------------------------------------------------------------


def test_a_heatmap_shows_its_numbers_in_ink_that_reads() -> None:
    _, ax = figures.canvas()
    figures.heatmap(ax, [[0.0, 1.0], [0.25, 0.5]], ["a", "b"], ["恒星", "\n"], values=".1f")
    texts = {text.get_position(): text for text in ax.texts}
    assert texts[(1, 0)].get_text() == "1.0"
    assert texts[(0, 1)].get_text() == "0.2"
    assert texts[(1, 0)].get_color() == figures.PAPER  # on dark blue
    assert texts[(0, 0)].get_color() == figures.INK  # on white
    assert [text.get_text() for text in ax.get_yticklabels()] == ["恒星", "↵"]
    assert list(ax.get_yticks()) == [0, 1]


def test_in_a_diverging_heatmap_white_is_zero() -> None:
    _, ax = figures.canvas()
    figures.heatmap(ax, [[-1.0, 4.0]], cmap=figures.DIVERGING)
    image = ax.images[0]
    assert image.get_clim() == (-4, 4)
    assert image.cmap(image.norm(0.0))[:3] == pytest.approx((1, 1, 1), abs=0.01)


def test_a_heatmap_takes_torch_tensors_of_any_type() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.tensor([[0.5, 0.25]], dtype=torch.bfloat16, requires_grad=True)
    _, ax = figures.canvas()
    figures.heatmap(ax, weights)
    assert ax.images[0].get_array().tolist() == [[0.5, 0.25]]


def test_a_heatmap_of_a_whole_batch_is_refused() -> None:
    _, ax = figures.canvas()
    with pytest.raises(ValueError, match=r"not shape \(2, 3, 4\): pick one"):
        figures.heatmap(ax, np.zeros((2, 3, 4)))


def test_attention_is_on_one_scale_and_reads_query_by_key() -> None:
    _, ax = figures.canvas()
    figures.attention_map(ax, [[0.2, 0.3, 0.1]], ["query"], ["a", "b", "c"])
    assert ax.images[0].get_clim() == (0, 1)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["query"]
    assert ax.get_xlabel().startswith("key")


@pytest.mark.parametrize("boolean", [np.tril(np.ones((3, 3), dtype=bool)), [[1, 0], [1, 1]]])
def test_a_mask_is_coloured_cell_by_cell(boolean: np.ndarray) -> None:
    _, ax = figures.canvas()
    tokens = ["行", "星", "。"][: len(boolean)]
    figures.show_mask(ax, boolean, tokens)
    (mesh,) = ax.collections
    ax.figure.canvas.draw()
    colours = mesh.get_facecolors().reshape(*np.shape(boolean), 4)
    allowed, blocked = mpl.colors.to_rgba(figures.BLUE), mpl.colors.to_rgba(figures.FAINT)
    for cell, value in np.ndenumerate(np.asarray(boolean)):
        assert tuple(colours[cell]) == pytest.approx(allowed if value else blocked)
    assert ax.yaxis_inverted()  # the first query on top
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["allowed", "blocked"]
    assert [text.get_text() for text in ax.get_yticklabels()] == tokens


def test_an_additive_mask_is_refused_with_its_remedy() -> None:
    _, ax = figures.canvas()
    with pytest.raises(ValueError, match="mask == 0"):
        figures.show_mask(ax, [[0.0, -np.inf]], ["a"], ["a", "b"])


def test_crowded_labels_are_turned_and_few_are_not() -> None:
    def angle(labels: list[str]) -> float:
        _, ax = figures.canvas(1, 2)
        figures.heatmap(ax[0], np.zeros((1, len(labels))), labels)
        return ax[0].get_xticklabels()[0].get_rotation()

    assert angle(["a", "b", "c"]) == 0
    assert angle(["恒星"] * 12) == 60
    assert angle(["token"] * 12) == 60


@pytest.mark.parametrize("horizontal", [False, True])
def test_bars_show_values_and_errors(horizontal: bool) -> None:
    _, ax = figures.canvas()
    errors = [[0.1, 0.2], [0.3, 0.4]]
    figures.bars(ax, ["BM25", "稠密"], [0.5, 0.75], errors, horizontal=horizontal)
    sizes = [(bar.get_width() if horizontal else bar.get_height()) for bar in ax.patches]
    assert sizes == [0.5, 0.75]
    ends = ax.collections[0].get_segments()[1][:, 0 if horizontal else 1]
    assert ends == pytest.approx([0.75 - 0.2, 0.75 + 0.4])
    assert {"0.50", "0.75"} <= {text.get_text() for text in ax.texts}


def test_curves_are_named() -> None:
    _, ax = figures.canvas()
    figures.curve(ax, [1, 2], {"train": [3, 2], "验证": [4, 3]}, xlabel="step", log=True)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "验证"]
    assert ax.get_yscale() == "log"
    assert ax.lines[1].get_ydata().tolist() == [4, 3]
    assert ax.lines[0].get_color() == figures.BLUE


def test_a_token_strip_shows_tokens_and_ids_without_overlap() -> None:
    _, ax = figures.canvas(height=1)
    figures.token_strip(ax, ["行星", " the", "\n"], [7, 12345678, 9])
    assert [t.get_text() for t in ax.texts] == ["行星", "7", "␣the", "12345678", "↵", "9"]
    spans = [(box.get_x(), box.get_x() + box.get_width()) for box in ax.patches]
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    assert ax.get_xlim()[1] >= spans[-1][1]


def test_arrows_of_a_diagram_run_from_edge_to_edge() -> None:
    _, ax = figures.canvas()
    boxes = {"a": (0.0, 0.0), "b": (4.0, 0.0), "c": (4.0, 2.0)}
    figures.diagram(ax, boxes, [("a", "b"), ("b", "c", "up")], size=(2, 1))
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [(arrow.xyann, arrow.xy) for arrow in arrows] == [
        ((1, 0), (3, 0)),
        ((4, 0.5), (4, 1.5)),
    ]
    assert {"a", "b", "c", "up"} <= {text.get_text() for text in ax.texts}
