# %% [markdown] lang="zh"
# # 51 · 指标，以及它们怎样骗你
#
# 桌上摊着**十三份答卷**。题目只有一道，标准答案只有一句。先由人来改：谁对谁错，大半一眼就清楚。然后把评测里
# 常用的尺子一把一把请上来，量同样这十三份，看它们和人想的一样不一样。
#
# 每把尺子都走同样的三步：弄懂它怎么算；和公认的库对一遍（没有库的，和手算的数对），确信没有算错；最后
# **当场骗它**，让错的得高分，让对的得低分。读完你会知道：
#
# 1. 一个句号、一个全角字、一个减号，怎样让“完全一致”翻脸？（第 2 节）
# 2. F1 数的是什么？中文没有空格，它数的又是什么？（第 3、4 节）
# 3. 五万个词的文章怎样比？ROUGE-L 为什么有三种，差多少分？（第 5、6 节）
# 4. BLEU 为什么不能一句一句地平均？（第 7、8 节）
# 5. 困惑度、选择题、校准、pass@k：不看字面看概率，就骗不了了吗？（第 9 到 12 节）
# 6. 哪些错误，哪把尺子都看不见？人和人之间又能一致到什么程度？（第 13 节）
# 7. 那么，什么题用什么尺子？（第 14 节）
#
# 一个分数的**误差**有多大、多少道题才够，是[下一章](52_harness.ipynb)的事，这里只提醒，不细讲。
#
# **预备知识**：会读 Python，知道什么是词元（[第 21 章](21_tokens_to_rope.ipynb)）。**用时**：读一遍约 60 分钟；一个 CPU 核上
# 全部运行不到半分钟，不联网，不下载。装了 `rouge-score`、`sacrebleu`、`scipy`、`scikit-learn` 就和它们对答案，
# 没装就略过，章节照样跑完。
#
# 上一章：[43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb)。下一章：[52 · 评测台](52_harness.ipynb)。
# [第 33 章](33_grounded_answers.ipynb)给带引用的答案打过分，这里补上它没讲的原理。
# %% [markdown] lang="en"
# # 51 · Metrics, and how they fool you
#
# On the table lie **thirteen replies** to one question, with one reference answer. People mark them
# first, and most are plainly right or wrong. Then we call in the rulers that evaluations use (the
# field says **metrics**), one by one, measure the same thirteen, and see whether a ruler says what
# people said.
#
# Each ruler goes through the same three steps: understand how it computes; check it against the library
# that the field trusts (or, where there is none, against numbers worked by hand); then **fool it on the
# spot**, so that something wrong scores high and something right scores low. You will know:
#
# 1. How can a full stop, a full-width digit or a minus sign upset "exactly the same"? (section 2)
# 2. What does F1 count, and what does it count in Chinese, which has no spaces? (sections 3 and 4)
# 3. How are 50,000 words compared, and why are there three ROUGE-Ls? (sections 5 and 6)
# 4. Why is BLEU not a mean over sentences? (sections 7 and 8)
# 5. Perplexity, multiple choice, calibration, pass@k: do probabilities fool less than words?
#    (sections 9 to 12)
# 6. Which mistakes does no ruler see, and how far do people agree among themselves? (section 13)
# 7. Which ruler for which task? (section 14)
#
# How large the **error** of a score is, and how many questions are enough, belongs to the
# [next chapter](52_harness.ipynb); here it is mentioned and no more.
#
# **You need**: to read Python, and to know what a token is ([chapter 21](21_tokens_to_rope.ipynb)).
# **Time**: about 60 minutes to read; under half a minute on one CPU core; no network, no downloads. Where `rouge-score`, `sacrebleu`,
# `scipy` and `scikit-learn` are installed the answers are compared with theirs; where they are not, that
# is skipped and the chapter runs all the same.
#
# Previous: [43 · SOPs, plans, traces and cost](43_sops_plans_traces.ipynb). Next:
# [52 · A harness](52_harness.ipynb). [Chapter 33](33_grounded_answers.ipynb) graded answers with citations; here is the reasoning behind
# its scores.
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import inspect
import json
import math
import random
import unicodedata
from collections import Counter
from importlib.resources import files
from importlib.util import find_spec

import numpy as np


