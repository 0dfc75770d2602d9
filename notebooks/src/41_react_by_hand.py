# %% [markdown] lang="zh"
# # 41 · 亲手写 ReAct
#
# 语言模型住在一间没有窗户的屋子里：从门缝塞进去一段文字，过一会儿递出来一段文字。它读过很多书，可是
# 屋里没有电话，没有计算器，也没有你硬盘上的资料。**智能体**（agent）就是在门外添一个跑腿的：模型在纸
# 条上写“去查这个”，跑腿的真去查，把查到的写在下面，再塞回去，直到纸条上写着“答案是……”。
#
# ReAct（Reasoning + Acting；Yao 等 2023，arXiv:2210.03629）是这张纸条的写法：想一句，做一件事，看一眼结
# 果，再想一句。道理一分钟就讲完，程序却很容易写错。这一章从“问一次模型”出发，走**十小步**，走到
# [agent.py](../../tiny_agent/agent.py) 里那个真的循环。每一步都先让你**看见**不这么做会出什么事，然后
# 才给办法。
#
# | 步 | 出了什么事 | 办法 |
# | --- | --- | --- |
# | 1 | 不知道的、算不准的，它照样回答 | 先看清毛病 |
# | 2 | 答案不在屋里 | 我们查好、算好，递进去 |
# | 3 | 该查什么，总不能老由我们决定 | 让它自己点名要工具 |
# | 4 | 回复只是一段文字 | 解析 |
# | 5 | 点了名，没有人去做 | 真的去做，写成“观察” |
# | 6 | 它连“观察”也替我们编好了 | 停止串，再加我们自己的剪刀 |
# | 7 | 第二次调用忘了问题 | 循环；什么都留在历史里 |
# | 8 | 格式不对，程序崩了 | 宽容地读；读不懂就告诉它 |
# | 9 | 停不下来 | 步数、重复、预算；到头了逼它交卷 |
# | 10 | 工具出错，程序崩了 | 错误也是观察 |
#
# 然后读一遍真的循环（第 11 节），把一次运行画成图（第 12 节），看论文到底量到了什么（第 13 节），换上真
# 模型（第 14 节）。
#
# **前十三节没有真模型，请先记住这一点。** 毛病要一样一样地演，想看哪样就有哪样，所以模型由替身 `ScriptedModel` 来演：
# 台词是我们写的，演的是这类模型**会**写出来的东西，主要的毛病都有人在真实项目里报告过（附链接）。循环、工
# 具、提示词、解析器都是真的，词元数是估算的；可是台词终究是台词，**前十三节没有测量任何模型**。凡是说到
# “多大比例”，都引自论文。到第 14 节，书里自带的小模型才上场，那里的数是量出来的。
#
# **预备知识**：会 Python，知道语言模型是什么。**用时**：读一遍约 60 分钟；一个 CPU 核上全部运行约 25 秒，不联网，不下载。
#
# 上一章：[33 · 有据可查](33_grounded_answers.ipynb)。下一章：[42 · 工具、模式与三种方言](42_tools_and_dialects.ipynb)。
# %% [markdown] lang="en"
# # 41 · ReAct, by hand
#
# A language model lives in a room without windows: a text goes in under the door, and after a while
# a text comes out. It has read a great deal, but there is no telephone in the room, no calculator,
# and none of your files. An **agent** is that room with an errand boy at the door: the model writes
# "look this up" on a slip of paper, the boy really looks it up, writes what he found below, and
# pushes the slip back in, until it says "the answer is ...".
#
# ReAct (reasoning + acting; Yao et al. 2023, arXiv:2210.03629) is a way of writing these slips:
# think a sentence, do one thing, look at the result, think again. It takes a minute to explain, and
# is easy to get wrong. This chapter starts from "one call to a model" and takes **ten small steps**
# to the real loop in [agent.py](../../tiny_agent/agent.py). At each step you first **see** what
# happens without it, and only then get the cure.
#
# | step | what goes wrong | the cure |
# | --- | --- | --- |
# | 1 | what it does not know and cannot compute, it answers all the same | none yet: see the trouble |
# | 2 | the answer is not in the room | we look it up, work it out, and hand it in |
# | 3 | we cannot decide for ever what to look up | let it name the tool that it wants |
# | 4 | its reply is only a text | parse it |
# | 5 | a tool was named, and nobody runs it | run it; the result is an Observation |
# | 6 | it makes up the Observation too | stop strings, and scissors of our own |
# | 7 | the second call has forgotten the question | a loop; everything stays in the history |
# | 8 | wrong form, and the program crashes | read generously; say what cannot be read |
# | 9 | it never ends | steps, repeats, budgets; at the end a forced answer |
# | 10 | a tool fails, and the program crashes | errors are observations too |
#
# Then we read the real loop (section 11), draw a run (section 12), look at what the paper measured
# (section 13), and put in a real model (section 14).
#
# **There is no real model in the first thirteen sections; please keep this in mind.** Each fault is to
# be seen when we want to see it, so a stand-in, `ScriptedModel`, plays the model. We wrote its lines.
# They are what models of this kind do write, and the main faults have been reported by users of real
# projects (with links). The loop, the tools, the prompts and the parser are real, and tokens are
# estimated; but the lines are a script: **nothing in these sections measures a model**. Wherever they
# say "how often", the number is the paper's. In section 14 the small model that comes with the book
# enters, and what is said of it is measured.
#
# **You need**: Python, and an idea of what a language model is. **Time**: about 60 minutes to read; the whole chapter runs in
# about 25 seconds on one CPU core; no network, no downloads.
#
# Previous: [33 · Grounded answers](33_grounded_answers.ipynb). Next:
# [42 · Tools, schemas and three dialects](42_tools_and_dialects.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import inspect
import json
import random
import re
import textwrap
import time
from itertools import pairwise
from typing import get_args

import numpy as np

from tiny_agent.builtin_tools import make_tools
from tiny_agent.models import ModelError, ScriptedModel, estimate_usage, until_stop
from tiny_agent.tools import ToolRegistry, tool

tools = ToolRegistry(make_tools("calculator,search"))
# %% [markdown] lang="zh"
# 整章合成一张图，箭头上的数字是第几步：
# %% [markdown] lang="en"
# The whole chapter in one drawing; the numbers on the arrows are the steps:
# %%
boxes = {"history": (0, 1), "model": (2.6, 1), "reply": (5.2, 1), "call": (7.8, 1)}
boxes |= {"tool": (10.4, 1), "correction": (2.6, 2.1), "final answer": (7.8, 2.1)}
boxes |= {"observation": (5.2, -0.1), "forced answer": (0, -0.1)}
arrows = [("history", "model", "3"), ("model", "reply", "6"), ("reply", "call", "4")]
arrows += [("call", "tool", "5"), ("tool", "observation", "5, 10"), ("reply", "final answer", "4")]
arrows += [("reply", "correction", "8"), ("correction", "history", "8")]
arrows += [("observation", "history", "7"), ("history", "forced answer", "9")]
colors = {"final answer": figures.GREEN, "correction": figures.ROSE, "observation": figures.CYAN}
colors |= {"forced answer": figures.YELLOW, "tool": figures.CYAN}
fig, ax = figures.canvas(height=2.7)
ax = figures.diagram(ax, boxes, arrows, size=(1.9, 0.5), colors=colors)
# %% [markdown] lang="zh"
# ## 1 只问一次
#
# **问题**　升天索是《砚星百科》里的一条缆绳，从露摩的海面通到太空站，轿厢沿着它慢慢往上爬。恒星砚星爆发
# 耀斑时，粒子要过一阵才到。调度员想知道：耀斑爆发的那一刻有一班轿厢刚出发，粒子到的时候，它在多高？
#
# 这个恒星系是虚构的，所以再大的模型也不可能知道那几个数；乘除也不是它的强项，它是一个词元一个词元地往下
# 写，不是在算。下面的替身照这个道理演：要用的事实都在它**读到**的文字里，就答对；缺一样，就猜。
# %% [markdown] lang="en"
# ## 1 One call
#
# **Question.** In the encyclopedia of Yan, which comes with the book, the Skyhook is a cable that
# leads from the sea of the planet Lumo to a station in space; cars climb it, slowly. When the star,
# Yan, has a flare, its particles take a while to arrive. The dispatcher asks: a car starts at the
# moment of a flare; how high is it when the particles come?
#
# The star system is fictional, so no model, however large, can know these numbers; nor is it good at
# multiplying, for it writes one token after another and does not compute. The stand-in plays it like
# this: if all the facts are in the text that it **reads**, it is right; if one is missing, it
# guesses.
# %%
questions = {
    "zh": "砚星爆发耀斑的那一刻，一班轿厢从海面出发，沿升天索匀速上爬。"
    "耀斑的粒子到达露摩时，轿厢在多高的地方？",
    "en": "A flare bursts on Yan just as a car starts up the Skyhook from the sea, at a steady "
    "speed. How high is the car when the particles of the flare reach Lumo?",
}
facts = {  # what has to be read somewhere, or worked out
    "zh": ["要跑31小时", "全长3.82万千米", "22773.0769"],
    "en": ["need 31 hours", "cable of 38,200 km", "22773.0769"],
}
right = {"zh": "约 22,773 千米。", "en": "About 22,773 km."}
guess = {"zh": "约 4,800 千米。", "en": "About 4,800 km."}


# %%
def wrapped(text, width=96):
    """A text in lines that fit the page; a Chinese character is twice as wide."""
    width //= 2 if re.search("[\u4e00-\u9fff]", text) else 1
    return textwrap.fill(text, width, subsequent_indent="    ")


# %%
def user(text):
    return {"role": "user", "content": text}


def text_of(messages):
    return "\n".join(message["content"] for message in messages)


def well_read(lang):
    """A stand-in that answers: right if all the facts are in what it reads, else a guess."""

    def line(messages):
        known = all(fact in text_of(messages) for fact in facts[lang])
        return right[lang] if known else guess[lang]

    return ScriptedModel([line])


# %%
for lang, question in questions.items():
    reply = well_read(lang).generate([user(question)])
    print(f"{wrapped(question)}\n  -> {reply.text}\n")
    assert reply.text == guess[lang] != right[lang]
print("in truth:", round(38_200 * 31 / 52), "km")


# %% [markdown] lang="zh"
# 只有实际的五分之一，语气却一样笃定。这是第一个要记住的毛病：**它不会因为不知道就不说。**
# 第 33 章的“拒答”治得了
# 胡说，却答不出这道题：事实散在两篇文章里，还得算一步。
#
# ## 2 替它查好，递进去
#
# **问题**　屋里没有的，能不能由我们递进去？
#
# **想法**　当然能。资料查两次，算式算一次，结果和问题一起贴进提示词。工具是包里真的工具：
# `search` 用 BM25 搜随包的百科（BM25 见第 32 章），`calculator` 是一个不用 `eval` 的计算器（第 42 章拆开看）。
# %% [markdown] lang="en"
# A fifth of the truth, and in the same confident tone. That is the first trouble to remember: **not
# knowing does not keep it from saying.** The refusals of chapter 33 would cure the nonsense, but not
# answer the question: the facts stand in two articles, and one more step has to be worked out.
#
# ## 2 We look it up, and hand it in
#
# **Question.** What is not in the room: can we hand it in?
#
# **Idea.** Of course. Two searches, one calculation, and the results go into the prompt with the
# question. The tools are the package's own: `search` looks through the encyclopedia with BM25
# (chapter 32), and `calculator` is one that does without `eval` (chapter 42 takes it apart).
# %%
def glimpse(text, width=240):
    """A long text cut short: its beginning, and what is around the first fact in it."""
    line = " ".join(text.split())
    width //= 2 if re.search("[\u4e00-\u9fff]", line) else 1
    places = [line.find(fact) for of in facts.values() for fact in of if fact in line]
    start = min(places, default=0) - width // 3
    head, end = f"{line[: width // 3]} … ", start + width * 2 // 3
    if start <= width // 3:
        head, start, end = "", 0, width
    return wrapped(head + line[start:end] + (" …" if end < len(line) else ""))


# %%
queries = {
    "zh": ["耀斑的粒子多久到露摩", "升天索全长，一趟多久"],
    "en": ["flare particles hours to Lumo", "Skyhook length, hours to climb"],
}
sums = {"zh": "3.82万 * 31 / 52", "en": "38,200 * 31 / 52"}
# %%
search, calculator = tools.find("search"), tools.find("calculator")
for lang, question in questions.items():
    found = [search(query=query, k=1) for query in queries[lang]]
    found += [calculator(expression=sums[lang])]
    reply = well_read(lang).generate([user("\n\n".join([*found, question]))])
    print(*map(glimpse, found), f"  -> {reply.text}\n", sep="\n")
    assert reply.text == right[lang]
    assert all(fact in text for fact, text in zip(facts[lang], found, strict=True))


