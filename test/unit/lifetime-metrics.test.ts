import { expect, test } from 'vitest'
import { createMetrics } from '../../src/metrics.ts'

test('a gauge is read when it is asked for, and forgets labels that are gone', async () => {
  const metrics = createMetrics()
  let values = [
    { labels: ['issuing', '0'], value: 1.5 },
    { labels: ['a "b"', '1'], value: 2 },
  ]
  metrics.gauges('ends', 'When it ends', ['authority', 'shard'], async () => values)
  const first = await metrics.text()
  expect(first).toContain('# TYPE ends gauge')
  expect(first).toContain('ends{authority="issuing",shard="0"} 1.5')
  expect(first).toContain('ends{authority="a \\"b\\"",shard="1"} 2')
  values = [{ labels: ['issuing', '0'], value: 3 }]
  const second = await metrics.text()
  expect(second).toContain('ends{authority="issuing",shard="0"} 3')
  expect(second).not.toContain('shard="1"')
})
