"""dodas: run scientific workflows where there is no Docker, no root and no shared disk."""

__version__ = "0.1.0"
