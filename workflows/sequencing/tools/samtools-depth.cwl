cwlVersion: v1.2
class: CommandLineTool
label: Count reads over every base of the reference

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

baseCommand: [samtools, depth, -a]

inputs:
  alignments:
    type: File
    doc: BAM, sorted by coordinate
    inputBinding: {position: 1}

stdout: $(inputs.alignments.nameroot).depth.tsv

outputs:
  depth:
    type: stdout
