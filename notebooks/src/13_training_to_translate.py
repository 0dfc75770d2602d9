# %% [markdown] lang="zh"
# # 13 · 训练它翻译
#
# [上一章](12_encoder_and_decoder.ipynb)装好了一台完整的 Transformer：编码器读完原文，解码器一个词元
# 一个词元地写译文。可它的参数全是随机数，写出来的自然是乱码。这一章教它翻译，从一行数据都没有开始，
# 到一个能用的翻译器为止。
#
# 我们带一个数上路：**三千二百一十万零五**，英文是 *thirty-two million one hundred thousand and
# five*。它会变成词元，拼进批次，算出损失，再被解码、搜索、对齐。一路上要弄清这些事：
#
# 1. 翻译数字，为什么算真正的翻译？（第 1 节）
# 2. 两种语言怎样共用一份词表，又怎样拼成批次？（第 2、3 节）
# 3. 损失为什么要“留一分余地”？学习率为什么先升后降？（第 4、5 节）
# 4. 当场训练一个模型，中途停下，再接着练。（第 6 节）
# 5. 贪心、KV 缓存、束搜索：怎样把概率变成译文？（第 7、8 节）
# 6. 随书附带的模型有多准，错在哪里，眼睛往哪儿看？（第 9 节）
# 7. 换成你自己的语料。（第 10 节）
#
# **预备知识**：第 11、12 章。**用时**：读一遍约 50 分钟；两个 CPU 核上全部运行不到 4 分钟，大半花在第 6 节的训练上；
# 不联网，不下载任何东西。
#
# 字母沿用前两章：`B` 一批几对，`S` 原文长度，`T` 译文长度，`D` 模型宽度，`V` 词表大小。
#
# 上一章：[12 · 编码器与解码器](12_encoder_and_decoder.ipynb)。下一
# 章：[21 · 走到注意力门前](21_tokens_to_rope.ipynb)。
# %% [markdown] lang="en"
# # 13 · Training it to translate
#
# [The chapter before](12_encoder_and_decoder.ipynb) has put a whole Transformer together: an
# encoder reads the source, a decoder writes the target token by token. But its parameters are
# random numbers, and so is what it writes. This chapter teaches it to translate, from no data at
# all to a translator that works.
#
# One number comes along all the way: **三千二百一十万零五**, *thirty-two million one hundred
# thousand and five*. It becomes tokens, goes into a batch, gives a loss, is decoded, searched for
# and aligned. On the way we settle:
#
# 1. Why is translating numerals a real translation problem? (section 1)
# 2. How do two languages share one vocabulary, and how do texts become batches? (sections 2 and 3)
# 3. Why should the loss leave some room for doubt, and why does the learning rate rise before it
#    falls? (sections 4 and 5)
# 4. A model is trained as you watch, stopped half way, and taken up again. (section 6)
# 5. Greedy decoding, the KV cache, beam search: from probabilities to a translation. (sections 7
#    and 8)
# 6. How good is the model that comes with the book, what does it get wrong, and where does it look?
#    (section 9)
# 7. And now a corpus of your own. (section 10)
#
# **You need**: chapters 11 and 12. **Time**: about 50 minutes to read; the whole chapter runs in under 4 minutes on two CPU
# cores, most of it the training of section 6; no network, no downloads.
#
# The letters are those of the last two chapters: `B` pairs in a batch, `S` source length, `T`
# target length, `D` model width, `V` vocabulary size.
#
# Previous: [12 · Encoder and decoder](12_encoder_and_decoder.ipynb). Next:
# [21 · To the door of attention](21_tokens_to_rope.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import contextlib
import inspect
import json
import math
import random
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)  # the order of a sum, and so its last digit, depends on the threads
dice = torch.Generator().manual_seed(13)  # the source of the random numbers below
# %% [markdown] lang="zh"
# ## 1 任务：把数说成另一种语言
#
# **问题**　数字不是有固定对照表吗，查表不就行了？
#
# 先看三样东西：一个数、一个日期、一笔钱。它们由 `numerals.py` 按规则写成，中文、英文各有唯一的写
# 法，所以一个答案非对即错，不必打分。
# %% [markdown] lang="en"
# ## 1 The task: say it in the other language
#
# **Question.** Is there not a fixed table for numbers? Why not just look the words up?
#
# Three things to begin with: a number, a date, an amount of money. `numerals.py` writes them by
# rule, in one way in Chinese and one in English, so an answer is right or wrong, and nobody has to
# grade it.
# %%
from tiny_transformer.numerals import NumeralsTask, is_held_out, item

number = item("number", 32_100_005)
day = item("date", date(2026, 11, 23))
money = item("money", 32_056)  # in fen: 320.56 yuan
for thing in (number, day, money):
    print(f"{thing.kind:7} {thing.value!s:11} {thing.chinese}\n{'':19} {thing.english}")
# %% [markdown] lang="zh"
# 现在真的查一次表：一个字换一个词。
# %% [markdown] lang="en"
# Now do look the words up, one word a character:
# %%
from tiny_transformer.numerals_checker import error_kind, parse_chinese, parse_english

words = "zero one two three four five six seven eight nine ten hundred thousand ten-thousand"
table = dict(zip("零一二三四五六七八九十百千万", words.split(), strict=True))
literal = " ".join(table[char] for char in number.chinese)
print(f"{literal!r} means {parse_english(literal)}")
# %% [markdown] lang="zh"
# 谁也读不懂。毛病出在**分级**：中文四位一级（万、亿），英文三位一级（thousand、million、billion）。
# 同样八个数字，两边的切口对不上：
# %% [markdown] lang="en"
# Nobody can read that. The trouble is how the digits are grouped: Chinese by four (万 is ten
# thousand, 亿 is ten thousand of those), English by three (thousand, million, billion). The same
# eight digits, cut in different places:
# %%
digits = str(number.value)
sides = [(4, 1, figures.BLUE, ["三千二百一十万", "零五"])]
english_groups = ["thirty-two million", "one hundred thousand", "and five"]
sides += [(3, -1, figures.ROSE, english_groups)]
fig, ax = figures.canvas(height=2)
for place, digit in enumerate(digits):
    ax.text(place, 0, digit, size=16, ha="center", va="center")
for size, side, color, names in sides:
    ends = range(len(digits), 0, -size)
    for end, name in zip(ends, reversed(names), strict=True):
        first, last = max(0, end - size) - 0.35, end - 1 + 0.35
        ax.plot([first, last], [0.5 * side] * 2, color=color, linewidth=4, solid_capstyle="butt")
        ax.text((first + last) / 2, 0.9 * side, name, ha="center", va="center")
ax.set(xlim=(-0.8, 7.8), ylim=(-1.3, 1.3))
_ = ax.axis("off")
# %% [markdown] lang="zh"
# 上面两段，下面三段，没有一处切口相同。“万”这个字没有哪个英文词与它对应：它把前面的“三千二百”变
# 成 *thirty-two million*，又把“一十”变成 *one hundred thousand*。译者必须先看见后面的“万”，才写
# 得出前面的 *million*。日期要换顺序（年在前，或者在后），还要把“十一月”写成 *November*；钱要把
# “五角六分”合成 *fifty-six fen*。这些正是翻译的难处：一词多译、远距离依赖、调序、一对多、多对一。
#
# 而且这份语料写不完，也没有一个错字。
#
# ### 考题不能是背过的
#
# **问题**　随手抽一批当考题，剩下的拿去训练，这样分对吗？
#
# 短的数会一抽再抽：一位数总共才十个。下一格先数数，照这样分会漏多少题。包里改按**值**来分：值的哈希
# 决定它归哪边，与抽样的运气无关，换种子、换机器都一样。千以下的数永远归训练，它们是词，不是句子。
# %% [markdown] lang="en"
# Two groups above, three below, and not one cut in common. No English word stands for 万: it turns
# the 三千二百 before it into *thirty-two million*, and the 一十 into *one hundred thousand*. The
# translator must have seen the 万 further on before it can write the *million*. In a date the parts
# change places (the year comes first, or last), and 十一月 becomes *November*; in money 五角六分
# melt into *fifty-six fen*. These are the very troubles of translation: words with several
# renderings, distant dependence, reordering, one to many, many to one.
#
# And this corpus never ends, and has no misprints.
#
# ### No question that was learned by heart
#
# **Question.** Take some of the data at random for the test and train on the rest: is that fair?
#
# Short numbers come up again and again, as there are just ten of one digit. The next cell first
# counts how many questions would leak. The package splits by **value** instead: a hash of the value
# decides on which side it is, whatever the luck of the draw, the seed or the machine. Numbers below
# a thousand are always trained, as they are words rather than sentences.
# %%
task = NumeralsTask.shipped()
train_items = task.train_items(seed=0, count=20_000)
shuffled = random.Random(13).sample(train_items, len(train_items))
exam, rest = shuffled[:400], set(shuffled[400:])
leaked = [thing for thing in exam if thing in rest]
print(f"random split: {len(leaked)} of {len(exam)} test items are in the training set, for example")
print("  " + "  ".join(thing.chinese for thing in leaked[:6]))
print(inspect.getsource(is_held_out))
test_items = task.test_items(seed=0, count=300)
assert not any(is_held_out(thing.kind, thing.value) for thing in train_items)
assert all(is_held_out(thing.kind, thing.value) for thing in test_items)
share = sum(is_held_out("number", n) for n in range(10**7, 10**7 + 10**5)) / 10**5
print(f"held out: {share:.1%} of the numbers from 10^7 on")
# %% [markdown] lang="zh"
# ### 谁来判卷
#
# 生成和判卷若用同一套代码，一个错会藏住另一个。`numerals_checker.py` 走另一条路：从左往右读词，把它
# 读回成数。二者独立写成，互相核对；判卷还能说出错在哪里。
# %% [markdown] lang="en"
# ### Who marks the papers
#
# If the same code both wrote and marked, a mistake could hide behind itself. `numerals_checker.py`
# takes
# another route: it reads the words from left to right, back to the value. The two were written
# independently and check each other; and the checker can say what is wrong.
# %%
for thing in train_items:
    reading = (thing.kind, thing.value)
    assert parse_chinese(thing.chinese) == parse_english(thing.english) == reading

right = number.english
answers = [right, right.replace(" and", ""), right.replace("five", "six")]
answers += ["thirty-two billion one hundred million and five thousand"]
answers += ["thirty-two million one hundred thousand and fifty", "November 23, 2026", literal]
for answer in answers:
    print(f"{error_kind(number, answer, 'zh-en'):18}{answer}")
# %% [markdown] lang="zh"
# ## 2 词元：两种语言，一份词表
#
# **问题**　模型只认整数。三千二百一十万零五要拆成几个整数？英文那边呢？
#
# **想法**　**BPE**（byte-pair encoding，字节对编码；Sennrich 等 2016，arXiv:1508.07909 用于翻译）：
# 从 256 个字节出发，反复把最常相邻的一对粘成新词元，直到词表够大。常见的词成了一个词元，罕见的词拆
# 成几段，没有“不认识”的词。算法本身留到[第 21 章](21_tokens_to_rope.ipynb)亲手写，这里交给
# `tokenizers` 库，只看与翻译有关的一点：**原文和译文共用一份词表**（论文第 5.1 节，约 37,000 个词
# 元），这样三处嵌入才能是同一个矩阵（第 3.4 节）。
# %% [markdown] lang="en"
# ## 2 Tokens: two languages, one vocabulary
#
# **Question.** The model knows only integers. How many does 三千二百一十万零五 take? And the
# English?
#
# **Idea.** **BPE** (byte-pair encoding; for translation: Sennrich et al. 2016, arXiv:1508.07909)
# starts from the 256 bytes and glues the pair that most often stands side by side into a new token,
# again and again, until there are enough. A frequent word becomes one token, a rare one several; no
# word is unknown. [Chapter 21](21_tokens_to_rope.ipynb) writes the algorithm by hand; here the
# `tokenizers` library does it. What matters for translation: **source and target share one
# vocabulary** (section 5.1 of the paper, about 37,000 tokens), so that the three embeddings can be
# one matrix (section 3.4).
# %%
from tiny_transformer.tokenizer import Tokenizer

