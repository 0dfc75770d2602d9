# %% [markdown] lang="zh"
# # 22 · 穿过注意力：掩码、GQA、KV 缓存
#
# > **旅客自述**　我就是[上一章](21_tokens_to_rope.ipynb)那位旅客，一个形状为 $(B, T, D)$ 的张
# 量：$B$ 句话，每句 $T$ 个词元，每个词元是 $D$ 个数。走到这里之前，我的每一行都是独自加工的：查表，
# 归一化，按位置旋转。第 5 行从不知道第 3 行写了什么。眼前这扇门叫**注意力**（attention），整个解码
# 器里，各行只有在门后才能互通消息。
#
# 我们跟着它走进去，一路弄清四件事：
#
# 1. 一行怎样向别的行提问，又取回什么？（第 1 节）
# 2. 谁可以看谁？（第 2 节，掩码）
# 3. 许多个头怎样分工，又怎样共用键和值？（第 3、4 节，GQA）
# 4. 一个词元一个词元地生成时，看过的东西怎样不必重算？（第 5、6 节，**KV 缓存**，KV cache，键值缓存）
#
# **预备知识**：矩阵乘法、softmax、张量的形状，以及第 21 章的 RMSNorm 和 RoPE。**用时**：读一遍约 50 分钟；两个 CPU 核
# 上全部运行约 30 秒，不联网，不下载任何东西。
#
# 全书通用的字母：
#
# | 字母 | 含义 | 字母 | 含义 |
# | --- | --- | --- | --- |
# | `B` | 一批里有几句话 | `H` | 查询头的个数 |
# | `T` | 这次送进来的词元数（查询） | `K` | 键/值头的个数 |
# | `S` | 能被看到的词元数（键），含缓存里的 | `G` | 几个查询头共用一个键/值头，`H / K` |
# | `D` | 模型宽度 | `Dh` | 一个头的宽度 |
#
# 上一章：[21 · 走到注意力门前](21_tokens_to_rope.ipynb)。下一章：[23 · 完整的解码
# 器](23_the_whole_decoder.ipynb)。
# %% [markdown] lang="en"
# # 22 · Through attention: masks, GQA, the KV cache
#
# > **The traveller speaks.** I am the one from [the chapter before](21_tokens_to_rope.ipynb), a
# > tensor of shape $(B, T, D)$: $B$ texts of $T$ tokens, each token $D$ numbers. On the way here
# > each of my rows was worked on alone: looked up, normalised, turned by its position. Row 5 has
# > never heard what row 3 holds. The door in front of me is called **attention**. In the whole
# > decoder, it is the only place where my rows can tell each other anything.
#
# We go in with it and settle four things on the way:
#
# 1. How does one row ask the others, and what does it take back? (section 1)
# 2. Who may look at whom? (section 2: masks)
# 3. How do many heads share the work, and share keys and values? (sections 3 and 4: GQA)
# 4. While generating token by token, how do we avoid computing the past again? (sections 5 and 6:
#    the
#    **KV cache**, the keys and values that are kept)
#
# **You need**: matrix products, softmax, shapes of tensors, and RMSNorm and RoPE from chapter 21.
# **Time**: about 50 minutes to read; the whole chapter runs in about 30 seconds on two CPU cores; no network, no downloads.
#
# The letters of this book:
#
# | letter | meaning | letter | meaning |
# | --- | --- | --- | --- |
# | `B` | texts in a batch | `H` | query heads |
# | `T` | tokens coming in now (queries) | `K` | key/value heads |
# | `S` | tokens that can be seen (keys), cached ones included | `G` | query heads per key/value head, `H / K` |
# | `D` | model width | `Dh` | width of one head |
#
# Previous: [21 · To the door of attention](21_tokens_to_rope.ipynb). Next: [23 · The whole
# decoder](23_the_whole_decoder.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import inspect
from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)  # this chapter only runs forward
torch.set_printoptions(precision=2, sci_mode=False)
dice = torch.Generator().manual_seed(22)  # the source of the random numbers below
# %%
from qwen_blog import (
    Attention,
    KVCache,
    Qwen2Config,
    Qwen2ForCausalLM,
    RotaryEmbedding,
    apply_rotary_pos_emb,
    causal_mask,
    decode_attention,
    eager_attention,
    repeat_kv,
    sdpa_attention,
)

# %% [markdown] lang="zh"
# ## 1 一个头，手算一遍
#
# **问题**　句子 *the cat ate fish* 里，*ate* 这一行想知道“谁吃、吃什么”。它该问谁，又该拿走什么？
# （[第 11 章](11_attention_by_hand.ipynb)讲过的，这里用解码器再走一遍；读过的可以快看。）
#
# **想法**　每个词元准备三个向量，宽度都是 $D_h$：
#
# - **查询 $q$（query）**：我在找什么；
# - **键 $k$（key）**：我是什么，供别人来匹配；
# - **值 $v$（value）**：如果有人找上我，我交出什么。
#
# *ate* 拿自己的 $q$ 与每个词元的 $k$ 做点积，点积越大越对口。除以 $\sqrt{D_h}$，经 softmax 变成一行
# 和为 1 的**权重**，再按权重把各个 $v$ 加起来，就是 *ate* 取回的东西：
#
# $$\mathrm{score}_{ts} = \frac{q_t \cdot k_s}{\sqrt{D_h}}, \qquad
# w_{ts} = \frac{e^{\mathrm{score}_{ts}}}{\sum_{s'} e^{\mathrm{score}_{ts'}}}, \qquad
# \mathrm{out}_t = \sum_s w_{ts}\, v_s$$
#
# 下面的数字是我们亲手写的，好让你读得懂：在 $q$ 和 $k$ 里，第 0、1、3 列
# 分别表示“名词”“动词”“冠词”；$v$ 的四列则依次是 *cat*、*ate*、*fish*、*the* 各自交出的东西。
# 训练出来的模型里，$q, k, v$ 是输入乘以三个矩阵得到的，各列没有这样整齐的含义。
# %% [markdown] lang="en"
# ## 1 One head, by hand
#
# **Question.** In *the cat ate fish*, the row of *ate* would like to know who ate, and what. Whom
# should it ask, and what should it take?
#
# **Idea.** Every token prepares three vectors of width $D_h$:
#
# - the **query $q$**: what I am looking for;
# - the **key $k$**: what I am, for others to match against;
# - the **value $v$**: what I hand over to whoever finds me.
#
# *ate* takes the dot product of its $q$ with the $k$ of every token; the larger, the better the
# match. Divided by $\sqrt{D_h}$ and sent through softmax, these become one row of **weights** that
# sum to 1. The $v$ of all tokens, added up with these weights, is what *ate* takes back:
#
# $$\mathrm{score}_{ts} = \frac{q_t \cdot k_s}{\sqrt{D_h}}, \qquad
# w_{ts} = \frac{e^{\mathrm{score}_{ts}}}{\sum_{s'} e^{\mathrm{score}_{ts'}}}, \qquad
# \mathrm{out}_t = \sum_s w_{ts}\, v_s$$
#
# The numbers below are written by us, so that they can be read: in $q$ and $k$,
# columns 0, 1 and 3 mean "noun", "verb" and "article"; the four columns of $v$ are what *cat*, *ate*,
# *fish* and *the* hand over. In a trained model $q, k, v$ are the input times three matrices, and
# no column has so tidy a meaning.
# %%
tokens = ["the", "cat", "ate", "fish"]
q = torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 1], [3, 0, 0, 0], [0, 3, 0, 1]])
k = torch.tensor([[0.0, 0, 0, 2], [2, 0, 0, 0], [0, 2, 0, 0], [2, 0, 0, 0]])
v = torch.tensor([[0.0, 0, 0, 1], [10, 0, 0, 0], [0, 10, 0, 0], [0, 0, 10, 0]])

scores = q @ k.T / 4**0.5  # (T, Dh) @ (Dh, S) -> (T, S), Dh = 4
weights = scores.softmax(dim=-1)  # (T, S), every row sums to 1
out = weights @ v  # (T, S) @ (S, Dh) -> (T, Dh)
print("ate asks:    ", (q[2] @ k.T).tolist(), "(dot products)")
print("scaled:      ", scores[2].tolist())
print("weights:     ", [round(w, 2) for w in weights[2].tolist()])
print("takes back:  ", [round(x, 2) for x in out[2].tolist()])


# %% [markdown] lang="zh"
# 读第三行：*ate* 找名词（$q$ 的第 0 列是 3），*cat* 和 *fish* 的键对得上，各得 0.48 的权重；取回的
# 向量差不多是“半个 *cat* 加半个 *fish*”。
#
# 包里的 `eager_attention` 做的就是这三步，只是轴更多：$(B, H, T, D_h)$。先用它和 torch 的**融合函
# 数**（fused function，几步并作一次调用）各算一遍，确认手算没错。
# %% [markdown] lang="en"
# Read the third row: *ate* looks for nouns (column 0 of its $q$ is 3). The keys of *cat* and *fish*
# match and get a weight of 0.48 each; what comes back is about half a *cat* and half a *fish*.
#
# `eager_attention` in the package does just these three steps, with more axes: $(B, H, T, D_h)$.
# Let it, and torch's **fused function** (several steps in one call), check our arithmetic.
# %%
def one_head(q, k, v, mask=None):
    """eager_attention for plain matrices: (T, Dh), (S, Dh), (S, Dh) -> (T, Dh), (T, S)."""
    mask = torch.ones(len(q), len(k), dtype=torch.bool) if mask is None else mask
    out, weights = eager_attention(q[None, None], k[None, None], v[None, None], mask)
    return out[0, 0], weights[0, 0]


torch.testing.assert_close(one_head(q, k, v), (out, weights))
torch.testing.assert_close(F.scaled_dot_product_attention(q, k, v), out)
# %%
fig, axes = figures.canvas(1, 3, height=2.7)
panels = {"dot products": q @ k.T, "scores: / sqrt(Dh)": scores, "weights: softmax": weights}
for ax, (title, matrix) in zip(axes, panels.items(), strict=True):
    form = ".2f" if matrix is weights else ".0f"
    ax = figures.heatmap(ax, matrix, tokens, tokens, values=form, colorbar=False)
    ax.set(title=title, aspect="equal", xlabel="key")
_ = axes[0].set_ylabel("query")
# %% [markdown] lang="zh"
# ### 为什么除以 $\sqrt{D_h}$
#
# 设 $q$ 和 $k$ 的每个分量独立、均值 0、方差 1，点积是 $D_h$ 个这样的乘积之和，方差是 $D_h$，标准差
# 是 $\sqrt{D_h}$。头越宽，点积越大，softmax 就越接近“赢者通吃”：一个权重接近 1，其余接近 0，此时
# softmax 的梯度也接近 0（权重 $w$ 对自己分数的导数是 $w(1-w)$），训练一开始就学不动。除以
# $\sqrt{D_h}$ 之后，标准差总是 1，与宽度无关。
#
# 下面对 16 个随机的键做实验，看看最大的那个权重平均有多大。
# %% [markdown] lang="en"
# ### Why divide by $\sqrt{D_h}$
#
# Let the entries of $q$ and $k$ be independent with mean 0 and variance 1. A dot product is the sum
# of $D_h$ such products: its variance is $D_h$, its standard deviation $\sqrt{D_h}$. The wider the
# head, the larger the dot products, and the closer softmax comes to "the winner takes all": one
# weight near 1, the others near 0. There its gradient is near 0 too (the derivative of a weight $w$
# by its own score is $w(1-w)$), so a fresh model could hardly learn. Divided by $\sqrt{D_h}$, the
# standard deviation is 1 at every width.
#
# An experiment with 16 random keys: how large is the largest weight on average?
# %%
print(" Dh  std of q.k  std scaled  largest weight: raw  scaled")
largest = {"raw": [], "scaled": []}
for Dh in (2, 8, 32, 128):
    dots = torch.randn(4000, 1, Dh, generator=dice) @ torch.randn(4000, Dh, 16, generator=dice)
    for name, x in (("raw", dots), ("scaled", dots / Dh**0.5)):
        largest[name].append(x.softmax(-1).amax(-1).mean().item())
    raw, scaled = largest["raw"][-1], largest["scaled"][-1]
    print(f"{Dh:3}{dots.std():11.1f}{(dots / Dh**0.5).std():12.1f}{raw:18.2f}{scaled:9.2f}")
fig, ax = figures.canvas(height=2.6, width=5)
ax = figures.curve(ax, [2, 8, 32, 128], largest, xlabel="Dh", ylabel="largest weight", marker="o")
_ = ax.set(xscale="log", xticks=[2, 8, 32, 128], xticklabels=[2, 8, 32, 128], ylim=(0, 1))