def installed(*names):
    """Whether these libraries are there; if not, one line says what is skipped."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        print(f"not installed, comparison skipped: {', '.join(missing)}")
    return not missing


# %% [markdown] lang="zh"
# ## 1 先由人来改
#
# **问题**　答卷好不好，归根到底由人说了算。人怎么说？
#
# 题目问的是芦苇小镇的渡船，要答出**两个**钟点。中文、英文各十三份答卷，一一对应。评分标准有两份，写书的人照
# 着各评了一遍，满分 2 分：
#
# - **严**（strict）：两个钟点都对，2 分；只答了一个而且对，1 分；说错一处，或者话不成句，0 分。
# - **宽**（lenient）：说对一个钟点得 1 分；话不成句的折半；添上没问的、没法核对的，扣 1 分。
#
# 下面每行是：答卷的代号，两份评分，两者的平均（换算成 0 到 1），答卷本身。代号后面一直要用，值得多看一眼。
# %% [markdown] lang="en"
# ## 1 People mark first
#
# **Question.** Whether a reply is good is, in the end, for people to say. What do they say?
#
# The question is about the ferry of a small town in the reeds, and wants **two** times of day. There
# are thirteen replies in Chinese and the same thirteen in English. There are two marking schemes; the
# authors of this book have applied both. The full mark is 2:
#
# - **strict**: 2 for both times; 1 for one of them and nothing false; 0 if anything is false, or if the
#   sentence cannot be read.
# - **lenient**: 1 for each time that is right, half of it if the sentence cannot be read, and 1 off for
#   adding what was not asked and cannot be checked.
#
# Each line below has the name of a reply, both marks, their mean on a scale from 0 to 1, and the reply.
# The names stay with us to the end of the chapter, so they are worth a second look.
# %%
question = {
    "zh": "渡船早上几点离开码头，晚上几点回来？",
    "en": "When does the ferry leave the landing in the morning, and return in the evening?",
}
reference = {
    "zh": "渡船早上六点离开码头，晚上九点回来。",
    "en": "The ferry leaves the landing at six in the morning and returns at nine in the evening.",
}
# %%
replies = {"zh": {
    "same": "渡船早上六点离开码头，晚上九点回来。",
    "marks": "渡船早上六点离开码头,晚上九点回来",
    "short": "早六点，晚九点。",
    "reworded": "清晨六时开船，夜里二十一时返航。",
    "long": "渡船早上六点离开码头，晚上九点回来，中间每半小时一班，遇上大雾停开，票价两元，孩子免费。",
    "half": "渡船早上六点离开码头。",
    "wrong": "渡船早上六点离开码头，晚上八点回来。",
    "swapped": "渡船早上九点离开码头，晚上六点回来。",
    "negated": "渡船早上六点不离开码头，晚上九点不回来。",
    "question": "渡船早上几点离开码头，晚上几点回来？",
    "nonsense": "渡船早上静静地离开码头，晚上静静地回来。",
    "salad": "回来九点，晚上码头离开六点早上渡船。",
    "refusal": "抱歉，我不知道。",
}}  # fmt: skip
# %%
replies["en"] = {
    "same": "The ferry leaves the landing at six in the morning and returns at nine in the evening.",
    "marks": "the ferry leaves the landing at six in the morning, and returns at nine in the evening",
    "short": "Out at six a.m., back at nine p.m.",
    "reworded": "It sets off at 6:00 and is home again by 21:00.",
    "long": "The ferry leaves the landing at six in the morning and returns at nine in the evening; in between it crosses every half hour, stops in thick fog, costs two coins, and takes children for nothing.",
    "half": "The ferry leaves the landing at six in the morning.",
    "wrong": "The ferry leaves the landing at six in the morning and returns at eight in the evening.",
    "swapped": "The ferry leaves the landing at nine in the morning and returns at six in the evening.",
    "negated": "The ferry never leaves the landing at six in the morning and never returns at nine in the evening.",
    "question": "When does the ferry leave the landing in the morning, and return in the evening?",
    "nonsense": "The ferry leaves the landing in the mist of the morning and returns in the calm of the evening.",
    "salad": "Nine the at evening returns in and morning six the at landing the leaves in ferry the.",
    "refusal": "I am sorry, I do not know.",
}  # fmt: skip
# %%
strict = {"same": 2, "marks": 2, "short": 2, "reworded": 2, "long": 2, "half": 1, "wrong": 0}
lenient = strict | {"long": 1, "wrong": 1}
fooling = ["swapped", "negated", "question", "nonsense", "salad", "refusal"]
strict |= dict.fromkeys(fooling, 0)
lenient |= dict.fromkeys(fooling, 0) | {"salad": 1}
kinds = list(strict)
people = np.array([(strict[kind] + lenient[kind]) / 4 for kind in kinds])  # 0 wrong, 1 right
for lang in replies:
    assert list(replies[lang]) == kinds
    for kind, mark in zip(kinds, people, strict=True):
        print(f"{kind:9} {strict[kind]} {lenient[kind]} {mark:4.2f}  {replies[lang][kind]}")
assert all(replies[lang]["question"] == question[lang] for lang in replies)
# %% [markdown] lang="zh"
# 前七份都说对了点什么。后六份呢：`swapped` 两个钟点对调，`negated` 加了“不”，`question` 把题目抄一遍，
# `nonsense` 通顺而空洞，`salad` 把标准答案的词打乱，`refusal` 老实说不知道。
#
# 除了最后那份，后面这五份是**故意**挑来为难尺子的。挑什么样的答卷来量，结论会大不一样，第 13 节见分晓。
#
# ## 2 完全一致，以及“一致”二字
#
# **问题**　最老实的尺子：和标准答案一样就是 1，不一样就是 0。什么叫一样？
#
# **想法**　逐字相同太苛刻，多一个句号就不给分，谁也不服。所以先把两边化成**范式（normal form）**，去掉不该计
# 较的东西，再比。SQuAD 的英文范式不管大小写、英文标点和冠词；LongBench 的中文范式不管大小写、中英文标点和空白：
#
# $$\mathrm{EM}(p, r) = [\,\mathrm{norm}(p) = \mathrm{norm}(r)\,]$$
# %% [markdown] lang="en"
# The first seven say something that is right. Of the other six, `swapped` has the times the wrong way
# round, `negated` denies them, `question` copies the question, `nonsense` is fluent and empty, `salad`
# shuffles the words of the reference, and `refusal` says honestly that it does not know.
#
# These, but for the last, were picked **on purpose** to embarrass rulers. Section 13 will show how much
# depends on what is picked.
#
# ## 2 Exact match, and the word "exact"
#
# **Question.** The most honest ruler: 1 if the reply is the same as the reference, else 0. What is "the
# same"?
#
# **Idea.** Comparing letter by letter is too harsh; nobody would accept losing everything over a
# full stop. So
# both are first brought into a **normal form**, without what should not count, and then compared.
# SQuAD's form for English drops case, English punctuation and articles; LongBench's for Chinese drops
# case, Chinese and English punctuation and white space:
#
# $$\mathrm{EM}(p, r) = [\,\mathrm{norm}(p) = \mathrm{norm}(r)\,]$$
# %%
from tiny_eval.answers import exact_match, number_match, token_f1
from tiny_eval.text import normalize_chinese, normalize_english

print(inspect.getsource(normalize_english))
print(inspect.getsource(normalize_chinese))
print(inspect.getsource(exact_match))
normal = {"zh": normalize_chinese, "en": normalize_english}
for lang in replies:
    right = [k for k in kinds if exact_match(replies[lang][k], reference[lang], normal[lang])]
    print(lang, right)
    assert right == ["same", "marks"]


# %% [markdown] lang="zh"
# 十三份里它只认两份。认下的都对；没认的里面，还有三份两个钟点也都对：短的、换了说法的、多说了几句的。这么说，
# 它只会太严，不会太松？后半句不成立：范式丢掉的东西里，有时正好装着答案。下图左边一列是“该不该算同一个答案”，
# 右边四列是四种范式怎么判（`nfkc` 先把全角字换成半角，再用中文范式）：
# %% [markdown] lang="en"
# Of thirteen it accepts two. Both are right, but three of those that it turns away have both times
# right too: the short one, the reworded one, and the one that says more. So it may be too strict, and
# is never too lax? The second half is not true: what a normal form throws away sometimes holds the
# answer. The first column below says whether two answers should count as the same, the other four what
# four normal forms say (`nfkc` turns full-width letters into plain ones, then does as the Chinese form):
# %%
def nfkc(text):
    return normalize_chinese(unicodedata.normalize("NFKC", text))


forms = {"as it is": str, "SQuAD": normalize_english, "LongBench": normalize_chinese, "nfkc": nfkc}
pairs = {("six.", "Six"): 1, ("the bus", "bus"): 1, ("６点", "6点"): 1, ("六点。", "六点"): 1}
pairs |= {("6:00", "six"): 1, ("清晨六时", "早上六点"): 1}
pairs |= {("-5", "5"): 0, ("3.5", "35"): 0, ("vitamin A", "vitamin"): 0, ("不，六点", "不六点"): 0}
same = [[exact_match(*pair, form) for form in forms.values()] for pair in pairs]
table = np.column_stack([list(pairs.values()), same])
fig, ax = figures.canvas(height=3.4, width=6)
names = [f"{given} | {wanted}" for given, wanted in pairs]
columns = ["should be", *forms]
ax = figures.heatmap(ax, table, columns, names, values=".0f", colorbar=False)
ax.set(xticklabels=columns, yticklabels=names)
_ = ax.axvline(0.5, color=figures.INK)
# %% [markdown] lang="zh"
# 上半截都该认，却常常不认：全角的 ６ 要靠 `nfkc`；“6:00”和“six”、“清晨六时”和“早上六点”，没有一种范式认得出，
# 那已经是意思，不是写法。下半截都不该认，却认了不少：减号和小数点都是标点，于是 -5 等于 5，3.5 等于 35；字母 A 被当成冠词，
# 于是维生素 A 丢了 A；标点一去，“不，六点”和“不六点”成了一句话。**每一种范式都是一个决定：什么不算数。**
#
# 答案是数的题，该用按值比较的尺子：`number_match` 取**最后一个**数（GSM8K 的惯例）。它治好了减号和小数点，
# 又有了自己的漏洞：
# %% [markdown] lang="en"
# The upper half should be accepted and often is not: the full-width ６ needs `nfkc`, and no form at all
# knows that 6:00 is six, for that is meaning and not spelling. The lower half should not be accepted and
# often is: a minus and a decimal point are punctuation, so -5 is 5 and 3.5 is 35; the letter A is taken
# for the article, so vitamin A loses it; without its comma "不，六点" (no, at six) becomes "不六点" (not
# six). **Every normal form is a decision on what does not count.**
#
# Where the answer is a number, use a ruler that compares values: `number_match` takes the **last** number
# of a reply, as is usual for GSM8K. It mends the minus and the point, and has holes of its own:
# %%
tries = [("-5", "5"), ("3.5", "35"), ("3.50", "3.5"), ("It is 6, not 9.", "9"), ("六点", "6")]
for given, wanted in tries:
    print(f"{given!r:18} {wanted!r:6} {number_match(given, wanted):.0f}")
# %% [markdown] lang="zh"
# “是 6，不是 9”被当成 9；“六点”里没有阿拉伯数字，等于没答。怎样从一段话里稳妥地取出答案，是
# [第 52 章](52_harness.ipynb)和[第 53 章](53_gaokao.ipynb)的题目。
#
# ## 3 词的 F1：答对几成
#
# **问题**　`half` 对了一半，`long` 全对还多说了几句，一律给 0 分太粗。能不能对几成给几成？
#
# **想法**　把两边都拆成词，看有多少是共同的。共同的词占答卷几成，叫**精确率（precision）**，废话一多就低；占标
# 准答案几成，叫**召回率（recall）**，漏答一多就低。两者的调和平均就是 F1。$|p \cap r|$ 是共同的词数；同一个词
# 两边出现的次数不一样，按少的算：
#
# $$P = \frac{|p \cap r|}{|p|}, \qquad R = \frac{|p \cap r|}{|r|}, \qquad
# F_1 = \frac{2PR}{P + R} = \frac{2\,|p \cap r|}{|p| + |r|}$$
# %% [markdown] lang="en"
# "It is 6, not 9" is taken for 9; 六点 has no digit, and so no answer. How to take the answer out of
# a reply safely is a subject of chapters [52](52_harness.ipynb) and [53](53_gaokao.ipynb).
#
# ## 3 F1 of words: how much of it
#
# **Question.** `half` has one half, `long` has all and some more; to give both nothing at all is
# crude. Can there be part of a mark?
#
# **Idea.** Cut both into words and see how many they share. The share of the reply's words that are
# common is its **precision**, which padding lowers; the share of the reference's words is its
# **recall**, which omissions lower. F1 is the harmonic mean of the two. $|p \cap r|$ is how many words
# are common; a word that both repeat counts as often as in the text that has fewer of it:
#
# $$P = \frac{|p \cap r|}{|p|}, \qquad R = \frac{|p \cap r|}{|r|}, \qquad
# F_1 = \frac{2PR}{P + R} = \frac{2\,|p \cap r|}{|p| + |r|}$$
# %%
from tiny_eval.text import words_of_qa

print(inspect.getsource(token_f1))
half, wanted = (words_of_qa(text) for text in (replies["en"]["half"], reference["en"]))
shared = Counter(half) & Counter(wanted)
print(half, "\n", wanted, "\n", dict(shared))
by_hand = 2 * shared.total() / (len(half) + len(wanted))
print(f"2 * {shared.total()} / ({len(half)} + {len(wanted)}) = {by_hand:.3f}")
assert token_f1(replies["en"]["half"], reference["en"]) == by_hand


# %% [markdown] lang="zh"
# 手算和函数一致（冠词 the 已经被范式去掉了）。现在量全部英文答卷，颜色是人的评分：绿的对，红的错，黄的在中
# 间。
# %% [markdown] lang="en"
# By hand and by function it is the same (the articles have gone with the normal form). Now all the
# English replies; the colour is the mark of people, green for right, red for wrong, yellow between.
# %%
def colour(mark):
    return figures.GREEN if mark > 0.7 else figures.YELLOW if mark > 0.2 else figures.ROSE


f1_en = [token_f1(replies["en"][kind], reference["en"]) for kind in kinds]
fig, ax = figures.canvas(height=3.4)
ax = figures.bars(ax, kinds, f1_en, horizontal=True, colors=[colour(mark) for mark in people])
ax.set(xlabel="F1 (colour: the mark of people)")
swapped = kinds.index("swapped")
assert f1_en[swapped] == f1_en[kinds.index("salad")] == 1
# %% [markdown] lang="zh"
# 它被骗得很惨。**两个钟点对调，词一个不少，F1 满分**；连打乱的 `salad` 也是满分，因为 F1 把句子当一袋词，不看
# 次序。加了 never 的只丢七分（满分算一百）。而全对的 `short` 和 `reworded`，词对不上，比照抄题目还低。
#
# 有一个便宜的补救：多写几条标准答案，取最高的一个。既然是取最高，就**只会升不会降**，对的能升，错的也能升：
# %% [markdown] lang="en"
# It is badly fooled. **With the times exchanged no word is missing, and F1 is perfect**; even the
# shuffled `salad` has full marks, for F1 takes a sentence for a bag of words and sees no order. A
# "never" costs seven points in a hundred. And `short` and `reworded`, wholly right in other words, are
# below the copied question.
#
# A cheap remedy is to write more references and take the best. A maximum **can only rise**, for right
# replies and for wrong ones:
# %%
more = [
    reference["en"],
    "At six a.m. and at nine p.m.",
    "It sets off at 6:00 and returns at 21:00.",
]
for kind in ("short", "reworded", "half", "negated", "refusal"):
    each = [token_f1(replies["en"][kind], one) for one in more]
    print(f"{kind:9} {each[0]:.2f} -> {max(each):.2f}")
# %% [markdown] lang="zh"
# ## 4 中文：什么是一个词
#
# **问题**　英文按空格切就有词，中文切在哪里？
#
# **想法**　三种切法：按空格切（照搬英文），按词典切（jieba），一字一词。先看同一句话被切成什么：
# %% [markdown] lang="en"
# ## 4 Chinese: what is a word?
#
# **Question.** English is cut at its spaces. Where is Chinese to be cut?
#
# **Idea.** Three ways: at spaces, as in English; by a dictionary (jieba); each character by itself.
# First, what becomes of one sentence:
# %%
from tiny_eval.text import characters, words_of_chinese_qa, words_of_jieba

print(inspect.getsource(words_of_chinese_qa))
cuts = {"spaces": words_of_qa, "jieba": words_of_chinese_qa, "characters": characters}
for name, cut in cuts.items():
    print(f"{name:10} {' | '.join(cut(reference['zh']))}")
f1_zh = {
    name: [token_f1(replies["zh"][kind], reference["zh"], cut) for kind in kinds]
    for name, cut in cuts.items()
}
# %%
fig, ax = figures.canvas(height=3.8, width=5.6)
table = np.column_stack([people, *f1_zh.values()])
ax = figures.heatmap(ax, table, ["people", *cuts], kinds, values=True, vmin=0, vmax=1)
ax.axvline(0.5, color=figures.INK)
assert f1_zh["jieba"][swapped] == f1_zh["characters"][swapped] == 1
# %% [markdown] lang="zh"
# 按空格切，整句是一个“词”，F1 退化成完全一致；这是把英文评测脚本直接用到中文上的下场。另外两种切法给的分也
# 不一样，谁高谁低没有一定：所以**报 F1 要连切法一起报**。（一字一词的 `characters` 连标点也算字，所以只错标点的
# `marks` 在它那里不是满分。）
#
# 词典切的毛病是**同一个词换了邻居就切得不一样**；一字一词的毛病是不认次序，**几个字换个位置还是满分**。各看几个
# 例子：
# %% [markdown] lang="en"
# Cut at spaces, the whole sentence is one "word" and F1 shrinks to exact match; that is what comes of
# running an English script on Chinese text. The other two give different marks, and neither is always
# the higher: so **report an F1 with its way of cutting**. (`characters` counts punctuation too, so
# `marks`, which differs in nothing else, is not perfect there.)
#
# A dictionary's weakness is that **the same word is cut differently beside other neighbours**; the
# weakness of characters is that they **may change places at no cost**. Some examples of each (a place
# by the pond; nine o'clock; twenty stops for twelve; south gate for north gate):
# %%
examples = [("镜塘边", "镜塘", 1), ("九点钟", "九点", 1)]
examples += [("二十站", "十二站", 0), ("南门", "北门", 0)]
for given, wanted, should in examples:
    cut = "|".join(words_of_chinese_qa(given)), "|".join(words_of_chinese_qa(wanted))
    scores = [token_f1(given, wanted, cuts[name]) for name in ("jieba", "characters")]
    print(f"{'right' if should else 'wrong'}: {cut[0]}, {cut[1]}: "
          "jieba {:.2f}, characters {:.2f}".format(*scores))  # fmt: skip
assert token_f1("镜塘边", "镜塘", words_of_chinese_qa) == 0
assert token_f1("二十站", "十二站", characters) == 1


# %% [markdown] lang="zh"
# “镜塘边”被切成“镜 | 塘边”，和“镜塘”没有一个词相同，答对了得 0 分；“二十站”和“十二站”字字相同，答错了
# 得满分。哪种切法都有出错的时候，两样都报最稳妥。
#
# 本章的练习都用同一个裁判。它先试手算的例子，再试随机的（装了别人写的库才有）；没做完时只说还差什么，不会中
# 断运行：
# %% [markdown] lang="en"
# "By the pond" is cut so that it shares no word with the pond, and a right answer has 0; "twenty stops"
# and "twelve stops" are the same characters, and a wrong answer has the full mark. Either way of cutting
# can fail; it is safest to report both.
#
# All exercises of this chapter have the same judge. It tries examples worked by hand, then random ones
# if a library written by others is installed; until you are done it says what is missing and interrupts
# nothing:
# %%
def judge(number, candidate, cases):
    """How many cases are right, and what is expected of the first that is not."""
    for count, (arguments, expected) in enumerate(cases):
        try:
            given = candidate(*arguments)
            right = given is not None and math.isclose(given, expected, abs_tol=1e-9)
        except Exception as error:  # a learner's code may fail in any way
            given, right = f"{type(error).__name__}: {error}", False
        if not right:
            shown = ", ".join(map(repr, arguments))
            shown = shown if len(shown) < 100 else f"{shown[:90]} ..."
            print(f"exercise {number}: {count} right so far. For {shown}:")
            print(f"  expected {expected:.6g}, got {given}")
            return
    print(f"exercise {number}: correct")


# %% [markdown] lang="zh"
# **练习 1**　写 `candidate(prediction, reference)`：一字一词的 F1，标点、空白都不算字（传进来的文字只有汉字、
# “，”“。”和空格）。重复的字按少的一边算；有一边没有字，就是 0。不许用 `token_f1`。随机题的答案来自 `rouge-score`
# 的 ROUGE-1（下一节讲）：告诉它一个字是一个词，它的 F 就是这里的 F1。
# %% [markdown] lang="en"
# **Exercise 1.** Write `candidate(prediction, reference)`: the F1 of characters, where punctuation
# and white space do not count (the texts hold Chinese characters, "，", "。" and spaces only). A
# repeated
# character counts as often as in the text that has fewer of it; if either has none, F1 is 0. Do without
# `token_f1`. The answers to the random ones are ROUGE-1 of `rouge-score` (next section): told that a
# character is a word, its F is this F1.
# %%
def candidate(prediction, reference):  # write yours here
    return None


cases = [(("六点", "六点。"), 1), (("早上六点离开", "六点"), 0.5), (("点点", "点"), 2 / 3)]
cases += [(("，。", "六点"), 0), (("点六，六", "六点六点"), 6 / 7), (("", "六点"), 0)]
if installed("rouge_score"):
    from rouge_score.rouge_scorer import RougeScorer

    letters = type(
        "Letters", (), {"tokenize": lambda _, text: [c for c in text if c not in "，。 "]}
    )
    scorer, rng = RougeScorer(["rouge1"], tokenizer=letters()), random.Random(1)
    for _ in range(50):
        a, b = ("".join(rng.choices("六九点早晚，。 ", k=rng.randrange(9))) for _ in "ab")
        cases.append(((a, b), scorer.score(b, a)["rouge1"].fmeasure))
judge(1, candidate, cases)
# %% [markdown] lang="zh"
# ## 5 ROUGE：管不管次序
#
# ### 成串的词
#
# **问题**　`salad` 的词全对，次序全乱。怎样让次序也算数？
#
# **想法**　ROUGE（Lin 2004）里最常用的是两种。**ROUGE-N** 数连着的 $n$ 个词：$n = 1$ 就是第 3 节的词袋，$n = 2$
# 时打乱的词凑不成对。**ROUGE-L** 找两句话的**最长公共子序列（longest common subsequence, LCS）**：次序不变、
# 可以不相连的共同的词，最多有几个。如今的包对两种都给精确率、召回率和 F（论文里的 ROUGE-N 只有召回率）。
# ROUGE-L 的是：
#
# $$P = \frac{\mathrm{LCS}(p, r)}{|p|}, \qquad R = \frac{\mathrm{LCS}(p, r)}{|r|}, \qquad F = \frac{2PR}{P + R}$$
# %% [markdown] lang="en"
# ## 5 ROUGE: does order count?
#
# ### Runs of words
#
# **Question.** All words of `salad` are right and their order is all wrong. How can order count?
#
# **Idea.** Two kinds of ROUGE (Lin 2004) are used most. **ROUGE-N** counts runs of $n$ words: with
# $n = 1$ it is the bag of section 3, with $n = 2$ shuffled words no longer make pairs. **ROUGE-L** looks
# for the **longest common subsequence (LCS)** of two texts: how many words they have in common in the
# same order, gaps allowed. Today's packages give a precision, a recall and an F of both (the paper's
# ROUGE-N is a recall only). ROUGE-L's are:
#
# $$P = \frac{\mathrm{LCS}(p, r)}{|p|}, \qquad R = \frac{\mathrm{LCS}(p, r)}{|r|}, \qquad F = \frac{2PR}{P + R}$$
# %%
from tiny_eval.ngrams import ngrams, overlap
from tiny_eval.rouge import rouge_l, rouge_l_longbench, rouge_n

for function in (ngrams, overlap, rouge_n, rouge_l):
    print(inspect.getsource(function))
# %%
words = {"zh": words_of_jieba, "en": None}  # None: rouge-score's own words
for lang in replies:
    print(f"{lang}         R-1   R-2   R-L")
    for kind in ("same", "reworded", "swapped", "negated", "salad", "refusal"):
        pair = replies[lang][kind], reference[lang]
        scores = [rouge_n(*pair, n, words[lang]).fmeasure for n in (1, 2)]
        scores.append(rouge_l(*pair, words[lang]).fmeasure)
        print(f"{kind:9}", "  ".join(f"{score:.2f}" for score in scores))
# %% [markdown] lang="zh"
# 次序果然管住了 `salad`。可是 `negated` 仍然很高，全对的 `reworded` 仍然很低。`swapped` 的英文 ROUGE-2 居然还
# 是满分：“at six”“six in”“in the”……对调之后，每一对相邻的词都还在。
#
# 中文还有一件怪事：老实说“不知道”的 `refusal`，比换了说法、全对的 `reworded` 还**高**。它们和标准答案共有的
# “词”只有逗号和句号（jieba 切出的标点也是词），谁短谁占便宜。
#
# 和 `rouge-score` 对一遍：英文答卷两两相比，三种 ROUGE 都比，取了**词干（stem）**的也比（Porter 的规则削去词尾，
# leaves、leave 都成了 leav）：
# %% [markdown] lang="en"
# Order does deal with `salad`. But `negated` is as high as ever and `reworded`, wholly right, as low. And
# in English `swapped` has full marks in ROUGE-2: "at six", "six in", "in the" ... with the times
# exchanged every pair of neighbours is still there.
#
# The Chinese rows hold a surprise: `refusal`, which says honestly that it does not know, is **above**
# `reworded`, which is right in other words. All that either shares with the reference is a comma and a
# full stop (to jieba they are words), so the shorter one wins.
#
# Compare with `rouge-score`: all English replies against each other, three ROUGEs, and again with
# **stems** (Porter's rules cut endings: leaves and leave both become leav):
# %%
from tiny_eval.text import stems_of_rouge

texts = list(replies["en"].values())
if installed("rouge_score"):
    for stem, cut in ((False, None), (True, stems_of_rouge)):
        scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stem)
        for given in texts:
            for wanted in texts:
                theirs = scorer.score(wanted, given)
                ours = [rouge_n(given, wanted, n, cut) for n in (1, 2)]
                ours.append(rouge_l(given, wanted, cut))
                np.testing.assert_allclose(ours, list(theirs.values()), rtol=0, atol=1e-12)
    print(f"{2 * len(texts) ** 2} pairs agree with rouge-score")
# %% [markdown] lang="zh"
# ### 一张表
#
# **问题**　最长公共子序列怎么求？
#
# **想法**　课本的办法是填表。$L_{i,j}$ 是答卷前 $i$ 个词和标准答案前 $j$ 个词的 LCS 长度；两个词相同，就是左上
# 角的数加一，否则取左边和上边较大的（$[\,\cdot\,]$ 成立为 1，不成立为 0）：
#
# $$L_{i,j} = \max\left(L_{i-1,j},\; L_{i,j-1},\; L_{i-1,j-1} + [a_i = b_j]\right)$$
#
# 拿八个词的两句话来填，还是那个对调：
# %% [markdown] lang="en"
# ### A table
#
# **Question.** How is a longest common subsequence found?
#
# **Idea.** The textbook fills a table. $L_{i,j}$ is the length for the first $i$ words of the reply and
# the first $j$ of the reference; where the two words are the same it is one more than up and to the
# left, else the larger of the neighbours above and to the left ($[\,\cdot\,]$ is 1 if true, 0 if not):
#
# $$L_{i,j} = \max\left(L_{i-1,j},\; L_{i,j-1},\; L_{i-1,j-1} + [a_i = b_j]\right)$$
#
# Two sentences of eight words, the same exchange again:
# %%
from tiny_eval.lcs import _matches, _rows, lcs_length

a = ["leaves", "at", "nine", "and", "is", "back", "at", "six"]
b = ["leaves", "at", "six", "and", "is", "back", "at", "nine"]


def textbook(a, b):
    """The table of the textbook, with a row and a column of zeros before the first words."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, j in np.ndindex(len(a), len(b)):
        longer = table[i, j] + (a[i] == b[j])
        table[i + 1, j + 1] = max(table[i, j + 1], table[i + 1, j], longer)
    return table


