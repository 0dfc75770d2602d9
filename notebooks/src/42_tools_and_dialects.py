# %% [markdown] lang="zh"
# # 42 · 工具、模式与三种方言
#
# [第 41 章](41_react_by_hand.ipynb)把循环搭了起来，有两样东西却是拿来就用的：**工具**，还有**调用
# 的写法**。这一章把它们拆开看。不妨把一次工具调用想成一个包裹：从模型写下“我要用这个函数”，到函数
# 真的运行，再到结果变成模型读得懂的一句话，中间要转好几手，而每一站都有人把它弄丢过。我们跟着它一
# 站一站地走：
#
# | 节 | 问题 |
# | --- | --- |
# | 1 | 模型怎样才“看得见”一个 Python 函数？ |
# | 2 | 它写来的参数差了一点：改好，退回，还是照收？ |
# | 3 | 函数抛异常、卡死、返回一堆字节，怎么办？ |
# | 4 | 计算器为什么不能用 `eval`？会跑代码的工具能信到什么程度？ |
# | 5、6 | 同一次调用的三种写法：ReAct、Hermes、OpenAI |
# | 7 | 真实的模型会写出什么？ |
# | 8 | 回复断在半截，会不会执行一个没写完的调用？ |
# | 9 | 服务器不理会停止串，怎么办？ |
# | 10 | 别人的工具怎样接进来？（MCP） |
# | 11 | 三种方言，什么时候用哪一种？ |
#
# **预备知识**：第 41 章。**用时**：读一遍约 50 分钟；全部运行不到半分钟，不联网，也不需要模型。与上一章一样，模型的
# 话是写好的台词：受考的是工具和解析器，不是模型。
#
# 上一章：[41 · 亲手写 ReAct](41_react_by_hand.ipynb)。下一章：[43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb)。
# %% [markdown] lang="en"
# # 42 · Tools, schemas and three dialects
#
# [Chapter 41](41_react_by_hand.ipynb) built the loop, but took two things for granted: the
# **tools**, and the **way a call is written**. This chapter takes both apart. Think of a call as a
# parcel. A model writes "I want that function"; the function really runs; its result becomes
# something that the model can read. In between the parcel changes hands several times, and at each
# station somebody has lost it before. We follow it from one to the next:
#
# | section | question |
# | --- | --- |
# | 1 | How does a model come to "see" a Python function? |
# | 2 | Its arguments are a little off: mend them, send them back, or take them as they are? |
# | 3 | The function raises, hangs, or returns a heap of bytes. What now? |
# | 4 | Why may a calculator not use `eval`, and how far can a tool that runs code be trusted? |
# | 5, 6 | One call, three ways to write it: ReAct, Hermes, OpenAI |
# | 7 | What do real models write? |
# | 8 | A reply breaks off. Is a call run that was not finished? |
# | 9 | The server ignores stop strings. What now? |
# | 10 | How do other people's tools come in? (MCP) |
# | 11 | Three dialects: which one, and when? |
#
# **You need**: chapter 41. **Time**: about 50 minutes to read; all of it runs in under half a minute; no network, and no
# model. As in the last chapter, what the model says was written by us: on trial are the tools and
# the parsers, not a model.
#
# Previous: [41 · ReAct, by hand](41_react_by_hand.ipynb). Next:
# [43 · SOPs, plans, traces and cost](43_sops_plans_traces.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import ast
import dataclasses
import inspect
import json
import math
import operator
import os
import random
import re
import subprocess
import tempfile
import textwrap
import threading
from collections import Counter
from pathlib import Path

# %%
from typing import Literal, NotRequired, get_type_hints

import numpy as np

from tests.tiny_agent import replies
from tiny_agent.agent import Agent
from tiny_agent.builtin_tools import make_tools
from tiny_agent.hermes import HermesToolCall
from tiny_agent.messages import FinalAnswer, ParseError, Reply, ToolCall
from tiny_agent.models import ScriptedModel, estimate_usage, until_stop
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.react import STOP, ReActText
from tiny_agent.tools import ToolError, ToolRegistry, tool

# %% [markdown] lang="zh"
# 全程如下，箭头上的数字是节号：
# %% [markdown] lang="en"
# The whole way; the numbers on the arrows are the sections:
# %%
boxes = {"function": (0, 1), "schema": (2.6, 1), "prompt": (5.2, 1), "model": (7.8, 1)}
boxes |= {"reply": (7.8, 0), "call": (5.2, 0), "arguments": (2.6, 0), "result": (0, 0)}
arrows = [("function", "schema", "1, 10"), ("schema", "prompt", "5"), ("prompt", "model", "9")]
arrows += [("model", "reply", "9"), ("reply", "call", "6-8"), ("call", "arguments", "2")]
arrows += [("arguments", "result", "3, 4, 10"), ("result", "prompt", "5")]
fig, ax = figures.canvas(height=1.9)
ax = figures.diagram(ax, boxes, arrows, size=(1.6, 0.46), colors={"model": figures.ROSE})


# %% [markdown] lang="zh"
# ## 1 函数还不是工具
#
# **问题**　模型只读文字。一个 Python 函数，要告诉它什么，它才用得对？
#
# **想法**　三样：叫什么、做什么、收什么。前两样就是函数名和文档字符串。第三样最好连机器也能检查，
# 业界用的是 **JSON Schema（JSON 模式）**：用一段 JSON 来描述“什么样的 JSON 才算合格”（与有些接口里
# 让模型只写 JSON 的那个“JSON mode”是两回事）。写得规矩的
# 函数早就把这三样说全了：参数有类型标注，文档里有 `Args:`。`@tool` 做的，只是把它们抄出来。
# %% [markdown] lang="en"
# ## 1 A function is not yet a tool
#
# **Question.** A model reads text. What does it have to be told about a Python function in order to
# use it rightly?
#
# **Idea.** Three things: its name, what it does, what it takes. The first two are the function's
# name and its docstring. The third should be in a form that a machine can check too, and the usual
# one is **JSON Schema**: a piece of JSON that says which JSON is valid. A well-kept function has
# said all three already: its parameters have types, its docstring has `Args:`. `@tool` only copies
# them out.
# %%
@tool
def climb(
    hours: float, of: Literal["car", "freight"] = "car", stops: list[str] | None = None
) -> dict:
    """Say how high something on the Skyhook is after some hours.

    Args:
        hours: Since it left the sea, from 0 to 52.
        of: What climbs; freight is slower.
        stops: Stations where it waits for an hour each.
    """
    speed = {"car": 38_200 / 52, "freight": 38_200 / 90}[of]
    return {"km": round(speed * (hours - len(stops or [])))}


# %%
spec = climb.to_openai()["function"]
print(spec["name"], "-", spec["description"])
for key, value in spec["parameters"].items():
    if key != "properties":
        print(f"{key}: {json.dumps(value)}")
for name, schema in spec["parameters"]["properties"].items():
    print(f"\n{name}:", textwrap.fill(json.dumps(schema), 90, subsequent_indent="    "))
# %% [markdown] lang="zh"
# 逐个对照：`float` 成了 `number`，`Literal` 成了 `enum`，`list[str] | None` 成了 `anyOf`（两者之
# 一），没有默认值的参数列进 `required`。`additionalProperties: false` 的意思是“没列出来的参数一律
# 不收”，第 2 节要用到。
#
# 类型怎么变成模式？这活儿 pydantic 会干：它认得 `TypedDict`（键名和类型都固定的字典）。把函数的参
# 数凑成一个 `TypedDict`，它的模式就是工具的模式，十行就够：
# %% [markdown] lang="en"
# One by one: `float` has become `number`, `Literal` an `enum`, `list[str] | None` an `anyOf` (one
# of the two), and the parameters without a default are in `required`. `additionalProperties: false`
# says "nothing that is not listed here"; section 2 needs it.
#
# How do types become a schema? pydantic knows how to do it for a `TypedDict`, a dictionary whose
# keys and types are fixed. So make a `TypedDict` of the function's parameters; its schema is the
# tool's. Ten lines will do:
# %%
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict


def schema_by_hand(function):
    """The JSON Schema of a function's arguments."""
    hints, fields = get_type_hints(function), {}
    for name, parameter in inspect.signature(function).parameters.items():
        required = parameter.default is parameter.empty
        fields[name] = hints[name] if required else NotRequired[hints[name]]
    arguments = TypedDict("arguments", fields)
    arguments.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(arguments).json_schema()


# %%
def without(schema, *keys):
    """A schema without some of its keys, at any depth."""
    if not isinstance(schema, dict):
        return schema
    return {k: without(v, *keys) for k, v in schema.items() if k not in keys}


ours = without(climb.parameters, "description", "default")
assert without(schema_by_hand(climb.function), "title") == ours
print("the ten lines give the package's schema")
# %% [markdown] lang="zh"
# 包里的 [tool_schema.py](../../tiny_agent/tool_schema.py) 多做两件事：把 `Args:` 里的说明和默认值
# 也抄进去，去掉没有用的标题（`title` 也占词元）。
#
# **核对**　请两位外人来当裁判：`jsonschema` 库按标准检查这份模式；OpenAI 官方的 Python 客户端能从
# 一个类生成工具描述，同样的参数，它写的应当与我们的一样（标题、`strict` 和重复的那句说明除外）。
# %% [markdown] lang="en"
# [tool_schema.py](../../tiny_agent/tool_schema.py) does two things more: it copies the texts of
# `Args:` and the defaults, and it drops titles, which say nothing and cost tokens.
#
# **Check.** Two judges from outside: the library `jsonschema` checks the schema against the
# standard; and OpenAI's own Python client can describe a tool, given a class. For the same
# parameters it should write what we write (but for titles, `strict`, and a description that stands
# there twice).
# %%
import openai
from jsonschema import Draft202012Validator
from pydantic import BaseModel


class lift(BaseModel):  # noqa: N801
    """Lift it."""

    hours: float
    of: Literal["car", "freight"]