# %% [markdown] lang="zh"
# > **教程里常见的错**　除的是 $\sqrt{D_h}$，一个头的宽度，不是模型宽度 $\sqrt{D}$。Qwen2-0.5B 的
# $D = 896$，$D_h = 64$，用错了，分数会小到原来的四分之一左右，形状却毫无破绽。softmax 沿**键**那一
# 轴（`dim=-1`）做；写成 `dim=-2` 就成了各个查询互相争抢同一个键。
#
# **练习 1**　不用任何矩阵运算，只用 `math.exp` 和三重循环，写出一个头的注意力。把下面的 `candidate`
# 换成你的函数，输入是 `(T, Dh)` 的张量，返回张量或嵌套列表都行。
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** The divisor is $\sqrt{D_h}$, the width of
# > one head, not $\sqrt{D}$, the width of the model. In Qwen2-0.5B $D = 896$ and $D_h = 64$: the
# > mistake shrinks the scores to about a quarter, and no shape will tell you. And softmax runs
# > along the **keys** (`dim=-1`); with `dim=-2` the queries compete for a key.
#
# **Exercise 1.** Write one head of attention without any matrix operation: `math.exp` and three
# nested loops. Put it in the place of `candidate`; inputs are `(T, Dh)` tensors, the output a
# tensor or a nested list.
# %%
def candidate(q, k, v):  # put yours here
    return one_head(q, k, v)[0]


random_q, random_k, random_v = torch.randn(3, 5, 6, generator=dice)
mine = torch.as_tensor(candidate(random_q, random_k, random_v))
torch.testing.assert_close(mine, F.scaled_dot_product_attention(random_q, random_k, random_v))
print("exercise 1: correct")
# %% [markdown] lang="zh"
# ## 2 掩码：谁可以看谁
#
# > **旅客自述**　门口站着一位守卫，手里拿着一张 $T \times S$ 的表，只写“可以”和“不可以”。我的每一行
# 都要查自己那一行：哪些键能看，哪些不能。
#
# **问题**　训练时，一句话的所有位置同时预测各自的下一个词元。*ate* 那一行要预测的正是 *fish*，可是
# 在上面的图里，它有 0.48 的权重就落在 *fish* 上。答案摆在眼前，当然不必学。生成时 *fish* 还不存在，
# 这样学来的本事一点用也没有。
#
# **想法**　位置 $t$ 只许看不晚于自己的位置：$s \le t$。这张表叫**因果掩码（causal mask）**。
# %% [markdown] lang="en"
# ## 2 The mask: who may look at whom
#
# > **The traveller speaks.** At the door stands a guard with a table, $T \times S$, of nothing but
# > "yes" and "no". Each of my rows looks up its own line: which keys it may see, and which not.
#
# **Question.** In training, all places of a text predict their next token at once. The row of *ate*
# must predict *fish*; but in the picture above, 0.48 of its weight lies on *fish*. With the answer
# in plain sight there is nothing to learn. And in generation there is no *fish* yet, so whatever
# was learned that way is of no use.
#
# **Idea.** Place $t$ may look at no later place: $s \le t$. This table is the **causal mask**.
# %%
places = torch.arange(4)
distance = places[:, None] - places[None, :]  # (T, S): how far back does the key lie?
allowed = distance >= 0
print(distance, allowed, sep="\n")
assert torch.equal(causal_mask(4, 4)[0, 0], allowed)
# %% [markdown] lang="zh"
# `distance` 的第 $t$ 行第 $s$ 列是 $t - s$：正数是过去，0 是自己，负数是未来。掩码就是一句
# `distance >= 0`。接着三步走：
#
# $$\text{分数} \;\to\; \text{不许看的填 } {-\infty} \;\to\; \text{softmax}$$
#
# 因为 $e^{-\infty} = 0$，被挡住的键权重恰好为 0，而且**不进分母**。
# %% [markdown] lang="en"
# Row $t$, column $s$ of `distance` is $t - s$: positive is the past, 0 is the token itself,
# negative the future. The mask is just `distance >= 0`. Then three steps:
#
# $$\text{scores} \;\to\; \text{what is not allowed becomes } {-\infty} \;\to\; \text{softmax}$$
#
# As $e^{-\infty} = 0$, a blocked key has a weight of exactly 0, and it is **not in the
# denominator**.
# %%
masked = scores.masked_fill(~allowed, float("-inf"))
causal_out, causal_weights = one_head(q, k, v, allowed)
print(masked)
print(causal_weights, "rows sum to", causal_weights.sum(-1).tolist())
torch.testing.assert_close(masked.softmax(-1), causal_weights)

fig, axes = figures.canvas(1, 4, height=2.3)
steps = {"1. scores": scores, "3. -inf": masked, "4. weights": causal_weights}
for ax, (title, matrix) in zip(axes[[0, 2, 3]], steps.items(), strict=True):
    form = ".2f" if matrix is causal_weights else ".0f"
    style = {"values": form, "colorbar": False, "vmin": 0, "vmax": matrix.max()}
    ax = figures.heatmap(ax, matrix, tokens, tokens, **style)
    ax.set(title=title, aspect="equal")
ax = figures.show_mask(axes[1], allowed, tokens, legend=False)
_ = ax.set(title="2. allowed", xlabel="", ylabel="")


# %% [markdown] lang="zh"
# 第一行只剩自己，权重 1；*ate* 的权重从 *cat*、*fish* 各半变成几乎全在 *cat*；最后一行本来就能看见
# 全部，一个数都没变。
#
# ### 为什么在 softmax 之前填 $-\infty$，而不是之后清零
#
# 先 softmax 再清零，有两处不对。第一，一行的和不再是 1。第二，更要命：未来的词元仍在**分母**里。改
# 动 *fish* 的键，前面各行的权重会跟着变，消息就从未来漏了过来。下面把 *fish* 的键换成全 1，看前三行
# 的输出变没变。
# %% [markdown] lang="en"
# In the first row only the token itself is left, with weight 1. The weight of *ate*, half and half
# on *cat* and *fish* before, is now almost all on *cat*. The last row could see everything anyway
# and has not changed at all.
#
# ### Why $-\infty$ before softmax, and not zero after
#
# Softmax first and zeros afterwards is wrong twice. First, a row no longer sums to 1. Second, and
# worse: the future is still in the **denominator**. Change the key of *fish*, and the weights of
# the rows before it move: news has leaked from the future. Below the key of *fish* becomes all
# ones; do the outputs of the first three rows notice?
# %%
def zero_after(k):
    """The wrong order: weights by softmax over everything, then the future set to 0."""
    return (q @ k.T / 2).softmax(-1).where(allowed, 0)


other_k = k.clone()
other_k[3] = 1  # another key for "fish", which comes last
leak = (zero_after(k) - zero_after(other_k)) @ v
right = one_head(q, k, v, allowed)[0] - one_head(q, other_k, v, allowed)[0]
print("zero after softmax, row sums:  ", zero_after(k).sum(-1))
print("  rows the, cat, ate change by:", leak[:3].abs().amax(-1))
print("-inf before softmax:           ", right[:3].abs().amax(-1))
assert not right[:3].any()
# %% [markdown] lang="zh"
# 那么，清零之后再把每行除以它的和呢？纸面上，这与 $-\infty$ 的做法相等：公共的分母约掉了。机器上不
# 然：若未来的某个分数很大，其余权重已经下溢成 0，剩下的就是 $0/0$。
#
# 也有人不填 $-\infty$ 而填 `-1e9`。fp32 里，只要一行还有能看的键，结果一样；但 float16 装不下这个数
# （bfloat16 装得下），而整行被挡住时，它会悄悄给出**均匀权重**，连未来也平分一份。
# %% [markdown] lang="en"
# What if we divide each row by its sum after the zeros? On paper this equals the way with
# $-\infty$: the common denominator cancels. Not so on a machine: if one score of the future is
# large, the other weights have already underflowed to 0, and what is left is $0/0$.
#
# Others fill in `-1e9` instead of $-\infty$. In fp32, as long as a row has a key that it may look
# at, the result is the same. But float16 cannot hold this number (bfloat16 can); and a row that is
# blocked throughout quietly gets **equal weights**, a share for the future included.
# %%
loud_k = k.clone()
loud_k[3] *= 100  # "fish" shouts: its score in the row of "ate" is 300
late = zero_after(loud_k)
print("zero, then divided by the row sum:", (late / late.sum(-1, keepdim=True))[2])
print("-inf before softmax:              ", one_head(q, loud_k, v, allowed)[1][2])

everything = torch.ones(4, dtype=torch.bool)  # a row that may look at nothing
print("row blocked throughout, -1e9:     ", scores[2].masked_fill(everything, -1e9).softmax(-1))
print("largest float16:", torch.finfo(torch.float16).max)
# %% [markdown] lang="zh"
# ### 填充、窗口、缓存：同一个函数
#
# 实际的掩码还要应付三件事：
#
# - **填充（padding）**：一批句子长短不一，短的补上无意义的词元凑齐，谁也不该看它们。补在右边叫右填
#   充，补在左边叫左填充。训练常用右填充；生成用左填充，这样每一行最新的词元都在最后一列。
# - **滑动窗口（sliding window）**：只许看最近的 $w$ 个键，自己也算一个。
# - **缓存**：过去 $S - T$ 个词元的键和值算好存着（第 5 节），这次只送进 $T$ 个新的。第 $t$ 行其实站
#   在位置 $S - T + t$。
#
# 合起来，查询 $t$ 能看键 $s$ 的条件是：
#
# $$0 \le (S - T + t) - s < w \quad\text{且}\quad s \text{ 不是填充}$$
#
# 没有窗口，就当 $w = \infty$。外加一条：每个查询总能看见自己。包里只有一个函数管这一切，全文如下。
# %% [markdown] lang="en"
# ### Padding, windows, a cache: one function
#
# A real mask has three more things to deal with:
#
# - **Padding.** The texts of a batch differ in length; the short ones are filled up with tokens
#   that mean nothing and that nobody should look at, on the right or on the left. Training mostly
#   pads on the right. Generation pads on the left, so that the newest token of every row is in the
#   last column.
# - A **sliding window**: only the latest $w$ keys may be seen, the token's own included.
# - A **cache**: the keys and values of $S - T$ past tokens are kept (section 5), only $T$ new ones
#   come in. Row $t$ really stands at place $S - T + t$.
#
# Together, query $t$ may look at key $s$ if
#
# $$0 \le (S - T + t) - s < w \quad\text{and}\quad s \text{ is no padding}$$
#
# (without a window, $w = \infty$), and one rule more: every query sees itself. One function of the
# package does it all; here it is.
# %%
print(inspect.getsource(causal_mask))
# %% [markdown] lang="zh"
# 返回的形状是 `(B 或 1, 1, T, S)`：第二个 1 会广播到所有头，因为同一句话里，各个头守同一条规矩。下
# 面是同一个函数画出的六张表。
# %% [markdown] lang="en"
# The shape is `(B or 1, 1, T, S)`: the second 1 broadcasts over the heads, since within one text
# all heads obey the same rule. Six tables, drawn by this one function:
# %%
right_pad = torch.tensor([[1, 1, 1, 1, 0, 0]]).bool()
panels = {
    "causal": (causal_mask(6, 6), ["a", "b", "c", "d", "e", "f"]),
    "right padding": (causal_mask(6, 6, right_pad), ["a", "b", "c", "d", "∅", "∅"]),
    "left padding": (causal_mask(6, 6, right_pad.flip(1)), ["∅", "∅", "a", "b", "c", "d"]),
    "sliding window of 3": (causal_mask(6, 6, None, 3), ["a", "b", "c", "d", "e", "f"]),
    "4 cached, 2 new": (causal_mask(2, 6), ["a", "b", "c", "d", "e", "f"]),
    "5 cached, 1 new, window 3": (causal_mask(1, 6, None, 3), ["a", "b", "c", "d", "e", "f"]),
}
fig, axes = figures.canvas(2, 3, height=5)
for ax, (title, (mask, names)) in zip(axes.flat, panels.items(), strict=True):
    new = mask.shape[2]  # T: the rows are the last T tokens
    ax = figures.show_mask(ax, mask[0, 0], names[-new:], names, legend=False)
    ax.set(title=title, xlabel="")
# %% [markdown] lang="zh"
# 对照着看：右填充时，两列灰色挡住填充的键；左填充时，灰色的是开头两列。填充的那几行（`∅`）照样有蓝
# 格：至少能看见自己。窗口为 3，每行最多三个蓝格。有缓存时，矩阵不再是方的，对角线落在右下角。
#
# ### 整行被挡住：NaN 会传染
#
# 为什么非让填充的查询看见自己？它的输出反正没人要。试试不给：左填充时第一行一个能看的键也没
# 有，softmax 的每一项都是 $e^{-\infty} = 0$，分母也是 0，结果是 NaN。而“没人要”靠的是权重为 0，可
# $0 \times \mathrm{NaN}$ 还是 NaN：到了下一层，它就污染了所有行。
# %% [markdown] lang="en"
# Compare: with right padding, the two grey columns on the right are the padded keys; with left
# padding, the first two columns are grey. The padded rows (`∅`) have blue cells all the same: at
# least their own. A window of 3 leaves at most three blue cells a row. With a cache the matrix is
# no longer a square, and the diagonal ends in the lower right corner.
#
# ### A row with nothing to look at: NaN is contagious
#
# Why must a padded query see itself? Nobody wants its output. Try without: with left padding, the
# first row has no key to look at, every term of its softmax is $e^{-\infty} = 0$, so is the
# denominator, and the result is NaN. "Nobody wants it" means that its weight is 0, but
# $0 \times \mathrm{NaN}$ is NaN again: in the next layer it spoils every row.
# %%
real = torch.tensor([[0, 1, 1, 1]]).bool()  # one padded token on the left
x = torch.randn(1, 1, 4, 8, generator=dice)
masks = {
    "without the diagonal": causal_mask(4, 4) & real[:, None, None],
    "causal_mask": causal_mask(4, 4, real),
}
for name, mask in masks.items():
    layer_1, w1 = eager_attention(x, x, x, mask)
    layer_2, w2 = eager_attention(layer_1, layer_1, layer_1, mask)
    spoilt = [out.isnan().any(-1).sum().item() for out in (layer_1, layer_2)]
    print(f"{name:21} rows with NaN after layer 1: {spoilt[0]}, after layer 2: {spoilt[1]}")