# %%
table, bits = textbook(a, b), [[row >> j & 1 for j in range(len(b))] for row in _rows(a, b)]
fig, axes = figures.canvas(1, 2, height=3.9)
style = {"values": ".0f", "colorbar": False}
ax = figures.heatmap(axes[0], table, ["", *b], ["", *a], **style)
path = [(i + 1, j + 1) for i, j in _matches(a, b)]
ax.scatter([j for _, j in path], [i for i, _ in path], 260, "none", edgecolors=figures.ROSE)
ax.set(title=f"The table: LCS = {table[-1, -1]}", ylabel="reply")
ax = figures.heatmap(axes[1], bits, b, a, **style, vmax=2)
ax.set(title="In bits: 0 where it rises")
assert (1 - np.diff(table[1:]) == bits).all()
assert lcs_length(a, b) == table[-1, -1] == len(path) == sum(1 - bit for bit in bits[-1])
# %% [markdown] lang="zh"
# 左边是课本的表，红圈是选中的六个词，右下角就是答案。每一行从左到右**只升不降，一次最多升 1**。所以不必记住数
# 目，记住**在哪里升**就够了：右边那张图，升的地方写 0，不升写 1，一格只要一个比特（bit）。一整行就是**一个整
# 数**，最后一行有几个 0，LCS 就有多长。
#
# ### 比特的戏法
#
# **问题**　一整行存成一个整数，下一行怎么算？一位一位地算，就白费劲了。
#
# **想法**　让加法的**进位**去算（Hyyrö 2004）。全部代码：
# %% [markdown] lang="en"
# On the left is the textbook's table; the circles are the six words chosen, and the answer is in the
# lower right corner. From left to right a row **never falls, and rises by 1 at most**. So there is no
# need to keep its numbers; it is enough to keep **where it rises**. On the right there is a 0 where it
# does and a 1 where it does not, one bit a cell. A whole row is **one integer**, and the zeros of the
# last row are the length of the LCS.
#
# ### The trick with the bits
#
# **Question.** A row is one integer. How is the next one made? Bit by bit, nothing would be won.
#
# **Idea.** Let the **carry** of an addition do it (Hyyrö 2004). All of the code:
# %%
print(inspect.getsource(lcs_length))
print(inspect.getsource(_rows))
# %% [markdown] lang="zh"
# 在右图里看一步：`nine` 那一行怎样变成下一行 `and`。最低位写在最**左**，进位往右走。`nine` 行的第三个 0 在最右边
# 的 nine 下面：读到这里，标准答案要到 nine 才凑得出第三个共同的词。`and` 来了，更早就能凑出来，这个 0 应该**搬
# 到** and 下面。加法正好办到：在 and 那一位加 1，本位变 0，进位一路向右，把沿途的 1 冲成 0，直到撞上 nine 的 0，
# 把它填成 1。沿途被冲掉的 1 是误伤，减法的结果里它们还在，一“或”就补回来。加、减、与、或各一次（最后的 `& full`
# 只是裁掉溢出的位），**整行同时算完**；Python 的长整数一口气处理 30 位。
#
# 这为什么要紧？课本的表太大；而 LongBench 用的包 `rouge` 填了整张表，还用**递归**从表里一步步往回找那些词：
# %% [markdown] lang="en"
# Watch one step in the right half of the picture, from the row `nine` to the next, `and`. The lowest bit
# is on the **left**, so a carry goes to the right. In the row `nine` the third 0 is under nine, the last
# word: so far the reference had to be read up to there for a third common word. With `and` there is one
# sooner, so this 0 must **move** to and. The addition does it: adding 1 at and turns that bit to 0, and
# the carry runs right, turning ones to zeros on its way, until it meets the 0 of nine and fills it. The
# ones it knocked over were innocent; the result of the subtraction still has them, and the "or" puts
# them back. An addition, a subtraction, an "and" and an "or" (the last `& full` only cuts off what
# overflows), and **the whole row is done at once**; Python's long integers take 30 bits in one go.
#
# Why does this matter? The textbook's table is large; and the package `rouge`, which LongBench uses, fills
# it and then walks back through it by **recursion**:
# %%
n = 50_000
print(f"a table of {n:,} words: as lists of 8-byte pointers {8 * n * n / 1e9:.0f} GB")
print(f"a row as one integer: {n / 8 / 1000:.2f} kB, and only one is kept for the length")
print("LCS of two such texts:", lcs_length(range(n), range(0, 2 * n, 2)))  # every other number

many = sys.getrecursionlimit() + 100
long_text = " ".join(map(str, range(many)))  # compared with itself: as right as can be
if installed("rouge"):
    from rouge import Rouge as RougePackage

    try:
        print(RougePackage().get_scores(long_text, long_text)[0]["rouge-l"]["f"])
    except RecursionError as error:
        print(f"rouge: RecursionError: {error}"[:60])
print(f"ours:  {rouge_l_longbench(long_text, long_text):.6f}")


# %% [markdown] lang="zh"
# 五万个词，课本的表要 20 GB，我们一行只要几千字节。`rouge` 呢，词数一过 Python 的递归上限（通常是一千），明明是
# 一字不差的两篇，它也算不下去；LongBench 遇到这个异常就**记 0 分**。
#
# **练习 2**　写 `candidate(a, b)`：两串词的 LCS 长度，用表、用比特都行，但不许递归（最后一题有一千多个词），也不
# 许用上面的 `textbook` 和 `lcs_length`。随机题的答案来自 `rouge-score`。
# %% [markdown] lang="en"
# For 50,000 words the textbook's table takes 20 GB, and our row a few kilobytes. `rouge` gives up
# where there are more words than Python's recursion limit, usually a thousand, even on two texts
# that are
# the same; LongBench takes that exception for **a score of 0**.
#
# **Exercise 2.** Write `candidate(a, b)`: the length of the LCS of two lists of words, by a table or by
# bits, but not by recursion (the last case has more than a thousand words), and without `textbook` and
# `lcs_length`. The answers to the random ones are `rouge-score`'s.
# %%
def candidate(a, b):  # write yours here
    return None


cases = [((list("ABCBDAB"), list("BDCABA")), 4), ((["at", "six"], ["six", "at"]), 1)]
cases += [(([], ["at"]), 0), ((["a", "a", "a"], ["a"]), 1), ((a, b), 6)]
if installed("rouge_score"):
    scorer, rng = RougeScorer(["rougeL"]), random.Random(2)
    for _ in range(50):
        x, y = (rng.choices("abcd", k=rng.randrange(1, 12)) for _ in "ab")
        recall = scorer.score(" ".join(y), " ".join(x))["rougeL"].recall
        cases.append(((x, y), round(recall * len(y))))
cases.append((([*"ab" * 600], [*"ba" * 600]), 1199))
judge(2, candidate, cases)


# %% [markdown] lang="zh"
# ## 6 三种 ROUGE-L
#
# **问题**　两篇论文都写“ROUGE-L 38.2”，能比吗？
#
# **想法**　先问是哪一种。流行的至少有三种，名字一样，公式一样，数的东西不一样：
#
# | | 词 | 重复的词 | 句子 |
# | --- | --- | --- | --- |
# | `rouge-score`（Google） | a-z 和 0-9，别的字符**全部丢掉** | 每次都算 | 整篇一条 |
# | LongBench 用的 `rouge` 1.0.1 | 按空格切，英文标点粘在词上；中文先用 jieba 切，标点自成一词 | **每个词只算一次** | 遇到 `.` 就切 |
# | `rouge_chinese` | 使用者自己切好 | 每次都算（ROUGE-1、2 却只算一次） | 遇到 。！？ 就切 |
#
# 同一份答卷，同一条标准答案：
# %% [markdown] lang="en"
# ## 6 Three ROUGE-Ls
#
# **Question.** Two papers say "ROUGE-L 38.2". Can they be compared?
#
# **Idea.** Ask first which one. At least three are in use, with the same name and the same formula, and
# they count different things:
#
# | | words | repeated words | sentences |
# | --- | --- | --- | --- |
# | `rouge-score` (Google) | a-z and 0-9; **all else is lost** | count each time | the whole text is one |
# | `rouge` 1.0.1, as in LongBench | cut at spaces, English punctuation sticks to words; Chinese goes through jieba first, where it does not | **count once** | cut at each `.` |
# | `rouge_chinese` | as its user cuts them | count each time (once in its ROUGE-1 and 2) | cut at each 。！？ |
#
# The same reply, the same reference:
# %%
def three(lang):
    """ROUGE-L by each definition: the score, as a function of a reply and a reference."""
    own, cut = ("characters", characters) if lang == "zh" else ("with stems", stems_of_rouge)
    return {
        "rouge-score": lambda p, r: rouge_l(p, r).fmeasure,
        own: lambda p, r: rouge_l(p, r, cut).fmeasure,
        "rouge_chinese": lambda p, r: rouge_l(p, r, words[lang] or str.split).fmeasure,
        "LongBench": lambda p, r: rouge_l_longbench(p, r, chinese=lang == "zh"),
    }


