# %% [markdown] lang="zh"
# # 00 · 漫游小宇宙
#
# 大语言模型读完一句话，就能接着往下说。这中间发生的每一步都是普通的算术，没有哪一步是黑箱。这
# 本书把这些算术一行一行写出来：写得短，读得完；写完之后，再拿别人写的库来核对。
#
# 这一章先带你走一遍：从一个打了分的回答，一路拆到它的起点，一个注意力分数。你会看到：
#
# 1. 全书的地图：五个包，怎样拼在一起；
# 2. 五个包动起来：翻译，聊天，查资料，用工具，打分；
# 3. 一句话怎样变成一串整数；
# 4. 一串整数怎样穿过 tiny-qwen2，一步一步，每步的形状都列出来；
# 5. 从零训练一个很小的模型，看它在半分钟内学会“从上文里找答案”，再打开它，找出做这件事的两个动作；
# 6. 把同样的权重交给 `transformers`，结果一样。
#
# - **时间**：读一遍约 45 分钟。全部代码在两个 CPU 核上约 45 秒跑完，其中一半花在第 5 节的训练上。
# - **预备知识**：会读 Python，知道矩阵乘法。遇到不懂的名词先往下走，第 11 章起会从头讲。
# - **不联网**：不下载任何东西，也不需要 GPU。
# %% [markdown] lang="en"
# # 00 · A tour of the universe
#
# A large language model reads a text and goes on with it. All that happens in between is plain
# arithmetic, and no step of it is hidden. This book writes that arithmetic out, line by line: short
# enough to be read to the end, and then checked against libraries that others wrote.
#
# This chapter walks you through once, from a marked answer down to where it began: an attention score. You will see:
#
# 1. the map of the book: five packages, and what joins them;
# 2. the five packages at work: they translate, chat, look things up, use tools, and give marks;
# 3. how a sentence becomes a row of integers;
# 4. how integers pass through tiny-qwen2, step by step, with the shape after each step;
# 5. a very small model, trained from nothing, that learns in under half a minute to find an
#    answer in the text before it; then we open it and find the two movements that do it;
# 6. the same weights in `transformers`, with the same result.
#
# - **Time**: about 45 minutes of reading. All the code runs in about 45 seconds on two CPU
#   cores, half of it the training of section 5.
# - **You need**: to read Python, and to know what a matrix product is. If a word is new, walk on:
#   from chapter 11 on, everything is explained from the beginning.
# - **Offline**: nothing is downloaded, and no GPU is needed.
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import copy
import inspect
import math
import re
import string
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)  # the order of a sum, and so its last digit, depends on the threads
warnings.filterwarnings("ignore", message="IProgress")  # tqdm's remark: no widgets, no matter

# %% [markdown] lang="zh"
# ## 1 地图
#
# 全书有五个 Python 包，都是写来给人读的。它们**互不导入**：单独拷走任何一个文件夹，照样能用。
# 把它们连起来的不是代码，而是业内通用的格式：
#
# - **模型文件夹**：Hugging Face 的布局，`config.json`、`model.safetensors`、`tokenizer.json`；
# - **对话协议**：OpenAI 的 chat completions，走 HTTP；
# - **记录**：JSONL，一行一条。
#
# 下图由代码现查现画：蓝色的包就在这里。
# %% [markdown] lang="en"
# ## 1 The map
#
# The book has five Python packages, written to be read. **None imports another**:
# copy out any one folder, and it works. What joins them is not code but the formats that
# everybody in the field uses:
#
# - a **model folder** in the Hugging Face layout: `config.json`, `model.safetensors`,
#   `tokenizer.json`;
# - the **chat protocol** of OpenAI, chat completions over HTTP;
# - **records** as JSONL, one to a line.
#
# The code looks up what is here and draws it in blue.
# %%
places = {"tiny_transformer\nthe 2017 paper": (0, 1.2), "qwen_blog\nthe Qwen2 decoder": (0, 0)}
places |= {"tiny_rag\nanswers with sources": (4.2, 1.2)}
places |= {"tiny_agent\na loop with tools": (4.2, 0)}
places |= {"tiny_eval\nscores, error bars": (4.2, -1.2)}
_, model_box, *clients = places
colors = {box: figures.BLUE if find_spec(box.split()[0]) else figures.GREY for box in places}
arrows = [(model_box, box) for box in clients]
fig, ax = figures.canvas(height=3.0, width=6.4)
ax = figures.diagram(ax, places, arrows, size=(1.9, 0.66), colors=colors)
_ = ax.text(2.1, -1.15, "model folder,\nchat protocol", ha="center", size=8.5)
# %% [markdown] lang="zh"
# 全书各章如下。每章都有中文和英文两份，代码和输出完全相同：
#
# | 章 | 回答的问题 |
# | --- | --- |
# | [11 · 注意力，亲手写一遍](11_attention_by_hand.ipynb) | 一个词怎样向别的词提问，又怎样知道谁在第几个？ |
# | [12 · 编码器与解码器](12_encoder_and_decoder.ipynb) | 2017 年的那台机器怎样从原文写出译文？ |
# | [13 · 训练它翻译](13_training_to_translate.ipynb) | 它怎样学会翻译，又怎样挑出最好的译文？ |
# | [21 · 词元、嵌入、RMSNorm、RoPE](21_tokens_to_rope.ipynb) | 文字怎样变成向量，向量怎样知道自己的位置？ |
# | [22 · GQA、掩码、KV 缓存](22_attention_and_cache.ipynb) | 词元之间怎样互通消息？读过的为什么不必重算？ |
# | [23 · 完整的解码器](23_the_whole_decoder.ipynb) | 零件怎样装成 Qwen2？怎样证明装对了？ |
# | [24 · 训练自己的小 Qwen2](24_training_your_own.ipynb) | 数据从哪来？小模型怎样学会在资料里查答案？ |
# | [31 · 从 PDF 到向量](31_from_pdf_to_vector.ipynb) | 一堆文件怎样变成可以检索的东西？ |
# | [32 · 把检索量出来](32_measuring_retrieval.ipynb) | 按词找、按向量找、合起来找，哪个准？怎样知道？ |
# | [33 · 有据可查](33_grounded_answers.ipynb) | 回答怎样带上出处？找不到时怎样拒答？ |
# | [41 · 亲手写 ReAct](41_react_by_hand.ipynb) | 只会写字的模型，怎样一步一步地使用工具？ |
# | [42 · 工具、模式与三种方言](42_tools_and_dialects.ipynb) | 一段文字怎样变成一次函数调用？写错了怎么办？ |
# | [43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb) | 换一种走法更省吗？怎样知道它可靠不可靠？ |
# | [51 · 指标，以及它们怎样骗你](51_metrics.ipynb) | 一个分数量的是什么，又漏掉了什么？ |
# | [52 · 评测台](52_harness.ipynb) | 这个模型真比那个好，还是碰巧？ |
# | [53 · 一张高考数学卷](53_gaokao.ipynb) | 怎样从一大段回复里取出答案，公平地给分？ |
# | [60 · 整条链](60_the_whole_chain.ipynb) | 模型、检索、工具接成一条链：每加一环，买来了什么？ |
#
# 书里有一条规矩：**凡是断言，都要能执行**。说两样东西相等，就有一行 `assert` 去检查；说一个数，就由
# 代码把它算出来。`assert` 不成立，这一章就跑不完。你随时可以改一个数，重跑，看哪里会断。
# %% [markdown] lang="en"
# These are the chapters of the book. Each exists in Chinese and in English, with the same code and
# the same outputs:
#
# | chapter | the question it answers |
# | --- | --- |
# | [11 · attention, by hand](11_attention_by_hand.ipynb) | How does a word ask the others, and how does it know who stands where? |
# | [12 · encoder and decoder](12_encoder_and_decoder.ipynb) | How does the machine of 2017 get from a source to its translation? |
# | [13 · training it to translate](13_training_to_translate.ipynb) | How does it learn to, and how does it choose the best translation? |
# | [21 · tokens, embeddings, RMSNorm, RoPE](21_tokens_to_rope.ipynb) | How does text become vectors, and how does a vector know its place? |
# | [22 · GQA, masks, the KV cache](22_attention_and_cache.ipynb) | How do tokens tell each other things, and why need the past not be computed again? |
# | [23 · the whole decoder](23_the_whole_decoder.ipynb) | How do the parts make up Qwen2, and how do we prove it? |
# | [24 · training your own](24_training_your_own.ipynb) | Where do the data come from, and how does a small model learn to look things up? |
# | [31 · from a PDF to a vector](31_from_pdf_to_vector.ipynb) | How do files become something to search in? |
# | [32 · measuring retrieval](32_measuring_retrieval.ipynb) | By words, by vectors, by both: which finds more, and how do we know? |
# | [33 · grounded answers](33_grounded_answers.ipynb) | How does an answer come with its sources, and how does it refuse? |
# | [41 · ReAct, by hand](41_react_by_hand.ipynb) | How does a model that only writes come to use tools, step by step? |
# | [42 · tools and dialects](42_tools_and_dialects.ipynb) | How does a text become a function call, and what if it is written wrongly? |
# | [43 · SOPs, plans, traces, cost](43_sops_plans_traces.ipynb) | Is another way cheaper, and how reliable is it? |
# | [51 · metrics, and how they fool you](51_metrics.ipynb) | What does a score measure, and what does it miss? |
# | [52 · a harness](52_harness.ipynb) | Is this model better than that one, or was it lucky? |
# | [53 · the gaokao maths paper](53_gaokao.ipynb) | How is an answer found in a long reply, and marked fairly? |
# | [60 · the whole chain](60_the_whole_chain.ipynb) | Model, search and tools in one chain: what does each link buy? |
#
# The book has one rule: **what it claims, it runs**. Where it says that two things are equal, an
# `assert` checks it; where it gives a number, code has computed it. If an `assert` fails, the
# chapter does not finish. Change a number, run again, and see what breaks.
# %% [markdown] lang="zh"
# ## 2 五个包，动起来
#
# 先看成品，再一路拆到底。这一节每个包做一件事：翻译，聊天，查资料，用工具，打分。看的时候不必懂怎么做到的，那是后面各
# 章的事。
#
# ### 翻译：tiny_transformer
#
# 这是 2017 年的论文 *Attention Is All You Need* 里的翻译机器，附带从零训练好的权重，只有 3 MB。它只懂数字、日期和金额，却要做翻译里真正的
# 难事：中文四位一级（万、亿），英文三位一级（thousand、million），所以词要换位置，还要重新分组。
# %% [markdown] lang="en"
# ## 2 Five packages at work
#
# First the finished thing; then we take it apart, down to the bottom. In this section each package does one
# thing: it translates, it chats, it looks things up, it uses tools, it gives marks. How they do it you need not
# understand yet; that is what the other chapters are for.
#
# ### tiny_transformer translates
#
# This is the translation model of the 2017 paper, with three megabytes of weights that its own code has
# trained. It knows nothing but numbers, dates and money, and yet it must do what is hard in translation: Chinese
# counts in groups of four digits (万, 亿), English in groups of three (thousand, million), so that words change
# places and are grouped anew.
# %%
from tiny_transformer import Translator

