import { beforeAll, describe, expect, it } from 'vitest'
import { keepsNames } from '../../src/core/profile/keptNames.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { type Name, nameOf } from '../../src/pki/name.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'

const a: Identifier = { type: 'dns', value: 'a.example.org' }
const b: Identifier = { type: 'dns', value: 'b.example.org' }

describe('the names that a certificate has and another one would have', () => {
  let ca: ForeignCa

  beforeAll(async () => {
    ca = await foreignCa(new Date())
  })

  const held = async (subject: Name, identifiers: Identifier[]) => {
    const { der } = await ca.issue({ subject, identifiers })
    return { der, identifiers }
  }

  const cases: [string, [Name, Identifier[]], [Name, Identifier[]], boolean][] = [
    ['the same', [nameOf({ CN: a.value }), [a, b]], [nameOf({ CN: a.value }), [a, b]], true],
    ['in another order', [nameOf({ CN: a.value }), [a, b]], [nameOf({ CN: a.value }), [b, a]], true],
    ['another of them as common name', [nameOf({ CN: a.value }), [a, b]], [nameOf({ CN: b.value }), [a, b]], true],
    ['no common name any more', [nameOf({ CN: a.value }), [a]], [[], [a]], true],
    ['one more', [nameOf({ CN: a.value }), [a]], [nameOf({ CN: a.value }), [a, b]], false],
    ['one less', [nameOf({ CN: a.value }), [a, b]], [nameOf({ CN: a.value }), [a]], false],
    ['another', [nameOf({ CN: a.value }), [a]], [nameOf({ CN: b.value }), [b]], false],
    ['of another kind', [[], [a]], [[], [{ type: 'uri', value: a.value }]], false],
    ['a common name that is none of them', [[], [a]], [nameOf({ CN: 'admin' }), [a]], false],
    ['an organization more', [nameOf({ CN: a.value }), [a]], [nameOf({ O: 'Acme', CN: a.value }), [a]], false],
    ['another organization', [nameOf({ O: 'Acme' }), [a]], [nameOf({ O: 'Other' }), [a]], false],
    ['letter case and spaces', [nameOf({ O: 'Acme  Ltd' }), [a]], [nameOf({ O: 'ACME ltd' }), [a]], true],
    ['a subject alone', [nameOf({ CN: 'phone 7' }), []], [nameOf({ CN: 'phone 7' }), []], true],
    ['another subject alone', [nameOf({ CN: 'phone 7' }), []], [nameOf({ CN: 'phone 8' }), []], false],
    ['nobody named', [[], []], [[], []], false],
  ]

  it.each(cases)('%s', async (_, [subject, identifiers], [next, wanted], same) => {
    expect(keepsNames(await held(subject, identifiers), { subject: next, identifiers: wanted })).toBe(same)
  })
})
