# %% [markdown] lang="zh"
# # 11 · 注意力，亲手写一遍
#
# 你一定查过字典：手里有一个词，在词条里找到它，抄下释义。2017 年的论文《Attention Is All You Need》
# （Vaswani 等，arXiv:1706.03762）主要靠一种查字典的动作，就搭出了当时最好的翻译模型。不过这部字典有
# 三处特别：词条不必完全对上；一次可以查好几条，按对得上的程度掺在一起；查什么、词条怎么写、释义是什
# 么，都由训练决定。
#
# 这一章把它从头写一遍。每一步都用包里的代码，并与 torch 自带的实现对账。
#
# | 节 | 问题 |
# | --- | --- |
# | 1 | 循环神经网络哪里不够用？ |
# | 2 | 字典怎样变“软”？ |
# | 3 | 公式怎么来的，为什么要除以 $\sqrt{d_k}$？ |
# | 4 | 谁不许看谁？ |
# | 5 | 自注意力、因果注意力、交叉注意力，差别在哪里？ |
# | 6 | 为什么要许多头，怎样切，怎样拼？ |
# | 7 | 注意力不认识次序，位置从哪里来？ |
#
# **词元**（token）是文字切成的小段，读这一章时当成“词”就行。字母与全书一致：`B` 是一批几句
# 话，`T` 是查询一方的词元数，`S` 是被查一方的词元数，`D` 是模型宽度
# （论文的 $d_{\text{model}}$），`H` 是头数，`Dh` 是一个头的宽度（论文的 $d_k$、$d_v$）。
#
# - **预备知识**：矩阵乘法、softmax、导数。不需要先懂别的章。
# - **时间**：边读边做约两小时；全部代码在两个 CPU 核上不到半分钟。不联网，不下载。
#
# 上一章：[00 · 漫游小宇宙](00_tour.ipynb)。下一
# 章：[12 · 编码器与解码器](12_encoder_and_decoder.ipynb)。
# %% [markdown] lang="en"
# # 11 · Attention, by hand
#
# You have used a dictionary: you have a word, you find its entry, you copy what it says. In 2017
# the paper "Attention Is All You Need" (Vaswani et al., arXiv:1706.03762) built the best
# translation model of its day from little more than this one act of looking things up. Its
# dictionary is special in three ways. An entry need not match exactly. Several can be looked up at
# once, and are blended by how well they match. And what to look up, how entries are labelled and
# what they say is all learned.
#
# This chapter writes it from the beginning. Every step uses the package's own code, and is checked
# against torch's.
#
# | section | question |
# | --- | --- |
# | 1 | Where do recurrent networks fall short? |
# | 2 | How does a dictionary become "soft"? |
# | 3 | Where does the formula come from, and why divide by $\sqrt{d_k}$? |
# | 4 | Who may not look at whom? |
# | 5 | Self-attention, causal attention, cross-attention: what differs? |
# | 6 | Why many heads, and how are they cut and joined? |
# | 7 | Attention knows no order: where do positions come from? |
#
# The letters are those of the whole book: `B` texts in a batch, `T` tokens that ask, `S` tokens
# that are asked, `D` the model's width (the paper's $d_{\text{model}}$), `H` heads, `Dh` the width
# of one (the paper's $d_k$, $d_v$). Later come `V`, the size of a vocabulary, and `K`, the number
# of key/value heads. In formulas Q, K and V are something else: the matrices of queries, keys and
# values.
#
# - **You need**: matrix products, softmax, derivatives. No other chapter comes before this one.
# - **Time**: about two hours with the exercises; all the code runs in under half a minute on two
#   CPU cores. No network, no downloads.
#
# Previous: [00 · the tour](00_tour.ipynb). Next: [12 · encoder and
# decoder](12_encoder_and_decoder.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import inspect

import torch
import torch.nn.functional as F
from torch import nn

