import { describe, expect, test } from 'vitest'
import { inTurn } from '../../src/core/identity/inTurn.ts'
import { hashPassword, passwordMatches } from '../../src/core/identity/password.ts'
import { allPlaces, createPlaces } from '../../src/core/places.ts'

/** Work that ends when it is told to. */
function held() {
  let release = () => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  return { release, work: () => until }
}

describe('places', () => {
  test('so many run, so many wait in order, and the next is refused at once', async () => {
    const places = createPlaces({ name: 'a', atOnce: 2, waiting: 2, full: 'too much of a' })
    const { release, work } = held()
    const order: number[] = []
    const asked = [1, 2, 3, 4].map((n) => places.take(() => work().then(() => order.push(n))))
    await expect(places.take(work)).rejects.toMatchObject({ code: 'unavailable', retryAfter: 10 })
    expect({ running: places.running, waiting: places.waiting }).toEqual({ running: 2, waiting: 2 })
    release()
    await Promise.all(asked)
    expect(order).toEqual([1, 2, 3, 4])
    expect({ running: places.running, waiting: places.waiting }).toEqual({ running: 0, waiting: 0 })
  })

  test('work that fails, at once or later, gives its place back', async () => {
    const places = createPlaces({ name: 'b', atOnce: 1, waiting: 0, full: 'too much of b' })
    const throwing = () => {
      throw new Error('at once')
    }
    await expect(places.take(throwing)).rejects.toThrow('at once')
    await expect(places.take(async () => throwing())).rejects.toThrow('at once')
    expect(await places.take(async () => 'c')).toBe('c')
    expect(allPlaces()).toContain(places)
  })
})

test('passwords are looked at a few at a time, however many come', async () => {
  const stored = await hashPassword('a very long password')
  const hashing = allPlaces().find(({ name }) => name === 'passwords')
  const asked = Array.from({ length: 250 }, () => passwordMatches(stored, 'a very long password'))
  expect(hashing).toMatchObject({ running: 3, waiting: 200 })
  const outcomes = await Promise.allSettled(asked)
  const refused = outcomes.filter(({ status }) => status === 'rejected')
  expect(refused).toHaveLength(47)
  for (const outcome of refused) expect(outcome).toMatchObject({ reason: { code: 'unavailable' } })
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') expect(outcome.value).toBe(true)
})

test('what is done in turn waits in a queue with an end, by key', async () => {
  const { release, work } = held()
  const asked = Array.from({ length: 250 }, () => inTurn('key', work))
  await expect(inTurn('key', work)).rejects.toMatchObject({ code: 'unavailable' })
  expect(await inTurn('other', async () => 'at once')).toBe('at once')
  release()
  await Promise.all(asked)
  expect(await inTurn('key', async () => 'again')).toBe('again')
})