@tool(name="lift")
def our_lift(hours: float, of: Literal["car", "freight"]) -> str:
    """Lift it."""
    return f"{of} {hours}"


# %%
theirs = without(json.loads(json.dumps(openai.pydantic_function_tool(lift))), "title", "strict")
del theirs["function"]["parameters"]["description"]  # it is above it already
assert our_lift.to_openai() == theirs
Draft202012Validator.check_schema(climb.parameters)
print("a valid schema, and the same as the official client's")


# %% [markdown] lang="zh"
# 写不出模式的函数，**一装饰就报错**，不会等到模型来调用的那一天：
# %% [markdown] lang="en"
# A function that has no schema is refused **as soon as it is decorated**, not on the day that a
# model calls it:
# %%
def untyped(hours):
    """Climb."""


def starred(*hours: float):
    """Climb."""


def silent(hours: float):
    pass


for function in (untyped, starred, silent):
    try:
        tool(function)
    except ValueError as error:
        print(error)


# %% [markdown] lang="zh"
# ## 2 收下、改好，还是退回
#
# **问题**　模型写来的参数常常差那么一点：数字写成了字符串，多出一个没听说过的参数，漏掉一个必填
# 的。哪些该改，哪些该退？
#
# **想法**　先分清**笔误**和**误会**。`"31"` 只可能是 31，按类型改过来，意思不会变，这是笔误。参数
# 名不认识，说明它心里想的和我们做的不是一回事，这是误会；悄悄扔掉，答的就是另一个问题，而且谁也不
# 知道。退回时要说清三件事：哪里不对，写的是什么，认得的有哪些。模型读得到的只有这句话，改不改得
# 对全看它。
# %% [markdown] lang="en"
# ## 2 Take it, mend it, or send it back
#
# **Question.** Arguments are often a little off: a number written as a string, an argument that
# nobody has heard of, a required one left out. Which are to be mended, and which sent back?
#
# **Idea.** Tell a **slip** from a **misunderstanding**. `"31"` can only be 31; mended by its type,
# it means what it meant before. That is a slip. An unknown name shows that the model has something
# else in mind than we do. That is a misunderstanding, and if the argument is silently dropped,
# another question is answered and nobody knows. What goes back says three things: where it is
# wrong, what stood there, and what there is. It is all that the model has to go by.
# %%
registry = ToolRegistry([climb])
attempts = [
    {"hours": 31},
    {"hours": "31"},
    {"hours": 31, "of": "Freight"},
    {"hour": 31},
    {"hours": "about 31"},
    {"hours": 31, "unit": "km"},
    {"hours": float("nan")},
    {"hours": True},
]
results = [registry.run(ToolCall("climb", arguments)) for arguments in attempts]
for arguments, result in zip(attempts, results, strict=True):
    said = result.content.removesuffix(" The arguments are: hours, of, stops.")
    print(f"{arguments!s:32} {said}")
# %%
print("one in full:", results[3].content)
assert [result.is_error for result in results] == [False, False] + [True] * 5 + [False]
assert results[0].content == results[1].content == '{"km":22773}'
assert all("hours, of, stops" in result.content for result in results[2:7])  # what there is
# %% [markdown] lang="zh"
# 有两行可以争论。`"Freight"` 多半就是 `"freight"`，却被退了回去：取值照单对，一个字母也不将就，代
# 价是多问一次。`True` 却被收下，当成了 1 小时：pydantic 把布尔值看作 0 和 1，而模型写 `True` 恐怕
# 是误会。界线划在哪里总有争议，要紧的是**退回时说得清楚**。
#
# 工具名写错也一样：告诉它最像的那个，再列出全部。工具名只差大小写的，认下照跑：
# %% [markdown] lang="en"
# Two lines are open to argument. `"Freight"` is most likely `"freight"`, and yet it went back:
# values are compared letter by letter, at the price of one more call. `True`, on the other hand,
# was taken for one hour: to pydantic, truth is 0 or 1, though a model that writes `True` has
# probably misunderstood. Where exactly the line runs can be debated; what matters is that **what
# goes back is clear**.
#
# A wrong name of a tool fares the same: the model is told the nearest, and all of them. A name that
# differs in case alone is accepted, and the tool is run:
# %%
for name in ("climbs", "Climb", "elevator"):
    print(name, "->", registry.run(ToolCall(name, {"hours": 1})).content)


# %% [markdown] lang="zh"
# ## 3 工具里出的任何事，都是一条观察
#
# **问题**　工具是别人写的程序：会抛异常，会卡死，会返回一张图片的字节。智能体难道跟着一起垮？
#
# **想法**　上一章第 10 步已经定了规矩：错误也是观察。对模型来说，回来的只有一种东西，就是一段文
# 字，所以 `ToolRegistry.run` 把什么都变成文字。上一章见过超时、太长和没有输出的，这里看剩下的：连
# `SystemExit`（普通的 `except Exception` 接不住它）、图片的字节、自己包含自己的列表，也各成一句
# 话：
# %% [markdown] lang="en"
# ## 3 Whatever happens in a tool is an observation
#
# **Question.** A tool is somebody's program. It raises, it hangs, it returns the bytes of a
# picture. Must the agent go down with it?
#
# **Idea.** Step 10 of the last chapter made the rule: errors are observations too. To the model
# only one kind of thing ever comes back, a text, and so `ToolRegistry.run` makes a text of
# everything. Timeouts, floods and silence you have seen there. Here is the rest: `SystemExit`
# (which a plain `except Exception` does not catch), the bytes of a picture, and a list that
# contains itself become a sentence each:
# %%
release, finished, late = threading.Event(), threading.Event(), []


@tool(timeout_s=0.1)
def trouble(kind: Literal["raise", "exit", "hang", "bytes", "circle", "data"]) -> object:
    """Get into trouble."""
    if kind == "raise":
        return [1, 2][5]
    if kind == "exit":
        raise SystemExit(1)
    if kind == "hang" and release.wait(20):
        late.append("the tool is done after all")
        finished.set()
    return {"bytes": b"\x89PNG", "circle": late, "data": {"深度": [1, None]}}.get(kind)


# %%
late.append(late)  # a list that contains itself
kinds = ["raise", "exit", "bytes", "circle", "data", "hang"]
observed = {k: ToolRegistry([trouble]).run(ToolCall("trouble", {"kind": k})) for k in kinds}
for kind, result in observed.items():
    print(f"{kind:8} {result.content}")
assert [kind for kind, result in observed.items() if result.is_error] == ["raise", "exit", "hang"]
# %% [markdown] lang="zh"
# 最后一行要留神。卡死的工具跑在一条线程里，到时间就**不等了**，可是 Python 没法从外面杀掉一条线
# 程。放开它，看看它还在不在：
# %% [markdown] lang="en"
# Mind the last line. What hangs is run in a thread, and after some time **we no longer wait**; but
# Python cannot kill a thread from outside. Let go of it, and see whether it is still there:
# %%
print("before:", late[1:])
release.set()
finished.wait(5)
print("after: ", late[1:])
assert late[1:] == ["the tool is done after all"]
# %% [markdown] lang="zh"
# 它一直活着，要做的事也照做了。所以超时只能用来保护循环，不能用来**拦住**一个工具：会写文件、会付
# 款的工具，超时之后事情可能还是办成了。要真的能杀，就得另开进程，第 4 节的 `python` 工具就是这
# 样。
#
# ## 4 计算器，和一个什么都能跑的工具
#
# ### 先估大小，再动手
#
# **问题**　教程里的计算器多半只有一行：`eval(expression)`。错在哪里？
#
# **想法**　`eval` 不是计算器，是整个 Python：模型写什么，它就跑什么，而模型写什么，可能取决于它刚
# 刚读到的网页。常见的补救是拿掉内建函数，`eval(expression, {"__builtins__": {}})`。没有用，从一个
# 空元组就能走到所有的类：
# %% [markdown] lang="en"
# It was alive all the while, and did what it was going to do. A timeout protects the loop, and does
# not **stop** the tool: where a tool writes files or pays bills, that may still happen afterwards.
# To be able to kill it takes a process of its own, as the tool `python` in section 4 has.
#
# ## 4 A calculator, and a tool that can run anything
#
# ### Work out the size before the value
#
# **Question.** The calculator of most tutorials is one line: `eval(expression)`. What is wrong with
# it?
#
# **Idea.** `eval` is not a calculator, it is all of Python. It runs whatever the model writes, and
# what a model writes may depend on the web page that it has just read. A common cure is to take
# away the built-in functions, `eval(expression, {"__builtins__": {}})`. It does not help. From an
# empty tuple there is a way to every class:
# %%
classes = eval("().__class__.__base__.__subclasses__()", {"__builtins__": {}})
print("starts programs:", [each.__name__ for each in classes if each.__name__ == "Popen"])
assert subprocess.Popen in classes
# %% [markdown] lang="zh"
# 换一条路。先把式子解析成**语法树**（每个运算是一个节点），然后从上往下走：认识的几种节点就算，其
# 余一概拒绝。这样任意代码就没有了，还剩一样：数字本身会爆炸。对策是**先估大小，再动手**，估算只要
# 对数：
#
# $$\text{位数}(b^n) = \lfloor n \log_{10} b \rfloor + 1$$
#
# $$\log_{10} n! = \frac{\ln \Gamma(n+1)}{\ln 10}$$
#
# `9**9**9` 就是 $9^{9^9}$，$b = 9$，$n = 9^9$：
# %% [markdown] lang="en"
# There is another way. Parse the expression into a **syntax tree**, a node for each operation, and
# walk down: compute the few kinds of node that are known, refuse all others. Then no code can run.
# What is left is that numbers themselves explode. The cure is to **work out the size before the
# value**, for which logarithms will do:
#
# $$\text{digits}(b^n) = \lfloor n \log_{10} b \rfloor + 1$$
#
# $$\log_{10} n! = \frac{\ln \Gamma(n+1)}{\ln 10}$$
#
# `9**9**9` is $9^{9^9}$, so $b = 9$ and $n = 9^9$:
# %%
from tiny_agent import arithmetic

