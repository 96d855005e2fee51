cwlVersion: v1.2
class: CommandLineTool
label: Fill histograms of the mass of pairs

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/physics:1
  SoftwareRequirement:
    packages: {numpy: {version: ["1.24"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: python3

inputs:
  script:
    type: File
    default: {class: File, location: ../scripts/histogram.py}
    inputBinding: {position: 1}
  pairs:
    type: File
    doc: Selected pairs
    inputBinding: {position: 2}
  low:
    type: float?
    doc: Lower end in GeV
    inputBinding: {prefix: --low, position: 3}
  high:
    type: float?
    doc: Upper end in GeV
    inputBinding: {prefix: --high, position: 3}
  bins:
    type: int?
    inputBinding: {prefix: --bins, position: 3}

arguments:
  - {prefix: --out, valueFrom: $(inputs.pairs.nameroot).histogram.json, position: 4}

outputs:
  histogram:
    type: File
    outputBinding: {glob: $(inputs.pairs.nameroot).histogram.json}
