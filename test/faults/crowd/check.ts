import { request } from 'node:http'
import type { Composition } from '../../../src/compose.ts'
import { sealAudit } from '../../../src/core/audit/seal.ts'
import { verifyAudit } from '../../../src/core/audit/verify.ts'
import type { CoreTables } from '../../../src/core/tables.ts'
import { withTables } from '../../../src/db/tables.ts'
import { readCrl } from '../../../src/pki/crlReader.ts'
import { readOcsp } from '../../helpers/ocspAnswer.ts'
import { ocspRequest } from '../../helpers/statusServer.ts'
import type { Crowd } from './crowd.ts'
import { issuerOf } from './issuer.ts'

/** What is wrong with the server's records, held against what it has acknowledged; empty when all is well. */
export async function examine(crowd: Crowd, depth: { audit: boolean }): Promise<string[]> {
  const wrong = [...crowd.ledger.faults]
  await crowd.world.beside(async (composition) => {
    wrong.push(...(await recordsWrong(composition, crowd)))
    wrong.push(...(await serialsWrong(composition, crowd)))
    wrong.push(...(await votesWrong(composition, crowd)))
    wrong.push(...(await statusesWrong(composition, crowd)))
    if (depth.audit) {
      const { it } = composition
      while ((await sealAudit(it.db, it.auditSecret)) > 0);
      wrong.push(...(await verifyAudit(it.db, it.auditSecret)).problems)
    }
  })
  return wrong
}

/** Every acknowledged order is there, once where the contract knows a repeat; every certificate that anybody got is the one on record. */
async function recordsWrong({ it }: Composition, { ledger }: Crowd): Promise<string[]> {
  const tables = withTables<CoreTables>(it.db)
  const requests = await tables.selectFrom('sign_requests').select(['id', 'protocol', 'wanted']).execute()
  const byName = new Map<string, number[]>()
  for (const { id, wanted } of requests) {
    const [first] = JSON.parse(wanted).identifiers as { value: string }[]
    if (first) byName.set(first.value, [...(byName.get(first.value) ?? []), id])
  }
  const certificates = await tables.selectFrom('certificates').select(['id', 'serial', 'der']).execute()
  const bySerial = new Map(certificates.map((row) => [row.serial, row]))
  const known = new Set(requests.map(({ id }) => id))
  const wrong: string[] = []
  for (const [name, protocol] of ledger.requests) {
    const ids = byName.get(name) ?? []
    if (ids.length === 0) wrong.push(`the order of ${name} over ${protocol} was acknowledged and is not there`)
    if (ids.length > 1 && ['rest', 'fastpki', 'est', 'scep'].includes(protocol))
      wrong.push(`the order of ${name} over ${protocol} is there ${ids.length} times`)
  }
  for (const [serial, name] of ledger.serials) {
    const row = bySerial.get(serial)
    if (!row) wrong.push(`the certificate ${serial} of ${name} was given out and is not on record`)
    else if (!Buffer.from(row.der).equals(ledger.certificates.get(name) ?? Buffer.alloc(0)))
      wrong.push(`the certificate ${serial} of ${name} is another one on record`)
  }
  for (const { id, serial } of certificates) if (!known.has(id)) wrong.push(`the certificate ${serial} has no request`)
  return wrong
}

/** No serial twice, also not among attempts whose certificates nobody ever saw; each certificate is of an attempt. */
async function serialsWrong({ it }: Composition, _: Crowd): Promise<string[]> {
  const tables = withTables<CoreTables>(it.db)
  const attempts = await tables.selectFrom('sign_attempts').select(['serial', 'sign_request_id']).execute()
  const certificates = await tables.selectFrom('certificates').select(['id', 'serial']).execute()
  const wrong: string[] = []
  const owners = new Map<string, number>()
  for (const { serial, sign_request_id: id } of attempts) {
    if (owners.has(serial)) wrong.push(`two attempts have the serial ${serial}`)
    owners.set(serial, id)
  }
  const seen = new Set<string>()
  for (const { id, serial } of certificates) {
    if (seen.has(serial)) wrong.push(`two certificates have the serial ${serial}`)
    seen.add(serial)
    if (owners.has(serial) && owners.get(serial) !== id) wrong.push(`the serial ${serial} is of another request`)
  }
  return wrong
}

