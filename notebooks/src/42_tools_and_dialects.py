# %% [markdown] lang="zh"
# # 42 · 工具、模式与三种方言
#
# [第 41 章](41_react_by_hand.ipynb)把循环搭了起来，有两样东西却是拿来就用的：**工具**和**对话的写法**。这一章
# 把它们拆开。主角是一只断过线的包裹：模型说“我要调用某个函数”，这句话要经过多少道手，才真的变成一次函数
# 调用，又怎样变回模型读得懂的一句话？路上每一站都有人把包裹弄丢过。我们一站一站地走：
#
# 1. 一个 Python 函数，模型怎样才“看得见”？（第 1 节：模式）
# 2. 模型写来的参数有错，改一改、退回去，还是照单全收？（第 2 节）
# 3. 函数崩了、卡住了、吐出十兆字节，怎么办？（第 3 节）
# 4. 计算器为什么不能用 `eval`？运行代码的工具又能信到什么程度？（第 4 节）
# 5. 同一次调用，三种写法：ReAct、Hermes、OpenAI。（第 5、6 节）
# 6. 真实的模型会写出什么？（第 7 节：将近两百条怪回复）
# 7. 回复断在半截，会不会执行一个没写完的调用？（第 8 节：从每一个字符处切断，全试一遍）
# 8. 服务器不理会停止词，怎么办？（第 9 节）
# 9. 别人的工具怎样接进来？（第 10 节：MCP，手写客户端）
#
# **预备知识**：第 41 章。**用时**：全部运行不到一分钟，不联网，也不需要模型。与上一章一样，模型的话是写好
# 的台词；被测的是工具和解析器，不是模型。
#
# 上一章：[41 · 亲手写 ReAct](41_react_by_hand.ipynb)。
# %% [markdown] lang="en"
# # 42 · Tools, schemas and three dialects
#
# [Chapter 41](41_react_by_hand.ipynb) has built the loop, but taken two things for granted: the
# **tools**, and the **way a call is written**. This chapter takes both apart. Follow a parcel: a
# model says "I want that function called". Through how many hands does this pass until a function is
# really called, and how does the result become something that the model can read? At each station
# somebody has lost the parcel before. We go from one to the next:
#
# 1. How does a model come to "see" a Python function? (section 1: schemas)
# 2. The arguments that it writes are not quite right. Mend, send back, or take as they are? (section 2)
# 3. The function crashes, hangs, or returns ten megabytes. (section 3)
# 4. Why may a calculator not use `eval`, and how far can a tool that runs code be trusted? (section 4)
# 5. One call, three ways to write it: ReAct, Hermes, OpenAI. (sections 5 and 6)
# 6. What do real models write? (section 7: nearly two hundred odd replies)
# 7. A reply breaks off. Is a call run that was not finished? (section 8: cut at every character)
# 8. The server ignores stop strings. (section 9)
# 9. How do other people's tools come in? (section 10: MCP, with a client by hand)
#
# **You need**: chapter 41. **Time**: all of it runs in under a minute; no network, and no model. As in
# the last chapter, what the model says was written by us: on trial are tools and parsers, not models.
#
# Previous: [41 · ReAct, by hand](41_react_by_hand.ipynb).
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import dataclasses
import inspect
import json
import re
import tempfile
import textwrap
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

# %%
from tests.tiny_agent import replies
from tiny_agent import tool_schema
from tiny_agent.agent import Agent
from tiny_agent.builtin_tools import make_tools
from tiny_agent.hermes import HermesToolCall
from tiny_agent.messages import FinalAnswer, ParseError, Reply, ToolCall
from tiny_agent.models import ScriptedModel, estimate_usage, until_stop
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.react import ReActText
from tiny_agent.tools import ToolRegistry, tool

# %% [markdown] lang="zh"
# 整条路是这样的，箭头旁边是各节的号码：
# %% [markdown] lang="en"
# The whole way, with the sections beside the arrows:
# %%
boxes = {"function": (0, 1), "schema": (2.6, 1), "prompt": (5.2, 1), "model": (7.8, 1)}
boxes |= {"reply": (7.8, 0), "call": (5.2, 0), "arguments": (2.6, 0), "result": (0, 0)}
arrows = [("function", "schema", "1"), ("schema", "prompt", "5"), ("prompt", "model", "9")]
arrows += [("model", "reply", "9"), ("reply", "call", "5-8"), ("call", "arguments", "2")]
arrows += [("arguments", "result", "3, 4"), ("result", "prompt", "5")]
fig, ax = figures.canvas(height=1.9)
ax = figures.diagram(ax, boxes, arrows, size=(1.7, 0.46), colors={"model": figures.ROSE})


