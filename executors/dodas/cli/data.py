"""Fetch, store, list, copy and remove files on storage with WebDAV: single servers and Dynafed federations.

Files are named by URL: davs://, dav://, dynafed:// (a federation, encrypted), https://, http://.  A file is
there under its name when it is complete and was compared with its checksum, or its size where the storage
knows no checksum; until then it is not there.
"""

from __future__ import annotations

import argparse
import io
import sys

from dodas.cli.subcommands import Add, adder, carry_out

_STATUS = """\
exit status: 0 when all went well; 1 when something failed; 2 for a wrong command line; 4 when what failed
is not there; 5 when what failed is not allowed with these credentials; 130 after Ctrl-C.
"""
_EPILOG = f"""\
examples:
  dodas data ls -l davs://dav.example.org/data/
  dodas data get -r davs://dav.example.org/data/run7 .
  dodas data put --jobs 8 out/*.root davs://dav.example.org/results/
  dodas data get --json 'davs://dav.example.org/data/*.root' in/ | jq .size

In a URL, *, ?, [abc] and ** stand for other characters: put it into quotes.  After davs://, dav:// and
dynafed:// write names as they are; %41 stands for A there too.  In https:// and http:// a ? begins a query.
A name with these characters that exists is meant literally.

credentials: tokens are found in BEARER_TOKEN, BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u$UID, /tmp/bt_u$UID,
or come from oidc-agent (OIDC_AGENT_ACCOUNT); certificates and proxies in X509_USER_PROXY, /tmp/x509up_u$UID,
X509_USER_CERT and X509_USER_KEY.  Servers to which a federation sends get them if they are listed in
DODAS_STORAGE_TOKEN_HOSTS.

{_STATUS}
`dodas data COMMAND --help` says more about each.
"""
_LS = f"""\
Names are sorted, unless there are more than ten thousand; then they come as the server sends them.
Of a pattern, and of several URLs, whole URLs are shown.  Control characters in names are escaped; --json has
them exactly: one object a line with url, name, directory, size, modified, etag, checksums.

examples:
  dodas data ls davs://dav.example.org/data/
  dodas data ls -r --json davs://dav.example.org/data/ | jq -r 'select(.size > 1e9) | .url'
  dodas data ls -l 'davs://dav.example.org/data/**/*.root'

{_STATUS}"""
_STAT = f"""\
example:
  dodas data stat davs://dav.example.org/data/events.root

{_STATUS}"""
_GET = f"""\
TARGET is a directory if it ends with a slash or is one, with -r, with a pattern and with several URLs; else
it is the name of the file.  Without it, files go to the working directory; `-` is standard output, which
gets nothing before the file is complete and compared.  With -r, davs://HOST/run makes TARGET/run, and
davs://HOST/run/ puts what is in it right into TARGET.

Broken off, the same command goes on where it was.  A file that is there already is left alone if it is the
same: by checksum, else by size and time of change.  If it differs, that is an error, or it is replaced with
--overwrite.

examples:
  dodas data get davs://dav.example.org/data/events.root
  dodas data get -r davs://dav.example.org/data/run7/ in/
  dodas data get --checksum adler32:0a1b2c3d davs://dav.example.org/data/events.root in.root
  dodas data get davs://dav.example.org/data/list.txt - | head

{_STATUS}"""
_PUT = f"""\
URL is a directory if it ends with a slash or is one, with -r and with several files; else it is the name of
the file.  Directories that are missing are made.  `-` is standard input.  With -r, `run` makes URL/run, and
`run/` puts what is in it right into URL.  Links are followed.

What was stored is compared at the server that took it.  Broken off, the same command stores the rest: what is
there already with the same checksum is left alone.  If it differs, or the storage knows no checksums, that is
an error; --size-only takes the same size for the same, --overwrite replaces.

examples:
  dodas data put out.root davs://dav.example.org/results/
  dodas data put -r --jobs 8 run7 davs://dav.example.org/results/
  tar cz logs | dodas data put - davs://dav.example.org/results/logs.tar.gz

{_STATUS}"""
_CP = f"""\
The storages copy from one to the other where they can, else the bytes pass through this machine, not its
disk.  What is a directory, and what is the same already, is as with `put`.

example:
  dodas data cp -r davs://a.example.org/data/run7 davs://b.example.org/data/

{_STATUS}"""
_RM = f"""\
examples:
  dodas data rm 'davs://dav.example.org/results/*.tmp'
  dodas data rm -r davs://dav.example.org/results/run6

{_STATUS}"""
_MKDIR = f"""\
example:
  dodas data mkdir -p davs://dav.example.org/results/2026/11

{_STATUS}"""
_CHECKSUM = f"""\
Of a URL it is what the storage says, of a file on this disk it is computed.  What is printed fits `dodas data
get --checksum`.

example:
  dodas data checksum davs://dav.example.org/data/events.root events.root

{_STATUS}"""
_LOCATE = f"""\
The best comes first.  What signs a URL is left out: it is a secret.

example:
  dodas data locate davs://federation.example.org/data/events.root

{_STATUS}"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options."""
    parser.epilog = _EPILOG
    command = adder(parser)
    _add_looking(command)
    _add_moving(command)
    _add_changing(command)
    _add_asking(command)