# %%
fig, axes = figures.canvas(1, 2, height=2.5)
for ax, lang, kind in zip(axes, replies, ("long", "question"), strict=True):
    scores = [score(replies[lang][kind], reference[lang]) for score in three(lang).values()]
    ax = figures.bars(ax, list(three(lang)), scores, horizontal=True, form=".3f")
    ax.set(title=f"{lang}: `{kind}`, ROUGE-L's F", xlim=(0, 1))
# %%
if installed("rouge", "rouge_chinese"):
    from rouge_chinese import Rouge as RougeChinese

    for lang, cut in {"zh": words_of_jieba, "en": str.split}.items():
        wanted, ours = reference[lang], three(lang)
        for given in replies[lang].values():
            spaced = [" ".join(cut(text)) for text in (given, wanted)]
            theirs = RougeChinese().get_scores(*spaced)[0]["rouge-l"]["f"]
            assert math.isclose(theirs, ours["rouge_chinese"](given, wanted), abs_tol=1e-8)
            theirs = RougePackage().get_scores(*spaced)[0]["rouge-l"]["f"]
            assert math.isclose(theirs, ours["LongBench"](given, wanted), abs_tol=1e-12)
    print("all replies: equal to the packages rouge and rouge_chinese")
# %% [markdown] lang="zh"
# 右图是同一句英文，最高的和最低的差了将近四十分。左图是中文：`rouge-score` 给 **0**，因为它只认 a 到 z 和数字，
# 汉字全丢了，一字不差也是 0；LongBench 比同样用 jieba 的 `rouge_chinese` 高出七分，因为 `long` 里有五个逗号，
# 它只算一个。
#
# > **教程里常见的错**　中文直接交给 `rouge-score`，得到一排 0，就以为模型不行；或者字与字之间加上空
# 格再交，照样是 0：它丢的就是字。要传一个自己的 `tokenizer`。
#
# 所以一个 ROUGE 要带上三样：哪个包（或哪种定义），怎么切词，取没取词干。本书的默认是 `rouge-score` 的定义；
# `rouge_l_longbench` 只在和 LongBench 的数比较时用。
#
# ## 7 BLEU：整个语料一起算
#
# ### 剪裁与短句的惩罚
#
# **问题**　机器翻译怎样打分？只看精确率的话，译文写一个最常见的词，重复几遍，岂不满分？
#
# **想法**　BLEU（Papineni 等 2002）看长度 1 到 4 的词串，各算一个精确率 $p_n$，取几何平均，再加两道防线：
#
# - **剪裁（clipping）**：一个词串在标准答案里有几个，最多算几个；
# - **短句惩罚（brevity penalty, BP）**：精确率不罚漏译，所以比标准答案短就打折。$c$ 是译文的长度，$r$ 是标准
#   答案的：
#
# $$\mathrm{BLEU} = \mathrm{BP} \cdot \exp\left(\frac{1}{4} \sum_{n=1}^{4} \ln p_n\right), \qquad
# \mathrm{BP} = \min\left(1,\; e^{1 - r / c}\right)$$
# %% [markdown] lang="en"
# On the right, one English sentence: the highest and the lowest are nearly forty points apart. On the
# left, Chinese: `rouge-score` gives **0**, for it knows a to z and digits and loses every Chinese
# character, so that even a word-for-word answer has 0; LongBench is seven points above `rouge_chinese`,
# which also has jieba's words, because it counts the five commas of `long` as one.
#
# > **Where the tutorials you may have read go wrong.** They hand Chinese to `rouge-score`, get a
# > row of zeros, and think the
# > model is bad; or they put spaces between the characters first, and get zeros again, for it is the
# > characters that are lost. Give it a `tokenizer` of your own.
#
# So report a ROUGE with three things: which package (or definition), how words are cut, stems or not.
# This book's default is the definition of `rouge-score`; use `rouge_l_longbench` only to compare with
# LongBench's numbers.
#
# ## 7 BLEU: a whole corpus at once
#
# ### Clipping, and a penalty for being short
#
# **Question.** How is a translation marked? By precision alone, would not the commonest word, written
# several times, be perfect?
#
# **Idea.** BLEU (Papineni et al. 2002) looks at runs of 1 to 4 words, takes a precision $p_n$ of each
# and their geometric mean, with two defences:
#
# - **clipping**: a run counts at most as often as it stands in the reference;
# - the **brevity penalty (BP)**: precision does not punish leaving things out, so a text shorter than
#   the reference is marked down. $c$ is the length of the translation, $r$ that of the reference:
#
# $$\mathrm{BLEU} = \mathrm{BP} \cdot \exp\left(\frac{1}{4} \sum_{n=1}^{4} \ln p_n\right), \qquad
# \mathrm{BP} = \min\left(1,\; e^{1 - r / c}\right)$$
# %%
from tiny_eval.bleu import bleu_counts, bleu_of_counts, corpus_bleu, sentence_bleu

print(inspect.getsource(bleu_counts))
print(inspect.getsource(bleu_of_counts))
stutter = sentence_bleu(" ".join(["the"] * 7), [reference["en"]])
print(f"the, seven times: unclipped 7/7, clipped {stutter.matched[0]}/{stutter.total[0]}")
# %%
fig, axes = figures.canvas(1, 2, height=3)
lengths = np.linspace(0.2, 2.7, 200)
axes[0].plot(lengths, np.minimum(1, np.exp(1 - 1 / lengths)))
for kind in ("short", "half", "negated", "long"):
    found = sentence_bleu(replies["en"][kind], [reference["en"]])
    x = found.length / found.reference_length
    axes[0].plot(x, found.brevity_penalty, "o", color=colour(people[kinds.index(kind)]))
    axes[0].annotate(kind, (x, found.brevity_penalty), (4, -14), textcoords="offset points")
axes[0].set(title="Brevity penalty", xlabel="length / reference's length", xlim=(0.1, 2.8))
for kind, style in (("swapped", "o-"), ("long", "s--"), ("salad", "^:")):
    found, shade = sentence_bleu(replies["en"][kind], [reference["en"]]), people[kinds.index(kind)]
    label, shade = f"{kind}: BLEU {found.score:.0f}", colour(shade)
    axes[1].plot(range(1, 5), found.precisions, style, color=shade, label=label)
axes[1].set(title="Precisions", xlabel="n", xticks=range(1, 5), ylabel="%", ylim=(0, 105))
_ = axes[1].legend(loc="lower right", bbox_to_anchor=(1, 0.04))
# %% [markdown] lang="zh"
# 颜色还是人的评分。左图：短了要打折，长了不奖不罚，因为长了精确率自然低。右图：两个钟点对调的 `swapped` 有
# 85 分，两个都说对的 `long` 才 40；只有 `salad`，一到 $n = 2$ 就垮了。几何平均里只要有一个 0，整个就是 0；所以单句的 BLEU 要**平滑（smoothing）**，第一个没有命中的 $n$ 算半
# 个，下一个算四分之一。平滑的办法有好多种，分数各不相同。
#
# ### 语料不是句子的平均
#
# **问题**　一千句译文，算一千个 BLEU 再平均，行不行？
#
# **想法**　不行，那是另一个数。BLEU 的定义是**先把所有句子的命中数加起来，再相除**。看两个系统，一个译好了短
# 句，一个译好了长句：
# %% [markdown] lang="en"
# The colours are the marks of people again. Left: too short is marked down; too long is neither rewarded
# nor punished, as its precision is low by itself. Right: `swapped`, with the times exchanged, has 85, and
# `long`, with both times right, 40; only `salad` collapses at $n = 2$. In a geometric mean one 0 makes
# everything 0; so the BLEU of one sentence is **smoothed**: the first $n$ without a match counts as half
# a match, the next as a quarter. There are many ways of smoothing, and they give different numbers.
#
# ### A corpus is not the mean of its sentences
#
# **Question.** A thousand translations: compute a thousand BLEUs and take the mean?
#
# **Idea.** No, that is another number. BLEU by definition **adds up the matches of all sentences first
# and divides then**. Take two systems, of which one gets the short sentence right and the other the
# long one:
# %%
wanted = [[reference["en"]], ["The ferry does not run in thick fog."]]
good = [one[0] for one in wanted]
bad = "I am not sure about the boat."
systems = {"long one right": [good[0], bad], "short one right": [bad, good[1]]}
for name, texts in systems.items():
    mean = np.mean([sentence_bleu(*pair).score for pair in zip(texts, wanted, strict=True)])
    print(
        f"{name:16} mean of sentences {mean:5.1f}, corpus {corpus_bleu(texts, wanted).score:5.1f}"
    )
if installed("sacrebleu"):
    import sacrebleu

    for texts in systems.values():
        theirs = sacrebleu.corpus_bleu(texts, [good]).score
        assert math.isclose(theirs, corpus_bleu(texts, wanted).score, rel_tol=1e-12)
# %% [markdown] lang="zh"
# 按句平均，两个系统几乎打平；按语料，差出一大截，因为长句的词多。哪个公平可以争论，但名叫 BLEU 的是后一个。
# （也因此，BLEU 没有“每题一分”，误差要靠重抽样，见[第 52 章](52_harness.ipynb)。）
#
# ### 切词又一次
#
# **问题**　算 BLEU 的标准工具是 `sacrebleu`，它默认的切词叫 `13a`，照空格和标点切。中文交给它会怎样？
# %% [markdown] lang="en"
# By the mean the two are nearly equal; by corpus they are far apart, as the long sentence has more
# words. Which is fairer may be argued, but what is called BLEU is the second. (This is also why BLEU
# has no mark for each question, and its error needs resampling: [chapter 52](52_harness.ipynb).)
#
# ### Cutting, once more
#
# **Question.** The usual tool for BLEU is `sacrebleu`. Its default tokenizer, `13a`, cuts at spaces and
# punctuation. What does it do with Chinese?
# %%
from tiny_eval.bleu_tokens import tokens_13a, tokens_char, tokens_zh

for cut in (tokens_13a, tokens_zh, tokens_char):
    print(f"{cut.__name__:12}{' | '.join(cut('渡船Heron2号6:30离开。'))}")
chinese = list(replies["zh"].values())
for tokenize in ("13a", "zh", "char"):
    found = corpus_bleu(chinese, [[reference["zh"]]] * len(chinese), tokenize)
    print(f"{tokenize:4} BLEU {found.score:5.2f}   {found.signature}")
    if find_spec("sacrebleu"):
        theirs = sacrebleu.corpus_bleu(
            chinese, [[reference["zh"]] * len(chinese)], tokenize=tokenize
        )
        assert math.isclose(theirs.score, found.score, rel_tol=1e-12)
# %% [markdown] lang="zh"
# 十三份里有一份一字不差，`13a` 还是给了 **0.00**：它把整句中文当成一个词，凑不出四个词的串。`zh` 和 `char` 在
# 纯中文上一样，碰到英文和数字就不同。最后那一长串叫**签名（signature）**，是 Post（2018）提倡的：几条标准答案、
# 怎么切词、怎么平滑、哪个版本，全写在里面。没有签名的 BLEU 没法比。
#
# ## 8 chrF：不切词，数字母
#
# **问题**　`returns` 写成 `return`，BLEU 当它是另一个词。词尾之差，值得全扣吗？中文怎么切词又总有争议，能不能干
# 脆不切？
#
# **想法**　chrF（Popović 2015）去掉空白，数 1 到 6 个**字符**的串。精确率、召回率各取六种长度的平均，召回率看得
# 更重（$\beta = 2$）：
#
# $$\mathrm{chrF} = \frac{(1 + \beta^2)\, P R}{\beta^2 P + R}$$
# %% [markdown] lang="en"
# One of the thirteen is the reference to the letter, and `13a` gives **0.00** all the same: to it a
# Chinese sentence is one word, and there is no run of four. `zh` and `char` are the same on Chinese
# alone, and differ on letters and digits. The string at the end is the **signature**, which Post (2018)
# asked for: how many references, which tokenizer, which smoothing, which version. A BLEU without one
# cannot be compared.
#
# ## 8 chrF: letters, and no words
#
# **Question.** Write `return` for `returns`, and BLEU takes it for another word. Should an ending cost
# the whole word? And as nobody agrees on how to cut Chinese: can one do without cutting?
#
# **Idea.** chrF (Popović 2015) drops white space and counts runs of 1 to 6 **characters**. Precision and
# recall are means over the six lengths, and recall weighs more ($\beta = 2$):
#
# $$\mathrm{chrF} = \frac{(1 + \beta^2)\, P R}{\beta^2 P + R}$$
# %%
from tiny_eval.chrf import chrf_of_counts, sentence_chrf

