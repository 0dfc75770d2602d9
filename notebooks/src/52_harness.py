# %% [markdown] lang="zh"
# # 52 · 评测台：先推理，再打分，带上误差条
#
# 有人训练了一个新模型 B，跑了 120 道题，比旧模型 A 多对了十个百分点。他说：**B 比 A 好**。这话能信吗？
#
# 这一章从一个 YAML 文件出发，走到一句带 p 值的话为止。路上要弄清这些事：
#
# 1. 一个任务里写了什么？同一个模型，换个问法，分数为什么会变？（第 1、2 节）
# 2. 为什么要把“问”和“判”拆成两个阶段？半路死了怎么办？（第 3、4 节）
# 3. 请模型之前，先该跑哪两遍？（第 5 节）
# 4. 选择题看它写的字母，还是看它给的概率？概率又怎么算才不出错？（第 6、7 节）
# 5. 一个分数有多准？要多少道题才够？（第 8、9 节）
# 6. A 和 B 到底谁好？试了二十个模型，挑最好的那个，行吗？（第 10 节）
# 7. 示例的次序、模板的一个词，值多少分？（第 11 节）
# 8. 报告，和真的模型。（第 12、13 节）
#
# **预备知识**：会读 Python，知道什么是词元和 softmax；[第 51 章](51_metrics.ipynb)讲过指标本身，这里只管**怎样问、怎样判、有多准**。
# **用时**：读一遍约 60 分钟；一个 CPU 核上全部运行不到一分钟，不联网，不下载任何东西；第 7 节会当场训练一个小模型，几秒钟。
#
# 上一章：[51 · 指标，以及它们怎样骗你](51_metrics.ipynb)。下一章：[53 · 一张高考数学卷，公平地批](53_gaokao.ipynb)。
# %% [markdown] lang="en"
# # 52 · A harness: infer, score, error bars
#
# Somebody has trained a new model, B, and put 120 questions to it. It got ten percentage points
# more right than the old one, A. The claim: **B is better than A**. Can that be believed?
#
# This chapter starts from a YAML file and ends at a sentence with a p-value. On the way:
#
# 1. What is in a task? And why may the same model get another score when it is asked in another way?
#    (sections 1 and 2)
# 2. Why are asking and marking two stages? What if the process dies in the middle? (sections 3
#    and 4)
# 3. Which two runs come before any model? (section 5)
# 4. In multiple choice, does the letter count that a model writes, or its probabilities? And how are
#    those computed without a mistake? (sections 6 and 7)
# 5. How precise is a score? How many questions are enough? (sections 8 and 9)
# 6. A or B? And may one try twenty models and take the best? (section 10)
# 7. What are the order of examples and a word of the template worth? (section 11)
# 8. The report, and real models. (sections 12 and 13)
#
# **You need**: to read Python, and to know what tokens and a softmax are. [Chapter 51](51_metrics.ipynb)
# is about the metrics themselves; this one is about **how to ask, how to mark, and how sure the result is**. **Time**: about 60 minutes to read; the whole chapter runs in
# under a minute on one CPU core; no network, no downloads. A small model is trained in section 7,
# which takes seconds.
#
# Previous: [51 · Metrics, and how they fool you](51_metrics.ipynb). Next:
# [53 · The gaokao maths paper](53_gaokao.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import contextlib
import inspect
import itertools
import json
import math
import random
import re
import tempfile
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

# %% [markdown] lang="zh"
# ## 1 任务就是一个文件
#
# **问题**　“B 多对了十个点”，是在什么题上？题目怎样问的，怎样算对？隔了半年，别人还能原样再测一遍吗？
#
# **想法**　把这些全写进一个文件：数据在哪里，怎样变成提示词，什么是对，用什么指标。里面没有代码，谁
# 读了这个文件，谁就知道量的是什么。
# 改一行，就是另一个任务。
#
# 我们自己出一套题。失物招领处有一本**登记簿**，一行一件：捡到什么，在哪里捡到的。每页六件，提三个问题：某件东西是在哪里捡到的？四选一。有的页上东
# 西种类多；有的页上净是围巾和水壶，只有颜色能区分，那就难了。一半中文，一半英文。
# %% [markdown] lang="en"
# ## 1 A task is a file
#
# **Question.** "Ten points more", on which questions? How were they put, and what counted as right? Can
# somebody else measure the same half a year later?
#
# **Idea.** Write all of it into one file: where the data are, how they become a prompt, what is right,
# which metric. There is no code in it, so whoever reads the file knows what was measured. A line
# changed is another task.
#
# We make a set of questions of our own. A lost-and-found office keeps a **register**, a line for each
# thing: what it is, and where it was found. A page has six things, and there are three questions about
# it, with four places to choose from. Some pages have things of many kinds; on others there is nothing
# but scarves and kettles, which only their colours tell apart, and those are hard. Half of it is in
# Chinese, half in English.
# %%
WORDS = {
    "zh": ("红 蓝 灰 黑 绿 白", "围巾 手套 雨伞 水壶 背包 帽子 钥匙 课本",
           "图书馆 桥头 磨坊 码头 集市 校门口 车站 茶馆"),
    "en": ("red blue grey black green white", "scarf glove umbrella kettle satchel cap key book",
           "library bridge mill quay market gate station teahouse"),
}  # fmt: skip


def register(lang, rng):
    """A list of six lost things, and the four places where they were found."""
    colours, things, places = (words.split() for words in WORDS[lang])
    kinds = rng.sample(things, rng.choice([2, 3, 6]))  # few kinds: only the colour tells them apart
    gap = " " if lang == "en" else ""
    items = rng.sample([colour + gap + thing for colour in colours for thing in kinds], 6)
    where = rng.sample(places, 4)
    return dict(zip(items, rng.sample(where + rng.choices(where, k=2), 6), strict=True)), where


# %%
def questions(count, seed):
    """Three questions about each of `count` registers, every other one in Chinese."""
    rng = random.Random(seed)
    for number in range(count):
        lang = ("zh", "en")[number % 2]
        found, places = register(lang, rng)
        lines = "\n".join(f"{item} - {place}" for item, place in found.items())
        for item in rng.sample(list(found), 3):
            shared = {"lang": lang, "register_id": number, "register": lines, "choices": places}
            yield {"id": f"{number}-{item}", **shared, "item": item, "answer": found[item]}


def write_lines(path, records):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")


# %% [markdown] lang="zh"
# 数据是 JSONL，一行一道题，评测台管它叫一个**文档**（document）。旁边放一个 YAML。`prompt` 是模板，`{{...}}` 处填字段；题目的样子像登记簿的下一行写了一半，等人接着写。
# %% [markdown] lang="en"
# The data are JSONL, a question a line; a harness calls it a **document**. The YAML lies beside them.
# `prompt` is a template, with fields in `{{...}}`: a question looks like one more line of the
# register, half written, for the model to finish.
# %%
scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
write_lines(folder / "lost.jsonl", questions(40, seed=52))
LOST = r"""
data: lost.jsonl                # beside this file
kind: choice                    # which of the choices is likeliest?
prompt: "{{register}}\n\n{{item}} -"
choices: choices                # the names of fields
target: answer
metrics: [acc]
group_by: lang
cluster_by: register_id         # three questions share a register
"""
_ = (folder / "lost.yaml").write_text(LOST, "utf-8")
# %%
from tiny_eval.tasks import load_task

task = load_task(folder / "lost.yaml")
print(f"{task.name}: {len(task.docs)} documents, kind {task.kind}")
for doc in (task.docs[0], task.docs[3]):
    print(json.dumps(doc.fields, ensure_ascii=False, indent=1))


# %% [markdown] lang="zh"
# 三道题出自同一页，`cluster_by` 把这件事记下来，第 8 节要用。
#
# 配置文件最怕的是**写错了却照样跑**。`load_task` 见到不认识的词就停下，说出错在哪里、该写什么：
# %% [markdown] lang="en"
# Three questions come from one page; `cluster_by` says so, and section 8 will need it.
#
# The worst thing in a settings file is **a slip that runs all the same**. `load_task` stops at a word
# that it does not know, and says what is wrong and what there is:
# %%
def complaint(text):
    """What load_task says of a task with this text."""
    (folder / "wrong.yaml").write_text(text, "utf-8")
    try:
        return load_task(folder / "wrong.yaml").docs
    except (ValueError, OSError) as error:
        return str(error).replace(f"{folder}/", "")


slips = {"kind: choice": "kind: chioce", "target:": "targets:", "[acc]": "[f1]"}
for right, wrong in slips.items():
    print(f"{wrong:13} {complaint(LOST.replace(right, wrong))}\n")
print(f"{'lost2.jsonl':13} {complaint(LOST.replace('lost.jsonl', 'lost2.jsonl'))}")
# %% [markdown] lang="zh"
# 除了我们自己的布局，[layouts.py](../../tiny_eval/layouts.py) 还认得几种常见的文件：LongBench、C-Eval、CMMLU、GSM8K、GAOKAO-Bench，以及
# `instruction/input/output` 的微调数据；[records.py](../../tiny_eval/records.py) 读 JSONL、JSON 数组、CSV，编码不是 UTF-8 也行。
#
# ## 2 从文档到提示词
#
# **问题**　模型看到的不是文档，而是一段**提示词**（prompt）。从前者到后者，要做多少个决定？
#
# **想法**　填好模板；前面要不要摆几道做好的例题（**少样本**，few-shot）；是一段纯文本让它接着写，还是一问一答的**对话**，交给模型自己的聊天模板。同一
# 道题，三种样子（例题取自数据的开头，正好是中文的）：
# %% [markdown] lang="en"
# Beside plain fields, [layouts.py](../../tiny_eval/layouts.py) knows some well-known files: LongBench,
# C-Eval, CMMLU, GSM8K, GAOKAO-Bench, and instruction data with `instruction/input/output`;
# [records.py](../../tiny_eval/records.py) reads JSONL, JSON arrays and CSV, in UTF-8 or not.
#
# ## 2 From a document to a prompt
#
# **Question.** What a model sees is not a document but a **prompt**. How many decisions lie between
# the two?
#
# **Idea.** Fill in the template; put some solved examples before it, or none (**few-shot**, zero-shot);
# make it raw text that the model goes on from, or a **conversation** that the model's own chat template
# renders. The same question in three ways (examples come from the start of the data; this one happens
# to be Chinese):
# %%
from tiny_eval.prompts import examples_for, prompt_of

doc = task.docs[3]
one_shot = replace(task, few_shot=1, description="Lost and found.\n\n")
for variant in (task, one_shot, replace(one_shot, chat=True)):
    examples = examples_for(variant, doc, variant.docs)
    print(f"--- few_shot={variant.few_shot}, chat={variant.chat}")
    made = prompt_of(variant, doc, examples)
    print(
        made if isinstance(made, str) else "\n".join(f"{m['role']}: {m['content']!r}" for m in made)
    )
# %% [markdown] lang="zh"
# 拼起来的代码就这么几行；再画出来看，每一块各是什么：
# %% [markdown] lang="en"
# These few lines put it together; then the same, drawn piece by piece:
# %%
print(inspect.getsource(prompt_of))
# %%
from tiny_eval.prompts import answer_of, value_of

first, last = (value_of(task.prompt, each) for each in (*examples, doc))
answer, end = answer_of(task, examples[0]), one_shot.separator
raw = [(one_shot.description, "description"), (first, "prompt"), (" ", "target_delimiter")]
raw += [(answer, "target"), (end, "separator"), (last, "prompt")]
chat = [(one_shot.description, "system"), (first, "user"), (answer, "assistant"), (last, "user")]
assert "".join(text for text, _ in raw) == prompt_of(one_shot, doc, examples)
fig, axes = figures.canvas(2, 1, height=2.4)
for ax, parts, title in zip(axes, (raw, chat), ("raw text", "chat"), strict=True):
    shown = [text if len(text) < 9 else f"{text[:5]}…{text[-6:]}" for text, _ in parts]
    ax = figures.token_strip(ax, shown, [name for _, name in parts])
    ax.set_title(title)


# %% [markdown] lang="zh"
# 注意两处。第一，纯文本里，题目与答案之间有一个**分隔**（`target_delimiter`），英文通常是一个空格，中文通常什么也没有；对话里它消失了，因为答案自成一
# 条消息。第二，例题之间有空行。这些字符人看不见，模型却看得见：在许多分词器里，空格与后面的词合成一个词元（第 7 节）。换个问法，分数就可能变；少一个空
# 格，也是换了问法。
#
# 那么哪些改动算“另一次提问”？`asking()` 收齐了一切会影响回答的设置，取一个摘要：
# %% [markdown] lang="en"
# Two things to notice. In raw text there is a **delimiter** between a question and its answer
# (`target_delimiter`): usually a space in English, usually nothing in Chinese. In a conversation it is
# gone, because the answer is a message of its own. And between examples there is an empty line. People
# do not see these characters, but the model does: in many tokenizers a space is part of the word after it
# (section 7). Another way of asking may get another score, and one space less is another way.
#
# Which changes make it another run, then? `asking()` gathers all settings that answers depend on; here
# are their digests:
# %%
from tiny_eval.tasks import digest

variants = {"as it is": {}, "few_shot": {"few_shot": 1}, "chat": {"chat": True},
            "one space less": {"target_delimiter": ""}, "target": {"target": "item"},
            "metrics": {"metrics": ("acc", "acc_norm")}}  # fmt: skip
for name, changes in variants.items():
    print(f"{name:15} {digest(replace(task, **changes).asking())}")
