"""What stands before and after a letter when it is an answer, in Chinese and in English.

`choice_letter` cuts a short window out of the reply on either side of each letter; these patterns
read the windows. The text has been made plain before: half-width, without emphasis and LaTeX.
A pattern of what stands before ends in `$`, one of what stands after starts with `^` by `match`.
"""

import re

_FLAGS = re.IGNORECASE | re.VERBOSE


def _cue(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(alternatives)})$", _FLAGS)


_IS = r"(?:(?:is|are|be|was|were)\b\s*:?|:|=+>?|-+>?|→|—)\s*"
_NOUN_EN = r"(?:the|option|choice|letter|answer|statement|clearly|definitely|probably|indeed)"

DECLARED = _cue(
    r"答案[^\s,。;:A-Za-z]{0,6}(?<=[案是为选择项有】])\s*[:=→>-]{0,2}\s*(?:选项?)?\s*",
    r"(?<![任备候挑误错别不没未勿筛])选择?\s*:?\s*(?:选项|答案)?\s*",
    r"(?:选项|选择)\s*(?:应该|应当|应)?\s*[是为]\s*:?\s*(?:选项)?\s*",
    r"(?:正确|合理|恰当|符合\w{0,6}|成立|满足\w{0,6})的(?:选项|说法|一项)?(?:应该|应)?[是为有]\s*:?\s*(?:选项)?\s*",
    rf"\b(?:answers?|choice|option|statement|selection|guess|response|correct)\b[\"')\]】]*\s*"
    rf"(?:(?:to|for)\s[^.,;:\n]{{1,24}})?(?:(?:would|should|must|will|may|might|could|seems?\sto)\s+)?"
    rf"{_IS}(?:{_NOUN_EN}\s*)*",
    rf"\b(?:choos(?:e|ing)|chose|pick(?:ed)?|select(?:ed)?|go(?:ing)?\swith|opt\sfor|selection\sof)\s*"
    rf"(?:{_NOUN_EN}\s*)*:?\s*",
    r"<(?:final_)?answer>\s*",
)
"""The letter that follows is the answer."""

CONCLUDED = _cue(
    r"(?:应该?[是为]|而是|就是|发现是|(?:^|[,。;])是)\s*(?:选项)?\s*",
    r"(?:故|所以|因此|综上|答)\s*[,:]?\s*",
    rf"\b(?:so|hence|thus|therefore|wait|actually|leaving|say|think|believe|probably|perhaps)\b"
    rf"[,:]?\s*(?:(?:it's|it\sis|{_NOUN_EN})\s*)*",
    r"(?:\b(?:it|that)(?:'s|\sis)|\bmust\sbe|\bshould\sbe|\bguess\s(?:is)?)\s*(?:definitely|option)?\s*",
    r"(?:\bnot|n't)\s[^.\n]{0,25}\bbut(?:\srather)?\s*",
)
"""The same, if the letter ends the sentence: what goes on is about something else."""

IDENTIFIED = _cue(
    r"(?:错误|不正确|不符合\w{0,6}|不成立)的(?:选项|说法|一项)?[是为]\s*:?\s*(?:选项)?\s*",
    r"(?:对应|即|与|和)的?选项\s*",
    r"\b(?:match(?:es)?|corresponds?\sto|which\sis|that\sis|namely|i\.e\.)\s*(?:option|choice|answer)\s*",
)
"""An option is named without being called the answer."""

DENIED = _cue(
    r"(?:不|并非|非|没有?|无法|误|错|别|勿)[^,。;:]{0,3}[选择是为]\s*(?:选项)?\s*",
    r"(?:排除|不选|而非|并非|除了?)\s*(?:选项)?\s*",
    rf"(?:\bnot|n't|\bcannot|\bneither|\bnor|\brather\sthan|\binstead\sof|\bexcept|\bunlike|\bversus)"
    rf"\s*(?:be\s*)?(?:{_NOUN_EN}\s*)*",
    rf"\b(?:rul(?:es?|ed|ing)\sout|eliminat\w+|exclud\w+|discard\w*|reject\w*)\s*(?:options?\s*)?(?:{_NOUN_EN}\s*)*",
)
"""The letter that follows is none."""

NOT_AN_OPTION = _cue(
    r"[点线面角圆弦边集合件阵量数题素案划站车组型班∠△]\s*",
    r"\b(?:vitamin|plan|hepatitis|grade|type|class|point|station|team|group|dr\.|mr\.|mrs\.)\s*",
)
"""The letter that follows names something else: 点A, vitamin C. 答案 and 选项 are cues all the same."""

