"""The guide to services: its files, and their proof."""

import json
import re
from datetime import date, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.check import findings
from dialogue.check_guide import (
    MOST_PAGES,
    MOST_PARTS,
    guide_findings,
    guide_reminders,
    topic_renderings,
)
from dialogue.finding import Finding
from dialogue.guide import Group, Guide, load_guide, topic_of
from dialogue.guide_words import with_guide
from dialogue.phrases import load_phrases
from dialogue.tree_file import load_tree
from telecom.screen import fits
from tests.scripted_inquirer import PHRASES

FOLDER = files("config") / "guide"
TEXT = (FOLDER / "sickness_pay.toml").read_text(encoding="utf-8")
GUIDE = load_guide()

TOPICS = {
    Group.INSURANCE: (
        "premium_list",
        "e_services",
        "insurance_record",
        "sickness_pay",
        "maternity_pay",
        "self_employed",
        "payment_slip",
        "pension_slip",
    ),
    Group.TREATMENT: (
        "e_prescription",
        "reimbursement",
        "medical_commission",
        "special_diseases",
        "treatment_centres",
        "brokers",
    ),
}


def guide(*changes: tuple[str, str]) -> Guide:
    """A guide of one topic, with some changes."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return Guide((topic_of("sickness_pay", parse_toml(text, "sickness_pay.toml")),))


def fa(key: str, text: str) -> tuple[str, str]:
    """A change of a Persian text."""
    found = re.search(rf'^{key} = (?:"""[^"]*"""|"[^"]*")$', TEXT, re.MULTILINE)
    assert found
    return found[0], f"{key} = {json.dumps(text, ensure_ascii=False)}"


def test_the_shipped_guide() -> None:
    """Every service that people call about has its words, in every language, and they fit."""
    for group, names in TOPICS.items():
        assert tuple(topic.name for topic in GUIDE.of(group)) == names
    assert guide_findings(GUIDE, PHRASES) == []
    rendered = list(topic_renderings(GUIDE, PHRASES))
    assert len(rendered) == len(GUIDE.topics) * len(PHRASES)
    for one in rendered:
        assert all(map(fits, one.pages))
        assert len(one.pages) <= MOST_PAGES
        assert one.parts <= MOST_PARTS


def test_only_known_addresses() -> None:
    """The guide sends people to no address but the organisation's own."""
    for topic in GUIDE.topics:
        for words in topic.words.values():
            for text in (words.ussd, words.sms):
                named = set(re.findall(r"[A-Za-z0-9.@*#]*[.@*#][A-Za-z0-9.@*#]*[A-Za-z#]", text))
                assert named <= {"pwa.tamin.ir", "medical.tamin.ir", "1420.tamin.ir"}
                assert set(re.findall(r"[0-9]+", text)) <= {"1420", "48", "400"}


def test_what_somebody_has_to_see_to() -> None:
    """A missing owner or circular and a review that is due are named, and nothing is stopped."""
    (found,) = guide_reminders(guide(), date(2026, 11, 21))
    assert str(found) == (
        'sickness_pay.toml:7: "circular" is not said yet: ask Insurance, and write its number,'
        ' or "none".'
    )
    none = ('circular = ""', 'circular = "none"')
    assert guide_reminders(guide(none), date(2026, 11, 21)) == []
    said = ('circular = ""', 'circular = "12"')
    due = guide().topics[0].review_due
    assert guide_reminders(guide(said), due - timedelta(days=1)) == []
    (found,) = guide_reminders(guide(said), due)
    assert "due today" in found.message
    (found,) = guide_reminders(guide(said), due + timedelta(days=3))
    assert "3 days ago" in found.message
    assert found.line == 8
    (found,) = guide_reminders(guide(said, ('"Insurance"', '" "')), due - timedelta(days=1))
    assert str(found) == 'sickness_pay.toml:6: "owner" is not said yet.'
    (found,) = guide_reminders(guide(said), date(2026, 11, 20))
    assert "yet to come" in found.message


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("ussd", "کلمه " * 40, "needs 3 USSD pages where 2 are allowed: page 1 ("),
        ("sms", "کلمه " * 41, "needs 4 parts (204 characters) where 3 are allowed: کلمه"),
        ("voice", "کلمه " * 101, "has 101 words; a minute has 100: کلمه"),
        ("title", "غرامت بيماري", "Arabic U+064A; Persian writes ی"),
        ("sms", "نشانی ما 1420.tamin.ir است", "has 1420.t..., which a Persian line turns round"),
        ("ussd", "شماره *4*1420# را بگیرید", "has *4..., which a Persian line turns round"),
    ],
)
def test_what_does_not_fit(key: str, text: str, says: str) -> None:
    """A text over its screens, its parts or its minute is named, with its words as they come."""
    change = fa(key, text.strip())
    (found,) = guide_findings(guide(change), PHRASES)
    assert says in found.message
    assert found.message.startswith(f'"fa.{key}" ')
    assert found.line == TEXT[: TEXT.index(change[0])].count("\n") + 1


