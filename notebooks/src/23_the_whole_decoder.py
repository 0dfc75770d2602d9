# %% [markdown] lang="zh"
# # 23 · 完整的解码器，以及它就是 Qwen2 的证明
#
# > **旅客自述**　前两章里，我从文字变成编号，从编号变成向量，被归一化、被旋转
# （[第 21 章](21_tokens_to_rope.ipynb)），又在注意力里与别的词元互通消息
# （[第 22 章](22_attention_and_cache.ipynb)）。那都是一段一段的路。这一章，请陪我从头走到尾：
# 进去时我是 5 个整数，出来时每个位置上是 2048 个分数。走完之后，请再验明正身：
# 凭什么说，这台手写的机器就是 Qwen2？
#
# 1. **旅程**：一个张量依次经过哪些运算？
# 2. **SwiGLU**：MLP 里为什么要有一道门？
# 3. **残差流**：每一层究竟改了什么？拿掉一层会怎样？
# 4. **输出层**：分数怎样变成概率，又怎样变成损失？
# 5. **生成**：一次一个词元，怎样选，怎样停？
# 6. **证明**：与 `transformers` 逐层对账；再把零件一个一个弄坏，看检查抓不抓得住。
# 7. **速度**：每生成一个词元，要读多少字节？
# 8. **真正的 Qwen2.5**：怎样换上。
# 9. **练习**。
#
# 上一章：[22 · 穿过注意力](22_attention_and_cache.ipynb)。下一章：[24 · 训练你自己的小 Qwen2](24_training_your_own.ipynb)。
#
# **预备知识**：第 21、22 章。
# **用时**：读一遍约 60 分钟；两个 CPU 核上全部运行约 30 秒，其中现场训练一个小模型约 5 秒；不联网，不下载任何东西。
#
# 字母沿用前两章：`B` 一批几句话，`T` 这次送进来几个词元，`D` 模型宽度，`H` 查询头数，`K` 键/值头数，
# `Dh` 头宽，`V` 词表大小；本章再加两个：`I` 是 MLP 的中间宽度，`L` 是层数。
# %% [markdown] lang="en"
# # 23 · The whole decoder, and the proof that it is Qwen2
#
# > **The tensor speaks.** In the last two chapters I went from text to ids and from ids to vectors,
# > was normalised and rotated ([chapter 21](21_tokens_to_rope.ipynb)), and heard from other tokens
# > in attention ([chapter 22](22_attention_and_cache.ipynb)). Those were stretches of the road. Now
# > come with me from end to end: I go in as 5 integers and come out as 2048 scores at each place.
# > And then ask for my papers: why should this hand-written machine be Qwen2?
#
# 1. **The journey**: which operations does a tensor go through, in order?
# 2. **SwiGLU**: why is there a gate in the MLP?
# 3. **The residual stream**: what does a layer change? What if one is taken out?
# 4. **The output layer**: how do scores become probabilities, and those a loss?
# 5. **Generation**: one token at a time; how to choose, how to stop?
# 6. **The proof**: layer by layer against `transformers`; then we break the parts one by one, and see
#    whether the check notices.
# 7. **Speed**: how many bytes must be read for one token?
# 8. **A real Qwen2.5**: what to change to load it.
# 9. **Exercises.**
#
# **You need**: chapters 21 and 22. **Time**: about 60 minutes to read; the whole chapter runs in about 30 seconds on two CPU
# cores, some 5 of which train a small model; no network, no downloads. Previous:
# [22 · Through attention](22_attention_and_cache.ipynb). Next:
# [24 · Training your own tiny Qwen2](24_training_your_own.ipynb).
#
# The letters are those of the last two chapters: `B` texts in a batch, `T` tokens coming in, `D` model
# width, `H` query heads, `K` key/value heads, `Dh` head width, `V` vocabulary. Two are new: `I` is the
# inner width of the MLP, `L` the number of layers.
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import copy
import inspect
import math
import random
import re
import warnings
from dataclasses import replace
from unittest.mock import patch

import torch
import torch.nn.functional as F

from qwen_blog import KVCache, Qwen2Config, Qwen2ForCausalLM, Trace, trace

_ = torch.set_grad_enabled(False)  # but for training and gradients, we only run forward
# %%
warnings.filterwarnings("ignore", message="IProgress")  # tqdm's remark: no widgets, no matter
import transformers
from transformers.models.qwen2 import modeling_qwen2 as hf

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


# %% [markdown] lang="zh"
# ## 1 一个张量的旅程
#
# **问题**　把 5 个编号交给模型，得到 `(1, 5, 2048)` 的分数。中间到底发生了什么，按什么次序？
#
# **想法**　别画框图，直接跟着走。`trace(model, ids)` 把模型运行一遍，每做一次 torch 运算就记一笔：
# 在哪个模块里，叫什么，吃进什么形状，吐出什么形状，数值多大。一次运算只要有一个输入是从编号变来的，
# 就算“在路上”（`path()`）；RoPE 的角度、掩码这些与编号无关、在路边备好的东西不算。
#
# 取四层的小模型 `Qwen2Config.nano()`，参数全部随机（第 21 章第 3 节讲过为什么）。
# %% [markdown] lang="en"
# ## 1 The journey of a tensor
#
# **Question.** Give a model 5 ids, and get scores of shape `(1, 5, 2048)`. What happens in between, in
# what order?
#
# **Idea.** No block diagrams: go along. `trace(model, ids)` runs the model once and writes down every
# torch operation: in which module, by what name, what shapes go in, what shape comes out, how large
# the numbers are. An operation is on the path (`path()`) if one of its inputs was made from the ids;
# the angles of RoPE and the mask do not depend on them, and are prepared beside the path.
#
# We take the small model of four layers, `Qwen2Config.nano()`, with all parameters random (chapter 22
# says why).
# %%
def random_model(config, seed=0):
    """Noise on every parameter: fresh biases are 0, fresh norms 1, and would hide mistakes."""
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    return model


model = random_model(Qwen2Config.nano())
journey = trace(model, [3, 1, 4, 1, 5])
print(f"{len(journey)} operations, {len(journey.path())} of them on the path")
print("logits:", tuple(journey.logits.shape))
same = model(torch.tensor([[3, 1, 4, 1, 5]]), output_attentions=True).logits
assert torch.equal(journey.logits, same)  # watching changes nothing
# %% [markdown] lang="zh"
# 一个 `Step` 记一次运算；`print(journey)` 会打出全部，连同均值和最值。我们只看第 0 层，
# 并且略去只搬动数字、不改变数字的运算（`view`、`transpose`、`cat` 之类）。最后一列是输出的标准差。
# %% [markdown] lang="en"
# A `Step` is one operation; `print(journey)` would show them all, with means and extremes. We look at
# layer 0 only, and leave out operations that carry numbers about without changing them (`view`,
# `transpose`, `cat` and the like). The last column is the standard deviation of the output.
# %%
MOVES = {"view", "transpose", "chunk", "getitem", "expand", "reshape", "flatten", "to", "cat"}


def by(shape):
    return "x".join(map(str, shape))


def table(steps):
    for s in steps:
        if s.op not in MOVES:
            place, inputs = s.module.removeprefix("model."), " ".join(map(by, s.inputs))
            print(f"{s.index:3} {place:33} {s.op:12}{inputs:20} -> {by(s.output):9}{s.std:7.2g}")


layer_0 = journey.path().within("model.layers.0")
table(layer_0)
# %% [markdown] lang="zh"
# > **旅客自述**　念给你听：
# >
# > 1. 进第 0 层时我是 `1x5x128`。先复制一份留在门口（残差），另一份去 `input_layernorm`：
# 平方、平均、加 $\epsilon$、开方取倒数、乘回去，标准差变成 1，再逐列乘上学来的权重。
# > 2. 三个 `linear` 把我变成 q（128 个数，4 个头）、k 和 v（各 64 个数，2 个头）。
# q 和 k 各自乘 cos、乘 sin、相加（`neg` 是 `rotate_half` 里的负号）：按位置转了一个角度。v 不转。
# > 3. 第一个 `matmul` 得到 `1x4x5x5`：4 个头，每个头 5 个查询对 5 个键的分数。
# 除以 $\sqrt{D_h}$，挡住未来，softmax；第二个 `matmul` 取回值，`o_proj` 把 4 个头揉成 128 个数。
# > 4. 第一个 `add`：取回来的东西加到门口那一份上。再归一化，进 MLP：宽到 344，两路相乘，再窄回 128。
# 第二个 `add`，出门。
# >
# > 出门时我又是 `1x5x128`，与进门时一样。所以层可以一层接一层地摞起来，想摞多少就摞多少。
#
# 每层恰好两个不在任何子模块里的 `add`。它们是整个架构的骨架，可是 `print(model)` 里看不到。
# %% [markdown] lang="en"
# > **The tensor speaks.** Read aloud:
# >
# > 1. I enter layer 0 as `1x5x128`. One copy of me waits at the door (the residual); the other goes
# >    to `input_layernorm`: square, mean, plus $\epsilon$, one over the root, times myself. My standard
# >    deviation is now 1, and each column is multiplied by a learned weight.
# > 2. Three `linear`s make me into q (128 numbers, 4 heads), and k and v (64 numbers, 2 heads each). q
# >    and k are each multiplied by cos, by sin, and added up (`neg` is the minus sign in `rotate_half`):
# >    turned by an angle that depends on the position. v is not turned.
# > 3. The first `matmul` gives `1x4x5x5`: 4 heads, in each the scores of 5 queries against 5 keys.
# >    Divided by $\sqrt{D_h}$, the future blocked, softmax; the second `matmul` fetches the values, and
# >    `o_proj` mixes the 4 heads into 128 numbers.
# > 4. The first `add`: what was fetched is added to the copy at the door. Normalised again, into the
# >    MLP: out to 344, two branches multiplied, back to 128. The second `add`, and out.
# >
# > I leave as `1x5x128`, just as I came. So layers can be stacked, as many as you like.
#
# Each layer has exactly two `add`s that lie in none of its submodules. They are the backbone of the
# whole architecture, and `print(model)` does not show them.
# %%
adds = [s for s in journey.path() if re.fullmatch(r"model\.layers\.\d+", s.module)]
print([f"{s.module.removeprefix('model.layers.')} {s.op}" for s in adds])  # layer, operation
assert [s.op for s in adds] == ["add"] * 2 * model.config.num_hidden_layers
assert {s.output for s in adds} == {(1, 5, 128)}

fig, axes = figures.canvas(2, 1, height=5, width=9)
works = Trace(tuple(s for s in layer_0 if s.op not in MOVES), journey.logits)
axes = works.draw(axes)
for name in axes[0].texts:
    name.set_text(name.get_text().removeprefix("layers.0.") if "0." in name.get_text() else "add")
axes[0].set_xticks([])
_ = axes[1].set_xlabel("operations of layer 0, in order")
# %% [markdown] lang="zh"
# 上图是张量的“体型”，下图是数值的大小，一条色带是一个子模块。两处深谷是 RMSNorm 在中途把每个词元
# 缩成一个数（均方）；中间的低处是 `4x5x5` 的分数，5 个词元时它很小，5000 个词元时它会长成最高的山
# （$T^2$）；右边的台地是 MLP，全层最胖的地方。下图里每过一个归一化层，标准差就被拉回 1 附近。
#
# 真正使用时，注意力走融合的一步（`fused=True`），解码时每次只进一个词元。三种走法比一比：
# %% [markdown] lang="en"
# Above is the size of the tensor, below the size of its numbers; each band is a submodule. The two deep
# valleys are RMSNorm, which on its way shrinks each token to one number (the mean square). The low
# ground in the middle is the `4x5x5` scores: small for 5 tokens, for 5000 it would be the highest
# mountain ($T^2$). The plateau on the right is the MLP, where the tensor is widest. In the lower
# panel, each norm brings the standard deviation back to about 1.
#
# In real use, attention is one fused step (`fused=True`), and in decoding one token comes at a time.
# Three ways to walk:
# %%
cache = KVCache.for_model(model, batch_size=1, max_length=6)
walks = {
    "step by step, 5 tokens": journey,
    "fused, 5 tokens (prefill)": trace(model, [3, 1, 4, 1, 5], fused=True, cache=cache),
    "fused, 1 token (decode)": trace(model, [9], fused=True, cache=cache),
}
for name, walk in walks.items():
    numbers = sum(math.prod(s.output) for s in walk.path())
    matrices = sum(s.op in ("linear", "bmm") for s in walk)  # bmm: a large matrix, read in slices
    operations = len(walk.path())
    print(f"{name:27}{operations} operations, {matrices} matrices, {numbers:7,} numbers out")
# %% [markdown] lang="zh"
# 解码一个词元，运算的次数一点没少，29 个权重矩阵照样从头读到尾，做出的数却只有五分之一上下。
# 第 7 节的速度就从这里来。
#
# > **教程里常见的错**　把 `print(model)` 当作模型的结构。它列出的是**零件清单**，按定义的次序；
# 残差相加、softmax、旋转、两路相乘都不是模块，不会出现。照着清单把模块从上到下串起来，
# 得到的是另一个网络。
#
# **试一试**　`trace(model, ids)` 里路边的运算（`on_path` 为假）有哪些？
# 猜一猜再打印 `[s.op for s in journey if not s.on_path]`。
# %% [markdown] lang="en"
# To decode one token takes no fewer operations than a prefill of five, and all 29 weight matrices
# are read from end to end, for about a fifth of the numbers. This is where section 7 begins.
#
# > **Where the tutorials you may have read go wrong.** They take `print(model)` for the structure. It
# > is a **list of parts**, in order of definition. The residual additions, softmax, the rotation, the
# > product of two branches are no modules and do not appear. Chain the modules as listed, and you get
# > another network.
#
# **Try it.** Which operations lie beside the path (`on_path` is false)? Guess, then print
# `[s.op for s in journey if not s.on_path]`.
# %% [markdown] lang="zh"
# ## 2 SwiGLU：带门的 MLP
#
# **问题**　注意力负责在词元之间搬运，MLP 负责在一个词元内部加工。2017 年的 MLP 是两个矩阵夹一个 ReLU。
# Qwen2 用三个矩阵，其中一路是“门”。为什么？
#
# **想法**　同一个输入走两路。`up` 这一路说“写什么”，`gate` 这一路说“写多少”：
# 它经过 silu，接近 0 就把对应的那个数关掉。两路逐个相乘，再由 `down` 压回原来的宽度。
#
# **公式**（Shazeer 2020，arXiv:2002.05202，式 6）
#
# $$\mathrm{MLP}(x) = W_\text{down}\bigl(\mathrm{silu}(W_\text{gate} x) \odot W_\text{up} x\bigr),
# \qquad \mathrm{silu}(z) = z \sigma(z) = \frac{z}{1 + e^{-z}}$$
#
# 三个矩阵都没有偏置。代码只有一行：
# %% [markdown] lang="en"
# ## 2 SwiGLU: an MLP with a gate
#
# **Question.** Attention carries things between tokens; the MLP works within one token. In 2017 the
# MLP was two matrices with a ReLU between them. Qwen2 has three, and one of them is a "gate". Why?
#
# **Idea.** The same input takes two branches. The `up` branch says what to write, the `gate` branch how
# much of it: it passes through silu, and where the result is near 0, the number is switched off. The two
# are multiplied entry by entry, and `down` brings the product back to the old width.
#
# **Formula** (Shazeer 2020, arXiv:2002.05202, eq. 6)
#
# $$\mathrm{MLP}(x) = W_\text{down}\bigl(\mathrm{silu}(W_\text{gate} x) \odot W_\text{up} x\bigr),
# \qquad \mathrm{silu}(z) = z \sigma(z) = \frac{z}{1 + e^{-z}}$$
#
# None of the three has a bias. The code is one line:
# %%
from qwen_blog import MLP

