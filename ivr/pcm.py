"""
Sound as Asterisk plays it: 8 kHz, 16 bits, one channel.

The synthesiser speaks at 22,050 Hz. Everything over 4 kHz would fold back as noise when it is
taken down, so each output sample is a windowed-sinc low-pass over its neighbours in the input.
Plain Python: a clip of a second takes some 30 ms, and clips are built once.
"""

import io
import math
import sys
import wave
from array import array
from operator import mul
from typing import TypeAlias

Samples: TypeAlias = "array[int]"
"""Sixteen bits each, one channel."""

RATE = 8_000
CUTOFF = 3_600.0
"""Hz, where the low-pass is half down; a telephone ends at 3,400."""
LOBES = 12
"""Zero crossings of the sinc on each side."""
PEAK = round(32_767 * 10 ** (-3 / 20))
"""-3 dB below full scale."""
QUIET = 160
"""Below this a sample counts as silence, of 32,767."""


def resampled(samples: Samples, rate: int) -> list[float]:
    """Bring samples to 8 kHz. `rate` is 8,000 or more; raises ValueError below."""
    if rate < RATE:
        raise ValueError("sound slower than a telephone's")
    if rate == RATE:
        return [float(sample) for sample in samples]
    common = math.gcd(rate, RATE)
    phases, step = RATE // common, rate // common
    reach = math.ceil(LOBES * rate / (2 * CUTOFF))
    kernels = [_kernel(phase / phases, reach, CUTOFF / rate) for phase in range(phases)]
    padded = [0.0] * reach + [float(sample) for sample in samples] + [0.0] * (reach + 1)
    made = []
    for index in range(len(samples) * RATE // rate):
        whole, phase = divmod(index * step, phases)
        window = padded[whole : whole + 2 * reach + 1]
        made.append(sum(map(mul, kernels[phase], window)))
    return made


def _kernel(offset: float, reach: int, cutoff: float) -> list[float]:
    """A low-pass around a point `offset` samples after the middle; its weights sum to one."""
    weights = []
    for tap in range(-reach, reach + 1):
        x = tap - offset
        turn = 2 * math.pi * cutoff * x
        sinc = math.sin(turn) / turn if turn else 1.0
        # Hann: without it the cut ends of the sinc ring.
        weights.append(sinc * max(0.0, math.cos(math.pi * x / (2 * (reach + 1)))) ** 2)
    total = sum(weights)
    return [weight / total for weight in weights]


def trimmed(samples: Samples, rate: int) -> Samples:
    """Without the silence at both ends, but for 20 ms."""
    loud = [index for index, sample in enumerate(samples) if abs(sample) > QUIET]
    if not loud:
        return samples[:0]
    edge = rate // 50
    return samples[max(0, loud[0] - edge) : loud[-1] + edge + 1]


def levelled(samples: list[float]) -> Samples:
    """With the loudest sample at -3 dB."""
    peak = max(map(abs, samples), default=0.0)
    gain = PEAK / peak if peak else 0.0
    return array("h", (round(sample * gain) for sample in samples))


def silence(seconds: float) -> Samples:
    """Nothing, for a while."""
    return array("h", bytes(2 * round(seconds * RATE)))


def to_wav(samples: Samples) -> bytes:
    """A RIFF file of 8 kHz, 16 bits, one channel."""
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def from_wav(raw: bytes) -> tuple[Samples, int]:
    """Samples and rate of a RIFF file with 16 bits and one channel. Raises ValueError."""
    try:
        with wave.open(io.BytesIO(raw)) as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise ValueError("not one channel of 16 bits")
            samples, rate = array("h", file.readframes(file.getnframes())), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"not a sound file: {error}") from None
    if sys.byteorder == "big":
        samples.byteswap()
    return samples, rate
