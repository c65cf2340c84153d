import { describe, expect, it } from 'vitest'
import { refuse } from '../../src/core/enrolment/limit.ts'
import { rateText, readRate, waitText } from '../../src/core/enrolment/rate.ts'
import { Failure } from '../../src/core/failure.ts'

describe('a rate', () => {
  it.each([
    '1/1s',
    '300/3h',
    '7/1m',
    '999/1h',
    '1000/1s',
    '1000000/30d',
    '50000/1d',
    '1/30d',
    '90/90s',
    'unlimited',
    'blocked',
  ])('reads back as it was written: %s', (text) => {
    expect(rateText(readRate(text))).toBe(text)
  })

  it('has its whole burst, however it divides', () => {
    for (let count = 1; count <= 1_000; count++) expect(readRate(`${count}/1h`).burst).toBe(count)
    expect(readRate('7/1h')).toEqual({ spacing: 514_285_715, burst: 7 })
  })

  it.each([
    [1, '1 second'],
    [119, '119 seconds'],
    [120, '2 minutes'],
    [121, '3 minutes'],
    [7_199, '120 minutes'],
    [7_200, '2 hours'],
    [172_801, '3 days'],
  ])('makes wait, in words that are never too short: %d s is %s', (seconds, text) => {
    expect(waitText(seconds)).toBe(text)
  })
})

describe('what a client is told', () => {
  const refusal = (retryAfter: number | undefined, value?: string) => ({
    take: {
      profileId: 1,
      limit: 'test.orders',
      key: 'key',
      rate: '3/3h',
      what: value ? `orders for ${value}` : 'new orders',
      ...(value ? { identifier: { type: 'dns', value } } : {}),
    },
    rate: { spacing: 3_600_000_000, burst: retryAfter === undefined ? 0 : 3 },
    retryAfter,
    note: undefined,
  })
  const told = (...found: Parameters<typeof refuse>[0]): Failure => {
    try {
      refuse(found)
    } catch (error) {
      if (error instanceof Failure) return error
    }
    throw new Error('nothing was refused')
  }

  it('nothing, where nothing is refused', () => expect(() => refuse([])).not.toThrow())

  it('is the limit, and when to try again', () => {
    expect(told(refusal(5_000))).toMatchObject({
      code: 'rateLimited',
      detail: 'new orders: no more than 3/3h (test.orders); try again in 84 minutes',
      retryAfter: 5_000,
      problems: undefined,
    })
  })

  it('is the time when all limits let it pass (RFC 8555 section 6.6), and each name', () => {
    const both = told(refusal(10, 'a.test'), refusal(7_200, 'b.test'))
    expect(both).toMatchObject({ code: 'rateLimited', retryAfter: 7_200 })
    expect(both.problems?.map(({ identifier }) => identifier?.value)).toEqual(['a.test', 'b.test'])
  })

  it('is no time, where waiting does not help', () => {
    const stopped = told(refusal(10, 'a.test'), refusal(undefined, 'b.test'))
    expect(stopped).toMatchObject({ code: 'forbidden', retryAfter: undefined })
    expect(stopped.problems?.map(({ code }) => code)).toEqual(['rateLimited', 'forbidden'])
  })
})
