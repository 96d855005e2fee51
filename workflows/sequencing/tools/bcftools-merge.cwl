cwlVersion: v1.2
class: CommandLineTool
label: Merge the variants of all samples into one table
doc: |
  The header line with the path of the reference, which differs from run to run, is taken out, so that the
  same reads give the same bytes.

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bcftools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

requirements:
  ShellCommandRequirement: {}

baseCommand: [bcftools, merge, --no-version, --merge, none, -O, v]

inputs:
  samples:
    type: File[]
    doc: VCF or BCF of one sample each, with index
    secondaryFiles: [.csi]
    inputBinding: {position: 1}

arguments:
  - {valueFrom: "| grep -v '^##reference=' | bcftools view --no-version -O z -o variants.vcf.gz", position: 2, shellQuote: false}
  - {valueFrom: "&& bcftools index --tbi variants.vcf.gz", position: 3, shellQuote: false}

outputs:
  variants:
    type: File
    doc: VCF of all samples, compressed, with index
    secondaryFiles: [.tbi]
    outputBinding:
      glob: variants.vcf.gz
