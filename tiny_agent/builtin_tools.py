"""The tools that come with the package, by name, and three that are too small for a module.

    make_tools("calculator,search", root="notes")

Each name stands for a function that makes the tool when it is asked for, because a tool reads its
folder, and its schema loads pydantic. Chapter 42 uses them.
"""

import difflib
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .calculator import calculator_tool
from .files import read_file_tool
from .sandbox import python_tool
from .search import SAMPLE, search_tool
from .tools import Tool, ToolError, tool
from .units import unit_convert_tool
from .web import google_search_tool

_WEATHER = {
    "beijing 北京": ("sunny", 12, 20),
    "shanghai 上海": ("light rain", 18, 85),
    "guangzhou 广州": ("cloudy", 26, 78),
    "london 伦敦": ("fog", 9, 93),
    "new york 纽约": ("clear", 15, 40),
    "oshavel 奥沙维尔": ("an afternoon shower", 24, 88),
}


def make_tools(names: str, root: str | Path | None = None) -> list[Tool]:
    """The tools of these names, which commas separate; none for an empty text.

    root: the folder that `search` searches and `read_file` reads; None: the sample articles, and
    the current directory. ValueError names the known ones, and the nearest; what a tool needs and
    does not find is said by its own function, as by `search_tool`
    """
    wanted = [name.strip().casefold() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in BUILTIN:
            near = difflib.get_close_matches(name, BUILTIN, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(f"there is no tool {name!r}{hint}; the tools are {', '.join(BUILTIN)}")
    return [BUILTIN[name](root) for name in dict.fromkeys(wanted)]


def now_tool(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Tool:
    """The tool `now`. clock: says what time it is, with a time zone."""

    @tool
    def now(timezone: str = "local") -> str:
        """Tell the date, the time and the day of the week.

        Args:
            timezone: "local", "UTC" or a name such as Asia/Shanghai.
        """
        time = clock().astimezone(_zone(timezone))
        offset = f"{time:%z}"
        return f"{time:%Y-%m-%d %H:%M:%S}, {_DAYS[time.weekday()]}, UTC{offset[:3]}:{offset[3:5]}"

    return now


def weather_tool() -> Tool:
    """The tool `weather`: made-up data, for trying out agents without a network."""

    @tool
    def weather(city: str) -> str:
        """Tell the weather in a city. Sample data for demonstrations, not the real weather.

        Args:
            city: The city, in English or Chinese, for example: Beijing
        """
        wanted = " ".join(city.casefold().split()).removesuffix("市")
        for names, (sky, degrees, humidity) in _WEATHER.items():
            if wanted in (names, *names.rsplit(" ", 1)):
                values = f"{sky}, {degrees} °C, humidity {humidity}%"
                return f"{city}: {values} (sample data, not the real weather)"
        raise ToolError(f"there is no sample for {city!r}; there is for {', '.join(_WEATHER)}")

    return weather


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The time zone of a name; None for the local one. ToolError if there is none."""
    if name.casefold() == "local":
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Asia"
        raise ToolError(f"there is no time zone {name!r}; {_zone_hint(name)}") from error


def _zone_hint(name: str) -> str:
    known = zoneinfo.available_timezones()
    if not known:
        return "this system has no list of them: pip install tzdata"
    # But no Etc/GMT+8, which means eight hours west of Greenwich.
    cities = {zone.split("/")[-1].casefold(): zone for zone in known if "GMT" not in zone}
    wanted = name.split("/")[-1].casefold()
    near = difflib.get_close_matches(wanted, cities, n=1, cutoff=0.8)
    return f"did you mean {cities[near[0]]}?" if near else 'write it like "Asia/Shanghai" or "UTC"'


BUILTIN: dict[str, Callable[[str | Path | None], Tool]] = {
    "calculator": lambda root: calculator_tool(),
    "search": lambda root: search_tool(SAMPLE if root is None else root),
    "read_file": lambda root: read_file_tool("." if root is None else root),
    "python": lambda root: python_tool(),
    "google_search": lambda root: google_search_tool(),
    "now": lambda root: now_tool(),
    "unit_convert": lambda root: unit_convert_tool(),
    "weather": lambda root: weather_tool(),
}
