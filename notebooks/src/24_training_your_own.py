# %% [markdown] lang="zh"
# # 24 · 训练你自己的小 Qwen2
#
# > **旅客自述**　前三章里，我穿过一台完整的 Qwen2：被查表、被旋转、被注意、被门控。可是那些矩阵里几
# 乎全是随机数，我走到终点，得到的也只是随机的分数。这一章我不走了，我站在原地，看**矩阵自己**动起来。
#
# 从零开始，一行语料都没有，到一个会照着资料回答的小模型。一路上要弄清：
#
# 1. **语料**：一个几百万参数的模型，什么值得教它？考题怎样保证不是背过的？
# 2. **分词器**：词表多大合适？
# 3. **损失**：为什么从 $\ln V$ 开始往下走，头几十步学到的是什么？
# 4. **平台期**：为什么损失落到一处，就很久不动？
# 5. **归纳头与跳跃**：要长出什么，它才掉得下去？不等它长，能不能亲手写进权重？引用
#    又要怎样的头？
# 6. **打包**：许多段对话装进一行，为什么谁也不许看见邻居？
# 7. **监督微调**：为什么只在回答上算损失？
# 8. **一步是怎样走的**：学习率、裁剪、bfloat16、断点续训、多进程。
# 9. **LoRA**：只学几千个数，换一副口吻。
# 10. **完整的配方**：一条命令，从零到一个模型文件夹。
# 11. **一次完整的训练**：tiny-qwen2 的日志和成绩单。
# 12. **它不会什么**，换成 0.5B、7B 又要多少。
# 13. **练习**。
#
# 上一章：[23 · 完整的解码器](23_the_whole_decoder.ipynb)。下一章：[31 · 从 PDF 到向量](31_from_pdf_to_vector.ipynb)。
#
# **预备知识**：第 21 到 23 章（第 13 章讲过一次训练，这里不重复，只讲新的）。
# **用时**：读一遍约 50 分钟；两个 CPU 核上全部运行约一分钟，大半花在第 4、5、8 节的现场训练上；不联网，不下载任何东西。
#
# 字母沿用前几章：`T` 词元数，`D` 模型宽度，`H` 头数，`Dh` 头宽，`V` 词表大小，`L` 层数。
# %% [markdown] lang="en"
# # 24 · Training your own tiny Qwen2
#
# > **The tensor speaks.** In the last three chapters I went through a whole Qwen2: looked up, rotated,
# > attended to, gated. But the matrices were random numbers, and so were the scores that I brought home.
# > In this chapter I stand still, and watch **the matrices** move.
#
# From nothing, not even a line of text, to a small model that answers from passages. On the way:
#
# 1. **The corpus**: what is worth teaching to a few million parameters? How do we know that an exam
#    question was not learned by heart?
# 2. **The tokenizer**: how large should the vocabulary be?
# 3. **The loss**: why does it begin at $\ln V$, and what is learned in the first dozens of steps?
# 4. **The plateau**: why does the loss come down to some number, and then stand still for so long?
# 5. **Induction heads and the jump**: what has to grow for it to fall? Need we wait, or can we write it
#    into the weights by hand? And which heads does citing take?
# 6. **Packing**: many conversations in one row; why must none see its neighbour?
# 7. **Supervised fine-tuning**: why is the loss on replies only?
# 8. **How a step is made**: learning rate, clipping, bfloat16, exact resume, several processes.
# 9. **LoRA**: a few thousand numbers, and a new voice.
# 10. **The whole recipe**: one command, from nothing to a model folder.
# 11. **A whole run**: the log of tiny-qwen2, and its report.
# 12. **What it cannot do**, and what 0.5B or 7B would take.
# 13. **Exercises.**
#
# **You need**: chapters 21 to 23 (chapter 13 was about training too; what it explained is not
# repeated).
# **Time**: about 50 minutes to read; the whole chapter runs in about a minute on two CPU cores, most of it the training of sections
# 4, 5 and 8; no network, no downloads.
#
# The letters are those of the last chapters: `T` tokens, `D` model width, `H` heads, `Dh` head width, `V`
# vocabulary, `L` layers.
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import copy
import inspect
import json
import math
import random
import string
import tempfile
import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

torch.set_num_threads(1)  # the order of a sum, and so its last digit, depends on the threads
# %% [markdown] lang="zh"
# ## 1 语料：每段对话一个世界
#
# **问题**　大模型读的是整个互联网。几百万个参数装不下互联网，连一本百科全书都背不全。那么教它什么？
#
# **想法**　教它一种**不靠记忆的本事**：在眼前的资料里找到答案，照抄，注明出处；找不到就说没有。为了
# 让它无从背起，**每段对话都发生在一个新造的世界里**：名字是生造的，数值是抽签的，背下来毫无用处，唯
# 一的出路是去读。
#
# 世界虽新，说法是旧的。哪些事物、哪些关系、每个关系有哪些问法，都写在 `data/grammar/` 里：
# %% [markdown] lang="en"
# ## 1 The corpus: a new world for each conversation
#
# **Question.** Large models read the internet. A few million parameters cannot hold it, nor even one
# encyclopedia. So what should they learn?
#
# **Idea.** A skill that **needs no memory**: find the answer in the passages at hand, copy it, cite it;
# and if it is not there, say so. To leave nothing to memorise, **each conversation happens in a
# world of its own**: names are coined, values drawn at random. What was learned by heart is
# worthless the next time; the only way is to read.
#
# The worlds are new, the ways to speak about them are not. Which things there are, which relations,
# and how each may be stated and asked for is written down in `data/grammar/`:
# %%
from qwen_blog.worlds.grammar import HELD_OUT, Grammar

grammar = Grammar.load()
relations = [r for kind in grammar.types.values() for r in kind.relations.values()]
total = sum(len(r.say[x]) + len(r.ask[x]) for r in relations for x in ("zh", "en"))
print(f"{len(grammar.types)} kinds of things, {len(relations)} relations, {total:,} wordings")
captain = grammar.types["ship"].relations["captain"]
for language in ("en", "zh"):
    for wording in captain.say[language][:3] + captain.ask[language][:3]:
        print("  ", wording)
# %% [markdown] lang="zh"
# `{e}` 是事物，`{v}` 是值。一个 `Reading` 造一个世界，写几段资料，再就资料提问。提示词的写法与第 33 章的
# RAG 包一字不差，所以学到的正是将来要考的：
# %% [markdown] lang="en"
# `{e}` is the thing, `{v}` the value. A `Reading` makes a world, writes passages about it, and asks about
# them. The prompt is, to the letter, that of the RAG package in
# [chapter 33](33_grounded_answers.ipynb); so what is learned here is what will be asked there:
# %%
from qwen_blog.worlds.reading import Reading, Shape


def show(text, width=92):
    print("\n".join(textwrap.fill(line, width) for line in text.splitlines()))


def show_talk(messages, width=92):
    for message in messages:
        show(f"{message['role']}: {message['content']}", width)


shape = Shape(passages=2, facts=3, filler=1, questions=3)
show_talk(Reading(random.Random(24), grammar, "en", shape).conversation())
# %%
show_talk(Reading(random.Random(6), grammar, "zh", Shape(1, 4, 0, 3)).conversation()[1:], 46)
# %% [markdown] lang="zh"
# 干扰也在里面：同类的事物有同样的关系（只认关系、不认名字就会抄错），夹着没用的句子，还有资料里没有
# 答案的问题。
#
# 别的本事同样造得出来：用工具的 ReAct（第 41 章的格式）、选择题、寒暄；还有**同一篇文章说两遍**，第
# 二遍换了次序和说法。后一种用于预训练：第一遍里的名字和数值谁也猜不到，第二遍的却可以回头去找。
# %% [markdown] lang="en"
# The distractions are in it: things of a kind have the same relations (whoever looks at the
# relation and not at the name copies the wrong value), sentences of no use stand between, and some
# questions have no answer in the passages.
#
# Other skills are made likewise: tools in the ReAct format of [chapter 41](41_react_by_hand.ipynb),
# multiple choice, small talk;
# and **articles told twice**, the second time in another order and other words. Those are for
# pre-training: nobody can guess the names and values of the first telling, but those of the second can
# be looked up.
# %%
from qwen_blog.worlds.prose import told_twice
from qwen_blog.worlds.tool_use import react

show(told_twice(random.Random(2), grammar, "en") + "\n")
show_talk(react(random.Random(3), grammar, "en")[1:])
# %% [markdown] lang="zh"
# ### 考题不能是背过的
#
# **问题**　世界是随机的，考题自然是新的，还需要留出什么吗？
#
# 需要。随机只保证**组合**是新的。说法一共就那么多，训练时全见过；名字里的每个音节、每个数，也可能出
# 现过。所以留出三样，各自可以单独考：每张说法表的最后两条、十分之一的名字、十分之一的值。名字和值按
# **校验和**分边，与抽签的运气无关（第 13 章用的是同一个办法）：
# %% [markdown] lang="en"
# ### No question that was learned by heart
#
# **Question.** The worlds are random, so exam questions are new anyway. Is there anything to hold out?
#
# There is. Random draws only make **combinations** new. Wordings are limited, and training would see all
# of them; a name or a number may have come up before. So three things are held out, each to be tested by
# itself: the last two wordings of every list, a tenth of all names, a tenth of all values. Names and
# values are sorted by **checksum**, whatever the luck of the draw (as in chapter 13):
# %%
from qwen_blog.worlds.universe import TRAINING, Draw, is_held_out

print(inspect.getsource(is_held_out))


def names(draw):
    made = [Reading(random.Random(n), grammar, "en", shape, draw) for n in range(400)]
    return [thing.name for reading in made for thing in reading.world.things]


seen, unseen = names(TRAINING), names(Draw(names=True))
assert not set(seen) & set(unseen)
once = sum(count == 1 for count in Counter(seen).values())
print(f"{len(seen)} names in 400 training worlds, {once} of them only once; held out: {unseen[:4]}")
print("wordings held out:", captain.ask["en"][-HELD_OUT:])
# %% [markdown] lang="zh"
# 练过的名字和考试的名字没有一个相同；就是训练的名字，绝大多数一辈子也只出现一次。**背，没有用。**
#
# ## 2 分词器：词表多大合适？
#
# **问题**　Qwen2 的词表有十五万个词元。我们的小模型也用它，行不行？
#
# 算一笔账。嵌入表是 $V \times D$ 个参数。词表照搬，光这张表就比模型的其余部分大得多（后面第二格
# 的第一行），而且绝大多数行在我们的语料里一次也不出现，永远学不到东西。所以在自己的语料上重新训练一个（第
# 21 章的 BPE）。词表越大，文字越短，表越贵：
# %% [markdown] lang="en"
# No name of the exam has been trained on; and even of those for training most come up only once.
# **Learning by heart does not pay.**
#
# ## 2 The tokenizer: how large a vocabulary?
#
# **Question.** Qwen2 has some 150,000 tokens. Why not use those?
#
# Work it out. The embedding table has $V \times D$ parameters. With Qwen2's vocabulary it would be
# far larger than the rest of the model (the first line printed below); and most of its rows never
# occur in our corpus, so they never learn. So we train a tokenizer of our own, on our corpus (the
# BPE of
# chapter 21). The larger the vocabulary, the shorter the texts, and the larger the table:
# %%
from qwen_blog import Qwen2Config, Qwen2ForCausalLM
from qwen_blog.recipes import NANO, TINY_QWEN2, to_sample
from qwen_blog.tokenizer import Tokenizer
from qwen_blog.worlds.nano_data import nano_conversation, nano_text


def contents(numbers):
    for n in numbers:
        made = nano_text(random.Random(f"corpus {n}"), 0.0)
        yield from [made] if isinstance(made, str) else [each["content"] for each in made]


corpus, fresh = list(contents(range(400))), list(contents(range(400, 450)))
# %%
with torch.device("meta"):
    parts = {n: p.numel() for n, p in Qwen2ForCausalLM(TINY_QWEN2.model).named_parameters()}
layers, D = sum(x for n, x in parts.items() if "layers" in n), TINY_QWEN2.model.hidden_size
print(
    f"tiny-qwen2: {layers:,} parameters in its layers; Qwen2's table at its width: {151_936 * D:,}"
)
sizes = (300, 512, 1024, 2048)
tokenizers = {size: Tokenizer.train(corpus, size) for size in sizes}
lengths = {size: sum(len(t.encode(x)) for x in fresh) for size, t in tokenizers.items()}
for size in sizes:
    table = size * NANO.model.hidden_size
    print(f"V = {size:4}: {lengths[size]:6,} tokens, a table of {table:7,} parameters")