print(inspect.getsource(chrf_of_counts))
other = "The ferries left the landings at six in the mornings and returned at nine in the evenings."
tries = {"other endings": (other, reference["en"])}
tries |= {kind: (replies["en"][kind], reference["en"]) for kind in ("swapped", "reworded")}
tries |= {"opposite": ("It is impossible.", "It is possible.")}
tries |= {"opposite, zh": ("大雾天渡船照常不开。", "大雾天渡船照常开。")}
for name, (given, wanted) in tries.items():
    scores = sentence_bleu(given, [wanted], "zh").score, sentence_chrf(given, [wanted])
    print("{:13} BLEU {:5.1f}   chrF {:5.1f}".format(name, *scores))
# %%
if installed("sacrebleu"):
    for lang in replies:
        for text in replies[lang].values():
            theirs = sacrebleu.sentence_chrf(text, [reference[lang]]).score
            assert math.isclose(theirs, sentence_chrf(text, [reference[lang]]), rel_tol=1e-12)
    print("equal to sacrebleu")
# %% [markdown] lang="zh"
# 词尾换了一路，chrF 还给七十多分，这正是它的长处；它也不必为中文选切词。可是全对的 `reworded` 只有个位数，对调
# 两个钟点的 `swapped` 却有**九十多分**：`six`、`nine` 只有三四个字母，换个位置，大多数短串都还在。最后两行更要
# 紧：`possible` 成了 `impossible`，“开”成了“不开”，**意思全反**，分数却和换几个词尾差不多。错得要命还是无关痛
# 痒，数字母的尺子分不出来。
# %% [markdown] lang="en"
# With ending after ending changed, chrF still gives more than seventy, which is its strength; nor does it
# need Chinese to be cut. But `reworded`, wholly right, has less than ten, and `swapped` has **more than
# ninety**: `six` and `nine` are only three and four letters, and wherever they stand, most of the short
# runs are still there. The last two lines matter more. `possible` has become `impossible`, and a ferry
# that sails in fog one that does not: **the meaning is reversed**, and the score is that of a few other
# endings. Whether a mistake is fatal or harmless, a ruler of letters cannot tell.
# %% [markdown] lang="zh"
# ## 9 困惑度：不看答案，看概率
#
# **问题**　前面的尺子都在比字面。模型本来就给每段文字一个概率，直接看概率，是不是就骗不了了？
#
# **想法**　**困惑度**（perplexity）是每个单位的概率取几何平均，再求倒数：模型每一步的为难程度，相当于在几个一
# 样可能的选项里瞎猜。
#
# $$\mathrm{PPL} = \exp\left(-\frac{\ln P(\text{文本})}{N}\right)$$
#
# $N$ 是单位的个数。单位是词元、词还是字节（byte）？分子一样，分母不同，数就完全不同。
#
# 这里用一个很小的模型：[ngram.py](../../tiny_eval/ngram.py) 在随书的两篇短文（一中一英）上数一数，每几个字后面
# 跟着什么，一眨眼就“训练”好了。它最多往前看五个词元。做两个，**算法一样，词元不一样**：一个以字符为词元，一个以
# UTF-8 的字节为词元（一个汉字三个字节）。哪个更好？
# %% [markdown] lang="en"
# ## 9 Perplexity: not the answer but its probability
#
# **Question.** So far all rulers compared words. A model has a probability for any text; looking at
# that directly, is there nothing to fool?
#
# **Idea.** **Perplexity** is one over the geometric mean of the units' probabilities: among how many
# equally likely choices the model might as well have guessed at each step.
#
# $$\mathrm{PPL} = \exp\left(-\frac{\ln P(\text{text})}{N}\right)$$
#
# $N$ is the number of units. Tokens, words, or bytes? The numerator is the same, the denominators are
# not, and the numbers have nothing in common.
#
# Take a very small model, [ngram.py](../../tiny_eval/ngram.py): it counts, in two short texts that come
# with the book (one Chinese, one English), what follows each few characters, and is "trained" in a
# blink. It looks at most five tokens back. Make two by **the same method with different tokens**: for
# one a token is a character, for the other a byte of UTF-8 (a Chinese character has three). Which is
# better?
# %%
from tiny_eval.likelihood import corpus_perplexity, count_bytes, count_words
from tiny_eval.ngram import NgramModel

print(inspect.getsource(NgramModel.probability))
data = files("tiny_eval") / "data"
corpus = {lang: (data / f"corpus_{lang}.txt").read_text("utf-8") for lang in replies}


def as_bytes(text):
    """A character for each byte, so that the same model counts bytes."""
    return text.encode("utf-8").decode("latin-1")


by_character = NgramModel(list(corpus.values()))
by_byte = NgramModel(list(map(as_bytes, corpus.values())))


