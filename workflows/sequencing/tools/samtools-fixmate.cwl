cwlVersion: v1.2
class: CommandLineTool
label: Add what finding duplicates needs to know of the mate

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

baseCommand: [samtools, fixmate, --no-PG, -u, -m]

inputs:
  aligned:
    type: File
    doc: SAM or BAM, mates beside each other
    inputBinding: {position: 1}

arguments:
  - {valueFrom: $(inputs.aligned.nameroot).fixmate.bam, position: 2}

outputs:
  fixed:
    type: File
    outputBinding:
      glob: $(inputs.aligned.nameroot).fixmate.bam