texts = [text for thing in train_items for text in (thing.chinese, thing.english)]
sizes = (259, 262, 270, 290, 320, 360, 512)  # 3 special tokens, 256 bytes, then merges
stages = [Tokenizer.train(texts, size) for size in sizes]
for stage in stages:
    zh, en = ([stage.token_text(i) for i in stage.encode(text)] for text in number[2:])
    print(f"{stage.vocab_size:4} tokens: zh {len(zh):2}, en {len(en):2}  {'|'.join(en)[:66]}")
tokenizer = stages[-1]
print("the first merges:", [tokenizer.token_text(i) for i in range(259, 271)])
assert all(tokenizer.decode(tokenizer.encode(text)) == text for text in texts[:2000])

fig, axes = figures.canvas(2, 1, height=1.7)
for ax, text in zip(axes, number[2:], strict=True):
    ids = tokenizer.encode(text)
    ax = figures.token_strip(ax, [tokenizer.token_text(i) for i in ids], ids)
# %% [markdown] lang="zh"
# 起初 259 个词元都是特殊词元和字节：一个汉字占三个，英文一个字母一个。粘上几十次，常见的英文词就整
# 块了。要 512 个，却只找到 460 个，因为再没有出现过两次的一对可粘。
#
# 图里是最后的样子，下面的数是编号。`␣` 是空格，归它后面的词。每个汉字单独一个词元，每个数字也单独一
# 个，连字符单独一个，这是分词前就定下的切法：“二千”若粘成一个词元，同一个“二”就有了许多种拼法，
# 数目就更难学。
#
# ## 3 批次：长短相近的装一车
#
# ### 三条序列
#
# **问题**　解码器一边写一边看自己写过的。训练时它还什么都不会，写错一个，后面全错，怎么学？
#
# **想法**　**教师强制（teacher forcing）**：不管它写了什么，下一步都把**正确**的前文喂给它。于是译
# 文只需错开一格：输入在前面加 `<s>`，要它说出的在后面加 `</s>`。
# %% [markdown] lang="en"
# It begins with 259 tokens, special ones and bytes: three to a Chinese character, one to a letter.
# After some dozens of merges the frequent English words are whole. We asked for 512 and got 460,
# since no pair was left that occurs twice.
#
# The figure shows how it ends, with the ids below. `␣` is a space, and belongs to the word behind
# it. Each Chinese character is a token, so are each digit and the hyphen: these cuts are made
# before any merge. If 二千 were glued into one token, the same 二 would have many spellings, and
# numbers would be harder to learn.
#
# ## 3 Batches: travel with those of your length
#
# ### Three sequences
#
# **Question.** A decoder looks at what it has written. In training it knows nothing yet; one wrong
# token, and all that follows is wrong. How can it ever learn?
#
# **Idea.** **Teacher forcing**: whatever it said, the next step is given the **right** text so far.
# All it takes is the target shifted by one place: the input has `<s>` in front, what it should say
# has `</s>` behind.
# %%
from tiny_transformer.batching import batches, collate
from tiny_transformer.data import Pair, encode_pairs

(example,), _ = encode_pairs([Pair(number.chinese, number.english)], tokenizer, max_length=100)
batch = collate([example], tokenizer.pad_id)
shown = [[tokenizer.token_text(i) for i in ids[0]] for ids in batch]
for name, ids, row in zip(batch._fields, batch, shown, strict=True):
    print(f"{name:11}{tuple(ids.shape)!s:8} {' '.join(row)}")

# %%
fig, ax = figures.canvas(height=1.5)
style = {"ha": "center", "va": "center", "size": 7.5}
for place, (given, wanted) in enumerate(zip(*shown[1:], strict=True)):
    ax.text(place, 0, figures.label(given), bbox={"fc": "#DDE7F0", "ec": figures.BLUE}, **style)
    ax.text(place, 1, figures.label(wanted), bbox={"fc": "#DAEBDD", "ec": figures.GREEN}, **style)
    ax.annotate("", (place, 0.78), (place, 0.22), arrowprops={"arrowstyle": "-|>"})
for height, name in enumerate(("target_in", "target_out")):
    _ = ax.text(-0.6, height, name, ha="right", va="center", size=9)
ax.set(xlim=(-1.7, len(shown[1]) - 0.5), ylim=(-0.4, 1.4))
_ = ax.axis("off")
# %% [markdown] lang="zh"
# 因果掩码（第 11 章）保证每一格只看见自己和左边，所以 $T$ 个位置可以**一次**算完，结果与一格一格地
# 喂完全相同。这正是 Transformer 训练得快的缘由，验一下：
# %% [markdown] lang="en"
# The causal mask (chapter 11) lets each place see itself and what is on its left. So all $T$ places
# can be computed **at once**, with the very result of feeding them one by one. This is why a
# Transformer trains fast. A check:
# %%
from tiny_transformer.config import TransformerConfig
from tiny_transformer.preparation import new_model

model = new_model(TransformerConfig.tiny(), tokenizer, seed=0).eval()
with torch.no_grad():
    at_once = model(batch.source, batch.target_in).logits  # (1, T, V)
    for t in range(batch.target_in.shape[1]):
        so_far = model(batch.source, batch.target_in[:, : t + 1]).logits  # (1, t + 1, V)
        torch.testing.assert_close(so_far[:, -1], at_once[:, t], rtol=1e-4, atol=1e-5)
print(f"{t + 1} places at once = {t + 1} runs, logits {tuple(at_once.shape)}")
# %% [markdown] lang="zh"
# > **教程里常见的错**　把同一条译文既当输入又当目标，不错开：模型只要照抄就得满分，损失很快降到底，
# 翻译时却一个字也写不出来。另一种错法是把 `</s>` 也喂进输入再错开：长短不齐的批次里，切掉的“最后一
# 列”对短的行来说是填充（`… </s> <pad>` 切成 `… </s>`），`</s>` 还留在输入里。
#
# ### 填充是白算的
#
# **问题**　一批要拼成长方形，短的得补**填充（padding）**。补出来的格子照样要算，白费。能少补些吗？
#
# **想法**　按长短排好，相近的装一批；批的大小按**词元数**定，不按句数：短句一批多装，长句少装，每一
# 步的工作量才差不多（论文第 5.1 节：每批约 25,000 个原文词元、25,000 个译文词元）。可训练又要求顺序
# 随机，于是：先打乱，分成大池，池内排序切批，再把批打乱。
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** The same target as input and as goal, not
# > shifted: the model need
# > only copy, the loss drops to its floor, and in translation it cannot write a word. Or the `</s>`
# > goes into the input and then "the last column" is cut off: for the shorter rows of a batch that
# > column is padding (`… </s> <pad>` becomes `… </s>`), and the `</s>` stays.
#
# ### Padding is work for nothing
#
# **Question.** A batch is a rectangle, so short rows get **padding**, which costs as much as text.
# Can there be less of it?
#
# **Idea.** Sort by length and put like with like; and measure a batch by its **tokens**, not its
# pairs: many short pairs or few long ones, so that each step is about as much work (section 5.1:
# about 25,000 source and 25,000 target tokens a batch). Yet the order of training should be random.
# Therefore: shuffle, cut into large pools, sort within a pool and cut it into batches, shuffle the
# batches.
# %%
from tiny_transformer.preparation import both_directions

examples, _ = encode_pairs(both_directions(train_items[:5000]), tokenizer, max_length=100)
bucketed = batches(examples, max_tokens=2048, rng=random.Random(0))
order = random.Random(0).sample(range(len(examples)), len(examples))
rows = len(examples) // len(bucketed)  # as many to a batch as the others have on average
at_random = [order[i : i + rows] for i in range(0, len(order), rows)]

assert sorted(i for numbers in bucketed for i in numbers) == list(range(len(examples)))
pad = torch.nn.utils.rnn.pad_sequence  # the judge of our padding; it fills with 0
for numbers in bucketed:
    chosen = [examples[i] for i in numbers]
    source, target_in, target_out = collate(chosen, pad_id=0)
    assert max(source.numel(), target_in.numel()) <= 2048
    assert torch.equal(source, pad([torch.tensor(e.source) for e in chosen], True))
    assert torch.equal(target_out, pad([torch.tensor(e.target[1:]) for e in chosen], True))


# %%
def padding_share(found):
    """Of all cells of all batches, source and target, the share that is padding."""
    tensors = [x for numbers in found for x in collate([examples[i] for i in numbers], 0)[:2]]
    return sum(int((x == 0).sum()) for x in tensors) / sum(x.numel() for x in tensors)


ways = {"pairs in random order": at_random, "bucketed by length": bucketed}
fig, axes = figures.canvas(1, 2, height=3)
for ax, (name, found) in zip(axes, ways.items(), strict=True):
    source, _, _ = collate([examples[i] for i in found[3]], 0)
    ax.imshow(source != 0, cmap="Blues", vmin=-0.3, vmax=1.6, aspect="auto")
    ax.set(title=f"{name}: {padding_share(found):.0%} padding", xlabel="place in the source")
    ax.grid(False)
_ = axes[0].set_ylabel("pair in the batch")
assert padding_share(bucketed) < padding_share(at_random) / 3
# %% [markdown] lang="zh"
# 图里各是一批的原文，深色是词元，浅色是填充；标题里的百分比是全部批次的。左边，一个长句让所有短句陪
# 着它补齐；右边，同一批几乎一样长。
# %% [markdown] lang="en"
# Each picture is the source side of one batch, dark is tokens and light is padding; the percentages
# are of all batches. On the left, one long pair makes all the others wait; on the right, rows are
# nearly of a length.
# %% [markdown] lang="zh"
# ## 4 损失：留一分余地
#
# **问题**　交叉熵要模型把全部概率押在正确词元上：$-\ln p$ 只在 $p = 1$ 时到底，那要求 logits 的差变
# 成无穷大。模型为了最后这一点点，会把权重越撑越大，越来越自负。能不能告诉它“够了”？
#
# **想法**　**标签平滑（label smoothing）**（Szegedy 等 2015，arXiv:1512.00567；论文第 5.4 节取
# $\epsilon = 0.1$）：正确词元只给 $1 - \epsilon$，剩下的 $\epsilon$ 平分给全部 $V$ 个词元：
#
# $$q_k = (1 - \epsilon)\,[k = y] + \frac{\epsilon}{V}, \qquad
# \mathcal{L} = -\sum_k q_k \ln p_k = (1 - \epsilon)(-\ln p_y) + \epsilon \cdot \frac{1}{V}\sum_k (-\ln p_k)$$
#
# 最后一步说明：不必真的造出 $(B, T, V)$ 的目标，取 $\ln p$ 在词表上的平均就行。
# %% [markdown] lang="en"
# ## 4 The loss: leave some room for doubt
#
# **Question.** Cross-entropy wants all probability on the right token: $-\ln p$ reaches its floor
# only at $p = 1$, and that takes infinitely large logits. For the last bit the model swells its
# weights and grows overconfident. Can we tell it that enough is enough?
#
# **Idea.** **Label smoothing** (Szegedy et al. 2015, arXiv:1512.00567; section 5.4 takes
# $\epsilon = 0.1$): the right token gets $1 - \epsilon$ only, and the $\epsilon$ is divided among
# all $V$ tokens:
#
# $$q_k = (1 - \epsilon)\,[k = y] + \frac{\epsilon}{V}, \qquad
# \mathcal{L} = -\sum_k q_k \ln p_k = (1 - \epsilon)(-\ln p_y) + \epsilon \cdot \frac{1}{V}\sum_k (-\ln p_k)$$
#
# The last form says that no $(B, T, V)$ target need be built: the mean of $\ln p$ over the
# vocabulary will do.
# %%
from tiny_transformer.loss import label_smoothed_cross_entropy

