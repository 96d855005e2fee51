"""Steps as jobs of an HTCondor pool."""

from dodas.backends.htcondor.backend import HtcondorBackend

__all__ = ["HtcondorBackend"]