assert not layer_2.isnan().any()
assert w2[..., 1:, 0].eq(0).all()  # no real token looks at the padded one
# %% [markdown] lang="zh"
# > **教程里常见的错**　布尔掩码有两种相反的约定。本书和 `F.scaled_dot_product_attention` 里，`True`
# 是“可以看”；`nn.MultiheadAttention` 和 `nn.Transformer` 里，`True` 是“挡住”。抄错一边，形状、类型
# 都对，模型却专看未来。
#
# 顺便确认 torch 的两处约定确实相反：
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** There are two opposite conventions for
# > boolean masks. In this book and in `F.scaled_dot_product_attention`, `True` means "may look"; in
# > `nn.MultiheadAttention` and `nn.Transformer`, `True` means "blocked". Copy the wrong one and all
# > shapes and types are right, but the model looks at nothing but the future.
#
# A check that torch's two conventions really are opposites:
# %%
layer = torch.nn.MultiheadAttention(8, 1, batch_first=True)
layer.in_proj_weight.copy_(torch.eye(8).repeat(3, 1))  # q = k = v = x
layer.out_proj.weight.copy_(torch.eye(8))
theirs, _ = layer(x[0], x[0], x[0], attn_mask=~causal_mask(4, 4)[0, 0])  # note the ~
ours = F.scaled_dot_product_attention(x, x, x, causal_mask(4, 4))
torch.testing.assert_close(theirs, ours[0])


# %% [markdown] lang="zh"
# ### 扰动实验：改动后面的词元，前面动不动？
#
# 掩码画得对不对，不如直接做实验。取一个四层的小模型（`Qwen2Config.nano()`），参数全部随机，送进 10
# 个词元，然后改掉第 6 个（从 0 数），看每个位置的输出变化多大。再把掩码全部放开，重来一遍。
# %% [markdown] lang="en"
# ### Perturbation: change a later token, and see what moves
#
# Better than to look at a mask is to test it. Take a small model of four layers
# (`Qwen2Config.nano()`) with random parameters, send in 10 tokens, then change token 6 (counted
# from 0) and see how far the output at each place moves. Then open the mask entirely and repeat.
# %%
def random_model(config, seed=0):
    """Noise on every parameter: fresh biases are 0, fresh norms 1, and would hide mistakes."""
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    return model


def run_layers(model, ids, mask):
    """(B, T) -> (B, T, D): all decoder layers, with the mask that we choose."""
    x = model.model.embed_tokens(ids)
    cos, sin = model.model.rotary_emb(torch.arange(ids.shape[1])[None], x.dtype)
    for layer in model.model.layers:
        x, _ = layer(x, cos, sin, mask)
    return x


# %%
model = random_model(Qwen2Config.nano())
ids = torch.randint(0, 2048, (1, 10), generator=dice)
changed = ids.clone()
changed[0, 6] += 1

cases = {"causal mask": causal_mask(10, 10), "no mask": torch.ones(1, 1, 10, 10).bool()}
fig, axes = figures.canvas(2, 1, height=4.4)
for ax, (name, mask) in zip(axes, cases.items(), strict=True):
    moved = (run_layers(model, ids, mask) - run_layers(model, changed, mask)).abs().amax(-1)[0]
    ax = figures.bars(ax, [str(t) for t in range(10)], moved, form=".2g")
    ax.set(title=f"{name}: token 6 is changed", ylabel="largest change")
    if name == "causal mask":
        assert moved.gt(0).tolist() == [False] * 6 + [True] * 4
_ = ax.set_xlabel("place")
# %% [markdown] lang="zh"
# 有因果掩码，位置 0 到 5 的变化是**恰好 0**，不是“很小”：被挡住的键，权重就是 0。没有掩码，处处都
# 变。请记住上面这张图：过去的词元，每一层的结果都不受未来影响。第 5 节的 KV 缓存全靠这一条。
#
# 填充也可以这样检验：左边随便补上 3 个词元，真词元得到的 logits（输出层给出的分数）不变。位置编号整体后移了
# 3，也没有关系，因为 RoPE 之后的点积只看相对距离。
# %% [markdown] lang="en"
# With the causal mask, places 0 to 5 move by **exactly 0**, not by "very little": a blocked key has
# weight 0. Without it, everything moves. Keep the upper picture in mind: what the layers compute
# for a past token does not depend on the future. The KV cache of section 5 rests on this alone.
#
# Padding can be tested in the same way: put any 3 tokens on the left, and the logits of the real
# ones stay. That their positions are shifted by 3 does not matter: after RoPE, dot products see
# relative distances only.
# %%
alone = model(ids).logits
filler = torch.randint(0, 2048, (1, 3), generator=dice)
padded = torch.cat([filler, ids], dim=1)  # (1, 3 + 10)
real = torch.tensor([[0] * 3 + [1] * 10])
together = model(padded, attention_mask=real).logits[:, 3:]
# rounding only: the positions, and so the angles, are shifted by 3
torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
print("left padding changes nothing for the real tokens")
# %% [markdown] lang="zh"
# **练习 2**　写出你自己的 `causal_mask`。检查的办法是最笨的那种：三重循环，逐格按规则判断。
# %% [markdown] lang="en"
# **Exercise 2.** Write your own `causal_mask`. The check is as plain as can be: three loops that
# decide cell by cell, by the rule.
# %%
candidate = causal_mask  # put yours here

for T, S, window in [(1, 1, None), (4, 4, None), (2, 5, None), (5, 5, 2), (3, 7, 3), (1, 6, 1)]:
    real = torch.rand(2, S, generator=dice) < 0.7
    got = candidate(T, S, real, window)
    for b in range(2):
        for t in range(T):
            for s in range(S):
                back = (S - T + t) - s
                in_window = 0 <= back < (window or S)
                expected = back == 0 or (in_window and bool(real[b, s]))
                assert got[b, 0, t, s] == expected, (T, S, window, b, t, s)
print("exercise 2: correct")
# %% [markdown] lang="zh"
# ## 3 许多头：MHA、GQA、MQA
#
# > **旅客自述**　门后不止一双眼睛。我的 $D$ 个数被投影成 $H$ 个查询，每个宽 $D_h$；$H$ 个头各看各
# 的，最后把看到的并排拼起来，又是 $D$ 个数。
#
# **问题**　一个头为什么不够？
#
# **想法**　一个头给每个词元只留**一行**权重，和为 1。它若全力看“前一个词元”，就没有余力看“主语是
# 谁”；平均分配，取回的又是一团混合。几种关系就要几个头。
#
# 刚初始化的模型权重都很小，每一行注意力差不多是均匀的，看不出什么。不如亲手造三个头，看看一个头能做
# 什么（句子里的 Tavi 和 Nara 是虚构的星名）：
#
# 1. **只靠 RoPE 的近视头**：所有词元的 $q$、$k$ 都相同，内容一概不看，唯一的差别是 RoPE 转的角度。
# 2. **前词元头（previous-token head）**：把所有的 $q$ 预先往回转一格，点积就在距离 1 处最大。（这个 $q$ 是个固定的向
#    量，Qwen2 的 `q_proj` 带偏置，单凭偏置就能造出它。）
# 3. **归纳头（induction head）**：第二层拿“我是谁”去匹配“谁的**前一个**词元是我”，于是找到上次出现
#    之后紧跟着的那个词元，把它抄过来（Olsson 等 2022，arXiv:2209.11895）。
# %% [markdown] lang="en"
# ## 3 Many heads: MHA, GQA, MQA
#
# > **The traveller speaks.** Behind the door is more than one pair of eyes. My $D$ numbers are
# > projected into $H$ queries of width $D_h$; the $H$ heads look, each for itself, and what they
# > bring back is laid side by side: $D$ numbers again.
#
# **Question.** Why is one head not enough?
#
# **Idea.** A head has just **one** row of weights for each token, and it sums to 1. If it spends
# all on "the token before", nothing is left for "who is the subject"; if it divides, it takes back
# a blend. Several relations need several heads.
#
# In a fresh model all weights are small and each row of attention is nearly uniform; there is
# little to see. Let us rather build three heads by hand, to find out what a head can do (Tavi and
# Nara in the text are made-up planets):
#
# 1. **Short-sighted, by RoPE alone**: all tokens have the same $q$ and the same $k$. Content plays
#    no part; the angle by which RoPE turns them is the only difference.
# 2. **Previous token**: every $q$ is turned back by one place beforehand, so the dot product peaks
#    at distance 1. (This $q$ is a fixed vector; the bias of Qwen2's `q_proj` could make it alone.)
# 3. **Induction head**: a second layer matches "who am I" with "whose **previous** token am I". So
#    it finds what followed the last time, and copies it (Olsson et al. 2022, arXiv:2209.11895).
# %%
rope = RotaryEmbedding(Qwen2Config(hidden_size=64, num_attention_heads=1, num_key_value_heads=1))


def positional_head(back, T, strength=8):
    """(T, S) weights of a head that looks `back` places back and ignores what the tokens are."""
    ones = torch.ones(1, 1, 1, 64)
    turned, _ = apply_rotary_pos_emb(ones, ones, *rope(torch.tensor([[-back]]), ones.dtype))
    q, k = (x.expand(1, 1, T, 64) for x in (turned * strength, ones))
    q, k = apply_rotary_pos_emb(q, k, *rope(torch.arange(T)[None], ones.dtype))
    return eager_attention(q, k, v=k)[1][0, 0]


# %%
text = [".", "Tavi", "orbits", "Nara", ".", "Tavi", "orbits"]
words = sorted(set(text))
embed = torch.eye(4)[[words.index(word) for word in text]]  # (T, 4): one column a word

near, previous = positional_head(0, T=7), positional_head(1, T=7)
tail = previous @ embed  # layer 1 hands every token the word before it: (T, T) @ (T, 4)
out, induction = one_head(20 * embed, tail, embed, causal_mask(7, 7))  # q, k, v of layer 2
taken = {word: round(x, 2) for word, x in zip(words, out[-1].tolist(), strict=True)}
print("the last row takes back:", taken)
assert words[out[-1].argmax()] == "Nara"

fig, axes = figures.canvas(1, 3, height=3)
maps = {"1. RoPE alone": near, "2. previous token": previous, "3. induction": induction}
for ax, (title, weights) in zip(axes, maps.items(), strict=True):
    ax = figures.attention_map(ax, weights, text)
    ax.set(title=title, xlabel="", ylabel="")
# %% [markdown] lang="zh"
# 第一张图：越近颜色越深，没有任何内容参与，这是 RoPE 自带的倾向。第二张：深的是对角线下面一格；第一个词
# 元前面没有别人，只好看自己。第三张：最后的 *orbits* 看的是 *Nara*，也就是上回 *orbits* 后面那个
# 词，输出里 *Nara* 那一列约为 1。“Tavi orbits”之后接“Nara”，是从上文抄来的，没有一个数是训练出来
# 的。（前四行还没有先例可抄，不必在意。）第二张图的头供给第三张图的头：两层注意力串起来，就能做一层做不到的事。
#
# ### 形状：一个宽投影，切成许多头
#
# 实现里没有 $H$ 个小矩阵，只有一个大的 `q_proj`，乘完再切：
# %% [markdown] lang="en"
# First map: the nearer, the darker. No content takes part; this leaning comes with RoPE. Second:
# the cells just below the diagonal; the first token has nobody before it and must look at itself.
# Third: the last *orbits* looks at *Nara*, the word that followed *orbits* the last time, and the
# column of *Nara* in the output is about 1. That "Nara" comes after "Tavi orbits" was copied from
# the context; not one number was trained. (The first four rows have no precedent to copy, so pay
# them no attention; and the second full stop is misled by the first row, whose "previous token" is
# itself.) The head of the second map feeds the head of the third: two layers of attention in a row
# do what one cannot.
#
# ### The shapes: one wide projection, cut into heads
#
# The code has no $H$ small matrices but one large `q_proj`, whose output is cut:
# %%
print(inspect.getsource(Attention.split_heads))
print(inspect.getsource(Attention.project))

config = Qwen2Config.qwen2_0_5b()  # D = 896, H = 14, K = 2, Dh = 64
attention = Attention(config, layer_idx=0)
x = torch.randn(2, 10, 896, generator=dice)  # (B, T, D)
angles = RotaryEmbedding(config)(torch.arange(10)[None], x.dtype)  # cos and sin
q, k, v = attention.project(x, *angles)
heads = sdpa_attention(q, k, v)
joined = heads.transpose(1, 2).flatten(2)
shapes = {"x": x, "q": q, "k": k, "v": v, "heads": heads, "joined": joined}
for name, tensor in shapes.items():
    print(f"{name:7}{tuple(tensor.shape)}")