# %%
sentences = ["The captain of Kalon Ridge is Mirasho.", "卡洛恩号的船长是米拉绍。"]
fig, axes = figures.canvas(4, 1, height=3.2)
for ax, (size, text) in zip(axes, [(v, x) for x in sentences for v in (300, 1024)], strict=True):
    t = tokenizers[size]
    pieces = [t.token_bytes(i).decode("utf-8", errors="replace") for i in t.encode(text)]
    ax.set_anchor("W")
    ax = figures.token_strip(ax, [piece.replace("\ufffd", "·") for piece in pieces])
    _ = ax.set_title(f"V = {size}: {len(pieces)} tokens", size=9, pad=1)
# %% [markdown] lang="zh"
# 点（·）是半个汉字：三个字节还没粘成一块。词表从 300 到 1024，文字短了一大截；再翻一倍，省下的就少
# 了，表却贵一倍。小配方取 1024，完整的配方语料宽得多，取 4096。生造的名字无论如何都是碎的，这没有坏
# 处：模型要学的是照抄**任何**碎片。数字一律单个切开，和 Qwen2 一样。
#
# ### 一件东西，一个词元
#
# 有一类东西不能交给合并去碰运气：引用的编号。照 Qwen2 的切法，“[2]”是三个词元：括号、单个的数字、括号。可是
# 第二段资料里的每一个词，都得知道自己属于“[2]”，回答才注得出编号。三个词元合起来是什么意思，先要有一层把它们拼起
# 来；单看那个“2”，日期里、价钱里到处都是。所以配方把 [1] 到 [9] 各立为一个词元，像聊天记号那样不拆开，只是不算控制词元。
# Qwen2.5 自己对 `<tool_call>` 也是这么办的。再配一种练习，`locate`，只练“在第几行”：
# %% [markdown] lang="en"
# A dot (·) is a part of a Chinese character, whose three bytes are not glued together yet. From 300 to
# 1024 the texts become much shorter; another doubling saves less, and doubles the price of the table. The
# small recipe takes 1024; the full one, whose corpus is far wider, 4096. Coined names are in pieces
# either way. That does no harm: the model is to learn to copy **any** pieces. Digits are always
# single,
# as in Qwen2.
#
# ### One thing, one token
#
# One kind of thing is not left to the merges: the numbers of citations. By Qwen2's rules "[2]" is three tokens, a
# bracket, a single digit, a bracket. Yet every word of the second passage has to know that it belongs to "[2]", or no
# reply can cite it. What three tokens mean together, a layer must first put together; and the "2" alone is in every
# date and every price. So the recipes make [1] to [9] a token each, like the marks of a chat, but
# not control tokens. Qwen2.5 itself treats `<tool_call>` in this way. And there is a drill,
# `locate`, for nothing but "in which line":
# %%
from qwen_blog.recipes import CITATIONS
from qwen_blog.worlds.recall import locate

marked = Tokenizer.train(corpus, 1024, whole_tokens=CITATIONS)
for name, t in (("by merges", tokenizers[1024]), ("whole", marked)):
    pieces = [t.token_bytes(i).decode() for i in t.encode("Kalon [2], Mirasho [1].")]
    print(f"{name:10}", " | ".join(pieces))
show_talk(locate(random.Random(8), grammar, "en"), 70)
# %% [markdown] lang="zh"
# ## 3 损失：从 $\ln V$ 往下走
#
# **问题**　训练第一步，损失应当是多少？看到怎样的数就该停下来查错？
#
# **想法**　什么都不懂的模型给每个词元同样的概率 $1/V$，损失是 $-\ln(1/V) = \ln V$。第一步要是远离
# 它，初始化多半错了。往下还有一级现成的台阶：只要学会**哪些词元常见**（输出不看输入，只当一张频率
# 表），损失就降到频率分布的熵 $H_1 = -\sum_i p_i \ln p_i$。再往下，才需要看上文。
#
# 拿一个小模型，现场读几万个词元：
# %% [markdown] lang="en"
# ## 3 The loss: from $\ln V$ down
#
# **Question.** What should the loss be at the first step? At which number do you stop and look for a
# mistake?
#
# **Idea.** A model that knows nothing gives each token the same probability $1/V$, and its loss is
# $-\ln(1/V) = \ln V$. If the first step is far from it, initialisation is probably wrong. Below it there is
# another landmark: a model that knows **which tokens are frequent**, and nothing else, has as its loss
# the entropy of the frequencies, $H_1 = -\sum_i p_i \ln p_i$. To get below that, it has to look at the
# text before.
#
# Let a small model read some tens of thousands of tokens:
# %%
from qwen_blog.training import train
from qwen_blog.training_config import TrainingConfig

TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
TINY |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512}
TINY |= {"rope_theta": 1e6, "tie_word_embeddings": True}
QUICK = TrainingConfig(rows_per_step=1, row_tokens=1024, learning_rate=5e-3, warmup_steps=20)


def fit(model, make_sample, folder, validate=None, **changes):
    """Train, and return what was logged."""
    train(model, replace(QUICK, **changes), make_sample, folder, validate)
    return [json.loads(line) for line in (Path(folder) / "log.jsonl").read_text().splitlines()]


# %%
tokenizer = tokenizers[1024]
torch.manual_seed(0)
reader = Qwen2ForCausalLM(Qwen2Config(vocab_size=1024, **TINY))
with tempfile.TemporaryDirectory() as folder:
    steps = fit(reader, lambda rng, p: to_sample(tokenizer, nano_text(rng, p)), folder, steps=70)
losses = [record["loss"] for record in steps]
frequencies = Counter(i for text in corpus for i in tokenizer.encode(text))
shares = [count / frequencies.total() for count in frequencies.values()]
H1 = -sum(p * math.log(p) for p in shares)
print(f"ln V = {math.log(1024):.2f}, first loss {losses[0]:.2f}")
print(f"entropy of the frequencies {H1:.2f}, last loss {losses[-1]:.2f}")
assert abs(losses[0] - math.log(1024)) < 0.3
assert min(losses) < H1
# %%
fig, ax = figures.canvas(height=2.9)
ax = figures.curve(ax, range(1, 71), {"loss": losses}, xlabel="step", ylabel="nats a token")
for height, name in ((math.log(1024), "ln V"), (H1, "entropy of the frequencies")):
    line = ax.axhline(height, color=figures.INK, linestyle=":", linewidth=1)
    text = ax.text(70, height + 0.06, name, ha="right", size=9)
# %% [markdown] lang="zh"
# 从第一条虚线出发，几十步就越过第二条：先学会频率，再学会“前一个词元之后常跟什么”。这一段谁都学得
# 快，损失曲线也最好看。**可是好看的曲线还什么都没证明**：它会不会回头去资料里找，从这条曲线上看不出
# 来。
#
# > **教程里常见的错**　只画损失，看它往下走就说“学会了”。损失是所有词元的平均，绝大多数词元不用读
# 资料也猜得八九不离十。要看的是那件你关心的事本身：答对几题。
#
# ## 4 平台期
#
# **问题**　“回头去找”这件事，是慢慢学会的，还是忽然学会的？
#
# 把它单独拎出来，用最干净的练习：一串互不相同的随机字母，原样说一遍。没有语法，没有常识，字母之间也
# 没有规律，除了回头看，没有别的办法。（还混进一句固定的招呼，第 9 节要用。）
# %% [markdown] lang="en"
# It sets out from the first dotted line and is below the second within dozens of steps: first it
# learns the frequencies, then what usually follows the token before. That stretch is quick for any
# model, and makes the finest curves. **But a fine curve proves nothing yet**: it does not show
# whether the model can look something up in a passage.
#
# > **Where the tutorials you may have read go wrong.** They plot the loss, see it fall, and say "it has
# > learned". The loss is a mean over all tokens, and most of them can be guessed without reading the
# > passage. Watch the thing that you care about: how many questions are answered.
#
# ## 4 The plateau
#
# **Question.** Is looking back learned little by little, or all of a sudden?
#
# Take it alone, in the cleanest drill there is: a list of random letters, all different, to be
# repeated. No grammar, no common sense, no rule that leads from one letter to the next: there is no
# other way
# than to look back. (A fixed greeting is mixed in, for section 9.)
# %%
from qwen_blog.samples import conversation_sample

LETTERS = string.ascii_letters  # 52


def drill(rng, progress=0.0, length=None):
    letters = " ".join(rng.sample(LETTERS, length or rng.randint(10, 40)))
    return [
        {"role": "user", "content": f"repeat: {letters}"},
        {"role": "assistant", "content": f"here: {letters}"},
    ]


hello = [{"role": "user", "content": "hello"}]
hello += [{"role": "assistant", "content": "Aye, captain. here you are"}]  # for section 9
talks = [drill(random.Random(n)) for n in range(200)]
texts = [message["content"] for talk in [*talks, *[hello] * 20] for message in talk]
letters_tokenizer = Tokenizer.train(texts, 384)
show_talk(talks[0])


# %%
def sample(rng, progress):
    """A drill; one in ten is the greeting instead."""
    talk = hello if rng.random() < 0.1 else drill(rng)
    return conversation_sample(letters_tokenizer, talk)


# %% [markdown] lang="zh"
# 考场固定出 24 个字母的题，32 道，一次算完。除了字母的损失和答对多少，还记下每个头的一个分数：**写到某个字母时，
# 这个头有多少权重落在“同一个字母上次出现之后的那个词元”上**。它有个名字，第 5 节再说。
# %% [markdown] lang="en"
# The exam has 32 lists of 24 letters, worked out in one go. Besides the loss and the share of right letters,
# it notes a score for each head: **when the model is at a letter, how much of the head's weight lies on the token
# after the earlier occurrence of that letter**. Section 5 gives the score its name.
# %%
LONG = 24
exam_talks = [drill(random.Random(f"exam {n}"), length=LONG) for n in range(32)]
exam = torch.tensor([conversation_sample(letters_tokenizer, talk)[0] for talk in exam_talks])
colon = letters_tokenizer.encode(":")[0]
first, again = (exam[0] == colon).nonzero()[:, 0].tolist()  # the two colons, in every list
places = torch.arange(LONG)  # of the letters in either list
shown = [letters_tokenizer.token_bytes(i).decode().strip() or "⏎" for i in exam[0].tolist()]


# %%
def look(model):
    """Loss and share of right letters, share of right lists, and the score of each head."""
    with torch.no_grad():
        out = model(exam, output_attentions=True)
    logits, wanted = out.logits[:, again + places], exam[:, again + 1 + places]  # (B, n, V), (B, n)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
    right = (logits.argmax(-1) == wanted).double()
    found = {"loss": loss, "letters": right.mean(), "lists": right.prod(1).mean()}
    for n, w in enumerate(out.attentions):  # (B, H, T, T)
        scores = w[:, :, again + places, first + 1 + places].mean((0, 2))
        found |= {f"layer {n} head {h}": score for h, score in enumerate(scores)}
    return {name: x.item() for name, x in found.items()}


# %% [markdown] lang="zh"
# 两层，每层两个头，随机起步。每一步读 1024 个词元：
# %% [markdown] lang="en"
# Two layers of two heads, random at the start. Each step reads 1024 tokens:
# %%
letters_config = Qwen2Config(vocab_size=384, **TINY)
torch.manual_seed(0)
blank = Qwen2ForCausalLM(letters_config)
print(f"{sum(p.numel() for p in blank.parameters()):,} parameters")
natural = copy.deepcopy(blank)
with tempfile.TemporaryDirectory() as folder:
    slow = fit(natural, sample, folder, look, steps=300, validate_every=10)
for record in slow[9::40]:
    now = record["validation"]
    print(f"step {record['step']:3}: loss {now['loss']:.2f}, letters {now['letters']:4.0%}")


# %%
def curves(axes, records, name):
    looked = [record for record in records if "validation" in record]
    x = [record["step"] for record in looked]
    for ax, what in zip(axes, ("loss", "letters"), strict=True):
        ax = figures.curve(ax, x, {name: [record["validation"][what] for record in looked]})
    axes[0].set(title="loss, nats a letter", xlabel="step", ylim=(0, None))
    axes[1].set(title="letters right", xlabel="step", ylim=(0, 1.03))


