"""A ReAct agent by hand: messages, tools, dialects, the loop. Chapters 41, 42, 43."""

from .agent import Agent
from .backends import OpenAIModel
from .builtin_tools import make_tools
from .evaluation import evaluate
from .events import Event, StepFinished, TextDelta, ToolFinished, ToolStarted
from .hermes import HermesToolCall
from .local_model import TransformersModel
from .mcp import MCPClient, MCPError, read_mcp_config
from .messages import (
    Decision,
    FinalAnswer,
    Message,
    ParseError,
    Reply,
    RunResult,
    Step,
    ToolCall,
    ToolResult,
    Usage,
)
from .models import Model, ModelError, ScriptedModel, until_stop
from .openai_tools import OpenAITools
from .protocols import Dialect
from .react import ReActText
from .replay import replay
from .rules import RuleModel
from .run_state import Limits
from .tasks import Task, read_tasks
from .tools import Tool, ToolError, ToolRegistry, tool
from .trace import TraceWriter, read_trace, record
from .trace_page import write_page
from .workflows import SOP, PlanAndExecute, SOPStep

__all__ = [
    "SOP",
    "Agent",
    "Decision",
    "Dialect",
    "Event",
    "FinalAnswer",
    "HermesToolCall",
    "Limits",
    "MCPClient",
    "MCPError",
    "Message",
    "Model",
    "ModelError",
    "OpenAIModel",
    "OpenAITools",
    "ParseError",
    "PlanAndExecute",
    "ReActText",
    "Reply",
    "RuleModel",
    "RunResult",
    "SOPStep",
    "ScriptedModel",
    "Step",
    "StepFinished",
    "Task",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolFinished",
    "ToolRegistry",
    "ToolResult",
    "ToolStarted",
    "TraceWriter",
    "TransformersModel",
    "Usage",
    "evaluate",
    "make_tools",
    "read_mcp_config",
    "read_tasks",
    "read_trace",
    "record",
    "replay",
    "tool",
    "until_stop",
    "write_page",
]