# %%
def unseen(lang):
    """Texts that neither model has counted."""
    lines = (data / "tasks" / f"sample_perplexity_{lang}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def by_units(model, texts, seen=str):
    """The texts' perplexity by token, word and byte."""
    found = dict(model.loglikelihood_rolling([seen(text) for text in texts]))
    totals = [found[place].total for place in range(len(texts))]
    tokens = [found[place].tokens for place in range(len(texts))]
    counts = tokens, list(map(count_words, texts)), list(map(count_bytes, texts))
    return [corpus_perplexity(list(zip(totals, count, strict=True))) for count in counts]


# %%
found = {}
print(f"{'':15}{'per token':>12}{'per word':>12}{'per byte':>12}")
for lang in replies:
    found[lang, "characters"] = by_units(by_character, unseen(lang))
    found[lang, "bytes"] = by_units(by_byte, unseen(lang), as_bytes)
for (lang, tokens), row in found.items():
    print(f"{lang} {tokens:12}" + "".join(f"{value:12.4g}" for value in row))
ours, theirs = found["zh", "characters"][0], found["zh", "bytes"][0]
print(f"zh, per token: {ours / theirs:.0f} times as high; its cube root is {ours ** (1 / 3):.2f}")
assert found["zh", "characters"][2] < found["zh", "bytes"][2]  # and are the better model
# %% [markdown] lang="zh"
# 按**词元**，中文的字节模型好像强了几百倍。其实只是分母不同：它把一个汉字拆成三个词元，差不多的一笔 $\ln P$，
# 摊到三倍的份数上，困惑度就成了立方根（最后一行）。按**字节**摊，份数相同，次序正好反过来：字符模型略胜。英文里
# 一个字母就是一个字节，两个模型的数也就几乎一样；差的那一点来自训练时混在一起的中文，按字节算，它长了近三倍。
#
# 按**词**呢？`lm-eval` 的词是空格之间的东西，一段中文没有空格，就是“一个词”，于是得出上面那个天文数字。所以：
# **同一个分词器**的两个模型，按什么比都行；**分词器不同**，就要用它们管不着的单位，通常是字节（或取对数：每字节几
# 比特，bits per byte）；按词只对有空格的语言有意义。
#
# 下面先核对定义：词元数乘词元困惑度的对数，等于字节数乘字节困惑度的对数，都是同一个 $-\ln P$。再骗它一回：用人
# 评过的十三份答卷，算每字节的比特数，横条越短，模型越觉得“顺”。
# %% [markdown] lang="en"
# By **token** the byte model seems hundreds of times better in Chinese. It is only the denominator: it
# cuts a character into three tokens, so that much the same $\ln P$ is spread over three times as many,
# and the perplexity becomes the cube root (the last line). By **byte** both are spread over the same
# number, and it is the other way round: the character model is slightly better. In English a letter is a
# byte, and the two models nearly agree; the rest comes from the Chinese text that they were trained on
# too, which is nearly three times as long in bytes.
#
# And by **word**? To `lm-eval` a word is what stands between spaces; a Chinese text has none, is "one
# word", and makes that astronomical number. So: for two models with **the same tokenizer**, any unit
# will do; for **different tokenizers** it has to be a unit that neither decides on, usually bytes (or
# the logarithm, bits per byte); words make sense only for languages with spaces.
#
# First check the definition: tokens times the logarithm of the perplexity by token is bytes times that
# by byte, the same $-\ln P$ both times. Then fool it: the bits per byte of the thirteen replies, where
# a shorter bar is a text that the model finds smoother.
# %%
n_tokens, n_bytes = (sum(map(count, unseen("zh"))) for count in (len, count_bytes))
per_token, _, per_byte = found["zh", "characters"]
assert math.isclose(n_tokens * math.log(per_token), n_bytes * math.log(per_byte))


def bits_per_byte(text):
    return -by_character.total("", text).total / math.log(2) / count_bytes(text)


fig, axes = figures.canvas(1, 2, height=3.4)
for ax, lang in zip(axes, replies, strict=True):
    bits = [bits_per_byte(replies[lang][kind]) for kind in kinds]
    shown = kinds if lang == "zh" else [""] * len(kinds)
    ax = figures.bars(ax, shown, bits, horizontal=True, colors=[colour(mark) for mark in people])
    ax.set(title=f"{lang}: bits per byte", xlim=(0, 1.2 * max(bits)))
    print(lang, "{:.6f} {:.6f}".format(*(bits[kinds.index(k)] for k in ("same", "swapped"))))
# %% [markdown] lang="zh"
# 打印的那两个数，`same` 和 `swapped` **一模一样**。两处钟点前面，紧挨着的都是 at（中文是“上”）；再往前的字不同，
# 可是那些字后面，两个钟点模型都没见过，要付的代价就只看前文，不看是哪个钟点。一对调，乘起来还是原数。全对的
# `reworded` 在两种语言里都最“不顺”：“清晨”“返航”和那些数字，它一个也没读过。困惑度量的是**像不像它读过的文字**，
# 真假不在其内。再看一段只会打转的话，它比真正的英文还“顺”：
# %% [markdown] lang="en"
# Look at the two numbers printed: `same` and `swapped` are **identical**. Just before either time stands
# "at" (in Chinese 上); further back the words differ, but after those the model has seen neither time, so
# what it pays depends on the words before and not on which time follows. Exchange the two, and the
# product is the same. `reworded`, wholly right, is the roughest in both languages: the model has read no
# digit, and neither 清晨 (early morning) nor 返航 (comes home). Perplexity measures **how like the text is
# to what the model has read**; truth does not come into it. A text that runs in circles is even smoother
# than real English:
# %%
circles = "The river and the river and the river and the river and the river and the river."
real = math.log2(found["en", "characters"][2])
print(f"circles {bits_per_byte(circles):.2f} bits per byte, real texts {real:.2f}")
assert bits_per_byte(circles) < real
# %% [markdown] lang="zh"
# 换成真模型，只改一行，后面的代码不动（这里不运行）：
#
# ```python
# from tiny_eval.local_model import LocalModel
#
# by_units(LocalModel("models/Qwen2.5-0.5B"), unseen("zh"))
# ```
#
# ## 10 选择题：挑概率最大的那个
#
# **问题**　选择题不必让模型写字：把四个选项各接在题目后面，看哪个概率大，就算它选了哪个。公平吗？
#
# **想法**　概率是一个词元一个词元**乘**出来的，每乘一次都变小。选项越长，概率越小，**短的天生占便宜**。于是有
# 人把对数概率除以长度。`lm-eval` 里，不除的叫 `acc`，除以字符数的叫 `acc_norm`，除以字节数的叫 `acc_bytes`：
#
# $$\hat{c} = \arg\max_c \frac{\ln P(c \mid q)}{\ell(c)}, \qquad
# \ell(c) = 1 \;\text{或}\; \text{字符数} \;\text{或}\; \text{字节数}$$
# %% [markdown] lang="en"
# For a real model change one line; the rest stays (not run here):
#
# ```python
# from tiny_eval.local_model import LocalModel
#
# by_units(LocalModel("models/Qwen2.5-0.5B"), unseen("zh"))
# ```
#
# ## 10 Multiple choice: take the likeliest
#
# **Question.** For multiple choice a model need not write: put each of the four choices after the
# question, and what is likeliest counts as chosen. Is that fair?
#
# **Idea.** Probabilities are **multiplied**, a token at a time, and each factor makes them smaller. The
# longer a choice, the less likely, so **short ones have a head start**. Hence the log-likelihood is often
# divided by length. In `lm-eval` the undivided rule is called `acc`, that by characters `acc_norm`, that
# by bytes `acc_bytes`:
#
# $$\hat{c} = \arg\max_c \frac{\ln P(c \mid q)}{\ell(c)}, \qquad
# \ell(c) = 1 \;\text{or}\; \text{characters} \;\text{or}\; \text{bytes}$$
# %%
from tiny_eval.likelihood import choose

print(inspect.getsource(choose).split('"""')[2])


def ask(asked, choices):
    """What the model takes by each of three rules, and each choice's log-likelihood."""
    found = dict(by_character.loglikelihood([(asked, choice) for choice in choices]))
    totals = [found[place].total for place in range(len(choices))]
    rules = ("none", "characters", "bytes")
    return {rule: choose(totals, rule, choices) for rule in rules}, totals


# %%
ferry = {
    "Question: When does the ferry leave?\nAnswer: ": ["at six", "at nine", "no", "in the morning"],
    "问题：渡船几点离开码头？\n回答：": ["六点", "九点", "不", "早上六点"],
}
for asked, choices in ferry.items():
    taken, totals = ask(asked, choices)
    print(asked.split("\n")[0])
    for choice, total in zip(choices, totals, strict=True):
        rules = ", ".join(rule for rule in taken if choices[taken[rule]] == choice)
        each = [total, total / len(choice), total / count_bytes(choice)]
        print("  {:7.1f}{:7.2f}{:7.2f}".format(*each), choice, f" <- {rules}" if rules else "")
# %% [markdown] lang="zh"
# 三列数是：总的对数概率、每字符、每字节，箭头后面是哪条规则选了它。不除长度，就选了“no”和“不”：什么也没答，
# 赢在短。除了长度，中文还是选“不”，英文又选了“in the morning”：一句套话，后面的字母个个好猜，平均起来很高。
# **长而熟的话占便宜**，是另一种偏心。
#
# 一道题说明不了什么。随书的样题中英各 24 道，画出每个选项的长度和对数概率，再数一数：
# %% [markdown] lang="en"
# The columns are the log-likelihood in all, per character and per byte; after the arrow, the rules that
# take it. Undivided, the answers are "no" and "不" (no): they say nothing, and win by being short.
# Divided, the Chinese one is still "不", and the English one becomes "in the morning": a stock phrase
# whose letters are easy to guess, so its mean is high. **Long and familiar has a head start**, which is
# another bias.
#
# One question proves nothing. The book's sample task has 24 in either language; plot the length and the
# log-likelihood of each choice, and count:
# %%
forms = {"zh": "问题：{}\n回答：", "en": "Question: {}\nAnswer: "}


def picked(docs, taken):
    """How often a shortest choice was taken, how often the right one, and the first by chance."""
    chosen = [(doc["choices"], doc["choices"][pick]) for doc, pick in zip(docs, taken, strict=True)]
    shortest = [len(one) == min(map(len, choices)) for choices, one in chosen]
    right = ["ABCD"[pick] == doc["answer"] for doc, pick in zip(docs, taken, strict=True)]
    chance = [sum(len(c) == min(map(len, of)) for c in of) / len(of) for of, _ in chosen]
    return np.mean(shortest), np.mean(right), np.mean(chance)


# %%
fig, axes = figures.canvas(1, 2, height=3)
for ax, (lang, form) in zip(axes, forms.items(), strict=True):
    lines = (data / "tasks" / f"sample_choice_{lang}.jsonl").read_text("utf-8").splitlines()
    docs = [json.loads(line) for line in lines]
    asked = [ask(form.format(doc["question"]), doc["choices"]) for doc in docs]
    for doc, (taken, totals) in zip(docs, asked, strict=True):
        colors = [figures.ROSE if n == taken["none"] else figures.GREY for n in range(4)]
        ax.scatter(list(map(len, doc["choices"])), totals, 14, colors)
    ax.set(title=f"{lang}: red is taken undivided", xlabel="characters", ylabel="log-likelihood")
    for rule in ("none", "characters", "bytes"):
        shortest, acc, chance = picked(docs, [taken[rule] for taken, _ in asked])
        print(f"{lang} {rule:11} takes a shortest one {shortest:4.0%}, right {acc:4.0%}")
    print(f"{lang} by chance   takes a shortest one {chance:4.0%}, right  25%")
# %% [markdown] lang="zh"
# 左右两幅都往右下斜：**越长，对数概率越低**，红点偏在左上。不除长度时，十次有近九次挑了最短的（并列最短的也算，
# 所以瞎猜也有五成多到七成）；除了以后，反倒比瞎猜还少一点。这个模型什么也不懂，对多对少全凭运气，可是换一条规
# 则，中文的“正确率”就从 17% 变成 29%。24 道题上的这点差别什么也说明不了（[第 52 章](52_harness.ipynb)会算）；要
# 紧的是：**报 acc 还是 acc_norm，要事先说好，不能哪个高报哪个**。
#
# 还有一种问法：把选项连同字母写在题目里，让模型答字母。长短的偏心没有了，别的麻烦来了，见
# [第 52 章](52_harness.ipynb)。
#
# ## 11 校准：说九成把握，就该对九成
#
# **问题**　模型说“九成把握”，这个九成可信吗？
#
# **想法**　把握差不多的回答归成一档，看每一档里真正答对了几成。把握等于正确率，就叫**校准**（calibrated）得
# 好。横轴把握，纵轴正确率，画成**可靠性图（reliability diagram）**，越贴对角线越好；离对角线的平均距离，叫
# **期望校准误差（expected calibration error, ECE）**，$B_i$ 是各档，acc 和
# conf 是那一档的正确率和平均把握：
#
# $$\mathrm{ECE} = \sum_i \frac{|B_i|}{N} \left|\, \mathrm{acc}(B_i) - \mathrm{conf}(B_i) \,\right|$$
#
# 让同一种模型读那篇英文，再到没见过的英文上猜下一个字母，一次猜一个，猜几千次。它有个旋钮 `prior`：越小，越相信
# 见过的那几次；越大，越谦虚。第三个模型 `order=1`，前面写了什么一概不看，只知道每个字母有多常见。
# %% [markdown] lang="en"
# Both slope down to the right: **the longer, the less likely**, and the red dots are to the upper left.
# Undivided, a shortest choice is taken nearly nine times in ten (ties count, so that chance alone takes
# 56% and 70%); divided, a little less often than by chance. This model knows nothing, and what it gets
# right is luck; yet another rule turns its Chinese "accuracy" from 17% into 29%. On 24 questions such a
# difference means nothing ([chapter 52](52_harness.ipynb) computes it). What matters is to **say
# beforehand whether acc or acc_norm will be reported**, and not to report whichever is higher.
#
# There is another way to ask: write the choices with their letters into the question, and let the model
# answer with a letter. Length is out of the game, and other trouble comes in: see
# [chapter 52](52_harness.ipynb).
#
# ## 11 Calibration: nine in ten should mean nine in ten
#
# **Question.** A model is 90% sure. Can that 90% be trusted?
#
# **Idea.** Put answers of about the same confidence into one bin and see what share of them is right.
# Where confidence equals accuracy, the model is well **calibrated**. Plot confidence to the right and
# accuracy upwards: that is a **reliability diagram**, and the nearer to the diagonal the better. The mean
# distance from it is the **expected calibration error (ECE)**, with $B_i$ the bins, and acc and conf the
# accuracy and the mean confidence in each:
#
# $$\mathrm{ECE} = \sum_i \frac{|B_i|}{N} \left|\, \mathrm{acc}(B_i) - \mathrm{conf}(B_i) \,\right|$$
#
# Let the same kind of model read the English text, and guess the next letter of English that it has not
# seen, one at a time, some thousands of times. It has a knob, `prior`: the smaller, the more it believes
# the few times that it has seen something; the larger, the humbler. The third model has `order=1`: it
# looks at nothing that was written before, and only knows how frequent each letter is.
# %%
from tiny_eval.likelihood import brier_score, calibration_bins, expected_calibration_error

alphabet = sorted(set(corpus["en"]))
places = [(text[i - 5 : i], text[i]) for text in unseen("en") for i in range(5, len(text))]


def forecasts(model):
    """Of each place: how sure the model is, whether its likeliest letter comes, the Brier score."""
    for before, real in places:
        p = [model.probability(before, letter) for letter in alphabet]
        likeliest = max(range(len(p)), key=p.__getitem__)
        yield p[likeliest], alphabet[likeliest] == real, brier_score(p, alphabet.index(real))


# %%
models = {f"prior {prior}": NgramModel([corpus["en"]], prior=prior) for prior in (1, 10)}
models["frequencies"] = NgramModel([corpus["en"]], order=1)  # looks at no letter before
answered = {name: list(zip(*forecasts(model), strict=True)) for name, model in models.items()}
print(f"{len(places)} guesses  right  sure    ECE  Brier")
for name, (sure, right, brier) in answered.items():
    ece = expected_calibration_error(sure, right)
    print(f"{name:12}{np.mean(right):8.2f}{np.mean(sure):6.2f}{ece:7.3f}{np.mean(brier):7.3f}")
# %%
fig, axes = figures.canvas(1, 3, height=2.9)
for ax, (name, (sure, right, _)) in zip(axes, answered.items(), strict=True):
    found = calibration_bins(sure, right)
    ax.plot([0, 1], [0, 1], color=figures.GREY, linewidth=1)
    ax.plot([one.confidence for one in found], [one.accuracy for one in found], linewidth=1)
    sizes = [300 * one.n / len(sure) for one in found]
    ax.scatter([one[0] for one in found], [one[1] for one in found], sizes, clip_on=False, zorder=3)
    ax.set(title=name, xlabel="confidence", xlim=(0, 1), ylim=(0, 1), aspect="equal")
_ = axes[0].set_ylabel("share that is right")
# %%
if installed("sklearn"):
    from sklearn.calibration import calibration_curve

    sure, right, _ = answered["prior 1"]
    accuracy, confidence = calibration_curve(right, sure, n_bins=10)
    found = calibration_bins(sure, right)
    np.testing.assert_allclose([one[:2] for one in found], np.c_[confidence, accuracy])
    print("the bins: equal to scikit-learn's")
# %% [markdown] lang="zh"
# 点越大，那一档猜的次数越多。`prior 1` 的点全在对角线**下方**：把握总比正确率高，这叫**过度自信**。`prior 10` 猜
# 得几乎一样准，点却贴着对角线，ECE 降到四分之一左右。准不准和诚实不诚实，是两回事。
#
# 骗它一次：第三幅那个模型**永远猜空格**，因为空格最常见，把握就是空格的比例。它几乎什么也不会，ECE 却最低。所以
# ECE 要和正确率一起看；或者看 **Brier 分**：把每个字母的概率和事实（来的那个是 1，别的是 0）相减，平方，再加起
# 来，越低越好。它两样都管，这个模型在它面前就现了原形。
#
# 再骗一次，这回冤枉好人：一个**完美**校准的模型，题少的时候 ECE 也不是 0，因为每一档里的正确率本来就有起伏：
# %% [markdown] lang="en"
# The larger a dot, the more guesses are in its bin. The dots of `prior 1` are all **below** the diagonal:
# it is surer than it is right, which is **overconfidence**. `prior 10` guesses nearly as well, and its
# dots lie along the diagonal: ECE is down to about a quarter. Being right and being honest are two
# things.
#
# Fool it once: the third model **always guesses a space**, as spaces are the most frequent, and is
# as sure as they are frequent. It can do next to nothing, and its ECE is the lowest. So read ECE
# beside accuracy;
# or read the **Brier score**: subtract the facts (1 for the letter that comes, 0 for the others) from the
# probability of every letter, square, add up; less is better. It takes account of both, and sees
# through this model.
#
# Fool it again, this time against an honest model: on few questions even a **perfectly** calibrated
# model has an ECE above 0, since the accuracy within a bin wavers by chance:
# %%
rng = random.Random(11)
for n in (30, 300, 3000):
    found = []
    for _ in range(100):
        sure = [rng.random() for _ in range(n)]
        found.append(expected_calibration_error(sure, [rng.random() < p for p in sure]))
    print(f"{n:5} answers of a perfectly calibrated model: ECE {np.mean(found):.3f}")
# %% [markdown] lang="zh"
# ## 12 pass@k：给你 k 次机会
#
# **问题**　写代码可以试好几次，跑一遍测试就知道对不对。“给 $k$ 次机会，至少成一次”的概率怎么估？
#
# **想法**　试 $n$ 次，成了 $c$ 次。**顺手的写法**是先估单次的成功率 $\hat{p} = c / n$，再代进去：
# $1 - (1 - \hat{p})^k$。它平均起来**偏低**：$(1-p)^k$ 是条弯线，先取平均再代进去，和先代进去再取平均，不是一个数。Chen 等（2021）的
# 办法不代入，直接数：$n$ 次里任取 $k$ 次，有多少种取法至少含一次成功？
#
# $$\mathrm{pass@}k = 1 - \binom{n-c}{k} \Big/ \binom{n}{k}$$
#
# 这个是**无偏**（unbiased）的：平均起来不高不低。下面不做模拟，把 $c$ 的每一种可能按二项分布加起来，精确地画出
# 两种估计的平均值：
# %% [markdown] lang="en"
# ## 12 pass@k: with k tries
#
# **Question.** Code can be tried several times, as tests tell whether it works. How is the chance
# estimated that of $k$ tries at least one succeeds?
#
# **Idea.** Try $n$ times, of which $c$ succeed. What **comes to mind** is to estimate the rate of one try,
# $\hat{p} = c / n$, and to plug it in: $1 - (1 - \hat{p})^k$. On average that is **too low**: $(1-p)^k$
# is a curve, and its value at the mean is not the mean of its values. Chen et al. (2021) plug in nothing
# and count: of all ways of taking $k$ out of the $n$, how many hold a success?
#
# $$\mathrm{pass@}k = 1 - \binom{n-c}{k} \Big/ \binom{n}{k}$$
#
# That is **unbiased**: on average neither high nor low. No simulation is needed: weigh each possible $c$
# by the binomial distribution, and the means of both estimates are exact:
# %%
from tiny_eval.pass_at_k import pass_all_k, pass_at_k

print(inspect.getsource(pass_at_k).split('"""')[2])


def mean_of(estimate, p, n):
    """What an estimate from n tries is on average, if each succeeds with probability p."""
    return sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * estimate(c) for c in range(n + 1))


p, n, ks = 0.2, 10, range(1, 11)
truth = [1 - (1 - p) ** k for k in ks]
unbiased = [mean_of(lambda c, k=k: pass_at_k(n, c, k), p, n) for k in ks]
plugged = [mean_of(lambda c, k=k: 1 - (1 - c / n) ** k, p, n) for k in ks]
np.testing.assert_allclose(unbiased, truth)
print(f"k = 10: truth {truth[-1]:.3f}, unbiased {unbiased[-1]:.3f}, plug-in {plugged[-1]:.3f}")
# %%
fig, axes = figures.canvas(1, 2, height=3)
lines = {"truth": truth, "plug-in, mean": plugged}
ax = figures.curve(axes[0], ks, lines, xlabel="k", ylabel="pass@k")
ax.plot(ks, unbiased, "o", color=figures.GREEN, label="unbiased, mean")
ax.legend()
ax.set(title="p = 0.2, n = 10 tries", ylim=(0, 1))
tries = range(1, 21)
ax = figures.curve(axes[1], tries, {}, xlabel="k")
for name, c, style in (("a coin, c = 10 of 20", 10, "-"), ("a good model, c = 18 of 20", 18, "--")):
    ax.plot(tries, [pass_at_k(20, c, k) for k in tries], style, label=f"pass@k, {name}")
    ax.plot(tries, [pass_all_k(20, c, k) for k in tries], style, label=f"pass^k, {name}", alpha=0.6)
