# %% [markdown] lang="zh"
# # 51 · 指标，以及它们怎样骗你
#
# 桌上摊着**十三份答卷**。题目只有一道，标准答案只有一句，短得一眼能看完。先由人来改：谁对谁错，没有什么
# 可争的。然后把评测里常用的尺子一把一把请上来，量同样这十三份，看它们和人说得一样不一样。
#
# 每把尺子都走同样的三步：先弄懂它怎么算；再和公认的库对一遍（没有库的，和手算的数对），证明算得没错；
# 最后**当场骗它**，让错的得高分，让对的得低分。读完你会知道：
#
# 1. 一个句号、一个全角字、一个减号，怎样让“完全一致”翻脸？（第 2 节）
# 2. F1 数的是什么？中文没有空格，它数的又是什么？（第 3、4 节）
# 3. ROUGE-L 为什么有三种，差多少分？五万个词的文章怎样比？（第 5、6 节）
# 4. BLEU 为什么不能一句一句地平均？（第 7、8 节）
# 5. 困惑度、选择题、校准、pass@k：不看字面看概率，就骗不了了吗？（第 9 到 12 节）
# 6. 哪些错误，哪把尺子都看不见？人和人之间又能一致到什么程度？（第 13 节）
# 7. 那么，什么题用什么尺子？（第 14 节）
#
# 一个分数的**误差**有多大、多少道题才够，是[下一章](52_harness.ipynb)的事，这里只提醒，不细讲。
#
# **预备知识**：会读 Python，知道什么是词元（[第 21 章](21_tokens_to_rope.ipynb)）。**用时**：一个 CPU 核上
# 全部运行不到半分钟，不联网，不下载，也不需要模型。装了 `rouge-score`、`sacrebleu`、`scipy`、`scikit-learn`
# 就和它们对答案，没装就略过，章节照样跑完。
#
# 上一章：[43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb)。
# [第 33 章](33_grounded_answers.ipynb)给带引用的答案打过分，这里补上它没讲的原理。
# %% [markdown] lang="en"
# # 51 · Metrics, and how they fool you
#
# On the table lie **thirteen replies**. There is one question, and one reference answer, short enough
# to be read at a glance. People mark them first, and there is not much to argue about. Then the rulers
# that evaluations use are called in one by one to measure the same thirteen, and we look whether they
# say what people said.
#
# Each ruler goes through the same three steps: understand how it computes; compare it with the library
# that the field trusts (or, without one, with numbers by hand), to be sure that it is right; then **fool
# it on the spot**, so that something wrong scores high, and something right scores low. You will know:
#
# 1. How can a full stop, a full-width digit or a minus sign upset "exactly the same"? (section 2)
# 2. What does F1 count, and what does it count in Chinese, which has no spaces? (sections 3 and 4)
# 3. Why are there three ROUGE-Ls, and how far apart are they? How are texts of 50,000 words compared?
#    (sections 5 and 6)
# 4. Why is BLEU never averaged over sentences? (sections 7 and 8)
# 5. Perplexity, multiple choice, calibration, pass@k: do probabilities fool less than words?
#    (sections 9 to 12)
# 6. Which mistakes does no ruler see, and how far do people agree among themselves? (section 13)
# 7. Which ruler for which task? (section 14)
#
# How large the **error** of a score is, and how many questions are enough, belongs to the
# [next chapter](52_harness.ipynb); here it is mentioned and no more.
#
# **You need**: to read Python, and to know what a token is ([chapter 21](21_tokens_to_rope.ipynb)).
# **Time**: under half a minute on one CPU core; no network, no downloads, no model. Where `rouge-score`,
# `sacrebleu`, `scipy` and `scikit-learn` are installed the answers are compared with theirs; where
# they are not, that is skipped and the chapter runs all the same.
#
# Previous: [43 · SOPs, plans, traces and cost](43_sops_plans_traces.ipynb).
# [Chapter 33](33_grounded_answers.ipynb) graded answers with citations; here is the reasoning behind
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
# 题目问的是芦苇小镇的渡船，要答出**两个**钟点。中文、英文各十三份答卷，一一对应。评分标准有两份，都由写书
# 的人照着亲手评过，满分 2 分：
#
# - **严**（strict）：两个钟点都对，2 分；只答了一个而且对，1 分；说错一处，0 分。
# - **宽**（lenient）：说对一个钟点得 1 分；话不成句的折半；添上没问的、没法核对的，扣 1 分。
#
# 下面每行是：答卷的代号，两份评分，两者的平均（换算成 0 到 1），答卷本身。代号后面一直要用，值得多看一眼。
# %% [markdown] lang="en"
# ## 1 People mark first
#
# **Question.** Whether a reply is good is in the end for people to say. What do they say?
#
# The question is about the ferry of a small town in the reeds, and wants **two** times of day. There
# are thirteen replies in Chinese and thirteen in English, which correspond. There are two marking
# schemes, and the authors of this book have applied both by hand; the full mark is 2:
#
# - **strict**: 2 for both times, 1 for one of them and nothing false, 0 as soon as something is false.
# - **lenient**: 1 for each time that is right, half of it if the sentence cannot be read, and 1 off for
#   adding what was not asked and cannot be checked.
#
# A line below has the name of a reply, both marks, their mean on a scale from 0 to 1, and the reply.
# The names will be used to the end, so they are worth a second look.
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
# 除了最后那份，后面这五份是**故意**挑来为难尺子的。真实的答卷大多没有这么刁钻，第 13 节会看到，这一点很要紧。
#
# ## 2 完全一致，以及“一致”二字
#
# **问题**　最老实的尺子：和标准答案一样就是 1，不一样就是 0。什么叫一样？
#
# **想法**　逐字相同太苛刻，多一个句号就不给分，谁也不服。所以先把两边化成**范式（normal form）**，去掉不该计
# 较的东西，再比。SQuAD 的英文范式去掉大小写、标点和冠词；LongBench 的中文范式去掉大小写、中英文标点和空白：
#
# $$\mathrm{EM}(p, r) = [\,\mathrm{norm}(p) = \mathrm{norm}(r)\,]$$
# %% [markdown] lang="en"
# The first seven say something that is right. Of the other six, `swapped` has the times the wrong way
# round, `negated` denies them, `question` copies the question, `nonsense` is fluent and empty, `salad`
# shuffles the words of the reference, and `refusal` says honestly that it does not know.
#
# These, but for the last, were picked **on purpose** to embarrass rulers. Most real replies are not so
# wily, which will matter in section 13.
#
# ## 2 Exact match, and the word "exact"
#
# **Question.** The most honest ruler: 1 if the reply is the same as the reference, else 0. What is "the
# same"?
#
# **Idea.** Letter by letter is too harsh; nobody would accept losing everything by a full stop. So both
# are first brought into a **normal form**, without what should not count, and then compared. SQuAD's
# for English drops case, punctuation and articles; LongBench's for Chinese drops case, punctuation of
# both kinds and white space:
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
# 十三份里它只认两份。认下的都对，没认的里面，还有三份的两个钟点都对：短的、换了说法的、多说了几句的。这么说，它只会太
# 严，不会太松？后半句不成立：范式丢掉的东西里，有时正好装着答案。左边一列是“该不该算同一个答案”，右边四列
# 是四种范式怎么说（`nfkc` 先把全角字换成半角，再用中文范式）：
# %% [markdown] lang="en"
# Of thirteen it accepts two. Those are right, and of those it turns away three more have both times
# right: the short one, the reworded one, and the one that says more. So it errs by being strict, and
# never by being lax? The second half is not true. What a normal form throws away sometimes holds the answer.
# The first column below says whether two answers should count as the same, the other four what four
# normal forms say (`nfkc` first turns full-width letters into plain ones, then does as the Chinese
# form):
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
# 上半截是“对而不认”：全角的 ６ 要靠 `nfkc`，而“6:00”和“six”、“六时”和“六点”，没有一种范式认得出，那已经是
# 意思，不是写法。下半截是“错而认了”：减号和小数点都是标点，于是 -5 等于 5，3.5 等于 35；字母 A 被当成冠词，
# 于是维生素 A 丢了 A；标点一去，“不，六点”和“不六点”成了一句话。**每一种范式都是一个决定：什么不算数。**
#
# 答案是数的题，该用按值比较的尺子：`number_match` 取**最后一个**数（GSM8K 的惯例）。它治好了减号和小数点，
# 又有了自己的漏洞：
# %% [markdown] lang="en"
# The upper half is right and turned away: the full-width ６ needs `nfkc`, and no form at all knows that
# 6:00 is six, for that is meaning and not spelling. The lower half is wrong and let in: a minus and a
# decimal point are punctuation, so -5 is 5 and 3.5 is 35; the letter A is taken for the article, so
# vitamin A loses it; without its comma "不，六点" (no, at six) becomes "不六点" (not six). **Every normal
# form is a decision on what does not count.**
#
# Where the answer is a number, use a ruler that compares values: `number_match` takes the **last** number
# of a reply, as is usual for GSM8K. It mends the minus and the point, and has a hole of its own:
# %%
for given, wanted in [("-5", "5"), ("3.50", "3.5"), ("It is 6, not 9.", "9"), ("六点", "6")]:
    print(f"{given!r:18} {wanted!r:6} {number_match(given, wanted):.0f}")
