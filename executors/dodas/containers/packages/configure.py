"""What the packages' maintainer scripts would do, done by an ordinary user.

dpkg runs those scripts as root in a working system.  Needing that to build the first image would be a
circle: a container engine to make what the container engine runs.  The few effects that matter for
running commands are therefore made here, from the same sources the scripts use: the masters of the
account files, the ``update-alternatives`` calls that stand in the scripts, the image's own ``ldconfig``
and Python.  Services, users and documentation indices are left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


class ConfigureError(Exception):
    """A tree lacks what its own packages should have brought."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One ``update-alternatives --install`` (update-alternatives(1)).

    Attributes:
        link: The generic path, such as ``/usr/bin/awk``.
        name: Name of the group in ``/etc/alternatives``.
        path: What this package offers for it.
        priority: The highest wins.
    """

    link: str
    name: str
    path: str
    priority: int


def configure(tree: Path, scripts: Iterable[str]) -> None:
    """Make an unpacked tree work.

    Args:
        tree: Directory with the unpacked packages.
        scripts: Text of the packages' ``postinst`` scripts.
    """
    base_files(tree)
    link_alternatives(tree, [found for script in scripts for found in alternatives(script)])
    cache_libraries(tree)
    bundle_certificates(tree)
    compile_python(tree)


def base_files(tree: Path) -> None:
    """Put the account files and the links in ``/var`` in place (base-files, base-passwd, libc-bin)."""
    share = tree / "usr/share"
    for master, place in (
        ("base-passwd/passwd.master", "etc/passwd"),
        ("base-passwd/group.master", "etc/group"),
        ("base-files/profile", "etc/profile"),
        ("base-files/dot.bashrc", "root/.bashrc"),
        ("base-files/dot.profile", "root/.profile"),
        ("libc-bin/nsswitch.conf", "etc/nsswitch.conf"),
    ):
        shutil.copyfile(share / master, tree / place)
        (tree / place).chmod(0o644)
    for name, target in (("run", "/run"), ("lock", "/run/lock")):
        (tree / "var" / name).rmdir()
        (tree / "var" / name).symlink_to(target)
    for name in ("mnt", "media", "opt", "srv", "run/lock", "usr/local/bin", "usr/local/lib"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "run/lock").chmod(0o1777)


def alternatives(script: str) -> Iterator[Alternative]:
    """Yield the alternatives that a maintainer script installs, with their slave links.

    Calls whose words are shell variables are skipped; in the packages used here they concern manuals.
    """
    joined = re.sub(r"\\\n\s*", " ", script)
    for call in re.findall(r"update-alternatives\b(.*)", joined):
        words = call.split("#")[0].split()
        if "--install" not in words or "$" in call:
            continue
        start = words.index("--install") + 1
        link, name, path, priority = words[start : start + 4]
        yield Alternative(link=link, name=name, path=path, priority=int(priority))
        for slave in (index for index, word in enumerate(words) if word == "--slave"):
            link, name, path = words[slave + 1 : slave + 4]
            yield Alternative(link=link, name=name, path=path, priority=int(priority))


def link_alternatives(tree: Path, offers: Iterable[Alternative]) -> None:
    """Make the links of the best offers whose file exists."""
    best: dict[str, Alternative] = {}
    for offer in sorted(offers, key=lambda offer: (offer.priority, offer.path)):
        if (tree / offer.path.lstrip("/")).exists():
            best[offer.name] = offer
    (tree / "etc/alternatives").mkdir(parents=True, exist_ok=True)
    for offer in best.values():
        link = tree / offer.link.lstrip("/")
        if not link.is_symlink() and not link.exists():
            link.symlink_to(f"/etc/alternatives/{offer.name}")
            (tree / "etc/alternatives" / offer.name).symlink_to(offer.path)


def cache_libraries(tree: Path) -> None:
    """Let the image's own ldconfig, a static program, write ``/etc/ld.so.cache``."""
    # An ordinary user may not chroot; ldconfig then resolves every path below the tree by itself.
    subprocess.run((tree / "usr/sbin/ldconfig", "-r", tree), check=True)
    shutil.rmtree(tree / "var/cache/ldconfig", ignore_errors=True)  # holds inodes and times of this tree


def bundle_certificates(tree: Path) -> None:
    """Put all certificates of authorities into the one file that libraries read (ca-certificates)."""
    certificates = sorted((tree / "usr/share/ca-certificates").rglob("*.crt"))
    if certificates:
        bundle = tree / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_text("".join(f"{path.read_text().strip()}\n" for path in certificates))


def compile_python(tree: Path) -> None:
    """Write byte code beside the Python modules, by the image's own interpreter.

    Steps cannot write into an image, so without it every one of them would compile what it imports.  The
    byte code names its source by content, not by time: unpacking may change times.
    """
    interpreters = sorted((tree / "usr/bin").glob("python3.[0-9]*[0-9]"))
    if not interpreters:
        return
    version = interpreters[-1].name
    places = [tree / "usr/lib" / version, tree / "usr/lib/python3/dist-packages"]
    running = [_compile(tree, version, place) for place in places if place.is_dir()]
    if any([process.wait() for process in running]):
        raise ConfigureError(f"{version} of the image could not compile its modules")


def _compile(tree: Path, version: str, place: Path) -> subprocess.Popen[bytes]:
    """Start compiling ``place``: one process for each, since sharing the work would vary the bytes."""
    loader = next(iter(sorted((tree / "usr/lib").glob("*-linux-gnu*/ld-linux*.so.*"))), None)
    if loader is None:
        raise ConfigureError(f"{tree} has no dynamic loader")
    # The loader as a program, with the tree's libraries: a chroot without the privilege.
    python = (loader, "--library-path", f"{loader.parent}:{tree / 'usr/lib'}", tree / "usr/bin" / version)
    options = ("-qq", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", "/")
    return subprocess.Popen(
        (*python, "-S", "-m", "compileall", *options, "-x", "lib2to3/tests", place),
        env={
            "PYTHONHOME": str(tree / "usr"),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
        },
    )