ax.set(title="A yes-or-no question", ylim=(0, 1.02))
_ = ax.legend(fontsize=7.5, loc="upper right", bbox_to_anchor=(1, 0.95))


# %% [markdown] lang="zh"
# 左图：绿点压在真值上，代入法从第二次机会起就偏低。（只试 $k$ 次、成没成过就记 1 或 0，也是无偏的，可是起伏很
# 大；多试几次再数，稳得多。）
#
# 右图是怎样骗它：一道**是非题**，抛硬币的和真会的，只试一次差得远，多试几次，`pass@k` 都贴到 1。所以它只适合**有
# 人替你验收**的任务（代码有测试，证明有检查器），答案好猜的题不能用。反过来问“$k$ 次是不是**次次**都成”，叫
# $\mathrm{pass}^k$（Yao 等 2024），用来量靠不靠得住；[第 43 章](43_sops_plans_traces.ipynb)的智能体就是用它量的。
#
# **练习 3**　写 `candidate(n, c, k)`：无偏的 pass@k，不许用 `pass_at_k` 和 `math.comb`（想想连乘）。随机题的答案
# 来自 `scipy` 的超几何分布。
# %% [markdown] lang="en"
# Left: the green dots are on the truth, and the plug-in is below it from the second try on. (To try just
# $k$ times and note 1 or 0 is unbiased too, but wavers; try more often and count, and it is steadier.)
#
# Right is how to fool it: on a **yes-or-no question** a coin and somebody who knows are far apart with one
# try, and with many `pass@k` is near 1 for both. So it fits tasks where **something else checks** the
# answer (code has tests, a proof has a checker), and not those whose answers can be guessed. Whether
# **all** of $k$ tries succeed is $\mathrm{pass}^k$ (Yao et al. 2024), and tells whether one can rely on
# them; [chapter 43](43_sops_plans_traces.ipynb) measures agents by that.
#
# **Exercise 3.** Write `candidate(n, c, k)`: the unbiased pass@k without `pass_at_k` and `math.comb`
# (think of a product). The answers to the random ones are `scipy`'s hypergeometric distribution.
# %%
def candidate(n, c, k):  # write yours here
    return None


cases = [((5, 1, 1), 0.2), ((5, 0, 3), 0), ((5, 5, 2), 1), ((4, 2, 2), 5 / 6), ((5, 2, 4), 1)]
cases += [((10, 3, 2), 8 / 15), ((200, 1, 100), 0.5)]
if installed("scipy"):
    from scipy.stats import hypergeom

    rng = random.Random(3)
    for _ in range(50):
        n = rng.randrange(1, 300)
        c, k = rng.randrange(n + 1), rng.randrange(1, n + 1)
        cases.append(((n, c, k), float(hypergeom(n, c, k).sf(0))))
        assert math.isclose(pass_at_k(n, c, k), cases[-1][1])  # ours is right, too
judge(3, candidate, cases)


# %% [markdown] lang="zh"
# ## 13 尺子看不见什么
#
# ### 十三份答卷，七把尺子
#
# **问题**　每把尺子各有各的盲处。凑在一起，能看全吗？
#
# 每幅的第一列是人的评分，后面七列是尺子（R-1、R-2、R-L 是三种 ROUGE），答卷按人的评分从高到低排。要是尺子和人
# 看得一样，颜色就该从上到下一路变浅：
# %% [markdown] lang="en"
# ## 13 What no ruler sees
#
# ### Thirteen replies, seven rulers
#
# **Question.** Each ruler is blind somewhere. Do they see everything together?
#
# The first column of each half is the mark of people, the other seven are rulers (R-1, R-2 and R-L are
# the ROUGEs), and the replies are in the order of the mark. If rulers saw as people do, the colour would
# fade from top to bottom:
# %%
def measured(given, wanted, lang):
    """What each ruler says of a reply, all in [0, 1]."""
    cut, qa = words[lang], {"zh": words_of_chinese_qa, "en": None}[lang]
    return {
        "EM": exact_match(given, wanted, normal[lang]),
        "F1": token_f1(given, wanted, qa),
        "R-1": rouge_n(given, wanted, 1, cut).fmeasure,
        "R-2": rouge_n(given, wanted, 2, cut).fmeasure,
        "R-L": rouge_l(given, wanted, cut).fmeasure,
        "BLEU": sentence_bleu(given, [wanted], {"zh": "zh", "en": "13a"}[lang]).score / 100,
        "chrF": sentence_chrf(given, [wanted]) / 100,
    }


# %%
order = sorted(range(len(kinds)), key=lambda n: -people[n])
fig, axes = figures.canvas(1, 2, height=4.4, width=8.6)
scores = {}
for ax, lang in zip(axes, replies, strict=True):
    rows = [measured(replies[lang][kind], reference[lang], lang) for kind in kinds]
    scores[lang] = {ruler: np.array([row[ruler] for row in rows]) for ruler in rows[0]}
    table = np.column_stack([people, *scores[lang].values()])[order]
    names = [kinds[n] for n in order] if lang == "zh" else [""] * len(kinds)
    columns = ["people", *scores[lang]]
    ax = figures.heatmap(ax, table, columns, names, values=True, colorbar=False, vmin=0, vmax=1)
    ax.axvline(0.5, color=figures.INK, linewidth=2)
    ax.set(title=f"{lang}: replies by rulers", yticklabels=names)
    ax.set_xticklabels(columns, rotation=0, ha="center")


# %% [markdown] lang="zh"
# 颜色并没有一路变浅。横着看几行：
#
# - `reworded`、`short`（人给满分）：尺子手里只有字面，只好给低分。
# - `swapped`（人给零分）：七把尺子里，六把都给了一半以上。
# - `negated`：一个“不”字，一个 never，翻转了整句话的意思；除了 EM，多的扣三分之一，少的只扣几分。
# - `nonsense`、`question`：照抄题目，或者顺着题目编一句空话，**像题目，也就像答案**。
# - `salad`：词袋给满分，看次序的才扣它的分。
#
# 再用一个数来说：**秩相关（rank correlation）**。不管分数的大小，只看名次，尺子排的和人排的有多一致：1 完全一致，
# 0 看不出关系，-1 正好相反。并列的取平均名次：
# %% [markdown] lang="en"
# It does not fade. Some rows from left to right:
#
# - `reworded` and `short` (full marks from people): rulers have nothing but the words, and mark low.
# - `swapped` (nothing from people): six of seven rulers give more than half.
# - `negated`: a "never" reverses the whole sentence, and costs (EM aside) a third at most, or a few points.
# - `nonsense` and `question`: copy the question, or say something empty along its lines; what **is like the
#   question is like the answer**.
# - `salad`: bags of words give full marks, and only rulers of order mark it down.
#
# In one number: the **rank correlation**. However high the scores are, how far does a ruler put the
# replies into the order that people put them? 1 is wholly, 0 is no relation, -1 the reverse. Equals share
# their mean rank:
# %%
def ranks(values):
    """The place of each value from below; equal ones share the mean of theirs."""
    values = np.asarray(values, float).round(9)
    return [(values < one).sum() + ((values == one).sum() + 1) / 2 for one in values]


