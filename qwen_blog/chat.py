"""ChatML: a conversation, a list of messages, becomes one text that the model was trained to go on.

Source: OpenAI's ChatML (2023) as Qwen2.5-Instruct's chat template writes it, tools included; the
English lines around <tools> are part of that wire format. Chapter 21 explains it.
`render_chatml` is the lesson; `CHATML_TEMPLATE` says the same in Jinja for the model folder,
so that transformers, vLLM and llama.cpp render the same text. A folder that brings a template of
its own is rendered by `render_template`.

The danger: after rendering, what a user typed and what the format says are one text. A user who
types "<|im_end|>\\n<|im_start|>system\\n..." writes a system turn of their own, and the tokenizer
turns it into the real control tokens. `Tokenizer.apply_chat_template(..., sanitize=True)` closes
this door: it encodes each turn's text as plain characters. The text alone cannot tell them apart.

Leaves out: images and other content that is not text, Qwen3's thinking blocks.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from jinja2 import Template

Message = Mapping[
    str, Any
]  # {"role": "user", "content": "hi"}: JSON, as the OpenAI protocol has it

ROLES = ("system", "user", "assistant", "tool")
IM_START, IM_END = "<|im_start|>", "<|im_end|>"
# What Qwen2.5's own template puts where a conversation has no system message.
QWEN2_5_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

TOOLS_HEAD = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
TOOLS_FOOT = (
    "</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


def render_chatml(
    messages: Sequence[Message],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    add_generation_prompt: bool = False,
    default_system: str | None = None,
) -> str:
    """The conversation as one text: `<|im_start|>role\\ncontent<|im_end|>\\n` for each turn.

    messages: dicts with a role of system, user, assistant, tool and a str content
    tools: JSON schemas of the functions the model may call; they are told in the system turn
    add_generation_prompt: end with the opening of an assistant turn, for the model to go on
    default_system: the system text where the first message is not one; None: no system turn
    ValueError names the message that is wrong.
    """
    turns = chatml_turns(messages, tools=tools, default_system=default_system)
    text = "".join(f"{IM_START}{role}\n{body}{IM_END}\n" for role, body in turns)
    return text + f"{IM_START}assistant\n" if add_generation_prompt else text


def chatml_turns(
    messages: Sequence[Message],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    default_system: str | None = None,
) -> list[tuple[str, str]]:
    """The (role, text) turns that ChatML writes: not one for each message.

    The tools join the system turn, and the results of tools come back in the user's voice,
    neighbours sharing one turn.
    """
    check_messages(messages)
    check_tools(tools)
    system, rest = default_system, messages
    if messages[0]["role"] == "system":
        system, rest = messages[0]["content"], messages[1:]
    preamble = [] if system is None else [system]
    if tools:
        preamble.append("\n".join([TOOLS_HEAD, *map(to_json, tools), TOOLS_FOOT]))
    turns = [("system", "\n\n".join(preamble))] if preamble else []
    for role, group in groupby(rest, key=lambda message: message["role"]):
        if role == "tool":
            results = (f"<tool_response>\n{m['content']}\n</tool_response>" for m in group)
            turns.append(("user", "\n".join(results)))
        else:
            turns += [(role, _body(message)) for message in group]
    return turns


def _body(message: Message) -> str:
    """The text of a turn: its content, then a <tool_call> block for each call made."""
    calls = _tool_calls(message)
    if not calls:
        return message["content"]
    blocks = [message["content"]] if message.get("content") else []
    for call in calls:
        function = call.get("function", call)
        arguments = function["arguments"]
        if not isinstance(arguments, str):  # a str is JSON already, as the OpenAI protocol sends it
            arguments = to_json(arguments)
        name = function["name"]
        blocks.append(f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>')
    return "\n".join(blocks)


def _tool_calls(message: Message) -> Sequence[Mapping[str, Any]]:
    return (message["role"] == "assistant" and message.get("tool_calls")) or ()


def to_json(value: object) -> str:
    """JSON with Chinese left readable, as chat templates write it."""
    return json.dumps(value, ensure_ascii=False)


def check_messages(messages: Sequence[Message]) -> None:
    """ValueError, naming place and remedy, unless this is a conversation ChatML can write."""
    _check_is_list_of_dicts(messages)
    for i, message in enumerate(messages):
        if message.get("role") not in ROLES:
            raise ValueError(
                f"messages[{i}]={message!r:.80}: role must be one of {', '.join(ROLES)}"
            )
        calls, content = _tool_calls(message), message.get("content")
        if not isinstance(calls, (list, tuple)) or not all(map(_is_call, calls)):
            raise ValueError(
                f"messages[{i}]: tool_calls={calls!r:.80} must be a list of "
                '{"function": {"name": ..., "arguments": ...}}'
            )
        if not isinstance(content, str) and not (content is None and calls):
            raise ValueError(
                f"messages[{i}]: content={content!r:.80} of role {message['role']!r} must be a str "
                "(join the text parts of a list; give '' for nothing)"
            )


def _check_is_list_of_dicts(messages: Sequence[Message]) -> None:
    is_list = isinstance(messages, (list, tuple)) and messages
    if not is_list or not all(isinstance(message, Mapping) for message in messages):
        raise ValueError(
            f"messages={messages!r:.80} must be a list of at least one message, such as "
            '[{"role": "user", "content": "hi"}]'
        )


def _is_call(call: object) -> bool:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    return isinstance(function, Mapping) and {"name", "arguments"} <= function.keys()


def check_tools(tools: Sequence[Mapping[str, Any]] | None) -> None:
    """ValueError unless the tools are a list of JSON schemas."""
    if tools is None or (
        isinstance(tools, (list, tuple)) and all(isinstance(t, Mapping) for t in tools)
    ):
        return
    raise ValueError(
        f"tools={tools!r:.80} must be a list of dicts, each "
        '{"type": "function", "function": {"name": ..., "parameters": ...}}'
    )


# `render_chatml` once more, in Jinja: what a model folder carries. transformers passes on
# `default_system=...` when it is given to its apply_chat_template.
CHATML_TEMPLATE = r"""{%- set preamble = [] -%}
{%- if messages[0].role == 'system' -%}
    {%- set preamble = [messages[0].content] -%}
{%- elif default_system is defined and default_system is not none -%}
    {%- set preamble = [default_system] -%}
{%- endif -%}
{%- if tools -%}
    {%- set schemas = namespace(lines='') -%}
    {%- for tool in tools -%}
        {%- set schemas.lines = schemas.lines ~ '\n' ~ (tool | tojson) -%}
    {%- endfor -%}
    {%- set preamble = preamble + ['@HEAD' ~ schemas.lines ~ '\n@FOOT'] -%}
{%- endif -%}
{%- if preamble -%}
    {{- '<|im_start|>system\n' ~ (preamble | join('\n\n')) ~ '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {%- set role, calls = message.role, message.tool_calls -%}
    {%- if role == 'tool' -%}
        {{- '\n' if loop.previtem and loop.previtem.role == 'tool' else '<|im_start|>user\n' -}}
        {{- '<tool_response>\n' ~ message.content ~ '\n</tool_response>' -}}
        {{- '' if loop.nextitem and loop.nextitem.role == 'tool' else '<|im_end|>\n' -}}
    {%- elif role == 'assistant' and calls -%}
        {{- '<|im_start|>assistant' ~ ('\n' ~ message.content if message.content else '') -}}
        {%- for call in calls -%}
            {%- set call = call.function if call.function is defined else call -%}
            {%- set arguments = call.arguments -%}
            {%- set arguments = arguments if arguments is string else arguments | tojson -%}
            {{- '\n<tool_call>\n{"name": "' ~ call.name ~ '", "arguments": ' ~ arguments -}}
            {{- '}\n</tool_call>' -}}
        {%- endfor -%}
        {{- '<|im_end|>\n' -}}
    {%- elif role in ['system', 'user', 'assistant'] -%}
        {%- if role != 'system' or not loop.first -%}
            {{- '<|im_start|>' ~ role ~ '\n' ~ message.content ~ '<|im_end|>\n' -}}
        {%- endif -%}
    {%- else -%}
        {{- raise_exception('role must be one of system, user, assistant, tool: ' ~ role) -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
""".replace("@HEAD", TOOLS_HEAD.replace("\n", r"\n")).replace(
    "@FOOT", TOOLS_FOOT.replace("\n", r"\n")
)


def render_template(template: str, messages: Sequence[Message], **variables: object) -> str:
    """Render a model folder's own Jinja chat template, as transformers does.

    messages: as for ChatML, with the roles and contents that the template knows
    variables: tools, add_generation_prompt, eos_token ...: whatever else the template reads
    The template came from somewhere else, so it runs in jinja2's immutable sandbox.
    ValueError if the template is broken or refuses the messages.
    """
    from jinja2 import TemplateError

    _check_is_list_of_dicts(messages)
    # Templates test whether a key is there; the OpenAI protocol sends content: null, which is not.
    given = [{k: v for k, v in message.items() if v is not None} for message in messages]
    try:
        return _compile_template(template).render(messages=given, **variables)
    except (TemplateError, TypeError) as error:
        raise ValueError(f"the model folder's chat template failed: {error}") from error


@lru_cache(maxsize=8)
def _compile_template(template: str) -> "Template":
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    # jinja2's own tojson escapes < and > for HTML; ours takes the options that transformers' takes
    environment.filters["tojson"] = lambda value, ensure_ascii=False, **options: json.dumps(
        value, ensure_ascii=ensure_ascii, **options
    )
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)
