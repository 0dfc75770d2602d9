"""A folder of files that changes all at once, or not at all."""

import json
import os
import shutil
import subprocess
import sys
import threading
from itertools import groupby
from pathlib import Path

import pytest

from tiny_rag.generations import (
    IndexDamaged,
    current_generation,
    read_generation,
    read_meta,
    write_generation,
)


def fill(text="a", meta=None):
    def write(generation):
        assert list(generation.iterdir()) == []
        (generation / "data.txt").write_text(text, encoding="utf-8")
        (generation / "deep").mkdir()
        (generation / "deep" / "meta.json").write_text(text * 2, encoding="utf-8")
        (generation / "empty").touch()
        if meta is not None:
            (generation / "meta.json").write_text(json.dumps(meta), encoding="utf-8")

    return write


def text_of(generation):
    return (generation / "data.txt").read_text("utf-8")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- Writing and reading. ---


def test_what_was_written_is_read(tmp_path):
    written = write_generation(tmp_path / "new" / "index", fill("星"))
    assert written == current_generation(str(tmp_path / "new" / "index"))
    assert read_generation(tmp_path / "new" / "index", text_of) == "星"
    assert (written / "deep" / "meta.json").read_text("utf-8") == "星星"


def test_each_write_replaces_the_last_one_and_leaves_nothing_of_it(tmp_path):
    for number in range(1, 13):
        generation = write_generation(tmp_path, fill(str(number)))
        assert generation.name == f"generation-{number:06}"
        assert names(tmp_path) == ["CURRENT", "LOCK", generation.name]
        assert read_generation(tmp_path, text_of) == str(number)


def test_numbers_of_more_than_six_digits_go_on(tmp_path):
    old = write_generation(tmp_path, fill())
    old.rename(tmp_path / "generation-999999")
    current = tmp_path / "CURRENT"
    current.write_text(current.read_text("utf-8").replace("000001", "999999"), encoding="utf-8")
    assert write_generation(tmp_path, fill("b")).name == "generation-1000000"
    assert read_generation(tmp_path, text_of) == "b"
    assert write_generation(tmp_path, fill("c")).name == "generation-1000001"


def test_meta_keeps_what_fill_wrote_and_lists_every_other_file(tmp_path):
    meta = read_meta(write_generation(tmp_path, fill("abc", {"model": "一"})))
    assert meta["model"] == "一"
    assert sorted(meta["files"]) == ["data.txt", "deep/meta.json", "empty"]
    # FIPS 180-2, appendix B.1: the digest of "abc"
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert meta["files"]["data.txt"] == {"bytes": 3, "sha256": digest}


@pytest.mark.parametrize("meta", [[1], 3, {"files": {}}])
def test_a_meta_that_leaves_no_room_for_checksums_is_refused(tmp_path, meta):
    with pytest.raises(ValueError, match=r"meta\.json"):
        write_generation(tmp_path, fill(meta=meta))
    assert names(tmp_path) == ["LOCK"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), ValueError("bad")])
def test_what_fill_raises_passes_through_and_the_old_generation_stays(tmp_path, error):
    old = write_generation(tmp_path, fill("old"))

    def fail(generation):
        fill("new")(generation)
        raise error

    with pytest.raises(type(error)):
        write_generation(tmp_path, fail)
    assert names(tmp_path) == ["CURRENT", "LOCK", old.name]
    assert read_generation(tmp_path, text_of) == "old"


def test_files_of_others_in_the_folder_are_not_touched(tmp_path):
    for name in ("generation-x", "generation-1", "my.tmp", "old-generation-000001"):
        (tmp_path / name).mkdir()
    before = names(tmp_path)
    write_generation(tmp_path, fill("a"))
    write_generation(tmp_path, fill("b"))
    assert set(before) < set(names(tmp_path))


def test_reading_writes_nothing(tmp_path):
    write_generation(tmp_path, fill())
    (tmp_path / "LOCK").unlink()  # an index that came in a package, say
    before = names(tmp_path)
    current_generation(tmp_path)
    assert names(tmp_path) == before


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "index").write_text("x", encoding="utf-8")
    with pytest.raises(NotADirectoryError, match="index is a file; give a folder"):
        write_generation(tmp_path / "index", fill())


# --- Damage. ---


