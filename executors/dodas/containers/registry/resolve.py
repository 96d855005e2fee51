"""From a name to one manifest, and the servers that may have its blobs."""

from __future__ import annotations

from dodas.containers.reference import Reference
from dodas.containers.registry.manifests import Manifest, damaged
from dodas.containers.registry.platforms import Platform
from dodas.containers.registry.repository import Repository
from dodas.containers.registry.wire import Wire
from dodas.errors import ImageError
from dodas.values import dataclass

_DEPTH = 4  # an index may list indexes; nobody needs more


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a name stands for at this moment.

    Attributes:
        manifest: The image for the wanted platform.
        sources: Where to get its blobs: first the server that gave the manifest, then the others.
    """

    manifest: Manifest
    sources: tuple[Repository, ...]


def resolve(wire: Wire, reference: Reference, wanted: tuple[Platform, ...]) -> Resolved:
    """Ask mirrors, then the registry, for an image.

    Raises:
        SpecError: An environment variable about registries cannot be read.
        ImageError: What the registry itself said, with what mirrors said in the hint.
    """
    *mirrors, origin = wire.surroundings.endpoints(reference)
    refusals = []
    for position, mirror in enumerate(mirrors):
        try:
            source = Repository(wire, mirror, reference)
            manifest = _manifest(source, reference, wanted)
        except ImageError as error:
            refusals.append(f"; the mirror said: {error}")
            continue
        others = [Repository(wire, other, reference) for other in (*mirrors[position + 1 :], origin)]
        return Resolved(manifest=manifest, sources=(source, *others))
    try:
        source = Repository(wire, origin, reference)
        return Resolved(manifest=_manifest(source, reference, wanted), sources=(source,))
    except ImageError as error:
        error.hint += "".join(refusals)
        raise


def _manifest(source: Repository, reference: Reference, wanted: tuple[Platform, ...]) -> Manifest:
    identifier = reference.identifier
    for _ in range(_DEPTH):
        found = source.manifest(identifier)
        if isinstance(found, Manifest):
            return found
        identifier = found.choose(wanted, what=str(reference))
    raise damaged(str(reference))