# %% [markdown] lang="zh"
# “是 6，不是 9”被当成 9；“六点”里没有阿拉伯数字，等于没答。怎样从一段话里稳妥地取出答案，是
# [第 52 章](52_harness.ipynb)和[第 53 章](53_gaokao.ipynb)的题目。
#
# ## 3 词的 F1：答对几成
#
# **问题**　`half` 对了一半，`long` 全对还多说了几句，都给 0 分太粗。能不能给几成？
#
# **想法**　把两边都拆成词，看有多少是共同的。共同的词占答卷几成，叫**精确率（precision）**，管住废话；占标准答
# 案几成，叫**召回率（recall）**，管住漏答。两者的调和平均就是 F1。$|p \cap r|$ 是共同的词数，一个词在两边各
# 出现几次，按少的那边算：
#
# $$P = \frac{|p \cap r|}{|p|}, \qquad R = \frac{|p \cap r|}{|r|}, \qquad
# F_1 = \frac{2PR}{P + R} = \frac{2\,|p \cap r|}{|p| + |r|}$$
# %% [markdown] lang="en"
# "It is 6, not 9" is taken for 9; 六点 has no digit, and so no answer. How to take the answer out of a
# reply safely is a subject of [chapter 52](52_harness.ipynb) and [chapter 53](53_gaokao.ipynb).
#
# ## 3 F1 of words: how much of it
#
# **Question.** `half` has one half, `long` has all and some more; nothing at all for either is crude.
# Can there be a part of a mark?
#
# **Idea.** Cut both into words and see how many they share. Shared words as a part of the reply are
# its **precision**, which keeps padding down; as a part of the reference, its **recall**, which keeps
# omissions down. F1 is the harmonic mean of the two. $|p \cap r|$ is how many words are shared; a word
# that stands in both several times counts as often as in the one that has fewer of it:
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
swapped, short = kinds.index("swapped"), kinds.index("short")
assert f1_en[swapped] == f1_en[kinds.index("salad")] == 1
# %% [markdown] lang="zh"
# 它被骗得很惨。**两个钟点对调，词一个不少，F1 满分**；连打乱的 `salad` 也是满分，因为 F1 把句子当一袋词，不看
# 次序。加了 never 的只丢几分。而全对的 `short` 和 `reworded`，词对不上，比抄题目还低。
#
# 有一个便宜的补救：多写几条标准答案，取最高的一个。取最高，所以**只会升不会降**，对的错的一起升：
# %% [markdown] lang="en"
# It is badly fooled. **With the times exchanged no word is missing, and F1 is perfect**; even the
# shuffled `salad` has it in full, for F1 takes a sentence for a bag of words and sees no order.
# A "never" costs a few points. And `short` and `reworded`, wholly right in other words, are below the
# copied question.
#
# A cheap remedy is to write more references and take the best. As it is a maximum, it **only ever
# rises**, for the right and for the wrong:
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
# > **教程里常见的错**　用 `set()` 求共同的词。词重复时就算错了，“the the the” 会和 “the” 打成平手；第 6 节会
# > 看到，真有一个被广泛使用的包这么算。
#
# ## 4 中文：什么是一个词
#
# **问题**　英文按空格切就有词，中文切在哪里？
#
# **想法**　三种切法：按空格切（照搬英文），按词典切（jieba），一字一词。先看同一句话被切成什么：
# %% [markdown] lang="en"
# > **Where tutorials go wrong.** They take `set()`s to find the shared words. That is wrong as soon as
# > one is repeated, and "the the the" ties with "the"; section 6 will show a widely used package that
# > does so.
#
# ## 4 Chinese: what is a word?
#
# **Question.** English falls into words at its spaces. Where is Chinese to be cut?
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
by_jieba, by_character = f1_zh["jieba"], f1_zh["characters"]
assert by_jieba[swapped] == by_character[swapped] == 1
print(f"short: jieba {by_jieba[short]:.2f}, characters {by_character[short]:.2f}")
# %% [markdown] lang="zh"
# 按空格切，整句是一个“词”，F1 退化成完全一致；这是把英文评测脚本直接用到中文上的下场。另外两种切法给的分也
# 不一样，谁高谁低没有一定：所以**报 F1 要连切法一起报**。
#
# 词典切的毛病是**同一个词换了邻居就切得不一样**；一字一词的毛病是，字一样的词就算一样。两边各来几个例子：
# %% [markdown] lang="en"
# Cut at spaces, the whole sentence is one "word" and F1 shrinks to exact match; that is what comes of
# an English script on Chinese text. The other two give different marks, and neither is always the
# higher: so **an F1 is reported with its way of cutting**.
#
# A dictionary's weakness is that **the same word is cut differently beside other neighbours**; the
# weakness of characters is that words of the same characters are the same. Some examples of each (a
# place by the pond; nine o'clock; twelve stops and twenty stops; south gate and north gate):
# %%
examples = [("镜塘边", "镜塘", 1), ("九点钟", "九点", 1), ("在磨坊", "磨坊", 1)]
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
# 得满分。短答案多用字，长答案多用词，两样都报最稳妥。
#
# 本章的练习都用同一个裁判。它先试手算的例子，再试随机的（装了别人写的库才有）；没做完时只说还差什么，不会中
# 断运行：
# %% [markdown] lang="en"
# "By the pond" is cut so that it shares no word with the pond, and a right answer has 0; "twenty stops"
# and "twelve stops" are the same characters, and a wrong answer has the full mark. Characters suit
# short answers, words long ones, and reporting both is safest.
#
# All exercises of this chapter have the same judge. It first tries examples worked by hand, then random
# ones where a library written by others is installed; until you are done it says what is missing and
# interrupts nothing:
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
# “，”“。”和空格）。重复的字按少的一边算；有一边没有字，就是 0。不许用 `token_f1`。随机题的裁判是 `rouge-score`
# 的 ROUGE-1：告诉它一个字是一个词，它的 F 就是这里的 F1。
# %% [markdown] lang="en"
# **Exercise 1.** Write `candidate(prediction, reference)`: the F1 of characters, where punctuation and
# white space are none (the texts hold Chinese characters, "，", "。" and spaces only). A repeated
# character counts as often as in the text that has fewer of it; if either has none, F1 is 0. Do without
# `token_f1`. The judge of the random ones is ROUGE-1 of `rouge-score`: told that a character is a word,
# its F is this F1.
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
# **想法**　ROUGE（Lin 2004）有两个办法。**ROUGE-N** 数连着的 $n$ 个词：$n = 1$ 就是上一节的词袋，$n = 2$ 时
# 打乱的词凑不成对。**ROUGE-L** 找两句话的**最长公共子序列（longest common subsequence, LCS）**：次序不变、
# 可以不相连的共同的词，最多有几个。两者都有精确率、召回率和 F：
#
# $$P = \frac{\mathrm{LCS}(p, r)}{|p|}, \qquad R = \frac{\mathrm{LCS}(p, r)}{|r|}, \qquad F = \frac{2PR}{P + R}$$
# %% [markdown] lang="en"
# ## 5 ROUGE: does order count?
#
# ### Runs of words
#
# **Question.** All words of `salad` are right and their order is all wrong. How can order count?
#
# **Idea.** ROUGE (Lin 2004) has two ways. **ROUGE-N** counts runs of $n$ words: with $n = 1$ it is the
# bag of the last section, with $n = 2$ shuffled words no longer make pairs. **ROUGE-L** looks for the
# **longest common subsequence (LCS)** of two texts: how many words they have in common in the same
# order, gaps allowed. Both have a precision, a recall and an F:
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
# 中文那一栏还有一处滑稽：老实说“不知道”的 `refusal`，比换了说法、全对的 `reworded` 还**高**。它们和标准答案
# 共有的“词”只有逗号和句号，谁短谁占便宜。jieba 切出的标点也是词，ROUGE 照数不误。
#
# 和 `rouge-score` 对一遍。所有英文答卷两两相比，三种 ROUGE，带词干（Porter stemming）的也比：
# %% [markdown] lang="en"
# Order does deal with `salad`. But `negated` is as high as ever and `reworded`, wholly right, as low. And
# in English `swapped` has ROUGE-2 in full: "at six", "six in", "in the" ... with the times exchanged
# every pair of neighbours is still there.
#
# The Chinese column has something droll: `refusal`, which says honestly that it does not know, is
# **above** `reworded`, which is right in other words. All they share with the reference is a comma and
# a full stop, so the shorter one wins. jieba cuts punctuation into words of its own, and ROUGE counts
# them.
#
# Compare with `rouge-score`: all English replies against each other, three ROUGEs, with Porter's stems
# too:
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
# **想法**　课本的办法是填表。$L_{i,j}$ 是答卷前 $i$ 个词和标准答案前 $j$ 个词的 LCS 长度；两个词相同，就在左上
# 角加一，否则取左边和上边较大的（$[\,\cdot\,]$ 成立为 1，不成立为 0）：
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
# 左边是课本的表，红圈是选中的六个词，右下角就是答案。每一行从左到右**只升不降，一次只升 1**。所以不必记住数
# 目，记住**在哪里升**就够了：右边那张图，升的地方写 0，不升写 1，一格只要一个比特（bit）。一整行就是**一个整
# 数**，最后一行有几个 0，LCS 就有多长。
#
# ### 比特的戏法
#
# **问题**　一整行存成一个整数，下一行怎么算？一位一位地算，就白费劲了。
#
# **想法**　让加法的**进位**去算（Hyyrö 2004）。全部代码：
# %% [markdown] lang="en"
# On the left the textbook's table; the circles are the six words chosen, and the answer is in the
# corner. From left to right a row **never falls, and rises by 1 at a time**. So there is no need to
# keep its numbers; it is enough to keep **where it rises**. On the right there is a 0 where it does
# and a 1 where it does not, one bit a cell. A whole row is **one integer**, and the zeros of the last
# row are the length of the LCS.
#
# ### The trick with the bits
#
# **Question.** A row is one integer. How is the next one made? Bit by bit, and nothing would be won.
#
# **Idea.** Let the **carry** of an addition do it (Hyyrö 2004). All of the code:
# %%
print(inspect.getsource(lcs_length))
print(inspect.getsource(_rows))
# %% [markdown] lang="zh"
# 看一步。答卷读完 `leaves at nine`，下一个词是 `and`。最低位写在**左边**，和句子对齐，进位就往右走：
# %% [markdown] lang="en"
# Watch one step. The reply has been read as far as `leaves at nine`, and the next word is `and`. The
# lowest bit is written on the **left**, to stand under its word, so that a carry goes to the right:
# %%
row, after = list(_rows(a, b))[2:4]
matches = row & sum(1 << j for j, word in enumerate(b) if word == "and")
full = (1 << len(b)) - 1
steps = {"row": row, "matches": matches, "row + matches": row + matches & full}
steps |= {"row - matches": row - matches, "their or": (row + matches | row - matches) & full}
print(" " * 15 + " ".join(f"{word:6}" for word in b))
for name, number in steps.items():
    print(f"{name:15}" + " ".join(f"{number >> j & 1:<6}" for j in range(len(b))))