texts = ["三千二百一十万零五", "二〇二六年十一月二十三日", "twelve yuan and five fen"]
for source, translation in zip(texts, Translator.load().translate(texts), strict=True):
    print(f"{source}  ->  {translation}")
# %% [markdown] lang="zh"
# ### 聊天：qwen_blog
#
# 今天的大语言模型只留下那台机器的一半，也就是解码器，再把它做得很大。`qwen_blog` 写的就是这样一个解码器，Qwen2。它还带着
# 一个从零训练出来的小模型 **tiny-qwen2**，在后面几章里当主角：结构一样，个头还不到最小的 Qwen2 的百分之一。加载它要两行：
# %% [markdown] lang="en"
# ### qwen_blog chats
#
# Today's large language models keep one half of that machine, the decoder, and make it very large. `qwen_blog` is
# such a decoder, Qwen2. With it comes a small model trained from nothing, **tiny-qwen2**, which plays the lead in
# later chapters: built the same way, at less than a hundredth of the size of the smallest Qwen2. Two lines load it:
# %%
from qwen_blog import GenerationConfig, Qwen2ForCausalLM, Tokenizer, generate
from qwen_blog.commands import find_model

folder = find_model(None)  # $TINY_MODEL if you have set it, else the one that comes along
qwen = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
qwen_tokenizer = Tokenizer.from_pretrained(folder)
print(f"{qwen.num_parameters() / 1e6:.1f} million parameters")
assert qwen.num_parameters() * 100 < 494_032_768  # those of Qwen2-0.5B


# %% [markdown] lang="zh"
# 它从没见过真实世界。教它的是一些编出来的世界：怎样读资料，怎样用工具，怎样寒暄几句。考它的，是另一个编出来的世界，它同样没见过：
# 一个恒星系，恒星叫砚星（Yan），行星叫露摩（Lumo）。露摩有多大？什么资料也不给，直接问，这叫**闭卷（closed book）**：
# %% [markdown] lang="en"
# It has never met the real world. It was taught with invented ones: how to read a source, how to use a tool, how to
# say a few friendly words. We examine it on another invented world, which it has not met either: a star
# system, its star Yan (砚星), its planet Lumo (露摩). What is the radius of Lumo (露摩的半径是多少)?
# To ask without giving any source is called **closed book**:
# %%
def closed_book(question):
    """What the model says to the question alone."""
    chat = [{"role": "user", "content": question}]
    ids = qwen_tokenizer.apply_chat_template(chat, add_generation_prompt=True)
    return generate(qwen, [ids], GenerationConfig(max_new_tokens=48), qwen_tokenizer)[0].text


radius = ["露摩的半径是多少？", "What is the radius of Lumo?"]
for question in ["你好！你是谁？", *radius]:
    print(f"{question}\n    {closed_book(question)}")
# %% [markdown] lang="zh"
# 介绍自己，它会；问事实，它说不知道。这是教出来的：训练里有“没有资料”这一类回答。从来没学过这种回答的模型会怎样？第 5 节会造一个，
# 它照编不误。
#
# ### 查资料：tiny_rag
#
# 事实写在文件里：一部小百科，十六篇文章，中英文各一份。`tiny_rag` 先按问题找出三个**段落（passage）**，也就是文件里的一小截，放在
# 问题前面，再让模型照着说。每段有个编号，答案里的 `[1]` 就是**引用（citation）**：话是从第 1 段来的，你可以去核对。先查后答，
# 这就是 **RAG（检索增强生成）**。
#
# 还是那个模型，还是那个问题：
# %% [markdown] lang="en"
# It can introduce itself; asked for a fact, it says that it does not know. That was taught: replies of this kind were
# part of its training. And a model that has never seen one? Section 5 makes such a model, and it invents an answer.
#
# ### tiny_rag looks things up
#
# The facts stand in files: a small encyclopedia of sixteen articles, each in Chinese and in English. `tiny_rag` first
# finds three **passages** for a question, which are short stretches of a file; it puts them in front of the question, and
# the model answers from them. Each passage has a number, and a `[1]` in the answer is a **citation**: this comes
# from passage 1, go and check. To look up first and answer then is called **RAG** (retrieval-augmented generation).
#
# The same model, the same question:
# %%
from tiny_agent.search import SAMPLE
from tiny_rag import AnswerOptions, Index, answer
from tiny_rag.choices import make_llm

index = Index()
report = index.update([SAMPLE])  # a folder of files
print(f"{report.documents} files, cut into {report.chunks} passages")
retriever, reader = index.retriever(), make_llm(None)  # the same folder of weights


def open_book(question):
    """The answer from the three passages that fit the question best."""
    return answer(question, retriever, reader, AnswerOptions(k=3, max_tokens=48))


# %%
def show(question):
    reply = open_book(question)
    print(f"{question}\n    {reply.text}")
    for cited in reply.citations:
        quote = " ".join(cited.quote.split())
        print(f"    [{cited.number}] {Path(cited.source).name}: {quote[:160]}")


for question in radius:
    show(question)
# %% [markdown] lang="zh"
# 两种语言都答对了，6120 千米，引用也指向写着这句话的地方。顺着 `[1]` 去看，一眼就能核对。
#
# 别急着高兴，再问三件事：一份条约哪年签的；砚星的质量，百科里**没有**；一位伊莎·沃恩（Ilsa Vorn）的丈夫，也没有。没有的事，好的
# 回答是**拒答（refusal）**：直说资料里没有。
# %% [markdown] lang="en"
# Right in both languages, 6,120 km, and the citation leads to the sentence that says so. Follow the `[1]`, and the
# check takes a glance.
#
# Do not rejoice yet. Three more: in which year a treaty was signed (双井条约, the Treaty of the Two Wells); the mass of the star Yan
# (砚星的质量), which the encyclopedia does **not** have; and the husband of one Ilsa Vorn, whom it does not have either. Where there is no
# answer, a good reply is a **refusal**: to say that the passages do not have it.
# %%
others = ["双井条约是哪一年签的？", "砚星的质量是多少？", "Who was the husband of Ilsa Vorn?"]
for question in others:
    show(question)