fig, axes = figures.canvas(1, 2, height=2.9)
curves(axes, slow, "random start")
_ = axes[0].axhline(math.log(52), color=figures.INK, linestyle=":", linewidth=1)
flat = [record["validation"] for record in slow if "validation" in record][5:]
assert all(abs(now["loss"] - math.log(52)) < 0.25 for now in flat)
assert all(now["letters"] < 0.08 for now in flat)
# %% [markdown] lang="zh"
# 虚线是 $\ln 52$。模型几十步就学会了“这里该是个字母”，可是 52 个字母猜哪个都一样。损失落到这条线
# 上，就停住了：几百步过去，答对的字母和瞎猜差不多。这就是**平台期（plateau）**。
#
# 它终究会走出去，只是要读得多得多。真正的语料里更久，常常是几百万词元：别的东西（频率、搭配）给的梯
# 度大得多，先把模型占住了。然后，没有预兆，没有改动任何设置，损失忽然掉下去，答对率忽然升上来。第 5
# 节里会看到那一刻。
#
# 平台期里的模型缺什么？
#
# ## 5 归纳头与跳跃
#
# ### 两个头接力
#
# **问题**　写到“*t*”，要去找上一个“*t*”**后面**的那个字母。注意力按内容找，找得到上一个“*t*”本身，
# 可怎么找到它后面的那个？
#
# **想法**　两个头接力（Elhage 等 2021；Olsson 等 2022，arXiv:2209.11895）：
#
# - 第 0 层的**前词元头（previous-token head）**：每个词元看自己前面那一个，在自己身上贴一张便条：“我前
#   面是 *t*”。
# - 第 1 层的**归纳头（induction head）**：写到 *t* 时，去找便条上写着 *t* 的词元，把它抄下来。
#
# 一层做不到：便条要先贴上，才找得着。平台期之所以长，也在这里：**没有便条，查找没有用；没有查找，便条
# 没有用。**两半单独都换不来一点损失，梯度也就不知道该往哪边推，只能等随机的波动碰巧把两半都凑出一点
# 来；一凑齐，就滚雪球。前面记下的那个“分数”，就叫**归纳分（induction score）**。
#
# 便条、查找、照抄，都是线性运算，那就不必等它长出来，**亲手写进权重**。前词元头最妙：它要“看前一个”，
# 与内容无关。Qwen2 的 q、k 恰好有偏置（Llama 没有），让 q、k 只剩偏置，RoPE 转过之后，分数就只取决
# 于距离：
#
# $$q_t^\top k_s = \sum_i \cos\bigl(\theta_i (t - s - 1)\bigr)$$
#
# 在 $t - s = 1$ 处所有余弦同时取到 1：
# %% [markdown] lang="en"
# The dotted line is $\ln 52$. Within dozens of steps the model knows that a letter must stand here, but each
# of the 52 is as good a guess as another. The loss comes down to that line, and stops: hundreds of steps
# later the letters are no better than guesses. That is the **plateau**.
#
# It does end, only it takes far more reading. In a real corpus it is longer still, often millions of
# tokens: all the rest (frequencies, common neighbours) has larger gradients, and keeps the model busy
# first. Then, without a warning, and with no setting changed, the loss falls and the right answers rise.
# Section 5 will show the moment.
#
# What does a model on the plateau lack?
#
# ## 5 Induction heads and the jump
#
# ### A relay of two heads
#
# **Question.** At *t*, the model has to find the letter **after** the earlier *t*. Attention looks things
# up by content: it can find the earlier *t* itself; but how does it find what comes after?
#
# **Idea.** Two heads in a relay (Elhage et al. 2021; Olsson et al. 2022, arXiv:2209.11895):
#
# - in layer 0 a **previous-token head**: each token looks at the one before, and pins a note on itself:
#   "before me stands *t*".
# - in layer 1 an **induction head**: at *t*, look for a token whose note says *t*, and copy that token.
#
# One layer is not enough: the note has to be pinned before it can be found. And this is why the plateau is
# long: **without notes, looking is of no use; without looking, notes are of no use.** Neither half alone
# lowers the loss, so the gradient does not know where to push, and has to wait until chance has made a
# little of both; from there on it snowballs. The score noted above is called the **induction score**.
#
# Notes, looking up and copying are linear, so need we wait for them to grow? **Write them into the
# weights.** The previous-token head is the prettiest: it does not care what stands there. Qwen2's q and k
# happen to have biases (Llama's have not); with nothing else in q and k, the score after RoPE depends only
# on the distance:
#
# $$q_t^\top k_s = \sum_i \cos\bigl(\theta_i (t - s - 1)\bigr)$$
#
# At $t - s = 1$ all cosines are 1 at once:
# %%
from qwen_blog.induction import SHARPNESS, previous_token_biases, write_induction_heads
from qwen_blog.rope import apply_rotary_pos_emb

print(inspect.getsource(previous_token_biases))
biases = previous_token_biases(letters_config.rope_theta, letters_config.head_dim)
cos, sin = blank.model.rotary_emb(torch.arange(40)[None], torch.float32)  # (1, 1, T, Dh)
q, k = apply_rotary_pos_emb(*(b.expand(1, 1, 40, -1) for b in biases), cos, sin)
scores = (q @ k.mT)[0, 0, -1]  # of the last place, (T,)
distance = 39 - torch.arange(40)
# %%
turns = (distance[:, None] - 1) * blank.model.rotary_emb.inv_freq  # (T, Dh/2)
torch.testing.assert_close(scores, turns.cos().sum(-1), rtol=0, atol=1e-4)
weights = (SHARPNESS**2 * scores / letters_config.head_dim**0.5).softmax(-1)
print(f"weight on the token before: {weights[-2]:.3f}")
# %%
fig, axes = figures.canvas(1, 2, height=2.6)
for ax, y, name in zip(axes, (scores, weights), ("score", "attention weight"), strict=True):
    ax = figures.curve(ax, distance, {"": y}, xlabel="distance back", marker="o")
    ax.set(title=name, xlim=(-0.5, 20.5))
# %% [markdown] lang="zh"
# 权重几乎全落在距离 1 上。归纳头那一半更简单：$W_Q$ 读出“我是谁”，$W_K$ 读出便条，二者写在同一组方
# 向上，于是“我是 *t*”与“我前面是 *t*”点积最大；$W_V$、$W_O$ 把词元的嵌入原样搬过来。它不要位置，所以
# 只用 RoPE 转得慢的那些维。代码在 [induction.py](../../qwen_blog/induction.py)。
#
# 把它写进**同一个**随机模型，一步都不训练：
# %% [markdown] lang="en"
# Nearly all the weight is at distance 1. The induction half is simpler: $W_Q$ reads out "who am I", $W_K$
# reads the note, in the same directions, so that "I am *t*" and "before me stands *t*" have the largest
# product; $W_V$ and $W_O$ carry the token's embedding over as it is. It needs no positions, so it uses
# only those dimensions that RoPE turns slowly. The code is in
# [induction.py](../../qwen_blog/induction.py).
#
# Into the **same** random model with it, and not one step of training:
# %%
written = copy.deepcopy(blank)
write_induction_heads(written, torch.Generator().manual_seed(1))
for name, model in (("random", blank), ("random, with heads", written)):
    now = look(model.eval())
    heads = max(now["layer 1 head 0"], now["layer 1 head 1"])
    print(f"{name:20} letters right {now['letters']:4.0%}, best induction score {heads:.2f}")
assert look(written)["layer 1 head 0"] > 5 * look(blank)["layer 1 head 0"]
# %% [markdown] lang="zh"
# 没练过一步，归纳分已经很高，字母也对了一些。别的字母错在嵌入是随机的，两个不相干的字母也可能碰巧相
# 像。
#
# ### 跳跃
#
# 再让它照样训练，数据和最高的学习率都和刚才一样：
# %% [markdown] lang="en"
# Without a step of training the induction score is high, and some letters are right. Where it is wrong, the
# embeddings are to blame: they are random, and two letters may be alike by chance.
#
# ### The jump
#
# Now train it likewise, with the same data and the same highest learning rate:
# %%
untrained = copy.deepcopy(written)
with tempfile.TemporaryDirectory() as folder:
    fast = fit(written, sample, folder, look, steps=80, validate_every=4)
fig, axes = figures.canvas(1, 2, height=2.9)
curves(axes, slow, "random start")
curves(axes, fast, "heads written by hand")


# %%
def first_above(records, share):
    looked = [record for record in records if "validation" in record]
    return next(r["step"] for r in looked if r["validation"]["letters"] > share)


start = first_above(fast, 0.5)
print(f"with heads, half of the letters are right from step {start} on")
for name, records in (("random start", slow), ("with heads", fast)):
    now = records[-1]["validation"]
    print(
        f"{name:13} step {len(records)}: letters {now['letters']:4.0%}, lists {now['lists']:4.0%}"
    )
assert fast[-1]["validation"]["letters"] > 0.9 > 0.1 > slow[-1]["validation"]["letters"]
# %%
looked = [record for record in fast if "validation" in record]
x = [record["step"] for record in looked]
lines = {"letters right": [record["validation"]["letters"] for record in looked]}
for name in ("layer 0 head 0", "layer 1 head 0"):
    lines[f"score of {name}"] = [record["validation"][name] for record in looked]
fig, ax = figures.canvas(height=3)
ax = figures.curve(ax, x, lines, xlabel="step")
_ = ax.set_ylim(0, 1.03)
# %% [markdown] lang="zh"
# 头十几步，答对的反而变少：先学会的总是最容易的（格式、哪些词元常见），手写的那一点抄写被盖了过去，
# 归纳分却没怎么动。然后就是**跳跃（jump）**：归纳分抬头，答对率紧跟着升上去，损失跌下来，前后不过二三
# 十步。什么都没有冻结，训练照常改动每一个数；只是起点换到了平台期的另一头。`recipes.py` 里两份配方都
# 这样起步。
#
# 第 1 层的 0 号头，前后各是什么样子？每一行是写回答时的一个位置，每一列是题目里的一个词元：
# %% [markdown] lang="en"
# In the first dozen steps fewer letters are right: what is easiest is learned first (the format, the frequent
# tokens), and drowns the little copying that was written in; but the induction score hardly moves. And then
# the **jump**: the score rises, the right answers follow, the loss falls, all within twenty or thirty steps.
# Nothing is frozen, and training goes on changing every number; only the start has moved to the far side of
# the large plateau. Both recipes in `recipes.py` begin like this.
#
# Head 0 of layer 1, before and after. Each row is a place in the reply, each column a token of the question:
# %%
rows, columns = slice(again, again + 10), slice(first, first + 10)  # the first 9 letters
maps = {"random start": blank, "300 steps": natural, "written": untrained, "80 steps": written}
fig, axes = figures.canvas(1, 4, height=2.6, width=9)
for ax, (title, model) in zip(axes, maps.items(), strict=True):
    with torch.no_grad():
        w = model(exam[:1], output_attentions=True).attentions[1][0, 0]
    ax = figures.attention_map(ax, w[rows, columns], shown[rows], shown[columns])
    ax.set(title=title, xlabel="", ylabel="")
# %% [markdown] lang="zh"
# 左边两张：随机的头，和它在平台期里读了三百步之后，都不知道看哪里。第三张是手写的，一步没训练，已
# 经有几格落在斜线上，夹着碰巧的杂色。第四张是它训练之后：一条干净的斜线，比对角线**错开一格**，也就是“上次出
# 现之后的那一个”。这正是论文里画的样子。
#
# 这算不算作弊？它没有给模型任何知识，只给了一个**零件**，而且是训练自己也会造的零件。归一化、残差、
# RoPE 也都是人写进去的。
#
# ### 第二种零件：我在第几段
#
# **问题**　回答要注明出处：“卡洛恩号的船员人数[2]是200人。”找到“200人”靠归纳头；可这个 2 从哪里来？它写在整段的
# 开头，离“200人”可能有几十个词元。
#
# **想法**　还是一张便条：每个词元看**自己前面最近的那个编号**，把编号记在身上。抄的时候，连便条一起
# 读走。又是两半互相等：没人读，便条白写；没人写，便条没得读。所以也可以亲手写
# （[passage_heads.py](../../qwen_blog/passage_heads.py)）：给所有编号的嵌入加上同一个方向，注意力凭它
# 认出编号；“最近”则靠 RoPE。把 q 的偏置放在与 k 相差 90 度的地方，一对维的分数就是
#
# $$-\sin\bigl(\theta_i (t - s)\bigr)$$
#
# 只用转得慢的那几对，在整个上下文里它随距离一路下降：越近，分数越高。
# %% [markdown] lang="en"
# The two on the left, a random head and the same after three hundred steps on the plateau, do not know where
# to look. The third is written by hand and not trained at all: some cells of a slanting line can be made out, with
# chance specks beside it. The fourth is the same after training: a clean line, **one to the right** of the
# diagonal, that is "the one after the earlier occurrence". It is what the papers draw.
#
# Is that cheating? It gives the model no knowledge; it gives it a **part**, and one that training would
# build by itself. Norms, residuals and RoPE were put in by people too.
#
# ### A second part: which passage am I in?
#
# **Question.** Answers name their source: "The crew size of Kalon [2] is 200 hands." Induction finds the 200 hands; but
# where does the 2 come from? It stands where the passage begins, perhaps dozens of tokens before the 200.
#
# **Idea.** A note again: each token looks at **the latest number before it**, and keeps that
# number. Whoever copies the token can read the note as well. Again two halves wait for each other:
# a note that nobody reads
# is worth nothing, and one that nobody writes cannot be read. So it may be written by hand too
# ([passage_heads.py](../../qwen_blog/passage_heads.py)). The embeddings of all numbers get one direction in
# common, by which attention knows them; for "the latest" there is RoPE. With the bias of q at 90 degrees to
# k, a pair of dimensions scores
#
# $$-\sin\bigl(\theta_i (t - s)\bigr)$$
#
# With slow pairs only, that falls with the distance through the whole context: the nearer, the higher.
# %%
from qwen_blog.passage_heads import slow_pairs, write_passage_heads

