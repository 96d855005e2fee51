"""zstd, from wherever it can be had: Python 3.14, the package ``zstandard``, the program ``zstd``."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from typing import IO, Any, cast

from dodas.containers.tar.faults import TarFault
from dodas.errors import SpecError

_PIECE = 1 << 20


def zstd_decoder() -> Callable[[], Any] | None:
    """Return what makes decoders with the methods of ``lzma.LZMADecompressor``, if this Python has one."""
    standard = _module("compression.zstd") or _module("backports.zstd")
    if standard is not None:
        return _Standard.of(standard)
    package = _module("zstandard")
    return None if package is None else lambda: _Package(package)


def zstd_program(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what ``pieces`` hold, decompressed by ``zstd -dc``.

    Raises:
        TarFault: The program says that the bytes are damaged.
        SpecError: There is no such program.
    """
    import shutil  # noqa: PLC0415 - rarely needed

    program = shutil.which("zstd")
    if program is None:
        raise SpecError(
            "this is compressed with zstd, which nothing here can read",
            hint="install it with `pip install zstandard`, or install the program `zstd`",
        )
    return _piped([program, "--decompress", "--stdout", "--quiet", "--memory=2048MB"], pieces)


def _piped(command: list[str], pieces: Iterator[bytes]) -> Iterator[bytes]:
    import subprocess  # noqa: PLC0415 - rarely needed

    faults: list[Exception] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        feeder = threading.Thread(target=_feed, args=(process.stdin, pieces, faults), daemon=True)
        feeder.start()
        out, messages = cast("BufferedReader", process.stdout), cast("BufferedReader", process.stderr)
        try:
            while piece := out.read1(_PIECE):
                yield piece
            said = messages.read(4096).decode("utf-8", "replace").strip()
        finally:
            process.kill()
            feeder.join()
    if faults:
        raise faults[0]
    if process.returncode > 0 or said:
        raise TarFault(f"damaged zstd data: {said or 'the program zstd failed'}")


def _feed(pipe: IO[bytes], pieces: Iterator[bytes], faults: list[Exception]) -> None:
    try:
        with suppress(BrokenPipeError), pipe:
            for piece in pieces:
                pipe.write(piece)
    except Exception as error:
        faults.append(error)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _Standard:
    """``compression.zstd``; its errors become ``ValueError``."""

    def __init__(self, module: Any) -> None:
        self._inner = module.ZstdDecompressor()
        self._error = module.ZstdError

    @classmethod
    def of(cls, module: Any) -> Callable[[], _Standard]:
        return lambda: cls(module)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._inner.needs_input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        try:
            return bytes(self._inner.decompress(data, max_length))
        except self._error as error:
            raise ValueError(str(error)) from error


class _Package:
    """``zstandard`` (python-zstandard.readthedocs.io); it cannot return less than all it has."""

    needs_input = True

    def __init__(self, module: Any) -> None:
        self._inner = module.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self._error = module.ZstdError
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, _max_length: int = -1, /) -> bytes:
        try:
            out = bytes(self._inner.decompress(data))
        except self._error as error:
            raise ValueError(str(error)) from error
        self.eof = bool(self._inner.eof)
        self.unused_data = bytes(self._inner.unused_data)
        return out
