"""
The proof of the guide: every topic in every language, within its screens, its texts, its minute.

What is wrong stops a change (`guide_findings`). What is missing or past its review is named and
stops nothing (`guide_reminders`): a date that passes at night must not close the line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from dialogue.finding import Finding
from dialogue.guide import Guide, Topic, TopicWords
from dialogue.letters import letter_faults
from dialogue.phrases import Language, Phrases
from telecom.screen import octets_of, pages
from telecom.segments import split

MOST_PAGES = 2
MOST_PARTS = 3
MOST_WORDS = 100
"""Spoken words in a minute: measured on our recordings of the guide, pauses included."""


@dataclass(frozen=True, slots=True)
class RenderedTopic:
    """A topic as it is shown and sent: USSD pages, and the parts that its SMS takes."""

    topic: Topic
    language: str
    pages: tuple[str, ...]
    sms: str
    parts: int


def guide_findings(guide: Guide, phrases: Phrases) -> list[Finding]:
    """What is wrong, in the order of files and lines. The phrases are proven before."""
    found = []
    for topic in guide.topics:
        for code, language in phrases.items():
            words = topic.words.get(code)
            if words is None:
                found.append(Finding(topic.file, 1, f"has no words in [{code}]."))
            else:
                found += _of(topic, words, language)
        for code in topic.words.keys() - phrases.keys():
            found.append(Finding(topic.file, topic.lines[code], f"there is no language [{code}]."))
    return sorted(found)


def guide_reminders(guide: Guide, today: date) -> list[Finding]:
    """What somebody has to see to: an owner, a circular, a review."""
    found = []
    for topic in guide.topics:
        line = topic.lines.get("owner", 1)
        if not topic.owner:
            found.append(Finding(topic.file, line, '"owner" is not said yet.'))
        if not topic.circular:
            line = topic.lines.get("circular", line)
            asked = f'ask {topic.owner or "its owner"}, and write its number, or "none"'
            found.append(Finding(topic.file, line, f'"circular" is not said yet: {asked}.'))
        line = topic.lines["reviewed"]
        if topic.reviewed > today:
            found.append(Finding(topic.file, line, f"{topic.reviewed} is yet to come."))
        elif topic.review_due <= today:
            days = (today - topic.review_due).days
            since = f"{days} days ago" if days else "today"
            owner = topic.owner or "nobody named"
            due = f"its review was due {since} ({topic.review_due}): {owner}."
            found.append(Finding(topic.file, line, due))
    return sorted(found)


def topic_renderings(guide: Guide, phrases: Phrases) -> Iterator[RenderedTopic]:
    """Every topic in every language that has words for it."""
    for topic in guide.topics:
        for code, words in topic.words.items():
            if code in phrases:
                yield _rendered(topic, words, phrases[code])


def _rendered(topic: Topic, words: TopicWords, language: Language) -> RenderedTopic:
    return RenderedTopic(
        topic,
        language.code,
        tuple(pages(words.ussd, language.more, language.back)),
        words.sms,
        len(split(words.sms, 0)),
    )


def _of(topic: Topic, words: TopicWords, language: Language) -> Iterator[Finding]:
    def finding(key: str, message: str) -> Finding:
        return Finding(topic.file, words.lines[key], f'"{language.code}.{key}" {message}')

    for key in words.lines:
        # What is heard has marks for its vowels, and no alphabet of a phone.
        if not key.startswith("voice"):
            for fault in letter_faults(language, getattr(words, key)):
                yield finding(key, fault)
    shown = _rendered(topic, words, language)
    if len(shown.pages) > MOST_PAGES:
        whole = "; ".join(
            f"page {number} ({octets_of(page)} octets): {' / '.join(page.split(chr(10)))}"
            for number, page in enumerate(shown.pages, start=1)
        )
        yield finding(
            "ussd", f"needs {len(shown.pages)} USSD pages where {MOST_PAGES} are allowed: {whole}"
        )
    if shown.parts > MOST_PARTS:
        whole = " / ".join(words.sms.split("\n"))
        yield finding(
            "sms",
            f"needs {shown.parts} parts ({len(words.sms)} characters) where {MOST_PARTS} are"
            f" allowed: {whole}",
        )
    heard = words.voice.split()
    if len(heard) > MOST_WORDS:
        whole = " ".join(heard)
        yield finding("voice", f"has {len(heard)} words; a minute has {MOST_WORDS}: {whole}")