from tiny_transformer.attention import (
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from tiny_transformer.config import TransformerConfig
from tiny_transformer.position import PositionalEncoding, sinusoids

# %%
torch.set_grad_enabled(False)  # gradients only where we ask for them
torch.set_printoptions(precision=2, sci_mode=False)
dice = torch.Generator().manual_seed(11)  # the source of the random numbers below


# %% [markdown] lang="zh"
# ## 1 为什么要有注意力
#
# **问题**　要翻译“我昨天买了一本书”，得先读完，再一个词一个词地写。论文之前的主流做法是**循环神经
# 网络**（recurrent neural network，RNN）：从左往右读，每读一个词元，就把状态 $h$ 改写一次，
#
# $$h_t = \tanh(h_{t-1} W + x_t U)$$
#
# 读到最后，$h_T$ 就算是“整句话的意思”，译文全凭它写出来（Sutskever 等 2014，arXiv:1409.3215）。这
# 样做有三个毛病：
#
# 1. **只能一步接一步**。$h_t$ 要等 $h_{t-1}$。显卡一次能做上万个乘法，也只好排队。
# 2. **一个向量装一句话**。句子再长，$h_T$ 也只有那么多个数。
# 3. **路太长**。第一个词要影响最后的状态，得穿过 $T$ 次改写；训练时，梯度要沿原路走回来。
#
# 注意力的办法是：每个词元的向量都留着，要用的时候直接去看。先量第 3 条。下面是两种“读法”，宽度都
# 是 $D = 32$。
# %% [markdown] lang="en"
# ## 1 Why attention
#
# **Question.** To translate "我昨天买了一本书" (I bought a book yesterday), we first read it all and
# then write word by word. The usual way before the paper was a **recurrent neural network** (RNN):
# it reads from left to right, and with every token rewrites its state $h$,
#
# $$h_t = \tanh(h_{t-1} W + x_t U)$$
#
# When it has read everything, $h_T$ passes for "what the sentence means", and the translation is
# written from that alone (Sutskever et al. 2014, arXiv:1409.3215). Three things are wrong with
# this:
#
# 1. **One step after the other.** $h_t$ waits for $h_{t-1}$. A GPU could do tens of thousands of
#    multiplications at once; here they must queue.
# 2. **One vector for a whole sentence.** However long the text, $h_T$ has no more numbers.
# 3. **A long path.** To influence the last state, the first word must survive $T$ rewritings; in
#    training, its gradient has to come back the same way.
#
# The answer of attention: keep the vectors of all tokens, and look at them when they are needed. We
# measure point 3 first. Here are two ways to read, both of width $D = 32$.
# %%
def rnn(x, W, U):
    """(B, T, D) -> (B, D): one state, rewritten T times."""
    h = x.new_zeros(len(x), len(W))
    for t in range(x.shape[1]):
        h = (h @ W + x[:, t] @ U).tanh()  # needs the h before it
    return h


def attend(x, q):
    """(B, T, D) and (B, 1, D) -> (B, D): one query looks at all T tokens, in one step."""
    return F.scaled_dot_product_attention(q, x, x)[:, 0]


# %%
def pull(read, x):
    """How strongly token 0 moves a random reading of the output: the gradient's norm."""
    reading = torch.randn(len(x), 32, generator=dice).double()
    with torch.enable_grad():
        x.requires_grad_()
        (gradient,) = torch.autograd.grad((read(x) * reading).sum(), x)
    return gradient[:, 0].norm(dim=-1).median().item()  # of 16 texts


def random_rnn(size):
    """W with entries of standard deviation size / sqrt(D); U with 1 / sqrt(D)."""
    W, U = torch.randn(2, 32, 32, generator=dice).double() / 32**0.5
    return lambda x: rnn(x, size * W, U)


# %%
readers = {f"RNN, W of size {size}": random_rnn(size) for size in (1, 2, 4)}
readers["attention, any query"] = lambda x: attend(x, torch.ones_like(x[:, :1]))
readers["attention, asks for token 0"] = lambda x: attend(x, 3 * x[:, :1].detach())
lengths = [1, 2, 4, 8, 16, 32, 64]
print(f"{'T':27}", *(f"{T:8}" for T in lengths))
pulls = {}
for name, read in readers.items():
    texts = [torch.randn(16, T, 32, generator=dice).double() for T in lengths]
    pulls[name] = [pull(read, x) for x in texts]
    print(f"{name:27}", *(f"{p:8.0e}" for p in pulls[name]))
fig, ax = figures.canvas(height=3)
ax = figures.curve(ax, lengths, pulls, log=True, marker="o", ylabel="gradient at token 0")
ax.set_xscale("log", base=2)
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
_ = ax.set(xticks=lengths, xticklabels=lengths, xlabel="T, tokens in the text")


# %% [markdown] lang="zh"
# 梯度每走一步都要乘一次 $W$，再乘一次 $\tanh$ 的导数（至多是 1）。$W$ 小了，64 步之后什么也不剩；大
# 了，又会爆炸；恰好不大不小的那条，是一道窄窄的山脊。LSTM 之类的门控把山脊修宽了一些，可是路还是那
# 么长。
#
# 注意力这边，不管多远都只走一步。随便问问时，权重分给 $T$ 个词元，梯度大约按 $1/T$ 变小；专门问第 0
# 个词元时，一点也不变小。
#
# 再看第 2 条。让一个（没有训练过的）RNN 读 24 个随机词元，词表有 10 个；再配上最小二乘意义下最好的
# 线性读出器，从最后的状态里读回每一个词元。它能记住多久以前的？
# %% [markdown] lang="en"
# At each step the gradient is multiplied by $W$ and by the derivative of $\tanh$ (at most 1). With
# a small $W$ nothing is left after 64 steps; with a large one it explodes; the line that just holds
# is a narrow ridge. Gates, as in an LSTM, widen the ridge, but the path stays as long.
#
# Attention takes one step from anywhere. With no particular question, the weights are shared by $T$
# tokens, and the gradient falls about as $1/T$; if the query asks for token 0, it does not fall at
# all.
#
# Now point 2. Let an (untrained) RNN read 24 random tokens out of a vocabulary of 10, and give it
# the best linear reader (by least squares), which must tell every token from the last state. How
# far back does it remember?
# %%
def remembered(D, T=24, V=10, texts=3000):
    """The share of tokens that are read back correctly from h_T, the newest first: (T,)."""
    W = torch.randn(D, D, generator=dice).double() / D**0.5
    U = torch.randn(V, D, generator=dice).double()
    ids = torch.randint(0, V, (texts, T), generator=dice)
    one_hot = F.one_hot(ids, V).double()
    h = rnn(one_hot, W, U)  # (texts, D)
    learn, judge = slice(0, 2000), slice(2000, None)
    reader = torch.linalg.lstsq(h[learn], one_hot[learn].flatten(1)).solution  # (D, T*V)
    read = (h[judge] @ reader).unflatten(1, (T, V)).argmax(-1)
    return (read == ids[judge]).double().mean(0).flip(0)


# %%
ids = torch.randint(0, 10, (1000, 24), generator=dice)
places = 20 * torch.eye(24)  # as keys and queries: each place its own label
found = F.scaled_dot_product_attention(places, places, F.one_hot(ids, 10).float())
shares = {f"RNN, state of {D} numbers": remembered(D) for D in (16, 64, 256)}
shares["attention"] = (found.argmax(-1) == ids).float().mean(0).flip(0)
assert shares["attention"].eq(1).all()
fig, ax = figures.canvas(height=2.7)
ax = figures.curve(ax, range(24), shares, xlabel="tokens ago", ylabel="read back correctly")
ax.axhline(0.1, color=figures.GREY, linestyle=":")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
_ = ax.text(23, 0.12, "chance", ha="right")
# %% [markdown] lang="zh"
# 状态每大 4 倍，只多记住一两个词元。训练能让 RNN 挑重要的记，却不能让一个定长的向量无限地装下
# 去。Bahdanau 等人（2014，arXiv:1409.0473）先想到给 RNN 配上注意力，把每个词元的状态都留着；2017 年
# 这篇论文更进一步，把 RNN 整个拿掉。
#
# 代价呢？论文第 4 节的表 1 比较了每一层的开销（$n$ 个词元，宽度 $d$）：
#
# | 层 | 计算量 | 必须先后进行的步数 | 两个词元之间最长的路 |
# | --- | --- | --- | --- |
# | 自注意力 | $O(n^2 \cdot d)$ | $O(1)$ | $O(1)$ |
# | 循环 | $O(n \cdot d^2)$ | $O(n)$ | $O(n)$ |
#
# > **教程里常见的错**　“注意力比 RNN 算得少”。表里的两个 $O(1)$ 说的是步数和路长，不是计算量。计
# 算量要看 $n$ 与 $d$ 谁大。
# %% [markdown] lang="en"
# Each time the state grows by a factor of 4, it remembers one or two tokens more. Training can
# teach an RNN what is worth keeping, but not how to put more and more into a vector of fixed
# size. Bahdanau et al. (2014, arXiv:1409.0473) were the first to give an RNN attention, and kept
# the state of every token; the paper of 2017 went further and took the RNN away.
#
# And the price? Table 1 in section 4 of the paper compares the cost of a layer ($n$ tokens, width
# $d$):
#
# | layer | work | steps that must wait for each other | longest path between two tokens |
# | --- | --- | --- | --- |
# | self-attention | $O(n^2 \cdot d)$ | $O(1)$ | $O(1)$ |
# | recurrent | $O(n \cdot d^2)$ | $O(n)$ | $O(n)$ |
#
# > **Where the tutorials you may have read go wrong.** "Attention computes less than an RNN." The
# > two $O(1)$ are about
# > steps and paths, not about work. Which one works more depends on whether $n$ or $d$ is larger.
# %%
d = 512
print("     n  self-attention n*n*d     RNN n*d*d  steps of the RNN")
for n in (50, 512, 5000):
    print(f"{n:6}{n * n * d:22,}{n * d * d:14,}{n:18,}")
# %% [markdown] lang="zh"
# 一句 50 个词元的话，注意力的计算量约是 RNN 的十分之一；$n = d$ 时相等；长文里反而大得多。所以注意
# 力赢在**一步到位**和**可以同时算**，付出的是随 $n^2$ 增长的计算，还要一直存着所有的词元。
#
# ## 2 注意力是一部软字典
#
# **问题**　“直接去看”具体怎么看？先从 Python 的字典说起。它的词条是六种颜色，释义是各自的红、绿、
# 蓝三个分量：
# %% [markdown] lang="en"
# For a sentence of 50 tokens, attention does about a tenth of the RNN's work; at $n = d$ they are
# equal; in long texts it does far more. What attention gains is **one step to anywhere** and
# **everything at the same time**; what it pays is work that grows as $n^2$, and keeping all tokens.
#
# ## 2 Attention is a soft dictionary
#
# **Question.** "Look at them": how, exactly? Begin with a dictionary of Python's. Its entries are
# six colours; what they say is how much red, green and blue is in each:
# %%
colours = {"red": (1, 0, 0), "yellow": (1, 1, 0), "green": (0, 1, 0)}
colours |= {"cyan": (0, 1, 1), "blue": (0, 0, 1), "magenta": (1, 0, 1)}
print("green:", colours["green"])
print("orange:", colours.get("orange", "no such entry"))

values = torch.tensor(list(colours.values()), dtype=torch.float32)  # (S, 3), S = 6 entries
matches = torch.tensor([float(name == "green") for name in colours])  # (S,) 1 where it matches
print("matches:", matches.tolist(), "@ values =", (matches @ values).tolist())


# %% [markdown] lang="zh"
# 最后一行是关键：查字典可以写成一次矩阵乘法，**权重乘以值**，对上的词条权重是 1，其余是 0。可是
# “橙”不在字典里，就什么也查不到。
#
# **想法**　不问“相等不相等”，改问“有多像”。把六种颜色按色环放在圆上，每 60° 一个：词条的标签
# （**键**，key）和要查的东西（**查询**，query）都是二维向量，点积 $q \cdot k$ 就是“有多
# 像”。softmax 把六个分数变成和为 1 的权重，释义（**值**，value）按权重相加：
#
# $$w_s = \frac{e^{q \cdot k_s / \tau}}{\sum_{s'} e^{q \cdot k_{s'} / \tau}}, \qquad
# \mathrm{out} = \sum_s w_s v_s$$
#
# $\tau$ 叫**温度**（temperature），管的是挑剔的程度。
# %% [markdown] lang="en"
# The last line is what matters: a look-up can be written as one matrix product, **weights times
# values**, with weight 1 on the entry that matches and 0 on all others. But orange has no entry, so
# nothing is found.
#
# **Idea.** Ask "how similar?" instead of "equal or not?" Put the six colours on the colour circle,
# 60° apart. What an entry is filed under (the **key**) and what is looked up (the **query**) are
# vectors of two numbers; their dot product $q \cdot k$ says how similar they are. Softmax turns the
# six scores into weights that sum to 1, and the contents (the **values**) are added up with them:
#
# $$w_s = \frac{e^{q \cdot k_s / \tau}}{\sum_{s'} e^{q \cdot k_{s'} / \tau}}, \qquad
# \mathrm{out} = \sum_s w_s v_s$$
#
# $\tau$ is the **temperature**: how choosy the look-up is.
# %%
def on_circle(degrees):
    """(...,) -> (..., 2): the point on the unit circle."""
    angle = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float32))
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


keys = on_circle([0, 60, 120, 180, 240, 300])  # (S, 2), in the order of `colours`


def look_up(hue, temperature):
    scores = on_circle(hue) @ keys.T  # (..., 2) @ (2, S) -> (..., S)
    weights = (scores / temperature).softmax(-1)  # (..., S), sums to 1
    return weights @ values, weights  # (..., S) @ (S, 3) -> (..., 3)


# %%
orange = 39  # degrees: between red, 0, and yellow, 60, a little nearer to yellow
for temperature in (0.01, 0.25, 50):
    out, weights = look_up(orange, temperature)
    print(f"temperature {temperature:5}: weights {weights}, out {out}")

assert look_up(120, 0.001)[0].allclose(values[2])  # cold: the exact dictionary, "green"
assert look_up(120, 1e6)[0].allclose(values.mean(0), atol=1e-5)  # hot: the mean of all
# %%
temperatures = [0.01, 0.1, 0.25, 2]
hues = torch.arange(360)
picture = torch.stack([look_up(hues, t)[0] for t in temperatures])  # (4, 360, 3): red, green, blue
fig, ax = figures.canvas(height=1.9)
ax.imshow(picture, aspect="auto")
ax.set(yticks=range(4), yticklabels=temperatures, xticks=range(0, 360, 60))
ax.set(xlabel="hue that is looked up", ylabel="temperature", title="what comes back")
ax.grid(False)
# %%
fig, axes = figures.canvas(1, 4, height=1.9)
for ax, temperature in zip(axes, temperatures, strict=True):
    ax.bar(range(6), look_up(orange, temperature)[1], color=values.tolist())
    ax.set(title=f"temperature {temperature}", xticks=[], xlabel="entries", ylim=(0, 1.05))
_ = axes[0].set_ylabel("weight for orange")