# %% [markdown] lang="zh"
# 改例题数、改成对话、少一个空格：摘要都变了。改标准答案、改指标：没变，因为模型的回答与它们无关。下一节就靠这个区别。
#
# > **教程里常见的错**　报分数，不报提示词。同一个基准，这篇零样本，那篇五样本；这篇用聊天模板，那篇不用；分数却并排摆着比。
#
# ## 3 两个阶段
#
# **问题**　为什么不一口气问完、判完、报个数？
#
# **想法**　问模型又慢又贵，判分又快又便宜，而且判分的规矩总要改（第 5、6 节会看到）。所以拆开：**推理**（infer）把每个回答写进 `predictions.jsonl`，**打
# 分**（score）只读盘上的文件。改了指标，重新打分就是，不必再问一遍。
#
# 先要有模型。评测台只问模型三种问题：接着写（`generate_until`）、这段续写有多可能（`loglikelihood`）、这整段文字有多可能
# （`loglikelihood_rolling`）。我们造一个最小的：它**只读过自己的提示词**，数一数在提示词里什么字符后面跟着什么字符
# （[ngram.py](../../tiny_eval/ngram.py)），照样子接着写。`reach` 是它回看几个字符；`window` 是它总
# 共看得见提示词的最后多少个字符。
# %% [markdown] lang="en"
# Another number of examples, a conversation, one space less: all different. Another target or another
# metric: the same digest, because the model's answers do not depend on them. The next section lives on
# this difference.
#
# > **Where the tutorials you may have read go wrong.** They report scores without prompts. One
# > article gave no examples and
# > another five, one used a chat template and the other did not; yet the numbers stand side by side,
# > as if they could be compared.
#
# ## 3 Two stages
#
# **Question.** Why not ask, mark and print a number in one go?
#
# **Idea.** Asking a model is slow and costs money; marking is quick and free, and its rules keep
# changing (sections 5 and 6 will show it). So they are apart: **infer** writes each answer into
# `predictions.jsonl`, **score** reads what is on the disk and asks nobody. With another metric, one scores again
# and asks nothing.
#
# First a model. A harness asks a model three kinds of questions: go on from here (`generate_until`), how likely
# is this continuation (`loglikelihood`), how likely is this whole text (`loglikelihood_rolling`). We
# build a very small one: it **has read its prompt and nothing else**, counts which character follows
# which in there ([ngram.py](../../tiny_eval/ngram.py)), and goes on in the same way. `reach` is how many
# characters it looks back; `window` is how many characters of the prompt, the last ones, it sees at all.
# %%
from tiny_eval.models import Model
from tiny_eval.ngram import NgramModel

print([name for name in vars(Model) if not name.startswith("_")])


class Reader:
    """Has read its prompt and nothing else; goes on as it has seen it there."""

    def __init__(self, name, reach, window=10_000):
        self.name, self.reach, self.window = name, reach, window
        self.settings = {"reach": reach, "window": window}
        self.read = lru_cache(lambda seen: NgramModel([seen], order=reach + 1))

    def loglikelihood(self, requests):
        for place, (prompt, continuation) in enumerate(requests):
            seen = prompt[-self.window :]
            yield place, self.read(seen).total(seen, continuation)


# %% [markdown] lang="zh"
# 两个参赛者：A 回看得远（10 个字符），但只看得见最后 80 个字符；B 回看 8 个字符，却能看见整页。各有长处，谁好？（这两组数和登记簿的样子，是为讲课
# 挑出来的；挑过有什么后果，第 10 节交代。）问一遍：
# %% [markdown] lang="en"
# Two contestants: A looks back far (10 characters) but sees only the last 80 characters; B looks back 8,
# and sees the whole page. Each has something for it. Which is better? (These numbers, and how a register
# looks, were chosen for the lesson; section 10 says what follows from that.) Ask them:
# %%
from tiny_eval.run_files import PREDICTIONS, read_rows
from tiny_eval.runner import infer

models = [Reader("A", reach=10, window=80), Reader("B", reach=8)]
runs = {model.name: infer(task, model, folder / "runs") for model in models}
for name, run in runs.items():
    print(f"{name}: {run.asked} asked, {run.kept} kept, {len(run.failures)} failures")
row = read_rows(runs["A"].folder / PREDICTIONS)[3]
for key, value in row.items():
    said = re.sub(r"(\.\d{3})\d+", r"\1", json.dumps(value, ensure_ascii=False))
    print(f"{key:15} {said if len(said) < 86 else said[:80] + ' ...'}")
# %% [markdown] lang="zh"
# 一行一个文档：问了什么，标准答案（四个选项里的第几个），每个选项的对数似然（**log-likelihood**，概
# 率的自然对数，越接近 0 越可能）。`key` 是编号、提示词和提问设置的摘要，凭它认出这一行是不是这次要
# 的；模型和它的设置记在文件夹的名字里。
# %% [markdown] lang="en"
# One line for each document: what was asked, the right answer (which of the four), and for each
# choice its **log-likelihood**, the natural logarithm of its probability: the nearer to 0, the
# likelier. The `key` is a
# digest of the id, the prompt and the settings of asking: it tells whether a line is the one wanted. The
# model and its settings are in the folder's name.
# %%
boxes = {"task.yaml": (0, 1), "data": (0, 0), "infer": (2.6, 1), "model": (2.6, 2)}
boxes |= {"predictions": (5.2, 1), "score": (7.8, 1), "filters, metrics": (7.8, 0)}
boxes |= {"report": (10.4, 1)}
arrows = [("task.yaml", "infer"), ("data", "infer"), ("infer", "model"), ("model", "infer")]
arrows += [("infer", "predictions"), ("predictions", "score")]
arrows += [("filters, metrics", "score"), ("score", "report")]
fig, ax = figures.canvas(height=2.2)
colors = {"predictions": figures.GREEN, "model": figures.ROSE}
ax = figures.diagram(ax, boxes, arrows, size=(2.15, 0.5), colors=colors)
# %% [markdown] lang="zh"
# 现在打分：
# %% [markdown] lang="en"
# Now score:
# %%
from tiny_eval.scoring import score_run

scores = {name: score_run(run.folder) for name, run in runs.items()}
for name, found in scores.items():
    groups = {group: f"{of['acc'].value:.3f}" for group, of in found.groups.items()}
    print(f"{name}: acc {found.estimates['acc'].value:.3f}  {groups}")


# %% [markdown] lang="zh"
# A 是 0.742，B 是 0.842。“B 好十个点”就是这么来的。再看分组：中文题两个都满分，那 60 题分不出谁高谁低（这叫**天花板**），差别全在英文
# 的 60 题里。这句话能不能信，第 8 节以后再说；先把评测台本身弄牢靠。
#
# ## 4 死在半路
#
# **问题**　问到一半，进程被杀了。已经花掉的钱和时间，还在吗？再跑一遍，会不会有的题记两次？
#
# **想法**　一题答完就写一行，不攒在内存里。下回先看文件里有哪些 `key`，有的就不再问。最后一行可能只写了半截，那就截掉。代码：
# %% [markdown] lang="en"
# A has 0.742, B has 0.842: that is where the ten points come from. Now look at the groups: in Chinese
# both have full marks, so those 60 questions do not tell the two apart (that is a **ceiling**), and all
# the difference is in the 60 English ones. Whether the sentence can be believed must wait until
# section 8; first the harness itself has to be sound.
#
# ## 4 Killed in the middle
#
# **Question.** Half-way the process is killed. Are the time and money spent so far still there? And when
# it is run again, are some questions counted twice?
#
# **Idea.** When a document is done its line is written; nothing waits in memory. The next run looks which
# keys are in the file, and does not ask those. The last line may be half written; it is cut off.
# The code:
# %%
from tiny_eval.run_files import append, open_for_lines

print(inspect.getsource(open_for_lines), inspect.getsource(append), sep="\n")


# %%
class KilledError(Exception):
    pass


class Mortal(Reader):
    """The same model, killed after `left` answers."""

    left, answered = 10_000, 0

    def loglikelihood(self, requests):
        for answer in super().loglikelihood(requests):
            if self.answered == self.left:
                raise KilledError
            self.answered += 1
            yield answer


# %% [markdown] lang="zh"
# `Mortal` 和 B 是同一个模型，只是答了若干次就“被杀”。让它答 22 次；还嫌不够，再把文件最后一行撕掉一截：
# %% [markdown] lang="en"
# `Mortal` is the same model as B, but is killed after some answers. Let it give 22; and as if that were
# not enough, tear a piece off the file's last line:
# %%
mortal = Mortal("B", reach=8)
mortal.left = 22
with contextlib.suppress(KilledError):
    infer(task, mortal, folder / "cut")
path = next((folder / "cut").rglob(PREDICTIONS))
print(f"{mortal.answered} answers given, {len(read_rows(path))} rows on the disk")
path.write_bytes(path.read_bytes()[:-40])  # and the last row is torn
print(f"the last row torn: {len(read_rows(path))} whole rows")
# %% [markdown] lang="zh"
# 22 次回答，只写下 5 行：四个选项都有了才算一题做完，多出的两次作废，下回重问。撕掉一截之后，完整的只剩 4 行。现在接着跑：
# %% [markdown] lang="en"
# Of 22 answers 5 rows were written: a question is done when all four choices are, so two answers are
# lost and will be asked for again. With the last row torn, 4 whole ones remain. Now go on:
# %%
again = Mortal("B", reach=8)
result = infer(task, again, folder / "cut")
rows = read_rows(path)
print(f"kept {result.kept}, asked {result.asked}, {again.answered} answers given")
assert [row["id"] for row in rows] == [doc.id for doc in task.docs]
assert path.read_bytes() == (runs["B"].folder / PREDICTIONS).read_bytes()
print("as if nothing had happened, byte for byte")
third = infer(task, again, folder / "cut")
print(f"once more: kept {third.kept}, asked {third.asked}")
# %% [markdown] lang="zh"
# 不多不少：留下 4 题，补问 116 题，464 次回答正好是 116 × 4。结果与一口气跑完的文件**逐字节相同**。再跑一遍，一题也不问。
#
# （停电又是一回事：操作系统还没来得及写到盘上的，可能会丢。）
#
# 还有两种“半路变卦”：改了设置，改了标准答案。
# %% [markdown] lang="en"
# No more and no less: 4 kept, 116 asked, and 464 answers are 116 × 4. The file is that of an undisturbed
# run, **byte for byte**. Run once more, nothing is asked.
#
# (A power cut is another matter: what the operating system had not yet put on the disk may be gone.)
#
# Two more things can change on the way: a setting, and the answer key.
# %%
shot = infer(replace(task, few_shot=1), Reader("B", reach=8), folder / "cut")
print(
    f"few_shot=1: kept {shot.kept}, asked {shot.asked}; another folder: {shot.folder != path.parent}"
)

records = [dict(doc.fields) for doc in task.docs]
first = records[0]
first["answer"] = next(place for place in first["choices"] if place != first["answer"])
write_lines(folder / "lost.jsonl", records)  # somebody mends the answer key
mended = infer(load_task(folder / "lost.yaml"), Reader("B", reach=8), folder / "cut")
print(f"another key: kept {mended.kept}, asked {mended.asked}")
print(f"acc {scores['B'].estimates['acc'].value:.3f} -> "
      f"{score_run(mended.folder).estimates['acc'].value:.3f}")  # fmt: skip
write_lines(folder / "lost.jsonl", questions(40, seed=52))
# %% [markdown] lang="zh"
# 改了例题数，进了**另一个文件夹**：两种问法的回答不会掺在一起。改了标准答案，**一题也不重问**，只是分数变了。测试里用真的 `SIGKILL` 杀过进程：
# [test_runner.py](../../tests/tiny_eval/test_runner.py)。
#
# > **教程里常见的错**　一个循环，答案存在列表里，全部问完才写文件。第 9 千题出一次网络错误，前面的全没了；或者以“追加”方式重跑，有的题算了两遍。
#
# ## 5 先跑两遍：标准答案，和乱答
#
# **问题**　得了 35 分。是模型差，还是我们的尺子坏了？
#
# **想法**　请任何模型之前，先请两位不用模型的：**gold** 原样交出标准答案；**random** 交别的题的答案，选择题就随便选一个。gold 拿不到满分，尺子一定坏了；
# random 的分数，是什么都不懂、光凭形式能拿到的**底**。
# %% [markdown] lang="en"
# Another number of examples went into **another folder**: answers to two ways of asking are never mixed.
# A corrected key **asks nothing again**, and only the score changes. The tests kill a process with a real
# `SIGKILL`: [test_runner.py](../../tests/tiny_eval/test_runner.py).
#
# > **Where the tutorials you may have read go wrong.** A loop keeps the answers in a list and
# > writes them when all is done. A
# > network error at question 9,000 loses everything before it; or it is run again in append mode, and
# > some questions count twice.
#
# ## 5 Two runs first: gold and random
#
# **Question.** A score of 35. Is the model bad, or is the ruler broken?
#
# **Idea.** Before any model, two that need none. **gold** hands in the right answers as they are;
# **random** hands in those of other questions (in multiple choice, any choice). If gold is below 100%,
# the ruler is broken for sure; what random gets is the **floor**, what form alone is worth without any
# knowledge.
# %%
from tiny_eval.choices import find_task, make_model

floor = {}
for name in ("sample-letters-en", "sample-classify-en", "sample-qa-zh", "sample-maths-zh"):
    shipped = find_task(name)
    metric = shipped.metrics[-1]
    both = [score_run(infer(shipped, make_model(who, shipped), folder / "runs").folder)
            for who in ("gold", "random")]  # fmt: skip
    floor[f"{name}\n{metric}"] = [each.estimates[metric] for each in both]