def run(args: argparse.Namespace) -> int:
    """Run one command and return its exit status."""
    from dodas.cli.data_ends import Ends, ended_by_signals
    from dodas.errors import DodasError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters that a terminal has not
    with ended_by_signals():
        try:
            return carry_out(args)
        except DodasError as error:
            ends = Ends()
            ends.failed(error)
            return ends.status()


def _add_looking(command: Add) -> None:
    ls = command("ls", "list directories", "data_ls:ls", _LS)
    ls.add_argument("--long", "-l", action="store_true", help="size and time of change too")
    ls.add_argument(
        "--directory", "-d", action="store_true", help="directories themselves, not what is in them"
    )
    _recursive(ls, "all that is below them too")
    stat = command("stat", "show all that the storage says of files", "data_look:stat", _STAT)
    for parser in (ls, stat):
        parser.add_argument("urls", nargs="+", metavar="URL", help="file, directory or pattern")
        _json(parser)


def _add_moving(command: Add) -> None:
    get = command("get", "fetch files", "data_get:get", _GET)
    get.usage = "dodas data get [OPTION…] URL… [TARGET]"
    get.add_argument(
        "words", nargs="+", metavar="URL… TARGET", help="what to fetch, and where to (default: .)"
    )
    put = command("put", "store files", "data_put:put", _PUT)
    put.add_argument("sources", nargs="+", metavar="FILE", help="file or directory here, or -")
    put.add_argument("url", metavar="URL", help="file or directory there")
    cp = command("cp", "copy files from storage to storage", "data_cp:cp", _CP)
    cp.add_argument("sources", nargs="+", metavar="SOURCE", help="URL of a file or directory, or a pattern")
    cp.add_argument("url", metavar="URL", help="file or directory to copy to")
    for parser in (get, put, cp):
        _recursive(parser, "directories with all that is in them")
        parser.add_argument("--overwrite", "--force", "-f", action="store_true", help="replace what is there")
        parser.add_argument(
            "--size-only", action="store_true", help="what is there with the same size is the same"
        )
        parser.add_argument("--quiet", "-q", action="store_true", help="no progress, only failures")
        _jobs(parser)
        _json(parser)
    for parser in (get, put):
        parser.add_argument(
            "--checksum", action="append", default=[], metavar="ALG:HEX", help="what the file must have"
        )
    for parser in (get, cp):
        _prefer(parser)


def _add_changing(command: Add) -> None:
    rm = command("rm", "remove files", "data_rm:rm", _RM)
    rm.add_argument("urls", nargs="+", metavar="URL", help="file, directory or pattern")
    _recursive(rm, "directories with all that is in them")
    rm.add_argument("--force", "-f", action="store_true", help="what is not there is no error")
    rm.add_argument("--dry-run", "-n", action="store_true", help="only say what would go")
    _jobs(rm)
    mkdir = command("mkdir", "make directories", "data_rm:mkdir", _MKDIR)
    mkdir.add_argument("urls", nargs="+", metavar="URL", help="directory to make")
    mkdir.add_argument(
        "--parents", "-p", action="store_true", help="those above it too; what is there already is no error"
    )
    for parser in (rm, mkdir):
        _json(parser)


def _add_asking(command: Add) -> None:
    checksum = command("checksum", "show checksums of files", "data_look:checksum", _CHECKSUM)
    checksum.add_argument("names", nargs="+", metavar="URL|FILE", help="URL, pattern, or file on this disk")
    checksum.add_argument(
        "--algorithm", "-a", default="adler32", metavar="ALG", help="adler32 (default), md5, sha256, …"
    )
    locate = command("locate", "show where a federation has the copies of files", "data_look:locate", _LOCATE)
    locate.add_argument("urls", nargs="+", metavar="URL", help="file or pattern")
    locate.add_argument("--long", "-l", action="store_true", help="priority and place too")
    _prefer(locate)
    for parser in (checksum, locate):
        _json(parser)


def _recursive(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--recursive", "-r", "-R", action="store_true", help=what)


def _jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", "-j", type=int, default=8, metavar="N", help="that many at once (default: 8)"
    )


def _prefer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prefer",
        action="append",
        default=[],
        metavar="HOST|PLACE",
        help="copies there first: dav.example.org, *.example.org, or a place that the federation names",
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line, for scripts")
