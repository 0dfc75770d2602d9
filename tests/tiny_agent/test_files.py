"""read_file: what it shows, and that no path leads out of its folder."""

import os
import time

import pytest

from tiny_agent.files import MAX_BYTES, MAX_CHARS, read_file_tool, read_lines
from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolError, ToolRegistry

LINKS = pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")


@pytest.fixture
def root(tmp_path):
    """A folder with a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "secret.txt").write_text("secret")
    folder = tmp_path / "root"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "plan.md").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (folder / ".env").write_text("KEY=secret")
    return folder


def refusal(root, path, **arguments):
    with pytest.raises(ToolError) as error:
        read_lines(root, path, **arguments)
    assert "secret" not in str(error.value).replace("secret.txt", "")
    return str(error.value)


# --- What it shows. ---


def test_a_short_file_is_shown_as_it_is(root):
    assert read_lines(root, "notes/plan.md") == "one\ntwo\nthree"
    assert read_lines(root, "notes//./plan.md") == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("first_line", "lines", "shown"),
    [
        (1, 3, "one\ntwo\nthree"),
        (1, 2, "one\ntwo\n[lines 1 to 2 of 3; go on with first_line=3]"),
        (2, 1, "two\n[lines 2 to 2 of 3; go on with first_line=3]"),
        (3, 1, "three\n[lines 3 to 3 of 3]"),
        (2, 100, "two\nthree\n[lines 2 to 3 of 3]"),
    ],
)
def test_a_part_of_a_file_says_how_to_go_on(root, first_line, lines, shown):
    assert read_lines(root, "notes/plan.md", first_line, lines) == shown


def test_going_on_as_told_shows_every_line_once(root):
    lines = [f"line {number} {'x' * (number % 90)}" for number in range(1000)]
    (root / "long.txt").write_text("\n".join(lines))
    seen, first = [], 1
    while first:
        answer = read_lines(root, "long.txt", first)
        assert len(answer) < 4000
        body, _, note = answer.rpartition("\n[")
        seen += body.split("\n")
        _, _, more = note.partition("first_line=")
        first = int(more.removesuffix("]")) if more else 0
    assert seen == lines


def test_text_of_all_kinds_of_lines(root):
    (root / "dos.txt").write_bytes("\ufeff甲\r\n乙\r\n".encode())
    assert read_lines(root, "dos.txt") == "甲\n乙"
    (root / "odd.txt").write_text("a\x0cb\u2028c\x85d\n\n", encoding="utf-8")
    assert read_lines(root, "odd.txt") == "a\x0cb\u2028c\x85d\n"
    (root / "empty.txt").touch()
    assert read_lines(root, "empty.txt") == "The file 'empty.txt' is empty."


def test_a_very_long_line_is_cut_and_the_next_can_be_read(root):
    (root / "wide.txt").write_text(f"{'x' * 10_000}\nnext\n{'y' * MAX_CHARS}\nlast")
    answer = read_lines(root, "wide.txt")
    note = "[lines 1 to 1 of 4; go on with first_line=2]"
    assert answer == f"{'x' * MAX_CHARS} [... cut]\n{note}"
    assert read_lines(root, "wide.txt", 2).startswith("next\n[lines 2 to 2 of 4")
    assert read_lines(root, "wide.txt", 3).startswith(f"{'y' * MAX_CHARS}\n[lines 3 to 3")


def test_a_huge_file_is_not_read_whole(root):
    with open(root / "huge.log", "wb") as file:
        file.write("星\n".encode() * 10)
        file.write(b"x" * (MAX_BYTES - 41) + "星".encode())  # cut in the middle of 星
        file.truncate(50_000_000_000)  # a sparse file: 50 GB of which little is on the disk
    start = time.perf_counter()
    assert read_lines(root, "huge.log", 1, 2).startswith("星\n星\n[lines 1 to 2 of 11 that can be")
    assert read_lines(root, "huge.log", 11).endswith(
        f"of 11 that can be read of it, {MAX_BYTES} bytes]"
    )
    assert "behind the last line" in refusal(root, "huge.log", first_line=12)
    (root / "line.log").write_bytes(b"x" * (MAX_BYTES + 1))
    assert f"[lines 1 to 1 of 1 that can be read of it, {MAX_BYTES}" in read_lines(root, "line.log")
    assert time.perf_counter() - start < 2


def test_a_folder_is_listed_without_hidden_names(root):
    assert read_lines(root, ".") == "The folder '.' holds:\nnotes/"
    assert read_lines(root, "") == "The folder '' holds:\nnotes/"
    assert read_lines(root, "notes/") == "The folder 'notes/' holds:\nplan.md"
    (root / "void").mkdir()
    assert read_lines(root, "void") == "The folder 'void' holds:\n(nothing)"
    for number in range(203):
        (root / "void" / f"{number:03}").touch()
    assert read_lines(root, "void").endswith("\n199\n[3 more]")


# --- What it refuses. ---


@pytest.mark.parametrize(
    "path",
    [
        *("..", "../secret.txt", "notes/../../secret.txt", "notes/../notes/plan.md"),
        *("../root-too/secret.txt", ".env", "./.env", ".git/config", "notes/.hidden"),
    ],
)
def test_names_that_begin_with_a_dot_are_refused(root, path):
    assert "begins with a dot" in refusal(root, path)


def test_absolute_paths_are_refused_also_below_the_folder(root):
    assert "is not relative" in refusal(root, "/etc/passwd")
    assert "is not relative" in refusal(root, str(root / "notes" / "plan.md"))
    assert "is not relative" in refusal(root, str(root.parent / "secret.txt"))


@LINKS
def test_links_that_lead_out_are_refused(root):
    (root / "out.txt").symlink_to(root.parent / "secret.txt")
    (root / "up").symlink_to(root.parent)
    (root / "twin").symlink_to(root.parent / "root-too")
    (root / "etc").symlink_to("/etc")
    (root / "chain").symlink_to(root / "out.txt")
    for path in (
        "out.txt",
        "up",
        "up/secret.txt",
        "twin/secret.txt",
        "etc/passwd",
        "chain",
        "up/no",
    ):
        assert "leads out of the top folder" in refusal(root, path)


@LINKS
def test_links_within_the_folder_are_followed_but_not_to_hidden_names(root):
    (root / "plan").symlink_to(root / "notes" / "plan.md")
    assert read_lines(root, "plan") == "one\ntwo\nthree"
    (root / "visible").symlink_to(root / ".env")
    assert "begins with a dot" in refusal(root, "visible")
    (root / "circle").symlink_to(root / "circle")
    assert "circle" in refusal(root, "circle")


@LINKS
def test_a_folder_that_is_itself_behind_a_link_can_be_read(root, tmp_path):
    (tmp_path / "alias").symlink_to(root)
    assert read_lines(tmp_path / "alias", "notes/plan.md") == "one\ntwo\nthree"


@LINKS
def test_pipes_and_devices_are_refused_and_do_not_hang(root):
    os.mkfifo(root / "pipe")
    assert "is a device or a pipe" in refusal(root, "pipe")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF\0\0\1", "is no text"),
        ("星".encode("utf-16"), "is no text|is not UTF-8"),
        ("hello".encode("utf-16-le"), "one in UTF-16"),
        (b"abc\n\xff", "is not UTF-8 at byte 4"),
        ("星环".encode("gb18030"), "iconv -f GB18030"),
        ("星".encode()[:2], "is not UTF-8 at byte 0"),
    ],
)
def test_what_is_no_utf8_is_refused(root, data, message):
    (root / "data").write_bytes(data)
    with pytest.raises(ToolError, match=message):
        read_lines(root, "data")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("notes/plam.md", "there is no 'notes/plam.md'. Did you mean 'plan.md'?"),
        ("notes/zzz", "there is no 'notes/zzz'. List its folder."),
        (
            "nowhere/plan.md",
            "there is no 'nowhere/plan.md'. List the folder '.' to see what there is.",
        ),
        ("~/x", "there is no '~/x'."),
        ("env", "there is no 'env'. List its folder."),  # and no word of .env
        ("notes/plan.md/x", "cannot be read: Not a directory"),
        ("a\0b", "which is not allowed"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_what_is_not_there_comes_with_a_hint(root, path, message):
    assert message in refusal(root, path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told_apart(root):
    (root / "notes" / "plan.md").chmod(0)
    assert "cannot be read: Permission denied" in refusal(root, "notes/plan.md")


@pytest.mark.parametrize(("first_line", "lines"), [(0, 1), (-1, 5), (1, 0), (1, -5)])
def test_lines_are_counted_from_1(root, first_line, lines):
    message = refusal(root, "notes/plan.md", first_line=first_line, lines=lines)
    assert f"first_line={first_line} and lines={lines} must both be 1 or above" in message


def test_a_line_behind_the_last_is_refused(root):
    message = "first_line=4 is behind the last line of 'notes/plan.md': 3"
    assert message in refusal(root, "notes/plan.md", first_line=4)


# --- The tool. ---


def test_the_tool_reads_below_its_folder_wherever_the_process_goes(root, monkeypatch, tmp_path):
    monkeypatch.chdir(root)
    registry = ToolRegistry([read_file_tool(".")])
    monkeypatch.chdir(tmp_path)
    result = registry.run(ToolCall("read_file", {"path": "notes/plan.md", "lines": 1}))
    assert result.content.startswith("one\n[lines 1 to 1 of 3")
    assert registry.run(ToolCall("read_file", {"path": "../secret.txt"})).is_error


def test_a_tool_for_no_folder_is_refused_at_once(root):
    with pytest.raises(NotADirectoryError, match="is no folder"):
        read_file_tool(root / "missing")
    with pytest.raises(NotADirectoryError, match="is no folder"):
        read_file_tool(root / "notes" / "plan.md")
