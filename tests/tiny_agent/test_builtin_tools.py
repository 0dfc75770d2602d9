"""The tools by name; time, weather, units."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.physics import units as sympy_units

from tiny_agent.builtin_tools import BUILTIN, make_tools, now_tool, weather_tool
from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolError, ToolRegistry
from tiny_agent.units import convert, find_unit, unit_convert_tool

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)


# --- By name. ---


def test_the_tools_are_made_in_the_order_that_they_are_named_in():
    assert [tool.name for tool in make_tools("search, calculator ,NOW")] == [
        "search",
        "calculator",
        "now",
    ]
    assert [tool.name for tool in make_tools("now,now")] == ["now"]
    assert make_tools("") == make_tools(" , ") == []


def test_every_name_makes_the_tool_of_this_name():
    tools = make_tools(",".join(BUILTIN))
    assert [tool.name for tool in tools] == list(BUILTIN)
    assert [tool.name for tool in tools if tool.needs_approval] == ["python"]
    for tool in tools:
        parameters = tool.parameters["properties"]
        assert len(tool.description) < 500
        assert all("description" in each for each in parameters.values()), tool.name
        assert tool.parameters["additionalProperties"] is False


def test_a_bare_text_is_enough_for_every_tool_but_one():
    lone = {tool.name: tool.lone_parameter() for tool in make_tools(",".join(BUILTIN))}
    assert lone == {
        "calculator": "expression",
        "search": "query",
        "read_file": "path",
        "python": "code",
        "google_search": "query",
        "now": "timezone",
        "unit_convert": None,
        "weather": "city",
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "calculators",
            "no tool 'calculators' \\(did you mean calculator\\?\\); the tools are ",
        ),
        ("search,pythn", "'pythn' \\(did you mean python\\?\\);"),
        ("zzz", "'zzz'; the tools are calculator, search, read_file, python"),
        ("calculator search", "there is no tool 'calculator search'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(names, message):
    with pytest.raises(ValueError, match=message):
        make_tools(names)


def test_root_is_where_search_and_read_file_look(tmp_path, monkeypatch):
    (tmp_path / "a.md").write_text("# Plan\nBuy a zeppelin.")
    search, read_file = make_tools("search,read_file", root=tmp_path)
    assert search(query="zeppelin") == "[1] a.md (Plan)\nBuy a zeppelin."
    assert read_file(path="a.md") == "# Plan\nBuy a zeppelin."
    monkeypatch.chdir(tmp_path)
    search, read_file = make_tools("search,read_file")
    assert "Skyhook" in search(query="Skyhook")
    assert read_file(path=".") == "The folder '.' holds:\na.md"


def test_an_empty_folder_is_refused_before_any_work_is_lost(tmp_path):
    with pytest.raises(ValueError, match="there is no text"):
        make_tools("search", root=tmp_path)


def test_importing_the_tools_loads_neither_pydantic_nor_a_model_library():
    code = (
        "import sys, tiny_agent.builtin_tools\n"
        "print([name for name in ('pydantic', 'torch', 'transformers', 'openai', 'snowballstemmer',"
        " 'httpx', 'mcp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- Time. ---

NEW_YEAR = datetime(2024, 12, 31, 18, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "shown"),
    [
        ("UTC", "2024-12-31 18:30:05, Tuesday, UTC+00:00"),
        ("Asia/Shanghai", "2025-01-01 02:30:05, Wednesday, UTC+08:00"),
        ("America/St_Johns", "2024-12-31 15:00:05, Tuesday, UTC-03:30"),
        ("Asia/Kathmandu", "2025-01-01 00:15:05, Wednesday, UTC+05:45"),
    ],
)
def test_the_time_in_a_zone(timezone, shown):
    assert now_tool(lambda: NEW_YEAR)(timezone=timezone) == shown


def test_the_local_time_is_the_default():
    expected = f"{NEW_YEAR.astimezone():%Y-%m-%d %H:%M:%S}"
    assert now_tool(lambda: NEW_YEAR)().startswith(expected)
    assert now_tool(lambda: NEW_YEAR)(timezone="Local").startswith(expected)


def test_the_clock_is_asked_at_each_call():
    ticks = iter([NEW_YEAR, NEW_YEAR + timedelta(seconds=1)])
    now = now_tool(lambda: next(ticks))
    assert [now(timezone="UTC")[17:19] for _ in range(2)] == ["05", "06"]
    before = datetime.now(ZoneInfo("UTC")).replace(microsecond=0)
    told = datetime.fromisoformat(now_tool()(timezone="UTC")[:19]).replace(tzinfo=UTC)
    assert before <= told <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("timezone", "hint"),
    [
        ("shanghai", "did you mean Asia/Shanghai?"),
        ("New York", "did you mean America/New_York?"),
        ("Europe/Pariss", "did you mean Europe/Paris?"),
        ("GMT+8", "write it like"),  # and not Etc/GMT+8, which is UTC-8
        ("Asia", "write it like"),
        ("", "write it like"),
        ("../../etc/passwd", "write it like"),
        ("/etc/passwd", "write it like"),
        ("a\0b", "write it like"),
    ],
)
def test_an_unknown_zone_comes_with_a_hint(timezone, hint):
    with pytest.raises(ToolError) as error:
        now_tool(lambda: NEW_YEAR)(timezone=timezone)
    assert f"there is no time zone {timezone!r}; {hint}" in str(error.value)


# --- Weather. ---


@pytest.mark.parametrize("city", ["Beijing", "beijing", "北京", "北京市", " BEIJING "])
def test_the_weather_is_the_same_every_time_and_says_that_it_is_a_sample(city):
    expected = f"{city}: sunny, 12 °C, humidity 20% (sample data, not the real weather)"
    assert weather_tool()(city=city) == expected
    assert "not the real weather" in weather_tool().description


def test_a_name_of_two_words_is_found_by_the_whole_of_it():
    assert weather_tool()(city="New  York").startswith("New  York: clear")
    for city in ("york", "new", "", "Paris"):
        with pytest.raises(
            ToolError, match=f"there is no sample for '{city}'; there is for beijing"
        ):
            weather_tool()(city=city)


# --- Units. ---


@pytest.mark.parametrize(
    ("value", "source", "target", "shown"),
    [
        (1, "mile", "km", "1 mi = 1.609344 km"),
        (26.2, "miles", "kilometres", "26.2 mi = 42.1648128 km"),
        (5, "feet", "inches", "5 ft = 60 in"),
        (1, "nautical mile", "m", "1 nmi = 1852 m"),
        (3, "里", "公里", "3 里 = 1.5 km"),
        (1, "光年", "公里", "1 ly = 9460730472580.8 km"),
        (3, "斤", "公斤", "3 斤 = 1.5 kg"),
        (1, "两", "克", "1 两 = 50 g"),
        (1, "pound", "ounces", "1 lb = 16 oz"),
        (0.1, "t", "kg", "0.1 t = 100 kg"),
        (90, "分钟", "小时", "90 min = 1.5 h"),
        (2, "weeks", "days", "2 week = 14 d"),
        (100, "摄氏度", "华氏度", "100 °C = 212 °F"),
        (-40, "F", "C", "-40 °F = -40 °C"),
        (0, "K", "degrees Celsius", "0 K = -273.15 °C"),
        (98.6, "°F", "℃", "98.6 °F = 37 °C"),
        (1, "亩", "平方米", "1 亩 = 666.666666666667 m2"),
        (1, "公顷", "亩", "1 ha = 15 亩"),
        (1, "acre", "m2", "1 acre = 4046.8564224 m2"),
        (1, "m²", "cm^2", "1 m2 = 10000 cm2"),
        (2, "square feet", "sq m", "2 ft2 = 0.18580608 m2"),
        (1, "m³", "升", "1 m3 = 1000 L"),
        (1, "gallon", "liters", "1 US gallon = 3.785411784 L"),
        (1, "imperial gallon", "mL", "1 imperial gallon = 4546.09 mL"),
        (36, "公里/小时", "m/s", "36 km/h = 10 m/s"),
        (60, "miles per hour", "km/h", "60 mph = 96.56064 km/h"),
        (1, "GB", "MB", "1 GB = 1000 MB"),
        (1, "GiB", "MiB", "1 GiB = 1024 MiB"),
        (100, "Mbit", "MB", "100 Mbit = 12.5 MB"),
        (8, "bits", "bytes", "8 bit = 1 byte"),
        (5, "KM", "M", "5 km = 5000 m"),
        (123456789012.3, "m", "m", "123456789012.3 m = 123456789012.3 m"),
        (1e-9, "km", "nm", "1e-9 km = 1000 nm"),
    ],
)
def test_a_worked_conversion(value, source, target, shown):
    assert convert(value, source, target) == shown


SYMPY = {  # without its nautical mile, which is 1851.9648 m, and its astronomical unit of 1976
    "km": sympy_units.kilometer,
    "mi": sympy_units.mile,
    "yd": sympy_units.yard,
    "ft": sympy_units.foot,
    "in": sympy_units.inch,
    "g": sympy_units.gram,
    "t": sympy_units.metric_ton,
    "lb": sympy_units.pound,
    "min": sympy_units.minute,
    "h": sympy_units.hour,
    "d": sympy_units.day,
    "ha": sympy_units.hectare,
    "L": sympy_units.liter,
    "mL": sympy_units.milliliter,
    "bit": sympy_units.bit,
    "byte": sympy_units.byte,
    "KiB": sympy_units.kibibyte,
    "GiB": sympy_units.gibibyte,
}


@pytest.mark.parametrize("name", SYMPY)
def test_factors_are_those_of_sympy(name):
    ours = find_unit(name)
    bases = {"length": sympy_units.meter, "mass": sympy_units.kilogram, "time": sympy_units.second}
    bases |= {"area": sympy_units.meter**2, "volume": sympy_units.meter**3}
    base = bases.get(ours.kind, sympy_units.byte)
    ratio = sympy_units.convert_to(SYMPY[name], base) / base
    assert float(ours.factor) == pytest.approx(float(ratio), rel=1e-12)


@PROPERTY
@given(
    st.sampled_from(
        ["km", "mi", "斤", "lb", "°C", "°F", "亩", "acre", "US cup", "kn", "TiB", "Kb"]
    ),
    st.integers(-(10**6), 10**6),
)
def test_there_and_back_again_changes_nothing(name, value):
    unit = find_unit(name)
    base = (Fraction(value) + unit.offset) * unit.factor
    assert base / unit.factor - unit.offset == value
    there = convert(value, name, name)
    assert there == f"{value} {unit.name} = {value} {unit.name}"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("m", "kg", "m is a unit of length, kg of mass; convert between units of one kind"),
        ("秒", "米", "s is a unit of time, m of length"),
        ("m2", "m3", "m2 is a unit of area, m3 of volume"),
        ("mb", "gb", "'mb' can mean MB or Mbit; write which"),
        ("kb", "MB", "'kb' can mean kB or kbit; write which"),
        ("kilomete", "m", "there is no unit 'kilomete'; did you mean kilomet"),
        ("zzz", "m", "there is no unit 'zzz'; the units are m, km, dm"),
        ("", "m", "there is no unit ''"),
        ("s s", "m", "there is no unit 's s'"),
        ("ton", "kg", "there is no unit 'ton'; did you mean"),  # which of three?
    ],
)
def test_what_cannot_be_converted_is_named(source, target, message):
    with pytest.raises(ToolError, match=message):
        convert(1, source, target)


def test_case_counts_only_where_it_has_to():
    assert find_unit("MB") != find_unit("Mb")
    assert find_unit("KM") is find_unit("km")
    assert find_unit("MM").name == "mm"
    assert find_unit("l") is find_unit("L")
    assert find_unit("kB") is find_unit("KB")
    assert find_unit("b").name == "bit"
    assert find_unit("B").name == "byte"


def test_a_conversion_is_a_tool():
    registry = ToolRegistry([unit_convert_tool()])
    arguments = {"value": "1.5", "from_unit": "hours", "to_unit": "min"}
    assert registry.run(ToolCall("unit_convert", arguments)).content == "1.5 h = 90 min"
    failed = registry.run(ToolCall("unit_convert", arguments | {"to_unit": "kg"}))
    assert failed.content.startswith("Error: h is a unit of time, kg of mass")