# %% [markdown] lang="zh"
# 色带的每一列是一次查询。最上面一行很冷，只取最像的一条，六种颜色泾渭分明，就是原来那部字典：查
# “橙”，得到的是黄。往下渐渐变软，温度 0.25 时，得到的真是橙，约为 `[0.97, 0.66, 0.01]`，而字典里
# 从来没有它。再热下去，对谁都差不多，六色都褪得灰扑扑的。
#
# 软字典还有一个好处，也是它能训练的原因：权重随 $q$ 和 $k$ 平滑变化，处处有梯度。硬字典没有：键差一
# 点点，结果要么不变，要么整个跳走。
#
# ## 3 缩放点积注意力
#
# **公式**　把许多查询叠成矩阵 $Q$，键和值叠成 $K$、$V$，论文第 3.2.1 节的式 (1) 就是上面那部软字
# 典：
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$
#
# 温度取 $\sqrt{d_k}$，道理稍后讲。$q$、$k$、$v$ 从哪里来？在模型里，每个词元的向量乘三个学来的矩
# 阵：“我要查什么”“我归在哪个词条下”“查到我的人拿走什么”。同一个词元，三种身份。
#
# 包里的全部代码：
# %% [markdown] lang="en"
# Each column of the strip is one look-up. The top row is cold and takes only the most similar
# entry: six colours with sharp borders, the dictionary that we had, and a look-up of orange returns
# yellow. Further down it gets soft; at temperature 0.25 what returns is really orange, about
# `[0.97, 0.66, 0.01]`, which was never an entry. Hotter still, everything matches about equally,
# and the six mix to grey.
#
# There is one more good thing about a soft dictionary, and it is why it can be trained: the weights
# move smoothly with $q$ and $k$, so there is a gradient everywhere. The hard one has none: shift a
# key a little, and the result either stays as it is or jumps.
#
# ## 3 Scaled dot-product attention
#
# **Formula.** Stack many queries into a matrix $Q$, the keys and values into $K$ and $V$, and
# equation (1) in section 3.2.1 of the paper is our soft dictionary:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$
#
# The temperature is $\sqrt{d_k}$, for a reason that follows soon. Where do $q$, $k$ and $v$ come
# from? In a model, the vector of each token is multiplied by three learned matrices: "what I look
# up", "what I am filed under", "what whoever finds me takes away". One token in three roles.
#
# All of the package's code:
# %%
print(inspect.getsource(scaled_dot_product_attention))
# %% [markdown] lang="zh"
# **形状**　掩码和 dropout 以外，正文只有三行。多出来的两个轴，`B`（一批几句话）和 `H`（几个头），各
# 算各的，互不相干。查询有 `T` 个、键值有 `S` 个，两者不必相等：
# %% [markdown] lang="en"
# **Shapes.** Without mask and dropout, three lines are left. The two extra axes, `B` (texts in a
# batch) and `H` (heads), are worked out side by side and have nothing to do with each other. There
# are `T` queries and `S` keys and values, and the two numbers need not agree:
# %%
B, H, T, S, Dh = 2, 4, 3, 5, 16
q = torch.randn(B, H, T, Dh, generator=dice)
k, v = torch.randn(2, B, H, S, Dh, generator=dice)
out, weights = scaled_dot_product_attention(q, k, v)
for name, x in {"q": q, "k": k, "v": v, "weights": weights, "out": out}.items():
    print(f"{name:8}{tuple(x.shape)}")
torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
torch.testing.assert_close(out, F.scaled_dot_product_attention(q, k, v))  # torch's own

scale = 2**0.5 / 0.1  # the function divides by sqrt(2); this leaves a temperature of 0.1
mixed, _ = scaled_dot_product_attention(scale * on_circle(hues), keys, values)
torch.testing.assert_close(mixed, picture[1])  # the second row of colours above
# %% [markdown] lang="zh"
# 两处对账都通过：一处与 torch 的实现，一处与上面的颜色。后一处顺带说明：查询向量的模越大，等效的温度越低，
# 所以模型**学得会**该多挑剔。
#
# ### 为什么除以 $\sqrt{d_k}$
#
# 论文的脚注 4 说：设 $q$、$k$ 的各分量互相独立，均值 0，方差 1，那么
#
# $$q \cdot k = \sum_{i=1}^{d_k} q_i k_i, \qquad \mathbb{E}[q \cdot k] = 0, \qquad
# \mathrm{Var}[q \cdot k] = d_k$$
#
# 每一项 $q_i k_i$ 的方差是 1，$d_k$ 项相加，方差就是 $d_k$。掷骰子验证：
# %% [markdown] lang="en"
# Two checks passed: one against torch, one against the colours. The second also says: the longer
# the query, the lower the temperature in effect, so a model **can learn** how choosy to be.
#
# ### Why divide by $\sqrt{d_k}$
#
# Footnote 4 of the paper says: let the components of $q$ and $k$ be independent, with mean 0 and
# variance 1. Then
#
# $$q \cdot k = \sum_{i=1}^{d_k} q_i k_i, \qquad \mathbb{E}[q \cdot k] = 0, \qquad
# \mathrm{Var}[q \cdot k] = d_k$$
#
# Each term $q_i k_i$ has variance 1, and $d_k$ of them add up to variance $d_k$. Roll the dice:
# %%
dots = {}
for d_k in (4, 16, 64, 256):
    many_q = torch.randn(4000, 1, d_k, generator=dice)
    many_k = torch.randn(4000, d_k, 16, generator=dice)  # 16 keys for each query
    dots[d_k] = (many_q @ many_k)[:, 0]  # (4000, 16)
    raw, scaled = dots[d_k].var().item(), (dots[d_k] / d_k**0.5).var().item()
    print(f"d_k = {d_k:3}: mean {dots[d_k].mean():5.2f}, variance {raw:6.1f}, scaled {scaled:.2f}")
    assert abs(raw / d_k - 1) < 0.05


# %% [markdown] lang="zh"
# 方差大了有什么不好？softmax 怕的是分数之间的**差距**：差 10，权重就差 $e^{10}$ 倍，两万多倍，一个
# 键独得几乎全部权重，这叫**饱和**。饱和处几乎没有梯度，因为 softmax 的导数是
#
# $$\frac{\partial w_i}{\partial z_j} = w_i (\delta_{ij} - w_j)$$
#
# 一个 $w$ 接近 1、其余接近 0 时，每一项都接近 0。刚初始化的模型若落在这里，就几乎学不动。下面量一量
# 这个导数矩阵的大小（Frobenius 范数，4000 个查询的平均）。
# %% [markdown] lang="en"
# What is bad about a large variance? Softmax looks at the **differences** between scores: a
# difference of 10 is a factor of $e^{10}$ between weights, more than twenty thousand. One key gets
# nearly everything: softmax is **saturated**. There it has next to no gradient, since
#
# $$\frac{\partial w_i}{\partial z_j} = w_i (\delta_{ij} - w_j)$$
#
# and with one $w$ near 1 and the others near 0, every such term is near 0. A fresh model that
# starts there can hardly learn. We measure the size of this matrix of derivatives (its Frobenius
# norm, averaged over 4000 queries).
# %%
def softmax_gradient(z):
    """(N, S) scores -> the mean norm of the (S, S) matrices d w_i / d z_j."""
    w = z.softmax(-1)
    jacobian = torch.diag_embed(w) - w[:, :, None] * w[:, None, :]  # (N, S, S)
    return jacobian.flatten(1).norm(dim=-1).mean().item()


z = torch.randn(6, generator=dice)  # the formula against autograd
(auto,) = torch.autograd.functional.jacobian(lambda z: z.softmax(-1), (z,))
torch.testing.assert_close(torch.diag(z.softmax(-1)) - z.softmax(-1).outer(z.softmax(-1)), auto)


# %%
sizes = {"q.k": [], "q.k / sqrt(d_k)": []}
for d_k, raw in dots.items():
    sizes["q.k"].append(softmax_gradient(raw))
    sizes["q.k / sqrt(d_k)"].append(softmax_gradient(raw / d_k**0.5))
for name, gradients in sizes.items():
    print(f"{name:16}", *(f"{g:.2f}" for g in gradients))
# %%
fig, (left, right) = figures.canvas(1, 2, height=2.8)
style = {"bins": 80, "range": (-50, 50), "density": True, "histtype": "step"}
for d_k in (4, 64, 256):
    left.hist(dots[d_k].flatten().numpy(), **style, label=f"d_k = {d_k}")
left.set(title="dot products", xlabel="q.k", yticks=[])
left.legend()
right = figures.curve(right, list(dots), sizes, marker="o", xlabel="d_k")
right.set(title="gradient of softmax", ylim=(0, None), xscale="log")
right.set(xticks=list(dots), xticklabels=list(dots))
right.minorticks_off()
# %% [markdown] lang="zh"
# 不除，$d_k$ 越大，分布越宽，梯度越小；除过之后，梯度与宽度无关。
#
# > **教程里常见的错**　一是除以 $\sqrt{d_{\text{model}}}$：该除的是**一个头**的宽度，论文的基础模型
# （base）是
# $\sqrt{64}$，不是 $\sqrt{512}$，否则分数的方差只剩 $1/8$。二是在错的轴上做 softmax：权重矩阵
# `(T, S)` 的**每一行**（`dim=-1`）和为 1，写成 `dim=-2`，形状照样对。三是以为 $d_k$ 大了点积“必
# 然”爆炸：上面的假设说的是刚初始化的时候，训练之后各分量既不独立，方差也不是 1。
# %% [markdown] lang="en"
# Without the division, the wider $d_k$, the wider the distribution and the smaller the gradient;
# with it, width makes no difference.
#
# > **Where the tutorials you may have read go wrong.** First, they divide by
# > $\sqrt{d_{\text{model}}}$. It is the width
# > of **one head**: $\sqrt{64}$ in the base model, not $\sqrt{512}$, which would leave the scores
# > with a variance of $1/8$. Second, softmax over the wrong axis: in the `(T, S)` matrix **each
# > row** sums to 1 (`dim=-1`); with `dim=-2` the shape is just as right. Third, that dot products
# > "must" explode when $d_k$ is large: the assumptions above hold for a fresh model; after
# > training the components are neither independent nor of variance 1.
# %% [markdown] lang="zh"
# ## 4 掩码：谁不许看谁
#
# 翻译模型有两种情形不许看：
#
# - **填充**（padding）：一批句子长短不齐，短的补上 `<pad>` 凑成一样长，谁都不该看它们；
# - **未来**：训练时，目标句（译文；要译的那句叫源句）整句送进去，每个位置同时预测下一个词元。第 $t$ 个位置若能看见第 $t+1$
#   个，答案就摆在眼前。
#
# 两张表都是布尔的，`True` 是**可以看**，用 `&` 就能合起来：
# %% [markdown] lang="en"
# ## 4 Masks: who may not look at whom
#
# In a translation model there are two reasons not to look:
#
# - **Padding.** The texts of a batch differ in length, and the short ones are filled up with
#   `<pad>`, at which nobody should look.
# - **The future.** In training the whole **target** (the translation; the text to be translated is
#   the **source**) goes in at once, and every place predicts its next token. If place $t$ could see
#   place $t+1$, the answer would be in plain sight.
#
# Both tables are boolean, `True` means **may look**, and `&` puts them together:
# %%
print(inspect.getsource(padding_mask))
print(inspect.getsource(causal_mask))
# %%
ids = torch.tensor([[7, 3, 9, 4, 0, 0], [5, 8, 6, 2, 9, 3]])  # two targets; 0 is <pad>
names = ["7", "3", "9", "4", "∅", "∅"]
padding, causal = padding_mask(ids, pad_id=0), causal_mask(6)
both = padding & causal  # (B, 1, 1, S) & (1, 1, T, S) -> (B, 1, T, S)
print(tuple(padding.shape), "&", tuple(causal.shape), "->", tuple(both.shape))
fig, axes = figures.canvas(1, 3, height=2.9)
panels = {"padding": padding.expand(2, 1, 6, 6), "causal": causal, "both": both}
for ax, (title, mask) in zip(axes, panels.items(), strict=True):
    ax = figures.show_mask(ax, mask[0, 0], names, legend=False)
    ax.set(title=title, ylabel="query" if title == "padding" else "")