own = [score_run(infer(task, make_model(who, task), folder / "runs").folder)
       for who in ("gold", "random")]  # fmt: skip
floor["lost\nacc"] = [each.estimates["acc"] for each in own]
# %%
fig, ax = figures.canvas(height=2.9)
for place, (gold, chance) in enumerate(floor.values()):
    ax.plot([chance.value, gold.value], [place, place], color=figures.FAINT, linewidth=6, zorder=0)
    ax.plot([chance.low, chance.high], [place, place], color=figures.ROSE)
    ax.plot(chance.value, place, "o", color=figures.ROSE, label=None if place else "random")
    ax.plot(gold.value, place, "o", color=figures.GREEN, label=None if place else "gold")
ax.set_yticks(range(len(floor)), list(floor))
ax.invert_yaxis()
_ = ax.set(xlim=(-0.03, 1.05), xlabel="score"), ax.legend(bbox_to_anchor=(0.6, 0.95))
# %% [markdown] lang="zh"
# 绿点都在 1.0，头一关过了。红点是底，横线是 95% 区间（什么意思，第 8 节讲）：四选一、四个类别，区间都罩住四分之一；问答和算术，几乎是零。所以 24 道四选
# 一拿了 30 分，不是“还行”，而是几乎什么也没说。
#
# 尺子坏了是什么样？中文算术题的标准解答最后一行是 `#### 21`。打分不用再问模型，所以对着**同一份** gold 的回答，换几个**过滤器**（filter，从回复里取出答
# 案的那一步）试试：
# %% [markdown] lang="en"
# All green dots are at 1.0: the first test is passed. The red ones are the floor, with 95% intervals
# (section 8 says what those are): those of four choices or four classes hold a quarter, and questions and
# sums are next to nothing. So 30% on 24 questions with four choices is not "not bad"; it says hardly anything.
#
# What does a broken ruler look like? The solutions of the Chinese sums end in a line like `#### 21`.
# Scoring asks no model, so we take **the same** replies of gold and try several **filters** (a filter is
# the step that takes the answer out of a reply):
# %%
maths = find_task("sample-maths-zh")
gold_run = infer(maths, make_model("gold", maths), folder / "runs").folder
after_equals, one_digit = {"regex": r"等于(\d+)", "last": True}, {"regex": r"#### (\d)"}
for filters in (maths.filters, (after_equals,), (one_digit,)):
    found = score_run(gold_run, replace(maths, filters=filters))
    value, share = found.estimates["number_match"].value, found.extracted.value
    print(f"{filters!s:50} gold {value:.1%}, answer found {share:.1%}")
    for item in [item for item in found.items if not item.values["number_match"]][:1]:
        print(f"    {item.row['reply']!r} -> {item.answer!r}")
# %% [markdown] lang="zh"
# “最后一个‘等于’后面的数”听着有理，标准答案自己却只有三分之二过得去：有的没写“等于”，有的“等于”后面还有一步。少写一个加号的 `(\d)`，只剩下一位数的答案，
# 而且最险：**提取率**（answer found，取得出答案的回复占多少）高得像一切正常。要是只跑模型，你会以为是模型不会算术。
#
# gold 满分，尺子就好了吗？**不一定**。gold 只写标准答案那一种写法，模型可不这么写；下一节就有一把骗过 gold 的尺子。
#
# ## 6 选择题：看字母，还是看概率
#
# **问题**　四选一有两种考法。一种把四个选项连同字母都给模型看，要它**写出字母**；另一种不给看选项，算出**每个选项的对数似然**，取最大的。哪种公道？
#
# 拿随书的 n-gram 模型（数过两篇小短文）来考，同样的 24 题，中英文各一遍：
# %% [markdown] lang="en"
# "The number after the last 等于 (equals)" sounds sensible, but only two thirds of the right answers
# themselves pass it: some have no 等于, and in some there is one more step after it. `(\d)` without its plus
# sign leaves only the answers of one digit, and is the nastiest, since the share of replies in which an
# **answer was found** is so high that all looks well. From a model's run alone one would think that the model
# cannot add.
#
# With gold at 100%, is the ruler sound? **Not for sure.** gold writes in the one way of the key, and models do
# not; the next section has a ruler that fools gold.
#
# ## 6 Multiple choice: the letter or the likelihood
#
# **Question.** There are two ways to examine. One shows the model the four choices with their letters,
# and it has to **write a letter**. The other does not show them, computes **the log-likelihood of each**,
# and takes the largest. Which is fair?
#
# Take the n-gram model that comes with the package (it has counted two short texts), and the same 24
# questions, once in each language:
# %%
ngram = NgramModel.shipped()
print(f"{'':22}{'acc':>7}{'acc_norm':>10}{'letters':>9}{'letter found':>14}")
likely = {}
for lang in ("zh", "en"):
    by_text, by_letter = (find_task(f"sample-{kind}-{lang}") for kind in ("choice", "letters"))
    likely[lang] = score_run(infer(by_text, ngram, folder / "runs").folder)
    letters = score_run(infer(by_letter, ngram, folder / "runs").folder)
    cells = [likely[lang].estimates[name].value for name in ("acc", "acc_norm")]
    cells += [letters.estimates["exact_match"].value, letters.extracted.value]
    print(f"sample questions, {lang:4}" + "{:7.1%}{:10.1%}{:9.1%}{:14.1%}".format(*cells))
    print(f"    it wrote: {letters.items[0].row['reply'][:50]!r}")
# %% [markdown] lang="zh"
# 写字母，它是**零分**，提取率也是零：它根本没写字母，写的是它学过的话。看概率，它有个六分之一到近三成，和瞎猜差不多。基座模型（只学过接着写、没学过听指
# 令）在零样本时常是这样：字母考法首先考的是“听不听话”。反过来，字母考法更接近真实的用法。两种都行，**但不是同一个分数**，所以是两个任务。（`acc` 比总的
# 对数似然，偏爱短选项；`acc_norm` 先除以选项的字数：[第 51 章](51_metrics.ipynb)第 10 节。）
#
# **问题**　它写的若不是一个字母，而是一段话，怎样知道它选了哪个？最常见的写法是 `re.search("[ABCD]", reply)`：第一个字母就是答案。
#
# **想法**　一个字母要靠**周围的字**挣得资格：`故选`、`the answer is`、独占一行；前面有“不选”“Not”的不算；说不清的，宁可返回 `None`，不猜。
# [第 53 章](53_gaokao.ipynb)第 2 节细讲这些规矩，这里只看猜一个有什么坏处。gold 之外，再请三位“模型”来考那 24 道英文题：一位全会，但爱解释（四句话是我们
# 编的，句句先提一个错的字母）；一位什么也没说；一位永远答 D。同样的回复，两种取法：
# %% [markdown] lang="en"
# By letters it gets **nothing**, and no letter was found at all: it did not write any, it wrote what it
# had learned. By likelihood it gets between a sixth and three tenths, about what guessing gives. Base
# models, which have learned to go on and not to follow instructions, are often like that without examples:
# the exam by letters first examines obedience. On the other hand it is nearer to how models are used. Both
# are fine, **but they are not one score**, so they are two tasks. (`acc` compares whole log-likelihoods and
# favours short choices; `acc_norm` first divides by a choice's characters: section 10 of
# [chapter 51](51_metrics.ipynb).)
#
# **Question.** If it has written no letter but a paragraph, which one did it choose? The usual line is
# `re.search("[ABCD]", reply)`: the first letter is the answer.
#
# **Idea.** A letter must earn its place by **the words around it**: "the answer is", 故选, a line of its
# own; not after "Not" or 不选; and where one cannot tell, `None` is better than a guess. Section 2 of
# [chapter 53](53_gaokao.ipynb) goes through the rules; here we only ask what harm there is in a guess. Beside
# gold, three "models" sit the 24 English questions: one knows everything and explains itself (its four
# sentences are ours, and each names a wrong letter first), one says nothing, one always answers D. The same
# replies, read in two ways:
# %%
from tiny_eval.runner import rows_to_ask
from tiny_eval.scripted import ScriptedModel, prompt_key

FIRST, OURS = ({"regex": "[ABCD]"},), ("strip_think", "choice_letter")
letters = find_task("sample-letters-en")
asked = rows_to_ask(letters)
wordy = {"A": "Not B and not C, so A.", "B": "A is wrong. The answer is B.",
         "C": "A? B? Neither. I choose C.", "D": "A, B and C are wrong, so D."}  # fmt: skip
says = {
    "gold": lambda row: row["target"][0],
    "knows, explains": lambda row: wordy[row["target"][0]],
    "says nothing": lambda row: "A hard question, and B or C might be right as well.",
    "always D": lambda row: "D",
}
# %%
for name, say in says.items():
    model = ScriptedModel(name, {prompt_key(row["prompt"]): say(row) for row in asked})
    run = infer(letters, model, folder / "runs").folder
    for label, filters in (("first letter", FIRST), ("ours", OURS)):
        found = score_run(run, replace(letters, filters=filters))
        print(f"{name:16} {label:13} right {found.estimates['exact_match'].value:6.1%}, "
              f"letter found {found.extracted.value:6.1%}")  # fmt: skip


# %% [markdown] lang="zh"
# - gold 用哪种取法都满分，尺子坏没坏，它看不出来；
# - 全会的那位，用第一个字母去取，得**零分**，而提取率是 100%；
# - 什么也没说的那位，得了 25%，同永远答 D 的一样（`A hard question` 的 `A` 也是个字母）。
#
# 所以提取率低，说明分数不可信；提取率高，却**不说明**分数可信：取到了，不等于取对了。两头都要看：报告把提取率摆在每个分数旁边，也把回复一条条列出来给人
# 看（第 12 节）。
#
# **练习 1**　写 `my_filter(reply)`：返回回复里最后一个数，去掉千位的逗号，全角数字变半角，其余照原样；前面紧挨着字母的不算数（`B12`；汉字不是字母）；前面是数字的减号是减号，不是负
# 号；没有就返回 `None`。裁判是手写的答案。
# %% [markdown] lang="en"
# - gold has full marks either way: it does not see that this ruler is broken;
# - the one that knows everything, read by its first letter, has **nothing**, while a letter was found in
#   every reply;
# - the one that says nothing has 25%, as has the one that always says D (the `A` of `A hard question` is a
#   letter, too).
#
# So where few answers are found the score cannot be trusted, but where all are found it **need not be
# true**: found is not the same as found rightly. Look at both ends: the report puts the share beside each
# score, and shows the replies one by one (section 12).
#
# **Exercise 1.** Write `my_filter(reply)`: the last number in the reply, without commas between
# thousands, full-width digits made half-width, otherwise as it stands; digits right after a letter
# do not count (`B12`; a Chinese character is not a letter); a minus after a digit is a subtraction
# and not a sign; `None` if there is no number. The judge is answers written by hand.
# %%
def attempt(number, judge, yours):
    """Says what the judge says, and at which question yours went wrong."""
    asked = []

    def noted(*question):
        asked[:] = question
        return yours(*question)

    try:
        print(f"exercise {number}:", judge(noted))
    except NotImplementedError:
        print(f"exercise {number}: not written yet")
    except Exception as wrong:
        print(f"exercise {number}: not yet, at {asked}: {type(wrong).__name__}: {wrong}")


# %%
def my_filter(reply):
    raise NotImplementedError


def judge_filter(yours):
    cases = {"3 and 4 make 7": "7", "约 1,200.50 元": "1200.50", "It is -5.": "-5", "7-3": "3",
             "no idea": None, "": None, "room B12": None, "１２ 个": "12",
             "共5个": "5", "3,4": "4", "答案是-5": "-5"}  # fmt: skip
    for reply, expected in cases.items():
        got = yours(reply)
        assert got == expected, f"gives {got!r}, should be {expected!r}"
    return "right"


attempt(1, judge_filter, my_filter)
# %% [markdown] lang="zh"
# ## 7 亲手算一个对数似然
#
# ### 先合起来编码，再切开
#
# **问题**　“`Answer:` 后面接 ` seven` 的概率”，看上去一清二楚。可模型读的是**词元**，不是字。提示词
# 和续写各编各的码再拼起来，行不行？
#
# **想法**　不行。分词器看的是整段文字，接缝处可能并成别的词元。当场做一个小分词器，在小学算术上训练（Qwen2 的分词法，第 21 章）：
# %% [markdown] lang="en"
# ## 7 A log-likelihood by hand
#
# ### Encode together, then cut
#
# **Question.** "The probability of ` seven` after `Answer:`" seems clear enough. But a model reads
# **tokens**, not letters. May one encode the two apart and join them?
#
# **Idea.** No. A tokenizer looks at the whole text, and may make other tokens at the seam. We make a
# small one here, trained on sums (it works as Qwen2's does, chapter 21):
# %%
import warnings

import torch

warnings.filterwarnings("ignore", message="IProgress")  # tqdm's remark: no widgets, no matter
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

SPELT = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
NUMBERS = SPELT.split()


def lesson(a, b):
    return f"Question: What is {NUMBERS[a]} plus {NUMBERS[b]}?\nAnswer: {NUMBERS[a + b]}\n\n"


rng = random.Random(0)
book = "".join(lesson(rng.randrange(8), rng.randrange(8)) for _ in range(2000))
tokenizer = Qwen2Tokenizer().train_new_from_iterator([book[:20000]], 320, show_progress=False)
print(len(tokenizer), "tokens;", [tokenizer.decode([t]) for t in tokenizer.encode(lesson(3, 4))])
# %% [markdown] lang="zh"
# 空格是后面那个词的一部分。现在三种接法，各编各的、合起来编、我们的：
# %% [markdown] lang="en"
# A space belongs to the word after it. Three seams now: encoded apart, together, and by us:
# %%
from tiny_eval.encoding import Encoder


