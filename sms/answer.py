"""
From what a person wrote, and what came of it, to one short message.

Whatever fails on the way, there is a true sentence: an inquiry never raises, and where the ledger
is away a tracking code cannot be asked about now.
"""

import math
from dataclasses import dataclass

import structlog

from dialogue.guide_words import sms_key, titles
from dialogue.lookups import Inquiries, is_own, told_values
from dialogue.phrases import Language, codes_of, read_as
from dialogue.preferences import Preferences
from dialogue.steps import Value
from dialogue.texts import TEXTS, text_of
from dialogue.version import Version, Versions
from dialogue.words import phrase_text
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.tracking_code import is_code
from eligibility.verdict import Outcome
from persian.jalali import tehran_date
from persian.letters import normalise
from sms.text import Code, Eligibility, Help, Request, Why
from state.errors import ReplyError, Unavailable
from telecom.channel import Channel
from telecom.segments import split

log = structlog.get_logger("sms")

ENGLISH = "en"
"""What is spoken to those who write it, where the tree offers it."""

SHORTEST_NAME = 5
"""Letters from which something may be the name of a service, or half of it."""

_TEXT_OF = {
    Outcome.COVERED: "covered",
    Outcome.NOT_COVERED: "not_covered",
    Outcome.PENDING_PAYMENT: "pending",
    Outcome.NOT_FOUND: "not_found",
    Outcome.CANNOT_CHECK: "cannot_check",
}
_HELP = {Why.ASKED: "help", Why.SEVERAL: "one_at_a_time"}


@dataclass(frozen=True, slots=True)
class Said:
    """A text by its name in dialogue/texts.py, with its values."""

    name: str
    values: dict[str, Value]


class Answers:
    """What to answer, in the version in service.

    In the language that the person chose last on any channel; else in English to those who wrote
    it, in Latin letters to those who wrote them, and in the tree's first language to all others.
    """

    def __init__(
        self,
        versions: Versions[Version],
        inquiries: Inquiries,
        preferences: Preferences | None = None,
    ) -> None:
        self._versions = versions
        self._inquiries = inquiries
        self._preferences = preferences

    async def answer(self, request: Request, asker: Asker) -> str:
        """The message that answers a request, the notice before it where both are one.

        A topic of the guide may take several parts; all else is one.
        """
        topic, code = self._topic(request)
        language = await self._language(request, asker, code)
        if topic:
            text = phrase_text(language, sms_key(topic), {})
        else:
            text = self._words(language, await self._said(request, asker))
        notice = self._versions.notice()
        return with_notice(notice.text(language.code) if notice is not None else None, text)

    def told_elsewhere(self, answer: Answer, language: str) -> str:
        """The one message for an answer that was given in a language elsewhere."""
        version = self._versions.current
        code = language if version.tree.speaks(language) else version.tree.languages[0]
        return self._words(read_as(version.phrases, code), said_of(answer))

    def sorry(self) -> str:
        """What to say where we ourselves have failed."""
        version = self._versions.current
        return text_of(version.phrases[version.tree.languages[0]], "unavailable", {})

    def _topic(self, request: Request) -> tuple[str, str]:
        """The topic of the guide that is named, and the language that names it; else empty."""
        about = request.about.lower() if isinstance(request, Help) else ""
        if len(about) < SHORTEST_NAME:
            return "", ""
        whole: list[tuple[int, str, str]] = []
        part: dict[str, str] = {}
        for code, language in self._versions.current.phrases.items():
            for topic, title in titles(language):
                name = normalise(title).lower()
                if name in about:
                    whole.append((len(name), topic, code))
                elif about in name and 2 * len(about) >= len(name):
                    part[topic] = code
        if whole:
            return max(whole)[1:]
        # Half a name may be that of several.
        return next(iter(part.items())) if len(part) == 1 else ("", "")

    async def _language(self, request: Request, asker: Asker, named: str) -> Language:
        chosen = None
        if self._preferences is not None:
            chosen = await self._preferences.language(asker)
        version = self._versions.current
        tree = version.tree
        wanted = [chosen or "", named, ENGLISH if request.english else ""]
        if request.latin:
            # Whoever writes so may have no other letters.
            codes = codes_of(tree.languages, version.phrases)
            wanted += [code for code in codes if version.phrases[code].gsm_only and "-" in code]
            wanted.append(ENGLISH)
        code = next((each for each in wanted if tree.speaks(each)), tree.languages[0])
        return read_as(version.phrases, code)

    async def _said(self, request: Request, asker: Asker) -> Said:
        match request:
            case Eligibility(national_id):
                return said_of(await self._inquiries.inquire(national_id, asker, Channel.SMS))
            case Code(code):
                return await self._follow_up(code, asker)
            case Help(why):
                return Said(_HELP[why], {})

    async def _follow_up(self, code: str, asker: Asker) -> Said:
        if not is_code(code):
            return Said("code_unknown", {})
        try:
            kept = await self._inquiries.follow_up(code)
        except (Unavailable, ReplyError) as error:
            log.warning("follow_up_failed", reason=type(error).__name__)
            return Said("code_unavailable", {})
        return told(kept, asker) if kept else Said("code_unknown", {})

    def _words(self, language: Language, said: Said) -> str:
        needed = TEXTS[said.name]
        known = {
            name: value
            for name, value in said.values.items()
            if name in needed.always or name in needed.sometimes
        }
        if not known.keys() >= set(needed.always):
            # An inquirer's answer without its code: nothing true can be said of it.
            return text_of(language, "unavailable", {})
        return text_of(language, said.name, known)


def with_notice(notice: str | None, text: str) -> str:
    """The text, after the notice where both are one message."""
    if notice is None:
        return text
    both = f"{notice}\n{text}"
    return both if len(split(both, 0)) == 1 else text


def said_of(result: Answer | OverBudget) -> Said:
    """The text for what an inquiry came to."""
    if isinstance(result, OverBudget):
        wait = result.retry_after
        minutes = max(1, math.ceil(wait / 60)) if math.isfinite(wait) else 1
        # The proof of the texts reckons with four digits.
        return Said("over_budget", {"minutes": min(minutes, 9999)})
    verdict = result.verdict
    if verdict.outcome is Outcome.INVALID_ID:
        name = f"wrong_{result.wrong}"
        return Said(name if name in TEXTS else "wrong_characters", {})
    values: dict[str, Value] = {}
    if verdict.valid_until is not None:
        values["valid_until"] = verdict.valid_until
    if verdict.not_covered_since is not None:
        values["since"] = verdict.not_covered_since
    if verdict.stale and verdict.as_of is not None:
        values["as_of"] = tehran_date(verdict.as_of)
    if result.tracking_code is not None:
        values["code"] = result.tracking_code
    return Said(_TEXT_OF[verdict.outcome], values)


def told(kept: Kept, asker: Asker) -> Said:
    """The text for a tracking code: who asks with another's learns only that it was answered."""
    values = told_values(kept, asker)
    if not is_own(kept, asker) or kept.outcome not in _TEXT_OF:
        return Said("told_other", {"told_on": values["told_on"]})
    return Said(f"told_{_TEXT_OF[kept.outcome]}", values)