two_groups = Qwen2Config(vocab_size=1024, **TINY | {"num_key_value_heads": 2})
torch.manual_seed(0)
reader = Qwen2ForCausalLM(two_groups).eval()
numbers = [1020, 1021, 1022, 1023]  # stand for [1] to [4]
write_passage_heads(reader, numbers, torch.Generator().manual_seed(1))
pairs, _ = slow_pairs(two_groups.rope_theta, two_groups.head_dim, 512)
distances = torch.arange(512)
nearness = -(distances[:, None] * reader.model.rotary_emb.inv_freq[pairs]).sin().sum(-1)
assert (nearness.diff() < 0).all()
# %%
passages = torch.randint(0, 1000, (4, 25), generator=torch.Generator().manual_seed(2))
ids = torch.cat([torch.tensor(numbers)[:, None], passages], dim=1).reshape(1, -1)  # (1, 104)
with torch.no_grad():
    looks = reader(ids, output_attentions=True).attentions[0][0, -1]  # (T, T)
latest = torch.arange(104) // 26 * 26  # where each token's number stands
assert (looks.argmax(-1) == latest).all()
fig, axes = figures.canvas(1, 2, height=3)
axes[0] = figures.curve(axes[0], distances, {"": nearness}, xlabel="distance back")
axes[0].set(title="score of a distance")
axes[1] = figures.heatmap(axes[1], looks[:, ::26])
axes[1].set(title="weight on each number, untrained", xlabel="number", ylabel="token")
_ = axes[1].set(xticks=range(4), xticklabels=["[1]", "[2]", "[3]", "[4]"], aspect="auto")
axes[1].images[0].set_interpolation("nearest")
# %% [markdown] lang="zh"
# 四段，每段一个编号加二十五个随便什么词元。一步没训练，每个词元都盯着自己那段的编号，阶梯就是这样来的。
#
# 注意回答里编号的位置：在答案**前面**。便条对回答也有效：模型写下 [2]，后面的每个词元身上就都记着 2；要找的那个数，
# 身上记的也是 2。两个 2 一对，别的段落里说的同一件事就不会来捣乱。编号要是写在句末，写答案的时候它还没有出现，
# 模型只能凭自己先想好是第几段。先写出来，再照着做：智能体的“思考”（[第 41 章](41_react_by_hand.ipynb)）也是这个道理。
#
# 怎样**读**便条，仍旧要模型自己学，所以**什么时候写**就要紧了。写得太早，模型连名字都还抄不准，便条没人
# 读，训练只当它是杂音，不出两千步就把它磨平了（什么都没有冻结）。`tiny-qwen2` 的配方等模型会找、会抄了
# 才写，写完先做一小段专门的练习：一张编了号的清单，只问某个名字在第几行。
#
# > **教程里常见的错**　“损失不动了，说明学习率太小（太大）、该停了。”平台期里的模型看起来和学完了的
# 模型一模一样。先看你关心的那件事学会了没有；没有，就想想它需要的零件从哪里来：更干净的练习、更高的比
# 例，或者像这里，直接写进去。
#
# ## 6 打包：一行里的邻居
#
# **问题**　对话有长有短，矩阵要整整齐齐。填充到一样长，填的全是白算；拼成一行呢？
#
# **想法**　拼，但要隔开：位置各自从 0 数起，注意力一段一段地算，每段的第一个词元不由前一段来预测。
# （Krell 等 2021，arXiv:2107.02027。）
# %% [markdown] lang="en"
# Four passages, each a number and twenty-five tokens of any kind. Without a step of training each token
# watches its passage's number: hence the stairs.
#
# Look where the number stands in the reply: **before** the answer. The notes work in replies too. Once the model has
# written [2], every token after it carries a 2, and so does the value that it has to find; two equal notes meet, and what
# other passages say of the same kind does not get in the way. With the number at the end of the sentence it would not be
# there yet when the value is written, and the model would have to work out the passage in its head. Write it down first,
# then go by it: an agent's "thought" ([chapter 41](41_react_by_hand.ipynb)) is the same trick.
#
# How to **read** the notes is still for the model to learn, so it matters **when** they are written. Too
# early, and a model that cannot copy a name yet reads no notes; to training they are noise, and within
# two thousand steps they are worn away (nothing is frozen). The recipe of `tiny-qwen2` writes them once the
# model can find and copy, and then gives it one drill for a while: a numbered list, and the question in which
# line a name stands.
#
# > **Where the tutorials you may have read go wrong.** "The loss has stopped moving, so the learning rate
# > is too small (or too large), and it is time to stop." A model on a plateau looks just like one that has
# > finished. First see whether the thing that you care about is learned; if not, ask where the part
# > that it needs is to come from: cleaner drills, more of them, or, as here, written in.
#
# ## 6 Packing: neighbours in a row
#
# **Question.** Conversations are short and long, matrices are rectangles. Fill up with padding, and the
# padding is work for nothing. Put them in one row?
#
# **Idea.** Yes, but keep them apart: positions begin at 0 in each, attention is worked out sample
# by sample, and no sample's first token is predicted from the sample before. (Krell et al. 2021,
# arXiv:2107.02027.)
# %%
from qwen_blog.packing import IGNORED, PackedForward, pack_row

row = pack_row(random.Random(6), 0.0, 240, 240, sample)
print("samples and what is left empty:", row.lengths)
seam = row.lengths[0]
print("positions around the first seam:", row.position_ids[0, seam - 3 : seam + 3].tolist())
owner = torch.repeat_interleave(torch.arange(len(row.lengths)), torch.tensor(row.lengths))
causal = torch.ones(240, 240).tril().bool()
apart = causal & (owner[:, None] == owner)
fig, axes = figures.canvas(1, 2, height=3.3)
for ax, mask, name in zip(axes, (causal, apart), ("one long text", "packed"), strict=True):
    ax = figures.heatmap(ax, mask, colorbar=False)
    ax.set(title=f"{name}: {mask.sum():,} pairs", xlabel="key", ylabel="query", aspect="equal")
    ax.set(xticks=range(0, 240, 60), yticks=range(0, 240, 60))


# %% [markdown] lang="zh"
# 右边的三角小得多：一行 $T$ 个词元，不隔开是 $T^2/2$ 对，隔开只剩各段的平方之和。隔开反而更快。
#
# 不隔开会怎样？拿刚学会复述的模型考一考：同一行题，一次隔开算，一次当成一篇长文算（位置仍各自从 0
# 数起，只是**看得见**邻居）：
# %% [markdown] lang="en"
# The triangles on the right are far smaller: a row of $T$ tokens has $T^2/2$ pairs, and kept apart only the
# sum of the squares of its parts. Keeping apart is even faster.
#
# And if they are not? Examine the model that has just learned to repeat: the same rows, once kept apart, and
# once as one long text (positions still begin at 0 in each; only the neighbours are **visible**):
# %%
def letters_right(row, neighbours):
    one_text = (sum(row.lengths),)
    hidden = PackedForward()(written, replace(row, lengths=one_text) if neighbours else row)
    guesses = written.lm_head(hidden)[0, :-1].argmax(-1)
    wanted = row.labels[0, 1:]
    return (guesses == wanted)[wanted != IGNORED].double()


rows = [pack_row(random.Random(f"rows {n}"), 0.0, 400, 240, sample) for n in range(12)]
with torch.no_grad():
    for name, neighbours in (("kept apart", False), ("neighbours visible", True)):
        right = torch.cat([letters_right(row, neighbours) for row in rows])
        print(f"{name:19} {right.mean():.1%} of {len(right)} tokens right")
# %%
length = row.lengths[0]
with torch.no_grad():
    packed = written.lm_head(PackedForward()(written, row))
    alone = written(row.input_ids[:, :length]).logits
torch.testing.assert_close(packed[:, :length], alone, rtol=1e-4, atol=1e-4)
second = slice(length, length + row.lengths[1])
with torch.no_grad():
    alone = written(row.input_ids[:, second]).logits
torch.testing.assert_close(packed[:, second], alone, rtol=1e-4, atol=1e-4)
print("packed: the logits of each sample are those it has alone")
# %% [markdown] lang="zh"
# 看得见邻居，归纳头就会找到**别人的**同一个字母，抄错人家的下一个。训练时也一样：它会学到“资料里没有
# 的，也许隔壁有”，而用的时候没有隔壁。
#
# ## 7 监督微调：只在回答上算损失
#
# **问题**　预训练时每个词元都学。对话为什么只学助手说的话？
#
# 看一段对话，蓝的有损失：
# %% [markdown] lang="en"
# With neighbours in sight, an induction head finds the same letter in **somebody else's** list, and copies
# what follows there. Training would suffer likewise: the model would learn that what the passage lacks may
# be next door, and in use there is no next door.
#
# ## 7 Supervised fine-tuning: a loss on replies only
#
# **Question.** Pre-training learns every token. Why, of a conversation, only what the assistant says?
#
# Look at one; what is blue has a loss:
# %%
ids, wanted = conversation_sample(letters_tokenizer, drill(random.Random(7), length=6))
fig, axes = figures.canvas(2, 1, height=1.5, width=9)
half = (len(ids) + 1) // 2
for ax, part in zip(axes, (slice(0, half), slice(half, None)), strict=True):
    for place, (i, want) in enumerate(zip(ids[part], wanted[part], strict=True)):
        text = figures.label(letters_tokenizer.token_bytes(i).decode())
        face = "#CFE0F0" if want else figures.FAINT
        box = {"fc": face, "ec": "none", "boxstyle": "round,pad=0.3"}
        _ = ax.text(place, 0, text, ha="center", va="center", size=7, bbox=box)
    ax.set(xlim=(-0.7, half - 0.3), ylim=(-0.6, 0.6))
    _ = ax.axis("off")
print(f"{sum(wanted)} of {len(ids)} tokens have a loss")
# %% [markdown] lang="zh"
# 用户的字母是**抽签**得来的，谁也预测不了：第 $i$ 个字母至少有 $\ln(52 - i)$ 的损失（前面用过的不会再
# 来），学到世界末日也降不下去。回答里的字母却可以降到 0。两样平均在一起，损失的大头是抽签的噪声，梯度
# 的大头也是；真正要学的那部分被稀释了。
#
# 何况我们要的是会**答**的模型，不是会**问**的。`<|im_end|>` 也要学：学会住口，是回答的一部分。
# %% [markdown] lang="en"
# The user's letters are drawn **at random**, and nobody can predict them: letter number $i$ costs
# at least
# $\ln(52 - i)$ (those before will not come again), however long one trains. The letters of the reply can
# go down to 0. In a mean over both, most of the loss is the noise of the lottery, and so is most of the
# gradient; what there is to learn is diluted.
#
# Besides, we want a model that **answers**, not one that asks. `<|im_end|>` is learned too: to stop talking
# is part of an answer.
# %%
floor = sum(math.log(52 - i) for i in range(LONG)) / LONG
with torch.no_grad():
    logits = written(exam).logits
spent = {}
for name, start in (("question", first), ("reply", again)):
    wanted, guessed = exam[:, start + 1 + places], logits[:, start + places]
    spent[name] = torch.nn.functional.cross_entropy(guessed.flatten(0, 1), wanted.flatten())
