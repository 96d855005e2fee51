cwlVersion: v1.2
class: CommandLineTool
label: Call variants

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bcftools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

baseCommand: [bcftools, call, --no-version, --multiallelic-caller, --variants-only, -O, b1]

inputs:
  likelihoods:
    type: File
    doc: BCF of bcftools mpileup
    inputBinding: {position: 1}

stdout: calls.bcf

outputs:
  calls:
    type: stdout
