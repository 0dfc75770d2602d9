"""Reading a parallel corpus, making examples of it, and batches of those."""

import random
import re
import tracemalloc
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_transformer.batching import Example, batches, collate
from tiny_transformer.data import Pair, Problem, encode_pairs, read_pairs
from tiny_transformer.tokenizer import Tokenizer

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
BOM = b"\xef\xbb\xbf"
GOOD = [Pair("三千", "three thousand"), Pair("二", "two")]


def written(folder, content, name="pairs.tsv"):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return file


# --- Reading: one file. ---


@pytest.mark.parametrize(
    "content",
    [
        "三千\tthree thousand\n二\ttwo\n".encode(),
        "三千\tthree thousand\n二\ttwo".encode(),
        "三千\tthree thousand\r\n二\ttwo\r\n".encode(),
        BOM + "三千\tthree thousand\n二\ttwo\n".encode(),
    ],
    ids=["plain", "no end of line at the end", "CRLF", "byte order mark"],
)
def test_a_line_is_source_tab_target(tmp_path, content):
    assert read_pairs(written(tmp_path, content)) == (GOOD, [])
    assert read_pairs(str(tmp_path / "pairs.tsv")) == (GOOD, [])
    assert read_pairs(tmp_path / "pairs.tsv", on_error="raise") == (GOOD, [])


SIDES = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), max_size=8).map(
    lambda text: f"x{text}y"
)


@PROPERTY
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_every_text_is_read_back_exactly(tmp_path_factory, sides, end):
    # \x0b, \x85, U+2028 ... are text: cutting at them would shift all lines after.
    pairs = [Pair(*side) for side in sides]
    folder = tmp_path_factory.mktemp("corpus")
    one = "".join(f"{source}\t{target}{end}" for source, target in pairs)
    two = ["".join(side + end for side in column) for column in zip(*pairs, strict=True)]
    files = tuple(written(folder, text, f"{i}.txt") for i, text in enumerate(two))
    if b"\0" not in one.split("\n")[0].encode():
        assert read_pairs(written(folder, one)) == (pairs, [])
        assert read_pairs(files) == (pairs, [])


