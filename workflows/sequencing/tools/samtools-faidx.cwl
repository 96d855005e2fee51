cwlVersion: v1.2
class: CommandLineTool
label: Index a reference for samtools and bcftools

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

requirements:
  InitialWorkDirRequirement:
    listing: [$(inputs.reference)]

baseCommand: [samtools, faidx]

inputs:
  reference:
    type: File
    doc: FASTA
    inputBinding:
      valueFrom: $(self.basename)

outputs:
  indexed:
    type: File
    doc: The reference with its index file.
    secondaryFiles: [.fai]
    outputBinding:
      glob: $(inputs.reference.basename)
