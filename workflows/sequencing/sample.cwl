cwlVersion: v1.2
class: Workflow
label: From the reads of one sample to its variants

inputs:
  sample:
    type: {$import: sample-type.yml}
  bwa_reference:
    type: File
    doc: FASTA, indexed by bwa
    secondaryFiles: [.amb, .ann, .bwt, .pac, .sa]
  fai_reference:
    type: File
    doc: FASTA, indexed by samtools
    secondaryFiles: [.fai]

requirements:
  StepInputExpressionRequirement: {}

steps:
  align:
    run: tools/bwa-mem.cwl
    in:
      sample: {source: sample, valueFrom: $(self.name)}
      reference: bwa_reference
      forward: {source: sample, valueFrom: $(self.forward)}
      reverse: {source: sample, valueFrom: $(self.reverse)}
    out: [aligned]
  fixmate:
    run: tools/samtools-fixmate.cwl
    in: {aligned: align/aligned}
    out: [fixed]
  sort:
    run: tools/samtools-sort.cwl
    in: {alignments: fixmate/fixed}
    out: [sorted]
  markdup:
    run: tools/samtools-markdup.cwl
    in: {sorted: sort/sorted}
    out: [marked]
  reheader:
    run: tools/samtools-reheader.cwl
    in:
      sample: {source: sample, valueFrom: $(self.name)}
      alignments: markdup/marked
    out: [reheaded]
  index:
    run: tools/samtools-index.cwl
    in: {alignments: reheader/reheaded}
    out: [indexed]
  flagstat:
    run: tools/samtools-flagstat.cwl
    in: {alignments: index/indexed}
    out: [counts]
  depth:
    run: tools/samtools-depth.cwl
    in: {alignments: index/indexed}
    out: [depth]
  mpileup:
    run: tools/bcftools-mpileup.cwl
    in:
      reference: fai_reference
      alignments: index/indexed
    out: [likelihoods]
  call:
    run: tools/bcftools-call.cwl
    in: {likelihoods: mpileup/likelihoods}
    out: [calls]
  norm:
    run: tools/bcftools-norm.cwl
    in:
      reference: fai_reference
      calls: call/calls
    out: [normal]
  filter:
    run: tools/bcftools-filter.cwl
    in:
      sample: {source: sample, valueFrom: $(self.name)}
      calls: norm/normal
    out: [filtered]

outputs:
  alignments:
    type: File
    doc: BAM, sorted, duplicates marked
    secondaryFiles: [.bai]
    outputSource: index/indexed
  counts:
    type: File
    doc: samtools flagstat as JSON
    outputSource: flagstat/counts
  coverage:
    type: File
    doc: samtools depth
    outputSource: depth/depth
  variants:
    type: File
    doc: BCF with index
    secondaryFiles: [.csi]
    outputSource: filter/filtered
