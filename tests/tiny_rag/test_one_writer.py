"""One process at a time changes an index, from reading it until it is saved."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tiny_rag.index import Index
from tiny_rag.one_writer import WRITER, one_writer

fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")


def held_by_another(folder):
    """A process that holds the lock until it is killed."""
    code = (
        "import sys, time; from tiny_rag.one_writer import one_writer\n"
        "with one_writer(sys.argv[1]): print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_second_writer_is_told_which_folder_and_what_to_do(tmp_path):
    with one_writer(tmp_path / "i"):
        start = time.monotonic()
        with (
            pytest.raises(BlockingIOError, match=r"writing the index in .*i; wait .* try again"),
            one_writer(tmp_path / "i", wait_s=0.1),
        ):
            pytest.fail("two writers")
        assert 0.1 < time.monotonic() - start < 5
        with one_writer(tmp_path / "other"):  # each folder has its own
            pass
    with one_writer(tmp_path / "i", wait_s=0):
        pass


def test_a_killed_writer_keeps_nobody_out(tmp_path):
    process = held_by_another(tmp_path / "i")
    with pytest.raises(BlockingIOError), one_writer(tmp_path / "i", wait_s=0):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with one_writer(tmp_path / "i", wait_s=0):
        Index().save(tmp_path / "i")


def test_who_only_reads_does_not_wait(tmp_path):
    Index().save(tmp_path)
    with one_writer(tmp_path):
        assert len(Index.open(tmp_path)) == 0


def test_writers_that_wait_lose_nothing_of_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [f"{number}.txt" for number in range(4)]

    def write(name):
        Path(name).write_text(f"The text of {name}.", encoding="utf-8")
        with one_writer("i", wait_s=60):
            index = Index.open("i") if Path("i/CURRENT").exists() else Index()
            index.update([name])
            time.sleep(0.02)
            index.save("i")

    writers = [threading.Thread(target=write, args=(name,)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(Index.open("i").sources) == names


def test_a_folder_in_which_nothing_was_saved_does_not_stay(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), one_writer(tmp_path / "i"):
            raise KeyError
        assert not (tmp_path / "i").exists()
    (tmp_path / "mine").mkdir()
    with one_writer(tmp_path / "mine"):
        pass
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [WRITER]


def test_the_lock_of_a_file_that_was_just_removed_keeps_others_out_of_the_next_one(
    tmp_path, monkeypatch
):
    flock, removed = fcntl.flock, []

    def overtaken(lock, how):
        if not removed:  # the writer before saved nothing, and ends between our open and our flock
            removed.append(shutil.rmtree(tmp_path / "i"))
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    with (
        one_writer(tmp_path / "i"),
        pytest.raises(BlockingIOError),
        one_writer(tmp_path / "i", wait_s=0),
    ):
        pytest.fail("two writers")


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "index").write_text("x", encoding="utf-8")
    with (
        pytest.raises(NotADirectoryError, match="index is a file; give a folder"),
        one_writer(tmp_path / "index"),
    ):
        pass
