"""From an operator's SMPP settings to what smpp/ takes."""

from config.smpp_settings import DialectSettings, SmppBind
from smpp.dialect import CodeField, Dialect, Kind, SessionSource, TextEncoding
from smpp.pdu import Bind, BindType
from smpp.settings import SessionSettings


def bind_of(settings: SmppBind) -> Bind:
    """What is asked for when the connection stands."""
    return Bind(
        sequence=0,
        bind_type=BindType(settings.bind_type),
        system_id=settings.system_id,
        password=settings.password.value,
        system_type=settings.system_type,
        addr_ton=settings.bind_ton,
        addr_npi=settings.bind_npi,
        address_range=settings.address_range,
    )


def session_of(settings: SmppBind) -> SessionSettings:
    """The bounds and timers of its session."""
    return SessionSettings(
        window=settings.window,
        queue=settings.queue,
        queue_timeout=settings.queue_timeout,
        unanswered=settings.unanswered,
        rate=settings.rate or None,
        response_timeout=settings.response_timeout,
        enquire_link_interval=settings.enquire_link,
    )


def dialect_of(settings: DialectSettings) -> Dialect:
    """How its USSD gateway speaks."""
    return Dialect(
        service_type=settings.service_type,
        session_source=SessionSource(settings.session_source),
        vendor_tag=settings.vendor_tag or None,
        begin_ops=frozenset(settings.begin_ops),
        continue_ops=frozenset(settings.continue_ops),
        abort_ops=frozenset(settings.abort_ops),
        unknown_op=Kind(settings.unknown_op),
        continue_op=settings.continue_op,
        end_op=settings.end_op,
        end_bit_in=settings.end_bit_in,
        end_bit_out=settings.end_bit_out,
        code_field=CodeField(settings.code_field),
        text_encoding=TextEncoding(settings.text_encoding),
        data_coding_gsm=settings.data_coding_gsm,
        data_coding_ucs2=settings.data_coding_ucs2,
        packed_7bit=settings.packed_7bit,
        max_octets=settings.max_octets,
        esm_class=settings.esm_class,
        echo_tlvs=settings.echo_tlvs,
    )
