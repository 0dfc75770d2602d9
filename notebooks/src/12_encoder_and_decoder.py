# %% [markdown] lang="zh"
# # 12 · 编码器与解码器
#
# 翻译像是两个人的活。**读的人**把原文从头到尾看完，为每个词写下一条批注；**写的人**对着这叠批注，一
# 个词一个词往下写，写过的可以回头看，还没写的当然看不见。论文 *Attention Is All You Need*（Vaswani
# 等 2017，arXiv:1706.03762）的机器正是这样分工：读的人叫**编码器**（encoder），写的人叫**解码
# 器**（decoder），那叠批注叫**记忆**（memory）。
#
# [上一章](11_attention_by_hand.ipynb)造好了最要紧的零件：多头注意力、掩码、正弦位置。这一章把整台机
# 器装起来，再证明装得一点不差：
#
# 1. 整台机器长什么样？（第 1 节）
# 2. 两个人各拿到什么，又要交出什么？（第 2 节）
# 3. 其余的零件：嵌入、前馈网络、LayerNorm、残差、初始化。（第 3 至 7 节）
# 4. 两种层，三种注意力，谁可以看谁。（第 8 至 10 节）
# 5. 它与 `torch.nn.Transformer` 是不是同一台机器？论文表 3 的参数量对得上吗？（第 11、12 节）
#
# **预备知识**：第 11 章。**用时**：读一遍约 40 分钟；两个 CPU 核上全部运行不到半分钟，不联网，不下载任何东西。
#
# 全书通用的字母：`B` 一批几句话，`S` 原文的词元数，`T` 译文的词元数，`D` 模型宽度（论文的
# $d_{\text{model}}$），`H` 头数，`Dh` 一个头的宽度，`V` 词表大小。
#
# 上一章：[11 · 注意力，亲手写一遍](11_attention_by_hand.ipynb)。下一章：[13 · 训练它翻
# 译](13_training_to_translate.ipynb)。
# %% [markdown] lang="en"
# # 12 · Encoder and decoder
#
# Translating is work for two. **The reader** goes through the whole source and writes a note on
# every word. **The writer**, with the notes at hand, puts down one word after another; what is
# written can be looked at again, what is not yet written cannot. The machine of *Attention Is All
# You Need* (Vaswani et al. 2017, arXiv:1706.03762) divides the work in just this way: the reader is
# called the **encoder**, the writer the **decoder**, and the notes are the **memory**.
#
# [The chapter before](11_attention_by_hand.ipynb) made the parts that matter most: multi-head
# attention, masks, sinusoids. In this one we assemble the whole machine, and check that nothing is
# out of place:
#
# 1. What does the whole machine look like? (section 1)
# 2. What are encoder and decoder given, and what must come out? (section 2)
# 3. The other parts: embeddings, feed-forward network, LayerNorm, residuals, initialisation.
#    (sections 3 to 7)
# 4. Two kinds of layer, three kinds of attention: who looks at whom. (sections 8 to 10)
# 5. Is it the same machine as `torch.nn.Transformer`? Do the parameter counts of the paper's Table
#    3 come out? (sections 11 and 12)
#
# **You need**: chapter 11. **Time**: about 40 minutes to read; the whole chapter runs in under half a minute on two CPU
# cores; no network, no downloads.
#
# The letters of this book: `B` texts in a batch, `S` tokens of the source, `T` tokens of the
# target, `D` model width (the paper's $d_{\text{model}}$), `H` heads, `Dh` width of one head, `V`
# size of the vocabulary.
#
# Previous: [11 · Attention, by hand](11_attention_by_hand.ipynb). Next: [13 · Training it to
# translate](13_training_to_translate.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import inspect
from dataclasses import replace
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import nn

_ = torch.set_grad_enabled(False)  # switched on where we need gradients
_ = torch.set_printoptions(precision=2, sci_mode=False)
dice = torch.Generator().manual_seed(12)  # the source of the random numbers below
# %%
from tiny_transformer.attention import MultiHeadAttention, causal_mask
from tiny_transformer.batching import Example, collate
from tiny_transformer.config import TransformerConfig
from tiny_transformer.layers import DecoderLayer, EncoderLayer, FeedForward, Residual
from tiny_transformer.model import Transformer
from tiny_transformer.numerals import item
from tiny_transformer.position import sinusoids

# %% [markdown] lang="zh"
# ## 1 整台机器
#
# **问题**　原文进去，译文出来，中间经过哪些站？
#
# **想法**　先看全图（论文图 1）。左边一列是编码器，右边一列是解码器，都从下往上读。灰底的部分是
# 一**层**，叠 $N$ 次，论文取 6。每层由几个**子层**组成：注意力（红）负责在词元之间传话，前馈网络
# （绿）让每个词元自己想一想；每个子层外面都有一条绕行的弧线，叫残差连接，汇合之后归一化（黄）。两列
# 之间只有一条线：编码器的输出，即记忆，送进解码器每一层的交叉注意力。
#
# 图上的每个框，本章都会打开。
# %% [markdown] lang="en"
# ## 1 The whole machine
#
# **Question.** A source goes in, a translation comes out. Which stations lie between?
#
# **Idea.** First the map (Figure 1 of the paper). The left column is the encoder, the right one the
# decoder; read both upwards. What stands on grey is one **layer**; there are $N$ of them on top of
# each other, 6 in the paper. A layer is made of **sublayers**: attention (red) passes news between
# tokens, the feed-forward network (green) lets each token think by itself. Around every sublayer
# runs an arc, the residual connection; where it comes back, the sum is normalised (yellow). Only
# one line joins the columns: the encoder's output, the memory, goes to the cross-attention of every
# decoder layer.
#
# This chapter opens every box of the figure.
# %%
encoder = ["source ids", "embedding · √D", "+ sinusoids"]
encoder += ["self-attention", "add & norm", "feed-forward", "add & norm "]
decoder = ["<s> + target ids", "embedding · √D ", "+ sinusoids "]
decoder += ["masked self-attention", "add & norm  ", "cross-attention", "add & norm   "]
decoder += ["feed-forward ", "add & norm    ", "linear", "softmax: next token"]

places = {name: (0, y) for y, name in enumerate(encoder)}
places |= {name: (4.5, y) for y, name in enumerate(decoder)}
arrows = [*pairwise(encoder), *pairwise(decoder), (encoder[-1], "cross-attention", "memory")]
kinds = {"attention": figures.ROSE, "forward": figures.GREEN, "norm": figures.YELLOW}
colors = {name: c for name in places for word, c in kinds.items() if word in name}
# %%
fig, ax = figures.canvas(height=6.6, width=6)
for x, top, side in ((0, 6, 1), (4.5, 8, -1)):  # one layer
    style = {"color": figures.FAINT, "alpha": 0.6, "zorder": 0}
    ax.fill_between([x - 1.9, x + 1.9], 2.6, top + 0.42, **style)
    ax.text(x + side * 1.63, 3, "N ×", ha="center", va="center")
ax = figures.diagram(ax, places, arrows, size=(2.7, 0.56), colors=colors)
for x, side, joins in ((0, -1, (4, 6)), (4.5, 1, (4, 6, 8))):  # the residual connections
    for y in joins:
        arc = f"arc3,rad={side * 0.4}"
        way = {"arrowstyle": "-|>", "color": figures.BLUE, "connectionstyle": arc}
        ax.annotate("", (x + side * 1.35, y), (x + side * 1.35, y - 2), arrowprops=way)
_ = ax.set(xlim=(-2.1, 6.6))
# %% [markdown] lang="zh"
# ## 2 两个序列，长短不一
#
# **问题**　编码器看见什么，解码器看见什么，要预测的又是什么？
#
# **想法**　三样东西，三个序列：
#
# - **源**（source）：原文，末尾加 `</s>`，告诉编码器到此为止；
# - **解码器的输入**（target in）：`<s>` 加译文；
# - **解码器该说的**（target out）：译文加 `</s>`。
#
# 后两个是同一句话错开一格：第 $t$ 个位置看着 `<s>` 到第 $t$ 个词，要说出下一个。源和译文语言不同，长短
# 也不同。
#
# 拿三个中文数字作例子，译法来自包里的 `numerals`（第 13 章就训练它）。为了看得清楚，每个汉字、每个
# 英文单词各算一个词元；`collate` 把三对例子排成矩形，短的在右边补 `<pad>`，即**填充**。
# %% [markdown] lang="en"
# ## 2 Two sequences of different lengths
#
# **Question.** What does the encoder see, what does the decoder see, and what is to be predicted?
#
# **Idea.** Three things, three sequences:
#
# - the **source**: the text to be translated with `</s>` at its end, which tells the encoder that
#   this is all;
# - the **decoder's input** (target in): `<s>` and the translation;
# - **what the decoder should say** (target out): the translation and `</s>`.
#
# The latter two are the same text, shifted by one: place $t$ sees everything from `<s>` to word $t$
# and has to say the next one. Source and target differ in language, and in length.
#
# Our examples are three numbers, translated by the package's `numerals` (chapter 13 trains on it).
# To keep things easy to see, each Chinese character and each English word is one token here.
# `collate` makes a
# rectangle of the three pairs: the shorter ones are filled with `<pad>` on the right, which is
# called **padding**.
# %%
numbers = [item("number", n) for n in (12_000_000, 305, 10_000)]
pairs = [(list(number.chinese), number.english.split()) for number in numbers]
words = sorted({token for pair in pairs for side in pair for token in side})
vocab = ["<pad>", "<s>", "</s>", *words]  # pad_id=0, bos_id=1, eos_id=2
ids = {token: i for i, token in enumerate(vocab)}
examples = [
    Example([ids[x] for x in source] + [2], [1] + [ids[x] for x in target] + [2])
    for source, target in pairs
]
batch = collate(examples, pad_id=0)
for name, rows in batch._asdict().items():
    print(f"{name}: {tuple(rows.shape)}")
    for row in rows.tolist():
        print("   ", " ".join(vocab[i] for i in row))
