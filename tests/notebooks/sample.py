"""A chapter's source that holds one of everything, for the tests."""

TITLE = '# %% [markdown] lang="zh"\n# # 题目\n# %% [markdown] lang="en"\n# # Title\n'
SETUP = 'import sys\n\nsys.path[:0] = ["../..", "../src"]\nimport figures\n\nfigures.use_style()\n'
SAMPLE = f"""{TITLE}# %%
{SETUP}# %%
import os
import sys

import tiny_sample

print("first", flush=True)
print(tiny_sample.ANSWER, os.environ.get("TINY_MODEL"), os.environ.get("OMP_NUM_THREADS"))
print(*{{c for c in "hash order"}})
# %% [markdown] lang="zh"
# ## 图
#
# 权重是 $w_{{ij}}$。
# %% [markdown] lang="en"
# ## A picture
#
# The weights are $w_{{ij}}$.
# %%
fig, ax = figures.canvas(height=2)
ax = figures.heatmap(ax, [[0.1, 0.9], [0.5, 0.5]], ["行星", "，"], ["恒星", " the"], values=True)
"""


def twins(zh: str, en: str) -> str:
    """Prose cells in both languages, from Markdown."""
    cells = [f'# %% [markdown] lang="{lang}"' for lang in ("zh", "en")]
    bodies = ["\n".join(f"# {line}".rstrip() for line in text.split("\n")) for text in (zh, en)]
    return "".join(f"{cell}\n{body}\n" for cell, body in zip(cells, bodies, strict=True))
