cwlVersion: v1.2
class: CommandLineTool
label: Write every variant in the one normal form
doc: Left-aligns indels and gives every alternative allele its own line, so that variants can be compared.

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bcftools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

baseCommand: [bcftools, norm, --no-version, --multiallelics, "-any", -O, b1]

inputs:
  reference:
    type: File
    doc: FASTA, indexed by samtools
    secondaryFiles: [.fai]
    inputBinding: {prefix: --fasta-ref, position: 1}
  calls:
    type: File
    doc: VCF or BCF
    inputBinding: {position: 2}

stdout: normal.bcf

outputs:
  normal:
    type: stdout