# %% [markdown] lang="zh"
# $S = 6$，$T = 5$：一千二百万有五个字，译文只有两个词；三百零五只有四个字，译文倒有四个词。词与词并
# 不一一对应，所以两边只能各自成列，靠交叉注意力对齐。
#
# 错开一格，就是把一句译文变成好几道题，训练时同时作答（这叫 **teacher forcing**，教师强制：无论上一
# 题答得对不对，下一题都从标准答案接着往下）：
# %% [markdown] lang="en"
# $S = 6$ and $T = 5$: 一千二百万 has five characters, its translation only two words; 三百零五 has
# just four characters, and four words in English. Words do not pair up, so the two sides stay two
# sequences, and cross-attention aligns them.
#
# The shift by one turns a translation into several questions, all answered at once in training.
# (This is **teacher forcing**: whether or not the last answer was right, the next question goes on
# from the correct text.)
# %%
asked, wanted = batch.target_in[1].tolist(), batch.target_out[1].tolist()
print("source:", " ".join(vocab[i] for i in batch.source[1].tolist()))
for t in range(5):
    seen = " ".join(vocab[i] for i in asked[: t + 1])
    print(f"  t = {t}:  {seen:30} -> {vocab[wanted[t]]}")
assert asked[1:] == wanted[:-1]


# %% [markdown] lang="zh"
# > **教程里常见的错**　把**同一串**词元既喂给编码器又喂给解码器。形状都对，损失还降得飞快，因为答案
# 漏了：解码器自己的掩码挡住了未来，编码器却是整句都看的，未来的词经由交叉注意力又回到眼前。
#
# 做个实验就看得出。取一个参数全随机的小模型（新建的偏置是 0、归一化权重是 1，会掩盖错误，所以要打
# 乱），改动解码器输入的第 4 个词（从 0 数），看各个位置的 logits（输出层给出的分数）动不动。
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** They feed **the same** tokens to the encoder
# > and to the decoder. All shapes are right, and the loss falls very fast, for the answer leaks:
# > the decoder's own mask hides the future, but the encoder sees the whole text, and so the words
# > to come are back in sight through cross-attention.
#
# An experiment shows it. We take a small model with all parameters random (fresh biases are 0 and
# fresh norm weights 1, which hides mistakes), change token 4 of the decoder's input (counted from
# 0), and see whether the logits, the scores of the output, change.
# %%
def random_model(config, seed=0):
    """Noise on every parameter; no dropout."""
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter += 0.2 * torch.randn_like(parameter)
    return model


small = TransformerConfig(len(vocab), 32, 4, 2, 2, d_ff=64)  # V, D, H, 2 + 2 layers
model = random_model(small)
# %%
source, target = batch.source[1:2], batch.target_in[1:2]  # 三百零五: no padding in the target
changed = target.clone()
changed[0, 4] = ids["ten"]
cases = {"source and target": (source, source), "the same tokens twice": (target, changed)}

fig, axes = figures.canvas(1, 2, height=2.5)
for ax, (name, (before, after)) in zip(axes, cases.items(), strict=True):
    moved = (model(after, changed).logits - model(before, target).logits).abs().amax(-1)[0]
    ax = figures.bars(ax, [vocab[i] for i in target[0].tolist()], moved)
    ax.set(title=name, xlabel="place", ylim=(0, 0.5))
    leaks = moved[:4].gt(0).any()
    assert leaks == (name == "the same tokens twice")
_ = axes[0].set_ylabel("largest change of a logit")


# %% [markdown] lang="zh"
# 左边：最后一个词变了，前四个位置纹丝不动。右边：处处都动，每个位置都已经“知道”后面写了什么。这样训
# 练出来的模型，到了真要翻译、后文还不存在的时候，就不知所措。
#
# 另一种错是**忘了错开**：把 target out 直接当作输入。第 $t$ 个位置看得见自己，答案就在手里，照抄即
# 可，根本不必读原文。让两个小模型各把这三句练 100 步，一个错开，一个不错开；然后把原文换成别句的，
# 看损失（第 13 章细讲）变不变：
# %% [markdown] lang="en"
# Left: the last token has changed, and the first four places stand still. Right: all of them move,
# so every place already "knows" what comes later. A model trained like this is helpless when it has
# to translate and there is no later text yet.
#
# The other mistake is to **forget the shift** and take target out as the input. Place $t$ sees
# itself and holds the answer: all it has to do is copy, without reading the source at all. Let two
# small models practise our three examples for 100 steps, one with the shift and one without; then
# swap the sources, and see whether the loss (more in chapter 13) minds:
# %%
def loss(model, source, given):
    logits = model(source, given).logits  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), batch.target_out.flatten(), ignore_index=0)


@torch.enable_grad()
def practise(given):
    torch.manual_seed(0)
    student = Transformer(replace(small, dropout=0.0))
    adam = torch.optim.Adam(student.parameters(), lr=0.001)
    for _ in range(100):
        adam.zero_grad()
        loss(student, batch.source, given).backward()
        adam.step()
    return student


# %%
for name, given in {"shifted": batch.target_in, "not shifted": batch.target_out}.items():
    student = practise(given)
    own = loss(student, batch.source, given)
    other = loss(student, batch.source.roll(1, dims=0), given)  # each gets another's source
    print(f"{name:11}  loss with its own source {own:.2f}, with another's {other:.2f}")
# %% [markdown] lang="zh"
# 不错开的那个，换了原文也几乎不在意：它没有学翻译，只学会了抄。训练的损失再漂亮，也说明不了什么。
# %% [markdown] lang="en"
# The one without the shift hardly minds: it has not learned to translate, it has learned to copy.
# However good its training loss looks, it says nothing.
# %% [markdown] lang="zh"
# ## 3 嵌入：$\sqrt{D}$，和一个矩阵的三份工
#
# **问题**　论文 3.4 节有一句容易看漏的话：嵌入要乘以 $\sqrt{d_{\text{model}}}$。为什么？
#
# **想法**　词元的编号查表得到一个向量，再加上位置的正弦。两个向量相加，谁长谁说了算。先算长度。正弦
# 那一行由 $D/2$ 对 $(\sin, \cos)$ 组成，每对平方和是 1，所以长度处处相同：
#
# $$\lVert \mathrm{PE}_{pos} \rVert = \sqrt{\sum_{i=1}^{D/2} (\sin^2 + \cos^2)} = \sqrt{D/2}$$
#
# 嵌入矩阵的每个数初始化成标准差 $1/\sqrt{D}$（同一个矩阵还要给输出打分，太大则 logits 一开始就大得
# 离谱），所以一行的长度约为 1。$D = 512$ 时正弦的长度是 16：直接相加，词是什么就几乎被位置淹没了。
# 乘以 $\sqrt{D}$，长度约为 22.6，两者相当。
# %% [markdown] lang="en"
# ## 3 Embeddings: $\sqrt{D}$, and one matrix with three jobs
#
# **Question.** Section 3.4 of the paper has a sentence that is easily overlooked: embeddings are
# multiplied by $\sqrt{d_{\text{model}}}$. Why?
#
# **Idea.** A token's id looks up a vector, and the sinusoids of its position are added. In a sum of
# two vectors, the longer one has the say. So how long are they? A row of sinusoids is $D/2$ pairs
# $(\sin, \cos)$, and the squares of each pair add up to 1, so all rows have the same length:
#
# $$\lVert \mathrm{PE}_{pos} \rVert = \sqrt{\sum_{i=1}^{D/2} (\sin^2 + \cos^2)} = \sqrt{D/2}$$
#
# The numbers in the embedding matrix start with a standard deviation of $1/\sqrt{D}$ (the same
# matrix also scores the output, and with larger numbers the logits would be huge from the start),
# so a row has a length of about 1. At $D = 512$ the sinusoids have length 16: simply added, they
# all but drown the word. Times $\sqrt{D}$, its length is about 22.6, and the two are of a kind.
# %%
print(inspect.getsource(Transformer.embed))
D = 512
table = torch.randn(1000, D, generator=dice) * D**-0.5  # as Transformer initialises it
wave = sinusoids(50, D)
torch.testing.assert_close(wave.norm(dim=-1), torch.full((50,), sqrt(D / 2)))
print(f"embedding {table.norm(dim=-1).mean():.2f}, sinusoids {wave[7].norm():.2f}")
print(f"embedding times sqrt(D) {(table * sqrt(D)).norm(dim=-1).mean():.2f}")
for name, scale in {"without": 1, "with": sqrt(D)}.items():
    first, other = (table[:2] * scale + wave[7]).unbind()  # two words at one position
    print(f"{name:7} sqrt(D): cosine of two words there {F.cosine_similarity(first, other, 0):.3f}")
# %% [markdown] lang="zh"
# 不乘，同一位置上任意两个词的余弦都接近 1，模型几乎分不出它们；乘了，约为三分之一，正是
# $\frac{D/2}{D/2 + D}$。
#
# ### 一个矩阵，三份工
#
# 同一节还说：源的嵌入、译文的嵌入、输出层，共用**一个**矩阵。包里确实只有一个
# `embedding`；`project` 拿它的转置打分，第 $v$ 个词元的分数就是输出向量与第 $v$ 行的点积：
#
# $$\mathrm{logit}_v = x \cdot E_v$$
#
# 三份工能一份一份看出来。轻轻推一下 $E$ 的一行，看三处谁动：这个词元只在源里、只在译文里，或两边都
# 不在。
# %% [markdown] lang="en"
# Without it, any two words at one position have a cosine near 1: the model can hardly tell them
# apart. With it, the cosine is about a third, which is $\frac{D/2}{D/2 + D}$.
#
# ### One matrix, three jobs
#
# The same section says that the source's embedding, the target's embedding and the output layer
# share **one** matrix. Our model has indeed a single `embedding`. `project` takes its transpose for
# the scores: the score of token $v$ is the dot product of the output with row $v$,
#
# $$\mathrm{logit}_v = x \cdot E_v$$
#
# The three jobs can be seen one by one. Nudge one row of $E$, of a token that is only in the
# source, only in the target, or in neither, and see what moves.
# %%
print(inspect.getsource(Transformer.project))
source, target = batch.source[:1], batch.target_in[:1, :3]  # 一千二百万 </s> | <s> twelve million


def states():
    memory = model.encode(source)
    output = model.decode(target, memory)
    return memory, output, model.project(output)


# %%
before = states()
for token in ("千", "twelve", "ten"):
    row = model.embedding.weight[ids[token]]
    kept = row.clone()
    row += 0.1
    moved = [(x != y).flatten(0, 1).any(0) for x, y in zip(states(), before, strict=True)]
    row.copy_(kept)
    memory, decoder = ("moves" if part.any() else "stays" for part in moved[:2])
    scores = f"scores of {moved[2].sum()} tokens of {len(vocab)} move"
    print(f"memory {memory}, decoder {decoder}, {scores:33} | nudged: {token}")
