"""What is known of an engine on this node."""

from __future__ import annotations

from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a self-test found.

    Attributes:
        engine: Name of the engine.
        program: The program that was tested, empty when the engine has none.
        problem: Why the engine must not be used here, one sentence; empty when it works.
        remark: What it cannot do although it works; empty for nothing.
    """

    engine: str
    program: str = ""
    problem: str = ""
    remark: str = ""

    @property
    def works(self) -> bool:
        """Whether steps may run with this engine."""
        return not self.problem
