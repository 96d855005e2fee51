"""Why HTCondor holds a job, in plain words.

The numbers are those of HTCondor's manual, "HoldReasonCode" in "Job ClassAd Attributes".
"""

from __future__ import annotations

from dataclasses import dataclass

BY_SOMEBODY = 1
OUT_OF_RESOURCES = 34
_MEMORY, _OUT_OF_DISK = 102, 104
LONGER_THAN_ALLOWED = frozenset({46, 47})

_WORDS = {
    BY_SOMEBODY: "somebody held it with condor_hold",
    3: "its own policy holds it",
    4: "its credentials do not work",
    5: "its own policy could not be evaluated",
    6: "the worker could not be started on the node",
    7: "the node could not open the file for its standard output",
    8: "the node could not open the file for its standard input",
    9: "its standard output could not be sent back",
    10: "its standard input could not be sent",
    11: "the transfer of its files broke off",
    12: "its output files could not be brought back",
    13: "its input files could not be brought to the node",
    14: "its directory cannot be used by the pool; is it on a disk that the node sees?",
    15: "it was submitted so that somebody has to release it",
    16: "its input files are still on their way to the job queue",
    17: "the parts of HTCondor that look after it are of different versions",
    18: "the transfer of its files was not allowed in time",
    19: "the node could not be made ready for it",
    20: "the time at which it had to start was missed",
    21: "the node refused it",
    22: "the pool could not write its event log; is the disk of the run's directory full, or not shared?",
    23: "the node could not use the account of its owner",
    24: "the job queue has no program that could look after it",
    25: "its times to start make no sense",
    26: "the policy of the pool holds it",
    27: "the policy of the pool could not be evaluated",
    28: "the network that it asked for could not be made",
    29: "the network that it asked for could not be made",
    30: "the network that it asked for could not be made",
    31: "the network that it asked for could not be made",
    32: "its input files are more than the pool allows",
    33: "its output files are more than the pool allows",
    OUT_OF_RESOURCES: "it used more than it had asked for",
    35: "the pool could not use its container image",
    36: "it could not be checkpointed",
    43: "a script that precedes it failed",
    44: "a script that follows it failed",
    45: "the pool's own container engine does not work",
    46: "it took longer than it may",
    47: "it ran longer than it may",
    48: "the job queue's own preparation for it failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a job is held: HTCondor's number, that number's own, and HTCondor's words."""

    code: int = 0
    subcode: int = 0
    said: str = ""

    @property
    def memory(self) -> bool:
        """Whether it used more memory than it had asked for."""
        if self.code != OUT_OF_RESOURCES:
            return False
        return self.subcode == _MEMORY or (self.subcode != _OUT_OF_DISK and "memory" in self.said.lower())

    @property
    def time(self) -> bool:
        """Whether it ran longer than it may."""
        return self.code in LONGER_THAN_ALLOWED

    def __str__(self) -> str:
        known = _WORDS.get(self.code, "HTCondor holds it")
        return f"{known} ({self.said})" if self.said else known