# %% [markdown] lang="zh"
# 丈夫是谁，它拒答了，对。条约哪年签的，**答错了**：段落找对了，它却去答在哪里签。好在有引用：顺着 `[1]` 看原文，112 年就在那里。引用不保证答案
# 对，它让你**查得出**对不对。砚星的质量，它没有拒：资料里有个直径，104 万千米，它拿来当了重量。说得像模像样，却没有
# 根据，这叫**幻觉（hallucination）**。怎样减少它、怎样量它，见[第 33 章](33_grounded_answers.ipynb)。
#
# ### 用工具：tiny_agent
#
# 有些问题查到了还得算，而语言模型不擅长心算。**智能体（agent）** 让模型自己动手：它写下想用哪个工具、输入什么，程序替它去做，把结果
# 放进上文，再让它接着写，一圈一圈，直到它给出答案。这里有两个工具，搜索和计算器。给它
# 两个任务：一道乘法；露摩的半径，再除以 4：
# %% [markdown] lang="en"
# Asked for the husband, it refuses, and is right. The year of the treaty is **wrong**: the right passage was found, but the reply
# says where it was signed (敦玛, on Dunmar). The citation helps: follow the `[1]`, and there stands the year, 112. A citation does not make an
# answer right; it lets you **find out**. Asked for the mass, it does not refuse: the passages have a diameter, 1.04 million km (104 万千米), and it
# passes that off as the weight. To say something plausible without any ground is called a **hallucination**. How to have fewer of
# them, and how to measure them, is in [chapter 33](33_grounded_answers.ipynb).
#
# ### tiny_agent uses tools
#
# Some questions need a look-up and then a calculation, and language models are bad at sums. An **agent** lets the model
# act: it writes which tool it wants and with what input; the program does that and puts the result into the text;
# the model writes on; and so round and round, until it gives an answer. Here it has two tools, a search and a
# calculator, and two tasks: a product; and the radius of Lumo, divided by 4.
# %%
from tiny_agent import Agent, Limits, ReActText, TransformersModel, make_tools
from tiny_rag.prompts import language

driver = TransformersModel(folder, max_new_tokens=96)  # the same folder of weights
tools = make_tools("search,calculator", root=SAMPLE)


def act(question):
    """A run of the loop, of three rounds at most."""
    dialect = ReActText(language(question))
    return Agent(driver, tools, dialect, limits=Limits(max_steps=3)).run(question)


# %%
def tell(question):
    """Prints a run of the agent: what the model wrote, and what each tool gave back."""
    print(f"=== {question}")
    for step in act(question).steps:
        print(step.reply.text)
        for result in step.results:
            print(f"    [{result.name} gives: {' '.join(result.content.split())[:96]}]")


tell("What is 38 * 57?")
tell(f"{radius[1]} Then divide it by 4.")
assert 6120 / 4 == 1530  # what the second answer should be, in km
# %% [markdown] lang="zh"
# 第一题对了，一步到位：它不心算，把算式交给计算器。第二题走了两步，步子也对：先搜索，读到 6,120，再去算。可是该写 6,120 / 4 的地方，
# 它写的是 6,120 * 4。计算器照算不误：工具从不出错，错在**写给工具的话**。这个圈怎样转、怎样停，见[第 41](41_react_by_hand.ipynb)到[第 43 章](43_sops_plans_traces.ipynb)。
#
# ### 打分：tiny_eval
#
# 挑几个例子看，说好说坏都容易。要知道它到底行不行，就要正经考一次。**查**（look up）：从百科自带的考题里，取答案是数的，不加挑选，每八题取一题，中英文各半。**算**（work out）：四道乘法，这类题它训练时练过。三种考法，闭卷、RAG、智能体，答同样的题；判分只看回复里最后一个数对不对：
# %% [markdown] lang="en"
# The first is right, in one step: it does no sum in its head, it hands it to the calculator. The second takes two steps, and
# they are the right ones: it searches, reads 6,120, and goes on to calculate. But where 6,120 / 4 was wanted, it writes
# 6,120 * 4, and the calculator works that out without complaint: the tool makes no mistake, what it was **told** was wrong. How the loop
# turns, and how it stops, is in chapters [41](41_react_by_hand.ipynb) to [43](43_sops_plans_traces.ipynb).
#
# ### tiny_eval gives marks
#
# Picked examples can show anything. To know how good it is takes an exam. **Look up**: the encyclopedia
# has questions of its own; of those about these articles whose answer is a number we take every eighth, without picking, half
# of them Chinese, half English. **Work out**: four products, a kind that it has practised in training. Closed book, RAG and agent answer the same questions, and are
# marked by one rule: the last number in the reply must be the right one.
# %%
from tiny_eval import mean_estimate, number_match
from tiny_rag import read_questions
from tiny_rag.universe import questions_path

bank = {"zh": [], "en": []}  # the same facts in both languages, in the same order
for q in read_questions(questions_path()):
    if q.kind == "number" and (SAMPLE / q.gold[0].source).exists():
        bank[q.lang].append((q.question, q.answers[-1]))
pairs = [(46, 29), (73, 64), (81, 19), (57, 83)]
paper = {"look up": bank["zh"][::8] + bank["en"][4::8]}
paper["work out"] = [(f"{a}乘以{b}等于多少？", str(a * b)) for a, b in pairs[:2]]
paper["work out"] += [(f"What is {a} * {b}?", str(a * b)) for a, b in pairs[2:]]
ways = {"closed book": closed_book, "RAG": lambda question: open_book(question).text}
ways |= {"agent": lambda question: act(question).answer or ""}


# %%
def mark(reply, truth):
    """1 if the last number in the reply is the right one, else 0; citations do not count."""
    return number_match(re.sub(r"\[\d+\]", "", reply), truth)


marks = {kind: {name: [] for name in ways} for kind in paper}
print("  ".join([*(f"{name:>5}" for name in ways), "    is", "question"]))
for kind, questions in paper.items():
    for question, truth in questions:
        for name, way in ways.items():
            marks[kind][name].append(mark(way(question), truth))
        row = [f"{'right' if of[-1] else '-':>{max(5, len(n))}}" for n, of in marks[kind].items()]
        print("  ".join([*row, f"{truth:>6}", question]))
# %% [markdown] lang="zh"
# 再看总分。题这么少，分数里有很多运气，所以画上**95% 区间（interval）**：答成这样，真正的水平大约就在这一段里（怎么算，见[第 52
# 章](52_harness.ipynb)）：
# %% [markdown] lang="en"
# Now the scores. With so few questions there is much luck in them, and so a **95% interval** is drawn with each: from
# these replies, the true level lies about there ([chapter 52](52_harness.ipynb) has how it is worked out).
# %%
fig, axes = figures.canvas(1, 2, height=1.9)
for ax, (kind, of) in zip(axes, marks.items(), strict=True):
    for place, values in enumerate(of.values()):
        e = mean_estimate(values)
        ax.plot([e.low, e.high], [place] * 2, "|-", color=figures.BLUE)
        ax.plot(e.value, place, "o", color=figures.BLUE)
        ax.text(1.06, place, f"{sum(values):.0f} of {e.n}", va="center", size=9)
    ax.set(title=kind, xlim=(-0.04, 1.3), ylim=(2.6, -0.6), yticks=range(3), yticklabels=[])
    ax.set(xticks=[0, 0.5, 1], xlabel="share right, 95% interval")
