r"""
How Asterisk reads an AGI command line, and the environment that it sends.

    STREAM FILE "a prompt" "0123456789*#"

Words are parted by blanks; double quotes group, a backslash takes the next character as it is
(res_agi.c, parse_args).
"""

from dataclasses import dataclass, field

_MOST_WORDS = 127


def words(line: str) -> list[str]:
    """The words of a line; those beyond 127 are lost, as Asterisk loses them."""
    found: list[str] = []
    between, quoted, escaped = True, False, False
    for char in line:
        if char == '"' and not escaped:
            quoted = not quoted
            if quoted and between:
                found.append("")
                between = False
        elif char in " \t" and not quoted and not escaped:
            between = True
        elif char == "\\" and not escaped:
            escaped = True
            continue
        else:
            if between:
                found.append("")
                between = False
            found[-1] += char
        escaped = False
    return found[:_MOST_WORDS]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What Asterisk knows of a call when it begins the AGI. The number is not shown."""

    request: str
    """agi://host:port/path?query"""
    channel: str
    uniqueid: str
    callerid: str = field(default="unknown", repr=False)
    """Digits as the network gave them; "unknown" where it gave none."""
    callingpres: int = 0
    language: str = "fa"
    dnid: str = "unknown"
    context: str = "dargah"
    extension: str = "1420"
    priority: int = 2
    version: str = "20.20.1"
    arguments: tuple[str, ...] = ()


def environment(facts: CallFacts) -> str:
    """The lines that begin every FastAGI connection, the empty one included."""
    _, _, script = facts.request.removeprefix("agi://").partition("/")
    lines = ["agi_network: yes"]
    if script:
        lines.append(f"agi_network_script: {script}")
    lines += [
        f"agi_request: {facts.request}",
        f"agi_channel: {facts.channel}",
        f"agi_language: {facts.language}",
        f"agi_type: {facts.channel.partition('/')[0]}",
        f"agi_uniqueid: {facts.uniqueid}",
        f"agi_version: {facts.version}",
        f"agi_callerid: {facts.callerid}",
        "agi_calleridname: unknown",
        f"agi_callingpres: {facts.callingpres}",
        "agi_callingani2: 0",
        "agi_callington: 0",
        "agi_callingtns: 0",
        f"agi_dnid: {facts.dnid}",
        "agi_rdnis: unknown",
        f"agi_context: {facts.context}",
        f"agi_extension: {facts.extension}",
        f"agi_priority: {facts.priority}",
        "agi_enhanced: 0.0",
        "agi_accountcode: ",
        "agi_threadid: 140461659756224",
        *(f"agi_arg_{n}: {value}" for n, value in enumerate(facts.arguments, start=1)),
    ]
    return "\n".join(lines) + "\n\n"
