"""Real registries on loopback, and small images to put into them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from needs import need

OCI = "application/vnd.oci.image."


@dataclass(frozen=True)
class Image:
    """An image as bytes: what a registry or an OCI layout holds of it."""

    manifest: bytes
    config: bytes
    layers: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        return digest(self.manifest)

    @property
    def blobs(self) -> dict[str, bytes]:
        return {digest(blob): blob for blob in (self.config, *self.layers)}


@dataclass(frozen=True)
class Registry:
    """A running registry.  ``host`` is what names of its images begin with."""

    host: str
    root: Path
    login: tuple[str, str] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def push(self, image: Image, name: str, scratch: Path) -> None:
        """Put an image into the registry as a user would, with skopeo; ``name`` is ``repository:tag``."""
        layout = write_layout(image, scratch / f"oci-{image.digest[7:19]}")
        login = [f"--dest-creds={':'.join(self.login)}"] if self.login else []
        subprocess.run(
            [
                *(need("skopeo"), "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", *login),
                *(f"oci:{layout}:image", f"docker://{self.host}/{name}"),
            ],
            check=True,
            capture_output=True,
        )

    def put_manifest(self, name: str, tag: str, content: bytes, kind: str) -> None:
        answer = requests.put(
            f"{self.url}/v2/{name}/manifests/{tag}",
            data=content,
            headers={"Content-Type": kind},
            auth=self.login,
            timeout=20,
        )
        answer.raise_for_status()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def make_layer(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return a compressed layer and its diff id."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0), digest(buffer.getvalue())


def make_image(
    *layers: Mapping[str, bytes], architecture: str = "amd64", config: Mapping[str, Any] | None = None
) -> Image:
    """Return an image of layers, lowest first: path -> content."""
    made = [make_layer(layer) for layer in layers or ({"hello": b"hello\n"},)]
    configuration = json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            "config": dict(config or {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"]}),
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in made]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}manifest.v1+json",
        "config": _descriptor(configuration, f"{OCI}config.v1+json"),
        "layers": [_descriptor(layer, f"{OCI}layer.v1.tar+gzip") for layer, _ in made],
    }
    return Image(json.dumps(manifest).encode(), configuration, tuple(layer for layer, _ in made))


def make_index(images: Sequence[tuple[Image, Mapping[str, str]]]) -> bytes:
    """Return an index of images with their platforms."""
    entries = [
        {**_descriptor(image.manifest, f"{OCI}manifest.v1+json"), "platform": dict(platform)}
        for image, platform in images
    ]
    index = {"schemaVersion": 2, "mediaType": f"{OCI}index.v1+json", "manifests": entries}
    return json.dumps(index).encode()


def write_layout(image: Image, path: Path) -> Path:
    """Write an image as an OCI layout, tagged ``image``."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for content in (image.manifest, image.config, *image.layers):
        (blobs / digest(content)[7:]).write_bytes(content)
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entry = {
        **_descriptor(image.manifest, f"{OCI}manifest.v1+json"),
        "annotations": {"org.opencontainers.image.ref.name": "image"},
    }
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return path


def make_certificate(directory: Path, *names: str) -> tuple[Path, Path]:
    """Make a self-signed certificate and its key for hosts, as ``IP:127.0.0.1`` or ``DNS:localhost``."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        [
            *(need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=loopback", "-keyout", str(key), "-out", str(certificate)),
            *(("-addext", f"subjectAltName={','.join(names)}") if names else ()),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@contextmanager
def run_registry(
    root: Path,
    *,
    auth: Mapping[str, Any] | None = None,
    tls: tuple[Path, Path] | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[Registry]:
    """Run Debian's docker-registry on a free port of loopback.

    ``auth`` is its section of that name; ``tls`` are certificate and key, and make it speak https alone.
    """
    program = need("docker-registry")
    root.mkdir(parents=True, exist_ok=True)
    config = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(root / "blobs")}},
        "http": {
            "addr": "127.0.0.1:0",
            "secret": "loopback",
            **({"tls": {"certificate": str(tls[0]), "key": str(tls[1])}} if tls else {}),
        },
        **({"auth": dict(auth)} if auth else {}),
    }
    (root / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    process = subprocess.Popen(
        [program, "serve", str(root / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"OTEL_TRACES_EXPORTER": "none"},
    )
    try:
        with _listening(process) as host:
            yield Registry(host, root, login)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _listening(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield where the registry listens, and read on what it logs: a full pipe would stop it."""
    assert process.stderr is not None
    log = process.stderr
    heard = b""
    for line in log:
        heard += line
        found = re.search(rb"listening on (127\.0\.0\.1:\d+)", line)
        if found:
            break
    else:
        raise AssertionError(heard.decode())
    reader = threading.Thread(target=log.read)
    reader.start()
    try:
        yield found[1].decode()
    finally:
        process.kill()
        reader.join()


def _descriptor(content: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}
