import type { Door } from '../../core/core.ts'
import { type Check, check, fail, ok, warn } from './check.ts'

const day = 86_400_000
/** Of each kind of secret the newest so many are opened. */
const LOOKED_AT = 400
const BACKUP_AGE = 7 * day

/** Whether keys open, records hold, and there is a way back. `full`: all keys and the whole chain, which may take minutes. */
export async function custodyChecks(door: Door, full: boolean): Promise<Check[]> {
  return [
    await check('keys', () => keyCheck(door, full)),
    await check('key-encryption key', () => sealCheck(door)),
    await check('audit chain', () => auditCheck(door, full)),
    await check('backup', () => backupCheck(door)),
  ]
}

async function keyCheck({ custody }: Door, full: boolean) {
  const unreadable = await custody.unreadable(full ? undefined : LOOKED_AT)
  if (unreadable.length > 0) return fail(`cannot be opened: ${some(unreadable)}`)
  return ok(full ? 'all of them open' : `the newest ${LOOKED_AT} of each kind open (--full: all)`)
}

async function sealCheck({ custody }: Door) {
  const { current, source, next, old, outdated } = await (await custody.keyRotation()).state()
  const where = source === 'file' ? 'key.secret' : 'COUNTERSIGN_KEY_SECRET'
  if (next !== undefined) return warn(`${next} is to follow ${current}: countersign key-secret rotate goes on`)
  if (old === undefined) return ok(`${current}, from ${where}`)
  const left = await custody.sealedOtherwise()
  const what = left > 0 ? `countersign key-secret rotate goes on` : `countersign key-secret finish forgets it`
  return warn(
    `${current} seals, ${left} secrets are under ${old} still: ${what}${outdated ? `; ${where} holds the old one` : ''}`,
  )
}

async function auditCheck({ custody, admin }: Door, full: boolean) {
  const { sealed, problems } = full ? await admin.verifyAudit() : await custody.auditTail()
  if (problems.length > 0) return fail(`${some(problems)} (countersign audit verify)`)
  return ok(
    full ? `${sealed} links and all records agree` : `its last ${sealed} links hold (--full: all, and the records)`,
  )
}

async function backupCheck({ custody }: Door) {
  const last = await custody.lastBackup()
  if (!last) return warn('none was ever made: countersign backup FILE')
  const age = Date.now() - Date.parse(last.madeAt)
  const text = `the last one is of ${last.madeAt}`
  return age > BACKUP_AGE ? warn(`${text}, ${Math.floor(age / day)} days ago`) : ok(text)
}

function some(all: readonly string[]): string {
  return all.length > 5 ? `${all.slice(0, 5).join('; ')} and ${all.length - 5} more` : all.join('; ')
}
