cwlVersion: v1.2
class: CommandLineTool
label: Add up histograms and cut counts

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/physics:1
  SoftwareRequirement:
    packages: {python: {version: ["3.11"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: python3

inputs:
  script:
    type: File
    default: {class: File, location: ../scripts/merge.py}
    inputBinding: {position: 1}
  histograms:
    type: File[]
    doc: With the same bins
    inputBinding: {prefix: --histograms, position: 2}
  file_cuts:
    type: File[]
    doc: Counts after each cut
    inputBinding: {prefix: --cuts, position: 2}

arguments:
  - {prefix: --out-histogram, valueFrom: histogram.json, position: 3}
  - {prefix: --out-cuts, valueFrom: cuts.json, position: 3}

outputs:
  histogram:
    type: File
    outputBinding: {glob: histogram.json}
  cuts:
    type: File
    outputBinding: {glob: cuts.json}