print(inspect.getsource(label_smoothed_cross_entropy))
# %%
logits = torch.randn(4, 7, 50, generator=dice, requires_grad=True)  # (B, T, V)
targets = torch.randint(1, 50, (4, 7), generator=dice)
targets[2, 4:] = 0  # padding
for smoothing in (0.0, 0.1, 0.4):
    ours = label_smoothed_cross_entropy(logits, targets, 0, smoothing)
    ask = {"ignore_index": 0, "label_smoothing": smoothing, "reduction": "sum"}
    theirs = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), **ask)
    torch.testing.assert_close(ours.smoothed, theirs)
    mine, other = (torch.autograd.grad(x, logits)[0] for x in (ours.smoothed, theirs))
    torch.testing.assert_close(mine, other)
print("values and gradients agree with torch.nn.functional.cross_entropy")
# %% [markdown] lang="zh"
# ### 损失的最低点在哪里
#
# 让正确词元的概率为 $p$，其余的平分 $1 - p$。画出损失随 $p$ 的变化：
# %% [markdown] lang="en"
# ### Where the loss is lowest
#
# Give the right token probability $p$, and let the others share $1 - p$ evenly. The loss over $p$:
# %%
V = tokenizer.vocab_size
p = torch.linspace(0.5, 0.9995, 1000)  # of the right token
fig, (left, curves) = figures.canvas(1, 2, height=3)
left.bar(range(8), F.one_hot(torch.tensor(2), 8) * 0.9 + 0.1 / 8)  # 8 tokens can be drawn
left.set(title="the smoothed target, V = 8", xlabel="token")
lowest = {}
for smoothing in (0, 0.1, 0.2):
    top = 1 - smoothing + smoothing / V  # what the target gives the right token
    loss = -top * p.log() - (1 - top) * ((1 - p) / (V - 1)).log()
    lowest[smoothing] = p[loss.argmin()].item(), loss.min().item()
    (line,) = curves.plot(p, loss, label=f"smoothing {smoothing}")
    curves.plot(*lowest[smoothing], "o", color=line.get_color())
curves.set(title=f"loss, V = {V}", xlabel="p of the right token", ylim=(-0.1, 2.6))
_ = curves.legend()


# %%
def lowest_loss(V, smoothing=0.1):
    """The entropy of the smoothed target: no model's cross-entropy can be lower."""
    target = torch.full((V,), smoothing / V)
    target[0] += 1 - smoothing
    floor = -(target * target.log()).sum()
    torch.testing.assert_close(floor, F.cross_entropy(target.log(), target))
    return floor.item()


assert math.isclose(lowest_loss(V), lowest[0.1][1], rel_tol=1e-3)
print(f"smoothing 0.1: lowest at p = {lowest[0.1][0]:.3f}, with {lowest_loss(V):.3f} nats")


# %% [markdown] lang="zh"
# 不平滑时，曲线一路降到 0，永远在催模型再自信一点。平滑之后，最低点在
# $p = 1 - \epsilon + \epsilon / V$，再自信反而要罚；而且**最低点不是 0**，是目标分布自己的熵：任何
# 模型的交叉熵都不会低于它。第 6 节看训练曲线时要记住这条底线，损失停在它上面一点，不是没学会，是已
# 经到底了。所以我们另记一个不平滑的 `nll`（负对数似然），它的指数就是困惑度（perplexity）。单位都是
# 奈特（nat），也就是取自然对数。
#
# 论文说得坦白：标签平滑使困惑度变差，使准确率和 BLEU（给译文打的分，第 10 节）变好（第 5.4 节）。
#
# > **教程里常见的错**　对 $(B, T)$ 个位置求平均时，把填充也数进分母，损失就随批次的填充多少上下跳。
# 还有先对每个小批求平均、再平均这些平均的：小批里的词元因此更“贵”。所以函数返回**总和**与词元数，
# 除法只做一次。
#
# **练习 1**　不用 `label_smoothed_cross_entropy`，也不用 `F.cross_entropy`，写出
# `candidate(logits, targets, smoothing)`：logits `(N, V)`，目标 `(N,)`，填充编号为 0，返回非填充词元的
# 平均损失。裁判是 torch。
# %% [markdown] lang="en"
# Without smoothing, the curve falls towards 0 and for ever asks for more confidence. With it, the
# lowest point is at $p = 1 - \epsilon + \epsilon / V$, and to be surer than that costs. And **the
# lowest point is not 0**: it is the entropy of the target itself (in nats, that is, with natural
# logarithms), below which no model's cross-entropy can go. Keep that
# floor in mind for the curves of section 6: a loss that stays a
# little above it has not failed to learn, it has arrived. This is why we also record `nll`, the
# loss without smoothing, whose exponential is the perplexity.
#
# The paper is frank about it: label smoothing hurts perplexity, and improves accuracy and BLEU
# (section 5.4).
#
# > **Where the tutorials you may have read go wrong.** A mean over all $(B, T)$ places, padding
# > included, jumps up and
# > down with the share of padding. So does a mean of means: tokens in small batches then count for
# > more. Hence the function returns **sums** and the number of tokens, and the division is done
# > once.
#
# **Exercise 1.** Without `label_smoothed_cross_entropy` or `F.cross_entropy`, write
# `candidate(logits, targets, smoothing)`: logits `(N, V)`, targets `(N,)`, padding has id 0; return
# the mean loss of the real tokens. The judge is torch.
# %%
def candidate(logits, targets, smoothing):  # put yours here
    loss = label_smoothed_cross_entropy(logits[None], targets[None], 0, smoothing)
    return loss.smoothed / loss.tokens


for V_small in (2, 11, 300):
    scores = torch.randn(40, V_small, generator=dice) * 5
    wanted = torch.randint(0, V_small, (40,), generator=dice)  # some are padding
    for smoothing in (0.0, 0.1, 0.9):
        truth = F.cross_entropy(scores, wanted, ignore_index=0, label_smoothing=smoothing)
        torch.testing.assert_close(candidate(scores, wanted, smoothing), truth)
print("exercise 1: correct")
# %% [markdown] lang="zh"
# ## 5 学习率与 Adam：先慢走，再快跑，后缓行
#
# **问题**　学习率定多大？大了，一开始就散架；小了，练到天荒地老。
#
# **想法**　不定成一个数。前 `warmup_steps` 步从 0 附近直线上升（预热，warm-up），之后按步数的平方根
# 倒数下降（论文第 5.3 节，式 3）：
#
# $$\mathrm{lr} = d_{\mathrm{model}}^{-0.5} \cdot
# \min\left(\mathrm{step}^{-0.5},\; \mathrm{step} \cdot \mathrm{warmup}^{-1.5}\right)$$
#
# 两条线在 $\mathrm{step} = \mathrm{warmup}$ 处相交，峰值是
# $1 / \sqrt{d_{\mathrm{model}} \cdot \mathrm{warmup}}$。模型越宽，走得越小心。
# %% [markdown] lang="en"
# ## 5 Learning rate and Adam: walk, run, slow down
#
# **Question.** How large should the learning rate be? Too large, and the start falls apart; too
# small, and it takes for ever.
#
# **Idea.** Not one number. For the first `warmup_steps` it climbs in a straight line from next to
# nothing (warm-up), and from there falls with the inverse square root of the step (section 5.3, eq.
# 3):
#
# $$\mathrm{lr} = d_{\mathrm{model}}^{-0.5} \cdot
# \min\left(\mathrm{step}^{-0.5},\; \mathrm{step} \cdot \mathrm{warmup}^{-1.5}\right)$$
#
# The two meet at $\mathrm{step} = \mathrm{warmup}$, with a peak of
# $1 / \sqrt{d_{\mathrm{model}} \cdot \mathrm{warmup}}$. The wider the model, the more careful its
# steps.
# %%
from tiny_transformer.schedule import learning_rate

print(inspect.getsource(learning_rate).split('"""')[2])
steps = range(1, 20_001)
fig, ax = figures.canvas(height=3)
for d_model, warmup in ((512, 4000), (512, 8000), (256, 4000), (1024, 4000)):
    rates = [learning_rate(step, d_model, warmup) for step in steps]
    ax.plot(steps, rates, label=f"d_model {d_model}, warm-up {warmup}")
    assert math.isclose(max(rates), (d_model * warmup) ** -0.5)
ax.set(xlabel="step", ylabel="learning rate")
_ = ax.legend()
print(f"the paper's base model: at most {learning_rate(4000, 512, 4000):.2e}, in step 4000")


# %% [markdown] lang="zh"
# ### 为什么要预热：看 Adam 的第一步
#
# Adam（Kingma 与 Ba 2014，arXiv:1412.6980）不直接用梯度 $g_t$，而用两个滑动平均：方向 $m_t$ 和大小
# $v_t$：
#
# $$m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2)\, g_t^2, \qquad
# \Delta_t = -\mathrm{lr} \cdot \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \varepsilon}$$
#
# 论文取 $\beta_1 = 0.9$，$\beta_2 = 0.98$，$\varepsilon = 10^{-9}$。拿一个参数手算：
# %% [markdown] lang="en"
# ### Why warm up: the first step of Adam
#
# Adam (Kingma and Ba 2014, arXiv:1412.6980) does not follow the gradient $g_t$ but two moving
# averages, its direction $m_t$ and its size $v_t$:
#
# $$m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2)\, g_t^2, \qquad
# \Delta_t = -\mathrm{lr} \cdot \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \varepsilon}$$
#
# The paper takes $\beta_1 = 0.9$, $\beta_2 = 0.98$, $\varepsilon = 10^{-9}$. By hand, for one
# parameter:
# %%
def adam_steps(gradients, lr=1.0, betas=(0.9, 0.98), eps=1e-9):
    """How far one parameter moves in each step."""
    m = v = 0.0
    moves = []
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        size = math.sqrt(v / (1 - betas[1] ** t)) + eps
        moves.append(-lr * m / (1 - betas[0] ** t) / size)
    return moves


# %%
gradients = (torch.randn(60, generator=dice, dtype=torch.double) + 0.3).tolist()
parameter = torch.nn.Parameter(torch.zeros((), dtype=torch.double))
adam = torch.optim.Adam([parameter], lr=1.0, betas=(0.9, 0.98), eps=1e-9)
for gradient, move in zip(gradients, adam_steps(gradients), strict=True):
    before = parameter.item()
    parameter.grad = torch.tensor(gradient, dtype=torch.double)
    adam.step()
    assert math.isclose(parameter.item() - before, move, rel_tol=1e-9, abs_tol=1e-12)
for scale in (0.001, 1, 1000):
    moves = adam_steps([scale * g for g in gradients])
    print(f"gradients x {scale:5}: first moves {', '.join(f'{x:+.3f}' for x in moves[:4])}")
for beta in (0.98, 0.999):
    print(f"beta2 = {beta}: half forgotten after {math.log(0.5) / math.log(beta):.0f} steps")
# %% [markdown] lang="zh"
# 两件事。第一，梯度放大一百万倍，步子一点没变：Adam 不认梯度的大小，**步子多大由学习率说了算**。第
# 二，第一步**恰好**是整个学习率，因为此时 $m$ 与 $\sqrt{v}$ 来自同一个梯度。最初的梯度最没有见识，
# 却迈着最整齐的大步，所有参数一齐动。预热就是在 $v$ 攒够见识之前，把步子收小。
#
# $\beta_2$ 管的是 $v$ 的记性：论文的 0.98 过 34 步忘掉一半，torch 默认的 0.999 要 693 步。训练之初
# 梯度变得快，记得太久，$v$ 就还停在从前。
#
# > **教程里常见的错**　步数从 0 数起：第 0 步，$0^{-0.5}$ 除以零；躲开除零的写法则白白浪费一步，学
# 习率为 0。还有人把这条曲线乘在 `lr=1e-4` 的优化器上，峰值就小了一万倍：公式给的**就是**学习率，不
# 是倍数。（第 6 节的 `lr_factor` 只是在它上面稍作调整。）
#
# **练习 2**　写 `candidate(step, d_model, warmup)`，不许用 `min`、`max` 或 `if`。裁判是手算的几个
# 数。
# %% [markdown] lang="en"
# Two things. First, gradients a million times larger change nothing: Adam does not see their size,
# and **the learning rate sets the size of a step**. Second, the very first move is **exactly** one
# whole learning rate, since $m$ and $\sqrt{v}$ come from the same gradient. The first gradients
# know least, and yet all parameters march together at full stride. Warm-up keeps the stride short
# until $v$ has seen something.
#
# $\beta_2$ is the memory of $v$: with the paper's 0.98 half is forgotten after 34 steps, with
# torch's default of 0.999 after 693. Early in training gradients change quickly, and with so long a
# memory $v$ lives in the past.
#
# > **Where the tutorials you may have read go wrong.** Steps counted from 0: then $0^{-0.5}$
# > divides by zero, and the usual remedy wastes a step with a learning rate of 0. Or this curve is
# > multiplied onto an optimizer with `lr=1e-4`, and the peak is ten thousand times too low: the
# > formula **is** the learning rate. (The `lr_factor` of section 6 only tunes it a little.)
#
# **Exercise 2.** Write `candidate(step, d_model, warmup)` without `min`, `max` or `if`. The judge
# is a few numbers worked out by hand.
# %%
candidate = learning_rate  # put yours here