assert steps["their or"] == after
# %% [markdown] lang="zh"
# 原先第三个 0 在 `nine` 下面：读到这里，标准答案要到 `nine` 才凑得出第三个共同的词。现在 `and` 来了，更早就能
# 凑出来，这个 0 应该**搬到** `and` 下面。加法正好办到：在 `and` 那一位加 1，本位变 0，进位一路向右，把沿途的
# 1 冲成 0，直到撞上 `nine` 的 0，把它填成 1。沿途被冲掉的 1 是误伤，减法那一行里它们还在，一“或”就补回来。一次
# 加法、一次减法、一次与、一次或，**整行同时算完**；Python 的长整数一口气处理 30 位。
#
# 这为什么要紧？看看五万个词的表有多大：
# %% [markdown] lang="en"
# Before, the third 0 stood under `nine`: so far the reference had to be read up to there for a third
# common word. With `and` there is one sooner, so this 0 must **move** to `and`. The addition does it:
# adding 1 at `and` turns that bit to 0, and the carry runs right, turning ones to zeros on its way,
# until it meets the 0 of `nine` and fills it. The ones it knocked over were innocent; the line of the
# subtraction still has them, and the "or" puts them back. An addition, a subtraction, an "and" and an
# "or", and **the whole row is done at once**; Python's long integers take 30 bits in one go.
#
# Why does this matter? See how large the table is for texts of 50,000 words:
# %%
n = 50_000
print(f"cells:                        {n * n:,}")
print(f"as lists of 8-byte pointers:  {8 * n * n / 1e9:.0f} GB")
print(f"a row as one integer:         {n / 8 / 1000:.2f} kB, and only one is kept for the length")
rng = random.Random(51)
long_reply = [rng.randrange(8000) for _ in range(n)]
long_reference = [word for place, old in enumerate(long_reply) for word in (old, -place - 1)][:n]
print("LCS of two such texts:       ", lcs_length(long_reply, long_reference))
assert lcs_length(long_reply, long_reference) == n // 2  # every other word is new
# %% [markdown] lang="zh"
# 课本的表要 20 GB，一般的电脑放不下；我们一行只要几千字节。还有一种写法是**递归**，更糟：词一多，Python 的调
# 用栈先溢出。LongBench 用的包 `rouge` 就是这样，而 LongBench 遇到这个异常就**记 0 分**：
# %% [markdown] lang="en"
# The textbook's table takes 20 GB, more than most computers have; our row takes a few kilobytes.
# Another way of writing it is worse, by **recursion**: with enough words Python's stack overflows
# first. The package `rouge`, which LongBench uses, does that, and LongBench takes the exception for **a
# score of 0**:
# %%
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
# **练习 2**　写 `candidate(a, b)`：两串词的 LCS 长度，用表、用比特都行，但不许递归，最后一题有一千多个词。裁判
# 是 `rouge-score`。
# %% [markdown] lang="en"
# **Exercise 2.** Write `candidate(a, b)`: the length of the LCS of two lists of words, by a table or by
# bits, but not by recursion, for the last case has more than a thousand words. The judge is
# `rouge-score`.
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
# **想法**　先问是哪一种。流行的至少有三种，公式名字一样，数的东西不一样：
#
# | | 词 | 重复的词 | 句子 |
# | --- | --- | --- | --- |
# | `rouge-score`（Google） | a-z 和 0-9，别的字符**全部丢掉** | 每次都算 | 整篇一条 |
# | LongBench 用的 `rouge` 1.0.1 | 按空格切（中文先用 jieba），标点粘在词上 | **每个词只算一次** | 遇到 `.` 就切 |
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
# | `rouge` 1.0.1, as in LongBench | cut at spaces (Chinese by jieba first); punctuation sticks to them | **count once** | cut at each `.` |
# | `rouge_chinese` | as its user cuts them | count each time (once in its ROUGE-1 and 2) | cut at each 。！？ |
#
# The same reply, the same reference:
# %%
three = {
    "zh": {
        "rouge-score": lambda p, r: rouge_l(p, r).fmeasure,
        "characters": lambda p, r: rouge_l(p, r, characters).fmeasure,
        "rouge_chinese": lambda p, r: rouge_l(p, r, words_of_jieba).fmeasure,
        "LongBench": lambda p, r: rouge_l_longbench(p, r, chinese=True),
    }
}
# %%
three["en"] = {
    "rouge-score": lambda p, r: rouge_l(p, r).fmeasure,
    "with stems": lambda p, r: rouge_l(p, r, stems_of_rouge).fmeasure,
    "rouge_chinese": lambda p, r: rouge_l(p, r, str.split).fmeasure,
    "LongBench": lambda p, r: rouge_l_longbench(p, r),
}
if not installed("nltk"):
    del three["en"]["with stems"]  # Porter's stemmer is NLTK's
