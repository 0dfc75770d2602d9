"""One calm look for every figure of the book, and the few drawings that several chapters need.

    import figures

    figures.use_style()
    fig, ax = figures.canvas()
    ax = figures.attention_map(ax, weights, tokens)

Labels are English plus the tokens themselves; a Chinese glyph comes from the font in fonts/, so
that any machine draws it. The background is white, which reads in GitHub's light and dark mode.
Each helper draws on the Axes it is given and returns it. Matrices may be torch tensors.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import glyphs  # before matplotlib, whose font cache it keeps quiet
import matplotlib as mpl
import numpy as np
from cycler import cycler
from glyphs import MONO as MONO  # the aliases: chapters take these from here
from glyphs import label
from glyphs import missing_glyphs as missing_glyphs
from glyphs import visible as visible
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# Paul Tol's "bright" scheme, told apart by colour-blind eyes: https://sronpersonalpages.nl/~pault/
BLUE, ROSE, GREEN, YELLOW = "#4477AA", "#EE6677", "#228833", "#CCBB44"
CYAN, PURPLE, GREY = "#66CCEE", "#AA3377", "#BBBBBB"
PALETTE = [BLUE, ROSE, GREEN, YELLOW, PURPLE, CYAN, GREY]
INK, FAINT, PAPER = "#222B36", "#E4E8ED", "#FFFFFF"
SEQUENTIAL = LinearSegmentedColormap.from_list("tiny_blues", [PAPER, "#A9C3DE", BLUE, "#16324F"])
DIVERGING = LinearSegmentedColormap.from_list("tiny_rose_blue", ["#B23A4B", PAPER, "#2F5D8C"])
WIDTH_IN = 7.2


def use_style() -> None:
    """Sets matplotlib's defaults and makes the Chinese font known; call it once, at the start."""
    mpl.rcdefaults()  # a matplotlibrc of the reader's must not change the pictures
    glyphs.add_chinese_font()
    mpl.rcParams.update(
        {
            "font.family": glyphs.SANS,
            "font.size": 10,
            "axes.titlesize": 11.5,
            "axes.titlelocation": "left",
            "axes.titlepad": 8,
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#8A94A0",
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": FAINT,
            "grid.linewidth": 0.8,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "figure.figsize": (WIDTH_IN, 3.4),
            "figure.dpi": 100,
            "savefig.dpi": 200,
            "figure.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "figure.constrained_layout.use": True,
            "image.interpolation": "nearest",
        }
    )
    _double_resolution()


def _double_resolution() -> None:
    """In a notebook, pictures have two pixels for one, shown at the same size."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and hasattr(shell, "kernel"):
        from matplotlib_inline.config import InlineBackend

        InlineBackend.instance(parent=shell).figure_formats = {"retina"}


def canvas(
    rows: int = 1, columns: int = 1, *, height: float = 3.4, width: float = WIDTH_IN
) -> tuple["Figure", "Axes | np.ndarray"]:
    """A figure as wide as a page (inches), with one Axes or an array of them."""
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height))


def as_array(values: "ArrayLike") -> np.ndarray:
    """A NumPy array of floats from lists, arrays, or torch tensors of any type on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=float)


def heatmap(
    ax: "Axes",
    matrix: "ArrayLike",
    xlabels: Sequence[str] | None = None,
    ylabels: Sequence[str] | None = None,
    *,
    values: bool | str = False,
    cmap: Colormap = SEQUENTIAL,
    vmin: float | None = None,
    vmax: float | None = None,
    colorbar: bool = True,
) -> "Axes":
    """A (rows, columns) matrix as colours. `values` writes each number too (`values=".1f"`).

    With DIVERGING, white is 0 unless `vmin` and `vmax` say otherwise.
    """
    array = as_array(matrix)
    if array.ndim != 2:
        raise ValueError(
            f"heatmap needs a matrix, not shape {array.shape}: pick one head, one batch"
        )
    if cmap is DIVERGING and vmin is None and vmax is None:
        vmax = float(np.nanmax(np.abs(array)))
        vmin = -vmax
    image = ax.imshow(array, cmap=cmap, vmin=vmin, vmax=vmax, aspect="auto")
    _label_cells(ax, xlabels, ylabels)
    if values:
        form = values if isinstance(values, str) else ".2f"
        for (row, column), value in np.ndenumerate(array):
            red, green, blue, _ = image.cmap(image.norm(value))
            ink = PAPER if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else INK
            ax.text(column, row, format(value, form), ha="center", va="center", color=ink, size=8)
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02)
        bar.outline.set_visible(False)
    return ax


