cwlVersion: v1.2
class: Workflow
label: The mass of the Z boson, from event files to a fit
doc: |
  Selects pairs of muons in every event file, fills histograms of their mass, adds them up, fits a peak over a
  falling background, and says how far the result is from what was generated.

requirements:
  ScatterFeatureRequirement: {}

inputs:
  events:
    type: File[]
    doc: NumPy archives with one array a branch
  truth:
    type: File
    doc: What was generated, as JSON

steps:
  select:
    run: tools/selection.cwl
    scatter: events
    in: {events: events}
    out: [pairs, cuts]
  fill:
    run: tools/histogram.cwl
    scatter: pairs
    in: {pairs: select/pairs}
    out: [histogram]
  merge:
    run: tools/merge.cwl
    in:
      histograms: fill/histogram
      file_cuts: select/cuts
    out: [histogram, cuts]
  fit:
    run: tools/fit.cwl
    in:
      histogram: merge/histogram
      truth: truth
    out: [result, plot]

outputs:
  result:
    type: File
    outputSource: fit/result
  plot:
    type: File
    outputSource: fit/plot
  histogram:
    type: File
    outputSource: merge/histogram
  cuts:
    type: File
    outputSource: merge/cuts
