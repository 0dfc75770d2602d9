"""The formats. The files are made by other programs (reportlab, python-docx) or by hand."""

import io
import json
import logging
import re
import zipfile
from pathlib import Path

import docx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from tiny_rag import docx_text, readers
from tiny_rag.html_text import HTMLText
from tiny_rag.markdown_text import markdown_headings

PROPERTY = settings(deadline=None, max_examples=300)


def read(file):
    """The contents of a file, and what was reported: (reason, {} or {"page": 1}, say)."""
    reports = []
    reader = readers.READERS[file.suffix]
    return list(reader(file, lambda reason, **place: reports.append((reason, place)))), reports


def written(folder, name, content):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


# --- Text. ---


def test_a_text_is_what_the_file_holds_and_its_encoding_is_said(tmp_path):
    text = "\r\n第一行  \r\n\0网址 https://a.example/看这里。第三行\n\n"
    (content,), reports = read(written(tmp_path, "a.txt", text))
    assert (content.text, content.metadata, reports) == (text, {"encoding": "utf-8"}, [])
    text = "没有声明的文件，只能猜。"
    (content,), reports = read(written(tmp_path, "a.txt", text.encode("gb18030")))
    assert (content.text, reports) == (text, [])
    assert content.metadata == {"encoding": "gb18030 (guessed)"}


def test_a_damaged_text_is_read_and_reported(tmp_path):
    (content,), reports = read(
        written(tmp_path, "a.txt", "一二三四五六七八九".encode() * 3 + b"\xe4")
    )
    assert content.text.startswith("一二三")
    assert reports == [("has 1 places that are no utf-8, now U+FFFD", {})]


