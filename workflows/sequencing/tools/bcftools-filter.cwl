cwlVersion: v1.2
class: CommandLineTool
label: Keep variants of good quality, and index them

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bcftools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

requirements:
  ShellCommandRequirement: {}

baseCommand: [bcftools, filter, --no-version]

inputs:
  sample:
    type: string
    doc: Name of the output
  include:
    type: string
    doc: Expression of bcftools for what is kept.
    default: QUAL>=20 && FORMAT/DP>=4
    inputBinding: {prefix: --include, position: 1}
  calls:
    type: File
    doc: VCF or BCF
    inputBinding: {position: 4}

arguments:
  - {prefix: -O, valueFrom: b, position: 2}
  - {prefix: -o, valueFrom: $(inputs.sample).bcf, position: 3}
  - {valueFrom: "&&", position: 5, shellQuote: false}
  - {valueFrom: bcftools, position: 6}
  - {valueFrom: index, position: 7}
  - {valueFrom: $(inputs.sample).bcf, position: 8}

outputs:
  filtered:
    type: File
    secondaryFiles: [.csi]
    outputBinding:
      glob: $(inputs.sample).bcf
