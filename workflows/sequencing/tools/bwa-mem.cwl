cwlVersion: v1.2
class: CommandLineTool
label: Align read pairs
doc: |
  Aligns with a fixed batch size (-K), so that the result does not depend on the number of threads.

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {bwa: {version: [0.7.17]}}
  ResourceRequirement: {coresMin: 1, ramMin: 512}

baseCommand: [bwa, mem, -v, "1", -K, "10000000"]
arguments:
  - {prefix: -t, valueFrom: $(runtime.cores), position: 1}

inputs:
  sample:
    type: string
    doc: Name of the sample, for the read group.
    inputBinding: {prefix: -R, position: 1, valueFrom: '@RG\\tID:$(self)\\tSM:$(self)'}
  reference:
    type: File
    doc: FASTA, indexed by bwa
    secondaryFiles: [.amb, .ann, .bwt, .pac, .sa]
    inputBinding: {position: 2}
  forward:
    type: File
    doc: FASTQ of the first mates
    inputBinding: {position: 3}
  reverse:
    type: File
    doc: FASTQ of the second mates
    inputBinding: {position: 4}

stdout: $(inputs.sample).sam

outputs:
  aligned:
    type: stdout
    doc: SAM, mates beside each other
