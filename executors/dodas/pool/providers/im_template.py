"""What is sent for a worker if the user has a template: that, with values for its inputs."""

from __future__ import annotations

import os

from dodas.auth import private
from dodas.errors import DodasError
from dodas.pool.description.model import ProviderSettings
from dodas.pool.providers import im_workers
from dodas.pool.providers.base import Refused, Setup, Worker
from dodas.pool.rendering import tosca, tosca_inputs, tosca_own


def own(setup: Setup, worker: Worker) -> str:
    """Return the user's template for a worker, secrets filled in.

    Raises:
        Refused: It cannot be read, or is none.
    """
    settings = setup.pool.provider(setup.provider)
    path = str(settings.get("template"))
    given = tosca_inputs.given(setup.pool, setup.provider)
    pilot, token = im_workers.order(worker)
    offered = {
        **tosca_inputs.offered(worker.flavour, worker.name),
        "worker_sha256": im_workers.digest(worker),
        "worker_pilot": pilot,
        "worker_token": token,
    }
    try:
        return tosca_own.filled(
            tosca_own.content(path),
            os.path.basename(path),
            infrastructure=name_of(setup, worker.name),
            told={**given, **tosca_inputs.given_for(worker.flavour), **secrets(settings)},
            own=offered,
        )
    except DodasError as error:
        raise Refused(str(error), hint=error.hint) from None


def name_of(setup: Setup, worker: str) -> str:
    """Return the name by which what a worker has is found again."""
    return f"{tosca.infrastructure(setup.pool, setup.provider)}/{worker}"


def secrets(settings: ProviderSettings) -> dict[str, str]:
    """Return the inputs whose values are in files of their own.

    Raises:
        NotAllowed: A file cannot be read, or others can read it.
    """
    return {
        name: private.read(str(path), f"the file of the input {name}")[0].decode("utf-8", "replace").strip()
        for name, path in tosca_inputs.pairs(settings.get("secret_inputs"))
    }