# %% [markdown] lang="zh"
# 答对了。可是谁想到要查耀斑、又要查升天索？谁看出“匀速”就是乘以 31/52？**是我们。** 动脑子的活全让我们
# 干了，模型只是念了念结果。换一个问题，这段程序就得重写。（第 33 章的 RAG 也是“我们替它查”，只是查法固
# 定：拿问题本身去搜，搜一次。）
#
# ## 3 让它自己点名要工具
#
# **问题**　怎样让一个只会写字的东西“要”工具？
#
# **想法**　约定一种写法。提示词里列出工具的名字、用途和参数，再给出格式：先写一句思考，再写要用的工具和
# 参数，然后停下。这就是 ReAct 的提示词，由 `ReActText.render` 拼出来。全文如下（工具的说明是从函数的文档
# 里自动抄来的）：
# %% [markdown] lang="en"
# Right. But who thought of looking up the flare, and then the Skyhook? Who saw that "steady" means
# times 31/52? **We did.** All the thinking was ours; the model has read out the result. For another
# question, this program has to be written anew. (RAG in chapter 33 looks things up for the model
# too, in one fixed way: it searches once, for the question itself.)
#
# ## 3 Let it name the tool
#
# **Question.** How can something that only writes "ask" for a tool?
#
# **Idea.** Agree on a way of writing. The prompt lists the tools, what they are for and what they
# take, and gives a form: a sentence of thought, then the tool and its arguments, then stop. This is
# the prompt of ReAct, as `ReActText.render` makes it. Here is all of it (what it says of the tools
# is taken from the docstrings of their functions):
# %%
from tiny_agent.react import STOP, ReActText


def opening(question, language="en"):
    """What a model reads first: the instructions, then the question."""
    return ReActText(language).render([user(question)], tools).messages


for line in opening(questions["en"])[0]["content"].split("\n"):
    print(wrapped(line))
# %% [markdown] lang="zh"
# 提示词也有中文的，标签换成“思考、行动、行动输入、观察、最终答案”：
# %% [markdown] lang="en"
# There is a Chinese one too, with labels that say the same:
# %%
chinese = opening(questions["zh"], "zh")[0]["content"]
print(chinese[chinese.index("按下面") :])


# %% [markdown] lang="zh"
# 论文第 2 节用一个式子说这件事。智能体在第 $t$ 步看到的全部上文是
# $c_t = (o_1, a_1, \dots, o_{t-1}, a_{t-1}, o_t)$，$o$ 是观察，$a$ 是行动，策略 $\pi(a_t \mid c_t)$ 据
# 此决定下一步。ReAct 只改了一处：把行动的集合扩大，
#
# $$\hat{\mathcal{A}} = \mathcal{A} \cup \mathcal{L}$$
#
# $\mathcal{L}$ 是所有能写出来的话。一句**思考**也是行动，只不过它什么也不改变，也换不来观察，唯一的作用是
# 留在上文里，让后面的步骤读到。最后一句话很要紧：**什么都要留在上文里**，第 7 步会看到忘了它的下场。
#
# 论文给模型看几段写好的例子（HotpotQA 用 6 段），我们只给说明，不给例子，省词元；对没有专门训练过的小模
# 型，例子是有用的。
#
# 现在换一个会照格式写的替身。它还是只凭读到的东西行事：先看问题在不在，再看还缺哪样事实，缺哪样就要哪样。
# %% [markdown] lang="en"
# Section 2 of the paper says this in a formula. All that an agent has before it at step $t$ is
# $c_t = (o_1, a_1, \dots, o_{t-1}, a_{t-1}, o_t)$, where $o$ are observations and $a$ actions, and a
# policy $\pi(a_t \mid c_t)$ decides from that what to do. ReAct changes one thing: the set of
# actions becomes larger,
#
# $$\hat{\mathcal{A}} = \mathcal{A} \cup \mathcal{L}$$
#
# where $\mathcal{L}$ is everything that can be said. A **thought** is an action too; it changes
# nothing and brings no observation, and all it does is to stay in the context, for later steps to
# read. Mark the last words: **everything has to stay in the context**. Step 7 shows what becomes of
# those who forget it.
#
# The paper shows the model a few runs written by hand (six for HotpotQA). We only explain the form,
# which saves tokens; for small models that were not trained for this, examples do help.
#
# Now a stand-in that keeps to the form. It still goes by what it reads: is the question there, and
# which fact is missing? The one that is missing, it asks for.
# %%
def act(thought, name, **arguments):
    """A reply that asks for a tool."""
    text = json.dumps(arguments, ensure_ascii=False)
    return f"Thought: {thought}\nAction: {name}\nAction Input: {text}"


def finish(thought, answer):
    """A reply that ends the run."""
    return f"Thought: {thought}\nFinal Answer: {answer}"


lost = {
    "zh": finish("手里只有一个钟头数，不知道要问什么。", "31 小时。"),
    "en": finish("I have a number of hours and no question.", "31 hours."),
}
# %%
lines = {
    "zh": [
        act("先查粒子多久到。", "search", query=queries["zh"][0], k=1),
        act("31 个钟头。再查升天索。", "search", query=queries["zh"][1], k=1),
        act("匀速，所以是全长的 31/52。", "calculator", expression=sums["zh"]),
        finish("算出来了。", right["zh"]),
    ],
    "en": [
        act("First: when do the particles come?", "search", query=queries["en"][0], k=1),
        act("31 hours. Now the Skyhook.", "search", query=queries["en"][1], k=1),
        act("Steady, so 31/52 of the whole.", "calculator", expression=sums["en"]),
        finish("That is it.", right["en"]),
    ],
}


# %%
def stand_in(lang):
    """A stand-in that keeps to the form, and goes by what it reads and by nothing else."""

    def line(messages):
        text = text_of(messages)
        if questions[lang] not in text:
            return lost[lang]
        known = [fact in text for fact in facts[lang]]
        return lines[lang][[*known, False].index(False)]

    return ScriptedModel([line] * 12)


# %%
for lang, question in questions.items():
    reply = stand_in(lang).generate(opening(question))
    print(reply.text, end="\n\n")
    assert reply.text == lines[lang][0]


# %% [markdown] lang="zh"
# 我们的程序里，没有一处写着该查什么：点名的是模型（此刻是替身，台词由我们代笔）。标签先用英文的，多数框
# 架都这样；中文标签第 8 步再说。
#
# ## 4 读懂回复
#
# **问题**　回复是一段文字。程序怎样知道它要 `search`，参数是什么？
#
# **想法**　找标签。最省事的写法是两条正则，加一个 `json.loads`：
# %% [markdown] lang="en"
# Nothing in our program says what to look up: it is the model that names the tool (for now a
# stand-in, whose lines we wrote). The labels are English for the time being, as in most frameworks;
# step 8 comes to Chinese ones.
#
# ## 4 Read the reply
#
# **Question.** The reply is a text. How does a program know that it wants `search`, and with what?
#
# **Idea.** Look for the labels. The cheapest way is two regular expressions and `json.loads`:
# %%
def parse(reply):
    """A text is the final answer; a pair is a call: the tool's name and its arguments."""
    if "Final Answer:" in reply:
        return reply.split("Final Answer:")[1].strip()
    name = re.search(r"Action: *(.*)", reply)[1]
    arguments = re.search(r"Action Input: *(.*)", reply, re.DOTALL)[1]
    return name, json.loads(arguments)


for of in lines.values():
    print(*map(parse, of), sep="\n")
assert parse(lines["en"][0]) == ("search", {"query": queries["en"][0], "k": 1})
assert parse(lines["zh"][-1]) == right["zh"]


# %% [markdown] lang="zh"
# 四种回复都读对了。记住这几行，第 6 步和第 8 步会把它打得七零八落。
#
# ## 5 真的去做
#
# **问题**　模型点了名就停了。它在等什么？
#
# **想法**　等我们。跑一趟工具，把结果写成 `Observation: ...`，连同它自己刚才的话一起，接在对话后面，再问
# 它一次。对话里它的话算 `assistant`，观察算 `user`：在模型看来，观察是外面来的。
# %% [markdown] lang="en"
# All four replies are read correctly. Remember these lines: steps 6 and 8 will tear them to pieces.
#
# ## 5 Run it
#
# **Question.** The model has named a tool and stopped. What is it waiting for?
#
# **Idea.** For us. Run the tool, write the result as `Observation: ...`, add it to the conversation
# after the model's own words, and ask again. Its words have the role `assistant`, an observation
# that of `user`: to the model, it comes from outside.
# %%
def assistant(text):
    return {"role": "assistant", "content": text}


def observation(call):
    """What came of a call, in the form that the model reads."""
    name, arguments = call
    return f"Observation: {tools.find(name)(**arguments)}"


for lang, question in questions.items():
    reply = stand_in(lang).generate(opening(question)).text
    seen = observation(parse(reply))
    so_far = [*opening(question), assistant(reply), user(seen)]
    print(glimpse(seen), stand_in(lang).generate(so_far).text, sep="\n", end="\n\n")
    assert stand_in(lang).generate(so_far).text == lines[lang][1]


# %% [markdown] lang="zh"
# 它读到了 31 小时，才去要下一样：替身只认读到的东西。
#
# ## 6 它替我们把观察也写了
#
# **问题**　上面的替身很守规矩，写完 `Action Input` 就停。真的模型为什么要停？它学的是“接着往下写”，而
# 提示词刚刚告诉它，行动后面跟着观察。于是它**一口气写到底**，把工具的结果也编了出来。这不是假想：
# [langchain #20704](https://github.com/langchain-ai/langchain/issues/20704)、
# [dspy #535](https://github.com/stanfordnlp/dspy/issues/535)、
# [llama_index #12865](https://github.com/run-llama/llama_index/issues/12865) 报告的都是它。
#
# 请这样一个替身上场，看三种读法各读出什么：
# %% [markdown] lang="en"
# It has read "31 hours", and only then asks for the next fact: a stand-in counts nothing but what it
# reads.
#
# ## 6 It writes the observation for us
#
# **Question.** The stand-in above is well-behaved and stops after `Action Input`. Why would a real
# model? It has learned to "go on writing", and the prompt has just told it that an observation comes
# after an action. So it **writes on to the end**, and makes up what the tool says. This is not
# made up: [langchain #20704](https://github.com/langchain-ai/langchain/issues/20704),
# [dspy #535](https://github.com/stanfordnlp/dspy/issues/535) and
# [llama_index #12865](https://github.com/run-llama/llama_index/issues/12865) all report it.
#
# Enter such a stand-in; and see what three ways of reading make of it:
# %%
dreams = {
    "zh": ["粒子要 8 小时。", "全长 3.6 万千米，一趟要 60 小时。", "4800"],
    "en": ["The particles need 8 hours.", "It is 36,000 km long, a trip takes 60 hours.", "4800"],
}


def dreamer(lang):
    """A stand-in that does not wait: it plays the tools too, and makes up what they say."""
    calls = [act("...", "search", query=query) for query in queries[lang]]
    calls += [act("...", "calculator", expression="36000 * 8 / 60")]
    turns = [f"{a}\nObservation: {o}" for a, o in zip(calls, dreams[lang], strict=True)]
    return ScriptedModel(["\n".join([*turns, finish("...", guess[lang])])] * 9)


print(dreamer("en").generate(opening(questions["en"])).text)


# %%
def last_call(reply):
    """As in some tutorials: the last Action of the reply, found from its end."""
    action, inputs = reply.rfind("Action:"), reply.rfind("Action Input:")
    before = reply[inputs:].split("\nObservation:")[0]
    return reply[action:inputs].split(":")[1].strip(), before.split(":", 1)[1].strip()


for lang, question in questions.items():
    reply = dreamer(lang).generate(opening(question)).text
    print("any Final Answer:", parse(reply))
    print("the last Action: ", last_call(reply))
    print("the first Action:", parse(reply.split("\nObservation")[0]), end="\n\n")
    assert parse(reply) == guess[lang]
# %% [markdown] lang="zh"
# 第一种读法当场交卷，4,800 千米，一件工具也没有跑过，记录里却白纸黑字写着“查过了”。第二种去算一个凭空
# 的算式，算得再准也没有用。只有第三种对：**以第一个行动为准，第一个“观察”起全部剪掉。**
#
# 剪要剪两次。请求里带上**停止串**（stop string），服务器一见它要写“观察”就让它停，省下那些废话的钱：
# %% [markdown] lang="en"
# The first way answers 4,800 km on the spot. Not one tool has run, and the record says in black and
# white that everything was looked up. The second works out an expression made of nothing, and no
# exactness helps. Only the third is right: **the first action counts, and all from the first
# observation on is cut off.**
#
# Cut twice. The request has **stop strings**: as soon as the model begins an observation, the server
# stops it, and all that nonsense is not even paid for:
# %%
print("stop strings:", STOP)
for lang, question in questions.items():
    whole = dreamer(lang).generate(opening(question))
    cut = dreamer(lang).generate(opening(question), stop=STOP)
    print(cut.text)
    written, more = cut.usage.completion_tokens, whole.usage.completion_tokens
    print(f"tokens written: {written} instead of {more}\n")
    assert parse(cut.text)[1] == {"query": queries[lang][0]}