torch.testing.assert_close(attention.o_proj(joined), attention(x, *angles)[0])
# %% [markdown] lang="zh"
# 进门 `(2, 10, 896)`，出门还是 `(2, 10, 896)`：残差连接要求如此。中间的 $q$ 有 14 个头，$k$、$v$ 各
# 只有 2 个头。拼好之后的 `o_proj` 把各头取回的东西混到一起。
#
# > **教程里常见的错**　切头要先 `view(B, T, H, Dh)`，再 `transpose(1, 2)`。直接 `view(B, H, T, Dh)`
# 形状完全正确，内容却错了：它按内存顺序切，头 0 拿到的是开头几个词元的全部，不是全部词元的开头一
# 段。
#
# 给每个数标上它属于第几个词元，一看便知：
# %% [markdown] lang="en"
# In through the door `(2, 10, 896)`, out again `(2, 10, 896)`: the residual connection requires it.
# In between, $q$ has 14 heads, $k$ and $v$ only 2 each. After joining, `o_proj` mixes what the
# heads brought back.
#
# > **Where the tutorials you may have read go wrong.** To cut the heads, first `view(B, T, H, Dh)`,
# > then `transpose(1, 2)`. `view(B, H, T, Dh)` at once gives exactly the right shape and the wrong
# > content: it cuts in memory order, so head 0 gets all of the first few tokens instead of the
# > first part of all tokens.
#
# Write on each number which token it belongs to, and you see it:
# %%
owner = torch.arange(4)[None, :, None].expand(1, 4, 4)  # (B, T, H*Dh) with H = 2, Dh = 2
right = owner.unflatten(2, (2, 2)).transpose(1, 2)  # (B, T, H, Dh) -> (B, H, T, Dh)
wrong = owner.reshape(1, 2, 4, 2)  # (B, H, T, Dh) at once
print("right, head 0:", right[0, 0].tolist())
print("wrong, head 0:", wrong[0, 0].tolist())
small = Qwen2Config(hidden_size=4, num_attention_heads=2, num_key_value_heads=1)
assert torch.equal(right, Attention(small, layer_idx=0).split_heads(owner))


