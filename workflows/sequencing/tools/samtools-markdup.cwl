cwlVersion: v1.2
class: CommandLineTool
label: Mark duplicates

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: [samtools, markdup, --no-PG, --output-fmt, "bam,level=1"]

inputs:
  sorted:
    type: File
    doc: BAM that went through fixmate and is sorted by coordinate
    inputBinding: {position: 1}

arguments:
  - {valueFrom: marked.bam, position: 2}

outputs:
  marked:
    type: File
    outputBinding:
      glob: marked.bam
