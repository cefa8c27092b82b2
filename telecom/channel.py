"""The channels people ask through."""

from enum import StrEnum


class Channel(StrEnum):
    """How an inquiry reached us. Values appear in logs, metrics and stored inquiries."""

    VOICE = "voice"
    USSD = "ussd"
    SMS = "sms"
    API = "api"