def rank_correlation(a, b):
    """Spearman's: the correlation of the ranks."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


# %%
if installed("scipy"):
    from scipy.stats import spearmanr

    for one in scores["zh"].values():
        assert math.isclose(rank_correlation(one, people), spearmanr(one, people)[0], abs_tol=1e-7)
    print("rank correlations: equal to scipy's")
# %%
plain = [n for n, kind in enumerate(kinds) if kind not in (*fooling[:-1], "short", "reworded")]
print("plain replies:", [kinds[n] for n in plain])
marks = np.array([list(strict.values()), list(lenient.values())])
rho, between = {}, {}
for name, some in {"all thirteen": range(len(kinds)), "six plain ones": plain}.items():
    for lang in scores:
        each = [rank_correlation(s[some], people[some]) for s in scores[lang].values()]
        rho[name, lang] = each
        ends = f"{min(each[1:]):.2f} to {max(each[1:]):.2f}"
        print(f"{name:14} {lang}: EM {each[0]:.2f}, the others {ends}")
    between[name] = rank_correlation(*marks[:, some])
    print(f"{name:14} one marking scheme with the other: {between[name]:.2f}")
# %%
fig, axes = figures.canvas(1, 2, height=3)
for ax, lang in zip(axes, scores, strict=True):
    places = np.arange(len(scores[lang]))
    for name, shift, shade in zip(between, (-0.2, 0.2), (figures.ROSE, figures.BLUE), strict=True):
        ax.bar(places + shift, rho[name, lang], 0.38, label=name, color=shade)
        ax.axhline(between[name], color=shade, linestyle="--", linewidth=1.2)
    ax.axhline(0, color=figures.INK, linewidth=0.8)
    ax.set_xticks(places, list(scores[lang]))
    ax.set(title=f"{lang}: rank correlation with people", ylim=(-0.35, 1.25))
_ = axes[0].legend(loc="upper left", ncols=2, fontsize=8)
# %% [markdown] lang="zh"
# 红条：十三份全算，除了“完全一致”，别的都在 0 上下。蓝条：去掉故意为难的和换了说法的，剩下六份平平常常的答卷，
# 同样的尺子都站到了人这一边。**尺子没变，变的是被量的东西。** 最笨的 EM 反倒领先：它认下的少，认下的却都对。
#
# 这就是字面尺子的处境：错的答卷要是长得就不像，它们管用，又快又便宜，还能一字不差地重算；一旦错的长得像对的，
# 它们就瞎了。还要防着有人反过来用：**挑什么样的题，就能得出什么样的“相关”**，我们刚才就亲手做了一遍。何况一共才
# 十三份，这些相关本身的误差很大（[第 52 章](52_harness.ipynb)）。
#
# ### 人和人也不一致
#
# **问题**　虚线是什么？尺子该和人一致到什么程度？
#
# **想法**　先看**人和人**一致到什么程度。这里没有第二个人，就拿两份评分标准来代替；虚线就是它们之间的秩相关，红
# 的算十三份，蓝的算六份。换个说法再看：十三份答卷里，两份评分有几份相同？光看这个比例会虚高，就算闭着眼睛给，也
# 会碰巧相同。科恩的 **kappa**（Cohen 1960）扣掉碰巧的：$p_o$ 是实际一致的比例，$p_e$ 是各按各的习惯给分、碰巧一致
# 的比例：
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}$$
# %% [markdown] lang="en"
# Red: over all thirteen, exact match aside, they are around 0. Blue: without the replies made to
# embarrass and those in other words, six ordinary ones are left, and the same rulers agree with
# people.
# **It is not the rulers that have changed but what is measured.** Plain EM comes out first: it accepts
# little, and what it accepts is right.
#
# That is how things stand with rulers of words: where wrong replies look different they work, are quick
# and cheap and can be recomputed to the last digit; where wrong replies look like right ones they are
# blind. Beware of the reverse, too: **by choosing the items one gets any "correlation" one likes**, as we
# have just done. And with only thirteen, the correlations themselves have large errors
# ([chapter 52](52_harness.ipynb)).
#
# ### People do not agree either
#
# **Question.** What are the dashed lines? How far should a ruler agree with people?
#
# **Idea.** See how far **people** agree. There is no second person here, so the two marking schemes stand
# in for two people; a dashed line is the rank correlation between them, red over thirteen, blue over six.
# To put it otherwise: on how many of the thirteen do the two give the same mark? That share alone
# flatters, since even with closed eyes some would be the same. Cohen's **kappa** (1960) takes out what
# chance gives: $p_o$ is the share on which they agree, $p_e$ the share on which they would if each only
# followed the habit of giving so many of each mark:
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}$$
# %%
from tiny_eval.agreement import cohen_kappa, quadratic_kappa

first, second = list(strict.values()), list(lenient.values())
observed = sum(x == y for x, y in zip(first, second, strict=True)) / len(first)
by_chance = sum(first.count(mark) * second.count(mark) for mark in (0, 1, 2)) / len(first) ** 2
kappa = (observed - by_chance) / (1 - by_chance)
print(f"the same mark {observed:.2f}, by chance {by_chance:.2f}, kappa {kappa:.2f}")
print(f"quadratic kappa, where 0 for 2 is worse than 1 for 2: {quadratic_kappa(first, second):.2f}")
assert math.isclose(kappa, cohen_kappa(first, second))
lazy = cohen_kappa([0] * 19 + [2], [2] + [0] * 19)
print(f"two who say 0 to nearly everything: the same mark {18 / 20:.2f}, kappa {lazy:.2f}")
if installed("sklearn"):
    from sklearn.metrics import cohen_kappa_score

    theirs = [cohen_kappa_score(first, second, weights=w) for w in (None, "quadratic")]
    np.testing.assert_allclose(theirs, [kappa, quadratic_kappa(first, second)])
# %% [markdown] lang="zh"
# 两份标准，也只一致到这个程度。（第二行是二次加权的 kappa：差 2 分，罚的是差 1 分的四倍。）最后一个例子里，两个人各
# 在 20 份里挑 1 份给分，挑的不是同一份：相同的比例高达九成，kappa 却是负的，**比碰巧还差**。
#
# 所以，人和人的一致是尺子的一条**参照线**：够不着它，差多少一看便知。高过它，可不等于胜过了人：蓝条里就有几根
# 高过了蓝线，那是因为尺子比的是两份评分的**平均**，平均比哪一份都稳。报告一把新尺子（比如请大模型当评委，
# [第 53 章](53_gaokao.ipynb)）之前，先让两个人各评一遍，报出他们之间的 kappa。
#
# ## 14 什么题用什么尺子
#
# | 题 | 用 | 要一起报的 | 看不见的 |
# | --- | --- | --- | --- |
# | 答案是一个词、一个名字 | EM，F1 | 范式，切法，几条标准答案 | 换说法 |
# | 答案是数 | 按值比较 | 怎样从话里取数 | 过程对不对 |
# | 短答案，一两句 | F1 | 切法 | 否定、对调、多余的话 |
# | 摘要 | ROUGE-1、2、L | 哪种定义、切词、词干 | 事实错误 |
# | 翻译 | chrF，语料的 BLEU | 签名 | 单个要命的词 |
# | 语言模型本身 | 每字节比特 | 窗口怎么滑（[第 52 章](52_harness.ipynb)） | 真假 |
# | 选择题，比概率 | acc 或 acc_norm，事先定好 | 提示词，几个示例 | 会不会自己写出来 |
# | 把握 | Brier，可靠性图 | 分几档，多少题 | （ECE 看不见无能） |
# | 代码，有测试 | pass@k，无偏 | n、k、温度 | 测试没测到的 |
# | 数学，开放题 | 代数等价，评分标准加评委（[第 53 章](53_gaokao.ipynb)） | 取不出答案的比例，kappa | 评委的偏心 |
#
# 表里的尺子，多半在 [metrics.py](../../tiny_eval/metrics.py) 里有名字，任务文件写上名字就能用。命令行里，
# `ngram` 就是第 9 节的小模型（一两秒）；不写 `--model`，考的是随书的 tiny-qwen2（[第 52 章](52_harness.ipynb)第 13
# 节看它考得怎样）；换成别的模型，只换 `--model` 后面的东西：
#
# ```bash
# python -m tiny_eval list
# python -m tiny_eval run --task sample-choice-en --model ngram
# python -m tiny_eval run --task sample-qa-zh --model models/Qwen2.5-0.5B-Instruct
# python -m tiny_eval run --task sample-summary-zh --model http://127.0.0.1:11434/v1
# ```
#
# **练习 4**（没有裁判）　写一把专看**钟点次序**的尺子：从答卷里按次序取出钟点，和标准答案的逐个相同就给 1。它能揪
# 出十三份里的哪几份？再写一份答卷，让你自己的尺子上当。
#
# ## 检查你自己的代码
#
# 本章的尺子，你都可以自己写：你的文件里与下表同名的函数，会在整个包里顶替我们的，再跑它的测试。裁判不是我们的代
# 码，而是 `rouge-score`、`sacrebleu`、`rapidfuzz`、SQuAD 与 LongBench 的定义、论文里的例子和手算的数。
#
# ```bash
# python -m tests.exercise token_f1 > my.py  # 题目：签名和说明，没有函数体
# $EDITOR my.py                              # 写出来
# pytest --mine=my.py                        # 你的顶替我们的，跑它的测试
# ```
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `token_f1` | 词的 F1，怎样切词由参数定（练习 1 是它切成字的样子） | 几行 |
# | `lcs_length` | 最长公共子序列有多长（就是练习 2） | 几行 |
# | `rouge_l` | ROUGE-L 的精确率、召回率和 F | 几行 |
# | `expected_calibration_error` | 期望校准误差 | 几行 |
# | `pass_at_k` | 无偏的 pass@k（就是练习 3） | 几行 |
# | `corpus_bleu` | 语料的 BLEU：剪裁、几条标准答案、短句的惩罚、平滑 | 一下午 |
# | `corpus_chrf` | 语料的 chrF | 一下午 |
#
# 卡住了：`python -m tests.exercise --hint token_f1`。在笔记本里，`check` 做同样的事。下面这个错在哪里？先想，
# 再看输出：
# %% [markdown] lang="en"
# Two schemes agree no further than this. (The second line is quadratic kappa: two marks apart costs four
# times as much as one.) In the last example two people each give marks to 1 of 20 replies, and not to the
# same one: nine in ten marks are the same, and kappa is negative, **worse than chance**.
#
# So the agreement of people is a **line to compare with**: one sees how far a ruler falls short. To be above
# it is not to be better than people: some blue bars are above the blue line, for a ruler is compared with
# the **mean** of both schemes, which is steadier than either. Before a new ruler is reported (a language
# model as a judge, say, [chapter 53](53_gaokao.ipynb)), have two people mark, and report their kappa.
#
# ## 14 Which ruler for which task
#
# | task | use | report with it | does not see |
# | --- | --- | --- | --- |
# | the answer is a word or a name | EM, F1 | the normal form, the cutting, how many references | other words |
# | the answer is a number | compare values | how it was taken out of the reply | whether the reasoning is right |
# | a short answer, a sentence or two | F1 | how words are cut | negation, exchange, padding |
# | a summary | ROUGE-1, 2, L | which definition, cutting, stems | false facts |
# | a translation | chrF, BLEU of the corpus | the signature | the one word that kills |
# | a language model as such | bits per byte | how the window slides ([chapter 52](52_harness.ipynb)) | truth |
# | multiple choice by probability | acc or acc_norm, settled beforehand | the prompt, how many examples | whether it could write the answer |
# | confidence | Brier, a reliability diagram | how many bins and answers | (ECE does not see inability) |
# | code that has tests | pass@k, unbiased | n, k, temperature | what is not tested |
# | maths, open questions | algebra, a rubric with a judge ([chapter 53](53_gaokao.ipynb)) | how many answers were not found, kappa | the bias of the judge |
#
# Most of them have names in [metrics.py](../../tiny_eval/metrics.py), and a task file that gives the name
# gets the ruler. On the command line `ngram` is the little model of section 9 (a second or two); without
# `--model` it is tiny-qwen2, which comes with the book (section 13 of [chapter 52](52_harness.ipynb) shows how
# it does); for another model only what follows `--model` changes:
#
# ```bash
# python -m tiny_eval list
# python -m tiny_eval run --task sample-choice-en --model ngram
# python -m tiny_eval run --task sample-qa-zh --model models/Qwen2.5-0.5B-Instruct
# python -m tiny_eval run --task sample-summary-zh --model http://127.0.0.1:11434/v1
# ```
#
# **Exercise 4** (no judge). Write a ruler for the **order of the times**: take the times of day out of a
# reply in order, and give 1 if they are those of the reference, one by one. Which of the thirteen does it
# catch? Then write a reply that fools your own ruler.
#
# ## Check your own code
#
# Each of these rulers you can write yourself: a function of your file that is called as in the table takes
# the place of ours in the whole package, and its tests run. The judge is not our code but `rouge-score`,
# `sacrebleu`, `rapidfuzz`, the definitions of SQuAD and LongBench, the papers' examples and numbers worked
# by hand.
#
# ```bash
# python -m tests.exercise token_f1 > my.py  # the head: signature and docstring, no body
# $EDITOR my.py                              # write it
# pytest --mine=my.py                        # yours takes the place of ours, and its tests run
# ```
#
# | write | what it is | size |
# | --- | --- | --- |
# | `token_f1` | the F1 of words, cut as an argument says (exercise 1 is its case of characters) | a few lines |
# | `lcs_length` | the length of the longest common subsequence (exercise 2 itself) | a few lines |
# | `rouge_l` | precision, recall and F of ROUGE-L | a few lines |
# | `expected_calibration_error` | the expected calibration error | a few lines |
# | `pass_at_k` | the unbiased pass@k (exercise 3 itself) | a few lines |
# | `corpus_bleu` | BLEU of a corpus: clipping, several references, the penalty, smoothing | an afternoon |
# | `corpus_chrf` | chrF of a corpus | an afternoon |
#
# Stuck? `python -m tests.exercise --hint token_f1`. In a notebook `check` does the same. What is wrong with
# this one? Think first, then read the output:
# %%
from tests.exercise import check


def token_f1(prediction, reference, tokenize=None):
    words = tokenize or words_of_qa
    given, expected = set(words(prediction)), set(words(reference))  # in sets?
    shared = len(given & expected)
    return 2 * shared / (len(given) + len(expected)) if shared else 0.0


_ = check(token_f1)


# %% [markdown] lang="zh"
# 读法：第一行是没过的测试，方括号里是答卷、标准答案和该得的分；`Obtained` 是你的，`Expected` 是对的；末两行是出
# 处和提示。集合里一个词只剩一次，把 `yellow` 说两遍就白说了：换成 `Counter`，再运行一次，看下一个拦住你的是什么。
#
# ## 带走八句话
#
# 1. 范式决定什么不算数；减号、小数点和冠词都可能是答案。
# 2. F1 是一袋词：不看次序，不看否定。中文的 F1 要报切法。
# 3. 叫 ROUGE-L 的至少有三种，同一句话能差几十分；比之前先问定义。
# 4. BLEU 先加后除，不是句子的平均；没有签名的 BLEU 不能比。
# 5. 不同分词器的困惑度，要按字节比；困惑度不管真假。
# 6. 比概率的选择题，短的占便宜；除以长度，长而熟的占便宜。
# 7. pass@k 要无偏地数；好猜的题不能用它。
# 8. 指标和人有多一致，取决于量的是什么样的错误。先看人和人有多一致。
#
# 延伸阅读：Rajpurkar 等 2016（SQuAD，arXiv:1606.05250），Lin 2004（ROUGE），Hyyrö 2004（比特 LCS），
# Papineni 等 2002（BLEU），Post 2018（签名），Popović 2015（chrF），Guo 等 2017（校准，arXiv:1706.04599），
# Chen 等 2021（pass@k，arXiv:2107.03374），Yao 等 2024（pass^k，arXiv:2406.12045），Bai 等 2024（LongBench，
# arXiv:2308.14508）。
#
# 上一章：[43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb)。下一章：
# [52 · 评测台](52_harness.ipynb)：误差多大，多少道题才够，怎样把这些尺子装进一条可以重跑的流水线。再下一章：
# [53 · 一张高考数学卷，公平地批](53_gaokao.ipynb)。
#
# 代码：[text.py](../../tiny_eval/text.py)、[answers.py](../../tiny_eval/answers.py)、
# [lcs.py](../../tiny_eval/lcs.py)、[rouge.py](../../tiny_eval/rouge.py)、[bleu.py](../../tiny_eval/bleu.py)、
# [bleu_tokens.py](../../tiny_eval/bleu_tokens.py)、[chrf.py](../../tiny_eval/chrf.py)、
# [likelihood.py](../../tiny_eval/likelihood.py)、[ngram.py](../../tiny_eval/ngram.py)、
# [pass_at_k.py](../../tiny_eval/pass_at_k.py)、[agreement.py](../../tiny_eval/agreement.py)、
# [metrics.py](../../tiny_eval/metrics.py)。
# %% [markdown] lang="en"
# How to read it: the first line is the test that failed, with the reply, the reference and the score it
# should have in brackets; `Obtained` is yours, `Expected` is right; the last two lines say where it comes
# from and how to get a hint. A set keeps a word once, so to say `yellow` twice costs nothing: take a
# `Counter`, run it again, and see what stops you next.
#
# ## Eight sentences to take along
#
# 1. A normal form decides what does not count; a minus, a point or an article may be the answer.
# 2. F1 is a bag of words: no order, no negation. In Chinese it is reported with its cutting.
# 3. At least three things are called ROUGE-L, and can differ by tens of points on one sentence; ask for
#    the definition before you compare.
# 4. BLEU adds before it divides and is no mean over sentences; without a signature it cannot be compared.
# 5. Compare perplexities of different tokenizers by byte; truth does not come into them.
# 6. In multiple choice by probability short ones have a head start; divided by length, the long and
#    familiar ones have.
# 7. Count pass@k without bias, and not for what can be guessed.
# 8. How far a metric agrees with people depends on the mistakes that it meets. See first how far people
#    agree.
#
# Worth reading next: Rajpurkar et al. 2016 (SQuAD, arXiv:1606.05250), Lin 2004 (ROUGE), Hyyrö 2004 (the
# LCS in bits), Papineni et al. 2002 (BLEU), Post 2018 (signatures), Popović 2015 (chrF), Guo et al. 2017
# (calibration, arXiv:1706.04599), Chen et al. 2021 (pass@k, arXiv:2107.03374), Yao et al. 2024
# (pass^k, arXiv:2406.12045), Bai et al. 2024 (LongBench, arXiv:2308.14508).
#
# Previous: [43 · SOPs, plans, traces and cost](43_sops_plans_traces.ipynb). Next:
# [52 · A harness](52_harness.ipynb): how large the errors are, how many questions are enough, and how
# these rulers become a pipeline that can be run again. And after it
# [53 · The gaokao maths paper](53_gaokao.ipynb).
#
# Code: [text.py](../../tiny_eval/text.py), [answers.py](../../tiny_eval/answers.py),
# [lcs.py](../../tiny_eval/lcs.py), [rouge.py](../../tiny_eval/rouge.py), [bleu.py](../../tiny_eval/bleu.py),
# [bleu_tokens.py](../../tiny_eval/bleu_tokens.py), [chrf.py](../../tiny_eval/chrf.py),
# [likelihood.py](../../tiny_eval/likelihood.py), [ngram.py](../../tiny_eval/ngram.py),
# [pass_at_k.py](../../tiny_eval/pass_at_k.py), [agreement.py](../../tiny_eval/agreement.py),
# [metrics.py](../../tiny_eval/metrics.py).
