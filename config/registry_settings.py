"""
The registry behind the cache, as an operator writes it down.

Plain values only: `dargah/registry_of_settings.py` makes of them what asks. What each key means,
its unit and its reason stand in defaults.toml.
"""

from dataclasses import dataclass, field

from config.reading import Secret, choice, url, within


@dataclass(frozen=True, slots=True)
class RegistryColumns:
    """What the operator's table calls our columns."""

    national_id: str = "national_id"
    status: str = "status"
    valid_until: str = "valid_until"
    kind: str = "kind"
    branch: str = "branch"
    updated_at: str = "updated_at"


@dataclass(frozen=True, slots=True)
class RegistrySection:
    """Where the registry is (an empty URL: there is none), and how sparingly it is asked."""

    url: Secret = field(metadata=url("sqlite", "postgresql", "https", "http"))
    table: str
    id_type: str = field(metadata=choice("text", "number"))
    columns: RegistryColumns
    secret: Secret
    authority: str
    ask_after: float = field(metadata=within(0, 10_000))
    pending_after: float = field(metadata=within(0, 100_000))
    per_second: float = field(metadata=within(0.01, 1e6))
    at_once: int = field(metadata=within(1, 1000))
    timeout: float = field(metadata=within(0.01, 20))
    remembered_for: float = field(metadata=within(0, 86_400))
    faults: int = field(metadata=within(1, 10_000))
    pause: float = field(metadata=within(0.01, 3600))
    longest_pause: float = field(metadata=within(0.01, 86_400))
