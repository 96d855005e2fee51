"""Who the command in a container is, as udocker finds it out."""

from __future__ import annotations

import os
import pwd

from dodas.containers.engines import accounts
from dodas.errors import SpecError
from dodas.values import dataclass

_PASSWD, _GROUP = "etc/passwd", "etc/group"
_ROOT = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user in a container.

    Attributes:
        name: Name.
        uid: User id, as the command sees it.
        gid: Group id, as the command sees it.
        home: Home directory.
        files: Contents of account files by the container's path, where those of the image do not do.
        shown: Files of this machine by the container's path, likewise.
    """

    name: str
    uid: int
    gid: int
    home: str
    files: tuple[tuple[str, bytes], ...] = ()
    shown: tuple[tuple[str, str], ...] = ()

    @property
    def is_root(self) -> bool:
        """Whether it is the superuser, as far as the command can tell."""
        return self.uid == 0

    @property
    def ids(self) -> tuple[int, int] | None:
        """The ids where they are not this process's own."""
        own = (os.geteuid(), os.getegid())
        return None if self.is_root or (self.uid, self.gid) == own else (self.uid, self.gid)


def account(wanted: str, root: str, flags: frozenset[str], mounted: dict[str, str]) -> Account:
    """Return the user ``wanted``.

    Args:
        wanted: Name, or number with or without group; empty for root.
        root: The image's root directory.
        flags: Those of the command line.
        mounted: Where on this machine is what was mounted, by the container's path.

    Raises:
        SpecError: There is no such user.
    """
    passwd, group = (_content(name, root, flags, mounted) for name in (_PASSWD, _GROUP))
    name, _, number = (wanted or _ROOT).partition(":")
    if number and not number.isdecimal():
        number = ""  # a group by its name, which udocker does not know either
    entry = _entry(passwd, name)
    if entry is None and not flags.isdisjoint(("--hostauth", "--containerauth")) and name != _ROOT:
        raise SpecError(
            f"there is no user {name!r}", hint="leave --hostauth and --containerauth out, or name another"
        )
    home = entry[5] if entry else "/"
    if "--bindhome" in flags and not entry:
        home = home_here()
    uid, gid = _ids(name, number, entry)
    found = entry[0] if entry else name
    if "/etc/passwd" in mounted or "/etc/group" in mounted:
        return Account(name=found, uid=uid, gid=gid, home=home)
    if not flags.isdisjoint(("--hostauth", "--containerauth")):
        base = "/" if "--hostauth" in flags else root
        shown = tuple((f"/{path}", os.path.join(base, path)) for path in (_PASSWD, _GROUP))
        return Account(name=found, uid=uid, gid=gid, home=home, shown=_present(shown))
    if uid == 0:
        return Account(name=found, uid=uid, gid=gid, home=home)
    # The first entry that fits is the one that counts.
    own = os.fsencode(f"{found}:x:{uid}:{gid}:{found}:{home}:/bin/sh\n")
    files = (("/etc/passwd", own + passwd), ("/etc/group", accounts.with_group(group, gid)))
    return Account(name=found, uid=uid, gid=gid, home=home, files=files)


def home_here() -> str:
    """Return the home directory of the user on this machine; empty if there is none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""


def _ids(name: str, group: str, entry: list[str] | None) -> tuple[int, int]:
    """Return what the command believes to be: root, the number asked for, or who starts it."""
    if name == _ROOT or (entry and entry[0] == _ROOT):
        return 0, 0
    if entry or not name.isdecimal():
        return os.geteuid(), os.getegid()
    return int(name), int(group) if group else os.getegid()


def _content(name: str, root: str, flags: frozenset[str], mounted: dict[str, str]) -> bytes:
    if f"/{name}" in mounted:
        return accounts.read(mounted[f"/{name}"], follow=True)
    if "--hostauth" in flags:
        return accounts.read(f"/{name}", follow=True)
    return accounts.read(os.path.join(root, name))


def _entry(passwd: bytes, name: str) -> list[str] | None:
    """Return the fields of the line of passwd(5) for a name or a number."""
    column = 2 if name.isdecimal() else 0
    for line in passwd.splitlines():
        fields = os.fsdecode(line).split(":")
        if len(fields) > 5 and fields[column] == name:
            return fields
    return None


def _present(shown: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((target, source) for target, source in shown if os.path.exists(source))
