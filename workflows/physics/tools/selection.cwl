cwlVersion: v1.2
class: CommandLineTool
label: Select events with two good muons

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
    default: {class: File, location: ../scripts/selection.py}
    inputBinding: {position: 1}
  events:
    type: File
    doc: NumPy archive with one array a branch
    inputBinding: {position: 2}

arguments:
  - {prefix: --pairs, valueFrom: $(inputs.events.nameroot).pairs.npz, position: 3}
  - {prefix: --cuts, valueFrom: $(inputs.events.nameroot).cuts.json, position: 3}

outputs:
  pairs:
    type: File
    doc: Mass, charges and truth of the selected pairs
    outputBinding: {glob: $(inputs.events.nameroot).pairs.npz}
  cuts:
    type: File
    doc: Events left after each cut
    outputBinding: {glob: $(inputs.events.nameroot).cuts.json}
