"""``dodas cwl`` as a process, documents for it, and a small image to run them in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_pool import Pools
from dodas.containers.removal import remove_tree
from needs import need

COMMAND = (sys.executable, "-c", "import sys; from dodas.cli import main; sys.exit(main())", "cwl")
IMAGE = "localhost/dodas-test/busybox:1"


@dataclass(frozen=True)
class Answer:
    """What one run of ``dodas cwl`` said."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> Any:
        """The output object of a run that went well."""
        assert self.status == 0, self.stderr
        return json.loads(self.stdout)

    def text(self, name: str = "out") -> str:
        """The content of the output file ``name``."""
        return Path(self.output[name]["path"]).read_text()


class Cwl:
    """``dodas cwl`` in a directory of its own, with nothing of the user's."""

    def __init__(self, place: Path, store: Path) -> None:
        self.place = place
        self.tmp = place / "tmp"
        self.outdir = place / "results"
        self.options: tuple[str, ...] = ()
        self.pools, self.pool = Pools(state=place), ""
        self.tmp.mkdir()
        self.environ = {
            **{name: value for name, value in os.environ.items() if name != "CWLTOOL_OPTIONS"},
            "DODAS_STORE": str(store),
            "DODAS_SCRATCH": str(self.tmp),
            "TMPDIR": str(self.tmp),
        }

    def write(self, name: str, document: Any) -> Path:
        """Write a document, which as JSON is YAML too."""
        path = self.place / name
        path.write_text(json.dumps({"cwlVersion": "v1.2", **document}, ensure_ascii=False))
        return path

    def words(self, document: Any, inputs: Any, *options: str) -> list[str]:
        """Return the arguments that run ``document`` on ``inputs``."""
        job = self.place / "inputs.json"
        job.write_text(json.dumps(inputs or {}, ensure_ascii=False))
        path = self.write("document.cwl", document)
        return ["--outdir", str(self.outdir), *self.options, *options, str(path), str(job)]

    def on(self, pools: Pools, pool: str) -> Cwl:
        """Run steps on an HTCondor pool."""
        self.pools, self.pool = pools, pool
        self.options = ("--backend", "htcondor", "--pool", pool)
        self.environ["DODAS_STATE"] = str(pools.state)
        remove_tree(str(pools.state / "cwl"))
        return self

    def ads(self) -> list[dict[str, Any]]:
        """Return the ads of all jobs that the pool has or had, as JSON has them."""
        ads = "[dict(ad) for ad in (*schedd.query(), *schedd.history('true'))]"
        code = f"import json; print(json.dumps({ads}, default=str))"
        found: list[dict[str, Any]] = json.loads(self.pools.python(self.pool, code))
        return found

    def ran(self) -> int:
        """Return how many jobs of the pool went well so far."""
        return sum(ad.get("ExitCode") == 0 for ad in self.ads())

    def queued(self) -> int:
        """Return how many jobs are in the queue of the pool."""
        return int(self.pools.python(self.pool, "print(len(schedd.query()))"))

    def runs_left(self) -> list[str]:
        """Return what is left of runs that can be found again."""
        place = self.pools.state / "cwl"
        return os.listdir(place) if place.exists() else []

    def __call__(self, document: Any, inputs: Any = None, *options: str, **environ: str) -> Answer:
        """Run ``document``, without containers."""
        return self.run(*self.words(document, inputs, "--no-container", *options), **environ)

    def run_containers(self, document: Any, inputs: Any = None, *options: str, **environ: str) -> Answer:
        """Run ``document`` as it stands."""
        return self.run(*self.words(document, inputs, *options), **environ)

    def run(self, *words: str, **environ: str) -> Answer:
        """Run the command."""
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=self.place,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, document: Any, *options: str) -> subprocess.Popen[str]:
        """Start ``document``, without containers, and return while it runs."""
        return subprocess.Popen(
            [*COMMAND, *self.words(document, {}, "--no-container", *options)],
            cwd=self.place,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def left(self) -> list[str]:
        """Return what is left in the temporary directory, without the scratch that the worker reuses."""
        return sorted(
            path.name for path in self.tmp.iterdir() if not path.name.startswith("dodas-" + str(os.geteuid()))
        )


def host_tool(*words: str, **fields: Any) -> dict[str, Any]:
    """Return a tool that runs ``words`` and whose standard output is ``out``."""
    return {
        "class": "CommandLineTool",
        "baseCommand": list(words),
        "inputs": {},
        "outputs": {"out": {"type": "stdout"}},
        "stdout": "out.txt",
        **fields,
    }


def tool(*words: str, **fields: Any) -> dict[str, Any]:
    """Return a tool that runs ``words`` in :data:`IMAGE` and whose standard output is ``out``."""
    requirements = {"DockerRequirement": {"dockerPull": IMAGE}, **fields.pop("requirements", {})}
    return host_tool(*words, requirements=requirements, **fields)


def shell(script: str, **fields: Any) -> dict[str, Any]:
    """Return a tool that runs a shell script in :data:`IMAGE`."""
    return tool("/bin/sh", "-c", script, **fields)


def write_image(path: Path) -> None:
    """Write what ``docker save`` would write of an image called :data:`IMAGE` with busybox in it."""
    _write_archive(path, IMAGE, _layer(Path(need("busybox"))))


def _layer(busybox: Path) -> bytes:
    buffer = io.BytesIO()
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "usr/bin", "var"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(directory)
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = busybox.stat().st_size, 0o755
        with busybox.open("rb") as file:
            tar.addfile(program, file)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        passwd = b"root:x:0:0:root:/root:/bin/sh\n"
        account = tarfile.TarInfo("etc/passwd")
        account.size = len(passwd)
        tar.addfile(account, io.BytesIO(passwd))
    return buffer.getvalue()


def _write_archive(path: Path, name: str, layer: bytes) -> None:
    diff = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": ["PATH=/bin", "GREETING=hello from the image"],
                "Cmd": ["/bin/echo", "image command"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
        }
    ).encode()
    files = {
        f"{hashlib.sha256(config).hexdigest()}.json": config,
        f"{diff}/layer.tar": layer,
    }
    names = list(files)
    files["manifest.json"] = json.dumps(
        [{"Config": names[0], "RepoTags": [name], "Layers": [names[1]]}]
    ).encode()
    with tarfile.open(path, "w") as tar:
        for entry, content in files.items():
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