fig, axes = figures.canvas(1, 2, height=2.5)
for ax, lang, kind in zip(axes, replies, ("long", "question"), strict=True):
    scores = [score(replies[lang][kind], reference[lang]) for score in three[lang].values()]
    ax = figures.bars(ax, list(three[lang]), scores, horizontal=True, form=".3f")
    ax.set(title=f"{lang}: `{kind}`, ROUGE-L's F", xlim=(0, 1))
# %%
if installed("rouge_score", "rouge", "rouge_chinese"):
    from rouge_chinese import Rouge as RougeChinese

    score_one = RougeScorer(["rougeL"]).score
    for lang, cut in {"zh": words_of_jieba, "en": str.split}.items():
        for given in replies[lang].values():
            wanted, ours = reference[lang], three[lang]
            spaced = [" ".join(cut(text)) for text in (given, wanted)]
            theirs = RougeChinese().get_scores(*spaced)[0]["rouge-l"]["f"]
            assert math.isclose(theirs, ours["rouge_chinese"](given, wanted), abs_tol=1e-8)
            theirs = RougePackage().get_scores(*spaced)[0]["rouge-l"]["f"]
            assert math.isclose(theirs, ours["LongBench"](given, wanted), abs_tol=1e-12)
            theirs = score_one(wanted, given)["rougeL"].fmeasure
            assert math.isclose(theirs, ours["rouge-score"](given, wanted), abs_tol=1e-12)
    print("all replies: equal to all three packages")
# %% [markdown] lang="zh"
# 右图是同一句英文，最高的和最低的差了将近四十分。左图是中文：`rouge-score` 给 **0**，因为它只认 a 到 z 和数字，
# 汉字全丢了，一字不差也是 0；LongBench 比同样用 jieba 的 `rouge_chinese` 高出七分，因为
# `long` 里那五个逗号它只算一个。
#
# > **教程里常见的错**　中文直接交给 `rouge-score`，得到一排 0，就以为模型不行；或者字与字之间加上空格再交，
# > 照样是 0：它丢的就是字。要传一个自己的 `tokenizer`。
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
# > **Where tutorials go wrong.** They hand Chinese to `rouge-score`, get a row of zeros, and think the
# > model is bad; or put spaces between the characters first, and get zeros again, for it is the
# > characters that are lost. It has to be given a `tokenizer` of one's own.
#
# So a ROUGE comes with three things: which package (or definition), how words are cut, stems or not.
# This book's default is the definition of `rouge-score`; `rouge_l_longbench` is for comparing with
# numbers of LongBench and nothing else.
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
    found = sentence_bleu(replies["en"][kind], [reference["en"]])
    axes[1].plot(range(1, 5), found.precisions, style, label=f"{kind}: BLEU {found.score:.0f}")
axes[1].set(title="Precisions", xlabel="n", xticks=range(1, 5), ylabel="%", ylim=(0, 105))
_ = axes[1].legend(loc="lower right", bbox_to_anchor=(1, 0.04))
# %% [markdown] lang="zh"
# 左图：短了要打折，长了不奖不罚，因为长了精确率自然低。右图：`swapped` 四条精确率都高，`salad` 一到 $n = 2$ 就
# 垮了。几何平均里只要有一个 0，整个就是 0；所以单句的 BLEU 要**平滑（smoothing）**，第一个没有命中的 $n$ 算半
# 个，下一个算四分之一。平滑的办法有好多种，分数各不相同。
#
# ### 语料不是句子的平均
#
# **问题**　一千句译文，算一千个 BLEU 再平均，行不行？
#
# **想法**　不行，那是另一个数。BLEU 的定义是**先把所有句子的命中数加起来，再相除**。看两个系统，一个译好了短
# 句，一个译好了长句：
# %% [markdown] lang="en"
# Left: too short is marked down; too long is neither rewarded nor punished, as its precision is low by
# itself. Right: all four precisions of `swapped` are high, while `salad` collapses at $n = 2$. In a
# geometric mean one 0 makes everything 0; so the BLEU of one sentence is **smoothed**: the first $n$
# without a match counts as half a match, the next as a quarter. There are many ways of smoothing, and
# they give different numbers.
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
# **问题**　BLEU 的默认切词叫 `13a`，照空格和标点切。中文交给它会怎样？
# %% [markdown] lang="en"
# By the mean the two are nearly equal; by corpus they are far apart, as the long sentence has more
# words. Which is fairer may be argued, but what is called BLEU is the second. (This is also why BLEU
# has no mark for each question, and its error needs resampling: [chapter 52](52_harness.ipynb).)
#
# ### Cutting, once more
#
# **Question.** BLEU's default tokenizer, `13a`, cuts at spaces and punctuation. What does it do with
# Chinese?
# %%
from tiny_eval.bleu_tokens import tokens_13a, tokens_char, tokens_zh

mixed = "渡船Heron2号6:30离开码头。"
for cut in (tokens_13a, tokens_zh, tokens_char):
    print(f"{cut.__name__:12}{' | '.join(cut(mixed))}")
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
# 怎样骗它，前面已经见过了：对调的 `swapped` 高高在上，全对的 `reworded` 趴在地上。
# %% [markdown] lang="en"
# One of the thirteen is the reference to the letter, and `13a` gives **0.00** all the same: to it a
# Chinese sentence is one word, and there is no run of four. `zh` and `char` are the same on Chinese
# alone, and differ on letters and digits. The string at the end is the **signature**, which Post (2018)
# asked for: how many references, which tokenizer, which smoothing, which version. A BLEU without one
# cannot be compared.
#
# As for fooling it, we have met both ways: `swapped`, with the times exchanged, stands high, and
# `reworded`, wholly right, lies on the ground.
# %%
tokenizer = {"zh": "zh", "en": "13a"}
for lang in replies:
    for kind in ("swapped", "reworded"):
        found = sentence_bleu(replies[lang][kind], [reference[lang]], tokenizer[lang])
        print(f"{lang} {kind:9} BLEU {found.score:5.1f}, 1- to 4-grams matched {found.matched}")


# %% [markdown] lang="zh"
# **练习 3**　写 `candidate(prediction, reference, n)`：剪裁过的 $p_n$，在 0 到 1 之间；词按空格切，没有长度 $n$
# 的词串就是 0。裁判是 `sacrebleu` 数出的命中数和总数。
# %% [markdown] lang="en"
# **Exercise 3.** Write `candidate(prediction, reference, n)`: the clipped $p_n$, between 0 and 1; words
# are cut at spaces, and without a run of $n$ words it is 0. The judge is how many matches and runs
# `sacrebleu` counts.
# %%
def candidate(prediction, reference, n):  # write yours here
    return None


cases = [(("the the the", "the cat", 1), 1 / 3), (("at six at six", "at six", 2), 1 / 3)]
cases += [(("six", "at six", 2), 0), (("a b a b", "b a b a", 2), 2 / 3), (("x y", "a b", 1), 0)]
if installed("sacrebleu"):
    rng = random.Random(3)
    for _ in range(50):
        x, y = (" ".join(rng.choices("abc", k=rng.randrange(1, 9))) for _ in "ab")
        theirs = sacrebleu.corpus_bleu([x], [[y]], tokenize="none", force=True)
        n = rng.randrange(1, 5)
        cases.append(((x, y, n), theirs.counts[n - 1] / max(theirs.totals[n - 1], 1)))
