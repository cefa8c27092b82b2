"""
The SMPP binds of a gateway, as an operator writes them down.

    [[smpp]]            one bind each; two sites of an operator are two binds of one `operator`
    [smpp.dialect]      how its USSD gateway speaks, below its [[smpp]]

Plain values only: `dargah/smpp_binds.py` makes sessions and dialects of them. What each key
means, its unit and its reason stand in defaults.toml.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from config.reading import Secret, choice, within

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_OCTET = within(0, 255)
_AS_IT_CAME = within(-1, 255)

# Longest text of a field that ends with a NUL (SMPP 3.4, 5.2).
_LONGEST = {"system_id": 15, "system_type": 12, "address_range": 40}
_LONGEST_PASSWORD = 8

_SESSION_SOURCES = ("its_octet1", "its_15bit", "its_opaque", "umr", "vendor", "none")
_KINDS = ("begin", "continue", "abort", "other")


@dataclass(frozen=True, slots=True)
class DialectSettings:
    """USSD over SMPP as one gateway speaks it; operations are octets."""

    service_type: str = "USSD"
    session_source: str = field(default="its_octet1", metadata=choice(*_SESSION_SOURCES))
    vendor_tag: int = field(default=0, metadata=within(0, 0x3FFF))
    begin_ops: tuple[int, ...] = field(default=(0x00, 0x01), metadata=_OCTET)
    continue_ops: tuple[int, ...] = field(default=(0x12,), metadata=_OCTET)
    abort_ops: tuple[int, ...] = field(default=(0x81,), metadata=_OCTET)
    unknown_op: str = field(default="other", metadata=choice(*_KINDS))
    continue_op: int = field(default=0x02, metadata=_OCTET)
    end_op: int = field(default=0x11, metadata=_OCTET)
    end_bit_in: bool = True
    end_bit_out: bool = True
    code_field: str = field(default="auto", metadata=choice("auto", "short_message", "destination"))
    text_encoding: str = field(default="auto", metadata=choice("auto", "ucs2"))
    data_coding_gsm: int = field(default=15, metadata=_OCTET)
    data_coding_ucs2: int = field(default=8, metadata=_OCTET)
    packed_7bit: bool = False
    max_octets: int = field(default=160, metadata=within(100, 160))
    esm_class: int = field(default=0, metadata=_OCTET)
    echo_tlvs: tuple[int, ...] = field(default=(), metadata=within(0, 0xFFFF))
    send_resp_before_submit: bool = True
    session_ttl: float = field(default=0.0, metadata=within(0, 3600))


@dataclass(frozen=True, slots=True)
class SmppBind:
    """One bind. Times in seconds, rate in PDU a second (0: no limit)."""

    name: str
    operator: str
    host: str
    port: int = field(metadata=within(1, 65535))
    system_id: str
    password: Secret
    tls: bool = False
    tls_authority: str = ""
    system_type: str = ""
    bind_type: str = field(
        default="transceiver", metadata=choice("transceiver", "transmitter", "receiver")
    )
    carries: tuple[str, ...] = field(default=("sms", "ussd"), metadata=choice("sms", "ussd"))
    window: int = field(default=50, metadata=within(1, 10_000))
    queue: int = field(default=1000, metadata=within(0, 1_000_000))
    queue_timeout: float = field(default=5.0, metadata=within(0.1, 600))
    unanswered: int = field(default=1000, metadata=within(1, 1_000_000))
    turns: int = field(default=1000, metadata=within(1, 1_000_000))
    answers_by_sms: bool = False
    rate: float = field(default=0.0, metadata=within(0, 1_000_000))
    enquire_link: float = field(default=20.0, metadata=within(1, 3600))
    response_timeout: float = field(default=10.0, metadata=within(0.1, 600))
    address_range: str = ""
    bind_ton: int = field(default=0, metadata=_OCTET)
    bind_npi: int = field(default=0, metadata=_OCTET)
    msisdn_ton: int = field(default=-1, metadata=_AS_IT_CAME)
    msisdn_npi: int = field(default=-1, metadata=_AS_IT_CAME)
    short_code_ton: int = field(default=-1, metadata=_AS_IT_CAME)
    short_code_npi: int = field(default=-1, metadata=_AS_IT_CAME)
    name_ton: int = field(default=-1, metadata=_AS_IT_CAME)
    name_npi: int = field(default=-1, metadata=_AS_IT_CAME)
    dialect: DialectSettings = DialectSettings()


def mistakes(binds: tuple[SmppBind, ...]) -> Iterator[tuple[int, str, str]]:
    """What a single key's bounds cannot say: number of the bind (from 0), key, sentence."""
    seen: set[str] = set()
    for number, bind in enumerate(binds):
        for key, sentence in _mistakes(bind):
            yield number, key, sentence
        if bind.name in seen:
            yield number, "name", f"two binds have the name {bind.name!r}; names are unique."
        seen.add(bind.name)
        partners = [other for other in binds if other.operator == bind.operator]
        if bind.answers_by_sms and not any(_answers(other, "sms") for other in partners):
            yield (
                number,
                "answers_by_sms",
                f"no bind of operator {bind.operator!r} carries sms and may submit.",
            )
        for what in bind.carries:
            if not any(_answers(other, what) for other in partners):
                yield (
                    number,
                    "bind_type",
                    (
                        f"nothing can answer {what}: no bind of operator {bind.operator!r} "
                        f"carries {what} and may submit; add a transmitter, or make it a "
                        "transceiver."
                    ),
                )


def _answers(bind: SmppBind, what: str) -> bool:
    return bind.bind_type != "receiver" and what in bind.carries


def _mistakes(bind: SmppBind) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(bind.name):
        yield "name", "a-z, 0-9, - and _ are allowed, 32 at most: logs and metrics use it."
    for key in ("operator", "host", "system_id"):
        if not getattr(bind, key):
            yield key, "it is empty."
    for key, most in _LONGEST.items():
        if len(getattr(bind, key)) > most or not getattr(bind, key).isascii():
            yield key, f"{most} ASCII characters are the most (SMPP 3.4, 5.2)."
    password = bind.password.value
    if len(password) > _LONGEST_PASSWORD or not password.isascii():
        yield "password", f"{_LONGEST_PASSWORD} ASCII characters are the most (SMPP 3.4, 5.2.2)."
    if not bind.carries:
        yield "carries", 'it is empty; "sms", "ussd" or both are needed.'
    if bind.answers_by_sms and "ussd" not in bind.carries:
        yield "answers_by_sms", "it is of no use where ussd is not carried."
    if bind.tls_authority and not bind.tls:
        yield "tls_authority", "it is of no use without tls = true."
    dialect = bind.dialect
    if len(dialect.service_type) > 5 or not dialect.service_type.isascii():
        yield "dialect.service_type", "5 ASCII characters are the most (SMPP 3.4, 5.2.11)."
    if (dialect.session_source == "vendor") != (dialect.vendor_tag >= 0x1400):
        yield (
            "dialect.vendor_tag",
            'session_source = "vendor" needs a tag from 0x1400 to 0x3FFF, every other one 0.',
        )
