"""A model of counts: a real distribution, computed by hand in another way here."""

import math
import random
from itertools import product
from typing import Any

import pytest

from tiny_eval.models import Generation, Reply
from tiny_eval.ngram import NgramModel

TEXT = "abracadabra"


def by_hand(text: str, history: str, character: str, order: int, prior: float) -> float:
    """The formula in the module's docstring, from its last term to its first."""
    p = 1 / 0x110000
    for length in range(order):
        if length > len(history):
            break
        h = history[len(history) - length :]
        places = [i for i in range(length, len(text)) if text[i - length : i] == h]
        hits = sum(text[i] == character for i in places)
        p = (hits + prior * p) / (len(places) + prior)
    return p


@pytest.mark.parametrize(("order", "prior"), [(1, 1.0), (2, 1.0), (3, 0.5), (6, 2.0)])
def test_probabilities_are_the_formulas(order: int, prior: float) -> None:
    model = NgramModel([TEXT], order, prior)
    for history in ["", "a", "ab", "br", "xa", "zzz", "cad", "abracad"]:
        for character in "abcdrz":
            expected = by_hand(TEXT, history, character, order, prior)
            assert model.probability(history, character) == pytest.approx(expected, rel=1e-12)


def test_the_probabilities_of_all_characters_add_up_to_one() -> None:
    model = NgramModel([TEXT], order=3)
    for history in ["", "a", "ab", "zz"]:
        known = sum(model.probability(history, each) for each in "abcdr")
        unknown = (0x110000 - 5) * model.probability(history, "z")
        assert known + unknown == pytest.approx(1, rel=1e-9)


def test_a_text_is_as_likely_as_its_characters_one_after_another() -> None:
    model = NgramModel([TEXT], order=3)
    found = dict(model.loglikelihood([("abra", "cad"), ("", "q")]))
    parts = [model.probability("abra" + "cad"[:n], "cad"[n]) for n in range(3)]
    assert found[0].total == pytest.approx(math.log(math.prod(parts)))
    assert (found[0].tokens, found[0].greedy) == (3, True)
    assert (found[1].tokens, found[1].greedy) == (1, False)
    assert math.isfinite(found[1].total)
    assert dict(model.loglikelihood_rolling(["abracad"]))[0].total == pytest.approx(
        model.total("", "abra").total + found[0].total
    )


def test_texts_are_counted_apart() -> None:
    assert NgramModel(["ab", "cd"]).probability("b", "c") < 0.5
    assert NgramModel(["abcd"]).probability("b", "c") > 0.5


def test_two_short_texts_of_all_add_up_to_one() -> None:
    """Over all texts of two characters of a small alphabet, the rest is what is unknown."""
    model = NgramModel(["ababb"], order=2)
    known = sum(math.exp(model.total("", a + b).total) for a, b in product("ab", repeat=2))
    first = 1 - sum(model.probability("", each) for each in "ab")
    second = sum(
        model.probability("", a) * (1 - sum(model.probability(a, b) for b in "ab")) for a in "ab"
    )
    assert known + first + second == pytest.approx(1)


def generate(model: NgramModel, prompt: Any, **options: Any) -> Reply:
    (_, reply), *_ = model.generate_until([prompt], Generation(**options))
    assert isinstance(reply, Reply)
    return reply


def test_greedy_text_goes_on_as_the_texts_do() -> None:
    model = NgramModel(["one two three four."], order=6)
    assert generate(model, "one t", max_tokens=5) == Reply("wo th", cut=True)
    assert generate(model, "one t", max_tokens=50, stop=(" f", "ee")) == Reply("wo thr")
    assert generate(model, "one t", max_tokens=5, stop=("h",)) == Reply("wo t")
    assert generate(model, "one t", max_tokens=5, stop=("o", "wo")) == Reply("")


def test_a_stop_with_the_last_token_is_no_cut() -> None:
    model = NgramModel(["one two"], order=6)
    assert generate(model, "one", max_tokens=2, stop=("t",)) == Reply(" ")


def test_a_drawn_text_depends_on_seed_and_prompt_and_on_nothing_before_it() -> None:
    model = NgramModel(["abcabdabeabf" * 3], order=3)
    options = Generation(max_tokens=30, temperature=1.0)
    together = dict(model.generate_until(["ab", "ca"], options))
    assert dict(model.generate_until(["ca"], options))[0] == together[1]
    others = {generate(model, "ab", max_tokens=30, temperature=1.0, seed=seed) for seed in range(5)}
    assert len(others) == 5


def test_temperature_and_top_p_sharpen() -> None:
    model = NgramModel(["ab" * 8 + "ac"], order=2)

    def drawn(**options: Any) -> list[str]:
        found = [generate(model, "a", max_tokens=1, seed=seed, **options) for seed in range(300)]
        return [reply.text for reply in found]

    share = drawn(temperature=1.0).count("c") / 300
    assert share == pytest.approx(by_hand("ab" * 8 + "ac", "a", "c", 2, 1.0), abs=0.06)
    assert drawn(temperature=0.1).count("c") == 0
    assert drawn(temperature=1e-4).count("c") == 0
    assert drawn(temperature=5.0, top_p=0.99).count("c") > 0
    assert drawn(temperature=1.0, top_p=0.5).count("c") == 0
    assert drawn(temperature=0.0).count("c") == 0
    assert drawn(temperature=5.0).count("c") > 60


def test_it_neither_reads_nor_moves_the_programs_dice() -> None:
    model = NgramModel([TEXT])
    random.seed(1)
    state = random.getstate()
    first = generate(model, "a", temperature=1.0)
    assert random.getstate() == state
    random.seed(2)
    assert generate(model, "a", temperature=1.0) == first


def test_a_conversation_is_read_as_lines() -> None:
    model = NgramModel(["hello\nworld\n"], order=6)
    turns = [{"role": "system", "content": "x"}, {"role": "user", "content": "hello"}]
    assert generate(model, turns, max_tokens=5).text == "world"


def test_what_it_learned_is_in_its_settings() -> None:
    model = NgramModel([TEXT])
    assert model.settings == NgramModel([TEXT]).settings
    for other in (NgramModel(["x"]), NgramModel([TEXT], 5), NgramModel([TEXT], prior=2.0)):
        assert other.settings != model.settings


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "texts has none"),
        (["", ""], {}, "texts has none"),
        (["a"], {"order": 0}, "order=0 must be at least 1"),
        (["a"], {"prior": 0.0}, "prior=0.0 above 0"),
    ],
)
def test_errors_name_the_value(texts: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NgramModel(texts, **options)


def test_the_shipped_one_knows_both_languages() -> None:
    model = NgramModel.shipped()
    assert model.probability("th", "e") > 0.1
    assert model.probability("", "的") > model.probability("", "龘") * 100


def test_one_text_is_not_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match="give a list"):
        NgramModel("1+1=2\n")
