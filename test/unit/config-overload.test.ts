import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'

const FILE = 'overload:\n  requests: 20\n  stopDelay: 0\n  drainTime: 1m\n'
const read = (env: Record<string, string>, text = '') => readConfig({ env, readFile: () => text }).overload

describe('what the server takes at most', () => {
  test('from the environment, the file, or the default', () => {
    expect(read({ COUNTERSIGN_MAX_REQUESTS: '30', COUNTERSIGN_STOP_DELAY: '5s' }, FILE)).toEqual({
      requests: 30,
      requestsPerAddress: 100,
      connections: 4000,
      connectionsPerAddress: 500,
      bodies: 256,
      stopDelay: 5_000,
      drainTime: 60_000,
    })
    expect(read({}, FILE)).toMatchObject({ requests: 20, stopDelay: 0 })
  })
  test.each(['0', '-1', '1.5', 'many', '1000001'])('%s is no number of requests', (text) => {
    expect(() => read({ COUNTERSIGN_MAX_REQUESTS: text })).toThrow('COUNTERSIGN_MAX_REQUESTS: must be a whole number')
  })
  test('a pause without a unit is none', () => {
    expect(() => read({ COUNTERSIGN_STOP_DELAY: '5' })).toThrow('COUNTERSIGN_STOP_DELAY: must be a length of time')
  })
})