# %% [markdown] lang="zh"
# ## 1 函数还不是工具
#
# **问题**　模型只读文字。一个 Python 函数，要告诉它什么，它才用得对？
#
# **想法**　三样：叫什么、做什么、收什么。头两样是函数名和文档字符串；第三样要写得让机器也能检查，业界用
# 的是 **JSON Schema（JSON 模式）**：一段描述“合格的 JSON 长什么样”的 JSON。好在写得规矩的函数已经把这三样都说全
# 了：参数有类型标注，文档里有 `Args:`。`@tool` 只是把它们抄出来。
# %% [markdown] lang="en"
# ## 1 A function is not yet a tool
#
# **Question.** A model reads text. What has to be said of a Python function, so that it is used rightly?
#
# **Idea.** Three things: its name, what it does, what it takes. The first two are the function's name and
# docstring. The third should be written so that a machine can check it too, and the field writes it as
# a **JSON Schema**: JSON that says what valid JSON looks like. A well-kept function has said all three
# already: its parameters have types, its docstring has `Args:`. `@tool` only reads them off.
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
print(json.dumps(climb.to_openai(), indent=1))
# %% [markdown] lang="zh"
# 对照着看：`float` 成了 `number`，`Literal` 成了 `enum`，`list[str] | None` 成了 `anyOf`，没有默认值的进
# 了 `required`。`additionalProperties: false` 的意思是“不认识的参数一律不收”，第 2 节要用到。
#
# 中间的活是 pydantic 干的：把参数凑成一个 `TypedDict`（键有类型的字典），它的模式就是工具的模式。关键的几行：
# %% [markdown] lang="en"
# Side by side: `float` has become `number`, `Literal` an `enum`, `list[str] | None` an `anyOf`, and
# what has no default is in `required`. `additionalProperties: false` says "no argument that is not listed
# here"; section 2 needs it.
#
# The work in between is pydantic's: the parameters become a `TypedDict`, a dictionary whose keys have
# types, and its schema is the tool's schema. The lines that matter:
# %%
print(inspect.getsource(tool_schema._arguments_type))
# %% [markdown] lang="zh"
# **核对**　两个不是我们写的裁判：`jsonschema` 库按标准检查这份模式；`openai` 的官方客户端自带一个从类生成工
# 具描述的函数，同样的参数，它写的与我们的应当一样（标题和 `strict` 除外）。
# %% [markdown] lang="en"
# **Check.** Two judges that we did not write: the library `jsonschema` checks the schema against the
# standard; and OpenAI's own client can describe a tool, made from a class. For the same parameters it
# should write what we write (titles and `strict` aside).
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
def without_titles(value):
    """A schema without its titles, and without the wish for strictness."""
    if not isinstance(value, dict):
        return value
    return {k: without_titles(v) for k, v in value.items() if k not in ("title", "strict")}


theirs = json.loads(json.dumps(openai.pydantic_function_tool(lift)))
theirs["function"]["parameters"].pop("description", None)  # it says so twice
Draft202012Validator.check_schema(climb.parameters)
assert without_titles(our_lift.to_openai()) == without_titles(theirs)
print("our description equals the official client's")


# %% [markdown] lang="zh"
# 写不出模式的函数，在**装饰的时候**就被拒绝，而不是等到模型调用的那一天：
# %% [markdown] lang="en"
# A function that has no schema is refused **when it is decorated**, not on the day that a model calls it:
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
# **问题**　模型写来的参数常常差那么一点：数字写成了字符串，多了一个没听说过的参数，少了一个必填的。哪些
# 该改，哪些该退？
#
# **想法**　分清**笔误**和**误会**。`"31"` 只能是 31，照着类型改过来不会改错意思；可是一个不认识的参数名，说
# 明它想的和我们做的不是一回事，悄悄扔掉，结果就会文不对题，而且谁也不知道。退回时要说清三件事：哪里不对、
# 写的是什么、认得的有哪些。模型读了这句话才有得改。
# %% [markdown] lang="en"
# ## 2 Take it, mend it, or send it back
#
# **Question.** Arguments are often a little off: a number written as a text, an argument that nobody
# has heard of, one missing that is required. Which are to be mended, and which sent back?
#
# **Idea.** Tell a **slip** from a **misunderstanding**. `"31"` can only be 31; to mend it by its type cannot
# change what was meant. An unknown name, however, shows that the model has something else in mind than
# we do. Dropped silently, it makes an answer to another question, and nobody knows. What is sent back
# says three things: where it is wrong, what stood there, and what is known. From that the model can
# do better.
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
    {"hours": 31, "stops": "Halfway"},
]
results = [registry.run(ToolCall("climb", arguments)) for arguments in attempts]
for arguments, result in zip(attempts, results, strict=True):
    print(f"{arguments}\n{textwrap.indent(textwrap.fill(result.content, 90), '    ')}")
# %%
assert [result.is_error for result in results] == [False, False] + [True] * 6
assert results[0].content == results[1].content == json.dumps({"km": 22773}).replace(" ", "")
assert "'unit'" in results[5].content
assert "hours, of, stops" in results[5].content  # what it knows
# %% [markdown] lang="zh"
# 工具名写错也一样：告诉它最像的那个，再列出全部。只差大小写的，直接认下。
# %% [markdown] lang="en"
# A wrong name of a tool fares the same: it is told the nearest, and all of them. Where only the case
# differs, the tool is run.
# %%
for name in ("climbs", "Climb", "elevator"):
    print(name, "->", registry.run(ToolCall(name, {"hours": 1})).content)


# %% [markdown] lang="zh"
# ## 3 工具里出的任何事，都是一条观察
#
# **问题**　工具是别人写的程序，会抛异常，会卡死，会返回一张图片的字节。智能体能跟着一起垮吗？
#
# **想法**　不能。从模型那边看，只有一种东西会回来：一段文字。所以 `ToolRegistry.run` 从不抛异常，一切都变成
# `ToolResult`。卡死的用一条线程隔开，到时间就不等了（Python 没法从外面杀掉一条线程，它会在后台继续跑；要
# 真的能杀，就得像第 4 节的 `python` 工具那样另开进程）。太长的留下头和尾，中间注明少了多少：只留头，结论
# 往往正好在丢掉的尾巴里。
# %% [markdown] lang="en"
# ## 3 Whatever happens in a tool is an observation
#
# **Question.** A tool is somebody's program. It raises, it hangs, it returns the bytes of a picture. May
# the agent go down with it?
#
# **Idea.** No. Seen from the model, only one kind of thing comes back: a text. So `ToolRegistry.run`
# never raises; everything becomes a `ToolResult`. What hangs runs in a thread, which after some time is
# no longer waited for. (Python cannot end a thread from outside: it goes on in the background. To
# really end it takes a process, as the tool `python` of section 4 does.) What is too long keeps its
# beginning and its end, with a note of how much is missing; the conclusion is often at the end.
# %%
release = threading.Event()