def _label_cells(
    ax: "Axes",
    xlabels: Sequence[str] | None,
    ylabels: Sequence[str] | None,
    offset: float = 0,
) -> None:
    """Tokens at the cells, all of them readable; without labels matplotlib's own numbers stay."""
    ax.grid(False)
    ax.spines[:].set(visible=True, color=FAINT)
    ax.tick_params(length=0)
    for axis, labels in ((ax.xaxis, xlabels), (ax.yaxis, ylabels)):
        if labels is None:
            axis.set_major_locator(MaxNLocator(integer=True))
        else:
            axis.set_ticks(np.arange(len(labels)) + offset, [label(text) for text in labels])
    if xlabels is not None and _crowded(ax, [label(text) for text in xlabels]):
        ax.tick_params(axis="x", rotation=60)
        for text in ax.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def _crowded(ax: "Axes", labels: Sequence[str]) -> bool:
    """Whether labels side by side would touch: a Latin letter at size 9 takes about 0.08 inch."""
    inches = ax.bbox.width / ax.figure.dpi
    return (max(map(_width, labels), default=0) + 1) * 0.08 * len(labels) > inches


def _width(text: str) -> int:
    return sum(2 if ord(char) > 0x2E80 else 1 for char in text)


def attention_map(
    ax: "Axes",
    weights: "ArrayLike",
    queries: Sequence[str],
    keys: Sequence[str] | None = None,
    *,
    values: bool = False,
    colorbar: bool = False,
) -> "Axes":
    """One head's weights (T, S), each row a query that sums to 1; `keys` default to `queries`."""
    keys = queries if keys is None else keys
    heatmap(ax, weights, keys, queries, values=values, vmin=0, vmax=1, colorbar=colorbar)
    ax.set(aspect="equal", xlabel="key (attended to)", ylabel="query (attending)")
    return ax


def show_mask(
    ax: "Axes",
    allowed: "ArrayLike",
    row_tokens: Sequence[str],
    column_tokens: Sequence[str] | None = None,
    *,
    legend: bool = True,
) -> "Axes":
    """A boolean mask (T, S) cell by cell, True is allowed; column tokens default to the rows'."""
    array = as_array(allowed)
    if not np.isin(array, (0, 1)).all():
        raise ValueError("show_mask needs True/False: turn an additive mask into `mask == 0`")
    column_tokens = row_tokens if column_tokens is None else column_tokens
    colours = LinearSegmentedColormap.from_list("mask", [FAINT, BLUE], N=2)
    ax.pcolormesh(array, cmap=colours, vmin=0, vmax=1, edgecolors=PAPER, linewidth=2)
    _label_cells(ax, column_tokens, row_tokens, offset=0.5)
    ax.spines[:].set_visible(False)
    ax.set(aspect="equal", xlabel="key", ylabel="query")
    ax.invert_yaxis()
    if legend:
        handles = [Patch(color=BLUE, label="allowed"), Patch(color=FAINT, label="blocked")]
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


