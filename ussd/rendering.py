"""From what to say to USSD pages of 160 octets at most (GSM 04.80, annex A)."""

from dialogue.phrases import Phrases, read_as
from dialogue.steps import Show
from dialogue.words import words
from telecom.screen import USSD, Limit, pages


def render(
    phrases: Phrases, show: Show, limit: Limit = USSD, notice: str | None = None
) -> list[str]:
    """The pages of a step, one at least; `notice` is a line before everything.

    All but the last end with the "more" key line, all but the first with the "back" one. The
    last page of a last word has none: the network closes the session with it, and no key works.
    """
    language = read_as(phrases, show.language)
    text = words(phrases, show)
    if notice is not None:
        text = f"{notice}\n{text}"
    screens = pages(text, language.more, language.back, limit)
    if show.last and len(screens) > 1:
        screens[-1] = screens[-1].removesuffix(f"\n{language.back}")
    return screens


def prove_keys(phrases: Phrases, limit: Limit) -> None:
    """Raises ValueError where every text could not be shown on such a screen."""
    for language in phrases.values():
        pages("x" * (limit.octets + 1) * 2, language.more, language.back, limit)