@tool(timeout_s=0.1, max_chars=90)
def trouble(kind: Literal["raise", "exit", "hang", "flood", "bytes", "nothing", "data"]) -> object:
    """Get into trouble."""
    if kind == "raise":
        return [1, 2][5]
    if kind == "exit":
        raise SystemExit(1)
    if kind == "hang":
        release.wait(20)
    flood = "beginning " + "." * 10_000_000 + " the end"
    return {"flood": flood, "bytes": b"\x89PNG", "data": {"深度": [1, None]}}.get(kind)


# %%
kinds = ["raise", "exit", "hang", "flood", "bytes", "nothing", "data"]
observed = {k: ToolRegistry([trouble]).run(ToolCall("trouble", {"kind": k})) for k in kinds}
release.set()
for kind, result in observed.items():
    print(f"{kind:8} {result.content!r}")
assert [kind for kind, result in observed.items() if result.is_error] == kinds[:3]


# %% [markdown] lang="zh"
# ## 4 计算器，和一个可以运行任何东西的工具
#
# **问题**　教程里的计算器多半只有一行：`eval(expression)`。错在哪里？
#
# **想法**　`eval` 不是计算器，是整个 Python。模型写什么它就跑什么，而模型写什么，往往取决于它刚刚读到的
# 网页。就算没人使坏，`9**9**9` 也足以让内存耗尽。换一条路：把式子解析成**语法树**，只走认识的几种节点，别
# 的一概不认；乘方、阶乘这些能让数字爆炸的，**先估大小，再动手**。
# %% [markdown] lang="en"
# ## 4 A calculator, and a tool that can run anything
#
# **Question.** The calculator of most tutorials is one line: `eval(expression)`. What is wrong with it?
#
# **Idea.** `eval` is not a calculator, it is all of Python. It runs whatever the model writes, and what
# a model writes depends on the web page that it has just read. Without any malice, `9**9**9` takes all
# the memory there is. The other way: parse the expression into a **syntax tree**, walk over the few
# kinds of node that are known, and refuse all others; and where numbers can explode, in powers and
# factorials, **work out the size before the value**.
# %%
tools = ToolRegistry(make_tools("calculator,search,unit_convert,python"))
sums = ["0.1 + 0.2", "840 × 12.5%", "３８２００ ÷ 52 × 31", "max(1,234) + 1,234", "√2", "5!"]
hostile = ["9**9**9", "1 << 10**10", "factorial(10**9)", "(" * 900 + ")" * 900, "2**0.5**-9999"]
hostile += ["__import__('os').getcwd()", "(1).__class__", "'a' * 10**9", "[0, 1] * 10**9", "1/0"]
hostile += ["lambda: 1", "[x for x in (1,)]", "f'{1}'", "1e308 * 10**4000", "9" * 5000, "(-1)**0.5"]
for expression in sums + hostile:
    said = tools.run(ToolCall("calculator", {"expression": expression}))
    shown = expression if len(expression) < 30 else expression[:12] + f"... ({len(expression)})"
    print(f"{shown:30} {textwrap.shorten(said.content, 100)}")
    assert said.is_error == (expression in hostile), expression
# %% [markdown] lang="zh"
# 顺带看看前几行：`0.1 + 0.2` 就是 0.3（内部用分数，能精确就精确），全角数字和 `×÷` 都认，`1,234` 是一个数，
# 而函数括号里的逗号还是分隔符。每一条恶意输入都立刻得到回答（测试里的上限是每条 0.5 秒）。
#
# **运行代码的工具**是另一回事：它的用处恰恰在于什么都能跑。我们给它套上能套的约束：另一个进程、空的环境
# 变量、临时文件夹，内存、时间、文件大小、输出都有上限，超时连它生的子进程一起结束。但话要说清楚：**这不是安全
# 边界**。它照样能读这台机器上的文件，照样能上网。所以它默认要**人点头**才能跑：
# %% [markdown] lang="en"
# Note the first lines in passing: `0.1 + 0.2` is 0.3 (fractions inside, exact as long as it can be),
# full-width digits and `×÷` are read, `1,234` is one number, and between the parentheses of a
# function a comma still separates. Each hostile line is answered at once (tests allow 0.5 s for each).
#
# **A tool that runs code** is another matter: its use is that it runs anything. It gets what can be had of
# constraints: a process of its own, an empty environment, a temporary folder, limits on memory, time,
# files and output, and at the end of its time all its children end with it. But plainly: **this is
# no security boundary**. It can still read this machine's files and use its network. So, unless told
# otherwise, it runs only when **a human nods**:
# %%
code = "import os\nprint(sorted(os.environ), os.listdir())\nsum(n * n for n in range(1000))"
wish = f"Thought: count.\nAction: python\nAction Input: {json.dumps({'code': code})}"
for confirm in (None, lambda call: True):
    model = ScriptedModel([wish, "Final Answer: done"])
    step = Agent(model, tools, confirm=confirm).run("Sum the squares below 1000.").steps[0]
    print(step.results[0].content, end="\n\n")
assert "332833500" in step.results[0].content


