"""PDUs for the SMPP tests: ordinary ones, and any that hypothesis thinks of."""

from hypothesis import strategies as st

from smpp.pdu import (
    Address,
    Bind,
    BindResp,
    BindType,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    ShortMessage,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)

HANDSET = Address("989121234567", 1, 1)
LINE = Address("10001420", 3, 0)
BIND = Bind(0, BindType.TRANSCEIVER, "dargah", "secret")
TEXT = ShortMessage(HANDSET, LINE, "کد ملی".encode("utf-16-be"), data_coding=8)

octet = st.integers(0, 255)
number = st.integers(0, 0xFFFFFFFF)


def text(most: int) -> st.SearchStrategy[str]:
    """A C-octet string of at most so many characters."""
    characters = st.characters(min_codepoint=1, max_codepoint=127)
    return st.text(characters, max_size=most)


addresses = st.builds(Address, text(20), octet, octet)
tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=4).map(tuple)


def messages() -> st.SearchStrategy[ShortMessage]:
    """Any message that fits."""
    return st.builds(
        ShortMessage,
        source=addresses,
        destination=addresses,
        short_message=st.binary(max_size=254),
        data_coding=octet,
        service_type=text(5),
        esm_class=octet,
        protocol_id=octet,
        priority_flag=octet,
        schedule_delivery_time=text(16),
        validity_period=text(16),
        registered_delivery=octet,
        replace_if_present=octet,
        sm_default_msg_id=octet,
        tlvs=tlvs,
    )


binds = st.builds(
    Bind,
    number,
    st.sampled_from(BindType),
    text(15),
    text(8),
    text(12),
    octet,
    octet,
    octet,
    text(40),
)
pdus: st.SearchStrategy[Pdu] = st.one_of(
    binds,
    st.builds(BindResp, number, st.sampled_from(BindType), st.just(0), text(15), tlvs),
    st.builds(BindResp, number, st.sampled_from(BindType), st.integers(1, 255)),
    st.builds(SubmitSm, number, messages()),
    st.builds(DeliverSm, number, messages()),
    st.builds(SubmitSmResp, number, st.integers(0, 255), text(64), tlvs),
    st.builds(DeliverSmResp, number, st.integers(0, 255), text(64), tlvs),
    st.builds(EnquireLink, number),
    st.builds(EnquireLinkResp, number, number),
    st.builds(Unbind, number),
    st.builds(UnbindResp, number, number),
    st.builds(GenericNack, number, number),
)