# %% [markdown] lang="zh"
# 停止串以换行开头，不是随便写的。少了换行，思考里好好地提一句“Observation: ……”，话就断在那里，行动没
# 了：
# %% [markdown] lang="en"
# That they begin with a line break is no accident. Without it, a thought that merely quotes "the
# Observation: ..." breaks off there, and the action is lost:
# %%
says = act("By the Observation: 31 hours. Next, the Skyhook.", "search", query="Skyhook")
for stop in ("Observation:", "\nObservation:"):
    print(repr(stop), "->", repr("".join(until_stop([says], [stop]))))
assert "".join(until_stop([says], STOP)) == says
# %% [markdown] lang="zh"
# 第二剪由我们自己来，因为有的服务器不认停止串，而流式输出里一个词会断成几片：`\nObserv` 先到，`ation:` 后
# 到。一片一片地找，永远找不到；先放行再反悔，读者已经看见了。`until_stop` 把**可能**是停止串开头的几个
# 字扣下，见了分晓才放：
# %% [markdown] lang="en"
# The second cut is ours, because some servers ignore stop strings, and a stream comes in pieces:
# first `\nObserv`, then `ation:`. Looking at each piece finds nothing, and what was shown cannot be
# taken back. `until_stop` holds back the few characters that **may** begin a stop string, until that
# is settled:
# %%
pieces = ['Action Input: {"query"', ': "Skyhook"}', "\nObserv", "ation: It is ", "36,000 km."]
naive = ""
for piece in pieces:
    if STOP[0] in piece:
        break
    naive += piece
print("each piece:", repr(naive))
print("until_stop:", repr("".join(until_stop(pieces, STOP))))
whole, dice = "".join(pieces), random.Random(41)
for _ in range(500):  # wherever the text is broken, the same comes out
    cuts = sorted(dice.sample(range(len(whole)), 6))
    broken = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert "".join(until_stop(broken, STOP)) == whole.split("\nObservation")[0]


# %% [markdown] lang="zh"
# > **教程里常见的错**　只在提示词里写“不要自己写 Observation”。那是劝告，不是保证。再就是从回复的**末
# 尾**往前找行动，正好找到模型想象出来的那一个。
#
# ## 7 循环
#
# ### 不会循环的智能体
#
# **问题**　零件齐了。流传很广的一种装法是：问一次，跑一次工具，再问一次，完。它长这样（意思照旧，代码是我
# 们重写的）：
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** They only write "never write an Observation"
# > into the prompt, which
# > is advice and no guarantee. Or they look for the action from the **end** of the reply, and find
# > just the one that the model imagined.
#
# ## 7 The loop
#
# ### The agent that cannot loop
#
# **Question.** All the parts are there. A widely copied way to put them together is: ask once, run a
# tool once, ask once more, done. It looks like this (the same in meaning, the code is ours):
# %%
def two_calls(model, question):
    """An agent of many tutorials: two calls, and what came first is forgotten."""
    start = opening(question)
    reply = model.generate(start, stop=STOP).text
    seen = observation(parse(reply))
    again = [start[0], user(f"{reply}\n{seen}")]  # the instructions, and the latest
    return model.generate(again, stop=STOP).text


for lang, question in questions.items():
    answer = two_calls(stand_in(lang), question)
    print(answer, end="\n\n")
    assert answer == lost[lang]


# %% [markdown] lang="zh"
# 查到了 31 小时，却忘了问的是什么，于是把 31 小时当成答案。第二次调用只带了最新的一轮，**问题不在里面**。
# 单看每一行都没有毛病，问“今天几号”那种一查就完的题也都能过，所以这个错流传得很广。
#
# 好，把问题补上，第二次把前面的全带着：
# %% [markdown] lang="en"
# It found the 31 hours, has forgotten what was asked, and takes the 31 hours for the answer. The
# second call brought only the latest round, **without the question**. No line looks wrong by itself,
# and questions of the kind "what is the date", done after one look, all pass. That is why this
# mistake has spread so far.
#
# Well then: put the question back, and let the second call bring everything:
# %%
def two_calls_with_memory(model, question):
    messages = opening(question)
    reply = model.generate(messages, stop=STOP).text
    messages += [assistant(reply), user(observation(parse(reply)))]
    return model.generate(messages, stop=STOP).text


for lang, question in questions.items():
    answer = two_calls_with_memory(stand_in(lang), question)
    print(answer, end="\n\n")
    assert answer == lines[lang][1]


# %% [markdown] lang="zh"
# 这回记性好了，可它的“答案”是**又一个行动**：它还想查，没有人再去查。一道题要跑几趟工具，事先谁也不知
# 道，所以不能写死成两次。
#
# ### 不到十行
#
# **想法**　没有得到最终答案，就一直转；每一圈都把回复和观察**接在后面**，一样不丢：
# %% [markdown] lang="en"
# It remembers now, but its "answer" is **another action**: it wants to look up more, and nobody does.
# How many tools a question takes is not known beforehand, so it cannot be written down as two.
#
# ### Fewer than ten lines
#
# **Idea.** As long as there is no final answer, go round; and each time **append** the reply and the
# observation, and drop nothing:
# %%
def loop(model, question):
    messages = opening(question)
    while True:
        reply = model.generate(messages, stop=STOP).text
        decision = parse(reply)
        if isinstance(decision, str):
            return decision
        messages += [assistant(reply), user(observation(decision))]


models = {lang: stand_in(lang) for lang in questions}
for lang, question in questions.items():
    assert loop(models[lang], question) == right[lang]
    for message in models[lang].calls[-1].messages[1:]:
        mine = message["role"] == "assistant"
        print(message["content"] if mine else glimpse(message["content"]))
    print(right[lang], end="\n\n")


# %% [markdown] lang="zh"
# **答对了，而且循环里没有一个字说的是这道题。** 查耀斑、查升天索、乘以 31/52，都写在模型的回复里；循环只管
# 跑腿。换一道题，它一个字也不用改：
# %% [markdown] lang="en"
# **Right, and there is not a word about this question in the loop.** The flare, the Skyhook and the
# 31/52 all stand in the replies of the model; the loop runs errands. For another question, not a word
# of it has to change:
# %%
ages = {
    "升天索通车那年，它的设计者多大？": [
        act("谁设计的，哪年通车？", "search", query="升天索 设计 通车", k=1),
        act("凯什，204 年。她哪年生？", "search", query="纳杜·凯什 生于", k=1),
    ],
    "How old was the designer of the Skyhook when it was opened?": [
        act("Who was it, and when?", "search", query="who designed the Skyhook, opened in", k=1),
        act("Kesh, 204. Born when?", "search", query="Nadu Kesh born", k=1),
    ],
}
for question, script in ages.items():
    script = [*script, act("...", "calculator", expression="204 - 158"), finish("...", "46")]
    model = ScriptedModel(script)
    print(question, "->", loop(model, question))
# %%
seen = [message["content"] for message in model.calls[-1].messages if message["role"] == "user"]
for place, fact in enumerate(["204 LE", "158 LE", "46"], start=1):
    assert fact in seen[place]  # each number was read in an observation before it was used
print(f"{len(model.calls)} calls, {len(seen) - 1} observations")
# %% [markdown] lang="zh"
# 两种写法的差别，画出来一目了然。一行是一次调用，一列是对话里的一段，蓝色表示那次调用读到了它：
# %% [markdown] lang="en"
# The difference is plain in a picture. A row is a call, a column a piece of the conversation, and
# blue is what the call had before it:
# %%
names = ["rules", "question", "reply 1", "seen 1", "reply 2", "seen 2", "reply 3", "seen 3"]
parts = [message["content"] for message in models["en"].calls[-1].messages]
forgetful = stand_in("en")
two_calls(forgetful, questions["en"])
fig, axes = figures.canvas(1, 2, height=2.5)
both = {"two calls": forgetful, "the loop": models["en"]}
for ax, (title, model) in zip(axes, both.items(), strict=True):
    had = [[part in text_of(call.messages) for part in parts] for call in model.calls]
    rows = [f"call {n}" for n in range(1, len(had) + 1)]
    ax = figures.show_mask(ax, had, rows, names, legend=False)
    ax.set(title=title, xlabel="", ylabel="", xticklabels=names, yticklabels=rows)
assert had == [[column < 2 * row for column in range(8)] for row in range(1, 5)]
# %% [markdown] lang="zh"
# 左边第二行缺了 question，其余的根本没有机会出现。右边是一个**下三角**：后面的调用读到前面的一切。
# 眼熟吗？[第 11 章](11_attention_by_hand.ipynb)的因果掩码也是这个形状，道理也一样：每一步只能、也应当看见它之前的全部。
#
# > **教程里常见的错**　下面几条，在流传很广的智能体教程里都见得到（有的后来改了一部分）：
# >
# > 1. 调用写死成两次，工具只跑得了一趟。
# > 2. 第二次调用不带问题；或者模型交回了新历史 `his`，下一次传进去的却还是旧的 `history`。
# > 3. 用 `rfind` 从末尾找行动，找到的是模型想象出来的那一个。
# > 4. 只认 `"\nAction:"`，前面非得有换行：回复一开头就是 `Action:` 的，看不见。
# > 5. 不带停止串，由着模型把观察也写完。
# > 6. 名字不认识的工具返回 `None`，拿去拼字符串，`TypeError`。
# > 7. `def chat(text, history=[])`：默认的那个列表只有一个，前一个人的对话漏进后一个人的。
#
# ## 8 格式不对
#
# ### 十种写法
#
# **问题**　真的模型不会次次照格式写。这类回复常有人报告：写成一行的
# （[llama_index #12455](https://github.com/run-llama/llama_index/issues/12455)），完全不理格式的
# （[langchain #12689](https://github.com/langchain-ai/langchain/issues/12689)），加粗的，套代码框的……
# 人一眼就懂，第 4 步的解析器呢？
# %% [markdown] lang="en"
# On the left, the second row lacks the question, and the rest never had a chance. On the right is a
# **lower triangle**: each call reads everything before it. Does it look familiar? The causal mask of
# chapter 11 has this shape, for the same reason: a step may, and should, see all that came before.
#
# > **Where the tutorials you may have read go wrong.** All of this can be seen in widely copied
# > tutorials on agents (some have mended a part since):
# >
# > 1. Two calls are written down, so a tool can run only once.
# > 2. The second call lacks the question; or the model returns a new history `his`, and the next call
# >    is given the old `history`.
# > 3. `rfind` looks for the action from the end, and finds the one that the model imagined.
# > 4. Only `"\nAction:"` is looked for, line break included: a reply that begins with `Action:` has
# >    none.
# > 5. There are no stop strings, and the model writes the observations too.
# > 6. An unknown tool returns `None`, which is then added to a string: `TypeError`.
# > 7. `def chat(text, history=[])`: there is one such list, and one person's conversation leaks into
# >    the next one's.
#
# ## 8 Wrong form
#
# ### Ten ways to write it
#
# **Question.** A real model does not keep to the form every time. People report replies like these:
# all on one line ([llama_index #12455](https://github.com/run-llama/llama_index/issues/12455)),
# no form at all ([langchain #12689](https://github.com/langchain-ai/langchain/issues/12689)), bold,
# in a code fence ... You understand them at a glance. Does the parser of step 4?
# %%
asks, fence = 'Action: search\nAction Input: {"query": "Pello"}', "`" * 3
wild = {
    "as it should be": asks,
    "bold": '**Action:** search\n**Action Input:** {"query": "Pello"}',
    "lower case": asks.lower(),
    "on one line": 'Action: search({"query": "Pello"})',
    "in a code fence": f'Action: search\nAction Input: {fence}json\n{{"query": "Pello"}}\n{fence}',
    "single quotes": "Action: search\nAction Input: {'query': 'Pello'}",
    "words behind it": f"{asks}\nLet us see what it says.",
    "Chinese labels": '行动：search\n行动输入：{"query": "佩罗"}',
    "names the answer": f"Thought: No Final Answer: not yet.\n{asks}",
    "cut off": asks[:-5],
    "no form": "I will look Pello up in the encyclopedia.",
}
# %%
from tiny_agent.messages import FinalAnswer, ParseError, Reply, ToolCall


def outcome(read, reply):
    try:
        return read(reply)
    except Exception as error:
        return f"{type(error).__name__}!"


def understood(reply):
    """The package's reading, in the form of `parse`; of an error, the first words."""
    decision = ReActText().parse(Reply(reply), tools)
    if isinstance(decision, list):
        return decision[0].name, decision[0].arguments
    return decision.text if isinstance(decision, FinalAnswer) else decision.message[:31] + "..."


# %%
print(f"{'':18}{'step 4':24}the package")
for name, reply in wild.items():
    ours, package = outcome(parse, reply), understood(reply)
    same = "the same" if ours == package else " ".join(str(ours).split())[:22]
    print(f"{name:18}{same:24}{package}")