_ = axes[0].set_yticklabels(ways)
# %% [markdown] lang="zh"
# 算，计算器替它补上了：只有智能体会。查，它还很弱：考题的说法和它练过的不一样，它就常常找不准该抄哪个数；给了资料，八题也只对两
# 题。区间都很宽：左边三种考法谁好谁坏，这么几题分不出来。想换一个大些的模型，只要改一行。整条链、更大的卷子、断在哪一环，见[第 60
# 章](60_the_whole_chain.ipynb)。
#
# ### 一个注意力分数
#
# 故事的这一头是一个打了分的回答，另一头在哪里？回到露摩的半径。模型写下 6,120 之前，先要看见资料里的那个数。看，就是**注意力（attention）**：模型有 6 层，每层 4 个头，每写一
# 个词元，每个头都给前面每个词元打一个**分数**，分数越高，从那里抄来的就越多。让它停在正要写这个数的地方，看哪个头盯得最紧：
# %% [markdown] lang="en"
# In sums the calculator makes up for what the model lacks: the agent alone can do them. Looking up is weak still. The exam words its
# questions in its own way, and then the model often misses which number to copy; with passages before it, it gets two in
# eight right. The intervals are wide: on the left, so few questions cannot tell which way is better. To put in a larger
# model takes one line. The whole chain, a longer exam, and which link breaks: [chapter
# 60](60_the_whole_chain.ipynb).
#
# ### One attention score
#
# At this end of the story is an answer with a mark. What is at the other? Back to the radius of Lumo. Before the model can write
# 6,120 it has to see that number in the passage. To see is **attention**: the model has 6 layers of 4 heads, and for each token that
# it writes, each head gives every token before it a **score**; the higher, the more is copied from there. We stop it where it is
# about to write the number, and see which head looks at it hardest:
# %%
from tiny_rag import build_prompt, count_tokens

number, found = "6,120", retriever.retrieve(radius[1], k=3)
prompt = build_prompt(radius[1], found, 768, count_tokens)
ids = qwen_tokenizer.apply_chat_template(prompt, add_generation_prompt=True)
ids += qwen_tokenizer.encode(open_book(radius[1]).text.partition(number)[0])  # up to the number
with torch.no_grad():
    attentions = qwen(torch.tensor([ids]), output_attentions=True).attentions
looks = torch.stack([each[0, :, -1] for each in attentions])  # (layers, heads, places)
pieces = [qwen_tokenizer.token_bytes(i).decode(errors="replace") for i in ids]
text_before = [len("".join(pieces[:n])) for n in range(len(ids))]
six = text_before.index("".join(pieces).index(number))  # the place of its first digit
layer, head = divmod(int(looks[:, :, six].argmax()), looks.shape[1])
print(f"layer {layer + 1}, head {head + 1}: {looks[layer, head, six]:.0%} of its attention")
# %%
window = slice(six - 12, six + 12)
rows = [f"{layer + 1}.{h + 1}" for h in range(looks.shape[1])]
fig, ax = figures.canvas(height=1.9)
ax = figures.heatmap(ax, looks[layer, :, window], pieces[window], rows, vmin=0, vmax=1)
ax.set(ylabel="layer.head", title=f"about to write {number}: where the heads of this layer look")
# %% [markdown] lang="zh"
# 深色的一格就是那个分数：几百个词元里，这个头把将近一半的注意力给了资料里的 `6`，也正是马上要写的那个数字。（头两两一样，是因为训练之前就照着
# 写了进去，见[第 24 章](24_training_your_own.ipynb)。）往下几节就从头走到这里：文字变成整数，整数穿过模型，一个更小的模型在你眼
# 前学会“从上文里找答案”。
# %% [markdown] lang="en"
# The dark cell is that score: of some hundreds of tokens, the `6` in the passage has nearly half of this head's
# attention, and it is the very digit to be written next. (Heads are alike in pairs because they were written in like that
# before training, see [chapter 24](24_training_your_own.ipynb).) The next sections walk here from the beginning: text becomes integers, integers pass through a model, and a still
# smaller model learns before your eyes to find an answer in the text before it.
# %% [markdown] lang="zh"
# ## 3 一句话变成整数
#
# 模型只会算数，所以先要把文字换成整数。负责换的是**分词器（tokenizer）**：它把文字切成一段一段的
# **词元（token）**，每个词元有一个编号（id）。
#
# 怎么切，是从文本里学来的。**BPE（byte-pair encoding，字节对编码）** 从 256 个单独的字节出发，反复
# 做一件事：找出最常相邻的一对，粘成一个新词元。
#
# 我们编几句话来训练它。这一章的例子都发生在刚才那个虚构的恒星系里：露摩的每颗卫星用一个频道通话。
# %% [markdown] lang="en"
# ## 3 A sentence becomes integers
#
# A model can only calculate, so text must first become integers. This is the work of the
# **tokenizer**: it cuts text into pieces, the **tokens**, and each token has a number, its id.
#
# Where to cut is learned from text. **BPE (byte-pair encoding)** starts from the 256 single bytes and
# does one thing again and again: it takes the pair that most often stands side by side, and glues it
# into a new token.
#
# We make up a few lines to train it. The examples of this chapter live in that fictional star system,
# where each moon of Lumo calls on a channel of its own.
# %%
lines = ["Lumo is a planet of the star Yan.", "露摩是砚星的行星。"]
lines += ["Lumo has four moons.", "露摩有四颗卫星。", "砚星有两颗行星。"]
for moon, channel in ("b7", "k2", "a9", "q4"):
    lines.append(f"The moon {moon} calls on channel {channel}.")
    lines.append(f"卫星 {moon} 用 {channel} 号频道通话。")
    lines.append(f"{channel} 号频道：露摩的卫星 {moon}。")
tokenizer = Tokenizer.train(lines, vocab_size=340)
print(f"{len(lines)} lines, {len(tokenizer)} tokens")
for token_id in (256, 257):  # ids 0 to 255 are the single bytes
    raw = tokenizer.token_bytes(token_id)
    print(token_id, "=", raw.hex(" "), "=", raw.decode(errors="replace"))


# %% [markdown] lang="zh"
# 一个汉字是 3 个字节。最先粘起来的两对，正好一步一步拼出了这几句话里最常见的“星”字；只拼了一半的时候还不是
# 字，所以显示成 �。
#
# 现在切一句它没见过的话。每个格子是一个词元，下面是编号：
# %% [markdown] lang="en"
# A Chinese character is 3 bytes. The first two pairs to be glued make up, step by step, the character
# 星 (star), the most frequent one in these lines; halfway it is no character yet and shows as �.
#
# Now a sentence that it has not seen. Each box is a token, its id below:
# %%
def shown(token_id):
    """The token's text; its bytes in hexadecimal where they are but a part of a character."""
    raw = tokenizer.token_bytes(token_id)
    return raw.decode() if "\ufffd" not in raw.decode(errors="replace") else raw.hex()


sentences = ["The star calls on channel 5.", "砚星的卫星 k 用 5 号频道吗？"]
fig, axes = figures.canvas(2, 1, height=2.0)
for ax, sentence in zip(axes, sentences, strict=True):
    ids = tokenizer.encode(sentence)
    ax = figures.token_strip(ax, [shown(i) for i in ids], ids)
# %% [markdown] lang="zh"
# ␣ 是空格。常见的词是一整个词元；只见过一次的 star 拆成字母，没见过的“吗”和“？”退回成字节，这里写成十六进制。
# 所以任何文字都切得开，也都拼得回来：
# %% [markdown] lang="en"
# ␣ is a space. A frequent word is one token; *star*, seen only once, comes apart into letters, and
# characters never seen (吗, ？) fall back to bytes, in hexadecimal here. So any text can be cut, and
# any text can be put together again:
# %%
for text in [*sentences, "no such word: zyzzyva 🪐 龘"]:
    assert tokenizer.decode(tokenizer.encode(text)) == text
# %% [markdown] lang="zh"
# ## 4 一个张量的旅程
#
# 整数有了，送进模型：还是 tiny-qwen2，第 2 节答题的那一个。它有自己的分词器，和刚才那个是同一种做法，只是从多得多的文字里学来，有
# 4,096 个词元。给它一句话，再给同一句话的开头：一个会回头看的模型，应该知道怎么接下去。
#
# `trace` 让这串整数走一遍，把路上的每个操作都记下来。
# %% [markdown] lang="en"
# ## 4 The journey of one tensor
#
# The integers go into the model, and that is tiny-qwen2 again, which answered in section 2. Its tokenizer is made
# like the one above, of very much more text, and has 4,096 tokens. It gets a sentence, and the beginning of the same
# sentence: a model that looks back should know how to go on.
#
# `trace` sends these integers down the road and writes down every operation on the way.
# %%
from qwen_blog import Qwen2Config, trace

ids = qwen_tokenizer.encode("The radius of Lumo is 6,120 km. The radius of Lumo is ")
journey = trace(qwen, ids).path()
print(f"{len(ids)} tokens go in;")
print(f"{len(journey)} operations later: {tuple(journey.logits.shape)} logits, (B, T, V)")
best = journey.logits[0, -1].topk(3)
for score, token_id in zip(best.values.tolist(), best.indices.tolist(), strict=True):
    print(f"    {score:5.1f}  {qwen_tokenizer.decode([token_id])!r}")
