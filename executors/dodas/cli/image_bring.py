"""`dodas image` pull, load, import and prepare."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dodas.backends.words import size
from dodas.cli.progress_bar import progress_bars
from dodas.containers.image import Image
from dodas.containers.prepared import PreparedRoot
from dodas.containers.store import Store

if TYPE_CHECKING:
    from dodas.containers.progress import OnProgress
    from dodas.containers.reference import Reference


def pull(args: argparse.Namespace) -> int:
    """Fetch images from their registries, or from storage."""
    from dodas.containers.reference import Reference

    references = [Reference.parse(name) for name in args.names]
    bring, images = _from_storage if args.source else _from_registry, []
    for reference in references:
        with progress_bars(quiet=args.quiet) as progress:
            image = bring(args, reference, progress)
        images.append(image)
        if not args.json:
            _print(args, image)
    return _tell(args, images) if args.json else 0


def _from_registry(args: argparse.Namespace, reference: Reference, progress: OnProgress) -> Image:
    from dodas.containers.registry.pull import pull as pull_one

    return pull_one(Store(), reference, platform=args.platform, progress=progress)


def _from_storage(args: argparse.Namespace, reference: Reference, progress: OnProgress) -> Image:
    from dodas.cli.image_push import pull_from

    return pull_from(args, reference, progress)


def load(args: argparse.Namespace) -> int:
    """Load the images of an archive."""
    from dodas.containers.archives import load as load_archive

    with progress_bars(quiet=args.quiet) as progress:
        images = load_archive(
            Store(), args.archive, name=args.name, platform=args.platform, progress=progress
        )
    return _tell(args, images)


def import_tar(args: argparse.Namespace) -> int:
    """Make an image from the tar of a root file system."""
    from dodas.containers.archives import import_tar as import_one

    with progress_bars(quiet=args.quiet) as progress:
        image = import_one(Store(), args.archive, args.name, progress=progress)
    return _tell(args, [image])


def prepare(args: argparse.Namespace) -> int:
    """Unpack images, those missing after a pull."""
    from dodas.backends.bringing import Bringing
    from dodas.containers.prepare import prepare as prepare_one

    store, roots = Store(), []
    with progress_bars(quiet=args.quiet) as progress:
        for name in args.names:
            root = prepare_one(
                store,
                name,
                pull=args.pull,
                platform=args.platform,
                progress=progress,
                bring=Bringing(),
            )
            roots.append((name, root))
    if args.json:
        print(json.dumps([_root_fields(name, root) for name, root in roots], indent=2))
        return 0
    for name, root in roots:
        print(root.path if args.quiet else f"{name} is ready in {root.path}")
    return 0


def _tell(args: argparse.Namespace, images: Iterable[Image]) -> int:
    if args.json:
        print(json.dumps([_image_fields(image) for image in images], indent=2))
        return 0
    for image in images:
        _print(args, image)
    return 0


def _print(args: argparse.Namespace, image: Image) -> None:
    about = ", ".join(filter(None, (image.platform, size(image.size))))
    print(image.name if args.quiet else f"{image.name}  {image.digest}  ({about})", flush=True)


def _image_fields(image: Image) -> dict[str, Any]:
    names = ("name", "digest", "id", "platform", "created", "size")
    return {name: getattr(image, name) for name in names}


def _root_fields(name: str, root: PreparedRoot) -> dict[str, Any]:
    return {"name": name, "digest": root.digest, "path": root.path, "container": root.container}