# %% [markdown] lang="zh"
# `千` 在源里：记忆动了，后面跟着全动。`twelve` 在译文里：记忆不动，解码器动。`ten` 两边都不在：唯独
# 它自己的那一列分数动了，那是第三份工。
#
# 共用省下多少？论文的 base 有三万七千个词元、宽 512，一个矩阵是 $37000 \times 512$，约 1890 万个参
# 数；三个矩阵就要三倍。共用的前提是源和译文用同一张词表（论文 5.1 节）。
#
# ## 4 前馈网络：每个位置自己想
#
# **问题**　注意力把别处的消息搬了过来，搬来之后呢？
#
# **想法**　加权求和只是搬运。每个词元还要对着搬来的东西算一算，而且各算各的：先放宽到 $d_{ff}$（论
# 文取 $4D$），用 ReLU 把负数变 0，再收回到 $D$。论文式 2：
#
# $$\mathrm{FFN}(x) = \max(0,\; x W_1 + b_1)\, W_2 + b_2$$
# %% [markdown] lang="en"
# `千` is in the source: the memory moves, and so does all behind it. `twelve` is in the target: the
# memory stays, the decoder moves. `ten` is in neither: only its own column of scores moves, and
# that is the third job.
#
# How much does sharing save? The paper's base model has some 37,000 tokens of width 512, so a
# matrix is $37000 \times 512$, about 18.9 million parameters; three of them would be three times as
# many. Sharing requires that source and target use one vocabulary (section 5.1 of the paper).
#
# ## 4 Feed-forward: each position by itself
#
# **Question.** Attention has brought the news from elsewhere. And then?
#
# **Idea.** A weighted sum only carries things about. Each token still has to work with what was
# brought, and each does so alone: widen to $d_{ff}$ ($4D$ in the paper), let ReLU turn the negative
# numbers into 0, and come back to $D$. Equation 2 of the paper:
#
# $$\mathrm{FFN}(x) = \max(0,\; x W_1 + b_1)\, W_2 + b_2$$
# %%
print(inspect.getsource(FeedForward.forward))
ffn = model.encoder.layers[0].feed_forward
x = torch.randn(2, 6, 32, generator=dice)  # (B, S, D)
inner = F.relu(ffn.w_1(x))
print(tuple(x.shape), "->", tuple(inner.shape), "->", tuple(ffn(x).shape))
print(f"zeros after ReLU: {inner.eq(0).float().mean():.0%}")

w_1, w_2 = (layer.weight[:, :, None] for layer in (ffn.w_1, ffn.w_2))  # (out, in, 1)
channels_first = F.conv1d(x.transpose(1, 2), w_1, ffn.w_1.bias).relu()
theirs = F.conv1d(channels_first, w_2, ffn.w_2.bias).transpose(1, 2)
torch.testing.assert_close(ffn(x), theirs, rtol=1e-4, atol=1e-5)


# %% [markdown] lang="zh"
# 最后三行是论文的另一种说法：两次核宽为 1 的卷积，卷积核看不见邻居。
#
# “不混位置”可以直接证明：逐个改动输入的位置，看输出哪些位置动了。对注意力也做一遍，三张图摆在一
# 起，就是一层之内的分工。
# %% [markdown] lang="en"
# The last three lines are the paper's other way to say it: two convolutions with a kernel of width
# 1, which sees no neighbours.
#
# That positions do not mix can be proved directly: change the input at one position after the other
# and see which outputs move. Do the same with attention, put the three pictures side by side, and
# you see who does what in a layer.
# %%
def who_moves(function, x):
    """(T, T) bool: row s, column t: does a change at position s move the output at t?"""
    rows = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[:, s] += 1
        rows.append((function(other) != function(x)).any(-1)[0])
    return torch.stack(rows)


attention, x = MultiHeadAttention(small), torch.randn(1, 6, 32, generator=dice)
panels = {"feed-forward": ffn, "self-attention": attention}
panels |= {"masked self-attention": lambda x: attention(x, mask=causal_mask(6))}
moves = {name: who_moves(function, x) for name, function in panels.items()}
assert torch.equal(moves["feed-forward"], torch.eye(6).bool())
# %%
fig, axes = figures.canvas(1, 3, height=2.8)
for ax, (name, moved) in zip(axes, moves.items(), strict=True):
    numbers = [str(t) for t in range(6)]
    ax = figures.show_mask(ax, moved, numbers, numbers, legend=False)
    ax.set(title=name, xlabel="output moves at", ylabel="")
_ = axes[0].set_ylabel("input changed at")


# %% [markdown] lang="zh"
# 前馈网络只有对角线；编码器的自注意力处处相通；带因果掩码的，消息只往后传。所以去掉注意力，整台机器
# 就是一堆各不相干的词元。
#
# ## 5 LayerNorm，不是 BatchNorm
#
# **问题**　一层层加下来，数会越来越大，要有人拉回来。图像网络里常用 BatchNorm，这里为什么不用？
#
# **想法**　两者做同一件事：减均值，除以标准差。不同的只是**跟谁比**：
#
# - **LayerNorm**（Ba 等 2016，arXiv:1607.06450）：一个词元跟自己比，对它的 $D$ 个数求均值和方差；
# - **BatchNorm**：一个通道跟整批比，对 $B \times T$ 个词元的同一列求均值和方差。
#
# $$\mathrm{LN}(x)_{btd} = \gamma_d\,\frac{x_{btd} - \mu_{bt}}{\sqrt{\sigma^2_{bt} + \epsilon}} + \beta_d, \qquad \mu_{bt} = \frac{1}{D}\sum_d x_{btd}, \qquad \sigma^2_{bt} = \frac{1}{D}\sum_d (x_{btd} - \mu_{bt})^2$$
#
# $\gamma$ 和 $\beta$ 是学来的缩放和平移，$\epsilon$ 是一个小数，免得除以零。BatchNorm 的公式一样，只是把
# $\mu_{bt}$、$\sigma^2_{bt}$ 换成 $\mu_d$、$\sigma^2_d$，对 $b$ 和 $t$ 求平均。两样都手算，再与 torch 对照：
# %% [markdown] lang="en"
# The feed-forward network has the diagonal alone; in the encoder's self-attention everything is
# connected; with the causal mask, news travels only to later places. Take attention away, and the
# machine is a heap of tokens that know nothing of each other.
#
# ## 5 LayerNorm, and not BatchNorm
#
# **Question.** Sum upon sum, the numbers grow, and something has to pull them back. Networks for
# images mostly use BatchNorm. Why not here?
#
# **Idea.** Both do the same thing: subtract the mean, divide by the standard deviation. They differ
# in **whom one is compared with**:
#
# - **LayerNorm** (Ba et al. 2016, arXiv:1607.06450): a token with itself; mean and variance are
#   taken over its $D$ numbers;
# - **BatchNorm**: a channel with the whole batch; mean and variance are taken over the same column
#   of $B \times T$ tokens.
#
# $$\mathrm{LN}(x)_{btd} = \gamma_d\,\frac{x_{btd} - \mu_{bt}}{\sqrt{\sigma^2_{bt} + \epsilon}} + \beta_d, \qquad \mu_{bt} = \frac{1}{D}\sum_d x_{btd}, \qquad \sigma^2_{bt} = \frac{1}{D}\sum_d (x_{btd} - \mu_{bt})^2$$
#
# $\gamma$ and $\beta$ are learned, a scale and a shift; the small $\epsilon$ keeps the divisor from 0.
# The formula of BatchNorm is the same with $\mu_d$ and $\sigma^2_d$, averaged over $b$ and $t$, in
# place of $\mu_{bt}$ and $\sigma^2_{bt}$. We compute both by hand and compare with torch:
# %%
def normalise(x, axes, eps=1e-5):
    mean = x.mean(axes, keepdim=True)
    variance = x.var(axes, unbiased=False, keepdim=True)  # divided by n, not by n - 1
    return (x - mean) / (variance + eps).sqrt()


def layer_norm(x):
    return normalise(x, -1)  # over D


def batch_norm(x):
    return normalise(x, (0, 1))  # over B and T


x = model.embed(batch.source)  # (B, S, D): three sentences, two of them padded
torch.testing.assert_close(layer_norm(x), nn.LayerNorm(32)(x))
torch.testing.assert_close(batch_norm(x).flatten(0, 1), nn.BatchNorm1d(32)(x.flatten(0, 1)))
# %% [markdown] lang="zh"
# 现在盯住第 0 句“一千二百万”，它自己一个字不改，只换周围的环境：邻居换成别的句子，或者整批右边多
# 补四列填充。
# %% [markdown] lang="en"
# Now watch sentence 0, 一千二百万. It stays as it is; only its surroundings change: other sentences
# for neighbours, or four more columns of padding for the whole batch.
# %%
neighbours = batch.source.clone()
neighbours[1:] = batch.source[[0, 0]]  # rows 1 and 2 become copies of row 0
surroundings = {"other neighbours": neighbours, "more padding": F.pad(batch.source, (0, 4))}
changes = {"LayerNorm": [], "BatchNorm": []}
for other in surroundings.values():
    for name, norm in (("LayerNorm", layer_norm), ("BatchNorm", batch_norm)):
        alone, now = norm(x)[0], norm(model.embed(other))[0, :6]
        changes[name].append((now - alone).norm() / alone.norm())
assert max(changes["LayerNorm"]) < 1e-6

fig, axes = figures.canvas(1, 2, height=2.2)
for ax, (name, change) in zip(axes, changes.items(), strict=True):
    ax = figures.bars(ax, list(surroundings), change, horizontal=True)
    ax.set(title=name, xlim=(0, 1), xlabel="relative change of sentence 0")