async function votesWrong({ it }: Composition, { ledger }: Crowd): Promise<string[]> {
  const votes = await withTables<CoreTables>(it.db)
    .selectFrom('votes')
    .innerJoin('decisions', 'decisions.id', 'votes.decision_id')
    .innerJoin('sign_requests', 'sign_requests.id', 'decisions.sign_request_id')
    .select(['sign_requests.uuid', 'sign_requests.status'])
    .where('votes.verdict', '=', 'approve')
    .execute()
  const byUuid = new Map(votes.map(({ uuid, status }) => [uuid, status]))
  return [...ledger.votes].flatMap((uuid) => {
    const status = byUuid.get(uuid)
    if (status === undefined) return [`the vote on ${uuid} was acknowledged and is not there`]
    return ['signing', 'signed'].includes(status) ? [] : [`${uuid} was approved and is ${status}`]
  })
}

/** What was acknowledged as revoked is so on record; nothing else is, but what somebody asked for. */
async function statusesWrong({ it }: Composition, { ledger }: Crowd): Promise<string[]> {
  const rows = await withTables<CoreTables>(it.db).selectFrom('certificates').select(['serial', 'status']).execute()
  const status = new Map(rows.map((row) => [row.serial, row.status]))
  const lost = [...ledger.revoked].filter((serial) => status.get(serial) !== 'revoked')
  const extra = rows.filter(({ serial, status }) => status !== 'issued' && !ledger.revoking.has(serial))
  return [
    ...lost.map((serial) => `the revocation of ${serial} was acknowledged and is not there`),
    ...extra.map(({ serial }) => `nobody has revoked ${serial}`),
  ]
}

/** What OCSP and the CRL tell of these serials, held against the acknowledged revocations. */
export async function examineStatus(crowd: Crowd, serials: readonly string[]): Promise<string[]> {
  const { world, ledger } = crowd
  const wrong: string[] = []
  const issuer = await issuerOf(world)
  for (const serial of serials) {
    const body = ocspRequest(issuer, [serial])
    const answer = await plain(`${world.server.httpUrl}/ocsp/issuing`, body)
    const [said = ''] = readOcsp(answer).statuses
    if (ledger.revoked.has(serial) && !said.startsWith('revoked')) wrong.push(`OCSP says ${said} of ${serial}, revoked`)
    if (!ledger.revoking.has(serial) && said !== 'good') wrong.push(`OCSP says ${said} of ${serial}, never revoked`)
  }
  const crl = readCrl(await plain(`${world.server.httpUrl}/crl/issuing.crl`))
  const listed = new Set(crl.entries.map(({ serial }) => serial))
  for (const serial of ledger.revoked) if (!listed.has(serial)) wrong.push(`${serial} is revoked and not on the CRL`)
  for (const serial of listed)
    if (!ledger.revoking.has(serial)) wrong.push(`${serial} is on the CRL and was never revoked`)
  return wrong
}

function plain(url: string, body?: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/ocsp-request', 'content-length': body.length } : {}
    const asked = request(url, { method: body ? 'POST' : 'GET', headers, agent: false }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.once('error', reject)
      answer.once('end', () => resolve(Buffer.concat(parts)))
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

/** Orders that nobody is waited for and that have not ended. */
export function underWay({ world }: Crowd): Promise<number> {
  return world.beside(async ({ it }) => {
    const rows = await withTables<CoreTables>(it.db)
      .selectFrom('sign_requests')
      .select('id')
      .where('status', '=', 'signing')
      .execute()
    return rows.length
  })
}