print(inspect.getsource(MLP.forward))
z = torch.linspace(-6, 6, 121)
torch.testing.assert_close(F.silu(z), z * torch.sigmoid(z))
lowest = z[F.silu(z).argmin()].item()
print(f"silu is lowest near z = {lowest:.1f}: {F.silu(z).min():.3f}")
# %%
fig, axes = figures.canvas(1, 2, height=3)
lines = {"relu": F.relu(z), "gelu": F.gelu(z), "silu": F.silu(z)}
axes[0] = figures.curve(axes[0], z, lines, xlabel="z")
axes[0].set(title="three activations", ylim=(-0.6, 4), xlim=(-6, 4))
gate, up = torch.meshgrid(z, z, indexing="xy")
ax = axes[1]
style = {"levels": range(-12, 13, 2), "cmap": figures.DIVERGING, "extend": "both"}
bar = fig.colorbar(ax.contourf(gate, up, F.silu(gate) * up, **style), ax=ax)
ax.set(title="one neuron: silu(gate) * up", xlabel="gate", ylabel="up")
ax.grid(False)
# %% [markdown] lang="zh"
# 右图是一个神经元，颜色是输出。左半边（门为负）几乎是白的：无论 `up` 说什么，输出都接近 0。右半边，
# 输出大致是 $\text{gate} \times \text{up}$：**两个特征相乘**。
#
# 这是没有门的 MLP 做不到的。ReLU 网络是分段线性的，有限个神经元永远拼不出精确的 $a \cdot b$。
# 带门的只要两个神经元，因为 $\mathrm{silu}(a) - \mathrm{silu}(-a) = a$：
#
# $$\mathrm{silu}(a)\cdot b + \mathrm{silu}(-a)\cdot(-b) = a b$$
# %% [markdown] lang="en"
# On the right is one neuron; the colour is its output. Its left half (negative gate) is almost white:
# whatever `up` says, the output is near 0. In its right half the output is roughly $\text{gate} \times \text{up}$: **a product
# of two features**.
#
# An MLP without a gate cannot do that. A ReLU network is piecewise linear; no finite number of neurons
# makes an exact $a \cdot b$. With a gate, two neurons suffice, since
# $\mathrm{silu}(a) - \mathrm{silu}(-a) = a$:
#
# $$\mathrm{silu}(a)\cdot b + \mathrm{silu}(-a)\cdot(-b) = a b$$
# %%
shape = {"hidden_size": 2, "intermediate_size": 2}
multiplier = MLP(replace(Qwen2Config.nano(), num_attention_heads=1, num_key_value_heads=1, **shape))
multiplier.gate_proj.weight.copy_(torch.tensor([[1.0, 0], [-1, 0]]))  # a, -a
multiplier.up_proj.weight.copy_(torch.tensor([[0.0, 1], [0, -1]]))  # b, -b
multiplier.down_proj.weight.copy_(torch.tensor([[1.0, 1], [0, 0]]))  # their sum, in column 0

ab = torch.tensor([[3.0, 4], [-2, 5], [-7, -6]])
print("a*b:", [round(x, 3) for x in multiplier(ab)[:, 0].tolist()])
torch.manual_seed(1)
ab = torch.randn(1000, 2)
torch.testing.assert_close(multiplier(ab)[:, 0], ab[:, 0] * ab[:, 1])
# %% [markdown] lang="zh"
# 再与 `transformers` 的 `Qwen2MLP` 对一次账。顺便验证一句要紧的话：MLP 对每个词元单独做，
# 词元换个次序，输出只是跟着换次序。**词元之间互通消息，全靠注意力。**
# %% [markdown] lang="en"
# Now against the `Qwen2MLP` of `transformers`. And a sentence that matters, tested: the MLP works on
# each token alone; shuffle the tokens, and the outputs are shuffled likewise. **Only attention carries
# anything between tokens.**
# %%
ours = model.model.layers[0].mlp
theirs = hf.Qwen2MLP(transformers.Qwen2Config(**model.config.to_dict()))
theirs.load_state_dict(ours.state_dict())
x = torch.randn(2, 7, 128)  # (B, T, D)
torch.testing.assert_close(ours(x), theirs(x))

shuffled = torch.randperm(7)
torch.testing.assert_close(ours(x[:, shuffled]), ours(x)[:, shuffled])
print("MLP: agrees with transformers; each token on its own")


# %% [markdown] lang="zh"
# ### 中间该有多宽
#
# 原来的 MLP 有两个矩阵，中间宽 $4D$，共 $8D^2$ 个参数。换成三个矩阵、又想保持参数不变，就要
#
# $$3 D I = 2 \cdot D \cdot 4D \quad\Longrightarrow\quad I = \tfrac{8}{3} D \approx 2.67 D$$
#
# 这就是 `8/3` 的由来。它只是一笔账，不是定律：有了 GQA，k 和 v 的矩阵变薄，省下的参数可以拨给 MLP。
# 下面按公布的 `config.json` 搭出 Qwen2.5 的七个尺寸（在 `meta` 设备上，不占内存；逐项的账第 21 章已经算过），
# 看 MLP 占多少。
# %% [markdown] lang="en"
# ### How wide inside
#
# The old MLP had two matrices and an inner width of $4D$: $8D^2$ parameters. To keep that with three:
#
# $$3 D I = 2 \cdot D \cdot 4D \quad\Longrightarrow\quad I = \tfrac{8}{3} D \approx 2.67 D$$
#
# This is where `8/3` comes from. It is bookkeeping, not a law: with GQA the matrices of k and v are
# thin,
# and what they save can go to the MLP. Below we build the seven sizes of Qwen2.5 from their published
# `config.json` (on the `meta` device, without memory; chapter 21 counted item by item) and look at the
# MLP's share.
# %%
def qwen2_5(D, inner, L, H, K):
    """The shape of a Qwen2.5; sizes up to 3B tie the output layer to the embedding."""
    sizes = {"hidden_size": D, "intermediate_size": inner, "num_hidden_layers": L}
    heads = {"num_attention_heads": H, "num_key_value_heads": K}
    small = D <= 2048
    vocab = {"vocab_size": 151936 if small else 152064, "tie_word_embeddings": small}
    return Qwen2Config(**sizes, **heads, **vocab)


published = {"0.5B": (896, 4864, 24, 14, 2), "1.5B": (1536, 8960, 28, 12, 2)}
published |= {"3B": (2048, 11008, 36, 16, 2), "7B": (3584, 18944, 28, 28, 4)}
published |= {"14B": (5120, 13824, 48, 40, 8), "32B": (5120, 27648, 64, 40, 8)}
published |= {"72B": (8192, 29568, 80, 64, 8)}
# %%
family = {}  # name -> (config, number of parameters)
print("size      D      I    I/D    parameters    MLP  attention  embedding and head")
for name, numbers in published.items():
    D, inner, *_ = numbers
    config = qwen2_5(*numbers)
    with torch.device("meta"):
        sizes = {n: p.numel() for n, p in Qwen2ForCausalLM(config).named_parameters()}
    total = sum(sizes.values())
    mlp, attn = (sum(sizes[n] for n in sizes if part in n) / total for part in (".mlp.", "attn."))
    family[name] = config, total  # the norms are too few to be seen in a percentage
    print(f"{name:5}{D:6}{inner:7}{inner / D:7.2f}{total:15,}", end="")
    print(f"{mlp:7.0%}{attn:9.0%}{1 - mlp - attn:14.0%}")
assert family["0.5B"][1] == 494_032_768
assert family["7B"][1] == 7_615_616_512
# %% [markdown] lang="zh"
# 比值从 2.7 到 5.8，只有 14B 用了 8/3 那样的比例。七个尺寸里，MLP 都占全部参数的六成以上：
# **一个大语言模型，大半是 MLP。**
#
# > **教程里常见的错**　一、把 SwiGLU 说成“一种激活函数，替换 ReLU 即可”。激活函数是 silu；
# SwiGLU 是整个三矩阵的结构。二、三个矩阵仍用 $I = 4D$，参数就悄悄多出一半（$12D^2$ 对 $8D^2$），
# 再拿它与 ReLU 的 MLP 比优劣，比的其实是大小。三、把门加在 `up` 那一路上：$\mathrm{silu}$ 包的是
# `gate_proj`，两个名字一换，形状不变，模型就错了（第 6 节会看到）。
#
# **试一试**　把 `multiplier` 改成计算 $a^2$，只用一个输入。（提示：$b = a$。）
# %% [markdown] lang="en"
# The ratio goes from 2.7 to 5.8; only the 14B is near 8/3. In all seven sizes the MLP holds more than 60%
# of all parameters: **a large language model is mostly MLP.**
#
# > **Where the tutorials you may have read go wrong.** First, "SwiGLU is an activation function, put
# > it in the place of ReLU". The activation is silu; SwiGLU is the whole structure of three matrices.
# > Second, with three matrices and still $I = 4D$, there are half as many parameters again ($12D^2$
# > against $8D^2$), and a comparison with a ReLU MLP compares sizes. Third, the gate on the wrong
# > branch: $\mathrm{silu}$ goes around `gate_proj`. Swap the two names and the shapes stay, but the model is
# > wrong (section 6 will show it).
#
# **Try it.** Change `multiplier` so that it computes $a^2$ from one input. (Hint: $b = a$.)
# %% [markdown] lang="zh"
# ## 3 残差流：每一层只改一点
#
# ### 先训练一个懂点东西的模型
#
# 下面几节要看模型“在想什么”，随机权重没什么可看的。我们现场训练一个：20 万个参数，几秒钟。
# 它只学一种句子：一颗虚构的行星有什么颜色的月亮，先英文，后中文。
#
# > Mira has a gold moon. 米拉有一颗金月亮。
#
# 行星和颜色随机抽，所以句子里只有两处真正猜不准；其余都能推出来。中文的名字和颜色要**回头看**英文才知道，
# 这得用上注意力。行星的概率按 $1, \frac12, \frac13, \dots$ 递减，模型学得准不准，因此有标准答案。
# 每颗行星还有一种颜色**从不出现**在训练里，留到考试时用：背句子的模型答不出来。
# %% [markdown] lang="en"
# ## 3 The residual stream: each layer changes a little
#
# ### First, a model that knows something
#
# The next sections look at what a model is "thinking"; random weights have little to show. So we train
# one here: 200 thousand parameters, a few seconds. It learns one kind of text only: which colour of
# moon a fictional planet has, in English and then in Chinese.
#
# > Mira has a gold moon. 米拉有一颗金月亮。
#
# Planet and colour are drawn at random, so there are just two places where one must guess; all the
# rest follows. For the Chinese name and colour the model has to **look back** at the English, and for
# that it needs attention. The planets' probabilities fall as $1, \frac12, \frac13, \dots$, so we know
# the right answer and can see how well the model learned it. And for each planet one colour **never
# occurs** in training but is kept for the exam: a model that learns sentences by heart will fail.
# %%
NAMES = {"Lumo": "露摩", "Vera": "维拉", "Kito": "基托", "Orin": "欧林"}
NAMES |= {"Sela": "塞拉", "Taro": "塔罗", "Nova": "诺瓦", "Mira": "米拉"}
COLOURS = {"red": "红", "blue": "蓝", "green": "绿", "white": "白", "black": "黑", "gold": "金"}
END = "<|endoftext|>"


def sentence(name, colour):
    return f"{name} has a {colour} moon. {NAMES[name]}有一颗{COLOURS[colour]}月亮。"


unseen = dict(zip(NAMES, [*COLOURS, "red", "blue"], strict=True))  # never: a red Lumo ...
dice = random.Random(0)
chance = [1 / rank for rank in range(1, 9)]  # Lumo is eight times as likely as Mira
names = dice.choices(list(NAMES), chance, k=1500)
texts = [sentence(name, dice.choice(sorted(COLOURS.keys() - {unseen[name]}))) for name in names]
print(*texts[:3], sep="\n")
# %% [markdown] lang="zh"
# 分词器也现场训练（第 21 章）。词表故意做小：常见的字各成一个词元，少见的字留作几个字节的碎片，
# 真正的 Qwen 也是这样对待生僻字的。第 5 节的流式输出要用到这些碎片。
#
# 训练数据每句前后各放一个 `<|endoftext|>`，右边填充；填充的地方，标签写 `-100`，
# 意思是“这里不计损失”（第 4 节）。再备一份考卷：全部 $8 \times 6 = 48$ 种句子，只考中文那一半。
# %% [markdown] lang="en"
# The tokenizer is trained here too (chapter 21). Its vocabulary is small on purpose: common characters
# become one token each, rare ones stay in pieces of a few bytes, as rare characters do in the real
# Qwen. Section 5 will need these pieces.
#
# The data have one `<|endoftext|>` before and after each sentence and are filled up on the right; there
# the label is `-100`, "no loss here" (section 4). And there is an exam: all $8 \times 6 = 48$ sentences,
# with only the Chinese half examined.
# %%
from qwen_blog import Tokenizer

pieces = [piece for text in texts for piece in re.findall(r" ?[A-Za-z]+|.", text)]
words = [piece for piece in pieces if piece.isascii()]  # count them twice: English becomes whole
tokenizer = Tokenizer.train(pieces + words, vocab_size=350, special_tokens=[END])
end = tokenizer.token_to_id(END)


def names_of(ids):
    """Each token as text, or its bytes in hexadecimal if it is part of a character."""
    names = {i: tokenizer.decode([i]) for i in ids} | {end: "end"}
    return [tokenizer.token_bytes(i).hex() if "\ufffd" in names[i] else names[i] for i in ids]


for name in ("Lumo", "Mira"):
    print("|".join(names_of(tokenizer.encode(sentence(name, "gold")))))


# %%
def pad(rows, filler):
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


rows = [[end, *tokenizer.encode(text), end] for text in texts]
train_ids, train_labels = pad(rows, end), pad(rows, -100)  # (1500, T) each

all_pairs = [(name, colour) for name in NAMES for colour in COLOURS]
exam = [[end, *tokenizer.encode(sentence(*pair)), end] for pair in all_pairs]
half = [row.index(tokenizer.encode(".")[0]) + 1 for row in exam]  # where the English ends
exam_ids = pad(exam, end)
exam_labels = pad([[-100] * n + row[n:] for n, row in zip(half, exam, strict=True)], -100)
print("training:", tuple(train_ids.shape), "exam:", tuple(exam_ids.shape))