print(f"9**9**9 has {math.floor(9**9 * math.log10(9)) + 1:,} digits")
print(f"factorial(10**9) has {math.floor(math.lgamma(10**9 + 1) / math.log(10)) + 1:,}")
print(f"allowed are {arithmetic.MAX_BITS:,} bits, or {int(arithmetic.MAX_BITS * math.log10(2)):,}")
print(inspect.getsource(arithmetic._check_power))
# %% [markdown] lang="zh"
# 三亿多位、八十多亿位，估出来却不花时间。拿一批正经的和一批使坏的式子试试：
# %% [markdown] lang="en"
# Hundreds of millions of digits, and billions; to know that took no time. Some honest expressions,
# and some hostile ones:
# %%
tools = ToolRegistry(make_tools("calculator,python"))
sums = ["0.1 + 0.2", "840 × 12.5%", "３８２００ ÷ 52 × 31", "max(1,234) + 1,234", "√2", "5!"]
hostile = ["9**9**9", "1 << 10**10", "factorial(10**9)", "2**0.5**-9999", "1e308 * 10**4000"]
hostile += ["(" * 900 + ")" * 900, "9" * 5000, "'a' * 10**9", "__import__('os').getcwd()"]
hostile += ["(1).__class__", "lambda: 1", "[x for x in (1,)]", "1/0", "(-1)**0.5"]
for expression in sums + hostile:
    said = tools.run(ToolCall("calculator", {"expression": expression}))
    shown = expression if len(expression) < 30 else expression[:12] + f"... ({len(expression)})"
    print(f"{shown:26} {textwrap.shorten(said.content, 62, placeholder=' ...')}")
    assert said.is_error == (expression in hostile), expression
# %% [markdown] lang="zh"
# 前几行也值得一看：`0.1 + 0.2` 就是 0.3（内部用分数，能精确就精确），全角数字和 `×÷` 都
# 认，`1,234` 是一个数，而在函数的括号里，逗号仍是分隔符。使坏的全部立刻得到回答；测试里每条限时
# 0.5 秒。
#
# ### 什么都能跑的工具
#
# **问题**　`python` 工具的用处恰恰在于什么都能跑，白名单在这里用不上。怎么办？
#
# **想法**　约束它的**处境**：另开进程，几乎清空环境变量，放进临时文件夹；时间、内存、输出、每个文
# 件的大小、同时打开的文件数都有上限，到时间整组进程一起杀掉。一样一样地试（后三行不是要拦的事，是
# 要看清楚的事）：
# %% [markdown] lang="en"
# The first lines deserve a look too: `0.1 + 0.2` is 0.3 (fractions inside, exact as long as it can
# be), full-width digits and `×÷` are read, `1,234` is one number, and between the parentheses of a
# function a comma still separates. All hostile ones are answered at once; tests allow half a second
# each.
#
# ### A tool that can run anything
#
# **Question.** The use of the tool `python` is that it runs anything, so there can be no list of
# what is allowed. What then?
#
# **Idea.** Constrain its **surroundings**: a process of its own, hardly any environment variables,
# a temporary folder; limits on time, memory, output, the size of a file, and how many are open; and
# when time is up, the whole group of processes is killed. Try them one by one (the last three are
# not there to be stopped, but to be known):
# %%
from tiny_agent.sandbox import Limits, run_python

os.environ["A_SECRET"] = "sesame"
programs = {
    "loops for ever": "while True: pass",
    "wants a gigabyte": "bytearray(10**9)",
    "prints for ever": "while True: print('flood')",
    "writes 20 MB": "open('big', 'wb').write(b'0' * 20_000_000)",
    "opens 99 files": "held = [open('main.py') for _ in range(99)]",
    "starts a process": "import os; os.fork()",
    "our secrets": "import os; print(os.environ.get('A_SECRET'))",
    "its folder": "import os; print(os.listdir())",
    "the machine's files": "import os; print(len(os.listdir('/')) > 3)",
}
# %%
for what, code in programs.items():
    try:
        said = run_python(code, Limits(timeout_s=0.5, output_bytes=20_000))
    except ToolError as error:
        lines = str(error).splitlines()
        said = lines[0] if lines[0].startswith("killed") else lines[-1]
    print(f"{what:20} {said}")
assert said == "True"  # it does read the machine's files
# %% [markdown] lang="zh"
# 这些防的是**无心之失**。末行说得明白：它照样读得到这台机器上的文件，也照样能上网。**这不是安全边
# 界**；要跑陌生人的代码，请用容器或虚拟机。所以它默认要**人点头**才跑。问这一声的是
# `Agent`（`confirm`）；绕过 `Agent`、直接用 `registry.run`，是没有人问的：
# %% [markdown] lang="en"
# All this is against **accidents**. The last line says it plainly: the program can read this
# machine's files, and it can use its network. **This is no security boundary**; for the code of
# strangers, use a container or a virtual machine. That is why, unless told otherwise, it runs only
# when **a human agrees**. It is the `Agent` that asks (`confirm`); whoever goes round it, with
# `registry.run`, is not asked:
# %%
wish = 'Thought: count.\nAction: python\nAction Input: {"code": "sum(n * n for n in range(1000))"}'
for confirm in (None, lambda call: True):
    model = ScriptedModel([wish, "Final Answer: done"])
    step = Agent(model, tools, confirm=confirm).run("Sum the squares below 1000.").steps[0]
    print(step.results[0].content)
assert step.results[0].content == "332833500"


# %% [markdown] lang="zh"
# ## 5 一次调用，三种写法
#
# **问题**　“用 31 小时去调 `climb`”，同一个意思，不同的模型有不同的写法。程序要写三遍吗？
#
# **想法**　对话只存一份，**不带方言**；发给模型之前译成它的写法，收到回复再译回来。当翻译的是一
# 个“方言”对象，它有三个方法：`render`（对话 → 提示词）、`parse`（回复 → 决
# 定）、`format_observation`（结果 → 消息）。
#
# | 方言 | 调用写在哪里 | 一次几个 | 谁在用 |
# | --- | --- | --- | --- |
# | `ReActText` | `Action:` 和 `Action Input:` 两行字 | 一个 | 任何会写字的模型 |
# | `HermesToolCall` | `<tool_call>` 标签里的 JSON | 若干 | Hermes、Qwen2.5 等照此训练过的模型 |
# | `OpenAITools` | 服务器回复里单独的字段 | 若干 | 兼容 OpenAI 接口的服务器，翻译由它做 |
#
# 同一段对话（一个问题，一次调用，一个结果）在三种方言里各是什么样子：
# %% [markdown] lang="en"
# ## 5 One call, three ways to write it
#
# **Question.** "Call `climb` with 31 hours" means one thing, and different models write it
# differently. Must the program be written three times?
#
# **Idea.** Keep one conversation, **free of any dialect**; translate it before it goes to the
# model, and translate the reply back. The translator is a dialect object with three methods:
# `render` (conversation to prompt), `parse` (reply to decision), `format_observation` (result to
# message).
#
# | dialect | where a call is written | how many at once | who uses it |
# | --- | --- | --- | --- |
# | `ReActText` | two lines, `Action:` and `Action Input:` | one | any model that writes text |
# | `HermesToolCall` | JSON between `<tool_call>` tags | several | Hermes, Qwen2.5, others trained on it |
# | `OpenAITools` | a field of the server's reply | several | servers like OpenAI's, which translate |
#
# Here is one conversation, a question, a call and its result, in all three:
# %%
dialects = {"react": ReActText(), "hermes": HermesToolCall(), "openai": OpenAITools()}
call = ToolCall("climb", {"hours": 31})
conversation = [
    {"role": "user", "content": "How high is a car after 31 hours?"},
    {"role": "assistant", "content": "I'll work it out.", "tool_calls": [call.to_wire()]},
    registry.run(call).to_message(),
]
for name, dialect in dialects.items():
    prompt = dialect.render(conversation, registry)
    print(f"=== {name}; tools in the request: {len(prompt.tools)}; stop: {prompt.stop}")
    for message in prompt.messages[-2:]:
        print(f"[{message['role']}] {message['content']}")
        for wire in message.get("tool_calls", ()):
            print("  tool_calls:", wire["function"])
# %% [markdown] lang="zh"
# 前两种把工具说明写进系统消息，第三种放在请求里另送。说明本身也不一样：ReAct 把模式改写成人话，另
# 两种原样送出 JSON。
# %% [markdown] lang="en"
# The first two describe the tools in the system message, the third beside it in the request. The
# descriptions differ, too: ReAct puts the schema into words, the others send the JSON as it is.
# %%
manual = {name: dialects[name].render(conversation, registry) for name in dialects}
print(*manual["react"].messages[0]["content"].split("\n")[2:6], sep="\n")
hermes_text = manual["hermes"].messages[0]["content"]
print("\n" + re.sub(r'\{"type": "func.*', '{"type": "function", "function": {...}}', hermes_text))
# %% [markdown] lang="zh"
# 下面那一段，与 Qwen2.5 自己的聊天模板写的一字不差（测试里逐字比对过）。这类模型就是读着这些话训
# 练出来的，没有理由换个说法去为难它。
#
# **花销**　工具说明每一步都要重读：在上一章的公式 $Np + a\,N(N-1)/2$ 里，它属于 $p$，要乘以步数
# $N$。横轴是工具的个数，纵轴是第一次提示词的词元数（按 `count_tokens` 估算，OpenAI 一列算的是那段
# JSON；服务器内部怎么写各不相同，实数以它报的为准）：
# %% [markdown] lang="en"
# The lower text is word for word what the chat template of Qwen2.5 writes (a test compares them).
# Such models were trained on these very words; there is no reason to make it harder for them with
# others.
#
# **Cost.** What is said of the tools is read again at every step: in the last chapter's formula,
# $Np + a\,N(N-1)/2$, it is part of $p$, and is multiplied by the number of steps $N$. The
# horizontal axis is the number of tools, the vertical one the tokens of the first prompt (estimated
# by `count_tokens`; for OpenAI, of that JSON, since each server writes it in a way of its own and
# reports the true number):
# %%
names = ["calculator", "search", "read_file", "python", "google_search", "now"]
names += ["unit_convert", "weather"]
question = [{"role": "user", "content": "How high is a car after 31 hours?"}]
cost = {name: [] for name in dialects}
for count in range(len(names) + 1):
    some = ToolRegistry(make_tools(",".join(names[:count])))
    for name, dialect in dialects.items():
        prompt = dialect.render(question, some)
        cost[name].append(estimate_usage(prompt.messages, prompt.tools).prompt_tokens)