assert all(isinstance(understood(reply), tuple) for reply in list(wild.values())[:9])
# %% [markdown] lang="zh"
# 前面九种，意思都清清楚楚，包里的解析器都读成一次 `search`；第 4 步那几行，除了规规矩矩的那种，不是抛异常，
# 就是读错（提了一嘴 Final Answer，就被当成交卷）。整个程序就这样倒在一个加粗的星号上。
#
# 宽容要有限度。最后两种，包里的解析器**不肯猜**：
#
# - 被截断的 JSON，补上引号和括号就“合法”了，可是补出来的是 `Pel`，不是它要查的东西。没说完的调用，不算
#   调用。
# - 没有格式的一句话，能不能就当成最终答案？有的框架这样做过
#   （[llama_index #19187](https://github.com/run-llama/llama_index/issues/19187)）。于是读者收到的答案是：
#   “我去百科里查一下佩罗。”
#
# ### 读不懂，就告诉它
#
# **想法**　读不懂，就在对话里说：哪里不对，该怎么写，让它重来。这就是 `ParseError.message`：
# %% [markdown] lang="en"
# The first nine are perfectly clear, and the package's parser makes a call of `search` of each. The
# lines of step 4 read the well-behaved one; with the others they raise an exception or read something
# else (a mere mention of Final Answer passes for one). A whole program, brought down by an asterisk.
#
# Generosity has its limits. The last two the package's parser **refuses to guess**:
#
# - The JSON that was cut off becomes "valid" with a quote and a brace added; but then it asks for
#   `Pel`, which is not what it was going to look up. A call that was not finished is no call.
# - A sentence without any form: take it for the final answer? Some frameworks did
#   ([llama_index #19187](https://github.com/run-llama/llama_index/issues/19187)). What the reader
#   then gets for an answer is: "I will look Pello up in the encyclopedia."
#
# ### Say what cannot be read
#
# **Idea.** Make it part of the conversation: say what is wrong and what to write, and let it try
# again. That is `ParseError.message`:
# %%
for name in ("cut off", "no form"):
    message = ReActText().parse(Reply(wild[name]), tools).message
    print(wrapped(message))


def loop_2(model, question):
    """The loop of step 7 with the package's parser: what it cannot read goes back."""
    messages = opening(question)
    while True:
        reply = model.generate(messages, stop=STOP)
        decision = ReActText().parse(reply, tools)
        if isinstance(decision, FinalAnswer):
            return decision.text
        wrong = isinstance(decision, ParseError)
        seen = decision.message if wrong else observation((decision[0].name, decision[0].arguments))
        messages += [assistant(reply.text), user(seen)]


# %%
for lang, question in questions.items():
    model = stand_in(lang)
    model.script = [wild["no form"], wild["cut off"], *model.script]
    answer = loop_2(model, question)
    turns = model.calls[-1].messages[2:]
    print(*(glimpse(message["content"], 100) for message in turns[:5]), "...", answer, "", sep="\n")
    assert answer == right[lang]
    assert len(model.calls) == 6  # two for nothing, and the four that it takes


# %% [markdown] lang="zh"
# 头两次白费了，第三次写对，后面照旧。两次的代价是两次调用；崩掉的代价是整道题。
#
# **练习 1**　写 `candidate(reply)`：返回 `("call", 工具名, 参数)`、`("answer", 文字)` 或 `("error",)`。
# 裁判是十三个英文回复，答案是手写的。别忘了第 6 步：编出来的观察之后，什么都不算。
# %% [markdown] lang="en"
# Two replies for nothing, the third is right, and then all is as before. They cost two calls; a crash
# costs the whole question.
#
# **Exercise 1.** Write `candidate(reply)`: `("call", name, arguments)`, `("answer", text)` or
# `("error",)`. The judge is thirteen replies, with verdicts written by hand. Remember step 6: behind a
# made-up observation, nothing counts.
# %%
def candidate(reply):  # put yours here; this is the package's
    decision = ReActText().parse(Reply(reply), tools)
    if isinstance(decision, list):
        return "call", decision[0].name, decision[0].arguments
    return ("answer", decision.text) if isinstance(decision, FinalAnswer) else ("error",)


wanted = {name: ("call", "search", {"query": "Pello"}) for name in wild}
wanted["lower case"] = ("call", "search", {"query": "pello"})
wanted |= {"cut off": ("error",), "no form": ("error",)}
del wanted["Chinese labels"]
judged = {wild[name]: verdict for name, verdict in wanted.items()}
judged["Thought: I know.\nFinal Answer: 36 km"] = ("answer", "36 km")
judged[f"{asks}\nObservation: 5 km\nFinal Answer: 5 km"] = ("call", "search", {"query": "Pello"})
judged["Thought: Hm.\nObservation: 5 km\nFinal Answer: 5 km"] = ("error",)


# %%
def judge(candidate, judged, number):
    """Says which reply was read wrongly, and what it means; an exception counts as wrong."""
    for reply, expected in judged.items():
        got = outcome(candidate, reply)
        got = tuple(got) if isinstance(got, (list, tuple)) else got
        raised = isinstance(got, str) and got.endswith("!")
        hint = " (no exception may leave the parser)" if raised else ""
        assert got == expected, f"{reply!r}\n  read as {got}{hint}, but it means {expected}"
    print(f"exercise {number}: correct, {len(judged)} replies")


judge(candidate, judged, 1)


# %% [markdown] lang="zh"
# **练习 2**　中文标签。模型读中文提示词，就写中文标签；冒号可能是全角，也可能是半角；思考里会顺口提到“行
# 动”二字；也会编“观察”。写 `chinese_candidate(reply)`，返回的格式同练习 1。
# %% [markdown] lang="en"
# **Exercise 2.** Chinese labels (思考 thought, 行动 action, 行动输入 action input, 观察 observation,
# 最终答案 final answer). A model that reads the Chinese prompt writes them; the colon may be of full
# or of half width, a thought may mention 行动 in passing, and observations are made up here too. Write
# `chinese_candidate(reply)`; it returns what exercise 1 did.
# %%
def chinese_candidate(reply):  # put yours here; this is the package's, as above
    return candidate(reply)


# %%
pello = ("call", "search", {"query": "佩罗"})
judged_zh = {
    '思考：先查。\n行动：search\n行动输入：{"query": "佩罗"}': pello,
    '思考: 先查。\n行动: search\n行动输入: {"query": "佩罗"}': pello,
    '**行动**：search\n**行动输入**：{"query": "佩罗"}': pello,
    '思考：这个行动很慢，但是值得。\n行动：search\n行动输入：{"query": "佩罗"}': pello,
    '行动：search\n行动输入：{"query": "佩罗"}\n观察：36 千米\n最终答案：36 千米': pello,
    "思考：查过了。\n观察：36 千米\n最终答案：36 千米": ("error",),
    "思考：知道了。\n最终答案：36 千米": ("answer", "36 千米"),
    "最终答案：第一，很亮。\n第二，有灰。": ("answer", "第一，很亮。\n第二，有灰。"),
    '行动：search\n行动输入：{"query": "佩': ("error",),
    "我先去查一查佩罗。": ("error",),
}
judge(chinese_candidate, judged_zh, 2)
# %% [markdown] lang="zh"
# ## 9 停不下来
#
# **问题**　`while True` 里藏着一个假定：模型总会写出最终答案。它要是不写呢？论文在失败的例子里专门记下了一
# 种：模型把先前的思考和行动**一遍遍重复**，跳不出来（第 3.3 节）。今天照样有人碰到
# （[agentscope #611](https://github.com/agentscope-ai/agentscope/issues/611)、
# [langgraph #6889](https://github.com/langchain-ai/langgraph/pull/6889)）。
#
# 起因常常是工具没有给出新东西。下面这次搜索是真的：问升天索的长度，只要一段，搜到的那段偏偏没写长度。替
# 身不死心，原样再搜：
# %% [markdown] lang="en"
# ## 9 It never ends
#
# **Question.** The `while True` hides an assumption: that the model will write a final answer at some
# time. And if it does not? The paper notes one such failure in particular: a model **repeats** its
# earlier thoughts and actions and does not get out (section 3.3). It still happens to people today
# ([agentscope #611](https://github.com/agentscope-ai/agentscope/issues/611),
# [langgraph #6889](https://github.com/langchain-ai/langgraph/pull/6889)).
#
# It often begins with a tool that brings nothing new. The search below is real: it asks for the
# length of the Skyhook, for one passage, and the passage found does not have it. The stand-in will
# not give up, and does the same again:
# %%
again = act("How long is the Skyhook?", "search", query="length of the Skyhook", k=1)
print(glimpse(observation(parse(again)), 120))
assert "38,200" not in observation(parse(again))

model = ScriptedModel([again] * 8)
try:
    loop_2(model, questions["en"])
except ModelError as error:
    print("ended only because:", error)
print("tokens read:", [estimate_usage(call.messages).prompt_tokens for call in model.calls])
# %% [markdown] lang="zh"
# 要不是台词念完了，它会一直转下去，而且一圈比一圈贵：每次都要把越来越长的历史重读一遍（第 12 节来算这笔
# 账）。
#
# **想法**　给循环设几道**限额**，到头时说明是哪一道。一次运行的状态在 `Run` 里：
# %% [markdown] lang="en"
# Had it not run out of lines, it would still be going round, and each round costs more than the
# last, for the growing history is read again every time (section 12 does the sums).
#
# **Idea.** Give the loop things that **run out**, and let it say which one did. The state of a run is
# a `Run`:
# %%
from tiny_agent.agent import AGAIN, MUST_ANSWER, Agent
from tiny_agent.messages import Status
from tiny_agent.run_state import Limits, Run

print(inspect.getsource(Run.limit_reached))


# %% [markdown] lang="zh"
# `Agent` 就是装了这些的循环，第 11 节细读。先看各种到头的样子，七种 `status` 各来一次：
# %% [markdown] lang="en"
# `Agent` is the loop with all this, and section 11 reads it. First, every way to end: one run for each
# of the seven values of `status`.
# %%
@tool
def nap() -> str:
    """Sleep a little."""
    time.sleep(1)
    return "slept"


slow = ToolRegistry([*tools, nap])
no_idea = finish("I have to stop here.", "I could not find it.")
more = [act("Go on.", "search", query=f"Skyhook {n}", k=1) for n in range(9)]
runs = {  # a script, and the limits
    "ends by itself": (lines["en"], Limits()),
    "always something new": ([*more[:4], no_idea], Limits(max_steps=4)),
    "the same again": ([again] * 3 + [no_idea], Limits()),
    "no form, three times": ([wild["no form"]] * 3 + [no_idea], Limits()),
}
# %%
runs |= {
    "dear": ([*more[:3], no_idea], Limits(max_tokens=1500)),
    "slow": ([act("Rest.", "nap")] * 3, Limits(max_seconds=0.5)),
    "the server is gone": ([], Limits()),
}
ended = {}
print(f"{'':22}{'status':16}calls  answer")
for name, (script, limits) in runs.items():
    ended[name] = Agent(ScriptedModel(script), slow, limits=limits).run(questions["en"])
    result = ended[name]
    print(f"{name:22}{result.status:16}{result.usage.model_calls:5}  {result.answer}")
assert {result.status for result in ended.values()} == set(get_args(Status))
# %% [markdown] lang="zh"
# 三件事值得细看。
#
# **到头了，不等于白干。** 除了时间用完和服务器没了，都会再问一次：“不许用工具，就凭你知道的回答。”查到的
# 东西还在历史里，模型也许能答出一部分，或者老实说不知道。但这样的答案**不该混同于**它自己走到的答案，所
# 以 `status` 另写着。程序拿到结果，先看 `status`。
#
# **同一个调用，第二次带一句提醒，第三次不跑了。** 提醒写在观察里，因为模型读得到的只有对话：
# %% [markdown] lang="en"
# Three things are worth a closer look.
#
# **To reach a limit is not to have worked for nothing.** Unless time is up or the server is gone, the
# model is asked once more: "without tools, from what you know so far". What was found is still in the
# history, so it may be able to answer in part, or admit that it does not know. But such an answer should
# **not pass for** one that it came to by itself, and therefore `status` says so. A program looks at
# `status` first.
#
# **The same call gets a reminder the second time, and is not run the third.** The reminder is written
# into the observation, for the conversation is all that the model reads:
# %%
result = ended["the same again"]
for step in result.steps[:3]:
    print("...", step.results[0].content[-105:].replace("\n", " "))
print("the last prompt ends with:", result.steps[-1].prompt[-1]["content"].split("\n")[-1])
assert result.steps[1].results[0].content.endswith(AGAIN)
assert result.steps[2].results[0].is_error
assert result.steps[-1].prompt[-1]["content"].endswith(MUST_ANSWER)


# %% [markdown] lang="zh"
# **次数不是越多越好。** 论文给 HotpotQA 7 步、FEVER 5 步，说再多也不见好转：最后答对的运行里，用满这么多步
# 的只占 0.84% 和 1.33%（第 3.2 节脚注）。这里的默认值是 10。
#
# **练习 3**　写 `guard(call, before)`：`call` 是现在要的调用，`before` 是先前的调用，按次序；第三次
# 要**同一个**（工具名和参数都一样）就返回 `True`。参数的先后不算数；隔着别的调用也算。
# %% [markdown] lang="en"
# **More is not better.** The paper allows 7 steps on HotpotQA and 5 on FEVER, as more did not help:
# of all runs with a right answer, those that took so many are 0.84% and 1.33% (footnote in section
# 3.2). The default here is 10.
#
# **Exercise 3.** Write `guard(call, before)`: `call` is what is asked for now, `before` the calls
# until now, in order. Return `True` if this is the third time for **the same** (the name and all
# arguments). The order of arguments does not matter, nor do other calls in between.
# %%
def guard(call, before):  # put yours here; this is the package's
    run = Run([], 0)
    for earlier in before:
        run.count(earlier)
    return run.count(call) >= 3


