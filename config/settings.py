"""
The settings of a gateway: config/defaults.toml, then the operator's file, checked whole.

Everything is read once at the start into frozen dataclasses; nothing below asks the
environment or a file again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from config.contradictions import contradictions
from config.errors import ConfigError
from config.reading import (
    Secret,
    choice,
    read_section,
    read_tables,
    unknown_key,
    url,
    within,
)
from config.redis_settings import SCHEMES, url_mistake
from config.registry_settings import RegistrySection
from config.smpp_settings import SmppBind, mistakes
from config.toml_lines import Document, read_toml


@dataclass(frozen=True, slots=True)
class RedisSection:
    """Where Redis is; an empty URL is the embedded one. Times in seconds."""

    cache_url: Secret = field(metadata=url(*SCHEMES, mistake=url_mistake))
    state_url: Secret = field(metadata=url(*SCHEMES, mistake=url_mistake))
    timeout: float = field(metadata=within(0.01, 10))
    in_flight: int = field(metadata=within(100, 1_000_000))
    start_deadline: float = field(metadata=within(1, 3600))
    refresh: float = field(metadata=within(0.1, 60))


@dataclass(frozen=True, slots=True)
class HttpSection:
    """The public port. `body_limit` in octets, times in seconds."""

    host: str
    port: int = field(metadata=within(0, 65535))
    body_limit: int = field(metadata=within(256, 1 << 20))
    connections: int = field(metadata=within(1, 100_000))
    idle_timeout: float = field(metadata=within(1, 3600))
    drain_timeout: float = field(metadata=within(0, 600))
    tls_certificate: str
    tls_key: str
    behind_proxy: bool


@dataclass(frozen=True, slots=True)
class UssdSection:
    """USSD: over HTTP who may post; how long a session lives, and is offered again (seconds).

    `answers_by_sms`: the operator that carries what an aggregator did not wait for; "": none.
    """

    secret: Secret
    networks: tuple[str, ...]
    operator: str
    session_ttl: float = field(metadata=within(10, 3600))
    ended_ttl: float = field(metadata=within(1, 600))
    resume_for: float = field(metadata=within(0, 3600))
    answers_by_sms: str


@dataclass(frozen=True, slots=True)
class MetricsSection:
    """The port for Prometheus."""

    host: str
    port: int = field(metadata=within(0, 65535))
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IvrSection:
    """The FastAGI port. Times in seconds; `entry` is a service code of the tree."""

    host: str
    port: int = field(metadata=within(0, 65535))
    networks: tuple[str, ...]
    calls: int = field(metadata=within(1, 100_000))
    call_seconds: float = field(metadata=within(10, 7200))
    digit: float = field(metadata=within(1, 60))
    entry: str
    voices: str


@dataclass(frozen=True, slots=True)
class SmsSection:
    """Bounds and times of SMS, in seconds where defaults.toml says nothing else."""

    number: str
    inbox_limit: int = field(metadata=within(100, 10_000_000))
    outbox_limit: int = field(metadata=within(100, 10_000_000))
    parts_limit: int = field(metadata=within(10, 1_000_000))
    redelivery_window: float = field(metadata=within(1, 3600))
    parts_wait: float = field(metadata=within(1, 3600))
    at_once: int = field(metadata=within(1, 10_000))
    resend: int = field(metadata=within(0, 100))
    validity_minutes: int = field(metadata=within(1, 59))
    replicas: int = field(metadata=within(0, 10))
    replicas_within: float = field(metadata=within(0.001, 10))


@dataclass(frozen=True, slots=True)
class DialogueSection:
    """Where tree, phrases and guide lie (empty: ours). `turn_timeout` in seconds,
    `preferences_kept_for` in days.
    """

    tree: str
    phrases: str
    guide: str
    turn_timeout: float = field(metadata=within(0.1, 25))
    preferences_kept_for: float = field(metadata=within(0.1, 3650))


@dataclass(frozen=True, slots=True)
class EligibilitySection:
    """Freshness, repeats and budgets; units as in defaults.toml."""

    lookup_timeout: float = field(metadata=within(0.05, 20))
    fresh_for: float = field(metadata=within(0, 10_000))
    usable_for: float = field(metadata=within(0, 3650))
    replica_answers: bool
    replica_behind: float = field(metadata=within(1, 86_400))
    repeat_for: float = field(metadata=within(0.1, 1440))
    retry_for: float = field(metadata=within(0.1, 720))
    codes_kept_for: float = field(metadata=within(0.1, 3650))
    phone_burst: int = field(metadata=within(0, 1_000_000))
    phone_per_minute: float = field(metadata=within(0.001, 1e9))
    withheld_burst: int = field(metadata=within(0, 1_000_000))
    withheld_per_minute: float = field(metadata=within(0.001, 1e9))
    api_burst: int = field(metadata=within(0, 1_000_000_000))
    api_per_minute: float = field(metadata=within(0.001, 1e9))


@dataclass(frozen=True, slots=True)
class LoadSection:
    """The loader: shares of all rows, and of the people who answer now, 0 to 1."""

    max_reject_share: float = field(metadata=within(0, 1))
    max_shrink_share: float = field(metadata=within(0, 1))
    max_changed_share: float = field(metadata=within(0, 1))


@dataclass(frozen=True, slots=True)
class JournalSection:
    """The journal of what was told. `kept_for` in days, `timeout` in seconds, `limit` in entries.

    `corrections_by` is an operator that carries SMS, `corrections_rate` messages a second.
    """

    url: Secret = field(metadata=url("sqlite", "postgresql"))
    keys: str
    kept_for: float = field(metadata=within(1, 36500))
    limit: int = field(metadata=within(1000, 100_000_000))
    timeout: float = field(metadata=within(0.1, 600))
    corrections_by: str
    corrections_rate: float = field(metadata=within(0.1, 10_000))


@dataclass(frozen=True, slots=True)
class ChangesSection:
    """The feed of changes; units as in defaults.toml."""

    kept_for: float = field(metadata=within(1, 8760))
    limit: int = field(metadata=within(1000, 100_000_000))
    bad_kept: int = field(metadata=within(10, 1_000_000))
    late_after: float = field(metadata=within(1, 86_400))
    margin: float = field(metadata=within(0, 168))


@dataclass(frozen=True, slots=True)
class LogSection:
    """How much is logged."""

    level: str = field(metadata=choice("debug", "info", "warning", "error"))


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator can set; `document` is the operator's file."""

    data_folder: Path
    redis: RedisSection
    http: HttpSection
    ussd: UssdSection
    metrics: MetricsSection
    ivr: IvrSection
    sms: SmsSection
    dialogue: DialogueSection
    eligibility: EligibilitySection
    registry: RegistrySection
    load: LoadSection
    journal: JournalSection
    changes: ChangesSection
    log: LogSection
    document: Document
    defaults: Document
    smpp: tuple[SmppBind, ...] = ()

    def where(self, *path: str | int) -> str:
        """The place (`file:line`) to name when a setting turns out wrong later.

        A key that the operator's file does not have is named where its default stands.
        """
        if path not in self.document.lines and path in self.defaults.lines:
            return self.defaults.where(*path)
        return self.document.where(*path)