fig, ax = figures.canvas(height=2.8)
places = range(len(names) + 1)
ax = figures.curve(ax, places, cost, xlabel="number of tools", ylabel="tokens", marker="o")
# %%
print({name: values[-1] for name, values in cost.items()})
assert all(cost["openai"][n] < cost["react"][n] for n in (1, 2))
assert all(cost["react"][n] < cost["openai"][n] for n in range(3, 9))


# %% [markdown] lang="zh"
# 只有一两个工具时，OpenAI 的最省，因为格式用不着我们来教；从第三个起，ReAct 的最省，因为人话比
# JSON 短。
#
# ## 6 同一件差事，三种方言
#
# **问题**　换了方言，循环要改吗？
#
# **想法**　不用。下面三位替身各说各的话，办同一件事。办完之后比较存下来的**对话**：除了调用的编
# 号，应当一模一样。
# %% [markdown] lang="en"
# With one or two tools OpenAI's is the cheapest, since no form has to be taught; from the third on
# it is ReAct's, since words are shorter than JSON.
#
# ## 6 One errand, three dialects
#
# **Question.** Does the loop change with the dialect?
#
# **Idea.** No. Three stand-ins, each in its own tongue, run the same errand. Then we compare the
# **conversations** that were kept: but for the ids of the calls, they should be the same.
# %%
thought, arguments = "I'll work it out.", {"hours": 31}
wire = dataclasses.replace(call, id="from-server").to_wire()
object_text = json.dumps({"name": "climb", "arguments": arguments})
action = f"Action: climb\nAction Input: {json.dumps(arguments)}"
scripts = {
    "react": [f"Thought: {thought}\n{action}", "Thought: Good.\nFinal Answer: 22,773 km"],
    "hermes": [f"{thought}\n<tool_call>\n{object_text}\n</tool_call>", "22,773 km"],
    "openai": [Reply(thought, (wire,), finish_reason="tool_calls"), "22,773 km"],
}
# %%
kept = {}
for name, script in scripts.items():
    model = ScriptedModel(script)
    result = Agent(model, [climb], dialects[name]).run("How high is a car after 31 hours?")
    kept[name] = json.dumps(result.messages).replace("from-server", "call_0")
    print(f"{name:7} {result.status}: {result.answer}  ({result.usage.total_tokens} tokens)")
assert kept["react"] == kept["hermes"] == kept["openai"]


# %% [markdown] lang="zh"
# 所以对话进行到一半，也可以换模型、换方言，接着聊。
#
# **一次好几个**　Hermes 和 OpenAI 的回复里可以有几个调用，循环让它们**同时**跑。怎么证明真是同
# 时，又不靠秒表？让两个工具互相等：谁先到都得等另一个，轮流跑的话，第一个永远等不到。
# %% [markdown] lang="en"
# So a conversation can change its model and its dialect midway, and go on.
#
# **Several at once.** A reply in the dialects of Hermes and OpenAI may hold several calls, and the
# loop runs them **side by side**. How to prove that without a stopwatch? Let two tools wait for
# each other: whichever comes first has to wait for the other, and if they took turns, the first
# would wait in vain.
# %%
both_here = threading.Barrier(2)


@tool(timeout_s=5)
def meet(who: str) -> str:
    """Wait until two are here."""
    both_here.wait(2)
    return f"{who} has met the other"


wishes = [{"name": "meet", "arguments": {"who": who}} for who in ("Ada", "Bo")]
twice = "\n".join(f"<tool_call>\n{json.dumps(wish)}\n</tool_call>" for wish in wishes)
step = Agent(ScriptedModel([twice, "done"]), [meet], dialects["hermes"]).run("Meet.").steps[0]
print([result.content for result in step.results])
assert not any(result.is_error for result in step.results)
# %% [markdown] lang="zh"
# 几个调用里有一个没写对，就一个也不跑，整条退回：只跑一半，模型会以为另一半也跑了。ReAct 一次只认
# 第一个调用，因为它后面的话多半是照着想象中的结果写的（第 41 章第 6 步）。
#
# ## 7 真实的模型会写什么
#
# **问题**　提示词里写明了格式，模型就会照办吗？
#
# **想法**　去看别人的求助帖。LangChain、Dify、vLLM 等项目的用户报告过各种怪回复，我们照着症状另写
# 了一份，收在 [replies.py](../../tests/tiny_agent/replies.py) 里：每条有一段回复、它是什么毛病、
# 应当读成什么。挑几条看看：
# %% [markdown] lang="en"
# If one of several calls is wrong, none is run and the whole reply goes back: with half of them
# run, the model would believe that all were. ReAct takes only the first call, because what follows
# it was mostly written after an imagined result (chapter 41, step 6).
#
# ## 7 What real models write
#
# **Question.** The prompt gives the form. Do models keep to it?
#
# **Idea.** Read other people's cries for help. Users of LangChain, Dify, vLLM and others have
# reported odd replies of many kinds; we wrote our own with the same symptoms, and keep them in
# [replies.py](../../tests/tiny_agent/replies.py): a reply, what is odd about it, and what has to be
# made of it. A few of them:
# %%
picked = ["labels in Chinese brackets", "all on one line", "a Python dict", "infinity"]
picked += ["as in the ReAct paper", "a quote that is not escaped"]
picked += ["a made-up result and all that follows from it", "Action: None, and nothing else"]
picked += ["the opening tag is missing", "an answer that speaks of the tags"]
picked += ["one call is whole, one is cut off: none is run", "arguments written twice over as JSON"]
for dialect, rows in replies.REPLIES.items():
    for row in (row for row in rows if row.note in picked):
        wires = [wire["function"]["arguments"] for wire in row.reply.tool_calls]
        made = replies.outcome(dialects[dialect].parse(row.reply, replies.TOOLS))
        print(f"{dialect}: {row.note}\n  {textwrap.shorten(row.reply.text or wires[0], 96)}")
        print("  ->", textwrap.shorten(replies.shown(made), 90, placeholder=" ..."))


# %% [markdown] lang="zh"
# 每条都照表上写的读对了吗？第 41 章第 4 步的小解析器，能读对多少？
# %% [markdown] lang="en"
# Is each read as the table says? And how many does the small parser of chapter 41, step 4, read
# correctly?
# %%
def is_right(expected, decision):
    """Whether a decision is the expected one."""
    found = replies.outcome(decision)
    if isinstance(expected, replies.Error):
        return isinstance(found, replies.Error) and expected.part in found.part
    return found == expected


for dialect, rows in replies.REPLIES.items():
    made = [dialects[dialect].parse(row.reply, replies.TOOLS) for row in rows]
    right = sum(is_right(row.expected, m) for row, m in zip(rows, made, strict=True))
    print(f"{dialect}: {right} of {len(rows)}")
    assert right == len(rows)


# %%
def small_parse(text):
    """The parser of chapter 41, step 4; None where it crashes."""
    try:
        if "Final Answer:" in text:
            return FinalAnswer(text.split("Final Answer:")[1].strip())
        name = re.search(r"Action: *(.*)", text)[1]
        return [ToolCall(name, json.loads(re.search(r"Action Input: *(.*)", text, re.DOTALL)[1]))]
    except (TypeError, ValueError):
        return None


# %%
kinds = {tuple: "a call", replies.Answer: "an answer", replies.Error: "to be sent back"}
tally = {fate: Counter() for fate in ("right", "crash", "wrong")}
for row in replies.REPLIES["react"]:
    read = small_parse(row.reply.text)
    fate = "crash" if read is None else "right" if is_right(row.expected, read) else "wrong"
    tally[fate][kinds[type(row.expected)]] += 1
counted = np.array([[tally[fate][kind] for kind in kinds.values()] for fate in tally])
print({fate: sum(found.values()) for fate, found in tally.items()})
assert counted[2].sum() > 0
# %%
fig, ax = figures.canvas(height=2.2)
shades = (figures.GREEN, figures.GREY, figures.ROSE)
for n, (fate, shade) in enumerate(zip(tally, shades, strict=True)):
    before = counted[:n].sum(axis=0)
    drawn = ax.barh(range(3), counted[n], 0.6, left=before, color=shade, label=fate)
    _ = ax.bar_label(drawn, [width or "" for width in counted[n]], label_type="center")
_ = ax.set_yticks(range(3), kinds.values())
ax.set_xlabel("replies in the dialect of ReAct, by what they mean")
ax.invert_yaxis()
ax.grid(axis="y", visible=False)
_ = ax.legend(title="the small parser")