def test_languages_and_topics_fit_each_other() -> None:
    """A language without its words, and words without their language, are named."""
    found = guide_findings(guide(("[en]", "[ckb]")), PHRASES)
    assert [each.message for each in found] == [
        "has no words in [en].",
        "there is no language [ckb].",
    ]
    english = guide(("Sickness pay stands", "Sickness păy stands"))
    assert "the GSM 7-bit alphabet lacks" in guide_findings(english, PHRASES)[0].message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('group = "insurance"', 'group = "sport"', '"insurance" or "treatment"'),
        ("place = 4", "place = 10", "from 1 to 9"),
        ("place = 4", "", "is missing"),
        ("reviewed = 2026-11-21", 'reviewed = "1405/08/30"', "without quotation marks"),
        ("reviewed = 2026-11-21", "reviewed = 2026-11-21T10:00:00", "without quotation marks"),
        ("reviewed = 2026-11-21", "reviewed = 9999-12-31", "too far ahead"),
        ("review_every = 180", "review_every = 0", "from 1 to 1000"),
        ('circular = ""', "circular = 12", "text in quotation marks"),
        ('circular = ""', 'circular = "a\\nb"', "a line of at most 200"),
        ('circular = ""', 'number = "12"', "is not known here"),
        ("[en]", "[English]", "named after a language"),
        ("[en]", "[[en]]", "is not known here"),
        ('title = "Sickness pay"', 'title = "Sickness pay of all kinds"', "20 characters"),
        ('title = "Sickness pay"', 'titel = "Sickness pay"', "is missing"),
        ('title = "Sickness pay"', 'title = "Sickness pay"\ncolour = "red"', "not known here"),
        ('title = "Sickness pay"', 'title = "a\\nb"', "20 characters"),
        ('voice_title = "sickness pay"', f'voice_title = "{"x" * 1001}"', "longer than 1000"),
        ('voice_title = "sickness pay"', 'voice_title = "\\u0007"', "control characters"),
        ('voice_title = "sickness pay"', 'voice_title = " "', "text in quotation marks"),
        ("[en]", "[en", "not valid TOML"),
    ],
)
def test_a_broken_topic_is_one_sentence(old: str, new: str, says: str) -> None:
    """Each mistake in a topic is said in one line, with the file and the line it is in."""
    with pytest.raises(ConfigError, match=r"^sickness_pay\.toml:\d+: [^\n]+\.$") as refused:
        guide((old, new))
    assert says in str(refused.value)


def test_broken_folders(tmp_path: Path) -> None:
    """A folder that is not there or holds nothing, a strange name, a place taken twice."""
    with pytest.raises(ConfigError, match="gone: cannot be read"):
        load_guide(tmp_path / "gone")
    with pytest.raises(ConfigError, match="must hold 1 to 100 topics"):
        load_guide(tmp_path)
    for name in ("first", "second"):
        (tmp_path / f"{name}.toml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"second\.toml:5: .*first\.toml has the same place"):
        load_guide(tmp_path)
    (tmp_path / "second.toml").write_bytes(b"#" * 10_000_000)
    with pytest.raises(ConfigError, match="goes on after the 1048576 octets"):
        load_guide(tmp_path)
    (tmp_path / "second.toml").rename(tmp_path / "Second 2.toml")
    with pytest.raises(ConfigError, match="small letters"):
        load_guide(tmp_path)


@given(st.binary(max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever bytes a topic holds, it is said in one sentence what is wrong."""
    folder = tmp_path_factory.mktemp("guide", numbered=True)
    (folder / "topic.toml").write_bytes(raw)
    with pytest.raises(ConfigError, match=r"topic\.toml:\d+: "):
        load_guide(folder)


def test_editors_know_what_the_reader_knows() -> None:
    """The schema that editors read has the keys that the gateway reads, and no other."""
    schema = json.loads((FOLDER / "topic.schema.json").read_text(encoding="utf-8"))
    data = parse_toml(TEXT, "sickness_pay.toml").data
    plain = {key for key, value in data.items() if not isinstance(value, dict)}
    assert set(schema["properties"]) == plain
    for key in plain:
        with pytest.raises(ConfigError, match="is not known here"):
            guide((f"{key} = ", f"{key}s = 1\n{key} = "))
    for kind, code in (("language", "en"), ("script", "fa-latn")):
        keys = schema["definitions"][kind]["properties"]
        assert set(keys) == set(schema["definitions"][kind]["required"])
        words = "\n".join(f'{key} = "word"' for key in keys)
        head = TEXT.split("[fa]")[0]
        text = f"{head}\n[{code}]\n{words}\n"
        assert topic_of("one", parse_toml(text, "one.toml")).words[code].title == "word"
        for key in keys:
            lacking = text.replace(f'\n{key} = "word"', "")
            with pytest.raises(ConfigError, match="is missing"):
                topic_of("one", parse_toml(lacking, "one.toml"))
    for topic in FOLDER.iterdir():
        if topic.name.endswith(".toml"):
            assert topic.read_text(encoding="utf-8").startswith("#:schema ./topic.schema.json\n")


def shown_with(topics: Guide) -> list[Finding]:
    """What is wrong with the shipped dialogue when it shows these topics, over the shipped ones."""
    kept = tuple(topic for topic in GUIDE.topics if topic.name != topics.topics[0].name)
    changed = Guide(tuple(sorted((*kept, *topics.topics), key=lambda t: (t.group, t.place))))
    with as_file(files("config") / "dialogue" / "tree.toml") as tree:
        shown = load_tree(tree, changed)
    own = load_phrases(files("config") / "phrases")
    return findings(shown, with_guide(own, changed))


def test_a_finding_names_the_topic_itself() -> None:
    """What a topic lacks, or has too much of, is found in its own file, not in the tree's."""
    told = [str(each) for each in shown_with(guide(("[en]", "[ckb]")))]
    assert "sickness_pay.toml:1: has no words in [en]." in told
    change = fa("ussd", ("کلمه " * 180).strip())
    (found,) = shown_with(guide(change))
    line = TEXT[: TEXT.index(change[0])].count("\n") + 1
    assert (found.file, found.line) == ("sickness_pay.toml", line)
    assert "nobody turns more than 9" in found.message
