cwlVersion: v1.2
class: CommandLineTool
label: Count reads by what became of them

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

baseCommand: [samtools, flagstat, --output-fmt, json]

inputs:
  alignments:
    type: File
    doc: BAM
    inputBinding: {position: 1}

stdout: $(inputs.alignments.nameroot).flagstat.json

outputs:
  counts:
    type: stdout