# %% [markdown] lang="zh"
# 灰色是崩溃，至少看得见。最要紧的是红色：**读出来了，却是错的**，没有人会知道，因为执行的是模型没
# 要的调用，或者半句话成了答案。规矩归结成一句：**没有疑问的错，改好收下；有疑问的，退回去问，绝不
# 猜。**
#
# 至于“全部读对”，请不要当成考试成绩：这些解析器就是照着这张表写出来的，表里有的当然都对。表外的呢？
#
# ### 乱拼一万多条
#
# **问题**　没有人想到过的回复，会不会把解析器弄崩？
#
# **想法**　让骰子来想。把标签、标签的一半、括号、引号、代码框、半个表情符号随手拼在一起。读成什么
# 不好说，有一条却必须成立：**不论来什么，`parse` 都给出三种决定之一，从不抛异常**：
# %% [markdown] lang="en"
# Grey is a crash, and is at least seen. Red matters most: **read, and read wrongly**. Nobody will
# know, for a call is run that the model did not ask for, or half a sentence passes for the answer.
# The rule comes down to this: **a slip that leaves no doubt is mended; where there is doubt, the
# model is asked again, and nothing is guessed.**
#
# "All of them right", however, is not the result of an examination. The parsers were written with
# this table at hand, so what is in it is right. And what is not?
#
# ### More than ten thousand at random
#
# **Question.** Can a reply that nobody has thought of bring a parser down?
#
# **Idea.** Let dice do the thinking, and put labels, halves of labels, brackets, quotes, fences and
# half an emoji together as they fall. What should come of it is hard to say, but one thing must
# hold: **whatever comes, `parse` makes one of three decisions of it and never raises**:
# %%
scraps = "Thought: |Action: |Action Input: |Final Answer: |Observation: |Observ|行动：|行动输入："
scraps += "|观察：|最终答案：|**|```json|```|None|NaN|1e999|Finish[|search|now|，|=|\0|\u200b"
scraps += (
    "|<tool_call>|</tool_call>|<tool_response>|<think>|</think>|{|}|[|]|(|)|\"|'|\\|:|\n|\n|\n"
)
scraps += '|{"name": "now", "arguments": {}}|{"query": "moonglass"}'


def rubbish(dice, most=14):
    """Up to so many scraps, as they fall."""
    return "".join(dice.choices(scraps.split("|"), k=dice.randint(0, most)))


# %%
dice = random.Random(42)
for name, dialect in dialects.items():
    made = Counter()
    for _ in range(4000):
        text = rubbish(dice) + dice.choice(["", "\ud83d"])  # half an emoji
        wires = [{**wire, "function": {"name": "search", "arguments": text}}] * dice.randint(0, 1)
        given = tuple(wires) if name == "openai" else ()
        reply = Reply(text, given, finish_reason=dice.choice(["stop", "length"]))
        made[type(dialect.parse(reply, replies.TOOLS)).__name__] += 1
    print(f"{name:7}", dict(sorted(made.items())))
    assert made.keys() == {"list", "FinalAnswer", "ParseError"}
# %% [markdown] lang="zh"
# `list` 是读出了调用，`FinalAnswer` 是答案，`ParseError` 是退回。Hermes 读出的多半是答案：在它那
# 里，没有标签的文字就是答案。
#
# 还有一条更强的。解析和渲染是一来一回的翻译，所以**写进历史的调用，读回来必须是同一个调用**，哪怕
# 参数里全是标签和括号：
#
# $$\text{parse}(\text{render}(c)) = c$$
# %% [markdown] lang="en"
# `list` is calls, `FinalAnswer` an answer, `ParseError` sent back. Hermes mostly reads answers:
# there, text without a tag is one.
#
# There is a stronger property. Parsing and rendering translate to and fro, so **a call written into
# the history must read back as the same call**, though its arguments be full of labels and
# brackets:
#
# $$\text{parse}(\text{render}(c)) = c$$
# %%
tried = 0
for dialect in dialects.values():
    for _ in range(1000):
        made = ToolCall("search", {"query": rubbish(dice), "k": dice.randint(0, 9)})
        said = {"role": "assistant", "content": rubbish(dice, 4), "tool_calls": [made.to_wire()]}
        written = dialect.render([*question, said], replies.TOOLS).messages[-1]
        reply = Reply(written["content"], tuple(written.get("tool_calls", ())))
        assert dialect.parse(reply, replies.TOOLS) == [made]
        tried += 1
print(f"{tried} calls written and read back, all the same")


# %% [markdown] lang="zh"
# ## 8 从每一个字符处切断
#
# **问题**　词元用到上限，回复会断在半截。会不会有一处断口，让半个调用看起来像一个完整的、意思却不
# 同的调用？比如 `{"hours": 31}` 断在 `3` 后面。
#
# **想法**　不用猜，全试一遍。把三段正确的回复从每一个字符处切断，看各读成什么。服务器通常会说明是
# 自己切断的（`finish_reason` 为 `length`），也有的一概报 `stop`，两种都试：
# %% [markdown] lang="en"
# ## 8 Cut at every character
#
# **Question.** At the limit of tokens a reply breaks off. Is there a place where half a call looks
# like a whole one that means something else? `{"hours": 31}`, say, cut behind the `3`.
#
# **Idea.** No need to guess: try them all. Three good replies are cut at every character, and each
# piece is read. A server mostly says that it cut the reply off (a `finish_reason` of `length`);
# some always say `stop`. We try both:
# %%
FATES = ["answer", "sent back", "the right call", "another call"]


def fate_of(dialect, reply):
    """What becomes of a reply: its place in FATES."""
    decision = dialects[dialect].parse(reply, registry)
    if isinstance(decision, FinalAnswer):
        return 0
    if isinstance(decision, ParseError):
        return 1
    return 2 if [(c.name, c.arguments) for c in decision] == [("climb", arguments)] else 3


def piece_of(dialect, end, reason):
    """The first characters of the reply; of OpenAI's, the first of its arguments."""
    if dialect != "openai":
        return Reply(scripts[dialect][0][:end], finish_reason=reason)
    cut = {"name": "climb", "arguments": json.dumps(arguments)[:end]}
    return Reply(thought, ({**wire, "function": cut},), finish_reason=reason)


# %%
whole = {"react": scripts["react"][0], "hermes": scripts["hermes"][0]}
whole["openai"] = json.dumps(arguments)
fates = {}
for name, text in whole.items():
    for row, reason in ((name, "length"), (f"{name}, not told", "stop")):
        pieces = [piece_of(name, end, reason) for end in range(len(text) + 1)]
        fates[row] = [fate_of(name, piece) for piece in pieces]
for row, found in fates.items():
    print(f"{row:17}", dict(Counter(FATES[fate] for fate in sorted(found))))
assert all(3 not in fates[name] for name in whole)
assert sum(found.count(3) for found in fates.values()) == 5
# %%
from matplotlib.colors import ListedColormap

strips = np.full((len(fates), max(map(len, fates.values()))), np.nan)
for row, found in enumerate(fates.values()):
    strips[row, : len(found)] = found
scheme = ListedColormap([figures.YELLOW, figures.GREY, figures.GREEN, figures.ROSE])
fig, ax = figures.canvas(height=2.4)
image = ax.imshow(strips, cmap=scheme, vmin=-0.5, vmax=3.5, aspect="auto")
ax.set(yticks=range(len(fates)), xlabel="characters that came")
ax.set_yticklabels(fates)
ax.set_yticks(np.arange(len(fates) - 1) + 0.5, minor=True)
ax.grid(visible=False)
ax.grid(which="minor", axis="y", color="white", linewidth=3)
ax.tick_params(axis="y", which="minor", length=0)
bar = fig.colorbar(image, ticks=range(4), pad=0.02)
bar.set_ticklabels(FATES)
# %% [markdown] lang="zh"
# 服务器说了自己切断的那三行，一格红的也没有：**没写完的调用，没有变成另一个调用**。靠的是一条简单
# 的规矩：JSON 对象必须读到它自己的右花括号，缺了就是错，我们不替它补。（有的框架会给断掉的 JSON
# 补上引号和括号，补出来的却未必是模型的意思。）
#
# 服务器不说的那几行，红了五格。是哪几个调用？
# %% [markdown] lang="en"
# In the three rows where the server says that it cut the reply off, nothing is red: **a call that
# was not finished has not become another call**. That rests on one plain rule: a JSON object is
# read up to its own closing brace, and where that is missing it is an error; we complete nothing.
# (Some frameworks add the missing quotes and braces. What comes out need not be what the model
# meant.)
#
# In the rows where it does not say so, five cells are red. Which calls are they?
# %%
for row, found in fates.items():
    for end in (end for end, fate in enumerate(found) if fate == 3):
        name = row.split(",")[0]
        made = dialects[name].parse(piece_of(name, end, "stop"), registry)[0]
        said = registry.run(made)
        print(f"{name:7} {made.name}({made.arguments})  {said.content[:72]}")
        assert said.is_error
# %% [markdown] lang="zh"
# 四个的工具名断在半截，一个的参数一个字也没到。这五个都没有跑成，只换回一句提示。但这是**运气**：
# 换一个不要参数的工具，或者参数不写成 JSON，就没有这么便宜了。再看答案，答案没有右花括号可等：
# %% [markdown] lang="en"
# Of four the tool's name was cut, of one no argument had come yet. None of the five was run; each
# earned a hint. But that was **luck**: with a tool that takes no arguments, or with arguments that
# are no JSON, it would not be so cheap. And an answer has no closing brace to wait for:
# %%
asked = "Action: search\nAction Input: height of the Sky"  # of the Skyhook, it was going to be
halves = {"bare text": ("react", asked), "answer": ("react", "Thought: Good.\nFinal Answer: 22,7")}
halves |= {"answer, hermes": ("hermes", "22,7"), "answer, openai": ("openai", "22,7")}
for what, (name, text) in halves.items():
    for reason in ("length", "stop"):
        made = dialects[name].parse(Reply(text, finish_reason=reason), replies.TOOLS)
        read = textwrap.shorten(replies.shown(replies.outcome(made)), 58, placeholder=" ...")
        print(f"{what:15} {reason:7} {read}")