# %%
a1, b1 = ToolCall("search", {"query": "a", "k": 1}), ToolCall("search", {"query": "b", "k": 1})
turned = ToolCall("search", {"k": 1, "query": "a"}, id="call_9")
other = ToolCall("calculator", {"query": "a", "k": 1})
cases = [  # the call, the calls before it, whether it is refused, what it is about
    (a1, [], False, "a first call"),
    (a1, [a1], False, "a second one gets a reminder, no more"),
    (a1, [a1, a1], True, "the third in a row"),
    (a1, [a1, b1, a1, b1], True, "models go round in twos as well: a b a b a"),
    (b1, [a1, a1, b1], False, "the second b"),
    (turned, [a1, a1], True, "the order of arguments, and the id, do not matter"),
    (other, [a1, a1], False, "another tool"),
]
# %%
more_cases = [
    (ToolCall("search", {"query": "a", "k": 2}), [a1, a1], False, "another k: a new call"),
    (ToolCall("search", {"query": "a"}), [a1, a1], False, "an argument fewer: a new call"),
    (ToolCall("search", {"query": ["a"]}), [a1, a1], False, "a list has no hash, and must do too"),
]
for call, before, expected, why in cases + more_cases:
    got = outcome(lambda c, before=before: guard(c, before), call)
    asked = f"{call.name} {call.arguments}, the calls before: {[c.arguments for c in before]}"
    assert got is expected, f"{asked}\n  {got}, not {expected}: {why}"
print(f"exercise 3: correct, {len(cases + more_cases)} cases")
# %% [markdown] lang="zh"
# ## 10 工具出错，也是观察
#
# **问题**　叫错工具的名字，写错参数，除以零。`loop_2` 会怎样？
# %% [markdown] lang="en"
# ## 10 A tool's error is an observation
#
# **Question.** A wrong name, a wrong argument, a division by zero. What does `loop_2` do?
# %%
bad = {
    "no such tool": ToolCall("web_search", {"query": "Pello"}),
    "no such argument": ToolCall("search", {"q": "Pello"}),
    "wrong type": ToolCall("search", {"query": "Pello", "k": "many"}),
    "the tool raises": ToolCall("calculator", {"expression": "38,200 / (52 - 52)"}),
}
for name, call in bad.items():
    print(f"{name:18}{outcome(observation, (call.name, call.arguments))}")
    assert outcome(observation, (call.name, call.arguments)).endswith("!")
# %% [markdown] lang="zh"
# 四个异常，四次崩溃。可是这些错**模型自己就能改**，只要有人告诉它。
#
# **想法**　错误也写成观察，而且写给模型看：错在哪里，能写什么。`ToolRegistry.run` 从不抛异常：
# %% [markdown] lang="en"
# Four exceptions, four crashes. But the model **could mend these itself**, if somebody told it.
#
# **Idea.** An error is an observation too, and written for the model: what is wrong, and what can be
# written instead. `ToolRegistry.run` never raises:
# %%
for name, call in bad.items():
    result = tools.run(call)
    print(wrapped(f"{name}: {result.content}"))
    assert result.is_error


# %% [markdown] lang="zh"
# 工具还有更坏的脾气：不回来，吐出十兆字节，什么也不返回。一样处理：
# %% [markdown] lang="en"
# Tools have worse tempers: one never comes back, one returns ten megabytes, one nothing at all. The
# same treatment:
# %%
@tool(timeout_s=0.1)
def sleepy() -> str:
    """Never in a hurry."""
    time.sleep(1)


@tool(max_chars=60)
def chatty() -> str:
    """Ten megabytes."""
    return "blah " * 2_000_000


@tool
def mute() -> None:
    """Nothing to say."""


# %%
moody = ToolRegistry([sleepy, chatty, mute])
for each in moody:
    result = moody.run(ToolCall(each.name))
    print(f"{each.name:8}{result.content!r}")
    assert len(result.content) < 150
# %% [markdown] lang="zh"
# 现在让替身先叫错名字，再写错参数，然后照提示改正：
# %% [markdown] lang="en"
# Now let the stand-in get the name wrong, then the argument, and then do as it is told:
# %%
clumsy = stand_in("en")
clumsy.script = [
    act("When do they come?", "web_search", query=queries["en"][0]),
    act("A slip.", "search", q=queries["en"][0]),
    *clumsy.script,
]
result = Agent(clumsy, tools).run(questions["en"])
for step in result.steps:
    for seen in step.results:
        print(f"{'error' if seen.is_error else 'fine':6}{seen.name:11}{glimpse(seen.content, 80)}")
print(result.status, "|", result.answer)
assert result.answer == right["en"]
# %% [markdown] lang="zh"
# > **教程里常见的错**　`tools[name](**json.loads(text))`：名字不在字典里是 `KeyError`，参数不合是
# `TypeError`，工具里出事是什么都有可能，哪一个都会带走整个对话，连同已经花掉的词元。反过来，也别用一个
# `except Exception` 把整个循环包住：那样连循环自己的毛病也看不见了。只接住**工具**的错。
#
# ## 11 真的循环
#
# **问题**　十步走完，包里那个循环是什么样子？
#
# 就是下面两段。`_events` 管**转不转**：没有到头就走一步，到头了逼它交卷，模型的服务器出了事就带着已有的结
# 果收场。`_step` 是**一步**：拼提示词、问、解析、跑工具、记下来。认一认前面哪些步在哪一行：
# %% [markdown] lang="en"
# > **Where the tutorials you may have read go wrong.** `tools[name](**json.loads(text))`: an
# > unknown name is a `KeyError`, a
# > wrong argument a `TypeError`, what happens inside a tool may be anything, and each of them takes
# > the whole conversation along, with the tokens already paid for. The other way round, do not wrap
# > the whole loop in `except Exception` either, or you will not see its own bugs. Catch the errors of
# > **tools**.
#
# ## 11 The real loop
#
# **Question.** Ten steps are done. What does the package's loop look like?
#
# Like this. `_events` decides **whether to go on**: a step if no limit is reached, a forced answer if
# one is, and if the model's server fails, an end with what there is. `_step` is **one step**: make
# the prompt, ask, parse, run the tools, write it down. See which of the steps you recognise in which
# line:
# %%
print(inspect.getsource(Agent._events))
print(inspect.getsource(Agent._step))
# %% [markdown] lang="zh"
# 多出来的 `yield` 是为了**边做边报**（下面就用），其余你都写过了。还有几样我们那几行里没有，第 42、43 章
# 细讲：一次回复里有好几个调用就同时跑；危险的工具先问人；对话太长就从最旧的一轮修剪起，问题永远留着。
#
# 同一个问题，交给 `Agent`。中文这边换成中文的提示词和标签，其余不变：
# %% [markdown] lang="en"
# The `yield`s are there so that it can **report while it works** (we use that below); the rest you
# have written. A few things that our few lines did not have are for chapters 42 and 43: several
# calls in one reply run side by side, permission is asked before a dangerous tool runs, and when a
# conversation gets too long it is trimmed from its oldest turn, while the question always stays.
#
# The same question for `Agent`; in Chinese with the Chinese instructions and labels, and all else
# the same:
# %%
results = {}
for lang, question in questions.items():
    agent = Agent(stand_in(lang), tools, ReActText(lang))
    results[lang] = agent.run(question)
    print(f"{results[lang].answer}  [{results[lang].status}]  {results[lang].usage}")
    assert results[lang].answer == right[lang]
    assert results[lang].status == "answered"
print(results["zh"].steps[-1].prompt[4]["content"])  # written with English labels, read back so
# %% [markdown] lang="zh"
# 最后一行有点意思：替身明明写的是英文标签，第二步的话读回来却成了中文标签。因为历史里存的是**调用本身**，
# 不是原话；`render` 每次都按规定的格式重写一遍。模型爱学前文的样子，那就让前文规规矩矩（这是常见的经
# 验，这里没有量）。第 6 步那种编出来的观察，也就压根进不了历史：
# %% [markdown] lang="en"
# The last lines are curious: the stand-in wrote English labels, and reads its second step back with
# Chinese ones. For what the history keeps is **the call itself**, not the words; `render` writes it
# anew each time, in the proper form. Models imitate what stands before them, so let it be proper
# (common experience, and not measured here). And an observation that was made up, as in step 6, never
# gets into the history:
# %%
for lang, question in questions.items():
    model = stand_in(lang)
    model.script = [dreamer(lang).script[0], *model.script]
    result = Agent(model, tools).run(question)
    kept = text_of(result.messages)
    print(result.answer, "| dreams kept:", [dream in kept for dream in dreams[lang]])
    assert result.answer == right[lang]
    assert not any(dream in kept for dream in dreams[lang])
# %% [markdown] lang="zh"
# ### 边做边报
#
# **问题**　一次运行要几十秒，难道让人对着空屏幕等？
#
# `stream` 做的是同一件事，只是每发生一件就报一件，次序固定：若干片文字，每个调用开始、结束各一次，最后是整
# 步。命令行就是照这个显示的：
# %% [markdown] lang="en"
# ### Reporting while it works
#
# **Question.** A run may take half a minute. Should people look at an empty screen meanwhile?
#
# `stream` does the same, and tells of each thing as it happens, in a fixed order: some pieces of text,
# a start and an end of each call, then the whole step. The command line draws from this:
# %%
from tiny_agent.events import StepFinished, TextDelta, ToolFinished, ToolStarted

said = ""
for event in Agent(stand_in("en"), tools).stream(questions["en"]):
    match event:
        case TextDelta(text):
            said += text
        case ToolStarted(call):
            print(f"    started   {call.name} {call.arguments}")
        case ToolFinished(result):
            print(f"    finished  {glimpse(result.content, 80)}")
        case StepFinished(step):
            print(f"step: {step.thought}  ({len(said)} pieces)")
            assert said == step.reply.text
            said = ""
# %% [markdown] lang="zh"
# ### 接着问
#
# **问题**　调度员又问：“那它离灯笼站还有多远？”“它”是谁，“还有”从哪里算起，都在上一次运行里。
#
# `RunResult.messages` 就是整段对话，作为 `history` 交给下一次。观察也在里面，所以全长不必再查：
# %% [markdown] lang="en"
# ### A follow-up
#
# **Question.** The dispatcher goes on: "And how far has it still to go?" Who "it" is, and from where,
# stands in the run before.
#
# `RunResult.messages` is the whole conversation; hand it to the next run as `history`. The
# observations are in it too, so the length need not be looked up again:
# %%
follow_up = {"zh": "那它离灯笼站还有多远？", "en": "And how far has it still to go?"}
rest = {"zh": "约 15,427 千米。", "en": "About 15,427 km."}
minus = {"zh": "3.82万 - 22773", "en": "38,200 - 22,773"}
what = {"zh": finish("“它”是谁？", "请问您指的是什么？"), "en": finish("It?", "How far has what?")}


def follower(lang):
    """A stand-in for the second question: it needs to have read the first answer."""

    def line(messages):
        text = text_of(messages)
        if right[lang] not in text:
            return what[lang]
        if "15427" in text:
            return finish("...", rest[lang])
        return act("...", "calculator", expression=minus[lang])

    return ScriptedModel([line] * 3)


# %%
for lang, question in follow_up.items():
    bare = Agent(follower(lang), tools).run(question)
    result = Agent(follower(lang), tools).run(question, history=results[lang].messages)
    called = [seen.name for step in result.steps for seen in step.results]
    print(f"{question}\n  without: {bare.answer}\n  with:    {result.answer}  {called}")
    assert (result.answer, called) == (rest[lang], ["calculator"])
    assert result.messages[: len(results[lang].messages)] == results[lang].messages


# %% [markdown] lang="zh"
# ## 12 画一次运行
#
# ### 谁在什么时候做什么
#
# 三条泳道：模型、循环、工具。箭头从左到右走完那一次英文运行；上面的柱子是每次调用读进去（蓝）和写出来
# （红）的词元，与泳道对齐：
# %% [markdown] lang="en"
# ## 12 Drawing a run
#
# ### Who does what, and when
#
# Three lanes: model, loop, tools. The arrows go from left to right through the English run. Above
# the lanes, on the same horizontal axis, are the tokens that each call reads (blue) and writes
# (red):
# %%
def lane_box(ax, x, lane, text, color):
    """A box in a lane; returns its place."""
    style = {"boxstyle": "round,pad=0.35", "facecolor": color + "30", "edgecolor": color}
    ax.text(x, lane, text, ha="center", va="center", size=7.5, bbox=style)
    return x, lane


def run_boxes(ax, steps):
    """All boxes of a run, in order: prompt, reply, and what is done about it."""
    for n, step in enumerate(steps):
        yield lane_box(ax, 4 * n, 1, "prompt", figures.GREY)
        yield lane_box(ax, 4 * n + 1, 2, "reply", figures.BLUE)
        then = ("parse", figures.GREY) if step.results else ("answer", figures.GREEN)
        yield lane_box(ax, 4 * n + 2, 1, *then)
        for result in step.results:
            yield lane_box(ax, 4 * n + 3, 0, result.name, figures.YELLOW)