def pieces(ids):
    return [tokenizer.decode([token]) for token in ids]


encoder = Encoder(tokenizer, "tiny")
seams = {"Answer:": " seven", "Answer: ": "seven", "plus one?": "\nAnswer"}
for prompt, continuation in seams.items():
    apart = tokenizer.encode(prompt) + tokenizer.encode(continuation)
    together = tokenizer.encode(prompt + continuation)
    before, scored = encoder.pair(prompt, continuation)
    print(f"{prompt!r} + {continuation!r}")
    print("   apart:   ", pieces(apart))
    print("   together:", pieces(together), "the same" if apart == together else "OTHER tokens")
    print("   ours:    ", pieces(before), "then", pieces(scored))
# %% [markdown] lang="zh"
# 第一行没事。第二行，提示词末尾有个空格，各编各的就成了 `' '`、`'s'`、`'even'`，教材里从没有这样的
# 接法。我们的做法照 lm-evaluation-harness：提示词末尾的空白划给续写，
# **合起来编码，再按提示词的长度切开**。第三行说明这个办法也有到头的时候：`?` 和换行并成了一个词元，
# 切在它中间，换行就丢了。所以最稳妥的写法，是提示词不以空白收尾，续写以空格开头。
# %% [markdown] lang="en"
# The first is harmless. In the second the prompt ends in a space, and encoded apart it becomes `' '`,
# `'s'`, `'even'`, which never stand like this in the lessons. We do as lm-evaluation-harness does: white
# space at the prompt's end goes to the continuation, **both are encoded together, and cut where the prompt
# ends**. The third shows where that fails, too: `?` and the line break are one token, the cut goes through it,
# and the line break is lost. It is safest to let no prompt end in white space, and a continuation begin with
# a space.
# %%
print(inspect.getsource(Encoder.pair))
# %% [markdown] lang="zh"
# 差多少？得有个模型才知道。训练一个两层的 Qwen2，150 步，教材就是上面那种加法题：
# %% [markdown] lang="en"
# How much does it matter? For that we need a model. We train a Qwen2 of two layers, 150 steps, on sums as
# above:
# %%
torch.manual_seed(0)
config = Qwen2Config(
    vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=160,
    eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=True, initializer_range=0.1,
)  # fmt: skip
model = Qwen2ForCausalLM(config)
# %%
stream = torch.tensor(tokenizer.encode(book))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for _ in range(150):
    starts = torch.randint(len(stream) - 64, (16,))
    batch = torch.stack([stream[start : start + 64] for start in starts])  # (16, 64)
    loss = model(input_ids=batch, labels=batch).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
# %% [markdown] lang="zh"
# 存成一个文件夹，交给 `LocalModel`。这就是“换上真模型”的那一行：Qwen2.5 的文件夹也是这样给。它的对数似然应当等于亲手从 logits 里取出来的：
#
# $$\ln p(c \mid q) = \sum_{t} \ln \operatorname{softmax}(z_{t-1})_{c_t}$$
#
# $z_{t-1}$ 是读到第 $t-1$ 个词元时模型给出的 logits。
# %% [markdown] lang="en"
# It is saved as a folder and handed to `LocalModel`. That is the one line that swaps in a real model: a
# folder of Qwen2.5 is given in the same way. Its log-likelihood must be what one takes out of the logits
# by hand:
#
# $$\ln p(c \mid q) = \sum_{t} \ln \operatorname{softmax}(z_{t-1})_{c_t}$$
#
# where $z_{t-1}$ are the logits after reading token $t-1$.
# %%
from transformers.utils import logging as transformers_logging

from tiny_eval.local_model import LocalModel

transformers_logging.disable_progress_bar()
tokenizer.save_pretrained(folder / "tiny-sums")
model.save_pretrained(folder / "tiny-sums")
tiny = LocalModel(folder / "tiny-sums", device="cpu", batch_size=32)  # <- a folder: the one line
prompt = "Question: What is three plus four?\nAnswer:"
_, ours = next(tiny.loglikelihood([(prompt, " seven\n\n")]))
ids = torch.tensor([tokenizer.encode(prompt + " seven\n\n")])  # (1, T)
with torch.inference_mode():
    logp = model.eval()(ids).logits.log_softmax(-1)  # (1, T, V)
by_hand = [float(logp[0, t - 1, ids[0, t]]) for t in (ids.shape[1] - 2, ids.shape[1] - 1)]
print(f"by hand {by_hand[0]:.3f} + {by_hand[1]:.3f}; ours {ours.total:.3f}")
assert math.isclose(sum(by_hand), ours.total, abs_tol=1e-4)


# %%
def total(before, scored):
    """ln p of the tokens in `scored`, after `before`."""
    ids = torch.tensor([[*before, *scored]])
    logp = model(ids).logits.log_softmax(-1)[0, len(before) - 1 : -1]  # (len(scored), V)
    return float(logp.gather(1, torch.tensor(scored)[:, None]).sum())


spaced = prompt + " "
with torch.inference_mode():
    wrong = total(tokenizer.encode(spaced), tokenizer.encode("seven"))
    right = total(*encoder.pair(spaced, "seven"))
print(f"'seven' after a space: apart {wrong:.1f}, together then cut {right:.1f}")
# %% [markdown] lang="zh"
# 同一个模型，同一个正确答案：缝接错了，概率从接近 1 掉到几乎没有，模型像是“不会”了。什么错也没报。
#
# ### 长文章：一扇一扇的窗
#
# **问题**　算困惑度要给**整篇**文章打分，可文章比模型的上下文长。怎样让每个词元恰好算一次？
#
# **想法**　切成一扇扇的窗。若是一刀切断，每一窗开头都像失忆，前面什么也看不见。好一点的切法：一窗读满上下文，只给新的词元打分，至少看得见前一窗的最后一个词元。最后
# 一窗的新词元不够，就从左边**补满**，能多看几个就多看几个。22 个词元、上下文 8 个：
# %% [markdown] lang="en"
# The same model and the same right answer: with the wrong seam the probability falls from nearly 1 to next to
# nothing, as if the model did not know it. Nothing reports an error.
#
# ### A long text: window by window
#
# **Question.** Perplexity needs the probability of a **whole** text, which is longer than the model's
# context. How can each token be counted exactly once?
#
# **Idea.** Cut it into windows. If they are cut clean apart, each begins as if nothing had been before.
# Better: each window reads as much as the context holds, scores only what is new, and sees at least the
# last token of the window before. The last one has too few new tokens, and is **filled up from the left**
# with as many old ones as fit. 22 tokens, a context of 8:
# %%
from tiny_eval.batching import rolling_windows

length, text = 8, list(range(22))
windows = rolling_windows(text, prefix=-1, length=length)
table = np.zeros((len(windows), len(text) + 1))
for n, window in enumerate(windows):
    read = np.array(window.ids[:-1]) + 1
    table[n, read] = 0.35
    table[n, np.array(window.ids[-window.scored :]) + 1] += 0.55
fig, ax = figures.canvas(height=1.9)
ax = figures.heatmap(ax, table, ["BOS", *map(str, text)], [f"window {n + 1}" for n in range(3)],
                     colorbar=False, vmax=1)  # fmt: skip
ax.set_yticklabels([f"window {n + 1}" for n in range(3)])
ax.set_xticklabels(["BOS", *map(str, text)], rotation=0, ha="center")
ax.set(title="pale: read; middle: scored only; dark: both")
print("tokens before those that are scored:", [len(w.ids) - w.scored for w in windows])
# %% [markdown] lang="zh"
# 浅色是只读，中间色是只打分（最后一个词元不必读进去），深色又读又打分。每个词元恰好打一次分；第 2 窗往回看一个，第 3 窗有空位，往回看了三个。代码：
# %% [markdown] lang="en"
# Pale is read only; the middle shade is scored only (the last token need not be read); dark is both. Each
# token is scored once; window 2 reaches back for one, and window 3, which has room, for three. The code:
# %%
print(inspect.getsource(rolling_windows))
# %% [markdown] lang="zh"
# 切法值多少？用刚才的模型，算五道题连成的一篇“文章”的困惑度：
# %% [markdown] lang="en"
# What does the way of cutting cost? The perplexity of a "text" of five sums, by our model:
# %%
from tiny_eval.likelihood import perplexity

ids = tokenizer.encode("".join(lesson(a, (3 * a + 1) % 8) for a in range(5)))
end = encoder.prefix


def summed(windows):
    with torch.inference_mode():
        return sum(total(w.ids[: -w.scored], w.ids[-w.scored :]) for w in windows)


for length in (8, 16, 32, len(ids)):
    rolled = summed(rolling_windows(ids, end, length))
    cut = [ids[start : start + length] for start in range(0, len(ids), length)]
    alone = sum(summed(rolling_windows(part, end, length)) for part in cut)
    print(f"{length:2} tokens: {perplexity(rolled, len(ids)):.2f} by windows as drawn, "
          f"{perplexity(alone, len(ids)):.2f} if each begins anew")  # fmt: skip
# %%
narrow = LocalModel(folder / "tiny-sums", device="cpu", max_length=16)
_, found = next(narrow.loglikelihood_rolling([tokenizer.decode(ids)]))
by_hand = summed(rolling_windows(ids, end, 16))
print(f"{len(ids)} tokens in windows of 16: by hand {by_hand:.3f}, LocalModel {found.total:.3f}")
assert math.isclose(found.total, by_hand, abs_tol=1e-3)


# %% [markdown] lang="zh"
# 窗越小，忘得越多，困惑度越高；每窗都从头来，亏得最厉害。模型没变，文章也没变，所以报困惑度要连窗长一起报。
# %% [markdown] lang="en"
# The smaller the windows, the more is forgotten and the higher the perplexity; it costs most where each
# begins anew. Model and text were the same, so a perplexity is reported with its window.
# %% [markdown] lang="zh"
# ## 8 误差条
#
# ### 一个分数有多准
#
# **问题**　A 的 0.742 是**这 120 题**上的。换 120 道同一类的题，还会是 0.742 吗？
#
# **想法**　题目是从所有可能的题里抽出来的样本，分数是对“全部题上的分数”的一个猜测。猜测的抖动叫**标准误**（standard error）：
#
# $$\text{SE} = \frac{s}{\sqrt{n}}, \qquad s^2 = \frac{1}{n-1} \sum_i (x_i - \bar{x})^2$$
#
# 分数加减 1.96 个标准误，就是通常说的 **95% 区间**：换一批批的题，照这个办法画一个个区间，一百个里该有九十五个罩住真值。95% 说的是这个**办法**，不是眼前这一个区
# 间：它或者罩住了，或者没有。
# %% [markdown] lang="en"
# ## 8 Error bars
#
# ### How precise is a score?
#
# **Question.** A's 0.742 is of **these 120 questions**. With 120 others like them, would it be 0.742
# again?
#
# **Idea.** The questions are a sample of all that could be asked, and the score is a guess at the score on
# all of them. How much the guess wavers is its **standard error**:
#
# $$\text{SE} = \frac{s}{\sqrt{n}}, \qquad s^2 = \frac{1}{n-1} \sum_i (x_i - \bar{x})^2$$
#
# The score plus and minus 1.96 standard errors is what is called a **95% interval**: of 100 intervals that
# are drawn in this way, each from other questions, 95 should hold the true value. The 95% belong to the
# **method** and not to the one interval before us, which holds it or does not.
# %%
from tiny_eval.stats import Z95, mean_estimate

values = {name: np.array([i.values["acc"] for i in found.items]) for name, found in scores.items()}
n = len(values["A"])
for name, of in values.items():
    stderr = of.std(ddof=1) / math.sqrt(n)
    found = mean_estimate(of)
    assert math.isclose(stderr, found.stderr)
    print(f"{name}: {of.mean():.3f}, standard error {stderr:.3f}: "
          f"{of.mean() - Z95 * stderr:.3f} to {of.mean() + Z95 * stderr:.3f}, "
          f"Wilson {found.low:.3f} to {found.high:.3f}")  # fmt: skip


# %% [markdown] lang="zh"
# 两个区间**重叠**着。先别急着下结论（第 10 节），先问：这个区间本身靠得住吗？看看题少、又几乎全对的时候：
# %% [markdown] lang="en"
# The two intervals **overlap**. Do not conclude anything yet (section 10); ask first whether the interval
# can be trusted. Take few questions, nearly all of them right:
# %%
def wald(right, n):
    """The mean +- 1.96 standard errors."""
    share = right / n
    margin = Z95 * math.sqrt(share * (1 - share) / (n - 1))
    return share - margin, share + margin


def wilson(right, n):
    found = mean_estimate([1.0] * right + [0.0] * (n - right))
    return found.low, found.high


for right in (24, 23, 18, 12):
    print(f"{right} of 24: 1.96 SE {wald(right, 24)[0]:.3f} to {wald(right, 24)[1]:.3f}, "
          f"Wilson {wilson(right, 24)[0]:.3f} to {wilson(right, 24)[1]:.3f}")  # fmt: skip
