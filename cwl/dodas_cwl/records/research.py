"""A research object of one run: the bag that CWLProv puts data, workflow and provenance in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import IO, Any

from dodas import __version__
from dodas.staging import urls
from dodas_cwl.records.activities import Activity, Shared
from dodas_cwl.records.profile import Profile
from dodas_cwl.records.secrecy import Secrecy
from dodas_cwl.reference import ResearchObject, log
from dodas_cwl.remote import location_of

_SHA1 = "sha1$"
_LOGS = os.path.join("metadata", "logs")


class Research(ResearchObject):
    """cwltool's research object, for steps that run at the same time, files at URLs, and secrets.

    Args:
        secrecy: Knows what must not be in it.
        words: As cwltool has them.

    Attributes:
        ids: Location and name of a file -> its name in the documents.
        activities: What was recorded, in the order of its end.
        shared: Makes the copies of objects in them.
        contents: Location of a file -> checksum of its content.
        listings: Location of a directory -> what is in it.
    """

    def __init__(self, *args: Any, secrecy: Secrecy, **words: Any) -> None:
        self._sums: dict[str, dict[str, str]] = {}  # manifest -> file in the bag -> checksum
        self._profiles: list[Profile] = []
        self._warned: set[str] = set()
        self.secrecy = secrecy
        self.ids: dict[tuple[str, str], str] = {}
        self.activities: list[Activity] = []
        self.shared = Shared()
        self.contents: dict[str, str] = {}
        self.listings: dict[str, list[Any]] = {}
        super().__init__(*args, **words)
        self.cwltool_version = f"dodas {__version__}, with cwltool {version('cwltool')}"

    def initialize_provenance(self, **words: Any) -> Profile:  # type: ignore[override]  # all are named
        """Return a new document for one run of a workflow."""
        profile = Profile(self, **words)
        self._profiles.append(profile)
        return profile

    def unfinished(self) -> list[Profile]:
        """Return the documents of runs of workflows that began and were not written, inner ones first."""
        self._profiles = [one for one in self._profiles if not one.finished]
        return [one for one in reversed(self._profiles) if one.begun]

    @property
    def main(self) -> Activity | None:
        """The run as a whole, once it is over."""
        return next((one for one in reversed(self.activities) if not one.parent), None)

    def missing(self, what: object, error: Exception) -> None:
        """Say, once for each file, that it could not be put into the research object."""
        text = f"not in the research object: {what}: {error}"
        if text not in self._warned:
            self._warned.add(text)
            log.warning("%s", text)

    def content(self, file: Mapping[str, Any]) -> str:
        """Return the checksum of the content of a file that was recorded; empty if it was not."""
        method, _, checksum = str(file.get("checksum", "")).partition("$")
        if method == "sha1" and os.path.exists(self.data(checksum)):
            return checksum
        return self.contents.get(str(file.get("location", "")), "")

    def listing(self, directory: Mapping[str, Any]) -> list[Any]:
        """Return what is in a directory that was recorded."""
        known = self.listings.get(str(directory.get("location", "")), [])
        return list(directory.get("listing") or known)

    def data(self, checksum: str) -> str:
        """Return the path of content in the bag."""
        return os.path.join(self.folder, "data", checksum[:2], checksum)

    def add_data_file(self, from_fp: IO[Any], timestamp: Any = None, content_type: str | None = None) -> str:
        """Put content into the bag; return its path there.

        Raises:
            Revealing: There is a secret in it.
        """
        # Without a name it is copied: a hard link would change with the original.
        content: Any = self.secrecy.watch(from_fp)
        return super().add_data_file(content, timestamp, content_type)

    def add_to_manifest(self, rel_path: str, checksums: dict[str, str]) -> None:
        """List a file; one that is written again is listed once."""
        manifest = "manifest" if rel_path.startswith("data/") else "tagmanifest"
        known = self._sums.setdefault(manifest, {})
        if rel_path not in known:
            super().add_to_manifest(rel_path, checksums)
        elif known[rel_path] != str(checksums):
            for method, checksum in checksums.items():
                self._relist(f"{manifest}-{method.lower()}.txt", rel_path, checksum)
        known[rel_path] = str(checksums)

    def _relist(self, manifest: str, rel_path: str, checksum: str) -> None:
        path = os.path.join(self.folder, manifest)
        with open(path, encoding="utf-8", newline="") as file:
            lines = [line for line in file if line.rstrip("\n").partition("  ")[2] != rel_path]
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.writelines([*lines, f"{checksum}  {rel_path}\n"])

    def _relativise_files(self, structure: Any) -> None:
        """Say of each file where it is in the bag; what is at a URL stays there."""
        if isinstance(structure, dict):
            for key, value in structure.items():
                if isinstance(value, str):
                    structure[key] = self.secrecy.masked(value)
            if self._is_settled(structure):
                for value in structure.values():
                    self._relativise_files(value)
                return
            if not str(structure.get("checksum", _SHA1)).startswith(_SHA1):
                del structure["checksum"]
        elif isinstance(structure, list):
            masked = self.secrecy.masked
            structure[:] = [masked(item) if isinstance(item, str) else item for item in structure]
        try:
            super()._relativise_files(structure)
        except OSError as error:
            self.missing(structure.get("location") if isinstance(structure, dict) else structure, error)

    def _is_settled(self, structure: dict[str, Any]) -> bool:
        """Return whether nothing of a file or directory goes into the bag by its location."""
        if structure.get("class") not in ("File", "Directory"):
            return False
        url = location_of(structure)
        if url:
            structure["location"] = urls.redacted(url)
        elif str(structure.get("location", "_:")).startswith("_:"):
            structure.pop("location", None)  # a literal
        else:
            return False
        structure.pop("path", None)
        return True

    def _ro_aggregates(self) -> list[Any]:
        # The last moment before the manifest is written, when nothing logs any more.
        self._clean_logs()
        aggregates: list[Any] = super()._ro_aggregates()
        return aggregates

    def _clean_logs(self) -> None:
        for name in os.listdir(os.path.join(self.folder, _LOGS)):
            path = os.path.join(self.folder, _LOGS, name)
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                text = file.read()
            masked = self.secrecy.masked(text)
            if masked != text:
                with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                    file.write(masked)
                self.add_tagfile(path)
