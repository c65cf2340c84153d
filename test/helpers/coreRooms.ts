import { posix } from 'node:path'
import { readImports } from './architecture.ts'

/** The rooms of src/core, the lowest first: at run time each imports from those before it alone. docs/decisions/rooms.md. */
export const coreRooms = [
  'audit',
  'identity',
  'profile',
  'request',
  'authority',
  'crl',
  'search',
  'approval',
  'enrolment',
  'key',
  'revocation',
  'inventory',
  'discovery',
  'issuance',
  'ocsp',
  'upstream',
  'webhook',
  'listing',
  'login',
  'apply',
  'upkeep',
]

/** Made of the rooms: these take their types alone. */
const door = ['admin.ts', 'adminDoor.ts', 'core.ts', 'door.ts', 'doorParts.ts']

/** What else stands at the top of src/core is under all rooms, and stands on these at most. */
const ground = ['audit', 'identity', 'request']

/** Imports against the order. The list gets shorter, not longer. */
export const knownUpward: readonly (readonly [file: string, target: string])[] = [
  ['approval/approvals.ts', 'revocation/confirmRevoked.ts'],
  ['approval/handMoves.ts', 'upstream/upstreamWithdraw.ts'],
  ['audit/verifyDecisions.ts', 'profile/decide.ts'],
  ['audit/verifyDecisions.ts', 'profile/rule.ts'],
  ['authority/authorityAdmin.ts', 'issuance/builtin.ts'],
  ['authority/authorityAdmin.ts', 'revocation/importedCrl.ts'],
  ['authority/authorityDraftSigned.ts', 'issuance/builtin.ts'],
  ['authority/rolloverParent.ts', 'issuance/builtin.ts'],
  ['inventory/locationPush.ts', 'webhook/webhookSignature.ts'],
  ['issuance/follow.ts', 'upstream/upstreamWork.ts'],
  ['key/messageKey.ts', 'issuance/builtin.ts'],
  ['key/serverKeyExport.ts', 'inventory/inventoryValidation.ts'],
  ['key/serverKeys.ts', 'issuance/refusedKeyless.ts'],
  ['profile/profileAdmin.ts', 'authority/authorityView.ts'],
]

/** More files than this are not one noun. */
const most = 40

/** Which of a file's imports at run time go against the order of the rooms. */
export function roomFaults(file: string, source: string): string[] {
  const own = inCore(file)
  if (own === undefined) return []
  const room = roomOf(own)
  if (room !== undefined && !coreRooms.includes(room))
    return [`${file}: ${room} has no place in the order of the rooms`]
  return readImports(file, source)
    .filter(({ typeOnly }) => !typeOnly)
    .map(({ target }) => inCore(target))
    .filter((target) => target !== undefined)
    .filter((target) => !stands(own, target) && !isKnown(own, target))
    .map((target) => `${own} may not import ${target} at run time`)
}

/** Entries of knownUpward that no import needs any more. */
export function needlessUpward(sources: readonly { file: string; source: string }[]): string[] {
  return knownUpward
    .filter(([from, to]) => {
      const found = sources.find(({ file }) => file === `src/core/${from}`)
      return !found || !readImports(found.file, found.source).some(({ target }) => target === `src/core/${to}`)
    })
    .map(([from, to]) => `${from} → ${to}`)
}

/** Folders of src/core, and that itself, which hold too many files. */
export function fullRooms(files: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const folder of files.filter((file) => inCore(file) !== undefined).map(posix.dirname))
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  return [...counts].filter(([, count]) => count > most).map(([folder, count]) => `${folder} holds ${count} files`)
}

function stands(own: string, target: string): boolean {
  const room = roomOf(own)
  const other = roomOf(target)
  if (room === undefined && door.includes(own)) return true
  if (other === undefined) return !door.includes(target)
  if (room === undefined) return ground.includes(other)
  return coreRooms.includes(other) && coreRooms.indexOf(other) <= coreRooms.indexOf(room)
}

const isKnown = (own: string, target: string) => knownUpward.some(([from, to]) => from === own && to === target)
const inCore = (path: string) => (path.startsWith('src/core/') ? path.slice('src/core/'.length) : undefined)
const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined)
