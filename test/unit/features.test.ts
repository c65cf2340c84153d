import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { namedTests } from '../conformance/proof.ts'
import { writtenTests } from '../conformance/testTitles.ts'
import { documents } from '../features/documents.ts'
import { built, inPart, missing, stateOf } from '../features/feature.ts'
import { featuresPage, PAGE } from '../features/page.ts'

const written = ['unit', 'core', 'protocols', 'flows', 'browser'].flatMap((project) => writtenTests(`test/${project}`))
const features = documents.flatMap(({ topics }) => topics.flatMap((topic) => topic.features))

describe('the page of features', () => {
  it('names tests that are there, none of which is skipped', () => {
    const patterns = new Set(features.flatMap(({ tests }) => tests))
    const named = [...patterns].map((pattern) => ({ pattern, found: namedTests(written, pattern) }))
    expect(named.filter(({ found }) => found.length === 0).map(({ pattern }) => pattern)).toEqual([])
    expect(named.filter(({ found }) => found.some(({ skipped }) => skipped)).map(({ pattern }) => pattern)).toEqual([])
  })

  it('has rows that say what is here or what is missing, each once', () => {
    for (const feature of features) {
      const { place, says, here, tests, open } = feature
      expect([place, says].includes(''), says).toBe(false)
      expect(here || open, says).toBeTruthy()
      expect(tests, says).not.toEqual([])
    }
    const rows = features.map(({ place, says }) => `${place}: ${says}`)
    expect(rows.filter((row, at) => rows.indexOf(row) !== at)).toEqual([])
  })

  it('is what the rows say', () => {
    expect(readFileSync(PAGE, 'utf8'), 'npm run docs:features').toBe(featuresPage())
  })

  it('calls proved only what has tests and misses nothing', () => {
    expect(stateOf(built('a', 'b', 'c', 'd: e'))).toBe('proved')
    expect(stateOf(inPart('a', 'b', 'c', 'not all', 'd: e'))).toBe('in part')
    expect(stateOf(missing('a', 'b', 'nothing', 'd: e'))).toBe('open')
  })
})
