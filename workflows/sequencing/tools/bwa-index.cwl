cwlVersion: v1.2
class: CommandLineTool
label: Index a reference for bwa
doc: Writes the five index files beside the reference, where bwa looks for them.

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bwa: {version: [0.7.17]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

requirements:
  InitialWorkDirRequirement:
    listing: [$(inputs.reference)]

baseCommand: [bwa, index]

inputs:
  reference:
    type: File
    doc: FASTA
    inputBinding:
      valueFrom: $(self.basename)

outputs:
  indexed:
    type: File
    doc: The reference with its index files.
    secondaryFiles: [.amb, .ann, .bwt, .pac, .sa]
    outputBinding:
      glob: $(inputs.reference.basename)
