"""The aggregators' convention."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.version import OneVersion, Version
from state.errors import Unavailable
from state.keyed_hash import KeyedHash
from state.sessions import SessionStore, Stored
from tests.scripted_inquirer import COVERED, PHRASES, TREE, ScriptedInquirer, typed
from ussd.aggregator import Aggregator
from ussd.conversation import UssdConversations, UssdTimes

FORM = {
    "sessionId": "s1",
    "serviceCode": "*4*1420#",
    "phoneNumber": "+989121234567",
    "text": "",
}


class NoStore(SessionStore):
    """A store that is away."""

    def __init__(self) -> None:
        pass

    async def load(self, key: str) -> Stored | None:
        raise Unavailable("away")


def answer(form: dict[str, str]) -> tuple[int, str]:
    """One request to an aggregator's door, without sessions."""
    conversations = UssdConversations(
        OneVersion(Version(TREE, PHRASES)),
        ScriptedInquirer(),
        NoStore(),
        KeyedHash(b"k" * 32),
        times=UssdTimes(),
    )
    body = asyncio.run(Aggregator(conversations, "test").answer(form))
    return body.status, body.text


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        *((name, None, f"{name} is missing.") for name in FORM),
        *((name, "", f"{name} is empty.") for name in FORM if name != "text"),
        ("sessionId", "s" * 129, "sessionId is longer than 128 characters."),
        ("serviceCode", "*" * 201, "serviceCode is longer than 200 characters."),
        ("phoneNumber", "9" * 41, "phoneNumber is longer than 40 characters."),
        ("text", "1" * 4001, "text is longer than 4000 characters."),
        ("phoneNumber", "1420", "phoneNumber is not a telephone number."),
        ("phoneNumber", "+98912CANARY", "phoneNumber is not a telephone number."),
        ("sessionId", "a\x00b", "sessionId has control characters."),
        ("text", "1\n2", "text has control characters."),
        ("text", "\ud800", "text has control characters."),
    ],
)
def test_a_bad_field_is_named(field: str, value: str | None, says: str) -> None:
    """The aggregator's engineers are told which field is wrong, and never see its value again."""
    form = {name: text for name, text in FORM.items() if name != field}
    if value is not None:
        form[field] = value
    assert answer(form) == (400, says)


def test_an_answer_without_sessions() -> None:
    """An inquiry dialled whole is answered even where no session can be kept."""
    status, body = answer(FORM | {"text": f"1*{COVERED}", "operator": "ignored"})
    assert status == 200
    assert body.startswith("END اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.")


def test_a_dialogue_without_sessions() -> None:
    """Who would need a session is told to dial again, in the language that was chosen."""
    fa, en = (PHRASES[code].phrases["unavailable"].text for code in ("fa", "en"))
    for text, told in (("", fa), ("1", fa), ("9*1", en), ("1*12", fa)):
        assert answer(FORM | {"text": text}) == (200, f"END {told}")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sessionId": st.text(max_size=140),
            "serviceCode": st.sampled_from(["*4*1420#", "*1666", "*۴*۱۴۲۰*1#"])
            | st.text(max_size=210),
            "phoneNumber": st.sampled_from(["09121234567", "+989121234567"]) | st.text(max_size=45),
            "text": st.lists(typed(), max_size=30).map("*".join),
        },
    )
)
def test_any_form(form: dict[str, str]) -> None:
    """Whatever is posted, the answer is a screen or a sentence that names a field."""
    status, body = answer(form)
    if status == 200:
        assert body.startswith("END ")
        assert len(body) > 10
    else:
        assert status == 400
        assert body.split(" ")[0] in FORM
