"""A recipe makes a model folder from nothing, goes on where it was stopped, and asks fairly."""

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from qwen_blog import recipes
from qwen_blog.cli import main
from qwen_blog.config import Qwen2Config
from qwen_blog.from_scratch import OnStep, train_from_scratch
from qwen_blog.generation import GenerationConfig, generate
from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.packing import IGNORED
from qwen_blog.recipes import NANO, RECIPES, TINY_QWEN2, Recipe, Stage, to_sample
from qwen_blog.tokenizer import Tokenizer
from qwen_blog.training import row_of_step
from qwen_blog.training_config import TrainingConfig
from qwen_blog.worlds.exam import training_exam
from qwen_blog.worlds.grammar import Grammar
from qwen_blog.worlds.nano_data import (
    PLAIN,
    TYPES,
    nano_conversation,
    nano_exam,
    nano_grammar,
    nano_text,
)
from qwen_blog.worlds.reading_words import FRAMES
from qwen_blog.worlds.universe import is_held_out


def training(steps: int, seed: int = 0) -> TrainingConfig:
    """A checkpoint after each step."""
    return TrainingConfig(
        steps=steps,
        rows_per_step=1,
        row_tokens=512,
        learning_rate=3e-3,
        warmup_steps=2,
        checkpoint_every_s=0.0,
        validate_every=2,
        seed=seed,
    )