# %% [markdown] lang="zh"
# 蓝色可以看，灰色不许看，`∅` 是填充。填充挡的是**列**（键），因果掩码挡的是右上角。填充的那几行不必
# 管：它们的输出没有谁会看，损失函数也会略过它们。
#
# 掩码在 softmax **之前**起作用：不许看的分数换成最小的浮点数，softmax 之后恰好是 0。怎样确认它真的
# 挡住了？改动被挡住的词元，看输出变不变。
# %% [markdown] lang="en"
# Blue may be seen, grey may not; `∅` is padding. Padding blocks **columns** (keys); the causal
# mask blocks the upper right. The rows of padding need no care: nobody looks at their outputs,
# and the loss skips them.
#
# The mask acts **before** softmax: a score that is not allowed becomes the lowest floating-point
# number, and softmax makes it exactly 0. Does it really block? Change the blocked tokens and see
# whether the outputs move.
# %%
x = torch.randn(2, 1, 6, 8, generator=dice)  # (B, H, T, Dh); q = k = v = x for now
out, weights = scaled_dot_product_attention(x, x, x, both)
other = x.clone()
other[0, :, 4:] = 99  # another <pad>
other[1, :, 5] = -99  # another last token
moved = scaled_dot_product_attention(other, other, other, both)[0] != out
print("text 0, tokens that move:", moved[0, 0].any(-1).tolist())
print("text 1, tokens that move:", moved[1, 0].any(-1).tolist())
assert not moved[0, :, :4].any()
assert not moved[1, :, :5].any()
torch.testing.assert_close(out, F.scaled_dot_product_attention(x, x, x, both))


# %% [markdown] lang="zh"
# 非填充词元的输出**一位都没有变**，不是“变得很小”。
#
# ### 一行全被挡住
#
# 如果一个查询谁都不许看呢？比如一批里混进一个空句子，源句全是填充。照许多教程的写法，给分数加上
# $-\infty$ 再做 softmax，分母是 $0$，得到的是 NaN；而 NaN 会传染，$0 \times \mathrm{NaN}$ 还是
# NaN。加 `-1e9` 则给出均匀的权重：不许看的全看了。
# %% [markdown] lang="en"
# The outputs of the real tokens have not changed **in a single bit**; "very little" would not do.
#
# ### A row with everything blocked
#
# What if a query may look at nothing? An empty text may have slipped into a batch, a source that
# is all padding. Many tutorials add $-\infty$ to the scores and take the softmax: the denominator
# is $0$ and the result NaN, which is contagious, as $0 \times \mathrm{NaN}$ is NaN again. With
# `-1e9` the weights come out uniform: the query looks at everything that it may not.
# %%
def tutorial_weights(q, k, mask, fill=float("-inf")):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return (scores + torch.zeros(mask.shape).masked_fill(~mask, fill)).softmax(-1)


nothing = torch.zeros(1, 6, dtype=torch.bool)
one = x[:1, :, :1]
print("-inf:", tutorial_weights(one, x[:1], nothing)[0, 0])
print("-1e9:", tutorial_weights(one, x[:1], nothing, -1e9)[0, 0])
out, weights = scaled_dot_product_attention(one, x[:1], x[:1], nothing)
print("ours:", weights[0, 0], "out:", out[0, 0, 0, :3], "...")
torch.testing.assert_close(F.scaled_dot_product_attention(one, x[:1], x[:1], nothing), out)


# %% [markdown] lang="zh"
# 包里的做法是：谁都不许看，就什么也拿不到，输出零向量。torch 的融合函数（把这几步并作一次调用
# 的 `F.scaled_dot_product_attention`）现在也是这样。
#
# NaN 还会走后门：前向用 `where` 把它换成 0，看着干净了，**反向**传播时它照样在：
# %% [markdown] lang="en"
# The package says: who may look at nothing gets nothing, a vector of zeros. Torch's fused function,
# `F.scaled_dot_product_attention`, now does the same.
#
# NaN has a back door too. Replace it by 0 with `where` and the forward pass looks clean, but in the
# **backward** pass it is still there:
# %%
def patched(q, mask):
    """The tempting repair: NaN replaced by 0 after softmax."""
    weights = tutorial_weights(q, x[:1], mask)
    return weights.where(mask.any(-1, keepdim=True), torch.zeros(())) @ x[:1]


def ours(q, mask):
    return scaled_dot_product_attention(q, x[:1], x[:1], mask)[0]


for function in (patched, ours):
    gradient = torch.autograd.functional.jacobian(lambda q, f=function: f(q, nothing), one)
    clean = bool(function(one, nothing).isfinite().all()), bool(gradient.isfinite().all())
    print(f"{function.__name__:8} output is finite: {clean[0]}, gradient is finite: {clean[1]}")


# %% [markdown] lang="zh"
# **练习 1**　写出 `my_attention(q, k, v, mask)`，返回输出和权重；全被挡住的行输出 0。把它填进
# `candidate`，运行下一格。
#
# **练习 2**　写出 `my_mask(ids, pad_id)`，一步返回目标句的掩码 `(B, 1, T, T)`（填充和因果都要），不
# 许用 `tril`、`triu`。提示：`torch.arange`。
# %% [markdown] lang="en"
# **Exercise 1.** Write `my_attention(q, k, v, mask)`, which returns outputs and weights; a row with
# everything blocked gives 0. Put it in the place of `candidate` and run the next cell.
#
# **Exercise 2.** Write `my_mask(ids, pad_id)`, which returns the mask of a batch of targets,
# `(B, 1, T, T)`, for padding and the future at once, without `tril` or `triu`. Hint:
# `torch.arange`.
# %%
def my_attention(q, k, v, mask=None):
    raise NotImplementedError("exercise 1: yours to write")


candidate = scaled_dot_product_attention  # put my_attention here
for B, H, T, S, Dh in [(1, 1, 1, 1, 1), (2, 3, 4, 4, 8), (2, 1, 3, 7, 5), (1, 2, 6, 2, 64)]:
    q, k = (torch.randn(B, H, n, Dh, generator=dice) for n in (T, S))
    v = torch.randn(B, H, S, Dh, generator=dice)
    for mask in (None, torch.rand(B, 1, T, S, generator=dice) < 0.4):  # some rows: all blocked
        out, weights = candidate(q, k, v, mask)
        torch.testing.assert_close(out, F.scaled_dot_product_attention(q, k, v, mask))
        assert mask is None or not weights.masked_select(~mask).any()
        with torch.enable_grad():
            out = candidate(q.requires_grad_(), k, v, mask)[0]
            (slope,) = torch.autograd.grad(out.sum(), q)
        assert slope.isfinite().all(), "NaN on the way back: was a softmax over -inf patched up?"
print("exercise 1: correct")


# %%
def my_mask(ids, pad_id):
    raise NotImplementedError("exercise 2: yours to write")


def candidate(ids, pad_id):  # put my_mask here: candidate = my_mask
    return padding_mask(ids, pad_id) & causal_mask(ids.shape[1])


for shape in [(1, 1), (2, 5), (3, 8)]:
    ids = torch.randint(0, 4, shape, generator=dice)
    future = nn.Transformer.generate_square_subsequent_mask(shape[1]) < 0  # torch: -inf blocks
    expected = ~future & (ids != 3)[:, None, None]
    assert torch.equal(candidate(ids, 3), expected), (ids, candidate(ids, 3))
print("exercise 2: correct")


# %% [markdown] lang="zh"
# ## 5 三种用法：自注意力、因果注意力、交叉注意力
#
# 公式只有一个，三种用法的差别在于**查询从哪里来、键值从哪里来、谁不许看谁**（论文第 3.2.3 节）：
#
# | 用法 | 查询来自 | 键和值来自 | 掩码 | 权重 |
# | --- | --- | --- | --- | --- |
# | 编码器的自注意力 | 源句 | 源句 | 填充 | `(B, H, S, S)` |
# | 解码器的因果自注意力 | 目标句 | 目标句 | 填充、未来 | `(B, H, T, T)` |
# | 交叉注意力 | 目标句 | 源句（编码器的输出） | 源句的填充 | `(B, H, T, S)` |
#
# 画出来看。下面的 $q$ 和 $k$ 是手写的，好让你读得懂：每个词的键是一个 one-hot 向量，只有自己那一维是
# 1；它的查询写着想找哪几个词（每个强度 10）。真模型学到的对齐，第 13 章再画。
# %% [markdown] lang="en"
# ## 5 Three uses: self-, causal and cross-attention
#
# There is only one formula. What differs is **where the queries come from, where the keys and
# values come from, and who may not look at whom** (section 3.2.3 of the paper):
#
# | use | queries from | keys and values from | mask | weights |
# | --- | --- | --- | --- | --- |
# | self-attention in the encoder | source | source | padding | `(B, H, S, S)` |
# | causal self-attention in the decoder | target | target | padding, future | `(B, H, T, T)` |
# | cross-attention | target | source (the encoder's output) | source padding | `(B, H, T, S)` |
#
# Let us draw them. The $q$ and $k$ below are written by hand so that they can be read: the key of a
# word is a column of its own; its query says which words it is looking for (with a strength of 10
# each). What a real model has learned to align is drawn in chapter 13.
# %%
source = ["我", "昨天", "买", "了", "一", "本", "书"]
target = ["I", "bought", "a", "book", "yesterday"]


def hand_made(wanted, keys, mask=None):
    """wanted: for each query the words it looks for -> (T, S) weights."""
    k = torch.eye(len(keys))  # (S, Dh), Dh = S
    q = torch.stack([10 * sum(k[keys.index(word)] for word in row.split()) for row in wanted])
    return scaled_dot_product_attention(q, k, k, mask)[1]


