"""Forms as aggregators send them."""

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from dargah.http_request import HttpRequest
from dargah.http_routes import FIELDS, FORM, form

FIELD_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
FIELD_VALUES = st.text(st.characters(codec="utf-8"), max_size=60)


def posted(body: bytes, content_type: str = FORM) -> HttpRequest:
    """A form in a request."""
    return HttpRequest("POST", "/ussd", {"content-type": content_type}, body, "127.0.0.1")


@given(st.dictionaries(FIELD_NAMES, FIELD_VALUES, max_size=FIELDS))
def test_every_form_is_read_as_it_was_filled_in(fields: dict[str, str]) -> None:
    """Whatever letters a person typed, they arrive."""
    assert form(posted(urlencode(fields).encode())) == fields


@given(st.binary(max_size=400) | st.text(alphabet="a=&%+;2f", max_size=60).map(str.encode))
def test_any_body_is_a_form_or_none(body: bytes) -> None:
    """Random bytes never break the reading, and no field is ever read twice."""
    found = form(posted(body))
    assert found is None or len(found) <= FIELDS


def test_the_type_decides() -> None:
    """A charset after the type is nothing odd; another type is no form."""
    assert form(posted(b"a=1", "Application/X-WWW-Form-URLencoded; charset=UTF-8")) == {"a": "1"}
    assert form(posted(b"a=1", "multipart/form-data")) is None


def test_a_request_shows_nothing_of_itself() -> None:
    """A request that finds its way into a log takes no number along."""
    assert "0012345679" not in repr(posted(b"text=0012345679"))
