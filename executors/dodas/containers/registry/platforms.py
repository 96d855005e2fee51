"""Which machine an image is for."""

from __future__ import annotations

import platform

from dodas.errors import SpecError
from dodas.values import dataclass

# What the kernel calls a machine -> what Go, and so every registry, calls it.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
# The same machine under two names; the shorter is kept.
_SAME = {("arm64", "v8"): "", ("amd64", "v1"): "", ("arm", ""): "v7"}
# What else a machine runs, the best first.
_ALSO = {
    ("amd64", ""): (("386", ""),),
    ("arm", "v7"): (("arm", "v6"), ("arm", "v5")),
    ("arm", "v6"): (("arm", "v5"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Operating system, architecture and variant, in the words of the OCI image index."""

    architecture: str
    os: str = "linux"
    variant: str = ""

    def __post_init__(self) -> None:
        variant = _SAME.get((self.architecture, self.variant), self.variant)
        object.__setattr__(self, "variant", variant)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``linux/arm64``, ``linux/arm/v6``, or the architecture alone: ``arm64``, ``aarch64``.

        Raises:
            SpecError: It is none of these.
        """
        parts = text.lower().split("/")
        if len(parts) == 1:
            parts = ["linux", *parts]
        if not 2 <= len(parts) <= 3 or not all(part.isalnum() for part in parts):
            raise SpecError(
                f"{text!r} is not a platform", hint="write it as OS/ARCHITECTURE[/VARIANT]: linux/arm64"
            )
        architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
        return cls(os=parts[0], architecture=architecture, variant=(parts[2:] or [variant])[0])

    @classmethod
    def here(cls) -> Platform:
        """Return the platform of this machine."""
        machine = platform.machine().lower()
        architecture, variant = _MACHINES.get(machine, (machine, ""))
        return cls(architecture=architecture, variant=variant)

    @classmethod
    def wanted(cls, text: str | None) -> tuple[Platform, ...]:
        """Return what an image may be for, the best first: ``text``, or all that this machine runs.

        Raises:
            SpecError: ``text`` is no platform.
        """
        return (cls.parse(text),) if text else cls.here().runnable()

    def runnable(self) -> tuple[Platform, ...]:
        """Return the platforms whose programs run here, the best first."""
        others = _ALSO.get((self.architecture, self.variant), ())
        return (
            self,
            *(Platform(os=self.os, architecture=arch, variant=variant) for arch, variant in others),
        )

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