_SECTIONS: dict[str, type[Any]] = {
    "redis": RedisSection,
    "http": HttpSection,
    "ussd": UssdSection,
    "metrics": MetricsSection,
    "ivr": IvrSection,
    "sms": SmsSection,
    "dialogue": DialogueSection,
    "eligibility": EligibilitySection,
    "registry": RegistrySection,
    "load": LoadSection,
    "journal": JournalSection,
    "changes": ChangesSection,
    "log": LogSection,
}


def read_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The defaults with the file at `path` over them.

    Without a path, DARGAH_SETTINGS names the file; without that, the defaults stand alone.
    DARGAH_DATA goes before the files' data_folder. Raises ConfigError.
    """
    defaults = read_toml(files("config") / "defaults.toml")
    if path is None and environ.get("DARGAH_SETTINGS"):
        path = Path(environ["DARGAH_SETTINGS"])
    own = read_toml(path) if path else Document("defaults.toml", {}, {})
    problems = [
        unknown_key(own, (key,), ["data_folder", *_SECTIONS, "smpp"])
        for key in own.data
        if key not in ("data_folder", "smpp") and key not in _SECTIONS
    ]
    sections = {
        name: read_section(kind, defaults, (name,), environ, problems)
        | read_section(kind, own, (name,), environ, problems)
        for name, kind in _SECTIONS.items()
    }
    smpp = read_tables(SmppBind, own, "smpp", environ, problems)
    if not problems:
        problems += [
            f"{own.where('smpp', number, *key.split('.'))}: smpp.{key}: {sentence}"
            for number, key, sentence in mistakes(smpp)
        ]
    folder = environ.get("DARGAH_DATA") or own.data.get("data_folder", defaults.data["data_folder"])
    if not isinstance(folder, str) or not folder:
        problems.append(f"{own.where('data_folder')}: data_folder: a folder in quotes is needed.")
    if problems:
        raise ConfigError(problems[0], tuple(problems[1:]))
    settings = Settings(
        data_folder=Path(folder).absolute(),
        document=own,
        defaults=defaults,
        smpp=smpp,
        **{name: kind(**sections[name]) for name, kind in _SECTIONS.items()},
    )
    if problems := list(contradictions(settings)):
        raise ConfigError(problems[0], tuple(problems[1:]))
    return settings