cut_answer = Reply("Thought: Good.\nFinal Answer: 22,7", finish_reason="length")
result = Agent(ScriptedModel([cut_answer]), [climb]).run("How high?")
print(result.status, "|", result.answer, "|", result.steps[-1].reply.finish_reason)
# %% [markdown] lang="zh"
# 三条教训：
#
# - **没写成 JSON 的参数**，只有服务器肯说实话，才知道它断了。
# - **断在半截的答案照样算答案**，三种方言都是，`status` 还是 `answered`。程序拿到结果，最好再看一
#   眼 `result.steps[-1].reply.finish_reason`：是 `length`，就把词元上限调大，重来。
# - **黄色那一段**也是半截的答案：在 Hermes 那里，没有标签的文字就是答案，所以话还没说到
#   `<tool_call>` 就断了，也算答完了（OpenAI 一样，只是图上没有画它的文字部分）。ReAct 要求写出
#   `Final Answer:`，断在这个标签之前只会被退回。
#
# ## 9 停止串，自己也要管
#
# **问题**　第 41 章第 6 步用过 `until_stop`：服务器不理会停止串，或者把它切成几片送来，就靠它剪
# 断。它怎么知道手上这几个字符该放还是该扣？
#
# **想法**　手上的文字记作 $t$，停止串的集合记作 $S$。里面已经有完整的停止串，就剪断，取**最先完
# 整**的那个（正在往外写的时候，先遇到的也是它）。还没有，就扣住末尾的 $h$ 个字符，因为它们可能是
# 某个停止串的开头：
#
# $$h(t) = \max \{\, k < |s| : s \in S,\ t_{-k:} = s_{:k} \,\}$$
#
# $t_{-k:}$ 是 $t$ 的最后 $k$ 个字符，$s_{:k}$ 是 $s$ 的前 $k$ 个。其余的马上放行。看它遇到一个像
# 而不是的、一个真是的：
# %% [markdown] lang="en"
# Three lessons:
#
# - **Arguments that are no JSON** are known to be cut only where the server says so.
# - **Half an answer passes for an answer**, in all three dialects, and `status` is `answered`. A
#   program does well to look at `result.steps[-1].reply.finish_reason` too: if it is `length`, raise
#   the limit of tokens and ask again.
# - **The yellow stretch** is half an answer, too: to Hermes, text without a tag is the answer, and
#   so is a reply that breaks off before its `<tool_call>` (with OpenAI it is the same, but the text
#   is not in the picture). ReAct wants `Final Answer:`, and what ends before that label is sent back.
#
# ## 9 Stop strings are ours to enforce, too
#
# **Question.** Step 6 of chapter 41 used `until_stop`: where a server ignores stop strings, or
# sends them in pieces, it makes the cut. How does it know which characters to pass on and which to
# hold back?
#
# **Idea.** Let $t$ be the text at hand and $S$ the set of stop strings. If there is a whole one in
# it, cut there, at the one that is **complete first** (which is the one that comes first while text
# is being made). If there is none, hold back the last $h$ characters, for a stop string may begin
# with them:
#
# $$h(t) = \max \{\, k < |s| : s \in S,\ t_{-k:} = s_{:k} \,\}$$
#
# where $t_{-k:}$ are the last $k$ characters of $t$, and $s_{:k}$ the first $k$ of $s$. The rest is
# passed on at once. See it meet one that only looks like a stop string, and one that is:
# %%
pieces = ["Action: climb", "\nObs", "olete? No.", "\nObserv", "ation: 99 km"]
came = []


def coming():
    """The pieces; notes which have come."""
    for piece in pieces:
        came.append(piece)
        yield piece


for passed in until_stop(coming(), STOP):
    print(f"{came[-1]!r} comes, {passed!r} is passed on")
print("then no more, after", came[-2:])


# %% [markdown] lang="zh"
# `\nObs` 来的时候什么也没有放行，下一片来了才知道是虚惊，连它一起放出去。
#
# **核对**　一段文字随便怎样切片，剪断的地方都应当一样。切成三片（允许空的），所有切法试一遍，再试
# 一个字符一片：
# %% [markdown] lang="en"
# When `\nObs` came, nothing was passed on; the next piece showed that it was a false alarm, and
# both went out together.
#
# **Check.** However a text is cut into pieces, it should end at the same place. All ways to cut it
# into three, empty pieces too, and then a character at a time:
# %%
def in_three(text):
    """All ways to cut a text into three pieces."""
    for a in range(len(text) + 1):
        for b in range(a, len(text) + 1):
            yield [text[:a], text[a:b], text[b:]]


text, stop = "Action: climb\nObservation: 99\nFinal: 99 km", ["\nObservation", "\nFinal"]
ways = [*in_three(text), list(text)]
assert {"".join(until_stop(pieces, stop)) for pieces in ways} == {"Action: climb"}
print(f"{len(ways)} ways to cut {len(text)} characters, one result")


# %% [markdown] lang="zh"
# ## 10 别人的工具：MCP
#
# **问题**　工具在别人的程序里，也许还是用别的语言写的。每接一个，都写一段胶水代码吗？
#
# **想法**　大家约定一个协议。**MCP（Model Context Protocol，模型上下文协议）** 让提供工具的程序当
# 服务器，智能体当客户端。两边互写 JSON，一行一条，格式叫 **JSON-RPC 2.0**：请求有编号 `id`、方法
# 名和参数；回答带着同一个 `id`，要么有 `result`，要么有 `error`；没有 `id` 的是通知，不用回答。最
# 常见的线路是子进程的标准输入和输出。
#
# 先写一个最小的服务器，只用标准库。它只有一个工具，查潮水的时间：
# %% [markdown] lang="en"
# ## 10 Other people's tools: MCP
#
# **Question.** The tools are in somebody else's program, perhaps in another language. Glue code for
# each?
#
# **Idea.** Agree on a protocol. In **MCP, the Model Context Protocol**, the program that has the
# tools is the server, and the agent is the client. They write JSON to each other, one message a
# line, in the form of **JSON-RPC 2.0**: a request has a number (`id`), a method and parameters; an
# answer has the same `id` and either a `result` or an `error`; what has no `id` is a notification,
# and is not answered. Most often the line is the standard input and output of a child process.
#
# First the smallest server, with the standard library alone. It has one tool, which knows the tides:
# %%
def tide(city):
    """The only tool: its result, as MCP wants it."""
    if city == "Crash":
        sys.exit("the harbour is gone")
    known = city == "Oshavel"
    text = "high at 7 and 19" if known else f"no tide table of {city}"
    return {"content": [{"type": "text", "text": text}], "isError": not known}


def tool_list():
    """What the server says of its tools."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    about = {"description": "When the tide is high.", "annotations": {"readOnlyHint": True}}
    return {"tools": [{"name": "tide", "inputSchema": schema, **about}]}


# %%
def answer(method, params):
    """What is answered to a request: a result, or an error."""
    if method == "initialize":
        about = {"serverInfo": {"name": "tides", "version": "1"}, "capabilities": {"tools": {}}}
        return {"result": {"protocolVersion": params["protocolVersion"], **about}}
    if method == "tools/list":
        return {"result": tool_list()}
    if method == "tools/call":
        return {"result": tide(**params["arguments"])}
    return {"error": {"code": -32601, "message": f"there is no method {method}"}}


# %%
def serve():
    """Answer one line after another."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:  # what has none is a notification
            said = answer(message["method"], message.get("params", {}))
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)


folder = tempfile.TemporaryDirectory()
parts = [inspect.getsource(part) for part in (tide, tool_list, answer, serve)]
Path(folder.name, "tides.py").write_text("\n".join(["import json, sys", *parts, "serve()"]))
command = [sys.executable, str(Path(folder.name, "tides.py"))]


# %% [markdown] lang="zh"
# 客户端也先亲手写一个，几行就够：写一行，读一行。
# %% [markdown] lang="en"
# A client by hand, too, in a few lines: write one, read one.
# %%
def ask(server, number, method, **params):
    """Send a request and wait for its answer."""
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    server.stdin.write(json.dumps(message) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    print(f"-> {method} {json.dumps(params)[:70]}\n<- {line[:124].rstrip()}")


# %%
hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "me"}}
pipe = subprocess.PIPE
with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
    ask(server, 1, "initialize", **hello)
    server.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
    ask(server, 2, "tools/list")
    ask(server, 3, "tools/call", name="tide", arguments={"city": "Oshavel"})
    ask(server, 4, "tools/call", name="tide", arguments={"city": "Hesk"})
    ask(server, 5, "tools/fly")
# %% [markdown] lang="zh"
# 打招呼定版本，一条不用回的通知，问有什么工具，然后调用。最后两问的错要分清：没有这座城市（第 4
# 问）是**工具的错**，调用本身成功了，只是结果上标着 `isError`，因为那句话要给模型读；没有这个方法
# （第 5 问）是**协议的错**，走 `error`，该由写程序的人去改。
#
# 这么几行的客户端，服务器一不作声就永远等下去，它崩了、吐出一行垃圾、乱了次序，也都没有对策。包里
# 的 `MCPClient` 管这些。接进来的工具与自家的用法一样，这里加上前缀，免得重名：
# %% [markdown] lang="en"
# A greeting that settles the version, a notification without an answer, a question about what tools
# there are, and then calls. The errors of the last two are of different kinds. That there is no
# such city
# (number 4) is an error **of the tool**: the call succeeded, and its result says `isError`, since
# the model is to read it. That there is no such method (number 5) is an error **of the protocol**,
# an
# `error`, and a matter for programmers.
#
# So short a client waits for ever when the server is silent, and has no answer to a crash, a line
# of rubbish, or replies out of order. The package's `MCPClient` does. Its tools are used like our
# own; a prefix keeps the names apart:
# %%
from tiny_agent.mcp import MCPClient

with MCPClient(command) as client:
    harbour = client.tools(prefix="harbour_")
    abroad = ToolRegistry([climb, *harbour])
    wanted = [{"city": "Oshavel"}, {"city": "Hesk"}, {"town": "Hesk"}, {"city": "Crash"}]
    for given in wanted:
        said = abroad.run(ToolCall("harbour_tide", given)).content
        said = said.replace(command[1], "tides.py").replace(command[0], "python")
        print(given, "->", textwrap.fill(said, 88, subsequent_indent="    "))
print("needs approval:", harbour[0].needs_approval)
assert "the harbour is gone" in said
assert harbour[0].needs_approval
folder.cleanup()