# %% [markdown] lang="zh"
# 24 题全对，“加减 1.96 SE”说真值**就是** 1，一点疑问也没有；对 23 题，它说可能超过 1。毛病在于标准误是从样本自己估的：全对的样本里没有一点起伏。**Wilson 区间**
# （1927）反过来想：哪些真值 $p$，会让看到的结果不算离奇？$\hat p$ 是答对的比例，把 $|\hat p - p| \le z \sqrt{p(1-p)/n}$ 解出来：
#
# $$\frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}$$
#
# 全是 0 和 1 的分数，我们用它。同 scipy 对一遍：
# %% [markdown] lang="en"
# With 24 of 24 right, "1.96 SE" says that the true value **is** 1, without a doubt; with 23 it may be above
# 1. The trouble is that the standard error is estimated from the sample itself, which does not vary where all are
# right. **Wilson's interval** (1927) asks the other way round: for which true values $p$ would the result be
# nothing unusual? With $\hat p$ the share that is right, solving
# $|\hat p - p| \le z \sqrt{p(1-p)/n}$ gives
#
# $$\frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}$$
#
# Where all scores are 0 or 1 we use that one. Against scipy:
# %%
from importlib.util import find_spec

if find_spec("scipy"):
    from scipy.stats import binomtest

    for right in range(25):
        theirs = binomtest(right, 24).proportion_ci(method="wilson")
        np.testing.assert_allclose(wilson(right, 24), (theirs.low, theirs.high), atol=1e-9)
    print("Wilson's interval: as scipy's for 0 to 24 of 24")
else:
    print("scipy is not installed: the comparison is skipped")
# %% [markdown] lang="zh"
# 哪个说话算数？考一考它们：真值取从 0.5 到 0.99，每个真值“考”4000 场，数一数区间罩住真值的比例（**覆盖率**，coverage）。应当是 95%：
# %% [markdown] lang="en"
# Which of them keeps its word? Put them to the test: for true values from 0.5 to 0.99, hold 4000 exams each
# and count how often the interval has the true value in it (its **coverage**). It should be 95%:
# %%
rng = np.random.default_rng(52)
shares = np.linspace(0.5, 0.99, 50)
held = {}
for size, (name, interval) in itertools.product(
    (24, 120), {"1.96 SE": wald, "Wilson": wilson}.items()
):
    ends = np.array([interval(right, size) for right in range(size + 1)])  # (size + 1, 2)
    drawn = rng.binomial(size, shares, (4000, len(shares)))  # 4000 exams for each true share
    inside = (ends[drawn, 0] <= shares) & (shares <= ends[drawn, 1])
    held[f"{name}, n={size}"] = inside.mean(0)
    print(
        f"{name:8} n={size:3}: holds {inside.mean(0).min():.0%} at worst, {inside.mean():.0%} on average"
    )
# %%
fig, axes = figures.canvas(1, 2, height=3)
ax = figures.curve(axes[0], shares, held, xlabel="true share")
ax.axhline(0.95, color=figures.INK, linewidth=0.8)
ax.set(title="how often the interval holds", ylim=(0.2, 1.03))
sizes = np.array([10, 24, 50, 120, 300, 1000, 3000])
widths = [wilson(round(0.75 * size), int(size)) for size in sizes]
axes[1].loglog(sizes, [100 * (high - low) for low, high in widths], marker="o")
print({int(n): f"{100 * (high - low):.0f}" for n, (low, high) in zip(sizes, widths, strict=True)})
axes[1].set(title="width, three in four right", xlabel="questions", ylabel="percentage points")
axes[1].set_xticks(sizes[1::2], [f"{size}" for size in sizes[1::2]])
axes[1].set_yticks([3, 10, 30], ["3", "10", "30"])
axes[1].minorticks_off()
# %% [markdown] lang="zh"
# 左图：24 题时，“1.96 SE” 在真值高的地方一路跌到两成；Wilson 一直在 95% 上下。右图是 Wilson 区间有多宽（百分点，上面印着）：24 题三十多，120 题十五，一千题还有五。
# 宽度按 $1/\sqrt{n}$ 缩：要窄一半，题要四倍。
#
# ### 一页三题，算几题？
#
# **问题**　我们的 120 题来自 40 页登记簿。一页难，三题都难。这还是 120 个独立的样本吗？
#
# **想法**　同一页的题容易一起对、一起错，多出的那两题带来的信息就少。**聚类标准误**（clustered standard error；Miller 2024，arXiv:2411.00640）先在页内把偏差
# 加起来，再平方。$G$ 是页数；前面的 $\frac{G}{G-1}$ 是页数少时的修正，Miller 的式子里没有：
#
# $$\text{SE}^2 = \frac{G}{G-1} \cdot \frac{1}{n^2} \sum_{g=1}^{G} \Big( \sum_{i \in g} (x_i - \bar{x}) \Big)^2$$
# %% [markdown] lang="en"
# On the left: with 24 questions, "1.96 SE" falls to a fifth where the true value is high, and Wilson's
# stays near 95%. On the right, how wide Wilson's interval is (in percentage points, printed above): more
# than thirty for 24 questions, fifteen for 120, still five for a thousand. The width shrinks as
# $1/\sqrt{n}$: half as wide takes four times the questions.
#
# ### Three questions of a page: how many are they?
#
# **Question.** Our 120 questions come from 40 pages. Where a page is hard, all three are. Are those still
# 120 independent samples?
#
# **Idea.** Questions of a page tend to be right or wrong together, so the other two bring less that is new.
# The **clustered standard error** (Miller 2024, arXiv:2411.00640) first adds up the deviations within a page,
# then squares. $G$ is the number of pages; the factor $\frac{G}{G-1}$ corrects for few pages, and is not in
# Miller's formula:
#
# $$\text{SE}^2 = \frac{G}{G-1} \cdot \frac{1}{n^2} \sum_{g=1}^{G} \Big( \sum_{i \in g} (x_i - \bar{x}) \Big)^2$$
# %%
groups = [item.row["doc"]["register_id"] for item in scores["A"].items]
for name, of in values.items():
    alone, together = mean_estimate(of), mean_estimate(of, groups)
    print(f"{name}: standard error {alone.stderr:.4f} as 120 questions, "
          f"{together.stderr:.4f} as 40 registers")  # fmt: skip
# %% [markdown] lang="zh"
# 大了一截。不管它会怎样？造 400 场考试，每场 40 页，页的难度有高有低，真值都是 0.75：
# %% [markdown] lang="en"
# Clearly larger. What if one ignores it? Hold 400 exams of 40 pages that differ in difficulty,
# where the
# true value is 0.75:
# %%
rng = np.random.default_rng(52)
held = Counter()
for _ in range(400):  # 400 exams of 40 registers whose difficulty differs
    easy = rng.beta(1.5, 0.5, 40)  # the mean is 0.75
    answers = (rng.random((40, 3)) < easy[:, None]).astype(float).ravel()
    for name, clusters in (
        ("questions", None),
        ("registers", np.repeat(np.arange(40), 3).tolist()),
    ):
        found = mean_estimate(answers.tolist(), clusters)
        held[name] += found.low <= 0.75 <= found.high
print({name: f"{count / 400:.1%}" for name, count in held.items()})
# %% [markdown] lang="zh"
# 当成 120 道独立的题，说是 95%，其实不到九成；按页算，才名副其实。阅读理解、一篇文章多个问题的基准，都是这样。
#
# ### 不是平均数的分数
#
# BLEU 不是各题分数的平均，而是把计数全加起来再算（第 51 章），没有现成的标准误。**自助法**（bootstrap；Efron 1979）：从 24 句里**有放回地**抽 24 句，重算一遍
# BLEU；抽一千回，取中间 95%。这里的“模型”交的是掐掉最后两个词的标准译文：
# %% [markdown] lang="en"
# As 120 independent questions, what is called 95% is less than 90%; by pages, it is what it says. Any
# benchmark with several questions about one text is like that.
#
# ### Scores that are no means
#
# BLEU is no mean of the questions' scores: the counts of all are added up first (chapter 51), so it has no
# standard error at hand. The **bootstrap** (Efron 1979) draws 24 of the 24 sentences **with replacement**,
# computes BLEU anew, does so a thousand times, and takes the middle 95%. The "model" here hands in
# the reference translations without their last two words:
# %%
translation = find_task("sample-translation-zh-en")
clipped = {prompt_key(row["prompt"]): row["target"][0].rsplit(" ", 2)[0]
           for row in rows_to_ask(translation)}  # fmt: skip
run = infer(translation, ScriptedModel("clipped", clipped), folder / "runs").folder
found = score_run(run).estimates["bleu"]
print(f"BLEU {found.value:.1f}, 95% interval {found.low:.1f} to {found.high:.1f} (n={found.n})")


# %% [markdown] lang="zh"
# 24 句话，BLEU 的区间宽十来分。两个系统各报各的分，差几分就说明不了什么；要比，得在同样的句子上成对地比（第 10 节；BLEU 用成对的自助法，Koehn 2004）。
#
# **练习 2**　现在的 `my_interval(right, n)` 是“加减 1.96 SE”。照上面的式子改成 Wilson 区间（$z = 1.96$）。裁判是手算的数，其中 81/263 是 Newcombe 1998 的例子。
# %% [markdown] lang="en"
# With 24 sentences, BLEU's interval is some ten points wide. Where two systems report a score each, a few
# points apart mean nothing; to compare them takes the same sentences, in pairs (section 10; for BLEU, the
# paired bootstrap of Koehn 2004).
#
# **Exercise 2.** As it stands, `my_interval(right, n)` is "1.96 SE". Make it Wilson's interval by the formula
# above ($z = 1.96$). The judge is numbers worked out by hand; 81 of 263 is the example of Newcombe 1998.
# %%
def my_interval(right, n):
    share = right / n  # yours instead
    margin = 1.96 * math.sqrt(share * (1 - share) / n)
    return share - margin, share + margin


def judge_interval(yours):
    """Numbers of Wilson's formula, worked out by hand with z = 1.96."""
    cases = {(24, 24): (0.8620, 1.0), (0, 10): (0.0, 0.2775), (1, 2): (0.0945, 0.9055),
             (81, 263): (0.2553, 0.3662)}  # fmt: skip
    for given, (low, high) in cases.items():
        got = yours(*given)
        assert np.allclose(got, (low, high), atol=2e-4), f"gives {got}, should be {(low, high)}"
    return "right"


attempt(2, judge_interval, my_interval)
# %% [markdown] lang="zh"
# ## 9 多少道题才够
#
# **问题**　想看出两个模型差 3 个百分点，要多少题？先算，再跑，不要跑完了才发现题不够。
#
# **想法**　要让检验在 5% 的水准上、以八成的把握（**功效**，power）看出差 $\delta$，需要
#
# $$n = \frac{(z_{0.975} + z_{0.8})^2 \cdot 2 s^2 (1 - \rho)}{\delta^2}$$
#
# $s$ 是一个模型各题分数的标准差（对错题至多 0.5），$\rho$ 是两个模型在同一批题上的分数的**相关**：难题都难，易题都易，$\rho$ 就高，差就看得清。
# %% [markdown] lang="en"
# ## 9 How many questions are enough
#
# **Question.** To see that two models are 3 percentage points apart, how many questions does it take? Compute
# first, then run, and do not find out afterwards that they were too few.
#
# **Idea.** To see a difference $\delta$ at the level of 5%, four times in five (the **power**), one needs
#
# $$n = \frac{(z_{0.975} + z_{0.8})^2 \cdot 2 s^2 (1 - \rho)}{\delta^2}$$
#
# Here $s$ is the standard deviation of one model's scores (0.5 at most where they are 0 or 1), and $\rho$ the
# **correlation** of both models' scores on the same questions: where hard ones are hard for both, $\rho$ is
# high, and the difference is easier to see.
# %%
from tiny_eval.stats import questions_needed

gaps = np.array([0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2])
lines = {f"correlation {r:.1f}": [questions_needed(gap, correlation=r) for gap in gaps]
         for r in (0.0, 0.5, 0.8)}  # fmt: skip
fig, ax = figures.canvas(height=2.8)
ax = figures.curve(ax, 100 * gaps, lines, xlabel="true difference, percentage points",
                   ylabel="questions", log=True, marker="o")  # fmt: skip
ax.set(xscale="log")
ax.set_xticks(100 * gaps, [f"{100 * gap:g}" for gap in gaps])
ax.minorticks_off()
# %%
a, b = values["A"], values["B"]
correlation = float(np.corrcoef(a, b)[0, 1])
stdev = float(np.sqrt((a.var() + b.var()) / 2))
print(f"A and B: correlation {correlation:.2f}, standard deviation {stdev:.2f}")
for gap in (0.10, 0.05, 0.02):
    print(f"for {100 * gap:2.0f} points: {questions_needed(gap, stdev, correlation):5} questions, "
          f"or {questions_needed(gap, stdev):5} for each model if they differ")  # fmt: skip
# %% [markdown] lang="zh"
# 差 10 个点，要一百四十多题，我们只有 120：真有这么大的差，也有两成以上的可能看不出来。差 2 个点，要几千题。（聚类还没算进去；算进去，要得更多。）两个模型若答不同
# 的题，$\rho = 0$，每个模型都要多七成。**同样的题，成对地比**，是最便宜的放大镜。图的两个轴都是对数：差小一半，题要四倍。
# %% [markdown] lang="en"
# Ten points take more than 140 questions, and we have 120: such a difference, if there is one, would be missed
# more than once in five times. Two points take thousands. (Clusters are not counted in, and would take more.) If
# the models answer different questions, $\rho = 0$, and each needs seven tenths more. **The same questions, compared in pairs**,
# are the cheapest magnifying glass. Both axes are logarithmic: half the difference, four times the questions.
# %% [markdown] lang="zh"
# ## 10 A 对 B
#
# ### 不成对，与成对
#
# **问题**　第 8 节里两个区间重叠着。是不是就说明“没有差别”？
#
# **想法**　不是。当成两批不相干的题，差的标准误要把两边的抖动都算上；可是 A 和 B 答的是**同样的题**，题目难易带来的抖动两边都有，一减就消掉许多。只看两者**不一样**的那些题：
# %% [markdown] lang="en"
# ## 10 A against B
#
# ### Unpaired and paired
#
# **Question.** In section 8 the two intervals overlap. Does that mean "no difference"?
#
# **Idea.** No. Taken as two unrelated sets of questions, the difference wavers as much as both scores
# together. But A and B answered **the same questions**: much of what comes from hard and easy ones is in
# both, and goes when one subtracts. Look only at those where the two **differ**:
# %%
from statistics import NormalDist