assert qwen_tokenizer.decode([int(best.indices[0])]) == "6"
# %% [markdown] lang="zh"
# 最后得到的 **logits** 是一张分数表：一批 $B = 1$ 句话，$T$ 个位置，每个位置给词表里 $V$ 个词元各打一个分，
# 分数最高的就是模型心目中的下一个词元。列出来的是最后一个位置的前三名：第一名是 `6`，前一句里的那个数就这样开了头。
#
# 中间是几层结构相同的**解码层（decoder layer）**。先看第一层，只留下大的路标（归一
# 化、RoPE 和改换形状的操作略去，第 21 章会讲）：
# %% [markdown] lang="en"
# What comes out, the **logits**, is a table of scores: for $B = 1$ text, at each of $T$ places, one
# score for each of the $V$ tokens of the vocabulary. The highest is the model's choice for the next
# token. Printed are the first three of the last place: the best is `6`, which begins the number of the sentence before.
#
# In between stand several **decoder layers**, all built alike. Here is the first, landmarks only
# (without norms, RoPE and changes of shape, which chapter 21 explains):
# %%
keep = {"linear", "softmax", "matmul", "silu"}
layer = journey.within("model.layers.0")
landmarks = [s for s in layer if s.op in keep or (s.op, s.module) == ("add", "model.layers.0")]
print(f"{len(layer)} operations in one layer, of which {len(landmarks)}:\n")
for s in landmarks:
    module = s.module.removeprefix("model.layers.0").lstrip(".")
    print(f"{module:17} {s.op:8} -> {'x'.join(map(str, s.output)):10} std {s.std:.2f}")
# %% [markdown] lang="zh"
# 从上往下读：
#
# - `q_proj`、`k_proj`、`v_proj`：每个词元准备好一个问题（query，查询）、一块名牌（key，键）和一份内容（value，值）；
# - `matmul`、`softmax`、`matmul`：**注意力（attention）**。问题与名牌两两打分，分数化成权重，按权重取内容；
# - `add`：取来的东西加回原来的张量，这就是**残差（residual）**；
# - `gate_proj` 到 `down_proj`：**MLP**，每个词元各自加工一遍，再加回去。
#
# 进这一层和出这一层，形状一样，所以层可以一直叠上去。下面是张量走过全部几层的样子：上图
# 是它装着多少个数，下图是这些数有多大。
# %% [markdown] lang="en"
# Read it from the top:
#
# - `q_proj`, `k_proj`, `v_proj`: each token prepares a question (query), a name tag (key) and
#   something to give (value);
# - `matmul`, `softmax`, `matmul`: **attention**. Every question is scored against every name tag, the
#   scores become weights, and with these weights the values are collected;
# - `add`: what was collected is added to the tensor that came in, the **residual** connection;
# - `gate_proj` to `down_proj`: the **MLP** works on each token alone, and is added as well.
#
# The tensor leaves a layer in the shape in which it came, so layers can be stacked. Below
# the tensor goes through all of them: how many numbers it holds (top), and how large they are
# (bottom).
# %%
fig, axes = figures.canvas(2, 1, height=4.2)
axes = journey.within("model.layers").draw(axes)
axes[1].margins(x=0)
_ = axes[1].set_xlabel("operation")
# %% [markdown] lang="zh"
# 表里的形状这样读：25 个词元，每个 192 个数。注意力并排做 4 份，叫 4 个**头**，所以有 `1x4x25x25`：每个头一张 25 乘 25 的方阵，谁看谁，第 2 节末尾画的就是这样几张方阵里的一行；键 k 和值 v 两个头合用一份，只有 96 宽（第 22 章）。`std` 是标准差，这些数一般有
# 多大；打分的 `matmul` 特别大，因为这一层的头是照着写进去的（第 24 章），每个只认准一处。图里掉到 25 的凹处是 RMSNorm 在算：每个词元只剩一个平均数。
#
# 同样的花样重复了 6 次，一层一次（代码从 0 数起，layers.0 就是第 1 层）。Qwen2-0.5B 的花样也是这个，只是每层更宽，重复 24 次。
#
# 路上的每个操作都是几行代码。例如 **RMSNorm**，它把每个词元的那一行数调到大小适中：
#
# $$\mathrm{RMSNorm}(x) = \frac{x}{\sqrt{\mathrm{mean}(x^2) + \varepsilon}} \cdot w$$
# %% [markdown] lang="en"
# The shapes read like this: 25 tokens, 192 numbers each. Attention is done four times side by side, in 4 **heads**, hence
# `1x4x25x25`: for each head a square of 25 by 25, who looks at whom; the picture at the end of section 2 shows one row of such
# squares. Two heads share their keys k and values v, so these are only 96 wide (chapter 22). `std` is the standard
# deviation: how large the numbers are; those of the scores, the first `matmul`, are huge, as the heads of this layer were written in
# by hand (chapter 24), to look at one place each. The dips to 25 in the picture are RMSNorm at work: one mean for each token.
#
# The same pattern comes 6 times, once a layer (code counts from 0: layers.0 is the first). In Qwen2-0.5B it is this pattern too, only wider, and
# it comes 24 times.
#
# Each operation on the way is a few lines of code. **RMSNorm**, for one, brings the row of numbers of
# each token to a handy size:
#
# $$\mathrm{RMSNorm}(x) = \frac{x}{\sqrt{\mathrm{mean}(x^2) + \varepsilon}} \cdot w$$
# %%
from qwen_blog import rms_norm

print(inspect.getsource(rms_norm))
# %% [markdown] lang="zh"
# 三行（第一行只为半精度而设），与公式逐项对应。全书就是这样读的：先看公式，再看 `inspect.getsource` 打印出的真代码，最后和
# 别人的实现对一次账。这里的“别人”是 PyTorch：
# %% [markdown] lang="en"
# Three lines (the first only matters in half precision), word for word the formula. This is how the
# book goes: the formula, the real code as `inspect.getsource` prints it, and then a comparison with
# somebody else's implementation. Here it is PyTorch's:
# %%
x, weight = torch.randn(3, 5, 64), torch.randn(64)
torch.testing.assert_close(rms_norm(x, weight, 1e-6), F.rms_norm(x, (64,), weight, 1e-6))
# %% [markdown] lang="zh"
# ## 5 让它活过来
#
# 刚才的权重是练了几个小时得来的；练之前，它们是随机的，什么也不会。我们从头练一个小得多的，选一件小到能看透、又很要紧的事：**从上文里找答案**。
#
# 题目是这样的。露摩的卫星用字母称呼，频道是一位数字，一条记录写成“字母、数字、同一个字母”：
#
# `b7b k2k a9a q4q`　……接着又出现 `k`，下一个是什么？
#
# 应当是 `2`。每一段文字里，字母和数字的搭配都重新随机抽取，所以**背是背不下来的**：上一段里 `k` 是 2，
# 这一段里可能是 5。要答对，只能回头去看。
#
# 结尾那个重复的字母像一个收尾标签，也要模型来预测。它很容易猜：照抄往前数第二个符号就行。它为什么重要，一会儿就知道。
# %% [markdown] lang="en"
# ## 5 Make it alive
#
# Those weights took hours of training; before it they were random, and could do nothing. Let us train a much smaller
# model from the beginning, on a task small enough to be seen through and yet important: **to find an answer in the text
# before it**.
#
# The moons of Lumo go by letters, a channel is one digit, and a record is written as letter, digit,
# same letter:
#
# `b7b k2k a9a q4q` ... and now `k` comes again. What is next?
#
# It must be `2`. In every text the letters and digits are paired afresh at random, so **there is
# nothing to memorise**: `k` is 2 in one text and perhaps 5 in the next. To be right, one must look
# back.
#
# The letter at the end is like a closing tag. The model has to predict it as well, which is easy:
# copy the one before the last. Why it matters we shall soon see.
# %%
SYMBOLS = string.ascii_lowercase + string.digits  # 26 letters, 10 digits: V = 36


def make_texts(n, counts, dice):
    """n texts of 12 records: some new ones (their number is one of `counts`), then these again."""
    letters = torch.rand(n, 26, generator=dice).argsort(-1)[:, :12]
    digits = torch.randint(26, 36, (n, 12), generator=dice)
    new = torch.tensor(counts)[torch.randint(len(counts), (n, 1), generator=dice)]
    place = torch.arange(12).expand(n, 12)
    again = (torch.rand(n, 12, generator=dice) * new).long()
    which = torch.where(place < new, place, again)
    letters, digits = letters.gather(1, which), digits.gather(1, which)
    ids = torch.stack([letters, digits, letters], -1).flatten(1)  # (n, 36)
    return ids, place >= new  # (n, 12): True where a record comes again


