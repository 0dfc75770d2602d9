"""Continuous batching: every row gets the reply it gets alone, whoever comes and goes beside it."""

import itertools

import pytest
import torch
import transformers

from qwen_blog import GenerationConfig, KVCache, Qwen2Config, Qwen2ForCausalLM, Tokenizer, generate
from qwen_blog.batching import ROOM, Batch, ContextLengthError, Request, Row
from qwen_blog.logprobs import SCORED_AT_ONCE
from tests.qwen_blog.reference import config_json, hf_config, models, randomise

LENGTHS = (5, 60, 17, 1, 33)  # of the prompts; each reply is 20 tokens longer than the last
PAIR = tuple[Qwen2ForCausalLM, transformers.Qwen2ForCausalLM]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Single bytes and three control tokens: ids 0 to 258."""
    return Tokenizer.train([], vocab_size=259)


@pytest.fixture(scope="module")
def pair() -> PAIR:
    return models("large vocabulary")


@pytest.fixture(scope="module")
def model(pair: PAIR) -> Qwen2ForCausalLM:
    return pair[0]


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (n,), generator=generator).tolist() for n in LENGTHS]


def windowed() -> PAIR:
    """Layers that see 20 tokens back, in a vocabulary that has room for the tokenizer's."""
    raw = config_json("window, layers mixed") | {"vocab_size": 300}
    theirs = transformers.Qwen2ForCausalLM(hf_config(raw)).eval()
    randomise(theirs)
    ours = Qwen2ForCausalLM(Qwen2Config.from_dict(raw)).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def configs(**settings: object) -> list[GenerationConfig]:
    tokens = range(10, 10 + 20 * len(LENGTHS), 20)
    return [GenerationConfig(max_new_tokens=n, **settings) for n in tokens]


def in_company(batch: Batch, requests: list[Request], between: int = 4) -> list[Row]:
    """Each request joins a few steps after the one before; early ones leave in the meantime."""
    rows = []
    for request in requests:
        rows.append(batch.join(request))
        for _ in range(between):
            batch.step()
    while batch.step():
        pass
    return rows


def hf_reply(model: transformers.Qwen2ForCausalLM, prompt: list[int], new_tokens: int) -> list[int]:
    barred = list(range(259, model.config.vocab_size))
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, max_new_tokens=new_tokens, do_sample=False, pad_token_id=0, suppress_tokens=barred
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("case", ["all tokens seen", "sliding windows"])
def test_greedy_replies_of_rows_that_come_and_go_equal_transformers(
    pair, tokenizer, prompts, case: str
) -> None:
    ours, theirs = windowed() if case == "sliding windows" else pair
    requests = [Request(tuple(p), c) for p, c in zip(prompts, configs(), strict=True)]
    rows = in_company(Batch(ours, tokenizer), requests)
    for row, prompt, config in zip(rows, prompts, configs(), strict=True):
        assert row.reply.ids == hf_reply(theirs, prompt, config.max_new_tokens)
        assert (row.made, row.finish_reason) == (config.max_new_tokens, "length")


def test_seeded_replies_are_those_of_the_row_alone(model, tokenizer, prompts) -> None:
    settings = configs(temperature=1.0, top_p=0.9)
    requests = [
        Request(tuple(p), c, seed=seed)
        for seed, (p, c) in enumerate(zip(prompts, settings, strict=True))
    ]
    rows = in_company(Batch(model, tokenizer), requests)
    for seed, (row, prompt, config) in enumerate(zip(rows, prompts, settings, strict=True)):
        generator = torch.Generator().manual_seed(seed)
        assert row.reply.ids == generate(model, [prompt], config, tokenizer, generator)[0].ids


def test_each_row_has_its_own_settings_and_no_seed_means_another_reply(
    model, tokenizer, prompts
) -> None:
    warm, cold = GenerationConfig(temperature=1.5), GenerationConfig()
    requests = [Request(tuple(prompts[0]), config) for config in (cold, warm, cold, warm)]
    first, second, third, fourth = in_company(Batch(model, tokenizer), requests, between=0)
    assert first.reply.ids == third.reply.ids
    assert len({tuple(row.reply.ids) for row in (first, second, fourth)}) == 3