from tiny_eval.paired_tests import compare, holm, mcnemar, sign_flip, verdict


def unpaired(a, b):
    """The p-value if these were two unrelated sets of questions."""
    stderr = math.hypot(*(np.std(of, ddof=1) / math.sqrt(len(of)) for of in (a, b)))
    return 2 * NormalDist().cdf(-abs(np.mean(b) - np.mean(a)) / stderr)


print(f"unpaired: {b.mean() - a.mean():+.3f}, p = {unpaired(a, b):.3f}")
paired = compare(a, b)
print(
    f"paired:   {paired.difference:+.3f}, {paired.low:+.3f} to {paired.high:+.3f}, p = {paired.p_value:.3f}"
)
print(f"B alone is right on {paired.wins}, A alone on {paired.losses}, the same on {paired.ties}")
# %% [markdown] lang="zh"
# 不成对，p 是 0.056，“不显著”；成对，0.023。数据一个字没变，变的是算法。96 题两者一样，谁好谁坏，它们没有发言权；全部证据是 18 比 6。
#
# **p 值**说的是：**假如** A、B 一样好，只凭运气，差得这么远或更远的机会有多大。它**不是** A、B 一样好的概率，也不说差有多大。“一样好”在这里的意思是：每道有分歧的题上，谁赢
# 都像抛硬币。那就抛给你看：把 24 个差的正负号随机翻一万遍（**符号翻转检验**，sign-flip test；Fisher 1935；也就是[第 32 章](32_measuring_retrieval.ipynb)的成对随机化检验），看有多少遍离 0 至少像真的那么远（玫瑰色）：
# %% [markdown] lang="en"
# Unpaired, p is 0.056, "not significant"; paired, 0.023. Not a digit of the data has changed, only
# the way it is analysed. On 96 questions both did the same, and those have no say in who is better;
# all the evidence is
# 18 to 6.
#
# The **p-value** is the chance that luck alone would set A and B so far apart, or further, **if** they were
# equally good. It is **not** the probability that they are equally good, nor does it say how far apart they
# are. Equally good means here: on each question where they differ, who wins is the toss of a coin. So toss it:
# flip the signs of the 24 differences at random, ten thousand times (the **sign-flip test**; Fisher 1935; it is the paired randomisation test of
# [chapter 32](32_measuring_retrieval.ipynb)), and
# see how often the sum is at least as far from 0 as the real one (rose):
# %%
rng = np.random.default_rng(52)
moved = (b - a)[b != a]  # the questions on which they differ
flips = rng.choice([-1, 1], (10_000, len(moved)))
sums = (flips * moved).sum(1)
reached = np.abs(sums) >= abs(moved.sum())
fig, ax = figures.canvas(height=2.7)
for chosen, colour in ((~reached, figures.GREY), (reached, figures.ROSE)):
    bins = np.arange(-len(moved) - 1, len(moved) + 2, 2)
    ax.hist(sums[chosen], bins, color=colour, edgecolor=figures.PAPER)
ax.axvline(moved.sum(), color=figures.INK)
ax.set(xlabel="B's wins minus losses, signs flipped at random", yticks=[])
print(f"as far out as {moved.sum():+.0f}: {reached.mean():.4f} of 10,000; sign_flip "
      f"{sign_flip(b - a):.4f}, mcnemar {mcnemar(paired.wins, paired.losses):.4f}")  # fmt: skip
# %% [markdown] lang="zh"
# 差都是 ±1 的时候，不必抛，二项分布有准数，这就是精确的 **McNemar 检验**（1947）：
# %% [markdown] lang="en"
# Where the differences are ±1 nothing need be tossed, for the binomial distribution has the exact number.
# That is **McNemar's test** (1947) in its exact form:
# %%
print(inspect.getsource(mcnemar))
# %% [markdown] lang="zh"
# 一页三题要一起翻：同一页的差先加起来，再翻这一页的符号。下面第一句把题当成独立的，第二句按页。`verdict` 只在 p 不超过 0.05、区间又不含 0 的时候才说“beats”：
# %% [markdown] lang="en"
# Questions of a page are flipped together: the differences of a page are added up, and the sum gets one sign.
# The first sentence below takes the questions as independent, the second goes by pages. `verdict` says
# "beats" only where p is at most 0.05 and 0 lies outside the interval:
# %%
clustered = compare(a, b, clusters=groups)
print(verdict(paired, "A", "B"))
print(verdict(clustered, "A", "B"))
# %% [markdown] lang="zh"
# 这就是开头要的那句话：**B 胜过 A 0.100，95% 区间 0.019 到 0.181，120 题，p = 0.025**。它没有说“B 处处都好”（中文题上没差别），没有说差正好是 0.1（区间从 0.02 起），
# 也没有说换个模板还是这样（第 11 节）。若是分不出高下，它会说“数据分不出”，并加一句：这不等于两者一样。
#
# ### 这个例子是挑出来的
#
# 老实说：登记簿的样子、A 和 B 的那几个数，是我们**挑**的，要的就是不成对看不出、成对看得出。既然挑过，上面那个 p 就不能当证据：它假定只做了一次检验。好在题可以再出。两个
# 模型一点不动，换十二套新题（种子 53 到 64，一套也不挑）：
# %% [markdown] lang="en"
# That is the sentence that was wanted: **B beats A by 0.100, 95% interval 0.019 to 0.181, on 120 questions,
# p = 0.025**. It does not say that B is better everywhere (in Chinese there is no difference), nor that the
# difference is 0.1 (the interval begins at 0.02), nor that another template would give the same (section 11).
# Where the two cannot be told apart it says so, and adds that this does not show that they are equal.
#
# ### This example was picked
#
# To be honest: the registers, and the numbers of A and B, were **picked**, so that the unpaired
# test would miss the difference and the paired one would find it. After that the p-value above is
# no evidence, since it supposes that one test was
# made. But questions can be made anew. Leave both models alone, and take twelve other sets (seeds 53 to 64, none
# left out):
# %%
from tiny_eval.comparison import compare_runs

again = {}
for seed in range(53, 65):  # other questions, and nothing else
    path = folder / f"lost-{seed}.jsonl"
    write_lines(path, questions(40, seed))
    fresh = replace(task, data=path)
    two = [score_run(infer(fresh, model, folder / "runs").folder) for model in models]
    marks = [[item.values["acc"] for item in found.items] for found in two]
    again[seed] = compare_runs(*two).metrics["acc"].found, unpaired(*marks)
# %%
fig, ax = figures.canvas(height=2.5)
sets = {52: clustered} | {seed: found for seed, (found, _) in again.items()}
for place, of in enumerate(sets.values()):
    colour = figures.BLUE if of.p_value <= 0.05 else figures.GREY
    ax.plot([place, place], [of.low, of.high], color=colour)
    ax.plot(place, of.difference, "o", color=colour)
ax.axhline(0, color=figures.INK, linewidth=0.8)
ax.set_xticks(range(len(sets)), list(sets))
_ = ax.set(xlabel="seed of the questions; blue: p at most 0.05", ylabel="B - A")
# %%
gaps = [of.difference for of, _ in again.values()]
of = mean_estimate(gaps)
print(f"B - A on the twelve others: {min(gaps):+.3f} to {max(gaps):+.3f}, "
      f"mean {of.value:+.3f}, 95% interval {of.low:+.3f} to {of.high:+.3f}")  # fmt: skip
found_by = Counter((of.p_value <= 0.05, p <= 0.05) for of, p in again.values())
for pairs, alone in sorted(found_by, reverse=True):
    print(f"in pairs {'p <= 0.05' if pairs else 'p >  0.05'}, unpaired "
          f"{'p <= 0.05' if alone else 'p >  0.05'}: {found_by[pairs, alone]:2} of 12")  # fmt: skip
print("questions for a difference like the mean:", questions_needed(of.value, stdev, correlation))
# %% [markdown] lang="zh"
# 新题不是挑的，它们的话可以信：十二套平均 +0.063，95% 区间 0.028 到 0.098，**B 确实好一些**。但是：
#
# - 好的是六个点上下，不是十个。我们那一套偏高，一点不奇怪：**挑出来的数往往偏高**；
# - 十二套里，成对检验只看出 5 套。120 题本来就不够，这么小的差要三四百题（上面最后一行）。单看没看出的七套，谁要是说“两个一样好”，就错了；
# - 不成对也看出了 4 套。成对是帮忙，不是魔法：成对看得出、不成对看不出的，十二套里只有 1 套。
#
# ### 试了二十个，挑最好的
#
# **问题**　换了二十种配方，最好的那个 p = 0.03。能发文章了吗？
#
# **想法**　没有差别的时候，每次检验也有（至多）5% 的机会看走眼；试二十次，至少走眼一次的机会就大多了。**Holm 校正**（1979）：把 $m$ 个 p 值从小到大排，最小的乘
# $m$，第二小的乘 $m-1$……后面的不得小于前面的。模拟 300 回：一个旧模型，二十个与它**一样好**的新模型，各答 120 题。
# %% [markdown] lang="en"
# The new questions were not picked, so what they say counts: +0.063 on average, 95% interval 0.028 to 0.098.
# **B really is better.** But:
#
# - it is better by some six points, not by ten. That our set has more is no surprise: **what was picked tends to be
#   too high**;
# - in pairs, 5 of the twelve sets show it. 120 questions are too few: such a difference takes three or four hundred
#   (the last line). Whoever saw one of the other seven and said "they are equal" would be wrong;
# - unpaired, 4 sets show it, too. Pairing helps but works no wonders: of the twelve, 1 is like
#   ours, found in pairs
#   and missed unpaired.
#
# ### The best of twenty
#
# **Question.** Twenty recipes were tried, and the best has p = 0.03. Is it time to publish?
#
# **Idea.** Where there is no difference, each test is still fooled (at most) 5% of the time; of twenty, at least
# one is fooled much more often. **Holm's correction** (1979): order the $m$ p-values, multiply the smallest by
# $m$, the next by $m-1$, and so on, none below the one before it. Simulate 300 times:
# an old model, and twenty new ones **just as good**, on 120 questions each.
# %%
rng = np.random.default_rng(52)
smallest, corrected = [], []
for _ in range(300):  # 300 times: 20 models as good as the old one, 120 questions
    old = rng.random(120) < 0.75
    equals = rng.random((20, 120)) < 0.75
    wins, losses = (equals & ~old).sum(1), (~equals & old).sum(1)
    found = [mcnemar(int(w), int(lost)) for w, lost in zip(wins, losses, strict=True)]
    smallest.append(min(found))
    corrected.append(min(holm(found)))
print(f"'significant' at 0.05: {np.mean(np.array(smallest) <= 0.05):.0%} of the times, "
      f"after Holm {np.mean(np.array(corrected) <= 0.05):.0%}")  # fmt: skip


# %% [markdown] lang="zh"
# 三回里有一回，二十个一样好的模型中至少冒出一个“显著”的（或好或差）。校正之后，只剩百分之二。`compare_runs` 和报告把同一任务里的全部检验一起校正；你没报告的那十九次，它们
# 不知道，得你自己说。
#
# > **教程里常见的错**　“区间重叠，所以没有差别”；“p > 0.05，所以一样好”；按测试集的分数挑检查点，再报同一个分数；表里每列最高的加粗，没有一个误差条。
#
# **练习 3**　现在的 `my_sign_flip(differences)` 返回胜率。改成符号翻转检验的**精确** p 值：试遍所有的正负号，数出和的绝对值不小于原来的比例。裁判是手数的。
# %% [markdown] lang="en"
# One time in three, at least one of twenty models that are all equally good comes out "significant"
# (better, or worse). After the correction it is 2%. `compare_runs` and the report correct all tests
# of a task together; of the nineteen that you did not report they know nothing, so you have to
# mention them.
#
# > **Where the tutorials you may have read go wrong.** "The intervals overlap, so there is no
# > difference"; "p > 0.05, so they are
# > equal"; a checkpoint is picked by its score on the test set, and that same score is reported; the best
# > number of each column is bold, and there is not one error bar.
#
# **Exercise 3.** As it stands, `my_sign_flip(differences)` returns the share of wins. Make it the **exact**
# p-value of the sign-flip test: try all signs, and count what share of the sums is as far from 0 as the real
# one, or further. The judge was counted by hand.
# %%
def my_sign_flip(differences):
    wins = sum(d > 0 for d in differences)  # yours instead
    return wins / len(differences)


def judge_sign_flip(yours):
    """All signs tried by hand: how many of the 2^n sums are as far from 0."""
    cases = {(1, 1, 1): 2 / 8, (1, 1, -1): 8 / 8, (3, 1): 2 / 4, (0.5, 0.5, 0, 2): 2 / 8,
             (1,) * 6: 2 / 64, (2, -1, 1): 6 / 8}  # fmt: skip
    for given, expected in cases.items():
        got = yours(list(given))
        assert math.isclose(got, expected, abs_tol=1e-9), f"gives {got}, should be {expected}"
    return "right"


