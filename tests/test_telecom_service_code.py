"""What is dialled, and which service it asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persian.digits import to_persian_digits
from telecom.service_code import Dialled, NotAServiceCode, TooMuchDialled, match, normalise_dialled

ENTRIES = ("*4*1420", "*1666", "*4*1420*7")
OTHERS = ("*4*14201#", "*4*142#", "*4#", "*16661#", "*140*1#", "*41420#")
UNREADABLE = (
    *("", "#", "*", "*#", "4*1420#", "1420", "#*4*1420#", "hello"),
    "*4*1420" + "*1" * 17,
    "*4*1420*" + "9" * 33,
    "*4*1420" + "*0012345679" * 500,
    "*" * 100_000,
    " " * 100_000,
)
INPUTS = st.lists(st.from_regex(r"[0-9]{1,12}", fullmatch=True), max_size=16)


@pytest.mark.parametrize(
    ("dialled", "entry", "inputs"),
    [
        ("*4*1420#", "*4*1420", ()),
        ("*4*1420", "*4*1420", ()),
        ("*4*1420*1#", "*4*1420", ("1",)),
        ("*4*1420*1*0012345679#", "*4*1420", ("1", "0012345679")),
        ("*4*1420*1*0012345679", "*4*1420", ("1", "0012345679")),
        ("*1666#", "*1666", ()),
        ("*1666*1#", "*1666", ("1",)),
        ("*4*1420*7*1#", "*4*1420*7", ("1",)),
        ("*4*1420*71#", "*4*1420", ("71",)),
        ("*۴*۱۴۲۰*۱#", "*4*1420", ("1",)),
        ("*٤*١٤٢٠*١#", "*4*1420", ("1",)),
        ("\uff0a\uff14\uff0a1420\uff03", "*4*1420", ()),
        ("\u200e*4* 1420\u200f *1 #\n", "*4*1420", ("1",)),
        ("*4*1420**1*#", "*4*1420", ("1",)),
        ("*4*1420#*1", "*4*1420", ("1",)),
        ("*4*1420*کد#", "*4*1420", ("کد",)),
    ],
)
def test_what_is_asked_for(dialled: str, entry: str, inputs: tuple[str, ...]) -> None:
    """The longest service code that was dialled answers; the rest counts as typed."""
    assert match(ENTRIES, dialled) == (entry, inputs)


@pytest.mark.parametrize(
    "dialled", ["*4*14201#", "*4*142#", "*4#", "*16661#", "*140*1#", "*41420#"]
)
def test_another_service(dialled: str) -> None:
    """A code that only resembles ours is not ours."""
    assert match(ENTRIES, dialled) is None


@pytest.mark.parametrize("dialled", UNREADABLE)
def test_what_cannot_be_read(dialled: str) -> None:
    """What is no dialled string, or is too long, is refused in words that don't repeat it."""
    with pytest.raises(NotAServiceCode) as refused:
        match(ENTRIES, dialled)
    assert "0012345679" not in str(refused.value)
    assert "999" not in str(refused.value)


@pytest.mark.parametrize("rest", ["*1" * 17, "*1" * 90, "*" + "9" * 33, "*0012345679" * 500])
def test_too_much_after_a_code(rest: str) -> None:
    """One of our codes with too much after it is told apart from what is no code of ours."""
    with pytest.raises(TooMuchDialled):
        match(ENTRIES, f"*4*1420{rest}#")
    with pytest.raises(NotAServiceCode) as other:
        match(ENTRIES, f"*4*9{'*1' * 90}#")
    assert not isinstance(other.value, TooMuchDialled)


def test_the_longest_that_is_taken() -> None:
    """Sixteen inputs of thirty-two characters still go through."""
    inputs = ("9" * 32,) * 16
    assert match(ENTRIES, "*4*1420*" + "*".join(inputs) + "#") == ("*4*1420", inputs)


@given(st.sampled_from(ENTRIES[:2]), INPUTS, st.booleans(), st.sampled_from(["#", "", " #"]))
def test_inputs_come_out_as_dialled(entry: str, inputs: list[str], persian: bool, end: str) -> None:
    """At any depth, in any digits, with or without the hash, the inputs are what was typed."""
    dialled = "*".join([entry, *inputs]) + end
    found = match(ENTRIES[:2], to_persian_digits(dialled) if persian else dialled)
    assert found == (entry, tuple(inputs))


@given(st.one_of(st.text(), st.text("*#0142۴ ۱\uff0a\u200e")))
def test_any_text(text: str) -> None:
    """Any text is matched, or is another's, or is refused; and stays within bounds."""
    assert normalise_dialled(normalise_dialled(text)) == normalise_dialled(text)
    try:
        found = match(ENTRIES, text)
    except NotAServiceCode:
        return
    if found is not None:
        assert len(found[1]) <= 16
        assert all(0 < len(part) <= 32 for part in found[1])


def test_a_dialled_id_is_not_printed() -> None:
    """A national ID inside a dialled string is shown nowhere."""
    dialled = Dialled.parse("*4*1420*1*0012345679#")
    assert dialled.starts_with(Dialled.parse("*4*1420"))
    assert not Dialled.parse("*4*1420").starts_with(dialled)
    for shown in (str(dialled), repr(dialled), f"{dialled}"):
        assert "0012345679" not in shown
