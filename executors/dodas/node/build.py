"""Makes the worker file: one file with everything that a node needs."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec

from dodas import whole
from dodas.containers.engines import proot
from dodas.errors import EngineError
from dodas.paths import cache_dir

# Of the package, what serves users and the submit side only.
_STAYS = (
    "cli",
    "pool",
    "auth/login",
    "records",
    "reuse",
    "shims",
    "containers/packages",
    "containers/archive",
    "containers/archives.py",
    "backends/htcondor",
    "node/build.py",
)
_EPOCH = (1980, 1, 1, 0, 0, 0)


def worker_file() -> str:
    """Return the path of the worker file; made when first asked for, and again when its content would change.

    It is a shell script with a zip archive behind it, and runs with any Python from 3.9 on.

    Raises:
        EngineError: It cannot be written.
    """
    files = dict(_files())
    key = _key(files)
    path = os.path.join(cache_dir(), "worker", f"dodas-worker-{key}")
    if not os.path.exists(path):
        try:
            _write(path, _content(files, key))
        except OSError as error:
            raise EngineError(
                f"cannot make {path}: {error.strerror}", hint="set DODAS_CACHE to a directory of yours"
            ) from error
    return path


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield the files to ship: name in the archive, content."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    yield from _modules(here, "dodas", _STAYS)
    spec = find_spec("udocker")
    for place in spec.submodule_search_locations or () if spec else ():
        yield from _modules(place, "udocker", ())
    program = next((path for path in proot.candidates() if _is_static(path)), "")
    for tail in ("", "-loader", "-init") if program else ():
        with suppress(FileNotFoundError), open(program + tail, "rb") as file:
            yield f"bin/proot{tail}", file.read()
    with open(os.path.join(here, "node", "bootstrap.py"), "rb") as file:
        yield "__main__.py", file.read()
    yield "start.py", _START.encode()
    yield "bin/udocker", _UDOCKER.encode()


def _modules(root: str, package: str, without: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        below = os.path.relpath(folder, root)
        for name in sorted(names):
            path = os.path.normpath(os.path.join(below, name))
            kept = not any(path == item or path.startswith(item + "/") for item in without)
            if name.endswith(".py") and kept:
                with open(os.path.join(folder, name), "rb") as file:
                    yield f"{package}/{path}", file.read()


def _is_static(path: str) -> bool:
    """Return whether a program needs no dynamic loader (elf(5), ``PT_INTERP``)."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if head[:5] != b"\x7fELF\x02":
        return False
    start, size, number = (
        int.from_bytes(head[32:40], "little"),
        int.from_bytes(head[54:56], "little"),
        int.from_bytes(head[56:58], "little"),
    )
    kinds = (head[start + i * size : start + i * size + 4] for i in range(number))
    return b"\x03\0\0\0" not in kinds


def _key(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(b"%s\0%d\0" % (name.encode(), len(content)))
        digest.update(content)
    return digest.hexdigest()[:16]


def _content(files: dict[str, bytes], key: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in {**files, "KEY": key.encode()}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = (0o755 if name.startswith("bin/") else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, content)
    return _PROLOGUE.replace("KEY", key).encode() + archive.getvalue()


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with whole.written(path) as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o755)  # a program


# Once the worker has been unpacked, its own Python starts it at once.  Before that any Python will do: the
# program inside looks for a better one if it is too old.
_PROLOGUE = """#!/bin/sh
base=$DODAS_NODE_CACHE
if [ -z "$base" ]; then
    base=$(sed -n 's/^DodasCache = "\\(.*\\)"$/\\1/p' "${_CONDOR_MACHINE_AD:-.machine.ad}" 2>/dev/null)
    base=${base:-/var/tmp}/dodas-$(id -u)
fi
base=$base/worker
if [ -O "$base" ] && read -r python 2>/dev/null < "$base/KEY/READY" && [ -x "$python" ]; then
    exec "$python" -I -S "$base/KEY/start.py" "$@"
fi
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/libexec
export PATH
for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 platform-python; do
    $python -I -S -c "import zlib" >/dev/null 2>&1 && exec $python -I -S "$0" "$@"
done
echo "dodas: this node has no Python 3 in $PATH; the worker needs 3.9 or newer" >&2
exit 75
"""
# As the project's own engines do not work on every node, udocker's other modes may be asked for.
_UDOCKER = """#!/bin/sh
place=$(dirname "$(dirname "$0")")
read -r python < "$place/READY"
exec "$python" -I -S -c '
import sys
sys.path.insert(0, sys.argv.pop(1))
from udocker.maincmd import main
sys.exit(main())' "$place" "$@"
"""
_START = """import gc, os, sys
gc.disable()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dodas.node.main import main
sys.exit(main(sys.argv[1:]))
"""