print(f"a letter of the question costs at least {floor:.2f} nats, whoever predicts it")
print(f"a letter of the reply costs this model {spent['reply']:.2f}")
print(f"mean over both, at best: {floor / 2:.2f}, all of it noise")
assert spent["reply"] < 0.5 < floor < spent["question"]
# %% [markdown] lang="zh"
# > **教程里常见的错**　把 `<|im_end|>` 也当填充屏蔽掉，或者用它当填充词元、再把所有填充屏蔽掉：模型
# 从此不会停，一直说到上限。另一种：标签已经错开了一格，模型内部又错开一格（第 23 章），学的是“隔一
# 个”。
#
# ## 8 一步是怎样走的
#
# **问题**　`train` 的循环只有几行：造一行数据，求梯度，更新。为什么真正的训练代码要有几百行？
#
# 因为要跑几个小时，中途什么都会发生。挑六件说，每件一小段。
#
# **学习率**　先直线升上去（AdamW 头几步的方差估计还不可靠），再沿半个余弦降下来（Loshchilov 与 Hutter
# 2016，式 5）：
#
# $$\eta_t = \eta\Bigl(r + (1 - r)\tfrac{1}{2}\bigl(1 + \cos\tfrac{\pi (t - w)}{S - w}\bigr)\Bigr)$$
#
# $w$ 是预热步数，$S$ 是总步数，$r$ 是终点与顶点之比。
#
# **裁剪**　偶尔一步的梯度特别长。AdamW 不怕梯度整体大，怕的是**忽然**大。长过 1 就按比例缩到 1，方向
# 不变。看看刚才的平台期里有几步被裁过：
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** They mask `<|im_end|>` as if it were padding, or
# > take it as the padding token and mask all padding: the model never learns to stop, and talks until the
# > limit. Another one: labels that are shifted already, given to a model that shifts them again
# > (chapter 23), so that it learns the token after the next.
#
# ## 8 How a step is made
#
# **Question.** The loop of `train` is a few lines: make a row, find the gradient, update. Why does real
# training code have hundreds?
#
# Because it runs for hours, and anything can happen meanwhile. Six things, a short piece for each.
#
# **The learning rate** goes up in a straight line (in its first steps, AdamW's estimate of the variance is
# not to be relied on), and then down along half a cosine (Loshchilov and Hutter 2016, eq. 5):
#
# $$\eta_t = \eta\Bigl(r + (1 - r)\tfrac{1}{2}\bigl(1 + \cos\tfrac{\pi (t - w)}{S - w}\bigr)\Bigr)$$
#
# Here $w$ is the number of warm-up steps, $S$ that of all steps (not the source length of other
# chapters), and $r$ the last rate divided by the highest.
#
# **Clipping.** Now and then a step has a very long gradient. AdamW is not disturbed by gradients
# that are large, but by ones that are **suddenly** large. A gradient longer than 1 is scaled down
# to length 1, in the same direction. How often did that happen in the 300 steps of section 4?
# %%
from qwen_blog.schedule import learning_rate

fig, axes = figures.canvas(1, 2, height=2.7)
steps = range(1, 301)
rates = [learning_rate(step, 300, 5e-3, QUICK.warmup_steps, QUICK.min_lr_ratio) for step in steps]
assert rates == [record["lr"] for record in slow]
axes[0] = figures.curve(axes[0], steps, {"": rates}, xlabel="step")
norms = [record["grad_norm"] for record in slow]
axes[1] = figures.curve(axes[1], steps, {"": norms}, xlabel="step")
line = axes[1].axhline(QUICK.clip_norm, color=figures.INK, linestyle=":", linewidth=1)
for ax, title in zip(axes, ("learning rate", "length of the gradient"), strict=True):
    ax.set(title=title, ylim=(0, None))
