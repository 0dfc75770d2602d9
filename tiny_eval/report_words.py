"""The words of a report, in the two languages of this house."""

from typing import Literal

Language = Literal["en", "zh"]

_WORDS = {  # what it is for: (English, Chinese)
    "title": ("Evaluation report", "评测报告"),
    "run": ("Run", "运行"),
    "metric": ("Metric", "指标"),
    "value": ("Value", "分数"),
    "interval": ("95% interval", "95% 区间"),
    "n": ("n", "题数"),
    "extracted": ("Answer found", "提取率"),
    "cut": ("Replies cut off", "被截断的回复"),
    "scores": ("Scores", "分数"),
    "lower": ("lower is better", "越低越好"),
    "clusters": (
        "For the interval, questions with the same {} are counted together: {} groups.",
        "计算区间时，{} 相同的题合在一起算：共 {} 组。",
    ),
    "of_points": (
        "gaokao is a mean over questions, each of the same weight; the tables of points add up "
        "what each is worth.",
        "gaokao 是各题得分率的平均，每题权重相同；“得分”表按每题的分值相加。",
    ),
    "none_judged": ("no question could be judged", "没有可以评判的题目"),
    "groups": ("By {}", "按 {} 分组"),
    "points": ("Points: {}", "得分：{}"),
    "type": ("Type", "题型"),
    "by_type": ("By type", "按题型分组"),
    "type single": ("single", "单选题"),
    "type multiple": ("multiple", "多选题"),
    "type fill": ("fill", "填空题"),
    "type open": ("open", "解答题"),
    "questions": ("Questions", "题数"),
    "earned": ("Points", "得分"),
    "possible": ("Out of", "满分"),
    "ungraded": ("Not graded (points)", "未评（分值）"),
    "all": ("All", "全部"),
    "ungraded_note": (
        "{} of {} points are not graded: they are not counted as 0, and the {} points are out of "
        "{}, not of {}. A judge can grade them.",
        "{} 分（共 {} 分）尚未评分，不按 0 分计：所得 {} 分是在已评的 {} 分之内，"
        "而不是 {} 分之内。可以请评委模型评分。",
    ),
    "comparison": ("{1} against {0}", "{1} 对比 {0}"),
    "difference": ("Difference", "差"),
    "pp": ("pp", "百分点"),
    "p": ("p", "p"),
    "holm": ("p (Holm)", "p（Holm 校正）"),
    "record": ("Wins / losses / ties", "胜 / 负 / 平"),
    "test": ("Test", "检验"),
    "McNemar's exact test": ("McNemar's exact test", "McNemar 精确检验"),
    "sign-flip test": ("sign-flip test", "符号翻转检验"),
    "sign-flip test over clusters": ("sign-flip test over clusters", "符号翻转检验（整组翻转）"),
    "bootstrap": ("paired bootstrap", "配对自助法"),
    "beats": ("", "{}：{} 优于 {}。"),
    "apart": ("", "{}：数据不能区分 {} 与 {}；这并不表示两者相等。"),
    "basis": ("", "{} − {} = {}，95% 区间 {}（n = {}，{}，{}）。"),
    "after_holm": ("", "{}，Holm 校正后 {}"),
    "uncorrected": ("", "未作多重比较校正"),
    "few": ("", "少于 {} 个，区间不足以下结论。"),
    "unjudged": (
        "{}: left out, no question is judged in both runs.",
        "{}：未比较，没有两次运行都评判过的题目。",
    ),
    "tokens": (
        "{}: left out, the models cut the texts into different tokens.",
        "{}：未比较，两个模型的分词不同。",
    ),
    "only": ("Left out, only in {}: {}", "未比较，仅见于 {}：{}"),
    "settings": ("The runs differ in {}, too.", "两次运行的 {} 也不同。"),
    "wins": ("Where {} is better, by {}", "{} 更好的题目（{}）"),
    "made": ("How it was made", "评测设置"),
    "raw": ("raw text", "纯文本"),
    "chat": ("conversation", "对话"),
    "worst": ("Worst items: {}", "得分最低的题目：{}"),
    "failures": ("Nothing extracted: {}", "未能提取答案：{}"),
    "question": ("Id", "编号"),
    "reply": ("Reply", "回复"),
    "answer": ("Answer", "提取的答案"),
    "targets": ("Right answers", "标准答案"),
    "prompt": ("Prompt", "提示"),
    "items": ("Items", "逐题查看"),
    "below": ("Below full marks", "未得满分"),
    "unextracted": ("Nothing extracted", "未提取到答案"),
    "cut_off": ("Reply cut off", "回复被截断"),
    "differs": ("Runs differ", "结果不同"),
    "no_value": ("not judged", "未评"),
    "nothing": ("nothing", "无"),
    "of": ("{} of {}", "{} / {}"),
    "partial": (
        "Here are {} of {} items, the worst of each kind first. All are in predictions.jsonl.",
        "这里显示 {} 题（共 {} 题），每类从得分最低的开始。全部见 predictions.jsonl。",
    ),
    "shortened": (" […{:,} of {:,} characters left out…] ", " […略去 {:,} 个字符，共 {:,} 个…] "),
    "bars": ("Whiskers: 95% intervals.", "误差线：95% 区间。"),
}


def words_in(language: Language) -> dict[str, str]:
    """All words in one of the languages; those with braces are to be filled in."""
    return {key: pair[language == "zh"] for key, pair in _WORDS.items()}