def test_what_a_new_cache_holds_by_chance_reaches_no_row(
    model, tokenizer, prompts, monkeypatch
) -> None:
    fresh = KVCache.__init__

    def full_of_nan(self: KVCache, *settings: object, **more: object) -> None:
        fresh(self, *settings, **more)
        for x in (*self.keys, *self.values):
            x.fill_(float("nan"))

    requests = [Request(tuple(p), GenerationConfig(max_new_tokens=8)) for p in prompts]
    clean = [row.reply.ids for row in in_company(Batch(model, tokenizer), requests)]
    monkeypatch.setattr(KVCache, "__init__", full_of_nan)
    assert [row.reply.ids for row in in_company(Batch(model, tokenizer), requests)] == clean


def test_a_row_that_is_given_up_leaves_the_others_alone(model, tokenizer, prompts) -> None:
    batch, config = Batch(model, tokenizer), GenerationConfig(max_new_tokens=30)
    rows = [batch.join(Request(tuple(p), config)) for p in prompts]
    batch.step()
    batch.leave(rows[1])  # the longest
    batch.leave(rows[1])  # gone already
    while batch.step():
        pass
    assert rows[1].made == 2
    for row, prompt in zip(rows[2:], prompts[2:], strict=True):
        assert row.reply.ids == generate(model, [prompt], config, tokenizer)[0].ids


def test_the_cache_is_copied_only_when_rows_change_or_room_runs_out(
    model, tokenizer, prompts, monkeypatch
) -> None:
    batch, config = Batch(model, tokenizer), GenerationConfig(max_new_tokens=3 * ROOM)
    caches = []
    rows = [batch.join(Request(tuple(p), config)) for p in prompts[:2]]
    for _ in range(2 * ROOM):
        batch.step()
        caches.append(rows[0].cache)
    changes = sum(a is not b for a, b in itertools.pairwise(caches))
    assert changes == 1
    batch.leave(rows[1])
    batch.step()
    assert rows[0].cache.length == rows[0].cached  # the longer row's columns are gone


# --- Where a reply ends. ---


def test_stop_tokens_and_strings_end_a_row_as_in_generate(model, tokenizer, prompts) -> None:
    free = generate(model, prompts, GenerationConfig(max_new_tokens=24), tokenizer)
    stop_token, stop_text = free[0].ids[7], tokenizer.decode(free[1].ids[9:11])
    config = GenerationConfig(
        max_new_tokens=24, stop_token_ids=(stop_token,), stop_strings=(stop_text,)
    )
    rows = in_company(Batch(model, tokenizer), [Request(tuple(p), config) for p in prompts])
    for row, expected in zip(rows, generate(model, prompts, config, tokenizer), strict=True):
        update = row.take()
        assert (row.reply.ids, update.text) == (expected.ids, expected.text)
        assert update.finish_reason == expected.finish_reason
    assert rows[0].made == len(rows[0].reply.ids) + 1  # the stop token was made, too
    assert {row.finish_reason for row in rows} == {"stop", "length"}


def test_updates_are_whole_characters_and_join_to_the_text(model, tokenizer, prompts) -> None:
    config = GenerationConfig(max_new_tokens=60, stop_strings=("\n\n",))
    batch, texts = Batch(model, tokenizer), []
    row = batch.join(Request(tuple(prompts[2]), config))
    texts.append(row.take().text)
    while batch.step():
        texts.append(row.take().text)
    assert "".join(texts) == generate(model, [prompts[2]], config, tokenizer)[0].text
    assert "" in texts  # a byte that completes no character


def test_a_reply_ends_where_the_context_ends(model, tokenizer) -> None:
    batch = Batch(model, tokenizer)
    row = batch.join(Request((1,) * 509, GenerationConfig(max_new_tokens=50)))
    while batch.step():
        pass
    assert (row.made, row.finish_reason) == (3, "length")