def bars(
    ax: "Axes",
    labels: Sequence[str],
    values: "ArrayLike",
    errors: "ArrayLike | None" = None,
    *,
    horizontal: bool = False,
    form: str = ".2f",
    colors: str | Sequence[str] = BLUE,
) -> "Axes":
    """A bar for each label; `errors`: one half-width a bar, or (2, n) for below and above."""
    heights = as_array(values)
    spread = None if errors is None else as_array(errors)
    places = np.arange(len(heights))
    shown = [label(text) if text.isspace() else text for text in labels]
    error_style = {"ecolor": INK, "capsize": 3, "elinewidth": 1}
    if horizontal:
        drawn = ax.barh(places, heights, 0.62, xerr=spread, color=colors, error_kw=error_style)
        ax.set_yticks(places, shown)
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        ax.margins(x=0.12)
    else:
        drawn = ax.bar(places, heights, 0.62, yerr=spread, color=colors, error_kw=error_style)
        ax.set_xticks(places, shown)
        ax.grid(axis="x", visible=False)
        ax.margins(y=0.12)
    ax.bar_label(drawn, [format(value, form) for value in heights], padding=3, size=9)
    return ax


def curve(
    ax: "Axes",
    x: "ArrayLike",
    lines: "Mapping[str, ArrayLike]",
    *,
    xlabel: str = "",
    ylabel: str = "",
    log: bool = False,
    marker: str = "",
) -> "Axes":
    """Lines over the same x, named in a legend; `log` makes the y axis logarithmic."""
    for name, y in lines.items():
        ax.plot(as_array(x), as_array(y), marker=marker, label=name)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if any(lines):
        ax.legend()
    return ax


def token_strip(ax: "Axes", tokens: Sequence[str], notes: Sequence[object] = ()) -> "Axes":
    """The tokens of a text side by side in boxes, with a note (their ids, say) under each."""
    left = 0.0
    for number, token in enumerate(tokens):
        shown = label(token)
        note = str(notes[number]) if notes else ""
        width = max(_width(shown) * 0.13, _width(note) * 0.09) + 0.16
        colour = PALETTE[number % 4]
        ax.add_patch(_box(left + width / 2, 0, width, 0.42, colour))
        ax.text(left + width / 2, 0, shown, ha="center", va="center")
        ax.text(left + width / 2, -0.4, note, ha="center", va="center", size=8, color="#66707C")
        left += width + 0.08
    ax.set(xlim=(-0.05, max(left, WIDTH_IN)), ylim=(-0.6, 0.35), aspect="equal")
    ax.axis("off")
    return ax


def diagram(
    ax: "Axes",
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str] | tuple[str, str, str]] = (),
    *,
    size: tuple[float, float] = (1.6, 0.5),
    colors: Mapping[str, str] | None = None,
) -> "Axes":
    """Boxes (text -> centre, in any units) and arrows (from, to, label) between them.

    A text that occurs twice takes a blank at its end the second time. `size` is in the same units.
    """
    width, height = size
    for text, (x, y) in boxes.items():
        ax.add_patch(_box(x, y, width, height, (colors or {}).get(text, BLUE)))
        ax.text(x, y, text, ha="center", va="center", size=9)
    for start, end, *words in arrows:
        (x0, y0), (x1, y1) = boxes[start], boxes[end]
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        begin = _edge((x0, y0), (x1, y1), size)
        stop = _edge((x1, y1), (x0, y0), size)
        ax.annotate("", stop, begin, arrowprops={"arrowstyle": "-|>", "color": "#66707C"})
        if words:
            back = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}
            ax.text(*middle, words[0], ha="center", va="center", size=8, bbox=back)
    xs, ys = zip(*boxes.values(), strict=True)
    ax.set(xlim=(min(xs) - width, max(xs) + width), ylim=(min(ys) - height, max(ys) + height))
    ax.axis("off")
    return ax


def _box(x: float, y: float, width: float, height: float, colour: str) -> FancyBboxPatch:
    corner = (x - width / 2, y - height / 2)
    face = (*to_rgb(colour), 0.18)
    style = "round,pad=0,rounding_size=0.06"
    return FancyBboxPatch(corner, width, height, style, facecolor=face, edgecolor=colour)


def _edge(
    start: tuple[float, float], end: tuple[float, float], size: tuple[float, float]
) -> tuple[float, float]:
    """Where the line from the centre of one box to another leaves the first."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    reach = min(s / 2 / abs(d) for s, d in zip(size, (dx, dy), strict=True) if d)
    return start[0] + dx * reach, start[1] + dy * reach
