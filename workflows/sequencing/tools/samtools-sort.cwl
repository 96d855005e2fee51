cwlVersion: v1.2
class: CommandLineTool
label: Sort alignments by coordinate

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 1024}

baseCommand: [samtools, sort, --no-PG, -m, 512M, -l, "1"]

inputs:
  alignments:
    type: File
    doc: SAM or BAM
    inputBinding: {position: 2}

arguments:
  - {prefix: -o, valueFrom: sorted.bam, position: 1}

outputs:
  sorted:
    type: File
    outputBinding:
      glob: sorted.bam