@pytest.mark.parametrize("start", [b"%PDF-1.7\n", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.json", "a.jsonl"])
def test_another_format_with_the_wrong_name_is_refused(tmp_path, name, start):
    with pytest.raises(ValueError, match="is no text but a"):
        read(written(tmp_path, name, start + b"plain text\n" * 9))


def test_a_file_too_large_to_read_whole_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "a.txt"
    with file.open("wb") as sparse:
        sparse.truncate(readers.MAX_BYTES + 1)
    with pytest.raises(ValueError, match=r"has 268435457 bytes, more than 268435456; split it"):
        read(file)


# --- Markdown. ---


def test_headings_of_markdown_are_at_their_offsets():
    text = (
        "---\ntitle: 甲\n---\r\n# 行星 #\r\n文\n\n卫星\n====\n```py\n# 注释\n```\n### C#\n#标签\n"
    )
    headings = markdown_headings(text)
    assert [(level, title) for _, level, title in headings] == [(1, "行星"), (1, "卫星"), (3, "C#")]
    assert [text[offset:][:2] for offset, _, _ in headings] == ["# ", "卫星", "##"]


def test_a_rule_at_the_start_is_no_front_matter():
    assert markdown_headings("---\n# A\n---\n") == [(4, 1, "A")]


LINES = (
    "# a", "## b ##", " ### c", "    # d", "#e", "####### f", "#", "# g#", "#\th #", "###### i",
    "```", "````", "~~~", "  ```", "``` py", "``` `", "~~~ ` ~", "    ```", "text", "文字",
    "  more", "    deep", "===", "---", "  -", "    ---", "= =", "***", "- - -", "", " ",
)  # fmt: skip


@PROPERTY
@given(st.lists(st.sampled_from(LINES), max_size=9), st.sampled_from(["\n", "\r\n"]))
def test_headings_are_those_of_a_full_parser(lines, end):
    # The list markers among the lines ("  -") open containers, whose insides are left out here.
    text = end.join(lines) + end
    starts = [sum(map(len, text.splitlines(True)[:line])) for line in range(len(lines) + 1)]
    tokens = MarkdownIt("commonmark").parse(text)
    if any(token.type == "list_item_open" for token in tokens):
        return
    expected = [
        (starts[token.map[0]], int(token.tag[1]))
        for token in tokens
        if token.type == "heading_open"
    ]
    assert [heading[:2] for heading in markdown_headings(text)] == expected


def test_what_stands_in_a_list_or_a_quotation_is_no_heading():
    for text in ("- a\nb\n---\n", "> a\nb\n===\n", "1. a\n---\n", "> # a\n"):
        assert markdown_headings(text) == []
    assert markdown_headings("- a\n\nb\n---\n") == [(5, 2, "b")]


@pytest.mark.parametrize("line", ["#" + " " * 200_000 + "x", "`" * 200_000 + "x`", "- " * 100_000])
def test_hostile_lines_take_no_longer_than_others(line):
    assert len(markdown_headings(line + "\n\nA\n---\n" * 2)) >= 1  # quadratic would take minutes


def test_markdown_is_read_with_headings_as_lists(tmp_path):
    (content,), _ = read(written(tmp_path, "a.md", "# 甲\n"))
    assert content.text == "# 甲\n"
    assert content.metadata == {"encoding": "utf-8", "headings": [[0, 1, "甲"]]}


# --- HTML. ---


def html(source):
    page = HTMLText()
    page.feed(source)
    page.close()
    return page


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<p>b</p>c", "a\n\nb\n\nc"),
        ("<div><div><p>a</p></div></div><div>b", "a\n\nb"),
        ("<p>a</p>\n\n", "a\n"),
        ("a <b>b</b>c\n\td", "a bc d"),
        ("<p> a </p> <p> b </p>", "a\n\nb\n"),
        ("<ul><li>a<li>b</ul>", "a\nb\n"),
        ("a<br>b<br/><br>c", "a\nb\n\nc"),
        ("星\n港 <i>\n灯</i>", "星港灯"),  # a line of Chinese goes on in the next
        ("星 港\nport\n港", "星 港 port 港"),  # a space within a line is one
        ("한\n국", "한 국"),
        ("a&nbsp; &lt;b&gt;&amp;&#26143;", "a\xa0 <b>&星"),
        ("<pre>a\n  b\r\n</pre>c", "a\n  b\r\n\nc"),
        ("a<script>if (x < y) '<p>'</script>b<style>p {}</style>c<!-- d -->", "abc"),
        ("<template><p>a</p></template>b", "b"),
        ("<svg><title>t</title></svg>a", "a"),
        ("</p></div>a</b>", "a"),
        ("a < b", "a < b"),
        ("", ""),
    ],
)
def test_a_page_becomes_what_its_reader_sees(source, text):
    assert html(source).text == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<table><tr><td>a<td>b<tr><td>c</table>d", "a\tb\nc\n\nd"),
        ("<tr><td></td><td>a</td></tr><tr><td>b</td><td></td><td>c</td></tr>", "\ta\nb\t\tc\n"),
        ("<tr><td><p>a</p><p>b</p></td><td><p>c</p></td></tr><tr><td>d", "a\n\nb\tc\nd"),
        ("<tr><td>a<tr><td><td>b", "a\n\tb"),
        ("<tr>\n <td> a </td>\n <td> b </td>\n</tr>", "a\tb\n"),
    ],
)
def test_the_cells_of_a_row_stay_in_one_row(source, text):
    assert html(source).text == text


def test_headings_of_a_page_are_at_their_offsets():
    page = html("<body><h1>行\n星</h1>文<h2><div>A <i>b</i></div></h2><h3>c<p>d</p><h4></h4><h6>e")
    assert page.text == "行星\n\n文\n\nA b\n\nc\n\nd\n\ne"
    assert page.headings == [(0, 1, "行星"), (7, 2, "A b"), (12, 3, "c"), (18, 6, "e")]
    for offset, _, title in page.headings:
        assert page.text[offset:].startswith(title)


def test_the_title_of_a_page_is_the_first_and_no_text():
    page = html("<head><title> A\n &amp; B </title></head><svg><title>C</title></svg>d")
    assert (page.title, page.text) == ("A & B", "d")
    assert html("<title>A<body>b").text in ("b", "")  # as RCDATA, newer parsers never see the body


def test_deep_nesting_is_no_trouble():
    assert html("<div>" * 100_000 + "a").text == "a"


TAGS = "<p></p><h2></h2><td><tr></td><table></table><br><li><b>"
DATA = st.lists(
    st.one_of(
        st.sampled_from(re.findall("<.*?>", TAGS)),
        st.sampled_from(["甲", "乙。", "x", " ", "\n", "y "]),
    ),
    max_size=20,
)


