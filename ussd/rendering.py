"""From what to say to USSD pages of 160 octets at most (GSM 04.80, annex A)."""

from dialogue.phrases import Phrases, read_as
from dialogue.steps import Show
from dialogue.words import words
from telecom.screen import USSD, Limit, pages


def render(phrases: Phrases, show: Show, limit: Limit = USSD) -> list[str]:
    """The pages of a step, one at least.

    All but the last end with the "more" key line, all but the first with the "back" one. The
    last page of a last word has none: the network closes the session with it, and no key works.
    """
    language = read_as(phrases, show.language)
    screens = pages(words(phrases, show), language.more, language.back, limit)
    if show.last and len(screens) > 1:
        screens[-1] = screens[-1].removesuffix(f"\n{language.back}")
    return screens
