"""Google's results through Serper (https://serper.dev), for agents that may use the network.

One POST of {"q", "num"} with the key in the header X-API-KEY. The reply may hold an `answerBox`
and a `knowledgeGraph` beside the list `organic`, and none of them has to be there. Results are
text of strangers: chapter 43 shows what an instruction in one of them can do.
"""

import json
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from .tools import Tool, ToolError, tool

SERPER_URL = "https://google.serper.dev"
_MAX_BYTES = 2_000_000
_REMEDIES = {
    400: "the query was refused, or the account has no credits left; see https://serper.dev",
    401: "SERPER_API_KEY is not valid; get one at https://serper.dev",
    403: "SERPER_API_KEY is not valid; get one at https://serper.dev",
    429: "too many searches at once; wait a little, then search again",
}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, for it would hand the key to whoever the reply names."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def google_search_tool(base_url: str = SERPER_URL, timeout_s: float = 15.0) -> Tool:
    """The tool `google_search`. The key is read from SERPER_API_KEY at each call."""

    @tool(timeout_s=timeout_s + 5)
    def google_search(query: str, k: int = 5) -> str:
        """Search the web with Google. Returns titles, addresses and snippets, not whole pages.

        Args:
            query: What to search for, for example: population of Norway 2024
            k: How many results, from 1 to 10.
        """
        if not 1 <= k <= 10:
            raise ToolError(f"k={k} must be from 1 to 10")
        reply = _post(f"{base_url}/search", {"q": query, "num": k}, timeout_s)
        return _as_text(reply, k) or f"Google has no results for {query!r}. Try other words."

    return google_search


def _post(url: str, body: dict[str, object], timeout_s: float) -> dict[str, Any]:
    """What the server replies. ToolError for whatever keeps it from replying with an object."""
    key = os.environ.get("SERPER_API_KEY", "").strip()
    if not key:
        raise ToolError("no key: set SERPER_API_KEY; get one, free to try, at https://serper.dev")
    if not (key.isascii() and key.isprintable()):
        raise ToolError("SERPER_API_KEY holds characters that no key has; copy it anew")
    headers = {"X-API-KEY": key, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout_s) as reply:
            data = reply.read(_MAX_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        remedy = _REMEDIES.get(error.code, "the search service has a problem; try again later")
        raise ToolError(f"HTTP {error.code} from {url}: {remedy}") from error
    except (OSError, HTTPException) as error:  # no network, a wrong name, a timeout, a broken line
        raise ToolError(f"no reply from {url} ({error}); is there a network?") from error
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ToolError(f"the reply of {url} is no JSON; try again later") from error
    if not isinstance(found, dict):
        raise ToolError(f"the reply of {url} is no JSON object; is that Serper?")
    return found


def _as_text(reply: dict[str, Any], k: int) -> str:
    """The answer that Google shows on top, if any, and the first k results; empty if none."""
    box, graph = _texts(reply.get("answerBox")), _texts(reply.get("knowledgeGraph"))
    about = ": ".join(graph[key] for key in ("title", "type", "description") if key in graph)
    parts = [box.get("answer") or box.get("snippet", ""), about]
    organic = reply.get("organic")
    for number, result in enumerate(organic[:k] if isinstance(organic, list) else [], start=1):
        texts = _texts(result)
        lines = [texts[key] for key in ("title", "link", "snippet") if key in texts]
        parts.append(f"[{number}] " + "\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def _texts(value: object) -> dict[str, str]:
    """The entries of an object that are texts; of anything else none."""
    items = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in items if isinstance(text, str)}
