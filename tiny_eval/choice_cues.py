"""What stands before and after a letter when it is an answer, in Chinese and in English.

`choice_letter` cuts a short window out of the reply on either side of each letter; these patterns
read the windows: those made by `_before` end where the letter begins, the others start where it
ends. The text has been made plain: half-width, without emphasis and LaTeX.
"""

import re


def _before(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(alternatives)})$", re.IGNORECASE)


def _after(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_OPTION = r"\s*(?:选项|option|choice)?\s*"
_IS = r"(?:(?:is|are|be|was|were)\b\s*:?|:|=+>?|-+>?|→|—)"
_WORDS = (
    r"(?:\s*(?:the|option|choice|letter|answer|statement|clearly|definitely|probably|indeed))*\s*"
)

DECLARED = _before(
    r"(?:答案|正解)[\"'”】〗\]]?[^\s,。;:A-Za-z]{0,6}(?<=[案解是为选择项】〗\]\"'])\s*[:=→>-]{0,2}"
    + _OPTION,
    r"(?<![任备候挑筛人])选[择出定]?了?\s*:?" + _OPTION,
    r"(?:正确选项|最佳选项|选项|选择)\s*(?:应该|应当|应)?\s*(?:[是为]\s*:?|(?<=[确佳]选项):)"
    + _OPTION,
    r"(?:正确|合理|恰当|符合\w{0,6}|成立|满足\w{0,6})的(?:选项|说法|一项)?(?:应该|应)?[是为有]\s*:?"
    + _OPTION,
    r"(?<![A-Za-z])(?:answers?|ans\.?|solution|choice|option|letter|statement|selection|guess|response"
    r"|verdict|correct|closest)(?![A-Za-z])[\"')\]】]*\s*(?:key\s*|here\s*|(?:to|for|i|that)\s[^.,;:\n]{1,24})?"
    rf"(?:(?:would|should|must|will|has\sto)\s+)?{_IS}{_WORDS}:?",
    r"\bans(?:wer)?\.\s*",
    r"\b(?:choose|choosing|chose|pick(?:ed)?|select(?:ed)?|go(?:ing)?\s+with|opt\sfor|lean(?:ing)?\stowards?|selection\sof)"
    rf"{_WORDS}:?",
)
"""The letter that follows is the answer."""

CONCLUDED = _before(
    r"(?:应该?[是为]|而是|就是|(?:更正|改)[为选]|(?:认为|觉得|猜)是?|(?:^|[,。;])是)" + _OPTION,
    r"(?:故|所以|因此|综上|答)\s*[,:]?\s*",
    r"\b(?:so|hence|thus|therefore|wait|no|actually|meant|lea(?:ves?|ving)(?:\sus\s+with)?|say|think"
    r"|believe|probably|perhaps)\b[,:]?\s*(?:it's|it\sis)?" + _WORDS,
    r"(?:\b(?:it|that)(?:'s|\sis|\s(?:must|should|has\sto)\sbe)|\bguess)" + _WORDS,
    r"(?:\bnot|n't)\s[^.\n]{0,25}\bbut(?:\srather)?\s*",
)
"""The same, if the letter ends the clause: what goes on is about something else."""

HEDGED = _before(
    r"(?:答案|正解)[^\s,。;:A-Za-z]{0,4}(?<!最)(?<!最有)(?:可能|也许|或许|大概|似乎|好像)[会就应该]{0,2}[是为选]\s*:?"
    + _OPTION,
    r"(?<!最)(?<!最有)(?:可能|也许|或许|大概|似乎|好像)(?:正确)?答案[是为选]\s*:?" + _OPTION,
    rf"\b(?:may|might|could|seems?\sto)\s(?:well\s|possibly\s)?be\b{_WORDS}:?",
)
"""The letter that follows may be the answer. 可能选B and "probably B" are choices."""

IDENTIFIED = _before(
    r"(?:错误|不正确|不符合\w{0,6}|不成立)的(?:选项|说法|一项)?[是为]\s*:?" + _OPTION,
    r"(?:对应|即)的?选项\s*",
    r"\b(?:match(?:es|ing)?|corresponds?\sto|which\sis|that\sis|namely|i\.e\.)\s*(?:option|choice|answer)\s*",
)
"""An option is named without being called the answer."""

DENIED = _before(
    r"(?:不|并非|非|没有?|无法|误|错|别|勿)[^,。;:]{0,3}[选择是为]" + _OPTION,
    r"(?:排除|不选|而非|并非|除了?)" + _OPTION,
    r"(?:未|拒绝|避免)选[择定]?" + _OPTION,
    r"(?:[不难未]|无法)[能够太敢以]{0,2}(?:确定|肯定|确认|断定|判断)(?:是否|正确|答案|就|应该?)*[选择是为]{1,2}"
    + _OPTION,
    r"\b(?:wrong|incorrect|(?:a\s)?mistake)\sto\s(?:choose|pick|select|go\swith)\b" + _WORDS,
    r"(?:\bnot|n't|\bcannot|\bneither|\bnor|\brather\sthan|\binstead\sof|\bexcept|\bunlike|\bversus)"
    r"\s*(?:be\b)?" + _WORDS,
    r"\b(?:rul(?:es?|ed|ing)\sout|eliminat\w+|exclud\w+|discard\w*|reject\w*)(?:\s*options)?"
    + _WORDS,
)
"""The letter that follows is none, or the writer cannot tell."""

NAMES = _before(
    r"(?:[点线面角圆弦边集合件阵量数图组型班站∠△]|方案|计划|命题|维生素)\s*",
    r"\b(?:vitamin|plan|hepatitis|grade|type|class|point|station|team|group|person|figure|company"
    r"|paragraph|dr\.|mr\.|mrs\.)\s*",
)
"""The letter that follows ends a name: 图A正确 and "person A is right" judge no option."""

NEGATED = re.compile(r"n't\b|\b(?:not|never|cannot|hardly)\b", re.IGNORECASE)
SUPPOSED = re.compile(
    r"如果|若(?!干)|假设|假如|要是|倘若|\b(?:if\b|suppose|supposing|assume|assuming)", re.IGNORECASE
)
"""In the sentence before: all of this holds in a case that need not be so."""
FORCED = re.compile(r"必须|非要|一定要|如果是我|\bif\s(?:i\shad|forced|pressed)", re.IGNORECASE)
"""If I had to choose: no such case."""
OTHERS = re.compile(
    r"有人|有些|很多|许多|不少|同学|学生|考生|老师|[他她]|小[明红]|"
    r"\b(?:some|many|students|people|others|they|he|she|were|whether)\b",
    re.IGNORECASE,
)
"""In the clause before: somebody else says so."""
TENTATIVE = re.compile(
    r"可能|也许|或许|大概|似乎|好像|初步|一开始|起初|乍|以为|先前|之前|"
    r"\b(?:maybe|might|could|may|perhaps|probably|possibly|seem\w*|initially|first|thought)\b",
    re.IGNORECASE,
)
FINAL = re.compile(
    r"综上|所以|因此|故|最终|总之|【答案】|"
    r"\b(?:final|finally|therefore|thus|hence|so|conclusion|overall)\b",
    re.IGNORECASE,
)

ENDS = _after(r"\s*吧?(?:$|[\n.。,;:!…、)\]}】【」』”\"|—–]|-(?![A-Za-z0-9])|'(?!\w)|</)")
"""The letter stands by itself."""
AMONG_LETTERS = _after(r"\s*[,、]\s*[A-Z](?![A-Za-z])")
GOES_ON = _after(
    r"\s*(?:选?项|是|正确|因为|由于|吧|了|而[不非]|即|呢|的(?:$|原因|理由|[.。,]))",
    r"\s*(?:because|since|as|is|and|but|not|rather|instead|which|due|based|with)\b",
    r"\s*\((?!\s*[-\d.]+\s*,)|\s+\(",
)
"""What goes on is about the choice: the letter starts no longer name, and no point's (1, 2)."""
LEADS = _after(
    r"\s*,?\s*(?:因为|由于|而[不非]|\((?![-\d])|"
    r"(?:because|since|as|not|rather|instead|i\sthink|i\sguess|final)\b)"
)
"""After a letter that starts the reply."""

_ZH = r"(?:选?项|的?说法|这一项|也|都|均|才|是|为|最|更|完全|显然|同时|三项|两项|明显|[:\s])*"
_EN = (
    r"\s*(?:is|are|was|were|seems?|looks?|must\sbe)\s+"
    r"(?:(?:the|also|both|all|indeed|clearly|definitely|only|most|more|actually)\s+)*"
)
_BOX = r"\s*[.:|)、]?\s*"
RIGHT = _after(
    rf"{_ZH}(?:正确|对(?![应比称于角])|符合|成立|合理|恰当|合适|满足|准确|一致|相符)",
    rf"{_EN}(?:correct|right|true|valid|best|the\sanswer)(?![\w-])(?!\s(?:if|when|about|for|to|in)\b)",
    r"\s*(?:makes?\sthe\smost\ssense|fits\sbest|satisfies)\b",
    rf"{_BOX}[✓✔√✅]",
)
WRONG = _after(
    rf"{_ZH}(?:不|错|有误|没有|无法|矛盾|排除)",
    rf"{_EN}(?:incorrect|wrong|false|invalid|eliminated|ruled\sout|not|never|impossible|out)\b",
    r"\s*(?:isn't|can't|cannot)\b",
    rf"{_BOX}[✗✘❌×](?![\w(])",
)
FITS = _after(r"[^。;\nA-Z]{0,30}?(?:(不符合题意|不合题意|排除)|符合题意|当选)")
"""What a verdict comes to where the question asks for what is wrong; group 1: not the answer."""
LISTED = _after(
    r"[\s.:|)、(]{1,4}是?(?:(正确|对(?!应)|correct\b|right\b|yes\b)"
    r"|(?:错误|不正确|不对|错|incorrect\b|wrong\b|no\b(?![\w ])))"
)
"""A verdict where an option's text could stand: "A. correct". Group 1: a good one."""

ASKED = _after(r"[^,。;!.\n?]{0,24}(?:[?]|[吗呢](?=[?。]|$))")
"""A question, and no claim."""

REVISED = re.compile(
    r"(?:^|[。.!;,…—\n])\s*(?:(?:不对|错了|等等|等一下|现?更正|修正|重新|再[想看检])|"
    r"(?:(?:hmm|oh|no)\W{1,2})?wait\b|(?:no,|actually|sorry|i\smeant|scratch\sthat|correct(?:ion|ed)|"
    r"on\s(?:reflection|second\sthought|review)|let\sme\s(?:re|double)|i\smade\sa\smistake))",
    re.IGNORECASE,
)
"""What was said before is taken back."""
NEXT_TURN = re.compile(
    r"\n\s*(?:(?:Question|Q|Problem|问题|题目)\s*\d{0,3}|User|Human|用户)\s*[:.]|<\|\w{1,20}\|>|</s>",
    re.IGNORECASE,
)
"""The reply is over: a base model goes on with questions of its own."""
