"""Layers, images and archives, made by hand for tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dodas.containers.image import Image, manifest_of
from dodas.containers.store import Store

Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str | bytes, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, **fields: Any) -> Entry:
    info = tarfile.TarInfo(os.fsdecode(name))
    info.type = kind
    info.size = len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.mtime = 1_500_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def directory(name: str | bytes, **fields: Any) -> Entry:
    return entry(name, kind=tarfile.DIRTYPE, **fields)


def symlink(name: str | bytes, target: str) -> Entry:
    return entry(name, kind=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str | bytes, target: str) -> Entry:
    return entry(name, kind=tarfile.LNKTYPE, linkname=target)


def tar(*entries: Entry, format: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=format, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def configuration(layers: Sequence[bytes], **config: Any) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-05-06T07:08:09Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()


def add(store: Store, name: str, *layers: bytes, packed: bool = True, **config: Any) -> Image:
    """File an image of these layers, as a pull would."""
    blobs = [gzip.compress(layer, 1, mtime=0) if packed else layer for layer in layers]
    config_bytes = configuration(layers, **config)
    described = [(digest(blob), len(blob), "gzip" if packed else "") for blob in blobs]
    manifest = manifest_of((digest(config_bytes), len(config_bytes)), described)
    with store.adding():
        for blob in blobs:
            with store.blob(digest(blob), size=len(blob)) as incoming:
                if not incoming.present:
                    incoming.write(blob)
        return store.add_image(name, config_bytes, manifest, [one[0] for one in described], digest(manifest))


def docker_archive(path: Path, *images: tuple[str, Sequence[bytes]]) -> Path:
    """Write what ``docker save`` wrote before Docker 25."""
    entries: list[Entry] = []
    listed = []
    for name, layers in images:
        config = configuration(layers)
        names = [f"{digest(layer)[7:]}/layer.tar" for layer in layers]
        entries += [entry(file, layer) for file, layer in zip(names, layers, strict=True)]
        entries.append(entry(f"{digest(config)[7:]}.json", config))
        listed.append({"Config": f"{digest(config)[7:]}.json", "RepoTags": [name], "Layers": names})
    path.write_bytes(tar(*entries, entry("manifest.json", json.dumps(listed).encode())))
    return path


def tree(root: str | Path) -> dict[str, Any]:
    """Return what is below ``root``: directories as None, links as their target, files as bytes."""
    found: dict[str, Any] = {}
    for here, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = os.path.join(here, name)
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                found[key] = f"-> {os.readlink(path)}"
            elif os.path.isdir(path):
                found[key] = None
            else:
                found[key] = Path(path).read_bytes()
    return found


def oci_files(
    *images: tuple[str, Sequence[bytes]], compress: Any = gzip.compress, kind: str = "gzip"
) -> dict[str, bytes]:
    """Return the files of an OCI layout; an image without a name gets no annotation."""
    blobs: dict[str, bytes] = {}

    def put(content: bytes) -> str:
        blobs[f"blobs/sha256/{digest(content)[7:]}"] = content
        return digest(content)

    entries = []
    for name, layers in images:
        packed = [compress(layer) for layer in layers]
        config = configuration(layers)
        manifest = manifest_of((put(config), len(config)), [(put(blob), len(blob), kind) for blob in packed])
        entries.append(descriptor(put(manifest), manifest, name))
    return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index(entries), **blobs}


def descriptor(of: str, content: bytes, name: str = "", **more: Any) -> dict[str, Any]:
    kind = json.loads(content)["mediaType"]
    named = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
    return {"mediaType": kind, "digest": of, "size": len(content), **named, **more}


def index(entries: Sequence[dict[str, Any]]) -> bytes:
    kind = "application/vnd.oci.image.index.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": list(entries)}).encode()


def archive(files: dict[str, bytes]) -> bytes:
    return tar(*(entry(name, content) for name, content in files.items()))


def write_files(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path