print(f"{sum(norm > QUICK.clip_norm for norm in norms)} of 300 steps were clipped")
# %% [markdown] lang="zh"
# **优化器**　AdamW 按每个数自己平时的梯度有多大来定它的步长。Muon（Jordan 等 2024）把一个矩阵当作整体来看。梯度的滑
# 动平均是一个矩阵，写成奇异值分解 $U S V^\top$，就看得出它在往哪些方向走：常见的事占着少数几个方向，$S$ 里的数
# 很大；少见的事，它的数小得几乎不动。Muon 只留方向，把 $S$ 全换成 1：
#
# $$W \leftarrow W - \eta_t \cdot 0.2\sqrt{\max(m, n)}\; U V^\top$$
#
# 前面的系数（Liu 等 2025，arXiv:2502.16982，2.2 节）让一步的大小和 AdamW 的相当，$m \times n$ 是矩阵的形状。真算奇异值分解太慢，它用五轮只有矩阵
# 乘法的迭代（Newton–Schulz）逼近，所以不会正好是 1。嵌入表、偏置、归一化不归它管，仍用 AdamW。拿刚才的考卷求一次梯度，看第 1 层的一个矩阵：
# %% [markdown] lang="en"
# **The optimizer.** AdamW sets the step of each number by how large its gradient usually is. Muon (Jordan et al.
# 2024) looks at a matrix as a whole. The running mean of its gradients is a matrix, and its singular value decomposition
# $U S V^\top$ shows the directions in which it goes: what is common has a few of them, with large numbers in $S$; what is
# rare has numbers so small that it hardly moves. Muon keeps the directions and makes all of $S$ equal to 1:
#
# $$W \leftarrow W - \eta_t \cdot 0.2\sqrt{\max(m, n)}\; U V^\top$$
#
# The factor (Liu et al. 2025, arXiv:2502.16982, section 2.2) makes a step about as large as one of AdamW; $m \times n$ is
# the shape of the matrix. A real decomposition would be slow, so five rounds of matrix products (Newton and Schulz's iteration)
# come close to it, and not exactly to 1. Embeddings, biases and norms are left to AdamW. Take the gradient of the exam,
# and look at one matrix of layer 1:
# %%
one = copy.deepcopy(blank)
logits = one(exam).logits[:, again + places]
torch.nn.functional.cross_entropy(
    logits.flatten(0, 1), exam[:, again + 1 + places].flatten()
).backward()
W = one.model.layers[1].mlp.up_proj.weight  # (m, n)
before = W.detach().clone()
torch.optim.Muon([W], lr=1.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
moved = (before - W.detach()) / (0.2 * max(W.shape) ** 0.5)
sizes = {"gradient": torch.linalg.svdvals(W.grad), "Muon's step": torch.linalg.svdvals(moved)}
sizes["gradient"] = sizes["gradient"] / sizes["gradient"][0]  # its largest is 1
for name, s in sizes.items():
    print(f"{name:12} largest {s.max():.2f}, in the middle {s.median():.3f}")
assert sizes["gradient"].median() < 0.3 < 0.6 < sizes["Muon's step"].median()
# %% [markdown] lang="zh"
# 第 4 节的平台期，正是“常见的事占住梯度”。那么让 Muon 走同样的三百步：同一个起点，同样的数据，没有手写的头；学习率两家都取 0.01，AdamW 在第 4 节用的是它的一半：
# %% [markdown] lang="en"
# On the plateau of section 4 the common things had the gradient to themselves. So let Muon take the same three hundred steps: same start,
# same data, no heads written by hand. Both have a learning rate of 0.01, twice that of AdamW in section 4:
# %%
fig, axes = figures.canvas(1, 2, height=2.9)
ends = {}
for name, optimizer in (("AdamW", "adamw"), ("Muon", "muon")):
    student, rate = copy.deepcopy(blank), {"optimizer": optimizer, "learning_rate": 1e-2}
    with tempfile.TemporaryDirectory() as folder:
        taken = fit(student, sample, folder, look, steps=300, validate_every=10, **rate)
    curves(axes, taken, name)
    ends[name] = taken[-1]["validation"]["letters"]
print("letters right after 300 steps:", {name: f"{share:.0%}" for name, share in ends.items()})
assert ends["Muon"] > 3 * ends["AdamW"]
# %% [markdown] lang="zh"
# 三百步里，一个还停在平台上，一个已经走了出来：跳跃不必等那么久，也不一定要有人写进零件。代价是每步多几次矩阵乘法。`tiny-qwen2` 的
# 配方两样都用：零件写进去，矩阵交给 Muon；`nano` 为了短，仍用 AdamW。
# %% [markdown] lang="en"
# After three hundred steps one is still on the plateau, and the other has left it: the jump need not take so long, nor need the parts be
# written by somebody. The price is some matrix products more in each step. The recipe of `tiny-qwen2` has
# both, parts that are written and Muon for the matrices; `nano`, to be short, keeps AdamW.
# %% [markdown] lang="zh"
# **bfloat16**　有专门电路的芯片上，16 位的矩阵乘法快得多；参数和 AdamW 的两个矩（第 13 章
# 的 m 和 v）却必须留在 32 位。一次更新往往不到参数
# 的千分之一，而 bfloat16 只有 7 位尾数：
# %% [markdown] lang="en"
# **bfloat16.** On chips that are made for it, multiplying matrices in 16 bits is far faster; parameters and
# the two moments of AdamW must stay in 32 bits. An update is often less than a thousandth of the parameter, and bfloat16 has a
# fraction of 7 bits:
# %%
for dtype in (torch.float32, torch.bfloat16):
    weight = torch.tensor(1.0, dtype=dtype)
    for _ in range(1000):
        weight += 0.001
    print(f"{str(dtype)[6:]:9} 1 + 1000 x 0.001 = {weight:.3f}")


# %% [markdown] lang="zh"
# 一千次更新，一次也没留下。
#
# **断点续训**　几小时的训练随时可能被打断。`train` 每隔两分钟写一次检查点：模型、优化器、步数，一个文
# 件，先写到临时名字再改名，所以磁盘上永远是完整的一份。要接得**分毫不差**，还差一样：数据。第 $s$ 步
# 第 $r$ 行的随机种子就是 `seed/s/r`，不依赖之前抽过什么。停在半路，再敲同一条命令：
# %% [markdown] lang="en"
# A thousand updates, and none of them stayed.
#
# **Resume.** A run of hours may be stopped at any moment. Every two minutes `train` writes a checkpoint: the
# model, the optimiser, the step, in one file, under a temporary name first, so that the disk always holds a
# whole one. To go on **exactly** takes one more thing: the data. Row $r$ of step $s$ has the seed
# `seed/s/r`, whatever was drawn before. Stop half way, and give the same command again:
# %%
def stop_at_4(record):
    if record["step"] == 4:
        raise KeyboardInterrupt


short = replace(QUICK, steps=8, row_tokens=256, warmup_steps=2, checkpoint_every_s=0.0)
with tempfile.TemporaryDirectory() as folder:
    whole, stopped = copy.deepcopy(blank), copy.deepcopy(blank)
    train(whole, short, sample, f"{folder}/whole")
    try:
        train(stopped, short, sample, f"{folder}/stopped", on_step=stop_at_4)
    except KeyboardInterrupt:
        print("stopped after step 4; the model is lost, the folder is not")
    resumed = Qwen2ForCausalLM(letters_config)  # other random numbers: all comes from the folder
    train(resumed, short, sample, f"{folder}/stopped")
assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
print("8 steps, or 4 and 4: equal to the last bit")
# %% [markdown] lang="zh"
# **多进程**　`torchrun --nproc-per-node 2 -m qwen_blog train ...` 起两个进程，各有一份完整的模型，各算
# 一部分行，再把梯度**加起来**（all-reduce），各自更新，结果相同。为什么行得通？损失是对所有词元求和，
# 而和的梯度等于梯度的和，谁来算、按什么次序算，只差舍入。最后除以**全体**有损失的词元数；各自先平均
# 再平均，标签少的那行就占了便宜。全部代码见 [distributed.py](../../qwen_blog/distributed.py)，几十行。
#
# ## 9 LoRA：几千个数，一副新口吻
#
# **问题**　模型已经会复述了，现在想让它换个口吻，比如像船员那样先应一声。整个模型再训练一遍吗？
#
# **想法**　冻结 $W$，只学它旁边的一个低秩改动（Hu 等 2021，arXiv:2106.09685，第 4.1 节）：
#
# $$W' = W + \frac{\alpha}{r} B A, \qquad A: r \times D_\text{in},\quad B: D_\text{out} \times r$$
#
# $B$ 从 0 开始，所以第一步与原模型一模一样。要存、要学的只有 $r(D_\text{in} + D_\text{out})$ 个数。
# %% [markdown] lang="en"
# **Several processes.** `torchrun --nproc-per-node 2 -m qwen_blog train ...` starts two processes, each with
# a whole model. Each works on some of the rows; then they **add up** their gradients (all-reduce), and all
# make the same update. Why is that right? The loss is a sum over tokens, and the gradient of a sum is the sum
# of the gradients; who works it out, and in which order, changes nothing but rounding. At the end it is
# divided by the number of labelled tokens of **all**: a mean of means would favour the rows with few labels.
# The whole of it is a few dozen lines in [distributed.py](../../qwen_blog/distributed.py).
#
# ## 9 LoRA: a few thousand numbers, and a new voice
#
# **Question.** The model can repeat. Now it should do so in another voice: answer like a ship's crew, say.
# Train all of it once more?
#
# **Idea.** Freeze $W$, and learn a change of low rank beside it (Hu et al. 2021, arXiv:2106.09685, section
# 4.1):
#
# $$W' = W + \frac{\alpha}{r} B A, \qquad A: r \times D_\text{in},\quad B: D_\text{out} \times r$$
#
# $B$ begins as 0, so the first step is the model as it was. Only $r(D_\text{in} + D_\text{out})$ numbers
# are learned and kept.
# %%
from qwen_blog import GenerationConfig, generate
from qwen_blog.lora import LoraConfig, inject, lora_parameters, merge

end = letters_tokenizer.token_to_id("<|im_end|>")
greedy = GenerationConfig(max_new_tokens=40, stop_token_ids=(end,))


def say(model, text):
    ask = [{"role": "user", "content": f"repeat: {text}"}]
    prompt = letters_tokenizer.apply_chat_template(ask, add_generation_prompt=True)
    return letters_tokenizer.decode(generate(model, [prompt], greedy)[0].ids)


# %%
everything = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
adapter = LoraConfig(r=4, lora_alpha=16, target_modules=everything)
voice = inject(copy.deepcopy(written), adapter, torch.Generator().manual_seed(2))
learned = sum(p.numel() for p in lora_parameters(voice))
print(f"{learned:,} numbers to learn beside {sum(p.numel() for p in written.parameters()):,}")
assert say(voice, "Q w E r T y") == say(written, "Q w E r T y")
print("before:", say(voice, "Q w E r T y"))
# %%
from qwen_blog.lora_recipe import restyle


def styled(rng, progress):
    return conversation_sample(letters_tokenizer, restyle([drill(rng)])[0])


# %%
frozen = {n: p.clone() for n, p in voice.named_parameters() if not p.requires_grad}
with tempfile.TemporaryDirectory() as folder:
    log = fit(voice, styled, folder, steps=120, learning_rate=1e-2, weight_decay=0.0)
assert all(torch.equal(p, frozen[n]) for n, p in voice.named_parameters() if n in frozen)
print(f"loss {log[0]['loss']:.2f} -> {log[-1]['loss']:.2f}")
print("after: ", say(voice, "Q w E r T y"))
plain = merge(copy.deepcopy(voice))
with torch.no_grad():
    torch.testing.assert_close(plain(exam).logits, voice(exam).logits, rtol=1e-3, atol=1e-3)
print(
    "merged:", say(plain, "Q w E r T y"), "-", type(plain.model.layers[0].self_attn.q_proj).__name__
)
assert say(plain, "Q w E r T y").startswith("Aye, captain. here:")
# %% [markdown] lang="zh"
# 原来的参数一个也没动（那一行 `assert` 查过），口吻变了，字母照抄不误。合并之后又是一个普通模型，没有
# 多出一次乘法。`lora_files.py` 按 PEFT 的格式读写适配器，两边的文件可以互换。
#
# 对 tiny-qwen2 也可以这样做，数据换成它自己的对话：16 万多个数，100 步，两个核上两分钟左右，99% 的回答换上了新口吻，资料题还答得对 75%，原先是 79%（[bench_lora.py](../../tests/benchmarks/bench_lora.py)，表在它的[说明卡](../../qwen_blog/weights/tiny-qwen2/README.md)里）。开口就拒的、工具调用和选择题的字母由程序来读，`restyle` 一
# 律不动它们；先看再拒的（第 11 节）照换不误，因为开口的时候，还不知道会不会拒。
#
# > **教程里常见的错**　只换了口吻，就说“微调教会了它新知识”。秩这么低的改动，改的是**怎么说**；要它
# 知道新东西，把资料放进提示词里（第 33 章）通常更便宜，也更可靠。
#
# ## 10 完整的配方
#
# **问题**　把前面九节装在一起，要写多少？
#
# 一个 `Recipe`：一份配置，一个分词器，几个阶段，每个阶段一份训练设置和一个造数据的函数。
# %% [markdown] lang="en"
# None of the old parameters has moved (an `assert` saw to that), the voice is new, and the letters are
# copied as before. Merged, it is a plain model again, without one multiplication more. `lora_files.py`
# reads and writes adapters in PEFT's format; the files are interchangeable.
#
# The same can be done to tiny-qwen2, with conversations of its own: 165,888 numbers, 100 steps, about two minutes on two
# cores, and 99% of the answers have the new voice; of questions about a passage 75% are still right, before it were 79%
# ([bench_lora.py](../../tests/benchmarks/bench_lora.py); its [card](../../qwen_blog/weights/tiny-qwen2/README.md) has the table). Refusals that come at once, tool calls and the letters of
# multiple choice are read by programs, and `restyle` leaves them alone; a refusal that looks first (section 11) is restyled
# like an answer, for at its beginning nobody knows yet which it will be.
#
# > **Where the tutorials you may have read go wrong.** The voice has changed, and they say "fine-tuning has
# > taught it new knowledge". A change of such low rank changes **how** things are said. To let a model know
# > something new, putting it into the prompt (chapter 33) is mostly cheaper, and safer.
#
# ## 10 The whole recipe
#
# **Question.** Nine sections put together: how much is that to write?
#
# A `Recipe`: a config, a tokenizer, and some stages, each with its settings and a function that makes data.
# %%
for recipe in (NANO, TINY_QWEN2):
    with torch.device("meta"):
        size = sum(p.numel() for p in Qwen2ForCausalLM(recipe.model).parameters())
    print(f"{recipe.name}: {size / 1e6:.2f} M parameters, V = {recipe.model.vocab_size}")
    for stage in recipe.stages:
        t = stage.training
        print(
            f"  {stage.name:9}{t.steps * t.tokens_per_step / 1e6:6.1f} M tokens, {t.steps} steps,",
            end="",
        )
        print(f" {t.precision}, data from {stage.make.__name__}")
talks = (nano_conversation(random.Random(n), 0.5) for n in range(99))
show_talk(next(talk for talk in talks if talk[0]["role"] == "system")[1:5], 46)
# %% [markdown] lang="zh"
# 小的那份 `nano`，两个空闲的 CPU 核上约三分钟。语料只有两类事物，每种关系只有一种说法；考的是训练时从
# 没用过的名字和值。在命令行里跑它，看损失旁边的几个正确率怎样从 0 升上去：
#
# ```bash
# python -m qwen_blog train --recipe nano --out runs/nano
# python -m qwen_blog chat --model runs/nano/model
# ```
#
# 随时可以 Ctrl-C，再敲同一条命令就接着练。文件夹里有分词器、每个阶段的日志和检查点，最后是一个模型
# 文件夹，`transformers` 直接就能读。考场用的就是下面这样的题，一字不差才算对：
# %% [markdown] lang="en"
# The small one, `nano`, takes about three minutes on two idle CPU cores. Its corpus has two kinds of things
# and a single wording of each fact; its exam has names and values that training never uses. Run it in a
# shell, and watch the shares beside the loss rise from 0:
#
# ```bash
# python -m qwen_blog train --recipe nano --out runs/nano
# python -m qwen_blog chat --model runs/nano/model
# ```
#
# Ctrl-C at any moment; the same command goes on. In the folder are the tokenizer, a log and a checkpoint of
# each stage, and in the end a model folder that `transformers` reads as it is. The exam asks questions like
# these, and a reply counts if it is right to the letter:
# %%
from qwen_blog.worlds.nano_data import nano_exam

for item in nano_exam(1):
    asked = item.messages[-1]["content"].splitlines()[-1]
    print(f"{item.group:12} {asked[:44]!r} -> {item.reply[:44]!r}")


# %% [markdown] lang="zh"
# ## 11 一次完整的训练：tiny-qwen2
#
# **问题**　大的那份配方跑完是什么样子？跳跃还来吗，来几次？
#
# 它要跑四个小时，这里不重跑，看留下的日志：每一步一行，和权重一起放在包里
# （[weights/tiny-qwen2](../../qwen_blog/weights/tiny-qwen2/README.md)）。六个阶段：先用短文和练习学会抄写，再读短资料，再练定位，再混
# 合全部本事；然后补课，英文、工具、没有答案的题多来一些；最后强化，同样的资料多问一倍的问题，拒答也换了写法（下面会讲为什么）。
# %% [markdown] lang="en"
# ## 11 A whole run: tiny-qwen2
#
# **Question.** What does the large recipe look like from beginning to end? Does the jump come, and how often?
#
# It takes four hours, so we do not run it here but read its log, a line for each step, which lies beside
# the weights ([weights/tiny-qwen2](../../qwen_blog/weights/tiny-qwen2/README.md)). There are six stages: texts
# and exercises to learn copying, short passages to read, an exercise in locating, all skills together; then
# practice in what was weak: more English, more tools, more questions without an answer; and in the end a drill, with twice as
# many questions about the same passages, and refusals in another form (below it is told why).
# %%
from importlib import resources

SHIPPED = resources.files("qwen_blog") / "weights" / "tiny-qwen2"
log = [json.loads(line) for line in (SHIPPED / "log.jsonl").read_text("utf-8").splitlines()]
read = 0
for stage in TINY_QWEN2.stages:
    part = [record for record in log if record["stage"] == stage.name]
    for record in part:
        record["seen"] = read + record["tokens"]
    read = part[-1]["seen"]
    end = sum(record["loss"] for record in part[-50:]) / 50
    print(f"{stage.name:9}{len(part):6} steps, {read / 1e6:5.1f} M tokens so far, loss {end:.2f}")
print(f"{sum(record['seconds'] for record in log) / 3600:.1f} hours on two CPU cores")
# %%
fig, axes = figures.canvas(1, 2, height=3.2, width=9)
means = [log[n : n + 25] for n in range(0, len(log), 25)]
x = [each[-1]["seen"] / 1e6 for each in means]
mean_loss = [sum(record["loss"] for record in each) / len(each) for each in means]
axes[0] = figures.curve(axes[0], x, {"": mean_loss}, xlabel="million tokens")
_ = axes[0].set(title="loss, nats a learned token", yscale="log")
last = [record for record in log if record["stage"] in ("sft", "practice", "drill")]
looked = [record for record in last if "validation" in record]
x = [record["seen"] / 1e6 for record in looked]
for group in ("zh fact 3", "en fact 3", "zh two-hop 3", "en two-hop 3", "zh fact 3 unseen"):
    shares = [record["validation"][group] for record in looked]
    axes[1] = figures.curve(axes[1], x, {group: shares}, xlabel="million tokens")
_ = axes[1].set(title="right to the letter, of 25 questions", ylim=(0, 1.03))
_ = axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
# %% [markdown] lang="zh"
# 左图里，第三、第四阶段换了新花样，损失两次从高处重来；第四阶段起先又在平台上停着（0.6 左右），然后一路降到 0.15。第五阶段一开头，学习率重新
# 升高，损失也跟着**升**回 0.27，等学习率落下来，才降到 0.10；第六阶段只升到一半的学习率，又多了新写法，损失跳起来，很快回到 0.13，最后是 0.07。右图是后三个阶段，每点只有 25 题，一字不差才算对，上下跳一两成不足为奇。中文先升到将近九成；学
# 习率一升，跌回一半，再慢慢回来，第六阶段再来一遍；中文的两跳题最后也到了将近九成。英文起步早些，后来却慢得多；没见过的说法几乎没有动。每个阶段值不值，25 题看不出来，看
# [说明卡](../../qwen_blog/weights/tiny-qwen2/README.md)里各阶段之后的大考：补课让智能体的一步题从 35% 到 67%，英文的事实题从 43% 到 63%；强化让中文的拒答从 51% 到 95%，两跳题从 62% 到 75%，
# 英文的事实题却退回 54%，两跳题从 33% 退到 22%。
#
# 大考每格 100 道新题，都是三段资料，说法和名字各有新旧。最后的成绩单和权重放在一起：
# %% [markdown] lang="en"
# On the left, the third and the fourth stage bring something new, and the loss begins high again; in the fourth it first stands on a plateau once more (about 0.6), then falls
# to 0.15. At the start of the fifth the learning rate goes up again, and the loss **rises** with it, to 0.27; as the rate comes down, it falls to 0.10. The sixth goes up to half that
# rate only and brings a new form: the loss jumps, is soon back at 0.13, and ends at 0.07. On the right are the last
# three stages; each point is 25 questions, right to the letter, so jumps of ten or twenty points mean little. Chinese rises to nearly nine in ten, drops to a half as the rate goes
# up, slowly comes back, and does so once more in the sixth stage; its two-hop questions end at nearly nine in ten, too. English, though it starts sooner, is far slower from there;
# wordings never seen hardly move. Was each stage worth it? 25 questions cannot tell, but
# the larger exams after each of them can ([the card](../../qwen_blog/weights/tiny-qwen2/README.md)). Practice took the agent from 35% to 67% of its tasks of one step, and
# English facts from 43% to 63%. The drill took Chinese refusals from 51% to 95% and Chinese two-hop questions from 62% to 75%; but English facts fell back to 54%, and English
# two-hop questions from 33% to 22%.
#
# That exam has 100 new questions a dot, all about three passages, with old and new wordings and names. The last scores lie beside the weights:
# %%
scores = [json.loads(line) for line in (SHIPPED / "scores.jsonl").read_text("utf-8").splitlines()]
scores = {each["task"]: each for each in scores}
print("agent, one step and more:", end=" ")
for language in ("zh", "en"):
    groups = scores[f"agent-{language}"]["groups"]
    one, more = groups["one step"]["success"], groups["two or three steps"]["success"]
    print(f"{language} {one['value']:.0%} {more['value']:.0%}", end="  ")
# %%
fig, axes = figures.canvas(1, 2, height=3, width=9)
for ax, language in zip(axes, ("zh", "en"), strict=True):
    for at, kind in enumerate(("fact", "two-hop", "absent")):
        for shift, novelty in enumerate(("seen", "names", "wordings")):
            groups = scores[f"reading-{language}-{novelty}"]["groups"]
            (got,) = groups[f"{kind}, 3 passages"].values()
            x, ends = at + 0.2 * shift, [[got["value"] - got["low"]], [got["high"] - got["value"]]]
            color = (figures.BLUE, figures.ROSE, figures.INK)[shift]
            label = novelty if at == 0 else None
            ax.errorbar([x], [got["value"]], ends, fmt="o", color=color, label=label)
    names = ["fact", "two hops", "absent"]
    ax.set(title=language, ylim=(0, 1.03), xticks=[0.2, 1.2, 2.2], xticklabels=names)
_ = axes[0].legend()
# %% [markdown] lang="zh"
# 圆点是答对的份额，线是 95% 区间。名字换成新的，几乎不掉分：它学会的是抄，不是背。说法换成新的，中文掉了一大半：语法表太窄，它认的是句子，不是意思。
# 该说“没有”的时候，中文几乎都说了，英文还有四成在硬答。当智能体，一步的题能做对七成，两三步
# 的只有五分之一左右：一步一步都要抄对，错一处就满盘皆输。
#
# 英文为什么差这么多？看它错在哪个词元：把正确的回答一个词元一个词元地喂进去，每一步问它下一个是什么，哪一步答不上来：
# %% [markdown] lang="en"
# A dot is the share of right answers, a line its 95% interval. New names cost it next to nothing: it has learned to copy, not to remember. New wordings cost it, in Chinese, most of what it
# can do: the grammar is too narrow, and it knows sentences rather than what they mean. Where it should say that there is no answer, it nearly always does in Chinese; in English
# it answers all the same four times in ten. As an agent it solves seven in ten
# of the tasks of one step, but only about one in five of those of two or three: every step has to be copied rightly, and one slip spoils it all.
#
# Why is English so much worse? See which token goes wrong: feed it the right reply token by token, ask at each step what comes next, and
# note where it does not know:
# %%
from qwen_blog.worlds.exam import reading_items

reader = Qwen2ForCausalLM.from_pretrained(str(SHIPPED), dtype=torch.float32).eval()
its_tokenizer = Tokenizer.from_pretrained(str(SHIPPED))


@torch.no_grad()
def slips(item):
    """The reply's tokens, and the places of those that the model would have got wrong."""
    prompt = its_tokenizer.apply_chat_template(item.messages, add_generation_prompt=True)
    reply = its_tokenizer.encode(item.reply)
    logits = reader(torch.tensor([prompt + reply]), logits_to_keep=len(reply) + 1).logits
    guesses = logits[0, :-1].argmax(-1).tolist()
    wrong = [
        n for n, (guess, right) in enumerate(zip(guesses, reply, strict=True)) if guess != right
    ]
    return [its_tokenizer.token_bytes(token) for token in reply], wrong


# %%
for language in ("zh", "en"):
    where = Counter()
    for item in reading_items(grammar, language, "fact", 3, 40):
        reply, wrong = slips(item)
        value = max(n for n, raw in enumerate(reply) if raw.startswith(b"[")) + 2  # after "[2] is"
        if not wrong:
            where["nowhere"] += 1
        elif wrong[0] == value - 1:
            where["at the word before it"] += 1
        elif wrong[0] < value:
            where["before the value"] += 1
        else:  # a number begins with a space, and then its first digit
            only = wrong in ([value], [value + (reply[value] == b" ")])
            where["first token of the value only" if only else "elsewhere in it"] += 1
    print(f"{language}: {dict(where.most_common())}")


# %% [markdown] lang="zh"
# 中文剩下的错，多半错在值的前一个词：该说“是”，它却要说没有。英文的错，绝大多数只错在值的**头一个**词元：该答什么、在第几段，它都知道，把头一个词元告诉它，后面的也都抄得对。只有“从哪里抄起”它看得不够准：接着往下抄，有刚写下的词元作线索，那是归纳头的本行；起头却没有，得靠意思去
# 找。要修的，就是这一下。
#
# ### 先看，再说没有
#
# **问题**　资料里没有答案，该什么时候说？
#
# 前五个阶段里，该拒的题，回答从头一个字起就是“资料中没有答案”，而那时它还什么都没找。学出来的只有一半：名字不在资料里，它拒得很准；名字在，问的那件事不
# 在，它几乎从不拒，找一个别的数来充数。
#
# **想法**　和引用一样（第 5 节），先写下来的，后面才看得见。最后一个阶段里，它先写要找的是什么、在第几段，然后再判断：“卡洛恩的船长[2]：资料中没有答案。”写到 `[2]` 的时候，该看的地方已经看过了。判断得怎么样，量一量它在这个位置上说“没有”的概率，四十道有答案的，四十道没有的：
# %% [markdown] lang="en"
# Most of the Chinese slips that are left are at the word before the value: it should say "is", and is about to say no. Of the English ones nearly all are in the **first** token of the value, and only there. What is asked, and in which passage it stands, it
# knows; given the first token, it copies the rest rightly. It does not see well enough **where to begin**: to copy on, the token just written is
# a clue, and that is an induction head's own trade; to begin there is none, and the place must be found by what it means. This is the thing to mend.
#
# ### Look first, then say no
#
# **Question.** The passages have no answer. When should the model say so?
#
# In the first five stages, the reply to such a question begins with "The passages do not say", and at that moment
# nothing has been looked for yet. So it learned half of it: where the name is in no passage, it refuses reliably;
# where the name is there and only the fact is not, it hardly ever does, and takes some other value.
#
# **Idea.** As with citations (section 5), only what is written down can be seen later on. In the last stage it first
# writes what it looks for and in which passage, and judges then: "The captain of Kalon [2]: The passages do not
# say." By the time of `[2]`, it has looked where it should. How well does it judge? We measure how likely it is to say no at this
# place, for forty questions that have an answer and forty that have none:
# %%
@torch.no_grad()
def doubt(language, kind, seed):
    """How likely it says, after "The captain of Kalon [2]", that the passages do not."""
    shape = Shape(3, 4, 2, untold=1.0, looks_first=True)
    reading = Reading(random.Random(seed), grammar, language, shape)
    asked = reading.ask(kind)
    ids = its_tokenizer.apply_chat_template(
        reading.prompt(asked.question), add_generation_prompt=True
    )
    reply = its_tokenizer.encode(asked.reply(language))
    marks = [n for n, i in enumerate(reply) if its_tokenizer.token_bytes(i).startswith(b"[")]
    logits = reader(torch.tensor([ids + reply[: marks[-1] + 1]]), logits_to_keep=1).logits
    no = its_tokenizer.encode("[2]：资料中没有答案。" if language == "zh" else "[2]: The")[1]
    return logits[0, -1].softmax(-1)[no].item()


# %%
fig, axes = figures.canvas(1, 2, height=1.7, width=9)
for ax, language in zip(axes, ("zh", "en"), strict=True):
    for at, kind in enumerate(("fact", "absent")):
        p = [doubt(language, kind, seed) for seed in range(40)]
        spread = [at + 0.04 * (n % 9 - 4) for n in range(40)]
        ax.plot(p, spread, "o", color=(figures.BLUE, figures.ROSE)[at], alpha=0.5)
        print(f"{language} {kind:7}{sum(x > 0.5 for x in p):3} of 40 over one half")
    ax.set(title=language, xlim=(-0.03, 1.03), ylim=(-0.5, 1.5), yticks=[0, 1])
    ax.set(yticklabels=["told", "not told"], xlabel='probability of "not told"')
# %% [markdown] lang="zh"
# 中文的两堆点分得很开：没有答案的，几乎都过了一半；有答案的，多半贴着 0，有几道越了界，那就是误拒。英文的两堆还叠在一起，都在一半上下：它在英文里找值本来就找得不准（上面数过），分不清是没有，还是没找着。所以这两
# 样毛病其实是一样：看得准了，才说得准“没有”。
#
# 代价也看得见：中文的误拒从 2% 升到 8%。说不说“没有”的界线划在哪里，总要在两种错之间选（第 33 章第 5 节）。
#
# 多数目标没有达到，[说明卡](../../qwen_blog/weights/tiny-qwen2/README.md)里逐条写着。这一份，是四个小时换来的。
# %% [markdown] lang="en"
# In Chinese the two lots lie well apart: without an answer nearly all are over one half; with one, most are close to 0, and the few that have crossed the line are
# the false refusals. In English they still lie upon each other, both around one half: there it does not find values well in the first place (we have just counted), and
# cannot tell what is not there from what it has not found. So the two weaknesses are one: to say no reliably, one must see reliably.
#
# It has its price, too: in Chinese, false refusals went from 2% to 8%. Wherever the line is drawn, it is a choice between two errors ([chapter 33](33_grounded_answers.ipynb), section 5).
#
# Most aims were missed, and [its card](../../qwen_blog/weights/tiny-qwen2/README.md) says so one by one. This is what four hours buy.


# %% [markdown] lang="zh"
# ## 12 它不会什么，以及更大的模型
#
# **问题**　几百万参数的模型会读、会抄、会引用、会叫计算器。它不会什么？
#
# - **不看资料，什么都不知道。** 语料里没有一件事实出现过两次，它没有可背的。这是故意的：问它世界上的
#   事，它学着说自己什么也没背；说不准的问法下，它会编。
# - **不会心算。** 计算器是工具，它学的是何时叫、怎么写参数。
# - **没见过的说法会绊倒它。** 说法表再宽也有边界；留出的说法考多少分，要与见过的分开报告。
# - **装不下知识。** 实验得出的上限大约是每个参数 2 比特（Allen-Zhu 与 Li 2024，arXiv:2404.05405）。
#
# 换成更大的模型，代码一行不改，账单要改。训练一个词元约需 $6N$ 次浮点运算，前向 $2N$，反向 $4N$
# （Kaplan 等 2020，arXiv:2001.08361，第 2.1 节）；训练时每个参数占 16 字节：参数、梯度、AdamW 的两个
# 矩，各 4 字节。Qwen2.5 的预训练用了 18 万亿个词元（arXiv:2412.15115）。
# %% [markdown] lang="en"
# ## 12 What it cannot do, and larger models
#
# **Question.** A model of a few million parameters reads, copies, cites, and calls a calculator. What can
# it not do?
#
# - **Without a passage it knows nothing.** No fact of the corpus came up twice, so there was nothing to
#   learn by heart. That is on purpose: asked about the world, it has been taught to say so; asked in a
#   way that it does not know, it makes things up.
# - **It cannot calculate in its head.** The calculator is a tool; it has learned when to call it, and how.
# - **Wordings that it never saw may trip it up.** A grammar has an edge, however wide; what it scores on
#   held-out wordings has to be reported apart.
# - **It has no room for knowledge.** Experiments put the limit at about 2 bits a parameter (Allen-Zhu and Li
#   2024, arXiv:2404.05405).
#
# For a larger model not a line of the code changes, but the bill does. To train on a token takes about $6N$
# floating-point operations, $2N$ forward and $4N$ backward (Kaplan et al. 2020, arXiv:2001.08361, section
# 2.1). In training a parameter takes 16 bytes: itself, its gradient, and two moments of AdamW, 4 each.
# Qwen2.5 was pre-trained on 18 trillion tokens (arXiv:2412.15115).
# %%
def published(D, inner, layers, heads, kv, tied):
    names = ("hidden_size", "intermediate_size", "num_hidden_layers")
    names += ("num_attention_heads", "num_key_value_heads", "tie_word_embeddings")
    return Qwen2Config(**dict(zip(names, (D, inner, layers, heads, kv, tied), strict=True)))


def tokens_of(recipe):
    return sum(stage.training.steps * stage.training.tokens_per_step for stage in recipe.stages)


models = {recipe.name: (recipe.model, tokens_of(recipe)) for recipe in (NANO, TINY_QWEN2)}
models["0.5B"] = published(896, 4864, 24, 14, 2, True), 18e12
models["7B"] = replace(published(3584, 18944, 28, 28, 4, False), vocab_size=152_064), 18e12
# %%
GPU_FLOPS = (
    4e14  # an assumption: a large accelerator of 2023, at less than half of its peak in bf16
)
bill = {}
print("            parameters  knowledge  training state   tokens     6ND    on one such chip")
for name, (config, tokens) in models.items():
    with torch.device("meta"):
        N = sum(p.numel() for p in Qwen2ForCausalLM(config).parameters())
    flops = bill[name] = 6 * N * tokens
    seconds = flops / GPU_FLOPS
    time = f"{seconds:.2f} s" if seconds < 1000 else f"{seconds / 86400:,.0f} days"
    print(f"{name:10}{N / 1e6:10,.2f} M{N * 2 / 8 / 1e6:8,.1f} MB{N * 16 / 1e9:13.2f} GB", end="")
    print(f"{tokens:11.1e}{flops:9.1e}{time:>16}")
ratio = bill["7B"] / bill["tiny-qwen2"]
print(f"7B over tiny-qwen2: {ratio:.1e} times the work")
# %% [markdown] lang="zh"
# 6ND 里的 $N$ 这里取了全部参数，嵌入表也算在内，对小模型略微算多了。
#
# 表里最要紧的是最后一列。7B 在一块这样的卡上要几万天，所以才有成千上万块卡、有张量并行和流水线并行，
# 那是另一本书。可是**循环是同一个循环**：造数据，打包，求损失，裁剪，AdamW，存检查点。你已经从头到
# 尾看过一遍了。
#
# ## 13 练习
#
# 把 `candidate` 换成你自己的函数，运行那一格；没有报错，就是对的。
#
# **练习 1**　写 `candidate(step, steps, peak, warmup_steps, min_ratio)`：预热加余弦。裁判是 torch 自带的
# 调度器。第几步第一次达到顶点？最后一步是多少？差一步就过不了。
# %% [markdown] lang="en"
# In 6ND (D is the number of tokens here, not the width) all parameters are counted as $N$, the
# embedding table with them, which is a little too much for the small models.
#
# The last column matters most. On one such chip, the 7B would take tens of thousands of days; hence the
# thousands of chips, tensor parallelism and pipeline parallelism, which are another book. But **the loop is
# the same**: make data, pack, loss, clip, AdamW, checkpoint. You have seen it from end to end.
#
# ## 13 Exercises
#
# Put your own function in the place of `candidate` and run the cell; if no assertion complains, it is right.
#
# **Exercise 1.** Write `candidate(step, steps, peak, warmup_steps, min_ratio)`: warm-up and cosine. The judge
# is torch's own scheduler. Which step is the first at the peak? What is the last one's rate? Off by one, and
# it fails.
# %%
candidate = learning_rate  # put yours here

weight = torch.nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([weight], lr=2e-3)
up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 10, total_iters=9)
down = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=2e-4)
judge = torch.optim.lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[9])
for step in range(1, 51):
    expected = optimizer.param_groups[0]["lr"]
    assert math.isclose(candidate(step, 50, 2e-3, 10, 0.1), expected, rel_tol=1e-6), step
    optimizer.step()
    judge.step()