# %% [markdown] lang="zh"
# ### 共用键和值
#
# $H$ 个查询头，键和值也要 $H$ 份吗？生成时，键和值要一直存着、每一步都读一遍（第 5 节），份数越少越
# 省。于是有三种办法：
#
# - **MHA**（multi-head attention，多头注意力）：$K = H$，每个查询头有自己的键/值头；
# - **MQA**（multi-query attention，多查询注意力，Shazeer 2019，arXiv:1911.02150）：$K = 1$，所有查
#   询头共用一份；
# - **GQA**（grouped-query attention，分组查询注意力，Ainslie 等 2023，arXiv:2305.13245）：取中间，
#   每 $G = H / K$ 个查询头共用一份。
#
# 查询头 $h$ 读的是第 $\lfloor h / G \rfloor$ 个键/值头：
# %% [markdown] lang="en"
# ### Sharing keys and values
#
# With $H$ query heads, must there be $H$ sets of keys and values? In generation they are kept all
# the time and read at every step (section 5): the fewer the better. There are three ways:
#
# - **MHA** (multi-head attention): $K = H$, each query head has a key/value head of its own;
# - **MQA** (multi-query attention; Shazeer 2019, arXiv:1911.02150): $K = 1$, all share one;
# - **GQA** (grouped-query attention; Ainslie et al. 2023, arXiv:2305.13245): between the two, each
#   $G = H / K$ query heads share one.
#
# Query head $h$ reads key/value head $\lfloor h / G \rfloor$:
# %%
def draw_heads(ax, K, G):
    """K*G query heads above, K key/value heads below, a line from each reader to what it reads."""
    for h in range(K * G):
        color = figures.PALETTE[h // G % 6]
        below = (h // G + 0.5) * G - 0.5  # the middle of the group
        ax.plot([h, below], [1, 0], color=color, zorder=0)
        for place, y, name in ((h, 1, f"q{h}"), (below, 0, f"kv{h // G}")):
            ax.scatter(place, y, s=420, marker="s", color=color)
            ax.text(place, y, name, ha="center", va="center", color="white", size=8)
    ax.set(xlim=(-0.6, K * G - 0.4), ylim=(-0.4, 1.4))
    ax.axis("off")


fig, axes = figures.canvas(1, 3, height=1.9)
for ax, K, name in zip(axes, (6, 2, 1), ("MHA", "GQA", "MQA"), strict=True):
    draw_heads(ax, K, G=6 // K)
    ax.set_title(f"{name}: H = 6, K = {K}, G = {6 // K}")
# %% [markdown] lang="zh"
# ### `repeat_kv`：顺序、视图与复制
#
# 要套用公式，最直接的做法是把每个键/值头抄 $G$ 份，让 $k$、$v$ 与 $q$ 一样有 $H$ 个头：
# %% [markdown] lang="en"
# ### `repeat_kv`: order, views, copies
#
# The plain way back to the formula is to repeat each key/value head $G$ times, so that $k$ and $v$
# have $H$ heads like $q$:
# %%
print(inspect.getsource(repeat_kv))
two_heads = torch.tensor([0, 1]).view(1, 2, 1, 1)  # (B, K, S, Dh): each head holds its own number
print("repeat_kv:        ", repeat_kv(two_heads, 3).flatten().tolist())
print("repeat_interleave:", two_heads.repeat_interleave(3, dim=1).flatten().tolist())
print("repeat (wrong):   ", two_heads.repeat(1, 3, 1, 1).flatten().tolist())
# %% [markdown] lang="zh"
# 上图里 q0、q1、q2 连的都是 kv0，所以顺序是 `0 0 0 1 1 1`。`Tensor.repeat` 给出 `0 1 0 1 0 1`：形状
# 一样，不报错，六个查询头里却有两个（q1 和 q4）读错了头。权重是按前一种顺序训练出来的，换了顺序，模
# 型就不再是那个模型。下面把小模型里的 `repeat_kv` 临时换成错的，看 logits。
# %% [markdown] lang="en"
# In the drawing, q0, q1 and q2 all go to kv0: the order is `0 0 0 1 1 1`. `Tensor.repeat` gives
# `0 1 0 1 0 1`. The shape is the same and nothing complains, but two of the six query heads (q1 and
# q4) read the wrong head. The weights were trained with the first order; with another it is another
# model. Below we put the wrong one into our small model for a moment, and look at its logits.
# %%
from unittest.mock import patch


def wrong_order(x, groups):
    return x.repeat(1, groups, 1, 1)


right = model(ids, output_attentions=True).logits  # asking for the weights takes the eager path
with patch("qwen_blog.attention.repeat_kv", wrong_order):
    wrong = model(ids, output_attentions=True).logits
assert wrong.shape == right.shape
same = (wrong.argmax(-1) == right.argmax(-1)).sum().item()
print(f"typical logit: {right.abs().mean():.1f}, typical error: {(wrong - right).abs().mean():.1f}")
print(f"places with the same most likely token: {same} of {ids.shape[1]}")
# %% [markdown] lang="zh"
# 再看 `repeat_kv` 的两步。`expand` 不复制：它只把新轴的**步长**（stride）设为 0，7 份看的是同一块内
# 存。可是把 `(K, G)` 两轴并成一轴 `K*G`，要在内存里走“0 0 0 1 1 1”，没有哪个固定的步长能走出
# 来，`reshape` 只好真的复制。
# %% [markdown] lang="en"
# Now the two steps of `repeat_kv`. `expand` copies nothing: it gives the new axis the **stride** 0,
# and all 7 look at the same memory. But to merge the two axes `(K, G)` into one, `K*G`, memory
# would have to be walked as "0 0 0 1 1 1", and no fixed stride walks like that: `reshape` has to
# copy.
# %%
k = torch.randn(1, 2, 1000, 64, generator=dice)  # (B, K, S, Dh) of Qwen2-0.5B, 1000 tokens
view = k[:, :, None].expand(1, 2, 7, 1000, 64)
copy = view.reshape(1, 14, 1000, 64)
for name, tensor in {"k": k, "expand": view, "reshape": copy}.items():
    kb = tensor.untyped_storage().nbytes() // 1000
    print(f"{name:8} {tuple(tensor.shape)!s:20} strides {tensor.stride()!s:26} {kb:5} kB")
assert view.data_ptr() == k.data_ptr() != copy.data_ptr()
assert torch.equal(copy, repeat_kv(k, 7))


# %% [markdown] lang="zh"
# 所以“`expand` 是视图，GQA 的重复不花钱”只说对了一半：`expand` 不花钱，后面的 `reshape` 把省下的全
# 花了。第 6 节会讲怎样不复制。
#
# **练习 3**　不用 `repeat_kv`，用 `torch.einsum` 写出 GQA：把 $q$ 变成 $(B, K, G, T, D_h)$
# （`q.unflatten(1, (K, G))`），打分是 `"bkgtd,bksd->bkgts"`，同组的查询头自然读同一份 $k$。这样不复
# 制键和值。给 $k$ 加一个长度 1 的轴、用 `@` 广播，答案也对，但 torch 会在里面悄悄复制 $G$ 份（我们
# 用 profiler 看过）。
# %% [markdown] lang="en"
# So "`expand` is a view, hence the repetition in GQA is free" is half of the truth: `expand` is
# free, and the `reshape` behind it spends all that was saved. Section 6 tells how not to copy.
#
# **Exercise 3.** Write GQA without `repeat_kv`, by `torch.einsum`: turn $q$ into
# $(B, K, G, T, D_h)$ (`q.unflatten(1, (K, G))`); the scores are `"bkgtd,bksd->bkgts"`, and the
# query heads of a group read the same $k$ by themselves. This copies no keys and values. Giving $k$
# an axis of length 1 and broadcasting with `@` is right too, but inside, torch quietly makes $G$
# copies (the profiler shows them).
# %%
def candidate(q, k, v, mask):  # put yours here
    return eager_attention(q, k, v, mask)[0]


for H, K in [(6, 6), (6, 2), (6, 1)]:
    q = torch.randn(2, H, 3, 8, generator=dice)
    k, v = torch.randn(2, 2, K, 5, 8, generator=dice)
    mask = causal_mask(3, 5)
    truth = F.scaled_dot_product_attention(
        q, k.repeat_interleave(H // K, 1), v.repeat_interleave(H // K, 1), mask
    )
    torch.testing.assert_close(candidate(q, k, v, mask), truth)
print("exercise 3: correct")
# %% [markdown] lang="zh"
# ## 4 KV 缓存占多少内存
#
# **问题**　生成时，过去每个词元的键和值都留着，这就是 **KV 缓存**（KV cache，键值缓存）。为什么能留、怎样
# 留，下一节再讲；先看它有多大。
#
# **公式**　每一层、每个键/值头，每个词元存一个键、一个值，各 $D_h$ 个数。$L$ 层，每个数 $b$ 字
# 节，$S$ 个词元，$B$ 句话：
#
# $$\text{字节数} = 2 \cdot L \cdot B \cdot K \cdot S \cdot D_h \cdot b$$
#
# 公式里只有 $K$，没有 $H$：查询头再多也不占缓存。我们算两个真实的尺寸（Qwen2 技术报告表
# 1，arXiv:2407.10671）：Qwen2-0.5B（24 层，14 个查询头、2 个键/值头，头宽 64）和 Qwen2-7B（28
# 层，28 个查询头、4 个键/值头，头宽 128）。每个数 2 字节（fp16 或 bf16）。1 GB 在本书里是 $10^9$ 字
# 节。
# %% [markdown] lang="en"
# ## 4 How much memory a KV cache takes
#
# **Question.** In generation, the keys and values of all past tokens are kept: that is the **KV
# cache**. Why they can be kept, and how, is for the next section; first, how large is it?
#
# **Formula.** In each layer, each key/value head stores one key and one value a token, $D_h$
# numbers each. For $L$ layers, $b$ bytes a number, $S$ tokens and $B$ texts:
#
# $$\text{bytes} = 2 \cdot L \cdot B \cdot K \cdot S \cdot D_h \cdot b$$
#
# There is a $K$ in it and no $H$: more query heads need no more cache. We work it out for two real
# sizes (Qwen2 Technical Report, table 1, arXiv:2407.10671): Qwen2-0.5B (24 layers, 14 query heads,
# 2 key/value heads, head width 64) and Qwen2-7B (28 layers, 28 query heads, 4 key/value heads, head
# width 128), with 2 bytes a number (fp16 or bf16). 1 GB in this book is $10^9$ bytes.
# %%
half_b = Qwen2Config.qwen2_0_5b()
seven_b = Qwen2Config(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    max_position_embeddings=131072,
    tie_word_embeddings=False,
)


def cache_bytes(c, tokens, B=1, bytes_a_number=2):
    numbers = 2 * c.num_hidden_layers * B * c.num_key_value_heads * tokens * c.head_dim
    return numbers * bytes_a_number


# %% [markdown] lang="zh"
# 公式对不对？让 `KVCache` 自己说：它的 `nbytes` 是所有缓冲区大小之和。在 torch 的 `meta` 设备上，张
# 量只有形状，不占内存，128k 词元也能“建”出来。权重的大小用同样的办法数。
# %% [markdown] lang="en"
# Is the formula right? Let `KVCache` say: its `nbytes` is the sum of all its buffers. On torch's
# `meta` device tensors have a shape but no memory, so that we can "make" room even for 128k tokens.
# The weights are counted in the same way.
# %%
k128 = 131072  # 128 * 1024 tokens
for config in (half_b, seven_b):
    for B, length in [(1, 1), (1, k128), (16, 4096)]:
        cache = KVCache(config, B, length, dtype=torch.float16, device="meta")
        assert cache.nbytes == cache_bytes(config, length, B)

weights_gb = {}
for name, config in {"Qwen2-0.5B": half_b, "Qwen2-7B": seven_b}.items():
    with torch.device("meta"):
        numbers = Qwen2ForCausalLM(config).num_parameters()
    weights_gb[name] = numbers * 2 / 1e9
    print(f"{name:11}{numbers:14,} parameters {weights_gb[name]:6.2f} GB")
assert round(weights_gb["Qwen2-7B"]) == 15
# %%
variants = {}  # (model, kind) -> config: the same width, other numbers of key/value heads
for name, config in {"Qwen2-0.5B": half_b, "Qwen2-7B": seven_b}.items():
    H = config.num_attention_heads
    for kind, K in {"MHA": H, "GQA": config.num_key_value_heads, "MQA": 1}.items():
        variants[name, kind] = replace(config, num_key_value_heads=K)

print("           kind   K  kB/token  GB at 4k     32k    128k  8k chats in 80 GB")
for (name, kind), config in variants.items():
    gb = [cache_bytes(config, tokens) / 1e9 for tokens in (4096, 32768, k128)]
    chats = (80 - weights_gb[name]) * 1e9 // cache_bytes(config, 8192)  # beside the weights
    row = f"{name:11}{kind:4}{config.num_key_value_heads:4}{cache_bytes(config, 1) / 1e3:10.1f}  "
    print(row + "".join(f"{x:8.2f}" for x in gb) + f"{chats:19.0f}")
# %%
contexts = torch.arange(0, k128 + 1, 4096)
fig, axes = figures.canvas(1, 2, height=3.2)
for ax, name in zip(axes, weights_gb, strict=True):
    lines = {
        kind: [cache_bytes(variants[name, kind], int(n)) / 1e9 for n in contexts]
        for kind in ("MHA", "GQA", "MQA")
    }
    ax = figures.curve(ax, contexts / 1024, lines, xlabel="context (k tokens)")
    ax.axhline(weights_gb[name], color=figures.INK, linestyle="--", linewidth=1, label="weights")
    ax.set(title=name, xticks=[0, 32, 64, 96, 128])
    ax.legend()
_ = axes[0].set_ylabel("GB at 16 bits, one text")


# %% [markdown] lang="zh"
# 虚线是权重（按真实的 GQA 版本算；假想的 MHA 版本，`k_proj`、`v_proj` 还会再大一点）。0.5B 到 128k
# 时，即使用了 GQA，一句话的缓存已经超过全部权重。7B 若用 MHA，128k 的缓存是权重的三倍多。
#
# 表的最后一列换个问法：缓存每句话一份，权重大家共用，一张 80 GB 的加速卡放下权重之后，还能同时容下
# 几个 8k 词元的对话？
#
# 那么为什么不都用 MQA？键/值头少了，能表达的就少。Ainslie 等人的实验里，GQA 的质量接近 MHA，速度接
# 近 MQA，这是实测的折中，不是推导出来的。
#
# **练习 4**　给定配置，缓存从第几个词元起超过权重（每个数都是 2 字节）？先用公式猜 0.5B 和 7B 谁先
# 到，再把下面逐个试的笨办法换成一行算式。
# %% [markdown] lang="en"
# The dashed line is the weights (of the real model with GQA; the imagined one with MHA would have a
# somewhat larger `k_proj` and `v_proj`). At 128k, the 0.5B model's cache of a single text exceeds
# all of its weights, even with GQA. The 7B model with MHA would need more than three times its
# weights.
#
# The last column of the table asks the same in another way. Each text has its own cache, the
# weights are shared: beside the weights, how many chats of 8k tokens fit into an accelerator of 80
# GB?
#
# Why then not always MQA? Fewer key/value heads can express less. In the experiments of Ainslie et
# al., GQA comes close to MHA in quality and close to MQA in speed: a compromise that was measured,
# not derived.
#
# **Exercise 4.** For a given config, at which token does the cache outgrow the weights (2 bytes a
# number for both)? First guess from the formula which of 0.5B and 7B gets there sooner, then put
# one line of arithmetic in the place of the slow search below.
# %%
def candidate(config, weight_bytes, n=1):  # put yours here
    while cache_bytes(config, n) <= weight_bytes:
        n += 1
    return n


for name, config in {"Qwen2-0.5B": half_b, "Qwen2-7B": seven_b}.items():
    n, weight_bytes = candidate(config, weights_gb[name] * 1e9), weights_gb[name] * 1e9
    sizes = [KVCache(config, 1, m, torch.float16, "meta").nbytes for m in (n - 1, n)]
    assert sizes[0] <= weight_bytes < sizes[1], name
    print(f"exercise 4: correct for {name}")


# %% [markdown] lang="zh"
# ## 5 KV 缓存：算一次，留着
#
# > **旅客自述**　第一次进门，我有 $T$ 行，是整段提示词（prompt，交给模型去续写的那段文字），这
# 叫**预填充**（prefill；与第 2 节的填充无关）。此后每一步我只有一
# 行，就是刚生成的那个词元，这叫**解码**（decode）。可这一行还要看过去的每一行：它们的键和值，得有人
# 替我收着。
#
# **问题**　生成第 1000 个词元时，前面 999 个词元还要从头算一遍吗？
#
# **想法**　第 2 节的扰动实验已经回答了：过去的词元在每一层的结果不受未来影响。所以它们的 $k$、$v$
# 算过一次，就永远是那个数，存起来即可。那 $q$ 为什么不存？过去的 $q$ 只用来算过去那一行自己的输出，
# 那一行早就有了；新的一行只用自己的 $q$。
#
# 换成没有因果掩码的编码器（BERT 一类），来一个新词元，前面每一行都会变，也就无从缓存。
#
# 先数一数省了多少。一个词元每经过一个 $n \times m$ 的矩阵，做 $nm$ 次**乘加**（一次乘法加一次加
# 法）。$T$ 个新词元、总长 $S$ 时，一层里有：
#
# $$\underbrace{T(2D^2 + 2 D K D_h)}_{q,\,k,\,v,\,o} \;+\;
# \underbrace{2\,T S D}_{q k^\top,\; w v} \;+\; \underbrace{3\,T D\, I}_{\text{MLP}}$$
#
# 其中 $I$ 是 MLP 的中间宽度，注意力那一项用了 $H D_h = D$。最后，输出层给需要的位置各做 $D V$
# 次，$V$ 是词表大小。
#
# 自己推的公式要有人核对。torch 带了一个计数器，记下实际执行的每个矩阵乘法的浮点运算（1 次乘加 = 2
# 次浮点运算）。注意力走 eager 那条路，它的 $T \times S$ 个分数才都是普通的矩阵乘法。
# %% [markdown] lang="en"
# ## 5 The KV cache: compute once, keep
#
# > **The traveller speaks.** The first time I come through the door I have $T$ rows, the whole
# > prompt: that is **prefill**. From then on I have one row a step, the token just made: that is
# > **decode**. But that row must look at every row of the past, so somebody has to keep their keys
# > and values for me.
#
# **Question.** To make token 1000, must the 999 before it be computed all over again?
#
# **Idea.** The perturbation experiment of section 2 has answered: in every layer, what is computed
# for a past token does not depend on the future. Its $k$ and $v$, once computed, stay the same for
# ever and can be kept. Why not keep $q$? A past $q$ serves only the output of its own row, and that
# is done; a new row uses its own $q$.
#
# In an encoder without a causal mask (BERT and its kin), a new token changes every row before it,
# and there is nothing to keep.
#
# How much does it save? A token that goes through an $n \times m$ matrix costs $nm$
# **multiply-adds** (one multiplication and one addition). With $T$ new tokens and $S$ in all, one
# layer takes
#
# $$\underbrace{T(2D^2 + 2 D K D_h)}_{q,\,k,\,v,\,o} \;+\;
# \underbrace{2\,T S D}_{q k^\top,\; w v} \;+\; \underbrace{3\,T D\, I}_{\text{MLP}}$$
#
# where $I$ is the inner width of the MLP, and the attention term uses $H D_h = D$. At the end, the
# output layer takes $D V$ for each place that is wanted, with $V$ the size of the vocabulary.
#
# A formula of one's own needs a witness. torch has a counter that notes the floating-point
# operations of every matrix product actually run (1 multiply-add = 2 operations). Attention goes
# the eager way, where all $T \times S$ scores are ordinary matrix products.
# %%
def multiply_adds(c, T, S, logits=1):
    """Of one forward pass over T new tokens that see S; scores of the future are counted too."""
    D, kv_width = c.hidden_size, c.num_key_value_heads * c.head_dim
    projections = T * (2 * D * D + 2 * D * kv_width)
    attention = 2 * T * S * D
    mlp = 3 * T * D * c.intermediate_size
    return c.num_hidden_layers * (projections + attention + mlp) + logits * D * c.vocab_size


# %%
from torch.utils.flop_counter import FlopCounterMode

for past, T in [(0, 10), (9, 1), (20, 5)]:
    cache = KVCache.for_model(model, batch_size=1, max_length=past + T)
    if past:
        model(torch.zeros(1, past, dtype=torch.long), cache=cache)
    with FlopCounterMode(display=False) as counter:
        model(ids[:, :T], cache=cache, logits_to_keep=1, output_attentions=True)
    ours = multiply_adds(model.config, T, S=past + T)
    assert counter.get_total_flops() == 2 * ours
    print(f"{past:2} cached, {T:2} new: {ours:9,} multiply-adds, as counted by torch")
# %%
steps = torch.arange(1, 4097)
without = [multiply_adds(half_b, T=n, S=n) for n in steps.tolist()]
with_cache = [multiply_adds(half_b, T=1, S=n) for n in steps.tolist()]
fig, axes = figures.canvas(1, 2, height=3)
for ax, total in zip(axes, (False, True), strict=True):
    lines = {"without a cache": without, "with a cache": with_cache}
    lines = {name: torch.tensor(y).double() / 1e9 for name, y in lines.items()}
    lines = {name: y.cumsum(0) if total else y for name, y in lines.items()}
    ax = figures.curve(ax, steps, lines, xlabel="tokens so far", log=True)
    ax.set(title="all steps together" if total else "one step")
_ = axes[0].set_ylabel("billion multiply-adds, 0.5B")
# %%
prompt, new = 1000, 1000
slow = sum(without[prompt - 1 : prompt + new - 1])  # every step: all tokens so far
fast = without[prompt - 1] + sum(with_cache[prompt : prompt + new - 1])  # prefill, then one by one
print(f"1000 tokens after a prompt of 1000: {slow / fast:,.0f} times less work with a cache")
for name, kv_heads in {"MHA": 14, "GQA": 2, "MQA": 1}.items():
    c = replace(half_b, num_key_value_heads=kv_heads)
    print(f"one step at 2000 tokens, {name}: {multiply_adds(c, 1, 2000) / 1e6:.0f} million")
# %% [markdown] lang="zh"
# 左图：没有缓存，每一步的工作随长度上升；有缓存，几乎是一条平线，只在注意力那一项里慢慢变大。右图是
# 两条线各自的累计。
#
# > **教程里常见的错**　“有了 KV 缓存，每步是常数时间”：不对，每步仍要读一遍全部过去的键和值，只是
# 系数小。“GQA 省计算”：上面最后三行说明几乎不省，$q k^\top$ 仍是 $H$ 个头都算；它省的是**内
# 存**和**读内存**。
#
# ### 一块预先分配的内存
#
# 缓存的写法很关键。每步用 `torch.cat` 把新的键接在旧的后面，就要把全部过去复制一遍（`transformers`
# 默认的 `DynamicCache` 就是这样写的）。我们的 `KVCache` 一开始就按最大长度要一块内存，每步只写新的
# 那几格，交回去的是一个**视图**：
# %% [markdown] lang="en"
# On the left: without a cache, the work of a step rises with the length; with one it is almost
# flat, and grows slowly through the attention term alone. On the right, the same two lines added
# up.
#
# > **Where the tutorials you may have read go wrong.** "With a KV cache, a step takes constant
# > time": no, each step still reads all keys and values of the past, only with a small factor. "GQA
# > saves computing": the last three lines above show that it saves hardly any, since $q k^\top$ is
# > still computed for all $H$ heads. What it saves is **memory**, and **reading memory**.
#
# ### A buffer taken in advance
#
# How the cache is written matters. To join the new keys to the old with `torch.cat` means copying
# the whole past at each step (the default `DynamicCache` of `transformers` is written so). Our
# `KVCache` takes a buffer of the full length at the start, writes only the new slots at each step,
# and hands back a **view**:
# %%
print(inspect.getsource(KVCache.update))
print(inspect.getsource(KVCache.advance))

copied = sum(cache_bytes(half_b, n) for n in range(1000, 2000))  # cat: the whole past, each step
written = cache_bytes(half_b, 1000)  # ours: every new token once
print(f"0.5B, from 1000 to 2000 tokens: cat copies {copied / 1e9:.1f} GB of the past again,")
print(f"the buffer writes {written / 1e6:.1f} MB")
# %%
cache = KVCache.for_model(model, batch_size=1, max_length=8)
start_of_buffer = cache.keys[0].data_ptr()
snapshots = []
for new_tokens in (ids[:, :3], ids[:, 3:4], ids[:, 4:5], ids[:, 5:6]):  # prefill 3, then 1 by 1
    model(new_tokens, cache=cache)
    slots = cache.keys[0][0, 0].clone()  # layer 0, text 0, head 0: (max_length, Dh)
    slots[cache.length :] = float("nan")  # never written: whatever lay in memory
    snapshots.append(slots)
    assert cache.keys[0].data_ptr() == start_of_buffer  # it never moves

for before, after in pairwise(snapshots):
    n = before[:, 0].isfinite().sum()
    assert torch.equal(before[:n], after[:n])  # the past is never touched again
# %%
fig, axes = figures.canvas(1, 4, height=2.6)
titles = ["prefill: 3 tokens", "step 1", "step 2", "step 3"]
for ax, slots, title in zip(axes, snapshots, titles, strict=True):
    colours = {"cmap": figures.DIVERGING, "vmin": -2, "vmax": 2, "colorbar": False}
    ax = figures.heatmap(ax, slots[:, :8].T, **colours)
    ax.set(title=title, xlabel="slot", xticks=range(8), yticks=[], facecolor=figures.FAINT)
_ = axes[0].set_ylabel("first 8 of Dh numbers")
# %% [markdown] lang="zh"
# 灰色是还没写过的格子。每一步只多出一列，先前的列一个比特都没动。存进去的 $k$ 已经转过 RoPE：每个词
# 元按自己的绝对位置转一次，此后永不再转，因为点积只看两者的角度之差。
# %% [markdown] lang="en"
# Grey slots have not been written yet. Each step adds one column; the earlier ones stay the same to
# the last bit. The $k$ in the cache has been through RoPE already: each token is turned once, by
# its own absolute position, and never again, because dot products see only the difference of two
# angles.
# %% [markdown] lang="zh"
# ### 用缓存解码，等于完整的前向
#
# 这是缓存唯一要守的约定：任何时候、分几次送进去，logits 都与不用缓存、整句重算的一样（只差舍入，因
# 为求和的次序不同）。下面先预填充 8 个词元，再一次一个解码 24 步，每一步都与完整前向对照。
# %% [markdown] lang="en"
# ### Decoding with the cache equals the full forward pass
#
# This is the one promise that a cache must keep: at any time, however many pieces the text came in,
# the logits are those of computing it all anew without a cache (up to rounding, as sums are taken
# in another order). Below, a prefill of 8 tokens and then 24 steps of decoding, each compared with
# a full forward pass.
# %%
text_ids = torch.randint(0, 2048, (2, 32), generator=dice)  # (B, S)
cache = KVCache.for_model(model, batch_size=2, max_length=32)
model(text_ids[:, :8], cache=cache)  # prefill
worst = 0.0
for t in range(8, 32):
    step = model(text_ids[:, t : t + 1], cache=cache).logits[:, -1]  # T = 1, S = t + 1
    full = model(text_ids[:, : t + 1]).logits[:, -1]  # T = S = t + 1, no cache
    worst = max(worst, (step - full).abs().max().item())
# float32 keeps about 7 digits; the logits here are of the order of 1
assert worst < 1e-4
print(f"24 steps with the cache equal 24 full passes: {worst < 1e-4}; cached: {cache.length}")
# %% [markdown] lang="zh"
# 预填充也可以分块：先 5 个，再 1 个，再 26 个。第二块起 $T < S$，掩码是第 2 节那种长方形。
#
# > **教程里常见的错**　有缓存、又一次送进好几个词元时，不能写 `is_causal=True`：torch 的这个开关把
# 对角线放在**左上角**，于是新来的第一个词元只看得见缓存里的第一个。我们的掩码把对角线放在右下角。
# %% [markdown] lang="en"
# Prefill can also come in pieces: 5 tokens, then 1, then 26. From the second piece on $T < S$, and
# the mask is a rectangle as in section 2.
#
# > **Where the tutorials you may have read go wrong.** With a cache and several new tokens at once,
# > `is_causal=True` is wrong: torch puts the diagonal of this switch in the **upper left** corner,
# > so the first new token would see only the first one in the cache. Our mask has it in the lower
# > right.
# %%
cache = KVCache.for_model(model, batch_size=2, max_length=32)
pieces = [model(part, cache=cache).logits for part in text_ids.split([5, 1, 26], dim=1)]
torch.testing.assert_close(torch.cat(pieces, dim=1), model(text_ids).logits, rtol=1e-4, atol=1e-4)

q = torch.randn(1, 1, 3, 8, generator=dice)  # 3 new tokens
k, v = torch.randn(2, 1, 1, 7, 8, generator=dice)  # 4 cached + 3 new
upper_left = torch.ones(3, 7).bool().tril()
torches = F.scaled_dot_product_attention(q, k, v, is_causal=True)
torch.testing.assert_close(torches, eager_attention(q, k, v, upper_left)[0])
assert not torch.allclose(torches, eager_attention(q, k, v)[0])
# %%
fig, axes = figures.canvas(1, 2, height=1.9)
new, every = ["t4", "t5", "t6"], [f"t{n}" for n in range(7)]
names = ["torch: is_causal=True", "ours: causal_mask(3, 7)"]
for ax, mask, name in zip(axes, (upper_left, causal_mask(3, 7)[0, 0]), names, strict=True):
    ax = figures.show_mask(ax, mask, new, every, legend=False)
    ax.set_title(name)
# %% [markdown] lang="zh"
# ### 装满了怎么办；从同一段提示词重来
#
# 缓冲区大小固定，装不下就报错，而且是在动任何数据**之前**：错误里写明已有多少、要加多少、上限多
# 少。`crop` 则把长度往回拨，缓存里留着提示词，就能从同一处再答一次，不必重新预填充。
# %% [markdown] lang="en"
# ### When it is full; starting again from the same prompt
#
# The buffer has a fixed size. What does not fit is an error, raised **before** anything is touched,
# that names what is there, what was to come, and the limit. `crop` turns the length back: with the
# prompt kept in the cache we can answer again from the same place without a new prefill.
# %%
try:
    model(text_ids[:, :1], cache=cache)
except ValueError as error:
    print("ValueError:", error)
assert cache.length == 32

cache.crop(8)
again = model(text_ids[:, 8:9], cache=cache).logits
torch.testing.assert_close(again, model(text_ids[:, :9]).logits[:, -1:], rtol=1e-4, atol=1e-4)
print("cached after crop(8) and one more token:", cache.length)


# %% [markdown] lang="zh"
# ### 预填充与解码：一个受限于计算，一个受限于内存
#
# **问题**　预填充 1000 个词元和解码 1000 个词元，乘加次数差不多，为什么后者慢得多？
#
# **想法**　处理器做两件事：算，和从内存里读。把两者相比，叫**算术强度（arithmetic intensity）**：每
# 读一个字节，做几次浮点运算。
#
# $$\text{算术强度} = \frac{\text{浮点运算次数}}{\text{读写的字节数}}$$
#
# 解码一步，每个权重要从内存读出来（2 字节），却只做一次乘加（2 次浮点运算）：强度是 1。预填充 $T$
# 个词元，同一个权重读一次，用 $T$ 次：强度约为 $T$。
#
# 机器也有自己的比值：峰值算力除以内存带宽。强度低于它，算力闲着等内存（受限于内存）；高于它，内存闲
# 着等算力（受限于计算）。以 H100 SXM 的标称值为例：bf16（稠密）每秒 $989 \times 10^{12}$ 次，带宽每
# 秒 $3.35 \times 10^{12}$ 字节，比值是 295。换成你的机器，改两个数即可。CPU 上的实测见
# [benchmarks](../../tests/benchmarks/README.md)。
# %% [markdown] lang="en"
# ### Prefill and decode: bound by arithmetic, bound by memory
#
# **Question.** Prefill of 1000 tokens and decoding of 1000 tokens take about as many multiply-adds.
# Why is decoding so much slower?
#
# **Idea.** A processor does two things: it computes, and it reads from memory. Their ratio is the
# **arithmetic intensity**: floating-point operations for each byte.
#
# $$\text{arithmetic intensity} = \frac{\text{floating-point operations}}{\text{bytes moved}}$$
#
# In one step of decoding, each weight is read from memory (2 bytes) for just one multiply-add (2
# operations): an intensity of 1. In a prefill of $T$ tokens, a weight is read once and used $T$
# times: an intensity of about $T$.
#
# A machine has such a ratio too: its peak arithmetic divided by its memory bandwidth. Below it,
# arithmetic waits for memory (memory-bound); above it, memory waits for arithmetic (compute-bound).
# Take the data sheet of an H100 SXM: $989 \times 10^{12}$ dense bf16 operations a second,
# $3.35 \times 10^{12}$ bytes a second, ratio 295. For your machine, change two numbers. What we
# measured on a CPU is in [benchmarks](../../tests/benchmarks/README.md).
# %%
def operations_and_bytes(c, B, T, past):
    """Of one forward pass in 16 bits; activations are left out, being small beside the rest."""
    S = past + T
    operations = 2 * B * multiply_adds(c, T, S)
    weights = 2 * multiply_adds(c, 1, 0)  # each weight multiplies once a token; 2 bytes each
    cache = cache_bytes(c, past, B) + cache_bytes(c, T, B)  # read the past, write the new
    return operations, weights + cache


PEAK, BANDWIDTH = 989e12, 3.35e12
cases = {"prefill, 1000 tokens": (1, 1000, 0), "decode, 1 text": (1, 1, 1000)}
cases |= {f"decode, {B} texts": (B, 1, 1000) for B in (16, 256)}
for name, (B, T, past) in cases.items():
    operations, size = operations_and_bytes(seven_b, B, T, past)
    bound = "arithmetic" if operations / size > PEAK / BANDWIDTH else "memory"
    amounts = f"{operations / 1e12:7.2f} TFLOP{size / 1e9:6.1f} GB"
    print(f"{name:21}{amounts}{operations / size:8.1f} FLOP/byte: bound by {bound}")
# %% [markdown] lang="zh"
# 一批多放几句话，权重读一次大家用，强度就上去了。可缓存每句一份，读缓存的强度不随批大小变化。解码
# 时，一个键/值头的键每读 2 字节，有 $G$ 个查询头各做一次乘加（2 次运算），所以注意力部分的强度就是
# $G = H / K$：MHA 是 1，Qwen2-7B 的 GQA 是 7，MQA 是 28。下图把两者放在一起。
# %% [markdown] lang="en"
# With more texts in a batch, the weights are read once for all of them, and the intensity rises.
# But each text has its own cache, and reading that does not get better with the batch. In decoding,
# 2 bytes of a key are read for one multiply-add (2 operations) by each of $G$ query heads. So the
# intensity of the attention part is $G = H / K$: 1 for MHA, 7 for the GQA of Qwen2-7B, 28 for MQA.
# The figure puts both together.
# %%
batches = 2 ** torch.arange(0, 11)
lines = {"no past": [], "MQA": [], "GQA": [], "MHA": []}
for name, intensities in lines.items():
    c, past = (seven_b, 0) if name == "no past" else (variants["Qwen2-7B", name], 8192)
    for B in batches.tolist():
        operations, size = operations_and_bytes(c, B, 1, past)
        intensities.append(operations / size)
fig, ax = figures.canvas(height=3.4)
ax = figures.curve(ax, batches, lines, xlabel="texts decoded together", marker="o", log=True)
ax.axhline(PEAK / BANDWIDTH, color=figures.INK, linestyle="--", linewidth=1)
ax.text(1, PEAK / BANDWIDTH * 1.12, "H100: above, bound by arithmetic", size=9)
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
ax.set(xscale="log", ylabel="FLOP per byte", title="Qwen2-7B, one decoding step, 8k past")
_ = ax.set_xticks([1, 4, 16, 64, 256, 1024], [1, 4, 16, 64, 256, 1024])
# %% [markdown] lang="zh"
# 蓝线没有过去，批越大强度越高。另外三条各有 8192 个词元的缓存，批再大也会走平，$G$ 越大走得越高，却
# 都到不了虚线（一千句的缓存早已装不进一张卡，这里只算比值）。长上下文的解码，归根到底是在读缓存。这
# 才是 GQA 的用处。
#
# ### 滑动窗口：一层看 $w$ 个，叠起来看得更远
#
# 窗口为 $w$ 的一层，每个词元往回最多看 $w - 1$ 个位置。再叠一层，被看的词元自己也看过更早的，消息每
# 层再走 $w - 1$ 格；$L$ 层之后，最远是 $L(w - 1)$ 格。用扰动实验来看：改掉第 0 个词元，看每一层的哪
# 些位置动了。
#
# （Qwen2 的代码支持滑动窗口，公开的 Qwen2 权重在 `config.json` 里却都关着它。）
# %% [markdown] lang="en"
# The blue line has no past: the larger the batch, the higher the intensity. The other three have
# 8192 cached tokens a text; they level off, higher for a larger $G$, and none reaches the dashed
# line (the caches of a thousand texts would not fit into one card; this is the ratio alone).
# Decoding with a long context is, in the end, reading the cache. This is what GQA is for.
#
# ### A sliding window: $w$ keys in a layer, further in a stack
#
# In a layer with window $w$, a token looks back $w - 1$ places at most. In the next layer, the
# tokens it looks at have themselves looked further back: news travels $w - 1$ places a layer,
# $L(w - 1)$ in $L$ layers. Perturbation shows it: change token 0 and see which places of each layer
# move.
#
# (Qwen2's code has sliding windows; the published `config.json` files leave them off.)
# %%
windowed = replace(Qwen2Config.nano(), sliding_window=4, layer_types=("sliding_attention",) * 4)
short_sighted = random_model(windowed)
ids = torch.randint(0, 2048, (1, 16), generator=dice)
changed = ids.clone()
changed[0, 0] += 1
before, after = (short_sighted(i, output_hidden_states=True).hidden_states for i in (ids, changed))
moved = torch.stack([(a != b).any(-1)[0] for a, b in zip(before, after, strict=True)])  # (L + 1, T)
reach = [int(row.nonzero().max()) for row in moved]
print("furthest place that token 0 has moved, layer by layer:", reach)
assert reach == [layer * (4 - 1) for layer in range(5)]
# %%
layers = ["0", "1", "2", "3", "4"]  # 0: the embeddings
fig, ax = figures.canvas(height=2.4, width=6)
ax = figures.show_mask(ax, moved, layers, [str(n) for n in range(16)], legend=False)
_ = ax.set(xlabel="place", ylabel="after layer", title="Moved (blue) by token 0, window 4")
# %%
cache = KVCache.for_model(short_sighted, batch_size=1, max_length=16)
steps = [short_sighted(ids[:, t : t + 1], cache=cache).logits for t in range(16)]
torch.testing.assert_close(torch.cat(steps, dim=1), short_sighted(ids).logits, rtol=1e-4, atol=1e-4)
print("window and cache agree; the cache still keeps all", cache.length, "tokens")


# %% [markdown] lang="zh"
# 每层往右三格，正是 $w - 1 = 3$。用缓存逐个解码，窗口同样有效。但最后一行点出了一处可省而没省的地
# 方：窗口之外的键再也不会被看到，`KVCache` 却还留着（模块的文档里写明了这一点）。
#
# **练习 5（环形缓冲区）**　为滑动窗口写一个缓存：只有 `window` 格，第 $t$ 个词元写进第 $t \bmod w$
# 格，盖掉最老的那个。想一想：键的次序乱了，为什么结果不变？（提示：RoPE 已经转过，softmax 和加权求
# 和都不管次序。）下面的 `LastKeys` 结果正确，但每一步都复制整个窗口；换成你的之后，应当始终只用一块
# 缓冲区。
# %% [markdown] lang="en"
# Three places further a layer: $w - 1 = 3$. Decoding one by one with the cache respects the window
# too. But the last line points at memory that could be saved and is not: keys outside the window
# will never be looked at again, and `KVCache` keeps them (the docstring of its module says so).
#
# **Exercise 5 (a ring buffer).** Write a cache for a sliding window: only `window` slots, token $t$
# goes to slot $t \bmod w$ and overwrites the oldest. Think: the keys are out of order; why does the
# result stay the same? (Hint: RoPE is already in them, and neither softmax nor the weighted sum
# knows an order.) `LastKeys` below is right but copies the whole window at each step; yours should
# use one buffer throughout.
# %%
class LastKeys:
    """The newest `window` keys and values, by cutting and joining."""

    def __init__(self, window, K, Dh):
        self.window = window
        self.k = self.v = torch.empty(1, K, 0, Dh)

    def update(self, k, v):
        """k, v: (1, K, 1, Dh) of the new token -> those it may see: (1, K, <= window, Dh)"""
        self.k = torch.cat([self.k, k], dim=2)[:, :, -self.window :]
        self.v = torch.cat([self.v, v], dim=2)[:, :, -self.window :]
        return self.k, self.v


# %%
candidate = LastKeys  # put yours here

q = torch.randn(1, 4, 12, 8, generator=dice)
k, v = torch.randn(2, 1, 2, 12, 8, generator=dice)
truth = F.scaled_dot_product_attention(q, k, v, causal_mask(12, 12, None, 3), enable_gqa=True)
ring, seen = candidate(window=3, K=2, Dh=8), []
for t in range(12):
    now = slice(t, t + 1)
    seen.append(ring.update(k[:, :, now], v[:, :, now]))
    torch.testing.assert_close(decode_attention(q[:, :, now], *seen[-1]), truth[:, :, now])
buffers = {keys.untyped_storage().data_ptr() for keys, _ in seen}
print(f"exercise 5: correct, with {len(buffers)} key buffers in 12 steps (a ring needs 1)")
# %% [markdown] lang="zh"
# ## 6 三条路，同一个答案
#
# > **旅客自述**　通往同一个出口的路有三条。人少时、人多时、要看清每一步时，守卫各指一条；我走出来的
# 样子都一样。
#
# `attention.py` 里有三个函数：
#
# | 函数 | 用在哪里 | 特点 |
# | --- | --- | --- |
# | `eager_attention` | 要看权重时 | 公式怎么写就怎么算，全部权重摆在内存里 |
# | `sdpa_attention` | 训练、预填充 | torch 的融合函数，不留下 $T \times S$ 的权重 |
# | `decode_attention` | 解码，$T = 1$ | 不复制键和值 |
#
# 先看照着公式写的那一条，每一行都已在前面讲过：
# %% [markdown] lang="en"
# ## 6 Three paths, one answer
#
# > **The traveller speaks.** Three paths lead to the same way out. When I am one row, when I am
# > many, or when every step is to be seen, the guard points to another one; I come out looking the
# > same.
#
# `attention.py` has three functions:
#
# | function | used for | what is special |
# | --- | --- | --- |
# | `eager_attention` | seeing the weights | the formula as it stands; all weights are in memory |
# | `sdpa_attention` | training, prefill | torch's fused function; keeps no $T \times S$ weights |
# | `decode_attention` | decoding, $T = 1$ | copies no keys and values |
#
# First the one that follows the formula; each of its lines has been explained above:
# %%
print(inspect.getsource(eager_attention))
# %% [markdown] lang="zh"
# ### 解码：把一组里的 $G$ 个头当作 $G$ 个时间步
#
# `repeat_kv` 要先读一份键值、写出 $G$ 份，再把 $G$ 份读进来算。可是解码时 $q$ 极小，键和值才是大
# 头。换个角度看：一个组的 $G$ 个查询头读**同一份** $k$；而“一个头、$G$ 个时间步”也是 $G$ 行查询读同
# 一份 $k$。写成矩阵，两者是同一个乘法：
#
# $$\underbrace{(G \times D_h)}_{q} \cdot \underbrace{(D_h \times S)}_{k^\top} = (G \times S)$$
#
# 唯一会露馅的是掩码：不同的时间步本该看到不同的键。但 $T = 1$ 时，$G$ 行其实站在同一个位置，看到的
# 键完全一样，掩码对它们一视同仁。于是只需给小小的 $q$ 换个形状，键和值一个字节也不用复制：
# %% [markdown] lang="en"
# ### Decoding: the $G$ heads of a group as $G$ time steps
#
# `repeat_kv` reads the keys and values once, writes $G$ copies, and then reads the $G$ copies. But
# in decoding $q$ is tiny, and the keys and values are all that is large. Look at it in another way:
# the $G$ query heads of a group read **the same** $k$; and "one head, $G$ time steps" is also $G$
# rows of queries that read the same $k$. As matrices, both are one product:
#
# $$\underbrace{(G \times D_h)}_{q} \cdot \underbrace{(D_h \times S)}_{k^\top} = (G \times S)$$
#
# Only the mask could tell them apart: different time steps see different keys. But with $T = 1$ the
# $G$ rows really stand at the same place and see the same keys, so the mask treats them alike. The
# small $q$ gets another shape, and not a byte of keys and values is copied:
# %%
print(inspect.getsource(decode_attention))
# %%
H, K, Dh, S = 28, 4, 128, 1000  # Qwen2-7B, one layer
q = torch.randn(1, H, 1, Dh, generator=dice)
k, v = torch.randn(2, 1, K, S, Dh, generator=dice)
truth = F.scaled_dot_product_attention(q, *(x.repeat_interleave(H // K, 1) for x in (k, v)))
for out in (eager_attention(q, k, v)[0], sdpa_attention(q, k, v), decode_attention(q, k, v)):
    torch.testing.assert_close(out, truth)

once = k.nbytes + v.nbytes  # decode_attention: read once
copies = repeat_kv(k, H // K).nbytes + repeat_kv(v, H // K).nbytes
moved = once + 2 * copies  # eager_attention: read once, write the copies, read the copies
print(f"one layer, 1000 tokens, float32: {once / 1e6:.1f} MB against {moved / 1e6:.1f} MB,")
print(f"{moved / once:.0f} = 1 + 2G times as much")
# %% [markdown] lang="zh"
# ### 预填充：别算未来
#
# 因果掩码挡住一半的分数，可是 torch 的融合函数在 CPU 上按大块来算：我们量过，512 个词元以内，带不带
# 因果掩码一样费时，未来的分数照算，算完再扔。没有别的掩码、不求梯度时，`sdpa_attention` 在 CPU 上把
# 块切小：查询每 64 行一块，每块只带上它可能看见的键，整个方阵变成一座阶梯。每块自己的掩码就是
# `causal_mask(rows, seen)`，又是 $T < S$ 的那种长方形。没有缓存时 $T = S$，左上角与右下角是同一条对
# 角线，结果应与 `is_causal=True` 相同。
#
# 图中深色是需要的，浅色是算了又被挡掉的，白色根本不算。
# %% [markdown] lang="en"
# ### Prefill: do not compute the future
#
# The causal mask blocks half of the scores, yet on a CPU torch's fused function works in large
# blocks: by our measurement, up to 512 tokens it takes as long with the causal mask as without. The
# scores of the future are computed and thrown away. On a CPU, with no other mask and no gradient
# wanted, `sdpa_attention` cuts smaller: 64 rows of queries at a time, each block with only the keys
# that it can possibly see. The square becomes a staircase, and the mask of each block is
# `causal_mask(rows, seen)`, again the rectangle with $T < S$. Without a cache $T = S$, the two
# corners share one diagonal, and the result must be that of `is_causal=True`.
#
# In the figure, dark is needed, light is computed and then masked, white is not computed at all.
# %%
from qwen_blog.attention import CHUNK

print(inspect.getsource(sdpa_attention))
n = 8 * CHUNK
computed = torch.zeros(n, n)
for start in range(0, n, CHUNK):
    computed[start : start + CHUNK, : start + CHUNK] = 1  # what one block works out
needed = causal_mask(n, n)[0, 0].float()
fig, ax = figures.canvas(height=3, width=3.4)
ax = figures.heatmap(ax, computed + needed, colorbar=False, vmin=0, vmax=2.6)
ax.set(title=f"T = {n}, blocks of {CHUNK}", xlabel="key", ylabel="query", aspect="equal")
ax.set(xticks=range(0, n, 2 * CHUNK), yticks=range(0, n, 2 * CHUNK))
assert (computed >= needed).all()
print(f"scores: {n * n:,} in all; computed {computed.mean():.0%}, needed {needed.mean():.0%}")
# %%
q = torch.randn(2, 6, 200, 16, generator=dice)  # 200 > CHUNK, and not a multiple of it
k, v = torch.randn(2, 2, 2, 200, 16, generator=dice)
truth = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
torch.testing.assert_close(sdpa_attention(q, k, v), truth)
torch.testing.assert_close(eager_attention(q, k, v)[0], truth)
# %% [markdown] lang="zh"
# > **教程里常见的错**　“FlashAttention 是近似算法”：不是。融合函数把 softmax 分块做，边走边修正分
# 母，与公式在数学上完全相等，只差舍入。近似的是滑动窗口之类，它们改的是**谁看谁**。
#
# ### 与 `transformers` 对照
#
# 最后的裁判是别人的实现。用同一份 `config.json` 内容建一个 `transformers` 的 Qwen2，把我们的参数
# （全部随机，偏置也随机）抄给它，比较 logits 和每一层的注意力权重：一批两句话，第二句左边填充，四层
# 里两层带滑动窗口。
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** "FlashAttention is an approximation": it is
# > not. Fused functions take softmax block by block and mend the denominator as they go;
# > mathematically this equals the formula, up to rounding. What approximates is a sliding window or
# > the like: it changes **who looks at whom**.
#
# ### Against `transformers`
#
# The last judge is somebody else's implementation. From the same `config.json` content we build the
# Qwen2 of `transformers`, copy our parameters (all random, biases too) into it, and compare the
# logits and the attention weights of each layer: two texts in a batch, the second padded on the
# left, and sliding windows in two of the four layers.
# %%
import warnings

warnings.filterwarnings("ignore", message="IProgress")  # tqdm's remark: no widgets, no matter
from transformers import Qwen2Config as TheirConfig
from transformers import Qwen2ForCausalLM as TheirModel

kinds = ("full_attention", "full_attention", "sliding_attention", "sliding_attention")
config = replace(Qwen2Config.nano(), sliding_window=4, layer_types=kinds)
theirs = TheirModel(TheirConfig(**config.to_dict(), attn_implementation="eager")).eval()
ours = random_model(config)
theirs.load_state_dict(ours.state_dict())

ids = torch.randint(0, 2048, (2, 12), generator=dice)
real = torch.ones(2, 12, dtype=torch.long)
real[1, :5] = 0  # the second text has 7 tokens, padded on the left
# %%
a = ours(ids, attention_mask=real, output_attentions=True)
b = theirs(ids, attention_mask=real, output_attentions=True)
row = real.bool()  # padded queries are nobody's business: only real rows are compared
torch.testing.assert_close(a.logits[row], b.logits[row], rtol=1e-4, atol=1e-4)
for mine, other in zip(a.attentions, b.attentions, strict=True):
    torch.testing.assert_close(
        mine.transpose(1, 2)[row], other.transpose(1, 2)[row], rtol=1e-4, atol=1e-5
    )
print(f"logits and {len(a.attentions)} layers of attention weights agree with transformers")
# %%
fig, axes = figures.canvas(1, 3, height=2.8)
maps = {"layer 1, text 0": (0, 0), "layer 1, text 1: padded": (0, 1), "layer 3: window 4": (2, 0)}
for ax, (title, (layer, text)) in zip(axes, maps.items(), strict=True):
    names = [str(t) if real[text, t] else "∅" for t in range(12)]
    ax = figures.attention_map(ax, a.attentions[layer][text, 0], names)
    ax.set(title=title, xlabel="", ylabel="")


# %% [markdown] lang="zh"
# 随机的权重没有意义，掩码的形状却清清楚楚：三角、左边空出的填充、宽度为 4 的带子。
#
# **练习 6**　把“$G$ 个头当作时间步”推广到 $T > 1$：$q$ 变成 $(B, K, G \cdot T, D_h)$，掩码要怎样重
# 复，才能与每一行对上？（先想 $G$ 在前还是 $T$ 在前。）
# %% [markdown] lang="en"
# Random weights mean nothing, but the masks are plain to see: the triangle, the empty padding on
# the left, the band of width 4.
#
# **Exercise 6.** Extend "$G$ heads as time steps" to $T > 1$: $q$ becomes $(B, K, G \cdot T, D_h)$.
# How must the mask be repeated to fit every row? (First decide whether $G$ or $T$ runs faster.)
# %%
def candidate(q, k, v, mask):  # put yours here: without repeat_kv, without enable_gqa
    return eager_attention(q, k, v, mask)[0]


q = torch.randn(2, 6, 4, 8, generator=dice)
k, v = torch.randn(2, 2, 2, 9, 8, generator=dice)
real = torch.rand(2, 9, generator=dice) < 0.7
for mask in (causal_mask(4, 9), causal_mask(4, 9, real), causal_mask(4, 9, real, 3)):
    truth = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
    torch.testing.assert_close(candidate(q, k, v, mask), truth)
print("exercise 6: correct")
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数或类可以顶替包里的那个，跑同一批测试；裁判是 torch、`transformers` 和逐格数出来的掩码，不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise eager_attention > my.py  # 题头：签名和文档，没有函数体；写上你的
# pytest --mine=my.py                               # 用你的顶替我们的，跑它的测试
# python -m tests.exercise --hint eager_attention   # 卡住了，要一句提示
# ```
#
# 本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `causal_mask` | 第 2 节：谁可以看谁，带填充、窗口和缓存；练习 7 是它的四种错法 | 几行 |
# | `repeat_kv` | 第 3 节：给每个查询头一份键和值 | 几行 |
# | `eager_attention` | 第 1 至 3 节：整个公式，带分组 | 一下午 |
# | `decode_attention` | 第 6 节：一个新词元，不复制键和值 | 一下午 |
# | `KVCache` | 第 5 节：一块内存，写在原处，可以退回 | 一下午 |
#
# 在笔记本里用 `check`。下面这一份先 softmax，然后才把不许看的清零（第 2 节）。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are torch, `transformers`,
# and masks counted cell by cell, not our code. In the root of the repository:
#
# ```bash
# python -m tests.exercise eager_attention > my.py  # the head: signature and docstring, no body; write yours
# pytest --mine=my.py                               # its tests, with yours in the place of ours
# python -m tests.exercise --hint eager_attention   # a hint, if you are stuck
# ```
#
# The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `causal_mask` | section 2: who may look at whom, with padding, a window, a cache; exercise 7 has four wrong ones | a few lines |
# | `repeat_kv` | section 3: a copy of keys and values for each query head | a few lines |
# | `eager_attention` | sections 1 to 3: the whole formula, with groups | an afternoon |
# | `decode_attention` | section 6: one new token, and no copy of keys and values | an afternoon |
# | `KVCache` | section 5: memory taken once, written in place, cropped | an afternoon |
#
# In a notebook there is `check`. The attempt below takes the softmax first, and only then puts zeros where looking is
# not allowed (section 2).
# %%
from tests.exercise import check


def eager_attention(q, k, v, mask=None, dropout=0.0):
    groups = q.shape[1] // k.shape[1]
    k, v = repeat_kv(k, groups), repeat_kv(v, groups)
    if mask is None:
        mask = causal_mask(q.shape[2], k.shape[2])
    weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
    weights = weights.masked_fill(~mask, 0)  # early enough?
    return F.dropout(weights, dropout) @ v, weights


right = check(eager_attention)
# %% [markdown] lang="zh"
# 先读第一行：没过的是哪一个测试；再看头一个不同的数，坐标是 (B, H, T, D_h)，期望的和得到的；最后一行说出处和提示在哪里。
# 得到的数离 0 太近：被挡住的键还留在 softmax 的分母里，一行的权重加起来不到 1。
# %% [markdown] lang="en"
# Read the first line first: which test failed; then the first number that differs, at (B, H, T,
# D_h), expected and obtained; then where it stands in the paper and how to get a hint. What we
# obtained is too near to 0: blocked keys are
# still in the denominator of the softmax, so a row's weights sum to less than 1.
# %% [markdown] lang="zh"
# ## 7 出门：回顾与找错
#
# > **旅客自述**　我带着 $(B, T, D)$ 进来，又带着 $(B, T, D)$ 出去。中间的足迹如下。
# %% [markdown] lang="en"
# ## 7 Out again: looking back, and a search for mistakes
#
# > **The traveller speaks.** I came in as $(B, T, D)$ and go out as $(B, T, D)$. These are my
# > tracks.
# %%
places = {"x\n(B, T, D)": (0, 0), "q\n(B, H, T, Dh)": (2.6, 1.2)}
places |= {"k\n(B, K, T, Dh)": (2.6, 0), "v\n(B, K, T, Dh)": (2.6, -1.2)}
places |= {"cache\n(B, K, S, Dh)": (5.2, -0.6), "weights\n(B, H, T, S)": (5.2, 1.2)}
places |= {"heads\n(B, H, T, Dh)": (7.8, 0.3), "out\n(B, T, D)": (11.2, 0.3)}
x, q, k, v, kept, weights, heads, out = places
arrows = [(x, q), (x, k), (x, v), (k, kept), (v, kept), (q, weights)]
arrows += [(kept, weights, "mask, softmax"), (kept, heads), (weights, heads)]
arrows += [(heads, out, "o_proj")]
fig, ax = figures.canvas(height=2.8)
ax = figures.diagram(ax, places, arrows, size=(1.9, 0.75))


# %% [markdown] lang="zh"
# 带走六句话：
#
# 1. 注意力 = 点积打分，除以 $\sqrt{D_h}$，挡住不许看的，softmax，加权求和。
# 2. 掩码在 softmax **之前**生效；填 $-\infty$，被挡的键连分母都进不去；每行至少留一个键。
# 3. 因果掩码使过去不受未来影响，所以 $k$、$v$ 可以缓存；$q$ 不必。
# 4. 查询头 $h$ 读键/值头 $\lfloor h / G \rfloor$；缓存大小只看 $K$，不看 $H$。
# 5. 长提示词的预填充受限于计算；解码受限于读内存：每一步都要把权重和缓存各读一遍。
# 6. GQA 省的是缓存和读缓存，几乎不省计算。
#
# 本章没有讲、值得接着读的：按页分配的缓存（PagedAttention，arXiv:2309.06180），把键值压进低维的
# MLA（DeepSeek-V2，arXiv:2405.04434），分块算 softmax 的 FlashAttention（arXiv:2205.14135）。
#
# **练习 7（找错）**　下面四个掩码函数各有一处真实代码里常见的错。每个都在某些输入上与正确答案一样，
# 所以测试不仔细就发现不了。先读代码，猜一猜错在哪里，哪些输入会露馅；再运行，看图里的叉对不对得上。
# 然后就地修好它们，直到每个都“wrong on 0”。
# %% [markdown] lang="en"
# Six sentences to take along:
#
# 1. Attention = scores by dot product, divided by $\sqrt{D_h}$, what is not allowed blocked,
#    softmax, weighted sum.
# 2. The mask acts **before** softmax; with $-\infty$ a blocked key is not even in the denominator;
#    every row keeps at least one key.
# 3. With a causal mask the past does not depend on the future, so $k$ and $v$ can be kept; $q$ need
#    not be.
# 4. Query head $h$ reads key/value head $\lfloor h / G \rfloor$; the size of the cache depends on
#    $K$, not on $H$.
# 5. Prefill of a long prompt is bound by arithmetic; decoding by reading memory: all weights and
#    the whole cache, at each step.
# 6. GQA saves the cache and the reading of it, and hardly any arithmetic.
#
# Not in this chapter and worth reading next: caches in pages (PagedAttention, arXiv:2309.06180),
# keys and values squeezed into few dimensions (MLA in DeepSeek-V2, arXiv:2405.04434), softmax block
# by block (FlashAttention, arXiv:2205.14135).
#
# **Exercise 7 (find the mistake).** Each of the four mask functions below has one mistake that is
# common in real code. Each agrees with the right answer on some inputs, so careless tests do not
# find it. First read, and guess what is wrong and which inputs show it. Then run, and see whether
# the crosses are where you thought. Last, mend them in place until all are "wrong on 0".
# %%
def a(T, S, real, window):
    back = torch.arange(T)[:, None] - torch.arange(S)
    return (back >= 0) & (back < window) & real[:, None] | (back == 0)


def b(T, S, real, window):
    back = torch.arange(S)[S - T :, None] - torch.arange(S)
    return (back >= 0) & (back <= window) & real[:, None] | (back == 0)


def c(T, S, real, window):
    back = torch.arange(S)[S - T :, None] - torch.arange(S)
    return (back >= 0) & (back < window) & real[:, None]


# %%
def d(T, S, real, window):
    back = torch.arange(S)[S - T :, None] - torch.arange(S)
    return (back >= 0) & (back < window) & real[:, S - T :, None] | (back == 0)


for suspect in (a, b, c, d):
    wrong = 0
    for seed in range(100):
        rng = torch.Generator().manual_seed(seed)
        T, more, window = torch.randint(1, 6, (3,), generator=rng).tolist()
        real = torch.rand(1, T + more - 1, generator=rng) < 0.8
        truth = causal_mask(T, T + more - 1, real, window)[0]
        wrong += not torch.equal(suspect(T, T + more - 1, real, window), truth)
    print(f"exercise 7, {suspect.__name__}: wrong on {wrong} of 100 random inputs")
# %%
real = torch.tensor([[0, 0, 0, 1, 1, 1, 1]]).bool()  # three padded tokens on the left
truth = causal_mask(5, 7, real, 3)[0, 0]  # T = 5 new tokens, window 3
names = ["∅", "∅", "∅", "3", "4", "5", "6"]
fig, axes = figures.canvas(1, 4, height=1.8)
for ax, suspect in zip(axes, (a, b, c, d), strict=True):
    ax = figures.show_mask(ax, truth, names[2:], names, legend=False)
    for t, s in (suspect(5, 7, real, 3)[0] != truth).nonzero().tolist():
        ax.plot(s + 0.5, t + 0.5, "X", color=figures.ROSE, markersize=7)
    ax.set(title=suspect.__name__, xlabel="", ylabel="")
# %% [markdown] lang="zh"
# 图里的底色是正确的掩码，叉是出错的格子。错在哪里，翻回去都找得到：对角线放错了角、窗口差一格、整行
# 被挡住、填充挡住的是查询而不是键。
#
# 注意力这扇门走完了。下一章把 MLP、残差、24 层和输出层接上，并证明我们的模型就是 Qwen2：[23 · 完整
# 的解码器](23_the_whole_decoder.ipynb)。
# %% [markdown] lang="en"
# The background shows the right mask, the crosses the cells that are wrong. What each mistake is
# can be found in this chapter: a diagonal in the wrong corner, a window off by one, a row with
# nothing to look at, padding that blocks queries instead of keys.
#
# We are through the door of attention. The next chapter adds the MLP, the residual stream, 24
# layers and the output layer, and proves that our model is Qwen2: [23 · The whole
# decoder](23_the_whole_decoder.ipynb).