SUPPOSED = re.compile(
    r"如果|若|假设|假如|要是|倘若|\b(?:if|suppose|assum\w+|were|whether)\b|"
    r"有人|有些|很多|许多|不少|同学|\b(?:some|many|students|people|others|they|he|she)\b",
    re.IGNORECASE,
)
"""In the clause before: a case is only supposed, or somebody else's."""

TENTATIVE = re.compile(
    r"可能|也许|或许|大概|似乎|好像|初步|一开始|起初|乍|以为|"
    r"\b(?:maybe|might|could|may|perhaps|probably|possibly|seem\w*|initially|first|thought)\b",
    re.IGNORECASE,
)
FINAL = re.compile(
    r"综上|所以|因此|故|最终|总之|【答案】|"
    r"\b(?:final|finally|therefore|thus|hence|so|conclusion|overall)\b",
    re.IGNORECASE,
)

ENDS = re.compile(r"\s*(?:$|\n|[.。,;:!…、)\]}>】」』”\"|—–]|-(?![A-Za-z0-9])|'(?!\w)|</)")
"""After a letter: it stands by itself."""

GOES_ON = re.compile(
    r"\s*(?:选?项|是|正确|因为|由于|吧|了|而[不非]|即|呢|的(?:$|原因|理由|[.。,])|一致|[(（](?![-\d])|"
    r"(?:because|since|as|is|and|but|not|rather|instead|which|due|based)\b)|\s+\(",
    re.IGNORECASE,
)
"""After a letter: words about the choice, and not a longer name that the letter starts."""

LEADS = re.compile(
    r"\s*,?\s*(?:因为|由于|而[不非]|(?:because|since|as|not|rather|instead)\b)", re.IGNORECASE
)
"""After the first letter of a reply."""

_FILLER_ZH = r"(?:选?项|说法|这一项|也|都|均|才|是|为|最|更|完全|显然|同时|三项|两项|[:\s])*"
_FILLER_EN = (
    r"\s*(?:(?:is|are|was|were|seems?|looks?|must\sbe)\s+)"
    r"(?:(?:the|also|both|all|indeed|clearly|definitely|only|most|more|actually)\s+)*"
)
_RIGHT_EN = (
    r"(?:correct|right|true|valid|best|the\sanswer)(?![\w-])(?!\s(?:if|when|about|for|to|in)\b)"
)
_WRONG_EN = r"(?:incorrect|wrong|false|invalid|eliminated|ruled\sout|not|never|impossible|out)\b"
_MARKED = r"\s*[.:|)、]?\s*"

RIGHT = re.compile(
    rf"{_FILLER_ZH}(?:正确|对(?![应比称于角])|符合|成立|合理|恰当|合适|满足|准确)|"
    rf"{_FILLER_EN}{_RIGHT_EN}|{_MARKED}[✓✔√✅]",
    re.IGNORECASE | re.VERBOSE,
)
WRONG = re.compile(
    rf"{_FILLER_ZH}(?:明显)?(?:不|错|有误|没有|无法|矛盾|排除)|"
    rf"{_FILLER_EN}{_WRONG_EN}|\s*(?:isn't|can't|cannot)\b|{_MARKED}[✗✘❌×](?![\w(])",
    re.IGNORECASE | re.VERBOSE,
)
VERDICT = re.compile(
    r"[\s.:|)、]{1,4}(?:(?:是)?(正确|对(?!应)|correct\b|right\b|yes\b)"
    r"|(?:是)?(错误|不正确|不对|错|incorrect\b|wrong\b|no\b(?![\w ])))",
    re.IGNORECASE,
)
"""A verdict where an option's text could stand: "A. correct". Group 1 is good, group 2 bad."""

ASKED = re.compile(r"[^,。;!.\n?]{0,24}(?:[?]|[吗呢](?=[?。]|$))")
"""A question, and no claim."""

REVISED = re.compile(
    r"(?:^|[。.!;,…—\n])\s*(?:不对|错了|等等|等一下|更正|修正|重新|再[想看检]|"
    r"(?:(?:hmm|oh|no)\W{1,2})?wait\b|actually\b|scratch\sthat|correct(?:ion|ed)\b|"
    r"on\s(?:reflection|second\sthought)|let\sme\s(?:re|double)|i\smade\sa\smistake)",
    re.IGNORECASE,
)
"""What was said before is taken back."""

ANOTHER_QUESTION = re.compile(
    r"\n\s*(?:Question|Q|Problem|问题|题目)\s*\d{0,3}\s*[:.]|<\|\w{1,20}\|>|</s>", re.IGNORECASE
)
"""The reply is over: a base model goes on with questions of its own."""