# %%
def draw_lanes(ax, steps):
    """A run from left to right, in three lanes."""
    for start, end in pairwise(run_boxes(ax, steps)):
        style = {"arrowstyle": "-|>", "color": "#66707C", "shrinkA": 11, "shrinkB": 11}
        ax.annotate("", end, start, arrowprops=style)
    ax.set(xlim=(-1, 4 * len(steps) - 0.8), ylim=(-0.5, 2.5), xticks=[])
    ax.set_yticks([0, 1, 2], ["tools", "loop", "model"])
    ax.axhspan(0.5, 1.5, color=figures.FAINT, alpha=0.6, zorder=0)
    ax.grid(False)


# %%
steps = results["en"].steps
fig, (top, bottom) = figures.canvas(2, 1, height=3.6)
draw_lanes(bottom, steps)
for n, step in enumerate(steps):
    used = step.reply.usage
    top.bar(4 * n + 0.6, used.prompt_tokens, 0.8, color=figures.BLUE)
    top.bar(4 * n + 1.4, used.completion_tokens, 0.8, color=figures.ROSE)
    label = f"{used.prompt_tokens} + {used.completion_tokens}"
    top.text(4 * n + 1, used.prompt_tokens + 25, label, ha="center", size=8)
_ = top.set(xlim=bottom.get_xlim(), xticks=[], ylabel="tokens", ylim=(0, 900))


# %% [markdown] lang="zh"
# 中间那条道一直有箭头穿过：**模型从不碰工具**，它只写字；每件事都由循环经手，所以拦截、确认、计数、记录
# 都放在这一层。再看柱子：写出来的始终只有一点点，读进去的一步比一步多。
#
# ### 账单
#
# **问题**　$N$ 次调用，一共读多少词元？
#
# **想法**　第一次读说明和问题，$p$ 个；每走一步，历史里多出回复和观察，设为 $a$ 个。于是
#
# $$\sum_{n=0}^{N-1} (p + n a) = N p + a \frac{N(N-1)}{2}$$
#
# 步数翻倍，后一项翻两番。做一个每步恰好增加同样多的运行，拿真的 `Agent` 量一量：
# %% [markdown] lang="en"
# There is an arrow through the middle lane at every turn: **the model never touches a tool**, it only
# writes. Everything passes through the loop, and so refusing, asking, counting and recording all
# belong there. And the bars: what is written stays small, what is read grows with every step.
#
# ### The bill
#
# **Question.** $N$ calls: how many tokens are read in all?
#
# **Idea.** The first reads the instructions and the question, $p$ tokens; each step adds a reply and
# an observation to the history, say $a$. So
#
# $$\sum_{n=0}^{N-1} (p + n a) = N p + a \frac{N(N-1)}{2}$$
#
# Twice the steps, and the second term is four times as large. Make a run that grows by the same at
# each step, and measure it with the real `Agent`:
# %%
@tool
def page(n: int) -> str:
    """Read a page.

    Args:
        n: Its number, from 10 to 99.
    """
    return f"Page {n}: " + "word " * 150


def prompts_of(calls):
    """The tokens that each of so many calls reads, in a run that turns one page a step."""
    script = [act("Next.", "page", n=10 + n) for n in range(calls - 1)] + [finish("Done.", "Read.")]
    run = Agent(ScriptedModel(script), [page], limits=Limits(max_steps=99)).run("Read the pages.")
    return [step.reply.usage.prompt_tokens for step in run.steps]


