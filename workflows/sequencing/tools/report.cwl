cwlVersion: v1.2
class: CommandLineTool
label: Say what was found, and how much of what was planted
doc: Writes a page with a plot, and the same numbers for programs.

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {matplotlib: {version: ["3.6"]}, numpy: {version: ["1.24"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: python3

inputs:
  script:
    type: File
    default: {class: File, location: ../scripts/report.py}
    inputBinding: {position: 1}
  truth:
    type: File
    doc: VCF of what was planted
    inputBinding: {prefix: --truth, position: 2}
  variants:
    type: File
    doc: VCF of what was found
    inputBinding: {prefix: --variants, position: 2}
  counts:
    type: File[]
    doc: One samtools flagstat for each sample, as JSON, named after the sample
    inputBinding: {prefix: --counts, position: 2}
  depths:
    type: File[]
    doc: One samtools depth for each sample, named after the sample
    inputBinding: {prefix: --depths, position: 2}

arguments:
  - {prefix: --out, valueFrom: ., position: 3}

outputs:
  page:
    type: File
    outputBinding: {glob: report.html}
  plot:
    type: File
    outputBinding: {glob: report.png}
  summary:
    type: File
    outputBinding: {glob: summary.json}