# %%
def as_text(ids):
    symbols = "".join(SYMBOLS[i] for i in ids)
    return " ".join(symbols[i : i + 3] for i in range(0, len(symbols), 3))


ids, again = make_texts(3, [2, 4, 6], torch.Generator().manual_seed(1))
for row, repeated in zip(ids, again, strict=True):
    new = int((~repeated).sum())
    print(as_text(row[: 3 * new].tolist()), "|", as_text(row[3 * new :].tolist()))
# %% [markdown] lang="zh"
# 竖线是给人看的，模型看不到：左边是新记录，右边是重复的，其中的数字都该答得出来（空格也只是给人看的）。
#
# 模型就用 `qwen_blog` 里的 `Qwen2ForCausalLM`，一行不改，只把尺寸写小：两层，每层一个头（head，
# 一套注意力；大模型每层有许多套并列）。
# %% [markdown] lang="en"
# The bar is for us, the model does not see it: on the left are new records, on the right known ones,
# whose digits can be told. (The spaces are for us, too.)
#
# The model is `Qwen2ForCausalLM` from `qwen_blog`, not a line changed, only the sizes are small: two
# layers, one head each (a head is one set of attention; large models have many side by side).
# %%
config = Qwen2Config(
    vocab_size=len(SYMBOLS),
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=1,
    num_key_value_heads=1,
    max_position_embeddings=128,
    rope_theta=10_000.0,
    initializer_range=0.05,
)
torch.manual_seed(0)
model = Qwen2ForCausalLM(config)
untrained = copy.deepcopy(model)
print(f"{model.num_parameters():,} parameters")


# %% [markdown] lang="zh"
# 怎样算“学会”？模型的分数经 softmax 化成概率，每个可能的下一个词元各占一份。**损失（loss）** 是真正的下一个词元的概率取对数再
# 变号，$-\ln p$：越有把握，越接近 0；若 36 个符号一视同仁，就是 $\ln 36 \approx 3.58$
# （单位叫奈特，nat）。
#
# 训练就是反复做一件事：算损失，求梯度，把每个权重往损失变小的方向挪一点（挪多少由 AdamW
# 决定）。600 次，每次 64 段新文字。
# 整个循环在这里：
# %% [markdown] lang="en"
# What does "learned" mean? Softmax turns the model's scores into probabilities, one for each
# possible next token. The **loss** is minus the logarithm of the true token's probability,
# $-\ln p$: the surer the model, the nearer to 0; if all 36 symbols are equally likely, it is
# $\ln 36 \approx 3.58$ (in a unit called the nat).
#
# Training is one thing done over and over: work out the loss and its gradient, and move each weight a
# little to where the loss is smaller (AdamW decides how far). 600 times, each time with 64 new texts. This is the whole loop:
# %%
def losses(model, ids):
    """-ln p of each next token: (B, T) -> (B, T - 1)."""
    logits = model(ids).logits[:, :-1]  # (B, T - 1, V)
    return F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")


# %%
dice = torch.Generator().manual_seed(0)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)
history = []
for _ in range(600):
    ids, again = make_texts(64, [2, 3, 4, 5, 6], dice)
    each = losses(model, ids)
    answers = each[:, 0::3][again]  # the digits of records that come again
    closings = each[:, 1::3].flatten()  # the closing letters
    loss = torch.cat([answers, closings]).mean()  # a new record's letter and digit cannot be known
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append([answers.mean().item(), closings.mean().item()])
# %% [markdown] lang="zh"
# 把两种损失分开画。图上还有两条参照线：全凭瞎猜的 $\ln 36$；以及“只知道文中有哪些数字，不知道哪个归哪颗
# 卫星”时能做到的水平，由代码从题目里算出。
# %% [markdown] lang="en"
# The two losses are drawn apart, with two levels to compare: $\ln 36$, blind guessing; and the level
# of one who knows which digits occur in the text but not which moon they belong to, worked out from
# the texts themselves.
# %%
held_out, again = make_texts(500, [2, 3, 4, 5, 6], torch.Generator().manual_seed(99))
digits = held_out[:, 1::3]
same = (digits[:, :, None] == digits[:, None, :]) & ~again[:, None, :]  # (B, 12, 12)
share = same.sum(-1) / (~again).sum(-1, keepdim=True)  # of the new records, with this digit
guess = -share[again].log().mean().item()
# %%
answers, closings = torch.tensor(history).T
fig, ax = figures.canvas()
for level, words in ((math.log(36), "any symbol"), (guess, "any digit of this text")):
    ax.axhline(level, color="#66707C", linewidth=1, linestyle=":")
    ax.text(600, level + 0.06, words, ha="right", size=8.5, color="#66707C")
both = {"closing letter": closings, "digit asked for": answers}
ax = figures.curve(ax, range(600), both, xlabel="training step", ylabel="loss, nats")
_ = ax.legend(loc="center right")


# %% [markdown] lang="zh"
# 这条曲线值得多看一眼：
#
# - 收尾字母很快就学会了：抄前面第二个符号即可。
# - 被问的数字落到“文中任一数字”那条线的上方不远处，降得很慢，这叫**平台期（plateau）**：模型知道该
#   答文中的
#   某个数字，却不知道是哪个。
# - 接着曲线**陡降**：它找到了办法。没有人告诉它怎么做，训练里只有“下一个符号是什么”。
#
# 用没见过的文字考一考。6 条记录的搭配共有多少种？
# %% [markdown] lang="en"
# This curve deserves a second look:
#
# - The closing letter is learned quickly: copy the symbol before the last.
# - The digit asked for falls to just above the level "any digit of this text" and almost stays, a
#   **plateau**: the model knows that some digit of the text is wanted, but not which.
# - Then the curve **drops**: it has found out how. Nobody told it; in training there is nothing but
#   "which symbol is next?".
#
# Now the exam, on texts it has not seen. How many different lists of 6 records are there?
# %%
@torch.no_grad()
def accuracy(model, ids, again):
    """The share of answers that are right, among digits that can be known."""
    predicted = model(ids).logits[:, :-1].argmax(-1)  # (B, T - 1)
    return (predicted == ids[:, 1:])[:, 0::3][again].float().mean().item()


exam = make_texts(1000, [6], torch.Generator().manual_seed(7))
before, after = accuracy(untrained, *exam), accuracy(model, *exam)
possible, seen = math.perm(26, 6) * 10**6, 600 * 64
assert after > 0.95
assert seen / possible < 1e-9
print(f"lists of 6 records: {possible:.1e}; seen in training: at most {seen}")
print(f"right answers before training: {before:.0%}, after: {after:.0%}")


# %% [markdown] lang="zh"
# 它看过的还不到十亿分之一，所以不是背答案，而是学会了一种**做法**。做法藏在哪里？
#
# ### 打开看
#
# 注意力的权重是一张方阵：第 $t$ 行是位置 $t$ 在看谁，每行之和为 1。这个模型总共只有两张，每层一张。训练前后各
# 画一遍，问的是最后那个 `k`：
# %% [markdown] lang="en"
# It has seen less than a billionth of them, so it has not memorised answers: it has learned **how to
# find** them. Where in the model is this?
#
# ### Look inside
#
# The weights of attention are a square: row $t$ says whom place $t$ looks at, and sums to 1. This
# model has just two, one a layer. We draw both, before and after training; the question is the `k` at
# the end:
# %%
@torch.no_grad()
def attention_weights(model, text):
    ids = torch.tensor([[SYMBOLS.index(symbol) for symbol in text]])
    return [layer[0, 0] for layer in model(ids, output_attentions=True).attentions]  # (T, T) each


question = "b7bk2ka9aq4qk"
fig, axes = figures.canvas(2, 2, height=6.6)
for row, (when, one) in zip(axes, {"before": untrained, "after": model}.items(), strict=True):
    for number, weights in enumerate(attention_weights(one, question)):
        ax = figures.attention_map(row[number], weights, list(question))
        ax.set(title=f"layer {number + 1}, {when} training", xlabel="", ylabel="")