@PROPERTY
@given(DATA)
def test_every_character_of_a_page_but_space_is_in_its_text_and_headings_fit(parts):
    page = html("".join(parts))
    data = "".join(part for part in parts if not part.startswith("<"))
    assert "".join(page.text.split()) == "".join(data.split())
    for offset, _, title in page.headings:
        assert "".join(page.text[offset:].split()).startswith("".join(title.split()))
        assert not page.text[offset].isspace()


def test_a_page_is_read_in_the_encoding_that_it_declares(tmp_path):
    source = '<html><head><meta charset="gb2312"><title>朱镕基</title><body><h1>臺北</h1>'
    (content,), _ = read(written(tmp_path, "a.htm", source.encode("gb18030")))
    assert content.text == "臺北\n"
    assert content.metadata == {
        "encoding": "gb18030 (declared)",
        "headings": [[0, 1, "臺北"]],
        "title": "朱镕基",
    }
    old = '<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">カタカナ'
    (content,), _ = read(written(tmp_path, "b.html", old.encode("shift_jis")))
    assert content.text == "カタカナ"
    xml = '<?xml version="1.0" encoding="EUC-KR"?><p>한국</p>'
    (content,), _ = read(written(tmp_path, "c.xhtml", xml.encode("euc-kr")))
    assert content.text == "한국\n"


# --- Word. ---


def saved(document, folder):
    document.save(str(folder / "a.docx"))
    return folder / "a.docx"


def test_a_word_document_is_read_with_its_headings_and_tables(tmp_path):
    document = docx.Document()
    document.core_properties.title = "星图"
    document.add_heading("行星", 1)
    document.add_paragraph("第一段，\t有制表符。").add_run("\n换行 & <b>")
    document.add_heading("卫星", 2)
    table = document.add_table(2, 3)
    for row, column, text in ((0, 0, "甲"), (0, 2, "乙"), (1, 1, "丙")):
        table.cell(row, column).text = text
    document.add_paragraph("完")
    (content,), reports = read(saved(document, tmp_path))
    assert content.text == (
        "行星\n\n第一段，\t有制表符。\n换行 & <b>\n\n卫星\n\n甲\t\t乙\n\t丙\t\n\n完\n\n"
    )
    second = content.text.index("卫星")
    assert content.metadata == {"headings": [[0, 1, "行星"], [second, 2, "卫星"]], "title": "星图"}
    assert reports == []


def test_a_heading_is_known_by_its_level_whatever_its_style_is_called(tmp_path):
    document = docx.Document()
    heading = document.styles["Heading 2"]
    heading.element.set(f"{docx_text._W}styleId", "2")  # as a Chinese Word numbers them
    own = document.styles.add_style("我的标题", 1)
    own.base_style = document.styles["Heading 3"]
    document.add_paragraph("甲").style = heading
    document.add_paragraph("乙").style = own
    document.add_paragraph("丙")
    (content,), _ = read(saved(document, tmp_path))
    assert [heading[1:] for heading in content.metadata["headings"]] == [[2, "甲"], [3, "乙"]]


def package(folder, body, **parts):
    """A .docx by hand, of the inside of <w:body>."""
    names = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    )
    with zipfile.ZipFile(folder / "a.docx", "w") as archive:
        archive.writestr("word/document.xml", f"<w:d {names}><w:body>{body}</w:body></w:d>")
        for name, part in parts.items():
            archive.writestr(f"word/{name}.xml", f"<w:d {names}>{part}</w:d>")
    return folder / "a.docx"


def p(text, properties=""):
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_changes_that_were_tracked_are_read_as_they_are_now(tmp_path):
    body = (
        "<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r>"
        "</w:ins><w:moveFrom><w:r><w:t>here</w:t></w:r></w:moveFrom></w:p>"
        "<w:p><w:moveTo><w:r><w:t>here</w:t></w:r></w:moveTo></w:p>"
    )
    (content,), _ = read(package(tmp_path, body))
    assert content.text == "new\n\nhere\n\n"