judge(3, candidate, cases)
# %% [markdown] lang="zh"
# ## 8 chrF：不切词，数字母
#
# **问题**　`returns` 写成 `return`，BLEU 当它是另一个词。词尾之差，值得全扣吗？中文又老为切词争吵，能不能干脆不
# 切？
#
# **想法**　chrF（Popović 2015）去掉空白，数 1 到 6 个**字符**的串。精确率、召回率各取六种长度的平均，召回率看得
# 更重（$\beta = 2$）：
#
# $$\mathrm{chrF} = \frac{(1 + \beta^2)\, P R}{\beta^2 P + R}$$
# %% [markdown] lang="en"
# ## 8 chrF: letters, and no words
#
# **Question.** Write `return` for `returns`, and BLEU takes it for another word. Should an ending cost
# all of it? And with the endless quarrel over Chinese words: can one do without?
#
# **Idea.** chrF (Popović 2015) drops white space and counts runs of 1 to 6 **characters**. Precision and
# recall are means over the six lengths, and recall weighs more ($\beta = 2$):
#
# $$\mathrm{chrF} = \frac{(1 + \beta^2)\, P R}{\beta^2 P + R}$$
# %%
from tiny_eval.chrf import chrf_of_counts, sentence_chrf

print(inspect.getsource(chrf_of_counts))
endings = {
    "other endings": "The ferries left the landings at six in the mornings and returned at nine in the evenings.",
    "times exchanged": replies["en"]["swapped"],
    "right, reworded": replies["en"]["reworded"],
}  # fmt: skip
for name, text in endings.items():
    scores = sentence_bleu(text, [reference["en"]]).score, sentence_chrf(text, [reference["en"]])
    print("{:16} BLEU {:5.1f}   chrF {:5.1f}".format(name, *scores))
# %%
if installed("sacrebleu"):
    for lang in replies:
        for text in replies[lang].values():
            theirs = sacrebleu.sentence_chrf(text, [reference[lang]]).score
            assert math.isclose(theirs, sentence_chrf(text, [reference[lang]]), rel_tol=1e-12)
    print("equal to sacrebleu")
# %% [markdown] lang="zh"
# 词尾全换，chrF 不怎么计较，这正是它的长处；它也不必为中文选切词。可是全对的 `reworded` 只有个位数，而对调
# 两个钟点，它给了**九十多分**：`six` 和
# `nine` 各三四个字母，换个位置，大多数短串都还在。**一个词错得离谱还是错得一点点，数字母的尺子分不出来**：
# `possible` 和 `impossible`，字面上只差两个字母。
# %% [markdown] lang="en"
# With all the endings changed chrF does not mind much, which is its strength; nor does it have to
# choose how Chinese is cut. But `reworded`, wholly right, has less than ten, and for the exchanged times
# it gives **more than ninety**: `six` and `nine` have three and four letters, and wherever they stand
# most of the short runs are there. **Whether a word is wrong by a little or by everything, a ruler of
# letters cannot tell**: `possible` and `impossible` differ by two.
# %%
for given, wanted in [
    ("It is impossible.", "It is possible."),
    ("大雾天渡船照常不开。", "大雾天渡船照常开。"),
]:
    print(f"{given}  {wanted}  chrF {sentence_chrf(given, [wanted]):.0f}")
# %% [markdown] lang="zh"
# ## 9 困惑度：不看答案，看概率
#
# **问题**　前面的尺子都在比字面。模型本来就给每段文字一个概率，直接看概率，是不是就骗不了了？
#
# **想法**　**困惑度**（perplexity）是每个单位的概率取几何平均，再求倒数，好比模型每一步在几个一样可能的选项
# 里瞎猜：
#
# $$\mathrm{PPL} = \exp\left(-\frac{\ln P(\text{文本})}{N}\right)$$
#
# $N$ 是单位的个数。单位是词元、词还是字节（byte）？分子一样，分母不同，数就完全不同。
#
# 这里用一个最小的模型：[ngram.py](../../tiny_eval/ngram.py)，在随书的两篇短文上数一数每几个字后面跟着什么，一眨
# 眼就“训练”好了。做两个，**算法一样，词元不一样**：一个以字符为词元，一个以 UTF-8 的字节为词元（一个汉字三
# 个字节）。哪个更好？
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
# Take the smallest model there is, [ngram.py](../../tiny_eval/ngram.py): it counts, in two short texts
# that come with the book, what follows each few characters, and is "trained" in a blink. Make two by
# **the same method with different tokens**: for one a token is a character, for the other a byte of
# UTF-8 (a Chinese character has three). Which is better?
# %%
from tiny_eval.likelihood import corpus_perplexity, count_bytes, count_words
from tiny_eval.ngram import NgramModel

print(inspect.getsource(NgramModel.probability))
data = files("tiny_eval") / "data"
corpus = {lang: (data / f"corpus_{lang}.txt").read_text("utf-8") for lang in replies}


def as_bytes(text):
    """A character for each byte, so that the same model counts bytes."""
    return text.encode("utf-8").decode("latin-1")