def test_where_there_never_was_an_index_is_said_so(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match="there is no index in"):
            current_generation(folder)


def flips(content):
    """The content with one bit flipped, at every byte in turn."""
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        yield bytes(damaged)


@pytest.mark.parametrize("name", ["CURRENT", "meta.json", "data.txt", "deep/meta.json"])
def test_a_bit_flipped_in_any_byte_is_noticed(tmp_path, name):
    generation = write_generation(tmp_path, fill("some text", {"model": "m"}))
    file = tmp_path / name if name == "CURRENT" else generation / name
    content = file.read_bytes()
    for damaged in flips(content):
        file.write_bytes(damaged)
        with pytest.raises(IndexDamaged, match=r"is damaged .*index the documents again"):
            current_generation(tmp_path)
    file.write_bytes(content)
    current_generation(tmp_path)


@pytest.mark.parametrize("change", [lambda x: x[:-1], lambda x: x + b"\n", lambda x: b""])
@pytest.mark.parametrize("name", ["CURRENT", "meta.json", "data.txt"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_file_of_another_length_is_noticed_even_without_its_checksum(
    tmp_path, name, change, verify
):
    generation = write_generation(tmp_path, fill("some text"))
    file = tmp_path / name if name == "CURRENT" else generation / name
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(IndexDamaged, match=name):
        current_generation(tmp_path, verify=verify)


def test_without_verification_the_content_is_not_read(tmp_path):
    generation = write_generation(tmp_path, fill("some text"))
    (generation / "data.txt").write_bytes(b"same size")
    assert current_generation(tmp_path, verify=False) == generation
    with pytest.raises(IndexDamaged, match=r"data\.txt is damaged \(its checksum"):
        current_generation(tmp_path)


@pytest.mark.parametrize("name", ["data.txt", "empty", "meta.json", "deep"])
def test_a_missing_file_is_named(tmp_path, name):
    generation = write_generation(tmp_path, fill())
    path = generation / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(IndexDamaged, match=name):
        current_generation(tmp_path)


def test_a_missing_generation_or_pointer_is_damage_and_not_absence(tmp_path):
    generation = write_generation(tmp_path, fill())
    moved = generation.rename(tmp_path / "elsewhere")
    with pytest.raises(IndexDamaged, match=r"CURRENT is damaged \(it names generation-000001"):
        current_generation(tmp_path)
    moved.rename(generation)
    (tmp_path / "CURRENT").unlink()
    with pytest.raises(IndexDamaged, match=r"CURRENT is damaged \(it is missing\)"):
        current_generation(tmp_path)


@pytest.mark.parametrize(
    "pointer", [b"", b"MANIFEST-000005\n", b"../other " + b"0" * 64 + b"\n", b"\xff\xfe" * 99]
)
def test_a_pointer_that_we_did_not_write_is_not_followed(tmp_path, pointer):
    write_generation(tmp_path, fill())
    (tmp_path / "CURRENT").write_bytes(pointer)
    with pytest.raises(IndexDamaged, match="names no generation"):
        current_generation(tmp_path)


def test_files_of_two_generations_do_not_mix(tmp_path):
    first = write_generation(tmp_path / "one", fill("a"))
    second = write_generation(tmp_path / "two", fill("b"))
    (second / "meta.json").write_bytes((first / "meta.json").read_bytes())
    (second / "data.txt").write_bytes((first / "data.txt").read_bytes())
    with pytest.raises(IndexDamaged, match="not the one in CURRENT"):
        current_generation(tmp_path / "two")


def test_a_damaged_index_can_be_written_anew(tmp_path):
    write_generation(tmp_path, fill("a"))
    for damage in (b"", None):
        (tmp_path / "CURRENT").unlink() if damage is None else (tmp_path / "CURRENT").write_bytes(
            damage
        )
        new = write_generation(tmp_path, fill("b"))
        assert read_generation(tmp_path, text_of) == "b"
        assert names(tmp_path) == ["CURRENT", "LOCK", new.name]


# --- Interruption. ---


def test_a_writer_killed_before_any_file_operation_leaves_the_old_or_the_new(tmp_path):
    command = [sys.executable, "-m", "tests.tiny_rag.dying_writer", "every-step", tmp_path / "i"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60)
    for start, found in zip(("nothing", "old"), json.loads(done.stdout), strict=True):
        # one switch, at one moment: never a mixture, and never back
        assert [state for state, _ in groupby(found)] == [start, "new"]
        assert len(found) > 15


def test_all_is_on_the_disk_before_it_is_named(tmp_path, monkeypatch):
    # A kill cannot show this: without fsync a power cut may keep the new name and lose its content.
    write_generation(tmp_path, fill("old"))
    steps = []

    def record(call, name):
        def recorded(*arguments):
            path = arguments[0]
            if isinstance(path, int):
                path = os.readlink(f"/proc/self/fd/{path}")
            steps.append((name, Path(path).name))
            return call(*arguments)

        return recorded

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to name what is synced")
    monkeypatch.setattr(os, "fsync", record(os.fsync, "sync"))
    monkeypatch.setattr(os, "rename", record(os.rename, "rename"))
    monkeypatch.setattr(os, "replace", record(os.replace, "rename"))
    write_generation(tmp_path, fill("new"))
    new = "generation-000002.tmp"
    renamed = steps.index(("rename", new))
    contents = {"data.txt", "empty", "deep", "meta.json", new}
    assert {name for kind, name in steps[:renamed] if kind == "sync"} == contents
    assert sum(name == "meta.json" for _, name in steps) == 2  # the one in `deep` as well
    assert steps[renamed + 1 :] == [
        ("sync", tmp_path.name),
        ("sync", "CURRENT.tmp"),
        ("rename", "CURRENT.tmp"),
        ("sync", tmp_path.name),
    ]


def test_the_remains_of_a_killed_writer_are_removed_before_more_is_written(tmp_path):
    # The disk may have been full: that may be what killed it.
    old = write_generation(tmp_path, fill("old"))
    for remains in ("generation-000002.tmp", "generation-000003"):
        (tmp_path / remains).mkdir()
        (tmp_path / remains / "large").write_text("x", encoding="utf-8")
    seen = []
    write_generation(tmp_path, lambda generation: seen.extend(names(generation.parent)))
    assert seen == ["CURRENT", "LOCK", old.name, "generation-000002.tmp"]


def test_the_remains_of_a_first_writer_that_was_killed_are_removed_too(tmp_path):
    (tmp_path / "generation-000001.tmp").mkdir()
    (tmp_path / "generation-000001.tmp" / "large").write_text("x", encoding="utf-8")
    write_generation(tmp_path, fill())  # which also checks that it starts empty
    seen = []
    (tmp_path / "CURRENT").unlink()
    (tmp_path / "generation-000009.tmp").mkdir()
    write_generation(tmp_path, lambda generation: seen.extend(names(generation.parent)))
    # nothing says whether generation 1 was complete: it stays until there is a new one
    assert seen == ["LOCK", "generation-000001", "generation-000002.tmp"]


def test_the_old_generation_stays_until_the_new_one_is_named(tmp_path):
    write_generation(tmp_path, fill("old"))
    seen = []
    write_generation(tmp_path, lambda _: seen.append(read_generation(tmp_path, text_of)))
    assert seen == ["old"]


# --- Several processes. ---


def test_a_reader_overtaken_by_a_writer_reads_the_new_generation(tmp_path):
    write_generation(tmp_path, fill("old"))
    read = []

    def slow(generation):
        read.append(generation.name)
        if len(read) == 1:
            write_generation(tmp_path, fill("new"))
        return text_of(generation)

    assert read_generation(tmp_path, slow) == "new"
    assert read == ["generation-000001", "generation-000002"]


def test_an_error_of_the_reader_is_not_tried_again(tmp_path):
    write_generation(tmp_path, fill())
    calls = []

    def fail(generation):
        calls.append(generation)
        raise FileNotFoundError("another file")

    with pytest.raises(FileNotFoundError, match="another file"):
        read_generation(tmp_path, fail)
    assert len(calls) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_writers_wait_for_each_other(tmp_path):
    inside, most, filled = [], [], threading.Event()

    def slow(generation):
        inside.append(generation)
        most.append(len(inside))
        fill()(generation)
        filled.wait(0.02)
        inside.remove(generation)

    writers = [threading.Thread(target=write_generation, args=(tmp_path, slow)) for _ in range(5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert most == [1] * 5
    assert current_generation(tmp_path).name == "generation-000005"
