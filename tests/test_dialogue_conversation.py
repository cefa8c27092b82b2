"""A conversation with its look-ups."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dialogue.conversation import Conversation
from dialogue.steps import Show
from dialogue.words import words
from eligibility.answer import Asker
from telecom.channel import Channel
from tests.scripted_inquirer import COVERED, OVER, PHRASES, TREE, ScriptedInquirer, typed


def conversation(inquirer: ScriptedInquirer, turn_seconds: float = 5.0) -> Conversation:
    """A USSD conversation on the shipped tree."""
    return Conversation(TREE, inquirer, Asker("a"), Channel.USSD, turn_seconds=turn_seconds)


@given(st.sampled_from([*TREE.entries, "*9"]), st.lists(typed(), max_size=16))
def test_direct_dial_is_typing_one_by_one(entry: str, inputs: list[str]) -> None:
    """Dialling answers at once comes to the same screen as typing them one by one."""

    async def typing() -> tuple[Show, Conversation]:
        one = conversation(ScriptedInquirer())
        show = await one.start(entry)
        for text in inputs:
            if show.last or show.wrong:
                break
            show = await one.reply(text)
        return show, one

    async def dialling() -> tuple[Show, Conversation]:
        one = conversation(ScriptedInquirer())
        return await one.start(entry, inputs), one

    (typed_show, typed_one), (dialled_show, dialled_one) = (
        asyncio.run(typing()),
        asyncio.run(dialling()),
    )
    assert typed_show == dialled_show
    assert typed_one.state == dialled_one.state


def test_all_dialled_at_once() -> None:
    """An ID in the dialled string is answered at once, by the asker's own budget and channel."""
    inquirer = ScriptedInquirer()
    show = asyncio.run(conversation(inquirer).start("*4*1420", ["1", COVERED, "1"]))
    assert (show.screen, show.last) == ("covered", True)
    assert inquirer.asked == [(COVERED, Asker("a"), Channel.USSD)]


def test_a_wrong_answer_takes_no_more() -> None:
    """After a wrong answer the rest of what was dialled is not taken for another question."""
    inquirer = ScriptedInquirer()
    show = asyncio.run(conversation(inquirer).start("*4*1420", ["1", "0012345678", COVERED]))
    assert (show.screen, show.wrong) == ("ask_id", True)
    assert len(inquirer.asked) == 1


def test_a_lookup_that_never_comes_back() -> None:
    """A turn that takes too long ends with a sentence, and says nothing about the person."""
    show = asyncio.run(
        conversation(ScriptedInquirer(stuck=True), 0.01).start("*4*1420", ["1", COVERED])
    )
    assert (show.screen, show.last) == ("busy", True)


def test_over_budget_says_when() -> None:
    """Who has asked too much is told after how many minutes to ask again."""
    show = asyncio.run(conversation(ScriptedInquirer()).start("*1666", ["1", OVER]))
    assert "۲ دقیقه" in words(PHRASES, show)


def test_leaving() -> None:
    """An edge that cannot go on closes the conversation in its own language."""

    async def run() -> Show:
        one = conversation(ScriptedInquirer())
        await one.start("*4*1420", ["9", "1"])
        return one.leave(TREE.exits.unavailable)

    show = asyncio.run(run())
    assert (show.screen, show.language, show.last) == ("unavailable", "en", True)