by_character, by_byte = (
    NgramModel(list(corpus.values())),
    NgramModel(list(map(as_bytes, corpus.values()))),
)


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
ratio = found["zh", "characters"][0] / found["zh", "bytes"][0]
print(f"zh, per token: the characters look {ratio:.0f} times worse")
assert found["zh", "characters"][2] < found["zh", "bytes"][2]  # and are the better model
# %% [markdown] lang="zh"
# 按**词元**，中文的字节模型好像强了几百倍。那是因为它把一个汉字拆成三个词元，后两个好猜，平均下来当然低。按
# **字节**，次序正好反过来：字符模型略胜。英文里一个字母就是一个字节，两种词元是一回事，两个模型的数也几乎一样，这
# 是最好的核对。
#
# 按**词**呢？`lm-eval` 的词是空格之间的东西，一段中文没有空格，就是“一个词”，于是得出上面那个天文数字。所以：
#
# - 比较**同一个分词器**的两个模型，用哪种都行；
# - 比较**不同分词器**的模型，要用分词器管不着的单位，通常是字节（或取对数，每字节几比特，bits per byte）；
# - 按词只对有空格的语言有意义。
#
# 下面核对定义：词元数乘词元的对数，等于字节数乘字节的对数，都是同一个 $\ln P$。再骗它一回：用人评过的十三份答
# 卷，算每字节的比特数，越短模型越觉得“顺”。
# %% [markdown] lang="en"
# By **token** the byte model seems hundreds of times better in Chinese. It cuts a character into three
# tokens, of which the last two are easy to guess, and so the mean is low. By **byte** it is the other
# way round, and the character model is slightly better. In English a letter is a byte, so the two kinds
# of token are the same thing, and the numbers of the two models nearly the same: as good a check as any.
#
# And by **word**? To `lm-eval` a word is what stands between spaces; a Chinese text has none, is "one
# word", and makes that astronomical number. So:
#
# - for two models with **the same tokenizer**, any unit will do;
# - for models with **different tokenizers** it has to be a unit that no tokenizer decides on, and bytes
#   are usual (or the logarithm, bits per byte);
# - words make sense only for languages with spaces.
#
# First check the definition: tokens times the logarithm by token is bytes times the logarithm by byte,
# the same $\ln P$ both times. Then fool it: the bits per byte of the thirteen replies. A shorter bar is
# a text that the model finds smoother.
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
# 打印的那两个数，`same` 和 `swapped` **一模一样**：六点和九点对模型同样陌生，谁先谁后它不在乎。全对的
# `reworded` 在两种语言里都最“不顺”，因为用的词少见。困惑度量的是**像不像它读过的文字**，真假不在其内。再看
# 一段只会打转的话，它比真正的英文还“顺”：
# %% [markdown] lang="en"
# Look at the two numbers printed: `same` and `swapped` are **identical**. Six and nine are equally
# strange to the model, and it does not care which comes first. `reworded`, wholly right, is the roughest
# in both languages, as its words are rare. Perplexity measures **how like the text is to what was
# read**; truth does not come into it. A text that runs in circles is even smoother than real English:
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
# **想法**　概率是一个字一个字**乘**出来的，每乘一次都变小。选项越长，概率越小，**短的天生占便宜**。于是有人除以
# 长度。`lm-eval` 里，不除的叫 `acc`，除以字符数的叫 `acc_norm`，除以字节数的叫 `acc_bytes`：
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
# longer a choice, the less likely, so **short ones have a head start**. Hence the division by length.
# In `lm-eval` what is not divided is called `acc`, by characters `acc_norm`, by bytes `acc_bytes`:
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
    "问题：镇子在哪里？Where is it?\n回答：": ["在河边的山谷里", "in the valley"],
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
# 赢在短。除了长度，英文又选了“in the morning”：一句套话，后面的字母个个好猜，平均起来很高；**长而熟的话占便
# 宜**，是另一种偏心。第三题两个选项一中一英，字符规则和字节规则选得不一样：一个汉字是一个字符、三个字节。
#
# 一道题说明不了什么。随书的样题中英各 24 道，画出每个选项的长度和对数概率，再数一数：
# %% [markdown] lang="en"
# The columns are the log-likelihood in all, per character and per byte; after the arrow, which rule
# takes it. Without dividing, the answers are "no" and "不" (no): they say nothing, and win by being
# short. Divided, the English one becomes "in the morning": a stock phrase whose letters are easy to
# guess, so its mean is high; **long and familiar has a head start**, which is another bias. In the last
# question (where is the town?) one choice is Chinese and one English, and characters and bytes
# disagree: a Chinese character is one character and three bytes.
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
# 左右两幅都往右下斜：**越长，对数概率越低**，红点挤在左上。不除长度时，十次有八九次挑了最短的（并列最短的也
# 算，所以瞎猜也有五到七成）；除了以后，反倒比瞎猜还少一点。这个模型什么也不懂，对多对少全凭运气，可是换一条规则，“正确率”就动了好几个点。24 道题上
# 的这点差别什么也说明不了（[第 52 章](52_harness.ipynb)会算）；要紧的是：**报 acc 还是 acc_norm，要事先说好，
# 不能哪个高报哪个**。
#
# 还有一种问法：把选项都写在题目里，只比 A、B、C、D 四个字母的概率。长短的偏心没有了，换来的是对字母和位置的
# 偏心，也留到[第 52 章](52_harness.ipynb)。
#
# ## 11 校准：说九成把握，就该对九成
#
# **问题**　模型说“九成把握”，这个九成可信吗？
#
# **想法**　把把握差不多的回答归成一档，看每一档里真正答对了几成。把握等于正确率，就叫**校准**（calibrated）得
# 好。横轴把握，纵轴正确率，画成**可靠性图（reliability diagram）**，越贴对角线越好；离对角线的平均距离，叫
# **期望校准误差（expected calibration error, ECE）**，$B_i$ 是各档，acc 和
# conf 是那一档的正确率和平均把握：
#
# $$\mathrm{ECE} = \sum_i \frac{|B_i|}{N} \left|\, \mathrm{acc}(B_i) - \mathrm{conf}(B_i) \,\right|$$
#
# 让同样的模型读过那篇英文，再在没见过的英文上猜下一个字母，一次猜一个，几千次。它有个旋钮 `prior`：越小越相
# 信见过的那几次，越大越谦虚。第三个模型 `order=1`，前面写了什么一概不看，只知道每个字母有多常见。
# %% [markdown] lang="en"
# Both slope down to the right: **the longer, the less likely**, and the red dots crowd at the upper
# left. Undivided, a shortest choice is taken nearly nine times in ten (ties count, so that chance has
# between five and seven); divided, a little less often than by chance. This model knows nothing, and
# what it gets right is luck; yet another rule moves its "accuracy" by several points. On 24 questions
# such a difference means nothing ([chapter 52](52_harness.ipynb) computes it); what matters is to **say beforehand whether acc or
# acc_norm will be reported**, and not to report whichever is higher.
#
# There is another way to ask: write the choices into the question, and compare the probabilities of the
# letters A, B, C, D only. Length is out of the game, and a bias for letters and places comes in: that
# too is for [chapter 52](52_harness.ipynb).
#
# ## 11 Calibration: nine in ten should mean nine in ten
#
# **Question.** A model is 90% sure. Can that 90% be trusted?
#
# **Idea.** Put answers of about the same confidence into one bin and see what share of them is right.
# Where confidence equals accuracy, the model is well **calibrated**. Confidence to the right, accuracy
# upwards: that is a **reliability diagram**, and the nearer to the diagonal the better. The mean
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
# 点的大小是那一档有多少次。`prior 1` 的点全在对角线**下方**：把握总比正确率高，**过度自信**。`prior 10` 猜得几乎
# 一样准，点却贴着对角线：ECE 降到四分之一左右。准不准和诚实不诚实，是两回事。
#
# 骗它一次：第三幅那个模型**永远猜空格**，因为空格最常见，把握就是空格的比例。它几乎什么也不会，ECE 却最低。所
# 以 ECE 要和正确率一起看；或者看 **Brier 分**：把全部字母的概率和事实（来的那个是 1，别的是 0）逐个相减，平方再
# 加起来，越低越好。它两样都管，这个模型在它面前就现了原形。
#
# 再骗一次，这回冤枉好人：一个**完美**校准的模型，题少的时候 ECE 也不是 0，因为每一档里的正确率本来就有起伏：
# %% [markdown] lang="en"
# The size of a dot is how many guesses its bin has. The dots of `prior 1` are all **below** the diagonal:
# it is surer than it is right, which is **overconfidence**. `prior 10` guesses nearly as well, and its
# dots lie along the diagonal: ECE is down to about a quarter. Being right and being honest are two
# things.
#
# Fool it once: the third model **always guesses a blank**, as blanks are the most frequent, and is as sure
# as they are frequent. It can do next to nothing, and its ECE is the lowest. So read ECE beside accuracy;
# or read the **Brier score**: the probability of every letter against the facts (1 for what comes, 0 for
# the others), the squares of the differences added up, less is better. It minds both, and sees through
# this model.
#
# Fool it again, by wronging the honest: a **perfectly** calibrated model has no ECE of 0 on few
# questions, since the accuracy within a bin wavers by chance:
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
# **想法**　抽 $n$ 次，成了 $c$ 次。**顺手的写法**是先估单次的成功率 $\hat{p} = c / n$，再代进去：
# $1 - (1 - \hat{p})^k$。它平均起来**偏低**：$(1-p)^k$ 是弯的，先平均再弯和先弯再平均不一样。Chen 等（2021）的
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
# **Idea.** Draw $n$, of which $c$ succeed. What **comes to mind** is to estimate the rate of one try,
# $\hat{p} = c / n$, and to plug it in: $1 - (1 - \hat{p})^k$. On average that is **too low**: $(1-p)^k$
# is bent, and a mean put through a bend is not the mean of what is bent. Chen et al. (2021) plug in
# nothing and count: of all ways of taking $k$ out of the $n$, how many hold a success?
#
# $$\mathrm{pass@}k = 1 - \binom{n-c}{k} \Big/ \binom{n}{k}$$
#
# That is **unbiased**: on average neither high nor low. No simulation: add up each possible $c$ by the
# binomial distribution, and the means of both estimates are exact:
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
# %%
if installed("scipy"):
    from scipy.stats import hypergeom

    cases = [(n, c, k) for n in (5, 20) for c in range(n + 1) for k in range(1, n + 1)]
    for n, c, k in cases:
        assert math.isclose(pass_at_k(n, c, k), hypergeom(n, c, k).sf(0), abs_tol=1e-12)
    print(f"{len(cases)} values: equal to scipy's hypergeometric distribution")