worked = {(1, 512, 4000): 1.746928e-07, (4000, 512, 4000): 6.987712e-04}
worked |= {(16_000, 512, 4000): 3.493856e-04, (100_000, 512, 4000): 1.397542e-04}
worked |= {(100, 100, 400): 1.25e-03, (900, 100, 400): 1 / 300}
for (step, d_model, warmup), truth in worked.items():
    assert math.isclose(candidate(step, d_model, warmup), truth, rel_tol=1e-5), (step, d_model)
print("exercise 2: correct")
# %% [markdown] lang="zh"
# ## 6 当场训练
#
# 论文的基础模型在八块 P100 上练了十二小时。我们只有一个 CPU 核和两分钟，于是把题目缩小：只翻译**一
# 百万以下的数**，模型也小。配方是包里的 `NUMERALS_SMALL`：
# %% [markdown] lang="en"
# ## 6 Training, as you watch
#
# The paper's base model took twelve hours on eight P100s. We have one CPU core and two minutes, so
# the task shrinks to **numbers below a million**, and the model with it. The recipe is the
# package's `NUMERALS_SMALL`:
# %%
from tiny_transformer.preparation import prepare_numerals
from tiny_transformer.recipes import NUMERALS_SMALL

plan = NUMERALS_SMALL.training
often = max(1, plan.steps // 12)  # validate more often than the recipe: it changes nothing else
recipe = replace(NUMERALS_SMALL, training=replace(plan, validate_every=often, log_every=5))
prepared = prepare_numerals(recipe)
for name in ("d_model", "num_heads", "num_encoder_layers", "num_decoder_layers", "d_ff", "dropout"):
    print(f"{name:20}{getattr(prepared.model.config, name)}")
for name in ("steps", "max_tokens", "warmup_steps", "lr_factor", "clip_norm", "average_last"):
    print(f"{name:20}{getattr(recipe.training, name)}")
size = sum(x.numel() for x in prepared.model.parameters())
print(f"{prepared.tokenizer.vocab_size} tokens, {size:,} parameters")
# %% [markdown] lang="zh"
# 语料不是文件，而是一个函数：第 $e$ 轮现抽一批新题，两个方向各半，没有哪一轮重复上一轮。每一步做的
# 事，都在这二十来行里：
# %% [markdown] lang="en"
# The corpus is no file but a function: epoch $e$ draws fresh items, half of them in each direction,
# and none repeats the one before. What a step does is in these twenty-odd lines:
# %%
from tiny_transformer.training import accumulate_gradients, train

print(inspect.getsource(accumulate_gradients).split('"""')[2])
# %% [markdown] lang="zh"
# 梯度累加（`accumulate`）就是这里的循环：几个小批的梯度加在一起，再走一步，与一个大批完全相同，因为
# 每个损失都除以**整步**的词元数。多进程训练也一样，各算各的行，最后把梯度加起来。
#
# 开始。下一格要跑一两分钟：
# %% [markdown] lang="en"
# Gradient accumulation is the loop in here: the gradients of several small batches are added before
# one step, and equal those of one large batch, because each loss is divided by the tokens of the
# **whole step**. The same goes for several processes: each takes its rows, and the gradients are
# added.
#
# Off we go. The next cell takes a minute or two:
# %%
scratch = tempfile.TemporaryDirectory()
run = Path(scratch.name) / "run"
train(prepared.model, prepared.tokenizer, prepared.corpus, recipe.training, run, prepared.validate)
log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
for record in (log[0], log[len(log) // 2], log[-1]):
    print({name: round(record[name], 5) for name in ("step", "loss", "nll", "lr", "grad_norm")})
print("in the folder:", *sorted(path.name for path in run.iterdir()))
# %%
fig, axes = figures.canvas(1, 3, height=2.7)
steps = [record["step"] for record in log]
for name in ("loss", "nll"):
    axes[0].plot(steps, [record[name] for record in log], label=name, linewidth=1)
floor = lowest_loss(prepared.tokenizer.vocab_size)
axes[0].axhline(floor, color=figures.GREY, linestyle="--", label="floor of the loss")
axes[1].plot(steps, [record["lr"] for record in log])
checked = {r["step"]: r["validation"] for r in log if "validation" in r}
for name in log[-1]["validation"]:
    rates = [found[name] for found in checked.values()]
    axes[2].plot(checked.keys(), rates, marker=".", label=name.split()[-1])
for ax, title in zip(axes, ("nats a token", "learning rate", "exact match"), strict=True):
    _ = ax.set(title=title, xlabel="step")
_ = axes[0].legend(), axes[2].legend()
# %% [markdown] lang="zh"
# 左图两条线形状相同，隔着差不多一条底线的距离；损失贴到底线上时，`nll` 也就停在
# $-\ln 0.9 \approx 0.105$ 附近。右图才是我们要的：没背过的数，有多少**一字不差**。它比损失爬得晚，
# 因为一个数的十来个词元要全对才算对：每个词元对九成，十个全对就只有三成多。右图末尾还有个毛病：损失
# 大体平了，分数却上下乱跳，前后不过一百多步，能差出约二十个百分点。等会儿治它。（nat 是以 $e$ 为底
# 的信息单位，像比特是以 2 为底的。）
#
# 正式考一次，题目与验证用的不同，束宽为 4（第 8 节讲束搜索）。`train` 最后存下的不是最后一步的参
# 数，而是几个检查点的平均：
# %% [markdown] lang="en"
# On the left, the two lines have the same shape, apart by about the floor; once the loss lies on
# its floor,
# `nll` stays near $-\ln 0.9 \approx 0.105$. The right panel shows what we want: how many unseen
# numbers come out **to the letter**. It climbs later than the loss falls, since a number needs some
# ten tokens right at once: with nine out of ten tokens right, only about one number in three is.
# And
# something is wrong at its end: the loss is all but flat, yet the score jumps up and down, by some
# twenty points within less than two hundred steps. We shall cure that. (A nat is the unit of
# information to the base $e$, as a bit is to the base 2.)
#
# Now the exam, with other questions than those of the validation, and a beam of 4 (section 8). What
# `train` leaves in the end are not the parameters of the last step but the mean of a few
# checkpoints:
# %%
from tiny_transformer.evaluation import DIRECTIONS, evaluate_numerals
from tiny_transformer.reports import score_text
from tiny_transformer.translation import Translator

learner = Translator.load(run)
exam = NumeralsTask.small().test_items(seed=0, count=500)
for direction in DIRECTIONS:
    report = evaluate_numerals(learner, exam, direction)
    print(f"{direction}: {score_text(report.score)}; {report.verdicts}")
    assert report.score.rate > 0.9
print(learner.translate(["四十万零七", "nine hundred and ninety thousand and one"]))
# %% [markdown] lang="zh"
# 区间是 Wilson 1927 的 95% 区间，[第 52 章](52_harness.ipynb)细讲：五百道题的分数，只知道到这个精度。
#
# ### 停下，再接着练
#
# **问题**　练到一半断电，怎么办？
#
# **想法**　每隔几步存一个**检查点（checkpoint）**：参数、Adam 的 $m$ 和 $v$、读到第几轮第几批。另
# 外，凡是随机的东西都不依赖“之前抽过什么”：批次顺序由（种子，轮次）决定，dropout 由（种子，步数）
# 决定。这样接着练，与从没停过**逐位相同**。用一个极小的模型验证：在第 13 步按 Ctrl-C，检查点每 8 步
# 一个。
# %% [markdown] lang="en"
# The interval is Wilson's (1927), at 95%: five hundred questions tell no more than that.
# [Chapter 52](52_harness.ipynb) explains such intervals.
#
# ### Stop, and go on
#
# **Question.** The power fails half way. What now?
#
# **Idea.** Every so many steps a **checkpoint** is written: the parameters, Adam's $m$ and $v$, and
# which batch of which epoch was read. And nothing random depends on what was drawn before it: the
# order of batches follows from (seed, epoch), dropout from (seed, step). Going on then gives **bit
# for bit** what a run gives that never stopped. A check, with a very small model: Ctrl-C in step
# 13, a checkpoint every 8 steps.
# %%
tiny_plan = replace(plan, steps=20, checkpoint_every=8, max_tokens=512)
tiny_model = replace(recipe.model, d_model=16, num_heads=2, d_ff=32)
tiny = replace(recipe, training=tiny_plan, model=tiny_model, items_per_epoch=100)


def losses_of(folder, stop_at=None):
    """Train, or go on; each step's loss. Ctrl-C comes after step `stop_at`."""
    losses = {}

    def watch(record):
        losses[record["step"]] = record["loss"]
        if record["step"] == stop_at:
            raise KeyboardInterrupt

    given = prepare_numerals(tiny)
    with contextlib.suppress(KeyboardInterrupt):
        train(given.model, given.tokenizer, given.corpus, tiny_plan, folder, on_step=watch)
    return losses


# %%
never_stopped = losses_of(run.with_name("whole"))
before = losses_of(run.with_name("halves"), stop_at=13)
after = losses_of(run.with_name("halves"))
print(f"never stopped: steps 1 to {max(never_stopped)}")
print(f"stopped: steps 1 to {max(before)}; the same call again: steps {min(after)} to {max(after)}")
assert {**before, **after} == never_stopped  # equal, not close
# %% [markdown] lang="zh"
# 第 9 到 13 步做了两遍，两遍的损失一个比特都不差。
#
# ### 最后几个检查点，取平均
#
# **问题**　训练末尾，学习率还不为零，参数在好地方周围晃来晃去，最后一步停在哪里全凭运气。怎么办？
#
# **想法**　把最后 $N$ 个检查点的参数逐个取平均（论文第 6.1 节：基础模型取最后 5 个，大模型 20
# 个）：晃动互相抵消，留下中心。不花一步训练。
# %% [markdown] lang="en"
# Steps 9 to 13 were done twice, and not one bit of their losses differs.
#
# ### The mean of the last checkpoints
#
# **Question.** At the end the learning rate is not zero, and the parameters go to and fro around a
# good place. Where the last step leaves them is luck. What can be done?
#
# **Idea.** Take the mean of the parameters of the last $N$ checkpoints (section 6.1: the last 5 for
# the base model, 20 for the big one). The wobbling cancels, the centre stays, and not one more step
# of training is spent.
# %%
from tiny_transformer.checkpoint import average_checkpoints, fill_parameters, read_tensors
from tiny_transformer.evaluation import mean_nll
from tiny_transformer.run_folder import RunFolder

unseen, _ = encode_pairs(both_directions(exam), prepared.tokenizer, max_length=100)
saved = RunFolder(run).checkpoints()


def exam_loss(tensors):
    """-ln p of the right token on the exam, in nats, with these parameters."""
    with torch.no_grad():
        fill_parameters(prepared.model, tensors, run)
    return mean_nll(prepared.model, unseen, max_tokens=4096)


# %%
averaged = {f"mean of {n}": exam_loss(average_checkpoints(saved[-n:])) for n in (2, 3, 5)}
single = {path.name: exam_loss(read_tensors(path / "model.safetensors")) for path in saved}
both = single | averaged
colors = [figures.BLUE] * len(single) + [figures.GREEN] * len(averaged)
fig, ax = figures.canvas(height=2.8)
ax = figures.bars(ax, list(both), list(both.values()), horizontal=True, form=".4f", colors=colors)
_ = ax.set(xlabel="nll on held-out numbers (lower is better)")
assert averaged["mean of 5"] < sum(single.values()) / len(single)

ways = {"last step alone": Translator(prepared.model, prepared.tokenizer), "mean of 5": learner}
for name, of in ways.items():  # prepared.model holds the last checkpoint just now
    found = [evaluate_numerals(of, exam, d, beam_size=1).score.rate for d in DIRECTIONS]
    print(f"{name:16} exact match: " + ", ".join(map("{}: {:.1%}".format, DIRECTIONS, found)))
# %% [markdown] lang="zh"
# 蓝色是一个个检查点，绿色是平均：平均出来的，比其中任何一个都好，而且平均得越多越好。刚才右图末尾的
# 乱跳就是这样治好的：最后一步停得不巧，平均把它拉了回来。
#
# > **教程里常见的错**　平均的必须是**同一次训练**的检查点。两次独立训练的参数不能平均：神经元的排列
# 顺序不同，平均出来什么也不是。另外，三处共用的嵌入只有一份，平均一次就够。
#
# **练习 3**　写 `candidate(folders)`，返回名字到平均值的字典，只许用 `read_tensors` 和加法、除法。
# 裁判是 torch 的 `AveragedModel`。
# %% [markdown] lang="en"
# Blue is single checkpoints, green is means: a mean is better than any of those that went into it,
# and the more the better. This is the cure for the jumps in the panel above: the last step had come
# to rest at a bad moment, and the mean has pulled it back.
#
# > **Where the tutorials you may have read go wrong.** Only checkpoints of **one run** can be
# > averaged. In two separate
# > runs the neurons stand in different orders, and the mean of the two is nothing at all. And the
# > embedding, shared three ways, is there once and is averaged once.
#
# **Exercise 3.** Write `candidate(folders)`, which returns a dict from names to means, with nothing
# but `read_tensors`, sums and quotients. The judge is torch's `AveragedModel`.
# %%
from torch.optim.swa_utils import AveragedModel


def candidate(folders):  # put yours here
    return average_checkpoints(folders)


judge = AveragedModel(prepared.model)
for path in saved:
    with torch.no_grad():
        fill_parameters(prepared.model, read_tensors(path / "model.safetensors"), path)
    judge.update_parameters(prepared.model)
means = candidate(saved)
for name, truth in judge.module.named_parameters():
    torch.testing.assert_close(means[name], truth.detach(), rtol=1e-4, atol=1e-6)
print("exercise 3: correct")
scratch.cleanup()  # the model lives on in memory
# %% [markdown] lang="zh"
# ## 7 贪心解码，与不必重算的部分
#
# 从这里起，换上随书附带的模型（`weights/numerals/`）：同样的代码、同样的方法，只是题目全（数、日
# 期、钱，两个方向），练得久。
#
# **问题**　模型给出的是概率，不是译文。怎样写出译文来？
#
# **想法**　最简单的：每一步取概率最大的词元，接上，再问下一个，直到 `</s>`。这叫**贪心解码（greedy
# decoding）**。亲手写一遍，六行：
# %% [markdown] lang="en"
# ## 7 Greedy decoding, and what need not be computed twice
#
# From here on we use the model that comes with the book (`weights/numerals/`): the same code and
# method, but the whole task (numbers, dates, money, both directions) and a longer training.
#
# **Question.** The model gives probabilities, not a translation. How does one get written?
#
# **Idea.** The simplest one: take the likeliest token, append it, ask again, until `</s>`. This is
# **greedy decoding**. By hand, in six lines:
# %%
from tiny_transformer.decoding import greedy_decode

torch.set_grad_enabled(False)  # from here on, models only run forward
translator = Translator.load()
model, tokenizer = translator.model, translator.tokenizer
source = torch.tensor([[*tokenizer.encode(number.chinese), tokenizer.eos_id]])  # (1, S)

memory, mask = model.encode(source), model.source_mask(source)  # (1, S, D), (1, 1, 1, S)
written, looks = [tokenizer.bos_id], []
while written[-1] != tokenizer.eos_id:
    x = model.decode(torch.tensor([written]), memory, mask)  # (1, T, D)
    p = model.project(x[:, -1]).softmax(-1)[0]  # (V,): only the last row is news
    looks.append(p.topk(3))
    written.append(int(p.argmax()))
assert written[1:-1] == greedy_decode(model, source)[0].ids
print(tokenizer.decode(written))
# %%
chances = torch.stack([look.values for look in looks], dim=1)  # (3, T)
fig, ax = figures.canvas(height=1.9)
ax = figures.heatmap(ax, chances, colorbar=False, vmin=0, vmax=1)
for step, look in enumerate(looks):
    for rank, (token, p) in enumerate(zip(look.indices, look.values, strict=True)):
        name = figures.label(tokenizer.token_text(int(token)))
        ink = "white" if p > 0.5 else figures.INK
        ax.text(step, rank, f"{name}\n{p:.3f}", ha="center", va="center", size=7, color=ink)
ax.set(xlabel="step", yticks=[0, 1, 2], yticklabels=["best", "2nd", "3rd"])
ax.set_xticks(range(len(looks)), range(1, len(looks) + 1))
print(f"the smoothed target gives the right token {0.9 + 0.1 / model.config.vocab_size:.4f}")
# %% [markdown] lang="zh"
# 它胸有成竹，可每个词元都只给九成出头：这不是犹豫，是标签平滑教的。目标里正确词元的概率是 0.9 多一点
# 点，它给得比目标还略高一些。
#
# ### KV 缓存：写过的不必重算
#
# **问题**　上面的循环每一步都把已写的**整段**再送进解码器一遍，却只用最后一行。前面的行白算了吗？
#
# **想法**　白算了。因果掩码之下，前面位置的键和值不受后来的词元影响，第 3 节刚验过。所以每层存
# 下**自注意力**的键和值，新词元来了只算自己那一行；**交叉注意力**的键和值来自编码器，从头到尾不变，
# 算一次就够。这就是 **KV 缓存**（KV cache，键值缓存）。
#
# 不计时，只数数：解码器每一步处理几个位置？
# %% [markdown] lang="en"
# It is sure of its words, and gives each of them little more than nine tenths. That is no doubt;
# label smoothing has taught it so: the target gives the right token just over 0.9, and the model
# slightly more than that.
#
# ### The KV cache: what is written is not computed again
#
# **Question.** Each round of the loop above sends **all** that is written through the decoder and
# uses the last row only. Was the rest for nothing?
#
# **Idea.** It was. Under the causal mask, keys and values of earlier places do not depend on later
# tokens, as section 3 has just checked. So each layer keeps the keys and values of
# **self-attention**, and a new token computes its own row only; those of **cross-attention** come
# from the encoder, never change, and are computed once. This is the **KV cache**.
#
# No stopwatch, only counting: how many places does the decoder work on in each step?
# %%
long_number = item("number", 987_654_321_987)
long_source = torch.tensor([[*tokenizer.encode(long_number.chinese), tokenizer.eos_id]])
layer = model.decoder.layers[0]


def count_places(use_cache):
    """The translation, and the places of each step: of the target, and of the source's keys."""
    target, keys = [], []
    hooks = [layer.register_forward_pre_hook(lambda _, x: target.append(x[0].shape[1]))]
    k_proj = layer.cross_attention.k_proj
    hooks += [k_proj.register_forward_pre_hook(lambda _, x: keys.append(x[0].shape[1]))]
    (found,) = greedy_decode(model, long_source, use_cache=use_cache)
    for hook in hooks:
        hook.remove()
    return found, target, keys


# %%
plain, plain_target, plain_keys = count_places(use_cache=False)
cached, cached_target, cached_keys = count_places(use_cache=True)
T, S = len(plain_target), long_source.shape[1]
assert tokenizer.decode(plain.ids) == tokenizer.decode(cached.ids) == long_number.english
assert math.isclose(plain.log_prob, cached.log_prob, abs_tol=1e-4)
assert (sum(plain_target), sum(plain_keys)) == (T * (T + 1) // 2, T * S)
assert (sum(cached_target), sum(cached_keys)) == (T, S)
print(f"T = {T}, S = {S}: the same {len(cached.ids)} tokens")
# %%
work = {"target places": (plain_target, cached_target), "source keys": (plain_keys, cached_keys)}
fig, axes = figures.canvas(1, 2, height=2.7)
for ax, (name, counts) in zip(axes, work.items(), strict=True):
    for way, count in zip(("no cache", "cache"), counts, strict=True):
        total = torch.tensor(count + [0] * (T - len(count))).cumsum(0)
        ax.plot(range(1, T + 1), total, marker=".", label=f"{way}: {total[-1]}")
    ax.set(title=f"{name} computed so far", xlabel="token written")
    ax.legend()


# %% [markdown] lang="zh"
# 译文一字不差，算的位置却从 $T(T+1)/2$ 降到 $T$，原文的键从 $T \cdot S$ 降到 $S$。越长省得越多：平
# 方变成了直线。（缓存之后，每个新词元仍要看一遍所有旧键，那一部分还是随长度增长，不过比重算便宜得
# 多。）
#
# **练习 4**　写一个批量的贪心循环 `candidate(model, sources)`：`sources` 是长短不一的编号列表（已带
# `</s>`），返回每条译文的编号（不含 `<s>`、`</s>`）。原文要右填充，有的行先写完，别的行还要继续。裁
# 判是**教师强制**：把你的译文一次喂进去，每个位置概率最大的词元都应当正是下一个。
# %% [markdown] lang="en"
# Not a letter differs, and the places computed fall from $T(T+1)/2$ to $T$, the keys of the source
# from $T \cdot S$ to $S$. The longer the text, the more is saved: a square has become a line. (With
# the cache, a new token still looks at all old keys; that part grows with the length as before, but
# costs far less.)
#
# **Exercise 4.** Write a batched greedy loop, `candidate(model, sources)`: `sources` are lists of
# ids of different lengths, `</s>` included; return the ids of each translation, without `<s>` and
# `</s>`. Sources are padded on the right, and some rows end while others go on. The judge is
# **teacher forcing**: given your translation at once, the likeliest token at each place must be the
# very next one.
# %%
def candidate(model, sources):  # put yours here
    rows = [torch.tensor(ids) for ids in sources]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return [found.ids for found in greedy_decode(model, padded)]


asked = ["五", "两", number.chinese, long_number.chinese, day.english, money.english]
sources = [[*ids, tokenizer.eos_id] for ids in tokenizer.encode_batch(asked)]
for ids, mine in zip(sources, candidate(model, sources), strict=True):
    given = torch.tensor([[tokenizer.bos_id, *mine]])
    likeliest = model(torch.tensor([ids]), given).logits[0].argmax(-1)
    assert likeliest.tolist() == [*mine, tokenizer.eos_id], tokenizer.decode(mine)
print("exercise 4: correct")
# %% [markdown] lang="zh"
# ## 8 束搜索：多留几条路
#
# **问题**　贪心每一步都选眼前最好的。可是第一个词略差、后面越走越顺的译文，它永远看不到。
#
# **想法**　**束搜索（beam search）**：同时留着最好的 $k$ 条路（论文第 6.1 节：$k = 4$）。每一步，每
# 条路都试着往下接，所有接法放在一起按总概率排队，只留前 $k$ 条；碰到 `</s>` 的就是一个候选译
# 文。$k = 1$ 就是贪心。
#
# 附带的模型对学过的写法太有把握，树上几乎只有一根枝。我们问它一个没学过的说法：口语里的“五万八”
# 是五万八千，训练数据里没有这样的省略。
# %% [markdown] lang="en"
# ## 8 Beam search: keep several paths
#
# **Question.** Greedy takes what is best now. A translation that begins a little worse and then
# runs smoothly is never seen.
#
# **Idea.** **Beam search**: keep the $k$ best paths (section 6.1: $k = 4$). In each step every path
# tries all continuations; these are ranked together by their total probability, and only $k$ stay.
# One that meets `</s>` is a candidate translation. With $k = 1$ this is greedy decoding.
#
# The shipped model is so sure of what it has learned that the tree would have one branch. Let us ask
# it for something it has not learned: in speech 五万八, "five ten-thousands eight", is 58,000; its
# data never leaves a unit out like that.
# %%
from tiny_transformer.beam import beam_search

riddle = "五万八"
ids = torch.tensor([[*tokenizer.encode(riddle), tokenizer.eos_id]])
nodes = []
found = beam_search(model, ids, beam_size=3, n_best=3, trace=nodes)[0]
for hypothesis in found:
    text, score = tokenizer.decode(hypothesis.ids), hypothesis.score
    print(f"log P {hypothesis.log_prob:6.2f}   score {score:6.2f}   {text}")
print(f"{len(nodes)} paths considered in {max(node.length for node in nodes)} steps")
assert found[0].ids == greedy_decode(model, ids)[0].ids
# %%
COLORS = {"kept": figures.BLUE, "ended": figures.GREEN, "dropped": figures.GREY}


def draw_tree(ax, nodes):
    """A column a step, the best path at the top; a line from each path to the one it grew from."""
    rank = {}
    for node in nodes:
        rank[node] = sum(other.length == node.length for other in rank)
        x, y, color = node.length, rank[node], COLORS[node.fate]
        ax.plot([x - 1, x], [rank.get(node.parent, 0), y], color=color, linewidth=1.2, zorder=0)
        text = f"{figures.label(tokenizer.token_text(node.token))}\n{node.log_prob:.2f}"
        box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": color}
        ax.text(x, y, text, ha="center", va="center", size=7.5, bbox=box)
    ax.set(xlim=(-0.2, max(n.length for n in nodes) + 0.5), xlabel="step")
    ax.invert_yaxis()


# %%
shown = [node for node in nodes if node.length <= 7]
fig, ax = figures.canvas(height=4)
draw_tree(ax, shown)
ax.text(0, 0, "<s>", ha="center", va="center", size=8, bbox={"boxstyle": "round", "fc": "white"})
ax.grid(False)
ax.spines[:].set_visible(False)
ax.set(yticks=[], title="beam of 3: blue goes on, green has ended, grey is dropped")
_ = ax.set_xticks(range(1, max(node.length for node in shown) + 1))
# %% [markdown] lang="zh"
# 怎样读这棵树：每一列是一步，从上到下按总的 $\log P$ 排队；框里是词元，和这条路到此为止的
# $\log P$。它只会越走越小，因为每一步都乘上一个不大于 1 的概率。绿色的已经写完，不再占名额，所以同
# 一列里蓝色始终有三条；排在它们后面的是灰色，哪怕已经写完也作废。贪心走的是从 `<s>` 经 fifty、
# thousand 到 `</s>`（−1.18）那一条。
#
# 对的答案是 *fifty-eight thousand*。贪心在第二步就错过了它：*fifty* 之后，“ thousand”比连字符的把
# 握大，而贪心不回头。束搜索把两条路都留着，一直走到底，对的译文就在候选里；只是总分还略输一筹。
#
# ### 长度惩罚
#
# **问题**　既然越长 $\log P$ 越小，长译文岂不总是吃亏？
#
# **想法**　除以一个随长度增长的数再比（Wu 等 2016，arXiv:1609.08144，式 14；2017 年的论文取
# $\alpha = 0.6$）：
#
# $$\mathrm{score}(Y) = \frac{\log P(Y)}{\mathrm{lp}(Y)}, \qquad \mathrm{lp}(Y) = \left(\frac{5 + |Y|}{6}\right)^{\alpha}$$
#
# $\alpha = 0$ 就是不管长度，$\alpha = 1$ 差不多是按词元平均。$|Y|$ 数上 `</s>`，不数 `<s>`。上面那
# 棵树里，最好的两条长短不同，正好拿来比：
# %% [markdown] lang="en"
# How to read the tree: a column is a step, ranked from the top by the total $\log P$; a box shows
# the token and the $\log P$ of the path so far. It can only fall, since no probability is above one.
# Green ones are complete and need no place any more, so there are always three blue ones in a
# column; a grey one ranks below those, and is dropped even if it was complete. Greedy decoding would
# take the path from `<s>` by *fifty* and " thousand" to the `</s>` at −1.18.
#
# The right answer is *fifty-eight thousand*. Greedy decoding misses it in the second step: after
# *fifty*, " thousand" is likelier than the hyphen, and greedy never turns back. The beam keeps both
# and follows them to the end, so that the right translation is among the candidates; only its total
# is a little lower.
#
# ### The length penalty
#
# **Question.** If $\log P$ falls with every token, do long translations not always lose?
#
# **Idea.** Before comparing, divide by something that grows with the length (Wu et al. 2016,
# arXiv:1609.08144, eq. 14; the 2017 paper takes $\alpha = 0.6$):
#
# $$\mathrm{score}(Y) = \frac{\log P(Y)}{\mathrm{lp}(Y)}, \qquad \mathrm{lp}(Y) = \left(\frac{5 + |Y|}{6}\right)^{\alpha}$$
#
# $\alpha = 0$ ignores the length, $\alpha = 1$ is about a mean over tokens. $|Y|$ counts `</s>` and
# not `<s>`. In the tree above, the two best differ in length, so let us compare them:
# %%
from tiny_transformer.decoding import length_penalty

lengths = range(1, 41)
alphas = (0, 0.6, 1)
lines = {f"alpha {a}": [length_penalty(n, a) for n in lengths] for a in alphas}
fig, ax = figures.canvas(height=2.6)
ax = figures.curve(ax, lengths, lines, xlabel="|Y|", ylabel="length penalty")

for a in alphas:
    scores = {}
    for hypothesis in found[:2]:
        penalty = length_penalty(len(hypothesis.ids) + 1, a)  # + 1: the end token
        scores[tokenizer.decode(hypothesis.ids)] = hypothesis.log_prob / penalty
    winner = max(scores, key=scores.get)
    print(f"alpha {a:3}: {', '.join(f'{x:.2f}' for x in scores.values())}: {winner!r} wins")
# %% [markdown] lang="zh"
# 长的多乘了两次，所以吃亏；$\alpha$ 越大，亏补得越多：到 1，长的就反超了，而它正是对的那个。别因
# 此以为 $\alpha$ 越大越好：补过了头，就会偏爱啰嗦的译文。该取多少，要在验证集上试。
#
# 什么时候可以停？还没写完的路，$\log P$ 只减不增，惩罚最多到最大长度（原文词元数加 50）为止；两者一除，
# 就是这条路最多还能得的分。如果连它都比不过手里的译文，就停。提早停下，结果不变。
#
# 束搜索一定不比贪心差吗？**不一定**：贪心那条路可能在中途被挤掉，而挤掉它的路后来都不行。真去比一
# 比，拿训练里没有的那种大数来问（第 9 节细说），因为模型在那里才会犹豫：
# %% [markdown] lang="en"
# The long one multiplies two more probabilities, and suffers for it; the larger $\alpha$, the more
# of that is made good, and at 1 the long one wins, which happens to be right. That does not make a
# larger
# $\alpha$ better: too much of it favours wordy translations. The value is tried out on a validation
# set.
#
# When may the search stop? The $\log P$ of a running path only falls, and its penalty is largest at
# the maximum length (source tokens plus 50): the quotient of the two is the most it can still
# reach. If even that does not beat what has been found, stop. Stopping early never changes the
# result.
#
# Is beam search never worse than greedy? **There is no such law**: the greedy path may be crowded
# out by others that come to nothing later. Let us compare, on numbers longer than any in training
# (more in section 9), for there the model does hesitate:
# %%
longer = task.longer_items(seed=0, count=200)
asked = [thing.chinese for thing in longer]
by_width = {k: [best[0] for best in translator.translations(asked, k)] for k in (1, 2, 4, 8)}
greedy = by_width[1]
for k, found in by_width.items():
    gains = [mine.score - other.score for mine, other in zip(found, greedy, strict=True)]
    better, worse = sum(x > 1e-4 for x in gains), sum(x < -1e-4 for x in gains)
    exact = sum(x.text == thing.english for x, thing in zip(found, longer, strict=True))
    print(f"beam {k}: {better:3} of {len(asked)} score better than greedy, {worse} worse;", end=" ")
    print(f"{exact} exactly right")
# %% [markdown] lang="zh"
# 这 200 题里没碰上更差的，可道理上碰得上。读这张表要分清两件事：**搜得好**（分数高）和**译得对**。束搜索只管前者；它把模型心目中最像样的译文
# 找出来，模型自己错了，找得再仔细也没用。
#
# > **教程里常见的错**　在概率上乘，不在对数上加：几十个词元乘下来，浮点数就成了 0。还有人碰到第一个
# `</s>` 就收工：短译文先到，长译文没有机会。
#
# ## 9 附带的模型：有多准，错在哪，看哪里
#
# ### 用起来
# %% [markdown] lang="en"
# None of these 200 came out worse, though they may. Keep two things apart in this table: to **search well** (a higher score) and to **translate
# right**. Beam search does the former only: it finds what the model likes best, and if the model is
# wrong, no care in searching will help.
#
# > **Where the tutorials you may have read go wrong.** Multiplying probabilities rather than adding
# > logarithms: after
# > enough tokens a float is 0. And stopping at the first `</s>`: short translations arrive first,
# > and long ones never get their turn.
#
# ## 9 The model that comes with the book: how good, how wrong, where it looks
#
# ### In use
# %%
lines = [number.chinese, number.english, day.chinese, day.english, money.chinese, money.english]
lines += ["九百零七万亿", "nine hundred and seven trillion", "一万五", "两千零五", "你好"]
for text, best in zip(lines, translator.translations(lines), strict=True):
    print(f"{text}\n    {best[0].text}    (score {best[0].score:.2f})")
# %% [markdown] lang="zh"
# 最后三句是故意为难它。“一万五”在口语里是一万五千，训练数据里却没有这种说法：它答对了，但没人教
# 过，不能指望。“两”它没学过，译文里竟混进一个汉字；“你好”根本不是数。它不会说“我不知道”，只会
# 从学过的词里挑最像的；分数离 0 远了，有时看得出不可信，可没学过的“一万五”分数全表最高，靠不住。
#
# ### 它在看哪里
#
# **问题**　写下 *million* 的那一刻，解码器在看原文的哪几个字？
#
# **交叉注意力**的权重就是答案：每写一个词元，每层每个头都有一行，分给原文的各个词元，和为
# 1。`Translator.align` 把它们交出来，形状是（层，头，`T`，`S`）。
#
# 先拿一把尺子量：有些格子，我们人知道答案。数字词对数字字（*ninety* 对“九”），年月日各归各。每个
# 头有多少权重放在这些格子上？
# %% [markdown] lang="en"
# The last three are meant to trouble it. 一万五 is, in speech, fifteen thousand, and never occurs
# in the training data: the answer is right, but nobody taught it, so do not count on it. 两, another
# word for two, it has not learned, and a Chinese character slips into its English; and 你好, "hello",
# is no number at all. It cannot say "I do not know" and picks what looks most like something it has
# learned. A score far from 0 is a warning at times, but 一万五, never learned, has the best of all: do not
# rely on it.
#
# ### Where it looks
#
# **Question.** At the moment of writing *million*, at which characters does the decoder look?
#
# The weights of **cross-attention** tell: for each token it writes, every head of every layer has a
# row of weights over the source tokens, with sum 1. `Translator.align` hands them over, shaped
# (layers, heads, `T`, `S`).
#
# First a ruler. For some cells, we people know the answer: a digit word belongs to its digit
# (*ninety* to 九), year, month and day each to their own. How much of its weight has each head on
# these cells?
# %%
texts = {"number": item("number", 98_765_432).chinese, "date": day.chinese, "back": right}
maps = {name: translator.align(text) for name, text in texts.items()}
known_cells = {  # row of the translation: column of the source
    "number": {0: 0, 2: 2, 4: 4, 7: 6, 9: 8, 11: 10, 14: 12, 16: 14},
    "date": {0: 6, 2: 8, 3: 10, 6: 0, 7: 1, 8: 2, 9: 3},
    "back": {0: 0, 2: 2, 4: 4, 8: 8},
}
fig, axes = figures.canvas(1, 3, height=1.8)
for ax, (name, known) in zip(axes, known_cells.items(), strict=True):
    weights = maps[name].weights[:, :, list(known), list(known.values())]  # (layers, H, cells)
    ax = figures.heatmap(ax, weights.mean(-1), values=True, vmin=0, vmax=1, colorbar=False)
    ax.set(title=name, xlabel="head", yticks=[0, 1], yticklabels=["layer 0", "layer 1"])


# %% [markdown] lang="zh"
# 没人告诉过模型哪个词对哪个字，训练里只有整句对整句。可是第二层（图中的 layer 1）的头大多自己把权重
# 放到了该放的格子上；第一层的头在前两例里多半在看别的，我们读不懂。挑数字这一例里得分最高的头，看它的全图：
# %% [markdown] lang="en"
# Nobody has told the model which word belongs to which character; training had whole texts on both
# sides. Yet most heads of the second layer (layer 1 in the figure) put their weight on the right
# cells by themselves. Those of the first, in the first two examples, mostly look at other things,
# which we cannot read. The
# whole map of the head that does best on the number:
# %%
def draw_map(ax, name, layer, head):
    """One head's weights (T, S) while the translation was written."""
    found = maps[name]
    names = found.target_tokens, found.source_tokens
    ax = figures.attention_map(ax, found.weights[layer, head], *names)
    ax.set(title=f"layer {layer}, head {head}", xlabel="looks at", ylabel="writes")
    if name != "back":  # Chinese characters need not lean
        for text in ax.get_xticklabels():
            text.set(rotation=0, ha="center", rotation_mode="default")
        text.set_size(6.5)  # </s> is wider than a cell


fig, ax = figures.canvas(height=4.6, width=5)
draw_map(ax, "number", layer=1, head=3)
# %% [markdown] lang="zh"
# 一条干净的斜线：写 *ninety* 看“九”，写 *eight* 看“八”，一路到 *two* 看“二”。数字在两种语言里
# 次序相同，所以线是直的。三个连字符看的是夹在两个数字中间的那个字：九**千**八、六**万**五、
# 三**十**二。*and* 在中文里没有对应的字，两处都落在一个“十”上。
#
# 难处在单位上：中文里没有哪个字是 *million*。把写单位词的那四行挑出来，放大看第二层的头 0、1、2：
# %% [markdown] lang="en"
# A clean slanting line: it writes *ninety* and looks at 九, *eight* and looks at 八, all the way
# down to *two* and 二. Digits come in the same order in both languages, so the line is straight.
# The three hyphens look at the character between their two digits: 九**千**八, 六**万**五,
# 三**十**二. For *and* the Chinese has no character; both times the weight lands on a 十.
#
# The hard part is the units: no Chinese character means *million*. Take the four rows that wrote a
# unit, and look closely at heads 0, 1 and 2 of the second layer:
# %%
found, units = maps["number"], [3, 5, 10, 12]  # the rows that wrote a unit
names = [found.target_tokens[row] for row in units]
characters = found.source_tokens[:-1]
fig, axes = figures.canvas(3, 1, height=5)
for head, ax in enumerate(axes):
    weights = found.weights[1, head, units, :-1]  # (4, S), without the end token
    style = {"values": ".2f", "vmin": 0, "vmax": 1, "colorbar": False}
    ax = figures.heatmap(ax, weights, characters, names, **style)
    ax.set(title=f"layer 1, head {head}", ylabel="writes")
    seen = [characters[i] for i in weights.argmax(-1)]
    print(f"head {head}:", *map("{} <- {} ".format, names, seen))
    assert seen[0] == "百万千"[head]
# %% [markdown] lang="zh"
# 这就是“万”与英文单位的交叉。写 *million* 的那一刻，头 0 看的是“百”（八**百**），头 1 看的是四个
# 字之后的“万”：百 × 万 = 百万，一个英文词由两个隔开的字合成。写下一行的 *hundred* 时，头 0 看“十”
# （七**十**），头 1 仍看“万”：十 × 万 = 十万，英文叫一百个千。到了 *thousand*，头 1 看“千”
# （五**千**），头 2 看“万”：七十六万五千，要把“万”和“千”合在一起，才是英文的 765 个千。最后一个
# *hundred* 就是自己的“百”，头 0 和头 2 都看它；后面再没有“万”，头 1 看别的去了。也有说不出道理
# 的：写 *thousand* 时头 0 看后面的“百”，写 *million* 时头 2 看前面的“千”。
#
# 小心别读过头：注意力图说的是**看哪里**，不是**怎么算**，真正的换算还在前馈网络里。
#
# 再看日期。年在前的变成年在后，斜线就断成了两截：
# %% [markdown] lang="en"
# There is the crossing of 万 and the English units. At the moment of writing *million*, head 0
# looks at 百 (of 八**百**, the hundreds), and head 1 at the 万 four characters further on: hundred
# times ten thousand is a million, one English word made of two characters that stand apart. At the
# *hundred* of the next row, head 0 looks at 十 (of 七**十**), and head 1 at 万 again: ten times ten
# thousand is a hundred thousand. At *thousand*, head 1 looks at 千 (of 五**千**) and head 2 at 万:
# 七十六万五千 has a 万 and a 千, and only together are they the 765 thousands of English. The last
# *hundred* is just its own 百, for heads 0 and 2; no 万 follows any more, and head 1 looks elsewhere.
# For some cells we see no reason: head 0 looks at the later 百 when it writes *thousand*, head 2 at the
# earlier 千 when it writes *million*.
#
# Do not read too much into it: such a map shows **where** it looks, and not **what it computes**
# there, which is up to the feed-forward networks.
#
# Now the date. The year moves from the front to the end, and the line breaks in two:
# %%
fig, axes = figures.canvas(1, 2, height=3)
for head, ax in zip((2, 0), axes, strict=True):
    draw_map(ax, "date", layer=1, head=head)
# %% [markdown] lang="zh"
# 左图（头 2）：写“23”时看原文末尾的“二”“三”，写到“2026”就跳回开头的“二〇二六”，调序一目了
# 然。写 *November* 时它看的是“十一月”里的“一”，右图的头 0 看的是“十”：一个英文词，由两个头各管
# 一半。空格和逗号在中文里没有对应的字，权重就停在“年”“月”上。头 0 写数字时就乱一些，比如写最后的
# “6”，它看得最多的是“十”。没有哪一个头包办一切，要合起来看。
#
# 反方向，英译中：
# %% [markdown] lang="en"
# On the left (head 2): for 23 it looks at 二 and 三 near the end of the source, and for 2026 it
# jumps back to the 二〇二六 at the front: reordering, plain to see. For *November* it looks at the 一
# of 十一月, and head 0 on the right looks at the 十: one English word, half of it from each head.
# Spaces and the comma have no character of their own, and there the weight rests on 年 and 月. Head
# 0 is less tidy with digits: for the last 6 it mostly looks at 十. No head does everything; they
# work together.
#
# And the other direction, English to Chinese:
# %%
fig, axes = figures.canvas(1, 2, height=3.4)
for head, ax in zip((0, 2), axes, strict=True):
    draw_map(ax, "back", layer=1, head=head)
found = maps["back"]
rows = {name: found.target_tokens.index(name) for name in "千百十万"}
for name, row in rows.items():
    seen = [found.source_tokens[found.weights[1, head, row].argmax()] for head in (0, 2)]
    print(f"writes {name}: head 0 looks at {seen[0]!r}, head 2 at {seen[1]!r}")
# %% [markdown] lang="zh"
# 同样的分工倒了过来：写“三千”的“千”，头 0 看 *thirty*，头 2 看 *million*：三十个百万，就是三千
# （万）。写“一十”的“十”，头 0 看 *hundred*，头 2 看 *thousand*：一百个千，就是十（万）。写到
# “万”，两个头都看 *thousand*。只有写“百”时头 2 看的 *hundred*，我们说不出道理。
#
# ### 考试
#
# 最后是成绩。一千道没背过的题，再加上刚才那 200 个**更大的数**：训练里的数最多 12 位，13 到 15 位的
# 只有末尾一长串零的**圆整数**（像“九百零七万亿”）；这 200 个是 13 到 15 位而不圆整的数。每个字它都
# 认识。
# %% [markdown] lang="en"
# The same division of labour, turned round: for the 千 of 三千, head 0 looks at *thirty* and head 2
# at *million*: thirty millions are three thousand 万. For the 十 of 一十, head 0 looks at *hundred*
# and head 2 at *thousand*: a hundred thousands are ten 万. At 万 both look at *thousand*. Only why
# head 2 looks at *hundred* when it writes 百, we cannot say.
#
# ### The exam
#
# Now the marks: a thousand items that it has not seen, and the 200 **larger numbers** from above.
# Training had numbers of up to 12 digits, and of 13 to 15 only **round** ones that end in a long row
# of zeros (like 907 trillion); these have 13 to 15 digits and are not round. No word in them is new
# to it.
# %%
held_out = task.test_items(seed=0, count=1000)
reports = {}
for direction in DIRECTIONS:
    for part, items in (("held out", held_out), ("longer", longer)):
        report = evaluate_numerals(translator, items, direction)
        reports[direction, part] = report
        print(f"{direction}, {part}: {score_text(report.score)}")
        print(f"    mistakes: {report.verdicts or 'none'}")
    assert reports[direction, "held out"].score.rate >= 0.99
# %%
fig, axes = figures.canvas(1, 2, height=2.9)
for ax, direction in zip(axes, DIRECTIONS, strict=True):
    for part, color in (("held out", figures.BLUE), ("longer", figures.ROSE)):
        scores = reports[direction, part].digits
        rates = [score.rate for score in scores.values()]
        ends = [score.interval for score in scores.values()]
        below = [rate - low for rate, (low, _) in zip(rates, ends, strict=True)]
        above = [high - rate for rate, (_, high) in zip(rates, ends, strict=True)]
        ax.errorbar(list(scores), rates, [below, above], fmt="o", color=color, label=part)
    ax.set(title=direction, xlabel="digits of the number", ylim=(-0.05, 1.08))
_ = axes[0].set_ylabel("exact match"), axes[0].legend(loc="lower left")
# %%
for direction in DIRECTIONS:
    mistakes = reports[direction, "longer"].mistakes
    wanted = sum(len(tokenizer.encode(mistake.reference)) for mistake in mistakes)
    given = sum(len(tokenizer.encode(mistake.output)) for mistake in mistakes)
    print(
        f"{direction}: {len(mistakes)} mistakes, {given / wanted:.0%} of the tokens they should have"
    )
    for verdict in reports[direction, "longer"].verdicts:
        few = [mistake for mistake in mistakes if mistake.verdict == verdict]
        mistake = min(few, key=lambda mistake: len(mistake.source))
        print(f"  {verdict}:\n    {mistake.source}\n    {mistake.output}")


# %% [markdown] lang="zh"
# 会的，一道不错；更大的数，垮了：译文比该有的短，常常整整丢掉一级。是因为题目太长吗？数一数就知道：
# %% [markdown] lang="en"
# What it has learned it knows without a mistake; with the larger numbers it breaks down: the outputs
# are too short, often a whole group of digits is lost. Are the texts too long for it? Let us count:
# %%
def num_tokens(things):
    """How many tokens each has, the longer of its two sides."""
    sides = [[thing.chinese for thing in things], [thing.english for thing in things]]
    encoded = [tokenizer.encode_batch(texts) for texts in sides]
    return [max(map(len, pair)) for pair in zip(*encoded, strict=True)]


longest = max(num_tokens(task.train_items(seed=0, count=20_000)))
not_longer = [x for x, n in zip(longer, num_tokens(longer), strict=True) if n <= longest]
print(f"trained on up to {longest} tokens; {len(not_longer)} of the {len(longer)} have no more")
for direction, wanted in zip(DIRECTIONS, ("english", "chinese"), strict=True):
    wrong = {mistake.reference for mistake in reports[direction, "longer"].mistakes}
    right = sum(getattr(x, wanted) not in wrong for x in not_longer)
    print(f"{direction}: {right} of these {len(not_longer)} right")
# %% [markdown] lang="zh"
# 不是长度：四分之三的题目并不比训练里最长的长，照样错了一多半，英译中几乎全错。新的是**组合**：训练里 *trillion* 和“万亿”后面只
# 有零，从没跟过别的数。*twenty trillion and seventy-nine* 不过五个词，它译成“二十万零七十九”，
# 把“亿”丢了。蓝点里也有 13 到 15 位的数，那些是圆整数，一个没错。
#
# 论文选正弦位置编码时说，它**也许**能让模型用到比训练时更长的序列上（第 3.5 节）。这场考试说明不了这
# 一点，因为更长的题同时也是新组合。能说的是：这个模型学会的不是“怎样念数”，而是“怎样念它见过的那
# 几种数”。想让它会更多，最省事的办法是把更多种放进训练里。
#
# 每个方向一万道题的完整成绩，在[权重的说明](../../tiny_transformer/weights/numerals/README.md)里；
# 自己重考一遍（两个 CPU 核上约一分钟）：
#
# ```bash
# python -m tiny_transformer evaluate --task numerals
# ```
#
# ## 10 换成你自己的语料
#
# 任务换成别的语言，代码一行不用改。语料是一个 TSV 文件（原文、制表符、译文），或两个逐行对应的文
# 件。坏行会报出行号：
# %% [markdown] lang="en"
# It is not the length: three in four of them are no longer than what it was trained on, and most of
# these go wrong all the same. What is new is the **combination**: in training, nothing but zeros
# ever followed *trillion* or
# 万亿. *twenty trillion and seventy-nine* comes out as 二十万零七十九, with the 亿 lost. Some of the
# blue points have 13 to 15 digits too; those are round numbers, and all of them are right.
#
# When the paper chose sinusoids for the positions, it said that they **may** let the model go on to
# sequences longer than in training (section 3.5). This exam cannot tell, since what is longer is a
# new combination as well. It does tell that this model has not learned how to read numbers, but how to
# read the kinds of numbers it has seen. To make it read more, the plain way is to put more kinds into
# the training.
#
# The marks on ten thousand items in each direction are in
# [the notes on the weights](../../tiny_transformer/weights/numerals/README.md); to hold that exam
# yourself (about a minute on two CPU cores):
#
# ```bash
# python -m tiny_transformer evaluate --task numerals
# ```
#
# ## 10 A corpus of your own
#
# For another pair of languages, not a line of code changes. A corpus is one TSV file (source, tab,
# target), or two files whose lines correspond. Bad lines are reported by number:
# %%
from tiny_transformer.data import read_pairs

with tempfile.TemporaryDirectory() as folder:
    corpus = Path(folder) / "pairs.tsv"
    lines = ["guten Morgen\tgood morning", "no tab in this line", "leer\t", "danke\tthank you"]
    corpus.write_text("\n".join(lines), encoding="utf-8")
    good, bad = read_pairs(corpus)
print(*good, *bad, sep="\n")
# %% [markdown] lang="zh"
# 训练、翻译、打分，三条命令。训练被打断了，把**同一条命令**再敲一遍就接着练；`--help` 列出全部选
# 项，默认值都在 [recipes.py](../../tiny_transformer/recipes.py) 的 `PAIRS` 里，是按三万句对左右的小
# 语料定的（小语料要小模型、多 dropout）。
#
# ```bash
# python -m tiny_transformer train --data train.de train.en --out runs/de-en
# python -m tiny_transformer translate --model runs/de-en --file test.de
# python -m tiny_transformer evaluate --model runs/de-en --data test.tsv --bleu
# ```
#
# 普通句子没有唯一的译法，完全一致（exact match）就不够用了。**BLEU**（Papineni 等 2002）数译文里长一到四个词的片段
# 有多少也出现在参考译文里，再罚过短的；它便宜、通用，却不知道一字之差可能就是一个亿。分数要连同
# sacrebleu 打印的签名一起报告，切词的方式不同，分数不能比。
#
# 想从头重做附带的模型（两个 CPU 核上约一刻钟），或这一章的小模型（约两分钟）：
#
# ```bash
# python -m tiny_transformer train --task numerals
# python -m tiny_transformer train --task numerals --small
# ```
# %% [markdown] lang="en"
# Train, translate, score: three commands. When training is interrupted, **the same command** again
# goes on with it. `--help` lists all options; the defaults are `PAIRS` in
# [recipes.py](../../tiny_transformer/recipes.py), meant for a small corpus of about thirty thousand
# pairs (small data wants a small model and much dropout).
#
# ```bash
# python -m tiny_transformer train --data train.de train.en --out runs/de-en
# python -m tiny_transformer translate --model runs/de-en --file test.de
# python -m tiny_transformer evaluate --model runs/de-en --data test.tsv --bleu
# ```
#
# Ordinary sentences have no single translation, and exact match is not enough. **BLEU** (Papineni
# et al. 2002) counts how many pieces of one to four words of the output are in the reference too,
# and punishes brevity; it is cheap and general, and does not know that one word may be worth a
# hundred million. Report it with the signature that sacrebleu prints: scores over other words
# cannot be compared.
#
# To make the shipped model anew (about a quarter of an hour on two CPU cores), or the small one of
# this chapter (about two minutes):
#
# ```bash
# python -m tiny_transformer train --task numerals
# python -m tiny_transformer train --task numerals --small
# ```
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数可以顶替包里的那一个，跑同一批测试；裁判是 `torch`、`transformers` 的 `generate`、穷举和手算
# 的数，不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise label_smoothed_cross_entropy > my.py
# pytest --mine=my.py
# python -m tests.exercise --hint label_smoothed_cross_entropy
# ```
#
# 第一条打印题头（签名和文档，没有函数体），写完跑第二条；第三条给提示。本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `collate` | 第 3 节：一批句对变成三张表，错开一格 | 几行 |
# | `label_smoothed_cross_entropy` | 第 4 节的损失，就是练习 1，一批一批地算 | 几行 |
# | `average_checkpoints` | 第 6 节：检查点取平均，就是练习 3 | 几行 |
# | `length_penalty` | 第 8 节：长译文不吃亏 | 几行 |
# | `greedy_decode` | 第 7 节：贪心解码，练习 4 的完整版 | 一下午 |
# | `beam_search` | 第 8 节：束搜索 | 一个周末 |
#
# 在笔记本里用 `check`。下面这一份只错了一处：那一成只分给了**别的**词元。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are
# `torch`, the `generate` of `transformers`, exhaustive search and numbers worked by hand, not our
# code. In the root of the repository:
#
# ```bash
# python -m tests.exercise label_smoothed_cross_entropy > my.py
# pytest --mine=my.py
# python -m tests.exercise --hint label_smoothed_cross_entropy
# ```
#
# The first prints the head (signature and docstring, no body); write the rest and run the second;
# the third gives a hint. The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `collate` | section 3: pairs to three tables, shifted by one | a few lines |
# | `label_smoothed_cross_entropy` | the loss of section 4: exercise 1, for batches | a few lines |
# | `average_checkpoints` | section 6: the mean of checkpoints: exercise 3 | a few lines |
# | `length_penalty` | section 8: a fair chance for long outputs | a few lines |
# | `greedy_decode` | section 7: greedy decoding, exercise 4 in full | an afternoon |
# | `beam_search` | section 8: beam search | a weekend |
#
# In a notebook there is `check`. The attempt below has one mistake: the tenth is spread over the
# **other** tokens only.
# %%
from tests.exercise import check
from tiny_transformer.loss import LossSum


def label_smoothed_cross_entropy(logits, targets, pad_id, smoothing=0.1):
    wide = torch.promote_types(logits.dtype, torch.float32)  # half precision is too coarse for sums
    log_p = logits.log_softmax(-1, dtype=wide)
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    others = (-log_p.sum(-1) - nll) / (logits.shape[-1] - 1)  # over how many tokens?
    smoothed = (1 - smoothing) * nll + smoothing * others
    real = targets != pad_id
    return LossSum(smoothed[real].sum(), nll[real].sum().detach(), int(real.sum()))


right = check(label_smoothed_cross_entropy)
# %% [markdown] lang="zh"
# 先看第一行，没过的是哪个测试：手算的那一个，三个词元，概率 0.2、0.5、0.3；再看得到的数和期望的数；
# 最后是出处和怎样要提示。那一成该分给几个词元？改好再运行一次。
# %% [markdown] lang="en"
# The first line says which test failed: the one worked by hand, three tokens of probability 0.2, 0.5
# and 0.3; then come the number obtained and the one expected, and where to read on. Over how many
# tokens has the tenth to be spread? Mend it, and run the cell again.
# %% [markdown] lang="zh"
# ## 11 带走七句话
#
# 1. 考题按**值**留出，判卷的人不是出题的人。
# 2. 教师强制：译文错开一格，因果掩码让 $T$ 个位置一次学完。
# 3. 批次按词元数装，长短相近的放在一起，填充就少。
# 4. 标签平滑的损失有底线，不是 0；它教模型只给九成把握。
# 5. Adam 的步子由学习率说了算，所以要预热；最后几个检查点取平均，几乎白得一截分数。
# 6. KV 缓存不改结果，只把平方变成直线；束搜索找的是模型心目中最好的，不是对的。
# 7. 交叉注意力会自己学出对齐；没见过的组合，它不会。
#
# 本章没有讲、值得接着读的：反向翻译（Sennrich 等 2016，arXiv:1511.06709）、学得到的相对位置（Shaw
# 等 2018，arXiv:1803.02155）、束越宽译得越差的怪事（Koehn 与 Knowles 2017，arXiv:1706.03872）。
#
# 把解码器单独拿出来，换上 RoPE、RMSNorm、SwiGLU，就是今天的大语言模
# 型：[21 · 走到注意力门前](21_tokens_to_rope.ipynb)。
#
# 代
# 码：[numerals.py](../../tiny_transformer/numerals.py)、[batching.py](../../tiny_transformer/batching.py)、[loss.py](../../tiny_transformer/loss.py)、[training.py](../../tiny_transformer/training.py)、[decoding.py](../../tiny_transformer/decoding.py)、[beam.py](../../tiny_transformer/beam.py)。
# %% [markdown] lang="en"
# ## 11 Seven sentences to take along
#
# 1. Hold out by **value**; and let somebody else mark the papers.
# 2. Teacher forcing: the target shifted by one; the causal mask lets all $T$ places learn at once.
# 3. Fill batches by tokens and put like lengths together: less padding.
# 4. The smoothed loss has a floor that is not 0; it teaches the model to be nine tenths sure.
# 5. With Adam, the learning rate sets the step, so warm up; the mean of the last checkpoints is a
#    gain for next to nothing.
# 6. The KV cache changes no result and turns a square into a line; beam search finds what the model
#    likes best, not what is right.
# 7. Cross-attention learns to align by itself; combinations that the model has not seen, it cannot
#    do.
#
# Not in this chapter and worth reading next: back-translation (Sennrich et al. 2016,
# arXiv:1511.06709), learned relative positions (Shaw et al. 2018, arXiv:1803.02155), and the
# curious fact that wider beams can translate worse (Koehn and Knowles 2017, arXiv:1706.03872).
#
# Take the decoder alone, give it RoPE, RMSNorm and SwiGLU, and you have a large language model of
# today: [21 · To the door of attention](21_tokens_to_rope.ipynb).
#
# Code: [numerals.py](../../tiny_transformer/numerals.py),
# [batching.py](../../tiny_transformer/batching.py), [loss.py](../../tiny_transformer/loss.py),
# [training.py](../../tiny_transformer/training.py),
# [decoding.py](../../tiny_transformer/decoding.py), [beam.py](../../tiny_transformer/beam.py).