def test_a_text_box_is_read_once_and_tab_stops_are_no_text(tmp_path):
    box = f"<w:txbxContent>{p('box')}</w:txbxContent>"
    body = (
        '<w:p><w:pPr><w:tabs><w:tab w:val="left" w:pos="9"/></w:tabs></w:pPr><w:r><w:t>a</w:t>'
        f"<w:tab/><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}"
        "</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    (content,), _ = read(package(tmp_path, body))
    assert content.text.split() == ["a", "box"]
    assert content.text.startswith("a\t")


def test_footnotes_follow_and_a_paragraph_has_its_own_level(tmp_path):
    body = p("甲", '<w:outlineLvl w:val="3"/>') + p("乙", '<w:outlineLvl w:val="9"/>')
    (content,), _ = read(package(tmp_path, body, footnotes=p("注")))
    assert content.text == "甲\n\n乙\n\n注\n\n"
    assert content.metadata == {"headings": [[0, 4, "甲"]]}


def test_a_built_in_style_is_known_by_its_name_where_it_has_no_level(tmp_path):
    styles = (
        '<w:style w:styleId="a1"><w:name w:val="heading 2"/></w:style>'
        '<w:style w:styleId="a2"><w:name w:val="x"/><w:basedOn w:val="a2"/></w:style>'
    )
    body = p("甲", '<w:pStyle w:val="a1"/>') + p("乙", '<w:pStyle w:val="a2"/>')
    (content,), _ = read(package(tmp_path, body, styles=styles))
    assert content.metadata == {"headings": [[0, 2, "甲"]]}


def test_rows_with_empty_cells_keep_their_lines(tmp_path):
    cell = "<w:tc><w:p/></w:tc>"
    row = f"<w:tr>{cell}<w:tc>{p('a')}{p('b')}</w:tc></w:tr>"
    (content,), _ = read(package(tmp_path, f"<w:tbl>{row}{row}<w:tr>{cell}</w:tr></w:tbl>"))
    assert content.text == "\ta\nb\n\ta\nb\n\n\n"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"old", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_word_document_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"is no readable \.docx \(.+\); open and save it in Word"):
        read(written(tmp_path, "a.docx", content))


