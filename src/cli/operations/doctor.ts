import { z } from 'zod'
import type { RolloverView } from '../../core/authority/rolloverView.ts'
import type { Door } from '../../core/core.ts'
import { Failure } from '../../core/failure.ts'
import type { LifetimeView } from '../../core/ocsp/lifetime.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { askOcsp, crlCheck, notAsked, ocspCheck, ocspQuestion } from '../doctor/answers.ts'
import { type Check, check, fail, ok, warn } from '../doctor/check.ts'
import { custodyChecks } from '../doctor/custody.ts'
import { besideServer, type OperationContext, operation } from '../operation.ts'

const day = 86_400_000

/** Where the server that answers on the socket listens: its settings may be others than those that the command line reads. */
export const server = operation({
  name: 'doctor.server',
  input: z.strictObject({}),
  run: async (context) => {
    const { listen, baseUrls, validation } = besideServer(context).config
    return { pid: process.pid, listen, baseUrls, validation }
  },
})

/** What only the core knows: its keys, its records, its authorities, and whether its clock runs forward. */
export const core = operation({
  name: 'doctor.core',
  input: z.strictObject({ full: z.boolean().optional() }),
  run: async (context, { full = false }) => {
    besideServer(context)
    const checks = [await check('clock', () => clockCheck(context)), ...(await custodyChecks(context.door, full))]
    checks.push(...(await several('authorities', () => everyAuthority(context))))
    return [...checks, ...(await several('CRLs and responders', () => lifetimeChecks(context)))]
  },
})

/** What throws is a failure of all of them, and keeps nobody from hearing of the rest. */
async function several(name: string, run: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await run()
  } catch (error) {
    return [{ name, ...fail(error instanceof Error ? error.message : String(error)) }]
  }
}

async function everyAuthority(context: OperationContext): Promise<Check[]> {
  const checks: Check[] = []
  for (const { name, kind, enabled } of await context.door.admin.authorities())
    if (enabled) checks.push(...(await several(`authority ${name}`, () => authorityChecks(context, name, kind))))
  return checks
}

/** Clocks of one place never agree to the millisecond. */
const tolerated = 5_000

/** What was recorded lies in the past, unless the clock was set back since; and the database server has the same time. */
async function clockCheck({ door }: OperationContext) {
  const { here, database, lastEvent } = await door.custody.clocks()
  if (lastEvent && lastEvent.getTime() > here.getTime() + tolerated)
    return fail(`it says ${here.toISOString()}, but the last event was recorded at ${lastEvent.toISOString()}`)
  const apart = database ? Math.abs(database.getTime() - here.getTime()) : 0
  if (database && apart > tolerated)
    return warn(`it says ${here.toISOString()}, the database server ${database.toISOString()}`)
  return ok(here.toISOString())
}

async function authorityChecks({ door }: OperationContext, name: string, kind: string): Promise<Check[]> {
  const { chain, notAfter, settings } = await door.admin.authority(name)
  const [der] = chain
  const rollover = await lastRollover(door, name)
  const checks = [await check(`authority ${name}`, () => endCheck(name, notAfter, rollover))]
  if (kind === 'acme') return [await check(`upstream CA of ${name}`, () => upstreamCheck(door, name))]
  if (kind !== 'local' || !der) return checks
  const issuer = readCertificate(der)
  const issued = async (limit: number) => (await door.list.certificates({ authority: name, limit })).rows
  const ocsp = await askOcsp(settings, issued, (serial) =>
    check(`OCSP of ${name}`, async () => {
      const asked = ocspQuestion(issuer, serial)
      const { der } = await door.ocsp({ text: asked.toString('latin1'), der: () => asked })
      return ocspCheck(der, issuer)
    }),
  )
  checks.push(
    await check(`CRL of ${name}`, async () => crlCheck((await door.crl({ authority: name })).der, issuer, new Date())),
    ocsp ?? { name: `OCSP of ${name}`, ...notAsked },
  )
  return checks
}

async function upstreamCheck({ admin }: Door, name: string) {
  const { directory, known, revokes } = await admin.examineUpstream(name)
  if (!known) return fail(`${directory} answers, but does not know the account: authority register ${name}`)
  return revokes ? ok(`${directory} answers`) : warn(`${directory} answers, and cannot be asked to revoke`)
}

/** A line for each authority while all is well, else one for each CRL and responder that is not. */
async function lifetimeChecks({ door }: OperationContext): Promise<Check[]> {
  const of = new Map<string, LifetimeView[]>()
  for (const one of await door.admin.revocationLifetimes())
    of.set(one.authority, [...(of.get(one.authority) ?? []), one])
  return [...of].flatMap(([authority, all]): Check[] => {
    const name = `CRLs and responders of ${authority}`
    const wrong = all.filter(({ state }) => state !== 'ok')
    if (wrong.length > 0) return wrong.map((one) => ({ name, ...(one.state === 'late' ? warn : fail)(one.detail) }))
    const first = Math.min(...all.map(({ until }) => until?.getTime() ?? Number.POSITIVE_INFINITY))
    return [{ name, ...ok(`${all.length}, of which the first ends on ${new Date(first).toISOString()}`) }]
  })
}

type Last = Pick<RolloverView, 'status' | 'startsAt' | 'notes'>

async function lastRollover({ admin }: Door, name: string): Promise<Last | undefined> {
  return admin.rollover(name).catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'notFound') return undefined
    throw error
  })
}

/** Ten minutes after its start a rollover has begun. */
const rolloverGrace = 600_000

function endCheck(name: string, notAfter: Date | null, rollover: Last | undefined) {
  if (!notAfter) return warn('it has no certificate yet')
  const left = Math.floor((notAfter.getTime() - Date.now()) / day)
  const text = `its certificate ends on ${notAfter.toISOString().slice(0, 10)}, in ${left} days`
  if (left < 0) return fail('its certificate has ended')
  if (rollover?.status === 'requested')
    return warn(`${text}; its next certificate is not signed yet: ${rollover.notes.join('; ')}`)
  if (rollover?.status === 'prepared') {
    const start = rollover.startsAt.toISOString()
    const late = Date.now() - rollover.startsAt.getTime() > rolloverGrace
    return late
      ? fail(`its rollover was to begin on ${start}, and has not (alert ls)`)
      : ok(`${text}; its next key takes over on ${start}`)
  }
  return left < 90 ? warn(`${text}: countersign authority rollover prepare ${name}`) : ok(text)
}