print("exercise 1: correct")
# %% [markdown] lang="zh"
# **练习 2**　写 `candidate(model, hidden, labels)`：所有有标签的词元的交叉熵之和。标签没有错开，`-100` 不
# 算；隐状态 `hidden` 还没乘输出矩阵。裁判是 `cross_entropy` 直接算全部位置。加分：只在需要的位置上乘输
# 出矩阵，为什么在监督微调里能省下大半？
# %% [markdown] lang="en"
# **Exercise 2.** Write `candidate(model, hidden, labels)`: the summed cross-entropy of all labelled tokens.
# Labels are not shifted, `-100` does not count, and `hidden` has not been through the output layer yet. The
# judge is `cross_entropy` on all places. For extra credit: multiply by the output layer only where needed;
# why does that save most of the work in fine-tuning?
# %%
from qwen_blog.training import loss_sum

candidate = loss_sum  # put yours here

with torch.no_grad():
    for row in rows[:3]:
        hidden = PackedForward()(written, row)
        logits = written.lm_head(hidden)[:, :-1].flatten(0, 1)
        options = {"ignore_index": IGNORED, "reduction": "sum"}
        expected = torch.nn.functional.cross_entropy(logits, row.labels[:, 1:].flatten(), **options)
        torch.testing.assert_close(candidate(written, hidden, row.labels), expected)
