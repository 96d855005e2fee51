cwlVersion: v1.2
class: CommandLineTool
label: Fit the peak and draw it

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/physics:1
  SoftwareRequirement:
    packages: {scipy: {version: ["1.10"]}, matplotlib: {version: ["3.6"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: python3

inputs:
  script:
    type: File
    default: {class: File, location: ../scripts/fit.py}
    inputBinding: {position: 1}
  histogram:
    type: File
    inputBinding: {position: 2}
  truth:
    type: File
    doc: What was generated, as JSON
    inputBinding: {prefix: --truth, position: 3}

arguments:
  - {prefix: --out-fit, valueFrom: fit.json, position: 4}
  - {prefix: --out-plot, valueFrom: mass.png, position: 4}

outputs:
  result:
    type: File
    doc: Values, uncertainties, and how far they are from the truth
    outputBinding: {glob: fit.json}
  plot:
    type: File
    outputBinding: {glob: mass.png}
