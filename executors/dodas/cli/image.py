"""Bring images into the store, look at them, prepare them for steps, and remove them.

The store is udocker's: what is pulled or loaded here is there for udocker too, and the reverse.
"""

from __future__ import annotations

import argparse

from dodas.cli.subcommands import Add, adder, carry_out

_EPILOG = """\
examples:
  dodas image pull quay.io/biocontainers/bwa:0.7.17--he4a0461_11
  dodas image push debian:12 davs://storage.example.org/images      for machines without a registry
  dodas image load image.tar                made by docker save, podman save or skopeo copy
  dodas image import rootfs.tar my-tools:1  the tar of a root file system
  dodas image prepare debian:12             unpack it now, so that the first step need not wait
  dodas image ls
  dodas image gc --older-than 30d --dry-run

`dodas image COMMAND --help` says more about each.
"""
_PULL = """\
Layers that are there already are not fetched again.  Every byte is verified.  A pull that broke off
leaves nothing half-made: give the same command again.

examples:
  dodas image pull debian:12 biocontainers/samtools:v1.9-4-deb_cv1
  dodas image pull localhost:5000/tools/aligner@sha256:3f4a…
  dodas image pull --platform linux/arm64 debian:12
  dodas image pull --from davs://storage.example.org/images debian:12   as `dodas image push` left it

environment:
  DODAS_REGISTRY_MIRRORS     docker.io=https://mirror.example.org/prefix,…: asked before the registry
  DODAS_INSECURE_REGISTRIES  HOST:PORT,…: may be spoken to without encryption, as localhost may
  UDOCKER_REGISTRY           stands for Docker Hub, as for udocker
  REQUESTS_CA_BUNDLE         file with your site's certificates
  HTTPS_PROXY, NO_PROXY      as everywhere
"""
_PUSH = """\
The layers become files that are named by their digests, and are sent only if they are not there yet.  A push
that broke off goes on when the same command is given again; several at once do no harm.

examples:
  dodas image push debian:12 davs://storage.example.org/images
  dodas image pull --from davs://storage.example.org/images debian:12
  DODAS_IMAGE_STORAGE=davs://storage.example.org/images dodas run debian:12 -- cat /etc/os-release

Tokens and certificates are found as for `dodas data`.
"""
_LOAD = """\
Archives of docker save, podman save, skopeo copy and buildah, compressed or not, and directories with an
OCI layout.

examples:
  docker save debian:12 | gzip > debian.tar.gz; dodas image load debian.tar.gz
  skopeo copy docker://debian:12 oci-archive:debian.tar; dodas image load debian.tar --name debian:12
"""
_IMPORT = """\
example:
  tar -C rootfs --numeric-owner -cf rootfs.tar . && dodas image import rootfs.tar my-tools:1
"""
_PREPARE = """\
Steps run in a root directory that is made once for each image and shared by all of them.  This makes it
beforehand, for example in an image for a whole cluster, or before the network goes away.

example:
  dodas image prepare debian:12 && dodas run debian:12 -- cat /etc/os-release
"""
_RM = """\
An image goes by name (then its other names stay), or by digest or id (then they all go).  With the last
name go its layers and its prepared root, unless a step runs in it.

examples:
  dodas image rm debian:12
  dodas image rm sha256:3f4a9c
"""
_GC = """\
What always goes: what killed processes have left, layers that no image needs, prepared roots whose image is
gone.  The options make further prepared roots go; their images stay and are unpacked again when needed.
A root in which a step runs never goes.

examples:
  dodas image gc --dry-run
  dodas image gc --older-than 30d --keep 20GiB
"""
_LOGIN = """\
The password is checked with the registry, then kept where udocker keeps its own: in $UDOCKER_KEYSTORE, else
~/.udocker/keystore, readable by you alone.  Logins of docker and podman are found without this.

examples:
  dodas image login quay.io
  dodas image login docker.io --username anna --password-stdin < token
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options."""
    parser.epilog = _EPILOG
    command = adder(parser)
    _add_bringing(command)
    _add_looking(command)
    _add_removing(command)
    _add_logins(command)


run = carry_out


def _add_bringing(command: Add) -> None:
    pull = command("pull", "fetch images from a registry", "image_bring:pull", _PULL)
    pull.add_argument("names", nargs="+", metavar="NAME", help="[HOST[:PORT]/]NAME[:TAG][@DIGEST]")
    pull.add_argument(
        "--from", dest="source", metavar="URL", help="storage to fetch them from, where `push` has put them"
    )
    push = command("push", "put images on WebDAV storage", "image_push:push", _PUSH)
    push.add_argument("names", nargs="+", metavar="NAME", help="name, digest or id")
    push.add_argument("url", metavar="URL", help="directory on the storage: davs://HOST/PATH")
    load = command("load", "load images from an archive", "image_bring:load", _LOAD)
    load.add_argument("archive", metavar="ARCHIVE", help="file, or directory with an OCI layout")
    load.add_argument("--name", metavar="NAME", help="what to call the image (default: its own name)")
    bring = command("import", "make an image from a root file system", "image_bring:import_tar", _IMPORT)
    bring.add_argument("archive", metavar="TAR", help="tar file, compressed or not")
    bring.add_argument("name", metavar="NAME", help="what to call the image")
    prepare = command("prepare", "unpack images for steps", "image_bring:prepare", _PREPARE)
    prepare.add_argument("names", nargs="+", metavar="NAME", help="name, digest or id; pulled if missing")
    prepare.add_argument(
        "--pull", choices=("missing", "never", "always"), default="missing", help="when to ask the registry"
    )
    for parser in (pull, load, prepare):
        parser.add_argument(
            "--platform", metavar="OS/ARCH", help="such as linux/arm64 (default: this machine's)"
        )
    for parser in (pull, push, load, bring, prepare):
        parser.add_argument("--quiet", "-q", action="store_true", help="no progress, only the result")
        _json(parser)


def _add_looking(command: Add) -> None:
    _json(command("ls", "list the images in the store", "image_look:ls"))
    inspect = command("inspect", "show all that is known of an image", "image_look:inspect")
    inspect.add_argument("name", metavar="NAME", help="name, digest or id")
    _json(inspect)


def _add_removing(command: Add) -> None:
    rm = command("rm", "remove images", "image_remove:rm", _RM)
    rm.add_argument("names", nargs="+", metavar="NAME", help="name, digest or id")
    rm.add_argument("--force", "-f", action="store_true", help="what is not there is no error")
    gc = command("gc", "remove what nobody needs", "image_remove:gc", _GC)
    gc.add_argument("--older-than", metavar="TIME", help="also prepared roots not used for so long: 12h, 30d")
    gc.add_argument(
        "--keep", metavar="SIZE", help="also those longest unused, until the rest takes no more: 20GiB"
    )
    gc.add_argument("--dry-run", "-n", action="store_true", help="only say what would go")
    _json(gc)


def _add_logins(command: Add) -> None:
    login = command("login", "keep a password for a registry", "image_login:login", _LOGIN)
    login.add_argument("--username", "-u", metavar="USER", help="(default: asks)")
    login.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    logout = command("logout", "forget the password for a registry", "image_login:logout")
    for parser in (login, logout):
        parser.add_argument("host", metavar="HOST", help="such as quay.io; docker.io is Docker Hub")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
