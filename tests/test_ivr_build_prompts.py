import math
from array import array
from pathlib import Path

import pytest

from config.toml_lines import parse_toml
from ivr.build_prompts import BUILT, Built, build, inventory, missing
from ivr.pcm import PEAK, from_wav, levelled, resampled, to_wav, trimmed
from ivr.synthesiser import NoSynthesiser, Sound, find_synthesiser
from ivr.voices import Voices, load_voices, voice_of
from tests import aloud

SMALL = """
[phrases]
a = ["one"]
b = ["two", "{code}"]
[choices]
[call]
repeat = "r"
goodbye = "g"
unserved = "u"
"""


class Tone:
    """A synthesiser that hums, longer for longer texts."""

    name = "tone 1"

    def __init__(self) -> None:
        self.said: list[str] = []
        self.fails_at = ""

    def speak(self, text: str, language: str) -> Sound:
        """Hum."""
        if text == self.fails_at:
            raise NoSynthesiser("hoarse")
        self.said.append(text)
        return Sound(tone(440, 22_050, 0.02 + 0.001 * len(text)), 22_050)


def tone(hertz: float, rate: int, seconds: float, level: float = 8000) -> "array[int]":
    """A sine."""
    turn = 2 * math.pi * hertz / rate
    return array("h", (round(level * math.sin(turn * n)) for n in range(round(seconds * rate))))


def power(samples: "list[float]") -> float:
    """Root of the mean square, without the ends, where a filter settles."""
    middle = samples[200:-200]
    return math.sqrt(sum(sample * sample for sample in middle) / len(middle))


def small(text: str = SMALL) -> Voices:
    """A voice with little to say."""
    return {"en": voice_of("en", parse_toml(text, "en.toml"))}


@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_speech_passes(hertz: int) -> None:
    """What a telephone carries comes through at its own strength."""
    level = power(resampled(tone(hertz, 22_050, 0.5), 22_050)) / (8000 / math.sqrt(2))
    assert 0.95 < level < 1.05


@pytest.mark.parametrize("hertz", [4500, 5000, 7500, 10_000])
def test_hiss_does_not_fold_back(hertz: int) -> None:
    """What a telephone cannot carry is gone, 40 dB down, not heard as something else."""
    level = power(resampled(tone(hertz, 22_050, 0.5), 22_050)) / (8000 / math.sqrt(2))
    assert 20 * math.log10(level) < -40


def test_resampling_keeps_time() -> None:
    """A second stays a second, and a telephone's own rate stays as it is."""
    assert len(resampled(tone(440, 22_050, 1), 22_050)) == 8000
    same = tone(440, 8000, 0.1)
    assert resampled(same, 8000) == list(same)
    with pytest.raises(ValueError, match="slower"):
        resampled(same, 4000)


def test_silence_is_cut_and_level_set() -> None:
    """A recording begins and ends with 20 ms of silence, and its loudest moment is at -3 dB."""
    quiet = array("h", [0] * 8000)
    loud = tone(440, 8000, 0.1)
    cut = trimmed(quiet + loud + quiet, 8000)
    assert 0 <= len(cut) - len(loud) <= 2 * 160 + 2
    assert trimmed(quiet, 8000) == array("h")
    assert max(map(abs, levelled([float(sample) for sample in cut]))) == PEAK
    assert levelled([]) == array("h")
    assert from_wav(to_wav(loud)) == (loud, 8000)
    with pytest.raises(ValueError, match="not a sound file"):
        from_wav(b"RIFF")


def test_building_only_what_changed(tmp_path: Path) -> None:
    """A second build makes nothing; a changed text makes one; a new voice makes all."""
    hum = Tone()
    whole = len(inventory(small()))
    steps: list[tuple[int, int]] = []
    assert missing(small(), tmp_path)
    built = build(small(), tmp_path, hum, lambda done, of: steps.append((done, of)))
    assert built == Built(whole, 0, 0)
    assert steps == [(n, whole) for n in range(1, whole + 1)]
    assert missing(small(), tmp_path) == ()
    assert build(small(), tmp_path, hum) == Built(0, whole, 0)
    changed = small(SMALL.replace('"one"', '"won"'))
    assert build(changed, tmp_path, hum) == Built(1, whole - 1, 0)
    assert hum.said[-1] == "won"
    hum.name = "tone 2"
    assert build(changed, tmp_path, hum) == Built(whole, 0, 0)


def test_a_persons_voice_is_kept(tmp_path: Path) -> None:
    """A recording that somebody put there is never overwritten."""
    build(small(), tmp_path, Tone())
    own = tmp_path / "en" / "a.wav"
    own.write_bytes(b"a person")
    other = Tone()
    other.name = "tone 2"
    assert build(small(), tmp_path, other).own == 1
    assert own.read_bytes() == b"a person"


@pytest.mark.parametrize("noted", [b"", b"[]", b'{"en/a": 1}', b"\xff"])
def test_a_build_cut_short(tmp_path: Path, noted: bytes) -> None:
    """A build that fails half-way goes on where it was; lost notes take nothing away."""
    hum = Tone()
    hum.fails_at = "two"
    with pytest.raises(NoSynthesiser):
        build(small(), tmp_path, hum)
    done = len(hum.said)
    hum.fails_at = ""
    built = build(small(), tmp_path, hum)
    assert built.kept >= done
    assert built.own == 0
    (tmp_path / BUILT).write_bytes(noted)
    assert build(small(), tmp_path, hum).made == 0
    assert missing(small(), tmp_path) == ()


def test_the_real_voice(pytestconfig: pytest.Config) -> None:
    """The synthesiser says the same text as the same sound each time, whatever it said before."""
    try:
        voice = find_synthesiser()
    except NoSynthesiser as reason:
        aloud.skip(pytestconfig, f"no prompts were spoken: {reason}")
    fa = load_voices()["fa"].phrases["covered"].parts[0].text
    first = voice.speak(fa, "fa")
    english = voice.speak("in force", "en")
    assert english.samples != first.samples
    assert voice.speak(fa, "fa") == first
    assert 0.8 < len(trimmed(first.samples, first.rate)) / first.rate < 4
    with pytest.raises(NoSynthesiser):
        voice.speak("x", "no-such-voice")
