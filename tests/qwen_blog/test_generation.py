"""Generation: the same tokens as transformers, stops where it should, streams whole characters."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_blog import (
    GenerationConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
    Tokenizer,
    generate,
    stream,
)
from qwen_blog import generation as module
from qwen_blog.generation import pad_left
from tests.qwen_blog.reference import models

PROMPT_LENGTHS = (5, 17, 9)


@pytest.fixture(scope="module")
def pair() -> tuple[Qwen2ForCausalLM, transformers.Qwen2ForCausalLM]:
    """Ours and the reference with the same random weights, biases and norms included."""
    return models("large vocabulary")


@pytest.fixture(scope="module")
def model(pair: tuple) -> Qwen2ForCausalLM:
    return pair[0]


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 2048, (n,), generator=generator).tolist() for n in PROMPT_LENGTHS]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Knows single bytes only: Chinese characters take three tokens each."""
    return Tokenizer.train([], vocab_size=259)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[list[int]]], None]:
    """Make the loop yield given tokens, one list a row, whatever the model says."""

    def set_script(rows: list[list[int]]) -> None:
        def steps(*_: object) -> object:
            yield from (torch.tensor(column) for column in zip(*rows, strict=True))

        monkeypatch.setattr(module, "generate_ids", steps)

    return set_script


def reference_ids(pair: tuple, prompts: list[list[int]], **options: object) -> list[list[int]]:
    ids, mask = pad_left(prompts, 999)
    out = pair[1].generate(ids, attention_mask=mask.long(), pad_token_id=0, **options)
    return out[:, ids.shape[1] :].tolist()


def test_greedy_tokens_of_a_ragged_batch_equal_transformers(pair: tuple, prompts: list) -> None:
    replies = generate(pair[0], prompts, GenerationConfig(max_new_tokens=64))
    expected = reference_ids(pair, prompts, max_new_tokens=64, do_sample=False)
    assert [reply.ids for reply in replies] == expected
    assert {reply.finish_reason for reply in replies} == {"length"}


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7, "top_k": 20},
        {"temperature": 1.3, "top_p": 0.8},
        {"temperature": 1.0, "min_p": 0.1, "repetition_penalty": 1.3},
        {"temperature": 0.9, "top_k": 50, "top_p": 0.9, "min_p": 0.02},
    ],
)
def test_sampled_tokens_equal_transformers_for_the_same_seed(
    pair: tuple, prompts: list, options: dict
) -> None:
    generator = torch.Generator().manual_seed(5)
    config = GenerationConfig(max_new_tokens=32, **options)
    replies = generate(pair[0], prompts, config, generator=generator)
    torch.manual_seed(5)
    full = {"top_k": 0, "top_p": 1.0, **options}
    expected = reference_ids(pair, prompts, max_new_tokens=32, do_sample=True, **full)
    assert [reply.ids for reply in replies] == expected


def test_greedy_with_repetition_penalty_equals_transformers(pair: tuple, prompts: list) -> None:
    config = GenerationConfig(max_new_tokens=32, repetition_penalty=1.5)
    expected = reference_ids(
        pair, prompts, max_new_tokens=32, do_sample=False, repetition_penalty=1.5
    )
    assert [reply.ids for reply in generate(pair[0], prompts, config)] == expected


def test_a_prompt_in_a_batch_gets_the_reply_it_gets_alone(model, prompts: list) -> None:
    together = generate(model, prompts, GenerationConfig(max_new_tokens=40))
    alone = [generate(model, [p], GenerationConfig(max_new_tokens=40))[0] for p in prompts]
    assert together == alone


def test_a_stop_token_ends_its_row_only_and_is_not_part_of_the_reply(model, prompts) -> None:
    free = generate(model, prompts, GenerationConfig(max_new_tokens=20))
    stop = free[1].ids[7]
    stopped = generate(model, prompts, GenerationConfig(max_new_tokens=20, stop_token_ids=(stop,)))
    for before, after in zip(free, stopped, strict=True):
        end = before.ids.index(stop) if stop in before.ids else 20
        assert after.ids == before.ids[:end]
        assert after.finish_reason == ("stop" if stop in before.ids else "length")


