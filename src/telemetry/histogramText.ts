export interface HistogramFamily {
  name: string
  help: string
  labels: readonly string[]
  /** Upper ends of the buckets in seconds, one fewer than there are: the last has none. */
  ends: readonly number[]
  read(): Series[]
}

/** `labels` in the order in which they were named; how many lie in each bucket, and how long all were together. */
export interface Series {
  labels: string[]
  counts: readonly number[]
  sum: number
}

/** A histogram in the text format of Prometheus. */
export function histogramText({ name, help, labels: names, ends, read }: HistogramFamily): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`]
  for (const { labels, counts, sum } of read()) {
    const told = names.map((label, at) => `${label}="${escaped(labels[at] ?? '')}"`)
    const line = (suffix: string, value: number, more: string[] = []) => {
      const all = [...told, ...more].join(',')
      lines.push(`${name}_${suffix}${all === '' ? '' : `{${all}}`} ${value}`)
    }
    let total = 0
    counts.forEach((count, at) => {
      total += count
      line('bucket', total, [`le="${ends[at] ?? '+Inf'}"`])
    })
    line('sum', sum)
    line('count', total)
  }
  return `${lines.join('\n')}\n`
}

function escaped(label: string): string {
  return label.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}
