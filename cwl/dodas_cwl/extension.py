"""What dodas adds to the language: a hint for steps on an HTCondor pool.

Other runners ignore it, as every hint they do not know.
"""

from __future__ import annotations

from dodas_cwl.reference import CWL_VERSIONS, extensions, use_custom_schema

NAMESPACE = "https://w3id.org/dodas#"
HTCONDOR = NAMESPACE + "HTCondor"

_PREAMBLE = """\
$base: https://w3id.org/dodas#
$namespaces:
  cwl: "https://w3id.org/cwl/cwl#"
$graph:
- $import: https://w3id.org/cwl/CommonWorkflowLanguage.yml
"""
# Names in full, so that the records can follow those of cwltool's own extensions.
_RECORDS = """

- name: https://w3id.org/dodas#Attribute
  type: record
  doc: An attribute for the ad of a job.
  fields:
    - name: https://w3id.org/dodas#Attribute/attribute
      type: string
    - name: https://w3id.org/dodas#Attribute/setting
      type: [string, int, long, float, double, boolean]
- name: https://w3id.org/dodas#HTCondor
  type: record
  inVocab: false
  extends: cwl:ProcessRequirement
  doc: How a step runs on an HTCondor pool.  Strings may be expressions.
  fields:
    - name: https://w3id.org/dodas#HTCondor/class
      type: string
      doc: Always 'HTCondor'
      jsonldPredicate:
        _id: "@type"
        _type: "@vocab"
    - name: https://w3id.org/dodas#HTCondor/slotRequirements
      type: string?
      doc: An expression of ClassAds that a slot has to meet, in addition to what the step asks for.
    - name: https://w3id.org/dodas#HTCondor/rank
      type: string?
      doc: An expression of ClassAds that is larger for better slots.
    - name: https://w3id.org/dodas#HTCondor/accountingGroup
      type: string?
    - name: https://w3id.org/dodas#HTCondor/priority
      type: [ "null", int, string ]
      doc: Among the jobs of the same user; larger goes first.
    - name: https://w3id.org/dodas#HTCondor/concurrencyLimits
      type:
        - "null"
        - string
        - type: array
          items: string
      doc: Names of limits of the pool, each may be followed by a colon and how many it takes.
    - name: https://w3id.org/dodas#HTCondor/attributes
      type:
        - "null"
        - type: array
          items: https://w3id.org/dodas#Attribute
      doc: Attributes for the ad of the job; text is text, not an expression of ClassAds.
      jsonldPredicate:
        _id: https://w3id.org/dodas#HTCondor/attributes
        mapSubject: attribute
        mapPredicate: setting
"""


def register(*, enable_ext: bool) -> None:
    """Make the hint known to cwltool, beside its own extensions if they are wanted.

    Args:
        enable_ext: As of cwltool's ``--enable-ext``.
    """
    for version in CWL_VERSIONS:
        own = extensions(version) if enable_ext else None
        name, text = own or (NAMESPACE.rstrip("#"), _PREAMBLE)
        use_custom_schema(version, name, text + _RECORDS)