@pytest.mark.parametrize("eos", [7, (9, 7)])
def test_the_models_own_eos_ids_stop_by_default(scripted, prompts, eos) -> None:
    model = Qwen2ForCausalLM(replace(Qwen2Config.nano(), eos_token_id=eos))
    scripted([[1, 2, 7, 3]])
    assert generate(model, prompts[:1])[0].ids == [1, 2]
    scripted([[1, 2, 7, 3]])
    never = GenerationConfig(stop_token_ids=())
    assert generate(model, prompts[:1], never)[0].ids == [1, 2, 7, 3]


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one. Observation: two", ("Observation:",), "one. "),
        ("a\n\nb", ("\n\n",), "a"),
        ("aab", ("ab",), "a"),
        ("你好。再见。", ("。",), "你好"),
        ("abc", ("c", "ab"), ""),
        ("abc", ("c", "bc"), "a"),
        ("abc", ("xyz",), "abc"),
        ("ab", ("abc",), "ab"),
    ],
)
def test_a_stop_string_cuts_the_text_and_streams_no_part_of_itself(
    model, tokenizer, scripted, text: str, stops: tuple, expected: str
) -> None:
    ids, config = tokenizer.encode(text), GenerationConfig(stop_strings=stops)
    scripted([ids])
    reply = generate(model, [[1]], config, tokenizer)[0]
    assert reply.text == expected
    assert reply.finish_reason == ("length" if expected == text else "stop")
    scripted([ids])
    assert "".join(stream(model, [1], tokenizer, config)) == expected


@settings(max_examples=200, derandomize=True, deadline=None)
@given(ids=st.lists(st.integers(0, 255), min_size=1, max_size=30))
def test_the_pieces_of_a_stream_join_to_the_text_and_hold_whole_characters(
    model, tokenizer, ids: list[int]
) -> None:
    config = GenerationConfig(stop_strings=("ab", "\n"), stop_token_ids=(65,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "generate_ids", lambda *_: (torch.tensor([i]) for i in ids))
        reply = generate(model, [[1]], config, tokenizer)[0]
        pieces = list(stream(model, [1], tokenizer, config))
    assert "".join(pieces) == reply.text
    assert all(pieces)
    if reply.finish_reason == "length":
        assert reply.text == tokenizer.decode(ids)


def test_a_stream_shows_a_character_only_when_its_last_byte_has_come(
    model, tokenizer, scripted
) -> None:
    scripted([tokenizer.encode("é你🪐")])
    assert list(stream(model, [1], tokenizer)) == ["é", "你", "🪐"]


def test_ids_that_the_tokenizer_has_no_text_for_are_never_chosen(model, tokenizer, prompts) -> None:
    replies = generate(model, prompts, GenerationConfig(max_new_tokens=30), tokenizer)
    assert max(max(reply.ids) for reply in replies) < len(tokenizer)


def test_a_reply_ends_where_the_context_ends(model) -> None:
    short = Qwen2ForCausalLM(replace(Qwen2Config.nano(), max_position_embeddings=12)).eval()
    reply = generate(short, [[1] * 9], GenerationConfig(max_new_tokens=50))[0]
    assert (len(reply.ids), reply.finish_reason) == (3, "length")


def test_nothing_is_left_in_training_state_or_recorded_for_gradients(model, prompts) -> None:
    tokens = next(module.generate_ids(model, prompts, GenerationConfig(max_new_tokens=1)))
    assert tokens.is_inference()
    assert not model.training


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "prompts is empty"),
        ([[1, 2], []], "prompt 1 is empty"),
        ("hello", "prompts='hello' must be lists of token ids"),
        (["hello"], "tokenizer.encode"),
        ([1, 2, 3], "must be lists of token ids"),
        ([[1] * 512], "512 tokens and the context 512"),
        ([[1, 5000]], "token id 5000 is outside the vocabulary of 4104"),
        ([[-1]], "token id -1"),
    ],
)
def test_a_prompt_that_cannot_be_run_is_refused_by_name(model, bad: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(model, bad)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_k": -1}, "top_k=-1"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"min_p": 1.5}, "min_p=1.5"),
        ({"repetition_penalty": 0.0}, "repetition_penalty=0.0"),
        ({"stop_strings": "abc"}, "stop_strings='abc' must be a tuple"),
        ({"stop_strings": ("",)}, "stop_strings"),
    ],
)
def test_a_setting_without_sense_is_refused_by_name(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GenerationConfig(**setting)


def test_stop_strings_without_a_tokenizer_are_refused(model) -> None:
    with pytest.raises(ValueError, match="need a tokenizer"):
        generate(model, [[1]], GenerationConfig(stop_strings=("x",)))


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tokenizer) -> None:
    small = Qwen2ForCausalLM(replace(Qwen2Config.nano(), vocab_size=100)).eval()
    with pytest.raises(ValueError, match="the tokenizer has 259 ids, the model 100"):
        generate(small, [[1]], tokenizer=tokenizer)