encoder = hand_made(["买", "买", "我 书", "买", "本", "一 书", "买 一"], source)
decoder = hand_made(["I", "I", "bought", "bought a", "bought"], target, causal_mask(5)[0, 0])
cross = hand_made(["我", "买 了", "一 本", "书", "昨天"], source)
# %%
fig, axes = figures.canvas(1, 3, height=2.8)
panels = {"self: S x S": (encoder, source, source), "causal: T x T": (decoder, target, target)}
panels["cross: T x S"] = (cross, target, source)
for ax, (title, (weights, queries, keys)) in zip(axes, panels.items(), strict=True):
    ax = figures.attention_map(ax, weights, queries, keys)
    ax.set(title=title, xlabel="key", ylabel="query")
    if keys is source:
        for text in ax.get_xticklabels():
            text.set(rotation=0, ha="center")
# %% [markdown] lang="zh"
# 左：“买”找谁买、买什么。中：右上角是空的，*bought* 不能看还没写出来的 *book*。右：*yesterday* 写
# 在英文的最后，看的却是中文的第二个词。语序不同，对交叉注意力毫不费事，它本来就是一步到任何地方。
#
# 代码里，这三种用法是同一个类 `MultiHeadAttention`，有没有第二个参数 `memory` 而已：
# %% [markdown] lang="en"
# Left: 买 (buy) looks for who buys, and what. Middle: the upper right is empty; *bought* cannot see
# *book*, which is not written yet. Right: *yesterday* comes last in English and looks at the second
# word of the Chinese, 昨天. Another word order is no trouble at all for cross-attention: it is one
# step to anywhere.
#
# In the code, all three are one class, `MultiHeadAttention`, with or without a second argument,
# `memory`:
# %%
config = TransformerConfig(d_model=32, num_heads=4)
torch.manual_seed(11)
layer = MultiHeadAttention(config)
x = torch.randn(2, 7, 32, generator=dice)  # (B, S, D): source
y = torch.randn(2, 5, 32, generator=dice)  # (B, T, D): target
maps = []  # the weights are added to this list
outs = {
    "self": layer(x, attentions=maps),
    "causal": layer(y, mask=causal_mask(5), attentions=maps),
    "cross": layer(y, memory=x, attentions=maps),
}
for (name, out), weights in zip(outs.items(), maps, strict=True):
    print(f"{name:7} out {tuple(out.shape)}, weights {tuple(weights.shape)}")
# %% [markdown] lang="zh"
# 输出的长度总是**查询**的长度。
#
# > **教程里常见的错**　只用 $S = T$ 试交叉注意力。那时把 $q$ 和 $k$ 的来源接反、把 `(T, S)` 写成
# `(S, T)`、给交叉注意力误加因果掩码，形状一概不报错。源句一开始就是整句已知的，交叉注意力**不需
# 要**因果掩码。本包的测试用的是 $S \ne T$。
#
# ## 6 多头
#
# **问题**　一个头给每个词元只有一行权重，和为 1。“买”想同时知道“谁买”和“买什么”，只能各看一
# 半，拿回来的是两个值的平均，再也分不清哪个是哪个。论文第 3.2.2 节说的就是这件事：只有一个头
# 时，**取平均**妨碍模型同时关注不同的内容。
#
# **想法**　把宽度 $D$ 切成 $H$ 份，每份做一次自己的注意力，各有各的 $W^Q$、$W^K$、$W^V$，最后拼起
# 来，再由 $W^O$ 混合：
#
# $$\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_H)\, W^O,
# \qquad \mathrm{head}_i = \mathrm{Attention}(Q W_i^Q, K W_i^K, V W_i^V)$$
#
# 代码不写 $H$ 个小矩阵。把各头的 $W_i^Q$ 并排放在一起，正好是一个 $D \times D$ 的矩阵：一次乘完再
# 切。（带 `cache` 的几行留到第 13 章。）
# %% [markdown] lang="en"
# The output is always as long as the **queries**.
#
# > **Where the tutorials you may have read go wrong.** They try cross-attention only with $S = T$.
# > Then the sources of
# > $q$ and $k$ can be exchanged, `(T, S)` can be `(S, T)`, a causal mask can be put on
# > cross-attention by mistake, and no shape complains. The source is known as a whole from the
# > start: cross-attention needs **no** causal mask. The tests of this package use $S \ne T$.
#
# ## 6 Many heads
#
# **Question.** One head has one row of weights for each token, and it sums to 1. If 买 (buy) wants
# to know both who buys and what, it must give half to each, and what it takes back is the mean of
# two values; which was which is lost. This is what section 3.2.2 of the paper says: with a single
# head, **averaging** is in the way.
#
# **Idea.** Cut the width $D$ into $H$ parts. Each does an attention of its own, with its own $W^Q$,
# $W^K$ and $W^V$; the results are joined and mixed by $W^O$:
#
# $$\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_H)\, W^O,
# \qquad \mathrm{head}_i = \mathrm{Attention}(Q W_i^Q, K W_i^K, V W_i^V)$$
#
# The code has no $H$ small matrices. Side by side, the $W_i^Q$ of all heads are one $D \times D$
# matrix: multiply once, then cut. (The lines about `cache` wait for chapter 13.)
# %%
for method in ("__init__", "split_heads", "keys_values", "forward"):
    print(inspect.getsource(getattr(MultiHeadAttention, method)))
# %% [markdown] lang="zh"
# 最后几行有两条路：要看权重，就照公式算；不看，就走 torch 的融合函数，权重根本不留在内存里。两条路
# 的输出应当相同。头多头少，参数一样多：
# %% [markdown] lang="en"
# The last lines have two ways to go: if the weights are wanted, by the formula; if not, by torch's
# fused function, which never keeps them in memory. Both must give the same output. And whatever the
# number of heads, the number of parameters is the same:
# %%
torch.testing.assert_close(layer(y, memory=x), outs["cross"])  # fused against formula
for heads in (1, 8, 64):
    base = MultiHeadAttention(TransformerConfig(d_model=512, num_heads=heads))
    count = sum(p.numel() for p in base.parameters())
    print(f"H = {heads:2}, Dh = {512 // heads:3}: {count:,} parameters")
assert count == 4 * 512**2
# %% [markdown] lang="zh"
# ### 切与拼：`view` 之后别忘了 `transpose`
#
# 投影的输出是 `(B, T, H*Dh)`。要切成 `(B, H, T, Dh)`，先把最后一轴拆开，`(B, T, H, Dh)`，再交换中间
# 两轴。拼回去，就倒着来。
#
# > **教程里常见的错**　直接 `view(B, H, T, Dh)`。元素总数对得上，不报错，损失照样往下走；可是
# `view` 按内存的顺序切，切出来的根本不是头。
#
# 给每个数标上来历，`2.1` 是第 2 个词元里属于第 1 个头的那一份（都从 0 数起）：
# %% [markdown] lang="en"
# ### Cutting and joining: after `view`, do not forget `transpose`
#
# The projection gives `(B, T, H*Dh)`. To make it `(B, H, T, Dh)`, first take the last axis apart,
# `(B, T, H, Dh)`, then exchange the two in the middle. To join, go backwards.
#
# > **Where the tutorials you may have read go wrong.** `view(B, H, T, Dh)` at once. The number of
# > elements fits, nothing
# > complains, and the loss goes down all the same; but `view` cuts in the order of memory, and what
# > comes out are not heads.
#
# Write on each number where it comes from; `2.1` is the part of token 2 that belongs to head 1
# (counted from 0):
# %%
T, H, Dh = 4, 2, 2
token = torch.arange(T)[:, None, None].expand(T, H, Dh)
head = torch.arange(H)[:, None].expand(T, H, Dh)
x = (token + head / 10).flatten(1)[None]  # (B, T, H*Dh): token 2, head 1 is 2.1
right = x.unflatten(-1, (H, Dh)).transpose(1, 2)  # (B, T, H, Dh) -> (B, H, T, Dh)
wrong = x.view(1, H, T, Dh)
assert right.shape == wrong.shape
panels = {"right, head 0": right[0, 0], "right, head 1": right[0, 1]}
panels |= {"wrong, head 0": wrong[0, 0], "wrong, head 1": wrong[0, 1]}
fig, axes = figures.canvas(1, 4, height=2.3)
for ax, (title, part) in zip(axes, panels.items(), strict=True):
    ax = figures.heatmap(ax, part, values=".1f", vmin=-1, vmax=6, colorbar=False)
    ax.set(title=title, xticks=[], yticks=range(T), ylabel="row" if ax is axes[0] else "")


# %% [markdown] lang="zh"
# 对的切法：头 0 里四个词元都在，各出属于它的那一份（`.0`）。错的切法：“头 0”装着前两个词元的全
# 部，“头 1”装着后两个的全部。
#
# 后果有多严重？如果拼的时候也照样 `view` 回去，“切了再拼应当复原”这样的测试就被骗过了。骗不过的是
# 这个问题：改动一个词元，哪些输出会动？
# %% [markdown] lang="en"
# Cut correctly, head 0 has all four tokens, each with the part that belongs to it (`.0`). Cut
# wrongly, "head 0" holds everything of the first two tokens, and "head 1" everything of the last
# two.
#
# How bad is that? If the joining is a `view` as well, cutting and joining restores the original,
# and a test of that is fooled. Here is a question that is not: change one token; which outputs
# move?
# %%
def moves(split, join):
    """(T, T) bool: does output t move when token s changes? Attention without projections."""

    def run(x):
        heads = split(x)
        return join(F.scaled_dot_product_attention(heads, heads, heads))[0]  # (T, D)

    x = torch.randn(1, 6, 8, generator=dice)
    nudges = torch.eye(6)[:, :, None].expand(6, 6, 8)  # nudge s adds 1 to token s
    return torch.stack([(run(x + nudge) != run(x)).any(-1) for nudge in nudges], dim=1)


two = MultiHeadAttention(TransformerConfig(d_model=8, num_heads=2))
right = moves(two.split_heads, lambda z: z.transpose(1, 2).flatten(2))
wrong = moves(lambda x: x.view(1, 2, 6, 4), lambda z: z.reshape(1, 6, 8))
# %%
fig, axes = figures.canvas(1, 2, height=2.5, width=5.4)
panels = {"view and transpose": right, "view alone": wrong}
for ax, (title, moved) in zip(axes, panels.items(), strict=True):
    ax = figures.show_mask(ax, moved, [str(t) for t in range(6)], legend=False)
    ax.set(title=title, xlabel="token that changes", ylabel="output")
