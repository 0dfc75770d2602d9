"""The words on the page of a trace, in the two languages of this house."""

from typing import Literal

Language = Literal["en", "zh"]

_WORDS = {  # what it is for: (English, Chinese)
    "title": ("Trace of a run", "一次运行的轨迹"),
    "answer": ("Answer", "答案"),
    "no_answer": ("There is no answer.", "没有得到答案。"),
    "step": ("Step {}", "第 {} 步"),
    "asked": ("Asked", "提问"),
    "thought": ("Thought", "思考"),
    "call": ("Call", "调用"),
    "result": ("Observation", "观察"),
    "error": ("Error", "错误"),
    "format_error": ("Format error", "格式错误"),
    "must_answer": (
        "At a limit: the model is made to answer now, without tools.",
        "已到上限：要求模型不用工具，立即作答。",
    ),
    "cut_off": ("The reply was cut off by its limit of tokens.", "回复因长度上限被截断。"),
    "model": ("model", "模型"),
    "tools": ("tools", "工具"),
    "read": ("read", "读入"),
    "written": ("written", "写出"),
    "steps": ("Steps", "步数"),
    "tokens": ("Tokens", "词元"),
    "time": ("Time", "时间"),
    "calls": ("Tool calls", "工具调用"),
    "errors": ("Errors", "错误"),
    "errors_of": ("{} in the format, {} of tools", "格式 {}，工具 {}"),
    "estimated": ("about", "约"),
    "timeline": ("The steps, as wide as they took long", "各步骤，宽度表示用时"),
    "how": ("How it was asked", "提问的方式"),
    "dialect": ("Dialect", "方言"),
    "workflow": ("Workflow", "流程"),
    "limits": ("Limits", "上限"),
    "instructions": ("Instructions", "指令"),
    "history": ("The conversation before", "此前的对话"),
    "none": ("none", "无"),
    "exact": ("Exact prompt and reply", "完整的提示与回复"),
    "messages": ("messages: {}, new: {}", "{} 条消息，其中 {} 条是新的"),
    "seen": ("as in step {}", "同第 {} 步"),
    "sent_tools": ("Tools, sent beside the messages", "与消息一同发送的工具"),
    "stops": ("Stop strings", "停止符"),
    "reply": ("Reply", "回复"),
    "characters": ("{} characters", "{} 个字符"),
    "all_of_it": ("All {} characters", "全部 {} 个字符"),
    "answered": ("answered", "已回答"),
    "max_steps": ("limit of steps", "到达步数上限"),
    "token_budget": ("limit of tokens", "到达词元上限"),
    "time_budget": ("limit of time", "到达时间上限"),
    "format_errors": ("too many format errors", "格式错误过多"),
    "repeated_calls": ("the same call again and again", "反复同一调用"),
    "model_error": ("the model failed", "模型出错"),
    "ended": ("ended from outside", "被外部中止"),
    "system": ("system", "系统"),
    "user": ("user", "用户"),
    "assistant": ("assistant", "助手"),
    "tool": ("tool", "工具"),
}


def words_in(language: Language) -> dict[str, str]:
    """All words in one of the languages; those with braces are to be filled in."""
    return {key: pair[language == "zh"] for key, pair in _WORDS.items()}