# %% [markdown] lang="zh"
# LayerNorm 一动不动；BatchNorm 里，一句话的结果取决于它跟谁分在一批、批里补了多少没有意义的填充。翻
# 译单独一句时又没有“批”可言，只好改用训练时攒下的平均值，训练和使用就成了两个函数。下图改动一个数
# （打叉处），看哪些格子跟着动，一眼就是两者的定义：
# %% [markdown] lang="en"
# LayerNorm does not move. With BatchNorm, the result for a sentence depends on which others share
# its batch, and on how much meaningless padding there is. And when a single sentence is to be
# translated, there is no batch to speak of: averages kept from training must take its place, and
# training and use become two different functions. Below, one number is changed (the cross). The
# cells that move are the two definitions at a glance:
# %%
x = torch.randn(3, 6, 8, generator=dice)  # (B, S, D)
other = x.clone()
other[1, 2, 3] += 1
names = [vocab[i] for i in batch.source.flatten().tolist()]
fig, axes = figures.canvas(1, 2, height=4.2, width=6)
for ax, name, norm in zip(axes, changes, (layer_norm, batch_norm), strict=True):
    moved = (norm(other) != norm(x)).flatten(0, 1)  # (B * S, D)
    ax = figures.show_mask(ax, moved, names, [str(d) for d in range(8)], legend=False)
    ax.plot(3.5, 8.5, "X", color=figures.ROSE)
    ax.set(title=name, xlabel="channel", ylabel="", aspect="auto")
    ax.set_yticks(ax.get_yticks(), names, size=7.5)
_ = axes[0].set_ylabel("three sentences, one below the other")


# %% [markdown] lang="zh"
# **练习 1**　不用 `mean`、`var`，自己写带 $\gamma$、$\beta$ 的 LayerNorm。检查里有三个坑：方差除以
# $D$ 而不是 $D - 1$；$\epsilon$ 在根号里面；第三个输入每个数都加了 1000，若用
# $\overline{x^2} - \bar{x}^2$ 求方差，两个大数相减，float32 的精度就丢光了。
# %% [markdown] lang="en"
# **Exercise 1.** Write LayerNorm with $\gamma$ and $\beta$, without `mean` and `var`. The check has
# three pitfalls: the variance is divided by $D$, not by $D - 1$; $\epsilon$ belongs under the root;
# and in the third input 1000 is added to every number, so that with $\overline{x^2} - \bar{x}^2$
# for the variance, a difference of two large numbers, all precision of float32 is lost.
# %%
def candidate(x, gamma, beta, eps):  # put yours here
    return F.layer_norm(x, x.shape[-1:], gamma, beta, eps)


gamma, beta = torch.randn(2, 32, generator=dice)
x = torch.randn(2, 5, 32, generator=dice)
judge = nn.LayerNorm(32, eps=1e-3)
judge.weight.copy_(gamma)
judge.bias.copy_(beta)
for given in (x, 0.01 * x, 1000 + x):
    torch.testing.assert_close(candidate(given, gamma, beta, 1e-3), judge(given), rtol=0, atol=2e-3)
print("exercise 1: correct")
# %% [markdown] lang="zh"
# ## 6 残差连接：给梯度留一条直路
#
# **问题**　子层叠了几十个，底下的那些还学得到东西吗？
#
# **想法**　梯度从损失一路往回乘，每过一个子层乘一次它的雅可比矩阵 $J$（输出对输入的导数）。乘几十
# 次，往往不是消失就是爆炸。残差连接让子层只算**要加上去的部分**，输入原样绕过去：
#
# $$y = x + f(x) \quad\Rightarrow\quad \frac{\partial y}{\partial x} = I + J_f$$
#
# 多出来的 $I$ 就是直路：不管 $J_f$ 多小，梯度都能原样通过。论文的子层外面还有 LayerNorm 和
# dropout（随机丢弃）：
# %% [markdown] lang="en"
# ## 6 Residual connections: a straight road for gradients
#
# **Question.** With dozens of sublayers on top of each other, do the lowest ones still learn?
#
# **Idea.** On its way back from the loss, the gradient is multiplied by the Jacobian $J$ of each
# sublayer (the derivative of its output by its input). A product of dozens tends to vanish or to
# explode. A residual connection lets the sublayer compute only **what is to be added**; the input
# goes around it unchanged:
#
# $$y = x + f(x) \quad\Rightarrow\quad \frac{\partial y}{\partial x} = I + J_f$$
#
# The additional $I$ is the straight road: however small $J_f$ is, the gradient gets through. In the
# paper, LayerNorm and dropout come on top:
# %%
print(inspect.getsource(Residual.forward))
x = torch.randn(2, 6, 32, generator=dice)
post, pre = Residual(small).eval(), Residual(replace(small, norm="pre")).eval()
nothing = torch.zeros_like  # a sublayer that has nothing to say
torch.testing.assert_close(post(x, nothing), F.layer_norm(x, [32]))
assert torch.equal(pre(x, nothing), x)
# %% [markdown] lang="zh"
# 子层什么也不说时，post-norm（论文的写法，先加再归一化）输出 $\mathrm{LN}(x)$，pre-norm（先归一化再
# 进子层）原样输出 $x$。两者的差别，第 7 节细看。先比有没有残差：24 个前馈子层叠起来，量一量损失对每
# 一层输入的梯度，范数有多大。
# %% [markdown] lang="en"
# If the sublayer says nothing, post-norm (the paper's: add, then normalise) gives $\mathrm{LN}(x)$;
# pre-norm (normalise, then the sublayer) gives $x$ as it was. Section 7 looks at this difference.
# First, with and without a residual: 24 feed-forward sublayers in a row; how long is the gradient
# of the loss by each layer's input?
# %%
torch.manual_seed(0)
blocks = Transformer(replace(small, num_encoder_layers=24)).encoder.layers
sublayers = [layer.feed_forward for layer in blocks]  # initialised like the model


@torch.enable_grad()
def gradient_norms(step):
    """|d loss / d x| at the input of each of the 24 steps, from the first to the last."""
    xs = [torch.randn(4, 6, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)]
    for sublayer in sublayers:
        xs.append(step(xs[-1], sublayer))
    target = torch.randn(4, 6, 32, generator=torch.Generator().manual_seed(2))
    loss = F.mse_loss(F.layer_norm(xs[-1], [32]), target)
    return [g.norm() for g in torch.autograd.grad(loss, xs[:-1])]


# %%
def likeness(step):
    """Mean cosine between 24 different tokens' vectors, after each of the 24 steps."""
    x, cosines = torch.randn(24, 32, generator=torch.Generator().manual_seed(1)), []
    for sublayer in sublayers:
        x = step(x, sublayer)
        unit = F.normalize(x, dim=-1)
        cosines.append(((unit @ unit.T).sum() - 24) / (24 * 23))  # without a token and itself
    return cosines


steps = {"f(x)": lambda x, f: f(x), "LN(f(x))": lambda x, f: F.layer_norm(f(x), [32])}
steps |= {"x + f(x)": lambda x, f: x + f(x)}
steps |= {"LN(x + f(x))": lambda x, f: F.layer_norm(x + f(x), [32])}
# %%
fig, axes = figures.canvas(1, 2, height=3)
norms = {name: gradient_norms(step) for name, step in steps.items()}
ax = figures.curve(axes[0], range(24), norms, xlabel="sublayer (0 is the lowest)", log=True)
ax.set(title="gradient norm at its input", xlim=(0, 23))
likenesses = {name: likeness(step) for name, step in steps.items()}
ax = figures.curve(axes[1], range(24), likenesses, xlabel="sublayer")
ax.set(title="cosine between tokens behind it", ylim=(0, 1.02), xlim=(0, 23))
ax.get_legend().remove()
for name in steps:
    ends = norms[name][0], norms[name][-1], likenesses[name][-1]
    words = "gradient: {:.2g} at the bottom, {:.2g} at the top; cosine {:.2f}"
    print(f"{name:13}", words.format(*ends))
# %% [markdown] lang="zh"
# 左图：没有残差（蓝），梯度从顶到底缩小了一万倍以上。只加归一化（红），长度是保住了，可是看右图：不
# 同的词元越来越像，24 层之后余弦接近 1，谁是谁已经认不出来。有残差的两条，底层的梯度与顶层相当
# （黄），甚至更大（绿：和越加越大，顶层的一点改动就不显眼了）；词元也还分得开一些，因为原来的自己一
# 直加在里面。
#
# 残差也解释了一处设计：每个子层的输出必须与输入同宽，所以处处都是 $D$。
#
# ### dropout 放在哪里
#
# 论文 5.4 节只说了两处：每个**子层的输出**，在加回去之前；以及**嵌入与位置之和**。`nn.Transformer`
# 还多两处：注意力权重上，和前馈网络中间。（包里的 `Dropout` 做的事与 `nn.Dropout` 一样，只是四个数
# 合用一次 64 比特的抽签：CPU 上，抽签才是费时的那一步。）挂上钩子，数一数一次前向里真正起作用的
# dropout：
# %% [markdown] lang="en"
# On the left: without a residual (blue), the gradient shrinks more than ten thousand times on its
# way down. Normalisation alone (red) keeps its length; but look at the right: different tokens
# become more and more alike, and after 24 layers their cosine is near 1, so that one cannot tell
# who is who. In the two with a residual, the gradient at the bottom is as large as at the top
# (yellow) or even larger (green: the sum grows and grows, and a small change at the top matters
# little to it). And tokens can still be told apart somewhat better, for their former selves are in
# the sum all the way.
#
# Residuals also explain a trait of the design: every sublayer's output is as wide as its input,
# hence $D$ everywhere.
#
# ### Where dropout goes
#
# Section 5.4 of the paper names two places: the **output of each sublayer** before it is added, and
# the **sums of embeddings and positions**. `nn.Transformer` has dropout in two more: on the
# attention weights, and inside the feed-forward network. (The package's `Dropout` does what
# `nn.Dropout` does,
# but four numbers share one draw of 64 bits, as on a CPU the random numbers are what takes long.)
# With hooks we count the dropouts that are really at work in one forward pass:
# %%
dropping = Transformer(replace(small, dropout=0.1))  # 2 + 2 layers, in training mode
worked = []
for name, module in dropping.named_modules():
    if isinstance(module, nn.Dropout) and module.p > 0:
        _ = module.register_forward_hook(lambda *_, name=name: worked.append(name))
first = dropping(batch.source, batch.target_in).logits
print(*worked, sep="\n")
assert len(worked) == 2 + 2 * 2 + 2 * 3  # two sums; two sublayers a layer, and three