assert right.all()
assert torch.equal(wrong, torch.block_diag(*torch.ones(2, 3, 3)).bool())


# %% [markdown] lang="zh"
# 蓝色表示会动。右图里，前三个词元和后三个词元从此互不相见：所谓“两个头”，不过是把句子切成两截，各
# 看各的。模型还能训练，只是永远读不懂整句话。
#
# ### 与 `torch.nn.MultiheadAttention` 对账
#
# torch 把三个投影叠成一个 `in_proj_weight`，其余一一对应。它的掩码**约定相反**：`True` 是“挡住”。
# 我们给参数（包括偏置）都填上随机数，源句有填充，$S \ne T$，输出和每个头的权重都要相等。
# %% [markdown] lang="en"
# Blue means that it moves. On the right, the first three tokens and the last three never meet
# again: the "two heads" are the text cut in two, each half looking at itself. The model still
# trains; it will just never understand a whole sentence.
#
# ### Against `torch.nn.MultiheadAttention`
#
# Torch stacks the three projections into one `in_proj_weight`; everything else has its counterpart.
# Its masks follow the **opposite convention**: `True` means "blocked". We fill all parameters,
# biases too, with random numbers, pad a source, take $S \ne T$, and want equal outputs and equal
# weights in every head.
# %%
def as_torch(ours):
    """The same weights in torch's own class."""
    D = ours.o_proj.in_features
    theirs = nn.MultiheadAttention(D, ours.num_heads, batch_first=True).eval()
    parts = (ours.q_proj, ours.k_proj, ours.v_proj)
    theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.o_proj.state_dict())
    return theirs


layer = MultiHeadAttention(TransformerConfig(d_model=32, num_heads=4, attention_bias=True))
for parameter in layer.parameters():
    parameter.copy_(torch.randn(parameter.shape, generator=dice) / 32**0.5)
judge = as_torch(layer)
# %%
x, y = torch.randn(2, 7, 32, generator=dice), torch.randn(2, 5, 32, generator=dice)
pad = torch.tensor([[0, 0, 0, 0, 1, 1, 1], [0] * 7]).bool()  # True: padding, torch's way
seen = ~pad[:, None, None]  # (B, 1, 1, S), our way
maps = []
cross = layer(y, memory=x, mask=seen, attentions=maps)
theirs, weights = judge(y, x, x, key_padding_mask=pad, average_attn_weights=False)
torch.testing.assert_close(cross, theirs)
torch.testing.assert_close(maps[0], weights)  # (B, H, T, S)

self_out = layer(x, mask=seen & causal_mask(7))
theirs, _ = judge(x, x, x, key_padding_mask=pad, attn_mask=~causal_mask(7)[0, 0])
torch.testing.assert_close(self_out, theirs)
print("cross- and causal self-attention agree with torch.nn.MultiheadAttention")


# %% [markdown] lang="zh"
# **练习 3**　论文的公式里，每个头有自己的小矩阵。写出 `my_multi_head(layer, x, memory, mask)`：用循
# 环，一次算一个头，不许用 `split_heads`，也不许出现四个轴的张量。提示：第 $i$ 个头的 $W_i^Q$ 是
# `layer.q_proj.weight` 的第 $i \cdot D_h$ 到 $(i+1) \cdot D_h$ **行**（`nn.Linear` 算的是
# $x W^\top + b$），偏置也要切。裁判是 torch。
# %% [markdown] lang="en"
# **Exercise 3.** In the paper's formula each head has small matrices of its own. Write
# `my_multi_head(layer, x, memory, mask)` with a loop, one head at a time, without `split_heads` and
# without a tensor of four axes. Hint: $W_i^Q$ of head $i$ is **rows** $i \cdot D_h$ to
# $(i+1) \cdot D_h$ of `layer.q_proj.weight` (`nn.Linear` computes $x W^\top + b$); the biases need
# cutting too. Torch is the judge.
# %%
def my_multi_head(layer, x, memory, mask):
    raise NotImplementedError("exercise 3: yours to write; mask is (B, 1, 1, S)")


def candidate(layer, x, memory, mask):  # put yours here: candidate = my_multi_head
    return layer(x, memory, mask)


theirs, _ = judge(y, x, x, key_padding_mask=pad)
torch.testing.assert_close(candidate(layer, y, x, seen), theirs)
print("exercise 3: correct")
# %% [markdown] lang="zh"
# ## 7 位置：注意力不认识次序
#
# **问题**　“狗咬人”和“人咬狗”，注意力分得清吗？
# %% [markdown] lang="en"
# ## 7 Positions: attention knows no order
#
# **Question.** "Dog bites man" and "man bites dog": can attention tell them apart?
# %%
words = torch.randn(3, 32, generator=dice)  # embeddings: dog, bites, man
dog_bites_man, man_bites_dog = words[None], words.flip(0)[None]
print("dog in 'dog bites man':", layer(dog_bites_man)[0, 0, :4])
print("dog in 'man bites dog':", layer(man_bites_dog)[0, 2, :4])

order = torch.randperm(7, generator=dice)
torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])  # any order at all
with_mask = layer(x[:, order], mask=causal_mask(7)) - layer(x, mask=causal_mask(7))[:, order]
print(f"with a causal mask, the two sides differ by up to {with_mask.abs().max():.1f}")
# %% [markdown] lang="zh"
# 分不清。*dog* 咬人还是被咬，取回的东西一模一样。词元怎样打乱，输出就跟着怎样打乱，一个数也不变，这
# 叫**置换等变**（permutation equivariance）：字典不在乎词条的先后。
#
# （因果掩码是个例外：“前面有几个词元”本身就泄露了一点次序。可是编码器没有它；单看一层，前面那几个
# 词元谁先谁后，它也不说。）
#
# **想法**　给每个位置一个固定的向量，加到词元的嵌入（embedding，词元查表得到的向量）上。直接加编
# 号 0, 1, 2, … 行不行？到第 500 个词
# 元，编号会把嵌入淹没。除以句长呢？那么“相邻”在长句和短句里就不是同一个数了。
#
# 论文第 3.5 节的办法像一排走得快慢不同的**表针**：每根针走匀速圆周，用正弦和余弦记下针尖的位置。
#
# $$PE_{(pos,\,2i)} = \sin\!\left(\frac{pos}{10000^{2i/d_{\text{model}}}}\right), \qquad
# PE_{(pos,\,2i+1)} = \cos\!\left(\frac{pos}{10000^{2i/d_{\text{model}}}}\right)$$
#
# **手算**　取 $d_{\text{model}} = 4$，有两根针。$i = 0$ 的转速是 $1/10000^{0} = 1$（弧度每位
# 置），$i = 1$ 的是 $1/10000^{2/4} = 1/100$：
#
# | pos | $\sin(pos)$ | $\cos(pos)$ | $\sin(pos/100)$ | $\cos(pos/100)$ |
# | --- | --- | --- | --- | --- |
# | 0 | 0 | 1 | 0 | 1 |
# | 1 | 0.8415 | 0.5403 | 0.0100 | 1.0000 |
# | 2 | 0.9093 | −0.4161 | 0.0200 | 0.9998 |
# | 3 | 0.1411 | −0.9900 | 0.0300 | 0.9996 |
#
# 快针三步就转了将近半圈，慢针几乎没动。包里的代码与这张表对一对：
# %% [markdown] lang="en"
# It cannot. Whether *dog* bites or is bitten, it takes back exactly the same. Shuffle the tokens,
# and the outputs are shuffled in the same way, with not one number changed. This is **permutation
# equivariance**: a dictionary does not care in which order its entries stand.
#
# (A causal mask is an exception: how many tokens come before gives away a little of the order. But
# the encoder has none; and within one layer, it does not say which of those tokens came first.)
#
# **Idea.** Give every position a fixed vector and add it to the token's embedding. Just the numbers
# 0, 1, 2, …? At token 500 the number would drown the embedding. Divided by the length of the text?
# Then "next to each other" would be another number in a long text than in a short one.
#
# Section 3.5 of the paper does it with a row of **clock hands**, some fast, some slow. Each turns
# evenly, and a sine and a cosine write down where its tip is.
#
# $$PE_{(pos,\,2i)} = \sin\!\left(\frac{pos}{10000^{2i/d_{\text{model}}}}\right), \qquad
# PE_{(pos,\,2i+1)} = \cos\!\left(\frac{pos}{10000^{2i/d_{\text{model}}}}\right)$$
#
# **By hand.** With $d_{\text{model}} = 4$ there are two hands. The one of $i = 0$ turns at
# $1/10000^{0} = 1$ (radian a position), the one of $i = 1$ at $1/10000^{2/4} = 1/100$:
#
# | pos | $\sin(pos)$ | $\cos(pos)$ | $\sin(pos/100)$ | $\cos(pos/100)$ |
# | --- | --- | --- | --- | --- |
# | 0 | 0 | 1 | 0 | 1 |
# | 1 | 0.8415 | 0.5403 | 0.0100 | 1.0000 |
# | 2 | 0.9093 | −0.4161 | 0.0200 | 0.9998 |
# | 3 | 0.1411 | −0.9900 | 0.0300 | 0.9996 |
#
# In three steps the fast hand has made nearly half a turn; the slow one has hardly moved. The
# package's code, and the table:
# %%
print(inspect.getsource(sinusoids))
by_hand = [[0, 1, 0, 1], [0.8415, 0.5403, 0.0100, 1.0000]]
by_hand += [[0.9093, -0.4161, 0.0200, 0.9998], [0.1411, -0.9900, 0.0300, 0.9996]]
torch.testing.assert_close(sinusoids(4, 4), torch.tensor(by_hand), rtol=0, atol=1e-4)
# %%
pe = sinusoids(100, 64)
fig, (left, right) = figures.canvas(1, 2, height=3.2)
left = figures.heatmap(left, pe, cmap=figures.DIVERGING)
left.set(title="sinusoids(100, 64)", xlabel="column", ylabel="position")
waves = {f"column {column}": pe[:, column] for column in (0, 8, 16, 24)}
for lift, (name, wave) in enumerate(waves.items()):
    right.plot(wave - 2.5 * lift, label=name)
    right.text(101, -2.5 * lift, name, va="center", size=9)
