"""
espeak-ng, a robotic voice: fit for development and as a stop-gap, not for a public launch.

Taken from the wheel `espeakng-loader` if that is installed, since its version is pinned, and
else from the program `espeak-ng` on PATH. It is GPL-3: used as a tool, only the sound is kept.
"""

import _ctypes
import ctypes
import importlib
import importlib.util
import shutil
import subprocess
import tempfile
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ivr.pcm import Samples, from_wav

WORDS_PER_MINUTE = 140
SECONDS = 60.0
"""The longest that one text may take the program."""

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: an error is returned, not the end of us
_UTF8 = 1
_RATE = 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class NoSynthesiser(Exception):
    """espeak-ng is not here, or will not speak; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples of 16 bits, one channel, at `rate` a second."""

    samples: Samples
    rate: int


class Synthesiser(Protocol):
    """Turns text into sound. `name` says which voice it is, version included."""

    name: str

    def speak(self, text: str, language: str) -> Sound:
        """Say a text. Raises NoSynthesiser."""
        ...


def find_synthesiser() -> Synthesiser:
    """The one to use here. Raises NoSynthesiser."""
    if importlib.util.find_spec("espeakng_loader"):
        return EspeakLibrary()
    if program := shutil.which("espeak-ng"):
        return EspeakProgram(program)
    raise NoSynthesiser("espeak-ng is missing: pip install espeakng-loader, or apt install it.")


class EspeakLibrary:
    """The library from the wheel, by ctypes. Not for two threads at once: its state is global."""

    def __init__(self) -> None:
        loader = importlib.import_module("espeakng_loader")
        self._path = str(loader.get_library_path())
        self._data = str(loader.get_data_path()).encode()
        library = ctypes.CDLL(self._path)
        library.espeak_Info.restype = ctypes.c_char_p
        version = library.espeak_Info(None).decode("ascii", "replace").split(" ")[0]
        self.name = f"espeak-ng {version} at {WORDS_PER_MINUTE}"
        _ctypes.dlclose(library._handle)

    def speak(self, text: str, language: str) -> Sound:
        """Say a text. Raises NoSynthesiser."""
        # Loaded anew each time (3 ms): what it said before changes what it says next, and the
        # same text must always be the same sound.
        library = ctypes.CDLL(self._path)
        try:
            return self._speak(library, text.encode(), language)
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)

    def _speak(self, library: ctypes.CDLL, text: bytes, language: str) -> Sound:
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, self._data, _DONT_EXIT)
        if rate <= 0:
            raise NoSynthesiser("espeak-ng finds no data for its voices.")
        heard = array("h")

        def take(samples: int | None, count: int, _: int | None) -> int:
            if samples and count > 0:
                heard.frombytes(ctypes.string_at(samples, 2 * count))
            return 0

        callback = _Callback(take)  # held as long as the library may call it
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetParameter(_RATE, WORDS_PER_MINUTE, 0)
        if library.espeak_SetVoiceByName(language.encode()):
            raise NoSynthesiser(f'espeak-ng has no voice "{language}".')
        size = ctypes.c_size_t(len(text) + 1)
        failed = library.espeak_Synth(text, size, 0, 0, 0, _UTF8, None, None)
        if failed or library.espeak_Synchronize():
            raise NoSynthesiser("espeak-ng does not speak.")
        return Sound(heard, rate)


class EspeakProgram:
    """The program on PATH."""

    def __init__(self, program: str) -> None:
        self._program = program
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
        version = said.stdout.partition("Data")[0].strip() or "espeak-ng"
        self.name = f"{version} at {WORDS_PER_MINUTE}"

    def speak(self, text: str, language: str) -> Sound:
        """Say a text. Raises NoSynthesiser."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "said.wav"
            command = [self._program, "-v", language, "-s", str(WORDS_PER_MINUTE), "-w", str(file)]
            try:
                subprocess.run(
                    [*command, "--stdin"],
                    input=text.encode(),
                    capture_output=True,
                    check=True,
                    timeout=SECONDS,
                )
                return Sound(*from_wav(file.read_bytes()))
            except (subprocess.SubprocessError, OSError, ValueError):
                raise NoSynthesiser("espeak-ng does not speak.") from None