second = dropping(batch.source, batch.target_in).logits
assert not torch.equal(first, second)
dropping.eval()  # off outside training
first, second = (dropping(batch.source, batch.target_in).logits for _ in range(2))
assert torch.equal(first, second)
# %% [markdown] lang="zh"
# ## 7 起点：初始化，post-norm 与 pre-norm
#
# **问题**　还没开始训练，第一步的梯度长什么样？
#
# ### Xavier
#
# 一个 $n \times m$ 的矩阵（输入宽 $n$，输出宽 $m$），若每个数的方差是 $1/n$，信号往前走大小不变；是 $1/m$，梯度往回走大小不
# 变。Xavier 初始化（Glorot 与 Bengio 2010）取两者的折中：
#
# $$\mathrm{Var}(W) = \frac{2}{n + m}, \qquad W \sim U(-a, a), \quad a = \sqrt{\frac{6}{n + m}}$$
#
# 论文没有写初始化，作者公开的代码用了它。torch 的 `nn.Linear` 默认值小得多，方差只有 $1/(3n)$，叠十
# 几层，信号就所剩无几：
# %% [markdown] lang="en"
# ## 7 The start: initialisation, post-norm and pre-norm
#
# **Question.** Before any training: what does the first gradient look like?
#
# ### Xavier
#
# In an $n \times m$ matrix ($n$ inputs, $m$ outputs), numbers of variance $1/n$ keep a signal's size on its way forward;
# variance $1/m$ keeps a gradient's size on its way back. Xavier initialisation (Glorot and Bengio
# 2010) is the compromise:
#
# $$\mathrm{Var}(W) = \frac{2}{n + m}, \qquad W \sim U(-a, a), \quad a = \sqrt{\frac{6}{n + m}}$$
#
# The paper names no initialisation; the code that its authors published uses this one. The default
# of torch's `nn.Linear` is much smaller, with a variance of $1/(3n)$. A dozen layers leave little
# of a signal:
# %%
print(inspect.getsource(Transformer.reset_parameters))
fresh = Transformer(small)
largest = fresh.encoder.layers[0].feed_forward.w_1.weight.abs().max()
print(f"largest number in w_1: {largest:.4f}; a = {sqrt(6 / (32 + 64)):.4f}")
torch.manual_seed(0)
for name, initialise in {"Xavier": nn.init.xavier_uniform_, "default": lambda w: w}.items():
    x = torch.randn(64, 512)
    for _ in range(12):
        layer = nn.Linear(512, 512, bias=False)
        initialise(layer.weight)
        x = layer(x)
    print(f"{name:8} standard deviation after 12 matrices: {x.std():.4f}")


# %% [markdown] lang="zh"
# ### 归一化放在哪里，梯度就长成什么样
#
# $$\text{post-norm: } x_{l+1} = \mathrm{LN}(x_l + f(x_l)) \qquad\qquad \text{pre-norm: } x_{l+1} = x_l + f(\mathrm{LN}(x_l))$$
#
# 差别在那条直路上。pre-norm 的直路从头到尾只有加法；post-norm 的直路每过一个子层就穿过一个 LayerNorm，
# 几十次下来，梯度还是被改了样。（pre-norm 的和没有归一化过，所以整叠末尾要补一个
# LayerNorm；post-norm 不需要，论文也没有。）
#
# Xiong 等人（2020，arXiv:2002.04745）证明：初始化时，post-norm 靠近输出的那几层梯度很大，而且与层数
# 无关；pre-norm 的梯度则随层数 $L$ 按 $1/\sqrt{L}$ 变小。我们来量：编码器、解码器各 18 层，看解码器
# 每一层的 $W_2$ 得到多大的梯度。
# %% [markdown] lang="en"
# ### Where the norm stands shapes the gradient
#
# $$\text{post-norm: } x_{l+1} = \mathrm{LN}(x_l + f(x_l)) \qquad\qquad \text{pre-norm: } x_{l+1} = x_l + f(\mathrm{LN}(x_l))$$
#
# The difference is on the straight road. In pre-norm there is nothing but sums on it, from end to
# end. In post-norm it passes through a LayerNorm in every sublayer, and after dozens of them the
# gradient has changed after all. (The sum of pre-norm is not normalised, so the stack ends in one
# more LayerNorm. Post-norm needs none, and the paper has none.)
#
# Xiong et al. (2020, arXiv:2002.04745) prove that at initialisation the gradients near the output
# are large in post-norm, whatever the number of layers $L$, and that in pre-norm they shrink like
# $1/\sqrt{L}$. Let us measure: 18 layers in the encoder and in the decoder; how large is the
# gradient of $W_2$ in each layer of the decoder?
# %%
@torch.enable_grad()
def gradients_by_layer(norm, layers):
    """|d loss / d W_2| of every decoder layer of an untrained model, the lowest first."""
    torch.manual_seed(0)
    config = TransformerConfig(200, 128, 4, layers, layers, d_ff=512, norm=norm)
    model = Transformer(config).eval()  # no dropout
    source, target = torch.randint(3, 200, (2, 8, 13))
    logits = model(source, target[:, :-1]).logits
    F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
    return [layer.feed_forward.w_2.weight.grad.norm() for layer in model.decoder.layers]


depths = (6, 12, 18)
found = {(norm, L): gradients_by_layer(norm, L) for norm in ("post", "pre") for L in depths}
# %%
fig, axes = figures.canvas(1, 2, height=3)
lines = {f"{norm}-norm": found[norm, 18] for norm in ("post", "pre")}
ax = figures.curve(axes[0], range(1, 19), lines, xlabel="decoder layer", log=True, marker="o")
ax.set(title="18 layers", ylabel="gradient norm of W_2", xticks=[1, 6, 12, 18])
lines = {f"{norm}-norm": [found[norm, L][-1] for L in depths] for norm in ("post", "pre")}
ax = figures.curve(axes[1], depths, lines, xlabel="layers L", marker="o")
first = found["pre", 6][-1]
ax.plot(depths, [first * sqrt(6 / L) for L in depths], "--", color=figures.INK, linewidth=1)
ax.text(11, 0.34, "1/√L")
_ = ax.set(title="the top layer", ylim=(0, 1.3), xticks=depths)
ratio = found["post", 18][-1] / found["post", 18][0]
print(f"post-norm, 18 layers: the top layer's gradient is {ratio:.0f} times the lowest one's")


# %% [markdown] lang="zh"
# 左图：post-norm 的梯度从顶层到底层一路变小，相差几百倍；pre-norm 各层差不多。右图：顶层的梯
# 度，post-norm 几乎不随层数变，pre-norm 贴着 $1/\sqrt{L}$ 的虚线走，与证明相符。
#
# > **教程里常见的错**　讲的是论文的图（post-norm），代码写的却是 pre-norm，又忘了整叠末尾要补的那
# 个 LayerNorm；或者写了 post-norm，却省掉预热，训练不起来就怪模型。
#
# **与预热（warm-up）何干**　学习率只有一个，各层共用。post-norm 起步时，顶层推得又猛又急，底下还什
# 么都没学会；一开始步子太大，顶层就可能冲到不好回头的地方。预热让学习率从接近 0 开始慢慢升，先走几
# 步小的。Adam 会按梯度的大小自行缩放，所以光看大小不足以定论，还得练一练：把五个词元倒着写（编码器
# 一层，解码器六层，学习率 $0.003$），三种办法各走 240 步。
# %% [markdown] lang="en"
# Left: in post-norm the gradient shrinks from the top layer to the lowest, by a factor of hundreds;
# in pre-norm all layers get about the same. Right: at the top layer it hardly depends on the number
# of layers in post-norm, and follows the dashed line $1/\sqrt{L}$ in pre-norm, as was proved.
#
# > **Where the tutorials you may have read go wrong.** They explain the paper's drawing (post-norm),
# > write pre-norm, and forget the LayerNorm that must then close the stack. Or they write post-norm,
# > leave out the warm-up, and blame the model for not training.
#
# **What this has to do with warm-up.** There is one learning rate for all layers. When post-norm
# starts, the top layers are pushed hard while those below have learned nothing yet; with large steps
# right away, the top may run to places from which it is hard to come back. Warm-up starts near 0
# and raises the learning rate slowly, so that the first steps are small. As Adam rescales gradients
# by their size, sizes alone settle nothing; we have to train. The task is to write five tokens
# backwards (one encoder layer, six decoder layers, learning rate $0.003$), with 240 steps for each
# of three ways.
# %%
@torch.enable_grad()
def losses(norm, warmup, steps=240):
    torch.manual_seed(1)
    model = Transformer(TransformerConfig(16, 32, 4, 1, 6, d_ff=128, dropout=0.0, norm=norm))
    adam = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), eps=1e-9)
    for step in range(1, steps + 1):
        adam.param_groups[0]["lr"] = 0.003 * min(1, step / warmup)
        source = torch.randint(3, 16, (16, 5))
        target = F.pad(source.flip(1), (1, 0), value=1)  # <s>, then the source backwards
        logits = model(source, target[:, :-1]).logits
        loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield loss.item()


# %%
ways = {"post-norm": ("post", 1), "post-norm, warm-up 100": ("post", 100), "pre-norm": ("pre", 1)}
curves = {name: torch.tensor(list(losses(*way))) for name, way in ways.items()}
smooth = {name: curve.unfold(0, 20, 1).mean(-1) for name, curve in curves.items()}
fig, ax = figures.canvas(height=2.8)
ax = figures.curve(ax, range(20, 241), smooth, xlabel="step", ylabel="loss, mean of 20 steps")
_ = ax.set(ylim=(0, None))
ends = [curve[-1] for curve in smooth.values()]
assert ends[0] > ends[1] > ends[2]


# %% [markdown] lang="zh"
# 预热的 post-norm（红）头一百步落在后面，然后反超没有预热的（蓝）；pre-norm（绿）不预热也一路领先。
# 换个随机种子，次序不变（我们试过 0 到 7）。这只是个玩具，但与 Xiong 等人在真实翻译上的结论一致。如
# 今的大模型因此多半用 pre-norm（第 21 至 23 章的 Qwen2 就是）；本章照论文用 post-norm，预热的公式在
# 第 13 章。
#
# **练习 2**　写出残差连接的两种形式。检查用你的函数搭一个编码器层，与 `nn.TransformerEncoderLayer`
# 比。
# %% [markdown] lang="en"
# Post-norm with warm-up (red) falls behind for the first hundred steps, then overtakes the one
# without (blue). Pre-norm (green) leads all the way and needs no warm-up. With another random seed
# the order stays the same (we tried 0 to 7). It is a toy, but it agrees with what Xiong et al.
# found in real translation. Hence most large models today are pre-norm (as is Qwen2, chapters 21 to
# 23). In this chapter we follow the paper, post-norm; the formula of its warm-up is in chapter 13.
#
# **Exercise 2.** Write both forms of the residual connection. The check builds an encoder layer
# with your function and compares it with `nn.TransformerEncoderLayer`.
# %%
def candidate(x, sublayer, norm, kind):  # put yours here; kind is "post" or "pre"
    residual = Residual(replace(small, norm=kind, dropout=0.0))
    residual.norm = norm
    return residual(x, sublayer)