# %% [markdown] lang="zh"
# 左图：绿点压在真值上，代入法从第二次机会起就偏低。
#
# 右图是怎样骗它：一道**是非题**，抛硬币的和真会的，只试一次差得远，多试几次，`pass@k` 都贴到 1。所以它只适
# 合**有人替你验收**的任务（代码有测试，证明有检查器），答案好猜的题不能用。反过来问“$k$ 次是不是**次次**都
# 成”，叫 $\mathrm{pass}^k$（Yao 等 2024），用来量靠不靠得住；[第 43 章](43_sops_plans_traces.ipynb)的智能体就是
# 用它量的。
#
# > **教程里常见的错**　只抽 $k$ 次，看成没成过，就报 `pass@k`。那也是无偏的，可是一道题非 0 即 1，起伏很大；多
# > 抽几次再数，就稳得多。
#
# **练习 4**　写 `candidate(n, c, k)`：无偏的 pass@k，不许用 `math.comb`（想想连乘）。裁判是超几何分布，没有
# `scipy` 时用手算的。
# %% [markdown] lang="en"
# Left: the green dots are on the truth, and the plug-in is below it from the second try on.
#
# Right is how to fool it: on a **yes-or-no question** a coin and somebody who knows are far apart with one
# try, and with many `pass@k` is near 1 for both. So it fits tasks where **something else checks** the
# answer (code has tests, a proof has a checker), and not those whose answers can be guessed. Whether
# **all** of $k$ tries succeed is $\mathrm{pass}^k$ (Yao et al. 2024), and measures whether one can rely
# on it; [chapter 43](43_sops_plans_traces.ipynb) measures agents by that.
#
# > **Where tutorials go wrong.** They draw just $k$, see whether one succeeded, and report `pass@k`. That
# > is unbiased too, but it is 0 or 1 for a question and wavers; draw more and count, and it is steadier.
#
# **Exercise 4.** Write `candidate(n, c, k)`: the unbiased pass@k without `math.comb` (think of a
# product). The judge is the hypergeometric distribution, or numbers by hand where there is no `scipy`.
# %%
def candidate(n, c, k):  # write yours here
    return None


cases = [((5, 1, 1), 0.2), ((5, 0, 3), 0), ((5, 5, 2), 1), ((4, 2, 2), 5 / 6), ((5, 2, 4), 1)]
cases += [((10, 3, 2), 8 / 15), ((200, 1, 100), 0.5)]
if installed("scipy"):
    rng = random.Random(4)
    for _ in range(50):
        n = rng.randrange(1, 300)
        c, k = rng.randrange(n + 1), rng.randrange(1, n + 1)
        cases.append(((n, c, k), float(hypergeom(n, c, k).sf(0))))
judge(4, candidate, cases)


# %% [markdown] lang="zh"
# ## 13 尺子看不见什么
#
# ### 十三份答卷，七把尺子
#
# **问题**　每把尺子各有各的盲处。凑在一起，能看全吗？
#
# 左边第一列是人的评分，右边七列是尺子，答卷按人的评分从高到低排。要是尺子和人一样看，颜色就该从上到下一路变
# 浅：
# %% [markdown] lang="en"
# ## 13 What no ruler sees
#
# ### Thirteen replies, seven rulers
#
# **Question.** Each ruler is blind somewhere. Do they see everything together?
#
# The first column is the mark of people, the other seven are rulers, and the replies are in the order of
# the mark. If rulers saw as people do, the colour would fade from the top to the bottom:
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
        "BLEU": sentence_bleu(given, [wanted], tokenizer[lang]).score / 100,
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
# 颜色并不从上到下变浅。横着看几行：
#
# - `reworded`、`short`（人给满分）：除了字面，尺子什么也没有，只好给低分。
# - `swapped`（人给零分）：七把尺子里，六把都给了一半以上。
# - `negated`：一个“不”字，一个 never，翻转了整句话的意思，多的扣三分之一，少的只扣几分。
# - `nonsense`、`question`：照抄题目，或者顺着题目编一句空话，**和题目像，就和答案像**。
# - `salad`：词袋给满分，看次序的才扣它的分。
#
# 用一个数说：**秩相关（rank correlation）**。不管分数的大小，只看次序，尺子排的名次和人排的名次有多一致：1 完
# 全一致，0 毫不相干。并列的取平均名次：
# %% [markdown] lang="en"
# It does not fade. Some rows from left to right:
#
# - `reworded` and `short` (full marks from people): rulers have nothing but the words, and mark low.
# - `swapped` (nothing from people): six of seven rulers give more than half.
# - `negated`: a "never" turns the meaning of the whole sentence round, and costs a third at most, or a
#   few points.
# - `nonsense` and `question`: to copy the question, or to say something empty along its lines, **is to be
#   like the question, and so like the answer**.
# - `salad`: bags of words give full marks, and only rulers of order mark it down.
#
# In one number: the **rank correlation**. Never mind how high the scores are, how far does a ruler put
# the replies into the order that people put them: 1 is wholly, 0 not at all. Equals share their mean
# rank:
# %%
def ranks(values):
    """The place of each value from below; equal ones share the mean of theirs."""
    values = np.asarray(values, float).round(9)
    return [(values < one).sum() + ((values == one).sum() + 1) / 2 for one in values]