attempt(3, judge_sign_flip, my_sign_flip)
# %% [markdown] lang="zh"
# ## 11 模板的一个词，示例的次序
#
# **问题**　第 2 节说，换个问法，分数可能变。变多少？
#
# **想法**　用第 7 节那个小模型来量。它是真的训练出来的，加法从零加到七，64 种组合教材里全有；所以考的**不是**加法，而是“换一种问法，它还认得吗”。拿出四道题留作例题，其余 60 题当试
# 卷。（训练用的是单精度浮点数，别的机器上，这一节的数字会有出入。）
# %% [markdown] lang="en"
# ## 11 A word of the template, the order of examples
#
# **Question.** Section 2 said that another way of asking may get another score. How far apart are they?
#
# **Idea.** Measure it with the small model of section 7. It really was trained, on sums from zero to seven,
# and all 64 of them are in its book; so this does **not** examine its sums but whether it knows them again
# when they are put otherwise. Four sums are kept as examples, the other 60 are the exam. (Training is in
# single precision; on another machine, the numbers of this section come out somewhat different.)
# %%
from tiny_eval.tasks import task_of

every = [{"a": NUMBERS[a], "b": NUMBERS[b], "answer": NUMBERS[a + b]}
         for a in range(8) for b in range(8)]  # fmt: skip
assert all(lesson(a, b) in book for a in range(8) for b in range(8))
four = [every[n] for n in (9, 20, 34, 60)]  # examples, and no questions
sums = [each for each in every if each not in four]
write_lines(folder / "sums.jsonl", sums)
write_lines(folder / "four.jsonl", four)
HEARD = "Question: What is {{a}} plus {{b}}?\nAnswer:"
content = {"name": "sums", "data": "sums.jsonl", "prompt": HEARD, "target": "answer"}
content |= {"filters": ["strip"], "metrics": ["exact_match"], "few_shot_data": "four.jsonl"}
content |= {"generation": {"max_tokens": 3, "stop": ["\n"]}}
adding = task_of(content, folder, "sums")


# %%
def right_on(task):
    """0 or 1 for each sum."""
    found = score_run(infer(task, tiny, folder / "runs").folder)
    return [item.values["exact_match"] for item in found.items]


# %% [markdown] lang="zh"
# 六种模板，一样的权重，一样的题，成对地和教它的那种比。最右是 p 值，五个检验一起校正过：
# %% [markdown] lang="en"
# Six templates, the same weights, the same questions; each compared in pairs with the one it was taught. On the
# right are the p-values, all five corrected together:
# %%
from tiny_eval.report_tables import p_text

templates = {
    "as it was taught": HEARD,
    "Q and A": "Q: What is {{a}} plus {{b}}?\nA:",
    "in one line": "Question: What is {{a}} plus {{b}}? Answer:",
    "How much is": "Question: How much is {{a}} plus {{b}}?\nAnswer:",
    "small letters": "question: what is {{a}} plus {{b}}?\nanswer:",
    "a statement": "{{a}} plus {{b}} is",
}
told = {name: right_on(replace(adding, prompt=prompt)) for name, prompt in templates.items()}
tests = [compare(told["as it was taught"], of) for of in told.values()][1:]
adjusted = ["", *(p_text(p) for p in holm([test.p_value for test in tests]))]
for (name, of), p_value in zip(told.items(), adjusted, strict=True):
    print(f"{name:18} {np.mean(of):6.1%}   {p_value}")
# %% [markdown] lang="zh"
# 换成 `Q`、`A`，写成一行，`What` 换成 `How much`，看不出有什么害处；全部改小写，垮了；改成陈述句，几乎全不会了。这是**一个**模型的脾气，换个种子再训练一个，怕的模板可能不同。真的大模型见多识
# 广，没有这么脆，但也脆：2023 年的一项研究（arXiv:2310.11324）换格式不换意思，同一个模型的准确率能差几十个点。
#
# 再看例题。`How much is` 这个模板它没学过，可零样本也答得好。加几道例题，总该更好吧？
# %% [markdown] lang="en"
# `Q` and `A`, one line instead of two, `How much` for `What`: no harm to be seen. All in small letters: it breaks
# down. A statement: it hardly knows anything. These are the ways of **one** model; trained from another seed, it
# may stumble over other templates. Large models have seen more and are less brittle, but brittle they are: a study
# of 2023 (arXiv:2310.11324) changed the format and not the meaning, and the accuracy of one model moved by tens
# of points.
#
# Now examples. It was never taught the template `How much is`, and does well without any example. With a few,
# should it not do better still?
# %%
how_much = replace(adding, prompt=templates["How much is"])
shots = {k: right_on(replace(how_much, few_shot=k)) for k in (0, 1, 2, 4)}
print({k: f"{np.mean(of):.1%}" for k, of in shots.items()})
orders = {}
for order in itertools.permutations(range(4)):
    path = folder / f"four-{'-'.join(map(str, order))}.jsonl"
    write_lines(path, [four[n] for n in order])
    orders[order] = right_on(replace(how_much, few_shot=4, few_shot_data=path))
assert orders[0, 1, 2, 3] == shots[4]
ranked = sorted(orders, key=lambda order: np.mean(orders[order]))
# %%
fig, ax = figures.canvas(height=2.8)
found = [mean_estimate(orders[order]) for order in ranked]
middle = [each.value for each in found]
spread = np.array([[e.value - e.low for e in found], [e.high - e.value for e in found]])
ax.errorbar(range(24), middle, spread, fmt="o", capsize=2, linewidth=1)
ax.set_xticks(range(24), ["".join(map(str, order)) for order in ranked], rotation=90, size=8)
ax.set(ylabel="right", xlabel="the same four examples, by order", ylim=(0, 1))
pairs = list(itertools.combinations(ranked, 2))
p_values = [compare(orders[x], orders[y]).p_value for x, y in pairs]
adjusted = holm(p_values)
print(verdict(compare(shots[0], shots[4]), "no example", "four examples"))
print(
    f"from {middle[0]:.1%} to {middle[-1]:.1%}; of {len(pairs)} pairs of orders "
    f"{sum(p <= 0.05 for p in p_values)} differ at 0.05, after Holm {sum(p <= 0.05 for p in adjusted)}"
)
# %% [markdown] lang="zh"
# 四道例题让它**变差**了，检验也说不像是运气。大概是因为教材里前一题与后一题毫无关系，“照着例子做”它从没学过。再看图：同样四道例题，只换**次序**，24 种排法从最左到最右差出几十个点。可是最左和最右是
# 看了结果才挑出来的，等于在 276 对里挑，所以要校正；印出来的最后一个数，是校正之后还分得开的有几对。（它随机器变，也可能是 0：60 道题，经不起挑 276 回。）次序的影响在大模型上也量到
# 过（Lu 等 2022，arXiv:2104.08786；Zhao 等 2021，arXiv:2102.09690）。
#
# 数字本身不能推广；能推广的是**做法**：报分数时写明模板、例题和次序；换几种次序，报平均和范围；比较
# 两个模型，用一样的提示词。
#
# ## 12 报告
#
# **问题**　数字有了，怎样交给别人看，又不让他只看见一个数？
#
# **想法**　一页 HTML，没有脚本，不用联网：分数带区间，两次运行的比较，评测设置，最后是一题一题的原文。从打分到报告，命令行里是三行（区间已按登记簿的页聚类）：
# %% [markdown] lang="en"
# Four examples made it **worse**, and the test says that this is hardly luck. Perhaps it is because no sum
# in its book has anything to do with the one before: it has never learned to follow an example. Now the picture:
# the same four examples, and nothing but their **order** changed, are tens of points apart from the leftmost of the 24 to the
# rightmost. But those two were picked after the results were seen, out of 276 pairs, so a correction is due: the
# last number printed says how many pairs are still apart after it. (It varies between machines and may be 0: 60
# questions cannot bear 276 picks.) The effect of order has been measured on large models, too (Lu et al. 2022,
# arXiv:2104.08786; Zhao et al. 2021, arXiv:2102.09690).
#
# The numbers say nothing of other models. What carries over is **what to do**: report the template, the examples
# and their order with the score; try several orders, report the mean and the range; compare two models by the
# same prompts.
#
# ## 12 The report
#
# **Question.** The numbers are there. How are they handed over so that the reader sees more than a
# single number?
#
# **Idea.** A page of HTML, without scripts and without a network: scores with intervals, the comparison of two
# runs, how they were made, and at the end the texts themselves, question by question. On the
# command line, it takes three lines to get from scores to the report (intervals are clustered by
# pages of the register):
# %%
from tiny_eval.cli import main


def tiny_eval(*arguments):
    """`python -m tiny_eval ...` in that folder."""
    print("$ tiny_eval", *arguments)
    with contextlib.chdir(folder), contextlib.redirect_stderr(sys.stdout):
        return main(list(arguments))


short = [str(run.folder.relative_to(folder)) for run in runs.values()]
code = tiny_eval("score", *short)
code = tiny_eval("compare", *short)
code = tiny_eval("report", *short, "--out", "report.html", "--lang", "zh")
# %%
html = (folder / "report.html").read_text("utf-8")
print(f"{len(html.encode()) // 1000} kB, scripts: {html.count('<script')}, "
      f"items: {html.count('<article')}")  # fmt: skip
# %% [markdown] lang="zh"
# 报告里至多列出 100 题，从最差的排起，可以只看“两次运行结果不同”的；全部 120 题在 `predictions.jsonl` 里。**一定要翻一翻原文**：第 5 节的坏尺子、第 6 节的怪回复，只看一个数是看不
# 出来的。
#
# 没有标准答案的题（写封信、解释一段代码），可以请另一个模型当评委。评委也是一件量具，有它的偏心，先要检定：[第 53 章](53_gaokao.ipynb)第 6 节。
#
# ## 13 真的模型，和对账
#
# 换上真的模型，只改一行。**一个文件夹**：第 7 节已经用过，`LocalModel("models/Qwen2.5-0.5B")`。**一个网址**：`OpenAIModel("http://127.0.0.1:11434/v1", "模型名")`。服务器太忙（429），它等一等再
# 问；聊天接口给不出选项的对数似然，遇到失物招领这样的题，它头一问被拒就停下，说清缺什么、换什么题型（[test_openai_model.py](../../tests/tiny_eval/test_openai_model.py)）。API 密钥不进运行的记录。
#
# 命令行里也只改 `--model`（这几行不在这里运行）：
#
# ```bash
# python -m tiny_eval run --task lost.yaml --model models/Qwen2.5-0.5B
# python -m tiny_eval run --task sample-letters-zh --chat --model http://127.0.0.1:11434/v1
# python -m tiny_eval run --task sample-choice-zh --model ngram
# python -m tiny_eval run --task sample-qa-zh --chat --few-shot 0
# ```
#
# ### 随书的模型也来考
#
# **问题**　前面坐在考场里的多半是替身。随书的 tiny-qwen2 是真的训练出来的（[第 24 章](24_training_your_own.ipynb)），三百来万参数。它
# 值多少分？
#
# **想法**　先猜再看。它练的是照着给的文字找答案，练的世界全是编的：答案就在提示里的题（阅读，失物招领），它该比替身强；要靠常
# 识的题（字母选择题），它该和瞎猜一样。它又是用对话练出来的，所以同样的题，纯文本问一遍，对话问一遍。`make_model(None, ...)`
# 先看 `$TINY_MODEL`，没设，就是它：
# %% [markdown] lang="en"
# The report lists at most 100 questions, the worst first, and those alone can be shown on which the two runs
# differ; all 120 are in `predictions.jsonl`. **Do read the texts**: a number alone shows neither the
# broken rulers of section 5 nor the odd replies of section 6.
#
# Where no one answer is right (write a letter, explain this code), another model may be the judge. A judge is an
# instrument with biases of its own, and has to be calibrated first: section 6 of [chapter 53](53_gaokao.ipynb).
#
# ## 13 A real model, and whom we agree with
#
# A real model takes one line. **A folder** was used in section 7: `LocalModel("models/Qwen2.5-0.5B")`. **A URL**:
# `OpenAIModel("http://127.0.0.1:11434/v1", "name")`. Where the server is too busy (429) it waits and asks again; a
# chat server has no log-likelihoods of choices, so with a task like the lost-and-found it stops at the first refusal,
# and says what is missing and what to use instead
# ([test_openai_model.py](../../tests/tiny_eval/test_openai_model.py)). An API key is never written into a run.
#
# On the command line it is `--model` (these lines are not run here):
#
# ```bash
# python -m tiny_eval run --task lost.yaml --model models/Qwen2.5-0.5B
# python -m tiny_eval run --task sample-letters-zh --chat --model http://127.0.0.1:11434/v1
# python -m tiny_eval run --task sample-choice-zh --model ngram
# python -m tiny_eval run --task sample-qa-en --chat --few-shot 0
# ```
#
# ### The model that comes with the book sits the exam, too
#
# **Question.** Those who sat the exams were mostly stand-ins. tiny-qwen2, which comes with the book, really was
# trained ([chapter 24](24_training_your_own.ipynb)); it has some three million parameters. What is it worth?
#
# **Idea.** Guess first, then look. It practised to find answers in a text that it is given, about worlds that were
# made up: where the answer stands in the prompt (reading, lost and found), it should beat the stand-ins; where it
# takes common knowledge (multiple choice by letters), it should do as well as guessing. And it practised in
# conversations, so the same questions are put twice, as raw text and in a conversation. `make_model(None, ...)` looks
# at `$TINY_MODEL`, and if that is not set, takes this one:
# %%
own = make_model(None, task)  # $TINY_MODEL, else the model that comes with the book


def seats(name):
    """Who sits the exam, and how it is asked."""
    asked = find_task(name)
    yield "random", make_model("random", asked), asked
    yield "ngram", ngram, asked
    yield "tiny-qwen2, raw", own, asked
    yield "tiny-qwen2, chat", own, replace(asked, chat=True, few_shot=0)


