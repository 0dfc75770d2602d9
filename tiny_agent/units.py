"""Units and how they convert: a table of factors, exact as they are defined.

A unit is a straight line to its base unit: base = (value + offset) * factor. Factors are fractions,
for a mile is 1609.344 metres and not about that. Sources: the BIPM's SI brochure, 9th edition;
NIST Special Publication 811, appendix B; for 斤, 亩 and the other Chinese units the State Council's
order of 1984, which ties them to the metre and the kilogram. Leaves out: currencies, months,
energy, pressure.
"""

import difflib
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from .arithmetic import format_number
from .tools import Tool, ToolError, tool


@dataclass(frozen=True)
class Unit:
    """base value = (value + offset) * factor."""

    name: str
    kind: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# Each line: the factor to the base unit, then the names, the first of which is shown. Upper and
# lower case differ where they have to: MB is 8 Mb.
_TABLE = {
    "length": """
        1 m 米 meter metre 公尺
        1000 km 公里 千米 kilometer kilometre
        1/10 dm 分米 decimeter decimetre
        1/100 cm 厘米 公分 centimeter centimetre
        1/1000 mm 毫米 millimeter millimetre
        1/1000000 µm 微米 um μm micrometer micrometre micron
        1/1000000000 nm 纳米 nanometer nanometre
        1609.344 mi 英里 mile
        0.9144 yd 码 yard
        0.3048 ft 英尺 foot feet
        0.0254 in 英寸 inch inches
        1852 nmi 海里 nautical_mile
        500 里 市里 华里
        10/3 丈
        1/3 尺 市尺
        1/30 寸 市寸
        149597870700 au 天文单位 astronomical_unit
        9460730472580800 ly 光年 light_year""",
    "mass": """
        1 kg 公斤 千克 kilogram kilo
        1/1000 g 克 gram
        1/1000000 mg 毫克 milligram
        1000 t 吨 tonne metric_ton
        0.45359237 lb 磅 pound
        0.45359237/16 oz 盎司 ounce
        907.18474 short_ton 短吨 us_ton
        0.5 斤 市斤
        0.05 两 市两
        50 担""",
    "time": """
        1 s 秒 sec second
        1/1000 ms 毫秒 millisecond
        1/1000000 µs 微秒 us μs microsecond
        60 min 分 分钟 minute
        3600 h 时 小时 hr hour
        86400 d 天 日 day
        604800 week 周 星期 wk
        31557600 year_of_365.25_days 年 yr year""",
    "temperature": """
        1 K 开 开尔文 kelvin
        1+273.15 °C 摄氏度 ℃ C celsius degC
        5/9+459.67 °F 华氏度 ℉ F fahrenheit degF""",
    "area": """
        1 m2 平方米 square_meter square_metre sq_m
        1000000 km2 平方公里 平方千米 square_kilometer square_kilometre sq_km
        1/10000 cm2 平方厘米 square_centimeter square_centimetre sq_cm
        10000 ha 公顷 hectare
        2000/3 亩
        4046.8564224 acre 英亩
        2589988.110336 mi2 平方英里 square_mile sq_mi
        0.09290304 ft2 平方英尺 square_foot square_feet sq_ft""",
    "volume": """
        1 m3 立方米 cubic_meter cubic_metre
        1/1000 L 升 liter litre dm3
        1/1000000 mL 毫升 milliliter millilitre cm3 cc
        0.003785411784 US_gallon 加仑 gallon gal
        0.00454609 imperial_gallon 英制加仑
        0.000473176473 US_pint pint
        0.0002365882365 US_cup cup
        0.0000295735295625 US_fluid_ounce fl_oz fluid_ounce
        0.028316846592 ft3 立方英尺 cubic_foot cubic_feet""",
    "speed": """
        1 m/s 米/秒 米每秒 meter_per_second metre_per_second
        1/3.6 km/h 公里/小时 千米/小时 公里每小时 千米每小时 kph kmh kilometer_per_hour
        0.44704 mph 英里/小时 mi/h mile_per_hour
        1852/3600 kn 节 knot""",
    "data": """
        1 byte B 字节
        1/8 bit b 比特
        1000 kB KB 千字节 kilobyte
        1000000 MB 兆字节 megabyte
        1000000000 GB gigabyte
        1000000000000 TB terabyte
        1024 KiB kibibyte
        1048576 MiB mebibyte
        1073741824 GiB gibibyte
        1099511627776 TiB tebibyte
        125 kbit Kb kilobit
        125000 Mbit Mb megabit
        125000000 Gbit Gb gigabit""",
}