@pytest.mark.parametrize("character", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\r")
def test_only_line_feeds_end_a_line(tmp_path, character):
    line = f"a{character}b\tc{character}d"
    file = written(tmp_path, f"x\ty\n{line}\n")
    assert read_pairs(file)[0] == [Pair("x", "y"), Pair(f"a{character}b", f"c{character}d")]


def test_spaces_and_carriage_returns_inside_are_kept(tmp_path):
    assert read_pairs(written(tmp_path, " a \t b \n"))[0] == [Pair(" a ", " b ")]
    assert read_pairs(written(tmp_path, "a\tb\r\r\n"))[0] == [Pair("a", "b\r")]
    assert read_pairs(written(tmp_path, "a\tb\r"))[0] == [Pair("a", "b\r")]


BAD_LINES = {
    b"no tab here": "no tabs instead of one",
    b"a\tb\tc": "2 tabs instead of one",
    b"": "no tabs instead of one",
    b"\tb": "empty source",
    b"a\t": "empty target",
    b" \t\xe3\x80\x80": "empty source and target",
    b"\t": "empty source and target",
    b"\xff\ta": "not UTF-8",
    "三".encode()[:2] + b"\ta": "not UTF-8",
    b"a\t\xed\xa0\x80": "not UTF-8",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items())
def test_a_malformed_line_is_skipped_and_reported_or_refused(tmp_path, line, reason):
    file = written(tmp_path, b"a\tb\r\n" + line + b"\r\nc\td\n")
    pairs, problems = read_pairs(file)
    assert pairs == [Pair("a", "b"), Pair("c", "d")]
    assert problems == [Problem(2, reason)]
    assert str(problems[0]) == f"line 2: {reason}"
    with pytest.raises(ValueError, match=rf"pairs\.tsv, line 2: {reason}; .*(skip|convert)"):
        read_pairs(file, on_error="raise")


def test_problems_come_in_order_with_the_numbers_of_the_file(tmp_path):
    lines = [b"a\tb", *BAD_LINES, *[b"c\td"] * 5]
    pairs, problems = read_pairs(written(tmp_path, BOM + b"\n".join(lines)))
    assert len(pairs) == 6
    assert [problem.line for problem in problems] == list(range(2, 2 + len(BAD_LINES)))
    assert [problem.reason for problem in problems] == list(BAD_LINES.values())


def test_the_first_malformed_line_may_be_the_first_line(tmp_path):
    assert read_pairs(written(tmp_path, BOM + b"x\na\tb\n"))[1][0].line == 1


@pytest.mark.parametrize("content", ["", "\n\n", "no tab\nnor here\n", "\ta\n"])
def test_a_file_without_any_pair_is_refused(tmp_path, content):
    with pytest.raises(
        ValueError, match=r"pairs\.tsv has no pair \(.+\); a line is: source, a tab"
    ):
        read_pairs(written(tmp_path, content))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("on_error", ["skip", "raise"])
def test_a_utf16_file_is_refused_with_the_command_that_converts_it(tmp_path, encoding, on_error):
    content = "two\tzwei\nthree\tdrei\n".encode(encoding)
    with pytest.raises(ValueError, match=r"pairs\.tsv is UTF-16; .*iconv -f UTF-16 -t UTF-8"):
        read_pairs(written(tmp_path, content), on_error=on_error)


@pytest.mark.parametrize("on_error", ["skip", "raise"])
@pytest.mark.parametrize("first", ["", "source\ttarget\n"])  # an ASCII heading is valid UTF-8
def test_a_gb18030_file_is_refused_with_the_command_that_converts_it(tmp_path, on_error, first):
    content = (first + "三千\tthree thousand\n二百\ttwo hundred\n").encode("gb18030")
    with pytest.raises(ValueError, match=r"not UTF-8; .*iconv -f GB18030 -t UTF-8"):
        read_pairs(written(tmp_path, content), on_error=on_error)


def test_a_few_lines_of_another_encoding_are_only_skipped(tmp_path):
    content = "三\tthree\n".encode() + "二\ttwo\n".encode("gb18030")
    pairs, problems = read_pairs(written(tmp_path, content))
    assert (pairs, problems) == ([Pair("三", "three")], [Problem(2, "not UTF-8")])


def test_other_misuse_is_refused(tmp_path):
    file = written(tmp_path, "a\tb\n")
    with pytest.raises(ValueError, match="on_error='ignore' must be 'skip' or 'raise'"):
        read_pairs(file, on_error="ignore")
    with pytest.raises(ValueError, match="corpus has 3 files"):
        read_pairs((file, file, file))
    with pytest.raises(FileNotFoundError):
        read_pairs(tmp_path / "none.tsv")


# --- Reading: two files. ---


def two(folder, source, target):
    return written(folder, source, "train.zh"), written(folder, target, "train.en")


def test_two_files_correspond_line_by_line(tmp_path):
    files = two(tmp_path, BOM + "三千\r\n二\r\n".encode(), BOM + b"three thousand\ntwo")
    assert read_pairs(files) == (GOOD, [])


def test_a_tab_in_one_of_two_files_is_text(tmp_path):
    assert read_pairs(two(tmp_path, "a\tb\n", "c\n"))[0] == [Pair("a\tb", "c")]


def test_malformed_lines_of_two_files_are_reported(tmp_path):
    files = two(tmp_path, b"a\n\n\xff\nd\ne\n", b"b\nc\nd\n\xfe\n \n")
    pairs, problems = read_pairs(files)
    assert pairs == [Pair("a", "b")]
    assert [str(problem) for problem in problems] == [
        "line 2: empty source",
        "line 3: not UTF-8 (source)",
        "line 4: not UTF-8 (target)",
        "line 5: empty target",
    ]
    with pytest.raises(ValueError, match=r"train\.zh and .*train\.en, line 2: empty source"):
        read_pairs(files, on_error="raise")


@pytest.mark.parametrize("on_error", ["skip", "raise"])
@pytest.mark.parametrize(("m", "n"), [(3, 5), (5, 3), (0, 1), (1, 0)])
def test_two_files_of_different_length_are_refused_with_both_counts(tmp_path, m, n, on_error):
    files = two(tmp_path, "a\n" * m, "b\n" * n)
    expected = rf"train\.zh has {m} lines and .*train\.en has {n}; line n of one"
    with pytest.raises(ValueError, match=expected):
        read_pairs(files, on_error=on_error)


def test_a_utf16_file_among_two_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"train\.en is UTF-16"):
        read_pairs(two(tmp_path, "a\n", "b\n".encode("utf-16")))


