cwlVersion: v1.2
class: CommandLineTool
label: Compute genotype likelihoods

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bcftools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: [bcftools, mpileup, --no-version, --annotate, "FORMAT/AD,FORMAT/DP", -O, b1]

inputs:
  reference:
    type: File
    doc: FASTA, indexed by samtools
    secondaryFiles: [.fai]
    inputBinding: {prefix: --fasta-ref, position: 1}
  alignments:
    type: File
    doc: BAM with index
    secondaryFiles: [.bai]
    inputBinding: {position: 2}

stdout: likelihoods.bcf

outputs:
  likelihoods:
    type: stdout
