import { expect } from 'vitest'
import { fingerprint } from '../../src/pki/certificateReader.ts'
import { doorOf, type Person, type RaApp } from './raApp.ts'
import { newCsr } from './world.ts'

/** Calls of REST v1 as older clients make them. */

export const password = 'correct horse'
const everyone = [{ name: 'nobody looks', auto: true }]
export const autoRules = { issue: everyone, renew: [], rekey: [], revoke: everyone, export: [] }

/** Base64 of a CSR with a new key. */
export const pkcs10 = async (...names: string[]) => (await newCsr(names)).der.toString('base64')

/** A profile of its own with an end entity `device`, which `by` has added. */
export async function setUpLegacy(
  app: RaApp,
  profile: string,
  change: Parameters<RaApp['save']>[1] = {},
  by: Person = app.operator,
) {
  await app.save(profile, { rules: autoRules, ...change })
  const path = `/v1/operations/${profile}`
  const body = {
    raProfile: { name: profile },
    username: 'device',
    password,
    subjectDN: 'CN=device.test,O=Field',
    subjectAltName: 'DNS:device.test',
  }
  const added = await app.call('post', `${path}/endentity`, { body, by })
  expect(added.status, added.text).toBe(200)
  const endEntity = `${path}/endentity/device`
  return {
    endEntity,
    issue: (pkcs10: string, more: Record<string, unknown> = {}, by = app.operator) =>
      app.call('post', `${path}/certificate/issue`, { body: { username: 'device', password, pkcs10, ...more }, by }),
    revoke: (body: unknown, by = app.operator) => app.call('post', `${path}/certificate/revoke`, { body, by }),
    status: async () => (await app.call('get', endEntity)).json.status,
  }
}

export async function waitingFor(app: RaApp, kind: 'sign' | 'revoke', profile?: string) {
  const filter = { kind, status: 'requested', ...(profile === undefined ? {} : { profile }) }
  return (await doorOf(app, app.admin).list.requests(filter)).rows
}

export async function decide(
  app: RaApp,
  row: { kind: 'sign' | 'revoke'; uuid: string } | undefined,
  verdict: 'approve' | 'deny' = 'approve',
  by: Person = app.approver,
) {
  if (!row) throw new Error('nothing waits')
  const { kind, uuid } = row
  const { approvals } = doorOf(app, by)
  const { hash } = await approvals.review(kind, uuid)
  await approvals.vote(kind, uuid, { verdict, hash, reason: 'not this one' })
}

/** The certificate that an answer has as base64. */
export async function certificateIn(app: RaApp, base64: string) {
  const der = Buffer.from(base64, 'base64')
  const certificate = await doorOf(app, app.admin).findCertificate({ fingerprint: fingerprint(der) })
  if (!certificate) throw new Error('there is no such certificate')
  return certificate
}