for kind in ("post", "pre"):
    judge = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True, norm_first=kind == "pre")
    for parameter in judge.parameters():
        parameter += 0.2 * torch.randn(parameter.shape, generator=dice)
    attention, think = judge.self_attn, nn.Sequential(judge.linear1, nn.ReLU(), judge.linear2)
    x = torch.randn(2, 5, 32, generator=dice)
    mine = candidate(x, lambda y, f=attention: f(y, y, y)[0], judge.norm1, kind)
    mine = candidate(mine, think, judge.norm2, kind)
    torch.testing.assert_close(mine, judge(x), rtol=1e-4, atol=1e-5)
print("exercise 2: correct")
# %% [markdown] lang="zh"
# ## 8 两种层，三张掩码
#
# 零件齐了。编码器层是两个子层：先看遍全句，再各自想一想。
# %% [markdown] lang="en"
# ## 8 Two kinds of layer, three masks
#
# All parts are ready. An encoder layer is two sublayers: look at the whole source, then think, each
# for itself.
# %%
print(inspect.getsource(EncoderLayer.forward))
# %% [markdown] lang="zh"
# 解码器层多一个，夹在中间：看自己写过的，看原文的批注，再各自想一想。
# %% [markdown] lang="en"
# A decoder layer has one more in the middle: look at what has been written, look at the notes on
# the source, then think.
# %%
print(inspect.getsource(DecoderLayer.forward))
# %% [markdown] lang="zh"
# 三种注意力用的是同一个 `MultiHeadAttention`，只是谁提问、问谁、不许看什么各不相同：
#
# | 注意力 | 查询来自 | 键和值来自 | 掩码挡住 | 掩码形状 |
# | --- | --- | --- | --- | --- |
# | 编码器自注意力 | 源 | 源 | 源的填充 | `(B, 1, 1, S)` |
# | 解码器自注意力 | 译文 | 译文 | 译文的填充，以及未来 | `(B, 1, T, T)` |
# | 交叉注意力 | 译文 | 记忆 | 源的填充 | `(B, 1, 1, S)` |
#
# > **教程里常见的错**　交叉注意力挡的是**源**的填充，不是译文的；它也不需要因果掩码，原文从头到尾都
# 是已知的。两边碰巧等长时，用错掩码不会报错。
#
# 画出第 2 句“一万”的三张（它两边都有填充）：
# %% [markdown] lang="en"
# All three kinds of attention are the same `MultiHeadAttention`. What differs is who asks, who is
# asked, and what must not be seen:
#
# | attention | queries from | keys and values from | the mask blocks | its shape |
# | --- | --- | --- | --- | --- |
# | encoder's self-attention | source | source | padding of the source | `(B, 1, 1, S)` |
# | decoder's self-attention | target | target | padding of the target, and the future | `(B, 1, T, T)` |
# | cross-attention | target | memory | padding of the source | `(B, 1, 1, S)` |
#
# > **Where the tutorials you may have read go wrong.** Cross-attention blocks the padding of the
# > **source**, not that of the target. Nor does it need a causal mask: the source is known from
# > beginning to end. When both sides happen to have the same length, the wrong mask raises no
# > error.
#
# The three masks of sentence 2, 一万, which has padding on both sides:
# %%
model = random_model(small)
source_mask = model.source_mask(batch.source)  # (B, 1, 1, S)
target_mask = model.target_mask(batch.target_in)  # (B, 1, T, T)
sources = [vocab[i] for i in batch.source[2].tolist()]
targets = [vocab[i] for i in batch.target_in[2].tolist()]

fig, axes = figures.canvas(1, 3, height=2.7)
panels = {"encoder, self": (source_mask[2, 0].expand(6, 6), sources, sources)}
panels |= {"decoder, self": (target_mask[2, 0], targets, targets)}
panels |= {"cross": (source_mask[2, 0].expand(5, 6), targets, sources)}
for ax, (title, (mask, queries, keys)) in zip(axes, panels.items(), strict=True):
    ax = figures.show_mask(ax, mask, queries, keys, legend=False)
    ax.set(title=title, xlabel="key", ylabel="", aspect="auto")
_ = axes[0].set_ylabel("query")
# %% [markdown] lang="zh"
# 蓝色是可以看。填充的那几**行**照样有蓝格：它们看见什么都无妨，反正没有人看它们，损失也不算它们。真
# 正要紧的是填充的那几**列**，全灰。
#
# ## 9 交叉注意力：$T$ 行 $S$ 列
#
# 写的人每写一个词，都要问一遍读的人：原文里跟这个词有关的，是哪几个字？查询来自解码器，键和值来自记
# 忆，权重是一张 $T \times S$ 的长方形：
#
# $$\mathrm{softmax}\!\left(\frac{Q_{\text{target}}\, K_{\text{memory}}^\top}{\sqrt{D_h}}\right) V_{\text{memory}}$$
#
# 要看权重，就向模型要 `output_attentions=True`；不要，它走 torch 的融合函数，一个权重也不留。
# %% [markdown] lang="en"
# Blue may be looked at. The padded **rows** have blue cells too: it does not matter what they see,
# for nobody looks at them, and the loss leaves them out. What matters are the padded **columns**,
# grey throughout.
#
# ## 9 Cross-attention: $T$ rows, $S$ columns
#
# With every word, the writer asks the reader: which characters of the source have to do with it?
# The queries come from the decoder, keys and values from the memory, and the weights are a
# rectangle of $T \times S$:
#
# $$\mathrm{softmax}\!\left(\frac{Q_{\text{target}}\, K_{\text{memory}}^\top}{\sqrt{D_h}}\right) V_{\text{memory}}$$
#
# To see the weights, ask the model for `output_attentions=True`. Unasked, it takes torch's fused
# function, which keeps none.
# %%
output = model(batch.source, batch.target_in, output_attentions=True)
for name in ("encoder_attentions", "decoder_attentions", "cross_attentions"):
    layers = getattr(output, name)
    print(f"{name:19} {len(layers)} layers of {tuple(layers[0].shape)}")
    for weights in layers:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
cross = output.cross_attentions[0]  # (B, H, T, S)
padding = (batch.source == 0)[:, None, None].expand_as(cross)
assert cross[padding].eq(0).all()

fig, axes = figures.canvas(1, 3, height=2.7)
for ax, weights, row, text in zip(axes, cross[:, 0], batch.source, batch.target_in, strict=True):
    keys, queries = ([vocab[i] for i in x.tolist()] for x in (row, text))
    ax = figures.attention_map(ax, weights, queries, keys)
    ax.set(xlabel="", ylabel="")
# %% [markdown] lang="zh"
# 三句话，第一个头：行是译文，列是原文，填充的列全白，权重恰好是 0。参数是随机的，图案还没有意义；第
# 13 章训练之后再画同类的图，就会看见“万”与 *million*、*thousand* 交叉着对齐。
#
# ### 记忆只算一次
#
# 译文一个词一个词地长，原文却不变。所以编码器只跑一遍，解码器的每一层、每一步看的都是同一份记忆。下
# 面逐词解码，中途不再碰编码器，每一步都与一次算完的结果相同：
# %% [markdown] lang="en"
# Three sentences, the first head: rows are the target, columns the source; padded columns are
# white, with weights of exactly 0. The parameters are random, so the patterns mean nothing yet.
# Chapter 13 draws such pictures of a trained model, where 万 is aligned crosswise with *million*
# and *thousand*.
#
# ### The memory is computed once
#
# The target grows word by word, but the source stays. So the encoder runs once, and every layer and
# every step of the decoder looks at the same memory. Below we decode word by word without touching
# the encoder again, and each step agrees with the computation in one go:
# %%
whole = model(batch.source, batch.target_in).logits  # all places at once
memory = model.encode(batch.source)  # (B, S, D), the encoder's only run
runs = []
watch = model.encoder.register_forward_hook(lambda *_: runs.append(1))
for t in range(1, 6):
    state = model.decode(batch.target_in[:, :t], memory, source_mask)  # (B, t, D)
    step = model.project(state[:, -1])  # (B, V)
    torch.testing.assert_close(step, whole[:, t - 1], rtol=1e-4, atol=1e-5)
watch.remove()
print(f"5 steps of the decoder, {len(runs)} more runs of the encoder")
# %% [markdown] lang="zh"
# （每一步还在重算旧词的键和值，记忆的键和值也重算了。第 13 章的 KV 缓存把这两样都存起来。）
#
# ## 10 动一动：什么变，什么不变
#
# 掩码写没写对，与其看，不如试。改动译文的第 4 个词元（从 0 数），看四层解码器之后各处动不动：
# %% [markdown] lang="en"
# (Each step still computes the keys and values of the old words again, and those of the memory too.
# The KV cache of chapter 13 keeps both.)
#
# ## 10 Push it: what moves, what does not
#
# Whether masks are right is better tested than looked at. Change token 4 of the target (counted
# from 0), and see what moves behind each of four decoder layers:
# %%
deep = random_model(replace(small, num_decoder_layers=4))


def decoder_states(source, target):
    """What comes out of every decoder layer, (1, T, D), and the logits, (1, T, V)."""
    states = []
    keep = [x.register_forward_hook(lambda *io: states.append(io[-1])) for x in deep.decoder.layers]
    states.append(deep(source, target).logits)
    for hook in keep:
        hook.remove()
    return states


# %%
source = batch.source[:1]
target = torch.randint(3, len(vocab), (1, 8), generator=dice)
changed = target.clone()
changed[0, 4] = 3 if target[0, 4] != 3 else 4
both = zip(decoder_states(source, target), decoder_states(source, changed), strict=True)
moved = torch.stack([(a != b).any(-1)[0] for a, b in both])  # (layers + 1, T)
assert moved.tolist() == [[False] * 4 + [True] * 4] * 5

