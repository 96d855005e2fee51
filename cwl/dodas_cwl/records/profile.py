"""The PROV document of one run of a workflow."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from dodas.staging import urls
from dodas_cwl import translate
from dodas_cwl.records.activities import files_of
from dodas_cwl.reference import (
    CWLPROV,
    PROV,
    WF4EVER,
    WFPROV,
    ProvenanceProfile,
    WorkflowException,
    uri_file_path,
)
from dodas_cwl.remote import location_of

if TYPE_CHECKING:
    from dodas_cwl.records.research import Research

_TROUBLE = (OSError, ValueError, WorkflowException)
_KINDS = ("File", "Directory")


class Profile(ProvenanceProfile):
    """cwltool's document, which is told of steps when they are over.

    Nothing is written into the objects that it is shown: the workflow would see it.

    Attributes:
        begun: Whether the run of the workflow began.
        finished: Whether the document was written.
        alone: Whether it is of one tool and no workflow.
        give_up: Notes that the run of the workflow never came to its end.
    """

    research_object: Research

    def __init__(self, research_object: Research, **words: Any) -> None:
        self._words = {name: word for name, word in words.items() if name != "run_uuid"}
        self._moment: datetime | None = None
        self._lists: dict[Any, Any] = {}
        self.begun = self.finished = self.alone = False
        self.give_up: Callable[[], None] = lambda: None
        super().__init__(research_object, **words)

    def another(self) -> Profile:
        """Return a document for another run of the same workflow."""
        return self.research_object.initialize_provenance(**self._words)

    @contextmanager
    def at(self, moment: float) -> Iterator[None]:
        """Let what is recorded have happened then, in Unix seconds."""
        self._moment = datetime.fromtimestamp(moment)  # as cwltool's own, without a time zone
        yield
        self._moment = None

    @property
    def moment(self) -> datetime:
        """When what is recorded happened."""
        return self._moment or datetime.now()

    def declare_artefact(self, value: Any) -> Any:
        """Return the entity for a value; the same one for the same file."""
        if isinstance(value, list):
            key = files_of(value)
            if key is None:
                return super().declare_artefact(value)
            if key not in self._lists:  # many steps may use the same one
                self._lists[key] = super().declare_artefact(value)
            return self._lists[key]
        if not isinstance(value, Mapping):
            return super().declare_artefact(value)
        copy = translate.plain(value) if value.get("class") in _KINDS else dict(value)
        self._identify(copy)
        return super().declare_artefact(copy)

    def declare_file(self, value: Any) -> Any:
        """Return the entities for a file, and its checksum; one at a URL is not fetched.

        Raises:
            OSError: It cannot be read.
        """
        location = str(value.get("location", ""))
        if location_of(value):
            return self._declare_remote(value)
        if location.startswith("_:"):
            value.pop("location")  # a literal
        elif location.startswith("file:") and not stat.S_ISREG(os.stat(uri_file_path(location)).st_mode):
            raise OSError("it is not a regular file")
        file, content, checksum = super().declare_file(value)
        self.research_object.contents[location] = checksum
        return file, content, checksum

    def declare_directory(self, value: Any) -> Any:
        """Return the entity for a directory and all that is in it.

        Raises:
            OSError: It cannot be read.
        """
        declared = super().declare_directory(value)
        self.research_object.listings[str(value.get("location", ""))] = value.get("listing", [])
        return declared

    def used_artefacts(self, job_order: Any, process_run_id: str, name: str | None = None) -> None:
        """Record the inputs of a run."""
        for key, value in dict(job_order).items():
            entity = self._entity(value)
            if entity is not None:
                self.document.used(
                    process_run_id, entity, self.moment, None, {"prov:role": self._role(name, key)}
                )

    def generate_output_prov(self, final_output: Any, process_run_id: str | None, name: str | None) -> None:
        """Record the outputs of a run."""
        for key, value in dict(final_output or {}).items():
            entity = self._entity(value)
            if entity is not None:
                role = {"prov:role": self._role(name, key)}
                self.document.wasGeneratedBy(
                    entity, process_run_id or self.workflow_run_uri, self.moment, None, role
                )

    def finalize_prov_profile(self, name: str | None) -> Any:
        """Write the document, once."""
        self.finished = True
        with warnings.catch_warnings():
            # rdflib says which encoding it uses, which nobody has asked.
            warnings.filterwarnings("ignore", "NTSerializer", UserWarning)
            return super().finalize_prov_profile(name)

    def container(self, run: str, image: str, digest: str) -> None:
        """Record the image that a step ran in, and its ``sha256:…``, if that is known."""
        agent = self.document.agent(
            uuid4().urn,
            {
                "prov:type": PROV["SoftwareAgent"],
                "cwlprov:image": image,
                "prov:label": f"Container execution of image {image}",
            },
        )
        plan = None
        method, _, checksum = digest.partition(":")
        if method == "sha256":
            label = {"prov:label": f"Container image {image}", "cwlprov:imageDigest": digest}
            plan = self.document.entity(f"sha256:{checksum}", label)
        self.document.wasAssociatedWith(run, agent, plan)

    def ended(self, run: str, starter: str) -> None:
        """Record the end of a run."""
        self.document.wasEndedBy(run, None, starter, self.moment)

    def _role(self, name: str | None, key: str) -> Any:
        path = f"main/{quote(name, safe=':/,#')}/{key}" if name else f"main/{key}"
        return self.wf_ns[path]

    def _entity(self, value: Any) -> Any:
        try:
            return self.declare_artefact(value)
        except _TROUBLE as error:
            where = value.get("location") if isinstance(value, Mapping) else type(value).__name__
            self.research_object.missing(where, error)
            return None

    def _identify(self, value: Any) -> None:
        """Give files and directories, those in them too, the names that they have in all documents."""
        if value.get("class") not in _KINDS:
            return
        location = str(value.get("location", ""))
        if location:
            key = location, str(value.get("basename", ""))
            value["@id"] = self.research_object.ids.setdefault(key, value.get("@id") or uuid4().urn)
        for field in ("secondaryFiles", "listing"):
            for inner in value.get(field) or ():
                self._identify(inner)

    def _declare_remote(self, value: Any) -> tuple[Any, Any, str]:
        url = urls.redacted(location_of(value))
        method, _, checksum = str(value.get("checksum", "")).partition("$")
        name = f"data:{checksum}" if method == "sha1" else uuid4().urn
        content = self.document.entity(name, {"prov:type": WFPROV["Artifact"], "prov:atLocation": url})
        file = self.document.entity(
            value.setdefault("@id", uuid4().urn),
            [("prov:type", WFPROV["Artifact"]), ("prov:type", WF4EVER["File"])],
        )
        for field in ("basename", "nameroot", "nameext"):
            if field in value:
                file.add_attributes({CWLPROV[field]: value[field]})
        self.document.specializationOf(file, content)
        self.research_object.add_uri(url)
        for secondary in value.get("secondaryFiles", []):
            other = self.declare_artefact(secondary)
            self.document.wasDerivedFrom(
                other, file, other_attributes={"prov:type": CWLPROV["SecondaryFile"]}
            )
        return file, content, checksum or name