def test_one_token_is_done_after_the_prompt(model, tokenizer) -> None:
    batch = Batch(model, tokenizer)
    row = batch.join(Request((1, 2), GenerationConfig(max_new_tokens=1)))
    assert (row.made, row.finish_reason, batch.rows, batch.step()) == (1, "length", [], [])


# --- Log-probabilities. ---


@pytest.mark.parametrize("length", [1, 2, 40, SCORED_AT_ONCE + 1, SCORED_AT_ONCE + 2, 400])
def test_scores_of_prompt_and_reply_equal_a_full_forward_of_transformers(
    pair, tokenizer, length: int
) -> None:
    generator = torch.Generator().manual_seed(length)
    prompt = torch.randint(0, 256, (length,), generator=generator).tolist()
    config = GenerationConfig(max_new_tokens=6, temperature=0.7)  # what scores must not show
    request = Request(tuple(prompt), config, seed=3, top_logprobs=4, score_prompt=True)
    company = Request((1, 2, 3), GenerationConfig(max_new_tokens=6))
    row = in_company(Batch(pair[0], tokenizer), [company, request], between=1)[1]
    scores, ids = row.take().scores, prompt + row.reply.ids
    with torch.no_grad():
        logprobs = pair[1](torch.tensor([ids])).logits[0].log_softmax(-1)
    assert [score.token for score in scores] == ids
    assert (scores[0].logprob, scores[0].top) == (None, ())
    expected = logprobs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    found = torch.tensor([score.logprob for score in scores[1:]])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)  # nats, fp32 sums in two orders
    best = logprobs[:-1, :259].topk(4)
    for place, score in enumerate(scores[1:]):
        assert [token for token, _ in score.top] == best.indices[place].tolist()
        values = torch.tensor([value for _, value in score.top])
        torch.testing.assert_close(values, best.values[place], atol=1e-4, rtol=0)


def test_a_prompt_can_be_scored_without_a_reply_even_if_it_fills_the_context(
    model, tokenizer
) -> None:
    batch = Batch(model, tokenizer)
    row = batch.join(Request((7,) * 512, top_logprobs=0, score_prompt=True))
    update = row.take()
    assert (len(update.scores), update.made, update.text) == (512, 0, "")
    assert (update.finish_reason, batch.rows) == ("length", [])
    assert row.take().scores == ()  # told once


def test_no_scores_unless_asked_for(model, tokenizer) -> None:
    row = Batch(model, tokenizer).join(Request((1, 2), GenerationConfig(max_new_tokens=1)))
    assert row.take().scores == ()


# --- What cannot be run. ---


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(()), "the prompt is empty"),
        (Request((1, 259)), "token id 259 must be from 0 to 258"),
        (Request((-1,)), "token id -1"),
        (Request((1,) * 512, GenerationConfig()), "512 tokens and the context 512"),
        (Request((1,) * 513), "513 tokens and the context 512"),
    ],
)
def test_a_prompt_that_cannot_be_run_is_refused(model, tokenizer, request_, message) -> None:
    batch = Batch(model, tokenizer)
    with pytest.raises(ValueError, match=message) as error:
        batch.join(request_)
    assert isinstance(error.value, ContextLengthError) == ("context" in message)
    assert batch.rows == []


def test_settings_that_a_batch_does_not_have_are_refused(model, tokenizer) -> None:
    with pytest.raises(ValueError, match="repetition_penalty"):
        Request((1,), GenerationConfig(repetition_penalty=1.1))
    with pytest.raises(ValueError, match="score_prompt=True needs top_logprobs"):
        Request((1,), score_prompt=True)


def test_a_tokenizer_of_another_model_is_refused(tokenizer) -> None:
    small = Qwen2ForCausalLM(Qwen2Config.from_dict(config_json("GQA")))
    with pytest.raises(ValueError, match="the tokenizer has 259 ids, the model 211"):
        Batch(small, tokenizer)