# %%
def train(model, steps=150):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    picks = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = torch.randint(len(train_ids), (32,), generator=picks)
        loss = model(train_ids[batch], labels=train_labels[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


# %%
shape = {"vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 176}
config = replace(Qwen2Config.nano(), **shape, eos_token_id=end, initializer_range=0.06)
torch.manual_seed(0)
toy = Qwen2ForCausalLM(config)
untrained = copy.deepcopy(toy).eval()
with torch.enable_grad():
    losses = list(train(toy))
_ = toy.eval()
# %%
p = torch.tensor(chance) / sum(chance)
guesses = -(p * p.log()).sum() + math.log(5)  # nats: the name, and one of five colours
length = sum(p[i] * (len(exam[6 * i]) - 1) for i in range(8))  # tokens predicted in a sentence
fig, ax = figures.canvas(height=2.6)
ax = figures.curve(ax, range(1, 151), {"training loss": losses}, xlabel="step", log=True)
ax.axhline(guesses / length, color=figures.INK, linestyle="--", linewidth=1)
ax.text(1, guesses / length * 0.86, "what cannot be known", va="top", size=9)
ax.set(ylim=(0.1, 7), yticks=[0.2, 0.5, 1, 2, 5], yticklabels=[0.2, 0.5, 1, 2, 5])
ax.minorticks_off()
_ = ax.set(ylabel="nats a token", title=f"{toy.num_parameters():,} parameters")
# %% [markdown] lang="zh"
# 虚线不是随手画的。语料里只有两处不可预测：名字（熵为 $-\sum p \ln p$）和颜色（五选一，$\ln 5$）；
# 两者之和除以每句的词元数，就是底线：对新抽的句子，任何模型平均而言都低不过它（个别小批次碰巧会略低）。
# 150 步之后，能学的都学到了。考一考：
# %% [markdown] lang="en"
# The dashed line is not drawn by taste. Only two things in these texts cannot be predicted: the name
# (its entropy is $-\sum p \ln p$) and the colour (one of five, $\ln 5$). Their sum, divided by the
# number of tokens in a sentence, is a floor: on newly drawn sentences no model gets below it on average
# (a single batch may, by luck, dip under it). After 150 steps, what can be learned has been learned.
# The exam:
# %%
from qwen_blog import GenerationConfig, generate

prompts = [row[:n] for row, n in zip(exam, half, strict=True)]
replies = generate(toy, prompts, GenerationConfig(max_new_tokens=20), tokenizer)
expected = [row[n:-1] for row, n in zip(exam, half, strict=True)]
right = {x: r.ids == y for x, r, y in zip(all_pairs, replies, expected, strict=True)}
print(f"{sum(right.values())} of {len(right)} without a mistake,", end=" ")
print(f"of the unseen pairs {sum(right[pair] for pair in unseen.items())} of {len(unseen)}")
print(repr(tokenizer.decode(prompts[0][1:])), "->", repr(replies[0].text), replies[0].finish_reason)
assert all(right.values())
# %% [markdown] lang="zh"
# ### 一条流，许多笔修改
#
# **想法**　把门口那一份看成一条**残差流（residual stream）**：从嵌入开始，一路流到出口。
# 每个子层从流里读（先归一化），算出一笔修改，再**加**回流里。这里没有橡皮：要抹掉别人写的，
# 也只能加上一个相反的数。
#
# **公式**　第 $\ell$ 层：
#
# $$x \leftarrow x + \mathrm{Attn}_\ell(\mathrm{norm}(x)), \qquad
# x \leftarrow x + \mathrm{MLP}_\ell(\mathrm{norm}(x))$$
#
# 于是出口处的 $x$ 就是嵌入加上 $2L$ 笔修改，一个不多，一个不少：
#
# $$x_\text{out} = x_\text{embed} + \sum_{\ell=1}^{L} \bigl(\Delta_\ell^\text{attn} + \Delta_\ell^\text{mlp}\bigr)$$
# %% [markdown] lang="en"
# ### One stream, many edits
#
# **Idea.** Look at the copies at the doors as one **residual stream** that flows from the embedding to
# the way out. Each sublayer reads from it (normalised), works out an edit, and **adds** it back.
# There is no eraser: to undo what another wrote, one has to add its opposite.
#
# **Formula.** Layer $\ell$:
#
# $$x \leftarrow x + \mathrm{Attn}_\ell(\mathrm{norm}(x)), \qquad
# x \leftarrow x + \mathrm{MLP}_\ell(\mathrm{norm}(x))$$
#
# So at the way out, $x$ is the embedding plus $2L$ edits, no more, no less:
#
# $$x_\text{out} = x_\text{embed} + \sum_{\ell=1}^{L} \bigl(\Delta_\ell^\text{attn} + \Delta_\ell^\text{mlp}\bigr)$$
# %%
from qwen_blog import DecoderLayer

print(inspect.getsource(DecoderLayer.forward))


def edits_of(model, ids):
    """What is written to the stream, in order: (1 + 2L, B, T, D), the embedding first."""
    writers = ("embed_tokens", "o_proj", "down_proj")
    steps = trace(model, ids, keep=True, fused=True)
    return torch.stack([s.tensor for s in steps if s.module.endswith(writers)])


edits = edits_of(toy, exam_ids)
print("edits:", tuple(edits.shape))
torch.testing.assert_close(toy.model.norm(edits.sum(0)), toy.model(exam_ids).last_hidden_state)
# %% [markdown] lang="zh"
# 断言说的就是上面的求和式：九笔（嵌入算第一笔）相加，归一化，与模型的输出一致。那么每一笔有多大，流又涨到了多大？
# 长度取向量的范数，对所有词元求平均。
# %% [markdown] lang="en"
# The assertion is the sum above: nine edits, the embedding counted as the
# first, added up and normalised, equal the model's output. How
# large is each of them, and how large does the stream become? As the length we take the norm of the
# vector, averaged over all tokens.
# %%
writers = ["embed"] + [f"{part} {i}" for i in range(4) for part in ("attn", "mlp")]
fig, axes = figures.canvas(1, 2, height=3.1)
for ax, m in zip(axes, (untrained, toy), strict=True):
    edits = edits_of(m, exam_ids)
    sizes, flow = (x.norm(dim=-1).mean((1, 2)) for x in (edits, edits.cumsum(0)))
    colors = [figures.GREY] + [figures.BLUE, figures.ROSE] * 4
    bars = ax.bar(writers, sizes, color=colors)
    line = ax.plot(writers, flow, color=figures.INK, marker="o", label="stream so far")
    apart = sizes.square().cumsum(0).sqrt()  # at right angles, the squares of lengths add up
    line = ax.plot(writers, apart, ":", color=figures.INK, label="if edits were unrelated")
    ax.set(title=f"{'trained' if m is toy else 'untrained'}: length of each edit")
    ax.tick_params(axis="x", rotation=60)
    ax.grid(axis="x", visible=False)
legend = axes[0].legend()
# %% [markdown] lang="zh"
# 柱子是每一笔修改（蓝：注意力，红：MLP），黑线是写到那里为止的流，一层比一层长。点线是一把尺子：
# 假如各笔修改互不相干（彼此垂直），长度的平方相加。没训练过的模型与它几乎重合；
# 训练过的模型涨得快得多：MLP 写得最多，而且各层在**往同一个方向推**。
#
# ### 先归一化，再读：前置归一化（pre-norm）
#
# Qwen2 的归一化放在子层的**入口**（pre-norm），不放在相加之后（2017 年论文的 post-norm）。
# 好处有二。一，从最后一次归一化往回走，直到嵌入，有一条只有加法的直路，梯度沿着它原样回传。
# 二，子层只看得见流的**方向**：把流放大 10 倍，修改一模一样。
# %% [markdown] lang="en"
# The bars are the edits (blue: attention, rose: MLP), the black line is the stream as written so far,
# which grows from layer to layer. The dotted line is a yardstick: if the edits had nothing to do with
# each other (at right angles), the squares of their lengths would add up. The untrained model keeps
# close to it. The trained one grows much faster: its MLPs write most, and the layers **push in one
# direction**.
#
# ### Normalise, then read: pre-norm
#
# Qwen2 normalises at the **entrance** of a sublayer (pre-norm), not after the addition (post-norm, in
# the paper of 2017). This has two merits. First, from the last norm back to the embedding there is a
# straight road of nothing but additions, on which gradients return unchanged. Second, a sublayer sees
# only the **direction** of the stream: make the stream ten times as long, and the edit is the same.
# %%
layer = toy.model.layers[2]
x = edits_of(toy, exam_ids)[:5].sum(0)  # the stream before layer 2
edit = layer.mlp(layer.post_attention_layernorm(x))
edit_of_10x = layer.mlp(layer.post_attention_layernorm(10 * x))
torch.testing.assert_close(edit, edit_of_10x)
turn = [F.cosine_similarity(a, a + edit, dim=-1).mean().arccos().rad2deg() for a in (x, 10 * x)]
print(f"an edit turns the stream by {turn[0]:.1f} degrees, one 10x as long by {turn[1]:.1f}")


# %% [markdown] lang="zh"
# 所以流越长，同样一笔修改就越转不动它；后面的层想改变方向，就得写得更多。
# 名字也要当心：`post_attention_layernorm` 的意思是“在注意力之后、MLP **之前**”，
# 它归一化的是 MLP 的输入，不是注意力的输出。
#
# ### 拿掉一块会怎样
#
# 既然只是相加，把一笔修改换成 0，那个子层就消失了，别的照常运转。先确认：
# 两个子层都归零，整层就是恒等映射。
# %% [markdown] lang="en"
# So the longer the stream, the less the same edit turns it; a later layer that wants to change its
# direction has to write more. And mind the name: `post_attention_layernorm` means "after attention and
# **before** the MLP"; it normalises the input of the MLP, not the output of attention.
#
# ### What if a part is taken out
#
# As all is addition, put 0 in the place of an edit and that sublayer is gone, while the rest goes on.
# First make sure: with both sublayers at zero, a layer is the identity.
# %%
def without_attention(x, *_):
    return torch.zeros_like(x), None


def silenced(layer, part):
    """The sublayer writes nothing, for as long as the `with` lasts."""
    if part == "attn":
        return patch.object(layer.self_attn, "forward", without_attention)
    return patch.object(layer.mlp, "forward", torch.zeros_like)


cos, sin = toy.model.rotary_emb(torch.arange(x.shape[1])[None], x.dtype)
with silenced(layer, "attn"), silenced(layer, "mlp"):
    assert torch.equal(layer(x, cos, sin)[0], x)
assert not torch.equal(layer(x, cos, sin)[0], x)


# %%
def exam_loss():
    return toy(exam_ids, labels=exam_labels).loss.item()


left = {"all there": exam_loss()}
for i, layer in enumerate(toy.model.layers):
    for part in ("attn", "mlp"):
        with silenced(layer, part):
            left[f"no {part} {i}"] = exam_loss()
fig, ax = figures.canvas(height=3.4)
colors = [figures.GREY] + [figures.BLUE, figures.ROSE] * 4
ax = figures.bars(ax, list(left), list(left.values()), horizontal=True, colors=colors)
_ = ax.set(xlabel="nats a token, Chinese half", title="the exam, with one sublayer silenced")
# %% [markdown] lang="zh"
# 第 0 层不可缺，后面几层拿掉一笔几乎没事。这道题只需回头看一次，一层就够了；其余三层锦上添花。
# 即使缺了最要紧的一笔，模型也没有退回瞎猜（$\ln V \approx 5.9$）：残差结构经得起缺损。
# 给大模型剪枝、跳层，靠的都是这一点；但哪一层可以省，每个模型不同，要像这样实测。
#
# ### 半路上问一句：logit lens
#
# 流从头到尾是同一个空间（都是 $D$ 个数，都只做加法），那么不必等到出口：在任何一层之后，
# 直接接上最后的归一化和输出层，就能看到模型“此刻会说什么”。这叫
# **logit lens**（logit 透镜；nostalgebraist，2020）。
# %% [markdown] lang="en"
# Layer 0 cannot be spared; of the later ones, any single edit is hardly missed. The task asks for one look
# back, for which one layer is enough; the other three polish. Even without its most important edit the
# model does not fall to blind guessing ($\ln V \approx 5.9$): the residual structure bears losses. Pruning
# and layer skipping in large models rest on this; but which layer can be spared differs from model to
# model and has to be measured, as here.
#
# ### Asking half-way: the logit lens
#
# The stream is one space from beginning to end ($D$ numbers, nothing but additions). So there is no
# need to wait for the way out: after any layer, attach the last norm and the output layer, and see
# what the model would say at this point. This is the **logit lens** (nostalgebraist, 2020).
# %%
text = [end, *tokenizer.encode(sentence("Orin", "gold"))]
output = toy(torch.tensor([text]), output_hidden_states=True)
rows = []
for h in output.hidden_states[:-1]:  # the last entry is normed already
    rows.append(toy.lm_head(toy.model.norm(h))[0].softmax(-1))  # (T, V)
rows.append(output.logits[0].softmax(-1))
torch.testing.assert_close(rows[-1], toy.lm_head(output.hidden_states[-1])[0].softmax(-1))

lens = torch.stack(rows)[:, 1:]  # (1 + L, T, V), from the planet on
says = [names_of(row) for row in lens.argmax(-1).tolist()]
answer = lens[-1].argmax(-1)  # what the finished model says
agrees = lens[:, range(len(answer)), answer]  # (1 + L, T), how likely it is half-way
# %%
fig, ax = figures.canvas(height=3, width=9)
ax = figures.heatmap(ax, agrees, vmin=0, vmax=1)
for i, row in enumerate(says):
    for t, word in enumerate(row):
        ink = figures.PAPER if agrees[i, t] > 0.45 else figures.INK
        word = ax.text(t, i, figures.label(word), ha="center", va="center", size=9, color=ink)
ax.set_yticks(range(5), ["embedding"] + [f"after layer {i}" for i in range(4)])
ax.set_xticks(range(len(text) - 1), map(figures.label, names_of(text[1:])))
_ = ax.set(xlabel="token read", title="best guess half-way; colour: how likely the final answer is")
# %% [markdown] lang="zh"
# 一列一个词元，从上往下读，是模型逐渐改变主意的过程；颜色越深，离最后的答案越近。
#
# - 最上一行都在**重复自己**：嵌入还没被修改，而输出层就是同一张表（绑定权重），自己与自己的点积最大。
# - 过了第 0 层，几乎每一列都已经说对，约一半很有把握；后面几层把其余的一点一点推到 1，也就是上面“往同一个方向推”。
# - ` a` 那一列的格子直到最后都是浅的：英文里接下来是哪种颜色，本来就无从知道，拿不定主意才对。
# “颗”那一列接下来也是颜色词，格子却是深的：这一回可以回头看。
#
# > **教程里常见的错**　一、忘了最后的归一化，直接把中间的流送进输出层。二、归一化做了两遍：
# `hidden_states` 的最后一项（`transformers` 也一样）**已经**归一化过，前面各项没有。
# 三、把透镜看到的当作模型的“想法”：它只是把半成品按成品的方式读，读不懂不等于里面没有。
#
# **试一试**　把 `sentence("Orin", "gold")` 换成别的名字和颜色；再把 `toy` 换成 `untrained`，最上一行还在重复自己吗？
# %% [markdown] lang="en"
# Read a column from top to bottom: the model changing its mind about one token. The darker, the closer to
# the final answer.
#
# - The top row **repeats its own token**: nothing is edited yet, and the output layer is the same table
#   (tied weights), where a row's dot product with itself is the largest.
# - After layer 0 nearly every column says the right thing, about half of them with confidence. The later
#   layers push the rest towards 1: this is the "push in one direction" from above.
# - The column ` a` stays pale to the end: the colour in the English cannot be known, and the model rightly
#   hesitates. After 颗 comes a colour too, but that column is dark: now one can look back.
#
# > **Where the tutorials you may have read go wrong.** First, they forget the last norm and send the
# > stream straight to the output layer. Second, they normalise twice: the last entry of
# > `hidden_states` (in `transformers` too) **is** normalised, the others are not. Third, they take
# > what the lens shows for the model's "thoughts": it reads something half done as if it were done,
# > and what cannot be read may be
# > there all the same.
#
# **Try it.** Put other names and colours into `sentence("Orin", "gold")`. Then put `untrained` in the place
# of `toy`: does the top row still repeat itself?
# %% [markdown] lang="zh"
# ## 4 输出层：从分数到损失
#
# **问题**　流到了出口，每个词元还是 $D$ 个数。它怎样变成“下一个词元是谁”，又怎样知道自己错了多少？
#
# **想法**　最后做一次归一化，与词表里每个词元的那一行做点积，得到 $V$ 个分数，叫 **logits**；
# softmax 把它们变成概率。绑定权重时，这些行就是嵌入本身（第 21 章），所以出口其实在问：
# 流现在的方向，最像谁的嵌入？
#
# $$z_t = W \mathrm{norm}(x_t), \quad W \in \mathbb{R}^{V \times D}, \qquad
# p_t(v) = \frac{e^{z_{t,v}}}{\sum_{u} e^{z_{t,u}}}$$
#
# **损失**是正确答案的概率取负对数，单位是奈特（nat）。位置 $t$ 的分数，对的是位置 $t+1$ 的词元：
#
# $$\mathrm{loss} = -\frac{1}{|M|} \sum_{t \in M} \ln p_t(y_{t+1}), \qquad
# M = \lbrace t : y_{t+1} \ne -100 \rbrace$$
#
# 标签 $y$ 与输入**对齐**着给，错开一位在函数里做：
# %% [markdown] lang="en"
# ## 4 The output layer: from scores to a loss
#
# **Question.** At the way out, each token is still $D$ numbers. How do they become "the next token is
# this one", and how does the model learn how wrong it was?
#
# **Idea.** Normalise once more, and take the dot product with the row of every token in the vocabulary:
# $V$ scores, called **logits**. Softmax turns them into probabilities. With tied weights these rows are
# the embeddings themselves (chapter 21), so the way out asks: whose embedding does the stream now point
# to?
#
# $$z_t = W \mathrm{norm}(x_t), \quad W \in \mathbb{R}^{V \times D}, \qquad
# p_t(v) = \frac{e^{z_{t,v}}}{\sum_{u} e^{z_{t,u}}}$$
#
# The **loss** is minus the logarithm of the right answer's probability, in nats. The scores at place
# $t$ are about the token at place $t+1$:
#
# $$\mathrm{loss} = -\frac{1}{|M|} \sum_{t \in M} \ln p_t(y_{t+1}), \qquad
# M = \lbrace t : y_{t+1} \ne -100 \rbrace$$
#
# The labels $y$ are given **aligned** with the input; the shift by one happens in the function:
# %%
from qwen_blog import causal_lm_loss

print(inspect.getsource(causal_lm_loss))
assert toy.lm_head.weight is toy.model.embed_tokens.weight  # tied

text = [end, *tokenizer.encode(sentence("Mira", "gold")), end]
output = toy(torch.tensor([text]))
by_hand = output.last_hidden_state[0] @ toy.model.embed_tokens.weight.T  # (T, D) @ (D, V) -> (T, V)
torch.testing.assert_close(by_hand, output.logits[0])
# %%
answers = torch.tensor(text[1:])  # what place t should say: the token at t + 1
p = output.logits[0, :-1].softmax(-1)  # the last place has no answer
surprise = -p[range(len(answers)), answers].log()
fig, ax = figures.canvas(height=2.6, width=8)
ax = figures.bars(ax, list(map(figures.label, names_of(text[1:]))), surprise, form=".1f")
ax.tick_params(axis="x", labelsize=8)
ax.set(ylabel="nats", title="surprise of each token, given those before it")
least = -math.log(chance[-1] / sum(chance)), math.log(5)  # Mira; one of five colours
print(f"Mira {surprise[0]:.1f} nats, knowing the odds {least[0]:.1f}; one of five {least[1]:.1f}")
# %% [markdown] lang="zh"
# 一句话的损失几乎全在两处：行星的名字和颜色。颜色五选一，至少要 $\ln 5$ 奈特，模型略高；Mira 最少见，
# 模型把它的概率估得偏低，损失因此比知道真实概率时多出约 1 奈特。其余词元都推得出来，损失几乎为零：
# 中文那一半，英文已经说过了。
#
# 现在手算这句话的损失，再把英文那一半的标签写成 `-100`，只对回答求平均。后一种正是指令微调的做法：
# 提示词是用户写的，不该让模型去学。
# %% [markdown] lang="en"
# Nearly all of the sentence's loss is in two places: the planet's name and the colour. The colour, one of
# five, must cost $\ln 5$ nats, and does so with a little on top. Mira is the rarest; the model puts it too low, and is more
# surprised than somebody who knows the odds. All other tokens follow from what came before and cost next to
# nothing: of the Chinese half, the English has said it all.
#
# Now the loss of this sentence by hand; and then with labels of `-100` on the English half, to average
# over the reply only. The latter is how instruction tuning does it: the prompt is written by the user,
# and the model should not learn to write it.
# %%
inputs = torch.tensor([text])
torch.testing.assert_close(surprise.mean(), causal_lm_loss(output.logits, inputs))

reply_only = inputs.clone()
n = half[-1]  # the prompt: end Mira has a gold moon .
reply_only[:, :n] = -100
loss = causal_lm_loss(output.logits, reply_only)
torch.testing.assert_close(surprise[n - 1 :].mean(), loss)
print(f"all {len(surprise)} tokens: {surprise.mean():.2f} nats, the reply only: {loss:.2f}")

reference = hf.Qwen2ForCausalLM(transformers.Qwen2Config(**toy.config.to_dict()))
reference.load_state_dict(toy.state_dict())
torch.testing.assert_close(reference(inputs, labels=reply_only).loss, loss)
# %% [markdown] lang="zh"
# ### 没训练过的模型，损失是多少
#
# 什么都不知道时，最好的猜测是一视同仁：每个词元 $1/V$，损失 $\ln V$。刚造好的模型应当离它不远；
# 差得远，多半是初始化或错位有毛病。这是训练第一步最便宜的检查。
# %% [markdown] lang="en"
# ### The loss of a model that was never trained
#
# Knowing nothing, the best guess treats all tokens alike: $1/V$ each, a loss of $\ln V$. A fresh model
# should not be far from that; if it is, suspect the initialisation or a shift. It is the cheapest check
# of a first training step.
# %%
torch.manual_seed(0)
nano = Qwen2Config.nano()
random_ids = torch.randint(0, nano.vocab_size, (4, 64))
one_token = torch.full((4, 64), 7)
print(f"ln V = {math.log(nano.vocab_size):.2f}; for Qwen2-0.5B {math.log(151936):.2f}")
for tied in (False, True):
    torch.manual_seed(0)
    fresh = Qwen2ForCausalLM(replace(nano, tie_word_embeddings=tied)).eval()
    a, b = (fresh(x, labels=x).loss.item() for x in (random_ids, one_token))
    print(f"{'tied' if tied else 'untied':7} random text {a:.2f}, one token over and over {b:.2f}")


# %% [markdown] lang="zh"
# 随机文本上，两种都在 $\ln V$ 附近。可是“同一个词元重复下去”，绑定权重的模型生来就会一点：
# 损失明显低于 $\ln V$，与上一节透镜最上面那一行是同一个道理。拿重复的文本做这项检查，会以为模型已经学到了什么。
#
# > **教程里常见的错**　一、错位做了两遍：数据集里标签已经左移一位，模型里又移一位，
# 学的就成了“隔一个预测”，损失照样下降。本书和 `transformers` 的约定是：`labels` 与 `input_ids` 相同，不移。
# 二、填充的词元也算进损失，模型越学越会输出填充符。三、把各批的平均损失再平均：
# 各批的有效词元数不同，应当先加总，再除以总数。四、困惑度（perplexity）是 $e^{\mathrm{loss}}$，
# 词表不同的模型之间不能比。
#
# **试一试**　不绑定的那一行，比 $\ln V$ 略高一点。给定 logits 的方差 $s^2$，可以证明期望损失约
# 为 $\ln V + s^2/2$。用 `fresh` 验证。
# %% [markdown] lang="en"
# On random text both are near $\ln V$. But "the same token over and over" comes naturally to a model with
# tied weights: its loss is clearly below $\ln V$, for the same reason as the top row of the lens in the
# last section. On repetitive text this check would tell you that something had been learned already.
#
# > **Where the tutorials you may have read go wrong.** First, they shift twice: the data set moves the
# > labels by one, and the model does so again; it then learns to predict the token after the next, and
# > the loss goes down all the same. The convention of this book and of `transformers`: `labels` equal
# > `input_ids`, unshifted. Second, padding is counted in the loss, and the model gets better and better
# > at padding. Third, averages of batches are averaged again: batches differ in how many tokens count;
# > add up first, then divide by the total. Fourth, perplexity is $e^{\mathrm{loss}}$, and models with
# > different vocabularies cannot be compared by it.
#
# **Try it.** The untied model is not quite at $\ln V$. For logits of variance $s^2$, the expected
# loss is about $\ln V + s^2/2$. Check it with `fresh`.
# %% [markdown] lang="zh"
# ## 5 生成：一次一个词元
#
# ### 循环
#
# **问题**　模型只会给下一个词元打分。一整段回答从哪里来？
#
# **想法**　选一个，接在后面，再来一遍。笨办法每次把整段重新送进去；有了 KV 缓存（第 22 章），
# **预填充**（prefill）把提示词一次送完，之后**解码**（decode）每步只送一个新词元。两种办法，答案相同：
# %% [markdown] lang="en"
# ## 5 Generation: one token at a time
#
# ### The loop
#
# **Question.** A model only scores the next token. Where does a whole reply come from?
#
# **Idea.** Choose one, append it, repeat. The plain way sends everything in again each time. With a KV
# cache (chapter 22), **prefill** sends the prompt in at once, and after it each step of **decoding**
# sends just one new token. Two ways, one answer:
# %%
def plain(model, ids, n):
    for _ in range(n):
        scores = model(torch.tensor([ids])).logits[0, -1]
        ids = [*ids, int(scores.argmax())]
    return ids


def cached(model, ids, n):
    cache, new = KVCache.for_model(model, 1, len(ids) + n), ids  # first the prompt
    for _ in range(n):
        scores = model(torch.tensor([new]), cache=cache, logits_to_keep=1).logits[0, -1]
        new = [int(scores.argmax())]  # then one token a step
        ids = ids + new
    return ids


prompt, n = prompts[-1], len(replies[-1].ids) + 1
assert plain(toy, prompt, n) == cached(toy, prompt, n) == prompt + replies[-1].ids + [end]
print("rows through the model:", sum(len(prompt) + i for i in range(n)), "or", len(prompt) + n - 1)
# %% [markdown] lang="zh"
# 包里的循环 `generate_ids` 与 `cached` 是同一回事，多了三样：一批好几句（左填充），采样，重复惩罚。
# 它只管产生词元，不管何时停；停止由外面的 `generate` 和 `stream` 决定。全文如下：
# %% [markdown] lang="en"
# The loop of the package, `generate_ids`, is `cached` with three additions: several texts in a
# batch
# (padded on the left), sampling, and a repetition penalty. It makes tokens and does not know when to
# stop; that is for `generate` and `stream` around it. Here it is:
# %%
from qwen_blog.generation import generate_ids

print(inspect.getsource(generate_ids))
# %% [markdown] lang="zh"
# ### 什么时候停，怎样一点一点地吐
#
# 停下来有三种原因：出现了停止词元（`eos_token_id`，不算在回答里）；文本里出现了**停止
# 串**（stop string，约定好的一段文字）；或者到了长度上限。前两种 `finish_reason` 是 `"stop"`，后一种是 `"length"`。
#
# 流式输出（`stream`）有两处要小心。一个汉字可能分成好几个词元（第 21 章），凑齐才能给人看；
# 停止串也可能跨着词元，**像是开头的那几个字要先扣住**，确认不是才放行。看“米”的三个字节：
# %% [markdown] lang="en"
# ### When to stop, and how to give out text bit by bit
#
# There are three reasons to stop: a stop token came (`eos_token_id`, no part of the reply); a stop string
# came up in the text; or the length is used up. `finish_reason` is `"stop"` for the first two, `"length"`
# for the last.
#
# Streaming (`stream`) needs care in two places. A Chinese character may be several tokens (chapter 21),
# and can be shown only when it is whole. And a stop string may straddle tokens: **what could be its
# beginning is held back** until it is clear that it is not. Watch the three bytes of 米:
# %%
from qwen_blog import stream

print("tokens:", names_of(replies[-1].ids))
print("stream:", list(stream(toy, prompt, tokenizer)))

until = GenerationConfig(stop_strings=("金月亮",))
print("until 金月亮:", list(stream(toy, prompt, tokenizer, until)))  # 金 and 月 never appear
reply = generate(toy, [prompt], until, tokenizer)[0]
print(repr(reply.text), reply.finish_reason)
assert "".join(stream(toy, prompt, tokenizer, until)) == reply.text

short = generate(toy, [prompt], GenerationConfig(max_new_tokens=2), tokenizer)[0]
print(repr(short.text), short.finish_reason)  # cut in the middle of a character
# %% [markdown] lang="zh"
# ### 一批几句：左填充
#
# 提示词长短不一，短的在**左边**填充，这样最新的词元都在最后一列。掩码挡住填充，
# 位置从第一个真词元数起。结果必须与单独生成一模一样：
# %% [markdown] lang="en"
# ### Several texts: padding on the left
#
# Of prompts of unequal length, the short ones are filled up on the **left**, so that the newest tokens
# are all in the last column. The mask hides the padding, and positions count from the first real token.
# The result must equal that of each prompt alone:
# %%
from qwen_blog.generation import pad_left

ragged = [[end], prompts[8], exam[-1][:11]]  # 1, 7 and 11 tokens
batch, mask = pad_left(ragged, context=256)
for row, real in zip(batch.tolist(), mask, strict=True):
    print("|".join(name if r else "·" for name, r in zip(names_of(row), real, strict=True)))
limit = GenerationConfig(max_new_tokens=18)
together = generate(toy, ragged, limit, tokenizer)
for alone, reply in zip(ragged, together, strict=True):
    assert generate(toy, [alone], limit, tokenizer)[0] == reply
    print(repr(reply.text))
# %% [markdown] lang="zh"
# 哪些步骤可以省？逐个省掉，看第二行（7 个真词元）接下去最可能的词元，
# 并与单独算的 logits 比较：
# %% [markdown] lang="en"
# Which of these steps could be left out? Leave them out one by one, look at the most likely next token of
# the second row (7 real tokens), and compare with the logits of that row alone:
# %%
positions = (mask.cumsum(1) - 1).clamp(min=0)
right_pad = torch.tensor([prompts[8] + [0] * 4])
tries = {
    "as it should be": toy(batch, mask, positions).logits[1, -1],
    "no positions given": toy(batch, mask).logits[1, -1],
    "no mask": toy(batch, None, positions).logits[1, -1],
    "right padding, last column": toy(right_pad, right_pad > 0).logits[0, -1],
}
truth = toy(torch.tensor([prompts[8]])).logits[0, -1]
for name, scores in tries.items():
    error = (scores - truth).abs().max()
    top, p = scores.argmax().item(), scores.softmax(-1).max()
    print(f"{name:27} most likely {names_of([top])[0]!r:8} {p:.2f}  right: {bool(error < 1e-3)}")
# %% [markdown] lang="zh"
# 不给位置居然也对：这一行的位置整体后移了 4，而 RoPE 只看相对距离（第 22 章）。
# 换成绝对位置编码的模型就不行了，所以 `generate` 照样把位置写对。
# 忘了掩码，模型把填充当成了上文：这一次首选碰巧没变，分数却已经错了。右填充再取最后一列，
# 问的是“填充之后该是什么”。后两种都不报错。
#
# ### 采样：从分布里挑一个
#
# **问题**　每次都取最可能的（贪心，`temperature=0`），同样的提示词永远得到同样的回答。想要变化，又不想胡说，怎么办？
#
# 办法都是改动 logits 再抽签。设 $p$ 是概率，$z$ 是 logits：
#
# - **温度（temperature）** $z \to z/\tau$：$\tau<1$ 更尖，$\tau>1$ 更平；
# - **top-k**：只留最可能的 $k$ 个；
# - **top-p**：从大到小，留到累计概率够 $p$ 为止，**跨过门槛的那一个也留**；
# - **min-p**：只留概率不低于最大者 $p$ 倍的，门槛随模型的把握浮动；
# - **重复惩罚**：出现过的词元，正的 $z$ 除以 $r$，负的乘以 $r$（$r>1$）。
# %% [markdown] lang="en"
# Without positions it is right all the same: the row is shifted by 4, and RoPE sees relative distances
# only (chapter 22). A model with absolute positions would fail, so `generate` sets them properly
# anyway. Without the mask, the model takes the padding for context: this time the first choice happens to
# survive, but the scores are wrong. With padding on the right and the last column, the question becomes
# "what comes after padding". Neither raises an error.
#
# ### Sampling: drawing from the distribution
#
# **Question.** Always taking the most likely token (greedy, `temperature=0`) gives the same reply to
# the same prompt, for ever. How to get variety without nonsense?
#
# Every way changes the logits, then draws at random. With probabilities $p$ and logits $z$:
#
# - **temperature** $z \to z/\tau$: sharper for $\tau<1$, flatter for $\tau>1$;
# - **top-k**: keep the $k$ most likely;
# - **top-p**: from the top, keep until their probabilities sum to $p$; **the one that crosses the
#   threshold is kept too**;
# - **min-p**: keep what is at least $p$ times as likely as the most likely; this threshold moves with
#   the model's confidence;
# - **repetition penalty**: for tokens that occurred, divide a positive $z$ by $r$, multiply a negative
#   one by $r$ (with $r>1$).
# %%
from qwen_blog.sampling import apply_min_p, apply_repetition_penalty, apply_top_k, apply_top_p

z = toy(torch.tensor([[end]])).logits[:, -1]  # (1, V): which planet does the text begin with?
planets = [tokenizer.encode(name)[0] for name in NAMES]
seen = torch.zeros_like(z, dtype=torch.bool)
seen[0, planets[0]] = True  # as if Lumo had occurred
views = {
    "temperature 1": z,
    "temperature 0.5": z / 0.5,
    "temperature 2": z / 2,
    "temp. 2, min-p 0.1": apply_min_p(z / 2, 0.1),
    "top-k 3": apply_top_k(z, 3),
    "top-p 0.8": apply_top_p(z, 0.8),
    "min-p 0.2": apply_min_p(z, 0.2),
    "penalty 1.2 (Lumo)": apply_repetition_penalty(z, seen, 1.2),
}
# %%
fig, axes = figures.canvas(2, 4, height=4.2)
original = z.softmax(-1)[0]
for ax, (title, logits) in zip(axes.flat, views.items(), strict=True):
    p = logits.softmax(-1)[0]
    shares = [[*x[planets].tolist(), 1 - x[planets].sum().item()] for x in (p, original)]
    drawn = ax.bar([*NAMES, "rest"], shares[0], color=[figures.BLUE] * 8 + [figures.ROSE])
    outline = [0, *shares[1], 0]
    ghost = ax.step(range(-1, 10), outline, where="mid", color=figures.INK, linewidth=0.8)
    ax.set_title(title, size=10)
    ax.set(ylim=(0, 0.75), xlim=(-0.8, 8.8))
    ax.tick_params(axis="x", rotation=90, labelsize=7)
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(axis="x", visible=False)
# %% [markdown] lang="zh"
# 同一个真实的分布，八种处置；细线是原样。“rest” 是其余 342 个词元合起来。看三处：
#
# - 温度 2 那一格，“rest” 涨了起来。它们各自的概率小得可怜，可是个数多；温度把它们一起抬高了：
# 高温的毛病**不在平，在尾巴**。
# - 它右边那一格，min-p 砍掉了尾巴，名字之间却依然平缓。
# - top-p 0.8 与 min-p 0.2 都只砍尾巴，门槛却不同：前者数总量，后者只与第一名比。
#
# 这些函数各只有几行，次序也有讲究：先惩罚，再温度，然后 top-k、top-p、min-p，与 `transformers` 相同。
# 拿它们与 `transformers` 自己的处理器逐个对账：
# %% [markdown] lang="en"
# One real distribution, treated in eight ways; the thin line is the original. "rest" are the other 342
# tokens together. Look at three things:
#
# - At temperature 2, "rest" has grown. Each of them is very unlikely, but they are many, and
#   temperature lifts them all. **What is wrong with high temperatures is not the flatness but the
#   tail.**
# - To its right, min-p has cut the tail off, and the names are still close to each other.
# - top-p 0.8 and min-p 0.2 both cut the tail only, by different thresholds: the one counts a total, the
#   other compares with the first alone.
#
# Each of these functions is a few lines. Their order matters: penalty, temperature, top-k, top-p, min-p,
# as in `transformers`. Let us check each of them against the processors of `transformers`:
# %%
torch.manual_seed(0)
logits = torch.randn(64, 500) * 4
history = torch.randint(0, 500, (64, 30))
seen = torch.zeros(64, 500, dtype=torch.bool).scatter_(1, history, True)
penalty = transformers.RepetitionPenaltyLogitsProcessor(1.3)
pairs = {
    "penalty": (apply_repetition_penalty(logits, seen, 1.3), penalty),
    "temperature": (logits / 0.7, transformers.TemperatureLogitsWarper(0.7)),
    "top-k": (apply_top_k(logits, 20), transformers.TopKLogitsWarper(20)),
    "top-p": (apply_top_p(logits, 0.9), transformers.TopPLogitsWarper(0.9)),
    "min-p": (apply_min_p(logits, 0.05), transformers.MinPLogitsWarper(0.05)),
}
for name, (ours, processor) in pairs.items():
    assert torch.equal(ours, processor(history, logits.clone())), name
    print(f"{name:12} equal, kept {ours.isfinite().sum(1).float().mean():5.1f} of 500 on average")


# %% [markdown] lang="zh"
# 抽签要可重复，就把种子交给一个 `torch.Generator`。同一个种子，我们与 `transformers`
# 抽出来的词元也**一个不差**，下面试 20 个种子：
# %% [markdown] lang="en"
# To make a draw repeatable, give the seed to a `torch.Generator`. With the same seed, we and
# `transformers` draw the very same tokens; below we try 20 seeds:
# %%
def sample_text(temperature, seed, **settings):
    chosen = GenerationConfig(max_new_tokens=24, temperature=temperature, **settings)
    dice = torch.Generator().manual_seed(seed)
    return generate(toy, [[end]], chosen, tokenizer, dice)[0]


for settings in ({"temperature": 1.0}, {"temperature": 2.0}, {"temperature": 2.0, "min_p": 0.1}):
    print(settings, *[repr(sample_text(seed=seed, **settings).text) for seed in (1, 2)], sep="\n  ")
# %%
settings = {"temperature": 0.9, "top_k": 50, "top_p": 0.95}
ask = {"attention_mask": torch.ones(1, 1), "max_new_tokens": 24, "pad_token_id": end}
for seed in range(20):
    torch.manual_seed(seed)  # transformers draws from the global generator
    theirs = reference.generate(torch.tensor([[end]]), do_sample=True, **ask, **settings)
    ours = sample_text(seed=seed, **settings)
    assert [*ours.ids, end] == theirs[0, 1:].tolist()
print("20 seeds, the same tokens; the last:", ours.text)


# %% [markdown] lang="zh"
# > **教程里常见的错**　一、top-p 少留一个：写成“累计超过 $p$ 的都删”，跨过门槛的那个也没了；
# 若第一名的概率就超过 $p$，便一个不剩。二、先 top-p 后温度：门槛是按温度之前的分布算的，
# 留下的个数不对。三、`temperature=0` 时照样拿 logits 去除以 0，得到 NaN。四、重复惩罚只写 `z / r`：
# 负的 logits 除以大于 1 的数反而变大，成了奖励。五、用“采样结果看起来差不多”当检查：
# 固定种子，就可以逐个词元比较。
#
# **试一试**　把 `views` 里的 `z` 换成别的提示词的 logits，例如英文写完 `a` 之后的颜色分布，看哪一种处置先把它变成一个词元。
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** First, top-p that keeps one too few: "remove
# > where the sum exceeds $p$" removes the one that crosses the threshold too, and where the first alone
# > exceeds $p$, nothing is left. Second, top-p before temperature: the threshold then belongs to another
# > distribution. Third, dividing by `temperature=0`, which gives NaN. Fourth, a penalty that is just
# > `z / r`: a negative logit divided by more than 1 grows, and the penalty is a reward. Fifth, "the
# > samples look about right" as a check: with a fixed seed, compare token by token.
#
# **Try it.** Put the logits of another prompt into `views`, such as the colours after English `a`.
# Which treatment is the first to leave a single token?
# %% [markdown] lang="zh"
# ## 6 证明：它就是 Qwen2
#
# > **旅客自述**　我走完了全程。可是，怎么知道这就是 Qwen2 的路，而不是一条长得很像的路？
# 形状对，不报错，甚至训练得起来，都不算数。
#
# ### 同样的权重，两台机器
#
# **想法**　让 `transformers` 造一个 `Qwen2ForCausalLM`，把**每一个**参数都换成随机数，抄进我们的模型，
# 送进同样的编号，然后比较一切能比的：logits、每一层的流、梯度、生成的词元。
#
# 为什么非要全部随机？刚造好的模型，偏置全是 0，归一化权重全是 1。漏写一个偏置，等于加 0；
# 忘了乘权重，等于乘 1。错误被初始值遮得严严实实。先数一数，有多少张量是这样：
# %% [markdown] lang="en"
# ## 6 The proof: it is Qwen2
#
# > **The tensor speaks.** I have walked the whole way. But how do we know that this is Qwen2's way, and
# > not one that looks much like it? Right shapes, no errors, even that it can be trained: none of this
# > counts.
#
# ### The same weights, two machines
#
# **Idea.** Let `transformers` make a `Qwen2ForCausalLM`, give **every** parameter a random value, copy
# them into our model, send in the same ids, and compare whatever can be compared: logits, the stream
# after each layer, gradients, generated tokens.
#
# Why every one of them? In a fresh model all biases are 0 and all norm weights 1. To forget a bias is to
# add 0; to forget a norm's weight is to multiply by 1. The initial values hide the mistake completely.
# First count how many tensors are like that:
# %%
def twins(config, noise=True, seed=0):
    """Ours and transformers', with the same weights; with `noise`, every one of them random."""
    torch.manual_seed(seed)
    theirs = hf.Qwen2ForCausalLM(transformers.Qwen2Config(**config.to_dict())).eval()
    for name, parameter in theirs.named_parameters():
        if noise:
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.08)
    ours = Qwen2ForCausalLM(config).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: every name and shape must fit
    return ours, theirs


_, fresh = twins(Qwen2Config.nano(), noise=False)
constant = [name for name, p in fresh.named_parameters() if p.min() == p.max()]
count = len(list(fresh.parameters()))
print(f"{len(constant)} of {count} fresh tensors are all 0 or all 1, such as")
print("\n".join(constant[:4]))
# %%
base = Qwen2Config.nano()
ours, theirs = twins(base)
torch.manual_seed(1)
ids = torch.randint(0, base.vocab_size, (2, 48))
a, b = ours(ids, output_attentions=True).logits, theirs(ids).logits  # step by step; fused
error = (a - b).abs().amax(-1)  # (B, T): the worst of 2048 scores at each place
print(f"logits {tuple(b.shape)}, standard deviation {b.std():.1f}")
print("worst error at any place below 1e-4:", bool(error.max() < 1e-4))
torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


# %% [markdown] lang="zh"
# ### 是舍入，还是错误
#
# 误差不是 0，只是很小。凭什么说它是舍入，而不是一个很小的错误？用精度来分辨：**舍入误差随精度缩小，错误不会**。
# 同一批权重，分别用 bfloat16、float32、float64 算，看每一层之后的流差多少
# （最大差值除以流的标准差）。再故意丢掉 k 的偏置，也用两种精度算一遍。
#
# 有一处要先处理：`transformers` 的 RMSNorm 不管模型是什么精度，里面一律转成 float32。
# float64 那一轮，我们给它换上 torch 自己的 `F.rms_norm`，裁判仍然不是我们的代码。
# %% [markdown] lang="en"
# ### Rounding, or a mistake
#
# The error is not 0, only small. Why should it be rounding, and not a small mistake? Precision tells:
# **rounding shrinks with precision, a mistake does not.** With the same weights we compute in bfloat16,
# float32 and float64, and look at how far the streams are apart after each layer (largest difference
# over the stream's standard deviation). Then we drop the bias of k on purpose, in two precisions.
#
# One thing first: RMSNorm in `transformers` casts to float32 inside, whatever the model's precision. For
# the float64 run we give it torch's own `F.rms_norm`; the judge is still none of our code.
# %%
def torch_norm(self, x):
    return F.rms_norm(x, self.weight.shape, self.weight, self.variance_epsilon)


@patch.object(hf.Qwen2RMSNorm, "forward", torch_norm)
def drift(ours, theirs, ids, dtype):
    """Largest difference after each layer and of the logits, over the standard deviation."""
    ours, theirs = (copy.deepcopy(m).to(dtype) for m in (ours, theirs))
    a = ours(ids, output_hidden_states=True, output_attentions=True)  # step by step
    b = theirs(ids, output_hidden_states=True)  # fused
    assert torch.equal(a.hidden_states[0], b.hidden_states[0])  # the embeddings are the same rows
    mine, other = ((*out.hidden_states[1:], out.logits) for out in (a, b))
    pairs = zip(mine, other, strict=True)
    return [((x - y).abs().max() / y.std()).item() for x, y in pairs]


# %%
unbiased = copy.deepcopy(ours)
for layer in unbiased.model.layers:
    layer.self_attn.k_proj.bias.zero_()
lines = {}
for name in ("bfloat16", "float32", "float64"):
    lines[name] = drift(ours, theirs, ids, getattr(torch, name))
for name in ("float32", "float64"):
    lines[f"no k bias, {name}"] = drift(unbiased, theirs, ids, getattr(torch, name))
assert max(lines["float32"]) < 1e-4  # rounding shrinks
assert max(lines["float64"]) < 1e-12
assert abs(lines["no k bias, float32"][-1] / lines["no k bias, float64"][-1] - 1) < 0.01
print("float32 below 1e-4, float64 below 1e-12; the mistake is the same size in both")
# %%
fig, ax = figures.canvas(height=3.6)
ax = figures.curve(ax, range(5), lines, log=True, marker="o", ylabel="relative difference")
ax.lines[1].set(color=figures.CYAN)
ax.lines[3].set(color=figures.ROSE)
ax.lines[4].set(color=figures.INK, linestyle=":")
ax.set_xticks(range(5), [f"layer {i}" for i in range(3)] + ["last, normed", "logits"])
ax.set(ylim=(1e-16, 1e1), title="ours against transformers")
_ = ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
# %% [markdown] lang="zh"
# 三条线随精度一档一档往下落，落差与各自的舍入单位相当（bfloat16 约 $2^{-8}$，float32 约 $2^{-24}$，
# float64 约 $2^{-53}$）。丢了 k 偏置的那条线，两种精度里一样高，黑点正落在红线上：那是错误。
# 注意它只比 bfloat16 的舍入高出几倍：只用 bfloat16 对账，这个错误很容易被当成舍入放过。
#
# ### 反向也要对
#
# 前向对了，训练未必对：梯度走的是另一条路。同样的标签，逐个参数比较梯度。
# %% [markdown] lang="en"
# The three lines drop with precision, in steps much like the units of rounding (bfloat16 about
# $2^{-8}$, float32 about $2^{-24}$, float64 about $2^{-53}$). Without the bias of k, the line is equally
# high in both precisions, the black dots right on the rose: that is a mistake. Note that it is only a few
# times the rounding of bfloat16: compared in bfloat16 alone, it would easily pass as rounding.
#
# ### Backwards too
#
# With a correct forward pass, training may still be wrong: gradients take another road. We give
# both the same labels, and compare the gradients of every parameter:
# %%
with torch.enable_grad():
    for m in (ours, theirs):
        m.zero_grad()
        m(ids, labels=ids).loss.backward()
theirs_by_name = dict(theirs.named_parameters())
worst = 0.0
for name, parameter in ours.named_parameters():
    other = theirs_by_name[name].grad
    assert other.abs().max() > 0, name  # a gradient of 0 would compare nothing
    worst = max(worst, ((parameter.grad - other).abs().max() / other.abs().max()).item())
assert worst < 1e-4
print(f"gradients of {len(theirs_by_name)} tensors: worst relative difference below 1e-4")


# %% [markdown] lang="zh"
# ### 64 个词元，一个不差
#
# 生成是最苛刻的：一步走岔，后面全岔。但“词元相等”也可能只是运气好，所以再看一眼每一步第一名领先第二名多少：
# 领先远大于误差，相等才说明问题。
# %% [markdown] lang="en"
# ### 64 tokens, all equal
#
# Generation is the hardest judge: one step astray, and all the rest is. But equal tokens may also be
# luck, so look at how far the first choice is ahead of the second at each step: only if that is far
# more than the error do equal tokens mean something.
# %%
def greedy(ours, theirs, prompt, n):
    """n greedy tokens from both: our list, their (1, T + n) with the prompt."""
    reply = generate(ours, prompt.tolist(), GenerationConfig(max_new_tokens=n))[0].ids
    ask = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": n, "pad_token_id": 0}
    return reply, theirs.generate(prompt, do_sample=False, **ask)


reply, text = greedy(ours, theirs, ids[:1, :8], 64)
assert reply == text[0, 8:].tolist()

top = theirs(text).logits[0, 7:-1].topk(2).values
lead = (top[:, 0] - top[:, 1]).min()
print(f"64 greedy tokens equal; {len(set(reply))} different ones among them")
print("smallest lead at least 100 times the largest error:", bool(lead > 100 * error.max()))
# %% [markdown] lang="zh"
# ### 各种配置
#
# 一种配置对了，不等于都对。头的分法、绑不绑定、滑动窗口、YaRN，各走各的分支。每种都随机权重，
# 比三样：logits（float32 与 float64），以及 16 个贪心词元。
# %% [markdown] lang="en"
# ### Other configurations
#
# One right configuration does not make all right. Heads, tying, sliding windows and YaRN each take
# branches of their own. For each, with random weights, we compare three things: logits in float32 and
# float64, and 16 greedy tokens.
# %%
from qwen_blog import YarnScaling

mixed = ("full_attention", "sliding_attention") * 2
variants = {
    "MHA (K = 4)": replace(base, num_key_value_heads=4),
    "GQA (K = 2)": base,
    "MQA (K = 1)": replace(base, num_key_value_heads=1),
    "untied": replace(base, tie_word_embeddings=False),
    "window of 8 in layers 1, 3": replace(base, sliding_window=8, layer_types=mixed),
    "YaRN, 16 -> 64": replace(base, rope_scaling=YarnScaling(4.0, 16), max_position_embeddings=64),
    "eps 1e-2, theta 1e4": replace(base, rms_norm_eps=1e-2, rope_theta=1e4),
}
# %%
print(f"{'':28}parameters  float32 < 1e-4  float64 < 1e-12  tokens equal")
for name, variant in variants.items():
    pair = twins(replace(variant, vocab_size=512), seed=2)
    ids = torch.randint(0, 512, (2, 48))
    reply, text = greedy(*pair, ids[:1, :40], 16)
    single = drift(*pair, ids, torch.float32)[-1] < 1e-4
    double = drift(*pair, ids, torch.float64)[-1] < 1e-12
    same = reply == text[0, 40:].tolist()
    print(f"{name:28}{pair[0].num_parameters():10,}{single!s:>16}{double!s:>17}{same!s:>14}")
    assert all((single, double, same)), name


# %% [markdown] lang="zh"
# ### 破坏者画廊
#
# 一张全是 `True` 的表能说明什么？要看它**会不会变成** `False`。从没失败过的检查，可能根本不会失败。
# 所以我们来搞破坏：把零件一个一个换成实际代码里常见的错误版本，每次只换一个，看误差多大。
#
# 下面每一种错都很容易犯：形状全对，不报一个错。
# %% [markdown] lang="en"
# ### A gallery of sabotage
#
# What is a table full of `True` worth? That depends on whether it **could** be `False`. A check that has
# never failed may be unable to fail. So let us do damage: put in, one at a time, wrong versions that are
# common in real code, and see how large the error is.
#
# Every mistake below is easy to make: all shapes are right, and nothing raises an error.
# %%
from qwen_blog import Attention, RotaryEmbedding, apply_rotary_pos_emb, rms_norm


def no_k_bias(self, x, cos, sin):
    q, v = self.split_heads(self.q_proj(x)), self.split_heads(self.v_proj(x))
    k = self.split_heads(F.linear(x, self.k_proj.weight))
    return *apply_rotary_pos_emb(q, k, cos, sin), v


def eps_outside(x, weight, eps):
    return weight * x / (x.pow(2).mean(-1, keepdim=True).sqrt() + eps)


def no_norm_weight(x, weight, eps):
    return rms_norm(x, torch.ones_like(weight), eps)


def swapped_gate(self, x):
    return self.down_proj(F.silu(self.up_proj(x)) * self.gate_proj(x))


# %%
def interleaved(q, k, cos, sin):
    """Pairs (0, 1), (2, 3) ... as in the paper; Qwen2's weights pair i with i + Dh/2."""
    half = cos.shape[-1] // 2
    cos, sin = (x[..., :half].repeat_interleave(2, -1) for x in (cos, sin))
    turned = [torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2) for x in (q, k)]
    return q * cos + turned[0] * sin, k * cos + turned[1] * sin


angles = RotaryEmbedding.forward


def theta_1e4(self, position_ids, dtype):
    wrong = copy.copy(self)
    wrong.inv_freq = self.inv_freq ** (4 / 6)  # from powers of 1e6 to powers of 1e4
    return angles(wrong, position_ids, dtype)


def from_position_1(self, position_ids, dtype):
    return angles(self, position_ids + 1, dtype)


# %%
def sees_the_next(T, S, *_, **__):
    return torch.ones(1, 1, T, S).bool().tril(S - T + 1)


SABOTAGE = {  # what is wrong -> (what to replace, by what)
    "k bias dropped": ("attention.Attention.project", no_k_bias),
    "eps outside the root": ("model.rms_norm", eps_outside),
    "norm weight forgotten": ("model.rms_norm", no_norm_weight),
    "gate and up swapped": ("model.MLP.forward", swapped_gate),
    "RoPE interleaved": ("attention.apply_rotary_pos_emb", interleaved),
    "theta 1e4 for 1e6": ("rope.RotaryEmbedding.forward", theta_1e4),
    "heads repeated 0101": ("attention.repeat_kv", lambda x, groups: x.repeat(1, groups, 1, 1)),
    "mask sees one ahead": ("attention.causal_mask", sees_the_next),
    "positions from 1": ("rope.RotaryEmbedding.forward", from_position_1),
}


# %%
def error_at_places(ours, theirs, ids, wrong=None):
    """Largest difference of logits at each place, over their standard deviation: (T,)."""
    truth = theirs(ids).logits
    place, function = SABOTAGE.get(wrong, ("model.rms_norm", rms_norm))
    with patch(f"qwen_blog.{place}", function):
        logits = ours(ids, output_attentions=True).logits  # step by step: every part is in use
    return (logits - truth).abs().amax((0, 2)) / truth.std()


# %%
torch.manual_seed(1)
ids = torch.randint(0, base.vocab_size, (2, 48))
names = ["nothing wrong", *SABOTAGE]
errors = {}  # (name, random weights or fresh ones) -> (T,)
for noise in (True, False):
    pair = twins(base, noise)
    errors |= {(name, noise): error_at_places(*pair, ids, name) for name in names}
for name in ("k bias dropped", "norm weight forgotten"):  # with fresh weights: nothing to be seen
    assert torch.equal(errors[name, False], errors["nothing wrong", False])
# %%
fig, ax = figures.canvas(height=4)
places = torch.arange(len(names))
for noise, shift, color in ((True, -0.19, figures.BLUE), (False, 0.19, figures.GREY)):
    sizes = [errors[name, noise].max() for name in names]
    label = "all parameters random" if noise else "fresh weights"
    drawn = ax.barh(places + shift, sizes, 0.36, left=0, color=color, label=label)
ax.axvline(1e-4, color=figures.INK, linestyle="--", linewidth=1)
ax.text(1.2e-4, -0.75, "tolerance 1e-4", size=8)
ax.set_yticks(places, names)
ax.invert_yaxis()
ax.grid(axis="y", visible=False)
ax.set(xscale="log", xlim=(1e-7, 30), xlabel="largest error of a logit / standard deviation")
ax.set_title("one part broken at a time", pad=14)
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
# %% [markdown] lang="zh"
# 先看蓝色（参数全部随机）。“什么都没错”停在舍入的量级；八种破坏都越过虚线，多数是标准差的几成到几倍。
# 最隐蔽的是 $\epsilon$ 放到根号外，误差只有千分之一：容差若放到 `1e-2`，就放它过去了。
#
# 再看灰色（刚造好的权重）：丢掉 k 的偏置、忘了归一化权重，误差与“什么都没错”**一位不差**（断言说的就是这个）。
# 谁用新模型对账，谁就看不见这两种错。$\epsilon$ 倒是灰色更长：新模型的流很小，$\epsilon$ 在里面更显眼。
#
# 最后一行是故意放进来的：位置从 1 数起，蓝条也停在舍入的量级。它不是错误：RoPE 只看相对距离，
# 整体平移什么也不改变。**检查放过它，是对的。**
#
# 大小之外，误差还有**形状**：它从第几个位置开始，怎样变化？
# %% [markdown] lang="en"
# First the blue bars (all parameters random). "Nothing wrong" stays at the size of rounding; all eight
# mistakes go beyond the dashed line, most of them to some tenths of the standard deviation or several
# times it. The best hidden is $\epsilon$ outside the root, with an error of a thousandth: a tolerance of
# `1e-2` would let it pass.
#
# Now the grey bars (fresh weights): with the bias of k dropped, or the norm's weight forgotten, the error
# is **that of "nothing wrong" to the last bit** (so says the assertion). Whoever compares fresh
# models cannot see these two. For $\epsilon$ the grey bar is the longer one: the stream of a fresh
# model
# is small, and $\epsilon$ shows more in it.
#
# The last row was put in on purpose: positions counted from 1, and the blue bar too stays at the size of
# rounding. It is no mistake: RoPE sees relative distances, and a common shift changes nothing. **The
# check is right to let it pass.**
#
# Besides its size, an error has a **shape**: at which place does it begin, and how does it go on?
# %%
shapes = torch.stack([errors[name, True] for name in names]).clamp(min=1e-7).log10()
fig, ax = figures.canvas(height=3.4)
ax = figures.heatmap(ax, shapes, vmin=-6, vmax=1)
ax.set_yticks(range(len(names)), names)
_ = ax.set(xlabel="place in the text", title="error at each place (log10; white: rounding)")
wrong_at = {name: errors[name, True] > 1e-4 for name in names}
print("already at place 0:", *[n for n in names if wrong_at[n][0]], sep="\n  ")
print("from place 1 on:", *[n for n in names if wrong_at[n][1] > wrong_at[n][0]], sep="\n  ")
# %% [markdown] lang="zh"
# 第 0 个位置是一块试金石。那里只有一个键可看，softmax 的权重恒为 1，分数算成什么都无所谓。所以：
#
# - 第 0 个位置**没有**误差：错在分数里。k 的偏置、RoPE 的排法、$\theta$，都只影响分数。
# - 第 0 个位置**就有**误差：错在归一化、MLP、取值的头，或者掩码（它看到了第 1 个）。
# - $\theta$ 的误差从左到右慢慢变深：快的那几对转得本来就差不多，距离越远，慢的那几对差得越多。
#
# 顺带回答一个老问题：k 的偏置有用吗？没有 RoPE 时没用：它给同一个查询的所有键加上同一个数 $q \cdot b$，
# softmax 之后抵消。有了 RoPE，偏置随键的位置一起转，加上的就不再是同一个数。
# 用同一个位置编号送进所有词元，便能看到它抵消：
# %% [markdown] lang="en"
# Place 0 is a touchstone. There is only one key to look at, its softmax weight is 1 whatever the score.
# Hence:
#
# - **No** error at place 0: the mistake is in the scores. The bias of k, the layout of RoPE, $\theta$
#   affect nothing else.
# - An error **already** at place 0: it is in the norm, the MLP, the head that values are taken from, or
#   the mask (which let it see place 1).
# - The error of $\theta$ deepens from left to right: the fast pairs turn almost alike, and the slow ones
#   differ more with every step of distance.
#
# This also answers an old question: is the bias of k of any use? Without RoPE it is not. It adds the same
# number $q \cdot b$ to the scores of all keys of a query, and softmax cancels it. With RoPE the bias turns
# with the key's position, and what it adds is no longer the same. Give all tokens one position, and it
# cancels:
# %%
ours, theirs = twins(base)
counted = torch.arange(48)[None]  # (1, T)
for positions in (counted, torch.zeros_like(counted)):
    with_bias = ours(ids, position_ids=positions).logits
    with patch.object(Attention, "project", no_k_bias):
        without = ours(ids, position_ids=positions).logits
    change = (with_bias - without).abs().max() / with_bias.std()
    print(f"positions {positions[0, :3].tolist()} ...: k's bias matters: {bool(change > 1e-4)}")
# %% [markdown] lang="zh"
# ### “能聊天，应该没问题”
#
# 最后看看，最常见的验收办法能抓住多少：让训练好的小模型带着每一种破坏去考第 3 节的试，
# 看 48 道题还能不能全对。
# %% [markdown] lang="en"
# ### "It chats, so it must be fine"
#
# Finally, how much does the most common of all tests find? Let the trained model sit the exam of
# section 3
# with each of these parts broken, and see whether it still gets all 48 right.
# %%
wanted = exam_labels[:, 1:]
truth = toy(exam_ids).logits[:, :-1]
for name, (place, function) in SABOTAGE.items():
    with patch(f"qwen_blog.{place}", function):
        scores = toy(exam_ids, output_attentions=True).logits[:, :-1]
    right = ((scores.argmax(-1) == wanted) | (wanted == -100)).all().item()
    moved = (scores - truth).abs().max() / truth.std()
    print(f"{name:22} all 48 right: {right!s:6} logits moved by up to {moved:.2f} std")
# %% [markdown] lang="zh"
# 八种坏法（最后一行不算），大半照样满分（掩码多看一格的那个，答案就摆在它眼前）。句子短，题目易，
# 破坏就看不出来；换成长文难题才会露馅，可到那时，看上去只是“模型不太聪明”，谁也想不到去找错。
# 读回答，不能代替对账。
#
# ### 存成文件，换一台机器读
#
# 最后一关：存盘。文件夹的布局是 Hugging Face 的：`config.json` 加 `model.safetensors`，
# 还有分词器的几个文件。我们存，`transformers` 读；`transformers` 存，我们读。用刚才训练的小模型，
# 连分词器一起走一个来回。
# %% [markdown] lang="en"
# Of eight broken models (the last row does not count), most get full marks (the one whose mask is off by one
# has the answer before its eyes). Texts are short and the task is easy, so the damage does not show. With
# long texts and hard questions it would, but then as "a weak model", and nobody would think of a bug.
# Reading replies does not replace the comparison.
#
# ### Into files, and read by another machine
#
# The last gate: storage. The folder has the Hugging Face layout: `config.json` and `model.safetensors`,
# and the files of the tokenizer. We save and `transformers` reads; `transformers` saves and we read. The
# small model from above makes the round trip, tokenizer included.
# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
    toy.save_pretrained(here)
    tokenizer.save_pretrained(here)
    abroad = transformers.AutoModelForCausalLM.from_pretrained(here)
    words = transformers.AutoTokenizer.from_pretrained(here)
    print(*sorted(file.name for file in Path(here).iterdir()))
    abroad.save_pretrained(there)
    words.save_pretrained(there)
    home = Qwen2ForCausalLM.from_pretrained(there)
    home_words = Tokenizer.from_pretrained(there)

question = END + "Sela has a white moon."
for m, t in ((toy, tokenizer), (home, home_words)):
    print(repr(generate(m, [t.encode(question)], GenerationConfig(max_new_tokens=20), t)[0].text))
# %%
given = words(question, return_tensors="pt")
answer = abroad.generate(**given, max_new_tokens=20, do_sample=False, pad_token_id=end)
new = answer[0, given.input_ids.shape[1] :]
print(repr(words.decode(new, skip_special_tokens=True)))
assert given.input_ids[0].tolist() == tokenizer.encode(question)
assert home.config == toy.config
assert all(torch.equal(a, b) for a, b in zip(home.parameters(), toy.parameters(), strict=True))


# %% [markdown] lang="zh"
# ### 证明了什么，没证明什么
#
# 证明了的：参数的名字、形状一样；同样的权重，每一层、每个位置、每个梯度、每个生成的词元都一样，只差舍入；
# 存下的文件互相读得懂。这就是“它是 Qwen2”的全部含义：换上公布的权重，算的就是同一个函数。
#
# 没证明的：本章不下载，没有用真权重跑过；也没有比过 bfloat16 的每一位，那取决于各自的求和次序，
# 两台机器上的 `transformers` 自己也不会位位相同。
#
# > **教程里常见的错**　一、只比最后一个位置：掩码、填充的错可能恰好不在那里。
# 二、用 `torch.allclose` 的默认容差比 float32（`rtol=1e-5`，过紧），一失败就随手放到 `1e-2`（过松）。
# 先用 float64 弄清该有多大，再定容差。三、给裁判也换上了错误的零件：例如把 `torch.nn.functional.silu`
# 换掉，`transformers` 用的也是它，两边一起错，误差为 0。要换，只换自己模块里的名字。
# 四、“能聊天，应该没问题”：刚刚看到了。
#
# **试一试**　给 `SABOTAGE` 添一条你自己犯过的错，先猜它在热图里的样子，再运行。
# %% [markdown] lang="en"
# ### What is proved, and what is not
#
# Proved: parameters have the same names and shapes; with the same weights, every layer, place, gradient
# and generated token is the same, but for rounding; and each reads the files that the other saves. This
# is all that "it is Qwen2" means: with the published weights, it computes the same function.
#
# Not proved: this chapter downloads nothing and has not run the real weights. Nor has it compared bit by
# bit in bfloat16: that depends on the order of sums, and `transformers` itself on two machines need not
# agree in every bit.
#
# > **Where the tutorials you may have read go wrong.** First, they compare the last place only, where
# > mistakes of masks and padding may happen not to show. Second, they compare float32 with the defaults
# > of `torch.allclose` (`rtol=1e-5`, too tight) and, when that fails, go to `1e-2` (too loose). Find out
# > with float64 how large it should be, then set the tolerance. Third, they put the wrong part into the
# > judge as well: replace `torch.nn.functional.silu`, and `transformers`, which uses it too, is just as
# > wrong; the error is 0. Replace names in your own modules only. Fourth, "it chats, so it must be
# > fine": you have just seen it.
#
# **Try it.** Add a mistake of your own to `SABOTAGE`. Guess what it looks like in the map, then run.
# %% [markdown] lang="zh"
# ## 7 速度：每个词元读多少字节
#
# **问题**　第 22 章算过：解码受限于内存。那么一台机器每秒最多能生成几个词元，又有哪些办法更快？
#
# **想法**　解码一步，每个权重都要读一遍（嵌入表除外，它只查一行；绑定权重时，它又作为输出层被读一遍）。
# 所以上限只有一道除法：
#
# $$\text{每秒词元数} \le \frac{\text{每秒能读的字节数}}{\text{权重字节数} + \text{缓存字节数}}$$
#
# 以每秒 30 GB 为例（普通电脑内存的量级），换成你的机器只需改一个数：
# %% [markdown] lang="en"
# ## 7 Speed: how many bytes for one token
#
# **Question.** Chapter 22 worked out that decoding is bound by memory. How many tokens a second can a
# machine make at most, and what makes it faster?
#
# **Idea.** Each step of decoding reads every weight once (all but the embedding table, in which one row
# is looked up; with tied weights that table is read as the output layer). So the limit is one division:
#
# $$\text{tokens a second} \le \frac{\text{bytes read a second}}{\text{bytes of weights} + \text{bytes of cache}}$$
#
# As an example take 30 GB a second, the order of an ordinary computer's memory; for your machine change
# one number:
# %%
def bytes_read(config, numbers, context, size):
    """By one step of decoding: weights and cache, in bytes; `numbers` is all parameters."""
    lookup = 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
    cache = KVCache(config, 1, context, torch.float16, "meta").nbytes // 2 * size
    return (numbers - lookup) * size + cache


BANDWIDTH = 30e9  # bytes a second: put your machine's number here
print("size    GB a token: float32  16 bits    tokens a second at most: float32  16 bits")
for name, (config, numbers) in family.items():
    read = [bytes_read(config, numbers, 4096, size) for size in (4, 2)]
    most = [BANDWIDTH / x for x in read]
    print(f"{name:5}{read[0] / 1e9:22.2f}{read[1] / 1e9:9.2f}{most[0]:35.1f}{most[1]:9.1f}")
# %% [markdown] lang="zh"
# 权重减半，上限加倍：内存受限时，**字节就是时间**。运算量却一点没变。所以这条经验只在解码时成立；
# 预填充受限于计算，半精度的好处要看处理器会不会算半精度。一次处理的词元越多，读一遍权重就分摊得越薄：
# %% [markdown] lang="en"
# Half the weights, twice the limit: where memory is the bound, **bytes are time**. The arithmetic has not
# changed at all. So this holds for decoding only; prefill is bound by arithmetic, and half precision helps
# it only on a processor that computes in half precision. The more tokens are handled at once, the thinner
# one reading of the weights is spread:
# %%
config, numbers = family["0.5B"]
ARITHMETIC = 150e9  # float32 operations a second, an example again
together = 2 ** torch.arange(0, 11)
lines = {}
for name, size in {"float32 weights": 4, "16-bit weights": 2}.items():
    reading = numbers * size / BANDWIDTH / together  # shared by all tokens
    computing = 2 * numbers / ARITHMETIC  # one multiply-add for each weight and token
    lines[name] = 1000 * reading.clamp(min=computing)  # the slower of the two decides
fig, ax = figures.canvas(height=3, width=6)
ax = figures.curve(ax, together, lines, xlabel="tokens handled at once", marker="o", log=True)
ax.set(xscale="log", ylabel="ms a token, at least", title="Qwen2.5-0.5B on the example machine")
ax.set_yticks([5, 10, 20, 50], [5, 10, 20, 50])
ax.minorticks_off()
_ = ax.text(1000, 7.2, "bound by arithmetic", ha="right", size=9)
# %% [markdown] lang="zh"
# ### `fuse`：少调用几次
#
# 模型很小时，瓶颈又不同：读得很快，时间花在一次次函数调用上。`fuse` 把读同一个输入的矩阵拼成一个
# （q、k、v 拼一起，gate、up 拼一起），RMSNorm 也换成步数更少的写法。结果不变，调用变少。
# %% [markdown] lang="en"
# ### `fuse`: fewer calls
#
# In a very small model the bottleneck is another: reading is quick, and the time goes into calls. `fuse`
# joins matrices that read the same input (q, k and v; gate and up), and writes RMSNorm in fewer steps: the
# same results from fewer calls.
# %%
from qwen_blog.fast import fuse

fused = fuse(copy.deepcopy(toy))
before, after = toy(exam_ids).logits, fused(exam_ids).logits
torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
for name, m in {"as loaded": toy, "fused": fused}.items():
    step = trace(m, [end], fused=True, cache=KVCache.for_model(m, 1, 2))
    linears = sum(s.op == "linear" for s in step)
    print(f"{name:10} {len(step.path())} operations, {linears} linear, for one token")


# %% [markdown] lang="zh"
# ### 半精度的代价
#
# 字节减半，数字就粗了：每个权重要舍入到最近的 16 位数。16 位有两种分法：float16 尾数 10 位，
# bfloat16 尾数只有 7 位（省下的位给了指数，数的范围与 float32 一样大）。只把权重舍入、其余照旧用 float32，
# logits 偏离多少？
# %% [markdown] lang="en"
# ### The price of half precision
#
# Half the bytes, coarser numbers: each weight is rounded to the nearest number of 16 bits. There are two
# ways to share them out: float16 has 10 bits of fraction, bfloat16 only 7 (the bits saved go to the
# exponent, which gives it the range of float32). Round the weights only, keep the rest in float32: how far
# do the logits move?
# %%
def rounded(model, dtype):
    """A copy whose weights are rounded to `dtype` and back."""
    rough = copy.deepcopy(model)
    for parameter in rough.parameters():
        parameter.copy_(parameter.to(dtype).float())
    return rough


for label, m, x in (("toy", toy, exam_ids), ("random nano", ours, ids)):
    exact = m(x).logits
    for dtype in (torch.float16, torch.bfloat16):
        rough = rounded(m, dtype)(x).logits
        error = ((rough - exact).square().mean() / exact.square().mean()).sqrt()
        print(f"{label:12}{str(dtype)[6:]:9} relative error {error:.4f}")
# %% [markdown] lang="zh"
# float16 的误差约是 bfloat16 的八分之一，正好是三位尾数（$2^3$）的差别。只要权重不超出 float16 的范围
# （最大 65504，训练好的权重远小于它），存储用 float16 更准；训练时梯度忽大忽小，范围要紧，才用 bfloat16。
#
# 包里的 `halve` 走的就是 float16 这条路：权重存 16 位，层与层之间仍是 float32；一次只有一两个词元时，
# 直接用 16 位的权重做乘法，不必先展开。先 `fuse`，再 `halve`：
# %% [markdown] lang="en"
# The error of float16 is about an eighth of bfloat16's, just the difference of three bits of fraction
# ($2^3$). As long as weights stay in the range of float16 (up to 65504; trained weights are far below), it
# is the better store. In training, gradients vary so widely that range matters more; hence bfloat16 there.
#
# `halve` in the package takes the way of float16: weights are kept in 16 bits, and what passes between
# layers stays float32. With one token or two at a time, the 16-bit weights are multiplied as they are,
# without being unpacked. First `fuse`, then `halve`:
# %%
from qwen_blog.fast import halve

light = halve(fuse(copy.deepcopy(ours)))
for name, m in {"as loaded": ours, "fused, halved": light}.items():
    tables = {p.data_ptr(): p.nbytes for p in m.parameters()}  # a tied table counts once
    print(f"{name:14}{sum(tables.values()) / 1e6:5.1f} MB of weights")

exact, cache = ours(ids).logits, KVCache.for_model(light, 2, 48)
steps = [light(ids[:, t : t + 1], cache=cache).logits for t in range(48)]  # one token at a time
for name, logits in {
    "all at once": light(ids).logits,
    "token by token": torch.cat(steps, 1),
}.items():
    error = ((logits - exact).square().mean() / exact.square().mean()).sqrt()
    print(f"{name:15} relative error {error:.4f}")
# %% [markdown] lang="zh"
# 字节减半，误差千分之一二。各种办法在真实的 CPU 上各快几倍，见
# [tests/benchmarks](../../tests/benchmarks/README.md)：时间因机器而异，不写进本章。
#
# > **教程里常见的错**　一、用浮点运算次数估计生成速度：解码时决定快慢的是字节。
# 二、以为 KV 缓存总是小头：把上面的 `4096` 改成 `131072` 再看。
# 三、只报速度不报误差：量化的快慢与好坏要一起量。
# %% [markdown] lang="en"
# Half the bytes, an error of a thousandth or two. How many times faster each way is on a real CPU stands
# in [tests/benchmarks](../../tests/benchmarks/README.md): times depend on the machine and are not part of
# this chapter.
#
# > **Where the tutorials you may have read go wrong.** First, they estimate the speed of generation from
# > floating-point operations; in decoding, bytes decide. Second, "the KV cache is the small part": change
# > the `4096` above to `131072`. Third, speed without error: with quantisation, measure both.
# %% [markdown] lang="zh"
# ## 8 换上真正的 Qwen2.5
#
# 本章的代码一行不改，就能跑公布的模型：把 Qwen2 或 Qwen2.5 的文件夹下载到本地（不在本章里下载），然后
#
# ```python
# from qwen_blog import GenerationConfig, Qwen2ForCausalLM, Tokenizer, stream
#
# folder = "path/to/Qwen2.5-0.5B-Instruct"
# model = Qwen2ForCausalLM.from_pretrained(folder)  # 权重
# tokenizer = Tokenizer.from_pretrained(folder)  # 分词器
# messages = [{"role": "user", "content": "月亮为什么有阴晴圆缺？"}]
# prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)  # 聊天模板
# for piece in stream(model, prompt, tokenizer, GenerationConfig(max_new_tokens=256)):
#     print(piece, end="", flush=True)
# ```
#
# `from_pretrained` 默认用文件里写的精度（Qwen2.5 是 bfloat16）；CPU 上若嫌慢，加 `dtype=torch.float32` 试试。
# 文件夹自带聊天模板时用它自己的，没有就用 ChatML（第 21 章）。指令模型用 `<|im_end|>` 结束一轮；
# 生成何时停，看 `generation_config.json` 里的 `eos_token_id`，没有这个文件就看 `config.json`。
# 要换成别的，用 `GenerationConfig(stop_token_ids=(...))`。
#
# 装不装得下，先算一算：
# %% [markdown] lang="en"
# ## 8 A real Qwen2.5
#
# The code of this chapter runs the published models without a change. Download the folder of a Qwen2 or
# Qwen2.5 (this chapter does not), and then
#
# ```python
# from qwen_blog import GenerationConfig, Qwen2ForCausalLM, Tokenizer, stream
#
# folder = "path/to/Qwen2.5-0.5B-Instruct"
# model = Qwen2ForCausalLM.from_pretrained(folder)  # weights
# tokenizer = Tokenizer.from_pretrained(folder)  # tokenizer
# messages = [{"role": "user", "content": "Why does the moon wax and wane?"}]
# prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)  # chat template
# for piece in stream(model, prompt, tokenizer, GenerationConfig(max_new_tokens=256)):
#     print(piece, end="", flush=True)
# ```
#
# `from_pretrained` takes the precision that the files name (bfloat16 for Qwen2.5); if that is slow on your
# CPU, try `dtype=torch.float32`. If the folder brings a chat template, that one is used, else ChatML
# (chapter 21). An instruct model ends its turn with `<|im_end|>`; generation stops at the `eos_token_id`
# of `generation_config.json`, or else of `config.json`. To stop elsewhere, give
# `GenerationConfig(stop_token_ids=(...))`.
#
# Will it fit? Work it out first:
# %%
print("Qwen2.5   weights, GB: float32   16 bits   cache of 8k tokens at 16 bits, GB")
for name, (config, numbers) in family.items():
    gb = [numbers * size / 1e9 for size in (4, 2)]
    cache_gb = KVCache(config, 1, 8192, torch.float16, "meta").nbytes / 1e9
    print(f"{name:>7}{gb[0]:23.1f}{gb[1]:10.1f}{cache_gb:36.2f}")
# %% [markdown] lang="zh"
# ## 9 练习
#
# 把 `candidate` 换成你自己的函数，运行那一格；没有报错，就是对的。练习 1、2、4 的裁判是 `transformers`，
# 不是我们的代码。
#
# **练习 1**　写 `apply_top_p(logits, p)`：形状 `(B, V)`，保留概率之和至少为 $p$ 的最少几个词元，其余变成
# $-\infty$。难点有二：跨过门槛的那个要留；排好序以后，怎样把结果放回原来的次序（提示：`scatter`）。
# %% [markdown] lang="en"
# ## 9 Exercises
#
# Put your own function in the place of `candidate` and run the cell; if no assertion complains, it is
# right. In exercises 1, 2 and 4 the judge is `transformers`, not our code.
#
# **Exercise 1.** Write `apply_top_p(logits, p)` for shape `(B, V)`: keep the fewest tokens whose
# probabilities sum to at least $p$; the others become $-\infty$. Two things are hard: the one that crosses
# the threshold stays; and after sorting, how does the result get back to the old order? (Hint: `scatter`.)
# %%
candidate = apply_top_p  # put yours here

torch.manual_seed(3)
for spread in (0.1, 1, 5, 50):  # from almost even to almost certain
    for p in (0.05, 0.5, 0.9, 0.999):
        logits = torch.randn(8, 300) * spread
        expected = transformers.TopPLogitsWarper(p)(None, logits.clone())
        assert torch.equal(candidate(logits.clone(), p), expected), (spread, p)
print("exercise 1: correct")
# %% [markdown] lang="zh"
# **练习 2**　写 `rms_norm(x, weight, eps)`。先把它换进整个模型（9 处归一化），在 float32、float64 下与
# `transformers` 对账；再单独在 float16、bfloat16、float32 下核对。半精度输入时，里面用什么精度算？（第 21 章；float32、float64 保持原样。）
# %% [markdown] lang="en"
# **Exercise 2.** Write `rms_norm(x, weight, eps)`, and let the whole model use it in its 9 places: it has to
# agree with `transformers` in float32 and float64, and by itself in float16, bfloat16 and float32. With half-precision input, in which
# precision does it work inside? (Chapter 21; float32 and float64 stay as they are.)
# %%
candidate = rms_norm  # put yours here

with patch("qwen_blog.model.rms_norm", candidate):
    assert drift(*twins(base), ids, torch.float32)[-1] < 1e-4
    assert drift(*twins(base), ids, torch.float64)[-1] < 1e-12
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    x = (torch.randn(3, 128) * 1e-3).to(dtype)  # small: their squares vanish in float16
    judge = hf.Qwen2RMSNorm(128, eps=1e-6).to(dtype)
    judge.weight.normal_()
    torch.testing.assert_close(candidate(x, judge.weight, 1e-6), judge(x))
print("exercise 2: correct")
# %% [markdown] lang="zh"
# **练习 3（破案）**　有人从 `SABOTAGE` 里挑了三样，装进另一组随机权重的模型里，只留下误差的形状。
# 看图，参照上面的热图，写出 A、B、C 各是哪一样（写 `SABOTAGE` 里的名字）。
# %% [markdown] lang="en"
# **Exercise 3 (detective work).** Somebody has taken three entries of `SABOTAGE` and put each into a model
# with other random weights; only the shape of the error is left. Look at the figure, compare with the map
# above, and write down which is A, B and C (by their names in `SABOTAGE`).
# %%
suspects = sorted(set(SABOTAGE) - {"positions from 1"})
culprits = random.Random(23).sample(suspects, 3)  # don't print this
other_pair = twins(base, seed=9)
fig, ax = figures.canvas(height=3)
for letter, name in zip("ABC", culprits, strict=True):
    error = error_at_places(*other_pair, ids, name).clamp(min=1e-8)
    line = ax.plot(error, marker=".", label=letter)
ax.set(yscale="log", ylim=(1e-4, 10), xlabel="place in the text", ylabel="error / std of logits")
legend = ax.legend(loc="lower right")
# %%
guess = {"A": None, "B": None, "C": None}  # for example "k bias dropped"

for (letter, name), culprit in zip(guess.items(), culprits, strict=True):
    if name is None:
        print(f"exercise 3: {letter} not answered yet")
    else:
        assert name == culprit, f"{letter} is not {name!r}; look at place 0 and at the slope"
        print(f"exercise 3: {letter} is right")


# %% [markdown] lang="zh"
# **练习 4**　写整个生成循环 `candidate(model, prompts, n)`：一批长短不一的提示词，贪心，最多 $n$ 个新词元，
# 每行遇到 `model.config.eos_token_id` 就停（它不算在内），返回每行的新词元。用上 KV 缓存、左填充和位置；
# 有的行先停，别的行还要继续。
# %% [markdown] lang="en"
# **Exercise 4.** Write the whole loop, `candidate(model, prompts, n)`: a batch of prompts of unequal length,
# greedy, at most $n$ new tokens, each row stops at `model.config.eos_token_id` (which is not included);
# return the new tokens of each row. Use a KV cache, padding on the left, and positions. Some rows stop
# early while others go on.
# %%
def candidate(model, prompts, n):  # put yours here
    return [reply.ids for reply in generate(model, prompts, GenerationConfig(max_new_tokens=n))]


tasks = [prompts[0], [end], prompts[30], prompts[-1][:4]]
batch, mask = pad_left(tasks, context=256)
ask = {"attention_mask": mask.long(), "max_new_tokens": 18, "pad_token_id": end}
theirs = reference.generate(batch, do_sample=False, **ask)[:, batch.shape[1] :].tolist()
for mine, row in zip(candidate(toy, tasks, 18), theirs, strict=True):
    assert mine == [*row, end][: [*row, end].index(end)]
print("exercise 4: correct")
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数或类可以顶替包里的那个，跑同一批测试；裁判是 `transformers`，不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise causal_lm_loss > my.py  # 题头：签名和文档，没有函数体；写上你的
# pytest --mine=my.py                              # 用你的顶替我们的，跑它的测试
# python -m tests.exercise --hint causal_lm_loss   # 卡住了，要一句提示
# ```
#
# 本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `MLP` | 第 2 节：SwiGLU | 几行 |
# | `causal_lm_loss` | 第 4 节：正确答案的平均意外 | 几行 |
# | `apply_top_p` | 第 5 节：留下最可能的几个；练习 1 问的就是它 | 一下午 |
# | `generate_ids` | 第 5 节：整个生成循环，带左填充和采样；练习 4 是它的小样 | 一个周末 |
#
# （`rms_norm` 也在其中，题目在第 21 章。）在笔记本里用 `check`。下面这一份，每个位置问的是它自己的词元。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judge is `transformers`, not our
# code. In the root of the repository:
#
# ```bash
# python -m tests.exercise causal_lm_loss > my.py  # the head: signature and docstring, no body; write yours
# pytest --mine=my.py                              # its tests, with yours in the place of ours
# python -m tests.exercise --hint causal_lm_loss   # a hint, if you are stuck
# ```
#
# The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `MLP` | section 2: SwiGLU | a few lines |
# | `causal_lm_loss` | section 4: the mean surprise at the right answers | a few lines |
# | `apply_top_p` | section 5: keep the likeliest few; the very thing that exercise 1 asks for | an afternoon |
# | `generate_ids` | section 5: the whole loop, with padding on the left and sampling; exercise 4 is a small one | a weekend |
#
# (`rms_norm` is one, too, of chapter 21.) In a notebook there is `check`. In the attempt below each place is asked for
# its own token.
# %%
from tests.exercise import check


def causal_lm_loss(logits, labels, ignore_index=-100):
    scores = logits.float().flatten(0, 1)  # (B, T, V) -> (B*T, V)
    return F.cross_entropy(scores, labels.flatten(), ignore_index=ignore_index)


right = check(causal_lm_loss)
# %% [markdown] lang="zh"
# 先读第一行：没过的是哪一个测试，名字就是要求（“一个词元和它的下一个”）；再看期望的和得到的；最后一行说出处和提示在哪里。两个数都像个损失，
# 曲线也会往下走：这样的错，只有对照别人的数才看得出来。
# %% [markdown] lang="en"
# Read the first line first: which test failed, and its name says what is wanted ("a token and the
# next"); then the number expected and the one obtained; then where it stands in the paper and how
# to get a hint. Both numbers look like a loss, and the curve would fall, too: such a mistake only
# shows against somebody else's number.
# %% [markdown] lang="zh"
# 带走七句话：
#
# 1. 一层 = 两次“归一化、加工、加回去”；进出同形，所以能摞。
# 2. SwiGLU 是两路相乘；大模型的参数大半在 MLP。
# 3. 残差流是嵌入与 $2L$ 笔修改之和；子层只看流的方向。
# 4. 损失是正确答案的 $-\ln p$；标签不移位，`-100` 不计。
# 5. 预填充一次，解码一步一个；采样是改动 logits 再抽签，固定种子便可逐个核对。
# 6. 对账要全部参数随机、每个位置、每一层、两种精度；**检查必须能失败**。
# 7. 解码时，字节就是时间。
#
# 上一章：[22 · 穿过注意力](22_attention_and_cache.ipynb)。下一章让这台机器自己长出权重：[24 · 训练
# 你自己的小 Qwen2](24_training_your_own.ipynb)。
#
# 代码：[model.py](../../qwen_blog/model.py)、[trace.py](../../qwen_blog/trace.py)、
# [generation.py](../../qwen_blog/generation.py)、[sampling.py](../../qwen_blog/sampling.py)、
# [fast.py](../../qwen_blog/fast.py)、[checkpoint.py](../../qwen_blog/checkpoint.py)。
#
# 论文：SwiGLU（Shazeer 2020，arXiv:2002.05202）、Qwen2（arXiv:2407.10671）、Qwen2.5（arXiv:2412.15115）、
# top-p（Holtzman 等 2019，arXiv:1904.09751）、min-p（Nguyen 等 2024，arXiv:2407.01082）、
# 重复惩罚（Keskar 等 2019，arXiv:1909.05858）、绑定权重（Press 与 Wolf 2016，arXiv:1608.05859）。
# %% [markdown] lang="en"
# Seven sentences to take along:
#
# 1. A layer is, twice: normalise, work, add back. What goes in has the shape of what comes out, so layers
#    stack.
# 2. SwiGLU multiplies two branches; most parameters of a large model are in its MLPs.
# 3. The residual stream is the embedding plus $2L$ edits; a sublayer sees only its direction.
# 4. The loss is $-\ln p$ of the right answer; labels are not shifted, `-100` does not count.
# 5. Prefill once, then decode one token a step. Sampling changes the logits and draws at random;
#    with a fixed seed it can be checked token by token.
# 6. A proof of parity has all parameters random, looks at every place and layer, and at two precisions; **a
#    check must be able to fail**.
# 7. In decoding, bytes are time.
#
# Previous: [22 · Through attention](22_attention_and_cache.ipynb). Next, the same model gets
# weights of its own: [24 · Training your own tiny Qwen2](24_training_your_own.ipynb).
#
# Code: [model.py](../../qwen_blog/model.py), [trace.py](../../qwen_blog/trace.py),
# [generation.py](../../qwen_blog/generation.py), [sampling.py](../../qwen_blog/sampling.py),
# [fast.py](../../qwen_blog/fast.py), [checkpoint.py](../../qwen_blog/checkpoint.py).
#
# Papers: SwiGLU (Shazeer 2020, arXiv:2002.05202), Qwen2 (arXiv:2407.10671), Qwen2.5 (arXiv:2412.15115),
# top-p (Holtzman et al. 2019, arXiv:1904.09751), min-p (Nguyen et al. 2024, arXiv:2407.01082), repetition
# penalty (Keskar et al. 2019, arXiv:1909.05858), tied weights (Press and Wolf 2016, arXiv:1608.05859).