# %% [markdown] lang="zh"
# ## 5 一次调用，三种写法
#
# **问题**　同一个意思，“用 31 小时去调 `climb`”，不同的模型写法不同。程序要不要写三遍？
#
# **想法**　对话只存一份，**不带方言**；要发给模型时再翻译成它的写法，收到回复再翻译回来。翻译的人就是“方
# 言”对象，只有三件事：`render`（对话 → 模型读的）、`parse`（回复 → 决定）、`format_observation`（结果 → 消息）。
#
# | 方言 | 调用写在哪里 | 谁在用 |
# | --- | --- | --- |
# | `ReActText` | `Action:` 和 `Action Input:` 两行字 | 任何会写字的模型 |
# | `HermesToolCall` | `<tool_call>` 标签里的 JSON | Hermes、Qwen2.5 等按它训练过的模型 |
# | `OpenAITools` | 服务器回复里单独的字段 | OpenAI 协议的服务（服务器替你做了翻译） |
#
# 看同一段对话在三种方言里的样子：问题，一次调用，一个结果。
# %% [markdown] lang="en"
# ## 5 One call, three ways to write it
#
# **Question.** "Call `climb` with 31 hours" is written differently by different models. Must the program be
# written three times?
#
# **Idea.** Keep one conversation, **free of any dialect**; translate when it is sent to the model, and
# translate the reply back. The translator is a dialect object, and it does three things: `render`
# (conversation to what the model reads), `parse` (reply to decision), `format_observation` (result to
# message).
#
# | dialect | where a call is written | who uses it |
# | --- | --- | --- |
# | `ReActText` | two lines, `Action:` and `Action Input:` | any model that writes text |
# | `HermesToolCall` | JSON between `<tool_call>` tags | Hermes, Qwen2.5, others trained on it |
# | `OpenAITools` | a field of its own in the server's reply | servers of the OpenAI protocol, which translate for you |
#
# Here is one conversation in all three: a question, a call, a result.
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
    print(f"=== {name}: {len(prompt.tools)} tools beside it, stop at {prompt.stop}")
    for message in prompt.messages[-2:]:
        print(f"[{message['role']}] {message['content']}", message.get("tool_calls", ""))
# %% [markdown] lang="zh"
# 前两种方言把工具说明写进系统消息，第三种随请求另送。Hermes 那段开头与 Qwen2.5 自己的对话模板写的一字不差：
# 那些模型就是读着这段话训练出来的，换个说法，它们反而生疏。
# %% [markdown] lang="en"
# The first two dialects describe the tools in the system message, the third beside it, in the request. What
# Hermes begins with is word for word what the chat template of Qwen2.5 writes: such models were
# trained on these very words, and are less at home in others.
# %%
print(dialects["hermes"].render(conversation, registry).messages[0]["content"][:420])
# %% [markdown] lang="zh"
# **花销**　说明书每一步都要重读一遍，所以工具多了很费词元。横轴是工具的个数，纵轴是第一步的提示词有多少词元
# （按 `count_tokens` 估算，OpenAI 的工具描述按其 JSON 计；各家服务器内部的写法不同，实数以它报的为准）：
# %% [markdown] lang="en"
# **Cost.** The manual is read again at each step, so many tools cost many tokens. Along the axis the number
# of tools, upwards the tokens of the first prompt (estimated by `count_tokens`; for OpenAI the JSON of
# the descriptions is counted, while servers write them in ways of their own, and report the true number):
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
assert cost["react"][-1] < cost["hermes"][-1]


# %% [markdown] lang="zh"
# 工具到了三个以上，ReAct 的说明书最省，因为它把 JSON 模式改写成了人话；另两种原样送出模式。
#
# ## 6 同一件差事，三种方言
#
# **问题**　换了方言，循环要改吗？
#
# **想法**　不用。下面三位替身各说各的话，做的是同一件事。跑完之后比较存下来的**对话**：除了编号，应当一模一
# 样。
# %% [markdown] lang="en"
# From three tools on ReAct's manual is the cheapest: it puts the schema into words, where the others send it
# as it is.
#
# ## 6 One errand, three dialects
#
# **Question.** Does the loop change with the dialect?
#
# **Idea.** No. Three stand-ins, each in its own tongue, do the same. Afterwards we compare the
# **conversations** that were kept: but for the numbers of the calls, they should be the same.
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
    text = json.dumps(result.messages)
    kept[name] = text.replace("from-server", "call_0")
    print(f"{name:7} {result.status}: {result.answer}  ({result.usage.total_tokens} tokens)")
assert kept["react"] == kept["hermes"] == kept["openai"]


# %% [markdown] lang="zh"
# 于是对话可以中途换模型、换方言，接着聊。还有一个不那么显眼的好处：模型写得再潦草，回头读到的自己都是**工
# 整**的写法。语言模型爱学上文的样子，读到工整的，接下来写得也会更工整。
#
# ## 7 真实的模型会写什么
#
# **问题**　提示词里写了格式，模型就会照办吗？
#
# **想法**　去看看别人的求助帖。LangChain、Dify、vLLM 等项目的用户报告过的症状，我们按各自的样子重写了一遍，收
# 在 `tests/tiny_agent/replies.py`：每条是一段回复、它是什么毛病、应当读成什么。挑几条看看：
# %% [markdown] lang="en"
# So a conversation can change its model and its dialect midway, and go on. There is a quieter gain:
# however sloppily the model writes, what it reads of itself is **tidy**. Language models take after
# what they read, and so the next call tends to be tidier.
#
# ## 7 What real models write
#
# **Question.** The prompt gives the form. Do models keep to it?
#
# **Idea.** Read other people's cries for help. The symptoms that users of LangChain, Dify, vLLM and others
# have reported were written anew by us, and stand in `tests/tiny_agent/replies.py`: a reply, what is
# odd about it, and what has to be made of it. A few of them:
# %%
def read(dialect, reply):
    """What the dialect makes of a reply, on one line."""
    return replies.shown(replies.outcome(dialects[dialect].parse(reply, replies.TOOLS)))