def rank_correlation(a, b):
    """Spearman's: the correlation of the ranks."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


# %%
rho = {lang: [rank_correlation(s, people) for s in scores[lang].values()] for lang in scores}
plain = [n for n, kind in enumerate(kinds) if kind not in (*fooling[:-1], "short", "reworded")]
plain_rho = {
    lang: [rank_correlation(s[plain], people[plain]) for s in scores[lang].values()]
    for lang in scores
}
print("plain replies:", [kinds[n] for n in plain])
for lang in scores:
    ends = [(min(of[lang][1:]), max(of[lang][1:])) for of in (rho, plain_rho)]
    print(f"{lang}, EM aside: all thirteen {ends[0][0]:.2f} to {ends[0][1]:.2f}, "
          f"plain ones {ends[1][0]:.2f} to {ends[1][1]:.2f}")  # fmt: skip
# %%
between = rank_correlation(list(strict.values()), list(lenient.values()))
fig, axes = figures.canvas(1, 2, height=3)
for ax, lang in zip(axes, scores, strict=True):
    places = np.arange(len(rho[lang]))
    ax.bar(places - 0.2, rho[lang], 0.38, label="all thirteen", color=figures.ROSE)
    ax.bar(places + 0.2, plain_rho[lang], 0.38, label="six plain ones", color=figures.BLUE)
    ax.axhline(between, color=figures.INK, linestyle="--", linewidth=1)
    ax.axhline(0, color=figures.INK, linewidth=0.8)
    ax.set_xticks(places, list(scores[lang]))
    ax.set(title=f"{lang}: rank correlation with people", ylim=(-0.35, 1.35))
_ = axes[0].legend(loc="upper left", ncols=2, fontsize=8)
print(f"the dashed line, one marking scheme with the other: {between:.2f}")
# %%
if installed("scipy"):
    from scipy.stats import spearmanr

    theirs = [spearmanr(one, people).statistic for one in scores["zh"].values()]
    np.testing.assert_allclose(rho["zh"], theirs, atol=1e-7)
    print("rank correlations: equal to scipy's")
# %% [markdown] lang="zh"
# 红条：十三份全算，除了“完全一致”，别的都在 0 上下。蓝条：去掉故意为难的、换了说法的，剩下六份平平常常的答卷，
# 同样的尺子都站到了人这一边。**尺子没变，变的是被量的东西。**
#
# 这就是字面尺子的处境：错的答卷要是长得就不像，它们管用，又快又便宜，还能一字不差地重算；一旦错的长得像对
# 的，它们就瞎了，而模型越强，错的往往越像对的。也要防着反过来用：**挑什么样的题，就能得出什么样的“相关”**，我们刚才
# 就亲手做了一遍。而且这只有十三份，这些相关本身的误差很大（[第 52 章](52_harness.ipynb)）。
#
# ### 人和人也不一致
#
# **问题**　虚线是什么？尺子最多能和人一致到什么程度？
#
# **想法**　先看**人和人**一致到什么程度。两份评分标准，十三份答卷里给的分有几份相同？光看这个比例会虚高：就算闭
# 着眼睛给，也会碰巧相同。科恩的 **kappa**（Cohen 1960）扣掉碰巧的：$p_o$ 是实际一致的比例，$p_e$ 是按各人给分
# 的习惯碰巧一致的比例：
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}$$
# %% [markdown] lang="en"
# Red: over all thirteen, exact match aside, they are around 0. Blue: without those made to embarrass and
# those in other words, six ordinary replies are left, and the same rulers side with people.
# **It is not the rulers that have changed but what is measured.**
#
# That is how things stand with rulers of words: where wrong replies look different they work, are quick
# and cheap and can be recomputed to the last digit; where wrong ones look like right ones they are blind,
# and the stronger a model, the more its mistakes tend to look right. Beware of the reverse, too: **by
# choosing the items one gets any "correlation" one likes**, as we have just done. And these are thirteen,
# so the correlations have large errors themselves ([chapter 52](52_harness.ipynb)).
#
# ### People do not agree either
#
# **Question.** What is the dashed line? How far can a ruler agree with people at all?
#
# **Idea.** See how far **people** agree. On how many of the thirteen replies do the two marking schemes
# give the same mark? That share alone flatters, since even with closed eyes some would be the same.
# Cohen's **kappa** (1960) takes out what chance gives: $p_o$ is the share on which they agree, $p_e$ the
# share on which they would by their habits alone:
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
# %%
if installed("sklearn"):
    from sklearn.metrics import cohen_kappa_score

    assert math.isclose(kappa, cohen_kappa_score(first, second))
    weighted = cohen_kappa_score(first, second, weights="quadratic")
    assert math.isclose(quadratic_kappa(first, second), weighted)
    print("both kappas: equal to scikit-learn's")
# %% [markdown] lang="zh"
# 同一批人照两份标准评，也只一致到这个程度。最后一个例子里，两个人各在 20 份里挑 1 份给分，挑的不是同一份：相同
# 的比例高达九成，kappa 却是负的，**比碰巧还差**。
#
# 所以人和人的一致是尺子的**天花板**，一个粗略的天花板：人自己都说不准的地方，尺子说得再“准”也没有意义。报告一把
# 新尺子（比如拿大模型当裁判，[第 53 章](53_gaokao.ipynb)）之前，先让两个人各评一遍，报出他们之间的 kappa。
#
# ## 14 什么题用什么尺子
#
# | 题 | 用 | 要一起报的 | 看不见的 |
# | --- | --- | --- | --- |
# | 答案是一个词、一个名字 | EM，字的 F1 | 范式；几条标准答案 | 换说法 |
# | 答案是数 | 按值比较 | 怎样从话里取数 | 过程对不对 |
# | 短答案，一两句 | F1 | 切法 | 否定、对调、多余的话 |
# | 摘要 | ROUGE-1、2、L | 哪种定义、切词、词干 | 事实错误 |
# | 翻译 | chrF，语料的 BLEU | 签名 | 单个要命的词 |
# | 语言模型本身 | 每字节比特 | 窗口怎么滑（[第 52 章](52_harness.ipynb)） | 真假 |
# | 选择题，比概率 | acc 或 acc_norm，事先定好 | 提示词，几个示例 | 会不会自己写出来 |
# | 把握 | Brier，可靠性图 | 分几档，多少题 | （ECE 看不见无能） |
# | 代码，有测试 | pass@k，无偏 | n、k、温度 | 测试没测到的 |
# | 数学，开放题 | 代数等价，评分标准加裁判（[第 53 章](53_gaokao.ipynb)） | 取不出答案的比例，kappa | 裁判的偏心 |
#
# 表里的尺子，多半在 [metrics.py](../../tiny_eval/metrics.py) 里有名字，任务文件写上名字就能用。命令行里，
# `ngram` 就是第 9 节的小模型（一两秒）；换成真的模型，只换 `--model` 后面的东西：
#
# ```bash
# python -m tiny_eval list
# python -m tiny_eval run --task sample-choice-en --model ngram
# python -m tiny_eval run --task sample-qa-zh --model models/Qwen2.5-0.5B-Instruct
# python -m tiny_eval run --task sample-summary-zh --model http://127.0.0.1:11434/v1
# ```
#
# **练习 5**（没有裁判）　写一把专看**钟点次序**的尺子：从答卷里按次序取出钟点，和标准答案的逐个相同就给 1。它能揪
# 出十三份里的哪几份？再写一份答卷，让你自己的尺子上当。
#
# **练习 6**（没有裁判）　请一位朋友照第 1 节的两份标准，不看我们的分，把十三份重评一遍。他和我们的 kappa 是多少？
# 分歧最大的是哪份？
#
# ## 带走八句话
#
# 1. 范式决定什么不算数；减号、小数点和冠词都可能是答案。
# 2. F1 是一袋词：不看次序，不看否定。中文的 F1 要报切法。
# 3. 叫 ROUGE-L 的至少有三种，同一句话差几十分；比之前先问定义。
# 4. BLEU 先加后除，不是句子的平均；没有签名的 BLEU 不能比。
# 5. 不同分词器的困惑度，要按字节比；困惑度不管真假。
# 6. 比概率的选择题，短的占便宜；除以长度，长而熟的占便宜。
# 7. pass@k 要无偏地数；好猜的题不能用它。
# 8. 指标和人有多一致，取决于量的是什么样的错误。先看人和人有多一致。
#
# 延伸阅读：Rajpurkar 等 2016（SQuAD，arXiv:1606.05250），Lin 2004（ROUGE），Hyyrö 2004（比特 LCS），
# Papineni 等 2002（BLEU），Post 2018（签名），Popović 2015（chrF），Guo 等 2017（校准，arXiv:1706.04599），
# Chen 等 2021（pass@k，arXiv:2107.03374），Bai 等 2024（LongBench，arXiv:2308.14508）。
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
# The same people with two schemes agree no further than this. In the last example two people each give
# marks to 1 of 20 replies, and not to the same one: nine in ten marks are the same, and kappa is
# negative, **worse than chance**.
#
# So the agreement of people is the **ceiling** of a ruler, and a rough one: where people are not sure
# themselves, it means nothing for a ruler to be "exact". Before a new ruler is reported (a language
# model as a judge, say, [chapter 53](53_gaokao.ipynb)), have two people mark, and report their kappa.
#
# ## 14 Which ruler for which task
#
# | task | use | report with it | does not see |
# | --- | --- | --- | --- |
# | the answer is a word or a name | EM, F1 of characters | the normal form; how many references | other words |
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
# gets the ruler. On the command line `ngram` is the little model of section 9 (a second or two); for a real
# model only what follows `--model` changes:
#
# ```bash
# python -m tiny_eval list
# python -m tiny_eval run --task sample-choice-en --model ngram
# python -m tiny_eval run --task sample-qa-zh --model models/Qwen2.5-0.5B-Instruct
# python -m tiny_eval run --task sample-summary-zh --model http://127.0.0.1:11434/v1
# ```
#
# **Exercise 5** (no judge). Write a ruler for the **order of the times**: take the times of day out of a
# reply in order, and give 1 if they are those of the reference, one by one. Which of the thirteen does it
# catch? Then write a reply that fools your own ruler.
#
# **Exercise 6** (no judge). Ask a friend to mark the thirteen by the two schemes of section 1 without
# looking at our marks. What is the kappa with ours, and which reply do you differ on most?
#
# ## Eight sentences to take along
#
# 1. A normal form decides what does not count; a minus, a point or an article may be the answer.
# 2. F1 is a bag of words: no order, no negation. In Chinese it is reported with its cutting.
# 3. At least three things are called ROUGE-L, and differ by tens of points on one sentence; ask for the
#    definition before you compare.
# 4. BLEU adds before it divides and is no mean of sentences; without a signature it cannot be compared.
# 5. Compare perplexities of different tokenizers by byte; truth does not come into them.
# 6. In multiple choice by probability short ones have a head start; divided by length, the long and
#    familiar ones have.
# 7. Count pass@k without bias, and not for what can be guessed.
# 8. How far a metric agrees with people depends on the mistakes that it measures. See first how far
#    people agree.
#
# Worth reading next: Rajpurkar et al. 2016 (SQuAD, arXiv:1606.05250), Lin 2004 (ROUGE), Hyyrö 2004 (the
# LCS in bits), Papineni et al. 2002 (BLEU), Post 2018 (signatures), Popović 2015 (chrF), Guo et al. 2017
# (calibration, arXiv:1706.04599), Chen et al. 2021 (pass@k, arXiv:2107.03374), Bai et al. 2024
# (LongBench, arXiv:2308.14508).
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