fig, ax = figures.canvas(height=2.3, width=5.4)
rows = ["1", "2", "3", "4", "logits"]
ax = figures.show_mask(ax, moved, rows, [str(t) for t in range(8)], legend=False)
_ = ax.set(
    title="moved (blue) by target token 4", xlabel="place in the target", ylabel="after layer"
)
# %% [markdown] lang="zh"
# 每一层，位置 0 到 3 的变化都恰好是 0。再动填充：一种是多补几列，一种是把 `<pad>` 的嵌入整个换掉。
# 非填充词元的 logits 应当都不动。只有一个例外，想一想再往下看：`<pad>` **自己**的分数，因为输出层用的就
# 是嵌入矩阵的那一行。
# %% [markdown] lang="en"
# In every layer, places 0 to 3 move by exactly 0. Now push the padding: first more columns of it,
# then another embedding for `<pad>` altogether. The logits at real tokens should stay. There is one
# exception; think before you read on. It is the score **of** `<pad>` itself, since the output layer
# takes that very row of the embedding matrix.
# %%
real = batch.target_in != 0  # (B, T)
before = model(batch.source, batch.target_in).logits[real]  # (real tokens, V)
wider = F.pad(batch.source, (0, 3)), F.pad(batch.target_in, (0, 2))
longer = model(*wider).logits[:, :5][real]
torch.testing.assert_close(longer, before, rtol=1e-5, atol=1e-5)

kept = model.embedding.weight[0].clone()
model.embedding.weight[0] = torch.randn(32, generator=dice)
other = model(batch.source, batch.target_in).logits[real]
model.embedding.weight[0] = kept
columns = (other != before).any(0).nonzero().flatten().tolist()
print("another embedding for <pad> moves the scores of:", [vocab[i] for i in columns])
assert columns == [0]


# %% [markdown] lang="zh"
# ## 11 对账：它就是 `torch.nn.Transformer`
#
# **问题**　以上都是我们自己说的。别人的实现给出同样的数吗？
#
# **想法**　把我们的权重抄给 `nn.Transformer`，同样的输入，比输出。要抄的东西只有名字不同：torch 把
# $W^Q, W^K, W^V$ 上下拼成一个 `in_proj_weight`，残差里的归一化叫 `norm1` 到 `norm3`。注意三处约定：
#
# - torch 的布尔掩码，`True` 是**挡住**，与本书相反；
# - 它没有嵌入、位置和输出层，从向量到向量；
# - 两叠的末尾，它各**多一个** LayerNorm，post-norm 时也有。论文没有，所以摘掉。
# %% [markdown] lang="en"
# ## 11 The audit: this is `torch.nn.Transformer`
#
# **Question.** So far we have only our own word. Does somebody else's implementation give the same
# numbers?
#
# **Idea.** Copy our weights into `nn.Transformer`, give both the same input, compare what comes
# out. Only names differ: torch stacks $W^Q, W^K, W^V$ into one `in_proj_weight`, and calls the
# norms of the residuals `norm1` to `norm3`. Three conventions to watch:
#
# - in torch's boolean masks, `True` means **blocked**, the opposite of this book;
# - it has no embeddings, positions or output layer, and goes from vectors to vectors;
# - at the end of each stack it has **one more** LayerNorm, with post-norm too. The paper has none,
#   so we take it off.
# %%
def copy_attention(theirs, ours):
    for kind in ("weight", "bias"):
        joined = torch.cat([getattr(x, kind) for x in (ours.q_proj, ours.k_proj, ours.v_proj)])
        getattr(theirs, f"in_proj_{kind}").copy_(joined)
    theirs.out_proj.load_state_dict(ours.o_proj.state_dict())


def copy_layer(theirs, ours):
    copy_attention(theirs.self_attn, ours.self_attention)
    if isinstance(ours, DecoderLayer):
        copy_attention(theirs.multihead_attn, ours.cross_attention)
    theirs.linear1.load_state_dict(ours.feed_forward.w_1.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.w_2.state_dict())
    for number, residual in enumerate(ours.residuals, start=1):
        getattr(theirs, f"norm{number}").load_state_dict(residual.norm.state_dict())


# %%
def torch_twin(model):
    """nn.Transformer with the weights of ours; dropout 0, so training mode changes nothing."""
    c = model.config
    sizes = (c.d_model, c.num_heads, c.num_encoder_layers, c.num_decoder_layers, c.d_ff)
    twin = nn.Transformer(*sizes, dropout=0.0, batch_first=True)
    twin.encoder.norm = twin.decoder.norm = None  # the paper has none
    for name in ("encoder", "decoder"):
        stacks = getattr(twin, name).layers, getattr(model, name).layers
        for theirs, ours in zip(*stacks, strict=True):
            copy_layer(theirs, ours)
    return twin


# %% [markdown] lang="zh"
# 输入就是那三句话，源和译文不等长，两边都有填充。`random_model` 打乱了**每个**参数，偏置和归一化也
# 在内。
# %% [markdown] lang="en"
# The input is our three sentences: source and target differ in length, and both have padding.
# `random_model` has randomised **every** parameter, biases and norms included.
# %%
def torch_logits(twin, model):
    """The same masks, turned round; embeddings and output layer are ours."""
    blocked = {"tgt_mask": ~causal_mask(5)[0, 0], "tgt_key_padding_mask": batch.target_in == 0}
    blocked |= dict.fromkeys(["src_key_padding_mask", "memory_key_padding_mask"], batch.source == 0)
    out = twin(model.embed(batch.source), model.embed(batch.target_in), **blocked)
    return model.project(out)


model = random_model(replace(small, attention_bias=True))
twin = torch_twin(model)
ours, theirs = model(batch.source, batch.target_in).logits[real], torch_logits(twin, model)[real]
torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
print(f"{ours.numel()} logits of size {ours.std():.1f} agree within 0.00001")
# %% [markdown] lang="zh"
# 为什么非要打乱参数？把 torch 末尾那个多余的 LayerNorm 装回去，再比一遍。新建的归一化里
# $\gamma = 1$，$\beta = 0$，归一化过的再归一化一次几乎不变，于是**多出来的一层查不出来**；参数一
# 乱，它就藏不住了：
# %% [markdown] lang="en"
# Why must the parameters be random? Put torch's additional LayerNorm back and compare again. In a
# fresh norm $\gamma = 1$ and $\beta = 0$; to normalise again what is normalised already changes
# next to nothing, and so **a layer too many goes unnoticed**. With random parameters it cannot
# hide:
# %%
fresh = Transformer(replace(small, attention_bias=True)).eval()
for name, one in {"fresh parameters": fresh, "random parameters": model}.items():
    twin = torch_twin(one)
    twin.decoder.norm = nn.LayerNorm(32)  # as torch has it
    right, extra = one(batch.source, batch.target_in).logits, torch_logits(twin, one)
    gap = (right - extra)[real].abs().max()
    print(f"{name:18} one LayerNorm too many changes a logit by up to {gap:.5f}")


# %% [markdown] lang="zh"
# 同样的对账，测试里做得更全（pre-norm、各种掩码、float64、梯度）：见
# [test_parity.py](../../tests/tiny_transformer/test_parity.py)。
#
# **练习 3**　只用 `layer` 的零件（`self_attention`、`cross_attention`、`feed_forward`，以及
# `residuals[i].norm`），自己把 post-norm 的解码器层接起来。裁判是 `nn.TransformerDecoderLayer`。
# %% [markdown] lang="en"
# The tests do this audit at greater length (pre-norm, all kinds of masks, float64, gradients): see
# [test_parity.py](../../tests/tiny_transformer/test_parity.py).
#
# **Exercise 3.** From nothing but the parts of `layer` (`self_attention`, `cross_attention`,
# `feed_forward`, and `residuals[i].norm`), put the post-norm decoder layer together. The judge is
# `nn.TransformerDecoderLayer`.
# %%
def candidate(layer, x, memory, target_mask, source_mask):  # put yours here
    return layer(x, memory, target_mask, source_mask)


layer = model.decoder.layers[0]
judge = nn.TransformerDecoderLayer(32, 4, 64, 0.0, batch_first=True)
copy_layer(judge, layer)
x, memory = torch.randn(3, 5, 32, generator=dice), torch.randn(3, 6, 32, generator=dice)
mine = candidate(layer, x, memory, causal_mask(5), source_mask)
theirs = judge(x, memory, ~causal_mask(5)[0, 0], memory_key_padding_mask=batch.source == 0)
torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
print("exercise 3: correct")


# %% [markdown] lang="zh"
# ## 12 数参数：论文的表 3
#
# **问题**　论文说 base 有 6500 万个参数，big 有 2.13 亿。我们的呢？
#
# **想法**　一行一行数。每个注意力有四个矩阵，没有偏置（论文的公式里没有）：$W^Q, W^K$ 是
# $D \times H d_k$，$W^V, W^O$ 是 $D \times H d_v$；通常 $H d_k = H d_v = D$，合计 $4D^2$。编码器层
# 一个注意力，解码器层两个。前馈网络 $2 D d_{ff} + d_{ff} + D$，每层一个。LayerNorm 各 $2D$，编码器
# 层两个，解码器层三个。嵌入 $VD$，只算一次。
# %% [markdown] lang="en"
# ## 12 Counting parameters: Table 3 of the paper
#
# **Question.** The paper gives 65 million parameters for base and 213 million for big. And ours?
#
# **Idea.** Count line by line. An attention has four matrices and no biases (the paper's formulas
# have none): $W^Q, W^K$ are $D \times H d_k$, and $W^V, W^O$ are $D \times H d_v$; mostly
# $H d_k = H d_v = D$, which makes $4D^2$. An encoder layer has one attention, a decoder layer two.
# The feed-forward network, one in every layer, has $2 D d_{ff} + d_{ff} + D$. A LayerNorm has $2D$;
# two in an encoder layer, three in a decoder layer. The embedding, $VD$, counts once.
# %%
def parts(D=512, d_ff=2048, N=6, H=8, d_k=64, d_v=64, V=37_000):
    attention = 2 * D * H * d_k + 2 * D * H * d_v
    return {
        "embedding": V * D,
        "attention": (N + 2 * N) * attention,
        "feed-forward": 2 * N * (2 * D * d_ff + d_ff + D),
        "LayerNorm": (2 * N + 3 * N) * 2 * D,
    }


base, big = parts(), parts(D=1024, d_ff=4096, H=16)
print(f"{'':13}{'base':>12}{'big':>14}")
for line in base:
    print(f"{line:13}{base[line]:12,}{big[line]:14,}")
print(f"{'total':13}{sum(base.values()):12,}{sum(big.values()):14,}")
assert (sum(base.values()), sum(big.values())) == (63_045_632, 214_171_648)