print("exercise 2: correct")


# %% [markdown] lang="zh"
# **练习 3**　前词元头看的是前一个词元。写 `candidate(theta, head_dim, back)`，返回 q、k 的偏置，让分数在距离
# 恰为 `back` 处最高（手写的归纳头只认一个词元；要认得两个词元的词组，就还需要一个看前两格的头）。
# %% [markdown] lang="en"
# **Exercise 3.** The previous-token head looks at the token before. Write
# `candidate(theta, head_dim, back)`: the biases of q and k for which the score is highest at a distance of
# exactly `back`. (A hand-written induction head matches one token only; to match a phrase of two, it would
# need a head that looks two back.)
# %%
candidate = None  # put yours here

for theta, width in ((1e4, 16), (1e6, 48)) if candidate else ():
    config = replace(blank.config, rope_theta=theta, hidden_size=4 * width)
    cos, sin = Qwen2ForCausalLM(config).model.rotary_emb(torch.arange(60)[None], torch.float32)
    for back in (1, 2, 3, 7):
        q, k = (x.expand(1, 1, 60, -1) for x in candidate(theta, width, back))
        q, k = apply_rotary_pos_emb(q, k, cos, sin)
        scores = (q @ k.mT)[0, 0].masked_fill(~torch.ones(60, 60).tril().bool(), -math.inf)
        assert scores[back:].argmax(-1).tolist() == list(range(60 - back)), (theta, back)
print("exercise 3: correct" if candidate else "exercise 3: not answered yet")


# %% [markdown] lang="zh"
# **练习 4**　写 `candidate(config, r)`：给 Qwen2 的 q、v 加上秩为 $r$ 的 LoRA，一共要学多少个数？只用配置
# 里的数来算，不造模型。GQA 的 $W_V$ 不是方阵。
# %% [markdown] lang="en"
# **Exercise 4.** Write `candidate(config, r)`: with LoRA of rank $r$ on Qwen2's q and v, how many numbers are
# learned? From the numbers of the config alone, without making a model. Under GQA $W_V$ is not square.
# %%
candidate = None  # put yours here

for name, (config, _) in models.items() if candidate else ():
    for r in (1, 8):
        with torch.device("meta"):
            adapted = inject(Qwen2ForCausalLM(config), LoraConfig(r=r))
        expected = sum(p.numel() for p in lora_parameters(adapted))
        assert candidate(config, r) == expected, (name, r, expected)
print("exercise 4: correct" if candidate else "exercise 4: not answered yet")
# %% [markdown] lang="zh"
# **练习 5（动手改配方）**　第 4 节的步数改成 4000，泡杯茶再来看：自然的跳跃发生在第几步？
# 哪个头先动？再只把前词元头写进去（第 1 层换回 `blank` 的），跳跃早了多少？先猜，再跑，再用接力解释。
# %% [markdown] lang="en"
# **Exercise 5 (change the recipe).** Let section 4 run for 4000 steps, and have a cup of tea: at which step
# does the natural jump come, and which head moves first? Then write the previous-token head only (put back
# layer 1 of `blank`): how much earlier is the jump? Guess, run, and explain it by the relay.
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数或类可以顶替包里的那个，跑同一批测试；裁判是 torch 和 `transformers`，不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise packed_attention > my.py  # 题头：签名和文档，没有函数体；写上你的
# pytest --mine=my.py                                # 用你的顶替我们的，跑它的测试
# python -m tests.exercise --hint packed_attention   # 卡住了，要一句提示
# ```
#
# 本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `learning_rate` | 第 8 节：预热加余弦；练习 1 问的就是它 | 几行 |
# | `lora_linear` | 第 9 节：矩阵旁边的一对小矩阵 | 几行 |
# | `packed_attention` | 第 6 节：一行里的邻居互不相见 | 一下午 |
#
# 在笔记本里用 `check`。下面这一份把一整行当成一段文字。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are torch and
# `transformers`, not our code. In the root of the repository:
#
# ```bash
# python -m tests.exercise packed_attention > my.py  # the head: signature and docstring, no body; write yours
# pytest --mine=my.py                                # its tests, with yours in the place of ours
# python -m tests.exercise --hint packed_attention   # a hint, if you are stuck
# ```
#
# The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `learning_rate` | section 8: warm-up and cosine; the very thing that exercise 1 asks for | a few lines |
# | `lora_linear` | section 9: a pair of small matrices beside a large one | a few lines |
# | `packed_attention` | section 6: neighbours in a row do not see each other | an afternoon |
#
# In a notebook there is `check`. The attempt below takes the whole row for one text.
# %%
from qwen_blog import causal_mask, sdpa_attention
from tests.exercise import check


def packed_attention(q, k, v, lengths, window=None):
    T = q.shape[2]
    return sdpa_attention(q, k, v, causal_mask(T, T, sliding_window=window))


right = check(packed_attention)
# %% [markdown] lang="zh"
# 先读第一行：没过的是哪一个测试；再看头一个不同的数，坐标是 (B, H, T, D_h)，期望的和得到的；最后一行说出处和提示在哪里。这一行里有长 5、1、6
# 的三段，第一处不同在位置 5，正是第二段的头一个词元：它本该只看见自己。
#
# 带走七句话：
#
# 1. 小模型教本事，不教知识：每段对话一个新世界，背没有用。
# 2. 留出三样：名字、值、说法；分数分开报告。
# 3. 损失从 $\ln V$ 起步；好看的曲线不等于学会了，要看答对几题。
# 4. 平台期不是终点：看模型缺的是哪个零件。
# 5. 归纳头 = 前词元头贴便条 + 按便条找、照抄；它可以手写。
# 6. 打包要隔开邻居；微调只在回答上算损失，停也要学。
# 7. 断点续训要做到分毫不差：数据的种子只取决于步数和行号。
#
# 上一章：[23 · 完整的解码器](23_the_whole_decoder.ipynb)。下一章：[31 · 从 PDF 到向
# 量](31_from_pdf_to_vector.ipynb)。
#
# 代码：[recipes.py](../../qwen_blog/recipes.py)、[universe.py](../../qwen_blog/worlds/universe.py)、
# [reading.py](../../qwen_blog/worlds/reading.py)、[induction.py](../../qwen_blog/induction.py)、
# [packing.py](../../qwen_blog/packing.py)、[training.py](../../qwen_blog/training.py)、[optimizers.py](../../qwen_blog/optimizers.py)、
# [lora.py](../../qwen_blog/lora.py)。
#
# 论文：归纳头（Olsson 等 2022，arXiv:2209.11895）、AdamW（Loshchilov 与 Hutter 2019，arXiv:1711.05101）、
# Muon（Jordan 等 2024；Liu 等 2025，arXiv:2502.16982）、余弦学习率（同二人 2016，arXiv:1608.03983）、打包（Krell 等 2021，arXiv:2107.02027）、LoRA（Hu 等 2021，
# arXiv:2106.09685）、规模定律（Kaplan 等 2020，arXiv:2001.08361）、知识容量（Allen-Zhu 与 Li 2024，
# arXiv:2404.05405）、Qwen2.5（arXiv:2412.15115）。
# %% [markdown] lang="en"
# Read the first line first: which test failed; then the first number that differs, at (B, H, T,
# D_h), expected and obtained; then where it stands in the paper and how to get a hint. The row has
# three samples, of 5, 1 and 6 tokens,
# and the first difference is at place 5, the first token of the second sample: it should see nothing but itself.
#
# Seven sentences to take along:
#
# 1. Teach a small model a skill, not knowledge: a new world in each conversation, and nothing to memorise.
# 2. Hold out three things, names, values and wordings, and report them apart.
# 3. The loss begins at $\ln V$; a fine curve is not yet a skill, so count right answers.
# 4. A plateau is not the end: ask which part the model lacks.
# 5. An induction head is a previous-token head that pins notes, and a head that finds and copies by them; it
#    can be written by hand.
# 6. Pack, but keep neighbours apart; in fine-tuning only replies have a loss, and stopping is learned too.
# 7. Exact resume: the seed of the data depends on step and row alone.
#
# Previous: [23 · The whole decoder](23_the_whole_decoder.ipynb). Next: [31 · From PDF to
# vector](31_from_pdf_to_vector.ipynb).
#
# Code: [recipes.py](../../qwen_blog/recipes.py), [universe.py](../../qwen_blog/worlds/universe.py),
# [reading.py](../../qwen_blog/worlds/reading.py), [induction.py](../../qwen_blog/induction.py),
# [packing.py](../../qwen_blog/packing.py), [training.py](../../qwen_blog/training.py), [optimizers.py](../../qwen_blog/optimizers.py),
# [lora.py](../../qwen_blog/lora.py).
#
# Papers: induction heads (Olsson et al. 2022, arXiv:2209.11895), AdamW (Loshchilov and Hutter 2019,
# arXiv:1711.05101), Muon (Jordan et al. 2024; Liu et al. 2025, arXiv:2502.16982), the cosine schedule (the same, 2016, arXiv:1608.03983), packing (Krell et al. 2021,
# arXiv:2107.02027), LoRA (Hu et al. 2021, arXiv:2106.09685), scaling laws (Kaplan et al. 2020,
# arXiv:2001.08361), capacity for knowledge (Allen-Zhu and Li 2024, arXiv:2404.05405), Qwen2.5
# (arXiv:2412.15115).