def test_a_damaged_word_document_is_refused(tmp_path):
    file = package(tmp_path, p("text " * 100))
    data = file.read_bytes()
    for damaged in (
        data.replace(b"text text", b"text test", 1),
        data.replace(b"</w:p>", b"<//w:p"),
    ):
        with pytest.raises(ValueError, match="is no readable"):
            read(written(tmp_path, "b.docx", damaged))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(docx_text, "_MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"unpacks to \d+ bytes, more than 1000"):
        read(package(tmp_path, p("a" * 1000)))


def test_entities_that_multiply_do_not_get_through(tmp_path):
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("word/document.xml", f"{bomb}]><d>&j;</d>")
    with pytest.raises(ValueError, match="is no readable"):
        read(tmp_path / "a.docx")


# --- PDF. ---


def pdf(folder, *pages, title=None, name="a.pdf"):
    """A PDF by reportlab: on each page some lines, Chinese ones in a font that is not embedded."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    file = folder / name
    canvas = Canvas(str(file), invariant=True)
    if title:
        canvas.setTitle(title)
    for lines in pages:
        for number, line in enumerate(lines.split("\n")):
            canvas.setFont("Helvetica" if line.isascii() else "STSong-Light", 12)
            canvas.drawString(50, 800 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return file


def of_page(content, number):
    bounds = [*content.metadata["pages"], len(content.text)]
    return content.text[bounds[number - 1] : bounds[number]]


def test_a_pdf_is_one_text_and_knows_where_its_pages_start(tmp_path):
    file = pdf(tmp_path, "First page\nSecond line", "第二页：霜环的月亮。", "3", title="星图 Map")
    (content,), reports = read(file)
    assert content.text == "First page\nSecond line\n第二页：霜环的月亮。\n3\n"
    assert content.metadata == {"pages": [0, 23, 34], "title": "星图 Map"}
    assert reports == []


def test_a_page_that_cannot_be_read_is_reported_and_the_others_keep_their_numbers(tmp_path):
    data = pdf(tmp_path, "one", "two", "three").read_bytes()
    before, of_one, of_two, of_three = data.split(b"/FlateDecode")
    broken = (
        before + b"/FlateDecode" + of_one + b"/FlatfDecode" + of_two + b"/FlateDecode" + of_three
    )
    (content,), reports = read(written(tmp_path, "b.pdf", broken))
    assert [of_page(content, number) for number in (1, 2, 3)] == ["one\n", "", "three\n"]
    ((reason, place),) = reports
    assert place == {"page": 2}
    assert reason.startswith("is left out: ")
    assert "FlatfDecode" in reason


def test_what_the_parser_complains_of_is_not_printed_where_nothing_is_lost(tmp_path, caplog):
    data = pdf(tmp_path, "one", "two").read_bytes().replace(b"startxref\n", b"startxref\n9")
    file = written(tmp_path, "b.pdf", data)
    (content,), reports = read(file)
    assert (content.text, reports, caplog.records) == ("one\ntwo\n", [], [])
    assert not logging.getLogger("pypdf").handlers
    pypdf.PdfReader(file)
    assert caplog.records  # it is heard again afterwards
    caplog.clear()
    with pytest.raises(ValueError, match="is no readable PDF"):
        read(written(tmp_path, "c.pdf", b"%PDF-1.7 no more"))
    assert caplog.records == []


def test_a_page_whose_text_is_lost_is_reported_with_the_complaint(tmp_path):
    data = pdf(tmp_path, "one", "two").read_bytes()
    lost = re.sub(rb"/Contents \d+ 0", b"/Contents 99 0", data, count=1)
    (content,), reports = read(written(tmp_path, "b.pdf", lost))
    assert [of_page(content, number) for number in (1, 2)] == ["\n", "two\n"]
    assert reports == [("has no text (Object 99 0 not defined.)", {"page": 1})]

    def stop(reason, **place):
        raise RuntimeError(reason)

    with pytest.raises(RuntimeError, match="not defined"):
        list(readers.read_pdf(tmp_path / "b.pdf", stop))


def test_an_empty_page_is_a_page(tmp_path):
    (content,), reports = read(pdf(tmp_path, "one", "", "three"))
    assert of_page(content, 3) == "three\n"
    assert reports == []


def test_a_pdf_without_text_is_a_scan(tmp_path):
    with pytest.raises(ValueError, match=r"has no text on 2 pages; a scan needs OCR"):
        read(pdf(tmp_path, "", ""))


def encrypted(folder, user_password):
    writer = pypdf.PdfWriter(clone_from=pdf(folder, "secret"))
    writer.encrypt(user_password, owner_password="owner", algorithm="RC4-128")
    data = io.BytesIO()
    writer.write(data)
    return written(folder, "locked.pdf", data.getvalue())


def test_a_pdf_that_needs_a_password_is_refused_and_one_that_does_not_is_read(tmp_path):
    with pytest.raises(ValueError, match="is encrypted; save a copy without a password"):
        read(encrypted(tmp_path, "user"))
    (content,), _ = read(encrypted(tmp_path, ""))
    assert content.text == "secret\n"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"no pdf at all", b"%PDF-1.4\n%%EOF\n"])
def test_a_broken_pdf_is_refused(tmp_path, data):
    with pytest.raises(ValueError, match=r"is no readable PDF|has no text"):
        read(written(tmp_path, "a.pdf", data))


def test_half_a_surrogate_pair_never_gets_into_a_text():
    assert readers.whole("a\ud83d\ude00b") == "a😀b"  # parsers may give the halves
    assert readers.whole("a\ud83d b\udc00") == "a\ufffd b\ufffd"
    text = "第一章😀\r\n\0"
    assert readers.whole(text) == text


# --- JSON. ---


def test_a_document_a_line(tmp_path):
    records = [
        {"text": "甲\u2028乙", "url": "https://a.example", "metadata": {"year": 3, "source": "x"}},
        {"text": "乙", "id": 7, "line": 99},
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    contents, reports = read(written(tmp_path, "a.jsonl", "\n\n".join(lines)))
    assert [content.text for content in contents] == ["甲\u2028乙", "乙"]
    assert [content.metadata for content in contents] == [
        {"url": "https://a.example", "year": 3, "origin": "x", "encoding": "utf-8", "line": 1},
        {"id": 7, "encoding": "utf-8", "line": 3},
    ]
    assert reports == []


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "gb18030", "utf-32"])
def test_lines_in_other_encodings(tmp_path, codec):
    text = '{"text": "第一行里的中文和繁體中文"}\r\n{"text": "第二行也是中文"}\r\n'
    contents, reports = read(written(tmp_path, "a.jsonl", text.encode(codec)))
    assert [content.text for content in contents] == ["第一行里的中文和繁體中文", "第二行也是中文"]
    assert reports == []


NO_DOCUMENT = 'is no document: it must be {"text": "...", other fields}'
BAD = {
    '{"text": "cut of': "is no JSON (character 10: Unterminated string starting at)",
    '["text"]': NO_DOCUMENT,
    '{"text": 3}': NO_DOCUMENT,
    '{"texts": ""}': NO_DOCUMENT,
    '{"text": "", "x": NaN}': "is no JSON (Out of range float values",  # the rest is Python's
    '{"text": "", "x": 1e999}': "is no JSON (Out of range float values",
    '{"text": "a", "pages": [0, 3]}': "has pages [0, 3]; they must be ascending offsets in",
    '{"text": "a", "pages": [1, 0]}': "has pages [1, 0]; they must be ascending offsets in",
    '{"text": "a", "headings": [[0]]}': "has headings [[0]]; each must be [offset, level, title]",
    '{"text": "a", "headings": [[2, 1, "b"]]}': "has headings [[2, 1, 'b']]; each must be",
    '{"text": "a", "headings": {}}': "has headings {}; each must be [offset, level, title]",
}


@pytest.mark.parametrize(("line", "reason"), BAD.items())
def test_a_bad_line_is_reported_by_its_number_and_the_others_are_read(tmp_path, line, reason):
    text = f'{{"text": "a"}}\n\n{line}\n{{"text": "b"}}\n{line}'
    contents, reports = read(written(tmp_path, "a.jsonl", text))
    assert [content.text for content in contents] == ["a", "b"]
    assert [place for _, place in reports] == [{"line": 3}, {"line": 5}]
    assert all(found.startswith(reason) for found, _ in reports)


def test_a_line_that_cannot_be_decoded_is_reported_by_its_number(tmp_path):
    damaged = '{"text": "一二三四五六七八九十'.encode() + b'\xe4"}'
    contents, reports = read(written(tmp_path, "a.jsonl", b'{"text": "a"}\n' + damaged))
    assert [content.text for content in contents] == ["a", "一二三四五六七八九十\ufffd"]
    assert reports == [("has 1 places that are no utf-8, now U+FFFD", {"line": 2})]


def test_a_file_of_documents(tmp_path):
    text = '[{"text": "a"}, {"text": null}, {"text": "b", "metadata": "note"}]'
    contents, reports = read(written(tmp_path, "a.json", text))
    assert [(content.text, content.metadata) for content in contents] == [
        ("a", {"encoding": "utf-8", "item": 1}),
        ("b", {"encoding": "utf-8", "item": 3, "metadata": "note"}),
    ]
    assert reports == [(NO_DOCUMENT, {"item": 2})]
    (content,), _ = read(written(tmp_path, "b.json", '\ufeff{"text": "一"}'))
    assert content.text == "一"


@pytest.mark.parametrize("text", ["", "[", '{"text": "a"} x', "[" * 100_000, "1" * 5000])
def test_a_file_that_is_no_json_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"is no JSON \("):
        read(written(tmp_path, "a.json", text))


def test_half_a_surrogate_pair_in_json_is_replaced_everywhere(tmp_path):
    text = r'{"text": "a\ud83d", "k\udc00": ["\ude00", "\ud83d\ude00"]}'
    (content,), _ = read(written(tmp_path, "a.json", text))
    assert content.text == "a\ufffd"
    assert content.metadata["k\ufffd"] == ["\ufffd", "😀"]


def test_lines_are_streamed(tmp_path):
    file = written(tmp_path, "a.jsonl", '{"text": "a"}\n')
    contents = readers.read_jsonl(file, lambda reason, **place: None)
    with file.open("a") as more:  # more than one buffer ahead of the reader
        more.write('{"text": "%s"}\n' % ("b" * 1000) * 1000)
    assert next(contents).text == "a"
    with file.open("a") as more:
        more.write('{"text": "last"}\n')
    assert [content.text for content in contents][-1] == "last"


def test_the_extensions_are_those_of_the_formats():
    assert {Path(f"a{extension}").suffix for extension in readers.READERS} == set(readers.READERS)
    assert all(extension == extension.lower() for extension in readers.READERS)
