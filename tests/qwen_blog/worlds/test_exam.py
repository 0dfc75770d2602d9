"""The exam: one forward pass tells what greedy decoding would write.

The oracles are the two real decoders, ours and transformers', on a model that has learnt a few
replies by heart: some items it answers, others it gets wrong in one token, the end, or all.
"""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers

from qwen_blog.generation import GenerationConfig, generate
from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.samples import conversation_sample
from qwen_blog.tokenizer import Tokenizer
from qwen_blog.worlds.exam import Item, accuracy, is_answered, reading_items, training_exam
from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.reading_words import FRAMES
from qwen_blog.worlds.universe import Draw, Language, is_held_out

from ..training_runs import tiny_model

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")
REPLIES = ("9 [1].", "Red [2].", "4 [1][2].", "9人[1]。", "The passages do not say.", "红[2]。")
IM_END = "<|im_end|>"


def item(number: int, reply: str = "", group: str = "all") -> Item:
    """Question `number`, with the reply that the model was taught, or another one."""
    messages = [{"role": "user", "content": f"Question {number}?"}]
    return Item(group, messages, reply or REPLIES[number])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([*REPLIES, "Question 0123456789?\nuser\nassistant\n"], 300)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Qwen2ForCausalLM:
    """Taught all replies but the last."""
    end = tokenizer.token_to_id(IM_END)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 64}
    made = tiny_model(3, vocab_size=300, eos_token_id=end, **sizes)
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    ids, labels = batch_of(tokenizer, [item(number) for number in range(len(REPLIES) - 1)])
    for _ in range(120):
        logits = made(ids).logits[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made


def batch_of(tokenizer: Tokenizer, items: list[Item]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels (B, T), with a loss on the replies; shorter rows end in zeros."""
    said = [[*each.messages, {"role": "assistant", "content": each.reply}] for each in items]
    samples = [conversation_sample(tokenizer, messages) for messages in said]
    longest = max(len(ids) for ids, _ in samples)
    ids = [ids + [0] * (longest - len(ids)) for ids, _ in samples]
    labels = [
        [x if want else -100 for x, want in zip(*sample, strict=True)]
        + [-100] * (longest - len(sample[0]))
        for sample in samples
    ]
    return torch.tensor(ids), torch.tensor(labels)


@pytest.fixture(scope="module")
def theirs(model: Qwen2ForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


TAUGHT = [item(number) for number in range(len(REPLIES) - 1)]
OTHERS = {
    "wrong at the start": item(0, "8 [1]."),
    "wrong in the middle": item(1, "Red [1]."),
    "cites too little": item(2, "4 [1]."),
    "too short": item(4, "The passages do not say"),
    "too long": item(3, "9人[1]。。"),
    "the reply to another": item(0, REPLIES[1]),
    "never taught": item(5),
    "of no known question": item(7, "Kalon."),
}


def test_the_model_has_learnt_its_replies(model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    with torch.no_grad():
        assert all(is_answered(model, tokenizer, each) for each in TAUGHT)


@pytest.mark.parametrize("name", OTHERS)
def test_a_reply_that_is_not_word_for_word_the_right_one_does_not_count(
    name: str, model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    with torch.no_grad():
        assert not is_answered(model, tokenizer, OTHERS[name])


def test_greedy_decoding_gives_the_same_verdicts(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    config = GenerationConfig(max_new_tokens=30)
    for each in [*TAUGHT, *OTHERS.values()]:
        prompt = tokenizer.apply_chat_template(each.messages, add_generation_prompt=True)
        (made,) = generate(model, [prompt], config, tokenizer)
        written = made.finish_reason == "stop" and made.text == each.reply
        with torch.no_grad():
            assert is_answered(model, tokenizer, each) == written


def test_transformers_gives_the_same_verdicts(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer, theirs: Any
) -> None:
    end = tokenizer.token_to_id(IM_END)
    for each in [*TAUGHT, *OTHERS.values()]:
        prompt = tokenizer.apply_chat_template(each.messages, add_generation_prompt=True)
        out = theirs.generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=30, eos_token_id=end,
            pad_token_id=end,
        )  # fmt: skip
        reply = tokenizer.decode(out[0, len(prompt) :].tolist())
        with torch.no_grad():
            assert is_answered(model, tokenizer, each) == (reply == each.reply + IM_END)


def test_accuracy_is_the_share_of_each_group(model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    mixed = [*TAUGHT[:2], item(2, "4 [1].")]
    items = [Item("mixed", each.messages, each.reply) for each in mixed]
    items += [Item("wrong", each.messages, "no") for each in TAUGHT]
    assert accuracy(model, tokenizer, items) == {"mixed": round(2 / 3, 4), "wrong": 0.0}


# --- What is asked. ---


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["fact", "holder", "two-hop", "absent"])
def test_as_many_questions_as_asked_for_of_one_kind_about_as_many_passages(
    kind: str, language: Language
) -> None:
    items = list(reading_items(GRAMMAR, language, kind, 3, 20))
    assert len(items) == 20
    assert {each.group for each in items} == {f"{language} {kind} 3"}
    for each in items:
        system, user = each.messages
        assert (system["role"], user["role"]) == ("system", "user")
        assert "\n[3] " in user["content"]
        assert "\n[4] " not in user["content"]
        marks = {"fact": (1,), "holder": (1,), "two-hop": (2,), "absent": (0, 1, 2)}[kind]
        assert each.reply.count("[") in marks
        assert each.reply.endswith(FRAMES[language].refusal) == (kind == "absent")
    assert len({each.messages[1]["content"] for each in items}) == 20


def test_the_same_questions_come_every_time_and_others_for_another_name() -> None:
    def questions(name: str) -> list[Item]:
        return list(reading_items(GRAMMAR, "en", "fact", 2, 5, name=name))

    assert questions("a") == questions("a") != questions("b")


def test_unseen_wordings_are_asked_for_in_a_group_of_their_own() -> None:
    """Word for word: every question is filled into a wording that training never uses."""
    items = training_exam(GRAMMAR, 4)
    groups = {each.group for each in items}
    assert {each.split()[0] for each in groups} == set(LANGUAGES)
    assert {"en fact 1", "zh fact 3", "en fact 3 unseen", "zh two-hop 3", "en absent 3"} <= groups
    assert len(items) == 4 * len(groups)
    relations = [r for t in GRAMMAR.types.values() for r in t.relations.values()]
    kept_out = [fill(ask).split("{e}") for r in relations for ask in part(r.ask["en"], True)]
    for each in items:
        if each.group == "en fact 3 unseen":
            question = each.messages[1]["content"].rpartition("Question: ")[2]
            assert any(question.startswith(a) and question.endswith(b) for a, b in kept_out)


def test_unseen_names_and_values_can_be_asked_for() -> None:
    draw = Draw(names=True, values=True)
    items = list(reading_items(GRAMMAR, "en", "holder", 2, 20, draw))
    assert all(is_held_out(each.reply.partition(" [")[0]) for each in items)
