cwlVersion: v1.2
class: CommandLineTool
label: Take the program lines out of a BAM header
doc: |
  bwa's line holds the paths of its input files, which differ from run to run; without it the same reads give
  the same bytes.

hints:
  DockerRequirement:
    dockerPull: localhost/dodas/sequencing:1
  SoftwareRequirement:
    packages: {samtools: {version: ["1.16"]}}
  ResourceRequirement: {coresMin: 1, ramMin: 256}

baseCommand: [samtools, reheader, --no-PG, --command, grep -v ^@PG]

inputs:
  sample:
    type: string
    doc: Name of the output
  alignments:
    type: File
    doc: BAM
    inputBinding: {position: 1}

stdout: $(inputs.sample).bam

outputs:
  reheaded:
    type: stdout