# %% [markdown] lang="zh"
# 算式对不对，让真模型来说（在 `meta` 设备上建，只有形状，不占内存），再让 torch 来说：它的注意力有
# 偏置，两叠末尾各多一个 LayerNorm，我们的 `attention_bias=True` 加 `norm="pre"` 正好也是这样。
# %% [markdown] lang="en"
# Is the arithmetic right? Let real models say (made on the `meta` device, which has shapes but no
# memory), and let torch say: its attention has biases and its stacks have one more LayerNorm each,
# just as ours have with `attention_bias=True` and `norm="pre"`.
# %%
def count(config):
    with torch.device("meta"):
        return sum(p.numel() for p in Transformer(config).parameters())


assert count(TransformerConfig.base()) == sum(base.values())
assert count(TransformerConfig.big()) == sum(big.values())

with torch.device("meta"):
    theirs = sum(p.numel() for p in nn.Transformer(batch_first=True).parameters())  # base
like_torch = count(replace(TransformerConfig.base(), attention_bias=True, norm="pre"))
assert like_torch == theirs + base["embedding"]
print(f"biases in attention and two norms more: {like_torch - sum(base.values()):,} parameters")
# %% [markdown] lang="zh"
# 词表取 37,000 时，base 恰好 63,045,632，论文写 65（百万）；big 恰好 214,171,648，论文写 213。一个
# 少了约 200 万，一个多了约 100 万。差在哪里？偏置和多出来的归一化只有四万，补不上。能补上的只有词
# 表：论文 5.1 节说的是“约 37000”。那么反过来问：表 3 里凡写了参数量的行，那个四舍五入后的数各要求
# 词表多大？
# %% [markdown] lang="en"
# At 37,000 tokens, base has exactly 63,045,632 parameters, and the paper says 65 (million); big has
# exactly 214,171,648, and the paper says 213. One is about 2 million short, the other about 1
# million over. What makes the difference? Biases and additional norms come to some forty thousand,
# too little by far. Only the vocabulary could: section 5.1 says "about 37000". So let us ask the
# other way round: Table 3 gives a rounded number of parameters for eleven of its rows. What
# vocabulary does each of them imply?
# %%
table_3 = [("base", {}, 65), ("(B) d_k 16", {"d_k": 16}, 58), ("(B) d_k 32", {"d_k": 32}, 60)]
table_3 += [(f"(C) N {N}", {"N": N}, millions) for N, millions in ((2, 36), (4, 50), (8, 80))]
table_3 += [("(C) D 256", {"D": 256, "d_k": 32, "d_v": 32}, 28)]
table_3 += [("(C) D 1024", {"D": 1024, "d_k": 128, "d_v": 128}, 168)]
table_3 += [(f"(C) d_ff {n}", {"d_ff": n}, millions) for n, millions in ((1024, 53), (4096, 90))]
table_3 += [("big", {"D": 1024, "d_ff": 4096, "H": 16}, 213)]

implied = {}  # row -> from, to
for row, sizes, millions in table_3:
    others, D = sum(parts(**sizes, V=0).values()), sizes.get("D", 512)
    implied[row] = [((millions + x) * 1e6 - others) / D for x in (-0.5, 0.5)]
low, high = zip(*implied.values(), strict=True)
print(f"base: {low[0]:,.0f} to {high[0]:,.0f}; big: {low[-1]:,.0f} to {high[-1]:,.0f}")
print(f"all rows but big: {max(low[:-1]):,.0f} to {min(high[:-1]):,.0f}")
# %%
fig, ax = figures.canvas(height=3.4)
rows = range(len(implied))
lengths = [y - x for x, y in zip(low, high, strict=True)]
colors = [figures.BLUE] * (len(implied) - 1) + [figures.ROSE]
_ = ax.barh(rows, lengths, 0.55, left=low, color=colors)
ax.axvline(37_000, color=figures.INK, linestyle="--", linewidth=1)
ax.text(37_080, -0.75, "section 5.1: about 37000", size=9)
ax.axvspan(max(low[:-1]), min(high[:-1]), color=figures.YELLOW, alpha=0.5)
ax.set_yticks(rows, implied)
ax.invert_yaxis()
ax.set(xlabel="vocabulary implied by the rounded number of parameters")
_ = ax.set(xlim=(35_000, 44_000), ylim=(10.6, -1.2))
# %% [markdown] lang="zh"
# base 和它的九个变体共十行，一个约 41,100 的词表全都说得通（黄带）；big 要的却是 36,000 左右，与黄
# 带不沾边。**没有一个词表能同时给出 65 和 213。** 论文没有交代怎么数的，我们也不猜；能说的只是：那
# 十行之间的差，也就是层数、宽度、$d_k$ 各值多少参数，与我们的算式处处相符。
#
# **练习 4**　写 `candidate(config)`，用一行行的算式（不建模型）数出任意配置的参数，`attention_bias`
# 和 `norm` 也要算进去。
# %% [markdown] lang="en"
# Base and its nine variants are ten rows, and a vocabulary of about 41,100 explains them all (the
# yellow band). But big asks for some 36,000, nowhere near the band. **No single vocabulary gives
# both 65 and 213.** The paper does not say how it counted, and we do not guess. What can be said is
# this: the differences between those ten rows, that is, what layers, widths and $d_k$ cost in
# parameters, agree with our arithmetic throughout.
#
# **Exercise 4.** Write `candidate(config)`, which counts the parameters of any configuration by
# arithmetic, without making a model; do not forget `attention_bias` and `norm`.
# %%
candidate = count  # put yours here

tiny, usual = TransformerConfig.tiny(), TransformerConfig.base()
cases = [tiny, usual, TransformerConfig.big(), replace(usual, num_decoder_layers=2)]
cases += [replace(tiny, attention_bias=True), replace(tiny, norm="pre"), replace(tiny, d_ff=7)]
for config in cases:
    with torch.device("meta"):
        truth = sum(p.numel() for p in Transformer(config).parameters())
    assert candidate(config) == truth, config
print("exercise 4: correct")
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的类可以顶替包里的那一个，跑同一批测试；裁判是 `torch.nn.Transformer` 和 `transformers` 的 Marian，
# 不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise Residual > my.py
# pytest --mine=my.py
# python -m tests.exercise --hint Residual
# ```
#
# 第一条打印题头（签名和文档，没有函数体），写完跑第二条；第三条给提示。本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `Residual` | 第 6、7 节：残差连接，就是练习 2，多了 dropout | 几行 |
# | `EncoderLayer` | 第 8 节：看一遍源句，再各自想 | 一下午 |
# | `DecoderLayer` | 第 8 节：看译文，看源句，再想；就是练习 3，整个类 | 一下午 |
#
# 在笔记本里用 `check`。下面这一份只错了一处：pre-norm 时，绕过子层的是归一化之后的 $x$。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are
# `torch.nn.Transformer` and Marian, an encoder-decoder of `transformers`, not our code. In the root
# of the repository:
#
# ```bash
# python -m tests.exercise Residual > my.py
# pytest --mine=my.py
# python -m tests.exercise --hint Residual
# ```
#
# The first prints the head (signature and docstring, no body); write the rest and run the second;
# the third gives a hint. The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `Residual` | sections 6 and 7: the residual connection, exercise 2 with dropout | a few lines |
# | `EncoderLayer` | section 8: look at the source, then think alone | an afternoon |
# | `DecoderLayer` | section 8: target, source, thought: exercise 3, the whole class | an afternoon |
#
# In a notebook there is `check`. The attempt below has one mistake: with pre-norm, what goes around
# the sublayer is the normalised $x$.
# %%
from tests.exercise import check


class Residual(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.pre_norm = config.norm == "pre"
        self.norm = torch.nn.LayerNorm(config.d_model, config.layer_norm_eps)
        self.dropout = torch.nn.Dropout(config.dropout)

    def forward(self, x, sublayer):
        x = self.norm(x) if self.pre_norm else x  # what should go around?
        x = x + self.dropout(sublayer(x))
        return x if self.pre_norm else self.norm(x)


# %%
right = check(Residual)
# %% [markdown] lang="zh"
# 从上往下读：post-norm 的测试过了，pre-norm 的没过；第一个不同的数在哪里，期望多少，得到多少；最后是
# 出处和怎样要提示。pre-norm 的直路上什么都不许有，连归一化也不许。
# %% [markdown] lang="en"
# Read it from the top: the test of post-norm has passed, that of pre-norm has not; where the first
# number differs, what was expected and what came out; and at the end where to read on and how to
# get a hint.
# Nothing may stand on the straight road of pre-norm, not even a norm.
# %% [markdown] lang="zh"
# ## 13 回顾
#
# 带走七句话：
#
# 1. 源和译文是**两个**序列；解码器的输入与它该说的话错开一格。
# 2. 嵌入乘 $\sqrt{D}$，词才不会被位置淹没；一个矩阵管两处嵌入和输出层。
# 3. 注意力传话，前馈网络各自想；只有注意力混合位置。
# 4. LayerNorm 只看一个词元自己，所以与邻居、填充、批大小都无关。
# 5. 残差给梯度留直路，也让词元保住自己；post-norm 起步要预热，pre-norm 不必。
# 6. 三种注意力共用一个类；记忆只算一次；掩码挡住的，影响恰好是 0。
# 7. 对账之前先打乱所有参数，否则多一层归一化也查不出来。
#
# 机器装好了，可它还一个字也不会译。下一章教它：[13 · 训练它翻译](13_training_to_translate.ipynb)。
# %% [markdown] lang="en"
# ## 13 Looking back
#
# Seven sentences to take along:
#
# 1. Source and target are **two** sequences, and the decoder's input is what it should say, shifted
#    by one.
# 2. Embeddings are multiplied by $\sqrt{D}$, so that positions do not drown words; one matrix
#    serves both embeddings and the output.
# 3. Attention passes news on, the feed-forward network thinks alone: only attention mixes
#    positions.
# 4. LayerNorm looks at one token, so neighbours, padding and the size of the batch play no part.
# 5. Residuals keep a straight road for gradients, and a token's own self; post-norm needs warm-up
#    to start, pre-norm does not.
# 6. Three kinds of attention share one class; the memory is computed once; what a mask blocks has
#    an influence of exactly 0.
# 7. Randomise all parameters before an audit, or even a norm too many goes unnoticed.
#
# The machine stands, but it cannot translate a word. The next chapter teaches it: [13 · Training it
# to translate](13_training_to_translate.ipynb).