def test_reading_is_streamed(tmp_path):
    # A corpus larger than memory must not be read whole to find that its first line is bad.
    file = written(tmp_path, "no tab\n" + "a\tb\n" * 1_000_000)  # 4 MB
    tracemalloc.start()
    with pytest.raises(ValueError, match="line 1"):
        read_pairs(file, on_error="raise")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


# --- Pairs to examples. ---


BYTES = Tokenizer.train([], 259)  # a byte a token: lengths are known


def test_a_source_ends_with_eos_and_a_target_stands_between_bos_and_eos():
    examples, too_long = encode_pairs([Pair("ab", "c")], BYTES, max_length=10)
    a, b, c = BYTES.encode("abc")
    assert examples == [Example([a, b, 2], [1, c, 2])]
    assert too_long == []


def test_special_tokens_written_in_a_corpus_are_text():
    (example,), _ = encode_pairs([Pair("a</s>b", "</s><s>")], BYTES, max_length=20)
    assert example.source.count(2) == example.target.count(2) == 1
    assert BYTES.decode(example.target) == "</s><s>"


def test_pairs_too_long_on_either_side_are_left_out_and_numbered():
    pairs = [Pair("abc", "d"), Pair("abcd", "e"), Pair("a", "bcd"), Pair("a", "bcde")]
    examples, too_long = encode_pairs(pairs, BYTES, max_length=4)  # 3 tokens and eos, or bos
    assert too_long == [1, 3]
    assert [BYTES.decode(example.source) for example in examples] == ["abc", "a"]
    assert all(len(e.source) <= 4 and len(e.target) - 1 <= 4 for e in examples)


def test_a_maximum_that_leaves_nothing_is_refused_and_says_what_would_do():
    with pytest.raises(ValueError, match=r"max_length=2 leaves none of 2 pairs; .*has 4 tokens"):
        encode_pairs([Pair("a", "bcd"), Pair("abcdef", "b")], BYTES, max_length=2)
    assert encode_pairs([], BYTES, max_length=2) == ([], [])


# --- Batches. ---


