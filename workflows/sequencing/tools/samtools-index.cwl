cwlVersion: v1.2
class: CommandLineTool
label: Index alignments

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

requirements:
  InitialWorkDirRequirement:
    listing: [$(inputs.alignments)]

baseCommand: [samtools, index]

inputs:
  alignments:
    type: File
    doc: BAM, sorted by coordinate
    inputBinding:
      valueFrom: $(self.basename)

outputs:
  indexed:
    type: File
    secondaryFiles: [.bai]
    outputBinding:
      glob: $(inputs.alignments.basename)
