from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from eligibility.buckets import NINE, TWELVE, Layout, person_at, spread
from eligibility.national_id import NationalId, check_digit

NATIONALS = st.integers(0, NINE - 1).map(lambda n: NationalId(f"{n:09}{check_digit(n)}"))
FOREIGNERS = st.integers(0, TWELVE - 1).map(lambda n: NationalId(f"{n:012}"))
PEOPLE = NATIONALS | FOREIGNERS
LAYOUTS = st.builds(
    Layout.for_people, st.sampled_from(["a1", "99"]), st.integers(0, 10**9), st.integers(0, 10**9)
)


@given(LAYOUTS, st.sets(PEOPLE, max_size=50))
def test_distinct(layout: Layout, people: set[NationalId]) -> None:
    """No two people have one address, whatever the layout."""
    assert len({layout.address(person) for person in people}) == len(people)


@given(LAYOUTS, PEOPLE)
def test_address(layout: Layout, person: NationalId) -> None:
    """An address leads back to the person's place, inside the buckets that are freed later."""
    key, field = layout.address(person)
    letter, token, bucket = key.decode().split(":")
    family = layout.foreigners if person.foreign else layout.nationals
    assert (letter, token) == ("f" if person.foreign else "p", layout.token)
    assert int(bucket) < family.buckets
    assert 0 <= int(field) < family.width
    assert int(bucket) * family.width + int(field) == spread(person)


@given(LAYOUTS, PEOPLE)
def test_a_place_leads_back_to_its_person(layout: Layout, person: NationalId) -> None:
    """Who lies at an address is found again from the address alone."""
    family = layout.foreigners if person.foreign else layout.nationals
    bucket, place = divmod(spread(person), family.width)
    nobody = not person.foreign and len(set(person.digits)) == 1
    assert person_at(family, bucket, place) == (None if nobody else person)


@given(LAYOUTS, st.integers(-5, 2 * 10**9), st.integers(-5, 2 * 10**12))
def test_a_place_that_nobody_has_names_nobody(layout: Layout, bucket: int, place: int) -> None:
    """Outside its bucket, or its family, a place is nobody's."""
    for family in (layout.nationals, layout.foreigners):
        person = person_at(family, bucket, place)
        if person is not None:
            key, field = layout.address(person)
            assert (key, int(field)) == (family.key(bucket), place)
        elif 0 <= place < family.width and 0 <= bucket * family.width + place < family.space:
            assert family is layout.nationals, "ten equal digits are nobody's, twelve may be"


@given(PEOPLE)
def test_place(person: NationalId) -> None:
    """A person's place comes of the digits as they are typed, the check digit left out."""
    if person.foreign:
        assert spread(person) == int(person.digits) * 618_033_988_749 % 10**12
    else:
        assert spread(person) == int(person.digits[:9]) * 618_033_989 % 10**9


def test_factors() -> None:
    """The factors share no divisor with ten, so that multiplying is a bijection."""
    assert spread(NationalId("0000000019")) % 10 not in (0, 2, 4, 5, 6, 8)
    assert spread(NationalId("000000000001")) % 10 not in (0, 2, 4, 5, 6, 8)


def test_even() -> None:
    """A registry that gave its numbers out in ranges still fills its buckets evenly."""
    people = [
        place * 10**6 + serial for place in range(0, 1000, 4) for serial in range(400_000, 400_400)
    ]
    layout = Layout.for_people("a1", len(people))
    keys = (layout.address(NationalId(f"{n:09}{check_digit(n)}"))[0] for n in people)
    sizes = Counter(keys)
    assert len(sizes) == layout.nationals.buckets
    assert max(sizes.values()) < 512, "over hash-max-ziplist-entries a bucket is no listpack"