def convert(value: float, from_unit: str, to_unit: str) -> str:
    """ "1 mi = 1.609344 km", worked out exactly; `format_number` says how many digits are shown.

    ToolError if a unit is unknown or can be read as two, or if they measure different things
    """
    source, target = find_unit(from_unit), find_unit(to_unit)
    if source.kind != target.kind:
        kinds = f"{source.name} is a unit of {source.kind}, {target.name} of {target.kind}"
        raise ToolError(f"{kinds}; convert between units of one kind")
    written = Fraction(repr(value))  # 0.1 is 1/10
    result = (written + source.offset) * source.factor / target.factor - target.offset
    return f"{format_number(written)} {source.name} = {format_number(result)} {target.name}"


def find_unit(name: str) -> Unit:
    """The unit of a name, whether plural or not; case counts where two units differ by it.

    ToolError if there is none, or if there are two
    """
    plain = re.sub(r"[\s_]+", " ", name.translate(_ALIKE)).strip()
    plain = re.sub(r"^degrees? (?=.)", "", plain, flags=re.IGNORECASE)
    singular = re.sub(r"(?<=[a-z]{2})s\b", "", plain, flags=re.IGNORECASE)
    units = _units()
    for wanted in (plain, singular):
        if wanted in units:
            return units[wanted]
    for wanted in (plain.casefold(), singular.casefold()):
        alike = {unit.name: unit for each, unit in units.items() if each.casefold() == wanted}
        if len(alike) > 1:
            raise ToolError(f"{name!r} can mean {' or '.join(alike)}; write which")
        if alike:
            return alike.popitem()[1]
    near = difflib.get_close_matches(plain.casefold(), units, n=3)
    known = ", ".join(dict.fromkeys(unit.name for unit in units.values()))
    hint = f"did you mean {' or '.join(near)}?" if near else f"the units are {known}"
    raise ToolError(f"there is no unit {name!r}; {hint}")


def unit_convert_tool() -> Tool:
    """The tool `unit_convert`."""

    @tool
    def unit_convert(value: float, from_unit: str, to_unit: str) -> str:
        """Convert between units of length, mass, time, temperature, area, volume, speed or data.

        Knows English and Chinese names: km, mile, °C, 公里, 斤, 亩. MB is 1000 kB, MiB 1024 KiB.

        Args:
            value: The number to convert.
            from_unit: Its unit, for example: mile
            to_unit: The unit that is wanted, for example: km
        """
        return convert(value, from_unit, to_unit)

    return unit_convert


_ALIKE = str.maketrans({"²": "2", "³": "3", "^": None, "º": "°", "／": "/"})


@cache
def _units() -> dict[str, Unit]:
    """The units by each of their names."""
    units: dict[str, Unit] = {}
    for kind, rows in _TABLE.items():
        for row in rows.strip().splitlines():
            line, *names = (word.replace("_", " ") for word in row.split())
            factor, _, offset = line.partition("+")
            unit = Unit(names[0], kind, _fraction(factor), Fraction(offset or 0))
            units |= dict.fromkeys(names, unit)
    return units


def _fraction(text: str) -> Fraction:
    above, _, below = text.partition("/")
    return Fraction(above) / Fraction(below or 1)