MICRO = Recipe(
    name="micro",
    model=Qwen2Config(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rope_theta=1e6,
        tie_word_embeddings=True,
    ),
    tokenizer_texts=60,
    stages=(
        Stage("pretrain", training(3), nano_text),
        Stage("sft", training(4, seed=1), nano_conversation, cites=True),
    ),
    exam=lambda count: nano_exam(2),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of MICRO that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with torch.random.fork_rng([]):
        train_from_scratch(MICRO, folder)
    return folder


def log(folder: Path, stage: str) -> list[dict[str, object]]:
    """Without what no two runs have in common."""
    lines = (folder / stage / "log.jsonl").read_text("utf-8").splitlines()
    return [{k: x for k, x in json.loads(line).items() if k != "seconds"} for line in lines]


# From nothing to a folder ---------------------------------------------------------------------


def test_the_command_trains_all_stages_and_prints_the_model_folder(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(RECIPES, "micro", MICRO)
    out = tmp_path / "run"
    assert main(["train", "--recipe", "micro", "--out", str(out), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "model")
    assert [len(log(out, stage.name)) for stage in MICRO.stages] == [3, 4]
    assert all(log(out, stage.name) == log(whole, stage.name) for stage in MICRO.stages)


def test_the_folder_holds_what_was_trained_last(whole: Path) -> None:
    """In float16, with the tokenizer that the stages used."""
    state = torch.load(whole / "sft" / "checkpoint.pt", weights_only=True)["model"]
    shipped = Qwen2ForCausalLM.from_pretrained(whole / "model").state_dict()
    assert all(torch.equal(x, state[name].half()) for name, x in shipped.items())
    first, last = (whole / name / "tokenizer.json" for name in ("tokenizer", "model"))
    assert first.read_bytes() == last.read_bytes()


def test_heads_that_know_their_passage_are_written_before_the_stage_that_wants_them(
    whole: Path,
) -> None:
    """The numbers then have a part in common; a few steps at this rate hardly move it."""
    tokenizer = Tokenizer.from_pretrained(whole / "tokenizer")
    numbers = [tokenizer.token_to_id(citation) for citation in recipes.CITATIONS]
    alike = []
    for stage in MICRO.stages:
        state = torch.load(whole / stage.name / "checkpoint.pt", weights_only=True)["model"]
        own = torch.nn.functional.normalize(state["model.embed_tokens.weight"][numbers], dim=-1)
        alike.append((own @ own.T)[~torch.eye(len(own), dtype=torch.bool)].mean().item())
    before, after = alike
    assert before < 0.2 < 0.4 < after


def test_the_folder_tells_how_the_model_came_about(whole: Path) -> None:
    records = log(whole, "model")
    stages = [record.pop("stage") for record in records]
    assert stages == ["pretrain"] * 3 + ["sft"] * 4
    assert records == [*log(whole, "pretrain"), *log(whole, "sft")]


def test_transformers_loads_the_folder_and_says_the_same(whole: Path) -> None:
    folder = whole / "model"
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_pretrained(folder)
    for item in MICRO.exam(2):
        prompt = tokenizer.apply_chat_template(item.messages, add_generation_prompt=True)
        asked = their_tokenizer.apply_chat_template(item.messages, add_generation_prompt=True)
        assert list(asked["input_ids"]) == prompt
        ids = torch.tensor([prompt])
        said = theirs.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
        mine = generate(ours, [prompt], GenerationConfig(max_new_tokens=12), tokenizer)[0].ids
        after = said[0, len(prompt) :].tolist()
        assert len(mine) > 3
        assert after[: len(mine)] == mine


def test_replies_of_the_shipped_model_end_with_the_turn(whole: Path) -> None:
    """Here and in transformers, without anybody asking for it."""
    end = Tokenizer.from_pretrained(whole / "model").token_to_id("<|im_end|>")
    assert Qwen2ForCausalLM.from_pretrained(whole / "model").config.eos_token_id == end
    theirs = transformers.AutoModelForCausalLM.from_pretrained(whole / "model")
    assert theirs.generation_config.eos_token_id == end


def test_a_stage_begins_with_what_the_one_before_has_learnt(whole: Path, tmp_path: Path) -> None:
    """Alone, it would have another loss from its first step on."""
    alone = replace(MICRO, stages=MICRO.stages[1:])
    train_from_scratch(alone, tmp_path)
    assert log(tmp_path, "sft")[0]["loss"] != log(whole, "sft")[0]["loss"]


@pytest.mark.parametrize("stopped", [("pretrain", 2), ("sft", 3)])
def test_a_stopped_run_goes_on_to_the_very_same_model(
    stopped: tuple[str, int], whole: Path, tmp_path: Path
) -> None:
    @contextmanager
    def ctrl_c(stage: Stage) -> Iterator[OnStep]:
        def look(record: dict[str, object]) -> None:
            if (stage.name, record["step"]) == stopped:
                raise KeyboardInterrupt

        yield look

    with pytest.raises(KeyboardInterrupt):
        train_from_scratch(MICRO, tmp_path, watch=ctrl_c)
    assert not (tmp_path / "model").exists()
    train_from_scratch(MICRO, tmp_path)
    files = [folder / "model" / "model.safetensors" for folder in (whole, tmp_path)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert all(log(tmp_path, stage.name) == log(whole, stage.name) for stage in MICRO.stages)


def test_the_exam_is_held_by_the_recipe_whenever_it_is_due(whole: Path) -> None:
    asked = {item.group for item in MICRO.exam(2)}
    records = log(whole, "sft")
    assert [record["step"] for record in records if "validation" in record] == [2, 4]
    assert set(records[-1]["validation"]) == asked  # type: ignore[call-overload]


def test_a_folder_of_another_recipe_is_refused(whole: Path) -> None:
    other = replace(MICRO, model=replace(MICRO.model, intermediate_size=48))
    with pytest.raises(ValueError, match="intermediate_size was 32, is 48"):
        train_from_scratch(other, whole)


def test_an_unknown_recipe_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--recipe", "huge", "--out", "nowhere"]) != 0
    assert "huge: there are nano, tiny-qwen2" in capsys.readouterr().err


# The parts of a recipe ------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_all_samples_of_a_recipe_have_something_to_learn_and_hardly_any_is_too_long(
    recipe: Recipe,
) -> None:
    """With a tokenizer of few texts, so with rather more tokens than in the run."""
    tokenizer = replace(recipe, tokenizer_texts=200).tokenizer()
    for stage in recipe.stages:
        for progress in (0.0, 0.5, 0.999):
            samples = [
                to_sample(tokenizer, stage.make(random.Random(f"{progress}/{i}"), progress))
                for i in range(30)
            ]
            assert all(any(wanted) for _, wanted in samples)
            long = sum(len(ids) > recipe.model.max_position_embeddings for ids, _ in samples)
            assert long <= 3, (stage.name, progress, long)


def test_a_text_is_learnt_whole_and_a_conversation_only_in_its_replies() -> None:
    tokenizer = MICRO.tokenizer()
    text, conversation = to_sample(tokenizer, "Kalon."), to_sample(tokenizer, TALK)
    assert all(text[1])
    learnt = [x for x, wanted in zip(*conversation, strict=True) if wanted]
    assert tokenizer.decode(learnt) == "Kalon.<|im_end|>"


TALK = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Kalon."}]


def test_a_recipe_begins_from_its_seed_alone() -> None:
    torch.manual_seed(1)
    one = MICRO.new_model().state_dict()
    torch.manual_seed(2)
    two = MICRO.new_model().state_dict()
    assert all(torch.equal(x, two[name]) for name, x in one.items())
    other = replace(MICRO, seed=1).new_model().state_dict()
    assert not torch.equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_new_weights_have_the_sizes_that_keep_the_sum_of_layers_small() -> None:
    """GPT-2's rule: what is added to the residual stream is scaled by 1 / sqrt(2 L)."""
    model = NANO.new_model()
    last = model.model.layers[NANO.model.num_hidden_layers - 1]
    assert last.mlp.up_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for added in (last.mlp.down_proj, last.self_attn.o_proj):
        assert added.weight.std().item() == pytest.approx(
            0.02 / (2 * NANO.model.num_hidden_layers) ** 0.5, rel=0.05
        )
    embeddings = model.model.embed_tokens.weight.std().item()
    assert embeddings == pytest.approx(recipes.EMBEDDING_STD, rel=0.05)


def test_a_new_model_has_induction_heads() -> None:
    ids = torch.randperm(NANO.model.vocab_size, generator=torch.Generator().manual_seed(1))[:30]
    twice = torch.cat([ids, ids])[None]
    with torch.no_grad():
        likeliest = NANO.new_model().eval()(twice).logits[0, 30:-1].argmax(-1)
    assert (likeliest == twice[0, 31:]).double().mean() > 0.2  # by chance: 0.001


def test_the_tokenizer_has_a_token_for_each_row_of_the_embedding() -> None:
    tokenizer = MICRO.tokenizer()
    assert tokenizer.token_bytes(MICRO.model.vocab_size - 1)
    with pytest.raises((IndexError, KeyError, ValueError)):
        tokenizer.token_bytes(MICRO.model.vocab_size)


def test_a_stage_without_new_texts_leaves_the_tokenizer_as_it_is() -> None:
    """A stage that is added later must not change what the earlier ones see."""
    again = Stage("again", training(2), recipes.practice, new_texts=False)
    longer = replace(MICRO, stages=(*MICRO.stages, again))
    other = replace(MICRO, stages=(*MICRO.stages, replace(again, new_texts=True)))
    tokens, same, changed = (
        [made.token_bytes(token) for token in range(len(made))]
        for made in (recipe.tokenizer() for recipe in (MICRO, longer, other))
    )
    assert same == tokens
    assert changed != tokens


def test_practice_has_more_english_more_tools_and_more_that_is_not_there() -> None:
    counts, systems = {}, {frame.system for frame in FRAMES.values()}
    for make in (recipes.conversation, recipes.practice):
        made = [make(random.Random(seed), 0.1) for seed in range(600)]
        asked = [each for each in made if not isinstance(each, str)]
        texts = ["".join(m["content"] for m in each) for each in asked]
        read = [each for each in asked if each[0]["content"] in systems]
        said = [m["content"] for each in read for m in each if m["role"] == "assistant"]
        refusals = {frame.refusal for frame in FRAMES.values()}
        counts[make] = (
            sum(not re.search("[\u4e00-\u9fff]", text) for text in texts),
            sum("Action Input" in text or "行动输入" in text for text in texts),
            sum(reply in refusals for reply in said) / len(said),
        )
    before, after = counts[recipes.conversation], counts[recipes.practice]
    assert before[0] + 30 < after[0] < 420
    assert after[1] > 1.4 * before[1] > 0
    assert after[2] > 1.15 * before[2] > 0


def test_the_drill_asks_more_of_the_same_passages_and_its_refusals_look_first() -> None:
    """More to learn from as many characters; what practice refuses at once, it looks for."""
    learned, looked = {}, {}
    for make in (recipes.practice, recipes.drill):
        made = [make(random.Random(seed), 0.5) for seed in range(500)]
        turns = [m for each in made if not isinstance(each, str) for m in each]
        said = [m["content"] for m in turns if m["role"] == "assistant"]
        learned[make] = sum(map(len, said)) / sum(len(m["content"]) for m in turns)
        looked[make] = sum(bool(re.search(r"\]: The pass|\]：资料", text)) for text in said)
    assert learned[recipes.drill] > 1.3 * learned[recipes.practice]
    assert (looked[recipes.practice], looked[recipes.drill] > 200) == (0, True)


def test_the_full_recipe_is_examined_on_the_whole_grammar() -> None:
    items = TINY_QWEN2.exam(1)
    assert [item.group for item in items] == [
        item.group for item in training_exam(Grammar.load(), 1)
    ]


# The nano recipe ------------------------------------------------------------------------------


def test_nano_reads_a_small_part_of_the_grammar_in_its_plainest_words() -> None:
    grammar, whole = nano_grammar(), Grammar.load()
    assert set(grammar.types) == set(TYPES) < set(whole.types)
    relations = [r for kind in grammar.types.values() for r in kind.relations.values()]
    assert all(not relation.type or relation.type in TYPES for relation in relations)
    text = "\n".join(
        m["content"] for i in range(200) for m in nano_conversation(random.Random(i), 0)
    )
    for relation in relations:
        for language in ("zh", "en"):
            before_value = relation.say[language][0].split("{v}")[0].split("{e}")[-1]
            assert before_value in text
    assert PLAIN.most == 1
    for kind in grammar.types.values():  # or a passage would have two answers to one question
        for language in ("zh", "en"):
            asked = [relation.ask[language][0] for relation in kind.relations.values()]
            assert len(set(asked)) == len(asked)


def test_nano_asks_about_names_that_training_never_uses() -> None:
    items = [item for item in nano_exam(6) if "fact" in item.group]
    told = [item.messages[-1]["content"] for item in items]
    shown = {m["content"] for i in range(300) for m in nano_conversation(random.Random(i), 0)}
    assert not shown & set(told)
    for seed in range(40):
        made = recipes.Reading(random.Random(seed), nano_grammar(), "en", recipes.Shape(1, 3, 0))
        assert not any(is_held_out(thing.name) for thing in made.things)


def test_a_nano_conversation_about_a_passage_asks_for_each_fact_once() -> None:
    for seed in range(60):
        made = nano_conversation(random.Random(seed), 0.0)
        if made[0]["role"] != "system":
            continue  # a drill
        asked = [message["content"].splitlines()[-1] for message in made[1::2]]
        assert len(set(asked)) == len(asked) in (3, 4, 5)
        roles = [message["role"] for message in made]
        assert roles == ["system", *["user", "assistant"] * len(asked)]
        assert all("[1]" in message["content"] for message in made[2::2])


def test_most_of_nanos_rows_are_full() -> None:
    tokenizer = replace(NANO, tokenizer_texts=200).tokenizer()
    stage = NANO.stages[-1]
    rows = [
        row_of_step(NANO.model, stage.training, stage.sample_maker(tokenizer), step, 0)
        for step in (1, 2, 3)
    ]
    labelled = sum(int((row.labels != IGNORED).sum()) for row in rows)
    assert labelled > 0.1 * 3 * stage.training.row_tokens
    assert sum(row.dropped for row in rows) <= 3
