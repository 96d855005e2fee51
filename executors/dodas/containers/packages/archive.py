"""A tree as an image archive, the same bytes for the same tree."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from dodas.containers.packages.recipe import Recipe

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def epoch() -> int:
    """Return the time of everything in an image: ``SOURCE_DATE_EPOCH``, else the start of 2024."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", "1704067200"))


def write_layer(tree: Path, layer: Path) -> str:
    """Write ``tree`` as a layer: sorted, all owned by root, no set-uid; return its sha256 in hex."""
    options = ("--format=gnu", "--sort=name", f"--mtime=@{epoch()}", "--owner=0", "--group=0", "--mode=ug-s")
    command = ("tar", "-C", str(tree), "--numeric-owner", *options, "-cf", str(layer), ".")
    subprocess.run(command, check=True, env={**os.environ, "LC_ALL": "C"})
    digest = hashlib.sha256()
    with layer.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_archive(recipe: Recipe, layer: Path, digest: str, archive: IO[bytes]) -> None:
    """Write what ``docker save`` would (Docker Image Specification 1.2), which every tool can load."""
    config = _config(recipe, digest)
    config_bytes = _json(config)
    config_name = f"{hashlib.sha256(config_bytes).hexdigest()}.json"
    repository, _, tag = recipe.name.rpartition(":")
    v1 = {"id": digest, **{key: config[key] for key in ("created", "os", "architecture", "config")}}
    manifest = [{"Config": config_name, "RepoTags": [recipe.name], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in (
            (config_name, config_bytes),
            (f"{digest}/VERSION", b"1.0"),
            (f"{digest}/json", _json(v1)),
            ("manifest.json", _json(manifest)),
            ("repositories", _json({repository: {tag: digest}})),
        ):
            tar.addfile(_member(name, len(content)), io.BytesIO(content))
        with layer.open("rb") as file:
            tar.addfile(_member(f"{digest}/layer.tar", layer.stat().st_size), file)


def image_id(archive: Path) -> str:
    """Return the id of the image in an archive: the digest of its configuration."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        if manifest is None:
            raise ValueError(f"{archive} is not an image archive")
        return "sha256:" + str(json.load(manifest)[0]["Config"]).removesuffix(".json")


def _config(recipe: Recipe, digest: str) -> dict[str, object]:
    created = datetime.fromtimestamp(epoch(), tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    machine = platform.machine()
    entrypoint = {"Entrypoint": list(recipe.entrypoint)} if recipe.entrypoint else {}
    environment = [f"{name}={value}" for name, value in recipe.env]
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "created": created,
        "config": {"Env": environment, **entrypoint, "Cmd": list(recipe.cmd)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": created, "created_by": f"{recipe.suite}: {' '.join(recipe.packages)}"}],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, epoch(), 0o644
    return member
