"""The invented world: one table, two languages, files and questions that agree with it."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.documents import Document, load_path
from tiny_rag.universe import (
    corpus_folders,
    main,
    questions_path,
    rendered,
    stale_files,
    universe_folder,
)
from tiny_rag.universe_check import check_world
from tiny_rag.universe_facts import Date, draw_world, show, table_folder
from tiny_rag.universe_files import text_files, wrapped
from tiny_rag.universe_text import render_entry, sentences

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
SEEDS = (1, 7, 2026)


@pytest.fixture(scope="module")
def world():
    return draw_world()


@pytest.fixture(scope="module")
def questions():
    lines = questions_path().read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    """By "zh/lumo.md": what the pipeline itself reads."""
    return {
        f"{folder.name}/{Path(document.metadata['source']).name}": document
        for folder in corpus_folders()
        for document in load_path(folder)
    }


def joined(text, lang):
    """Without the line breaks that a PDF puts between words, and inside Chinese ones."""
    return text.replace("\n", " " if lang == "en" else "")


# --- The shipped files. ---


def test_the_shipped_files_are_what_the_table_renders_to_byte_for_byte(world):
    assert stale_files(world, universe_folder()) == []
    assert rendered(draw_world()) == rendered(world)


def test_every_file_is_read_by_the_pipeline_and_none_is_left_over(world, documents):
    assert documents.keys() == text_files(world).keys() | {"zh/ships.pdf", "en/ships.pdf"}


def test_there_are_sixty_articles_of_a_few_paragraphs_in_each_language(world, documents):
    articles = [entry for entry in world.values() if entry.text.zh]
    assert len(articles) >= 60
    for entry in articles:
        assert 150 <= len(render_entry(world, entry, "zh").text) <= 450
        assert 100 <= len(render_entry(world, entry, "en").text.split()) <= 400
        assert entry.text.zh.count("\n\n") == entry.text.en.count("\n\n") >= 2


def test_a_pdf_a_web_page_and_a_gb18030_text_are_among_the_files_and_all_is_small(documents):
    assert {Path(name).suffix for name in documents} == {".md", ".pdf", ".html", ".txt"}
    cookery = (universe_folder() / "zh/cookery.txt").read_bytes()
    assert "灰饼" in cookery.decode("gb18030")
    with pytest.raises(UnicodeDecodeError):
        cookery.decode("utf-8")
    assert "灰饼" in documents["zh/cookery.txt"].text
    files = [path for path in universe_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_the_pdfs_hold_their_articles_a_page_each_with_every_sentence(world, documents):
    ships = [entry for entry in world.values() if entry.type == "ship"]
    for lang in ("zh", "en"):
        document = documents[f"{lang}/ships.pdf"]
        starts = document.metadata["pages"]
        assert len(starts) == len(ships) == 6
        for entry, start, end in zip(ships, starts, [*starts[1:], None], strict=True):
            page = document.text[start:end]
            assert page.startswith(getattr(entry.name, lang))
            body = re.sub(r"\s", "", render_entry(world, entry, lang).text)
            assert body in re.sub(r"\s", "", page)


def test_no_file_of_the_corpus_shows_a_placeholder_or_the_questions(documents):
    for name, document in documents.items():
        assert not re.search(r"[{}]", document.text), name
        assert '"gold"' not in document.text


# --- Facts: the same in both languages, and consistent. ---


def numbers(text, lang):
    """The numbers of a text as integers or floats: 1.37万 and 13,700 are the same."""
    found = re.findall(r"(\d+(?:\.\d+)?)(万?)" if lang == "zh" else r"(\d[\d,]*(?:\.\d+)?)()", text)
    return Counter(
        round(float(digits.replace(",", "")) * (10_000 if unit else 1), 6) for digits, unit in found
    )


@pytest.mark.parametrize("seed", [0, *SEEDS])
def test_both_languages_give_the_same_numbers(seed):
    world = draw_world(seed)
    for entry in world.values():
        texts = [render_entry(world, entry, lang).text for lang in ("zh", "en")]
        zh, en = (numbers(text, lang) for text, lang in zip(texts, ("zh", "en"), strict=True))
        if entry.id == "yan":  # 104万 km is 1.04 million, 62亿 years are 6.2 billion
            assert len(zh) == len(en)
        elif entry.id == "blue_thimble":  # one sentence has 8 characters and 4 words
            assert zh - en == Counter([8.0])
            assert en - zh == Counter([4.0])
        else:
            assert zh.keys() == en.keys(), entry.id


def test_history_is_in_order_whatever_the_seed():
    for seed in (0, *SEEDS):
        world = draw_world(seed)

        def year(entry, fact, world=world):
            return world[entry].facts[fact]

        order = [
            year("oshavel", "founded"),
            year("kessary", "founded"),
            year("lantern_station", "built"),
            year("greywater", "founded"),
            year("dunmar", "war_year"),
            year("two_wells", "year"),
            year("lost_cargo", "founded"),
            year("luvra", "dive_year"),
            year("wellhouse", "founded"),
            year("great_dimming", "year"),
            year("lamplighters", "founded"),
            year("quiet_strike", "year"),
            year("kind_lie", "launched"),
        ]
        assert order == sorted(order)
        births = {"sael": "two_wells.year", "aune": "luvra.dive_year", "pry": "lost_cargo.founded"}
        births |= {"kesh": "skyhook.opened", "rehl": "hesk.found_year", "oru": "drowned_bell.year"}
        births |= {"tolm": "quiet_strike.year", "dessin": "dessin.captain_since"}
        for person, deed in births.items():
            age = year(*deed.split(".")) - year(person, "birth_year")
            assert 18 <= age <= 70, person
        assert year("rehl", "birth_year") < year("hesk", "found_year")


def test_a_star_with_two_planets_and_a_planet_with_four_moons_as_in_chapter_00(world):
    kinds = Counter(entry.type for entry in world.values())
    assert kinds["planet"] == 2
    assert (world["yan"].name.zh, world["lumo"].name.en) == ("砚星", "Lumo")
    lumo = render_entry(world, world["lumo"], "en").text
    moons = [world[name].name.en for name in ("issin", "pello", "dunmar", "arrim")]
    assert "Four moons" in lumo
    places = [lumo.index(name) for name in moons]
    assert places == sorted(places)
    channels = [world[name].facts["channel"] for name in ("issin", "pello", "dunmar", "arrim")]
    assert len(set(channels)) == 4
    assert max(channels) <= 9


def test_values_are_written_as_each_language_writes_them(world):
    assert show(world, 13_700, "zh") == "1.37万"
    assert show(world, 13_700, "en") == "13,700"
    assert show(world, 40_000, "zh") == "4万"
    assert show(world, 48_160, "zh") == "48160"
    assert show(world, 9_999, "zh") == "9999"
    assert show(world, Date(4, 14), "zh") == "花月14日"
    assert show(world, Date(4, 14), "en") == "14 Bloom"
    assert show(world, Date(10, 1), "en") == "1 Sleep"


@PROPERTY
@given(st.integers(0, 5_000_000))
def test_a_chinese_number_means_the_number(value):
    text = show({}, value, "zh")
    assert numbers(text, "zh") == Counter([float(value)])
    assert numbers(show({}, value, "en"), "en") == Counter([float(value)])


# --- Other worlds. ---


@pytest.mark.parametrize("seed", SEEDS)
def test_another_seed_gives_another_consistent_world_and_always_the_same(seed):
    other, again, shipped = draw_world(seed), draw_world(seed), draw_world()
    assert other == again
    assert check_world(other, by_chance=False) == []
    coined = [name for name in shipped if other[name].name != shipped[name].name]
    assert len(coined) >= 20
    names = [entry.name.zh for entry in other.values()]
    assert len(set(names)) == len(names)
    facts = [(e.id, fact) for e in shipped.values() for fact in e.facts]
    changed = [f for f in facts if other[f[0]].facts[f[1]] != shipped[f[0]].facts[f[1]]]
    assert len(changed) > 0.7 * len(facts)


def test_what_is_added_to_the_table_changes_nothing_that_was_drawn_before(tmp_path):
    new = '[aa]\ntype = "moon"\ncoined = ["阿", "Aa"]\nask = []\n[aa.facts]\nn = [3, 1, 9, 1]\n\n'
    more = edited(tmp_path, "culture.toml", "[landing]\n", new + "[landing]\n", seed=7)
    assert len(more.pop("aa").name.en) > 2
    assert more == draw_world(7)


def test_coined_names_sound_alike_in_both_scripts():
    shipped = draw_world()
    for seed in SEEDS:
        for name, entry in draw_world(seed).items():
            if entry.name != shipped[name].name:
                assert re.fullmatch(r"[A-Z][a-z]{3,}( [A-Z][a-z]{3,})?", entry.name.en)
                assert entry.name.zh.count("·") == entry.name.en.count(" ")
                assert re.fullmatch(r"[\u4e00-\u9fff·]+", entry.name.zh)


def test_drawn_numbers_stay_in_their_ranges_and_dates_in_the_calendar():
    import tomllib

    tables = {}
    for path in table_folder().glob("*.toml"):
        tables |= tomllib.loads(path.read_text(encoding="utf-8"))
    for seed in SEEDS:
        for entry in draw_world(seed).values():
            for fact, value in entry.facts.items():
                written = tables[entry.id]["facts"][fact]
                if isinstance(value, Date):
                    assert 1 <= value.month <= 10
                    assert 1 <= value.day <= 36
                elif isinstance(written, list) and isinstance(written[0], int):
                    _, low, high, step = written
                    assert low <= value <= high
                    assert (value - low) % step == 0


# --- Questions. ---


def test_there_are_enough_questions_of_each_kind_in_each_language(questions):
    kinds = Counter((question["lang"], question["kind"]) for question in questions)
    assert sum(kinds.values()) >= 240
    for lang in ("zh", "en"):
        for kind in ("fact", "number", "date", "relation", "paraphrase", "two-hop", "unanswerable"):
            assert kinds[lang, kind] >= 15, (lang, kind)
    assert len({question["id"] for question in questions}) == len(questions)
    assert len({question["question"] for question in questions}) == len(questions)


def test_every_chinese_question_has_its_english_twin(questions):
    twins = [{q["id"][3:]: q for q in questions if q["lang"] == lang} for lang in ("zh", "en")]
    assert twins[0].keys() == twins[1].keys()
    for name, zh in twins[0].items():
        en = twins[1][name]
        assert zh["kind"] == en["kind"]
        assert [g["source"][3:] for g in zh["gold"]] == [g["source"][3:] for g in en["gold"]]
        if zh["kind"] == "number":
            assert numbers(zh["answers"][0], "zh") == numbers(en["answers"][0], "en")


def test_every_gold_quote_stands_in_its_file_as_the_pipeline_reads_it(questions, documents):
    for question in questions:
        for passage in question["gold"] + question.get("also", []):
            assert passage["source"].startswith(f"{question['lang']}/")
            assert documents[passage["source"]].text.count(passage["quote"]) == 1, question["id"]


def test_the_answer_stands_in_the_last_gold_passage_or_names_its_article(questions, world):
    for question in questions:
        if question["kind"] == "unanswerable":
            assert question["answers"] == question["gold"] == []
            continue
        lang = question["lang"]
        quote = joined(question["gold"][-1]["quote"], lang)
        named = getattr(world[question["id"].split("-")[1]].name, lang)
        assert question["answers"][0] == named or any(a in quote for a in question["answers"])


def test_a_question_of_two_hops_rests_on_two_articles_and_any_other_on_one(questions):
    for question in questions:
        hops = {"two-hop": 2, "unanswerable": 0}.get(question["kind"], 1)
        assert len(question["gold"]) == hops
        if hops == 2:
            first, second = question["gold"]
            assert first["source"] != second["source"]
            answer = question["answers"][0]
            assert answer not in joined(first["quote"], question["lang"])


def test_questions_do_not_copy_the_sentence_that_answers_them(questions):
    # The longest run of words (characters) that a question shares with its gold sentence.
    for question in questions:
        lang = question["lang"]
        for passage in question["gold"]:
            quote = joined(passage["quote"], lang)
            words = list(question["question"]) if lang == "zh" else question["question"].split()
            size = 16 if lang == "zh" else 9
            space = "" if lang == "zh" else " "
            runs = (space.join(words[i : i + size]) for i in range(len(words) - size + 1))
            assert not any(run in quote for run in runs), question["id"]


def test_a_paraphrase_or_an_answer_never_stands_in_the_question(questions):
    for question in questions:
        for answer in question["answers"]:
            if len(answer) > 3:
                assert answer.lower() not in question["question"].lower(), question["id"]


def test_questions_end_as_questions_and_hold_no_template(questions):
    for question in questions:
        assert question["question"].endswith("？" if question["lang"] == "zh" else "?")
        assert not re.search(r"[{}|~_]", question["question"] + "".join(question["answers"]))


def test_the_year_the_plain_number_and_the_other_order_of_a_date_are_right_too(questions):
    answers = {question["id"]: question["answers"] for question in questions}
    assert answers["zh-hesk-1"] == ["登陆历219年", "219"]
    assert answers["en-hesk-1"] == ["219 LE", "219"]
    assert answers["en-landing-1"] == ["14 Bloom", "Bloom 14"]
    assert answers["en-pry-3"] == ["48,160", "48160"]
    assert "87" in answers["zh-lumo-4"]
    assert "95" not in answers["zh-dunmar-4"]  # it is minus 95


# --- The check finds what it is for. ---


def edited(tmp_path, name, old, new, seed=0):
    """The world of a table in which one thing was changed."""
    folder = tmp_path / "source"
    shutil.copytree(table_folder(), folder)
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    return draw_world(seed, folder)


def test_the_shipped_table_has_no_problem(world):
    assert check_world(world) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("sky.toml", "半径是{radius}千米", "半径是6120千米", "lumo: .* writes a number out"),
        ("sky.toml", "Its radius is {radius} km. ", "", "lumo: only in one language: lumo.radius"),
        ("sky.toml", "ocean = [", "wind = [3, 1, 9, 1]\nocean = [", "wind is never told"),
        ("sky.toml", "一天长{day}小时", "一天长{well_depth}小时", "'lumo: {well_depth} is neither"),
        ("places.toml", 'still up"', 'still up, above Oshavel"', "writes Oshavel out"),
        ("people.toml", "她一生最著名", "她的丈夫不详。她一生最著名", "zh-vorn-4: .*丈夫"),
        ("people.toml", "她一生最著名", "啊" * 300 + "她一生最著名", "vorn: [0-9]+ long in zh"),
        (
            "culture.toml",
            '"greywater greywater.docks", "{ladle_stew}诞生的那座船厂',
            '"greywater greywater.docks", "{ladle_stew}诞生的{greywater}',
            "zh-ladle_stew-5: greywater alone tells of greywater",
        ),
        (
            "culture.toml",
            '"greywater greywater.docks", "{ladle_stew}诞生的那座船厂',
            '"greywater greywater.docks", "{quiet_strike}发生的那座船厂',
            "zh-ladle_stew-5: greywater alone tells of quiet_strike",
        ),
        (
            "places.toml",
            '"{ribs}根", "{ribs}"]',
            '"{hat_years}根", "{hat_years}"]',
            "lantern_station-2: .*131.* does not stand in",
        ),
    ],
)
def test_a_fault_in_the_table_is_found(tmp_path, name, old, new, problem):
    try:
        problems = check_world(edited(tmp_path, name, old, new))
    except KeyError as error:
        problems = [str(error)]
    assert any(re.search(problem, found) for found in problems), problems


def test_an_answer_in_a_second_article_is_found(tmp_path):
    # Keepers on Arrim are 5; stones of Arrim that were 5 cm would read like an answer.
    problems = check_world(
        edited(tmp_path, "life.toml", "pure = [6, 4, 9, 1]", "pure = [5, 4, 9, 1]")
    )
    assert [re.sub(":.*", "", found) for found in problems] == ["zh-arrim-3", "en-arrim-3"]
    assert "also answered by moonglass" in problems[0]


def test_a_value_out_of_its_range_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"lumo\.ocean=99 lies outside 81\.\.92"):
        edited(tmp_path, "sky.toml", "ocean = [87,", "ocean = [99,")


# --- Small parts. ---


def test_sentences_end_after_closing_quotes_and_not_inside_numbers():
    zh = "它长3.5米。她说：“走吧。”然后呢？\n\n第二段！"
    assert [zh[a:b] for a, b in sentences(zh, "zh")] == [
        "它长3.5米。",
        "她说：“走吧。”",
        "然后呢？",
        "第二段！",
    ]
    en = 'It is 3.5 km long. She said: "Go." Then?\n\nNew line'
    assert [en[a:b] for a, b in sentences(en, "en")] == [
        "It is 3.5 km long.",
        'She said: "Go."',
        "Then?",
        "New line",
    ]


@PROPERTY
@given(st.text("船灯一二，。”0123456789 ", max_size=200))
def test_chinese_lines_lose_nothing_and_begin_with_no_stop(text):
    lines = wrapped(text, "zh")
    assert "".join(lines) == text
    assert all(line[0] not in "，。”" for line in lines[1:])


# --- The command. ---


def test_the_command_checks_and_says_what_is_stale(tmp_path, capsys, world):
    assert main(["--check"]) == 0
    assert "all agrees" in capsys.readouterr().out
    for name, content in rendered(world).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for lang in ("zh", "en"):
        shutil.copy(universe_folder() / lang / "ships.pdf", tmp_path / lang)
    assert stale_files(world, tmp_path) == []
    (tmp_path / "en/lumo.md").write_text("changed")
    (tmp_path / "zh/hesk.md").unlink()
    (tmp_path / "en/extra.md").write_text("not of this world")
    (tmp_path / "zh/ships.pdf").unlink()
    stale = ["en/extra.md", "en/lumo.md", "zh/hesk.md", "zh/ships.pdf"]
    assert stale_files(world, tmp_path) == stale
    assert main(["--check", "--out", str(tmp_path)]) == 1
    assert "zh/hesk.md is not as the table says: run --write" in capsys.readouterr().out


def test_writing_makes_the_same_pdfs_each_time_and_leaves_no_temporary_file(tmp_path):
    pytest.importorskip("reportlab")
    for folder in ("a", "b"):
        assert main(["--write", "--seed", "7", "--out", str(tmp_path / folder)]) == 0
    first, second = (
        {p.relative_to(tmp_path / f): p.read_bytes() for p in (tmp_path / f).rglob("*.*")}
        for f in ("a", "b")
    )
    assert first == second
    assert not [path for path in first if path.suffix == ".tmp"]
    assert stale_files(draw_world(7), tmp_path / "a") == []
    for lang in ("zh", "en"):
        assert load_path(tmp_path / "a" / lang / "ships.pdf")


def test_another_seed_never_overwrites_the_shipped_world(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--write", "--seed", "7"])
    assert caught.value.code == 2
    assert "--out" in capsys.readouterr().err
