"""The operators' links: SMPP binds, the USSD and SMS that they carry."""

import os
import random
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import structlog

from config.settings import Settings
from config.smpp_settings import SmppBind
from config.sms_settings import Numbering, SmsSettings
from dargah.answers_by_sms import AnswersBySms
from dargah.dialogue_of_settings import prove_binds
from dargah.metrics import Metrics
from dargah.smpp_binds import SMS, SmppBinds
from dargah.wiring import Gateway, clock
from dialogue.check_texts import prove_texts
from sms.service import Sms
from state.keyed_hash import load_or_create_key
from state.link import Redis
from state.own_link import OwnLink
from state.sealed import Seal
from state.store import open_own, open_store
from state.stores import Stores

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

log = structlog.get_logger("smpp")

CONSUMER_PATIENCE = 2.0
"""Seconds that a command of a stream's reader may take: it waits for entries."""


@asynccontextmanager
async def smpp_port(
    reactor: "AsyncioSelectorReactor",
    settings: Settings,
    parts: frozenset[str],
    stores: Stores,
    gateway: Gateway,
    metrics: Metrics,
) -> AsyncIterator[SmppBinds]:
    """Bind to every SMSC; drain and unbind at the end. Raises ConfigError.

    Of each bind only what is in `parts` ("sms", "ussd") is carried.
    """
    carried = [
        replace(bind, carries=tuple(what for what in bind.carries if what in parts))
        for bind in settings.smpp
    ]
    wanted = [bind for bind in carried if bind.carries]
    texting = {bind.operator: bind for bind in reversed(wanted) if SMS in bind.carries}
    # Of those that are texted with elsewhere, the outbox is still to be written to.
    known = {bind.operator: bind for bind in reversed(settings.smpp) if SMS in bind.carries}

    async def open_link(name: str) -> Redis | OwnLink:
        return await open_own(stores.state, name=name, timeout=CONSUMER_PATIENCE)

    prove_binds(settings, gateway.versions.own.phrases)
    if texting:
        # Whatever is published now, we may have to go back to our own words.
        prove_texts(gateway.versions.own.tree, gateway.versions.own.phrases)
    state = stores.state
    if settings.sms.replicas:
        # WAIT holds up what is behind it on its connection: this one is for messages alone.
        patience = settings.redis.timeout + settings.sms.replicas_within
        state = await open_store(stores.state.address, name="dargah-sms", timeout=patience)
    sms = Sms(
        SmsSettings(
            operators=tuple(known),
            numbering={operator: _numbering(bind) for operator, bind in known.items()},
            **asdict(settings.sms),
        ),
        state=state,
        open_link=open_link,
        versions=gateway.versions,
        inquiries=gateway.inquiries,
        hashes=gateway.hashes,
        seal=Seal(
            load_or_create_key(settings.data_folder / "secrets" / "seal.key"), secrets.token_bytes
        ),
        submit=lambda operator, message: binds.submit(operator, message),
        clock=clock,
        jitter=random.random,
        consumer=f"{socket.gethostname()}-{os.getpid()}",
        observer=metrics.sms,
        preferences=gateway.preferences,
    )
    binds = SmppBinds(
        wanted,
        reactor,
        conversations=gateway.conversations,
        received=sms.received,
        receipt=sms.received,
        metrics=metrics.smpp,
        untold=lambda *untold: by_sms.untold(*untold),
    )
    by_sms = AnswersBySms(sms, binds.tasks.start)
    sms.start(texting)
    binds.start()
    try:
        yield binds
    finally:
        half = settings.http.drain_timeout / 2
        left = await sms.drain(half)
        left += await binds.stop(half)
        if state is not stores.state:
            await state.close()
        log.info("smpp_stopped", left=left)


def texting_of(settings: Settings) -> dict[str, Numbering]:
    """The operators that take SMS from us, in the settings' order, and how they are addressed."""
    wanted = [bind for bind in settings.smpp if SMS in bind.carries]
    firsts = {bind.operator: bind for bind in reversed(wanted)}
    return {bind.operator: _numbering(firsts[bind.operator]) for bind in wanted}


def _numbering(bind: SmppBind) -> Numbering:
    """TON and NPI of an operator's replies; what is not set stays as it came."""

    def given(value: int) -> int | None:
        return None if value < 0 else value

    return Numbering(
        source_ton=given(bind.short_code_ton),
        source_npi=given(bind.short_code_npi),
        name_ton=given(bind.name_ton),
        name_npi=given(bind.name_npi),
        destination_ton=given(bind.msisdn_ton),
        destination_npi=given(bind.msisdn_npi),
    )