right.set(title="four columns: four speeds", xlabel="position", yticks=[])
right.spines[:].set_visible(False)
# %% [markdown] lang="zh"
# 左边的列转得快，红蓝交替；右边的列转得慢，100 个位置里几乎不变色。第 $i$ 根针转一圈要走
# $2\pi \cdot 10000^{2i/d_{\text{model}}}$ 个位置，这就是它的**波长**：
# %% [markdown] lang="en"
# The columns on the left turn fast, red and blue by turns; those on the right are slow and hardly
# change colour in 100 positions. For one full turn, hand $i$ takes
# $2\pi \cdot 10000^{2i/d_{\text{model}}}$ positions: its **wavelength**.
# %%
for i in (0, 64, 128, 192, 255):  # d_model = 512: 256 hands
    wavelength = 2 * torch.pi * 10000 ** (2 * i / 512)
    print(f"hand {i:3}: {wavelength:9.1f} positions, {10000 ** (2 * i / 512):7.1f} times 2 pi")
sizes = sinusoids(5000, 512).norm(dim=-1)  # sin² + cos² = 1 for each of the 256 hands
torch.testing.assert_close(sizes, torch.full((5000,), 256**0.5))
# %% [markdown] lang="zh"
# 论文说波长从 $2\pi$ 到 $10000 \cdot 2\pi$，成等比数列。照公式，最后一根针其实差一点，是
# $9646.6 \cdot 2\pi$；作者们自己的代码 tensor2tensor 把指数写成 $i / (d_{\text{model}}/2 - 1)$，正
# 好到头。每个位置的向量一样长，$\sqrt{d_{\text{model}}/2}$，不像编号那样越往后越大。
#
# > **教程里常见的错**　一是指数加倍：公式里的 $2i$ 就是**偶数列的列号**；循环写成
# `for i in range(0, d, 2)`，却仍用 `10000 ** (2 * i / d)`，转速降得太快，几乎不动的列多出一倍（下面数
# 给你看），等于白占着宽度。二是列的次序：有的实现（tensor2tensor 也是）把正弦全放前一半，余弦全放后
# 一半。两种次序只差一个列的排列，从头训练都可以；但把一种次序训练出来的权重装进另一种，模型就认不得
# 位置了。
# %% [markdown] lang="en"
# The paper says that wavelengths go from $2\pi$ to $10000 \cdot 2\pi$ in a geometric progression.
# By the formula, the last hand stops just short, at $9646.6 \cdot 2\pi$; the authors' own code,
# tensor2tensor, has $i / (d_{\text{model}}/2 - 1)$ in the exponent and arrives. The vectors of all
# positions are equally long, $\sqrt{d_{\text{model}}/2}$; unlike numbers, they do not grow.
#
# > **Where the tutorials you may have read go wrong.** First, the exponent is doubled: the $2i$ of
# > the formula **is** the
# > number of the even column; a loop `for i in range(0, d, 2)` that still says
# > `10000 ** (2 * i / d)` slows the hands down too fast; twice as many columns hardly move (we
# > count them below), a waste of width. Second, the order of columns: some code (tensor2tensor too) puts
# > all sines in the first half and all cosines in the second. The two differ by a permutation of
# > columns, and either will do if you train from scratch; but load weights trained with one into
# > the other, and the model no longer knows where anything is.
# %%
halves = torch.cat([pe[:, 0::2], pe[:, 1::2]], dim=1)  # sines first, then cosines
back = torch.arange(64).view(2, 32).T.flatten()  # 0, 32, 1, 33, ...
assert torch.equal(halves[:, back], pe)
angle = torch.arange(100)[:, None] / 10000 ** (2 * torch.arange(0, 64, 2) / 64)  # the mistake
doubled = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
fig, axes = figures.canvas(1, 3, height=2.6)
panels = {"the paper's": pe, "in halves": halves, "exponent doubled": doubled}
for ax, (title, table) in zip(axes, panels.items(), strict=True):
    ax = figures.heatmap(ax, table, cmap=figures.DIVERGING, colorbar=False)
    ax.set(title=title, xlabel="column", ylabel="position" if ax is axes[0] else "")
    still = (table.amax(0) - table.amin(0) < 0.1).sum().item()  # over 100 positions
    print(f"{title:17} {still} of 64 columns move by less than 0.1")
# %% [markdown] lang="zh"
# ### 点积只看距离
#
# 两个位置的点积，一根针贡献 $\sin a \sin b + \cos a \cos b = \cos(a - b)$，所以
#
# $$PE_{pos} \cdot PE_{pos+k} = \sum_i \cos\!\left(\frac{k}{10000^{2i/d_{\text{model}}}}\right)$$
#
# 右边没有 $pos$：位置在哪里无所谓，只看隔多远。
# %% [markdown] lang="en"
# ### Dot products see only the distance
#
# In the dot product of two positions, each hand contributes
# $\sin a \sin b + \cos a \cos b = \cos(a - b)$, and so
#
# $$PE_{pos} \cdot PE_{pos+k} = \sum_i \cos\!\left(\frac{k}{10000^{2i/d_{\text{model}}}}\right)$$
#
# There is no $pos$ on the right: where the two are does not matter, only how far apart.
# %%
fig, (left, right) = figures.canvas(1, 2, height=2.9)
left = figures.heatmap(left, pe @ pe.T)
left.set(title="PE(p) . PE(q), d_model = 64", xlabel="q", ylabel="p", aspect="equal")
k = torch.arange(-50, 51)
for d in (16, 64, 512):
    speeds = 10000 ** (-torch.arange(0, d, 2) / d)
    expected = (k[:, None] * speeds).cos().sum(-1)  # the formula above
    table = sinusoids(101, d)
    torch.testing.assert_close(table @ table[50], expected, rtol=0, atol=1e-3)  # p = 50
    torch.testing.assert_close(table[30:] @ table[80], expected[:71], rtol=0, atol=1e-3)  # p = 80
    right.plot(k, expected / (d / 2), label=f"d_model = {d}")
right.legend()
_ = right.set(title="by distance, divided by d_model / 2", xlabel="distance k")


# %% [markdown] lang="zh"
# 大体上越近越像，宽度越大越平滑。曲线左右对称，所以光靠点积，分不出“前一个”和“后一个”。
#
# ### 相对位置：一个固定的旋转
#
# 那么“看前一个词元”学得会吗？论文选正弦，正是猜想它容易学会：所有的针各转一个固定的角
# 度，$PE_{pos}$ 就变成 $PE_{pos+k}$，与 $pos$ 无关。对每根针，
#
# $$\begin{pmatrix} \sin(a+b) \\ \cos(a+b) \end{pmatrix} =
# \begin{pmatrix} \cos b & \sin b \\ -\sin b & \cos b \end{pmatrix}
# \begin{pmatrix} \sin a \\ \cos a \end{pmatrix}, \qquad
# b = \frac{k}{10000^{2i/d_{\text{model}}}}$$
#
# 合起来，$PE_{pos+k} = R_k\, PE_{pos}$，$R_k$ 是一个固定的矩阵，而乘一个固定的矩阵正是 `q_proj` 会
# 做的事。
# %% [markdown] lang="en"
# By and large, the nearer the more alike, and the wider the smoother. The curve is symmetric: by
# the dot product alone, "the one before" and "the one after" are the same.
#
# ### Relative positions: one fixed rotation
#
# So can "look at the token before" be learned? The authors chose sinusoids because they supposed
# that it would be easy: turn every hand by a fixed angle, and $PE_{pos}$ becomes $PE_{pos+k}$,
# whatever $pos$ is. For each hand,
#
# $$\begin{pmatrix} \sin(a+b) \\ \cos(a+b) \end{pmatrix} =
# \begin{pmatrix} \cos b & \sin b \\ -\sin b & \cos b \end{pmatrix}
# \begin{pmatrix} \sin a \\ \cos a \end{pmatrix}, \qquad
# b = \frac{k}{10000^{2i/d_{\text{model}}}}$$
#
# Together, $PE_{pos+k} = R_k\, PE_{pos}$ with one fixed matrix $R_k$; and multiplying by a fixed
# matrix is just what `q_proj` does.
# %%
def rotation(k, d):
    """(d, d): turns PE(pos) into PE(pos + k), for any pos."""
    b = k / 10000 ** (torch.arange(0, d, 2) / d)  # (d / 2,)
    pairs = torch.stack([b.cos(), b.sin(), -b.sin(), b.cos()], dim=-1).view(-1, 2, 2)
    return torch.block_diag(*pairs)


for k in (1, 7, 40):
    torch.testing.assert_close(pe[:-k] @ rotation(k, 64).T, pe[k:], rtol=0, atol=1e-5)
R = rotation(7, 64)
torch.testing.assert_close(R @ R.T, torch.eye(64))  # a rotation: no length changes
torch.testing.assert_close(R @ rotation(-7, 64), torch.eye(64))  # and back
# %%
fig, axes = figures.canvas(1, 3, height=2.6)
names = [str(t) for t in range(10)]
for ax, (title, k) in zip(axes, {"pos - 1": -1, "pos": 0, "pos + 3": 3}.items(), strict=True):
    q = 40 * pe[:10] @ rotation(k, 64).T  # as a q_proj can; 40: sharp weights; keys as they are
    weights = scaled_dot_product_attention(q, pe[:10], pe[:10])[1]
    ax = figures.attention_map(ax, weights, names)
    ax.set(title=f"looks at {title}", ylabel="query" if k == -1 else "", xlabel="key")