# %%
exams = [f"sample-{kind}-{lang}" for kind in ("qa", "letters") for lang in ("zh", "en")]
sat = {name: {} for name in exams}
for name, (who, model, asked) in ((each, seat) for each in exams for seat in seats(each)):
    sat[name][who] = score_run(infer(asked, model, folder / "runs").folder)
for name, of in sat.items():
    metric = find_task(name).metrics[-1]
    print(f"{name}, {metric}")
    for who, found in of.items():
        e, share = found.estimates[metric], found.extracted
        print(f"    {who:17}{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]  answer found "
              f"{share.value:4.0%}   {found.items[0].row['reply'][:36]!r}")  # fmt: skip
# %%
fig, axes = figures.canvas(1, 4, height=2.2)
for ax, (name, of) in zip(axes, sat.items(), strict=True):
    for place, found in enumerate(of.values()):
        e = found.estimates[found.task.metrics[-1]]
        ax.plot([e.low, e.high], [place, place], color=figures.PALETTE[place])
        ax.plot(e.value, place, "o", color=figures.PALETTE[place])
    ax.set(title=name.removeprefix("sample-"), xlim=(-0.05, 1.05), yticks=range(4))
    ax.set(yticklabels=list(of) if name == exams[0] else [], ylim=(3.5, -0.5))


# %% [markdown] lang="zh"
# 猜错了一半。
#
# - **字母题**猜对了：对话里几乎每题都取得出字母，得分却和乱答分不开。提取率近乎百分之百，分数在底上：第 6 节说的“取到了不等于取对了”，这回是
#   真模型演的。用纯文本问，中文也题题取得出，因为它练过这种题的样子；英文只取得出三分之一。
# - **阅读题**猜错了：答案就在提示里，它得的分还是零上下，同数字符的 `ngram` 分不开。它练的文章是模板造的，一句一个事实，问法也就那么
#   些；这几篇短文是人写的，它在对话里常常只会把一个数字写个不停（右边是头一题的回复）。
#
# 练什么像什么，换个样子就不认得：第 11 节换的是模板，这里换的是文章。
#
# 再看失物招领，全章的主角。为了省时间，只考前 20 页（60 题），照旧比四个选项的对数似然；A 和 B 在这 60 题上的分数是现成的：
# %% [markdown] lang="en"
# Half of the guess was wrong.
#
# - **Letters**, as guessed: in a conversation a letter was found in nearly every reply, and the score cannot be told
#   from random's. Nearly all found, and no better than the floor: what section 6 said, that found is not found rightly,
#   played here by a real model. As raw text letters are all found in Chinese, too, for it has practised questions of
#   this look; in English, in a third of the replies.
# - **Reading**, not as guessed: the answer stands in the prompt, and the score is still about zero, not to be told
#   from that of `ngram`, which counts characters. The articles of its practice are made by templates, a fact a
#   sentence, with few ways to ask; these were written by people, and in a conversation it often repeats one
#   digit and nothing else (on the right is its reply to the first question).
#
# It can do what it practised, and does not know it again in other clothes: section 11 changed the template, this
# changes the text.
#
# Now the lost-and-found, the exam of this chapter. To save time, only the first 20 pages (60 questions), and as
# before by the log-likelihoods of the four choices. What A and B got on these 60 we have already:
# %%
lost = score_run(infer(task, own, folder / "runs", limit=60).folder)
its = np.array([item.values["acc"] for item in lost.items])
langs = np.array([item.row["doc"]["lang"] for item in lost.items])
for name, of in {"A": a[:60], "B": b[:60], "tiny-qwen2": its}.items():
    parts = {lang: f"{of[langs == lang].mean():.2f}" for lang in ("zh", "en")}
    print(f"{name:11}{of.mean():.2f}  {parts}")
for name, of in {"A": a[:60], "B": b[:60]}.items():
    print(verdict(compare(of, its, clusters=groups[:60]), name, "tiny-qwen2"))
# %% [markdown] lang="zh"
# 一个真训练出来的模型，输给了只会数字符的替身 B，而且检验说不是运气：60 题就够了，因为差得远（第 9 节）。同 A 就分不出：总分低一截，区间却还跨着
# 零，20 页太少；分开看，英文它比 A 高，中文低得多。这套题奖励的是**照抄**：在提示里找到同样的几个字，接着抄下去；A 和 B 只会这一样，正对路。所以别问“哪个模型好”，要问“**在什么题上**”。
#
# **对账**　这套评测台的数字同谁对
# 过？[test_lm_eval_parity.py](../../tests/tiny_eval/test_lm_eval_parity.py) 让 lm-evaluation-harness 0.4.13 和我们跑同一个模型、同一批题：提示词逐字节相同，对数似然相差不到
# 1e-4，回复、分数和标准误相同；凡有不同的地方，测试里写明哪里不同、为什么。
#
# **练习 4**（没有标准答案）　照第 1 节写一个你自己的任务，至少 30 题。先跑 gold 和 random，再跑两个模型，然后写出那句话：谁胜过谁，多少，区间，p 值。如果分不出，按第 9 节算一算要多少题。
#
# ## 检查你自己的代码
#
# 误差条这几个函数，你都可以自己写：你的文件里与下表同名的函数，会在整个包里顶替我们的，再跑它的测试。裁判不是我们的代码，而是 `scipy`、手算的数，和几千次模拟：说是 95% 的区间，就要有 95% 次罩住真值。
#
# ```bash
# python -m tests.exercise mcnemar > my.py  # 题目：签名和说明，没有函数体
# $EDITOR my.py                             # 写出来
# pytest --mine=my.py                       # 你的顶替我们的，跑它的测试
# ```
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `mcnemar` | 两个模型的对错题，精确的 p 值 | 几行 |
# | `bootstrap_estimate` | 自助法的标准误和区间 | 几行 |
# | `mean_estimate` | 平均分的误差条：Wilson（练习 2）、Student、聚类 | 一下午 |
#
# 卡住了：`python -m tests.exercise --hint mcnemar`。在笔记本里，`check` 做同样的事。下面这个错在哪里？先想，再看输出：
# %% [markdown] lang="en"
# A model that really was trained loses to B, a stand-in that only counts characters, and the test says that this
# is not luck: 60 questions are enough, as they are so far apart (section 9). From A it cannot be told: its score is
# lower, but the interval still holds zero, and 20 pages are too few; language by language, it has more than A in
# English, and far less in Chinese. This exam rewards **copying**: find the same characters in the prompt, and go on as
# there; A and B can do this and nothing else. So do not ask which model is better, but **on which questions**.
#
# **Agreement.** With whom do these numbers agree? In
# [test_lm_eval_parity.py](../../tests/tiny_eval/test_lm_eval_parity.py), lm-evaluation-harness 0.4.13 and we put the
# same questions to the same model: prompts are equal byte by byte, log-likelihoods to 1e-4, replies, scores and
# standard errors equal; where we differ, a test says in what and why.
#
# **Exercise 4.** (There is no single right answer.) Write a task of your own as in section 1, with
# 30 questions or more. Run gold
# and random first, then two models, and write the sentence: who beats whom, by how much, the interval, the p-value. If
# they cannot be told apart, compute how many questions it would take (section 9).
#
# ## Check your own code
#
# The functions behind the error bars you can write yourself: one of your file that is called as in the table takes the
# place of ours in the whole package, and its tests run. The judge is not our code but `scipy`, numbers worked by hand,
# and thousands of simulations: an interval that says 95% has to hold the truth 95 times in a hundred.
#
# ```bash
# python -m tests.exercise mcnemar > my.py  # the head: signature and docstring, no body
# $EDITOR my.py                             # write it
# pytest --mine=my.py                       # yours takes the place of ours, and its tests run
# ```
#
# | write | what it is | size |
# | --- | --- | --- |
# | `mcnemar` | the exact p-value for right and wrong answers of two models | a few lines |
# | `bootstrap_estimate` | standard error and interval by the bootstrap | a few lines |
# | `mean_estimate` | the error bar of a mean: Wilson's (exercise 2), Student's, with clusters | an afternoon |
#
# Stuck? `python -m tests.exercise --hint mcnemar`. In a notebook `check` does the same. What is wrong with this one?
# Think first, then read the output:
# %%
from tests.exercise import check


def mcnemar(wins, losses):
    n, few = wins + losses, min(wins, losses)
    return sum(math.comb(n, k) for k in range(few + 1)) / 2**n  # is that all?


_ = check(mcnemar)


# %% [markdown] lang="zh"
# 读法：第一行是没过的测试，方括号里是赢几题、输几题、该得的 p；`Obtained` 是你的，`Expected` 是对的；末两行是出处和提示。只赢了一题，什么也看不出来，p 该是 1：这里只数了一边的尾巴，另一边也一样极端。
#
# ## 14 带走九句话
#
# 1. 任务是一个文件；改一行就是另一个任务。
# 2. 问和判分开；问一题写一行，断了接着问。
# 3. 先跑 gold 和 random；gold 不满分，先修尺子；gold 满分，尺子也未必好。
# 4. 字母和似然是两种考试；`acc` 偏爱短选项；提取率低分数不可信，提取率高也不保证可信。
# 5. 合起来编码，再切开；长文章一窗一窗，从左边补满。
# 6. 对错题用 Wilson；一页几题要聚类；BLEU 用自助法。
# 7. 先算要多少题，再跑。
# 8. 比较要成对；挑过就要校正，或者换新题再测；“分不出”不等于“一样好”。
# 9. 模板、例题、次序，同分数一起报。
#
# 延伸阅读：Miller 2024（给评测加误差条），Biderman 等 2024（lm-evaluation-harness 的经验，arXiv:2405.14782），Koehn 2004（BLEU 的成对自助法），Holm 1979。
#
# 上一章：[51 · 指标，以及它们怎样骗你](51_metrics.ipynb)。下一章：[53 · 一张高考数学卷，公平地批](53_gaokao.ipynb)：从提取答案到 150 分的总分。第 33 章和第 43 章用到的区间、成对比较，道理都在这里：
# [33](33_grounded_answers.ipynb)、[43](43_sops_plans_traces.ipynb)。
#
# 代码：[tasks.py](../../tiny_eval/tasks.py)、[prompts.py](../../tiny_eval/prompts.py)、[models.py](../../tiny_eval/models.py)、[runner.py](../../tiny_eval/runner.py)、
# [run_files.py](../../tiny_eval/run_files.py)、[scoring.py](../../tiny_eval/scoring.py)、[filters.py](../../tiny_eval/filters.py)、[choice_letter.py](../../tiny_eval/choice_letter.py)、
# [encoding.py](../../tiny_eval/encoding.py)、[batching.py](../../tiny_eval/batching.py)、[stats.py](../../tiny_eval/stats.py)、[paired_tests.py](../../tiny_eval/paired_tests.py)、
# [comparison.py](../../tiny_eval/comparison.py)、[report_page.py](../../tiny_eval/report_page.py)、[cli.py](../../tiny_eval/cli.py)。
# %% [markdown] lang="en"
# How to read it: the first line is the test that failed, with wins, losses and the right p in brackets; `Obtained` is
# yours, `Expected` is right; the last two lines say where it comes from and how to get a hint. One win alone shows
# nothing, and p is 1: here only one tail is counted, and the other is as extreme.
#
# ## 14 Nine sentences to take along
#
# 1. A task is a file; a line changed is another task.
# 2. Ask and mark apart; a question, a line on the disk, and a run that was cut off goes on.
# 3. gold and random first; where gold is below 100%, mend the ruler; at 100% it may still be broken.
# 4. Letters and likelihoods are two exams; `acc` likes short choices; where few answers are found a score cannot be
#    trusted, and where all are found it still may not.
# 5. Encode together, then cut; a long text goes window by window, filled up from the left.
# 6. Wilson for right and wrong, clusters where questions share a text, the bootstrap for BLEU.
# 7. Compute how many questions are enough, then run.
# 8. Compare in pairs; who picks must correct, or test again on new questions; "cannot tell" is not "equal".
# 9. Report template, examples and order with the score.
#
# Worth reading next: Miller 2024 (error bars for evals), Biderman et al. 2024 (lessons from lm-evaluation-harness,
# arXiv:2405.14782), Koehn 2004 (paired bootstrap of BLEU), Holm 1979.
#
# Previous: [51 · Metrics, and how they fool you](51_metrics.ipynb). Next:
# [53 · The gaokao maths paper, marked fairly](53_gaokao.ipynb),
# from extracting an answer to a total out of 150. Chapters [33](33_grounded_answers.ipynb) and
# [43](43_sops_plans_traces.ipynb) use intervals and compare in pairs; the reasons are here.
#
# Code: [tasks.py](../../tiny_eval/tasks.py), [prompts.py](../../tiny_eval/prompts.py),
# [models.py](../../tiny_eval/models.py), [runner.py](../../tiny_eval/runner.py),
# [run_files.py](../../tiny_eval/run_files.py), [scoring.py](../../tiny_eval/scoring.py),
# [filters.py](../../tiny_eval/filters.py), [choice_letter.py](../../tiny_eval/choice_letter.py),
# [encoding.py](../../tiny_eval/encoding.py), [batching.py](../../tiny_eval/batching.py),
# [stats.py](../../tiny_eval/stats.py), [paired_tests.py](../../tiny_eval/paired_tests.py),
# [comparison.py](../../tiny_eval/comparison.py), [report_page.py](../../tiny_eval/report_page.py),
# [cli.py](../../tiny_eval/cli.py).