# %% [markdown] lang="zh"
# 看三处。参数名写错，客户端照模式查出来，不必劳动服务器。服务器死了，错误里有它最后说的话，所以平
# 时就得留着它的错误输出。还有末行：**默认要人批准**，尽管服务器自称“只读”（`readOnlyHint`），那只
# 是它自己说的；信得过，才写 `client.tools(trusted=True)`。
#
# 客户端分三个文件：[mcp.py](../../tiny_agent/mcp.py) 管对
# 话，[mcp_stdio.py](../../tiny_agent/mcp_stdio.py) 管子进程和它的管
# 道，[mcp_tools.py](../../tiny_agent/mcp_tools.py) 把它们的工具变成我们的。测试里，它既对着官方
# SDK 写的服务器跑，也对着一个专做坏事的服务器跑：半路崩溃、垃圾行、错号、永不回答、灌满错误输出。
#
# ## 11 用哪一种方言
#
# **问题**　三种都通，选哪一种？
#
# **想法**　看模型是怎么训练的，再看它前面站着什么服务器：
#
# | 你的情形 | 用 | 因为 |
# | --- | --- | --- |
# | 服务器支持工具调用（各家云服务；vLLM、Ollama 对多数新模型） | `OpenAITools` | 模型受过训练的写法由服务器去管，一次可以好几个调用 |
# | 模型按 Hermes 的写法训练过（如 Qwen2.5），服务器却不支持工具，或者你自己加载权重 | `HermesToolCall` | 提示词与训练时一字不差 |
# | 别的模型；没有训练过工具调用的小模型；想看清每一步 | `ReActText` | 只要会写字就行；思考写在明处；工具多时说明最短 |
#
# 拿不准，就量：同一个模型，同一批题，三种方言各跑一遍（四十来道题随包附带，第 43 章讲怎样看结果）。
#
# ```bash
# python -m tiny_agent eval --model http://127.0.0.1:11434/v1 --protocol openai
# python -m tiny_agent eval --model http://127.0.0.1:11434/v1 --protocol hermes
# python -m tiny_agent eval --model http://127.0.0.1:11434/v1 --protocol react
# ```
#
# 这一章没有真模型，所以没有哪一张图说得出谁更准；图上的词元数是估算的，断口和怪回复考的是解析器。
#
# ## 教程里常见的错
#
# | 常见写法 | 后果 | 这里 |
# | --- | --- | --- |
# | 工具说明另抄一份，与函数分开 | 函数改了，说明没改 | 从签名和文档生成 |
# | 不认识的参数悄悄扔掉 | 答非所问，没人知道 | 退回，列出认得的 |
# | 以为超时就是停下 | 钱照付，文件照写 | 线程只是不等；要停就另开进程 |
# | `eval` 拿掉内建函数，当计算器用 | 仍能运行任何程序 | 语法树上只走认识的节点，先估大小 |
# | 把跑代码的工具叫作“沙箱”，就放心了 | 文件和网络都敞着 | 写明不是安全边界，先问人 |
# | 正则取出 JSON，不成就“修” | 执行没写完的调用 | 只认完整的对象 |
# | MCP 服务器自称只读，就不问人 | 谁都可以自称 | 信任要明写 |
#
# ## 练习
#
# 前三题写好之后运行下一格，它会判对错，错了会说错在哪里。
#
# **练习 1**　照第 9 节的式子写 `my_until_stop(pieces, stop)`：一片一片地产出（`yield`）文字，到最
# 先**完整出现**的停止串之前为止。不许把所有片都攒齐了再剪（流要边来边放），但可以扣住最后几个字
# 符。
# %% [markdown] lang="en"
# Three things to see. A wrong name of an argument is found by the schema, without troubling the
# server. When a server dies, the error quotes its last words, for which its stderr has to be kept
# all the time. And the last line: **unless told otherwise, a human has to approve**, though the
# server calls its tool read-only (`readOnlyHint`), for that is only its word. If you trust it,
# write `client.tools(trusted=True)`.
#
# The client is three files: [mcp.py](../../tiny_agent/mcp.py) leads the conversation,
# [mcp_stdio.py](../../tiny_agent/mcp_stdio.py) has the child process and its pipes,
# [mcp_tools.py](../../tiny_agent/mcp_tools.py) makes their tools ours. Tests run it against a
# server written with the official SDK, and against one that does everything wrong: crashes midway,
# rubbish, wrong ids, never an answer, a flood on stderr.
#
# ## 11 Which dialect, and when
#
# **Question.** All three work. Which one to take?
#
# **Idea.** Look at how the model was trained, and then at the server in front of it:
#
# | your case | take | because |
# | --- | --- | --- |
# | the server can do tool calls (the commercial ones; vLLM and Ollama for most recent models) | `OpenAITools` | it takes care of the form that the model was trained on; several calls at once |
# | the model was trained on the form of Hermes (Qwen2.5, say), but the server has no tools, or you load the weights yourself | `HermesToolCall` | the prompt is that of the training, word for word |
# | other models; small ones not trained to call tools; you want to see each step | `ReActText` | it takes no more than writing; thoughts are in the open; with many tools it has the shortest manual |
#
# If in doubt, measure: one model, one set of tasks, all three dialects (some forty tasks come
# along; chapter 43 explains how to read the results).
#
# ```bash
# python -m tiny_agent eval --model http://127.0.0.1:11434/v1 --protocol openai
# python -m tiny_agent eval --model http://127.0.0.1:11434/v1 --protocol hermes
# python -m tiny_agent eval --model http://127.0.0.1:11434/v1 --protocol react
# ```
#
# There is no real model in this chapter, so no figure here tells which is more accurate: the tokens
# are estimates, and the cuts and odd replies examine parsers.
#
# ## Where the tutorials you may have read go wrong
#
# | often written | what comes of it | here |
# | --- | --- | --- |
# | a tool's description, copied by hand | the function changes, the text does not | made from signature and docstring |
# | unknown arguments are dropped | another question is answered | sent back with the known ones |
# | a timeout is taken for a stop | bills are paid, files written | a thread is left alone; a process can be killed |
# | `eval` without built-ins, for a calculator | it still runs any program | known nodes of a tree, sizes first |
# | a tool that runs code is called a sandbox | files and network lie open | said to be no boundary; a human is asked |
# | JSON cut out by a regex, and "repaired" | unfinished calls are run | whole objects only |
# | an MCP server says "read-only" and is believed | anybody can say so | trust has to be written down |
#
# ## Exercises
#
# After each of the first three, run the next cell: it judges, and says what is wrong.
#
# **Exercise 1.** From the formula of section 9, write `my_until_stop(pieces, stop)`: it yields the
# text piece by piece, up to the stop string that is **complete first**. It must not collect
# everything before it cuts (a stream is passed on as it comes), but it may hold back the last few
# characters.
# %%
def my_until_stop(pieces, stop):
    """Yield the pieces of a text up to its first stop string."""
    for piece in pieces:  # looks at each piece alone: not enough
        for word in stop:
            piece = piece.split(word)[0]
        yield piece


# %%
stop_cases = [("ab\nStop now", ["\nStop"], "ab"), ("aaab", ["aab"], "a"), ("abab", ["abb"], "abab")]
stop_cases += [("abcd", ["bcd", "c"], "ab"), ("\nSto", ["\nStop"], "\nSto")]


def judge_until_stop(yours):
    """Tries all ways to cut some texts; says what came and what should have come."""
    for text, stop, expected in stop_cases:
        for pieces in [*in_three(text), list(text)]:
            came = "".join(yours(iter(pieces), stop))
            assert came == expected, f"{pieces} with {stop} gave {came!r}, not {expected!r}"
    stream = iter(["x" * 50, "y", "z"])
    next(iter(yours(stream, ["\nStop"])))
    assert next(stream, None) is not None, "it read the whole stream before it gave anything"
    return "right"


# %%
def judged(judge, yours):
    """The judge's verdict in a line; an exception of yours counts as wrong."""
    try:
        return judge(yours)
    except AssertionError as error:
        return f"not yet: {error}"
    except Exception as error:
        return f"not yet: {type(error).__name__}: {error}"


print(judged(judge_until_stop, my_until_stop))


# %% [markdown] lang="zh"
# **练习 2**　写 `my_evaluate(text)`：只认整数、小数、加减乘除、括号、正负号，以及**整数次**的乘
# 方；用 `ast`，不用 `eval`。其余一律 `ValueError`：别的写法、除以零、写了一半的式子，还有超过一千
# 位的结果；乘方要在**算之前**就拒绝（第 4 节的式子）。嵌套很深的式子，算出来或者拒绝都行，不许
# 崩。
# %% [markdown] lang="en"
# **Exercise 2.** Write `my_evaluate(text)`: whole numbers, decimals, the four operations,
# parentheses, signs, and powers with a **whole exponent**; with `ast`, and without `eval`. All else
# is a `ValueError`: other forms, a division by zero, half an expression, and results of more than a
# thousand digits; a power has to be refused **before** it is computed (section 4). An expression
# that is nested deep may be computed or refused, but must not crash.
# %%
def my_evaluate(text):
    """The value of an arithmetic expression. ValueError for everything else."""
    if len(text) > 1000:
        raise ValueError("too long")
    operations = {ast.Add: operator.add, ast.Sub: operator.sub}  # some are missing

    def value(node):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in operations:
            return operations[type(node.op)](value(node.left), value(node.right))
        raise ValueError("not allowed")

    return value(ast.parse(text, mode="eval").body)


# %%
good = {"1 + 2": 3, "1 + 2 * 3": 7, "(1 + 2) * 3": 9, "7 / 2": 3.5, "-3 + 1": -2, "2 - -2": 4}
good |= {"2 ** 10": 1024, "2 ** -1": 0.5, "(-2) ** 3": -8, "10 ** 999": 10**999}
bad = ["True + 1", "'a' * 3", "abs(1)", "x", "1 if 1 else 2", "(1).real", "", "1 +", "((1)"]
bad += ["1 / 0", "0 ** -1", "2 ** 0.5", "10 ** 1001", "9 ** 9 ** 7", "(-10) ** 10 ** 6"]
bad += ["0.1 ** -(10 ** 6)", "10 ** 900 * 10 ** 900"]