# %% [markdown] lang="zh"
# 三个亲手造的头，不看内容，只看相对位置：前一个、自己、后面第三个（出界时就看最边上的）。一个数都没
# 有训练。[第 21 章](21_tokens_to_rope.ipynb)的 RoPE 用的是同一个旋转，只是不再把它**加**在嵌入上，
# 而是直接**转** $q$ 和 $k$。
#
# 论文还试过可以学习的位置向量（表 3 的 E 行），结果几乎一样；最后选正弦，是因为它也许能推广到比训练
# 时更长的句子。**也许**：公式给得出任何位置的向量，模型会不会用是另一回事，第 13 章还会碰到它。
#
# ### 奇数的 $d_{\text{model}}$
#
# 常见的写法先建一张全零的表，偶数列填正弦、奇数列填余弦。$d_{\text{model}}$ 是奇数时，正弦比余弦多
# 一列：
# %% [markdown] lang="en"
# Three heads made by hand, which look at no content and only at relative positions: the one before,
# itself, the third one after (at the border, the last there is). Not one number was trained. RoPE
# in [chapter 21](21_tokens_to_rope.ipynb) is the same rotation; but instead of **adding** it to the
# embeddings, it **turns** $q$ and $k$ themselves.
#
# The paper also tried learned position vectors (Table 3, row E), with nearly identical results; it
# chose the sinusoids because they may extend to longer texts than those of training. **May**: the
# formula has a vector for any position; whether the model can use it is another matter, and comes up
# again in chapter 13.
#
# ### An odd $d_{\text{model}}$
#
# The usual code makes a table of zeros and fills sines into its even columns, cosines into its odd
# ones. When $d_{\text{model}}$ is odd, there is one more column of sines than of cosines:
# %%
angle = torch.arange(4)[:, None] / 10000 ** (torch.arange(0, 5, 2) / 5)  # (4, 3)
table = torch.zeros(4, 5)
table[:, 0::2] = angle.sin()  # columns 0, 2, 4
try:
    table[:, 1::2] = angle.cos()  # columns 1, 3: no room for three
except RuntimeError as error:
    print("the usual code:", error)
table[:, 1::2] = angle.cos()[:, :2]
torch.testing.assert_close(sinusoids(4, 5), table)
print("sinusoids(4, 5):", tuple(sinusoids(4, 5).shape), "and the last hand has no cosine")
# %% [markdown] lang="zh"
# 最后，把位置加上去，*dog* 就知道自己在前还是在后了。`PositionalEncoding` 只是一次加法（外加
# dropout，论文第 5.4 节）；嵌入在相加之前还要乘 $\sqrt{d_{\text{model}}}$（第 3.4 节），下一章讲。
# %% [markdown] lang="en"
# Finally, with positions added, *dog* knows whether it comes first. `PositionalEncoding` is only
# this
# sum (and dropout, section 5.4 of the paper); before it, embeddings are multiplied by
# $\sqrt{d_{\text{model}}}$ (section 3.4), which is for the next chapter.
# %%
print(inspect.getsource(PositionalEncoding.forward))
place = PositionalEncoding(d_model=32)
print("dog in 'dog bites man':", layer(place(dog_bites_man))[0, 0, :4])
print("dog in 'man bites dog':", layer(place(man_bites_dog))[0, 2, :4])
# %% [markdown] lang="zh"
# **练习 4**　写出 `my_sinusoids(length, d_model)`：只用 `math.sin`、`math.cos` 和两重循环也行，但奇
# 数宽度要对。裁判是公式本身，用高精度逐格计算。
# %% [markdown] lang="en"
# **Exercise 4.** Write `my_sinusoids(length, d_model)`; `math.sin`, `math.cos` and two loops are
# fine, but odd widths must be right. The judge is the formula itself, worked out cell by cell in
# high precision.
# %%
import math


def my_sinusoids(length, d_model):
    raise NotImplementedError("exercise 4: yours to write")


candidate = sinusoids  # put my_sinusoids here
for length, d_model in [(1, 1), (4, 4), (50, 7), (300, 64)]:
    table = torch.as_tensor(candidate(length, d_model))
    assert table.shape == (length, d_model), table.shape
    for pos in range(length):
        for column in range(d_model):
            wave = math.cos if column % 2 else math.sin
            expected = wave(pos / 10000 ** ((column - column % 2) / d_model))
            assert abs(table[pos, column] - expected) < 1e-5, (pos, column)
print("exercise 4: correct")
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数或类可以顶替包里的那一个，跑同一批测试；裁判是 `torch` 和公式本身，不是我们的代码。
# 在仓库的根目录里：
#
# ```bash
# python -m tests.exercise sinusoids > my.py
# pytest --mine=my.py
# python -m tests.exercise --hint sinusoids
# ```
#
# 第一条打印题头（签名和文档，没有函数体），写完跑第二条；第三条给提示。本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `padding_mask` | 第 4 节：填充不许看 | 几行 |
# | `scaled_dot_product_attention` | 第 3 节的公式，就是练习 1，多了 dropout | 几行 |
# | `sinusoids` | 第 7 节的位置表，就是练习 4 | 几行 |
# | `MultiHeadAttention` | 第 6 节的整个类：练习 3，再加缓存（第 13 章） | 一下午 |
#
# 在笔记本里用 `check`。下面这一份只错了一处：每一列各有各的转速。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are
# `torch` and the formulas themselves, not our code. In the root of the repository:
#
# ```bash
# python -m tests.exercise sinusoids > my.py
# pytest --mine=my.py
# python -m tests.exercise --hint sinusoids
# ```
#
# The first prints the head (signature and docstring, no body); write the rest and run the second;
# the third gives a hint. The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `padding_mask` | section 4: padding may not be looked at | a few lines |
# | `scaled_dot_product_attention` | the formula of section 3: exercise 1, with dropout besides | a few lines |
# | `sinusoids` | the table of section 7: exercise 4 | a few lines |
# | `MultiHeadAttention` | the whole class of section 6: exercise 3, and a cache (chapter 13) | an afternoon |
#
# In a notebook there is `check`. The attempt below has one mistake: each column has a speed of its
# own.
# %%
from tests.exercise import check


def sinusoids(length, d_model):
    position = torch.arange(length, dtype=torch.float64)[:, None]
    column = torch.arange(d_model, dtype=torch.float64)
    angle = position / 10000 ** (column / d_model)  # which columns share a speed?
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


right = check(sinusoids)
# %% [markdown] lang="zh"
# 从上往下读：哪个测试没过；第几个数开始不同，期望的是多少，得到的是多少；最后说公式在论文的哪一节，
# 提示怎么要。第 1 行第 1 列应当是 $\cos 1$，它得到的却是慢了十倍的 $\cos 0.1$。
# %% [markdown] lang="en"
# Read it from the top: which test failed; where the numbers part, what was expected and what was
# got; and at the end where the formula stands in the paper and how to get a hint. Row 1, column 1
# should be $\cos 1$, and it is $\cos 0.1$, ten times too slow.
# %% [markdown] lang="zh"
# ## 8 回顾
#
# 全章合成一张图：一次多头注意力，从 $x$（和可能有的 `memory`）到输出。
# %% [markdown] lang="en"
# ## 8 Looking back
#
# The whole chapter in one drawing: one multi-head attention, from $x$ (and perhaps `memory`) to its
# output.
# %%
places = {"x + PE\n(B, T, D)": (0, 1), "x or memory\n(B, S, D)": (0, -0.6)}
places |= {"q\n(B, H, T, Dh)": (2.7, 1), "k\n(B, H, S, Dh)": (2.7, 0)}
places |= {"v\n(B, H, S, Dh)": (2.7, -1.2), "weights\n(B, H, T, S)": (6.4, 0.5)}
places |= {"heads\n(B, H, T, Dh)": (8.9, -0.3), "out\n(B, T, D)": (12.4, -0.3)}
x, memory, q, k, v, weights, heads, out = places
arrows = [(x, q), (memory, k), (memory, v), (q, weights), (k, weights)]
arrows += [(weights, heads), (v, heads), (heads, out, "o_proj")]
fig, ax = figures.canvas(height=2.8)
ax = figures.diagram(ax, places, arrows, size=(1.95, 0.72))
_ = ax.text(6.4, 1.02, "/ sqrt(Dh), mask, softmax", size=8, ha="center", color="#66707C")
# %% [markdown] lang="zh"
# 带走七句话：
#
# 1. 注意力是一部软字典：查询与键比相似，softmax 成权重，把值加起来；处处有梯度。
# 2. 比起 RNN，它一步到任何地方，各个位置可以同时算；代价是随 $n^2$ 增长的计算。
# 3. 除以 $\sqrt{d_k}$，使分数的方差与头的宽度无关，softmax 不至于一开始就饱和。
# 4. 掩码在 softmax 之前；`True` 是可以看；谁都看不到的查询得到零，而不是 NaN。
# 5. 自注意力、因果注意力、交叉注意力是同一个公式；输出总与查询一样长。
# 6. 多头是切开宽度，不是多做几遍：参数不变，`view` 之后要 `transpose`。
# 7. 注意力置换等变，次序靠位置向量；正弦的好处是，相对位移是一个固定的旋转。
#
# 下一章把它装进编码器和解码器，加上残差、LayerNorm 和前馈网络，与 `torch.nn.Transformer` 对
# 账：[12 · 编码器与解码器](12_encoder_and_decoder.ipynb)。再往
# 后，[13](13_training_to_translate.ipynb) 训练它翻译；[22](22_attention_and_cache.ipynb) 讲今天的大
# 模型怎样改动注意力：GQA、滑动窗口、KV 缓存。
# %% [markdown] lang="en"
# Seven sentences to take along:
#
# 1. Attention is a soft dictionary: queries are compared with keys, softmax makes weights, the
#    values are added up; and there is a gradient everywhere.
# 2. Compared with an RNN it is one step to anywhere, and all places can be worked out at the same
#    time; the price is work that grows as $n^2$.
# 3. Division by $\sqrt{d_k}$ makes the variance of scores independent of a head's width, so that
#    softmax is not saturated from the start.
# 4. Masks act before softmax; `True` means may look; a query that can see nothing gets zero, and
#    not NaN.
# 5. Self-, causal and cross-attention are one formula; the output is always as long as the queries.
# 6. Many heads cut the width, they do not multiply the work: as many parameters as before, and
#    after `view` comes `transpose`.
# 7. Attention is permutation equivariant, so order comes from position vectors; what is good about
#    sinusoids is that a relative shift is one fixed rotation.
#
# The next chapter puts it into an encoder and a decoder, adds residuals, LayerNorm and the
# feed-forward network, and compares with `torch.nn.Transformer`: [12 · encoder and
# decoder](12_encoder_and_decoder.ipynb). After that, [13](13_training_to_translate.ipynb) trains it
# to translate, and [22](22_attention_and_cache.ipynb) tells how today's large models have changed
# attention: GQA, sliding windows, the KV cache.
