"""Make a real HTCondor pool on this host, in seconds and without privileges; look at it; end it.

The daemons come from the host where HTCondor is installed, else from an image.  They listen on the loopback
address alone and serve you alone.
"""

from __future__ import annotations

import argparse

from dodas.cli.subcommands import Add, adder, carry_out

_EPILOG = """\
examples:
  dodas pool up --local                      make the pool, or bring it up again with its queue
  dodas cwl --backend htcondor --pool local workflow.cwl job.yml
  snakemake --executor dodas --dodas-backend htcondor --dodas-pool local --jobs 100
  dodas pool status local
  dodas pool down local

`dodas pool COMMAND --help` says more about each.
"""
_UP = """\
A pool that is up stays as it is.  One whose processes died comes up again with the jobs in its queue.
The image with HTCondor is made of Debian packages the first time, unless --image names one.

examples:
  dodas pool up --local --cpus 4 --memory 8GiB
  dodas pool up --local --name far --no-shared-disk    nodes like those of a pool without a shared disk
  dodas pool up --local --image htcondor/mini
"""
_DOWN = """\
All processes and all files of the pool go.  Jobs that wait or run would be lost, so it needs --force if there
are any.
"""
_STATUS = """\
Your own HTCondor commands talk to the pool when CONDOR_CONFIG names the file that is shown.

example:
  export CONDOR_CONFIG=$(dodas pool status local --json | jq -r .condor_config); condor_q
"""

_PLUGIN = """\
The line that is printed goes into a submit file, beside which the plugin lies: HTCondor takes it along.

example:
  dodas pool plugin
  transfer_plugins       = davs,dav,dynafed,dodas=dodas_plugin
  transfer_input_files   = davs://dynafed.example.org/vo/in.dat
  transfer_output_remaps = "out.dat = davs://dynafed.example.org/vo/out.dat"
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options."""
    parser.epilog = _EPILOG
    command = adder(parser)
    _add_up(command)
    _add_looking(command)
    down = command("down", "end a pool and remove all that it has", "pool_up:down", _DOWN)
    down.add_argument("name", metavar="NAME")
    down.add_argument("--force", "-f", action="store_true", help="even if jobs are lost")
    plugin = command(
        "plugin", "write a plugin with which HTCondor moves URLs of storage", "pool_plugin:write", _PLUGIN
    )
    plugin.add_argument(
        "file", metavar="FILE", nargs="?", default="dodas_plugin", help="default: %(default)s"
    )
    image = command("image", "make the image with HTCondor out of Debian packages", "pool_up:image")
    image.add_argument("--refresh", action="store_true", help="even if there is one, of newer packages")
    image.add_argument("--quiet", "-q", action="store_true", help="no progress, only the result")


run = carry_out


def _add_up(command: Add) -> None:
    up = command("up", "make a pool, or bring one up again", "pool_up:up", _UP)
    where = up.add_mutually_exclusive_group(required=True)
    where.add_argument("--local", action="store_true", help="on this host")
    up.add_argument("--name", default="local", help="what to call it (default: %(default)s)")
    up.add_argument("--cpus", metavar="C", help="processors for jobs (default: what this process may use)")
    up.add_argument("--memory", metavar="SIZE", help="memory for jobs, such as 8GiB (default: likewise)")
    up.add_argument(
        "--image", metavar="NAME", help="image with HTCondor (default: the host's own, else dodas')"
    )
    up.add_argument(
        "--shared-disk",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether nodes see this host's directories (default: yes)",
    )
    up.add_argument("--quiet", "-q", action="store_true", help="no progress")
    up.add_argument("--json", action="store_true", help="print JSON, for scripts")


def _add_looking(command: Add) -> None:
    listing = command("list", "list the pools", "pool_look:listing")
    status = command("status", "show how a pool is", "pool_look:status", _STATUS)
    logs = command("logs", "show what the daemons of a pool wrote", "pool_look:logs")
    for parser in (status, logs):
        parser.add_argument("name", metavar="NAME", nargs="?", default="local", help="(default: %(default)s)")
    logs.add_argument("--daemon", metavar="NAME", help="such as schedd, startd, starter (default: all)")
    logs.add_argument("--lines", "-n", type=int, default=20, help="how many of each (default: %(default)s)")
    logs.add_argument("--follow", "-f", action="store_true", help="go on with what they write, until Ctrl-C")
    for parser in (listing, status):
        parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
