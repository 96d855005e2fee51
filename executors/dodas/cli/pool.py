"""Make an HTCondor pool, in seconds and without privileges; look at it; end it.

A pool is either this host's alone (--local), or what a file describes: its workers come from this host,
from batch systems, container platforms and clouds, as its queue asks for them, and go when they have nothing
to do.  The daemons come from the host where HTCondor is installed, else from an image.  They serve you alone.
"""

from __future__ import annotations

import argparse

from dodas.cli.pool_describe import add as add_describing
from dodas.cli.subcommands import Add, adder, carry_out

_EPILOG = """\
examples:
  dodas pool up --local                      make the pool, or bring it up again with its queue
  dodas pool up pool.yaml                    a pool whose workers come and go
  dodas pool explain NAME                    why a job waits, why a worker came or went
  dodas cwl --backend htcondor --pool local workflow.cwl job.yml
  snakemake --executor dodas --dodas-backend htcondor --dodas-pool local --jobs 100
  dodas pool status local
  dodas pool down local

`dodas pool COMMAND --help` says more about each.
"""
_UP = """\
A pool that is up stays as it is.  One whose processes died comes up again with the jobs in its queue.
The image with HTCondor is made of Debian packages the first time, unless --image names one.
Where FILE names the collector of a pool that exists already (manager.collector), no central daemons are
started: workers join that pool when your jobs wait in its queue.

examples:
  dodas pool up pool.yaml
  dodas pool up --local --cpus 4 --memory 8GiB
  dodas pool up --local --name far --no-shared-disk    nodes like those of a pool without a shared disk
  dodas pool up --local --image htcondor/mini
"""
_EXPLAIN = """\
examples:
  dodas pool explain genomes               what was decided lately, and what waits
  dodas pool explain genomes 12.3          why this job waits
  dodas pool explain genomes genomes-small-3f9a2c01    why this worker came, and went
"""
_SCALE = """\
The limits hold until they are set again; `file` takes back those of the file.

examples:
  dodas pool scale genomes                 show the limits
  dodas pool scale genomes small=20        at most twenty
  dodas pool scale genomes small=2..20     and at least two
  dodas pool scale genomes small=0         none: those that there are end once their jobs have
  dodas pool scale genomes small=file
"""
_HEAL = """\
A pool heals itself; this has it look at once, try providers again that it left alone, and replace the workers
that you name.
"""
_DOWN = """\
All processes and all files of the pool go.  Jobs that wait or run would be lost, so it needs --force if there
are any; those in the queue of a pool that existed already (manager.collector) stay there.
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
    _add_demand(command)
    add_describing(command)
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
    where.add_argument("file", metavar="FILE", nargs="?", help="what it is to be: a pool.yaml")
    where.add_argument("--local", action="store_true", help="on this host alone")
    up.add_argument("--name", help="what to call it (default: local; the name in FILE)")
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


def _add_demand(command: Add) -> None:
    explain = command(
        "explain", "say why a job waits, or why a worker came or went", "pool_demand:explain", _EXPLAIN
    )
    explain.add_argument("name", metavar="NAME", help="the pool")
    explain.add_argument("what", metavar="JOB|WORKER", nargs="?", help="(default: what was decided lately)")
    scale = command("scale", "set how many workers there are", "pool_demand:scale", _SCALE)
    scale.add_argument("name", metavar="NAME", help="the pool")
    scale.add_argument("limits", metavar="FLAVOUR=LIMITS", nargs="*", help="MOST, LEAST..MOST, or `file`")
    heal = command("heal", "have a pool look after its workers now", "pool_demand:heal", _HEAL)
    heal.add_argument("name", metavar="NAME", help="the pool")
    heal.add_argument("worker", metavar="WORKER", nargs="*", help="workers to replace even if they seem well")
    metrics = command("metrics", "print demand and supply for Prometheus", "pool_demand:metrics")
    metrics.add_argument("name", metavar="NAME", help="the pool")
    for parser in (explain, scale):
        parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def _add_looking(command: Add) -> None:
    listing = command("list", "list the pools", "pool_look:listing")
    status = command("status", "show how a pool is", "pool_look:status", _STATUS)
    logs = command("logs", "show what the daemons of a pool wrote", "pool_look:logs")
    for parser in (status, logs):
        parser.add_argument("name", metavar="NAME", nargs="?", default="local", help="(default: %(default)s)")
    logs.add_argument("--worker", metavar="WORKER", help="what this worker wrote, wherever it is or was")
    logs.add_argument("--daemon", metavar="NAME", help="such as schedd, startd, starter (default: all)")
    logs.add_argument("--lines", "-n", type=int, default=20, help="how many of each (default: %(default)s)")
    logs.add_argument("--follow", "-f", action="store_true", help="go on with what they write, until Ctrl-C")
    for parser in (listing, status):
        parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
