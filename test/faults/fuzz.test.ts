import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpointTargets } from '../fuzz/endpoints.ts'
import { fuzz, type Target } from '../fuzz/fuzz.ts'
import { readerTargets } from '../fuzz/readers.ts'
import { pkiSamples } from '../fuzz/samples.ts'
import { textTargets } from '../fuzz/texts.ts'

// The short form of `npm run fuzz`: some tenths of a second for each target, always the same inputs, not led by coverage.

const MILLISECONDS = 250

let targets: Target[]
let close: () => Promise<void>
beforeAll(async () => {
  const samples = await pkiSamples()
  const endpoints = await endpointTargets(samples)
  targets = [...readerTargets(samples), ...textTargets(), ...endpoints.targets]
  close = endpoints.close
})
afterAll(() => close?.())

test('no input makes a reader, an expression or an endpoint fail otherwise than it says', async () => {
  for (const target of targets) {
    const report = await fuzz(target, { seed: 7, milliseconds: MILLISECONDS, led: false })
    expect(report.findings.map(({ input, error }) => ({ input: input.toString('base64'), error }))).toEqual([])
    expect(report.runs, target.name).toBeGreaterThan(target.seeds.length)
  }
}, 120_000)

test('what reaches new code is kept, and led by it the search goes on', async () => {
  const csr = targets.find(({ name }) => name === 'csr') as Target
  const { corpus, blocks } = await fuzz(csr, { seed: 7, milliseconds: 5_000, runs: 256 })
  expect(corpus).toBeGreaterThan(0)
  expect(blocks).toBeGreaterThan(10)
})

describe('the search itself', () => {
  const target = (run: Target['run']): Target => ({
    name: 'self',
    seeds: [Buffer.from('seed')],
    mutate: (_input, random) => Buffer.of(random.below(16)),
    run,
  })
  const look = async (run: Target['run']) =>
    (await fuzz(target(run), { seed: 1, milliseconds: 5_000, runs: 200, led: false })).findings

  test('finds what throws, with the input that did it', async () => {
    const [finding] = await look((input) => {
      if (input[0] === 7) throw new TypeError('a bug')
    })
    expect(finding).toMatchObject({ input: Buffer.of(7), error: { message: 'a bug' } })
  })

  test('finds rejections that nobody handles', async () => {
    const findings = await look((input) => {
      if (input[0] === 7) void Promise.reject(new Error('unheard'))
    })
    expect(findings).toMatchObject([{ error: { message: 'unheard' } }])
  })

  test('finds what takes too long', async () => {
    const slow: Target = {
      ...target((input) => {
        const until = performance.now() + (input[0] === 7 ? 50 : 0)
        while (performance.now() < until);
      }),
      slow: 5,
    }
    const { findings } = await fuzz(slow, { seed: 1, milliseconds: 5_000, runs: 200, led: false })
    expect(findings.map(({ error }) => String(error))).toContainEqual(expect.stringMatching(/one input took \d+ ms/))
  })
})