# %%
def outcome_of(function, text):
    """The value, or the name of the exception; of a long number only that it is long."""
    try:
        came = function(text)
    except Exception as error:
        return "ValueError" if isinstance(error, ValueError) else type(error).__name__
    long = isinstance(came, int) and came.bit_length() > 3320  # 10**999 has 3319
    return "a number of more than 1,000 digits" if long else came


# %%
def judge_evaluate(yours):
    """Sums, then attacks; the text says which went wrong."""
    for text, expected in good.items():
        came = outcome_of(yours, text)
        assert came == expected, f"{text} gave {came}, not {expected}"
    for text in bad:
        came = outcome_of(yours, text)
        assert came == "ValueError", f"{text!r} gave {came}, not a ValueError"
    for text in ("-" * 998 + "1", "(" * 450 + "1" + ")" * 450):
        came = outcome_of(yours, text)
        assert came in (1, "ValueError"), f"{text[:9]}... ({len(text)} characters) gave {came}"
    return "right"


# %%
print(judged(judge_evaluate, my_evaluate))


# %% [markdown] lang="zh"
# **练习 3**　写 `my_calls(text)`：读出 Hermes 回复里的全部调用，每个是 `(工具名, 参数)`；有一个不
# 完整，就整条抛 `ValueError`。`</tool_call>` 可以没有（停止串剪掉了），JSON 却必须完整。编出来的
# `<tool_response>` 以后的一概不看。提示：`json.JSONDecoder().raw_decode(text, place)` 从 `place`
# 起读一个完整的 JSON，返回它和结束的位置，读不成就抛 `ValueError`；它不跳过空白。
# %% [markdown] lang="en"
# **Exercise 3.** Write `my_calls(text)`: all calls of a Hermes reply as pairs of name and
# arguments; a `ValueError` for the whole reply if one of them is not complete. The `</tool_call>`
# may be missing (a stop string has cut it off), but the JSON must be whole. Nothing counts from a
# made-up `<tool_response>` on. A hint: `json.JSONDecoder().raw_decode(text, place)` reads a whole
# piece of JSON that begins at `place`, and returns it with the place where it ends, or raises a
# `ValueError`; it skips no white space.
# %%
def my_calls(text):
    """The calls in a Hermes reply: [(name, arguments), ...]. ValueError if one is broken."""
    found = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.DOTALL)
    return [(json.loads(body)["name"], json.loads(body)["arguments"]) for body in found]


# %%
one = '<tool_call>\n{"name": "climb", "arguments": {"hours": 31, "of": "}</tool_call>"}}\n'
it = ("climb", {"hours": 31, "of": "}</tool_call>"})
call_cases = {"Hello": [], one + "</tool_call>": [it], one: [it]}
call_cases[f"hm {one}</tool_call>\n{one}</tool_call>"] = [it, it]
call_cases[f"{one}</tool_call>\n<tool_response>\nx\n</tool_response>\n{one}"] = [it]


def judge_calls(yours):
    """Replies whose calls are known; one that is cut must be refused, wherever it is cut."""
    for text, expected in call_cases.items():
        came = yours(text)
        assert came == expected, f"{text!r} gave {came}, not {expected}"
    for end in range(len("<tool_call>\n{"), len(one) - 1):
        for text in (one[:end], f"{one}</tool_call>\n{one[:end]}"):
            came = outcome_of(yours, text)
            assert came == "ValueError", f"{text!r} gave {came}, not a ValueError"
    return "right"


# %%
print(judged(judge_calls, my_calls))
# %% [markdown] lang="zh"
# **练习 4**　（没有标准答案）挑一个你自己的函数，写好文档，做成工具，打印它的模式。然后装作模型，
# 只看模式写三次参数：一次对的，一次有笔误的，一次误会了的。退回来的那句话，够不够你改对？不够，就去改文档。
# %% [markdown] lang="en"
# **Exercise 4.** (There is no single right answer.) Take a function of your own, write its
# docstring, make a
# tool of it, and print its schema. Then play the model: from the schema alone, write arguments
# three times, once right, once with a slip, once with a misunderstanding. Does what comes back
# suffice to get it right? If not, mend the docstring.
# %% [markdown] lang="zh"
# ## 检查你自己的代码
#
# 你写的函数可以顶替包里的那个，跑同一批测试；裁判是别人的库、文献里的数、逐个数出来的结果和手写的例子，不是我们的代码。在仓库的根目录里：
#
# ```bash
# python -m tests.exercise parameter_texts > my.py   # 题头：签名和文档，没有函数体；写上你的
# pytest --mine=my.py                                # 用你的顶替我们的，跑它的测试
# python -m tests.exercise --hint parameter_texts    # 卡住了，要一句提示
# ```
#
# 本章的题：
#
# | 写什么 | 是什么 | 多少工夫 |
# | --- | --- | --- |
# | `parameter_texts` | 从文档的 `Args:` 一节读出每个参数的说明 | 几行 |
# | `until_stop` | 流里的停止串；练习 1 问的就是它 | 几行 |
# | `read_calls` | 读 `<tool_call>`：练习 3，再加上第 7 节里的怪写法 | 一下午 |
# | `CallAssembly` | 把流里一片片来的调用拼起来，服务器不守协议也要拼对 | 一下午 |
# | `ArgumentsModel` | 从函数到 JSON 模式，再从模型的参数到函数的参数 | 一下午 |
# | `calculate` | 在语法树上走的计算器：练习 2，再加上函数、比较和大小的界限 | 一个周末 |
#
# 在笔记本里用 `check`。下面这一个把每一行带冒号的都当成新的一条：
# %% [markdown] lang="en"
# ## Check your own code
#
# What you write can stand in the place of the package's own, under the same tests; the judges are other people's
# libraries, published numbers, brute force and examples by hand, not our code. In the root of the repository:
#
# ```bash
# python -m tests.exercise parameter_texts > my.py   # the head: signature and docstring, no body; write yours
# pytest --mine=my.py                                # its tests, with yours in the place of ours
# python -m tests.exercise --hint parameter_texts    # a hint, if you are stuck
# ```
#
# The exercises of this chapter:
#
# | write | what it is | how long |
# | --- | --- | --- |
# | `parameter_texts` | reads what the `Args:` of a docstring say of each parameter | a few lines |
# | `until_stop` | stop strings in a stream; the very thing that exercise 1 asks for | a few lines |
# | `read_calls` | reads `<tool_call>`: exercise 3, and the odd forms of section 7 | an afternoon |
# | `CallAssembly` | puts calls together that come in pieces, from servers that do not keep to the protocol | an afternoon |
# | `ArgumentsModel` | from a function to a JSON Schema, and from a model's arguments to the function's | an afternoon |
# | `calculate` | a calculator that walks a tree: exercise 2, and functions, comparisons and bounds | a weekend |
#
# In a notebook there is `check`. This attempt takes every line with a colon for a new entry:
# %%
from tests.exercise import check


def parameter_texts(function):
    texts, name = {}, None
    section = (inspect.getdoc(function) or "").partition("Args:\n")[2]
    for line in section.partition("\n\n")[0].splitlines():
        if ":" in line:  # an entry, surely?
            name, texts[name] = (part.strip() for part in line.split(":", 1))
        else:
            texts[name] += " " + line.strip()
    return texts


right = check(parameter_texts)
# %% [markdown] lang="zh"
# 第一行是没过的测试；往下是两边不同的地方：一条说明写了三行，第三行里恰好有冒号，于是多出一个谁也没有的参数 `high`，而 `tags` 的类型混进了名字。
# 该看的是缩进，不是冒号。
#
# ## 换上真模型
#
# ```python
# from tiny_agent.backends import OpenAIModel
#
# model = OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")
# for dialect in dialects.values():
#     result = Agent(model, [climb], dialect).run("升天索的轿厢 31 小时后有多高？")
#     print(dialect.name, result.status, result.answer, result.usage)
# ```
#
# 看看同一个模型，用哪一种方言出错少；再把它写坏的回复加进第 7 节的表里。
#
# 代码：[tools.py](../../tiny_agent/tools.py)、[tool_schema.py](../../tiny_agent/tool_schema.py)、
# [calculator.py](../../tiny_agent/calculator.py)、[arithmetic.py](../../tiny_agent/arithmetic.py)、
# [sandbox.py](../../tiny_agent/sandbox.py)、[protocols.py](../../tiny_agent/protocols.py)、
# [react.py](../../tiny_agent/react.py)、[hermes.py](../../tiny_agent/hermes.py)、
# [openai_tools.py](../../tiny_agent/openai_tools.py)、[mcp.py](../../tiny_agent/mcp.py)。
#
# 下一章：[43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb)。
# %% [markdown] lang="en"
# The first line is the test that failed; below it is where the two differ. An entry goes on over
# three lines, and the third
# happens to hold a colon: so there is a parameter `high` that nobody has, and the type of `tags` has got into its name. Look
# at the indentation, not at the colon.
#
# ## With a real model
#
# ```python
# from tiny_agent.backends import OpenAIModel
#
# model = OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")
# for dialect in dialects.values():
#     result = Agent(model, [climb], dialect).run("How high is a Skyhook car after 31 hours?")
#     print(dialect.name, result.status, result.answer, result.usage)
# ```
#
# See in which dialect the same model slips less; and add the replies that it got wrong to the table
# of section 7.
#
# Code: [tools.py](../../tiny_agent/tools.py), [tool_schema.py](../../tiny_agent/tool_schema.py),
# [calculator.py](../../tiny_agent/calculator.py), [arithmetic.py](../../tiny_agent/arithmetic.py),
# [sandbox.py](../../tiny_agent/sandbox.py), [protocols.py](../../tiny_agent/protocols.py),
# [react.py](../../tiny_agent/react.py), [hermes.py](../../tiny_agent/hermes.py),
# [openai_tools.py](../../tiny_agent/openai_tools.py), [mcp.py](../../tiny_agent/mcp.py).
#
# Next: [43 · SOPs, plans, traces and cost](43_sops_plans_traces.ipynb).
