"""Who may knock, and whether a door may be opened at all."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.http_settings import HttpSettings, networks
from dargah.guard import address_of, admitted, caller, problems, ussd_admitted

SECRET = "a-secret-of-some-length"
PUBLIC = HttpSettings(host="192.0.2.7", ussd_secret=SECRET, behind_proxy=True)


def test_what_is_shipped_may_be_served() -> None:
    """The defaults face this machine alone, and need no guard."""
    assert problems(HttpSettings()) == []
    assert problems(HttpSettings(host="::1", metrics_host="127.9.9.9")) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "10.0.0.1", "2001:db8::1"])
def test_another_address_needs_both_guards(host: str) -> None:
    """Beyond loopback, /ussd needs a secret or a list, and the API TLS or a proxy."""
    tls = {"tls_certificate": Path("c.pem"), "tls_key": Path("k.pem")}
    listed = networks(["10.0.0.0/8"], "ussd.networks")
    assert len(problems(HttpSettings(host=host))) == 2
    assert len(problems(HttpSettings(host=host, ussd_secret=SECRET))) == 1
    assert len(problems(HttpSettings(host=host, behind_proxy=True))) == 1
    assert problems(HttpSettings(host=host, ussd_secret=SECRET, behind_proxy=True)) == []
    assert problems(HttpSettings(host=host, ussd_networks=listed, behind_proxy=True)) == []
    assert problems(HttpSettings(host=host, ussd_secret=SECRET, **tls)) == []  # type: ignore[arg-type]


def test_a_name_is_no_address_to_bind() -> None:
    """A host name could come to mean another address tomorrow, so it is refused."""
    assert "http.host" in problems(HttpSettings(host="localhost"))[0]
    assert "metrics.host" in problems(HttpSettings(metrics_host=""))[0]


def test_metrics_beyond_loopback_need_a_list() -> None:
    """Metrics tell how busy the line is; strangers need not know."""
    assert problems(HttpSettings(metrics_host="0.0.0.0"))
    listed = networks(["192.0.2.0/24"], "metrics.networks")
    assert problems(HttpSettings(metrics_host="0.0.0.0", metrics_networks=listed)) == []


def test_no_sentence_shows_the_secret() -> None:
    """A secret that is too short is not read out to whoever sees the message."""
    settings = replace(PUBLIC, ussd_secret="hunter2")
    assert problems(settings)
    assert "hunter2" not in repr((settings, problems(settings)))


@pytest.mark.parametrize(
    ("peer", "forwarded", "behind_proxy", "expected"),
    [
        ("192.0.2.1", None, False, "192.0.2.1"),
        ("192.0.2.1", "127.0.0.1", False, "192.0.2.1"),
        ("::ffff:192.0.2.1", None, False, "192.0.2.1"),
        ("127.0.0.1", "10.9.9.9, 192.0.2.1", True, "192.0.2.1"),
        ("127.0.0.1", "2001:db8::1", True, "2001:db8::1"),
        ("127.0.0.1", None, True, None),
        ("127.0.0.1", "127.0.0.1, unknown", True, None),
    ],
)
def test_whose_request_it_is(
    peer: str, forwarded: str | None, behind_proxy: bool, expected: str | None
) -> None:
    """X-Forwarded-For is believed behind our own proxy alone, and there its last entry."""
    found = caller(peer, forwarded, behind_proxy=behind_proxy)
    assert found == (expected and ip_address(expected))


def test_an_empty_list_admits_this_machine() -> None:
    """Without a list, loopback is served and nobody else."""
    assert admitted(address_of("127.0.0.1"), ())
    assert admitted(address_of("::1"), ())
    assert not admitted(address_of("192.0.2.1"), ())
    assert not admitted(None, ())


def test_a_list_admits_its_own_alone() -> None:
    """With a list, loopback must stand on it too."""
    listed = networks(["192.0.2.0/24", "2001:db8::/32"], "ussd.networks")
    assert admitted(address_of("192.0.2.200"), listed)
    assert admitted(address_of("::ffff:192.0.2.200"), listed)
    assert admitted(address_of("2001:db8::9"), listed)
    assert not admitted(address_of("127.0.0.1"), listed)
    assert not admitted(address_of("192.0.3.1"), listed)


def test_secret_and_list_must_both_be_met() -> None:
    """A stolen secret is of no use from elsewhere, nor the right address without the secret."""
    settings = HttpSettings(ussd_secret=SECRET, ussd_networks=networks(["10.0.0.0/8"], "x"))
    inside, outside = address_of("10.0.0.1"), address_of("192.0.2.1")
    assert ussd_admitted(settings, inside, SECRET)
    assert not ussd_admitted(settings, inside, None)
    assert not ussd_admitted(settings, outside, SECRET)
    assert ussd_admitted(HttpSettings(ussd_secret=SECRET), outside, SECRET)


@given(st.text())
def test_no_other_secret_is_taken(given_secret: str) -> None:
    """Whatever is sent as the secret, only the secret itself opens."""
    opens = ussd_admitted(HttpSettings(ussd_secret=SECRET), address_of("10.0.0.1"), given_secret)
    assert opens == (given_secret == SECRET)


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    """What a proxy or a socket calls an address never breaks the guard."""
    assert caller("127.0.0.1", text, behind_proxy=True) == address_of(text.rpartition(",")[2])


def test_a_wrong_network_is_named() -> None:
    """An entry with host bits, or none at all, stops the start with its setting's name."""
    for entry, remedy in (
        ("10.0.0.1/8", "write 10.0.0.0/8 for the whole of it, or 10.0.0.1 for one address."),
        ("somewhere", "write one such as 10.1.0.0/16 or 2001:db8::/32, or a single address."),
        ("", "write one such as 10.1.0.0/16 or 2001:db8::/32, or a single address."),
    ):
        with pytest.raises(ConfigError, match=r"^ussd\.networks: ") as refused:
            networks(["10.0.0.0/8", entry], "ussd.networks")
        assert str(refused.value).endswith(f"is not a network; {remedy}")
