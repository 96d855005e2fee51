cwlVersion: v1.2
class: Workflow
label: Variants of several samples, from reads to a report
doc: |
  Aligns the reads of every sample with bwa, sorts them and marks duplicates with samtools, calls variants with
  bcftools, merges them, and reports how many of the planted variants were found.  The same reads give the same
  bytes, wherever and by whatever engine this runs.

requirements:
  ScatterFeatureRequirement: {}
  SubworkflowFeatureRequirement: {}

inputs:
  reference:
    type: File
    doc: FASTA
  truth:
    type: File
    doc: VCF of the planted variants
  samples:
    type:
      type: array
      items: {$import: sample-type.yml}

steps:
  bwa_index:
    run: tools/bwa-index.cwl
    in: {reference: reference}
    out: [indexed]
  faidx:
    run: tools/samtools-faidx.cwl
    in: {reference: reference}
    out: [indexed]
  each:
    run: sample.cwl
    scatter: sample
    in:
      sample: samples
      bwa_reference: bwa_index/indexed
      fai_reference: faidx/indexed
    out: [alignments, counts, coverage, variants]
  merge:
    run: tools/bcftools-merge.cwl
    in: {samples: each/variants}
    out: [variants]
  report:
    run: tools/report.cwl
    in:
      truth: truth
      variants: merge/variants
      counts: each/counts
      depths: each/coverage
    out: [page, plot, summary]

outputs:
  alignments:
    type: File[]
    secondaryFiles: [.bai]
    outputSource: each/alignments
  variants:
    type: File
    secondaryFiles: [.tbi]
    outputSource: merge/variants
  page:
    type: File
    outputSource: report/page
  plot:
    type: File
    outputSource: report/plot
  summary:
    type: File
    outputSource: report/summary