# %%
counts = range(2, 31)
measured = [sum(prompts_of(calls)) for calls in counts]
p, next_prompt = prompts_of(2)
a = next_prompt - p
formula = [n * p + a * n * (n - 1) // 2 for n in counts]
assert measured == formula
print(f"p = {p}, a = {a}; read by 10 calls: {measured[8]:,}, by 20: {measured[18]:,}")
# %%
kinds = {"rules": figures.GREY, "question": figures.CYAN}
kinds |= {"replies": figures.ROSE, "observations": figures.BLUE}
fig, (left, bill) = figures.canvas(1, 2, height=3)
for n, step in enumerate(steps):
    tokens = [estimate_usage([message]).prompt_tokens for message in step.prompt]
    shares = [tokens[0], tokens[1], sum(tokens[2::2]), sum(tokens[3::2])]
    for low, share, color in zip(np.cumsum([0, *shares]), shares, kinds.values(), strict=False):
        left.bar(n + 1, share, 0.7, low, color=color)
left.legend(handles=[figures.Patch(color=kinds[kind], label=kind) for kind in kinds], ncol=2)
left.set(title="what each call reads", xlabel="call", xticks=[1, 2, 3, 4], ylim=(0, 1250))
grown = {"measured, and the formula": measured, "without the history: N p": [n * p for n in counts]}
bill = figures.curve(bill, counts, grown, xlabel="N, calls")
bill.set(title="tokens read by a run of N calls")
bill.yaxis.set_major_formatter("{x:,.0f}")
# %% [markdown] lang="zh"
# 左边是我们那道题：说明是固定的底，观察是涨得最快的一层。所以 `search` 只还几段、每段不超过 600 个字符，
# 所以工具的输出要有上限（第 10 步）。
#
# 有一个好消息。后一次的提示词总是**以前一次的开头**，只在末尾添东西：
# %% [markdown] lang="en"
# On the left is our own question: the rules are the floor, and observations the layer that grows
# fastest. That is why `search` returns few passages of 600 characters at most, and why a tool's
# output has a limit (step 10).
#
# There is good news. Each prompt **begins with the one before it**, and only adds to its end:
# %%
for result in results.values():
    prompts = [step.prompt for step in result.steps]
    for before, after in pairwise(prompts):
        assert after[: len(before)] == before
        print(f"{len(before)} messages, then {len(after)}: the first {len(before)} are the same")
# %% [markdown] lang="zh"
# 开头没变，服务器就能留着那部分的 KV 缓存（第 22 章），不必重算；按词元收钱的服务，命中缓存的部分通常便宜
# 得多。反过来说，往系统消息里写“现在是几点几分”，或者每步都改写历史，缓存就全废了。
#
# **练习 4**　对话终究会装不下。写 `trimmer(messages, question, fits)`：从**最旧**的丢起，直到
# `fits(messages)` 为真。规矩：问题（下标 `question`）永远留着；最后一轮也留着；一轮是一条消息和跟着它的工
# 具结果，要丢一起丢，**结果不能没有调用**，服务器会拒收。裁判造 300 段随机对话。
# %% [markdown] lang="en"
# As the beginning does not change, a server can keep its KV cache (chapter 22) and need not compute
# it again; services that charge by the token usually charge much less for what is found in the cache.
# The other way round: write the time of day into the system message, or rewrite the history at each
# step, and the cache is worth nothing.
#
# **Exercise 4.** In the end a conversation is too long. Write `trimmer(messages, question, fits)`:
# drop the **oldest** until `fits(messages)` is true. The rules: the question (at the index
# `question`) always stays, and so does the last turn; a turn is a message and the tool results that
# follow it, and goes as a whole: **no result without its call**, or servers refuse the request. The
# judge makes 300 random conversations.
# %%
from tiny_agent.memory import trim


def trimmer(messages, question, fits):  # put yours here; this is the package's
    return trim(messages, question, fits)


def turns_of(dice, n):
    """A question and its answer, or a call with one or two results; 10 to 60 characters each."""
    words = [f"{n}." + "x" * dice.randint(10, 60) for _ in range(3)]
    if dice.random() < 0.4:
        return [user(words[0])], [assistant(words[1])]
    ids = [f"{n}.{i}" for i in range(dice.randint(1, 2))]
    calls = [ToolCall("search", {}, id=each).to_wire() for each in ids]
    results = [{"role": "tool", "content": words[2], "tool_call_id": each} for each in ids]
    return ([assistant(words[0]) | {"tool_calls": calls}, *results],)


# %%
def best_cut(turns, place, limit):
    """By trying: as few turns dropped as can be, the oldest first; None if that is not enough."""
    others = [n for n in range(len(turns)) if n not in (place, len(turns) - 1)]
    for dropped in range(len(others) + 1):
        kept = [turn for n, turn in enumerate(turns) if n not in others[:dropped]]
        flat = [message for turn in kept for message in turn]
        if len(text_of(flat)) <= limit:
            return flat
    return None


# %%
def conversations(many, dice):
    """(messages, the question's place, the most characters, what should be left)."""
    while many:
        turns = [each for n in range(dice.randint(1, 6)) for each in turns_of(dice, n)]
        place = dice.randint(0, len(turns))
        turns.insert(place, [user("the question")])
        messages = [message for turn in turns for message in turn]
        limit = dice.randint(40, len(text_of(messages)))
        if (best := best_cut(turns, place, limit)) is not None:
            many -= 1
            yield messages, messages.index(turns[place][0]), limit, best


# %%
def complaint(got, messages, question, limit, best):
    """What is wrong with a trimmed conversation; None if nothing is."""
    called = {wire["id"] for message in got for wire in message.get("tool_calls", ())}
    answered = {message["tool_call_id"] for message in got if message["role"] == "tool"}
    if messages[question] not in got:
        return "the question is gone"
    if answered - called:
        return "a result has lost its call"
    if called - answered:
        return "a call has lost its result"
    if len(text_of(got)) > limit:
        return "it still does not fit"
    if len(got) < len(best):
        return "more is dropped than has to be"
    return None if got == best else "it is not the oldest turns that went, or the order changed"


# %%
def short(messages):
    return [f"{message['role']} {message['content'][:2]}" for message in messages]


for messages, question, limit, best in conversations(300, random.Random(41)):
    copy = [message.copy() for message in messages]
    got = trimmer(copy, question, lambda kept, limit=limit: len(text_of(kept)) <= limit)
    assert isinstance(got, list), f"a list of messages is wanted, not {got!r}"
    wrong = complaint(got, messages, question, limit, best)
    story = f"{short(messages)}, the question at {question}\n  left: {short(got)}"
    assert not wrong, f"{wrong}.\n  {story}"
print("exercise 4: correct, 300 conversations")
# %% [markdown] lang="zh"
# ## 13 论文量到了什么
#
# **问题**　循环写对了，到底值多少分？
#
# 下面的数都抄自 Yao 等 2023 的表 1：PaLM-540B，提示词里放几段例子，不训练。HotpotQA 的题要连着读两篇以上
# 维基百科才能答，记**完全一致（exact match，EM）**的比例；FEVER 判断一句话有没有维基百科支持，记正确率。几
# 种做法：
#
# | 名字 | 做法 |
# | --- | --- |
# | Standard | 直接写答案 |
# | CoT（思维链） | 先想再答，不用工具 |
# | CoT-SC | 想 21 遍，投票 |
# | Act | 只有行动和观察，没有思考 |
# | ReAct | 思考、行动、观察 |
# | CoT-SC → ReAct | 得票最多的不到一半，改用 ReAct |
# | ReAct → CoT-SC | 步数用完还没有答案，改用投票 |
# %% [markdown] lang="en"
# ## 13 What the paper measured
#
# **Question.** The loop is right. What is it worth?
#
# The numbers below are those of Table 1 in Yao et al. 2023: PaLM-540B with a few examples in the
# prompt, and no training. Questions of HotpotQA take two or more articles of Wikipedia; the score is
# the share that matches **exactly** (EM). FEVER asks whether Wikipedia supports a sentence; the score
# is accuracy. The ways to answer:
#
# | name | how |
# | --- | --- |
# | Standard | write the answer |
# | CoT (chain of thought) | think, then answer; no tools |
# | CoT-SC | think 21 times and vote |
# | Act | actions and observations without thoughts |
# | ReAct | thoughts, actions, observations |
# | CoT-SC → ReAct | if no answer gets half of the votes, ReAct |
# | ReAct → CoT-SC | if there is no answer within the steps, the vote |
# %%
table_1 = {  # Yao et al. 2023, Table 1: HotpotQA exact match, FEVER accuracy, in percent
    "Standard": (28.7, 57.1),
    "CoT": (29.4, 56.3),
    "CoT-SC": (33.4, 60.4),
    "Act": (25.7, 58.9),
    "ReAct": (27.4, 60.9),
    "CoT-SC → ReAct": (34.2, 64.6),
    "ReAct → CoT-SC": (35.1, 62.0),
}
assert table_1["ReAct"][0] < table_1["CoT"][0] < table_1["ReAct → CoT-SC"][0]
# %%
shades = [figures.GREY] * 3 + [figures.CYAN, figures.BLUE] + [figures.GREEN] * 2
fig, axes = figures.canvas(1, 2, height=2.8)
for n, title in enumerate(("HotpotQA, exact match", "FEVER, accuracy")):
    scores = [pair[n] for pair in table_1.values()]
    ax = figures.bars(axes[n], list(table_1), scores, horizontal=True, form=".1f", colors=shades)
    ax.set(title=title, xlim=(0, max(scores) * 1.15), xlabel="%")
_ = axes[1].set_yticklabels([])


# %% [markdown] lang="zh"
# 三件事，前两件常被略过不提：
#
# 1. **在 HotpotQA 上，ReAct 输给了不用工具的 CoT**（27.4 对 29.4）；在 FEVER 上赢了（60.9 对 56.3）。
# 2. **最好的是两样搭着用**：35.1 和 64.6。谁先谁后，随任务而定。
# 3. 思考是有用的：去掉思考（Act），两边都降。
#
# 差两分算不算差？表里没有误差。作者公开的代码（用 GPT-3 重做的那份）每个任务只跑 500 题；题数要是 500，
# 27.4 的 95% 区间就有上下 4 分（区间怎么来的，[第 52 章](52_harness.ipynb)讲），这两分说明不了什么：
# %% [markdown] lang="en"
# Three things, of which the first two are often left out:
#
# 1. **On HotpotQA, ReAct loses to CoT, which uses no tools** (27.4 to 29.4); on FEVER it wins (60.9 to
#    56.3).
# 2. **Best are the two together**: 35.1 and 64.6. Which comes first depends on the task.
# 3. Thoughts help: without them (Act), both scores fall.
#
# Are two points a difference at all? The table has no error bars. The authors' public code (the version
# for GPT-3) runs 500 questions of each task; if there are 500, the 95% interval of 27.4 is four points
# to either side, and two points tell nothing:
# %%
def wilson(share, n, z=1.96):
    """The 95% interval of a share that was counted among n: how far below, how far above."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    return share - (middle - half), middle + half - share


for name in ("CoT", "ReAct", "ReAct → CoT-SC"):
    score = table_1[name][0]
    below, above = wilson(score / 100, 500)
    low, high = score - 100 * below, score + 100 * above
    print(f"{name:15}{score:5.1f}  if of 500 questions: {low:.1f} to {high:.1f}")
# %% [markdown] lang="zh"
# 那工具换来了什么？作者从两种做法里各抽 50 个答对的、50 个答错的运行，逐个看（表 2）。细线是按 50 个样本算
# 的 95% 区间，是我们加的：
# %% [markdown] lang="en"
# What, then, do tools bring? The authors took 50 runs with a right answer and 50 with a wrong one from
# each of the two, and read them (Table 2). The thin lines are 95% intervals for samples of 50, which
# we have added:
# %%
table_2 = {  # Yao et al. 2023, Table 2: ReAct, CoT
    "right, but made up": (0.06, 0.14),
    "wrong: reasoning": (0.47, 0.16),
    "wrong: search result": (0.23, np.nan),
    "wrong: made up": (0.0, 0.56),
    "wrong by the letter only": (0.29, 0.28),
}
# %%
rows = np.arange(len(table_2))
fig, ax = figures.canvas(height=2.9)
for n, (name, color) in enumerate({"ReAct": figures.BLUE, "CoT": figures.GREY}.items()):
    shares = [pair[n] for pair in table_2.values()]
    errors = np.maximum(0, np.array([wilson(share, 50) for share in shares]).T)
    places = rows + 0.38 * n - 0.19
    thin = {"elinewidth": 1, "ecolor": figures.INK}
    ax.barh(places, shares, 0.36, xerr=errors, color=color, label=name, error_kw=thin)
ax.set_yticks(rows, list(table_2))
ax.set(xlabel="share of 50 right runs, or of 50 wrong ones", xlim=(0, 0.8))
ax.invert_yaxis()
ax.grid(axis="y", visible=False)
_ = ax.legend(loc="lower right")
# %% [markdown] lang="zh"
# 工具治好了**编造**（错题里从 56% 降到 0%），换来两样新毛病：推理走岔，包括原地打转（从 16% 升到 47%），
# 以及搜不到有用的东西（23%）。由此得出几条可以照做的：
#
# - **给循环设限，并说明是怎样到头的**（第 9 步）。原地打转是 ReAct 自己的毛病，论文也单列出来；
#   而“ReAct → CoT-SC”靠的正是知道这一次**没有**走到答案。`status` 就是为此留的。
# - **先把工具做好。** 论文的搜索是故意做弱的，只按条目名找；23% 的错从那里来。搜索、错误提示、返回的长
#   短，往往比提示词的措辞更值得花时间。
# - **小模型不要只靠提示词。** PaLM-8B 和 62B 照提示词做 ReAct，在四种做法里垫底；用 3,000 段 ReAct 的轨迹微
#   调之后，反而最好（第 3.3 节，图 3）。今天的小模型多半专门训练过工具调用，用它们自己的写法，见第 42
#   章。
# - **这是 2022 年的模型。** 今天的数会不同，要知道就得自己量；`python -m tiny_agent eval` 是做这个的，
#   第 43 章用它比较几种做法。
#
# **练习 5**　写另一个方向，CoT-SC → ReAct：`vote_first(samples, ask)`。`samples` 是若干次“想一遍”得到的答
# 案；得票最多的**不少于一半**，就用它，不去惊动智能体（它贵）；不到一半，才调用 `ask()`（只一次，返回
# `RunResult`）。智能体是自己走到答案的（`status` 是 `"answered"`），就用它的，否则仍用得票最多的。这一题没
# 有现成的答案，写好之前，下面那格只说一声。
# %% [markdown] lang="en"
# Tools cure **making things up** (down from 56% of the wrong runs to 0%), and bring two other
# ailments:
# reasoning that goes astray, going round in circles included (up from 16% to 47%), and searches
# that find nothing of use (23%). What to do about it:
#
# - **Give the loop things that run out, and let it say which did** (step 9). Going in circles is
#   ReAct's own ailment, named in the paper; and "ReAct → CoT-SC" lives on knowing that a run has
#   **not** come to an answer. That is what `status` is for.
# - **Make the tools good first.** The paper's search was weak on purpose, by the name of an article
#   only, and 23% of the errors come from there. Search, error messages and the length of what comes
#   back often repay more time than the wording of a prompt.
# - **Small models need more than a prompt.** Prompted to do ReAct, PaLM-8B and 62B come last of the
#   four ways; fine-tuned on 3,000 runs of ReAct they come first (section 3.3, figure 3). Most small
#   models of today have been trained to call tools: use their own way of writing, chapter 42.
# - **These are models of 2022.** Today's numbers are others, and to know them you have to measure;
#   `python -m tiny_agent eval` does that, and chapter 43 compares several ways with it.
#
# **Exercise 5.** Write the other direction, CoT-SC → ReAct: `vote_first(samples, ask)`. `samples` are
# the answers of several chains of thought. If the most frequent has **half of them or more**, it is
# the answer, and the agent is left in peace (it is expensive); only if it has fewer, call `ask()` (once;
# it returns a `RunResult`). If the agent came to its answer by itself (`status` is `"answered"`), take
# that, else the most frequent one after all. There is no solution here; until you have written one,
# the cell below only says so.
# %%
from tiny_agent.messages import RunResult, Usage


def vote_first(samples, ask):
    raise NotImplementedError  # yours to write


votes = [  # the samples, the agent's status, the answer, whether the agent may be asked, why
    (["36", "36", "36", "41", "7"], "answered", "36", False, "3 of 5 agree"),
    (["36", "36", "41", "7"], "answered", "36", False, "2 of 4 are half, and not fewer"),
    (["36", "36", "41", "7", "9"], "answered", "agent's", True, "2 of 5 are fewer than half"),
    (["36", "36", "41", "7", "9"], "max_steps", "36", True, "a forced answer does not count"),
    (["1", "36", "7", "36", "9", "8"], "repeated_calls", "36", True, "the first is not the most"),
    (["36"], "answered", "36", False, "one of one"),
]


# %%
def judge_votes(vote_first):
    for samples, status, expected, may_ask, why in votes:
        asked = []

        def ask(status=status, asked=asked):
            asked.append(status)
            return RunResult("agent's", status, [], Usage(), [])

        got = vote_first(list(samples), ask)
        assert got == expected, f"{samples}, agent {status}: {got!r}, not {expected!r}. {why}"
        assert len(asked) == may_ask, f"{samples}: the agent was asked {len(asked)} times. {why}"
    return f"correct, {len(votes)} cases"


try:
    print("exercise 5:", judge_votes(vote_first))
except NotImplementedError:
    print("exercise 5: not written yet")
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数可以顶替包里的那个，跑同一批测试；裁判是别人的库、文献里的数、逐个数出来的结果和手写的例子，不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise find_labels > my.py   # 题头：签名和文档，没有函数体；写上你的
# pytest --mine=my.py                            # 用你的顶替我们的，跑它的测试
# python -m tests.exercise --hint find_labels    # 卡住了，要一句提示
# ```
#
# 本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `trim` | 对话装不下时，从最旧的一轮丢起；练习 4 问的就是它 | 一下午 |
# | `Run` | 一次运行的账：步数、词元、重复的调用、读不懂的回复，撞上哪条上限；练习 3 是其中一段 | 一下午 |
# | `find_labels` | 在回复里找标签：第 4 步和第 8 步的解析器；练习 1、2 是它的小样 | 一个周末 |
#
# 在笔记本里用 `check`。下面是教程里常见的写法：有 `Final Answer` 就算答完了，没有再找 `Action`。
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are other people's
# libraries, published numbers, brute force and examples by hand, not our code. In the root of the repository:
#
# ```bash
# python -m tests.exercise find_labels > my.py   # the head: signature and docstring, no body; write yours
# pytest --mine=my.py                            # its tests, with yours in the place of ours
# python -m tests.exercise --hint find_labels    # a hint, if you are stuck
# ```
#
# The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `trim` | where a conversation does not fit, the oldest turns go; the very thing that exercise 4 asks for | an afternoon |
# | `Run` | the books of a run: steps, tokens, repeated calls, replies that cannot be read, and the limit that ends it; exercise 3 is a part of it | an afternoon |
# | `find_labels` | finds the labels in a reply: the parser of steps 4 and 8; exercises 1 and 2 are small ones | a weekend |
#
# In a notebook there is `check`. Here is what many tutorials write: a `Final Answer` ends it, wherever it stands, and
# only without one an `Action` is looked for.
# %%
from tests.exercise import check
from tiny_agent.react_text import Found


def find_labels(text, names):
    answer = re.search(r"Final Answer: *(.*)", text, re.DOTALL)  # wherever it stands?
    if answer:
        return Found("answer", text[: answer.start()].strip(), answer[1].strip())
    action = re.search(r"Action: *(.*)\n(?:Action Input: *(.*))?", text + "\n")
    if action:
        return Found("action", text[: action.start()].strip(), action[1], action[2])
    return Found(None, text)


right = check(find_labels)
# %% [markdown] lang="zh"
# 先读第一行：没过的是哪一个测试，名字就是要求（“先出现的为准”）；再看期望的和得到的；最后一行说出处和提示在哪里。这里行动在前，“答案”在后，
# 它却收下了后面那个：第 6 步里，那正是模型替自己编的。
#
# ## 14 换上真的模型
#
# ### 一行
#
# 只改一行（这几行不在这里运行）：
#
# ```python
# from tiny_agent.backends import OpenAIModel
# from tiny_agent.local_model import TransformersModel
#
# model = OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")  # Ollama
# model = TransformersModel("models/Qwen2.5-1.5B-Instruct")       # 本地文件夹
#
# result = Agent(model, tools, ReActText("zh")).run(questions["zh"])
# ```
#
# 或者在终端里，`--trace` 把每一次的提示词和回复原样存下来（第 43 章）：
#
# ```bash
# python -m tiny_agent "升天索的轿厢一小时爬多少千米？" \
#     --model http://127.0.0.1:11434/v1 --trace run.jsonl
# ```
#
# 不写 `--model`，就是随书的小模型 tiny-qwen2；写 `--model rules`，是一个按规则演的替身，看得见循环，别指望它聪明。两样都
# 只要几秒：
#
# ```bash
# python -m tiny_agent "840 的 12.5% 是多少？"
# python -m tiny_agent "840 的 12.5% 是多少？" --model rules
# ```
#
# 换上真模型，先做三件事再信它：看 `status`，不是 `answered` 的另作处理；看最后一次回复的
# `finish_reason`，是 `length` 就说明答案断在半截（第 42 章第 8 节）；把 `result.steps` 里的观察和答案
# 对一遍，答案里的数，观察里有没有。小模型会犯的毛病你已经见过十种，碰到第十一种，把那次的 `reply.text`
# 加进第 8 步的表里。
#
# ### 随书的模型上场
#
# **问题**　台词念了十三节。现在门里坐一个真的，循环还转得起来吗？
#
# **想法**　随书的 tiny-qwen2 只有三百来万参数，是从零训练的（[第 24 章](24_training_your_own.ipynb)），练习里就有 ReAct 的
# 对话：点名要工具、等观察、再往下走；练的全是随机编的世界，这部百科它没见过。它的上下文只有 1024 个词元，所以让对话长到三分
# 之二就修剪（`context_tokens`，练习 4 的 `trim`）。循环、工具、提示词，一个字不改：
# %% [markdown] lang="en"
# Read the first line first: the name of the test that failed is what is wanted ("the first decisive label wins"); then what
# was expected and what came; at the end, where it is from and how to get a hint. Here the action stands before the answer,
# and the answer was taken: in step 6, that is the one that the model had made up.
#
# ## 14 A real model
#
# ### One line
#
# Change one line (these are not run here):
#
# ```python
# from tiny_agent.backends import OpenAIModel
# from tiny_agent.local_model import TransformersModel
#
# model = OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")  # Ollama
# model = TransformersModel("models/Qwen2.5-1.5B-Instruct")       # a folder here
#
# result = Agent(model, tools).run(questions["en"])
# ```
#
# Or in a terminal, where `--trace` keeps every prompt and reply as it was (chapter 43):
#
# ```bash
# python -m tiny_agent "How many km an hour does the Skyhook climb?" \
#     --model http://127.0.0.1:11434/v1 --trace run.jsonl
# ```
#
# Without `--model` it is the small model that comes with the book, tiny-qwen2; `--model rules` is a
# stand-in that plays by rules: it shows the loop, do not expect it to be clever. Either takes a few
# seconds:
#
# ```bash
# python -m tiny_agent "What is 12.5% of 840?"
# python -m tiny_agent "What is 12.5% of 840?" --model rules
# ```
#
# With a real model, do three things before you believe it. Look at `status`: whatever is not
# `answered` is to be treated differently. Look at the `finish_reason` of the last reply: `length`
# means that the answer was cut off (chapter 42, section 8). And hold the answer against the
# observations in `result.steps`: are its numbers there? You have seen ten
# ailments of small models; when you meet the eleventh, add its `reply.text` to the table of step 8.
#
# ### Enter the model that comes with the book
#
# **Question.** For thirteen sections a script was read out. With a real model in the room, does the
# loop still turn?
#
# **Idea.** tiny-qwen2 has some three million parameters and was trained from scratch ([chapter
# 24](24_training_your_own.ipynb)), among other things on conversations in ReAct: name a tool, wait
# for the observation, go on; all in worlds invented at random, so it has never seen this
# encyclopedia. Its context is 1024 tokens, so the conversation is trimmed when it grows beyond two
# thirds of that (`context_tokens`, and the `trim` of exercise 4). Loop, tools and prompt stay as
# they are, to the letter:
# %%
import warnings

from tiny_agent.choices import make_model

warnings.filterwarnings("ignore", message="IProgress")  # tqdm's remark: no widgets, no matter
shipped = make_model(None)  # $TINY_MODEL, else the model that comes with the book
room = getattr(shipped, "context_tokens", None)
shipped.max_new_tokens = 160  # of a reply: longer ones have lost the thread


# %%
def real_run(question, lang, model=shipped):
    """A run of the real loop; the answer is there in five steps, or is forced."""
    limits = Limits(max_steps=5)
    agent = Agent(model, tools, ReActText(lang), limits=limits, context_tokens=room)
    return agent.run(question)


def show(result):
    for step in result.steps:
        print(*map(glimpse, step.reply.text.splitlines()), sep="\n")
        for seen in step.results:
            print(f"    Observation: {glimpse(seen.content, 150)}")
    print(f"-> {glimpse(str(result.answer))}  [{result.status}]  {result.usage}\n")


# %%
for lang, asked in {
    "en": "What is 12.5% of 840?",
    "zh": "升天索全长多少千米？然后除以 2。",
}.items():
    print(asked)
    show(real_run(asked, lang))


# %% [markdown] lang="zh"
# 循环转得起来：它点名要工具，参数是一个合格的 JSON，等到观察再往下走，最后交卷。840 的 12.5%，它算对了。升天索那题，**形式全对，内容错了**：搜到的正
# 是写着 3.82 万千米的那段，它放进算式的却是 277。那是修剪时留下的一句话里的数：“……of 277 characters left out”，说这段观察原有多少个字符。计算器老
# 老实实地算对了一道错题，状态还是 `answered`。
#
# 再考一场。包里有四十来道题（`python -m tiny_agent eval` 就是考它们），从四种里按种子各抽几道，不挑，同 `rules` 考同一份：
# %% [markdown] lang="en"
# The loop turns: it names a tool, its arguments are proper JSON, it waits for the observation, goes on,
# and answers in the end. It got 12.5% of 840 right. With the Skyhook **the form is right, and what is
# in it is wrong**: its search found the very passage that has 38,200 km (3.82万 in Chinese), but what
# went into the sum is 277. That number stands in the note that trimming leaves behind, "... of 277
# characters left out", and says how long the observation was. The calculator did a wrong sum,
# rightly, and the status is `answered` all the same.
#
# Now an exam. The package has some forty tasks (`python -m tiny_agent eval` runs them); draw a few of
# four kinds by seed, none picked, and let `rules` sit the same paper:
# %%
from tiny_agent.evaluation import SAMPLE_TASKS, evaluate, read_tasks
from tiny_agent.rules import RuleModel

KINDS = ("arithmetic", "lookup", "lookup+arithmetic", "unanswerable")
dice, every = random.Random(41), read_tasks(SAMPLE_TASKS)
paper = []
for kind, lang in ((kind, lang) for kind in KINDS for lang in questions):
    paper += dice.sample([t for t in every if (t.kind, t.lang) == (kind, lang)], 2)
by_rules = {lang: RuleModel(ReActText(lang)) for lang in questions}
# %%
real = {task.id: real_run(task.question, task.lang) for task in paper}
ruled = {task.id: real_run(task.question, task.lang, by_rules[task.lang]) for task in paper}
reports = {name: evaluate(lambda task, of=of: of[task.id], paper)
           for name, of in (("tiny-qwen2", real), ("rules", ruled))}  # fmt: skip
for name, report in reports.items():
    low, high = report.interval()
    by_kind = {kind: f"{of.success * 4:.0f}/4" for kind, of in report.by("kind").items()}
    print(f"{name:11}{report.success:.2f} [{low:.2f}, {high:.2f}]  {by_kind}")
    print(f"{'':11}{report.mean('steps'):.1f} replies a task, "
          f"{report.format_error_rate:.0%} of them unreadable")  # fmt: skip
# %% [markdown] lang="zh"
# 十六题对了六题，和照规则演的替身一样多（两个区间重叠着，这么几道题分不出高下）。它会的主要是**一步算术**：算式就在问题里，照抄给计
# 算器就行；还有说“没有找到”，只是找得到的它有时也这样说。要把观察里的数挑出来、放进下一步，它就不行了。回复里约有六分之一读不懂，是第 8 步的宽
# 容和纠正让循环没有停下；限额让每一次运行都有个头。
#
# **哪一环断了？**　轨迹全在，顺着看就知道：写着证据的那段找到没有；该算的那个数，计算器算出来没有；都有了，答出来没有。
# %% [markdown] lang="en"
# Six of sixteen, as many as the stand-in that plays by rules (the intervals overlap; so
# few tasks cannot tell the two apart). What it can do is mostly **one step of arithmetic**, where the
# sum stands in the question and is to be handed to the calculator; and to say that it found nothing,
# which it sometimes says of what is there, too. To pick a number out of an observation and put it into
# the next step is too much for it. About one in six of its replies cannot be read; step 8, generous and
# correcting, kept the loop going all the same, and the limits ended every run.
#
# **Which link broke?** The trace has it all, so follow it: was the passage with the evidence found?
# Did the calculator come to the number that was wanted? And if all was there, was it said?
# %%
from tiny_agent.answers import answer_matches


def broken_link(task, result):
    """The first link that broke, as far as the observations tell."""
    seen = [each for step in result.steps for each in step.results]
    found = " ".join(" ".join(each.content for each in seen).split())
    if not task.answerable:
        return "made something up"
    if any(" ".join(e.quote.split()) not in found for e in task.evidence):
        return "not found"
    sums = [each.content for each in seen if each.name == "calculator"]
    if task.expression and not any(answer_matches(each, task.answers) for each in sums):
        return "not worked out"
    return "was there, and not said"


# %%
outcomes = reports["tiny-qwen2"].outcomes
failed = [task for task, each in zip(paper, outcomes, strict=True) if not each.success]
for task in failed:
    print(f"{broken_link(task, real[task.id]):24}{task.question}")
    print(f"{'':24}-> {glimpse(str(real[task.id].answer), 120)}")
for task in failed[-1:]:
    print(f"\n{task.question}")
    show(real[task.id])
# %% [markdown] lang="zh"
# 各环都断过：该算的没算成，该找的没找到，找到了没说对；问的是资料里没有的事，它就编一个（第 1 步的毛病，真模型也有）。最后那段轨迹值得
# 细看：它先搜了一次，资料里没有老板娘；再搜，参数里把“摸一遍”（头一次搜到的段落里的话）写了又写，直到被限额切断，成不了 JSON；循环一再告诉它格式不对，它把“Format error”也抄进了思考，还只抄对半截；最后那次回复，格式算是读得懂了，答案却是“Thought”。**格式
# 对了，不等于答对了**。
#
# 三百万参数的模型就是这样。要紧的是怎么知道的：同样的循环，换上大一点的模型（第一小节那一行），再跑这三格，看断的地方往后移了没有。
#
# ## 15 带走七句话
#
# 1. 模型只会写字。智能体是它外面的循环，事情都由循环去做。
# 2. 每次调用都要读到问题和此前的一切；忘了的东西，对它来说没有发生过。
# 3. 第一个行动为准，第一个“观察”起全部剪掉；停止串剪一次，自己再剪一次。
# 4. 读得宽容，但不替它把话说完；读不懂，就说清哪里不对，让它重写。
# 5. 工具的错是给模型看的观察，写明能怎么改；循环自己的错不要吞掉。
# 6. 循环一定会到头，并说明是怎样到头的；逼出来的答案不混同于走到的答案。
# 7. 读的词元随步数的平方增长：观察要短，提示词的开头要不变。
#
# 延伸阅读：Yao 等 2023（ReAct）；Wei 等 2022（思维链，arXiv:2201.11903）；Wang 等 2022（投票，
# arXiv:2203.11171）；Schick 等 2023（Toolformer，让模型自己学会用工具，arXiv:2302.04761）。
#
# 上一章：[33 · 有据可查](33_grounded_answers.ipynb)。
# 下一章：[42 · 工具、模式与三种方言](42_tools_and_dialects.ipynb)，讲工具本身：说明怎么写，三种方言怎样比，别人的工具怎样接进来。
#
# 代码：[agent.py](../../tiny_agent/agent.py)、[run_state.py](../../tiny_agent/run_state.py)、
# [react.py](../../tiny_agent/react.py)、[react_text.py](../../tiny_agent/react_text.py)、
# [react_action.py](../../tiny_agent/react_action.py)、[models.py](../../tiny_agent/models.py)、
# [tools.py](../../tiny_agent/tools.py)、[memory.py](../../tiny_agent/memory.py)。
# %% [markdown] lang="en"
# Every link has broken: sums that were not worked out, passages that were not found, or found and not
# told; and where the sources are silent, it made something up (the ailment of step 1; real models have
# it too). The last trace is worth a close look: it searched once, and the passages have no such landlady. It searched
# again, and wrote three characters of the first passage (摸一遍) over and over into the arguments, until the limit cut it off in
# the middle of the JSON; the loop told it that the form was wrong, and it even copied half of "Format error" into its thought;
# its last reply could be read, and the answer is "Thought". **The right form is not yet a right answer.**
#
# That is a model of three million parameters. What matters is how we know: with the same loop and a
# larger model (the one line of the first subsection), run these cells again, and see whether the
# break moves further down the chain.
#
# ## 15 Seven sentences to take along
#
# 1. A model only writes. The agent is the loop around it, and the loop does all that is done.
# 2. Each call has to read the question and all that came before; what is left out has not happened.
# 3. The first action counts, and all from the first observation on is cut: once by stop strings, and
#    once more by ourselves.
# 4. Read generously, but never finish its sentences; what cannot be read goes back with a reason.
# 5. A tool's error is an observation for the model and says what to write instead; the loop's own
#    errors are not to be swallowed.
# 6. The loop always ends, and says how; a forced answer does not pass for one that was found.
# 7. The tokens read grow as the square of the steps: keep observations short, and the beginning of
#    the prompt unchanged.
#
# Worth reading next: Yao et al. 2023 (ReAct); Wei et al. 2022 (chain of thought, arXiv:2201.11903);
# Wang et al. 2022 (the vote, arXiv:2203.11171); Schick et al. 2023 (Toolformer, models that teach
# themselves to use tools, arXiv:2302.04761).
#
# Previous: [33 · Grounded answers](33_grounded_answers.ipynb). Next:
# [42 · Tools, schemas and three dialects](42_tools_and_dialects.ipynb): how to describe tools, how
# three dialects compare, and how to plug in the tools of others.
#
# Code: [agent.py](../../tiny_agent/agent.py), [run_state.py](../../tiny_agent/run_state.py),
# [react.py](../../tiny_agent/react.py), [react_text.py](../../tiny_agent/react_text.py),
# [react_action.py](../../tiny_agent/react_action.py), [models.py](../../tiny_agent/models.py),
# [tools.py](../../tiny_agent/tools.py), [memory.py](../../tiny_agent/memory.py).