for dialect, rows in replies.REPLIES.items():
    print(f"=== {dialect}: {len(rows)} replies")
    for row in rows[2 :: max(1, len(rows) // 7)]:
        print(f"{row.note}\n    {row.reply.text[:90]!r}")
        print("    " + textwrap.shorten(read(dialect, row.reply), 96))


# %% [markdown] lang="zh"
# 每条都按表里写的读对了吗？同一批回复，上一章第 4 步的那个小解析器能读对多少？
# %% [markdown] lang="en"
# Are all of them read as the table says? And how many does the small parser of chapter 41, step 4, read
# rightly?
# %%
def right(expected, decision):
    """Whether a decision is the expected one."""
    found = replies.outcome(decision)
    if isinstance(expected, replies.Error):
        return isinstance(found, replies.Error) and expected.part in found.part
    return found == expected


score = {}
for dialect, rows in replies.REPLIES.items():
    made = [dialects[dialect].parse(row.reply, replies.TOOLS) for row in rows]
    score[dialect] = sum(right(row.expected, m) for row, m in zip(rows, made, strict=True))
    print(f"{dialect}: {score[dialect]} of {len(rows)}")
    assert score[dialect] == len(rows)


# %%
def small_parse(text):
    """The parser of chapter 41, step 4, with its crashes caught."""
    try:
        if "Final Answer:" in text:
            return FinalAnswer(text.split("Final Answer:")[1].strip())
        name = re.search(r"Action: *(.*)", text)[1]
        return [ToolCall(name, json.loads(re.search(r"Action Input: *(.*)", text, re.DOTALL)[1]))]
    except (TypeError, ValueError) as error:
        return ParseError(f"crash: {error}")


# %%
fates = Counter()
for row in replies.REPLIES["react"]:
    found = small_parse(row.reply.text)
    crash = isinstance(found, ParseError)
    fates["right" if right(row.expected, found) else "crash" if crash else "wrong"] += 1
fig, ax = figures.canvas(height=1.5)
order = ["right", "crash", "wrong"]
colors = [figures.GREEN, figures.GREY, figures.ROSE]
bars = figures.bars(
    ax, order, [fates[f] for f in order], horizontal=True, form=".0f", colors=colors
)
assert fates["wrong"] > 0


# %% [markdown] lang="zh"
# 最要紧的是红色那一条：**读出来了，却是错的**。崩溃看得见，读错了没人知道：执行的是模型没要的调用，或者把半句
# 话当成了答案。规矩可以归结成一句：**拿得准的错，收下并改好；拿不准的，退回去问，绝不猜。**
#
# ## 8 从每一个字符处切断
#
# **问题**　词元上限到了，回复会断在半截。会不会有某一处断口，让半个调用看起来像一个完整的、意思却不同的调
# 用？比如 `{"hours": 31` 断在 `3` 后面。
#
# **想法**　不用想，全试一遍。把三段正确的回复从每一个字符处切断，看各读成什么；服务器说不说“是我切断的”，也各试一
# 遍。
# %% [markdown] lang="en"
# The red bar matters most: **read, and read wrongly**. A crash is seen. A wrong reading is not: a call is run
# that the model did not ask for, or half a sentence passes for the answer. The rule comes down to this:
# **a slip that leaves no doubt is mended; where there is doubt, the model is asked again, and nothing
# is guessed.**
#
# ## 8 Cut at every character
#
# **Question.** At the limit of tokens a reply breaks off. Is there a place where half a call looks like a
# whole one that means something else? `{"hours": 31`, say, cut behind the `3`.
#
# **Idea.** No need to think: try them all. Three good replies, cut at every character, and each piece read; with
# a server that says that it cut the reply off, and with one that hides it.
# %%
def fate(dialect, reply):
    """What becomes of a reply: 0 an answer, 1 a correction, 2 the right call, 3 another call."""
    decision = dialects[dialect].parse(reply, registry)
    if isinstance(decision, FinalAnswer):
        return 0
    if isinstance(decision, ParseError):
        return 1
    return 2 if [made.arguments for made in decision] == [arguments] else 3


texts = {name: scripts[name][0] for name in ("react", "hermes")}
fates = {}
for name, text in texts.items():
    for row, reason in ((name, "length"), (f"{name}, reason hidden", "stop")):
        pieces = [Reply(text[:end], finish_reason=reason) for end in range(len(text) + 1)]
        fates[row] = [fate(name, piece) for piece in pieces]
# %%
whole = json.dumps(arguments)
calls = [
    {**wire, "function": {"name": "climb", "arguments": whole[:end]}}
    for end in range(len(whole) + 1)
]
fates["openai"] = [fate("openai", Reply(thought, (cut,), finish_reason="length")) for cut in calls]
for name, found in fates.items():
    counted = Counter(["answer", "correction", "right call", "other call"][f] for f in found)
    print(name, dict(counted))
# %%
from matplotlib.colors import ListedColormap

strips = np.full((len(fates), max(map(len, fates.values()))), np.nan)
for row, found in enumerate(fates.values()):
    strips[row, : len(found)] = found
scheme = ListedColormap([figures.YELLOW, figures.GREY, figures.GREEN, figures.ROSE])
fig, ax = figures.canvas(height=2.2)
image = ax.imshow(strips, cmap=scheme, vmin=-0.5, vmax=3.5, aspect="auto")
ax.set(yticks=range(len(fates)), xlabel="characters of the reply that came")
ax.set_yticklabels(fates)
ax.grid(visible=False)
bar = fig.colorbar(image, ticks=range(4), pad=0.02)
bar.set_ticklabels(["answer", "correction", "right call", "other call"])
# %%
told = [name for name in fates if "hidden" not in name]
assert all(3 not in fates[name] for name in told)
assert fates["react"].index(2) == texts["react"].index("}") + 1
assert all(0 not in found for name, found in fates.items() if "react" in name)
for end, found in enumerate(fates["react, reason hidden"]):
    if found == 3:
        made = dialects["react"].parse(Reply(texts["react"][:end]), registry)[0]
        print(repr(made.name), "->", registry.run(made).content)
        assert registry.find(made.name) is None
# %% [markdown] lang="zh"
# 服务器说了“是我切断的”（`finish_reason` 为 `length`）的那三行，没有一格是红的：**没写完的调用，从来没有变成另一
# 个调用**。靠的是一条简单的规矩：JSON 对象必须读到它自己的右花括号，缺了就是错，不替它补。（有些框架会“修复”断掉
# 的 JSON，补上引号和括号。补出来的不是模型的意思。）
#
# 有的服务器隐瞒断口，一概报 `stop`。这时红了四格，上面印出了是哪四格：工具名断在半截，成了一个不存在的工具。它
# 什么也没执行，只换回一句“你是不是要找 `climb`”。
#
# 黄色要留神。Hermes 里没有标签的文字就是答案，所以一段话断在 `<tool_call>` 之前，看上去就像一个答案；ReAct
# 要求写出 `Final Answer:`，断在半路只会被退回。代价是啰嗦一点，换来的是分得清“说完了”和“没说完”。
#
# ## 9 停止词，自己也要管
#
# **问题**　我们请服务器遇到 `\nObservation` 就停。有的服务器不理会；有的把这个词切成两块送来：`\nObserv` 和
# `ation:`。逐块检查，就会漏过去。
#
# **想法**　自己也查。可能是停止词开头的那几个字符先**扣住**，等下一块来了再决定放不放。
# %% [markdown] lang="en"
# In the three rows where the server says that it cut the reply off (a `finish_reason` of `length`), nothing is
# red: **a call that was not finished has never become another call**. That rests on one plain rule: a JSON
# object must be read up to its own closing brace, and where that is missing it is an error, and never
# completed by us. (Some frameworks "repair" broken JSON by adding quotes and braces. What comes out is
# not what the model meant.)
#
# Some servers hide the cut and always say `stop`. Then four cells are red, and the lines above show which:
# the name of the tool was cut, and there is no such tool. Nothing was run; it only earned the question
# whether `climb` was meant.
#
# Mind the yellow. In Hermes, text without a tag is the answer, so a reply that breaks off before
# `<tool_call>` looks like one; ReAct wants `Final Answer:`, and half of anything is sent back. It is more to
# write, and in return "done" and "broken off" can be told apart.
#
# ## 9 Stop strings are ours to enforce, too
#
# **Question.** The server is asked to stop at `\nObservation`. Some do not; some send the word in two
# pieces, `\nObserv` and `ation:`, and whoever looks at each piece alone misses it.
#
# **Idea.** Look for it here as well. What may be the beginning of a stop string is **held back** until the
# next piece tells.
# %%
print(inspect.getsource(until_stop))
# %%
pieces = ["Action: climb", "\nObserv", "ation: 99 km", "\nFinal Answer: 99"]
naive = "".join(piece.split("\nObservation")[0] for piece in pieces)
print(repr(naive))
print(list(until_stop(pieces, ["\nObservation"])))
# %% [markdown] lang="zh"
# **核对**　一段文字，随便怎样切块，停下的地方都应当一样。把一段四十来个字符的回复切成三块（有的可以是空的），所有切法都试一遍：
# %% [markdown] lang="en"
# **Check.** However a text is cut into pieces, it should stop at the same place. All ways to cut a reply of some
# forty characters into three pieces, empty ones too:
# %%
text, stop = "Action: climb\nObservation: 99\nFinal: 99 km", ["\nObservation", "\nFinal"]
tried = 0
for first in range(len(text) + 1):
    for second in range(first, len(text) + 1):
        pieces = [text[a:b] for a, b in pairwise([0, first, second, len(text)])]
        assert "".join(until_stop(pieces, stop)) == "Action: climb"
        tried += 1
print(f"{tried} ways to cut {len(text)} characters, one result")


# %% [markdown] lang="zh"
# ## 10 别人的工具：MCP
#
# **问题**　工具在别人的程序里，也许还是别的语言写的。每接一个都写一段胶水吗？
#
# **想法**　约定一个协议。**MCP（Model Context Protocol，模型上下文协议）** 让提供工具的程序当服务器，智能体当客户
# 端，两边各写一行一行的 JSON（JSON-RPC 2.0）：先打招呼定版本，再问“你有什么工具”，然后“请调用这一个”。最
# 常见的传法就是子进程的标准输入和输出。
#
# 我们先写一个最小的服务器，只用标准库，看清楚线上走的是什么：
# %% [markdown] lang="en"
# ## 10 Other people's tools: MCP
#
# **Question.** The tools are in somebody else's program, in another language perhaps. Glue code for each?
#
# **Idea.** Agree on a protocol. In **MCP, the Model Context Protocol**, the program with the tools is the
# server and the agent the client, and both write JSON, one message a line (JSON-RPC 2.0): a greeting that
# settles the version, then "what tools have you got?", then "call this one, please". Most often it
# travels over the standard input and output of a child process.
#
# First the smallest server, with the standard library alone, to see what is on the wire:
# %%
SERVER = """
import json, sys
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TIDE = {"name": "tide", "description": "When the tide is high.", "inputSchema": SCHEMA}
for line in sys.stdin:
    message = json.loads(line)
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        info = {"serverInfo": {"name": "tides", "version": "1"}, "capabilities": {"tools": {}}}
        result = {"protocolVersion": params["protocolVersion"], **info}
    elif method == "tools/list":
        result = {"tools": [TIDE]}
"""
# %%
SERVER += """
    elif method == "tools/call":
        city = params["arguments"]["city"]
        if city == "Crash":
            sys.exit("the harbour is gone")
        known = city == "Oshavel"
        text = "high at 7 and 19" if known else f"no tide table of {city}"
        result = {"content": [{"type": "text", "text": text}], "isError": not known}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""
# %%
from tiny_agent.mcp import MCPClient


def shown(line):
    print(textwrap.shorten(line, 112, placeholder=" ..."))


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "tides.py")
    path.write_text(SERVER, encoding="utf-8")
    with MCPClient([sys.executable, str(path)], watch=shown) as client:
        tide = client.tools(prefix="harbour_")[0]
        abroad = ToolRegistry([climb, tide])
        print(abroad.run(ToolCall(tide.name, {"city": "Oshavel"})).content)
        print(abroad.run(ToolCall(tide.name, {"city": "Hesk"})).content)
# %% [markdown] lang="zh"
# `->` 是我们发的，`<-` 是收到的。三问三答，外加一条不用回的通知。两处要分清：协议层的错（没这个方法、格式不
# 对）走 JSON-RPC 的 `error`；工具自己的错（没有这个城市）是一次**成功的调用**，只是结果上标着 `isError`，因为它要给
# 模型读。
#
# 接进来的工具与自家的用法一样，只有一点不同：**默认要人批准**。服务器可以自称“只读”，可那只是它自己说的。
# %% [markdown] lang="en"
# `->` is what we send, `<-` what comes: three questions with answers, and a notification, which gets none.
# Two kinds of error are to be told apart: one of the protocol (no such method, bad form) is a JSON-RPC
# `error`; one of the tool (no such city) is a **successful call** whose result says `isError`, for it
# is meant for the model to read.
#
# Such tools are used like our own, but for one thing: **unless told otherwise, a human has to approve**. A
# server may call its tool read-only, but that is only its word.
# %%
print(tide.name, tide.description, tide.needs_approval)
print(tide.parameters)
assert tide.needs_approval
# %% [markdown] lang="zh"
# 服务器半路死掉呢？它的错误输出里往往就有原因，所以客户端一直留着最后几行：
# %% [markdown] lang="en"
# And a server that dies on the way? Its stderr mostly says why, so the client always keeps the last lines:
# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "tides.py")
    path.write_text(SERVER, encoding="utf-8")
    with MCPClient([sys.executable, str(path)]) as client:
        abroad = ToolRegistry(client.tools())
        content = abroad.run(ToolCall("tide", {"city": "Crash"})).content
        print(
            textwrap.fill(content.replace(str(path), "tides.py").replace(sys.executable, "python"))
        )
assert "the harbour is gone" in content


# %% [markdown] lang="zh"
# 客户端全文约三百行，在 [mcp.py](../../tiny_agent/mcp.py)；测试里，它对着官方 SDK 写的服务器跑，也对着一个什么坏
# 事都做的服务器跑（中途崩溃、垃圾行、错号、永不回答、灌满错误输出）。
#
# ## 教程常常错在哪里
#
# | 常见写法 | 后果 | 这里 |
# | --- | --- | --- |
# | 工具描述手抄一份，与函数分开 | 函数改了，描述没改 | 从签名和文档生成 |
# | 不认识的参数悄悄扔掉 | 答非所问，没人知道 | 退回，列出认得的 |
# | `eval` 当计算器 | 任意代码、内存耗尽 | 语法树白名单，先估大小 |
# | 正则取出 JSON，失败就“修” | 执行没写完的调用 | 只认完整的对象 |
# | 只靠服务器停 | 模型替工具编结果 | 本地也停 |
# | 工具抛异常，循环一起崩 | 一个 404 毁掉整趟任务 | 一切都是观察 |
#
# ## 练习
#
# 每题写完就运行下一格，它会判对错。
#
# **练习 1**　写 `my_until_stop(pieces, stop)`：把各块接起来，停在最先**完整出现**的停止词之前。不许先把所有块攒齐再切
# （流要边来边放），但允许扣住最后几个字符。
# %% [markdown] lang="en"
# All of the client is some three hundred lines, in [mcp.py](../../tiny_agent/mcp.py). Tests run it against a
# server written with the official SDK, and against one that does everything wrong: crashes midway,
# garbage, wrong ids, never an answer, a flood on stderr.
#
# ## Where the tutorials go wrong
#
# | often written | what comes of it | here |
# | --- | --- | --- |
# | a tool's description copied by hand | the function changes, the text does not | made from signature and docstring |
# | unknown arguments are dropped | an answer to another question, unnoticed | sent back with the known ones |
# | `eval` for a calculator | any code, all memory | a list of allowed nodes, sizes first |
# | JSON cut out by a regex, "repaired" on failure | unfinished calls are run | whole objects only |
# | the server alone stops | the model writes the tool's results | stopped here, too |
# | a tool's exception ends the loop | one 404 ruins the errand | everything is an observation |
#
# ## Exercises
#
# Write, then run the cell below it, which judges.
#
# **Exercise 1.** Write `my_until_stop(pieces, stop)`: the pieces joined, up to the stop string that is **complete
# first**. Not by collecting everything and cutting at the end (a stream is passed on as it comes); but the
# last few characters may be held back.
# %%
def my_until_stop(pieces, stop):
    """Yield the pieces of a text up to its first stop string."""
    for piece in pieces:  # looks at each piece alone: not enough
        for word in stop:
            piece = piece.split(word)[0]
        yield piece


# %%
stop_cases = [("ab\nStop now", ["\nStop"], "ab"), ("aaab", ["aab"], "a")]
stop_cases += [("abcd", ["bcd", "c"], "ab"), ("\nSto", ["\nStop"], "\nSto")]


def judge_until_stop(yours):
    """Tries all ways to cut some texts in two; says what came and what should have come."""
    for text, stop, expected in stop_cases:
        for cut in range(len(text) + 1):
            came = "".join(yours(iter([text[:cut], text[cut:]]), stop))
            assert came == expected, f"{[text[:cut], text[cut:]]} gave {came!r}, not {expected!r}"
    stream = iter(["x" * 50, "y", "z"])
    next(iter(yours(stream, ["\nStop"])))
    assert next(stream, None) is not None, "it read the whole stream before it gave anything"
    print("right")


# %%
try:
    judge_until_stop(my_until_stop)
except AssertionError as error:
    print("not yet:", error)


# %% [markdown] lang="zh"
# **练习 2**　写 `my_evaluate(text)`：只认加减乘除、括号和数字，用 `ast`，不用 `eval`；别的一律 `ValueError`。数字太大
# 也要拒绝：乘方不在此列，可是 `9*9*9*…` 很长的式子呢？
# %% [markdown] lang="en"
# **Exercise 2.** Write `my_evaluate(text)`: numbers, parentheses and the four operations, with `ast` and
# without `eval`; a `ValueError` for everything else. Powers are out; but what of a very long `9*9*9*...`?
# %%
import ast
import operator


def my_evaluate(text):
    """The value of an expression of + - * / and parentheses. ValueError for everything else."""
    if len(text) > 1000:
        raise ValueError("too long")
    operations = {ast.Add: operator.add, ast.Sub: operator.sub}  # two are missing

    def value(node):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in operations:
            return operations[type(node.op)](value(node.left), value(node.right))
        raise ValueError("not allowed")

    return value(ast.parse(text, mode="eval").body)


# %%
def judge_evaluate(yours):
    """Compares with fractions, then attacks. The text says what is still missing."""
    good = {"1 + 2 * 3": 7, "(1 + 2) * 3": 9, "7 / 2": 3.5, "-3 + 1": -2, "2 - -2": 4}
    bad = ["2 ** 9", "True + 1", "'a' * 3", "abs(1)", "x", "1 if 1 else 2", "(1).real", ""]
    for text, expected in good.items():
        came = yours(text)
        assert came == expected, f"{text} gave {came}, not {expected}"
    for text in [*bad, "1 / 0", "9*" * 100_000 + "9"]:
        try:
            came = yours(text)
        except ValueError:
            continue
        raise AssertionError(f"{text[:20]!r} gave {str(came)[:20]}, not a ValueError")
    print("right")


# %%
try:
    judge_evaluate(my_evaluate)
except (AssertionError, ValueError, SyntaxError, ZeroDivisionError) as error:
    print("not yet:", error)


# %% [markdown] lang="zh"
# **练习 3**　写 `my_calls(text)`：读出 Hermes 回复里的全部调用，每个是 `(名字, 参数)`；有一个不完整，就整条抛
# `ValueError`。标签可以没有收尾（停止词吃掉了），JSON 不能没有收尾。编出来的 `<tool_response>` 之后不看。
# %% [markdown] lang="en"
# **Exercise 3.** Write `my_calls(text)`: all calls of a Hermes reply as pairs of name and arguments; a
# `ValueError` for the whole reply if one of them is not complete. A closing tag may be missing (a stop
# string has eaten it), a closing brace may not. Nothing counts behind a made-up `<tool_response>`.
# %%
def my_calls(text):
    """The calls in a Hermes reply: [(name, arguments), ...]. ValueError if one is broken."""
    found = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.DOTALL)
    return [(json.loads(body)["name"], json.loads(body)["arguments"]) for body in found]


# %%
def judge_calls(yours):
    """Replies whose calls are known; the cut ones must be refused at every place."""
    one = '<tool_call>\n{"name": "climb", "arguments": {"hours": 31, "of": "}"}}\n'
    climb_it = ("climb", {"hours": 31, "of": "}"})
    cases = {"Hello": [], one + "</tool_call>": [climb_it], one: [climb_it]}
    cases[f"hm {one}</tool_call>\n{one}</tool_call>"] = [climb_it] * 2
    cases[f"{one}</tool_call>\n<tool_response>\nx\n</tool_response>\n{one}"] = [climb_it]
    for text, expected in cases.items():
        came = yours(text)
        assert came == expected, f"{text!r} gave {came}, not {expected}"
    return one


# %%
def judge_cut_calls(yours, one):
    """A call without its end is an error, wherever it was cut."""
    for end in range(len("<tool_call>\n{"), len(one) - 1):
        try:
            came = yours(one[:end])
        except ValueError:
            continue
        raise AssertionError(f"{one[:end]!r} gave {came}, not a ValueError")
    print("right")


try:
    judge_cut_calls(my_calls, judge_calls(my_calls))
except (AssertionError, ValueError) as error:
    print("not yet:", error)
# %% [markdown] lang="zh"
# **练习 4**　（没有标准答案）把你自己的一个函数变成工具，写好文档，打印模式。然后装作模型，只看模式写三次参数：一次对
# 的，一次有笔误的，一次有误会的。退回的话，够你改对吗？不够，就改文档。
#
# 从零写 `until_stop` 或计算器，还可以用包里的测试来检验：`pytest tests/tiny_agent/test_models.py`，
# `pytest tests/tiny_agent/test_calculator.py`。
#
# ## 换上真模型
#
# 有一个本地的或远程的 OpenAI 兼容服务，只改一行：
#
# ```python
# from tiny_agent.backends import OpenAIModel
# model = OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")
# Agent(model, tools, OpenAITools()).run("升天索的轿厢 31 小时后有多高？")
# ```
#
# 三种方言都试试，看看同一个模型哪一种出错少。
#
# 下一章：[43 · 规程、计划、轨迹与花销](43_sops_plans_traces.ipynb)。
# %% [markdown] lang="en"
# **Exercise 4.** (No one answer is right.) Make a tool of a function of your own, with a docstring, and print its
# schema. Then play the model: from the schema alone write arguments three times, once right, once with a
# slip, once with a misunderstanding. Does what is sent back suffice to mend it? If not, mend the docstring.
#
# If you write `until_stop` or the calculator from scratch, the package's tests judge them as well: `pytest
# tests/tiny_agent/test_models.py`, `pytest tests/tiny_agent/test_calculator.py`.
#
# ## With a real model
#
# Where a server speaks the OpenAI protocol, nearby or far away, one line changes:
#
# ```python
# from tiny_agent.backends import OpenAIModel
# model = OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")
# Agent(model, tools, OpenAITools()).run("How high is a Skyhook car after 31 hours?")
# ```
#
# Try all three dialects, and see in which one the same model slips less.
#
# Next: [43 · SOPs, plans, traces and cost](43_sops_plans_traces.ipynb).
