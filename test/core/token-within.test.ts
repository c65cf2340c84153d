import { describe, expect, test } from 'vitest'
import { type TokenScope, within } from '../../src/core/identity/tokenScope.ts'

describe('a scope within another', () => {
  const wide: TokenScope = { capabilities: ['read', 'approve'] }
  test.each([
    [undefined, undefined, true],
    [wide, undefined, true],
    [undefined, wide, false],
    [{ capabilities: ['read'] }, wide, true],
    [{ capabilities: ['read', 'manage'] }, wide, false],
    [wide, { ...wide, profileId: 1 }, false],
    [{ ...wide, profileId: 1 }, { ...wide, profileId: 1 }, true],
    [{ ...wide, profileId: 2 }, { ...wide, profileId: 1 }, false],
    [{ ...wide, authorityId: 2 }, { ...wide, authorityId: 1 }, false],
    [wide, { ...wide, readOnly: true }, false],
    [{ ...wide, readOnly: true }, { ...wide, readOnly: true }, true],
  ] as [TokenScope | undefined, TokenScope | undefined, boolean][])('%j in %j: %s', (inner, outer, is) => {
    expect(within(inner, outer)).toBe(is)
  })
})
