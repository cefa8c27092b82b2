"""
A real Asterisk from the unpacked tree, as a PBX or as a telephone.

It runs by the tree's own loader and C library, with every folder in a work folder and on ports
that were free a moment ago, as an ordinary user. It is stopped by its own pid.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.ami import Ami

START_SECONDS = 30.0

MODULES = str.split("""
pbx_config func_channel func_callerid func_logic func_strings func_cut func_groupcount
func_uri func_periodic_hook app_playback app_read app_verbose app_exec app_echo
app_mixmonitor app_chanspy app_senddtmf app_playtones res_agi res_speech
res_timing_timerfd res_rtp_asterisk res_pjproject res_sorcery_config res_sorcery_memory
res_sorcery_astdb res_statsd res_pjsip res_pjsip_pubsub res_pjsip_session
res_pjsip_sdp_rtp res_pjsip_caller_id res_pjsip_nat res_pjsip_rfc3326
res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_ip chan_pjsip bridge_simple
bridge_softmix format_wav format_pcm codec_ulaw codec_alaw codec_resample
""")


@dataclass(frozen=True, slots=True)
class Asterisk:
    """One that runs. `folder` is its work folder, `recordings` where MixMonitor writes."""

    folder: Path
    sip_port: int
    ami_port: int
    secret: str = field(repr=False)
    process: subprocess.Popen[bytes]

    @property
    def recordings(self) -> Path:
        """Where MixMonitor writes."""
        return self.folder / "monitor"

    async def ami(self, *, events: str = "on") -> Ami:
        """A new AMI connection."""
        return await Ami.connect(self.ami_port, self.secret, events=events)

    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log" / "messages").read_text(errors="replace")

    def stop(self) -> None:
        """End it by its own pid."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port(kind: socket.SocketKind) -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def start(
    tree: Path,
    folder: Path,
    *,
    extensions: str,
    dials: int | None = None,
    prompts: Path | None,
    verbose: int = 2,
) -> Asterisk:
    """Start one and wait until its AMI answers.

    `extensions` is its dialplan, `dials` the SIP port that a telephone calls, `prompts` the
    folder that is played as `dargah/...`. With `verbose` 3 its log names each file it plays.
    """
    library = next((tree / "usr" / "lib").glob("*/asterisk")).parent
    sip, ami = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    secret = secrets.token_hex(16)
    _write_folders(tree, folder, prompts)
    configuration = _configuration(library, folder, sip, ami, secret, dials, verbose)
    for name, text in (configuration | {"extensions.conf": extensions}).items():
        (folder / "etc" / name).write_text(text)
    loader = next(library.glob("ld-linux-*.so.*"))
    path = f"{library}:{tree / 'lib' / library.name}"
    program = [str(loader), "--library-path", path, str(tree / "usr/sbin/asterisk")]
    with (folder / "console").open("wb") as console:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [*program, "-f", "-C", str(folder / "etc/asterisk.conf")],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            start_new_session=True,
        )
    started = Asterisk(folder, sip, ami, secret, process)
    try:
        async with asyncio.timeout(START_SECONDS):
            await _ready(started)
    except BaseException:
        started.stop()
        raise
    return started


async def _ready(asterisk: Asterisk) -> None:
    while True:
        if asterisk.process.poll() is not None:
            said = (asterisk.folder / "console").read_text(errors="replace")
            raise RuntimeError(f"Asterisk did not start: {said[-2000:]}")
        with contextlib.suppress(OSError):
            ami = await asterisk.ami()
            try:
                await ami.booted.wait()
            finally:
                await ami.close()
            return
        await asyncio.sleep(0.05)  # Nothing tells when a port of another process opens.


def _write_folders(tree: Path, folder: Path, prompts: Path | None) -> None:
    for name in ("etc", "data", "var", "db", "keys", "spool", "run", "log", "monitor", "agi"):
        (folder / name).mkdir(parents=True)
    shared = tree / "usr" / "share" / "asterisk"
    for entry in shared.iterdir():
        if entry.name != "sounds":
            (folder / "data" / entry.name).symlink_to(entry)
    (folder / "data" / "sounds").mkdir()
    if prompts is not None:
        (folder / "data" / "sounds" / "dargah").symlink_to(prompts)


def _configuration(
    library: Path, folder: Path, sip: int, ami: int, secret: str, dials: int | None, verbose: int
) -> dict[str, str]:
    rtp = 20_000 + (sip * 40) % 20_000
    loaded = "\n".join(f"load = {module}.so" for module in MODULES)
    contact = f"[far]\ntype=aor\ncontact=sip:127.0.0.1:{dials}\n" if dials else ""
    aor = "aors=far\n" if dials else ""
    return {
        "asterisk.conf": f"""[directories]
astetcdir => {folder}/etc
astmoddir => {library}/asterisk/modules
astvarlibdir => {folder}/var
astdbdir => {folder}/db
astkeydir => {folder}/keys
astdatadir => {folder}/data
astagidir => {folder}/agi
astspooldir => {folder}/spool
astrundir => {folder}/run
astlogdir => {folder}/log
astsbindir => {folder}/run
[options]
transmit_silence = {"yes" if dials else "no"}
verbose = {verbose}
""",
        "modules.conf": f"[modules]\nautoload = no\n{loaded}\n",
        "logger.conf": "[general]\n[logfiles]\n"
        f"messages => notice,warning,error,verbose({verbose})\n",
        "manager.conf": f"""[general]
enabled = yes
bindaddr = 127.0.0.1
port = {ami}
authlimit = 2000
[test]
secret = {secret}
read = all
write = all
""",
        "rtp.conf": f"[general]\nrtpstart={rtp}\nrtpend={rtp + 400}\nstrictrtp=no\nicesupport=no\n",
        "pjsip.conf": f"""[loopback]
type=transport
protocol=udp
bind=127.0.0.1:{sip}
[peer]
type=endpoint
transport=loopback
context=dargah
disallow=all
allow=ulaw
dtmf_mode=rfc4733
direct_media=no
media_address=127.0.0.1
bind_rtp_to_media_address=yes
{aor}[peer]
type=identify
endpoint=peer
match=127.0.0.0/8
{contact}""",
    }