# %% [markdown] lang="zh"
# 训练前只有一片近乎均匀的三角形：谁都看，等于谁都没看。训练后，两个动作清清楚楚：
#
# 1. **第 1 层：看前一个。** 数字和收尾字母这些行，颜色最深的格子紧挨着对角线的左边。收尾的 `k` 看着它前面的
#    `2`，把 `2` 抄了过来；从此这个位置既写着 `k`，又写着 `2`。
# 2. **第 2 层：找同一个字母。** 最下面一行，提问的 `k` 看的正是前面那个收尾的 `k`，把它身上的 `2` 取走，作为答案。
#
# 一个抄，一个找，两步合成“查表”。画成箭头（只画第 2 层最后一行和第 1 层里它所看的那一行的最大权重）：
# %% [markdown] lang="en"
# Before training there is an almost even triangle: to look at everybody is to look at nobody. After
# training, two movements are plain to see:
#
# 1. **Layer 1: look at the one before.** In the rows of digits and closing letters, the
#    darkest cell is the one just left of the diagonal. The closing `k` looks at the `2` in front of
#    it and copies it; from here on this place holds both `k` and `2`.
# 2. **Layer 2: find the same letter.** In the bottom row, the `k` that asks looks at the closing `k`
#    further up, and takes the `2` from it as the answer.
#
# One copies, one finds; together they look things up. As arrows (only the largest weight of the last
# row in layer 2, and of the row in layer 1 that it points to):
# %%
first, second = attention_weights(model, question)
found = int(second[-1].argmax())  # where the question looks, in layer 2
source = int(first[found].argmax())  # where that place had looked, in layer 1
fig, ax = figures.canvas(height=1.9)
for number, symbol in enumerate(question):
    ax.text(number, 0, symbol, ha="center", va="center", size=13, family=figures.MONO)
for start, end, colour in ((12, found, figures.ROSE), (found, source, figures.BLUE)):
    bend = {"arrowstyle": "-|>", "color": colour, "connectionstyle": "arc3,rad=0.3", "lw": 1.8}
    ax.annotate("", (end, 0.3), (start, 0.3), arrowprops=bend)
ax.text(8.5, 1.5, "layer 2: find the same letter", color=figures.ROSE, ha="center", size=9)
ax.text(4.6, 0.75, "layer 1: copy the one before", color=figures.BLUE, ha="right", size=9)
ax.set(xlim=(-1, 13), ylim=(-0.4, 1.8))
ax.axis("off")
assert (question[found], question[source]) == ("k", "2")
# %% [markdown] lang="zh"
# ### 拆掉试试
#
# 图只说明模型在看哪里，不说明它靠的就是这个。要问因果，就动手拆：把某个部件的输出变成 0，再考一遍。
# %% [markdown] lang="en"
# ### Take it out
#
# A picture shows where the model looks, not that the answer depends on it. To ask for causes, take
# something out: set the output of one part to 0, and repeat the exam.
# %%
parts = {"nothing": None}
for number in (0, 1):
    parts[f"attention {number + 1}"] = f"model.layers.{number}.self_attn.o_proj"
    parts[f"MLP {number + 1}"] = f"model.layers.{number}.mlp.down_proj"
scores = {}
for part, module in parts.items():
    damaged = copy.deepcopy(model)
    if module:
        damaged.get_submodule(module).weight.data.zero_()
    scores[part] = accuracy(damaged, *exam)
# %%
fig, ax = figures.canvas(height=2.6)
ax = figures.bars(ax, list(scores), [100 * s for s in scores.values()], horizontal=True, form=".0f")
ax.set(xlabel="right answers, %", ylabel="taken out")
without_attention = max(scores["attention 1"], scores["attention 2"])
assert without_attention < 0.35 < min(scores["MLP 1"], scores["MLP 2"])


# %% [markdown] lang="zh"
# 两层注意力，拆掉哪一层都不行：少了“抄”，收尾字母身上没有数字；少了“找”，不知道该看谁。（从 6 条记录里
# 随便挑一个数字，也只有约六分之一的机会答对；比这还低，说明它连“从文中挑个数字”都做不好了。）MLP 没有
# 那么要紧：拆掉第 2 层的，几乎没有影响；拆掉第 1 层的，还答得对四分之三。
#
# ### 问它
#
# 现在让它开口。`generate` 取分数最高的符号，接在后面，再算下一个，如此反复。两份名单只差一个数字：
# %% [markdown] lang="en"
# Without either layer of attention it fails: without the copying there is no digit at the closing
# letter, without the finding it does not know where to look. (Picking one of 6 records at random is
# right about one time in six: it no longer manages even that.) The MLPs matter less: without the
# second, hardly anything changes; without the first, three answers in four are still right.
#
# ### Ask it
#
# Let it speak. `generate` takes the symbol with the highest score, appends it, works out the next,
# and so on. Two lists that differ in one digit:
# %%
def ask(model, text, new=2):
    ids = [SYMBOLS.index(symbol) for symbol in text.replace(" ", "")]
    reply = generate(model, [ids], GenerationConfig(max_new_tokens=new))[0]
    return "".join(SYMBOLS[i] for i in reply.ids)


for records in ("b7b k2k a9a q4q", "b7b k5k a9a q4q"):
    print(f"{records} k ->", ask(model, f"{records} k"))
assert ask(model, "b7b k2k a9a q4q k") == "2k"
assert ask(model, "b7b k5k a9a q4q k") == "5k"
# %% [markdown] lang="zh"
# 改了上文，答案跟着改。权重一个也没动。
#
# 那么，问一颗名单里**没有**的卫星呢？挑 26 个字母里没出现过的来问，看看它还敢不敢答：
# %% [markdown] lang="en"
# Change the text and the answer changes, though not one weight has moved.
#
# And a moon that is **not** on the list? We ask for letters that do not occur, and see whether it
# still dares to answer:
# %%
lists, _ = make_texts(500, [6], torch.Generator().manual_seed(5))
lists = lists[:, :18]  # 6 records, all new
letters = torch.arange(26).expand(500, 26)
present = (letters[:, :, None] == lists[:, None, :]).any(-1)  # (500, 26)
absent = (~present).float().argmax(-1, keepdim=True)  # the first letter not on the list
with torch.no_grad():
    logits = model(torch.cat([lists, absent], dim=1)).logits[:, -1]  # (500, V)
says_digit = (logits.argmax(-1) >= 26).float().mean().item()
assert says_digit > 0.9
print(f"answers with a digit all the same: {says_digit:.0%}")
# %% [markdown] lang="zh"
# 它照答不误。训练里从来没有过“名单上没有”这个答案，它就不会说“不知道”。第 2 节说的**幻觉**，在大模型里
# 成因更多，但这是其中一种，你刚刚亲手造了一个。
#
# 说清楚这是什么、不是什么。它**不是语言模型**：它不懂任何语言，只会这一道题。但“从上文里找到答案”这个能力，大模型也
# 有，研究者在其中找到了分工相近的两种头（Olsson 等，arXiv:2209.11895）：一种记下“前一个词元是谁”；另一种在
# 后面的层，叫**归纳头（induction head）**，据此找到“上次见到它时，后面跟着什么”。第 2 节里的 RAG 靠的就是这种能力：段落放进上
# 文，模型从上文里把答案抄出来。[第 60 章](60_the_whole_chain.ipynb)会在 tiny-qwen2 身上当场捉住它：写下一个数之前，哪个头在看资料里的那个数。
# %% [markdown] lang="en"
# It answers all the same. "Not on the list" was never an answer in training, so it cannot say that it
# does not know. The **hallucinations** of large models have more causes, but this is one of them, and
# you have just made it yourself.
#
# Let us be clear about what this is. It is **not a language model**: it knows no language, only
# this one
# task. But large models too can find an answer in the text before them, and in them researchers have
# found two kinds of heads that share the work in a similar way (Olsson et al., arXiv:2209.11895): one
# notes which token came before; the other, in a later layer, is called an **induction head** and uses
# this note to find what followed the last time. The RAG of section 2 lives on this ability: the passages are put into
# the text, and the model copies the answer from there. [Chapter 60](60_the_whole_chain.ipynb) catches tiny-qwen2 in the
# act: which head looks at the number in the passage when the number is about to be written.
# %% [markdown] lang="zh"
# ## 6 对一次账
#
# 以上的一切都出自我们自己的代码。会不会从头就写错了，只是错得自洽？请一位外人来判：把训练好的权重
# 原样交给 `transformers` 里的 Qwen2，**一个名字都不改**，同样的文字再算一遍。
# %% [markdown] lang="en"
# ## 6 The proof
#
# All of this came from our own code. Could it be wrong from the start, and only consistently so? Let
# an outsider judge: we hand the trained weights to the Qwen2 of `transformers`, **without
# renaming a single one**, and let it work on the same texts.
# %%
from transformers import Qwen2Config as TheirConfig
from transformers import Qwen2ForCausalLM as TheirModel

