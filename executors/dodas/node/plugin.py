"""The worker file as a file transfer plugin of HTCondor: URLs of storage in submit files.

::

    transfer_plugins       = davs,dav,dynafed=/path/to/dodas-worker
    transfer_input_files   = davs://dynafed.example.org/vo/in.dat
    transfer_output_remaps = "out.dat = davs://dynafed.example.org/vo/out.dat"

HTCondor calls it on the node with ``-infile`` and ``-outfile``, and ``-upload`` for what goes out; for each
file there is an ad in either (https://htcondor.readthedocs.io/en/latest/admin-manual/file-and-cred-transfer.html).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from dodas.errors import DodasError, SpecError
from dodas.node.classads import Value, ad, literal, strings
from dodas.values import dataclass

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

METHODS = ("davs", "dav", "dynafed", "dodas")
_AT_ONCE = 8
_DONE, _FAILED, _USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One file to be moved.

    Attributes:
        asked: Its URL, as the submit file has it.
        path: Where it is on this node.
    """

    asked: str
    path: str

    @property
    def url(self) -> str:
        """The URL as it is understood elsewhere."""
        scheme, colon, rest = self.asked.partition("://")
        return f"davs{colon}{rest}" if scheme.lower() == "dodas" else self.asked


def main(words: Sequence[str]) -> int:
    """Say what this plugin can do, or move files; return the exit status."""
    if list(words) == ["-classad"]:
        print(description(), end="")
        return _DONE
    options = [word for word in words if word != "-upload"]
    if len(options) != 4 or sorted(options[::2]) != ["-infile", "-outfile"]:
        print("usage: -classad | -infile FILE -outfile FILE [-upload]", file=sys.stderr)
        return _USAGE
    files = {options[0]: options[1], options[2]: options[3]}
    with open(files["-infile"], encoding="utf-8", errors="surrogateescape") as file:
        requests = list(_requests(file.read()))
    results = list(_moved(requests, upload="-upload" in words))
    _answer(files["-outfile"], "".join(f"{ad(result)}\n" for result in results))
    return _DONE if all(result["TransferSuccess"] for result in results) else _FAILED


def description() -> str:
    """Return the ad that HTCondor asks system plugins for."""
    said: dict[str, Value] = {
        "MultipleFileSupport": True,
        "PluginType": "FileTransfer",
        "PluginVersion": "1",
        "ProtocolVersion": 2,
        "SupportedMethods": ",".join(METHODS),
    }
    return "".join(f"{name} = {literal(value)}\n" for name, value in said.items())


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` with the credentials that HTCondor has put elsewhere.

    A token of the credd is in a directory; the proxy of a job is in its sandbox, as its ad says.
    """
    found = dict(environ)
    folder = environ.get("_CONDOR_CREDS", "")
    if folder and not any(name in environ for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE")):
        found.update(_token(folder))
    if "X509_USER_PROXY" not in environ:
        proxy = os.path.join(
            environ.get("_CONDOR_SCRATCH_DIR", ""), _proxy(environ.get("_CONDOR_JOB_AD", ""))
        )
        if os.path.isfile(proxy):
            found["X509_USER_PROXY"] = proxy
    return found


def _requests(text: str) -> Iterator[Request]:
    for one in strings(text):
        url, path = one.get("url", ""), one.get("localfilename", "")
        if url and path:
            yield Request(asked=url, path=path)


def _moved(requests: Sequence[Request], *, upload: bool) -> Iterator[dict[str, Value]]:
    """Yield what became of each file, also when none could even be tried."""
    from dodas.auth.credentials import Credentials  # noqa: PLC0415 - not needed for a description
    from dodas.staging.settings import Settings  # noqa: PLC0415
    from dodas.staging.storage import Storage  # noqa: PLC0415

    try:
        known = environment(os.environ)
        storage = Storage(Settings.from_environment(known), Credentials.from_environment(known))
    except DodasError as error:
        yield from (_result(one, time.time(), problem=_words(error)) for one in requests)
        return
    with storage, ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda one: _move(storage, one, upload=upload), requests)


def _move(storage: Storage, request: Request, *, upload: bool) -> dict[str, Value]:
    begun = time.time()
    try:
        if upload:
            size = storage.upload(request.path, request.url, overwrite=True).size
        else:
            size = storage.download(request.url, request.path, overwrite=True).size
    except (DodasError, OSError) as error:
        return _result(request, begun, problem=_words(error))
    return _result(request, begun, size=size)


def _result(request: Request, begun: float, *, size: int = 0, problem: str = "") -> dict[str, Value]:
    from dodas.staging.urls import redacted  # noqa: PLC0415 - see above

    return {
        "TransferUrl": request.asked,
        "TransferFileName": os.path.basename(request.path),
        "TransferProtocol": request.asked.partition(":")[0],
        "TransferSuccess": not problem,
        "TransferStartTime": int(begun),
        "TransferEndTime": int(time.time()),
        "TransferFileBytes": size,
        "TransferTotalBytes": size,
        **({"TransferError": redacted(problem)} if problem else {}),
    }


def _answer(path: str, text: str) -> None:
    """Write the results where HTCondor wants them.

    From 24.0 on it has set room aside, blanks, which must not be given back; older ones may leave what an
    earlier call said.
    """
    content = text.encode(errors="surrogateescape")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(descriptor, "r+b") as file:
        if file.read().strip():
            file.truncate(0)
        file.seek(0)
        file.write(content)


def _words(error: Exception) -> str:
    if isinstance(error, SpecError) or not isinstance(error, DodasError):
        return str(error)
    return f"{error}; {error.hint}" if error.hint else str(error)


def _token(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the variable for the token in a directory of HTCondor's, if there is one and only one."""
    import json  # noqa: PLC0415 - seldom needed

    with suppress(OSError, ValueError, KeyError, TypeError):
        (name,) = (name for name in os.listdir(folder) if name.endswith(".use"))
        with open(os.path.join(folder, name), encoding="ascii") as file:
            text = file.read().strip()
        yield "BEARER_TOKEN", json.loads(text)["access_token"] if text.startswith("{") else text


def _proxy(job_ad: str) -> str:
    """Return the name of the proxy that an ad of a job tells of; empty if of none."""
    with suppress(OSError), open(job_ad, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            name, _, value = line.partition("=")
            if name.strip().lower() == "x509userproxy":
                return os.path.basename(value.strip().strip('"'))
    return ""