def corpus(n, seed=0):
    """Lengths like those of news sentences: log-normal, targets some 20% longer or shorter."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        source = min(200, max(1, round(rng.lognormvariate(3.1, 0.6))))
        target = min(250, max(1, round(source * rng.lognormvariate(0.05, 0.2))))
        examples.append(Example([5] * source + [2], [1] + [5] * target + [2]))
    return examples


def padded(examples, rows):
    """(S, T) of a batch, from the tensors that the model gets."""
    batch = collate([examples[i] for i in rows], pad_id=0)
    return batch.source.shape[1], batch.target_in.shape[1]


LENGTHS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60)


@PROPERTY
@given(LENGTHS, st.integers(31, 400), st.integers(0, 9))
def test_every_example_is_in_one_batch_and_no_batch_is_too_large(lengths, max_tokens, seed):
    examples = [Example([5] * s + [2], [1] + [5] * t + [2]) for s, t in lengths]
    found = batches(examples, max_tokens, random.Random(seed))
    assert sorted(i for rows in found for i in rows) == list(range(len(examples)))
    for rows in found:
        assert len(rows) * max(padded(examples, rows)) <= max_tokens


def test_over_many_pools_too():
    examples = corpus(5000)
    found = batches(examples, 300, random.Random(0))
    assert sorted(i for rows in found for i in rows) == list(range(5000))
    assert all(len(rows) * max(padded(examples, rows)) <= 300 for rows in found)


def padding(examples, found):
    """The share of places, source and target together, that hold padding."""
    places = sum(len(rows) * sum(padded(examples, rows)) for rows in found)
    return 1 - sum(len(e.source) + len(e.target) - 1 for e in examples) / places


def test_few_places_are_padding():
    examples = corpus(6000)
    found = batches(examples, 2000, random.Random(0))
    assert padding(examples, found) < 0.10  # measured: 0.08
    order = random.Random(0).sample(range(6000), 6000)
    rows = 6000 // len(found)
    mixed = [order[start : start + rows] for start in range(0, 6000, rows)]
    assert padding(examples, mixed) > 0.5


def test_batches_are_filled_as_far_as_they_go():
    same = [Example([5, 5, 2], [1, 5, 2])] * 100  # S 3, T 2
    found = batches(same, 30, random.Random(0))
    assert [len(rows) for rows in found] == [10] * 10


def test_the_longer_side_alone_decides_whichever_it_is():
    long_target = [Example([5, 2], [1, *[5] * 9, 2])] * 20  # S 2, T 10
    long_source = [Example([5] * 9 + [2], [1, 5, 2])] * 20
    for examples in (long_target, long_source):
        assert {len(rows) for rows in batches(examples, 50, random.Random(0))} == {5}


def test_the_order_depends_on_the_generator_only():
    examples = corpus(2000)
    first, again, other = (batches(examples, 1000, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(map(sorted, first)) != sorted(map(sorted, other))  # other company each epoch


def test_short_and_long_batches_come_mixed():
    # Sorted by length, an epoch would end on long sentences only.
    examples = corpus(5000)
    longest = [max(padded(examples, rows)) for rows in batches(examples, 1000, random.Random(0))]
    half = len(longest) // 2
    first, second = sum(longest[:half]) / half, sum(longest[half:]) / (len(longest) - half)
    assert abs(first - second) < 0.2 * first
    assert sum(a < b for a, b in pairwise(longest)) < 0.7 * len(longest)


@pytest.mark.parametrize("example", [Example([5] * 8, [1, 2]), Example([2], [1] + [5] * 8)])
def test_an_example_longer_than_a_batch_is_refused_by_number(example):
    with pytest.raises(ValueError, match="example 1 has 8 tokens, more than max_tokens=7"):
        batches([Example([2], [1, 2]), example], 7, random.Random(0))
    assert len(batches([Example([2], [1, 2]), example], 8, random.Random(0))) == 2


def test_no_examples_make_no_batches():
    assert batches([], 100, random.Random(0)) == []


# --- Tensors. ---


def test_the_decoder_reads_bos_and_text_and_should_say_text_and_eos():
    examples = [Example([5, 6, 7, 2], [1, 8, 2]), Example([5, 2], [1, 8, 9, 2])]
    batch = collate(examples, pad_id=0)
    assert batch.source.tolist() == [[5, 6, 7, 2], [5, 2, 0, 0]]
    assert batch.target_in.tolist() == [[1, 8, 0], [1, 8, 9]]  # no eos before the padding
    assert batch.target_out.tolist() == [[8, 2, 0], [8, 9, 2]]
    assert {tensor.dtype for tensor in batch} == {torch.int64}


def test_padding_is_the_id_asked_for_and_the_examples_stay_as_they_were():
    examples = [Example([5, 2], [1, 2]), Example([2], [1, 5, 2])]
    batch = collate(examples, pad_id=77)
    assert (batch.source == 77).sum() == (batch.target_in == 77).sum() == 1
    assert (batch.target_out == 77).sum() == 1
    assert examples == [Example([5, 2], [1, 2]), Example([2], [1, 5, 2])]


@PROPERTY
@given(LENGTHS.filter(len))
def test_tensors_hold_every_id_at_its_place(lengths):
    examples = [Example([5] * s + [2], [1] + [6] * t + [2]) for s, t in lengths]
    batch = collate(examples, pad_id=0)
    assert batch.target_in.shape == batch.target_out.shape
    for row, (source, target) in enumerate(examples):
        assert batch.source[row, : len(source)].tolist() == source
        assert batch.target_in[row, : len(target) - 1].tolist() == target[:-1]
        assert batch.target_out[row, : len(target) - 1].tolist() == target[1:]
        assert not batch.source[row, len(source) :].any()
        assert not batch.target_in[row, len(target) - 1 :].any()
        assert not batch.target_out[row, len(target) - 1 :].any()


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match=re.escape("at least one example")):
        collate([], pad_id=0)
