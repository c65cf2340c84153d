import type { Method } from '../../protocols/ra/operation.ts'
import { type Role, roleNames } from './role.ts'
import type { Outcome, Row } from './row.ts'

/**
 * What an operation needs, in a word. The cells are in the order of the columns: y let in, a 401, f refused, - not seen, r let
 * in where nothing is changed.
 */
export const needs = {
  open: ['anybody, also who shows no token', 'y y y y y y y y y y y y y y'],
  known: ['any user, of any organization', 'a y y y y y y y y y y r y y'],
  member: ['any user of the organization', 'a y y y y y y y y y y r y -'],
  sees: [
    'who asked; `read`, `approve` or `manage` on the RA profile. What becomes of a wish to revoke is then for the rules to say',
    'a f y y y y y y f y y r - -',
  ],
  enrols: ['`read`, `create_cert` or `manage` on the RA profile', 'a f y y y y f y f y y r - -'],
  create_cert: ['`create_cert` on the RA profile', 'a f f y y f f f f y y f - -'],
  revoke_cert: ['`revoke_cert` on the RA profile', 'a f f f f y f f f y y f - -'],
  export_private_key: ['`export_private_key` on the RA profile', 'a f f f f f f f f y y f f -'],
  own: ['who asked, while his token may ask such a thing; `manage` on the RA profile', 'a f f f y f f y f y y f - -'],
  voter: [
    'whom the present step of the approval rules names, never who is behind the request',
    'a f f f f f y f f f f f - -',
  ],
  override: [
    'an administrator of the organization, or a superuser, and never who is behind the request',
    'a f f f f f f f f y y f - -',
  ],
  manage: ['`manage`', 'a f f f f f f y f y y f f -'],
  create_ca: ['`create_ca`', 'a f f f f f f f y y y f f -'],
  self: [
    'the user whom it is about, an administrator of his organization, or a superuser',
    'a f f f y f f f f y y r f -',
  ],
  admin: ['an administrator of the organization, or a superuser', 'a f f f f f f f f y y r f -'],
  superuser: ['a superuser', 'a f f f f f f f f f y r f f'],
  beside: ['nobody from afar: it works on the data folder alone', 'a b b b b b b b b b b b b b'],
} as const satisfies Record<string, readonly [string, string]>

export type Need = keyof typeof needs

/** The outcome that is expected for every role. */
export function expected(row: Row, method: Method): Record<Role, Outcome> {
  const cells = needs[row.needs][1].split(' ')
  const outcomes = roleNames.map((role, at) => [
    role,
    row.but?.[role] ?? outcome(`${cells[at]}`, row, { role, method }),
  ])
  return Object.fromEntries(outcomes) as Record<Role, Outcome>
}

function outcome(cell: string, row: Row, { role, method }: { role: Role; method: Method }): Outcome {
  const unseen = row.list ? 'empty' : '404'
  if (cell === 'a') return '401'
  if (cell === 'b') return '400'
  if (cell === '-' || (role === 'scoped' && row.ofProfile && cell !== 'a')) return unseen
  if (cell === 'y') return 'yes'
  if (cell === 'r') return method === 'get' || row.reads ? 'yes' : '403'
  if (row.list) return 'empty'
  return row.hidden || (row.record && (role === 'none' || role === 'creator')) ? '404' : '403'
}
