import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bag, type Held } from '../../src/server/bag.ts'
import { Counts } from '../../src/server/counts.ts'

describe('a bag', () => {
  it('holds what was put in and not taken out', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat())), (steps) => {
        const bag = new Bag<number>()
        const model = new Set<Held<number>>()
        for (const [put, which] of steps) {
          const known = [...model]
          const one = known[which % Math.max(1, known.length)]
          if (put || !one) model.add(bag.add(which))
          else {
            expect(bag.take(one)).toBe(true)
            expect(bag.take(one)).toBe(false)
            model.delete(one)
          }
        }
        expect(bag.size).toBe(model.size)
        expect(new Set(bag.all())).toEqual(model)
        expect([...bag].sort()).toEqual([...model].map(({ one }) => one).sort())
      }),
    )
  })

  it('may be emptied while it is gone through', () => {
    const bag = new Bag<number>()
    for (const one of [1, 2, 3]) bag.add(one)
    const seen: number[] = []
    for (const held of bag.all()) if (bag.take(held)) seen.push(held.one)
    expect([seen, bag.size]).toEqual([[1, 2, 3], 0])
  })

  it('leaves nothing of what was in it to the slow collection of garbage', () => {
    const collect = minorCollection()
    const bag = new Bag<object>()
    const under: Held<object>[] = []
    const pass = (times: number) => {
      for (let n = 0; n < times; n++) {
        under.push(bag.add({ octets: new Array(128).fill(n) }))
        const oldest = under.length > 32 ? under.shift() : undefined
        if (oldest) bag.take(oldest)
      }
    }
    pass(1_000)
    // What lives long is in the old part from here on.
    for (let n = 0; n < 3; n++) collect()
    const before = getHeapStatistics().used_heap_size
    for (let n = 0; n < 10; n++) {
      pass(1_000)
      collect()
    }
    collect()
    // All of it would be ten megabytes; a Set keeps that.
    expect(getHeapStatistics().used_heap_size - before).toBeLessThan(2_000_000)
  })
})

describe('counts', () => {
  it('hold a key as long as it is counted', () => {
    const counts = new Counts()
    const kept = counts.of('kept')
    kept.count++
    for (let n = 0; n < 10_000; n++) {
      const passing = counts.of(`passing ${n}`)
      passing.count++
      passing.count--
    }
    expect(counts.size).toBeLessThanOrEqual(1_001)
    expect(counts.of('kept')).toBe(kept)
  })

  it('look through many keys no more often than they double', () => {
    const counts = new Counts()
    for (let n = 0; n < 5_000; n++) counts.of(String(n)).count++
    for (let n = 0; n < 5_000; n++) counts.of(String(n)).count--
    for (let n = 0; n < 5_000; n++) counts.of(`later ${n}`).count++
    expect(counts.size).toBeLessThanOrEqual(10_000)
    expect(counts.of('later 4999').count).toBe(1)
  })
})

function minorCollection(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void
  return () => collect({ type: 'minor' })
}