theirs = TheirModel(TheirConfig(**config.to_dict())).eval()
print(theirs.load_state_dict(model.state_dict()))
with torch.no_grad():
    difference = (theirs(exam[0]).logits - model(exam[0]).logits).abs().max()
assert difference < 1e-4
print("largest difference between the logits: below 0.0001")
# %%
prompts = exam[0][:100, :19]  # 6 records and a question
ours = generate(model, prompts.tolist(), GenerationConfig(max_new_tokens=2))
greedy = theirs.generate(
    prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=2, do_sample=False
)
assert [reply.ids for reply in ours] == greedy[:, 19:].tolist()
print(f"{len(ours)} prompts, a digit and a letter each: the same from both")
# %% [markdown] lang="zh"
# tiny-qwen2 也一样。它的文件夹就是 Hugging Face 的布局，`transformers` 直接打开，闭卷的那个问题，答得一个字不差：
# %% [markdown] lang="en"
# So it is with tiny-qwen2. Its folder has the layout of Hugging Face: `transformers` opens it as it is, and
# answers the closed-book question to the letter as ours does:
# %%
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

disable_progress_bar()
theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
chat = [{"role": "user", "content": radius[0]}]
ids = qwen_tokenizer.apply_chat_template(chat, add_generation_prompt=True)
ours = generate(qwen, [ids], GenerationConfig(max_new_tokens=48), qwen_tokenizer)[0]
prompt = torch.tensor([ids])
settings = {"max_new_tokens": 48, "do_sample": False, "pad_token_id": qwen_tokenizer.pad_token_id}
reply = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)[0, len(ids) :]
assert qwen_tokenizer.decode(reply.tolist(), skip_special_tokens=True) == ours.text
print(ours.text)
# %% [markdown] lang="zh"
# 反过来也成立：公开发布的 Qwen2、Qwen2.5 的权重，也能原样装进我们的模型。手边有这样的文件夹时，只需换掉加载的两行：
#
# ```python
# model = Qwen2ForCausalLM.from_pretrained("path/to/Qwen2.5-0.5B-Instruct")
# tokenizer = Tokenizer.from_pretrained("path/to/Qwen2.5-0.5B-Instruct")
# ```
#
# 你刚才对小模型做过的事，`trace`、画注意力、拆部件，对它也都能做，用的是同样的代码。
# %% [markdown] lang="en"
# It holds the other way round as well: the published weights of Qwen2 and Qwen2.5 go into our model as
# they are. If you have such a folder, only the loading changes:
#
# ```python
# model = Qwen2ForCausalLM.from_pretrained("path/to/Qwen2.5-0.5B-Instruct")
# tokenizer = Tokenizer.from_pretrained("path/to/Qwen2.5-0.5B-Instruct")
# ```
#
# What you have done to the small model, tracing it, drawing its attention, taking out its parts, you
# can do to this one, with the same code.
# %% [markdown] lang="zh"
# ## 7 接着往哪里走
#
# 想从头学起，就按顺序读。带着问题来，可以直接跳：
#
# | 你想知道 | 去读 |
# | --- | --- |
# | BPE 怎样学会切词？聊天模板里藏着什么陷阱？ | [第 21 章](21_tokens_to_rope.ipynb) |
# | 模型怎样知道一个词在第几个位置？ | [第 21 章](21_tokens_to_rope.ipynb)的 RoPE |
# | 注意力那张方阵是怎样算出来的？ | [第 11 章](11_attention_by_hand.ipynb)，再到[第 22 章](22_attention_and_cache.ipynb) |
# | 机器怎样翻译一句话？ | [第 12 章](12_encoder_and_decoder.ipynb)、[第 13 章](13_training_to_translate.ipynb) |
# | 生成时为什么要有 KV 缓存（KV cache，键值缓存），它有多大？ | [第 22 章](22_attention_and_cache.ipynb) |
# | 24 层怎样接起来？怎样证明装出来的就是 Qwen2？ | [第 23 章](23_the_whole_decoder.ipynb) |
# | 没有语料，也没有 GPU，怎样训练一个自己的？ | [第 24 章](24_training_your_own.ipynb) |
# | 怎样让回答有据可查？ | [第 31 章](31_from_pdf_to_vector.ipynb)到[第 33 章](33_grounded_answers.ipynb) |
# | 怎样让模型使用工具，又不让它乱来？ | [第 41 章](41_react_by_hand.ipynb)到[第 43 章](43_sops_plans_traces.ipynb) |
# | 一个分数能信到什么程度？两个模型到底谁好？ | [第 51 章](51_metrics.ipynb)到[第 53 章](53_gaokao.ipynb) |
# | 五个包怎样接成一条链？断的话断在哪一环？ | [第 60 章](60_the_whole_chain.ipynb) |
# | 这个字母代表什么，那个词英文怎么说？ | [记号与词汇](90_notation_and_glossary.ipynb) |
#
# 本章的模型就在你手里，不妨先玩一玩：
#
# 1. 名单放宽到 8 条记录：`accuracy(model, *make_texts(1000, [8], dice))`。它只见过 2 到 6 条，还答得对吗？
# 2. 把 `num_hidden_layers` 改成 1，从那一格起重跑到损失曲线。一层能学会吗？先猜，再看曲线停在哪里。
# 3. 算损失时去掉 `closings`，只留 `answers`，再训练 600 步。陡降还来吗？想想那个容易的任务替难的任务准备了什么。
#
# 包里的代码也可以一边看测试一边读，测试就是说明书（这一个文件几秒钟）：
#
# ```bash
# pytest tests/qwen_blog/test_cache.py
# ```
#
# 下一章：[11 · 注意力，亲手写一遍](11_attention_by_hand.ipynb)。
# %% [markdown] lang="en"
# ## 7 Where to go from here
#
# To learn it from the ground up, read in order. If you come with a question, go straight there:
#
# | you want to know | read |
# | --- | --- |
# | How does BPE learn where to cut? What is the trap in a chat template? | [chapter 21](21_tokens_to_rope.ipynb) |
# | How does a model know where in the text a word stands? | RoPE in [chapter 21](21_tokens_to_rope.ipynb) |
# | How is that square of attention worked out? | [chapter 11](11_attention_by_hand.ipynb), then [chapter 22](22_attention_and_cache.ipynb) |
# | How does a machine translate a sentence? | chapters [12](12_encoder_and_decoder.ipynb) and [13](13_training_to_translate.ipynb) |
# | Why does generation need a KV cache, and how large is it? | [chapter 22](22_attention_and_cache.ipynb) |
# | How do 24 layers come together, and what proves that the result is Qwen2? | [chapter 23](23_the_whole_decoder.ipynb) |
# | How do I train one of my own, without a corpus and without a GPU? | [chapter 24](24_training_your_own.ipynb) |
# | How can an answer be checked against its sources? | [chapters 31](31_from_pdf_to_vector.ipynb) to [33](33_grounded_answers.ipynb) |
# | How does a model use tools, and how is it kept from harm? | [chapters 41](41_react_by_hand.ipynb) to [43](43_sops_plans_traces.ipynb) |
# | How far can a score be trusted, and which of two models is better? | [chapters 51](51_metrics.ipynb) to [53](53_gaokao.ipynb) |
# | How do the packages make one chain, and which link breaks? | [chapter 60](60_the_whole_chain.ipynb) |
# | What does that letter stand for, what is that word in Chinese? | [notation and glossary](90_notation_and_glossary.ipynb) |
#
# The model of this chapter is yours to play with:
#
# 1. Lists of 8 records: `accuracy(model, *make_texts(1000, [8], dice))`. It has only seen 2 to 6. Is it
#    still right?
# 2. Set `num_hidden_layers` to 1 and run again from that cell up to the loss curve. Can one layer
#    learn it? Guess first, then see where the curve stays.
# 3. Leave `closings` out of the loss, keep only `answers`, and train for 600 steps again. Does the drop
#    still come? Think of what the easy task has prepared for the hard one.
#
# You can also read a package beside its tests; they are its manual (this file takes some seconds):
#
# ```bash
# pytest tests/qwen_blog/test_cache.py
# ```
#
# Next: [11 · attention, by hand](11_attention_by_hand.ipynb).
