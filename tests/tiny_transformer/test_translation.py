"""A translator: texts in, translations out, in order."""

from pathlib import Path

import pytest
import torch

from tiny_transformer import translation
from tiny_transformer.beam import beam_search
from tiny_transformer.checkpoint import save_model
from tiny_transformer.config import TransformerConfig
from tiny_transformer.model import Transformer
from tiny_transformer.tokenizer import Tokenizer
from tiny_transformer.translation import EMPTY, Translator, find_model

TEXTS = ["三千二百一十万零五", "ten", "one hundred and five", "", "七", "November 23, 2026", " \t"]


@pytest.fixture(scope="module")
def translator() -> Translator:
    """Random weights, large enough that every source has a translation of its own."""
    tokenizer = Tokenizer.train(TEXTS * 3, 280)
    torch.manual_seed(0)
    config = TransformerConfig(tokenizer.vocab_size, 16, 2, 2, 2, d_ff=32, dropout=0.3)
    model = Transformer(config)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.4)
    return Translator(model.eval(), tokenizer)


def test_translations_are_those_of_each_text_alone_in_the_order_given(
    translator, monkeypatch
) -> None:
    alone = [translator.translate([text])[0] for text in TEXTS]
    assert len(set(alone)) == len(TEXTS) - 1  # the two blank ones
    assert translator.translate(TEXTS) == alone
    monkeypatch.setattr(translation, "BATCH_TOKENS", 40)
    assert translator.translate(TEXTS) == alone


def test_a_translation_is_what_beam_search_finds_for_the_text_and_its_end_token(translator) -> None:
    ids = translator.tokenizer.encode(TEXTS[0])
    source = torch.tensor([[*ids, 2]])
    best = beam_search(translator.model, source, beam_size=3, alpha=1.0, n_best=2)[0]
    found = translator.translations([TEXTS[0]], beam_size=3, alpha=1.0, n_best=2)[0]
    assert [x.text for x in found] == [translator.tokenizer.decode(h.ids) for h in best]
    assert [(x.score, x.log_prob, x.finished) for x in found] == [
        (h.score, h.log_prob, h.finished) for h in best
    ]


def test_blank_texts_are_not_asked_and_every_other_one_is_counted(translator) -> None:
    counted: list[int] = []
    found = translator.translations(TEXTS, n_best=2, on_done=counted.append)
    assert found[3] == found[6] == [EMPTY]
    assert sum(counted) == len(TEXTS) - 2
    assert translator.translations([]) == []


def test_a_batch_holds_no_more_tokens_than_it_may_but_always_a_text(
    translator, monkeypatch
) -> None:
    shapes: list[tuple[int, int]] = []

    def spy(model, source_ids, beam_size, *rest, **named):
        shapes.append(tuple(source_ids.shape))
        return beam_search(model, source_ids, beam_size, *rest, **named)

    monkeypatch.setattr(translation, "beam_search", spy)
    monkeypatch.setattr(translation, "BATCH_TOKENS", 48)
    translator.translations(["ten"] * 30 + ["ten " * 20], beam_size=2)
    assert shapes[0][0] == 1  # the longest first, and it is too long for any company
    assert all(rows * width * 2 <= 48 for rows, width in shapes[1:])
    assert max(rows for rows, _ in shapes) > 1
    assert sum(rows for rows, _ in shapes) == 31


def test_a_book_is_refused_before_anything_is_translated(translator, monkeypatch) -> None:
    monkeypatch.setattr(translation, "beam_search", None)
    with pytest.raises(ValueError, match=r"text 1 \('77777777777777777777'...\) has 3001 tokens"):
        translator.translate(["ten", "7" * 3000])


def test_half_a_character_is_named(translator) -> None:
    with pytest.raises(ValueError, match="text 0, character 1"):
        translator.translate(["a\ud800"])


def test_loading_a_folder_gives_the_same_translator(translator, tmp_path: Path) -> None:
    save_model(translator.model, translator.tokenizer, tmp_path)
    assert Translator.load(tmp_path).translate(TEXTS) == translator.translate(TEXTS)


def test_without_shipped_weights_the_error_names_the_ways(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(translation.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"--model FOLDER, or train one: .* train --task numerals"):
        Translator.load()
    (tmp_path / "weights" / "numerals").mkdir(parents=True)
    assert find_model(None) == tmp_path / "weights" / "numerals"


def test_a_run_that_is_not_finished_is_no_model_yet(tmp_path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="not finished"):
        Translator.load(tmp_path)


@pytest.mark.parametrize("target", [None, "ten and seven"])
def test_an_alignment_shows_where_the_decoder_looked_when_it_wrote_each_token(
    translator, target
) -> None:
    """Row t belongs to the token written at t, not to the one read: those differ by a place."""
    found = translator.align("一百零五", target)
    tokenizer = translator.tokenizer
    written = target or translator.translate(["一百零五"])[0]
    ids = tokenizer.encode(written)
    if target:  # an untrained model may write bytes that no text encodes to
        assert found.target_tokens == [tokenizer.token_text(i) for i in [*ids, 2]]
    assert found.target_tokens[-1] == found.source_tokens[-1] == "</s>"
    T, S = len(found.target_tokens), len(found.source_tokens)
    assert found.weights.shape == (2, 2, T, S)
    torch.testing.assert_close(found.weights.sum(-1), torch.ones(2, 2, T))
    if target:
        source = torch.tensor([[*tokenizer.encode("一百零五"), 2]])
        before = torch.tensor([[1, *ids[:1]]])  # all that is read to write token 1
        output = translator.model(source, before, output_attentions=True)
        last = torch.stack([layer[0, :, -1] for layer in output.cross_attentions])
        torch.testing.assert_close(found.weights[:, :, 1], last, atol=1e-6, rtol=1e-5)


def test_nothing_is_dropped_while_looking_at_a_model_in_training(translator) -> None:
    calm = translator.align("一百", "ten").weights
    translator.model.train()
    try:
        assert torch.equal(translator.align("一百", "ten").weights, calm)
        assert translator.model.training
    finally:
        translator.model.eval()


def test_a_blank_source_has_no_alignment(translator) -> None:
    with pytest.raises(ValueError, match="blank"):
        translator.align("  ", "ten")
